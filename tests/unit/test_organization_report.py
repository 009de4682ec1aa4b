"""The report as it is run, on answers of AWS: what is called, what is printed and written, and the exit code."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from organization import aws, formats, reading, report
from tests.unit.fake_aws import CENTRAL, REGION, FakeAws, RefusalError, paged
from tests.unit.fake_organization import MANAGEMENT, MEMBER, ORGANIZATION, OTHER, ROOT, account, evaluation, stack

SUFFIX = "-conformance-pack-abc123xyz"
RULE = f"root-virtual-mfa-enabled{SUFFIX}"
WICKED = "<script>alert(1)</script>"


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer for an organization of four accounts in two units, all of which are COMPLIANT."""
    units = {
        ROOT: [{"Id": "ou-a1b2-11111111", "Name": "Workloads"}],
        "ou-a1b2-11111111": [{"Id": "ou-a1b2-22222222", "Name": "Production"}],
        "ou-a1b2-22222222": [],
    }
    accounts: dict[str, list[list[Any]]] = {
        ROOT: [[account(MANAGEMENT, "Management")], [account(CENTRAL, "Security")]],
        "ou-a1b2-11111111": [[]],
        "ou-a1b2-22222222": [[account(MEMBER, WICKED)], [], [account(OTHER, "=1+1")]],
    }
    ids = [MANAGEMENT, CENTRAL, MEMBER, OTHER]
    rules: list[dict[str, Any]] = [{"ConfigRuleName": RULE, "AccountId": each, "AwsRegion": REGION} for each in ids]
    rules += [{"ConfigRuleName": f"{RULE}-old", "AccountId": MEMBER, "AwsRegion": REGION}]
    arrived: list[Any] = [{"AccountId": each, "ConformancePackName": "x", "Status": "CREATE_SUCCESSFUL"} for each in ids]
    stacks: list[dict[str, Any]] = [
        {"Account": each, "StackInstanceStatus": {"DetailedStatus": "SUCCEEDED"}} for each in ids if each != MANAGEMENT
    ]
    log_group = {"LogicalResourceId": "FunctionLogGroup", "PhysicalResourceId": "log", "ResourceType": "AWS::Logs::LogGroup"}

    def accounts_of(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return paged("Accounts", accounts[parameters["ParentId"]])(parameters)

    def details(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        results = [evaluation(parameters["AccountId"], "COMPLIANT")]
        return paged("AggregateEvaluationResults", [[], results, []])(parameters)

    fake = FakeAws(
        {
            "DescribeStacks": {"Stacks": [stack(ManagementAccountHasEvaluationRole="true")]},
            "ListStackResources": {"StackResourceSummaries": [log_group]},
            "DescribeOrganizationConformancePacks": {"OrganizationConformancePacks": [{"ExcludedAccounts": []}]},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListOrganizationalUnitsForParent": lambda asked: {"OrganizationalUnits": units[asked["ParentId"]]},
            "ListAccountsForParent": accounts_of,
            "GetOrganizationConformancePackDetailedStatus": paged(
                "OrganizationConformancePackDetailedStatuses", [arrived[:2], [], arrived[2:]]
            ),
            "ListStackInstances": paged("Summaries", [stacks[:1], stacks[1:]]),
            "DescribeAggregateComplianceByConfigRules": paged("AggregateComplianceByConfigRules", [rules[:1], [], rules[1:]]),
            "GetAggregateComplianceDetailsByConfigRule": details,
        }
    )
    with fake.in_place():
        yield fake


@pytest.fixture
def reasons(tmp_path: Path) -> Path:
    """Name a file of reasons."""
    return tmp_path / "excluded-accounts.yaml"


def run(*arguments: str) -> int:
    return aws.run("report", lambda: report.main(arguments))


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
    assert all(name.startswith(("Describe", "List", "Get")) for name, _ in fake.calls)
    details = fake.called("GetAggregateComplianceDetailsByConfigRule")
    assert {(each["AccountId"], each["ConfigRuleName"]) for each in details} == {
        (each, RULE) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)
    }
    assert len([each for each in details if "NextToken" not in each]) == 4


def test_json_keys_are_those_that_are_documented(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListStackInstances"] = {"Summaries": []}
    run("--format", "json")
    document = json_report(capsys)
    assert document["schema_version"] == 1
    assert document["organization_id"] == ORGANIZATION
    documented = formats.as_json.__doc__ or ""
    keys = {*document, *document["stack"], *document["accounts"][1], *document["accounts"][1]["advice"][0]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()


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
    fake: FakeAws, reasons: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["DescribeStacks"] = {
        "Stacks": [stack(ManagementAccountHasEvaluationRole="true", ExcludedAccounts=f"{MEMBER}, {OTHER}")]
    }
    reasons.write_text(f'"{MEMBER}": Sandbox.\n', encoding="utf-8")
    units = fake.answers["ListAccountsForParent"]
    assert callable(units)
    fake.answers["ListAccountsForParent"] = lambda asked: (
        {"Accounts": [account(MANAGEMENT, "Management"), account(CENTRAL, "Security", "SUSPENDED")]}
        if asked["ParentId"] == ROOT
        else units(asked)
    )
    assert run("--format", "json", "--exclusions", str(reasons)) == 0
    document = json_report(capsys)
    assert statuses(document) == {MANAGEMENT: "COMPLIANT", CENTRAL: "SUSPENDED", MEMBER: "EXCLUDED", OTHER: "EXCLUDED"}
    assert [each["reason"] for each in document["accounts"][2:]] == ["Sandbox.", "No reason given in excluded-accounts.yaml."]
    assert {each["AccountId"] for each in fake.called("GetAggregateComplianceDetailsByConfigRule")} == {MANAGEMENT}


def test_errors_of_pack_and_stack_set_are_shown_for_the_account(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {
        "AccountId": MEMBER,
        "ConformancePackName": "x",
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
    assert [each["why"] for each in row["advice"][1:]] == [
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
    assert document["accounts"][2]["advice"][1]["commands"] == ["make deploy CONFIG_ENV=organization"]
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


# --- How it is shown ---


def test_table_has_each_account_what_to_do_and_totals(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListStackInstances"] = {"Summaries": []}
    assert run() == 0
    printed = capsys.readouterr().out
    assert all(each in printed for each in (MANAGEMENT, WICKED, "Root/Workloads/Production", "COMPLIANT"))
    assert "4 accounts: 4 COMPLIANT" in printed
    command = f"Accounts={MEMBER},AccountFilterType=INTERSECTION --regions {REGION}"
    assert any(line.endswith(command) for line in printed.splitlines()), "a command stands on one line"


def test_names_are_no_markup_of_the_terminal(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListAccountsForParent"] = {"Accounts": [account(MEMBER, "[red]alarm[/red]")]}
    run()
    assert "[red]alarm[/red]" in capsys.readouterr().out


def test_csv_is_safe_in_a_spreadsheet(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    change_details(fake, OTHER, evaluation(OTHER, "NON_COMPLIANT", annotation="@SUM(A1)"))
    fake.answers["ListStackInstances"] = {"Summaries": []}
    assert run("--format", "csv") == 1
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [line["account_name"] for line in lines] == ["Management", "Security", WICKED, "'=1+1"]
    assert lines[3]["annotation"] == "'@SUM(A1)"
    assert lines[3]["rule_names"] == RULE
    assert "create-stack-instances" in lines[3]["advice"]
    assert lines[0]["advice"] == ""


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


def test_page_has_every_account_and_what_finds_it(html: str) -> None:
    tags = Page(html).tags
    found = {attributes["data-account"]: attributes["data-status"] for _, attributes in tags if "data-account" in attributes}
    assert found == {MANAGEMENT: "COMPLIANT", CENTRAL: "COMPLIANT", MEMBER: "NON_COMPLIANT", OTHER: "UNKNOWN"}
    assert [tag for tag, attributes in tags if attributes.get("id") == "filter"] == ["input"]
    assert [attributes["aria-sort"] for tag, attributes in tags if tag == "th" and attributes.get("scope") == "col"] == [
        "none"
    ] * 5
    assert "2 of 4 accounts fail or are unknown." in html


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
        f"report: There is no stack root-virtual-mfa in account {CENTRAL}, Region {REGION}: "
        "use the account and the home Region of the deployment."
    )


def test_no_aggregator(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeAggregateComplianceByConfigRules", "NoSuchConfigurationAggregatorException")
    assert "The aggregator agg is not in account" in failure(capsys)


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeStacks",
        "ListAccountsForParent",
        "ListStackInstances",
        "GetOrganizationConformancePackDetailedStatus",
        "GetAggregateComplianceDetailsByConfigRule",
    ],
)
def test_denied(fake: FakeAws, capsys: pytest.CaptureFixture[str], operation: str) -> None:
    fake.refuse(operation, "AccessDeniedException", "You may not.")
    assert (
        failure(capsys)
        == f"report: {operation} failed with AccessDeniedException (You may not): use credentials that may do it."
    )


def test_expired_credentials(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("GetCallerIdentity", "ExpiredToken", "Expired.\nsecret headers")
    said = failure(capsys)
    assert said.endswith("AWS does not accept the credentials, so sign in anew.")
    assert "secret" not in said


def test_interrupted(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    fake.answers["ListRoots"] = interrupt
    assert run() == 130
    assert capsys.readouterr().err == "report: interrupted.\n"


@pytest.mark.parametrize("output", ["report.pdf", "report", "nowhere/report.html"])
def test_output_that_cannot_be_written_is_refused_before_anything_is_read(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], tmp_path: Path, output: str
) -> None:
    assert str(tmp_path) in failure(capsys, "--output", str(tmp_path / output))
    assert fake.calls == []


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
    assert failure(capsys).startswith("report: No Region is set")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("111111111111: x", "in quotes"),
        ('"1111": x', "12 digits"),
        ('"111111111111": ""', "a reason"),
        ('"111111111111": 5', "a reason"),
        ("- x", "a mapping"),
        ("a: [", "cannot be read"),
    ],
)
def test_reasons_that_are_no_reasons(
    fake: FakeAws, reasons: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    reasons.write_text(text, encoding="utf-8")
    line = failure(capsys, "--exclusions", str(reasons))
    assert str(reasons) in line
    assert said in line
    assert fake.calls == []


@pytest.mark.parametrize("text", ["", "{}", "# nothing"])
def test_no_reasons(reasons: Path, text: str) -> None:
    reasons.write_text(text, encoding="utf-8")
    assert reading.exclusion_reasons(reasons) == {}


def test_no_file_of_reasons(reasons: Path) -> None:
    assert reading.exclusion_reasons(reasons) == {}


def test_reasons_of_the_project_can_be_read() -> None:
    assert isinstance(reading.exclusion_reasons(reading.EXCLUSIONS), dict)


def test_failure_in_one_of_many_accounts_ends_the_report(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    before = fake.answers["GetAggregateComplianceDetailsByConfigRule"]
    assert callable(before)

    def answer(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["AccountId"] == OTHER:
            raise RefusalError("InternalFailure")
        return before(parameters)

    fake.answers["GetAggregateComplianceDetailsByConfigRule"] = answer
    assert "InternalFailure" in failure(capsys)
