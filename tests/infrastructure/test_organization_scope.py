"""The organization's scope: the pack, the StackSet, who may invoke and assume what, and the SCP."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from periodic_rule import outsiders
from root_virtual_mfa_enabled.parameters import PARAMETERS

from .templates import (
    ACCOUNT,
    APPLICATION,
    FORWARDER,
    PACK_FILE,
    PROJECT,
    REMEDIATION_PACK_FILE,
    Deployment,
    as_list,
    nodes,
    properties,
    resources,
    template,
)

EVALUATION_ROLE = template(ACCOUNT)["Resources"]["EvaluationRole"]["Properties"]["RoleName"]


def pack() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(PACK_FILE.read_text(encoding="utf-8"))
    return document


def deployed_pack() -> dict[str, Any]:
    [resource] = resources(APPLICATION, "AWS::Config::OrganizationConformancePack").values()
    assert resource["Condition"] == "ByConformancePack"
    found: dict[str, Any] = resource
    return found


ORGANIZATION = {"OrganizationId": "o-a1b2c3d4e5", "OrganizationRootId": "r-a1b2", "ManagementAccountId": "111122223333"}
MEMBER = ORGANIZATION | {"ManagementAccountId": "222222222222"}
"""An organization whose management account is not the stack's."""
STACK_SET = {"RuleDeployment": "StackSet"}


def body(**parameters: str) -> str:
    """Make the pack's TemplateBody as CloudFormation does, in account 111122223333, without its last line."""
    text: str = Deployment(APPLICATION, **ORGANIZATION, **parameters).properties("ConformancePack")["TemplateBody"]
    lines, _, last = text.rpartition("\n")
    assert last.startswith("# AWS Config may invoke the function: ")
    return f"{lines}\n"


def the(resource_type: str, name: str = APPLICATION) -> dict[str, Any]:
    [resource] = resources(name, resource_type).values()
    found: dict[str, Any] = resource["Properties"]
    return found


# --- The conformance pack ---


def test_the_pack_file_is_what_the_template_deploys() -> None:
    assert body() == PACK_FILE.read_text(encoding="utf-8")


def test_the_pack_file_with_remediation_is_what_the_template_deploys_if_it_is_asked_for() -> None:
    assert body(Remediation="Manual") == REMEDIATION_PACK_FILE.read_text(encoding="utf-8")
    assert (
        yaml.safe_load(body(Remediation="Automatic"))["Resources"]["RootVirtualMfaRemediation"]["Properties"]["Automatic"]
        is True
    )


def test_the_packs_remediation_is_that_of_the_one_account_scope() -> None:
    # The rule's name and the role's ARN have no intrinsic function. AWS Config puts each account's own id into the ARN.
    # Source: https://docs.aws.amazon.com/config/latest/developerguide/custom-conformance-pack.html
    in_pack = yaml.safe_load(body(Remediation="Manual"))["Resources"]["RootVirtualMfaRemediation"]["Properties"]
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
    assert pack().keys() == {"Parameters", "Resources"}
    assert len(pack()["Parameters"]) <= 60
    assert [resource["Type"] for resource in pack()["Resources"].values()] == ["AWS::Config::ConfigRule"]
    functions = {node for node in nodes(pack()) if isinstance(node, str) and (node == "Ref" or node.startswith("Fn::"))}
    assert functions == {"Ref"}, "nobody knows which others AWS Config takes in a custom rule"
    assert re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", deployed_pack()["Properties"]["OrganizationConformancePackName"])


def test_the_pack_has_the_rule_of_the_one_account_scope() -> None:
    in_pack = pack()["Resources"]["RootVirtualMfaEnabled"]["Properties"]
    alone = the("AWS::Config::ConfigRule")
    for value in ("ConfigRuleName", "Description"):
        assert in_pack[value] == alone[value]
    execution_role = in_pack["InputParameters"].pop("ExecutionRoleName")
    assert execution_role == {"Ref": "ExecutionRoleName"}
    assert in_pack["InputParameters"] == {
        name: value for name, value in alone["InputParameters"].items() if name != "ExecutionRoleName"
    }
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
    needed = [*resources(APPLICATION, "AWS::Logs::MetricFilter"), "AccountResources", "NoticeTopicPolicy"]
    needed += ["RootVirtualMfaEnabledFunctionEventInvokeConfig", "FailedEventsRule", "FailedEventsQueuePolicy"]
    assert sorted(deployed_pack()["DependsOn"]) == sorted(needed)
    # A condition makes only one of these two, and DependsOn takes no conditions.
    assert {"Ref": "FunctionPolicy"} in nodes(deployed_pack()["Properties"]["TemplateBody"])
    assert {"Ref": "ConfigPermission"} in nodes(deployed_pack()["Properties"]["TemplateBody"])


