"""Accounts of an organization are created, closed, suspended and gone, and each service sees that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsProcess
from local_aws.organizations.membership import most_closures
from tests.local_aws.organization_scene import (
    DELEGATED,
    MANAGEMENT,
    MEMBER,
    OTHER,
    OUTSIDER,
    SERVICES,
    Scene,
    create_asked_for,
    organization,
    reason,
    template_of,
)
from tests.local_aws.scene import Client, allow, clients_of, refusal, trust

ROLE = "OrganizationAccountAccessRole"
DAY = 24 * 3600
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run an organization for tests that create accounts and close none."""
    with organization(tmp_path_factory.mktemp("organization")) as scene:
        yield scene


@pytest.fixture
def management(scene: Scene) -> Client:
    return scene.client("organizations", MANAGEMENT)


def created(scene: Scene, name: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - a request's members
    """Let an account be created, and return how that ended."""
    organizations = scene.client("organizations", MANAGEMENT)
    asked = organizations.create_account(AccountName=name, **{"Email": f"{name}@example.com", **params})
    create_asked_for(scene.process)
    status = organizations.describe_create_account_status(CreateAccountRequestId=asked["CreateAccountStatus"]["Id"])
    return dict(status["CreateAccountStatus"])


# Creation


def test_a_request_is_in_progress_until_the_clock_says_that_it_has_ended(scene: Scene, management: Client) -> None:
    """Source of the first answer and of the states: stackd, organizations_account_creation.json."""
    asked = management.create_account(AccountName="asynchronous", Email="asynchronous@example.com")["CreateAccountStatus"]
    assert set(asked) == {"Id", "AccountName", "State", "RequestedTimestamp"}
    assert (asked["AccountName"], asked["State"]) == ("asynchronous", "IN_PROGRESS")
    create_asked_for(scene.process)
    ended = management.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    assert (ended["State"], ended["RequestedTimestamp"]) == ("SUCCEEDED", asked["RequestedTimestamp"])
    assert ended["CompletedTimestamp"] > ended["RequestedTimestamp"]
    account = management.describe_account(AccountId=ended["AccountId"])["Account"]
    assert (account["Name"], account["Email"], account["JoinedMethod"]) == (
        "asynchronous",
        "asynchronous@example.com",
        "CREATED",
    )
    assert management.list_parents(ChildId=ended["AccountId"])["Parents"] == [{"Id": "r-a1b2", "Type": "ROOT"}]
    summary = scene.client("iam", ended["AccountId"]).get_account_summary()["SummaryMap"]
    assert (summary["AccountPasswordPresent"], summary["AccountMFAEnabled"]) == (0, 0)


def test_an_address_is_anybodys_only_once(scene: Scene, management: Client) -> None:
    """Source: stackd, organizations_account_creation.json."""
    taken = {"AccountName": "first", "Email": "taken@example.com"}
    management.create_account(**taken)
    code, message = refusal(management.create_account, **taken)
    assert code == "ConcurrentModificationException"
    assert "conflicts with another attempt to modify the same entity" in message
    create_asked_for(scene.process)
    for address in ("Taken@Example.com", f"aws+{OTHER}@example.com"):
        failed = created(scene, "second", Email=address)
        assert set(failed) == {"Id", "AccountName", "State", "RequestedTimestamp", "CompletedTimestamp", "FailureReason"}
        assert (failed["State"], failed["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    states = {
        state: [
            found["AccountName"]
            for found in management.list_create_account_status(States=[state])["CreateAccountStatuses"]
            if found["AccountName"] in {"first", "second"}
        ]
        for state in ("IN_PROGRESS", "FAILED", "SUCCEEDED")
    }
    assert states == {"IN_PROGRESS": [], "FAILED": ["second", "second"], "SUCCEEDED": ["first"]}
    assert "first" in [found["AccountName"] for found in management.list_create_account_status()["CreateAccountStatuses"]]


@pytest.mark.parametrize(
    "address", [".a@example.com", "a(b)@example.com", "a@-example.com", "a@example.com-", "a@exam_ple.com"]
)
def test_an_address_that_the_model_takes_may_be_none(scene: Scene, address: str) -> None:
    assert created(scene, "no-address", Email=address)["FailureReason"] == "INVALID_EMAIL"


def test_five_accounts_are_created_at_a_time(scene: Scene, management: Client) -> None:
    names = [f"at-a-time-{number}" for number in range(6)]
    for name in names[:5]:
        management.create_account(AccountName=name, Email=f"{name}@example.com")
    sixth = {"AccountName": names[5], "Email": f"{names[5]}@example.com"}
    assert reason(management.create_account, **sixth) == "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED"
    create_asked_for(scene.process)
    assert created(scene, names[5])["State"] == "SUCCEEDED"


@pytest.mark.parametrize(("params", "role"), [({}, ROLE), ({"RoleName": "from-above"}, "from-above")])
def test_the_management_account_administers_a_created_account_through_its_role(
    scene: Scene, params: dict[str, str], role: str
) -> None:
    """Source of the role: stackd, organizations_roles.json."""
    account_id = created(scene, f"with-{role}", IamUserAccessToBilling="DENY", **params)["AccountId"]
    iam = scene.client("iam", account_id)
    made = iam.get_role(RoleName=role)["Role"]
    assert (made["Path"], made["MaxSessionDuration"]) == ("/", 3600)
    assert made["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}, "Action": "sts:AssumeRole"}
    ]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == ["arn:aws:iam::aws:policy/AdministratorAccess"]
    # The management account's principals need a permission of their own, and no other account's may.
    arn = f"arn:aws:iam::{account_id}:role/{role}"
    for caller, expected in ((MANAGEMENT, "Success"), (DELEGATED, "AccessDenied")):
        name = f"operator-of-{role}"
        own = scene.client("iam", caller)
        own.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{caller}:root"}))
        own.put_role_policy(RoleName=name, PolicyName="assume", PolicyDocument=allow("sts:AssumeRole"))
        operator = session(scene, caller, f"arn:aws:iam::{caller}:role/{name}")
        if expected == "Success":
            administrator = operator("sts", account_id).assume_role(RoleArn=arn, RoleSessionName="operator")["Credentials"]
            signed(scene, administrator)("iam", account_id).create_user(UserName=f"made-by-{role}")
        else:
            code, _ = refusal(operator("sts", account_id).assume_role, RoleArn=arn, RoleSessionName="operator")
            assert code == expected


def session(scene: Scene, account_id: str, role_arn: str) -> Any:  # noqa: ANN401 - makes boto3's clients
    sts = scene.client("sts", account_id)
    return signed(scene, sts.assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"])


def signed(scene: Scene, credentials: dict[str, str]) -> Any:  # noqa: ANN401 - makes boto3's clients
    return clients_of(
        scene.process,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_created_account_has_its_tags(scene: Scene, management: Client) -> None:
    tags = [{"Key": "team", "Value": "payments"}]
    account_id = created(scene, "tagged", Tags=tags)["AccountId"]
    assert management.list_tags_for_resource(ResourceId=account_id)["Tags"] == tags
    twice = {"AccountName": "untagged", "Email": "untagged@example.com", "Tags": [*tags, *tags]}
    assert reason(management.create_account, **twice) == "DUPLICATE_TAG_KEY"


def test_a_created_account_stays_for_four_days(tmp_path: Path) -> None:
    with organization(tmp_path) as scene:
        organizations = scene.client("organizations", MANAGEMENT)
        account_id = created(scene, "young")["AccountId"]
        for leave, params in (
            (organizations.remove_account_from_organization, {"AccountId": account_id}),
            (scene.client("organizations", account_id).leave_organization, {}),
        ):
            assert reason(leave, **params) == "WAIT_PERIOD_ACTIVE"
        organizations.tag_resource(ResourceId=account_id, Tags=[{"Key": "gone", "Value": "soon"}])
        scene.process.advance_clock(seconds=4 * DAY)
        organizations.remove_account_from_organization(AccountId=account_id)
        assert refusal(organizations.list_tags_for_resource, ResourceId=account_id)[0] == "TargetNotFoundException"
        # Without an organization it goes on, with the role that it has.
        assert scene.client("iam", account_id).get_role(RoleName=ROLE)


# Closure


@pytest.fixture
def closing(tmp_path: Path) -> Iterator[Scene]:
    """Run an organization with StackSets for a test that closes accounts."""
    services = [*SERVICES, STACK_SETS, "iam.amazonaws.com"]
    content = {
        "accounts": {account_id: {} for account_id in (MANAGEMENT, DELEGATED, MEMBER, OTHER, *MORE, OUTSIDER)},
        "organization": {
            "id": "o-a1b2c3d4e5",
            "root_id": "r-a1b2",
            "management_account": MANAGEMENT,
            "trusted_services": services,
            "delegated_administrators": {DELEGATED: services},
            "root_access_features": ["RootCredentialsManagement", "RootSessions"],
        },
    }
    file = tmp_path / "accounts.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with LocalAwsProcess(file, tmp_path / "local-aws.log") as process:
        yield Scene(process)


MORE = ["600000000001", "600000000002", "600000000003"]


def close(scene: Scene, account_id: str) -> None:
    """Close an account, and wait until it is suspended."""
    scene.client("organizations", MANAGEMENT).close_account(AccountId=account_id)
    scene.process.advance_clock(seconds=300)
    scene.process.settle()


def state(scene: Scene, account_id: str) -> str:
    account = scene.client("organizations", MANAGEMENT).describe_account(AccountId=account_id)["Account"]
    assert account["State"] == account["Status"]
    return str(account["State"])


def test_a_closed_account_is_suspended_soon_and_gone_after_ninety_days(closing: Scene) -> None:
    organizations = closing.client("organizations", MANAGEMENT)
    organizations.close_account(AccountId=MEMBER)
    assert state(closing, MEMBER) == "PENDING_CLOSURE"
    assert refusal(organizations.close_account, AccountId=MEMBER)[0] == "ConflictException"
    closing.process.advance_clock(seconds=300)
    assert state(closing, MEMBER) == "SUSPENDED"
    assert refusal(organizations.close_account, AccountId=MEMBER)[0] == "AccountAlreadyClosedException"
    assert refusal(organizations.remove_account_from_organization, AccountId=MEMBER)[0] == "ConstraintViolationException"
    registration = {"AccountId": MEMBER, "ServicePrincipal": SERVICES[0]}
    refused = reason(organizations.register_delegated_administrator, **registration)
    assert refused == "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"
    closing.process.advance_clock(seconds=89 * DAY)
    closing.process.settle()
    assert state(closing, MEMBER) == "SUSPENDED"
    closing.process.advance_clock(seconds=DAY)
    closing.process.settle()
    assert refusal(organizations.describe_account, AccountId=MEMBER)[0] == "AccountNotFoundException"
    assert MEMBER not in closing.process.accounts()
    assert refusal(closing.client("iam", MEMBER).list_users)[0] == "InvalidClientTokenId"


def test_three_accounts_are_closed_at_a_time(closing: Scene) -> None:
    organizations = closing.client("organizations", MANAGEMENT)
    for account_id in MORE:
        organizations.close_account(AccountId=account_id)
    assert reason(organizations.close_account, AccountId=OTHER) == "CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED"
    closing.process.advance_clock(seconds=300)
    organizations.close_account(AccountId=OTHER)


@pytest.mark.parametrize(("members", "most"), [(0, 250), (1250, 250), (1255, 251), (5000, 1000), (10_000, 1000)])
def test_a_fifth_of_the_members_is_closed_in_thirty_days_within_bounds(members: int, most: int) -> None:
    assert most_closures(members) == most


def test_consolidated_billing_closes_no_account(tmp_path: Path) -> None:
    with organization(tmp_path, all_features=False, trusted=False) as scene:
        close = scene.client("organizations", MANAGEMENT).close_account
        assert reason(close, AccountId=MEMBER) == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"


# What a suspended account does


def test_every_service_refuses_the_credentials_of_a_suspended_account(closing: Scene) -> None:
    iam = closing.client("iam", MEMBER)
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=allow("*"))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    user = clients_of(closing.process, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}))
    iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=allow("*"))
    role = f"arn:aws:iam::{MEMBER}:role/reader"
    running = session(closing, MANAGEMENT, role)
    assert running("sts", MEMBER).get_caller_identity()["Account"] == MEMBER
    close(closing, MEMBER)
    calls = {
        "iam": "list_users",
        "sts": "get_caller_identity",
        "config": "describe_config_rules",
        "organizations": "describe_organization",
        "ssm": "list_documents",
        "events": "list_rules",
        "lambda": "list_functions",
        "logs": "describe_log_groups",
        "cloudformation": "list_stacks",
        "s3": "list_buckets",
    }
    codes = {
        service: {refusal(getattr(clients(service, MEMBER), call))[0] for clients in (closing.client, user, running)}
        for service, call in calls.items()
    }
    unknown = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}
    assert all(len(found) == 1 and found <= unknown for found in codes.values()), codes
    # Nobody gets in any more from outside.
    said = f"is not authorized to perform: sts:AssumeRole on resource: {role}"
    code, message = refusal(closing.client("sts", MANAGEMENT).assume_role, RoleArn=role, RoleSessionName="late")
    assert (code, said in message) == ("AccessDenied", True)
    task = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
    code, message = refusal(closing.client("sts", DELEGATED).assume_root, TargetPrincipal=MEMBER, TaskPolicyArn=task)
    assert (code, f"sts:AssumeRoot on resource: arn:aws:iam::{MEMBER}:root" in message) == ("AccessDenied", True)
    # Other accounts go on.
    assert closing.client("iam", OTHER).list_users()["Users"] == []


