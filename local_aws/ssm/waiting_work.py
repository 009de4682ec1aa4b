"""Work that mostly waits, so that few threads do it: generators that yield the time until which they wait."""

import logging
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import RLock

from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock

_THREADS = 8
_log = logging.getLogger(__name__)

Waiting = Generator[datetime | None, None, None]
"""Work that yields the time until which it waits, or None to wait until woken. It may wake early, and has to check."""


class Work:
    """Does pieces of work, each with a key, an account and a Region. `clock` tells the time."""

    def __init__(self, clock: Clock) -> None:
        """Start without work."""
        self._clock = clock
        self._pool = ThreadPoolExecutor(_THREADS, "automation")
        self._work: dict[str, tuple[Scope, Waiting]] = {}
        self._waits: set[str] = set()
        self._woken: set[str] = set()
        """The keys of work that someone woke while it did not wait."""
        self._lock = RLock()

    def start(self, key: str, scope: Scope, work: Waiting) -> None:
        """Start a piece of work."""
        with self._lock:
            self._work[key] = (scope, work)
            self._submit(key)

    def wake(self, key: str) -> None:
        """Continue work that waits. If it does not wait yet, its next wait ends at once."""
        with self._lock:
            if key in self._waits:
                self._waits.remove(key)
                self._submit(key)
            elif key in self._work:
                self._woken.add(key)

    def close(self) -> None:
        """Stop, after the steps that run at this moment."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, key: str) -> None:
        with suppress(RuntimeError):  # closed
            self._clock.submit(self._pool, f"execution {key}", partial(self._go_on, key))

    def _go_on(self, key: str) -> None:
        scope, work = self._work[key]
        try:
            with callers.acting_in(*scope):
                due = next(work)
        except StopIteration:
            self._forget(key)
        except Exception:  # noqa: BLE001 - a thread's last resort: the work is lost, and the log says so
            self._forget(key)
            _log.exception("The work %s was lost", key)
        else:
            self._wait(key, due)

    def _forget(self, key: str) -> None:
        with self._lock:
            del self._work[key]
            self._woken.discard(key)

    def _wait(self, key: str, due: datetime | None) -> None:
        with self._lock:
            if key in self._woken:
                self._woken.remove(key)
                self._submit(key)
                return
            self._waits.add(key)
        if due is not None:
            self._clock.at(due, partial(self.wake, key))
