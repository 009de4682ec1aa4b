"""The operator's way through an organization: preflight, deployment, report, deletion, each as it is run from a shell."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.sam import DeploymentError, sam
from local_aws.client import LocalAwsProcess
from tests.e2e.organization import Ran, run

MANAGEMENT, CENTRAL = "111111111111", "222222222222"
VIRTUAL, BARE, EXCLUDED, NOT_RECORDING = "310000000001", "310000000002", "310000000003", "310000000004"
ORGANIZATION, ROOT = "o-a1b2c3d4e5", "r-a1b2"
NAME = "<script>alert(1)</script>"
RESULTS_SECONDS = 60

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
    report: Ran
    page: str
    account: dict[str, dict[str, Any]]
    preflight_after: Ran
    unconfirmed: Ran
    deletion: Ran
    deletion_again: Ran
    rules_after: list[Any]
    roles_after: list[str]


def deploy_though_one_account_fails(aws: LocalAwsProcess) -> None:
    """Deploy for the organization, without rollback; in an account without a recorder the pack fails, and so the stack."""
    parameters = {
        "OrganizationId": ORGANIZATION,
        "OrganizationRootId": ROOT,
        "ManagementAccountId": MANAGEMENT,
        "ExcludedAccounts": EXCLUDED,
    }
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    with pytest.raises(DeploymentError):
        sam(
            aws,
            CENTRAL,
            "deploy",
            "--config-env",
            "organization",
            "--no-confirm-changeset",
            "--parameter-overrides",
            *overrides,
        )


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Go the whole way once."""
    directory = tmp_path_factory.mktemp("organization")
    (directory / "accounts.yaml").write_text(ACCOUNTS, encoding="utf-8")
    page, document, reasons = (directory / name for name in ("report.html", "report.json", "reasons.yaml"))
    reasons.write_text(f'"{EXCLUDED}": Emptied every night.\n', encoding="utf-8")
    with LocalAwsProcess(directory / "accounts.yaml", directory / "local-aws.log") as aws:
        preflight = run(aws, CENTRAL, "preflight")
        preflight_of_a_member = run(aws, BARE, "preflight")
        report_before = run(aws, CENTRAL, "report")
        deploy_though_one_account_fails(aws)
        deadline = time.monotonic() + RESULTS_SECONDS
        while True:
            options = ("--output", str(page), "--output", str(document), "--exclusions", str(reasons))
            report = run(aws, CENTRAL, "report", *options)
            accounts = {each["account_id"]: each for each in json.loads(document.read_text(encoding="utf-8"))["accounts"]}
            if all(accounts[each]["result_time"] for each in (CENTRAL, VIRTUAL, BARE)) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
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
            report,
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
    parameters = f"OrganizationId={ORGANIZATION} OrganizationRootId={ROOT} ManagementAccountId={MANAGEMENT}"
    assert f'make deploy CONFIG_ENV=organization ARGS="--parameter-overrides {parameters}"' in way.preflight.printed


def test_preflight_of_a_member_says_what_to_register(way: Way) -> None:
    assert f"register-delegated-administrator --account-id {BARE} " in way.preflight_of_a_member.printed


def test_preflight_knows_the_deployment(way: Way) -> None:
    assert "It is CREATE_FAILED: a deployment updates it." in way.preflight_after.printed


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


def test_report_says_why_an_account_is_not_watched_and_what_mends_it(way: Way) -> None:
    [management] = way.account[MANAGEMENT]["advice"]
    assert "management account is not watched" in management["why"]
    assert management["commands"][0].startswith("aws cloudformation deploy ")
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
