"""Measure what `check` and `inventory` take on a whole organization: calls to AWS, time and memory.

It deploys nothing. It compares what each says about an account with what its root user demands.

Exit code 0: both were right.
Exit code 1: one said something else of an account than its root user demands.
Exit code 2: the benchmark could not measure.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.command import EXIT_INCORRECT, add_accounts_option, add_json_option, carry_out, run_operator, write_json
from benchmark.measure import machine
from benchmark.organization import ERRORS, local_aws_of
from benchmark.organization_result import MANAGEMENT, root_users, wrong_accounts
from demo.clients import boto3_client
from local_aws.client import LocalAwsClient

PROG = "make bench-auditing"
ACCOUNTS = (250, 500, 1000)
ROLE = "organization-reader"
_MAKERS = 8
_SEED = 1


@dataclass(frozen=True)
class Row:
    """A run of a command: accounts, calls to AWS, seconds, peak memory (MiB), and the accounts about which it was wrong."""

    command: str
    accounts: int
    calls: int
    seconds: float
    peak_memory_mib: float
    wrong: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_accounts_option(parser, ACCOUNTS)
    add_json_option(parser)
    options = parser.parse_args(arguments)
    return carry_out(PROG, lambda console: _measure_all(options, console), ERRORS, width=100)


def _measure_all(options: argparse.Namespace, console: Console) -> int:
    rows = [row for accounts in options.accounts for row in _measure(accounts, lambda said: console.print(f"{said} …"))]
    _show(rows, console)
    write_json(options.json, lambda: {"machine": machine(), "rows": [asdict(row) for row in rows]})
    return EXIT_INCORRECT if any(row.wrong for row in rows) else 0


def _measure(accounts: int, say: Callable[[str], None]) -> list[Row]:
    """Measure both commands on an organization, with credentials of its management account."""
    users = root_users(accounts, _SEED)
    with TemporaryDirectory(prefix="root-virtual-mfa-auditing-") as directory, local_aws_of(users) as aws:
        say(f"{accounts:,} accounts: a role in each")
        with ThreadPoolExecutor(_MAKERS) as pool:
            list(pool.map(lambda account_id: _make_role(aws, account_id), users))
        rows = []
        for command, options in (("check", ("--role-name", ROLE)), ("inventory", ())):
            say(f"{accounts:,} accounts: {command}")
            aws.take_calls()
            file = Path(directory, f"{command}.json")
            ran = run_operator(aws, MANAGEMENT, command, *options, "--output", str(file), writes=file)
            wrong = wrong_accounts(file.read_text(encoding="utf-8"), users)
            rows.append(Row(command, accounts, len(aws.take_calls()), ran.seconds, ran.peak_memory_mib, wrong))
        return rows


def _make_role(aws: LocalAwsClient, account_id: str) -> None:
    """Let the management account read the root user of an account."""
    iam: Any = boto3_client(aws, "iam", account_id)
    trust = {"Effect": "Allow", "Principal": {"AWS": MANAGEMENT}, "Action": "sts:AssumeRole"}
    reads = {"Effect": "Allow", "Action": ["iam:GetAccountSummary", "iam:ListVirtualMFADevices"], "Resource": "*"}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=_document(reads))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _show(rows: Sequence[Row], console: Console) -> None:
    table = Table("Command", "Accounts", "Calls", "Calls an account", "Time", "Accounts a second", "Peak memory", "Wrong")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(
            row.command,
            f"{row.accounts:,}",
            f"{row.calls:,}",
            f"{row.calls / row.accounts:.2f}",
            f"{row.seconds:.1f} s",
            f"{row.accounts / row.seconds:.0f}",
            f"{row.peak_memory_mib:.0f} MiB",
            str(len(row.wrong)),
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
