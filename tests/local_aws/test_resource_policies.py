"""Who may invoke a function of the local AWS: its resource policy decides when a rule is put and at each evaluation."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_aws.organization_scene import (
    DELEGATED,
    MANAGEMENT,
    MEMBER,
    NO_RECORDER,
    ORGANIZATION_ID,
    OTHER,
    OUTSIDER,
    RECORDING,
    Scene,
    organization,
    template_of,
)
from tests.local_aws.scene import Client, eventually, let_config_invoke, rule

DENIED = "InsufficientPermissionsException"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with organization(tmp_path_factory.mktemp("organization")) as scene:
        put_recorder(scene, OUTSIDER)
        yield scene


@pytest.fixture
def withheld(scene: Scene) -> Iterator[None]:
    """Keep AWS Config from sending the organization."""
    scene.process.switch("withhold-source-org-id", on=True)
    yield
    scene.process.switch("withhold-source-org-id", on=False)


def put_recorder(scene: Scene, account_id: str) -> None:
    role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    scene.config(account_id).put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": role})


def policy_of(function_arn: str, **condition: object) -> dict[str, Any]:
    """Make a policy that lets AWS Config invoke if the keys have the values in `condition`."""
    keys = {f"aws:{key}": value for key, value in condition.items()}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "config.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function_arn,
        "Condition": {"StringEquals": keys},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def deploy(scene: Scene, stack: str, function_arn: str, policy: object, account_id: str = DELEGATED) -> str:
    """Put a resource policy on a function by a stack, and return the status of the stack."""
    properties = {"ResourceArn": function_arn, "PolicyDocument": policy}
    resources = {"Policy": {"Type": "AWS::Lambda::ResourcePolicy", "Properties": properties}}
    outputs = {"Reference": {"Value": {"Ref": "Policy"}}}
    deployed = scene.deploy(account_id, stack, resources, outputs=outputs)
    if deployed["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
        assert [output["OutputValue"] for output in deployed["Outputs"]] == [function_arn]
    return str(deployed["StackStatus"])


def may_put(scene: Scene, account_id: str, function_arn: str, name: str) -> bool:
    """Tell whether AWS Config accepts a rule of an account. Delete the rule again."""
    config = scene.config(account_id)
    try:
        config.put_config_rule(ConfigRule=rule(function_arn, name))
    except config.exceptions.InsufficientPermissionsException:
        return False
    config.delete_config_rule(ConfigRuleName=name)
    return True


def test_a_policy_for_the_organization_lets_its_accounts_in_and_nobody_else(scene: Scene) -> None:
    arn = scene.judge("for-organization")
    assert not may_put(scene, DELEGATED, arn, "for-organization")
    assert deploy(scene, "for-organization", arn, policy_of(arn, SourceOrgID=ORGANIZATION_ID)) == "CREATE_COMPLETE"
    assert {account_id: may_put(scene, account_id, arn, "for-organization") for account_id in [*RECORDING, OUTSIDER]} == {
        **dict.fromkeys(RECORDING, True),
        OUTSIDER: False,
    }


@pytest.mark.usefixtures("withheld")
def test_if_config_does_not_send_the_organization_a_list_of_accounts_fixes_it(scene: Scene) -> None:
    arn = scene.judge("fixed")
    assert deploy(scene, "fixed", arn, policy_of(arn, SourceOrgID=ORGANIZATION_ID)) == "CREATE_COMPLETE"
    assert not may_put(scene, MEMBER, arn, "fixed")
    assert deploy(scene, "fixed", arn, policy_of(arn, SourceAccount=[DELEGATED, MEMBER])) == "UPDATE_COMPLETE"
    assert {account_id: may_put(scene, account_id, arn, "fixed") for account_id in [DELEGATED, MEMBER, OTHER]} == {
        DELEGATED: True,
        MEMBER: True,
        OTHER: False,
    }


@pytest.mark.usefixtures("withheld")
def test_the_same_with_a_pack(scene: Scene) -> None:
    arn = scene.judge("packed")
    deploy(scene, "packed", arn, policy_of(arn, SourceOrgID=ORGANIZATION_ID))
    with scene.pack("packed", template_of(arn, "packed-rule")):
        failed = scene.statuses("packed", Status="CREATE_FAILED")
        assert {account_id: status["ErrorCode"] for account_id, status in failed.items()} == dict.fromkeys(RECORDING, DENIED)
        assert arn in failed[MEMBER]["ErrorMessage"]
        deploy(scene, "packed", arn, policy_of(arn, SourceAccount=RECORDING))
        scene.config(DELEGATED).put_organization_conformance_pack(
            OrganizationConformancePackName="packed",
            TemplateBody=json.dumps(template_of(arn, "packed-rule")),
            ExcludedAccounts=[NO_RECORDER],
        )
        assert sorted(scene.statuses("packed", Status="UPDATE_SUCCESSFUL")) == RECORDING
        assert len(scene.results(MEMBER, "packed-rule")) == 1


def test_a_policy_replaces_what_was_added(scene: Scene) -> None:
    arn = scene.judge("replaced")
    let_config_invoke(scene.client, arn, OTHER)
    assert may_put(scene, OTHER, arn, "replaced")
    policy = policy_of(arn, SourceAccount=MEMBER)
    assert deploy(scene, "replaced", arn, policy) == "CREATE_COMPLETE"
    assert json.loads(scene.client("lambda", DELEGATED).get_policy(FunctionName="replaced")["Policy"]) == policy
    assert not may_put(scene, OTHER, arn, "replaced")
    assert may_put(scene, MEMBER, arn, "replaced")
    scene.delete_stack(DELEGATED, "replaced")
    assert not may_put(scene, MEMBER, arn, "replaced")


def test_a_denial_wins(scene: Scene) -> None:
    arn = scene.judge("denied")
    allowed, denied = policy_of(arn, SourceOrgID=ORGANIZATION_ID), policy_of(arn, SourceAccount=OTHER)
    denied["Statement"][0]["Effect"] = "Deny"
    policy = {**allowed, "Statement": allowed["Statement"] + denied["Statement"]}
    assert deploy(scene, "denied", arn, policy) == "CREATE_COMPLETE"
    assert may_put(scene, MEMBER, arn, "denied")
    assert not may_put(scene, OTHER, arn, "denied")


@pytest.mark.parametrize(
    ("number", "status"),
    [(1, "CREATE_COMPLETE"), (1_300, "CREATE_COMPLETE"), (1_400, "ROLLBACK_COMPLETE")],
)
def test_a_policy_has_20480_characters_at_most(scene: Scene, number: int, status: str) -> None:
    name = f"long-{number}"
    arn = scene.judge(name)
    # An account in a list takes 15 characters, and the rest some 200.
    assert deploy(scene, name, arn, policy_of(arn, SourceAccount=[f"{account:012}" for account in range(number)])) == status
    assert ("PolicyLengthExceededException" in scene.reasons(DELEGATED, name)) == (status == "ROLLBACK_COMPLETE")


def test_a_policy_that_is_none_is_refused(scene: Scene) -> None:
    arn = scene.judge("unreadable")
    statement = policy_of(arn)["Statement"][0]
    del statement["Principal"]
    for number, policy in enumerate([{"Statement": "Allow"}, {"Statement": [statement]}, {"Version": "2012-10-17"}]):
        stack = f"unreadable-{number}"
        assert deploy(scene, stack, arn, policy) == "ROLLBACK_COMPLETE"
        assert "InvalidParameterValueException" in scene.reasons(DELEGATED, stack)


def test_a_policy_is_for_a_function_of_the_same_account(scene: Scene) -> None:
    arn = scene.judge("of-another-account")
    assert deploy(scene, "of-another-account", arn, policy_of(arn), MEMBER) == "ROLLBACK_COMPLETE"
    missing = arn.replace("of-another-account", "missing")
    assert deploy(scene, "missing", missing, policy_of(missing)) == "ROLLBACK_COMPLETE"
    assert "ResourceNotFoundException" in scene.reasons(DELEGATED, "missing")


def started(config: Client, name: str) -> bool:
    try:
        config.start_config_rules_evaluation(ConfigRuleNames=[name])
    except config.exceptions.LimitExceededException:
        return False
    return True


def test_a_permission_that_is_taken_away_later_stops_the_evaluations(scene: Scene) -> None:
    arn = scene.judge("taken-away")
    let_config_invoke(scene.client, arn, MANAGEMENT)
    config = scene.config(MANAGEMENT)
    config.put_config_rule(ConfigRule=rule(arn, "taken-away"))
    [first] = scene.results(MANAGEMENT, "taken-away")
    functions = scene.client("lambda", DELEGATED)
    functions.remove_permission(FunctionName="taken-away", StatementId=f"config-{MANAGEMENT}")

    def start() -> None:
        scene.process.advance_clock(seconds=61)
        # It cannot start while an evaluation runs.
        assert eventually(lambda: started(config, "taken-away"))

    start()
    # The failed evaluation has ended: another one can start, and evaluates if it may.
    start()
    assert scene.results(MANAGEMENT, "taken-away") == [first]
    let_config_invoke(scene.client, arn, MANAGEMENT)
    start()
    assert eventually(lambda: scene.results(MANAGEMENT, "taken-away") != [first])
    config.delete_config_rule(ConfigRuleName="taken-away")


def test_a_rule_whose_permission_is_gone_stays_unevaluated_and_the_others_go_on(scene: Scene) -> None:
    arn, other = scene.judge("gone"), scene.judge("staying")
    for function in (arn, other):
        let_config_invoke(scene.client, function, OTHER)
    config = scene.config(OTHER)
    for name, function in (("gone", arn), ("staying", other)):
        config.put_config_rule(ConfigRule=rule(function, name))
    before = {name: scene.results(OTHER, name) for name in ("gone", "staying")}
    scene.client("lambda", DELEGATED).delete_function(FunctionName="gone")
    scene.process.advance_clock(seconds=25 * 3600)
    assert eventually(lambda: scene.results(OTHER, "staying") != before["staying"])
    assert scene.results(OTHER, "gone") == before["gone"]
    for name in ("gone", "staying"):
        config.delete_config_rule(ConfigRuleName=name)
