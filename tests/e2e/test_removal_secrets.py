"""Whatever fails, a removal leaves no credentials anywhere: neither those of root's sessions nor the runbook's own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.operator import APPROVALS, Operator
from local_aws.client import LocalAwsProcess
from local_aws.core.faults import KINDS
from tests.e2e.application import wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, write_accounts
from tests.e2e.removal import EVERYTHING, ROLE, Removal, text_of
from tests.local_aws.event_scene import Bus, Queue

IN_CENTRAL = (
    "ssm:GetAutomationExecution",
    "ssm:DescribeDocument",
    "organizations:DescribeOrganization",
    "organizations:DescribeAccount",
    "iam:ListOrganizationsFeatures",
    "sns:Publish",
)
IN_MEMBER = (
    "sts:AssumeRoot",
    "iam:GetLoginProfile",
    "iam:ListAccessKeys",
    "iam:ListSigningCertificates",
    "iam:ListMFADevices",
    "iam:GetAccountSummary",
    "iam:DeleteAccessKey",
    "iam:DeleteSigningCertificate",
    "iam:DeleteLoginProfile",
    "iam:DeactivateMFADevice",
)
"""Not iam:DeleteVirtualMFADevice, which the task policy denies before the local AWS answers it."""
FAULTS = [kind for kind in KINDS if kind != "FailedEvaluations"]  # only PutEvaluations has it
BEGINNING = 16
"""The test looks for the beginning of each secret, so that it finds a secret that is cut off. No other value begins so."""
LOOKS = 100
"""At an execution, half a minute of the local AWS apart; the longest takes some ten."""
MEMBERS = [f"7400000000{number:02}" for number in range(len(FAULTS))]


class Scene:
    """The removal, people of the central account, and queues that get each event of an account."""

    def __init__(self, removal: Removal, log: Path) -> None:
        self.removal = removal
        self.aws = removal.aws
        self._log = log
        self.approver_arn, self.approver = removal.user("approver")
        _, self.starter = removal.user("starter")
        self._queues = {account_id: Bus(self.aws, account_id).collect({"account": [account_id]}) for account_id in MEMBERS}
        self._queues |= {CENTRAL: Bus(self.aws, CENTRAL).collect({"account": [CENTRAL]})}
        self._marks = count()

    def remove(self, account_id: str) -> str:
        """Remove root's credentials, with an approval if one is requested. Returns the id of the ended execution."""
        fix(self.aws, account_id, f"phone-{next(self._marks)}")
        execution_id = self.removal.start(self.starter, account_id)
        ssm = boto3_client(self.aws, "ssm", CENTRAL)
        asked = [{"Key": "ExecutionId", "Values": [execution_id]}]

        for _ in range(LOOKS):
            self.aws.settle()
            # Not by GetAutomationExecution: that may be the call that fails.
            [execution] = ssm.describe_automation_executions(Filters=asked)["AutomationExecutionMetadataList"]
            if execution["AutomationExecutionStatus"] == "Waiting":
                self.removal.approve(self.approver, execution_id)
            elif execution["AutomationExecutionStatus"] in {"Pending", "InProgress"}:
                self.aws.advance_clock(seconds=30)  # of the waits between attempts
            else:
                return execution_id
        pytest.fail(f"execution {execution_id} is still {execution['AutomationExecutionStatus']}")

    def left(self, account_id: str, execution_id: str) -> str:
        """Return all that an execution has left, but for events, as text."""
        execution = self.removal.operator.execution(CENTRAL, execution_id)
        ssm = boto3_client(self.aws, "ssm", CENTRAL)
        steps = ssm.describe_automation_step_executions(AutomationExecutionId=execution_id)["StepExecutions"]
        listed = ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
        items = [boto3_client(self.aws, "ssm", each).describe_ops_items()["OpsItemSummaries"] for each in (CENTRAL, account_id)]
        messages = self.removal.operator.messages()
        log = self._log.read_text(encoding="utf-8", errors="replace")
        return "\n".join([*map(text_of, (execution, steps, listed, items, messages)), log])

    def events(self, account_id: str) -> str:
        """Return all events of an account and of the central one so far as text."""
        return text_of([self._all(self._queues[each], each) for each in (CENTRAL, account_id)])

    def _all(self, queue: Queue, account_id: str) -> list[dict[str, Any]]:
        """Return what came before an event that is put now."""
        mark = f"mark {next(self._marks)}"
        Bus(self.aws, account_id).put({"mark": mark})
        return wait_for(lambda: found if mark in text_of(found := queue.bodies(1)) else None, "the events")


