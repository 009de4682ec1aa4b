"""The script of RootVirtualMfa-Notify, with real boto3 clients and answers from the tests."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from remediation.config_rule import CallError, ForeignAccountError, NoResultError
from remediation.notify import NONE, NOTIFY_ACTIONS, PROCEDURE, SENT_BY, SOURCE, notify, quoted
from tests.fake_aws import Answer, FakeAws, RefusalError, paged

ACCOUNT, OTHER_ACCOUNT, CENTRAL = "123456789012", "210987654321", "222222222222"
ITEM, OTHER_ITEM = "oi-0123456789ab", "oi-ba9876543210"
BEFORE, NOW, FURTHER = (f"11111111-2222-3333-4444-55555555555{number}" for number in range(1, 4))
STARTED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
RECORDED = datetime(2030, 1, 2, 3, 0, tzinfo=UTC)
NO_OUTPUT = "No output available yet because the step is not successfully executed"
TOPIC = f"arn:aws:sns:eu-central-1:{CENTRAL}:root-virtual-mfa-notices"
BY_EVENTBRIDGE = f"arn:aws:sts::{ACCOUNT}:assumed-role/root-virtual-mfa-events/0a1b2c"
MESSAGE = "0a1b2c3d"
RULE, PREFIX = "root-virtual-mfa-enabled", "root-virtual-mfa-enabled-conformance-pack-"
EVENT = {
    "AccountId": ACCOUNT,
    "OwnAccountId": ACCOUNT,
    "RuleName": RULE,
    "PackRulePrefix": PREFIX,
    "CentralAccountId": "",
    "RuleDeployment": "ConformancePack",
    "FunctionArn": "",
    "ExecutionId": NOW,
    "Partition": "aws",
    "Region": "eu-central-1",
    "EventsRole": "root-virtual-mfa-events",
    "Event": "",
    "ConfigRuleArn": "",
    "TopicArn": TOPIC,
}


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws({"Publish": {"MessageId": MESSAGE}})
    fails(fake)
    there_is_nothing(fake)
    with fake.in_place():
        yield fake
    assert fake.actions <= NOTIFY_ACTIONS


def fails(aws: FakeAws, annotation: str = "Root has no MFA.", rule_name: str = RULE) -> None:
    """Let AWS Config have a rule that finds the account NON_COMPLIANT."""
    there_are(aws, [[result(rule_name, "NON_COMPLIANT", annotation)]])


def sends(aws: FakeAws, **changes: str) -> bool:
    """Run the script, and tell whether it sent a notice. Its outputs have to agree."""
    outputs = notify(EVENT | changes, None)
    published = bool(aws.called("Publish"))
    assert outputs["MessageId"] == (MESSAGE if published else NONE)
    assert f"OpsItem {outputs['OpsItemId']} is open. {'Sent' if published else 'No'} message" in outputs["Text"]
    return published


# --- What AWS Config says ---


def result(
    rule_name: str, compliance: str, annotation: str | None = "Found.", *, recorded: datetime = RECORDED
) -> dict[str, Any]:
    qualifier = {"ConfigRuleName": rule_name, "ResourceType": "AWS::::Account", "ResourceId": ACCOUNT}
    entry: dict[str, Any] = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": RECORDED},
        "ComplianceType": compliance,
        "ResultRecordedTime": recorded,
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
            "ConfigRuleArn": arn(name),
            "Source": {"SourceIdentifier": f"arn:aws:lambda:eu-central-1:{(evaluated_in or {}).get(name, ACCOUNT)}:function:f"},
            **({"CreatedBy": created_by[name]} if created_by and name in created_by else {}),
        }
        for name in names
    ]
    aws.answers["DescribeConfigRules"] = paged("ConfigRules", [rules[:1], [], rules[1:]])
    aws.answers["GetComplianceDetailsByResource"] = paged("EvaluationResults", pages)


def arn(rule_name: str) -> str:
    return f"arn:aws:config:eu-central-1:{ACCOUNT}:config-rule/config-rule-{rule_name[-2:]}"


def is_told(aws: FakeAws) -> str:
    """Run the script, and return the annotation that the OpsItem quotes."""
    notify(EVENT, None)
    return quotation(aws)


def quotation(aws: FakeAws) -> str:
    return str(re.findall("^> (.*)$", aws.called("CreateOpsItem")[-1]["Description"], re.MULTILINE)[0])


@pytest.mark.parametrize("name", [RULE, f"{PREFIX}a1b2c3d4e"])
def test_the_result_is_that_of_the_rule_whatever_its_suffix_on_whatever_page(aws: FakeAws, name: str) -> None:
    there_are(aws, [[result("iam-password-policy", "COMPLIANT", "Of another rule.")], [], [result(name, "NON_COMPLIANT")]])
    assert is_told(aws) == "Found."
    asked = aws.called("GetComplianceDetailsByResource")
    assert len(asked) == 3
    assert {(each["ResourceType"], each["ResourceId"]) for each in asked} == {("AWS::::Account", ACCOUNT)}
    assert aws.called("GetComplianceDetailsByConfigRule") == []


def test_the_worst_of_several_results_counts(aws: FakeAws) -> None:
    results = [
        result(RULE, "COMPLIANT"),
        result(f"{PREFIX}a1", "NON_COMPLIANT", "Worse."),
        result(f"{PREFIX}b2", "NOT_APPLICABLE"),
    ]
    there_are(aws, [results])
    assert is_told(aws) == "Worse."


@pytest.mark.parametrize("compliance", ["COMPLIANT", "NOT_APPLICABLE"])
def test_if_the_account_does_not_fail_what_is_open_is_resolved(aws: FakeAws, compliance: str) -> None:
    there_are(aws, [[result(RULE, compliance)]])
    ids = [f"oi-00000000000{number}" for number in range(4)]
    items = [
        {"OpsItemId": item, "Status": status}
        for item, status in zip(ids, ("Resolved", "Open", "Closed", "InProgress"), strict=True)
    ]
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [items[:2], [], items[2:]])
    aws.answers["UpdateOpsItem"] = {}
    outputs = notify(EVENT, None)
    assert (outputs["Compliance"], outputs["OpsItemId"], outputs["MessageId"]) == (compliance, NONE, NONE)
    assert outputs["Text"] == f"{compliance}: resolved {ids[1]}, {ids[3]}."
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": item, "Status": "Resolved"} for item in (ids[1], ids[3])]
    assert aws.called("DescribeOpsItems")[0]["OpsItemFilters"] == [{"Key": "Source", "Values": [SOURCE], "Operator": "Equal"}]


def test_if_nothing_is_open_nothing_is_changed(aws: FakeAws) -> None:
    there_are(aws, [[result(RULE, "COMPLIANT")]])
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    assert notify(EVENT, None)["Text"] == "COMPLIANT: no OpsItem is open."


def test_in_an_organization_only_its_own_rule_counts(aws: FakeAws) -> None:
    service = "config-conforms.amazonaws.com"
    results = [
        result(RULE, "NON_COMPLIANT", "Hers."),
        result(f"{PREFIX}a1", "NON_COMPLIANT", "Hers, on the central function."),
        result(f"{PREFIX}b2", "NON_COMPLIANT", "Of a pack of hers, on her function."),
        result(f"{PREFIX}c3", "COMPLIANT", "The organization's."),
    ]
    made = {f"{PREFIX}b2": service, f"{PREFIX}c3": service}
    evaluated = {f"{PREFIX}a1": CENTRAL, f"{PREFIX}c3": CENTRAL}
    there_are(aws, [results], created_by=made, evaluated_in=evaluated)
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    assert notify(EVENT | {"CentralAccountId": CENTRAL}, None)["Compliance"] == "COMPLIANT"
    there_are(aws, [results[:3]], created_by=made, evaluated_in=evaluated)
    with pytest.raises(NoResultError, match="only the organization's rule counts"):
        notify(EVENT | {"CentralAccountId": CENTRAL}, None)


def test_if_a_stack_set_brings_the_rule_only_the_accounts_own_on_the_central_function_counts(aws: FakeAws) -> None:
    service = "config-conforms.amazonaws.com"
    results = [
        result(f"{PREFIX}a1", "NON_COMPLIANT", "Of a pack, on the central function."),
        result(f"{PREFIX}b2", "NON_COMPLIANT", "Hers, on the central function."),
        result(RULE, "COMPLIANT", "The organization's."),
    ]
    made, evaluated = {f"{PREFIX}a1": service}, dict.fromkeys((f"{PREFIX}a1", f"{PREFIX}b2", RULE), CENTRAL)
    by_stack_set = EVENT | {"CentralAccountId": CENTRAL, "RuleDeployment": "StackSet"}
    there_are(aws, [results], created_by=made, evaluated_in=evaluated)
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    assert notify(by_stack_set, None)["Compliance"] == "COMPLIANT"
    for evaluated_in in ({**evaluated, RULE: ACCOUNT}, {}):
        there_are(aws, [results], created_by=made, evaluated_in=evaluated_in)
        with pytest.raises(NoResultError, match="only the organization's rule counts"):
            notify(by_stack_set, None)
    there_are(aws, [results], created_by=made, evaluated_in=evaluated)
    own = f"arn:aws:lambda:eu-central-1:{CENTRAL}:function:f"
    assert notify(by_stack_set | {"FunctionArn": own}, None)["Compliance"] == "COMPLIANT"
    with pytest.raises(NoResultError, match="only the organization's rule counts"):
        notify(by_stack_set | {"FunctionArn": f"{own}-of-another-rule"}, None)


def test_a_result_without_annotation_is_one(aws: FakeAws) -> None:
    there_are(aws, [[result(RULE, "NON_COMPLIANT", annotation=None)]])
    assert is_told(aws) == "The result has no annotation."


def test_no_result_is_an_error_and_no_verdict(aws: FakeAws) -> None:
    there_are(aws, [[result(f"{RULE}-strict", "COMPLIANT")]])
    with pytest.raises(NoResultError, match=f"no result of the rule {RULE} for account {ACCOUNT}"):
        notify(EVENT, None)
    assert {"CreateOpsItem", "UpdateOpsItem", "Publish"} & {operation for operation, _ in aws.calls} == set()


def test_nothing_is_said_in_the_name_of_another_account(aws: FakeAws) -> None:
    with pytest.raises(ForeignAccountError, match=f"AccountId is {OTHER_ACCOUNT}, and this is account {ACCOUNT}"):
        notify(EVENT | {"AccountId": OTHER_ACCOUNT}, None)
    assert aws.calls == []


# Which operation says it


def only_by(aws: FakeAws, operation: str | None, compliance: str = "NON_COMPLIANT", refused: str | None = None) -> None:
    """Let AWS Config give the rule's result by one operation only, or by none: the others give nothing, or a refusal."""
    fails(aws)
    answers: dict[str, Answer] = {
        "GetComplianceDetailsByResource": paged("EvaluationResults", [[], [result(RULE, compliance)]]),
        "GetComplianceDetailsByConfigRule": paged("EvaluationResults", [[], [result(RULE, compliance)]]),
        "DescribeComplianceByConfigRule": {
            "ComplianceByConfigRules": [{"ConfigRuleName": RULE, "Compliance": {"ComplianceType": compliance}}]
        },
    }
    nothing: dict[str, Answer] = {
        "GetComplianceDetailsByResource": {"EvaluationResults": []},
        "GetComplianceDetailsByConfigRule": {"EvaluationResults": []},
        "DescribeComplianceByConfigRule": {
            "ComplianceByConfigRules": [{"ConfigRuleName": RULE, "Compliance": {"ComplianceType": "INSUFFICIENT_DATA"}}]
        },
    }
    for each, answer in answers.items():
        if each == operation:
            aws.answers[each] = answer
        elif refused:
            aws.refuse(each, refused)
        else:
            aws.answers[each] = nothing[each]


