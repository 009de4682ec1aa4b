"""EventBridge: the events that AWS services put on the default event bus of an account.

MiniStack keeps buses and rules, and matches events.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock

_EVENTBRIDGE = "ministack.services.eventbridge"
_log = logging.getLogger(__name__)


class EventBus:
    """The default event bus of every account and Region."""

    def __init__(self, clock: Clock) -> None:
        """Tell the time of events by `clock`."""
        self._clock = clock
        self._eventbridge = ministack_seams.module(_EVENTBRIDGE)
        self._responses = ministack_seams.module("ministack.core.responses")
        self._matching = ThreadPoolExecutor(1, "events")  # one thread, so that events are matched in the order of publication
        self.when_put: list[Callable[[Scope, str, dict[str, Any]], None]] = []
        """Called with the account and Region, MiniStack's key and the rule when a rule is created or replaced."""

    def install(self) -> None:
        """Let MiniStack take the time of events from the clock, and find an account's rules without a search."""
        ministack_seams.replace(_EVENTBRIDGE, "_rules", _rules_by_scope(type(self._eventbridge._rules), self._rule_was_put))
        ministack_seams.replace(_EVENTBRIDGE, "_now_ts", lambda: self._clock.now().timestamp())

    def close(self) -> None:
        """Match no more events. The clock has to be stopped already."""
        self._matching.shutdown(cancel_futures=True)

    def publish(  # noqa: PLR0913, PLR0917 - what an event has
        self,
        account_id: str,
        region: str,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str] = (),
    ) -> None:
        """Put an AWS service's event on the default bus of an account. Does not wait for its targets."""
        event = _event((account_id, region), source, detail_type, detail, resources, self._clock.now())
        self._submit(event, self._eventbridge._dispatch_event)

    def publish_schedule(self, scope: Scope, key: str, rule: dict[str, Any], due: datetime) -> None:
        """Send the event of a scheduled rule to the rule's targets, and to the rules whose pattern it matches."""
        event = _event(scope, "aws.events", "Scheduled Event", {}, [rule["Arn"]], due)
        self._submit(event, partial(self._dispatch_schedule, key, rule))

    def _dispatch_schedule(self, key: str, rule: dict[str, Any], event: dict[str, Any]) -> None:
        if not rule.get("EventPattern") or not self._eventbridge._matches_pattern(rule["EventPattern"], event):
            for target in self._eventbridge._targets.get(key, []):
                self._eventbridge._invoke_target(target, event, rule)
        self._eventbridge._dispatch_event(event)

    def rule(self, scope: Scope, key: str) -> dict[str, Any] | None:
        """Return the rule that MiniStack has under a key, or None."""
        with self._responses.request_scope(*scope):
            found: dict[str, Any] | None = self._eventbridge._rules.get(key)
            return found

    def _rule_was_put(self, scope: Scope, key: str, rule: dict[str, Any]) -> None:
        for listener in self.when_put:
            listener(scope, key, rule)

    def _submit(self, event: dict[str, Any], dispatch: Callable[[dict[str, Any]], None]) -> None:
        with suppress(RuntimeError):  # closed, since the local AWS ends
            self._clock.submit(self._matching, f"event {event['DetailType']}", partial(self._dispatch, event, dispatch))

    def _dispatch(self, event: dict[str, Any], dispatch: Callable[[dict[str, Any]], None]) -> None:
        try:
            with self._responses.request_scope(event["Account"], event["Region"]):
                dispatch(event)
        except Exception:  # noqa: BLE001 - a thread's last resort: the event is lost, and the log says so
            _log.exception("The event %s of account %s was lost", event["DetailType"], event["Account"])


def _event(  # noqa: PLR0913, PLR0917 - what an event has
    scope: Scope, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str], time: datetime
) -> dict[str, Any]:
    """Make an event of the default bus, in MiniStack's shape."""
    account_id, region = scope
    return {
        "EventId": str(uuid.uuid4()),
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "EventBusName": "default",
        "Time": int(time.timestamp()),
        "Resources": list(resources),
        "Account": account_id,
        "Region": region,
    }


def _rules_by_scope(base: Any, when_put: Callable[[Scope, str, dict[str, Any]], None]) -> object:  # noqa: ANN401 - MiniStack's type of a dictionary for each account and Region
    """Make MiniStack's dictionary of rules find them by account, and tell of each that is put: it searches all accounts."""

    class RulesByScope(base):  # type: ignore[misc]  # the base is not known here
        def __init__(self) -> None:
            super().__init__()
            self._keys: dict[tuple[str, str], dict[str, None]] = {}

        def __setitem__(self, key: str, rule: dict[str, Any]) -> None:
            super().__setitem__(key, rule)
            self._keys.setdefault(self._prefix(), {})[key] = None
            when_put(self._prefix(), key, rule)

        def pop(self, key: str, *default: object) -> Any:  # noqa: ANN401 - a rule, or the default
            self._keys.get(self._prefix(), {}).pop(key, None)
            return super().pop(key, *default)

        def items(self) -> list[tuple[str, Any]]:
            return [(key, self[key]) for key in list(self._keys.get(self._prefix(), {}))]

    return RulesByScope()
