"""Let one function evaluate a whole organization on the local AWS, while some of its API calls are throttled.

AWS Config evaluates every account three times: at the deployment and a day later with throttling, and another day later
without.  Compare the second time with the third.

Exit code 0: each time, every account got exactly the one result that its root user demands.
Exit code 1: an evaluation was lost, wrong or doubled.
Exit code 2: the benchmark could not measure.
(make ends with 2 for both 1 and 2. To tell them apart, run .venvs/dev/bin/python -m benchmark.organization.)
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmark.command import EXIT_INCORRECT, at_least, carry_out
from benchmark.measure import machine
from benchmark.organization_result import (
    ACTIONS,
    CENTRAL,
    FEWEST_ACCOUNTS,
    MANAGEMENT,
    Activity,
    Evidence,
    Result,
    RootUser,
    Round,
    Row,
    accounts_file,
    judge,
    root_users,
    rows,
)
from demo.clients import boto3_client
from demo.sam import RULE_NAME, STACK_NAME, DeploymentError, deploy_account, deploy_organization
from local_aws.aws_lambda.functions import PARALLEL_EVENTS
from local_aws.client import REGION, LocalAwsClient, LocalAwsError, LocalAwsProcess
from local_aws.core.faults import ANY_ACCOUNT

PROG = "make bench-organization"
ERRORS = (LocalAwsError, DeploymentError, ClientError, BotoCoreError, OSError)
"""Why a measurement on the local AWS cannot be made."""

DAY = timedelta(days=1)
PATIENCE = 600.0
"""Seconds without a line in the function's log after which none will follow: an evaluation that is missing then is lost.

botocore and the local AWS's Lambda wait less, a few seconds, before they try again.
"""
THROTTLED, UNDISTURBED = 1, 2
"""The rounds to compare. The first one shares its time with the deployment."""

EXPLAINED = """\
[bold]What is counted[/]
  Lost       accounts for which the aggregator has no result of this round.
  Wrong      accounts with another verdict than their root user demands, or with the virtual device of another account.
             Neighbours demand opposite verdicts. The benchmark decides them without the rule's code.
  Doubled    accounts with a second result, or with a second report to AWS Config that was not throttled.
  API calls  of the function per account, the mean, with repeated attempts, from the record of the local AWS.
  Time       from the beginning of the first invocation to the end of the last. It depends on the machine, and includes the
             waits of botocore and Lambda before they try again: seconds here, but minutes in AWS's Lambda."""
_GLANCE_SECONDS = 0.25
_READERS = 8
_NAMED = 10
"""The most accounts that a line about a failure names."""

Progressed = Callable[[str, int], None]
"""Hears what is under way, and how many accounts are done."""


@contextmanager
def local_aws_of(users: Mapping[str, RootUser]) -> Iterator[LocalAwsProcess]:
    """Serve an organization whose accounts have these root users, and leave nothing behind."""
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        file = Path(directory, "accounts.yaml")
        file.write_text(yaml.safe_dump(accounts_file(users)), encoding="utf-8")
        with LocalAwsProcess(file, Path(directory, "local-aws.log")) as aws:
            yield aws


