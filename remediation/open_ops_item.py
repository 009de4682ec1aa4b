"""RootVirtualMfa-Notify, step OpenOpsItem: one OpsItem for the account, and whether this execution sends its message.

Whoever administers the account can write OpsItems, so nothing rests on what one says. Whether a message was sent is read from
Automation's record of executions, in which nobody can write: only a changed document could make it lie.
Sources: API model, ssm; https://docs.aws.amazon.com/systems-manager/latest/userguide/OpsCenter-working-deduplication.html
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

RUNBOOK = "RootVirtualMfa-Notify"
SOURCE = "root-virtual-mfa"
SENT_BY = "messageSentBy"
"""Operational data: the execution that sends the message, put there before it does."""
MESSAGE_ID, OPS_ITEM_ID = "PublishMessage.MessageId", "OpenOpsItem.OpsItemId"
"""Outputs of the runbook. The first has a value only once the message is sent."""
A_DAY = timedelta(days=1)
LONGEST_RUN = timedelta(hours=1)
"""An execution that has not ended by then does not send a message any more: somebody holds it up."""
LONGEST_ANNOTATION, LONGEST_NAME = 500, 250
"""Characters of a quotation. With PROCEDURE they fit into a description of 2,048."""

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


class CallError(RuntimeError):
    """A call failed. AWS's message is cut after the first line: the headers of the call may follow."""


@contextmanager
def calls() -> Iterator[None]:
    """Raise CallError in the place of what shows AWS's whole message, or its whole answer."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        first_line = re.split(r"[\r\n]|\\[rn]", str(told.get("Message")))[0]
        raise CallError(f"{error.operation_name}: {told.get('Code')}: {first_line}") from None
    except ResponseParserError:
        raise CallError("An answer of AWS could not be parsed. Start the runbook again.") from None


@calls()
def open_ops_item(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Open the OpsItem of the account `AccountId`, or bring the open one up to date with `Annotation` and `RuleName`.

    `ExecutionId` is this execution, `Partition` and `Region` where it is. Returns `OpsItemId`, `SendsMessage` (whether this
    execution is to send the message), and the message's `Subject` and `Message` (its text). An account sends one message a day
    at most. A message whose execution failed is sent by the next one. Raises CallError.
    """
    ssm: Any = boto3.client("ssm")
    account_id, region = events["AccountId"], events["Region"]
    names = (RUNBOOK, f"arn:{events['Partition']}:ssm:{region}:{account_id}:document/{RUNBOOK}")
    subject = f"Root user of account {account_id}: no compliant virtual MFA device"
    text = "\n".join(
        [
            "AWS Config's annotation, quoted:",
            f"> {quoted(events['Annotation'], LONGEST_ANNOTATION)}",
            "The name of its rule (control AWS_IAM_43), quoted:",
            f"> {quoted(events['RuleName'], LONGEST_NAME)}",
            "",
            PROCEDURE,
        ]
    )
    sends = not _another_sends(ssm, events["ExecutionId"], names)
    mark = {SENT_BY: {"Type": "SearchableString", "Value": events["ExecutionId"]}}
    root_arn = f"arn:{events['Partition']}:iam::{account_id}:root"
    resources = {"/aws/resources": _data([{"arn": root_arn}])}
    shown = {"Title": subject, "Description": text, "Category": "Security", "Severity": "2"}  # which is high
    dedup = {"/aws/dedup": _data({"dedupString": f"{SOURCE}-{account_id}"})}
    ops_item_id, known = _create_or_find(
        ssm, {**shown, "Source": SOURCE, "OperationalData": dedup | resources | (mark if sends else {})}
    )
    if known is not None:
        data = known.get("OperationalData", {})
        sends = sends and not _was_sent(ssm, data.get(SENT_BY, {}).get("Value", ""), ops_item_id, names)
        changes: dict[str, Any] = {name: value for name, value in shown.items() if known.get(name) != value}
        if known["Status"] not in {"Open", "InProgress"}:
            changes["Status"] = "Open"
        new_data = mark if sends else {}
        if root_arn not in data.get("/aws/resources", {}).get("Value", ""):
            new_data = new_data | resources
        if new_data:
            changes["OperationalData"] = new_data
        if changes:
            ssm.update_ops_item(OpsItemId=ops_item_id, **changes)
    return {
        "OpsItemId": ops_item_id,
        "SendsMessage": sends,
        "Subject": subject,
        "Message": f"{text}\n\nOpsItem {ops_item_id} in OpsCenter of account {account_id}, Region {region}.",
    }


