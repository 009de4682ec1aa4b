"""`root-virtual-mfa verify` on a deployment for an organization: what holds there, and what is seen to fail."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.sam import DeploymentError, deploy_account
from local_aws.client import LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, run, write_accounts
from tests.e2e.packaged import deploy_organization

BARE, VIRTUAL = "310000000001", "310000000002"
AUDITOR = "auditor"
A_DAY = 86_400


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """Deploy for an organization whose members have a role that the central account may assume."""
    directory = tmp_path_factory.mktemp("verify")
    has_device: dict[str, Any] = {"root_user": {"virtual_mfa_devices": ["phone"]}}
    accounts: dict[str, Any] = {MANAGEMENT: has_device, CENTRAL: has_device, VIRTUAL: has_device, BARE: {}}
    file = write_accounts(directory, accounts, {"Workloads": [BARE, VIRTUAL]})
    with LocalAwsProcess(file, directory / "local-aws.log") as aws:
        deploy_account(aws, MANAGEMENT, CENTRAL)
        parameters = {"ManagementAccountHasEvaluationRole": "true", "AlarmEmail": "alarms@example.com"}
        deploy_organization(aws, CENTRAL, parameters)
        organization = Organization(aws, CENTRAL)
        for account_id in accounts:
            organization.result(account_id)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{CENTRAL}:root"}}
        for account_id in (BARE, VIRTUAL, MANAGEMENT):
            iam = boto3_client(aws, "iam", account_id)
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            iam.create_role(RoleName=AUDITOR, AssumeRolePolicyDocument=document)
            iam.attach_role_policy(RoleName=AUDITOR, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        yield organization


def verified(organization: Organization, code: int, *arguments: str) -> dict[str, dict[str, Any]]:
    ran = run(organization.aws, CENTRAL, "verify", "--format", "json", *arguments)
    found = {each["name"]: each for each in json.loads(ran.printed)["checks"]}
    assert ran.code == code, [each for each in found.values() if each["outcome"] == "FAILS"]
    return found


def outcomes(found: Mapping[str, Mapping[str, Any]], outcome: str) -> set[str]:
    return {name for name, each in found.items() if each["outcome"] == outcome}


def reevaluations(organization: Organization) -> set[str]:
    """Return the statuses of the runs that root's change started: AWS records it as several events."""
    filters = [{"Key": "DocumentNamePrefix", "Values": ["RootVirtualMfa-Reevaluate"]}]
    found = organization.client("ssm", BARE).describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]
    return {each["AutomationExecutionStatus"] for each in found}


@dataclass(frozen=True)
class Story:
    """What `verify` says right after the deployment, two days later, and when things are broken."""

    first: Mapping[str, Mapping[str, Any]]
    without_role: Mapping[str, Mapping[str, Any]]
    later: Mapping[str, Mapping[str, Any]]
    broken: Mapping[str, Mapping[str, Any]]
    without_parts: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def story(organization: Organization) -> Story:
    """Verify; then root adds a device, an event fails, two days pass; then break what the checks look at."""
    aws, role = organization.aws, ("--role-name", AUDITOR)
    aws.settle()
    first, without_role = verified(organization, 0, *role), verified(organization, 0)

    aws.change_root_user(BARE, "add-virtual-device", "phone")
    organization.client("lambda").invoke(FunctionName=organization.function_arn, InvocationType="Event", Payload="{}")
    wait_for(lambda: reevaluations(organization) == {"InProgress"}, "the start of the runbook after root's change")

    def have_ended() -> bool:
        # Of several starts at once, AWS Config takes one, and the others wait a while by the clock.
        aws.advance_clock(seconds=120)
        return reevaluations(organization) == {"Success"}

    wait_for(have_ended, "the end of the runbook after root's change")
    for seconds in (3700, A_DAY, A_DAY):
        aws.advance_clock(seconds=seconds)
        aws.settle()
    for _ in range(2):  # the first call has it made
        organization.client("iam", BARE).generate_credential_report()
    later = verified(organization, 0, *role)

    organization.client("iam", BARE).delete_role_policy(RoleName="root-virtual-mfa-events", PolicyName="start-runbooks")
    aws.change_root_user(BARE, "remove-virtual-device", "phone")
    organization.client("ssm", VIRTUAL).delete_document(Name="RootVirtualMfa-Notify")
    aws.switch("withhold-source-org-id", on=True)
    with pytest.raises(DeploymentError):
        deploy_organization(aws, CENTRAL, {"MinimumVirtualMfaDevices": "2"})
    aws.settle()
    broken = verified(organization, 1, *role)

    config = organization.client("config")
    config.delete_organization_conformance_pack(OrganizationConformancePackName="root-virtual-mfa")
    config.delete_configuration_aggregator(ConfigurationAggregatorName="root-virtual-mfa")
    organization.client("logs").delete_log_group(logGroupName=organization.outputs["LogGroupName"])
    aws.settle()
    return Story(first, without_role, later, broken, verified(organization, 1))


INVOCATION = "AWS Config may invoke the function for every account"
WITHOUT_USE = {"AWS Config remediates an account", "Automation says who approved a removal"}


def test_right_after_the_deployment_nothing_fails(story: Story) -> None:
    assert outcomes(story.first, "NOT_SEEN") == WITHOUT_USE
    # Within a minute the alarm on silence rings: before or after the look.
    assert outcomes(story.first, "NOT_YET") - {"The alarms reach their topic"} == {
        "Root's changes reach EventBridge",
        "A member may start the evaluation of the organization's rule",
        "Automation takes the runbooks as they are",
        "An evaluation renews the age of an unchanged result",
        "AccountPasswordPresent is 1 whenever root has a password",
        "The queue gets what fails",
        "The service control policies let StackSets and AWS Config through",
    }
    assert "AWS Config names the organization" in story.first[INVOCATION]["text"]
    assert f"account {CENTRAL}" in story.without_role["EventBridge may start the runbooks"]["text"]


def test_two_days_later_everything_that_happened_holds(story: Story) -> None:
    assert outcomes(story.later, "NOT_SEEN") == WITHOUT_USE
    assert outcomes(story.later, "NOT_YET") == {"The service control policies let StackSets and AWS Config through"}
    assert f"account {BARE}" in story.later["Root's changes reach EventBridge"]["text"]
    assert "by the resource" in story.later["AWS Config gives an account the result of its rule"]["text"]


def test_what_is_broken_fails_with_its_mend(story: Story) -> None:
    assert "InvokePermission=Accounts" in story.broken[INVOCATION]["commands"][0]
    assert "RootVirtualMfa-Notify (missing)" in story.broken["Automation takes the runbooks as they are"]["text"]
    assert "AccessDenied" in story.broken["EventBridge may start the runbooks"]["text"]
    assert outcomes(story.broken, "FAILS") == {
        INVOCATION,
        "Automation takes the runbooks as they are",
        "EventBridge may start the runbooks",
    }


def test_what_is_gone_fails_or_is_not_seen(story: Story) -> None:
    assert {INVOCATION, "The aggregator reads every account", "AWS Config takes the conformance pack"} <= outcomes(
        story.without_parts, "FAILS"
    )
    assert {"The journal can be queried", "An evaluation renews the age of an unchanged result"} <= outcomes(
        story.without_parts, "NOT_SEEN"
    )
