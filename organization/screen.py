"""Prints every line and every sentence on stderr, with hidden characters made visible."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import IO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from organization.commands import PROGRAM
from organization.visible import visible

WIDTH = 160
"""Columns of output that does not go to a terminal."""

T = TypeVar("T")

Part = str | tuple[str, str]
"""A text, alone or with its style."""


def text(*parts: Part) -> Text:
    """Make one line of texts.  They are not markup, and their line breaks are written out."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


class Screen(Console):
    """A console for lines that may hold what other people wrote."""

    def __init__(self, file: IO[str] | None = None) -> None:
        fixed = file is not None or not sys.stdout.isatty()
        super().__init__(file=file, width=WIDTH if fixed else None, markup=False, emoji=False, highlight=False)

    def say(self, *parts: Part, indent: int = 0, whole: bool = False) -> None:
        """Print one line, wrapped at its words and indented.

        `whole`: do not wrap it, however long it is, so that it can be copied.
        """
        line = text(*parts)
        for each in [line] if whole else line.wrap(self, max(self.width - indent, 1)):
            if not whole:
                each.rstrip()
            self.print(Text(" " * indent).append_text(each), soft_wrap=True)


def as_text(show: Callable[[T, Screen], None], shown: T) -> str:
    """Return what `show` prints of `shown` as plain text."""
    written = StringIO()
    show(shown, Screen(written))
    return written.getvalue()


def complain(sentence: str) -> None:
    """Print a sentence on stderr."""
    sys.stderr.write(visible(f"{PROGRAM}: {sentence}") + "\n")


@contextmanager
def progress_bars() -> Iterator[Callable[..., None]]:
    """Show how far the reading has got, if there is a terminal: give a function to call as accounts.Progress."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bars:
        tasks = {}

        def show(what: str, done: int, total: int | None = None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show
