"""The runbooks: what starts them, and what each may do."""

import ast
import json
import re
import textwrap
from collections import Counter
from typing import Any

import pytest
import yaml
from botocore import xform_name

from remediation import config_rule, notify, remove_root_credentials, root_credentials

from .templates import (
    ACCOUNT,
    APPLICATION,
    FORWARDER,
    ROOT_CREDENTIALS,
    Deployment,
    as_list,
    properties,
    resolved,
    resources,
    steps,
    template,
)

RUNBOOKS = [
    (ACCOUNT, "NotifyRunbook", "RemediationRole"),
    (ACCOUNT, "ReevaluateRunbook", "ReevaluationRole"),
    (ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook", "CredentialRemovalRole"),
]
ROOT_TASKS = [root_credentials.AUDIT, remove_root_credentials.DELETE]
ACTIONS: dict[str, set[str]] = {
    "notify": notify.NOTIFY_ACTIONS,
    "start_evaluation": config_rule.START_EVALUATION_ACTIONS,
    **remove_root_credentials.PERMISSIONS,
}
"""What the handler of each script declares that it needs."""
each_runbook = pytest.mark.parametrize(("name", "runbook", "role"), RUNBOOKS, ids=[runbook for _, runbook, _ in RUNBOOKS])


def policy(name: str, role: str) -> dict[str, dict[str, Any]]:
    """Return the statements of a role's policy by their Sids."""
    [inline] = properties(name, role)["Policies"]
    return {statement["Sid"]: statement for statement in inline["PolicyDocument"]["Statement"]}


def allowed(name: str, role: str) -> list[str]:
    return sorted(
        action
        for statement in policy(name, role).values()
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
    )


# --- Runbooks ---


@each_runbook
def test_a_runbook_can_be_updated(name: str, runbook: str, role: str) -> None:
    assert properties(name, runbook)["UpdateMethod"] == "NewVersion"
    assert properties(name, runbook)["DocumentType"] == "Automation"
    assert role in template(name)["Resources"]


@each_runbook
def test_a_runbook_fits_in_a_document(name: str, runbook: str, role: str) -> None:
    """Nobody knows how CloudFormation writes the YAML of a document: as JSON, with escapes, or with indented blocks."""
    content = resolved(name, properties(name, runbook)["Content"])
    indented = textwrap.indent("\n".join(step["inputs"].get("Script", "") for step in content["mainSteps"]), " " * 14)
    written = json.dumps(content), yaml.safe_dump(content), json.dumps(without_scripts(content)) + indented
    # Source: https://docs.aws.amazon.com/general/latest/gr/ssm.html, size of a document.
    assert max(len(text.encode()) for text in written) <= 64 * 1024
    assert role


def without_scripts(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a document whose steps have no script."""
    steps_ = [{**step, "inputs": {**step["inputs"], "Script": ""}} for step in content["mainSteps"]]
    return {**content, "mainSteps": steps_}


@each_runbook
def test_a_runbook_runs_as_its_role_by_default_or_always(name: str, runbook: str, role: str) -> None:
    content = properties(name, runbook)["Content"]
    arn = {"Fn::GetAtt": [role, "Arn"]}
    if name == ROOT_CREDENTIALS:
        assert content["assumeRole"] == arn
        assert "AutomationAssumeRole" not in content["parameters"]
    else:
        assert content["assumeRole"] == "{{ AutomationAssumeRole }}"
        assert content["parameters"]["AutomationAssumeRole"]["default"] == arn


@each_runbook
def test_only_automation_for_this_account_may_assume_its_role(name: str, runbook: str, role: str) -> None:
    [statement] = properties(name, role)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "ssm.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {
            "aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:automation-execution/*"}
        },
    }
    assert runbook


# --- Least privilege ---


def needed(name: str, runbook: str) -> set[str]:
    """Collect the actions that a runbook's steps need: what its scripts declare, and what Automation calls itself."""
    actions: set[str] = set()
    for step in steps(name, runbook).values():
        match step["action"], step.get("inputs", {}):
            case "aws:executeScript", {"Handler": handler}:
                actions |= ACTIONS[handler]
            case "aws:executeAwsApi", {"Service": service, "Api": api}:
                actions.add(f"{service}:{api}")
            case "aws:approve", {"NotificationArn": _}:
                actions.add("sns:Publish")
            case action, _:
                assert action in {"aws:branch", "aws:sleep"}
    return actions


@each_runbook
def test_a_role_may_do_what_the_steps_of_its_runbook_need_and_no_more(name: str, runbook: str, role: str) -> None:
    assert allowed(name, role) == sorted(needed(name, runbook))


def scripts() -> list[tuple[str, ast.Module]]:
    """Return each handler and the script that has it, as CloudFormation puts it together."""
    return [
        (step["inputs"]["Handler"], ast.parse(resolved(name, step["inputs"]["Script"])))
        for name, runbook, _ in RUNBOOKS
        for step in steps(name, runbook).values()
        if step["action"] == "aws:executeScript"
    ]


each_script = pytest.mark.parametrize(("handler", "script"), scripts(), ids=[handler for handler, _ in scripts()])


@each_script
def test_a_script_declares_only_what_it_calls(handler: str, script: ast.Module) -> None:
    """The unit tests of the scripts show the reverse: they declare all that they call."""
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.value
        for node in ast.walk(script)
        if isinstance(node, ast.Attribute | ast.Constant)
    }
    for action in ACTIONS[handler]:
        operation = action.partition(":")[2]
        assert used & {operation, xform_name(operation)}, action


@each_script
def test_a_script_has_its_handler_and_no_name_twice(handler: str, script: ast.Module) -> None:
    """Several files make one script: a second definition would take the place of the first."""
    defined = [
        name
        for node in script.body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
            if isinstance(node, ast.Assign | ast.AnnAssign)
            else []
        )
    ]
    assert handler in defined
    assert Counter(defined).most_common(1)[0][1] == 1


