"""What brings the rule: what `deploy` asks, refuses and says about pack, StackSet and organizational units."""

from typing import Any

import pytest

from organization.account_lists import EXCLUDED
from tests.fake_aws import CENTRAL, REGION
from tests.organization.deploy_scene import NAMES, Scene, failure, overrides, run, types
from tests.organization.fake_organization import (
    HOSTILE,
    MANAGEMENT,
    MEMBER,
    OTHER,
    PRODUCTION,
    ROOT,
    SECURITY,
    UNITS,
    WORKLOADS,
    account,
    answer_units,
    check_shown,
    stack,
)

BY_STACK_SET = ("--parameter", "RuleDeployment=StackSet")
REFUSED = (
    "ResourceLogicalId:ConfigRule, ResourceType:AWS::Config::ConfigRule, ResourceStatusReason:The AWS Lambda function cannot "
    "be invoked. (Service: AmazonConfig; Status Code: 400; Error Code: InsufficientPermissionsException)."
)
DENIED = (
    "ResourceLogicalId:EvaluationRole, ResourceType:AWS::IAM::Role, ResourceStatusReason:User is not authorized to perform: "
    "iam:CreateRole on resource: role with an explicit deny in a service control policy. Check its permissions."
)


@pytest.fixture(autouse=True)
def _units(scene: Scene) -> None:
    answer_units(scene.aws)


def to(*units: str) -> tuple[str, ...]:
    return (*BY_STACK_SET, "--parameter", f"OrganizationalUnitIds={','.join(units)}")


def said(capfd: pytest.CaptureFixture[str]) -> str:
    printed = capfd.readouterr()
    return " ".join((printed.out + printed.err).split())


# --- Which way, and which units ---


