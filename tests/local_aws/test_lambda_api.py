"""Lambda's API on the local AWS: what it refuses, and what it keeps of policies, concurrency and settings.

Messages come from LocalStack's tests that ran against AWS (tests/aws/services/lambda_), unless a test names another source.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Clients, Parameter, create_function, package, refusal, trust

CODE = "def handler(event, context):\n    return event\n"
NOT_FOUND = "ResourceNotFoundException"
MODEL = "ValidationException"
INVALID = "InvalidParameterValueException"
FORMS = {"StatementId": "config", "Action": "lambda:InvokeFunction", "Principal": "config.amazonaws.com"}
NOBODY = {**FORMS, "Principal": "nobody"}


@dataclass
class Scene:
    """A function of an account that nobody else uses, and calls of Lambda."""

    client: Clients
    account_id: str
    other_account_id: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:{self.account_id}:function:present"

    @property
    def missing(self) -> str:
        return self.arn.replace("present", "missing")

    def call(self, operation: str, *, name: str = "present", account_id: str = "", **params: Parameter) -> Any:  # noqa: ANN401 - any answer
        method = getattr(self.client("lambda", account_id or self.account_id), operation)
        answer: dict[str, Any] = method(**({"FunctionName": name} if name else {}), **params)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def refused(self, operation: str, **params: Parameter) -> tuple[str, str]:
        return refusal(partial(self.call, operation), **params)

    def policy(self) -> list[dict[str, Any]]:
        statements: list[dict[str, Any]] = json.loads(self.call("get_policy")["Policy"])["Statement"]
        return statements


@pytest.fixture
def scene(client: Clients, account_id: str, other_account_id: str) -> Scene:
    create_function(client, account_id, "present", CODE)
    return Scene(client, account_id, other_account_id)


@pytest.fixture(scope="module")
def shared(local_aws: LocalAwsProcess, client: Clients, _unused_accounts: Iterator[str]) -> Scene:
    """Give a function that no test changes."""
    assert local_aws.endpoint_url
    account_id = next(_unused_accounts)
    create_function(client, account_id, "present", CODE)
    client("lambda", account_id).get_waiter("function_active_v2").wait(
        FunctionName="present", WaiterConfig={"Delay": 0.05, "MaxAttempts": 12000}
    )
    return Scene(client, account_id, next(_unused_accounts))


# --- What is not there, and what is no value ---


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("get_function", {}, "Function not found: {arn}"),
        ("get_function_configuration", {}, "Function not found: {arn}"),
        ("update_function_configuration", {"Timeout": 3}, "Function not found: {arn}"),
        ("update_function_code", {"ZipFile": package(CODE)}, "Function not found: {arn}"),
        ("delete_function", {}, "Function not found: {arn}"),
        ("invoke", {}, "Function not found: {arn}"),
        ("get_policy", {}, "Function not found: {arn}"),
        ("add_permission", FORMS, "Function not found: {arn}"),
        ("remove_permission", {"StatementId": "config"}, "No policy found for: {arn}"),
        ("put_function_concurrency", {"ReservedConcurrentExecutions": 0}, "Function not found: {arn}:$LATEST"),
        ("get_function_concurrency", {}, "Function not found: {arn}"),
        ("delete_function_concurrency", {}, "Function not found: {arn}:$LATEST"),
        ("put_function_event_invoke_config", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ("update_function_event_invoke_config", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ("list_function_event_invoke_configs", {}, "The function doesn't exist."),
        ("get_function_event_invoke_config", {}, "The function {arn}:$LATEST doesn't have an EventInvokeConfig"),
        ("delete_function_event_invoke_config", {}, "The function {arn}:$LATEST doesn't have an EventInvokeConfig"),
    ],
)
def test_a_function_that_is_not_there(shared: Scene, operation: str, params: dict[str, Any], message: str) -> None:
    assert shared.refused(operation, name="missing", **params) == (NOT_FOUND, message.format(arn=shared.missing))


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("get_function", {"Qualifier": "7"}, NOT_FOUND, "Function not found: {arn}:7"),
        ("invoke", {"Qualifier": "live"}, NOT_FOUND, "Function not found: {arn}:live"),
        ("get_policy", {}, NOT_FOUND, "The resource you requested does not exist."),
        ("remove_permission", {"StatementId": "config"}, NOT_FOUND, "No policy is associated with the given resource."),
        ("add_permission", {**FORMS, "Qualifier": "$LATEST"}, INVALID, "do not support adding policies for $LATEST."),
        ("add_permission", NOBODY, INVALID, "The provided principal was invalid. Please check the principal and try again."),
        # A report of 2023, terraform-aws-modules/terraform-aws-lambda#431, of which the message is cut.
        ("add_permission", {**FORMS, "PrincipalOrgID": "o-exampleorgid"}, INVALID, "PrincipalOrgID is no condition"),
        ("add_permission", {**FORMS, "Action": "s3:GetObject"}, MODEL, "Value 's3:GetObject' at 'action' failed"),
        ("add_permission", {**FORMS, "StatementId": "a b"}, MODEL, "Value 'a b' at 'statementId' failed"),
        ("get_function_event_invoke_config", {}, NOT_FOUND, "The function {arn}:$LATEST doesn't have an EventInvokeConfig"),
        ("update_function_event_invoke_config", {"MaximumRetryAttempts": 1}, NOT_FOUND, "doesn't have an EventInvokeConfig"),
        ("put_function_event_invoke_config", {}, INVALID, "You must specify at least one of error handling or "),
        ("put_function_event_invoke_config", {"MaximumRetryAttempts": 3}, MODEL, "at 'maximumRetryAttempts' failed"),
        ("put_function_concurrency", {"ReservedConcurrentExecutions": -1}, MODEL, "equal to 0"),
        ("put_function_concurrency", {"ReservedConcurrentExecutions": 901}, INVALID, "below its minimum value of [100]."),
        ("invoke", {"Payload": b"no JSON"}, "InvalidRequestContentException", "Could not parse request body into json"),
        ("invoke", {"Payload": b'"' + b"a" * 6 * 1024**2 + b'"'}, "RequestTooLargeException", "smaller than 6291456 bytes"),
        ("invoke", {"InvocationType": "Later"}, MODEL, "enum value set: [Event, RequestResponse, DryRun]"),
        ("update_function_configuration", {"Timeout": 901}, MODEL, "at 'timeout' failed to satisfy constraint: Me"),
        ("update_function_configuration", {"MemorySize": 127}, MODEL, "value greater than or equal to 128"),
        ("get_function", {"name": "a b"}, MODEL, "Value 'a b' at 'functionName' failed"),
        ("get_function", {"name": "present:1", "Qualifier": "2"}, INVALID, "The derived qualifier from the function name"),
        ("list_functions", {"name": "", "MaxItems": 0}, MODEL, "Value '0' at 'maxItems' failed"),
        ("list_functions", {"name": "", "MaxItems": 10001}, MODEL, "value less than or equal to 10000"),
        ("list_functions", {"name": "", "Marker": "present"}, INVALID, "Marker"),
    ],
)  # fmt: skip  # as a table
def test_a_refusal(shared: Scene, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    refused, said = shared.refused(operation, **params)
    assert refused == code
    assert message.format(arn=shared.arn) in said


def test_a_function_of_another_region_is_not_reachable(shared: Scene) -> None:
    elsewhere = shared.arn.replace("us-east-1", "eu-west-1")
    message = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    assert shared.refused("get_function", name=elsewhere) == (NOT_FOUND, message)


def test_a_function_of_another_account_is_nobodys_without_a_policy(scene: Scene) -> None:
    code, message = scene.refused("invoke", name=scene.arn, account_id=scene.other_account_id)
    assert code == "AccessDeniedException"
    assert message.endswith(
        f"is not authorized to perform: lambda:InvokeFunction on resource: {scene.arn} because no resource-based policy allows "
        "the lambda:InvokeFunction action"
    )
    scene.call("add_permission", **{**FORMS, "Principal": scene.other_account_id})
    code, message = scene.refused("invoke", name=scene.arn, account_id=scene.other_account_id)
    assert (code, "does not emulate" in message) == (INVALID, True)


def test_faults_have_the_form_of_lambda(local_aws: LocalAwsProcess, scene: Scene) -> None:
    for kind in ("AccessDenied", "Throttling", "ServerError"):
        local_aws.add_fault(scene.account_id, "lambda:GetPolicy", kind, times=1)
    statuses = {}
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            scene.call("get_policy")
        answer = caught.value.response
        statuses[answer["Error"]["Code"]] = answer["ResponseMetadata"]["HTTPStatusCode"]
    assert statuses == {"AccessDeniedException": 403, "ThrottlingException": 400, "InternalFailure": 500}
    assert scene.refused("get_policy")[0] == NOT_FOUND


# --- Functions ---


def test_a_function_needs_a_role_that_lambda_can_assume_and_code_that_is_there(scene: Scene) -> None:
    iam = scene.client("iam", scene.account_id)
    iam.create_role(RoleName="of-another", AssumeRolePolicyDocument=trust({"Service": "config.amazonaws.com"}))
    role = f"arn:aws:iam::{scene.account_id}:role/"
    new: dict[str, Any] = {"Runtime": "python3.13", "Handler": "example.handler", "Code": {"ZipFile": package(CODE)}}
    cannot = (INVALID, "The role defined for the function cannot be assumed by Lambda.")
    for name in ("of-another", "missing"):
        assert scene.refused("create_function", name="new", Role=f"{role}{name}", **new) == cannot
        assert scene.refused("update_function_configuration", Role=f"{role}{name}") == cannot
    s3 = scene.client("s3", scene.account_id)
    s3.create_bucket(Bucket=f"code-{scene.account_id}")
    stored = {"S3Bucket": f"code-{scene.account_id}", "S3Key": "missing.zip"}
    no_key = (
        INVALID,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )
    assert scene.refused("create_function", name="new", Role=f"{role}present", **{**new, "Code": stored}) == no_key
    assert scene.refused("update_function_code", **stored) == no_key
    code, message = scene.refused("update_function_code", **{**stored, "S3Bucket": f"none-{scene.account_id}"})
    assert (code, "NoSuchBucket" in message) == (INVALID, True)
    taken = scene.refused("create_function", Role=f"{role}present", **new)
    assert taken == ("ResourceConflictException", "Function already exist: present")
    assert [each["FunctionName"] for each in scene.call("list_functions", name="")["Functions"]] == ["present"]


def test_functions_come_in_pages_of_which_aws_sets_the_longest(scene: Scene) -> None:
    names = ["present", *(f"more-{number:02}" for number in range(50))]
    iam_role = f"arn:aws:iam::{scene.account_id}:role/present"
    for name in names[1:]:
        scene.call(
            "create_function",
            name=name,
            Role=iam_role,
            Runtime="python3.13",
            Handler="example.handler",
            Code={"ZipFile": package(CODE)},
        )
    first = scene.call("list_functions", name="", MaxItems=1000)
    second = scene.call("list_functions", name="", Marker=first["NextMarker"])
    assert (len(first["Functions"]), "NextMarker" in second) == (50, False)
    listed = [each["FunctionName"] for each in [*first["Functions"], *second["Functions"]]]
    assert sorted(listed) == sorted(names)
    # Source: API reference, ListFunctions: it has a part of the configuration.
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & first["Functions"][0].keys()
    assert scene.call("get_account_settings", name="")["AccountUsage"]["FunctionCount"] == 51


def test_a_function_has_one_configuration_by_name_arn_and_latest(shared: Scene) -> None:
    configurations = [
        shared.call("get_function", name=name)["Configuration"]
        for name in ("present", shared.arn, "present:$LATEST", f"{shared.arn}:$LATEST")
    ]
    assert configurations == [configurations[0]] * 4
    assert shared.call("invoke", InvocationType="DryRun")["StatusCode"] == 204


# --- Concurrency ---


def test_concurrency_is_reserved_as_far_as_the_account_has_some(scene: Scene) -> None:
    assert scene.call("get_function_concurrency") == {}
    assert scene.call("put_function_concurrency", ReservedConcurrentExecutions=900) == {"ReservedConcurrentExecutions": 900}
    assert scene.call("get_account_settings", name="")["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    create_function(scene.client, scene.account_id, "second", CODE)
    code, _ = scene.refused("put_function_concurrency", name="second", ReservedConcurrentExecutions=1)
    assert code == INVALID
    # Nothing is reserved with 0: it stops the function.
    scene.call("put_function_concurrency", name="second", ReservedConcurrentExecutions=0)
    scene.call("delete_function_concurrency")
    scene.call("delete_function_concurrency")
    assert scene.call("get_function_concurrency") == {}
    assert scene.call("put_function_concurrency", name="second", ReservedConcurrentExecutions=1)


# --- Asynchronous events ---


def test_settings_of_events_are_put_updated_and_deleted(scene: Scene) -> None:
    arn = f"{scene.arn}:$LATEST"
    queue = f"arn:aws:sqs:us-east-1:{scene.account_id}:failed"
    none: dict[str, Any] = {"OnSuccess": {}, "OnFailure": {}}
    put = scene.call("put_function_event_invoke_config", MaximumRetryAttempts=1)
    assert put.pop("LastModified")
    assert put == {"FunctionArn": arn, "MaximumRetryAttempts": 1, "DestinationConfig": none}
    failed = {"OnFailure": {"Destination": queue}}
    updated = scene.call("update_function_event_invoke_config", DestinationConfig=failed)
    updated.pop("LastModified")
    assert updated == {"FunctionArn": arn, "MaximumRetryAttempts": 1, "DestinationConfig": failed}
    for qualifier in ({}, {"Qualifier": "$LATEST"}):
        assert scene.call("get_function_event_invoke_config", **qualifier)["DestinationConfig"] == failed
    put = scene.call("put_function_event_invoke_config", MaximumEventAgeInSeconds=60)
    assert "MaximumRetryAttempts" not in put
    [listed] = scene.call("list_function_event_invoke_configs")["FunctionEventInvokeConfigs"]
    assert listed == put
    scene.call("delete_function_event_invoke_config", Qualifier="$LATEST")
    assert scene.refused("delete_function_event_invoke_config")[0] == NOT_FOUND
    assert scene.call("list_function_event_invoke_configs") == {"FunctionEventInvokeConfigs": []}


def test_a_destination_is_one_that_lambda_has_and_not_the_function(scene: Scene) -> None:
    def refused(kind: str, destination: str) -> str:
        code, message = scene.refused(
            "put_function_event_invoke_config", DestinationConfig={kind: {"Destination": destination}}
        )
        assert code == INVALID
        return message

    table = f"arn:aws:dynamodb:us-east-1:{scene.account_id}:table/a"
    said = "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination={})) is invalid."
    assert refused("OnFailure", table) == said.format(table)
    assert refused("OnSuccess", scene.arn) == "You can't specify the function as a destination for itself."


# --- Policies ---


def test_a_permission_becomes_a_statement(scene: Scene) -> None:
    source = f"arn:aws:config:us-east-1:{scene.account_id}:config-rule/*"
    added = [
        scene.call("add_permission", **FORMS, SourceAccount=scene.other_account_id, SourceArn=source)["Statement"],
        scene.call("add_permission", **{**FORMS, "StatementId": "account", "Principal": scene.other_account_id})["Statement"],
        scene.call("add_permission", **{**FORMS, "StatementId": "all", "Principal": "*"}, PrincipalOrgID="o-exampleorgid")[
            "Statement"
        ],
    ]
    common = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": scene.arn}
    # Live, radkawar/stackd, testdata/aws/cloudformation/function_resource_policy_lifecycle.json: the key AWS:SourceAccount.
    keys = {"ArnLike": {"AWS:SourceArn": source}, "StringEquals": {"AWS:SourceAccount": scene.other_account_id}}
    expected = [
        {"Sid": "config", **common, "Principal": {"Service": "config.amazonaws.com"}, "Condition": keys},
        {"Sid": "account", **common, "Principal": {"AWS": f"arn:aws:iam::{scene.other_account_id}:root"}},
        {
            "Sid": "all",
            **common,
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}},
        },
    ]
    assert [json.loads(statement) for statement in added] == scene.policy() == expected


def test_a_statement_id_is_taken_once_and_removed_once(scene: Scene) -> None:
    scene.call("add_permission", **FORMS)
    code, message = scene.refused("add_permission", **FORMS)
    assert (code, message.partition(".")[0]) == (
        "ResourceConflictException",
        "The statement id (config) provided already exists",
    )
    absent = (NOT_FOUND, "Statement other is not found in resource policy.")
    assert scene.refused("remove_permission", StatementId="other") == absent
    assert len(scene.policy()) == 1
    assert scene.call("remove_permission", StatementId="config") == {}
    assert scene.refused("get_policy")[0] == NOT_FOUND


def test_a_revision_that_is_not_the_latest_changes_nothing(scene: Scene) -> None:
    scene.call("add_permission", **FORMS)
    revision = scene.call("get_policy")["RevisionId"]
    scene.call("add_permission", **{**FORMS, "StatementId": "second"}, RevisionId=revision)
    stale = scene.refused("remove_permission", StatementId="config", RevisionId=revision)
    assert stale[0] == scene.refused("add_permission", **{**FORMS, "StatementId": "third"}, RevisionId=revision)[0]
    assert stale[0] == "PreconditionFailedException"
    assert [statement["Sid"] for statement in scene.policy()] == ["config", "second"]


def test_a_policy_that_is_put_replaces_what_permissions_added(scene: Scene) -> None:
    """Live: radkawar/stackd, testdata/aws/cloudformation/function_resource_policy_lifecycle.json."""
    scene.call("add_permission", **FORMS)
    statement = {**scene.policy()[0], "Sid": "put"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    whole = {"name": "", "ResourceArn": scene.arn}
    put = scene.call("put_resource_policy", **whole, Policy=policy)
    assert scene.call("get_resource_policy", **whole) == put
    assert scene.policy() == [statement]
    for malformed in ("{", "[]", "{}", '{"Statement": [{"Effect": "Allow"}]}'):
        assert scene.refused("put_resource_policy", **whole, Policy=malformed)[0] == INVALID
    too_long = json.dumps({"Statement": [{**statement, "Sid": "a" * 20_480}]})
    assert scene.refused("put_resource_policy", **whole, Policy=too_long)[0] == "ValidationException"
    assert scene.refused("delete_resource_policy", **whole, RevisionId=str(uuid.uuid4()))[0] == "PreconditionFailedException"
    scene.call("delete_resource_policy", **whole)
    for operation in ("get_resource_policy", "delete_resource_policy"):
        assert scene.refused(operation, **whole)[0] == NOT_FOUND
    missing = {"name": "", "ResourceArn": scene.missing}
    assert scene.refused("put_resource_policy", **missing, Policy=policy) == (NOT_FOUND, f"Function not found: {scene.missing}")


def test_a_policy_has_a_longest_size(scene: Scene) -> None:
    for number in range(10):
        sid = f"{number}" * 100
        scene.call("add_permission", **{**FORMS, "StatementId": sid, "SourceArn": f"arn:aws:config:us-east-1::{'a' * 1500}"})
    code, _ = scene.refused("add_permission", **{**FORMS, "SourceArn": f"arn:aws:config:us-east-1::{'a' * 4000}"})
    assert (code, len(scene.policy())) == ("PolicyLengthExceededException", 10)
