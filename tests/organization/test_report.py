"""The report as it is run, on answers of AWS: what is called, what is printed and written, and the exit code."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization import cli, journal
from organization.controls.reading import frameworks
from organization.deployment import Deployment
from organization.report import formats
from organization.report.judging import Report, Row
from organization.statuses import Account, Status
from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError, paged
from tests.organization.fake_organization import (
    HOSTILE,
    MANAGEMENT,
    MEMBER,
    ORGANIZATION,
    OTHER,
    ROOT,
    account,
    check_shown,
    evaluation,
    evaluation_line,
    failure_line,
    stack,
)

SUFFIX = "-conformance-pack-abc123xyz"
RULE = f"root-virtual-mfa-enabled{SUFFIX}"
PACK = "OrgConformsPack-root-virtual-mfa-a1b2c3d4"
UNITS = {"ou-a1b2-11111111": "Workloads", "ou-a1b2-22222222": "Production"}
"""The names of units, each in the one before, by their ids."""
WICKED = "<script>alert(1)</script>"


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer for an organization of four accounts in two units, all of which are COMPLIANT."""
    accounts = [
        [account(MANAGEMENT, "Management"), account(CENTRAL, "Security")],
        [account(MEMBER, WICKED, units=tuple(UNITS))],
        [],
        [account(OTHER, "=1+1", units=tuple(UNITS))],
    ]
    ids = [MANAGEMENT, CENTRAL, MEMBER, OTHER]
    rules: list[dict[str, Any]] = [{"ConfigRuleName": RULE, "AccountId": each, "AwsRegion": REGION} for each in ids]
    rules += [{"ConfigRuleName": f"my-{RULE}", "AccountId": MEMBER, "AwsRegion": REGION}]
    rules += [{"ConfigRuleName": f"OrgConfigRule-{RULE}", "AccountId": MEMBER, "AwsRegion": REGION}]
    arrived: list[Any] = [{"AccountId": each, "ConformancePackName": PACK, "Status": "CREATE_SUCCESSFUL"} for each in ids]
    compliance: list[Any] = [
        {"AccountId": each, "ConformancePackName": PACK, "Compliance": {"ComplianceType": "COMPLIANT"}} for each in ids
    ]
    stacks: list[dict[str, Any]] = [
        {"Account": each, "StackInstanceStatus": {"DetailedStatus": "SUCCEEDED"}} for each in ids if each != MANAGEMENT
    ]
    log_group = {"LogicalResourceId": "FunctionLogGroup", "PhysicalResourceId": "log", "ResourceType": "AWS::Logs::LogGroup"}

    def details(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        results = [evaluation(parameters["AccountId"], "COMPLIANT")]
        return paged("AggregateEvaluationResults", [[], results, []])(parameters)

    fake = FakeAws(
        {
            "DescribeStacks": {"Stacks": [stack(ManagementAccountHasEvaluationRole="true")]},
            "ListStackResources": {"StackResourceSummaries": [log_group]},
            "DescribeOrganizationConformancePacks": {"OrganizationConformancePacks": [{"ExcludedAccounts": []}]},
            "StartQuery": {"queryId": "q"},
            "GetQueryResults": {"status": "Complete", "results": []},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "DescribeOrganizationalUnit": lambda asked: {"OrganizationalUnit": {"Name": UNITS[asked["OrganizationalUnitId"]]}},
            "ListAccounts": paged("Accounts", accounts),
            "DescribeOrganizationConformancePackStatuses": {
                "OrganizationConformancePackStatuses": [{"Status": "UPDATE_FAILED"}]
            },
            "GetOrganizationConformancePackDetailedStatus": paged(
                "OrganizationConformancePackDetailedStatuses", [arrived[:2], [], arrived[2:]]
            ),
            "ListStackInstances": paged("Summaries", [stacks[:1], stacks[1:]]),
            "DescribeAggregateComplianceByConfigRules": paged("AggregateComplianceByConfigRules", [rules[:1], [], rules[1:]]),
            "DescribeAggregateComplianceByConformancePacks": paged(
                "AggregateComplianceByConformancePacks", [[], compliance[:1], compliance[1:]]
            ),
            "GetAggregateComplianceDetailsByConfigRule": details,
        }
    )
    with fake.in_place():
        yield fake


def run(*arguments: str) -> int:
    return cli.main(["report", *arguments])


def json_report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {each["account_id"]: each["status"] for each in document["accounts"]}


def change_details(fake: FakeAws, account_id: str, *results: dict[str, Any]) -> None:
    before = fake.answers["GetAggregateComplianceDetailsByConfigRule"]
    assert callable(before)

    def answer(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["AccountId"] == account_id:
            return {"AggregateEvaluationResults": list(results)}
        return before(parameters)

    fake.answers["GetAggregateComplianceDetailsByConfigRule"] = answer


def write(fake: FakeAws, *rows: list[dict[str, str]]) -> None:
    """Let the journal have these rows."""
    fake.answers["GetQueryResults"] = {"status": "Complete", "results": list(rows)}


def confirm(fake: FakeAws) -> None:
    """Let AWS Config's aggregator and the journal say that every account is COMPLIANT."""
    ids = (MANAGEMENT, CENTRAL, MEMBER, OTHER)
    rules = [
        {"ConfigRuleName": RULE, "AccountId": each, "AwsRegion": REGION, "Compliance": {"ComplianceType": "COMPLIANT"}}
        for each in ids
    ]
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": rules}
    write(fake, *(evaluation_line(each, "COMPLIANT", RULE, hours_ago=3) for each in ids))


# --- What is read ---


def test_every_account_with_its_path_and_result(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "json") == 0
    document = json_report(capsys)
    assert [(each["account_id"], each["account_name"], each["ou_path"]) for each in document["accounts"]] == [
        (MANAGEMENT, "Management", "Root"),
        (CENTRAL, "Security", "Root"),
        (MEMBER, WICKED, "Root/Workloads/Production"),
        (OTHER, "=1+1", "Root/Workloads/Production"),
    ]
    assert set(statuses(document).values()) == {"COMPLIANT"}
    # The later of the two times: the result was recorded an hour ago, and the rule invoked weeks ago.
    assert [round(each["age_hours"]) for each in document["accounts"]] == [1] * 4
    asked = fake.called("DescribeAggregateComplianceByConfigRules")[0]
    assert asked == {"ConfigurationAggregatorName": "agg", "Filters": {"AwsRegion": REGION}, "Limit": 1000}


def test_only_calls_that_read_and_one_chain_of_details_an_account(fake: FakeAws) -> None:
    run()
    assert all(name.startswith(("Describe", "List", "Get")) for name, _ in fake.calls if name != "StartQuery")
    details = fake.called("GetAggregateComplianceDetailsByConfigRule")
    assert {(each["AccountId"], each["ConfigRuleName"]) for each in details} == {
        (each, RULE) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)
    }
    assert len([each for each in details if "NextToken" not in each]) == 4
    filters = {"ConformancePackName": PACK, "AwsRegion": REGION}
    assert [each["Filters"] for each in fake.called("DescribeAggregateComplianceByConformancePacks")] == [filters] * 3


def test_json_keys_are_those_that_are_documented(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListStackInstances"] = {"Summaries": []}
    run("--format", "json")
    document = json_report(capsys)
    assert document["schema_version"] == 1
    assert document["organization_id"] == ORGANIZATION
    documented = formats.as_json.__doc__ or ""
    keys = {*document, *document["stack"], *document["accounts"][1], *document["accounts"][1]["advice"][0]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()


def test_nothing_more_is_read_of_accounts_that_both_sources_agree_on(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    confirm(fake)
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": []}
    fake.answers["ListStackInstances"] = {"Summaries": []}
    assert run("--format", "json") == 0
    document = json_report(capsys)
    assert [round(each["age_hours"]) for each in document["accounts"]] == [3] * 4
    assert {each["annotation"] for each in document["accounts"]} == {"Noted."}
    assert not fake.called("GetAggregateComplianceDetailsByConfigRule")
    assert not fake.called("DescribeAggregateComplianceByConformancePacks")
    asked = sorted(each["Filters"]["Status"] for each in fake.called("GetOrganizationConformancePackDetailedStatus"))
    assert asked == ["CREATE_FAILED", "DELETE_FAILED", "UPDATE_FAILED"], "in any order: at the same time"
    [names] = {each["Filters"][0]["Name"] for each in fake.called("ListStackInstances")}
    assert names == "DETAILED_STATUS"


OWN_RULE = "root-virtual-mfa-enabled"


@pytest.fixture
def in_stack_set(fake: FakeAws) -> FakeAws:
    """Let a StackSet bring the rule to the units; the journal and AWS Config agree, and no pack is there to ask for."""
    deployed = stack(RuleDeployment="StackSet", OrganizationalUnitIds=",".join(UNITS))
    fake.answers["DescribeStacks"] = {"Stacks": [deployed]}
    rule = {"ConfigRuleName": OWN_RULE, "AwsRegion": REGION, "Compliance": {"ComplianceType": "COMPLIANT"}}
    rules = [{"AccountId": each, **rule} for each in (MEMBER, OTHER)]
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": rules}
    write(fake, *(evaluation_line(each, "COMPLIANT", OWN_RULE, hours_ago=3) for each in (MEMBER, OTHER)))
    for operation in list(fake.answers):
        if "OrganizationConformancePack" in operation or "ByConformancePacks" in operation:
            del fake.answers[operation]
    return fake


def test_accounts_outside_the_targeted_units_are_counted_and_listed_in_every_format_and_are_no_failure(
    in_stack_set: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_stack_set.answers["ListStackInstances"] = {"Summaries": []}
    paths = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json")]
    assert run(*(word for path in paths for word in ("--output", str(path)))) == 0
    expected = {MANAGEMENT: "NOT_IN_SCOPE", CENTRAL: "NOT_IN_SCOPE", MEMBER: "COMPLIANT", OTHER: "COMPLIANT"}
    page, spreadsheet, text = (path.read_text(encoding="utf-8") for path in paths)
    document = json.loads(text)
    assert "4 accounts: 2 COMPLIANT, 2 NOT_IN_SCOPE" in " ".join(capsys.readouterr().out.split())
    assert statuses(document) == expected
    assert document["totals"] == {**dict.fromkeys(document["totals"], 0), "COMPLIANT": 2, "NOT_IN_SCOPE": 2}
    assert (document["rule_deployment"], document["organizational_unit_ids"]) == ("StackSet", sorted(UNITS))
    assert {row["account_id"]: row["status"] for row in csv.DictReader(io.StringIO(spreadsheet, newline=""))} == expected
    assert dict(re.findall(r'<tr data-account="(\d+)" data-status="(\w+)">', page)) == expected
    assert re.search(r'<button type="button" data-status="NOT_IN_SCOPE"[^>]*><strong>2</strong>', page)
    assert ", ".join(sorted(UNITS)) in page


def test_a_report_that_judges_nobody_is_no_success(
    in_stack_set: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one unit that is a target is gone, or somebody gave another's id."""
    deployed = stack(RuleDeployment="StackSet", OrganizationalUnitIds="ou-a1b2-gone0000")
    in_stack_set.answers["DescribeStacks"] = {"Stacks": [deployed]}
    page = tmp_path / "report.html"
    assert run("--output", str(page)) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 accounts: 4 NOT_IN_SCOPE No account is judged: each is not in scope, excluded or suspended." in printed
    assert "No account is judged: each is not in scope, excluded or suspended." in page.read_text(encoding="utf-8")
    assert "OrganizationalUnitIds names ou-a1b2-gone0000, and no account is in it or below it." in page.read_text(
        encoding="utf-8"
    )


def test_without_a_pack_nothing_is_asked_about_one_and_only_of_accounts_in_doubt_more_is_read(
    in_stack_set: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--format", "json", "--status", "NOT_IN_SCOPE") == 0
    assert set(statuses(json_report(capsys))) == {MANAGEMENT, CENTRAL}
    assert not in_stack_set.called("GetAggregateComplianceDetailsByConfigRule")
    assert not [name for name, _ in in_stack_set.calls if "ConformancePack" in name]
    write(in_stack_set, evaluation_line(MEMBER, "COMPLIANT", OWN_RULE))
    assert run("--format", "json") == 1
    assert statuses(json_report(capsys))[OTHER] == "UNKNOWN", "AWS Config alone does not count"
    [asked] = in_stack_set.called("GetAggregateComplianceDetailsByConfigRule")[:1]
    assert (asked["AccountId"], asked["ConfigRuleName"]) == (OTHER, OWN_RULE)


def test_if_the_journal_cannot_be_read_no_account_with_a_rule_of_its_own_passes(
    in_stack_set: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    in_stack_set.refuse("StartQuery", "AccessDeniedException")
    change_details(in_stack_set, OTHER, evaluation(OTHER, "NON_COMPLIANT"))
    assert run("--format", "json") == 1
    document = json_report(capsys)
    found = {account_id: status for account_id, status in statuses(document).items() if status != "NOT_IN_SCOPE"}
    assert found == {MEMBER: "UNKNOWN", OTHER: "NON_COMPLIANT"}
    assert (
        "logs:StartQuery" in next(each for each in document["accounts"] if each["account_id"] == MEMBER)["advice"][0]["action"]
    )
    assert "no account is COMPLIANT" in document["notes"][0]


def test_an_account_whose_path_aws_does_not_tell_is_found_by_its_parents(
    fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, inner = UNITS
    parents = {MEMBER: inner, inner: outer, outer: ROOT, OTHER: ROOT}
    pathless = {each: account(each, each) | {"Paths": []} for each in (MEMBER, OTHER)}
    del pathless[OTHER]["Paths"]
    fake.answers["ListAccounts"] = {"Accounts": [account(CENTRAL, "Security", units=("ou-a1b2-99999999",)), *pathless.values()]}
    fake.answers["ListParents"] = lambda asked: {
        "Parents": [
            {"Id": parents[asked["ChildId"]], "Type": "ROOT" if parents[asked["ChildId"]] == ROOT else "ORGANIZATIONAL_UNIT"}
        ]
    }
    named = fake.answers["DescribeOrganizationalUnit"]
    assert callable(named)

    def name(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["OrganizationalUnitId"] not in UNITS:
            raise RefusalError("OrganizationalUnitNotFoundException")
        return named(asked)

    fake.answers["DescribeOrganizationalUnit"] = name
    run("--format", "json")
    units = {each["account_id"]: each["ou_path"] for each in json_report(capsys)["accounts"]}
    assert units == {MEMBER: "Root/Workloads/Production", OTHER: "Root", CENTRAL: "Root/ou-a1b2-99999999"}


@pytest.mark.parametrize(
    ("status", "looked_for"), [("CREATE_SUCCESSFUL", False), ("UPDATE_SUCCESSFUL", False), ("CREATE_FAILED", True)]
)
def test_failures_of_a_pack_that_arrived_everywhere_are_not_looked_for(fake: FakeAws, status: str, *, looked_for: bool) -> None:
    confirm(fake)
    fake.answers["DescribeOrganizationConformancePackStatuses"] = {"OrganizationConformancePackStatuses": [{"Status": status}]}
    assert run("--format", "json") == 0
    assert bool(fake.called("GetOrganizationConformancePackDetailedStatus")) is looked_for


@pytest.mark.parametrize("accounts_in_all", [4, 400])
def test_more_is_read_of_the_account_that_they_disagree_on(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], accounts_in_all: int
) -> None:
    """In a large organization the account is asked for by its id, in a small one everything is read."""
    confirm(fake)
    ids = [f"{number:012}" for number in range(accounts_in_all - 4)]
    everyone = [account(each, "") for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)]
    fake.answers["ListAccounts"] = {"Accounts": everyone + [account(each, "", "SUSPENDED") for each in ids]}
    fake.answers["GetQueryResults"] = {
        "status": "Complete",
        "results": [evaluation_line(each, "COMPLIANT", RULE) for each in (MANAGEMENT, CENTRAL, OTHER)]
        + [evaluation_line(MEMBER, "NON_COMPLIANT", RULE), failure_line(MEMBER, "ReadError", hours_ago=2)],
    }
    assert run("--format", "json") == 1
    row = json_report(capsys)["accounts"][0]
    assert (row["account_id"], row["status"], row["annotation"]) == (MEMBER, "NON_COMPLIANT", "Noted.")
    assert row["advice"][0]["why"].startswith("The journal says NON_COMPLIANT (")
    assert {each["AccountId"] for each in fake.called("GetAggregateComplianceDetailsByConfigRule")} == {MEMBER}
    by_id = [each.get("Filters", {}) for each in fake.called("GetOrganizationConformancePackDetailedStatus")]
    assert ({"AccountId": MEMBER} in by_id) == (accounts_in_all == 400)
    by_id = [each["Filters"] for each in fake.called("DescribeAggregateComplianceByConformancePacks")]
    assert any(each.get("AccountId") == MEMBER for each in by_id) == (accounts_in_all == 400)
    by_id = [each.get("StackInstanceAccount") for each in fake.called("ListStackInstances")]
    assert (MEMBER in by_id) == (accounts_in_all == 400)


def test_query_asks_for_the_own_rule_with_its_parameters_of_the_last_days(fake: FakeAws) -> None:
    fake.answers["DescribeStacks"] = {"Stacks": [stack(MinimumVirtualMfaDevices="2", NonVirtualMfa="COMPLIANT")]}
    run()
    [asked] = fake.called("StartQuery")
    assert asked["logGroupName"] == "log"
    assert asked["endTime"] - asked["startTime"] == 7 * 24 * 3600 + 1
    for condition in (
        'ruleOwner = "config-conforms.amazonaws.com"',
        "configRuleName like /^root-virtual-mfa-enabled-conformance-pack-/",
        'parameters.ExecutionRoleName = "root-virtual-mfa-evaluation"',
        'parameters.minimumVirtualMfaDevices = "2"',
        'parameters.nonVirtualMfa = "COMPLIANT"',
        '(test = 0 or test = "false")',
    ):
        assert condition in asked["queryString"]


def test_more_accounts_than_a_query_gives_are_asked_for_in_parts(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journal, "MOST_ROWS", 4)
    confirm(fake)
    every: Any = fake.answers["GetQueryResults"]

    def start(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"queryId": "q" + "".join(re.findall(r"account like /(\d+)\$/", asked["queryString"]))}

    def answer(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        found = [row for row in every["results"] if row[1]["value"].endswith(asked["queryId"][1:])]
        return {"status": "Complete", "results": found}

    fake.answers |= {"StartQuery": start, "GetQueryResults": answer, "ListStackInstances": {"Summaries": []}}
    assert run("--format", "json") == 0
    assert {each["annotation"] for each in json_report(capsys)["accounts"]} == {"Noted."}
    assert len(fake.called("StartQuery")) == 11


def test_query_is_waited_for_and_started_when_there_is_room(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm(fake)
    rested: list[float] = []
    monkeypatch.setattr("time.sleep", rested.append)
    results = fake.answers["GetQueryResults"]
    statuses_in_turn = iter(["Scheduled", "Running", "Running"])

    def start(_: Mapping[str, Any]) -> Mapping[str, Any]:
        if len(fake.called("StartQuery")) == 1:
            raise RefusalError("LimitExceededException")
        return {"queryId": "q"}

    def look(_: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer
        status = next(statuses_in_turn, None)
        return {"status": status, "results": []} if status else results

    fake.answers |= {"StartQuery": start, "GetQueryResults": look, "ListStackInstances": {"Summaries": []}}
    assert run() == 0
    assert (len(fake.called("StartQuery")), len(fake.called("GetQueryResults"))) == (2, 4)
    assert len(rested) == 4


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("AccessDeniedException", "StartQuery failed with AccessDeniedException"),
        ("ResourceNotFoundException", "StartQuery failed with ResourceNotFoundException"),
        ("LimitExceededException", "CloudWatch Logs started no query for two minutes"),
        ("Timeout", "The query of the log group log ended as Timeout."),
        ("Running", "The query of the log group log did not end in two minutes."),
    ],
)
def test_if_the_journal_cannot_be_read_aws_config_alone_decides_and_a_note_says_so(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, problem: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    if said.endswith("Exception"):
        fake.refuse("StartQuery", said)
    else:
        fake.answers["GetQueryResults"] = {"status": said, "results": []}
    assert run("--format", "json") == 0
    document = json_report(capsys)
    assert set(statuses(document).values()) == {"COMPLIANT"}
    [note] = document["notes"]
    assert f"everything relies on AWS Config alone. {problem}" in note


@pytest.mark.parametrize(
    "said",
    [
        [],
        [{"AccountId": MEMBER, "ConformancePackName": PACK, "Compliance": {"ComplianceType": "INSUFFICIENT_DATA"}}],
        [{"AccountId": MEMBER, "ConformancePackName": PACK}],
    ],
)
def test_rule_of_a_pack_without_results_is_somebodys(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], said: list[dict[str, Any]]
) -> None:
    others = [{"AccountId": CENTRAL, "ConformancePackName": PACK, "Compliance": {"ComplianceType": "COMPLIANT"}}]
    fake.answers["DescribeAggregateComplianceByConformancePacks"] = {"AggregateComplianceByConformancePacks": [*others, *said]}
    assert run("--format", "json") == 1
    row = next(each for each in json_report(capsys)["accounts"] if each["account_id"] == MEMBER)
    assert (row["status"], row["result_time"], row["rule_names"]) == ("UNKNOWN", None, [RULE])
    assert "somebody made a rule of this name" in row["advice"][0]["why"]


def test_rule_of_the_plain_name_is_read_and_told(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    rules = [{"ConfigRuleName": name, "AccountId": MEMBER, "AwsRegion": REGION} for name in (RULE, "root-virtual-mfa-enabled")]
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": rules}
    assert run("--format", "json") == 1, "the others have no result"
    row = next(each for each in json_report(capsys)["accounts"] if each["account_id"] == MEMBER)
    assert (row["status"], row["rule_names"]) == ("COMPLIANT", ["root-virtual-mfa-enabled", RULE])
    assert "somebody made a rule of this name" in row["advice"][0]["why"]


def test_results_of_other_resources_do_not_count(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    change_details(fake, MEMBER, evaluation(OTHER, "COMPLIANT"))
    assert run("--format", "json") == 1
    assert statuses(json_report(capsys))[MEMBER] == "UNKNOWN"


def test_of_several_results_the_latest_counts(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    older = evaluation(MEMBER, "COMPLIANT", hours_ago=3)
    change_details(fake, MEMBER, older, evaluation(MEMBER, "NON_COMPLIANT", hours_ago=1), older)
    assert run("--format", "json") == 1
    assert statuses(json_report(capsys))[MEMBER] == "NON_COMPLIANT"


@pytest.mark.parametrize(
    ("results", "status"),
    [([evaluation(MEMBER, "NON_COMPLIANT")], "NON_COMPLIANT"), ([evaluation(MEMBER, "COMPLIANT", hours_ago=27)], "UNKNOWN")],
)
def test_exit_code_1_for_one_account_that_fails(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], results: list[dict[str, Any]], status: str
) -> None:
    change_details(fake, MEMBER, *results)
    assert run("--format", "json") == 1
    document = json_report(capsys)
    assert document["totals"] == {**dict.fromkeys(document["totals"], 0), "COMPLIANT": 3, status: 1}


def test_excluded_and_suspended_accounts_are_not_failures_and_cost_no_call(
    fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["DescribeStacks"] = {
        "Stacks": [stack(ManagementAccountHasEvaluationRole="true", ExcludedAccounts=f"{MEMBER}, {OTHER}")]
    }
    reasons = tmp_path / "excluded-accounts.yaml"
    reasons.write_text(f'"{MEMBER}": Sandbox.\n', encoding="utf-8")
    states = {CENTRAL: "SUSPENDED"}
    everyone = [account(each, each, states.get(each, "ACTIVE")) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)]
    fake.answers["ListAccounts"] = {"Accounts": everyone}
    assert run("--format", "json", "--exclusions", str(reasons)) == 0, "the option's old name"
    document = json_report(capsys)
    assert statuses(document) == {MANAGEMENT: "COMPLIANT", CENTRAL: "SUSPENDED", MEMBER: "EXCLUDED", OTHER: "EXCLUDED"}
    assert [each["reason"] for each in document["accounts"][1:3]] == ["Sandbox.", "No reason given in excluded-accounts.yaml."]
    assert {each["AccountId"] for each in fake.called("GetAggregateComplianceDetailsByConfigRule")} == {MANAGEMENT}


def test_pack_that_failed_keeps_the_stacks_remediation_and_leaves_out_who_is_excluded_in_any_part(
    fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {"AccountId": MEMBER, "ConformancePackName": PACK, "Status": "CREATE_FAILED", "ErrorCode": "NoRecorder"}
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": [failed]}
    fake.answers["DescribeStacks"] = {"Stacks": [stack(Remediation="Automatic", ExcludedAccounts4=OTHER)]}
    change_details(fake, MEMBER)
    assert run("--format", "json") == 1
    rows = {each["account_id"]: each for each in json_report(capsys)["accounts"]}
    assert rows[OTHER]["status"] == "EXCLUDED"
    commands = [command for advice in rows[MEMBER]["advice"] for command in advice["commands"]]
    parameter = "root-virtual-mfa deploy --parameter Remediation="
    assert f"{parameter}Off; {parameter}Automatic" in commands


EXCEPTIONS = f"""
"{OTHER}": {{ reason: Moves to another organization, owner: platform team, until: 2026-03-01 }}
accepted:
  "{MEMBER}":
    {{reason: No phones on the site, control: Two keys in two safes, owner: "=security", since: 2026-02-01, until: 2026-03-01}}
"""


@pytest.fixture
def excepted(fake: FakeAws, tmp_path: Path) -> list[str]:
    """Exclude an account, and let another fail that may, until the first of March; returns the options of the report."""
    deployed = stack(ManagementAccountHasEvaluationRole="true", ExcludedAccounts=OTHER)
    fake.answers["DescribeStacks"] = {"Stacks": [deployed]}
    path = tmp_path / "exceptions.yaml"
    path.write_text(EXCEPTIONS, encoding="utf-8")
    return ["--exceptions", str(path)]


def today(fake: FakeAws, day: str) -> None:
    """Let it be a day by AWS's clock, an hour before its end, and let MEMBER's evaluation fail then."""
    end = datetime.fromisoformat(f"{day}T23:59:59Z")
    fake.answers["GetCallerIdentity"] = {
        "Account": CENTRAL,
        "Arn": f"arn:aws:iam::{CENTRAL}:user/operator",
        "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(end, usegmt=True)}},
    }
    for account_id in (MANAGEMENT, CENTRAL, MEMBER):
        verdict = "NON_COMPLIANT" if account_id == MEMBER else "COMPLIANT"
        change_details(fake, account_id, evaluation(account_id, verdict) | {"ResultRecordedTime": end - timedelta(hours=1)})


def test_accepted_failure_is_shown_as_such_in_every_format_and_is_no_failure(
    fake: FakeAws, excepted: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    today(fake, "2026-03-01")
    paths = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json")]
    assert run(*excepted, *(word for path in paths for word in ("--output", str(path)))) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    page, spreadsheet, document = (path.read_text(encoding="utf-8") for path in paths)
    assert "4 accounts: 1 ACCEPTED, 2 COMPLIANT, 1 EXCLUDED" in printed
    for said in (
        "No phones on the site",
        "Two keys in two safes",
        "=security",
        "platform team",
        "2026-03-01",
        "Moves to another",
    ):
        assert said in page
    accounts = {each["account_id"]: each for each in json.loads(document)["accounts"]}
    lines = {each["account_id"]: each for each in csv.DictReader(io.StringIO(spreadsheet, newline=""))}
    keys = ("status", "reason", "control", "owner", "since", "until")
    accepted = ["ACCEPTED", "No phones on the site", "Two keys in two safes", "=security", "2026-02-01", "2026-03-01"]
    excluded = ["EXCLUDED", "Moves to another organization", "", "platform team", "", "2026-03-01"]
    assert [accounts[MEMBER][key] for key in keys] == accepted
    assert [accounts[OTHER][key] or "" for key in keys] == excluded
    assert [lines[MEMBER][key] for key in keys] == [each.replace("=", "'=") for each in accepted]
    assert [lines[OTHER][key] for key in keys] == excluded
    assert accounts[MEMBER]["annotation"] == "Found."
    assert accounts[CENTRAL]["until"] is None
    assert "1 of 4 accounts fail, and that is accepted." in page
    assert "No other account fails, and none is unknown." in page


def test_from_the_day_after_both_exceptions_count_for_nothing_and_that_is_said(
    fake: FakeAws, excepted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    today(fake, "2026-03-02")
    assert run(*excepted, "--format", "json") == 1
    document = json_report(capsys)
    assert statuses(document) == {
        MEMBER: "NON_COMPLIANT",
        OTHER: "UNKNOWN",
        MANAGEMENT: "COMPLIANT",
        CENTRAL: "COMPLIANT",
    }
    [accepted, excluded] = document["accounts"][:2]
    assert accepted["advice"][0]["why"] == "This failure was accepted until 2026-03-01, and no longer is."
    assert excluded["advice"][0]["why"] == "The account was excluded until 2026-03-01, and is still not evaluated."
    assert excluded["advice"][0]["commands"] == ["root-virtual-mfa deploy --parameter ExcludedAccounts="]
    assert [accepted["owner"], excluded["owner"]] == ["=security", "platform team"]


def test_errors_of_pack_and_stack_set_are_shown_for_the_account(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {
        "AccountId": MEMBER,
        "ConformancePackName": PACK,
        "Status": "CREATE_FAILED",
        "ErrorCode": "NoRecorder",
        "ErrorMessage": "There is no recorder",
    }
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {"OrganizationConformancePackDetailedStatuses": [failed]}
    outdated = {"Account": MEMBER, "Status": "OUTDATED", "StatusReason": "The role exists"}
    fake.answers["ListStackInstances"] = {"Summaries": [outdated]}
    change_details(fake, MEMBER)
    assert run("--format", "json") == 1
    row = next(each for each in json_report(capsys)["accounts"] if each["account_id"] == MEMBER)
    assert [each["why"] for each in row["advice"][:2]] == [
        "The StackSet root-virtual-mfa-account did not reach the account: OUTDATED, The role exists.",
        "The conformance pack root-virtual-mfa did not reach the account: CREATE_FAILED, NoRecorder: There is no recorder.",
    ]


def test_a_stack_whose_creation_failed_is_reported_too(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["DescribeStacks"] = {"Stacks": [stack(outputs=False, status="CREATE_FAILED")]}
    fake.refuse("DescribeOrganizationConformancePacks", "NoSuchOrganizationConformancePackException")
    fake.refuse("GetOrganizationConformancePackDetailedStatus", "NoSuchOrganizationConformancePackException")
    fake.refuse("ListStackInstances", "StackSetNotFoundException")
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": []}
    assert run("--format", "json") == 1
    document = json_report(capsys)
    assert set(statuses(document).values()) == {"UNKNOWN"}
    assert document["notes"] == ["The stack root-virtual-mfa is CREATE_FAILED."]
    assert document["accounts"][2]["advice"][1]["commands"] == ["root-virtual-mfa deploy"]
    assert fake.called("DescribeAggregateComplianceByConfigRules")[0]["ConfigurationAggregatorName"] == "root-virtual-mfa"


@pytest.mark.parametrize(("administrator", "call_as"), [(CENTRAL, "SELF"), (MANAGEMENT, "DELEGATED_ADMIN")])
def test_stack_set_is_read_as_who_one_is(fake: FakeAws, administrator: str, call_as: str) -> None:
    fake.answers["DescribeStacks"] = {"Stacks": [stack(ManagementAccountId=administrator)]}
    run()
    asked = fake.called("ListStackInstances")[0]
    assert (asked["CallAs"], asked["StackInstanceRegion"]) == (call_as, REGION)


def test_deployment_for_one_account(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["DescribeStacks"] = {
        "Stacks": [stack(outputs=False, OrganizationId="", OrganizationRootId="", ManagementAccountId="")]
    }
    fake.answers["GetComplianceDetailsByConfigRule"] = paged("EvaluationResults", [[], [evaluation(CENTRAL, "NOT_APPLICABLE")]])
    assert run("--format", "json") == 0
    document = json_report(capsys)
    assert statuses(document) == {CENTRAL: "NOT_APPLICABLE"}
    assert document["organization_id"] is None
    fake.refuse("GetComplianceDetailsByConfigRule", "NoSuchConfigRuleException")
    assert run("--format", "json") == 1


# --- Frameworks ---

FACTS = {"password_present": "1", "access_keys_present": "0", "signing_certificates_present": "0"}


def with_facts(row: list[dict[str, str]], *, mfa: str, devices: str) -> list[dict[str, str]]:
    """Add the facts to a row of the journal."""
    fields = {
        **{f"facts.{name}": said for name, said in ({"mfa_enabled": mfa} | FACTS).items()},
        "rootVirtualMfaDevices": devices,
    }
    return [*row, *({"field": name, "value": value} for name, value in fields.items())]


@pytest.fixture
def with_facts_of_two(fake: FakeAws) -> FakeAws:
    """Let the journal and AWS Config agree: MEMBER has a hardware key, and fails; OTHER has a virtual device."""
    confirm(fake)
    rules: Any = fake.answers["DescribeAggregateComplianceByConfigRules"]
    rules["AggregateComplianceByConfigRules"][2]["Compliance"] = {"ComplianceType": "NON_COMPLIANT"}
    write(
        fake,
        evaluation_line(MANAGEMENT, "COMPLIANT", RULE),
        with_facts(evaluation_line(MEMBER, "NON_COMPLIANT", RULE), mfa="1", devices="0"),
        with_facts(evaluation_line(OTHER, "COMPLIANT", RULE), mfa="1", devices="1"),
    )
    return fake


@pytest.mark.usefixtures("with_facts_of_two")
def test_framework_has_a_column_in_every_format_with_the_controls_that_facts_satisfy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json")]
    outputs = [word for path in paths for word in ("--output", str(path))]
    names = ["--framework", "cis-aws-5.0", "--framework", "iso-27001-2022", "--framework", "cis-aws-5.0"]
    assert run(*names, *outputs) == 1
    page, spreadsheet, document = (path.read_text(encoding="utf-8") for path in paths)
    printed = capsys.readouterr().out
    report = json.loads(document)
    accounts = {each["account_id"]: each["frameworks"] for each in report["accounts"]}
    assert accounts[MEMBER]["cis-aws-5.0"] == {"satisfied": ["1.4", "1.5"], "not satisfied": [], "unknown": []}
    assert accounts[OTHER]["cis-aws-5.0"] == {"satisfied": ["1.4"], "not satisfied": ["1.5"], "unknown": []}
    assert accounts[OTHER]["iso-27001-2022"]["satisfied"] == ["A.5.15", "A.5.17", "A.8.5"]
    # A line without facts, and no line at all
    for account_id in (MANAGEMENT, CENTRAL):
        assert accounts[account_id]["cis-aws-5.0"] == {"satisfied": [], "not satisfied": [], "unknown": ["1.4", "1.5"]}
    assert list(report["frameworks"]) == ["cis-aws-5.0", "iso-27001-2022"]
    assert [each["id"] for each in report["frameworks"]["cis-aws-5.0"]["controls"]] == ["1.4", "1.5"]
    lines = {each["account_id"]: each for each in csv.DictReader(io.StringIO(spreadsheet, newline=""))}
    assert lines[MEMBER]["cis-aws-5.0"] == "satisfied: 1.4, 1.5"
    assert lines[OTHER]["cis-aws-5.0"] == "satisfied: 1.4; not satisfied: 1.5"
    assert lines[CENTRAL]["iso-27001-2022"] == "unknown: A.5.15, A.5.17, A.8.5"
    for shown in (printed, re.sub("</?span>", "", page)):
        for said in ("CIS AWS", "27001:2022", "not satisfied: 1.5", "unknown: 1.4, 1.5"):
            assert said in shown
    tags = Page(page).tags
    assert [attributes.get("data-assessment") for _, attributes in tags].count("not satisfied") == 1
    assert len([tag for tag, attributes in tags if tag == "th" and attributes.get("scope") == "col"]) == 7
    assert "https://github.com/prowler-cloud/prowler/" in page
    assert not [attributes for _, attributes in tags if "href" in attributes]


@pytest.mark.usefixtures("with_facts_of_two")
def test_without_a_framework_nothing_is_told_of_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "json") == 1
    document = json_report(capsys)
    assert "frameworks" not in document
    assert not [each for each in document["accounts"] if "frameworks" in each]


def test_unknown_framework_is_refused_and_the_help_lists_all(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--framework", "cis") == 2
    assert "'cis' is not one of" in capsys.readouterr().err
    assert fake.calls == []
    assert run("--help") == 0
    said = "".join(capsys.readouterr().out.split())
    assert all(name in said for name in frameworks())


def test_json_keys_of_frameworks_are_those_that_are_documented(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    confirm(fake)
    run("--format", "json", "--framework", "soc-2")
    document = json_report(capsys)
    documented = formats.as_json.__doc__ or ""
    framework = document["frameworks"]["soc-2"]
    keys = {*document, *framework, *framework["controls"][0], *document["accounts"][0]["frameworks"]["soc-2"]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()


# --- How it is shown ---


def test_table_has_each_account_what_to_do_and_totals(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListStackInstances"] = {"Summaries": []}
    assert run() == 0
    printed = capsys.readouterr().out
    assert all(each in printed for each in (MANAGEMENT, WICKED, "Root/Workloads/Production", "COMPLIANT"))
    assert "4 accounts: 4 COMPLIANT" in printed
    command = f"Accounts={MEMBER},AccountFilterType=INTERSECTION --regions {REGION}"
    assert any(line.endswith(command) for line in printed.splitlines()), "a command stands on one line"


@pytest.fixture
def hostile(fake: FakeAws) -> FakeAws:
    """Let everything that somebody may write be hostile: names, annotations, errors, and what a stack says about itself."""
    name, rule = f"Shop {HOSTILE}", f"{RULE}{HOSTILE}"
    fake.answers["ListAccounts"] = {"Accounts": [account(each, name) for each in (MEMBER, OTHER, CENTRAL)]}
    fake.answers["ListRoots"] = {"Roots": [{"Id": ROOT, "Name": f"Root {HOSTILE}"}]}
    deployed = stack(ManagementAccountHasEvaluationRole="true", status=f"CREATE_FAILED {HOSTILE}")
    fake.answers["DescribeStacks"] = {"Stacks": [deployed | {"StackName": f"root-virtual-mfa {HOSTILE}"}]}
    log_group = {"LogicalResourceId": "FunctionLogGroup", "PhysicalResourceId": HOSTILE, "ResourceType": "AWS::Logs::LogGroup"}
    fake.answers["ListStackResources"] = {"StackResourceSummaries": [log_group]}
    pack = {
        "ConformancePackInputParameters": [{"ParameterName": HOSTILE, "ParameterValue": HOSTILE}],
        "ExcludedAccounts": [HOSTILE],
    }
    fake.answers["DescribeOrganizationConformancePacks"] = {"OrganizationConformancePacks": [pack]}
    arrived = {"ConformancePackName": HOSTILE, "Status": "CREATE_SUCCESSFUL"}
    failed = {"ConformancePackName": HOSTILE, "Status": "CREATE_FAILED", "ErrorCode": HOSTILE, "ErrorMessage": HOSTILE}
    fake.answers["GetOrganizationConformancePackDetailedStatus"] = {
        "OrganizationConformancePackDetailedStatuses": [
            {"AccountId": MEMBER, **arrived},
            {"AccountId": OTHER, **failed},
            {"AccountId": CENTRAL, **arrived},
        ]
    }
    instance = {"Account": OTHER, "StackInstanceStatus": {"DetailedStatus": f"FAILED {HOSTILE}"}, "StatusReason": HOSTILE}
    fake.answers["ListStackInstances"] = {"Summaries": [instance]}
    named = [(MEMBER, rule), (OTHER, rule), (CENTRAL, rule), (CENTRAL, RULE), (CENTRAL, "root-virtual-mfa-enabled")]
    rules = [{"ConfigRuleName": name, "AccountId": account_id, "AwsRegion": REGION} for account_id, name in named]
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": rules}
    change_details(fake, MEMBER, evaluation(MEMBER, f"? {HOSTILE}", annotation=HOSTILE))
    change_details(fake, CENTRAL, evaluation(CENTRAL, "NON_COMPLIANT", annotation=HOSTILE))
    return fake


@pytest.mark.usefixtures("hostile")
def test_nothing_that_others_wrote_acts_on_a_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"report.{suffix}" for suffix in ("txt", "csv", "html", "json")]
    reasons = tmp_path / "reasons.yaml"
    accepted = dict.fromkeys(("reason", "control", "owner"), HOSTILE) | {"until": "2999-01-01"}
    reasons.write_text(json.dumps({MEMBER: HOSTILE, "accepted": {CENTRAL: accepted}}), encoding="utf-8")
    assert run("--exceptions", str(reasons), *(word for path in paths for word in ("--output", str(path)))) == 1
    table, spreadsheet, html, document = (path.read_text(encoding="utf-8") for path in paths)
    accounts = json.loads(document)["accounts"]
    commands = [command for each in accounts for advice in each["advice"] for command in advice["commands"]]
    assert len(commands) > 8
    check_shown(capsys.readouterr().out, len(commands))
    check_shown(table, len(commands))
    check_shown(spreadsheet.replace("\r\n", "\n"), 0)
    check_shown(html, 0)
    assert all(character == "\n" or " " <= character <= "~" for character in document)
    assert {each["account_name"] for each in accounts} == {f"Shop {HOSTILE}"}, "a program reads what AWS said"
    for command in commands:
        assert len(command.splitlines()) == 1
        words = shlex.split(command)
        assert not {"touch", "x", "delete-user", "$(touch", ";"} & set(words), command


@pytest.mark.usefixtures("hostile")
def test_spreadsheet_has_what_others_wrote_in_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "csv") == 1
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [row[0] for row in rows[1:]] == [CENTRAL, MEMBER, OTHER]
    assert rows[1][1] == f"Shop {visible(HOSTILE)}"


def test_error_of_aws_is_one_line_that_does_nothing(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("ListRoots", "AccessDeniedException", "\x1b[2J\u202eYou may not.\r    aws iam delete-user")
    assert failure(capsys) == (
        r"root-virtual-mfa: ListRoots failed with AccessDeniedException (\x1b[2J\u202eYou may not): "
        "use credentials that have this permission."
    )
    fake.refuse("ListRoots", f"Failure{HOSTILE}", HOSTILE)
    assert failure(capsys).startswith(
        r"root-virtual-mfa: ListRoots failed with Failure\x1b]0;x\x07\x1b[2J\r\n    aws iam delete-user "
    )


@pytest.mark.usefixtures("hostile")
def test_letters_that_a_screen_does_not_know_are_written_out(
    fake: FakeAws, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["ListAccounts"] = {"Accounts": [account(MEMBER, "é 📱")]}
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="ascii", write_through=True))
    assert run() == 1
    assert rb"\xe9 \U0001f4f1" in capfdbinary.readouterr().out


def test_names_are_no_markup_of_the_terminal(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListAccounts"] = {"Accounts": [account(MEMBER, "[red]alarm[/red]")]}
    run()
    assert "[red]alarm[/red]" in capsys.readouterr().out


def test_csv_is_safe_in_a_spreadsheet(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    change_details(fake, OTHER, evaluation(OTHER, "NON_COMPLIANT", annotation="@SUM(A1)"))
    fake.answers["ListStackInstances"] = {"Summaries": []}
    assert run("--format", "csv") == 1
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [line["account_name"] for line in lines] == ["'=1+1", "Management", "Security", WICKED]
    assert lines[0]["annotation"] == "'@SUM(A1)"
    assert 0.9 < float(lines[0]["age_hours"]) < 1.1
    assert lines[0]["rule_names"] == RULE
    assert "create-stack-instances" in lines[0]["advice"]
    assert lines[1]["advice"] == ""


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\u2212"


def table_of(*texts: str) -> str:
    """Make a CSV report of accounts with such names and annotations."""
    deployed = Deployment("root-virtual-mfa", "CREATE_COMPLETE", CENTRAL, REGION, "aws")
    rows = [Row(Account(f"{number:012}", each, each), Status.UNKNOWN, each) for number, each in enumerate(texts)]
    return formats.as_csv(Report(deployed, datetime(2026, 3, 1, tzinfo=UTC), rows, []))


@given(st.lists(st.text(st.sampled_from([*SIGNS, *" \u00a0\u3000\u200b\t\r\n,;|\"'a1()"])), min_size=1, max_size=3))
def test_no_cell_is_a_formula_however_a_spreadsheet_parts_them(texts: list[str]) -> None:
    written = table_of(*texts)
    for separator in ",;\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator, quoting=quoting):
                for cell in row:
                    assert not cell.lstrip(' \t\u00a0\u3000"').startswith(tuple(SIGNS)), (separator, cell)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters=SIGNS)), min_size=1, max_size=3))
def test_harmless_text_comes_back_as_it_was(texts: list[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(table_of(*texts), newline="")))
    assert [row["account_name"] for row in rows] == [visible(each) for each in texts]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" \u00a0=1", " \u00a0'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("x;=1", "x;'=1"),
        ("x|@a", "x|'@a"),
        ('x; "=1"', 'x; "\'=1"'),
        ("\t=1", r"\t=1"),
        ("a-b = c+d, e@f; g", "a-b = c+d, e@f; g"),
        ("-", "'-"),
    ],
)
def test_apostrophe_stands_before_what_may_be_a_formula(name: str, cell: str) -> None:
    (row,) = csv.DictReader(io.StringIO(table_of(name), newline=""))
    assert row["account_name"] == cell


class Page(HTMLParser):
    """What a page is made of: tags with their attributes, and the text inside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def html(fake: FakeAws, tmp_path: Path) -> str:
    """Make a page about an account that fails and one that is unknown, whose names and annotations are wicked."""
    change_details(fake, MEMBER, evaluation(MEMBER, "NON_COMPLIANT", annotation=f"{WICKED} \"'&"))
    change_details(fake, OTHER)
    run("--output", str(tmp_path / "report.html"))
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_takes_names_and_annotations_for_text(html: str) -> None:
    assert WICKED not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2
    assert [tag for tag, _ in Page(html).tags].count("script") == 1


def test_page_needs_nothing_else(html: str) -> None:
    tags = Page(html).tags
    assert not [attributes for _, attributes in tags if {"src", "href", "srcset", "data", "action"} & set(attributes)]
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in tags}
    assert "@import" not in html
    assert "url(" not in html
    policy = [attributes["content"] for tag, attributes in tags if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert "default-src 'none'" in str(policy[0])
    [script] = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert str(policy[0]).endswith(f"script-src 'sha256-{digest}'"), "its own script, and no other"


def test_page_has_every_account_and_what_finds_it(html: str) -> None:
    tags = Page(html).tags
    found = {attributes["data-account"]: attributes["data-status"] for _, attributes in tags if "data-account" in attributes}
    assert found == {MANAGEMENT: "COMPLIANT", CENTRAL: "COMPLIANT", MEMBER: "NON_COMPLIANT", OTHER: "UNKNOWN"}
    assert [tag for tag, attributes in tags if attributes.get("id") == "filter"] == ["input"]
    assert [attributes["aria-sort"] for tag, attributes in tags if tag == "th" and attributes.get("scope") == "col"] == [
        "none"
    ] * 5
    assert "2 of 4 accounts fail or are unknown." in html


def test_status_narrows_every_format_but_not_the_totals_and_the_exit_code(
    fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_details(fake, MEMBER, evaluation(MEMBER, "NON_COMPLIANT"))
    change_details(fake, OTHER)
    paths = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json")]
    outputs = [word for path in paths for word in ("--output", str(path))]
    assert run("--status", "unknown", "--status", "EXCLUDED", *outputs) == 1, "an account fails, listed or not"
    printed = capsys.readouterr().out
    page, spreadsheet, document = (path.read_text(encoding="utf-8") for path in paths)
    for text in (printed, page, spreadsheet, document):
        assert OTHER in text
        assert MEMBER not in text
    assert "4 accounts: 1 NON_COMPLIANT, 1 UNKNOWN, 2 COMPLIANT" in printed
    assert "Only accounts with the status UNKNOWN, EXCLUDED are listed." in printed
    assert "Only accounts with the status UNKNOWN, EXCLUDED are listed." in page
    assert "2 of 4 accounts fail or are unknown." in page
    report = json.loads(document)
    assert report["listed_statuses"] == ["UNKNOWN", "EXCLUDED"]
    assert [each["account_id"] for each in report["accounts"]] == [OTHER]
    assert report["totals"]["COMPLIANT"] == 2
    buttons = [attributes for tag, attributes in Page(page).tags if tag == "button" and "data-status" in attributes]
    assert {each["data-status"] for each in buttons if "disabled" not in each} == {"UNKNOWN", "EXCLUDED"}


def test_status_that_no_account_has_lists_none(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--status", "SUSPENDED", "--format", "json") == 0
    assert json_report(capsys)["accounts"] == []
    assert fake.called("ListRoots")


def test_age_counts_to_the_time_of_awss_answer_about_the_caller(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"HTTPHeaders": {"date": "Thu, 01 Jan 2099 00:00:00 GMT"}}
    fake.answers["GetCallerIdentity"] = {
        "Account": CENTRAL,
        "Arn": f"arn:aws:iam::{CENTRAL}:user/operator",
        "ResponseMetadata": headers,
    }
    assert run("--format", "json") == 1
    document = json_report(capsys)
    assert document["time"] == "2099-01-01T00:00:00Z"
    assert set(statuses(document).values()) == {"UNKNOWN"}


@pytest.mark.usefixtures("fake")
def test_files_in_several_formats_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json", "txt")]
    assert run(*(word for path in paths for word in ("--output", str(path)))) == 0
    starts = [path.read_text(encoding="utf-8")[:10] for path in paths]
    assert starts[0] == "<!doctype "
    assert starts[1] == "account_id"
    assert starts[2].startswith("{")
    assert "4 accounts: 4 COMPLIANT" in paths[3].read_text(encoding="utf-8")
    printed = capsys.readouterr()
    assert "4 accounts: 4 COMPLIANT" in printed.out
    assert all(str(path) in printed.err for path in paths)


@pytest.mark.usefixtures("fake")
def test_format_decides_over_the_name_of_the_file(tmp_path: Path) -> None:
    assert run("--format", "json", "--output", str(tmp_path / "report")) == 0
    assert json.loads((tmp_path / "report").read_text(encoding="utf-8"))["schema_version"] == 1


# --- What cannot be done ---


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_no_stack(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id root-virtual-mfa does not exist")
    assert failure(capsys) == (
        f"root-virtual-mfa: There is no stack root-virtual-mfa in account {CENTRAL}, Region {REGION}: "
        "use the account and the home Region of the deployment."
    )


def test_no_aggregator(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeAggregateComplianceByConfigRules", "NoSuchConfigurationAggregatorException")
    assert "The aggregator agg is not in account" in failure(capsys)


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeStacks",
        "ListAccounts",
        "ListStackInstances",
        "GetOrganizationConformancePackDetailedStatus",
        "GetAggregateComplianceDetailsByConfigRule",
        "DescribeAggregateComplianceByConformancePacks",
    ],
)
def test_denied(fake: FakeAws, capsys: pytest.CaptureFixture[str], operation: str) -> None:
    fake.refuse(operation, "AccessDeniedException", "You may not.")
    assert failure(capsys) == (
        f"root-virtual-mfa: {operation} failed with AccessDeniedException (You may not): "
        "use credentials that have this permission."
    )


def test_expired_credentials(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("GetCallerIdentity", "ExpiredToken", "Expired.\nsecret headers")
    said = failure(capsys)
    assert said.endswith("AWS does not accept the credentials. Sign in again.")
    assert "secret" not in said


def test_interrupted(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    fake.answers["ListRoots"] = interrupt
    assert run() == 130
    assert capsys.readouterr().err == "\nroot-virtual-mfa: interrupted.\n"


@pytest.mark.parametrize("output", ["report.pdf", "report", "nowhere/report.html"])
def test_output_that_cannot_be_written_is_refused_before_anything_is_read(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], tmp_path: Path, output: str
) -> None:
    assert str(tmp_path) in failure(capsys, "--output", str(tmp_path / output))
    assert fake.calls == []


@pytest.mark.usefixtures("fake")
def test_file_keeps_its_permissions_its_link_and_its_name(tmp_path: Path) -> None:
    old, link, new = tmp_path / "old.json", tmp_path / "link.json", tmp_path / "new.json"
    old.write_text("before", encoding="utf-8")
    old.chmod(0o604)
    link.symlink_to(old)
    before = os.umask(0o027)
    try:
        assert run("--output", str(link), "--output", str(new)) == 0
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert all(json.loads(path.read_text(encoding="utf-8"))["schema_version"] == 1 for path in (old, new))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o604, 0o640]
    assert {path.name for path in tmp_path.iterdir()} == {"old.json", "link.json", "new.json"}


@pytest.mark.usefixtures("fake")
def test_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text, encoding="utf-8")
        assert run("--format", "json", "--output", str(tmp_path / "pipe")) == 0
        assert json.loads(read.result())["schema_version"] == 1


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)])
def test_file_is_written_wholly_or_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int
) -> None:
    output = tmp_path / "report.json"
    output.write_text("before", encoding="utf-8")

    def fail(*_: Any) -> None:  # noqa: ANN401 - what fchmod takes
        raise failure

    monkeypatch.setattr("os.fchmod", fail)
    assert run("--output", str(output)) == code
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert output.read_text(encoding="utf-8") == "before"


@pytest.mark.usefixtures("fake")
def test_output_that_is_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    assert run("--output", str(tmp_path / "folder.html")) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_no_region(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    assert failure(capsys).startswith("root-virtual-mfa: No Region is set")


def test_failure_in_one_of_many_accounts_ends_the_report(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    before = fake.answers["GetAggregateComplianceDetailsByConfigRule"]
    assert callable(before)

    def answer(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["AccountId"] == OTHER:
            raise RefusalError("InternalFailure")
        return before(parameters)

    fake.answers["GetAggregateComplianceDetailsByConfigRule"] = answer
    assert "InternalFailure" in failure(capsys)
