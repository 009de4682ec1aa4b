"""The package at work on the local AWS: deploy it for an organization, evaluate every account, tell owners, report, and act.

Exit code 0 means that everything was as expected.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from demo.clients import boto3_client
from demo.operator import APPROVER, REEVALUATE, REMOVAL, Operator
from demo.sam import ACCOUNT_STACK_NAME, EVALUATION_ROLE_NAME, STACK_NAME, DeploymentError, deploy_account, deploy_organization
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsError, LocalAwsProcess, describe

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import EvaluationResultTypeDef
    from mypy_boto3_iam import IAMClient

ORGANIZATION = PROJECT / "local_aws/organization.yaml"
HTML_PAGE = PROJECT / "demo-report.html"
EVIDENCE = PROJECT / "demo-evidence"
CENTRAL_ACCOUNT_ID = "222222222222"
EVALUATION_SECONDS = 600
DAY_AND_MORE = 27 * 3600
"""Seconds: the next day's evaluations come due, and results of the day before turn older than the report trusts."""

_READ = "iam:GetAccountSummary"
_LIST = "iam:ListVirtualMFADevices"
_REPORT = "config:PutEvaluations"

# Accounts of local_aws/organization.yaml, one for each state of a root user, and the calls that its evaluation makes.
STATES = {
    "420000000002": ("password, no MFA", (_READ, _REPORT)),
    "310000000001": ("virtual MFA device", (_READ, _LIST, _REPORT)),
    "310000000002": ("hardware key only", (_READ, _LIST, _REPORT)),
    "410000000004": ("hardware key and virtual device", (_READ, _LIST, _REPORT)),
    "410000000006": ("virtual device, access keys", (_READ, _LIST, _REPORT)),
    "210000000001": ("no credentials", (_READ, _REPORT)),
    "410000000005": ("access keys, no password", (_READ, _REPORT)),
    "420000000004": ("certificate, no password", (_READ, _REPORT)),
}
ROLE_DELETED = "510000000005"
THROTTLED = "510000000002"
FAILING = ("310000000002", "410000000003", "410000000005", "420000000002", "420000000004", "510000000001", "510000000003")
ACTS = "420000000002"
NOBODY_NEEDS_ROOT = "510000000001"
NEVER_TOUCHED = "210000000001"
JOINS = "510000000006"


class UnexpectedError(RuntimeError):
    """Something was not as expected; the message says what."""


@dataclass(frozen=True)
class Row:
    """What AWS Config says about an account."""

    account_id: str
    compliance: str
    annotation: str


