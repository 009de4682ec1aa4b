"""The resource type AWS::CloudFormation::StackSet: which operations an update becomes, and how a failure ends and is fixed."""

import json
import re
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsClient
from tests.local_aws.stack_set_scene import (
    DELEGATED,
    FIRST,
    LARGER_TEMPLATE,
    MANAGEMENT,
    MEMBERS,
    NAME,
    NEW,
    REGION,
    ROOT,
    SANDBOX,
    SECOND,
    TEMPLATE,
    THIRD,
    TRUST,
    Administrator,
    Parent,
    of,
    take_name,
    unit_ids,
    wait,
    with_role,
)

NONEXISTENT = "ou-a1b2-00000000"
CURRENT = ("CURRENT", "SUCCEEDED")
FAILURE = re.compile(
    r"Resource handler returned message: \"Resource of type 'Stack set operation \[[-0-9a-f]{36}\] was unexpectedly stopped or "
    r"failed\. status reason\(s\): \[(?P<reason>.*)\]' with identifier 'evaluation:[-0-9a-f]{36}' did not stabilize\.\" "
    r"\(RequestToken: [-0-9a-f]{36}, HandlerErrorCode: NotStabilized\)"
)


@pytest.fixture
def parent(aws: LocalAwsClient) -> Parent:
    return Parent(aws)


def excluding(*accounts: str) -> list[dict[str, Any]]:
    targets = {"OrganizationalUnitIds": [ROOT], "Accounts": list(accounts), "AccountFilterType": "DIFFERENCE"}
    return [{"DeploymentTargets": targets, "Regions": [REGION]}]


