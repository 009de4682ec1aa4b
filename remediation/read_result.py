"""RootVirtualMfa-Notify, step ReadResult: what AWS Config says of the account's root user.

There is no verdict logic here: the result is the rule's, and where there is none the step fails.
Source: API model, config, GetComplianceDetailsByResource.
"""

import re
from typing import Any

import boto3

# As it is named in one account, in a conformance pack, and as an organization's rule.
RULE_NAME = re.compile(
    r"root-virtual-mfa-enabled(-conformance-pack-[a-z0-9]+)?|OrgConfigRule-root-virtual-mfa-enabled-[a-z0-9]+", re.ASCII
)
WORST_FIRST = ("NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE")


class NoResultError(RuntimeError):
    """AWS Config has no result of the rule for the account."""


def read_result(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Read the result of the account `AccountId`; the worst one, where several rules of this name evaluate it.

    Returns `Compliance` (COMPLIANT, NON_COMPLIANT or NOT_APPLICABLE), `Annotation` and `RuleName`. Raises NoResultError.
    """
    account_id = events["AccountId"]
    pages = boto3.client("config").get_paginator("get_compliance_details_by_resource")
    results = {}
    for page in pages.paginate(ResourceType="AWS::::Account", ResourceId=account_id):
        for result in page["EvaluationResults"]:
            rule_name = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"]
            if RULE_NAME.fullmatch(rule_name):
                results[result["ComplianceType"]] = {
                    "Compliance": result["ComplianceType"],
                    "Annotation": result.get("Annotation", "The result has no annotation."),
                    "RuleName": rule_name,
                }
    for compliance in WORST_FIRST:
        if compliance in results:
            return results[compliance]
    raise NoResultError(
        f"AWS Config has no result of the rule root-virtual-mfa-enabled for account {account_id} in this Region: see whether "
        "the rule is here and the configuration recorder is on."
    )
