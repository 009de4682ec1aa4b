"""RootVirtualMfa-RemoveRootCredentials: take away the credentials of a member account's root user.

Each step opens a root session of its own (sts:AssumeRoot), which stays inside the step: its credentials are never returned or
printed. Sources: API models, sts (AssumeRoot), iam and organizations;
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html
"""

import json
import os
import time
from contextlib import suppress
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

AUDIT = "IAMAuditRootUserCredentials"
DELETE = "IAMDeleteRootUserCredentials"
FEATURES = {
    "RootCredentialsManagement": "aws iam enable-organizations-root-credentials-management",
    "RootSessions": "aws iam enable-organizations-root-sessions",
}
NO_FAILURE = "none"
READS = 6
WAIT = 10
"""Seconds between the reads of what remains: IAM is eventually consistent."""
NAMES = {
    "AccessKeys": "access key",
    "SigningCertificates": "signing certificate",
    "LoginProfile": "console",  # password
    "MfaDevices": "MFA device",
}
SUMMARY = {
    "AccountPasswordPresent": "LoginProfile",
    "AccountAccessKeysPresent": "AccessKeys",
    "AccountSigningCertificatesPresent": "SigningCertificates",
    "AccountMFAEnabled": "MfaDevices",
}


class RefusedError(RuntimeError):
    """The runbook does not do this; the message says why, and what to do where something can be done."""


class CredentialsRemainError(RuntimeError):
    """The root user still has credentials or MFA devices; the message says which, and what was removed."""


# The steps


