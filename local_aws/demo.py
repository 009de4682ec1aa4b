"""The package at work on the local AWS: deploy it, evaluate a root user in each state, and let an owner act on the result.

Exit code 0 means that everything was as expected.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.table import Table

from local_aws.client import PROJECT, LocalAwsClient, LocalAwsError, LocalAwsProcess, describe
from local_aws.deployment import RULE_NAME, STACK_NAME, DeploymentError, boto3_client, deploy

if TYPE_CHECKING:
    from mypy_boto3_config import ConfigServiceClient

EVALUATION_SECONDS = 30
CLOCK_SECONDS = 60
"""AWS Config starts a rule at most once a minute."""

_READ = "iam:GetAccountSummary"
_LIST = "iam:ListVirtualMFADevices"
_REPORT = "config:PutEvaluations"


@dataclass(frozen=True)
class Expected:
    """What is to come of an account of local_aws/accounts.yaml."""

    root_user: str
    compliance: str
    calls: tuple[str, ...]


EXPECTED = {
    "111122223333": Expected("password, no MFA", "NON_COMPLIANT", (_READ, _REPORT)),
    "222233334444": Expected("virtual MFA device", "COMPLIANT", (_READ, _LIST, _REPORT)),
    "333344445555": Expected("hardware key only", "NON_COMPLIANT", (_READ, _LIST, _REPORT)),
    "444455556666": Expected("no credentials", "COMPLIANT", (_READ, _REPORT)),
}
FAILING = "111122223333"
AFTERWARDS = Expected("virtual MFA device added", "COMPLIANT", (_READ, _LIST, _REPORT))


@dataclass(frozen=True)
class Row:
    """What AWS Config says of an account, and the calls that the evaluation made."""

    account_id: str
    compliance: str
    annotation: str
    calls: tuple[str, ...]


class UnexpectedError(RuntimeError):
    """Something was not as expected; the message says what."""


class Demo:
    """One run against a local AWS."""

    def __init__(self, client: LocalAwsClient, console: Console) -> None:
        """Speak to `client`, and to the reader through `console`."""
        self._client = client
        self._console = console
        self._names = client.accounts()

    def run(self) -> None:
        """Show everything. Raises UnexpectedError, DeploymentError or LocalAwsError."""
        self._deploy()
        self._console.print("\n[bold]What AWS Config says[/], read back through boto3:")
        self._show(self._evaluated(EXPECTED), EXPECTED)
        self._act()

    def _deploy(self) -> None:
        self._console.print(f"\n[bold]sam deploy[/] of stack {STACK_NAME} to {len(EXPECTED)} accounts:")
        with ThreadPoolExecutor(len(EXPECTED)) as pool:
            deployments = {pool.submit(deploy, self._client, account_id): account_id for account_id in EXPECTED}
            for done in as_completed(deployments):
                done.result()
                self._console.print(f"  {deployments[done]} {self._names[deployments[done]]}: deployed")
        cloudformation = boto3_client(self._client, "cloudformation", FAILING)
        resources = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
        kinds = sorted({resource["ResourceType"].removeprefix("AWS::") for resource in resources})
        self._console.print(f"  {len(resources)} resources each: {', '.join(kinds)}")

    def _act(self) -> None:
        device = "phone-in-the-safe"
        self._console.print(
            f"\n[bold]The owner of {FAILING} acts[/]: signs in as root and adds the virtual MFA device {device}. The rule is "
            "evaluated again (AWS Config takes a start once a minute, so its clock is put forward):"
        )
        self._client.change_root_user(FAILING, "add-virtual-device", device)
        self._client.advance_clock(seconds=CLOCK_SECONDS)
        self._client.take_calls()
        before = self._result(FAILING)
        self._config(FAILING).start_config_rules_evaluation(ConfigRuleNames=[RULE_NAME])
        self._wait(lambda: self._result(FAILING) != before, f"a new result for {FAILING}")
        self._show(self._evaluated([FAILING]), {FAILING: AFTERWARDS})

    def _evaluated(self, account_ids: Iterable[str]) -> list[Row]:
        """Wait for a result of each account and for the calls of its evaluation."""
        account_ids = list(account_ids)
        calls: dict[str, list[str]] = {account_id: [] for account_id in account_ids}

        def complete() -> bool:
            for call in self._client.take_calls():
                by_the_function = "assumed-role/root-virtual-mfa-function/" in call["principal"]
                if by_the_function and call["account_id"] in calls and not call["action"].startswith("logs:"):
                    calls[call["account_id"]].append(call["action"])
            return all(self._result(account_id) for account_id in account_ids)

        self._wait(complete, "the results of all accounts")
        rows = []
        for account_id in account_ids:
            result = self._result(account_id)
            rows.append(Row(account_id, result["ComplianceType"], result["Annotation"], tuple(calls[account_id])))
        return rows

    def _show(self, rows: list[Row], expected: dict[str, Expected]) -> None:
        table = Table("Account", "Root user", "Compliance", "Annotation", "Calls")
        for row in rows:
            colour = "green" if row.compliance == "COMPLIANT" else "red"
            account = f"{row.account_id}\n{self._names[row.account_id]}"
            root_user = expected[row.account_id].root_user
            calls = "\n".join(row.calls)
            table.add_row(account, root_user, f"[{colour}]{row.compliance}[/]", row.annotation, calls)
        self._console.print(table)
        for row in rows:
            wanted = expected[row.account_id]
            if (row.compliance, row.calls) != (wanted.compliance, wanted.calls):
                message = f"{row.account_id} is {row.compliance} after {row.calls}, but should be {wanted}"
                raise UnexpectedError(message)

    def _result(self, account_id: str) -> dict[str, Any]:
        results = self._config(account_id).get_compliance_details_by_config_rule(ConfigRuleName=RULE_NAME)
        return dict(results["EvaluationResults"][0]) if results["EvaluationResults"] else {}

    def _config(self, account_id: str) -> "ConfigServiceClient":
        config: ConfigServiceClient = boto3_client(self._client, "config", account_id)
        return config

    @staticmethod
    def _wait(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + EVALUATION_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                message = f"{what} did not come within {EVALUATION_SECONDS} s"
                raise UnexpectedError(message)
            time.sleep(0.1)


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the local AWS running at the end, until Ctrl-C")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _stop)
    console = Console(width=None if sys.stdout.isatty() else 140)
    began = time.monotonic()
    with TemporaryDirectory(prefix="root-virtual-mfa-demo-") as directory:
        log = Path(directory, "local-aws.log")
        try:
            console.print("[bold]The local AWS[/] starts …")
            with LocalAwsProcess(PROJECT / "local_aws/accounts.yaml", log) as client:
                Demo(client, console).run()
                console.print(f"\nEverything was as expected, in {time.monotonic() - began:.0f} s.")
                console.print(
                    "\n[bold]How to go on[/]\n"
                    "  make demo KEEP=1      the same, and keep the local AWS running for the AWS CLI and boto3\n"
                    "  make local-aws        an empty local AWS to deploy to yourself\n"
                    "  make deploy           deploy to the AWS account of your credentials\n"
                )
                if keep:
                    console.print(describe(client, client.accounts()), highlight=False)
                    console.print("Ctrl-C stops it.")
                    signal.pause()
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return 0 if keep else 130
        except (UnexpectedError, DeploymentError, LocalAwsError) as error:
            console.print(f"\n[red]Not as expected:[/] {error}", highlight=False)
            if log.exists():
                console.print(log.read_text(encoding="utf-8", errors="replace")[-3000:], highlight=False, markup=False)
            return 1
    return 0


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
