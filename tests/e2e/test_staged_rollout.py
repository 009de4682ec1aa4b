"""The rule by StackSet, to an organizational unit: who is evaluated, by which rule, and who is left alone."""

from collections import Counter

from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, RULE_NAME
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
    first = {line["account"]: line for line in reversed(lines)}
    assert {account_id: line["verdict"] for account_id, line in first.items()} == VERDICTS
    for account_id, line in first.items():
        assert (line["ruleOwner"], line["configRuleName"], line["test"]) == ("account", RULE_NAME, False)
        assert line["configRuleArn"].startswith(f"arn:aws:config:us-east-1:{account_id}:config-rule/config-rule-")
        assert line["parameters"] == PARAMETERS
    counted = Counter(line["verdict"] for line in organization.lines("evaluation"))
    assert organization.metric("Evaluations") >= len(VERDICTS)
    assert organization.metric("NonCompliant") >= counted["NON_COMPLIANT"] > 0
