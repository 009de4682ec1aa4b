"""AWS Config on the local AWS: rules, their events, evaluations and compliance."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.scene import (
    WITHOUT_RECORDER,
    WRITE_LOG,
    Client,
    Clients,
    Parameter,
    create_function,
    eventually,
    let_config_invoke,
    log_lines,
    noted_events,
    refusal,
    rule,
)

TIME = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = 3600
MINUTE = 60


def wait_for_events(client: Clients, account_id: str, number: int = 1) -> list[dict[str, Any]]:
    assert eventually(lambda: len(noted_events(client, account_id)) >= number)
    return noted_events(client, account_id)


Rule = Callable[..., str]


@pytest.fixture
def config(client: Clients, account_id: str) -> Client:
    return client("config", account_id)


@pytest.fixture
def put_rule(client: Clients, notes: str, account_id: str, config: Client) -> Rule:
    """Return a function that puts a rule into the test's account and returns the result token of its first evaluation."""

    def put(name: str = "example", **settings: Parameter) -> str:
        config.put_config_rule(ConfigRule=rule(notes, name, **settings))

        def token() -> str:
            noted = noted_events(client, account_id)
            return next((event["resultToken"] for event in noted if event["configRuleName"] == name), "")

        return eventually(token)

    return put


def evaluation(resource: str, compliance: str = "COMPLIANT", *, time: datetime = TIME, **more: str) -> dict[str, Any]:
    return {
        "ComplianceResourceType": "AWS::::Account",
        "ComplianceResourceId": resource,
        "ComplianceType": compliance,
        "OrderingTimestamp": time,
        **more,
    }


def results(config: Client, name: str = "example") -> dict[str, str]:
    found = config.get_paginator("get_compliance_details_by_config_rule").paginate(ConfigRuleName=name)
    return {
        result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"]: result["ComplianceType"]
        for page in found
        for result in page["EvaluationResults"]
    }


# Rules


def test_a_rule_is_put_described_and_deleted(config: Client, put_rule: Rule, account_id: str, notes: str) -> None:
    put_rule("one", Description="The first.", InputParameters='{"a": "1"}')
    put_rule("two")
    one, two = config.describe_config_rules()["ConfigRules"]
    assert one.pop("ConfigRuleArn") == f"arn:aws:config:us-east-1:{account_id}:config-rule/{one['ConfigRuleId']}"
    assert re.fullmatch(r"config-rule-[0-9a-z]{6}", one.pop("ConfigRuleId"))
    assert one == rule(notes, "one", Description="The first.", InputParameters='{"a": "1"}', ConfigRuleState="ACTIVE")
    assert config.describe_config_rules(ConfigRuleNames=["two"])["ConfigRules"] == [two]
    config.delete_config_rule(ConfigRuleName="one")
    assert config.describe_config_rules()["ConfigRules"] == [two]


def test_a_rule_that_is_put_again_stays_the_same_rule(config: Client, put_rule: Rule, notes: str) -> None:
    token = put_rule()
    config.put_evaluations(ResultToken=token, Evaluations=[evaluation("a")])
    [before] = config.describe_config_rules()["ConfigRules"]
    config.put_config_rule(ConfigRule=rule(notes, Description="Changed."))
    [after] = config.describe_config_rules()["ConfigRules"]
    assert after == before | {"Description": "Changed."}
    assert results(config) == {"a": "COMPLIANT"}


def test_putting_a_rule_again_evaluates_it_again(
    client: Clients, config: Client, put_rule: Rule, account_id: str, notes: str
) -> None:
    put_rule()
    config.put_config_rule(ConfigRule=rule(notes, InputParameters='{"a": "1"}'))
    first, second = wait_for_events(client, account_id, 2)
    assert "ruleParameters" not in first
    assert json.loads(second["ruleParameters"]) == {"a": "1"}


