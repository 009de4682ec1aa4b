"""The stack in one account: its parameters, updates, refusals, rollback and deletion, by the real SAM CLI."""

from typing import Any

import pytest

from demo.clients import boto3_client
from demo.sam import RULE_NAME, STACK_NAME, DeploymentError, sam
from demo.sam import deploy as sam_deploy
from local_aws.client import LocalAwsProcess
from tests.e2e.application import Application, start_recorder
from tests.e2e.conftest import NOT_RECORDING, NewAccount
from tests.e2e.packaged import deploy

WITHOUT_STACKS: dict[str, list[str]] = {
    "roles and policies": [],
    "functions": [],
    "log groups": [],
    "metric filters": [],
    "queries": [],
    "alarms": [],
    "queues": [],
    "event buses and rules": [],
    "rules": [],
}


def resources(aws: LocalAwsProcess, account_id: str) -> dict[str, list[str]]:
    """List what there is in an account of the kinds that the templates make."""

    def client(service: str) -> Any:  # noqa: ANN401 - a client of any service
        return boto3_client(aws, service, account_id)

    iam, logs = client("iam"), client("logs")
    return {
        "roles and policies": [role["RoleName"] for role in iam.list_roles()["Roles"]]
        + [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]],
        "functions": [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]],
        "log groups": [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]],
        "metric filters": [found["filterName"] for found in logs.describe_metric_filters()["metricFilters"]],
        "queries": [query["name"] for query in logs.describe_query_definitions()["queryDefinitions"]],
        "alarms": [alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "event buses and rules": [
            f"{bus['Name']} {rule['Name']}"
            for bus in client("events").list_event_buses()["EventBuses"]
            for rule in [{"Name": ""}, *client("events").list_rules(EventBusName=bus["Name"])["Rules"]]
            if (bus["Name"], rule["Name"]) != ("default", "")
        ],
        "rules": [rule["ConfigRuleName"] for rule in client("config").describe_config_rules()["ConfigRules"]],
    }


def delete(aws: LocalAwsProcess, account_id: str, stack_name: str = STACK_NAME) -> None:
    cloudformation = boto3_client(aws, "cloudformation", account_id)
    cloudformation.delete_stack(StackName=stack_name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack_name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000}
    )


def failure_reasons(aws: LocalAwsProcess, account_id: str, stack_name: str) -> dict[str, str]:
    """Return why resources of a stack failed, by logical id."""
    events = boto3_client(aws, "cloudformation", account_id).describe_stack_events(StackName=stack_name)["StackEvents"]
    failed = (event for event in events if event["ResourceStatus"] == "CREATE_FAILED")
    return {event["LogicalResourceId"]: event["ResourceStatusReason"] for event in failed}


