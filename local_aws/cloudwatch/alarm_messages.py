"""CloudWatch: what an alarm tells: its message to an SNS topic, and its events on EventBridge.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html and
…/alarm-actions.html.  Live: radkawar/stackd, testdata/aws/cloudwatch/sns_publications.json (message, subject, a refused
publication) and alarm_delivery.json (events).  Guess: the errors of a topic that does not exist, or has the key alias/aws/sns.
"""

import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.alarm_evaluation import stamp
from local_aws.core import callers, ministack_seams
from local_aws.core.models import LOADER
from local_aws.events.event_bus import EventBus

if TYPE_CHECKING:
    from local_aws.cloudwatch.alarms import Alarm, State

_PRINCIPAL = "cloudwatch.amazonaws.com"
_SNS = "ministack.services.sns"
_LONGEST_SUBJECT = 100
_ACTIONS = {"OKActions": "okActions", "AlarmActions": "alarmActions", "InsufficientDataActions": "insufficientDataActions"}
_OWN_KEY = "alias/aws/sns"
"""The key of SNS that AWS manages. Its policy does not let CloudWatch use it."""


class AlarmMessages:
    """Sends what alarms have to say."""

    def __init__(self, events: EventBus) -> None:
        """Publish events on `events`."""
        self._events = events

    def act(self, alarm: "Alarm", before: "State", topic_arn: str) -> tuple[str | None, str | None]:
        """Publish to a topic that an alarm got into its state. Return the message, or else the error."""
        sns = ministack_seams.module(_SNS)
        content = json.dumps({"default": json.dumps(_message(alarm, before), separators=(",", ":"))}, separators=(",", ":"))
        with callers.acting_in(*alarm.scope):
            topic = sns._topic_by_arn_any_scope(topic_arn)
            if topic is None:
                return None, f"Topic does not exist: {topic_arn}"
            if not sns.topic_policy_allows(topic_arn, _PRINCIPAL, alarm.arn, alarm.scope[0]):
                return None, f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource:{topic_arn}"
            if topic["attributes"].get("KmsMasterKeyId") == _OWN_KEY:
                return None, "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."
            sns.publish_internal(topic_arn, content, _subject(alarm), message_structure="json")
        return content, None

    def changed(self, alarm: "Alarm", before: "State") -> None:
        """Put an alarm's change of state on EventBridge."""
        detail = {
            "alarmName": alarm.name,
            "state": _state(alarm.state),
            "previousState": _state(before),
            "configuration": {
                "metrics": _metrics(alarm.arn, alarm.configuration),
                **_description(alarm.configuration),
            },
        }
        self._publish(alarm, "CloudWatch Alarm State Change", detail)

    def configured(self, alarm: "Alarm", operation: str, before: Mapping[str, Any] | None) -> None:
        """Put it on EventBridge that an alarm was created, updated or deleted. `before` is how it was shown."""
        detail = {
            "alarmName": alarm.name,
            "operation": operation,
            "state": {"value": alarm.state.value, "timestamp": stamp(alarm.state.since)},
            "configuration": _configuration(alarm.arn, alarm.shown()),
            **({"previousConfiguration": _configuration(alarm.arn, before)} if before else {}),
        }
        self._publish(alarm, "CloudWatch Alarm Configuration Change", detail)

    def _publish(self, alarm: "Alarm", detail_type: str, detail: Mapping[str, Any]) -> None:
        self._events.publish(*alarm.scope, "aws.cloudwatch", detail_type, detail, [alarm.arn])


def _message(alarm: "Alarm", before: "State") -> dict[str, Any]:
    given, rule = alarm.configuration, alarm.rule
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": given.get("AlarmDescription"),
        "AWSAccountId": alarm.scope[0],
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured),
        "NewStateValue": alarm.state.value,
        "NewStateReason": alarm.state.reason,
        "StateChangeTime": stamp(alarm.state.since),
        "Region": _region_name(alarm.scope[1]),
        "AlarmArn": alarm.arn,
        "OldStateValue": before.value,
        "ActionExecutedAfterMuteWindow": False,
        **{member: given[member] for member in _ACTIONS},
        "Trigger": {
            **_trigger(given),
            "Period": rule.period,
            "EvaluationPeriods": rule.evaluation_periods,
            **({"DatapointsToAlarm": given["DatapointsToAlarm"]} if "DatapointsToAlarm" in given else {}),
            "ComparisonOperator": rule.comparison,
            "Threshold": rule.threshold,
            "TreatMissingData": given.get("TreatMissingData", ""),
            "EvaluateLowSampleCountPercentile": "",
            **({"Metrics": [_trigger_query(each) for each in given["Metrics"]]} if "Metrics" in given else {}),
        },
    }


