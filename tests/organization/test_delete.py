"""The deletion as it is run, on answers of AWS: what it says first, what it asks, what it calls, and the exit code."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from organization import cli, delete
from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, check_shown, stack

STACK_ID = stack()["StackId"]
STACK_SET_ID = "root-virtual-mfa-account:12345678-1234-1234-1234-123456789012"


def event(number: int, resource: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "StackName": "root-virtual-mfa",
        "EventId": str(number),
        "LogicalResourceId": resource,
        "PhysicalResourceId": STACK_ID if resource == "root-virtual-mfa" else resource,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": datetime.now(UTC),
    }


def resource(logical_id: str, kind: str, physical_id: str = "x", status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    return {
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "ResourceStatus": status,
        "LastUpdatedTimestamp": datetime.now(UTC),
    }


EVENTS = [
    event(0, "ConformancePack", "CREATE_COMPLETE"),
    event(1, "root-virtual-mfa", "DELETE_IN_PROGRESS"),
    event(2, "ConformancePack", "DELETE_COMPLETE"),
    event(3, "AccountResources", "DELETE_COMPLETE"),
]


class CloudFormation:
    """A stack that is being deleted: each time that it is described, one more event has happened."""

    def __init__(
        self,
        fake: FakeAws,
        described: dict[str, Any],
        events: list[dict[str, Any]],
        end: str,
        name: str = "root-virtual-mfa",
    ) -> None:
        self._name = name
        self.asked: list[str] = []
        self._described = described
        self._events = events
        self._end = end
        self._happened = 1
        fake.answers |= {
            "DescribeStacks": self._describe,
            "DescribeStackEvents": lambda _: {"StackEvents": self._events[: self._happened][::-1]},
            "DeleteStack": self._delete,
        }
        self._deleting = described["StackStatus"] == "DELETE_IN_PROGRESS"

    def _delete(self, _: Any) -> dict[str, Any]:  # noqa: ANN401 - parameters of any call
        self._deleting = True
        return {}

    def _describe(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401 - parameters of any call
        self.asked.append(asked["StackName"])
        if asked["StackName"] not in {STACK_ID, self._name}:
            raise RefusalError("ValidationError", f"Stack with id {asked['StackName']} does not exist")
        if not self._deleting:
            return {"Stacks": [self._described]}
        self._happened = min(self._happened + 1, len(self._events))
        status = self._end if self._happened == len(self._events) else "DELETE_IN_PROGRESS"
        return {"Stacks": [self._described | {"StackStatus": status}]}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """Answer for a stack of an organization."""
    monkeypatch.setattr(delete, "POLL_SECONDS", (0, 0))
    resources = [
        resource("FunctionLogGroup", "AWS::Logs::LogGroup", "the-log"),
        resource("AccountResources", "AWS::CloudFormation::StackSet", STACK_SET_ID),
        resource("ConformancePack", "AWS::Config::OrganizationConformancePack"),
    ]
    fake = FakeAws(
        {
            "ListStackResources": {"StackResourceSummaries": resources},
            "ListStackInstances": {"Summaries": []},
            "DescribeLogGroups": {"logGroups": [{"logGroupName": "the-log-of-another"}, {"logGroupName": "the-log"}]},
        }
    )
    with fake.in_place():
        yield fake


def run(*arguments: str) -> int:
    return cli.main(["delete", *arguments])


def typed(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    def read(_: str = "") -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", read)


def test_deletes_what_is_confirmed_and_shows_how(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CloudFormation(fake, stack(ManagementAccountHasEvaluationRole="true"), EVENTS, "DELETE_COMPLETE")
    typed(monkeypatch, "root-virtual-mfa")
    assert run() == 0
    assert fake.called("DeleteStack") == [{"StackName": STACK_ID}]
    printed = capsys.readouterr().out
    plan, _, rest = printed.partition("stays behind")
    assert f"account {CENTRAL}, Region {REGION}" in plan
    assert plan.index("conformance pack") < plan.index("StackSet") < plan.index("the rest")
    assert [rest.count(each["LogicalResourceId"] + "\n") for each in EVENTS[1:]] == [1, 1, 1], "each event once"
    assert "CREATE_COMPLETE" not in rest, "nothing of before"
    assert f"aws logs delete-log-group --region {REGION} --log-group-name the-log\n" in rest
    assert f"management account {MANAGEMENT}" in rest
    assert f"root-virtual-mfa delete --management-account --region {REGION}\n" in rest
    assert "aws-sam-cli-managed-default" not in rest, "is not there"


def test_commands_name_a_stack_of_another_name(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    other = stack(ManagementAccountHasEvaluationRole="true") | {"StackName": "mfa"}
    CloudFormation(fake, other, EVENTS, "DELETE_COMPLETE", "mfa")
    assert run("--yes", "--stack-name", "mfa") == 0
    printed = capsys.readouterr().out
    assert "save a report first: root-virtual-mfa report --stack-name mfa --output" in printed
    assert f"root-virtual-mfa delete --management-account --region {REGION} --stack-name mfa\n" in printed


def test_deployment_for_one_account(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    one = stack(OrganizationId="", OrganizationRootId="", ManagementAccountId="", outputs=False)
    CloudFormation(fake, one, EVENTS, "DELETE_COMPLETE")
    fake.answers["DescribeLogGroups"] = {"logGroups": []}
    assert run("--yes") == 0
    printed = capsys.readouterr().out
    assert "StackSet " not in printed
    stays = printed.partition("What stays behind:\n")[2]
    assert "log group" not in stays, "it is not there"
    assert "aws cloudformation delete-stack --region us-east-1 --stack-name root-virtual-mfa-region-forwarder" in stays
    assert stays.endswith("The OpsItems with the source root-virtual-mfa in OpsCenter. Nothing resolves them any more.\n")


# --- By StackSet, and half-way ---


@pytest.mark.parametrize(
    ("kinds", "steps"),
    [
        (["StackSet"], ["1. in every account in scope, the stack of the StackSet", "2. in account"]),
        (
            ["OrganizationConformancePack", "StackSet"],
            ["1. in every account of", "2. in every account in scope, the stack of the StackSet", "3. in account"],
        ),
        ([], ["1. in account"]),
    ],
    ids=["by StackSet", "while it was switched", "failed before the StackSet"],
)
def test_what_is_there_is_deleted_in_this_order(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], kinds: list[str], steps: list[str]
) -> None:
    services = {"StackSet": "CloudFormation", "OrganizationConformancePack": "Config"}
    found = [resource(kind, f"AWS::{services[kind]}::{kind}") for kind in kinds]
    gone = resource("Gone", "AWS::Config::OrganizationConformancePack", status="DELETE_COMPLETE")
    fake.answers["ListStackResources"] = {"StackResourceSummaries": [*found, gone]}
    CloudFormation(fake, stack(RuleDeployment="StackSet", status="UPDATE_FAILED"), EVENTS, "DELETE_COMPLETE")
    assert run("--yes") == 0
    plan = capsys.readouterr().out.partition("Resources:")[0]
    assert [line[2 : 2 + len(step)] for line, step in zip(plan.splitlines()[1:-1], steps, strict=True)] == steps
    assert "the rule, with its results in AWS Config, and then roles" in plan or "StackSet" not in kinds


@pytest.mark.parametrize(
    ("parameters", "first"),
    [
        ({"RuleDeployment": "StackSet", "ManagementAccountHasEvaluationRole": "true"}, True),
        ({"RuleDeployment": "StackSet"}, False),
        ({"RuleDeployment": "ConformancePack", "ManagementAccountHasEvaluationRole": "true"}, False),
    ],
)
def test_rule_of_the_management_account_goes_before_the_function(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], parameters: dict[str, str], *, first: bool
) -> None:
    CloudFormation(fake, stack(outputs=True, **parameters), EVENTS, "DELETE_COMPLETE")
    assert run("--yes") == 0
    plan = capsys.readouterr().out.partition("Resources:")[0]
    command = f"root-virtual-mfa delete --management-account --region {REGION}"
    assert (f"0. first, with credentials of the management account {MANAGEMENT}" in plan and command in plan) is first


def test_deletion_that_failed_is_repeated(fake: FakeAws) -> None:
    CloudFormation(fake, stack(status="DELETE_FAILED", RuleDeployment="StackSet"), EVENTS, "DELETE_COMPLETE")
    assert run("--yes") == 0
    assert fake.called("DeleteStack") == [{"StackName": STACK_ID}]


# --- In the management account ---


@pytest.mark.parametrize("has_rule", [True, False])
def test_stack_of_the_management_account(fake: FakeAws, capsys: pytest.CaptureFixture[str], *, has_rule: bool) -> None:
    fake.answers["GetCallerIdentity"] = {"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/x"}
    name = "root-virtual-mfa-account"
    described = stack(OrganizationId="", CentralAccountId=CENTRAL, outputs=False) | {"StackName": name}
    rule = [resource("ConfigRule", "AWS::Config::ConfigRule")] if has_rule else []
    fake.answers["ListStackResources"] = {"StackResourceSummaries": [resource("EvaluationRole", "AWS::IAM::Role"), *rule]}
    cloudformation = CloudFormation(fake, described, EVENTS, "DELETE_COMPLETE", name)
    assert run("--management-account", "--yes", "--stack-name", "mfa") == 0
    assert cloudformation.asked[0] == name
    printed = capsys.readouterr().out
    assert ("the rule, with its results in AWS Config, and roles, runbooks" in printed) is has_rule
    there = f"--region {REGION} --stack-name mfa"
    assert (
        f"If the deployment in account {CENTRAL} stays, run there: root-virtual-mfa deploy {there} --parameter Man" in printed
    )
    assert f"a report first, with credentials of account {CENTRAL}: root-virtual-mfa report {there} --output" in printed
    assert "region-forwarder" not in printed
    assert fake.called("DeleteStack") == [{"StackName": STACK_ID}]


def test_management_account_without_a_stack(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id x does not exist")
    assert run("--management-account") == 0
    assert "There is no stack root-virtual-mfa-account in account" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "y", "root-virtual", None])
def test_nothing_is_deleted_unconfirmed(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str | None
) -> None:
    CloudFormation(fake, stack(), EVENTS, "DELETE_COMPLETE")
    typed(monkeypatch, answer)
    assert run() == 1
    assert fake.called("DeleteStack") == []
    assert "Not confirmed: nothing was deleted." in capsys.readouterr().out


def test_what_could_not_be_deleted_is_said_with_its_reason(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        *EVENTS[:3],
        event(3, "AccountResources", "DELETE_FAILED", "An account [x] is suspended."),
        event(4, "root-virtual-mfa", "DELETE_FAILED"),
    ]
    CloudFormation(fake, stack(), events, "DELETE_FAILED")
    assert run("--yes") == 1
    printed = capsys.readouterr().out
    assert printed.endswith("run this again:\n  AccountResources: An account [x] is suspended.\n")


@pytest.mark.parametrize("gone", [False, True])
def test_stacks_that_keep_a_stack_set_are_said_with_the_command(
    fake: FakeAws, capsys: pytest.CaptureFixture[str], *, gone: bool
) -> None:
    """An excluded account has one if it came in later. The other StackSet is deleted."""
    events = [
        *EVENTS[:3],
        event(3, "AccountResources", "DELETE_FAILED", "StackSet is not empty"),
        event(4, "root-virtual-mfa", ""),
    ]
    CloudFormation(fake, stack(), events, "DELETE_FAILED")
    instance = {"OrganizationalUnitId": "ou-a1b2-12345678", "Region": REGION}
    if gone:
        fake.refuse("ListStackInstances", "StackSetNotFoundException")
    else:
        fake.answers["ListStackInstances"] = {"Summaries": [{**instance, "Account": each} for each in ("3" * 12, "4" * 12)]}
    assert run("--yes") == 1
    [asked] = fake.called("ListStackInstances")
    assert asked == {"StackSetName": STACK_SET_ID, "CallAs": "DELEGATED_ADMIN"}
    said = capsys.readouterr().out.rpartition("AccountResources: StackSet is not empty\n")[2]
    if gone:
        assert said == ""
        return
    assert said == (
        "  The StackSet root-virtual-mfa-account still has a stack in 2 accounts: 333333333333, 444444444444, perhaps because "
        "an excluded account joined or moved later. To delete what is left: aws cloudformation delete-stack-instances "
        f"--region {REGION} --stack-set-name root-virtual-mfa-account --call-as DELEGATED_ADMIN --deployment-targets "
        f"OrganizationalUnitIds=ou-a1b2-12345678 --regions {REGION} --no-retain-stacks\n"
    )


def test_stack_set_that_was_never_made_has_no_stacks(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["ListStackResources"] = {
        "StackResourceSummaries": [resource("Forwarders", "AWS::CloudFormation::StackSet", "")]
    }
    events = [*EVENTS[:3], event(3, "FailedQueue", "DELETE_FAILED", "in use"), event(4, "root-virtual-mfa", "")]
    CloudFormation(fake, stack(), events, "DELETE_FAILED")
    assert run("--yes") == 1
    assert fake.called("ListStackInstances") == []
    assert capsys.readouterr().out.endswith("FailedQueue: in use\n")


def test_deletion_that_goes_on_already_is_watched(fake: FakeAws) -> None:
    CloudFormation(fake, stack(status="DELETE_IN_PROGRESS"), EVENTS, "DELETE_COMPLETE")
    assert run() == 0
    assert fake.called("DeleteStack") == []


def test_no_stack_is_no_failure(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    fake.refuse("DescribeStacks", "ValidationError", "Stack with id root-virtual-mfa does not exist")
    assert run() == 0
    assert f"There is no stack root-virtual-mfa in account {CENTRAL}, Region {REGION}: nothing" in capsys.readouterr().out


def test_termination_protection(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    CloudFormation(fake, stack() | {"EnableTerminationProtection": True}, EVENTS, "DELETE_COMPLETE")
    assert run("--yes") == 2
    assert "--no-enable-termination-protection" in capsys.readouterr().err
    assert fake.called("DeleteStack") == []


def test_denied(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    CloudFormation(fake, stack(), EVENTS, "DELETE_COMPLETE")
    fake.refuse("DeleteStack", "AccessDenied")
    assert run("--yes") == 2
    assert (
        capsys.readouterr().err
        == "root-virtual-mfa: DeleteStack failed with AccessDenied (said by AWS): use credentials that have this permission.\n"
    )


def test_interrupting_leaves_the_deletion_going_on(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    CloudFormation(fake, stack(), EVENTS, "DELETE_COMPLETE")

    def interrupt(_: Any) -> dict[str, Any]:  # noqa: ANN401 - parameters of any call
        raise KeyboardInterrupt

    fake.answers["DescribeStackEvents"] = interrupt
    assert run("--yes") == 130
    assert "The deletion continues without this command" in capsys.readouterr().out


@pytest.mark.parametrize("end", ["DELETE_COMPLETE", "DELETE_FAILED"])
def test_nothing_that_others_wrote_acts_on_the_screen(
    fake: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    events = [
        *EVENTS[:3],
        event(3, f"AccountResources {HOSTILE}", "DELETE_FAILED", HOSTILE),
        event(4, "root-virtual-mfa", end),
    ]
    CloudFormation(fake, stack(OrganizationId=HOSTILE) | {"StackName": f"mfa {HOSTILE}"}, events, end)
    log_group = resource("FunctionLogGroup", HOSTILE, HOSTILE)
    fake.answers["ListStackResources"] = {"StackResourceSummaries": [log_group]}
    fake.answers["DescribeLogGroups"] = {"logGroups": [{"logGroupName": HOSTILE}]}
    asked = []

    def read(prompt: str = "") -> str:
        asked.append(prompt)
        return f"mfa {HOSTILE}"

    monkeypatch.setattr("builtins.input", read)
    assert run() == (0 if end == "DELETE_COMPLETE" else 1)
    printed = capsys.readouterr().out
    check_shown(printed, 0)
    check_shown("".join(asked), 0)
    if end == "DELETE_COMPLETE":
        [line] = [line for line in printed.split("\n") if "aws logs delete-log-group" in line]
        words = shlex.split(line[line.index("aws logs") :])
        assert words == ["aws", "logs", "delete-log-group", "--region", REGION, "--log-group-name", visible(HOSTILE)]


def test_error_names_what_it_was_asked_for_and_does_nothing(fake: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    CloudFormation(fake, stack() | {"EnableTerminationProtection": True}, EVENTS, "DELETE_COMPLETE")
    fake.answers["DescribeStacks"] = {"Stacks": [stack() | {"EnableTerminationProtection": True}]}
    assert run("--stack-name", "x; touch y\n\x1b[2J") == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert r"--stack-name 'x; touch y\n\x1b[2J' --no-enable-termination-protection" in said
