"""Judges what nobody could verify before a deployment: pure, without input or output.

There is one check for each entry of docs/unverified.md, in the same order and with the same name.  A check uses what AWS shows
of this deployment.  It holds if what the package relies on is true here, whichever way AWS answers the question behind it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from organization import commands, invoke_permission, runbooks
from organization.deployment import EVENTS_ROLE_NAME, PACK_RULE_PREFIX, ROLE_NAMES, RULE_NAME, Deployment
from organization.journal import Entry, Journal
from organization.runbooks import NO_OUTPUT, NOTIFY, REEVALUATE, REMOVAL
from organization.statuses import STALE_AFTER, Arrival, Result, Source, Unseen, shown

T = TypeVar("T")

ROOT_CHANGES = frozenset(
    {
        "CreateVirtualMFADevice",
        "EnableMFADevice",
        "DeactivateMFADevice",
        "DeleteVirtualMFADevice",
        "CreateLoginProfile",
        "DeleteLoginProfile",
        "CreateAccessKey",
        "DeleteAccessKey",
        "UploadSigningCertificate",
        "DeleteSigningCertificate",
        "PasswordRecoveryCompleted",
    }
)
"""The events of root that start RootVirtualMfa-Reevaluate, as account.yaml has them."""

RECORDED_CALLS = (
    "config:DescribeComplianceByConfigRule",
    "config:DescribeConfigRules",
    "config:GetComplianceDetailsByConfigRule",
    "config:GetComplianceDetailsByResource",
    "config:PutEvaluations",
    "config:StartConfigRulesEvaluation",
    "iam:GetAccountSummary",
    "iam:ListOrganizationsFeatures",
    "iam:ListVirtualMFADevices",
    "organizations:DescribeAccount",
    "organizations:DescribeOrganization",
    "ssm:CreateOpsItem",
    "ssm:DescribeAutomationExecutions",
    "ssm:DescribeDocument",
    "ssm:DescribeOpsItems",
    "ssm:GetAutomationExecution",
    "ssm:GetOpsItem",
    "ssm:StartAutomationExecution",
    "ssm:UpdateOpsItem",
    "sts:AssumeRole",
    "sts:AssumeRoot",
)
"""What the roles of ROLE_NAMES may do, if CloudTrail records it. It does not record what the forwarder does."""

_RUNNING = frozenset({"Pending", "InProgress", "Waiting", "Cancelling"})
"""Source: API model, ssm, AutomationExecutionStatus."""

TWO_DAYS = timedelta(days=2)
"""By then every account has had an evaluation that changed nothing, if nobody changed anything."""
_ALMOST_A_DAY = timedelta(hours=22)
"""Between two daily evaluations at least."""
_SOON = timedelta(hours=1)
"""AWS Config, EventBridge and the aggregator need minutes. What has not come by then counts as not come."""


class Outcome(StrEnum):
    """The outcome of a check; what needs attention first comes first."""

    FAILS = "FAILS"
    NOT_YET = "NOT_YET"
    NOT_SEEN = "NOT_SEEN"
    HOLDS = "HOLDS"


MEANINGS = {
    Outcome.FAILS: "It does not hold here. The commands fix it, or the text says what works without it.",
    Outcome.NOT_YET: "Nothing has happened yet that would show it. The text says when to verify again.",
    Outcome.NOT_SEEN: "It could not be checked, or this deployment does not use it. The text says which.",
    Outcome.HOLDS: "It holds here. The text says what shows it.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a text about it, the commands that fix or show it, and whose credentials these need."""

    outcome: Outcome
    text: str
    commands: tuple[str, ...] = ()
    run_in: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A check's name and what it found."""

    name: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Verification:
    """What the checks of a deployment found, at a time."""

    deployment: Deployment
    time: datetime
    checks: Sequence[Verified]


# --- Facts ---

NOT_LOOKED_INTO = Unseen("It can only be seen with credentials of an account that is evaluated. Give --role-name ROLE.")


@dataclass(frozen=True, slots=True)
class Execution:
    """A run of a runbook: who started it (an ARN), its status, why it failed, and its outputs as text."""

    runbook: str
    execution_id: str
    status: str
    started: datetime
    started_by: str = ""
    failure: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.status in _RUNNING

    def said(self, output: str) -> str:
        """Return an output, "" if there is none. For a step that did not succeed, Automation gives a sentence instead."""
        text = self.outputs.get(output, "")
        return "" if text.startswith(NO_OUTPUT) else text

    @property
    def by_eventbridge(self) -> bool:
        """Whether EventBridge started it."""
        return f":assumed-role/{EVENTS_ROLE_NAME}/" in self.started_by or self.started_by.endswith(f":role/{EVENTS_ROLE_NAME}")


@dataclass(frozen=True, slots=True)
class Rule:
    """The deployment's rule in an account; `started` says whether AWS Config has begun a first evaluation."""

    name: str
    arn: str
    created_by: str
    function_arn: str
    started: bool


@dataclass(frozen=True, slots=True)
class RootPassword:
    """What IAM says about root's password: the summary's AccountPasswordPresent, the credential report's password_enabled."""

    in_summary: bool
    in_report: str


@dataclass(frozen=True, slots=True)
class RemediationRun:
    """A run of AWS Config's own remediation: its state, and its error."""

    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call of one of the package's roles that AWS refused: its action (one of RECORDED_CALLS), and what AWS says."""

    role: str
    action: str
    text: str

    @property
    def by_service_control_policy(self) -> bool:
        """Whether a service control policy refused it."""
        return "service control policy" in self.text.lower()

    @property
    def by_policy(self) -> bool:
        """Whether IAM refused it, by the words of its refusals. AWS Config has others for a service's rule."""
        return "is not authorized to perform" in self.text


