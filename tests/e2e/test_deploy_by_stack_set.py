"""The operator's way through a rollout by organizational unit; AWS Config does not name the organization when it invokes."""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.sam import RULE_NAME
from local_aws.client import LocalAwsProcess
from tests.e2e.organization import CENTRAL, MANAGEMENT, Ran, StagedOrganization, run, unit_id, write_accounts

VIRTUAL, OTHER, TOY = (f"31000000000{number}" for number in range(1, 4))
EVERYONE = (MANAGEMENT, CENTRAL, VIRTUAL, OTHER, TOY)
HAS_DEVICE: dict[str, Any] = {"root_user": {"virtual_mfa_devices": ["phone"]}}
ONE_DEVICE = "The root user has 1 virtual MFA device (phone)."
UNITS = {"Security": [CENTRAL], "Workloads/Production": [VIRTUAL, OTHER], "Sandbox": [TOY]}


@dataclass(frozen=True)
class Way:
    """What came of each command; `rules` and `roles` are by account id, in the accounts that have any."""

    units: Mapping[str, str]
    refused: Ran
    preflight: Ran
    made: Ran
    annotations: Mapping[str, str]
    rules: Mapping[str, list[str]]
    statuses: Mapping[str, str]
    advised: list[str]
    in_other_account: Ran
    management: Ran
    management_again: Ran
    watched: Ran
    of_management: str
    added: Ran
    of_added: str
    deletion_of_management: Ran
    stuck: Ran
    deletion: Ran
    again: list[Ran]
    left: Mapping[str, tuple[list[str], set[str]]]


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Go the whole way: to one unit, with the management account, to one unit more, and back to nothing."""
    directory = tmp_path_factory.mktemp("by-stack-set")
    accounts_file = write_accounts(directory, dict.fromkeys(EVERYONE, HAS_DEVICE), UNITS)
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        aws.switch("withhold-source-org-id", on=True)
        aws.switch("recreate-failed-resources", on=True)  # test_organization_deployment.py has the other answer, for a pack

        def deploy(account_id: str, *arguments: str) -> Ran:
            return run(aws, account_id, "deploy", "--no-build", "--yes", *arguments)

        def to(*paths: str) -> tuple[str, ...]:
            given = f"OrganizationalUnitIds={','.join(paths)}"
            return "--parameter", "RuleDeployment=StackSet", "--parameter", given

        refused = deploy(CENTRAL, "--scope", "organization", *to("Workloads", "Workloads/Production"))
        preflight = run(aws, CENTRAL, "preflight", *to("Workloads"))
        made = deploy(CENTRAL, "--scope", "organization", *to("Workloads"))
        organization = StagedOrganization(aws, CENTRAL)
        annotations = {each: organization.result(each)["Annotation"] for each in (VIRTUAL, OTHER)}
        rules = present(organization)
        report = organization.report()
        [advice] = report[MANAGEMENT]["advice"]
        _, *arguments = shlex.split(advice["commands"][0])
        in_other_account = run(aws, CENTRAL, *arguments, "--yes")
        management = run(aws, MANAGEMENT, *arguments, "--yes")
        management_again = run(aws, MANAGEMENT, *arguments, "--yes")
        watched = deploy(CENTRAL, "--parameter", "ManagementAccountHasEvaluationRole=true")
        of_management = organization.result(MANAGEMENT)["Annotation"]
        added = deploy(CENTRAL, *to("Workloads", "Sandbox"))
        of_added = organization.result(TOY)["Annotation"]
        deletion_of_management = run(aws, MANAGEMENT, "delete", "--management-account", "--yes")
        hold(organization, VIRTUAL)
        stuck = run(aws, CENTRAL, "delete", "--yes")
        organization.client("config", VIRTUAL).delete_remediation_configuration(ConfigRuleName=RULE_NAME)
        deletion = run(aws, CENTRAL, "delete", "--yes")
        again = [run(aws, CENTRAL, "delete", "--yes"), run(aws, MANAGEMENT, "delete", "--management-account", "--yes")]
        return Way(
            {path: unit_id(aws, path) for path in ("Workloads", "Workloads/Production", "Sandbox")},
            refused,
            preflight,
            made,
            annotations,
            rules,
            {account_id: account["status"] for account_id, account in report.items()},
            arguments,
            in_other_account,
            management,
            management_again,
            watched,
            of_management,
            added,
            of_added,
            deletion_of_management,
            stuck,
            deletion,
            again,
            {each: (organization.rules(each), organization.roles(each)) for each in EVERYONE},
        )


def hold(organization: StagedOrganization, account_id: str) -> None:
    """Give the rule of an account a remediation of the account's own: AWS Config deletes no rule that has one."""
    configuration = {"ConfigRuleName": RULE_NAME, "TargetType": "SSM_DOCUMENT", "TargetId": "RootVirtualMfa-Reevaluate"}
    organization.client("config", account_id).put_remediation_configurations(RemediationConfigurations=[configuration])


