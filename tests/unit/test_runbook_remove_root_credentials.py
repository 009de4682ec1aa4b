"""The script of RootVirtualMfa-RemoveRootCredentials, with a fake root user."""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from remediation.remove_root_credentials import DELETE, PERMISSIONS, READS, CredentialsRemainError, remove
from remediation.root_credentials import AUDIT, KINDS, STS_READS, STS_WAIT, CallError, RefusedError, plan
from tests.fake_aws import CENTRAL, Answer, FakeAws, RefusalError

ACCOUNT, MANAGEMENT, BACKUPS = "123456789012", "999999999999", "888888888888"
VIRTUAL, SECOND = f"arn:aws:iam::{ACCOUNT}:mfa/phone", f"arn:aws:iam::{ACCOUNT}:mfa/devices/tablet"
KEY = f"arn:aws:iam::{ACCOUNT}:u2f/root-account/key-1"
SECRET = "CONFIDENTIAL"  # noqa: S105 - the mark of what is secret, and no secret itself
EXECUTION = "00000000-0000-4000-8000-000000000001"
EVENT = {
    "AccountId": ACCOUNT,
    "DryRun": False,
    "DeniedAccounts": [BACKUPS],
    "CentralAccountId": CENTRAL,
    "Partition": "aws",
    "Region": "eu-central-1",
    "ExecutionId": EXECUTION,
    "MinimumApprovals": "1",
    "Version": "3",
}
STARTED = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
STARTER, LEAD, DEPUTY = (f"arn:aws:iam::{CENTRAL}:user/{name}" for name in ("starter", "lead", "deputy"))
BEFORE = ("GetAutomationExecution", "DescribeDocument", "DescribeOrganization", "DescribeAccount", "ListOrganizationsFeatures")
"""Calls in the central account, before any root session."""
FOUND = ("GetLoginProfile", "ListAccessKeys", "ListSigningCertificates", "ListMFADevices")
"""Calls in a root session that show what there is."""
READ = (*BEFORE, "AssumeRoot", *FOUND)
CHANGES = ("DeleteAccessKey", "DeleteSigningCertificate", "DeleteLoginProfile", "DeactivateMFADevice", "DeleteVirtualMFADevice")
ALL = [
    "access key AKIAIOSFODNN7EXAMP1",
    "access key AKIAIOSFODNN7EXAMP2",
    "signing certificate CERTIFICATEOFROOTEXAMPLE1",
    "console password",
    f"MFA device {VIRTUAL}",
    f"MFA device {KEY}",
]
"""What the root user has at first, as the runbook names it, in the order of its removal."""
AS_ROOT = {f"iam:{operation}" for operation in (*FOUND, *CHANGES, "GetAccountSummary")}
"""What the task policies of root sessions allow."""


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
        self.waits: list[float] = []
        self.hidden_reads = 0
        """How many summaries after a deletion still show what was deleted."""
        self.document = {"Name": "RootVirtualMfa-RemoveRootCredentials", "DefaultVersion": "3", "CreatedDate": STARTED}
        self.execution: dict[str, Any] = {
            "AutomationExecutionId": EXECUTION,
            "DocumentName": "RootVirtualMfa-RemoveRootCredentials",
            "DocumentVersion": "3",
            "ExecutionStartTime": STARTED,
            "ExecutedBy": STARTER,
        }
        self.approve: dict[str, Any] = {"StepName": "Approve", "StepStatus": "Success"}
        self.decided({"Approver": LEAD, "Decision": "Approve", "Comment": "The plan is read."})
        self.answers |= {
            "GetAutomationExecution": self._get_execution,
            "DescribeDocument": self._describe_document,
            "DescribeOrganization": {"Organization": {"MasterAccountId": MANAGEMENT}},
            "DescribeAccount": {"Account": {"Id": ACCOUNT, "State": "ACTIVE", "Status": "ACTIVE"}},
            "ListOrganizationsFeatures": {"EnabledFeatures": ["RootCredentialsManagement"]},
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

    def decided(self, *decisions: object) -> None:
        """Set the approvers' decisions. Each is a text or becomes JSON."""
        said = [each if isinstance(each, str) else json.dumps(each) for each in decisions]
        self.approve["Outputs"] = {"ApprovalStatus": ["Approved"], "ApproverDecisions": said}

    def _get_execution(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert asked == {"AutomationExecutionId": EXECUTION}
        steps = [{"StepName": "Plan", "StepStatus": "Success"}, *([self.approve] if self.approve else [])]
        return {"AutomationExecution": {"StepExecutions": steps, **self.execution}}

    def _describe_document(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert asked == {"Name": "RootVirtualMfa-RemoveRootCredentials"}, "the default version is what is asked for"
        return {"Document": self.document}

    def _login_profile(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert asked == {}, "root is named by no UserName"
        if not self.password:
            raise RefusalError("NoSuchEntity")
        return {"LoginProfile": {"UserName": "root", "CreateDate": 0}}

    @staticmethod
    def _page(asked: Mapping[str, Any], member: str, name: str, items: list[str]) -> dict[str, Any]:
        """Return one entry a page."""
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
    fake = Root()
    monkeypatch.setattr("time.sleep", fake.waits.append)
    with fake.in_place():
        yield fake
    assert fake.actions <= PERMISSIONS["plan"] | PERMISSIONS["remove"] | AS_ROOT


def run(root: Root, dry_run: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as the runbook's parameter is
    """Run the steps of the runbook. Everything goes through JSON."""
    outputs = through_json(plan, EVENT | {"DryRun": dry_run})
    if outputs["Removes"]:
        outputs |= through_json(remove, EVENT | {name: outputs[name] for name in ("Found", "Version")})
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
    assert root.changes == [*["DeleteAccessKey"] * 2, *CHANGES[1:3], *["DeactivateMFADevice"] * 2, "DeleteVirtualMFADevice"]
    assert outputs["Removed"] == ", ".join(ALL)
    assert outputs["Text"] == f"{outputs['Approval']} Removed: {outputs['Removed']}. Nothing remains."
    assert root.unassigned == []


@pytest.mark.usefixtures("root")
def test_what_automation_hands_over_may_be_json_or_what_that_says() -> None:
    planned = through_json(plan, EVENT)
    event = EVENT | {"Found": json.loads(planned["Found"]), "Version": int(planned["Version"])}
    assert through_json(remove, event)["Removed"] == ", ".join(ALL)


def test_devices_that_iam_does_not_delete_are_left_unassigned_and_the_rest_goes_on(root: Root) -> None:
    root.devices.append(SECOND)
    root.refuse("DeleteVirtualMFADevice", "AccessDenied")
    outputs = run(root)
    why = "iam:DeleteVirtualMFADevice: AccessDenied"
    left = f"Left unassigned, harmless: {VIRTUAL} ({why}), {SECOND} ({why})."
    assert outputs["Text"].endswith(f", MFA device {SECOND}. {left} Nothing remains.")
    assert outputs["Removed"] == ", ".join([*ALL, f"MFA device {SECOND}"])
    assert root.devices == []


def test_devices_that_iam_does_not_deactivate_fail_the_run_and_are_named(root: Root) -> None:
    root.refuse("DeactivateMFADevice", "AccessDenied")
    said = not_removed(through_json(plan, EVENT)["Found"])
    assert root.changes == [*["DeleteAccessKey"] * 2, *CHANGES[1:3], *["DeactivateMFADevice"] * 2]
    assert f" Removed: {', '.join(ALL[:4])}. iam:DeactivateMFADevice failed in account {ACCOUNT}: AccessDenied" in said
    assert f" Remaining: {', '.join(ALL[4:])}. " in said
    assert "harmless" not in said


def test_the_second_run_finds_nothing_to_remove(root: Root) -> None:
    run(root)
    outputs = run(root)
    assert outputs["Removes"] is False
    assert outputs["Text"].endswith("There is nothing to remove.")


def test_sessions_are_root_sessions_of_the_account_for_one_task_and_short(root: Root) -> None:
    run(root)
    sessions = root.called("AssumeRoot")
    assert [session["TaskPolicyArn"]["arn"].rpartition("/")[2] for session in sessions] == [AUDIT, DELETE, AUDIT]
    assert {(session["TargetPrincipal"], session["DurationSeconds"]) for session in sessions} == {(ACCOUNT, 900)}


# --- Faults ---


@pytest.mark.parametrize("answered", [False, True], ids=["refused", "done, but the answer lost"])
@pytest.mark.parametrize("operation", CHANGES[:3])
def test_after_a_fault_it_says_what_it_did_and_a_second_run_ends_the_same(root: Root, operation: str, answered: bool) -> None:  # noqa: FBT001 - pytest gives it
    normal = fail_at(root, operation, answered=answered)
    said = not_removed(through_json(plan, EVENT)["Found"])
    assert f"iam:{operation} failed in account {ACCOUNT}: ServiceFailure: said by AWS. Start" in said
    removed = said.partition(" Removed: ")[2].partition(". ")[0]
    assert removed == (", ".join(ALL[: root.changes.index(operation)]) or "nothing")
    assert "DeactivateMFADevice" not in root.changes, "it protects what remains"
    root.answers[operation] = normal
    run(root)
    assert (root.keys, root.certificates, root.password, root.devices) == ([], [], False, [])


def test_a_device_that_a_fault_keeps_does_not_keep_the_others(root: Root) -> None:
    root.devices = [VIRTUAL, SECOND]
    normal, faults = root.answers["DeactivateMFADevice"], ["ServiceFailure"]
    assert callable(normal)

    def fail_once(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if faults:
            raise RefusalError(faults.pop())
        return normal(asked)

    root.answers["DeactivateMFADevice"] = fail_once
    said = not_removed(through_json(plan, EVENT)["Found"])
    assert f"MFA device {SECOND}. iam:DeactivateMFADevice failed in account {ACCOUNT}: ServiceFailure" in said
    assert said.endswith(f" Remaining: MFA device {VIRTUAL}. Start the runbook again: it continues from here.")


@pytest.mark.parametrize("operation", CHANGES[3:])
def test_an_answer_that_was_lost_is_nobodys_matter_if_nothing_remains(root: Root, operation: str) -> None:
    fail_at(root, operation, answered=True)
    outputs = run(root)
    assert outputs["Removed"] == ", ".join(ALL)
    assert outputs["Text"].endswith("Nothing remains.")
    assert "Start the runbook again" not in outputs["Text"]
    assert ("Left unassigned" in outputs["Text"]) == (operation == "DeleteVirtualMFADevice")


def fail_at(root: Root, operation: str, *, answered: bool) -> Answer:
    """Let an operation fail, without or after what it does. Return what answers it otherwise."""
    normal = root.answers[operation]
    assert callable(normal)

    def fail(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if answered:
            normal(asked)
        raise RefusalError("ServiceFailure")

    root.answers[operation] = fail
    return normal


def not_removed(found: str) -> str:
    """Run a removal that fails because something remains. Return its message."""
    with pytest.raises(CredentialsRemainError) as caught:
        remove(EVENT | {"Found": found}, None)
    return str(caught.value)


def test_what_remains_fails_the_run_and_is_named(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.refuse("DeleteAccessKey", "ServiceFailure")
    said = not_removed(found)
    assert said.startswith(f"Approved by {LEAD}, started by {STARTER}. Removed: nothing. iam:DeleteAccessKey failed in account")
    remaining = said.partition(" Remaining: ")[2]
    assert remaining == f"{', '.join(ALL)}. Start the runbook again: it continues from here."
    assert len(root.called("GetAccountSummary")) == READS


@pytest.mark.parametrize("operation", ["AssumeRoot", "GetAccountSummary"])
def test_a_run_that_cannot_see_what_remains_still_says_what_it_removed(root: Root, operation: str) -> None:
    found = plan(EVENT, None)["Found"]
    normal = root.answers[operation]

    def fail(_: Mapping[str, Any]) -> Mapping[str, Any]:
        if root.devices == []:
            raise RefusalError("ServiceFailure")
        assert isinstance(normal, Mapping)
        return normal

    root.answers[operation] = fail
    with pytest.raises(CallError) as caught:
        remove(EVENT | {"Found": found}, None)
    assert f"Removed: {', '.join(ALL)}. What remains could not be read: " in str(caught.value)
    assert f":{operation} failed in account {ACCOUNT}: ServiceFailure" in str(caught.value)
    assert caught.value.code == "ServiceFailure"


def test_iam_is_given_time_to_be_consistent(root: Root) -> None:
    root.hidden_reads = READS - 1
    assert run(root)["Text"].endswith("Nothing remains.")
    nothing = json.dumps({kind: [] for kind in KINDS})
    root.hidden_reads = READS
    assert "Remaining: console password (according to AccountPasswordPresent). " in not_removed(nothing)


def test_a_summary_that_lacks_a_key_proves_nothing(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.answers["GetAccountSummary"] = {"SummaryMap": {"AccountMFAEnabled": 0}}
    assert "access key (according to AccountAccessKeysPresent)" in not_removed(found)


def test_what_came_after_the_approval_is_not_removed(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.keys.append("AKIAIOSFODNN7EXAMP3")
    with pytest.raises(
        RefusedError, match=r"now has more than was approved: access key AKIAIOSFODNN7EXAMP3.*Nothing was removed"
    ):
        remove(EVENT | {"Found": found}, None)
    assert root.changes == []


def test_what_went_after_the_approval_is_no_fault(root: Root) -> None:
    found = plan(EVENT, None)["Found"]
    root.keys.remove("AKIAIOSFODNN7EXAMP1")
    assert remove(EVENT | {"Found": found}, None)["Text"].endswith("Nothing remains.")


def test_what_goes_in_the_same_moment_is_no_fault(root: Root) -> None:
    found = plan(EVENT, None)["Found"]

    def gone(_: Mapping[str, Any]) -> Mapping[str, Any]:
        root.certificates.clear()
        raise RefusalError("NoSuchEntity")

    root.answers["DeleteSigningCertificate"] = gone
    assert remove(EVENT | {"Found": found}, None)["Text"].endswith("Nothing remains.")


def test_a_device_that_is_deactivated_by_then_is_deleted_all_the_same(root: Root) -> None:
    found = plan(EVENT, None)["Found"]

    def gone(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        root.devices.remove(asked["SerialNumber"])
        root.unassigned.append(asked["SerialNumber"])
        raise RefusalError("NoSuchEntity")

    root.answers["DeactivateMFADevice"] = gone
    assert remove(EVENT | {"Found": found}, None)["Text"].endswith("Nothing remains.")
    assert root.unassigned == [KEY]


def test_a_policy_that_denies_root_is_named(root: Root) -> None:
    root.refuse("ListAccessKeys", "AccessDenied")
    with pytest.raises(CallError, match=r"iam:ListAccessKeys .*AccessDenied.* has to exempt sessions of sts:AssumeRoot\.$"):
        plan(EVENT, None)


def test_whoever_executes_a_dry_run_to_its_end_removes_nothing(root: Root) -> None:
    """Whatever Automation makes of a branch."""
    with pytest.raises(RefusedError, match=r"is a dry run\. Nothing was removed"):
        remove(EVENT | {"DryRun": "true", "Found": "{}"}, None)
    assert root.calls == []


# --- Refusals ---


def refused(root: Root, event: dict[str, Any]) -> str:
    """Check that both steps refuse before they open a root session. Return their message."""
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
    assert "is not in this organization" in refused(root, EVENT)


@pytest.mark.parametrize("state", [{"State": "SUSPENDED", "Status": "ACTIVE"}, {"State": "SUSPENDED"}, {"Status": "SUSPENDED"}])
def test_a_suspended_account_is_refused(root: Root, state: dict[str, str]) -> None:
    root.answers["DescribeAccount"] = {"Account": {"Id": ACCOUNT, **state}}
    assert "is SUSPENDED, not ACTIVE" in refused(root, EVENT)


@pytest.mark.parametrize("enabled", [["RootSessions"], []])
def test_an_organization_without_the_feature_is_told_how_to_switch_it_on(root: Root, enabled: list[str]) -> None:
    root.answers["ListOrganizationsFeatures"] = {"EnabledFeatures": enabled}
    assert refused(root, EVENT).endswith("aws iam enable-organizations-root-credentials-management")


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


# --- Root sessions ---

NOT_AUTHORIZED = f"User: {STARTER} is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::{ACCOUNT}:root"
POLICY, STS, FEATURE, TRUST = (
    "a policy keeps the runbook's role from sts:AssumeRoot",
    "STS does not know this account as IAM's delegated administrator",
    "enable-organizations-root-credentials-management",
    "enable-aws-service-access --service-principal iam.amazonaws.com",
)


@pytest.mark.parametrize(
    ("message", "causes"),
    [
        (NOT_AUTHORIZED, {POLICY, STS}),
        (f"{NOT_AUTHORIZED} with an explicit deny in a service control policy", {POLICY, STS}),
        ("Root credentials management feature is not enabled for your AWS Organization.", {FEATURE}),
        ("Service not enabled for AWS Organizations.", {TRUST}),
        ("Something else.", {POLICY, STS, FEATURE, TRUST}),
    ],
)
def test_a_session_that_is_denied_has_causes_that_the_answer_tells(root: Root, message: str, causes: set[str]) -> None:
    root.refuse("AssumeRoot", "AccessDenied", message)
    with pytest.raises(CallError) as caught:
        plan(EVENT, None)
    said = str(caught.value)
    assert said.startswith(f"sts:AssumeRoot failed in account {ACCOUNT}: AccessDenied: {message.rstrip('.')}. ")
    assert {cause for cause in (POLICY, STS, FEATURE, TRUST) if cause in said} == causes
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


@pytest.mark.parametrize("denied", [1, STS_READS - 1])
def test_sts_is_given_time_to_hear_what_iam_knows(root: Root, denied: int) -> None:
    """A public capture: STS lagged IAM by one to three minutes."""
    given, left = root.answers["AssumeRoot"], [NOT_AUTHORIZED] * denied
    assert isinstance(given, Mapping)

    def lag(_: Mapping[str, Any]) -> Mapping[str, Any]:
        if left:
            raise RefusalError("AccessDenied", left.pop())
        return given

    root.answers["AssumeRoot"] = lag
    assert plan(EVENT, None)["Removes"] is True
    assert root.waits == [STS_WAIT] * denied


def test_sts_is_not_waited_for_without_end_or_for_another_reason(root: Root) -> None:
    root.refuse("AssumeRoot", "AccessDenied", NOT_AUTHORIZED)
    with pytest.raises(CallError):
        plan(EVENT, None)
    assert (sum(root.waits), len(root.called("AssumeRoot"))) == (180, STS_READS)
    root.waits.clear()
    root.refuse("AssumeRoot", "RegionDisabledException")
    with pytest.raises(CallError, match="RegionDisabledException"):
        plan(EVENT, None)
    assert root.waits == []


@dataclass
class SignedRequests:
    """An older boto3, and the requests that go out without it. `status` and `answer` are AWS's."""

    status: int = 200
    answer: bytes = b""
    requests: list[Any] = field(default_factory=list)

    def send(self, request: object) -> "SignedRequests":
        self.requests.append(request)
        return self

    @property
    def status_code(self) -> int:
        return self.status

    @property
    def content(self) -> bytes:
        return self.answer


@pytest.fixture
def older_boto3(root: Root, monkeypatch: pytest.MonkeyPatch) -> SignedRequests:
    """Take from boto3 what came with sts:AssumeRoot."""
    client, signed = boto3.client, SignedRequests()

    def older(service: str, **settings: Any) -> object:  # noqa: ANN401 - boto3's own
        made = client(service, **settings)  # type: ignore[call-overload]  # the name is not known here
        for name in ("assume_root", "list_organizations_features"):
            if hasattr(made, name):
                monkeypatch.delattr(type(made), name)
        return made

    monkeypatch.setattr("boto3.client", older)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda _, request: signed.send(request))
    root.actions |= {"sts:AssumeRoot", "iam:ListOrganizationsFeatures"}
    return signed


def test_an_older_boto3_is_no_obstacle(root: Root, older_boto3: SignedRequests) -> None:
    members = "".join(f"<{name}>{SECRET}</{name}>" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    namespace = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    result = f"<AssumeRootResult><Credentials>{members}</Credentials></AssumeRootResult>"
    older_boto3.answer = f"<AssumeRootResponse {namespace}>{result}</AssumeRootResponse>".encode()
    assert run(root)["Text"].endswith("Nothing remains.")
    assert root.called("AssumeRoot") == root.called("ListOrganizationsFeatures") == []
    requests = older_boto3.requests
    assert {(request.method, request.url) for request in requests} == {("POST", "https://sts.eu-central-1.amazonaws.com")}
    assert all("/eu-central-1/sts/aws4_request" in request.headers["Authorization"] for request in requests)
    task = "arn:aws:iam::aws:policy/root-task/"
    assert [dict(parse_qsl(request.body)) for request in requests] == [
        {
            "Action": "AssumeRoot",
            "Version": "2011-06-15",
            "TargetPrincipal": ACCOUNT,
            "TaskPolicyArn.arn": f"{task}{name}",
            "DurationSeconds": "900",
        }
        for name in (AUDIT, DELETE, AUDIT)
    ]


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (
            403,
            f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{NOT_AUTHORIZED}</Message></Error></ErrorResponse>",
            f"AccessDenied: {NOT_AUTHORIZED}. Either a policy",
        ),
        (500, f"<html>{SECRET}", "ParseError: the answer cannot be understood. "),
        (200, f"<Answer>{SECRET}</Answer>", "KeyError: the answer cannot be understood. "),
    ],
)
def test_an_older_boto3_fails_as_another_does(older_boto3: SignedRequests, status: int, answer: str, said: str) -> None:
    older_boto3.status, older_boto3.answer = status, answer.encode()
    with pytest.raises(CallError) as caught:
        plan(EVENT, None)
    assert f"sts:AssumeRoot failed in account {ACCOUNT}: {said}" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- Which version ---


def outdated(root: Root) -> None:
    """Check that both steps refuse the version of this execution before they do anything else."""
    assert "Another version may name former approvers" in refused(root, EVENT)
    assert {operation for operation, _ in root.calls} == {"GetAutomationExecution", "DescribeDocument"}


@pytest.mark.parametrize("version", ["1", "2", "4", "$LATEST", "", None], ids=repr)
def test_another_version_than_the_default_one_is_refused(root: Root, version: str | None) -> None:
    root.execution["DocumentVersion"] = version
    outdated(root)


@pytest.mark.parametrize("default", [None, ""], ids=repr)
@pytest.mark.parametrize("version", [None, "", "3", "$DEFAULT"], ids=repr)
def test_without_a_default_version_none_is_taken(root: Root, version: str | None, default: str | None) -> None:
    root.execution["DocumentVersion"], root.document["DefaultVersion"] = version, default
    outdated(root)


def test_a_start_without_a_version_may_be_told_as_such(root: Root) -> None:
    root.execution["DocumentVersion"] = "$DEFAULT"
    assert run(root)["Text"].endswith("Nothing remains.")


@pytest.mark.parametrize("made", [STARTED + timedelta(seconds=1), None], ids=["after the start", "unknown"])
def test_what_became_the_default_after_the_start_is_another_version(root: Root, made: datetime | None) -> None:
    """An execution can wait for others before its first step. Then an old version must not pass for the new one."""
    root.execution["DocumentVersion"] = "$DEFAULT"
    root.document |= {"CreatedDate": made}
    outdated(root)


@pytest.mark.parametrize("told", ["3", "$DEFAULT"])
def test_a_version_that_became_the_default_since_the_plan_stops_the_removal(root: Root, told: str) -> None:
    root.execution["DocumentVersion"] = told
    planned = plan(EVENT, None)
    root.document["DefaultVersion"] = "4"
    with pytest.raises(RefusedError, match=r"Nothing was removed"):
        remove(EVENT | {name: planned[name] for name in ("Found", "Version")}, None)
    assert root.changes == []


@pytest.mark.parametrize("operation", ["GetAutomationExecution", "DescribeDocument"])
def test_what_cannot_be_read_is_no_default_version(root: Root, operation: str) -> None:
    root.refuse(operation, "AccessDeniedException")
    for step in (plan, remove):
        with pytest.raises(
            CallError, match=rf"ssm:{operation} failed in account {CENTRAL}: AccessDeniedException: said by AWS"
        ):
            step(EVENT | {"Found": "{}"}, None)
    assert root.called("AssumeRoot") == []


@pytest.mark.parametrize("by", ["ParentAutomationExecutionId", "AssociationId"])
def test_people_start_it_and_no_other_execution(root: Root, by: str) -> None:
    root.execution[by] = "00000000-0000-4000-8000-000000000002"
    assert "Only people start this runbook" in refused(root, EVENT)


# --- Who approves ---


def approve(who: str, decision: str = "Approve") -> dict[str, str]:
    return {"Approver": who, "Decision": decision}


def role(name: str, session: str | None = None, account_id: str = CENTRAL) -> str:
    if session is None:
        return f"arn:aws:iam::{account_id}:role/{name}"
    return f"arn:aws:sts::{account_id}:assumed-role/{name}/{session}"


def approval(root: Root, minimum: int = 1) -> str:
    """Run a removal that removes everything. Return what it says about its approval."""
    found = plan(EVENT, None)["Found"]
    outcome = remove(EVENT | {"Found": found, "MinimumApprovals": str(minimum)}, None)
    assert (root.keys, root.devices) == ([], [])
    assert outcome["Text"].endswith("Nothing remains.")
    return str(outcome["Approval"])


def unapproved(root: Root, minimum: int = 1) -> str:
    """Check that the removal refuses before it opens a session that may delete. Return why."""
    found = plan(EVENT, None)["Found"]
    root.calls.clear()
    with pytest.raises(RefusedError, match=r"Nothing was removed\. Start the runbook again\.$") as caught:
        remove(EVENT | {"Found": found, "MinimumApprovals": minimum}, None)
    assert root.called("AssumeRoot") == []
    return str(caught.value)


def test_the_run_says_who_approved_and_who_started(root: Root) -> None:
    assert approval(root) == f"Approved by {LEAD}, started by {STARTER}."
    assert run(root)["Text"].startswith("Root user of account")


@pytest.mark.parametrize(
    ("starter", "approver"),
    [
        (LEAD, LEAD),
        (LEAD, LEAD.upper().replace("ARN:AWS:IAM", "arn:aws:iam").replace("USER", "user")),
        (LEAD, "lead"),
        ("lead", LEAD),
        ("lead", "Lead"),
        (f"arn:aws:iam::{CENTRAL}:user/security/lead", LEAD),
        (role("lead", "alice"), role("lead", "bob")),
        (role("lead", "alice"), role("lead")),
        (role("lead", "alice"), role("security/leads/lead")),
        (role("lead", "alice"), role("LEAD", "alice")),
        (f"arn:aws:iam::{CENTRAL}:root", f"arn:aws:iam::{CENTRAL}:root"),
        (f"arn:aws:sts::{CENTRAL}:federated-user/lead", f"arn:aws:sts::{CENTRAL}:federated-user/lead"),
    ],
)
def test_who_started_does_not_approve(root: Root, starter: str, approver: str) -> None:
    root.execution["ExecutedBy"] = starter
    root.decided(approve(DEPUTY), approve(approver))
    assert f"{starter} started this and approved it" in unapproved(root)


@pytest.mark.parametrize(
    ("starter", "approver"),
    [
        (role("lead", "alice"), role("deputy", "alice")),
        (role("lead", "lead"), LEAD),
        (role("lead", "alice"), role("lead", "alice", account_id=ACCOUNT)),
        (f"arn:aws:iam::{CENTRAL}:root", LEAD),
        (role("user", "lead"), f"arn:aws:iam::{CENTRAL}:user/user"),
    ],
)
def test_others_may_approve(root: Root, starter: str, approver: str) -> None:
    root.execution["ExecutedBy"] = starter
    root.decided(approve(approver))
    assert approval(root) == f"Approved by {approver}, started by {starter}."


@pytest.mark.parametrize(
    "decisions",
    [
        [[approve(LEAD), approve(DEPUTY)]],
        [approve(LEAD), approve(DEPUTY, "Approved")],
        [{"approver": LEAD, "decision": "APPROVE", "comment": "x"}, {"approver": DEPUTY, "decision": "approve"}],
        [{LEAD: "Approve", DEPUTY: "Approve"}],
        [{LEAD: {"Decision": "Approve", "Comment": "x"}}, {DEPUTY: {"Decision": "Approve"}}],
        [json.dumps(json.dumps([approve(LEAD), approve(DEPUTY)]))],
    ],
    ids=["one list", "one each", "small letters", "by approver", "by approver with comment", "text in text"],
)
def test_decisions_are_read_in_whatever_shape_they_come(root: Root, decisions: list[object]) -> None:
    root.decided(*decisions)
    assert approval(root, minimum=2) == f"Approved by {LEAD}, {DEPUTY}, started by {STARTER}."


@pytest.mark.parametrize(
    "approvers",
    [
        [role("lead", "alice"), role("lead", "bob")],
        [role("lead", "alice"), role("lead")],
        [LEAD, "lead"],
        [LEAD],
    ],
)
def test_sessions_of_one_role_are_one_approver(root: Root, approvers: list[str]) -> None:
    root.decided(*map(approve, approvers))
    assert "2 different users or roles have to approve" in unapproved(root, minimum=2)


UNTOLD = [
    [],
    [""],
    ["{Approver=lead, Decision=Approve}"],
    ["7", "null"],
    [{"Principal": LEAD, "Decision": "Approve"}],
    [{"Approver": "AROAEXAMPLE:alice", "Decision": "Approve"}],
    [{"Approver": f"arn:aws:sts::{CENTRAL}:assumed-role", "Decision": "Approve"}],
    [{"Approver": LEAD}],
    [approve(LEAD), "unreadable"],
    [approve(LEAD), approve(DEPUTY, "Waiting")],
]


@pytest.mark.parametrize("decisions", UNTOLD, ids=str)
def test_decisions_that_automation_does_not_tell_are_its_own_matter_and_the_run_says_so(
    root: Root, decisions: list[Any]
) -> None:
    root.decided(*decisions)
    said = approval(root, minimum=2)
    assert said.endswith(
        "Not checked, since Automation does not name each approver: that they differ, and that none of them started it."
    )


def test_what_is_told_of_the_decisions_is_checked_if_the_rest_is_not(root: Root) -> None:
    root.decided("unreadable", approve(STARTER))
    assert "started this and approved it" in unapproved(root)


@pytest.mark.parametrize("starter", [None, "", "EventBridge", f"arn:aws:sts::{CENTRAL}:assumed-role"], ids=repr)
def test_a_starter_that_automation_does_not_tell_is_said_not_to_be_checked(root: Root, starter: str | None) -> None:
    root.execution.pop("ExecutedBy") if starter is None else root.execution.update(ExecutedBy=starter)
    said = approval(root)
    assert said.startswith(f"Approved by {LEAD}, started by {starter or 'somebody'}. Not checked, ")
    assert said.endswith("that none of these did.")


def test_if_automation_does_not_list_its_steps_it_counts_alone(root: Root) -> None:
    root.approve, root.execution["StepExecutionsTruncated"] = {}, True
    assert approval(root).startswith(f"Approved by somebody, started by {STARTER}. Not checked, ")


@pytest.mark.parametrize("status", ["Pending", "Waiting", "Failed", "TimedOut", "Cancelled", None], ids=repr)
def test_a_step_that_was_not_approved_stops_the_removal(root: Root, status: str | None) -> None:
    """A person who executes a runbook step by step can skip a step."""
    root.approve = {"StepName": "Approve", "StepStatus": status} if status else {}
    assert "The plan was not approved" in unapproved(root)


def test_a_rejection_stops_the_removal(root: Root) -> None:
    root.decided(approve(LEAD), approve(DEPUTY, "Reject"))
    assert "The plan was not approved" in unapproved(root)


# --- Secrets ---


def broken(error: Exception) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    def fail(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    return fail


HEADERS = f"content-type:x\nx-amz-security-token:{SECRET}\n"
LEAKS = {
    "body": broken(
        ResponseParserError(f"Unable to parse response, received body: <SecretAccessKey>{SECRET}</SecretAccessKey>")
    ),
    "number": broken(ValueError(f"could not convert {SECRET}")),
    "header": broken(HTTPClientError(error=f"Invalid header value b'{SECRET}'")),
    "connection": broken(EndpointConnectionError(endpoint_url="https://example.com")),
    "signed headers": broken(RefusalError("SignatureDoesNotMatch", f"It does not match.\n\nThe headers were '{HEADERS}'")),
    "authorization": broken(
        RefusalError("IncompleteSignature", f"{SECRET} not a valid key=value pair in Authorization header")
    ),
    "later lines": broken(RefusalError("AccessDenied", f"Not authorized.\n{HEADERS}")),
    "nothing": lambda _: {},
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("operation", [*READ, "GetAccountSummary", *CHANGES])
def test_no_failure_quotes_an_answer_or_a_header(root: Root, operation: str, leak: str) -> None:
    """Automation shows a traceback: source lines, and the causes and contexts of an exception."""
    found = plan(EVENT, None)["Found"]
    root.answers[operation] = LEAKS[leak]
    step = plan if operation in READ else remove
    said, error = "", None
    try:
        said = json.dumps(step(EVENT | {"Found": found}, None))
    except (CallError, RefusedError, CredentialsRemainError) as raised:
        error, said = raised, "".join(traceback.format_exception(raised))
    assert SECRET not in said
    assert "received body" not in said
    if leak != "nothing" or isinstance(error, CallError | RefusedError):  # an empty answer may be a success
        assert f":{operation}" in said
    if isinstance(error, CallError | CredentialsRemainError):
        assert error.__context__ is None, "what follows a cause or a context could show it"


def test_a_failure_says_what_to_do(root: Root) -> None:
    root.answers["GetAutomationExecution"] = LEAKS["body"]
    with pytest.raises(CallError) as caught:
        plan(EVENT, None)
    assert str(caught.value) == (
        f"ssm:GetAutomationExecution failed in account {CENTRAL}: ResponseParserError: the answer cannot be understood. "
        "Start the runbook again. If it fails again, look the code up in the service's documentation."
    )
