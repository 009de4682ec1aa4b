"""The event with which AWS Config invokes a periodic rule, checked before anything is done with it.

Source: https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from root_virtual_mfa_enabled.errors import InvalidEventError

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_RULE_ARN = re.compile(
    # The Region becomes part of host names, so it has to look like one: us-east-1, us-gov-west-1, eusc-de-east-1.
    r"arn:(?P<partition>aws[a-z-]*):config:(?P<region>[a-z]{2,8}(-[a-z]{2,12}){1,2}-\d{1,2}):(?P<account>\d{12}):config-rule/.+"
)


@dataclass(frozen=True, slots=True)
class ScheduledNotification:
    """A periodic invocation: whom it is about, and what must come back with the evaluation.

    `ordering_timestamp` is the notification's creation time as AWS Config wrote it (ISO 8601): a redelivered event
    carries the same one, so that reporting twice changes nothing.
    """

    account_id: str
    partition: str
    region: str
    result_token: str
    ordering_timestamp: str
    rule_parameters: Mapping[str, str]

    @classmethod
    def from_event(cls, event: object) -> "ScheduledNotification":
        """Check a Lambda event and take from it what the rule needs.

        Raises InvalidEventError, which names the field and says what is allowed.
        """
        fields = _object("The event itself", event, secret=True)
        invoking = _object("invokingEvent", _json("invokingEvent", _text("invokingEvent", fields.get("invokingEvent"))))
        message_type = invoking.get("messageType")
        if message_type != "ScheduledNotification":
            raise _refused("invokingEvent.messageType", message_type, "ScheduledNotification, since the rule is periodic")
        account_id = _text("accountId", fields.get("accountId"))
        if not _ACCOUNT_ID.fullmatch(account_id):
            raise _refused("accountId", account_id, "an account id of 12 digits")
        if invoking.get("awsAccountId") != account_id:
            raise _refused("invokingEvent.awsAccountId", invoking.get("awsAccountId"), f"accountId ({account_id})")
        rule_arn = _text("configRuleArn", fields.get("configRuleArn"))
        arn = _RULE_ARN.fullmatch(rule_arn)
        if arn is None:
            raise _refused("configRuleArn", rule_arn, "the ARN of a Config rule")
        if arn["account"] != account_id:
            raise _refused("configRuleArn", rule_arn, f"an ARN in the account of accountId ({account_id})")
        return cls(
            account_id=account_id,
            partition=arn["partition"],
            region=arn["region"],
            result_token=_text("resultToken", fields.get("resultToken"), secret=True),
            ordering_timestamp=_timestamp(invoking.get("notificationCreationTime")),
            rule_parameters=_rule_parameters(fields["ruleParameters"]) if "ruleParameters" in fields else {},
        )


def _rule_parameters(value: object) -> Mapping[str, str]:
    parameters = _object("ruleParameters", _json("ruleParameters", _text("ruleParameters", value)))
    for name, parameter in parameters.items():
        _text(f"ruleParameters.{name}", parameter, may_be_empty=True)
    return parameters


def _timestamp(value: object) -> str:
    field = "invokingEvent.notificationCreationTime"
    text = _text(field, value)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refused(field, text, "a time in ISO 8601") from error
    if time.tzinfo is None:
        raise _refused(field, text, "a time in ISO 8601 with its zone")
    return text


def _text(field: str, value: object, *, secret: bool = False, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        raise _refused(field, value, "a string" if may_be_empty else "a string that is not empty", secret=secret)
    return value


def _json(field: str, text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(field, text, "a JSON object") from error
    return parsed


def _object(field: str, value: object, *, secret: bool = False) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(field, value, "a JSON object", secret=secret)
    return value


def _refused(field: str, value: object, allowed: str, *, secret: bool = False) -> InvalidEventError:
    if value is None:
        found = "missing or null"
    elif isinstance(value, str | int | float) and not (secret and value):
        found = repr(value)
    else:
        # Not what is in it: that may be secret, or nested too deep for repr.
        found = f"of type {type(value).__name__}"
    shown = found if len(found) <= 100 else f"{found[:100]}…"  # noqa: PLR2004 - enough to recognise a value by
    return InvalidEventError(f"Invalid event: {field} is {shown}; allowed is {allowed}. Nothing was evaluated.")