@pytest.mark.parametrize("number", [1260, 1261])
def test_a_stack_set_excludes_as_many_accounts_as_the_parameters_hold(
    scene: Scene, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    excluded = ",".join(f"{700000000000 + each}" for each in range(number))
    arguments = ("--scope", "organization", "--yes", *BY_STACK_SET, "--parameter", f"ExcludedAccounts={excluded}")
    if number == EXCLUDED.most:
        given = overrides(scene.deploys(*arguments))
        assert ",".join(given[name] for name in EXCLUDED.names) == excluded
    else:
        assert failure(capsys, *arguments) == "ExcludedAccounts has 1261 accounts, and the parameters hold 1260."


def test_it_asks_which_way_and_which_units_and_says_how_many_accounts_that_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    types(
        monkeypatch,
        "organization",
        "stacks",  # refused
        "StackSet",
        "Workloads/Nowhere",  # refused
        f"Security, {WORKLOADS}, Workloads/Production",  # refused
        "Root/Workloads",
        "",
        "",
        OTHER,
        "",
    )
    options = scene.deploys()
    given = {"RuleDeployment": "StackSet", "OrganizationalUnitIds": WORKLOADS}
    assert overrides(options) == NAMES | given | {"ExcludedAccounts": OTHER, "ExpectedEvaluations": "1"}
    printed = said(capfd)
    assert "must be ConformancePack or StackSet." in printed
    for path, unit_id, accounts in (
        ("Root", ROOT, "4 active accounts"),
        ("Root/Security", SECURITY, "1 active account"),
        ("Root/Workloads", WORKLOADS, "2 active accounts"),
        ("Root/Workloads/Production", PRODUCTION, "1 active account"),
    ):
        assert f"{path} ({unit_id}): {accounts}" in printed
    assert "The organization has no unit Workloads/Nowhere" in printed
    assert f"Root/Workloads ({WORKLOADS}) contains Root/Workloads/Production ({PRODUCTION})" in printed
    assert "1 account is in scope: 2 active accounts in these organizational units, less 1 excluded." in printed
    assert printed.index("is in scope") < printed.index("SAM says"), "before anything is deployed"


@pytest.mark.parametrize(
    ("arguments", "parameters", "scope"),
    [
        ((), {}, "3 accounts are in scope: 4 active accounts in the organization, less the management account"),
        (
            ("--parameter", f"ExcludedAccounts={MEMBER}"),
            {"ExcludedAccounts": MEMBER},
            "2 accounts are in scope: 4 active accounts in the organization, less 1 excluded and the management account",
        ),
        (
            BY_STACK_SET,
            {"RuleDeployment": "StackSet"},
            "3 accounts are in scope: 4 active accounts in the organization, less the management account",
        ),
        (
            to("Workloads", SECURITY),
            {"RuleDeployment": "StackSet", "OrganizationalUnitIds": f"{WORKLOADS},{SECURITY}"},
            "3 accounts are in scope: 3 active accounts in these organizational units.",
        ),
        (
            (*to(PRODUCTION, "Workloads/Production"), "--parameter", "ManagementAccountHasEvaluationRole=true"),
            {
                "RuleDeployment": "StackSet",
                "OrganizationalUnitIds": PRODUCTION,
                "ManagementAccountHasEvaluationRole": "true",
            },
            f"2 accounts are in scope: 1 active account in these organizational units, and the management account {MANAGEMENT}",
        ),
    ],
    ids=["pack", "pack with excluded", "whole organization", "units by path and id", "unit named twice"],
)
def test_without_a_terminal_parameters_say_it_and_the_plan_has_the_number(
    scene: Scene,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    parameters: dict[str, str],
    scope: str,
) -> None:
    options = scene.deploys("--scope", "organization", "--yes", *arguments)
    assert overrides(options) == NAMES | parameters
    assert scope in said(capfd)


def test_suspended_accounts_are_not_in_scope(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(UNITS, PRODUCTION, ([], {}))
    closed = account(OTHER, "closed", "SUSPENDED")
    answer = scene.aws.answers["ListAccountsForParent"]
    assert callable(answer)
    scene.aws.answers["ListAccountsForParent"] = lambda asked: (
        {"Accounts": [closed]} if asked["ParentId"] == PRODUCTION else answer(asked)
    )
    scene.deploys("--scope", "organization", "--yes", *to(WORKLOADS))
    assert "1 account is in scope: 1 active account in these organizational units." in said(capfd)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (to("ou-a1b2-99999999"), "The organization has no unit ou-a1b2-99999999: give ids, or paths such as Root/"),
        (
            to("Root/Workload"),
            "The organization has no unit Root/Workload: give ids, or paths such as Root/Workloads/Production.",
        ),
        (to(ROOT, SECURITY), f"Root ({ROOT}) contains Root/Security ({SECURITY}), whose accounts would be named twice: "),
        (
            ("--parameter", f"OrganizationalUnitIds={SECURITY}"),
            "OrganizationalUnitIds is for RuleDeployment=StackSet, and the deployment has ConformancePack: a conformance pack ",
        ),
        (
            ("--parameter", "RuleDeployment=Both"),
            "Parameter RuleDeployment is 'Both', but must be ConformancePack or StackSet.",
        ),
    ],
)
def test_units_that_cannot_be_deployed_to(
    scene: Scene, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert failure(capsys, "--scope", "organization", "--yes", *arguments).startswith(message)
    assert scene.sam_calls() == []


def test_a_path_that_is_nearly_right(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "--scope", "organization", "--yes", *to("Root/Workload")).endswith(" Did you mean Root/Workloads?")
    assert scene.sam_calls() == []


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("RuleDeployment=StackSet", "RuleDeployment=StackSet is for an organization: give --scope organization."),
        (
            f"OrganizationalUnitIds={SECURITY}",
            "Parameter OrganizationalUnitIds is for an organization: give --scope organization.",
        ),
    ],
)
def test_one_account_has_neither(scene: Scene, capsys: pytest.CaptureFixture[str], parameter: str, message: str) -> None:
    assert failure(capsys, "--scope", "account", "--yes", "--parameter", parameter) == message
    assert scene.sam_calls() == []