OPERATIONS = {
    "GetComplianceDetailsByResource": ("get_compliance_details_by_resource", "Found."),
    "GetComplianceDetailsByConfigRule": ("get_compliance_details_by_config_rule", "Found."),
    "DescribeComplianceByConfigRule": (
        "describe_compliance_by_config_rule",
        "AWS Config gives the verdict only, and no annotation.",
    ),
}
REFUSALS = [None, "AccessDeniedException", "InvalidParameterValueException", "NoSuchConfigRuleException"]


@pytest.mark.parametrize("refused", REFUSALS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whichever_operation_gives_the_result_the_owner_is_told(aws: FakeAws, operation: str, refused: str | None) -> None:
    only_by(aws, operation, refused=refused)
    source, annotation = OPERATIONS[operation]
    assert notify(EVENT, None)["Source"] == source
    assert quotation(aws) == annotation
    assert len(aws.called("Publish")) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whichever_operation_gives_the_result_what_is_open_is_resolved(aws: FakeAws, operation: str) -> None:
    only_by(aws, operation, "COMPLIANT")
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[{"OpsItemId": ITEM, "Status": "Open"}]])
    aws.answers["UpdateOpsItem"] = {}
    assert notify(EVENT, None)["Text"] == f"COMPLIANT: resolved {ITEM}."


