"""Exceptions from the rule, and when each is in force: pure, without input or output.

An account with an exclusion is not evaluated.  An account with an acceptance is evaluated and may fail, since another control
makes up for it.  `since` is the first day on which an exception is in force, and `until` the last one, in UTC.
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
    """Why an account is not evaluated, who answers for that, since when and until when.

    The file's old form is a reason alone: then `owner` is empty, and `until` is None, which never ends.  If `since` is None,
    nobody knows when it began: it is in force on every day until its end.
    """

    reason: str
    owner: str = ""
    until: date | None = None
    since: date | None = None

    def __str__(self) -> str:
        owner = f" Owner: {self.owner}." if self.owner else ""
        since = f" Since {self.since}." if self.since else ""
        until = f" Until {self.until}." if self.until else ""
        said = f"{owner}{since}{until}"
        return f"{_sentence(self.reason)}{said}" if said else self.reason


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why an account may fail, the control that makes up for it, who answers for that, since when and until when.

    `since` is as in an exclusion.
    """

    reason: str
    control: str
    owner: str
    until: date
    since: date | None = None

    def __str__(self) -> str:
        since = f" since {self.since} and" if self.since else ""
        return (
            f"Accepted{since} until {self.until}: {_sentence(self.reason)} Compensating control: {_sentence(self.control)} "
            f"Owner: {self.owner}."
        )


@dataclass(frozen=True, slots=True)
class Exceptions:
    """All exceptions, by account id.  No account has both an exclusion and an acceptance."""

    excluded: Mapping[str, Exclusion] = field(default_factory=dict)
    accepted: Mapping[str, Acceptance] = field(default_factory=dict)


def in_force(exception: Exclusion | Acceptance, day: date) -> bool:
    """Tell whether an exception is in force on a day of UTC.  It is in force on its first and on its last day."""
    return not begins_later(exception, day) and (exception.until is None or day <= exception.until)


def begins_later(exception: Exclusion | Acceptance, day: date) -> bool:
    """Tell whether an exception is not yet in force on a day."""
    return exception.since is not None and day < exception.since


def ends_soon(exception: Exclusion | Acceptance, day: date) -> bool:
    """Tell whether an exception is in force on a day, but ends soon after it."""
    return exception.until is not None and in_force(exception, day) and exception.until - day <= ENDS_SOON


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
