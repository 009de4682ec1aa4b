"""Runs the scripts of aws:executeScript, each in a process that is forked from this one, which has boto3 loaded. POSIX only.

script_processes.py starts it with the runtime's interpreter. It imports nothing else of this package. An order is a line of
JSON on standard input, a report one on standard output:

    {"run": ID, "script": TEXT, "handler": NAME, "payload": OBJECT, "environment": VARIABLES, "seconds": TIME-OUT,
     "without": OPERATIONS}               operations by service that boto3 lacks
    {"wake": ID}                     the time that a script wanted to sleep has passed
    {"kill": ID}
    {"id": ID, "sleep": SECONDS}     a script sleeps, for less than it wanted if its time ends before
    {"id": ID, "end": {"payload": OBJECT} | {"error": TEXT} | {"timed_out": true}, "log": TEXT}

A time-out counts the time that a script ran and the time that it wanted to sleep. When standard input ends, all ends.
"""

import contextlib
import functools
import gc
import importlib.abc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import deque
from types import CodeType, ModuleType
from typing import IO, Any, SupportsIndex

import boto3
import botocore.loaders
import botocore.session

_AT_THE_SAME_TIME = 4
"""The most scripts that run at a time. Those that sleep do not count."""
_WARM = ("config", "iam", "organizations", "sns", "ssm", "sts")
"""The services whose models are loaded before a script asks for them."""
_PACKAGES = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
_LONGEST_LOG = 20_000
"""Characters."""
_BYTES = 65536