@dataclass(frozen=True, slots=True)
class Calls:
    """What CloudTrail has about the package's roles: how many calls of each role, and the refusals."""

    numbers: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[RefusedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Inside:
    """What only an account's own credentials can see.

    `by_rule` and `by_resource` are the results of the deployment's rule, read in these two ways.  `password` is None if nobody
    had a credential report made lately.  Everything else is from two weeks: `failed_invocations` counts what EventBridge could
    not deliver for each of the package's EventBridge rules, and `verdict_events` how often it got an event of a verdict.
    `root_changes` are the times at which root changed its credentials.  `calls` are those of the package's roles.
    """

    rules: tuple[Rule, ...] | Unseen = NOT_LOOKED_INTO
    by_rule: tuple[Result, ...] | Unseen = NOT_LOOKED_INTO
    by_resource: tuple[Result, ...] | Unseen = NOT_LOOKED_INTO
    executions: tuple[Execution, ...] | Unseen = NOT_LOOKED_INTO
    documents: Mapping[str, str] | Unseen = NOT_LOOKED_INTO
    failed_invocations: Mapping[str, int] | Unseen = NOT_LOOKED_INTO
    verdict_events: int | Unseen = NOT_LOOKED_INTO
    calls: Calls | Unseen = NOT_LOOKED_INTO
    root_changes: tuple[datetime, ...] | Unseen = NOT_LOOKED_INTO
    recorder_is_on: bool | Unseen = NOT_LOOKED_INTO
    password: RootPassword | Unseen | None = NOT_LOOKED_INTO
    remediations: tuple[RemediationRun, ...] | Unseen = NOT_LOOKED_INTO


@dataclass(frozen=True, slots=True)
class AlarmAction:
    """An action of one of the stack's alarms, as its history has it."""

    alarm: str
    time: datetime
    succeeded: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over the last two weeks, and the messages in the queue of failed events."""

    evaluations: int
    dropped_events: int
    undelivered_records: int
    messages: int


@dataclass(frozen=True, slots=True)
class ServiceControlPolicy:
    """One that protects the package: its name, its id, and the ids of what it is attached to."""

    name: str
    policy_id: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedTarget:
    """An account that somebody moved below another target of the StackSet, or to or from a place below none."""

    account_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class StackSetOperation:
    """The latest operation of the StackSet that has ended."""

    status: str
    ended: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was read about a deployment.

    `evaluated` are the accounts that are evaluated: active, in scope and not excluded.  `targets` has by account id the target
    of the StackSet that is above the account, "" if none is.  `remediates` says whether AWS Config's own remediation is on.
    `packs`, `stacks` and `sources` are by account id.  `moves` are those of the last two weeks.  `results` are AWS Config's for
    some accounts. `history` has every evaluation of the last three days, the latest first, by account id.  `inside` has the
    accounts that were looked into.  `alarms` are the names of the stack's alarms.  `alarm_actions` are from their history.
    `alarm_topic` says whether they have a topic.  `policies` are the service control policies that protect the package.
    """

    deployment: Deployment
    now: datetime
    created: datetime
    evaluated: tuple[str, ...] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    remediates: bool = False
    function_arn: str = ""
    alarm_topic: bool = False
    alarms: tuple[str, ...] | Unseen = ()
    packs: Mapping[str, Arrival] | Unseen = field(default_factory=dict)
    stacks: Mapping[str, Arrival] | Unseen = field(default_factory=dict)
    moves: tuple[ChangedTarget, ...] | Unseen = NOT_LOOKED_INTO
    sources: Mapping[str, Source] | Unseen = field(default_factory=dict)
    results: Mapping[str, Sequence[Result]] | Unseen = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)
    history: Mapping[str, Sequence[Entry]] | Unseen = field(default_factory=dict)
    inside: Mapping[str, Inside] = field(default_factory=dict)
    counts: Counts | Unseen = NOT_LOOKED_INTO
    alarm_actions: tuple[AlarmAction, ...] | Unseen = NOT_LOOKED_INTO
    policies: tuple[ServiceControlPolicy, ...] | Unseen = NOT_LOOKED_INTO
    operation: StackSetOperation | Unseen | None = None
    removals: tuple[Execution, ...] | Unseen = NOT_LOOKED_INTO

    @property
    def age(self) -> timedelta:
        """The time since the stack was created."""
        return self.now - self.created

    @property
    def stack_name(self) -> str:
        """The stack of the deployment, for a command."""
        return self.deployment.stack_name

    @property
    def central(self) -> str:
        """The account of the deployment, for a command."""
        return f"account {self.deployment.account_id}"

    @property
    def arrivals(self) -> Mapping[str, Arrival] | Unseen:
        """How the conformance pack or the StackSet, whichever brings the rule, arrived in the accounts."""
        return self.packs if self.deployment.has_conformance_pack else self.stacks

    @property
    def bringer(self) -> str:
        """What brings the rule into the accounts of an organization."""
        return "The conformance pack" if self.deployment.has_conformance_pack else "The StackSet"

    def on_stack(self, operation: str, account_id: str, *further: str) -> str:
        """Return the command for an operation on the StackSet's stack in an account."""
        target = self.targets.get(account_id) or self.deployment.organization_root_id
        return commands.stack_instances(self.deployment, operation, account_id, target, *further)

    def rule_name(self, account_id: str) -> str:
        """Return the name of the rule in an account, for a command; a pack's rule has another suffix in each account."""
        if not self.deployment.has_conformance_pack:
            return RULE_NAME
        inside = self.inside.get(account_id)
        rules = inside.rules if inside and not isinstance(inside.rules, Unseen) else ()
        return rules[0].name if rules else f"{PACK_RULE_PREFIX}SUFFIX"


def _holds(text: str) -> Finding:
    return Finding(Outcome.HOLDS, text)


def _not_yet(text: str, *fix: str, run_in: str = "") -> Finding:
    return Finding(Outcome.NOT_YET, text, fix, run_in)


def _not_seen(reason: str, *fix: str, run_in: str = "") -> Finding:
    return Finding(Outcome.NOT_SEEN, reason, fix, run_in)


def _fails(text: str, *fix: str, run_in: str) -> Finding:
    return Finding(Outcome.FAILS, text, fix, run_in)


def _seen_inside(observed: Observed, look: Callable[[Inside], T | Unseen]) -> dict[str, T] | Unseen:
    """Return what was seen in each account that was looked into; if nothing was, why."""
    looked = {account_id: look(inside) for account_id, inside in observed.inside.items()}
    seen = {account_id: each for account_id, each in looked.items() if not isinstance(each, Unseen)}
    if seen:
        return seen
    return next((each for each in looked.values() if isinstance(each, Unseen)), NOT_LOOKED_INTO)


def _executions(observed: Observed, *runbooks: str) -> dict[str, list[Execution]] | Unseen:
    found = _seen_inside(observed, lambda inside: inside.executions)
    if isinstance(found, Unseen):
        return found
    return {account_id: [each for each in all_ if each.runbook in runbooks] for account_id, all_ in found.items()}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _these(account_ids: list[str]) -> str:
    """Name accounts at the beginning of a sentence."""
    text = shown(account_ids)
    return text[0].upper() + text[1:]


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


# --- The checks, in the order of docs/unverified.md ---


def _invocation(observed: Observed) -> Finding:
    deployment, arrivals = observed.deployment, observed.arrivals
    if isinstance(arrivals, Unseen):
        return _not_seen(arrivals.reason)
    lacking = sorted(account_id for account_id, each in arrivals.items() if each.lacks_permission)
    by_organization = {account_id for account_id, each in arrivals.items() if each.arrived} - deployment.permitted
    if lacking or not arrivals:
        what = f"AWS Config may not invoke it for {shown(lacking)}." if lacking else f"{observed.bringer} is in no account."
        listing = lacking and deployment.invoke_permission != invoke_permission.ACCOUNTS
        parameters = {invoke_permission.PARAMETER: invoke_permission.ACCOUNTS} if listing else {}
        return _fails(what, commands.deploy(observed.stack_name, **parameters), run_in=observed.central)
    if deployment.invoke_permission == invoke_permission.ANY:
        arrived = f"{observed.bringer} is in {_count(len(arrivals), 'account')}."
        return _holds(f"The policy names no account, and Lambda took it. {arrived}")
    if deployment.invoke_permission == invoke_permission.ACCOUNTS:
        missing = sorted(set(observed.evaluated) - deployment.permitted)
        if missing:
            text = f"The policy does not list {shown(missing)}."
            return _fails(text, commands.deploy(observed.stack_name), run_in=observed.central)
        return _holds("The policy lists every account. If an account joins, deploy again.")
    return _by_organization(observed, by_organization)


