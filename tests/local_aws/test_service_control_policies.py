"""Service control policies: the operations, whom a policy binds, by what, and the wording of a refusal."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsProcess
from tests.local_aws.automation_scene import Runbooks, api
from tests.local_aws.scene import allow, clients_of, refusal, trust
from tests.local_aws.service_control_scene import (
    ACCOUNTS,
    DELEGATED,
    DENIED,
    FULL_ACCESS,
    MANAGEMENT,
    MEMBER,
    NESTED,
    ROOT,
    SCP,
    Scene,
    Statement,
    deny,
    document,
    is_refused,
    organization,
)

ALLOW_IAM = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
NO_USERS = deny("iam:CreateUser")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with organization(tmp_path_factory.mktemp("policies")) as scene:
        yield scene


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Scene]:
    """Serve an organization of its own to a test that changes which accounts there are."""
    with organization(tmp_path) as scene:
        yield scene


@pytest.fixture
def no_users(scene: Scene) -> Iterator[str]:
    """Let nobody below the root create an IAM user."""
    with scene.attached(NO_USERS) as policy_id:
        yield policy_id


def may_read_users(scene: Scene, account_id: str) -> bool:
    return not is_refused(scene.client("iam", account_id).list_users)


# The operations


def test_full_aws_access_is_attached_everywhere_from_the_beginning(scene: Scene) -> None:
    organizations = scene.organizations
    [policy] = organizations.list_policies(Filter=SCP)["Policies"]
    assert (policy["Id"], policy["AwsManaged"]) == (FULL_ACCESS, True)
    targets = organizations.list_targets_for_policy(PolicyId=FULL_ACCESS)["Targets"]
    units = {scene.unit("Workloads"), scene.unit("Workloads", "Production"), scene.unit("Sandbox")}
    assert {target["TargetId"] for target in targets} == {ROOT, *units, *ACCOUNTS}
    assert {(target["Type"], target["Name"]) for target in targets} >= {
        ("ROOT", "Root"),
        ("ORGANIZATIONAL_UNIT", "Sandbox"),
        ("ACCOUNT", "account-3"),
    }
    content = json.loads(organizations.describe_policy(PolicyId=FULL_ACCESS)["Policy"]["Content"])
    assert content["Statement"] == [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def test_a_policy_is_created_changed_attached_detached_and_deleted(scene: Scene) -> None:
    organizations = scene.organizations
    settings = {"Name": "first", "Description": "Says no.", "Type": SCP, "Content": document(NO_USERS)}
    summary = organizations.create_policy(**settings)["Policy"]["PolicySummary"]
    policy_id = summary["Id"]
    assert summary["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:policy/o-a1b2c3d4e5/service_control_policy/{policy_id}"
    organizations.attach_policy(PolicyId=policy_id, TargetId=MEMBER)
    attached = organizations.list_policies_for_target(TargetId=MEMBER, Filter=SCP)["Policies"]
    assert [policy["Name"] for policy in attached] == ["FullAWSAccess", "first"]
    changed = organizations.update_policy(PolicyId=policy_id, Name="second", Content=document(deny("iam:CreateGroup")))
    assert changed["Policy"]["PolicySummary"]["Name"] == "second"
    assert organizations.describe_policy(PolicyId=policy_id)["Policy"]["Content"] == document(deny("iam:CreateGroup"))
    assert is_refused(scene.client("iam", MEMBER).create_group, GroupName="none")
    [target] = organizations.list_targets_for_policy(PolicyId=policy_id)["Targets"]
    assert target["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:account/o-a1b2c3d4e5/{MEMBER}"
    code, _ = refusal(organizations.delete_policy, PolicyId=policy_id)
    assert code == "PolicyInUseException"
    organizations.detach_policy(PolicyId=policy_id, TargetId=MEMBER)
    organizations.delete_policy(PolicyId=policy_id)
    assert refusal(organizations.describe_policy, PolicyId=policy_id)[0] == "PolicyNotFoundException"


def test_other_types_of_policies_are_not_there(scene: Scene) -> None:
    organizations = scene.organizations
    assert organizations.list_policies(Filter="TAG_POLICY")["Policies"] == []
    assert organizations.list_policies_for_target(TargetId=ROOT, Filter="TAG_POLICY")["Policies"] == []
    for call, params in (
        (organizations.create_policy, {"Name": "tags", "Description": "", "Type": "TAG_POLICY", "Content": "{}"}),
        (organizations.enable_policy_type, {"RootId": ROOT, "PolicyType": "TAG_POLICY"}),
    ):
        assert refusal(call, **params)[0] == "PolicyTypeNotAvailableForOrganizationException"
    assert (
        refusal(organizations.disable_policy_type, RootId=ROOT, PolicyType="TAG_POLICY")[0] == "PolicyTypeNotEnabledException"
    )


def test_the_full_access_policy_can_not_be_changed(scene: Scene) -> None:
    for call, params in (
        (scene.organizations.update_policy, {"Content": document(NO_USERS)}),
        (scene.organizations.delete_policy, {}),
    ):
        assert refusal(call, PolicyId=FULL_ACCESS, **params)[0] == "InvalidInputException"


def test_what_is_wrong_with_a_request_is_refused(scene: Scene) -> None:
    organizations = scene.organizations
    nowhere = {"PolicyId": "p-00000000"}
    for call, code, params in (
        (organizations.describe_policy, "PolicyNotFoundException", nowhere),
        (organizations.attach_policy, "PolicyNotFoundException", {**nowhere, "TargetId": ROOT}),
        (organizations.attach_policy, "TargetNotFoundException", {"PolicyId": FULL_ACCESS, "TargetId": "9" * 12}),
        (organizations.attach_policy, "DuplicatePolicyAttachmentException", {"PolicyId": FULL_ACCESS, "TargetId": MEMBER}),
        (organizations.list_policies_for_target, "TargetNotFoundException", {"TargetId": "ou-a1b2-00000000", "Filter": SCP}),
        (organizations.list_targets_for_policy, "PolicyNotFoundException", nowhere),
        (organizations.enable_policy_type, "RootNotFoundException", {"RootId": "r-zzzz", "PolicyType": SCP}),
        (organizations.enable_policy_type, "PolicyTypeAlreadyEnabledException", {"RootId": ROOT, "PolicyType": SCP}),
    ):
        assert refusal(call, **params)[0] == code
    with scene.policy(NO_USERS) as policy_id:
        same_name = {"Name": "example", "Description": "", "Type": SCP, "Content": document(NO_USERS)}
        assert refusal(organizations.create_policy, **same_name)[0] == "DuplicatePolicyException"
        assert refusal(organizations.update_policy, PolicyId=policy_id, Name="FullAWSAccess")[0] == "DuplicatePolicyException"
        assert refusal(organizations.detach_policy, PolicyId=policy_id, TargetId=ROOT)[0] == "PolicyNotAttachedException"


def test_a_target_has_one_policy_at_least_and_ten_at_most(scene: Scene) -> None:
    organizations = scene.organizations
    code, message = refusal(organizations.detach_policy, PolicyId=FULL_ACCESS, TargetId=MEMBER)
    assert (code, MEMBER in message) == ("ConstraintViolationException", True)
    with ExitStack() as stack:
        for number in range(9):
            stack.enter_context(scene.attached(NO_USERS, to=MEMBER, name=f"policy-{number}"))
        eleventh = stack.enter_context(scene.policy(NO_USERS))
        assert refusal(organizations.attach_policy, PolicyId=eleventh, TargetId=MEMBER)[0] == "ConstraintViolationException"
        organizations.attach_policy(PolicyId=eleventh, TargetId=NESTED)
        organizations.detach_policy(PolicyId=eleventh, TargetId=NESTED)


def test_a_document_has_ten_thousand_characters_at_most(scene: Scene) -> None:
    room = 10_240 - len(document(deny("iam:")))
    longest, longer = (document(deny(f"iam:{'a' * length}")) for length in (room, room + 1))
    settings = {"Name": "long", "Description": "", "Type": SCP}
    created = scene.organizations.create_policy(**settings, Content=longest)["Policy"]["PolicySummary"]
    code = refusal(scene.organizations.update_policy, PolicyId=created["Id"], Content=longer)[0]
    scene.organizations.delete_policy(PolicyId=created["Id"])
    assert code == "ConstraintViolationException"


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        document(NO_USERS, Version="2008-10-17"),
        document(),
        document(NO_USERS, Statement="*"),
        document(NO_USERS, Statement=["*"]),
        document(NO_USERS, Unknown="*"),
        document({**NO_USERS, "Principal": "*"}),
        document({**NO_USERS, "NotPrincipal": "*"}),
        document({**NO_USERS, "Effect": "Refuse"}),
        document({**NO_USERS, "NotAction": "iam:*"}),
        document({"Effect": "Deny", "Resource": "*"}),
        document({"Effect": "Deny", "Action": "*"}),
        document({**NO_USERS, "NotResource": "*"}),
        document(deny()),
        document(deny("CreateUser")),
        document(deny("iam:Create User")),
        document(deny("iam:CreateUser", resource="user/*")),
        document(deny("iam:CreateUser", resource=[1])),
        document(deny("iam:CreateUser", Sid="not so")),
        document(deny("iam:CreateUser", Sid="a"), deny("iam:CreateGroup", Sid="a")),
        document(deny("iam:CreateUser", Condition="always")),
        document(deny("iam:CreateUser", Condition={"ArnAlike": {"aws:PrincipalArn": "*"}})),
        document(deny("iam:CreateUser", Condition={"ArnLike": {"aws:PrincipalArn": []}})),
        document(deny("iam:CreateUser", Condition={"ArnLike": {"aws:PrincipalArn": "${aws:userid}"}})),
        document(deny("iam:CreateUser", resource="arn:aws:iam::*:user/${aws:username}")),
    ],
)
def test_what_is_no_policy_is_refused(scene: Scene, content: str) -> None:
    settings = {"Name": "malformed", "Description": "", "Type": SCP, "Content": content}
    assert refusal(scene.organizations.create_policy, **settings)[0] == "MalformedPolicyDocumentException"


def test_the_whole_language_of_iam_is_taken(scene: Scene) -> None:
    statements: list[Statement] = [
        {"Effect": "Allow", "NotAction": "iam:*Login*", "NotResource": "arn:aws:s3:::secret/*", "Sid": "A"},
        {
            "Effect": "Deny",
            "Action": "*:*",
            "Resource": ["arn:aws:iam::*:role/*"],
            "Condition": {
                "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "b"]},
                "Null": {"aws:AssumedRoot": True},
            },
        },
    ]
    with scene.policy(*statements):
        pass
    one = json.dumps({"Version": "2012-10-17", "Id": "one", "Statement": statements[0]})
    created = scene.organizations.create_policy(Name="one", Description="", Type=SCP, Content=one)
    scene.organizations.delete_policy(PolicyId=created["Policy"]["PolicySummary"]["Id"])


def test_lists_come_in_pages(scene: Scene) -> None:
    listed = scene.organizations.list_targets_for_policy
    targets, page = [], listed(PolicyId=FULL_ACCESS, MaxResults=3)
    targets += page["Targets"]
    while "NextToken" in page:
        page = listed(PolicyId=FULL_ACCESS, MaxResults=3, NextToken=page["NextToken"])
        targets += page["Targets"]
    assert len({target["TargetId"] for target in targets}) == len(targets) == 8


def test_members_do_not_administer_policies(scene: Scene) -> None:
    delegated = scene.client("organizations", DELEGATED)
    assert delegated.describe_policy(PolicyId=FULL_ACCESS)["Policy"]["Content"]
    for call, params in (
        (delegated.attach_policy, {"PolicyId": FULL_ACCESS, "TargetId": MEMBER}),
        (delegated.disable_policy_type, {"RootId": ROOT, "PolicyType": SCP}),
        (scene.client("organizations", MEMBER).describe_policy, {"PolicyId": FULL_ACCESS}),
        (scene.client("organizations", MEMBER).detach_policy, {"PolicyId": FULL_ACCESS, "TargetId": MEMBER}),
    ):
        assert refusal(call, **params)[0] == "AccessDeniedException"


def test_disabling_the_type_detaches_all_and_enabling_it_begins_anew(scene: Scene) -> None:
    organizations = scene.organizations
    with scene.policy(NO_USERS) as policy_id:
        organizations.attach_policy(PolicyId=policy_id, TargetId=ROOT)
        root = organizations.disable_policy_type(RootId=ROOT, PolicyType=SCP)["Root"]
        assert root["PolicyTypes"] == organizations.list_roots()["Roots"][0]["PolicyTypes"] == []
        available = organizations.describe_organization()["Organization"]["AvailablePolicyTypes"]
        assert available == [{"Type": SCP, "Status": "ENABLED"}], "available, though not enabled"
        assert organizations.list_targets_for_policy(PolicyId=FULL_ACCESS)["Targets"] == []
        for call, params in (
            (organizations.attach_policy, {"PolicyId": policy_id, "TargetId": ROOT}),
            (organizations.disable_policy_type, {"RootId": ROOT, "PolicyType": SCP}),
        ):
            assert refusal(call, **params)[0] == "PolicyTypeNotEnabledException"
        scene.client("iam", MEMBER).create_user(UserName="while-disabled")
        root = organizations.enable_policy_type(RootId=ROOT, PolicyType=SCP)["Root"]
        assert root["PolicyTypes"] == [{"Type": SCP, "Status": "ENABLED"}]
        attached = organizations.list_policies_for_target(TargetId=ROOT, Filter=SCP)["Policies"]
        assert [policy["Id"] for policy in attached] == [FULL_ACCESS]


def test_consolidated_billing_has_no_policies(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    settings = {"id": "o-a1b2c3d4e5", "root_id": ROOT, "management_account": MANAGEMENT, "all_features": False}
    file.write_text(yaml.safe_dump({"accounts": {MANAGEMENT: {}}, "organization": settings}), encoding="utf-8")
    with LocalAwsProcess(file) as process:
        organizations = clients_of(process)("organizations", MANAGEMENT)
        assert organizations.list_roots()["Roots"][0]["PolicyTypes"] == []
        policy = {"Name": "example", "Description": "", "Type": SCP, "Content": document(NO_USERS)}
        for call, params in (
            (organizations.create_policy, policy),
            (organizations.enable_policy_type, {"RootId": ROOT, "PolicyType": SCP}),
        ):
            assert refusal(call, **params)[0] == "PolicyTypeNotAvailableForOrganizationException"


# Whom they bind


@pytest.mark.usefixtures("no_users")
def test_the_root_user_of_a_member_is_bound_and_that_of_the_management_account_is_not(scene: Scene, no_users: str) -> None:
    code, message = refusal(scene.client("iam", MEMBER).create_user, UserName="none")
    policy_arn = f"arn:aws:organizations::{MANAGEMENT}:policy/o-a1b2c3d4e5/service_control_policy/{no_users}"
    call = f"iam:CreateUser on resource: arn:aws:iam::{MEMBER}:user/none"
    said = f"User: arn:aws:iam::{MEMBER}:root is not authorized to perform: {call} {DENIED}: {policy_arn}"
    assert (code, message) == ("AccessDenied", said)
    scene.client("iam", MANAGEMENT).create_user(UserName="by-the-management-account")


def test_users_and_roles_are_bound_whatever_their_policies_allow(scene: Scene) -> None:
    iam = scene.client("iam", MEMBER)
    iam.create_user(UserName="administrator")
    iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=allow("*"))
    user = scene.signed_with(iam.create_access_key(UserName="administrator")["AccessKey"])
    role = scene.session(MEMBER, "administrator")
    with scene.attached(NO_USERS):
        for clients in (user, role):
            assert is_refused(clients("iam", MEMBER).create_user, UserName="none")
            clients("iam", MEMBER).list_users()
        assert f"{MEMBER}:user/administrator is not" in refusal(user("iam", MEMBER).create_user, UserName="none")[1]
        assert f"{MEMBER}:assumed-role/administrator/test is" in refusal(role("iam", MEMBER).create_user, UserName="none")[1]


def test_a_policy_gives_no_permission(scene: Scene) -> None:
    reader = scene.session(MEMBER, "reader", ("iam:List*",))
    with scene.attached({"Effect": "Allow", "Action": "*", "Resource": "*"}):
        assert "no identity-based policy allows" in refusal(reader("iam", MEMBER).create_user, UserName="none")[1]


@pytest.mark.usefixtures("no_users")
def test_an_unknown_caller_is_not_told_of_policies(scene: Scene) -> None:
    stranger = scene.signed_with({"AccessKeyId": "AKIA0000000000000000", "SecretAccessKey": "none"})
    assert refusal(stranger("iam", MEMBER).create_user, UserName="none")[0] == "InvalidClientTokenId"


def test_everybody_may_ask_who_he_is(scene: Scene) -> None:
    with scene.attached(deny("*")):
        assert scene.client("sts", MEMBER).get_caller_identity()["Account"] == MEMBER
        assert is_refused(scene.client("iam", MEMBER).list_users)


def test_a_session_of_a_members_root_user_is_bound(scene: Scene) -> None:
    credentials = scene.client("sts", DELEGATED).assume_root(
        TargetPrincipal=MEMBER,
        TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
    )["Credentials"]
    iam = scene.signed_with(credentials)("iam", MEMBER)
    iam.get_account_summary()
    as_root = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
    with scene.attached(deny("iam:*", Condition=as_root)):
        assert is_refused(iam.get_account_summary)
    with scene.attached(deny("iam:*", Condition={**as_root, "Null": {"aws:AssumedRoot": "true"}})):
        iam.get_account_summary()
        assert is_refused(scene.client("iam", MEMBER).get_account_summary)


def test_assuming_a_role_is_an_action_of_who_assumes_it(scene: Scene) -> None:
    """The policies of the caller's account decide who may assume the role. Those of the role's account bind the session."""
    role = scene.client("iam", MEMBER).create_role(
        RoleName="guest", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{NESTED}:root"})
    )["Role"]["Arn"]
    scene.client("iam", MEMBER).put_role_policy(RoleName="guest", PolicyName="all", PolicyDocument=allow("*"))
    assume = scene.client("sts", NESTED).assume_role
    with scene.attached(deny("sts:AssumeRole", resource=role), to=NESTED):
        assert is_refused(assume, RoleArn=role, RoleSessionName="test")
        assert is_refused(assume, RoleArn=role.replace("guest", "GUEST"), RoleSessionName="test")
    with scene.attached(deny("sts:AssumeRole"), to=MEMBER):
        guest = scene.signed_with(assume(RoleArn=role, RoleSessionName="test")["Credentials"])
    with scene.attached(NO_USERS, to=NESTED):
        guest("iam", MEMBER).create_user(UserName="by-a-guest")
    with scene.attached(NO_USERS, to=MEMBER):
        assert is_refused(guest("iam", MEMBER).create_user, UserName="none")


def test_what_another_accounts_policy_allows_is_refused_by_ones_own(scene: Scene) -> None:
    topic = scene.client("sns", DELEGATED).create_topic(Name="notices")["TopicArn"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    scene.client("sns", DELEGATED).set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=document(everybody)
    )
    publish = scene.client("sns", MEMBER).publish
    publish(TopicArn=topic, Message="allowed")
    with scene.attached(deny("sns:Publish", resource=topic), to=MEMBER):
        assert refusal(publish, TopicArn=topic, Message="none")[0] == "AuthorizationError"
        assert is_refused(publish, TopicArn=topic, Message="none")
    with scene.attached(deny("sns:Publish"), to=DELEGATED):
        publish(TopicArn=topic, Message="the policies of the topic's account do not count")


def test_the_roles_of_services_are_free_and_nobody_else_can_have_one(scene: Scene) -> None:
    """Only its own policies can refuse a service-linked role that a runbook acts as. It has none."""
    iam = scene.client("iam", MEMBER)
    service = iam.create_service_linked_role(AWSServiceName="ssm.amazonaws.com")["Role"]
    own = Runbooks(scene.client, MEMBER, "iam:ListUsers")
    own.create(api("iam", "list_users"), name="Reader")
    with scene.attached(deny("iam:ListUsers")):
        for role, why in ((own.role, DENIED), (service["Arn"], "because no identity-based policy allows")):
            execution = own.wait(own.start("Reader", AutomationAssumeRole=role), "Failed")
            assert why in execution["FailureMessage"]
    for change, params in (
        (iam.update_assume_role_policy, {"PolicyDocument": trust({"AWS": f"arn:aws:iam::{MEMBER}:root"})}),
        (iam.put_role_policy, {"PolicyName": "all", "PolicyDocument": allow("*")}),
        (iam.attach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        (iam.delete_role, {}),
    ):
        assert refusal(change, RoleName=service["RoleName"], **params)[0] == "UnmodifiableEntity"
    sly = {"RoleName": "sly-service", "Path": "/aws-service-role/ssm.amazonaws.com/"}
    assert refusal(iam.create_role, **sly, AssumeRolePolicyDocument=trust({"AWS": MEMBER}))[0] == "InvalidInput"


def test_an_account_that_has_left_is_free(fresh: Scene) -> None:
    fresh.process.create_account("7" * 12, "leaver", "", {})
    with fresh.attached(NO_USERS):
        assert is_refused(fresh.client("iam", "7" * 12).create_user, UserName="none")
        fresh.client("organizations", "7" * 12).leave_organization()
        fresh.client("iam", "7" * 12).create_user(UserName="free")


def test_leaving_can_be_refused(scene: Scene) -> None:
    with scene.attached(deny("organizations:LeaveOrganization")):
        assert is_refused(scene.client("organizations", MEMBER).leave_organization)
    assert refusal(scene.client("organizations", MANAGEMENT).leave_organization)[0] == "MasterCannotLeaveOrganizationException"
    assert refusal(scene.client("organizations", DELEGATED).leave_organization)[0] == "ConstraintViolationException"


# By what


def test_a_deny_counts_at_every_level(scene: Scene) -> None:
    for level in (ROOT, scene.unit("Workloads"), scene.unit("Workloads", "Production"), NESTED):
        with scene.attached(deny("iam:ListUsers"), to=level):
            assert not may_read_users(scene, NESTED)
            assert may_read_users(scene, MEMBER) is (level != ROOT)
        assert may_read_users(scene, NESTED)


def test_every_level_must_allow(scene: Scene) -> None:
    for level in (ROOT, scene.unit("Workloads"), scene.unit("Workloads", "Production"), NESTED):
        allowed = {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"}
        with scene.attached(allowed, to=level), scene.without_full_access(level):
            iam = scene.client("iam", NESTED)
            iam.list_roles()
            assert refusal(iam.create_user, UserName="none")[1].endswith(
                f"{NESTED}:user/none because no service control policy allows the iam:CreateUser action"
            )


def test_one_of_a_levels_policies_is_enough_to_allow(scene: Scene) -> None:
    other = {"Effect": "Allow", "Action": "sns:*", "Resource": "*"}
    with (
        scene.attached(ALLOW_IAM, to=MEMBER, name="iam"),
        scene.attached(other, to=MEMBER, name="sns"),
        scene.without_full_access(MEMBER),
    ):
        scene.client("iam", MEMBER).list_users()
        scene.client("sns", MEMBER).list_topics()
        assert is_refused(scene.client("ssm", MEMBER).list_documents)


def test_an_account_takes_on_the_policies_of_where_it_is_moved(scene: Scene) -> None:
    sandbox = scene.unit("Sandbox")
    with scene.attached(deny("iam:ListUsers"), to=sandbox):
        assert may_read_users(scene, MEMBER)
        scene.organizations.move_account(AccountId=MEMBER, SourceParentId=ROOT, DestinationParentId=sandbox)
        assert not may_read_users(scene, MEMBER)
        scene.organizations.move_account(AccountId=MEMBER, SourceParentId=sandbox, DestinationParentId=ROOT)
        assert may_read_users(scene, MEMBER)


def test_a_new_account_is_bound_at_once(fresh: Scene) -> None:
    with fresh.attached(NO_USERS):
        fresh.process.create_account("8" * 12, "new", "Sandbox", {})
        attached = fresh.organizations.list_policies_for_target(TargetId="8" * 12, Filter=SCP)["Policies"]
        assert [policy["Id"] for policy in attached] == [FULL_ACCESS]
        assert is_refused(fresh.client("iam", "8" * 12).create_user, UserName="none")


def test_the_change_of_a_policy_counts_at_once(scene: Scene) -> None:
    with scene.attached(NO_USERS) as policy_id:
        scene.organizations.update_policy(PolicyId=policy_id, Content=document(deny("iam:ListUsers")))
        scene.client("iam", MEMBER).create_user(UserName="no-longer-refused")
        assert not may_read_users(scene, MEMBER)


def test_actions_match_in_any_case_and_resources_and_principals_do_not(scene: Scene) -> None:
    iam = scene.client("iam", MEMBER)
    with scene.attached(deny("IAM:createUSER", resource="arn:aws:iam::*:user/Protected*")):
        assert is_refused(iam.create_user, UserName="ProtectedOne")
        iam.create_user(UserName="protectedTwo")


def test_an_asterisk_for_an_account_does_not_run_into_the_path(scene: Scene) -> None:
    """A path may have colons; each part of an ARN is compared by itself."""
    iam = scene.client("iam", MEMBER)
    assume = trust({"AWS": f"arn:aws:iam::{MEMBER}:root"})
    iam.create_role(RoleName="sly", Path="/:role/trusted-1/", AssumeRolePolicyDocument=assume)
    iam.put_role_policy(RoleName="sly", PolicyName="all", PolicyDocument=allow("*"))
    arn = f"arn:aws:iam::{MEMBER}:role/:role/trusted-1/sly"
    sly = scene.signed_with(scene.client("sts", MEMBER).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])
    but_trusted = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/trusted-*"}}
    trusted = scene.session(MEMBER, "trusted-2")
    with scene.attached(deny("iam:CreateUser", Condition=but_trusted)):
        assert is_refused(sly("iam", MEMBER).create_user, UserName="none")
        trusted("iam", MEMBER).create_user(UserName="by-a-trusted-role")


def test_conditions_are_those_of_iam(scene: Scene) -> None:
    for condition, binds in (
        ({"StringEquals": {"aws:PrincipalAccount": MEMBER}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True),
        ({"Bool": {"aws:ViaAWSService": "true"}}, False),
        ({"StringEquals": {"aws:PrincipalType": "Account"}}, True),
        ({"StringLike": {"aws:PrincipalTag/team": "*"}}, False),
        ({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{MEMBER}:root"}}, True),
    ):
        with scene.attached(deny("iam:ListUsers", Condition=condition)):
            assert may_read_users(scene, MEMBER) is not binds, condition


def test_tags_of_a_resource_can_protect_it(scene: Scene) -> None:
    iam = scene.client("iam", MEMBER)
    for name, value in (("tagged", "yes"), ("untagged", "no")):
        tags = [{"Key": "Protected", "Value": value}]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": MEMBER}), Tags=tags)
    with scene.attached(deny("iam:DeleteRole", Condition={"StringEquals": {"aws:ResourceTag/Protected": "yes"}})):
        assert is_refused(iam.delete_role, RoleName="tagged")
        iam.delete_role(RoleName="untagged")


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("config", "describe_config_rules", {}),
        ("ssm", "list_documents", {}),
        ("events", "list_rules", {}),
        ("cloudformation", "list_stacks", {}),
        ("lambda", "list_functions", {}),
        ("logs", "describe_log_groups", {}),
        ("s3", "list_buckets", {}),
        ("sqs", "list_queues", {}),
        ("cloudwatch", "list_metrics", {}),
        ("cloudtrail", "stop_logging", {"Name": "trail"}),
        ("config", "delete_delivery_channel", {"DeliveryChannelName": "default"}),
        ("organizations", "list_handshakes_for_account", {}),
        ("cloudformation", "register_type", {"TypeName": "A::B::C", "SchemaHandlerPackage": "s3://a/b"}),
    ],
)
def test_every_service_refuses_before_it_looks_at_the_request(
    scene: Scene, service: str, operation: str, params: dict[str, Any]
) -> None:
    """A policy refuses first, even if the local AWS does not emulate the operation."""
    with scene.attached(deny("*")):
        code, message = refusal(getattr(scene.client(service, MEMBER), operation), **params)
        assert code.startswith("AccessDenied")
        assert DENIED in message
