"""A rule and its remediation in the stacks of a StackSet: accounts whose AWS Config refuses it, and what an update changes."""

import json
import re
from pathlib import Path
from typing import Any

from local_aws.client import LocalAwsProcess
from tests.local_aws.remediation_scene import SUCCEEDS
from tests.local_aws.scene import Parameter, clients_of, create_function, let_config_invoke, refusal, rule
from tests.local_aws.stack_set_scene import (
    DELEGATED,
    FIRST,
    MEMBERS,
    ORGANIZATION,
    REGION,
    ROOT,
    SANDBOX,
    SECOND,
    THIRD,
    Administrator,
    accounts_file,
)

NO_RECORDER, NOT_ALLOWED = FIRST, SECOND
WITH_RULE = [account_id for account_id in MEMBERS if account_id not in {NO_RECORDER, NOT_ALLOWED}]
NAME = "in-every-account"
EVERYONE = {"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100}
DOCUMENT = {
    "schemaVersion": "0.3",
    "parameters": {"AccountId": {"type": "String"}},
    "mainSteps": [{"name": "Fix", **SUCCEEDS}],
}
FUNCTION = "def handler(event, context): pass"


def template(function_arn: str, attempts: int | None = 3, **settings: Parameter) -> str:
    """Make a template with a document, a rule with these settings and, if there are attempts, its remediation."""
    document = {"Type": "AWS::SSM::Document", "Properties": {"DocumentType": "Automation", "Content": DOCUMENT}}
    resources: dict[str, Any] = {
        "Document": document,
        "Rule": {"Type": "AWS::Config::ConfigRule", "Properties": rule(function_arn, NAME, **settings)},
    }
    if attempts is not None:
        resources["Fixing"] = {
            "Type": "AWS::Config::RemediationConfiguration",
            "Properties": {
                "ConfigRuleName": {"Ref": "Rule"},
                "TargetType": "SSM_DOCUMENT",
                "TargetId": {"Ref": "Document"},
                "Parameters": {"AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}}},
                "MaximumAutomaticAttempts": attempts,
                "RetryAttemptSeconds": 60,
            },
        }
    return json.dumps({"Resources": resources})


def test_a_rule_comes_to_each_account_whose_config_takes_it(tmp_path: Path) -> None:
    accounts = {account_id: {"recorder": account_id != NO_RECORDER} for account_id in ORGANIZATION["accounts"]}
    with LocalAwsProcess(accounts_file(tmp_path, {**ORGANIZATION, "accounts": accounts})) as aws:
        client, admin = clients_of(aws), Administrator(aws)
        function_arn = create_function(client, DELEGATED, "judge", FUNCTION)
        for account_id in MEMBERS:
            if account_id != NOT_ALLOWED:
                let_config_invoke(client, function_arn, account_id)

        def rules(account_id: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = client("config", account_id).describe_config_rules()["ConfigRules"]
            return found

        def remediations(account_id: str) -> list[dict[str, Any]]:
            config = client("config", account_id)
            found: list[dict[str, Any]] = config.describe_remediation_configurations(ConfigRuleNames=[NAME])[
                "RemediationConfigurations"
            ]
            return found

        # Two accounts fail, within the tolerance: the others get the rule, and the reason says which exception it was.
        admin.create(json.loads(template(function_arn)), Capabilities=[])
        operation = admin.deploy(OperationPreferences=EVERYONE)
        assert operation["Status"] == "SUCCEEDED"
        assert admin.results(operation) == dict.fromkeys(MEMBERS, "SUCCEEDED") | {NO_RECORDER: "FAILED", NOT_ALLOWED: "FAILED"}
        reasons = {account_id: each.get("StatusReason", "") for account_id, each in admin.instances().items()}
        in_config = "ResourceLogicalId:Rule, ResourceType:AWS::Config::ConfigRule, ResourceStatusReason:"
        ends = r"; Request ID: [-0-9a-f]{36}; Proxy: null\)\."
        assert re.fullmatch(
            re.escape(f"{in_config}You must create a configuration recorder before you can create or update a Config rule. ")
            + r"\(Service: AmazonConfig; Status Code: 400; Error Code: NoAvailableConfigurationRecorderException"
            + ends,
            reasons[NO_RECORDER],
        )
        assert re.fullmatch(
            re.escape(f"{in_config}The AWS Lambda function {function_arn} cannot be invoked. ")
            + r".* \(Service: AmazonConfig; Status Code: 400; Error Code: InsufficientPermissionsException"
            + ends,
            reasons[NOT_ALLOWED],
        )
        before = {account_id: rules(account_id) for account_id in MEMBERS}
        assert before[NO_RECORDER] == before[NOT_ALLOWED] == []
        for account_id in WITH_RULE:
            [found] = before[account_id]
            prefix = f"arn:aws:config:{REGION}:{account_id}:config-rule/"
            assert re.fullmatch(re.escape(prefix) + "config-rule-[0-9a-z]{6}", found["ConfigRuleArn"])
            assert "CreatedBy" not in found
            assert remediations(account_id)[0]["MaximumAutomaticAttempts"] == 3
        assert refusal(client("config", THIRD).delete_config_rule, ConfigRuleName=NAME)[0] == "ResourceInUseException"

        # An update changes the rule in place; an account that is fixed catches up.
        let_config_invoke(client, function_arn, NOT_ALLOWED)
        changed = template(function_arn, attempts=7, InputParameters='{"level": "high"}')
        update = {"TemplateBody": changed, "OperationPreferences": EVERYONE}
        assert admin.results(admin.run("update_stack_set", **update))[NO_RECORDER] == "FAILED"
        for account_id in WITH_RULE:
            [found] = rules(account_id)
            assert found["ConfigRuleArn"] == before[account_id][0]["ConfigRuleArn"]
            assert found["InputParameters"] == '{"level": "high"}'
            assert remediations(account_id)[0]["MaximumAutomaticAttempts"] == 7
        assert [found["ConfigRuleName"] for found in rules(NOT_ALLOWED)] == [NAME]
        statuses = admin.statuses()
        assert statuses[NOT_ALLOWED] == ("CURRENT", "SUCCEEDED")
        assert statuses[NO_RECORDER] == ("OUTDATED", "FAILED")

        # The remediation goes first, then all of it.
        admin.run("update_stack_set", TemplateBody=template(function_arn, attempts=None), OperationPreferences=EVERYONE)
        assert [len(rules(account_id)) for account_id in (*WITH_RULE, NOT_ALLOWED)] == [1] * 4
        assert remediations(SANDBOX) == []
        everywhere = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION], "RetainStacks": False}
        assert admin.run("delete_stack_instances", **everywhere)["Status"] == "SUCCEEDED"
        assert [rules(account_id) for account_id in MEMBERS] == [[]] * 5
