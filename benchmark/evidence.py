"""Measure what the evidence of a year takes: time, memory and calls to AWS.

A generated journal with the lines of 2,000 accounts over a year takes the place of AWS, so that what the command itself does is
measured.

Exit code 0: the figures of the evidence were those that the generated journal demands.
Exit code 1: they were others.
Exit code 2: the benchmark could not measure.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmark.measure import machine
from organization.deployment import EVALUATION_ROLE_NAME, PACK_RULE_PREFIX, Deployment
from organization.evidence.command import write
from organization.evidence.days import DAY, History, Member, Period, Scope, Status
from organization.evidence.folder import Folder, verify
from organization.evidence.lines import Ownership
from organization.evidence.sources import Spool
from organization.evidence.tables import Findings

PROG = "make bench-evidence"
CENTRAL = "100000000000"
FIRST = date(2026, 1, 1)
EXIT_INCORRECT, EXIT_ERROR = 1, 2
_FAILING_EVERY = 10
_SILENT_EVERY = 50
_PARAMETERS = {"minimumVirtualMfaDevices": "1", "nonVirtualMfa": "NON_COMPLIANT", "noRootCredentials": "COMPLIANT"}


@dataclass(frozen=True)
class Row:
    """A generated journal: accounts, days and lines; seconds to spool and to write; peak memory, and what was written (MiB)."""

    accounts: int
    days: int
    lines: int
    spool_seconds: float
    write_seconds: float
    verify_seconds: float
    peak_memory_mib: float
    written_mib: float
    page_mib: float
    correct: bool


def account_ids(accounts: int) -> list[str]:
    """Return the ids of generated accounts; the first one is the central account."""
    return [str(int(CENTRAL) + number) for number in range(accounts)]


def verdict(number: int, day: int) -> str:
    """Return what the generated journal says of an account on a day; empty if nobody evaluated it."""
    if number % _SILENT_EVERY == 1 and day % 30 in {3, 4}:
        return ""
    # A tenth of the accounts fails for a month.
    return "NON_COMPLIANT" if number % _FAILING_EVERY == 0 and number % 300 < day <= number % 300 + 30 else "COMPLIANT"


def text(account_id: str, said: str, time_written: datetime) -> str:
    """Write a line as the function writes it."""
    passes = said == "COMPLIANT"
    return json.dumps(
        {
            "timestamp": f"{time_written:%Y-%m-%dT%H:%M:%SZ}",
            "level": "INFO",
            "message": "evaluation",
            "logger": "root_virtual_mfa_enabled",
            "requestId": "01234567-89ab-cdef-0123-456789abcdef",
            "rule": "ROOT_VIRTUAL_MFA_ENABLED",
            "version": "0.1.0",
            "account": account_id,
            "orderingTimestamp": f"{time_written:%Y-%m-%dT%H:%M:%S}.000Z",
            "configRuleArn": f"arn:aws:config:us-east-1:{account_id}:config-rule/aws-service-rule/"
            "config-conforms.amazonaws.com/config-rule-a1b2c3",
            "configRuleName": f"{PACK_RULE_PREFIX}6cruwvtg2",
            "ruleOwner": "config-conforms.amazonaws.com",
            "test": False,
            "parameters": {**_PARAMETERS, "ExecutionRoleName": EVALUATION_ROLE_NAME},
            "facts": {
                "mfa_enabled": passes,
                "password_present": True,
                "access_keys_present": False,
                "signing_certificates_present": False,
            },
            "rootVirtualMfaDevices": int(passes),
            "verdict": said,
            "annotation": "The root user has 1 virtual MFA device (phone)."
            if passes
            else "The root user has no MFA: sign in to the console as root and assign a virtual MFA device.",
            "apiCalls": 4,
        }
    )


def journal(accounts: int, days: int) -> Iterator[tuple[datetime, str]]:
    """Generate the lines of all accounts, in the order of time."""
    ids = account_ids(accounts)
    start = datetime(FIRST.year, FIRST.month, FIRST.day, 3, tzinfo=UTC)
    for day in range(days):
        for number, account_id in enumerate(ids):
            if said := verdict(number, day):
                written = start + DAY * day + timedelta(seconds=number)
                yield written, text(account_id, said, written)


def measure(accounts: int, days: int, directory: Path) -> Row:
    """Write the evidence of a generated journal."""
    began = time.perf_counter()
    spool = Spool(directory / "lines.gz")
    written = list[int]()

    def counted() -> Iterator[tuple[datetime, str]]:
        for number, line in enumerate(journal(accounts, days), start=1):
            if number % 100_000 == 0:
                written.append(number)
            yield line
        written.append(number)

    spool.add(counted())
    spool.close()
    spooled = time.perf_counter()
    deployment = Deployment(
        "root-virtual-mfa", "CREATE_COMPLETE", CENTRAL, "us-east-1", "aws", "o-a1b2c3d4e5", rule_parameters=_PARAMETERS
    )
    members = {each: Member(each, f"workload-{each}", "Root/Workloads") for each in account_ids(accounts)}
    history = History(Period(FIRST, FIRST + DAY * (days - 1)), Scope(members), Ownership(deployment), spool.lines)
    out = directory / "evidence"
    out.mkdir()
    folder = Folder(out)
    evidence = write(folder, history, deployment, Findings())
    folder.finish({})
    done = time.perf_counter()
    correct = not verify(out).is_any
    verified = time.perf_counter()
    expected = dict.fromkeys(("COMPLIANT", "NON_COMPLIANT", ""), 0)
    for number in range(accounts):
        for day in range(days):
            expected[verdict(number, day)] += 1
    counts = evidence.figures.counts
    found = {"COMPLIANT": counts[Status.COMPLIANT], "NON_COMPLIANT": counts[Status.NON_COMPLIANT], "": counts[Status.UNKNOWN]}
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return Row(
        accounts,
        days,
        written[-1],
        spooled - began,
        done - spooled,
        verified - done,
        peak_memory_mib(),
        size / 2**20,
        (out / "index.html").stat().st_size / 2**20,
        correct and found == expected,
    )


def peak_memory_mib() -> float:
    """Return the most memory that this process had."""
    import resource  # noqa: PLC0415 - Windows has none, and imports this module for nothing

    unit = 1024 if sys.platform != "darwin" else 1024 * 1024  # Linux counts KiB, macOS bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.  Returns the exit code."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--accounts", type=int, default=2000, metavar="N", help="accounts of the generated journal (default: %(default)s)"
    )
    parser.add_argument("--days", type=int, default=365, metavar="N", help="its days (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome to FILE too, as JSON")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        row = measure(options.accounts, options.days, Path(directory))
    table = Table("Accounts", "Days", "Lines", "Spool", "Write", "Verify", "Peak memory", "Written", "Page", "Correct")
    for column in table.columns:
        column.justify = "right"
    table.add_row(
        f"{row.accounts:,}",
        f"{row.days:,}",
        f"{row.lines:,}",
        f"{row.spool_seconds:.1f} s",
        f"{row.write_seconds:.1f} s",
        f"{row.verify_seconds:.1f} s",
        f"{row.peak_memory_mib:.0f} MiB",
        f"{row.written_mib:.0f} MiB",
        f"{row.page_mib:.1f} MiB",
        "yes" if row.correct else "NO",
    )
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "generated": asdict(row)}, indent=2) + "\n", encoding="utf-8")
    return 0 if row.correct else EXIT_INCORRECT


if __name__ == "__main__":
    sys.exit(main())
