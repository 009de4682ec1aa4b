"""Aggregators, advanced queries and stored queries of AWS Config on the local AWS."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.organization_scene import (
    ALL,
    DELEGATED,
    MANAGEMENT,
    MEMBER,
    ORGANIZATION_ID,
    OTHER,
    OUTSIDER,
    SERVICES,
    Scene,
    organization,
    template_of,
)
from tests.local_aws.scene import create_function, eventually, let_config_invoke, refusal, trust

AGGREGATOR = "organization"
REGION = "us-east-1"
VERDICTS = {MANAGEMENT: "COMPLIANT", DELEGATED: "NON_COMPLIANT", MEMBER: "NOT_APPLICABLE", OTHER: "COMPLIANT"}
AGGREGATED = {**VERDICTS, MEMBER: "INSUFFICIENT_DATA"}
"""The compliance of each account in an aggregator."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run an organization with an aggregator, in which the rule `judged` of a pack judged each account."""
    with organization(tmp_path_factory.mktemp("organization")) as scene:
        judge = scene.open_judge()
        aggregate(scene, DELEGATED)
        verdicts = {f"verdictOf{account_id}": verdict for account_id, verdict in VERDICTS.items()}
        with scene.pack("judged", template_of(judge, "judged", **verdicts)):
            for account_id in VERDICTS:
                scene.results(account_id, "judged")
            yield scene


def aggregate(scene: Scene, account_id: str, name: str = AGGREGATOR) -> dict[str, Any]:
    config = scene.config(account_id)
    source = {"RoleArn": role(scene, account_id, f"for-{name}"), "AllAwsRegions": True}
    put = config.put_configuration_aggregator(ConfigurationAggregatorName=name, OrganizationAggregationSource=source)
    return dict(put["ConfigurationAggregator"])


def role(scene: Scene, account_id: str, name: str, trusted: str = "config.amazonaws.com") -> str:
    iam = scene.client("iam", account_id)
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": trusted}))["Role"]["Arn"])


def compliance(scene: Scene, **filters: str) -> dict[str, str]:
    """Return the rule `judged`'s compliance in the aggregator, by account."""
    found = scene.config(DELEGATED).describe_aggregate_compliance_by_config_rules(
        ConfigurationAggregatorName=AGGREGATOR, Filters=filters
    )["AggregateComplianceByConfigRules"]
    return {
        entry["AccountId"]: entry["Compliance"]["ComplianceType"]
        for entry in found
        if entry["ConfigRuleName"].startswith("judged-")
    }


def details(scene: Scene, account_id: str, **params: object) -> list[dict[str, Any]]:
    [rule] = scene.rules(account_id, "judged")
    found = scene.config(DELEGATED).get_aggregate_compliance_details_by_config_rule(
        ConfigurationAggregatorName=AGGREGATOR,
        **{"ConfigRuleName": rule["ConfigRuleName"], "AccountId": account_id, "AwsRegion": REGION, **params},
    )
    return list(found["AggregateEvaluationResults"])


# --- Aggregators ---


def test_an_aggregator_is_put_described_and_deleted(scene: Scene) -> None:
    config = scene.config(MANAGEMENT)
    put = aggregate(scene, MANAGEMENT, "described")
    assert put["ConfigurationAggregatorArn"].startswith(
        f"arn:aws:config:{REGION}:{MANAGEMENT}:config-aggregator/config-aggregator-"
    )
    changed = {"RoleArn": put["OrganizationAggregationSource"]["RoleArn"], "AwsRegions": ["eu-west-1"]}
    config.put_configuration_aggregator(ConfigurationAggregatorName="described", OrganizationAggregationSource=changed)
    [described] = config.describe_configuration_aggregators(ConfigurationAggregatorNames=["described"])[
        "ConfigurationAggregators"
    ]
    assert described["ConfigurationAggregatorArn"] == put["ConfigurationAggregatorArn"]
    assert described["OrganizationAggregationSource"] == changed
    # The aggregator covers one Region, which has no rule.
    entries = config.describe_aggregate_compliance_by_config_rules(ConfigurationAggregatorName="described")
    assert entries["AggregateComplianceByConfigRules"] == []
    config.delete_configuration_aggregator(ConfigurationAggregatorName="described")
    for operation in (
        config.delete_configuration_aggregator,
        config.describe_aggregate_compliance_by_config_rules,
        config.describe_configuration_aggregator_sources_status,
    ):
        code, _ = refusal(operation, ConfigurationAggregatorName="described")
        assert code == "NoSuchConfigurationAggregatorException"


