"""Which controls of which frameworks a root user satisfies, from the facts that the rule decides on: pure.

Frameworks ask other questions than this rule, which wants a virtual device.  A hardware key satisfies a framework that asks for
MFA of any kind.  A virtual device does not satisfy a framework that asks for hardware.  So facts answer these questions, and no
verdict does. controls.yaml has the controls: see reading.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from root_virtual_mfa_enabled.decision import AccountSummary


@dataclass(frozen=True, slots=True)
class RootFacts:
    """The facts about a root user that the log has: the account summary, and how many virtual MFA devices root has."""

    summary: "AccountSummary"
    virtual_mfa_devices: int


class State(StrEnum):
    """What a root user may be; several may hold at once.  A credential that is not known to be absent counts as present."""

    VIRTUAL = "virtual MFA device"
    OTHER = "other MFA device"
    NO_PASSWORD = "no password"  # noqa: S105 - says that there is none
    NEITHER = "neither MFA nor password"
    NO_CREDENTIALS = "no credentials"


STATES = {
    State.VIRTUAL: "MFA is on, and root has a virtual MFA device (scenario 2 or 4 of the rule, or 3 without credentials).",
    State.OTHER: (
        "MFA is on, and root has no virtual MFA device, so it is inferred to be a hardware TOTP token, passkey or security key "
        "(scenario 5, or 3 without credentials)."
    ),
    State.NO_PASSWORD: "Root is known to have no password, whatever else it has.",
    State.NEITHER: "MFA is off, and root is known to have no password (scenario 3, or 6 with access keys or certificates).",
    State.NO_CREDENTIALS: "Root is known to have no password, no access key and no signing certificate (scenario 3, or 2).",
}
"""What each state means, for readers. The scenarios are those in the header of the rule."""


class Assessment(StrEnum):
    """Whether a root user satisfies a control."""

    SATISFIED = "satisfied"
    NOT_SATISFIED = "not satisfied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a framework; `asks` says what for, in our words.

    Each state of `satisfied_by` alone satisfies it; about those in `silent_on` its source says neither yes nor no.  `source` is
    the URL of a page that has the number and what satisfies it, or `unverified` says why there is none.
    """

    control_id: str
    asks: str
    satisfied_by: frozenset[State]
    silent_on: frozenset[State]
    source: str
    unverified: str


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework: the name that operators give, its title, and what to know about its controls."""

    name: str
    title: str
    note: str
    controls: Sequence[Control]


def states(root: RootFacts) -> frozenset[State]:
    """Return what a root user is."""
    summary = root.summary
    no_password = summary.password_present is False
    holds = {
        State.VIRTUAL: summary.mfa_enabled and root.virtual_mfa_devices > 0,
        State.OTHER: summary.mfa_enabled and root.virtual_mfa_devices == 0,
        State.NO_PASSWORD: no_password,
        State.NEITHER: no_password and not summary.mfa_enabled,
        State.NO_CREDENTIALS: summary.has_no_credentials,
    }
    return frozenset(state for state, does in holds.items() if does)


def assess(control: Control, root: RootFacts | None) -> Assessment:
    """Tell whether a root user satisfies a control; UNKNOWN if its facts are not known (None)."""
    if root is None:
        return Assessment.UNKNOWN
    found = states(root)
    if found & control.satisfied_by:
        return Assessment.SATISFIED
    return Assessment.UNKNOWN if found & control.silent_on else Assessment.NOT_SATISFIED


def assessments(framework: Framework, root: RootFacts | None) -> dict[Assessment, list[str]]:
    """Return the ids of the framework's controls by assessment, of every assessment."""
    found: dict[Assessment, list[str]] = {each: [] for each in Assessment}
    for control in framework.controls:
        found[assess(control, root)].append(control.control_id)
    return found


def as_texts(by_assessment: dict[Assessment, list[str]]) -> list[str]:
    """Say which controls have which assessment: one text for each assessment that a control has."""
    return [f"{assessment}: {', '.join(control_ids)}" for assessment, control_ids in by_assessment.items() if control_ids]
