"""The command `evidence` as it is run, on answers of AWS: what it reads, asks and writes, and its exit code."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from organization import cli, insights
from organization.evidence import command, folder, sources
from organization.evidence.days import DAY, Period, midnight
from organization.evidence.page import months
from tests.fake_aws import CENTRAL, FakeAws, RefusalError, paged
from tests.organization.fake_organization import (
    HOSTILE,
    MANAGEMENT,
    MEMBER,
    OTHER,
    ROOT,
    account,
    check_shown,
    evaluation,
    stack,
)
from tests.organization.journal_lines import OF_RULE, PARAMETERS, RULE, text

PROJECT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 6, 8), date(2026, 6, 14)
GROUP = "/aws/lambda/root-virtual-mfa"
STACK_PARAMETERS = {
    "MinimumVirtualMfaDevices": PARAMETERS["minimumVirtualMfaDevices"],
    "NonVirtualMfa": PARAMETERS["nonVirtualMfa"],
    "NoRootCredentials": PARAMETERS["noRootCredentials"],
}
Lines = list[tuple[datetime, str]]


class Log:
    """A log group that answers queries as Logs Insights does: 10,000 rows at most, or as many as a test says."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self.most_rows = 10_000
        self.recorded = NOW
        self.group: dict[str, Any] = {
            "logGroupName": GROUP,
            "creationTime": int(midnight(date(2026, 1, 1)).timestamp() * 1000),
            "storedBytes": 5_000_000,
        }
        self._queries: dict[str, list[list[dict[str, str]]]] = {}

    def start(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        digits = re.search(r"account like /(\d+)\$/", asked["queryString"])
        start, end = (datetime.fromtimestamp(asked[name], UTC) for name in ("startTime", "endTime"))
        found = [
            [
                {"field": "@timestamp", "value": f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"},
                {"field": "@message", "value": line},
                {"field": "@ptr", "value": "x"},
            ]
            for time, line in sorted(self.lines)
            if start <= time <= end and (not digits or json.loads(line)["account"].endswith(digits[1]))
        ]
        self._queries[f"q{len(self._queries)}"] = found[: self.most_rows]
        return {"queryId": f"q{len(self._queries) - 1}"}

    def results(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": "Complete", "results": self._queries[asked["queryId"]], "statistics": {"bytesScanned": 1000.0}}


@pytest.fixture
def log() -> Log:
    """Evaluate every account every day at one; MEMBER fails on two days."""
    log = Log()
    for number in range(7):
        for account_id in (CENTRAL, MANAGEMENT, MEMBER, OTHER):
            verdict = "NON_COMPLIANT" if account_id == MEMBER and number in {2, 3} else "COMPLIANT"
            log.lines.append((midnight(FIRST + DAY * number) + timedelta(hours=1), text(account_id, verdict)))
    return log


@pytest.fixture
def fake(log: Log) -> Iterator[FakeAws]:
    """Answer for an organization of four accounts, on two pages."""
    told = stack() | {"CreationTime": midnight(date(2026, 1, 1))}
    told["Parameters"] += [{"ParameterKey": key, "ParameterValue": value} for key, value in STACK_PARAMETERS.items()]
    told["Outputs"] += [
        {"OutputKey": "FunctionArn", "OutputValue": f"arn:aws:lambda:eu-central-1:{CENTRAL}:function:function"},
        {"OutputKey": "LogGroupName", "OutputValue": GROUP},
    ]
    joined = {"JoinedTimestamp": datetime(2025, 1, 1, tzinfo=UTC)}
    accounts = [account(each, f"name-{each}") | joined for each in (CENTRAL, MANAGEMENT, MEMBER, OTHER)]
    fake = FakeAws(
        {
            "GetCallerIdentity": {
                "Account": CENTRAL,
                "UserId": "x",
                "Arn": f"arn:aws:iam::{CENTRAL}:user/auditor",
                "ResponseMetadata": {"HTTPHeaders": {"date": f"{NOW:%a, %d %b %Y %H:%M:%S} GMT"}},
            },
            "DescribeStacks": {"Stacks": [told]},
            "ListStackResources": {"StackResourceSummaries": []},
            "DescribeOrganizationConformancePacks": {"OrganizationConformancePacks": [{"ExcludedAccounts": []}]},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListAccounts": paged("Accounts", [accounts[:2], [], accounts[2:]]),
            "DescribeLogGroups": lambda _: {"logGroups": [{"logGroupName": f"{GROUP}-2"}, log.group]},
            "StartQuery": log.start,
            "GetQueryResults": log.results,
            "DescribeAggregateComplianceByConfigRules": lambda _: {
                "AggregateComplianceByConfigRules": [
                    {
                        "ConfigRuleName": RULE,
                        "AccountId": each,
                        "AwsRegion": "eu-central-1",
                        "Compliance": {"ComplianceType": "NON_COMPLIANT" if each == MEMBER else "COMPLIANT"},
                    }
                    for each in (CENTRAL, MEMBER)
                ]
            },
            "GetAggregateComplianceDetailsByConfigRule": lambda asked: {
                "AggregateEvaluationResults": [
                    evaluation(asked["AccountId"], "NON_COMPLIANT")
                    | dict.fromkeys(("ResultRecordedTime", "ConfigRuleInvokedTime"), log.recorded)
                ]
            },
            "LookupEvents": {"Events": []},
            "ListStackSetOperations": {
                "Summaries": [{"OperationId": "first", "Action": "CREATE", "CreationTimestamp": midnight(date(2026, 1, 1))}]
            },
            "DescribeStackSetOperation": {
                "StackSetOperation": {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "AccountFilterType": "NONE"}}
            },
            "DescribeAutomationExecutions": {"AutomationExecutionMetadataList": []},
            "GetFunctionConfiguration": {"CodeSha256": "abc=", "Environment": {"Variables": {"VERSION": "0.1.0"}}},
        }
    )
    with fake.in_place():
        yield fake


def run(output: Path, *arguments: str, first: date = FIRST, last: date = LAST) -> int:
    return cli.main(["evidence", "--from", str(first), "--to", str(last), "--output", str(output), *arguments])


def document(output: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((output / "evidence.json").read_text(encoding="utf-8"))
    return said


def calendars(output: Path) -> dict[str, str]:
    return {each["account_id"]: each["calendar"] for each in document(output)["accounts"]}


def days(output: Path) -> list[dict[str, str]]:
    return [
        row for file in sorted((output / "days").glob("*.csv")) for row in csv.DictReader(file.read_text("utf-8").splitlines())
    ]


def gaps(output: Path) -> list[str]:
    return [f"{each['source']}: {each['what']}" for each in document(output)["gaps"]]


@pytest.mark.usefixtures("fake")
def test_the_folder_has_each_day_with_its_facts_and_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "evidence"
    assert run(output) == 1
    printed, said = capsys.readouterr()
    figures = document(output)["figures"]
    assert (figures["account_days_in_scope"], figures["account_days_compliant"], figures["share_known"]) == (28, 26, "100.00 %")
    assert "26 of 28 account-days (92.85 %) have a COMPLIANT verdict of that day" in printed
    assert f"{MEMBER} failed for 48.00 h from 2026-06-10T01:00:00.000Z until 2026-06-12T01:00:00.000Z." in printed
    assert calendars(output)[MEMBER] == "CCNNCCC"
    rows = days(output)
    assert len(rows) == 28
    [row] = [each for each in rows if (each["account_id"], each["day"]) == (MEMBER, "2026-06-10")]
    assert (row["status"], row["mfa_enabled"], row["access_keys_present"], row["annotation"]) == (
        *("NON_COMPLIANT", "false", "", "Found NON_COMPLIANT."),
    )
    months = json.loads((output / "days/2026-06.json").read_text(encoding="utf-8"))
    assert months["columns"] == list(row)
    assert [str(each[1]) for each in months["rows"]] == [each["account_id"] for each in rows]
    sha256 = re.search(r"SHA-256 of its manifest.json is ([0-9a-f]{64})", said)
    assert sha256
    assert folder.verify(output).manifest_sha256 == sha256[1]
    assert "about $0.00 at $0.005 a GB (https://aws.amazon.com/cloudwatch/pricing/)" in said


def test_exit_code_0_says_that_every_day_is_known_and_none_fails(fake: FakeAws, log: Log, tmp_path: Path) -> None:
    del fake
    log.lines = [
        (time, line.replace("NON_COMPLIANT.", "COMPLIANT.")) for time, line in log.lines if '"NON_COMPLIANT", "ann' not in line
    ]
    assert run(tmp_path / "some are not known") == 1
    log.lines += [(midnight(FIRST + DAY * number), text(MEMBER)) for number in range(7)]
    assert run(tmp_path / "all are compliant") == 0


@pytest.mark.usefixtures("fake")
def test_the_same_inputs_give_the_same_bytes_and_only_the_manifest_says_when_and_by_whom(fake: FakeAws, tmp_path: Path) -> None:
    run(tmp_path / "one")
    fake.answers["GetCallerIdentity"] = {
        "Account": CENTRAL,
        "UserId": "y",
        "Arn": f"arn:aws:iam::{CENTRAL}:user/other",
        "ResponseMetadata": {"HTTPHeaders": {"date": f"{NOW + timedelta(hours=3):%a, %d %b %Y %H:%M:%S} GMT"}},
    }
    run(tmp_path / "two")
    one, two = (
        {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} == {"manifest.json"}
    made = json.loads(two["manifest.json"])
    assert (made["made"]["by"], made["made"]["time"]) == (f"arn:aws:iam::{CENTRAL}:user/other", "2026-06-15T15:00:00.000Z")
    assert made["period"] == {"from": "2026-06-08", "to": "2026-06-14"}
    assert made["sources"][0]["rows"] == 28


# --- Queries ---


@pytest.mark.parametrize("most_rows", [3, 4, 7, 10_000])
def test_no_line_is_lost_or_doubled_however_few_rows_a_query_gives(
    fake: FakeAws, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    monkeypatch.setattr(sources, "MOST_ROWS", most_rows)
    monkeypatch.setattr(sources, "_ROWS_WANTED", max(most_rows // 2, 1))
    monkeypatch.setattr(sources, "_SHORTEST_SLICE", timedelta(hours=6))
    log.most_rows = most_rows
    log.lines += [(midnight(FIRST + DAY), text(OTHER)), (midnight(LAST + DAY), text(OTHER)), (midnight(FIRST), text(CENTRAL))]
    output = tmp_path / "evidence"
    run(output)
    evaluations = {(each["account_id"], each["day"]): each["evaluations"] for each in days(output)}
    assert evaluations.pop((OTHER, "2026-06-09")) == "2"
    assert evaluations.pop((CENTRAL, "2026-06-08")) == "2"
    assert set(evaluations.values()) == {"1"}
    assert calendars(output)[MEMBER] == "CCNNCCC"
    assert len(fake.called("StartQuery")) > (1 if most_rows > 10 else 7)


def test_a_minute_of_an_account_with_more_lines_than_a_query_gives_is_a_gap(
    fake: FakeAws, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fake
    monkeypatch.setattr(sources, "MOST_ROWS", 3)
    monkeypatch.setattr(sources, "_SHORTEST_SLICE", timedelta(hours=6))
    log.most_rows = 3
    log.lines += [(midnight(FIRST + DAY * 5) + timedelta(hours=1), text(OTHER))] * 3
    output = tmp_path / "evidence"
    assert run(output) == 1
    assert calendars(output)[OTHER] == "CCCCCGC"
    assert any("nobody can read them" in each for each in gaps(output))


def test_a_query_that_fails_leaves_nothing(fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["GetQueryResults"] = {"status": "Failed", "results": []}
    assert run(tmp_path / "evidence") == 2
    assert "ended as Failed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_command_leaves_nothing(fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    fake.answers["ListRoots"] = interrupt
    assert run(tmp_path / "evidence") == 130
    assert "interrupted." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_queries_wait_for_others_to_end(fake: FakeAws, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insights, "_PAUSES", (0.0,) * 10)
    refused = iter([True, True])

    def start(asked: Mapping[str, Any]) -> dict[str, Any]:
        if next(refused, False):
            raise RefusalError("LimitExceededException")
        return log.start(asked)

    fake.answers["StartQuery"] = start
    assert run(tmp_path / "evidence") == 1
    assert calendars(tmp_path / "evidence")[MEMBER] == "CCNNCCC"


def test_a_large_log_is_read_only_after_a_yes(
    fake: FakeAws, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    # 165 days are stored, of which 7 are read.
    log.group["storedBytes"] = 165 * command.ASKS_FROM
    assert run(tmp_path / "evidence") == 130
    assert "about 70.00 GB" in capsys.readouterr().err
    assert fake.called("StartQuery") == []
    assert run(tmp_path / "evidence", "--yes") == 1


# --- What is not there ---


def test_days_before_the_log_are_gaps_and_not_blanks(fake: FakeAws, log: Log, tmp_path: Path) -> None:
    del fake
    log.group["retentionInDays"] = 5  # from 10 June at noon
    log.lines = [each for each in log.lines if each[0] > NOW - timedelta(days=5)]
    output = tmp_path / "evidence"
    assert run(output) == 1
    assert calendars(output)[OTHER] == "GGGCCCC"
    assert document(output)["figures"]["account_days"]["NO_SOURCE"] == 12
    [gap] = [each for each in document(output)["gaps"] if "The log has everything from 2026-06-11 on" in each["what"]]
    assert (gap["first_day"], gap["last_day"]) == ("2026-06-08", "2026-06-10")


@pytest.mark.parametrize(
    ("operation", "source"),
    [("LookupEvents", "CloudTrail"), ("DescribeAutomationExecutions", "Automation"), ("GetFunctionConfiguration", "Lambda")],
)
def test_a_source_that_refuses_is_a_gap(fake: FakeAws, tmp_path: Path, operation: str, source: str) -> None:
    fake.refuse(operation, "AccessDeniedException")
    run(tmp_path / "evidence")
    assert [
        each for each in gaps(tmp_path / "evidence") if each.startswith(f"{source}: It could not be read: {operation} failed")
    ]
    assert calendars(tmp_path / "evidence")[MEMBER] == "CCNNCCC"


@pytest.mark.parametrize("operation", ["ListRoots", "StartQuery", "DescribeLogGroups", "DescribeStacks"])
def test_without_scope_or_journal_there_is_no_evidence(fake: FakeAws, tmp_path: Path, operation: str) -> None:
    fake.refuse(operation, "AccessDeniedException")
    assert run(tmp_path / "evidence") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_stack_without_its_log_group_is_told(fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["DescribeLogGroups"] = {"logGroups": [{"logGroupName": f"{GROUP}-2"}]}
    assert run(tmp_path / "evidence") == 2
    assert f"There is no log group {GROUP}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-06-08", "2026-06-15", "--to 2026-06-15 is not over: give 2026-06-14 or a day before, in UTC."),
        ("2026-06-09", "2026-06-08", "--from 2026-06-09 is after --to 2026-06-08"),
        ("1026-06-08", "2026-06-08", "3660 are allowed, since no log is kept for longer."),
        ("2026-02-30", "2026-06-08", "must be a day such as 2026-01-31"),
        ("8.6.2026", "2026-06-08", "must be a day such as 2026-01-31"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_a_period_that_is_none_is_refused(
    first: str, last: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evidence", "--from", first, "--to", last, "--output", str(tmp_path / "evidence")]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--output", "a", "--verify", "b"]])
def test_it_writes_or_verifies(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evidence", *arguments]) == 2
    assert "Give --output DIR to write the evidence, or --verify DIR" in capsys.readouterr().err


def test_without_a_period_it_is_the_last_365_days_that_are_over(fake: FakeAws, tmp_path: Path) -> None:
    del fake
    cli.main(["evidence", "--output", str(tmp_path / "evidence")])
    assert (document(tmp_path / "evidence")["from"], document(tmp_path / "evidence")["to"]) == ("2025-06-15", "2026-06-14")


def test_a_deployment_for_one_account_has_that_account_alone(fake: FakeAws, log: Log, tmp_path: Path) -> None:
    """Its own rule counts; AWS Config itself is asked whether it contradicts."""
    answer = fake.answers["DescribeStacks"]
    assert isinstance(answer, dict)
    [told] = answer["Stacks"]
    told["Parameters"] = [{"ParameterKey": key, "ParameterValue": value} for key, value in STACK_PARAMETERS.items()]
    own = {"ruleOwner": "account", "configRuleName": "root-virtual-mfa-enabled", "parameters": PARAMETERS}
    log.lines += [(midnight(FIRST + DAY * number) + timedelta(hours=2), text(CENTRAL, **own)) for number in (0, 1, 3)]
    recorded = {name: midnight(FIRST + DAY * 4) for name in ("ResultRecordedTime", "ConfigRuleInvokedTime")}
    qualifier = {"ConfigRuleName": "x", "ResourceType": "AWS::::Account", "ResourceId": CENTRAL}
    result = {"EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier}, "ComplianceType": "NON_COMPLIANT"}
    fake.answers["GetComplianceDetailsByConfigRule"] = {"EvaluationResults": [result | recorded]}
    assert run(tmp_path / "evidence") == 1
    found = document(tmp_path / "evidence")
    assert calendars(tmp_path / "evidence") == {CENTRAL: "CCUCUUU"}
    assert found["organization_id"] is None
    assert [each["aws_config_result"] for each in found["contradictions"]] == ["NON_COMPLIANT"]
    assert {each["why"] for each in found["other_lines"]} == {"another rule"}
    assert not any(operation.startswith("List") for operation, _ in fake.calls if operation != "ListStackResources")


# --- Who and what else ---


def test_a_result_of_aws_config_that_contradicts_the_last_line_is_a_finding_unless_it_is_newer(
    fake: FakeAws, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who may write into the log, and not to AWS Config, wrote that MEMBER is compliant."""
    run(tmp_path / "newer")
    assert document(tmp_path / "newer")["contradictions"] == []
    log.recorded = midnight(FIRST + DAY * 3)
    run(tmp_path / "older")
    [each] = document(tmp_path / "older")["contradictions"]
    assert f"Account {MEMBER}: AWS Config says NON_COMPLIANT since 2026-06-11" in capsys.readouterr().out
    assert (each["account_id"], each["journal_verdict"], each["aws_config_result"]) == (MEMBER, "COMPLIANT", "NON_COMPLIANT")
    asked = fake.called("GetAggregateComplianceDetailsByConfigRule")
    assert {each["AccountId"] for each in asked} == {MEMBER}, "only what differs is read"


def test_without_the_aggregator_there_is_a_gap(fake: FakeAws, tmp_path: Path) -> None:
    fake.refuse("DescribeAggregateComplianceByConfigRules", "NoSuchConfigurationAggregatorException")
    run(tmp_path / "evidence")
    assert any(
        each.startswith("AWS Config: It could not be read: The aggregator agg is not in account")
        for each in gaps(tmp_path / "evidence")
    )


def test_an_account_that_left_is_known_from_cloudtrail_or_else_from_its_last_evaluation(
    fake: FakeAws, log: Log, tmp_path: Path
) -> None:
    gone = "555555555555"
    log.lines += [(midnight(FIRST + DAY * number), text(gone)) for number in range(3)]
    run(tmp_path / "one")
    assert calendars(tmp_path / "one")[gone] == "CCC...."
    assert any("give --management-profile" in each for each in gaps(tmp_path / "one"))
    event = {
        "eventName": "RemoveAccountFromOrganization",
        "requestParameters": {"accountId": gone},
        "userIdentity": {"arn": "arn:x"},
    }

    def lookup(asked: Mapping[str, Any]) -> dict[str, Any]:
        [attribute] = asked["LookupAttributes"]
        told = {"EventTime": midnight(FIRST + DAY * 5) + timedelta(hours=7), "CloudTrailEvent": json.dumps(event)}
        return {"Events": [told] if attribute["AttributeValue"] == event["eventName"] else []}

    fake.answers["LookupEvents"] = lookup
    run(tmp_path / "two")
    assert calendars(tmp_path / "two")[gone] == "CCCUU.."


WAVE, LATER = "ou-a1b2-wave1111", "ou-a1b2-later111"


@pytest.fixture
def by_stack_set(fake: FakeAws, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """Deploy by StackSet to the unit of MEMBER since the third day.  OTHER, in another unit, was there until the sixth.

    The central account is below the root alone.  The profile "management" is of the management account.
    """
    deployed: Any = fake.answers["DescribeStacks"]
    deployed["Stacks"][0]["Parameters"] += [
        {"ParameterKey": "RuleDeployment", "ParameterValue": "StackSet"},
        {"ParameterKey": "OrganizationalUnitIds", "ParameterValue": WAVE},
    ]
    accounts = [
        account(CENTRAL, "c"),
        account(MANAGEMENT, "m"),
        account(MEMBER, "a", units=(WAVE,)),
        account(OTHER, "b", units=(LATER,)),
    ]
    fake.answers["ListAccounts"] = {"Accounts": accounts}
    named = {WAVE: "First", LATER: "Later"}
    fake.answers["DescribeOrganizationalUnit"] = lambda asked: {
        "OrganizationalUnit": {"Name": named[asked["OrganizationalUnitId"]]}
    }
    # The latest operation comes first.
    operations = {
        "some": ("CREATE", 6, WAVE, "INTERSECTION"),
        "wave": ("CREATE", 2, WAVE, "DIFFERENCE"),
        "out": ("DELETE", 1, ROOT, "NONE"),
        "update": ("UPDATE", 1, "", ""),
        "first": ("CREATE", -100, ROOT, "NONE"),
    }
    fake.answers["ListStackSetOperations"] = {
        "Summaries": [
            {"OperationId": name, "Action": action, "CreationTimestamp": midnight(FIRST + DAY * day) + timedelta(hours=12)}
            for name, (action, day, _, _) in operations.items()
        ]
    }

    def describe(asked: Mapping[str, Any]) -> dict[str, Any]:
        assert asked["CallAs"] == "DELEGATED_ADMIN"
        _, _, unit_id, kind = operations[asked["OperationId"]]
        return {"StackSetOperation": {"DeploymentTargets": {"OrganizationalUnitIds": [unit_id], "AccountFilterType": kind}}}

    fake.answers["DescribeStackSetOperation"] = describe
    deployed["Stacks"][0]["CreationTime"] = midnight(FIRST - DAY * 100)
    request = {"accountId": OTHER, "sourceParentId": WAVE, "destinationParentId": LATER}
    moved = {"userIdentity": {"arn": "arn:mover"}, "requestParameters": request}
    failed = {**moved, "errorCode": "AccessDenied", "requestParameters": {**request, "sourceParentId": ROOT}}

    def lookup(asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["LookupAttributes"][0]["AttributeValue"] != "MoveAccount":
            return {"Events": []}
        assert "us-east-1" in fake.urls["LookupEvents"]
        return {
            "Events": [
                {"EventTime": midnight(FIRST + DAY * 6) + timedelta(hours=1), "CloudTrailEvent": json.dumps(failed)},
                {"EventTime": midnight(FIRST + DAY * 5) + timedelta(hours=12), "CloudTrailEvent": json.dumps(moved)},
            ]
        }

    fake.answers["LookupEvents"] = lookup
    own = {"ruleOwner": "account", "configRuleName": "root-virtual-mfa-enabled"}
    log.lines = [
        (midnight(FIRST + DAY * day) + timedelta(hours=13), text(MEMBER, "NON_COMPLIANT" if day == 3 else "COMPLIANT", **own))
        for day in range(2, 7)
    ]
    config = tmp_path / "aws-configuration"
    config.write_text("[profile management]\n[profile other]\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return fake


def of_accounts(fake: FakeAws, *account_ids: str) -> None:
    """Let GetCallerIdentity name these accounts, one after the other."""
    headers = {"HTTPHeaders": {"date": f"{NOW:%a, %d %b %Y %H:%M:%S} GMT"}}
    named = [{"Account": each, "Arn": f"arn:aws:iam::{each}:user/auditor", "ResponseMetadata": headers} for each in account_ids]
    answers = iter(named)
    fake.answers["GetCallerIdentity"] = lambda _: next(answers)


def test_an_account_counts_on_the_days_in_a_targeted_unit_and_the_tables_say_why(
    by_stack_set: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    output = tmp_path / "evidence"
    assert run(output, "--management-profile", "management") == 1
    # The root was a target until noon of the second day: then only the unit is, from noon of the third.
    assert calendars(output) == {CENTRAL: "UOOOOOO", MANAGEMENT: "UUUUUUU", MEMBER: "UOCNCCC", OTHER: "UOOUUOO"}
    found = document(output)
    assert found["figures"]["account_days"]["NOT_IN_SCOPE"] == 11
    assert found["figures"]["account_days_in_scope"] == 17
    assert "11 NOT_IN_SCOPE" in capsys.readouterr().out
    assert {each["account_id"]: each["not_in_scope_days"] for each in found["accounts"]}[OTHER] == 4
    assert [(each["ou_path"], each["since"], each["until"], each["is_known"]) for each in found["targets"]] == [
        ("Root/First", "2026-06-10T12:00:00.000Z", None, True),
        ("Root", "2026-02-28T12:00:00.000Z", "2026-06-09T12:00:00.000Z", True),
    ]
    assert [(each["account_id"], each["source"], each["destination"], each["by"]) for each in found["moves"]] == [
        (OTHER, "Root/First", "Root/Later", "arn:mover")
    ]
    assert not [each for each in gaps(output) if each.startswith("Scope") or "--management-profile" in each]
    assert [each["rule_deployment"] for each in found["parameters"]] == ["StackSet"]
    assert folder.verify(output).is_any is False


def test_without_the_management_account_nobody_knows_where_an_account_was(by_stack_set: FakeAws, tmp_path: Path) -> None:
    del by_stack_set
    output = tmp_path / "evidence"
    assert run(output) == 1
    assert calendars(output) == {CENTRAL: "UGGGGGG", MANAGEMENT: "UUUUUUU", MEMBER: "UGCNCCC", OTHER: "UGGGGGG"}
    [gap] = [each for each in document(output)["gaps"] if each["source"] == "Scope"]
    assert (gap["first_day"], gap["last_day"]) == ("2026-06-09", "2026-06-14")
    assert "The organizational unit of an account is known as far back as CloudTrail goes" in gap["what"]


def test_what_no_operation_of_the_stack_set_tells_is_a_gap(by_stack_set: FakeAws, tmp_path: Path) -> None:
    by_stack_set.refuse("ListStackSetOperations", "AccessDeniedException")
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "one", "--management-profile", "management")
    # CloudTrail says that nobody changed the stack in 90 days.
    assert calendars(tmp_path / "one") == {CENTRAL: "OOOOOOO", MANAGEMENT: "UUUUUUU", MEMBER: "UUCNCCC", OTHER: "UUUUUOO"}
    assert [each for each in gaps(tmp_path / "one") if each.startswith("CloudFormation: It could not be read")]
    by_stack_set.refuse("LookupEvents", "AccessDeniedException")
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "two", "--management-profile", "management")
    assert calendars(tmp_path / "two") == {CENTRAL: "G" * 7, MANAGEMENT: "UUUUUUU", MEMBER: "GGCNCCC", OTHER: "G" * 7}
    assert any("do not go back to its beginning" in each for each in gaps(tmp_path / "two"))


def test_before_the_last_so_many_moves_nobody_knows_where_an_account_was(
    by_stack_set: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MOST_EVENTS", 2)
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "evidence", "--management-profile", "management")
    # The root was a target at first, wherever the account was.
    assert calendars(tmp_path / "evidence")[OTHER] == "UGGGGGO"


def test_before_the_last_so_many_deployments_nobody_knows_the_targets(
    by_stack_set: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others who deploy a lot push the last change of this stack out of what is read."""
    monkeypatch.setattr(sources, "_MOST_EVENTS", 2)
    by_stack_set.refuse("ListStackSetOperations", "AccessDeniedException")
    others = {"requestParameters": {"stackName": "others"}}
    moves: Any = by_stack_set.answers["LookupEvents"]

    def lookup(asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer
        if asked["LookupAttributes"][0]["AttributeValue"] != "UpdateStack":
            return {"Events": []} if not moves(asked)["Events"] else {"Events": moves(asked)["Events"][1:]}
        return {"Events": [{"EventTime": midnight(FIRST + DAY * day), "CloudTrailEvent": json.dumps(others)} for day in (5, 4)]}

    by_stack_set.answers["LookupEvents"] = lookup
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "evidence", "--management-profile", "management")
    assert calendars(tmp_path / "evidence")[CENTRAL] == "GGGGOOO"
    assert any("the function before is not known" in each for each in gaps(tmp_path / "evidence"))


def test_a_change_that_names_the_stack_by_its_arn_is_one(by_stack_set: FakeAws, tmp_path: Path) -> None:
    by_stack_set.refuse("ListStackSetOperations", "AccessDeniedException")
    arn = f"arn:aws:cloudformation:eu-central-1:{CENTRAL}:stack/root-virtual-mfa/1"
    changed = {"EventTime": midnight(FIRST + DAY * 4), "CloudTrailEvent": json.dumps({"requestParameters": {"stackName": arn}})}
    moves: Any = by_stack_set.answers["LookupEvents"]

    def lookup(asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer
        return {"Events": [changed]} if asked["LookupAttributes"][0]["AttributeValue"] == "UpdateStack" else moves(asked)

    by_stack_set.answers["LookupEvents"] = lookup
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "evidence", "--management-profile", "management")
    assert calendars(tmp_path / "evidence")[CENTRAL] == "GGGGOOO"
    [row] = document(tmp_path / "evidence")["deployments"]
    assert row["about"] == "root-virtual-mfa"


def test_a_unit_that_is_gone_is_named_by_its_id_and_what_was_above_it_is_not_known(
    by_stack_set: FakeAws, tmp_path: Path
) -> None:
    gone = "ou-a1b2-gone1111"
    moved = {"requestParameters": {"accountId": OTHER, "sourceParentId": gone, "destinationParentId": LATER}}
    told = {"EventTime": midnight(FIRST + DAY * 5) + timedelta(hours=12), "CloudTrailEvent": json.dumps(moved)}
    by_stack_set.answers["LookupEvents"] = lambda asked: {
        "Events": [told] if asked["LookupAttributes"][0]["AttributeValue"] == "MoveAccount" else []
    }
    describe: Any = by_stack_set.answers["DescribeOrganizationalUnit"]

    def missing(asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer
        if asked["OrganizationalUnitId"] == gone:
            raise RefusalError("OrganizationalUnitNotFoundException")
        return describe(asked)

    by_stack_set.answers["DescribeOrganizationalUnit"] = missing
    of_accounts(by_stack_set, CENTRAL, MANAGEMENT)
    run(tmp_path / "evidence", "--management-profile", "management")
    assert calendars(tmp_path / "evidence")[OTHER] == "UGGGGGO"
    assert [each["source"] for each in document(tmp_path / "evidence")["moves"]] == [gone]


def test_a_profile_of_another_account_is_refused(
    by_stack_set: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_accounts(by_stack_set, CENTRAL, OTHER)
    assert run(tmp_path / "evidence", "--management-profile", "other") == 2
    said = f"--management-profile other is of account {OTHER}: give a profile of the management account, {MANAGEMENT}."
    assert said in capsys.readouterr().err
    assert not (tmp_path / "evidence").exists()


def test_deployments_show_who_and_the_hash_and_others_stacks_do_not(fake: FakeAws, tmp_path: Path) -> None:
    events = {
        "ExecuteChangeSet": {"requestParameters": {"stackName": "root-virtual-mfa", "changeSetName": "samcli"}},
        "UpdateStack": {"requestParameters": {"stackName": "another"}},
        "UpdateFunctionCode20150331v2": {
            "requestParameters": {"functionName": f"arn:aws:lambda:eu-central-1:{CENTRAL}:function:function"},
            "responseElements": {"codeSha256": "abc="},
        },
    }

    def lookup(asked: Mapping[str, Any]) -> dict[str, Any]:
        [attribute] = asked["LookupAttributes"]
        event = events.get(attribute["AttributeValue"])
        said = json.dumps({"userIdentity": {"arn": "arn:deployer"}, **event}) if event else ""
        return {"Events": [{"EventTime": midnight(FIRST + DAY), "CloudTrailEvent": said}] if said else []}

    fake.answers["LookupEvents"] = lookup
    run(tmp_path / "evidence")
    found = document(tmp_path / "evidence")
    assert [(each["event"], each["by"], each["about"], each["code_sha256"]) for each in found["deployments"]] == [
        ("ExecuteChangeSet", "arn:deployer", "root-virtual-mfa", ""),
        ("UpdateFunctionCode", "arn:deployer", "function", "abc="),
    ]
    assert [(each["version"], each["lines"], each["code_sha256"]) for each in found["versions"]] == [("0.1.0", 28, "abc=")]


def test_an_older_version_has_the_hash_of_the_deployment_before_it_and_none_if_nobody_knows(
    fake: FakeAws, log: Log, tmp_path: Path
) -> None:
    log.lines = [
        (time, line.replace('"version": "0.1.0"', f'"version": "{1 if time < midnight(FIRST + DAY * 3) else 2}"'))
        for time, line in log.lines
    ]
    event = {
        "userIdentity": {"arn": "arn:deployer"},
        "requestParameters": {"functionName": "function"},
        "responseElements": {"codeSha256": "second="},
    }

    def lookup(asked: Mapping[str, Any]) -> dict[str, Any]:
        [attribute] = asked["LookupAttributes"]
        told = {"EventTime": midnight(FIRST + DAY * 3), "CloudTrailEvent": json.dumps(event)}
        return {"Events": [told] if attribute["AttributeValue"] == "UpdateFunctionCode20150331v2" else []}

    fake.answers["LookupEvents"] = lookup
    run(tmp_path / "evidence")
    versions = document(tmp_path / "evidence")["versions"]
    assert [(each["version"], each["code_sha256"]) for each in versions] == [("1", ""), ("2", "second=")]


def test_a_member_that_forges_lines_changes_nothing_and_is_listed(fake: FakeAws, log: Log, tmp_path: Path) -> None:
    del fake
    run(tmp_path / "before")
    loose = {**OF_RULE, "nonVirtualMfa": "COMPLIANT"}
    log.lines += [
        (midnight(FIRST + DAY * 2) + timedelta(hours=20), text(MEMBER, ruleOwner="account")),
        (midnight(FIRST + DAY * 3) + timedelta(hours=20), text(MEMBER, parameters=loose)),
    ]
    run(tmp_path / "after")
    for name in ("days/2026-06.csv", "accounts.csv", "failures.csv", "changes.csv"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes(), name
    lines = document(tmp_path / "after")["other_lines"]
    assert [(each["why"], each["account_id"], each["count"], each["last_verdict_or_error"]) for each in lines] == [
        ("another rule", MEMBER, 1, "COMPLIANT"),
        ("other parameters", MEMBER, 1, "COMPLIANT"),
    ]


def test_what_others_wrote_is_text_in_every_file_and_on_the_screen(
    fake: FakeAws, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = account(OTHER, HOSTILE)
    fake.answers["ListAccounts"] = {"Accounts": [named, account(CENTRAL, "=1+1")]}
    fake.answers["ListRoots"] = {"Roots": [{"Id": ROOT, "Name": f"Root {HOSTILE}"}]}
    accepted = dict.fromkeys(("reason", "control", "owner"), HOSTILE) | {"until": "2999-01-01"}
    exceptions = tmp_path / "exceptions.yaml"
    exceptions.write_text(json.dumps({OTHER: HOSTILE, "accepted": {MEMBER: accepted}}), encoding="utf-8")
    day = midnight(FIRST + DAY * 3) + timedelta(hours=2)
    log.lines += [
        (day, text(MEMBER, "NON_COMPLIANT", annotation=HOSTILE, version=HOSTILE)),
        (day, text(OTHER, "", errorType="<b>", errorMessage="=HYPERLINK(1)")),
        (day, text(MEMBER, configRuleName=HOSTILE)),
    ]
    run(tmp_path / "evidence", "--exceptions", str(exceptions))
    check_shown(capsys.readouterr().out, commands=0)
    page = (tmp_path / "evidence/index.html").read_text(encoding="utf-8")
    check_shown(page, commands=0)
    [table] = [each["account_name"] for each in document(tmp_path / "evidence")["accounts"] if each["account_id"] == OTHER]
    assert table == HOSTILE
    assert "<b>" not in page
    for file in (tmp_path / "evidence").rglob("*.csv"):
        for row in csv.reader(file.read_text(encoding="utf-8").splitlines()):
            assert not [cell for cell in row if cell.startswith(("=", "+", "@", "-")) or "\x1b" in cell], file
    for file in (tmp_path / "evidence").rglob("*.json"):
        assert file.read_text(encoding="utf-8").isascii()


def test_a_notice_that_was_not_sent_is_not_one(fake: FakeAws, tmp_path: Path) -> None:
    told = {
        "AutomationExecutionId": "01234567-89ab-cdef-0123-456789abcdef",
        "DocumentName": "RootVirtualMfa-Notify",
        "AutomationExecutionStatus": "Success",
        "ExecutionStartTime": midnight(FIRST + DAY),
    }
    fake.answers["DescribeAutomationExecutions"] = {"AutomationExecutionMetadataList": [told]}
    for message_id, sent in (("none", False), ("0b6f", True)):
        outputs = {"Notify.MessageId": [message_id], "Notify.Text": ["Looked."]}
        fake.answers["GetAutomationExecution"] = {"AutomationExecution": {**told, "Outputs": outputs}}
        run(tmp_path / message_id)
        assert [each["notice_sent"] for each in document(tmp_path / message_id)["runbooks"]] == [sent]


def test_a_framework_has_a_column_for_each_day_and_counts_from_the_facts(fake: FakeAws, log: Log, tmp_path: Path) -> None:
    del fake
    log.lines = [each for each in log.lines if f'"{OTHER}"' not in each[1] or each[0] < midnight(FIRST + DAY * 2)]
    run(tmp_path / "evidence", "--framework", "cis-aws-4.0.1", "--framework", "aws-iam-43")
    found = {each["control"]: each for each in document(tmp_path / "evidence")["controls"]}
    counts = {
        name: [each[f"{what}_days"] for what in ("satisfied", "not_satisfied", "unknown")] for name, each in found.items()
    }
    assert counts == {"1.5": [21, 2, 5], "1.6": [0, 23, 5], "AWS_IAM_43": [21, 2, 5]}
    assert found["1.5"]["source"].startswith("https://")
    by_day = {(each["account_id"], each["day"]): each["cis-aws-4.0.1"] for each in days(tmp_path / "evidence")}
    assert by_day[MEMBER, "2026-06-09"] == "satisfied: 1.5; not satisfied: 1.6"
    assert by_day[MEMBER, "2026-06-10"] == "not satisfied: 1.5, 1.6"
    assert by_day[OTHER, "2026-06-10"] == "unknown: 1.5, 1.6"


def test_an_unknown_framework_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(tmp_path / "evidence", "--framework", "cobit") == 2
    assert "cis-aws-5.0" in capsys.readouterr().err


def test_the_policy_in_the_docs_allows_what_is_called_and_nothing_else(fake: FakeAws, tmp_path: Path) -> None:
    text_of_page = (PROJECT / "docs/auditing.md").read_text(encoding="utf-8")
    [policy] = re.findall(
        r"```json\n(\{.*?\})\n```", text_of_page.partition("## `evidence`")[2].partition("\n## ")[0], re.DOTALL
    )
    allowed = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}
    told = {
        "AutomationExecutionId": "01234567-89ab-cdef-0123-456789abcdef",
        "DocumentName": "RootVirtualMfa-Notify",
        "AutomationExecutionStatus": "Success",
        "ExecutionStartTime": midnight(FIRST + DAY),
    }
    fake.answers["DescribeAutomationExecutions"] = {"AutomationExecutionMetadataList": [told]}
    fake.answers["GetAutomationExecution"] = {"AutomationExecution": told}
    # A stack without outputs, an account in a unit, and an account whose path AWS does not tell.
    fake.answers["DescribeStacks"] = {"Stacks": [stack(outputs=False)]}
    resources = {"FunctionLogGroup": GROUP, "RootVirtualMfaEnabledFunction": "function"}
    fake.answers["ListStackResources"] = {
        "StackResourceSummaries": [{"LogicalResourceId": key, "PhysicalResourceId": value} for key, value in resources.items()]
    }
    accounts = [account(CENTRAL, ""), account(MEMBER, "", units=("ou-a1b2-11111111",)), account(OTHER, "") | {"Paths": []}]
    fake.answers["ListAccounts"] = {"Accounts": accounts}
    fake.answers["DescribeOrganizationalUnit"] = {"OrganizationalUnit": {"Name": "Workloads"}}
    fake.answers["ListParents"] = {"Parents": [{"Id": ROOT, "Type": "ROOT"}]}
    fake.answers["AssumeRole"] = {
        "Credentials": {
            "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "SecretAccessKey": "x",
            "SessionToken": "x",
            "Expiration": NOW,
        }
    }
    run(tmp_path / "evidence", "--role-name", "auditor")
    assert fake.actions - {"sts:GetCallerIdentity"} == allowed, "the one that is left out needs no permission"


def test_an_execution_that_failed_says_why(fake: FakeAws, tmp_path: Path) -> None:
    told = {
        "AutomationExecutionId": "01234567-89ab-cdef-0123-456789abcdef",
        "DocumentName": "RootVirtualMfa-RemoveRootCredentials",
        "AutomationExecutionStatus": "Failed",
        "ExecutionStartTime": midnight(FIRST + DAY),
        "Outputs": {"Plan.Text": ["No output available yet"]},
        "FailureMessage": "RefusedError: the account is never touched.",
    }
    fake.answers["DescribeAutomationExecutions"] = {"AutomationExecutionMetadataList": [told]}
    fake.answers["GetAutomationExecution"] = {"AutomationExecution": told}
    run(tmp_path / "evidence")
    [each] = document(tmp_path / "evidence")["runbooks"]
    assert (each["status"], each["said"]) == ("Failed", "RefusedError: the account is never touched.")


def test_the_page_has_no_line_breaks_that_are_seen(fake: FakeAws, tmp_path: Path) -> None:
    del fake
    run(tmp_path / "evidence")
    page = (tmp_path / "evidence/index.html").read_text(encoding="utf-8")
    assert "\\n" not in page.partition("<script>")[0]


def test_executions_show_who_started_and_approved(fake: FakeAws, tmp_path: Path) -> None:
    inside = {
        "AutomationExecutionId": "01234567-89ab-cdef-0123-456789abcdef",
        "DocumentName": "RootVirtualMfa-RemoveRootCredentials",
        "AutomationExecutionStatus": "Success",
        "ExecutionStartTime": midnight(FIRST + DAY),
    }
    outside = {**inside, "ExecutionStartTime": midnight(LAST + DAY)}
    fake.answers["DescribeAutomationExecutions"] = paged("AutomationExecutionMetadataList", [[outside], [inside]])
    fake.answers["GetAutomationExecution"] = {
        "AutomationExecution": {
            **inside,
            "DocumentVersion": "3",
            "ExecutedBy": "arn:starter",
            "Parameters": {"AccountId": [MEMBER]},
            "Outputs": {"Plan.Text": ["All of it is removed."], "RemoveCredentials.Text": ["Removed: the password."]},
            "StepExecutions": [
                {"StepName": "Plan", "Action": "aws:executeScript"},
                {
                    "StepName": "Approve",
                    "Action": "aws:approve",
                    "Outputs": {"ApproverDecisions": ['{"Approver": "arn:lead"}']},
                },
            ],
        }
    }
    run(tmp_path / "evidence")
    [each] = document(tmp_path / "evidence")["runbooks"]
    assert (each["about_account"], each["started_by"], each["approvals"], each["said"]) == (
        *(MEMBER, "arn:starter", '{"Approver": "arn:lead"}', "Removed: the password."),
    )


def test_an_exclusion_that_the_deployment_does_not_have_is_a_gap(fake: FakeAws, tmp_path: Path) -> None:
    exceptions = tmp_path / "exceptions.yaml"
    exceptions.write_text(f'"{OTHER}": Sandbox.', encoding="utf-8")
    said = f"Exceptions: excluded-accounts.yaml excludes account {OTHER}, but the parameter ExcludedAccounts"
    run(tmp_path / "one", "--exceptions", str(exceptions))
    assert [each.startswith(said) for each in gaps(tmp_path / "one")].count(True) == 1
    deployed: Any = fake.answers["DescribeStacks"]
    deployed["Stacks"][0]["Parameters"].append({"ParameterKey": "ExcludedAccounts", "ParameterValue": OTHER})
    run(tmp_path / "two", "--exceptions", str(exceptions))
    assert not [each for each in gaps(tmp_path / "two") if each.startswith(said)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2026, 12, 30), date(2027, 2, 1), [("Dec", 2), ("2027", 31), ("Feb", 1)]),
        (date(2026, 3, 5), date(2026, 3, 5), [("Mar", 1)]),
        (date(2024, 12, 31), date(2027, 1, 2), [("2024", 1), ("2025", 365), ("2026", 365), ("2027", 2)]),
    ],
)
def test_months_above_the_calendar_are_as_wide_as_their_days(first: date, last: date, expected: list[tuple[str, int]]) -> None:
    assert months(Period(first, last)) == expected