@pytest.mark.parametrize(
    ("account_id", "code"),
    [(MEMBER, "OrganizationAccessDeniedException"), (OUTSIDER, "NoAvailableOrganizationException")],
)
def test_only_administrators_of_the_organization_may_aggregate_it(scene: Scene, account_id: str, code: str) -> None:
    source = {"RoleArn": f"arn:aws:iam::{account_id}:role/any", "AllAwsRegions": True}
    put = scene.config(account_id).put_configuration_aggregator
    assert refusal(put, ConfigurationAggregatorName="refused", OrganizationAggregationSource=source)[0] == code


def test_config_must_be_able_to_assume_the_role(scene: Scene) -> None:
    put = scene.config(DELEGATED).put_configuration_aggregator
    for arn in (
        f"arn:aws:iam::{DELEGATED}:role/missing",
        role(scene, DELEGATED, "for-another-service", "ec2.amazonaws.com"),
        role(scene, MEMBER, "of-another-account"),
    ):
        source = {"RoleArn": arn, "AllAwsRegions": True}
        code, message = refusal(put, ConfigurationAggregatorName="refused", OrganizationAggregationSource=source)
        assert code == "InvalidRoleException"
        assert arn in message


@pytest.mark.parametrize(
    ("operator", "account_id", "sent", "taken"),
    [
        ("StringEquals", DELEGATED, True, True),
        ("StringEquals", DELEGATED, False, False),
        ("StringEqualsIfExists", DELEGATED, False, True),
        ("StringEqualsIfExists", DELEGATED, True, True),
        ("StringEqualsIfExists", OTHER, True, False),
    ],
)
def test_a_role_may_demand_the_account_for_which_config_assumes_it(
    scene: Scene, operator: str, account_id: str, *, sent: bool, taken: bool
) -> None:
    document = json.loads(trust({"Service": "config.amazonaws.com"}))
    document["Statement"][0]["Condition"] = {operator: {"aws:SourceAccount": account_id}}
    name = f"demanding-{operator}-{account_id}-{sent}"
    arn = scene.client("iam", DELEGATED).create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"][
        "Arn"
    ]
    source = {"RoleArn": arn, "AllAwsRegions": True}
    put = {"ConfigurationAggregatorName": "demanding", "OrganizationAggregationSource": source}
    config = scene.config(DELEGATED)
    scene.process.switch("no-source-account-for-aggregators", on=not sent)
    try:
        if taken:
            config.put_configuration_aggregator(**put)
            config.delete_configuration_aggregator(ConfigurationAggregatorName="demanding")
        else:
            assert refusal(config.put_configuration_aggregator, **put)[0] == "InvalidRoleException"
    finally:
        scene.process.switch("no-source-account-for-aggregators", on=False)


def test_a_source_is_the_organization_in_all_or_in_some_regions(scene: Scene) -> None:
    put = scene.config(DELEGATED).put_configuration_aggregator
    arn = f"arn:aws:iam::{DELEGATED}:role/for-{AGGREGATOR}"
    for params in (
        {},
        {"AccountAggregationSources": [{"AccountIds": [MEMBER], "AllAwsRegions": True}]},
        {"OrganizationAggregationSource": {"RoleArn": arn}},
        {"OrganizationAggregationSource": {"RoleArn": arn, "AllAwsRegions": True, "AwsRegions": [REGION]}},
    ):
        assert refusal(put, ConfigurationAggregatorName="refused", **params)[0] == "InvalidParameterValueException"


def test_who_administers_the_organization_no_more_sees_nothing(tmp_path: Path) -> None:
    with organization(tmp_path) as scene:
        aggregate(scene, DELEGATED)

        def sources() -> dict[str, str]:
            found = scene.config(DELEGATED).describe_configuration_aggregator_sources_status(
                ConfigurationAggregatorName=AGGREGATOR
            )["AggregatedSourceStatusList"]
            return {source["SourceId"]: source["LastUpdateStatus"] for source in found}

        assert sources() == dict.fromkeys([ORGANIZATION_ID, *ALL], "SUCCEEDED")
        scene.client("organizations", MANAGEMENT).deregister_delegated_administrator(
            AccountId=DELEGATED, ServicePrincipal=SERVICES[0]
        )
        assert sources() == {ORGANIZATION_ID: "FAILED"}


# --- Compliance ---


def test_an_aggregator_sees_every_account_and_no_result_that_is_not_applicable(scene: Scene) -> None:
    assert compliance(scene) == AGGREGATED


