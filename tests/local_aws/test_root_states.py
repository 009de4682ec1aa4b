"""What is about the root user agrees everywhere, in each state that a root user can be in."""

import csv
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsProcess
from tests.local_aws.role_scene import Acting
from tests.local_aws.scene import Client, Clients, clients_of, refusal

MANAGEMENT = "111111111111"
AUDIT = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
A_WHILE = 10.0
"""Seconds. A credential report is finished after them."""


def states() -> dict[str, dict[str, Any]]:
    """Return root users by account: every combination of password, keys, certificate and two kinds of MFA.

    Half of each have a passkey and were used, such that every combination of any five of these seven is there.
    """
    found = {}
    for number, (password, keys, certificate, virtual, hardware) in enumerate(product((0, 1), (0, 2), (0, 1), (0, 2), (0, 1))):
        passkey = (password + keys // 2 + certificate + virtual // 2 + hardware) % 2
        used = (certificate + virtual // 2 + hardware) % 2
        found[f"5000000000{number:02}"] = {
            "password": bool(password),
            "access_keys": keys,
            "signing_certificates": certificate,
            "virtual_mfa_devices": ["phone", "safe"][:virtual],
            "hardware_mfa_devices": hardware,
            "passkeys": passkey,
            **({"password_used_days_ago": 3} if used and password else {}),
            **({"access_keys_used_days_ago": 5} if used and keys else {}),
        }
    return found


STATES = states()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Run an organization that has every root user."""
    directory = tmp_path_factory.mktemp("root-states")
    organization = {
        "id": "o-a1b2c3d4e5",
        "root_id": "r-a1b2",
        "management_account": MANAGEMENT,
        "trusted_services": ["iam.amazonaws.com"],
        "root_access_features": ["RootCredentialsManagement"],
    }
    accounts: dict[str, Any] = {MANAGEMENT: {}} | {account_id: {"root_user": root} for account_id, root in STATES.items()}
    file = directory / "organization.yaml"
    file.write_text(yaml.safe_dump({"organization": organization, "accounts": accounts}), encoding="utf-8")
    with LocalAwsProcess(file, directory / "local-aws.log") as process:
        yield process


@pytest.fixture(scope="module")
def client(aws: LocalAwsProcess) -> Clients:
    """Give clients of accounts whose credential reports are made."""
    client = clients_of(aws)
    for account_id in STATES:
        client("iam", account_id).generate_credential_report()
    aws.advance_clock(seconds=A_WHILE)
    return client


@pytest.fixture(scope="module")
def acting(aws: LocalAwsProcess) -> Acting:
    return Acting(aws)


def seen(iam: Client) -> dict[str, Any]:
    """Return what the account summary, and the operations without a user's name, say of root."""
    summary = iam.get_account_summary()["SummaryMap"]
    return {
        "summary": {name: value for name, value in summary.items() if name.startswith(("Account", "MFADevices"))},
        "user": iam.get_user()["User"],
        "devices": [device["SerialNumber"] for device in iam.list_mfa_devices()["MFADevices"]],
        "keys": iam.list_access_keys()["AccessKeyMetadata"],
        "certificates": len(iam.list_signing_certificates()["Certificates"]),
    }


@pytest.mark.parametrize("account_id", STATES)
def test_every_place_shows_the_same_root_user(client: Clients, acting: Acting, account_id: str) -> None:
    root, iam = STATES[account_id], client("iam", account_id)
    devices = len(root["virtual_mfa_devices"]) + root["hardware_mfa_devices"] + root["passkeys"]

    own = seen(iam)
    assert own["summary"] == {
        "AccountPasswordPresent": int(root["password"]),
        "AccountMFAEnabled": int(devices > 0),
        "AccountAccessKeysPresent": int(root["access_keys"] > 0),
        "AccountSigningCertificatesPresent": root["signing_certificates"],
        "MFADevices": len(root["virtual_mfa_devices"]),
        "MFADevicesInUse": devices,
    }
    assert (own["user"]["UserId"], own["user"]["Arn"]) == (account_id, f"arn:aws:iam::{account_id}:root")
    assert ("PasswordLastUsed" in own["user"]) == ("password_used_days_ago" in root)
    assert (len(own["devices"]), len(own["keys"]), own["certificates"]) == (
        devices,
        root["access_keys"],
        root["signing_certificates"],
    )

    virtual = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    serial_numbers = [f"arn:aws:iam::{account_id}:mfa/{name}" for name in root["virtual_mfa_devices"]]
    assert [device["SerialNumber"] for device in virtual] == serial_numbers
    assert serial_numbers == own["devices"][: len(serial_numbers)]
    assert all(device["User"] == own["user"] for device in virtual)

    row = next(csv.DictReader(iam.get_credential_report()["Content"].decode().split("\n")))
    active = [row[f"access_key_{number}_active"] for number in (1, 2)].count("true")
    assert (row["user"], active) == ("<root_account>", root["access_keys"])
    has = {"password_enabled": root["password"], "mfa_active": devices > 0, "cert_1_active": root["signing_certificates"] > 0}
    assert {name: row[name] for name in has} == {name: str(value).lower() for name, value in has.items()}
    assert row["password_last_used"].startswith("20") == ("PasswordLastUsed" in own["user"])
    assert row["access_key_1_last_used_date"].startswith("20") == ("access_keys_used_days_ago" in root)

    task = {"TargetPrincipal": account_id, "TaskPolicyArn": {"arn": AUDIT}}
    session = acting("iam", client("sts", MANAGEMENT).assume_root(**task)["Credentials"])
    assert seen(session) == own
    if root["password"]:
        assert session.get_login_profile()["LoginProfile"]["CreateDate"]
    else:
        assert refusal(session.get_login_profile)[0] == "NoSuchEntity"
