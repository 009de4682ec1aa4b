"""IAM on the local AWS: GetAccountSummary and ListVirtualMFADevices with root users, IAM users and unassigned devices."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.client import LocalAwsClient, LocalAwsError
from tests.local_aws.scene import Client, Clients, Parameter, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


def root_credentials(client: Clients, account_id: str) -> dict[str, int]:
    summary: dict[str, int] = client("iam", account_id).get_account_summary()["SummaryMap"]
    return {name: value for name, value in summary.items() if name.startswith("Account")}


def devices(client: Clients, account_id: str, **params: Parameter) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client("iam", account_id).list_virtual_mfa_devices(**params)["VirtualMFADevices"]
    return listed


def names(listed: list[dict[str, Any]]) -> list[str]:
    return [device["SerialNumber"].rpartition("/")[2] for device in listed]


NOTHING = {
    "AccountMFAEnabled": 0,
    "AccountPasswordPresent": 1,
    "AccountAccessKeysPresent": 0,
    "AccountSigningCertificatesPresent": 0,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], {}),
        ([("add-virtual-device", "phone")], {"AccountMFAEnabled": 1}),
        ([("add-virtual-device", "phone"), ("remove-virtual-device", "phone")], {}),
        ([("add-hardware-device", None)], {"AccountMFAEnabled": 1}),
        ([("add-hardware-device", None), ("remove-hardware-devices", None)], {}),
        ([("add-hardware-device", None), ("add-virtual-device", "phone")], {"AccountMFAEnabled": 1}),
        ([("delete-password", None)], {"AccountPasswordPresent": 0}),
        ([("delete-password", None), ("recover-password", None)], {}),
        ([("create-access-key", None), ("create-access-key", None)], {"AccountAccessKeysPresent": 1}),
        ([("create-access-key", None), ("delete-access-keys", None)], {}),
        ([("upload-signing-certificate", None)], {"AccountSigningCertificatesPresent": 1}),
        ([("upload-signing-certificate", None), ("delete-signing-certificates", None)], {}),
        (
            [("delete-password", None), ("create-access-key", None)],
            {"AccountPasswordPresent": 0, "AccountAccessKeysPresent": 1},
        ),
    ],
)
def test_the_summary_follows_the_root_user(
    local_aws: LocalAwsClient, client: Clients, account_id: str, changes: list[tuple[str, str | None]], expected: dict[str, int]
) -> None:
    for change, device in changes:
        local_aws.change_root_user(account_id, change, device)
    assert root_credentials(client, account_id) == NOTHING | expected


def test_mfa_of_an_iam_user_is_not_the_root_users(client: Clients, account_id: str) -> None:
    give_device_to_user(client("iam", account_id), account_id, "alice", "phone")
    assert root_credentials(client, account_id)["AccountMFAEnabled"] == 0
    summary = client("iam", account_id).get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["MFADevices"], summary["MFADevicesInUse"]) == (1, 1, 1)


def test_a_hardware_device_is_in_use_but_not_listed(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    local_aws.change_root_user(account_id, "add-hardware-device")
    summary = client("iam", account_id).get_account_summary()["SummaryMap"]
    assert (summary["MFADevices"], summary["MFADevicesInUse"]) == (0, 1)
    assert devices(client, account_id) == []


def give_device_to_user(iam: Client, account_id: str, user: str, device: str) -> None:
    iam.create_user(UserName=user)
    iam.create_virtual_mfa_device(VirtualMFADeviceName=device)
    serial_number = f"arn:aws:iam::{account_id}:mfa/{device}"
    iam.enable_mfa_device(UserName=user, SerialNumber=serial_number, AuthenticationCode1="123456", AuthenticationCode2="654321")


@pytest.fixture
def three_devices(local_aws: LocalAwsClient, client: Clients, account_id: str) -> str:
    """Give an account with a device of root, a user's device with root's former device name, and an unassigned device."""
    local_aws.change_root_user(account_id, "add-virtual-device", "phone")
    give_device_to_user(client("iam", account_id), account_id, "alice", "root-account-mfa-device")
    client("iam", account_id).create_virtual_mfa_device(VirtualMFADeviceName="spare")
    return account_id


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ["phone", "root-account-mfa-device", "spare"]),
        ("Any", ["phone", "root-account-mfa-device", "spare"]),
        ("Assigned", ["phone", "root-account-mfa-device"]),
        ("Unassigned", ["spare"]),
    ],
)
def test_devices_are_listed_by_assignment(client: Clients, three_devices: str, status: str | None, expected: list[str]) -> None:
    params = {"AssignmentStatus": status} if status else {}
    assert names(devices(client, three_devices, **params)) == expected


def test_entries_have_what_aws_gives(client: Clients, three_devices: str) -> None:
    now = parsedate_to_datetime(client("iam", three_devices).list_users()["ResponseMetadata"]["HTTPHeaders"]["date"])
    root, user, nobody = devices(client, three_devices)
    assert set(root) == {"SerialNumber", "User", "EnableDate"}
    assert timedelta() <= now - root["EnableDate"] < timedelta(hours=1)
    created = root["User"].pop("CreateDate")
    assert created < root["EnableDate"]
    assert root["User"] == {"UserId": three_devices, "Arn": f"arn:aws:iam::{three_devices}:root"}
    assert set(user["User"]) == {"UserName", "UserId", "Arn", "Path", "CreateDate"}
    assert user["User"]["Arn"] == f"arn:aws:iam::{three_devices}:user/alice"
    assert nobody == {"SerialNumber": f"arn:aws:iam::{three_devices}:mfa/spare"}


def test_a_device_left_by_an_abandoned_set_up_is_nobodys(client: Clients, account_id: str) -> None:
    client("iam", account_id).create_virtual_mfa_device(VirtualMFADeviceName="root-account-mfa-device")
    assert devices(client, account_id, AssignmentStatus="Assigned") == []
    assert names(devices(client, account_id)) == ["root-account-mfa-device"]


@pytest.fixture
def seven_devices(local_aws: LocalAwsClient, account_id: str) -> str:
    for number in range(7):
        local_aws.change_root_user(account_id, "add-virtual-device", f"phone{number}")
    return account_id


def pages(client: Clients, account_id: str, **params: Parameter) -> list[list[str]]:
    listed = client("iam", account_id).get_paginator("list_virtual_mfa_devices").paginate(**params)
    return [names(page["VirtualMFADevices"]) for page in listed]


def test_pages_have_as_many_entries_as_asked_for(client: Clients, seven_devices: str) -> None:
    answer = client("iam", seven_devices).list_virtual_mfa_devices(MaxItems=3)
    assert answer["IsTruncated"] is True
    assert pages(client, seven_devices, MaxItems=3) == [
        ["phone0", "phone1", "phone2"],
        ["phone3", "phone4", "phone5"],
        ["phone6"],
    ]


def test_a_last_page_can_be_full(client: Clients, seven_devices: str) -> None:
    answer = client("iam", seven_devices).list_virtual_mfa_devices(MaxItems=7)
    assert (len(answer["VirtualMFADevices"]), answer["IsTruncated"], "Marker" in answer) == (7, False, False)


@pytest.fixture
def short_pages(local_aws: LocalAwsClient) -> "Iterator[int]":
    local_aws.set_longest_page(2)
    yield 2
    local_aws.set_longest_page(None)


def test_pages_may_be_shorter_than_asked_for(client: Clients, seven_devices: str, short_pages: int) -> None:
    assert [len(page) for page in pages(client, seven_devices)] == [short_pages, short_pages, short_pages, 1]


def test_a_page_of_no_entry_is_no_page(local_aws: LocalAwsClient) -> None:
    with pytest.raises(LocalAwsError, match="A page has at least one entry, and not 0"):
        local_aws.set_longest_page(0)


@pytest.mark.parametrize(
    "params",
    [
        {"AssignmentStatus": "Lost"},
        {"MaxItems": 0},
        {"MaxItems": 1001},
        {"Marker": ""},
        {"Marker": "not-one-of-ours"},
        {"Marker": "²"},
    ],
)
def test_a_bad_request_is_refused(client: Clients, account_id: str, params: dict[str, Any]) -> None:
    code, _ = refusal(client("iam", account_id).list_virtual_mfa_devices, **params)
    assert code == "ValidationError"


def test_a_number_that_is_none_can_not_be_read(client: Clients, account_id: str) -> None:
    code, message = refusal(client("iam", account_id).list_virtual_mfa_devices, MaxItems="many")
    assert code == "MalformedInput"
    assert "MaxItems" in message
