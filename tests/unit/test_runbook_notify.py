"""The scripts of RootVirtualMfa-Notify, with real boto3 clients and answers from the tests."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from remediation import config_rule, ops_items
from remediation.config_rule import ForeignAccountError, NoResultError, read_result
from remediation.ops_items import PROCEDURE, SENT_BY, SOURCE, open_ops_item, quoted, resolve_ops_items
from tests.fake_aws import FakeAws, RefusalError, paged

ACCOUNT, OTHER_ACCOUNT, CENTRAL = "123456789012", "210987654321", "222222222222"
ITEM, OTHER_ITEM = "oi-0123456789ab", "oi-ba9876543210"
BEFORE, NOW, FURTHER = (f"11111111-2222-3333-4444-55555555555{number}" for number in range(1, 4))
STARTED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
NO_OUTPUT = "No output available yet because the step is not successfully executed"
RULES = {"RuleName": "root-virtual-mfa-enabled", "PackRulePrefix": "root-virtual-mfa-enabled-conformance-pack-"}
READ = {"AccountId": ACCOUNT, "OwnAccountId": ACCOUNT, **RULES, "CentralAccountId": ""}
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
    assert fake.actions <= config_rule.PERMISSIONS["read_result"].union(*ops_items.PERMISSIONS.values())


# --- ReadResult ---


def result(rule_name: str, compliance: str, annotation: str | None = "Found.") -> dict[str, Any]:
    qualifier = {"ConfigRuleName": rule_name, "ResourceType": "AWS::::Account", "ResourceId": ACCOUNT}
    entry: dict[str, Any] = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": datetime.now(UTC)},
        "ComplianceType": compliance,
    }
    return entry | ({"Annotation": annotation} if annotation else {})


def there_are(
    aws: FakeAws,
    pages: list[list[dict[str, Any]]],
    *,
    created_by: Mapping[str, str] | None = None,
    evaluated_in: Mapping[str, str] | None = None,
) -> None:
    """Give AWS Config results and their rules, with who made each rule and which account's function evaluates it."""
    names = [
        result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"] for page in pages for result in page
    ]
    rules = [
        {
            "ConfigRuleName": name,
            "Source": {"SourceIdentifier": f"arn:aws:lambda:eu-central-1:{(evaluated_in or {}).get(name, ACCOUNT)}:function:f"},
            **({"CreatedBy": created_by[name]} if created_by and name in created_by else {}),
        }
        for name in names
    ]
    aws.answers["DescribeConfigRules"] = paged("ConfigRules", [rules[:1], [], rules[1:]])
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", pages)


@pytest.mark.parametrize("name", ["root-virtual-mfa-enabled", "root-virtual-mfa-enabled-conformance-pack-a1b2c3d4e"])
def test_the_result_is_that_of_the_rule_whatever_its_suffix_on_whatever_page(aws: FakeAws, name: str) -> None:
    there_are(aws, [[result("iam-password-policy", "NON_COMPLIANT", "Of another rule.")], [], [result(name, "COMPLIANT")]])
    assert read_result(READ, None) == {"Compliance": "COMPLIANT", "Annotation": "Found.", "RuleName": name}
    asked = aws.called("GetComplianceDetailsByResource")
    assert len(asked) == 3
    assert {(each["ResourceType"], each["ResourceId"]) for each in asked} == {("AWS::::Account", ACCOUNT)}


def test_the_worst_of_several_results_counts(aws: FakeAws) -> None:
    results = [
        result("root-virtual-mfa-enabled", "COMPLIANT"),
        result("root-virtual-mfa-enabled-conformance-pack-a1", "NON_COMPLIANT", "Worse."),
        result("root-virtual-mfa-enabled-conformance-pack-b2", "NOT_APPLICABLE"),
    ]
    there_are(aws, [results])
    assert read_result(READ, None)["Annotation"] == "Worse."


