"""CloudTrail's event history: the management events of each account and Region, and LookupEvents.

Sources: API model, cloudtrail; API reference, LookupEvents (90 days, newest first, one attribute).  Live: what real AWS was
seen to refuse in September 2026 (radkawar/stackd, testdata/aws/cloudtrail/lookup_inputs.json).
"""

import hashlib
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_KEPT = timedelta(days=90)
_PAGE = 50
_OF_PARAMETERS = {
    "userName": "AWS::IAM::User",
    "roleName": "AWS::IAM::Role",
    "groupName": "AWS::IAM::Group",
    "policyArn": "AWS::IAM::Policy",
    "accessKeyId": "AWS::IAM::AccessKey",
}
"""The resources that an event names by its parameters. Live, radkawar/stackd, testdata/aws/cloudtrail/iam_history.json, for
users and access keys."""

_OF_RECORD = {"EventId": "eventID", "EventName": "eventName", "EventSource": "eventSource"}
"""Attributes that are members of an event's record as they are."""


@dataclass(frozen=True)
class _Event:
    number: int
    time: datetime
    record: Mapping[str, Any]

    def attributes(self) -> dict[str, Any]:
        """Return the members of an Event of the API, with `Resources` as (type, name)."""
        identity, record = self.record["userIdentity"], self.record
        parameters = record["requestParameters"] or {}
        named = {
            "EventId": record["eventID"],
            "EventName": record["eventName"],
            "ReadOnly": str(record["readOnly"]).lower(),
            "EventSource": record["eventSource"],
            "Username": _user_name(identity),
            "AccessKeyId": identity.get("accessKeyId"),
        }
        resources = [(kind, parameters[name]) for name, kind in _OF_PARAMETERS.items() if isinstance(parameters.get(name), str)]
        return {name: value for name, value in named.items() if value} | {"Resources": resources}


def _user_name(identity: Mapping[str, Any]) -> str:
    """Return the name by which CloudTrail finds a caller: a user's name, a session's, or "root"."""
    if identity["type"] == "Root":
        return "root"
    return str(identity.get("userName") or identity["arn"].rpartition("/")[2])


class EventHistory:
    """The event history of every account and Region."""

    def __init__(self, clock: Clock) -> None:
        """Begin without events. Nobody can create a trail."""
        self._clock = clock
        self._numbers = count()
        self._events: dict[Scope, deque[_Event]] = defaultdict(deque)
        self.operations: Operations = {
            "LookupEvents": self.lookup_events,
            "DescribeTrails": lambda _, __: {"trailList": []},
            "ListTrails": lambda _, __: {"Trails": []},
        }

    def add(self, scope: Scope, record: Mapping[str, Any]) -> None:
        """Keep an event, as CloudTrail writes it, for 90 days."""
        now, events = self._clock.now().replace(microsecond=0), self._events[scope]
        events.append(_Event(next(self._numbers), now, record))
        while events[0].time < now - _KEPT:
            events.popleft()

    def lookup_events(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return events, newest first, page by page. What happens in between moves no page. Raises AwsError."""
        if "EventCategory" in params:
            message = "The local AWS has no Insights events."
            raise AwsError("InvalidEventCategoryException", message)
        start, end = self._period(params)
        wanted = _wanted(params.get("LookupAttributes", []))
        query = {name: value for name, value in params.items() if name not in {"NextToken", "MaxResults"}}
        mark = hashlib.sha256(json.dumps([query, *callers.scope(account_id)], default=str).encode()).hexdigest()
        before = _number(params.get("NextToken"), mark)
        found = [
            event
            for event in reversed(self._events.get(callers.scope(account_id), ()))
            if (before is None or event.number < before) and start <= event.time <= end and wanted(event)
        ]
        page = found[: params.get("MaxResults", _PAGE)]
        token = {"NextToken": f"{page[-1].number}.{mark}"} if len(found) > len(page) else {}
        return {"Events": [_shown(event) for event in page], **token}

    def _period(self, params: Mapping[str, Any]) -> tuple[datetime, datetime]:
        now = self._clock.now()
        start, end = params.get("StartTime", now - _KEPT), params.get("EndTime", now)
        if start > now or start > end:
            message = "The time range is invalid: StartTime is after EndTime, or in the future."
            raise AwsError("InvalidTimeRangeException", message)
        return max(start, now - _KEPT), end


def _wanted(attributes: list[dict[str, str]]) -> Callable[[_Event], bool]:
    """Return a function that tells whether an event has an attribute. Raises AwsError for more than one."""
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "You can specify only one attribute.")
    if not attributes:
        return lambda _: True
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if key == "ReadOnly" and value not in {"true", "false"}:
        raise AwsError("InvalidLookupAttributesException", f"ReadOnly is true or false, not {value}.")
    if key in _OF_RECORD:
        member = _OF_RECORD[key]
        return lambda event: event.record[member] == value
    place = {"ResourceType": 0, "ResourceName": 1}.get(key)
    if place is None:
        return lambda event: event.attributes().get(key) == value
    return lambda event: any(resource[place] == value for resource in event.attributes()["Resources"])


def _number(token: str | None, mark: str) -> int | None:
    """Return the number of the event before which a page begins. A token is good for its own query only."""
    if token is None:
        return None
    found = re.fullmatch(rf"(\d+)\.{mark}", token, re.ASCII)
    if found is None:
        raise AwsError("InvalidNextTokenException", "The token is not valid, or was given for other parameters.")
    return int(found[1])


def _shown(event: _Event) -> dict[str, Any]:
    attributes = event.attributes()
    resources = [{"ResourceType": kind, "ResourceName": name} for kind, name in attributes.pop("Resources")]
    text = json.dumps(event.record)
    return {**attributes, "EventTime": event.time, "Resources": resources, "CloudTrailEvent": text}
