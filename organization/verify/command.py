"""Verifies a deployment: for each thing that nobody could verify before, whether it holds here, as AWS shows it."""

from collections.abc import Sequence
from pathlib import Path

from organization import aws
from organization.files import Formats
from organization.screen import progress_bars
from organization.verify import formats
from organization.verify.judging import Outcome, Verification, totals, verify
from organization.verify.reading import Reader

FAILED = 1

FORMATS = Formats(formats.print_table, {"json": formats.as_json, "html": formats.as_html})


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    role_name: str | None,
    *,
    probe: str | None = None,
    format_name: str | None = None,
    output: Sequence[Path] = (),
) -> int:
    """Read everything, print what each check found and write it to files; returns the exit code.

    `role_name`: the role to assume in accounts.  `probe`: the account in which to start the runbooks first.  `format_name`:
    what to print, or, with `output`, the format of the files.
    """
    outputs = FORMATS.of_files(output, format_name)
    session, caller = aws.session(region, profile)
    with progress_bars() as progress:
        reader = Reader(session, caller, progress)
        probed = reader.probe(stack_name, probe, role_name) if probe else []
        observed = reader.observe(stack_name, role_name)
    verification = Verification(observed.deployment, observed.now, [*verify(observed), *probed])
    FORMATS.show(verification, format_name, outputs)
    return FAILED if totals(verification.checks)[Outcome.FAILS] else 0
