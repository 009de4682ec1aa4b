"""What the commands of the benchmarks share: options that are numbers, and how a measurement ends."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console

from benchmark.measure import ARTEFACT

EXIT_INCORRECT, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from `minimum`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            message = f"{text!r} is no whole number of at least {minimum}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


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
