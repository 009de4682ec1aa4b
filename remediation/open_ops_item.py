"""RootVirtualMfa-Notify, step OpenOpsItem: one OpsItem for the account, and whether its message is still to be sent.

Sources: API model, ssm, CreateOpsItem, and
https://docs.aws.amazon.com/systems-manager/latest/userguide/OpsCenter-working-deduplication.html
"""

import json
from typing import Any

import boto3

SOURCE = "root-virtual-mfa"
SENT_BY = "messageSentBy"
"""Operational data: the execution that sends the message, put there before it does."""
SEVERITY_HIGH = "2"

PROCEDURE = """\
What to do (only the console can do it, signed in as root; no API and no runbook can):
1. Sign in as the root user with the account's e-mail address. A lost password is reset by mail to that address, \
which in some organizations has to be allowed first.
2. Open "Security credentials" in the menu under the account's name; under "Multi-factor authentication" assign a device.
3. Name the device and choose "Authenticator app": that is a virtual MFA device.
4. Scan the QR code with the app, or show the secret key and type it in.
5. Type two consecutive codes: the one that is shown, and the next.
6. Assign a second device in the same way, on another phone that somebody else keeps. Root may have eight.
7. Keep the means of recovery (the secret keys or QR codes, the mailbox, the phone number on record) sealed and apart from the \
phones, never in a ticket.
AWS's page: https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-virt-mfa-for-root.html
Within minutes AWS Config evaluates the account again, and this OpsItem resolves itself."""


def open_ops_item(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Open the OpsItem of the account `AccountId`, or bring the open one up to date with `Annotation` and `RuleName`.

    `ExecutionId` is this execution, `Partition` and `Region` where it is. Returns `OpsItemId`, `SendsMessage` (whether this
    execution is to send the message), and the message's `Subject` and `Message` (its text). A message whose execution failed is
    sent by the next one.
    """
    ssm: Any = boto3.client("ssm")
    account_id, execution_id = events["AccountId"], events["ExecutionId"]
    subject = f"Root user of account {account_id}: no compliant virtual MFA device"
    text = f"{events['Annotation']}\n(AWS Config rule {events['RuleName']}, control AWS_IAM_43)\n\n{PROCEDURE}"
    try:
        ops_item_id = ssm.create_ops_item(
            Title=subject,
            Description=text,
            Source=SOURCE,
            Category="Security",
            Severity=SEVERITY_HIGH,
            OperationalData={
                "/aws/dedup": _data({"dedupString": f"{SOURCE}-{account_id}"}),
                "/aws/resources": _data([{"arn": f"arn:{events['Partition']}:iam::{account_id}:root"}]),
                SENT_BY: {"Type": "SearchableString", "Value": execution_id},
            },
        )["OpsItemId"]
        sends = True
    except ssm.exceptions.OpsItemAlreadyExistsException as error:
        ops_item_id = error.response["OpsItemId"]
        known = ssm.get_ops_item(OpsItemId=ops_item_id)["OpsItem"]
        sent_by = known["OperationalData"].get(SENT_BY, {}).get("Value")
        # This execution's own, where the step is tried again since an answer was lost: it has not come to the message yet.
        sends = sent_by == execution_id or _failed(ssm, sent_by)
        changes: dict[str, Any] = {"Description": text} if known["Description"] != text else {}
        if sends:
            changes["OperationalData"] = {SENT_BY: {"Type": "SearchableString", "Value": execution_id}}
        if changes:
            ssm.update_ops_item(OpsItemId=ops_item_id, **changes)
    return {
        "OpsItemId": ops_item_id,
        "SendsMessage": sends,
        "Subject": subject,
        "Message": f"{text}\n\nOpsItem {ops_item_id} in OpsCenter of account {account_id}, Region {events['Region']}.",
    }


def _data(value: object) -> dict[str, str]:
    return {"Type": "SearchableString", "Value": json.dumps(value)}


def _failed(ssm: Any, execution_id: str | None) -> bool:  # noqa: ANN401 - a client of boto3
    """Tell whether the execution that was to send the message failed; one that is no longer on record did not."""
    if execution_id is None:
        return True
    try:
        execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    except ssm.exceptions.AutomationExecutionNotFoundException:
        return False
    return execution["AutomationExecutionStatus"] in {"Failed", "TimedOut", "Cancelled"}
