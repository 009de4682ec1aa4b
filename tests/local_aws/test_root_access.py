"""Centralized root access on the local AWS: its features, who gets a session of a root user, and what the session may do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsProcess
from local_aws.organizations import accounts_file
from local_aws.organizations.accounts import AccountsError
from tests.local_aws.event_scene import Bus
from tests.local_aws.role_scene import Acting, make_role, trust_account
from tests.local_aws.role_scene import assume as assume_role
from tests.local_aws.scene import Client, Clients, Parameter, clients_of, refusal

MANAGEMENT, DELEGATED, MEMBER, OTHER = "111111111111", "222222222222", "333333333333", "444444444444"
OUTSIDER = "999999999999"
"""No account of the organization."""
MEMBERS = [f"500000000{number:03}" for number in range(60)]
IAM = "iam.amazonaws.com"
BOTH = ["RootCredentialsManagement", "RootSessions"]
AUDIT, DELETE, CREATE = (
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in ("IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials", "IAMCreateRootUserPassword")
)


def organization_file(directory: Path, **changes: Parameter) -> Path:
    settings = {
        "id": "o-a1b2c3d4e5",
        "root_id": "r-a1b2",
        "management_account": MANAGEMENT,
        "trusted_services": [IAM, "config.amazonaws.com"],
        "delegated_administrators": {DELEGATED: [IAM], OTHER: ["config.amazonaws.com"]},
        "root_access_features": BOTH,
        **changes,
    }
    known: dict[str, dict[str, Any]] = {account_id: {} for account_id in [MANAGEMENT, DELEGATED, MEMBER, OTHER, *MEMBERS]}
    file = directory / "organization.yaml"
    file.write_text(yaml.safe_dump({"organization": settings, "accounts": known}), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Run a local AWS whose organization has root access. The one that other tests share has none."""
    directory = tmp_path_factory.mktemp("root-access")
    with LocalAwsProcess(organization_file(directory), directory / "local-aws.log") as process:
        yield process


@pytest.fixture(scope="module")
def client(local_aws: LocalAwsProcess) -> Clients:
    return clients_of(local_aws)


@pytest.fixture(scope="module")
def acting(local_aws: LocalAwsProcess) -> Acting:
    return Acting(local_aws)


@pytest.fixture(scope="module")
def _unused_members() -> Iterator[str]:
    return iter(MEMBERS)


@pytest.fixture
def member(_unused_members: Iterator[str]) -> str:
    """Give a member account that no other test uses."""
    return next(_unused_members)


def assume(sts: Client, target: str, policy: str = DELETE, **params: Parameter) -> dict[str, Any]:
    answer: dict[str, Any] = sts.assume_root(TargetPrincipal=target, TaskPolicyArn={"arn": policy}, **params)
    return answer["Credentials"]  # type: ignore[no-any-return]  # an access key with its secret and token


class Root:
    """Clients of a session of a member's root user, and the member's state as its administrator sees it."""

    def __init__(self, client: Clients, acting: Acting, member: str) -> None:
        self._client, self._acting, self._member = client, acting, member

    def iam(self, policy: str = DELETE) -> Client:
        return self._acting("iam", assume(self._client("sts", DELEGATED), self._member, policy))

    def summary(self) -> dict[str, int]:
        summary: dict[str, int] = self._client("iam", self._member).get_account_summary()["SummaryMap"]
        return summary

    def credentials(self) -> list[str]:
        """Return the credentials that are present."""
        return [name for name, value in self.summary().items() if name.startswith("Account") and value]


@pytest.fixture
def root(client: Clients, acting: Acting, member: str) -> Root:
    return Root(client, acting, member)


# The features


def test_features_are_listed_by_whom_they_are_managed_by(client: Clients) -> None:
    for account_id in (MANAGEMENT, DELEGATED):
        answer = client("iam", account_id).list_organizations_features()
        assert (answer["OrganizationId"], answer["EnabledFeatures"]) == ("o-a1b2c3d4e5", BOTH)