def test_a_deleted_rule_is_forgotten_with_its_results(config: Client, put_rule: Rule) -> None:
    token = put_rule()
    config.put_evaluations(ResultToken=token, Evaluations=[evaluation("a")])
    config.delete_config_rule(ConfigRuleName="example")
    no_rule = ("NoSuchConfigRuleException", "The ConfigRule 'example' provided in the request is invalid. ")
    for call, params in (
        (config.delete_config_rule, {"ConfigRuleName": "example"}),
        (config.describe_config_rules, {"ConfigRuleNames": ["example"]}),
        (config.describe_compliance_by_config_rule, {"ConfigRuleNames": ["example"]}),
        (config.describe_config_rule_evaluation_status, {"ConfigRuleNames": ["example"]}),
        (config.get_compliance_details_by_config_rule, {"ConfigRuleName": "example"}),
        (config.start_config_rules_evaluation, {"ConfigRuleNames": ["example"]}),
    ):
        code, message = refusal(call, **params)
        assert code == no_rule[0]
        assert message.startswith(no_rule[1])
    assert refusal(config.put_evaluations, ResultToken=token, Evaluations=[])[0] == "InvalidResultTokenException"
    assert config.describe_compliance_by_resource()["ComplianceByResources"] == []
    put_rule()
    assert results(config) == {}


def test_accounts_have_rules_of_their_own(client: Clients, config: Client, put_rule: Rule, other_account_id: str) -> None:
    put_rule()
    assert config.describe_config_rules()["ConfigRules"]
    assert client("config", other_account_id).describe_config_rules()["ConfigRules"] == []


def source(**changes: Parameter) -> dict[str, Any]:
    """Make a rule whose source differs from a good one."""
    good = rule("arn:aws:lambda:us-east-1:999900000000:function:notes")
    return good | {"Source": good["Source"] | changes}


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"InputParameters": "no JSON"}, "InvalidParameterValueException", "InputParameters must be a JSON object of strings"),
        ({"InputParameters": '["a"]'}, "InvalidParameterValueException", "InputParameters must be a JSON object of strings"),
        ({"InputParameters": '{"a": 1}'}, "InvalidParameterValueException", "InputParameters must be a JSON object of strings"),
        ({"ConfigRuleName": None}, "InvalidParameterValueException", "ConfigRuleName is required."),
        ({"ConfigRuleName": "x" * 129}, "ValidationException", "configRule.configRuleName"),
        (
            {"Source": {}},
            "ValidationException",
            "'configRule.source.owner' failed to satisfy constraint: Member must not be null",
        ),
        (source(Owner="AWS"), "InvalidParameterValueException", "emulates rules whose Source.Owner is CUSTOM_LAMBDA only"),
        (source(Owner="SOMEBODY"), "ValidationException", "configRule.source.owner"),
        (source(SourceDetails=[]), "InvalidParameterValueException", "SourceDetails must have a MessageType ScheduledNotif"),
        (
            source(SourceDetails=[{"EventSource": "aws.config", "MessageType": "ConfigurationItemChangeNotification"}]),
            "InvalidParameterValueException",
            "The local AWS emulates periodic rules only",
        ),
        (
            source(SourceDetails=[{"MessageType": "ScheduledNotification", "MaximumExecutionFrequency": "Daily"}]),
            "ValidationException",
            "One_Hour",
        ),
    ],
)
def test_a_bad_rule_is_refused(config: Client, notes: str, changed: dict[str, Any], code: str, message: str) -> None:
    refused = refusal(config.put_config_rule, ConfigRule=rule(notes) | changed)
    assert refused[0] == code
    assert message in refused[1]
    assert config.describe_config_rules()["ConfigRules"] == []


def test_a_rule_needs_a_recorder(client: Clients, notes: str) -> None:
    code, _ = refusal(client("config", WITHOUT_RECORDER).put_config_rule, ConfigRule=rule(notes))
    assert code == "NoAvailableConfigurationRecorderException"


NOTHING = "def handler(event, context): pass"


