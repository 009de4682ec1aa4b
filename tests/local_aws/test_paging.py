"""Lists of the local AWS come in pages: how long they are, how they lead on, and what is refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_aws.client import REGION
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from tests.local_aws.organization_scene import (
    DELEGATED,
    MANAGEMENT,
    Scene,
    organization,
    rule_resource,
)
from tests.local_aws.remediation_scene import SUCCEEDS, create_document, create_role, role_arn
from tests.local_aws.scene import create_function, eventually, let_config_invoke, refusal, rule, trust

# The page of a list


PAGES = Pages("InvalidNextToken")


@pytest.mark.parametrize(
    ("params", "longest", "items", "next_item"),
    [
        ({}, None, [1, 2, 3], 3),
        ({"Limit": 0}, None, [1, 2, 3], 3),
        ({"Limit": 2}, None, [1, 2], 2),
        ({"MaxResults": 2, "NextToken": PAGES.token_at(2)}, None, [3, 4], 4),
        ({"MaxItems": 2, "NextToken": PAGES.token_at(4)}, None, [5], None),
        ({"MaxItems": 5}, None, [1, 2, 3, 4, 5], None),
        ({"MaxItems": 100}, None, [1, 2, 3, 4, 5], None),
        ({}, 2, [1, 2], 2),
        ({"MaxItems": 4}, 2, [1, 2], 2),
        ({"NextToken": ""}, None, [1, 2, 3], 3),
        ({"NextToken": PAGES.token_at(5)}, None, [], None),
    ],
)
def test_a_page_of_five_entries_of_which_three_are_usual(
    params: dict[str, Any], longest: int | None, items: list[int], next_item: int | None
) -> None:
    token = {} if next_item is None else {"NextToken": PAGES.token_at(next_item)}
    assert PAGES.page([1, 2, 3, 4, 5], params, 3, longest) == (items, token)


@pytest.mark.parametrize(
    "token",
    [
        *("x", "-1", "1", "1.5", "²", "1 ", "1-", "²-é"),
        # Tokens differ from run to run, and so would the names of the tests.
        pytest.param("9" * 5000, id="endless"),
        pytest.param(PAGES.token_at(1)[:-1], id="cut off"),
        pytest.param(PAGES.token_at(1).replace("1-", "2-"), id="of another page"),
        pytest.param(PAGES.token_at(1), id="of a service with another error"),
        pytest.param(Pages("ValidationError").token_at(1, "others"), id="of another list"),
    ],
)
def test_a_token_that_the_list_never_gave_is_refused(token: str) -> None:
    with pytest.raises(AwsError, match="No such page") as refused:
        Pages("ValidationError", "No such page.", "Marker").page([1], {"Marker": token}, 3, of="these")
    assert refused.value.code == "ValidationError"


def test_an_empty_token_is_refused_by_a_service_that_does_not_take_it() -> None:
    with pytest.raises(AwsError) as refused:
        Pages("InvalidInputException", reason="INVALID_NEXT_TOKEN", takes_empty=False).page([1], {"NextToken": ""}, 3)
    assert refused.value.members == {"Reason": "INVALID_NEXT_TOKEN"}


# Each operation


@dataclass(frozen=True)
class List:
    """An operation that lists `entries`; `most` is its longest page, None if a request cannot say how long a page is.

    `code` is its error for a token that it never gave.
    """

    service: str
    operation: str
    entries: str
    most: int | None
    code: str
    params: dict[str, Any] = field(default_factory=dict)
    account_id: str = DELEGATED

    @property
    def limit(self) -> str:
        """The member of the request that says how long a page is."""
        if self.service == "config":
            return "MaxResults" if self.operation == "list_stored_queries" else "Limit"
        return "MaxItems" if self.service == "iam" else "MaxResults"

    @property
    def token(self) -> str:
        """The member with the next token."""
        return "Marker" if self.service == "iam" else "NextToken"

    @property
    def too_long(self) -> str:
        """The error for a page that is too long."""
        if self.service == "organizations":
            return "InvalidInputException"
        return "ValidationError" if self.service in {"iam", "cloudformation"} else "ValidationException"


TOKEN = "InvalidNextTokenException"  # noqa: S105 - an error's code
OWN = {"ConfigRuleName": "own"}
RESOURCE = {"ResourceType": "AWS::::Account", "ResourceId": "one"}
AGGREGATE = {"ConfigurationAggregatorName": "one"}
QUERY = {"Expression": "SELECT resourceId WHERE resourceType = 'AWS::Config::ResourceCompliance'"}
OF_OWN = {**AGGREGATE, **OWN, "AccountId": DELEGATED, "AwsRegion": REGION}
ROOT = {"ParentId": "r-a1b2"}
LISTS = [
    List("config", "describe_config_rules", "ConfigRules", None, TOKEN),
    List("config", "describe_config_rule_evaluation_status", "ConfigRulesEvaluationStatus", 50, TOKEN),
    List("config", "describe_compliance_by_config_rule", "ComplianceByConfigRules", None, TOKEN),
    List("config", "describe_compliance_by_resource", "ComplianceByResources", 100, TOKEN),
    List("config", "get_compliance_details_by_config_rule", "EvaluationResults", 100, TOKEN, OWN),
    List("config", "get_compliance_details_by_resource", "EvaluationResults", None, "InvalidParameterValueException", RESOURCE),
    List("config", "describe_remediation_execution_status", "RemediationExecutionStatuses", 100, TOKEN, OWN),
    List("config", "describe_remediation_exceptions", "RemediationExceptions", 100, TOKEN, OWN),
    List("config", "describe_conformance_packs", "ConformancePackDetails", 20, TOKEN),
    List("config", "describe_conformance_pack_status", "ConformancePackStatusDetails", 20, TOKEN),
    List(
        "config",
        "describe_conformance_pack_compliance",
        "ConformancePackRuleComplianceList",
        1000,
        TOKEN,
        {"ConformancePackName": "pack-one"},
    ),
    List(
        "config",
        "get_conformance_pack_compliance_details",
        "ConformancePackRuleEvaluationResults",
        100,
        TOKEN,
        {"ConformancePackName": "pack-one"},
    ),
    List("config", "describe_organization_conformance_packs", "OrganizationConformancePacks", 100, TOKEN),
    List("config", "describe_organization_conformance_pack_statuses", "OrganizationConformancePackStatuses", 100, TOKEN),
    List(
        "config",
        "get_organization_conformance_pack_detailed_status",
        "OrganizationConformancePackDetailedStatuses",
        100,
        TOKEN,
        {"OrganizationConformancePackName": "one"},
    ),
    List("config", "describe_configuration_aggregators", "ConfigurationAggregators", 100, TOKEN),
    List("config", "describe_configuration_aggregator_sources_status", "AggregatedSourceStatusList", 100, TOKEN, AGGREGATE),
    List(
        "config",
        "describe_aggregate_compliance_by_config_rules",
        "AggregateComplianceByConfigRules",
        1000,
        TOKEN,
        AGGREGATE,
    ),
    List("config", "get_aggregate_compliance_details_by_config_rule", "AggregateEvaluationResults", 100, TOKEN, OF_OWN),
    List(
        "config",
        "describe_aggregate_compliance_by_conformance_packs",
        "AggregateComplianceByConformancePacks",
        100,
        TOKEN,
        AGGREGATE,
    ),
    List("config", "select_aggregate_resource_config", "Results", 100, TOKEN, {**AGGREGATE, **QUERY}),
    List("config", "list_stored_queries", "StoredQueryMetadata", 100, TOKEN),
    List("ssm", "list_documents", "DocumentIdentifiers", 50, "InvalidNextToken"),
    List("ssm", "list_document_versions", "DocumentVersions", 50, "InvalidNextToken", {"Name": "two"}),
    List("ssm", "describe_automation_executions", "AutomationExecutionMetadataList", 50, "InvalidNextToken"),
    List("ssm", "describe_automation_step_executions", "StepExecutions", 50, "InvalidNextToken"),
    List("ssm", "describe_ops_items", "OpsItemSummaries", 50, "ValidationException"),
    List("organizations", "list_accounts", "Accounts", 20, "InvalidInputException"),
    List("organizations", "list_accounts_for_parent", "Accounts", 20, "InvalidInputException", ROOT),
    List("cloudformation", "list_stack_sets", "Summaries", 100, "ValidationError", account_id=MANAGEMENT),
    List(
        "cloudformation",
        "list_stack_instances",
        "Summaries",
        100,
        "ValidationError",
        {"StackSetName": "one"},
        account_id=MANAGEMENT,
    ),
    List("iam", "list_virtual_mfa_devices", "VirtualMFADevices", 1000, "ValidationError"),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run an organization whose accounts have three of everything, at least."""
    with organization(tmp_path_factory.mktemp("organization")) as scene:
        set_rules_up(scene)
        set_aggregators_up(scene)
        set_remediation_up(scene)
        set_systems_manager_up(scene)
        set_stack_sets_up(scene)
        for number in range(3):
            scene.process.change_root_user(DELEGATED, "add-virtual-device", f"phone{number}")
        yield scene