@pytest.mark.parametrize(
    ("account_id", "code"),
    [
        (MEMBER, "AccountNotManagementOrDelegatedAdministratorException"),
        (OTHER, "AccountNotManagementOrDelegatedAdministratorException"),
        (OUTSIDER, "OrganizationNotFoundException"),
    ],
)
def test_nobody_else_has_a_say_in_features(client: Clients, account_id: str, code: str) -> None:
    iam = client("iam", account_id)
    for call in (
        iam.list_organizations_features,
        iam.enable_organizations_root_sessions,
        iam.disable_organizations_root_credentials_management,
    ):
        assert refusal(call)[0] == code


@pytest.fixture
def sessions_off(client: Clients) -> Iterator[None]:
    iam = client("iam", MANAGEMENT)
    assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == ["RootCredentialsManagement"]
    yield
    assert iam.enable_organizations_root_sessions()["EnabledFeatures"] == BOTH


@pytest.mark.usefixtures("sessions_off")
def test_a_feature_is_switched_off_and_on(client: Clients, member: str) -> None:
    iam = client("iam", DELEGATED)
    assert iam.list_organizations_features()["EnabledFeatures"] == ["RootCredentialsManagement"]
    assert iam.disable_organizations_root_credentials_management()["EnabledFeatures"] == []
    assert iam.enable_organizations_root_credentials_management()["EnabledFeatures"] == ["RootCredentialsManagement"]
    code, message = refusal(assume, sts=client("sts", DELEGATED), target=member)
    assert code == "AccessDenied"
    assert "has not enabled root sessions" in message


@pytest.fixture
def untrusted(client: Clients) -> Iterator[None]:
    organizations, delegation = client("organizations", MANAGEMENT), {"AccountId": DELEGATED, "ServicePrincipal": IAM}
    organizations.deregister_delegated_administrator(**delegation)
    organizations.disable_aws_service_access(ServicePrincipal=IAM)
    yield
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    organizations.register_delegated_administrator(**delegation)


@pytest.mark.usefixtures("untrusted")
def test_without_trusted_access_there_is_no_root_access(client: Clients, member: str) -> None:
    iam = client("iam", MANAGEMENT)
    assert refusal(iam.list_organizations_features)[0] == "ServiceAccessNotEnabledException"
    assert refusal(iam.enable_organizations_root_sessions)[0] == "ServiceAccessNotEnabledException"
    assert refusal(assume, sts=client("sts", MANAGEMENT), target=member)[0] == "AccessDenied"


