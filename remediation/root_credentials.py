"""RootVirtualMfa-RemoveRootCredentials: what both steps need, and step Plan, which shows what a member's root user has.

Each step opens its own root sessions (sts:AssumeRoot). They stay inside the step: it never returns or prints their credentials,
and no error quotes an answer of AWS (see `call`). Sources: API models, sts (AssumeRoot), iam, organizations and ssm;
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html; public captures of real root sessions, of
September 2026, for the texts of AssumeRoot's refusals and the time that STS lags IAM.
"""

import json
import os
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

ACTIONS = {
    "iam:ListOrganizationsFeatures",
    "organizations:DescribeAccount",
    "organizations:DescribeOrganization",
    "ssm:DescribeDocument",
    "ssm:GetAutomationExecution",
    "sts:AssumeRoot",
}
"""The actions that each step needs. The task policy of its session bounds what it does as the root user."""
AUDIT = "IAMAuditRootUserCredentials"
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
    "Service not enabled": f"For STS, IAM has no trusted access to the organization. {TRUST}. STS may learn of it minutes "
    "later.",
    "is not authorized to perform": "Either a policy keeps the runbook's role from sts:AssumeRoot: its own, a permissions "
    "boundary, or a service control policy of this account. Or STS does not know this account as IAM's delegated "
    "administrator: it may learn of a delegation minutes later.",
}
"""What to do about each text with which AssumeRoot denies access. The runbook refuses the management account itself."""
STS_READS = 7
STS_WAIT = 30
"""Seconds between two calls of AssumeRoot that deny access. STS was seen to lag IAM by up to three minutes."""
KINDS = {
    "AccessKeys": "access key",
    "SigningCertificates": "signing certificate",
    "LoginProfile": "console password",  # it has no id
    "MfaDevices": "MFA device",
}
AGAIN = "Nothing was removed. Start the runbook again."


class RefusedError(RuntimeError):
    """The runbook refuses to do this. The message says why, and what to do if anything can be done."""


class CallError(RuntimeError):
    """A call of AWS failed with `code`. The message names the call and the account, and says what to do."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def plan(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Show what the runbook would remove from the account `AccountId`. `DeniedAccounts` are ids.

    Returns `Found` (what `read` found, as JSON: a step's output is best a text), `Text` (the same for people), `Removes`
    (whether there is anything to approve and to remove) and `Version` (of the runbook). Raises RefusedError and CallError.
    """
    _, version = own_execution(events)
    refuse(events)
    found = read(events["AccountId"], root_session(events, AUDIT))
    empty, dry_run = not any(found.values()), is_dry_run(events)
    text = f"Root user of account {events['AccountId']}: {in_words(found)}."
    if empty:
        text += " There is nothing to remove."
    elif dry_run:
        text += " This was a dry run: start again with DryRun=false to have it removed, once that is approved."
    else:
        text += " All of it is removed, in this order, once it is approved."
    return {"Found": json.dumps(found), "Text": text, "Removes": not (empty or dry_run), "Version": version}


def call(account_id: str, client: Any, operation: str, member: str = "", absent: str = "", **asked: Any) -> Any:  # noqa: ANN401 - boto3's
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


def is_dry_run(events: dict[str, Any]) -> bool:
    """Tell whether nothing may be removed: if DryRun is anything but a clear false."""
    return str(events["DryRun"]).lower() != "false"


