"""EventBridge's scheduled rules: fire each one when its time has come, by the clock.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html.  Live: the event of a
scheduled rule in September 2026 (radkawar/stackd, testdata/aws/eventbridge/scheduled_delivery.json), which goes to the
targets of the rule and to the rules whose pattern it matches.  No page says what a PutRule for an existing rule does to a
rate: here it starts over.
"""

from datetime import datetime
from functools import partial
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.events import schedule_expressions
from local_aws.events.event_bus import EventBus

_EVENTBRIDGE = "ministack.services.eventbridge"


class Schedules:
    """The scheduled rules of every account and Region."""

    def __init__(self, events: EventBus, clock: Clock) -> None:
        """Follow the rules of `events`."""
        self._events = events
        self._clock = clock

    def install(self) -> None:
        """Fire scheduled rules instead of MiniStack, which uses the machine's time."""
        ministack_seams.replace(_EVENTBRIDGE, "_tick_scheduled_rules", lambda: None)
        self._events.when_put.append(self._follow)

    def _follow(self, scope: Scope, key: str, rule: dict[str, Any]) -> None:
        if rule.get("ScheduleExpression"):
            self._wait(scope, key, rule, self._clock.now())

    def _wait(self, scope: Scope, key: str, rule: dict[str, Any], since: datetime) -> None:
        due = schedule_expressions.next_time(rule["ScheduleExpression"], since, self._clock.now())
        if due is not None:
            self._clock.at(due, partial(self._fire, scope, key, rule, due))

    def _fire(self, scope: Scope, key: str, rule: dict[str, Any], due: datetime) -> None:
        """Fire the rule unless it was replaced, deleted or disabled. If the clock passed several times, it fires once."""
        if self._events.rule(scope, key) is not rule:
            return
        if rule["State"] == "ENABLED":
            self._events.publish_schedule(scope, key, rule, due)
        self._wait(scope, key, rule, due)
