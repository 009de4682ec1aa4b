"""CloudFormation's stacks and change sets on the local AWS: what they show, what is refused, and what AWS was seen to do.

Messages for what is not there come from LocalStack's tests that ran against AWS (tests/aws/services/cloudformation).
"""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Client, Clients, create_function, refusal
from tests.local_aws.stack_scene import Stack

HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
TEMPLATE = json.dumps({"Resources": {"Handle": HANDLE}})
IN_BRACKETS, WITH_ID = "Stack [missing] does not exist", "Stack with id missing does not exist"
NO_TEMPLATE = "Either Template URL or Template Body must be specified."
INVALID = "ValidationError"


def template(**resources: Any) -> str:  # noqa: ANN401 - a template's values
    return json.dumps({"Resources": resources})


@pytest.fixture
def cloudformation(client: Clients, account_id: str) -> Client:
    api: Client = client("cloudformation", account_id)
    return api


@pytest.fixture(scope="module")
def shared(local_aws: LocalAwsProcess, client: Clients, _unused_accounts: Iterator[str]) -> Client:
    """Give CloudFormation in an account with the stack `present`, which no test changes."""
    assert local_aws.endpoint_url
    api: Client = client("cloudformation", next(_unused_accounts))
    made(api, "present", TEMPLATE)
    return api


def made(cloudformation: Client, name: str, body: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - a request's values
    cloudformation.create_stack(StackName=name, TemplateBody=body, **params)
    return finished(cloudformation, name, "stack_create_complete")


def finished(cloudformation: Client, name: str, waiter: str) -> dict[str, Any]:
    cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 6000})
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return dict(stack)


def test_a_template_that_is_too_long_for_a_request_has_to_be_in_s3(
    cloudformation: Client, client: Clients, account_id: str
) -> None:
    handle = json.dumps({"Resources": {"Handle": HANDLE}})
    code, message = refusal(cloudformation.create_stack, StackName="long", TemplateBody=handle.ljust(51_201))
    assert (code, "less than or equal to 51200" in message) == (INVALID, True)
    made(cloudformation, "fits", handle.ljust(51_200))
    s3 = client("s3", account_id)
    s3.create_bucket(Bucket=f"templates-{account_id}")
    s3.put_object(Bucket=f"templates-{account_id}", Key="long", Body=handle.ljust(51_201).encode())
    url = f"{s3.meta.endpoint_url}/templates-{account_id}/long"
    cloudformation.create_stack(StackName="long", TemplateURL=url)
    assert finished(cloudformation, "long", "stack_create_complete")["StackStatus"] == "CREATE_COMPLETE"


