"""RootVirtualMfa-RemoveRootCredentials, step RemoveCredentials: remove the credentials of a member account's root user.

Sources: those of root_credentials.py, which precedes this in the script of the step.
"""

import json
import re
import time
from typing import Any

from remediation.root_credentials import (
    ACTIONS,
    AGAIN,
    AUDIT,
    KINDS,
    CallError,
    RefusedError,
    call,
    in_words,
    is_dry_run,
    own_execution,
    read,
    refuse,
    root_session,
)

PERMISSIONS = {"plan": ACTIONS, "remove": ACTIONS}
"""The actions that each step needs."""
DELETE = "IAMDeleteRootUserCredentials"
READS = 6
WAIT = 10
"""Seconds between two reads of what remains: IAM is eventually consistent."""
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


class CredentialsRemainError(RuntimeError):
    """The root user still has credentials or MFA devices. The message says which, and what was removed."""


def remove(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Remove what people approved as `Found`. Keys, certificates and password go first, so that none is left without MFA.

    `Found` and `Version` are what step `plan` returned; Automation may have read the JSON of `Found`. `MinimumApprovals` is how
    many people have to approve. Then read what remains, of each kind and in IAM's summary. A virtual MFA device counts as
    removed when it is deactivated: IAM may refuse to delete it. If it is not, the run fails: the person with the device has a
    part of the sign-in as root, once a password is recovered. Returns texts: `Approval` (who approved and who started),
    `Removed` and `Text` (all of it). Raises RefusedError, also if the root user has credentials that nobody approved to remove;
    CredentialsRemainError; and CallError. Once something may be removed, each error says what was.
    """
    if is_dry_run(events):
        raise RefusedError(f"This execution is a dry run. {AGAIN}")
    execution, version = own_execution(events)
    if version != str(events["Version"]):
        raise RefusedError(f"The runbook's default version was {events['Version']} and now is {version}. {AGAIN}")
    approval = _approval(events, execution)
    refuse(events)
    account_id, approved = events["AccountId"], events["Found"]
    approved = json.loads(approved) if isinstance(approved, str) else approved
    iam = root_session(events, DELETE)
    found = read(account_id, iam)
    new = {kind: [name for name in names if name not in approved[kind]] for kind, names in found.items()}
    if any(new.values()):
        raise RefusedError(f"The root user now has more than was approved: {in_words(new)}. {AGAIN}")
    deleted, failure = _delete(account_id, iam, found)
    done = f"{approval} Removed: {in_words(deleted, 'nothing')}.{f' {failure}' if failure else ''}"
    remaining, unread = _remaining(events)
    if unread is not None:
        raise CallError(f"{done} What remains could not be read: {unread}", unread.code)
    if any(remaining.values()):
        raise CredentialsRemainError(
            f"{done} Remaining: {in_words(remaining)}. Start the runbook again: it continues from here."
        )
    left = _delete_devices(account_id, iam, found["MfaDevices"])
    text = " ".join([approval, f"Removed: {in_words(found, 'nothing')}.", *left, "Nothing remains."])
    return {"Approval": approval, "Removed": in_words(found, "nothing"), "Text": text}


def _delete(account_id: str, iam: Any, found: dict[str, list[str]]) -> tuple[dict[str, list[str]], CallError | None]:  # noqa: ANN401 - a client of boto3
    """Delete what was found, and deactivate MFA devices. Return what was removed, and the first failure.

    A failure ends it, unless it is about an MFA device: then there are no credentials left to protect.
    """
    removed: dict[str, list[str]] = {kind: [] for kind in KINDS}
    failure = None
    for kind, (operation, parameter) in DELETIONS.items():
        for name in found[kind]:
            try:
                call(account_id, iam, operation, "", "NoSuchEntity", **({parameter: name} if parameter else {}))
            except CallError as error:
                failure = failure or error
                if kind != "MfaDevices":
                    return removed, failure
            else:
                removed[kind].append(name)
    return removed, failure


def _delete_devices(account_id: str, iam: Any, serial_numbers: list[str]) -> list[str]:  # noqa: ANN401 - a client of boto3
    """Delete virtual MFA devices that are deactivated. Return a sentence about those that IAM does not delete, or none.

    IAM authorizes this on the device, and there the task policy of the session denies it.
    """
    left = []
    for serial_number in serial_numbers:
        if ":mfa/" in serial_number:  # a hardware device is gone once it is deactivated
            try:
                call(account_id, iam, "DeleteVirtualMFADevice", "", "NoSuchEntity", SerialNumber=serial_number)
            except CallError as error:
                left.append(f"{serial_number} (iam:DeleteVirtualMFADevice: {error.code})")
    return [f"Left unassigned, harmless: {', '.join(left)}."] if left else []


def _remaining(events: dict[str, Any]) -> tuple[dict[str, list[str]], CallError | None]:
    """Read what remains, until nothing does or IAM had time to be consistent; or return the error that kept it from reading."""
    remaining: dict[str, list[str]] = {}
    try:
        iam = root_session(events, AUDIT)
        for attempt in range(READS):
            if attempt:
                time.sleep(WAIT)
            remaining = read(events["AccountId"], iam)
            summary = call(events["AccountId"], iam, "GetAccountSummary", "SummaryMap")
            for key, kind in SUMMARY.items():
                # A missing key counts as present.
                if summary.get(key, 1) and not remaining[kind]:
                    remaining[kind] = [f"(according to {key})"]
            if not any(remaining.values()):
                break
    except CallError as error:
        return remaining, error
    return remaining, None


def _approval(events: dict[str, Any], execution: dict[str, Any]) -> str:
    """Say who approved, who started, and what this could not check because Automation does not say.

    Raises RefusedError if nobody approved, if the starter approved, or if fewer users and roles than `MinimumApprovals` did.
    """
    central, starter = events["CentralAccountId"], str(execution.get("ExecutedBy") or "")
    steps = {step.get("StepName"): step for step in execution.get("StepExecutions", [])}
    step = steps.get("Approve", {"StepStatus": "Success"} if execution.get("StepExecutionsTruncated") else {})
    decisions = _decisions(step.get("Outputs", {}).get("ApproverDecisions"))
    if step.get("StepStatus") not in {"Success", "Approved"} or any(said.startswith("reject") for _, said in decisions):
        raise RefusedError(f"The plan was not approved. {AGAIN}")
    approvers = [who for who, said in decisions if said.startswith("approv")]
    principals, who_started = {_principal(central, who) for who in approvers}, _principal(central, starter)
    if who_started in principals - {""}:
        raise RefusedError(
            f"{starter} started this and approved it, in this session or another: somebody else has to approve. {AGAIN}"
        )
    all_told = len(approvers) == len(decisions) > 0 and "" not in principals
    if all_told and len(principals) < int(events["MinimumApprovals"]):
        raise RefusedError(
            f"{events['MinimumApprovals']} different users or roles have to approve; sessions of one role count as one. Fewer "
            f"did: {', '.join(approvers)}. {AGAIN}"
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
    """Return the user or role that an ARN or a user's name refers to, without path, session and case; "" if to neither."""
    if re.fullmatch(r"[\w+=,.@-]+", who):
        who = f"arn:aws:iam::{account_id}:user/{who}"
    arn = re.fullmatch(r"arn:[^:]+:(?:iam|sts)::(\d{12}):(root|user|role|federated-user|assumed-role(?=/))((?:/[^/]+)*)", who)
    if arn is None:
        return ""
    account_id, kind, path = arn.groups()
    name = path.split("/")[1 if kind == "assumed-role" else -1]
    return f"{account_id} {kind.removeprefix('assumed-')} {name}".casefold()
