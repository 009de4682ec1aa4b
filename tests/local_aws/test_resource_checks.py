"""CloudFormation on the local AWS: resources are checked as requests of their services. Types that are not emulated fail."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Client, Clients, Parameter, create_function, eventually, let_config_invoke, refusal, trust
from tests.local_aws.stack_scene import STACK, Stack

CODE = "def handler(event, context):\n    return event\n"
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
LAMBDA = json.loads(trust({"Service": "lambda.amazonaws.com"}))
COUNT = {"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}
ALLOWED = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}


@pytest.fixture
def stack(client: Clients, account_id: str) -> Stack:
    return Stack(client, account_id)


def resource(kind: str, **properties: Parameter) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function(**properties: Parameter) -> dict[str, Any]:
    settings = {"Runtime": "python3.13", "Handler": "example.handler", "Code": {"ZipFile": CODE}}
    return resource("Lambda::Function", **{**settings, "Role": "arn:aws:iam::{account}:role/kept", **properties})


def permission(**properties: Parameter) -> dict[str, Any]:
    given = {"Action": "lambda:InvokeFunction", "Principal": "config.amazonaws.com", "FunctionName": "kept"}
    return resource("Lambda::Permission", **{**given, **properties})


NOT_EMULATED = "The local AWS does not emulate the resource type {}."
EXISTS = "Resource of type 'AWS::{}' with identifier '{}' already exists."
REFUSED: list[tuple[dict[str, Any], str]] = [
    (resource("DynamoDB::Table", TableName="new"), NOT_EMULATED.format("AWS::DynamoDB::Table")),
    (resource("SSM::Parameter", Type="String", Value="x"), NOT_EMULATED.format("AWS::SSM::Parameter")),
    ({"Type": "Custom::Thing", "Properties": {"ServiceToken": "x"}}, NOT_EMULATED.format("Custom::Thing")),
    (function(Role="arn:aws:iam::{account}:role/none"), "The role defined for the function cannot be assumed by Lambda."),
    (function(Timeout=901), "Member must have value less than or equal to 900"),
    (function(Runtime="python9.9"), "Value 'python9.9' at 'runtime' failed"),
    (function(FunctionName="kept"), EXISTS.format("Lambda::Function", "kept")),
    (function(ReservedConcurrentExecutions=901), "below its minimum value of [100]"),
    (function(Code={"S3Bucket": "none", "S3Key": "none"}), "S3 Error Code: NoSuchBucket"),
    (function(VpcConfig={}), "The local AWS does not emulate the property VpcConfig of AWS::Lambda::Function."),
    (resource("Lambda::Function", Role="arn:aws:iam::{account}:role/kept"), "#: required key [Code] not found"),
    (
        resource("Logs::MetricFilter", LogGroupName="kept", FilterPattern="x", MetricTransformations=["none"]),
        "Properties validation failed",
    ),
    (resource("SNS::TopicPolicy", PolicyDocument={"Statement": []}), "#: required key [Topics] not found"),
    (permission(FunctionName="none"), "Function not found"),
    (permission(Principal="nobody"), "The provided principal was invalid."),
    (permission(SourceOrg="o-1"), "extraneous key [SourceOrg] is not permitted"),
    (
        resource("Lambda::EventInvokeConfig", FunctionName="kept", Qualifier="$LATEST", MaximumRetryAttempts=3),
        "at 'maximumRetryAttempts' failed",
    ),
    (resource("Logs::LogGroup", LogGroupName="a b"), "Value 'a b' at 'logGroupName' failed"),
    (resource("Logs::LogGroup", LogGroupName="kept"), EXISTS.format("Logs::LogGroup", "kept")),
    (resource("Logs::LogGroup", RetentionInDays=4), "Value '4' at 'retentionInDays' failed"),
    (
        resource("Logs::MetricFilter", LogGroupName="none", FilterPattern="x", MetricTransformations=[COUNT]),
        "The specified log group does not exist.",
    ),
    (resource("SNS::Topic", TopicName="a b"), "Invalid parameter: Topic Name"),
    (resource("SNS::Topic", TopicName="kept"), EXISTS.format("SNS::Topic", "kept")),
    (resource("SNS::Topic", Subscription=[{"Protocol": "email", "Endpoint": "nobody"}]), "Invalid parameter: Email address"),
    (
        resource("SNS::TopicPolicy", Topics=["arn:aws:sns:us-east-1:{account}:kept"], PolicyDocument={"Statement": []}),
        "Invalid parameter: Policy Error: null",
    ),
    (resource("SQS::Queue", QueueName="a b"), "Can only include alphanumeric characters"),
    (resource("SQS::Queue", QueueName="kept"), EXISTS.format("SQS::Queue", "kept")),
    (resource("S3::Bucket", BucketName="A_B"), "The specified bucket is not valid: A_B"),
    (
        resource("S3::BucketPolicy", Bucket="none-{account}", PolicyDocument={"Statement": [ALLOWED]}),
        "The specified bucket does not exist",
    ),
    (resource("Events::EventBus", Name="a b"), "at 'name' failed"),
    (resource("Events::EventBus", Name="default"), EXISTS.format("Events::EventBus", "default")),
    (resource("IAM::Role", AssumeRolePolicyDocument=LAMBDA, MaxSessionDuration=1), "at 'maxSessionDuration' failed"),
    (resource("IAM::User", UserName="kept"), "User with name kept already exists."),
    (resource("IAM::User", UserName="a b"), "Value 'a b' at 'userName' failed"),
]


@pytest.fixture(scope="module")
def shared(local_aws: LocalAwsProcess, client: Clients, _unused_accounts: Iterator[str]) -> tuple[Clients, str]:
    """Give an account that has one thing of each kind, by the name kept."""
    assert local_aws.endpoint_url
    account_id = next(_unused_accounts)
    create_function(client, account_id, "kept", CODE)
    client("logs", account_id).create_log_group(logGroupName="kept")
    client("sns", account_id).create_topic(Name="kept")
    client("sqs", account_id).create_queue(QueueName="kept")
    client("iam", account_id).create_user(UserName="kept")
    return client, account_id


def failure(cloudformation: Client, stack: str) -> str:
    """Return why the resource Thing of a stack failed, or "" if it has not failed yet."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = (event for event in events if (event["LogicalResourceId"], event["ResourceStatus"]) == ("Thing", "CREATE_FAILED"))
    return next((event["ResourceStatusReason"] for event in failed), "")


