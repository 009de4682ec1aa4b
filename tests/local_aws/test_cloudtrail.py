"""CloudTrail on the local AWS: the event of a change to a root user, and events that only resemble it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import OTHER_REGION, Bus, Queue, regional
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import Client, Clients, Parameter, allow, refusal

OF_IAM = {"source": ["aws.iam"], "detail-type": ["AWS API Call via CloudTrail"]}
OF_ROOT = {**OF_IAM, "detail": {"eventSource": ["iam.amazonaws.com"], "userIdentity": {"type": ["Root"]}}}


@pytest.fixture
def of_iam(local_aws: LocalAwsClient, account_id: str) -> Queue:
    """Collect what CloudTrail records of IAM in the test's account."""
    return Bus(local_aws, account_id).collect(OF_IAM)


@pytest.fixture
def acting(local_aws: LocalAwsClient) -> Acting:
    return Acting(local_aws)


def details(queue: Queue, number: int) -> list[dict[str, Any]]:
    return [event["detail"] for event in queue.bodies(number)]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (["add-virtual-device phone"], ["CreateVirtualMFADevice", "EnableMFADevice"]),
        (["remove-virtual-device phone"], ["DeactivateMFADevice", "DeleteVirtualMFADevice"]),
        (["add-hardware-device"], ["EnableMFADevice"]),
        (["remove-hardware-devices"], ["DeactivateMFADevice", "DeactivateMFADevice"]),
        (["create-access-key"], ["CreateAccessKey"]),
        (["delete-access-keys"], ["DeleteAccessKey", "DeleteAccessKey"]),
        (["upload-signing-certificate"], ["UploadSigningCertificate"]),
        (["delete-signing-certificates"], ["DeleteSigningCertificate"]),
        (["delete-password"], ["DeleteLoginProfile"]),
        (["delete-password", "delete-password"], ["DeleteLoginProfile"]),
    ],
)
def test_what_the_owner_changes_is_recorded(
    local_aws: LocalAwsClient, account_id: str, changes: list[str], names: list[str]
) -> None:
    present = {
        "remove-virtual-device phone": ["add-virtual-device phone"],
        "remove-hardware-devices": ["add-hardware-device"] * 2,
        "delete-access-keys": ["create-access-key"] * 2,
        "delete-signing-certificates": ["upload-signing-certificate"],
    }
    for change in present.get(changes[0], []):
        local_aws.change_root_user(account_id, *change.split())
    of_root = Bus(local_aws, account_id).collect(OF_ROOT)
    for change in changes:
        local_aws.change_root_user(account_id, *change.split())
    assert [detail["eventName"] for detail in details(of_root, len(names))] == names


