"""CloudWatch Logs: count the log lines that metric filters select. MiniStack keeps the filters.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html and
…/matching-terms-json-log-events.html; for IS TRUE and IS FALSE, FilterPattern.booleanValue of the AWS CDK.
"""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import Answer, AwsError, ServiceApi

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
        | (?P<joiner>&&|\|\|)
        | \$(?P<path>(?:\.[\w-]+)+)\s*(?:
            (?P<operator>=|!=)\s*"(?P<text>[^"]*)"
            | (?P<state>IS\ TRUE|IS\ FALSE|IS\ NULL|NOT\ EXISTS)\b
        )
    )\s*""",
    re.ASCII | re.VERBOSE,
)
_LONGEST_PATTERN = 1024
"""Source: API model, logs, FilterPattern."""
_MISSING = object()

Condition = Callable[[dict[str, Any]], bool]
"""Tells whether it selects a log line, given as JSON."""


def install() -> None:
    """Let MiniStack count the lines that metric filters select, and refuse filters that are not emulated."""
    logs = ministack_seams.module("ministack.services.cloudwatch_logs")
    put_log_events, put_metric_filter = logs._put_log_events, logs._put_metric_filter
    api = ServiceApi("logs")

    def put_and_count(params: dict[str, Any]) -> Answer:
        answer: Answer = put_log_events(params)
        if answer[0] == HTTPStatus.OK:
            _count(params["logGroupName"], [event["message"] for event in params["logEvents"]])
        return answer

    def check_and_put(params: dict[str, Any]) -> Answer:
        try:
            _check(params)
        except AwsError as error:
            return api.error(error, "PutMetricFilter")
        answer: Answer = put_metric_filter(params)
        return answer

    ministack_seams.replace("ministack.services.cloudwatch_logs", "_put_log_events", put_and_count)
    ministack_seams.replace("ministack.services.cloudwatch_logs", "_put_metric_filter", check_and_put)


def _check(metric_filter: dict[str, Any]) -> None:
    """Raise AwsError if a metric filter is not emulated."""
    matches(metric_filter.get("filterPattern", ""), "")
    for transformation in metric_filter.get("metricTransformations", []):
        value = transformation.get("metricValue", "")
        if not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII) or transformation.get("dimensions"):
            message = f"The local AWS emulates metric values that are numbers, without dimensions, not {value!r}."
            raise AwsError("InvalidParameterException", message)


def _count(group: str, lines: list[str]) -> None:
    """Count the new lines that a log group's metric filters select, in the account and Region of the request."""
    filters = ministack_seams.module("ministack.services.cloudwatch_logs")._metric_filters
    record = ministack_seams.module("ministack.services.cloudwatch").record_metric
    for metric_filter in filters.values():
        if metric_filter["logGroupName"] == group:
            selected = sum(matches(metric_filter["filterPattern"], line) for line in lines)
            for transformation in metric_filter["metricTransformations"]:
                for _ in range(selected):
                    value = float(transformation["metricValue"])
                    record(transformation["metricNamespace"], transformation["metricName"], value)


def matches(pattern: str, line: str) -> bool:
    """Tell whether a JSON filter pattern selects a log line.

    A pattern joins terms with && or ||, and may have parentheses. The terms are `$.key = "value"` and `$.key != "value"`, whose
    value may hold wildcards, `$.key IS TRUE`, IS FALSE, IS NULL and NOT EXISTS.  `$.key.inner` is a key within another one.
    A comparison is with texts and numbers. It never selects an object, a list, a boolean or a missing value.
    Raises AwsError for any other pattern, and for one that mixes && and || without parentheses: no page says which of the two
    binds tighter.
    """
    select = _parse(pattern)
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and select(event)


def _parse(pattern: str) -> Condition:
    text = pattern.strip()
    unknown = AwsError("InvalidParameterException", f"The local AWS does not emulate the filter pattern {pattern}")
    if not (text.startswith("{") and text.endswith("}")) or len(pattern) > _LONGEST_PATTERN:
        raise unknown
    tokens: list[re.Match[str]] = []
    position = 1
    while position < len(text) - 1:
        token = _TOKEN.match(text, position, len(text) - 1)
        if token is None:
            raise unknown
        tokens.append(token)
        position = token.end()
    try:
        condition = _expression(tokens)
    except (IndexError, ValueError):
        raise unknown from None
    if tokens:
        raise unknown
    return condition


def _expression(tokens: list[re.Match[str]]) -> Condition:
    """Take an expression from the front of `tokens`. IndexError, ValueError: there is none."""
    conditions = [_operand(tokens)]
    joiners = set()
    while tokens and tokens[0]["joiner"]:
        joiners.add(tokens.pop(0)["joiner"])
        conditions.append(_operand(tokens))
    if len(joiners) > 1:
        message = "&& and || without parentheses"
        raise ValueError(message)
    decide = any if "||" in joiners else all
    return lambda event: decide(condition(event) for condition in conditions)


def _operand(tokens: list[re.Match[str]]) -> Condition:
    token = tokens.pop(0)
    if token["bracket"] == "(":
        condition = _expression(tokens)
        if tokens.pop(0)["bracket"] != ")":
            message = "a parenthesis that is not closed"
            raise ValueError(message)
        return condition
    if not token["path"]:
        message = "neither a term nor a parenthesis"
        raise ValueError(message)
    keys = token["path"].split(".")[1:]
    return lambda event: _selects(token, _value(event, keys))


def _value(event: object, keys: list[str]) -> object:
    for key in keys:
        event = event.get(key, _MISSING) if isinstance(event, dict) else _MISSING
    return event


def _selects(term: re.Match[str], value: object) -> bool:
    match term["state"]:
        case "IS TRUE" | "IS FALSE":
            return value is (term["state"] == "IS TRUE")
        case "IS NULL":
            return value is None
        case "NOT EXISTS":
            return value is _MISSING
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    wanted = re.escape(term["text"]).replace(r"\*", ".*")
    equal = re.fullmatch(wanted, str(value), re.DOTALL) is not None
    return equal == (term["operator"] == "=")