def test_what_a_service_refuses_fails_a_stack(shared: tuple[Clients, str]) -> None:
    client, account_id = shared
    cloudformation = client("cloudformation", account_id)
    for number, (thing, _) in enumerate(REFUSED):
        body = json.dumps({"Resources": {"Thing": thing}}).replace("{account}", account_id)
        cloudformation.create_stack(StackName=f"s{number}", TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
    said = {number: eventually(partial(failure, cloudformation, f"s{number}")) for number in range(len(REFUSED))}
    assert [(number, said[number]) for number, (_, reason) in enumerate(REFUSED) if reason not in said[number]] == []


def test_a_type_that_is_not_emulated_rolls_its_stack_back(client: Clients, account_id: str, stack: Stack) -> None:
    table = {**resource("DynamoDB::Table", TableName="new"), "DependsOn": "Group"}
    body = json.dumps({"Resources": {"Group": resource("Logs::LogGroup", LogGroupName="made"), "Table": table}})
    client("cloudformation", account_id).create_stack(StackName=STACK, TemplateBody=body)
    assert eventually(lambda: stack.status == "ROLLBACK_COMPLETE")
    assert client("logs", account_id).describe_log_groups()["logGroups"] == []


def test_permissions_and_settings_of_a_function_come_change_and_go(client: Clients, account_id: str, stack: Stack) -> None:
    create_function(client, account_id, "kept", CODE)
    functions = client("lambda", account_id)

    def resources(account: str, attempts: int) -> dict[str, Any]:
        settings = {"FunctionName": "kept", "Qualifier": "$LATEST", "MaximumRetryAttempts": attempts}
        return {"Permission": permission(SourceAccount=account), "Settings": resource("Lambda::EventInvokeConfig", **settings)}

    def kept() -> tuple[list[str], int]:
        statements = json.loads(functions.get_policy(FunctionName="kept")["Policy"])["Statement"]
        accounts = [each["Condition"]["StringEquals"]["AWS:SourceAccount"] for each in statements]
        return accounts, functions.get_function_event_invoke_config(FunctionName="kept")["MaximumRetryAttempts"]

    stack.create(resources("111122223333", 1))
    assert kept() == (["111122223333"], 1)
    stack.update(resources("444455556666", 0))
    assert kept() == (["444455556666"], 0)
    stack.delete()
    assert refusal(functions.get_policy, FunctionName="kept")[0] == "ResourceNotFoundException"
    assert refusal(functions.get_function_event_invoke_config, FunctionName="kept")[0] == "ResourceNotFoundException"


def test_a_permission_that_was_removed_by_hand_does_not_keep_a_stack(client: Clients, account_id: str, stack: Stack) -> None:
    arn = create_function(client, account_id, "kept", CODE)
    stack.create({"Permission": permission()})
    let_config_invoke(client, arn)
    [own] = [each["PhysicalResourceId"] for each in stack.resources if each["LogicalResourceId"] == "Permission"]
    client("lambda", account_id).remove_permission(FunctionName="kept", StatementId=own)
    stack.delete()


# Templates

MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"Resources": {"Thing": {}}}, "[/Resources/Thing] Every Resources object must contain a Type member."),
    ({"Resources": {"Thing": {**HANDLE, "Kind": 1}}}, "Invalid template resource property 'Kind'"),
    ({"Resources": {"Thing": HANDLE}, "Result": {}}, "Invalid template property or properties [Result]"),
    ({"Resources": {"Thing": resource("SNS::Topic", TopicName={"Ref": "None"})}}, "Unresolved resource dependencies [None]"),
    ({"Resources": {"Thing": resource("SNS::Topic", TopicName={"Fn::Sub": "a-${None.Arn}"})}}, "dependencies [None] in the Re"),
    ({"Resources": {"Thing": {**HANDLE, "DependsOn": ["None"]}}}, "Unresolved resource dependencies [None]"),
    ({"Resources": {"Thing": HANDLE}, "Outputs": {"O": {"Value": {"Ref": "None"}}}}, "in the Outputs block of the template"),
    ({"Resources": {"Thing": {**HANDLE, "Condition": "None"}}}, "Unresolved condition dependency None"),
    (
        {"Resources": {"One": {**HANDLE, "DependsOn": "Two"}, "Two": {**HANDLE, "DependsOn": "One"}}},
        "Circular dependency between resources: [One, Two]",
    ),
]  # fmt: skip  # as a table