def _by_organization(observed: Observed, by_organization: set[str]) -> Finding:
    """Judge a policy that names the organization: `by_organization` are the accounts with the rule that only its id permits."""
    if not by_organization:
        return _not_yet(
            f"{observed.bringer} is in no account that only the organization's id permits. Verify again when one has joined."
        )
    evaluated = by_organization & observed.journal.evaluations.keys()
    if evaluated:
        return _holds(
            f"AWS Config names the organization: {shown(sorted(evaluated))} had an evaluation, and only the organization's id "
            "permits it."
        )
    if observed.age < _SOON or observed.journal.problem:
        return _not_yet(f"{observed.bringer} arrived, and the journal shows no evaluation there yet. Verify again in an hour.")
    fix = commands.deploy(observed.stack_name, InvokePermission=invoke_permission.ACCOUNTS)
    return _fails(
        f"{observed.bringer} is in {shown(sorted(by_organization))}, and no evaluation came.", fix, run_in=observed.central
    )


def _aggregation(observed: Observed) -> Finding:
    deployment, sources = observed.deployment, observed.sources
    if isinstance(sources, Unseen):
        return _not_seen(sources.reason)
    expected = {each: sources[each] for each in observed.evaluated if each in sources}
    failed = {account_id: source for account_id, source in expected.items() if not source.succeeded}
    if not expected and observed.age < _SOON:
        return _not_yet("The aggregator has read no account yet. Verify again in an hour.")
    if not expected or len(failed) == len(expected):
        why = f" AWS says: {next(iter(failed.values())).reason}" if failed else ""
        text = f"The aggregator {deployment.aggregator_name} reads no account.{why} If you have another one, name it."
        return _fails(text, commands.deploy(observed.stack_name, AggregatorName="NAME"), run_in=observed.central)
    if failed:
        why = next(iter(failed.values())).reason
        first = min(failed)
        text = f"The aggregator's role works, but the aggregator does not read {shown(sorted(failed))}: {why}"
        return _fails(f"{text} Turn on the recorder.", commands.start_recorder(deployment.region), run_in=f"account {first}")
    return _holds(f"The aggregator {deployment.aggregator_name} has read {_count(len(expected), 'account')}.")


def _verdict_events(observed: Observed) -> Finding:
    found = _executions(observed, NOTIFY)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    started = {account_id for account_id, all_ in found.items() if any(each.by_eventbridge for each in all_)}
    if started:
        return _holds(f"EventBridge started {NOTIFY} in {shown(sorted(started))}. {_by_events(observed)}".rstrip())
    entries = observed.journal.evaluations
    waiting = [each for each in found if each in entries and observed.now - entries[each].time > _SOON]
    if not waiting:
        return _not_yet(
            f"No account that was looked into has had a verdict for an hour: {shown(sorted(found))}. Verify again then."
        )
    text = f"{_these(sorted(waiting))} had a verdict more than an hour ago, and EventBridge has not started {NOTIFY}."
    if observed.age < STALE_AFTER:
        return _not_yet(f"{text} It starts every day in any case. Verify again after {_time(observed.created + STALE_AFTER)}.")
    fix = commands.deploy(observed.stack_name, Remediation="Automatic")
    return _fails(f"{text} Let AWS Config start it in accounts that fail.", fix, run_in=observed.central)


def _by_events(observed: Observed) -> str:
    """Say whether AWS Config's events started it, or its daily start only."""
    events = _seen_inside(observed, lambda inside: inside.verdict_events)
    if isinstance(events, Unseen):
        return ""
    told = sorted(account_id for account_id, number in events.items() if number)
    if told:
        return f"AWS Config's events came in {shown(told)}."
    return "No event of AWS Config came: it starts once a day, so owners hear within a day."


def _root_events(observed: Observed) -> Finding:
    found = _executions(observed, REEVALUATE)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    started = {account_id for account_id, all_ in found.items() if any(each.by_eventbridge for each in all_)}
    if started:
        return _holds(f"EventBridge started {REEVALUATE} in {shown(sorted(started))}.")
    changes = _seen_inside(observed, lambda inside: inside.root_changes)
    if isinstance(changes, Unseen):
        return _not_seen(changes.reason)
    missed = sorted(each for each, times in changes.items() if times and observed.now - max(times) > _SOON and each in found)
    if not missed:
        text = f"No root user of {shown(sorted(changes))} changed its credentials in two weeks."
        return _not_yet(f"{text} Add a device as root in a test account, and verify again an hour later.")
    text = f"Root changed its credentials in {shown(missed)}, and EventBridge did not start {REEVALUATE}."
    home = observed.deployment.region
    if home == commands.FORWARDED_REGION:
        text += " A trail has to record management events here. Without it, the next evaluation sees the change."
        text += " Evaluate more often."
        return _fails(text, commands.deploy(observed.stack_name, EvaluationFrequency="Three_Hours"), run_in=observed.central)
    forward = commands.deploy_forwarder(home)
    text += f" See that a trail records management events in {commands.FORWARDED_REGION}, and that events are sent from there."
    return _fails(text, forward, run_in="each of these accounts that no StackSet reaches")


def _starts(observed: Observed) -> Finding:
    failed = _seen_inside(observed, lambda inside: inside.failed_invocations)
    found = _executions(observed, NOTIFY, REEVALUATE)
    if isinstance(failed, Unseen) and isinstance(found, Unseen):
        return _not_seen(failed.reason)
    failing = {} if isinstance(failed, Unseen) else {each: counts for each, counts in failed.items() if any(counts.values())}
    refused = _refused(observed, lambda refusal: refusal.role == EVENTS_ROLE_NAME)
    if failing or refused:
        rules = sorted({name for counts in failing.values() for name, count in counts.items() if count})
        text = f"EventBridge could not start a runbook in {shown(sorted({*failing, *refused}))}"
        text += f" (FailedInvocations of {', '.join(rules)})." if rules else "."
        said = next((each[0].text for each in refused.values()), "")
        text += f" CloudTrail says: {said}" if said else ""
        text += " Let AWS Config start RootVirtualMfa-Notify in accounts that fail. AWS Config evaluates every day in any case."
        return _fails(text, commands.deploy(observed.stack_name, Remediation="Automatic"), run_in=observed.central)
    started = {} if isinstance(found, Unseen) else found
    working = sorted(account_id for account_id, all_ in started.items() if any(each.by_eventbridge for each in all_))
    if working:
        return _holds(f"EventBridge started runbooks in {shown(working)}, and no invocation failed.")
    return _not_yet("EventBridge has not tried to start a runbook yet. Verify again after the first verdict.")