def test_in_an_organization_only_its_own_rule_counts(aws: FakeAws) -> None:
    prefix, service = RULES["PackRulePrefix"], "config-conforms.amazonaws.com"
    results = [
        result("root-virtual-mfa-enabled", "NON_COMPLIANT", "Hers."),
        result(f"{prefix}a1", "NON_COMPLIANT", "Hers, on the central function."),
        result(f"{prefix}b2", "NON_COMPLIANT", "Of a pack of hers, on her function."),
        result(f"{prefix}c3", "COMPLIANT", "The organization's."),
    ]
    made = {f"{prefix}b2": service, f"{prefix}c3": service}
    evaluated = {f"{prefix}a1": CENTRAL, f"{prefix}c3": CENTRAL}
    there_are(aws, [results], created_by=made, evaluated_in=evaluated)
    assert read_result(READ | {"CentralAccountId": CENTRAL}, None)["Annotation"] == "The organization's."
    there_are(aws, [results[:3]], created_by=made, evaluated_in=evaluated)
    with pytest.raises(NoResultError, match="only the organization's rule counts"):
        read_result(READ | {"CentralAccountId": CENTRAL}, None)


def test_in_one_account_a_rule_of_its_own_counts(aws: FakeAws) -> None:
    there_are(aws, [[result("root-virtual-mfa-enabled", "NON_COMPLIANT")]])
    assert read_result(READ, None)["Annotation"] == "Found."


def test_a_result_without_annotation_is_one(aws: FakeAws) -> None:
    there_are(aws, [[result("root-virtual-mfa-enabled", "NON_COMPLIANT", annotation=None)]])
    assert read_result(READ, None)["Annotation"] == "The result has no annotation."


def test_no_result_is_an_error_and_no_verdict(aws: FakeAws) -> None:
    there_are(aws, [[result("root-virtual-mfa-enabled-strict", "COMPLIANT")]])
    with pytest.raises(NoResultError, match=f"no result of the rule root-virtual-mfa-enabled for account {ACCOUNT}"):
        read_result(READ, None)


def test_nothing_is_said_in_the_name_of_another_account(aws: FakeAws) -> None:
    with pytest.raises(ForeignAccountError, match=f"AccountId is {OTHER_ACCOUNT}, and this is account {ACCOUNT}"):
        read_result(READ | {"AccountId": OTHER_ACCOUNT}, None)
    assert aws.calls == []


# --- What others wrote is quoted ---


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            'Root has no MFA: sign in (as root), e-mail. 100 % #1; it\'s "so"',
            'Root has no MFA: sign in (as root), e-mail. 100 % #1; it\'s "so"',
        ),
        ("a\r\nb\tc\x00\x1b[31m\x7f\x85", r"a\u000d\u000ab\u0009c\u0000\u001b\u005b31m\u007f\u0085"),
        ("a\u2028b\u2029c\u202ed\u2066e\u200bf\ufeffg", r"a\u2028b\u2029c\u202ed\u2066e\u200bf\ufeffg"),
        ("é\U0001f600", r"\u00e9\u1f600"),
        ("http://x.evil/login", "http(:)//x(.)evil/login"),
        ("x.evil and www.x.evil, ftp://[::1]/", r"x(.)evil and www(.)x(.)evil, ftp(:)//\u005b(:)(:)1\u005d/"),
        ("http://2130706433/ mailto:a@x.evil", "http(:)//2130706433/ mailto(:)a(@)x(.)evil"),
        ("[Sign in](//2130706433/x) <b>`&#46;", r"\u005bSign in\u005d(//2130706433/x) \u003cb\u003e\u0060\u0026#46;"),
        (r"\\srv\x", r"\u005c\u005csrv\u005cx"),
        ("x\u3002evil x\uff0eevil", r"x\u3002evil x\uff0eevil"),
        ("a" + chr(123) * 2 + " global:REGION }}", r"a\u007b\u007b global(:)REGION \u007d\u007d"),
    ],
)
def test_what_others_wrote_is_one_line_that_hides_nothing_and_links_nowhere(text: str, line: str) -> None:
    assert quoted(text, 500) == line


def test_a_quotation_is_cut_after_so_many_characters() -> None:
    assert quoted("x" * 20, 20) == "x" * 20
    assert quoted("x" * 21, 20) == "x" * 17 + "..."
    assert len(quoted("\x00" * 256, 500)) == 500


