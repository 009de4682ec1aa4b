"""RootVirtualMfa-Notify, step ReadResult: what AWS Config says of the account's root user.

There is no verdict logic here: the result is the rule's, and where there is none the step fails.
Sources: API model, config, GetComplianceDetailsByResource, and DescribeConfigRules (CreatedBy: a service made the rule).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

WORST_FIRST = ("NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE")


class NoResultError(RuntimeError):
    """AWS Config has no result of the rule for the account."""


class ForeignAccountError(RuntimeError):
    """The runbook was started for another account than its own."""


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
def read_result(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Read the result of the account `AccountId`; the worst one, if several of our rules evaluate it.

    `OwnAccountId` is the account that this runs in. `RuleName`, `PackRulePrefix` and `CentralAccountId` say which rules are
    ours: see is_ours. Returns `Compliance` (COMPLIANT, NON_COMPLIANT or NOT_APPLICABLE), `Annotation` and `RuleName`.
    Raises ForeignAccountError, NoResultError and CallError.
    """
    account_id, own = events["AccountId"], events["OwnAccountId"]
    if account_id != own:
        raise ForeignAccountError(f"AccountId is {account_id}, and this is account {own}: start the runbook in that account.")
    config = boto3.client("config")
    rules = config.get_paginator("describe_config_rules").paginate()
    ours = {rule["ConfigRuleName"] for page in rules for rule in page["ConfigRules"] if is_ours(rule, events)}
    pages = config.get_paginator("get_compliance_details_by_resource")
    results = {}
    for page in pages.paginate(ResourceType="AWS::::Account", ResourceId=account_id):
        for result in page["EvaluationResults"]:
            rule_name = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ConfigRuleName"]
            if rule_name in ours:
                results[result["ComplianceType"]] = {
                    "Compliance": result["ComplianceType"],
                    "Annotation": result.get("Annotation", "The result has no annotation."),
                    "RuleName": rule_name,
                }
    for compliance in WORST_FIRST:
        if compliance in results:
            return results[compliance]
    raise NoResultError(
        f"AWS Config has no result of the rule {events['RuleName']} for account {account_id} in this Region: see whether the "
        "rule is here and the configuration recorder is on. In an organization only the organization's rule counts."
    )


def is_ours(rule: Any, events: dict[str, Any]) -> bool:  # noqa: ANN401 - as DescribeConfigRules gives it
    """Tell whether a rule is named `RuleName` or as `PackRulePrefix` begins, and is the organization's, if there is one.

    A member of an organization can make a rule of such a name, itself or with a pack of its own. The organization's rule was
    made by a service, and a function of the account `CentralAccountId` evaluates it; "" says that there is no organization.
    """
    name, central = rule["ConfigRuleName"], events["CentralAccountId"]
    is_named_so = name == events["RuleName"] or name.startswith(events["PackRulePrefix"])
    # AWS Config says both of a service's rule; either is enough, since nobody outside AWS has seen both.
    of_service = "CreatedBy" in rule or ":config-rule/aws-service-rule/" in rule.get("ConfigRuleArn", "")
    evaluated_there = f":{central}:function:" in rule["Source"].get("SourceIdentifier", "")
    return is_named_so and (not central or (of_service and evaluated_there))
