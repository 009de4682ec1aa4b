"""CloudWatch: the alarms of each account and Region, their states by the clock, and what follows from a change.

CloudWatch evaluates an alarm every minute, and one that looks at more than a day every hour, with the data of full hours.  Here
that is at each full minute and hour.  When the clock is moved forward, an alarm goes through all the instants between, each
with the data that were there.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html; API model, cloudwatch.
Live: radkawar/stackd, testdata/aws/cloudwatch/alarm_controls.json (that equal requests change nothing, and what stays).
Guess: that the first evaluation is at the first full minute.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from local_aws.cloudwatch import alarm_evaluation, metric_math
from local_aws.cloudwatch.alarm_evaluation import INSUFFICIENT_DATA, Point, Rule, Verdict
from local_aws.cloudwatch.alarm_history import AlarmHistory
from local_aws.cloudwatch.alarm_messages import AlarmMessages
from local_aws.cloudwatch.metric_math import Watched
from local_aws.cloudwatch.metrics import MINUTE, Metrics, Summary
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.switches import Switches

_HOUR = 3600
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """The state of an alarm. `data` is the reason's data in JSON, None if there are none."""

    value: str
    reason: str
    data: str | None
    since: datetime


@dataclass
class Alarm:
    """An alarm: what PutMetricAlarm was given, without tags, and its state. `due` is when it is evaluated next."""

    scope: Scope
    configuration: dict[str, Any]
    configured: datetime
    state: State
    due: datetime
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.configuration["AlarmName"])

    @property
    def arn(self) -> str:
        """Return its ARN."""
        return f"arn:aws:cloudwatch:{self.scope[1]}:{self.scope[0]}:alarm:{self.name}"

    @property
    def rule(self) -> Rule:
        """Return what it compares."""
        given, watched = self.configuration, self.watched
        return Rule(
            None if "Metrics" in given else watched.statistic,
            watched.unit,
            watched.period,
            given["EvaluationPeriods"],
            given.get("DatapointsToAlarm", given["EvaluationPeriods"]),
            given["ComparisonOperator"],
            given["Threshold"],
            given.get("TreatMissingData", "missing"),
        )

    @property
    def watched(self) -> Watched:
        """Return the metric that it looks at, and how."""
        return metric_math.watched(self.configuration)

    def actions(self, state: str) -> list[str]:
        """Return the ARNs of what it does when it gets into a state."""
        member = {"ALARM": "AlarmActions", "OK": "OKActions", INSUFFICIENT_DATA: "InsufficientDataActions"}[state]
        return list(self.configuration[member])

    def shown(self) -> dict[str, Any]:
        """Return it as DescribeAlarms does."""
        return {
            **self.configuration,
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configured,
            "StateValue": self.state.value,
            "StateReason": self.state.reason,
            **({} if self.state.data is None else {"StateReasonData": self.state.data}),
            "StateUpdatedTimestamp": self.state.since,
            "StateTransitionedTimestamp": self.state.since,
        }


