"""The report under attack: administrators make rules that say what they like, and write to the operator's screen."""

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from demo.sam import RULE_NAME, STACK_NAME, DeploymentError
from local_aws.client import REGION, LocalAwsProcess
from tests.e2e.application import start_recorder
from tests.e2e.attacker import SAID, administrator, make_rule, user
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, run, write_accounts
from tests.e2e.packaged import deploy_organization

PACK_LIKE = f"{RULE_NAME}-conformance-pack-a1b2c3d4e"
"""A name as AWS Config gives it to a rule of a pack."""

# In these the pack arrived: the root user has no MFA in the accounts of the first line, and a device in those of the second.
BESIDE_A_FAILURE, LIKE_A_FAILURE, NO_RESULT = "310000000001", "310000000002", "310000000003"
BESIDE_A_SUCCESS, LIKE_A_SUCCESS, LIKE_A_FAILED_SUCCESS = "310000000004", "310000000005", "310000000006"
NOTED = "310000000007"
"""Nobody made a rule here. Somebody writes into the function's log that its root user, who has no MFA, has a device."""
# In these it did not, since nothing was recorded when it was put.
FAILED_EXACT, FAILED_LIKE, FAILED_ORGANIZATION_RULE = "320000000001", "320000000002", "320000000003"
FAILED = (FAILED_EXACT, FAILED_LIKE, FAILED_ORGANIZATION_RULE)

MADE = {
    BESIDE_A_FAILURE: (RULE_NAME, "COMPLIANT"),
    LIKE_A_FAILURE: (PACK_LIKE, "COMPLIANT"),
    NO_RESULT: (PACK_LIKE, "COMPLIANT"),
    BESIDE_A_SUCCESS: (RULE_NAME, "NON_COMPLIANT"),
    LIKE_A_SUCCESS: (PACK_LIKE, "COMPLIANT"),
    LIKE_A_FAILED_SUCCESS: (PACK_LIKE, "NON_COMPLIANT"),
    FAILED_EXACT: (RULE_NAME, "COMPLIANT"),
    FAILED_LIKE: (PACK_LIKE, "COMPLIANT"),
    FAILED_ORGANIZATION_RULE: (f"OrgConfigRule-{RULE_NAME}-a1b2c3d4", "COMPLIANT"),
}
"""The rule that the administrator of each account makes, and what it says."""

STATUSES = {
    MANAGEMENT: "UNKNOWN",
    CENTRAL: "COMPLIANT",
    BESIDE_A_FAILURE: "NON_COMPLIANT",
    LIKE_A_FAILURE: "NON_COMPLIANT",
    NO_RESULT: "UNKNOWN",
    BESIDE_A_SUCCESS: "COMPLIANT",
    LIKE_A_SUCCESS: "UNKNOWN",
    LIKE_A_FAILED_SUCCESS: "NON_COMPLIANT",
    NOTED: "NON_COMPLIANT",
    **dict.fromkeys(FAILED, "UNKNOWN"),
}

HOSTILE = "\x1b]0;x\x07\x1b[2J\r\n    aws iam delete-user --user-name me\u202e\u2028<img src=x onerror=alert(1)>"


def note(organization: Organization, account_id: str) -> None:
    """Write the last line about an account into the journal again, with another verdict, by a user who may write there."""
    # A stack whose creation failed has no outputs.
    resource = {"StackName": STACK_NAME, "LogicalResourceId": "FunctionLogGroup"}
    described = organization.client("cloudformation").describe_stack_resource(**resource)
    group = described["StackResourceDetail"]["PhysicalResourceId"]
    pattern = f'{{ ($.message = "evaluation") && ($.account = "{account_id}") }}'
    [event] = organization.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    line = json.loads(event["message"]) | {"verdict": "COMPLIANT", "annotation": SAID, "rootVirtualMfaDevices": 1}
    allowed = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    logs = user(organization.aws, CENTRAL, "writer", allowed).client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName="forged")
    written = [{"timestamp": event["timestamp"] + 1, "message": json.dumps(line)}]
    logs.put_log_events(logGroupName=group, logStreamName="forged", logEvents=written)