def test_the_annotation_and_the_name_of_the_rule_are_quotations_and_the_rest_is_ours(aws: FakeAws) -> None:
    there_is_nothing(aws)
    opened = open_ops_item(EVENT | {"Annotation": "A\nhttp://x.evil", "RuleName": "B\nwww.x.evil"}, None)
    lines = opened["Message"].split("\n")
    assert lines[:4] == [
        "AWS Config's annotation, quoted:",
        r"> A\u000ahttp(:)//x(.)evil",
        "The name of its rule (control AWS_IAM_43), quoted:",
        r"> B\u000awww(.)x(.)evil",
    ]
    assert re.findall(r"\S*(?:://|www)\S*", "\n".join(lines[4:])) == [
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-virt-mfa-for-root.html"
    ]
    [item] = aws.called("CreateOpsItem")
    assert opened["Message"].startswith(f"{item['Description']}\n")


# --- OpenOpsItem ---


def execution(
    execution_id: str, status: str = "Success", *, ago: timedelta = timedelta(minutes=5), **more: object
) -> dict[str, Any]:
    """Make Automation's record of an execution of Notify. By default it sent the notice of ITEM."""
    outputs = {"OpenOpsItem.OpsItemId": [ITEM], "PublishMessage.MessageId": ["0a1b"]} if status == "Success" else {}
    return {
        "AutomationExecutionId": execution_id,
        "DocumentName": "RootVirtualMfa-Notify",
        "AutomationExecutionStatus": status,
        "ExecutionStartTime": STARTED - ago,
        "Mode": "Auto",
        "Outputs": outputs,
        **more,
    }


