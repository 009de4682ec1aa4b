"""The rule by StackSet, to an organizational unit: who is evaluated, by which rule, and who is left alone."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from demo.operator import NOTICES, NOTIFY, REEVALUATE, Operator
from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, RULE_NAME
from tests.e2e.application import wait_for
from tests.e2e.attacker import administrator, make_rule, put_lying_pack
from tests.e2e.conftest import BARE, EXCLUDED, HARDWARE, NO_CREDENTIALS, NOT_IN_SCOPE, USED, VIRTUAL
from tests.e2e.organization import CENTRAL, MANAGEMENT, StagedOrganization

PARAMETERS = {
    "minimumVirtualMfaDevices": "1",
    "nonVirtualMfa": "NON_COMPLIANT",
    "noRootCredentials": "COMPLIANT",
    "ExecutionRoleName": EVALUATION_ROLE_NAME,
}
VERDICTS = {
    **dict.fromkeys((MANAGEMENT, CENTRAL, VIRTUAL, NO_CREDENTIALS), "COMPLIANT"),
    **dict.fromkeys((BARE, HARDWARE, *USED), "NON_COMPLIANT"),
}
"""Of the accounts in scope, before a test changes one."""


def test_every_account_in_scope_is_evaluated_by_a_rule_of_its_own(staged_organization: StagedOrganization) -> None:
    organization = staged_organization
    for account_id, verdict in VERDICTS.items():
        if account_id not in USED:
            assert organization.result(account_id)["ComplianceType"] == verdict
        [rule] = organization.client("config", account_id).describe_config_rules()["ConfigRules"]
        assert (rule["ConfigRuleName"], "CreatedBy" in rule) == (RULE_NAME, False)
        assert rule["Source"]["SourceIdentifier"] == organization.function_arn
        expected = {EVALUATION_ROLE_NAME, *([FUNCTION_ROLE_NAME] if account_id == CENTRAL else [])}
        assert organization.roles(account_id) == expected


def test_accounts_out_of_scope_get_nothing(staged_organization: StagedOrganization) -> None:
    for account_id in (*NOT_IN_SCOPE, *EXCLUDED):
        assert (staged_organization.rules(account_id), staged_organization.roles(account_id)) == ([], set())
        assert staged_organization.client("cloudformation", account_id).describe_stacks()["Stacks"] == []
    assert staged_organization.client("config").describe_organization_conformance_packs()["OrganizationConformancePacks"] == []


def test_the_journal_has_the_rule_of_each_account_and_its_evaluations_are_counted(
    staged_organization: StagedOrganization,
) -> None:
    organization = staged_organization
    lines = organization.lines("evaluation")
    first = {line["account"]: line for line in reversed(lines) if line["account"] in VERDICTS}
    assert {account_id: line["verdict"] for account_id, line in first.items()} == VERDICTS
    for account_id, line in first.items():
        assert (line["ruleOwner"], line["configRuleName"], line["test"]) == ("account", RULE_NAME, False)
        assert line["configRuleArn"].startswith(f"arn:aws:config:us-east-1:{account_id}:config-rule/config-rule-")
        assert line["parameters"] == PARAMETERS
    counted = Counter(line["verdict"] for line in organization.lines("evaluation"))
    assert organization.metric("Evaluations") >= len(VERDICTS)
    assert organization.metric("NonCompliant") >= counted["NON_COMPLIANT"] > 0


# --- Members that join: their owner, and their administrator who wants another result ---


@pytest.fixture(scope="module")
def operator(staged_organization: StagedOrganization) -> Iterator[Operator]:
    with Operator(staged_organization.aws, CENTRAL, NOTICES) as operator:
        yield operator


@pytest.fixture(scope="module")
def _unused() -> Iterator[str]:
    return (f"3800000000{number:02}" for number in range(1, 99))


@pytest.fixture
def join(staged_organization: StagedOrganization, operator: Operator, _unused: Iterator[str]) -> Iterator[Callable[..., str]]:
    """Let an account join a unit, wait for its first verdict and the runbook that it starts; the account leaves in the end."""
    aws = staged_organization.aws

    def joins(*devices: str) -> str:
        account_id = next(_unused)
        aws.create_account(account_id, f"joins-{account_id}", "Workloads/Development", {"virtual_mfa_devices": [*devices]})
        leaving.callback(aws.settle)
        leaving.callback(aws.remove_account, account_id)
        wait_for(lambda: staged_organization.rules(account_id), f"the rule in {account_id}")
        staged_organization.result(account_id)
        executions = operator.wait_for_executions(account_id, NOTIFY, 1)
        assert {each["AutomationExecutionStatus"] for each in executions} == {"Success"}, executions
        return account_id

    with ExitStack() as leaving:
        yield joins


def open_ops_items(operator: Operator, account_id: str) -> list[str]:
    return [item["Description"] for item in operator.ops_items(account_id) if item["Status"] == "Open"]


def test_the_owner_of_an_account_that_joins_is_told_acts_and_the_ops_item_is_resolved(
    staged_organization: StagedOrganization, operator: Operator, join: Callable[..., str]
) -> None:
    organization, account_id = staged_organization, join()
    assert organization.result(account_id)["ComplianceType"] == "NON_COMPLIANT"
    [message] = wait_for(lambda: operator.messages(account_id), "the message")
    [item] = open_ops_items(operator, account_id)
    assert organization.result(account_id)["Annotation"] in message["Message"]
    assert organization.result(account_id)["Annotation"] in item

    # AWS Config's button: the rule is the member's own.
    remediated = organization.client("config", account_id).start_remediation_execution(
        ConfigRuleName=RULE_NAME, ResourceKeys=[{"resourceType": "AWS::::Account", "resourceId": account_id}]
    )
    assert "FailureMessage" not in remediated
    executions = operator.wait_for_executions(account_id, NOTIFY, 2)
    assert {each["AutomationExecutionStatus"] for each in executions} == {"Success"}
    assert len(operator.messages(account_id)) == 1

    before = organization.results(account_id)
    organization.aws.change_root_user(account_id, "add-virtual-device", "phone")
    operator.let_a_minute_pass(account_id)
    assert organization.changed(account_id, before)["ComplianceType"] == "COMPLIANT"
    wait_for(lambda: not open_ops_items(operator, account_id), "the resolved OpsItem")
    outputs = [each.get("Outputs", {}) for each in operator.executions(account_id, REEVALUATE)]  # root made two changes
    assert [RULE_NAME] in [output.get("StartEvaluation.ConfigRuleNames") for output in outputs]


def test_a_rule_of_the_same_name_that_lies_resolves_nothing(
    staged_organization: StagedOrganization, operator: Operator, join: Callable[..., str]
) -> None:
    account_id = join()
    mallory = administrator(staged_organization.aws, account_id)
    config = mallory.client("config")
    config.delete_remediation_configuration(ConfigRuleName=RULE_NAME)
    config.delete_config_rule(ConfigRuleName=RULE_NAME)
    make_rule(mallory, RULE_NAME, "COMPLIANT")
    staged_organization.aws.settle()

    failed, *_ = operator.wait_for_executions(account_id, NOTIFY, 2)  # the lie's event starts it
    assert (failed["AutomationExecutionStatus"], "NoResultError" in failed["FailureMessage"]) == ("Failed", True)
    assert len(open_ops_items(operator, account_id)) == 1
    started = operator.start(account_id, REEVALUATE)
    reevaluated = operator.finished(account_id, started, hurry=True)
    assert (reevaluated["AutomationExecutionStatus"], "NoRuleError" in reevaluated["FailureMessage"]) == ("Failed", True)


def test_a_pack_of_the_members_own_makes_no_notice(
    staged_organization: StagedOrganization, operator: Operator, join: Callable[..., str]
) -> None:
    account_id = join("phone")
    put_lying_pack(administrator(staged_organization.aws, account_id), RULE_NAME, "NON_COMPLIANT", "Unlock at x.evil")
    executions = operator.wait_for_executions(account_id, NOTIFY, 2)
    assert {execution["Outputs"]["Notify.Compliance"][0] for execution in executions} == {"COMPLIANT"}
    assert (operator.messages(account_id), operator.ops_items(account_id)) == ([], [])