@pytest.mark.parametrize(
    "change",
    [
        {"InvokePermission": "Accounts"},
        {"InvokePermission": "Any"},
        {"InvokingAccounts": "444455556666"},
        {"InvokingAccounts4": "444455556666"},
    ],
)
def test_the_pack_is_put_again_if_other_accounts_may_invoke_the_function(change: dict[str, str]) -> None:
    """AWS Config looks at its permission when it puts the rule, and CloudFormation puts the pack only if it has changed."""
    before, after = Deployment(APPLICATION, **ORGANIZATION), Deployment(APPLICATION, **ORGANIZATION, **change)
    texts = [each.properties("ConformancePack")["TemplateBody"] for each in (before, after)]
    assert texts[0] != texts[1]
    assert yaml.safe_load(texts[0]) == yaml.safe_load(texts[1])


# --- The rule by StackSet ---


def given(logical_id: str, **parameters: str) -> dict[str, Any]:
    """Return the parameters that a StackSet gives to its template."""
    made = Deployment(APPLICATION, **MEMBER | parameters).properties(logical_id)["Parameters"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in made}


def in_member(**parameters: str) -> Deployment:
    """Fill in account.yaml as the StackSet does."""
    values = given("AccountResources", **parameters)
    arn = "arn:aws:lambda:us-east-1:111122223333:function:evaluate"
    return Deployment(ACCOUNT, **values | ({"FunctionArn": arn} if values["FunctionArn"] else {}))


def test_one_of_three_ways_makes_the_rule() -> None:
    """The stack itself makes it where no StackSet reaches: in the only account, and in the management account."""
    for parameters, here, pack_has_it, members in (
        ({}, True, False, False),
        (MEMBER, False, True, False),
        (ORGANIZATION, False, True, False),
        (MEMBER | STACK_SET, False, False, True),
        (ORGANIZATION | STACK_SET, True, False, True),
    ):
        deployed = Deployment(APPLICATION, **parameters)
        assert (deployed.has("ConfigRule"), deployed.has("ConformancePack")) == (here, pack_has_it)
        if "OrganizationId" in parameters:
            assert in_member(**parameters).has("ConfigRule") is members
        if deployed.has("Account"):
            nested = deployed.properties("Account")["Parameters"]
            assert not Deployment(ACCOUNT, **nested).has("ConfigRule")


def test_the_stack_set_has_the_rule_of_the_one_account_scope_with_the_role_to_assume() -> None:
    settings = {"MinimumVirtualMfaDevices": "2", "NonVirtualMfa": "COMPLIANT", "EvaluationFrequency": "Six_Hours"}
    alone = Deployment(APPLICATION, **settings).properties("ConfigRule")
    rule = in_member(**STACK_SET, **settings).properties("ConfigRule")
    assert rule["ConfigRuleName"] == alone["ConfigRuleName"]
    assert rule["InputParameters"].pop("ExecutionRoleName") == "EvaluationRole.Ref"
    assert rule["InputParameters"] == alone["InputParameters"]
    assert rule["Source"].pop("SourceIdentifier").startswith("arn:aws:lambda:")
    assert rule["Source"]["SourceDetails"] == alone["Source"]["SourceDetails"]
    assert rule["Description"] == alone["Description"]
    here = Deployment(APPLICATION, **ORGANIZATION | STACK_SET, **settings).properties("ConfigRule")
    assert here["InputParameters"].pop("ExecutionRoleName") == "Account.Outputs.EvaluationRoleName"
    assert here == alone


def test_the_rule_comes_last_in_a_member() -> None:
    """AWS Config evaluates a rule as soon as it exists."""
    made = template(ACCOUNT)["Resources"]
    after = {"NotifyRunbook", "ReevaluateRunbook", *resources(ACCOUNT, "AWS::Events::Rule")}
    assert set(made["ConfigRule"]["DependsOn"]) == after
    assert {"Ref": "EvaluationRole"} in nodes(made["ConfigRule"]["Properties"])
    assert {"Ref": "ConfigRule"} in nodes(made["RemediationConfiguration"]["Properties"])