JUDGE = """
    import json

    import boto3

    def handler(event, context):
        evaluations = [
            {
                "ComplianceResourceType": "AWS::::Account",
                "ComplianceResourceId": resource,
                "ComplianceType": "NON_COMPLIANT",
                "OrderingTimestamp": json.loads(event["invokingEvent"])["notificationCreationTime"],
            }
            for resource in ("one", "two", "three")
        ]
        config = boto3.client("config", aws_access_key_id=event["accountId"], aws_secret_access_key="test")
        config.put_evaluations(ResultToken=event["resultToken"], Evaluations=evaluations)
"""


def set_rules_up(scene: Scene) -> None:
    """Let a rule of the account and the rules of packs judge three resources each."""
    config = scene.config(DELEGATED)
    judge = create_function(scene.client, DELEGATED, "judge", JUDGE, "logs:*")
    let_config_invoke(scene.client, judge)
    config.put_config_rule(ConfigRule=rule(judge, "own"))
    for name in ("one", "two", "three"):
        body = json.dumps({"Resources": {f"Rule{number}": rule_resource(judge, f"{name}-{number}") for number in range(3)}})
        config.put_conformance_pack(ConformancePackName=f"pack-{name}", TemplateBody=body)
        config.put_organization_conformance_pack(
            OrganizationConformancePackName=name, TemplateBody=body, ExcludedAccounts=["555555555555"]
        )

    def judged() -> bool:
        found = config.describe_compliance_by_config_rule()["ComplianceByConfigRules"]
        return all(each["Compliance"]["ComplianceType"] == "NON_COMPLIANT" for each in found)

    assert eventually(judged)