class _Script:
    """A script that waits, runs or sleeps."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.id = order["run"]
        self.left: float = order["seconds"]
        self.since: float | None = None
        """When it began to run, or None while it does not run."""
        self.pid = 0
        self.channel: socket.socket | None = None
        self.said = bytearray()
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the script
        self.sleeps = 0.0


class _Runner:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._scripts: dict[str, _Script] = {}
        self._waiting: deque[_Script] = deque()
        self._orders = bytearray()

    def serve(self) -> None:
        """Follow orders until they end."""
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.data is not None:
                    self._listen(key.data)
                elif not self._take_orders():
                    for script in list(self._scripts.values()):
                        self._end(script)
                    return
            now = time.monotonic()
            for script in [script for script in self._scripts.values() if script.since is not None]:
                if now - (script.since or now) >= script.left:
                    self._report(script, {"timed_out": True})
            self._start()

    def _patience(self) -> float | None:
        now = time.monotonic()
        return min((max(0, script.since + script.left - now) for script in self._running), default=None)

    @property
    def _running(self) -> list[Any]:
        return [script for script in self._scripts.values() if script.since is not None]

    def _take_orders(self) -> bool:
        received = os.read(sys.stdin.fileno(), _BYTES)
        self._orders += received
        *lines, rest = self._orders.split(b"\n")
        self._orders = bytearray(rest)
        for line in lines:
            order = json.loads(line)
            if "run" in order:
                self._scripts[order["run"]] = _Script(order)
                self._waiting.append(self._scripts[order["run"]])
            elif script := self._scripts.get(order.get("wake") or order["kill"]):
                if "wake" in order:
                    self._waiting.append(script)
                else:
                    self._report(script, {"error": "The script was ended."})
        return bool(received)

    def _start(self) -> None:
        """Start as many scripts as may run."""
        while self._waiting and len(self._running) < _AT_THE_SAME_TIME:
            script = self._waiting.popleft()
            if script.id not in self._scripts:
                continue
            if script.channel is None:
                self._fork(script)
            elif (left := script.left - script.sleeps) <= 0:
                self._report(script, {"timed_out": True})
                continue
            else:
                script.left = left
                with contextlib.suppress(OSError):  # it has ended, and its channel tells
                    script.channel.sendall(b"\n")
            script.since = time.monotonic()

    def _fork(self, script: _Script) -> None:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")  # it then compiles in its own process, whose log shows it
            _compiled(script.order["script"])
        ours, theirs = socket.socketpair()
        script.pid = os.fork()
        if script.pid == 0:
            ours.close()
            for other in self._scripts.values():
                if other.channel is not None:
                    other.channel.close()  # or its script would not notice the end of this runner
            _run(script, theirs)
        theirs.close()
        script.channel = ours
        self._selector.register(ours, selectors.EVENT_READ, script)

    def _listen(self, script: _Script) -> None:
        """Read a script's reports: for how long it sleeps, or its end."""
        assert script.channel is not None  # noqa: S101 - it is one that was selected
        received = b""
        with contextlib.suppress(OSError):
            received = script.channel.recv(_BYTES)
        script.said += received
        if not received:
            self._report(script, {"error": "The script ended its process."})
        elif script.said.endswith(b"\n"):
            said = json.loads(script.said)
            script.said.clear()
            if "sleep" in said:
                script.left -= time.monotonic() - (script.since or 0)
                script.since = None
                script.sleeps = said["sleep"]
                _tell({"id": script.id, "sleep": min(script.sleeps, max(script.left, 0))})
            else:
                self._report(script, said["end"])

    def _report(self, script: _Script, end: dict[str, Any]) -> None:
        self._end(script)
        script.log.seek(0)
        log = script.log.read().decode(errors="replace")
        script.log.close()
        _tell({"id": script.id, "end": end, "log": log[-_LONGEST_LOG:]})

    def _end(self, script: _Script) -> None:
        """End a script's process and all processes that it started."""
        del self._scripts[script.id]
        if script.channel is not None:
            self._selector.unregister(script.channel)
            script.channel.close()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(script.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(script.pid, signal.SIGKILL)  # it may have no group of its own yet
            os.waitpid(script.pid, 0)


def _tell(report: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


# In the process of a script


def _run(script: _Script, channel: socket.socket) -> None:
    """Run a script and end the process."""
    end: dict[str, Any] = {"error": "The script ended its process."}
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, of in ((0, null), (1, script.log.fileno()), (2, script.log.fileno())):
            os.dup2(of, descriptor)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper: in order with what is on stderr
        os.environ.clear()
        os.environ.update(script.order["environment"])
        sys.meta_path.insert(0, _OnlyPackages())
        _let_sleep(channel)
        _let_boto3_lack(script.order["without"])
        end = _call(script.order)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps({"end": end}).encode() + b"\n")
        os._exit(0)


def _call(order: dict[str, Any]) -> dict[str, Any]:
    module = ModuleType("script")
    try:
        exec(_compiled(order["script"]), module.__dict__)  # noqa: S102 - what this is for
        handler = module.__dict__.get(order["handler"])
        if not callable(handler):
            return {"error": f"The script has no function {order['handler']}."}
        # AWS does not document the context.
        returned = handler(order["payload"], {})
        if not isinstance(returned, dict):
            return {"error": f"The script returned no mapping, but {type(returned).__name__}: {returned!r}"}
        return {"payload": json.loads(json.dumps(returned, allow_nan=False))}
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what the step fails with
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return {"error": f"{type(error).__name__}: {error}"}


@functools.lru_cache(maxsize=16)
def _compiled(text: str) -> CodeType:
    """Compile a script. A runbook runs the same few scripts in every step, execution and account."""
    return compile(text, "script.py", "exec", dont_inherit=True)


class _OnlyPackages(importlib.abc.MetaPathFinder):
    """Keeps a script from packages that are installed here but not on AWS."""

    def find_spec(self, fullname: str, *_: Any) -> None:  # noqa: ANN401 - a finder's
        package = fullname.partition(".")[0]
        if package not in _PACKAGES and package not in sys.stdlib_module_names:
            message = f"No module named {fullname!r}"
            raise ModuleNotFoundError(message, name=fullname)


def _let_sleep(channel: socket.socket) -> None:
    """Let time.sleep and time.monotonic follow the clock of the local AWS. The date stays the machine's."""
    monotonic, sleep_really, slept = time.monotonic, time.sleep, 0.0

    def sleep(seconds: float | SupportsIndex, /) -> None:
        nonlocal slept
        length, before = float(seconds), monotonic()
        if not length > 0 or threading.current_thread() is not threading.main_thread():
            sleep_really(length)  # the channel cannot tell which of two threads is to wake
            return
        channel.sendall(json.dumps({"sleep": length}).encode() + b"\n")
        if not channel.recv(1):
            os._exit(1)
        slept += length - (monotonic() - before)

    time.sleep = sleep
    time.monotonic = lambda: monotonic() + slept


def _let_boto3_lack(operations: dict[str, list[str]]) -> None:
    """Take operations of services from boto3."""
    loader: Any = botocore.session.create_loader()
    load = loader.load_service_model

    def load_less(service: str, *more: Any, **settings: Any) -> Any:  # noqa: ANN401 - botocore's
        model = load(service, *more, **settings)
        if service not in operations or "operations" not in model:
            return model
        kept = {name: each for name, each in model["operations"].items() if name not in operations[service]}
        return {**model, "operations": kept}

    loader.load_service_model = load_less


def _warm_up() -> None:
    """Load what scripts need of boto3, and let all sessions share it."""
    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = lambda *_: loader
    session: Any = boto3.Session(aws_access_key_id="-", aws_secret_access_key="-", region_name="us-east-1")  # noqa: S106 - none
    for service in _WARM:
        session.client(service)
        loader.load_service_model(service, "paginators-1")
    boto3.setup_default_session()  # what it reads of the environment, it reads when a script makes a client


if __name__ == "__main__":
    _warm_up()
    gc.freeze()  # so that what is loaded stays shared
    _Runner().serve()
