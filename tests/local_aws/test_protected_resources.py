"""What a service control policy protects: the resources of actions, passed roles, and resources that stacks change."""

import json
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from local_aws.authorization import resource_permissions
from tests.local_aws.automation_scene import Runbooks, returning
from tests.local_aws.scene import (
    WRITE_LOG,
    Client,
    allow,
    create_function,
    eventually,
    let_config_invoke,
    package,
    refusal,
    rule,
    trust,
)
from tests.local_aws.service_control_scene import (
    DENIED,
    MANAGEMENT,
    MEMBER,
    NESTED,
    ROOT,
    Scene,
    deny,
    is_refused,
    organization,
    policies_refuse,
)

IAM, SSM = f"arn:aws:iam::{MEMBER}", f"arn:aws:ssm:us-east-1:{MEMBER}"
EVENTS, STACKS = f"arn:aws:events:us-east-1:{MEMBER}", f"arn:aws:cloudformation:us-east-1:{MEMBER}"
TOPIC_ONLY = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
ROLE_TRUST = json.loads(trust({"Service": "ssm.amazonaws.com"}))
BUT_STACK_SETS = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/stacksets-exec-*"}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with organization(tmp_path_factory.mktemp("resources")) as scene:
        yield scene


@pytest.fixture(scope="module")
def kept(scene: Scene) -> dict[str, str]:
    """Make what the policies protect in the member, and give the ids that AWS chooses."""
    client = partial(_client, scene)
    client("iam").create_role(
        RoleName="kept", Path="/team/", AssumeRolePolicyDocument=trust({"Service": "events.amazonaws.com"})
    )
    policy = client("iam").create_policy(PolicyName="kept", Path="/team/", PolicyDocument=allow("sns:*"))["Policy"]["Arn"]
    function = create_function(scene.client, MEMBER, "judge", "", *WRITE_LOG)
    let_config_invoke(scene.client, function)
    client("config").put_config_rule(ConfigRule=rule(function, "kept"))
    config_rule = client("config").describe_config_rules(ConfigRuleNames=["kept"])["ConfigRules"][0]["ConfigRuleArn"]
    stack = deploy(client("cloudformation"), "kept", TOPIC_ONLY)
    change = client("cloudformation").create_change_set(
        StackName="kept",
        ChangeSetName="kept-change",
        TemplateBody=json.dumps({"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}),
    )
    return {"policy": policy, "config-rule": config_rule, "stack": stack["StackId"], "change": change["Id"]}


def _client(scene: Scene, service: str, account_id: str = MEMBER) -> Client:
    return scene.client(service, account_id)


def deploy(cloudformation: Client, name: str, template: dict[str, Any], **params: object) -> dict[str, Any]:
    """Create or update a stack, wait for the end, and describe it."""
    stacks = cloudformation.list_stacks()["StackSummaries"]
    exists = any(stack["StackName"] == name and stack["StackStatus"] != "DELETE_COMPLETE" for stack in stacks)
    call = cloudformation.update_stack if exists else cloudformation.create_stack
    stack_id = call(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"], **params)[
        "StackId"
    ]
    return settled(cloudformation, stack_id)


def settled(cloudformation: Client, stack_id: str) -> dict[str, Any]:
    """Describe a stack once nothing is under way."""

    def ended() -> dict[str, Any] | None:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = eventually(ended)
    assert stack is not None
    return stack


def reasons(cloudformation: Client, stack_id: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    return " ".join(event.get("ResourceStatusReason", "") for event in events)


# The resource of an action


@pytest.mark.parametrize(
    ("action", "resource", "params"),
    [
        ("iam:CreateRole", f"{IAM}:role/wanted", {"RoleName": "wanted", "AssumeRolePolicyDocument": trust({"AWS": MEMBER})}),
        (
            "iam:CreateRole",
            f"{IAM}:role/some/path/kept",
            {"RoleName": "kept", "Path": "/some/path/", "AssumeRolePolicyDocument": trust({"AWS": MEMBER})},
        ),
        (
            "iam:CreatePolicy",
            f"{IAM}:policy/a/wanted",
            {"PolicyName": "wanted", "Path": "/a/", "PolicyDocument": allow("s3:*")},
        ),
        ("iam:DeleteRole", f"{IAM}:role/team/kept", {"RoleName": "kept"}),
        ("iam:DeleteRole", f"{IAM}:role/team/kept", {"RoleName": "KEPT"}),
        ("iam:PutRolePolicy", f"{IAM}:role/team/kept", {"RoleName": "kept", "PolicyName": "a", "PolicyDocument": allow("*")}),
        ("iam:AttachRolePolicy", f"{IAM}:role/team/kept", {"RoleName": "kept", "PolicyArn": "arn:aws:iam::aws:policy/a"}),
        ("iam:UpdateAssumeRolePolicy", f"{IAM}:role/team/kept", {"RoleName": "kept", "PolicyDocument": trust({"AWS": MEMBER})}),
        ("iam:UpdateRole", f"{IAM}:role/team/kept", {"RoleName": "kept", "MaxSessionDuration": 3600}),
        ("iam:TagRole", f"{IAM}:role/team/kept", {"RoleName": "kept", "Tags": [{"Key": "a", "Value": "b"}]}),
        (
            "iam:PutRolePermissionsBoundary",
            f"{IAM}:role/team/kept",
            {"RoleName": "kept", "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        ),
        ("iam:AddRoleToInstanceProfile", f"{IAM}:instance-profile/a", {"RoleName": "kept", "InstanceProfileName": "a"}),
        ("iam:CreatePolicyVersion", "policy", {"PolicyArn": "policy", "PolicyDocument": allow("*"), "SetAsDefault": True}),
        ("iam:DeletePolicy", "policy", {"PolicyArn": "policy"}),
        ("sts:AssumeRole", f"{IAM}:role/team/kept", {"RoleArn": f"{IAM}:role/team/kept", "RoleSessionName": "test"}),
        ("sts:AssumeRole", f"{IAM}:role/team/kept", {"RoleArn": f"{IAM}:role/kept", "RoleSessionName": "test"}),
        ("ssm:CreateDocument", f"{SSM}:document/Kept", {"Name": "Kept", "Content": "{}"}),
        ("ssm:DeleteDocument", f"{SSM}:document/Kept", {"Name": f"{SSM}:document/Kept"}),
        ("ssm:UpdateDocument", f"{SSM}:document/Kept", {"Name": "Kept", "Content": "{}"}),
        ("ssm:UpdateDocumentDefaultVersion", f"{SSM}:document/Kept", {"Name": "Kept", "DocumentVersion": "1"}),
        ("ssm:ModifyDocumentPermission", f"{SSM}:document/Kept", {"Name": "Kept", "PermissionType": "Share"}),
        (
            "ssm:AddTagsToResource",
            f"{SSM}:document/Kept",
            {"ResourceType": "Document", "ResourceId": "Kept", "Tags": [{"Key": "a", "Value": "b"}]},
        ),
        ("ssm:StartAutomationExecution", f"{SSM}:automation-definition/Kept:$DEFAULT", {"DocumentName": "Kept"}),
        ("ssm:StopAutomationExecution", f"{SSM}:automation-execution/0", {"AutomationExecutionId": "0"}),
        ("ssm:UpdateOpsItem", f"{SSM}:opsitem/oi-0", {"OpsItemId": "oi-0"}),
        ("events:PutRule", f"{EVENTS}:rule/kept", {"Name": "kept", "EventPattern": "{}"}),
        ("events:DisableRule", f"{EVENTS}:rule/kept", {"Name": "kept", "EventBusName": "default"}),
        ("events:DeleteRule", f"{EVENTS}:rule/bus/kept", {"Name": "kept", "EventBusName": "bus"}),
        ("events:PutTargets", f"{EVENTS}:rule/kept", {"Rule": "kept", "Targets": []}),
        (
            "events:RemoveTargets",
            f"{EVENTS}:rule/bus/kept",
            {"Rule": "kept", "EventBusName": f"{EVENTS}:event-bus/bus", "Ids": []},
        ),
        ("events:TagResource", f"{EVENTS}:rule/kept", {"ResourceARN": f"{EVENTS}:rule/kept", "Tags": []}),
        ("events:DeleteEventBus", f"{EVENTS}:event-bus/bus", {"Name": "bus"}),
        ("cloudformation:CreateStack", f"{STACKS}:stack/new/*", {"StackName": "new", "TemplateBody": json.dumps(TOPIC_ONLY)}),
        ("cloudformation:CreateChangeSet", "stack", {"StackName": "kept", "ChangeSetName": "a", "TemplateBody": "{}"}),
        ("cloudformation:ExecuteChangeSet", "stack", {"StackName": "kept", "ChangeSetName": "kept-change"}),
        ("cloudformation:ExecuteChangeSet", "stack", {"ChangeSetName": "change"}),
        ("cloudformation:ExecuteChangeSet", "stack", {"StackName": "another", "ChangeSetName": "change"}),
        ("cloudformation:DeleteChangeSet", "stack", {"ChangeSetName": "change"}),
        ("cloudformation:UpdateStack", "stack", {"StackName": "kept", "TemplateBody": "{}"}),
        ("cloudformation:DeleteStack", "stack", {"StackName": "kept"}),
        ("cloudformation:DeleteStack", "stack", {"StackName": "stack"}),
        ("cloudformation:ContinueUpdateRollback", "stack", {"StackName": "kept"}),
        ("cloudformation:CancelUpdateStack", "stack", {"StackName": "kept"}),
        ("cloudformation:RollbackStack", "stack", {"StackName": "stack"}),
        (
            "cloudformation:UpdateTerminationProtection",
            "stack",
            {"StackName": "kept", "EnableTerminationProtection": False},
        ),
        ("cloudformation:SetStackPolicy", "stack", {"StackName": "kept", "StackPolicyBody": "{}"}),
        ("config:DeleteConfigRule", "config-rule", {"ConfigRuleName": "kept"}),
        ("config:DeleteEvaluationResults", "config-rule", {"ConfigRuleName": "kept"}),
        ("config:StartConfigRulesEvaluation", "config-rule", {"ConfigRuleNames": ["kept"]}),
        ("config:DescribeComplianceByConfigRule", "config-rule", {"ConfigRuleNames": ["kept"]}),
        ("config:PutConfigRule", "config-rule", {"ConfigRule": rule("arn:aws:lambda:a", "kept")}),
        ("config:PutConfigRule", f"arn:aws:config:us-east-1:{MEMBER}:config-rule/*", {"ConfigRule": rule("a", "new")}),
        ("config:StopConfigurationRecorder", "*", {"ConfigurationRecorderName": "default"}),
        ("config:PutEvaluations", "*", {"ResultToken": "none", "Evaluations": []}),
        (
            "cloudtrail:StopLogging",
            f"arn:aws:cloudtrail:us-east-1:{MEMBER}:trail/organization",
            {"Name": "organization"},
        ),
        (
            "lambda:CreateFunction",
            f"arn:aws:lambda:us-east-1:{MEMBER}:function:new",
            {
                "FunctionName": "new",
                "Role": f"{IAM}:role/judge",
                "Code": {"ZipFile": package("")},
                "Handler": "example.handler",
                "Runtime": "python3.13",
            },
        ),
    ],
)
def test_a_policy_for_a_resource_refuses_what_is_done_to_it_and_nothing_else(
    scene: Scene, kept: dict[str, str], action: str, resource: str, params: dict[str, Any]
) -> None:
    service, _, operation = action.partition(":")
    call = getattr(scene.client(service, MEMBER), _snake(operation))
    params = {key: kept.get(value, value) if isinstance(value, str) else value for key, value in params.items()}
    resource = kept.get(resource, resource)
    with scene.attached(deny(action, resource=resource)):
        assert is_refused(call, **params)
    another = "arn:aws:s3:::another" if resource == "*" else f"{resource.rstrip('*')}-another"
    with scene.attached(deny(action, resource=another)):
        assert not policies_refuse(call, **{**params, **_HARMLESS.get(operation, {})})


_HARMLESS: dict[str, dict[str, Any]] = {
    # The service refuses these requests by itself, so that the resources stay.
    "CreatePolicy": {"PolicyDocument": "none"},
    "CreateStack": {"TemplateBody": "none"},
    "DeleteConfigRule": {"ConfigRuleName": "none"},
    "DeleteStack": {"StackName": f"{STACKS}:stack/none/0"},
    "DeletePolicy": {"PolicyArn": f"{IAM}:policy/none"},
    "DeleteRole": {"RoleName": "none"},
    "DeleteChangeSet": {"ChangeSetName": "none"},
    "ExecuteChangeSet": {"ChangeSetName": "none"},
    "UpdateAssumeRolePolicy": {"PolicyDocument": "none"},
}


def _snake(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")


def test_a_role_name_is_taken_in_any_case_and_at_any_path(scene: Scene, kept: dict[str, str]) -> None:
    assert kept
    assume = trust({"AWS": MEMBER})
    iam = scene.client("iam", MEMBER)
    for name, path in (("KEPT", "/"), ("kept", "/other/")):
        assert refusal(iam.create_role, RoleName=name, Path=path, AssumeRolePolicyDocument=assume)[0] == "EntityAlreadyExists"
    resource = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "Kept", "AssumeRolePolicyDocument": ROLE_TRUST}}
    cloudformation = scene.client("cloudformation", MEMBER)
    stack = deploy(cloudformation, "squatter", {"Resources": {"Role": resource}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exists" in reasons(cloudformation, stack["StackId"])


# Roles that are passed


def trust_services(*services: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    principal = {"Service": [f"{service}.amazonaws.com" for service in services]}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Principal": principal}]})


def test_a_role_that_may_not_be_passed_is_refused_whatever_takes_it(scene: Scene) -> None:
    iam = scene.client("iam", MEMBER)
    runbooks = Runbooks(scene.client, MEMBER)
    runbooks.create(returning("{}"), name="Passed")
    role = iam.create_role(
        RoleName="passed", AssumeRolePolicyDocument=trust_services("lambda", "events", "cloudformation", "ssm")
    )["Role"]["Arn"]
    events = scene.client("events", MEMBER)
    events.put_rule(Name="passing", EventPattern='{"source": ["a"]}')
    target = {"Id": "a", "Arn": f"{SSM}:automation-definition/Passed:1", "RoleArn": role, "Input": "{}"}
    function = {
        "FunctionName": "passing",
        "Role": role,
        "Code": {"ZipFile": package("")},
        "Handler": "example.handler",
        "Runtime": "python3.13",
    }
    stack = {"TemplateBody": json.dumps(TOPIC_ONLY), "RoleARN": role}
    cloudformation = scene.client("cloudformation", MEMBER)
    requests = {
        "lambda": [(scene.client("lambda", MEMBER).create_function, function)],
        "events": [(events.put_targets, {"Rule": "passing", "Targets": [target]})],
        "cloudformation": [
            (cloudformation.create_stack, {"StackName": "passing", **stack}),
            (
                cloudformation.create_change_set,
                {"StackName": "passed", "ChangeSetName": "a", "ChangeSetType": "CREATE", **stack},
            ),
        ],
        "config": [
            (
                scene.client("config", MEMBER).put_configuration_recorder,
                {"ConfigurationRecorder": {"name": "default", "roleARN": role}},
            )
        ],
        "ssm": [
            (
                scene.client("ssm", MEMBER).start_automation_execution,
                {"DocumentName": "Passed", "Parameters": {"AutomationAssumeRole": [role]}},
            )
        ],
    }
    for service, calls in requests.items():
        for call, params in calls:
            with scene.attached(deny("iam:PassRole", resource=role)):
                code, message = refusal(call, **params)
                assert code.startswith("AccessDenied")
                assert f"iam:PassRole on resource: {role} {DENIED}" in message
            to_others = {"StringNotEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
            with scene.attached(deny("iam:PassRole", Condition=to_others)):
                assert not is_refused(call, **params)


def test_passing_a_role_needs_a_permission_too(scene: Scene) -> None:
    role = scene.client("iam", MEMBER).create_role(
        RoleName="needed", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"})
    )["Role"]["Arn"]
    function = {
        "FunctionName": "needing",
        "Role": role,
        "Code": {"ZipFile": package("")},
        "Handler": "example.handler",
        "Runtime": "python3.13",
    }
    without = scene.session(MEMBER, "without-passrole", ("lambda:*",))
    code, message = refusal(without("lambda", MEMBER).create_function, **function)
    assert code == "AccessDeniedException"
    assert f"iam:PassRole on resource: {role} because no identity-based policy allows" in message
    scene.session(MEMBER, "with-passrole", ("lambda:*", "iam:PassRole"))("lambda", MEMBER).create_function(**function)


# Stacks of an account's own


def role_resource(name: str, **more: object) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"RoleName": name, "AssumeRolePolicyDocument": ROLE_TRUST, **more}}


def test_a_stack_of_a_members_administrator_is_refused_what_its_caller_is(scene: Scene) -> None:
    cloudformation = scene.client("cloudformation", MEMBER)
    template = {"Resources": {"Role": role_resource("protected-1")}}
    with scene.attached(deny("iam:CreateRole", resource="arn:aws:iam::*:role/protected-*", Condition=BUT_STACK_SETS)):
        stack = deploy(cloudformation, "own", template)
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        said = f"User: {IAM}:root is not authorized to perform: iam:CreateRole on resource: {IAM}:role/protected-1 {DENIED}"
        assert f'Resource handler returned message: "{said}' in reasons(cloudformation, stack["StackId"])
        assert "HandlerErrorCode: AccessDenied" in reasons(cloudformation, stack["StackId"])
        role = scene.session(MEMBER, "deployer")
        stack = deploy(role("cloudformation", MEMBER), "by-a-role", template)
        assert f"{MEMBER}:assumed-role/deployer/test is not authorized" in reasons(cloudformation, stack["StackId"])
        cloudformation.create_change_set(
            StackName="changed", ChangeSetName="a", ChangeSetType="CREATE", TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )  # fmt: skip  # as a table
        cloudformation.execute_change_set(StackName="changed", ChangeSetName="a")
        assert settled(cloudformation, "changed")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "protected-1" not in role_names(scene, MEMBER)


def role_names(scene: Scene, account_id: str) -> list[str]:
    return [role["RoleName"] for role in scene.client("iam", account_id).list_roles()["Roles"]]


def test_the_management_accounts_stacks_are_free(scene: Scene) -> None:
    with scene.attached(deny("iam:*")):
        stack = deploy(scene.client("cloudformation", MANAGEMENT), "own", {"Resources": {"Role": role_resource("free")}})
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_a_nested_stack_is_its_parents_deployers(scene: Scene) -> None:
    s3, cloudformation = scene.client("s3", MEMBER), scene.client("cloudformation", MEMBER)
    s3.create_bucket(Bucket="nested-templates")
    s3.put_object(Bucket="nested-templates", Key="a", Body=json.dumps({"Resources": {"Role": role_resource("protected-2")}}))
    url = f"{scene.process.endpoint_url}/nested-templates/a"
    template = {"Resources": {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}}
    with scene.attached(deny("iam:CreateRole", resource="arn:aws:iam::*:role/protected-*")):
        stack = deploy(cloudformation, "parent", template)
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert DENIED in reasons(cloudformation, stack["StackId"])
    assert deploy(cloudformation, "parent-2", template)["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        ("iam:UpdateAssumeRolePolicy", {"AssumeRolePolicyDocument": json.loads(trust({"AWS": MEMBER}))}),
        ("iam:UpdateRole", {"Description": "changed"}),
        ("iam:PutRolePolicy", {"Policies": [{"PolicyName": "b", "PolicyDocument": json.loads(allow("s3:*"))}]}),
        ("iam:DeleteRolePolicy", {"Policies": []}),
        ("iam:AttachRolePolicy", {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
        ("iam:DetachRolePolicy", {"ManagedPolicyArns": []}),
        ("iam:TagRole", {"Tags": [{"Key": "b", "Value": "c"}]}),
    ],
)
def test_the_change_of_a_role_needs_what_changes_it(scene: Scene, action: str, changed: dict[str, Any]) -> None:
    cloudformation, name = scene.client("cloudformation", MEMBER), f"changing-{action.partition(':')[2]}"
    before = {
        "Policies": [{"PolicyName": "a", "PolicyDocument": json.loads(allow("sns:*"))}],
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    }
    deploy(cloudformation, name, {"Resources": {"Role": role_resource(name, **before)}})
    after = {"Resources": {"Role": role_resource(name, **{**before, **changed})}}
    with scene.attached(deny(action, resource=f"arn:aws:iam::*:role/{name}")):
        stack = deploy(cloudformation, name, after)
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert action in reasons(cloudformation, stack["StackId"])
    assert deploy(cloudformation, name, after)["StackStatus"] == "UPDATE_COMPLETE"


def test_what_may_not_be_deleted_stays_with_its_stack(scene: Scene) -> None:
    cloudformation = scene.client("cloudformation", MEMBER)
    stack = deploy(cloudformation, "deleting", {"Resources": {"Role": role_resource("undeletable")}})
    with scene.attached(deny("iam:DeleteRole", resource=f"{IAM}:role/undeletable")):
        cloudformation.delete_stack(StackName="deleting")
        assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_FAILED"
    assert "undeletable" in role_names(scene, MEMBER)
    cloudformation.delete_stack(StackName="deleting")
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("action", "resource", "described"),
    [
        ("ssm:CreateDocument", f"{SSM}:document/Protected", {
            "Type": "AWS::SSM::Document",
            "Properties": {
                "Name": "Protected",
                "DocumentType": "Automation",
                "Content": {
                    "schemaVersion": "0.3",
                    "assumeRole": f"{IAM}:role/a",
                    "mainSteps": [{"name": "sleep", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}],
                },
            },
        }),
        ("events:PutRule", f"{EVENTS}:rule/protected", {
            "Type": "AWS::Events::Rule",
            "Properties": {"Name": "protected", "EventPattern": {"source": ["a"]}},
        }),
        ("events:PutTargets", f"{EVENTS}:rule/protected-2", {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "protected-2",
                "EventPattern": {"source": ["a"]},
                "Targets": [{"Id": "a", "Arn": f"arn:aws:sns:us-east-1:{MEMBER}:a"}],
            },
        }),
        ("iam:PassRole", f"{IAM}:role/judge", {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "passing-2",
                "EventPattern": {"source": ["a"]},
                "Targets": [{"Id": "a", "Arn": f"{EVENTS}:event-bus/default", "RoleArn": f"{IAM}:role/judge"}],
            },
        }),
        ("iam:CreatePolicy", f"{IAM}:policy/protected-*", {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"ManagedPolicyName": "protected-policy", "PolicyDocument": json.loads(allow("sns:*"))},
        }),
        ("iam:AttachRolePolicy", f"{IAM}:role/team/kept", {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": json.loads(allow("sns:*")), "Roles": ["kept"]},
        }),
        ("iam:PutRolePolicy", f"{IAM}:role/team/kept", {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "a", "PolicyDocument": json.loads(allow("sns:*")), "Roles": ["kept"]},
        }),
        ("iam:CreateRole", f"{IAM}:role/deep/protected-3", role_resource("protected-3", Path="/deep/")),
        ("iam:CreateRole", f"{IAM}:role/unnamed-*-Made-*", {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": ROLE_TRUST},
        }),
        ("sns:CreateTopic", f"arn:aws:sns:us-east-1:{MEMBER}:protected", {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": "protected"},
        }),
        ("logs:PutRetentionPolicy", f"arn:aws:logs:us-east-1:{MEMBER}:log-group:protected", {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "protected", "RetentionInDays": 7},
        }),
        ("sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{MEMBER}:protected", {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "protected"},
        }),
    ],
)  # fmt: skip  # as a table
def test_what_a_stack_makes_is_refused_by_the_resource(
    scene: Scene, kept: dict[str, str], action: str, resource: str, described: dict[str, Any]
) -> None:
    assert kept
    cloudformation, name = scene.client("cloudformation", MEMBER), f"unnamed-{uuid.uuid4().hex[:8]}"
    template = {"Resources": {"Made": described}}
    with scene.attached(deny(action, resource=resource)):
        stack = deploy(cloudformation, name, template)
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        assert f"{action} on resource: " in reasons(cloudformation, stack["StackId"])
    with scene.attached(deny(action, resource=f"{resource.rstrip('*')}another")):
        stack = deploy(cloudformation, f"{name}-2", template)
        assert stack["StackStatus"] == "CREATE_COMPLETE", reasons(cloudformation, stack["StackId"])
        cloudformation.delete_stack(StackName=stack["StackId"])
        assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_role_that_is_passed_to_cloudformation_is_the_deployer_from_then_on(scene: Scene) -> None:
    role = scene.client("iam", MEMBER).create_role(
        RoleName="stack-role", AssumeRolePolicyDocument=trust({"Service": "cloudformation.amazonaws.com"})
    )["Role"]["Arn"]
    cloudformation = scene.client("cloudformation", MEMBER)
    only_this = {"ArnNotEquals": {"aws:PrincipalArn": role}}
    one, two = ({"Resources": {"Role": role_resource("by-stack-role", Description=text)}} for text in ("one", "two"))
    with scene.attached(deny("iam:CreateRole", "iam:UpdateRole", "iam:DeleteRole", Condition=only_this)):
        stack = deploy(cloudformation, "service-role", one, RoleARN=role)
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert deploy(cloudformation, "service-role", two)["StackStatus"] == "UPDATE_COMPLETE"
        cloudformation.delete_stack(StackName="service-role")
        assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
        change = {"StackName": "service-role-2", "ChangeSetName": "a"}
        cloudformation.create_change_set(
            **change,
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(one),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            RoleARN=role,
        )
        cloudformation.execute_change_set(**change)
        assert settled(cloudformation, "service-role-2")["StackStatus"] == "CREATE_COMPLETE"
    with scene.attached(deny("iam:DeleteRole", Condition={"ArnEquals": {"aws:PrincipalArn": role}})):
        cloudformation.delete_stack(StackName="service-role-2")
        assert settled(cloudformation, "service-role-2")["StackStatus"] == "DELETE_FAILED"