def test_a_template_that_is_none_makes_no_stack(client: Clients, account_id: str) -> None:
    cloudformation = client("cloudformation", account_id)
    for template, reason in MALFORMED:
        body = json.dumps(template)
        code, said = refusal(cloudformation.create_stack, StackName=STACK, TemplateBody=body)
        assert (code, reason in said) == ("ValidationError", True), said
        assert refusal(cloudformation.validate_template, TemplateBody=body) == (code, said)
    assert cloudformation.list_stacks()["StackSummaries"] == []


def test_parameters_that_the_template_lacks_are_refused(client: Clients, account_id: str) -> None:
    cloudformation, body = client("cloudformation", account_id), json.dumps({"Resources": {"Thing": HANDLE}})
    given = {"StackName": STACK, "TemplateBody": body, "Parameters": [{"ParameterKey": "None", "ParameterValue": "x"}]}
    said = ("ValidationError", "Parameters: [None] do not exist in the template")
    assert refusal(cloudformation.create_stack, **given) == said
    assert refusal(cloudformation.create_change_set, ChangeSetName="new", ChangeSetType="CREATE", **given) == said


def test_what_a_template_may_refer_to_is_no_mistake(stack: Stack) -> None:
    """Pseudo parameters, names that Fn::Sub gets itself or that are escaped, and a resource whose condition does not hold."""
    text = {"Fn::Sub": ["${Own} ${!Escaped} ${AWS::Region} ${Group}", {"Own": {"Ref": "AWS::AccountId"}}]}
    query = resource("Logs::QueryDefinition", Name="q", QueryString=text)
    stack.create({"Query": query, "Group": resource("Logs::LogGroup", LogGroupName="group")}, Text={"Ref": "Query"})
    assert stack.status == "CREATE_COMPLETE"