def test_config_needs_the_permission_to_invoke_the_function(
    client: Clients, config: Client, account_id: str, other_account_id: str
) -> None:
    arn = create_function(client, account_id, "example", NOTHING)
    functions = client("lambda", account_id)
    refused = refusal(config.put_config_rule, ConfigRule=rule(arn))
    assert refused[0] == "InsufficientPermissionsException"
    assert refused[1].startswith(f"The AWS Lambda function {arn} cannot be invoked. Check the specified function ARN")

    functions.add_permission(
        FunctionName=arn, StatementId="other-service", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    functions.add_permission(
        FunctionName=arn, StatementId="other-action", Action="lambda:GetFunction", Principal="config.amazonaws.com"
    )
    let_config_invoke(client, arn, other_account_id)
    assert refusal(config.put_config_rule, ConfigRule=rule(arn))[0] == "InsufficientPermissionsException"
    assert config.describe_config_rules()["ConfigRules"] == []

    let_config_invoke(client, arn, account_id)
    config.put_config_rule(ConfigRule=rule(arn))
    assert config.describe_config_rules()["ConfigRules"]


def test_a_function_that_is_not_there_can_not_be_invoked(config: Client, account_id: str) -> None:
    for arn in (f"arn:aws:lambda:us-east-1:{account_id}:function:none", "notes"):
        assert refusal(config.put_config_rule, ConfigRule=rule(arn))[0] == "InsufficientPermissionsException"


# Events


def test_the_event_is_what_aws_config_sends(
    client: Clients, config: Client, put_rule: Rule, account_id: str, local_aws: LocalAwsClient
) -> None:
    local_aws.take_calls()
    token = put_rule(InputParameters='{"nonVirtualMfa":"COMPLIANT"}')
    [event] = noted_events(client, account_id)
    [described] = config.describe_config_rules()["ConfigRules"]
    invoking_event = json.loads(event.pop("invokingEvent"))
    assert event == {
        "version": "1.0",
        "ruleParameters": '{"nonVirtualMfa":"COMPLIANT"}',
        "resultToken": token,
        "eventLeftScope": False,
        "executionRoleArn": f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
        "configRuleArn": described["ConfigRuleArn"],
        "configRuleName": "example",
        "configRuleId": described["ConfigRuleId"],
        "accountId": account_id,
    }
    created = invoking_event.pop("notificationCreationTime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created)
    assert invoking_event == {
        "awsAccountId": account_id,
        "messageType": "ScheduledNotification",
        "recordVersion": "1.0",
    }


def test_every_evaluation_has_a_token_of_its_own(client: Clients, put_rule: Rule, account_id: str) -> None:
    put_rule("one")
    put_rule("two")
    one, two = wait_for_events(client, account_id, 2)
    assert one["resultToken"] != two["resultToken"]
    # AWS Config's tokens are as long.
    assert all(event["resultToken"].startswith("eyJ") and len(event["resultToken"]) > 300 for event in (one, two))


# Starting evaluations


def start(config: Client, *names: str) -> None:
    config.start_config_rules_evaluation(ConfigRuleNames=names)


def test_an_evaluation_is_started_once_a_minute(
    client: Clients, config: Client, put_rule: Rule, account_id: str, local_aws: LocalAwsClient
) -> None:
    put_rule("one")
    put_rule("two")
    code, message = refusal(config.start_config_rules_evaluation, ConfigRuleNames=["one", "two"])
    assert code == "LimitExceededException"
    assert "one" in message
    local_aws.advance_clock(seconds=MINUTE)
    start(config, "one")
    assert len(wait_for_events(client, account_id, 3)) == 3
    # All or none: "two" could be started by now.
    assert refusal(config.start_config_rules_evaluation, ConfigRuleNames=["two", "one"])[0] == "LimitExceededException"
    start(config, "two")
    assert [event["configRuleName"] for event in wait_for_events(client, account_id, 4)] == ["one", "two", "one", "two"]


def test_a_rule_that_is_being_evaluated_is_not_started(
    client: Clients, config: Client, account_id: str, local_aws: LocalAwsClient
) -> None:
    """As long as its function is throttled, its event waits, and the rule is being evaluated."""
    arn = create_function(client, account_id, "throttled", "def handler(event, context): pass")
    client("lambda", account_id).put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    let_config_invoke(client, arn, account_id)
    config.put_config_rule(ConfigRule=rule(arn))
    local_aws.advance_clock(seconds=MINUTE)
    assert refusal(config.start_config_rules_evaluation, ConfigRuleNames=["example"])[0] == "LimitExceededException"
    client("lambda", account_id).delete_function_concurrency(FunctionName="throttled")
    local_aws.advance_clock(seconds=MINUTE)
    local_aws.settle()
    start(config, "example")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], "ValidationException"),
        ([f"rule{number}" for number in range(26)], "ValidationException"),
        (["example", "none"], "NoSuchConfigRuleException"),
    ],
)
def test_only_up_to_25_rules_that_exist_are_started(
    local_aws: LocalAwsClient, config: Client, put_rule: Rule, names: list[str], code: str
) -> None:
    put_rule()
    local_aws.advance_clock(seconds=MINUTE)
    assert refusal(config.start_config_rules_evaluation, ConfigRuleNames=names)[0] == code
    start(config, "example")  # The refusal started no evaluation.