def test_root_access_needs_all_features(tmp_path: Path) -> None:
    settings = {"all_features": False, "trusted_services": [], "delegated_administrators": {}, "root_access_features": []}
    with LocalAwsProcess(organization_file(tmp_path, **settings)) as process:
        code, _ = refusal(clients_of(process)("iam", MANAGEMENT).list_organizations_features)
    assert code == "OrganizationNotInAllFeaturesModeException"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root_access_features": ["RootSession"]}, "root_access_features has RootSession, but allowed are RootCredentialsM"),
        ({"root_access_features": "RootSessions"}, "root_access_features is 'RootSessions', but must be a list"),
        ({"trusted_services": [], "delegated_administrators": {}}, "needs iam.amazonaws.com in trusted_services"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = organization_file(tmp_path, **changes)
    with pytest.raises(AccountsError, match=message):
        accounts_file.read_organization(file, accounts_file.read_accounts(file))


# AssumeRoot


@pytest.mark.parametrize("caller", [MANAGEMENT, DELEGATED])
@pytest.mark.parametrize("target", ["{}", "arn:aws:iam::{}:root"])
def test_a_session_is_the_members_root_user(client: Clients, acting: Acting, member: str, caller: str, target: str) -> None:
    answer = client("sts", caller).assume_root(TargetPrincipal=target.format(member), TaskPolicyArn={"arn": AUDIT})
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    identity = acting("sts", credentials).get_caller_identity()
    assert (identity["Account"], identity["Arn"], identity["UserId"]) == (member, f"arn:aws:iam::{member}:root", member)


def test_a_session_lasts_fifteen_minutes_or_less(client: Clients, member: str) -> None:
    sts = client("sts", DELEGATED)
    longest, shorter = assume(sts, member), assume(sts, member, DurationSeconds=60)
    difference = longest["Expiration"] - shorter["Expiration"]
    assert 830 <= difference.total_seconds() <= 850
    assert refusal(assume, sts=sts, target=member, DurationSeconds=901)[0] == "ValidationError"


def test_what_was_issued_is_told_once_and_after_it_expired(local_aws: LocalAwsProcess, client: Clients, member: str) -> None:
    local_aws.take_issued_credentials()
    given = assume(client("sts", DELEGATED), member)
    local_aws.advance_clock(seconds=901)
    assume(client("sts", DELEGATED), member)
    first, _ = local_aws.take_issued_credentials()
    assert first == {
        "arn": f"arn:aws:iam::{member}:root",
        "access_key_id": given["AccessKeyId"],
        "secret_access_key": given["SecretAccessKey"],
        "session_token": given["SessionToken"],
    }
    assert local_aws.take_issued_credentials() == []


def test_a_session_expires(local_aws: LocalAwsProcess, client: Clients, acting: Acting, member: str) -> None:
    sts = client("sts", DELEGATED)
    short, long = (acting("iam", assume(sts, member, DurationSeconds=seconds)) for seconds in (600, 900))
    local_aws.advance_clock(seconds=601)
    assert refusal(short.list_access_keys)[0] == "ExpiredToken"
    assert long.list_access_keys()["AccessKeyMetadata"] == []


@pytest.mark.parametrize(
    ("caller", "target", "says"),
    [
        (MEMBER, MEMBER, "neither the management account nor a delegated administrator for IAM"),
        (OTHER, MEMBER, "neither the management account nor a delegated administrator for IAM"),
        (OUTSIDER, MEMBER, f"the account {OUTSIDER} is in no organization"),
        (DELEGATED, MANAGEMENT, f"{MANAGEMENT} is the management account"),
        (MANAGEMENT, MANAGEMENT, f"{MANAGEMENT} is the management account"),
        (DELEGATED, OUTSIDER, f"the account {OUTSIDER} is not in the organization"),
    ],
)
def test_others_and_for_others_get_no_session(client: Clients, caller: str, target: str, says: str) -> None:
    code, message = refusal(assume, sts=client("sts", caller), target=target)
    assert code == "AccessDenied"
    assert says in message


@pytest.mark.parametrize(
    "params",
    [
        {"TargetPrincipal": "no account id"},
        {"TargetPrincipal": f"arn:aws:iam::{MEMBER}:user/root"},
        {"TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}},
        {"TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/Everything"}},
        {"TaskPolicyArn": {"arn": f"arn:aws:iam::{MEMBER}:policy/IAMAuditRootUserCredentials"}},
        {"TaskPolicyArn": None},
    ],
)
def test_a_bad_request_is_refused(client: Clients, params: dict[str, Any]) -> None:
    good = {"TargetPrincipal": MEMBER, "TaskPolicyArn": {"arn": AUDIT}}
    request = {name: value for name, value in {**good, **params}.items() if value is not None}
    assert refusal(client("sts", DELEGATED).assume_root, **request)[0] == "ValidationError"


def policy(resource: str, task: str = AUDIT) -> str:
    condition = {"StringEquals": {"sts:TaskPolicyArn": task}}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": resource, "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("granted", "allowed"),
    [
        (policy("arn:aws:iam::*:root"), True),
        (policy("arn:aws:iam::MEMBER:root"), True),
        (policy("arn:aws:iam::*:root", DELETE), False),
        (policy(f"arn:aws:iam::{MEMBER}:root"), False),
        (policy("arn:aws:iam::*:role/*"), False),
    ],
)
def test_the_callers_policies_decide_by_root_user_and_task(
    client: Clients, acting: Acting, member: str, granted: str, *, allowed: bool
) -> None:
    name = f"central-{member}"
    arn = make_role(client, DELEGATED, name, trust_account(DELEGATED))
    document = granted.replace("MEMBER", member)
    client("iam", DELEGATED).put_role_policy(RoleName=name, PolicyName="root", PolicyDocument=document)
    sts = acting("sts", assume_role(client("sts", DELEGATED), arn))
    for target in (member, f"arn:aws:iam::{member}:root"):
        if allowed:
            assert assume(sts, target, AUDIT)["AccessKeyId"]
        else:
            code, message = refusal(assume, sts=sts, target=target, policy=AUDIT)
            assert code == "AccessDenied"
            assert f"assumed-role/{name}/test is not authorized to perform: sts:AssumeRoot" in message