# --- What is not there, and what is no value ---


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("describe_stacks", {}, WITH_ID),
        ("describe_stack_events", {}, IN_BRACKETS),
        ("describe_stack_resource", {"LogicalResourceId": "Handle"}, "Stack 'missing' does not exist"),
        ("describe_stack_resources", {}, WITH_ID),
        ("list_stack_resources", {}, WITH_ID),
        ("list_change_sets", {}, IN_BRACKETS),
        ("get_template", {}, WITH_ID),
        ("get_template_summary", {}, WITH_ID),
        ("update_stack", {"TemplateBody": TEMPLATE}, IN_BRACKETS),
        ("rollback_stack", {}, IN_BRACKETS),
        ("update_termination_protection", {"EnableTerminationProtection": True}, IN_BRACKETS),
        ("create_change_set", {"ChangeSetName": "change", "TemplateBody": TEMPLATE}, IN_BRACKETS),
        ("describe_change_set", {"ChangeSetName": "change"}, IN_BRACKETS),
        ("delete_change_set", {"ChangeSetName": "change"}, IN_BRACKETS),
    ],
)
def test_a_stack_that_is_not_there(shared: Client, operation: str, params: dict[str, Any], message: str) -> None:
    assert refusal(getattr(shared, operation), StackName="missing", **params) == (INVALID, message)


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("create_stack", {"StackName": "1st", "TemplateBody": TEMPLATE}, INVALID, "Value '1st' at 'stackName' failed"),
        ("create_stack", {"StackName": "new"}, INVALID, NO_TEMPLATE),
        ("create_stack", {"StackName": "new", "TemplateBody": "{}"}, INVALID, "At least one Resources member must be defined."),
        ("create_stack", {"StackName": "new", "TemplateBody": "{"}, INVALID, "Template format error: "),
        (
            "create_stack",
            {"StackName": "present", "TemplateBody": TEMPLATE},
            "AlreadyExistsException",
            "Stack [present] already exists",
        ),
        ("update_stack", {"StackName": "present", "TemplateBody": TEMPLATE}, INVALID, "No updates are to be performed."),
        ("update_stack", {"StackName": "present"}, INVALID, NO_TEMPLATE),
        ("validate_template", {}, INVALID, NO_TEMPLATE),
        ("describe_stack_resource", {"StackName": "present", "LogicalResourceId": "No"}, INVALID, "Resource No does not"),
        ("describe_stack_resources", {"StackName": "present", "LogicalResourceId": "No"}, INVALID, "Resource No does not"),
        ("describe_stack_resources", {"PhysicalResourceId": "none"}, INVALID, "Stack for none does not exist"),
        ("describe_stack_resources", {}, INVALID, "Exactly one of"),
        ("list_imports", {"ExportName": "none"}, INVALID, "Export 'none' is not imported by any stack."),
        ("describe_change_set", {"ChangeSetName": "change"}, INVALID, "StackName must be specified if ChangeSetName is not"),
        (
            "describe_change_set",
            {"StackName": "present", "ChangeSetName": "change"},
            "ChangeSetNotFound",
            "ChangeSet [change] does not exist",
        ),
        (
            "create_change_set",
            {"StackName": "present", "ChangeSetName": "1st", "TemplateBody": TEMPLATE},
            INVALID,
            "Value '1st' at 'changeSetName' failed",
        ),
        ("list_stacks", {"StackStatusFilter": ["GONE"]}, INVALID, "at 'stackStatusFilter' failed"),
        ("list_stacks", {"NextToken": "ListStacks:100"}, INVALID, "Invalid NextToken"),
        ("list_stack_resources", {"StackName": "present", "NextToken": "100"}, INVALID, "Invalid NextToken"),
        ("describe_stack_events", {"StackName": "present", "NextToken": "100"}, INVALID, "Invalid NextToken"),
        ("list_exports", {"NextToken": "100"}, INVALID, "Invalid NextToken"),
        ("list_change_sets", {"StackName": "present", "NextToken": "100"}, INVALID, "Invalid NextToken"),
    ],
)  # fmt: skip  # as a table
def test_a_refusal(shared: Client, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    refused, said = refusal(getattr(shared, operation), **params)
    assert (refused, message in said) == (code, True), said


def test_a_deleted_stack_is_found_by_its_id_only(cloudformation: Client) -> None:
    stack_id = made(cloudformation, "gone", TEMPLATE)["StackId"]
    cloudformation.delete_stack(StackName="gone")
    finished_by_id = finished(cloudformation, stack_id, "stack_delete_complete")
    assert (finished_by_id["StackStatus"], "DeletionTime" in finished_by_id) == ("DELETE_COMPLETE", True)
    assert refusal(cloudformation.describe_stacks, StackName="gone")[0] == INVALID
    assert refusal(cloudformation.list_stack_resources, StackName="gone")[0] == INVALID
    assert cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"][0]["ResourceStatus"] == "DELETE_COMPLETE"
    assert cloudformation.describe_stacks()["Stacks"] == []
    [listed] = cloudformation.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert listed["StackId"] == stack_id
    assert cloudformation.delete_stack(StackName="gone")
    assert cloudformation.delete_stack(StackName="never")


# --- What a stack shows ---


def test_a_stack_has_the_members_that_aws_shows(cloudformation: Client) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/lifecycle.json; what is not there is no empty member."""
    body = {
        "Description": "An example",
        "Parameters": {"Delay": {"Type": "Number", "Default": 0}, "Secret": {"Type": "String", "NoEcho": True}},
        "Resources": {"Handle": HANDLE},
        "Outputs": {"Handle": {"Value": {"Ref": "Handle"}, "Export": {"Name": "handle"}}},
    }
    secret = [{"ParameterKey": "Secret", "ParameterValue": "hidden"}]
    stack = made(cloudformation, "whole", json.dumps(body), Parameters=secret, Tags=[{"Key": "owner", "Value": "a"}])
    assert stack["Outputs"].pop()["ExportName"] == "handle"
    # The time has milliseconds, so that who watches a deployment misses no event of the same second.
    assert (stack.pop("CreationTime").microsecond % 1000, stack.pop("Outputs")) == (0, [])
    common = {
        "StackId": stack["StackId"],
        "StackStatus": "CREATE_COMPLETE",
        "RollbackConfiguration": {},
        "DisableRollback": False,
        "DeploymentConfig": {"Mode": "STANDARD", "DisableRollback": False},
        "EnableTerminationProtection": False,
        "NotificationARNs": [],
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }
    assert stack == {
        **common,
        "StackName": "whole",
        "Description": "An example",
        "Parameters": [
            {"ParameterKey": "Delay", "ParameterValue": "0"},
            {"ParameterKey": "Secret", "ParameterValue": "****"},
        ],
        "Tags": [{"Key": "owner", "Value": "a"}],
    }
    bare = made(cloudformation, "bare", TEMPLATE)
    bare.pop("CreationTime")
    assert bare == {**common, "StackId": bare["StackId"], "StackName": "bare", "Tags": []}
    cloudformation.update_stack(StackName="bare", TemplateBody=template(Handle=HANDLE, Second=HANDLE))
    assert "LastUpdatedTime" in finished(cloudformation, "bare", "stack_update_complete")
    assert [each["StackName"] for each in cloudformation.list_stacks()["StackSummaries"]] == ["bare", "whole"]


def test_resources_and_events_come_in_pages(cloudformation: Client) -> None:
    names = [f"Handle{number}" for number in range(101)]
    made(cloudformation, "long", template(**dict.fromkeys(names, HANDLE)))
    pages = [*cloudformation.get_paginator("list_stack_resources").paginate(StackName="long")]
    assert [len(page["StackResourceSummaries"]) for page in pages] == [100, 1]
    assert {each["LogicalResourceId"] for page in pages for each in page["StackResourceSummaries"]} == {*names}
    pages = [*cloudformation.get_paginator("describe_stack_events").paginate(StackName="long")]
    events = [event for page in pages for event in page["StackEvents"]]
    assert (len(pages) > 1, len({event["EventId"] for event in events})) == (True, len(events))
    assert [event["Timestamp"] for event in events] == sorted((event["Timestamp"] for event in events), reverse=True)
    token = pages[0]["NextToken"]
    assert refusal(cloudformation.list_stack_resources, StackName="long", NextToken=token) == (INVALID, "Invalid NextToken")
    resource = cloudformation.describe_stack_resources(StackName="long", LogicalResourceId=names[0])["StackResources"][0]
    found = cloudformation.describe_stack_resources(PhysicalResourceId=resource["PhysicalResourceId"])["StackResources"]
    assert (resource in found, len(found)) == (True, 100)


# --- Creating, updating, deleting ---


def test_a_request_that_is_sent_again_makes_no_second_stack(cloudformation: Client) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/lifecycle.json, create-token-repeat and create-token-conflict."""
    request = {"StackName": "once", "TemplateBody": TEMPLATE, "ClientRequestToken": "first"}
    first, again = cloudformation.create_stack(**request), cloudformation.create_stack(**request)
    assert [again[name] for name in ("StackId", "OperationId")] == [first[name] for name in ("StackId", "OperationId")]
    code, message = refusal(cloudformation.create_stack, **{**request, "TemplateBody": template(Other=HANDLE)})
    said = "The client request token first has already been used for this stack. Retry the request with a different client"
    assert (code, message) == ("TokenAlreadyExistsException", f"{said} request token")
    taken = refusal(cloudformation.create_stack, **{**request, "ClientRequestToken": "second"})
    assert taken == ("AlreadyExistsException", "Stack [once] already exists")


def test_each_operation_on_a_stack_has_an_id_and_so_have_its_events(cloudformation: Client) -> None:
    """Source: API model, OperationId."""
    name = {"StackName": "followed"}
    ids = [cloudformation.create_stack(**name, TemplateBody=TEMPLATE)["OperationId"]]
    stack_id = finished(cloudformation, "followed", "stack_create_complete")["StackId"]
    ids.append(cloudformation.update_stack(**name, TemplateBody=template(Other=HANDLE))["OperationId"])
    finished(cloudformation, "followed", "stack_update_complete")
    change = {**name, "ChangeSetName": "change"}
    cloudformation.create_change_set(**change, TemplateBody=TEMPLATE)
    cloudformation.execute_change_set(**change)
    finished(cloudformation, "followed", "stack_update_complete")
    cloudformation.delete_stack(**name)
    finished(cloudformation, stack_id, "stack_delete_complete")
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"][::-1]
    in_turn = [operation_id for operation_id, _ in groupby(event["OperationId"] for event in events)]
    assert (in_turn[:2], len(in_turn), len(set(in_turn))) == (ids, 4, 4)


def test_a_stack_that_was_rolled_back_can_only_be_deleted(cloudformation: Client) -> None:
    broken = template(Rule={"Type": "AWS::Config::ConfigRule", "Properties": {"ConfigRuleName": "a"}})
    with pytest.raises(WaiterError):
        made(cloudformation, "broken", broken)
    [stack] = cloudformation.describe_stacks(StackName="broken")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    said = (INVALID, f"Stack:{stack['StackId']} is in ROLLBACK_COMPLETE state and can not be updated.")
    changed: dict[str, Any] = {"StackName": "broken", "TemplateBody": TEMPLATE}
    assert refusal(cloudformation.update_stack, **changed) == said
    assert refusal(cloudformation.create_change_set, **changed, ChangeSetName="change") == said
    assert refusal(cloudformation.create_stack, **changed) == ("AlreadyExistsException", "Stack [broken] already exists")
    cloudformation.delete_stack(StackName="broken")
    finished(cloudformation, stack["StackId"], "stack_delete_complete")
    assert made(cloudformation, "broken", TEMPLATE)["StackStatus"] == "CREATE_COMPLETE"


def test_a_protected_stack_is_not_deleted(cloudformation: Client) -> None:
    made(cloudformation, "protected", TEMPLATE, EnableTerminationProtection=True)
    message = "Stack [protected] cannot be deleted while TerminationProtection is enabled"
    assert refusal(cloudformation.delete_stack, StackName="protected") == (INVALID, message)
    cloudformation.update_termination_protection(StackName="protected", EnableTerminationProtection=False)
    assert cloudformation.delete_stack(StackName="protected")


def test_a_stack_whose_export_is_in_use_stays_and_says_why(cloudformation: Client) -> None:
    """Users quote the reason: aws-samples/iam-identity-center-team#474."""
    exporting = {"Resources": {"Handle": HANDLE}, "Outputs": {"A": {"Value": "1", "Export": {"Name": "shared"}}}}
    made(cloudformation, "exporting", json.dumps(exporting))
    importing = {"Resources": {"Handle": HANDLE}, "Outputs": {"B": {"Value": {"Fn::ImportValue": "shared"}}}}
    for name in ("second", "first"):
        made(cloudformation, name, json.dumps(importing))
    assert cloudformation.list_imports(ExportName="shared")["Imports"] == ["first", "second"]
    assert [each["Name"] for each in cloudformation.list_exports()["Exports"]] == ["shared"]
    cloudformation.delete_stack(StackName="exporting")
    [stack] = cloudformation.describe_stacks(StackName="exporting")["Stacks"]
    reason = "Delete canceled. Cannot delete export shared as it is in use by first and second."
    assert (stack["StackStatus"], stack["StackStatusReason"]) == ("CREATE_COMPLETE", reason)
    event = cloudformation.describe_stack_events(StackName="exporting")["StackEvents"][0]
    assert (event["ResourceStatus"], event["ResourceStatusReason"]) == ("CREATE_COMPLETE", reason)


# --- Change sets ---


def test_what_is_left_of_a_change_set_that_was_executed(cloudformation: Client) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/changeset_name_reuse.json."""
    stack_id = made(cloudformation, "changed", TEMPLATE)["StackId"]
    names = {"StackName": "changed", "ChangeSetName": "change"}

    def change(**resources: Any) -> str:  # noqa: ANN401 - a template's values
        return str(cloudformation.create_change_set(**names, TemplateBody=template(Handle=HANDLE, **resources))["Id"])

    first = change(Second=HANDLE)
    for stack in ("changed", stack_id):
        [summary] = cloudformation.list_change_sets(StackName=stack)["Summaries"]
        assert (summary["ChangeSetId"], summary["ExecutionStatus"]) == (first, "AVAILABLE")
    cloudformation.execute_change_set(**names)
    finished(cloudformation, "changed", "stack_update_complete")
    gone = ("ChangeSetNotFound", "ChangeSet [change] does not exist")
    assert refusal(cloudformation.describe_change_set, **names) == gone
    assert refusal(cloudformation.execute_change_set, **names) == gone
    assert cloudformation.list_change_sets(StackName="changed")["Summaries"] == []
    assert cloudformation.delete_change_set(**names)
    second = change(Second=HANDLE, Third=HANDLE)
    assert cloudformation.describe_change_set(**names)["ChangeSetId"] == second
    executed = cloudformation.describe_change_set(ChangeSetName=first)
    assert (executed["ChangeSetName"], executed["ExecutionStatus"]) == ("change", "EXECUTE_COMPLETE")
    message = "Cannot delete ChangeSet in execution status EXECUTE_COMPLETE"
    assert refusal(cloudformation.delete_change_set, ChangeSetName=first) == ("InvalidChangeSetStatus", message)
    cloudformation.delete_change_set(**names)
    assert refusal(cloudformation.describe_change_set, **names) == gone


def test_no_other_account_sees_a_change_set(client: Clients, cloudformation: Client, other_account_id: str) -> None:
    made(cloudformation, "changed", TEMPLATE)
    names = {"StackName": "changed", "ChangeSetName": "change"}
    arn = cloudformation.create_change_set(**names, TemplateBody=template(Second=HANDLE))["Id"]
    cloudformation.execute_change_set(**names)
    finished(cloudformation, "changed", "stack_update_complete")
    cloudformation.create_change_set(**names, TemplateBody=TEMPLATE)
    code, _ = refusal(client("cloudformation", other_account_id).describe_change_set, ChangeSetName=arn)
    assert code == "ChangeSetNotFound"


# --- A function's policy that is there already ---


class Policies:
    """Two functions of an account, and their policies."""

    def __init__(self, client: Clients, account_id: str) -> None:
        self._functions = client("lambda", account_id)
        code = "def handler(event, context):\n    pass\n"
        self.first, self.second = (create_function(client, account_id, name, code) for name in ("first", "second"))

    def resource(self, arn: object, sid: str) -> dict[str, Any]:
        properties = {"ResourceArn": arn, "PolicyDocument": {"Version": "2012-10-17", "Statement": [self.statement(sid)]}}
        return {"Type": "AWS::Lambda::ResourcePolicy", "Properties": properties}

    def statement(self, sid: str, arn: str = "*") -> dict[str, Any]:
        principal = {"Service": "config.amazonaws.com"}
        return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": "lambda:InvokeFunction", "Resource": arn}

    def put(self, arn: str, sid: str) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [self.statement(sid)]})
        self._functions.put_resource_policy(ResourceArn=arn, Policy=policy)

    def sids(self, arn: str) -> list[str]:
        try:
            policy = self._functions.get_resource_policy(ResourceArn=arn)["Policy"]
        except self._functions.exceptions.ResourceNotFoundException:
            return []
        return [statement["Sid"] for statement in json.loads(policy)["Statement"]]


@pytest.fixture
def policies(client: Clients, account_id: str) -> Policies:
    return Policies(client, account_id)


@pytest.fixture
def stack(client: Clients, account_id: str) -> Stack:
    return Stack(client, account_id)


def test_a_policy_that_was_put_fails_the_stack_before_anything_is_made(
    cloudformation: Client, client: Clients, account_id: str, policies: Policies
) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/function_resource_policy.json and …_validation.json."""
    policies.put(policies.first, "by-hand")
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "never"}}
    with pytest.raises(WaiterError):
        made(cloudformation, "late", template(Policy=policies.resource(policies.first, "stack"), Topic=topic))
    assert policies.sids(policies.first) == ["by-hand"]
    [stack] = cloudformation.describe_stacks(StackName="late")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = [*reversed(cloudformation.describe_stack_events(StackName="late")["StackEvents"])]
    told = [(event["ResourceStatus"], event.get("ResourceStatusReason"), event.get("DetailedStatus")) for event in events]
    assert told == [
        ("CREATE_IN_PROGRESS", "User Initiated", None),
        (
            "CREATE_FAILED",
            (
                "Validation failed with 1 error(s). Call DescribeEvents to retrieve the full list of issues with resource and "
                "property details, resolve each error, then retry the operation."
            ),
            "VALIDATION_FAILED",
        ),
        ("ROLLBACK_IN_PROGRESS", "Validation failure detected. See the operation's FAILED event for details.", None),
        ("ROLLBACK_COMPLETE", None, None),
    ]
    assert client("sns", account_id).list_topics()["Topics"] == []
    all_events = cloudformation.describe_events(StackName="late")["OperationEvents"]
    [error] = [event for event in all_events if event["EventType"] == "VALIDATION_ERROR"]
    assert {name: error[name] for name in error if name.startswith(("Validation", "Logical", "ResourceType"))} == {
        "LogicalResourceId": "Policy",
        "ResourceType": "AWS::Lambda::ResourcePolicy",
        "ValidationFailureMode": "FAIL",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": (
            f"Resource of type 'AWS::Lambda::ResourcePolicy' with identifier '{policies.first}' already exists."
        ),
        "ValidationPath": "/Resources/Policy",
    }


