"""The rule's name: scripts, event pattern, queries and commands find the rule by the same names."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from organization.deployment import is_our_rule
from tests.fake_aws import FakeAws, paged

from .templates import (
    ACCOUNT,
    APPLICATION,
    PACK_FILE,
    REMEDIATION_PACK_FILE,
    properties,
    resolved,
    resources,
    steps,
    template,
)

ACCOUNT_ID, CENTRAL = "123456789012", "222222222222"
ON_CENTRAL_FUNCTION = {"SourceIdentifier": f"arn:aws:lambda:us-east-1:{CENTRAL}:function:evaluate"}
OURS = "root-virtual-mfa-enabled"
PACK = f"{OURS}-conformance-pack-"
NAMES = [
    (OURS, True),
    (f"{PACK}a1b2c3d4e", True),
    (f"{PACK}A1-b2", True),
    (f"{PACK}a\x1b[31m", True),
    # EventBridge's prefix matches it, so the others do too. AWS Config makes no rule of this name.
    (PACK, True),
    (PACK.removesuffix("-"), False),
    (f"{OURS}-conformance-packs-1", False),
    (f"{OURS}-strict", False),
    (f"{OURS} ", False),
    (f"{OURS}\n", False),
    (f"{OURS}\x00", False),
    (OURS[:-1], False),
    (OURS.upper(), False),
    ("Root-Virtual-Mfa-Enabled", False),
    (f"{OURS}-Conformance-Pack-a1b2c3d4e", False),
    (f"x-{OURS}", False),
    (f"x-{PACK}a1b2c3d4e", False),
    (f"\n{PACK}a1b2c3d4e", False),
    (f"OrgConfigRule-{OURS}-x1y2z3", False),
    ("iam-root-access-key-check", False),
]
"""Names of rules, and whether a rule of that name is ours."""
each_name = pytest.mark.parametrize(("name", "ours"), NAMES, ids=repr)


def run(runbook: str, step: str, *, by: str, rule: dict[str, Any]) -> dict[str, Any] | None:
    """Run a script of the template in an account with one rule. Return its result, or None if it does not find the rule.

    `by` is the value of RuleDeployment in an organization, or "" for one account.
    """
    parameters = {
        "CentralAccountId": CENTRAL if by else "",
        "RuleDeployment": by or "ConformancePack",
        "FunctionArn": ON_CENTRAL_FUNCTION["SourceIdentifier"] if by == "StackSet" else "",
    }
    inputs = resolved(ACCOUNT, steps(ACCOUNT, runbook)[step]["inputs"], parameters)
    payload = inputs["InputPayload"]
    payload |= {name: ACCOUNT_ID for name in ("AccountId", "OwnAccountId") if name in payload}
    if step == "Notify":
        payload |= {"Event": "", "EventsRole": "events", "ExecutionId": "11111111-2222-3333-4444-555555555555"}
    qualifier = {"ConfigRuleName": rule["ConfigRuleName"], "ResourceType": "AWS::::Account", "ResourceId": ACCOUNT_ID}
    result = {
        "EvaluationResultIdentifier": {"EvaluationResultQualifier": qualifier, "OrderingTimestamp": datetime.now(UTC)},
        "ComplianceType": "COMPLIANT",
        "ResultRecordedTime": datetime.now(UTC),
    }
    aws = FakeAws(
        {
            "DescribeConfigRules": paged("ConfigRules", [[rule]]),
            "GetComplianceDetailsByResource": paged("EvaluationResults", [[result]]),
            "StartConfigRulesEvaluation": {},
            "GetAutomationExecution": {"AutomationExecution": {}},
            "DescribeOpsItems": {"OpsItemSummaries": []},
        }
    )
    script: dict[str, Any] = {}
    exec(compile(inputs["Script"], step, "exec"), script)  # noqa: S102 - as Automation does
    with aws.in_place():
        try:
            found: dict[str, Any] = script[inputs["Handler"]](payload, {})
        except script["NoResultError" if step == "Notify" else "NoRuleError"]:
            return None
    return found


SCRIPTS = [("NotifyRunbook", "Notify"), ("ReevaluateRunbook", "StartEvaluation")]
each_script = pytest.mark.parametrize(("runbook", "step"), SCRIPTS, ids=[step for _, step in SCRIPTS])


@each_script
@each_name
def test_the_scripts_of_the_runbooks(runbook: str, step: str, name: str, *, ours: bool) -> None:
    assert (run(runbook, step, by="", rule={"ConfigRuleName": name, "Source": {}}) is not None) is ours


@each_script
@each_name
def test_in_an_organization_with_a_pack_the_scripts_take_the_same_names_of_rules_that_a_service_made(
    runbook: str, step: str, name: str, *, ours: bool
) -> None:
    made = {"ConfigRuleName": name, "Source": ON_CENTRAL_FUNCTION, "CreatedBy": "config-conforms.amazonaws.com"}
    assert (run(runbook, step, by="ConformancePack", rule=made) is not None) is ours
    assert run(runbook, step, by="ConformancePack", rule={"ConfigRuleName": name, "Source": ON_CENTRAL_FUNCTION}) is None


@each_script
@each_name
def test_in_an_organization_with_a_stack_set_the_scripts_take_the_whole_name_of_rules_that_no_service_made(
    runbook: str, step: str, name: str, *, ours: bool
) -> None:
    made = {"ConfigRuleName": name, "Source": ON_CENTRAL_FUNCTION}
    assert (run(runbook, step, by="StackSet", rule=made) is not None) is (ours and name == OURS)
    assert run(runbook, step, by="StackSet", rule={**made, "CreatedBy": "config-conforms.amazonaws.com"}) is None


@each_script
@pytest.mark.parametrize(
    "function",
    [
        "arn:aws:lambda:us-east-1:333333333333:function:evaluate",
        f"arn:aws:lambda:us-east-1:333333333333:function:{CENTRAL}",
        f"arn:aws:lambda:us-east-1:333333333333:function:x:{CENTRAL}:function:evaluate",
        f"arn:aws:lambda:us-east-1:3{CENTRAL}:function:evaluate",
        "",
    ],
)
def test_a_members_function_makes_no_rule_ours(runbook: str, step: str, function: str) -> None:
    rule = {"ConfigRuleName": OURS, "Source": {"SourceIdentifier": function}}
    assert run(runbook, step, by="StackSet", rule=rule) is None
    assert run(runbook, step, by="ConformancePack", rule={**rule, "CreatedBy": "config-conforms.amazonaws.com"}) is None


def taken_by(matchers: list[Any]) -> Callable[[str], bool]:
    """Make a test of texts from an event pattern: a text matches if it equals one of the texts or begins with a prefix."""
    equal = [each for each in matchers if isinstance(each, str)]
    prefixes = [each["prefix"] for each in matchers if isinstance(each, dict) and each.keys() == {"prefix"}]
    assert len(equal) + len(prefixes) == len(matchers)
    return lambda name: name in equal or name.startswith(tuple(prefixes))


@each_name
def test_the_event_pattern(name: str, *, ours: bool) -> None:
    pattern = resolved(ACCOUNT, properties(ACCOUNT, "ComplianceChangeRule")["EventPattern"])
    assert taken_by(pattern["detail"]["configRuleName"])(name) is ours


@each_name
def test_the_operators_commands(name: str, *, ours: bool) -> None:
    assert is_our_rule(name) is ours


@each_name
def test_the_stored_queries_take_all_of_ours_and_more_only_if_their_language_cannot_tell(name: str, *, ours: bool) -> None:
    # The language allows a wildcard at the end only. Source: https://docs.aws.amazon.com/config/latest/developerguide/query-limitations.html
    for query in resources(APPLICATION, "AWS::Config::StoredQuery").values():
        conditions = re.findall(r"configRuleName (=|LIKE) '([^'%]*)%?'", query["Properties"]["QueryExpression"])
        taken = any(name == text if operator == "=" else name.startswith(text) for operator, text in conditions)
        assert taken or not ours
        assert name.startswith(OURS) or not taken


def test_the_rule_has_this_name_where_it_is_made_and_a_pack_appends_to_it() -> None:
    assert template(ACCOUNT)["Mappings"]["RuleName"]["AWSConfig"] == {"InAccount": OURS, "InPackPrefix": PACK}
    for name in (APPLICATION, ACCOUNT):
        [rule] = resources(name, "AWS::Config::ConfigRule").values()
        assert resolved(name, rule["Properties"]["ConfigRuleName"]) == OURS
    for file in (PACK_FILE, REMEDIATION_PACK_FILE):
        made = yaml.safe_load(file.read_text(encoding="utf-8"))["Resources"].values()
        assert {resource["Properties"]["ConfigRuleName"] for resource in made} == {OURS}
