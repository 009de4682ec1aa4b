"""RootVirtualMfa-Notify, step ResolveOpsItems: the account's root user is as it should be, so what was open is resolved.

Source: API model, ssm, DescribeOpsItems and UpdateOpsItem.
"""

from typing import Any

import boto3

SOURCE = "root-virtual-mfa"


def resolve_ops_items(_: dict[str, Any], __: object) -> dict[str, Any]:
    """Resolve the OpsItems of this account that are open or in progress. Returns their ids as `Resolved`."""
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