@pytest.mark.parametrize(
    ("remediation", "alone", "in_management", "in_members"),
    [
        ("Default", False, None, None),
        ("Off", None, None, None),
        ("Manual", False, False, False),
        ("Automatic", True, True, True),
    ],
)
def test_remediation_is_off_by_default_for_an_organization(
    remediation: str, alone: object, in_management: object, in_members: object
) -> None:
    """None: there is no configuration. Otherwise, whether it is automatic."""
    found = [
        deployed.properties("RemediationConfiguration")["Automatic"] if deployed.has("RemediationConfiguration") else None
        for deployed in (
            Deployment(APPLICATION, Remediation=remediation),
            Deployment(APPLICATION, **ORGANIZATION | STACK_SET, Remediation=remediation),
            in_member(**STACK_SET, Remediation=remediation),
        )
    ]
    assert found == [alone, in_management, in_members]
    assert not in_member(Remediation=remediation).has("RemediationConfiguration")


def test_the_stack_set_comes_when_its_first_evaluations_can_be_made_counted_and_kept_if_they_fail() -> None:
    stack_set = template(APPLICATION)["Resources"]["AccountResources"]
    needed = [name for name in deployed_pack()["DependsOn"] if name != "AccountResources"]
    assert stack_set["DependsOn"] == needed
    assert {"Ref": "FunctionPolicy"} in nodes(stack_set["Properties"]["Description"])
    assert {"Ref": "ConfigPermission"} in nodes(stack_set["Properties"]["Description"])


def test_the_stack_set_is_deployed_again_if_other_accounts_may_invoke_the_function() -> None:
    """AWS Config looks at its permission when it puts the rule, and CloudFormation updates only what has changed."""

    def description(**parameters: str) -> str:
        return str(Deployment(APPLICATION, **MEMBER, **parameters).properties("AccountResources")["Description"])

    assert description(**STACK_SET) != description(**STACK_SET, InvokePermission="Accounts")
    assert description() == description(InvokePermission="Accounts")  # there the pack is put again
    # Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStackSet.html
    assert len(description(**STACK_SET, InvokePermission="Organization")) + 140 <= 1_024


UNITS = "ou-a1b2-11111111,ou-a1b2-22222222"


@pytest.mark.parametrize(("units", "targets"), [("", ["r-a1b2"]), (UNITS, UNITS.split(",")), ("r-a1b2", ["r-a1b2"])])
def test_both_stack_sets_go_to_the_units_less_the_excluded_accounts(units: str, targets: list[str]) -> None:
    chosen = STACK_SET | {
        "OrganizationalUnitIds": units,
        "ExcludedAccounts": "444455556666",
        "ManagementAccountId": "222222222222",
    }
    deployed = Deployment(APPLICATION, **ORGANIZATION | chosen)
    [group] = deployed.properties("AccountResources")["StackInstancesGroup"]
    assert group["DeploymentTargets"] == {
        "OrganizationalUnitIds": targets,
        "Accounts": ["444455556666"],
        "AccountFilterType": "DIFFERENCE",
    }


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        (MEMBER, False),
        (MEMBER | STACK_SET, False),
        (MEMBER | STACK_SET | {"OrganizationalUnitIds": UNITS}, False),
        (MEMBER | {"OrganizationalUnitIds": UNITS}, True),
        (STACK_SET, True),
    ],
)
def test_units_need_the_stack_set_and_the_stack_set_needs_an_organization(parameters: dict[str, str], *, refused: bool) -> None:
    assert bool(Deployment(APPLICATION, **parameters).refusals()) is refused


# --- Who may do what ---


FULL_LIST = {
    f"InvokingAccounts{number or ''}": ",".join(f"{account_id:012}" for account_id in range(start, start + 315))
    for number, start in ((0, 0), (2, 315), (3, 630), (4, 945))
}
"""As many accounts as the parameters hold: 1,260."""


def policy(**parameters: str) -> dict[str, Any]:
    """Make the function's policy, with an ARN as long as one gets: long names, and 64 characters for the function."""
    arn = f"arn:aws-us-gov:lambda:ap-southeast-1:111122223333:function:{'x' * 64}"
    values: dict[str, Any] = Deployment(APPLICATION, **ORGANIZATION, **parameters).properties("FunctionPolicy")
    assert values["ResourceArn"] == "RootVirtualMfaEnabledFunction.Arn"
    made: dict[str, Any] = json.loads(json.dumps(values["PolicyDocument"]).replace(values["ResourceArn"], arn))
    for statement in made["Statement"]:
        assert (statement["Effect"], statement["Action"]) == ("Allow", "lambda:InvokeFunction")
        assert (statement["Principal"], statement["Resource"]) == ({"Service": "config.amazonaws.com"}, arn)
    return made


def conditions(made: dict[str, Any]) -> dict[str, Any]:
    """Return the condition of each statement, None if it has none."""
    return {statement["Sid"]: statement.get("Condition", {}).get("StringEquals") for statement in made["Statement"]}


