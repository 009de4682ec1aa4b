"""RootVirtualMfa-Reevaluate, step StartEvaluation: let AWS Config evaluate the account's rule now.

Sources: API model, config, StartConfigRulesEvaluation: a rule is started once a minute at most, and not while it runs;
DescribeConfigRules (CreatedBy: a service made the rule).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

ATTEMPTS = 6
WAIT = 65
"""Seconds between attempts: AWS Config takes a start a minute. All attempts fit in the ten minutes that a script may take."""


class NoRuleError(RuntimeError):
    """The account has no such rule in this Region."""


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
def start_evaluation(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Find the rule, whatever suffix a conformance pack has given it, and start its evaluation, again while AWS Config is busy.

    `RuleName`, `PackRulePrefix` and `CentralAccountId` say which rules are ours: see is_ours. Returns the names of what was
    started as `ConfigRuleNames`. Raises NoRuleError, and CallError as the last attempt was refused.
    """
    config = boto3.client("config")
    pages = config.get_paginator("describe_config_rules").paginate()
    ours = [rule["ConfigRuleName"] for page in pages for rule in page["ConfigRules"] if is_ours(rule, events)]
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