def automation_has(aws: FakeAws, *executions: dict[str, Any], listed: Callable[[dict[str, Any]], bool] | None = None) -> None:
    """Give Automation this execution and others, one on each page, after an empty page."""
    by_id = {each["AutomationExecutionId"]: each for each in (execution(NOW, "InProgress", ago=timedelta()), *executions)}

    def get(asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["AutomationExecutionId"] not in by_id:
            raise RefusalError("AutomationExecutionNotFoundException")
        return {"AutomationExecution": by_id[asked["AutomationExecutionId"]]}

    def describe(asked: Mapping[str, Any]) -> dict[str, Any]:
        filters = {each["Key"]: each["Values"] for each in asked["Filters"]}
        [prefix], [since] = filters["DocumentNamePrefix"], filters["StartTimeAfter"]
        found = [
            each
            for each in by_id.values()
            if each["DocumentName"].startswith(prefix) and each["ExecutionStartTime"] >= datetime.fromisoformat(since)
        ]
        return paged("AutomationExecutionMetadataList", [[], *([each] for each in found if listed is None or listed(each))])(
            asked
        )

    aws.answers["GetAutomationExecution"] = get
    aws.answers["DescribeAutomationExecutions"] = describe


def there_is_nothing(aws: FakeAws) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    automation_has(aws)


def test_a_new_ops_item_says_all_and_its_message_is_sent(aws: FakeAws) -> None:
    there_is_nothing(aws)
    opened = open_ops_item(EVENT, None)
    assert (opened["OpsItemId"], opened["SendsMessage"]) == (ITEM, True)
    [item] = aws.called("CreateOpsItem")
    assert (item["Source"], item["Category"], item["Severity"]) == (SOURCE, "Security", "2")
    assert "> Root has no MFA.\n" in item["Description"]
    assert item["Description"].endswith(PROCEDURE)
    data = {key: value["Value"] for key, value in item["OperationalData"].items()}
    assert json.loads(data["/aws/dedup"]) == {"dedupString": f"root-virtual-mfa-{ACCOUNT}"}
    assert json.loads(data["/aws/resources"]) == [{"arn": f"arn:aws:iam::{ACCOUNT}:root"}]
    assert data[SENT_BY] == NOW
    for said in ("Root has no MFA.", ITEM, ACCOUNT, "eu-central-1", PROCEDURE):
        assert said in opened["Message"]


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600"])
def test_the_longest_annotation_fits_where_it_is_to_stand(aws: FakeAws, character: str) -> None:
    there_is_nothing(aws)
    opened = open_ops_item(EVENT | {"Annotation": character * 256, "RuleName": character * 128}, None)
    [item] = aws.called("CreateOpsItem")
    # Sources: API model, ssm, OpsItemDescription; API reference, sns, Publish: Subject.
    assert len(item["Description"]) <= 2048
    assert len(opened["Subject"]) <= 100
    assert opened["Subject"].isascii()
    assert opened["Subject"].isprintable()
    assert ("x" * 256 in item["Description"]) is (character == "x")


# One notice a day


LONG_AGO = timedelta(days=3)


@pytest.mark.parametrize(
    ("other", "sends"),
    [
        (execution(BEFORE), False),
        (execution(BEFORE, ago=timedelta(hours=23, minutes=59)), False),
        (execution(BEFORE, ago=timedelta(hours=24, minutes=1)), True),
        # The notice was sent, however the execution ended.
        (execution(BEFORE, "Cancelled", Outputs={"PublishMessage.MessageId": ["0a1b"]}), False),
        (execution(BEFORE, ago=-timedelta(minutes=1)), False),
        # If several run at the same time, the first one sends, unless somebody holds it up.
        (execution(BEFORE, "InProgress", ago=timedelta(seconds=1)), False),
        (execution(BEFORE, "Pending", ago=timedelta(seconds=1)), False),
        (execution(BEFORE, "InProgress", ago=timedelta()), False),
        (execution(FURTHER, "InProgress", ago=timedelta()), True),
        (execution(FURTHER, "InProgress", ago=-timedelta(seconds=1)), True),
        (execution(BEFORE, "InProgress", ago=timedelta(minutes=61)), True),
        (execution(BEFORE, "InProgress", Mode="Interactive"), True),
        (execution(BEFORE, "Waiting"), True),
        # It sent no notice.
        (execution(BEFORE, Outputs={"OpenOpsItem.OpsItemId": [ITEM], "PublishMessage.MessageId": [NO_OUTPUT]}), True),
        (execution(BEFORE, Outputs={"ResolveOpsItems.Resolved": [ITEM]}), True),
        (execution(BEFORE, "Failed"), True),
        (execution(BEFORE, "TimedOut"), True),
        # Another runbook sent it, with a similar name.
        (execution(BEFORE, DocumentName="RootVirtualMfa-Notify-too"), True),
        (execution(BEFORE, DocumentName=f"arn:aws:ssm:eu-central-1:{OTHER_ACCOUNT}:document/RootVirtualMfa-Notify"), True),
        # This runbook, started by its ARN.
        (execution(BEFORE, DocumentName=f"arn:aws:ssm:eu-central-1:{ACCOUNT}:document/RootVirtualMfa-Notify"), False),
    ],
)
def test_a_new_ops_item_has_a_message_unless_another_execution_sent_one_in_the_day_before(
    aws: FakeAws, other: dict[str, Any], *, sends: bool
) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    automation_has(aws, other)
    assert open_ops_item(EVENT, None)["SendsMessage"] is sends
    [item] = aws.called("CreateOpsItem")
    assert (SENT_BY in item["OperationalData"]) is sends


def test_if_lists_have_no_outputs_they_are_asked_for(aws: FakeAws) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    automation_has(aws, execution(BEFORE))
    describe = aws.answers["DescribeAutomationExecutions"]
    assert callable(describe)

    def without_outputs(asked: Mapping[str, Any]) -> dict[str, Any]:
        answer = dict(describe(asked))
        answer["AutomationExecutionMetadataList"] = [
            {name: value for name, value in each.items() if name != "Outputs"}
            for each in answer["AutomationExecutionMetadataList"]
        ]
        return answer

    aws.answers["DescribeAutomationExecutions"] = without_outputs
    assert open_ops_item(EVENT, None)["SendsMessage"] is False


# An existing OpsItem


def there_is(aws: FakeAws, *, sent_by: str | None, others: list[dict[str, Any]] | None = None, **item: object) -> None:
    """Make an open OpsItem as this runbook does, changed by `item`, and executions of the runbook three days ago."""

    def create(asked: Mapping[str, Any]) -> dict[str, Any]:
        if len(aws.called("CreateOpsItem")) == 1:
            raise RefusalError("OpsItemAlreadyExistsException", OpsItemId=ITEM)
        return {"OpsItemId": OTHER_ITEM, "asked": asked}

    data = {SENT_BY: {"Type": "SearchableString", "Value": sent_by}} if sent_by is not None else {}
    resources = json.dumps([{"arn": f"arn:aws:iam::{ACCOUNT}:root"}])
    aws.answers["CreateOpsItem"] = create
    aws.answers["GetOpsItem"] = {
        "OpsItem": {
            "OpsItemId": ITEM,
            "Title": f"Root user of account {ACCOUNT}: no compliant virtual MFA device",
            "Description": description(),
            "Category": "Security",
            "Severity": "2",
            "Source": SOURCE,
            "Status": "Open",
            "OperationalData": data | {"/aws/resources": {"Type": "SearchableString", "Value": resources}},
            **item,
        }
    }
    aws.answers["UpdateOpsItem"] = {}
    automation_has(aws, *(others if others is not None else [execution(BEFORE, ago=LONG_AGO)]))


def description() -> str:
    return (
        f"AWS Config's annotation, quoted:\n> {EVENT['Annotation']}\n"
        f"The name of its rule (control AWS_IAM_43), quoted:\n> {EVENT['RuleName']}\n\n{PROCEDURE}"
    )


MARK = {SENT_BY: {"Type": "SearchableString", "Value": NOW}}


def test_if_the_message_was_sent_the_next_run_changes_nothing_and_sends_nothing(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE)
    opened = open_ops_item(EVENT, None)
    assert (opened["OpsItemId"], opened["SendsMessage"]) == (ITEM, False)
    assert aws.called("UpdateOpsItem") == []


def test_another_annotation_is_brought_up_to_date_without_another_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, Description="What was found before.")
    assert open_ops_item(EVENT, None)["SendsMessage"] is False
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Description": description()}]


