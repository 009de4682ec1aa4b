"""Questions about AWS that nobody outside AWS can answer. Each is a switch, so that tests see both answers."""

from dataclasses import dataclass


@dataclass
class Switches:
    """The answers of this local AWS. A command changes each."""

    deactivates_on_any_resource: bool = False
    """IAM authorizes root's DeactivateMFADevice on "*", and not on the root user.

    A message of 2023 about a root user's own call had "*". Then the task policies of root sessions deny the call.
    """

    def set(self, name: str, *, on: bool) -> None:
        """Set a switch. Raises ValueError if there is none of that name."""
        if name not in vars(self):
            message = f"There is no switch {name!r}: it is one of {', '.join(vars(self))}."
            raise ValueError(message)
        setattr(self, name, on)
