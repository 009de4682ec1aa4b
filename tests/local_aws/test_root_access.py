"""Centralized root access on the local AWS: its features, who gets a session of a root user, and what the session may do."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from local_aws.client import LocalAwsProcess
from local_aws.organizations import accounts_file
from local_aws.organizations.accounts import AccountsError
from tests.local_aws.event_scene import Bus
from tests.local_aws.role_scene import Acting, make_role, trust_account
from tests.local_aws.role_scene import assume as assume_role
from tests.local_aws.scene import Client, Clients, Parameter, clients_of, clock_time, refusal

MANAGEMENT, DELEGATED, MEMBER, OTHER = "111111111111", "222222222222", "333333333333", "444444444444"
OUTSIDER = "999999999999"
"""No account of the organization."""
MEMBERS = [f"500000000{number:03}" for number in range(60)]
IAM = "iam.amazonaws.com"
BOTH = ["RootSessions", "RootCredentialsManagement"]
AUDIT, DELETE, CREATE, BUCKET, QUEUE = TASKS = [
    f"arn:aws:iam::aws:policy/root-task/{name}"
    for name in (
        "IAMAuditRootUserCredentials",
        "IAMDeleteRootUserCredentials",
        "IAMCreateRootUserPassword",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    )
]


def organization_file(directory: Path, **changes: Parameter) -> Path:
    settings = {
        "id": "o-a1b2c3d4e5",
        "root_id": "r-a1b2",
        "management_account": MANAGEMENT,
        "trusted_services": [IAM, "config.amazonaws.com"],
        "delegated_administrators": {DELEGATED: [IAM], OTHER: ["config.amazonaws.com"]},
        "root_access_features": BOTH,
        "outside": [OUTSIDER],
        **changes,
    }
    known: dict[str, dict[str, Any]] = {
        account_id: {} for account_id in [MANAGEMENT, DELEGATED, MEMBER, OTHER, OUTSIDER, *MEMBERS]
    }
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


def not_authorized(caller: str, target: str = MEMBER) -> str:
    """Say what AssumeRoot says to an administrator of an account."""
    return (
        f"User: arn:aws:iam::{caller}:root is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::{target}:root"
    )


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


# What real AWS was seen to answer. S: radkawar/stackd at 9dc356f, testdata/aws/iam; each step names its case there.


@dataclass(frozen=True)
class Step:
    """A call of an account, and what AWS answered: the code and message of an error, or members of the answer."""

    case: str
    caller: str
    call: str
    params: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    def take(self, client: Clients) -> None:
        service, operation = self.call.split(".")
        call = getattr(client(service, self.caller), operation)
        if self.error:
            assert refusal(call, **self.params) == self.error, self.case
        else:
            answer = call(**self.params)
            assert {name: answer[name] for name in self.answer} == self.answer, self.case


def features(case: str, caller: str, call: str, *enabled: str) -> Step:
    return Step(case, caller, f"iam.{call}", answer={"OrganizationId": "o-a1b2c3d4e5", "EnabledFeatures": list(enabled)})


def no_features(case: str, caller: str, call: str, code: str, message: str) -> Step:
    return Step(case, caller, f"iam.{call}", error=(code, message))


def task(case: str, policy_arn: str, denied: str = "", caller: str = MANAGEMENT) -> Step:
    params = {"TargetPrincipal": MEMBER, "TaskPolicyArn": {"arn": policy_arn}}
    return Step(case, caller, "sts.assume_root", params, ("AccessDenied", denied) if denied else None)


def administration(call: str) -> Step:
    account = {"AccountId": DELEGATED} if "administrator" in call else {}
    return Step("", MANAGEMENT, f"organizations.{call}", {"ServicePrincipal": IAM, **account})


LIST, ENABLE, DISABLE = "list_organizations_features", "enable_organizations_root_{}", "disable_organizations_root_{}"
CREDENTIALS, SESSIONS = "credentials_management", "sessions"
UNTRUSTED = (
    "ServiceAccessNotEnabledException",
    f"Trusted Access for IAM not enabled by organization of input account {MANAGEMENT}.",
)
NO_DELEGATE = "AccountNotManagementOrDelegatedAdministratorException"
NOT_MANAGEMENT = (
    "CallerIsNotManagementAccountException",
    f"Caller account {DELEGATED} is not management account of the organization and cannot enable IAM features.",
)
NO_CREDENTIALS_MANAGEMENT = "Root credentials management feature is not enabled for your AWS Organization."
HAS_DELEGATE = "You have delegated administrator/s for this service."
NO_SESSIONS = "Root sessions feature is not enabled for your AWS Organization."

ROOT_SESSIONS = [  # S root_sessions.json, 2026-09-12
    no_features("before_trust", MANAGEMENT, LIST, *UNTRUSTED),
    administration("enable_aws_service_access"),
    features("initial_features", MANAGEMENT, LIST),
    no_features(
        "ordinary_member_features",
        MEMBER,
        LIST,
        NO_DELEGATE,
        f"Input account {MEMBER} is neither management account nor delegated admin.",
    ),
    administration("register_delegated_administrator"),
    features("delegate_features", DELEGATED, LIST),
    no_features("delegate_enable_credentials", DELEGATED, ENABLE.format(CREDENTIALS), *NOT_MANAGEMENT),
    features("manager_enable_credentials", MANAGEMENT, ENABLE.format(CREDENTIALS), "RootCredentialsManagement"),
    *(task("credentials_only_IAM…", policy_arn) for policy_arn in (AUDIT, DELETE, CREATE)),
    *(task("credentials_only_S3…, …SQS…", policy_arn, NO_SESSIONS) for policy_arn in (BUCKET, QUEUE)),
    no_features("delegate_enable_sessions", DELEGATED, ENABLE.format(SESSIONS), *NOT_MANAGEMENT),
    features("manager_enable_sessions", MANAGEMENT, ENABLE.format(SESSIONS), *BOTH),
    task("audit_enabled", AUDIT),
    task("delegate_assume_enabled", AUDIT, caller=DELEGATED),
    features("delegate_disable_credentials", DELEGATED, DISABLE.format(CREDENTIALS), "RootSessions"),
    features("manager_disable_credentials", MANAGEMENT, DISABLE.format(CREDENTIALS), "RootSessions"),
    *(task("sessions_only_IAM…", policy_arn, NO_CREDENTIALS_MANAGEMENT) for policy_arn in (AUDIT, DELETE, CREATE)),
    *(task("sessions_only_S3…, …SQS…", policy_arn) for policy_arn in (BUCKET, QUEUE)),
    features("delegate_disable_sessions", DELEGATED, DISABLE.format(SESSIONS)),
    features("manager_disable_sessions", MANAGEMENT, DISABLE.format(SESSIONS)),
    task("new_session_after_disable", AUDIT, NO_CREDENTIALS_MANAGEMENT),
    features("followup_enable_sessions", MANAGEMENT, ENABLE.format(SESSIONS), "RootSessions"),
    features("followup_enable_credentials", MANAGEMENT, ENABLE.format(CREDENTIALS), *BOTH),
    Step(
        "trust_disable_with_delegate",
        MANAGEMENT,
        "organizations.disable_aws_service_access",
        {"ServicePrincipal": IAM},
        error=("ConstraintViolationException", f"{HAS_DELEGATE} De-register them in order to disable service access."),
    ),
    administration("deregister_delegated_administrator"),
    administration("disable_aws_service_access"),
    no_features("features_without_trust", MANAGEMENT, LIST, *UNTRUSTED),
    administration("enable_aws_service_access"),
    features("features_after_trust_restore", MANAGEMENT, LIST, *BOTH),
    administration("register_delegated_administrator"),
]


@pytest.fixture
def given_back(client: Clients, local_aws: LocalAwsProcess) -> Iterator[None]:
    """Give root access back to the organization after a test."""
    yield
    local_aws.switch("sts-lags-iam", on=False)
    organizations, iam = client("organizations", MANAGEMENT), client("iam", MANAGEMENT)
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    with suppress(organizations.exceptions.AccountAlreadyRegisteredException):
        organizations.register_delegated_administrator(AccountId=DELEGATED, ServicePrincipal=IAM)
    iam.enable_organizations_root_credentials_management()
    assert iam.enable_organizations_root_sessions()["EnabledFeatures"] == BOTH


@pytest.mark.usefixtures("given_back")
def test_features_and_the_tasks_that_need_them_are_as_captured(client: Clients, acting: Acting) -> None:
    issued = acting("iam", assume(client("sts", MANAGEMENT), MEMBER, AUDIT))
    for call in (DISABLE.format(CREDENTIALS), DISABLE.format(SESSIONS)):
        getattr(client("iam", MANAGEMENT), call)()
    for call in ("deregister_delegated_administrator", "disable_aws_service_access"):
        administration(call).take(client)
    for step in ROOT_SESSIONS:
        step.take(client)
        assert issued.get_user()["User"]["UserId"] == MEMBER, step.case


@dataclass(frozen=True)
class Ended:
    """What the organization ends: after some seconds STS still gives a session to `caller`, and later it refuses one."""

    calls: list[str]
    caller: str
    given_after: int
    refused_after: int
    message: str


@pytest.mark.parametrize(
    "ended",
    [
        # S root_sessions.json, delegate_session_after_15s, _60s, _180s. STS also refused at 0 s, which is not emulated.
        Ended(["deregister_delegated_administrator"], DELEGATED, 15, 60, not_authorized(DELEGATED)),
        # S root_sessions.json, untrusted_session_after_0s, _15s, _60s, _180s.
        Ended(
            ["deregister_delegated_administrator", "disable_aws_service_access"],
            MANAGEMENT,
            60,
            180,
            "Service not enabled for AWS Organizations.",
        ),
    ],
    ids=["delegation", "trusted access"],
)
@pytest.mark.usefixtures("given_back")
def test_sts_may_lag_iam_and_issued_sessions_outlive_all(
    client: Clients, acting: Acting, local_aws: LocalAwsProcess, ended: Ended
) -> None:
    sts = client("sts", ended.caller)
    issued = acting("iam", assume(sts, MEMBER, AUDIT))
    local_aws.switch("sts-lags-iam", on=True)
    for call in ended.calls:
        administration(call).take(client)
    assert refusal(client("iam", ended.caller).list_organizations_features)[0] in {NO_DELEGATE, UNTRUSTED[0]}
    assert assume(sts, MEMBER, AUDIT)
    local_aws.advance_clock(seconds=ended.given_after)
    assert assume(sts, MEMBER, AUDIT)
    local_aws.advance_clock(seconds=ended.refused_after - ended.given_after)
    assert refusal(assume, sts=sts, target=MEMBER) == ("AccessDenied", ended.message)
    assert issued.get_user()["User"]["UserId"] == MEMBER


@pytest.mark.usefixtures("given_back")
def test_sts_may_hear_later_of_a_new_delegate(client: Clients, local_aws: LocalAwsProcess) -> None:
    administration("deregister_delegated_administrator").take(client)
    local_aws.switch("sts-lags-iam", on=True)
    administration("register_delegated_administrator").take(client)
    assert client("iam", DELEGATED).list_organizations_features()["EnabledFeatures"] == BOTH
    code, message = refusal(assume, sts=client("sts", DELEGATED), target=MEMBER)
    assert (code, message) == ("AccessDenied", not_authorized(DELEGATED))
    local_aws.advance_clock(seconds=31)
    assert assume(client("sts", DELEGATED), MEMBER)


@pytest.mark.parametrize("account_id", [MEMBER, OTHER, OUTSIDER])
def test_nobody_else_has_a_say_in_features(client: Clients, account_id: str) -> None:
    iam = client("iam", account_id)
    code = "OrganizationNotFoundException" if account_id == OUTSIDER else NO_DELEGATE
    for call in (
        iam.list_organizations_features,
        iam.enable_organizations_root_sessions,
        iam.disable_organizations_root_credentials_management,
    ):
        assert refusal(call)[0] == code


def test_root_access_needs_all_features(tmp_path: Path) -> None:
    settings = {"all_features": False, "trusted_services": [], "delegated_administrators": {}, "root_access_features": []}
    with LocalAwsProcess(organization_file(tmp_path, **settings)) as process:
        code, _ = refusal(clients_of(process)("iam", MANAGEMENT).list_organizations_features)
    assert code == "OrganizationNotInAllFeaturesModeException"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"root_access_features": ["RootSession"]},
            "root_access_features has RootSession, but allowed are RootSessions, RootCredentialsM",
        ),
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
    asked: dict[int, dict[str, Any]] = {900: {}, 60: {"DurationSeconds": 60}}
    for seconds, given in asked.items():
        before = clock_time(sts)
        expiration = assume(sts, member, **given)["Expiration"]
        assert before <= expiration - timedelta(seconds=seconds) <= clock_time(sts)
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
    ("caller", "target"),
    [
        (MEMBER, MEMBER),
        (OTHER, MEMBER),  # a delegate of another service
        (OUTSIDER, MEMBER),
        (DELEGATED, MANAGEMENT),
        (MANAGEMENT, MANAGEMENT),  # S root_access.json, 2026-09-11, assume_root_management_id
        (DELEGATED, OUTSIDER),
    ],
)
@pytest.mark.parametrize("form", ["{}", "arn:aws:iam::{}:root"])  # S root_access.json, assume_root_management_root_arn
def test_others_and_for_others_get_no_session(client: Clients, caller: str, target: str, form: str) -> None:
    said = refusal(assume, sts=client("sts", caller), target=form.format(target))
    assert said == ("AccessDenied", not_authorized(caller, target))


NO_TARGET, NO_TASK = "Request must contain a valid target principal", "Request must contain valid AWS managed task policy ARN"
ONE_ERROR, FAILED = "1 validation error detected: Value ", "failed to satisfy constraint: Member must "


@pytest.mark.parametrize(
    ("params", "message"),
    [
        # S root_access.json: assume_root_owned_user_arn, _invalid_task_policy, _task_policy_missing_arn, _duration_over_limit
        ({"TargetPrincipal": f"arn:aws:iam::{MEMBER}:user/root"}, NO_TARGET),
        ({"TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}}, NO_TASK),
        ({"TaskPolicyArn": None}, f"{ONE_ERROR}null at 'taskPolicyArn' {FAILED}not be null"),
        (
            {"DurationSeconds": 901},
            f"{ONE_ERROR}'901' at 'durationSeconds' {FAILED}have value less than or equal to 900",
        ),
        ({"TargetPrincipal": "no account id"}, NO_TARGET),
        ({"TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/Everything"}}, NO_TASK),
        ({"TaskPolicyArn": {"arn": f"arn:aws:iam::{MEMBER}:policy/IAMAuditRootUserCredentials"}}, NO_TASK),
    ],
)
def test_a_bad_request_is_refused(client: Clients, params: dict[str, Any], message: str) -> None:
    good = {"TargetPrincipal": MEMBER, "TaskPolicyArn": {"arn": AUDIT}}
    request = {name: value for name, value in {**good, **params}.items() if value is not None}
    assert refusal(client("sts", DELEGATED).assume_root, **request) == ("ValidationError", message)


def test_a_session_of_no_length_is_given_and_has_ended(client: Clients, acting: Acting) -> None:
    """S root_access.json, assume_root_duration_zero: no ValidationError."""
    ended = acting("iam", assume(client("sts", DELEGATED), MEMBER, AUDIT, DurationSeconds=0))
    assert refusal(ended.get_user)[0] == "ExpiredToken"


# S root_access.json: features_no_grants, denied_enable_organizations_root_sessions, assume_root_observer_denied.
@pytest.mark.parametrize(
    ("effect", "service", "call", "params", "on", "reason"),
    [
        ("Allow", "iam", LIST, {}, "*", " because no identity-based policy allows the {} action"),
        ("Deny", "iam", ENABLE.format(SESSIONS), {}, "*", " with an explicit deny in an identity-based policy"),
        (
            "Deny",
            "sts",
            "assume_root",
            {"TargetPrincipal": MEMBER, "TaskPolicyArn": {"arn": AUDIT}},
            f"arn:aws:iam::{MEMBER}:root",
            "",
        ),
    ],
)
def test_a_user_whom_policies_refuse_is_told_so(  # noqa: PLR0913, PLR0917 - what a refusal has
    client: Clients,
    acting: Acting,
    member: str,
    effect: str,
    service: str,
    call: str,
    params: dict[str, Any],
    on: str,
    reason: str,
) -> None:
    iam, name = client("iam", MANAGEMENT), f"observer-{member}"
    user = iam.create_user(UserName=name, Path="/org-access/")["User"]["Arn"]
    action = "*" if effect == "Deny" else "iam:GetUser"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=json.dumps(document))
    observer = acting(service, iam.create_access_key(UserName=name)["AccessKey"])
    asked = f"{service}:{observer.meta.method_to_api_mapping[call]}"
    said = f"User: {user} is not authorized to perform: {asked} on resource: {on}{reason.format(asked)}"
    assert refusal(getattr(observer, call), **params) == ("AccessDenied", said)


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


KEY = {"AccessKeyId": "AKIAAAAAAAAAAAAAAAAA"}
CALLS: dict[str, dict[str, Any]] = {
    "list_access_keys": {},
    "list_signing_certificates": {},
    "get_login_profile": {},
    "list_mfa_devices": {},
    "get_user": {},
    "get_access_key_last_used": KEY,
    "get_account_summary": {},
    "create_login_profile": {},
    "delete_access_key": KEY,
    "delete_signing_certificate": {"CertificateId": "A" * 24},
    "delete_login_profile": {},
    "deactivate_mfa_device": {"SerialNumber": "GAHT00000000"},
    "delete_virtual_mfa_device": {"SerialNumber": f"arn:aws:iam::{MEMBER}:mfa/phone"},
    "create_access_key": {},
    "list_virtual_mfa_devices": {},
    "list_users": {},
}
ALLOWED = {  # S root_access.json, public_policy_version_…
    AUDIT: list(CALLS)[:7],
    DELETE: [*list(CALLS)[:6], *list(CALLS)[8:12]],
    CREATE: ["create_login_profile", "get_login_profile"],
    BUCKET: [],
    QUEUE: [],
}


@pytest.mark.parametrize("task_policy", TASKS)
def test_a_session_may_do_its_task_and_nothing_else(client: Clients, acting: Acting, member: str, task_policy: str) -> None:
    credentials = assume(client("sts", DELEGATED), member, task_policy)
    iam = acting("iam", credentials)
    allowed = []
    for call, params in CALLS.items():
        try:
            getattr(iam, call)(**params)
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDenied":
                said = error.response["Error"]["Message"]
                assert said.startswith(f"User: arn:aws:iam::{member}:root is not authorized to perform: iam:")
                assert said.endswith(" with an explicit deny in a session policy")
                continue
        allowed.append(call)
    assert allowed == [call for call in CALLS if call in ALLOWED[task_policy]]
    assert refusal(acting("config", credentials).describe_config_rules)[0] == "AccessDeniedException"
    assert refusal(assume, sts=acting("sts", credentials), target=MEMBER)[0] == "AccessDenied"
    arn = make_role(client, member, "trusting", trust_account(member))
    assert refusal(assume_role, sts=acting("sts", credentials), arn=arn)[0] == "AccessDenied"
    s3, sqs = acting("s3", credentials), acting("sqs", credentials)
    for task_policy_of_service, call in ((BUCKET, s3.list_buckets), (QUEUE, sqs.list_queues)):
        if task_policy == task_policy_of_service:
            call()
        else:
            assert refusal(call)[0].startswith("AccessDenied")


def test_tasks_of_s3_and_sqs_are_about_policies(client: Clients, acting: Acting, member: str) -> None:
    """S root_access.json, public_policy_version_S3UnlockBucketPolicy and _SQSUnlockQueuePolicy."""
    bucket = f"bucket-{member}"
    client("s3", member).create_bucket(Bucket=bucket)
    url = client("sqs", member).create_queue(QueueName="queue")["QueueUrl"]
    s3 = acting("s3", assume(client("sts", DELEGATED), member, BUCKET))
    sqs = acting("sqs", assume(client("sts", DELEGATED), member, QUEUE))
    s3.delete_bucket_policy(Bucket=bucket)
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert refusal(s3.delete_bucket, Bucket=bucket)[0] == "AccessDenied"
    assert refusal(sqs.delete_queue, QueueUrl=url)[0].startswith("AccessDenied")


def test_root_is_its_account(root: Root, member: str) -> None:
    """S root_sessions.json: audit_get-user, audit_list-…, summary_before."""
    iam = root.iam(AUDIT)
    user = iam.get_user()["User"]
    assert user.keys() == {"UserId", "Arn", "CreateDate"}
    assert (user["UserId"], user["Arn"]) == (member, f"arn:aws:iam::{member}:root")
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
    assert iam.list_signing_certificates()["Certificates"] == []
    assert iam.list_mfa_devices()["MFADevices"] == []
    assert {name: value for name, value in iam.get_account_summary()["SummaryMap"].items() if name.startswith("Account")} == {
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 1,
        "AccountAccessKeysPresent": 0,
        "AccountSigningCertificatesPresent": 0,
    }


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


def test_a_password_is_deleted_and_allowed_again(root: Root, member: str) -> None:
    """S root_sessions.json: create_profile_duplicate, profile_after_delete, recovery_only_…: present while only allowed.

    On AWS the summary followed within two seconds. Here it follows at once, and so does the credential report.
    """
    deleting, creating = root.iam(), root.iam(CREATE)
    twice = "EntityAlreadyExists", f"Login Profile for account {member} already exists."
    none = "NoSuchEntity", "Login Profile for User null cannot be found."
    assert refusal(creating.create_login_profile) == twice
    deleting.delete_login_profile()
    for call in (deleting.delete_login_profile, creating.get_login_profile):
        assert refusal(call) == none
    assert root.credentials() == []
    created, got = creating.create_login_profile()["LoginProfile"], creating.get_login_profile()["LoginProfile"]
    assert created == got == {"CreateDate": created["CreateDate"], "PasswordResetRequired": False}
    assert root.credentials() == ["AccountPasswordPresent"]
    assert refusal(creating.create_login_profile) == twice


IN_USE = "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first."
NOT_OF_USER = "NoSuchEntity", "MFA Device invalid for user."
TAKEN = "EntityAlreadyExists", "MFA device already exists."


def test_devices_are_deactivated_and_stay_unassigned(
    local_aws: LocalAwsProcess, client: Clients, root: Root, member: str
) -> None:
    """S iam/mfa.json: the messages. IAM authorizes the deletion on the device, and the task policy denies that.

    Sources: a message that a user quotes (ministryofjustice/modernisation-platform, pull request 12674, of 2026), and S
    root_access.json, public_policy_version_IAMDeleteRootUserCredentials.
    """
    local_aws.change_root_user(member, "add-virtual-device", "phone")
    [token] = local_aws.change_root_user(member, "add-hardware-device")["hardware_mfa_devices"]
    [name] = local_aws.change_root_user(member, "add-passkey")["passkeys"]
    phone, passkey = f"arn:aws:iam::{member}:mfa/phone", f"arn:aws:iam::{member}:u2f/root/{name}"
    iam, administrator = root.iam(), client("iam", member)
    action = f"iam:DeleteVirtualMFADevice on resource: {phone} with an explicit deny in a session policy"
    refused = "AccessDenied", f"User: arn:aws:iam::{member}:root is not authorized to perform: {action}"
    assert [device["SerialNumber"] for device in iam.list_mfa_devices()["MFADevices"]] == [phone, token, passkey]
    assert refusal(administrator.delete_virtual_mfa_device, SerialNumber=phone) == IN_USE
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=phone) == refused
    for serial_number in (token, passkey):
        iam.deactivate_mfa_device(SerialNumber=serial_number)
    assert "AccountMFAEnabled" in root.credentials()
    iam.deactivate_mfa_device(SerialNumber=phone)
    assert root.credentials() == ["AccountPasswordPresent"]
    for serial_number in (token, phone, passkey):
        assert refusal(iam.deactivate_mfa_device, SerialNumber=serial_number) == NOT_OF_USER
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=phone) == refused
    assert administrator.list_virtual_mfa_devices()["VirtualMFADevices"] == [{"SerialNumber": phone}]
    assert administrator.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert (root.summary()["MFADevices"], root.summary()["MFADevicesInUse"]) == (1, 0)
    assert refusal(administrator.create_virtual_mfa_device, VirtualMFADeviceName="phone") == TAKEN
    administrator.delete_virtual_mfa_device(SerialNumber=phone)
    assert administrator.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert root.summary()["MFADevices"] == 0


def test_devices_of_iam_users_have_the_same_messages(client: Clients, member: str) -> None:
    """S iam/mfa.json. Serial numbers may have a path. On AWS both lists had a device two seconds after it was enabled."""
    iam = client("iam", member)
    for user in ("alice", "bob"):
        iam.create_user(UserName=user)
    device = {"Path": "/devices/", "VirtualMFADeviceName": "phone"}
    serial_number = iam.create_virtual_mfa_device(**device)["VirtualMFADevice"]["SerialNumber"]
    assert serial_number == f"arn:aws:iam::{member}:mfa/devices/phone"
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == [{"SerialNumber": serial_number}]
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    iam.enable_mfa_device(UserName="alice", SerialNumber=serial_number, **codes)
    [listed] = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    assert (listed.keys(), listed["User"]["UserName"]) == ({"SerialNumber", "EnableDate", "User"}, "alice")
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == [
        {"UserName": "alice", "SerialNumber": serial_number, "EnableDate": listed["EnableDate"]}
    ]
    assert refusal(iam.create_virtual_mfa_device, **device) == TAKEN
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=serial_number) == IN_USE
    assert refusal(iam.deactivate_mfa_device, UserName="bob", SerialNumber=serial_number) == NOT_OF_USER
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial_number)
    iam.delete_virtual_mfa_device(SerialNumber=serial_number)


def test_a_deactivation_may_be_about_any_resource(local_aws: LocalAwsProcess, root: Root, member: str) -> None:
    """The task policy denies it then. A user quotes that resource in a message of 2023, which was about no root session.

    Source: aws-samples/aws-secure-environment-accelerator#1102.
    """
    [token] = local_aws.change_root_user(member, "add-hardware-device")["hardware_mfa_devices"]
    iam = root.iam()
    local_aws.switch("deactivate-on-any-resource", on=True)
    try:
        code, message = refusal(iam.deactivate_mfa_device, SerialNumber=token)
    finally:
        local_aws.switch("deactivate-on-any-resource", on=False)
    assert (code, "iam:DeactivateMFADevice on resource: * with an explicit deny" in message) == ("AccessDenied", True)
    iam.deactivate_mfa_device(SerialNumber=token)


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
    with pytest.raises(ResponseParserError, match=r"(?i)unable to parse response"):
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
        ("DeleteLoginProfile", "NoSuchEntityException"),
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
