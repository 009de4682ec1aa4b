"""Judges what the root users of an organization have: contradictions, and the lists that an auditor asks for.

Pure, without input or output.  The verdict of an account is that of the rule's own decision.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from organization import commands
from organization.inventory.root_user import RootUser
from organization.removal import FEATURE, IAM
from organization.statuses import VERDICTS, Account, Advice, Status
from organization.unread import Step, Unread, what_to_do
from root_virtual_mfa_enabled.decision import Parameters, decide

STATUSES = (Status.NON_COMPLIANT, Status.UNKNOWN, Status.COMPLIANT, Status.NOT_APPLICABLE, Status.SUSPENDED)
"""The statuses that an inventory gives; what fails comes first."""

MEANINGS = {
    Status.NON_COMPLIANT: "With what its root user has, the rule fails this account.",
    Status.UNKNOWN: "Nobody knows: the root user could not be read. The finding says why.",
    Status.COMPLIANT: "With what its root user has, the rule passes this account.",
    Status.NOT_APPLICABLE: "The rule does not apply to this account.",
    Status.SUSPENDED: "AWS Organizations says that the account is suspended or closing. It was not read.",
}

NO_SESSIONS = "Root sessions are not possible: see the note."
NOT_READ = "The inventory was interrupted before it read this account."

# What to do about each text with which AssumeRoot denies access to every account.
# Source: public captures of AssumeRoot's refusals, 2026-09-12.
_FEATURE_OFF = "credentials management feature is not enabled"
_TRUST_OFF = "Service not enabled"


class Refusal(StrEnum):
    """Why nobody can open root sessions here: the code of ListOrganizationsFeatures, or the missing feature.

    Source: API model, iam, ListOrganizationsFeatures; public captures of its refusals, 2026-09-12.
    """

    FEATURE_OFF = FEATURE
    TRUST_OFF = "ServiceAccessNotEnabledException"
    NO_ADMINISTRATOR = "AccountNotManagementOrDelegatedAdministratorException"
    CONSOLIDATED_BILLING = "OrganizationNotInAllFeaturesModeException"


class List(StrEnum):
    """The lists of accounts, by the question that each answers."""

    KEYS_IN_USE = "access_keys_in_use"
    ONE_DEVICE = "one_device"
    ONLY_A_PASSKEY = "only_a_passkey"
    REMOVABLE = "removable"


@dataclass(frozen=True, slots=True)
class Row:
    """What the inventory says about one account.

    `status` is the verdict of the rule's decision on what root has; `rule_status` is what the deployment's report says, None if
    nothing is deployed.  `findings` are contradictions.  `root` is None if it is not known.
    """

    account: Account
    status: Status
    annotation: str = ""
    reason: str = ""
    rule_status: Status | None = None
    root: RootUser | None = None
    findings: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def finding(self) -> str:
        """Everything that is said about the account."""
        return " ".join(filter(None, [*self.findings, self.annotation, self.reason, *(each.why for each in self.advice)]))


@dataclass(frozen=True, slots=True)
class Observed:
    """What was read for an inventory, from the account `account_id`; mappings are by account id.

    `refusal` says why no root session is possible, None if one may be.  `rule_statuses` is None if nothing is deployed, or if
    the report could not be made, which `problem` says.  `parameters` are the deployment's, or the rule's defaults.
    """

    now: datetime
    account_id: str
    region: str
    management_account_id: str
    accounts: Sequence[Account]
    readings: Mapping[str, RootUser | Unread]
    parameters: Parameters
    refusal: Refusal | None = None
    rule_statuses: Mapping[str, Status] | None = None
    problem: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory: a row for each account, contradictions and what fails first, and the lists.

    `notes` are about no single account.  `unused_days`: after how many days without use credentials could be removed.
    """

    observed: Observed
    unused_days: int
    rows: Sequence[Row]
    notes: Sequence[Advice]
    lists: Mapping[List, Sequence[Row]]

    @property
    def totals(self) -> dict[Status, int]:
        """Count the accounts of each status."""
        counts = Counter(row.status for row in self.rows)
        return {status: counts[status] for status in STATUSES}

    @property
    def contradictions(self) -> list[Row]:
        """The accounts with findings."""
        return [row for row in self.rows if row.findings]

    @property
    def fails(self) -> bool:
        """Whether something contradicts the rule's verdict, or an account is not known."""
        return bool(self.contradictions or self.totals[Status.UNKNOWN])

    def command(self, row: Row) -> str:
        """Return the runbook's command that plans the removal of an account's root credentials."""
        return commands.start_removal(self.observed.region, row.account.account_id)

    def title(self, which: List) -> str:
        """Return the title of a list."""
        return {
            List.KEYS_IN_USE: f"Root access keys used in the last {self.unused_days} days",
            List.ONE_DEVICE: "One MFA device only",
            List.ONLY_A_PASSKEY: "The only MFA device is a passkey or security key",
            List.REMOVABLE: f"Root credentials that IAM saw nobody use for {self.unused_days} days, which could be removed",
        }[which]


