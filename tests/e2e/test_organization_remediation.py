"""Remediation in an organization: notices from members, and the removal of root credentials from the central account."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.operator import NOTIFY, REEVALUATE, REMOVAL, Operator
from demo.sam import DeploymentError
from local_aws.client import LocalAwsProcess
from tests.e2e.application import start_recorder, wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, write_accounts
from tests.e2e.packaged import deploy_organization

A_DAY = 24 * 3600 + 1
DENIED, OUTSIDE = "710000000001", "999999999999"
MEMBERS = [f"7200000000{number:02}" for number in range(24)]
ROOT = {"access_keys": 2, "signing_certificates": 1, "virtual_mfa_devices": ["phone"], "hardware_mfa_devices": 1}
"""Everything that a root user can have."""
NOTHING = {"AccountPasswordPresent": 0, "AccountAccessKeysPresent": 0, "AccountSigningCertificatesPresent": 0} | {
    "AccountMFAEnabled": 0
}
DELETIONS = (
    "DeleteAccessKey",
    "DeleteSigningCertificate",
    "DeleteLoginProfile",
    "DeactivateMFADevice",
)


class Scene:
    """The organization, its operations, and members that no other test uses."""

    def __init__(self, organization: Organization, operator: Operator) -> None:
        self.organization = organization
        self.operator = operator
        self._unused = iter(MEMBERS)

    def member(self) -> str:
        """Give a member whose root user has everything."""
        account_id = next(self._unused)
        self.organization.result(account_id)
        return account_id

    def has(self, account_id: str) -> dict[str, int]:
        """Return what IAM says that root has."""
        summary = self.organization.client("iam", account_id).get_account_summary()["SummaryMap"]
        return {name: summary[name] for name in NOTHING}

    def plan(self, account_id: str) -> str:
        """Start the removal, and wait until it asks for approval; returns the execution's id."""
        execution_id = self.operator.start(CENTRAL, REMOVAL, AccountId=account_id, DryRun="false")
        self.operator.wait_for_approval(execution_id)
        return execution_id

    def approved(self, account_id: str) -> dict[str, Any]:
        execution_id = self.plan(account_id)
        self.operator.decide(execution_id, "Approve")
        return self.operator.finished(CENTRAL, execution_id, hurry=True)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    accounts = {
        MANAGEMENT: {"name": "management"},
        CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
        DENIED: {"name": "backups"},
        **{account_id: {"name": f"member-{account_id}", "root_user": ROOT} for account_id in MEMBERS},
    }
    directory = tmp_path_factory.mktemp("organization-remediation")
    accounts_file = write_accounts(directory, accounts)
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws, Operator(aws, CENTRAL) as operator:
        removal = {"RemovalApprovers": operator.make_approver(), "RemovalDeniedAccounts": DENIED}
        deploy_organization(aws, CENTRAL, removal)
        yield Scene(Organization(aws, CENTRAL), operator)


@pytest.fixture(autouse=True)
def no_faults(scene: Scene) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    scene.organization.aws.clear_faults()


# --- Notices ---


