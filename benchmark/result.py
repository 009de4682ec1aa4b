"""The measurements and their table: medians, ratios, aims. Pure: this runs and prints nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any

COLD_AIM, WARM_AIM, MEMBER_AIM, GROWTH_AIM = 1.1, 1.25, 1.25, 1.1
"""The aim: the package takes at most this many times what the floor takes."""


class Case(StrEnum):
    """What an event can be about, if the number of calls depends on it."""

    OWN_WITHOUT_MFA = "own account without MFA"
    OWN = "own account with a virtual device"
    MEMBER_WITHOUT_MFA = "member account without MFA"
    MEMBER = "member account with a virtual device"


@dataclass
class Measurements:
    """The measurements of one function: times in ms, peak memory in MiB, the size of its zipped artefact in bytes.

    `calls` holds the numbers of API calls, which should be one number in each case.  `early_peak` is the memory after some
    member accounts, and `late_peak` after all; they are None without /proc.  `refused` holds the addresses outside this
    machine that the function wanted to call instead of its endpoint.
    """

    artefact_bytes: int
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    member: list[float] = field(default_factory=list)
    calls: dict[Case, set[int]] = field(default_factory=lambda: {case: set() for case in Case})
    early_peak: float | None = None
    late_peak: float | None = None
    refused: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Row:
    """One line of the table: the values of the package, the floor and the sample; None if there is no value."""

    measure: str
    unit: str
    package: float | None
    floor: float | None
    sample: float | None
    aim: float | None = None

    @property
    def ratio(self) -> float | None:
        """The package's value divided by the floor's."""
        return ratio(self.package, self.floor)

    @property
    def sample_ratio(self) -> float | None:
        """The sample's value divided by the floor's."""
        return ratio(self.sample, self.floor)

    @property
    def met(self) -> bool | None:
        """Whether the ratio, rounded as shown, is within the aim; None without an aim or a ratio."""
        return None if self.aim is None or self.ratio is None else round(self.ratio, 2) <= self.aim

    def as_json(self) -> dict[str, Any]:
        """Return the line for a JSON file."""
        return {
            "measure": self.measure,
            "unit": self.unit,
            "package": self.package,
            "floor": self.floor,
            "sample": self.sample,
            "package_to_floor": self.ratio,
            "sample_to_floor": self.sample_ratio,
            "aim": self.aim,
            "met": self.met,
        }


def ratio(value: float | None, floor: float | None) -> float | None:
    """Divide, if the divisor is neither None nor 0."""
    return None if value is None or not floor else value / floor


def rows(package: Measurements, floor: Measurements, sample: Measurements, accounts: tuple[int, int]) -> list[Row]:
    """Make the table; `accounts` has the numbers of member accounts before the early and the late peak."""

    def row(measure: str, unit: str, value: Callable[[Measurements], float | None], aim: float | None = None) -> Row:
        return Row(measure, unit, value(package), value(floor), value(sample), aim)

    early, late = accounts
    return [
        row("Cold start: from the start of the process to the answer", "ms", lambda its: _median(its.cold), COLD_AIM),
        row("Warm run, own account", "ms", lambda its: _median(its.warm), WARM_AIM),
        row("Warm run, member account", "ms", lambda its: _median(its.member), MEMBER_AIM),
        *(row(f"API calls, {case}", "", _calls(case)) for case in Case),
        row(f"Peak memory after {early:,} member accounts", "MiB", lambda its: its.early_peak),
        row(f"Peak memory after {late:,} member accounts", "MiB", lambda its: its.late_peak),
        row("Memory growth from the one to the other", "x", _growth, GROWTH_AIM),
        row("Artefact, zipped", "KiB", lambda its: its.artefact_bytes / 1024),
    ]


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _calls(case: Case) -> Callable[[Measurements], float | None]:
    # If the number varies, the largest one needs an explanation.
    return lambda its: max(its.calls[case], default=None)


def _growth(its: Measurements) -> float | None:
    return ratio(its.late_peak, its.early_peak)


def as_json(machine: Mapping[str, str], table: Sequence[Row]) -> dict[str, Any]:
    """Return everything for a JSON file."""
    return {"machine": dict(machine), "rows": [row.as_json() for row in table]}
