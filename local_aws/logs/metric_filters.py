"""CloudWatch Logs: count the log lines that metric filters select. MiniStack keeps the filters."""

import re
from collections.abc import Sequence
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import Answer, AwsError, ServiceApi
from local_aws.core.switches import Switches
from local_aws.logs import filter_patterns
from local_aws.logs.log_groups import LogEvent, LogGroup

_LOGS = "ministack.services.cloudwatch_logs"


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