def test_another_resource_of_the_rule_is_not_the_account(aws: FakeAws) -> None:
    only_by(aws, None)
    others = result(RULE, "NON_COMPLIANT")
    others["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"] = OTHER_ACCOUNT
    aws.answers["GetComplianceDetailsByConfigRule"] = {"EvaluationResults": [others]}
    with pytest.raises(NoResultError):
        notify(EVENT, None)


@pytest.mark.parametrize("refused", REFUSALS)
def test_if_no_operation_gives_a_result_it_is_unknown_and_the_next_day_tries_again(aws: FakeAws, refused: str | None) -> None:
    only_by(aws, None, refused=refused)
    with pytest.raises(NoResultError, match="nothing was changed") as raised:
        notify(EVENT, None)
    assert str(raised.value).count(f": {refused}: said by AWS") == (3 if refused else 0)
    assert "The daily start of this runbook tries again." in str(raised.value)
    assert {"CreateOpsItem", "UpdateOpsItem", "DescribeOpsItems", "Publish"} & {name for name, _ in aws.calls} == set()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_error_that_is_no_refusal_is_no_answer(aws: FakeAws, operation: str) -> None:
    only_by(aws, None)
    aws.refuse(operation, "ValidationException")
    with pytest.raises(CallError, match=f"{operation}: ValidationException: said by AWS"):
        notify(EVENT, None)