class Alarms:
    """All alarms."""

    def __init__(
        self, metrics: Metrics, messages: AlarmMessages, history: AlarmHistory, clock: Clock, switches: Switches
    ) -> None:
        """Evaluate `metrics` by `clock`; send changes through `messages`, and keep them in `history`."""
        self._metrics, self._messages, self._history = metrics, messages, history
        self._clock, self._switches = clock, switches
        self._alarms: dict[Scope, dict[str, Alarm]] = {}
        self._lock = RLock()
        self._pool = ThreadPoolExecutor(1, "alarms")
        self._waits_for: datetime | None = None

    def close(self) -> None:
        """Evaluate nothing more. The clock has to be stopped already."""
        self._pool.shutdown(cancel_futures=True)

    # What operations do

    def find(self, scope: Scope, name: str) -> Alarm | None:
        """Return the alarm with a name."""
        return self._alarms.get(scope, {}).get(name)

    def all(self, scope: Scope) -> list[Alarm]:
        """Return the alarms of an account and Region, in the order of their names."""
        return [alarm for _, alarm in sorted(self._alarms.get(scope, {}).items())]

    def put(self, scope: Scope, configuration: dict[str, Any], tags: Mapping[str, str]) -> None:
        """Create an alarm, or change its configuration. Tags are for a new alarm only."""
        with self._lock:
            now = self._clock.now()
            alarm = self.find(scope, configuration["AlarmName"])
            if alarm is None:
                state = State(INSUFFICIENT_DATA, "Unchecked: Initial alarm creation", None, now)
                alarm = Alarm(scope, configuration, now, state, _next(now, MINUTE), dict(tags))
                self._alarms.setdefault(scope, {})[alarm.name] = alarm
                self._history.created(alarm, now)
                self._messages.configured(alarm, "create", None)
            elif configuration != alarm.configuration:
                before = alarm.shown()
                alarm.configuration, alarm.configured, alarm.due = configuration, now, _next(now, MINUTE)
                self._history.updated(alarm, before, now)
                self._messages.configured(alarm, "update", before)
            self._wait_for(alarm.due)

    def delete(self, scope: Scope, name: str) -> None:
        """Delete an alarm, if it exists."""
        with self._lock:
            alarm = self._alarms.get(scope, {}).pop(name, None)
            if alarm is not None:
                self._history.deleted(alarm, self._clock.now())
                self._messages.configured(alarm, "delete", None)

    def set_state(self, alarm: Alarm, value: str, reason: str, data: str | None) -> None:
        """Put an alarm into a state until its next evaluation. Another reason for the same state changes nothing."""
        with self._lock:
            if value != alarm.state.value:
                self._change(alarm, State(value, reason, data, self._clock.now()))

    # The clock

    def _wait_for(self, due: datetime) -> None:
        if self._waits_for is None or due < self._waits_for:
            self._waits_for = due
            self._clock.at(due, self._submit)

    def _submit(self) -> None:
        with suppress(RuntimeError):  # closed, since the local AWS ends
            self._clock.submit(self._pool, "alarms", self._evaluate_due)

    def _evaluate_due(self) -> None:
        with self._lock:
            self._waits_for = None
            alarms = [alarm for of_scope in self._alarms.values() for alarm in of_scope.values()]
            for alarm in alarms:
                try:
                    self._catch_up(alarm)
                except Exception:  # noqa: BLE001 - the others' last resort, and the log says so
                    _log.exception("The alarm %s was not evaluated", alarm.arn)
            if alarms:
                self._wait_for(min(alarm.due for alarm in alarms))

    def _catch_up(self, alarm: Alarm) -> None:
        """Evaluate an alarm at each instant that has come. It leaves out the instants at which nothing can have changed."""
        rule = alarm.rule
        interval = _HOUR if rule.is_multi_day else MINUTE
        number = alarm_evaluation.evaluation_range(
            rule, multi_day_looks_back=self._switches.is_on("multi-day-alarms-look-back")
        )
        while alarm.due <= self._clock.now():
            now = alarm.due
            alarm.due = _next(now, interval)
            end = int(now.timestamp()) // interval * interval
            points = self._points(alarm, rule, end, number)
            filled = alarm.watched.filled(points, needs_data=self._switches.is_on("fill-needs-data"))
            verdict = alarm_evaluation.evaluate(rule, filled, now)
            if verdict is not None and verdict.state != alarm.state.value:
                self._change(alarm, _state(verdict, now))
            if all(point.value is None for point in points):
                self._skip(alarm, end, interval)

    def _points(self, alarm: Alarm, rule: Rule, end: int, number: int) -> list[Point]:
        """Return the newest periods before `end`, the newest first. Without a unit, all units count as the same."""
        start = end - number * rule.period
        watched = alarm.watched
        periods = self._metrics.units(alarm.scope, watched.metric, start, end, rule.period)
        points = []
        for at in range(end - rule.period, start - 1, -rule.period):
            summaries = [summary for unit, summary in periods.get(at, {}).items() if unit == (rule.unit or unit)]
            total = _sum(summaries)
            value = total.statistic(watched.statistic) if total else None
            points.append(Point(datetime.fromtimestamp(at, UTC), value, total.count if total else 0))
        return points

    def _skip(self, alarm: Alarm, end: int, interval: int) -> None:
        """Continue where the next data point appears, or at the next instant, since no data are in the range."""
        minute = self._metrics.next_minute(alarm.scope, alarm.watched.metric, end)
        to_come = _next(self._clock.now(), interval)
        seen = to_come if minute is None else datetime.fromtimestamp(-(-(minute + MINUTE) // interval) * interval, UTC)
        alarm.due = max(alarm.due, min(seen, to_come))

    # Changes

    def _change(self, alarm: Alarm, state: State) -> None:
        before, alarm.state = alarm.state, state
        self._history.changed(alarm, before)
        self._messages.changed(alarm, before)
        if alarm.configuration["ActionsEnabled"]:
            for action in alarm.actions(state.value):
                published, error = self._messages.act(alarm, before, action)
                self._history.acted(alarm, action, published, error, self._clock.now())


def _next(now: datetime, interval: int) -> datetime:
    """Return the first multiple of `interval` after an instant."""
    return datetime.fromtimestamp((int(now.timestamp()) // interval + 1) * interval, UTC)


def _sum(summaries: list[Summary]) -> Summary | None:
    total: Summary | None = None
    for summary in summaries:
        total = summary if total is None else total + summary
    return total


def _state(verdict: Verdict, now: datetime) -> State:
    return State(verdict.state, verdict.reason, verdict.data, now)