# What a session may do


def test_an_audit_reads_and_changes_nothing(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    local_aws.change_root_user(member, "create-access-key")
    iam = root.iam(AUDIT)
    [key] = iam.list_access_keys()["AccessKeyMetadata"]
    assert iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "N/A"
    assert iam.list_signing_certificates()["Certificates"] == []
    assert iam.list_mfa_devices()["MFADevices"] == []
    assert iam.get_login_profile()["LoginProfile"]["CreateDate"]
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    user = iam.get_user()["User"]
    assert (user["Arn"], user["UserId"], "UserName" in user) == (f"arn:aws:iam::{member}:root", member, False)
    assert refusal(iam.delete_access_key, AccessKeyId=key["AccessKeyId"])[0] == "AccessDenied"
    assert refusal(iam.delete_login_profile)[0] == "AccessDenied"
    assert root.credentials() == ["AccountPasswordPresent", "AccountAccessKeysPresent"]


def test_a_session_may_do_nothing_beside_its_task(client: Clients, acting: Acting, member: str) -> None:
    credentials = assume(client("sts", DELEGATED), member)
    iam = acting("iam", credentials)
    for call in (iam.list_virtual_mfa_devices, iam.get_account_summary, iam.list_users, iam.create_login_profile):
        code, message = refusal(call)
        assert code == "AccessDenied"
        assert f"User: arn:aws:iam::{member}:root is not authorized" in message
    assert refusal(acting("config", credentials).describe_config_rules)[0] == "AccessDeniedException"
    assert refusal(acting("s3", credentials).list_buckets)[0] == "AccessDenied"
    assert refusal(assume, sts=acting("sts", credentials), target=MEMBER)[0] == "AccessDenied"
    arn = make_role(client, member, "trusting", trust_account(member))
    assert refusal(assume_role, sts=acting("sts", credentials), arn=arn)[0] == "AccessDenied"


def test_a_session_may_do_nothing_to_an_iam_user(client: Clients, root: Root, member: str) -> None:
    administrator = client("iam", member)
    administrator.create_user(UserName="alice")
    key = administrator.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    iam = root.iam()
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
    assert refusal(iam.list_access_keys, UserName="alice")[0] == "AccessDenied"
    assert refusal(iam.delete_access_key, UserName="alice", AccessKeyId=key)[0] == "AccessDenied"
    assert refusal(iam.delete_access_key, AccessKeyId=key)[0] == "NoSuchEntity"
    assert [one["AccessKeyId"] for one in administrator.list_access_keys(UserName="alice")["AccessKeyMetadata"]] == [key]


def test_iam_users_keys_stay_their_administrators_matter(client: Clients, local_aws: LocalAwsProcess, member: str) -> None:
    """If the caller is not root, the same operations are about the user whom they name."""
    local_aws.change_root_user(member, "create-access-key")
    iam = client("iam", member)
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]
    assert [one["AccessKeyId"] for one in iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]] == [key]
    iam.delete_access_key(UserName="alice", AccessKeyId=key)
    assert iam.list_access_keys(UserName="alice")["AccessKeyMetadata"] == []
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1


# Root's credentials, one by one