# What an event says


LATER, EARLIER = "2030-01-02T03:00:01.000Z", "2030-01-02T02:59:59.999Z"


def event(aws: FakeAws, said: str, *, rule_arn: str = arn(RULE), executed_by: str | None = BY_EVENTBRIDGE) -> dict[str, str]:
    """Let an execution have `said` as its parameter Event, and return its outputs."""
    automation_has(aws, executed_by=executed_by)
    aws.answers["DescribeOpsItems"] = paged("OpsItemSummaries", [[]])
    outputs: dict[str, str] = notify(EVENT | {"Event": said, "ConfigRuleArn": rule_arn}, None)
    return outputs


def test_if_config_gives_nothing_the_event_tells(aws: FakeAws) -> None:
    only_by(aws, None)
    assert event(aws, f"NON_COMPLIANT {LATER} The words of the event.")["Source"] == "event"
    assert quotation(aws) == "The words of the event."
    assert event(aws, f"COMPLIANT {LATER} One device.")["Text"] == "COMPLIANT: no OpsItem is open."
    assert event(aws, f"NOT_APPLICABLE {LATER} None.")["Compliance"] == "NOT_APPLICABLE"


def test_an_event_may_have_no_annotation(aws: FakeAws) -> None:
    only_by(aws, None)
    event(aws, f"NON_COMPLIANT {LATER} ")
    assert quotation(aws) == "The event has no annotation."


@pytest.mark.parametrize("operation", ["GetComplianceDetailsByResource", "GetComplianceDetailsByConfigRule"])
@pytest.mark.parametrize(("recorded", "compliance"), [(LATER, "NON_COMPLIANT"), (EARLIER, "COMPLIANT")])
def test_the_later_of_configs_result_and_the_events_counts(
    aws: FakeAws, operation: str, recorded: str, compliance: str
) -> None:
    only_by(aws, operation, "COMPLIANT")
    assert event(aws, f"NON_COMPLIANT {recorded} Said by the event.")["Compliance"] == compliance


@pytest.mark.parametrize(
    ("compliance", "source"), [("NON_COMPLIANT", "event"), ("COMPLIANT", "describe_compliance_by_config_rule")]
)
def test_to_a_verdict_alone_the_event_adds_the_annotation_and_no_other_verdict(
    aws: FakeAws, compliance: str, source: str
) -> None:
    only_by(aws, "DescribeComplianceByConfigRule", compliance)
    assert event(aws, f"NON_COMPLIANT {LATER} Said by the event.")["Source"] == source


