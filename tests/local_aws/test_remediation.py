"""Remediation of AWS Config on the local AWS: configurations, manual and automatic executions, and exceptions."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.automation_scene import acting_as
from tests.local_aws.remediation_scene import SUCCEEDS, WAITS, create_document, create_role, role_arn
from tests.local_aws.scene import (
    CENTRAL,
    Client,
    Clients,
    Parameter,
    allow,
    eventually,
    log_lines,
    refusal,
    rule,
    trust,
)
from tests.local_aws.stack_scene import Stack, config_rule, fails

ACCOUNT = "AWS::::Account"
FAILS = {"action": "aws:executeAwsApi", "inputs": {"Service": "iam", "Api": "GetRole", "RoleName": "none"}}

Evaluate = Callable[..., None]


def remediation(account_id: str, target: str = "succeeds", rule_name: str = "example", **settings: Parameter) -> dict[str, Any]:
    parameters = {
        "AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}},
        "AutomationAssumeRole": {"StaticValue": {"Values": [role_arn(account_id)]}},
    }
    return {
        "ConfigRuleName": rule_name,
        "TargetType": "SSM_DOCUMENT",
        "TargetId": target,
        "Parameters": parameters,
        **settings,
    }


@pytest.fixture
def config(client: Clients, account_id: str) -> Client:
    """Return a client of AWS Config in an account with documents that succeed, fail and wait, and with their role."""
    create_role(client, account_id)
    for name, step in (("succeeds", SUCCEEDS), ("fails", FAILS), ("waits", WAITS)):
        create_document(client, account_id, name, step)
    return client("config", account_id)


@pytest.fixture
def evaluate(client: Clients, notes: str, account_id: str, config: Client) -> Evaluate:
    """Put a rule, and return a function that records its result for resources."""
    config.put_config_rule(ConfigRule=rule(notes))

    def token() -> str:
        noted = [json.loads(line) for line in log_lines(client, CENTRAL, "notes") if line.startswith("{")]
        return next((event["resultToken"] for event in noted if event["accountId"] == account_id), "")

    result_token = eventually(token)

    def evaluate(*resources: str, compliance: str = "NON_COMPLIANT", kind: str = ACCOUNT) -> None:
        of_all = {"ComplianceResourceType": kind, "ComplianceType": compliance, "OrderingTimestamp": datetime.now(UTC)}
        evaluations = [{"ComplianceResourceId": resource, **of_all} for resource in resources]
        config.put_evaluations(ResultToken=result_token, Evaluations=evaluations)

    return evaluate


@pytest.fixture
def put(config: Client, account_id: str) -> Callable[..., None]:
    """Return a function that puts the remediation of the rule."""

    def put(target: str = "succeeds", **settings: Parameter) -> None:
        config.put_remediation_configurations(RemediationConfigurations=[remediation(account_id, target, **settings)])

    return put


def keys(*resources: str) -> list[dict[str, str]]:
    return [{"resourceType": ACCOUNT, "resourceId": resource} for resource in resources]


def exception_keys(*resources: str) -> list[dict[str, str]]:
    return [{"ResourceType": ACCOUNT, "ResourceId": resource} for resource in resources]


def start(config: Client, *resources: str) -> dict[str, Any]:
    answer: dict[str, Any] = config.start_remediation_execution(ConfigRuleName="example", ResourceKeys=keys(*resources))
    del answer["ResponseMetadata"]
    return answer


def statuses(config: Client) -> dict[str, dict[str, Any]]:
    found = config.describe_remediation_execution_status(ConfigRuleName="example")["RemediationExecutionStatuses"]
    return {status["ResourceKey"]["resourceId"]: status for status in found}


def states(config: Client) -> dict[str, str]:
    return {resource: status["State"] for resource, status in statuses(config).items()}


def exceptions(config: Client, **params: Parameter) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = config.describe_remediation_exceptions(ConfigRuleName="example", **params)[
        "RemediationExceptions"
    ]
    return found


def executions(client: Clients, account_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("ssm", account_id).describe_automation_executions()["AutomationExecutionMetadataList"]
    return found


def finished(client: Clients, account_id: str, number: int) -> bool:
    """Wait until so many executions have ended, and return whether there are no others."""
    over = ("Success", "Failed", "Cancelled")
    ends = eventually(
        lambda: sum(each["AutomationExecutionStatus"] in over for each in executions(client, account_id)) >= number
    )
    return ends and len(executions(client, account_id)) == number


# Configurations


@pytest.mark.usefixtures("evaluate")
def test_a_configuration_is_put_changed_described_and_deleted(config: Client, account_id: str) -> None:
    config.put_remediation_configurations(RemediationConfigurations=[remediation(account_id, TargetVersion="1")])
    [put] = config.describe_remediation_configurations(ConfigRuleNames=["example", "none"])["RemediationConfigurations"]
    arn = put.pop("Arn")
    assert re.fullmatch(rf"arn:aws:config:us-east-1:{account_id}:remediation-configuration/\S+", arn)
    assert put == remediation(account_id, TargetVersion="1")

    # The description of a configuration is a valid request.
    config.put_remediation_configurations(
        RemediationConfigurations=[{**remediation(account_id, "fails", Automatic=True), "Arn": arn}]
    )
    [changed] = config.describe_remediation_configurations(ConfigRuleNames=["example"])["RemediationConfigurations"]
    automatic = {"Automatic": True, "MaximumAutomaticAttempts": 5, "RetryAttemptSeconds": 60}
    assert changed == {**remediation(account_id, "fails"), **automatic, "Arn": arn}

    config.delete_remediation_configuration(ConfigRuleName="example")
    assert config.describe_remediation_configurations(ConfigRuleNames=["example"])["RemediationConfigurations"] == []
    for call, params in (
        (config.delete_remediation_configuration, {}),
        (config.start_remediation_execution, {"ResourceKeys": keys("a")}),
        (config.describe_remediation_execution_status, {}),
    ):
        assert refusal(call, ConfigRuleName="example", **params)[0] == "NoSuchRemediationConfigurationException"


STATIC = {"StaticValue": {"Values": ["a"]}}
DYNAMIC = {"ResourceValue": {"Value": "RESOURCE_ID"}}


@pytest.mark.usefixtures("evaluate")
@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"ConfigRuleName": "none"}, "InvalidParameterValueException", "The ConfigRule 'none'"),
        ({"TargetId": "none"}, "InvalidParameterValueException", "The SSM document none"),
        (
            {"TargetVersion": "7"},
            "InvalidParameterValueException",
            "The SSM document succeeds does not exist or has no version 7",
        ),
        ({"TargetVersion": "first"}, "InvalidParameterValueException", "has no version first"),
        ({"TargetType": "LAMBDA"}, "ValidationException", "SSM_DOCUMENT"),
        ({"TargetId": None}, "ValidationException", "targetId"),
        ({"Parameters": {"AccountId": {}}}, "InvalidParameterValueException", "AccountId"),
        ({"Parameters": {"AccountId": STATIC | DYNAMIC}}, "InvalidParameterValueException", "AccountId"),
        ({"Parameters": {"Colour": STATIC}}, "InvalidParameterValueException", "no parameter Colour"),
        ({"Parameters": {"AccountId": {"ResourceValue": {"Value": "NAME"}}}}, "ValidationException", "RESOURCE_ID"),
        ({"Parameters": {f"P{number}": STATIC for number in range(26)}}, "ValidationException", "25"),
        ({"Automatic": True, "Parameters": {"AccountId": DYNAMIC}}, "InvalidParameterValueException", "AutomationAssumeRole"),
        (
            {"Automatic": True, "Parameters": {"AutomationAssumeRole": DYNAMIC}},
            "InvalidParameterValueException",
            "AutomationAssumeRole",
        ),
        ({"MaximumAutomaticAttempts": 26}, "ValidationException", "25"),
        ({"RetryAttemptSeconds": 0}, "ValidationException", "retryAttemptSeconds"),
        ({"ExecutionControls": {"SsmControls": {"ErrorPercentage": 101}}}, "ValidationException", "errorPercentage"),
    ],
)
def test_a_bad_configuration_is_refused_with_all_others(
    config: Client, account_id: str, changed: dict[str, Any], code: str, said: str
) -> None:
    both = [remediation(account_id), remediation(account_id) | changed]
    refused = refusal(config.put_remediation_configurations, RemediationConfigurations=both)
    assert refused[0] == code
    assert said in refused[1]
    assert config.describe_remediation_configurations(ConfigRuleNames=["example"])["RemediationConfigurations"] == []


@pytest.mark.usefixtures("evaluate")
def test_not_more_than_25_are_put_at_once(config: Client, account_id: str) -> None:
    many = [remediation(account_id)] * 26
    assert refusal(config.put_remediation_configurations, RemediationConfigurations=many)[0] == "ValidationException"


@pytest.mark.usefixtures("evaluate")
def test_a_rule_with_a_remediation_stays(config: Client, put: Callable[..., None]) -> None:
    put()
    assert refusal(config.delete_config_rule, ConfigRuleName="example") == (
        "ResourceInUseException",
        "The rule example currently has a RemediationConfiguration. Please delete the RemediationConfiguration and try again.",
    )
    config.delete_remediation_configuration(ConfigRuleName="example")
    config.delete_config_rule(ConfigRuleName="example")


# Executions by hand


def test_a_resource_is_remediated_by_hand(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    parameters = remediation(account_id)["Parameters"] | {"Words": {"StaticValue": {"Values": ["one", "two"]}}}
    put(Parameters=parameters)
    evaluate("bad", "worse")
    evaluate("good", compliance="COMPLIANT")
    assert executions(client, account_id) == []

    answer = start(config, "bad", "good", "unknown")
    assert answer.pop("FailedItems") == keys("good", "unknown")
    assert "good is not a noncompliant resource" in answer.pop("FailureMessage")
    assert answer == {}
    assert finished(client, account_id, 1)
    [status] = config.describe_remediation_execution_status(ConfigRuleName="example")["RemediationExecutionStatuses"]
    assert (status["ResourceKey"], status["State"]) == (keys("bad")[0], "SUCCEEDED")
    [step] = status["StepDetails"]
    assert (step["Name"], step["State"]) == ("Step1", "SUCCEEDED")
    assert status["InvocationTime"] <= step["StartTime"] <= status["LastUpdatedTime"]

    [execution] = executions(client, account_id)
    described = client("ssm", account_id).get_automation_execution(AutomationExecutionId=execution["AutomationExecutionId"])
    given = described["AutomationExecution"]["Parameters"]
    assert given == {"AccountId": ["bad"], "AutomationAssumeRole": [role_arn(account_id)], "Words": ["one", "two"]}
    assert described["AutomationExecution"]["ExecutedBy"] == f"arn:aws:iam::{account_id}:root"


def test_a_failed_remediation_tells_why(config: Client, evaluate: Evaluate, put: Callable[..., None]) -> None:
    put("fails")
    evaluate("bad")
    assert start(config, "bad") == {}
    assert eventually(lambda: states(config) == {"bad": "FAILED"})
    [step] = statuses(config)["bad"]["StepDetails"]
    assert step["State"] == "FAILED"
    assert "NoSuchEntity" in step["ErrorMessage"]
    assert start(config, "bad") == {}  # A second start is allowed.


def test_what_can_not_be_started_failed_at_its_initialization(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put()
    evaluate("bad")
    client("ssm", account_id).delete_document(Name="succeeds")
    start(config, "bad")
    [step] = statuses(config)["bad"]["StepDetails"]
    assert (step["Name"], step["State"]) == ("Initialization", "FAILED")
    assert "succeeds" in step["ErrorMessage"]
    assert states(config) == {"bad": "FAILED"}


def test_one_remediation_of_a_resource_at_a_time(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put("waits")
    evaluate("bad")
    start(config, "bad")
    assert eventually(lambda: states(config) == {"bad": "IN_PROGRESS"})
    answer = start(config, "bad")
    assert answer == {"FailureMessage": "A remediation of bad is in progress.", "FailedItems": keys("bad")}
    assert refusal(config.delete_remediation_configuration, ConfigRuleName="example")[0] == "RemediationInProgressException"
    [execution] = executions(client, account_id)
    client("ssm", account_id).stop_automation_execution(AutomationExecutionId=execution["AutomationExecutionId"], Type="Cancel")
    assert eventually(lambda: states(config) == {"bad": "FAILED"})
    config.delete_remediation_configuration(ConfigRuleName="example")


def test_only_a_share_of_the_resources_is_remediated_at_a_time(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put("waits", ExecutionControls={"SsmControls": {"ConcurrentExecutionRatePercentage": 50, "ErrorPercentage": 100}})
    evaluate("a", "b", "c", "d")
    start(config, "a", "b", "c", "d")
    assert eventually(lambda: states(config) == {"a": "IN_PROGRESS", "b": "IN_PROGRESS", "c": "QUEUED", "d": "QUEUED"})
    ssm = client("ssm", account_id)
    for execution in executions(client, account_id):
        ssm.stop_automation_execution(AutomationExecutionId=execution["AutomationExecutionId"], Type="Cancel")
    assert eventually(lambda: states(config) == {"a": "FAILED", "b": "FAILED", "c": "IN_PROGRESS", "d": "IN_PROGRESS"})


def test_too_many_errors_end_it(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put("fails", ExecutionControls={"SsmControls": {"ConcurrentExecutionRatePercentage": 1, "ErrorPercentage": 25}})
    evaluate("a", "b", "c", "d")
    start(config, "a", "b", "c", "d")
    assert eventually(lambda: set(states(config).values()) == {"FAILED"})
    assert finished(client, account_id, 2)  # One of four may fail.
    assert statuses(config)["d"]["StepDetails"][0]["ErrorMessage"] == "Too many remediations have failed."
    start(config, "a", "b", "c", "d")
    assert finished(client, account_id, 4)  # Earlier failures no longer count.


def test_a_version_of_the_document_may_be_chosen(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    ssm = client("ssm", account_id)
    ssm.update_document(Name="succeeds", Content=ssm.get_document(Name="fails")["Content"], DocumentVersion="$LATEST")
    evaluate("bad")
    put(TargetVersion="2")
    start(config, "bad")
    assert eventually(lambda: states(config) == {"bad": "FAILED"})
    put()
    start(config, "bad")
    assert eventually(lambda: states(config) == {"bad": "SUCCEEDED"})


def test_the_status_of_resources_is_told_in_their_order(config: Client, evaluate: Evaluate, put: Callable[..., None]) -> None:
    put()
    evaluate("a", "b", "c")
    start(config, "a", "b", "c")
    describe = config.describe_remediation_execution_status
    found = describe(ConfigRuleName="example")["RemediationExecutionStatuses"]
    assert [status["ResourceKey"] for status in found] == keys("a", "b", "c")
    chosen = describe(ConfigRuleName="example", ResourceKeys=keys("b", "none"))["RemediationExecutionStatuses"]
    assert [status["ResourceKey"] for status in chosen] == keys("b")
    assert refusal(describe, ConfigRuleName="example", ResourceKeys=keys(*map(str, range(101))))[0] == "ValidationException"
    other = [{"resourceType": "Account", "resourceId": "a"}]
    assert refusal(config.start_remediation_execution, ConfigRuleName="example", ResourceKeys=other)[0] == "ValidationException"


# Automatic executions


def test_a_result_starts_an_automatic_remediation(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put(Automatic=True)
    evaluate("good", compliance="COMPLIANT")
    evaluate("new", compliance="NOT_APPLICABLE")
    evaluate("bad")
    assert eventually(lambda: states(config) == {"bad": "SUCCEEDED"})
    [execution] = executions(client, account_id)
    assert f":{account_id}:assumed-role/AWSServiceRoleForConfigRemediation/" in execution["ExecutedBy"]
    # The resource is still noncompliant, so Config remediates it again.
    evaluate("bad")
    assert finished(client, account_id, 2)


def test_what_is_not_compliant_already_is_remediated_once_that_is_automatic(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put()
    evaluate("bad", "worse")
    evaluate("good", compliance="COMPLIANT")
    assert states(config) == {}
    put(Automatic=True)
    assert eventually(lambda: states(config) == {"bad": "SUCCEEDED", "worse": "SUCCEEDED"})
    assert finished(client, account_id, 2)


def test_resources_of_another_type_are_left_alone(config: Client, evaluate: Evaluate, put: Callable[..., None]) -> None:
    put(Automatic=True, ResourceType="AWS::S3::Bucket")
    evaluate("account")
    evaluate("bucket", kind="AWS::S3::Bucket")
    assert list(states(config)) == ["bucket"]
    assert start(config, "account")["FailedItems"] == keys("account")


def test_a_failure_is_tried_again_until_config_puts_an_exception(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put("fails", Automatic=True, MaximumAutomaticAttempts=3, RetryAttemptSeconds=600)
    evaluate("bad")
    assert eventually(lambda: exceptions(config))
    assert finished(client, account_id, 3)
    [exception] = exceptions(config)
    assert exception["Message"].startswith("AWS Config put this exception: 3 automatic remediations within 600 seconds")
    assert "ExpirationTime" not in exception
    evaluate("bad")
    assert finished(client, account_id, 3)

    # An execution by hand is allowed, and counts as no attempt.
    start(config, "bad")
    assert finished(client, account_id, 4)


def test_attempts_count_as_long_as_their_window_is_open(  # noqa: PLR0913, PLR0917 - fixtures
    client: Clients,
    config: Client,
    account_id: str,
    evaluate: Evaluate,
    put: Callable[..., None],
    local_aws: LocalAwsClient,
) -> None:
    put(Automatic=True, MaximumAutomaticAttempts=2, RetryAttemptSeconds=600)
    for number in (1, 2):
        evaluate("bad")
        assert finished(client, account_id, number)
    local_aws.advance_clock(seconds=600)
    for number in (3, 4):
        evaluate("bad")
        assert finished(client, account_id, number)
    assert exceptions(config) == []
    evaluate("bad")
    assert [exception["ResourceId"] for exception in exceptions(config)] == ["bad"]
    assert finished(client, account_id, 4)


def test_a_failure_after_the_window_waits_for_the_next_result(  # noqa: PLR0913, PLR0917 - fixtures
    client: Clients,
    config: Client,
    account_id: str,
    evaluate: Evaluate,
    put: Callable[..., None],
    local_aws: LocalAwsClient,
) -> None:
    create_document(client, account_id, "fails-late", WAITS, FAILS)
    put("fails-late", Automatic=True, RetryAttemptSeconds=300)
    evaluate("bad")
    assert eventually(lambda: states(config) == {"bad": "IN_PROGRESS"})
    evaluate("bad")  # One execution runs.
    local_aws.advance_clock(seconds=600)
    assert eventually(lambda: states(config) == {"bad": "FAILED"})
    assert finished(client, account_id, 1)
    evaluate("bad")
    assert len(executions(client, account_id)) == 2


def test_no_failure_is_tried_again_once_remediation_is_by_hand(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    put("waits", Automatic=True)
    evaluate("bad")
    put("waits")  # by hand from now on
    [execution] = executions(client, account_id)
    client("ssm", account_id).stop_automation_execution(AutomationExecutionId=execution["AutomationExecutionId"], Type="Cancel")
    assert eventually(lambda: states(config) == {"bad": "FAILED"})
    assert finished(client, account_id, 1)


# Exceptions


def test_an_exception_stops_automatic_remediation_until_it_expires(  # noqa: PLR0913, PLR0917 - fixtures
    client: Clients,
    config: Client,
    account_id: str,
    evaluate: Evaluate,
    put: Callable[..., None],
    local_aws: LocalAwsClient,
) -> None:
    put()
    evaluate("bad", "worse")
    expiration = datetime.now(UTC) + timedelta(days=1000)
    answer = config.put_remediation_exceptions(
        ConfigRuleName="example", ResourceKeys=exception_keys("bad"), Message="Known.", ExpirationTime=expiration
    )
    assert answer["FailedBatches"] == []
    [exception] = exceptions(config)
    assert abs(exception.pop("ExpirationTime") - expiration) < timedelta(seconds=1)
    assert exception == {"ConfigRuleName": "example", **exception_keys("bad")[0], "Message": "Known."}

    put(Automatic=True)
    assert eventually(lambda: states(config) == {"worse": "SUCCEEDED"})
    evaluate("bad")
    assert finished(client, account_id, 1)
    local_aws.advance_clock(seconds=timedelta(days=1001).total_seconds())
    assert exceptions(config) == []
    evaluate("bad")
    assert finished(client, account_id, 2)


def test_a_deleted_exception_lets_the_next_result_start_again(
    client: Clients, config: Client, account_id: str, evaluate: Evaluate, put: Callable[..., None]
) -> None:
    evaluate("bad", "worse")
    config.put_remediation_exceptions(ConfigRuleName="example", ResourceKeys=exception_keys("bad", "worse"))
    put(Automatic=True)
    delete = config.delete_remediation_exceptions
    code, _ = refusal(delete, ConfigRuleName="example", ResourceKeys=exception_keys("bad", "none"))
    assert code == "NoSuchRemediationExceptionException"
    assert len(exceptions(config)) == 2
    assert delete(ConfigRuleName="example", ResourceKeys=exception_keys("bad"))["FailedBatches"] == []
    assert [exception["ResourceId"] for exception in exceptions(config)] == ["worse"]
    evaluate("bad", "worse")
    assert eventually(lambda: states(config) == {"bad": "SUCCEEDED"})
    assert finished(client, account_id, 1)
    code, _ = refusal(delete, ConfigRuleName="none", ResourceKeys=exception_keys("bad"))
    assert code == "NoSuchRemediationExceptionException"


def test_exceptions_are_for_noncompliant_resources_only(config: Client, evaluate: Evaluate) -> None:
    evaluate("bad")
    evaluate(*(f"good-{number:02}" for number in range(30)), compliance="COMPLIANT")
    good = [f"good-{number:02}" for number in range(30)]
    put = config.put_remediation_exceptions
    batches = put(ConfigRuleName="example", ResourceKeys=exception_keys("bad", *good))["FailedBatches"]
    assert [[item["ResourceId"] for item in batch["FailedItems"]] for batch in batches] == [good[:25], good[25:]]
    assert all("noncompliant" in batch["FailureMessage"] for batch in batches)
    assert [exception["ResourceId"] for exception in exceptions(config)] == ["bad"]
    code, _ = refusal(put, ConfigRuleName="none", ResourceKeys=exception_keys("bad"))
    assert code == "InvalidParameterValueException"
    code, message = refusal(
        put, ConfigRuleName="example", ResourceKeys=exception_keys("bad"), ExpirationTime=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert (code, message) == ("InvalidParameterValueException", "ExpirationTime has passed already.")


def test_exceptions_come_in_pages_of_25(config: Client, evaluate: Evaluate) -> None:
    names = [f"bad-{number:02}" for number in range(26)]
    evaluate(*names)
    config.put_remediation_exceptions(ConfigRuleName="example", ResourceKeys=exception_keys(*names))
    first = config.describe_remediation_exceptions(ConfigRuleName="example")
    second = config.describe_remediation_exceptions(ConfigRuleName="example", NextToken=first["NextToken"])
    found = [[exception["ResourceId"] for exception in page["RemediationExceptions"]] for page in (first, second)]
    assert found == [names[:25], names[25:]]
    assert "NextToken" not in second
    assert [each["ResourceId"] for each in exceptions(config, ResourceKeys=exception_keys("bad-25", "none"))] == ["bad-25"]
    assert refusal(config.describe_remediation_exceptions, ConfigRuleName="none")[0] == "InvalidParameterValueException"


def test_exceptions_go_with_their_rule(config: Client, evaluate: Evaluate, notes: str) -> None:
    evaluate("bad")
    config.put_remediation_exceptions(ConfigRuleName="example", ResourceKeys=exception_keys("bad"))
    config.delete_config_rule(ConfigRuleName="example")
    config.put_config_rule(ConfigRule=rule(notes))
    assert exceptions(config) == []


# AWS::Config::RemediationConfiguration


@pytest.fixture
def stack(client: Clients, account_id: str) -> Stack:
    return Stack(client, account_id)


def resource(account_id: str, rule_name: object, **properties: Parameter) -> dict[str, Any]:
    return {
        "Type": "AWS::Config::RemediationConfiguration",
        "Properties": remediation(account_id) | {"ConfigRuleName": rule_name} | properties,
    }


def configured(config: Client, *rule_names: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = config.describe_remediation_configurations(ConfigRuleNames=rule_names)[
        "RemediationConfigurations"
    ]
    return found


def test_a_stack_makes_changes_replaces_and_deletes_a_remediation(
    config: Client, account_id: str, stack: Stack, notes: str
) -> None:
    as_text = {
        "Automatic": "true",
        "MaximumAutomaticAttempts": "2",
        "RetryAttemptSeconds": "300",
        "ExecutionControls": {"SsmControls": {"ErrorPercentage": "10", "ConcurrentExecutionRatePercentage": "20"}},
    }
    parameters = remediation(account_id)["Parameters"] | {"Words": {"StaticValue": {"Values": [True, 3]}}}
    of_rule = resource(account_id, {"Ref": "Rule"}, Parameters=parameters, **as_text)
    stack.create({"Rule": config_rule(notes), "Remediation": of_rule}, Name={"Ref": "Remediation"})
    assert stack.outputs == {"Name": "example"}
    [made] = configured(config, "example")
    assert {name: made[name] for name in as_text} == {
        "Automatic": True,
        "MaximumAutomaticAttempts": 2,
        "RetryAttemptSeconds": 300,
        "ExecutionControls": {"SsmControls": {"ErrorPercentage": 10, "ConcurrentExecutionRatePercentage": 20}},
    }
    assert made["Parameters"]["Words"] == {"StaticValue": {"Values": ["true", "3"]}}

    stack.update({"Rule": config_rule(notes), "Remediation": resource(account_id, {"Ref": "Rule"}, Automatic="false")})
    [changed] = configured(config, "example")
    assert changed == remediation(account_id) | {"Automatic": False, "Arn": made["Arn"]}

    stack.update({"Rule": config_rule(notes, "renamed"), "Remediation": resource(account_id, {"Ref": "Rule"})})
    assert [each["ConfigRuleName"] for each in configured(config, "example", "renamed")] == ["renamed"]
    assert [each["ConfigRuleName"] for each in config.describe_config_rules()["ConfigRules"]] == ["renamed"]

    stack.delete()
    assert config.describe_config_rules()["ConfigRules"] == []


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"TargetId": "none"}, "The SSM document none"),
        ({"Colour": "red"}, "Encountered unsupported property Colour"),
        ({"Automatic": "perhaps"}, "'perhaps' is no boolean"),
        ({"MaximumAutomaticAttempts": "many"}, "many"),
        ({"MaximumAutomaticAttempts": 26}, "less than or equal to 25"),
        ({"Parameters": {"AccountId": "RESOURCE_ID"}}, "Properties validation failed"),
        ({"ExecutionControls": "none"}, "Properties validation failed"),
    ],
)
def test_what_is_refused_fails_the_stack(
    account_id: str, stack: Stack, notes: str, properties: dict[str, Any], reason: str
) -> None:
    fails(stack.create, {"Rule": config_rule(notes), "Remediation": resource(account_id, {"Ref": "Rule"}, **properties)})
    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stack.failures["Remediation"]


@pytest.mark.usefixtures("evaluate")
def test_a_stack_does_not_take_over_a_remediation(
    config: Client, account_id: str, stack: Stack, put: Callable[..., None]
) -> None:
    put("waits")
    fails(stack.create, {"Remediation": resource(account_id, "example")})
    assert "already exists" in stack.failures["Remediation"]
    [kept] = configured(config, "example")
    assert kept["TargetId"] == "waits"


@pytest.mark.usefixtures("evaluate")
def test_a_remediation_that_is_gone_already_is_no_reason_to_fail(config: Client, account_id: str, stack: Stack) -> None:
    stack.create({"Remediation": resource(account_id, "example")})
    config.delete_remediation_configuration(ConfigRuleName="example")
    stack.delete()


# Permissions


OPERATOR = "operator"


@pytest.fixture
def operator(client: Clients, local_aws: LocalAwsClient, account_id: str) -> Callable[[str], Client]:
    """Return a function that makes a client of AWS Config for a session whose role has the policy."""

    def operator(policy: str) -> Client:
        iam = client("iam", account_id)
        trusted = trust({"AWS": f"arn:aws:iam::{account_id}:root"})
        role = iam.create_role(RoleName=OPERATOR, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
        iam.put_role_policy(RoleName=OPERATOR, PolicyName=OPERATOR, PolicyDocument=policy)
        session = client("sts", account_id).assume_role(RoleArn=role, RoleSessionName="test")
        return acting_as(local_aws, "config", session["Credentials"])

    return operator


@pytest.mark.parametrize(("of", "code"), [("remediation-configuration", ""), ("config-rule", "AccessDeniedException")])
def test_a_permission_is_on_the_configuration(  # noqa: PLR0913, PLR0917 - fixtures, and the case
    account_id: str,
    evaluate: Evaluate,
    put: Callable[..., None],
    operator: Callable[[str], Client],
    of: str,
    code: str,
) -> None:
    put()
    evaluate("bad")
    config = operator(allow("config:*", resource=f"arn:aws:config:*:{account_id}:{of}/*"))
    for call, params in (
        (config.describe_remediation_execution_status, {"ConfigRuleName": "example"}),
        (config.put_remediation_configurations, {"RemediationConfigurations": [remediation(account_id)]}),
    ):
        if code:
            assert refusal(call, **params)[0] == code
        else:
            call(**params)


@pytest.mark.parametrize(
    ("target", "actions", "lacks"),
    [
        ("succeeds", ["config:*"], "ssm:StartAutomationExecution"),
        ("succeeds", ["config:*", "ssm:*"], "iam:PassRole"),
        ("succeeds", ["config:*", "ssm:*", "iam:PassRole"], None),
        ("has-a-role", ["config:*", "ssm:*"], "iam:PassRole"),
    ],
)
def test_who_remediates_by_hand_needs_the_permissions_of_automation(  # noqa: PLR0913, PLR0917 - fixtures, and the case
    client: Clients,
    account_id: str,
    evaluate: Evaluate,
    put: Callable[..., None],
    operator: Callable[[str], Client],
    target: str,
    actions: list[str],
    lacks: str | None,
) -> None:
    create_document(client, account_id, "has-a-role", SUCCEEDS, role=role_arn(account_id))
    dynamic = {"AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}}}
    put(target, **({} if target == "succeeds" else {"Parameters": dynamic}))
    evaluate("bad")
    config = operator(allow(*actions))
    assert start(config, "bad") == {}
    if lacks is None:
        assert eventually(lambda: states(config) == {"bad": "SUCCEEDED"})
        [execution] = executions(client, account_id)
        assert execution["ExecutedBy"] == f"arn:aws:sts::{account_id}:assumed-role/{OPERATOR}/test"
    else:
        assert states(config) == {"bad": "FAILED"}
        [step] = statuses(config)["bad"]["StepDetails"]
        assert step["Name"] == "Initialization"
        assert f"is not authorized to perform: {lacks} on resource: arn:aws:" in step["ErrorMessage"]
        assert executions(client, account_id) == []
