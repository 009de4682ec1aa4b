"""Starts local AWSs as forks of one process that has imported everything.

Imports are most of what a start costs, and tests start a hundred. A fork is a process of its own in all that matters to
them: its environment, its output, its signals, and how it ends. It needs a system that has fork.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile

from local_aws import __main__
from local_aws.aws_lambda.runtime_forks import Forks, Shared
from local_aws.core import coverage, ministack_seams
from local_aws.core.operations import ApiOperations
from local_aws.server import application

_PORTS = {
    "ministack.services.cloudformation.custom_resource": "_PORT",
    "ministack.services.lambda_svc": "_GATEWAY_PORT",
    "ministack.services.sns": "_PORT",
}
"""Where MiniStack keeps its port from the time of the import."""

_LENGTH = 8

_READ_MODELS = {
    "ministack.core.iam_actions": "_tag_operations",
    "ministack.core.responses": "_service_model",
}
"""What reads a service's API model and keeps it, when MiniStack gets the first request for the service."""

_IMPORTED_LATE = ("local_aws.server.connections", "samtranslator.translator.transform")
"""What a local AWS imports when it serves, and MiniStack when it deploys the first template of SAM."""


def main() -> int:
    """Start what standard input, a Unix socket, orders until it ends, and answer with the id of each process.

    An order is the length of a JSON text in eight bytes, with the socket to serve on, and the text: `arguments` of the command
    line, `environment`, and `log`, a path or null. An id has eight bytes, too.
    """
    application.configure_ministack(0)
    ministack_seams.check()
    Forks.shared = Shared(__main__.RUNTIME_PYTHON)
    lists = coverage.read()
    ApiOperations(lists)  # reads API models, which all forks then have
    for module, name in _READ_MODELS.items():
        for service in lists:
            getattr(ministack_seams.module(module), name)(service)
    for late in _IMPORTED_LATE:
        importlib.import_module(late)
    gc.freeze()  # so that what is loaded stays shared, and no fork's garbage collector passes over it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    ends_with_this_process, held = os.pipe()
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as orders:
        while (received := socket.recv_fds(orders, _LENGTH, 1))[0]:
            length, [listening], *_ = received
            with orders.makefile("rb") as text:
                order = json.loads(text.read(int.from_bytes(length, "big")))
            process_id = os.fork()
            if not process_id:
                os.close(held)
                orders.close()
                os.dup2(ends_with_this_process, sys.stdin.fileno())
                os._exit(_run(listening, order["arguments"], order["environment"], order["log"]))
            os.close(listening)
            orders.sendall(process_id.to_bytes(_LENGTH, "big"))
    Forks.shared.close()
    gc.unfreeze()  # or libraries say at the exit that something is left of them
    return 0


def _run(listening: int, arguments: list[str], environment: dict[str, str], log: str | None) -> int:
    """Become a process that was started with these arguments, to serve on a socket. Return its exit code."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was found in another environment
    with socket.socket(fileno=os.dup(listening)) as serves:
        port = serves.getsockname()[1]
    for module, name in _PORTS.items():
        ministack_seams.replace(module, name, str(port))
    try:
        return __main__.main([*arguments, "--socket", str(listening)])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
