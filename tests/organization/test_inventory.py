"""The inventory as it is run, on answers of AWS: what root sessions read, what is said of each account, and the exit code."""

import csv
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.authorization.root_tasks import TASKS
from organization import aws, cli
from organization.inventory import formats, reading
from organization.inventory.judging import STATUSES, List, Observed, Refusal, inventory
from organization.inventory.root_user import AccessKey, Certificate, Device, Kind, RootUser
from organization.screen import as_text
from organization.statuses import Account, Status
from organization.unread import Step, Unread
from root_virtual_mfa_enabled import facts
from root_virtual_mfa_enabled.decision import AccountSummary, Parameters, decide
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, MEMBER, ORGANIZATION, OTHER, account, check_shown

pytestmark = pytest.mark.usefixtures("roots")

PROJECT = Path(__file__).parents[2]
CLOSED = "555555555555"
SECRET = "SECRET-OF-A-ROOT-SESSION"  # noqa: S105 - what must not be shown
NOW = datetime.now(UTC)
LONG_AGO, LATELY = NOW - timedelta(days=400), NOW - timedelta(days=3)
POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
FEATURE_OFF = "Root credentials management feature is not enabled for your AWS Organization."
ENABLE = "aws iam enable-organizations-root-credentials-management"


def serial(account_id: str, path: str) -> str:
    return f"arn:aws:iam::{account_id}:{path}"


