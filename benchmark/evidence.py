"""Measure what the evidence of a year takes: time, memory and calls to AWS.

There are two parts.  In the first, a generated journal with the lines of 2,000 accounts over a year takes the place of AWS, so
that what the command itself does is measured.  In the second, the command reads the journal of a smaller organization from the
local AWS, with as many calls as it takes there.

Exit code 0: the figures of the evidence were those that the generated journal demands.
Exit code 1: they were others.
Exit code 2: the benchmark could not measure.
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from benchmark.command import EXIT_INCORRECT, MAXRSS_MIB, add_json_option, at_least, carry_out, run_operator, write_json
from benchmark.measure import machine
from benchmark.organization import OrganizationBenchmark
from benchmark.organization_result import CENTRAL as BENCHMARK_CENTRAL
from benchmark.organization_result import FEWEST_ACCOUNTS, accounts_file, root_users
from benchmark.organization_result import verdict as verdict_of
from demo.clients import boto3_client
from demo.sam import STACK_NAME, DeploymentError
from local_aws.client import LocalAwsError, LocalAwsProcess
from organization.deployment import EVALUATION_ROLE_NAME, PACK_RULE_PREFIX, Deployment
from organization.evidence.command import write
from organization.evidence.control_days import ControlDays
from organization.evidence.days import DAY, DayStatus, History, Member, Period, Scope
from organization.evidence.folder import Folder, verify
from organization.evidence.lines import Ownership
from organization.evidence.sources import Spool
from organization.evidence.tables import Findings

PROG = "make bench-evidence"
CENTRAL = "100000000000"
FIRST = date(2026, 1, 1)
LOCAL_DAYS = 13
"""Log events may be 14 days old when they are put."""
_SEED = 1
_FAILING_EVERY = 10
_SILENT_EVERY = 50
_PARAMETERS = {"minimumVirtualMfaDevices": "1", "nonVirtualMfa": "NON_COMPLIANT", "noRootCredentials": "COMPLIANT"}


@dataclass(frozen=True)
class Row:
    """A generated journal: accounts, days and lines; seconds; peak memory, and what was written (MiB).

    `cpu_seconds` are those of all three steps, which say the same on a machine that is busy.
    """

    accounts: int
    days: int
    lines: int
    spool_seconds: float
    write_seconds: float
    verify_seconds: float
    cpu_seconds: float
    peak_memory_mib: float
    written_mib: float
    page_mib: float
    correct: bool


def account_ids(accounts: int) -> list[str]:
    """Return the ids of generated accounts; the first one is the central account."""
    return [str(int(CENTRAL) + number) for number in range(accounts)]


def verdict(number: int, day: int) -> str:
    """Return what the generated journal says about an account on a day; empty if nobody evaluated it."""
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
    began, cpu = time.perf_counter(), time.process_time()
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
    evidence = write(folder, history, lambda: Findings(deployment), ControlDays(), lambda _, __, ___=None: None)
    folder.finish({})
    done = time.perf_counter()
    correct = not verify(out).is_any
    verified, cpu = time.perf_counter(), time.process_time() - cpu
    expected = dict.fromkeys(("COMPLIANT", "NON_COMPLIANT", ""), 0)
    for number in range(accounts):
        for day in range(days):
            expected[verdict(number, day)] += 1
    counts = evidence.figures.counts
    found = {
        "COMPLIANT": counts[DayStatus.COMPLIANT],
        "NON_COMPLIANT": counts[DayStatus.NON_COMPLIANT],
        "": counts[DayStatus.UNKNOWN],
    }
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return Row(
        accounts,
        days,
        written[-1],
        spooled - began,
        done - spooled,
        verified - done,
        cpu,
        peak_memory_mib(),
        size / 2**20,
        (out / "index.html").stat().st_size / 2**20,
        correct and found == expected,
    )


def peak_memory_mib() -> float:
    """Return the most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_MIB


@dataclass(frozen=True)
class LocalRow:
    """A journal on the local AWS: accounts, days, lines; calls to AWS by name; seconds, peak memory (MiB); if it is right."""

    accounts: int
    days: int
    lines: int
    calls: dict[str, int]
    seconds: float
    peak_memory_mib: float
    correct: bool


