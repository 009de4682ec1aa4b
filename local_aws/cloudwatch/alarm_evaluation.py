"""CloudWatch: which state data points put an alarm into. A pure function of them.

CloudWatch looks at more periods than `EvaluationPeriods`: at the evaluation range. Existing data points precede missing ones,
even if they are older.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and
…/alarms-and-missing-data.html (its tables are the tests').  Live: radkawar/stackd,
testdata/aws/cloudwatch/alarm_evaluation.json (reasons; that an isolated breach leaves the state until it is old enough).
Guess: how many periods the range has beyond the table's (see `evaluation_range`), which data points the reason's data list,
and that the data of an expression have neither statistic nor sample count.
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
_MORE_PERIODS = 2
_OPERATORS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": ("greater than", operator.gt),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", operator.ge),
    "LessThanThreshold": ("less than", operator.lt),
    "LessThanOrEqualToThreshold": ("less than or equal to", operator.le),
}
OPERATORS = frozenset(_OPERATORS)
DAY = 86_400


@dataclass(frozen=True)
class Rule:
    """What an alarm compares, by the names of PutMetricAlarm. `needed` is DatapointsToAlarm.

    `statistic` is None if the alarm compares the values of an expression.
    """

    statistic: str | None
    unit: str | None
    period: int
    evaluation_periods: int
    needed: int
    comparison: str
    threshold: float
    treat_missing_data: str

    @property
    def is_multi_day(self) -> bool:
        """Tell whether the alarm is evaluated once an hour, with the data of full hours."""
        return self.period * self.evaluation_periods > DAY

    def is_breached_by(self, value: float) -> bool:
        """Tell whether a value is beyond the threshold."""
        return _OPERATORS[self.comparison][1](value, self.threshold)


@dataclass(frozen=True)
class Point:
    """A period, by its start, and its value. Without `value` there are no data."""

    at: datetime
    value: float | None = None
    count: float = 0


@dataclass(frozen=True)
class Verdict:
    """A state, why, and the reason's data in JSON."""

    state: str
    reason: str
    data: str


def evaluation_range(rule: Rule, *, multi_day_looks_back: bool) -> int:
    """Return the number of periods that CloudWatch looks at.

    AWS's examples have 5 for 3; the guide says that the number depends on the period.  For a multi-day alarm it has an example
    that leaves no room for more; `multi_day_looks_back` makes it look at more anyway.
    """
    looks_back = multi_day_looks_back or not rule.is_multi_day
    return rule.evaluation_periods + (_MORE_PERIODS if looks_back else 0)


def evaluate(rule: Rule, points: Sequence[Point], now: datetime) -> Verdict | None:
    """Return the verdict on the periods of the range, the newest first, or None if the state remains as it is."""
    real = [point for point in points if point.value is not None]
    filled = max(rule.evaluation_periods - len(real), 0)
    considered = real[: rule.evaluation_periods]
    breaching = [point for point in considered if rule.is_breached_by(point.value or 0.0)]
    state = _state(rule, points, considered, len(breaching))
    if state is None:
        return None
    decisive = breaching if state == ALARM else [point for point in considered if point not in breaching]
    missing = [point for point in points if point.value is None][:filled]
    data = _data(rule, real, [*missing, *decisive], now)
    return Verdict(state, _reason(rule, state, decisive, filled), data)


def _state(rule: Rule, points: Sequence[Point], considered: Sequence[Point], breaching: int) -> str | None:
    """Return the state, None if it remains. `considered` are the existing data points that count."""
    treat, filled = rule.treat_missing_data, rule.evaluation_periods - len(considered)
    if not considered and treat in {"missing", "ignore"}:
        return INSUFFICIENT_DATA if treat == "missing" else None
    if breaching + (filled if treat == "breaching" else 0) >= rule.needed:
        return ALARM
    if treat in {"breaching", "notBreaching"} or not filled or breaching < len(considered):
        return OK
    # All existing data breach, but are too few. It counts once the oldest is as old as the alarm needs data points.
    if treat == "missing" and points.index(considered[-1]) + 1 >= rule.needed:
        return ALARM
    return None


def _reason(rule: Rule, state: str, decisive: Sequence[Point], filled: int) -> str:
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {filled} datapoint{_plural(filled)} {_were(filled)} unknown."
    treated = rule.treat_missing_data in {"breaching", "notBreaching"} and filled
    how = "Breaching" if rule.treat_missing_data == "breaching" else "NonBreaching"
    missing = f"{filled} missing datapoint{_plural(filled)} {_were(filled)} treated as [{how}]" if treated else ""
    if filled == rule.evaluation_periods:
        periods = f"{filled} period{_plural(filled)}"
        return f"Threshold Crossed: no datapoints were received for {periods} and {missing}."
    if not decisive:
        return f"Threshold Crossed: {missing}."
    listed = ", ".join(f"{point.value} ({point.at:%d/%m/%y %H:%M:%S})" for point in decisive)
    words = _OPERATORS[rule.comparison][0]
    compared = f"{_were(len(decisive))} {'' if state == ALARM else 'not '}{words} the threshold ({rule.threshold})"
    needed = rule.needed if state == ALARM else rule.evaluation_periods - rule.needed + 1
    change = f"{OK} -> {ALARM}" if state == ALARM else f"{ALARM} -> {OK}"
    return (
        f"Threshold Crossed: {len(decisive)} out of the last {rule.evaluation_periods} datapoints [{listed}] {compared}"
        f"{f' and {missing}' if missing else ''} (minimum {needed} datapoint{_plural(needed)} for {change} transition)."
    )


def _data(rule: Rule, real: Sequence[Point], evaluated: Sequence[Point], now: datetime) -> str:
    oldest_first = real[: rule.evaluation_periods][::-1]
    content: dict[str, Any] = {
        "version": "1.0",
        "queryDate": stamp(now),
        **({"startDate": stamp(oldest_first[0].at)} if oldest_first else {}),
        **({"unit": rule.unit} if rule.unit else {}),
        **({"statistic": rule.statistic} if rule.statistic else {}),
        "period": rule.period,
        "recentDatapoints": [point.value for point in oldest_first],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {
                "timestamp": stamp(point.at),
                **({"sampleCount": point.count} if point.value is not None and rule.statistic else {}),
                **({} if point.value is None else {"value": point.value}),
            }
            for point in evaluated
        ],
    }
    return json.dumps(content, separators=(",", ":"))


def stamp(moment: datetime) -> str:
    """Write a time as alarms do: 2026-01-31T12:00:00.000+0000."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}+0000"


def _plural(number: int) -> str:
    return "" if number == 1 else "s"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