def test_the_event_of_one_rule_says_nothing_of_another(aws: FakeAws) -> None:
    there_are(aws, [[result(RULE, "COMPLIANT"), result(f"{PREFIX}b2", "COMPLIANT")]])
    event(aws, f"NON_COMPLIANT {LATER} Only this one.", rule_arn=arn("b2"))
    assert "> root-virtual-mfa-enabled-conformance-pack-b2" in aws.called("CreateOpsItem")[-1]["Description"]


@pytest.mark.parametrize(
    "executed_by",
    [
        None,
        "",
        f"arn:aws:iam::{ACCOUNT}:user/mallory",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/root-virtual-mfa-events",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/root-virtual-mfa-events-too/x",
        f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/root-virtual-mfa-events/x",
        f"arn:aws:iam::{ACCOUNT}:role/root-virtual-mfa-events",
    ],
)
def test_only_eventbridge_tells_of_an_event(aws: FakeAws, executed_by: str | None) -> None:
    only_by(aws, None)
    with pytest.raises(NoResultError):
        event(aws, f"NON_COMPLIANT {LATER} Unlock at x.evil", executed_by=executed_by)
    only_by(aws, "GetComplianceDetailsByResource", "COMPLIANT")
    assert event(aws, f"NON_COMPLIANT {LATER} Unlock at x.evil", executed_by=executed_by)["Compliance"] == "COMPLIANT"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "NON_COMPLIANT",
        "<compliance> <recorded> <annotation>",
        f"INSUFFICIENT_DATA {LATER} x",
        "NON_COMPLIANT  No time.",
        "NON_COMPLIANT yesterday It was so.",
        f"non_compliant {LATER} x",
    ],
)
def test_what_is_no_event_tells_nothing(aws: FakeAws, said: str) -> None:
    only_by(aws, None)
    with pytest.raises(NoResultError):
        event(aws, said)


def test_an_event_of_a_members_own_rule_tells_nothing(aws: FakeAws) -> None:
    there_are(aws, [[result(f"{PREFIX}b2", "NON_COMPLIANT")]], created_by={f"{PREFIX}b2": "config-conforms.amazonaws.com"})
    automation_has(aws, executed_by=BY_EVENTBRIDGE)
    hers = {"Event": f"NON_COMPLIANT {LATER} Hers.", "ConfigRuleArn": arn("b2"), "CentralAccountId": CENTRAL}
    with pytest.raises(NoResultError):
        notify(EVENT | hers, None)


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
    fails(aws, "A\nhttp://x.evil", f"{PREFIX}B\nwww.x.evil")
    notify(EVENT, None)
    [sent] = aws.called("Publish")
    lines = sent["Message"].split("\n")
    assert lines[:4] == [
        "AWS Config's annotation, quoted:",
        r"> A\u000ahttp(:)//x(.)evil",
        "The name of its rule (control AWS_IAM_43), quoted:",
        rf"> {PREFIX}B\u000awww(.)x(.)evil",
    ]
    assert re.findall(r"\S*(?:://|www)\S*", "\n".join(lines[4:])) == [
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-virt-mfa-for-root.html"
    ]
    [item] = aws.called("CreateOpsItem")
    assert sent["Message"].startswith(f"{item['Description']}\n")


# --- The OpsItem ---


def execution(
    execution_id: str, status: str = "Success", *, ago: timedelta = timedelta(minutes=5), **more: object
) -> dict[str, Any]:
    """Make Automation's record of an execution of Notify. By default it sent the notice of ITEM."""
    outputs = {"Notify.OpsItemId": [ITEM], "Notify.MessageId": ["0a1b"]} if status == "Success" else {}
    return {
        "AutomationExecutionId": execution_id,
        "DocumentName": "RootVirtualMfa-Notify",
        "AutomationExecutionStatus": status,
        "ExecutionStartTime": STARTED - ago,
        "Mode": "Auto",
        "Outputs": outputs,
        **more,
    }