def test_parameters_reach_the_rule_and_an_update_changes_them(aws: LocalAwsProcess, new_account: NewAccount) -> None:
    account_id = new_account()
    aws.change_root_user(account_id, "add-hardware-device")
    parameters = {"NonVirtualMfa": "COMPLIANT", "NoRootCredentials": "NOT_APPLICABLE", "MinimumVirtualMfaDevices": "2"}
    sam_deploy(aws, account_id, {**parameters, "EvaluationFrequency": "Six_Hours", "LogRetentionInDays": "90"})
    application = Application(aws, account_id)
    assert application.result(account_id)["ComplianceType"] == "COMPLIANT"
    [rule] = application.client("config").describe_config_rules(ConfigRuleNames=[RULE_NAME])["ConfigRules"]
    assert rule["Source"]["SourceDetails"][0]["MaximumExecutionFrequency"] == "Six_Hours"
    logs, name = application.client("logs"), application.outputs["LogGroupName"]
    [group] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert group["retentionInDays"] == 90

    application.change_root_user(account_id, "remove-hardware-devices", "delete-password")
    assert application.evaluate(account_id)["ComplianceType"] == "NOT_APPLICABLE"
    assert application.rule_compliance(account_id) == "INSUFFICIENT_DATA"

    application.change_root_user(account_id, "recover-password", "add-virtual-device phone")
    before = application.evaluate(account_id)
    assert before["ComplianceType"] == "NON_COMPLIANT"
    assert "minimumVirtualMfaDevices is 2" in before["Annotation"]
    sam_deploy(aws, account_id, {"MinimumVirtualMfaDevices": "1"})
    assert application.changed(account_id, [before])["ComplianceType"] == "COMPLIANT"
    [updated] = application.client("config").describe_config_rules(ConfigRuleNames=[RULE_NAME])["ConfigRules"]
    assert updated["ConfigRuleId"] == rule["ConfigRuleId"]
    assert updated["InputParameters"].count("NOT_APPLICABLE") == 1  # what the update did not name stays


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"NonVirtualMfa": "PERHAPS"}, "Parameter 'NonVirtualMfa'"),
        ({"MinimumVirtualMfaDevices": "9"}, "Parameter 'MinimumVirtualMfaDevices'"),
        ({"ReservedConcurrentExecutions": "0"}, "Parameter 'ReservedConcurrentExecutions' must be a number from 1, or empty."),
        ({"AlarmEmail": "nobody"}, "Parameter 'AlarmEmail' must be an e-mail address, or empty."),
        (
            {"AlarmEmail": "a@example.com", "AlarmTopicArn": "arn:aws:sns:us-east-1:111122223333:alarms"},
            "Give AlarmTopicArn or AlarmEmail, not both.",
        ),
        (
            {"OrganizationId": "o-a1b2c3d4e5", "ManagementAccountId": "111111111111"},
            "OrganizationId also needs OrganizationRootId. Preflight shows both.",
        ),
        (
            {"OrganizationId": "o-a1b2c3d4e5", "OrganizationRootId": "r-a1b2"},
            "OrganizationId also needs ManagementAccountId. Preflight shows both.",
        ),
        (
            {"ExcludedAccounts3": "333333333333"},
            "ExcludedAccounts2, 3 and 4 also need ExcludedAccounts.",
        ),
        (
            {
                "OrganizationId": "o-a1b2c3d4e5",
                "OrganizationRootId": "r-a1b2",
                "ManagementAccountId": "111111111111",
                "RemovalApprovers": "arn:aws:iam::111122223333:user/one",
                "RemovalMinimumApprovals": "2",
            },
            "Template error: Fn::Select cannot select nonexistent value at index 1",
        ),
        (
            {"AggregatorName": "company"},
            "OrganizationRootId, ManagementAccountId and AggregatorName also need OrganizationId.",
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_bad_parameter_is_refused_before_anything_is_made(
    aws: LocalAwsProcess, new_account: NewAccount, parameters: dict[str, str], says: str
) -> None:
    account_id = new_account()
    with pytest.raises(DeploymentError) as refusal:
        deploy(aws, account_id, parameters)
    assert says in str(refusal.value)
    assert resources(aws, account_id) == WITHOUT_STACKS


def test_deployment_without_a_recorder_leaves_nothing_and_works_once_it_records(aws: LocalAwsProcess) -> None:
    account_id = NOT_RECORDING
    with pytest.raises(DeploymentError, match="ROLLBACK_COMPLETE"):
        sam_deploy(aws, account_id)
    reasons = failure_reasons(aws, account_id, STACK_NAME)
    assert "NoAvailableConfigurationRecorderException" in reasons["ConfigRule"]
    assert resources(aws, account_id) == WITHOUT_STACKS

    start_recorder(aws, account_id)
    delete(aws, account_id)  # what was rolled back can only be deleted
    deploy(aws, account_id)
    assert Application(aws, account_id).result(account_id)["ComplianceType"] == "NON_COMPLIANT"


def test_stack_is_there_once_and_goes_without_a_trace_but_its_log(aws: LocalAwsProcess, new_account: NewAccount) -> None:
    account_id = new_account()
    sam_deploy(aws, account_id)
    application = Application(aws, account_id)
    first = application.result(account_id)
    made = resources(aws, account_id)
    assert all(made.values())

    assert "No changes to deploy" in sam_deploy(aws, account_id)
    assert application.results(account_id) == [first]

    with pytest.raises(DeploymentError, match="ROLLBACK_COMPLETE"):
        sam(aws, account_id, "deploy", "--config-env", "local", "--stack-name", "another-name")
    reasons = failure_reasons(aws, account_id, "another-name")
    assert list(reasons) == ["Account"]  # the first resource whose name is taken is in it
    assert "'root-virtual-mfa-" in reasons["Account"]
    assert "already exists" in reasons["Account"]
    assert resources(aws, account_id) == made
    application.change_root_user(account_id, "add-virtual-device phone")
    assert application.evaluate(account_id)["ComplianceType"] == "COMPLIANT"

    delete(aws, account_id)
    assert resources(aws, account_id) == {**WITHOUT_STACKS, "log groups": [application.outputs["LogGroupName"]]}
    assert application.lines("evaluation")
    deploy(aws, account_id)
    assert Application(aws, account_id).result(account_id)["ComplianceType"] == "COMPLIANT"
