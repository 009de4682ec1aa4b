"""Conformance packs on the local AWS: in every account of an organization, in one account, and in stacks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local_aws.organization_scene import (
    ALL,
    DELEGATED,
    MANAGEMENT,
    MEMBER,
    NO_RECORDER,
    OTHER,
    OUTSIDER,
    RECORDING,
    SERVICES,
    Scene,
    create_asked_for,
    organization,
    rule_resource,
    template_of,
)
from tests.local_aws.remediation_scene import SUCCEEDS, WAITS, create_document, create_role, role_arn
from tests.local_aws.scene import eventually, let_config_invoke, refusal

TEMPLATE_ERROR = "OrganizationConformancePackTemplateValidationException"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with organization(tmp_path_factory.mktemp("organization")) as scene:
        yield scene


@pytest.fixture(scope="module")
def judge(scene: Scene) -> str:
    return scene.open_judge()


# --- In the organization ---


def test_a_pack_reaches_every_account_less_the_excluded_ones_and_its_rule_is_evaluated_there(scene: Scene, judge: str) -> None:
    with scene.pack("everywhere", template_of(judge, "everywhere-rule"), ExcludedAccounts=[OTHER, NO_RECORDER]):
        statuses = scene.statuses("everywhere")
        assert {account_id: status["Status"] for account_id, status in statuses.items()} == dict.fromkeys(
            [MANAGEMENT, DELEGATED, MEMBER], "CREATE_SUCCESSFUL"
        )
        names = {status["ConformancePackName"] for status in statuses.values()}
        assert len(names) == 1
        assert re.fullmatch("OrgConformsPack-everywhere-[a-z0-9]{8}", names.pop())
        suffixes = set()
        for account_id in statuses:
            [rule] = scene.rules(account_id, "everywhere-rule")
            match = re.fullmatch("everywhere-rule-conformance-pack-([a-z0-9]{9})", rule["ConfigRuleName"])
            assert match is not None
            suffixes.add(match[1])
            assert rule["CreatedBy"] == "config-conforms.amazonaws.com"
            of_pack = f"arn:aws:config:us-east-1:{account_id}:config-rule/aws-service-rule/config-conforms.amazonaws.com"
            assert rule["ConfigRuleArn"] == f"{of_pack}/{rule['ConfigRuleId']}"
            [result] = scene.results(account_id, "everywhere-rule")
            assert (result["ComplianceType"], result["Annotation"]) == ("COMPLIANT", f"Said of {account_id}.")
        assert len(suffixes) == 3
        assert scene.rules(OTHER, "everywhere-rule") == []


def test_an_account_that_fails_fails_the_pack_and_the_others_keep_theirs(scene: Scene, judge: str) -> None:
    with scene.pack("partial", template_of(judge, "partial-rule"), ExcludedAccounts=[]):
        failed = scene.statuses("partial", Status="CREATE_FAILED")
        assert {account_id: status["ErrorCode"] for account_id, status in failed.items()} == {
            NO_RECORDER: "NoAvailableConfigurationRecorderException"
        }
        assert "recorder" in failed[NO_RECORDER]["ErrorMessage"]
        assert sorted(scene.statuses("partial", Status="CREATE_SUCCESSFUL")) == RECORDING
        assert list(scene.statuses("partial", AccountId=MEMBER)) == [MEMBER]
        assert all(scene.rules(account_id, "partial-rule") for account_id in RECORDING)
        assert scene.rules(NO_RECORDER, "partial-rule") == []


def test_an_update_changes_the_rules_and_follows_the_exclusions(scene: Scene, judge: str) -> None:
    before = template_of(judge, "changing-rule")
    before["Resources"]["Gone"] = rule_resource(judge, "changing-gone")
    after = template_of(judge, "changing-rule", **{f"verdictOf{MEMBER}": "NON_COMPLIANT"})
    with scene.pack("changing", before, ExcludedAccounts=[MANAGEMENT, NO_RECORDER]):
        [rule] = scene.rules(MEMBER, "changing-rule")
        scene.results(MEMBER, "changing-rule")
        scene.config(DELEGATED).put_organization_conformance_pack(
            OrganizationConformancePackName="changing",
            TemplateBody=yaml.safe_dump(after),
            ExcludedAccounts=[OTHER, NO_RECORDER],
        )
        assert {account_id: status["Status"] for account_id, status in scene.statuses("changing").items()} == {
            MANAGEMENT: "CREATE_SUCCESSFUL",
            DELEGATED: "UPDATE_SUCCESSFUL",
            MEMBER: "UPDATE_SUCCESSFUL",
        }
        assert [rule["ConfigRuleName"]] == [rule["ConfigRuleName"] for rule in scene.rules(MEMBER, "changing-")]
        assert scene.rules(OTHER, "changing-") == []
        verdicts = eventually(
            lambda: [found for found in scene.results(MEMBER, "changing-rule") if found["ComplianceType"] == "NON_COMPLIANT"]
        )
        assert len(verdicts) == 1
        [described] = scene.config(DELEGATED).describe_organization_conformance_packs(
            OrganizationConformancePackNames=["changing"]
        )["OrganizationConformancePacks"]
        assert described["ExcludedAccounts"] == [OTHER, NO_RECORDER]


def test_the_status_of_a_pack_as_a_whole_is_successful_only_if_it_arrived_everywhere(scene: Scene, judge: str) -> None:
    config, body = scene.config(DELEGATED), json.dumps(template_of(judge, "whole-rule"))

    def status(name: str = "whole") -> dict[str, Any]:
        listed = config.describe_organization_conformance_pack_statuses(OrganizationConformancePackNames=[name])
        [found] = listed["OrganizationConformancePackStatuses"]
        return dict(found)

    with scene.pack("whole", template_of(judge, "whole-rule")):
        created = status()
        assert (created["OrganizationConformancePackName"], created["Status"]) == ("whole", "CREATE_SUCCESSFUL")
        assert created["LastUpdateTime"] == max(each["LastUpdateTime"] for each in scene.statuses("whole").values())
        put = {"OrganizationConformancePackName": "whole", "TemplateBody": body}
        config.put_organization_conformance_pack(**put)  # to the account without a recorder too
        failed, of_account = status(), scene.statuses("whole")[NO_RECORDER]
        assert (failed["Status"], of_account["Status"]) == ("UPDATE_FAILED", "CREATE_FAILED")
        assert failed["ErrorCode"] == of_account["ErrorCode"] == "NoAvailableConfigurationRecorderException"
        assert failed["ErrorMessage"] == of_account["ErrorMessage"]
        config.put_organization_conformance_pack(**put, ExcludedAccounts=[NO_RECORDER])
        assert status()["Status"] == "UPDATE_SUCCESSFUL"
    with scene.pack("joined", template_of(judge, "joined-rule")):
        scene.process.create_account("700000000009", "joining", "", {})
        assert status("joined")["Status"] == "UPDATE_SUCCESSFUL"
        scene.process.remove_account("700000000009")
    code, _ = refusal(config.describe_organization_conformance_pack_statuses, OrganizationConformancePackNames=["whole"])
    assert code == "NoSuchOrganizationConformancePackException"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"DeliveryS3Bucket": "bucket"}, "must begin with awsconfigconforms"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "does not emulate the tags"),
        ({"ExcludedAccounts": ["1"]}, "failed to satisfy constraint"),
        ({"ExcludedAccounts": [f"{number:012}" for number in range(1001)]}, "less than or equal to 1000"),
    ],
)
def test_what_an_organizations_pack_refuses(scene: Scene, settings: dict[str, Any], says: str) -> None:
    body = json.dumps(template_of("arn:aws:lambda:us-east-1:222222222222:function:none", "refused"))
    put = scene.config(DELEGATED).put_organization_conformance_pack
    code, message = refusal(put, OrganizationConformancePackName="refused", TemplateBody=body, **settings)
    assert (code, says in message) == ("ValidationException", True)


def test_an_account_puts_fifty_packs_to_the_organization_and_has_fifty_of_its_own(tmp_path: Path) -> None:
    body = json.dumps(template_of("arn:aws:lambda:us-east-1:222222222222:function:none", "rule"))
    with organization(tmp_path) as scene:
        config = scene.config(MANAGEMENT)
        for number in range(50):
            config.put_organization_conformance_pack(
                OrganizationConformancePackName=f"pack-{number}", TemplateBody=body, ExcludedAccounts=ALL
            )
            config.put_conformance_pack(ConformancePackName=f"pack-{number}", TemplateBody=body)
        settings = {"OrganizationConformancePackName": "one-more", "TemplateBody": body, "ExcludedAccounts": ALL}
        code = refusal(config.put_organization_conformance_pack, **settings)[0]
        assert code == "MaxNumberOfOrganizationConformancePacksExceededException"
        code = refusal(config.put_conformance_pack, ConformancePackName="one-more", TemplateBody=body)[0]
        assert code == "MaxNumberOfConformancePacksExceededException"
        # Those that are there can be changed.
        config.put_organization_conformance_pack(
            OrganizationConformancePackName="pack-0", TemplateBody=body, ExcludedAccounts=ALL
        )
        config.put_conformance_pack(ConformancePackName="pack-0", TemplateBody=body)


def test_a_deleted_pack_is_gone_everywhere(scene: Scene, judge: str) -> None:
    with scene.pack("deleted", template_of(judge, "deleted-rule")):
        assert all(scene.rules(account_id, "deleted-rule") for account_id in RECORDING)
    assert not any(scene.rules(account_id, "deleted-rule") for account_id in RECORDING)
    assert not any(
        pack["ConformancePackName"].startswith("OrgConformsPack-deleted")
        for account_id in RECORDING
        for pack in scene.config(account_id).describe_conformance_packs()["ConformancePackDetails"]
    )
    for operation in (
        scene.config(DELEGATED).delete_organization_conformance_pack,
        scene.config(DELEGATED).get_organization_conformance_pack_detailed_status,
    ):
        code, _ = refusal(operation, OrganizationConformancePackName="deleted")
        assert code == "NoSuchOrganizationConformancePackException"


def test_an_account_that_joins_gets_the_pack_and_one_that_leaves_loses_it(scene: Scene, judge: str) -> None:
    joining = "700000000001"
    with scene.pack("moving", template_of(judge, "moving-rule")):
        scene.process.create_account(joining, "joining", "", {})
        assert scene.statuses("moving")[joining]["Status"] == "CREATE_SUCCESSFUL"
        [result] = scene.results(joining, "moving-rule")
        assert result["Annotation"] == f"Said of {joining}."
        scene.process.remove_account(joining)
        assert joining not in scene.statuses("moving")
        assert scene.rules(joining, "moving-rule") == []


def test_a_new_account_has_seven_hours_for_its_recorder(tmp_path: Path) -> None:
    with organization(tmp_path) as scene, scene.pack("patient", template_of(scene.open_judge(), "patient-rule")):
        organizations = scene.client("organizations", MANAGEMENT)
        created = [
            organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]["Id"]
            for name in ("early", "late")
        ]
        create_asked_for(scene.process)
        early, late = (
            organizations.describe_create_account_status(CreateAccountRequestId=request)["CreateAccountStatus"]["AccountId"]
            for request in created
        )
        assert sorted(scene.statuses("patient", Status="CREATE_FAILED")) == sorted([early, late])
        put_recorder(scene, early)
        assert eventually(lambda: scene.statuses("patient", AccountId=early, Status="CREATE_SUCCESSFUL"))
        scene.process.advance_clock(seconds=8 * 3600)
        put_recorder(scene, late)
        scene.process.advance_clock(seconds=2)  # after the next try, if there were one
        scene.process.settle()
        assert not scene.statuses("patient", AccountId=late, Status="CREATE_SUCCESSFUL")


def put_recorder(scene: Scene, account_id: str) -> None:
    role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    scene.config(account_id).put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": role})


def test_a_member_looks_at_its_pack_and_can_neither_change_nor_delete_it(scene: Scene, judge: str) -> None:
    with scene.pack("held", template_of(judge, "held-rule")):
        member = scene.config(MEMBER)
        [rule] = scene.rules(MEMBER, "held-rule")
        scene.results(MEMBER, "held-rule")
        name = scene.statuses("held")[MEMBER]["ConformancePackName"]
        [described] = member.describe_conformance_packs(ConformancePackNames=[name])["ConformancePackDetails"]
        assert described["CreatedBy"] == "config-multiaccountsetup.amazonaws.com"
        [compliance] = member.describe_conformance_pack_compliance(ConformancePackName=name)[
            "ConformancePackRuleComplianceList"
        ]
        assert compliance == {"ConfigRuleName": rule["ConfigRuleName"], "ComplianceType": "COMPLIANT"}

        settings = {key: rule[key] for key in ("ConfigRuleName", "Source")}
        remediation = {"ConfigRuleName": rule["ConfigRuleName"], "TargetType": "SSM_DOCUMENT", "TargetId": "Fix"}
        for operation, params in (
            # Source: API reference, PutRemediationConfigurations: not for the rules of services.
            (member.put_remediation_configurations, {"RemediationConfigurations": [remediation]}),
            (member.delete_config_rule, {"ConfigRuleName": rule["ConfigRuleName"]}),
            (member.put_config_rule, {"ConfigRule": settings}),
            (member.delete_conformance_pack, {"ConformancePackName": name}),
            (member.put_conformance_pack, {"ConformancePackName": name, "TemplateBody": "{}"}),
        ):
            assert refusal(operation, **params)[0] == "AccessDeniedException"
        assert scene.rules(MEMBER, "held-rule") == [rule]


def test_switches_decide_whether_a_member_sees_and_starts_the_rules_of_a_pack_by_itself(scene: Scene, judge: str) -> None:
    with scene.pack("switched", template_of(judge, "switched-rule")):
        member, of_account = scene.config(MEMBER), {"ResourceType": "AWS::::Account", "ResourceId": MEMBER}
        [rule] = scene.rules(MEMBER, "switched-rule")
        [result] = scene.results(MEMBER, "switched-rule")
        named = {"ConfigRuleNames": [rule["ConfigRuleName"]]}
        for switch in ("no-pack-results-by-resource", "no-start-of-pack-rules"):
            scene.process.switch(switch, on=True)
        try:
            assert member.get_compliance_details_by_resource(**of_account)["EvaluationResults"] == []
            assert member.describe_compliance_by_resource(**of_account)["ComplianceByResources"] == []
            assert scene.results(MEMBER, "switched-rule") == [result]  # by rule
            scene.process.advance_clock(seconds=61)
            assert refusal(member.start_config_rules_evaluation, **named) == (
                "AccessDeniedException",
                "An AWS service owns ServiceLinkedConfigRule. You do not have permissions to take action on this rule.",
            )
        finally:
            for switch in ("no-pack-results-by-resource", "no-start-of-pack-rules"):
                scene.process.switch(switch, on=False)
        assert member.get_compliance_details_by_resource(**of_account)["EvaluationResults"] == [result]
        assert len(member.describe_compliance_by_resource(**of_account)["ComplianceByResources"]) == 1
        member.start_config_rules_evaluation(**named)


@pytest.mark.parametrize("account_id", [MEMBER, OUTSIDER])
def test_only_administrators_of_the_organization_may_put_packs(scene: Scene, judge: str, account_id: str) -> None:
    config = scene.config(account_id)
    body = json.dumps(template_of(judge, "refused"))
    name = "OrganizationConformancePackName"
    for operation, params in (
        (config.put_organization_conformance_pack, {name: "refused", "TemplateBody": body}),
        (config.describe_organization_conformance_packs, {}),
        (config.describe_organization_conformance_pack_statuses, {}),
        (config.get_organization_conformance_pack_detailed_status, {name: "refused"}),
        (config.delete_organization_conformance_pack, {name: "refused"}),
    ):
        assert refusal(operation, **params)[0] == "OrganizationAccessDeniedException"


def test_the_management_account_brings_trusted_access_for_its_packs(tmp_path: Path) -> None:
    with organization(tmp_path) as scene:
        body = json.dumps(template_of(scene.open_judge(), "trusted-rule"))
        put = {"OrganizationConformancePackName": "trusted", "TemplateBody": body, "ExcludedAccounts": [NO_RECORDER]}
        organizations = scene.client("organizations", MANAGEMENT)
        organizations.deregister_delegated_administrator(AccountId=DELEGATED, ServicePrincipal=SERVICES[1])
        organizations.disable_aws_service_access(ServicePrincipal=SERVICES[1])
        code, message = refusal(scene.config(DELEGATED).put_organization_conformance_pack, **put)
        assert code == "OrganizationAccessDeniedException"
        assert SERVICES[1] in message
        scene.config(MANAGEMENT).put_organization_conformance_pack(**put)
        enabled = organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
        assert SERVICES[1] in [service["ServicePrincipal"] for service in enabled]
        organizations.register_delegated_administrator(AccountId=DELEGATED, ServicePrincipal=SERVICES[1])
        # Each account sees the packs that it put.
        packs = scene.config(MANAGEMENT).describe_organization_conformance_packs()["OrganizationConformancePacks"]
        assert [pack["OrganizationConformancePackName"] for pack in packs] == ["trusted"]
        assert scene.config(DELEGATED).describe_organization_conformance_packs()["OrganizationConformancePacks"] == []


def test_consolidated_billing_is_not_enough(tmp_path: Path) -> None:
    with organization(tmp_path, all_features=False, trusted=False) as scene:
        body = json.dumps(template_of("arn:aws:lambda:us-east-1:222222222222:function:none", "refused"))
        put = scene.config(MANAGEMENT).put_organization_conformance_pack
        code, _ = refusal(put, OrganizationConformancePackName="refused", TemplateBody=body)
        assert code == "OrganizationAllFeaturesNotEnabledException"


# --- Templates ---

WITH_PARAMETERS = """
AWSTemplateFormatVersion: 2010-09-09
Description: Short and long forms of all that is supported.
Parameters:
  FunctionArn: {Type: String}
  Verdict: {Type: String, Default: COMPLIANT, AllowedValues: [COMPLIANT, NON_COMPLIANT]}
  Note: {Type: String, Default: ""}
