"""Reports every account of the deployment: whether its root user has virtual MFA, and how old that knowledge is."""

import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from organization import aws, exclusions, formats, reading, statuses
from organization.aws import CommandError
from organization.formats import Report
from organization.screen import Screen, complain
from organization.statuses import Status

FAILED = 1

FORMATS: dict[str, Callable[[Report], str]] = {
    "table": formats.as_table,
    "csv": formats.as_csv,
    "json": formats.as_json,
    "html": formats.as_html,
}


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    *,
    format_name: str | None = None,
    output: Sequence[Path] = (),
    only: Collection[Status] = (),
    exclusions_file: Path | None = None,
) -> int:
    """Read everything, print the report and write it to files; returns the exit code, which counts every account.

    `format_name`: what to print, or, with `output`, the format of the files.  `only`: the statuses to list; all, if empty.
    """
    outputs = [(path, _format_of(path, format_name)) for path in output]
    for path, _ in outputs:
        if not path.parent.is_dir():
            message = f"{path} cannot be written: there is no folder {path.parent}."
            raise CommandError(message)
    reasons = exclusions.reasons(exclusions_file or exclusions.default_file())
    report = replace(_read(region, profile, stack_name, reasons), only=frozenset(only))
    if format_name in {None, "table"} or outputs:
        formats.print_table(report, Screen())
    else:
        sys.stdout.write(FORMATS[format_name](report))
    for path, name in outputs:
        _write(path, FORMATS[name](report))
    return FAILED if any(row.status in statuses.FAILURES for row in report.rows) else 0


def _format_of(path: Path, chosen: str | None) -> str:
    suffix = path.suffix.lower().removeprefix(".").replace("txt", "table")
    if chosen is None and suffix not in FORMATS:
        message = f"{path} has no format: end its name with .html, .csv, .json or .txt, or give --format."
        raise CommandError(message)
    return chosen or suffix


def _read(region: str | None, profile: str | None, stack_name: str, reasons: dict[str, str]) -> Report:
    session, caller = aws.session(region, profile)
    with _progress() as progress:
        reader = reading.Reader(session, caller.time, progress)
        found = reader.deployment(stack_name)
        if found is None:
            message = (
                f"There is no stack {stack_name} in account {caller.account_id}, Region {caller.region}: "
                "use the account and the home Region of the deployment."
            )
            raise CommandError(message)
        observed = reader.observe(found, reasons)
    return Report(observed.deployment, observed.now, statuses.rows(observed), statuses.notes(observed))


@contextmanager
def _progress() -> Iterator[reading.Progress]:
    """Show how far the reading is, if there is a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bars:
        tasks = {}

        def show(what: str, done: int, total: int | None = None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show


def _write(path: Path, text: str) -> None:
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
    beside = target.with_name(f".report-{secrets.token_hex(8)}")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(text)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