def test_aws_config_does_not_evaluate_in_a_suspended_account_and_packs_leave_it_alone(closing: Scene) -> None:
    judge = closing.open_judge()
    delegated = closing.config(DELEGATED)

    def put(rule: str) -> None:
        delegated.put_organization_conformance_pack(
            OrganizationConformancePackName="pack", TemplateBody=json.dumps(template_of(judge, rule))
        )

    def pack_status() -> dict[str, Any]:
        [found] = delegated.describe_organization_conformance_pack_statuses()["OrganizationConformancePackStatuses"]
        return dict(found)

    put("first-rule")
    closing.process.settle()
    assert pack_status()["Status"] == "CREATE_SUCCESSFUL"
    close(closing, MEMBER)
    closing.process.take_calls()
    closing.process.advance_clock(seconds=DAY)
    closing.process.settle()
    reported = {call["account_id"] for call in closing.process.take_calls() if call["action"] == "config:PutEvaluations"}
    assert OTHER in reported
    assert MEMBER not in reported
    put("second-rule")
    statuses = closing.statuses("pack")
    assert (statuses[MEMBER]["Status"], statuses[OTHER]["Status"]) == ("CREATE_SUCCESSFUL", "UPDATE_SUCCESSFUL")
    assert pack_status()["Status"] == "UPDATE_SUCCESSFUL"
    delegated.put_organization_conformance_pack(
        OrganizationConformancePackName="late", TemplateBody=json.dumps(template_of(judge, "late-rule"))
    )
    assert MEMBER not in closing.statuses("late")
    closing.process.advance_clock(seconds=90 * DAY)
    closing.process.settle()
    assert MEMBER not in closing.statuses("pack")


