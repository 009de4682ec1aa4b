"""The service control policies: their size, whom they except, and what their patterns protect."""

import json
import re
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .templates import ACCOUNT, APPLICATION, FORWARDER, PROJECT, ROOT_CREDENTIALS, as_list, resources, template

POLICIES = PROJECT / "service_control_policies"
FILES = sorted(file.stem for file in POLICIES.iterdir())
LONGEST = 5_120
"""Bytes. Source: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html"""
ACCOUNT_ID = "111122223333"
STACK_SETS = f"arn:aws:iam::{ACCOUNT_ID}:role/stacksets-exec-0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SERVICE_LINKED = "aws-service-role/"


def statements(name: str = "root-virtual-mfa") -> dict[str, dict[str, Any]]:
    document = json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    return {statement["Sid"]: statement for statement in document["Statement"]}


def matches(arn: str, patterns: str | list[str]) -> bool:
    """Tell whether an ARN matches, as IAM compares: case counts, `*` is any characters, `?` is one."""
    expressions = [re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in as_list(patterns)]
    return any(re.fullmatch(expression, arn, re.DOTALL) for expression in expressions)


def role(name: str, path: str = "/") -> str:
    return f"arn:aws:iam::{ACCOUNT_ID}:role{path}{name}"


def role_names(*templates: str) -> list[str]:
    roles = [resource["Properties"] for name in templates for resource in resources(name, "AWS::IAM::Role").values()]
    return [properties["RoleName"] for properties in roles if "RoleName" in properties]


MEMBER_ROLES = role_names(ACCOUNT, FORWARDER)


@pytest.mark.parametrize("name", FILES)
def test_a_policy_fits_as_the_file_is_and_only_denies(name: str) -> None:
    assert len((POLICIES / f"{name}.json").read_bytes()) <= LONGEST
    assert {statement["Effect"] for statement in statements(name).values()} == {"Deny"}


@given(
    name=st.sampled_from(MEMBER_ROLES),
    capitals=st.randoms(use_true_random=False),
    path=st.sampled_from(["/", "/a/", "/x/y-z/"]),
)
def test_every_member_role_is_protected_in_any_case_and_under_any_path(name: str, capitals: Random, path: str) -> None:
    written = "".join(capitals.choice([letter.lower(), letter.upper()]) for letter in name)
    assert matches(role(written, path), statements()["ProtectRoles"]["Resource"])


@pytest.mark.parametrize("name", MEMBER_ROLES)
def test_no_choice_of_capitals_escapes_if_the_patterns_are_not_open(name: str) -> None:
    fixed = [index for index, letter in enumerate(name) if letter in "vf" or (index and name[:index] == "root-virtual-mfa-")]
    for capitals in product((str.lower, str.upper), repeat=len(fixed)):
        letters = list(name)
        for index, write in zip(fixed, capitals, strict=True):
            letters[index] = write(letters[index])
        assert matches(role("".join(letters)), statements()["ProtectRoles"]["Resource"])


@pytest.mark.parametrize(
    "name",
    [
        *role_names(APPLICATION, ROOT_CREDENTIALS),
        "root-virtual-mfa-AggregatorRole-1A2B3C",
        "acme-vpcflow-log-role",
        "prod-vending-api-events",
        "acme-console-mfa-enforcement",
        "stacksets-exec-0f1e2d",
    ],
)
def test_other_roles_are_left_alone(name: str) -> None:
    for sid in ("ProtectRoles", "KeepRolesFromOtherUse"):
        assert not matches(role(name), statements()[sid]["Resource"])


