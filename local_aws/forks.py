"""Starts local AWSs as forks of one process that has imported everything.

Imports are most of what a start costs, and tests start a hundred. A fork is a process of its own in all that matters to
them: its environment, its output, its signals, and how it ends. It needs a system that has fork.
"""

import gc
import importlib
import json
import os
import signal
import sys
import tempfile

from local_aws import __main__
from local_aws.aws_lambda.runtime_forks import Forks, Shared
from local_aws.core import coverage, ministack_seams
from local_aws.core.operations import Operations
from local_aws.server import application

_PORTS = {
    "ministack.services.cloudformation.custom_resource": "_PORT",
    "ministack.services.lambda_svc": "_GATEWAY_PORT",
    "ministack.services.sns": "_PORT",
}
"""Where MiniStack keeps its port from the time of the import."""

_READ_MODELS = {
    "ministack.core.iam_actions": "_tag_operations",
    "ministack.core.responses": "_service_model",
}
"""What reads a service's API model and keeps it, when MiniStack gets the first request for the service."""

_IMPORTED_LATE = ("hypercorn.asyncio.run", "samtranslator.translator.transform")
"""What a local AWS imports when it serves, and MiniStack when it deploys the first template of SAM."""


def main() -> int:
    """Start what standard input orders until it ends, and print the id of each process.

    An order is a line of JSON: `arguments` of the command line, `environment`, and `log`, a path or null.
    """
    application.configure_ministack(0)
    ministack_seams.check()
    Forks.shared = Shared(__main__.RUNTIME_PYTHON)
    lists = coverage.read()
    Operations(lists)  # reads API models, which all forks then have
    for module, name in _READ_MODELS.items():
        for service in lists:
            getattr(ministack_seams.module(module), name)(service)
    for late in _IMPORTED_LATE:
        importlib.import_module(late)
    gc.freeze()  # so that what is loaded stays shared, and no fork's garbage collector passes over it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    ends_with_this_process, held = os.pipe()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        process_id = os.fork()
        if not process_id:
            os.close(held)
            os.dup2(ends_with_this_process, sys.stdin.fileno())
            os._exit(_run(order["arguments"], order["environment"], order["log"]))
        sys.stdout.write(f"{process_id}\n")
        sys.stdout.flush()
    Forks.shared.close()
    gc.unfreeze()  # or libraries say at the exit that something is left of them
    return 0


def _run(arguments: list[str], environment: dict[str, str], log: str | None) -> int:
    """Become a process that was started with these arguments. Return its exit code."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was found in another environment
    for module, name in _PORTS.items():
        ministack_seams.replace(module, name, arguments[arguments.index("--port") + 1])
    try:
        return __main__.main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