def _refused(observed: Observed, concerns: Callable[[RefusedCall], bool]) -> dict[str, list[RefusedCall]]:
    """Return the refusals that concern a check, for each account that has any."""
    calls = {account_id: inside.calls for account_id, inside in observed.inside.items()}
    refused = {
        account_id: [refusal for refusal in each.refusals if concerns(refusal)]
        for account_id, each in calls.items()
        if not isinstance(each, Unseen)
    }
    return {account_id: refusals for account_id, refusals in refused.items() if refusals}


def _reevaluation(observed: Observed) -> Finding:
    found = _executions(observed, REEVALUATE)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    ended = {each: [run for run in all_ if not run.runs] for each, all_ in found.items()}
    members = {account_id: runs for account_id, runs in ended.items() if runs}
    if not members:
        fix = commands.start_reevaluate(observed.deployment)
        return _not_yet(f"{REEVALUATE} has not run yet. Start it, and verify again.", fix, run_in="a member account")
    latest = {account_id: max(runs, key=lambda run: run.started) for account_id, runs in members.items()}
    refused = {
        each: run for each, run in latest.items() if run.status != "Success" or not run.said(_STARTED).startswith("Started")
    }
    if not refused:
        return _holds(f"{REEVALUATE} started the evaluation in {shown(sorted(latest))}.")
    run = next(iter(refused.values()))
    why = run.failure or run.said(_STARTED) or "it gives no reason."
    fix = commands.deploy(observed.stack_name, EvaluationFrequency="Three_Hours")
    text = f"{REEVALUATE} started nothing in {shown(sorted(refused))}: {why} The next evaluation sees the change."
    text += " Evaluate more often."
    return _fails(text, fix, run_in=observed.central)


_STARTED = "StartEvaluation.Text"


def _runbooks(observed: Observed) -> Finding:
    found = _executions(observed, NOTIFY, REEVALUATE)
    documents = _seen_inside(observed, lambda inside: inside.documents)
    if isinstance(documents, Unseen):
        return _not_seen(documents.reason)
    missing = sorted(
        {f"{name} ({status})" for each in documents.values() for name, status in each.items() if status != "Active"}
    )
    if missing:
        text = f"Not every runbook is there: {', '.join(missing)}."
        return _fails(text, commands.deploy(observed.stack_name), run_in=observed.central)
    removals = () if isinstance(observed.removals, Unseen) else observed.removals
    runs = [*([] if isinstance(found, Unseen) else [run for all_ in found.values() for run in all_]), *removals]
    latest: dict[str, Execution] = {}
    for run in sorted(runs, key=lambda each: each.started):
        if not run.runs:
            latest[run.runbook] = run
    failed = [run for run in latest.values() if run.status in {"Failed", "TimedOut"}]
    if failed:
        run = failed[0]
        text = f"{run.runbook} ended as {run.status}: {run.failure} The evaluations, the alarms and the report work without it."
        show = commands.show_execution(observed.deployment, run.execution_id)
        return _fails(text, show, run_in="the account of the execution")
    expected = {NOTIFY, REEVALUATE, *({REMOVAL} if observed.deployment.removes_root_credentials else ())}
    never = sorted(expected - latest.keys())
    if never:
        text = f"Systems Manager took the runbooks. Nobody has run {', '.join(never)} yet: start it, and verify again."
        return _not_yet(text, *(_start(observed, name) for name in never))
    return _holds(f"Systems Manager took the runbooks, and the last run of each ended well: {', '.join(sorted(latest))}.")


def _start(observed: Observed, runbook: str) -> str:
    match runbook:
        case runbooks.NOTIFY:
            return commands.start_notify(observed.deployment, "ACCOUNT_ID")
        case runbooks.REEVALUATE:
            return commands.start_reevaluate(observed.deployment)
        case _:
            return commands.start_removal(observed.deployment.region, "ACCOUNT_ID")


def _results(observed: Observed) -> Finding:
    pairs = _seen_inside(observed, _both_ways)
    if isinstance(pairs, Unseen):
        return _not_seen(pairs.reason)
    entries = observed.journal.evaluations
    notified = _told_to_notify(observed)
    told = sorted(each for each, (by_rule, by_resource) in pairs.items() if by_rule or by_resource or each in notified)
    silent = sorted(
        each for each in pairs if each not in told and each in entries and observed.now - entries[each].time > _SOON
    )
    if silent:
        verdicts = sorted({entries[each].verdict for each in silent})
        text = f"{_these(silent)} had an evaluation ({', '.join(verdicts)}), and AWS Config gives no result there."
        if verdicts == ["NOT_APPLICABLE"]:
            fix = commands.deploy(observed.stack_name, NoRootCredentials="COMPLIANT")
            return _fails(f"{text} Avoid that verdict.", fix, run_in=observed.central)
        text += f" {NOTIFY} then relies on AWS Config's events. The report still names who fails, so tell their owners."
        return _fails(text, commands.report(observed.stack_name), run_in=observed.central)
    if not told:
        return _not_yet(f"No rule has a result yet in {shown(sorted(pairs))}. Verify again in an hour.")
    kinds = ", ".join(sorted({each.compliance for account_id in told for both in pairs[account_id] for each in both}))
    text = f"AWS Config gives the result in {shown(told)}"
    text += " by the resource" if all(pairs[each][1] for each in told) else " by the rule, not always by the resource"
    text += f"; {kinds} was seen." if kinds else "."
    sources = ", ".join(sorted({notified[each] for each in told if each in notified}))
    return _holds(f"{text} {NOTIFY} had it from {sources}." if sources else text)


def _told_to_notify(observed: Observed) -> dict[str, str]:
    """Return what gave the last run of RootVirtualMfa-Notify its result, for each account in which it ended well."""
    found = _executions(observed, NOTIFY)
    if isinstance(found, Unseen):
        return {}
    latest = {each: max(runs, key=lambda run: run.started) for each, runs in found.items() if runs}
    sources = {account_id: run.said(_SOURCE) for account_id, run in latest.items() if run.status == "Success"}
    return {account_id: source for account_id, source in sources.items() if source}


_SOURCE = "Notify.Source"


def _both_ways(inside: Inside) -> tuple[tuple[Result, ...], tuple[Result, ...]] | Unseen:
    if isinstance(inside.by_rule, Unseen):
        return inside.by_rule
    if isinstance(inside.by_resource, Unseen):
        return inside.by_resource
    return inside.by_rule, inside.by_resource


def _remediation(observed: Observed) -> Finding:
    off = "Default" if observed.deployment.organization_id else "Off"
    if not observed.remediates:
        return _not_seen("This deployment does not use AWS Config's own remediation: EventBridge starts the runbook.")
    found = _seen_inside(observed, lambda inside: inside.remediations)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    runs = [run for all_ in found.values() for run in all_]
    failed = [run for run in runs if run.state == "FAILED"]
    if failed:
        text = f"AWS Config's remediation failed: {failed[0].error} EventBridge starts the runbook without it. Turn it off."
        return _fails(text, commands.deploy(observed.stack_name, Remediation=off), run_in=observed.central)
    if any(run.state == "SUCCEEDED" for run in runs):
        return _holds(f"AWS Config's remediation succeeded in {shown(sorted(found))}.")
    account_id = min(found)
    text = "Nobody has started AWS Config's remediation yet. Start it, and verify again."
    return _not_yet(
        text,
        commands.start_remediation(observed.deployment, observed.rule_name(account_id), account_id),
        run_in=f"account {account_id}",
    )


