"""The organization's scope: the pack, the StackSet, who may invoke and assume what, and the SCP."""

import re
import tomllib
from typing import Any

import yaml

from root_virtual_mfa_enabled.parameters import PARAMETERS

from .templates import (
    ACCOUNT,
    APPLICATION,
    FORWARDER,
    PACK_FILE,
    PROJECT,
    REMEDIATION_PACK_FILE,
    nodes,
    present,
    properties,
    resources,
    template,
)

EVALUATION_ROLE = template(ACCOUNT)["Resources"]["EvaluationRole"]["Properties"]["RoleName"]
INTRINSICS_IN_PACKS = {"Ref", "Fn::If", "Fn::Equals", "Fn::Not"}
"""The intrinsic functions in AWS's own conformance packs."""


def pack() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(PACK_FILE.read_text(encoding="utf-8"))
    return document


def deployed_pack() -> dict[str, Any]:
    [resource] = resources(APPLICATION, "AWS::Config::OrganizationConformancePack").values()
    assert resource["Condition"] == "Organization"
    found: dict[str, Any] = resource
    return found


def body(*, remediation: str | None = None) -> str:
    """Make the pack's TemplateBody as CloudFormation would, in account 111122223333."""
    separator, [rule, conditional] = deployed_pack()["Properties"]["TemplateBody"]["Fn::Join"]
    condition, there, absent = conditional["Fn::If"]
    assert (separator, condition, absent) == ("", "RemediatesInPack", "")
    if remediation is None:
        return str(rule)
    text, variables = there["Fn::Sub"]
    automatic = variables["Automatic"]["Fn::If"]
    assert automatic == ["RemediatesAutomatically", "true", "false"]
    values = {"Automatic": remediation, "AWS::Partition": "aws", "ManagementAccountId": "111122223333"}
    defaults = {name: str(parameter.get("Default")) for name, parameter in template(APPLICATION)["Parameters"].items()}
    return str(rule) + re.sub(r"\$\{([\w:]+)\}", lambda reference: (defaults | values)[reference[1]], text)


def the(resource_type: str, name: str = APPLICATION) -> dict[str, Any]:
    [resource] = resources(name, resource_type).values()
    found: dict[str, Any] = resource["Properties"]
    return found


# --- The conformance pack ---


def test_the_pack_file_is_what_the_template_deploys() -> None:
    assert body() == PACK_FILE.read_text(encoding="utf-8")


def test_the_pack_file_with_remediation_is_what_the_template_deploys_if_it_is_asked_for() -> None:
    assert body(remediation="false") == REMEDIATION_PACK_FILE.read_text(encoding="utf-8")
    assert yaml.safe_load(body(remediation="true"))["Resources"]["RootVirtualMfaRemediation"]["Properties"]["Automatic"] is True


def test_the_packs_remediation_is_that_of_the_one_account_scope() -> None:
    # The rule's name and the role's ARN have no intrinsic function. AWS Config puts each account's own id into the ARN.
    # Source: https://docs.aws.amazon.com/config/latest/developerguide/custom-conformance-pack.html
    in_pack = yaml.safe_load(body(remediation="false"))["Resources"]["RootVirtualMfaRemediation"]["Properties"]
    alone = the("AWS::Config::RemediationConfiguration")
    assert in_pack["ConfigRuleName"] == the("AWS::Config::ConfigRule")["ConfigRuleName"]
    assert in_pack.keys() == alone.keys()
    assert in_pack["TargetId"] == template(ACCOUNT)["Resources"]["NotifyRunbook"]["Properties"]["Name"]
    assert in_pack["Parameters"].keys() == alone["Parameters"].keys()
    assert in_pack["Parameters"]["AccountId"] == alone["Parameters"]["AccountId"] == {"ResourceValue": {"Value": "RESOURCE_ID"}}
    [role_arn] = in_pack["Parameters"]["AutomationAssumeRole"]["StaticValue"]["Values"]
    role = template(ACCOUNT)["Resources"]["RemediationRole"]["Properties"]["RoleName"]
    assert role_arn == f"arn:aws:iam::111122223333:role/{role}"


def test_the_pack_holds_what_config_takes() -> None:
    # Source: https://docs.aws.amazon.com/config/latest/developerguide/custom-conformance-pack.html and the API model.
    assert len(PACK_FILE.read_bytes()) <= 51_200
    assert pack().keys() <= {"Parameters", "Conditions", "Resources"}
    assert len(pack()["Parameters"]) <= 60
    assert [resource["Type"] for resource in pack()["Resources"].values()] == ["AWS::Config::ConfigRule"]
    functions = {node for node in nodes(pack()) if isinstance(node, str) and (node == "Ref" or node.startswith("Fn::"))}
    assert functions <= INTRINSICS_IN_PACKS
    assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", deployed_pack()["Properties"]["OrganizationConformancePackName"])


def test_the_pack_has_the_rule_of_the_one_account_scope() -> None:
    in_pack = pack()["Resources"]["RootVirtualMfaEnabled"]["Properties"]
    alone = the("AWS::Config::ConfigRule")
    for value in ("ConfigRuleName", "Description"):
        assert in_pack[value] == alone[value]
    execution_role = in_pack["InputParameters"].pop("ExecutionRoleName")
    assert present(execution_role) == {"Ref": "ExecutionRoleName"}
    assert in_pack["InputParameters"] == alone["InputParameters"]
    assert in_pack["Source"]["SourceDetails"] == alone["Source"]["SourceDetails"]


