"""Measure what a report on a whole organization takes: calls to AWS, time and memory.

First the function evaluates every account on the local AWS. The peer asks the aggregator for the rule's details in each
account: without the journal, nothing else has annotations and ages. Both read the same organization in the same run.

Exit code 0: every report was right.
Exit code 1: a report said something else of an account than its root user demands.
Exit code 2: the benchmark could not measure.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmark.command import (
    EXIT_INCORRECT,
    add_accounts_option,
    add_json_option,
    carry_out,
    in_words,
    run_operator,
    write_json,
)
from benchmark.measure import machine
from benchmark.organization import ERRORS, OrganizationBenchmark, local_aws_of
from benchmark.organization_result import CENTRAL, root_users, wrong_accounts
from demo.clients import boto3_client
from demo.sam import RULE_NAME, STACK_NAME
from local_aws.client import REGION, LocalAwsClient, LocalAwsError

PROG = "make bench-report"
ACCOUNTS = (300, 1000, 3000, 10_000)
_READERS = 8
"""Calls of the peer at the same time: as many as the report makes."""
_SEED = 1


@dataclass(frozen=True)
class Row:
    """One organization: the report's calls, seconds and peak memory (MiB), the peer's calls and seconds, and wrong accounts."""

    accounts: int
    calls: int
    seconds: float
    peak_memory_mib: float
    peer_calls: int
    peer_seconds: float
    wrong: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    options = _options(arguments)
    return carry_out(PROG, lambda console: _measure_all(options, console), ERRORS, width=120)


def _measure_all(options: argparse.Namespace, console: Console) -> int:
    rows: list[Row] = []
    try:
        rows.extend(_measure(accounts, lambda said: console.print(f"{said} …")) for accounts in options.accounts)
    finally:  # what was measured is shown, whatever ends the rest
        if rows:
            _show(rows, console)
    if max(options.accounts) < max(ACCOUNTS):
        console.print(f"\n`{PROG}` measures organizations of {in_words(ACCOUNTS)} accounts.")
    write_json(options.json, lambda: {"machine": machine(), "rows": [asdict(row) for row in rows]})
    return EXIT_INCORRECT if any(row.wrong for row in rows) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_accounts_option(parser, ACCOUNTS)
    add_json_option(parser)
    return parser.parse_args(arguments)


def _measure(accounts: int, say: Callable[[str], None]) -> Row:
    """Let an organization be evaluated, and measure report and peer."""
    users = root_users(accounts, _SEED)
    with TemporaryDirectory(prefix="root-virtual-mfa-report-") as directory, local_aws_of(users) as aws:
        say(f"{accounts:,} accounts: deploy, and evaluate each")
        aws.switch("no-event-of-first-verdict", on=True)  # nobody needs notices here, and they would take most of the time
        evaluated = OrganizationBenchmark(aws, users, share=0, seed=_SEED).deploy_and_evaluate()
        if evaluated.lost:
            message = f"{len(evaluated.lost)} accounts were not evaluated."
            raise LocalAwsError(message)
        aws.settle()
        aws.take_calls()
        say(f"{accounts:,} accounts: report")
        report = Path(directory, "report.json")
        ran = run_operator(aws, CENTRAL, "report", "--output", str(report), writes=report)
        calls = len(aws.take_calls())
        began = time.perf_counter()
        _peer(aws)
        peer_seconds = time.perf_counter() - began
        wrong = wrong_accounts(report.read_text(encoding="utf-8"), users)
        return Row(accounts, calls, ran.seconds, ran.peak_memory_mib, len(aws.take_calls()), peer_seconds, wrong)


def _peer(aws: LocalAwsClient) -> None:
    """Read the details of the rule in each account, as many at a time as the report reads."""
    config: Any = boto3_client(aws, "config", CENTRAL, Config(max_pool_connections=_READERS))
    aggregator = {"ConfigurationAggregatorName": STACK_NAME}
    pages = config.get_paginator("describe_aggregate_compliance_by_config_rules").paginate(**aggregator)
    rules = [rule for page in pages for rule in page["AggregateComplianceByConfigRules"]]
    details = config.get_paginator("get_aggregate_compliance_details_by_config_rule")

    def read(rule: dict[str, str]) -> None:
        which = {"AccountId": rule["AccountId"], "ConfigRuleName": rule["ConfigRuleName"], "AwsRegion": REGION}
        for _ in details.paginate(**aggregator, **which):
            pass

    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(read, (rule for rule in rules if rule["ConfigRuleName"].startswith(RULE_NAME))))


def _show(rows: Sequence[Row], console: Console) -> None:
    table = Table("Accounts", "Calls", "Peer's calls", "Ratio", "Time", "Peer's time", "Ratio", "Peak memory", "Wrong")
    for column in table.columns:
        column.justify = "right"
    for row in rows:
        table.add_row(
            f"{row.accounts:,}",
            f"{row.calls:,}",
            f"{row.peer_calls:,}",
            f"{row.calls / row.peer_calls:.2f}",
            f"{row.seconds:.1f} s",
            f"{row.peer_seconds:.1f} s",
            f"{row.seconds / row.peer_seconds:.2f}",
            f"{row.peak_memory_mib:.0f} MiB",
            str(len(row.wrong)),
        )
    console.print(table)
    console.print(
        "The peer reads one rule of one account a call, and AWS Config only. The report also reads the organization (20 "
        "accounts a call), the journal, and how pack and StackSet arrived. Its time includes the start of the command.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
