"""Deployments for an organization: by the management account, up to deletion, and with accounts that AWS Config refuses."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.operator import NOTIFY, Operator
from demo.sam import (
    EVALUATION_ROLE_NAME,
    FUNCTION_ROLE_NAME,
    RULE_NAME,
    STACK_NAME,
    DeploymentError,
    deploy_account,
    organization_parameters,
    sam,
)
from demo.sam import deploy_organization as sam_deploy_organization
from local_aws.client import LocalAwsProcess
from tests.e2e.application import start_recorder
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, StagedOrganization, run, run_aws, write_accounts
from tests.e2e.packaged import deploy_organization
from tests.local_aws.scene import trust

VIRTUAL, HARDWARE, OTHER, SILENT, EXCLUDED, EXCLUDED_LATER = (f"31000000000{number}" for number in range(1, 7))
WATCHED = (MANAGEMENT, CENTRAL, VIRTUAL, HARDWARE)
AGGREGATOR = "company"
HAS_DEVICE: dict[str, Any] = {"root_user": {"virtual_mfa_devices": ["phone"]}}
ONE_DEVICE = "The root user has 1 virtual MFA device (phone)."


# --- From the management account: deployed, changed, deleted ---


@dataclass(frozen=True)
class Traces:
    """What the package has left in an account."""

    roles: set[str]
    rules: list[dict[str, Any]]
    packs: list[str]
    stacks: list[str]


@dataclass(frozen=True)
class Life:
    """A deployment from beginning to end: what was in each account after each step, and what could be read there."""

    deployed: dict[str, Traces]
    outputs: dict[str, str]
    aggregators: list[str]
    report: dict[str, dict[str, Any]]
    updated: dict[str, Traces]
    annotations: dict[str, str]
    deleted: dict[str, Traces]
    deletion: list[str]
    left: dict[str, list[str]]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Deploy from the management account for an aggregator that it has already, change parameters, and delete the stack."""
    directory = tmp_path_factory.mktemp("from-the-management-account")
    accounts = dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, EXCLUDED, EXCLUDED_LATER), HAS_DEVICE)
    accounts[HARDWARE] = {"root_user": {"hardware_mfa_devices": 1}}
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as aws:
        make_aggregator(aws)
        parameters = {"NonVirtualMfa": "COMPLIANT", "NoRootCredentials": "NOT_APPLICABLE", "EvaluationFrequency": "Six_Hours"}
        sam_deploy_organization(aws, MANAGEMENT, {**parameters, "AggregatorName": AGGREGATOR, "ExcludedAccounts": EXCLUDED})
        organization = Organization(aws, MANAGEMENT)
        before = {account_id: [organization.result(account_id)] for account_id in WATCHED}
        deployed, outputs, report = see(organization, accounts), organization.outputs, organization.report()
        aggregators = left(organization)["aggregators"]

        excluded = {"ExcludedAccounts": EXCLUDED, "ExcludedAccounts2": EXCLUDED_LATER}
        sam_deploy_organization(aws, MANAGEMENT, {"MinimumVirtualMfaDevices": "2", **excluded})
        annotations = {each: organization.changed(each, before[each])["Annotation"] for each in WATCHED}
        updated = see(organization, accounts)

        deletion = delete(organization)
        return Life(
            deployed,
            outputs,
            aggregators,
            report,
            updated,
            annotations,
            see(organization, accounts),
            deletion,
            left(organization),
        )


def make_aggregator(aws: LocalAwsProcess) -> None:
    """Make the organization's aggregator that the management account has already."""
    trust_config = trust({"Service": "config.amazonaws.com"})
    iam = boto3_client(aws, "iam", MANAGEMENT)
    role = iam.create_role(RoleName="company-aggregator", AssumeRolePolicyDocument=trust_config)["Role"]
    boto3_client(aws, "config", MANAGEMENT).put_configuration_aggregator(
        ConfigurationAggregatorName=AGGREGATOR,
        OrganizationAggregationSource={"RoleArn": role["Arn"], "AllAwsRegions": True},
    )


def delete(organization: Organization) -> list[str]:
    """Delete the stack, and return the logical ids of its resources in the order in which they went."""
    cloudformation = organization.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    cloudformation.delete_stack(StackName=STACK_NAME)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=STACK_NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000}
    )
    events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    return [event["LogicalResourceId"] for event in reversed(events) if event["ResourceStatus"] == "DELETE_COMPLETE"]


