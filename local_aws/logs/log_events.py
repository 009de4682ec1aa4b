"""CloudWatch Logs: write log events, read them in pages, and describe the groups and streams that hold them.

Sources: API model, logs; for messages, the form of tokens and the empty page at the end of FilterLogEvents, public captures of
real answers.
"""

import base64
import hmac
import re
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import count, islice, pairwise
from typing import TYPE_CHECKING, Any

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from local_aws.logs import filter_patterns, log_groups
from local_aws.logs.log_groups import LogEvent, LogGroup, milliseconds

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_LARGEST_BATCH = 1_048_576
_BYTES_BESIDE_MESSAGE = 26
_LARGEST_PAGE = 1_048_576
_MOST_EVENTS = 10_000
_MOST_DESCRIBED = 50
_LONGEST_SPAN = timedelta(hours=24)
_TOO_OLD = timedelta(days=14)
_TOO_NEW = timedelta(hours=2)
_FIRST, _LAST = "0" * 56, "9" * 56
"""Less and more than the pointer of any event, which begins with the event's time."""
_END_OF_TIME = 10**13
_PAGES = Pages("InvalidParameterException", "The specified nextToken is invalid.", "nextToken")

Listener = Callable[[LogGroup, Sequence[LogEvent]], None]
"""Gets new events of a log group, in the account and Region of the request."""