def test_an_event_has_what_aws_records(local_aws: LocalAwsClient, account_id: str, of_iam: Queue) -> None:
    local_aws.change_root_user(account_id, "add-virtual-device", "phone")
    local_aws.change_root_user(account_id, "create-access-key")
    root = f"arn:aws:iam::{account_id}:root"
    event, enabled, key = of_iam.bodies(3)
    assert (event["account"], event["region"], event["resources"]) == (account_id, "us-east-1", [])
    detail = event["detail"]
    assert detail["eventID"] != detail["requestID"]
    assert detail["userIdentity"].items() >= {"type": "Root", "principalId": account_id, "arn": root}.items()
    assert detail["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "false"
    serial_number = {"serialNumber": f"arn:aws:iam::{account_id}:mfa/phone"}
    assert detail["requestParameters"] == {"virtualMFADeviceName": "phone"}
    assert detail["responseElements"] == {"virtualMFADevice": serial_number}
    fixed = {"awsRegion": "us-east-1", "readOnly": False, "eventType": "AwsApiCall", "recipientAccountId": account_id}
    assert detail.items() >= fixed.items()
    assert "errorCode" not in detail
    assert enabled["detail"]["requestParameters"] == serial_number
    assert key["detail"]["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"
    created = key["detail"]["responseElements"]["accessKey"]
    assert created.keys() == {"accessKeyId", "status"}  # and no secret


def test_a_recovered_password_is_a_matter_of_signing_in(local_aws: LocalAwsClient, account_id: str) -> None:
    queue = Bus(local_aws, account_id).collect({"source": ["aws.signin", "aws.iam"]})
    local_aws.change_root_user(account_id, "delete-password")
    local_aws.change_root_user(account_id, "recover-password")
    _, recovered = queue.bodies(2)
    assert (recovered["source"], recovered["detail-type"]) == ("aws.signin", "AWS Console Sign In via CloudTrail")
    detail = recovered["detail"]
    assert (detail["eventName"], detail["eventType"]) == ("PasswordRecoveryCompleted", "AwsConsoleSignIn")
    assert (detail["eventSource"], detail["userIdentity"]["type"]) == ("signin.amazonaws.com", "Root")


def test_events_of_iam_are_in_one_region_and_one_account(
    local_aws: LocalAwsClient, account_id: str, other_account_id: str, of_iam: Queue
) -> None:
    elsewhere = Bus(local_aws, account_id, OTHER_REGION).collect(OF_IAM)
    others = Bus(local_aws, other_account_id).collect(OF_IAM)
    local_aws.change_root_user(account_id, "add-hardware-device")
    assert len(of_iam.bodies(1)) == 1
    assert (elsewhere.bodies(0), others.bodies(0)) == ([], [])


# What is not root


def test_an_administrators_calls_are_not_roots(client: Clients, account_id: str, of_iam: Queue) -> None:
    iam = client("iam", account_id)
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")
    iam.list_virtual_mfa_devices()
    iam.create_user(UserName="alice")
    serial_number = f"arn:aws:iam::{account_id}:mfa/phone"
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    iam.enable_mfa_device(UserName="alice", SerialNumber=serial_number, **codes)
    create_device, create_user, enable = details(of_iam, 3)
    assert [one["eventName"] for one in (create_device, create_user, enable)] == [
        "CreateVirtualMFADevice",
        "CreateUser",
        "EnableMFADevice",
    ]
    assert {one["userIdentity"]["type"] for one in (create_device, create_user, enable)} == {"AssumedRole"}
    assert enable["requestParameters"] == {"userName": "alice", "serialNumber": serial_number}


def test_a_session_of_a_role_is_told_with_its_role(client: Clients, acting: Acting, account_id: str, of_iam: Queue) -> None:
    arn = make_role(client, account_id, "admin", trust_account(account_id), "iam:*")
    acting("iam", assume(client("sts", account_id), arn)).create_user(UserName="alice")
    [*_, detail] = details(of_iam, 3)
    identity = detail["userIdentity"]
    assert (identity["type"], identity["arn"]) == ("AssumedRole", f"arn:aws:sts::{account_id}:assumed-role/admin/test")
    issuer = identity["sessionContext"]["sessionIssuer"]
    assert issuer.items() >= {"type": "Role", "arn": arn, "accountId": account_id, "userName": "admin"}.items()
    assert issuer["principalId"].startswith("AROA")


def test_an_iam_user_is_told_with_its_name_and_no_password_with_it(
    client: Clients, acting: Acting, account_id: str, of_iam: Queue
) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=allow("iam:*"))
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    acting("iam", key).create_login_profile(UserName="alice", Password="correct horse battery")  # noqa: S106 - of nobody
    [*_, detail] = details(of_iam, 4)
    identity = detail["userIdentity"]
    assert (identity["type"], identity["userName"], identity["accessKeyId"]) == ("IAMUser", "alice", key["AccessKeyId"])
    assert identity["principalId"].startswith("AIDA")
    assert (detail["eventName"], detail["requestParameters"]) == ("CreateLoginProfile", {"userName": "alice"})


# What failed


def test_a_call_that_iam_refuses_has_its_error(client: Clients, account_id: str, of_iam: Queue) -> None:
    refusal(client("iam", account_id).delete_user, UserName="nobody")
    [detail] = details(of_iam, 1)
    assert (detail["eventName"], detail["errorCode"]) == ("DeleteUser", "NoSuchEntityException")
    assert "nobody" in detail["errorMessage"]


def test_a_call_that_policies_do_not_allow_has_its_error_and_no_request(
    client: Clients, acting: Acting, account_id: str, of_iam: Queue
) -> None:
    arn = make_role(client, account_id, "nothing", trust_account(account_id))
    iam = acting("iam", assume(client("sts", account_id), arn))
    assert refusal(iam.delete_user, UserName="alice")[0] == "AccessDenied"
    assert refusal(iam.list_users)[0] == "AccessDenied"
    _, detail = details(of_iam, 2)
    assert (detail["eventName"], detail["errorCode"], detail["requestParameters"]) == ("DeleteUser", "AccessDenied", None)
    assert detail["userIdentity"]["arn"] == f"arn:aws:sts::{account_id}:assumed-role/nothing/test"


def test_a_fault_is_recorded_as_the_call_went(
    local_aws: LocalAwsClient, client: Clients, account_id: str, of_iam: Queue
) -> None:
    """If only the answer is lost, the call was made, and its record has no error."""
    iam = client("iam", account_id)
    local_aws.add_fault(account_id, "iam:CreateUser", "Throttling", times=1)
    assert refusal(iam.create_user, UserName="alice")[0] == "Throttling"
    local_aws.add_fault(account_id, "iam:CreateUser", "BrokenBody", times=1)
    with pytest.raises(ResponseParserError, match=r"(?i)unable to parse response"):
        iam.create_user(UserName="alice")
    throttled, made = details(of_iam, 2)
    assert throttled["errorCode"] == "Throttling"
    assert "errorCode" not in made
    assert iam.get_user(UserName="alice")["User"]["UserName"] == "alice"


def test_a_request_that_breaks_a_constraint_has_its_error(client: Clients, account_id: str, of_iam: Queue) -> None:
    assert refusal(client("iam", account_id).delete_virtual_mfa_device, SerialNumber="short")[0] == "ValidationError"
    [detail] = details(of_iam, 1)
    assert (detail["eventName"], detail["errorCode"]) == ("DeleteVirtualMFADevice", "ValidationError")


# The event history


@pytest.fixture
def trail(client: Clients, account_id: str) -> Client:
    return client("cloudtrail", account_id)


def looked_up(trail: Client, key: str = "", value: str = "", **params: Parameter) -> list[dict[str, Any]]:
    attributes = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]} if key else {}
    found = trail.get_paginator("lookup_events").paginate(**attributes, **params)
    return [event for page in found for event in page["Events"]]


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["EventName"] for event in events]


