"""Exceptions from the rule, and when each is in force: pure, without input or output.

An account with an exclusion is not evaluated.  An account with an acceptance is evaluated and may fail, since another control
makes up for that.  `until` is the last day on which an exception is in force, in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

FILE = "excluded-accounts.yaml"
"""The file that operators write: see reading.py."""

ENDS_SOON = timedelta(days=30)
"""The report says beforehand that an exception ends."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why an account is not evaluated, who answers for that, and until when.

    The file's old form is a reason alone: then `owner` is empty, and `until` is None, which never ends.
    """

    reason: str
    owner: str = ""
    until: date | None = None

    def __str__(self) -> str:
        owner = f" Owner: {self.owner}." if self.owner else ""
        until = f" Until {self.until}." if self.until else ""
        return f"{_sentence(self.reason)}{owner}{until}" if owner or until else self.reason


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why an account may fail, the control that makes up for it, who answers for that, and until when."""

    reason: str
    control: str
    owner: str
    until: date

    def __str__(self) -> str:
        return (
            f"Accepted until {self.until}: {_sentence(self.reason)} Compensating control: {_sentence(self.control)} "
            f"Owner: {self.owner}."
        )


@dataclass(frozen=True, slots=True)
class Exceptions:
    """All exceptions, by account id.  No account has both an exclusion and an acceptance."""

    excluded: Mapping[str, Exclusion] = field(default_factory=dict)
    accepted: Mapping[str, Acceptance] = field(default_factory=dict)


def in_force(exception: Exclusion | Acceptance, day: date) -> bool:
    """Tell whether an exception is in force on a day of UTC.  It is on its last day."""
    return exception.until is None or day <= exception.until


def ends_soon(exception: Exclusion | Acceptance, day: date) -> bool:
    """Tell whether an exception is in force on a day, and not for long after it."""
    return exception.until is not None and timedelta() <= exception.until - day <= ENDS_SOON


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