class OrganizationBenchmark:
    """One run against a local AWS, whose accounts have the root users `users`."""

    def __init__(self, aws: LocalAwsClient, users: Mapping[str, RootUser], share: float, seed: int) -> None:
        """Throttle `share` of the calls of evaluations; `seed` decides which ones."""
        self._aws = aws
        self._users = users
        self._share = share
        self._seed = seed
        self._ahead = timedelta()
        self._read_up_to: dict[str, str] = {}
        self._dropped = 0
        self._config, self._logs, self._queue = (self._client(service) for service in ("config", "logs", "sqs"))

    def run(self, progressed: Progressed) -> Iterator[Round]:
        """Deploy and evaluate. Raises DeploymentError, LocalAwsError, ClientError or BotoCoreError."""
        throttled = f"{self._share * 100:g} % throttled"
        if self._share:
            for action in ACTIONS:
                self._aws.add_fault(ANY_ACCOUNT, action, "Throttling", share=self._share, seed=self._seed)
        began = self._now()
        progressed("sam deploy", 0)
        self._deploy()
        yield self._finish(f"Deployment, {throttled}", began, progressed)
        yield self._evaluate_next_day(f"Next day, {throttled}", progressed)
        self._aws.clear_faults()
        yield self._evaluate_next_day("Day after, not throttled", progressed)

    def deploy_and_evaluate(self) -> Round:
        """Deploy, and wait until every account has been evaluated once. Raises as `run` does."""
        began = self._now()
        self._deploy()
        return self._finish("Deployment", began, lambda _, __: None)

    def _deploy(self) -> None:
        deploy_account(self._aws, MANAGEMENT, CENTRAL)  # which no StackSet reaches
        # The number that the local AWS processes at once.
        parameters = {"ManagementAccountHasEvaluationRole": "true", "ReservedConcurrentExecutions": str(PARALLEL_EVENTS)}
        deploy_organization(self._aws, CENTRAL, parameters)
        [stack] = self._client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        self._outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _evaluate_next_day(self, name: str, progressed: Progressed) -> Round:
        self._ahead += DAY
        began = self._now()
        self._aws.advance_clock(seconds=DAY.total_seconds())
        return self._finish(name, began, progressed)

    def _finish(self, name: str, began: datetime, progressed: Progressed) -> Round:
        """Wait until every account is done, or nothing happens any more, and return the outcome."""
        activity = Activity()
        dropped = 0
        deadline = time.monotonic() + PATIENCE
        while len(activity.evaluated) + dropped < len(self._users) and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS)
            lines = self._new_lines()
            activity.read(lines)
            dropped = self._failed_events() - self._dropped
            if lines:
                deadline = time.monotonic() + PATIENCE
            progressed(name, len(activity.evaluated))
        self._dropped += dropped
        return judge(name, self._users, Evidence(began, self._results(), self._aws.take_calls(), activity, dropped))

    def _now(self) -> datetime:
        """Return the time of the local AWS Config: this machine's clock, advanced."""
        return datetime.now(UTC) + self._ahead

    # What every user can read

    def _new_lines(self) -> list[str]:
        """Return the new lines of the function's log since the last time."""
        group = self._outputs["LogGroupName"]
        lines = []
        streams = self._logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        for name in [stream["logStreamName"] for page in streams for stream in page["logStreams"]]:
            while True:
                up_to = {"nextToken": self._read_up_to[name]} if name in self._read_up_to else {}
                page = self._logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True, **up_to)
                self._read_up_to[name] = page["nextForwardToken"]
                if not page["events"]:
                    break
                lines += [event["message"] for event in page["events"]]
        return lines

    def _failed_events(self) -> int:
        name = "ApproximateNumberOfMessages"
        answer = self._queue.get_queue_attributes(QueueUrl=self._outputs["FailedEventsQueueUrl"], AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _results(self) -> dict[str, list[Result]]:
        """Return the aggregator's results of the rule, by account."""
        aggregator = {"ConfigurationAggregatorName": STACK_NAME}
        pages = self._config.get_paginator("describe_aggregate_compliance_by_config_rules").paginate(**aggregator)
        rules = [
            {"AccountId": rule["AccountId"], "ConfigRuleName": rule["ConfigRuleName"], "AwsRegion": REGION}
            for page in pages
            for rule in page["AggregateComplianceByConfigRules"]
            if rule["ConfigRuleName"].startswith(RULE_NAME)
        ]
        details = self._config.get_paginator("get_aggregate_compliance_details_by_config_rule")

        def read(rule: Mapping[str, str]) -> list[Result]:
            return [
                Result(each["ComplianceType"], each["Annotation"], each["ConfigRuleInvokedTime"])
                for page in details.paginate(**aggregator, **rule)
                for each in page["AggregateEvaluationResults"]
            ]

        results: dict[str, list[Result]] = {}
        with ThreadPoolExecutor(_READERS) as pool:
            for rule, found in zip(rules, pool.map(read, rules), strict=True):
                results.setdefault(rule["AccountId"], []).extend(found)
        return results

    def _client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        return boto3_client(self._aws, service, CENTRAL, Config(max_pool_connections=_READERS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    options = _options(arguments)
    return carry_out(PROG, lambda console: _measure(options, console), ERRORS)


def _measure(options: argparse.Namespace, console: Console) -> int:
    began = time.monotonic()
    rounds = _run(options, console)
    table = rows(rounds)
    measured_on = machine()
    _show(console, rounds, table)
    console.print(
        f"\n{', '.join(measured_on.values())}. At most {PARALLEL_EVENTS} events at once, seed {options.seed}. "
        f"Measured in {time.monotonic() - began:.0f} s.",
        soft_wrap=True,
    )
    if options.json:
        written = {
            "machine": measured_on,
            "throttled_share": options.throttled_share,
            "seed": options.seed,
            "rounds": [asdict(each) for each in rounds],
        }
        options.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0 if all(each.correct for each in rounds) else EXIT_INCORRECT


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=__doc__,
        epilog=f'Options are given as in: {PROG} ACCOUNTS=300 ARGS="--seed 2".',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--accounts", type=at_least(FEWEST_ACCOUNTS), default=300, help="accounts of the organization (default: %(default)s)"
    )
    parser.add_argument(
        "--throttled-share",
        type=_share,
        default=0.1,
        metavar="SHARE",
        help="the share of the calls to throttle, from 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="decides the root users and the throttled calls (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome to FILE too, as JSON")
    return parser.parse_args(arguments)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        message = f"{text!r} is no number from 0 to 1"
        raise argparse.ArgumentTypeError(message)
    return share


def _run(options: argparse.Namespace, console: Console) -> list[Round]:
    users = root_users(options.accounts, options.seed)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with local_aws_of(users) as aws, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(users))
        shown = ""

        def progressed(what: str, done: int) -> None:
            nonlocal shown
            # If the output is not a terminal, there is no bar, but still a line for each part.
            if what != shown and not console.is_terminal:
                console.print(f"{what} …")
            shown = what
            progress.update(task, description=what, completed=done)

        return list(OrganizationBenchmark(aws, users, options.throttled_share, options.seed).run(progressed))


def _show(console: Console, rounds: Sequence[Round], table: Sequence[Row]) -> None:
    shown = Table("", *(each.name for each in rounds), "Throttled : not")
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in table:
        ratio = row.ratio(THROTTLED, UNDISTURBED)
        values = ("-" if value is None else f"{value:,.{row.digits}f} {row.unit}".rstrip() for value in row.values)
        shown.add_row(row.measure, *values, "" if ratio is None else f"{ratio:.2f}")
    console.print(shown)
    console.print(EXPLAINED, soft_wrap=True)
    for each in rounds:
        for what, account_ids in (("lost", each.lost), ("wrong", each.wrong), ("doubled", each.doubled)):
            if account_ids:
                more = f" and {len(account_ids) - _NAMED} more" if len(account_ids) > _NAMED else ""
                console.print(f"{each.name}: {what} {', '.join(account_ids[:_NAMED])}{more}.", style="red", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
