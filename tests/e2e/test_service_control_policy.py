"""A member's administrator attacks the service control policies, and the deployment still gets through them.

Each attack is made twice: in a member under the policies, where a policy has to refuse it, and in one under none, where no
policy may: so it is the policy that refuses.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.operator import NOTICES, Operator
from demo.sam import RULE_NAME, uploaded
from local_aws.client import PROJECT, REGION, LocalAwsClient, LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.attacker import Attacker, administrator, lying_rule, put_lying_pack
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, StagedOrganization, run, write_accounts
from tests.e2e.packaged import deploy_organization

PROTECTED, OPEN = "310000000001", "310000000002"
POLICIES = ("root-virtual-mfa", "root-virtual-mfa-switches")
OUR_STACK = "StackSet-root-virtual-mfa-account-"
TRUST_ANYBODY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
)
TRUST_LAMBDA = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
ALLOW_EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})


def attach_policies(aws: LocalAwsClient, target: str, *further: str) -> None:
    """Attach the files of this package to a unit, a root or an account, as docs/service-control-policy.md says."""
    organizations = boto3_client(aws, "organizations", MANAGEMENT)
    for name in (*POLICIES, *further):
        content = (PROJECT / f"service_control_policies/{name}.json").read_text(encoding="utf-8")
        policy = organizations.create_policy(
            Name=name, Type="SERVICE_CONTROL_POLICY", Description="Protects the evaluation", Content=content
        )["Policy"]
        organizations.attach_policy(PolicyId=policy["PolicySummary"]["Id"], TargetId=target)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Start an organization before anything is deployed. One of its units is under the policies."""
    directory = tmp_path_factory.mktemp("protected")
    accounts: dict[str, Any] = {account_id: {} for account_id in (MANAGEMENT, CENTRAL, PROTECTED, OPEN)}
    units = {"Protected": [CENTRAL, PROTECTED], "Open": [OPEN]}
    with LocalAwsProcess(write_accounts(directory, accounts, units), directory / "local-aws.log") as aws:
        organizations = boto3_client(aws, "organizations", MANAGEMENT)
        [root] = organizations.list_roots()["Roots"]
        below = organizations.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
        [protected] = [unit["Id"] for unit in below if unit["Name"] == "Protected"]
        attach_policies(aws, protected)
        yield aws


@pytest.fixture(scope="module")
def organization(aws: LocalAwsProcess) -> Organization:
    """Deploy through the policies, which bind the central account too."""
    deploy_organization(aws, CENTRAL)
    organization = Organization(aws, CENTRAL)
    for account_id in (CENTRAL, PROTECTED, OPEN):
        organization.result(account_id)
    return organization


@pytest.fixture(scope="module")
def attackers(organization: Organization) -> dict[str, Attacker]:
    return {account_id: administrator(organization.aws, account_id) for account_id in (PROTECTED, OPEN)}


# What the attacks aim at. After an attack that succeeded, the next ones aim at what is gone


def stack_sets_role(attacker: Attacker) -> str:
    pages = attacker.client("iam").get_paginator("list_roles").paginate()
    names = [str(role["RoleName"]) for page in pages for role in page["Roles"]]
    return next(name for name in names if name.startswith("stacksets-exec-") and "evil" not in name)


def stack(attacker: Attacker) -> str:
    pages = attacker.client("cloudformation").get_paginator("describe_stacks").paginate()
    names = [str(each["StackName"]) for page in pages for each in page["Stacks"]]
    return next((name for name in names if name.startswith(OUR_STACK)), f"{OUR_STACK}gone")


def evaluation_policy(attacker: Attacker) -> str:
    arns = [str(each["Arn"]) for each in attacker.client("iam").list_policies(Scope="Local")["Policies"]]
    return next((each for each in arns if OUR_STACK in each), arn(attacker, "iam", f"policy/{OUR_STACK}gone"))


def rule(attacker: Attacker) -> str:
    names = [str(each["ConfigRuleName"]) for each in attacker.client("config").describe_config_rules()["ConfigRules"]]
    return next(name for name in names if name.startswith(RULE_NAME))


def arn(attacker: Attacker, service: str, resource: str) -> str:
    region = "" if service == "iam" else REGION
    return f"arn:aws:{service}:{region}:{attacker.account_id}:{resource}"


def execution(attacker: Attacker) -> str:
    """Start an execution of the account's own, to be stopped."""
    ssm = attacker.client("ssm")
    executions = ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
    return str(executions[0]["AutomationExecutionId"]) if executions else "00000000-0000-0000-0000-000000000000"