def quoted(text: str, longest: int) -> str:
    """Make one line of a text that others write, `longest` characters at most: nothing in it is hidden, and nothing is a link.

    Control characters, line breaks, everything beyond ASCII, and what Markdown and HTML are made of show as their numbers. A
    full stop, colon or @ before other text gets parentheses, so that no mail program sees an address.
    """
    shown = re.sub(r"[^\w !\"#$%'()*+,\-./:;=?@^~]", lambda found: f"\\u{ord(found[0]):04x}", text, flags=re.ASCII)
    line = re.sub(r"[.:@](?=\S)", r"(\g<0>)", shown)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _data(value: object) -> dict[str, str]:
    return {"Type": "SearchableString", "Value": json.dumps(value)}


def _create_or_find(ssm: Any, item: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:  # noqa: ANN401 - a client of boto3
    """Create an OpsItem, or find the open one with its deduplication string: give its id, and what it says if it was there."""
    try:
        return ssm.create_ops_item(**item)["OpsItemId"], None
    except ssm.exceptions.OpsItemAlreadyExistsException as error:
        ops_item_id = error.response["OpsItemId"]
    known = ssm.get_ops_item(OpsItemId=ops_item_id)["OpsItem"]
    if known["Source"] == item["Source"]:
        return ops_item_id, known
    # Somebody else's, in the place of ours. A source cannot be changed, and ResolveOpsItems finds OpsItems by it.
    ssm.update_ops_item(OpsItemId=ops_item_id, Status="Resolved")
    return ssm.create_ops_item(**item)["OpsItemId"], None


def _another_sends(ssm: Any, execution_id: str, names: tuple[str, ...]) -> bool:  # noqa: ANN401 - a client of boto3
    """Tell whether another execution sent a message within a day before this one, or is to send one.

    Of those that run at the same time, the one that began first is to.
    """
    began = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]["ExecutionStartTime"]
    since = f"{(began - A_DAY).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    pages = ssm.get_paginator("describe_automation_executions")
    for name in names:
        filters = [{"Key": "DocumentNamePrefix", "Values": [name]}, {"Key": "StartTimeAfter", "Values": [since]}]
        for page in pages.paginate(Filters=filters):
            for other in page["AutomationExecutionMetadataList"]:
                other_id, other_began = other["AutomationExecutionId"], other["ExecutionStartTime"]
                if other["DocumentName"] != name or other_id == execution_id:
                    continue
                runs = other["AutomationExecutionStatus"] in {"Pending", "InProgress"} and other.get("Mode") != "Interactive"
                is_first = began - LONGEST_RUN < other_began and (other_began, other_id) < (began, execution_id)
                if (runs and is_first) or _output(ssm, other, MESSAGE_ID):
                    return True
    return False


def _was_sent(ssm: Any, sent_by: str, ops_item_id: str, names: tuple[str, ...]) -> bool:  # noqa: ANN401 - a client of boto3
    """Tell whether `sent_by`, which anybody may write, is an execution of the runbook that sent the OpsItem's message."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sent_by):
        return False
    try:
        execution = ssm.get_automation_execution(AutomationExecutionId=sent_by)["AutomationExecution"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AutomationExecutionNotFoundException", "ValidationException"}:
            return False
        raise
    is_ours = execution["DocumentName"] in names and _output(ssm, execution, OPS_ITEM_ID) == ops_item_id
    return is_ours and bool(_output(ssm, execution, MESSAGE_ID))


def _output(ssm: Any, execution: dict[str, Any], name: str) -> str:  # noqa: ANN401 - a client of boto3
    """Give an output of an execution, "" if it has none: then Automation says so in a sentence, and no output has a space."""
    if execution["AutomationExecutionStatus"] == "Success" and not execution.get("Outputs"):
        # The reference leaves open whether a list of executions has their outputs.
        execution_id = execution["AutomationExecutionId"]
        execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    value = " ".join(execution.get("Outputs", {}).get(name, []))
    return "" if " " in value else value
