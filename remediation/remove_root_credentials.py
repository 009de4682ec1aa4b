"""RootVirtualMfa-RemoveRootCredentials: take away the credentials of a member account's root user.

Each step opens its own root sessions (sts:AssumeRoot). They stay inside the step: it never returns or prints their credentials,
and no error quotes an answer of AWS (see `_call`). Sources: API models, sts (AssumeRoot), iam, organizations and ssm;
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html; public captures of real root sessions, of
September 2026, for the texts of AssumeRoot's refusals and the time that STS lags IAM.
"""

import json
import os
import re
import time
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import boto3
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session

_ALWAYS = {
    "iam:ListOrganizationsFeatures",
    "organizations:DescribeAccount",
    "organizations:DescribeOrganization",
    "ssm:DescribeDocument",
    "ssm:GetAutomationExecution",
    "sts:AssumeRoot",
}
PERMISSIONS = {"plan": _ALWAYS, "remove": _ALWAYS}
"""The actions that each step needs. What it does as the root user is bounded by the task policy of its session."""
AUDIT = "IAMAuditRootUserCredentials"
DELETE = "IAMDeleteRootUserCredentials"
FEATURE = "RootCredentialsManagement"
"""The feature of an organization that the two tasks need; RootSessions is for tasks of S3 and SQS."""
ENABLE_FEATURE = "In the management account: aws iam enable-organizations-root-credentials-management"
TRUST = "In the management account: aws organizations enable-aws-service-access --service-principal iam.amazonaws.com"
NOT_FOR_IAM = {
    "ServiceAccessNotEnabledException": f"IAM has no trusted access to the organization. {TRUST}",
    "AccountNotManagementOrDelegatedAdministratorException": "This runbook works in the management account or in IAM's "
    "delegated administrator. In the management account: aws organizations register-delegated-administrator "
    "--service-principal iam.amazonaws.com --account-id {}",
}
NO_SESSION = {
    "credentials management feature is not enabled": f"{FEATURE} is off in this organization. {ENABLE_FEATURE}",
    "Service not enabled": f"For STS, IAM has no trusted access to the organization. {TRUST}. STS hears of it minutes later.",
    "is not authorized to perform": "Either a policy keeps the runbook's role from sts:AssumeRoot: its own, a permissions "
    "boundary, or a service control policy of this account. Or STS does not know this account as IAM's delegated "
    "administrator: it hears of a delegation up to minutes later.",
}
"""What to do about each text with which AssumeRoot denies access. The runbook refuses the management account itself."""
STS_READS = 7
STS_WAIT = 30
"""Seconds between two calls of AssumeRoot that deny access. STS was seen to lag IAM by one to three minutes."""
READS = 6
WAIT = 10
"""Seconds between two reads of what remains: IAM is eventually consistent."""
KINDS = {
    "AccessKeys": "access key",
    "SigningCertificates": "signing certificate",
    "LoginProfile": "console password",  # it has no id
    "MfaDevices": "MFA device",
}
DELETIONS = {  # in this order: MFA protects the password until the password is gone
    "AccessKeys": ("DeleteAccessKey", "AccessKeyId"),
    "SigningCertificates": ("DeleteSigningCertificate", "CertificateId"),
    "LoginProfile": ("DeleteLoginProfile", ""),
    "MfaDevices": ("DeactivateMFADevice", "SerialNumber"),
}
SUMMARY = {
    "AccountPasswordPresent": "LoginProfile",
    "AccountAccessKeysPresent": "AccessKeys",
    "AccountSigningCertificatesPresent": "SigningCertificates",
    "AccountMFAEnabled": "MfaDevices",
}


class RefusedError(RuntimeError):
    """The runbook refuses to do this. The message says why, and what to do if anything can be done."""


class CallError(RuntimeError):
    """A call of AWS failed with `code`. The message names the call and the account, and says what to do."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class CredentialsRemainError(RuntimeError):
    """The root user still has credentials or MFA devices. The message says which, and what was removed."""


# The steps


def plan(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Show what the runbook would remove from the account `AccountId`. `DeniedAccounts` are ids.

    Returns `Found` (what `_read` found, as JSON: a step's output is best a text), `Text` (the same for people), `Removes`
    (whether there is anything to approve and to remove) and `Version` (of the runbook). Raises RefusedError and CallError.
    """
    _, version = _execution(events)
    _refuse(events)
    found = _read(events["AccountId"], _root_session(events, AUDIT))
    empty, dry_run = not any(found.values()), _is_dry_run(events)
    text = f"Root user of account {events['AccountId']}: {_text(found)}."
    if empty:
        text += " There is nothing to remove."
    elif dry_run:
        text += " This was a dry run: start again with DryRun=false to have it removed, once that is approved."
    else:
        text += " All of it is removed, in this order, once it is approved."
    return {"Found": json.dumps(found), "Text": text, "Removes": not (empty or dry_run), "Version": version}


