"""Forks execution environments from a process of the runtime's interpreter that has loaded boto3, which the runtime brings.

Most of a cold start is that import. The function's own code starts cold in each fork. `Forks` and `Shared` start this file with
the runtime's interpreter, in which it imports nothing of the local AWS. Orders and answers are JSON:

    {"start": ARGUMENTS, "directory": PATH, "environment": VARIABLES}   with a descriptor for the output
        the process id, or null if the directory has a module by the name of one that is loaded
    {"ended": PROCESS ID, "wait": BOOLEAN}
        the return code as subprocess has it, or null if it has not ended
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

_LENGTH = 8
_WARM = ("config", "iam", "organizations", "sts")
"""The services whose API models are loaded too."""
_AT_THE_START = ("PYTHON", "LANG", "LC_", "LD_", "AWS_DATA_PATH")
"""The beginnings of variables that a process reads before its function's code runs."""
_COERCED = ("LC_CTYPE",)
"""What Python itself sets when it starts, if the locale is missing: PEP 538."""


class Fork:
    """A process that `Forks` started, in the shape of subprocess.Popen."""

    def __init__(self, forks: "Forks", pid: int) -> None:
        self._forks = forks
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the return code, None if it still runs."""
        return self._ask(wait=False)

    def wait(self) -> int:
        """Wait for its end, and return the return code."""
        return self._ask(wait=True) or 0

    def _ask(self, *, wait: bool) -> int | None:
        if self.returncode is None:
            self.returncode = self._forks.ended(self.pid, wait=wait)
        return self.returncode


class Forks:
    """The process that forks, with an interpreter that has boto3. It starts when it is needed first."""

    shared: ClassVar["Shared | None"] = None
    """Where processes that fork come from, if they do not each start an interpreter."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._lock = threading.Lock()
        self._orders: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(
        self, arguments: Sequence[str], directory: Path, variables: Mapping[str, str], own: Mapping[str, str], output: int
    ) -> Fork | None:
        """Start a Python file with arguments in a session of its own; the descriptor `output` gets what it writes.

        `own` are those of its environment `variables` that the function has set. None: it has to start by itself, since it
        would find other modules or settings than in a process of its own.
        """
        if any(name.startswith(_AT_THE_START) for name in own):
            return None
        order = {"start": list(arguments), "directory": str(directory), "environment": dict(variables)}
        try:
            pid = self._order(order, [output])
        except ConnectionError:  # the process that forks is gone
            return None
        return Fork(self, pid) if pid else None

    def ended(self, pid: int, *, wait: bool) -> int | None:
        """Return the return code of a process, None if it has not ended."""
        try:
            return self._order({"ended": pid, "wait": wait}, [])
        except ConnectionError:
            return -signal.SIGKILL  # the process that forks is gone, and nobody else learns how it ended

    def close(self) -> None:
        """End the process. Its forks must have ended."""
        with self._lock:
            self._closed = True
            if self._orders is not None:
                self._orders.close()
                self._orders = None
            if self._process is not None:
                self._process.wait()
                self._process = None

    def _order(self, order: Mapping[str, object], files: Sequence[int]) -> int | None:
        body = json.dumps(order).encode()
        with self._lock:
            if self._closed:
                raise _gone()
            if self._orders is None:
                self._orders = self.shared.connect() if self.shared else self._begin()
            socket.send_fds(self._orders, [len(body).to_bytes(_LENGTH, "big")], files)
            self._orders.sendall(body)
            answer: int | None = json.loads(_received(self._orders, int.from_bytes(_received(self._orders, _LENGTH), "big")))
        return answer

    def _begin(self) -> socket.socket:
        orders, theirs = socket.socketpair()
        with theirs:
            self._process = _start_interpreter(self._python, theirs)
        return orders


