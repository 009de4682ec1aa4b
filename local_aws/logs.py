"""CloudWatch Logs: metric filters that count, and saved Logs Insights queries; MiniStack keeps the former and lacks the latter.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
"""

import json
import re
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from local_aws import ministack_seams
from local_aws.models import Answer, AwsError, ServiceApi

if TYPE_CHECKING:
    from collections.abc import Callable

_TERM = re.compile(r'\$\.(?P<key>\w+)\s*(?P<operator>=|!=)\s*"(?P<value>[^"]*)"')


class Logs:
    """The operations on saved queries, and the counting of metric filters."""

    def __init__(self) -> None:
        """Begin without saved queries."""
        self._queries: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.operations: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
            "PutQueryDefinition": self.put_query_definition,
            "DescribeQueryDefinitions": self.describe_query_definitions,
            "DeleteQueryDefinition": self.delete_query_definition,
        }

    def install(self) -> None:
        """Let MiniStack count what metric filters select, and refuse the filters that are not emulated here."""
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

    def put_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Save a query, or change the one whose id is given."""
        queries = self._of(account_id)
        query_id = params.get("queryDefinitionId") or secrets.token_hex(16)
        if "queryDefinitionId" in params and query_id not in queries:
            raise _no_query(query_id)
        kept = {name: value for name, value in params.items() if name in {"name", "queryString", "logGroupNames"}}
        queries[query_id] = {"queryDefinitionId": query_id, "lastModified": int(time.time() * 1000), **kept}
        return {"queryDefinitionId": query_id}

    def describe_query_definitions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the saved queries whose names begin as asked."""
        prefix = params.get("queryDefinitionNamePrefix", "")
        queries = self._of(account_id).values()
        return {"queryDefinitions": [query for query in queries if query["name"].startswith(prefix)]}

    def delete_query_definition(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a saved query."""
        if self._of(account_id).pop(params["queryDefinitionId"], None) is None:
            raise _no_query(params["queryDefinitionId"])
        return {"success": True}

    def _of(self, account_id: str) -> dict[str, dict[str, Any]]:
        region = ministack_seams.module("ministack.core.responses").get_region()
        return self._queries.setdefault((account_id, region), {})


def _check(metric_filter: dict[str, Any]) -> None:
    """Refuse, with an AwsError, a metric filter that is not emulated."""
    matches(metric_filter.get("filterPattern", ""), "")
    for transformation in metric_filter.get("metricTransformations", []):
        value = transformation.get("metricValue", "")
        if not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII) or transformation.get("dimensions"):
            message = f"The local AWS emulates metric values that are numbers, without dimensions, and not {value!r}."
            raise AwsError("InvalidParameterException", message)


def _count(group: str, lines: list[str]) -> None:
    """Count what the metric filters of a log group select of new lines, in the account and Region of the request."""
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

    Patterns are terms `$.key = "value"` or `$.key != "value"`, joined by && or by ||; a value may hold wildcards.
    Raises AwsError for any other pattern.
    """
    inner = pattern.strip().removeprefix("{").removesuffix("}")
    joiner, decide = ("||", any) if "||" in inner else ("&&", all)
    terms = [_TERM.fullmatch(term.strip().strip("()").strip()) for term in inner.split(joiner)]
    if not pattern.strip().startswith("{") or None in terms:
        message = f"The local AWS does not emulate the filter pattern {pattern}"
        raise AwsError("InvalidParameterException", message)
    try:
        event = json.loads(line)
    except ValueError:
        return False
    if not isinstance(event, dict):
        return False
    return decide(_selects(term, event) for term in terms if term)


def _selects(term: re.Match[str], event: dict[str, Any]) -> bool:
    if term["key"] not in event:
        return False
    wanted = re.escape(term["value"]).replace(r"\*", ".*")
    equal = re.fullmatch(wanted, str(event[term["key"]])) is not None
    return equal == (term["operator"] == "=")


def _no_query(query_id: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified query definition does not exist: {query_id}")
