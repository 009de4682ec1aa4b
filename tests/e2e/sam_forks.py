"""Runs the SAM CLI in forks of one process that has imported it: most of what `sam deploy` takes are imports and Python's YAML.

`Sam` puts a program in the place of the SAM CLI's. The program hands its arguments, directory, environment and files to this
module's process, which forks. The fork runs the SAM CLI as it is installed, with two exceptions. libyaml reads YAML for it. And
its change sets have names of their own: the SAM CLI names them by the second, and two deployments can be that close here.
test_demo.py and test_invoke.py run the SAM CLI's own program.
"""

import functools
import importlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import botocore.loaders
import botocore.session
import yaml

from local_aws.client import PROJECT

_MODULES = ("cli.main", "commands.deploy.deploy_context", "commands.package.package_context", "commands.logs.command")
_SERVICES = ("cloudformation", "s3", "sts")
_LENGTH = 8
# The shell starts it, since the first line cannot name an interpreter in a folder with a space. To Python, the exec is a text.
_PROGRAM = """#!/bin/sh
'''exec' {python} -IS "$0" "$@"
' '''
import json, os, socket, sys
order = json.dumps({{"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}}).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [len(order).to_bytes({length}, "big")], [0, 1, 2])
    connection.sendall(order)
    sys.exit(int(connection.recv(16) or 1))
"""


class Sam:
    """The process that forks, and the `program` that asks it to, until the end of `with`."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._directory = tempfile.TemporaryDirectory(prefix="sam-")
        self.program = Path(self._directory.name, "sam")

    def __enter__(self) -> Self:
        """Start the process. It imports the SAM CLI when somebody runs the program for the first time."""
        address = str(self.program.with_name("socket"))
        self.program.write_text(
            _PROGRAM.format(python=shlex.quote(sys.executable), address=address, length=_LENGTH), encoding="utf-8"
        )
        self.program.chmod(0o700)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", __name__, str(listening.fileno())],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C goes to the tests, which then stop it
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End the process."""
        self._process.communicate()  # closes its standard input, and waits
        self._directory.cleanup()


def _serve(listening: socket.socket) -> None:
    """Fork for each connection until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    cli: Any = None
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        cli = cli or _sam_cli()
        if not os.fork():
            _run(cli, connection)
        connection.close()


def _sam_cli() -> Any:  # noqa: ANN401 - a command of click
    """Import the SAM CLI and the API models that it uses."""
    yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc,assignment]  # it reads the same, ten times as fast
    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = lambda *_: loader
    for service in _SERVICES:
        loader.load_service_model(service, "service-2")
    main, *_ = (importlib.import_module(f"samcli.{name}") for name in _MODULES)
    return main.cli


def _run(cli: Any, connection: socket.socket) -> None:  # noqa: ANN401 - a command of click
    """Become the process of a command."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        length, files, _, _ = socket.recv_fds(connection, _LENGTH, 3)
        with connection.makefile("rb") as received:
            order = json.loads(received.read(int.from_bytes(length, "big")))
        for descriptor, file in enumerate(files):
            os.dup2(file, descriptor)
        os.chdir(order["directory"])
        os.environ.clear()
        os.environ.update(order["environment"])
        tempfile.tempdir = str(Path(connection.getsockname()).parent)  # the SAM CLI leaves folders behind; this one goes
        sys.argv = ["sam", *order["arguments"]]
        deployer = importlib.import_module("samcli.lib.deploy.deployer").Deployer
        prefix = f"samcli-deploy{os.getpid()}-"
        deployer.__init__ = functools.partialmethod(deployer.__init__, changeset_prefix=prefix)
        cli()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