def remove(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Remove what people approved as `Found`. Keys, certificates and password go first, so that none is left without MFA.

    `Found` and `Version` are what step `plan` returned; Automation may have read the JSON of `Found`. `MinimumApprovals` is how
    many people have to approve. Then read what remains, of each kind and in IAM's summary. A virtual MFA device counts as
    removed when it is deactivated: IAM may refuse to delete it. Returns texts: `Approval` (who approved and who started),
    `Removed`, `Remaining` and `Text` (all of it). Raises RefusedError, also if the root user has credentials that nobody
    approved to remove; CredentialsRemainError; and CallError. Once something may be removed, each error says what was.
    """
    if _is_dry_run(events):
        raise RefusedError(f"This execution is a dry run. {_ANEW}")
    execution, version = _execution(events)
    if version != str(events["Version"]):
        raise RefusedError(f"The runbook's default version was {events['Version']} and now is {version}. {_ANEW}")
    approval = _approval(events, execution)
    _refuse(events)
    account_id, approved = events["AccountId"], events["Found"]
    approved = json.loads(approved) if isinstance(approved, str) else approved
    iam = _root_session(events, DELETE)
    found = _read(account_id, iam)
    new = {kind: [name for name in names if name not in approved[kind]] for kind, names in found.items()}
    if any(new.values()):
        raise RefusedError(f"The root user now has more than was approved: {_text(new)}. {_ANEW}")
    deleted, failure = _delete(account_id, iam, found)
    done = f"{approval} Removed: {_text(deleted, 'nothing')}.{f' {failure}' if failure else ''}"
    remaining, unread = _remaining(events)
    if unread is not None:
        raise CallError(f"{done} What remains could not be read: {unread}", unread.code)
    credentials_remain = any(names for kind, names in remaining.items() if kind != "MfaDevices")
    if any(remaining.values()) and (credentials_remain or not _denied(failure)):
        raise CredentialsRemainError(f"{done} Remaining: {_text(remaining)}. Start the runbook again: it goes on from here.")
    removed = {kind: [name for name in names if name not in remaining[kind]] for kind, names in found.items()}
    text = [approval, f"Removed: {_text(removed, 'nothing')}.", *_delete_devices(account_id, iam, removed["MfaDevices"])]
    if any(remaining.values()):
        text.append(f"Remaining, harmless, since no credentials are left: {_text(remaining)}. {failure}")
    else:
        text.append("Nothing remains.")
    return {
        "Approval": approval,
        "Removed": _text(removed, "nothing"),
        "Remaining": _text(remaining),
        "Text": " ".join(text),
    }


def _delete(account_id: str, iam: Any, found: dict[str, list[str]]) -> tuple[dict[str, list[str]], CallError | None]:  # noqa: ANN401 - a client of boto3
    """Delete what was found, and deactivate MFA devices. Return what was removed, and the first failure.

    A failure ends it, unless it is about an MFA device: then there are no credentials left to protect.
    """
    removed: dict[str, list[str]] = {kind: [] for kind in KINDS}
    failure = None
    for kind, (operation, parameter) in DELETIONS.items():
        for name in found[kind]:
            try:
                _call(account_id, iam, operation, "", "NoSuchEntity", **({parameter: name} if parameter else {}))
            except CallError as error:
                failure = failure or error
                if kind != "MfaDevices":
                    return removed, failure
            else:
                removed[kind].append(name)
    return removed, failure


def _delete_devices(account_id: str, iam: Any, serial_numbers: list[str]) -> list[str]:  # noqa: ANN401 - a client of boto3
    """Delete virtual MFA devices that are deactivated. Return a sentence about those that IAM does not delete, or none.

    IAM authorizes this on the device, where the task policy of the session denies it.
    """
    left = []
    for serial_number in serial_numbers:
        if ":mfa/" in serial_number:  # a hardware device is gone once it is deactivated
            try:
                _call(account_id, iam, "DeleteVirtualMFADevice", "", "NoSuchEntity", SerialNumber=serial_number)
            except CallError as error:
                left.append(f"{serial_number} (iam:DeleteVirtualMFADevice: {error.code})")
    return [f"Left unassigned, harmless: {', '.join(left)}."] if left else []


def _denied(failure: CallError | None) -> bool:
    return failure is not None and failure.code.startswith("AccessDenied")


def _remaining(events: dict[str, Any]) -> tuple[dict[str, list[str]], CallError | None]:
    """Read what remains, until nothing does or IAM had time to be consistent; or return the error that kept it from reading."""
    remaining: dict[str, list[str]] = {}
    try:
        iam = _root_session(events, AUDIT)
        for attempt in range(READS):
            if attempt:
                time.sleep(WAIT)
            remaining = _read(events["AccountId"], iam)
            summary = _call(events["AccountId"], iam, "GetAccountSummary", "SummaryMap")
            for key, kind in SUMMARY.items():
                # A missing key counts as present.
                if summary.get(key, 1) and not remaining[kind]:
                    remaining[kind] = [f"(according to {key})"]
            if not any(remaining.values()):
                break
    except CallError as error:
        return remaining, error
    return remaining, None


# What they need

_ANEW = "Nothing was removed. Start the runbook again."


def _call(account_id: str, client: Any, operation: str, member: str = "", absent: str = "", **asked: Any) -> Any:  # noqa: ANN401 - boto3's
    """Return a member of an operation's answer, from all pages; None if the call fails with the error code `absent`.

    A CallError has the code and the first line of the message, and no cause or context. botocore quotes what it cannot parse,
    such as root's credentials, and after the first line AWS's answer about a wrong signature has the signed headers.
    """
    said, name = "", xform_name(operation)
    try:
        if client.can_paginate(name):
            return [entry for page in client.get_paginator(name).paginate(**asked) for entry in page[member]]
        answer = getattr(client, name)(**asked)
        return answer[member] if member else answer
    except ClientError as error:
        details = error.response.get("Error", {})
        code = str(details.get("Code") or "Unknown")
        if "Signature" not in code:  # whose first line may quote a header
            said = ": " + str(details.get("Message") or "").partition("\n")[0].rstrip(".")
    except BotoCoreError as error:
        code = type(error).__name__
    except Exception as error:  # noqa: BLE001 - botocore's parsers raise built-in exceptions for a broken body
        code, said = type(error).__name__, ": the answer cannot be understood"
    if code == absent:
        return None
    todo = "Start the runbook again. If it fails again, look the code up in the service's documentation."
    if operation == "AssumeRoot" and code.startswith("AccessDenied"):
        todo = " ".join([what for text, what in NO_SESSION.items() if text in said] or NO_SESSION.values())
    elif code.startswith("AccessDenied"):
        todo = (
            "Check the policies of the runbook's role and the service control policies. One that denies the root user, such as "
            "AWS Control Tower's, has to exempt sessions of sts:AssumeRoot."
        )
    action = f"{client.meta.service_model.service_name}:{operation}"
    raise CallError(f"{action} failed in account {account_id}: {code}{said}. {todo}", code)


def _is_dry_run(events: dict[str, Any]) -> bool:
    return str(events["DryRun"]).lower() != "false"  # anything but a clear false


def _execution(events: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return this execution, `ExecutionId`, and the number of its document's default version.

    Raises RefusedError if the execution is of another version, which may name former approvers, or if no person started it.
    """
    ssm, central = boto3.client("ssm", region_name=events["Region"]), events["CentralAccountId"]
    asked = {"AutomationExecutionId": events["ExecutionId"]}
    execution: Any = _call(central, ssm, "GetAutomationExecution", "AutomationExecution", **asked)
    document: Any = _call(central, ssm, "DescribeDocument", "Document", Name=execution.get("DocumentName"))
    version, default = execution.get("DocumentVersion"), document.get("DefaultVersion")
    made, started = document.get("CreatedDate"), execution.get("ExecutionStartTime")
    # If AWS answers $DEFAULT, it means the default at the start: today's default, unless that was made later.
    is_default = made and started and made <= started if version == "$DEFAULT" else version == default
    if not (default and is_default):
        raise RefusedError(
            f"This execution is of version {version} of the runbook, and the default version is {default}. Another version may "
            "name former approvers. Nothing was removed. Start the runbook without a version."
        )
    if execution.get("ParentAutomationExecutionId") or execution.get("AssociationId"):
        raise RefusedError(f"Only people start this runbook, not another runbook or an association. {_ANEW}")
    return execution, default


def _approval(events: dict[str, Any], execution: dict[str, Any]) -> str:
    """Say who approved, who started, and what this could not check because Automation does not tell.

    Raises RefusedError if nobody approved, if the starter approved, or if fewer users and roles than `MinimumApprovals` did.
    """
    central, starter = events["CentralAccountId"], str(execution.get("ExecutedBy") or "")
    steps = {step.get("StepName"): step for step in execution.get("StepExecutions", [])}
    step = steps.get("Approve", {"StepStatus": "Success"} if execution.get("StepExecutionsTruncated") else {})
    decisions = _decisions(step.get("Outputs", {}).get("ApproverDecisions"))
    if step.get("StepStatus") not in {"Success", "Approved"} or any(said.startswith("reject") for _, said in decisions):
        raise RefusedError(f"The plan was not approved. {_ANEW}")
    approvers = [who for who, said in decisions if said.startswith("approv")]
    principals, who_started = {_principal(central, who) for who in approvers}, _principal(central, starter)
    if who_started in principals - {""}:
        raise RefusedError(
            f"{starter} started this and approved it, in this session or another: somebody else has to approve. {_ANEW}"
        )
    all_told = len(approvers) == len(decisions) > 0 and "" not in principals
    if all_told and len(principals) < int(events["MinimumApprovals"]):
        raise RefusedError(
            f"{events['MinimumApprovals']} different users or roles have to approve; sessions of one role count as one. Fewer "
            f"did: {', '.join(approvers)}. {_ANEW}"
        )
    text = f"Approved by {', '.join(approvers) or 'somebody'}, started by {starter or 'somebody'}."
    if not all_told:
        text += (
            " Not checked, since Automation does not name each approver: that they differ, and that none of them started it."
        )
    elif not (who_started and starter.startswith("arn:")):
        text += " Not checked, since Automation does not name who started it: that none of these did."
    return text


def _decisions(said: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - its shape is not documented
    """Return each approver and decision (in small letters) in ApproverDecisions; ("", "") for a part that nobody can read.

    It may be JSON, a list, an object with Approver and Decision, or an object with a decision for each approver's ARN.
    """
    if isinstance(said, str):
        try:
            return _decisions(json.loads(said))
        except ValueError:
            return [("", "")]
    if isinstance(said, list):
        return [decision for each in said for decision in _decisions(each)]
    told = {key.casefold(): value for key, value in said.items()} if isinstance(said, dict) else {}
    if told and all(key.startswith("arn:") for key in told):
        by_arn = {who: value if isinstance(value, dict) else {"decision": value} for who, value in said.items()}
        return [decision for who, value in by_arn.items() for decision in _decisions({**value, "approver": who})]
    return [(str(told.get("approver", "")), str(told.get("decision", "")).casefold())]


def _principal(account_id: str, who: str) -> str:
    """Return the user or role that an ARN or a user's name names, without path, session and case; "" if it names neither."""
    if re.fullmatch(r"[\w+=,.@-]+", who):
        who = f"arn:aws:iam::{account_id}:user/{who}"
    arn = re.fullmatch(r"arn:[^:]+:(?:iam|sts)::(\d{12}):(root|user|role|federated-user|assumed-role(?=/))((?:/[^/]+)*)", who)
    if arn is None:
        return ""
    account_id, kind, path = arn.groups()
    name = path.split("/")[1 if kind == "assumed-role" else -1]
    return f"{account_id} {kind.removeprefix('assumed-')} {name}".casefold()


def _refuse(events: dict[str, Any]) -> None:
    """Raise RefusedError if the runbook must not or cannot touch the account. `CentralAccountId` is where this runs."""
    account_id, central = events["AccountId"], events["CentralAccountId"]
    if account_id in events["DeniedAccounts"]:
        raise RefusedError(f"Account {account_id} is on the deny list of this runbook, which its deployment sets.")
    organizations, iam = boto3.client("organizations"), boto3.client("iam")
    if account_id == _call(central, organizations, "DescribeOrganization", "Organization")["MasterAccountId"]:
        raise RefusedError(
            f"Account {account_id} is the management account: this runbook never removes its root user's credentials."
        )
    account = _call(central, organizations, "DescribeAccount", "Account", "AccountNotFoundException", AccountId=account_id)
    if account is None:
        raise RefusedError(f"Account {account_id} is not in this organization.")
    # AWS replaces Status with State. An older boto3 knows Status only.
    state = account.get("State") or account.get("Status")
    if state not in {"ACTIVE", None}:  # None: unknown, and AWS itself refuses a root session that cannot be
        raise RefusedError(f"Account {account_id} is {state}, not ACTIVE.")
    if not hasattr(iam, "list_organizations_features"):  # an older boto3; AssumeRoot's refusals say the same
        return
    try:
        enabled = _call(central, iam, "ListOrganizationsFeatures", "EnabledFeatures")
    except CallError as error:
        if error.code in NOT_FOR_IAM:
            raise RefusedError(NOT_FOR_IAM[error.code].format(central)) from None
        raise
    if FEATURE not in enabled:
        raise RefusedError(f"{FEATURE} is off in this organization. {ENABLE_FEATURE}")


def _root_session(events: dict[str, Any], task_policy: str) -> Any:  # noqa: ANN401 - a client of boto3
    """Return an IAM client with a root session of the account. The session may do what the task policy allows.

    While STS denies access, ask again: it may not have heard yet what IAM says. Raises CallError.
    """
    os.environ["AWS_STS_REGIONAL_ENDPOINTS"] = "regional"  # the global endpoint has no AssumeRoot
    sts: Any = boto3.client("sts", region_name=events["Region"])
    if not hasattr(sts, "assume_root"):
        sts = _SignedSts(sts)
    denials = 0
    while True:
        try:
            session = _call(
                events["AccountId"],
                sts,
                "AssumeRoot",
                "Credentials",
                TargetPrincipal=events["AccountId"],
                TaskPolicyArn={"arn": f"arn:{events['Partition']}:iam::aws:policy/root-task/{task_policy}"},
                DurationSeconds=900,
            )
            break
        except CallError as error:
            denials += 1
            if denials == STS_READS or not _denied(error):
                raise
        time.sleep(STS_WAIT)
    return boto3.client(
        "iam",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


class _SignedSts:
    """Calls sts:AssumeRoot for a client of STS whose boto3 is older than 1.35.60 and has no such operation."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - a client of boto3
        self.meta = client.meta

    def can_paginate(self, _: str) -> bool:
        return False

    def assume_root(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        form = {"Action": "AssumeRoot", "Version": self.meta.service_model.api_version, **asked}
        form["TaskPolicyArn.arn"] = form.pop("TaskPolicyArn")["arn"]
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        request = AWSRequest("POST", self.meta.endpoint_url, data=urlencode(form), headers=kind)
        credentials: Any = boto3.Session().get_credentials()
        SigV4Auth(credentials, "sts", self.meta.region_name).add_auth(request)
        response = URLLib3Session().send(request.prepare())
        answer = ET.fromstring(response.content)  # noqa: S314 - AWS's answer, over TLS
        members: dict[str, Any] = {element.tag.rpartition("}")[2]: element.text for element in answer.iter()}
        if response.status_code != 200:  # noqa: PLR2004 - OK
            raise ClientError({"Error": {"Code": members["Code"], "Message": members["Message"]}}, "AssumeRoot")
        return {"Credentials": {name: members[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}}


def _read(account_id: str, iam: Any) -> dict[str, list[str]]:  # noqa: ANN401 - a client of boto3
    """Return what the root user has: `AccessKeys`, `SigningCertificates` (ids), `LoginProfile` (""), `MfaDevices` (serials)."""
    keys = _call(account_id, iam, "ListAccessKeys", "AccessKeyMetadata")
    certificates = _call(account_id, iam, "ListSigningCertificates", "Certificates")
    profile = _call(account_id, iam, "GetLoginProfile", "LoginProfile", "NoSuchEntity")
    devices = _call(account_id, iam, "ListMFADevices", "MFADevices")
    return {
        "AccessKeys": [key["AccessKeyId"] for key in keys],
        "SigningCertificates": [certificate["CertificateId"] for certificate in certificates],
        "LoginProfile": [] if profile is None else [""],
        "MfaDevices": [device["SerialNumber"] for device in devices],
    }


def _text(found: dict[str, list[str]], none: str = "no credentials") -> str:
    """Name credentials for people. `found` is as `_read` returns it."""
    return ", ".join(f"{KINDS[kind]} {name}".strip() for kind, names in found.items() for name in names) or none