def test_a_switch_lets_packs_and_stack_sets_fail_in_a_suspended_account(closing: Scene) -> None:
    judge = closing.open_judge()
    cloudformation = closing.client("cloudformation", MANAGEMENT)
    name = {"StackSetName": "topics"}
    everywhere = {"DeploymentTargets": {"OrganizationalUnitIds": ["r-a1b2"]}, "Regions": ["us-east-1"]}
    cloudformation.create_stack_set(
        **name,
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
    )
    close(closing, MEMBER)
    closing.process.switch("fail-in-suspended-accounts", on=True)
    closing.config(DELEGATED).put_organization_conformance_pack(
        OrganizationConformancePackName="pack", TemplateBody=json.dumps(template_of(judge, "some-rule"))
    )
    operation = cloudformation.create_stack_instances(**name, **everywhere)["OperationId"]
    closing.process.settle()
    assert closing.statuses("pack")[MEMBER]["Status"] == "CREATE_FAILED"
    results = cloudformation.list_stack_set_operation_results(**name, OperationId=operation)["Summaries"]
    [failed] = [result for result in results if result["Account"] == MEMBER]
    assert (failed["Status"], "is suspended" in failed["StatusReason"]) == ("FAILED", True)


def test_stack_sets_skip_a_suspended_account(closing: Scene) -> None:
    """Source of the detailed status: API model, cloudformation, StackInstanceComprehensiveStatus."""
    cloudformation = closing.client("cloudformation", MANAGEMENT)
    name = {"StackSetName": "topics"}
    everywhere = {"DeploymentTargets": {"OrganizationalUnitIds": ["r-a1b2"]}, "Regions": ["us-east-1"]}
    template = {"Parameters": {"Name": {"Type": "String", "Default": ""}}, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation.create_stack_set(
        **name,
        TemplateBody=json.dumps(template),
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
    )
    cloudformation.create_stack_instances(**name, **everywhere)
    closing.process.settle()
    close(closing, MEMBER)

    def instance(account_id: str) -> tuple[str, str]:
        found = cloudformation.describe_stack_instance(
            **name, StackInstanceAccount=account_id, StackInstanceRegion="us-east-1"
        )["StackInstance"]
        return found["Status"], found["StackInstanceStatus"]["DetailedStatus"]

    changed = {"Parameters": [{"ParameterKey": "Name", "ParameterValue": "changed"}], "UsePreviousTemplate": True}
    operation = cloudformation.update_stack_set(**name, **changed)["OperationId"]
    closing.process.settle()
    described = cloudformation.describe_stack_set_operation(**name, OperationId=operation)["StackSetOperation"]
    assert (described["Status"], described["StatusDetails"]["FailedStackInstancesCount"]) == ("SUCCEEDED", 0)
    assert instance(MEMBER) == ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")
    assert instance(OTHER) == ("CURRENT", "SUCCEEDED")
    [skipped] = cloudformation.list_stack_instances(
        **name, Filters=[{"Name": "DETAILED_STATUS", "Values": "SKIPPED_SUSPENDED_ACCOUNT"}]
    )["Summaries"]
    assert skipped["Account"] == MEMBER
    cloudformation.delete_stack_instances(**name, **everywhere, RetainStacks=False)
    closing.process.settle()
    cloudformation.delete_stack_set(**name)
