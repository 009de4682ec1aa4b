"""Report of every account of the organization whether its root user has virtual MFA, and how old that knowledge is.

Reads only. Needs the account and the home Region of the deployment.

Exit code 0: every account is COMPLIANT, excluded, suspended or one that the rule does not apply to.
Exit code 1: an account is NON_COMPLIANT or UNKNOWN.
Exit code 2: no report could be made.
(make itself ends with 2 for either: a pipeline that tells them apart runs .venvs/dev/bin/python -m organization.report.)

A result older than 26 hours is UNKNOWN. Its age counts from the later of the times at which AWS Config invoked the rule and
recorded the result; whether AWS Config puts these forward while a verdict stays the same is not documented.
"""

import argparse
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from organization import aws, deployment, exclusions, formats, reading, statuses
from organization.aws import CommandError
from organization.formats import Report
from organization.screen import Screen, complain

PROG = "report"
FAILED = 1

FORMATS: dict[str, Callable[[Report], str]] = {
    "table": formats.as_table,
    "csv": formats.as_csv,
    "json": formats.as_json,
    "html": formats.as_html,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    outputs = [(path, _format_of(path, options.format)) for path in options.output]
    for path, _ in outputs:
        if not path.parent.is_dir():
            message = f"{path} cannot be written: there is no folder {path.parent}."
            raise CommandError(message)
    reasons = exclusions.reasons(options.exclusions)
    report = _read(options.stack_name, options.region, reasons)
    if options.format in {None, "table"} or outputs:
        formats.print_table(report, Screen())
    else:
        sys.stdout.write(FORMATS[options.format](report))
    for path, name in outputs:
        _write(path, FORMATS[name](report))
    return FAILED if any(row.status in statuses.FAILURES for row in report.rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--stack-name", default=deployment.STACK_NAME, help="the deployed stack (%(default)s)")
    parser.add_argument("--region", help="the home Region of the deployment (default: that of the AWS credentials)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="what to print (default: table); with --output, the format of the file, whatever it is called",
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a file as well, in the format that its name says: .html, .csv, .json or .txt; may be given several times",
    )
    parser.add_argument(
        "--exclusions",
        type=Path,
        default=exclusions.FILE,
        metavar="FILE",
        help=f"why accounts are excluded (default: {statuses.EXCLUSIONS_FILE} beside template.yaml)",
    )
    return parser


def _format_of(path: Path, chosen: str | None) -> str:
    suffix = path.suffix.lower().removeprefix(".").replace("txt", "table")
    if chosen is None and suffix not in FORMATS:
        message = f"{path} has no format: end its name with .html, .csv, .json or .txt, or give --format."
        raise CommandError(message)
    return chosen or suffix


def _read(stack_name: str, region: str | None, reasons: dict[str, str]) -> Report:
    session, caller = aws.session(region)
    with _progress() as progress:
        reader = reading.Reader(session, progress)
        found = reader.deployment(stack_name)
        if found is None:
            message = (
                f"There is no stack {stack_name} in account {caller.account_id}, Region {caller.region}: "
                "use the account and the home Region of the deployment."
            )
            raise CommandError(message)
        facts = reader.facts(found, reasons)
    return Report(facts.deployment, facts.now, statuses.rows(facts), statuses.notes(facts))


@contextmanager
def _progress() -> Iterator[reading.Progress]:
    """Show on the terminal, if there is one, how far the reading is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bars:
        tasks = {}

        def show(what: str, done: int, total: int | None = None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield show


def _write(path: Path, text: str) -> None:
    """Write a file so that its name never has half of it: what was there stays until all of it is written."""
    try:
        target = path.resolve()
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            path.write_text(text, encoding="utf-8", newline="")  # a device or a pipe; a folder refuses it
        else:
            _replace(target, text, mode)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise CommandError(message) from error
    complain(PROG, f"wrote {path}.")


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, text: str, mode: int | None) -> None:
    """Write beside the file and put that in its place; it keeps its permissions, and a new one has those of any new file."""
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


if __name__ == "__main__":
    sys.exit(aws.run(PROG, main))
