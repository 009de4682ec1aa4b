"""How the commands speak: every line that they print, and every sentence on stderr, goes through here and is made visible."""

import sys
from typing import IO

from rich.console import Console
from rich.text import Text

from organization.commands import PROGRAM
from organization.visible import visible

WIDTH = 160
"""Columns of what does not go to a terminal."""

Part = str | tuple[str, str]
"""A text, alone or with the style that it is printed in."""


def text(*parts: Part) -> Text:
    """Make one line of texts, none of which is markup; line breaks in them are written out."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


class Screen(Console):
    """A console for lines that are made of what others may have written."""

    def __init__(self, file: IO[str] | None = None) -> None:
        fixed = file is not None or not sys.stdout.isatty()
        super().__init__(file=file, width=WIDTH if fixed else None, markup=False, emoji=False, highlight=False)

    def say(self, *parts: Part, indent: int = 0, whole: bool = False) -> None:
        """Print one line, wrapped at its words and indented.

        `whole`: not wrapped, however long, to be copied as it is.
        """
        line = text(*parts)
        for each in [line] if whole else line.wrap(self, max(self.width - indent, 1)):
            if not whole:
                each.rstrip()
            self.print(Text(" " * indent).append_text(each), soft_wrap=True)


def complain(sentence: str) -> None:
    """Say something on stderr."""
    sys.stderr.write(visible(f"{PROGRAM}: {sentence}") + "\n")
