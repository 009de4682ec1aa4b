"""Who may invoke the function, if AWS Config does not name the organization: listed accounts, or any account of the world.

test_organization.py has the other answer: AWS Config names the organization.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, RULE_NAME, deploy_account
from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.e2e.application import METRICS, start_recorder, wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, OUTSIDER, Organization, Ran, run, write_accounts
from tests.e2e.packaged import deploy_organization

VIRTUAL, OTHER, JOINS, JOINS_LATER = (f"31000000000{number}" for number in range(1, 5))
HAS_DEVICE: dict[str, Any] = {"root_user": {"virtual_mfa_devices": ["phone"]}}
ONE_DEVICE = "The root user has 1 virtual MFA device (phone)."
REFUSED = "CREATE_FAILED InsufficientPermissionsException"
OWN_RULE = {"ExecutionRoleName": EVALUATION_ROLE_NAME}
"""The parameters of a rule that looks like the deployment's."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Run a local AWS whose AWS Config names neither the organization nor, to an aggregator's role, the account."""
    directory = tmp_path_factory.mktemp("withheld")
    accounts = dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, OTHER), HAS_DEVICE)
    with LocalAwsProcess(
        write_accounts(directory, accounts, {"Workloads": [VIRTUAL, OTHER]}, outside=[OUTSIDER]), directory / "local-aws.log"
    ) as aws:
        aws.switch("withhold-source-org-id", on=True)
        aws.switch("no-source-account-for-aggregators", on=True)
        deploy_account(aws, MANAGEMENT, CENTRAL)
        yield aws


def deploy(aws: LocalAwsClient, *arguments: str) -> Ran:
    ran = run(aws, CENTRAL, "deploy", "--no-build", "--yes", *arguments)
    assert ran.code == 0, ran
    return ran


# --- Listed accounts ---


@dataclass(frozen=True)
class Listed:
    """A deployment that lists the accounts: as it was made, after an account joined, and after it was made again."""

    said: str
    organization: Organization
    annotations: Mapping[str, str]
    joined: Mapping[str, Any]
    pack_of_joined: str
    again: Mapping[str, Any]


@pytest.fixture(scope="module")
def listed(aws: LocalAwsProcess) -> Listed:
    """Deploy for the organization with one command; let an account join, and run the command that the report has for it."""
    made = deploy(aws, "--scope", "organization", "--parameter", "ManagementAccountHasEvaluationRole=true")
    organization = Organization(aws, CENTRAL)
    annotations = {each: organization.result(each)["Annotation"] for each in (MANAGEMENT, CENTRAL, VIRTUAL, OTHER)}

    aws.create_account(JOINS, "joins", "Workloads", {"virtual_mfa_devices": ["phone"]})
    wait_for(lambda: organization.roles(JOINS), "the role in the account that joined")
    pack = wait_for(lambda: organization.pack_statuses().get(JOINS), "the pack's status in the account that joined")
    joined = organization.report()[JOINS]
    [advice] = joined["advice"]
    [command] = advice["commands"]
    program, subcommand, *arguments = shlex.split(command)
    assert (program, subcommand) == ("root-virtual-mfa", "deploy")
    deploy(aws, *arguments)
    organization.result(JOINS)
    return Listed(" ".join(made.printed.split()), organization, annotations, joined, pack, organization.report())


def test_the_deployment_finds_out_and_every_account_is_judged(listed: Listed) -> None:
    assert f"AWS Config may not invoke the function for 2 accounts: {VIRTUAL}, {OTHER}." in listed.said
    assert "An account that joins later is not evaluated until somebody deploys again" in listed.said
    assert "The stack root-virtual-mfa is deployed." in listed.said
    assert listed.annotations == dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, OTHER), ONE_DEVICE)


def test_an_account_that_joins_is_shown_with_the_command_that_lists_it(listed: Listed) -> None:
    assert listed.pack_of_joined == REFUSED
    assert listed.joined["status"] == "UNKNOWN"
    assert "The function's policy does not list the account" in listed.joined["advice"][0]["action"]
    assert {each: account["status"] for each, account in listed.again.items()} == dict.fromkeys(
        (MANAGEMENT, CENTRAL, VIRTUAL, OTHER, JOINS), "COMPLIANT"
    )


# --- Any account ---


@dataclass(frozen=True)
class Counts:
    """Everything that an alarm or an operator looks at, and how often the function ran."""

    metrics: Mapping[str, float]
    invocations: float


def counts(organization: Organization) -> Counts:
    dimensions = {"FunctionName": organization.function_arn.rpartition(":")[2]}

    def of_lambda(name: str) -> float:
        return organization.metric(name, "AWS/Lambda", dimensions)

    metrics = {name: organization.metric(name) for name in METRICS}
    metrics |= {name: of_lambda(name) for name in ("Errors", "Throttles", "AsyncEventsDropped")}
    return Counts(metrics, of_lambda("Invocations"))


@dataclass(frozen=True)
class OpenToAny:
    """A deployment that any account may invoke: what came of an outsider's rule, before it was so and then."""

    organization: Organization
    refusal_by_config: str
    before: Counts
    after: Counts
    asked: list[str]

    def start(self) -> None:
        """Start the evaluation of the outsider's rule."""
        self.organization.aws.advance_clock(seconds=61)
        self.organization.client("config", OUTSIDER).start_config_rules_evaluation(ConfigRuleNames=[RULE_NAME])