def inventory(observed: Observed, unused_days: int) -> Inventory:
    """Judge every account: contradictions first, then what fails, accounts of one status in their order."""
    rows = sorted((_row(account, observed) for account in observed.accounts), key=_order)
    since = observed.now - timedelta(days=unused_days)
    known = [(row, row.root) for row in rows if row.root]
    lists = {
        List.KEYS_IN_USE: [row for row, root in known if root.keys_in_use(since)],
        List.ONE_DEVICE: [row for row, root in known if root.device_count == 1],
        List.ONLY_A_PASSKEY: [row for row, root in known if root.is_only_a_passkey],
        List.REMOVABLE: [
            row for row, root in known if row.account.account_id != observed.management_account_id and root.is_unused(since)
        ],
    }
    return Inventory(observed, unused_days, rows, list(_notes(observed)), lists)


def _order(row: Row) -> tuple[bool, int]:
    return not row.findings, STATUSES.index(row.status)


def _row(account: Account, observed: Observed) -> Row:
    rule_status = None if observed.rule_statuses is None else observed.rule_statuses.get(account.account_id)
    reading = observed.readings.get(account.account_id)
    match reading:
        case RootUser():
            decision = decide(reading.facts, observed.parameters)
            status = Status(decision.verdict)
            findings = (*_rule_differs(status, rule_status), *_summary_differs(reading))
            return Row(account, status, decision.annotation, rule_status=rule_status, root=reading, findings=findings)
        case _ if account.is_suspended:
            reason = f"The account is {account.state} in AWS Organizations."
            return Row(account, Status.SUSPENDED, reason=reason, rule_status=rule_status)
        case Unread() if _for_all(reading):
            return Row(account, Status.UNKNOWN, reason=NO_SESSIONS, rule_status=rule_status)
        case Unread():
            problem = Advice(reading.happened, what_to_do(reading, _if_denied(reading, account)))
        case None if account.account_id == observed.management_account_id != observed.account_id:
            problem = Advice(
                "sts:AssumeRoot does not reach the management account.",
                "Run the inventory with credentials of this account to see its root user.",
            )
        case None if observed.refusal:
            return Row(account, Status.UNKNOWN, reason=NO_SESSIONS, rule_status=rule_status)
        case None:
            problem = Advice(NOT_READ, "Start again.")
    return Row(account, Status.UNKNOWN, rule_status=rule_status, advice=(problem,))


def _rule_differs(status: Status, rule_status: Status | None) -> Iterator[str]:
    if rule_status in VERDICTS and rule_status != status:
        yield f"The rule's result is {rule_status}, but with what the root user has now it is {status}."


def _summary_differs(root: RootUser) -> Iterator[str]:
    """Say where the account summary, which the rule decides from, contradicts the lists."""
    said = "The account summary says"
    if root.summary.mfa_enabled != bool(root.device_count) and root.device_count is not None:
        state = "on" if root.summary.mfa_enabled else "off"
        yield f"{said} that MFA is {state}, but the number of MFA devices in the list is {root.device_count}."
    if None not in (root.summary.password_present, root.password) and root.summary.password_present != root.password:
        are = ("a password", "no login profile") if root.summary.password_present else ("no password", "a login profile")
        yield f"{said} that there is {are[0]}, but IAM has {are[1]}."
    kinds = (
        ("access keys", root.summary.access_keys_present, root.access_keys),
        ("signing certificates", root.summary.signing_certificates_present, root.certificates),
    )
    for name, present, listed in kinds:
        if present is True and listed == ():
            yield f"{said} that there are {name}, but none are listed."
        if present is False and any(each.is_active for each in listed or ()):
            yield f"{said} that there are no {name}, but active ones are listed."


