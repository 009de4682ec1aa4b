"""Decides the status of each account from what was read: pure, without input or output.

Unknown is never COMPLIANT: an account is COMPLIANT only with a verdict of the deployment's own rule that is not older than
STALE_AFTER.  There are two sources, AWS Config and the journal.  If both give the same verdict for the same rule, that counts.
Everything else is in doubt, and more is read about such an account.  If the two differ, the worse counts.

An account's administrator can make rules of any name, and these can say anything to AWS Config, but cannot change the journal.
So without the journal, a result counts in an organization only if the conformance pack has arrived in the account, and if one
rule alone has a name that a pack gives.  COMPLIANT counts only if AWS Config says it about the pack too: nobody in the account
can change that pack, or make another with its name.

If a StackSet brings the rule, an administrator can delete it, and make another with its name.  Then a passing result counts
only with the journal, and NON_COMPLIANT counts from either source.

Only a known failure can be accepted: an UNKNOWN account with an acceptance stays UNKNOWN.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from organization import commands, invoke_permission
from organization.controls.judging import Framework, RootFacts
from organization.deployment import PACK_RULE_PREFIX, RULE_NAME, Deployment
from organization.exceptions import judging as exceptions
from organization.exceptions.judging import Acceptance, Exceptions, Exclusion, begins_later, in_force
from organization.journal import Entry, Journal
from organization.statuses import STALE_AFTER, VERDICTS, Account, Advice, Arrival, Result, Status, duration

_SHOWN_RULES = 5
"""How many rules a message names: an account may have hundreds, and somebody chose their names."""

MEANINGS = {
    Status.NON_COMPLIANT: "The root user has too few virtual MFA devices. The finding says what to do.",
    Status.UNKNOWN: (
        "Nobody knows: the deployment's own rule has no result, or the last one is older than 26 hours, or the account is not "
        "evaluated though its exclusion has ended. It counts as a failure."
    ),
    Status.ACCEPTED: (
        "NON_COMPLIANT, and accepted until a date, since another control makes up for it. It does not count as a failure until "
        f"then. The reason comes from {exceptions.FILE}."
    ),
    Status.COMPLIANT: "The last evaluation, not older than 26 hours, found enough devices, or what the parameters accept.",
    Status.NOT_APPLICABLE: "The rule does not apply to this account.",
    Status.NOT_IN_SCOPE: (
        "The account is in none of the organizational units that the deployment evaluates (OrganizationalUnitIds). Nobody "
        "knows whether its root user has virtual MFA."
    ),
    Status.EXCLUDED: f"Excluded from the evaluation on purpose. The reason comes from {exceptions.FILE}.",
    Status.SUSPENDED: "AWS Organizations says that the account is suspended or closing. The report does not judge it.",
}

FAILURES = frozenset({Status.NON_COMPLIANT, Status.UNKNOWN})

_EXCEPTED = frozenset({Status.ACCEPTED, Status.EXCLUDED})

JUDGES_NOBODY = "No account is judged: each is not in scope, excluded or suspended."
"""What a report says if it judges no account."""

_NOT_JUDGED = frozenset({Status.NOT_IN_SCOPE, Status.EXCLUDED, Status.SUSPENDED})
_PASSES = frozenset({Status.COMPLIANT, Status.NOT_APPLICABLE})

# If an account has several results, the one that comes first here counts.
_WORST_FIRST = (Status.NON_COMPLIANT, Status.UNKNOWN, Status.COMPLIANT, Status.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was read for a report; the mappings are by account id.

    `packs` and `stack_instances` are None for a deployment for one account, which has neither.  `packs` is empty if a StackSet
    brings the rule.  In an organization only the results of accounts that are in doubt have a time and an annotation.  `packs`
    and `stack_instances` have all of the accounts that `asked` names, and the failures of others; if it is None, they have all
    accounts.
    """

    deployment: Deployment
    now: datetime
    accounts: Sequence[Account]
    results: Mapping[str, Sequence[Result]]
    packs: Mapping[str, Arrival] | None = None
    stack_instances: Mapping[str, Arrival] | None = None
    exceptions: Exceptions = field(default_factory=Exceptions)
    journal: Journal = field(default_factory=Journal)
    asked: frozenset[str] | None = None

    @property
    def day(self) -> date:
        """The day of the report in UTC, which decides which exceptions are in force."""
        return self.now.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class Row:
    """What the report says about one account.

    `age` is None without a result.  `reason` says why an account is not judged, if no exception does.  `exception` is the
    account's, whether it is in force or not.  `root` has the facts behind the verdict; None if they are not known: a line of
    the journal has to count, and AWS Config has to confirm it.
    """

    account: Account
    status: Status
    annotation: str = ""
    reason: str = ""
    advice: tuple[Advice, ...] = ()
    result_time: datetime | None = None
    age: timedelta | None = None
    rule_names: tuple[str, ...] = ()
    conformance_pack_status: str = ""
    stack_set_status: str = ""
    exception: Exclusion | Acceptance | None = None
    root: RootFacts | None = None

    @property
    def excuse(self) -> str:
        """Why the account is not judged, or why its failure is accepted, with who answers for that and until when."""
        return str(self.exception) if self.exception and self.status in _EXCEPTED else self.reason

    @property
    def finding(self) -> str:
        """The rule's annotation, or why there is none, and what excuses that."""
        return " ".join(filter(None, [self.annotation, self.excuse, *(advice.why for advice in self.advice)]))


