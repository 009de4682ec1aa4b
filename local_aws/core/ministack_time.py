"""Make MiniStack use the clock: in its modules, `time` and `datetime` are the objects of this module.

MiniStack takes the time in two hundred places, so replacing single functions would miss some. Durations that it measures, and
its pauses, stay the machine's.
"""

import datetime as dt
import sys
import time
from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock

_BY_THE_MACHINE = {
    "ministack.app",  # measures requests
    "ministack.core.lambda_runtime",  # runs processes
    "ministack.core.sigv4",  # clients sign by the machine's time
}
_APP = "ministack.app"


def install(clock: Clock) -> None:
    """Change every module of MiniStack that is loaded, and each that it loads later."""
    of_clock: dict[int, object] = {
        id(time): _time(clock),
        id(dt): _datetime_module(clock),
        id(datetime): _datetime(clock),
    }

    def change(module: ModuleType) -> None:
        for name, value in list(vars(module).items()):
            if id(value) in of_clock:
                setattr(module, name, of_clock[id(value)])

    load = ministack_seams.module(_APP)._get_module

    def load_and_change(name: str) -> Any:  # noqa: ANN401 - a module, or MiniStack's stand-in for one that fails
        module = load(name)
        if isinstance(module, ModuleType):
            change(module)
        return module

    ministack_seams.replace(_APP, "_get_module", load_and_change)
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack.") and name not in _BY_THE_MACHINE:
            change(module)


def _time(clock: Clock) -> Any:  # noqa: ANN401 - a module
    """Return a module like `time` for a clock."""

    def now() -> float:
        return clock.now().timestamp()

    gmtime, localtime, strftime = time.gmtime, time.localtime, time.strftime  # noqa: TID251 - they get the clock's time
    module = _copy(time)
    module.time = now
    module.time_ns = lambda: int(now() * 1e9)
    module.gmtime = lambda seconds=None: gmtime(now() if seconds is None else seconds)
    module.localtime = lambda seconds=None: localtime(now() if seconds is None else seconds)
    module.strftime = lambda form, moment=None: strftime(form, moment or localtime(now()))
    return module


def _datetime_module(clock: Clock) -> Any:  # noqa: ANN401 - a module
    module = _copy(dt)
    module.datetime = _datetime(clock)
    return module


def _copy(module: ModuleType) -> Any:  # noqa: ANN401 - a module
    copied = ModuleType(module.__name__)
    vars(copied).update(vars(module))
    return copied


def _datetime(clock: Clock) -> type[datetime]:
    """Return a class like `datetime` for a clock. Every datetime is an instance of it."""

    class _OfAll(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class ClockDatetime(datetime, metaclass=_OfAll):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:  # noqa: ANN401 - a datetime, which mypy takes for another class
            moment = clock.now()
            return moment.astimezone(tz) if tz else moment.astimezone().replace(tzinfo=None)

        @classmethod
        def utcnow(cls) -> Any:  # noqa: ANN401 - a datetime, which mypy takes for another class
            return clock.now().replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:  # noqa: ANN401 - a datetime, which mypy takes for another class
            return cls.now()

    return ClockDatetime