def _trigger(given: Mapping[str, Any]) -> dict[str, Any]:
    if "Metrics" in given:
        return {}
    return {
        "MetricName": given["MetricName"],
        "Namespace": given["Namespace"],
        "StatisticType": "Statistic",
        "Statistic": given["Statistic"].upper(),
        "Unit": given.get("Unit"),
        "Dimensions": [{"value": each["Value"], "name": each["Name"]} for each in given["Dimensions"]],
    }


def _trigger_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Write an element of Metrics. Guess: as public examples of messages have it."""
    written = {"Id": query["Id"], **({"Label": query["Label"]} if "Label" in query else {})}
    if "Expression" in query:
        written["Expression"] = query["Expression"]
    else:
        stat = query["MetricStat"]
        dimensions = [{"value": each["Value"], "name": each["Name"]} for each in stat["Metric"].get("Dimensions", [])]
        written["MetricStat"] = {**stat, "Metric": {**stat["Metric"], "Dimensions": dimensions}}
    return {**written, "ReturnData": query.get("ReturnData", True)}


def _subject(alarm: "Alarm") -> str:
    """Write the subject. SNS takes ASCII only, and 100 characters."""
    before, after = f'{alarm.state.value}: "', f'" in {_region_name(alarm.scope[1])}'
    name = re.sub(r"[^ -~]+", "_", alarm.name)
    room = _LONGEST_SUBJECT - len(before) - len(after)
    return f"{before}{name if len(name) <= room else name[: room - 3] + '...'}{after}"


def _region_name(region: str) -> str:
    regions = LOADER.load_data("endpoints")["partitions"][0]["regions"]
    return str(regions.get(region, {}).get("description", region))


# Events


def _state(state: "State") -> dict[str, str]:
    data = {} if state.data is None else {"reasonData": state.data}
    return {"value": state.value, "reason": state.reason, **data, "timestamp": stamp(state.since)}


def _metrics(arn: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write what an alarm looks at. One metric's id depends on the configuration; here it is made of that, and of the ARN."""
    if "Metrics" in given:
        return [_query(each) for each in given["Metrics"]]
    stat = _stat(given, given["Period"], given["Statistic"], given)
    return [{"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{arn} {json.dumps(stat)}")), "metricStat": stat, "returnData": True}]


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    label = {"label": query["Label"]} if "Label" in query else {}
    returns = {"returnData": query.get("ReturnData", True)}
    if "Expression" in query:
        return {"id": query["Id"], "expression": query["Expression"], **label, **returns}
    of = query["MetricStat"]
    return {"id": query["Id"], "metricStat": _stat(of["Metric"], of["Period"], of["Stat"], of), **label, **returns}


def _stat(metric: Mapping[str, Any], period: int, statistic: str, given: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
    return {
        "metric": {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": dimensions},
        "period": period,
        "stat": statistic,
        **({"unit": given["Unit"]} if "Unit" in given else {}),
    }


def _description(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": given["AlarmDescription"]} if "AlarmDescription" in given else {}


def _configuration(arn: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Write the configuration of an alarm from how DescribeAlarms shows it."""
    optional = {"datapointsToAlarm": "DatapointsToAlarm", "treatMissingData": "TreatMissingData"}
    return {
        "evaluationPeriods": shown["EvaluationPeriods"],
        "threshold": shown["Threshold"],
        "comparisonOperator": shown["ComparisonOperator"],
        **{name: shown[member] for name, member in optional.items() if member in shown},
        "metrics": _metrics(arn, shown),
        "alarmName": shown["AlarmName"],
        **_description(shown),
        "actionsEnabled": shown["ActionsEnabled"],
        "timestamp": stamp(shown["AlarmConfigurationUpdatedTimestamp"]),
        **{name: shown[member] for member, name in _ACTIONS.items()},
    }