def test_cloudformation_takes_no_role_that_does_not_trust_it(scene: Scene) -> None:
    role = scene.client("iam", MEMBER).create_role(RoleName="for-others", AssumeRolePolicyDocument=trust({"AWS": MEMBER}))
    for arn in (role["Role"]["Arn"], f"{IAM}:role/none", f"arn:aws:iam::{NESTED}:role/other"):
        stack = {"StackName": "untrusted", "TemplateBody": json.dumps(TOPIC_ONLY), "RoleARN": arn}
        assert refusal(scene.client("cloudformation", MEMBER).create_stack, **stack) == (
            "ValidationError",
            f"Role {arn} is invalid or cannot be assumed",
        )


def test_conditions_know_who_calls_through_cloudformation(scene: Scene) -> None:
    cloudformation = scene.client("cloudformation", MEMBER)
    via = {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}, "Bool": {"aws:ViaAWSService": "true"}}
    with scene.attached(deny("iam:CreateRole", Condition=via)):
        scene.client("iam", MEMBER).create_role(RoleName="called-directly", AssumeRolePolicyDocument=trust({"AWS": MEMBER}))
        stack = deploy(cloudformation, "via", {"Resources": {"Role": role_resource("called-via")}})
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"


@pytest.mark.parametrize("name", resource_permissions.known_types())
def test_what_stacks_need_is_what_the_schema_of_the_type_says(name: str) -> None:
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema["handlers"]
    permissions = {permission for handler in handlers.values() for permission in handler["permissions"]}
    assert resource_permissions.actions_of(name) <= permissions
    if name == "AWS::Lambda::ResourcePolicy":  # whose handlers need all that they name, but for the one on a stack
        assert permissions - resource_permissions.actions_of(name) == {"cloudformation:DescribeStacks"}


