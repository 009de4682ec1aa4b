"""What the commands of the benchmarks share: options, operators' commands, and how a measurement ends."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

from rich.console import Console

from benchmark.measure import ARTEFACT
from benchmark.organization_result import FEWEST_ACCOUNTS
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsError

EXIT_INCORRECT, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
MAXRSS_MIB = 1024 if sys.platform != "darwin" else 1024 * 1024
"""A MiB in the unit of ru_maxrss: Linux counts KiB, macOS bytes. Source: getrusage(2) of each."""


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from `minimum`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            message = f"{text!r} is no whole number of at least {minimum}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option for the file that `write_json` takes."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to FILE too, as JSON")


def write_json(file: Path | None, measured: Callable[[], Mapping[str, Any]]) -> None:
    """Write what was measured, which `measured` puts together, if a file is given."""
    if file:
        file.write_text(json.dumps(measured(), indent=2) + "\n", encoding="utf-8")


def add_accounts_option(parser: argparse.ArgumentParser, default: Sequence[int]) -> None:
    """Give a benchmark the option for the sizes of the organizations that it measures, one after the other."""
    parser.add_argument(
        "--accounts",
        type=at_least(FEWEST_ACCOUNTS),
        nargs="+",
        default=default,
        metavar="N",
        help=f"accounts of each organization (default: {in_words(default)})",
    )


def in_words(numbers: Sequence[int]) -> str:
    """Name several numbers in a sentence."""
    *first, last = (f"{number:,}" for number in numbers)
    return f"{', '.join(first)} and {last}"


@dataclass(frozen=True)
class Ran:
    """A run of an operator's command: its seconds, and its peak memory in MiB."""

    seconds: float
    peak_memory_mib: float


def run_operator(aws: LocalAwsClient, account_id: str, *arguments: str, writes: Path) -> Ran:
    """Run a command as an operator does, with credentials of an account; what it prints is left out.

    Raises LocalAwsError, with what the command said, if the file that it `writes` is not there then.
    """
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
        if not writes.exists():
            message = f"{arguments[0]} ended with exit code {process.returncode}. {said.read().strip()}"
            raise LocalAwsError(message)
        return Ran(seconds, usage.ru_maxrss / MAXRSS_MIB)


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
