"""What happens to an evaluation that fails, what is counted, and what the roles allow: on the deployed artefact."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.sam import ACCOUNT_STACK_NAME, EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, deploy_account
from local_aws.client import LocalAwsProcess
from periodic_rule import evaluations
from root_virtual_mfa_enabled import facts
from tests.e2e.application import METRICS, READ, Application, wait_for
from tests.e2e.conftest import NewAccount
from tests.e2e.packaged import deploy


@pytest.fixture
def account_id(application: Application, new_account: NewAccount) -> str:
    """Watch an account; its root user had no MFA when it was evaluated, and has a virtual device by now."""
    account_id = new_account()
    application.watch(account_id)
    assert application.result(account_id)["ComplianceType"] == "NON_COMPLIANT"
    application.change_root_user(account_id, "add-virtual-device phone")
    return account_id


def dropped(application: Application) -> float:
    name = application.function_arn.rpartition(":")[2]
    return application.metric("AsyncEventsDropped", "AWS/Lambda", {"FunctionName": name})


def test_what_outlasts_the_retries_of_a_call_is_outlasted_by_those_of_the_event(
    application: Application, account_id: str
) -> None:
    before = dropped(application)
    application.aws.add_fault(account_id, READ, "Throttling", times=3)
    assert application.evaluate(account_id)["ComplianceType"] == "COMPLIANT"
    [failure] = application.log(account_id, "evaluation failed")
    _, evaluation = application.log(account_id, "evaluation", 2)
    assert failure["errorType"] == "ReadError"
    assert failure["apiCalls"][READ] == 3
    assert evaluation["orderingTimestamp"] == failure["orderingTimestamp"]
    assert dropped(application) == before


def test_an_event_that_fails_for_good_is_kept_and_leaves_the_last_result(application: Application, account_id: str) -> None:
    before, events = application.results(account_id), dropped(application)
    application.aws.add_fault(account_id, READ, "AccessDenied", times=3)
    application.start_evaluation(account_id)
    record = application.failure(account_id)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["configRuleArn"].startswith(f"arn:aws:config:us-east-1:{account_id}:config-rule/config-rule-")
    [error] = record["errors"]
    assert error["errorType"] == "ReadError"
    assert error["errorMessage"].startswith(f"{READ} failed in account {account_id}: AccessDenied: ")
    assert application.results(account_id) == before
    assert application.rule_compliance(account_id) == "NON_COMPLIANT"
    lines = application.log(account_id, "evaluation failed", 3)
    assert [line["requestId"] for line in lines] == [record["requestContext"]["requestId"]] * 3
    assert dropped(application) == events + 1

    # AWS Config says nothing about it; the alarm does.
    status = application.client("config", account_id).describe_config_rule_evaluation_status()["ConfigRulesEvaluationStatus"]
    assert [key for key in status[0] if key.startswith("Last")] == []
    application.aws.advance_clock(seconds=60)
    wait_for(lambda: application.alarm_states()["FailedEventsAlarm"] == "ALARM", "the alarm on events that fail")


def test_events_that_are_evaluated_raise_no_alarm(application: Application, account_id: str) -> None:
    application.evaluate(account_id)
    application.log(account_id, "evaluation", 2)
    application.aws.advance_clock(seconds=3600)
    wait_for(lambda: application.alarm_states()["SilenceAlarm"] == "OK", "the alarm on silence to count an evaluation")
    assert application.alarm_states()["ThrottlesAlarm"] == "OK"


def test_an_event_that_comes_again_changes_nothing(application: Application, account_id: str) -> None:
    application.aws.add_fault(account_id, READ, "AccessDenied", times=3)
    with application.tapped_events() as tapped:
        application.start_evaluation(account_id)
        event = tapped(account_id)

    assert not application.invoke(event).failed
    first = application.result(account_id)
    assert first["ComplianceType"] == "COMPLIANT"
    assert not application.invoke(event).failed
    second = application.result(account_id)
    assert without_times(second) == without_times(first)

    # An event of before does not undo a later evaluation, though the state that it finds is another one.
    application.change_root_user(account_id, "add-virtual-device tablet")
    later = application.evaluate(account_id)
    application.change_root_user(account_id, "remove-virtual-device phone", "remove-virtual-device tablet")
    answer = application.invoke(event)
    assert answer.payload[0]["ComplianceType"] == "NON_COMPLIANT"
    assert application.results(account_id) == [later]


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without its report time. The ordering timestamp stays: it says which moment the result is about."""
    return {key: value for key, value in result.items() if key != "ResultRecordedTime"}