def _renewal(observed: Observed) -> Finding:  # noqa: PLR0911 - one for each thing that may be missing
    if observed.age < TWO_DAYS:
        return _not_yet(f"That shows in two days. Verify again after {_time(observed.created + TWO_DAYS)}.")
    if isinstance(observed.results, Unseen):
        return _not_seen(observed.results.reason)
    if observed.journal.problem:
        return _ages_without_journal(observed, observed.results)
    if isinstance(observed.history, Unseen):
        return _not_seen(observed.history.reason)
    unchanged = {
        account_id: entries[0]
        for account_id, entries in observed.history.items()
        if len({entry.verdict for entry in entries}) == 1 and entries[0].time - entries[-1].time >= _ALMOST_A_DAY
    }
    times = {
        account_id: max((result.time for result in observed.results[account_id] if result.time), default=None)
        for account_id in unchanged
        if account_id in observed.results
    }
    if not times:
        return _not_yet("No account had the same verdict for a day. Verify again tomorrow.")
    kept = sorted(each for each, time in times.items() if time is None or unchanged[each].time - time > _SOON)
    if not kept:
        return _holds(f"AWS Config renews the time of an unchanged result: seen in {shown(sorted(times))}.")
    text = f"AWS Config keeps the time of an unchanged result ({shown(kept)})."
    return _holds(f"{text} The report takes the age from the journal, which is current.")


def _ages_without_journal(observed: Observed, results: Mapping[str, Sequence[Result]]) -> Finding:
    """Judge whether AWS Config's times alone show ages: the journal cannot be read, so nobody knows what is unchanged."""
    problem = observed.journal.problem
    latest = {account_id: max((each.time for each in all_ if each.time), default=None) for account_id, all_ in results.items()}
    old = sorted(each for each, time in latest.items() if time is not None and observed.now - time > STALE_AFTER)
    if not old:
        return _not_seen(problem)
    text = f"AWS Config's results of {shown(old)} are older than 26 hours, and the journal, which may be newer, cannot be read:"
    text += f" {problem} The report calls these accounts UNKNOWN."
    if "ResourceNotFound" in problem:
        make = commands.make_log_group(observed.deployment)
        text += (
            " Make the log group again. Its metric filters went with it: the alarm on silence fires until the stack is deleted"
        )
        return _fails(f"{text} and deployed again.", *make, run_in=observed.central)
    show = commands.show_journal(observed.deployment, old[0])
    return _fails(f"{text} The log itself tells when each was evaluated.", *show, run_in=observed.central)


def _first_evaluation(observed: Observed) -> Finding:
    entries, deployment = observed.journal.evaluations, observed.deployment
    if isinstance(observed.arrivals, Unseen):
        return _not_seen(observed.arrivals.reason)
    arrived = {account_id for account_id, each in observed.arrivals.items() if each.arrived}
    if not deployment.organization_id:
        arrived = {deployment.account_id}
    elif arrived and deployment.has_rule_in_stack_set and deployment.watches_management_account:
        arrived |= {deployment.management_account_id}  # which no StackSet reaches
    tried = entries.keys() | observed.journal.failures.keys()
    waiting = sorted((arrived & set(observed.evaluated)) - tried)
    rules = _seen_inside(observed, lambda inside: inside.rules)
    if not isinstance(rules, Unseen):
        begun = {account_id for account_id, all_ in rules.items() if any(rule.started for rule in all_)}
        waiting = [each for each in waiting if each not in begun]
    if waiting and observed.journal.problem:
        return _not_seen(observed.journal.problem)
    if waiting and observed.age < _SOON:
        return _not_yet(f"{_these(waiting)} had no evaluation yet. Verify again in an hour.")
    if waiting:
        text = f"{_these(waiting)} had no evaluation. AWS Config makes one within a day; start it to have it now."
        return _fails(
            text,
            commands.start_evaluation(deployment, observed.rule_name(waiting[0])),
            run_in="each of these accounts",
        )
    if not arrived:
        return _not_yet("The rule is in no account yet. Verify again in an hour.")
    return _holds(f"{_count(len(arrived & set(observed.evaluated)), 'account')} had an evaluation that nobody had to start.")


def _password(observed: Observed) -> Finding:
    found = _seen_inside(observed, lambda inside: inside.password)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    reported = {account_id: each for account_id, each in found.items() if each}
    told = {account_id: each for account_id, each in reported.items() if each.in_report in {"true", "false"}}
    if not reported:
        text = (
            f"Nobody had a credential report made in {shown(sorted(found))} within four hours. Have one made, and verify again."
        )
        return _not_yet(text, commands.make_credential_report(), run_in="one of these accounts whose root user has a password")
    if not told:
        return _not_seen("IAM's credential report does not say whether root has a password.")
    hidden = sorted(each for each, password in told.items() if password.in_report == "true" and not password.in_summary)
    if hidden:
        text = f"Root has a password in {shown(hidden)}, and AccountPasswordPresent is 0. Do not let it excuse an account."
        return _fails(text, commands.deploy(observed.stack_name, NoRootCredentials="NON_COMPLIANT"), run_in=observed.central)
    having = sorted(each for each, password in told.items() if password.in_report == "true")
    if not having:
        return _not_yet(
            f"No root user of {shown(sorted(told))} has a password. Verify again with an account whose root user has."
        )
    return _holds(
        f"AccountPasswordPresent is 1 in {shown(having)}, where IAM's credential report says that root has a password."
    )


def _pack(observed: Observed) -> Finding:
    if isinstance(observed.packs, Unseen):
        return _not_seen(observed.packs.reason)
    arrived = sorted(each for each, pack in observed.packs.items() if pack.arrived)
    failed = {
        each: pack for each, pack in observed.packs.items() if pack.status.endswith("_FAILED") and not pack.lacks_permission
    }
    if failed:
        account_id, pack = next(iter(sorted(failed.items())))
        text = f"The pack failed in {shown(sorted(failed))}. In {account_id} AWS says: {pack.reason}"
        return _fails(
            f"{text} Fix the cause, and deploy it again.", commands.put_pack_again(observed.deployment), run_in=observed.central
        )
    if arrived:
        return _holds(f"AWS Config took the pack, and it arrived in {shown(arrived)}.")
    if observed.packs:
        return _not_yet("The pack is on its way. Verify again in an hour.")
    return _fails("There is no conformance pack.", commands.deploy(observed.stack_name), run_in=observed.central)