def test_the_history_has_reads_and_changes_newest_first(client: Clients, account_id: str, trail: Client) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="alice")
    iam.list_users()
    client("config", account_id).describe_config_rules()
    assert names(looked_up(trail))[:3] == ["DescribeConfigRules", "ListUsers", "CreateUser"]
    [*_, created] = looked_up(trail, "EventSource", "iam.amazonaws.com")
    record = json.loads(created.pop("CloudTrailEvent"))
    assert created.pop("EventTime") == datetime.fromisoformat(record["eventTime"])
    assert created == {
        "EventId": record["eventID"],
        "EventName": "CreateUser",
        "ReadOnly": "false",
        "EventSource": "iam.amazonaws.com",
        "Username": "administrator",
        "AccessKeyId": account_id,
        "Resources": [{"ResourceType": "AWS::IAM::User", "ResourceName": "alice"}],
    }
    assert (record["awsRegion"], record["recipientAccountId"]) == ("us-east-1", account_id)


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("EventName", "ListUsers", ["ListUsers"]),
        ("EventName", "listusers", []),
        ("ReadOnly", "true", ["ListUsers"]),
        ("ReadOnly", "false", ["DeleteUser", "CreateUser"]),
        ("Username", "administrator", ["DeleteUser", "ListUsers", "CreateUser"]),
        ("Username", "root", []),
        ("ResourceName", "alice", ["DeleteUser", "CreateUser"]),
        ("ResourceType", "AWS::IAM::User", ["DeleteUser", "CreateUser"]),
        ("ResourceType", "Other", []),
        ("EventSource", "sts.amazonaws.com", []),
    ],
)
def test_events_are_found_by_an_attribute(  # noqa: PLR0913, PLR0917 - fixtures, and the case
    client: Clients, account_id: str, trail: Client, key: str, value: str, found: list[str]
) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="alice")
    iam.list_users()
    iam.delete_user(UserName="alice")
    assert names(looked_up(trail, key, value)) == found
    [first, *_] = looked_up(trail)
    assert looked_up(trail, "EventId", first["EventId"]) == [first]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        # Live: lookup_inputs.json of radkawar/stackd, testdata/aws/cloudtrail, for ReadOnly and the start in the future.
        ({"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "True"}]}, "InvalidLookupAttributesException"),
        ({"StartTime": datetime(2199, 1, 1, tzinfo=UTC)}, "InvalidTimeRangeException"),
        (
            {"StartTime": datetime(2026, 1, 2, tzinfo=UTC), "EndTime": datetime(2026, 1, 1, tzinfo=UTC)},
            "InvalidTimeRangeException",
        ),
        (
            {
                "LookupAttributes": [
                    {"AttributeKey": "EventName", "AttributeValue": "CreateUser"},
                    {"AttributeKey": "Username", "AttributeValue": "root"},
                ]
            },
            "InvalidLookupAttributesException",
        ),
        ({"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "red"}]}, "ValidationException"),
        ({"NextToken": "broken"}, "InvalidNextTokenException"),
        ({"EventCategory": "insight"}, "InvalidEventCategoryException"),
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
    ],
)
def test_a_bad_lookup_is_refused(trail: Client, params: dict[str, Any], code: str) -> None:
    assert refusal(trail.lookup_events, **params)[0] == code


def test_the_history_comes_in_pages_that_nothing_moves(client: Clients, account_id: str, trail: Client) -> None:
    iam = client("iam", account_id)
    for number in range(5):
        iam.create_user(UserName=f"user-{number}")
    of_iam = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]}
    first = trail.lookup_events(**of_iam, MaxResults=2)
    iam.create_user(UserName="later")
    second = trail.lookup_events(**of_iam, MaxResults=50, NextToken=first["NextToken"])
    named = [event["Resources"][0]["ResourceName"] for event in [*first["Events"], *second["Events"]]]
    assert named == ["user-4", "user-3", "user-2", "user-1", "user-0"]
    assert "NextToken" not in second
    assert refusal(trail.lookup_events, NextToken=first["NextToken"])[0] == "InvalidNextTokenException"