class Demo:
    """One run against a local AWS."""

    def __init__(self, client: LocalAwsClient, operator: Operator, console: Console, directory: Path) -> None:
        """Speak to `client`, and to the reader through `console`. Files of the run go to `directory`."""
        self._client = client
        self._operator = operator
        self._console = console
        self._directory = directory
        self._names = client.accounts()

    def run(self) -> None:
        """Show everything. Raises UnexpectedError, DeploymentError, LocalAwsError or TimeoutError."""
        self._look()
        self._deploy()
        self._evaluate_states()
        self._tell()
        self._go_wrong()
        self._report()
        self._act()
        self._remove()
        self._join()
        self._prove()

    # The steps

    def _look(self) -> None:
        self._say("root-virtual-mfa check", f"in {self._name(CENTRAL_ACCOUNT_ID)}, before anything is deployed:")
        ran = self._operate("check")
        self._console.print(Text(ran.stdout.rstrip()))
        self._say("root-virtual-mfa inventory", "opens a root session that may only audit in each member account:")
        found = json.loads(self._operate("inventory", "--format", "json").stdout)
        management = self._client.organization()["management_account_id"]
        unknown = [account["account_id"] for account in found["accounts"] if account["status"] == "UNKNOWN"]
        if unknown != [management]:
            message = f"the inventory should know all but {management}, which no root session reaches, but not {unknown}"
            raise UnexpectedError(message)
        kinds = Counter(device["kind"] for account in found["accounts"] for device in account["mfa_devices"] or ())
        self._console.print(f"  {', '.join(f'{count} {kind}s' for kind, count in sorted(kinds.items()))}", highlight=False)
        for title, accounts in found["lists"].items():
            self._console.print(f"  {title.replace('_', ' ')}: {len(accounts)}", highlight=False)

    def _deploy(self) -> None:
        organization = self._client.organization()
        self._say(f"The organization {organization['organization_id']}", f"has {len(self._names)} accounts.")
        self._client.add_fault(THROTTLED, _READ, "Throttling")
        management = organization["management_account_id"]
        self._say("account.yaml", f"goes to the management account {management}, which no StackSet reaches:")
        deploy_account(self._client, management, CENTRAL_ACCOUNT_ID)
        self._console.print(f"  stack {ACCOUNT_STACK_NAME} deployed")
        self._say("sam deploy --config-env organization", f"in {self._name(CENTRAL_ACCOUNT_ID)}, a delegated administrator:")
        parameters = {
            "ManagementAccountHasEvaluationRole": "true",
            "RemovalApprovers": self._operator.make_approver(),
            "RemovalDeniedAccounts": NEVER_TOUCHED,
        }
        deploy_organization(self._client, CENTRAL_ACCOUNT_ID, parameters)
        cloudformation: CloudFormationClient = boto3_client(self._client, "cloudformation", CENTRAL_ACCOUNT_ID)
        resources = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
        kinds = sorted({resource["ResourceType"].removeprefix("AWS::") for resource in resources})
        self._console.print(f"  stack {STACK_NAME} deployed, {len(resources)} resources: {', '.join(kinds)}")
        stacks = cloudformation.list_stack_instances(StackSetName=f"{STACK_NAME}-account", CallAs="DELEGATED_ADMIN")[
            "Summaries"
        ]
        config = self._config(CENTRAL_ACCOUNT_ID)
        packs = config.get_paginator("get_organization_conformance_pack_detailed_status")
        accounts = sum(
            len(page["OrganizationConformancePackDetailedStatuses"])
            for page in packs.paginate(OrganizationConformancePackName=STACK_NAME)
        )
        self._console.print(f"  roles and runbooks in {len(stacks)} accounts, conformance pack in {accounts}")

    def _evaluate_states(self) -> None:
        self._say("AWS Config evaluates", "the root user of every account:")
        expected = [account_id for account_id in self._names if account_id != THROTTLED]
        self._wait_for_results(expected)
        table = Table("Account", "Root user", "Compliance", "Annotation", "Calls in the account")
        calls = self._calls(STATES)
        for account_id, (root_user, expected_calls) in STATES.items():
            row = self._row(account_id)
            if calls[account_id] != expected_calls:
                message = f"the evaluation of {account_id} called {calls[account_id]}, but should call {expected_calls}"
                raise UnexpectedError(message)
            table.add_row(
                self._name(account_id), root_user, _coloured(row.compliance), row.annotation, "\n".join(calls[account_id])
            )
        self._console.print("One account of each state; the function first assumed the evaluation role there (sts:AssumeRole):")
        self._console.print(table)

    def _tell(self) -> None:
        self._say("AWS Config's change of a verdict starts RootVirtualMfa-Notify", "in the account, through EventBridge:")
        self._wait_for_ops_items({account_id: ["Open"] * (account_id in FAILING) for account_id in self._names})
        table = Table("Account", "OpsItem", "Severity", "Message to the topic root-virtual-mfa-notices")
        messages = {account_id: self._operator.messages(about=account_id) for account_id in FAILING}
        for account_id in FAILING:
            [item] = self._operator.ops_items(account_id)
            if len(messages[account_id]) != 1:
                message = f"{account_id} sent {len(messages[account_id])} messages, and should send one"
                raise UnexpectedError(message)
            table.add_row(self._name(account_id), item["OpsItemId"], item["Severity"], messages[account_id][0]["Subject"])
        self._console.print(table)
        self._console.print(f"The message about {self._name(ACTS)}:\n")
        self._console.print(Padding(Text(messages[ACTS][0]["Message"]), (0, 2)))

    def _go_wrong(self) -> None:
        self._say("A bad day:", f"somebody deletes the evaluation role of {self._name(ROLE_DELETED)},")
        self._console.print(
            f"  and IAM throttles every call in {self._name(THROTTLED)} since the beginning. The next day comes:"
        )
        iam: IAMClient = boto3_client(self._client, "iam", ROLE_DELETED)
        for policy in iam.list_attached_role_policies(RoleName=EVALUATION_ROLE_NAME)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=EVALUATION_ROLE_NAME, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=EVALUATION_ROLE_NAME)
        before = {account_id: self._result(account_id) for account_id in self._names}
        self._client.advance_clock(seconds=DAY_AND_MORE)
        expected = [account_id for account_id in self._names if account_id not in {THROTTLED, ROLE_DELETED}]
        self._wait_for_results(expected, before)

    def _report(self) -> None:
        self._say("root-virtual-mfa report", f"in {self._name(CENTRAL_ACCOUNT_ID)}:")
        report = self._directory / "report.json"
        ran = self._operate("report", "--output", str(report), "--output", str(HTML_PAGE), shown=True)
        self._console.print(f"\nThe same as a page, to filter, sort and print: [bold]{HTML_PAGE}[/]", highlight=False)
        accounts = json.loads(report.read_text(encoding="utf-8"))["accounts"]
        found = {account["account_id"]: account["status"] for account in accounts}
        expected = dict.fromkeys(self._names, "COMPLIANT")
        expected |= dict.fromkeys(FAILING, "NON_COMPLIANT") | dict.fromkeys((ROLE_DELETED, THROTTLED), "UNKNOWN")
        if found != expected or ran.returncode != 1:
            wrong = {account_id: status for account_id, status in found.items() if status != expected.get(account_id)}
            message = f"the report (exit code {ran.returncode}) has other accounts or statuses than expected: {wrong}"
            raise UnexpectedError(message)

    def _act(self) -> None:
        device = "phone-in-the-safe"
        self._say(f"The owner of {self._name(ACTS)} acts:", f"signs in as root and adds the virtual MFA device {device}.")
        self._change_and_wait(ACTS, lambda: self._client.change_root_user(ACTS, "add-virtual-device", device))

    def _remove(self) -> None:
        account = NOBODY_NEEDS_ROOT
        self._say(
            f"Nobody needs root in {self._name(account)}:", f"{REMOVAL} in {self._name(CENTRAL_ACCOUNT_ID)}, as a dry run"
        )
        operator = self._operator
        dry_run = operator.run(CENTRAL_ACCOUNT_ID, REMOVAL, AccountId=account)
        self._console.print(f"  {dry_run['Outputs']['Plan.Text'][0]}", highlight=False)
        refused = operator.run(CENTRAL_ACCOUNT_ID, REMOVAL, AccountId=NEVER_TOUCHED, DryRun="false")
        if refused["AutomationExecutionStatus"] != "Failed":
            message = f"{REMOVAL} should refuse {NEVER_TOUCHED}, but is {refused['AutomationExecutionStatus']}"
            raise UnexpectedError(message)
        self._console.print(f"  For {self._name(NEVER_TOUCHED)}: {refused['FailureMessage']}", highlight=False)
        execution_id = operator.start(CENTRAL_ACCOUNT_ID, REMOVAL, AccountId=account, DryRun="false")
        operator.wait_for_approval(execution_id)
        self._console.print("  With DryRun=false it waits. An approver reads the plan, and approves:")

        def approve() -> None:
            operator.decide(execution_id, "Approve")
            execution = operator.finished(CENTRAL_ACCOUNT_ID, execution_id)
            if execution["AutomationExecutionStatus"] != "Success":
                message = f"{REMOVAL} ended as {execution['AutomationExecutionStatus']}: {execution.get('FailureMessage')}"
                raise UnexpectedError(message)
            self._console.print(f"  {execution['Outputs']['RemoveCredentials.Text'][0]}", highlight=False)

        self._change_and_wait(account, approve)

    def _change_and_wait(self, account_id: str, change: Callable[[], object]) -> None:
        """Change a root user, and show what follows although nobody starts anything."""
        before = {account_id: self._result(account_id)}
        change()
        self._console.print(f"  CloudTrail's event starts {REEVALUATE} there, which waits a minute for IAM to be consistent:")
        self._operator.let_a_minute_pass(account_id)
        self._wait_for_results([account_id], before)
        self._show_compliant(account_id)
        self._wait_for_ops_items({account_id: ["Resolved"]})
        [item] = self._operator.ops_items(account_id)
        self._console.print(f"  OpsItem {item['OpsItemId']} is resolved.", highlight=False)

    def _join(self) -> None:
        self._say("A new account joins", "the organization, and nobody does anything:")
        self._client.create_account(JOINS, "sandbox-new-team", "Sandbox", {"virtual_mfa_devices": ["new-team-phone"]})
        self._names[JOINS] = "sandbox-new-team"
        self._wait_for_results([JOINS])
        self._show_compliant(JOINS)

    def _prove(self) -> None:
        self._say("An auditor asks:", "root-virtual-mfa evidence, when the day is over:")
        answer = boto3_client(self._client, "sts", CENTRAL_ACCOUNT_ID).get_caller_identity()
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        self._client.advance_clock(seconds=86_400 - (now.hour * 60 + now.minute) * 60 - now.second + 1)
        if (EVIDENCE / "manifest.json").exists():
            shutil.rmtree(EVIDENCE)  # of an earlier run
        first = (now - timedelta(hours=1)).date()  # the demo takes minutes, and they may be around midnight
        made = self._operate("evidence", "--from", str(first), "--to", str(now.date()), "--output", str(EVIDENCE))
        verified = self._operate("evidence", "--verify", str(EVIDENCE))
        if verified.returncode != 0:
            message = f"the evidence does not verify: {verified.stdout}"
            raise UnexpectedError(message)
        runbooks = json.loads((EVIDENCE / "evidence.json").read_text(encoding="utf-8"))["runbooks"]
        approved = [each for each in runbooks if APPROVER in each["approvals"] and each["about_account"] == NOBODY_NEEDS_ROOT]
        if len(approved) != 1:
            message = f"the evidence should name who approved the removal in {NOBODY_NEEDS_ROOT}, and has {runbooks}"
            raise UnexpectedError(message)
        self._console.print(f"  {made.stdout.splitlines()[0]}", highlight=False, markup=False)
        self._console.print(f"  {verified.stdout.strip()}", highlight=False, markup=False)
        self._console.print(f"  The folder, with a page for its reader: [bold]{EVIDENCE}[/]", highlight=False)

    # What they need

    def _operate(self, *arguments: str, shown: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run a command of the operator in the central account. Raises UnexpectedError if it cannot do its work.

        `shown`: its output goes to the reader, and not into the returned value.
        """
        sys.stdout.flush()
        ran = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "organization", *arguments],
            cwd=PROJECT,
            env={**os.environ, **self._client.environment(CENTRAL_ACCOUNT_ID)},
            stdout=None if shown else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ran.returncode not in {0, 1}:
            message = f"root-virtual-mfa {arguments[0]} failed: {ran.stderr}"
            raise UnexpectedError(message)
        return ran

    def _say(self, what: str, more: str) -> None:
        self._console.print(f"\n[bold]{what}[/] {more}", highlight=False)

    def _name(self, account_id: str) -> str:
        return f"{self._names[account_id]} ({account_id})"

    def _show_compliant(self, account_id: str) -> None:
        row = self._row(account_id)
        self._console.print(f"  {self._name(account_id)}: {_coloured(row.compliance)} {row.annotation}", highlight=False)
        if row.compliance != "COMPLIANT":
            message = f"{account_id} is {row.compliance}, but should be COMPLIANT"
            raise UnexpectedError(message)

    def _wait_for_results(
        self, account_ids: Iterable[str], before: "Mapping[str, EvaluationResultTypeDef | None] | None" = None
    ) -> None:
        """Wait until each account has a new result: any result if it had none, else another one than `before`."""
        waiting = list(account_ids)
        columns = (TextColumn("  evaluated"), BarColumn(), MofNCompleteColumn())
        deadline = time.monotonic() + EVALUATION_SECONDS
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task("", total=len(waiting))
            while waiting:
                still = [
                    account_id for account_id in waiting if self._result(account_id) in (None, (before or {}).get(account_id))
                ]
                progress.advance(task, len(waiting) - len(still))
                waiting = still
                if time.monotonic() > deadline:
                    message = f"no new result came within {EVALUATION_SECONDS} s in {', '.join(waiting)}"
                    raise UnexpectedError(message)
                time.sleep(0.2)

    def _wait_for_ops_items(self, expected: Mapping[str, list[str]]) -> None:
        """Wait until each account has exactly OpsItems of these statuses."""
        deadline = time.monotonic() + EVALUATION_SECONDS
        while wrong := [account_id for account_id in expected if self._statuses(account_id) != expected[account_id]]:
            if time.monotonic() > deadline:
                message = f"OpsItems other than expected are in {', '.join(wrong)}"
                raise UnexpectedError(message)
            time.sleep(0.2)

    def _statuses(self, account_id: str) -> list[str]:
        return [str(item["Status"]) for item in self._operator.ops_items(account_id)]

    def _calls(self, account_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the calls that evaluations made since the last look, by the evaluated account."""
        calls: dict[str, list[str]] = {account_id: [] for account_id in account_ids}
        for call in self._client.take_calls():
            evaluates = f":assumed-role/{EVALUATION_ROLE_NAME}/" in call["principal"]
            if evaluates and call["account_id"] in calls:
                calls[call["account_id"]].append(call["action"])
        return {account_id: tuple(actions) for account_id, actions in calls.items()}

    def _row(self, account_id: str) -> Row:
        result = self._result(account_id)
        if result is None:
            message = f"{account_id} has no result"
            raise UnexpectedError(message)
        return Row(account_id, result["ComplianceType"], result["Annotation"])

    def _result(self, account_id: str) -> "EvaluationResultTypeDef | None":
        results = self._config(account_id).get_compliance_details_by_resource(
            ResourceType="AWS::::Account", ResourceId=account_id
        )["EvaluationResults"]
        return results[0] if results else None

    def _config(self, account_id: str) -> "ConfigServiceClient":
        config: ConfigServiceClient = boto3_client(self._client, "config", account_id)
        return config


def _coloured(compliance: str) -> str:
    return f"[{'green' if compliance == 'COMPLIANT' else 'red'}]{compliance}[/]"


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
            with LocalAwsProcess(ORGANIZATION, log) as client:
                with Operator(client, CENTRAL_ACCOUNT_ID) as operator:
                    Demo(client, operator, console, Path(directory)).run()
                console.print(f"\nEverything was as expected, in {time.monotonic() - began:.0f} s.")
                console.print(
                    "\n[bold]How to go on[/]\n"
                    "  make demo KEEP=1      the same, and keep the local AWS running for the AWS CLI and boto3\n"
                    "  make local-aws        an empty local AWS to deploy to yourself\n"
                    "  make deploy           deploy to the AWS account of your credentials\n"
                    "  make preflight        see what the deployment for your organization needs\n"
                )
                if keep:
                    console.print(describe(client, client.accounts()), highlight=False)
                    console.print("Ctrl-C stops it.")
                    signal.pause()
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return 0 if keep else 130
        except (UnexpectedError, DeploymentError, LocalAwsError, TimeoutError) as error:
            console.print(f"\n[red]Not as expected:[/] {error}", highlight=False)
            if log.exists():
                console.print(log.read_text(encoding="utf-8", errors="replace")[-3000:], highlight=False, markup=False)
            return 1
    return 0


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
