"""A rollout in waves by StackSet: a wave that fails and is repeated, and accounts that come, move and go; nobody twice."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from demo.sam import RULE_NAME, DeploymentError
from local_aws.client import LocalAwsProcess
from tests.e2e.application import start_recorder
from tests.e2e.organization import CENTRAL, MANAGEMENT, StagedOrganization, run, run_aws, unit_id, write_accounts
from tests.e2e.packaged import deploy_organization

SILENT, FIRST, SECOND = (f"41000000000{number}" for number in range(3))
"""The accounts of the first wave. SILENT has no recorder, which is within the tolerance."""
SILENT_TOO, ALSO_SILENT, THIRD, FOURTH = (f"42000000000{number}" for number in range(4))
"""The accounts of the second wave. Two have no recorder, which is beyond the tolerance."""
OUTSIDE, JOINS = "430000000000", "440000000000"
EXCLUDED = "450000000000"
"""An account that the deployment excludes, at first outside of the targeted units."""
CURRENT = "CURRENT SUCCEEDED"
TOLERANCE = {"FailureTolerancePercentage": "34"}
"""One account of three, and one of four."""


class Rollout(StagedOrganization):
    """The application with its StackSet."""

    def instances(self) -> dict[str, dict[str, Any]]:
        """Return the StackSet's stack instances by account."""
        pages = self.client("cloudformation").get_paginator("list_stack_instances")
        called = {"StackSetName": self.outputs["StackSetName"], "CallAs": "DELEGATED_ADMIN"}
        return {each["Account"]: each for page in pages.paginate(**called) for each in page["Summaries"]}

    def statuses(self) -> dict[str, str]:
        return {
            account_id: f"{each['Status']} {each['StackInstanceStatus']['DetailedStatus']}"
            for account_id, each in self.instances().items()
        }

    def evaluated(self) -> dict[str, int]:
        """Return how often each account was evaluated, once nothing goes on any more."""
        self.aws.settle()
        return dict(Counter(line["account"] for line in self.lines("evaluation")))

    def move(self, account_id: str, origin: str, destination: str) -> None:
        self.client("organizations", MANAGEMENT).move_account(
            AccountId=account_id,
            SourceParentId=unit_id(self.aws, origin),
            DestinationParentId=unit_id(self.aws, destination),
        )


@pytest.fixture(scope="module")
def rollout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollout]:
    """Deploy to the unit of the first wave."""
    accounts: dict[str, Any] = {each: {} for each in (MANAGEMENT, CENTRAL, FIRST, SECOND, THIRD, FOURTH, OUTSIDE, EXCLUDED)}
    accounts |= {each: {"recorder": False} for each in (SILENT, SILENT_TOO, ALSO_SILENT)}
    units = {
        "Sandbox": [SILENT, FIRST, SECOND],
        "Workloads": [SILENT_TOO],
        "Workloads/Production": [ALSO_SILENT, THIRD, FOURTH],
        "Labs": [OUTSIDE, EXCLUDED],
    }
    directory = tmp_path_factory.mktemp("waves")
    with LocalAwsProcess(write_accounts(directory, accounts, units), directory / "local-aws.log") as aws:
        parameters = {"RuleDeployment": "StackSet", "OrganizationalUnitIds": unit_id(aws, "Sandbox")}
        deploy_organization(aws, CENTRAL, {**parameters, **TOLERANCE, "ExcludedAccounts": EXCLUDED})
        yield Rollout(aws, CENTRAL)


