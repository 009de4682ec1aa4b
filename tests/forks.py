"""Starts the local AWSs of the tests as forks of one process, since most of what a start costs is imports."""

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local_aws.client import PROJECT, PYTHON

_LENGTH = 8


@dataclass
class Fork:
    """A process that is no child of this one. It says nothing of its exit code."""

    pid: int
    stdin: IO[bytes] | None = None

    def poll(self) -> int | None:
        """Return 0 once it has ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + (timeout or float("inf"))
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("local_aws", timeout or 0)
            time.sleep(0.01)
        return 0

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Forks:
    """The process that forks, started when the first local AWS is. See local_aws/forks.py."""

    def __init__(self) -> None:
        """Start nothing yet, and keep the environment: that of the test which starts the first one is its own."""
        self._environment = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    def start(self, arguments: list[str], listening: socket.socket, log: Path | None) -> Fork:
        """Start a local AWS, like `start_process` of local_aws/client.py."""
        orders = self._orders = self._orders or self._begin()
        order = {"arguments": arguments, "environment": dict(os.environ), "log": str(log) if log else None}
        text = json.dumps(order).encode()
        socket.send_fds(orders, [len(text).to_bytes(_LENGTH, "big")], [listening.fileno()])
        orders.sendall(text)
        return Fork(int.from_bytes(orders.recv(_LENGTH, socket.MSG_WAITALL), "big"))

    def _begin(self) -> socket.socket:
        orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [PYTHON, "-m", "local_aws.forks"],
                cwd=PROJECT,
                env=self._environment,
                stdin=theirs.fileno(),
                start_new_session=True,  # Ctrl-C goes to the tests, which then stop it
            )
        return orders

    def close(self) -> None:
        """End the process, and so every fork that still runs."""
        if self._orders is not None:
            self._orders.close()
        if self._process is not None:
            self._process.wait()
