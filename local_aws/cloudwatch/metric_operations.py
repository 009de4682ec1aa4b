"""CloudWatch: PutMetricData, GetMetricStatistics, GetMetricData and ListMetrics.

Sources: API model, cloudwatch; API_PutMetricData.html, API_GetMetricStatistics.html, API_GetMetricData.html,
API_ListMetrics.html.  Live: radkawar/stackd, testdata/aws/cloudwatch/metrics.json (codes and messages, units, labels, pages).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.metrics import MINUTE, STATISTICS, Metric, Metrics, Summary, start_of
from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_TWO_WEEKS, _TWO_HOURS, _THREE_HOURS = timedelta(days=14), timedelta(hours=2), timedelta(hours=3)
_MOST_DATA, _MOST_VALUES, _MOST_QUERIES = 1_000, 150, 500
_MOST_POINTS = 1_440
"""How many data points a request for statistics may ask for."""
_POINTS_A_PAGE = 100_800
_METRICS_A_PAGE = 500
_LARGEST = 2.0**360
_NOT_EMULATED = "The local AWS does not emulate "
_METRIC_PAGES = Pages("InvalidParameterValue", "Invalid nextToken")
_DATA_PAGES = Pages("InvalidNextToken", "")


class MetricOperations:
    """The operations on metrics."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        """Answer from `metrics`."""
        self._metrics = metrics
        self._clock = clock
        self.operations: Operations = {
            "PutMetricData": self._put_metric_data,
            "GetMetricStatistics": self._get_metric_statistics,
            "GetMetricData": self._get_metric_data,
            "ListMetrics": self._list_metrics,
        }

    def _put_metric_data(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        namespace, data = params["Namespace"], params.get("MetricData", [])
        if "EntityMetricData" in params:
            raise AwsError("InvalidParameterValue", f"{_NOT_EMULATED}metrics of entities.")
        if namespace.startswith("AWS/"):
            raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
        if not data:
            raise AwsError("MissingParameter", "At least one MetricDatum object must be present in the request.")
        _check_size("MetricData", data, _MOST_DATA)
        now = self._clock.now()
        checked = [
            (_metric(namespace, datum["MetricName"], datum), *_values(datum, f"MetricData.member.{number}", now))
            for number, datum in enumerate(data, 1)
        ]
        scope = callers.scope(account_id)
        for datum, (metric, at, summary) in zip(data, checked, strict=True):
            self._metrics.put(scope, metric, at, datum.get("Unit", "None"), summary)
        return {}

    def _get_metric_statistics(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        names, period = params.get("Statistics", []), params["Period"]
        if params.get("ExtendedStatistics"):
            raise AwsError("InvalidParameterValue", f"{_NOT_EMULATED}extended statistics.")
        if not names:
            message = "At least one of the parameters Statistics and ExtendedStatistics must be specified."
            raise AwsError("InvalidParameterCombination", message)
        _check_period(period)
        start, end = self._range(params)
        asked = math.ceil((end - start) / period)
        if asked > _MOST_POINTS:
            message = (
                f"You have requested up to {asked} datapoints, which exceeds the limit of {_MOST_POINTS}. You may reduce the "
                "datapoints requested by increasing Period, or decreasing the time range."
            )
            raise AwsError("InvalidParameterCombination", message)
        metric = _metric(params["Namespace"], params["MetricName"], params)
        points = [
            {"Timestamp": _moment(at), "Unit": unit, **{name: summary.statistic(name) for name in names}}
            for at, units in self._metrics.units(callers.scope(account_id), metric, start, end, period).items()
            for unit, summary in units.items()
            if unit == params.get("Unit", unit)
        ]
        return {"Label": metric.name, "Datapoints": points}

    def _range(self, params: Mapping[str, Any]) -> tuple[int, int]:
        """Return start and end in seconds. The end is not part of the range."""
        start, end = params["StartTime"], params["EndTime"]
        if start >= end:
            message = "The parameter StartTime must be less than the parameter EndTime."
            raise AwsError("InvalidParameterValue" if "Namespace" in params else "ValidationError", message)
        return start_of(start, self._clock.now()), math.ceil(end.timestamp())

    # GetMetricData

    def _get_metric_data(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        queries = params["MetricDataQueries"]
        if len(queries) > _MOST_QUERIES:
            message = f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}."
            raise AwsError("ValidationError", message)
        _check_queries(queries)
        if len({query["Id"] for query in queries}) < len(queries):
            raise AwsError("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")
        start, end = self._range(params)
        descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        shown = [query for query in queries if query.get("ReturnData", True)]
        found = [self._series(account_id, query, start, end, descending=descending) for query in shown]
        flat = [(number, point) for number, (points, _) in enumerate(found) for point in points]
        size = min(params.get("MaxDatapoints", _POINTS_A_PAGE), _POINTS_A_PAGE)
        page, more = _DATA_PAGES.page(
            flat, {"NextToken": params.get("NextToken")}, size, of=f"{queries}{start}{end}{descending}"
        )
        unfinished = page[-1][0] if more else len(shown)
        results = [
            _result(query, [point for owner, point in page if owner == number], messages, complete=number < unfinished)
            for number, (query, (_, messages)) in enumerate(zip(shown, found, strict=True))
        ]
        return {"MetricDataResults": results, "Messages": [], **more}

    def _series(
        self, account_id: str, query: Mapping[str, Any], start: int, end: int, *, descending: bool
    ) -> tuple[list[tuple[int, float]], list[dict[str, str]]]:
        """Return the data points of a query and the messages about it. If there are several units, the first one counts."""
        stat = query["MetricStat"]
        metric = _metric(stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], stat["Metric"])
        periods = self._metrics.units(callers.scope(account_id), metric, start, end, stat["Period"])
        points, several = [], set()
        for at, units in sorted(periods.items(), reverse=descending):
            fitting = sorted(unit for unit in units if unit == stat.get("Unit", unit))
            if fitting:
                points.append((at, units[fitting[0]].statistic(stat["Stat"])))
            several |= set(fitting) if len(fitting) > 1 else set()
        message = {"Code": "MultipleUnits", "Value": f"Multiple units returned: '[{', '.join(sorted(several))}]'"}
        return points, [message] if several else []

    # ListMetrics

    def _list_metrics(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("IncludeLinkedAccounts") or "OwningAccount" in params:
            raise AwsError("InvalidParameterValue", f"{_NOT_EMULATED}metrics of linked accounts.")
        age = _THREE_HOURS if params.get("RecentlyActive") == "PT3H" else _TWO_WEEKS
        filters = {name: value for name, value in params.items() if name != "NextToken"}
        metrics = [
            metric
            for metric in self._metrics.names(callers.scope(account_id), self._clock.now() - age)
            if _is_asked(metric, params)
        ]
        page, more = _METRIC_PAGES.page(metrics, params, _METRICS_A_PAGE, of=f"{sorted(filters.items(), key=str)}")
        return {"Metrics": [_shown(metric) for metric in page], **more}


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _metric(namespace: str, name: str, holder: Mapping[str, Any]) -> Metric:
    """Return the metric that has the dimensions of a part of a request."""
    dimensions = [(dimension["Name"], dimension["Value"]) for dimension in holder.get("Dimensions", [])]
    if len({name for name, _ in dimensions}) < len(dimensions):
        raise AwsError("InvalidParameterValue", "No metric may specify the same dimension name twice.")
    return Metric(namespace, name, tuple(sorted(dimensions)))


def _shown(metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}


def _is_asked(metric: Metric, params: Mapping[str, Any]) -> bool:
    """Tell whether ListMetrics asks for a metric. It need not name all dimensions, and may leave values out."""
    dimensions = dict(metric.dimensions)
    return (
        metric.namespace == params.get("Namespace", metric.namespace)
        and metric.name == params.get("MetricName", metric.name)
        and all(
            asked["Name"] in dimensions and dimensions[asked["Name"]] == asked.get("Value", dimensions[asked["Name"]])
            for asked in params.get("Dimensions", [])
        )
    )


# Values


def _values(datum: Mapping[str, Any], where: str, now: datetime) -> tuple[datetime, Summary]:
    """Return the time and the values of a datum. AwsError: it is refused."""
    _check_combination(datum, where)
    if datum.get("StorageResolution", MINUTE) not in {1, MINUTE}:
        raise AwsError(
            "InvalidParameterValue", f"The parameter {where}.StorageResolution must be a value in the set [ 1, 60 ]."
        )
    if datum.get("StorageResolution") == 1:
        raise AwsError("InvalidParameterValue", f"{_NOT_EMULATED}metrics of high resolution.")
    at = datum.get("Timestamp", now)
    if at < now - _TWO_WEEKS:
        raise AwsError(
            "InvalidParameterValue", f"The parameter {where}.Timestamp must specify a time within the past two weeks."
        )
    if at > now + _TWO_HOURS:
        message = f"The parameter {where}.Timestamp must specify a time no more than two hours in the future."
        raise AwsError("InvalidParameterValue", message)
    if "StatisticValues" in datum:
        return at, _given(datum["StatisticValues"], f"{where}.StatisticValues")
    if "Value" in datum:
        _check_number(datum["Value"], f"{where}.Value")
        return at, Summary(1.0, datum["Value"], datum["Value"], datum["Value"])
    return at, _weighted(datum["Values"], datum.get("Counts"), where)


def _check_combination(datum: Mapping[str, Any], where: str) -> None:
    for other in ("Values", "StatisticValues"):
        if "Value" in datum and other in datum:
            message = f"The parameters {where}.Value and {where}.{other} are mutually exclusive and you have specified both."
            raise AwsError("InvalidParameterCombination", message)
    if "Counts" in datum and "Values" not in datum:
        message = "The parameter values must appears when the counts parameter is specified."
        raise AwsError("InvalidParameterCombination", message)
    if not {"Value", "Values", "StatisticValues"} & datum.keys():
        raise AwsError("InvalidParameterCombination", "At least one of the parameters must be specified.")


def _given(values: Mapping[str, float], where: str) -> Summary:
    for name, value in values.items():
        _check_number(value, f"{where}.{name}")
    if values["SampleCount"] <= 0:
        raise AwsError("InvalidParameterValue", f"The parameter {where}.SampleCount must be greater than 0.")
    if values["Minimum"] > values["Maximum"]:
        raise AwsError("InvalidParameterValue", f"The parameter {where}.Maximum must be greater than {where}.Minimum.")
    return Summary(values["SampleCount"], values["Sum"], values["Minimum"], values["Maximum"])


def _weighted(values: Sequence[float], counts: Sequence[float] | None, where: str) -> Summary:
    _check_size(f"{where}.Values", values, _MOST_VALUES)
    counts = [1.0] * len(values) if counts is None else counts
    if not values:
        raise AwsError("InvalidParameterCombination", "At least one of the parameters must be specified.")
    if len(counts) != len(values):
        message = f"The parameters {where}.Values and {where}.Counts must be of the same size."
        raise AwsError("InvalidParameterValue", message)
    if any(count < 0 for count in counts):
        raise AwsError("InvalidParameterValue", f"The parameter {where}.Counts must contain only values greater than 0.")
    for value in (*values, *counts):
        _check_number(value, f"{where}.Values")
    total = sum(value * count for value, count in zip(values, counts, strict=True))
    return Summary(sum(counts), total, min(values), max(values))


def _check_number(value: float, where: str) -> None:
    if not abs(value) <= _LARGEST:  # NaN is not either
        raise AwsError("InvalidParameterValue", f"The value {value} for parameter {where} is invalid.")


def _check_size(where: str, items: Sequence[object], longest: int) -> None:
    if len(items) > longest:
        raise AwsError("InvalidParameterValue", f"The collection {where} must not have a size greater than {longest}.")


def _check_period(period: int) -> None:
    if period % MINUTE and period not in {1, 5, 10, 20, 30}:
        if period > MINUTE:
            raise AwsError("InvalidParameterValue", "The parameter Period must be a multiple of 60.")
        raise AwsError("InvalidParameterValue", "The parameter Period must be a value in the set [1, 5, 10, 20, 30].")
    if period < MINUTE:
        raise AwsError("InvalidParameterValue", f"{_NOT_EMULATED}metrics of high resolution.")


# Queries of GetMetricData


def _check_queries(queries: Iterable[Mapping[str, Any]]) -> None:
    for number, query in enumerate(queries, 1):
        where = f"MetricDataQueries.member.{number}"
        if "Expression" in query and "MetricStat" in query:
            message = (
                f"The parameters {where}.Expression and {where}.MetricStat are mutually exclusive and you have specified both."
            )
            raise AwsError("ValidationError", message)
        if "MetricStat" not in query or "AccountId" in query:
            raise AwsError("ValidationError", f"{_NOT_EMULATED}metric math, and metrics of other accounts.")
        if query["MetricStat"]["Stat"] not in STATISTICS:
            message = f"The value for parameter {where}.MetricStat.Stat is not a valid statistic for the local AWS."
            raise AwsError("ValidationError", message)
        try:
            _check_period(query["MetricStat"]["Period"])
        except AwsError as error:
            raise AwsError("ValidationError", error.message) from error


def _result(
    query: Mapping[str, Any], points: Sequence[tuple[int, float]], messages: Sequence[Mapping[str, str]], *, complete: bool
) -> dict[str, Any]:
    return {
        "Id": query["Id"],
        "Label": query.get("Label", query["MetricStat"]["Metric"]["MetricName"]),
        "Timestamps": [_moment(at) for at, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete" if complete else "PartialData",
        **({"Messages": list(messages)} if messages else {}),
    }
