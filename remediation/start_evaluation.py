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

ATTEMPTS = 6
WAIT = 65
"""Seconds between attempts: AWS Config takes a start a minute. All attempts fit in the ten minutes that a script may take."""


class NoRuleError(RuntimeError):
    """The account has no such rule in this Region."""


class CallError(RuntimeError):
    """AWS refused a call. Its message is cut after the first line: the headers of the call may follow."""


@contextmanager
def calls() -> Iterator[None]:
    """Raise CallError in the place of ClientError, which shows the whole message."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        first_line = re.split(r"[\r\n]|\\[rn]", str(told.get("Message")))[0]
        raise CallError(f"{error.operation_name}: {told.get('Code')}: {first_line}") from None


@calls()
def start_evaluation(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Find the rule, whatever suffix a conformance pack has given it, and start its evaluation, again while AWS Config is busy.

    `RuleName`, `PackRulePrefix` and `OrganizationOnly` say which rules are ours: see is_ours. Returns the names of what was
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
    """Tell whether a rule is named `RuleName` or as `PackRulePrefix` begins and, if `OrganizationOnly`, made by a service.

    A member of an organization can make a rule of such a name itself.
    """
    name = rule["ConfigRuleName"]
    is_named_so = name == events["RuleName"] or name.startswith(events["PackRulePrefix"])
    return is_named_so and (str(events["OrganizationOnly"]).lower() == "false" or bool(rule.get("CreatedBy")))