def _coverage(observed: Observed) -> Finding:
    deployment, stacks = observed.deployment, observed.stacks
    if isinstance(stacks, Unseen):
        return _not_seen(stacks.reason)
    too_many = sorted(deployment.excluded & stacks.keys())
    if too_many:
        target = observed.targets.get(too_many[0]) or deployment.organization_root_id
        below = ",".join(each for each in too_many if (observed.targets.get(each) or deployment.organization_root_id) == target)
        fix = commands.stack_instances(deployment, "delete", below, target, "--no-retain-stacks")
        return _fails(f"The StackSet reached {shown(too_many)}, which ExcludedAccounts excludes.", fix, run_in=observed.central)
    expected = set(observed.evaluated) - {deployment.management_account_id}
    under_way = sorted(each for each in expected & stacks.keys() if stacks[each].under_way)
    wrong = sorted(each for each in expected - set(under_way) if each not in stacks or not stacks[each].arrived)
    if wrong:
        first = wrong[0]
        why = f" In {first} AWS says: {stacks[first].status}. {stacks[first].reason}" if first in stacks else ""
        operations = ("create", *(["update"] if first in stacks else []))
        text = f"The StackSet has not reached {shown(wrong)}.{why} The report has the commands for each."
        if deployment.has_conformance_pack:
            text += " If they fail, deploy account.yaml with credentials of that account: docs/unverified.md has the command."
        again = (observed.on_stack(operation, first) for operation in operations)
        return _fails(text, *again, run_in=observed.central)
    if under_way:
        return _not_yet(f"The StackSet is on its way to {shown(under_way)}. Verify again in an hour.")
    without = f", and none of the {_count(len(deployment.excluded), 'excluded account')}" if deployment.excluded else ""
    return _holds(f"The StackSet has reached {_count(len(expected), 'account')}{without}.")


def _follows(observed: Observed) -> Finding:  # noqa: PLR0911 - one for each thing that may be missing
    stacks = observed.stacks
    if isinstance(stacks, Unseen):
        return _not_seen(stacks.reason)
    if not observed.deployment.organizational_unit_ids:
        return _not_seen("The StackSet goes to the whole organization: no move changes anything.")
    untargeted = {account_id for account_id, target in observed.targets.items() if not target}
    members = (untargeted | set(observed.evaluated)) - {observed.deployment.management_account_id}
    moves = () if isinstance(observed.moves, Unseen) else observed.moves
    late = {each.account_id for each in moves if each.account_id in members and observed.now - each.time <= _SOON}
    moved = {each.account_id for each in moves if each.account_id in members} - late
    outside = untargeted & stacks.keys()
    left = sorted(each for each in outside - late if not stacks[each].under_way)
    if left:
        text = f"The StackSet still has a stack in {shown(left)}, and no targeted organizational unit contains it. Delete it."
        return _fails(text, observed.on_stack("delete", left[0], "--no-retain-stacks"), run_in=observed.central)
    missing = sorted((moved & set(observed.evaluated)) - stacks.keys())
    if missing:
        text = f"{_these(missing)} moved into a targeted organizational unit, and the StackSet did not follow. Deploy to it."
        return _fails(text, observed.on_stack("create", missing[0]), run_in=observed.central)
    if outside or late:
        return _not_yet(f"The StackSet is about to follow {shown(sorted({*outside, *late}))}. Verify again in an hour.")
    if moved:
        return _holds(f"The StackSet followed {shown(sorted(moved))}, moved within two weeks.")
    if isinstance(observed.moves, Unseen):
        return _not_seen(f"Only the management account knows which accounts moved. {observed.moves.reason}")
    text = "Nobody moved an account into or out of a targeted organizational unit in two weeks. Move a test account, and verify"
    return _not_yet(f"{text} again an hour later.")


def _recorders(observed: Observed) -> Finding:
    if isinstance(observed.sources, Unseen):
        return _not_seen(observed.sources.reason)
    recorders = _seen_inside(observed, lambda inside: inside.recorder_is_on)
    if isinstance(recorders, Unseen):
        return _not_seen(recorders.reason)
    sources = observed.sources
    both = {each: on for each, on in recorders.items() if each in sources}
    if not both:
        return _not_yet("The aggregator has read no account that was looked into. Verify again in an hour.")
    wrong = sorted(account_id for account_id, on in both.items() if on != sources[account_id].succeeded)
    if wrong:
        text = f"The aggregator's status and the recorder differ in {shown(wrong)}. Let preflight look at the recorders."
        return _fails(text, commands.preflight(observed.stack_name, "ROLE"), run_in=observed.central)
    return _holds(f"The aggregator's status and the recorder agree in {shown(sorted(both))}.")


def _alarms(observed: Observed) -> Finding:
    if isinstance(observed.alarms, Unseen):
        return _not_seen(observed.alarms.reason)
    if not observed.alarm_topic:
        text = "This deployment's alarms have no topic. Give one, or an e-mail address."
        return _not_seen(text, commands.deploy(observed.stack_name, AlarmEmail="ADDRESS"), run_in=observed.central)
    if isinstance(observed.alarm_actions, Unseen):
        return _not_seen(observed.alarm_actions.reason)
    latest: dict[str, AlarmAction] = {}
    for action in sorted(observed.alarm_actions, key=lambda each: each.time):
        latest[action.alarm] = action
    failed = [action for action in latest.values() if not action.succeeded]
    if failed:
        text = f"The alarm {failed[0].alarm} did not reach its topic: {failed[0].summary} Let the stack make the topic."
        return _fails(
            text, commands.deploy(observed.stack_name, AlarmTopicArn="", AlarmEmail="ADDRESS"), run_in=observed.central
        )
    if latest:
        return _holds(f"{', '.join(sorted(latest))} reached the topic. Check that somebody got the message.")
    test = commands.set_off_alarm(observed.deployment, observed.alarms[0] if observed.alarms else "ALARM")
    return _not_yet("No alarm has fired in two weeks. Set one off, and verify again.", test, run_in=observed.central)


def _journal(observed: Observed) -> Finding:
    without = "The report then uses AWS Config alone."
    if observed.deployment.has_rule_in_stack_set:
        without = "The report then calls an account UNKNOWN, unless it fails: only the journal confirms that it does not."
    if observed.journal.problem:
        if "MalformedQuery" in observed.journal.problem:
            text = f"CloudWatch Logs does not accept the query: {observed.journal.problem} {without}"
            return _fails(text, *commands.show_journal(observed.deployment, "ACCOUNT_ID"), run_in=observed.central)
        return _not_seen(observed.journal.problem)
    found = observed.journal.evaluations
    if found:
        return _holds(f"The query gives the latest evaluation of {_count(len(found), 'account')}.")
    if isinstance(observed.counts, Counts) and observed.counts.evaluations:
        text = f"The query gives no evaluation, and the metric Evaluations counts some. {without}"
        return _fails(text, *commands.show_journal(observed.deployment, "ACCOUNT_ID"), run_in=observed.central)
    return _not_yet("The function has written about no evaluation yet. Verify again in an hour.")