@pytest.mark.parametrize(
    ("frequency", "hours"),
    [("One_Hour", 1), ("Three_Hours", 3), ("Six_Hours", 6), ("Twelve_Hours", 12), ("TwentyFour_Hours", 24), (None, 24)],
)
def test_a_rule_is_evaluated_when_its_period_has_passed(  # noqa: PLR0913, PLR0917 - fixtures, and the case
    local_aws: LocalAwsClient, client: Clients, account_id: str, notes: str, frequency: str | None, hours: int
) -> None:
    config = client("config", account_id)
    periodic = rule(notes)
    if frequency:
        periodic["Source"]["SourceDetails"][0]["MaximumExecutionFrequency"] = frequency
    config.put_config_rule(ConfigRule=periodic)
    wait_for_events(client, account_id)
    local_aws.advance_clock(seconds=hours * HOUR - MINUTE)
    config.put_config_rule(ConfigRule=rule(notes, "another"))
    wait_for_events(client, account_id, 2)
    local_aws.advance_clock(seconds=MINUTE)
    first, another, second = wait_for_events(client, account_id, 3)
    assert [first["configRuleName"], another["configRuleName"], second["configRuleName"]] == ["example", "another", "example"]
    notified = [json.loads(event["invokingEvent"])["notificationCreationTime"] for event in (first, second)]
    passed = datetime.fromisoformat(notified[1]) - datetime.fromisoformat(notified[0])
    assert timedelta(hours=hours) <= passed < timedelta(hours=hours, minutes=1)


def test_a_periodic_rule_goes_on_while_the_recorder_is_stopped(
    local_aws: LocalAwsClient, client: Clients, config: Client, put_rule: Rule, account_id: str
) -> None:
    """Source: https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_components.html."""
    put_rule()
    wait_for_events(client, account_id)
    [recorder] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    config.stop_configuration_recorder(ConfigurationRecorderName=recorder["name"])
    local_aws.advance_clock(seconds=24 * HOUR)
    assert len(wait_for_events(client, account_id, 2)) == 2


def test_without_its_permission_a_rule_keeps_its_last_result(
    client: Clients, config: Client, account_id: str, local_aws: LocalAwsClient
) -> None:
    arn = create_function(client, account_id, "example", 'def handler(event, context): print("here")', *WRITE_LOG)
    let_config_invoke(client, arn, account_id)
    config.put_config_rule(ConfigRule=rule(arn))
    assert eventually(lambda: "here" in log_lines(client, account_id, "example"))
    client("lambda", account_id).remove_permission(FunctionName="example", StatementId=f"config-{account_id}")
    local_aws.advance_clock(seconds=24 * HOUR)
    let_config_invoke(client, arn, account_id)
    local_aws.advance_clock(seconds=24 * HOUR)
    assert eventually(lambda: log_lines(client, account_id, "example").count("here") == 2)


# Evaluations


def test_evaluations_become_results(config: Client, put_rule: Rule) -> None:
    began = datetime.now(UTC)
    token = put_rule()
    answer = config.put_evaluations(
        ResultToken=token, Evaluations=[evaluation("a", "NON_COMPLIANT", Annotation="x" * 256), evaluation("b")]
    )
    assert answer["FailedEvaluations"] == []
    bad, good = config.get_compliance_details_by_config_rule(ConfigRuleName="example")["EvaluationResults"]
    invoked, recorded = bad.pop("ConfigRuleInvokedTime"), bad.pop("ResultRecordedTime")
    assert began - timedelta(seconds=1) <= invoked <= recorded
    assert bad == {
        "EvaluationResultIdentifier": {
            "EvaluationResultQualifier": {
                "ConfigRuleName": "example",
                "ResourceType": "AWS::::Account",
                "ResourceId": "a",
                "EvaluationMode": "DETECTIVE",
            },
            "OrderingTimestamp": TIME,
        },
        "ComplianceType": "NON_COMPLIANT",
        "Annotation": "x" * 256,
    }
    assert "Annotation" not in good