class FakeRoot:
    """A root user as IAM shows it: to a root session, and, of the management account, in its summary and virtual devices."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.password: datetime | None = LONG_AGO
        self.signed_in: datetime | None = None
        self.keys: dict[str, datetime | None] = {}
        self.inactive: set[str] = set()
        self.certificates: list[str] = []
        self.devices: list[str] = []
        self.summary: dict[str, int] = {}

    def get_account_summary(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        summary = {
            "AccountMFAEnabled": int(bool(self.devices)),
            "AccountPasswordPresent": int(self.password is not None),
            "AccountAccessKeysPresent": int(bool(self.keys)),
            "AccountSigningCertificatesPresent": int(bool(self.certificates)),
            "MFADevicesInUse": len(self.devices),
            "Users": 0,
        }
        return {"SummaryMap": summary | self.summary}

    def get_user(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        used = {"PasswordLastUsed": self.signed_in} if self.signed_in else {}
        return {"User": {"UserId": self.account_id, "Arn": serial(self.account_id, "root"), "CreateDate": LONG_AGO, **used}}

    def get_login_profile(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.password is None:
            raise RefusalError("NoSuchEntity", "Login Profile for User null cannot be found.")
        return {"LoginProfile": {"CreateDate": self.password, "PasswordResetRequired": False}}

    def list_access_keys(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        listed = [
            {"AccessKeyId": key, "Status": "Inactive" if key in self.inactive else "Active", "CreateDate": LONG_AGO}
            for key in self.keys
        ]
        return self.page("AccessKeyMetadata", listed, asked)

    def get_access_key_last_used(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        used = self.keys[asked["AccessKeyId"]]
        never = {"ServiceName": "N/A", "Region": "N/A"}
        return {"AccessKeyLastUsed": {"LastUsedDate": used, "ServiceName": "s3", "Region": REGION} if used else never}

    def list_signing_certificates(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        listed = [{"CertificateId": each, "Status": "Active", "UploadDate": LONG_AGO} for each in self.certificates]
        return self.page("Certificates", listed, asked)

    def list_mfa_devices(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.page("MFADevices", [{"SerialNumber": each, "EnableDate": LONG_AGO} for each in self.devices], asked)

    def list_virtual_mfa_devices(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        root = {"Arn": serial(self.account_id, "root"), "UserId": self.account_id}
        listed = [{"SerialNumber": each, "User": root, "EnableDate": LONG_AGO} for each in self.devices if ":mfa/" in each]
        return self.page("VirtualMFADevices", listed, asked)

    @staticmethod
    def page(member: str, entries: list[Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """Give one entry a page."""
        at = int(asked.get("Marker", "0"))
        more = at + 1 < len(entries)
        return {member: entries[at : at + 1], "IsTruncated": more} | ({"Marker": str(at + 1)} if more else {})


class Roots:
    """The root users of an organization, and the sessions that sts:AssumeRoot gives."""

    def __init__(self, fake: FakeAws) -> None:
        self.fake = fake
        self.of = {each: FakeRoot(each) for each in (MANAGEMENT, MEMBER, OTHER)}
        self.sessions: list[Mapping[str, Any]] = []
        methods = {
            "GetAccountSummary": FakeRoot.get_account_summary,
            "GetUser": FakeRoot.get_user,
            "GetLoginProfile": FakeRoot.get_login_profile,
            "ListAccessKeys": FakeRoot.list_access_keys,
            "GetAccessKeyLastUsed": FakeRoot.get_access_key_last_used,
            "ListSigningCertificates": FakeRoot.list_signing_certificates,
            "ListMFADevices": FakeRoot.list_mfa_devices,
            "ListVirtualMFADevices": FakeRoot.list_virtual_mfa_devices,
        }
        fake.answers["AssumeRoot"] = self.assume_root
        for name, method in methods.items():
            fake.answers[name] = partial(self.answer, method)

    def assume_root(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        self.sessions.append(asked)
        key = {"AccessKeyId": f"ASIA{asked['TargetPrincipal']}", "SecretAccessKey": SECRET, "SessionToken": f"{SECRET}-TOKEN"}
        return {"Credentials": key | {"Expiration": NOW}}

    def answer(
        self, method: Callable[[FakeRoot, Mapping[str, Any]], Mapping[str, Any]], asked: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        return method(self.of[self.asked], asked)

    @property
    def asked(self) -> str:
        """Whose root user the present call is about: that of the session, or of the caller's account."""
        key = self.fake.access_key_id
        return key.removeprefix("ASIA") if key.startswith("ASIA") else MANAGEMENT


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer to the management account of an organization without a deployment."""
    fake = FakeAws(
        {
            "GetCallerIdentity": {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/x"},
            "DescribeOrganization": {"Organization": {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "ALL"}},
            "ListAccounts": {
                "Accounts": [
                    account(MANAGEMENT, "Management"),
                    account(MEMBER, "Shop"),
                    account(OTHER, "=1+1"),
                    account(CLOSED, "Old", "SUSPENDED"),
                ]
            },
            "ListOrganizationsFeatures": {"OrganizationId": ORGANIZATION, "EnabledFeatures": ["RootCredentialsManagement"]},
        }
    )
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id root-virtual-mfa does not exist")
    with fake.in_place():
        yield fake


@pytest.fixture
def roots(fake: FakeAws) -> Roots:
    """Give each root user a virtual device, and the management account's a hardware token too."""
    roots = Roots(fake)
    for account_id, root in roots.of.items():
        root.devices = [serial(account_id, "mfa/phone")]
    roots.of[MANAGEMENT].devices.append("GAHT12345678")
    return roots


def run(*arguments: str) -> int:
    return cli.main(["inventory", *arguments])


def taken(capsys: pytest.CaptureFixture[str], expected: int, *arguments: str) -> dict[str, Any]:
    """Take an inventory, and return the JSON document, with the accounts by id."""
    assert run("--format", "json", *arguments) == expected
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    document["accounts"] = {each["account_id"]: each for each in document["accounts"]}
    return document


# --- What is read ---