def own_execution(events: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return this execution, `ExecutionId`, and the number of its document's default version.

    Raises RefusedError if the execution is of another version, which may name former approvers, or if no person started it.
    """
    ssm, central = boto3.client("ssm", region_name=events["Region"]), events["CentralAccountId"]
    asked = {"AutomationExecutionId": events["ExecutionId"]}
    execution: Any = call(central, ssm, "GetAutomationExecution", "AutomationExecution", **asked)
    document: Any = call(central, ssm, "DescribeDocument", "Document", Name=execution.get("DocumentName"))
    version, default = execution.get("DocumentVersion"), document.get("DefaultVersion")
    made, started = document.get("CreatedDate"), execution.get("ExecutionStartTime")
    # If AWS answers $DEFAULT, it means the default at the start: today's default, unless that version is newer.
    is_default = made and started and made <= started if version == "$DEFAULT" else version == default
    if not (default and is_default):
        raise RefusedError(
            f"This execution is of version {version} of the runbook, and the default version is {default}. Another version may "
            "name former approvers. Nothing was removed. Start the runbook without a version."
        )
    if execution.get("ParentAutomationExecutionId") or execution.get("AssociationId"):
        raise RefusedError(f"Only people start this runbook, not another runbook or an association. {AGAIN}")
    return execution, default


def is_denied(failure: CallError | None) -> bool:
    """Tell whether AWS denied access."""
    return failure is not None and failure.code.startswith("AccessDenied")


def refuse(events: dict[str, Any]) -> None:
    """Raise RefusedError if the runbook must not or cannot touch the account. `CentralAccountId` is where this runs."""
    account_id, central = events["AccountId"], events["CentralAccountId"]
    if account_id in events["DeniedAccounts"]:
        raise RefusedError(f"Account {account_id} is on the deny list of this runbook, which its deployment sets.")
    organizations, iam = boto3.client("organizations"), boto3.client("iam")
    if account_id == call(central, organizations, "DescribeOrganization", "Organization")["MasterAccountId"]:
        raise RefusedError(
            f"Account {account_id} is the management account: this runbook never removes its root user's credentials."
        )
    account = call(central, organizations, "DescribeAccount", "Account", "AccountNotFoundException", AccountId=account_id)
    if account is None:
        raise RefusedError(f"Account {account_id} is not in this organization.")
    # AWS replaces Status with State. An older boto3 knows Status only.
    state = account.get("State") or account.get("Status")
    if state not in {"ACTIVE", None}:  # None: unknown, and AWS itself refuses a root session that cannot be
        raise RefusedError(f"Account {account_id} is {state}, not ACTIVE.")
    if not hasattr(iam, "list_organizations_features"):  # an older boto3; AssumeRoot's refusals say the same
        return
    try:
        enabled = call(central, iam, "ListOrganizationsFeatures", "EnabledFeatures")
    except CallError as error:
        if error.code in NOT_FOR_IAM:
            raise RefusedError(NOT_FOR_IAM[error.code].format(central)) from None
        raise
    if FEATURE not in enabled:
        raise RefusedError(f"{FEATURE} is off in this organization. {ENABLE_FEATURE}")


def root_session(events: dict[str, Any], task_policy: str) -> Any:  # noqa: ANN401 - a client of boto3
    """Return an IAM client with a root session of the account. The session may do what the task policy allows.

    While STS denies access, ask again: it may not know yet what IAM knows. Raises CallError.
    """
    os.environ["AWS_STS_REGIONAL_ENDPOINTS"] = "regional"  # the global endpoint has no AssumeRoot
    sts: Any = boto3.client("sts", region_name=events["Region"])
    if not hasattr(sts, "assume_root"):
        sts = _SignedSts(sts)
    denials = 0
    while True:
        try:
            session = call(
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
            if denials == STS_READS or not is_denied(error):
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


def read(account_id: str, iam: Any) -> dict[str, list[str]]:  # noqa: ANN401 - a client of boto3
    """Return what the root user has: `AccessKeys`, `SigningCertificates` (ids), `LoginProfile` (""), `MfaDevices` (serials)."""
    keys = call(account_id, iam, "ListAccessKeys", "AccessKeyMetadata")
    certificates = call(account_id, iam, "ListSigningCertificates", "Certificates")
    profile = call(account_id, iam, "GetLoginProfile", "LoginProfile", "NoSuchEntity")
    devices = call(account_id, iam, "ListMFADevices", "MFADevices")
    return {
        "AccessKeys": [key["AccessKeyId"] for key in keys],
        "SigningCertificates": [certificate["CertificateId"] for certificate in certificates],
        "LoginProfile": [] if profile is None else [""],
        "MfaDevices": [device["SerialNumber"] for device in devices],
    }


def in_words(found: dict[str, list[str]], none: str = "no credentials") -> str:
    """Name credentials for people. `found` is as `read` returns it."""
    return ", ".join(f"{KINDS[kind]} {name}".strip() for kind, names in found.items() for name in names) or none