def test_a_member_tells_the_central_topic_and_keeps_its_own_ops_item(scene: Scene) -> None:
    organization, operator, account_id = scene.organization, scene.operator, scene.member()
    assert operator.ops_items(account_id) == []  # it has a virtual device
    before = organization.results(account_id)
    organization.aws.change_root_user(account_id, "remove-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    assert organization.changed(account_id, before)["ComplianceType"] == "NON_COMPLIANT"
    [message] = wait_for(lambda: operator.messages(account_id), "the message")
    [item] = operator.ops_items(account_id)
    assert item["OpsItemId"] in message["Message"]
    assert operator.ops_items(CENTRAL) == []

    for _ in range(10):
        assert operator.run(account_id, NOTIFY, AccountId=account_id)["AutomationExecutionStatus"] == "Success"
    assert len(operator.ops_items(account_id)) == 1
    assert len(operator.messages(account_id)) == 1

    before = organization.results(account_id)
    organization.aws.change_root_user(account_id, "add-virtual-device", "new-phone")
    operator.let_a_minute_pass(account_id)
    assert organization.changed(account_id, before)["ComplianceType"] == "COMPLIANT"
    wait_for(lambda: operator.ops_items(account_id)[0]["Status"] == "Resolved", "the resolved OpsItem")


OTHER_ANSWERS = ("no-pack-results-by-resource", "no-start-of-pack-rules", "branch-end-reversed", "parse-json-in-payloads")
"""Switches: what AWS may do instead of what the local AWS does, and nobody outside AWS knows."""


@pytest.fixture
def switched(scene: Scene) -> Iterator[Callable[..., None]]:
    """Turn switches on, and all of them off in the end."""

    def turn(*names: str, on: bool = True) -> None:
        for name in names:
            scene.organization.aws.switch(name, on=on)

    yield turn
    turn(*OTHER_ANSWERS, "no-event-of-first-verdict", on=False)


def acts(scene: Scene, account_id: str, *change: str, next_day: bool) -> dict[str, Any]:
    """Let an owner change root's devices, and return how the re-evaluation ended when all is quiet, the next day if need be."""
    scene.organization.aws.change_root_user(account_id, *change)
    scene.operator.let_a_minute_pass(account_id)
    for seconds in (70, 70, *([A_DAY] if next_day else [])):  # AWS Config takes a start a minute, and root made two changes
        scene.organization.aws.settle()
        scene.organization.aws.advance_clock(seconds=seconds)
    scene.organization.aws.settle()
    return scene.operator.executions(account_id, REEVALUATE)[0]


@pytest.mark.parametrize("switch", OTHER_ANSWERS)
def test_whichever_way_aws_answers_the_owner_is_told_and_the_ops_item_is_resolved(
    scene: Scene, switched: Callable[..., None], switch: str
) -> None:
    account_id, operator = scene.member(), scene.operator
    switched(switch)
    no_start = switch == "no-start-of-pack-rules"
    reevaluation = acts(scene, account_id, "remove-virtual-device", "phone", next_day=no_start)
    assert reevaluation["AutomationExecutionStatus"] == "Success"
    [text] = reevaluation["Outputs"]["StartEvaluation.Text"]
    assert ("The daily evaluation sees the change." in text) is no_start
    [item] = operator.ops_items(account_id)
    [message] = operator.messages(account_id)
    assert scene.organization.result(account_id)["Annotation"] in message["Message"]
    told = operator.executions(account_id, NOTIFY)[0]["Outputs"]
    by_rule = switch == "no-pack-results-by-resource"
    assert told["Notify.Source"] == [f"get_compliance_details_by_{'config_rule' if by_rule else 'resource'}"]
    acts(scene, account_id, "add-virtual-device", "new-phone", next_day=no_start)
    assert [each["Status"] for each in operator.ops_items(account_id)] == ["Resolved"]
    assert item["OpsItemId"] == operator.ops_items(account_id)[0]["OpsItemId"]
    assert len(operator.messages(account_id)) == 1


def test_if_aws_answers_every_question_the_other_way_each_failing_account_is_told_once_within_a_day(
    scene: Scene, switched: Callable[..., None]
) -> None:
    organization, operator, joining = scene.organization, scene.operator, "720000000099"
    switched(*OTHER_ANSWERS, "no-event-of-first-verdict")
    organization.aws.create_account(joining, "joining", "", {})
    organization.result(joining)
    organization.aws.settle()
    assert operator.executions(joining, NOTIFY) == []
    for _ in range(2):
        organization.aws.advance_clock(seconds=A_DAY)
        organization.aws.settle()
        assert [item["Status"] for item in operator.ops_items(joining)] == ["Open"]
        assert len(operator.messages(joining)) == 1
    failing = {
        account_id
        for account_id in (CENTRAL, DENIED, joining, *MEMBERS)
        if organization.result(account_id)["ComplianceType"] == "NON_COMPLIANT"
    }
    told = {account_id: operator.ops_items(account_id) for account_id in (CENTRAL, DENIED, joining, *MEMBERS)}
    open_items = {account_id: [each for each in items if each["Status"] == "Open"] for account_id, items in told.items()}
    assert {account_id: len(items) for account_id, items in open_items.items() if items} == dict.fromkeys(failing, 1)
    acts(scene, joining, "add-virtual-device", "phone", next_day=True)
    assert [item["Status"] for item in operator.ops_items(joining)] == ["Resolved"]


def test_no_other_role_of_a_member_may_send_notices(scene: Scene) -> None:
    sns = scene.organization.client("sns", scene.member())
    with pytest.raises(ClientError, match=r"AuthorizationError|AccessDenied"):
        sns.publish(TopicArn=scene.organization.outputs["NoticeTopicArn"], Message="Send your root password to …")


def test_configs_own_remediation_comes_with_the_pack_if_it_is_asked_for(tmp_path: Path) -> None:
    member = MEMBERS[0]
    accounts = {MANAGEMENT: {"name": "management"}, CENTRAL: {"name": "security"}, member: {"name": "member"}}
    with LocalAwsProcess(write_accounts(tmp_path, accounts), tmp_path / "local-aws.log") as aws:
        deploy_organization(aws, CENTRAL, {"Remediation": "Manual"})
        organization, config = Organization(aws, CENTRAL), boto3_client(aws, "config", member)
        organization.result(member)
        rule = organization.rule_name(member)
        [found] = config.describe_remediation_configurations(ConfigRuleNames=[rule])["RemediationConfigurations"]
        assert (found["TargetId"], found["Automatic"]) == (NOTIFY, False)
        role_arn = f"arn:aws:iam::{member}:role/root-virtual-mfa-remediation"
        assert found["Parameters"]["AutomationAssumeRole"]["StaticValue"]["Values"] == [role_arn]
        key = {"resourceType": "AWS::::Account", "resourceId": member}
        config.start_remediation_execution(ConfigRuleName=rule, ResourceKeys=[key])

        def succeeded() -> bool:
            [status] = config.describe_remediation_execution_status(ConfigRuleName=rule)["RemediationExecutionStatuses"]
            return bool(status["State"] == "SUCCEEDED")

        wait_for(succeeded, "the remediation")


# --- Removal ---


def test_a_dry_run_is_the_default_and_changes_nothing(scene: Scene) -> None:
    account_id = scene.member()
    execution = scene.operator.run(CENTRAL, REMOVAL, AccountId=account_id)
    assert execution["AutomationExecutionStatus"] == "Success"
    [text] = execution["Outputs"]["Plan.Text"]
    for shown in ("AKIA", "password", f"{account_id}:mfa/phone", "dry run"):
        assert shown in text
    assert scene.has(account_id) == dict.fromkeys(NOTHING, 1)
    assert scene.operator.messages(account_id) == []


def test_an_approved_run_ends_without_root_credentials_and_compliant(scene: Scene) -> None:
    organization, account_id = scene.organization, scene.member()
    before = organization.results(account_id)
    execution_id = scene.plan(account_id)
    [request] = wait_for(lambda: scene.operator.messages(execution_id), "the request for approval")
    assert "AKIA" in request["Message"]
    assert scene.has(account_id) == dict.fromkeys(NOTHING, 1)
    scene.operator.decide(execution_id, "Approve")
    execution = scene.operator.finished(CENTRAL, execution_id)
    assert execution["AutomationExecutionStatus"] == "Success", execution
    assert scene.has(account_id) == NOTHING
    lead = f"arn:aws:sts::{CENTRAL}:assumed-role/security-lead/alice"
    said = f"Approved by {lead}, started by arn:aws:iam::{CENTRAL}:root."
    assert execution["Outputs"]["RemoveCredentials.Approval"] == [said]
    assert execution["Outputs"]["RemoveCredentials.Text"][0].startswith(f"{said} Removed: ")
    assert "Nothing remains." in execution["Outputs"]["RemoveCredentials.Text"][0]
    removed = str(execution["Outputs"]["RemoveCredentials.Removed"])
    assert (removed.count("access key"), removed.count("MFA device")) == (2, 2)
    # Nobody starts anything.
    scene.operator.let_a_minute_pass(account_id)
    result = organization.changed(account_id, before)
    assert result["ComplianceType"] == "COMPLIANT"
    assert "no credentials" in result["Annotation"] or "no password" in result["Annotation"]
    # The second run has nothing to do, and asks nobody.
    again = scene.operator.run(CENTRAL, REMOVAL, AccountId=account_id, DryRun="false")
    assert "There is nothing to remove." in again["Outputs"]["Plan.Text"][0]


def test_no_credential_of_a_root_session_is_in_an_execution(scene: Scene) -> None:
    account_id = scene.member()
    execution = scene.approved(account_id)
    steps = scene.operator.execution(CENTRAL, execution["AutomationExecutionId"])["StepExecutions"]
    shown = str([{name: value for name, value in step.items() if name != "Inputs"} for step in steps])
    assert "password" in shown
    assert "ASIA" not in str(steps)
    for secret in ("ASIA", "SecretAccessKey", "SessionToken"):
        assert secret not in shown


@pytest.mark.parametrize("failed", [False, True], ids=["after a success", "after a failure"])
def test_other_approvers_come_with_another_deployment(tmp_path: Path, failed: bool) -> None:  # noqa: FBT001 - pytest gives it
    member, silent = MEMBERS[:2]
    accounts = {
        MANAGEMENT: {"name": "management"},
        CENTRAL: {"name": "security"},
        member: {"name": "member", "root_user": ROOT},
        silent: {"name": "silent", "recorder": not failed},
    }
    with (
        LocalAwsProcess(write_accounts(tmp_path, accounts), tmp_path / "local-aws.log") as aws,
        Operator(aws, CENTRAL) as operator,
    ):
        former, new = operator.make_approver(), f"arn:aws:iam::{CENTRAL}:role/new-lead"
        with pytest.raises(DeploymentError) if failed else nullcontext():
            deploy_organization(aws, CENTRAL, {"RemovalApprovers": former})
        assert Organization(aws, CENTRAL).stack_status() == ("CREATE_FAILED" if failed else "CREATE_COMPLETE")
        if failed:
            start_recorder(aws, silent)
        deploy_organization(aws, CENTRAL, {"RemovalApprovers": new})
        organization = Organization(aws, CENTRAL)
        assert organization.stack_status() == "UPDATE_COMPLETE"
        said = organization.outputs["RemovalApproval"]
        assert said.startswith(f"1 of these have to approve: {new}. ")
        # Whoever is an approver no longer decides neither a new execution nor one of the old version.
        scene = Scene(organization, operator)
        execution_id = scene.plan(member)
        with pytest.raises(ClientError, match=r"is no approver"):
            operator.decide(execution_id, "Approve")
        asked = {"AccountId": [member], "DryRun": ["false"]}
        started = organization.client("ssm").start_automation_execution(
            DocumentName=REMOVAL, DocumentVersion="1", Parameters=asked
        )
        execution = operator.finished(CENTRAL, started["AutomationExecutionId"])
        assert execution["AutomationExecutionStatus"] == "Failed"
        assert "may name former approvers" in execution["FailureMessage"]
        assert scene.has(member) == dict.fromkeys(NOTHING, 1)


def test_a_rejected_run_changes_nothing(scene: Scene) -> None:
    account_id = scene.member()
    execution_id = scene.plan(account_id)
    scene.operator.decide(execution_id, "Reject")
    execution = scene.operator.finished(CENTRAL, execution_id)
    assert execution["AutomationExecutionStatus"] in {"Failed", "Rejected"}
    assert scene.has(account_id) == dict.fromkeys(NOTHING, 1)


def test_whoever_is_no_approver_decides_nothing(scene: Scene) -> None:
    execution_id = scene.plan(scene.member())
    with pytest.raises(ClientError):
        scene.organization.client("ssm").send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")
    assert scene.operator.execution(CENTRAL, execution_id)["AutomationExecutionStatus"] == "Waiting"
    scene.operator.decide(execution_id, "Reject")


def test_a_request_that_nobody_answers_times_out_and_changes_nothing(scene: Scene) -> None:
    account_id = scene.member()
    execution_id = scene.plan(account_id)
    scene.organization.aws.advance_clock(seconds=3 * 24 * 3600 + 1)
    assert scene.operator.finished(CENTRAL, execution_id)["AutomationExecutionStatus"] == "TimedOut"
    assert scene.has(account_id) == dict.fromkeys(NOTHING, 1)


@pytest.mark.parametrize(
    ("account_id", "why"),
    [
        (MANAGEMENT, "is the management account"),
        (DENIED, "is on the deny list"),
        (OUTSIDE, "is not in this organization"),
    ],
)
def test_what_must_not_be_touched_is_refused(scene: Scene, account_id: str, why: str) -> None:
    scene.organization.aws.take_calls()
    execution = scene.operator.run(CENTRAL, REMOVAL, AccountId=account_id, DryRun="false")
    assert execution["AutomationExecutionStatus"] == "Failed"
    assert "RefusedError" in execution["FailureMessage"]
    assert why in execution["FailureMessage"]
    assert "sts:AssumeRoot" not in {call["action"] for call in scene.organization.aws.take_calls()}


def test_an_organization_without_the_feature_is_told_how_to_switch_it_on(scene: Scene) -> None:
    iam = scene.organization.client("iam", MANAGEMENT)
    iam.disable_organizations_root_credentials_management()
    try:
        execution = scene.operator.run(CENTRAL, REMOVAL, AccountId=scene.member())
        assert execution["AutomationExecutionStatus"] == "Failed"
        assert "aws iam enable-organizations-root-credentials-management" in execution["FailureMessage"]
    finally:
        iam.enable_organizations_root_credentials_management()


@pytest.mark.parametrize("operation", DELETIONS)
def test_after_a_fault_the_next_run_ends_in_the_same_state(scene: Scene, operation: str) -> None:
    account_id = scene.member()
    scene.organization.aws.add_fault(account_id, f"iam:{operation}", "AccessDenied")
    failed = scene.approved(account_id)
    assert failed["AutomationExecutionStatus"] == "Failed"
    assert "Remaining: " in failed["FailureMessage"]
    assert "AccessDenied" in failed["FailureMessage"]
    has = scene.has(account_id)
    assert has["AccountMFAEnabled"] or not any(has.values()), "credentials are left without MFA"
    scene.organization.aws.clear_faults()
    if any(has.values()):
        assert scene.approved(account_id)["AutomationExecutionStatus"] == "Success"
    assert scene.has(account_id) == NOTHING


@pytest.mark.parametrize("action", ["sts:AssumeRoot", "iam:ListMFADevices"])
def test_a_fault_before_the_plan_changes_nothing_and_the_next_run_does_it(scene: Scene, action: str) -> None:
    account_id = scene.member()
    scene.organization.aws.add_fault(account_id, action, "AccessDenied")
    execution_id = scene.operator.start(CENTRAL, REMOVAL, AccountId=account_id, DryRun="false")
    failed = scene.operator.finished(CENTRAL, execution_id, hurry=True)
    assert failed["AutomationExecutionStatus"] == "Failed"
    assert "AccessDenied" in failed["FailureMessage"]
    assert scene.has(account_id) == dict.fromkeys(NOTHING, 1)
    scene.organization.aws.clear_faults()
    assert scene.approved(account_id)["AutomationExecutionStatus"] == "Success"
    assert scene.has(account_id) == NOTHING


def test_what_cannot_be_verified_fails_and_the_next_run_finds_nothing_left(scene: Scene) -> None:
    account_id = scene.member()
    scene.organization.aws.add_fault(account_id, "iam:GetAccountSummary", "AccessDenied")
    assert scene.approved(account_id)["AutomationExecutionStatus"] == "Failed"
    scene.organization.aws.clear_faults()
    assert scene.has(account_id) == NOTHING
    again = scene.operator.run(CENTRAL, REMOVAL, AccountId=account_id, DryRun="false")
    assert "There is nothing to remove." in again["Outputs"]["Plan.Text"][0]


def test_the_role_may_do_what_the_runbook_does_and_no_more(scene: Scene) -> None:
    scene.organization.aws.take_calls()
    scene.approved(scene.member())
    role = "root-virtual-mfa-credential-removal"
    called = {call["action"] for call in scene.organization.aws.take_calls() if f":assumed-role/{role}/" in call["principal"]}
    iam = scene.organization.client("iam")
    policy = iam.get_role_policy(RoleName=role, PolicyName="remove-root-credentials")["PolicyDocument"]
    actions = [statement["Action"] for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    assert called == {action for each in actions for action in ([each] if isinstance(each, str) else each)}