@pytest.fixture(scope="module")
def open_to_any(listed: Listed) -> OpenToAny:
    """Let AWS Config invoke the function for any account. An outsider's rule, role and parameters are like the deployment's."""
    organization = listed.organization
    deploy_account(organization.aws, OUTSIDER, CENTRAL)
    start_recorder(organization.aws, OUTSIDER)
    with pytest.raises(ClientError) as refusal:
        organization.put_rule(OUTSIDER, OWN_RULE)
    deploy_organization(organization.aws, CENTRAL, {"InvokePermission": "Any"})
    organization.aws.settle()
    organization.aws.take_calls()
    before = counts(organization)
    organization.put_rule(OUTSIDER, OWN_RULE)
    organization.log(OUTSIDER, "refused")
    organization.aws.advance_clock(seconds=3700)  # Lambda would have repeated the event, and then given it up
    organization.aws.settle()
    calls = [call for call in organization.aws.take_calls() if FUNCTION_ROLE_NAME in call["principal"]]
    return OpenToAny(
        organization,
        refusal.value.response["Error"]["Code"],
        before,
        counts(organization),
        [call["action"] for call in calls if call["action"].startswith(("sts:", "organizations:"))],
    )


def test_an_outsider_is_refused_by_config_or_by_the_function(open_to_any: OpenToAny) -> None:
    organization = open_to_any.organization
    assert open_to_any.refusal_by_config == "InsufficientPermissionsException"
    line = organization.log(OUTSIDER, "refused")[0]
    assert (line["configRuleName"], line["membership"], line["test"]) == (RULE_NAME, "outsider", False)
    assert not {"verdict", "facts"} & line.keys()
    details = organization.client("config", OUTSIDER).get_compliance_details_by_config_rule(ConfigRuleName=RULE_NAME)
    assert details["EvaluationResults"] == []


def test_a_refusal_is_one_run_that_nothing_repeats_and_no_alarm_counts(open_to_any: OpenToAny) -> None:
    assert open_to_any.after.invocations == open_to_any.before.invocations + 1
    assert open_to_any.after.metrics == open_to_any.before.metrics
    # STS refused. Then AWS Organizations was asked about the outsider, and about the function's own account.
    assert open_to_any.asked == ["organizations:DescribeAccount"] * 2


def test_an_account_that_joins_is_judged_without_anybody_doing_anything(open_to_any: OpenToAny) -> None:
    organization = open_to_any.organization
    organization.aws.create_account(JOINS_LATER, "joins-later", "Workloads", {"virtual_mfa_devices": ["phone"]})
    wait_for(lambda: organization.rules(JOINS_LATER), "the rule in the account that joined")
    assert organization.result(JOINS_LATER)["Annotation"] == ONE_DEVICE


def test_a_member_whose_role_is_gone_fails_as_before(open_to_any: OpenToAny) -> None:
    organization = open_to_any.organization
    iam = organization.client("iam", OTHER)
    for policy in iam.list_attached_role_policies(RoleName=EVALUATION_ROLE_NAME)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=EVALUATION_ROLE_NAME, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=EVALUATION_ROLE_NAME)
    failures = organization.metric("Failures")
    organization.start_evaluation(OTHER)
    assert organization.failure(OTHER)["errors"][0]["errorType"] == "AssumeRoleError"
    lines = [line for line in organization.lines("evaluation failed") if line["account"] == OTHER]
    assert [line["membership"] for line in lines] == ["member"] * 3
    assert organization.metric("Failures") == failures + 3


def test_who_may_be_a_member_fails(open_to_any: OpenToAny) -> None:
    """AWS Organizations does not answer. Then nobody knows that it is an outsider."""
    organization = open_to_any.organization
    refused = len(organization.lines("refused"))
    organization.aws.add_fault(CENTRAL, "organizations:DescribeAccount", "AccessDenied", times=3)
    open_to_any.start()
    assert organization.failure(OUTSIDER)["errors"][0]["errorType"] == "AssumeRoleError"
    assert len(organization.lines("refused")) == refused
    open_to_any.start()
    organization.log(OUTSIDER, "refused", count=refused + 1)


# --- A Region without AWS::Lambda::ResourcePolicy ---


def test_a_region_without_the_resource_policy_takes_one_more_parameter(tmp_path: Path) -> None:
    """The command that preflight prints deploys there, and changes nothing when it is run again."""
    file = write_accounts(tmp_path, dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL), HAS_DEVICE), outside=[OUTSIDER])
    with LocalAwsProcess(file, tmp_path / "local-aws.log") as aws:
        aws.switch("withhold-resource-policy-type", on=True)
        preflight = run(aws, CENTRAL, "preflight")
        assert preflight.code == 1, preflight
        [command] = [line for line in preflight.printed.splitlines() if "InvokePermission=Any" in line]
        _, _, *arguments = shlex.split(command)
        assert run(aws, CENTRAL, "deploy", "--no-build", "--yes", "--scope", "organization").code == 2
        deploy(aws, *arguments)
        organization = Organization(aws, CENTRAL)
        assert organization.result(VIRTUAL)["Annotation"] == ONE_DEVICE
        organization.put_rule(OUTSIDER, OWN_RULE)
        assert organization.log(OUTSIDER, "refused")[0]["membership"] == "outsider"
        assert "is as it was" in deploy(aws, *arguments).printed
        assert run(aws, CENTRAL, "preflight").code == 0
