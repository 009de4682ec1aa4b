"""The one clock of the local AWS: the machine's time, until somebody moves it forward. So a day need not last a day.

Every service asks this clock for the time. It registers here what it does at an instant (`at`) and which work it does now on
another thread (`submit`, `begin`).  So the clock knows when all work has ended or waits for an instant: see `advance`.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Lock, Thread

_PATIENCE = 60.0
"""Seconds of the machine. `settle` gives up if no work begins or ends for so long."""
_log = logging.getLogger(__name__)

Action = Callable[[], None]


class NotSettledError(RuntimeError):
    """Some work neither ended nor waited for the clock; the message names it."""


class Clock:
    """The time of all services, and the work that they do.

    `before_advance` has listeners. Just before the clock moves, they get how far it will be ahead of the machine's.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        """Begin at the present time; `settle` gives up if nothing begins or ends for `patience` seconds."""
        self.before_advance: list[Callable[[timedelta], None]] = []
        self._patience = patience
        self._ahead = timedelta()
        self._numbers = count()
        self._due: list[tuple[datetime, int, Action]] = []
        """A heap of instants and actions. The number keeps the order of actions with the same instant."""
        self._at_work: dict[int, str] = {}
        self._changes = 0
        self._starting = False
        self._stopped = False
        self._changed = Condition()
        self._advancing = Lock()
        Thread(target=self._do_what_is_due, name="clock", daemon=True).start()

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC) + self._ahead  # noqa: TID251 - the one place that looks at the machine's time

    def at(self, due: datetime, action: Action) -> None:
        """Call `action` at an instant, on the clock's thread. It must be quick, and pass longer work to `submit`."""
        with self._changed:
            heappush(self._due, (due, next(self._numbers), action))
            self._changed.notify_all()

    # Work

    def begin(self, what: str) -> Action:
        """Note that work has begun. Call the returned function when it ends, or begins to wait for an instant."""
        with self._changed:
            number = next(self._numbers)
            self._at_work[number] = what
            self._note_change()

        def end() -> None:
            with self._changed:
                if self._at_work.pop(number, None) is not None:
                    self._note_change()

        return end

    def submit(self, pool: Executor, what: str, action: Action) -> None:
        """Let `pool` call `action`, which counts as work from now until it returns.  RuntimeError: the pool is shut down."""
        end = self.begin(what)
        try:
            pool.submit(action).add_done_callback(lambda _: end())
        except RuntimeError:
            end()
            raise

    def settle(self) -> None:
        """Wait until all work has ended or waits for an instant.  Raises NotSettledError."""
        with self._changed:
            while not self._stopped and (self._at_work or self._has_to_start()):
                if not self._changed.wait_for(partial(self._has_changed, self._changes), self._patience):
                    names = ", ".join(sorted(set(self._at_work.values()))) or "what is due"
                    message = f"Some work does not settle, and none began or ended for {self._patience:.0f} seconds: {names}"
                    raise NotSettledError(message)

    def advance(self, by: timedelta) -> None:
        """Wait until all work has settled, move the clock forward, and wait until everything that came due has started.

        So running work reaches its wait for an instant before the clock passes that instant.  NotSettledError: the clock has
        not moved.
        """
        with self._advancing:
            self.settle()
            for tell in self.before_advance:
                tell(self._ahead + by)
            with self._changed:
                self._ahead += by
                self._changed.notify_all()
                while not self._stopped and self._has_to_start():
                    self._changed.wait()

    def stop(self) -> None:
        """Start nothing more, and end all waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _has_changed(self, since: int) -> bool:
        return self._stopped or self._changes != since

    def _note_change(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def _has_to_start(self) -> bool:
        return self._starting or self._is_due()

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0][0] <= self.now()

    def _do_what_is_due(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and not self._is_due():
                    self._changed.wait((self._due[0][0] - self.now()).total_seconds() if self._due else None)
                if self._stopped:
                    return
                _, _, action = heappop(self._due)
                self._starting = True
            try:
                action()
            except Exception:  # noqa: BLE001 - a thread's last resort: the action is lost, and the log says so
                _log.exception("What was due was lost")
            with self._changed:
                self._starting = False
                self._note_change()


def iso_time(moment: datetime) -> str:
    """Write a UTC time as in AWS's events, with milliseconds: 2026-01-31T12:00:00.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