def test_access_keys_are_deleted(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    ids = [*local_aws.change_root_user(member, "create-access-key")["access_keys"]]
    ids = [*local_aws.change_root_user(member, "create-access-key")["access_keys"]]
    iam = root.iam()
    assert [(key["AccessKeyId"], key["Status"]) for key in iam.list_access_keys()["AccessKeyMetadata"]] == [
        (ids[0], "Active"),
        (ids[1], "Active"),
    ]
    iam.delete_access_key(AccessKeyId=ids[0])
    assert "AccountAccessKeysPresent" in root.credentials()
    assert refusal(iam.delete_access_key, AccessKeyId=ids[0])[0] == "NoSuchEntity"
    iam.delete_access_key(AccessKeyId=ids[1])
    assert root.credentials() == ["AccountPasswordPresent"]


def test_signing_certificates_are_deleted(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    [certificate] = local_aws.change_root_user(member, "upload-signing-certificate")["signing_certificates"]
    iam = root.iam()
    [listed] = iam.list_signing_certificates()["Certificates"]
    assert (listed["CertificateId"], listed["Status"]) == (certificate, "Active")
    assert listed["UploadDate"]
    iam.delete_signing_certificate(CertificateId=certificate)
    assert refusal(iam.delete_signing_certificate, CertificateId=certificate)[0] == "NoSuchEntity"
    assert root.credentials() == ["AccountPasswordPresent"]


def test_a_password_is_deleted_and_allowed_again(root: Root) -> None:
    deleting, creating = root.iam(), root.iam(CREATE)
    assert refusal(creating.create_login_profile)[0] == "EntityAlreadyExists"
    deleting.delete_login_profile()
    assert refusal(deleting.delete_login_profile)[0] == "NoSuchEntity"
    assert refusal(creating.get_login_profile)[0] == "NoSuchEntity"
    assert root.credentials() == []
    assert creating.create_login_profile()["LoginProfile"]["CreateDate"]
    assert root.credentials() == ["AccountPasswordPresent"]


def test_devices_are_deactivated_and_then_deleted(local_aws: LocalAwsProcess, client: Clients, root: Root, member: str) -> None:
    local_aws.change_root_user(member, "add-virtual-device", "phone")
    [token] = local_aws.change_root_user(member, "add-hardware-device")["hardware_mfa_devices"]
    phone = f"arn:aws:iam::{member}:mfa/phone"
    iam = root.iam()
    assert [device["SerialNumber"] for device in iam.list_mfa_devices()["MFADevices"]] == [phone, token]
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=phone)[0] == "DeleteConflict"
    iam.deactivate_mfa_device(SerialNumber=token)
    assert "AccountMFAEnabled" in root.credentials()
    iam.deactivate_mfa_device(SerialNumber=phone)
    assert root.credentials() == ["AccountPasswordPresent"]
    for serial_number in (token, phone):
        assert refusal(iam.deactivate_mfa_device, SerialNumber=serial_number)[0] == "NoSuchEntity"
    administrator = client("iam", member)
    assert administrator.list_virtual_mfa_devices()["VirtualMFADevices"] == [{"SerialNumber": phone}]
    assert administrator.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert (root.summary()["MFADevices"], root.summary()["MFADevicesInUse"]) == (1, 0)
    assert refusal(administrator.create_virtual_mfa_device, VirtualMFADeviceName="phone")[0] == "EntityAlreadyExists"
    iam.delete_virtual_mfa_device(SerialNumber=phone)
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=phone)[0] == "NoSuchEntity"
    assert administrator.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert root.summary()["MFADevices"] == 0


