"""CloudWatch: the history of alarms.  It stays for 30 days, also that of deleted alarms.

Sources: API model, cloudwatch, AlarmHistoryItem; https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
Alarm-On-Metrics.html (30 days).  Live: radkawar/stackd, testdata/aws/cloudwatch/alarm_controls.json and sns_publications.json
(summaries, and the JSON of each kind of item).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.alarm_evaluation import stamp
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock

if TYPE_CHECKING:
    from local_aws.cloudwatch.alarms import Alarm, State

_KEPT = timedelta(days=30)
_STATE = {"StateReason", "StateReasonData", "StateTransitionedTimestamp"}


@dataclass(frozen=True)
class Item:
    """Something that happened to an alarm. `kind` is a HistoryItemType."""

    alarm_name: str
    at: datetime
    kind: str
    summary: str
    data: str

    def shown(self) -> dict[str, Any]:
        """Return it as DescribeAlarmHistory does."""
        return {
            "AlarmName": self.alarm_name,
            "AlarmType": "MetricAlarm",
            "Timestamp": self.at,
            "HistoryItemType": self.kind,
            "HistorySummary": self.summary,
            "HistoryData": self.data,
        }


class AlarmHistory:
    """What happened to the alarms of each account and Region."""

    def __init__(self, clock: Clock) -> None:
        """Forget by `clock`."""
        self._clock = clock
        self._items: dict[Scope, list[Item]] = {}

    def items(self, scope: Scope) -> list[Item]:
        """Return what is kept, in the order in which it happened."""
        oldest = self._clock.now() - _KEPT
        kept = [item for item in self._items.get(scope, []) if item.at > oldest]
        self._items[scope] = kept
        return sorted(kept, key=lambda item: item.at)

    def created(self, alarm: "Alarm", at: datetime) -> None:
        """Note that an alarm was created."""
        self._configured(alarm, "Create", {"createdAlarm": _form(alarm.shown())}, at)

    def updated(self, alarm: "Alarm", before: Mapping[str, Any], at: datetime) -> None:
        """Note that an alarm has another configuration; `before` is how it was shown."""
        old, new = _form(before), _form(alarm.shown())
        changed = {name: value for name, value in old.items() if new.get(name) != value}
        self._configured(alarm, "Update", {"updatedAlarm": new, "originalUpdatedFields": changed}, at)

    def deleted(self, alarm: "Alarm", at: datetime) -> None:
        """Note that an alarm was deleted."""
        self._configured(alarm, "Delete", {"deletedAlarm": _form(alarm.shown())}, at)

    def changed(self, alarm: "Alarm", before: "State") -> None:
        """Note that an alarm got into its state."""
        data = f'{{"version":"1.0","oldState":{_state(before)},"newState":{_state(alarm.state)}}}'
        summary = f"Alarm updated from {before.value} to {alarm.state.value}"
        self._add(alarm, alarm.state.since, "StateUpdate", summary, data)

    def acted(self, alarm: "Alarm", action: str, published: str | None, error: str | None, at: datetime) -> None:
        """Note that an alarm did something because of its state, or that it could not: `error`."""
        data = {
            "actionState": "Failed" if error else "Succeeded",
            "stateUpdateTimestamp": int(alarm.state.since.timestamp() * 1000),
            "notificationResource": action,
            "publishedMessage": published,
            "error": error,
            "muteWindowEndTimestamp": None,
        }
        summary = f"{'Failed to execute' if error else 'Successfully executed'} action {action}"
        self._add(alarm, at, "Action", summary, _json(data))

    def _configured(self, alarm: "Alarm", kind: str, content: Mapping[str, Any], at: datetime) -> None:
        summary = f'Alarm "{alarm.name}" {kind.lower()}d'
        self._add(alarm, at, "ConfigurationUpdate", summary, _json({"version": "1.0", "type": kind, **content}))

    def _add(self, alarm: "Alarm", at: datetime, kind: str, summary: str, data: str) -> None:
        self._items.setdefault(alarm.scope, []).append(Item(alarm.name, at, kind, summary, data))


def _state(state: "State") -> str:
    """Write a state. The reason's data stay as they were given: they are JSON."""
    data = "" if state.data is None else f',"stateReasonData":{state.data}'
    return f'{{"stateValue":{json.dumps(state.value)},"stateReason":{json.dumps(state.reason)}{data}}}'


def _form(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Write an alarm from how DescribeAlarms shows it. AWS's names differ for two members."""
    form = {}
    for name, value in shown.items():
        if name not in _STATE:
            written = stamp(value) if isinstance(value, datetime) else value
            form[{"OKActions": "okactions", "Statistic": "extendedStatistic"}.get(name, name[0].lower() + name[1:])] = (
                str(value).upper() if name == "Statistic" else written
            )
    return form


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))