def automation_has(
    aws: FakeAws,
    *executions: dict[str, Any],
    listed: Callable[[dict[str, Any]], bool] | None = None,
    executed_by: str | None = f"arn:aws:iam::{ACCOUNT}:user/operator",
) -> None:
    """Give Automation this execution and others, one on each page, after an empty page."""
    started = {"ExecutedBy": executed_by} if executed_by is not None else {}
    now = execution(NOW, "InProgress", ago=timedelta(), **started)
    by_id = {each["AutomationExecutionId"]: each for each in (now, *executions)}

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
    outputs = notify(EVENT, None)
    assert outputs == {
        "Compliance": "NON_COMPLIANT",
        "Source": "get_compliance_details_by_resource",
        "OpsItemId": ITEM,
        "MessageId": MESSAGE,
        "Text": f"NON_COMPLIANT: OpsItem {ITEM} is open. Sent message {MESSAGE}.",
    }
    [item] = aws.called("CreateOpsItem")
    assert (item["Source"], item["Category"], item["Severity"]) == (SOURCE, "Security", "2")
    assert "> Root has no MFA.\n" in item["Description"]
    assert item["Description"].endswith(PROCEDURE)
    data = {key: value["Value"] for key, value in item["OperationalData"].items()}
    assert json.loads(data["/aws/dedup"]) == {"dedupString": f"root-virtual-mfa-{ACCOUNT}"}
    assert json.loads(data["/aws/resources"]) == [{"arn": f"arn:aws:iam::{ACCOUNT}:root"}]
    assert data[SENT_BY] == NOW
    [sent] = aws.called("Publish")
    for said in ("Root has no MFA.", ITEM, ACCOUNT, "eu-central-1", PROCEDURE):
        assert said in sent["Message"]
    assert sent["TopicArn"] == TOPIC
    assert sent["MessageAttributes"] == {"accountId": {"DataType": "String", "StringValue": ACCOUNT}}


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600"])
def test_the_longest_annotation_fits_where_it_is_to_stand(aws: FakeAws, character: str) -> None:
    fails(aws, character * 256, PREFIX + character * (128 - len(PREFIX)))
    notify(EVENT, None)
    [item], [sent] = aws.called("CreateOpsItem"), aws.called("Publish")
    # Sources: API model, ssm, OpsItemDescription; API reference, sns, Publish: Subject.
    assert len(item["Description"]) <= 2048
    assert len(sent["Subject"]) <= 100
    assert sent["Subject"].isascii()
    assert sent["Subject"].isprintable()
    assert ("x" * 256 in item["Description"]) is (character == "x")


def test_a_notice_that_sns_refuses_fails_the_step_and_leaves_the_ops_item(aws: FakeAws) -> None:
    aws.refuse("Publish", "AuthorizationError")
    with pytest.raises(CallError, match="Publish: AuthorizationError: said by AWS"):
        notify(EVENT, None)
    assert len(aws.called("CreateOpsItem")) == 1


# One notice a day


LONG_AGO = timedelta(days=3)


@pytest.mark.parametrize(
    ("other", "is_sent"),
    [
        (execution(BEFORE), False),
        (execution(BEFORE, ago=timedelta(hours=23, minutes=59)), False),
        (execution(BEFORE, ago=timedelta(hours=24, minutes=1)), True),
        # The notice was sent, however the execution ended.
        (execution(BEFORE, "Cancelled", Outputs={"Notify.MessageId": ["0a1b"]}), False),
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
        (execution(BEFORE, Outputs={"Notify.OpsItemId": [ITEM], "Notify.MessageId": [NO_OUTPUT]}), True),
        (execution(BEFORE, Outputs={"Notify.OpsItemId": [NONE], "Notify.MessageId": [NONE]}), True),
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
    aws: FakeAws, other: dict[str, Any], *, is_sent: bool
) -> None:
    aws.answers["CreateOpsItem"] = {"OpsItemId": ITEM}
    automation_has(aws, other)
    assert sends(aws) is is_sent
    [item] = aws.called("CreateOpsItem")
    assert (SENT_BY in item["OperationalData"]) is is_sent


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
    assert sends(aws) is False


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
        "AWS Config's annotation, quoted:\n> Root has no MFA.\n"
        f"The name of its rule (control AWS_IAM_43), quoted:\n> {RULE}\n\n{PROCEDURE}"
    )


MARK = {SENT_BY: {"Type": "SearchableString", "Value": NOW}}


def test_if_the_message_was_sent_the_next_run_changes_nothing_and_sends_nothing(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE)
    assert sends(aws) is False
    assert aws.called("UpdateOpsItem") == []


