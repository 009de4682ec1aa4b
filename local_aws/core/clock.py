"""The clock of the local AWS: the machine's, which can be put forward so that what takes a day need not take one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition


class Clock:
    """The time of all services of the local AWS."""

    def __init__(self) -> None:
        """Begin at the present time."""
        self._ahead = timedelta()
        self._changed = Condition()
        self._stopped = False

    def now(self) -> datetime:
        """Tell the time: the machine's, and what the clock was put forward by."""
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        """Put the clock forward, and wake whoever waits."""
        with self._changed:
            self._ahead += by
            self._changed.notify_all()

    def wait_until(self, due: datetime, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until it is `due`; returns whether it is, and not the end of the local AWS, or `given_up` (see `wake`)."""
        with self._changed:
            while not (self._stopped or given_up()):
                left = (due - self.now()).total_seconds()
                if left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def wake(self) -> None:
        """Let whoever waits look anew whether to give up."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