@pytest.mark.parametrize(("name", "runbook"), [(name, runbook) for name, runbook, _ in RUNBOOKS])
def test_no_execution_depends_on_what_a_branch_without_a_default_does(name: str, runbook: str) -> None:
    """AWS documents it for a branch with isEnd only."""
    found = steps(name, runbook)
    for step in found.values():
        if step["action"] == "aws:branch":
            assert step["inputs"]["Default"] in found
            assert "isEnd" not in step
            assert "nextStep" not in step
    assert list(found.values())[-1]["isEnd"] is True


@pytest.mark.parametrize(("name", "runbook"), [(name, runbook) for name, runbook, _ in RUNBOOKS])
def test_beside_each_list_there_is_a_text(name: str, runbook: str) -> None:
    """AWS does not document how it shows a list among the outputs of an execution."""
    outputs = properties(name, runbook)["Content"]["outputs"]
    for step_name, step in steps(name, runbook).items():
        types = {output["Name"]: output["Type"] for output in step.get("outputs", [])}
        if "StringList" in types.values():
            assert types["Text"] == "String"
            assert f"{step_name}.Text" in outputs


def test_notify_sends_to_the_topic_for_notices_only() -> None:
    topic = steps(ACCOUNT, "NotifyRunbook")["Notify"]["inputs"]["InputPayload"]["TopicArn"]
    assert policy(ACCOUNT, "RemediationRole")["SendMessage"]["Resource"] == topic
    name = properties(APPLICATION, "NoticeTopic")["TopicName"]
    assert topic["Fn::Sub"][0].endswith(f":${{Central}}:{name}")


def test_remove_root_credentials_opens_root_sessions_for_two_tasks_only() -> None:
    statement = policy(ROOT_CREDENTIALS, "CredentialRemovalRole")["OpenRootSessions"]
    tasks = statement["Condition"]["StringEquals"]["sts:TaskPolicyArn"]
    arns = [f"arn:${{AWS::Partition}}:iam::aws:policy/root-task/{task}" for task in ROOT_TASKS]
    assert [task["Fn::Sub"] for task in tasks] == arns