Conditions:
  HasNote: {"Fn::Not": [{"Fn::Equals": [{Ref: Note}, ""]}]}
  IsQuiet: !Equals [!Ref Note, ""]
Resources:
  Judged:
    Type: AWS::Config::ConfigRule
    Properties: &properties
      ConfigRuleName: written-rule
      InputParameters:
        verdictOf333333333333: !Ref Verdict
        note: {"Fn::If": [HasNote, {Ref: Note}, {Ref: "AWS::NoValue"}]}
      MaximumExecutionFrequency: TwentyFour_Hours
      Source:
        Owner: CUSTOM_LAMBDA
        SourceIdentifier: !Ref FunctionArn
        SourceDetails: [{EventSource: aws.config, MessageType: ScheduledNotification}]
  Quiet:
    Type: AWS::Config::ConfigRule
    Condition: IsQuiet
    DependsOn: Judged
    Properties:
      <<: *properties
      ConfigRuleName: written-quiet
"""


def inputs(**values: str) -> list[dict[str, str]]:
    return [{"ParameterName": name, "ParameterValue": value} for name, value in values.items()]


def test_a_template_is_written_with_parameters_and_conditions(scene: Scene, judge: str) -> None:
    config = scene.config(OTHER)
    pack = {"ConformancePackName": "written", "TemplateBody": WITH_PARAMETERS}
    try:
        config.put_conformance_pack(**pack, ConformancePackInputParameters=inputs(FunctionArn=judge))
        quiet, rule = scene.rules(OTHER, "written-")
        assert quiet["ConfigRuleName"].startswith("written-quiet-conformance-pack-")
        assert json.loads(rule["InputParameters"]) == {"verdictOf333333333333": "COMPLIANT"}

        given = inputs(FunctionArn=judge, Verdict="NON_COMPLIANT", Note="loud")
        config.put_conformance_pack(**pack, ConformancePackInputParameters=given)
        [rule] = scene.rules(OTHER, "written-")
        assert json.loads(rule["InputParameters"]) == {"verdictOf333333333333": "NON_COMPLIANT", "note": "loud"}
        [described] = config.describe_conformance_packs(ConformancePackNames=["written"])["ConformancePackDetails"]
        assert described["ConformancePackInputParameters"] == given
    finally:
        config.delete_conformance_pack(ConformancePackName="written")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "FunctionArn has no default"),
        ({"FunctionArn": "arn", "Verdict": "MAYBE"}, "MAYBE"),
        ({"FunctionArn": "arn", "Colour": "red"}, "no parameter Colour"),
    ],
)
def test_input_parameters_must_fit(scene: Scene, given: dict[str, str], said: str) -> None:
    params = {"TemplateBody": WITH_PARAMETERS, "ConformancePackInputParameters": inputs(**given)}
    code, message = refusal(scene.config(OTHER).put_conformance_pack, ConformancePackName="unfit", **params)
    assert (code, said in message) == ("InvalidParameterValueException", True), message
    put = scene.config(DELEGATED).put_organization_conformance_pack
    code, message = refusal(put, OrganizationConformancePackName="unfit", **params)
    assert (code, said in message) == ("ValidationException", True), message


FUNCTION = "arn:aws:lambda:us-east-1:222222222222:function:judge"
RULE = rule_resource(FUNCTION, "refused")


def with_rule(**properties: object) -> dict[str, Any]:
    return {"Resources": {"Rule": {**RULE, "Properties": {**RULE["Properties"], **properties}}}}


def with_remediation(**properties: object) -> dict[str, Any]:
    return {"Resources": {"Rule": RULE, "Fix": {**MEND, "Properties": {**MEND["Properties"], **properties}}}}


def role_parameter(role: object) -> dict[str, Any]:
    return {"AutomationAssumeRole": {"StaticValue": {"Values": [role]}}}


def remediation_resource(rule_name: str, role: str, **properties: object) -> dict[str, Any]:
    parameters = {"AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}}, **role_parameter(role)}
    return {
        "Type": "AWS::Config::RemediationConfiguration",
        "Properties": {
            "ConfigRuleName": rule_name,
            "TargetType": "SSM_DOCUMENT",
            "TargetId": "succeeds",
            "Parameters": parameters,
            **properties,
        },
    }


MEND = remediation_resource("refused", role_arn(MANAGEMENT))
REFUSED: dict[str, tuple[object, str]] = {
    "no YAML": ("Resources: [", "neither YAML nor JSON"),
    "no mapping": ([], "must be a mapping"),
    "no resources": ({"Parameters": {}}, "Resources must be a mapping"),
    "another section": ({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Rule": RULE}}, "Transform"),
    "outputs": ({"Outputs": {}, "Resources": {"Rule": RULE}}, "Outputs"),
    "another resource type": ({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}, "AWS::SNS::Topic"),
    "a remediation without properties": (
        {"Resources": {"Rule": RULE, "Fix": {"Type": "AWS::Config::RemediationConfiguration"}}},
        "Fix must be a mapping",
    ),
    "Ref in a remediation's rule": (
        with_remediation(ConfigRuleName={"Ref": "Rule"}),
        "ConfigRuleName, which has to be written out",
    ),
    "Sub in a remediation's role": (
        with_remediation(Parameters=role_parameter({"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/fixes"})),
        "AutomationAssumeRole, which has to be written out",
    ),
    "Ref in a remediation's role in a branch": (
        {
            "Conditions": {"No": {"Fn::Equals": ["a", "b"]}},
            **with_remediation(Parameters={"Fn::If": ["No", role_parameter({"Ref": "Role"}), {}]}),
        },
        "AutomationAssumeRole, which has to be written out",
    ),
    "a remediation of another rule": (with_remediation(ConfigRuleName="other"), "other, which is no rule of the template"),
    "a remediation of a rule that is left out": (
        {
            "Conditions": {"No": {"Fn::Equals": ["a", "b"]}},
            "Resources": {"Rule": {**RULE, "Condition": "No"}, "Fix": MEND},
        },
        "refused, which is no rule of the template",
    ),
    "two remediations of a rule": ({"Resources": {"Rule": RULE, "Fix": MEND, "Again": MEND}}, "or has one already"),
    "another property of a remediation": (with_remediation(Colour="red"), "Colour"),
    "a remediation that is perhaps automatic": (with_remediation(Automatic="perhaps"), "'perhaps' is no boolean"),
    "a remediation by a function": (with_remediation(TargetType="LAMBDA"), "SSM_DOCUMENT"),
    "another attribute": ({"Resources": {"Rule": {**RULE, "DeletionPolicy": "Retain"}}}, "DeletionPolicy"),
    "Sub": (with_rule(Description={"Fn::Sub": "${AWS::Region}"}), "Fn::Sub"),
    "Sub in short": ("Resources: {Rule: {Type: 'AWS::Config::ConfigRule', Properties: {Description: !Sub x}}}", "Fn::Sub"),
    "GetAtt": (with_rule(Description={"Fn::GetAtt": ["Rule", "Arn"]}), "Fn::GetAtt"),
    "Join below": (with_rule(InputParameters={"a": {"Fn::Join": ["", ["b"]]}}), "Fn::Join"),
    "Equals in a property": (with_rule(Description={"Fn::Equals": ["a", "b"]}), "Fn::Equals"),
    "a pseudo parameter": (with_rule(Description={"Ref": "AWS::AccountId"}), "AWS::AccountId"),
    "another resource's name": (with_rule(Description={"Ref": "Rule"}), "Rule, which is no parameter"),
    "an unknown condition": (with_rule(Description={"Fn::If": ["Missing", "a", "b"]}), "Missing"),
    "a resource's unknown condition": ({"Resources": {"Rule": {**RULE, "Condition": "Missing"}}}, "Missing"),
    "what stands in the branch not taken": (
        {"Conditions": {"No": {"Fn::Equals": ["a", "b"]}}, **with_rule(Description={"Fn::If": ["No", {"Fn::Sub": "x"}, "y"]})},
        "Fn::Sub",
    ),
    "And in a condition": ({"Conditions": {"Both": {"Fn::And": []}}, "Resources": {"Rule": RULE}}, "Both"),
    "no rule name": (with_rule(ConfigRuleName=""), "ConfigRuleName"),
    "another property": (with_rule(RuleColour="red"), "RuleColour"),
    "a bad frequency": (with_rule(MaximumExecutionFrequency="Two_Hours"), "Two_Hours"),
    "a property of the wrong type": (with_rule(Source="CUSTOM_LAMBDA"), "Source"),
    "a parameter's unknown key": ({"Parameters": {"P": {"Typo": "String"}}, "Resources": {"Rule": RULE}}, "Typo"),
    "too many rules": ({"Resources": {f"Rule{number}": RULE for number in range(131)}}, "exceeds the allowed limit"),
    "too many bytes": (with_rule(Description="€" * 17_000), "51200"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_config_does_not_support_is_refused(scene: Scene, case: str) -> None:
    template, said = REFUSED[case]
    body = template if isinstance(template, str) else json.dumps(template, ensure_ascii=False)
    put = scene.config(DELEGATED).put_organization_conformance_pack
    code, message = refusal(put, OrganizationConformancePackName="refused", TemplateBody=body)
    assert (code, said in message) == (TEMPLATE_ERROR, True), message
    code, message = refusal(scene.config(OTHER).put_conformance_pack, ConformancePackName="refused", TemplateBody=body)
    assert (code, said in message) == ("ConformancePackTemplateValidationException", True), message
    assert not exists(scene, "refused")


FORBIDDEN: dict[str, dict[str, Any]] = {
    "a name that begins with a digit": {"OrganizationConformancePackName": "1st"},
    "a name with an underscore": {"OrganizationConformancePackName": "under_score"},
    "a long name": {"OrganizationConformancePackName": "a" * 129},
    "a long template": {"TemplateBody": "x" * 51_201},
    "no template": {"TemplateBody": None},
    "many parameters": {"ConformancePackInputParameters": inputs(**{f"Parameter{number}": "" for number in range(61)})},
    "no account id": {"ExcludedAccounts": ["12345"]},
    "many accounts": {"ExcludedAccounts": [f"{number:012}" for number in range(1001)]},
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_what_the_api_model_forbids_is_refused(scene: Scene, case: str) -> None:
    put = {"OrganizationConformancePackName": "refused", "TemplateBody": "{}", **FORBIDDEN[case]}
    assert refusal(scene.config(DELEGATED).put_organization_conformance_pack, **put)[0] == "ValidationException"


# --- In one account ---


def test_a_pack_of_ones_own(scene: Scene, judge: str) -> None:
    config = scene.config(MEMBER)
    body = json.dumps(template_of(judge, "own-rule", **{f"verdictOf{MEMBER}": "NON_COMPLIANT"}))
    arn = config.put_conformance_pack(ConformancePackName="own", TemplateBody=body)["ConformancePackArn"]
    [rule] = scene.rules(MEMBER, "own-rule")
    [result] = scene.results(MEMBER, "own-rule")
    [described] = config.describe_conformance_packs(ConformancePackNames=["own"])["ConformancePackDetails"]
    assert described["ConformancePackArn"] == arn
    assert "CreatedBy" not in described
    assert rule["ConfigRuleName"] == f"own-rule-{described['ConformancePackId']}"
    [status] = config.describe_conformance_pack_status(ConformancePackNames=["own"])["ConformancePackStatusDetails"]
    assert status["ConformancePackState"] == "CREATE_COMPLETE"

    compliance, details = config.describe_conformance_pack_compliance, config.get_conformance_pack_compliance_details
    for filters, expected in (
        ({}, True),
        ({"ComplianceType": "NON_COMPLIANT"}, True),
        ({"ComplianceType": "COMPLIANT"}, False),
        ({"ConfigRuleNames": [rule["ConfigRuleName"]]}, True),
    ):
        found = compliance(ConformancePackName="own", Filters=filters)["ConformancePackRuleComplianceList"]
        assert [entry["ConfigRuleName"] for entry in found] == [rule["ConfigRuleName"]] * expected
        found = details(ConformancePackName="own", Filters=filters)["ConformancePackRuleEvaluationResults"]
        assert [entry["Annotation"] for entry in found] == [result["Annotation"]] * expected
    resource_filters: list[tuple[dict[str, Any], bool]] = [
        ({"ResourceType": "AWS::::Account", "ResourceIds": [MEMBER]}, True),
        ({"ResourceType": "AWS::S3::Bucket"}, False),
        ({"ResourceIds": [OTHER]}, False),
    ]
    for resource_filter, expected in resource_filters:
        found = details(ConformancePackName="own", Filters=resource_filter)["ConformancePackRuleEvaluationResults"]
        assert len(found) == expected
    code, _ = refusal(compliance, ConformancePackName="own", Filters={"ConfigRuleNames": ["own-rule"]})
    assert code == "NoSuchConfigRuleInConformancePackException"

    config.delete_conformance_pack(ConformancePackName="own")
    assert scene.rules(MEMBER, "own-rule") == []
    assert refusal(compliance, ConformancePackName="own")[0] == "NoSuchConformancePackException"
    assert refusal(config.delete_conformance_pack, ConformancePackName="own")[0] == "NoSuchConformancePackException"


def test_a_pack_that_fails_says_why_and_is_fixed_by_putting_it_again(scene: Scene) -> None:
    config = scene.config(MEMBER)
    arn = scene.judge("closed")
    put = {"ConformancePackName": "fixed", "TemplateBody": json.dumps(template_of(arn, "fixed-rule"))}

    def status() -> dict[str, Any]:
        found = config.describe_conformance_pack_status(ConformancePackNames=["fixed"])["ConformancePackStatusDetails"]
        return dict(found[0])

    try:
        config.put_conformance_pack(**put)
        assert status()["ConformancePackState"] == "CREATE_FAILED"
        assert arn in status()["ConformancePackStatusReason"]
        assert scene.rules(MEMBER, "fixed-rule") == []
        let_config_invoke(scene.client, arn, MEMBER)
        config.put_conformance_pack(**put)
        assert status()["ConformancePackState"] == "CREATE_COMPLETE"
        assert len(scene.results(MEMBER, "fixed-rule")) == 1
    finally:
        config.delete_conformance_pack(ConformancePackName="fixed")


# --- Remediation ---


@pytest.fixture(scope="module")
def _remediation(scene: Scene) -> None:
    """Give some accounts the document and its role, and OTHER neither."""
    for account_id in (MANAGEMENT, DELEGATED, MEMBER):
        create_document(scene.client, account_id, "succeeds", SUCCEEDS)
        create_role(scene.client, account_id)


def with_rule_and_remediation(judge: str, name: str, role: str, **properties: object) -> dict[str, Any]:
    verdict = {f"verdictOf{MEMBER}": "NON_COMPLIANT"}
    fix = remediation_resource(name, role, **properties)
    return {"Resources": {"Rule": rule_resource(judge, name, **verdict), "Fix": fix}}


def remediations(scene: Scene, account_id: str, rule_name: str) -> list[dict[str, Any]]:
    """Return the remediation configurations of an account's rules whose names have a prefix."""
    names = [rule["ConfigRuleName"] for rule in scene.rules(account_id, rule_name)]
    found: list[dict[str, Any]] = scene.config(account_id).describe_remediation_configurations(ConfigRuleNames=names)[
        "RemediationConfigurations"
    ]
    return found


