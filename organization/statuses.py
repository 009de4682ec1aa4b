"""What several commands read and say of accounts: pure, without input or output.

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

ARRIVED = frozenset({"CREATE_SUCCESSFUL", "UPDATE_SUCCESSFUL"})
"""Source: API model, config, OrganizationResourceDetailedStatus and OrganizationResourceStatus."""

_DEPLOYED = frozenset({"SUCCEEDED", "CURRENT"})
"""Source: API model, cloudformation, StackInstanceDetailedStatus and StackInstanceStatus."""

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
    EXCLUDED = "EXCLUDED"
    SUSPENDED = "SUSPENDED"


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
        """Whether the conformance pack or the stack is in the account."""
        return self.status in ARRIVED | _DEPLOYED

    @property
    def lacks_permission(self) -> bool:
        """Whether it failed because AWS Config may not invoke the rule's function.

        A stack's reason has the resource and AWS Config's message.  A stack may also lack other permissions.
        Source: API model, config, InsufficientPermissionsException; users quote its message (cloud-custodian#3530).
        """
        said = self.reason.lower()
        return (self.status.endswith("_FAILED") and "permission" in said) or (
            self.status == "FAILED" and ("insufficientpermissions" in said or "cannot be invoked" in said)
        )


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
