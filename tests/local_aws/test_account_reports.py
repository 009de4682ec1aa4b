"""What IAM says about an account: the summary, the credential report, and the root user in every list."""

import csv
from datetime import datetime, timedelta

import pytest

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Client, Clients, allow, refusal, trust

HEADER = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)
A_WHILE = 10.0
"""Seconds. A report is finished after them."""


def report_of(local_aws: LocalAwsProcess, iam: Client) -> list[str]:
    """Return the lines of an account's first credential report."""
    assert iam.generate_credential_report()["State"] == "STARTED"
    local_aws.advance_clock(seconds=A_WHILE)
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    lines: list[str] = report["Content"].decode().split("\n")
    return lines


def rows_of(local_aws: LocalAwsProcess, iam: Client) -> dict[str, dict[str, str]]:
    return {row["user"]: row for row in csv.DictReader(report_of(local_aws, iam))}


def test_a_report_is_begun_made_and_kept_for_four_hours(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    """The states, the errors' codes and that these have no message: public captures of 2026."""
    iam = client("iam", account_id)
    assert refusal(iam.get_credential_report) == ("ReportNotPresent", "")
    begun = iam.generate_credential_report()
    assert (begun["State"], begun["Description"]) == (
        "STARTED",
        "No report exists. Starting a new report generation task",
    )
    assert iam.generate_credential_report()["State"] == "INPROGRESS"
    assert refusal(iam.get_credential_report) == ("ReportInProgress", "")
    local_aws.advance_clock(seconds=A_WHILE)
    again = iam.generate_credential_report()
    assert (again["State"], "Description" in again) == ("COMPLETE", False)
    first = iam.get_credential_report()
    iam.create_user(UserName="alice")
    local_aws.advance_clock(seconds=4 * 3600 - 60)
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    kept = iam.get_credential_report()
    assert (kept["Content"], kept["GeneratedTime"]) == (first["Content"], first["GeneratedTime"])
    local_aws.advance_clock(seconds=120)
    assert refusal(iam.get_credential_report) == ("ReportExpired", "")
    assert iam.generate_credential_report()["State"] == "STARTED"
    local_aws.advance_clock(seconds=A_WHILE)
    assert b"\nalice," in iam.get_credential_report()["Content"]


NO_KEY = "false,N/A,N/A,N/A,N/A"
USED_KEY = "true,NOW,NOW,us-east-1,iam"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], "true,no_information,CREATED,not_supported,false,{no_key},{no_key},false,N/A,false,N/A"),
        (["sign-in"], "true,NOW,CREATED,not_supported,false,{no_key},{no_key},false,N/A,false,N/A"),
        (["delete-password"], "false,N/A,N/A,not_supported,false,{no_key},{no_key},false,N/A,false,N/A"),
        (
            ["sign-in", "delete-password", "recover-password"],
            "true,no_information,NOW,not_supported,false,{no_key},{no_key},false,N/A,false,N/A",
        ),
        (["add-virtual-device phone"], "true,no_information,CREATED,not_supported,true,{no_key},{no_key},false,N/A,false,N/A"),
        (["add-hardware-device"], "true,no_information,CREATED,not_supported,true,{no_key},{no_key},false,N/A,false,N/A"),
        (
            ["create-access-key", "upload-signing-certificate"],
            "true,no_information,CREATED,not_supported,false,true,NOW,N/A,N/A,N/A,{no_key},true,NOW,false,N/A",
        ),
        (
            ["create-access-key", "create-access-key", "use-access-keys"],
            "true,no_information,CREATED,not_supported,false,{used_key},{used_key},false,N/A,false,N/A",
        ),
        (
            ["create-access-key", "use-access-keys", "delete-access-keys", "create-access-key"],
            "true,no_information,CREATED,not_supported,false,true,NOW,N/A,N/A,N/A,{no_key},false,N/A,false,N/A",
        ),
    ],
)
def test_the_first_row_is_the_root_users(
    local_aws: LocalAwsProcess, client: Clients, account_id: str, changes: list[str], expected: str
) -> None:
    for change in changes:
        local_aws.change_root_user(account_id, *change.split())
    header, row = report_of(local_aws, client("iam", account_id))
    assert header == HEADER
    created = "2020-01-01T00:00:00Z"
    row = ",".join("NOW" if value.endswith("Z") and value != created else value for value in row.split(","))
    arn = f"arn:aws:iam::{account_id}:root"
    assert row == f"<root_account>,{arn},{created}," + expected.format(no_key=NO_KEY, used_key=USED_KEY).replace(
        "CREATED", created
    )


