"""The operator's way through an organization: preflight, deploy, report and delete, each as it is run from a shell."""

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.clients import boto3_client
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.organization import Ran, environment, run

MANAGEMENT, CENTRAL = "111111111111", "222222222222"
CIS = "cis-aws-5.0"
VIRTUAL, BARE, EXCLUDED, NOT_RECORDING = "310000000001", "310000000002", "310000000003", "310000000004"
ORGANIZATION, ROOT = "o-a1b2c3d4e5", "r-a1b2"
NAME = "<script>alert(1)</script>"
PATIENCE = 600
"""Seconds in which a command must print something."""

ACCOUNTS = f"""
organization:
  id: {ORGANIZATION}
  root_id: {ROOT}
  management_account: "{MANAGEMENT}"
  trusted_services:
    - config.amazonaws.com
    - config-multiaccountsetup.amazonaws.com
    - member.org.stacksets.cloudformation.amazonaws.com
  delegated_administrators:
    "{CENTRAL}":
      - config.amazonaws.com
      - config-multiaccountsetup.amazonaws.com
      - member.org.stacksets.cloudformation.amazonaws.com
  units:
    Workloads/Production: ["{VIRTUAL}", "{BARE}", "{EXCLUDED}", "{NOT_RECORDING}"]
accounts:
  "{MANAGEMENT}": {{ name: management }}
  "{CENTRAL}": {{ name: security, root_user: {{ virtual_mfa_devices: [phone] }} }}
  "{VIRTUAL}": {{ name: "{NAME}", root_user: {{ virtual_mfa_devices: [phone] }} }}
  "{BARE}": {{ name: bare }}
  "{EXCLUDED}": {{ name: sandbox }}
  "{NOT_RECORDING}": {{ name: silent, recorder: false }}
"""


@dataclass(frozen=True)
class Way:
    """What came of each command on the way; `account` is of the report's JSON, by account id."""

    preflight: Ran
    preflight_of_a_member: Ran
    report_before: Ran
    unanswered: Ran
    deployment: Ran
    report: Ran
    accepting: list[Ran]
    page: str
    account: dict[str, dict[str, Any]]
    preflight_after: Ran
    unconfirmed: Ran
    deletion: Ran
    deletion_again: Ran
    rules_after: list[Any]
    roles_after: list[str]


class Terminal:
    """A command that runs on a terminal, and somebody who answers its questions."""

    def __init__(self, aws: LocalAwsProcess, account_id: str, directory: Path, *arguments: str) -> None:
        """Run the command; what the SAM CLI leaves behind is in `directory`."""
        self._own, other = pty.openpty()
        self.printed = ""
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "organization", *arguments],
            cwd=PROJECT,
            env={**environment(aws, account_id), "TERM": "dumb", "TMPDIR": str(directory)},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def answer(self, question: str, answer: str) -> None:
        """Wait for a question, and type the answer."""
        while question not in self.printed:
            assert self._read(), self.printed
        self.printed = self.printed.partition(question)[2]
        os.write(self._own, f"{answer}\n".encode())

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        while self._read():
            pass
        os.close(self._own)
        return self._process.wait()

    def _read(self) -> bool:
        poll = select.poll()  # select.select() takes no descriptor above 1,023
        poll.register(self._own)
        assert poll.poll(PATIENCE * 1000), f"the command printed nothing more:\n{self.printed}"
        try:
            read = os.read(self._own, 4096)
        except OSError:  # Linux says so when the last process has closed the terminal
            return False
        self.printed += read.decode(errors="replace").replace("\r", "")
        return bool(read)


@dataclass(frozen=True)
class OneAccount:
    """A deployment for one account: made on a terminal, made again, and changed."""

    code: int
    printed: str
    rules: list[str]
    again: Ran
    changed: Ran
    parameters: dict[str, str]


@pytest.fixture(scope="module")
def one_account(tmp_path_factory: pytest.TempPathFactory) -> OneAccount:
    """Deploy to one account, answering questions, and then without any."""
    directory = tmp_path_factory.mktemp("one-account")
    (directory / "accounts.yaml").write_text(ACCOUNTS, encoding="utf-8")
    with LocalAwsProcess(directory / "accounts.yaml", directory / "local-aws.log") as aws:
        terminal = Terminal(aws, BARE, directory, "deploy", "--no-build")
        terminal.answer("(account, organization) [account]: ", "")
        terminal.answer("NoticeEmail (optional): ", "nobody")
        terminal.answer("NoticeEmail (optional): ", "owner@example.com")
        terminal.answer("AlarmEmail (optional): ", "")
        terminal.answer("Deploy this changeset? [y/N]: ", "y")
        code = terminal.end()
        rules = boto3_client(aws, "config", BARE).describe_config_rules()["ConfigRules"]
        again = run(aws, BARE, "deploy", "--no-build", "--yes")
        parameters = ("--parameter", "NoticeEmail=", "--parameter", "NonVirtualMfa=COMPLIANT")
        changed = run(aws, BARE, "deploy", "--no-build", "--yes", *parameters)
        [stack] = boto3_client(aws, "cloudformation", BARE).describe_stacks(StackName="root-virtual-mfa")["Stacks"]
        values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
        return OneAccount(code, terminal.printed, [each["ConfigRuleName"] for each in rules], again, changed, values)


