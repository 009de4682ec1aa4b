"""CloudWatch: the operations on alarms.

Sources: API model, cloudwatch; API_PutMetricAlarm.html, API_DescribeAlarms.html, API_DescribeAlarmHistory.html,
API_SetAlarmState.html, API_TagResource.html.  Live: radkawar/stackd, testdata/aws/cloudwatch/alarm_controls.json (codes and
messages, which filters are exact, that unknown names are no error, how tags change).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch import metric_math
from local_aws.cloudwatch.alarm_evaluation import DAY, OPERATORS
from local_aws.cloudwatch.alarm_history import AlarmHistory
from local_aws.cloudwatch.alarms import Alarm, Alarms
from local_aws.cloudwatch.metrics import MINUTE
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_INVALID = "ValidationError"
_HOUR, _WEEK = 3600, 7 * DAY
_HIGH_RESOLUTION = {10, 20, 30}
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_REQUIRED, _OF_ONE_METRIC = ("Threshold",), ("MetricName", "Namespace", "Period", "Statistic")
_NOT_EMULATED = (
    "ExtendedStatistic",
    "EvaluateLowSampleCountPercentile",
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
)
_TREATMENTS = {"breaching", "notBreaching", "ignore", "missing"}
_MOST_TAGS, _MOST_ACTIONS = 50, 5
_ALARMS_A_PAGE, _LONGEST_PAGE = 50, 100
_TOPIC = re.compile(r"arn:aws:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)


class AlarmOperations:
    """The operations on alarms."""

    def __init__(self, alarms: Alarms, history: AlarmHistory) -> None:
        """Work on `alarms`."""
        self._alarms, self._history = alarms, history
        self.operations: Operations = {
            "PutMetricAlarm": self._put_metric_alarm,
            "DescribeAlarms": self._describe_alarms,
            "DescribeAlarmsForMetric": self._describe_alarms_for_metric,
            "DescribeAlarmHistory": self._describe_alarm_history,
            "SetAlarmState": self._set_alarm_state,
            "EnableAlarmActions": lambda account_id, params: self._enable(account_id, params, enabled=True),
            "DisableAlarmActions": lambda account_id, params: self._enable(account_id, params, enabled=False),
            "DeleteAlarms": self._delete_alarms,
            "TagResource": self._tag_resource,
            "UntagResource": self._untag_resource,
            "ListTagsForResource": self._list_tags_for_resource,
        }

    def _put_metric_alarm(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        scope = callers.scope(account_id)
        _check_alarm(params, scope)
        tags = _tags(params.pop("Tags", []), {})
        configuration = {"ActionsEnabled": True, "Dimensions": [], **{member: [] for member in _ACTIONS}, **params}
        self._alarms.put(scope, configuration, tags)
        return {}

    def _describe_alarms(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        if {"ChildrenOfAlarmName", "ParentsOfAlarmName"} & params.keys():
            raise AwsError(_INVALID, "The local AWS does not emulate composite alarms.")
        if "AlarmNames" in params and "AlarmNamePrefix" in params:
            raise AwsError(_INVALID, "AlarmNamePrefix and AlarmNames cannot both be specified.")
        alarms = (
            self._alarms.all(callers.scope(account_id)) if "MetricAlarm" in params.get("AlarmTypes", ["MetricAlarm"]) else []
        )
        found = [
            alarm
            for alarm in alarms
            if alarm.name in params.get("AlarmNames", [alarm.name])
            and alarm.name.startswith(params.get("AlarmNamePrefix", ""))
            and alarm.state.value == params.get("StateValue", alarm.state.value)
            and _has_action(alarm, params.get("ActionPrefix", ""))
        ]
        page, more = _page(found, params, _ALARMS_A_PAGE)
        return {"CompositeAlarms": [], "MetricAlarms": [alarm.shown() for alarm in page], **more}

    def _describe_alarms_for_metric(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in params.items() if name != "Dimensions"}
        dimensions = _as_set(params.get("Dimensions", []))
        found = [
            alarm
            for alarm in self._alarms.all(callers.scope(account_id))
            if all(alarm.configuration.get(name) == value for name, value in asked.items())
            and _as_set(alarm.configuration["Dimensions"]) == dimensions
        ]
        return {"MetricAlarms": [alarm.shown() for alarm in found]}

    def _describe_alarm_history(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        if "AlarmContributorId" in params:
            raise AwsError(_INVALID, "The local AWS does not emulate contributors.")
        is_metric = "MetricAlarm" in params.get("AlarmTypes", ["MetricAlarm"])
        items = [
            item
            for item in self._history.items(callers.scope(account_id))
            if is_metric
            and item.alarm_name == params.get("AlarmName", item.alarm_name)
            and item.kind == params.get("HistoryItemType", item.kind)
            and params.get("StartDate", item.at) <= item.at <= params.get("EndDate", item.at)
        ]
        if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            items.reverse()
        page, more = _page(items, params, _LONGEST_PAGE)
        return {"AlarmHistoryItems": [item.shown() for item in page], **more}

    def _set_alarm_state(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        alarm = self._alarms.find(callers.scope(account_id), params["AlarmName"])
        if alarm is None:
            raise AwsError("ResourceNotFound", "")
        data = params.get("StateReasonData")
        try:
            json.loads("{}" if data is None else data)
        except ValueError as error:
            raise AwsError("InvalidFormat", "") from error
        self._alarms.set_state(alarm, params["StateValue"], params["StateReason"], data)
        return {}

    def _enable(self, account_id: str, params: dict[str, Any], *, enabled: bool) -> dict[str, Any]:
        scope = callers.scope(account_id)
        for name in params["AlarmNames"]:
            alarm = self._alarms.find(scope, name)
            if alarm:
                self._alarms.put(scope, alarm.configuration | {"ActionsEnabled": enabled}, {})
        return {}

    def _delete_alarms(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        for name in params["AlarmNames"]:
            self._alarms.delete(callers.scope(account_id), name)
        return {}

    # Tags

    def _tag_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        alarm = self._by_arn(account_id, params["ResourceARN"])
        alarm.tags = _tags(params["Tags"], alarm.tags)
        return {}

    def _untag_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        alarm = self._by_arn(account_id, params["ResourceARN"])
        alarm.tags = {key: value for key, value in alarm.tags.items() if key not in params["TagKeys"]}
        return {}

    def _list_tags_for_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        alarm = self._by_arn(account_id, params["ResourceARN"])
        return {"Tags": [{"Key": key, "Value": value} for key, value in alarm.tags.items()]}

    def _by_arn(self, account_id: str, arn: str) -> Alarm:
        scope = callers.scope(account_id)
        start, _, name = arn.partition(":alarm:")
        alarm = self._alarms.find(scope, name) if start == f"arn:aws:cloudwatch:{scope[1]}:{scope[0]}" else None
        if alarm is None:
            raise AwsError("ResourceNotFoundException", "")
        return alarm


def _page(items: Sequence[Any], params: dict[str, Any], default: int) -> tuple[Sequence[Any], dict[str, str]]:
    token = params.get("NextToken")
    filters = sorted((name, str(value)) for name, value in params.items() if name not in {"NextToken", "MaxRecords"})
    return Pages("InvalidNextToken", f"Invalid NextToken : {token}").page(
        items, params, default, _LONGEST_PAGE, of=f"{filters}"
    )


def _as_set(dimensions: Iterable[Mapping[str, str]]) -> set[tuple[str, str]]:
    return {(dimension["Name"], dimension["Value"]) for dimension in dimensions}


def _has_action(alarm: Alarm, prefix: str) -> bool:
    actions = [action for member in _ACTIONS for action in alarm.configuration[member]]
    return not prefix or any(action.startswith(prefix) for action in actions)


def _tags(new: Iterable[Mapping[str, str]], old: Mapping[str, str]) -> dict[str, str]:
    """Return old and new tags. AwsError: AWS reserves the keys, or there are too many."""
    added = {tag["Key"]: tag["Value"] for tag in new}
    if any(key.lower().startswith("aws:") for key in added):
        raise AwsError("AccessDenied", 'The provided tag keys must not start with any case of "aws:"', 403)
    tags = {**old, **added}
    if len(tags) > _MOST_TAGS:
        raise AwsError("InvalidParameterValue" if old else _INVALID, "The number of tags exceeds the limit of 50.")
    return tags


# What PutMetricAlarm refuses


def _check_alarm(params: Mapping[str, Any], scope: Scope) -> None:
    if "Statistic" in params and "ExtendedStatistic" in params:
        message = (
            "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. Only one of them "
            "should be present"
        )
        raise AwsError(_INVALID, message)
    for name in _NOT_EMULATED:
        if name in params:
            raise AwsError(_INVALID, f"The local AWS does not emulate alarms with {name}.")
    if "Metrics" in params:
        metric_math.check(params)
    needed = [*_REQUIRED, *(_OF_ONE_METRIC if "Metrics" not in params else ())]
    missing = [name for name in needed if name not in params]
    if missing or params.get("ComparisonOperator") not in OPERATORS:
        named = ", ".join(missing) or "a ComparisonOperator that the local AWS emulates"
        raise AwsError(_INVALID, f"PutMetricAlarm needs {named}.")
    if params.get("TreatMissingData", "missing") not in _TREATMENTS:
        raise AwsError(
            _INVALID,
            f"Option {params['TreatMissingData']} is not supported. Supported options for TreatMissingData are "
            "[breaching, notBreaching, ignore, missing].",
        )
    _check_periods(params)
    for action in (action for member in _ACTIONS for action in params.get(member, [])):
        _check_action(action, scope)


def _check_periods(params: Mapping[str, Any]) -> None:
    period, number = metric_math.watched(params).period, params["EvaluationPeriods"]
    if period % MINUTE and period not in _HIGH_RESOLUTION:
        raise AwsError(_INVALID, "Period must be 10, 20, 30 or a multiple of 60")
    if period < MINUTE:
        raise AwsError(_INVALID, "The local AWS does not emulate alarms of high resolution.")
    longest = _WEEK if period >= _HOUR else DAY
    if period * number > longest:
        raise AwsError(
            _INVALID,
            f"Metrics cannot be checked across more than {longest} seconds (EvaluationPeriods * Period must be <= {longest})",
        )
    if params.get("DatapointsToAlarm", number) > number:
        raise AwsError(_INVALID, "DatapointsToAlarm must be less than or equal to EvaluationPeriods")


def _check_action(action: str, scope: Scope) -> None:
    if not action.startswith("arn:"):
        raise AwsError(_INVALID, f"Invalid arn syntax: {action}")
    topic = _TOPIC.fullmatch(action)
    if topic is None:
        raise AwsError(_INVALID, f"The local AWS does not emulate the action {action}: it knows topics of SNS only.")
    if topic["region"] != scope[1]:
        raise AwsError(_INVALID, f"Invalid region {topic['region']} specified. Only {scope[1]} is supported.")