def test_rules_are_filtered(scene: Scene) -> None:
    [rule] = scene.rules(OTHER, "judged")
    assert compliance(scene, ConfigRuleName=rule["ConfigRuleName"]) == {OTHER: "COMPLIANT"}
    assert compliance(scene, ComplianceType="NON_COMPLIANT") == {DELEGATED: "NON_COMPLIANT"}
    assert compliance(scene, ComplianceType="COMPLIANT") == {MANAGEMENT: "COMPLIANT", OTHER: "COMPLIANT"}
    assert compliance(scene, AccountId=MEMBER) == {MEMBER: "INSUFFICIENT_DATA"}
    assert compliance(scene, AwsRegion=REGION) == AGGREGATED
    assert compliance(scene, AwsRegion="eu-west-1") == {}
    for unsupported in ("NOT_APPLICABLE", "INSUFFICIENT_DATA"):
        filters = {"ComplianceType": unsupported}
        describe = scene.config(DELEGATED).describe_aggregate_compliance_by_config_rules
        code, _ = refusal(describe, ConfigurationAggregatorName=AGGREGATOR, Filters=filters)
        assert code == "ValidationException"


def test_a_rule_without_results_is_not_shown(scene: Scene) -> None:
    name = "never-judged"
    arn = create_function(scene.client, DELEGATED, "silent", "def handler(event, context): pass")
    let_config_invoke(scene.client, arn)
    with scene.pack(name, template_of(arn, name)):
        assert scene.rules(MEMBER, name)
        entries = scene.config(DELEGATED).describe_aggregate_compliance_by_config_rules(ConfigurationAggregatorName=AGGREGATOR)
        names = [entry["ConfigRuleName"] for entry in entries["AggregateComplianceByConfigRules"]]
        assert not any(entry.startswith(name) for entry in names)


def test_details_are_of_one_rule_account_and_region(scene: Scene) -> None:
    [result] = details(scene, DELEGATED)
    assert (result["AccountId"], result["AwsRegion"]) == (DELEGATED, REGION)
    assert (result["ComplianceType"], result["Annotation"]) == ("NON_COMPLIANT", f"Said of {DELEGATED}.")
    assert result["ConfigRuleInvokedTime"] <= result["ResultRecordedTime"]
    qualifier = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]
    assert (qualifier["ResourceType"], qualifier["ResourceId"]) == ("AWS::::Account", DELEGATED)
    assert details(scene, DELEGATED, ComplianceType="NON_COMPLIANT") == [result]
    assert details(scene, DELEGATED, ComplianceType="COMPLIANT") == []
    assert details(scene, MEMBER) == []  # NOT_APPLICABLE
    assert details(scene, DELEGATED, ConfigRuleName="judged") == []
    assert details(scene, DELEGATED, AwsRegion="eu-west-1") == []
    assert details(scene, DELEGATED, AccountId=OUTSIDER) == []


def test_packs_are_aggregated(scene: Scene) -> None:
    def packs(**filters: str) -> dict[str, tuple[str, int]]:
        found = scene.config(DELEGATED).describe_aggregate_compliance_by_conformance_packs(
            ConfigurationAggregatorName=AGGREGATOR, Filters=filters
        )["AggregateComplianceByConformancePacks"]
        return {
            entry["AccountId"]: (entry["Compliance"]["ComplianceType"], entry["Compliance"]["TotalRuleCount"])
            for entry in found
            if entry["ConformancePackName"].startswith("OrgConformsPack-judged-")
        }

    assert packs() == {account_id: (compliance_type, 1) for account_id, compliance_type in AGGREGATED.items()}
    assert packs(ComplianceType="NON_COMPLIANT") == {DELEGATED: ("NON_COMPLIANT", 1)}
    assert packs(AccountId=OTHER) == {OTHER: ("COMPLIANT", 1)}


def test_pages_can_be_empty_and_go_on(scene: Scene) -> None:
    config = scene.config(DELEGATED)
    [rule] = scene.rules(OTHER, "judged")
    of_rule = {"ConfigRuleName": rule["ConfigRuleName"], "AccountId": OTHER, "AwsRegion": REGION}
    scene.process.switch("empty-pages", on=True)
    try:
        for operation, params, entries in (
            ("describe_aggregate_compliance_by_config_rules", {}, "AggregateComplianceByConfigRules"),
            ("get_aggregate_compliance_details_by_config_rule", of_rule, "AggregateEvaluationResults"),
            ("describe_aggregate_compliance_by_conformance_packs", {}, "AggregateComplianceByConformancePacks"),
        ):
            call = getattr(config, operation)
            first = call(ConfigurationAggregatorName=AGGREGATOR, **params)
            assert first[entries] == []
            second = call(ConfigurationAggregatorName=AGGREGATOR, **params, NextToken=first["NextToken"])
            assert second[entries]
            assert "NextToken" not in second
    finally:
        scene.process.switch("empty-pages", on=False)
    assert compliance(scene) == AGGREGATED