class Shared:
    """A process that has loaded boto3 and forks the processes of many `Forks`. It ends after this process and its forks."""

    def __init__(self, python: Path) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="local-aws-")
        self._address = str(Path(self._directory.name, "forks"))
        self._held, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._address)
            listening.listen()
            _start_interpreter(python, theirs, listening)

    def connect(self) -> socket.socket:
        """Connect to one's own process."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        return connection

    def close(self) -> None:
        """Let nobody connect any longer. The process ends when no fork of this one holds it."""
        self._held.close()
        self._directory.cleanup()


def _start_interpreter(python: Path, *sockets: socket.socket) -> "subprocess.Popen[bytes]":
    descriptors = [each.fileno() for each in sockets]
    return subprocess.Popen(  # noqa: S603 - our own file, and the interpreter that we were given
        [python, "-P", __file__, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={"LANG": "en_US.UTF-8", "TZ": ":UTC", "HOME": "/nonexistent"},
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for the server, which ends this process
    )


def _received(connection: socket.socket, length: int) -> bytes:
    """Return so many bytes. Raises ConnectionError if they do not come."""
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise _gone()
        received += part
    return received


def _gone() -> ConnectionError:
    return ConnectionError("The process that forks has ended.")


# In the process that forks


def _fork_for_each(connections: socket.socket, until: socket.socket) -> None:
    """Let a fork follow the orders of each connection, until nobody holds the other end of `until`."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for these forks
    while until not in select.select([connections, until], [], [])[0]:
        connection, _ = connections.accept()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connections.close()
            until.close()
            _serve(connection)
            os._exit(0)
        connection.close()


def _serve(connection: socket.socket) -> None:
    """Follow orders until they end."""
    while True:
        length, files, _, _ = socket.recv_fds(connection, _LENGTH, 1)
        if not length:
            return
        order = json.loads(_received(connection, int.from_bytes(length, "big")))
        answer = _start(connection, order, files[0]) if "start" in order else _ended(order["ended"], wait=order["wait"])
        body = json.dumps(answer).encode()
        connection.sendall(len(body).to_bytes(_LENGTH, "big") + body)


def _ended(pid: int, *, wait: bool) -> int | None:
    ended, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _start(connection: socket.socket, order: dict[str, Any], output: int) -> int | None:
    loaded = {name.partition(".")[0] for name in sys.modules}
    if loaded & {name.partition(".")[0] for name in os.listdir(order["directory"])}:  # noqa: PTH208 - only the names
        os.close(output)
        return None
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        connection.close()
        os.close(reading)
        os.setsid()
        os.close(writing)
        _run(order, output)
    for descriptor in (output, writing):
        os.close(descriptor)
    os.read(reading, 1)  # until it has its session, which may be killed as a whole
    os.close(reading)
    return pid


# In a fork


def _run(order: dict[str, Any], output: int) -> None:
    """Become a process that was started with the order's arguments, and end as one."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, file in enumerate((null, output, output)):
            os.dup2(file, descriptor)
        os.close(null)
        os.close(output)
        os.chdir(order["directory"])
        coerced = {name: os.environ[name] for name in _COERCED if name in os.environ}
        os.environ.clear()
        os.environ.update(order["environment"] | coerced)
        time.tzset()
        sys.dont_write_bytecode = True
        sys.path.insert(0, order["directory"])
        sys.argv = order["start"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does: it waits for threads
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _warm_up() -> None:
    """Load what functions need of boto3, and let all sessions share it. Not awslambdaric, which then reads its environment."""
    import boto3  # noqa: PLC0415 - only here, in the runtime's interpreter
    import botocore.loaders  # noqa: PLC0415 - as above
    import botocore.session  # noqa: PLC0415 - as above

    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = lambda *_: loader
    session: Any = boto3.Session(aws_access_key_id="-", aws_secret_access_key="-", region_name="us-east-1")  # noqa: S106 - none
    for service in _WARM:
        session.client(service)


if __name__ == "__main__":
    _warm_up()
    gc.freeze()  # so that what is loaded stays shared
    first, *others = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:])
    if others:
        _fork_for_each(others[0], until=first)
    else:
        _serve(first)