def see(organization: Organization, account_ids: Collection[str]) -> dict[str, Traces]:
    """Return what the package has left in each account."""
    traces = {}
    for account_id in account_ids:
        config = organization.client("config", account_id)
        packs = config.describe_conformance_packs()["ConformancePackDetails"]
        stacks = organization.client("cloudformation", account_id).describe_stacks()["Stacks"]
        traces[account_id] = Traces(
            organization.roles(account_id),
            config.describe_config_rules()["ConfigRules"],
            [pack["ConformancePackName"] for pack in packs],
            [stack["StackName"] for stack in stacks if "root-virtual-mfa" in stack["StackName"]],
        )
    return traces


def left(organization: Organization) -> dict[str, list[str]]:
    """Return what the account of the deployment has, by kind."""
    config = organization.client("config")
    stack_sets = organization.client("cloudformation").list_stack_sets(Status="ACTIVE")["Summaries"]
    packs = config.describe_organization_conformance_packs()["OrganizationConformancePacks"]
    return {
        "StackSets": [each["StackSetName"] for each in stack_sets],
        "packs": [each["OrganizationConformancePackName"] for each in packs],
        "stored queries": [each["QueryName"] for each in config.list_stored_queries()["StoredQueryMetadata"]],
        "functions": [each["FunctionName"] for each in organization.client("lambda").list_functions()["Functions"]],
        "aggregators": [
            each["ConfigurationAggregatorName"]
            for each in config.describe_configuration_aggregators()["ConfigurationAggregators"]
        ],
    }


def test_management_account_is_watched_by_its_own_deployment(life: Life) -> None:
    assert life.outputs["ManagementAccount"] == "Watched."
    roles = {account_id: traces.roles for account_id, traces in life.deployed.items()}
    assert roles == {account_id: {EVALUATION_ROLE_NAME} for account_id in (CENTRAL, VIRTUAL, HARDWARE, EXCLUDED_LATER)} | {
        MANAGEMENT: {FUNCTION_ROLE_NAME, EVALUATION_ROLE_NAME},
        EXCLUDED: set(),
    }
    assert {account_id for account_id, traces in life.deployed.items() if len(traces.rules) == 1} == {*WATCHED, EXCLUDED_LATER}
    assert life.deployed[EXCLUDED] == Traces(set(), [], [], [])


def test_aggregator_that_is_there_is_used(life: Life) -> None:
    assert life.aggregators == [AGGREGATOR]
    assert life.outputs["AggregatorName"] == AGGREGATOR
    assert {account_id: account["status"] for account_id, account in life.report.items()} == {
        **dict.fromkeys((*WATCHED, EXCLUDED_LATER), "COMPLIANT"),
        EXCLUDED: "EXCLUDED",
    }


def rules(traces: dict[str, Traces]) -> dict[str, tuple[dict[str, str], str, str]]:
    """Return the parameters, the frequency and the id of the one rule of each account that has one."""
    found = {}
    for account_id, of_account in traces.items():
        for rule in of_account.rules:
            [detail] = rule["Source"]["SourceDetails"]
            parameters = json.loads(rule["InputParameters"])
            found[account_id] = (parameters, detail["MaximumExecutionFrequency"], rule["ConfigRuleId"])
    return found


def test_parameters_reach_the_rule_of_every_account_and_an_update_changes_them(life: Life) -> None:
    deployed, updated = rules(life.deployed), rules(life.updated)
    given = {
        "minimumVirtualMfaDevices": "1",
        "nonVirtualMfa": "COMPLIANT",
        "noRootCredentials": "NOT_APPLICABLE",
        "ExecutionRoleName": EVALUATION_ROLE_NAME,
    }
    for account_id in WATCHED:
        parameters, frequency, rule_id = deployed[account_id]
        assert (parameters, frequency) == (given, "Six_Hours")
        # What the update did not name stays.
        assert updated[account_id] == ({**given, "minimumVirtualMfaDevices": "2"}, "Six_Hours", rule_id)
    assert life.report[HARDWARE]["annotation"].endswith("which nonVirtualMfa accepts.")
    assert life.report[VIRTUAL]["annotation"] == ONE_DEVICE
    for account_id in (MANAGEMENT, CENTRAL, VIRTUAL):
        assert life.annotations[account_id].startswith(
            "The root user has 1 virtual MFA device and minimumVirtualMfaDevices is 2: "
        )