def test_everything_that_a_root_user_has_from_every_page(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    root = roots.of[MEMBER]
    root.keys, root.certificates, root.signed_in = (
        {"AKIAUSED000000000000": LATELY, "AKIANEVER00000000000": None},
        ["CERT1", "CERT2"],
        LATELY,
    )
    root.devices = [serial(MEMBER, "mfa/phone"), serial(MEMBER, "u2f/root/key-R1234"), "GAHT12345678"]
    member = taken(capsys, 0)["accounts"][MEMBER]
    assert [(each["kind"], each["serial_number"]) for each in member["mfa_devices"]] == [
        ("virtual MFA device", serial(MEMBER, "mfa/phone")),
        ("passkey or security key", serial(MEMBER, "u2f/root/key-R1234")),
        ("hardware TOTP token", "GAHT12345678"),
    ]
    day = f"{LONG_AGO:%Y-%m-%d}"
    assert all(each["enabled"].startswith(day) for each in member["mfa_devices"])
    assert [(key["access_key_id"], (key["last_used"] or "")[:10], key["service"]) for key in member["access_keys"]] == [
        ("AKIAUSED000000000000", f"{LATELY:%Y-%m-%d}", "s3"),
        ("AKIANEVER00000000000", "", ""),
    ]
    assert [each["certificate_id"] for each in member["signing_certificates"]] == ["CERT1", "CERT2"]
    assert (member["password"], member["password_created"][:10]) == (True, day)
    assert member["password_last_used"].startswith(f"{LATELY:%Y-%m-%d}")
    assert member["status"] == "COMPLIANT"


def test_sessions_may_only_audit_members(roots: Roots, fake: FakeAws) -> None:
    assert run() == 0
    session = {"TaskPolicyArn": {"arn": POLICY}, "DurationSeconds": 900}
    assert sorted(roots.sessions, key=str) == sorted(
        ({"TargetPrincipal": each, **session} for each in (MEMBER, OTHER)), key=str
    ), "neither of the management account nor of one that is suspended"
    assert all("UserName" not in asked for _, asked in fake.calls)


def test_sessions_are_asked_for_where_sts_gives_them(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    assert run() == 0
    assert fake.urls["AssumeRoot"].startswith(f"https://sts.{REGION}.amazonaws.com"), "the global endpoint has no AssumeRoot"


def test_management_account_is_inferred_from_its_summary(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    document = taken(capsys, 0)
    own = document["accounts"][MANAGEMENT]
    assert [each["serial_number"] for each in own["mfa_devices"]] == [serial(MANAGEMENT, "mfa/phone")]
    assert (own["inferred_mfa_devices"], own["access_keys"], own["access_keys_present"]) == (1, None, False)
    assert "inferred" in document["notes"][0]["why"]
    run()
    assert "inferred: 1 more, a hardware TOTP token, passkey or security key" in capsys.readouterr().out
    roots.of[MANAGEMENT].summary["Users"] = 2
    assert taken(capsys, 0)["accounts"][MANAGEMENT]["inferred_mfa_devices"] is None, "an IAM user may have the other device"


def test_delegated_administrator_does_not_see_the_management_account(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["GetCallerIdentity"] = {"Account": CENTRAL, "Arn": f"arn:aws:iam::{CENTRAL}:user/x"}
    accounts = taken(capsys, 1)["accounts"]
    assert accounts[MANAGEMENT]["status"] == "UNKNOWN"
    assert accounts[MANAGEMENT]["advice"][0]["why"] == "sts:AssumeRoot does not reach the management account."
    assert accounts[MEMBER]["status"] == "COMPLIANT"


def test_permissions_are_the_calls(roots: Roots, fake: FakeAws) -> None:
    roots.of[MEMBER].keys = {"AKIAX000000000000000": None}
    assert run() == 0
    called = fake.actions - {"sts:GetCallerIdentity", "cloudformation:DescribeStacks"}
    assert called == reading.PERMISSIONS | reading.TASK_PERMISSIONS | facts.PERMISSIONS


def test_root_sessions_do_all_that_their_task_policy_allows_and_no_more() -> None:
    allowed, _ = TASKS["IAMAuditRootUserCredentials"].statements
    assert set(allowed["NotAction"]) == reading.TASK_PERMISSIONS


def test_documented_policy_has_the_permissions() -> None:
    page = (PROJECT / "docs/auditing.md").read_text(encoding="utf-8").partition("## What does root have?")[2]
    [block] = re.findall(r"^```json\n(.*?)^```$", page.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    statements = json.loads(block)["Statement"]
    actions = {action for each in statements for action in each["Action"]}
    assert actions == reading.PERMISSIONS | facts.PERMISSIONS
    [sessions] = [each for each in statements if "sts:AssumeRoot" in each["Action"]]
    assert sessions["Condition"] == {"StringEquals": {"sts:TaskPolicyArn": POLICY}}


def test_second_run_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (taken(capsys, 0)["accounts"] for _ in range(2))
    assert first == second


# --- What contradicts the rule's verdict ---


def test_rule_that_says_otherwise_is_a_finding(
    roots: Roots, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The e2e test has a real deployment; here, its report is given."""
    said = {MEMBER: Status.COMPLIANT, OTHER: Status.UNKNOWN}
    monkeypatch.setattr(reading.Reader, "_compared", lambda _, observed, __: replace(observed, rule_statuses=said))
    roots.of[MEMBER].devices = [serial(MEMBER, "u2f/root/key-R1234")]
    document = taken(capsys, 1)
    assert document["accounts"][MEMBER]["findings"] == [
        "The rule's result is COMPLIANT, but with what the root user has now it is NON_COMPLIANT."
    ]
    assert (document["accounts"][OTHER]["rule_status"], document["accounts"][OTHER]["findings"]) == ("UNKNOWN", [])


def test_without_a_deployment_nothing_was_compared_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page, said = tmp_path / "inventory.html", f"No deployment of the rule was found in account {MANAGEMENT}, {REGION}"

    def told() -> tuple[int, bool]:
        cli.main(["inventory", "--output", str(page)])
        capsys.readouterr()
        text = page.read_text(encoding="utf-8")
        return text.count(said), "Nothing that was read contradicts the rule&#39;s verdict" in text.replace("'", "&#39;")

    assert told() == (1, False)
    monkeypatch.setattr(reading.Reader, "_compared", lambda _, observed, __: replace(observed, rule_statuses={}))
    assert told() == (0, True)


def test_deployment_that_cannot_be_read_is_a_note(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeStacks", "AccessDenied")
    document = taken(capsys, 0)
    assert document["notes"][0]["why"].startswith(
        "The rule's results could not be read. DescribeStacks failed with AccessDenied"
    )


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"AccountMFAEnabled": 0}, "The account summary says that MFA is off, but the number of MFA devices in the list is 1."),
        ({"AccountPasswordPresent": 0}, "The account summary says that there is no password, but IAM has a login profile."),
        ({"AccountAccessKeysPresent": 1}, "The account summary says that there are access keys, but none are listed."),
        (
            {"AccountSigningCertificatesPresent": 1},
            "The account summary says that there are signing certificates, but none are listed.",
        ),
    ],
)
def test_summary_that_contradicts_the_lists_is_a_finding(
    roots: Roots, capsys: pytest.CaptureFixture[str], change: dict[str, int], finding: str
) -> None:
    roots.of[OTHER].summary = change
    document = taken(capsys, 1)
    assert next(iter(document["accounts"])) == OTHER, "on top"
    assert document["accounts"][OTHER]["findings"] == [finding]
    run()
    assert capsys.readouterr().out.startswith(f"{OTHER} =1+1: {finding}")


# --- What cannot be read ---


def test_denied_read_is_a_row_and_quotes_no_credentials(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("ListMFADevices", "AccessDenied", f"said of {SECRET}-TOKEN\nand x-amz-security-token:{SECRET}-TOKEN")
    assert run("--format", "json") == 1
    said = capsys.readouterr()
    accounts = {each["account_id"]: each for each in json.loads(said.out)["accounts"]}
    assert [accounts[each]["status"] for each in (MEMBER, OTHER, MANAGEMENT)] == ["UNKNOWN", "UNKNOWN", "COMPLIANT"]
    [advice] = accounts[MEMBER]["advice"]
    assert advice["why"].startswith(f"iam:ListMFADevices failed in account {MEMBER}: AccessDenied")
    assert "service control policy that denies the root user" in advice["action"]
    assert SECRET not in said.out + said.err


@pytest.mark.parametrize("missing", ["SessionToken", "SecretAccessKey"])
def test_broken_answer_of_sts_shows_no_credentials(
    roots: Roots, fake: FakeAws, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    def assume(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        given = dict(roots.assume_root(asked)["Credentials"])
        del given[missing]
        return {"Credentials": given}

    fake.answers["AssumeRoot"] = assume
    assert run() == 1
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert "cannot be understood" in said.out


def test_session_of_somebody_else_is_refused(roots: Roots, fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["GetUser"] = roots.of[OTHER].get_user
    accounts = taken(capsys, 1)["accounts"]
    assert accounts[MEMBER]["status"] == "UNKNOWN"
    assert "is not of the account's root user" in accounts[MEMBER]["advice"][0]["why"]


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("Throttling", "AWS throttled the calls"),
        ("AccessDenied", "Either a policy denies you sts:AssumeRoot, or STS does not know"),
        ("ExpiredToken", "sign in again"),
    ],
)
def test_session_that_one_account_refuses(
    roots: Roots, fake: FakeAws, capsys: pytest.CaptureFixture[str], code: str, action: str
) -> None:
    def assume(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["TargetPrincipal"] == MEMBER:
            raise RefusalError(code)
        return roots.assume_root(asked)

    fake.answers["AssumeRoot"] = assume
    accounts = taken(capsys, 1)["accounts"]
    assert action in accounts[MEMBER]["advice"][0]["action"]
    assert accounts[OTHER]["status"] == "COMPLIANT"


# --- Centralized root access ---


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("", ENABLE),
        (
            "ServiceAccessNotEnabledException",
            "aws organizations enable-aws-service-access --service-principal iam.amazonaws.com",
        ),
        (
            "AccountNotManagementOrDelegatedAdministratorException",
            f"aws organizations register-delegated-administrator --account-id {MANAGEMENT}",
        ),
        ("OrganizationNotInAllFeaturesModeException", "aws organizations enable-all-features"),
    ],
)
def test_what_is_off_is_said_once_with_the_commands(
    roots: Roots, fake: FakeAws, capsys: pytest.CaptureFixture[str], code: str, command: str
) -> None:
    if code:
        fake.refuse("ListOrganizationsFeatures", code)
    else:
        fake.answers["ListOrganizationsFeatures"] = {"EnabledFeatures": ["RootSessions"]}
    document = taken(capsys, 1)
    assert roots.sessions == []
    assert [command in each["commands"][0] for each in document["notes"] if each["commands"]] == [True]
    for account_id in (MEMBER, OTHER):
        assert document["accounts"][account_id]["reason"] == "Root sessions are not possible: see the note."
        assert document["accounts"][account_id]["advice"] == []
    assert document["accounts"][MANAGEMENT]["status"] == "COMPLIANT", "it needs no root session"


@pytest.mark.parametrize(
    ("message", "command"), [(FEATURE_OFF, ENABLE), ("Service not enabled for AWS Organizations.", "aws org")]
)
def test_sts_that_refuses_every_account_is_one_note_too(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], message: str, command: str
) -> None:
    fake.refuse("ListOrganizationsFeatures", "AccessDenied")
    fake.refuse("AssumeRoot", "AccessDenied", message)
    document = taken(capsys, 1)
    assert [each["commands"][0].startswith(command) for each in document["notes"] if each["commands"]] == [True]
    assert document["accounts"][MEMBER]["reason"] == "Root sessions are not possible: see the note."


def test_without_an_organization(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeOrganization", "AWSOrganizationsNotInUseException")
    assert run() == 2
    assert f"Account {MANAGEMENT} is in no organization" in capsys.readouterr().err


# --- Lists ---


def test_lists_answer_their_questions(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    member, other = roots.of[MEMBER], roots.of[OTHER]
    member.keys, member.password = {"AKIAUSED000000000000": LATELY}, None
    other.devices = [serial(OTHER, "u2f/root/key-R1234")]
    document = taken(capsys, 0)
    assert document["lists"] == {
        "access_keys_in_use": [MEMBER],
        "one_device": [OTHER, MEMBER],
        "only_a_passkey": [OTHER],
        "removable": [
            {
                "account_id": OTHER,
                "command": f"aws ssm start-automation-execution --region {REGION} "
                "--document-name RootVirtualMfa-RemoveRootCredentials "
                f"--parameters AccountId={OTHER},DryRun=true",
            }
        ],
    }
    assert taken(capsys, 0, "--unused-days", "2")["lists"]["access_keys_in_use"] == []
    assert taken(capsys, 0, "--unused-days", "500")["lists"]["removable"] == []


@pytest.mark.parametrize("used", ["sign-in", "key", "certificate", "new password"])
def test_credentials_that_may_be_in_use_are_not_removable(roots: Roots, capsys: pytest.CaptureFixture[str], used: str) -> None:
    root = roots.of[MEMBER]
    root.signed_in = LATELY if used == "sign-in" else None
    root.keys = {"AKIAX000000000000000": LATELY} if used == "key" else {}
    root.certificates = ["CERT"] if used == "certificate" else []
    root.password = LATELY if used == "new password" else LONG_AGO
    assert [each["account_id"] for each in taken(capsys, 0)["lists"]["removable"]] == [OTHER]


def test_if_no_account_shows_a_sign_in_a_note_says_so(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    said = "No root user shows when somebody last signed in."
    assert [each["why"].startswith(said) for each in taken(capsys, 0)["notes"]].count(True) == 1
    roots.of[OTHER].signed_in = LONG_AGO
    assert not any(each["why"].startswith(said) for each in taken(capsys, 0)["notes"])


# --- Somebody interrupts it ---


def test_interrupt_keeps_what_was_read(
    roots: Roots, fake: FakeAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "THREADS", 1)
    never = threading.Event()

    def assume(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["TargetPrincipal"] == OTHER:
            os.kill(os.getpid(), signal.SIGINT)
            never.wait(600)
        return roots.assume_root(asked)

    fake.answers["AssumeRoot"] = assume
    try:
        document = taken(capsys, 130)
    finally:
        never.set()
    assert document["interrupted"] is True
    assert [document["accounts"][each]["status"] for each in (MANAGEMENT, MEMBER, OTHER)] == [
        "COMPLIANT",
        "COMPLIANT",
        "UNKNOWN",
    ]


# --- How it is shown ---


def test_json_keys_are_those_that_are_documented(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    roots.of[MEMBER].keys, roots.of[MEMBER].certificates = {"AKIAX000000000000000": LATELY}, ["CERT"]
    document = taken(capsys, 0)
    member = document["accounts"][MEMBER]
    documented = formats.as_json.__doc__ or ""
    parts = (document, document["lists"], document["notes"][0], document["lists"]["removable"][0], member)
    lists = (member["access_keys"][0], member["signing_certificates"][0], member["mfa_devices"][0])
    assert {key for each in (*parts, *lists) for key in each if f"`{key}`" not in documented} == set()


def test_files_have_the_same_rows(roots: Roots, fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = [account(MANAGEMENT, "Management"), account(MEMBER, HOSTILE), account(OTHER, "=1+1")]
    fake.answers["ListAccounts"] = {"Accounts": named}
    roots.of[MEMBER].devices = [HOSTILE]
    paths = {suffix: tmp_path / f"inventory.{suffix}" for suffix in ("txt", "csv", "html", "json")}
    run(*(word for path in paths.values() for word in ("--output", str(path))))
    texts = {suffix: path.read_text(encoding="utf-8") for suffix, path in paths.items()}
    printed = capsys.readouterr().out
    assert texts["txt"] in printed
    listed = json.loads(texts["json"])["accounts"]
    lines = list(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    assert [line["account_id"] for line in lines] == [each["account_id"] for each in listed]
    assert "'=1+1" in {line["account_name"] for line in lines}, "a formula is text"
    assert all(f'data-account="{each["account_id"]}" data-status="{each["status"]}"' in texts["html"] for each in listed)
    check_shown(printed, 2)
    check_shown(texts["html"], 0)
    check_shown(texts["csv"].replace("\r\n", "\n"), 0)
    assert texts["html"].count("<script>") == 1


# --- The core ---

moments = st.datetimes(datetime(2015, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
words = st.text(min_size=1, max_size=6)
keys = st.lists(st.builds(AccessKey, words, st.booleans(), moments, st.none() | moments), max_size=2).map(tuple)
certificates = st.lists(st.builds(Certificate, words, st.booleans(), moments), max_size=2).map(tuple)
serials = st.sampled_from([serial(MEMBER, "mfa/phone"), serial(MEMBER, "u2f/root/x"), "GAHT12345678", "arn:aws:iam::1:else/x"])
devices = st.lists(st.builds(Device, serials, st.none() | moments), max_size=3).map(tuple)
summaries = st.builds(AccountSummary, st.booleans(), *[st.none() | st.booleans()] * 3)
root_users = st.builds(
    RootUser,
    st.just("aws"), st.just(MEMBER), summaries, st.none() | st.booleans(), st.none() | moments, st.none() | moments,
    st.none() | keys, st.none() | certificates, devices, st.none() | st.integers(0, 2),
)  # fmt: skip  # as a table
unread = st.builds(
    Unread, words | st.just(FEATURE_OFF), st.sampled_from(["AccessDenied", "Throttling", ""]), st.sampled_from(Step)
)
IDS = [MANAGEMENT, MEMBER, OTHER, CLOSED]


@given(
    st.lists(st.sampled_from(IDS), unique=True),
    st.dictionaries(st.sampled_from(IDS[:3]), root_users | unread),
    st.none() | st.sampled_from(Refusal),
    st.none() | st.dictionaries(st.sampled_from(IDS), st.sampled_from(Status)),
    st.integers(1, 400),
)
def test_every_account_has_one_row_and_nothing_unknown_has_a_verdict(
    ids: list[str],
    readings: dict[str, RootUser | Unread],
    refusal: Refusal | None,
    rule_statuses: dict[str, Status] | None,
    unused_days: int,
) -> None:
    listed = [Account(each, each, "", "SUSPENDED" if each == CLOSED else "ACTIVE") for each in ids]
    observed = Observed(NOW, MANAGEMENT, REGION, MANAGEMENT, listed, readings, Parameters(), refusal, rule_statuses)
    found = inventory(observed, unused_days)
    assert sorted(row.account.account_id for row in found.rows) == sorted(ids)
    for row in found.rows:
        read = readings.get(row.account.account_id)
        if isinstance(read, RootUser):
            assert str(row.status) == decide(read.facts, Parameters()).verdict
            differs = (
                row.rule_status in {Status.COMPLIANT, Status.NON_COMPLIANT, Status.NOT_APPLICABLE}
                and row.rule_status != row.status
            )
            assert any("The rule's result" in each for each in row.findings) == differs
        else:
            assert row.status is (Status.SUSPENDED if row.account.account_id == CLOSED else Status.UNKNOWN)
            assert row.finding
    removable = {row.account.account_id for row in found.lists[List.REMOVABLE]}
    assert MANAGEMENT not in removable
    assert {row.account.account_id for row in found.lists[List.ONLY_A_PASSKEY]} <= {
        row.account.account_id for row in found.lists[List.ONE_DEVICE]
    }
    order = [(not row.findings, STATUSES.index(row.status)) for row in found.rows]
    assert order == sorted(order), "what contradicts is on top"
    for text in (as_text(formats.print_table, found), formats.as_html(found), formats.as_csv(found), formats.as_json(found)):
        assert all(account_id in text for account_id in ids)


@given(root_users, st.integers(1, 4000))
def test_what_was_used_since_then_is_never_unused(root: RootUser, days: int) -> None:
    since = NOW - timedelta(days=days)
    uses = [key.last_used for key in root.access_keys or ()] + ([root.password_last_used] if root.password else [])
    if any(used and used >= since for used in uses) or any(each.is_active for each in root.certificates or ()):
        assert not root.is_unused(since)


@pytest.mark.parametrize(
    ("serial_number", "kind"),
    [
        (serial(MEMBER, "mfa/root-account-mfa-device"), Kind.VIRTUAL),
        ("arn:aws-iso:iam::333333333333:mfa/devices/phone", Kind.VIRTUAL),
        (serial(MEMBER, "u2f/root/testFidoKey-R1234"), Kind.PASSKEY),
        ("GAHT12345678", Kind.HARDWARE),
        (serial(MEMBER, "something/new"), Kind.OTHER),
    ],
)
def test_kind_is_that_of_the_serial_number(serial_number: str, kind: Kind) -> None:
    assert Device(serial_number).kind is kind
