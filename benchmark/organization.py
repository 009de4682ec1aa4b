"""Let one function evaluate a whole organization on the local AWS, while some of its API calls are throttled.

First a conformance pack brings the rule.  AWS Config evaluates every account three times: at the deployment and a day later
with throttling, and another day later without.  Compare the second time with the third.

Then, in another organization, a StackSet brings the rule to organizational units in three waves: to a small unit, also to a
larger one, and to all.  Half a day later AWS Config evaluates every account once more.

Exit code 0: each time, every account got exactly the one result that its root user demands.
Exit code 1: an evaluation was lost, wrong or doubled.
Exit code 2: the benchmark could not measure.
(make ends with 2 for both 1 and 2. To tell them apart, run .venvs/dev/bin/python -m benchmark.organization.)
"""

import argparse
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

from benchmark.command import EXIT_INCORRECT, add_json_option, at_least, carry_out, write_json
from benchmark.measure import machine
from benchmark.organization_result import (
    ACTIONS,
    CENTRAL,
    FEWEST_ACCOUNTS,
    FEWEST_IN_WAVES,
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
    waves,
)
from demo.clients import boto3_client
from demo.sam import RULE_NAME, STACK_NAME, DeploymentError, deploy_account, deploy_organization
from local_aws.aws_lambda.functions import PARALLEL_EVENTS
from local_aws.client import REGION, LocalAwsClient, LocalAwsError, LocalAwsProcess
from local_aws.core.faults import ANY_ACCOUNT

PROG = "make bench-organization"
ERRORS = (LocalAwsError, DeploymentError, ClientError, BotoCoreError, OSError)
"""Why a measurement on the local AWS cannot be made."""

