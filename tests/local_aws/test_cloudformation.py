"""The resource types that the local AWS adds to CloudFormation: made, changed, replaced, deleted and rolled back."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsClient
from tests.local_aws.scene import Clients, Parameter, eventually, refusal, rule, trust
from tests.local_aws.stack_scene import STACK, Stack, config_rule, fails, template

QUERY = {"Name": "latest", "QueryString": "fields @message", "LogGroupNames": ["/aws/lambda/example"]}


@pytest.fixture
def stack(client: Clients, account_id: str) -> Stack:
    return Stack(client, account_id)


def query(**changes: Parameter) -> dict[str, Any]:
    return {"Type": "AWS::Logs::QueryDefinition", "Properties": QUERY | changes}


def rules(client: Clients, account_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("config", account_id).describe_config_rules()["ConfigRules"]
    return found


def queries(client: Clients, account_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("logs", account_id).describe_query_definitions()["queryDefinitions"]
    return found


# Without rollback


def update(client: Clients, account_id: str, resources: dict[str, Any], *, disable_rollback: bool) -> None:
    """Update the stack, and wait for the end."""
    cloudformation = client("cloudformation", account_id)
    body = template(resources, {})
    cloudformation.update_stack(StackName=STACK, TemplateBody=body, DisableRollback=disable_rollback)
    ended = {"UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"}
    assert eventually(lambda: cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] in ended)


def test_nothing_is_replaced_while_rollback_is_disabled(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes, "before")})
    update(client, account_id, {"Rule": config_rule(notes, "before", Description="In place.")}, disable_rollback=True)
    assert stack.status == "UPDATE_COMPLETE"
    renamed = {"Rule": config_rule(notes, "after")}
    update(client, account_id, renamed, disable_rollback=True)
    assert stack.status == "UPDATE_FAILED"
    assert stack.failures["Rule"] == "Replacement type updates not supported on stack with disable-rollback."
    assert [each["ConfigRuleName"] for each in rules(client, account_id)] == ["before"]

    code, message = refusal(stack.update, resources=renamed)
    assert (code, message.partition(" state.")[0]) == (
        "ValidationError",
        "This stack is currently in a non-terminal [UPDATE_FAILED]",
    )
    client("cloudformation", account_id).rollback_stack(StackName=STACK)
    assert eventually(lambda: stack.status == "UPDATE_ROLLBACK_COMPLETE")
    stack.update(renamed)
    assert [each["ConfigRuleName"] for each in rules(client, account_id)] == ["after"]


# The registry


def test_a_resource_type_is_described_if_it_is_there(client: Clients, account_id: str) -> None:
    cloudformation = client("cloudformation", account_id)
    described = cloudformation.describe_type(Type="RESOURCE", TypeName="AWS::Lambda::ResourcePolicy")
    assert described["Arn"] == "arn:aws:cloudformation:us-east-1::type/resource/AWS-Lambda-ResourcePolicy"
    assert (described["TypeName"], described["Visibility"]) == ("AWS::Lambda::ResourcePolicy", "PUBLIC")
    assert refusal(cloudformation.describe_type, Type="RESOURCE", TypeName="AWS::Custom::FakeResource") == (
        "TypeNotFoundException",
        "The type 'AWS::Custom::FakeResource' cannot be found.",
    )
    assert refusal(cloudformation.describe_type, Type="MODULE", TypeName="AWS::Lambda::ResourcePolicy")[0] == "ValidationError"


def test_a_resource_type_that_the_region_lacks(
    local_aws: LocalAwsClient, client: Clients, account_id: str, stack: Stack
) -> None:
    policy = {"Type": "AWS::Lambda::ResourcePolicy", "Properties": {"ResourceArn": "arn", "PolicyDocument": {}}}
    local_aws.switch("withhold-resource-policy-type", on=True)
    try:
        describe = client("cloudformation", account_id).describe_type
        assert refusal(describe, Type="RESOURCE", TypeName="AWS::Lambda::ResourcePolicy")[0] == "TypeNotFoundException"
        fails(stack.create, {"Policy": policy})
        assert stack.failures["Policy"].endswith("Unrecognized resource types: [AWS::Lambda::ResourcePolicy]")
    finally:
        local_aws.switch("withhold-resource-policy-type", on=False)


# AWS::Config::ConfigRule


def test_a_rule_is_made_with_its_attributes(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create(
        {"Rule": config_rule(notes, InputParameters={"nonVirtualMfa": "COMPLIANT"}, Description="Looks.")},
        Name={"Ref": "Rule"},
        Arn={"Fn::GetAtt": ["Rule", "Arn"]},
        Id={"Fn::GetAtt": ["Rule", "ConfigRuleId"]},
    )
    [made] = rules(client, account_id)
    assert stack.outputs == {"Name": "example", "Arn": made["ConfigRuleArn"], "Id": made["ConfigRuleId"]}
    assert json.loads(made["InputParameters"]) == {"nonVirtualMfa": "COMPLIANT"}
    assert made["Description"] == "Looks."


def test_a_rule_without_a_name_gets_one(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    unnamed = config_rule(notes)
    del unnamed["Properties"]["ConfigRuleName"]
    stack.create({"Rule": unnamed})
    [made] = rules(client, account_id)
    assert made["ConfigRuleName"].startswith(f"{STACK}-Rule-")


def test_a_rule_is_changed_in_place(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes, InputParameters='{"a": "1"}')})
    [before] = rules(client, account_id)
    stack.update({"Rule": config_rule(notes, Description="Changed.")})
    [after] = rules(client, account_id)
    assert after["ConfigRuleId"] == before["ConfigRuleId"]
    assert after["Description"] == "Changed."
    assert "InputParameters" not in after


def test_a_new_name_makes_another_rule(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes, "before")}, Name={"Ref": "Rule"})
    [before] = rules(client, account_id)
    stack.update({"Rule": config_rule(notes, "after")}, Name={"Ref": "Rule"})
    [after] = rules(client, account_id)
    assert (before["ConfigRuleName"], after["ConfigRuleName"]) == ("before", "after")
    assert after["ConfigRuleId"] != before["ConfigRuleId"]
    assert stack.outputs == {"Name": "after"}


def test_a_rule_is_deleted_with_its_stack(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes)})
    stack.delete()
    assert rules(client, account_id) == []


def test_a_rule_that_is_gone_already_is_no_reason_to_fail(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes)})
    client("config", account_id).delete_config_rule(ConfigRuleName="example")
    stack.delete()


def test_a_rule_of_that_name_that_is_there_fails(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    client("config", account_id).put_config_rule(ConfigRule=rule(notes, Description="Of somebody else."))
    fails(stack.create, {"Rule": config_rule(notes)})
    assert stack.status == "ROLLBACK_COMPLETE"
    assert stack.failures["Rule"] == ("Resource of type 'AWS::Config::ConfigRule' with identifier 'example' already exists.")
    [other] = rules(client, account_id)
    assert other["Description"] == "Of somebody else."


def test_what_is_on_a_later_page_is_there_too(client: Clients, account_id: str, stack: Stack) -> None:
    config = client("config", account_id)
    expression = "SELECT accountId WHERE resourceType = 'AWS::Config::ResourceCompliance'"
    for number in range(101):
        config.put_stored_query(StoredQuery={"QueryName": f"query-{number:03}", "Expression": expression})

    def named(name: str) -> dict[str, Any]:
        return {"Query": {"Type": "AWS::Config::StoredQuery", "Properties": {"QueryName": name, "QueryExpression": expression}}}

    fails(stack.create, named("query-100"))
    assert stack.failures["Query"] == "Resource of type 'AWS::Config::StoredQuery' with identifier 'query-100' already exists."
    stack.delete()
    stack.create(named("query-101"))
    stack.delete()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        config.get_stored_query(QueryName="query-101")
    assert config.get_stored_query(QueryName="query-100")["StoredQuery"]["QueryName"] == "query-100"


BAD_PARAMETERS = '{"a": 1}'


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"InputParameters": BAD_PARAMETERS}, "InputParameters must be a JSON object of strings"),
        ({"Description": "x" * 257}, "less than or equal to 256"),
        ({"Source": {"Owner": "CUSTOM_LAMBDA"}}, "emulates periodic rules only"),
        ({"Remediation": "Automatic"}, "Encountered unsupported property Remediation"),
        (
            {"Source": rule("arn:aws:lambda:us-east-1:999900000000:function:none")["Source"]},
            "The AWS Lambda function arn:aws:lambda:us-east-1:999900000000:function:none cannot be invoked.",
        ),
    ],
)
def test_what_config_refuses_fails_with_its_reason(stack: Stack, notes: str, properties: dict[str, Any], reason: str) -> None:
    fails(stack.create, {"Rule": config_rule(notes, **properties)})
    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stack.failures["Rule"]


def test_a_later_failure_leaves_nothing_behind(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    bad = config_rule(notes, "bad", InputParameters=BAD_PARAMETERS) | {"DependsOn": ["Rule", "Query"]}
    fails(stack.create, {"Rule": config_rule(notes), "Query": query(), "Bad": bad})
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "Rule" not in stack.failures
    assert rules(client, account_id) == []
    assert queries(client, account_id) == []


def test_a_failed_change_is_taken_back(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes, InputParameters='{"a": "1"}'), "Query": query()})
    before = (rules(client, account_id), [found["queryString"] for found in queries(client, account_id)])
    bad = config_rule(notes, "bad", InputParameters=BAD_PARAMETERS) | {"DependsOn": ["Rule", "Query"]}
    changed = {"Rule": config_rule(notes, Description="Changed."), "Query": query(QueryString="fields @timestamp")}
    fails(stack.update, changed | {"Bad": bad})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert (rules(client, account_id), [found["queryString"] for found in queries(client, account_id)]) == before


def test_what_an_update_removes_is_deleted_last_and_told(client: Clients, account_id: str, stack: Stack, notes: str) -> None:
    stack.create({"Rule": config_rule(notes), "Query": query()})
    stack.update({"Rule": config_rule(notes, Description="Changed.")})
    events = client("cloudformation", account_id).describe_stack_events(StackName=STACK)["StackEvents"]
    told = [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]
    assert told[-4:] == [
        ("Rule", "UPDATE_COMPLETE"),
        ("Query", "DELETE_IN_PROGRESS"),
        ("Query", "DELETE_COMPLETE"),
        (STACK, "UPDATE_COMPLETE"),
    ]


# AWS::Logs::QueryDefinition


def test_a_query_is_made_changed_and_deleted(client: Clients, account_id: str, stack: Stack) -> None:
    stack.create({"Query": query()}, Id={"Ref": "Query"}, Attribute={"Fn::GetAtt": ["Query", "QueryDefinitionId"]})
    [made] = queries(client, account_id)
    assert stack.outputs == {"Id": made["queryDefinitionId"], "Attribute": made["queryDefinitionId"]}
    assert (made["name"], made["queryString"], made["logGroupNames"]) == tuple(QUERY.values())
    stack.update({"Query": query(Name="other", QueryString="fields @timestamp")})
    [changed] = queries(client, account_id)
    assert changed["queryDefinitionId"] == made["queryDefinitionId"]
    assert (changed["name"], changed["queryString"]) == ("other", "fields @timestamp")
    stack.delete()
    assert queries(client, account_id) == []


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Name": ""}, "greater than or equal to 1"),
        ({"Encrypted": "yes"}, "Encountered unsupported property Encrypted"),
    ],
)
def test_what_logs_refuses_fails_with_its_reason(stack: Stack, properties: dict[str, Any], reason: str) -> None:
    fails(stack.create, {"Query": query(**properties)})
    assert reason in stack.failures["Query"]


def test_a_metric_filter_that_is_not_emulated_fails(client: Clients, account_id: str, stack: Stack) -> None:
    client("logs", account_id).create_log_group(logGroupName="/example")
    properties = {
        "LogGroupName": "/example",
        "FilterPattern": "[level, text]",
        "MetricTransformations": [{"MetricNamespace": "Test", "MetricName": "Errors", "MetricValue": "1"}],
    }
    fails(stack.create, {"Filter": {"Type": "AWS::Logs::MetricFilter", "Properties": properties}})
    assert "does not emulate filter patterns" in stack.failures["Filter"]


def test_a_function_has_the_concurrency_that_is_reserved_for_it(client: Clients, account_id: str, stack: Stack) -> None:
    def function(**changes: Parameter) -> dict[str, Any]:
        role = f"arn:aws:iam::{account_id}:role/example"
        code = {"ZipFile": "def handler(event, context): pass"}
        properties = {
            "FunctionName": "example",
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": role,
            "Code": code,
        }
        return {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties | changes}}

    trusted = trust({"Service": "lambda.amazonaws.com"})
    client("iam", account_id).create_role(RoleName="example", AssumeRolePolicyDocument=trusted)

    def reserved() -> int | None:
        answer = client("lambda", account_id).get_function_concurrency(FunctionName="example")
        number: int | None = answer.get("ReservedConcurrentExecutions")
        return number

    stack.create(function(ReservedConcurrentExecutions=3))
    assert reserved() == 3
    stack.update(function(ReservedConcurrentExecutions="4"))
    assert reserved() == 4
    stack.update(function())
    assert reserved() is None


# Change sets


def test_a_stack_that_fails_and_stays_has_previous_values(client: Clients, account_id: str, stack: Stack) -> None:
    cloudformation = client("cloudformation", account_id)
    parameters = {"Kept": {"Type": "String", "Default": "default"}}
    broken = {"Parameters": parameters, "Resources": {"Query": query(Unknown="x")}}
    given = {"ParameterKey": "Kept", "ParameterValue": "given"}
    created = {"StackName": STACK, "ChangeSetName": "create"}
    cloudformation.create_change_set(**created, ChangeSetType="CREATE", TemplateBody=json.dumps(broken), Parameters=[given])
    cloudformation.execute_change_set(**created, DisableRollback=True)
    assert eventually(lambda: stack.status == "CREATE_FAILED")

    fixed = {"Parameters": parameters, "Resources": {"Query": query()}, "Outputs": {"Kept": {"Value": {"Ref": "Kept"}}}}
    updated = {"StackName": STACK, "ChangeSetName": "update"}
    previous = {"ParameterKey": "Kept", "UsePreviousValue": True}
    cloudformation.create_change_set(**updated, TemplateBody=json.dumps(fixed), Parameters=[previous])
    cloudformation.execute_change_set(**updated, DisableRollback=True)
    assert eventually(lambda: stack.status == "UPDATE_COMPLETE")
    assert stack.outputs == {"Kept": "given"}


# Nested stacks


def test_what_an_update_of_a_nested_stack_leaves_alone_keeps_its_attributes(
    local_aws: LocalAwsClient, client: Clients, account_id: str, stack: Stack
) -> None:
    nested = {
        "Parameters": {"Said": {"Type": "String"}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept"}},
            "Query": query(QueryString={"Fn::Sub": "${Said} ${Queue.Arn}"}),
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}},
    }
    s3 = client("s3", account_id)
    s3.create_bucket(Bucket=f"templates-{account_id}")
    s3.put_object(Bucket=f"templates-{account_id}", Key="nested.json", Body=json.dumps(nested))

    def parent(said: str) -> dict[str, Any]:
        url = f"{local_aws.endpoint_url}/templates-{account_id}/nested.json"
        properties = {"TemplateURL": url, "Parameters": {"Said": said}}
        return {"Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": properties}}

    arn = f"arn:aws:sqs:us-east-1:{account_id}:kept"
    stack.create(parent("once"))
    assert queries(client, account_id)[0]["queryString"] == f"once {arn}"
    for said in ("twice", "thrice"):
        stack.update(parent(said), Arn={"Fn::GetAtt": ["Nested", "Outputs.Arn"]})
        assert queries(client, account_id)[0]["queryString"] == f"{said} {arn}"
        assert stack.outputs == {"Arn": arn}