# Stacks of StackSets


def stack_set(scene: Scene, name: str, template: dict[str, Any]) -> dict[str, Any]:
    """Create a StackSet, deploy it to all members, and describe the operation once it has ended."""
    cloudformation = scene.client("cloudformation", MANAGEMENT)
    cloudformation.create_stack_set(
        StackSetName=name,
        TemplateBody=json.dumps(template),
        PermissionModel="SERVICE_MANAGED",
        Capabilities=["CAPABILITY_NAMED_IAM"],
        AutoDeployment={"Enabled": False},
    )
    return run(
        scene,
        name,
        "create_stack_instances",
        DeploymentTargets={"OrganizationalUnitIds": [ROOT]},
        Regions=["us-east-1"],
        OperationPreferences={"FailureToleranceCount": 9, "MaxConcurrentCount": 9},
    )


def run(scene: Scene, name: str, operation: str, **params: object) -> dict[str, Any]:
    cloudformation = scene.client("cloudformation", MANAGEMENT)
    operation_id = getattr(cloudformation, operation)(StackSetName=name, **params)["OperationId"]

    def ended() -> dict[str, Any] | None:
        found = cloudformation.describe_stack_set_operation(StackSetName=name, OperationId=operation_id)["StackSetOperation"]
        return None if found["Status"] in {"QUEUED", "RUNNING"} else dict(found)

    found = eventually(ended)
    assert found is not None
    return found


