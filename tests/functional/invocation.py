"""Invoke the function as AWS Lambda does: event, context, handler."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from root_virtual_mfa_enabled import rule
from tests.functional.fake_aws import OWN_ACCOUNT, SECRET

EVENTS = Path(__file__).parents[2] / "events"
CREATED = "2026-01-15T06:00:00.373Z"
RESULT_TOKEN = f"{SECRET}-result-token"
ROLE = "root-virtual-mfa-evaluation"


def load_event(name: str) -> dict[str, Any]:
    """Load a payload of events/ by its name."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def scheduled_event(
    account_id: str = OWN_ACCOUNT, partition: str = "aws", region: str = "us-east-1", created: str = CREATED, **parameters: str
) -> dict[str, Any]:
    """Make the event with which AWS Config invokes the rule of an account, with the rule parameters `parameters`."""
    invoking = {
        "awsAccountId": account_id,
        "notificationCreationTime": created,
        "messageType": "ScheduledNotification",
        "recordVersion": "1.0",
    }
    recorder_role = "aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    return {
        "version": "1.0",
        "invokingEvent": json.dumps(invoking),
        "ruleParameters": json.dumps(parameters),
        "resultToken": RESULT_TOKEN,
        "eventLeftScope": False,
        "executionRoleArn": f"arn:{partition}:iam::{account_id}:role/{recorder_role}",
        "configRuleArn": f"arn:{partition}:config:{region}:{account_id}:config-rule/config-rule-a1b2c3",
        "configRuleName": "root-virtual-mfa-enabled",
        "configRuleId": "config-rule-a1b2c3",
        "accountId": account_id,
    }


class Context:
    """AWS Lambda's context. Each question for the time left gets the next of `seconds_left`; the last one repeats."""

    def __init__(self, *seconds_left: float, account_id: str = OWN_ACCOUNT) -> None:
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:{account_id}:function:root-virtual-mfa-enabled"
        self._seconds_left = [*reversed(seconds_left)] or [140.0]

    def get_remaining_time_in_millis(self) -> int:
        seconds = self._seconds_left.pop() if len(self._seconds_left) > 1 else self._seconds_left[0]
        return int(seconds * 1000)


def handle(event: Any, context: Context | None = None) -> list[dict[str, str]]:  # noqa: ANN401 - any value may arrive
    """Invoke the function."""
    return rule.lambda_handler(event, context or Context())


def evaluation(verdict: str, annotation: str, account_id: str = OWN_ACCOUNT, created: str = CREATED) -> Mapping[str, str]:
    """Make the evaluation that AWS Config should get."""
    return {
        "ComplianceResourceType": "AWS::::Account",
        "ComplianceResourceId": account_id,
        "ComplianceType": verdict,
        "Annotation": annotation,
        "OrderingTimestamp": created,
    }
