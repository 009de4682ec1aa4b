"""What the commands of the benchmarks share: options that are numbers, operators' commands, and how a measurement ends."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import NoReturn

from rich.console import Console

from benchmark.measure import ARTEFACT
from local_aws.client import PROJECT, LocalAwsClient

EXIT_INCORRECT, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from `minimum`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            message = f"{text!r} is no whole number of at least {minimum}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


@dataclass(frozen=True)
class Ran:
    """A run of an operator's command: its seconds, its peak memory in MiB, its exit code, and what it said on stderr."""

    seconds: float
    peak_memory_mib: float
    code: int
    said: str


def run_operator(aws: LocalAwsClient, account_id: str, *arguments: str) -> Ran:
    """Run a command as an operator does, with credentials of an account; what it prints is left out."""
    began = time.perf_counter()
    with TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "organization", *arguments],
            cwd=PROJECT,
            env={**os.environ, **aws.environment(account_id)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        unit = 1024 if sys.platform != "darwin" else 1024 * 1024  # Linux counts KiB, macOS bytes
        return Ran(seconds, usage.ru_maxrss / unit, process.returncode, said.read().strip())


def carry_out(prog: str, measure: Callable[[Console], int], errors: tuple[type[Exception], ...], width: int = 140) -> int:
    """Let `measure` print to a console, and return its exit code.

    EXIT_INTERRUPTED if a user or a signal ends it. EXIT_ERROR, with one sentence, for one of `errors` or without the artefact.
    `width` holds for what is no terminal.
    """
    signal.signal(signal.SIGTERM, _stop)
    console = Console(width=None if sys.stdout.isatty() else width, highlight=False)
    if not ARTEFACT.is_dir():
        console.print(f"{prog}: {ARTEFACT} is missing: run `make build` first.", soft_wrap=True)
        return EXIT_ERROR
    try:
        return measure(console)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return EXIT_INTERRUPTED
    except errors as error:
        console.print(f"\n{prog}: {error}", markup=False, style="red", soft_wrap=True)
        return EXIT_ERROR


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