def test_another_annotation_is_brought_up_to_date_without_another_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, Description="What was found before.")
    assert sends(aws) is False
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Description": description()}]


def test_a_step_that_is_tried_again_since_an_answer_was_lost_sends_its_message(aws: FakeAws) -> None:
    there_is(aws, sent_by=NOW)
    assert sends(aws) is True


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled", "InProgress"])
def test_a_message_whose_execution_failed_is_sent_by_the_next(aws: FakeAws, status: str) -> None:
    there_is(aws, sent_by=BEFORE, others=[execution(BEFORE, status, ago=LONG_AGO)])
    assert sends(aws) is True
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
        (BEFORE, execution(BEFORE, ago=LONG_AGO, Outputs={"Notify.OpsItemId": [NONE], "Notify.MessageId": [NONE]})),
        # Somebody stopped it before it sent, with Complete of StopAutomationExecution.
        (
            BEFORE,
            execution(BEFORE, ago=LONG_AGO, Outputs={"Notify.OpsItemId": [ITEM], "Notify.MessageId": [NO_OUTPUT]}),
        ),
        # It sent the notice of another OpsItem.
        (
            BEFORE,
            execution(BEFORE, ago=LONG_AGO, Outputs={"Notify.OpsItemId": [OTHER_ITEM], "Notify.MessageId": ["0a1b"]}),
        ),
    ],
)
def test_what_the_ops_item_says_of_its_message_counts_only_if_automation_says_so_too(
    aws: FakeAws, sent_by: str | None, sender: dict[str, Any]
) -> None:
    there_is(aws, sent_by=sent_by, others=[sender])
    assert sends(aws) is True
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
    assert sends(aws) is True


def test_if_automation_does_not_answer_nothing_is_concluded(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE)
    refuse_to_tell_of(aws, BEFORE, "AccessDeniedException")
    with pytest.raises(CallError, match="GetAutomationExecution: AccessDeniedException"):
        notify(EVENT, None)


def test_within_a_day_of_a_message_the_ops_item_is_brought_up_to_date_and_waits_for_its_own(aws: FakeAws) -> None:
    there_is(aws, sent_by=None, Description="x", others=[execution(BEFORE)])
    assert sends(aws) is False
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
    assert sends(aws) is True
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
    notify(EVENT, None)
    assert aws.called("UpdateOpsItem") == []


def test_an_ops_item_of_another_source_makes_room_for_ours(aws: FakeAws) -> None:
    there_is(aws, sent_by=BEFORE, Source="mallory")
    assert notify(EVENT, None)["OpsItemId"] == OTHER_ITEM
    assert len(aws.called("Publish")) == 1
    assert aws.called("UpdateOpsItem") == [{"OpsItemId": ITEM, "Status": "Resolved"}]
    first, second = aws.called("CreateOpsItem")
    assert first == second
    assert second["Source"] == SOURCE


# --- Errors ---


BROKEN = "Unable to parse response, invalid JSON received: b'SECRET"
CALLED = ["DescribeConfigRules", "GetComplianceDetailsByResource", "GetAutomationExecution", "CreateOpsItem", "Publish"]


@pytest.mark.parametrize("operation", CALLED)
@pytest.mark.parametrize("line_break", ["\n", "\r", "\\n"])
def test_no_error_shows_more_of_an_answer_than_its_code_and_first_line(aws: FakeAws, operation: str, line_break: str) -> None:
    said = f"The signature does not match.{line_break}{line_break}x-amz-security-token:SECRET"
    aws.refuse(operation, "InvalidSignatureException", said)
    with pytest.raises(CallError) as raised:
        notify(EVENT, None)
    assert str(raised.value) == f"{operation}: InvalidSignatureException: The signature does not match."
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("operation", CALLED)
def test_no_error_quotes_an_answer(aws: FakeAws, operation: str) -> None:
    def broken(_: Mapping[str, Any]) -> dict[str, Any]:
        raise ResponseParserError(BROKEN)

    aws.answers[operation] = broken
    with pytest.raises(CallError) as raised:
        notify(EVENT, None)
    assert str(raised.value) == "An answer of AWS could not be parsed. Start the runbook again."
    assert raised.value.__suppress_context__