def test_everything_that_the_member_templates_name_is_protected() -> None:
    made = [resource for name in (ACCOUNT, FORWARDER) for resource in template(name)["Resources"].values()]
    names: dict[str, list[str]] = {resource["Type"]: [] for resource in made}
    for resource in made:
        names[resource["Type"]].append(resource["Properties"].get("RoleName") or resource["Properties"].get("Name"))
    [stack_set] = [
        resource["Properties"]["StackSetName"]["Fn::Sub"].replace("${AWS::StackName}", "root-virtual-mfa")
        for logical_id, resource in template(APPLICATION)["Resources"].items()
        if logical_id == "AccountResources"
    ]
    stacks = [f"StackSet-{name}-1" for name in (stack_set, stack_set.replace("-account", "-region-forwarder"))]
    region = f"eu-central-1:{ACCOUNT_ID}"
    protected = {
        "ProtectRoles": [role(name) for name in names["AWS::IAM::Role"]],
        "KeepRolesFromOtherUse": [role(name) for name in names["AWS::IAM::Role"]],
        "ProtectRunbooks": [f"arn:aws:ssm:{region}:document/{name}" for name in names["AWS::SSM::Document"]],
        "ProtectEventRules": [f"arn:aws:events:{region}:rule/{name}" for name in names["AWS::Events::Rule"]],
        "ProtectEvaluationPolicy": [f"arn:aws:iam::{ACCOUNT_ID}:policy/{stacks[0]}-EvaluationPolicy-1"],
        "ProtectStacks": [f"arn:aws:cloudformation:{region}:stack/{name}/1" for name in stacks],
    }
    assert set(names) == {
        "AWS::Config::ConfigRule",
        "AWS::Config::RemediationConfiguration",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::SSM::Document",
        "AWS::Events::Rule",
    }
    for sid, arns in protected.items():
        assert arns
        for arn in arns:
            assert matches(arn, statements()[sid]["Resource"]), (sid, arn)


def test_whoever_a_statement_excepts_is_a_role_that_no_member_can_make() -> None:
    every = {sid: statement for name in FILES for sid, statement in statements(name).items()}
    protected = [*as_list(every["ProtectRoles"]["Resource"]), *as_list(every["ProtectExemptRoles"]["Resource"])]
    for sid, statement in every.items():
        for excepted in as_list(statement.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn", [])):
            if f"role/{SERVICE_LINKED}" in excepted:  # IAM lets nobody but a service make one
                continue
            name = excepted.removeprefix("arn:aws:iam::*:role/")
            assert matches(role(name.replace("*", "evil")), protected), (sid, excepted)
            assert matches(role(name.replace("*", "evil/x")), protected), (sid, excepted)  # under a path that poses as a name


def test_stack_sets_may_change_what_it_made() -> None:
    for sid, statement in {**statements(), **statements("root-virtual-mfa-stack-set")}.items():
        if sid not in {"ProtectResults", "StayInOrganization"}:  # which no deployment does
            assert matches(STACK_SETS, statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]), sid


def test_the_events_role_may_pass_the_roles_of_the_runbooks_and_nobody_else_of_the_package_may() -> None:
    excepted = statements()["KeepRolesFromOtherUse"]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert [name for name in MEMBER_ROLES if matches(role(name), excepted)] == ["root-virtual-mfa-events"]


def test_only_the_evaluation_role_of_the_package_may_report() -> None:
    [statement] = [
        each for each in statements("root-virtual-mfa-switches").values() if each["Action"] == "config:PutEvaluations"
    ]
    excepted = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert [name for name in MEMBER_ROLES if matches(role(name), excepted)] == ["root-virtual-mfa-evaluation"]


def test_nobody_in_a_member_changes_a_rule_that_a_stack_set_brings() -> None:
    """No policy can name the rule: its ARN has an id that AWS Config makes, and CloudFormation does not tag rules."""
    protected = statements("root-virtual-mfa-stack-set")["ProtectRules"]
    assert set(protected["Action"]) == {"config:DeleteConfigRule", "config:DeleteEvaluationResults", "config:PutConfigRule"}
    assert matches(f"arn:aws:config:eu-central-1:{ACCOUNT_ID}:config-rule/config-rule-a1b2c3", protected["Resource"])