@pytest.mark.usefixtures("_remediation")
def test_a_pack_brings_the_remediation_of_its_rules(scene: Scene, judge: str) -> None:
    config = scene.config(MEMBER)
    template = with_rule_and_remediation(
        judge, "fixing", role_arn(MEMBER), Automatic="true", RetryAttemptSeconds={"Ref": "Seconds"}
    )
    template["Parameters"] = {"Seconds": {"Type": "String", "Default": "300"}}
    pack = {"ConformancePackName": "fixing"}
    config.put_conformance_pack(**pack, TemplateBody=json.dumps(template))
    try:
        [fix] = remediations(scene, MEMBER, "fixing-")
        [rule] = scene.rules(MEMBER, "fixing-")
        assert fix["ConfigRuleName"] == rule["ConfigRuleName"]
        assert (fix["Automatic"], fix["RetryAttemptSeconds"]) == (True, 300)
        assert fix["CreatedByService"] == "config-conforms.amazonaws.com"

        def states() -> list[str]:
            found = config.describe_remediation_execution_status(ConfigRuleName=rule["ConfigRuleName"])
            return [status["State"] for status in found["RemediationExecutionStatuses"]]

        assert eventually(lambda: states() == ["SUCCEEDED"])
        key = {"resourceType": "AWS::::Account", "resourceId": MEMBER}
        answer = config.start_remediation_execution(ConfigRuleName=rule["ConfigRuleName"], ResourceKeys=[key])
        assert "FailedItems" not in answer

        mine = {key: fix[key] for key in ("ConfigRuleName", "TargetType", "TargetId")}
        exceptions = {"ResourceKeys": [{"ResourceType": "AWS::::Account", "ResourceId": MEMBER}]}
        for operation, params in (
            (config.put_remediation_configurations, {"RemediationConfigurations": [mine]}),
            (config.delete_remediation_configuration, {"ConfigRuleName": rule["ConfigRuleName"]}),
            (config.put_remediation_exceptions, {"ConfigRuleName": rule["ConfigRuleName"], **exceptions}),
        ):
            assert refusal(operation, **params)[0] == "AccessDeniedException"

        del template["Resources"]["Fix"]
        config.put_conformance_pack(**pack, TemplateBody=json.dumps(template))
        assert remediations(scene, MEMBER, "fixing-") == []
        assert scene.rules(MEMBER, "fixing-") == [rule]
    finally:
        config.delete_conformance_pack(**pack)


