"""Automatic deployment of StackSets: accounts that join, move between units, and leave."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.local_aws.organization_scene import create_asked_for
from tests.local_aws.stack_set_scene import (
    DELEGATED,
    MANAGEMENT,
    MEMBERS,
    NAME,
    NEW,
    ORGANIZATION,
    SANDBOX,
    SECOND_ROLE,
    TRUST,
    Administrator,
    Other,
    accounts_file,
    depends_on,
    of,
    refusal,
    unit_id,
    unit_ids,
    wait,
    with_role,
)


@dataclass(frozen=True)
class Case:
    """An account that goes from a unit to another one. "" is the root; None is outside of the organization.

    The StackSets target the units Apps and Data, but no account of `excluded`. `belongs_to` is the unit of the stack instance
    afterwards, if there is one.
    """

    account_id: str
    origin: str | None
    destination: str | None
    belongs_to: str | None
    same_stack: bool = False
    excluded: bool = False
    recreated: bool = False


CASES = {
    "joins in a targeted unit": Case("800000000000", None, "Apps", "Apps"),
    "joins below a targeted unit": Case("800000000001", None, "Apps/Web", "Apps"),
    "joins elsewhere": Case("800000000002", None, "", None),
    "comes into a targeted unit": Case("800000000003", "Labs", "Data", "Data"),
    "comes below a targeted unit": Case("800000000004", "", "Apps/Web", "Apps"),
    "moves within a targeted unit": Case("800000000005", "Apps", "Apps/Web", "Apps", same_stack=True),
    "moves to another targeted unit": Case("800000000006", "Apps", "Data", "Data", same_stack=True),
    "moves to another targeted unit, recreated": Case("800000000007", "Apps/Web", "Data", "Data", recreated=True),
    "goes out of a targeted unit": Case("800000000008", "Data", "Labs", None),
    "goes to the root": Case("800000000009", "Apps/Web", "", None),
    "leaves": Case("800000000010", "Apps", None, None),
    "leaves from elsewhere": Case("800000000011", "Labs", None, None),
    "is excluded, and moves within": Case("800000000012", "Apps", "Apps/Web", None, excluded=True),
    "is excluded, and moves to another targeted unit": Case("800000000013", "Apps", "Data", "Data", excluded=True),
    "is excluded, and comes into a targeted unit": Case("800000000014", "Labs", "Apps", "Apps", excluded=True),
    "is excluded, and joins": Case("800000000015", None, "Data", "Data", excluded=True),
    "is excluded, and goes out": Case("800000000016", "Data", "Labs", None, excluded=True),
}
KEPT = "kept"
"""The StackSet that retains the stacks of accounts that are gone."""


@dataclass(frozen=True)
class Moved:
    """The instances of the StackSets by name and account, before and after the moves, and who has the role of KEPT then."""

    units: dict[str, str]
    before: dict[str, dict[str, dict[str, Any]]]
    after: dict[str, dict[str, dict[str, Any]]]
    with_kept_role: set[str]
    with_other_role: set[str]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """Move every account of CASES."""
    units: dict[str, list[str]] = {"Apps": [], "Apps/Web": [], "Data": [], "Labs": []}
    at_root = {MANAGEMENT, DELEGATED}
    for case in CASES.values():
        if case.origin is not None:
            units.get(case.origin, []).append(case.account_id)
            at_root |= {case.account_id}
    accounts = {
        "organization": ORGANIZATION["organization"] | {"units": units, "outside": []},
        "accounts": {account_id: {"name": account_id} for account_id in at_root},
    }
    with LocalAwsProcess(accounts_file(tmp_path_factory.mktemp("organization"), accounts)) as aws:
        admin = Administrator(aws)
        admin.create()
        retain = {"AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": True}}
        admin.create({"Resources": {"Second": SECOND_ROLE}}, StackSetName=KEPT, **retain)
        ids = unit_ids(aws)
        excluded = [case.account_id for case in CASES.values() if case.excluded]
        targets = {
            "OrganizationalUnitIds": [ids["Apps"], ids["Data"]],
            "Accounts": excluded,
            "AccountFilterType": "DIFFERENCE",
        }
        for name in (NAME, KEPT):
            admin.create_instances(name, targets)
        before = {name: admin.instances(name) for name in (NAME, KEPT)}
        for case in CASES.values():
            aws.switch("recreate-stacks-between-units", on=case.recreated)
            move(aws, case, ids)
            for name in (NAME, KEPT):
                admin.settle(name)
        after = {name: admin.instances(name) for name in (NAME, KEPT)}
        yield Moved(ids, before, after, set(with_role(aws, "second")), set(with_role(aws)))


def move(aws: LocalAwsClient, case: Case, ids: dict[str, str]) -> None:
    """Let an account go where its case says."""
    if case.origin is None:
        aws.create_account(case.account_id, "new", case.destination or "", {})
    elif case.destination is None:
        aws.remove_account(case.account_id)
    else:
        of(aws, "organizations", MANAGEMENT).move_account(
            AccountId=case.account_id, SourceParentId=ids[case.origin], DestinationParentId=ids[case.destination]
        )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_stack_follows_its_account(moved: Moved, case: Case) -> None:
    before, after = (instances[NAME].get(case.account_id) for instances in (moved.before, moved.after))
    if case.belongs_to is None:
        assert after is None
        assert case.account_id not in moved.with_other_role
        return
    assert after is not None
    assert (after["Status"], after["StackInstanceStatus"]["DetailedStatus"]) == ("CURRENT", "SUCCEEDED")
    assert after["OrganizationalUnitId"] == moved.units[case.belongs_to]
    assert case.account_id in moved.with_other_role
    if before is not None:
        assert (after["StackId"] == before["StackId"]) is case.same_stack


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if not case.recreated], ids=[name for name in CASES if "recreated" not in name]
)
def test_stacks_stay_if_that_is_asked_for(moved: Moved, case: Case) -> None:
    had_one = case.account_id in moved.before[KEPT]
    assert (case.account_id in moved.after[KEPT]) is (case.belongs_to is not None)
    assert (case.account_id in moved.with_kept_role) is (had_one or case.belongs_to is not None)


def test_a_created_account_is_deployed_to(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy()
    organizations = of(fresh, "organizations", MANAGEMENT)
    request = organizations.create_account(Email="new@example.com", AccountName="new")["CreateAccountStatus"]["Id"]
    create_asked_for(fresh)
    created = organizations.describe_create_account_status(CreateAccountRequestId=request)["CreateAccountStatus"]["AccountId"]
    wait(lambda: admin.statuses().get(created) == ("CURRENT", "SUCCEEDED"))


def test_without_automatic_deployment_nothing_follows_the_accounts(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create(AutoDeployment={"Enabled": False})
    admin.deploy()
    fresh.create_account(NEW, "new", "", {})
    fresh.remove_account(SANDBOX)
    assert len(admin.read("list_stack_set_operations")["Summaries"]) == 1
    assert list(with_role(fresh)) == MEMBERS


def test_a_stack_set_waits_for_those_that_it_depends_on_and_is_cancelled_if_one_fails(fresh: LocalAwsClient) -> None:
    """The StackSet that comes first is made last, so that their age does not give the order."""
    admin = Administrator(fresh)
    admin.create()
    base = Other(admin, "base", {"Resources": {"Second": SECOND_ROLE}})
    workloads = unit_id(fresh, "Workloads")
    admin.deploy(unit_id=workloads)
    base.deploy(workloads)
    admin.run("update_stack_set", UsePreviousTemplate=True, Capabilities=["CAPABILITY_NAMED_IAM"], **depends_on(base.arn))
    assert admin.read("describe_stack_set")["StackSet"]["AutoDeployment"]["DependsOn"] == [base.arn]

    fresh.create_account(NEW, "new", "Workloads", {})
    wait(lambda: admin.statuses().get(NEW) == ("CURRENT", "SUCCEEDED"))
    assert base.detailed_status(NEW) == "SUCCEEDED"

    of(fresh, "iam", SANDBOX).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))  # somebody else's
    sandbox = unit_id(fresh, "Sandbox")
    of(fresh, "organizations", MANAGEMENT).move_account(
        AccountId=SANDBOX, SourceParentId=sandbox, DestinationParentId=workloads
    )
    wait(lambda: admin.statuses().get(SANDBOX) == ("OUTDATED", "CANCELLED"))
    assert base.detailed_status(SANDBOX) == "FAILED"
    assert SANDBOX not in with_role(fresh)
    newest, *_ = admin.read("list_stack_set_operations")["Summaries"]
    assert newest["Status"] == "FAILED"
    assert "did not succeed" in newest["StatusReason"]

    refused = refusal(base.update, **depends_on(admin.read("describe_stack_set")["StackSet"]["StackSetARN"]))
    assert refused == ("ValidationError", "DependsOn makes StackSets depend on each other in a circle.")
    assert refusal(base.update, **depends_on(base.arn))[1].endswith("in a circle.")
