"""`deploy --management-account`: whose credentials it takes, where its parameters come from, and how it ends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, RefusalError
from tests.organization.deploy_scene import Scene, failure, overrides, run, types
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, MEMBER, ORGANIZATION, stack

STACK = "root-virtual-mfa-account"
FUNCTION = f"arn:aws:lambda:{REGION}:{CENTRAL}:function:root-virtual-mfa"
PARAMETERS = {
    "CentralAccountId": CENTRAL,
    "RuleDeployment": "StackSet",
    "FunctionArn": FUNCTION,
    "MinimumVirtualMfaDevices": "2",
    "PermissionsBoundary": "",
}
AFTERWARDS = f"root-virtual-mfa deploy --region {REGION} --parameter ManagementAccountHasEvaluationRole=true"


def account_stack(status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    """Describe the stack of account.yaml."""
    return {
        "StackName": STACK,
        "StackId": f"arn:aws:cloudformation:{REGION}:{MANAGEMENT}:stack/{STACK}/1",
        "StackStatus": status,
        "CreationTime": datetime.now(UTC),
    }


@pytest.fixture
def management(scene: Scene) -> Scene:
    """Answer to the management account, which has no stack, and sees the StackSet of a delegated administrator."""
    scene.aws.answers["GetCallerIdentity"] = {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/x"}
    scene.aws.answers["ListDelegatedAdministrators"] = {
        "DelegatedAdministrators": [{"Id": CENTRAL, "Name": "security-tooling"}]
    }
    scene.after = account_stack()

    def describe(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["StackName"] != STACK:
            raise RefusalError("ValidationError", "Stack with id x does not exist")
        return scene.describe(asked)

    def describe_stack_set(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        assert asked == {"StackSetName": "root-virtual-mfa-account", "CallAs": "SELF"}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()]
        return {"StackSet": {"StackSetName": asked["StackSetName"], "Parameters": parameters}}

    scene.aws.answers["DescribeStacks"] = describe
    scene.aws.answers["DescribeStackSet"] = describe_stack_set
    return scene


def deploy(*arguments: str) -> int:
    return run("--management-account", "--yes", *arguments)


def said(capfd: pytest.CaptureFixture[str]) -> str:
    printed = capfd.readouterr()
    return " ".join((printed.out + printed.err).split())


def test_it_deploys_with_the_parameters_of_the_stack_set(management: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    assert deploy() == 0
    [options] = management.deployments()
    assert options.startswith(f"--config-env management-account --stack-name {STACK} --region {REGION} --no-confirm-changeset ")
    assert overrides(options) == PARAMETERS
    printed = said(capfd)
    assert f"This makes the stack {STACK} in the management account {MANAGEMENT}, Region {REGION}." in printed
    assert f"the function of account {CENTRAL} (security-tooling) can evaluate the root user of this account." in printed
    assert f"1. With credentials of account {CENTRAL} (security-tooling), unless" in printed
    assert printed.endswith(AFTERWARDS)
    assert [call.split()[0] for call in management.sam_calls()] == ["deploy"], "there is nothing to build"


def test_it_asks_before_it_executes(management: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    types(monkeypatch)
    assert run("--management-account") == 0
    assert " --confirm-changeset " in management.deployments()[0]


def test_second_run_changes_nothing(management: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    management.stays(account_stack())
    assert deploy() == 0
    printed = said(capfd)
    assert f"This updates the stack {STACK}" in printed
    assert f"The stack {STACK} is as it was" in printed
    assert printed.endswith(AFTERWARDS)


def test_parameters_that_are_given_come_first(management: Scene) -> None:
    assert deploy("--parameter", "MinimumVirtualMfaDevices=3", "--parameter", "PermissionsBoundary=limits") == 0
    given = {"MinimumVirtualMfaDevices": "3", "PermissionsBoundary": "limits"}
    assert overrides(management.deployments()[0]) == PARAMETERS | given


@pytest.mark.parametrize("code", ["StackSetNotFoundException", "AccessDenied"])
def test_without_the_stack_set_parameters_can_be_given(
    management: Scene, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    management.aws.refuse("DescribeStackSet", code)
    expected = (
        "There is no StackSet root-virtual-mfa-account in Region" if code.startswith("Stack") else "DescribeStackSet failed"
    )
    assert failure(capsys, "--management-account", "--yes").startswith(expected)
    assert deploy("--parameter", f"CentralAccountId={CENTRAL}") == 0
    assert overrides(management.deployments()[0]) == {"CentralAccountId": CENTRAL}


def test_the_stack_set_of_another_stack(management: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    management.aws.refuse("DescribeStackSet", "StackSetNotFoundException")
    said = failure(capsys, "--management-account", "--yes", "--stack-name", "mfa")
    assert "There is no StackSet mfa-account in" in said
    assert said.endswith("`root-virtual-mfa deploy --stack-name mfa` ends with in the central account.")


# --- What it refuses ---


@pytest.mark.parametrize("account_id", [CENTRAL, MEMBER])
def test_other_account(management: Scene, capsys: pytest.CaptureFixture[str], account_id: str) -> None:
    management.aws.answers["GetCallerIdentity"] = {"Account": account_id, "Arn": f"arn:aws:iam::{account_id}:user/x"}
    assert failure(capsys, "--management-account", "--yes") == (
        f"Account {account_id} is not the management account of the organization {ORGANIZATION}: "
        f"use credentials of account {MANAGEMENT}."
    )
    assert management.sam_calls() == []


def test_account_in_no_organization(management: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    management.aws.refuse("DescribeOrganization", "AWSOrganizationsNotInUseException")
    assert failure(capsys, "--management-account", "--yes").startswith(f"Account {MANAGEMENT} is in no organization")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "gives it what an evaluation needs: there is nothing to deploy."),
        ({"OrganizationId": ""}, "delete it first. Run `"),
    ],
    ids=["organization", "one account"],
)
def test_management_account_with_a_deployment_of_its_own(
    management: Scene, capsys: pytest.CaptureFixture[str], parameters: dict[str, str], message: str
) -> None:
    management.aws.answers["DescribeStacks"] = {"Stacks": [stack(outputs=True, **parameters)]}
    assert message in failure(capsys, "--management-account", "--yes")
    assert management.sam_calls() == []


@pytest.mark.parametrize("central", [MEMBER, MANAGEMENT, ""])
def test_roles_trust_no_account_that_has_no_deployment(
    management: Scene, capsys: pytest.CaptureFixture[str], central: str
) -> None:
    assert failure(capsys, "--management-account", "--yes", "--parameter", f"CentralAccountId={central}").startswith(
        f"CentralAccountId is '{central}', which is not a delegated administrator for member.org.stacksets"
    )
    assert management.sam_calls() == []


def test_function_of_another_account(management: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever administers StackSets can make one of this name, but no rule of theirs gets into the management account."""
    function = FUNCTION.replace(CENTRAL, MEMBER)
    assert failure(capsys, "--management-account", "--yes", "--parameter", f"FunctionArn={function}").startswith(
        f"FunctionArn is {function}, which is not a function of account {CENTRAL}: "
    )
    assert management.sam_calls() == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("EvaluationFrequency", "Parameter EvaluationFrequency is 'ParameterKey=CentralAccountId,"),
        ("PermissionsBoundary", "Parameter PermissionsBoundary is 'ParameterKey=CentralAccountId,"),
    ],
)
def test_no_value_of_the_stack_set_replaces_the_account_that_was_checked(
    management: Scene, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    """The SAM CLI reads its other form of a parameter, ParameterKey=...,ParameterValue=..., in the middle of a value too."""
    attack = PARAMETERS | {name: f"ParameterKey=CentralAccountId,ParameterValue={MEMBER}"}
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in attack.items()]
    management.aws.answers["DescribeStackSet"] = {"StackSet": {"Parameters": parameters}}
    assert failure(capsys, "--management-account", "--yes").startswith(message)
    assert management.sam_calls() == []