def test_the_pack_is_given_each_parameter_and_defaults_to_what_the_rule_does() -> None:
    given = {
        each["ParameterName"]: each["ParameterValue"]
        for each in deployed_pack()["Properties"]["ConformancePackInputParameters"]
    }
    assert given.keys() == pack()["Parameters"].keys()
    defaults = {name: parameter.get("Default") for name, parameter in pack()["Parameters"].items()}
    names = {"minimumVirtualMfaDevices", "nonVirtualMfa", "noRootCredentials"}
    assert PARAMETERS.parse({name: defaults[name[0].upper() + name[1:]] for name in names}) == PARAMETERS.parse({})
    for name in defaults.keys() - {"FunctionArn", "ExecutionRoleName"}:
        assert given[name] == {"Ref": name}
        assert template(APPLICATION)["Parameters"][name]["Default"] == defaults[name]
    assert defaults["ExecutionRoleName"] == EVALUATION_ROLE


def test_the_pack_comes_when_its_first_evaluations_can_be_made_counted_and_kept_if_they_fail() -> None:
    needed = [*resources(APPLICATION, "AWS::Logs::MetricFilter"), "FunctionPolicy", "AccountResources"]
    needed += ["RootVirtualMfaEnabledFunctionEventInvokeConfig", "FailedEventsRule", "FailedEventsQueuePolicy"]
    needed += ["NoticeTopicPolicy"]
    assert sorted(deployed_pack()["DependsOn"]) == sorted(needed)


# --- Who may do what ---


def test_config_may_invoke_the_function_for_the_organization_and_for_listed_accounts_only() -> None:
    policy = the("AWS::Lambda::ResourcePolicy")
    function = {"Fn::GetAtt": ["RootVirtualMfaEnabledFunction", "Arn"]}
    assert policy["ResourceArn"] == function
    by_organization, by_list = policy["PolicyDocument"]["Statement"]
    for statement in (by_organization, by_list):
        assert statement["Principal"] == {"Service": "config.amazonaws.com"}
        assert statement["Action"] == "lambda:InvokeFunction"
        assert statement["Resource"] == function
    assert by_organization["Condition"] == {"StringEquals": {"aws:SourceOrgID": {"Ref": "OrganizationId"}}}
    assert list(by_list["Condition"]["StringEquals"]) == ["aws:SourceAccount"]


def test_the_function_assumes_the_evaluation_role_of_its_organization_only() -> None:
    role = template(APPLICATION)["Resources"]["FunctionRole"]["Properties"]
    statement = present(role["Policies"][0]["PolicyDocument"]["Statement"][-1])
    assert statement["Resource"]["Fn::Sub"].endswith(f":iam::*:role/{EVALUATION_ROLE}")
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}


def given(logical_id: str) -> dict[str, Any]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in properties(APPLICATION, logical_id)["Parameters"]}


def test_the_stack_set_deploys_the_account_template_to_accounts_now_and_to_come() -> None:
    stack_set = properties(APPLICATION, "AccountResources")
    assert stack_set["TemplateURL"] == ACCOUNT
    assert stack_set["PermissionModel"] == "SERVICE_MANAGED"
    assert stack_set["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert given("AccountResources").keys() == template(ACCOUNT)["Parameters"].keys()
    assert given("AccountResources")["CentralAccountId"] == {"Ref": "AWS::AccountId"}


def test_the_forwarder_goes_to_the_same_accounts_if_it_is_needed() -> None:
    assert template(APPLICATION)["Resources"]["RegionForwarders"]["Condition"] == "ForwardsForOrganization"
    forwarders, accounts = properties(APPLICATION, "RegionForwarders"), properties(APPLICATION, "AccountResources")
    assert forwarders["TemplateURL"] == FORWARDER
    assert given("RegionForwarders").keys() == template(FORWARDER)["Parameters"].keys()
    assert given("RegionForwarders")["HomeRegion"] == {"Ref": "AWS::Region"}
    own = {"StackSetName", "Description", "TemplateURL", "Parameters", "StackInstancesGroup"}
    assert {key: forwarders[key] for key in forwarders.keys() - own} == {key: accounts[key] for key in accounts.keys() - own}
    [there], [here] = forwarders["StackInstancesGroup"], accounts["StackInstancesGroup"]
    assert there["DeploymentTargets"] == here["DeploymentTargets"]
    assert there["Regions"] == ["us-east-1"]


def test_only_config_for_this_account_reads_the_organization() -> None:
    trust = template(APPLICATION)["Resources"]["AggregatorRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "config.amazonaws.com"}]
    assert [statement["Condition"] for statement in trust] == [
        {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ]


# --- samconfig.toml ---


def test_a_pack_that_fails_in_one_account_is_not_taken_from_the_others() -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    organization = config["organization"]["deploy"]["parameters"]
    assert organization.pop("disable_rollback") is True
    assert organization == config["default"]["deploy"]["parameters"]
