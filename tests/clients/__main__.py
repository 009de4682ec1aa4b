"""Let Prowler and Cloud Custodian look at the root users of the demo's organization, and show the rule's verdict beside theirs.

Exit code 0: each tool answers in every account what it says about itself, less the known differences.
Exit code 1: one answers something else, or no longer has a known difference.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from demo.clients import boto3_client
from demo.sam import deploy_account, deploy_organization
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsProcess
from tests.clients.expectations import CUSTODIAN, DIFFERENCES, NOTHING, ORGANIZATION_CHECK, PROWLER, Difference, Root

ORGANIZATION = PROJECT / "local_aws/organization.yaml"
CENTRAL = "222222222222"
PROWLER_PYTHON = PROJECT / ".venvs/prowler/bin/python"
CUSTODIAN_PROGRAM = PROJECT / ".venvs/cloud-custodian/bin/custodian"
POLICIES = PROJECT / "tests/clients/custodian.yaml"
EVALUATION_SECONDS = 900

Answers = Mapping[str, str]
"""What a tool answers to each of its checks: "PASS", "FAIL", "matches", "" for nothing, or the kind of an error."""


@dataclass(frozen=True)
class Row:
    """An account: its root user, the rule's verdict, the answers of the tools, and what is wrong with these."""

    root: Root
    verdict: str
    answers: Answers
    wrong: Sequence[str]
    differences: Sequence[Difference]

    @property
    def cells(self) -> tuple[str, ...]:
        """Return what the table shows of it. A number tells which difference it is."""
        numbers = {each.check: f" ({DIFFERENCES.index(each) + 1})" for each in self.differences}
        shown = (f"{_shown(check, answer)}{numbers.get(check, '')}" for check, answer in self.answers.items())
        return (str(self.root), self.verdict, *shown)


def main() -> int:
    """Print the table; returns the exit code."""
    console = Console(width=400)
    content = yaml.safe_load(ORGANIZATION.read_text(encoding="utf-8"))
    roots = {account_id: Root.of(settings["root_user"]) for account_id, settings in content["accounts"].items()}
    management = content["organization"]["management_account"]
    with TemporaryDirectory(prefix="clients-") as directory, LocalAwsProcess(ORGANIZATION, Path(directory, "log")) as aws:
        deploy_account(aws, management, CENTRAL)
        deploy_organization(aws, CENTRAL, {"ManagementAccountHasEvaluationRole": "true"})
        verdicts = {account_id: _verdict(aws, account_id) for account_id in roots}
        prowler = _prowler(aws, list(roots))
        with ThreadPoolExecutor() as pool:
            custodian = dict(zip(roots, pool.map(partial(_custodian, aws, Path(directory)), roots), strict=True))
    rows = {
        account_id: _judge(
            root,
            verdicts[account_id],
            {**prowler[account_id], **custodian[account_id]},
            administers=account_id in {management, CENTRAL},
        )
        for account_id, root in roots.items()
    }
    _show(console, rows.values())
    return _exit_code(console, rows)


# The package and the tools


def _verdict(aws: LocalAwsClient, account_id: str) -> str:
    """Return what AWS Config says about an account, as soon as it was evaluated. Raises TimeoutError."""
    config = boto3_client(aws, "config", account_id)
    deadline = time.monotonic() + EVALUATION_SECONDS
    while time.monotonic() < deadline:
        resource = {"ResourceType": "AWS::::Account", "ResourceId": account_id}
        for result in config.get_compliance_details_by_resource(**resource)["EvaluationResults"]:
            return str(result["ComplianceType"])
        time.sleep(0.2)
    message = f"{account_id} was not evaluated within {EVALUATION_SECONDS} s."
    raise TimeoutError(message)


def _prowler(aws: LocalAwsClient, account_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    checks = ",".join([*PROWLER, ORGANIZATION_CHECK])
    command = [str(PROWLER_PYTHON), "tests/clients/prowler_checks.py", checks, *account_ids]
    answers: dict[str, dict[str, str]] = json.loads(_run(command, _environment(aws, CENTRAL)))
    return answers


def _custodian(aws: LocalAwsClient, directory: Path, account_id: str) -> dict[str, str]:
    output = directory / account_id
    command = [str(CUSTODIAN_PROGRAM), "run", "--output-dir", str(output), "--cache-period", "0", "--quiet", str(POLICIES)]
    _run(command, _environment(aws, account_id))
    matches = {name: json.loads((output / name / "resources.json").read_text(encoding="utf-8")) for name in CUSTODIAN}
    return {name: "matches" if found else NOTHING for name, found in matches.items()}


def _environment(aws: LocalAwsClient, account_id: str) -> dict[str, str]:
    """Return an environment from which a tool reaches the local AWS only: its proxy for all else is not there."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    here = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    return {**others, **nowhere, **here, **files, **aws.environment(account_id)}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a program prints. Raises RuntimeError with its messages if it fails."""
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - the tools
    if ran.returncode:
        message = f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stderr[-3000:]}"
        raise RuntimeError(message)
    return ran.stdout


# What is right


def _judge(root: Root, verdict: str, answers: Answers, *, administers: bool) -> Row:
    """Compare answers with what the tools say of themselves, and with the known differences."""
    expected = {
        **{check: expect(root) for check, expect in PROWLER.items()},
        ORGANIZATION_CHECK: "PASS" if administers else NOTHING,
        **{policy: "matches" if expect(root) else NOTHING for policy, expect in CUSTODIAN.items()},
    }
    differences = [each for each in DIFFERENCES if each.of(root) and each.answer != expected[each.check]]
    expected |= {each.check: each.answer for each in differences}
    wrong = [
        f"{check}: {_shown(check, answers[check])} instead of {_shown(check, answer)}"
        for check, answer in expected.items()
        if answers[check] != answer
    ]
    return Row(root, verdict, answers, wrong, differences)


# What it prints


def _shown(check: str, answer: str) -> str:
    return answer or ("no match" if check in CUSTODIAN else "no finding")


def _show(console: Console, rows: Iterable[Row]) -> None:
    table = Table("Accounts", "Root user", "This rule", *PROWLER, ORGANIZATION_CHECK, *CUSTODIAN, box=MARKDOWN)
    for cells, accounts in Counter(row.cells for row in rows).items():
        table.add_row(str(accounts), *cells)
    console.print(table)
    for number, difference in enumerate(DIFFERENCES, 1):
        console.print(f"{number}. `{difference.check}`: {difference.why}", highlight=False, markup=False)


def _exit_code(console: Console, rows: Mapping[str, Row]) -> int:
    for account_id, row in rows.items():
        for message in row.wrong:
            console.print(f"{account_id} ({row.root}): {message}.", highlight=False, markup=False, style="red")
    unmet = [each for each in DIFFERENCES if not any(each in row.differences for row in rows.values())]
    for each in unmet:
        console.print(
            f"No account meets this difference of {each.check}: {each.why}", highlight=False, markup=False, style="red"
        )
    return 1 if unmet or any(row.wrong for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