def test_a_rollout_in_waves_evaluates_every_account_once(rollout: Rollout) -> None:
    aws = rollout.aws

    # The first wave: one account has no recorder.
    assert rollout.statuses() == {SILENT: "OUTDATED FAILED", FIRST: CURRENT, SECOND: CURRENT}
    assert "NoAvailableConfigurationRecorderException" in rollout.instances()[SILENT]["StatusReason"]
    assert rollout.evaluated() == {FIRST: 1, SECOND: 1}
    assert rollout.rules(SILENT) == []

    # The second wave, an update of one parameter, goes beyond the tolerance and stops.
    waves = {"OrganizationalUnitIds": f"{unit_id(aws, 'Sandbox')},{unit_id(aws, 'Workloads')}"}
    with pytest.raises(DeploymentError, match=r"Stack set operation \[.*NoAvailableConfigurationRecorderException"):
        deploy_organization(aws, CENTRAL, waves)
    assert rollout.stack_status() == "UPDATE_FAILED"
    stopped = dict.fromkeys((SILENT_TOO, ALSO_SILENT), "OUTDATED FAILED") | dict.fromkeys((THIRD, FOURTH), "OUTDATED CANCELLED")
    assert rollout.statuses() == {SILENT: "OUTDATED FAILED", FIRST: CURRENT, SECOND: CURRENT} | stopped
    assert rollout.evaluated() == {FIRST: 1, SECOND: 1}

    # Its cause is fixed, and it is repeated: nobody is left out, and nobody has anything twice.
    for account_id in (SILENT, SILENT_TOO, ALSO_SILENT):
        start_recorder(aws, account_id)
    deploy_organization(aws, CENTRAL, waves)
    assert rollout.stack_status() == "UPDATE_COMPLETE"
    everyone = [SILENT, FIRST, SECOND, SILENT_TOO, ALSO_SILENT, THIRD, FOURTH]
    assert rollout.statuses() == dict.fromkeys(everyone, CURRENT)
    assert rollout.evaluated() == dict.fromkeys(everyone, 1)
    for account_id in everyone:
        assert rollout.rules(account_id) == [RULE_NAME]
        assert len(rollout.client("cloudformation", account_id).describe_stacks()["Stacks"]) == 1
    assert rollout.rules(OUTSIDE) == []

    # Accounts come in, join, move between the targeted units, go out, and leave.
    before = rollout.instances()
    rollout.move(OUTSIDE, "Labs", "Workloads/Production")
    aws.create_account(JOINS, "joins", "Sandbox", {})
    rollout.move(THIRD, "Workloads/Production", "Sandbox")
    rollout.move(FOURTH, "Workloads/Production", "Labs")
    aws.remove_account(SECOND)
    assert rollout.evaluated() == dict.fromkeys([*everyone, OUTSIDE, JOINS], 1)
    assert rollout.statuses() == dict.fromkeys([SILENT, FIRST, SILENT_TOO, ALSO_SILENT, THIRD, OUTSIDE, JOINS], CURRENT)
    after = rollout.instances()
    assert after[THIRD]["StackId"] == before[THIRD]["StackId"]
    assert after[THIRD]["OrganizationalUnitId"] == unit_id(aws, "Sandbox")
    assert (rollout.rules(FOURTH), rollout.roles(FOURTH)) == ([], set())
    assert (rollout.rules(OUTSIDE), rollout.rules(JOINS)) == ([RULE_NAME], [RULE_NAME])

    # Automatic deployment considers no account filter. So an excluded account that comes in is evaluated, and keeps the
    # StackSet from being deleted, until its stack is deleted with the command that the deletion gives.
    rollout.move(EXCLUDED, "Labs", "Sandbox")
    assert rollout.evaluated()[EXCLUDED] == 1
    assert rollout.report()[EXCLUDED]["status"] == "EXCLUDED"
    failed = run(aws, CENTRAL, "delete", "--yes")
    assert failed.code == 1
    assert list(rollout.instances()) == [EXCLUDED]
    command = failed.printed.partition(f"account {EXCLUDED}, perhaps")[2].partition("To delete what is left: ")[2]
    run_aws(aws, CENTRAL, command.splitlines()[0])
    aws.settle()
    assert run(aws, CENTRAL, "delete", "--yes").code == 0
    assert rollout.rules(EXCLUDED) == []
