"""CloudWatch: what an alarm looks at: one metric, or the expression `FILL(metric, number)` of metric math over one.

Sources: API model, cloudwatch, MetricDataQuery and PutMetricAlarm (which members exclude each other; one query returns data);
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html (FILL).  A user's report: an alarm with
FILL fires after one period without data, and the same alarm without FILL after several
(https://stackoverflow.com/questions/72093282).  Guess: the wording of refusals, and that FILL fills periods although no period
of the evaluation range has data; a switch leaves them empty then.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local_aws.cloudwatch.alarm_evaluation import Point
from local_aws.cloudwatch.metrics import STATISTICS, Metric
from local_aws.core.models import AwsError

_INVALID = "ValidationError"
_OF_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
_ID = re.compile(r"[a-z][a-zA-Z0-9_]{0,254}", re.ASCII)
_FILL = re.compile(r"\s*FILL\(\s*(?P<id>[a-z][a-zA-Z0-9_]*)\s*,\s*(?P<number>-?\d+(\.\d+)?)\s*\)\s*", re.ASCII)

Queries = Sequence[Mapping[str, Any]]
"""The member Metrics of PutMetricAlarm."""


@dataclass(frozen=True)
class Watched:
    """A metric's statistic for each period. `fill` is what FILL gives for periods without data, None without FILL."""

    metric: Metric
    statistic: str
    unit: str | None
    period: int
    fill: float | None = None

    def filled(self, points: Sequence[Point], *, needs_data: bool) -> Sequence[Point]:
        """Return the points after FILL. `needs_data`: it fills nothing if no period has data."""
        if self.fill is None or (needs_data and all(point.value is None for point in points)):
            return points
        return [point if point.value is not None else replace(point, value=self.fill) for point in points]


def watched(configuration: Mapping[str, Any]) -> Watched:
    """Return what an alarm looks at. AwsError: the local AWS does not emulate its Metrics."""
    if "Metrics" not in configuration:
        given = configuration
        return Watched(_metric(given), given["Statistic"], given.get("Unit"), given["Period"])
    return _filled(configuration["Metrics"])


def _metric(given: Mapping[str, Any]) -> Metric:
    dimensions = ((each["Name"], each["Value"]) for each in given.get("Dimensions", []))
    return Metric(given["Namespace"], given["MetricName"], tuple(sorted(dimensions)))


def check(params: Mapping[str, Any]) -> None:
    """Raise AwsError if CloudWatch refuses an alarm with Metrics, or the local AWS does not emulate it."""
    for name in _OF_ONE_METRIC:
        if name in params:
            raise AwsError(_INVALID, f"{name} should not be set if list of Metrics is set.")
    ids = [each["Id"] for each in params["Metrics"]]
    for each in ids:
        if not _ID.fullmatch(each):
            message = f"Invalid metric id {each}: it begins with a lower-case letter and has letters, digits and underscores."
            raise AwsError(_INVALID, message)
    if len(set(ids)) < len(ids):
        raise AwsError(_INVALID, "The ids of Metrics must be unique.")
    if sum(each.get("ReturnData", True) for each in params["Metrics"]) != 1:
        raise AwsError(_INVALID, "Exactly one element of the metrics list should return data.")
    _filled(params["Metrics"])


def _filled(queries: Queries) -> Watched:
    kinds = sorted(tuple(sorted(each.keys() - {"Id", "Label", "ReturnData"})) for each in queries)
    if kinds != [("Expression",), ("MetricStat",)]:
        raise AwsError(_INVALID, "The local AWS emulates Metrics with one MetricStat and one Expression only.")
    [stat] = [each for each in queries if "MetricStat" in each]
    [expression] = [each["Expression"] for each in queries if "Expression" in each]
    fill = _FILL.fullmatch(expression)
    if fill is None or fill["id"] != stat["Id"] or stat.get("ReturnData", True):
        message = f"The local AWS emulates FILL({stat['Id']}, number) only, and that it returns the data, not {expression}."
        raise AwsError(_INVALID, message)
    of = stat["MetricStat"]
    if of["Stat"] not in STATISTICS:
        raise AwsError(_INVALID, f"The local AWS does not emulate the statistic {of['Stat']}.")
    return Watched(_metric(of["Metric"]), of["Stat"], of.get("Unit"), of["Period"], float(fill["number"]))