def _for_all(unread: Unread) -> bool:
    """Tell whether AssumeRoot refuses every account for the same reason, which one note says."""
    return unread.step is Step.SESSION and any(text in unread.happened for text in (_FEATURE_OFF, _TRUST_OFF))


def _if_denied(unread: Unread, account: Account) -> str:
    if unread.step is Step.SESSION:
        return (
            "Either a policy denies you sts:AssumeRoot, or STS does not know your account as IAM's delegated administrator: it "
            "may learn of a delegation minutes later. See docs/auditing.md for the policy."
        )
    return (
        f"Look for a service control policy that denies the root user of account {account.account_id}: it has to exempt "
        "sessions of sts:AssumeRoot."
    )


# --- What is said once ---


def _notes(observed: Observed) -> Iterator[Advice]:
    if observed.problem:
        yield Advice(f"The rule's results could not be read. {observed.problem}", "The inventory is compared with nothing.")
    happened = {each.happened for each in observed.readings.values() if isinstance(each, Unread) and _for_all(each)}
    if observed.refusal is Refusal.FEATURE_OFF or any(_FEATURE_OFF in each for each in happened):
        yield Advice(
            "Centralized root access is off (RootCredentialsManagement): nobody can see from here what the root users of "
            "members have. Switching it on deletes nothing.",
            "In the management account, run:",
            (commands.enable_root_credentials_management(),),
        )
    elif observed.refusal is Refusal.TRUST_OFF or happened:
        yield Advice(
            "IAM has no trusted access to the organization, so nobody can open root sessions. STS may learn of a "
            "change minutes later.",
            "In the management account, run:",
            (commands.enable_service_access(IAM), commands.enable_root_credentials_management()),
        )
    elif observed.refusal is Refusal.NO_ADMINISTRATOR:
        yield Advice(
            f"Account {observed.account_id} is neither the management account nor IAM's delegated administrator, and only "
            "these open root sessions.",
            "Run the inventory in one of them, or in the management account:",
            (commands.register_delegated_administrator(observed.account_id, IAM),),
        )
    elif observed.refusal is Refusal.CONSOLIDATED_BILLING:
        yield Advice(
            "The organization has consolidated billing only, and centralized root access needs all features.",
            "In the management account, run:",
            (commands.enable_all_features(),),
        )
    if _infers(observed.readings.values()):
        yield Advice(
            "sts:AssumeRoot does not reach the management account. Its devices that are not virtual are inferred: "
            "MFADevicesInUse of the account summary less root's virtual devices, if the account has no IAM users. If it has, "
            "nobody can tell.",
            "Its root user sees them in the console.",
        )
    if _shows_no_sign_in(observed.readings.values()):
        yield Advice(
            "No root user shows when somebody last signed in. Either nobody did, or root sessions do not show it: nobody has "
            "seen on AWS whether they do.",
            "Ask the owners before you have a password removed.",
        )
    if observed.rule_statuses is None and not observed.problem:
        yield Advice(
            f"No deployment of the rule was found in account {observed.account_id}, {observed.region}, so there was no "
            "result to compare with what root has.",
            "If it is deployed, run the inventory in its account and home Region, with the name of its stack.",
        )


def _shows_no_sign_in(readings: Iterable[RootUser | Unread]) -> bool:
    """Tell whether there are passwords with a known day of creation, but none with a day of use."""
    with_password = [each for each in readings if isinstance(each, RootUser) and each.password and each.password_created]
    return bool(with_password) and not any(each.password_last_used for each in with_password)


def _infers(readings: Iterable[RootUser | Unread]) -> bool:
    return any(isinstance(each, RootUser) and each.inferred_devices != 0 for each in readings)