def test_every_list_shows_the_same_root_user(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    iam = client("iam", account_id)
    for change in ("add-virtual-device phone", "add-hardware-device", "create-access-key", "use-access-keys", "sign-in"):
        has = local_aws.change_root_user(account_id, *change.split())
    arn, phone = f"arn:aws:iam::{account_id}:root", f"arn:aws:iam::{account_id}:mfa/phone"
    [token], [key] = has["hardware_mfa_devices"], has["access_keys"]

    user = iam.get_user()["User"]
    assert set(user) == {"UserId", "Arn", "CreateDate", "PasswordLastUsed"}
    assert (user["UserId"], user["Arn"]) == (account_id, arn)
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"][0]["User"] == user
    assert [device["SerialNumber"] for device in iam.list_mfa_devices()["MFADevices"]] == [phone, token]
    assert [listed["AccessKeyId"] for listed in iam.list_access_keys()["AccessKeyMetadata"]] == [key]
    last_used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (last_used["ServiceName"], last_used["Region"]) == ("iam", "us-east-1")
    row = rows_of(local_aws, iam)["<root_account>"]
    assert (row["mfa_active"], row["access_key_1_active"], row["access_key_2_active"]) == ("true", "true", "false")
    assert datetime.fromisoformat(row["password_last_used"]) == user["PasswordLastUsed"]
    assert datetime.fromisoformat(row["access_key_1_last_used_date"]) == last_used["LastUsedDate"]
    assert datetime.fromisoformat(row["user_creation_time"]) == user["CreateDate"]
    iam.delete_access_key(AccessKeyId=key)
    assert iam.list_access_keys()["AccessKeyMetadata"] == []


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_login_profile", {}),
        ("delete_login_profile", {}),
        ("create_login_profile", {}),
        ("deactivate_mfa_device", {"SerialNumber": "arn:aws:iam::123456789012:mfa/phone"}),
    ],
)
def test_the_password_needs_a_session_of_assume_root(
    client: Clients, account_id: str, operation: str, params: dict[str, str]
) -> None:
    iam = client("iam", account_id)
    assert refusal(getattr(iam, operation), **params)[0] == "ValidationError"
    assert iam.get_account_summary()["SummaryMap"]["AccountPasswordPresent"] == 1


def test_users_follow_by_their_names(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    """The order, and the rows of keys that are inactive and of unused passwords: public captures of 2026."""
    iam = client("iam", account_id)
    for name in ("zoe", "Bob", "alice"):
        iam.create_user(UserName=name)
    keys = sorted(iam.create_access_key(UserName="Bob")["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.update_access_key(UserName="Bob", AccessKeyId=keys[0], Status="Inactive")
    iam.create_login_profile(UserName="alice", Password="Correct-Horse-1")  # noqa: S106 - of a test
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")
    phone = f"arn:aws:iam::{account_id}:mfa/phone"
    iam.enable_mfa_device(UserName="zoe", SerialNumber=phone, AuthenticationCode1="123456", AuthenticationCode2="654321")
    rows = rows_of(local_aws, iam)
    assert list(rows) == ["<root_account>", "alice", "Bob", "zoe"]
    alice, bob, zoe = (rows[name] for name in ("alice", "Bob", "zoe"))
    assert list(alice.values())[3:] == [
        *("true", "no_information", alice["password_last_changed"], "N/A", "false"),
        *NO_KEY.split(","),
        *NO_KEY.split(","),
        *("false", "N/A", "false", "N/A"),
    ]
    assert datetime.fromisoformat(alice["password_last_changed"]) >= datetime.fromisoformat(alice["user_creation_time"])
    assert list(bob.values())[3:8] == ["false", "N/A", "N/A", "N/A", "false"]
    assert (bob["access_key_1_active"], bob["access_key_2_active"]) == ("false", "true")
    assert "N/A" not in (bob["access_key_1_last_rotated"], bob["access_key_2_last_rotated"])
    assert zoe["mfa_active"] == "true"


def test_a_password_is_to_be_rotated_as_the_accounts_policy_says(
    local_aws: LocalAwsProcess, client: Clients, account_id: str
) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="alice")
    iam.create_login_profile(UserName="alice", Password="Correct-Horse-1")  # noqa: S106 - of a test
    iam.update_account_password_policy(MaxPasswordAge=90)
    row = rows_of(local_aws, iam)["alice"]
    changed, rotation = (datetime.fromisoformat(row[name]) for name in ("password_last_changed", "password_next_rotation"))
    assert rotation - changed == timedelta(days=90)


def test_the_summary_counts_what_there_is(client: Clients, account_id: str) -> None:
    """The entries are those of a public capture, all of them; a policy in use counts once, and a boundary is a use."""
    iam = client("iam", account_id)
    before = iam.get_account_summary()["SummaryMap"]
    assert len(before) == 34
    assert {name: before[name] for name in ("AttachedPoliciesPerRoleQuota", "PoliciesQuota", "RolePolicySizeQuota")} == {
        "AttachedPoliciesPerRoleQuota": 20,
        "PoliciesQuota": 1500,
        "RolePolicySizeQuota": 10240,
    }
    policies = [
        iam.create_policy(PolicyName=name, PolicyDocument=allow("iam:GetUser"))["Policy"]["Arn"]
        for name in ("unused", "attached", "boundary")
    ]
    for name in ("one", "two"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
        iam.attach_role_policy(RoleName=name, PolicyArn=policies[1])
    iam.attach_role_policy(RoleName="one", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.create_user(UserName="alice", PermissionsBoundary=policies[2])
    iam.create_group(GroupName="readers")
    iam.create_instance_profile(InstanceProfileName="machines")
    iam.create_virtual_mfa_device(VirtualMFADeviceName="spare")
    after = iam.get_account_summary()["SummaryMap"]
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "Groups": 1,
        "InstanceProfiles": 1,
        "MFADevices": 1,
        "Policies": 3,
        "PolicyVersionsInUse": 3,
        "Roles": 2,
        "Users": 1,
    }