def plan(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Show what would be removed from the account `AccountId`; `DryRun` and `DeniedAccounts` (ids) are taken too.

    Returns what was `Found` (see `_read`; as JSON, since a step's output is best a text), as `Text`, and `Removes`: whether
    there is something to approve and to remove. Raises RefusedError.
    """
    _refuse(events)
    dry_run = str(events["DryRun"]).lower() != "false"  # whatever it is, if it is not clearly false
    try:
        found = _read(_root_session(events, AUDIT))
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("AccessDenied"):
            raise
        raise RefusedError(
            f"AWS refuses the root session in account {events['AccountId']}, or what it reads: {error}. A service control "
            "policy that denies the root user, such as AWS Control Tower's, has to exempt sessions of sts:AssumeRoot."
        ) from error
    empty = not any(found.values())
    text = f"Root user of account {events['AccountId']}: {_text(found)}."
    if empty:
        text += " There is nothing to remove."
    elif dry_run:
        text += " This was a dry run: start again with DryRun=false to have it removed, once that is approved."
    else:
        text += " All of it is removed, in this order, once it is approved."
    return {"Found": json.dumps(found), "Text": text, "Removes": not (empty or dry_run)}


def remove(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Remove what was approved as `Found`: keys, certificates and password first, so that none is ever left without MFA.

    Returns `Removed`, a list of texts, and `Failure`: "none" or what stopped it, so that the next step can tell both.
    Raises RefusedError, also where the root user has credentials by now that nobody approved to remove.
    """
    _refuse(events)
    iam = _root_session(events, DELETE)
    found, approved = _read(iam), json.loads(events["Found"])
    new = {kind: [name for name in names if name not in approved[kind]] for kind, names in found.items()}
    if any(new.values()):
        raise RefusedError(f"There is more by now than was approved: {_text(new)}. Nothing was removed. Start anew.")
    removed: list[str] = []
    try:
        for kind, delete in _DELETIONS.items():
            for name in found[kind]:
                delete(iam, name)
                removed.append(f"{NAMES[kind]} {name}")
    except (ClientError, BotoCoreError) as error:
        return {"Removed": removed, "Failure": f"{type(error).__name__}: {error}"}
    return {"Removed": removed, "Failure": NO_FAILURE}


def verify(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Read what remains, of each kind and in IAM's summary. `Removed` and `Failure` are what step `remove` said.

    Returns `Remaining` and `Text`. Raises CredentialsRemainError where anything remains.
    """
    iam = _root_session(events, AUDIT)
    remaining: dict[str, list[str]] = {}
    for attempt in range(READS):
        if attempt:
            time.sleep(WAIT)
        remaining = _read(iam)
        summary = iam.get_account_summary()["SummaryMap"]
        for key, kind in SUMMARY.items():
            # A key that is missing counts as present.
            if summary.get(key, 1) and not remaining[kind]:
                remaining[kind] = [f"according to {key}"]
        if not any(remaining.values()):
            return {"Remaining": _text(remaining), "Text": f"{_outcome(events)} Nothing remains."}
    raise CredentialsRemainError(
        f"{_outcome(events)} Remaining: {_text(remaining)}. Start the runbook again: it goes on from here."
    )


# What they need


def _refuse(events: dict[str, Any]) -> None:
    """Raise RefusedError where the account must not, or cannot, be touched. `CentralAccountId` is where this runs."""
    account_id = events["AccountId"]
    if account_id in events["DeniedAccounts"]:
        raise RefusedError(f"Account {account_id} is on the deny list of this runbook, which is set when it is deployed.")
    organizations, iam = boto3.client("organizations"), boto3.client("iam")
    if not hasattr(iam, "list_organizations_features"):  # which came with sts:AssumeRoot
        raise RefusedError(f"The boto3 {boto3.__version__} of this runtime has no sts:AssumeRoot: 1.35.60 or later is needed.")
    if account_id == organizations.describe_organization()["Organization"]["MasterAccountId"]:
        raise RefusedError(f"Account {account_id} is the management account: its root user's credentials are never removed.")
    try:
        account: Any = organizations.describe_account(AccountId=account_id)["Account"]
    except organizations.exceptions.AccountNotFoundException:
        raise RefusedError(f"Account {account_id} is no account of this organization.") from None
    # State takes the place of Status, which AWS retires, and which an older boto3 knows alone.
    state = account.get("State") or account.get("Status")
    if state not in {"ACTIVE", None}:  # None: AWS refuses a root session where there can be none
        raise RefusedError(f"Account {account_id} is {state}, and not ACTIVE.")
    try:
        enabled = iam.list_organizations_features()["EnabledFeatures"]
    except iam.exceptions.ServiceAccessNotEnabledException:
        raise RefusedError(
            "IAM has no trusted access to the organization. In the management account: aws organizations "
            "enable-aws-service-access --service-principal iam.amazonaws.com"
        ) from None
    except iam.exceptions.AccountNotManagementOrDelegatedAdministratorException:
        raise RefusedError(
            "This runbook works in the management account or in IAM's delegated administrator. In the management account: "
            "aws organizations register-delegated-administrator --service-principal iam.amazonaws.com --account-id "
            f"{events['CentralAccountId']}"
        ) from None
    for feature, command in FEATURES.items():
        if feature not in enabled:
            raise RefusedError(f"{feature} is off in this organization. In the management account: {command}")


def _root_session(events: dict[str, Any], task_policy: str) -> Any:  # noqa: ANN401 - a client of boto3
    """Return an IAM client with a root session of the account, which may do what the task policy allows."""
    os.environ["AWS_STS_REGIONAL_ENDPOINTS"] = "regional"  # the global endpoint has no AssumeRoot
    sts = boto3.client("sts", region_name=events["Region"])
    session = sts.assume_root(
        TargetPrincipal=events["AccountId"],
        TaskPolicyArn={"arn": f"arn:{events['Partition']}:iam::aws:policy/root-task/{task_policy}"},
        DurationSeconds=900,
    )["Credentials"]
    return boto3.client(
        "iam",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def _read(iam: Any) -> dict[str, list[str]]:  # noqa: ANN401 - a client of boto3
    """Return what the root user has: `AccessKeys` and `SigningCertificates` (ids), `LoginProfile`, `MfaDevices` (serials)."""
    try:
        iam.get_login_profile()
        login_profile = ["password"]
    except iam.exceptions.NoSuchEntityException:
        login_profile = []
    return {
        "AccessKeys": _listed(iam, "list_access_keys", "AccessKeyMetadata", "AccessKeyId"),
        "SigningCertificates": _listed(iam, "list_signing_certificates", "Certificates", "CertificateId"),
        "LoginProfile": login_profile,
        "MfaDevices": _listed(iam, "list_mfa_devices", "MFADevices", "SerialNumber"),
    }


def _listed(iam: Any, operation: str, member: str, name: str) -> list[str]:  # noqa: ANN401 - a client of boto3
    return [entry[name] for page in iam.get_paginator(operation).paginate() for entry in page[member]]


def _delete_access_key(iam: Any, name: str) -> None:  # noqa: ANN401 - a client of boto3
    with suppress(iam.exceptions.NoSuchEntityException):  # here and below: somebody else, or a lost answer, was faster
        iam.delete_access_key(AccessKeyId=name)


def _delete_signing_certificate(iam: Any, name: str) -> None:  # noqa: ANN401 - a client of boto3
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_signing_certificate(CertificateId=name)


def _delete_login_profile(iam: Any, _: str) -> None:  # noqa: ANN401 - a client of boto3
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_login_profile()


def _remove_mfa_device(iam: Any, name: str) -> None:  # noqa: ANN401 - a client of boto3
    with suppress(iam.exceptions.NoSuchEntityException):
        iam.deactivate_mfa_device(SerialNumber=name)
    if ":mfa/" in name:  # a virtual one, which would stay behind unassigned
        with suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_virtual_mfa_device(SerialNumber=name)


# In this order: MFA protects the password to the last.
_DELETIONS = {
    "AccessKeys": _delete_access_key,
    "SigningCertificates": _delete_signing_certificate,
    "LoginProfile": _delete_login_profile,
    "MfaDevices": _remove_mfa_device,
}


def _outcome(events: dict[str, Any]) -> str:
    failure = f" Stopped by {events['Failure']}." if events["Failure"] != NO_FAILURE else ""
    return f"Removed: {', '.join(events['Removed']) or 'nothing'}.{failure}"


def _text(found: dict[str, list[str]]) -> str:
    return ", ".join(f"{NAMES[kind]} {name}" for kind, names in found.items() for name in names) or "no credentials"
