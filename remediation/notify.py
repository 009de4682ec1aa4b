"""RootVirtualMfa-Notify: tell the owner of this account what AWS Config found about the root user's virtual MFA.

Administrators of the account can write OpsItems and start executions, so this script trusts no OpsItem, and no event unless
EventBridge started the execution. It reads from Automation's record of executions who did, and whether a notice was sent.
Nobody can write to that record; only a changed document could make it wrong.
Sources: API model, ssm; https://docs.aws.amazon.com/systems-manager/latest/userguide/OpsCenter-working-deduplication.html
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from remediation.config_rule import READ_RESULT_ACTIONS, WORST_FIRST, ForeignAccountError, Result, calls, read_result

NOTIFY_ACTIONS = READ_RESULT_ACTIONS | {
    "sns:Publish",
    "ssm:CreateOpsItem",
    "ssm:DescribeAutomationExecutions",
    "ssm:DescribeOpsItems",
    "ssm:GetAutomationExecution",
    "ssm:GetOpsItem",
    "ssm:UpdateOpsItem",
}
"""The actions that it needs."""
RUNBOOK = "RootVirtualMfa-Notify"
SOURCE = "root-virtual-mfa"
SENT_BY = "messageSentBy"
"""Operational data: the execution that sends the notice. It is written before the notice is sent."""
MESSAGE_ID, OPS_ITEM_ID = "Notify.MessageId", "Notify.OpsItemId"
"""Outputs of the runbook."""
NONE = "none"
"""An output without a value."""
A_DAY = timedelta(days=1)
LONGEST_RUN = timedelta(hours=1)
"""An execution that runs longer no longer sends a notice: somebody is delaying it."""
LONGEST_ANNOTATION, LONGEST_NAME = 500, 250
"""Characters of a quotation. The quotations and PROCEDURE fit into a description of 2,048 characters."""

PROCEDURE = """\
What to do (only the console can do it, signed in as root; no API and no runbook can):
1. Sign in as the root user with the account's e-mail address. You can reset a lost password by mail to that address. \
In some organizations somebody has to allow that first.
2. Open "Security credentials" in the menu under the account's name; under "Multi-factor authentication" assign a device.
3. Name the device and choose "Authenticator app": that is a virtual MFA device.
4. Scan the QR code with the app, or show the secret key and type it in.
5. Type two consecutive codes: the one that is shown, and the next.
6. Assign a second device in the same way, on another phone that somebody else keeps. Root may have eight.
7. Keep the means of recovery (the secret keys or QR codes, the mailbox, the phone number on record) sealed and apart from the \
phones, never in a ticket.
AWS's page: https://docs.aws.amazon.com/IAM/latest/UserGuide/enable-virt-mfa-for-root.html
Within minutes AWS Config evaluates the account again, and this OpsItem resolves itself."""


@calls()
def notify(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Open the OpsItem of the account `AccountId` and send its notice, or resolve its OpsItems, as the rule's result says.

    `OwnAccountId`, `Partition` and `Region` are where this runs, as the execution `ExecutionId`. `RuleName`, `PackRulePrefix`,
    `CentralAccountId`, `RuleDeployment` and `FunctionArn` tell which rules are ours: see is_ours. `Event`, `ConfigRuleArn` and
    `EventsRole` tell what started it: see told_by_event. `TopicArn` gets the notice.
    Returns `Compliance`, `Source` (what told the result), `OpsItemId` and `MessageId` (NONE if there is none), and `Text`.
    Raises ForeignAccountError, NoResultError and CallError.
    """
    account_id, own = events["AccountId"], events["OwnAccountId"]
    if account_id != own:
        raise ForeignAccountError(f"AccountId is {account_id}, and this is account {own}: start the runbook in that account.")
    ssm: Any = boto3.client("ssm")
    execution = ssm.get_automation_execution(AutomationExecutionId=events["ExecutionId"])["AutomationExecution"]
    rule_name, result = read_result(events, told_by_event(events, execution))
    outputs = {"Compliance": result.compliance, "Source": result.source, "OpsItemId": NONE, "MessageId": NONE}
    if result.compliance != "NON_COMPLIANT":
        resolved = ", ".join(resolve_ops_items(ssm))
        return {**outputs, "Text": f"{result.compliance}: " + (f"resolved {resolved}." if resolved else "no OpsItem is open.")}
    ops_item_id, message = open_ops_item(ssm, execution, rule_name, result, events)
    text = f"NON_COMPLIANT: OpsItem {ops_item_id} is open. No message, since it had one, or the account had one within a day."
    if message:
        outputs["MessageId"] = boto3.client("sns").publish(TopicArn=events["TopicArn"], **message)["MessageId"]
        text = f"NON_COMPLIANT: OpsItem {ops_item_id} is open. Sent message {outputs['MessageId']}."
    return {**outputs, "OpsItemId": ops_item_id, "Text": text}


