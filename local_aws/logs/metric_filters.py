"""CloudWatch Logs: metric filters, and what they count. MiniStack keeps the filters.

Source: API model and API reference, logs. Live: "The specified log group does not exist.". Guess: the order of refusals.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import Answer, AwsError, ServiceApi
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages
from local_aws.core.switches import Switches
from local_aws.logs import filter_patterns, log_groups
from local_aws.logs.log_groups import LogEvent, LogGroup

_LOGS = "ministack.services.cloudwatch_logs"
_MOST_DESCRIBED = 50
_PAGES = Pages("InvalidParameterException", "The specified nextToken is invalid.", "nextToken")
_NOT_EMULATED = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")


class MetricFilters:
    """The operations on metric filters."""

    def __init__(self, clock: Clock) -> None:
        """Tell the time by `clock`."""
        self._clock = clock

    @property
    def operations(self) -> Operations:
        """Return what answers or checks each operation."""
        return {"PutMetricFilter": self._put, "DescribeMetricFilters": self._describe, "DeleteMetricFilter": self._delete}

    def _put(self, _: str, params: dict[str, Any]) -> None:
        log_groups.named(params["logGroupName"], self._clock.now())
        _check(params)

    def _describe(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        group, name, namespace = (params.get(member) for member in ("logGroupName", "metricName", "metricNamespace"))
        if (name is None) != (namespace is None):
            message = "Describe Metric Filters request must contain both MetricName and MetricNamespace"
            raise AwsError("InvalidParameterException", message)
        if group:
            log_groups.named(group, self._clock.now())
        prefix = params.get("filterNamePrefix", "")
        if prefix and not group:
            raise AwsError("InvalidParameterException", "A filterNamePrefix needs a logGroupName.")
        found = [
            {**{key: each[key] for key in _SHOWN}, "metricTransformations": [*map(_shown, each["metricTransformations"])]}
            for each in ministack_seams.module(_LOGS)._metric_filters.values()
            if each["logGroupName"] == (group or each["logGroupName"])
            and each["filterName"].startswith(prefix)
            and (name is None or any(_is_of(to, name, namespace) for to in each["metricTransformations"]))
        ]
        found.sort(key=lambda each: each["filterName"])
        of = f"{group} {prefix} {name} {namespace}"
        page, token = _PAGES.page(found, params, _MOST_DESCRIBED, _MOST_DESCRIBED, of=of)
        return {"metricFilters": [*page], **token}

    def _delete(self, _: str, params: dict[str, Any]) -> None:
        log_groups.named(params["logGroupName"], self._clock.now())
        if (params["logGroupName"], params["filterName"]) not in ministack_seams.module(_LOGS)._metric_filters:
            raise AwsError("ResourceNotFoundException", "The specified metric filter does not exist.")


_SHOWN = ("filterName", "filterPattern", "creationTime", "logGroupName")


def _shown(transformation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transformation with a number as its default value: a template may have a text."""
    default = {"defaultValue": float(transformation["defaultValue"])} if "defaultValue" in transformation else {}
    return {**transformation, **default}


def _is_of(transformation: Mapping[str, Any], name: str, namespace: str | None) -> bool:
    return (transformation.get("metricName"), transformation.get("metricNamespace")) == (name, namespace)


def install() -> None:
    """Let MiniStack refuse filters that are not emulated, those of templates too."""
    put_metric_filter = ministack_seams.module(_LOGS)._put_metric_filter
    api = ServiceApi("logs")

    def check_and_put(params: dict[str, Any]) -> Answer:
        try:
            _check(params)
        except AwsError as error:
            return api.error(error, "PutMetricFilter")
        answer: Answer = put_metric_filter(params)
        return answer

    ministack_seams.replace(_LOGS, "_put_metric_filter", check_and_put)


def _check(metric_filter: dict[str, Any]) -> None:
    """Raise AwsError if a metric filter is not emulated."""
    for member in _NOT_EMULATED:
        if metric_filter.get(member):
            message = f"The local AWS does not emulate {member} of metric filters."
            raise AwsError("InvalidParameterException", message)
    try:
        filter_patterns.parse(metric_filter.get("filterPattern", ""))
    except filter_patterns.InvalidPatternError as error:
        raise AwsError("InvalidParameterException", str(error) or "Invalid metric filter pattern") from error
    for transformation in metric_filter.get("metricTransformations", []):
        value = transformation.get("metricValue", "")
        if not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII) or transformation.get("dimensions"):
            message = f"The local AWS emulates metric values that are numbers, without dimensions, not {value!r}."
            raise AwsError("InvalidParameterException", message)


def count(switches: Switches, group: LogGroup, events: Sequence[LogEvent]) -> None:
    """Count the new events that a log group's metric filters select, in the account and Region of the request."""
    takes_booleans = not switches.is_on("no-booleans-in-filters")
    record = ministack_seams.module("ministack.services.cloudwatch").record_metric
    for metric_filter in ministack_seams.module(_LOGS)._metric_filters.values():
        if metric_filter["logGroupName"] == group.name:
            matches = filter_patterns.parse(metric_filter["filterPattern"], takes_booleans=takes_booleans)
            selected = sum(matches(event.message) for event in events)
            for transformation in metric_filter["metricTransformations"]:
                for _ in range(selected):
                    value = float(transformation["metricValue"])
                    record(transformation["metricNamespace"], transformation["metricName"], value)