def group(ids: dict[str, str], *paths: str, **targets: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a template's properties
    """Make a StackInstancesGroup of units, given by their paths, with an account filter or without."""
    units = [ids.get(path, path) for path in paths]
    return [{"DeploymentTargets": {"OrganizationalUnitIds": units, **targets}, "Regions": [REGION]}]


_Targets = tuple[list[str], dict[str, Any]]
"""The paths of units, and an account filter or nothing."""


def but(*accounts: str) -> dict[str, Any]:
    return {"Accounts": list(accounts), "AccountFilterType": "DIFFERENCE"}


def only(*accounts: str) -> dict[str, Any]:
    return {"Accounts": list(accounts), "AccountFilterType": "INTERSECTION"}


@pytest.mark.parametrize(
    "change",
    [
        # Without account filters, an operation for all new units; stacks of the others are left alone.
        ((["Sandbox"], {}), (["Sandbox", "Workloads"], {}), [("CREATE", [FIRST, SECOND, THIRD])]),
        ((["Workloads", "Sandbox"], {}), (["Sandbox"], {}), [("DELETE", [FIRST, SECOND, THIRD])]),
        ((["Sandbox"], {}), (["Workloads"], {}), [("DELETE", [SANDBOX]), ("CREATE", [FIRST, SECOND, THIRD])]),
        # A unit below another one, instead of it: its stacks are recreated. Beside it: nothing is doubled.
        (
            (["Workloads"], {}),
            (["Workloads/Production"], {}),
            [("DELETE", [FIRST, SECOND, THIRD]), ("CREATE", [FIRST, SECOND])],
        ),
        ((["Workloads/Production"], {}), (["Workloads/Production", "Workloads"], {}), [("CREATE", [THIRD])]),
        # With them, operations for each unit, and an update of the stacks that stay.
        ((["Workloads"], {}), (["Workloads"], but(FIRST)), [("DELETE", [FIRST]), ("UPDATE", [SECOND, THIRD])]),
        (
            (["Workloads"], but(FIRST)),
            (["Workloads"], but(SECOND)),
            [("DELETE", [SECOND]), ("CREATE", [FIRST]), ("UPDATE", [THIRD])],
        ),
        ((["Workloads"], but(FIRST)), (["Workloads"], {}), [("CREATE", [FIRST]), ("UPDATE", [SECOND, THIRD])]),
        (
            (["Workloads"], only(FIRST, THIRD)),
            (["Workloads"], only(SECOND, THIRD)),
            [("DELETE", [FIRST]), ("CREATE", [SECOND]), ("UPDATE", [THIRD])],
        ),
        ((["Workloads"], only(FIRST)), (["Workloads"], but(FIRST)), [("DELETE", [FIRST]), ("CREATE", [SECOND, THIRD])]),
        (
            (["Workloads/Production"], but(FIRST)),
            (["Workloads/Production", "Sandbox", "Workloads"], but(FIRST)),
            [("CREATE", [SANDBOX]), ("CREATE", [THIRD]), ("UPDATE", [SECOND])],
        ),
        (
            (["Workloads", "Sandbox"], but(FIRST)),
            (["Sandbox"], but(FIRST)),
            [("DELETE", [SECOND, THIRD]), ("UPDATE", [SANDBOX])],
        ),
    ],
)
def test_an_update_goes_from_former_targets_to_new_ones(
    aws: LocalAwsClient,
    parent: Parent,
    admin: Administrator,
    change: tuple[_Targets, _Targets, list[tuple[str, list[str]]]],
) -> None:
    before, after, expected = change
    ids = unit_ids(aws)
    assert parent.deploy("create", StackInstancesGroup=group(ids, *before[0], **before[1])) == "CREATE_COMPLETE"
    wanted = set(with_role(aws))
    already = len(admin.read("list_stack_set_operations")["Summaries"])
    assert parent.deploy("update", StackInstancesGroup=group(ids, *after[0], **after[1])) == "UPDATE_COMPLETE"
    operations = admin.read("list_stack_set_operations")["Summaries"][:-already][::-1]
    assert [(operation["Action"], sorted(admin.results(operation))) for operation in operations] == expected
    for action, accounts in expected:
        wanted = wanted - set(accounts) if action == "DELETE" else wanted | set(accounts)
    assert set(with_role(aws)) == wanted
    assert admin.statuses() == dict.fromkeys(sorted(wanted), CURRENT)


def test_a_unit_that_is_gone_from_the_targets_is_not_followed_any_more(fresh: LocalAwsClient) -> None:
    """With an account filter the deletion is of that filter's accounts: it ends automatic deployment all the same."""
    admin, parent, ids = Administrator(fresh), Parent(fresh), unit_ids(fresh)
    for number, targets in enumerate(({}, but(FIRST))):
        parent.deploy("create", StackInstancesGroup=group(ids, "Workloads", "Sandbox", **targets))
        assert parent.deploy("update", StackInstancesGroup=group(ids, "Sandbox", **targets)) == "UPDATE_COMPLETE"
        assert admin.read("describe_stack_set")["StackSet"]["OrganizationalUnitIds"] == [ids["Sandbox"]]
        fresh.create_account(f"70000000000{number}", "new", "Workloads", {})
        admin.settle()
        assert list(admin.statuses()) == [SANDBOX]
        parent.delete()


@pytest.mark.parametrize("targets", [{}, but(FIRST)])
def test_a_unit_that_is_not_there_fails_its_operation(
    aws: LocalAwsClient, parent: Parent, admin: Administrator, targets: dict[str, Any]
) -> None:
    ids = unit_ids(aws)
    assert parent.deploy("create", StackInstancesGroup=group(ids, NONEXISTENT, **targets)) == "ROLLBACK_COMPLETE"
    assert not admin.exists()
    parent.remove()
    parent.deploy("create", StackInstancesGroup=group(ids, "Sandbox", **targets))
    outcome = parent.deploy("update", StackInstancesGroup=group(ids, "Sandbox", NONEXISTENT, **targets))
    assert outcome == "UPDATE_ROLLBACK_COMPLETE"
    assert {match["reason"] for match in FAILURE.finditer(parent.reasons())} == {
        "Target organizational unit could not be found"
    }
    assert admin.statuses() == {SANDBOX: CURRENT}
    assert admin.read("describe_stack_set")["StackSet"]["OrganizationalUnitIds"] == [ids["Sandbox"]]


def test_a_wave_beyond_its_tolerance_stops_and_is_repeated(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    ids = unit_ids(aws)
    tolerance: dict[str, Any] = {"OperationPreferences": {"FailureTolerancePercentage": "34", "MaxConcurrentPercentage": "100"}}
    parent.deploy("create", StackInstancesGroup=group(ids, "Sandbox"), **tolerance)
    wave: dict[str, Any] = {"StackInstancesGroup": group(ids, "Sandbox", "Workloads"), **tolerance}
    take_name(aws, FIRST)
    take_name(aws, SECOND)
    assert parent.deploy("update", rollback=False, **wave) == "UPDATE_FAILED"
    assert admin.statuses() == {
        FIRST: ("OUTDATED", "FAILED"),
        SECOND: ("OUTDATED", "FAILED"),
        THIRD: ("OUTDATED", "CANCELLED"),
        SANDBOX: CURRENT,
    }
    # The reason is that of the accounts, each once, and names none of them.
    [said] = FAILURE.finditer(parent.reasons())
    assert said["reason"].startswith("ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:")
    newest, *_ = admin.read("list_stack_set_operations")["Summaries"]
    assert (newest["Status"], newest["StatusDetails"]) == ("FAILED", {"FailedStackInstancesCount": 2})
    results = admin.read("list_stack_set_operation_results", OperationId=newest["OperationId"])["Summaries"]
    assert {result["StatusReason"] for result in results if result["Status"] == "CANCELLED"} == {
        "Cancelled since failure tolerance has exceeded"
    }

    # One account is within the tolerance. The next deployment goes to those that have no stack, and no others.
    of(aws, "iam", FIRST).delete_role(RoleName=NAME)
    assert parent.deploy("update", rollback=False, **wave) == "UPDATE_COMPLETE"
    assert admin.statuses() == dict.fromkeys([FIRST, THIRD, SANDBOX], CURRENT) | {SECOND: ("OUTDATED", "FAILED")}
    of(aws, "iam", SECOND).delete_role(RoleName=NAME)
    targets = {"OrganizationalUnitIds": [ids["Workloads"]], **only(SECOND)}
    admin.run("create_stack_instances", DeploymentTargets=targets, Regions=[REGION])
    assert admin.statuses() == dict.fromkeys([FIRST, SECOND, THIRD, SANDBOX], CURRENT)
    assert stacks(aws, FIRST, SECOND, THIRD, SANDBOX) == ["CREATE_COMPLETE"] * 4


def stacks(aws: LocalAwsClient, *accounts: str) -> list[str]:
    """Return the statuses of the stacks of accounts."""
    return [
        stack["StackStatus"] for account in accounts for stack in of(aws, "cloudformation", account).describe_stacks()["Stacks"]
    ]


def test_an_update_that_fails_half_way_is_repeated(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    parent.deploy("create")
    of(aws, "iam", SECOND).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))
    larger = json.dumps(LARGER_TEMPLATE)
    assert parent.deploy("update", rollback=False, TemplateBody=larger) == "UPDATE_FAILED"
    assert admin.statuses() == {
        DELEGATED: CURRENT,
        FIRST: CURRENT,
        SECOND: ("OUTDATED", "FAILED"),
        THIRD: ("OUTDATED", "CANCELLED"),
        SANDBOX: ("OUTDATED", "CANCELLED"),
    }
    assert "already exists" in FAILURE.findall(parent.reasons())[0]
    of(aws, "iam", SECOND).delete_role(RoleName="second")
    assert parent.deploy("update", rollback=False, TemplateBody=larger) == "UPDATE_COMPLETE"
    assert admin.statuses() == dict.fromkeys(MEMBERS, CURRENT)
    assert list(with_role(aws)) == list(with_role(aws, "second")) == MEMBERS
    assert len(stacks(aws, FIRST, SECOND, THIRD, SANDBOX)) == 4


def test_stacks_outside_the_targets_keep_a_stack_set_from_being_deleted(fresh: LocalAwsClient) -> None:
    """An excluded account comes into the unit: automatic deployment knows no filter, and the resource its targets only."""
    admin, parent, ids = Administrator(fresh), Parent(fresh), unit_ids(fresh)
    sandbox = group(ids, "Sandbox", **but(THIRD))
    parent.deploy("create", StackInstancesGroup=sandbox)
    move = {"SourceParentId": ids["Workloads"], "DestinationParentId": ids["Sandbox"]}
    of(fresh, "organizations", MANAGEMENT).move_account(AccountId=THIRD, **move)
    wait(lambda: admin.statuses() == {THIRD: CURRENT, SANDBOX: CURRENT})
    purpose = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    assert parent.deploy("update", Parameters=purpose, StackInstancesGroup=sandbox) == "UPDATE_COMPLETE"
    assert with_role(fresh) == {THIRD: "report", SANDBOX: "report"}
    assert parent.delete() == "DELETE_FAILED"
    assert list(admin.statuses()) == [THIRD]
    admin.run(
        "delete_stack_instances",
        DeploymentTargets={"OrganizationalUnitIds": [ids["Sandbox"]]},
        Regions=[REGION],
        RetainStacks=False,
    )
    assert parent.delete() == "DELETE_COMPLETE"
    assert not admin.exists()


def test_the_resource_is_created_updated_and_deleted(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    assert parent.deploy("create") == "CREATE_COMPLETE"
    stack_set_id = admin.read("describe_stack_set")["StackSet"]["StackSetId"]
    assert parent.describe()["Outputs"][0]["OutputValue"] == stack_set_id
    assert list(with_role(aws)) == MEMBERS

    purpose = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    assert parent.deploy("update", Parameters=purpose, StackInstancesGroup=excluding(FIRST)) == "UPDATE_COMPLETE"
    assert with_role(aws) == {account: "report" for account in MEMBERS if account != FIRST}

    assert parent.deploy("update", Parameters=purpose) == "UPDATE_COMPLETE"
    assert with_role(aws) == dict.fromkeys(MEMBERS, "report")
    assert admin.read("describe_stack_set")["StackSet"]["StackSetId"] == stack_set_id

    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(aws) == {}
    assert not admin.exists()


def test_the_resource_deploys_to_accounts_that_join_later(fresh: LocalAwsClient) -> None:
    admin, parent = Administrator(fresh), Parent(fresh)
    parent.deploy("create")
    fresh.create_account(NEW, "new", "Sandbox", {})
    wait(lambda: admin.statuses().get(NEW) == ("CURRENT", "SUCCEEDED"))
    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(fresh) == {}


@pytest.mark.parametrize(
    "url",
    [
        "{endpoint}/artefacts/account.yaml",
        "https://s3.us-east-1.amazonaws.com/artefacts/account.yaml",
        "https://artefacts.s3.us-east-1.amazonaws.com/account.yaml",
    ],
)
def test_the_template_may_be_in_s3_and_longer_than_a_request_may_be(aws: LocalAwsClient, parent: Parent, url: str) -> None:
    s3 = of(aws, "s3", DELEGATED)
    s3.create_bucket(Bucket="artefacts")
    s3.put_object(Bucket="artefacts", Key="account.yaml", Body=yaml.safe_dump(TEMPLATE) + "#" * 60_000)
    assert parent.deploy("create", TemplateBody=None, TemplateURL=url.format(endpoint=aws.endpoint_url)) == "CREATE_COMPLETE"
    assert list(with_role(aws)) == MEMBERS


def test_a_creation_that_fails_leaves_nothing_behind(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    take_name(aws, SECOND)
    assert parent.deploy("create") == "ROLLBACK_COMPLETE"
    assert "status reason(s): [ResourceLogicalId:Role" in parent.reasons()
    assert with_role(aws) == {SECOND: "somebody else's"}
    assert not admin.exists()


def test_with_rollback_disabled_a_creation_that_fails_keeps_what_there_is(
    aws: LocalAwsClient, parent: Parent, admin: Administrator
) -> None:
    take_name(aws, SANDBOX)
    assert parent.deploy("create", rollback=False) == "CREATE_FAILED"
    assert list(with_role(aws)) == MEMBERS
    assert admin.statuses()[SANDBOX] == ("OUTDATED", "FAILED")
    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(aws) == {SANDBOX: "somebody else's"}
    assert not admin.exists()


@pytest.mark.parametrize("recreated", [False, True])
def test_with_rollback_disabled_the_next_deployment_fixes_a_creation_that_failed(
    aws: LocalAwsClient, parent: Parent, admin: Administrator, *, recreated: bool
) -> None:
    """The documentation can be read in two ways: it updates the StackSet that is there, or recreates it."""
    take_name(aws, SANDBOX)
    assert parent.deploy("create", rollback=False) == "CREATE_FAILED"
    first = admin.read("describe_stack_set")["StackSet"]["StackSetId"]
    of(aws, "iam", SANDBOX).delete_role(RoleName=NAME)
    aws.switch("recreate-failed-resources", on=recreated)
    try:
        assert parent.deploy("update", rollback=False, Description="Fixed.") == "UPDATE_COMPLETE", parent.reasons()
    finally:
        aws.switch("recreate-failed-resources", on=False)
    assert (admin.read("describe_stack_set")["StackSet"]["StackSetId"] != first) is recreated
    assert set(admin.statuses().values()) == {CURRENT}
    assert list(with_role(aws)) == MEMBERS


def test_an_update_that_fails_is_rolled_back_in_the_accounts(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    parent.deploy("create")
    of(aws, "iam", SANDBOX).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert parent.deploy("update", TemplateBody=json.dumps(LARGER_TEMPLATE)) == "UPDATE_ROLLBACK_COMPLETE"
    assert json.loads(admin.read("describe_stack_set")["StackSet"]["TemplateBody"]) == TEMPLATE
    names = [role["RoleName"] for role in of(aws, "iam", DELEGATED).list_roles()["Roles"]]
    assert "second" not in names


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"CallAs": "SELF"}, "You must be the management account or delegated admin account"),
        ({"Capabilities": []}, "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
        ({"TemplateBody": json.dumps(TEMPLATE | {"Transform": "AWS::Serverless-2016-10-31"})}, "macros or transforms"),
        ({"StackInstancesGroup": excluding("excluded")}, "deploymentTargets.accounts"),
    ],
)
def test_what_the_api_refuses_fails_the_resource(
    parent: Parent, admin: Administrator, properties: dict[str, Any], says: str
) -> None:
    assert parent.deploy("create", **properties) == "ROLLBACK_COMPLETE"
    assert says in parent.reasons()
    assert not admin.exists()