def test_a_policy_whose_function_the_template_computes_fails_when_it_is_made(stack: Stack, policies: Policies) -> None:
    policies.put(policies.first, "by-hand")
    # MiniStack cannot tell the name of a function that an output of another resource gives before it makes that.
    name = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "first"}}
    arn = policies.first.replace("function:first", "function:${Name.TopicName}")
    computed = policies.resource({"Fn::Sub": arn}, "stack")
    with pytest.raises(WaiterError):
        stack.create({"Name": name, "Policy": computed})
    assert stack.failures["Policy"].endswith(f"with identifier '{policies.first}' already exists.")
    assert policies.sids(policies.first) == ["by-hand"]


def test_a_stack_replaces_its_policy_as_a_whole_and_moves_it(stack: Stack, policies: Policies) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/function_resource_policy_lifecycle.json."""
    stack.create({"Policy": policies.resource(policies.first, "one")}, Reference={"Ref": "Policy"})
    assert (policies.sids(policies.first), stack.outputs["Reference"]) == (["one"], policies.first)
    policies._functions.add_permission(  # noqa: SLF001 - the scene's own client
        FunctionName="first", StatementId="added", Action="lambda:InvokeFunction", Principal="config.amazonaws.com"
    )
    assert policies.sids(policies.first) == ["one", "added"]
    stack.update({"Policy": policies.resource(policies.first, "two")}, Reference={"Ref": "Policy"})
    assert policies.sids(policies.first) == ["two"]
    stack.update({"Policy": policies.resource(policies.second, "two")}, Reference={"Ref": "Policy"})
    assert (policies.sids(policies.first), policies.sids(policies.second)) == ([], ["two"])
    assert stack.outputs["Reference"] == policies.second
    stack.delete()
    assert policies.sids(policies.second) == []