@dataclass(frozen=True, slots=True)
class Report:
    """A report on a deployment at a time: a row for each account, and notes that concern no single account.

    `only`: the statuses whose accounts are listed; empty for all.  Totals count every account.  `frameworks`: those whose
    controls the report judges for each account.
    """

    deployment: Deployment
    time: datetime
    rows: Sequence[Row]
    notes: Sequence[str]
    only: frozenset[Status] = frozenset()
    frameworks: Sequence[Framework] = ()

    @property
    def listed(self) -> list[Row]:
        """The rows that are listed."""
        return [row for row in self.rows if self.lists(row.status)]

    @property
    def judges_nobody(self) -> bool:
        """Whether each account is out of scope, excluded or suspended, as when the only targeted unit is gone."""
        return all(row.status in _NOT_JUDGED for row in self.rows)

    @property
    def fails(self) -> bool:
        """Whether an account fails or is unknown, or none is judged: then nobody knows anything."""
        return self.judges_nobody or any(row.status in FAILURES for row in self.rows)

    def lists(self, status: Status) -> bool:
        """Tell whether accounts of a status are listed."""
        return not self.only or status in self.only


def is_judged(account: Account, deployment: Deployment) -> bool:
    """Tell whether the report judges an account: it is neither suspended nor excluded, and in scope."""
    return not account.is_suspended and account.account_id not in deployment.excluded and deployment.has_in_scope(account)


def in_doubt(account_id: str, results: Sequence[Result], journal: Journal, deployment: Deployment, now: datetime) -> bool:
    """Tell whether more has to be read about an account of an organization, given what the aggregator lists about its rules.

    It is not in doubt if a fresh line of the journal and AWS Config give the same verdict for the same rule.  While a StackSet
    takes over from a conformance pack, an account has a rule from each: if the other one fails, that is in doubt.
    """
    entry = _fresh(journal.evaluations.get(account_id), now)
    if entry is None:
        return True
    if deployment.has_rule_in_stack_set:
        fails = any(each.compliance == Status.NON_COMPLIANT for each in results)
        return not _confirms(results, entry) or (fails and entry.verdict != Status.NON_COMPLIANT)
    return not _confirms([each for each in results if each.rule_name.startswith(PACK_RULE_PREFIX)], entry, alone=True)


def _confirms(results: Iterable[Result], entry: Entry, *, alone: bool = False) -> bool:
    """Tell whether AWS Config gives the journal's verdict for the journal's rule; `alone`: and no result of another rule.

    A NOT_APPLICABLE result never reaches the aggregator, so then AWS Config has to give nothing.
    """
    said = [(each.rule_name, each.compliance) for each in results if alone or each.rule_name == entry.rule_name]
    return said == ([] if entry.verdict == Status.NOT_APPLICABLE else [(entry.rule_name, entry.verdict)])


def rows(observed: Observed) -> list[Row]:
    """Judge each account: what fails first, in the order of Status; accounts of one status in the order of the accounts."""
    order = list(Status)
    return sorted((_row(account, observed) for account in observed.accounts), key=lambda row: order.index(row.status))


def totals(all_rows: Iterable[Row]) -> dict[Status, int]:
    """Count the accounts of each status, of every status."""
    counts = Counter(row.status for row in all_rows)
    return {status: counts[status] for status in Status}


