"""CloudWatch's metrics: what it refuses, which MiniStack would take.

Source: the API reference of PutMetricData, GetMetricStatistics and GetMetricData. Guess: the wording.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.core.models import AwsError

_VALUE, _COMBINATION = "InvalidParameterValue", "InvalidParameterCombination"
_MOST_POINTS = 1440
_MINUTE = 60
_SHORT_PERIODS = {1, 5, 10, 20, 30}
"""Seconds of a period that is no multiple of a minute: of metrics with high resolution."""

Operation = Callable[[str, dict[str, Any]], dict[str, Any] | None]


def _check_data(_: str, params: dict[str, Any]) -> None:
    namespace = params["Namespace"]
    if namespace.startswith("AWS/"):
        raise AwsError(_VALUE, f"The value {namespace} for parameter Namespace is invalid.")
    for number, datum in enumerate(params.get("MetricData", []), 1):
        where = f"MetricData.member.{number}"
        if "Value" in datum and ("Values" in datum or "StatisticValues" in datum):
            raise AwsError(_COMBINATION, f"The parameters {where}.Value and {where}.Values are mutually exclusive.")
        values = [*datum.get("Values", []), *([datum["Value"]] if "Value" in datum else [])]
        if not all(math.isfinite(value) for value in values):
            raise AwsError(_VALUE, f"The value of {where}.Value must be a number and not infinite.")


def _check_statistics(_: str, params: dict[str, Any]) -> None:
    period, seconds = params["Period"], (params["EndTime"] - params["StartTime"]).total_seconds()
    if seconds <= 0:
        raise AwsError(_VALUE, "The parameter StartTime must be less than the parameter EndTime.")
    _check_period(period, _VALUE)
    if not params.get("Statistics") and not params.get("ExtendedStatistics"):
        raise AwsError(_COMBINATION, "At least one of the parameters Statistics and ExtendedStatistics must be specified.")
    points = math.ceil(seconds / period)
    if points > _MOST_POINTS:
        raise AwsError(
            _COMBINATION,
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {_MOST_POINTS:,}. You may reduce the "
            "datapoints requested by increasing Period, or decreasing the time range.",
        )


def _check_queries(_: str, params: dict[str, Any]) -> None:
    if params["StartTime"] >= params["EndTime"]:
        raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    for number, query in enumerate(params["MetricDataQueries"], 1):
        where = f"MetricDataQueries.member.{number}"
        if not re.fullmatch(r"[a-z]\w*", query["Id"], re.ASCII):
            raise AwsError(
                "ValidationError", f"The value {query['Id']} for parameter {where}.Id is not matching the expected pattern"
            )
        if "MetricStat" not in query:
            raise AwsError("ValidationError", "The local AWS does not emulate expressions over metrics.")
        _check_period(query["MetricStat"]["Period"], "ValidationError")


def _check_period(period: int, code: str) -> None:
    if period % _MINUTE and period not in _SHORT_PERIODS:
        raise AwsError(code, f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of {_MINUTE}.")


OPERATIONS: Mapping[str, Operation] = {
    "PutMetricData": _check_data,
    "GetMetricStatistics": _check_statistics,
    "GetMetricData": _check_queries,
}
"""What this package checks before MiniStack answers."""