def test_units_of_one_path(scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A name may have a slash."""
    monkeypatch.setitem(UNITS, ROOT, ([MANAGEMENT], {**UNITS[ROOT][1], "Workloads/Production": "ou-a1b2-44444444"}))
    monkeypatch.setitem(UNITS, "ou-a1b2-44444444", ([], {}))
    assert failure(capsys, "--scope", "organization", "--yes", *to("Workloads/Production")) == (
        f"2 units have the path Workloads/Production: give the id of one, ou-a1b2-44444444 or {PRODUCTION}."
    )
    assert scene.sam_calls() == []


def test_units_that_may_not_be_read_are_given_by_their_ids(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("ListOrganizationalUnitsForParent", "AccessDeniedException")
    assert run("--scope", "organization", "--yes", *to("Workloads")) == 2
    assert "Parameter OrganizationalUnitIds has 'Workloads', but must be ids" in said(capfd)
    assert overrides(scene.deploys("--scope", "organization", "--yes", *to(WORKLOADS)))["OrganizationalUnitIds"] == WORKLOADS
    assert "The number of accounts in scope is not known. ListOrganizationalUnitsForParent failed" in said(capfd)


def test_organization_that_may_not_be_read_is_said_first(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("DescribeOrganization", "AccessDeniedException")
    assert failure(capsys, "--scope", "organization", "--yes", *to(WORKLOADS)).startswith("OrganizationId cannot be read")
    ids = [f"--parameter={name}={value}" for name, value in NAMES.items()]
    assert (
        overrides(scene.deploys("--scope", "organization", "--yes", *to(WORKLOADS), *ids))["OrganizationalUnitIds"] == WORKLOADS
    )


def test_names_of_units_do_not_act_on_the_screen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(UNITS, ROOT, ([MANAGEMENT], {HOSTILE: WORKLOADS}))
    types(monkeypatch, "organization", "StackSet", "nowhere", WORKLOADS, "", "", "", "")
    scene.deploys()
    printed = capfd.readouterr()
    check_shown(printed.out + printed.err, 0)


# --- Another scope, and another way ---


def test_a_unit_that_is_added_later_shows_who_is_new(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds=SECURITY, ExpectedEvaluations="1"))
    options = scene.deploys("--yes", "--parameter", f"OrganizationalUnitIds={SECURITY},{WORKLOADS}")
    assert overrides(options) == NAMES | {"OrganizationalUnitIds": f"{SECURITY},{WORKLOADS}"}
    printed = said(capfd)
    assert f"New in scope: 2 accounts: {MEMBER}, {OTHER}." in printed
    assert "No longer in scope" not in printed
    assert "give --parameter ExpectedEvaluations=3" in printed


def test_a_unit_that_is_taken_away_shows_who_leaves(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds=f"{SECURITY},{WORKLOADS}"))
    scene.deploys("--yes", "--parameter", f"OrganizationalUnitIds={SECURITY}")
    assert f"No longer in scope: 2 accounts: {MEMBER}, {OTHER}. The rule with its results, roles" in said(capfd)


@pytest.mark.parametrize(
    ("earlier", "later", "moved"),
    [
        ({"OrganizationalUnitIds": PRODUCTION}, WORKLOADS, OTHER),
        ({"OrganizationalUnitIds": WORKLOADS}, PRODUCTION, OTHER),
        ({"OrganizationalUnitIds": PRODUCTION}, "", OTHER),
        ({"OrganizationalUnitIds": SECURITY}, f"{SECURITY},{WORKLOADS}", ""),
        ({}, ROOT, ""),
    ],
    ids=["the unit above", "a unit below", "the whole organization", "one unit more", "the root by its id"],
)
def test_accounts_whose_stack_is_made_anew_are_said(
    scene: Scene, capfd: pytest.CaptureFixture[str], earlier: dict[str, str], later: str, moved: str
) -> None:
    """The StackSet compares units, and not accounts: it deletes for a unit that goes before it creates for one that comes."""
    scene.stays(stack(outputs=True, RuleDeployment="StackSet", **earlier))
    scene.deploys("--yes", "--parameter", f"OrganizationalUnitIds={later}")
    printed = said(capfd)
    assert ("Another unit is the StackSet's target for" in printed) is bool(moved)
    assert f"Another unit is the StackSet's target for account {moved}: it deletes its stack there" in printed or not moved


def test_a_unit_that_is_gone_is_said(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds="ou-a1b2-99999999"))
    assert failure(capsys, "--yes").startswith("The organization has no unit ou-a1b2-99999999: ")


def test_deployment_that_changes_no_scope(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds=SECURITY))
    assert overrides(scene.deploys("--yes")) == NAMES
    printed = said(capfd)
    assert "These accounts are in scope already, and no others." in printed
    assert "ExpectedEvaluations" not in printed


def test_from_the_conformance_pack_to_the_stack_set(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(outputs=True))
    assert overrides(scene.deploys("--yes", *to(WORKLOADS))) == NAMES | {
        "RuleDeployment": "StackSet",
        "OrganizationalUnitIds": WORKLOADS,
    }
    printed = said(capfd)
    assert "Until then an account has two rules: both evaluate it, and the worse result counts." in printed
    assert f"No longer in scope: account {CENTRAL}." in printed


def test_from_the_stack_set_to_the_conformance_pack(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds=WORKLOADS))
    options = scene.deploys("--yes", "--parameter", "RuleDeployment=ConformancePack")
    assert overrides(options) == NAMES | {"RuleDeployment": "ConformancePack", "OrganizationalUnitIds": ""}
    printed = said(capfd)
    assert "Between the two, an account has no rule, and is UNKNOWN." in printed
    assert f"New in scope: account {CENTRAL}." in printed


# --- Who may invoke the function ---


def in_state(status: str, **parameters: str) -> dict[str, Any]:
    return stack(outputs=True, status=status, RuleDeployment="StackSet", OrganizationalUnitIds=WORKLOADS, **parameters)


def test_if_config_does_not_name_the_organization_the_accounts_in_scope_are_listed(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.after = in_state("CREATE_FAILED")
    scene.stack_instances(**{f"in_{MEMBER}": REFUSED, f"in_{OTHER}": "Cancelled since failure tolerance has exceeded"})
    scene.at_last = in_state("UPDATE_COMPLETE", InvokePermission="Accounts", InvokingAccounts=f"{MEMBER},{OTHER}")
    assert run("--scope", "organization", "--yes", *to(WORKLOADS)) == 0
    first, second = map(overrides, scene.deployments())
    assert second.items() >= first.items()
    assert (second["InvokePermission"], second["InvokingAccounts"]) == ("Accounts", f"{MEMBER},{OTHER}"), "and not SECURITY's"
    printed = said(capfd)
    assert f"AWS Config may not invoke the function for account {MEMBER}. So it does not name the organization" in printed
    assert scene.aws.called("GetOrganizationConformancePackDetailedStatus") == []


@pytest.mark.parametrize(
    "reasons",
    [
        pytest.param({MEMBER: DENIED, OTHER: DENIED}, id="another permission is missing"),
        pytest.param({MEMBER: REFUSED, OTHER: ""}, id="let in elsewhere by the organization's id"),
        pytest.param({CENTRAL: REFUSED, MEMBER: ""}, id="listed by default"),
    ],
)
def test_what_a_list_would_not_mend_is_not_deployed_again(scene: Scene, reasons: dict[str, str]) -> None:
    scene.before = scene.after = in_state("UPDATE_FAILED")
    scene.stack_instances(**{f"in_{account_id}": reason for account_id, reason in reasons.items()})
    assert run("--yes") == 1
    assert len(scene.deployments()) == 1


def test_stack_set_whose_stacks_may_not_be_seen(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    scene.aws.refuse("ListStackInstances", "AccessDenied")
    scene.after = in_state("CREATE_COMPLETE")
    scene.deploys("--scope", "organization", "--yes", *to(WORKLOADS))
    assert "It is not known where the StackSet arrived: " in said(capfd)


def test_account_that_left_the_scope_is_listed_no_more(scene: Scene) -> None:
    scene.stays(in_state("UPDATE_COMPLETE", InvokePermission="Accounts", InvokingAccounts=f"{MEMBER},{OTHER}"))
    scene.stack_instances()
    found = overrides(scene.deploys("--yes", "--parameter", f"OrganizationalUnitIds={PRODUCTION}"))
    assert found["InvokingAccounts"] == OTHER


# --- What to do next ---


def test_the_management_account_keeps_up(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    watched = {"RuleDeployment": "StackSet", "ManagementAccountHasEvaluationRole": "true"}
    scene.stack_instances()
    scene.before = stack(outputs=True, **watched)
    scene.after = stack(outputs=True, **watched) | {"LastUpdatedTime": stack()["CreationTime"]}
    scene.deploys("--yes")
    steps = capfd.readouterr().out.partition("What to do next:")[2]
    assert f"     root-virtual-mfa deploy --management-account --region {REGION}\n" in steps
    assert "current roles, runbooks and parameters" in steps
    assert "ManagementAccountHasEvaluationRole=true" not in steps


def test_the_whole_command_for_the_management_account_is_said(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    parameters = {"CentralAccountId": CENTRAL, "FunctionArn": "arn:aws:lambda:x:function:y", "PermissionsBoundary": ""}
    described = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    found = {"StackSet": {"StackSetName": "x", "Parameters": described}}
    scene.aws.answers["DescribeStackSet"] = lambda _: found if scene.deployments() else (_ for _ in ()).throw(KeyError)
    scene.stays(stack(RuleDeployment="StackSet", OrganizationalUnitIds=WORKLOADS))
    scene.stack_instances()
    scene.after = stack(RuleDeployment="StackSet", status="UPDATE_COMPLETE") | {"LastUpdatedTime": stack()["CreationTime"]}
    scene.deploys("--yes")
    steps = capfd.readouterr().out.partition("What to do next:")[2]
    assert (
        f"     root-virtual-mfa deploy --management-account --region {REGION} --parameter CentralAccountId={CENTRAL} "
        "--parameter FunctionArn=arn:aws:lambda:x:function:y\n"
    ) in steps, "on one line, so that it can be copied"
