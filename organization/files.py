"""Writes what a command found into files, each in a format."""

import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from organization.aws import CommandError
from organization.screen import Screen, complain

T = TypeVar("T")

_NAMES = {"txt": "table"}
"""The format of a file name's suffix, if it has another name."""


def formats(paths: Iterable[Path], chosen: str | None, known: Collection[str]) -> list[tuple[Path, str]]:
    """Pair each file with its format: the one that was chosen, or that of its name.

    Raises CommandError if a name has none of the known formats, or if its folder is missing.
    """
    outputs = [(path, _format_of(path, chosen, known)) for path in paths]
    for path, _ in outputs:
        if not path.parent.is_dir():
            message = f"{path} cannot be written: there is no folder {path.parent}."
            raise CommandError(message)
    return outputs


def _format_of(path: Path, chosen: str | None, known: Collection[str]) -> str:
    suffix = path.suffix.lower().removeprefix(".")
    suffix = _NAMES.get(suffix, suffix)
    if chosen is None and suffix not in known:
        names = [f".{each}" for each in ("html", "csv", "json") if each in known]
        message = f"{path} has no format: end its name with {', '.join(names)} or .txt, or give --format."
        raise CommandError(message)
    return chosen or suffix


def show(
    found: T,
    known: Mapping[str, Callable[[T], str]],
    print_table: Callable[[T, Screen], None],
    format_name: str | None,
    outputs: Iterable[tuple[Path, str]],
) -> None:
    """Print what a command found, and write it to files: `outputs`, as `formats` pairs them.

    `known` has the text of each format.  It prints the table if there are files, or else the chosen format.
    """
    outputs = list(outputs)
    if format_name in {None, "table"} or outputs:
        print_table(found, Screen())
    else:
        sys.stdout.write(known[format_name](found))
    for path, name in outputs:
        write(path, known[name](found))


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
    """Write a file beside it and rename that; the permissions stay, and a new file has those of any new file."""
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
