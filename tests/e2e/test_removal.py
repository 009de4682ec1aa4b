"""The removal of root credentials, whichever way AWS answers what nobody outside AWS knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.operator import APPROVALS, Operator
from local_aws.client import LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, write_accounts
from tests.e2e.removal import Person, Removal

IAM = "iam.amazonaws.com"
EVERYTHING = {"access_keys": 1, "signing_certificates": 1, "virtual_mfa_devices": ["phone", "tablet"]}
ANSWERS = {
    "": "740000000001",
    "approvers-without-path": "740000000002",
    "boto3-without-assume-root": "740000000003",
    "parse-json-in-payloads": "740000000004",
    "sts-lags-iam": "740000000005",
    "deactivate-on-any-resource": "740000000006",
}
"""The switches of the local AWS, and for each an account whose root user has everything."""
DRY = "740000000007"


@dataclass(frozen=True)
class Scene:
    """The removal, and people of the central account: one may start it, a session of a role with a path may approve it."""

    removal: Removal
    starter: Person
    approver: Person

    def remove(self, account_id: str) -> dict[str, Any]:
        """Start the removal, approve it once, and return what Automation says about it at the end."""
        execution_id = self.removal.start(self.starter, account_id)

        def asks() -> bool:
            self.removal.aws.advance_clock(seconds=10)  # of the waits for STS
            return bool(self.removal.operator.execution(CENTRAL, execution_id)["AutomationExecutionStatus"] == "Waiting")

        wait_for(asks, "the request for approval")
        self.removal.approve(self.approver, execution_id)
        return self.removal.finished(execution_id)

    def summary(self, account_id: str) -> dict[str, int]:
        summary = boto3_client(self.removal.aws, "iam", account_id).get_account_summary()["SummaryMap"]
        return {name: value for name, value in summary.items() if name.startswith("Account")}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    members = {account_id: {"name": account_id, "root_user": EVERYTHING} for account_id in [*ANSWERS.values(), DRY]}
    directory = tmp_path_factory.mktemp("removal")
    file = write_accounts(directory, {MANAGEMENT: {"name": "management"}, CENTRAL: {"name": "security"}, **members})
    with LocalAwsProcess(file, directory / "local-aws.log") as aws, Operator(aws, CENTRAL, APPROVALS) as operator:
        removal = Removal(aws, operator)
        role, (_, starter) = removal.role("lead", path="/leads/"), removal.user("starter")
        removal.deploy([f"arn:aws:sts::{CENTRAL}:assumed-role/lead/alice"])
        yield Scene(removal, starter, removal.session(role, "alice"))


@pytest.fixture
def switched_on(scene: Scene, request: pytest.FixtureRequest) -> Iterator[str]:
    """Turn a switch on, if there is one, and give the account for it."""
    switch = request.param
    if switch:
        scene.removal.aws.switch(switch, on=True)
    if switch == "sts-lags-iam":
        organizations = boto3_client(scene.removal.aws, "organizations", MANAGEMENT)
        organizations.deregister_delegated_administrator(AccountId=CENTRAL, ServicePrincipal=IAM)
        scene.removal.aws.advance_clock(seconds=31)
        organizations.register_delegated_administrator(AccountId=CENTRAL, ServicePrincipal=IAM)
    yield ANSWERS[switch]
    if switch:
        scene.removal.aws.switch(switch, on=False)


@pytest.mark.parametrize("switched_on", list(ANSWERS)[:-1], indirect=True, ids=lambda switch: switch or "none")
def test_one_approved_run_removes_everything(scene: Scene, switched_on: str) -> None:
    execution = scene.remove(switched_on)
    assert execution["AutomationExecutionStatus"] == "Success", execution
    assert set(scene.summary(switched_on).values()) == {0}
    outputs = {name.partition(".")[2]: value for name, [value] in execution["Outputs"].items() if "RemoveCredentials" in name}
    devices = [f"arn:aws:iam::{switched_on}:mfa/{name}" for name in ("phone", "tablet")]
    why = "iam:DeleteVirtualMFADevice: AccessDenied"
    left = f"Left unassigned, harmless: {devices[0]} ({why}), {devices[1]} ({why})."
    assert outputs["Text"] == f"{outputs['Approval']} Removed: {outputs['Removed']}. {left} Nothing remains."
    assert outputs["Removed"].startswith("access key AKIA")
    assert outputs["Removed"].endswith(f", console password, MFA device {devices[0]}, MFA device {devices[1]}")
    unassigned = boto3_client(scene.removal.aws, "iam", switched_on).list_virtual_mfa_devices()["VirtualMFADevices"]
    assert unassigned == [{"SerialNumber": serial_number} for serial_number in devices]


@pytest.mark.parametrize("switched_on", ["deactivate-on-any-resource"], indirect=True)
def test_devices_that_iam_does_not_deactivate_fail_the_run_and_are_named(scene: Scene, switched_on: str) -> None:
    execution = scene.remove(switched_on)
    assert execution["AutomationExecutionStatus"] == "Failed", execution
    summary = scene.summary(switched_on)
    assert summary.pop("AccountMFAEnabled") == 1
    assert set(summary.values()) == {0}
    devices = [f"arn:aws:iam::{switched_on}:mfa/{name}" for name in ("phone", "tablet")]
    remain = f" Remaining: MFA device {devices[0]}, MFA device {devices[1]}. "
    assert "CredentialsRemainError" in execution["FailureMessage"]
    assert "iam:DeactivateMFADevice failed in account" in execution["FailureMessage"]
    assert remain in execution["FailureMessage"]


@pytest.mark.parametrize("reversed_end", [False, True])
def test_a_dry_run_ends_before_anybody_is_asked(scene: Scene, *, reversed_end: bool) -> None:
    ssm = boto3_client(scene.removal.aws, "ssm", CENTRAL)
    scene.removal.aws.switch("branch-end-reversed", on=reversed_end)
    started = ssm.start_automation_execution(
        DocumentName="RootVirtualMfa-RemoveRootCredentials", Parameters={"AccountId": [DRY]}
    )
    execution = scene.removal.finished(started["AutomationExecutionId"])
    scene.removal.aws.switch("branch-end-reversed", on=False)
    assert execution["AutomationExecutionStatus"] == "Success", execution
    assert [(step["StepName"], step["StepStatus"]) for step in execution["StepExecutions"]] == [
        ("Plan", "Success"),
        ("Decide", "Success"),
        ("Approve", "Pending"),
        ("RemoveCredentials", "Pending"),
        ("Stop", "Success"),
    ]
    assert set(scene.summary(DRY).values()) == {1}