def test_config_may_invoke_the_function_for_the_organization_or_for_accounts_or_for_any() -> None:
    own = ["111122223333", "222222222222"]
    given = {"ManagementAccountId": own[1]}
    organization = Deployment(APPLICATION, **ORGANIZATION | given).properties("FunctionPolicy")["PolicyDocument"]
    assert conditions(organization) == {
        "EvaluateForOrganization": {"aws:SourceOrgID": ORGANIZATION["OrganizationId"]},
        "EvaluateForListedAccounts": {"aws:SourceAccount": own},
    }
    listed = {**given, "InvokePermission": "Accounts", "InvokingAccounts": "444455556666", "InvokingAccounts3": "777788889999"}
    accounts = Deployment(APPLICATION, **ORGANIZATION | listed).properties("FunctionPolicy")["PolicyDocument"]
    assert conditions(accounts) == {"EvaluateForListedAccounts": {"aws:SourceAccount": [*own, "444455556666", "777788889999"]}}
    assert conditions(policy(InvokePermission="Any", **FULL_LIST)) == {"EvaluateForAnyAccount": None}


def test_the_policy_holds_as_many_accounts_as_the_parameters() -> None:
    # Source: API model, cloudformation, ParameterValue has no limit; AWS CloudFormation User Guide, quotas: 4,096 bytes.
    assert {len(text) for text in FULL_LIST.values()} == {4_094}
    for permission in ("Organization", "Accounts"):
        made = policy(InvokePermission=permission, **FULL_LIST)
        assert len(made["Statement"][-1]["Condition"]["StringEquals"]["aws:SourceAccount"]) == 1_262
        # Source: AWS Lambda Developer Guide, quotas: 20 KB for a function's resource-based policy.
        assert len(json.dumps(made, separators=(",", ":"))) <= 20_480
    pack = Deployment(APPLICATION, **ORGANIZATION, InvokePermission="Accounts", **FULL_LIST).properties("ConformancePack")
    assert len(pack["TemplateBody"]) <= 51_200


def test_one_type_of_resource_gives_the_permission() -> None:
    """AWS::Lambda::ResourcePolicy takes away what AWS::Lambda::Permission gave, and deleting it leaves no permission at all."""
    one_account = Deployment(APPLICATION)
    assert (one_account.has("ConfigPermission"), one_account.has("FunctionPolicy")) == (True, False)
    assert one_account.properties("ConfigPermission")["SourceAccount"] == "111122223333"
    for permission in ("Organization", "Accounts", "Any"):
        organization = Deployment(APPLICATION, **ORGANIZATION, InvokePermission=permission)
        assert (organization.has("ConfigPermission"), organization.has("FunctionPolicy")) == (False, True)
    without = Deployment(APPLICATION, **ORGANIZATION, InvokePermission="Any", FunctionPolicyType="AWS::Lambda::Permission")
    assert (without.has("ConfigPermission"), without.has("FunctionPolicy")) == (True, False)
    permission = without.properties("ConfigPermission")
    assert permission["Principal"] == "config.amazonaws.com"
    assert "SourceAccount" not in permission


@pytest.mark.parametrize("permission", ["Organization", "Accounts", "Any"])
def test_the_function_refuses_outsiders_if_they_may_invoke_it(permission: str) -> None:
    deployed = Deployment(APPLICATION, **ORGANIZATION, InvokePermission=permission)
    environment = deployed.properties("RootVirtualMfaEnabledFunction")["Environment"]["Variables"]
    assert environment["ONLY_ORGANIZATION"] == (ORGANIZATION["OrganizationId"] if permission == "Any" else "")
    [role_policy] = deployed.properties("FunctionRole")["Policies"]
    allowed = {action for each in role_policy["PolicyDocument"]["Statement"] for action in as_list(each["Action"])}
    assert allowed & outsiders.PERMISSIONS == (outsiders.PERMISSIONS if permission == "Any" else set())


def test_the_function_assumes_the_evaluation_role_of_its_organization_only() -> None:
    [role_policy] = Deployment(APPLICATION, **ORGANIZATION).properties("FunctionRole")["Policies"]
    [statement] = [each for each in role_policy["PolicyDocument"]["Statement"] if each["Action"] == "sts:AssumeRole"]
    assert statement["Resource"].endswith(f":iam::*:role/{EVALUATION_ROLE}")
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceOrgID": ORGANIZATION["OrganizationId"]}}