@pytest.mark.usefixtures("_remediation")
def test_a_pack_is_deleted_with_its_remediation(scene: Scene, judge: str) -> None:
    config = scene.config(MEMBER)
    before = json.dumps(with_rule_and_remediation(judge, "before", role_arn(MEMBER)))
    after = json.dumps(with_rule_and_remediation(judge, "after", role_arn(MEMBER)))
    config.put_conformance_pack(ConformancePackName="going", TemplateBody=before)
    assert len(remediations(scene, MEMBER, "before-")) == 1
    config.put_conformance_pack(ConformancePackName="going", TemplateBody=after)
    assert scene.rules(MEMBER, "before-") == []
    assert len(remediations(scene, MEMBER, "after-")) == 1
    config.delete_conformance_pack(ConformancePackName="going")
    assert scene.rules(MEMBER, "after-") == []


@pytest.mark.usefixtures("_remediation")
def test_what_a_deleted_pack_has_under_way_comes_to_its_end_and_is_not_tried_again(scene: Scene, judge: str) -> None:
    create_document(scene.client, MEMBER, "waits", WAITS)
    config, ssm = scene.config(MEMBER), scene.client("ssm", MEMBER)

    def executions() -> dict[str, str]:
        only = [{"Key": "DocumentNamePrefix", "Values": ["waits"]}]
        found = ssm.describe_automation_executions(Filters=only)["AutomationExecutionMetadataList"]
        return {execution["AutomationExecutionId"]: execution["AutomationExecutionStatus"] for execution in found}

    template = with_rule_and_remediation(judge, "waiting", role_arn(MEMBER), TargetId="waits", Automatic=True)
    config.put_conformance_pack(ConformancePackName="waiting", TemplateBody=json.dumps(template))
    [execution] = eventually(executions)
    config.delete_conformance_pack(ConformancePackName="waiting")
    assert scene.rules(MEMBER, "waiting-") == []
    assert executions() == {execution: "InProgress"}
    ssm.stop_automation_execution(AutomationExecutionId=execution, Type="Cancel")
    assert eventually(lambda: executions() == {execution: "Cancelled"})


