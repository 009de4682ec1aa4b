"""The organization's scope: the pack, the StackSet, who may invoke and assume what, and the SCP."""

import json
import re
import tomllib
from fnmatch import fnmatch
from typing import Any

import yaml

from root_virtual_mfa_enabled import parameters

from .test_templates import ACCOUNT, APPLICATION, PROJECT, as_list, nodes, present, resources, template

PACK_FILE = PROJECT / "conformance_packs/root-virtual-mfa.yaml"
SCP_FILE = PROJECT / "service_control_policies/root-virtual-mfa.json"
INTRINSICS_IN_PACKS = {"Ref", "Fn::If", "Fn::Equals", "Fn::Not"}
"""What AWS's own conformance packs use."""


def pack() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(PACK_FILE.read_text(encoding="utf-8"))
    return document


def deployed_pack() -> dict[str, Any]:
    [resource] = resources(APPLICATION, "AWS::Config::OrganizationConformancePack").values()
    assert resource["Condition"] == "Organization"
    found: dict[str, Any] = resource
    return found


def the(resource_type: str, name: str = APPLICATION) -> dict[str, Any]:
    [resource] = resources(name, resource_type).values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


# --- The conformance pack ---


def test_the_pack_file_is_what_the_template_deploys() -> None:
    assert deployed_pack()["Properties"]["TemplateBody"] == PACK_FILE.read_text(encoding="utf-8")


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
    assert parameters.parse({name: defaults[name[0].upper() + name[1:]] for name in names}) == parameters.parse({})
    for name in defaults.keys() - {"FunctionArn", "ExecutionRoleName"}:
        assert given[name] == {"Ref": name}
        assert template(APPLICATION)["Parameters"][name]["Default"] == defaults[name]
    assert defaults["ExecutionRoleName"] == the("AWS::IAM::Role", ACCOUNT)["RoleName"]


def test_the_pack_comes_when_its_first_evaluations_can_be_made_counted_and_kept_where_they_fail() -> None:
    needed = [*resources(APPLICATION, "AWS::Logs::MetricFilter"), "FunctionPolicy", "EvaluationRoles"]
    needed.append("RootVirtualMfaEnabledFunctionEventInvokeConfig")
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
    assert statement["Resource"]["Fn::Sub"].endswith(f":iam::*:role/{the('AWS::IAM::Role', ACCOUNT)['RoleName']}")
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}


def test_the_stack_set_deploys_the_account_template_to_accounts_now_and_to_come() -> None:
    properties = the("AWS::CloudFormation::StackSet")
    assert properties["TemplateURL"] == ACCOUNT
    assert properties["PermissionModel"] == "SERVICE_MANAGED"
    assert properties["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    given = {each["ParameterKey"]: each["ParameterValue"] for each in properties["Parameters"]}
    assert given.keys() == template(ACCOUNT)["Parameters"].keys()
    assert given["CentralAccountId"] == {"Ref": "AWS::AccountId"}


def test_only_config_for_this_account_reads_the_organization() -> None:
    trust = template(APPLICATION)["Resources"]["AggregatorRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "config.amazonaws.com"}]
    assert [statement["Condition"] for statement in trust] == [
        {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ]


# --- The service control policy ---


def test_the_scp_is_one_that_organizations_takes() -> None:
    document = json.loads(SCP_FILE.read_text(encoding="utf-8"))
    assert len(json.dumps(document, separators=(",", ":"))) <= 5_120
    assert {statement["Effect"] for statement in document["Statement"]} == {"Deny"}


def test_the_scp_protects_what_the_account_template_makes_and_lets_the_stack_set_change_it() -> None:
    statements = {statement["Sid"]: statement for statement in json.loads(SCP_FILE.read_text(encoding="utf-8"))["Statement"]}
    role = the("AWS::IAM::Role", ACCOUNT)["RoleName"]
    stack = f"StackSet-{the('AWS::CloudFormation::StackSet')['StackSetName']['Fn::Sub']}-1".replace(
        "${AWS::StackName}", "root-virtual-mfa"
    )
    protected = {
        "ProtectEvaluationRole": f"arn:aws:iam::111122223333:role/{role}",
        "ProtectEvaluationPolicy": f"arn:aws:iam::111122223333:policy/{stack}-EvaluationPolicy-1",
        "ProtectStack": f"arn:aws:cloudformation:eu-central-1:111122223333:stack/{stack}/1",
    }
    for sid, arn in protected.items():
        assert fnmatch(arn, statements[sid]["Resource"]), sid
    for sid, statement in statements.items():
        excepted = as_list(statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"])
        assert any(fnmatch("arn:aws:iam::111122223333:role/stacksets-exec-0f1e2d", pattern) for pattern in excepted), sid


# --- samconfig.toml ---


def test_a_pack_that_fails_in_one_account_is_not_taken_from_the_others() -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    organization = config["organization"]["deploy"]["parameters"]
    assert organization.pop("disable_rollback") is True
    assert organization == config["default"]["deploy"]["parameters"]