def test_an_account_that_joins_is_seen_and_one_that_leaves_is_not(scene: Scene) -> None:
    joining = "700000000002"
    scene.process.create_account(joining, "joining", "", {})
    try:
        assert eventually(lambda: compliance(scene, AccountId=joining)) == {joining: "COMPLIANT"}
        rules = scene.rules(joining, "judged")
    finally:
        scene.process.remove_account(joining)
    assert compliance(scene) == AGGREGATED
    found = scene.config(DELEGATED).get_aggregate_compliance_details_by_config_rule(
        ConfigurationAggregatorName=AGGREGATOR,
        ConfigRuleName=rules[0]["ConfigRuleName"],
        AccountId=joining,
        AwsRegion=REGION,
    )
    assert found["AggregateEvaluationResults"] == []


# --- Queries ---

FAILING = """
    SELECT accountId, awsRegion, configuration.targetResourceId, configuration.complianceType, configuration.configRuleList
    WHERE resourceType = 'AWS::Config::ResourceCompliance'
      AND configuration.configRuleList.configRuleName LIKE 'judged%'
      AND configuration.complianceType = 'NON_COMPLIANT'
"""
COUNTS = """
    SELECT configuration.complianceType, COUNT(*)
    WHERE resourceType = 'AWS::Config::ResourceCompliance'
      AND configuration.configRuleList.configRuleName LIKE 'judged%'
    GROUP BY configuration.complianceType
"""
NAMES = "configuration.configRuleList.configRuleName"
ALL_RESOURCES = "SELECT accountId WHERE resourceType = 'AWS::Config::ResourceCompliance'"


def select(scene: Scene, expression: str, **params: object) -> dict[str, Any]:
    found = scene.config(DELEGATED).select_aggregate_resource_config(
        ConfigurationAggregatorName=AGGREGATOR, Expression=expression, **params
    )
    return {**found, "Results": [json.loads(result) for result in found["Results"]]}


def test_the_accounts_that_fail_are_selected(scene: Scene) -> None:
    found = select(scene, FAILING)
    [result] = found["Results"]
    [rule] = result["configuration"].pop("configRuleList")
    assert result == {
        "accountId": DELEGATED,
        "awsRegion": REGION,
        "configuration": {"targetResourceId": DELEGATED, "complianceType": "NON_COMPLIANT"},
    }
    assert rule["configRuleName"] == scene.rules(DELEGATED, "judged")[0]["ConfigRuleName"]
    assert rule["complianceType"] == "NON_COMPLIANT"
    assert [field["Name"] for field in found["QueryInfo"]["SelectFields"]] == [
        "accountId",
        "awsRegion",
        "configuration.targetResourceId",
        "configuration.complianceType",
        "configuration.configRuleList",
    ]


@pytest.fixture
def one_rule_as_object(scene: Scene) -> Iterator[None]:
    """Show one rule in configRuleList as an object."""
    scene.process.switch("one-rule-as-object", on=True)
    yield
    scene.process.switch("one-rule-as-object", on=False)


@pytest.mark.usefixtures("one_rule_as_object")
def test_a_list_of_one_rule_may_be_an_object(scene: Scene) -> None:
    """Users of real AWS report both."""
    [result] = select(scene, FAILING)["Results"]
    rule = result["configuration"]["configRuleList"]
    assert (rule["configRuleName"].partition("-conformance-pack-")[0], rule["complianceType"]) == ("judged", "NON_COMPLIANT")
    [named] = select(scene, f"{ALL_RESOURCES} AND {NAMES} LIKE 'judged%' AND accountId = '{DELEGATED}'")["Results"]
    assert named == {"accountId": DELEGATED}
    assert len(select(scene, COUNTS)["Results"]) == 2


