"""`root-virtual-mfa verify` as it is run, on answers of AWS: what it prints and writes, its exit code, what AWS refuses."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from organization import cli
from organization.deployment import PACK_RULE_PREFIX, RULE_NAME
from organization.runbooks import NOTIFY, REEVALUATE, REMOVAL
from organization.verify.judging import CHECKS as ALL_CHECKS
from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError, paged
from tests.organization.fake_organization import (
    HOSTILE,
    MANAGEMENT,
    MEMBER,
    OTHER,
    ROOT,
    account,
    check_shown,
    evaluation,
    evaluation_line,
    stack,
)

RULE = f"{PACK_RULE_PREFIX}abc"
UNIT = "ou-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{CENTRAL}:function:f"
NOW = datetime.now(UTC)
STATEMENT = '{"Statement": [{"Resource": "arn:aws:iam::*:role/root-virtual-mfa-events"}]}'
EVERYONE = (CENTRAL, MANAGEMENT, MEMBER)


def statuses(key: str, **of_each: str) -> list[dict[str, str]]:
    return [{key: account_id, **of_each} for account_id in EVERYONE]


def execution(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - members of an execution
    return {
        "AutomationExecutionId": "00000000-0000-4000-8000-000000000001",
        "DocumentName": f"arn:aws:ssm:{REGION}:{CENTRAL}:document/{name}",
        "AutomationExecutionStatus": "Success",
        "ExecutionStartTime": NOW - timedelta(hours=2),
        "ExecutedBy": f"arn:aws:sts::{CENTRAL}:assumed-role/root-virtual-mfa-events/x",
        **more,
    }


def deployed(**parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - parameters of the template, which are texts
    described = stack(AlarmEmail="a@example.com", ManagementAccountHasEvaluationRole="true", **parameters)
    described["CreationTime"] = NOW - timedelta(days=10)
    outputs = {"LogGroupName": "/log", "FunctionArn": FUNCTION}
    outputs["FailedEventsQueueUrl"] = "https://sqs/q"
    described["Outputs"] += [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return described


def datapoints(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    sums = {"Evaluations": 20.0, "AsyncEventsDropped": 1.0}
    return {"Datapoints": [{"Sum": sums.get(parameters["MetricName"], 0.0)}]}


def query_results(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    hours = (2,) if parameters["queryId"] == "latest" else (2, 26, 50)
    rows = [evaluation_line(each, "COMPLIANT", RULE, hours_ago=ago) for ago in hours for each in EVERYONE]
    return {"status": "Complete", "results": rows}


EVALUATION = "root-virtual-mfa-evaluation"


def recorded(name: str, role: str = EVALUATION, service: str = "iam", **more: object) -> dict[str, str]:
    """Return an event of CloudTrail's history: a call of a role."""
    identity = {"type": "AssumedRole", "arn": f"arn:aws:sts::{CENTRAL}:assumed-role/{role}/x"}
    event = {
        "eventTime": f"{NOW - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "userIdentity": identity,
    }
    return {"CloudTrailEvent": json.dumps({**event, **more})}


