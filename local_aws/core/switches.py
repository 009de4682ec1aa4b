"""Switches: where AWS's documentation leaves open what AWS does, a switch makes the local AWS do the other thing.

All are off at the start.
"""

from collections.abc import Mapping

SWITCHES: Mapping[str, str] = {
    "empty-pages": "Every list of an aggregator begins with an empty page.",
    "one-rule-as-object": "In a query's result, `configRuleList` of a resource with one rule is an object, not an array.",
    "withhold-source-org-id": "AWS Config invokes functions without `aws:SourceOrgID`.",
}
"""The name of each switch, and what the local AWS does while it is on. The command line and README.md have the same."""


class Switches:
    """Which switches are on."""

    def __init__(self) -> None:
        """Begin with all switches off."""
        self._on: set[str] = set()

    def turn(self, name: str, *, on: object) -> None:
        """Turn a switch on or off. Raises ValueError if there is no such switch, or if `on` is no boolean."""
        if name not in SWITCHES:
            message = f"There is no switch {name!r}: there are {', '.join(SWITCHES)}."
            raise ValueError(message)
        if not isinstance(on, bool):
            message = f"A switch is true or false, not {on!r}."
            raise ValueError(message)  # noqa: TRY004 - what a command raises if it does not understand its arguments
        (self._on.add if on else self._on.discard)(name)

    def is_on(self, name: str) -> bool:
        """Tell whether a switch is on. Raises KeyError if there is no such switch."""
        SWITCHES[name]
        return name in self._on
