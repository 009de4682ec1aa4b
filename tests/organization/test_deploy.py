"""The deployment as it is run: what it reads, asks and refuses, what it has the SAM CLI do, and how it ends."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from organization import cli
from organization.account_lists import EXCLUDED, INVOKING
from organization.deploy import template
from organization.preflight.judging import SERVICES
from organization.visible import visible
from tests.fake_aws import CENTRAL, REGION, paged
from tests.organization.deploy_scene import NAMES, REFUSED, Scene, failure, overrides, run, types
from tests.organization.fake_organization import HOSTILE, MANAGEMENT, MEMBER, ORGANIZATION, OTHER, ROOT, account, stack

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
    types(monkeypatch, "organization", "", "nonsense", "r-a1b2", "nobody", "a@example.com", "", MEMBER, "")
    options = scene.deploys()
    assert "--confirm-changeset" in options
    given = {"NoticeEmail": "a@example.com", "ExcludedAccounts": MEMBER, "ExpectedEvaluations": "2"}
    given["RuleDeployment"] = "ConformancePack"
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
        (f"ExcludedAccounts={MEMBER},x", "Parameter ExcludedAccounts has 'x', but must be 12-digit account ids, separated"),
        (f"ExcludedAccounts={'333333333333,' * 400}x", "Parameter ExcludedAccounts has 'x', but must be 12-digit account ids"),
        (
            f"ExcludedAccounts2={MEMBER}",
            "This command fills in parameter ExcludedAccounts2: give all excluded accounts in ExcludedAccounts.",
        ),
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


LEAD, DEPUTY = (f"arn:aws:iam::{CENTRAL}:role/{name}" for name in ("security-lead", "security/deputy"))


@pytest.mark.parametrize(
    ("before", "given", "named"),
    [
        (None, {"RemovalApprovers": LEAD, "RemovalMinimumApprovals": "2"}, 1),
        ({"RemovalApprovers": f"{LEAD},{DEPUTY}"}, {"RemovalMinimumApprovals": "3"}, 2),
        ({"RemovalApprovers": f"{LEAD},{DEPUTY}", "RemovalMinimumApprovals": "2"}, {"RemovalApprovers": LEAD}, 1),
        (
            None,
            {
                "RemovalApprovers": ",".join(f"arn:aws:sts::{CENTRAL}:assumed-role/deputy/{name}" for name in ("alice", "bob"))
                + f", {DEPUTY}",
                "RemovalMinimumApprovals": "2",
            },
            1,
        ),
        (None, {"RemovalMinimumApprovals": "2"}, 0),
    ],
    ids=["both given", "approvers kept", "minimum kept", "sessions of one role", "no approvers"],
)
def test_more_approvals_than_approvers(
    scene: Scene, capsys: pytest.CaptureFixture[str], before: dict[str, Any] | None, given: dict[str, str], named: int
) -> None:
    if before:
        scene.stays(stack(**before))
    assert run("--scope", "organization", "--yes", *(f"--parameter={name}={value}" for name, value in given.items())) == 2
    said = f", but RemovalApprovers names {named} different users and roles: name more, or ask for fewer approvals."
    assert said in " ".join(capsys.readouterr().err.split())
    assert scene.sam_calls() == []


def test_removal_is_deployed_if_the_organization_has_what_it_needs(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    services = [{"ServicePrincipal": service} for service in (*SERVICES, "iam.amazonaws.com")]
    scene.aws.answers["ListAWSServiceAccessForOrganization"] = {"EnabledServicePrincipals": services}
    scene.aws.answers["ListOrganizationsFeatures"] = {"EnabledFeatures": []}
    given = ("--parameter", f"RemovalApprovers={LEAD},{DEPUTY}", "--parameter", "RemovalMinimumApprovals=2")
    assert run("--scope", "organization", "--yes", "--no-build", *given) == 2
    assert "aws iam enable-organizations-root-credentials-management" in capsys.readouterr().out
    scene.aws.answers["ListOrganizationsFeatures"] = {"EnabledFeatures": ["RootCredentialsManagement"]}
    assert f"RemovalApprovers={LEAD},{DEPUTY}" in scene.deploys("--scope", "organization", "--yes", "--no-build", *given)


def test_artefact_that_was_not_built(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".aws-sam/build/template.yaml").unlink()
    assert "leave --no-build out." in failure(capsys, "--scope", "account", "--yes")
    assert scene.sam_calls() == []


# --- Who may invoke the function ---


def listed(*account_ids: str) -> dict[str, str]:
    """Return the parameters that list accounts, fewer than fill the first of them."""
    return dict.fromkeys(INVOKING.names, "") | {INVOKING.names[0]: ",".join(account_ids)}


def test_if_config_does_not_name_the_organization_every_account_is_listed(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.after = stack(status="CREATE_FAILED")
    scene.packs(**{f"in_{CENTRAL}": "CREATE_SUCCESSFUL", f"in_{MEMBER}": REFUSED, f"in_{OTHER}": "NoAvailableRecorder"})
    scene.at_last = stack(status="UPDATE_COMPLETE", InvokePermission="Accounts", InvokingAccounts=f"{MEMBER},{OTHER}")
    assert run("--scope", "organization", "--yes") == 0
    first, second = scene.deployments()
    assert overrides(first) == NAMES
    assert overrides(second) == NAMES | {"InvokePermission": "Accounts"} | listed(MEMBER, OTHER)
    assert "--no-confirm-changeset" in second
    printed = " ".join(capfd.readouterr().out.split())
    assert f"AWS Config may not invoke the function for account {MEMBER}. So it does not name the organization" in printed
    assert "An account that joins later is not evaluated until somebody deploys again" in printed
    assert "Deploy again when one has joined: root-virtual-mfa deploy" in printed


def test_on_a_terminal_the_second_change_set_is_asked_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.before = scene.after = scene.at_last = stack(status="CREATE_FAILED")
    scene.packs(**{f"in_{MEMBER}": REFUSED})
    types(monkeypatch)
    assert run() == 1
    assert all(" --confirm-changeset " in options for options in scene.deployments())


def test_excluded_accounts_are_not_listed(scene: Scene) -> None:
    scene.after = stack(status="CREATE_FAILED", ExcludedAccounts=OTHER)
    scene.packs(**{f"in_{MEMBER}": REFUSED})
    assert run("--scope", "organization", "--yes", "--parameter", f"ExcludedAccounts={OTHER}") == 0
    assert overrides(scene.deployments()[1]).items() >= listed(MEMBER).items()


@pytest.mark.parametrize(
    ("parameters", "packs"),
    [
        pytest.param({}, {MEMBER: "CREATE_SUCCESSFUL", OTHER: "NoAvailableRecorder"}, id="refused nowhere"),
        pytest.param({}, {MEMBER: "CREATE_SUCCESSFUL", OTHER: REFUSED}, id="let in elsewhere by the organization's id"),
        pytest.param({}, {CENTRAL: REFUSED, MANAGEMENT: REFUSED}, id="listed by default"),
        pytest.param({"InvokingAccounts": MEMBER}, {MEMBER: REFUSED}, id="listed by hand"),
        pytest.param({"InvokePermission": "Any"}, {MEMBER: REFUSED}, id="any account may"),
        pytest.param({"InvokePermission": "Accounts", "InvokingAccounts": MEMBER}, {MEMBER: REFUSED}, id="listed already"),
    ],
)
def test_what_a_list_would_not_mend_is_not_deployed_again(
    scene: Scene, parameters: dict[str, str], packs: dict[str, str]
) -> None:
    scene.before = scene.after = stack(status="UPDATE_FAILED", outputs=True, **parameters)
    scene.packs(**{f"in_{account_id}": status for account_id, status in packs.items()})
    assert run("--yes") == 1
    assert len(scene.deployments()) == 1


def test_pack_whose_status_may_not_be_seen(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("GetOrganizationConformancePackDetailedStatus", "AccessDeniedException")
    scene.deploys("--scope", "organization", "--yes")
    assert "It is not known where the conformance pack arrived: " in capfd.readouterr().out


def test_later_deployment_lists_who_has_joined_and_not_who_has_left(scene: Scene) -> None:
    scene.stays(stack(InvokePermission="Accounts", InvokingAccounts=f"555555555555,{MEMBER}", ExcludedAccounts=OTHER))
    scene.aws.answers["ListAccounts"] = {
        "Accounts": [account(each, each) for each in (MANAGEMENT, CENTRAL, MEMBER, OTHER, "666666666666")]
    }
    assert overrides(scene.deploys("--yes")) == NAMES | listed(MEMBER, "666666666666")


def test_lists_that_the_operator_gives_are_taken(scene: Scene) -> None:
    scene.stays(stack(InvokePermission="Accounts", InvokingAccounts=MEMBER))
    given = {"InvokingAccounts": f"{MEMBER},777777777777"}
    assert overrides(scene.deploys("--yes", "--parameter", f"InvokingAccounts={given['InvokingAccounts']}")) == NAMES | given


@pytest.mark.parametrize("permission", ["Organization", "Any"])
def test_another_choice_empties_the_lists(scene: Scene, permission: str) -> None:
    scene.stays(stack(InvokePermission="Accounts", InvokingAccounts=MEMBER))
    options = scene.deploys("--yes", "--parameter", f"InvokePermission={permission}")
    assert overrides(options) == NAMES | {"InvokePermission": permission} | listed()


@pytest.mark.parametrize("earlier", ["Accounts", "Any", "Organization"])
def test_who_takes_a_permission_away_hears_what_may_come_of_it(
    scene: Scene, capfd: pytest.CaptureFixture[str], earlier: str
) -> None:
    scene.before = stack(InvokePermission=earlier)
    scene.after = stack() | {"LastUpdatedTime": datetime.now(UTC)}
    scene.deploys("--yes", "--parameter", "InvokePermission=Organization")
    command = f"root-virtual-mfa deploy --parameter InvokePermission={earlier}\n"
    assert (command in capfd.readouterr().out) is (earlier != "Organization")


def test_accounts_that_cannot_be_read_stay_listed(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("ListAccounts", "AccessDeniedException")
    scene.stays(stack(InvokePermission="Accounts", InvokingAccounts=f"{MEMBER},{OTHER}"))
    assert overrides(scene.deploys("--yes")) == NAMES
    assert "the function's policy still lists 2 accounts." in " ".join(capfd.readouterr().out.split())


def test_accounts_that_cannot_be_read_cannot_be_listed(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("ListAccounts", "AccessDeniedException")
    scene.before = scene.after = stack(status="UPDATE_FAILED")
    scene.packs(**{f"in_{MEMBER}": REFUSED})
    assert run("--yes") == 1
    said = " ".join(capfd.readouterr().out.split())
    assert "--parameter InvokePermission=Accounts --parameter InvokingAccounts=..." in said
    assert len(scene.deployments()) == 1


def organization_of(scene: Scene, number: int) -> list[str]:
    """Let the organization have so many accounts beside the central and the management account."""
    account_ids = [f"{700000000000 + each}" for each in range(number)]
    described = [account(each, each) for each in (MANAGEMENT, CENTRAL, *account_ids)]
    scene.aws.answers["ListAccounts"] = {"Accounts": described}
    return account_ids


def test_as_many_accounts_as_the_policy_takes_are_listed(scene: Scene) -> None:
    account_ids = organization_of(scene, 1_260)
    scene.stays(stack(InvokePermission="Accounts"))
    found = overrides(scene.deploys("--yes"))
    values = [found[name] for name in INVOKING.names]
    assert ",".join(values).split(",") == account_ids
    assert [len(value) for value in values] == [4_094] * 4, "a parameter has 4,096 bytes at most"


@pytest.mark.parametrize("permission", ["Organization", "Accounts"])
def test_larger_organization_is_told_what_to_do(scene: Scene, capfd: pytest.CaptureFixture[str], permission: str) -> None:
    organization_of(scene, 1_261)
    scene.before = scene.after = stack(status="UPDATE_FAILED", InvokePermission=permission)
    scene.packs(in_700000000000=REFUSED)
    assert run("--yes") == (1 if permission == "Organization" else 2)
    printed = capfd.readouterr()
    said = " ".join((printed.out + printed.err).split())
    assert "would have to list 1261 accounts, and the parameters hold 1260." in said
    assert "`root-virtual-mfa deploy --parameter InvokePermission=Any`" in said


def test_value_that_is_too_long_for_a_parameter(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    value = ",".join(["333333333333"] * 316)
    said = failure(capsys, "--yes", "--parameter", f"InvokingAccounts={value}")
    assert said == "Parameter InvokingAccounts has 4107 bytes, and CloudFormation accepts 4096."
    assert scene.sam_calls() == []


# --- Excluded accounts ---


def many(number: int) -> list[str]:
    return [f"{700000000000 + each}" for each in range(number)]


def excluding(account_ids: list[str]) -> tuple[str, str]:
    return "--parameter", f"ExcludedAccounts={','.join(account_ids)}"


def test_as_many_accounts_are_excluded_as_a_pack_takes(scene: Scene) -> None:
    found = overrides(scene.deploys("--scope", "organization", "--yes", *excluding(many(999))))
    values = [found[name] for name in EXCLUDED.names]
    assert ",".join(values).split(",") == many(999)
    assert max(len(value) for value in values) == 4_094, "a parameter has 4,096 bytes at most"


def test_list_of_excluded_accounts_replaces_all_parts_of_the_former_one(scene: Scene) -> None:
    former = EXCLUDED.parameters(many(700))
    scene.stays(stack(outputs=True, **former))
    found = overrides(scene.deploys("--yes", *excluding([MEMBER, OTHER, MEMBER])))
    wanted = {"ExcludedAccounts": f"{MEMBER},{OTHER}", "ExcludedAccounts2": "", "ExcludedAccounts3": ""}
    assert found == NAMES | wanted, "the fourth part was empty before"


def test_accounts_of_every_part_are_excluded_from_the_functions_policy(scene: Scene) -> None:
    excluded = organization_of(scene, 700)
    scene.stays(stack(outputs=True, InvokePermission="Accounts", **EXCLUDED.parameters(excluded[:-1])))
    assert overrides(scene.deploys("--yes")) == NAMES | listed(excluded[-1])


WATCHED = {"ManagementAccountHasEvaluationRole": "true"}


@pytest.mark.parametrize(
    ("number", "parameters", "said"),
    [
        (
            1000,
            {},
            (
                "ExcludedAccounts has 1000 accounts, and AWS Config accepts at most 999 in a conformance pack beside the "
                f"management account {MANAGEMENT}, which has no evaluation role."
            ),
        ),
        (1000, WATCHED, ""),
        (1001, WATCHED, "ExcludedAccounts has 1001 accounts, and AWS Config accepts at most 1000 in a conformance pack."),
        (1261, {}, "ExcludedAccounts has 1261 accounts, and the parameters hold 1260."),
    ],
)
def test_more_excluded_accounts_than_a_pack_takes(
    scene: Scene, capsys: pytest.CaptureFixture[str], number: int, parameters: dict[str, str], said: str
) -> None:
    scene.stays(stack(outputs=True, **parameters))
    if said:
        assert failure(capsys, "--yes", *excluding(many(number))) == said
    else:
        assert run("--yes", *excluding(many(number))) == 0
    assert bool(scene.deployments()) is not bool(said)


def test_excluded_accounts_that_the_stack_has_count_when_the_management_account_is_left_out_anew(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.stays(stack(outputs=True, ManagementAccountHasEvaluationRole="true", **EXCLUDED.parameters(many(1000))))
    said = failure(capsys, "--yes", "--parameter", "ManagementAccountHasEvaluationRole=false")
    assert said.startswith(
        "ExcludedAccounts has 1000 accounts, and AWS Config accepts at most 999 in a conformance pack beside "
    )


def test_excluded_accounts_that_the_stack_has_count_when_a_pack_is_to_bring_the_rule(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.stays(stack(outputs=True, RuleDeployment="StackSet", **WATCHED, **EXCLUDED.parameters(many(1001))))
    said = failure(capsys, "--yes", "--parameter", "RuleDeployment=ConformancePack")
    assert said == "ExcludedAccounts has 1001 accounts, and AWS Config accepts at most 1000 in a conformance pack."


# --- Regions without AWS::Lambda::ResourcePolicy ---


def test_region_without_the_resource_policy_needs_any(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("DescribeType", "TypeNotFoundException")
    assert run("--scope", "organization", "--yes") == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "Resource type AWS::Lambda::ResourcePolicy: CloudFormation does not have it in this Region" in said
    assert "root-virtual-mfa deploy --scope organization --parameter InvokePermission=Any" in said


def test_region_without_the_resource_policy_takes_the_permission(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("DescribeType", "TypeNotFoundException")
    scene.after = stack(InvokePermission="Any", FunctionPolicyType="AWS::Lambda::Permission")
    options = scene.deploys("--scope", "organization", "--yes", "--parameter", "InvokePermission=Any")
    wanted = {"InvokePermission": "Any", "FunctionPolicyType": "AWS::Lambda::Permission"}
    assert overrides(options) == NAMES | wanted
    assert "Set ReservedConcurrentExecutions" in " ".join(capfd.readouterr().out.split())


def test_type_of_the_permission_stays(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(InvokePermission="Any", FunctionPolicyType="AWS::Lambda::Permission"))
    said = failure(capsys, "--yes", "--parameter", "FunctionPolicyType=AWS::Lambda::ResourcePolicy")
    assert said.startswith(
        "The stack root-virtual-mfa has AWS::Lambda::Permission. To change FunctionPolicyType, delete the stack"
    )
    assert overrides(scene.deploys("--yes")) == NAMES


# --- Rollback ---

STACK_ID = str(stack()["StackId"])
NESTED = "RootCredentials"
ROLL_BACK = f"aws cloudformation rollback-stack --region {REGION} --stack-name root-virtual-mfa"
REPLACES = "Replacement type updates not supported on stack with disable-rollback."


def event(status: str, reason: str = "", *, of: str = "NoticeTopic", minutes_ago: int = -1) -> dict[str, Any]:
    """Make an event of a stack, by default one of the deployment under way."""
    found = {
        "StackId": STACK_ID,
        "EventId": f"{of}-{status}-{minutes_ago}",
        "StackName": "root-virtual-mfa",
        "LogicalResourceId": of,
        "PhysicalResourceId": STACK_ID if of == "root-virtual-mfa" else of,
        "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes_ago),
        "ResourceType": "AWS::CloudFormation::Stack" if of in {"root-virtual-mfa", NESTED} else "AWS::SNS::Topic",
        "ResourceStatus": status,
    }
    return found | ({"ResourceStatusReason": reason} if reason else {})


@pytest.mark.parametrize("complete", [True, False])
def test_replacement_that_cloudformation_refuses(
    scene: Scene,
    capfd: pytest.CaptureFixture[str],
    complete: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    scene.before = stack()
    scene.after = stack(status="UPDATE_FAILED")
    scene.sam.with_name("sam.code").write_text("1", encoding="utf-8")
    earlier = "UPDATE_COMPLETE" if complete else "CREATE_FAILED"
    scene.aws.answers["DescribeStackEvents"] = paged(
        "StackEvents",
        [
            [event("UPDATE_FAILED", REPLACES), event("UPDATE_FAILED", "Resource update cancelled", of="AlarmTopic")],
            [event(earlier, of="root-virtual-mfa", minutes_ago=60), event("UPDATE_FAILED", REPLACES, of="Old", minutes_ago=61)],
        ],
    )
    assert run("--yes") == 1
    printed = capfd.readouterr().out
    shown = [line.strip() for line in printed.splitlines() if line.startswith(("  aws ", "  root-virtual-mfa "))]
    said = " ".join(printed.split())
    assert "CloudFormation has to replace NoticeTopic, and replaces nothing while rollback is disabled." in said
    assert ("It was never complete, so CloudFormation would delete it" in said) is not complete
    assert shown == ([ROLL_BACK] if complete else []) + ["root-virtual-mfa deploy --rollback"]


def test_replacement_in_a_nested_stack(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.before, scene.after = stack(), stack(status="UPDATE_FAILED")
    scene.sam.with_name("sam.code").write_text("1", encoding="utf-8")
    events = {
        STACK_ID: [
            event("UPDATE_FAILED", "Resource Nested failed.", of="root-virtual-mfa"),
            event("UPDATE_FAILED", "Embedded stack was not successfully updated.", of=NESTED),
        ],
        NESTED: [event("UPDATE_FAILED", REPLACES, of="ApprovalTopic")],
    }
    scene.aws.answers["DescribeStackEvents"] = lambda asked: {"StackEvents": events[asked["StackName"]]}
    assert run("--yes") == 1
    assert "CloudFormation has to replace ApprovalTopic, and" in capfd.readouterr().out


def test_other_failures_say_nothing_of_replacements(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.before, scene.after = stack(), stack(status="UPDATE_FAILED")
    scene.sam.with_name("sam.code").write_text("1", encoding="utf-8")
    scene.aws.answers["DescribeStackEvents"] = {"StackEvents": [event("UPDATE_FAILED", "Access denied.")]}
    assert run("--yes") == 1
    assert "replace" not in capfd.readouterr().out


def test_rollback_once(scene: Scene) -> None:
    scene.stays(stack())
    assert " --no-disable-rollback " in scene.deploys("--yes", "--rollback")


def test_rollback_of_what_has_failed(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(status="UPDATE_FAILED"))
    complete = event("CREATE_COMPLETE", of="root-virtual-mfa", minutes_ago=60)
    scene.aws.answers["DescribeStackEvents"] = {"StackEvents": [complete]}
    said = failure(capsys, "--yes", "--rollback")
    assert said.startswith("The stack root-virtual-mfa is UPDATE_FAILED, and CloudFormation updates it only without rollback.")
    assert said.endswith(f"`{ROLL_BACK}` `root-virtual-mfa deploy --rollback`")
    assert scene.sam_calls() == []


# --- How it ends ---


def test_it_says_what_to_do_next(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.after = stack(NoticeEmail="a@example.com", AlarmEmail="b@example.com")
    scene.deploys("--scope", "organization", "--yes")
    steps = capfd.readouterr().out.partition("What to do next:\n")[2]
    shown = [line.strip() for line in steps.splitlines() if line.startswith("     ")]
    assert "1. Confirm the subscriptions of a@example.com and b@example.com" in steps
    assert shown == [
        f"root-virtual-mfa deploy --management-account --region {REGION}",
        "root-virtual-mfa deploy --parameter ManagementAccountHasEvaluationRole=true",
        (
            "aws cloudformation deploy --region us-east-1 --stack-name root-virtual-mfa-region-forwarder --template-file "
            f"region-forwarder.yaml --capabilities CAPABILITY_NAMED_IAM --parameter-overrides HomeRegion={REGION}"
        ),
        "root-virtual-mfa report",
    ]


def test_what_to_do_next_is_for_the_stack_of_this_name(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.after = stack() | {"StackName": "mfa"}
    scene.deploys("--scope", "organization", "--yes", "--stack-name", "mfa")
    steps = capfd.readouterr().out.partition("What to do next:\n")[2]
    shown = [line.strip() for line in steps.splitlines() if line.startswith("     root-virtual-mfa ")]
    assert shown == [
        f"root-virtual-mfa deploy --management-account --region {REGION} --stack-name mfa",
        "root-virtual-mfa deploy --stack-name mfa --parameter ManagementAccountHasEvaluationRole=true",
        "root-virtual-mfa report --stack-name mfa",
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


def test_failed_stack_that_stays_as_it_is(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(status="CREATE_FAILED"))
    assert run("--yes") == 1
    assert "The stack root-virtual-mfa is CREATE_FAILED, and nothing was changed now." in capfd.readouterr().out


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
