"""The formats of a command's findings, on the screen and in files."""

import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from organization.aws import CommandError
from organization.screen import Screen, as_text, complain

T = TypeVar("T")

_NAMES = {"txt": "table"}
"""The format of a file name's suffix, if it has another name."""


@dataclass(frozen=True, slots=True)
class Formats(Generic[T]):
    """The formats of a command's findings: how to print them as a table, and how to write them in each of the others."""

    print_table: Callable[[T, Screen], None]
    others: Mapping[str, Callable[[T], str]]

    @property
    def names(self) -> list[str]:
        """The names of the formats."""
        return ["table", *self.others]

    @property
    def endings(self) -> str:
        """The endings of file names that stand for a format, for a sentence."""
        return f"{', '.join(f'.{each}' for each in ('html', 'csv', 'json') if each in self.others)} or .txt"

    def of_files(self, paths: Iterable[Path], chosen: str | None) -> list[tuple[Path, str]]:
        """Pair each file with its format: the one that was chosen, or that of its name.

        Raises CommandError if a name has none of the formats, or if its folder is missing.
        """
        outputs = [(path, self._of_file(path, chosen)) for path in paths]
        for path, _ in outputs:
            if not path.parent.is_dir():
                message = f"{path} cannot be written: there is no folder {path.parent}."
                raise CommandError(message)
        return outputs

    def _of_file(self, path: Path, chosen: str | None) -> str:
        suffix = path.suffix.lower().removeprefix(".")
        suffix = _NAMES.get(suffix, suffix)
        if chosen is None and suffix not in self.names:
            message = f"{path} has no format: end its name with {self.endings}, or give --format."
            raise CommandError(message)
        return chosen or suffix

    def show(self, found: T, chosen: str | None, outputs: Collection[tuple[Path, str]]) -> None:
        """Print what a command found, and write it to files: `outputs`, as `of_files` pairs them.

        It prints the table if there are files, or else the format that was chosen.
        """
        if chosen in {None, "table"} or outputs:
            self.print_table(found, Screen())
        else:
            sys.stdout.write(self._text(found, str(chosen)))
        for path, name in outputs:
            write(path, self._text(found, name))

    def _text(self, found: T, name: str) -> str:
        return as_text(self.print_table, found) if name == "table" else self.others[name](found)


def write(path: Path, text: str) -> None:
    """Write a file whole: the old content stays until the new one is complete."""
    try:
        target = path.resolve()
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            path.write_text(text, encoding="utf-8", newline="")  # a device or a pipe; a folder refuses this
        else:
            _replace(target, text, mode)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise CommandError(message) from error
    complain(f"wrote {path}.")


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, text: str, mode: int | None) -> None:
    """Write a file beside it and rename that. The permissions stay; a new file has the usual ones."""
    beside = target.with_name(f".written-{secrets.token_hex(8)}")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(text)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