def set_aggregators_up(scene: Scene) -> None:
    config = scene.config(DELEGATED)
    trusted = trust({"Service": "config.amazonaws.com"})
    role = scene.client("iam", DELEGATED).create_role(RoleName="aggregates", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    for name in ("one", "two", "three"):
        config.put_configuration_aggregator(
            ConfigurationAggregatorName=name, OrganizationAggregationSource={"RoleArn": role, "AllAwsRegions": True}
        )
        config.put_stored_query(StoredQuery={"QueryName": name, **QUERY})


def set_remediation_up(scene: Scene) -> None:
    config = scene.config(DELEGATED)
    create_document(scene.client, DELEGATED, "one", SUCCEEDS, SUCCEEDS, SUCCEEDS)
    create_role(scene.client, DELEGATED)
    parameters = {
        "AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}},
        "AutomationAssumeRole": {"StaticValue": {"Values": [role_arn(DELEGATED)]}},
    }
    settings = {"ConfigRuleName": "own", "TargetType": "SSM_DOCUMENT", "TargetId": "one", "Parameters": parameters}
    config.put_remediation_configurations(RemediationConfigurations=[settings])
    keys = [{"resourceType": "AWS::::Account", "resourceId": name} for name in ("one", "two", "three")]
    config.start_remediation_execution(ConfigRuleName="own", ResourceKeys=keys)

    def states() -> set[str]:
        found = config.describe_remediation_execution_status(ConfigRuleName="own")["RemediationExecutionStatuses"]
        return {status["State"] for status in found}

    assert eventually(lambda: states() == {"SUCCEEDED"})
    exceptions = [{"ResourceType": key["resourceType"], "ResourceId": key["resourceId"]} for key in keys]
    config.put_remediation_exceptions(ConfigRuleName="own", ResourceKeys=exceptions)


def set_systems_manager_up(scene: Scene) -> None:
    ssm = scene.client("ssm", DELEGATED)
    for name in ("two", "three"):
        create_document(scene.client, DELEGATED, name, SUCCEEDS)
    for version in (2, 3):
        content = json.loads(ssm.get_document(Name="two")["Content"]) | {"description": f"Version {version}."}
        ssm.update_document(Name="two", DocumentVersion="$LATEST", Content=json.dumps(content))
    for title in ("one", "two", "three"):
        ssm.create_ops_item(Title=title, Source="tests", Description=title)


def set_stack_sets_up(scene: Scene) -> None:
    cloudformation = scene.client("cloudformation", MANAGEMENT)
    cloudformation.activate_organizations_access()
    template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    for name in ("one", "two", "three"):
        cloudformation.create_stack_set(
            StackSetName=name,
            TemplateBody=template,
            PermissionModel="SERVICE_MANAGED",
            AutoDeployment={"Enabled": False},
        )
    cloudformation.create_stack_instances(
        StackSetName="one", DeploymentTargets={"OrganizationalUnitIds": [ROOT["ParentId"]]}, Regions=[REGION]
    )
    assert eventually(lambda: len(cloudformation.list_stack_instances(StackSetName="one")["Summaries"]) == 4)


def call(scene: Scene, of: List, **params: object) -> Any:  # noqa: ANN401 - an answer
    """Call the operation."""
    client = scene.client(of.service, of.account_id)
    if of.operation == "describe_automation_step_executions":
        [*_, first] = client.describe_automation_executions()["AutomationExecutionMetadataList"]
        params["AutomationExecutionId"] = first["AutomationExecutionId"]
    return getattr(client, of.operation)(**of.params, **params)


def name_of(of: List) -> str:
    return f"{of.service}-{of.operation}"


@pytest.mark.parametrize("of", [of for of in LISTS if of.most is not None], ids=name_of)
def test_a_list_comes_in_pages(scene: Scene, of: List) -> None:
    """Pages have the requested length, the last one is the rest and has no token, and together they are the list."""
    whole = call(scene, of)[of.entries]
    pages: list[list[object]] = []
    token: dict[str, str] = {}
    while True:
        answer = call(scene, of, **{of.limit: 2}, **token)
        pages.append(answer[of.entries])
        if of.token not in answer:
            break
        token = {of.token: answer[of.token]}
    assert len(whole) >= 3
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert len(pages[-1]) in {1, 2}
    assert [entry for page in pages for entry in page] == whole


@pytest.mark.parametrize("of", LISTS, ids=name_of)
def test_a_token_that_was_never_given_is_refused(scene: Scene, of: List) -> None:
    with_token = {of.token: "nonsense"}
    assert refusal(lambda: call(scene, of, **with_token))[0] == of.code


@pytest.mark.parametrize("of", [of for of in LISTS if of.most is not None], ids=name_of)
def test_a_page_is_not_longer_than_the_api_model_has_it(scene: Scene, of: List) -> None:
    assert of.most is not None
    assert call(scene, of, **{of.limit: of.most})[of.entries]
    assert refusal(lambda: call(scene, of, **{of.limit: of.most + 1}))[0] == of.too_long  # type: ignore[operator]  # it has one