@dataclass(frozen=True)
class Reported:
    """One report in each of its formats, by the suffix of the file. `accounts` comes from the JSON, by account id."""

    printed: str
    texts: dict[str, str]
    accounts: dict[str, dict[str, Any]]
    results: dict[str, list[dict[str, Any]]]
    """What the deployment's own rule has in some accounts."""

    def whys(self, account_id: str) -> str:
        return " ".join(advice["why"] for advice in self.accounts[account_id]["advice"])


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Report an organization whose administrators have made their rules, and whose accounts have hostile names."""
    directory = tmp_path_factory.mktemp("report-attacks")
    having = (MANAGEMENT, CENTRAL, BESIDE_A_SUCCESS, LIKE_A_SUCCESS, LIKE_A_FAILED_SUCCESS)
    own = (BESIDE_A_FAILURE, LIKE_A_FAILURE, BESIDE_A_SUCCESS, LIKE_A_SUCCESS, LIKE_A_FAILED_SUCCESS)
    accounts = {
        **{account_id: {"root_user": {"virtual_mfa_devices": ["phone"]}} for account_id in having},
        **{account_id: {"name": "bare"} for account_id in (LIKE_A_FAILURE, NO_RESULT, NOTED)},
        **{account_id: {"name": "silent", "recorder": False} for account_id in FAILED},
        BESIDE_A_FAILURE: {"name": HOSTILE},
    }
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as aws:
        # No evaluation of this account ever ends: its administrator may take the role away as well.
        aws.add_fault(NO_RESULT, "iam:GetAccountSummary", "AccessDenied")
        with pytest.raises(DeploymentError):
            deploy_organization(aws, CENTRAL)
        organization = Organization(aws, CENTRAL)
        results = {account_id: [organization.result(account_id)] for account_id in (CENTRAL, *own, NOTED)}
        results[NO_RESULT] = organization.results(NO_RESULT)
        for account_id in FAILED:
            start_recorder(aws, account_id)
        for account_id, (name, compliance) in MADE.items():
            make_rule(administrator(aws, account_id), name, compliance, f"{SAID} {HOSTILE}")
        note(organization, NOTED)
        files = {suffix: directory / f"report.{suffix}" for suffix in ("txt", "csv", "json", "html")}
        ran = run(aws, CENTRAL, "report", *(word for path in files.values() for word in ("--output", str(path))))
    assert ran.code == 1, ran.said
    texts = {suffix: path.read_text(encoding="utf-8") for suffix, path in files.items()}
    found = {each["account_id"]: each for each in json.loads(texts["json"])["accounts"]}
    return Reported(ran.printed, texts, found, results)


def test_only_the_deployments_own_rule_decides_in_every_format(reported: Reported) -> None:
    assert {account_id: account["status"] for account_id, account in reported.accounts.items()} == STATUSES
    rows = csv.DictReader(io.StringIO(reported.texts["csv"], newline=""))
    assert {row["account_id"]: row["status"] for row in rows} == STATUSES
    rows_of_page = re.findall(r'<tr data-account="(\d+)" data-status="(\w+)">', reported.texts["html"])
    assert dict(rows_of_page) == STATUSES
    counts = "4 NON_COMPLIANT, 6 UNKNOWN, 2 COMPLIANT"
    assert reported.printed.endswith(f"12 accounts: {counts}\n")
    assert reported.texts["txt"].endswith(f"12 accounts: {counts}\n")


def test_own_rule_says_what_is_true_if_it_has_a_result(reported: Reported) -> None:
    for account_id in (BESIDE_A_FAILURE, BESIDE_A_SUCCESS):
        [result] = reported.results[account_id]
        account = reported.accounts[account_id]
        assert (account["status"], account["annotation"]) == (result["ComplianceType"], result["Annotation"])
    assert reported.results[NO_RESULT] == []


@pytest.mark.parametrize("account_id", [each for each in MADE if each != FAILED_ORGANIZATION_RULE])
def test_report_tells_of_the_rule_that_somebody_made(reported: Reported, account_id: str) -> None:
    name, _ = MADE[account_id]
    assert name in reported.accounts[account_id]["rule_names"]
    assert "somebody made a rule of this name" in reported.whys(account_id)
    commands = [command for advice in reported.accounts[account_id]["advice"] for command in advice["commands"]]
    assert any(command.startswith("aws configservice describe-config-rules ") and name in command for command in commands)
    for suffix in ("csv", "html"):
        assert reported.texts[suffix].count("somebody made a rule of this name") >= len(MADE) - 1


def test_line_that_somebody_wrote_into_the_log_makes_no_account_compliant_and_is_told(reported: Reported) -> None:
    assert "The journal says COMPLIANT" in reported.whys(NOTED)
    assert "and AWS Config says NON_COMPLIANT." in reported.whys(NOTED)
    [result] = reported.results[NOTED]
    assert reported.accounts[NOTED]["annotation"] == result["Annotation"]


def test_rule_of_another_name_is_nobodys_business(reported: Reported) -> None:
    assert reported.accounts[FAILED_ORGANIZATION_RULE]["rule_names"] == []
    assert "somebody" not in reported.whys(FAILED_ORGANIZATION_RULE)


def test_what_administrators_write_is_shown_and_does_nothing(reported: Reported) -> None:
    for suffix in ("txt", "csv", "html"):
        text = reported.texts[suffix].replace("\r\n", "\n")
        assert all(line.isprintable() for line in text.split("\n")), suffix
        assert r"\x1b]0;x\x07\x1b[2J\r\n" in text.replace("\n", ""), suffix
    assert all(line.isprintable() for line in reported.printed.split("\n"))
    assert not [line for line in reported.printed.split("\n") if line.strip().startswith("aws iam")]
    assert "<img" not in reported.texts["html"]
    assert reported.texts["json"].isascii()
    assert reported.accounts[BESIDE_A_FAILURE]["account_name"] == HOSTILE
    assert reported.accounts[LIKE_A_FAILED_SUCCESS]["annotation"] == f"{SAID} {HOSTILE}"


def test_commands_of_the_report_show_and_delete_the_rule(reported: Reported) -> None:
    [advice] = reported.accounts[BESIDE_A_SUCCESS]["advice"]
    show, delete = advice["commands"]
    assert show == f"aws configservice describe-config-rules --region {REGION} --config-rule-names {RULE_NAME}"
    assert delete == f"aws configservice delete-config-rule --region {REGION} --config-rule-name {RULE_NAME}"