def present(organization: StagedOrganization, account_ids: Collection[str] = EVERYONE) -> dict[str, list[str]]:
    """Return the rules of each account that has any."""
    return {account_id: rules for account_id in account_ids if (rules := organization.rules(account_id))}


def words(ran: Ran) -> str:
    return " ".join(ran.printed.split())


def test_units_that_contain_each_other_are_refused(way: Way) -> None:
    assert way.refused.code == 2
    assert f"Root/Workloads ({way.units['Workloads']}) contains Root/Workloads/Production" in way.refused.said


def test_preflight_says_how_many_accounts_are_in_scope(way: Way) -> None:
    assert way.preflight.code == 0, way.preflight
    assert f"Root/Workloads ({way.units['Workloads']}): 2 active accounts" in words(way.preflight)
    assert "2 accounts are in scope: 2 active accounts in these organizational units." in words(way.preflight)


def test_the_deployment_says_who_is_in_scope_before_it_begins(way: Way) -> None:
    assert way.made.code == 0, way.made
    printed = words(way.made)
    assert printed.index("2 accounts are in scope: 2 active") < printed.index("CloudFormation stack changeset")


def test_the_deployment_finds_out_who_may_invoke_and_every_account_in_scope_is_judged(way: Way) -> None:
    printed = words(way.made)
    assert "AWS Config may not invoke the function for" in printed
    assert "This deploys again, with all accounts in scope listed (InvokePermission=Accounts)." in printed
    assert way.annotations == dict.fromkeys((VIRTUAL, OTHER), ONE_DEVICE)
    assert way.rules == {account_id: [RULE_NAME] for account_id in (VIRTUAL, OTHER)}
    assert {account_id: way.statuses[account_id] for account_id in (VIRTUAL, OTHER, TOY)} == {
        **dict.fromkeys((VIRTUAL, OTHER), "COMPLIANT"),
        TOY: "NOT_IN_SCOPE",
    }


def test_the_management_account_takes_one_command_with_its_own_credentials(way: Way) -> None:
    assert way.advised[:2] == ["deploy", "--management-account"]
    assert way.in_other_account.code == 2
    assert f"is not the management account of the organization o-a1b2c3d4e5: use credentials of account {MANAGEMENT}" in (
        way.in_other_account.said
    )
    assert way.management.code == 0, way.management
    assert f"CentralAccountId={CENTRAL}" in way.management.printed
    assert "RuleDeployment=StackSet" in way.management.printed
    assert words(way.management).endswith(" --parameter ManagementAccountHasEvaluationRole=true")
    assert way.management_again.code == 0, way.management_again
    assert "The stack root-virtual-mfa-account is as it was" in way.management_again.printed
    assert way.watched.code == 0, way.watched
    assert f"New in scope: account {MANAGEMENT}." in words(way.watched)
    assert way.of_management == ONE_DEVICE


def test_a_unit_that_is_added_is_judged_too(way: Way) -> None:
    assert way.added.code == 0, way.added
    assert f"New in scope: account {TOY}." in words(way.added)
    assert way.of_added == ONE_DEVICE


def test_deletion_that_one_account_holds_up_is_repeated(way: Way) -> None:
    assert way.stuck.code == 1, way.stuck
    assert "could not be deleted. Fix this, and run this again:" in words(way.stuck)
    assert "ResourceLogicalId:ConfigRule" in words(way.stuck)
    assert [(ran.code, "nothing to delete" in ran.printed) for ran in way.again] == [(0, True), (0, True)]


def test_deletion_takes_the_rules_first_and_leaves_nothing(way: Way) -> None:
    assert way.deletion_of_management.code == 0, way.deletion_of_management
    assert "the rule, with its results in AWS Config, and roles, runbooks" in way.deletion_of_management.printed
    assert way.deletion.code == 0, way.deletion
    assert "with credentials of the management account" in words(way.deletion)
    begun = [way.stuck.printed.index(f"DELETE_IN_PROGRESS {each}\n") for each in ("AccountResources", "FunctionPolicy")]
    assert begun == sorted(begun)
    assert way.left == {account_id: ([], set()) for account_id in EVERYONE}