def test_verdicts_and_failures_are_counted(aws: LocalAwsProcess, new_account: NewAccount) -> None:
    account_id = new_account()
    deploy(aws, account_id, {"NoRootCredentials": "NOT_APPLICABLE"})
    application = Application(aws, account_id)
    application.log(account_id, "evaluation")
    for changes in (["add-virtual-device phone"], ["remove-virtual-device phone"], ["delete-password"]):
        application.change_root_user(account_id, *changes)
        application.evaluate(account_id)
    application.log(account_id, "evaluation", 4)
    application.aws.add_fault(account_id, READ, "AccessDenied", times=3)
    application.start_evaluation(account_id)
    application.failure(account_id)
    application.log(account_id, "evaluation failed", 3)
    counted = {name: application.metric(name) for name in METRICS}
    assert counted == {"Evaluations": 4, "Compliant": 1, "NonCompliant": 2, "NotApplicable": 1, "Failures": 3}


def test_roles_allow_what_evaluations_call_and_nothing_else(application: Application, account_id: str) -> None:
    """The function's role, over an evaluation of its own account, one of a member, and one that fails for good."""
    own = application.account_id
    # A new configuration is a new environment, and with it a new log stream.
    client = application.client("lambda")
    client.update_function_configuration(FunctionName=application.function_arn, Description="As it was, in a new environment.")
    application.calls()
    application.change_root_user(own, "add-virtual-device phone")
    try:
        assert application.evaluate(own)["ComplianceType"] == "COMPLIANT"
    finally:
        application.change_root_user(own, "remove-virtual-device phone")
    assert application.evaluate(account_id)["ComplianceType"] == "COMPLIANT"
    application.aws.add_fault(account_id, READ, "AccessDenied", times=3)
    application.start_evaluation(account_id)
    application.failure(account_id)
    made: dict[str, set[str]] = {}
    for role, action in application.calls():
        made.setdefault(role, set()).add(action)
    assert made == {
        FUNCTION_ROLE_NAME: application.allowed_actions(FUNCTION_ROLE_NAME, own),
        EVALUATION_ROLE_NAME: application.allowed_actions(EVALUATION_ROLE_NAME, account_id),
    }
    assert made[EVALUATION_ROLE_NAME] == facts.PERMISSIONS | evaluations.PERMISSIONS


def test_rule_needs_a_permission_to_invoke_for_its_account(application: Application, new_account: NewAccount) -> None:
    with pytest.raises(ClientError) as refusal:
        application.put_rule(new_account(), {})
    assert refusal.value.response["Error"]["Code"] == "InsufficientPermissionsException"


@pytest.mark.parametrize(
    ("parameters", "error_type", "says"),
    [
        ({}, "ForeignAccountError", "evaluating another account needs the rule parameter ExecutionRoleName"),
        ({"ExecutionRoleName": EVALUATION_ROLE_NAME}, "AssumeRoleError", "deploy account.yaml in the account."),
        ({"nonVirtualMfa": "PERHAPS"}, "InvalidParametersError", "nonVirtualMfa is 'PERHAPS': allowed is"),
        ({"AssumeRoleMode": "false"}, "InvalidParametersError", "Unknown rule parameter 'AssumeRoleMode': allowed are"),
    ],
)
def test_account_that_cannot_be_evaluated_has_no_result(
    application: Application, new_account: NewAccount, parameters: dict[str, str], error_type: str, says: str
) -> None:
    account_id = new_account()
    application.permit(account_id)
    application.put_rule(account_id, parameters)
    [error] = application.failure(account_id)["errors"]
    assert error["errorType"] == error_type
    assert says in error["errorMessage"]
    assert account_id in error["errorMessage"]
    assert application.results(account_id) == []
    assert application.rule_compliance(account_id) == "INSUFFICIENT_DATA"


def test_deleted_evaluation_role_leaves_the_last_result_until_it_is_back(application: Application, account_id: str) -> None:
    before = application.results(account_id)
    cloudformation = application.client("cloudformation", account_id)
    cloudformation.delete_stack(StackName=ACCOUNT_STACK_NAME)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=ACCOUNT_STACK_NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000}
    )
    application.start_evaluation(account_id)
    assert application.failure(account_id)["errors"][0]["errorType"] == "AssumeRoleError"
    assert application.results(account_id) == before
    deploy_account(application.aws, account_id, application.account_id)
    assert application.evaluate(account_id)["ComplianceType"] == "COMPLIANT"


def test_refused_events_are_refused_by_the_deployed_function(application: Application) -> None:
    answer = application.invoke(application.event(application.account_id, configRuleArn="arn:aws:config:nowhere"))
    assert answer.failed
    assert answer.payload["errorType"] == "InvalidEventError"
    assert "configRuleArn" in answer.payload["errorMessage"]
    lines = wait_for(
        lambda: [line for line in application.lines("evaluation failed") if line.get("errorType") == "InvalidEventError"],
        "a log line about the refused event",
    )
    assert "account" not in lines[-1]
