"""Every account of an organization, watched by the application that a delegated administrator deployed."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.sam import (
    EVALUATION_ROLE_NAME,
    FUNCTION_ROLE_NAME,
    RULE_NAME,
    deploy_account,
    deploy_organization,
)
from local_aws.client import REGION
from periodic_rule import clients, evaluations
from root_virtual_mfa_enabled import facts
from tests.e2e.application import READ, wait_for
from tests.e2e.conftest import (
    BARE,
    EXCLUDED,
    HARDWARE,
    KEYS,
    LEAVES,
    NO_CREDENTIALS,
    STATES,
    UNREADABLE,
    USED,
    VIRTUAL,
)
from tests.e2e.organization import CENTRAL, MANAGEMENT, OUTSIDER, ROOT, Organization, run, run_aws
from tests.local_aws.scene import allow, package, trust

JOINS = "360000000001"
PUT = "config:PutEvaluations"
NO_MFA = "The root user has no MFA: "

Credentials = Mapping[str, str]


# --- Where the deployment arrives ---


def test_every_account_but_the_excluded_ones_has_the_role_and_the_rule(organization: Organization) -> None:
    for account_id in (*STATES, *USED, UNREADABLE):
        assert EVALUATION_ROLE_NAME in organization.roles(account_id), account_id
        assert len(organization.rules(account_id)) == 1, account_id
    for account_id in EXCLUDED:
        assert (organization.roles(account_id), organization.rules(account_id)) == (set(), [])
    assert organization.roles(CENTRAL) == {EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME}


def test_management_account_is_not_watched_until_it_has_the_role(organization: Organization) -> None:
    said = organization.outputs["ManagementAccount"]
    assert said.startswith(
        f"NOT WATCHED. With credentials of account {MANAGEMENT}: root-virtual-mfa deploy --management-account "
    )
    assert (organization.roles(MANAGEMENT), organization.rules(MANAGEMENT)) == (set(), [])
    assert organization.report()[MANAGEMENT]["status"] == "UNKNOWN"

    command, _, then = said.partition(": ")[2].partition(". Then deploy this stack again with ")
    program, *arguments = shlex.split(command)
    assert program == "root-virtual-mfa"
    made = run(organization.aws, MANAGEMENT, *arguments, "--yes")
    assert made.code == 0, made
    assert run(organization.aws, CENTRAL, *arguments, "--yes").code == 2, "no other account gets these roles"
    before = {account_id: organization.results(account_id) for account_id in (*STATES, *USED)}
    name, _, value = then.rstrip(".").partition("=")
    deploy_organization(organization.aws, CENTRAL, {name: value})

    assert Organization(organization.aws, CENTRAL).outputs["ManagementAccount"] == "Watched."
    assert organization.result(MANAGEMENT)["Annotation"] == "The root user has 1 virtual MFA device (safe)."
    assert organization.report()[MANAGEMENT]["status"] == "COMPLIANT"
    assert [organization.rules(account_id) for account_id in EXCLUDED] == [[], []]
    for account_id, results in before.items():  # The update evaluated them all again.
        organization.changed(account_id, results)


# --- Results ---


def test_check_says_what_the_rule_says(organization: Organization) -> None:
    name = "reads-for-the-check"
    for account_id in STATES:
        iam = organization.client("iam", account_id)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": CENTRAL}))
        policy = allow(*sorted(facts.PERMISSIONS))
        iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy)
    ran = run(organization.aws, CENTRAL, "check", "--role-name", name, "--format", "json")
    checked = {each["account_id"]: (each["status"], each["annotation"]) for each in json.loads(ran.printed)["accounts"]}
    results = {account_id: organization.result(account_id) for account_id in STATES}
    assert {account_id: checked[account_id] for account_id in STATES} == {
        account_id: (result["ComplianceType"], result["Annotation"]) for account_id, result in results.items()
    }


def test_inventory_shows_what_contradicts_the_rules_result(organization: Organization) -> None:
    """Its owner has another device since the last evaluation: a passkey, which the rule does not accept."""
    organization.change_root_user(VIRTUAL, "remove-virtual-device phone", "add-passkey")
    try:
        found = json.loads(run(organization.aws, CENTRAL, "inventory", "--format", "json").printed)
    finally:
        organization.change_root_user(VIRTUAL, "remove-passkeys", "add-virtual-device phone")
        organization.client("events", VIRTUAL).enable_rule(Name="root-virtual-mfa-root-user-change")
    first, *others = found["accounts"]
    [finding] = first["findings"]
    assert (first["account_id"], first["rule_status"]) == (VIRTUAL, "COMPLIANT")
    assert finding.startswith("The rule's result is COMPLIANT, but ")
    assert VIRTUAL in found["lists"]["only_a_passkey"]
    judged = {each["account_id"]: (each["status"], each["rule_status"], each["findings"]) for each in others}
    assert judged[HARDWARE] == ("NON_COMPLIANT", "NON_COMPLIANT", [])
    assert judged[EXCLUDED[0]][1] == "EXCLUDED"


@pytest.mark.parametrize(
    ("account_id", "compliance", "annotation"),
    [
        (CENTRAL, "COMPLIANT", "The root user has 1 virtual MFA device (duty-phone)."),
        (BARE, "NON_COMPLIANT", NO_MFA),
        (VIRTUAL, "COMPLIANT", "The root user has 1 virtual MFA device (phone)."),
        (HARDWARE, "NON_COMPLIANT", "The root user's MFA is on without a virtual MFA device, so it is inferred to be"),
        (NO_CREDENTIALS, "COMPLIANT", "The root user has no credentials "),
        (KEYS, "NON_COMPLIANT", "The root user has no MFA and no password, but access keys remain: "),
    ],
    ids=["central account", "no MFA", "virtual device", "hardware device", "no credentials", "access keys only"],
)
def test_account_has_one_result_and_it_is_right(
    organization: Organization, account_id: str, compliance: str, annotation: str
) -> None:
    config = organization.client("config", account_id)
    by_resource = config.get_compliance_details_by_resource(ResourceType="AWS::::Account", ResourceId=account_id)
    [result] = by_resource["EvaluationResults"]
    assert result["ComplianceType"] == compliance
    assert result["Annotation"].startswith(annotation)

    aggregated = organization.client("config").get_aggregate_compliance_details_by_config_rule(
        ConfigurationAggregatorName=organization.outputs["AggregatorName"],
        ConfigRuleName=organization.rule_name(account_id),
        AccountId=account_id,
        AwsRegion=REGION,
    )
    [seen] = aggregated["AggregateEvaluationResults"]
    assert (seen["ComplianceType"], seen["Annotation"]) == (compliance, result["Annotation"])


def test_account_that_cannot_be_read_has_no_result_and_is_unknown(organization: Organization) -> None:
    assert organization.results(UNREADABLE) == []
    account = organization.report()[UNREADABLE]
    assert account["status"] == "UNKNOWN"
    why = account["advice"][0]["why"]
    assert why.startswith("There is no result. The last evaluation failed ")
    assert "ago. ReadError: iam:GetAccountSummary failed in account" in why


def test_evaluation_that_is_repeated_changes_nothing_but_its_times(organization: Organization) -> None:
    first, second = organization.evaluate(HARDWARE), organization.evaluate(HARDWARE)
    assert first["ConfigRuleInvokedTime"] < second["ConfigRuleInvokedTime"]
    assert without_times(first) == without_times(second)


def test_event_that_comes_again_changes_nothing(organization: Organization) -> None:
    account_id = USED[0]
    organization.aws.add_fault(account_id, READ, "AccessDenied", times=3)
    with organization.tapped_events() as tapped:
        organization.start_evaluation(account_id)
        event = tapped(account_id)
    before = organization.evaluate(account_id)
    organization.change_root_user(account_id, "add-virtual-device of-later")
    for _ in range(2):
        answer = organization.invoke(event)
        # It was evaluated, and what it found is of before the result that is there.
        assert answer.payload[0]["ComplianceType"] == "COMPLIANT"
        assert organization.results(account_id) == [before]
    organization.change_root_user(account_id, "remove-virtual-device of-later")


def without_times(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without when it was made: all that is left says what it is about, and what it says."""
    qualifier: dict[str, Any] = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]
    return {key: value for key, value in result.items() if not key.endswith(("Time", "Identifier"))} | qualifier


