"""CloudWatch: the metrics of each account and Region, and statistics over their data points.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html (identity, retention,
statistics), API_GetMetricStatistics.html (how StartTime is rounded). Live: radkawar/stackd,
testdata/aws/cloudwatch/metrics.json (weights, units, an inconsistent sum).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from local_aws.core import callers, ministack_seams
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock

MINUTE = 60
_DAY = timedelta(days=1)
_RETENTION = ((15 * _DAY, 300), (63 * _DAY, 3600), (455 * _DAY, None))
"""The age from which a data point exists only for multiples of a period; None: for none."""
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True, order=True)
class Metric:
    """What identifies a metric. The order of its dimensions does not matter, so they are sorted."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Summary:
    """What CloudWatch keeps of the values of a period."""

    count: float
    total: float
    minimum: float
    maximum: float

    def __add__(self, other: "Summary") -> "Summary":
        """Return the summary of both periods."""
        return Summary(
            self.count + other.count,
            self.total + other.total,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )

    def statistic(self, name: str) -> float:
        """Return one of STATISTICS."""
        match name:
            case "SampleCount":
                return self.count
            case "Average":
                return self.total / self.count if self.count else 0.0
            case "Sum":
                return self.total
            case "Minimum":
                return self.minimum
            case _:
                return self.maximum


@dataclass
class _Series:
    """The data points of a metric: the minutes that have any (their starts, in seconds of Unix), and each minute's, by unit."""

    minutes: list[int] = field(default_factory=list)
    summaries: dict[int, dict[str, Summary]] = field(default_factory=dict)

    def add(self, minute: int, unit: str, summary: Summary) -> None:
        if minute not in self.summaries:
            insort(self.minutes, minute)
        units = self.summaries.setdefault(minute, {})
        units[unit] = units[unit] + summary if unit in units else summary


class Metrics:
    """All metrics. Their data points have a resolution of a minute."""

    def __init__(self, clock: Clock) -> None:
        """Date by `clock` what services record."""
        self._clock = clock
        self._series: dict[Scope, dict[Metric, _Series]] = {}
        self._lock = Lock()

    def install(self) -> None:
        """Let the services of MiniStack record their metrics here."""
        ministack_seams.replace("ministack.services.cloudwatch", "record_metric", self.record)

    def record(
        self, namespace: str, name: str, value: float, unit: str = "None", dimensions: Mapping[str, str] | None = None
    ) -> None:
        """Record a value for the present instant, for the account and Region of the request. Services call this."""
        metric = Metric(namespace, name, tuple(sorted((dimensions or {}).items())))
        summary = Summary(1.0, float(value), float(value), float(value))
        self.put(callers.scope(callers.account_id()), metric, self._clock.now(), unit, summary)

    def put(self, scope: Scope, metric: Metric, at: datetime, unit: str, summary: Summary) -> None:
        """Add values of an instant to a metric."""
        minute = int(at.timestamp()) // MINUTE * MINUTE
        with self._lock:
            self._series.setdefault(scope, {}).setdefault(metric, _Series()).add(minute, unit, summary)

    def names(self, scope: Scope, since: datetime) -> Sequence[Metric]:
        """Return the metrics that have had data points since an instant, in order."""
        start = since.timestamp()
        with self._lock:
            found = [metric for metric, series in self._series.get(scope, {}).items() if series.minutes[-1] + MINUTE > start]
        return sorted(found)

    def units(self, scope: Scope, metric: Metric, start: int, end: int, period: int) -> Mapping[int, Mapping[str, Summary]]:
        """Return the summary of each period, and in it of each unit. The first period begins at `start`; `end` is outside.

        A period without data points is left out. Its key is its start.
        """
        periods: dict[int, dict[str, Summary]] = {}
        for minute, units in self._read(scope, metric, start, end, period):
            into = periods.setdefault(start + (minute - start) // period * period, {})
            for unit, summary in units.items():
                into[unit] = into[unit] + summary if unit in into else summary
        return periods

    def next_minute(self, scope: Scope, metric: Metric, start: int) -> int | None:
        """Return the first minute from `start` on that has data points, None if there is none."""
        with self._lock:
            series = self._series.get(scope, {}).get(metric, _Series())
            position = bisect_left(series.minutes, start)
            return series.minutes[position] if position < len(series.minutes) else None

    def _read(
        self, scope: Scope, metric: Metric, start: int, end: int, period: int
    ) -> Iterator[tuple[int, Mapping[str, Summary]]]:
        now = self._clock.now().timestamp()
        ages = (age for age, multiple in _RETENTION if multiple is None or period % multiple)
        oldest = now - min(ages).total_seconds()
        with self._lock:
            series = self._series.get(scope, {}).get(metric, _Series())
            first, last = bisect_left(series.minutes, max(start, oldest)), bisect_left(series.minutes, end)
            found = [(minute, dict(series.summaries[minute])) for minute in series.minutes[first:last]]
        yield from found


def start_of(moment: datetime, now: datetime) -> int:
    """Round the start of a time range down, the more the older it is."""
    age = now - moment
    unit = MINUTE if age < _RETENTION[0][0] else 300 if age < _RETENTION[1][0] else 3600
    return int(moment.timestamp()) // unit * unit