def test_account_that_an_update_excludes_loses_everything(life: Life) -> None:
    assert life.deployed[EXCLUDED_LATER].rules != []
    assert life.updated[EXCLUDED_LATER] == Traces(set(), [], [], [])


def test_deletion_leaves_nothing_in_any_account(life: Life) -> None:
    for account_id, traces in life.deleted.items():
        assert traces == Traces(set(), [], [], []), account_id
    assert life.left == {"StackSets": [], "packs": [], "stored queries": [], "functions": [], "aggregators": [AGGREGATOR]}


def test_rules_are_deleted_before_what_they_need(life: Life) -> None:
    order = life.deletion.index
    assert order("ConformancePack") < order("AccountResources")
    assert order("ConformancePack") < order("Account")
    assert order("ConformancePack") < order("FunctionPolicy") < order("RootVirtualMfaEnabledFunction") < order("FunctionRole")


def test_by_stack_set_the_management_account_gets_its_rule_from_the_stack_and_the_rules_are_deleted_first(
    tmp_path: Path,
) -> None:
    accounts = dict.fromkeys((MANAGEMENT, CENTRAL), HAS_DEVICE)
    with LocalAwsProcess(write_accounts(tmp_path, accounts), tmp_path / "local-aws.log") as aws:
        deploy_organization(aws, MANAGEMENT, {"RuleDeployment": "StackSet", "Remediation": "Manual"})
        organization, operator = StagedOrganization(aws, MANAGEMENT), Operator(aws, MANAGEMENT)
        for account_id in accounts:
            assert organization.result(account_id)["Annotation"] == ONE_DEVICE
            [line] = organization.log(account_id, "evaluation")
            assert (line["ruleOwner"], line["configRuleName"]) == ("account", RULE_NAME)
            assert line["parameters"]["ExecutionRoleName"] == EVALUATION_ROLE_NAME
            [told] = operator.wait_for_executions(account_id, NOTIFY, 1)
            assert told["Outputs"]["Notify.Compliance"] == ["COMPLIANT"]  # it knows the rule as ours
            config = organization.client("config", account_id)
            [remediation] = config.describe_remediation_configurations(ConfigRuleNames=[RULE_NAME])["RemediationConfigurations"]
            assert remediation["Automatic"] is False

        order = delete(organization).index
        assert order("RemediationConfiguration") < order("ConfigRule") < order("FunctionPolicy") < order("FunctionRole")
        assert order("ConfigRule") < order("Account")
        assert order("AccountResources") < order("FunctionPolicy")
        assert order("AccountResources") < order("FailedEventsQueuePolicy")
        assert see(organization, accounts) == dict.fromkeys(accounts, Traces(set(), [], [], []))


# --- From the management account, in another Region than us-east-1 ---


def test_an_account_that_joins_gets_the_forwarder_after_what_it_forwards_to(tmp_path: Path) -> None:
    home = "eu-central-1"
    with LocalAwsProcess(write_accounts(tmp_path, {MANAGEMENT: {}, CENTRAL: {}}), tmp_path / "local-aws.log") as aws:
        start_recorder(aws, MANAGEMENT, home)
        parameters = organization_parameters(aws) | {"ExcludedAccounts": CENTRAL}
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        options = ("--config-env", "organization", "--no-confirm-changeset", "--region", home)
        sam(aws, MANAGEMENT, "deploy", *options, "--parameter-overrides", *overrides)

        cloudformation = boto3_client(aws, "cloudformation", MANAGEMENT, region=home)
        resources, forwarders = (
            cloudformation.describe_stack_set(StackSetName=f"{STACK_NAME}-{name}")["StackSet"]
            for name in ("account", "region-forwarder")
        )
        assert forwarders["AutoDeployment"]["DependsOn"] == [resources["StackSetARN"]]
        aws.create_account(OTHER, "joins", "", {})
        aws.settle()
        [first], [second] = (
            boto3_client(aws, "cloudformation", OTHER, region=region).describe_stacks()["Stacks"]
            for region in (home, "us-east-1")
        )
        assert (first["StackStatus"], second["StackStatus"]) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
        assert "-region-forwarder-" in second["StackName"]
        assert first["CreationTime"] <= second["CreationTime"]


