"""RootVirtualMfa-Notify, step ReadResult, and RootVirtualMfa-Reevaluate, step StartEvaluation: the rule of AWS Config.

This script decides no verdict. The result is the rule's; if there is none, the step fails.
Sources: API model, config: GetComplianceDetailsByResource; StartConfigRulesEvaluation (AWS Config starts a rule once a minute
at most, and not while it runs); DescribeConfigRules (CreatedBy: a service made the rule).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

PERMISSIONS = {
    "read_result": {"config:DescribeConfigRules", "config:GetComplianceDetailsByResource"},
    "start_evaluation": {"config:DescribeConfigRules", "config:StartConfigRulesEvaluation"},
}
"""The actions that each step needs."""
WORST_FIRST = ("NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE")
ATTEMPTS = 6
WAIT = 65
"""Seconds between attempts to start an evaluation. All attempts fit into the ten minutes that a script may take."""


class NoResultError(RuntimeError):
    """AWS Config has no result of the rule for the account."""


class NoRuleError(RuntimeError):
    """The account has no such rule in this Region."""


class ForeignAccountError(RuntimeError):
    """Somebody started the runbook for an account other than its own."""


class CallError(RuntimeError):
    """A call failed. The message has only the first line of AWS's message: the headers of the call may follow it."""


@contextmanager
def calls() -> Iterator[None]:
    """Raise CallError instead of an error that shows AWS's whole message or its whole answer."""
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

    `OwnAccountId` is the account that this runs in. `RuleName`, `PackRulePrefix` and `CentralAccountId` tell which rules are
    ours: see is_ours. Returns `Compliance` (COMPLIANT, NON_COMPLIANT or NOT_APPLICABLE), `Annotation` and `RuleName`.
    Raises ForeignAccountError, NoResultError and CallError.
    """
    account_id, own = events["AccountId"], events["OwnAccountId"]
    if account_id != own:
        raise ForeignAccountError(f"AccountId is {account_id}, and this is account {own}: start the runbook in that account.")
    config = boto3.client("config")
    ours = _our_rules(config, events)
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
        f"AWS Config has no result of the rule {events['RuleName']} for account {account_id} in this Region. Check that the "
        "rule is here and that the configuration recorder is on. In an organization only the organization's rule counts."
    )


@calls()
def start_evaluation(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Find the rule, whatever suffix a conformance pack gave it, and start its evaluation. Try again while AWS Config is busy.

    `RuleName`, `PackRulePrefix` and `CentralAccountId` tell which rules are ours: see is_ours. Returns the names of the rules
    that it started as `ConfigRuleNames`. Raises NoRuleError, and CallError if AWS Config refused the last attempt.
    """
    config = boto3.client("config")
    ours = _our_rules(config, events)
    if not ours:
        raise NoRuleError(
            f"This account has no AWS Config rule {events['RuleName']} in this Region, alone or in a pack. In an organization "
            "only the organization's rule counts."
        )
    attempts = 0
    while True:
        attempts += 1
        try:
            config.start_config_rules_evaluation(ConfigRuleNames=ours)
        except config.exceptions.LimitExceededException:
            if attempts == ATTEMPTS:
                raise
            time.sleep(WAIT)
        else:
            return {"ConfigRuleNames": ours}


def _our_rules(config: Any, events: dict[str, Any]) -> list[str]:  # noqa: ANN401 - a client of boto3
    pages = config.get_paginator("describe_config_rules").paginate()
    return [rule["ConfigRuleName"] for page in pages for rule in page["ConfigRules"] if is_ours(rule, events)]


def is_ours(rule: Any, events: dict[str, Any]) -> bool:  # noqa: ANN401 - as DescribeConfigRules gives it
    """Tell whether a rule has our name and, in an organization, is the organization's rule.

    Our name is `RuleName`, or begins with `PackRulePrefix`. A member of an organization can make a rule of that name, itself or
    in its own conformance pack. A service made the organization's rule, and a function of the account `CentralAccountId`
    evaluates it. `CentralAccountId` is "" if there is no organization.
    """
    name, central = rule["ConfigRuleName"], events["CentralAccountId"]
    is_named_so = name == events["RuleName"] or name.startswith(events["PackRulePrefix"])
    # AWS Config documents both signs of a service's rule. One is enough: nobody outside AWS has seen both.
    of_service = "CreatedBy" in rule or ":config-rule/aws-service-rule/" in rule.get("ConfigRuleArn", "")
    evaluated_there = f":{central}:function:" in rule["Source"].get("SourceIdentifier", "")
    return is_named_so and (not central or (of_service and evaluated_there))