def test_when_all_is_deleted_nothing_is_present(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    for change in ("create-access-key", "upload-signing-certificate", "add-hardware-device", "add-virtual-device phone"):
        local_aws.change_root_user(member, *change.split())
    iam = root.iam()
    for device in iam.list_mfa_devices()["MFADevices"]:
        iam.deactivate_mfa_device(SerialNumber=device["SerialNumber"])
    iam.delete_access_key(AccessKeyId=iam.list_access_keys()["AccessKeyMetadata"][0]["AccessKeyId"])
    iam.delete_signing_certificate(CertificateId=iam.list_signing_certificates()["Certificates"][0]["CertificateId"])
    iam.delete_login_profile()
    assert root.credentials() == []


@pytest.fixture
def short_pages(local_aws: LocalAwsProcess) -> Iterator[int]:
    local_aws.set_longest_page(1)
    yield 1
    local_aws.set_longest_page(None)


def test_lists_come_in_pages(local_aws: LocalAwsProcess, root: Root, member: str, short_pages: int) -> None:
    for change in ("create-access-key", "upload-signing-certificate", "add-hardware-device"):
        local_aws.change_root_user(member, change)
        local_aws.change_root_user(member, change)
    iam = root.iam()
    for operation, entries in (
        ("list_access_keys", "AccessKeyMetadata"),
        ("list_signing_certificates", "Certificates"),
        ("list_mfa_devices", "MFADevices"),
    ):
        sizes = [len(page[entries]) for page in iam.get_paginator(operation).paginate()]
        assert sizes == [short_pages, short_pages]
    assert refusal(iam.list_access_keys, Marker="not-one-of-ours")[0] == "ValidationError"


# What goes wrong, and what is recorded


@pytest.mark.parametrize("account_id", [DELEGATED, "target"])
def test_a_fault_of_assume_root_is_the_callers_or_the_targets(
    local_aws: LocalAwsProcess, client: Clients, member: str, account_id: str
) -> None:
    local_aws.add_fault(member if account_id == "target" else account_id, "sts:AssumeRoot", "Throttling", times=1)
    sts = client("sts", DELEGATED)
    if account_id == "target":
        assert assume(sts, MEMBER)
    assert refusal(assume, sts=sts, target=member)[0] == "Throttling"
    assert assume(sts, member)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("list_access_keys", {}),
        ("list_mfa_devices", {}),
        ("list_signing_certificates", {}),
        ("get_login_profile", {}),
        ("get_user", {}),
        ("delete_login_profile", {}),
        ("deactivate_mfa_device", {"SerialNumber": "GAHT00000000"}),
        ("delete_virtual_mfa_device", {"SerialNumber": "GAHT00000000"}),
        ("delete_access_key", {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA"}),
        ("delete_signing_certificate", {"CertificateId": "A" * 24}),
    ],
)
def test_a_fault_strikes_each_call_of_root(
    local_aws: LocalAwsProcess, root: Root, member: str, operation: str, params: dict[str, str]
) -> None:
    iam = root.iam()
    action = f"iam:{iam.meta.method_to_api_mapping[operation]}"
    local_aws.add_fault(member, action, "ServerError", times=1)
    assert refusal(getattr(iam, operation), **params)[0] == "InternalFailure"


def test_what_was_deleted_is_gone_though_the_answer_is_lost(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    local_aws.add_fault(member, "iam:DeleteLoginProfile", "BrokenBody", times=1)
    iam = root.iam()
    with pytest.raises(Exception, match=r"(?i)unable to parse response"):
        iam.delete_login_profile()
    assert refusal(iam.delete_login_profile)[0] == "NoSuchEntity"


def test_calls_of_a_session_are_recorded_as_roots(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    queue = Bus(local_aws, member).collect({"source": ["aws.iam"], "detail": {"userIdentity": {"type": ["Root"]}}})
    iam = root.iam()
    iam.list_access_keys()
    iam.delete_login_profile()
    refusal(iam.delete_login_profile)
    refusal(iam.create_login_profile)
    events = [event["detail"] for event in queue.bodies(3)]
    assert [(event["eventName"], event.get("errorCode")) for event in events] == [
        ("DeleteLoginProfile", None),
        ("DeleteLoginProfile", "NoSuchEntity"),
        ("CreateLoginProfile", "AccessDenied"),
    ]
    identity = events[0]["userIdentity"]
    assert (identity["arn"], identity["accountId"]) == (f"arn:aws:iam::{member}:root", member)
    assert identity["accessKeyId"].startswith("ASIA")
    assert identity["sessionContext"]["assumedRoot"] == "true"


def test_an_administrators_calls_are_not_roots(client: Clients, local_aws: LocalAwsProcess, member: str) -> None:
    queue = Bus(local_aws, member).collect({"source": ["aws.iam"]})
    client("iam", member).create_user(UserName="alice")
    [event] = queue.bodies(1)
    assert event["detail"]["userIdentity"]["type"] == "AssumedRole"