def _metrics(observed: Observed) -> Finding:
    if isinstance(observed.counts, Unseen):
        return _not_seen(observed.counts.reason)
    if observed.counts.evaluations:
        return _holds(f"The metric Evaluations counts {observed.counts.evaluations} in two weeks.")
    latest = max((entry.time for entry in observed.journal.evaluations.values()), default=None)
    if latest is None or observed.now - latest < timedelta(minutes=15):
        return _not_yet("There was no evaluation yet. Verify again an hour after the first one.")
    text = "The journal has evaluations, and the metric Evaluations counts none. The alarm on silence fires for nothing;"
    text += " the other alarms and the report still work."
    return _fails(text, commands.show_metric_filters(observed.deployment), run_in=observed.central)


def _queue(observed: Observed) -> Finding:
    if isinstance(observed.counts, Unseen):
        return _not_seen(observed.counts.reason)
    counts = observed.counts
    if counts.undelivered_records:
        text = (
            f"Lambda could not pass on {_count(counts.undelivered_records, 'failed event')}. The alarm on failed events fires"
        )
        text += " in any case, and the log says why each failed."
        return _fails(text, *commands.show_all_failures(observed.deployment), run_in=observed.central)
    if counts.messages:
        return _holds(f"The queue has {_count(counts.messages, 'failed event')}.")
    if counts.dropped_events:
        text = f"Lambda gave up {_count(counts.dropped_events, 'event')} in two weeks, and the queue has none."
        text += (
            " If nobody took them from it, it got none. The alarm on failed events fires in any case, and the log says why each"
        )
        text += " failed."
        return _fails(text, *commands.show_all_failures(observed.deployment), run_in=observed.central)
    test = commands.invoke_with_nothing(observed.deployment, observed.function_arn)
    return _not_yet(
        "No event has failed for good. Make one fail, and verify again ten minutes later.", test, run_in=observed.central
    )


def _signs(observed: Observed) -> Finding:
    found = _seen_inside(observed, lambda inside: inside.rules)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    if not any(found.values()):
        return _not_yet(f"The rule is not in {shown(sorted(found))} yet. Verify again in an hour.")
    clear = {account_id for account_id, rules in found.items() if any(_is_clear(rule, observed) for rule in rules)}
    unclear = sorted(each for each, rules in found.items() if rules and each not in clear)
    if not observed.deployment.has_conformance_pack:
        return _own_signs(observed, clear, {each: found[each] for each in unclear})
    if unclear:
        text = f"In {shown(unclear)} AWS Config does not say who made the rule, or which function evaluates it. The runbooks"
        text += " refuse it, and the report and the next evaluation still work. Evaluate more often."
        return _fails(text, commands.deploy(observed.stack_name, EvaluationFrequency="Three_Hours"), run_in=observed.central)
    by = "CreatedBy" if any(rule.created_by for rules in found.values() for rule in rules) else "the rule's ARN"
    return _holds(f"{by} and the function show it in {shown(sorted(clear))}.")


def _is_clear(rule: Rule, observed: Observed) -> bool:
    """Tell whether the runbooks can see that a rule is the deployment's, as remediation/config_rule.py does."""
    is_services = bool(rule.created_by) or ":config-rule/aws-service-rule/" in rule.arn
    if observed.deployment.has_conformance_pack:
        return is_services and f":{observed.deployment.account_id}:function:" in rule.function_arn
    return not is_services and rule.function_arn == observed.function_arn


def _own_signs(observed: Observed, clear: set[str], unclear: Mapping[str, Sequence[Rule]]) -> Finding:
    """Judge accounts whose rule is their own: the runbooks take it if the deployment's function evaluates it."""
    others = sorted(each for each, rules in unclear.items() if all(_is_anothers(rule, observed) for rule in rules))
    if others:
        text = f"In {shown(others)} another function evaluates the rule: somebody put another one in its place. The report"
        text += " calls the account UNKNOWN, and the runbooks refuse the rule. Recreate the account's stack."
        deployment, management = observed.deployment, observed.deployment.management_account_id
        if others == [management]:  # which no StackSet reaches
            delete = commands.delete_management_account(deployment.region, deployment.stack_name)
            make = commands.deploy_management_account(deployment.region, deployment.stack_name)
            return _fails(text, delete, make, run_in=f"account {management}")
        first = next(each for each in others if each != management)
        recreate = (observed.on_stack("delete", first, "--no-retain-stacks"), observed.on_stack("create", first))
        return _fails(text, *recreate, run_in=observed.central)
    if unclear:
        text = f"In {shown(sorted(unclear))} AWS Config does not say that the account made the rule, or that the function"
        text += " evaluates it."
        text += " The runbooks refuse it, and the report and the next evaluation still work. Evaluate more often."
        return _fails(text, commands.deploy(observed.stack_name, EvaluationFrequency="Three_Hours"), run_in=observed.central)
    return _holds(f"The function shows it in {shown(sorted(clear))}, and no service made the rule.")


def _is_anothers(rule: Rule, observed: Observed) -> bool:
    return rule.function_arn not in {"", observed.function_arn}


def _service_control_policies(observed: Observed) -> Finding:
    if isinstance(observed.policies, Unseen):
        return _not_seen(observed.policies.reason)
    if not observed.policies:
        text = "No service control policy of the package is in the organization"
        if observed.deployment.has_rule_in_stack_set:
            text += ", so an account's administrator can delete the rule"
        return _not_yet(f"{text}. Verify again when you have attached one.")
    names = ", ".join(each.name for each in observed.policies)
    stacks = {} if isinstance(observed.stacks, Unseen) else observed.stacks
    refused = sorted(each for each, stack in stacks.items() if "service control policy" in stack.reason.lower())
    failures = observed.journal.failures
    refused += sorted(each for each, failure in failures.items() if "service control policy" in failure.error.lower())
    refused += _refused(observed, lambda refusal: refusal.by_service_control_policy)
    if refused:
        text = f"A service control policy refuses StackSets or the package's roles in {shown(sorted(set(refused)))}."
        attached = [(each.policy_id, target) for each in observed.policies for target in each.targets]
        detach = [commands.detach_policy(policy_id, target) for policy_id, target in attached[:_MOST_COMMANDS]]
        return _fails(f"{text} Detach {names}.", *detach, run_in="the management account")
    operation = observed.operation
    if isinstance(operation, Unseen):
        return _not_seen(operation.reason)
    fresh = [each for each, entry in observed.journal.evaluations.items() if observed.now - entry.time <= STALE_AFTER]
    if operation is None or operation.status != "SUCCEEDED" or not fresh:
        return _not_yet(f"{names} is there. Deploy a change, wait for a day, and verify again.")
    text = f"With {names} in the organization, the StackSet's operation of {_time(operation.ended)} ended as SUCCEEDED, and"
    return _holds(
        f"{text} {_count(len(fresh), 'account')} had an evaluation today. If you attached it later, deploy a change first."
    )


_MOST_COMMANDS = 10