def test_each_account_and_region_has_a_history_and_root_is_in_us_east_1(
    local_aws: LocalAwsClient, account_id: str, other_account_id: str, client: Clients, trail: Client
) -> None:
    elsewhere = regional(local_aws, "config", account_id, OTHER_REGION)
    elsewhere.describe_config_rules()
    local_aws.change_root_user(account_id, "add-virtual-device", "phone")
    there = regional(local_aws, "cloudtrail", account_id, OTHER_REGION)
    assert names(looked_up(there)) == ["DescribeConfigRules"]
    assert names(looked_up(trail, "Username", "root")) == ["EnableMFADevice", "CreateVirtualMFADevice"]
    assert looked_up(client("cloudtrail", other_account_id)) == []


def test_a_refused_call_of_any_service_has_its_code(client: Clients, acting: Acting, account_id: str, trail: Client) -> None:
    """What AWS answers as AccessDeniedException is AccessDenied in CloudTrail, without the parameters."""
    arn = make_role(client, account_id, "nothing", trust_account(account_id), "iam:ListUsers")
    session = assume(client("sts", account_id), arn)
    for service, operation, params in (
        ("iam", "get_account_summary", {}),
        ("config", "describe_config_rules", {}),
        ("ssm", "start_automation_execution", {"DocumentName": "x"}),
        ("lambda", "get_function", {"FunctionName": "x"}),
        ("sns", "publish", {"TopicArn": f"arn:aws:sns:us-east-1:{account_id}:x", "Message": "x"}),  # a data event
    ):
        refusal(getattr(acting(service, session), operation), **params)
    found = [json.loads(event["CloudTrailEvent"]) for event in looked_up(trail, "Username", "test")]
    assert [(record["eventSource"], record["eventName"], record["errorCode"]) for record in found] == [
        ("lambda.amazonaws.com", "GetFunction", "AccessDenied"),
        ("ssm.amazonaws.com", "StartAutomationExecution", "AccessDenied"),
        ("config.amazonaws.com", "DescribeConfigRules", "AccessDenied"),
        ("iam.amazonaws.com", "GetAccountSummary", "AccessDenied"),
    ]
    issuers = {record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] for record in found}
    assert (issuers, {record["requestParameters"] for record in found}) == ({arn}, {None})