def test_the_last_word_is_the_one_with_the_latest_time(config: Client, put_rule: Rule) -> None:
    token = put_rule()
    for compliance, minutes, expected in (
        ("NON_COMPLIANT", 0, "NON_COMPLIANT"),
        ("COMPLIANT", -1, "NON_COMPLIANT"),
        ("COMPLIANT", 1, "COMPLIANT"),
        ("NON_COMPLIANT", 0, "COMPLIANT"),
    ):
        evaluations = [evaluation("a", compliance, time=TIME + timedelta(minutes=minutes))]
        assert config.put_evaluations(ResultToken=token, Evaluations=evaluations)["FailedEvaluations"] == []
        assert results(config) == {"a": expected}


def test_the_same_event_again_changes_nothing(config: Client, put_rule: Rule) -> None:
    token = put_rule()
    for _ in range(3):
        config.put_evaluations(ResultToken=token, Evaluations=[evaluation("a", "NON_COMPLIANT", Annotation="No device.")])
    [result] = config.get_compliance_details_by_config_rule(ConfigRuleName="example")["EvaluationResults"]
    assert (result["ComplianceType"], result["Annotation"]) == ("NON_COMPLIANT", "No device.")


def test_a_test_run_changes_nothing_and_needs_no_real_token(config: Client, put_rule: Rule) -> None:
    put_rule()
    answer = config.put_evaluations(ResultToken="any", Evaluations=[evaluation("a")], TestMode=True)
    assert answer["FailedEvaluations"] == []
    assert results(config) == {}


def test_a_token_is_good_in_its_own_account_only(
    client: Clients, config: Client, put_rule: Rule, other_account_id: str
) -> None:
    token = put_rule()
    for account, given in ((config, "unknown"), (config, ""), (client("config", other_account_id), token)):
        code, _ = refusal(account.put_evaluations, ResultToken=given, Evaluations=[evaluation("a")])
        assert code == "InvalidResultTokenException"
    assert results(config) == {}


@pytest.mark.parametrize(
    ("evaluations", "code", "message"),
    [
        ([evaluation("a", "INSUFFICIENT_DATA")], "InvalidParameterValueException", "INSUFFICIENT_DATA"),
        ([evaluation("a", "MAYBE")], "ValidationException", "evaluations.1.member.complianceType"),
        ([evaluation(f"{number}") for number in range(101)], "ValidationException", "less than or equal to 100"),
        ([evaluation("a", Annotation="x" * 257)], "ValidationException", "less than or equal to 256"),
        ([evaluation("a", Annotation="")], "ValidationException", "greater than or equal to 1"),
        ([evaluation("a"), evaluation("")], "ValidationException", "evaluations.2.member.complianceResourceId"),
        ([{"ComplianceType": "COMPLIANT"}], "ValidationException", "3 validation errors detected"),
        ([evaluation("a") | {"Annotation": 1}], "SerializationException", "can not be converted to a string"),
    ],
)
def test_bad_evaluations_are_refused_all_together(
    config: Client, put_rule: Rule, evaluations: list[dict[str, Any]], code: str, message: str
) -> None:
    token = put_rule()
    for test_mode in (True, False):
        refused = refusal(config.put_evaluations, ResultToken=token, Evaluations=evaluations, TestMode=test_mode)
        assert refused[0] == code
        assert message in refused[1]
    assert results(config) == {}


def test_a_hundred_evaluations_are_taken(config: Client, put_rule: Rule) -> None:
    token = put_rule()
    config.put_evaluations(ResultToken=token, Evaluations=[evaluation(f"{number:03}") for number in range(100)])
    assert list(results(config)) == [f"{number:03}" for number in range(100)]


def test_put_evaluations_needs_a_token(config: Client) -> None:
    code, message = refusal(config.put_evaluations, Evaluations=[])
    assert code == "ValidationException"
    assert "resultToken" in message


# Compliance


