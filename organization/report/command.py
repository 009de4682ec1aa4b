"""Reports every account of the deployment: whether its root user has virtual MFA, and how old that knowledge is."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from organization import aws
from organization.aws import CommandError
from organization.controls.reading import frameworks
from organization.exceptions import reading as exceptions_file
from organization.exceptions.judging import Exceptions
from organization.files import Formats
from organization.report import formats, judging, reading
from organization.report.judging import Report
from organization.screen import progress_bars
from organization.statuses import Status

FAILED = 1

FORMATS = Formats(formats.print_table, {"csv": formats.as_csv, "json": formats.as_json, "html": formats.as_html})


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    *,
    format_name: str | None = None,
    output: Sequence[Path] = (),
    only: Collection[Status] = (),
    exceptions_path: Path | None = None,
    framework_names: Collection[str] = (),
) -> int:
    """Read everything, print the report and write it to files; returns the exit code, which counts every account.

    `format_name`: what to print, or, with `output`, the format of the files.  `only`: the statuses to list; all, if empty.
    `framework_names`: the frameworks whose controls the report judges for each account.
    """
    outputs = FORMATS.of_files(output, format_name)
    asked = [frameworks()[name] for name in dict.fromkeys(framework_names)]
    exceptions = exceptions_file.read(exceptions_path or exceptions_file.default_file())
    report = replace(_read(region, profile, stack_name, exceptions), only=frozenset(only), frameworks=asked)
    FORMATS.show(report, format_name, outputs)
    return FAILED if report.fails else 0


def _read(region: str | None, profile: str | None, stack_name: str, exceptions: Exceptions) -> Report:
    session, caller = aws.session(region, profile)
    with progress_bars() as progress:
        reader = reading.Reader(session, caller.time, progress)
        found = reader.deployment(stack_name)
        if found is None:
            raise CommandError(aws.no_stack(stack_name, caller))
        observed = reader.observe(found, exceptions)
    return Report(observed.deployment, observed.now, judging.rows(observed), judging.notes(observed))