def test_the_stack_set_deploys_the_account_template_to_accounts_now_and_to_come() -> None:
    stack_set = properties(APPLICATION, "AccountResources")
    assert stack_set["TemplateURL"] == ACCOUNT
    assert stack_set["PermissionModel"] == "SERVICE_MANAGED"
    assert stack_set["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert given("AccountResources", **STACK_SET).keys() == template(ACCOUNT)["Parameters"].keys()
    assert given("AccountResources")["CentralAccountId"] == "111122223333"


def test_with_a_pack_the_settings_of_the_rule_are_none_of_the_stack_sets() -> None:
    assert given("AccountResources") == given("AccountResources", MinimumVirtualMfaDevices="2", Remediation="Manual")
    # What takes the rule away is said, and not left to a default.
    assert given("AccountResources").items() >= {("RuleDeployment", "ConformancePack"), ("FunctionArn", "")}


FULL_EXCLUSION = {name.replace("Invoking", "Excluded"): value for name, value in FULL_LIST.items()}


@pytest.mark.parametrize(
    ("parameters", "excluded"),
    [
        ({}, []),
        ({"ExcludedAccounts": "444455556666"}, ["444455556666"]),
        ({"ExcludedAccounts": "444455556666", "ExcludedAccounts4": "777788889999"}, ["444455556666", "777788889999"]),
        (FULL_EXCLUSION, [f"{number:012}" for number in range(1_260)]),
    ],
    ids=["none", "one", "first and last part", "all parts"],
)
def test_the_same_accounts_are_excluded_everywhere(parameters: dict[str, str], excluded: list[str]) -> None:
    deployed = Deployment(APPLICATION, **MEMBER, **parameters)
    [group] = deployed.properties("AccountResources")["StackInstancesGroup"]
    targets = {"OrganizationalUnitIds": [ORGANIZATION["OrganizationRootId"]]}
    assert group["DeploymentTargets"] == targets | (
        {"Accounts": excluded, "AccountFilterType": "DIFFERENCE"} if excluded else {}
    )
    assert deployed.properties("ConformancePack")["ExcludedAccounts"] == ["222222222222", *excluded]
    watched = Deployment(APPLICATION, **ORGANIZATION, **parameters).properties("ConformancePack")
    assert watched.get("ExcludedAccounts", []) == excluded


def test_the_forwarder_goes_to_the_same_accounts_if_it_is_needed() -> None:
    assert template(APPLICATION)["Resources"]["RegionForwarders"]["Condition"] == "ForwardsForOrganization"
    forwarders, accounts = properties(APPLICATION, "RegionForwarders"), properties(APPLICATION, "AccountResources")
    assert forwarders["TemplateURL"] == FORWARDER
    forwarder = {each["ParameterKey"]: each["ParameterValue"] for each in forwarders["Parameters"]}
    assert forwarder.keys() == template(FORWARDER)["Parameters"].keys()
    assert forwarder["HomeRegion"] == {"Ref": "AWS::Region"}
    own = {"AutoDeployment", "StackSetName", "Description", "TemplateURL", "Parameters", "StackInstancesGroup"}
    assert {key: forwarders[key] for key in forwarders.keys() - own} == {key: accounts[key] for key in accounts.keys() - own}
    [there], [here] = forwarders["StackInstancesGroup"], accounts["StackInstancesGroup"]
    assert there["DeploymentTargets"] == here["DeploymentTargets"]
    assert there["Regions"] == ["us-east-1"]


def test_an_account_that_joins_is_watched_even_if_the_forwarder_fails_there() -> None:
    """AutoDeployment.DependsOn: what comes first has to succeed. Source: API model, cloudformation, AutoDeployment."""
    enabled = {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    first = "arn:aws:cloudformation:eu-central-1:111122223333:stackset/AccountResources"
    for parameters, after in ((ORGANIZATION, {"DependsOn": [first]}), (MEMBER, {})):
        deployed = Deployment(APPLICATION, region="eu-central-1", **parameters)
        assert deployed.properties("AccountResources")["AutoDeployment"] == enabled
        assert deployed.properties("RegionForwarders")["AutoDeployment"] == enabled | after


def test_only_config_for_this_account_reads_the_organization() -> None:
    trust = template(APPLICATION)["Resources"]["AggregatorRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "config.amazonaws.com"}]
    assert [statement["Condition"] for statement in trust] == [
        {"StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ]


# --- samconfig.toml ---


def test_a_pack_that_fails_in_one_account_is_not_taken_from_the_others() -> None:
    config = tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))
    organization = config["organization"]["deploy"]["parameters"]
    assert organization.pop("disable_rollback") is True
    assert organization == config["default"]["deploy"]["parameters"]
