"""Shows what the root user of each account has, which devices of which kind, and what contradicts the rule's verdict."""

from collections.abc import Sequence
from pathlib import Path

from organization import aws
from organization.accounts import EXIT_INTERRUPTED
from organization.files import Formats
from organization.inventory import formats
from organization.inventory.judging import inventory
from organization.inventory.reading import Reader
from organization.screen import complain, progress_bars

FAILED = 1

UNUSED_DAYS = 90

FORMATS = Formats(formats.print_table, {"csv": formats.as_csv, "json": formats.as_json, "html": formats.as_html})


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    unused_days: int,
    *,
    format_name: str | None = None,
    output: Sequence[Path] = (),
) -> int:
    """Read every root user, print what it has and write it to files; returns the exit code.

    `unused_days`: after how many days without use credentials are listed as removable.
    """
    outputs = FORMATS.of_files(output, format_name)
    session, caller = aws.session(region, profile)
    with progress_bars() as progress:
        observed = Reader(session, caller, progress).observe(stack_name)
    found = inventory(observed, unused_days)
    FORMATS.show(found, format_name, outputs)
    if observed.interrupted:
        complain("interrupted: the accounts that were not read yet are UNKNOWN.")
        return EXIT_INTERRUPTED
    return FAILED if found.fails else 0