@pytest.fixture
def twelve_results(config: Client, put_rule: Rule, account_id: str) -> str:
    """Let the rule "example" judge twelve resources and the account, and "strict" find the account NON_COMPLIANT."""
    resources = [evaluation(f"{number:02}") for number in range(11)] + [evaluation("11", "NOT_APPLICABLE")]
    config.put_evaluations(ResultToken=put_rule(), Evaluations=[*resources, evaluation(account_id)])
    config.put_evaluations(ResultToken=put_rule("strict"), Evaluations=[evaluation(account_id, "NON_COMPLIANT")])
    put_rule("silent")
    return account_id


def test_a_rule_is_as_compliant_as_its_worst_resource(config: Client, put_rule: Rule) -> None:
    token = put_rule()

    def compliance() -> str:
        [answer] = config.describe_compliance_by_config_rule(ConfigRuleNames=["example"])["ComplianceByConfigRules"]
        assert answer["ConfigRuleName"] == "example"
        return str(answer["Compliance"]["ComplianceType"])

    assert compliance() == "INSUFFICIENT_DATA"
    for resource, type_, expected in (
        ("a", "NOT_APPLICABLE", "INSUFFICIENT_DATA"),
        ("b", "COMPLIANT", "COMPLIANT"),
        ("c", "NON_COMPLIANT", "NON_COMPLIANT"),
        ("d", "COMPLIANT", "NON_COMPLIANT"),
    ):
        config.put_evaluations(ResultToken=token, Evaluations=[evaluation(resource, type_)])
        assert compliance() == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([], ["example", "silent", "strict"]),
        (["COMPLIANT"], ["example"]),
        (["NON_COMPLIANT"], ["strict"]),
        (["INSUFFICIENT_DATA"], ["silent"]),
        (["COMPLIANT", "NON_COMPLIANT"], ["example", "strict"]),
    ],
)
@pytest.mark.usefixtures("twelve_results")
def test_rules_are_found_by_compliance(config: Client, types: list[str], expected: list[str]) -> None:
    answer = config.describe_compliance_by_config_rule(ComplianceTypes=types)
    assert [found["ConfigRuleName"] for found in answer["ComplianceByConfigRules"]] == expected


def counted(number: int, *, more: bool = False) -> dict[str, Any]:
    return {"CappedCount": number, "CapExceeded": more}


def test_compliance_says_how_many_resources_or_rules_decide_it(config: Client, twelve_results: str) -> None:
    """AWS Config counts resources up to 100."""
    rules = config.describe_compliance_by_config_rule()["ComplianceByConfigRules"]
    of_rules = {found["ConfigRuleName"]: found["Compliance"] for found in rules}
    assert of_rules["example"] == {"ComplianceType": "COMPLIANT", "ComplianceContributorCount": counted(12)}
    assert of_rules["silent"] == {"ComplianceType": "INSUFFICIENT_DATA"}
    [of_resource] = config.describe_compliance_by_resource(ResourceType="AWS::::Account", ResourceId=twelve_results)[
        "ComplianceByResources"
    ]
    assert of_resource["Compliance"] == {"ComplianceType": "NON_COMPLIANT", "ComplianceContributorCount": counted(1)}


def test_contributors_are_counted_up_to_a_hundred(config: Client, put_rule: Rule) -> None:
    token = put_rule()
    for start in (0, 60):
        evaluations = [evaluation(f"{number:03}", "NON_COMPLIANT") for number in range(start, start + 60)]
        config.put_evaluations(ResultToken=token, Evaluations=evaluations)
    [found] = config.describe_compliance_by_config_rule(ConfigRuleNames=["example"])["ComplianceByConfigRules"]
    assert found["Compliance"]["ComplianceContributorCount"] == counted(100, more=True)


def resources(config: Client, **params: Parameter) -> list[tuple[str, str]]:
    found = config.get_paginator("describe_compliance_by_resource").paginate(**params)
    return [
        (each["ResourceId"], each["Compliance"]["ComplianceType"]) for page in found for each in page["ComplianceByResources"]
    ]


def test_resources_are_found_by_type_id_and_compliance(config: Client, twelve_results: str) -> None:
    compliant = [(f"{number:02}", "COMPLIANT") for number in range(11)]
    assert resources(config) == [*compliant, (twelve_results, "NON_COMPLIANT"), ("11", "INSUFFICIENT_DATA")]
    assert resources(config, ResourceType="AWS::S3::Bucket") == []
    assert resources(config, ResourceType="AWS::::Account", ResourceId="03") == [("03", "COMPLIANT")]
    assert resources(config, ComplianceTypes=["NON_COMPLIANT"]) == [(twelve_results, "NON_COMPLIANT")]
    assert resources(config, ComplianceTypes=["COMPLIANT"]) == compliant