def test_compliance_is_queried_if_the_recorder_records_it(scene: Scene) -> None:
    config = scene.config(DELEGATED)
    [recorder] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    settings = {"roleARN": recorder["roleARN"]}
    compliance_type = ["AWS::Config::ResourceCompliance"]
    groups = {
        "these": {"resourceTypes": ["AWS::IAM::Role"]},
        "these with it": {"resourceTypes": compliance_type},
        "others": {"exclusionByResourceTypes": {"resourceTypes": compliance_type}},
        "all": {"allSupported": True},
    }
    seen = {}
    for name, group in groups.items():
        config.put_configuration_recorder(ConfigurationRecorder={**settings, "recordingGroup": group})
        seen[name] = len(select(scene, FAILING)["Results"])
    assert seen == {"these": 0, "these with it": 1, "others": 0, "all": 1}


def test_accounts_are_counted_by_state(scene: Scene) -> None:
    assert select(scene, COUNTS)["Results"] == [
        {"COUNT(*)": 2, "configuration": {"complianceType": "COMPLIANT"}},
        {"COUNT(*)": 1, "configuration": {"complianceType": "NON_COMPLIANT"}},
    ]
    count = f"SELECT COUNT(*) WHERE resourceType = 'AWS::Config::ResourceCompliance' AND accountId = '{OUTSIDER}'"
    assert select(scene, count)["Results"] == [{"COUNT(*)": 0}]


def test_conditions_on_an_array_hold_for_different_elements(scene: Scene) -> None:
    # OTHER passes `judged` and fails `second`: both conditions hold, though no rule's element meets both.
    template = template_of(scene.rules(OTHER, "judged")[0]["Source"]["SourceIdentifier"], "second")
    template["Resources"]["Rule"]["Properties"]["InputParameters"] = {f"verdictOf{OTHER}": "NON_COMPLIANT"}
    with scene.pack("second", template):
        scene.results(OTHER, "second")
        query = (
            "SELECT accountId, configuration.configRuleList.complianceType "
            "WHERE resourceType = 'AWS::Config::ResourceCompliance' "
            "AND configuration.configRuleList.configRuleName LIKE 'judged%' "
            "AND configuration.configRuleList.complianceType = 'NON_COMPLIANT' "
            f"AND accountId = '{OTHER}'"
        )
        [result] = select(scene, query)["Results"]
        types = [rule["complianceType"] for rule in result["configuration"]["configRuleList"]]
        assert types == ["COMPLIANT", "NON_COMPLIANT"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("DELETE", "SELECT … WHERE …"),
        ("SELECT accountId", "SELECT … WHERE …"),
        ("SELECT * WHERE resourceType = 'AWS::Config::ResourceCompliance'", "'*'"),
        ("SELECT accountName WHERE resourceType = 'AWS::Config::ResourceCompliance'", "accountName"),
        ("SELECT accountId WHERE resourceType = 'AWS::S3::Bucket'", "AWS::Config::ResourceCompliance"),
        (f"{ALL_RESOURCES} OR accountId = '1'", "OR accountId"),
        (f"{ALL_RESOURCES} AND accountId != '1'", "accountId != '1'"),
        (f"{ALL_RESOURCES} AND accountId LIKE '%1'", "'%1'"),
        (f"{ALL_RESOURCES} AND accountId LIKE '1_2%'", "'1_2%'"),
        (f"{ALL_RESOURCES} AND configuration.configRuleList = 'x'", "array"),
        (f"{ALL_RESOURCES} ORDER BY accountId", "ORDER BY"),
        (f"{ALL_RESOURCES} GROUP BY accountId", "GROUP BY"),
        ("SELECT accountId, COUNT(*) WHERE resourceType = 'AWS::Config::ResourceCompliance'", "grouped"),
        (f"SELECT COUNT(*), {NAMES} WHERE resourceType = 'AWS::Config::ResourceCompliance' GROUP BY {NAMES}", "array"),
    ],
)
def test_a_query_that_is_not_emulated_is_refused_and_says_what(scene: Scene, expression: str, said: str) -> None:
    call = scene.config(DELEGATED).select_aggregate_resource_config
    code, message = refusal(call, ConfigurationAggregatorName=AGGREGATOR, Expression=expression)
    assert (code, said in message) == ("InvalidExpressionException", True), message


