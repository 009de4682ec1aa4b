"""The removal of root credentials against people who want it without the approval of others."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.operator import APPROVALS, REMOVAL, Operator
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.organization import CENTRAL, MANAGEMENT, write_accounts
from tests.e2e.removal import EVERYTHING, ROLE, Removal

MEMBERS = [f"7300000000{number:02}" for number in range(24)]


@pytest.fixture(scope="module")
def removal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Removal]:
    accounts = {
        MANAGEMENT: {"name": "management"},
        CENTRAL: {"name": "security"},
        **{account_id: {"name": f"member-{account_id}", "root_user": EVERYTHING} for account_id in MEMBERS},
    }
    directory = tmp_path_factory.mktemp("removal")
    file = write_accounts(directory, accounts)
    with LocalAwsProcess(file, directory / "local-aws.log") as aws, Operator(aws, CENTRAL, APPROVALS) as operator:
        yield Removal(aws, operator)


@pytest.fixture(scope="module")
def _unused_members() -> Iterator[str]:
    return iter(MEMBERS)


@pytest.fixture
def member(_unused_members: Iterator[str]) -> str:
    """Give a member, whose root user has everything, that no other test uses."""
    return next(_unused_members)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give a name for principals that no other test has."""
    return re.sub(r"\W", "-", request.node.name)[-50:]


def refused(execution: dict[str, Any]) -> str:
    """Return why a removal was refused."""
    assert execution["AutomationExecutionStatus"] == "Failed", execution
    assert "RefusedError" in execution["FailureMessage"]
    return str(execution["FailureMessage"])


# --- Who approves ---


def test_a_user_does_not_approve_what_the_user_started(removal: Removal, member: str, name: str) -> None:
    arn, person = removal.user(name)
    removal.deploy([arn])
    execution_id = removal.plan(person, member)
    removal.approve(person, execution_id)
    assert f"{arn} started this and approved it" in refused(removal.finished(execution_id))
    assert removal.remains(member)


def test_another_session_of_the_role_that_started_does_not_approve(removal: Removal, member: str, name: str) -> None:
    role = removal.role(name)
    removal.deploy([role])
    execution_id = removal.plan(removal.session(role, "bob"), member)
    removal.approve(removal.session(role, "alice"), execution_id)
    assert f"assumed-role/{name}/bob started this and approved it" in refused(removal.finished(execution_id))
    assert removal.remains(member)


def test_two_sessions_of_one_role_are_not_two_approvers(removal: Removal, member: str, name: str) -> None:
    _, starter = removal.user(name)
    role = removal.role(name)
    removal.deploy([f"arn:aws:sts::{CENTRAL}:assumed-role/{name}/{session}" for session in ("alice", "bob")], minimum=2)
    execution_id = removal.plan(starter, member)
    for session in ("alice", "bob"):
        removal.approve(removal.session(role, session), execution_id)
    assert "2 different users or roles have to approve" in refused(removal.finished(execution_id))
    assert removal.remains(member)


def test_different_principals_approve_and_the_run_says_who(removal: Removal, member: str, name: str) -> None:
    starter_arn, starter = removal.user(name)
    approvers = [removal.role(f"{name}-{number}") for number in (1, 2)]
    removal.deploy(approvers, minimum=2)
    execution_id = removal.plan(starter, member)
    for approver in approvers:
        removal.approve(removal.session(approver, "alice"), execution_id)
    execution = removal.finished(execution_id)
    assert execution["AutomationExecutionStatus"] == "Success", execution
    assert not removal.remains(member)
    sessions = ", ".join(f"arn:aws:sts::{CENTRAL}:assumed-role/{name}-{number}/alice" for number in (1, 2))
    said = f"Approved by {sessions}, started by {starter_arn}."
    assert execution["Outputs"]["RemoveCredentials.Approval"] == [said]
    assert execution["Outputs"]["RemoveCredentials.Text"][0].startswith(f"{said} Removed: ")


# --- Which version ---


