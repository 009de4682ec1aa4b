"""What several commands read and say about accounts: pure, without input or output.

An account and its status, results of rules, how pack and StackSet arrived, whether its data reach an aggregator, what AWS did
not show, and advice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

STALE_AFTER = timedelta(hours=26)
"""A day, and two hours for the schedule and the retries.

The age of a verdict counts from the latest of ConfigRuleInvokedTime, ResultRecordedTime and the journal's line.  AWS does not
document whether its two times advance while a verdict stays the same.
"""

ARRIVED = frozenset({"CREATE_SUCCESSFUL", "UPDATE_SUCCESSFUL", "CURRENT", "SUCCEEDED"})
"""Sources: API models, config, OrganizationResourceDetailedStatus and OrganizationResourceStatus; cloudformation,
StackInstanceDetailedStatus and StackInstanceStatus."""
_UNDER_WAY = frozenset({"PENDING", "RUNNING"})
"""Source: API model, cloudformation, StackInstanceDetailedStatus."""
_MAY_NOT_INVOKE = ("InsufficientPermissionsException", "cannot be invoked")
"""What a stack's failure has if AWS Config may not invoke the function. Source: a quoted answer of PutConfigRule, 2019."""

_IN_DAYS = timedelta(days=3)
"""From this on, a length of time appears in days."""

_SHOWN_ACCOUNTS = 20
"""How many accounts a message names."""

# Source: API model, organizations, AccountState and AccountStatus.
_NO_LONGER_ACTIVE = frozenset({"SUSPENDED", "PENDING_CLOSURE", "CLOSED"})


class Status(StrEnum):
    """How the report counts an account; what fails comes first."""

    NON_COMPLIANT = "NON_COMPLIANT"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    COMPLIANT = "COMPLIANT"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_IN_SCOPE = "NOT_IN_SCOPE"
    EXCLUDED = "EXCLUDED"
    SUSPENDED = "SUSPENDED"


VERDICTS = frozenset({Status.COMPLIANT, Status.NON_COMPLIANT, Status.NOT_APPLICABLE})
"""The statuses that are verdicts of the rule."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the organization: `ou_path` like "Root/Workloads/Production", `state` as AWS Organizations says.

    `joined` is when it joined; None if AWS does not say, or for a deployment for one account.  `unit_ids` are the ids of the
    units that contain it, the root's first; empty if they were not read.
    """

    account_id: str
    name: str
    ou_path: str
    state: str = "ACTIVE"
    joined: datetime | None = None
    unit_ids: tuple[str, ...] = ()

    @property
    def is_suspended(self) -> bool:
        """Whether the account is suspended or closing, so that nobody judges it."""
        return self.state in _NO_LONGER_ACTIVE


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a rule for an account; `time` is None if the rule has no result yet."""

    rule_name: str
    compliance: str = ""
    annotation: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How the conformance pack or the StackSet arrived in an account: AWS's status, and its reason for a failure.

    A conformance pack also has its `name` in the account, and its `compliance` in the aggregator, empty if there is none.
    """

    status: str
    reason: str = ""
    name: str = ""
    compliance: str = ""

    @property
    def arrived(self) -> bool:
        """Whether the conformance pack or the StackSet's stack is in the account."""
        return self.status in ARRIVED

    @property
    def under_way(self) -> bool:
        """Whether it is still on its way."""
        return self.status in _UNDER_WAY or self.status.endswith("_IN_PROGRESS")

    @property
    def lacks_permission(self) -> bool:
        """Whether it failed because AWS Config may not invoke the rule's function.

        A stack of the StackSet may fail because other permissions are missing, too.
        Source: API model, config, InsufficientPermissionsException.
        """
        if self.status.endswith("_FAILED"):
            return "permission" in self.reason.lower()
        return self.status in {"FAILED", "OUTDATED"} and any(text in self.reason for text in _MAY_NOT_INVOKE)

    @property
    def lacks_recorder(self) -> bool:
        """Whether it failed because the account's configuration recorder is off. Source: API model, config, PutConfigRule."""
        return not self.arrived and "recorder" in self.reason.lower()


@dataclass(frozen=True, slots=True)
class Source:
    """Whether an account's data reach an aggregator, and if not, why."""

    succeeded: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Stands for what AWS did not show; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Advice:
    """A problem: why it is one, what to do, and the commands that do it."""

    why: str
    action: str
    commands: tuple[str, ...] = ()


def shown(account_ids: list[str]) -> str:
    """Name accounts in a sentence: their number, if there are several, and the first of them."""
    first = ", ".join(account_ids[:_SHOWN_ACCOUNTS])
    more = len(account_ids) - _SHOWN_ACCOUNTS
    plural = "account" if len(account_ids) == 1 else f"{len(account_ids)} accounts:"
    return f"{plural} {first}" + (f" and {more} more" if more > 0 else "")


def duration(length: timedelta) -> str:
    """Write an age or another length of time as "40 min", "26 h" or "3 d"."""
    whole_hours = length // timedelta(hours=1)
    if whole_hours == 0:
        return f"{length // timedelta(minutes=1)} min"
    return f"{whole_hours} h" if length < _IN_DAYS else f"{length.days} d"
