"""The preflight as it is run, on answers of AWS: what is missing, the command that fixes it, and the exit code."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from organization import cli
from organization.preflight.judging import CONFIG, CONFIG_MULTI_ACCOUNT_SETUP, SERVICES, STACK_SETS
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError, paged
from tests.organization.fake_organization import (
    HOSTILE,
    MANAGEMENT,
    MEMBER,
    ORGANIZATION,
    OTHER,
    PRODUCTION,
    ROOT,
    WORKLOADS,
    account,
    answer_units,
    check_shown,
    stack,
)

ON = {"ConfigurationRecordersStatus": [{"name": "default", "recording": True}]}
OFF = {"ConfigurationRecordersStatus": [{"name": "default", "recording": False}]}
NONE: dict[str, Any] = {"ConfigurationRecordersStatus": []}
SERVICE_LINKED = {"AWSServiceRoleForConfigMultiAccountSetup", "AWSServiceRoleForCloudFormationStackSetsOrgAdmin"}
IAM = "iam.amazonaws.com"
DEPLOY = "root-virtual-mfa deploy --scope organization"


def recorder(**recording_group: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a recording group
    return {"ConfigurationRecorders": [{"name": "default", "recordingGroup": recording_group}]}


def aggregators(name: str = "all") -> dict[str, Any]:
    source = {"RoleArn": "arn:aws:iam::111111111111:role/x", "AllAwsRegions": True}
    aggregator = {"ConfigurationAggregatorName": name, "OrganizationAggregationSource": source}
    return {"ConfigurationAggregators": [{"ConfigurationAggregatorName": "own-accounts"}, aggregator]}


def source(account_id: str, status: str = "SUCCEEDED", **more: str) -> dict[str, str]:
    return {"SourceId": account_id, "SourceType": "ACCOUNT", "AwsRegion": REGION, "LastUpdateStatus": status, **more}


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    """Answer for an organization in which nothing is missing, to a delegated administrator."""

    def role(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if parameters["RoleName"] in SERVICE_LINKED:
            return {"Role": {"RoleName": parameters["RoleName"]}}
        raise RefusalError("NoSuchEntity")

    def find_aggregators(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ConfigurationAggregatorNames" in parameters:
            raise RefusalError("NoSuchConfigurationAggregatorException")
        return aggregators()

    described = {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "ALL"}
    everyone = [account(each, each) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)]
    fake = FakeAws(
        {
            "DescribeOrganization": {"Organization": described},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListAccounts": paged("Accounts", [everyone[:2], [], [*everyone[2:], account("555555555555", "Old", "SUSPENDED")]]),
            "ListAWSServiceAccessForOrganization": paged(
                "EnabledServicePrincipals", [[], [{"ServicePrincipal": service} for service in SERVICES]]
            ),
            "ListDelegatedAdministrators": paged("DelegatedAdministrators", [[{"Id": OTHER}], [{"Id": CENTRAL}]]),
            "DescribeConfigurationRecorderStatus": ON,
            "DescribeConfigurationRecorders": recorder(allSupported=True),
            "DescribeType": {"TypeName": "AWS::Lambda::ResourcePolicy"},
            "DescribeConfigurationAggregators": find_aggregators,
            "DescribeConfigurationAggregatorSourcesStatus": paged(
                "AggregatedSourceStatusList",
                [[source(MANAGEMENT)], [source(MEMBER), source(OTHER), source(OTHER, "FAILED", AwsRegion="us-east-1")]],
            ),
            "GetRole": role,
        }
    )
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id root-virtual-mfa does not exist")
    fake.refuse("DescribeOrganizationConformancePacks", "NoSuchOrganizationConformancePackException")
    fake.refuse("DescribeStackSet", "StackSetNotFoundException")
    with fake.in_place():
        yield fake


def run(*arguments: str) -> int:
    return cli.main(["preflight", *arguments])


@pytest.fixture
def preflight_of(capsys: pytest.CaptureFixture[str]) -> "Preflight":
    """Run it and hold what it printed."""
    return Preflight(capsys)


class Preflight:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.printed = ""

    def __call__(self, expected: int, *arguments: str) -> str:
        assert run(*arguments) == expected
        # Lines that the terminal wrapped are one again.
        self.printed = re.sub(r"\s+", " ", self._capsys.readouterr().out)
        return self.printed


# --- Nothing is missing ---


def test_delegated_administrator_may_deploy(fake: FakeAws, preflight_of: Preflight) -> None:
    printed = preflight_of(0)
    assert " 0 missing, 0 limited, 1 could not be seen." in printed, "the role in the management account"
    assert "No StackSet reaches it, and what is in it cannot be seen from here." in printed
    assert (
        f"Run in the management account {MANAGEMENT}: root-virtual-mfa deploy --management-account --region {REGION}" in printed
    )
    assert f"Deploy with {DEPLOY}" in printed
    assert all(name.startswith(("Describe", "List", "Get")) for name, _ in fake.calls)
    assert fake.called("DescribeStackSet") == [{"StackSetName": "root-virtual-mfa-account", "CallAs": "DELEGATED_ADMIN"}]


@pytest.mark.usefixtures("fake")
def test_what_to_run_next_has_the_region_that_was_given(preflight_of: Preflight) -> None:
    assert "Deploy with root-virtual-mfa deploy --region eu-north-1 --scope organization" in preflight_of(
        0, "--region", "eu-north-1"
    )
    assert f"Deploy with {DEPLOY}" in preflight_of(0)


def test_management_account_may_deploy_and_sees_all(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.answers["GetCallerIdentity"] = {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/x"}
    fake.answers["DescribeConfigurationAggregatorSourcesStatus"] = {
        "AggregatedSourceStatusList": [source(CENTRAL), source(MEMBER), source(OTHER)]
    }
    assert " 0 missing, 0 limited, 0 could not be seen." in preflight_of(0)
    assert "Delegated administrator" not in preflight_of.printed
    assert fake.called("DescribeStackSet")[0]["CallAs"] == "SELF"


# --- The organization ---


def test_no_organization(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.refuse("DescribeOrganization", "AWSOrganizationsNotInUseException")
    printed = preflight_of(1)
    assert "is in no organization" in printed
    assert "aws organizations create-organization --feature-set ALL" in printed
    assert "2 checks: 1 missing, 0 limited, 0 could not be seen." in printed, "nothing else can be looked at"
    assert DEPLOY not in printed


def test_consolidated_billing_only(fake: FakeAws, preflight_of: Preflight) -> None:
    described = {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "CONSOLIDATED_BILLING"}
    fake.answers["DescribeOrganization"] = {"Organization": described}
    printed = preflight_of(1)
    assert f"Run in the management account {MANAGEMENT}: aws organizations enable-all-features" in printed


@pytest.mark.parametrize(
    ("service", "command"),
    [
        (CONFIG, f"aws organizations enable-aws-service-access --service-principal {CONFIG}"),
        (
            CONFIG_MULTI_ACCOUNT_SETUP,
            f"aws organizations enable-aws-service-access --service-principal {CONFIG_MULTI_ACCOUNT_SETUP}",
        ),
        (STACK_SETS, "aws cloudformation activate-organizations-access"),
    ],
)
def test_trusted_access_that_is_off(fake: FakeAws, preflight_of: Preflight, service: str, command: str) -> None:
    others = [{"ServicePrincipal": each} for each in SERVICES if each != service]
    fake.answers["ListAWSServiceAccessForOrganization"] = {"EnabledServicePrincipals": others}
    printed = preflight_of(1)
    assert f"missing Trusted access for {service}: It is off" in printed
    assert f"Run in the management account {MANAGEMENT}: {command} " in printed
    assert " 1 missing, " in printed


@pytest.mark.parametrize("service", SERVICES)
def test_account_that_is_no_delegated_administrator(fake: FakeAws, preflight_of: Preflight, service: str) -> None:
    fake.answers["ListDelegatedAdministrators"] = lambda asked: {
        "DelegatedAdministrators": [] if asked["ServicePrincipal"] == service else [{"Id": CENTRAL}]
    }
    printed = preflight_of(1)
    command = f"register-delegated-administrator --account-id {CENTRAL} --service-principal {service}"
    assert f"Run in the management account {MANAGEMENT}: aws organizations {command} " in printed
    assert " 1 missing, " in printed


# --- The removal of root credentials ---

APPROVER = f"arn:aws:iam::{CENTRAL}:role/security-lead"


def removal_in_place(fake: FakeAws, *features: str) -> None:
    """Let IAM have trusted access and the delegated administrator, and the organization these features."""
    trusted = [{"ServicePrincipal": service} for service in (*SERVICES, IAM)]
    fake.answers["ListAWSServiceAccessForOrganization"] = {"EnabledServicePrincipals": trusted}
    fake.answers["ListOrganizationsFeatures"] = {"OrganizationId": ORGANIZATION, "EnabledFeatures": list(features)}


def test_without_a_removal_nothing_of_iam_is_looked_at(fake: FakeAws, preflight_of: Preflight) -> None:
    assert IAM not in preflight_of(0)
    assert not fake.called("ListOrganizationsFeatures")


@pytest.mark.parametrize("deployed", [False, True], ids=["asked for", "deployed"])
def test_removal_that_has_what_it_needs(fake: FakeAws, preflight_of: Preflight, deployed: bool) -> None:  # noqa: FBT001 - pytest gives it
    removal_in_place(fake, "RootCredentialsManagement")  # and no RootSessions
    fake.answers["DescribeStacks"] = (
        {"Stacks": [stack(RemovalApprovers=APPROVER)]} if deployed else fake.answers["DescribeStacks"]
    )
    printed = preflight_of(0, *([] if deployed else ["--removal"]))
    for found in (
        f"ok Trusted access for {IAM}: It is on, for the removal of root credentials.",
        f"ok Delegated administrator for {IAM}: Account {CENTRAL} is registered",
        "ok Root credentials management: It is on, for the removal of root credentials.",
    ):
        assert found in printed


def test_removal_that_lacks_everything(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.answers["ListDelegatedAdministrators"] = lambda asked: {
        "DelegatedAdministrators": [] if asked["ServicePrincipal"] == IAM else [{"Id": CENTRAL}]
    }
    fake.refuse("ListOrganizationsFeatures", "ServiceAccessNotEnabledException", "Trusted Access for IAM not enabled.")
    printed = preflight_of(1, "--removal")
    assert " 2 missing, 0 limited, 2 could not be seen." in printed
    for command in (
        f"aws organizations enable-aws-service-access --service-principal {IAM}",
        f"aws organizations register-delegated-administrator --account-id {CENTRAL} --service-principal {IAM}",
        "aws iam enable-organizations-root-credentials-management",
    ):
        assert f"Run in the management account {MANAGEMENT}: {command} " in printed
    assert "could not be seen Root credentials management: " in printed
    assert "enable-organizations-root-sessions" not in printed


def test_removal_without_the_feature(fake: FakeAws, preflight_of: Preflight) -> None:
    removal_in_place(fake, "RootSessions")
    printed = preflight_of(1, "--removal")
    assert " 1 missing, " in printed
    assert "missing Root credentials management: It is off, and the removal of root credentials needs it. Run in the" in printed


def test_member_that_may_see_nothing_of_the_organization(fake: FakeAws, preflight_of: Preflight) -> None:
    for operation in ("ListRoots", "ListAccounts", "ListAWSServiceAccessForOrganization", "ListDelegatedAdministrators"):
        fake.refuse(operation, "AccessDeniedException")
    printed = preflight_of(0)
    for service in SERVICES:
        assert f"could not be seen Trusted access for {service}: " in printed
        assert f"--account-id {CENTRAL} --service-principal {service}" in printed
    assert f"{DEPLOY} --parameter OrganizationRootId=r-..." in printed


def test_organization_that_may_not_be_seen(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.refuse("DescribeOrganization", "AccessDeniedException")
    printed = preflight_of(0)
    assert "could not be seen Organization: DescribeOrganization failed with AccessDeniedException" in printed
    placeholders = ("OrganizationId=o-...", "OrganizationRootId=r-...", "ManagementAccountId=...")
    assert " ".join([DEPLOY, *(f"--parameter {each}" for each in placeholders)]) in printed


def test_region_without_the_resource_policy(fake: FakeAws, preflight_of: Preflight) -> None:
    assert "ok Resource type AWS::Lambda::ResourcePolicy: CloudFormation has it in this Region." in preflight_of(0)
    assert fake.called("DescribeType") == [{"Type": "RESOURCE", "TypeName": "AWS::Lambda::ResourcePolicy"}]
    fake.refuse("DescribeType", "TypeNotFoundException")
    assert "missing Resource type AWS::Lambda::ResourcePolicy: CloudFormation does not have it in this Region" in preflight_of(
        1
    )
    assert f"{DEPLOY} --parameter InvokePermission=Any" in preflight_of.printed
    fake.answers["DescribeStacks"] = {"Stacks": [stack(InvokePermission="Any")]}
    assert "ok Resource type AWS::Lambda::ResourcePolicy: " in preflight_of(0)
    fake.refuse("DescribeType", "AccessDenied")
    assert "could not be seen Resource type AWS::Lambda::ResourcePolicy: DescribeType failed" in preflight_of(0)


def test_accounts_that_the_functions_policy_does_not_list(fake: FakeAws, preflight_of: Preflight) -> None:
    """The central and the management account are always permitted, and nobody evaluates an excluded one."""
    lists = {"InvokePermission": "Accounts", "ExcludedAccounts": OTHER}
    fake.answers["DescribeStacks"] = {"Stacks": [stack(outputs=True, **lists)]}
    printed = preflight_of(1)
    assert f"The function's policy does not list account {MEMBER}: AWS Config evaluates nothing there." in printed
    assert f"Run in account {CENTRAL}: root-virtual-mfa deploy " in printed
    fake.answers["DescribeStacks"] = {"Stacks": [stack(outputs=True, **lists, InvokingAccounts2=MEMBER)]}
    assert "ok Accounts for which AWS Config may invoke the function: The function's policy lists all." in preflight_of(0)
    fake.refuse("ListAccounts", "AccessDeniedException")
    assert "could not be seen Accounts for which AWS Config may invoke the function: ListAccounts failed" in preflight_of(0)


# --- Recorders ---


def test_own_recorder_that_is_off(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.answers["DescribeConfigurationRecorderStatus"] = OFF
    printed = preflight_of(1)
    assert f"missing Configuration recorders: Off in account {CENTRAL}." in printed
    assert f"start-configuration-recorder --region {REGION} --configuration-recorder-name default" in printed


def test_own_recorder_that_is_not_there(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.answers["DescribeConfigurationRecorderStatus"] = NONE
    printed = preflight_of(1)
    assert f"There is none in account {CENTRAL}." in printed
    role = f"arn:aws:iam::{CENTRAL}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    assert f"put-configuration-recorder --region {REGION} --configuration-recorder name=default,roleARN={role}" in printed


COMPLIANCE = "AWS::Config::ResourceCompliance"


@pytest.mark.parametrize(
    ("recording_group", "records"),
    [
        ({}, True),
        ({"allSupported": True}, True),
        ({"allSupported": True, "recordingStrategy": {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}}, True),
        ({"allSupported": False, "resourceTypes": ["AWS::IAM::User", COMPLIANCE]}, True),
        ({"allSupported": False, "resourceTypes": ["AWS::IAM::User"]}, False),
        ({"recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}, "resourceTypes": ["AWS::IAM::User"]}, False),
        (
            {
                "allSupported": False,
                "exclusionByResourceTypes": {"resourceTypes": ["AWS::IAM::User"]},
                "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"},
            },
            True,
        ),
        (
            {
                "exclusionByResourceTypes": {"resourceTypes": [COMPLIANCE]},
                "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"},
            },
            False,
        ),
    ],
)
def test_recorder_that_does_not_record_compliance(
    fake: FakeAws, preflight_of: Preflight, recording_group: dict[str, Any], *, records: bool
) -> None:
    fake.answers["DescribeConfigurationRecorders"] = recorder(**recording_group)
    printed = preflight_of(0)
    limited = f"limited Configuration recorders: On in account {CENTRAL}, but without {COMPLIANCE}."
    assert (limited in printed) is not records
    assert (f"aws configservice describe-configuration-recorders --region {REGION} --query " in printed) is not records
    assert f" 0 missing, {0 if records else 1} limited, " in printed


def test_without_a_role_the_aggregator_is_believed_and_said_to_be(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.answers["DescribeConfigurationAggregatorSourcesStatus"] = {
        "AggregatedSourceStatusList": [source(MEMBER), source(OTHER, "FAILED", LastErrorMessage="No recorder.")]
    }
    printed = preflight_of(0)
    assert f"Inferred for account {MEMBER}: their data reach the aggregator all." in printed
    assert (
        f"Not seen in 2 accounts: {MANAGEMENT}, {OTHER}: their data do not reach the aggregator all (No recorder.)." in printed
    )
    assert "give --role-name" in printed


def test_without_role_and_aggregator_nothing_is_seen(fake: FakeAws, preflight_of: Preflight) -> None:
    def none(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ConfigurationAggregatorNames" in parameters:
            raise RefusalError("NoSuchConfigurationAggregatorException")
        return {"ConfigurationAggregators": []}

    fake.answers["DescribeConfigurationAggregators"] = none
    assert f"Not seen in 3 accounts: {MANAGEMENT}, {MEMBER}, {OTHER}: the account has no aggregator" in preflight_of(0)


def test_with_a_role_every_active_account_is_looked_into(fake: FakeAws, preflight_of: Preflight) -> None:
    def assume(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if MEMBER in parameters["RoleArn"]:
            raise RefusalError("AccessDenied", "Not you.")
        keys = {"AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x", "SessionToken": "y"}
        return {"Credentials": keys}

    fake.answers["AssumeRole"] = assume
    fake.answers["DescribeConfigurationRecorderStatus"] = NONE
    printed = preflight_of(1, "--role-name", "Audit")
    assert {each["RoleArn"] for each in fake.called("AssumeRole")} == {
        f"arn:aws:iam::{each}:role/Audit" for each in (MANAGEMENT, MEMBER, OTHER)
    }
    assert f"There is none in 3 accounts: {CENTRAL}, {MANAGEMENT}, {OTHER}." in printed
    assert f"Not seen in account {MEMBER}. AssumeRole failed with AccessDenied (Not you)" in printed


def test_excluded_account_needs_no_recorder(fake: FakeAws, preflight_of: Preflight) -> None:
    lists = {"ManagementAccountHasEvaluationRole": "true", "ExcludedAccounts": MEMBER, "ExcludedAccounts2": OTHER}
    fake.answers["DescribeStacks"] = {"Stacks": [stack(outputs=True, **lists)]}
    fake.answers["AssumeRole"] = {"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "y"}}
    assert f"On in 2 accounts: {CENTRAL}, {MANAGEMENT}." in preflight_of(0, "--role-name", "Audit")
    assert [each["RoleArn"] for each in fake.called("AssumeRole")] == [f"arn:aws:iam::{MANAGEMENT}:role/Audit"]
    assert MEMBER not in preflight_of(0)


# --- What is there already ---


def test_service_linked_roles(fake: FakeAws, preflight_of: Preflight) -> None:
    fake.refuse("GetRole", "NoSuchEntity")
    printed = preflight_of(0)
    assert "ok Service-linked role AWSServiceRoleForConfigMultiAccountSetup: It is not there yet" in printed
    assert "Your credentials need iam:CreateServiceLinkedRole" in printed
    assert "StackSetsOrgAdmin" not in printed, "is the management account's"
    fake.answers["GetCallerIdentity"] = {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/x"}
    assert "ok Service-linked role AWSServiceRoleForCloudFormationStackSetsOrgAdmin: It is not there yet" in preflight_of(0)


@pytest.mark.parametrize(
    ("taken", "what", "command"),
    [
        (("GetRole", {"Role": {}}), "role root-virtual-mfa-function", "root-virtual-mfa delete --region ..."),
        (
            ("DescribeOrganizationConformancePacks", {"OrganizationConformancePacks": [{}]}),
            "conformance pack root-virtual-mfa",
            "aws configservice delete-organization-conformance-pack",
        ),
        (
            ("DescribeConfigurationAggregators", aggregators("root-virtual-mfa")),
            "aggregator root-virtual-mfa",
            "aws configservice delete-configuration-aggregator",
        ),
        (
            ("DescribeStackSet", {"StackSet": {}}),
            "StackSet root-virtual-mfa-account",
            "aws cloudformation delete-stack-set",
        ),
    ],
)
def test_names_that_are_taken(
    fake: FakeAws, preflight_of: Preflight, taken: tuple[str, dict[str, Any]], what: str, command: str
) -> None:
    assert f"ok Name of the {what}: " in preflight_of(0)
    operation, answer = taken
    fake.answers[operation] = answer
    printed = preflight_of(1)
    assert f"missing Name of the {what}: " in printed
    assert command in printed


@pytest.mark.parametrize(
    ("deployed", "code", "said"),
    [
        (stack(), 0, "It is CREATE_COMPLETE: a deployment updates it."),
        (stack(ManagementAccountHasEvaluationRole="true"), 0, "ManagementAccountHasEvaluationRole=true"),
        (stack(status="CREATE_FAILED"), 0, "It is CREATE_FAILED: a deployment updates it."),
        (stack(status="UPDATE_IN_PROGRESS"), 1, "wait until that is over"),
        (stack(status="ROLLBACK_COMPLETE"), 1, "delete it first"),
        (stack(OrganizationId=""), 1, "It is deployed for one account: to change its scope, delete it"),
        (stack(OrganizationId="o-9999999999"), 1, "It is deployed for organization o-9999999999"),
    ],
)
def test_stack_that_is_there_already(
    fake: FakeAws, preflight_of: Preflight, deployed: dict[str, Any], code: int, said: str
) -> None:
    fake.answers["DescribeStacks"] = {"Stacks": [deployed]}
    printed = preflight_of(code)
    assert said in printed
    assert "Name of the" not in printed, "its names are its own"


# --- By StackSet, to organizational units ---

BY_STACK_SET = ("--parameter", "RuleDeployment=StackSet")


@pytest.fixture
def units(fake: FakeAws) -> FakeAws:
    """Answer what the organizational units are; no account has the rule, and service control policies are on."""
    answer_units(fake)
    policies = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    fake.answers["ListRoots"] = {"Roots": [{"Id": ROOT, "Name": "Root", "PolicyTypes": policies}]}
    fake.answers["DescribeAggregateComplianceByConfigRules"] = {"AggregateComplianceByConfigRules": []}
    return fake


def to(*names: str) -> tuple[str, ...]:
    return (*BY_STACK_SET, "--parameter", f"OrganizationalUnitIds={','.join(names)}")


def test_stack_set_needs_no_service_of_the_pack(units: FakeAws, preflight_of: Preflight) -> None:
    services = [CONFIG, STACK_SETS]
    units.answers["ListAWSServiceAccessForOrganization"] = {
        "EnabledServicePrincipals": [{"ServicePrincipal": service} for service in services]
    }
    units.answers["ListDelegatedAdministrators"] = lambda asked: {
        "DelegatedAdministrators": [{"Id": CENTRAL}] if asked["ServicePrincipal"] in services else []
    }
    printed = preflight_of(0, *BY_STACK_SET)
    assert CONFIG_MULTI_ACCOUNT_SETUP not in printed
    assert "onformance pack" not in printed
    assert "AWSServiceRoleForConfigMultiAccountSetup" not in printed
    assert f"ok Delegated administrator for {CONFIG}: Account {CENTRAL} is registered, for the aggregator." in printed
    assert f"Deploy with {DEPLOY} --parameter RuleDeployment=StackSet " in f"{printed} "
    assert f"missing Delegated administrator for {CONFIG_MULTI_ACCOUNT_SETUP}" in preflight_of(1), "the pack needs it"


def test_units_and_the_number_of_accounts_in_scope(units: FakeAws, preflight_of: Preflight) -> None:
    units.answers["AssumeRole"] = {"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "y"}}
    printed = preflight_of(0, *to("Workloads"), "--parameter", f"ExcludedAccounts={MEMBER}", "--role-name", "Audit")
    assert f"ok Organizational unit: Root/Workloads ({WORKLOADS}): 2 active accounts" in printed
    assert "ok Scope: 1 account is in scope: 2 active accounts in these organizational units, less 1 excluded." in printed
    assert f"ok Configuration recorders: On in 2 accounts: {MANAGEMENT}, {OTHER}." in printed, (
        "the management account's is next"
    )
    assert (
        f"{DEPLOY} --parameter RuleDeployment=StackSet --parameter OrganizationalUnitIds=Workloads --parameter Exc" in printed
    )


@pytest.mark.usefixtures("units")
def test_parameter_of_any_name_is_in_the_command(preflight_of: Preflight) -> None:
    """Whether the template has it, only a checkout tells: `deploy` looks."""
    printed = preflight_of(0, *BY_STACK_SET, "--parameter", "scope=x")
    assert printed.rstrip().endswith(f"{DEPLOY} --parameter RuleDeployment=StackSet --parameter scope=x")


def test_account_that_moves_while_the_units_are_read_counts_once(units: FakeAws, preflight_of: Preflight) -> None:
    answer: Any = units.answers["ListAccountsForParent"]
    late = account(MEMBER, MEMBER)

    def lists_it_again(asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer
        listed = answer(asked)["Accounts"]
        return {"Accounts": listed if any(each["Id"] == MEMBER for each in listed) else [*listed, late]}

    before = preflight_of(0, *BY_STACK_SET)
    units.answers["ListAccountsForParent"] = lists_it_again
    [scope] = re.findall(r"ok Scope: .*? accounts are in scope", before)
    assert scope in preflight_of(0, *BY_STACK_SET)


def test_scope_of_the_conformance_pack(units: FakeAws, preflight_of: Preflight) -> None:
    printed = preflight_of(0)
    assert "ok Scope: 3 accounts are in scope: 4 active accounts in the organization, less the management account" in printed
    assert units.called("ListAccountsForParent") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (to("Nowhere"), "missing Organizational units: OrganizationalUnitIds is wrong. The organization has no unit Nowhere"),
        (to(ROOT, WORKLOADS), "missing Organizational units: OrganizationalUnitIds is wrong. Root ("),
        (
            ("--parameter", f"OrganizationalUnitIds={WORKLOADS}"),
            "missing Organizational units: OrganizationalUnitIds is wrong. OrganizationalUnitIds is for RuleDeployment=Stack",
        ),
    ],
)
def test_units_that_cannot_be_deployed_to(
    units: FakeAws, preflight_of: Preflight, arguments: tuple[str, ...], said: str
) -> None:
    assert units.answers
    assert said in preflight_of(1, *arguments)


def test_units_that_may_not_be_read(units: FakeAws, preflight_of: Preflight) -> None:
    units.refuse("ListOrganizationalUnitsForParent", "AccessDeniedException")
    assert "could not be seen Scope: ListOrganizationalUnitsForParent failed with" in preflight_of(0, *to(WORKLOADS))


def test_units_of_the_stack_count(units: FakeAws, preflight_of: Preflight) -> None:
    units.answers["DescribeStacks"] = {"Stacks": [stack(RuleDeployment="StackSet", OrganizationalUnitIds=PRODUCTION)]}
    printed = preflight_of(0)
    assert "ok Scope: 1 account is in scope: 1 active account in these organizational units." in printed
    assert units.called("DescribeAggregateComplianceByConfigRules") == [], "the rules are its own"
    lists = {"RuleDeployment": "StackSet", "OrganizationalUnitIds": PRODUCTION, "InvokePermission": "Accounts"}
    units.answers["DescribeStacks"] = {"Stacks": [stack(outputs=True, **lists)]}
    assert f"The function's policy does not list account {OTHER}: AWS Config evaluates nothing there." in preflight_of(1)


def test_a_rule_of_the_name_that_the_stack_set_gives(units: FakeAws, preflight_of: Preflight) -> None:
    def rules(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        assert asked["Filters"] == {"ConfigRuleName": "root-virtual-mfa-enabled", "AwsRegion": REGION}
        return answer(asked)

    answer = paged("AggregateComplianceByConfigRules", [[], [{"AccountId": OTHER}, {"AccountId": CENTRAL}]])
    units.answers["DescribeAggregateComplianceByConfigRules"] = rules
    printed = preflight_of(1, *to(WORKLOADS))
    assert f"missing Name of the rule root-virtual-mfa-enabled: There is such a rule in account {OTHER}, perhaps" in printed
    assert f"Run in each of these accounts: root-virtual-mfa delete --region {REGION} " in printed
    assert "ok Name of the rule root-virtual-mfa-enabled: It is free" in preflight_of(
        0, *to("Workloads"), "--parameter", f"ExcludedAccounts={OTHER}"
    )
    units.refuse("DescribeAggregateComplianceByConfigRules", "AccessDeniedException")
    assert "could not be seen Name of the rule root-virtual-mfa-enabled: Describe" in preflight_of(0, *to(WORKLOADS))
    units.answers["DescribeConfigurationAggregators"] = {"ConfigurationAggregators": []}
    assert "could not be seen Name of the rule root-virtual-mfa-enabled: The account has no agg" in preflight_of(
        1, *to(WORKLOADS)
    )


def test_service_control_policies_that_are_off(units: FakeAws, preflight_of: Preflight) -> None:
    assert "ok Service control policies: They are on." in preflight_of(0, *BY_STACK_SET)
    units.answers["ListRoots"] = {"Roots": [{"Id": ROOT, "Name": "Root", "PolicyTypes": []}]}
    printed = preflight_of(0, *BY_STACK_SET)
    assert "limited Service control policies: They are off, so nothing keeps" in printed
    assert f"aws organizations enable-policy-type --root-id {ROOT} --policy-type SERVICE_CONTROL_POLICY" in printed
    assert "Service control policies" not in preflight_of(0), "no member can delete a pack"


# --- What cannot be done ---


def test_other_stack_name(fake: FakeAws, preflight_of: Preflight) -> None:
    printed = preflight_of(0, "--stack-name", "mfa")
    assert "Name of the StackSet mfa-account" in printed
    assert "root-virtual-mfa deploy --stack-name mfa --scope organization" in printed
    assert fake.called("DescribeStacks") == [{"StackName": "mfa"}]


def test_credentials_that_are_not_accepted(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("GetCallerIdentity", "InvalidClientTokenId")
    assert run() == 2
    assert "Sign in again" in capsys.readouterr().err


def test_help_needs_no_aws(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "--role-name" in capsys.readouterr().out


@pytest.mark.parametrize("deployed", [True, False])
def test_nothing_that_others_wrote_acts_on_the_screen(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], *, deployed: bool
) -> None:
    fake.answers["DescribeOrganization"] = {
        "Organization": {"Id": f"o-{HOSTILE}", "MasterAccountId": HOSTILE, "FeatureSet": "ALL"}
    }
    fake.answers["ListRoots"] = {"Roots": [{"Id": HOSTILE, "Name": "Root"}]}
    fake.answers["GetCallerIdentity"] = {"Account": CENTRAL, "Arn": f"arn:aws{HOSTILE.replace(':', '')}:iam::1:user/x"}
    fake.answers["ListAccounts"] = {"Accounts": [account(HOSTILE, HOSTILE), account(OTHER, HOSTILE)]}
    fake.answers["DescribeConfigurationRecorderStatus"] = NONE
    fake.answers["DescribeConfigurationAggregatorSourcesStatus"] = {
        "AggregatedSourceStatusList": [source(OTHER, "FAILED", LastErrorMessage=HOSTILE)]
    }
    fake.refuse("ListDelegatedAdministrators", HOSTILE, HOSTILE)
    if deployed:
        fake.answers["DescribeStacks"] = {"Stacks": [stack(status=HOSTILE, OrganizationId=HOSTILE)]}
    assert run("--stack-name", HOSTILE if deployed else "mfa") == 1
    printed = capsys.readouterr().out
    register, recorder, management, delete = 3, 4, 1, 1 if deployed else 0
    check_shown(printed, register + recorder + management + delete)
    for line in printed.splitlines():
        if line.startswith(("    aws ", "    root-virtual-mfa ", "  root-virtual-mfa deploy")):
            assert not {"touch", "x", "delete-user", "$(touch", ";"} & set(shlex.split(line)), line