def test_queries_are_stored(scene: Scene) -> None:
    config = scene.config(MEMBER)
    query = {"QueryName": "failing", "Expression": FAILING, "Description": "Who fails."}
    arn = config.put_stored_query(StoredQuery=query)["QueryArn"]
    assert arn.startswith(f"arn:aws:config:{REGION}:{MEMBER}:stored-query/failing/query-")
    stored = config.get_stored_query(QueryName="failing")["StoredQuery"]
    assert stored == {**query, "QueryArn": arn, "QueryId": arn.rpartition("/")[2]}
    assert config.put_stored_query(StoredQuery={**query, "Expression": COUNTS})["QueryArn"] == arn
    config.put_stored_query(StoredQuery={**query, "QueryName": "another"})
    listed = config.list_stored_queries()["StoredQueryMetadata"]
    assert [metadata["QueryName"] for metadata in listed] == ["another", "failing"]
    assert "Expression" not in listed[0]
    for name in ("another", "failing"):
        config.delete_stored_query(QueryName=name)
    assert refusal(config.get_stored_query, QueryName="failing")[0] == "ResourceNotFoundException"
    assert refusal(config.delete_stored_query, QueryName="failing")[0] == "ResourceNotFoundException"
    assert refusal(config.put_stored_query, StoredQuery={"QueryName": "failing"})[0] == "ValidationException"


# --- In stacks ---


def test_a_stack_makes_an_aggregator_and_queries(scene: Scene) -> None:
    name = "stack-of-aggregator"
    resources: dict[str, Any] = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": json.loads(trust({"Service": "config.amazonaws.com"}))},
        },
        "Aggregator": {
            "Type": "AWS::Config::ConfigurationAggregator",
            "Properties": {
                "ConfigurationAggregatorName": "stacked",
                "OrganizationAggregationSource": {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "AllAwsRegions": "true"},
            },
        },
        "Query": {
            "Type": "AWS::Config::StoredQuery",
            "Properties": {"QueryName": "stacked", "QueryExpression": FAILING, "QueryDescription": "Who fails."},
        },
    }
    outputs = {
        "Aggregator": {"Value": {"Ref": "Aggregator"}},
        "AggregatorArn": {"Value": {"Fn::GetAtt": ["Aggregator", "ConfigurationAggregatorArn"]}},
        "Query": {"Value": {"Ref": "Query"}},
        "QueryArn": {"Value": {"Fn::GetAtt": ["Query", "QueryArn"]}},
        "QueryId": {"Value": {"Fn::GetAtt": ["Query", "QueryId"]}},
    }
    config = scene.config(DELEGATED)
    stack = scene.deploy(DELEGATED, name, resources, outputs=outputs)
    try:
        assert stack["StackStatus"] == "CREATE_COMPLETE", scene.reasons(DELEGATED, name)
        [aggregator] = config.describe_configuration_aggregators(ConfigurationAggregatorNames=["stacked"])[
            "ConfigurationAggregators"
        ]
        stored = config.get_stored_query(QueryName="stacked")["StoredQuery"]
        assert (stored["Expression"], stored["Description"]) == (FAILING, "Who fails.")
        assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == {
            "Aggregator": "stacked",
            "AggregatorArn": aggregator["ConfigurationAggregatorArn"],
            "Query": "stacked",
            "QueryArn": stored["QueryArn"],
            "QueryId": stored["QueryId"],
        }
        resources["Query"]["Properties"]["QueryExpression"] = COUNTS
        resources["Aggregator"]["Properties"]["OrganizationAggregationSource"].update(
            {"AllAwsRegions": False, "AwsRegions": [REGION]}
        )
        assert scene.deploy(DELEGATED, name, resources)["StackStatus"] == "UPDATE_COMPLETE"
        assert config.get_stored_query(QueryName="stacked")["StoredQuery"]["Expression"] == COUNTS
        [aggregator] = config.describe_configuration_aggregators(ConfigurationAggregatorNames=["stacked"])[
            "ConfigurationAggregators"
        ]
        assert aggregator["OrganizationAggregationSource"]["AwsRegions"] == [REGION]
    finally:
        scene.delete_stack(DELEGATED, name)
    assert refusal(config.get_stored_query, QueryName="stacked")[0] == "ResourceNotFoundException"
    describe = config.describe_configuration_aggregators
    code, _ = refusal(describe, ConfigurationAggregatorNames=["stacked"])
    assert code == "NoSuchConfigurationAggregatorException"


def test_a_member_s_stack_fails_with_the_reason(scene: Scene) -> None:
    resources = {
        "Aggregator": {
            "Type": "AWS::Config::ConfigurationAggregator",
            "Properties": {
                "OrganizationAggregationSource": {"RoleArn": f"arn:aws:iam::{MEMBER}:role/any", "AllAwsRegions": True}
            },
        }
    }
    assert scene.deploy(MEMBER, "refused-aggregator", resources)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "OrganizationAccessDeniedException" in scene.reasons(MEMBER, "refused-aggregator")