def test_remove_root_credentials_reads_its_own_document_and_executions_of_its_account() -> None:
    statements = policy(ROOT_CREDENTIALS, "CredentialRemovalRole")
    own = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:"
    name = properties(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")["Name"]
    assert statements["ReadItself"]["Resource"] == {"Fn::Sub": f"{own}automation-execution/*"}
    assert statements["ReadItsDocument"]["Resource"] == {"Fn::Sub": f"{own}document/{name}"}


def test_what_remove_root_credentials_refuses_iam_denies_too() -> None:
    denied = policy(ROOT_CREDENTIALS, "CredentialRemovalRole")["NeverThese"]
    assert (denied["Effect"], denied["Action"]) == ("Deny", "sts:AssumeRoot")
    condition, some, none = denied["Resource"]["Fn::If"]
    assert condition == "HasDeniedAccounts"
    assert none == {"Fn::Sub": "arn:*:iam::${ManagementAccountId}:root"}
    separator, joined = some["Fn::Split"]
    text, variables = joined["Fn::Sub"]
    delimiter, accounts = variables["Denied"]["Fn::Join"]
    assert accounts == {"Ref": "DeniedAccounts"}
    resolved = text.replace("${ManagementAccountId}", "1").replace("${Denied}", delimiter.join(["2", "3"]))
    assert resolved.split(separator) == [f"arn:*:iam::{account}:root" for account in (1, 2, 3)]


def test_eventbridge_starts_the_two_runbooks_and_passes_their_roles_to_automation_only() -> None:
    assert allowed(ACCOUNT, "EventsRole") == ["iam:PassRole", "ssm:StartAutomationExecution"]
    statements = policy(ACCOUNT, "EventsRole")
    names = [properties(ACCOUNT, runbook)["Name"] for name, runbook, _ in RUNBOOKS if name == ACCOUNT]
    started = [resource["Fn::Sub"].rpartition("/")[2] for resource in statements["StartRunbooks"]["Resource"]]
    assert started == [*(f"{name}:*" for name in names), *names, "*"]
    passed = statements["PassRunbookRoles"]
    assert passed["Resource"] == [{"Fn::GetAtt": [role, "Arn"]} for name, _, role in RUNBOOKS if name == ACCOUNT]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}


@pytest.mark.parametrize(("name", "role"), [(ACCOUNT, "EventsRole"), (FORWARDER, "RegionForwarderRole")])
def test_only_the_packages_eventbridge_rules_may_assume_their_role(name: str, role: str) -> None:
    [statement] = properties(name, role)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    trusted = next(condition for key, condition in statement["Condition"].items() if key.startswith("Arn"))["aws:SourceArn"]
    own = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/"
    names = [rule["Properties"]["Name"] for rule in resources(name, "AWS::Events::Rule").values()]
    assert sorted(arn["Fn::Sub"] for arn in as_list(trusted)) == sorted(f"{own}{each}" for each in names)


def test_the_forwarder_sends_to_the_home_region_of_its_account_and_nowhere_else() -> None:
    [rule] = resources(FORWARDER, "AWS::Events::Rule").values()
    [target] = rule["Properties"]["Targets"]
    assert allowed(FORWARDER, "RegionForwarderRole") == ["events:PutEvents"]
    assert policy(FORWARDER, "RegionForwarderRole")["SendToHomeRegion"]["Resource"] == target["Arn"]
    assert target["Arn"]["Fn::Sub"].endswith(":events:${HomeRegion}:${AWS::AccountId}:event-bus/default")


def test_only_the_remediation_role_of_the_organization_or_the_account_may_send_notices() -> None:
    publish, _ = properties(APPLICATION, "NoticeTopicPolicy")["PolicyDocument"]["Statement"]
    assert publish["Action"] == "sns:Publish"
    assert publish["Condition"]["StringEquals"]["Fn::If"] == [
        "Organization",
        {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}},
    ]
    role = properties(ACCOUNT, "RemediationRole")["RoleName"]
    assert publish["Condition"]["ArnLike"]["aws:PrincipalArn"]["Fn::Sub"].endswith(f":iam::*:role/{role}")


# --- What starts them ---


def test_the_forwarder_sends_what_the_home_region_waits_for() -> None:
    [forwarder] = resources(FORWARDER, "AWS::Events::Rule").values()
    assert forwarder["Properties"]["EventPattern"] == properties(ACCOUNT, "RootUserChangeRule")["EventPattern"]