def fix(aws: LocalAwsProcess, account_id: str, device: str) -> None:
    """Let a root user have one of everything again; a device of a name that was used may be left unassigned."""
    for change in ("delete-access-keys", "delete-signing-certificates", "create-access-key", "upload-signing-certificate"):
        aws.change_root_user(account_id, change)
    if not aws.change_root_user(account_id, "recover-password")["virtual_mfa_devices"]:
        aws.change_root_user(account_id, "add-virtual-device", device)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    members = {account_id: {"name": f"member-{account_id}", "root_user": EVERYTHING} for account_id in MEMBERS}
    accounts = {MANAGEMENT: {"name": "management"}, CENTRAL: {"name": "security"}, **members}
    directory = tmp_path_factory.mktemp("removal-secrets")
    file, log = write_accounts(directory, accounts), directory / "local-aws.log"
    with LocalAwsProcess(file, log) as aws, Operator(aws, CENTRAL, APPROVALS) as operator:
        scene = Scene(Removal(aws, operator), log)
        scene.removal.deploy([scene.approver_arn])
        yield scene


def test_each_call_of_a_removal_is_tried(scene: Scene) -> None:
    scene.aws.take_calls()
    execution = scene.removal.operator.execution(CENTRAL, scene.remove(MEMBERS[0]))
    assert execution["AutomationExecutionStatus"] == "Success", execution
    by_runbook = (f":assumed-role/{ROLE}/", f":{MEMBERS[0]}:root")
    called = {call["action"] for call in scene.aws.take_calls() if any(each in call["principal"] for each in by_runbook)}
    assert called == {*IN_CENTRAL, *IN_MEMBER}


@pytest.mark.parametrize(("kind", "account_id"), list(zip(FAULTS, MEMBERS, strict=True)))
def test_no_secret_of_a_session_is_anywhere(scene: Scene, kind: str, account_id: str) -> None:
    sessions, outlasted = [], []
    for action in (*IN_CENTRAL, *IN_MEMBER):
        scene.aws.take_issued_credentials()
        concerned = CENTRAL if action in IN_CENTRAL else account_id
        scene.aws.add_fault(concerned, action, kind, seconds=0.001 if kind == "Latency" else 0)
        try:
            execution_id = scene.remove(account_id)
        finally:
            scene.aws.clear_faults()
        left = scene.left(account_id, execution_id)
        issued = scene.aws.take_issued_credentials()
        sessions += [each for each in issued if each["arn"] == f"arn:aws:iam::{account_id}:root"]
        sessions += [each for each in issued if f":assumed-role/{ROLE}/" in each["arn"]]
        execution = scene.removal.operator.execution(CENTRAL, execution_id)
        if execution["AutomationExecutionStatus"] == "Success":
            outlasted.append(action)
        else:
            assert action in text_of(execution), "whoever reads it learns which call failed"
        for each in sessions:
            for secret in ("access_key_id", "secret_access_key", "session_token"):
                assert len(each[secret]) >= BEGINNING
                assert each[secret][:BEGINNING] not in left, f"{secret} of {each['arn']} after {kind} of {action}"
    # What is deactivated is gone, even if the answer is lost.
    assert outlasted == {"Latency": [*IN_CENTRAL, *IN_MEMBER], "BrokenBody": ["iam:DeactivateMFADevice"]}.get(kind, [])
    assert {each["arn"].rpartition("/")[0] or each["arn"] for each in sessions} >= {f"arn:aws:iam::{account_id}:root"}
    events = scene.events(account_id)
    assert "DeleteAccessKey" in events
    for each in sessions:  # CloudTrail names the id of an access key only
        assert each["secret_access_key"][:BEGINNING] not in events
        assert each["session_token"][:BEGINNING] not in events