@pytest.mark.usefixtures("_remediation")
@pytest.mark.parametrize(
    ("role", "target", "reason"),
    [
        ("arn:aws:iam::333333333333:role/none", "succeeds", "The role arn:aws:iam::333333333333:role/none does not exist"),
        (role_arn(DELEGATED), "succeeds", "does not exist in the account 333333333333"),
        (role_arn(MEMBER), "none", "The SSM document none"),
    ],
)
def test_a_pack_needs_the_document_and_the_role(scene: Scene, judge: str, role: str, target: str, reason: str) -> None:
    config = scene.config(MEMBER)
    pack = {"ConformancePackName": "lacking"}
    good = json.dumps(with_rule_and_remediation(judge, "lacking", role_arn(MEMBER)))
    bad = json.dumps(with_rule_and_remediation(judge, "lacking", role, TargetId=target))

    def state() -> tuple[str, str]:
        [status] = config.describe_conformance_pack_status(ConformancePackNames=["lacking"])["ConformancePackStatusDetails"]
        return status["ConformancePackState"], status.get("ConformancePackStatusReason", "")

    try:
        config.put_conformance_pack(**pack, TemplateBody=bad)
        assert state()[0] == "CREATE_FAILED"
        assert reason in state()[1]
        assert scene.rules(MEMBER, "lacking-") == []
        config.put_conformance_pack(**pack, TemplateBody=good)
        assert state() == ("CREATE_COMPLETE", "")
        config.put_conformance_pack(**pack, TemplateBody=bad)
        assert state()[0] == "CREATE_FAILED"
        [kept] = remediations(scene, MEMBER, "lacking-")
        assert kept["Parameters"]["AutomationAssumeRole"]["StaticValue"]["Values"] == [role_arn(MEMBER)]
        assert kept["TargetId"] == "succeeds"
    finally:
        config.delete_conformance_pack(**pack)


