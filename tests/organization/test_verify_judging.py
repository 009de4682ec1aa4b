"""What each check says about what AWS shows: it holds, it fails, nothing shows it yet, or it was not seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from organization.deployment import BY_STACK_SET, EVENTS_ROLE_NAME, PACK_RULE_PREFIX, ROLE_NAMES, RULE_NAME, Deployment
from organization.journal import Entry, FailedEvaluation, Journal
from organization.runbooks import NOTIFY, REEVALUATE, REMOVAL
from organization.statuses import Arrival, Result, Source, Unseen
from organization.verify.judging import (
    CHECKS,
    RECORDED_CALLS,
    ROOT_CHANGES,
    AlarmAction,
    Calls,
    ChangedTarget,
    Counts,
    Execution,
    Finding,
    Inside,
    Observed,
    Outcome,
    RefusedCall,
    RemediationRun,
    RootPassword,
    Rule,
    ServiceControlPolicy,
    StackSetOperation,
    verify,
)
from tests.fake_aws import CENTRAL, REGION
from tests.infrastructure.templates import (
    ACCOUNT,
    APPLICATION,
    PROJECT,
    ROOT_CREDENTIALS,
    nodes,
    properties,
    resources,
)
from tests.organization.fake_organization import MANAGEMENT, MEMBER, ORGANIZATION, OTHER, ROOT

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
FUNCTION = f"arn:aws:lambda:{REGION}:{CENTRAL}:function:f"
PACK_RULE = f"{PACK_RULE_PREFIX}abc"
REFUSED = Unseen("GetIt failed with AccessDenied: use credentials that have this permission.")
BY_EVENTBRIDGE = f"arn:aws:sts::{MEMBER}:assumed-role/root-virtual-mfa-events/x"

FAILS, HOLDS, NOT_YET, NOT_SEEN = Outcome.FAILS, Outcome.HOLDS, Outcome.NOT_YET, Outcome.NOT_SEEN


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def run_of(runbook: str, status: str = "Success", by: str = BY_EVENTBRIDGE, **outputs: str) -> Execution:
    return Execution(runbook, f"{runbook}-1", status, ago(hours=3), by, "said by AWS" if status == "Failed" else "", outputs)


STARTED = run_of(REEVALUATE, **{"StartEvaluation.ConfigRuleNames": PACK_RULE, "StartEvaluation.Text": "Started."})
ENTRY = Entry(ago(hours=2), PACK_RULE, "COMPLIANT", "")
SAME = [ENTRY, replace(ENTRY, time=ago(hours=26)), replace(ENTRY, time=ago(hours=50))]
RULE = Rule(
    PACK_RULE, f"arn:aws:config:{REGION}:{MEMBER}:config-rule/x", "config-conforms.amazonaws.com", FUNCTION, started=True
)
RESULT = Result(PACK_RULE, "COMPLIANT", "", ago(hours=2))
INSIDE = Inside(
    rules=(RULE,),
    by_rule=(RESULT,),
    by_resource=(RESULT,),
    executions=(run_of(NOTIFY), STARTED),
    documents={NOTIFY: "Active", REEVALUATE: "Active"},
    failed_invocations={"root-virtual-mfa-compliance-change": 0},
    verdict_events=1,
    calls=Calls({"root-virtual-mfa-evaluation": 4}),
    root_changes=(),
    recorder_is_on=True,
    password=RootPassword(in_summary=True, in_report="true"),
    remediations=(RemediationRun("SUCCEEDED"),),
)
PACK = Arrival("CREATE_SUCCESSFUL", "", "OrgConformsPack-x", "COMPLIANT")
DEPLOYMENT = Deployment(
    "root-virtual-mfa",
    "UPDATE_COMPLETE",
    CENTRAL,
    REGION,
    "aws",
    ORGANIZATION,
    ROOT,
    MANAGEMENT,
    management_account_has_role=True,
    stack_set_name="root-virtual-mfa-account",
    log_group_name="/log",
    removes_root_credentials=True,
    pack_parameters={},
)
APPROVED = run_of(REMOVAL, **{"RemoveCredentials.Approval": "Approved by x, who did not start it."})
OBSERVED = Observed(
    deployment=DEPLOYMENT,
    now=NOW,
    created=ago(days=10),
    evaluated=(CENTRAL, MANAGEMENT, MEMBER),
    remediates=True,
    function_arn=FUNCTION,
    alarm_topic=True,
    packs=dict.fromkeys((CENTRAL, MANAGEMENT, MEMBER), PACK),
    stacks=dict.fromkeys((CENTRAL, MEMBER), Arrival("SUCCEEDED")),
    sources=dict.fromkeys((CENTRAL, MANAGEMENT, MEMBER), Source(succeeded=True)),
    results={MEMBER: [RESULT]},
    journal=Journal(dict.fromkeys((CENTRAL, MANAGEMENT, MEMBER), ENTRY)),
    history={MEMBER: SAME},
    inside={MEMBER: INSIDE},
    counts=Counts(evaluations=30, dropped_events=1, undelivered_records=0, messages=1),
    alarm_actions=(AlarmAction("silence", ago(days=3), succeeded=True, summary="Successfully executed"),),
    policies=(ServiceControlPolicy("protect-mfa", "p-1", ("ou-1", "ou-2")),),
    operation=StackSetOperation("SUCCEEDED", ago(days=1)),
    removals=(APPROVED,),
)
"""An organization in which everything holds."""

ONE_ACCOUNT = replace(
    OBSERVED,
    deployment=Deployment("root-virtual-mfa", "UPDATE_COMPLETE", CENTRAL, REGION, "aws", log_group_name="/log"),
    evaluated=(CENTRAL,),
    packs={},
    stacks={},
    journal=Journal({CENTRAL: replace(ENTRY, rule_name=RULE_NAME)}),
    inside={CENTRAL: INSIDE},
    results={CENTRAL: [RESULT]},
    history={CENTRAL: SAME},
)
"""One account in which everything holds."""


UNIT = "ou-a1b2-workload"
OWN_RULE = replace(RULE, name=RULE_NAME, created_by="")
OWN_ENTRY = replace(ENTRY, rule_name=RULE_NAME)
IN_STACK_SET = replace(
    OBSERVED,
    deployment=replace(
        DEPLOYMENT, rule_deployment=BY_STACK_SET, organizational_unit_ids=frozenset({UNIT}), pack_parameters=None
    ),
    targets={CENTRAL: UNIT, MEMBER: UNIT, OTHER: "", MANAGEMENT: ""},
    packs={},
    moves=(ChangedTarget(MEMBER, ago(days=3)), ChangedTarget(OTHER, ago(days=2))),
    journal=Journal(dict.fromkeys((CENTRAL, MANAGEMENT, MEMBER), OWN_ENTRY)),
    inside={MEMBER: replace(INSIDE, rules=(OWN_RULE,))},
)
"""An organization in which everything holds, and a StackSet brings the rule to an organizational unit."""


def inside(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - a member of Inside
    return {"inside": {MEMBER: replace(INSIDE, **members)}}


def deployed(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - a member of Deployment
    return {"deployment": replace(DEPLOYMENT, **members)}


def refused(role: str, text: str = "AccessDenied: x is not authorized to perform: it") -> dict[str, Any]:
    return inside(calls=Calls({role: 1}, (RefusedCall(role, "ssm:CreateOpsItem", text),)))


NOT_EVALUATED: dict[str, Any] = {"journal": Journal({CENTRAL: ENTRY})}
NEW: dict[str, Any] = {"created": ago(minutes=10)}
NO_ROLE: dict[str, Any] = {"inside": {}}
NOTHING_WRITTEN: dict[str, Any] = {"journal": Journal()}
UNREADABLE: dict[str, Any] = {"journal": Journal(problem=REFUSED.reason)}


@dataclass(frozen=True)
class Case:
    """What AWS shows instead, and what the check then says: its outcome, a part of its text, and of its command."""

    outcome: Outcome
    text: str
    command: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


def case(outcome: Outcome, text: str, command: str = "", **changes: Any) -> Case:  # noqa: ANN401 - members of Observed
    return Case(outcome, text, command, changes)


def pack(status: str, reason: str = "", **more: str) -> dict[str, Any]:
    return {"packs": {CENTRAL: PACK, MANAGEMENT: PACK, MEMBER: replace(PACK, status=status, reason=reason, **more)}}


PERMISSION = "InsufficientPermissionsException: no permission"
CASES: Mapping[str, list[Case]] = {
    "AWS Config may invoke the function for every account": [
        case(HOLDS, "AWS Config names the organization"),
        case(FAILS, MEMBER, "--parameter InvokePermission=Accounts", **pack("CREATE_FAILED", PERMISSION)),
        case(FAILS, "no evaluation came", "--parameter InvokePermission=Accounts", **NOT_EVALUATED),
        case(FAILS, "in no account", "root-virtual-mfa deploy", packs={}),
        case(NOT_YET, "Verify again in an hour", **NOT_EVALUATED, **NEW),
        case(NOT_YET, "when one has joined", packs={CENTRAL: PACK}),
        case(NOT_SEEN, "AccessDenied", packs=REFUSED),
        case(HOLDS, "lists every account", **deployed(invoke_permission="Accounts", listed=frozenset({MEMBER}))),
        case(FAILS, f"does not list account {MEMBER}", "root-virtual-mfa deploy", **deployed(invoke_permission="Accounts")),
        case(HOLDS, "names no account", **deployed(invoke_permission="Any")),
    ],
    "The aggregator reads every account": [
        case(HOLDS, "has read 3 accounts"),
        case(FAILS, "refused", "AggregatorName=NAME", sources={MEMBER: Source(succeeded=False, reason="refused")}),
        case(FAILS, "reads no account", "AggregatorName=NAME", sources={}),
        case(
            FAILS,
            f"does not read account {MEMBER}: off",
            "start-configuration-recorder",
            sources={CENTRAL: Source(succeeded=True), MEMBER: Source(succeeded=False, reason="off")},
        ),
        case(NOT_YET, "in an hour", sources={}, **NEW),
        case(NOT_SEEN, "AccessDenied", sources=REFUSED),
    ],
    "AWS Config's verdicts reach EventBridge": [
        case(HOLDS, f"started {NOTIFY} in account {MEMBER}. AWS Config's events came in account {MEMBER}."),
        case(HOLDS, "No event of AWS Config came: it starts once a day", **inside(verdict_events=0)),
        case(HOLDS, f"started {NOTIFY} in account {MEMBER}.", **inside(verdict_events=REFUSED)),
        case(
            FAILS,
            "has not started",
            "Remediation=Automatic",
            **inside(executions=(run_of(NOTIFY, by="arn:aws:iam::1:user/me"),)),
        ),
        case(NOT_YET, "Verify again then", **inside(executions=()), **NOTHING_WRITTEN),
        case(NOT_YET, "after 2026-12-01 13:00 UTC", **inside(executions=()), created=ago(hours=1)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
        case(NOT_SEEN, "AccessDenied", **inside(executions=REFUSED)),
    ],
    "Root's changes reach EventBridge": [
        case(HOLDS, f"started {REEVALUATE}"),
        case(FAILS, "did not start", "HomeRegion=eu-central-1", **inside(executions=(), root_changes=(ago(hours=5),))),
        case(
            FAILS,
            "A trail has to record management events here",
            "EvaluationFrequency=Three_Hours",
            **inside(executions=(), root_changes=(ago(hours=5),)),
            **deployed(region="us-east-1"),
        ),
        case(NOT_YET, "Add a device as root", **inside(executions=())),
        case(NOT_YET, "Add a device as root", **inside(executions=(), root_changes=(ago(minutes=5),))),
        case(NOT_SEEN, "AccessDenied", **inside(executions=(), root_changes=REFUSED)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "EventBridge may start the runbooks": [
        case(HOLDS, "no invocation failed"),
        case(FAILS, "FailedInvocations of r", "Remediation=Automatic", **inside(failed_invocations={"r": 2, "s": 0})),
        case(FAILS, "CloudTrail says: AccessDenied: x", "Remediation=Automatic", **refused(EVENTS_ROLE_NAME)),
        case(HOLDS, "no invocation failed", **refused(ROLE_NAMES[0])),
        case(NOT_YET, "after the first verdict", **inside(executions=())),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "A member may start the evaluation of the organization's rule": [
        case(HOLDS, f"started the evaluation in account {MEMBER}"),
        case(
            FAILS,
            "refused by AWS",
            "EvaluationFrequency",
            **inside(executions=(run_of(REEVALUATE, **{"StartEvaluation.Text": "refused by AWS"}),)),
        ),
        case(FAILS, "said by AWS", "EvaluationFrequency", **inside(executions=(run_of(REEVALUATE, "Failed"),))),
        case(
            NOT_YET,
            "has not run yet",
            f"--document-name {REEVALUATE}",
            **inside(executions=(run_of(REEVALUATE, "InProgress"),)),
        ),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "Automation takes the runbooks as they are": [
        case(HOLDS, "the last run of each ended well"),
        case(FAILS, "missing", "root-virtual-mfa deploy", **inside(documents={NOTIFY: "missing"})),
        case(
            FAILS,
            "said by AWS The evaluations, the alarms and the report work",
            f"get-automation-execution --region {REGION}",
            **inside(executions=(run_of(NOTIFY, "Failed"),)),
        ),
        case(NOT_YET, f"run {REMOVAL} yet", "DryRun=true", removals=()),
        case(NOT_YET, f"{NOTIFY}, {REEVALUATE}", "start-automation-execution", **inside(executions=REFUSED)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "AWS Config gives an account the result of its rule": [
        case(HOLDS, "by the resource; COMPLIANT was seen"),
        case(HOLDS, "not always by the resource", **inside(by_resource=())),
        case(
            FAILS,
            "(COMPLIANT), and AWS Config gives no result",
            "root-virtual-mfa report",
            **inside(by_rule=(), by_resource=()),
        ),
        case(
            FAILS,
            "(NOT_APPLICABLE), and AWS Config gives no result",
            "NoRootCredentials=COMPLIANT",
            **inside(by_rule=(), by_resource=()),
            journal=Journal({MEMBER: replace(ENTRY, verdict="NOT_APPLICABLE")}),
        ),
        case(
            HOLDS,
            f"by the rule, not always by the resource. {NOTIFY} had it from event.",
            **inside(by_rule=(), by_resource=(), executions=(run_of(NOTIFY, **{"Notify.Source": "event"}),)),
        ),
        case(
            FAILS,
            "gives no result",
            **inside(by_rule=(), by_resource=(), executions=(run_of(NOTIFY, "Failed", **{"Notify.Source": "event"}),)),
        ),
        case(NOT_YET, "in an hour", **inside(by_rule=(), by_resource=()), **NOTHING_WRITTEN),
        case(NOT_SEEN, "AccessDenied", **inside(by_resource=REFUSED)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "AWS Config remediates an account": [
        case(HOLDS, "succeeded"),
        case(FAILS, "no such type", "Remediation=Default", **inside(remediations=(RemediationRun("FAILED", "no such type"),))),
        case(NOT_YET, "Start it", f"--config-rule-name {PACK_RULE}", **inside(remediations=())),
        case(NOT_SEEN, "does not use", remediates=False),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "An evaluation renews the age of an unchanged result": [
        case(HOLDS, "AWS Config renews the time"),
        case(HOLDS, "the journal, which is current", results={MEMBER: [replace(RESULT, time=ago(hours=50))]}),
        case(
            FAILS,
            "older than 26 hours",
            "filter-log-events",
            results={MEMBER: [replace(RESULT, time=ago(hours=50))]},
            **UNREADABLE,
        ),
        case(
            FAILS,
            "Make the log group again",
            "create-log-group --region eu-central-1 --log-group-name /log",
            results={MEMBER: [replace(RESULT, time=ago(hours=50))]},
            journal=Journal(problem="StartQuery failed with ResourceNotFoundException."),
            history=REFUSED,
        ),
        case(NOT_SEEN, "AccessDenied", **UNREADABLE),
        case(NOT_YET, "after 2026-12-01 12:00 UTC", created=ago(days=1)),
        case(NOT_YET, "tomorrow", history={MEMBER: SAME[:1]}),
        case(NOT_YET, "tomorrow", history={MEMBER: [ENTRY, replace(SAME[2], verdict="NON_COMPLIANT")]}),
        case(NOT_SEEN, "AccessDenied", history=REFUSED),
        case(NOT_SEEN, "AccessDenied", results=REFUSED),
    ],
    "AWS Config evaluates a new rule at once": [
        case(HOLDS, "3 accounts had an evaluation"),
        case(
            HOLDS,
            "had an evaluation",
            journal=Journal({CENTRAL: ENTRY, MANAGEMENT: ENTRY}, {MEMBER: FailedEvaluation(NOW, "x")}),
        ),
        case(
            FAILS,
            MEMBER,
            f"--config-rule-names {PACK_RULE}",
            **inside(rules=(replace(RULE, started=False),)),
            journal=Journal({CENTRAL: ENTRY, MANAGEMENT: ENTRY}),
        ),
        case(NOT_YET, MANAGEMENT, **NOT_EVALUATED, **NEW),
        case(NOT_YET, "in no account", packs={}),
        case(NOT_SEEN, "AccessDenied", **UNREADABLE),
        case(NOT_SEEN, "AccessDenied", packs=REFUSED),
    ],
    "AccountPasswordPresent is 1 whenever root has a password": [
        case(HOLDS, f"is 1 in account {MEMBER}"),
        case(
            FAILS,
            MEMBER,
            "NoRootCredentials=NON_COMPLIANT",
            **inside(password=RootPassword(in_summary=False, in_report="true")),
        ),
        case(NOT_YET, "Have one made", "generate-credential-report", **inside(password=None)),
        case(NOT_YET, "has a password", **inside(password=RootPassword(in_summary=False, in_report="false"))),
        case(NOT_SEEN, "does not say", **inside(password=RootPassword(in_summary=True, in_report="not_supported"))),
        case(NOT_SEEN, "AccessDenied", **inside(password=REFUSED)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "AWS Config takes the conformance pack": [
        case(HOLDS, "AWS Config took the pack"),
        case(FAILS, "no Fn::If", "put-organization-conformance-pack", **pack("CREATE_FAILED", "Template: no Fn::If")),
        case(FAILS, "There is no conformance pack", "root-virtual-mfa deploy", packs={}),
        case(NOT_YET, "on its way", packs={MEMBER: replace(PACK, status="CREATE_IN_PROGRESS")}),
        case(NOT_SEEN, "AccessDenied", packs=REFUSED),
    ],
    "The StackSet reaches every account but the excluded ones": [
        case(HOLDS, "has reached 2 accounts."),
        case(HOLDS, "none of the 1 excluded account", **deployed(excluded=frozenset({OTHER}))),
        case(FAILS, "which ExcludedAccounts excludes", "delete-stack-instances", **deployed(excluded=frozenset({MEMBER}))),
        case(
            FAILS,
            "FAILED. denied",
            "update-stack-instances",
            stacks={CENTRAL: Arrival("SUCCEEDED"), MEMBER: Arrival("FAILED", "denied")},
        ),
        case(FAILS, MEMBER, "create-stack-instances", stacks={CENTRAL: Arrival("SUCCEEDED")}),
        case(NOT_YET, "on its way", stacks={CENTRAL: Arrival("SUCCEEDED"), MEMBER: Arrival("RUNNING")}),
        case(NOT_SEEN, "AccessDenied", stacks=REFUSED),
    ],
    "An aggregator's source status tells whether a recorder is on": [
        case(HOLDS, f"agree in account {MEMBER}"),
        case(FAILS, MEMBER, "preflight --role-name ROLE", **inside(recorder_is_on=False)),
        case(NOT_YET, "in an hour", sources={}),
        case(NOT_SEEN, "AccessDenied", sources=REFUSED),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "The alarms reach their topic": [
        case(HOLDS, "silence reached the topic"),
        case(
            FAILS,
            "no topic",
            "AlarmEmail=ADDRESS",
            alarm_actions=(AlarmAction("silence", NOW, succeeded=False, summary="no topic"),),
        ),
        case(NOT_YET, "Set one off", "--alarm-name silence", alarm_actions=(), alarms=("silence",)),
        case(NOT_SEEN, "AccessDenied", alarms=REFUSED),
        case(NOT_SEEN, "have no topic", "AlarmEmail=ADDRESS", alarm_topic=False),
        case(NOT_SEEN, "AccessDenied", alarm_actions=REFUSED),
    ],
    "The journal can be queried": [
        case(HOLDS, "of 3 accounts"),
        case(
            FAILS,
            "does not accept the query",
            "filter-log-events",
            journal=Journal(problem="StartQuery failed with MalformedQueryException."),
        ),
        case(FAILS, "gives no evaluation", "filter-log-events", **NOTHING_WRITTEN),
        case(NOT_YET, "in an hour", **NOTHING_WRITTEN, counts=Counts(0, 0, 0, 0)),
        case(NOT_SEEN, "AccessDenied", **UNREADABLE),
    ],
    "The metric filters count": [
        case(HOLDS, "counts 30"),
        case(FAILS, "counts none", "describe-metric-filters", counts=Counts(0, 0, 0, 0)),
        case(NOT_YET, "after the first one", counts=Counts(0, 0, 0, 0), **NOTHING_WRITTEN),
        case(NOT_SEEN, "AccessDenied", counts=REFUSED),
    ],
    "The queue gets what fails": [
        case(HOLDS, "has 1 failed event"),
        case(FAILS, "could not pass on 2 failed events", "filter-log-events", counts=Counts(1, 2, 2, 0)),
        case(FAILS, "the queue has none", "filter-log-events", counts=Counts(1, 2, 0, 0)),
        case(NOT_YET, "Make one fail", "lambda invoke", counts=Counts(1, 0, 0, 0)),
        case(NOT_SEEN, "AccessDenied", counts=REFUSED),
    ],
    "AWS Config says who made the rule, and which function evaluates it": [
        case(HOLDS, "CreatedBy and the function show it"),
        case(HOLDS, "ARN", **inside(rules=(replace(RULE, created_by="", arn="x:config-rule/aws-service-rule/y"),))),
        case(FAILS, MEMBER, "EvaluationFrequency", **inside(rules=(replace(RULE, created_by=""),))),
        case(FAILS, MEMBER, "EvaluationFrequency", **inside(rules=(replace(RULE, function_arn=""),))),
        case(NOT_YET, "in an hour", **inside(rules=())),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
    "The service control policies let StackSets and AWS Config through": [
        case(HOLDS, "With protect-mfa in the organization"),
        case(
            FAILS,
            "Detach protect-mfa",
            "detach-policy --policy-id p-1 --target-id ou-2",
            stacks={MEMBER: Arrival("FAILED", "explicit deny in a service control policy")},
        ),
        case(
            FAILS,
            MEMBER,
            "detach-policy",
            journal=Journal({}, {MEMBER: FailedEvaluation(NOW, "AccessDenied: explicit deny in a service control policy")}),
        ),
        case(FAILS, MEMBER, "detach-policy", **refused(ROLE_NAMES[0], "AccessDenied: in a Service Control Policy")),
        case(NOT_YET, "when you have attached one", policies=()),
        case(NOT_YET, "wait for a day", operation=None),
        case(NOT_YET, "wait for a day", **NOTHING_WRITTEN),
        case(NOT_SEEN, "AccessDenied", policies=REFUSED),
        case(NOT_SEEN, "AccessDenied", operation=REFUSED),
    ],
    "The aggregator lists each account's conformance pack": [
        case(HOLDS, "lists the pack of 3 accounts"),
        case(HOLDS, "by the journal instead", packs={MEMBER: replace(PACK, compliance="")}),
        case(FAILS, MEMBER, "put-organization-conformance-pack", **pack("CREATE_SUCCESSFUL", compliance="")),
        case(
            FAILS,
            "the journal cannot be read",
            "describe-aggregate-compliance-by-conformance-packs",
            packs={MEMBER: replace(PACK, compliance="")},
            **UNREADABLE,
        ),
        case(NOT_YET, "in an hour", **pack("CREATE_SUCCESSFUL", compliance=""), **NEW),
        case(NOT_YET, "in an hour", packs={}),
        case(NOT_SEEN, "AccessDenied", packs=REFUSED),
    ],
    "Automation says who approved a removal": [
        case(HOLDS, "Approved by x"),
        case(
            FAILS,
            "Not checked",
            "RemovalMinimumApprovals=2",
            removals=(run_of(REMOVAL, **{"RemoveCredentials.Approval": "Not checked: Automation names nobody."}),),
        ),
        case(NOT_YET, "after the first one", removals=()),
        case(
            NOT_YET,
            "after the first one",
            removals=(run_of(REMOVAL, **{"RemoveCredentials.Approval": "No output available yet because the step ..."}),),
        ),
        case(NOT_SEEN, "does not have the removal", **deployed(removes_root_credentials=False)),
        case(NOT_SEEN, "AccessDenied", removals=REFUSED),
    ],
    "The package's roles may do what they have to": [
        case(HOLDS, "IAM refused none: root-virtual-mfa-evaluation (4)"),
        case(
            FAILS,
            f"in account {MEMBER}. root-virtual-mfa-remediation: AccessDenied: x is not",
            "put-role-policy --role-name root-virtual-mfa-remediation --policy-name ssm-CreateOpsItem",
            **refused("root-virtual-mfa-remediation"),
        ),
        case(HOLDS, "IAM refused none", **refused(ROLE_NAMES[0], "AccessDenied: An AWS service owns ServiceLinkedConfigRule.")),
        case(HOLDS, "IAM refused none", **refused(EVENTS_ROLE_NAME)),
        case(NOT_YET, "in an hour", **inside(calls=Calls())),
        case(NOT_SEEN, "AccessDenied", **inside(calls=REFUSED)),
        case(NOT_SEEN, "--role-name", **NO_ROLE),
    ],
}


def stack_set(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - a member of Deployment
    return {"deployment": replace(IN_STACK_SET.deployment, **members)}


def own_rule(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - a member of Rule
    return {"inside": {MEMBER: replace(INSIDE, rules=(replace(OWN_RULE, **members),))}}


STACKS = IN_STACK_SET.stacks
assert not isinstance(STACKS, Unseen)
NOT_INVOKED = Arrival("FAILED", "cannot be invoked. (InsufficientPermissionsException)")
IN_STACK_SET_CASES: Mapping[str, list[Case]] = {
    "AWS Config may invoke the function for every account": [
        case(HOLDS, "AWS Config names the organization"),
        case(FAILS, MEMBER, "--parameter InvokePermission=Accounts", stacks={**STACKS, MEMBER: NOT_INVOKED}),
        case(FAILS, "The StackSet is in no account", "root-virtual-mfa deploy", stacks={}),
        case(
            HOLDS, "names no account, and Lambda took it. The StackSet is in 2 accounts.", **stack_set(invoke_permission="Any")
        ),
        case(NOT_YET, "in no account that only the organization's id permits", stacks={CENTRAL: Arrival("SUCCEEDED")}),
        case(NOT_SEEN, "AccessDenied", stacks=REFUSED),
    ],
    "AWS Config evaluates a new rule at once": [
        case(HOLDS, "3 accounts had an evaluation"),
        case(
            FAILS,
            MEMBER,
            f"--config-rule-names {RULE_NAME}",
            journal=Journal({CENTRAL: OWN_ENTRY, MANAGEMENT: OWN_ENTRY}),
            **own_rule(started=False),
        ),
        case(FAILS, MANAGEMENT, journal=Journal({CENTRAL: OWN_ENTRY, MEMBER: OWN_ENTRY})),
        case(NOT_YET, "in no account", stacks={}),
        case(NOT_SEEN, "AccessDenied", stacks=REFUSED),
    ],
    "The StackSet reaches every account but the excluded ones": [
        case(HOLDS, "has reached 2 accounts."),
        case(
            FAILS,
            "has the commands for each.",
            f"create-stack-instances --region {REGION} --stack-set-name root-virtual-mfa-account --call-as DELEGATED_ADMIN "
            f"--deployment-targets OrganizationalUnitIds={UNIT},",
            stacks={CENTRAL: Arrival("SUCCEEDED")},
        ),
    ],
    "The StackSet follows accounts that move": [
        case(HOLDS, f"followed 2 accounts: {MEMBER}, {OTHER}"),
        case(FAILS, "still has a stack", "delete-stack-instances", stacks={**STACKS, OTHER: Arrival("SUCCEEDED")}),
        case(
            FAILS,
            "still has a stack",
            f"OrganizationalUnitIds={ROOT},Accounts={OTHER},",
            stacks={**STACKS, OTHER: Arrival("SUCCEEDED")},
            moves=REFUSED,
        ),
        case(FAILS, "did not follow", "create-stack-instances", stacks={CENTRAL: Arrival("SUCCEEDED")}),
        case(NOT_YET, "about to follow", stacks={**STACKS, OTHER: Arrival("RUNNING")}),
        case(
            NOT_YET,
            "about to follow",
            stacks={**STACKS, OTHER: Arrival("SUCCEEDED")},
            moves=(ChangedTarget(OTHER, ago(minutes=5)),),
        ),
        case(NOT_YET, "Move a test account", moves=()),
        case(
            NOT_YET,
            "Move a test account",
            moves=(ChangedTarget(MANAGEMENT, ago(days=3)), ChangedTarget("999999999999", ago(days=3))),
        ),
        case(NOT_YET, "about to follow", moves=(ChangedTarget(MEMBER, ago(days=3)), ChangedTarget(MEMBER, ago(minutes=5)))),
        case(NOT_SEEN, "the whole organization", **stack_set(organizational_unit_ids=frozenset())),
        case(NOT_SEEN, "Only the management account knows", moves=REFUSED),
        case(NOT_SEEN, "AccessDenied", stacks=REFUSED),
    ],
    "The journal can be queried": [
        case(HOLDS, "of 3 accounts"),
        case(FAILS, "calls an account UNKNOWN", "filter-log-events", **NOTHING_WRITTEN),
        case(FAILS, "calls an account UNKNOWN", "filter-log-events", journal=Journal(problem="MalformedQueryException.")),
    ],
    "AWS Config says who made the rule, and which function evaluates it": [
        case(HOLDS, "The function shows it"),
        case(FAILS, "another function", "delete-stack-instances", **own_rule(function_arn=f"{FUNCTION}-of-somebody")),
        case(
            FAILS,
            f"In account {MANAGEMENT} another function",
            f"delete --management-account --region {REGION}\nroot-virtual-mfa deploy --management-account --region {REGION}",
            inside={MANAGEMENT: replace(INSIDE, rules=(replace(OWN_RULE, function_arn=f"{FUNCTION}-of-somebody"),))},
        ),
        case(FAILS, "or that the function", "EvaluationFrequency=Three_Hours", **own_rule(function_arn="")),
        case(FAILS, "the account made the rule", "EvaluationFrequency=Three_Hours", **own_rule(created_by="a.service")),
        case(FAILS, MEMBER, **own_rule(arn="x:config-rule/aws-service-rule/y")),
        case(NOT_YET, "in an hour", inside={MEMBER: replace(INSIDE, rules=())}),
    ],
    "AWS Config remediates an account": [
        case(HOLDS, "succeeded"),
        case(
            NOT_YET,
            "Start it",
            f"--config-rule-name {RULE_NAME}",
            inside={MEMBER: replace(INSIDE, rules=(OWN_RULE,), remediations=())},
        ),
    ],
    "The service control policies let StackSets and AWS Config through": [
        case(HOLDS, "With protect-mfa in the organization"),
        case(NOT_YET, "so an account's administrator can delete the rule", policies=()),
    ],
}
"""The same, if a StackSet brings the rule."""


def finding(name: str, observed: Observed) -> Finding:
    [found] = [each.finding for each in verify(observed) if each.name == name]
    return found


@pytest.mark.parametrize(
    ("name", "observed", "told"),
    [
        pytest.param(name, observed, each, id=f"{way}{name}: {number} {each.outcome}")
        for way, observed, all_cases in (("", OBSERVED, CASES), ("StackSet: ", IN_STACK_SET, IN_STACK_SET_CASES))
        for name, cases in all_cases.items()
        for number, each in enumerate(cases, start=1)
    ],
)
def test_a_check_says_what_aws_shows(name: str, observed: Observed, told: Case) -> None:
    found = finding(name, replace(observed, **told.changes))
    assert found.outcome is told.outcome, found
    assert told.text in found.text
    assert told.command in "\n".join(found.commands)
    if found.outcome is FAILS:
        assert found.commands, "what fails has a command that fixes or shows it"
        assert found.run_in
    deployment = replace(told.changes.get("deployment", observed.deployment), stack_name="mfa")
    for command in finding(name, replace(observed, **{**told.changes, "deployment": deployment})).commands:
        assert "--stack-name mfa" in command or not command.startswith("root-virtual-mfa "), command


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_check_is_seen_to_hold_to_fail_and_to_wait_or_not_to_see(check: Any) -> None:  # noqa: ANN401 - a check
    cases = (CASES if check.concerns(DEPLOYMENT) else IN_STACK_SET_CASES)[check.name]
    assert {HOLDS, FAILS, NOT_YET, NOT_SEEN} == {each.outcome for each in cases}
    assert cases[0].changes == {}, "the first shows that it holds where everything holds"


def test_nothing_is_judged_that_nobody_saw() -> None:
    for deployment in (DEPLOYMENT, IN_STACK_SET.deployment):
        nothing = Observed(deployment, NOW, ago(days=10), (MEMBER,))
        unseen = replace(
            nothing, packs=REFUSED, stacks=REFUSED, sources=REFUSED, results=REFUSED, history=REFUSED, **UNREADABLE
        )
        assert {each.finding.outcome for each in verify(unseen)} <= {NOT_SEEN, NOT_YET}


def test_each_way_to_deploy_the_rule_has_the_checks_that_concern_it() -> None:
    of_pack = {"AWS Config takes the conformance pack", "The aggregator lists each account's conformance pack"}
    in_stack_set, in_pack = ({each.name for each in verify(observed)} for observed in (IN_STACK_SET, OBSERVED))
    assert (in_pack - in_stack_set, in_stack_set - in_pack) == (of_pack, {"The StackSet follows accounts that move"})
    assert {each.finding.outcome for each in verify(IN_STACK_SET)} == {HOLDS}


def test_one_account_has_only_the_checks_that_concern_it() -> None:
    verified = {each.name: each.finding.outcome for each in verify(ONE_ACCOUNT)}
    assert list(verified) == [check.name for check in CHECKS if check.concerns(ONE_ACCOUNT.deployment)]
    assert set(verified.values()) == {HOLDS}


def test_of_many_accounts_some_are_named() -> None:
    many = [f"{number:012}" for number in range(1000)]
    failed = dict.fromkeys(many, replace(PACK, status="CREATE_FAILED", reason="x" * 100))
    text = finding("AWS Config takes the conformance pack", replace(OBSERVED, packs=failed)).text
    assert "1000 accounts:" in text
    assert len(text) < 1000


# --- The list behind it ---


def test_each_entry_of_the_page_has_its_check_in_the_same_order() -> None:
    page = (PROJECT / "docs/unverified.md").read_text(encoding="utf-8")
    assert [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")] == [each.name for each in CHECKS]


NOT_RECORDED = {
    "events:PutEvents",
    "iam:PassRole",
    "lambda:InvokeFunction",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sns:Publish",
}
"""What is no call, or what CloudTrail records as a data event."""


def test_the_calls_are_those_that_the_roles_may_make() -> None:
    roles = {
        role["Properties"]["RoleName"]: role["Properties"]
        for file in (APPLICATION, ACCOUNT, ROOT_CREDENTIALS)
        for role in resources(file, "AWS::IAM::Role").values()
        if "RoleName" in role["Properties"]
    }
    assert sorted(roles) == sorted(ROLE_NAMES)
    policies = [policy["Properties"] for policy in resources(ACCOUNT, "AWS::IAM::ManagedPolicy").values()]
    statements = [each for each in nodes([role.get("Policies", []) for role in roles.values()] + policies) if _allows(each)]
    actions = {action for each in statements for action in _listed(each["Action"])}
    assert actions - NOT_RECORDED == set(RECORDED_CALLS)


def _allows(node: Any) -> bool:  # noqa: ANN401 - a node of a template
    return isinstance(node, dict) and node.get("Effect") == "Allow"


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def test_the_root_changes_are_those_that_start_an_evaluation() -> None:
    pattern = properties(ACCOUNT, "RootUserChangeRule")["EventPattern"]
    assert set(pattern["detail"]["eventName"]) == ROOT_CHANGES