def notes(observed: Observed) -> list[str]:
    """Return the notes that concern no single account."""
    said = []
    if not observed.deployment.stack_status.endswith("_COMPLETE") or observed.deployment.stack_status.startswith("ROLLBACK"):
        said.append(f"The stack {observed.deployment.stack_name} is {observed.deployment.stack_status}.")
    if not _packs_are_listed(observed) and any(pack.arrived for pack in (observed.packs or {}).values()):
        said.append(
            "AWS Config gives the conformance pack's compliance for no account, so COMPLIANT relies on the name of the rule "
            "alone. An administrator whose own pack has no result could imitate it with a rule of that name."
        )
    if observed.journal.problem:
        rests = "everything relies on AWS Config alone"
        if observed.deployment.has_rule_in_stack_set:
            rests = "no account is COMPLIANT: an administrator can replace the rule with another one of the same name"
        said.append(f"The journal was not read, so {rests}. {observed.journal.problem}")
    above = {unit_id for account in observed.accounts for unit_id in account.unit_ids}
    said += [
        f"OrganizationalUnitIds names {unit_id}, and no account is in it or below it."
        for unit_id in sorted(observed.deployment.organizational_unit_ids - above)
    ]
    known = {account.account_id for account in observed.accounts}
    said += [
        f"Account {account_id} is excluded, but it is not in the organization: remove it from ExcludedAccounts."
        for account_id in sorted(observed.deployment.excluded - known)
    ]
    excluded, accepted = observed.exceptions.excluded, observed.exceptions.accepted
    said += [
        f"{exceptions.FILE} has a reason for account {account_id}, but the parameter ExcludedAccounts does not name it."
        for account_id in sorted(set(excluded) - observed.deployment.excluded)
    ]
    said += [
        f"{exceptions.FILE} accepts that account {account_id} fails, but {why}."
        for account_id in sorted(accepted)
        if (why := _unfit(account_id, observed))
    ]
    ending: list[tuple[str, str, Exclusion | Acceptance]] = [
        *((account_id, "exclusion", each) for account_id, each in excluded.items()),
        *((account_id, "acceptance", each) for account_id, each in accepted.items()),
    ]
    said += [
        f"The {kind} of account {account_id} ends after {each.until} (owner: {each.owner})."
        for account_id, kind, each in sorted(ending, key=lambda each: each[:2])
        if exceptions.ends_soon(each, observed.day)
    ]
    return said


def _unfit(account_id: str, observed: Observed) -> str:
    """Say why an acceptance can be useless to an account; empty if it is not."""
    account = next((each for each in observed.accounts if each.account_id == account_id), None)
    if account is None:
        return "the report has no such account"
    if not observed.deployment.has_in_scope(account):
        return "it is not in scope: nothing evaluates it"
    return "ExcludedAccounts names it: nothing evaluates it" if account_id in observed.deployment.excluded else ""