def make_function(attacker: Attacker, role_name: str) -> object:
    return attacker.client("lambda").create_function(
        FunctionName="evil",
        Runtime="python3.13",
        Handler="evil.handler",
        Role=arn(attacker, "iam", f"role/{role_name}"),
        Code={"ZipFile": b"PK\x05\x06" + b"\0" * 18},
    )


def own_stack(attacker: Attacker, resource: dict[str, Any]) -> None:
    """Let CloudFormation do it; raises what the stack failed with as an AccessDenied."""
    cloudformation = attacker.client("cloudformation")
    name = f"own-{abs(hash(json.dumps(resource)))}"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": {"It": resource}}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    def ended() -> str:
        [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return str(described["StackStatus"]) if not described["StackStatus"].endswith("_IN_PROGRESS") else ""

    if wait_for(ended, f"the end of stack {name}") != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": reasons}}, "CreateStack")


Attack = Callable[[Attacker], object]

ATTACKS: dict[str, Attack] = {
    # Claim an exception by its name.
    "make stacksets-exec-evil": lambda by: by.client("iam").create_role(
        RoleName="stacksets-exec-evil", AssumeRolePolicyDocument=TRUST_ANYBODY
    ),
    "make a role under the path /stacksets-exec-evil/": lambda by: by.client("iam").create_role(
        Path="/stacksets-exec-evil/", RoleName="innocent", AssumeRolePolicyDocument=TRUST_ANYBODY
    ),
    "make AWSControlTowerExecution": lambda by: by.client("iam").create_role(
        RoleName="AWSControlTowerExecution", AssumeRolePolicyDocument=TRUST_ANYBODY
    ),
    "make stacksets-exec-evil through CloudFormation": lambda by: own_stack(
        by,
        {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": "stacksets-exec-evil-too", "AssumeRolePolicyDocument": json.loads(TRUST_ANYBODY)},
        },
    ),
    "trust themselves in StackSets' role": lambda by: by.client("iam").update_assume_role_policy(
        RoleName=stack_sets_role(by), PolicyDocument=TRUST_ANYBODY
    ),
    "write into StackSets' role": lambda by: by.client("iam").put_role_policy(
        RoleName=stack_sets_role(by), PolicyName="evil", PolicyDocument=ALLOW_EVERYTHING
    ),
    "attach to StackSets' role": lambda by: by.client("iam").attach_role_policy(
        RoleName=stack_sets_role(by), PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    ),
    "pass StackSets' role to a function": lambda by: make_function(by, stack_sets_role(by)),
    "assume StackSets' role": lambda by: by.client("sts").assume_role(
        RoleArn=arn(by, "iam", f"role/{stack_sets_role(by)}"), RoleSessionName="evil"
    ),
    # The roles and their policy.
    "trust themselves in the evaluation role": lambda by: by.client("iam").update_assume_role_policy(
        RoleName="root-virtual-mfa-evaluation", PolicyDocument=TRUST_ANYBODY
    ),
    "detach the evaluation role's policy": lambda by: by.client("iam").detach_role_policy(
        RoleName="root-virtual-mfa-evaluation", PolicyArn=evaluation_policy(by)
    ),
    "bound the evaluation role": lambda by: by.client("iam").put_role_permissions_boundary(
        RoleName="root-virtual-mfa-evaluation", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    ),
    "write into the role of Notify": lambda by: by.client("iam").put_role_policy(
        RoleName="root-virtual-mfa-remediation", PolicyName="evil", PolicyDocument=ALLOW_EVERYTHING
    ),
    "empty the role of EventBridge": lambda by: by.client("iam").delete_role_policy(
        RoleName="root-virtual-mfa-events", PolicyName="start-runbooks"
    ),
    "delete the role of Reevaluate": lambda by: by.client("iam").delete_role(RoleName="root-virtual-mfa-reevaluation"),
    "shorten the sessions of the evaluation role": lambda by: by.client("iam").update_role(
        RoleName="root-virtual-mfa-evaluation", MaxSessionDuration=3600
    ),
    "make a role of our name in another case": lambda by: by.client("iam").create_role(
        RoleName="Root-Virtual-MFA-Evaluation", AssumeRolePolicyDocument=TRUST_LAMBDA
    ),
    "make a role of our name under another path": lambda by: by.client("iam").create_role(
        Path="/x/", RoleName="root-virtual-mfa-region-forwarder", AssumeRolePolicyDocument=TRUST_LAMBDA
    ),
    "write another version of the evaluation role's policy": lambda by: by.client("iam").create_policy_version(
        PolicyArn=evaluation_policy(by), PolicyDocument=ALLOW_EVERYTHING, SetAsDefault=True
    ),
    "delete the evaluation role's policy": lambda by: by.client("iam").delete_policy(PolicyArn=evaluation_policy(by)),
    "pass the role of Notify to a function": lambda by: make_function(by, "root-virtual-mfa-remediation"),
    "pass the role of Notify to a runbook": lambda by: by.client("ssm").start_automation_execution(
        DocumentName="RootVirtualMfa-Notify", Parameters={"AccountId": [by.account_id]}
    ),
    # What tells the owner.
    "replace the text of Notify": lambda by: by.client("ssm").update_document(
        Name="RootVirtualMfa-Notify", Content="{}", DocumentVersion="$LATEST"
    ),
    "make an old version of Notify its default": lambda by: by.client("ssm").update_document_default_version(
        Name="RootVirtualMfa-Notify", DocumentVersion="1"
    ),
    "delete Reevaluate": lambda by: by.client("ssm").delete_document(Name="RootVirtualMfa-Reevaluate"),
    "share Notify": lambda by: by.client("ssm").modify_document_permission(
        Name="RootVirtualMfa-Notify", PermissionType="Share", AccountIdsToAdd=["999999999999"]
    ),
    "stop an execution": lambda by: by.client("ssm").stop_automation_execution(AutomationExecutionId=execution(by)),
    "disable the rule on compliance changes": lambda by: by.client("events").disable_rule(
        Name="root-virtual-mfa-compliance-change"
    ),
    "disable the daily rule": lambda by: by.client("events").disable_rule(Name="root-virtual-mfa-daily"),
    "change the daily rule's schedule": lambda by: by.client("events").put_rule(
        Name="root-virtual-mfa-daily", ScheduleExpression="cron(0 0 1 1 ? 2199)"
    ),
    "give the role that speaks for events to a rule of one's own": lambda by: by.client("events").put_rule(
        Name="root-virtual-mfa-evil",
        EventPattern='{"source": ["evil"]}',
        RoleArn=f"arn:aws:iam::{by.account_id}:role/root-virtual-mfa-events",
    ),
    "change the pattern of the rule on compliance changes": lambda by: by.client("events").put_rule(
        Name="root-virtual-mfa-compliance-change", EventPattern='{"source": ["nobody"]}'
    ),
    "point the rule on root's changes elsewhere": lambda by: by.client("events").put_targets(
        Rule="root-virtual-mfa-root-user-change",
        Targets=[{"Id": "Reevaluate", "Arn": f"arn:aws:sns:{REGION}:{by.account_id}:elsewhere"}],
    ),
    "take the rule's target away": lambda by: by.client("events").remove_targets(
        Rule="root-virtual-mfa-compliance-change", Ids=["Notify"]
    ),
    "delete the rule on root's changes": lambda by: by.client("events").delete_rule(Name="root-virtual-mfa-root-user-change"),
    # The stack.
    "delete the stack": lambda by: by.client("cloudformation").delete_stack(StackName=stack(by)),
    "update the stack": lambda by: by.client("cloudformation").update_stack(StackName=stack(by), TemplateBody=TEMPLATE),
    "make a change set of the stack": lambda by: by.client("cloudformation").create_change_set(
        StackName=stack(by), ChangeSetName="evil", TemplateBody=TEMPLATE
    ),
    "execute a change set of the stack": lambda by: by.client("cloudformation").execute_change_set(
        StackName=stack(by), ChangeSetName="evil"
    ),
    "go on with a rollback of the stack": lambda by: by.client("cloudformation").continue_update_rollback(
        StackName=stack(by), ResourcesToSkip=["EvaluationRole"]
    ),
    "change the stack's termination protection": lambda by: by.client("cloudformation").update_termination_protection(
        StackName=stack(by), EnableTerminationProtection=True
    ),
    "give the stack a policy": lambda by: by.client("cloudformation").set_stack_policy(
        StackName=stack(by), StackPolicyBody=ALLOW_EVERYTHING
    ),
    # AWS Config and CloudTrail.
    "stop the recorder": lambda by: by.client("config").stop_configuration_recorder(ConfigurationRecorderName="default"),
    "change what the recorder records": lambda by: by.client("config").put_configuration_recorder(
        ConfigurationRecorder={"name": "default", "roleARN": arn(by, "iam", "role/evil")}
    ),
    "delete the delivery channel": lambda by: by.client("config").delete_delivery_channel(DeliveryChannelName="default"),
    "delete the recorder": lambda by: by.client("config").delete_configuration_recorder(ConfigurationRecorderName="default"),
    "delete the results of the pack's rule": lambda by: by.client("config").delete_evaluation_results(ConfigRuleName=rule(by)),
    "report with a stolen token": lambda by: by.client("config").put_evaluations(
        ResultToken="stolen",
        Evaluations=[
            {
                "ComplianceResourceType": "AWS::::Account",
                "ComplianceResourceId": by.account_id,
                "ComplianceType": "COMPLIANT",
                "OrderingTimestamp": 4070908800,
            }
        ],
    ),
    "stop a trail": lambda by: by.client("cloudtrail").stop_logging(Name="trail"),
    "leave the organization": lambda by: by.client("organizations").leave_organization(),
}


def refusal(attack: Attack, attacker: Attacker) -> str:
    """Return what refused an attack, or "" if nothing did."""
    try:
        attack(attacker)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return ""


@pytest.mark.parametrize("name", ATTACKS)
def test_a_members_administrator_is_refused(name: str, attackers: dict[str, Attacker]) -> None:
    said = refusal(ATTACKS[name], attackers[PROTECTED])
    assert said.startswith("AccessDenied")
    assert "with an explicit deny in a service control policy" in said


def test_without_the_policies_none_of_this_is_refused_by_one(attackers: dict[str, Attacker]) -> None:
    said = {name: refusal(attack, attackers[OPEN]) for name, attack in ATTACKS.items()}
    assert not {name: text for name, text in said.items() if "service control policy" in text}
    assert "" in said.values()


def test_the_root_user_of_a_member_is_refused_as_well(organization: Organization) -> None:
    root = boto3_client(organization.aws, "iam", PROTECTED)
    with pytest.raises(ClientError, match="explicit deny in a service control policy"):
        root.update_assume_role_policy(RoleName="root-virtual-mfa-evaluation", PolicyDocument=TRUST_ANYBODY)


def test_what_is_protected_goes_on_working(organization: Organization) -> None:
    """AWS Config, EventBridge and Automation go their way: the root user's change is seen, and the OpsItem is resolved."""
    before = organization.results(PROTECTED)
    with Operator(organization.aws, CENTRAL, NOTICES) as operator:
        wait_for(lambda: operator.ops_items(PROTECTED), "the OpsItem")
        organization.aws.change_root_user(PROTECTED, "add-virtual-device", "phone")
        operator.let_a_minute_pass(PROTECTED)
        assert organization.changed(PROTECTED, before)["ComplianceType"] == "COMPLIANT"
        wait_for(lambda: operator.ops_items(PROTECTED)[0]["Status"] == "Resolved", "the resolved OpsItem")
    organization.aws.change_root_user(PROTECTED, "remove-virtual-device", "phone")


def test_the_deployment_is_made_changed_and_deleted_through_the_policies(tmp_path: Path) -> None:
    accounts: dict[str, Any] = {account_id: {} for account_id in (MANAGEMENT, CENTRAL, PROTECTED, OPEN)}
    with LocalAwsProcess(write_accounts(tmp_path, accounts), tmp_path / "local-aws.log") as aws:
        attach_policies(aws, aws.organization()["root_id"])
        deploy_organization(aws, CENTRAL, {"ExcludedAccounts": OPEN})
        organization = Organization(aws, CENTRAL)
        organization.result(PROTECTED)

        update_stack_set(organization)
        iam, events = boto3_client(aws, "iam", PROTECTED), boto3_client(aws, "events", PROTECTED)
        assert iam.get_role(RoleName="root-virtual-mfa-evaluation")["Role"]["Description"].startswith("Changed: ")
        assert events.describe_rule(Name="root-virtual-mfa-compliance-change")["Description"].startswith("Changed: ")

        deploy_organization(aws, CENTRAL, {"ExcludedAccounts": PROTECTED})  # one stack goes, another comes
        organization.result(OPEN)
        assert not package_roles(aws, PROTECTED)
        assert package_roles(aws, OPEN)

        assert run(aws, CENTRAL, "delete", "--yes").code == 0
        assert not package_roles(aws, OPEN)


def update_stack_set(organization: Organization) -> None:
    """Give the StackSet a template with other roles, runbooks and rules."""
    changed = (
        (PROJECT / "account.yaml")
        .read_text(encoding="utf-8")
        .replace("      Description: ", "      Description: 'Changed: ' # ")
    )
    cloudformation = organization.client("cloudformation")
    name = organization.outputs["StackSetName"]
    operation_id = cloudformation.update_stack_set(
        StackSetName=name,
        TemplateURL=uploaded(organization.aws, CENTRAL, changed),
        Parameters=[{"ParameterKey": "CentralAccountId", "UsePreviousValue": True}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        CallAs="DELEGATED_ADMIN",
    )["OperationId"]

    def status() -> str:
        described = cloudformation.describe_stack_set_operation(
            StackSetName=name, OperationId=operation_id, CallAs="DELEGATED_ADMIN"
        )
        found = str(described["StackSetOperation"]["Status"])
        return found if found not in {"QUEUED", "RUNNING"} else ""

    assert wait_for(status, "the end of the StackSet's update") == "SUCCEEDED"


def package_roles(aws: LocalAwsClient, account_id: str) -> list[str]:
    pages = boto3_client(aws, "iam", account_id).get_paginator("list_roles").paginate()
    names = (role["RoleName"] for page in pages for role in page["Roles"])
    return [name for name in names if name.startswith("root-virtual-mfa-")]


# --- The rule that a StackSet brings ---


CHANGES_OF_THE_RULE: dict[str, Attack] = {
    "delete the rule": lambda by: by.client("config").delete_config_rule(ConfigRuleName=RULE_NAME),
    "delete its results": lambda by: by.client("config").delete_evaluation_results(ConfigRuleName=RULE_NAME),
    "accept any MFA in it": lambda by: by.client("config").put_config_rule(
        ConfigRule=own_rule(by, InputParameters='{"nonVirtualMfa": "COMPLIANT"}')
    ),
    "let another function evaluate it": lambda by: by.client("config").put_config_rule(
        ConfigRule=lying_rule(arn(by, "lambda", "function:evil"), RULE_NAME, "COMPLIANT", "All is well.")
    ),
    "make another rule": lambda by: by.client("config").put_config_rule(ConfigRule=own_rule(by, ConfigRuleName="another")),
    "take the rule away with its stack": lambda by: by.client("cloudformation").delete_stack(StackName=stack(by)),
}


def own_rule(by: Attacker, **changes: str) -> dict[str, Any]:
    """Return the rule as PutConfigRule takes it, with changes."""
    [found] = by.client("config").describe_config_rules(ConfigRuleNames=[RULE_NAME])["ConfigRules"]
    return {name: found[name] for name in ("ConfigRuleName", "InputParameters", "Source")} | changes


def test_a_rule_by_stack_set_is_made_changed_and_deleted_through_the_policies_and_by_nobody_else(tmp_path: Path) -> None:
    accounts: dict[str, Any] = {account_id: {} for account_id in (MANAGEMENT, CENTRAL, PROTECTED)}
    with LocalAwsProcess(write_accounts(tmp_path, accounts), tmp_path / "local-aws.log") as aws:
        attach_policies(aws, aws.organization()["root_id"], "root-virtual-mfa-stack-set")
        deploy_organization(aws, CENTRAL, {"RuleDeployment": "StackSet"})
        organization = StagedOrganization(aws, CENTRAL)
        first = organization.result(PROTECTED)

        mallory = administrator(aws, PROTECTED)
        refused = {name: refusal(attack, mallory) for name, attack in CHANGES_OF_THE_RULE.items()}
        assert all("explicit deny in a service control policy" in said for said in refused.values()), refused
        assert organization.result(PROTECTED) == first

        put_lying_pack(mallory, "hers", "NON_COMPLIANT", "What members may still do.")
        wait_for(lambda: len(rules_of(organization)) == 2, "the rule of the member's own pack")

        deploy_organization(aws, CENTRAL, {"MinimumVirtualMfaDevices": "2"})
        [rule] = [each for each in rules_of(organization) if each["ConfigRuleName"] == RULE_NAME]
        assert json.loads(rule["InputParameters"])["minimumVirtualMfaDevices"] == "2"
        organization.changed(PROTECTED, [first])

        deploy_organization(aws, CENTRAL, {"ExcludedAccounts": PROTECTED})
        assert [each["ConfigRuleName"] for each in rules_of(organization) if each["ConfigRuleName"] == RULE_NAME] == []


def rules_of(organization: Organization) -> list[dict[str, Any]]:
    """Return the rules of the protected account."""
    found: list[dict[str, Any]] = organization.client("config", PROTECTED).describe_config_rules()["ConfigRules"]
    return found
