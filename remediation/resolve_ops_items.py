"""RootVirtualMfa-Notify, step ResolveOpsItems: the account's root user is as it should be, so what was open is resolved.

Source: API model, ssm, DescribeOpsItems and UpdateOpsItem.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

SOURCE = "root-virtual-mfa"


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
def resolve_ops_items(_: dict[str, Any], __: object) -> dict[str, Any]:
    """Resolve the OpsItems of this account that are open or in progress. Returns their ids as `Resolved`. Raises CallError."""
    ssm = boto3.client("ssm")
    pages = ssm.get_paginator("describe_ops_items")
    unresolved = [
        summary["OpsItemId"]
        for page in pages.paginate(OpsItemFilters=[{"Key": "Source", "Values": [SOURCE], "Operator": "Equal"}])
        for summary in page["OpsItemSummaries"]
        if summary["Status"] in {"Open", "InProgress"}
    ]
    for ops_item_id in unresolved:
        ssm.update_ops_item(OpsItemId=ops_item_id, Status="Resolved")
    return {"Resolved": unresolved}