def test_accounts_in_opposite_states_are_never_mixed_up(organization: Organization) -> None:
    """Every other account has a device of its own, and the annotation names it. Then the other half gets devices."""
    organization.aws.take_calls()
    rounds = 4
    for turn in range(rounds):
        having, others = USED[turn % 2 :: 2], USED[(turn + 1) % 2 :: 2]
        for account_id in having:
            organization.change_root_user(account_id, f"add-virtual-device phone-of-{account_id}")
        before = {account_id: organization.results(account_id) for account_id in USED}
        organization.start_evaluation(*USED)
        found = {account_id: organization.changed(account_id, before[account_id])["Annotation"] for account_id in USED}
        expected = dict.fromkeys(others, NO_MFA) | {account_id: f"(phone-of-{account_id})" for account_id in having}
        assert [account_id for account_id, said in expected.items() if said not in found[account_id]] == []
        for account_id in having:
            organization.change_root_user(account_id, f"remove-virtual-device phone-of-{account_id}")

    calls = [call for call in organization.aws.take_calls() if f":assumed-role/{EVALUATION_ROLE_NAME}/" in call["principal"]]
    assert {call["principal"].split(":")[4] == call["account_id"] for call in calls} == {True}
    reported = [call["account_id"] for call in calls if call["action"] == PUT]
    assert sorted(reported) == sorted(USED * rounds)


