"""Judges each account from the facts that were read about it, with the rule's own decision: pure, without input or output.

Unknown is never COMPLIANT: an account whose facts could not be read, or that the check did not get to, is UNKNOWN and says why.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from organization.statuses import Account, Advice, Status
from organization.unread import Step, Unread, what_to_do
from root_virtual_mfa_enabled.decision import Facts, Parameters, decide

STATUSES = (Status.NON_COMPLIANT, Status.UNKNOWN, Status.COMPLIANT, Status.NOT_APPLICABLE, Status.SUSPENDED)
"""The statuses that a check gives; what fails comes first."""

MEANINGS = {
    Status.NON_COMPLIANT: "The rule would fail this account. The finding says why, and what would change it.",
    Status.UNKNOWN: "Nobody knows: the account could not be read. It counts as a failure.",
    Status.COMPLIANT: "The rule would pass this account.",
    Status.NOT_APPLICABLE: "The rule does not apply to this account.",
    Status.SUSPENDED: "AWS Organizations says that the account is suspended or closing. It was not read.",
}

FAILURES = frozenset({Status.NON_COMPLIANT, Status.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Setting:
    """Parameters of the rule, and the same as texts, by the names that AWS Config has for them."""

    parameters: Parameters
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says about an account with one setting; `annotation` is empty if it says nothing."""

    status: Status
    annotation: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What the check says about one account.

    `facts` is None if they are not known.  `compared` is what the rule says with the other setting, None if there is none.
    `reason` is that of a suspension.
    """

    account: Account
    status: Status
    annotation: str = ""
    reason: str = ""
    facts: Facts | None = None
    advice: tuple[Advice, ...] = ()
    compared: Verdict | None = None

    @property
    def finding(self) -> str:
        """The rule's annotation, or why there is none."""
        return " ".join(filter(None, [self.annotation, self.reason, *(advice.why for advice in self.advice)]))

    @property
    def changes(self) -> bool:
        """Whether the other setting gives another verdict."""
        return self.compared is not None and self.compared.status != self.status


@dataclass(frozen=True, slots=True)
class Checked:
    """A check at a time, from the account `account_id`: a row for each account, what fails first.

    `role_name`: the role that was assumed in the other accounts; None if only the own account was checked.
    `compared`: the other setting, None if there is none.  `interrupted`: somebody ended it before every account was read.
    """

    time: datetime
    account_id: str
    region: str
    role_name: str | None
    setting: Setting
    compared: Setting | None
    rows: Sequence[Row]
    interrupted: bool = False

    @property
    def totals(self) -> dict[Status, int]:
        """Count the accounts of each status."""
        counts = Counter(row.status for row in self.rows)
        return {status: counts[status] for status in STATUSES}

    @property
    def changes(self) -> dict[tuple[Status, Status], int]:
        """Count the accounts whose verdict changes, by their verdicts with the one setting and with the other."""
        changed = Counter((row.status, row.compared.status) for row in self.rows if row.compared and row.changes)
        return dict(sorted(changed.items(), key=lambda item: [STATUSES.index(status) for status in item[0]]))

    @property
    def fails(self) -> bool:
        """Whether an account fails or is unknown."""
        return any(row.status in FAILURES for row in self.rows)


def rows(
    accounts: Iterable[Account],
    readings: Mapping[str, Facts | Unread],
    setting: Setting,
    compared: Setting | None,
    role_name: str | None,
) -> list[Row]:
    """Judge each account, with `readings` by account id: what fails first, accounts of one status in their order.

    The check did not get to an account that is neither suspended nor in `readings`.
    """
    judged = (_row(account, readings.get(account.account_id), setting, compared, role_name) for account in accounts)
    return sorted(judged, key=lambda row: STATUSES.index(row.status))


def _row(
    account: Account, reading: Facts | Unread | None, setting: Setting, compared: Setting | None, role_name: str | None
) -> Row:
    reason = ""
    advice: tuple[Advice, ...] = ()
    match reading:
        case Facts():
            verdict = _verdict(reading, setting)
            other = _verdict(reading, compared) if compared else None
            return Row(account, verdict.status, verdict.annotation, facts=reading, compared=other)
        case _ if account.is_suspended:
            status, reason = Status.SUSPENDED, f"The account is {account.state} in AWS Organizations."
        case Unread():
            status, advice = (
                Status.UNKNOWN,
                (Advice(reading.happened, what_to_do(reading, _if_denied(reading, account, role_name))),),
            )
        case None:
            status, advice = Status.UNKNOWN, (Advice("The check was interrupted before it read this account.", "Check again."),)
    return Row(account, status, reason=reason, advice=advice, compared=Verdict(status) if compared else None)


def _verdict(facts: Facts, setting: Setting) -> Verdict:
    decision = decide(facts, setting.parameters)
    return Verdict(Status(decision.verdict), decision.annotation)


def _if_denied(unread: Unread, account: Account, role_name: str | None) -> str:
    if unread.step is Step.SESSION:
        return (
            f"Either account {account.account_id} has no role {role_name}, or the role does not trust you, or one of your "
            "policies or the organization's denies sts:AssumeRole. Name a role that every account has, or make it there."
        )
    who = f"the role {role_name}" if role_name else "your credentials"
    return (
        f"Allow iam:GetAccountSummary and iam:ListVirtualMFADevices to {who} in account {account.account_id}, and look for a "
        "service control policy or a permissions boundary that denies them."
    )