def asks_for(parameters: Mapping[str, Any], name: str = "GetAccountSummary") -> bool:
    [attribute] = parameters["LookupAttributes"]
    return bool(attribute == {"AttributeKey": "EventName", "AttributeValue": name})


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer for an organization in which everything that happened went well."""
    qualifier = {"ConfigRuleName": RULE, "ResourceType": "AWS::::Account", "ResourceId": CENTRAL}
    result = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier},
        "ComplianceType": "COMPLIANT",
        "ResultRecordedTime": NOW - timedelta(hours=2),
    }
    executions = [
        execution(NOTIFY),
        execution(REEVALUATE, Outputs={"StartEvaluation.ConfigRuleNames": [RULE], "StartEvaluation.Text": ["Started."]}),
    ]
    packs = statuses("AccountId", Status="CREATE_SUCCESSFUL", ConformancePackName="OrgConformsPack-x")
    complies = {"ConformancePackName": "OrgConformsPack-x", "Compliance": {"ComplianceType": "COMPLIANT"}}
    rule = {
        "ConfigRuleName": RULE,
        "ConfigRuleArn": f"arn:aws:config:{REGION}:{CENTRAL}:config-rule/x",
        "CreatedBy": "config-conforms.amazonaws.com",
        "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": FUNCTION},
    }
    rung = {"Timestamp": NOW, "HistorySummary": "Successfully executed action", "HistoryData": '{"actionState": "Succeeded"}'}
    fake = FakeAws(
        {
            "DescribeStacks": {"Stacks": [deployed()]},
            "ListStackResources": {"StackResourceSummaries": []},
            "DescribeOrganizationConformancePacks": {"OrganizationConformancePacks": []},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListAccounts": {"Accounts": [*(account(each, each) for each in EVERYONE), account(OTHER, "old", "SUSPENDED")]},
            "StartQuery": lambda parameters: {"queryId": "latest" if "dedup" in parameters["queryString"] else "history"},
            "GetQueryResults": query_results,
            "GetOrganizationConformancePackDetailedStatus": {"OrganizationConformancePackDetailedStatuses": packs},
            "DescribeAggregateComplianceByConformancePacks": {
                "AggregateComplianceByConformancePacks": statuses("AccountId")
                and [{"AccountId": each, "AwsRegion": REGION, **complies} for each in EVERYONE]
            },
            "ListStackInstances": {
                "Summaries": [
                    {"Account": each, "StackInstanceStatus": {"DetailedStatus": "SUCCEEDED"}} for each in (CENTRAL, MEMBER)
                ]
            },
            "DescribeConfigurationAggregatorSourcesStatus": paged(
                "AggregatedSourceStatusList",
                [[], [{"SourceId": each, "AwsRegion": REGION, "LastUpdateStatus": "SUCCEEDED"} for each in EVERYONE]],
            ),
            "DescribeAggregateComplianceByConfigRules": {
                "AggregateComplianceByConfigRules": [{"AccountId": MEMBER, "ConfigRuleName": RULE}]
            },
            "GetAggregateComplianceDetailsByConfigRule": {
                "AggregateEvaluationResults": [evaluation(MEMBER, "COMPLIANT", hours_ago=2)]
            },
            "GetMetricStatistics": datapoints,
            "GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "1"}},
            "DescribeAlarms": {"MetricAlarms": [{"AlarmName": "root-virtual-mfa-Silence"}]},
            "DescribeAlarmHistory": {"AlarmHistoryItems": [rung]},
            "ListPolicies": paged(
                "Policies",
                [
                    [{"Id": "p-1", "Name": "FullAWSAccess", "AwsManaged": True}],
                    [{"Id": "p-2", "Name": "mfa", "AwsManaged": False}],
                ],
            ),
            "DescribePolicy": {"Policy": {"Content": STATEMENT}},
            "ListTargetsForPolicy": paged("Targets", [[{"TargetId": "ou-1"}], [{"TargetId": "ou-2"}]]),
            "ListStackSetOperations": {"Summaries": [{"Status": "SUCCEEDED", "EndTimestamp": NOW - timedelta(days=9)}]},
            "DescribeConfigRules": {"ConfigRules": [{"ConfigRuleName": "another"}, rule]},
            "DescribeConfigRuleEvaluationStatus": {
                "ConfigRulesEvaluationStatus": [{"ConfigRuleName": RULE, "FirstEvaluationStarted": True}]
            },
            "GetComplianceDetailsByConfigRule": {"EvaluationResults": [result]},
            "GetComplianceDetailsByResource": {"EvaluationResults": [result]},
            "DescribeAutomationExecutions": paged("AutomationExecutionMetadataList", [executions[:1], [], executions[1:]]),
            "GetAutomationExecution": {"AutomationExecution": execution(NOTIFY)},
            "DescribeDocument": {"Document": {"Status": "Active"}},
            "ListRules": {"Rules": [{"Name": "root-virtual-mfa-compliance-change"}]},
            "LookupEvents": lambda parameters: {"Events": [recorded("GetAccountSummary")] if asks_for(parameters) else []},
            "DescribeConfigurationRecorderStatus": {"ConfigurationRecordersStatus": [{"name": "default", "recording": True}]},
            "GetAccountSummary": {"SummaryMap": {"AccountPasswordPresent": 1}},
            "GetCredentialReport": {"Content": b"user,password_enabled\n<root_account>,true\nsomebody,false\n"},
            "AssumeRole": {
                "Credentials": {
                    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
                    "SecretAccessKey": "x",
                    "SessionToken": "y",
                    "Expiration": NOW,
                }
            },
        }
    )
    with fake.in_place():
        yield fake


def verified(capsys: pytest.CaptureFixture[str], expected: int, *arguments: str) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert cli.main(["verify", "--format", "json", *arguments]) == expected
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)["checks"]}


UNUSED = {"AWS Config remediates an account", "Automation says who approved a removal"}
FOLLOWS = "The StackSet follows accounts that move"
CHECKS = [check.name for check in ALL_CHECKS if check.name != FOLLOWS]
"""Those of a conformance pack."""


def test_everything_that_was_seen_holds(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    found = verified(capsys, 0)
    assert list(found) == CHECKS
    assert {name: each["text"] for name, each in found.items() if each["outcome"] != "HOLDS" and name not in UNUSED} == {}
    assert {found[name]["outcome"] for name in UNUSED} == {"NOT_SEEN"}
    operations = [action.partition(":")[2] for action in fake.actions]
    assert all(each.startswith(("Describe", "Get", "List", "Lookup")) or each == "StartQuery" for each in operations)


def test_stack_set_that_brings_the_rule_is_judged_by_its_stacks_and_the_accounts_own_rules(
    fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["DescribeStacks"] = {"Stacks": [deployed(RuleDeployment="StackSet", OrganizationalUnitIds=f"{UNIT}, ou-2")]}
    listed = [account(CENTRAL, "", units=(UNIT,)), account(MEMBER, "", units=(UNIT, "ou-3")), account(MANAGEMENT, "")]
    fake.answers["ListAccounts"] = {"Accounts": [*listed, account(OTHER, "left", units=("ou-4",))]}
    fake.answers["DescribeOrganizationalUnit"] = {"OrganizationalUnit": {"Name": "Unit"}}
    rule = {"ConfigRuleName": RULE_NAME, "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": FUNCTION}}
    fake.answers["DescribeConfigRules"] = {"ConfigRules": [{"ConfigRuleName": RULE}, rule]}
    qualifier = {"ConfigRuleName": RULE_NAME, "ResourceType": "AWS::::Account"}
    result = {"EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier}, "ComplianceType": "COMPLIANT"}
    fake.answers["GetComplianceDetailsByResource"] = {"EvaluationResults": [result]}
    parents = [(OTHER, UNIT, "ou-4"), (MEMBER, "ou-3", UNIT), (CENTRAL, ROOT, UNIT), (CENTRAL, "ou-gone", "ou-4")]
    moves = [
        recorded(
            "MoveAccount",
            service="organizations",
            requestParameters={"accountId": each, "sourceParentId": source, "destinationParentId": destination},
            **({"errorCode": "AccessDenied"} if source == ROOT else {}),
        )
        for each, source, destination in parents
    ]
    fake.answers["LookupEvents"] = lambda parameters: {"Events": moves if asks_for(parameters, "MoveAccount") else []}
    found = verified(capsys, 0, "--role-name", "auditor")
    assert list(found) == [check.name for check in ALL_CHECKS if "conformance pack" not in check.name]
    assert f"followed 2 accounts: {CENTRAL}, {OTHER}," in found[FOLLOWS]["text"], (
        "what AWS refused, or stays below a unit, is none"
    )
    assert "The function shows it" in found["AWS Config says who made the rule, and which function evaluates it"]["text"]
    assert fake.called("GetOrganizationConformancePackDetailedStatus") == []
    assert {call["RoleArn"].split(":")[4] for call in fake.called("AssumeRole")} == {MANAGEMENT, MEMBER}
    assert "give --role-name" in verified(capsys, 0)[FOLLOWS]["text"].replace("Give", "give")


def test_what_fails_comes_with_its_fix_and_exit_code_1(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    failed = statuses(
        "AccountId", Status="CREATE_FAILED", ConformancePackName="x", ErrorCode="InsufficientPermissionsException"
    )
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": failed}
    assert cli.main(["verify"]) == 1
    printed = capsys.readouterr().out
    assert "FAILS     AWS Config may invoke the function for every account" in printed
    assert "    root-virtual-mfa deploy --parameter InvokePermission=Accounts\n" in printed
    assert " 1 FAILS" in printed


def test_with_a_role_it_looks_into_accounts(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"in account {CENTRAL}," in verified(capsys, 0)["EventBridge may start the runbooks"]["text"]
    assert fake.called("AssumeRole") == []
    found = verified(capsys, 0, "--role-name", "auditor")
    assert f"3 accounts: {CENTRAL}, {MANAGEMENT}, {MEMBER}" in found["EventBridge may start the runbooks"]["text"]
    assumed = {call["RoleArn"] for call in fake.called("AssumeRole")}
    assert assumed == {f"arn:aws:iam::{each}:role/auditor" for each in (MANAGEMENT, MEMBER)}


def test_an_account_that_refuses_the_role_is_not_seen_and_the_others_are(
    fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.refuse("AssumeRole", "AccessDenied")
    found = verified(capsys, 0, "--role-name", "auditor")
    assert f"account {CENTRAL}" in found["EventBridge may start the runbooks"]["text"]


READS = [
    "GetOrganizationConformancePackDetailedStatus",
    "ListStackInstances",
    "DescribeConfigurationAggregatorSourcesStatus",
    "DescribeAggregateComplianceByConfigRules",
    "StartQuery",
    "GetMetricStatistics",
    "GetQueueAttributes",
    "DescribeAlarms",
    "ListPolicies",
    "ListStackSetOperations",
    "DescribeConfigRules",
    "GetComplianceDetailsByResource",
    "DescribeAutomationExecutions",
    "DescribeDocument",
    "LookupEvents",
    "DescribeConfigurationRecorderStatus",
    "GetCredentialReport",
]


@pytest.mark.parametrize("operation", READS)
def test_what_aws_refuses_is_not_seen_and_all_else_is_judged(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], operation: str
) -> None:
    fake.refuse(operation, "AccessDeniedException")
    found = verified(capsys, 0)
    unseen = [each for each in found.values() if f"{operation} failed with AccessDeniedException" in each["text"]]
    assert unseen or operation == "LookupEvents", "only if EventBridge started nothing, CloudTrail tells more"
    assert {each["outcome"] for each in unseen} <= {"NOT_SEEN"}
    assert [each["outcome"] for each in found.values()].count("HOLDS") >= 10


# --- The probe ---


@pytest.fixture
def probed(fake: FakeAws) -> FakeAws:
    """Let runbooks start, and end as Success at the second look; the stack has the removal."""
    looks: dict[str, int] = {}

    def look(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        name = [NOTIFY, REEVALUATE, REMOVAL][int(parameters["AutomationExecutionId"][-1])]
        looks[name] = looks.get(name, 0) + 1
        status = "Success" if looks[name] > 1 else "InProgress"
        outputs = {"StartEvaluation.Text": ["Started."]} if name == REEVALUATE else {}
        return {"AutomationExecution": execution(name, AutomationExecutionStatus=status, Outputs=outputs)}

    def start(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        number = [NOTIFY, REEVALUATE, REMOVAL].index(parameters["DocumentName"])
        return {"AutomationExecutionId": f"00000000-0000-4000-8000-00000000000{number}"}

    fake.answers["GetAutomationExecution"] = look
    fake.answers["StartAutomationExecution"] = start
    fake.answers["DescribeStacks"] = {"Stacks": [deployed(RemovalApprovers=f"arn:aws:iam::{CENTRAL}:role/approver")]}
    return fake


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    with patch("organization.verify.reading.time.sleep"):
        yield


PROBE = ("--probe", MEMBER, "--role-name", "auditor", "--yes")


def test_the_probe_starts_the_runbooks_and_a_dry_run_and_says_what_became_of_them(
    probed: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(verified(capsys, 0, *PROBE).values())[len(CHECKS) :]
    assert {each["name"]: each["outcome"] for each in found} == {
        f"Probe: {NOTIFY} runs in account {MEMBER}": "HOLDS",
        f"Probe: {REEVALUATE} runs in account {MEMBER}": "HOLDS",
        f"Probe: {REMOVAL} runs in account {CENTRAL}": "HOLDS",
    }
    assert found[1]["text"] == "It ended as Success. Started."
    assert probed.called("StartAutomationExecution") == [
        {"DocumentName": NOTIFY, "Parameters": {"AccountId": [MEMBER]}},
        {"DocumentName": REEVALUATE},
        {"DocumentName": REMOVAL, "Parameters": {"AccountId": [MEMBER], "DryRun": ["true"]}},
    ]


def test_a_runbook_that_fails_in_the_probe_fails_and_one_that_runs_on_waits(
    probed: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    def look(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        status = "Failed" if parameters["AutomationExecutionId"].endswith("0") else "InProgress"
        return {"AutomationExecution": execution(NOTIFY, AutomationExecutionStatus=status, FailureMessage="no such role")}

    probed.answers["GetAutomationExecution"] = look
    notify, reevaluate, removal = list(verified(capsys, 1, *PROBE).values())[len(CHECKS) :]
    assert (notify["outcome"], notify["text"]) == ("FAILS", "It ended as Failed: no such role")
    assert "get-automation-execution" in notify["commands"][0]
    assert {reevaluate["outcome"], removal["outcome"]} == {"NOT_YET"}


def test_a_runbook_that_may_not_be_started_is_not_seen(probed: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    probed.refuse("StartAutomationExecution", "AccessDeniedException")
    found = list(verified(capsys, 0, *PROBE).values())[len(CHECKS) :]
    assert {each["outcome"] for each in found} == {"NOT_SEEN"}
    assert "StartAutomationExecution failed with AccessDeniedException" in found[0]["text"]


def test_the_probe_starts_nothing_unless_it_is_confirmed(probed: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("sys.stdin", io.StringIO("n\n")):
        assert cli.main(["verify", *PROBE[:-1]]) == 130
    assert f"Start RootVirtualMfa-Notify and -Reevaluate in account {MEMBER}?" in capsys.readouterr().err
    assert probed.called("StartAutomationExecution") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--probe", MEMBER, "--yes"), f"The probe needs credentials of account {MEMBER}: name a role there with --role-name."),
        (
            ("--probe", OTHER, "--yes", "--role-name", "r"),
            f"Account {OTHER} cannot be probed: the deployment does not evaluate it.",
        ),
        (("--probe", "1; rm", "--yes"), "'1; rm' must be a 12-digit account id."),
    ],
)
def test_a_probe_that_cannot_be_made_says_why(
    probed: FakeAws, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert cli.main(["verify", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert probed.called("StartAutomationExecution") == []


def test_what_others_wrote_acts_on_no_terminal(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    packs = statuses("AccountId", Status="CREATE_FAILED", ConformancePackName="x", ErrorMessage=HOSTILE)
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": packs}
    assert cli.main(["verify"]) == 1
    printed = capsys.readouterr().out
    commands = sum(line.startswith(("    aws ", "    root-virtual-mfa ")) for line in printed.split("\n"))
    check_shown(printed, commands)
    assert "delete-user --user-name me" not in [line.strip() for line in printed.split("\n")]


def test_it_writes_files_in_the_format_of_their_names(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    del fake
    outputs = (word for suffix in ("json", "txt", "html") for word in ("--output", str(tmp_path / f"v.{suffix}")))
    assert cli.main(["verify", *outputs]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "v.txt").read_text(encoding="utf-8") == printed
    document = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert document["totals"] == {"FAILS": 0, "NOT_YET": 0, "NOT_SEEN": 2, "HOLDS": len(CHECKS) - 2}
    page = (tmp_path / "v.html").read_text(encoding="utf-8")
    assert f'<p class="outcome">No check fails, and {len(CHECKS) - 2} of {len(CHECKS)} hold.</p>' in page, (
        "what nobody saw is not good"
    )
    assert cli.main(["verify", "--output", str(tmp_path / "v.csv")]) == 2
    assert "has no format" in capsys.readouterr().err


def test_the_page_runs_nothing_and_shows_what_others_wrote_as_it_is(fake: FakeAws, tmp_path: Path) -> None:
    packs = statuses("AccountId", Status="CREATE_FAILED", ConformancePackName="x", ErrorMessage=f"<script>x</script>{HOSTILE}")
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": packs}
    file = tmp_path / "verification.html"
    assert cli.main(["verify", "--output", str(file)]) == 1
    page = file.read_text(encoding="utf-8")
    assert "content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'\"" in page
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert all(visible(line) == line for line in page.split("\n"))
    assert re.findall(r'(?:src|href)="', page) == [], "it needs no other file"
    rows = re.findall(r'<tr data-status="(\w+)">\s*<th scope="row">(.*)</th>', page)
    assert [unescape(name) for _, name in rows] == CHECKS
    assert f'<p class="outcome bad">{[outcome for outcome, _ in rows].count("FAILS")} of {len(CHECKS)} checks fail.</p>' in page


def test_without_a_stack_it_says_so(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id root-virtual-mfa does not exist")
    assert cli.main(["verify"]) == 2
    assert "There is no stack root-virtual-mfa in account 111111111111" in capsys.readouterr().err


def test_a_runbook_that_is_missing_fails(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    def describe(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["Name"] == NOTIFY:
            raise RefusalError("InvalidDocument")
        return {"Document": {"Status": "Active"}}

    fake.answers["DescribeDocument"] = describe
    found = verified(capsys, 1)["Automation takes the runbooks as they are"]
    assert f"{NOTIFY} (missing)" in found["text"]


def test_cloudtrail_tells_of_roots_changes_and_refused_starts(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    change = recorded("EnableMFADevice", userIdentity={"type": "Root", "arn": f"arn:aws:iam::{CENTRAL}:root"})
    refused = {"errorCode": "AccessDenied", "errorMessage": "x is not authorized to perform: it"}
    refusal = recorded("StartAutomationExecution", "root-virtual-mfa-events", "ssm", **refused)

    def look_up(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        [attribute] = parameters["LookupAttributes"]
        if attribute["AttributeKey"] == "Username":
            return {"Events": [change]}
        return {"Events": [refusal] if asks_for(parameters, "StartAutomationExecution") else []}

    fake.answers["LookupEvents"] = look_up
    fake.answers["DescribeAutomationExecutions"] = {"AutomationExecutionMetadataList": []}
    found = verified(capsys, 1)
    assert found["Root's changes reach EventBridge"]["outcome"] == "FAILS"
    assert "CloudTrail says: AccessDenied: x is not" in found["EventBridge may start the runbooks"]["text"]
    assert found["The package's roles may do what they have to"]["outcome"] == "HOLDS"


def test_cloudtrail_tells_what_aws_refuses_the_packages_roles(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    refused = {"errorCode": "AccessDenied", "errorMessage": "x is not authorized to perform: it"}
    calls = [
        recorded("GetAccountSummary", "somebody-else", **refused),
        recorded("GetAccountSummary", EVALUATION, "another", **refused),
        recorded("GetAccountSummary", EVALUATION, **{**refused, "errorCode": "Throttling"}),
        recorded("GetAccountSummary"),
    ]
    fake.answers["LookupEvents"] = lambda parameters: {"Events": calls if asks_for(parameters) else []}
    name = "The package's roles may do what they have to"
    assert f"{EVALUATION} (2)" in verified(capsys, 0)[name]["text"]
    calls.append(recorded("GetAccountSummary", **refused))
    found = verified(capsys, 1)[name]
    assert f"{EVALUATION}: AccessDenied: x is not authorized" in found["text"]
    assert f"put-role-policy --role-name {EVALUATION} --policy-name iam-GetAccountSummary" in found["commands"][0]