# --- Stored queries, and the report ---


def test_stored_query_lists_candidates_and_their_rules_tell_who_fails(organization: Organization) -> None:
    """A second account-level rule fails in an account that passes ours: no query can tell them apart."""
    watched = [account_id for account_id in organization.report() if organization.rules(account_id)]
    assert {*STATES, *USED} < set(watched)
    truth = {each: organization.result(each)["ComplianceType"] for each in watched if each != UNREADABLE}
    failing = {each for each, compliance in truth.items() if compliance == "NON_COMPLIANT"}
    config = organization.client("config", VIRTUAL)
    second = organization.rule_of(
        {"minimumVirtualMfaDevices": "8", "ExecutionRoleName": EVALUATION_ROLE_NAME}, name="eight-virtual-mfa-devices"
    )
    config.put_config_rule(ConfigRule=second)
    try:
        wait_for(
            lambda: config.get_compliance_details_by_config_rule(ConfigRuleName="eight-virtual-mfa-devices")[
                "EvaluationResults"
            ],
            "the result of the second rule",
        )
        for as_object in (True, False):  # in the place of a list of one: users have seen either
            organization.aws.switch("one-rule-as-object", on=as_object)
            candidates = {row["accountId"]: row for row in select(organization, "root-virtual-mfa-non-compliant-candidates")}
            assert candidates.keys() == failing | {VIRTUAL}
            assert {each for each, row in candidates.items() if own_compliance(row) == "NON_COMPLIANT"} == failing
            assert own_compliance(candidates[VIRTUAL]) == "COMPLIANT"
    finally:
        organization.aws.switch("one-rule-as-object", on=False)
        config.delete_config_rule(ConfigRuleName="eight-virtual-mfa-devices")


def own_compliance(row: Mapping[str, Any]) -> str:
    """Return what the query's description tells to look at."""
    rules = row["configuration"]["configRuleList"]
    [own] = [
        rule
        for rule in (rules if isinstance(rules, list) else [rules])
        if rule["configRuleName"].startswith(f"{RULE_NAME}-conformance-pack-")
    ]
    return str(own["complianceType"])


def select(organization: Organization, query: str) -> list[dict[str, Any]]:
    config = organization.client("config")
    expression = config.get_stored_query(QueryName=query)["StoredQuery"]["Expression"]
    pages = config.get_paginator("select_aggregate_resource_config").paginate(
        Expression=expression, ConfigurationAggregatorName=organization.outputs["AggregatorName"]
    )
    return [json.loads(row) for page in pages for row in page["Results"]]


def test_report_reads_on_after_an_empty_page(organization: Organization) -> None:
    before = organization.report()
    organization.aws.switch("empty-pages", on=True)
    try:
        after = organization.report()
    finally:
        organization.aws.switch("empty-pages", on=False)
    assert {each: account["status"] for each, account in after.items()} == {
        each: account["status"] for each, account in before.items()
    }
    assert {each: after[each]["annotation"] for each in STATES} == {each: before[each]["annotation"] for each in STATES}
    assert after[BARE]["annotation"].startswith(NO_MFA)