def test_nothing_but_people_starts_the_removal() -> None:
    targets = [
        target["Arn"]["Fn::Sub"]
        for name in (ACCOUNT, FORWARDER)
        for rule in resources(name, "AWS::Events::Rule").values()
        for target in rule["Properties"]["Targets"]
    ]
    assert len(targets) == 4
    assert not [target for target in targets if "RemoveRootCredentials" in target]
    remediation = properties(APPLICATION, "RemediationConfiguration")
    assert remediation["TargetId"] == {"Fn::GetAtt": ["Account", "Outputs.NotifyRunbookName"]}
    assert "AWS::Events::Rule" not in {each["Type"] for each in template(ROOT_CREDENTIALS)["Resources"].values()}


def target(rule: str) -> dict[str, Any]:
    [found] = properties(ACCOUNT, rule)["Targets"]
    return dict(found)


def test_every_day_and_every_change_start_notify_as_it_is_deployed() -> None:
    starts = [target("ComplianceChangeRule"), target("DailyRule")]
    for each in starts:
        # A live capture: without a version, nothing starts.
        assert each["Arn"]["Fn::Sub"].endswith(":automation-definition/${NotifyRunbook}:$DEFAULT")
        assert each["RoleArn"] == {"Fn::GetAtt": ["EventsRole", "Arn"]}
    assert properties(ACCOUNT, "DailyRule")["ScheduleExpression"] == "rate(1 day)"
    given = json.loads(starts[1]["Input"]["Fn::Sub"])
    assert given == {"AccountId": ["${AWS::AccountId}"], "AutomationAssumeRole": ["${RemediationRole.Arn}"]}


def test_an_event_tells_its_result_in_a_json_object_of_lists_with_one_text() -> None:
    transformer = target("ComplianceChangeRule")["InputTransformer"]
    template = transformer["InputTemplate"]["Fn::Sub"]
    given = json.loads(template)
    parameters = properties(ACCOUNT, "NotifyRunbook")["Content"]["parameters"]
    assert set(given) == set(parameters)
    # What others may write comes first: of a key that comes twice, parsers take the last one.
    assert next(iter(given)) == "Event"
    assert "<annotation>" in given.pop("Event")[0]
    assert given.pop("ConfigRuleArn") == ["<rule>"]
    assert "<" not in json.dumps(given)
    assert set(re.findall("<(.*?)>", template)) == set(transformer["InputPathsMap"])


@pytest.mark.parametrize(
    ("central", "by", "rule_id", "starts"),
    [
        ("", "ConformancePack", "config-rule-a1b2c3", True),
        # the account's own conformance pack
        ("", "ConformancePack", "aws-service-rule/config-conforms.amazonaws.com/config-rule-a1b2c3", True),
        ("222222222222", "ConformancePack", "config-rule-a1b2c3", False),
        ("222222222222", "ConformancePack", "aws-service-rule/config-conforms.amazonaws.com/config-rule-a1b2c3", True),
        ("222222222222", "StackSet", "config-rule-a1b2c3", True),
    ],
)
def test_in_an_organization_with_a_pack_only_a_services_rule_starts_notify(
    central: str, by: str, rule_id: str, *, starts: bool
) -> None:
    deployed = Deployment(ACCOUNT, CentralAccountId=central, RuleDeployment=by)
    pattern = deployed.properties("ComplianceChangeRule")["EventPattern"]
    assert pattern["account"] == ["111122223333"]
    [matcher] = pattern["detail"]["configRuleARN"]
    arn = f"arn:aws:config:us-east-1:111122223333:config-rule/{rule_id}"
    assert arn.startswith(matcher["prefix"]) is starts


