"""CloudTrail on the local AWS: the event of a change to a root user, and events that only resemble it."""

from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import OTHER_REGION, Bus, Queue
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import Clients, allow, refusal

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
    assert (detail["eventName"], detail["errorCode"]) == ("DeleteUser", "NoSuchEntity")
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
    with pytest.raises(Exception, match=r"(?i)unable to parse response"):
        iam.create_user(UserName="alice")
    throttled, made = details(of_iam, 2)
    assert throttled["errorCode"] == "Throttling"
    assert "errorCode" not in made
    assert iam.get_user(UserName="alice")["User"]["UserName"] == "alice"


def test_a_request_that_breaks_a_constraint_has_its_error(client: Clients, account_id: str, of_iam: Queue) -> None:
    assert refusal(client("iam", account_id).delete_virtual_mfa_device, SerialNumber="short")[0] == "ValidationError"
    [detail] = details(of_iam, 1)
    assert (detail["eventName"], detail["errorCode"]) == ("DeleteVirtualMFADevice", "ValidationError")