def test_role_that_is_missing_comes_back_with_the_command_of_the_report(organization: Organization) -> None:
    account_id = USED[2]
    targets = {"OrganizationalUnitIds": [ROOT], "Accounts": [account_id], "AccountFilterType": "INTERSECTION"}
    organization.client("cloudformation").delete_stack_instances(
        StackSetName=organization.outputs["StackSetName"],
        CallAs="DELEGATED_ADMIN",
        DeploymentTargets=targets,
        Regions=[REGION],
        RetainStacks=False,
    )
    wait_for(lambda: not organization.roles(account_id), "the end of the role")
    organization.start_evaluation(account_id)
    assert organization.failure(account_id)["errors"][0]["errorType"] == "AssumeRoleError"

    [advice] = organization.report()[account_id]["advice"]
    assert "has no stack in the account" in advice["why"]
    [command] = advice["commands"]
    run_aws(organization.aws, CENTRAL, command)
    wait_for(lambda: organization.roles(account_id), "the role")
    assert organization.evaluate(account_id)["Annotation"].startswith(NO_MFA)
    assert organization.report()[account_id]["advice"] == []


# --- Accounts that join and leave ---


def test_account_that_joins_is_watched_without_anybody_doing_anything(organization: Organization) -> None:
    assert JOINS not in organization.report()
    organization.aws.create_account(JOINS, "new-team", "Workloads/Production", {"virtual_mfa_devices": ["new-phone"]})
    wait_for(lambda: organization.rules(JOINS), "the rule in the new account")
    assert organization.result(JOINS)["Annotation"] == "The root user has 1 virtual MFA device (new-phone)."
    assert organization.roles(JOINS) == {EVALUATION_ROLE_NAME}
    account = organization.report()[JOINS]
    assert (account["status"], account["ou_path"]) == ("COMPLIANT", "Root/Workloads/Production")


@pytest.fixture(scope="session")
def left(organization: Organization) -> str:
    """Let an evaluated account leave the organization, and deploy by hand there what an evaluation needs."""
    assert organization.result(LEAVES)["ComplianceType"] == "NON_COMPLIANT"
    organization.aws.remove_account(LEAVES)
    wait_for(lambda: not organization.roles(LEAVES), "the end of the role in the account that left")
    deploy_account(organization.aws, LEAVES, CENTRAL)
    return LEAVES


def test_account_that_leaves_loses_its_rule_and_is_not_reported_any_more(organization: Organization, left: str) -> None:
    assert organization.rules(left) == []
    assert left not in organization.report()
    aggregated = organization.client("config").describe_aggregate_compliance_by_config_rules(
        ConfigurationAggregatorName=organization.outputs["AggregatorName"]
    )["AggregateComplianceByConfigRules"]
    assert left not in {each["AccountId"] for each in aggregated}
    assert BARE in {each["AccountId"] for each in aggregated}


# --- Who may do what ---


def test_roles_allow_what_evaluations_call_and_nothing_else(organization: Organization) -> None:
    """The function's role, over an evaluation, one that fails for good, and a new log stream; and a member's role."""
    organization.client("lambda").update_function_configuration(
        FunctionName=organization.function_arn,
        Description="As it was, in a new environment, which writes a log stream of its own.",
    )
    organization.calls()
    organization.evaluate(VIRTUAL)
    organization.aws.add_fault(USED[1], READ, "AccessDenied", times=3)
    organization.start_evaluation(USED[1])
    organization.failure(USED[1])
    made: dict[str, set[str]] = {}
    for role, action in organization.calls():
        made.setdefault(role, set()).add(action)
    assert made == {
        FUNCTION_ROLE_NAME: organization.allowed_actions(FUNCTION_ROLE_NAME, CENTRAL),
        EVALUATION_ROLE_NAME: organization.allowed_actions(EVALUATION_ROLE_NAME, VIRTUAL),
    }
    assert made[EVALUATION_ROLE_NAME] == facts.PERMISSIONS | evaluations.PERMISSIONS
    of_lambda = {"logs:CreateLogStream", "logs:PutLogEvents", "events:PutEvents"}
    assert made[FUNCTION_ROLE_NAME] == clients.PERMISSIONS | of_lambda