def test_a_step_that_is_tried_again_since_an_answer_was_lost_sends_its_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=NOW)
    assert open_ops_item(EVENT, None)["SendsMessage"] is True


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "InProgress"])
def test_a_message_whose_execution_failed_is_sent_by_the_next(aws: FakeAws, status: str) -> None:
    there_is(aws, sent_by=BEFORE, others=[execution(BEFORE, status, ago=LONG_AGO)])
    assert open_ops_item(EVENT, None)["SendsMessage"] is True
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "OperationalData": MARK}]


@pytest.mark.parametrize(
    ("sent_by", "sender"),
    [
        (None, execution(BEFORE, ago=LONG_AGO)),
        ("", execution(BEFORE, ago=LONG_AGO)),
        ("sent by me", execution(BEFORE, ago=LONG_AGO)),
        (f"{BEFORE}\n", execution(BEFORE, ago=LONG_AGO)),
        (FURTHER, execution(BEFORE, ago=LONG_AGO)),
        (BEFORE, execution(BEFORE, ago=LONG_AGO, DocumentName="RootVirtualMfa-Reevaluate")),
        (
            BEFORE,
            execution(
                BEFORE, ago=LONG_AGO, DocumentName=f"arn:aws:ssm:eu-central-1:{OTHER_ACCOUNT}:document/RootVirtualMfa-Notify"
            ),
        ),
        (BEFORE, execution(BEFORE, ago=LONG_AGO, Outputs={"ResolveOpsItems.Resolved": [ITEM]})),
        # Somebody stopped it before it sent, with Complete of StopAutomationExecution.
        (
            BEFORE,
            execution(BEFORE, ago=LONG_AGO, Outputs={"OpenOpsItem.OpsItemId": [ITEM], "PublishMessage.MessageId": [NO_OUTPUT]}),
        ),
        # It sent the notice of another OpsItem.
        (
            BEFORE,
            execution(
                BEFORE, ago=LONG_AGO, Outputs={"OpenOpsItem.OpsItemId": [OTHER_ITEM], "PublishMessage.MessageId": ["0a1b"]}
            ),
        ),
    ],
)
def test_what_the_ops_item_says_of_its_message_counts_only_if_automation_says_so_too(
    aws: FakeAws, sent_by: str | None, sender: dict[str, Any]
) -> None:
    there_is(aws, sent_by=sent_by, others=[sender])
    assert open_ops_item(EVENT, None)["SendsMessage"] is True
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "OperationalData": MARK}]