def test_an_approver_who_was_removed_cannot_have_the_old_version_executed(removal: Removal, member: str, name: str) -> None:
    (removed_arn, removed), (starter_arn, starter), (new_arn, new) = (removal.user(f"{name}-{number}") for number in range(3))
    removal.deploy([removed_arn])
    [old] = [version for version, is_default in removal.versions().items() if is_default]
    removal.deploy([new_arn])
    removal.aws.take_calls()
    said = refused(removal.finished(removal.start(starter, member, version=old)))
    assert f"This execution is of version {old} of the runbook" in said
    assert "sts:AssumeRoot" not in {call["action"] for call in removal.aws.take_calls()}
    # Nor a new execution.
    execution_id = removal.plan(starter, member)
    with pytest.raises(ClientError, match=r"is no approver"):
        removal.approve(removed, execution_id)
    assert removal.remains(member)
    removal.approve(new, execution_id)
    execution = removal.finished(execution_id)
    assert execution["Outputs"]["RemoveCredentials.Approval"] == [f"Approved by {new_arn}, started by {starter_arn}."]
    assert not removal.remains(member)


def test_what_waits_for_approval_while_others_become_approvers_is_not_done(removal: Removal, member: str, name: str) -> None:
    (removed_arn, removed), (_, starter), (new_arn, _) = (removal.user(f"{name}-{number}") for number in range(3))
    removal.deploy([removed_arn])
    execution_id = removal.plan(starter, member)
    removal.deploy([new_arn])
    removal.approve(removed, execution_id)  # Automation goes by the version that it executes
    assert "may name former approvers" in refused(removal.finished(execution_id))
    assert removal.remains(member)


@pytest.mark.parametrize("action", ["ssm:GetAutomationExecution", "ssm:DescribeDocument"])
def test_if_the_version_cannot_be_read_nothing_is_done(removal: Removal, member: str, name: str, action: str) -> None:
    (approver_arn, approver), (_, starter) = (removal.user(f"{name}-{number}") for number in range(2))
    removal.deploy([approver_arn])
    execution_id = removal.plan(starter, member)
    policy = {"Effect": "Deny", "Action": action, "Resource": "*"}
    iam = boto3_client(removal.aws, "iam", CENTRAL)
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    iam.put_role_policy(RoleName=ROLE, PolicyName="deny", PolicyDocument=document)
    try:
        removal.approve(approver, execution_id)
        execution = removal.finished(execution_id)
        planned = removal.finished(removal.start(starter, member))
    finally:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="deny")
    for each in (execution, planned):
        assert f"CallError: {action} failed in account {CENTRAL}: AccessDenied" in each["FailureMessage"]
    assert removal.remains(member)


# --- What the guide says ---


def guide(language: str, with_text: str) -> str:
    """Return the block of code of the guide that has a text, with the central account of these tests."""
    text = (PROJECT / "docs/remediation.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if with_text in each]
    return str(block).replace("222222222222", CENTRAL).replace("REGION", "us-east-1")


def test_whoever_may_start_as_the_guide_says_starts_the_default_version_only(removal: Removal, member: str, name: str) -> None:
    policy = guide("json", "automation-definition")
    _, starter = removal.user(name, policy)
    removal.deploy([removal.role(name)])
    removal.deploy([removal.role(f"{name}-2")])
    for version in [*removal.versions(), "$LATEST"]:
        with pytest.raises(ClientError, match=r"AccessDenied"):
            removal.start(starter, member, version)
    with pytest.raises(ClientError, match=r"AccessDenied"):
        starter.start_automation_execution(DocumentName="Another")
    assert removal.plan(starter, member)


def test_old_versions_are_deleted_as_the_guide_says(removal: Removal, member: str, name: str) -> None:
    _, starter = removal.user(name)
    removal.deploy([removal.role(name)])
    removal.deploy([removal.role(f"{name}-2")])
    command = guide("sh", "delete-document")
    assert f"aws ssm delete-document --name {REMOVAL} --document-version" in command
    ssm = boto3_client(removal.aws, "ssm", CENTRAL)
    old = [version for version, is_default in removal.versions().items() if not is_default]
    assert old
    for version in old:
        ssm.delete_document(Name=REMOVAL, DocumentVersion=version)
    assert list(removal.versions().values()) == [True]
    for version in old:
        with pytest.raises(ClientError, match=r"AutomationDefinitionVersionNotFoundException"):
            removal.start(starter, member, version)
    assert removal.plan(starter, member)