@pytest.fixture(scope="session")
def function_role(organization: Organization) -> Credentials:
    """Give credentials of the function's role, as another function that runs with the same role sees them."""
    code = """
        import os

        def handler(event, context):
            return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    """
    functions = organization.client("lambda")
    functions.create_function(
        FunctionName="credentials",
        Role=organization.outputs["FunctionRoleArn"],
        Runtime="python3.13",
        Handler="example.handler",
        Code={"ZipFile": package(code)},
    )
    environment = json.loads(functions.invoke(FunctionName="credentials")["Payload"].read())
    functions.delete_function(FunctionName="credentials")
    return {
        "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": environment["AWS_SESSION_TOKEN"],
    }


def assume(
    organization: Organization, account_id: str, role: str, credentials: Credentials | None = None, *, by: str = CENTRAL
) -> Credentials:
    """Assume a role of an account with credentials, or as an administrator of the account `by`."""
    sts = organization.client("sts", by)
    if credentials:
        sts = boto3_client(organization.aws, "sts", by, credentials=credentials)
    role_arn = f"arn:aws:iam::{account_id}:role/{role}"
    given: Credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
    return given


def may_assume(*arguments: Any, **further: Any) -> bool:  # noqa: ANN401 - those of `assume`
    try:
        assume(*arguments, **further)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def make_role(organization: Organization, account_id: str, name: str, trusted: str) -> None:
    """Make a role that may assume every role that trusts it; it trusts the account `trusted`."""
    iam = organization.client("iam", account_id)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{trusted}:root"}))
    iam.put_role_policy(RoleName=name, PolicyName="assume", PolicyDocument=allow("sts:AssumeRole"))


def test_nobody_but_the_functions_role_may_assume_a_members_role(
    organization: Organization, function_role: Credentials
) -> None:
    for account_id in (CENTRAL, MANAGEMENT, BARE, OUTSIDER):
        make_role(organization, account_id, "assumes-all", account_id)
    # Of the same name, as far as that is not already there.
    make_role(organization, OUTSIDER, FUNCTION_ROLE_NAME, OUTSIDER)
    make_role(organization, BARE, FUNCTION_ROLE_NAME, BARE)
    assert may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, function_role)

    for account_id in (CENTRAL, MANAGEMENT, BARE, OUTSIDER, VIRTUAL):
        assert not may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, by=account_id), account_id
    for account_id in (CENTRAL, MANAGEMENT, BARE, OUTSIDER):
        session = assume(organization, account_id, "assumes-all", by=account_id)
        assert not may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, session), account_id
    for account_id in (OUTSIDER, BARE):
        session = assume(organization, account_id, FUNCTION_ROLE_NAME, by=account_id)
        assert not may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, session), account_id
    members_session = assume(organization, BARE, EVALUATION_ROLE_NAME, function_role)
    assert not may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, members_session)
    organization.client("iam", BARE).delete_role_policy(RoleName=FUNCTION_ROLE_NAME, PolicyName="assume")
    organization.client("iam", BARE).delete_role(RoleName=FUNCTION_ROLE_NAME)


def test_functions_role_may_assume_nothing_else(organization: Organization, function_role: Credentials, left: str) -> None:
    for account_id in (CENTRAL, VIRTUAL):
        make_role(organization, account_id, "trusts-the-central-account", CENTRAL)
        assert may_assume(organization, account_id, "trusts-the-central-account")
        assert not may_assume(organization, account_id, "trusts-the-central-account", function_role)
    deploy_account(organization.aws, OUTSIDER, CENTRAL)
    for account_id in (left, OUTSIDER):  # the role is there, and trusts it
        assert organization.roles(account_id) >= {EVALUATION_ROLE_NAME}
        assert not may_assume(organization, account_id, EVALUATION_ROLE_NAME, function_role), account_id
    assert may_assume(organization, VIRTUAL, EVALUATION_ROLE_NAME, function_role)


def test_account_of_no_organization_cannot_have_the_function_invoked(organization: Organization, left: str) -> None:
    with pytest.raises(ClientError) as refusal:
        organization.put_rule(left, {"ExecutionRoleName": EVALUATION_ROLE_NAME})
    assert refusal.value.response["Error"]["Code"] == "InsufficientPermissionsException"