@pytest.mark.usefixtures("_remediation")
def test_the_management_account_in_a_role_becomes_each_account(scene: Scene, judge: str) -> None:
    template = with_rule_and_remediation(judge, "everyone", role_arn(MANAGEMENT))
    with scene.pack("everyone", template):
        assert sorted(scene.statuses("everyone", Status="CREATE_SUCCESSFUL")) == [MANAGEMENT, DELEGATED, MEMBER]
        for account_id in (MANAGEMENT, DELEGATED, MEMBER):
            [fix] = remediations(scene, account_id, "everyone-")
            assert fix["Parameters"]["AutomationAssumeRole"]["StaticValue"]["Values"] == [role_arn(account_id)]
        failed = scene.statuses("everyone", Status="CREATE_FAILED")
        assert list(failed) == [OTHER]
        assert f"The role {role_arn(OTHER)} does not exist" in failed[OTHER]["ErrorMessage"]
        assert scene.rules(OTHER, "everyone-") == []
    assert scene.rules(MEMBER, "everyone-") == []


@pytest.mark.usefixtures("_remediation")
def test_another_account_in_a_role_stays_and_fails_elsewhere(scene: Scene, judge: str) -> None:
    template = with_rule_and_remediation(judge, "somebody", role_arn(DELEGATED))
    with scene.pack("somebody", template, ExcludedAccounts=[OTHER, NO_RECORDER]):
        assert list(scene.statuses("somebody", Status="CREATE_SUCCESSFUL")) == [DELEGATED]
        failed = scene.statuses("somebody", Status="CREATE_FAILED")
        assert f"The role {role_arn(DELEGATED)} does not exist in the account {MEMBER}." == failed[MEMBER]["ErrorMessage"]