def measure_local(accounts: int, days: int, directory: Path) -> LocalRow:
    """Deploy to an organization on the local AWS, repeat its lines every day, and run the command."""
    users = root_users(accounts, _SEED)
    file = directory / "accounts.yaml"
    file.write_text(yaml.safe_dump(accounts_file(users)), encoding="utf-8")
    with LocalAwsProcess(file, directory / "local-aws.log") as aws:
        OrganizationBenchmark(aws, users, share=0, seed=_SEED).deploy_and_evaluate()
        aws.settle()
        cloudformation: Any = boto3_client(aws, "cloudformation", BENCHMARK_CENTRAL)
        [stack] = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
        group = {"logGroupName": next(each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "LogGroupName")}
        logs: Any = boto3_client(aws, "logs", BENCHMARK_CENTRAL)
        pages = logs.get_paginator("filter_log_events").paginate(**group, filterPattern='{ $.message = "evaluation" }')
        lines = {json.loads(each["message"])["account"]: each for page in pages for each in page["events"]}
        logs.create_log_stream(**group, logStreamName="repeated")
        first = max(each["timestamp"] for each in lines.values())
        for account_id in users:  # a schedule would start a script in each account
            events: Any = boto3_client(aws, "events", account_id)
            with suppress(events.exceptions.ResourceNotFoundException):
                events.disable_rule(Name="root-virtual-mfa-daily")
        aws.advance_clock(seconds=(days + 1) * 86_400)
        aws.settle()
        for day in range(1, days + 1):
            batch = [{"timestamp": first + day * 86_400_000, "message": each["message"]} for each in lines.values()]
            logs.put_log_events(**group, logStreamName="repeated", logEvents=batch)
        aws.take_calls()
        start = datetime.fromtimestamp(first / 1000, UTC).date()
        output = directory / "evidence"
        period = ("--from", f"{start + DAY}", "--to", f"{start + DAY * days}")
        written = output / "evidence.json"
        ran = run_operator(aws, BENCHMARK_CENTRAL, "evidence", *period, "--output", str(output), writes=written)
        calls = Counter(each["action"] for each in aws.take_calls())
        figures = json.loads(written.read_text(encoding="utf-8"))["figures"]
        expected = sum(verdict_of(user) == "COMPLIANT" for user in users.values()) * days
        correct = figures["account_days_compliant"] == expected
        all_calls = dict(sorted(calls.items()))
        return LocalRow(accounts, days, days * len(lines), all_calls, ran.seconds, ran.peak_memory_mib, correct)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.  Returns the exit code."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    accounts, days = at_least(1), at_least(1)
    parser.add_argument(
        "--accounts", type=accounts, default=2000, metavar="N", help="that are generated (default: %(default)s)"
    )
    parser.add_argument("--days", type=days, default=365, metavar="N", help="that are generated (default: %(default)s)")
    parser.add_argument(
        "--local-accounts",
        type=at_least(FEWEST_ACCOUNTS),
        default=300,
        metavar="N",
        help="on the local AWS (default: %(default)s)",
    )
    add_json_option(parser)
    options = parser.parse_args(arguments)
    errors = (LocalAwsError, DeploymentError, ClientError, BotoCoreError, OSError)
    return carry_out(PROG, lambda console: _measure(options, console), errors)


def _measure(options: argparse.Namespace, console: Console) -> int:
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        row = measure(options.accounts, options.days, Path(directory))
    _show(row, console)
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        local = measure_local(options.local_accounts, LOCAL_DAYS, Path(directory))
    _show_local(local, console)
    write_json(options.json, lambda: {"machine": machine(), "generated": asdict(row), "local_aws": asdict(local)})
    return 0 if row.correct and local.correct else EXIT_INCORRECT


def _show(row: Row, console: Console) -> None:
    table = Table("Accounts", "Days", "Lines", "Spool", "Write", "Verify", "CPU", "Peak memory", "Written", "Page", "Correct")
    for column in table.columns:
        column.justify = "right"
    seconds = (row.spool_seconds, row.write_seconds, row.verify_seconds, row.cpu_seconds)
    sizes = (f"{row.peak_memory_mib:.0f} MiB", f"{row.written_mib:.0f} MiB", f"{row.page_mib:.1f} MiB")
    counts = (f"{each:,}" for each in (row.accounts, row.days, row.lines))
    table.add_row(*counts, *(f"{each:.1f} s" for each in seconds), *sizes, "yes" if row.correct else "NO")
    console.print(table)


def _show_local(row: LocalRow, console: Console) -> None:
    table = Table("Accounts", "Days", "Lines", "Calls", "Queries", "Time", "Peak memory", "Correct")
    for column in table.columns:
        column.justify = "right"
    queries = row.calls.get("logs:StartQuery", 0)
    counts = (f"{each:,}" for each in (row.accounts, row.days, row.lines, sum(row.calls.values()), queries))
    table.add_row(*counts, f"{row.seconds:.1f} s", f"{row.peak_memory_mib:.0f} MiB", "yes" if row.correct else "NO")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