def _listed_packs(observed: Observed) -> Finding:  # noqa: PLR0911 - one for each thing that may be missing
    if isinstance(observed.packs, Unseen):
        return _not_seen(observed.packs.reason)
    arrived = {each: pack for each, pack in observed.packs.items() if pack.arrived}
    if not arrived:
        return _not_yet("The pack has arrived in no account yet. Verify again in an hour.")
    unlisted = sorted(each for each, pack in arrived.items() if not pack.compliance)
    if not unlisted:
        return _holds(
            f"The aggregator lists the pack of {_count(len(arrived), 'account')} under the name that its status gives."
        )
    if observed.age < _SOON:
        return _not_yet(f"The aggregator does not list the pack of {shown(unlisted)} yet. Verify again in an hour.")
    if len(unlisted) < len(arrived):
        text = (
            f"The aggregator does not list the pack of {shown(unlisted)}. The report then calls an account UNKNOWN, unless the"
        )
        fix = commands.put_pack_again(observed.deployment)
        return _fails(f"{text} journal confirms its result. Deploy the pack again.", fix, run_in=observed.central)
    if not observed.journal.problem:
        return _holds("The aggregator lists no pack by its name. The report confirms each result by the journal instead.")
    text = "The aggregator lists no pack by the name that its status gives, and the journal cannot be read. The report uses the"
    text += " name of the rule alone, and says so. Find out under which names the aggregator lists packs."
    return _fails(text, commands.show_listed_packs(observed.deployment), run_in=observed.central)


def _permissions(observed: Observed) -> Finding:
    found = _seen_inside(observed, lambda inside: inside.calls)
    if isinstance(found, Unseen):
        return _not_seen(found.reason)
    refused = _refused(
        observed, lambda each: each.by_policy and not each.by_service_control_policy and each.role != EVENTS_ROLE_NAME
    )
    if refused:
        account_id = min(refused)
        first = refused[account_id][0]
        text = f"AWS refused calls of the package's roles in {shown(sorted(refused))}. {first.role}: {first.text}"
        text += " If neither a permissions boundary nor a policy of your own is the cause, permit it."
        return _fails(text, commands.permit(first.role, first.action), run_in=f"account {account_id}")
    numbers = {role: sum(calls.numbers.get(role, 0) for calls in found.values()) for role in sorted(ROLE_NAMES)}
    called = ", ".join(f"{role} ({number})" for role, number in numbers.items() if number)
    if not called:
        return _not_yet("CloudTrail has no call of the package's roles yet. Verify again in an hour.")
    return _holds(f"CloudTrail has calls of these roles in {shown(sorted(found))}, and IAM refused none: {called}.")


def _approval(observed: Observed) -> Finding:
    if not observed.deployment.removes_root_credentials:
        return _not_seen("This deployment does not have the removal of root credentials.")
    if isinstance(observed.removals, Unseen):
        return _not_seen(observed.removals.reason)
    told = [run for run in observed.removals if run.said(_APPROVAL)]
    if not told:
        return _not_yet("No removal has been approved yet. Verify again after the first one.")
    latest = max(told, key=lambda run: run.started)
    if "Not checked" in latest.said(_APPROVAL):
        text = f"Automation did not say it: {latest.said(_APPROVAL)} Ask for two approvals by different people."
        return _fails(text, commands.deploy(observed.stack_name, RemovalMinimumApprovals="2"), run_in=observed.central)
    return _holds(f"Automation said about {latest.execution_id}: {latest.said(_APPROVAL)}")


_APPROVAL = "RemoveCredentials.Approval"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its name, which is that of its entry in docs/unverified.md, what judges it, and what it concerns."""

    name: str
    judge: Callable[[Observed], Finding]
    concerns: Callable[[Deployment], bool] = lambda _: True


def _organization(deployment: Deployment) -> bool:
    return bool(deployment.organization_id)


def _conformance_pack(deployment: Deployment) -> bool:
    return deployment.has_conformance_pack


def _rule_in_stack_set(deployment: Deployment) -> bool:
    return deployment.has_rule_in_stack_set


CHECKS = (
    Check("AWS Config may invoke the function for every account", _invocation, _organization),
    Check("The aggregator reads every account", _aggregation, _organization),
    Check("AWS Config's verdicts reach EventBridge", _verdict_events),
    Check("Root's changes reach EventBridge", _root_events),
    Check("EventBridge may start the runbooks", _starts),
    Check("A member may start the evaluation of the organization's rule", _reevaluation, _organization),
    Check("Automation takes the runbooks as they are", _runbooks),
    Check("AWS Config gives an account the result of its rule", _results),
    Check("AWS Config remediates an account", _remediation),
    Check("An evaluation renews the age of an unchanged result", _renewal),
    Check("AWS Config evaluates a new rule at once", _first_evaluation),
    Check("AccountPasswordPresent is 1 whenever root has a password", _password),
    Check("AWS Config takes the conformance pack", _pack, _conformance_pack),
    Check("The StackSet reaches every account but the excluded ones", _coverage, _organization),
    Check("The StackSet follows accounts that move", _follows, _rule_in_stack_set),
    Check("An aggregator's source status tells whether a recorder is on", _recorders, _organization),
    Check("The alarms reach their topic", _alarms),
    Check("The journal can be queried", _journal),
    Check("The metric filters count", _metrics),
    Check("The queue gets what fails", _queue),
    Check("AWS Config says who made the rule, and which function evaluates it", _signs, _organization),
    Check("The service control policies let StackSets and AWS Config through", _service_control_policies, _organization),
    Check("The aggregator lists each account's conformance pack", _listed_packs, _conformance_pack),
    Check("Automation says who approved a removal", _approval, _organization),
    Check("The package's roles may do what they have to", _permissions),
)
"""Every check, the most consequential first."""


def judge_probe(deployment: Deployment, account_id: str, runbook: str, run: Execution | Unseen) -> Verified:
    """Judge a run of a runbook that the probe started with credentials of an account."""
    name = f"Probe: {runbook} runs in account {account_id}"
    if isinstance(run, Unseen):
        return Verified(name, _not_seen(run.reason))
    show = commands.show_execution(deployment, run.execution_id)
    if run.runs:
        text = "It is still running. Check its result later."
        return Verified(name, _not_yet(text, show, run_in=f"account {account_id}"))
    said = " ".join(text for key in sorted(run.outputs) if key.endswith(".Text") and (text := run.said(key)))
    if run.status == "Success":
        return Verified(name, _holds(f"It ended as Success. {said}".rstrip()))
    return Verified(name, _fails(f"It ended as {run.status}: {run.failure}", show, run_in=f"account {account_id}"))


def verify(observed: Observed) -> list[Verified]:
    """Make every check that concerns the deployment."""
    return [Verified(check.name, check.judge(observed)) for check in CHECKS if check.concerns(observed.deployment)]


def totals(verified: Iterable[Verified]) -> dict[Outcome, int]:
    """Count the checks by their outcome."""
    outcomes = [each.finding.outcome for each in verified]
    return {outcome: outcomes.count(outcome) for outcome in Outcome}