class LogEvents:
    """The operations on log events."""

    def __init__(self, clock: Clock) -> None:
        """Tell the time by `clock`. `when_put` has listeners."""
        self.when_put: list[Listener] = []
        self._clock = clock
        self._numbers = count(1)
        self._secret = secrets.token_bytes(32)
        self.operations: Operations = {
            "DescribeLogGroups": self.describe_log_groups,
            "DescribeLogStreams": self.describe_log_streams,
            "FilterLogEvents": self.filter_log_events,
            "GetLogEvents": self.get_log_events,
            "PutLogEvents": self.put_log_events,
        }

    # Writing

    def put_log_events(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Write events, except for those that are too old or too far ahead."""
        group = log_groups.find(params, self._clock.now())
        stream = group.stream(params["logStreamName"])
        given = params["logEvents"]
        _check_batch(given)
        now = self._clock.now()
        first, end, rejected = self._acceptable(group, [event["timestamp"] for event in given])
        accepted = given[first:end]
        if accepted and accepted[-1]["timestamp"] - accepted[0]["timestamp"] > _LONGEST_SPAN // timedelta(milliseconds=1):
            message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
            raise AwsError("InvalidParameterException", message)
        log = f"{account_id}:{group.name}"
        events = [
            LogEvent(
                event["timestamp"],
                event["message"],
                milliseconds(now),
                f"{event['timestamp']:013}{next(self._numbers):043}",
                log,
                params["logStreamName"],
            )
            for event in accepted
        ]
        ministack_seams.module("ministack.services.cloudwatch_logs")._append_log_events(stream, events)
        stream["uploadSequenceToken"] = f"{next(self._numbers):056}"
        for listener in self.when_put:
            listener(group, events)
        return {"nextSequenceToken": stream["uploadSequenceToken"], **({"rejectedLogEventsInfo": rejected} if rejected else {})}

    def _acceptable(self, group: LogGroup, times: Sequence[int]) -> tuple[int, int, dict[str, int]]:
        """Return the index of the first event that is neither too old nor expired, and of the first one too far ahead."""
        now = self._clock.now()
        too_old = sum(time < milliseconds(now - _TOO_OLD) for time in times)
        expired = sum(time < group.oldest for time in times)
        too_new = sum(time <= milliseconds(now + _TOO_NEW) for time in times)
        rejected = {
            **({"tooOldLogEventEndIndex": too_old} if too_old else {}),
            **({"expiredLogEventEndIndex": expired} if expired else {}),
            **({"tooNewLogEventStartIndex": too_new} if too_new < len(times) else {}),
        }
        return max(too_old, expired), too_new, rejected

    # Reading

    def get_log_events(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of a stream's events, oldest first, and the tokens of the pages after it and before it."""
        group = log_groups.find(params, self._clock.now())
        stream = params["logStreamName"]
        group.stream(stream)
        forward, after = params.get("startFromHead", False), None
        if "nextToken" in params:
            token = re.fullmatch(r"([fb])/(\d{56})/s", params["nextToken"], re.ASCII)
            if token is None:
                raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
            forward, after = token[1] == "f", token[2]
        start, end = _times(params)
        page = _page(_following(group.events(start, end - 1, [stream]), after, forward=forward), params)
        page = page if forward else page[::-1]
        nowhere = after or (_FIRST if forward else _LAST)
        return {
            "events": [{name: event[name] for name in ("timestamp", "message", "ingestionTime")} for event in page],
            "nextForwardToken": f"f/{page[-1].pointer if page else nowhere}/s",
            "nextBackwardToken": f"b/{page[0].pointer if page else nowhere}/s",
        }

    def filter_log_events(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of a group's events that a pattern selects. The page after the last event is empty, as on AWS."""
        group = log_groups.find(params, self._clock.now())
        if "logStreamNames" in params and "logStreamNamePrefix" in params:
            message = "Give logStreamNames or logStreamNamePrefix, not both."
            raise AwsError("InvalidParameterException", message)
        prefix = params.get("logStreamNamePrefix", "")
        streams = dict.fromkeys(params.get("logStreamNames") or [name for name in group.streams if name.startswith(prefix)])
        for name in streams:
            group.stream(name)
        try:
            matches = filter_patterns.parse(params.get("filterPattern", ""))
        except filter_patterns.InvalidPatternError as error:
            raise AwsError("InvalidParameterException", str(error) or "Invalid filter pattern") from error
        forward, after = params.get("startFromHead", True), None
        if "nextToken" in params:
            forward, after = self._read_token(group, params["nextToken"])
        events = _following(group.events(*_times(params), streams), after, forward=forward)
        page = _page((event for event in events if matches(event.message)), params)
        found = [{**event, "logStreamName": event.log_stream} for event in page]
        token = {"nextToken": self._token(group, page[-1], forward=forward)} if page else {}
        return {"events": found, "searchedLogStreams": [], **token}

    def _token(self, group: LogGroup, event: LogEvent, *, forward: bool) -> str:
        """Make a token for what follows an event."""
        text = f"{'f' if forward else 'b'}{event.pointer}"
        return base64.urlsafe_b64encode(text.encode() + self._sign(group, text)).decode()

    def _read_token(self, group: LogGroup, token: str) -> tuple[bool, str]:
        """Return the direction of a token and the pointer of its event. AwsError: it was not given for this log group."""
        try:
            decoded = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            decoded = b""
        text = decoded[: 1 + len(_LAST)].decode("latin-1")
        if not hmac.compare_digest(decoded[1 + len(_LAST) :], self._sign(group, text)):
            raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
        return text[0] == "f", text[1:]

    def _sign(self, group: LogGroup, text: str) -> bytes:
        return hmac.digest(self._secret, f"{group.arn} {text}".encode(), "sha256")

    # Groups and streams

    def describe_log_groups(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List log groups by name."""
        if params.get("includeLinkedAccounts") or params.get("accountIdentifiers"):
            raise AwsError("InvalidParameterException", "The local AWS emulates no linked accounts.")
        if "logGroupNamePrefix" in params and "logGroupNamePattern" in params:
            raise AwsError("InvalidParameterException", "Give logGroupNamePrefix or logGroupNamePattern, not both.")
        groups = log_groups.every(self._clock.now())
        if "logGroupIdentifiers" in params:
            if params.keys() & {"logGroupNamePrefix", "logGroupNamePattern", "logGroupClass"}:
                raise AwsError("InvalidParameterException", "Give logGroupIdentifiers without other filters.")
            groups = [group for group in groups if {group.name, group.arn} & set(params["logGroupIdentifiers"])]
        prefix, part = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern", "")
        described = [_described(group) for group in groups if group.name.startswith(prefix) and part in group.name]
        kept = [group for group in described if params.get("logGroupClass") in {None, group["logGroupClass"]}]
        page, token = _PAGES.page(kept, params, _MOST_DESCRIBED)
        return {"logGroups": list(page), **token}

    def describe_log_streams(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the streams of a log group, by name or by the time of their last event."""
        group = log_groups.find(params, self._clock.now())
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and "logStreamNamePrefix" in params:
            raise AwsError("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
        prefix = params.get("logStreamNamePrefix", "")
        streams = [_stream(group, name) for name in sorted(group.streams) if name.startswith(prefix)]
        if by_time:
            streams.sort(key=lambda stream: stream.get("lastEventTimestamp", 0))
        page, token = _PAGES.page(streams[::-1] if params.get("descending") else streams, params, _MOST_DESCRIBED)
        return {"logStreams": list(page), **token}


def _described(group: LogGroup) -> dict[str, Any]:
    filters = ministack_seams.module("ministack.services.cloudwatch_logs")._metric_filters
    kept = group.events(0, milliseconds(group.now + _TOO_NEW))
    optional = {name: group.record.get(name) for name in ("retentionInDays", "kmsKeyId") if group.record.get(name)}
    return {
        "logGroupName": group.name,
        "creationTime": group.record["creationTime"],
        "metricFilterCount": sum(name == group.name for name, _ in filters),
        "arn": f"{group.arn}:*",
        "storedBytes": sum(len(event.message.encode()) for event in kept),
        "logGroupClass": group.record.get("logGroupClass") or "STANDARD",
        "logGroupArn": group.arn,
        "deletionProtectionEnabled": False,
        **optional,
    }


def _stream(group: LogGroup, name: str) -> dict[str, Any]:
    stream = group.streams[name]
    times = ("firstEventTimestamp", "lastEventTimestamp", "lastIngestionTime")
    written = (*times, "uploadSequenceToken") if stream["events"] else ()
    return {
        "logStreamName": name,
        "creationTime": stream["creationTime"],
        **{member: stream[member] for member in written},
        "arn": f"{group.arn}:log-stream:{name}",
        "storedBytes": 0,  # the model says that it is always reported so
    }


def _check_batch(events: Sequence[Mapping[str, Any]]) -> None:
    """Raise AwsError if events are too large or out of order."""
    sizes = [len(event["message"].encode()) + _BYTES_BESIDE_MESSAGE for event in events]
    for what, size in (("Log event", max(sizes)), ("Upload", sum(sizes))):
        if size > _LARGEST_BATCH:
            message = f"{what} too large: {size} bytes exceeds limit of {_LARGEST_BATCH}"
            raise AwsError("InvalidParameterException", message)
    if any(one["timestamp"] > other["timestamp"] for one, other in pairwise(events)):
        message = "Log events in a single PutLogEvents request must be in chronological order."
        raise AwsError("InvalidParameterException", message)


def _times(params: Mapping[str, Any]) -> tuple[int, int]:
    start, end = params.get("startTime", 0), params.get("endTime", _END_OF_TIME)
    if start > end:
        raise AwsError("InvalidParameterException", "The startTime must not be after the endTime.")
    return start, end


def _following(events: list[LogEvent], after: str | None, *, forward: bool) -> Sequence[LogEvent]:
    """Return events in a direction, from the first one that follows the one with the pointer `after`."""
    if forward:
        return events[bisect_right(events, after, key=_pointer) :] if after else events
    return events[: bisect_left(events, after, key=_pointer) if after else None][::-1]


def _pointer(event: LogEvent) -> str:
    return event.pointer


def _page(events: Iterable[LogEvent], params: Mapping[str, Any]) -> list[LogEvent]:
    """Return as many events as a page holds."""
    page: list[LogEvent] = []
    size = 0
    for event in islice(events, params.get("limit", _MOST_EVENTS)):
        size += len(event.message.encode()) + _BYTES_BESIDE_MESSAGE
        if page and size > _LARGEST_PAGE:
            break
        page.append(event)
    return page