def test_questions_are_asked_on_a_terminal(one_account: OneAccount) -> None:
    assert one_account.code == 0, one_account.printed
    assert one_account.rules == ["root-virtual-mfa-enabled"]
    assert "Confirm the subscriptions of owner@example.com" in one_account.printed


def test_deployment_that_changes_nothing(one_account: OneAccount) -> None:
    assert one_account.again.code == 0, one_account.again
    assert "is as it was" in one_account.again.printed


def test_deployment_that_changes_parameters(one_account: OneAccount) -> None:
    assert one_account.changed.code == 0, one_account.changed
    assert "is deployed." in one_account.changed.printed
    assert one_account.parameters["NoticeEmail"] == ""
    assert one_account.parameters["NonVirtualMfa"] == "COMPLIANT"


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Go the whole way once; in an account without a recorder the pack fails, and so the deployment."""
    directory = tmp_path_factory.mktemp("organization")
    (directory / "accounts.yaml").write_text(ACCOUNTS, encoding="utf-8")
    page, document, reasons = (directory / name for name in ("report.html", "report.json", "reasons.yaml"))
    reasons.write_text(f'"{EXCLUDED}": Emptied every night.\n', encoding="utf-8")
    with LocalAwsProcess(directory / "accounts.yaml", directory / "local-aws.log") as aws:
        preflight = run(aws, CENTRAL, "preflight")
        preflight_of_a_member = run(aws, BARE, "preflight", "--removal")
        report_before = run(aws, CENTRAL, "report")
        deploy = ("deploy", "--scope", "organization", "--no-build")
        unanswered = run(aws, CENTRAL, *deploy)
        deployment = run(aws, CENTRAL, *deploy, "--yes", "--parameter", f"ExcludedAccounts={EXCLUDED}")

        def reported() -> tuple[Ran, dict[str, dict[str, Any]]] | None:
            options = ("--output", str(page), "--output", str(document), "--exclusions", str(reasons), "--framework", CIS)
            ran = run(aws, CENTRAL, "report", *options)
            accounts = {each["account_id"]: each for each in json.loads(document.read_text(encoding="utf-8"))["accounts"]}
            unknown = any(accounts[each]["frameworks"][CIS]["unknown"] for each in (CENTRAL, VIRTUAL, BARE))
            return None if unknown else (ran, accounts)

        report, accounts = wait_for(reported, "the results of the three accounts")
        accepting = []
        for until in ("2999-12-31", "2000-12-31"):
            exceptions = f'accepted: {{"{BARE}": {{reason: No phones, control: Two safes, owner: security, until: {until}}}}}'
            reasons.write_text(exceptions, encoding="utf-8")
            accepting.append(run(aws, CENTRAL, "report", "--format", "csv", "--exceptions", str(reasons)))
        preflight_after = run(aws, CENTRAL, "preflight")
        unconfirmed = run(aws, CENTRAL, "delete")
        deletion = run(aws, CENTRAL, "delete", "--yes")
        deletion_again = run(aws, CENTRAL, "delete", "--yes")
        rules = boto3_client(aws, "config", VIRTUAL).describe_config_rules()["ConfigRules"]
        roles = [role["RoleName"] for role in boto3_client(aws, "iam", VIRTUAL).list_roles()["Roles"]]
        yield Way(
            preflight,
            preflight_of_a_member,
            report_before,
            unanswered,
            deployment,
            report,
            accepting,
            page.read_text(encoding="utf-8"),
            accounts,
            preflight_after,
            unconfirmed,
            deletion,
            deletion_again,
            rules,
            roles,
        )


def test_preflight_finds_nothing_missing_and_says_how_to_deploy(way: Way) -> None:
    assert way.preflight.code == 0, way.preflight.printed
    assert " 0 missing, " in way.preflight.printed
    assert "\n  root-virtual-mfa deploy --scope organization\n" in way.preflight.printed


def test_preflight_of_a_member_says_what_to_register(way: Way) -> None:
    assert f"register-delegated-administrator --account-id {BARE} " in way.preflight_of_a_member.printed
    assert "enable-aws-service-access --service-principal iam.amazonaws.com" in way.preflight_of_a_member.printed
    assert "aws iam enable-organizations-root-credentials-management" in way.preflight_of_a_member.printed


def test_preflight_knows_the_deployment(way: Way) -> None:
    assert "It is CREATE_FAILED: a deployment updates it." in way.preflight_after.printed


def test_deployment_says_what_it_needs(way: Way) -> None:
    assert way.unanswered.code == 2
    assert "give --yes" in way.unanswered.said


def test_deployment_reads_the_organization_and_says_that_an_account_failed(way: Way) -> None:
    assert way.deployment.code == 1, way.deployment
    for value in (f"OrganizationId={ORGANIZATION}", f"OrganizationRootId={ROOT}", f"ManagementAccountId={MANAGEMENT}"):
        assert f"\n  {value}\n" in way.deployment.printed
    assert "`root-virtual-mfa report` lists the accounts" in way.deployment.printed
    assert "does not name the organization" not in way.deployment.printed


def test_report_needs_a_deployment(way: Way) -> None:
    assert way.report_before.code == 2
    assert "There is no stack root-virtual-mfa" in way.report_before.said


def test_report_has_every_account(way: Way) -> None:
    assert {account_id: account["status"] for account_id, account in way.account.items()} == {
        MANAGEMENT: "UNKNOWN",
        CENTRAL: "COMPLIANT",
        VIRTUAL: "COMPLIANT",
        BARE: "NON_COMPLIANT",
        EXCLUDED: "EXCLUDED",
        NOT_RECORDING: "UNKNOWN",
    }
    assert way.report.code == 1
    assert way.account[BARE]["ou_path"] == "Root/Workloads/Production"
    assert way.account[BARE]["annotation"].startswith("The root user has no MFA")
    assert way.account[EXCLUDED]["reason"] == "Emptied every night."


def test_a_failure_is_accepted_until_a_day_and_a_plain_one_after_it(way: Way) -> None:
    accepted, ended = (
        {each["account_id"]: each for each in csv.DictReader(io.StringIO(ran.printed, newline=""))} for ran in way.accepting
    )
    assert [each[BARE]["status"] for each in (accepted, ended)] == ["ACCEPTED", "NON_COMPLIANT"]
    assert [accepted[BARE][key] for key in ("reason", "control", "owner", "until")] == [
        *("No phones", "Two safes", "security", "2999-12-31")
    ]
    assert "was accepted until 2000-12-31, and no longer is." in ended[BARE]["advice"]
    assert accepted[VIRTUAL]["status"] == "COMPLIANT"


def test_report_says_which_controls_of_a_framework_are_satisfied(way: Way) -> None:
    found = {account_id: account["frameworks"][CIS] for account_id, account in way.account.items()}
    for account_id in (CENTRAL, VIRTUAL):
        assert found[account_id] == {"satisfied": ["1.4"], "not satisfied": ["1.5"], "unknown": []}
    assert found[BARE] == {"satisfied": [], "not satisfied": ["1.4", "1.5"], "unknown": []}
    for account_id in (MANAGEMENT, EXCLUDED, NOT_RECORDING):
        assert found[account_id] == {"satisfied": [], "not satisfied": [], "unknown": ["1.4", "1.5"]}


def test_report_says_why_an_account_is_not_watched_and_what_fixes_it(way: Way) -> None:
    [management] = way.account[MANAGEMENT]["advice"]
    assert "management account is not watched" in management["why"]
    assert management["commands"][0].startswith("root-virtual-mfa deploy --management-account ")
    [silent] = way.account[NOT_RECORDING]["advice"]
    assert "recorder" in silent["action"]
    [command] = silent["commands"]
    assert command.startswith("aws configservice put-organization-conformance-pack ")
    assert f"--excluded-accounts {MANAGEMENT} {EXCLUDED}" in command


def test_page_has_every_account_and_takes_names_for_text(way: Way) -> None:
    assert all(f'data-account="{account_id}"' in way.page for account_id in way.account)
    assert NAME not in way.page


def test_deletion_asks_first(way: Way) -> None:
    assert way.unconfirmed.code == 1
    assert "nothing was deleted" in way.unconfirmed.printed


def test_deletion_takes_everything_from_every_account_and_says_what_stays(way: Way) -> None:
    assert way.deletion.code == 0, way.deletion.printed
    assert way.rules_after == []
    assert not [role for role in way.roles_after if role.startswith("root-virtual-mfa")]
    events = way.deletion.printed
    assert events.index("DELETE_COMPLETE    ConformancePack") < events.index("DELETE_COMPLETE    AccountResources")
    assert "The stack aws-sam-cli-managed-default with the bucket of the SAM CLI" in events.partition("What stays behind:")[2]


def test_deletion_of_nothing_is_no_failure(way: Way) -> None:
    assert way.deletion_again.code == 0
    assert "nothing to delete" in way.deletion_again.printed