DAY, HALF_A_DAY = timedelta(days=1), timedelta(hours=12)
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
  Doubled    accounts with a second result, or with a second report to AWS Config that was not throttled. In a wave, also
             accounts of another wave that were evaluated.
  API calls  of the function per account, the mean, with repeated attempts, from the record of the local AWS.
  Time       from the beginning of the first invocation to the end of the last. It depends on the machine, and includes the
             waits of botocore and Lambda before they try again: seconds here, but minutes in AWS's Lambda.
  Deployment of a wave: sam deploy, then updates of OrganizationalUnitIds. Each waits for the stacks of the accounts, and
             evaluations begin meanwhile."""
_GLANCE_SECONDS = 0.25
_POLL = {"Delay": _GLANCE_SECONDS, "MaxAttempts": 2400}
_READERS = 8
_NAMED = 10
"""The most accounts that a line about a failure names."""

Progressed = Callable[[str, int], None]
"""Hears what is under way, and how many accounts are done."""


@contextmanager
def local_aws_of(
    users: Mapping[str, RootUser], members: Mapping[str, Sequence[str]] | None = None
) -> Iterator[LocalAwsProcess]:
    """Serve an organization whose accounts have these root users, in these units, and leave nothing behind."""
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        file = Path(directory, "accounts.yaml")
        file.write_text(yaml.safe_dump(accounts_file(users, members)), encoding="utf-8")
        with LocalAwsProcess(file, Path(directory, "local-aws.log")) as aws:
            yield aws


class OrganizationBenchmark:
    """One run against a local AWS, whose accounts have the root users `users`."""

    def __init__(self, aws: LocalAwsClient, users: Mapping[str, RootUser], share: float, seed: int) -> None:
        """Throttle `share` of the calls of evaluations; `seed` decides which ones."""
        self._aws = aws
        self._users = self._expected = users
        self._share = share
        self._seed = seed
        self._ahead = timedelta()
        self._read_up_to: dict[str, str] = {}
        self._dropped = 0
        self._config, self._logs, self._queue = (self._client(service) for service in ("config", "logs", "sqs"))

    def run(self, progressed: Progressed) -> Iterator[Round]:
        """Deploy and evaluate. Raises DeploymentError, LocalAwsError, ClientError or BotoCoreError."""
        throttled = self._throttle()
        began = self._now()
        progressed("sam deploy", 0)
        self._deploy()
        yield self._finish(f"Deployment, {throttled}", began, progressed)
        yield self._evaluate_later(DAY, f"Next day, {throttled}", progressed)
        self._aws.clear_faults()
        yield self._evaluate_later(DAY, "Day after, not throttled", progressed)

    def run_in_waves(self, members: Mapping[str, Sequence[str]], progressed: Progressed) -> Iterator[Round]:
        """Let a StackSet bring the rule to the units of `waves`, given as `members`, one after the other. Raises as `run` does.

        AWS Config evaluates twice a day, so that the time passes for a second evaluation, but not for the daily start of
        RootVirtualMfa-Notify.  A switch keeps the first verdicts from starting it.  In so many accounts at once it would take
        most of the time.
        """
        throttled = self._throttle()
        self._aws.switch("no-event-of-first-verdict", on=True)
        everyone = {account_id: user for account_id, user in self._users.items() if account_id != MANAGEMENT}  # no StackSet's
        targets: list[str] = []
        done: set[str] = set()
        for number, unit in enumerate(dict.fromkeys(path.partition("/")[0] for path in members), 1):
            below = {each for path, account_ids in members.items() if path.partition("/")[0] == unit for each in account_ids}
            if number == 1:
                targets, below = [self._unit_id("Security")], below | {CENTRAL}
            targets.append(self._unit_id(unit))
            name = f"Wave {number}, {throttled}"
            progressed(f"Deployment of wave {number}", len(done))
            began, started = self._now(), time.monotonic()
            if number == 1:
                self._deploy_central(
                    RuleDeployment="StackSet", OrganizationalUnitIds=",".join(targets), EvaluationFrequency="Twelve_Hours"
                )
            else:
                self._update(OrganizationalUnitIds=",".join(targets))
            took = time.monotonic() - started
            self._expected = {account_id: everyone[account_id] for account_id in everyone if account_id in below}
            yield self._finish(name, began, progressed, took)
            done |= below
        self._expected = everyone
        yield self._evaluate_later(HALF_A_DAY, f"All, {throttled}", progressed)

    def _throttle(self) -> str:
        """Begin to throttle, and say how much."""
        if self._share:
            for action in ACTIONS:
                self._aws.add_fault(ANY_ACCOUNT, action, "Throttling", share=self._share, seed=self._seed)
        return f"{self._share * 100:g} % throttled"

    def _unit_id(self, name: str) -> str:
        organizations = boto3_client(self._aws, "organizations", MANAGEMENT)
        [root] = organizations.list_roots()["Roots"]
        units = organizations.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
        return next(str(unit["Id"]) for unit in units if unit["Name"] == name)

    def deploy_and_evaluate(self) -> Round:
        """Deploy, and wait until every account has been evaluated once. Raises as `run` does."""
        began = self._now()
        self._deploy()
        return self._finish("Deployment", began, lambda _, __: None)

    def _deploy(self) -> None:
        deploy_account(self._aws, MANAGEMENT, CENTRAL)  # which no StackSet reaches
        self._deploy_central(ManagementAccountHasEvaluationRole="true")

    def _deploy_central(self, **parameters: str) -> None:
        # The number that the local AWS processes at once.
        deploy_organization(self._aws, CENTRAL, {"ReservedConcurrentExecutions": str(PARALLEL_EVENTS), **parameters})
        [stack] = self._client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        self._outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def _update(self, **parameters: str) -> None:
        """Give the stack other values of some parameters, and wait for the end. Raises WaiterError."""
        cloudformation = self._client("cloudformation")
        [stack] = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
        values = [
            {"ParameterKey": name, "ParameterValue": parameters[name]}
            if name in parameters
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in (each["ParameterKey"] for each in stack["Parameters"])
        ]
        cloudformation.update_stack(
            StackName=STACK_NAME,
            UsePreviousTemplate=True,
            Parameters=values,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            DisableRollback=True,
        )
        cloudformation.get_waiter("stack_update_complete").wait(StackName=STACK_NAME, WaiterConfig=_POLL)

    def _evaluate_later(self, interval: timedelta, name: str, progressed: Progressed) -> Round:
        self._ahead += interval
        began = self._now()
        self._aws.advance_clock(seconds=interval.total_seconds())
        return self._finish(name, began, progressed)

    def _finish(self, name: str, began: datetime, progressed: Progressed, deployment: float | None = None) -> Round:
        """Wait until every account that is expected is done, or nothing happens any more, and return the outcome."""
        activity = Activity()
        dropped = 0
        deadline = time.monotonic() + PATIENCE
        while len(activity.evaluated) + dropped < len(self._expected) and time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS)
            lines = self._new_lines()
            activity.read(lines)
            dropped = self._failed_events() - self._dropped
            if lines:
                deadline = time.monotonic() + PATIENCE
            progressed(name, len(activity.evaluated))
        self._dropped += dropped
        evidence = Evidence(began, self._results(), self._aws.take_calls(), activity, dropped)
        return judge(name, self._expected, evidence, deployment)

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
    rounds, in_waves = _run(options, console), _run_in_waves(options, console)
    measured_on = machine()
    _show(console, rounds, rows(rounds), (THROTTLED, UNDISTURBED))
    if in_waves:
        console.print("\nA StackSet brings the rule to organizational units, in waves", style="bold")
        _show(console, in_waves, rows(in_waves))
    console.print(EXPLAINED, soft_wrap=True)
    _show_failures(console, [*rounds, *in_waves])
    console.print(
        f"\n{', '.join(measured_on.values())}. At most {PARALLEL_EVENTS} events at once, seed {options.seed}. "
        f"Measured in {time.monotonic() - began:.0f} s.",
        soft_wrap=True,
    )
    measured = {
        "machine": measured_on,
        "throttled_share": options.throttled_share,
        "seed": options.seed,
        "rounds": [asdict(each) for each in rounds],
        "waves": [asdict(each) for each in in_waves],
    }
    write_json(options.json, lambda: measured)
    return 0 if all(each.correct for each in [*rounds, *in_waves]) else EXIT_INCORRECT


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
        "--accounts-in-waves",
        type=_none_or_enough,
        default=1000,
        metavar="ACCOUNTS",
        help="accounts of the organization that the rule reaches in waves, 0 to leave that out (default: %(default)s)",
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
    add_json_option(parser)
    return parser.parse_args(arguments)


def _none_or_enough(text: str) -> int:
    return 0 if text == "0" else at_least(FEWEST_IN_WAVES)(text)


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
    with local_aws_of(users) as aws, _progress(console, len(users)) as progressed:
        return list(OrganizationBenchmark(aws, users, options.throttled_share, options.seed).run(progressed))


def _run_in_waves(options: argparse.Namespace, console: Console) -> list[Round]:
    if not options.accounts_in_waves:
        return []
    users = root_users(options.accounts_in_waves, options.seed)
    members = waves(users)
    with local_aws_of(users, members) as aws, _progress(console, len(users)) as progressed:
        benchmark = OrganizationBenchmark(aws, users, options.throttled_share, options.seed)
        return list(benchmark.run_in_waves(members, progressed))


@contextmanager
def _progress(console: Console, accounts: int) -> Iterator[Progressed]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=accounts)
        shown = ""

        def progressed(what: str, done: int) -> None:
            nonlocal shown
            # If the output is not a terminal, there is no bar, but still a line for each part.
            if what != shown and not console.is_terminal:
                console.print(f"{what} …")
            shown = what
            progress.update(task, description=what, completed=done)

        yield progressed


def _show(console: Console, rounds: Sequence[Round], table: Sequence[Row], compared: tuple[int, int] | None = None) -> None:
    shown = Table("", *(each.name for each in rounds), *(["Throttled : not"] if compared else []))
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in table:
        values = ("-" if value is None else f"{value:,.{row.digits}f} {row.unit}".rstrip() for value in row.values)
        ratio = row.ratio(*compared) if compared else None
        shown.add_row(row.measure, *values, *(["" if ratio is None else f"{ratio:.2f}"] if compared else []))
    console.print(shown)


def _show_failures(console: Console, rounds: Sequence[Round]) -> None:
    for each in rounds:
        for what, account_ids in (("lost", each.lost), ("wrong", each.wrong), ("doubled", each.doubled)):
            if account_ids:
                more = f" and {len(account_ids) - _NAMED} more" if len(account_ids) > _NAMED else ""
                console.print(f"{each.name}: {what} {', '.join(account_ids[:_NAMED])}{more}.", style="red", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
