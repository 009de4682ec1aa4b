"""The scripts of RootVirtualMfa-Notify, with real boto3 clients whose answers the tests give."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from remediation import start_evaluation
from remediation.open_ops_item import PROCEDURE, SENT_BY, open_ops_item
from remediation.open_ops_item import SOURCE as OPENS
from remediation.read_result import RULE_NAME, NoResultError, read_result
from remediation.resolve_ops_items import SOURCE as RESOLVES
from remediation.resolve_ops_items import resolve_ops_items
from tests.unit.fake_aws import FakeAws, RefusalError, paged

ACCOUNT = "123456789012"
ITEM = "oi-0123456789ab"
BEFORE, NOW = "11111111-2222-3333-4444-555555555551", "11111111-2222-3333-4444-555555555552"
EVENT = {
    "AccountId": ACCOUNT,
    "Annotation": "Root has no MFA.",
    "RuleName": "root-virtual-mfa-enabled",
    "ExecutionId": NOW,
    "Partition": "aws",
    "Region": "eu-central-1",
}


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws()
    with fake.in_place():
        yield fake


# --- ReadResult ---


def result(rule_name: str, compliance: str, annotation: str | None = "Found.") -> dict[str, Any]:
    qualifier = {"ConfigRuleName": rule_name, "ResourceType": "AWS::::Account", "ResourceId": ACCOUNT}
    entry: dict[str, Any] = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": datetime.now(UTC)},
        "ComplianceType": compliance,
    }
    return entry | ({"Annotation": annotation} if annotation else {})


@pytest.mark.parametrize(
    "name",
    [
        "root-virtual-mfa-enabled",
        "root-virtual-mfa-enabled-conformance-pack-a1b2c3d4e",
        "OrgConfigRule-root-virtual-mfa-enabled-x1y2z3",
    ],
)
def test_the_result_is_that_of_the_rule_whatever_its_suffix_on_whatever_page(aws: FakeAws, name: str) -> None:
    pages = [[result("iam-password-policy", "NON_COMPLIANT", "Of another rule.")], [], [result(name, "COMPLIANT")]]
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", pages)
    assert read_result({"AccountId": ACCOUNT}, None) == {"Compliance": "COMPLIANT", "Annotation": "Found.", "RuleName": name}
    asked = aws.called("GetComplianceDetailsByResource")
    assert len(asked) == 3
    assert {(each["ResourceType"], each["ResourceId"]) for each in asked} == {("AWS::::Account", ACCOUNT)}


def test_the_worst_of_several_results_counts(aws: FakeAws) -> None:
    results = [
        result("root-virtual-mfa-enabled", "COMPLIANT"),
        result("root-virtual-mfa-enabled-conformance-pack-a1", "NON_COMPLIANT", "Worse."),
        result("root-virtual-mfa-enabled-conformance-pack-b2", "NOT_APPLICABLE"),
    ]
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", [results])
    assert read_result({"AccountId": ACCOUNT}, None)["Annotation"] == "Worse."


def test_a_result_without_annotation_is_one(aws: FakeAws) -> None:
    found = [result("root-virtual-mfa-enabled", "NON_COMPLIANT", annotation=None)]
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", [found])
    assert read_result({"AccountId": ACCOUNT}, None)["Annotation"] == "The result has no annotation."


@pytest.mark.parametrize(
    "name",
    ["root-virtual-mfa-enabled-strict", "my-root-virtual-mfa-enabled", "root-virtual-mfa-enabled-conformance-pack-", "other"],
)
def test_no_result_is_an_error_and_no_verdict(aws: FakeAws, name: str) -> None:
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", [[result(name, "COMPLIANT")]])
    with pytest.raises(NoResultError, match=f"no result of the rule root-virtual-mfa-enabled for account {ACCOUNT}"):
        read_result({"AccountId": ACCOUNT}, None)


def test_both_runbooks_look_for_the_same_rule() -> None:
    assert RULE_NAME == start_evaluation.RULE_NAME


# --- OpenOpsItem ---


def test_a_new_ops_item_says_all_and_its_message_is_sent(aws: FakeAws) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    opened = open_ops_item(EVENT, None)
    assert (opened["OpsItemId"], opened["SendsMessage"]) == (ITEM, True)
    [item] = aws.called("CreateOpsItem")
    assert (item["Source"], item["Category"], item["Severity"]) == (OPENS, "Security", "2")
    assert item["Description"].startswith("Root has no MFA.")
    assert item["Description"].endswith(PROCEDURE)
    data = {key: value["Value"] for key, value in item["OperationalData"].items()}
    assert json.loads(data["/aws/dedup"]) == {"dedupString": f"root-virtual-mfa-{ACCOUNT}"}
    assert json.loads(data["/aws/resources"]) == [{"arn": f"arn:aws:iam::{ACCOUNT}:root"}]
    assert data[SENT_BY] == NOW
    for said in ("Root has no MFA.", ITEM, ACCOUNT, "eu-central-1", PROCEDURE):
        assert said in opened["Message"]


def test_the_longest_annotation_fits_where_it_is_to_stand(aws: FakeAws) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    opened = open_ops_item(EVENT | {"Annotation": "x" * 256, "RuleName": "r" * 128}, None)
    [item] = aws.called("CreateOpsItem")
    # Sources: API model, ssm, OpsItemDescription; API reference, sns, Publish: Subject.
    assert len(item["Description"]) <= 2048
    assert len(opened["Subject"]) <= 100
    assert opened["Subject"].isascii()


def there_is(aws: FakeAws, *, sent_by: str | None, description: str, execution: str = "Success") -> None:
    def exists(_: Mapping[str, Any]) -> dict[str, Any]:
        raise RefusalError("OpsItemAlreadyExistsException", OpsItemId=ITEM)

    data = {SENT_BY: {"Type": "SearchableString", "Value": sent_by}} if sent_by else {}
    aws.answers["CreateOpsItem"] = exists
    aws.answers["GetOpsItem"] = {"OpsItem": {"OpsItemId": ITEM, "Description": description, "OperationalData": data}}
    aws.answers["GetAutomationExecution"] = {"AutomationExecution": {"AutomationExecutionStatus": execution}}
    aws.answers["UpdateOpsItem"] = {}


def description() -> str:
    return f"{EVENT['Annotation']}\n(AWS Config rule {EVENT['RuleName']}, control AWS_IAM_43)\n\n{PROCEDURE}"


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Waiting", "Success"])
def test_the_second_run_changes_nothing_and_sends_nothing(aws: FakeAws, status: str) -> None:
    there_is(aws, sent_by=BEFORE, description=description(), execution=status)
    opened = open_ops_item(EVENT, None)
    assert (opened["OpsItemId"], opened["SendsMessage"]) == (ITEM, False)
    assert aws.called("UpdateOpsItem") == []


def test_another_annotation_is_brought_up_to_date_without_another_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, description="What was found before.")
    assert open_ops_item(EVENT, None)["SendsMessage"] is False
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Description": description()}]


def test_a_step_that_is_tried_again_since_an_answer_was_lost_sends_its_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=NOW, description=description(), execution="InProgress")
    assert open_ops_item(EVENT, None)["SendsMessage"] is True


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled"])
def test_a_message_whose_execution_failed_is_sent_by_the_next(aws: FakeAws, status: str) -> None:
    there_is(aws, sent_by=BEFORE, description=description(), execution=status)
    assert open_ops_item(EVENT, None)["SendsMessage"] is True
    [update] = aws.called("UpdateOpsItem")
    assert update["OperationalData"] == {SENT_BY: {"Type": "SearchableString", "Value": NOW}}


def test_an_execution_that_is_no_longer_on_record_has_sent_it(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, description=description())
    aws.refuse("GetAutomationExecution", "AutomationExecutionNotFoundException")
    assert open_ops_item(EVENT, None)["SendsMessage"] is False


def test_an_ops_item_that_says_of_no_execution_gets_a_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=None, description=description())
    assert open_ops_item(EVENT, None)["SendsMessage"] is True


# --- ResolveOpsItems ---


def test_what_is_open_or_in_progress_is_resolved_on_every_page(aws: FakeAws) -> None:
    ids = [f"oi-00000000000{number}" for number in range(4)]
    items = [
        {"OpsItemId": item, "Status": status}
        for item, status in zip(ids, ("Resolved", "Open", "Closed", "InProgress"), strict=True)
    ]
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [items[:2], [], items[2:]])
    aws.answers["UpdateOpsItem"] = {}
    assert resolve_ops_items({}, None) == {"Resolved": [ids[1], ids[3]]}
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": item, "Status": "Resolved"} for item in (ids[1], ids[3])]
    assert aws.called("DescribeOpsItems")[0]["OpsItemFilters"] == [{"Key": "Source", "Values": [RESOLVES], "Operator": "Equal"}]


def test_where_nothing_is_open_nothing_is_changed(aws: FakeAws) -> None:
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    assert resolve_ops_items({}, None) == {"Resolved": []}


def test_what_one_script_opens_another_resolves() -> None:
    assert OPENS == RESOLVES