@pytest.mark.usefixtures("twelve_results")
@pytest.mark.parametrize(
    ("limit", "sizes"), [({}, [10, 3]), ({"Limit": 0}, [10, 3]), ({"Limit": 5}, [5, 5, 3]), ({"Limit": 13}, [13])]
)
def test_compliance_comes_in_pages(config: Client, limit: dict[str, int], sizes: list[int]) -> None:
    for operation, key, params in (
        ("describe_compliance_by_resource", "ComplianceByResources", {}),
        ("get_compliance_details_by_config_rule", "EvaluationResults", {"ConfigRuleName": "example"}),
    ):
        call, found = getattr(config, operation), []
        token: dict[str, str] = {}
        while True:
            answer = call(**params, **limit, **token)
            found.append(len(answer[key]))
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        assert found == sizes


def test_details_are_found_by_compliance(config: Client, twelve_results: str) -> None:
    def found(*types: str) -> list[str]:
        answer = config.get_compliance_details_by_config_rule(ConfigRuleName="example", ComplianceTypes=types, Limit=100)
        identifiers = [result["EvaluationResultIdentifier"] for result in answer["EvaluationResults"]]
        return [identifier["EvaluationResultQualifier"]["ResourceId"] for identifier in identifiers]

    assert found("NOT_APPLICABLE") == ["11"]
    assert found("NON_COMPLIANT") == []
    assert found("COMPLIANT", "NOT_APPLICABLE") == [*(f"{number:02}" for number in range(11)), twelve_results, "11"]


def test_details_of_a_resource_come_from_every_rule(config: Client, twelve_results: str) -> None:
    def found(**params: Parameter) -> dict[str, str]:
        answer = config.get_compliance_details_by_resource(ResourceType="AWS::::Account", **params)
        return {
            result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"]: result["ComplianceType"]
            for result in answer["EvaluationResults"]
        }

    assert found(ResourceId=twelve_results) == {"example": "COMPLIANT", "strict": "NON_COMPLIANT"}
    assert found(ResourceId=twelve_results, ComplianceTypes=["NON_COMPLIANT"]) == {"strict": "NON_COMPLIANT"}
    assert found(ResourceId="none") == {}


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("describe_compliance_by_resource", {"ResourceId": "a"}, "InvalidParameterValueException"),
        ("describe_compliance_by_resource", {"ComplianceTypes": ["GOOD"]}, "ValidationException"),
        (
            "get_compliance_details_by_config_rule",
            {"ConfigRuleName": "example", "ComplianceTypes": ["INSUFFICIENT_DATA"]},
            "InvalidParameterValueException",
        ),
        ("get_compliance_details_by_config_rule", {}, "ValidationException"),
        ("get_compliance_details_by_resource", {"ResourceType": "AWS::::Account"}, "InvalidParameterValueException"),
        ("get_compliance_details_by_resource", {"ResourceEvaluationId": "a"}, "InvalidParameterValueException"),
    ],
)
def test_a_bad_question_is_refused(config: Client, put_rule: Rule, operation: str, params: dict[str, Any], code: str) -> None:
    put_rule()
    assert refusal(getattr(config, operation), **params)[0] == code


def test_the_evaluation_status_tells_nothing_of_the_outcome(config: Client, put_rule: Rule) -> None:
    put_rule("one", InputParameters='{"fail": "yes"}')
    put_rule("two")
    began = datetime.now(UTC) - timedelta(minutes=1)
    one, two = config.describe_config_rule_evaluation_status(Limit=0)["ConfigRulesEvaluationStatus"]
    assert one.pop("FirstActivatedTime") > began
    [described] = config.describe_config_rules(ConfigRuleNames=["one"])["ConfigRules"]
    assert one == {
        "ConfigRuleName": "one",
        "ConfigRuleArn": described["ConfigRuleArn"],
        "ConfigRuleId": described["ConfigRuleId"],
        "FirstEvaluationStarted": True,
    }
    assert two["ConfigRuleName"] == "two"