def refuse_to_tell_of(aws: FakeAws, execution_id: str, code: str) -> None:
    get = aws.answers["GetAutomationExecution"]
    assert callable(get)

    def refuse(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["AutomationExecutionId"] == execution_id:
            raise RefusalError(code)
        return get(asked)

    aws.answers["GetAutomationExecution"] = refuse


def test_an_id_that_automation_does_not_take_is_none_of_a_sender(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE)
    refuse_to_tell_of(aws, BEFORE, "ValidationException")
    assert open_ops_item(EVENT, None)["SendsMessage"] is True


def test_if_automation_does_not_answer_nothing_is_concluded(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE)
    refuse_to_tell_of(aws, BEFORE, "AccessDeniedException")
    with pytest.raises(ops_items.CallError, match="GetAutomationExecution: AccessDeniedException"):
        open_ops_item(EVENT, None)


def test_within_a_day_of_a_message_the_ops_item_is_brought_up_to_date_and_waits_for_its_own(aws: FakeAws) -> None:
    there_is(aws, sent_by=None, Description="x", others=[execution(BEFORE)])
    assert open_ops_item(EVENT, None)["SendsMessage"] is False
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Description": description()}]


def test_whatever_others_wrote_into_it_becomes_ours(aws: FakeAws) -> None:
    hers: dict[str, Any] = {
        "Title": "Sign in at x.evil",
        "Description": "x",
        "Category": "Cost",
        "Severity": "4",
        "Status": "Closed",
    }
    there_is(aws, sent_by=BEFORE, **hers, OperationalData={})
    assert open_ops_item(EVENT, None)["SendsMessage"] is True
    [update] = aws.called("UpdateOpsItem")
    data = update.pop("OperationalData")
    assert update == {
        "OpsItemId": ITEM,
        "Title": f"Root user of account {ACCOUNT}: no compliant virtual MFA device",
        "Description": description(),
        "Category": "Security",
        "Severity": "2",
        "Status": "Open",
    }
    assert data[SENT_BY]["Value"] == NOW
    assert json.loads(data["/aws/resources"]["Value"]) == [{"arn": f"arn:aws:iam::{ACCOUNT}:root"}]


def test_an_ops_item_that_somebody_works_on_stays_in_progress(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, Status="InProgress")
    open_ops_item(EVENT, None)
    assert aws.called("UpdateOpsItem") == []


def test_an_ops_item_of_another_source_makes_room_for_ours(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, Source="mallory")
    opened = open_ops_item(EVENT, None)
    assert (opened["OpsItemId"], opened["SendsMessage"]) == (OTHER_ITEM, True)
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Status": "Resolved"}]
    first, second = aws.called("CreateOpsItem")
    assert first == second
    assert second["Source"] == SOURCE


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
    assert aws.called("DescribeOpsItems")[0]["OpsItemFilters"] == [{"Key": "Source", "Values": [SOURCE], "Operator": "Equal"}]


def test_if_nothing_is_open_nothing_is_changed(aws: FakeAws) -> None:
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    assert resolve_ops_items({}, None) == {"Resolved": []}


# --- Errors ---


BROKEN = "Unable to parse response, invalid JSON received: b'SECRET"
SCRIPTS = [
    (config_rule, read_result, READ, "DescribeConfigRules"),
    (ops_items, open_ops_item, EVENT, "GetAutomationExecution"),
    (ops_items, resolve_ops_items, {}, "DescribeOpsItems"),
]


@pytest.mark.parametrize(("script", "handler", "event", "operation"), SCRIPTS)
@pytest.mark.parametrize("line_break", ["\n", "\r", "\\n"])
def test_no_error_shows_more_of_an_answer_than_its_code_and_first_line(  # noqa: PLR0913, PLR0917 - a script, and what AWS says
    aws: FakeAws,
    script: Any,  # noqa: ANN401 - a module
    handler: Callable[[dict[str, Any], object], object],
    event: dict[str, Any],
    operation: str,
    line_break: str,
) -> None:
    said = f"The signature does not match.{line_break}{line_break}x-amz-security-token:SECRET"
    aws.refuse(operation, "InvalidSignatureException", said)
    with pytest.raises(script.CallError) as raised:
        handler(event, None)
    assert str(raised.value) == f"{operation}: InvalidSignatureException: The signature does not match."
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(("script", "handler", "event", "operation"), SCRIPTS)
def test_no_error_quotes_an_answer(
    aws: FakeAws,
    script: Any,  # noqa: ANN401 - a module
    handler: Callable[[dict[str, Any], object], object],
    event: dict[str, Any],
    operation: str,
) -> None:
    def broken(_: Mapping[str, Any]) -> dict[str, Any]:
        raise ResponseParserError(BROKEN)

    aws.answers[operation] = broken
    with pytest.raises(script.CallError) as raised:
        handler(event, None)
    assert str(raised.value) == "An answer of AWS could not be parsed. Start the runbook again."
    assert raised.value.__suppress_context__
