"""What real AWS was seen to do, held against the local AWS, as far as no other test does.

Each test names its source: a recorded answer, or a user who quotes one. Others of such sources are: root sessions and devices
(test_root_access), the summary and the credential report (test_account_reports), delegates (test_organizations_contract),
recorders (test_recorders), resource policies (test_stacks, test_lambda_api), EventBridge's rules, roles and targets
(test_event_rules, test_events), and Automation's branches and outputs (test_automation, test_automation_scripts).
"""

import json
from typing import Any

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import Bus
from tests.local_aws.scene import CENTRAL, Clients, eventually, noted_events, refusal, rule

OF_PACKS = "config-rule/aws-service-rule/config-conforms.amazonaws.com/config-rule-"


def test_a_packs_rule_is_told_by_its_arn_in_both_events(
    local_aws: LocalAwsClient, client: Clients, account_id: str, notes: str
) -> None:
    """A recorded event of a function (of a custom rule in a pack), and recorded events of a bus.

    craigar-amazon/nzism-remediation-lab, src/tests/test_dispatch.py, of 2021: the suffix of the name, the ARN, and that the
    event of a first verdict has no oldEvaluationResult.  An event of 2020 has COMPLIANT as its first verdict.
    """
    queue = Bus(local_aws, account_id).collect({"source": ["aws.config"]})
    resource = {"Type": "AWS::Config::ConfigRule", "Properties": rule(notes, "packed")}
    config = client("config", account_id)
    config.put_conformance_pack(ConformancePackName="pack", TemplateBody=json.dumps({"Resources": {"Rule": resource}}))
    [invoked] = eventually(lambda: noted_events(client, account_id))
    arn, name = invoked["configRuleArn"], invoked["configRuleName"]
    assert arn.startswith(f"arn:aws:config:us-east-1:{account_id}:{OF_PACKS}")
    assert invoked["configRuleId"] == arn.rpartition("/")[2]
    assert name.startswith("packed-conformance-pack-")
    evaluation = {
        "ComplianceResourceType": "AWS::::Account",
        "ComplianceResourceId": account_id,
        "ComplianceType": "COMPLIANT",
        "OrderingTimestamp": 1772600767,
    }
    config.put_evaluations(ResultToken=invoked["resultToken"], Evaluations=[evaluation])
    [event] = queue.bodies(1)
    detail = event["detail"]
    assert (detail["configRuleARN"], detail["configRuleName"]) == (arn, name)
    assert detail["newEvaluationResult"]["complianceType"] == "COMPLIANT"
    qualifier = detail["newEvaluationResult"]["evaluationResultIdentifier"]["evaluationResultQualifier"]
    assert qualifier["evaluationMode"] == "DETECTIVE"
    assert "oldEvaluationResult" not in detail


def test_a_function_that_config_may_not_invoke_fails_its_rule(client: Clients, account_id: str) -> None:
    """A user quotes it: cloud-custodian/cloud-custodian#3530, of 2019."""
    arn = f"arn:aws:lambda:us-east-1:{CENTRAL}:function:none"
    assert refusal(client("config", account_id).put_config_rule, ConfigRule=rule(arn)) == (
        "InsufficientPermissionsException",
        (
            f"The AWS Lambda function {arn} cannot be invoked. Check the specified function ARN, and check the function's "
            "permissions."
        ),
    )


def test_config_throttles_with_few_words(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    """radkawar/stackd, testdata/aws/configservice/lifecycle.json: the second call within 0.2 seconds.

    It is a fault here, and no rule: nobody knows how many calls AWS takes.
    """
    local_aws.add_fault(account_id, "config:StartConfigRulesEvaluation", "Throttling", times=1)
    config = client("config", account_id)
    said = refusal(config.start_config_rules_evaluation, ConfigRuleNames=["example"])
    assert said == ("ThrottlingException", "Rate exceeded")
    assert refusal(config.start_config_rules_evaluation, ConfigRuleNames=["example"])[0] == "NoSuchConfigRuleException"


def test_a_summary_of_an_ops_item_has_what_it_is_deduplicated_by(client: Clients, account_id: str) -> None:
    """cloud-custodian/cloud-custodian, tests/data/placebo/test_ops_item_filter, of 2019."""
    ssm = client("ssm", account_id)
    data: dict[str, Any] = {"/aws/dedup": {"Type": "SearchableString", "Value": '{"dedupString":"root"}'}}
    ssm.create_ops_item(Title="No MFA", Source="Example", Description="-", OperationalData=data)
    [summary] = ssm.describe_ops_items()["OpsItemSummaries"]
    assert summary["OperationalData"] == data
