"""EventBridge: the events that AWS services put on the default event bus of an account.

MiniStack keeps buses and rules, and matches events.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from local_aws.core import ministack_seams
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

    def install(self) -> None:
        """Let MiniStack take the time of events from the clock, and find an account's rules without a search."""
        ministack_seams.replace(_EVENTBRIDGE, "_rules", _rules_by_scope(type(self._eventbridge._rules)))
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
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "EventBusName": "default",
            "Time": int(self._clock.now().timestamp()),
            "Resources": list(resources),
            "Account": account_id,
            "Region": region,
        }
        with suppress(RuntimeError):  # closed, since the local AWS ends
            self._clock.submit(self._matching, f"event {detail_type}", partial(self._dispatch, account_id, region, event))

    def _dispatch(self, account_id: str, region: str, event: dict[str, Any]) -> None:
        try:
            with self._responses.request_scope(account_id, region):
                self._eventbridge._dispatch_event(event)
        except Exception:  # noqa: BLE001 - a thread's last resort: the event is lost, and the log says so
            _log.exception("The event %s of account %s was lost", event["DetailType"], account_id)


def _rules_by_scope(base: Any) -> object:  # noqa: ANN401 - MiniStack's type of a dictionary for each account and Region
    """Make MiniStack's dictionary of rules find them by account: it searches those of all accounts."""

    class RulesByScope(base):  # type: ignore[misc]  # the base is not known here
        def __init__(self) -> None:
            super().__init__()
            self._keys: dict[tuple[str, str], dict[str, None]] = {}

        def __setitem__(self, key: str, rule: object) -> None:
            super().__setitem__(key, rule)
            self._keys.setdefault(self._prefix(), {})[key] = None

        def pop(self, key: str, *default: object) -> Any:  # noqa: ANN401 - a rule, or the default
            self._keys.get(self._prefix(), {}).pop(key, None)
            return super().pop(key, *default)

        def items(self) -> list[tuple[str, Any]]:
            return [(key, self[key]) for key in list(self._keys.get(self._prefix(), {}))]

    return RulesByScope()