def remove(scene: Scene, name: str) -> dict[str, Any]:
    targets = {"OrganizationalUnitIds": [ROOT]}
    tolerant = {"FailureToleranceCount": 9, "MaxConcurrentCount": 9}
    return run(
        scene,
        name,
        "delete_stack_instances",
        DeploymentTargets=targets,
        Regions=["us-east-1"],
        RetainStacks=False,
        OperationPreferences=tolerant,
    )


def execution_role(scene: Scene, account_id: str) -> dict[str, Any]:
    [role] = [
        role for role in scene.client("iam", account_id).list_roles()["Roles"] if role["RoleName"].startswith("stacksets-exec-")
    ]
    return dict(role)


def test_stack_sets_act_in_each_member_as_a_role_of_theirs(scene: Scene) -> None:
    protected = {"Resources": {"Role": role_resource("by-stack-sets")}}
    with scene.attached(
        deny(
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:UpdateRole",
            resource="arn:aws:iam::*:role/by-stack-sets",
            Condition=BUT_STACK_SETS,
        ),
        deny("cloudformation:*", resource="arn:aws:cloudformation:*:*:stack/StackSet-*", Condition=BUT_STACK_SETS),
    ):
        assert stack_set(scene, "guarded", protected)["StatusDetails"]["FailedStackInstancesCount"] == 0
        assert "by-stack-sets" in role_names(scene, MEMBER)
        assert is_refused(scene.client("iam", MEMBER).delete_role, RoleName="by-stack-sets")
        [instance] = scene.client("cloudformation", MANAGEMENT).list_stack_instances(
            StackSetName="guarded", StackInstanceAccount=MEMBER
        )["Summaries"]
        assert is_refused(scene.client("cloudformation", MEMBER).delete_stack, StackName=instance["StackId"])
        assert is_refused(scene.client("cloudformation", MEMBER).delete_stack, StackName=instance["StackId"].split("/")[1])
        template = {"Resources": {"Role": role_resource("by-stack-sets", Description="changed")}}
        update = {"TemplateBody": json.dumps(template), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        assert run(scene, "guarded", "update_stack_set", **update)["Status"] == "SUCCEEDED"
        assert scene.client("iam", MEMBER).get_role(RoleName="by-stack-sets")["Role"]["Description"] == "changed"
        assert remove(scene, "guarded")["Status"] == "SUCCEEDED"
    assert "by-stack-sets" not in role_names(scene, MEMBER)


def test_the_role_of_stack_sets_is_there_for_them_only_and_stays(scene: Scene) -> None:
    stack_set(scene, "staying", TOPIC_ONLY)
    remove(scene, "staying")
    role = execution_role(scene, MEMBER)
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"]["AWS"].startswith(
        f"arn:aws:iam::{MANAGEMENT}:role/aws-service-role/stacksets.cloudformation."
    )
    assert role["RoleName"] != execution_role(scene, NESTED)["RoleName"]
    attached = scene.client("iam", MEMBER).list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AdministratorAccess"]
    for account_id in (MEMBER, MANAGEMENT):
        assume = {"RoleArn": role["Arn"], "RoleSessionName": "test"}
        assert refusal(scene.client("sts", account_id).assume_role, **assume)[0] == "AccessDenied"
    stack = {"StackName": "posing", "TemplateBody": json.dumps(TOPIC_ONLY), "RoleARN": role["Arn"]}
    assert refusal(scene.client("cloudformation", MEMBER).create_stack, **stack)[0] == "ValidationError"
    assert not any(name.startswith("stacksets-exec-") for name in role_names(scene, MANAGEMENT))


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("create-role", deny("iam:CreateRole", resource="arn:aws:iam::*:role/refused-*")),
        ("create-stack", deny("cloudformation:CreateStack", resource="arn:aws:cloudformation:*:*:stack/StackSet-*")),
    ],
)
def test_stack_sets_are_bound_like_anybody_of_the_member(scene: Scene, name: str, statement: dict[str, Any]) -> None:
    with scene.attached(statement, to=MEMBER):
        template = {"Resources": {"Role": role_resource(f"refused-{name}")}}
        assert stack_set(scene, name, template)["StatusDetails"]["FailedStackInstancesCount"] == 1
        [instance] = scene.client("cloudformation", MANAGEMENT).list_stack_instances(
            StackSetName=name, StackInstanceAccount=MEMBER
        )["Summaries"]
        assert instance["StackInstanceStatus"]["DetailedStatus"] == "FAILED"
        role = execution_role(scene, MEMBER)["RoleName"]
        assert f"{MEMBER}:assumed-role/{role}/" in instance["StatusReason"]
        assert DENIED in instance["StatusReason"]
    assert f"refused-{name}" in role_names(scene, NESTED)
    remove(scene, name)


def test_a_stack_that_stack_sets_may_not_delete_stays(scene: Scene) -> None:
    stack_set(scene, "undeletable", TOPIC_ONLY)
    with scene.attached(deny("cloudformation:DeleteStack"), to=MEMBER):
        assert remove(scene, "undeletable")["StatusDetails"]["FailedStackInstancesCount"] == 1
    assert remove(scene, "undeletable")["Status"] == "SUCCEEDED"
