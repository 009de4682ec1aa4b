"""Processes that run the scripts of aws:executeScript, forked from one of the runtime's interpreter that has boto3 loaded.

Source: https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-executeScript.html
"""

import contextlib
import json
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

from local_aws.core.clock import Clock

_RUNNER = Path(__file__).with_name("script_runner.py")
_LONGEST_PAYLOAD = 100 * 1024
"""The most bytes of JSON that a script may return. AWS documents only "up to 100KB is returned"."""
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Script:
    """A script to run. `handler` gets `payload`, and `variables` add to its usual environment.

    boto3 lacks the operations of services in `without`.
    """

    text: str
    handler: str
    payload: Mapping[str, Any]
    variables: Mapping[str, str]
    timeout: timedelta
    without: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ScriptResult:
    """The result of a script: its payload or its error, or neither after a time-out. `log` is its output."""

    payload: Mapping[str, Any] | None
    error: str | None
    log: str

    @property
    def timed_out(self) -> bool:
        """Whether the script took too long."""
        return self.payload is None and self.error is None


WhenDone = Callable[[ScriptResult], None]


class Scripts:
    """Runs scripts with the interpreter `python` against `endpoint_url`. They sleep by `clock`."""

    def __init__(self, endpoint_url: str, python: Path, clock: Clock) -> None:
        """Start without a process. The first script starts it."""
        self._endpoint_url = endpoint_url
        self._python = python
        self._clock = clock
        self._running: dict[str, tuple[subprocess.Popen[bytes], WhenDone]] = {}
        self._awake: dict[str, Callable[[], None]] = {}
        """Tells the clock that a script sleeps or has ended, for those that do not sleep."""
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._ordering = Lock()

    def run(self, script: Script, when_done: WhenDone) -> Callable[[], None]:
        """Start a script, and return a function that ends it early. `when_done` is called on another thread.

        After `close` nobody calls it. Raises OSError if there is no such interpreter.
        """
        run_id = str(uuid.uuid4())
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": "/nonexistent",  # keep out the caller's own, with its .aws
            **script.variables,
            "AWS_ENDPOINT_URL": self._endpoint_url,
        }
        order = {
            "run": run_id,
            "script": script.text,
            "handler": script.handler,
            "payload": script.payload,
            "environment": variables,
            "seconds": script.timeout.total_seconds(),
            "without": script.without,
        }
        with self._ordering:
            if not self._closed:
                process = self._ready_process()
                self._running[run_id] = (process, when_done)
                self._awake[run_id] = self._clock.begin(f"script {run_id}")
                _tell(process, order)
        return lambda: self._order({"kill": run_id})

    def close(self) -> None:
        """End all scripts. The runner does so when its orders end."""
        with self._ordering:
            self._closed = True
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                _stream(self._process.stdin).close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _ready_process(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - our own file, and the interpreter that we were given
                [self._python, "-I", _RUNNER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"LANG": "C.UTF-8", "HOME": "/nonexistent"},
                start_new_session=True,  # Ctrl-C is for the server, which ends this process
            )
            Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _order(self, order: dict[str, Any]) -> None:
        with self._ordering:
            if not self._closed and self._process is not None:
                _tell(self._process, order)

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Read the reports on scripts until their process ends, which ends its scripts."""
        with _stream(process.stdout) as reports:
            for line in reports:
                report = json.loads(line)
                if "sleep" in report:
                    self._sleep(report["id"], report["sleep"])
                else:
                    self._done(report["id"], _result(report["end"], report["log"]))
        process.wait()
        with self._ordering:
            lost = [] if self._closed else [run_id for run_id, (by, _) in self._running.items() if by is process]
        for run_id in lost:
            self._done(run_id, ScriptResult(None, "The process that ran the script has ended.", ""))

    def _sleep(self, run_id: str, seconds: float) -> None:
        self._clock.at(self._clock.now() + timedelta(seconds=seconds), partial(self._wake, run_id))
        with self._ordering:
            sleeps = self._awake.pop(run_id)
        sleeps()

    def _wake(self, run_id: str) -> None:
        with self._ordering:
            if not self._closed and run_id in self._running:
                self._awake[run_id] = self._clock.begin(f"script {run_id}")
                _tell(self._running[run_id][0], {"wake": run_id})

    def _done(self, run_id: str, result: ScriptResult) -> None:
        with self._ordering:
            _, when_done = self._running.pop(run_id)
            ended = self._awake.pop(run_id, None)
        when_done(result)
        if ended is not None:
            ended()


def _tell(process: "subprocess.Popen[bytes]", order: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the process has ended, and _listen will notice
        _stream(process.stdin).write(json.dumps(order).encode() + b"\n")
        _stream(process.stdin).flush()


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - a pipe was asked for
    return pipe


def _result(end: Mapping[str, Any], log: str) -> ScriptResult:
    payload = end.get("payload")
    size = len(json.dumps(payload).encode())
    if payload is not None and size > _LONGEST_PAYLOAD:
        return ScriptResult(None, f"The script returned {size} bytes of JSON: {_LONGEST_PAYLOAD} are the most.", log)
    return ScriptResult(payload, end.get("error"), log)