def test_an_error_of_lambda_has_its_code_and_message(client: Clients, account_id: str, trail: Client) -> None:
    """Lambda speaks REST: its code is in a header."""
    code, message = refusal(client("lambda", account_id).get_policy, FunctionName="missing")
    [event] = looked_up(trail, "EventName", "GetPolicy")
    record = json.loads(event["CloudTrailEvent"])
    assert (record["errorCode"], record["errorMessage"]) == (code, message)


def test_a_role_that_may_not_be_assumed_is_recorded(client: Clients, account_id: str, trail: Client) -> None:
    arn = f"arn:aws:iam::{account_id}:role/missing"
    refusal(client("sts", account_id).assume_role, RoleArn=arn, RoleSessionName="test")
    [event] = looked_up(trail, "EventName", "AssumeRole")
    record = json.loads(event["CloudTrailEvent"])
    assert (record["errorCode"], record["readOnly"]) == ("AccessDenied", True)
    assert record["requestParameters"] == {"roleArn": arn, "roleSessionName": "test"}


def test_calls_of_cloudformation_have_their_parameters_without_a_template(
    client: Clients, account_id: str, trail: Client
) -> None:
    """CreateStack is refused here for its template; CloudTrail has the stack that it named."""
    refusal(client("cloudformation", account_id).create_stack, StackName="mine", TemplateBody="{}")
    [event] = looked_up(trail, "EventName", "CreateStack")
    assert json.loads(event["CloudTrailEvent"])["requestParameters"] == {"stackName": "mine"}


def test_events_are_kept_for_ninety_days_and_found_by_time(
    local_aws: LocalAwsClient, client: Clients, account_id: str, trail: Client
) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="alice")
    [before] = looked_up(trail, "EventName", "CreateUser")
    local_aws.advance_clock(seconds=24 * 3600)
    iam.delete_user(UserName="alice")
    [after] = looked_up(trail, "EventName", "DeleteUser")
    day = after["EventTime"] - before["EventTime"]
    assert timedelta(days=1) <= day < timedelta(days=1, minutes=10)
    assert "DeleteUser" in names(looked_up(trail, StartTime=after["EventTime"], EndTime=after["EventTime"]))
    assert "CreateUser" not in names(looked_up(trail, StartTime=after["EventTime"]))
    assert "DeleteUser" not in names(looked_up(trail, EndTime=before["EventTime"]))
    local_aws.advance_clock(seconds=89.5 * 24 * 3600)
    assert names(looked_up(trail, "Username", "administrator"))[-1] == "DeleteUser"


def test_there_are_no_trails(trail: Client) -> None:
    assert trail.describe_trails()["trailList"] == trail.describe_trails(trailNameList=["trail"])["trailList"] == []
    assert trail.list_trails()["Trails"] == []