# --- AWS::Config::OrganizationConformancePack ---


def pack_resource(name: str, judge: str, excluded: list[str]) -> dict[str, Any]:
    properties = {
        "OrganizationConformancePackName": name,
        "TemplateBody": WITH_PARAMETERS.replace("written-", f"{name}-"),
        "ConformancePackInputParameters": inputs(FunctionArn=judge, Note="stack"),
        "ExcludedAccounts": excluded,
    }
    return {"Pack": {"Type": "AWS::Config::OrganizationConformancePack", "Properties": properties}}


def exists(scene: Scene, name: str) -> bool:
    packs = scene.config(DELEGATED).describe_organization_conformance_packs()["OrganizationConformancePacks"]
    return name in [pack["OrganizationConformancePackName"] for pack in packs]


def test_a_stack_makes_changes_and_deletes_a_pack(scene: Scene, judge: str) -> None:
    outputs = {"Name": {"Value": {"Ref": "Pack"}}, "Arn": {"Value": {"Fn::GetAtt": ["Pack", "OrganizationConformancePackArn"]}}}
    resources = pack_resource("stacked", judge, [NO_RECORDER])
    stack = scene.deploy(DELEGATED, "stacked", resources, outputs=outputs)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    values = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    [pack] = scene.config(DELEGATED).describe_organization_conformance_packs(OrganizationConformancePackNames=["stacked"])[
        "OrganizationConformancePacks"
    ]
    assert values == {"Name": "stacked", "Arn": pack["OrganizationConformancePackArn"]}
    assert sorted(scene.statuses("stacked")) == RECORDING

    stack = scene.deploy(DELEGATED, "stacked", pack_resource("stacked", judge, [OTHER, NO_RECORDER]))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert sorted(scene.statuses("stacked")) == [MANAGEMENT, DELEGATED, MEMBER]
    assert scene.delete_stack(DELEGATED, "stacked")["StackStatus"] == "DELETE_COMPLETE"
    assert not exists(scene, "stacked")


