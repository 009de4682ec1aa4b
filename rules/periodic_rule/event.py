"""Check the event that AWS Config sends to a periodic rule, before anything uses it.

Source: https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from periodic_rule.errors import InvalidEventError, is_short, shown

_TEST_TOKEN = "TESTMODE"  # noqa: S105 - not a secret: with rdklib's word, AWS Config checks an evaluation and does not keep it
_CLOCK_SKEW = 15 * 60
"""Seconds that AWS Config's clock may be ahead of the function's."""
_LONGEST_RULE_NAME = 128
"""Source: API model, config, ConfigRuleName."""

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_RULE_ARN = re.compile(
    # The Region becomes part of host names, so it has to look like one: us-east-1, us-gov-west-1, eusc-de-east-1.
    r"arn:(?P<partition>aws[a-z-]*):config:(?P<region>[a-z]{2,8}(-[a-z]{2,12}){1,2}-\d{1,2}):(?P<account>\d{12}):"
    r"config-rule/(aws-service-rule/(?P<service>[^/]+)/)?.+"
)


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a rule evaluates."""

    account_id: str
    partition: str


@dataclass(frozen=True, slots=True)
class ScheduledNotification:
    """A periodic invocation: its account, and what the evaluation must contain.

    `ordering_timestamp` is the creation time of the notification as AWS Config wrote it (ISO 8601).  A redelivered event
    has the same one, so that reporting twice changes nothing.
    `rule_owner` is "account" for a rule that the account itself made.  Otherwise it is the principal of the service that made
    the rule, from the rule's ARN: config-conforms.amazonaws.com for a rule of a conformance pack.
    `rule_name` is None if the event has none.
    """

    account_id: str
    partition: str
    region: str
    rule_arn: str
    rule_owner: str
    rule_name: str | None
    result_token: str = field(repr=False)  # anyone who has it can report for the rule
    ordering_timestamp: str
    rule_parameters: Mapping[str, str]

    @property
    def is_test(self) -> bool:
        """Whether AWS Config only checks the evaluation and does not keep it."""
        return self.result_token == _TEST_TOKEN

    @property
    def account(self) -> Account:
        """The account that the notification is about."""
        return Account(self.account_id, self.partition)

    @classmethod
    def from_event(cls, event: object, now: float) -> "ScheduledNotification":
        """Check a Lambda event and take what the rule needs from it; `now` is the time from `time.time`.

        It refuses a time in the future: until then, AWS Config would keep that verdict instead of newer ones.
        Raises InvalidEventError, which names the field and says what is allowed.  The message shows no value as long as a
        result token, because it may be one in the wrong place.
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
            rule_arn=rule_arn,
            rule_owner=arn["service"] or "account",
            rule_name=_rule_name(fields.get("configRuleName")),
            result_token=_text("resultToken", fields.get("resultToken"), secret=True),
            ordering_timestamp=_timestamp(invoking.get("notificationCreationTime"), now),
            rule_parameters=_rule_parameters(fields["ruleParameters"]) if "ruleParameters" in fields else {},
        )


def account_of(event: object) -> str | None:
    """Return the account that an event is about, whatever else the event lacks; None if it names none.

    AWS Config writes the account, no matter who made the rule.
    """
    account_id = event.get("accountId") if isinstance(event, dict) else None
    return account_id if isinstance(account_id, str) and _ACCOUNT_ID.fullmatch(account_id) else None


def _rule_name(value: object) -> str | None:
    # No verdict depends on it, so an event without one is fine.
    if value is None:
        return None
    name = _text("configRuleName", value)
    if len(name) > _LONGEST_RULE_NAME:
        raise _refused("configRuleName", name, f"a string of at most {_LONGEST_RULE_NAME} characters")
    return name


def _rule_parameters(value: object) -> Mapping[str, str]:
    parameters = _object("ruleParameters", _json("ruleParameters", _text("ruleParameters", value)))
    for name, parameter in parameters.items():
        plain = is_short(name) and name.isidentifier()
        _text(f"ruleParameters.{name}" if plain else f"ruleParameters[{shown(name)}]", parameter, may_be_empty=True)
    return parameters


def _timestamp(value: object, now: float) -> str:
    field = "invokingEvent.notificationCreationTime"
    text = _text(field, value)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _refused(field, text, "a time in ISO 8601") from None  # the cause quotes the text
    if time.tzinfo is None:
        raise _refused(field, text, "a time in ISO 8601 with its zone")
    if time.timestamp() > now + _CLOCK_SKEW:
        raise _refused(field, text, f"a time at most {_CLOCK_SKEW // 60} minutes ahead of the function's clock")
    return text


def _text(field: str, value: object, *, secret: bool = False, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        raise _refused(field, value, "a string" if may_be_empty else "a string that is not empty", secret=secret)
    return value


def _json(field: str, text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(field, text, "a JSON object") from None  # the cause holds the text
    return parsed


def _object(field: str, value: object, *, secret: bool = False) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(field, value, "a JSON object", secret=secret)
    return value


def _refused(field: str, value: object, allowed: str, *, secret: bool = False) -> InvalidEventError:
    found = f"of type {type(value).__name__}" if secret and value else shown(value)
    return InvalidEventError(f"Invalid event: {field} is {found}; allowed is {allowed}. Nothing was evaluated.")
