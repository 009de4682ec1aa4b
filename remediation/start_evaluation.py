"""RootVirtualMfa-Reevaluate, step StartEvaluation: let AWS Config evaluate the account's rule now.

Source: API model, config, StartConfigRulesEvaluation: a rule is started once a minute at most, and not while it runs.
"""

import re
import time
from typing import Any

import boto3

# As it is named in one account, in a conformance pack, and as an organization's rule.
RULE_NAME = re.compile(
    r"root-virtual-mfa-enabled(-conformance-pack-[a-z0-9]+)?|OrgConfigRule-root-virtual-mfa-enabled-[a-z0-9]+", re.ASCII
)
ATTEMPTS = 6
WAIT = 65
"""Seconds between attempts: AWS Config takes a start a minute. All attempts fit in the ten minutes that a script may take."""


class NoRuleError(RuntimeError):
    """The account has no such rule in this Region."""


def start_evaluation(_: dict[str, Any], __: object) -> dict[str, Any]:
    """Find the rule, whatever suffix a conformance pack has given it, and start its evaluation, again while AWS Config is busy.

    Returns the names of what was started as `ConfigRuleNames`. Raises NoRuleError, and what the last attempt raised.
    """
    config = boto3.client("config")
    pages = config.get_paginator("describe_config_rules").paginate()
    names = [rule["ConfigRuleName"] for page in pages for rule in page["ConfigRules"]]
    ours = [name for name in names if RULE_NAME.fullmatch(name)]
    if not ours:
        raise NoRuleError("This account has no AWS Config rule root-virtual-mfa-enabled in this Region, alone or in a pack.")
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