def test_a_stack_fails_if_one_account_fails_and_takes_the_pack_back(scene: Scene, judge: str) -> None:
    stack = scene.deploy(DELEGATED, "taken-back", pack_resource("taken-back", judge, []))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = scene.reasons(DELEGATED, "taken-back")
    assert re.search(rf"NoAvailableConfigurationRecorderException: .* \({NO_RECORDER}\)", reasons)
    assert not exists(scene, "taken-back")
    assert not any(scene.rules(account_id, "taken-back-") for account_id in RECORDING)


def test_with_rollback_disabled_the_pack_stays_and_the_next_deployment_fixes_it(scene: Scene, judge: str) -> None:
    stack = scene.deploy(DELEGATED, "kept", pack_resource("kept", judge, []), disable_rollback=True)
    try:
        assert stack["StackStatus"] == "CREATE_FAILED"
        [resource] = scene.client("cloudformation", DELEGATED).describe_stack_resources(StackName="kept")["StackResources"]
        assert (resource["PhysicalResourceId"], resource["ResourceStatus"]) == ("kept", "CREATE_FAILED")
        assert sorted(scene.statuses("kept", Status="CREATE_SUCCESSFUL")) == RECORDING
        assert len(scene.results(MEMBER, "kept-rule")) == 1
        # The same deployment fails again: nobody takes the first for done.
        stack = scene.deploy(DELEGATED, "kept", pack_resource("kept", judge, []), disable_rollback=True)
        assert stack["StackStatus"] == "UPDATE_FAILED"
        # A stack that failed so is updated without rollback only (local_aws/cloudformation/rollback.py).
        stack = scene.deploy(DELEGATED, "kept", pack_resource("kept", judge, [NO_RECORDER]), disable_rollback=True)
        assert stack["StackStatus"] == "UPDATE_COMPLETE"
        assert sorted(scene.statuses("kept", Status="UPDATE_SUCCESSFUL")) == RECORDING
    finally:
        scene.delete_stack(DELEGATED, "kept")
    assert not exists(scene, "kept")


def test_a_stack_that_failed_takes_its_pack_with_it(scene: Scene, judge: str) -> None:
    scene.deploy(DELEGATED, "failed", pack_resource("failed", judge, []), disable_rollback=True)
    assert exists(scene, "failed")
    scene.delete_stack(DELEGATED, "failed")
    assert not exists(scene, "failed")


def test_a_stack_does_not_take_over_a_pack_that_is_there(scene: Scene, judge: str) -> None:
    with scene.pack("there", template_of(judge, "there-rule")):
        stack = scene.deploy(DELEGATED, "there", pack_resource("there", judge, [NO_RECORDER]))
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert "already exists" in scene.reasons(DELEGATED, "there")
        assert exists(scene, "there")
