"""The deployment as it is run: what it reads, asks and refuses, what it has the SAM CLI do, and how it ends."""

import io
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from organization import cli, commands, template
from organization.checks import SERVICES
from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, FakeAws, RefusalError
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, MEMBER, ORGANIZATION, OTHER, ROOT, account, stack

PROJECT = Path(__file__).parents[2]
NAMES = {"OrganizationId": ORGANIZATION, "OrganizationRootId": ROOT, "ManagementAccountId": MANAGEMENT}

SAM = """#!/bin/sh
# Remembers how it was called.
printf '%s\\n' "$*" >> "$0.calls"
echo "SAM says: PYTHON=$PYTHON"
exit "$(cat "$0.code")"
"""


@dataclass
class Scene:
    """AWS and the SAM CLI, neither of them real; the stack as it is `before` and `after` the SAM CLI deploys."""

    aws: FakeAws
    sam: Path
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = field(default_factory=stack)

    def stays(self, described: dict[str, Any]) -> None:
        """Let the stack be there, and stay as it is."""
        self.before = self.after = described

    def describe(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        described = self.after if any(call.startswith("deploy ") for call in self.sam_calls()) else self.before
        if described is None:
            raise RefusalError("ValidationError", "Stack with id x does not exist")
        return {"Stacks": [described]}

    def sam_calls(self) -> list[str]:
        calls = self.sam.with_name("sam.calls")
        return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []

    def deploys(self, *arguments: str) -> str:
        """Return the options of the one `sam deploy` of a run that ends well."""
        assert run(*arguments) == 0
        (call,) = self.sam_calls()
        command, _, options = call.partition(" ")
        assert command == "deploy"
        return options


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Answer for an organization in which nothing is missing, to a delegated administrator; no stack is there before."""
    sam = tmp_path / "bin" / "sam"
    sam.parent.mkdir()
    sam.write_text(SAM, encoding="utf-8")
    sam.chmod(0o755)
    sam.with_name("sam.code").write_text("0", encoding="utf-8")
    monkeypatch.setattr(sys, "executable", str(sam.parent / "python"))
    (tmp_path / "checkout" / ".aws-sam" / "build").mkdir(parents=True)
    for name in ("template.yaml", "account.yaml", "samconfig.toml"):
        shutil.copy(PROJECT / name, tmp_path / "checkout")
    (tmp_path / "checkout" / ".aws-sam" / "build" / "template.yaml").touch()
    monkeypatch.chdir(tmp_path / "checkout")

    def refuse(code: str) -> Any:  # noqa: ANN401 - an answer of any operation
        def fail(_: Mapping[str, Any]) -> Mapping[str, Any]:
            raise RefusalError(code)

        return fail

    def aggregators(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if "ConfigurationAggregatorNames" in asked:
            raise RefusalError("NoSuchConfigurationAggregatorException")
        return {"ConfigurationAggregators": []}

    aws = FakeAws(
        {
            "DescribeOrganization": {"Organization": {"Id": ORGANIZATION, "MasterAccountId": MANAGEMENT, "FeatureSet": "ALL"}},
            "ListRoots": {"Roots": [{"Id": ROOT, "Name": "Root"}]},
            "ListAccounts": {"Accounts": [account(each, each) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER)]},
            "ListAWSServiceAccessForOrganization": {"EnabledServicePrincipals": [{"ServicePrincipal": s} for s in SERVICES]},
            "ListDelegatedAdministrators": {"DelegatedAdministrators": [{"Id": CENTRAL}]},
            "DescribeConfigurationRecorderStatus": {"ConfigurationRecordersStatus": [{"name": "default", "recording": True}]},
            "DescribeConfigurationAggregators": aggregators,
            "GetRole": refuse("NoSuchEntity"),
            "DescribeOrganizationConformancePacks": refuse("NoSuchOrganizationConformancePackException"),
            "DescribeStackSet": refuse("StackSetNotFoundException"),
        }
    )
    with aws.in_place():
        scene = Scene(aws, sam)
        aws.answers["DescribeStacks"] = scene.describe
        yield scene


def run(*arguments: str) -> int:
    return cli.main(["deploy", "--no-build", *arguments])


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("root-virtual-mfa: ")


class Terminal(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


def types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))


# --- What it fills in ---


def test_organization_is_read(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    options = scene.deploys("--scope", "organization", "--yes", "--parameter", "NoticeEmail=a@example.com")
    where = f"--config-env organization --stack-name root-virtual-mfa --region {REGION} --no-confirm-changeset"
    overrides = " ".join(f"{name}={value}" for name, value in {"NoticeEmail": "a@example.com", **NAMES}.items())
    assert options == f"{where} --parameter-overrides {overrides}"
    printed = capfd.readouterr().out
    assert f"This makes the stack root-virtual-mfa in account {CENTRAL}, Region {REGION}, for organization" in printed
    assert printed.index(f"OrganizationRootId={ROOT}") < printed.index("SAM says") < printed.index("is deployed.")


def test_one_account_needs_nothing_of_an_organization(scene: Scene) -> None:
    scene.after = stack(OrganizationId="", OrganizationRootId="", ManagementAccountId="")
    options = scene.deploys("--scope", "account", "--yes")
    assert options == f"--config-env default --stack-name root-virtual-mfa --region {REGION} --no-confirm-changeset"
    assert {name for name, _ in scene.aws.calls} == {"GetCallerIdentity", "DescribeStacks"}


def test_ids_that_are_given_are_not_read(scene: Scene) -> None:
    scene.aws.refuse("ListRoots", "AccessDeniedException")
    options = scene.deploys("--yes", "--parameter", "OrganizationRootId=r-9999")
    assert "--config-env organization" in options, "which the parameter tells"
    assert "OrganizationRootId=r-9999" in options


@pytest.mark.parametrize(("organization_id", "environment"), [(ORGANIZATION, "organization"), ("", "default")])
def test_scope_of_a_stack_stays(scene: Scene, organization_id: str, environment: str) -> None:
    scene.stays(stack(OrganizationId=organization_id))
    assert f"--config-env {environment} " in scene.deploys("--yes", "--parameter", "AlarmEmail=")


def test_stack_name_and_profile_reach_sam(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-1\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    options = scene.deploys("--scope", "account", "--yes", "--stack-name", "mfa", "--profile", "work", "--region", "eu-west-1")
    assert "--stack-name mfa --region eu-west-1 --profile work" in options


def test_empty_values_and_spaces_are_quoted_for_sam(scene: Scene) -> None:
    scene.stays(stack(OrganizationId=""))
    assert scene.deploys("--yes", "--parameter", "AlarmEmail=").endswith('--parameter-overrides AlarmEmail=""')


def test_build_comes_first_without_its_output(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deploy", "--scope", "account", "--yes"]) == 0
    assert [call.split()[0] for call in scene.sam_calls()] == ["build", "deploy"]
    assert capfd.readouterr().out.count("SAM says") == 1


def test_build_that_fails(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.sam.with_name("sam.code").write_text("1", encoding="utf-8")
    assert cli.main(["deploy", "--scope", "account", "--yes"]) == 2
    assert f"sam build failed: SAM says: PYTHON={sys.executable}" in capfd.readouterr().err


# --- What it asks ---


def test_it_asks_for_what_it_cannot_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.aws.refuse("ListRoots", "AccessDeniedException")
    types(monkeypatch, "organization", "nonsense", "r-a1b2", "nobody", "a@example.com", "", MEMBER, "")
    options = scene.deploys()
    assert "--confirm-changeset" in options
    given = {"NoticeEmail": "a@example.com", "ExcludedAccounts": MEMBER, "ExpectedEvaluations": "3"}
    assert dict(pair.split("=") for pair in options.partition("--parameter-overrides ")[2].split()) == NAMES | given
    printed = capfd.readouterr()
    assert "must be the id of an organization's root" in printed.out + printed.err
    assert "must be an e-mail address" in printed.out + printed.err
    assert template.read(Path("template.yaml"))["AlarmEmail"].description in printed.out.replace("\n", " ")


def test_questions_that_options_have_answered_are_not_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.after = stack(OrganizationId="")
    types(monkeypatch, "b@example.com")
    options = scene.deploys("--scope", "account", "--parameter", "AlarmEmail=a@example.com")
    assert options.endswith("AlarmEmail=a@example.com NoticeEmail=b@example.com")


def test_nothing_but_the_change_set_is_asked_of_a_stack_that_is_there(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.stays(stack())
    types(monkeypatch)
    options = scene.deploys()
    assert "--confirm-changeset --parameter-overrides OrganizationId=" in options


def test_interrupted_at_a_question(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    types(monkeypatch)
    assert run() == 130
    assert scene.sam_calls() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "The scope is missing: give --scope account or --scope organization."),
        (("--yes",), "The scope is missing: give --scope account or --scope organization."),
        (
            ("--scope", "organization", "--yes"),
            "OrganizationRootId cannot be read with these credentials: give --parameter OrganizationRootId=VALUE.",
        ),
        (
            ("--scope", "account"),
            "There is no terminal to confirm the change set on: give --yes to execute it without a question.",
        ),
    ],
)
def test_without_a_terminal_it_says_which_option_is_missing(
    scene: Scene, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    scene.aws.refuse("ListRoots", "AccessDeniedException")
    assert failure(capsys, *arguments) == said
    assert scene.sam_calls() == []


# --- What it refuses ---


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("Nothing=1", "The template has no parameter Nothing: it has MinimumVirtualMfaDevices, "),
        ("MinimumVirtualMfaDevices=9", "Parameter MinimumVirtualMfaDevices is '9', but must be a number from 1 to 8"),
        ("AlarmEmail=nobody", "Parameter AlarmEmail is 'nobody', but must be an e-mail address, or empty."),
        (f"ExcludedAccounts={MEMBER},x", f"Parameter ExcludedAccounts is '{MEMBER},x', but must be 12-digit account ids"),
        ("ExpectedEvaluations=many", "Parameter ExpectedEvaluations is 'many', but must be at least 1."),
    ],
)
def test_parameter_that_the_template_does_not_take(
    scene: Scene, capsys: pytest.CaptureFixture[str], parameter: str, said: str
) -> None:
    assert failure(capsys, "--parameter", parameter).startswith(said)
    assert scene.aws.calls == []


def test_parameter_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--parameter", "AlarmEmail") == 2
    assert "'AlarmEmail' must be NAME=VALUE." in capsys.readouterr().err


@pytest.mark.usefixtures("scene")
def test_ids_of_an_organization_are_not_for_one_account(capsys: pytest.CaptureFixture[str]) -> None:
    said = failure(capsys, "--scope", "account", "--yes", "--parameter", "OrganizationId=o-a1b2c3d4e5")
    assert said == "Parameter OrganizationId is for an organization: give --scope organization."


@pytest.mark.parametrize(
    ("deployed", "said"),
    [
        (stack(), f"deployed for organization {ORGANIZATION}: to change its scope, delete it"),
        (stack(OrganizationId="", status="UPDATE_IN_PROGRESS"), "UPDATE_IN_PROGRESS: wait until that is over."),
        (stack(OrganizationId="", status="ROLLBACK_COMPLETE"), "delete it first. Run `root-virtual-mfa delete`."),
    ],
)
def test_stack_that_cannot_be_updated(
    scene: Scene, capsys: pytest.CaptureFixture[str], deployed: dict[str, Any], said: str
) -> None:
    scene.stays(deployed)
    assert said in failure(capsys, "--scope", "account", "--yes")


def test_what_the_organization_lacks_is_said_with_its_command(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.aws.answers["ListDelegatedAdministrators"] = {"DelegatedAdministrators": []}
    assert run("--scope", "organization", "--yes") == 2
    printed = capsys.readouterr()
    assert printed.out.count("aws organizations register-delegated-administrator") == len(SERVICES)
    assert "3 of the things that the organization's deployment needs are missing" in printed.err
    assert scene.sam_calls() == []


def test_artefact_that_was_not_built(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".aws-sam/build/template.yaml").unlink()
    assert "leave --no-build out." in failure(capsys, "--scope", "account", "--yes")
    assert scene.sam_calls() == []


# --- How it ends ---


def test_it_says_what_to_do_next(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.after = stack(NoticeEmail="a@example.com", AlarmEmail="b@example.com")
    scene.deploys("--scope", "organization", "--yes")
    steps = capfd.readouterr().out.partition("What to do next:\n")[2]
    shown = [line.strip() for line in steps.splitlines() if line.startswith("     ")]
    assert "1. Confirm the subscriptions of a@example.com and b@example.com" in steps
    assert shown == [
        commands.deploy_account(REGION, CENTRAL),
        "root-virtual-mfa deploy --parameter ManagementAccountHasEvaluationRole=true",
        (
            "aws cloudformation deploy --region us-east-1 --stack-name root-virtual-mfa-region-forwarder --template-file "
            f"region-forwarder.yaml --capabilities CAPABILITY_NAMED_IAM --parameter-overrides HomeRegion={REGION}"
        ),
        "root-virtual-mfa report",
    ]


def test_nothing_to_change(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack())
    assert run("--yes") == 0
    assert "The stack root-virtual-mfa is as it was" in capfd.readouterr().out


@pytest.mark.parametrize("after", [None, stack(status="REVIEW_IN_PROGRESS")])
def test_change_set_that_was_not_confirmed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], after: dict[str, Any] | None
) -> None:
    scene.after = after
    types(monkeypatch, "", "")
    assert run("--scope", "account") == 1
    assert "Not confirmed: nothing was deployed." in capfd.readouterr().out


@pytest.mark.parametrize("scope", ["account", "organization"])
def test_failed_deployment(scene: Scene, capfd: pytest.CaptureFixture[str], scope: str) -> None:
    scene.sam.with_name("sam.code").write_text("3", encoding="utf-8")
    scene.after = stack(status="CREATE_FAILED", OrganizationId=ORGANIZATION if scope == "organization" else "")
    assert run("--scope", scope, "--yes") == 1
    printed = capfd.readouterr().out
    assert "The deployment failed: sam deploy ended with exit code 3." in printed
    assert ("`root-virtual-mfa report` lists the accounts" in printed) is (scope == "organization")


@pytest.mark.parametrize("organization_id", [ORGANIZATION, HOSTILE])
def test_nothing_that_others_wrote_acts_on_the_screen(
    scene: Scene, capfd: pytest.CaptureFixture[str], organization_id: str
) -> None:
    scene.before = stack(OrganizationId=organization_id, NoticeEmail=HOSTILE)
    scene.after = stack(NoticeEmail=HOSTILE)
    assert run("--yes") == (0 if organization_id == ORGANIZATION else 2)
    printed = capfd.readouterr()
    lines = (printed.out + printed.err).split("\n")
    assert all(visible(line) == line for line in lines)
    assert not [line for line in lines if line.startswith("    aws iam")]
    assert "[red]:skull:[/]" in printed.out, "it is shown, as what it is"