def told_by_event(events: dict[str, Any], execution: Any) -> tuple[str, Result] | None:
    """Return the ARN of the rule and the result that AWS Config's event told; None if no event started the execution.

    `Event` is verdict, time and annotation, with a space between them. Anybody who may start the runbook can set it. Only
    EventBridge starts it as `EventsRole`, and PutEvents refuses AWS Config's source to everybody else.
    """
    session = rf"arn:[^:]+:sts::{events['OwnAccountId']}:assumed-role/{re.escape(events['EventsRole'])}/[^/]+"
    event = re.fullmatch(
        rf"({'|'.join(WORST_FIRST)}) (\d+-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z) (.*)", events["Event"], re.ASCII | re.DOTALL
    )
    if not (event and re.fullmatch(session, execution.get("ExecutedBy", ""))):
        return None
    compliance, recorded, annotation = event.groups()
    recorded_time = datetime.fromisoformat(recorded).astimezone(UTC)
    return events["ConfigRuleArn"], Result(compliance, annotation or "The event has no annotation.", recorded_time, "event")


def open_ops_item(
    ssm: Any,
    execution: Any,
    rule_name: str,
    result: Result,
    events: dict[str, Any],
) -> tuple[str, dict[str, Any] | None]:
    """Open the OpsItem of the account, or update the open one. Return its id, and the notice to send or None.

    An account sends at most one notice a day. If an execution fails before it sends its notice, the next execution sends it.
    """
    account_id, region, execution_id = events["AccountId"], events["Region"], events["ExecutionId"]
    names = (RUNBOOK, f"arn:{events['Partition']}:ssm:{region}:{account_id}:document/{RUNBOOK}")
    subject = f"Root user of account {account_id}: no compliant virtual MFA device"
    text = "\n".join(
        [
            "AWS Config's annotation, quoted:",
            f"> {quoted(result.annotation, LONGEST_ANNOTATION)}",
            "The name of its rule (control AWS_IAM_43), quoted:",
            f"> {quoted(rule_name, LONGEST_NAME)}",
            "",
            PROCEDURE,
        ]
    )
    sends = not _another_sends(ssm, execution, names)
    mark = {SENT_BY: {"Type": "SearchableString", "Value": execution_id}}
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
    if not sends:
        return ops_item_id, None
    return ops_item_id, {
        "Subject": subject,
        "Message": f"{text}\n\nOpsItem {ops_item_id} in OpsCenter of account {account_id}, Region {region}.",
        # for the filter policies of subscriptions
        "MessageAttributes": {"accountId": {"DataType": "String", "StringValue": account_id}},
    }


def resolve_ops_items(ssm: Any) -> list[str]:
    """Resolve the OpsItems of this account that are open or in progress, and return their ids."""
    pages = ssm.get_paginator("describe_ops_items")
    unresolved = [
        summary["OpsItemId"]
        for page in pages.paginate(OpsItemFilters=[{"Key": "Source", "Values": [SOURCE], "Operator": "Equal"}])
        for summary in page["OpsItemSummaries"]
        if summary["Status"] in {"Open", "InProgress"}
    ]
    for ops_item_id in unresolved:
        ssm.update_ops_item(OpsItemId=ops_item_id, Status="Resolved")
    return unresolved


def quoted(text: str, longest: int) -> str:
    """Make one line, `longest` characters at most, of a text that others wrote. It hides nothing and links to nothing.

    Control characters, line breaks, characters beyond ASCII and the markup of Markdown and HTML become their numbers. A full
    stop, colon or @ before other text gets parentheses, so that no mail program sees an address.
    """
    shown = re.sub(r"[^\w !\"#$%'()*+,\-./:;=?@^~]", lambda found: f"\\u{ord(found[0]):04x}", text, flags=re.ASCII)
    line = re.sub(r"[.:@](?=\S)", r"(\g<0>)", shown)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _data(value: object) -> dict[str, str]:
    return {"Type": "SearchableString", "Value": json.dumps(value)}


def _create_or_find(ssm: Any, item: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Create an OpsItem, or find the open one with its deduplication string. Return its id, and its content if it was there."""
    try:
        return ssm.create_ops_item(**item)["OpsItemId"], None
    except ssm.exceptions.OpsItemAlreadyExistsException as error:
        ops_item_id = error.response["OpsItemId"]
    known = ssm.get_ops_item(OpsItemId=ops_item_id)["OpsItem"]
    if known["Source"] == item["Source"]:
        return ops_item_id, known
    # Somebody else made it in place of ours. resolve_ops_items finds OpsItems by their source, which nobody can change.
    ssm.update_ops_item(OpsItemId=ops_item_id, Status="Resolved")
    return ssm.create_ops_item(**item)["OpsItemId"], None


def _another_sends(ssm: Any, execution: Any, names: tuple[str, ...]) -> bool:
    """Tell whether another execution sent a notice within a day before this one, or will send one.

    If several executions run at the same time, the one that began first sends it.
    """
    execution_id, began = execution["AutomationExecutionId"], execution["ExecutionStartTime"]
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


def _was_sent(ssm: Any, sent_by: str, ops_item_id: str, names: tuple[str, ...]) -> bool:
    """Tell whether `sent_by`, which anybody can write, is an execution of the runbook that sent the OpsItem's notice."""
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


def _output(ssm: Any, execution: dict[str, Any], name: str) -> str:
    """Return an output of an execution, "" if it has none. Automation then gives a sentence; our outputs have no spaces."""
    if execution["AutomationExecutionStatus"] == "Success" and not execution.get("Outputs"):
        # AWS's reference does not say whether a list of executions has their outputs.
        execution_id = execution["AutomationExecutionId"]
        execution = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    value = " ".join(execution.get("Outputs", {}).get(name, []))
    return "" if " " in value or value == NONE else value