def test_another_account_than_before_is_told(management: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    trusts = {"ParameterKey": "CentralAccountId", "ParameterValue": MEMBER}
    management.stays(account_stack() | {"Parameters": [trusts]})
    assert deploy() == 0
    assert f"Until then the function of account {MEMBER} can, and not afterwards." in said(capfd)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--parameter", "NoticeEmail=a@example.com"), "The template has no parameter NoticeEmail: it has CentralAccountId,"),
        (("--parameter", "CentralAccountId=1"), "Parameter CentralAccountId is '1', but must be a 12-digit account id"),
    ],
)
def test_parameter_that_the_template_does_not_take(
    management: Scene, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert failure(capsys, "--management-account", "--yes", *arguments).startswith(message)
    assert management.aws.calls == []


def test_stack_set_of_another_version(management: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    later = [{"ParameterKey": name, "ParameterValue": "x"} for name in ("CentralAccountId", "Later")]
    management.aws.answers["DescribeStackSet"] = {"StackSet": {"Parameters": later}}
    assert failure(capsys, "--management-account", "--yes", "--parameter", f"CentralAccountId={CENTRAL}") == (
        "The StackSet root-virtual-mfa-account has the parameter Later, and account.yaml does not: "
        "use the version of the package that is deployed in the central account."
    )
    assert management.sam_calls() == []


@pytest.mark.parametrize("option", ["--scope=organization", "--rollback"])
def test_options_of_the_central_stack(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert deploy(option) == 2
    assert "leave --scope and --rollback out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("ROLLBACK_COMPLETE", f"delete it first. Run `root-virtual-mfa delete --management-account --region {REGION}`."),
        ("UPDATE_IN_PROGRESS", "wait until that is over."),
    ],
)
def test_stack_that_cannot_be_updated(management: Scene, capsys: pytest.CaptureFixture[str], status: str, message: str) -> None:
    management.stays(account_stack(status))
    assert failure(capsys, "--management-account", "--yes").endswith(message)
    assert management.sam_calls() == []


def test_without_a_terminal_it_needs_yes(management: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "--management-account").startswith("There is no terminal to confirm the change set on")
    assert management.sam_calls() == []


# --- How it ends ---


def test_failed_deployment(management: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    management.sam.with_name("sam.code").write_text("1", encoding="utf-8")
    management.after = account_stack("ROLLBACK_COMPLETE")
    assert deploy() == 1
    printed = said(capfd)
    assert "The deployment failed: sam deploy ended with exit code 1." in printed
    assert AFTERWARDS not in printed


def test_change_set_that_was_not_confirmed(
    management: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    management.after = account_stack("REVIEW_IN_PROGRESS")
    types(monkeypatch)
    assert run("--management-account") == 1
    assert "Not confirmed: nothing was deployed." in said(capfd)


def test_nothing_that_others_wrote_acts_on_the_screen(management: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    delegate = {"Id": CENTRAL, "Name": HOSTILE}
    management.aws.answers["ListDelegatedAdministrators"] = {"DelegatedAdministrators": [delegate]}
    assert deploy() == 0
    printed = capfd.readouterr()
    assert all(visible(line) == line for line in (printed.out + printed.err).split("\n"))
    assert "[red]:skull:[/]" in printed.out, "it is shown, as what it is"
