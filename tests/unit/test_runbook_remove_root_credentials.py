"""The script of RootVirtualMfa-RemoveRootCredentials, against a root user that the test keeps."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from remediation.remove_root_credentials import (
    DELETE,
    READS,
    CredentialsRemainError,
    RefusedError,
    plan,
    remove,
    verify,
)
from tests.unit.fake_aws import CENTRAL, FakeAws, RefusalError

ACCOUNT, MANAGEMENT, BACKUPS = "123456789012", "999999999999", "888888888888"
VIRTUAL, KEY = f"arn:aws:iam::{ACCOUNT}:mfa/phone", f"arn:aws:iam::{ACCOUNT}:u2f/root-account/key-1"
SECRET = "CONFIDENTIAL"  # noqa: S105 - the mark of what is secret, and no secret itself
EVENT = {
    "AccountId": ACCOUNT,
    "DryRun": False,
    "DeniedAccounts": [BACKUPS],
    "CentralAccountId": CENTRAL,
    "Partition": "aws",
    "Region": "eu-central-1",
}
CHANGES = ("DeleteAccessKey", "DeleteSigningCertificate", "DeleteLoginProfile", "DeactivateMFADevice", "DeleteVirtualMFADevice")


class Root(FakeAws):
    """An organization, and the root user of a member."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.certificates, self.password, self.devices = (
            ["AKIAIOSFODNN7EXAMP1", "AKIAIOSFODNN7EXAMP2"],
            ["CERTIFICATEOFROOTEXAMPLE1"],
            True,
            [VIRTUAL, KEY],
        )
        self.unassigned: list[str] = []
        self.hidden_reads = 0
        """How many summaries still show what has been deleted."""
        self.answers |= {
            "DescribeOrganization": {"Organization": {"MasterAccountId": MANAGEMENT}},
            "DescribeAccount": {"Account": {"Id": ACCOUNT, "State": "ACTIVE", "Status": "ACTIVE"}},
            "ListOrganizationsFeatures": {"EnabledFeatures": ["RootCredentialsManagement", "RootSessions"]},
            "AssumeRoot": {
                "Credentials": dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), SECRET) | {"Expiration": 0}
            },
            "GetLoginProfile": self._login_profile,
            "ListAccessKeys": lambda asked: self._page(asked, "AccessKeyMetadata", "AccessKeyId", self.keys),
            "ListSigningCertificates": lambda asked: self._page(asked, "Certificates", "CertificateId", self.certificates),
            "ListMFADevices": lambda asked: self._page(asked, "MFADevices", "SerialNumber", self.devices),
            "GetAccountSummary": self._summary,
            "DeleteAccessKey": lambda asked: self._remove(self.keys, asked["AccessKeyId"]),
            "DeleteSigningCertificate": lambda asked: self._remove(self.certificates, asked["CertificateId"]),
            "DeleteLoginProfile": self._delete_password,
            "DeactivateMFADevice": self._deactivate,
            "DeleteVirtualMFADevice": lambda asked: self._remove(self.unassigned, asked["SerialNumber"]),
        }

    @property
    def changes(self) -> list[str]:
        return [operation for operation, _ in self.calls if operation in CHANGES]

    def _login_profile(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert asked == {}, "root is named by no UserName"
        if not self.password:
            raise RefusalError("NoSuchEntity")
        return {"LoginProfile": {"UserName": "root", "CreateDate": 0}}

    @staticmethod
    def _page(asked: Mapping[str, Any], member: str, name: str, items: list[str]) -> dict[str, Any]:
        """Give one entry a page."""
        start = int(asked.get("Marker", "0"))
        more = start + 1 < len(items)
        page = [{name: item} for item in items[start : start + 1]]
        return {member: page, "IsTruncated": more, **({"Marker": str(start + 1)} if more else {})}

    def _summary(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self.hidden_reads -= 1
        stale = self.hidden_reads >= 0
        present = {
            "AccountPasswordPresent": self.password or stale,
            "AccountAccessKeysPresent": self.keys,
            "AccountSigningCertificatesPresent": self.certificates,
            "AccountMFAEnabled": self.devices,
        }
        return {"SummaryMap": {key: int(bool(value)) for key, value in present.items()}}

    @staticmethod
    def _remove(items: list[str], name: str) -> dict[str, Any]:
        if name not in items:
            raise RefusalError("NoSuchEntity")
        items.remove(name)
        return {}

    def _delete_password(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self.password = False
        return {}

    def _deactivate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert (self.keys, self.certificates, self.password) == ([], [], False), "credentials are left without MFA"
        self._remove(self.devices, asked["SerialNumber"])
        self.unassigned += [asked["SerialNumber"]] * (":mfa/" in asked["SerialNumber"])
        return {}


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    fake = Root()
    with fake.in_place():
        yield fake


def run(root: Root, dry_run: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as the runbook's parameter is
    """Do what the runbook does, with an approval in between where it asks for one; everything goes through JSON."""
    outputs = through_json(plan, EVENT | {"DryRun": dry_run})
    if outputs["Removes"]:
        outputs |= through_json(remove, EVENT | {"Found": outputs["Found"]})
        outputs |= through_json(verify, EVENT | {"Removed": outputs["Removed"], "Failure": outputs["Failure"]})
    assert SECRET not in json.dumps(outputs)
    assert root.calls
    return outputs


def through_json(step: Callable[[dict[str, Any], object], dict[str, Any]], event: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = json.loads(json.dumps(step(json.loads(json.dumps(event)), None)))
    return outputs


# --- What it does ---


def test_a_dry_run_shows_everything_and_changes_nothing(root: Root) -> None:
    outputs = run(root, dry_run=True)
    for shown in (
        "AKIAIOSFODNN7EXAMP1",
        "AKIAIOSFODNN7EXAMP2",
        "CERTIFICATEOFROOTEXAMPLE1",
        "password",
        VIRTUAL,
        KEY,
        "dry run",
    ):
        assert shown in outputs["Text"]
    assert outputs["Removes"] is False
    assert root.changes == []


@pytest.mark.parametrize("dry_run", [True, "true", "True", "", None, "no"], ids=repr)
def test_whatever_is_not_clearly_false_is_a_dry_run(root: Root, dry_run: object) -> None:
    assert plan(EVENT | {"DryRun": dry_run}, None)["Removes"] is False
    assert root.changes == []


@pytest.mark.parametrize("dry_run", [False, "false", "False"], ids=repr)
def test_false_is_no_dry_run_as_a_boolean_or_a_text(root: Root, dry_run: object) -> None:
    assert plan(EVENT | {"DryRun": dry_run}, None)["Removes"] is True
    assert root.changes == []


def test_what_was_approved_is_removed_and_mfa_goes_last(root: Root) -> None:
    outputs = run(root)
    assert root.changes == [*["DeleteAccessKey"] * 2, *CHANGES[1:], "DeactivateMFADevice"]
    assert outputs["Remaining"] == "no credentials"
    assert outputs["Removed"] == [
        "access key AKIAIOSFODNN7EXAMP1",
        "access key AKIAIOSFODNN7EXAMP2",
        "signing certificate CERTIFICATEOFROOTEXAMPLE1",
        "console password",
        f"MFA device {VIRTUAL}",
        f"MFA device {KEY}",
    ]
    assert outputs["Text"].endswith("Nothing remains.")
    assert root.unassigned == []


def test_the_second_run_finds_nothing_to_remove(root: Root) -> None:
    run(root)
    outputs = run(root)
    assert outputs["Removes"] is False
    assert outputs["Text"].endswith("There is nothing to remove.")


def test_sessions_are_root_sessions_of_the_account_for_one_task_and_short(root: Root) -> None:
    run(root)
    sessions = root.called("AssumeRoot")
    assert [session["TaskPolicyArn"]["arn"].rpartition("/")[2] for session in sessions] == [
        "IAMAuditRootUserCredentials",
        DELETE,
        "IAMAuditRootUserCredentials",
    ]
    assert {(session["TargetPrincipal"], session["DurationSeconds"]) for session in sessions} == {(ACCOUNT, 900)}


# --- Faults ---


@pytest.mark.parametrize("answered", [False, True], ids=["refused", "done, but the answer lost"])
@pytest.mark.parametrize("operation", CHANGES)
def test_after_a_fault_it_says_what_it_did_and_a_second_run_ends_the_same(root: Root, operation: str, answered: bool) -> None:  # noqa: FBT001 - pytest gives it
    normal = root.answers[operation]
    assert callable(normal)

    def fail(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if answered:
            normal(asked)
        raise RefusalError("ServiceFailure")

    root.answers[operation] = fail
    outputs = through_json(plan, EVENT)
    outputs |= through_json(remove, EVENT | {"Found": outputs["Found"]})
    assert "ServiceFailure" in outputs["Failure"]
    assert len(outputs["Removed"]) == root.changes.index(operation) - (operation == "DeleteVirtualMFADevice")
    root.answers[operation] = normal
    run(root)
    # Of a virtual device whose deletion failed an unassigned one stays behind, which no root session can see.
    assert (root.keys, root.certificates, root.password, root.devices) == ([], [], False, [])


def test_what_remains_fails_the_run_and_is_named(root: Root) -> None:
    with pytest.raises(CredentialsRemainError) as caught:
        verify(EVENT | {"Removed": ["access key AKIAIOSFODNN7EXAMP0"], "Failure": "ClientError: no"}, None)
    for said in (
        "Removed: access key AKIAIOSFODNN7EXAMP0",
        "Stopped by ClientError: no",
        "AKIAIOSFODNN7EXAMP1",
        "password",
        VIRTUAL,
        "goes on from here",
    ):
        assert said in str(caught.value)
    assert len(root.called("GetAccountSummary")) == READS


def test_iam_is_given_time_to_be_consistent(root: Root) -> None:
    root.hidden_reads = READS - 1
    assert run(root)["Text"].endswith("Nothing remains.")
    root.hidden_reads = READS
    with pytest.raises(CredentialsRemainError, match="according to AccountPasswordPresent"):
        verify(EVENT | {"Removed": [], "Failure": "none"}, None)


def test_a_summary_that_lacks_a_key_proves_nothing(root: Root) -> None:
    run(root)
    root.answers["GetAccountSummary"] = {"SummaryMap": {"AccountMFAEnabled": 0}}
    with pytest.raises(CredentialsRemainError, match="according to AccountAccessKeysPresent"):
        verify(EVENT | {"Removed": [], "Failure": "none"}, None)


def test_what_came_after_the_approval_is_not_removed(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.keys.append("AKIAIOSFODNN7EXAMP3")
    with pytest.raises(
        RefusedError, match=r"more by now than was approved: access key AKIAIOSFODNN7EXAMP3.*Nothing was removed"
    ):
        remove(EVENT | {"Found": found}, None)
    assert root.changes == []


def test_what_went_after_the_approval_is_no_fault(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.keys.remove("AKIAIOSFODNN7EXAMP1")
    assert remove(EVENT | {"Found": found}, None)["Failure"] == "none"


def test_what_goes_in_the_same_moment_is_no_fault(root: Root) -> None:
    found = plan(EVENT, None)["Found"]

    def gone(_: Mapping[str, Any]) -> Mapping[str, Any]:
        root.certificates.clear()
        raise RefusalError("NoSuchEntity")

    root.answers["DeleteSigningCertificate"] = gone
    outcome = remove(EVENT | {"Found": found}, None)
    assert outcome["Failure"] == "none"


def test_a_device_that_is_deactivated_by_then_is_deleted_all_the_same(root: Root) -> None:
    found = plan(EVENT, None)["Found"]

    def gone(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        root.devices.remove(asked["SerialNumber"])
        root.unassigned.append(asked["SerialNumber"])
        raise RefusalError("NoSuchEntity")

    root.answers["DeactivateMFADevice"] = gone
    assert remove(EVENT | {"Found": found}, None)["Failure"] == "none"
    assert root.unassigned == [KEY]


def test_a_policy_that_denies_root_is_named(root: Root) -> None:
    root.refuse("ListAccessKeys", "AccessDenied")
    with pytest.raises(RefusedError, match=r"has to exempt sessions of sts:AssumeRoot"):
        plan(EVENT, None)
    root.refuse("ListAccessKeys", "ServiceFailure")
    with pytest.raises(ClientError, match="ServiceFailure"):
        plan(EVENT, None)


# --- Refusals ---


def refused(root: Root, event: dict[str, Any]) -> str:
    """Let both steps that refuse do so before any root session is opened; returns what they said."""
    messages = set()
    for step in (plan, remove):
        with pytest.raises(RefusedError) as caught:
            step(event | {"Found": "{}"}, None)
        messages.add(str(caught.value))
    assert root.called("AssumeRoot") == []
    [message] = messages
    return message


def test_the_management_account_is_refused(root: Root) -> None:
    assert "is the management account" in refused(root, EVENT | {"AccountId": MANAGEMENT})


def test_an_account_on_the_deny_list_is_refused(root: Root) -> None:
    assert "is on the deny list" in refused(root, EVENT | {"AccountId": BACKUPS})


def test_an_account_outside_the_organization_is_refused(root: Root) -> None:
    root.refuse("DescribeAccount", "AccountNotFoundException")
    assert "is no account of this organization" in refused(root, EVENT)


@pytest.mark.parametrize("state", [{"State": "SUSPENDED", "Status": "ACTIVE"}, {"State": "SUSPENDED"}, {"Status": "SUSPENDED"}])
def test_a_suspended_account_is_refused(root: Root, state: dict[str, str]) -> None:
    root.answers["DescribeAccount"] = {"Account": {"Id": ACCOUNT, **state}}
    assert "is SUSPENDED, and not ACTIVE" in refused(root, EVENT)


@pytest.mark.parametrize(
    ("enabled", "command"),
    [
        (["RootSessions"], "aws iam enable-organizations-root-credentials-management"),
        (["RootCredentialsManagement"], "aws iam enable-organizations-root-sessions"),
        ([], "aws iam enable-organizations-root-credentials-management"),
    ],
)
def test_an_organization_without_a_feature_is_told_how_to_switch_it_on(root: Root, enabled: list[str], command: str) -> None:
    root.answers["ListOrganizationsFeatures"] = {"EnabledFeatures": enabled}
    assert refused(root, EVENT).endswith(command)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ServiceAccessNotEnabledException", "enable-aws-service-access --service-principal iam.amazonaws.com"),
        ("AccountNotManagementOrDelegatedAdministratorException", f"--account-id {CENTRAL}"),
    ],
)
def test_an_account_that_may_not_is_told_what_is_missing(root: Root, code: str, said: str) -> None:
    root.refuse("ListOrganizationsFeatures", code)
    assert said in refused(root, EVENT)


def test_a_runtime_whose_boto3_is_too_old_is_told(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client

    def old(service: str, **settings: Any) -> object:  # noqa: ANN401 - boto3's own
        return object() if service == "iam" else client(service, **settings)  # type: ignore[call-overload]

    monkeypatch.setattr("boto3.client", old)
    assert "has no sts:AssumeRoot" in refused(root, EVENT)