def _row(account: Account, observed: Observed) -> Row:
    deployment = observed.deployment
    if account.is_suspended:
        return Row(account, Status.SUSPENDED, reason=f"The account is {account.state} in AWS Organizations.")
    if not deployment.has_in_scope(account):
        reason = "The account is in none of the organizational units that OrganizationalUnitIds names."
        return Row(account, Status.NOT_IN_SCOPE, reason=reason, advice=_unwatched(account, deployment))
    if account.account_id in deployment.excluded:
        return _excluded(account, observed)

    results = observed.results.get(account.account_id, ())
    entry = _fresh(observed.journal.evaluations.get(account.account_id), observed.now)
    missing = _not_arrived(account, observed)
    judge = _by_journal if deployment.has_rule_in_stack_set else _by_aws_config
    judged = judge(account, results, entry, observed)
    status, result, doubts = judged.status, judged.result, judged.doubts
    if status is Status.UNKNOWN and not doubts and not (missing and result is None):
        doubts = [_nothing_recent(result, account, observed) if result else _no_result(account, observed)]
    root = entry.root if entry and judged.is_confirmed and status == entry.verdict else None
    acceptance = observed.exceptions.accepted.get(account.account_id)
    accepted: tuple[Advice, ...] = ()
    if acceptance:
        status, accepted = _accepted(status, acceptance, observed.day)
    return Row(
        account,
        status,
        annotation=result.annotation if result and status is not Status.UNKNOWN else "",
        exception=acceptance,
        root=root,
        advice=(*accepted, *doubts, *missing, *_somebodys(judged.others, account, observed)),
        result_time=result.time if result else None,
        age=_age(result.time, observed.now) if result and result.time else None,
        rule_names=tuple(sorted(each.rule_name for each in results)),
        conformance_pack_status=_status_of(observed.packs, account),
        stack_set_status=_status_of(observed.stack_instances, account),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What AWS Config and the journal together say about an account: its status, and the result that decides, if any.

    `others` are results that do not count.  `is_confirmed`: both say the same about the same rule.
    """

    status: Status
    result: Result | None
    doubts: Sequence[Advice]
    others: Sequence[Result]
    is_confirmed: bool


def _by_aws_config(account: Account, results: Sequence[Result], entry: Entry | None, observed: Observed) -> _Judged:
    """Judge an account whose rule is the only one, or that of a conformance pack, which nobody in the account can change."""
    deployment = observed.deployment
    if deployment.organization_id and entry and not _in_doubt(account, results, observed):
        others = [each for each in results if each.rule_name != entry.rule_name]
        return _Judged(Status(entry.verdict), _result_of(entry), (), others, is_confirmed=True)
    own, others = _part(account, results, observed)
    status, result, doubts = _verdict(account, [_refreshed(each, entry) for each in own], observed)
    said = next((each.compliance for each in results if entry and each.rule_name == entry.rule_name), "")
    is_confirmed = entry is not None and said == entry.verdict
    if entry and not is_confirmed:
        doubts = [_disagreement(entry, said, account, observed), *doubts]
        status = status if status is Status.NON_COMPLIANT else Status.UNKNOWN
    if entry and entry.verdict == Status.NON_COMPLIANT:
        status, result = Status.NON_COMPLIANT, _result_of(entry)
    return _Judged(status, result, doubts, others, is_confirmed)


def _by_journal(account: Account, results: Sequence[Result], entry: Entry | None, observed: Observed) -> _Judged:
    """Judge an account whose rule a StackSet brought.  Its administrator can replace that rule with another one.

    So it passes only if the journal and AWS Config both say so.  It fails if either source says so, about any rule
    with our name: while a StackSet takes over from a conformance pack, the account has a rule from each.
    """
    own, others = _part(account, results, observed)
    is_confirmed = entry is not None and _confirms(results, entry)
    doubts = []
    if entry and not is_confirmed:
        said = next((each.compliance for each in own), "")
        doubts.append(_disagreement(entry, said, account, observed))
    if entry and entry.verdict == Status.NON_COMPLIANT:
        return _Judged(Status.NON_COMPLIANT, _result_of(entry), doubts, others, is_confirmed)
    failing = next((each for each in (*own, *others) if _judge(each, observed.now) is Status.NON_COMPLIANT), None)
    if failing:
        return _Judged(Status.NON_COMPLIANT, failing, doubts, others, is_confirmed)
    if entry and is_confirmed:
        return _Judged(Status(entry.verdict), _result_of(entry), doubts, others, is_confirmed)
    result = next(iter(own), None)
    if entry is None and result and _judge(result, observed.now) in _PASSES:
        doubts.append(_not_in_journal(result, account, observed))
    return _Judged(Status.UNKNOWN, result, doubts, others, is_confirmed)


def _in_doubt(account: Account, results: Sequence[Result], observed: Observed) -> bool:
    return in_doubt(account.account_id, results, observed.journal, observed.deployment, observed.now)


def _part(account: Account, results: Sequence[Result], observed: Observed) -> tuple[list[Result], list[Result]]:
    """Separate results that may come from the deployment's own rule from results of other people's rules."""
    if observed.packs is None or observed.deployment.has_rule_in_stack_set:
        own = [result for result in results if result.rule_name == RULE_NAME]
    elif account.account_id in observed.packs and observed.packs[account.account_id].arrived:
        own = [result for result in results if result.rule_name.startswith(PACK_RULE_PREFIX)]
    else:
        own = []
    return own, [result for result in results if result not in own]


def _verdict(account: Account, own: Sequence[Result], observed: Observed) -> tuple[Status, Result | None, list[Advice]]:
    """Judge an account by results that may be its own rule's; returns the deciding result, if any, and the doubts."""
    if not own:
        return Status.UNKNOWN, None, []
    status, result = min(
        ((_judge(result, observed.now), result) for result in own), key=lambda judged: _WORST_FIRST.index(judged[0])
    )
    if observed.packs is None:
        return status, result, []
    pack = observed.packs[account.account_id]
    if len(own) > 1:
        doubt = [_several(own, account, pack, observed.deployment)]
        return (status, result, doubt) if status is Status.NON_COMPLIANT else (Status.UNKNOWN, None, doubt)
    if status not in FAILURES and _packs_are_listed(observed) and pack.compliance != Status.COMPLIANT:
        return Status.UNKNOWN, None, [_unconfirmed(result, account, pack, observed.deployment)]
    return status, result, []


def _packs_are_listed(observed: Observed) -> bool:
    """Tell whether the aggregator lists the pack, by its name, in any account.

    If it lists none, it uses other names, and that says nothing about one account.  No member can cause this: the aggregator
    still lists every other account's pack.  If few accounts were asked about, the journal confirms the others: an account that
    it does not confirm has to be listed.
    """
    return observed.asked is not None or any(pack.compliance for pack in (observed.packs or {}).values())


def _judge(result: Result, now: datetime) -> Status:
    if result.time is None or _age(result.time, now) > STALE_AFTER:
        return Status.UNKNOWN
    return Status(result.compliance) if result.compliance in VERDICTS else Status.UNKNOWN


def _age(time: datetime, now: datetime) -> timedelta:
    # The clock here may be behind AWS's.
    return max(now - time, timedelta())


# --- Exceptions ---


def _excluded(account: Account, observed: Observed) -> Row:
    """Judge an account that the deployment does not evaluate: nothing is known about it once its exclusion has ended."""
    exclusion = observed.exceptions.excluded.get(account.account_id)
    if exclusion is None:
        return Row(account, Status.EXCLUDED, reason=f"No reason given in {exceptions.FILE}.")
    if in_force(exclusion, observed.day):
        return Row(account, Status.EXCLUDED, exception=exclusion)
    kept = sorted(
        account_id
        for account_id in observed.deployment.excluded
        if (each := observed.exceptions.excluded.get(account_id)) is None or in_force(each, observed.day)
    )
    if begins_later(exclusion, observed.day):
        why, date = f"The account is excluded since {exclusion.since}, and is not evaluated before that.", "an earlier"
    else:
        why, date = f"The account was excluded until {exclusion.until}, and is still not evaluated.", "a later"
    advice = Advice(
        why,
        f"Let the rule evaluate it: the command keeps only the exclusions in force. Or let the owner ({exclusion.owner}) "
        f"decide again, and write {date} date into {exceptions.FILE}. The reason was: {exclusion.reason}",
        (commands.deploy(observed.deployment.stack_name, ExcludedAccounts=",".join(kept)),),
    )
    return Row(account, Status.UNKNOWN, exception=exclusion, advice=(advice,))


def _accepted(status: Status, acceptance: Acceptance, day: date) -> tuple[Status, tuple[Advice, ...]]:
    """Say how an acceptance changes a status.  It changes only a failure that is known, and only while it is in force."""
    if status in {Status.COMPLIANT, Status.NOT_APPLICABLE}:
        why = f"A failure of this account is accepted until {acceptance.until}, and it does not fail."
        return status, (Advice(why, f"Remove its entry from {exceptions.FILE}."),)
    if status is not Status.NON_COMPLIANT:
        return status, ()
    if in_force(acceptance, day):
        return Status.ACCEPTED, ()
    if begins_later(acceptance, day):
        why = f"This failure is accepted from {acceptance.since} on, and not before."
        return status, (Advice(why, "Do what the finding says."),)
    advice = Advice(
        f"This failure was accepted until {acceptance.until}, and no longer is.",
        f"Do what the finding says. Or let the owner ({acceptance.owner}) decide again, and write a later date into "
        f"{exceptions.FILE}. The reason was: {acceptance.reason}",
    )
    return status, (advice,)


# --- The journal beside AWS Config ---


def _fresh(entry: Entry | None, now: datetime) -> Entry | None:
    """Return an entry that has a verdict and is not too old."""
    return entry if entry and entry.verdict in VERDICTS and _age(entry.time, now) <= STALE_AFTER else None


def _result_of(entry: Entry) -> Result:
    return Result(entry.rule_name, entry.verdict, entry.annotation, entry.time)


def _refreshed(result: Result, entry: Entry | None) -> Result:
    """Give a result the journal's time if that is later, and its annotation if there is none.  Both have to say the same."""
    if entry is None or (entry.rule_name, entry.verdict) != (result.rule_name, result.compliance):
        return result
    return replace(result, annotation=result.annotation or entry.annotation, time=max(result.time or entry.time, entry.time))


def _disagreement(entry: Entry, said: str, account: Account, observed: Observed) -> Advice:
    deployment = observed.deployment
    make, recreate = _recreating(" If somebody did", account, deployment)
    return Advice(
        f"The journal says {entry.verdict} ({duration(_age(entry.time, observed.now))} ago), "
        f"and AWS Config says {said or 'nothing'}.",
        "AWS Config may be a few minutes behind: report again. If it stays so, see with credentials of account "
        f"{deployment.account_id} what the function reported, and with those of account {account.account_id} whether somebody "
        f"changed the rule.{make}",
        (*commands.show_journal(deployment, account.account_id), commands.show_rules(deployment, [entry.rule_name]), *recreate),
    )


def _not_in_journal(result: Result, account: Account, observed: Observed) -> Advice:
    """Say that a result does not count, since the journal cannot confirm it: an administrator can fake it."""
    deployment = observed.deployment
    said = f"AWS Config says {result.compliance} about the rule {result.rule_name}"
    if observed.journal.problem:
        return Advice(
            f"{said}. That counts only if the journal confirms it, and the journal cannot be read: {observed.journal.problem}",
            "Report with credentials that have logs:StartQuery and logs:GetQueryResults for the log group "
            f"{deployment.log_group_name or 'of the function'} in account {deployment.account_id}. If they have these, the "
            "command says what else keeps the journal from being read.",
            (commands.verify(deployment.stack_name),),
        )
    told = [
        f"{said}, and the journal has no evaluation by the deployment's own rule in the last {duration(STALE_AFTER)}.",
        _last_failure(account, observed),
        "Either evaluations fail, or somebody put another rule of this name.",
    ]
    make, recreate = _recreating(" If it is not the deployment's", account, deployment)
    return Advice(
        " ".join(filter(None, told)),
        f"See with credentials of account {deployment.account_id} why evaluations fail, and with those of account "
        f"{account.account_id} which function evaluates the rule.{make}",
        (
            *commands.show_failures(deployment, account.account_id),
            commands.show_rules(deployment, [result.rule_name]),
            *recreate,
        ),
    )


def _recreating(condition: str, account: Account, deployment: Deployment) -> tuple[str, tuple[str, ...]]:
    """Say how to recreate an account's stack, and so the rule in it, and return the commands; nothing if no such stack has it.

    An update does not: CloudFormation does not check whether somebody deleted or changed what a stack has.
    """
    if not deployment.has_rule_in_stack_set:
        return "", ()
    if account.account_id != deployment.management_account_id:
        target = deployment.target_above(account.unit_ids)
        delete = commands.stack_instances(deployment, "delete", account.account_id, target, "--no-retain-stacks")
        create = commands.stack_instances(deployment, "create", account.account_id, target)
        return f"{condition}, have the StackSet recreate the account's stack.", (delete, create)
    if deployment.in_management_account:
        return "", ()
    again = (
        commands.delete_management_account(deployment.region, deployment.stack_name),
        *_deploy_management_account(deployment),
    )
    return f"{condition}, recreate the account's stack with credentials of that account.", again


def _deploy_management_account(deployment: Deployment) -> tuple[str, ...]:
    """Return the command that gives the management account what a StackSet gives others; none if the function is there."""
    if deployment.in_management_account:
        return ()
    return (commands.deploy_management_account(deployment.region, deployment.stack_name),)


# --- Rules that other people made, or may have made ---


def _somebodys(others: Sequence[Result], account: Account, observed: Observed) -> Iterator[Advice]:
    """Say which rules do not count, although they have this package's name.

    While a StackSet takes over from a conformance pack, or the other way round, the former rules are no surprise.
    """
    deployment = observed.deployment
    there = f"with credentials of account {account.account_id}"
    if deployment.has_rule_in_stack_set:
        if others and not deployment.is_being_changed:
            say = ", ".join(sorted({_said(each) for each in others}))
            yield Advice(
                f"The account also has a rule of a name that a conformance pack gives ({_names(others)}), which says {say}. "
                "Only NON_COMPLIANT counts: it is left over from a conformance pack, or somebody made a rule of this name.",
                f"See {there} who made it (CreatedBy), and delete it, or its pack.",
                (commands.show_rules(deployment, _shown(others)),),
            )
        return
    undecided = [each for each in others if observed.packs is not None and each.rule_name.startswith(PACK_RULE_PREFIX)]
    for other in others:
        if other not in undecided and not (deployment.has_conformance_pack and deployment.is_being_changed):
            action = f"See {there} who made it (CreatedBy), and delete it."
            recreate: tuple[str, ...] = ()
            if deployment.organization_id and account.account_id == deployment.management_account_id:
                action += f" If a StackSet brought the rule before, deploy {there} what this account needs now."
                recreate = _deploy_management_account(deployment)
            yield Advice(
                f"The account has a rule {other.rule_name}, which says {_said(other)}. It does not count: somebody made a rule "
                "of this name, and this deployment did not.",
                action,
                (
                    commands.show_rules(deployment, [other.rule_name]),
                    commands.delete_rule(deployment, other.rule_name),
                    *recreate,
                ),
            )
    if undecided:
        say = ", ".join(sorted({_said(each) for each in undecided}))
        yield Advice(
            f"The account has a rule of a name that the conformance pack gives ({_names(undecided)}), which says {say}. It "
            "does not count: until the pack has arrived, nobody can tell whether that or somebody made a rule of this name.",
            f"Let the pack arrive. Then see {there} who made the rule (CreatedBy), and delete it if the pack did not.",
            (commands.show_rules(deployment, _shown(undecided)),),
        )


def _several(own: Sequence[Result], account: Account, pack: Arrival, deployment: Deployment) -> Advice:
    return Advice(
        f"The account has {len(own)} rules of names that only the conformance pack gives ({_names(own)}): somebody made a rule "
        "of this name. Nobody can tell from here which one is the pack's, so none of them makes the account COMPLIANT.",
        f"See with credentials of account {account.account_id} which rule is the pack's (the first command lists its rules) "
        "and who made the others (CreatedBy), and delete these.",
        (commands.show_rules_of_pack(deployment, pack.name), commands.show_rules(deployment, _shown(own))),
    )


def _unconfirmed(result: Result, account: Account, pack: Arrival, deployment: Deployment) -> Advice:
    """Say that a result does not count, since AWS Config does not confirm it for the pack of its rule."""
    return Advice(
        f"The rule {result.rule_name} says {result.compliance}, and AWS Config says {pack.compliance or 'nothing'} about the "
        f"conformance pack {pack.name}. Either AWS Config is a few minutes behind, or the pack's own rule has no such result "
        "and somebody made a rule of this name.",
        f"Report again in a few minutes. If it stays so, see with credentials of account {account.account_id} whether the rule "
        "is the pack's (the first command lists its rules), and delete it if it is not; and with those of account "
        f"{deployment.account_id} why evaluations fail.",
        (
            commands.show_rules_of_pack(deployment, pack.name),
            commands.show_rules(deployment, [result.rule_name]),
            *commands.show_failures(deployment, account.account_id),
        ),
    )


def _said(result: Result) -> str:
    return result.compliance or "nothing yet"


def _shown(results: Iterable[Result]) -> list[str]:
    return sorted(result.rule_name for result in results)[:_SHOWN_RULES]


def _names(results: Sequence[Result]) -> str:
    more = len(results) - _SHOWN_RULES
    return ", ".join(_shown(results)) + (f" and {more} more" if more > 0 else "")


# --- What keeps an account from being evaluated ---


def _status_of(arrivals: Mapping[str, Arrival] | None, account: Account) -> str:
    if arrivals is None or account.account_id not in arrivals:
        return ""
    return arrivals[account.account_id].status


def _not_arrived(account: Account, observed: Observed) -> tuple[Advice, ...]:
    """Say which parts of the deployment are not in the account."""
    deployment = observed.deployment
    if observed.packs is None or observed.stack_instances is None:  # a deployment for one account
        return ()
    is_known = observed.asked is None or account.account_id in observed.asked
    instance, pack = observed.stack_instances.get(account.account_id), observed.packs.get(account.account_id)
    advice = []
    if unwatched := _unwatched(account, deployment):
        return unwatched
    if account.account_id != deployment.management_account_id and (instance or is_known):
        advice.append(_stack_set(account, instance, deployment))
    if deployment.has_conformance_pack and (pack or is_known):
        advice.append(_pack(account, pack, deployment))
    return tuple(each for each in advice if each)


def _unwatched(account: Account, deployment: Deployment) -> tuple[Advice, ...]:
    """Say how to get the management account watched, if this is it and nobody watches it."""
    if account.account_id != deployment.management_account_id or deployment.watches_management_account:
        return ()
    return (
        Advice(
            "The root user of the management account is not watched: no StackSet reaches this account.",
            "Run the command with credentials of this account, and then "
            f"{commands.deploy(deployment.stack_name, ManagementAccountHasEvaluationRole='true')}.",
            _deploy_management_account(deployment),
        ),
    )


def _stack_set(account: Account, instance: Arrival | None, deployment: Deployment) -> Advice | None:
    name = f"The StackSet {deployment.stack_set_name}"
    target = deployment.target_above(account.unit_ids)
    create = commands.stack_instances(deployment, "create", account.account_id, target)
    if instance is not None and instance.arrived:
        return None
    if instance is not None and instance.under_way:
        return Advice(f"{name} is on its way to the account ({instance.status}).", "Wait.")
    why = f"{name} has no stack in the account."
    if instance is not None:
        why = f"{name} did not reach the account: {instance.status}{_because(instance)}"
    if deployment.has_rule_in_stack_set and (instance is None or instance.lacks_permission):
        permit = _permit(account, deployment, refused=instance is not None)
        if permit:
            return Advice(why, *permit)
    if instance is None:
        return Advice(why, "Deploy it there.", (create,))
    if instance.status == "INOPERABLE":
        # Source: API reference, StackInstance, Status.
        retain = commands.stack_instances(deployment, "delete", account.account_id, target, "--retain-stacks")
        return Advice(why, "Remove the account from the StackSet, delete its stack by hand, and deploy to it again.", (retain,))
    cause = "Fix the cause"
    if instance.lacks_recorder:
        cause = f"Turn the account's configuration recorder on in {deployment.region}"
    update = commands.stack_instances(deployment, "update", account.account_id, target)
    again = "deploy to it again: with the first command if the account has no stack of it, with the second if it has one"
    return Advice(why, f"{cause} and {again}.", (create, update))


def _pack(account: Account, pack: Arrival | None, deployment: Deployment) -> Advice | None:
    name = f"The conformance pack {deployment.conformance_pack_name}"
    if pack is not None and pack.arrived:
        return None
    if pack is not None and pack.under_way:
        return Advice(f"{name} is on its way to the account ({pack.status}).", "Wait.")
    why = f"{name} is not in the account."
    if pack is not None:
        why = f"{name} did not reach the account: {pack.status}{_because(pack)}"
    if pack is None or pack.lacks_permission:
        permit = _permit(account, deployment, refused=pack is not None)
        if permit:
            return Advice(why, *permit)
    cause = "Deploy it again." if pack is None else "Fix the cause and deploy the pack again."
    if pack is not None and pack.lacks_recorder:
        cause = f"Turn the account's configuration recorder on in {deployment.region}, and deploy the pack again."
    return Advice(why, cause, (commands.put_pack_again(deployment),))


def _permit(account: Account, deployment: Deployment, *, refused: bool) -> tuple[str, tuple[str, ...]] | None:
    """Say how to let AWS Config invoke the function for an account, and the command; None if it may.

    `refused`: AWS Config says that it may not.
    """
    if account.account_id in deployment.permitted:
        return None
    if deployment.invoke_permission == invoke_permission.ACCOUNTS:
        joined = "The function's policy does not list the account, which joined after the last deployment: deploy again."
        return joined, (commands.deploy(deployment.stack_name),)
    if refused and deployment.invoke_permission == invoke_permission.ORGANIZATION:
        listing = commands.deploy(deployment.stack_name, InvokePermission=invoke_permission.ACCOUNTS)
        return "Let AWS Config invoke the function for each account by its id.", (listing,)
    return None


def _because(arrival: Arrival) -> str:
    return f", {arrival.reason.rstrip('. ')}." if arrival.reason else "."


def _no_result(account: Account, observed: Observed) -> Advice:
    """Say why an account may have no result, although everything has arrived there."""
    deployment = observed.deployment
    failed = _last_failure(account, observed)
    causes = "the recorder is off, evaluations fail, or none was made yet"
    if deployment.has_rule_in_stack_set:
        causes = "the recorder is off, evaluations fail, none was made yet, or the rule is not there"
    why = "There is no result" + (f". {failed}" if failed else f": {causes}.")
    if deployment.rule_parameters.get("noRootCredentials") == Status.NOT_APPLICABLE and observed.packs is not None:
        why += (
            " Or the root user has no credentials: that is NOT_APPLICABLE here (NoRootCredentials), and such a result never"
            " reaches the aggregator."
        )
    failures = commands.show_failures(deployment, account.account_id)
    action = f"See with credentials of account {account.account_id} that its recorder is on"
    action += f", and with those of account {deployment.account_id} why evaluations fail." if failures else "."
    rule = (commands.show_rules(deployment, [RULE_NAME]),) if deployment.has_rule_in_stack_set else ()
    make, recreate = _recreating(" If the rule is not there", account, deployment)
    return Advice(why, f"{action}{make}", (commands.show_recorder(deployment), *rule, *failures, *recreate))


def _nothing_recent(result: Result, account: Account, observed: Observed) -> Advice:
    if result.time is None:
        why = f"The rule {result.rule_name} has no result yet."
    elif (age := _age(result.time, observed.now)) > STALE_AFTER:
        why = (
            f"The last result is {duration(age)} old, and older than {duration(STALE_AFTER)} is unknown. "
            f"It was {result.compliance}{': ' + result.annotation if result.annotation else '.'}"
        )
    else:
        why = f"AWS Config says {result.compliance or 'nothing'}, which is not a verdict."
    return Advice(
        f"{why} {_last_failure(account, observed)}".rstrip(),
        f"See with credentials of account {observed.deployment.account_id} why evaluations fail. If there was none, see that "
        f"the recorder of account {account.account_id} is on.",
        commands.show_failures(observed.deployment, account.account_id),
    )


def _last_failure(account: Account, observed: Observed) -> str:
    """Say why the last evaluation failed, if the journal has one that failed since the last that succeeded."""
    failure = observed.journal.failures.get(account.account_id)
    entry = observed.journal.evaluations.get(account.account_id)
    if failure is None or (entry and entry.time > failure.time):
        return ""
    return f"The last evaluation failed {duration(_age(failure.time, observed.now))} ago. {failure.error}"
