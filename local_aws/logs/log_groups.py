"""CloudWatch Logs: log groups and their events, which MiniStack keeps.

Sources: API model, logs; for the messages, public captures of real answers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.logs.query_evaluation import parse_document

_LOGS = "ministack.services.cloudwatch_logs"


class LogEvent(dict[str, Any]):
    """A log event. It is a dictionary, since MiniStack keeps events as such. Times are milliseconds since 1970.

    `log` is the account and the log group, "123456789012:/aws/lambda/example".
    """

    __slots__ = ("_document", "log", "log_stream")

    def __init__(self, timestamp: int, message: str, ingestion_time: int, event_id: str, log: str, log_stream: str) -> None:  # noqa: PLR0913, PLR0917 - what an event has
        super().__init__(timestamp=timestamp, message=message, ingestionTime=ingestion_time, eventId=event_id)
        self.log = log
        self.log_stream = log_stream
        self._document: Mapping[str, Any] | None = None

    @property
    def timestamp(self) -> int:
        """When it happened."""
        return int(self["timestamp"])

    @property
    def ingestion_time(self) -> int:
        """When the service received it."""
        return int(self["ingestionTime"])

    @property
    def message(self) -> str:
        """What was written."""
        return str(self["message"])

    @property
    def pointer(self) -> str:
        """What identifies it: 56 digits, in the order of time, then of arrival."""
        return str(self["eventId"])

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object that the message is, or an empty one. It is read once."""
        if self._document is None:
            self._document = parse_document(self["message"])
        return self._document


@dataclass(frozen=True)
class LogGroup:
    """A log group of the account and Region of the request; `record` is MiniStack's."""

    name: str
    record: dict[str, Any]
    now: datetime

    @property
    def arn(self) -> str:
        """The ARN, without `:*`."""
        return str(self.record["arn"]).removesuffix(":*")

    @property
    def streams(self) -> dict[str, dict[str, Any]]:
        """MiniStack's log streams by name."""
        streams: dict[str, dict[str, Any]] = self.record["streams"]
        return streams

    @property
    def oldest(self) -> int:
        """The time of the oldest events that are kept. Real ones stay a little longer: AWS deletes them within days."""
        days = self.record.get("retentionInDays")
        return milliseconds(self.now - timedelta(days=days)) if days else 0

    def stream(self, name: str) -> dict[str, Any]:
        """Return a log stream. AwsError: there is none."""
        if name not in self.streams:
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        return self.streams[name]

    def events(self, start: int, end: int, streams: Iterable[str] | None = None) -> list[LogEvent]:
        """Return the events from `start` to `end`, both included, in the order of time, then of arrival."""
        found: list[LogEvent] = []
        for name in self.streams if streams is None else streams:
            history = self.streams[name]["events"]
            first = bisect_left(history, max(start, self.oldest), key=_timestamp)
            found += history[first : bisect_right(history, end, key=_timestamp)]
        found.sort(key=lambda event: event.pointer)
        return found


def find(params: Mapping[str, Any], now: datetime) -> LogGroup:
    """Return the log group that a request names by logGroupName or logGroupIdentifier. AwsError: there is none."""
    if ("logGroupName" in params) == ("logGroupIdentifier" in params):
        raise AwsError("InvalidParameterException", "Give exactly one of logGroupName and logGroupIdentifier.")
    return named(params.get("logGroupName") or params["logGroupIdentifier"], now)


def named(identifier: str, now: datetime) -> LogGroup:
    """Return the log group with a name or an ARN. AwsError: there is none, or it is in another account or Region."""
    own = f"arn:aws:logs:{callers.region()}:{callers.account_id()}:log-group:"
    name = identifier.removeprefix(own).removesuffix(":*") if identifier.startswith("arn:") else identifier
    record = ministack_seams.module(_LOGS)._log_groups.get(name)
    if record is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return LogGroup(name, record, now)


def every(now: datetime) -> list[LogGroup]:
    """Return all log groups of the account and Region of the request, by name."""
    records = ministack_seams.module(_LOGS)._log_groups
    return [LogGroup(name, records[name], now) for name in sorted(records)]


def milliseconds(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def _timestamp(event: LogEvent) -> int:
    return int(event["timestamp"])