def test_the_removal_shows_its_plan_asks_and_removes_in_this_order() -> None:
    content = properties(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")["Content"]
    assert content["parameters"]["DryRun"]["default"] is True
    assert list(steps(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")) == [
        "Plan",
        "Decide",
        "Approve",
        "RemoveCredentials",
        "Stop",
    ]
    assert not any("onFailure" in step and step["onFailure"] != "Abort" for step in content["mainSteps"])
    assert steps(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")["Decide"]["inputs"]["Choices"] == [
        {"NextStep": "Approve", "Variable": "{{ Plan.Removes }}", "BooleanEquals": True}
    ]
    assert not any("nextStep" in step for step in content["mainSteps"]), "nothing goes around the approval"


def test_a_dry_run_stops_whatever_a_branch_without_a_default_means() -> None:
    """Each branch of the removal has a default, which is a step that ends the execution."""
    found = steps(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")
    branches = [step for step in found.values() if step["action"] == "aws:branch"]
    assert branches
    for step in branches:
        assert "isEnd" not in step
        assert found[step["inputs"]["Default"]]["isEnd"] is True
        assert found[step["inputs"]["Default"]]["action"] == "aws:sleep"
    assert found["RemoveCredentials"]["isEnd"] is True
    assert found["RemoveCredentials"]["inputs"]["InputPayload"]["DryRun"] == "{{ DryRun }}"


def test_outputs_of_the_removal_are_texts() -> None:
    """What people read, and what a step hands on, does not depend on how Automation writes a list."""
    found = steps(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")
    types = {each["Type"] for step in found.values() for each in step.get("outputs", [])}
    assert types == {"String", "Boolean"}


def test_who_approves_is_fixed_at_deployment() -> None:
    parameters = properties(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")["Content"]["parameters"]
    assert parameters.keys() == {"AccountId", "DryRun"}
    found = steps(ROOT_CREDENTIALS, "RemoveRootCredentialsRunbook")
    approve, removal = found["Approve"]["inputs"], found["RemoveCredentials"]["inputs"]["InputPayload"]
    assert approve["Approvers"] == {"Ref": "Approvers"}
    # A number, and no text: https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html
    index, numbers = approve["MinRequiredApprovals"]["Fn::Select"]
    assert index == removal["MinimumApprovals"] == {"Ref": "MinimumApprovals"}
    assert numbers == list(range(template(ROOT_CREDENTIALS)["Parameters"]["MinimumApprovals"]["MaxValue"] + 1))
    assert approve["Message"] == "{{ Plan.Text }}"
    # Source: https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-approve.html, NotificationArn.
    assert properties(ROOT_CREDENTIALS, "ApprovalTopic")["TopicName"].startswith("Automation")
    for step in ("Plan", "RemoveCredentials"):
        assert found[step]["inputs"]["InputPayload"]["DeniedAccounts"] == {"Ref": "DeniedAccounts"}
        assert found[step]["inputs"]["InputPayload"]["ExecutionId"] == "{{ automation:EXECUTION_ID }}"
    assert removal["Version"] == "{{ Plan.Version }}"


def test_the_deployment_says_how_removals_are_approved() -> None:
    """An operator who deploys with one approval has to know what one person can do."""
    parameters, outputs = template(APPLICATION)["Parameters"], template(APPLICATION)["Outputs"]
    assert "Name nobody who may start the runbook" in parameters["RemovalApprovers"]["Description"]
    assert "With 1, one person" in parameters["RemovalMinimumApprovals"]["Description"]
    text, variables = outputs["RemovalApproval"]["Value"]["Fn::Sub"]
    assert outputs["RemovalApproval"]["Condition"] == "RemovesRootCredentials"
    assert variables == {"Approvers": {"Fn::Join": [", ", {"Ref": "RemovalApprovers"}]}}
    for said in (
        "${RemovalMinimumApprovals} of these",
        "${Approvers}",
        "that started it",
        "Nobody can tell whether one person",
    ):
        assert said in text


def test_the_remediation_is_that_of_config_if_it_is_not_off() -> None:
    resource = template(APPLICATION)["Resources"]["RemediationConfiguration"]
    assert resource["Condition"] == "RemediatesInAccount"
    assert resource["Properties"]["Parameters"] == {
        "AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}},
        "AutomationAssumeRole": {"StaticValue": {"Values": [{"Fn::GetAtt": ["Account", "Outputs.RemediationRoleArn"]}]}},
    }
    assert template(APPLICATION)["Parameters"]["Remediation"]["AllowedValues"] == ["Default", "Off", "Manual", "Automatic"]