# --- Where AWS Config refuses accounts ---


@contextmanager
def local_aws(directory: Path, *account_ids: str, not_recording: Collection[str] = ()) -> Iterator[LocalAwsProcess]:
    """Run a local AWS with an organization. Each root user has one device."""
    accounts = {each: {**HAS_DEVICE, "recorder": each not in not_recording} for each in (MANAGEMENT, CENTRAL, *account_ids)}
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as aws:
        yield aws


def deploy_though_accounts_fail(aws: LocalAwsProcess, **parameters: str) -> Organization:
    with pytest.raises(DeploymentError):
        deploy_organization(aws, CENTRAL, parameters)
    organization = Organization(aws, CENTRAL)
    assert organization.stack_status() == "CREATE_FAILED"
    return organization


def test_account_without_a_recorder_fails_alone_and_the_command_of_the_report_fixes_it(tmp_path: Path) -> None:
    with local_aws(tmp_path, VIRTUAL, SILENT, not_recording=[SILENT]) as aws:
        organization = deploy_though_accounts_fail(aws)
        assert organization.pack_statuses() == {
            **dict.fromkeys((CENTRAL, VIRTUAL), "CREATE_SUCCESSFUL"),
            SILENT: "CREATE_FAILED NoAvailableConfigurationRecorderException",
        }
        for account_id in (CENTRAL, VIRTUAL):
            assert organization.result(account_id)["Annotation"] == ONE_DEVICE

        [advice] = organization.report()[SILENT]["advice"]
        assert "configuration recorder" in advice["action"]
        [command] = advice["commands"]
        start_recorder(aws, SILENT)
        run_aws(aws, CENTRAL, command)
        assert organization.result(SILENT)["Annotation"] == ONE_DEVICE
        assert organization.rules(MANAGEMENT) == []  # What was excluded stays so.

        deploy_organization(aws, CENTRAL)
        assert organization.stack_status() == "UPDATE_COMPLETE"
        assert {account_id: account["status"] for account_id, account in organization.report().items()} == {
            **dict.fromkeys((CENTRAL, VIRTUAL, SILENT), "COMPLIANT"),
            MANAGEMENT: "UNKNOWN",
        }


def test_account_that_is_closed_is_suspended_in_the_report_and_the_others_are_watched(tmp_path: Path) -> None:
    """AWS does not say whether a StackSet or a conformance pack fails in a suspended account. Either is good."""
    parameters = {"ManagementAccountHasEvaluationRole": "true"}
    watched = (CENTRAL, MANAGEMENT, VIRTUAL)
    with local_aws(tmp_path, VIRTUAL, OTHER) as aws:
        deploy_account(aws, MANAGEMENT, CENTRAL)
        deploy_organization(aws, CENTRAL, parameters)
        organization = Organization(aws, CENTRAL)

        def judged() -> dict[str, str]:
            aws.settle()
            return {account_id: account["status"] for account_id, account in organization.report().items()}

        assert organization.result(OTHER)["Annotation"] == ONE_DEVICE
        boto3_client(aws, "organizations", MANAGEMENT).close_account(AccountId=OTHER)
        aws.advance_clock(seconds=24 * 3600)
        assert judged() == {**dict.fromkeys(watched, "COMPLIANT"), OTHER: "SUSPENDED"}
        reported = run(aws, CENTRAL, "report")
        assert (reported.code, "The account is SUSPENDED in AWS" in reported.printed) == (0, True), reported

        deploy_organization(aws, CENTRAL, {**parameters, "MinimumVirtualMfaDevices": "2"})
        assert organization.stack_status() == "UPDATE_COMPLETE"
        assert judged() == {**dict.fromkeys(watched, "NON_COMPLIANT"), OTHER: "SUSPENDED"}

        aws.switch("fail-in-suspended-accounts", on=True)
        with pytest.raises(DeploymentError):
            deploy_organization(aws, CENTRAL, {**parameters, "MinimumVirtualMfaDevices": "1"})
        assert organization.stack_status() == "UPDATE_FAILED"
        assert judged() == {**dict.fromkeys(watched, "COMPLIANT"), OTHER: "SUSPENDED"}

        aws.advance_clock(seconds=90 * 24 * 3600)
        assert sorted(judged()) == sorted(watched)
