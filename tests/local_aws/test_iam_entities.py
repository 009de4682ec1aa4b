"""IAM's users, groups, roles and policies on the local AWS: what is refused, in AWS's words, and lists in pages."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from local_aws.client import LocalAwsProcess
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import CENTRAL, Client, Clients, Parameter, allow, eventually, refusal, trust

POLICY = "arn:aws:iam::{account}:policy/{name}"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
LAMBDA = {"Service": "lambda.amazonaws.com"}
CONFLICT = "DeleteConflict"


@pytest.fixture
def iam(client: Clients, account_id: str) -> Client:
    return client("iam", account_id)


def policy(**statement: Parameter) -> str:
    """Make a policy document of one statement; a member that is None is left out."""
    whole: dict[str, Parameter] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}
    return document({name: value for name, value in whole.items() if value is not None})


def document(*statements: Parameter) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(**statement: Parameter) -> str:
    return policy(**{"Action": "sts:AssumeRole", "Resource": None, "Principal": LAMBDA} | statement)


# Documents

SYNTAX = "Syntax errors in policy."
BAD_TRUST = {
    "no JSON": ("{", "This policy contains invalid Json"),
    "no object": ("[]", SYNTAX),
    "no statements": (document(), SYNTAX),
    "no effect": (trusting(Effect=None), SYNTAX),
    "unknown element": (trusting(Principle="x"), SYNTAX),
    "no principal": (trusting(Principal=None), "Missing required field Principal"),
    "no principal in it": (trusting(Principal={"AWS": []}), "Invalid principal in policy: com.amazon.balsa.error."),
    "everybody": (trusting(Principal="*"), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
    "no service": (trusting(Principal={"Service": "nothing"}), 'Invalid principal in policy: "SERVICE":"nothing"'),
    "no account": (
        trusting(Principal={"AWS": "arn:aws:iam::123456789012:root"}),
        'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:root"',
    ),
    "no such role": (
        trusting(Principal={"AWS": [CENTRAL, f"arn:aws:iam::{CENTRAL}:role/none"]}),
        f'Invalid principal in policy: "AWS":"arn:aws:iam::{CENTRAL}:role/none"',
    ),
    "a resource": (trusting(Resource="*"), "Has prohibited field Resource"),
    "another service's action": (trusting(Action="s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
    "nobody but": (trusting(Principal=None, NotPrincipal=LAMBDA), "AssumeRole policy must not contain NotPrincipal field."),
}
BAD_POLICY = {
    "no JSON": ("{", SYNTAX),
    "two effects": (policy(Effect="Maybe"), SYNTAX),
    "a condition that is none": (policy(Condition=[]), SYNTAX),
    "action and its opposite": (policy(NotAction="s3:*"), SYNTAX),
    "a principal": (policy(Principal="*"), "Policy document should not specify a principal."),
    "no action": (policy(Action=None), "Policy statement must contain actions."),
    "no resource": (policy(Resource=None), "Policy statement must contain resources."),
    "an action of nothing": (policy(Action="GetObject"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb,"),
    "a resource that is none": (policy(Resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
    "a name twice": (
        document(*[{"Sid": "One", "Effect": "Allow", "Action": "*", "Resource": "*"}] * 2),
        "Statement IDs (SID) in a single policy must be unique.",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_TRUST.values(), ids=BAD_TRUST)
def test_a_trust_policy_that_is_none_is_refused(iam: Client, text: str, message: str) -> None:
    code, said = refusal(iam.create_role, RoleName="new", AssumeRolePolicyDocument=text)
    assert (code, said[: len(message)]) == ("MalformedPolicyDocument", message)
    iam.create_role(RoleName="old", AssumeRolePolicyDocument=trust(LAMBDA))
    assert refusal(iam.update_assume_role_policy, RoleName="old", PolicyDocument=text) == (code, said)
    assert iam.get_role(RoleName="old")["Role"]["AssumeRolePolicyDocument"] == json.loads(trust(LAMBDA))
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["old"]


def test_a_role_trusts_who_is_there(iam: Client, account_id: str) -> None:
    """A name stands for a user or role in any case, and a session or an id is taken as it is."""
    iam.create_user(UserName="Alice", Path="/people/")
    base = f"arn:aws:iam::{account_id}"
    principals = [account_id, f"{base}:root", f"{base}:user/people/alice", "*", "AROAEXAMPLEEXAMPLE12"]
    session = f"arn:aws:sts::{account_id}:assumed-role/reader/me"
    text = trusting(Principal={"AWS": [*principals, session], **LAMBDA}, Action=["sts:AssumeRole", "sts:TagSession"])
    assert iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=text)["Role"]["Arn"] == f"{base}:role/trusting"


@pytest.mark.parametrize(("text", "message"), BAD_POLICY.values(), ids=BAD_POLICY)
def test_a_policy_that_is_none_is_refused(iam: Client, text: str, message: str) -> None:
    iam.create_user(UserName="alice")
    code, said = refusal(iam.put_user_policy, UserName="alice", PolicyName="inline", PolicyDocument=text)
    assert (code, said[: len(message)]) == ("MalformedPolicyDocument", message)
    assert refusal(iam.create_policy, PolicyName="managed", PolicyDocument=text) == (code, said)
    assert iam.list_user_policies(UserName="alice")["PolicyNames"] == []


def test_templates_are_checked_too(client: Clients, account_id: str) -> None:
    cloudformation = client("cloudformation", account_id)
    role = {"AssumeRolePolicyDocument": json.loads(trusting(Principal=None))}
    policies = {
        "UserName": "alice",
        "Policies": [{"PolicyName": "inline", "PolicyDocument": json.loads(policy(Resource=None))}],
    }
    missing = {
        "AssumeRolePolicyDocument": json.loads(trusting()),
        "ManagedPolicyArns": [f"arn:aws:iam::{account_id}:policy/none"],
    }
    resources = {
        "Missing required field Principal": {"Type": "AWS::IAM::Role", "Properties": role},
        "Policy statement must contain resources.": {"Type": "AWS::IAM::User", "Properties": policies},
        "does not exist or is not attachable": {"Type": "AWS::IAM::Role", "Properties": missing},
    }
    for number, (reason, resource) in enumerate(resources.items()):
        name = f"stack{number}"
        template = json.dumps({"Resources": {"Thing": resource}})
        cloudformation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
        assert reason in eventually(partial(failure, cloudformation, name))


def failure(cloudformation: Client, stack: str) -> str:
    """Return why a resource of a stack failed, or "" if none has failed yet."""
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = (event for event in events if event["ResourceStatus"] == "CREATE_FAILED")
    return next((event["ResourceStatusReason"] for event in failed), "")


# What is not there, or there already


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("get_role", {"RoleName": "none"}, "The role with name none cannot be found."),
        ("delete_role", {"RoleName": "none"}, "The role with name none cannot be found."),
        ("list_attached_role_policies", {"RoleName": "none"}, "The role with name none cannot be found."),
        ("get_user", {"UserName": "none"}, "The user with name none cannot be found."),
        ("list_access_keys", {"UserName": "none"}, "The user with name none cannot be found."),
        ("list_mfa_devices", {"UserName": "none"}, "The user with name none cannot be found."),
        ("create_access_key", {"UserName": "none"}, "The user with name none cannot be found."),
        ("get_group", {"GroupName": "none"}, "The group with name none cannot be found."),
        ("add_user_to_group", {"GroupName": "there", "UserName": "none"}, "The user with name none cannot be found."),
        ("get_role_policy", {"RoleName": "there", "PolicyName": "none"}, "The role policy with name none cannot be found."),
        ("get_policy", {"PolicyArn": POLICY}, "Policy {arn} was not found."),
        ("delete_policy", {"PolicyArn": POLICY}, "Policy {arn} was not found."),
        ("list_entities_for_policy", {"PolicyArn": POLICY}, "Policy {arn} was not found."),
        ("attach_role_policy", {"RoleName": "there", "PolicyArn": POLICY}, "Policy {arn} does not exist or is not attachable."),
        ("attach_user_policy", {"UserName": "there", "PolicyArn": POLICY}, "Policy {arn} does not exist or is not attachable."),
        ("detach_role_policy", {"RoleName": "there", "PolicyArn": POLICY}, "Policy {arn} was not found."),
        ("detach_role_policy", {"RoleName": "there", "PolicyArn": ADMINISTRATOR}, f"Policy {ADMINISTRATOR} was not found."),
        ("get_login_profile", {"UserName": "there"}, "Login Profile for User there cannot be found."),
        (
            "delete_access_key",
            {"UserName": "there", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
            "The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.",
        ),
        ("get_instance_profile", {"InstanceProfileName": "none"}, "Instance Profile none cannot be found."),
    ],
)
def test_what_is_not_there_is_named(iam: Client, account_id: str, operation: str, params: dict[str, str], message: str) -> None:
    make_one_of_each(iam)
    arn = POLICY.format(account=account_id, name="none")
    params = {name: arn if value == POLICY else value for name, value in params.items()}
    assert refusal(getattr(iam, operation), **params) == ("NoSuchEntity", message.format(arn=arn))


def make_one_of_each(iam: Client, name: str = "there") -> str:
    """Make a role, a user, a group and a policy with one name, and return the policy's ARN."""
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(LAMBDA))
    iam.create_user(UserName=name)
    iam.create_group(GroupName=name)
    arn: str = iam.create_policy(PolicyName=name, PolicyDocument=policy())["Policy"]["Arn"]
    return arn


def test_a_policy_of_aws_that_the_local_aws_lacks_is_said_to_be_that(iam: Client) -> None:
    code, message = refusal(iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/AWSSupportAccess")
    assert (code, message) == (
        "NoSuchEntity",
        "Policy arn:aws:iam::aws:policy/AWSSupportAccess is not one of the AWS managed policies that the local AWS has.",
    )


def test_a_policy_of_aws_config_is_there(iam: Client) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/AWSConfigRoleForOrganizations"
    make_one_of_each(iam)
    iam.attach_role_policy(RoleName="there", PolicyArn=arn)
    [attached] = iam.list_policies(Scope="AWS", OnlyAttached=True)["Policies"]
    assert (attached["Arn"], attached["Path"], attached["AttachmentCount"]) == (arn, "/service-role/", 1)
    document = iam.get_policy_version(PolicyArn=arn, VersionId=attached["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert "organizations:ListAccounts" in document["Statement"][0]["Action"]


def test_a_name_is_taken_in_any_case(iam: Client) -> None:
    make_one_of_each(iam)
    taken = "EntityAlreadyExists"
    trusts = {"AssumeRolePolicyDocument": trust(LAMBDA)}
    assert refusal(iam.create_role, RoleName="There", **trusts) == (taken, "Role with name There already exists.")
    assert refusal(iam.create_user, UserName="There") == (taken, "User with name There already exists.")
    assert refusal(iam.create_group, GroupName="There") == (taken, "Group with name There already exists.")
    assert refusal(iam.create_policy, PolicyName="There", Path="/other/", PolicyDocument=policy()) == (
        taken,
        "A policy called There already exists. Duplicate names are not allowed.",
    )
    assert iam.get_user(UserName="THERE")["User"]["UserName"] == "there"
    assert iam.list_attached_role_policies(RoleName="THERE")["AttachedPolicies"] == []


def test_an_inline_policy_is_found_in_any_case(iam: Client) -> None:
    """Public captures of 2026."""
    iam.create_user(UserName="alice")
    for name, effect in (("MixedName", "Allow"), ("mixedname", "Deny")):
        iam.put_user_policy(UserName="alice", PolicyName=name, PolicyDocument=policy(Effect=effect))
    assert iam.list_user_policies(UserName="alice")["PolicyNames"] == ["MixedName"]
    found = iam.get_user_policy(UserName="alice", PolicyName="MIXEDNAME")
    assert (found["PolicyName"], found["PolicyDocument"]["Statement"][0]["Effect"]) == ("MIXEDNAME", "Deny")
    iam.delete_user_policy(UserName="alice", PolicyName="MIXEDNAME")
    assert iam.list_user_policies(UserName="alice")["PolicyNames"] == []


@pytest.fixture(scope="module")
def acting(local_aws: LocalAwsProcess) -> Acting:
    return Acting(local_aws)


def test_who_names_no_user_means_itself(client: Clients, acting: Acting, iam: Client, account_id: str) -> None:
    iam.create_user(UserName="alice")
    iam.put_user_policy(UserName="alice", PolicyName="iam", PolicyDocument=allow("iam:*"))
    alice = acting("iam", iam.create_access_key(UserName="alice")["AccessKey"])
    assert alice.get_user()["User"]["UserName"] == "alice"
    assert len(alice.list_access_keys()["AccessKeyMetadata"]) == 1
    assert alice.list_mfa_devices()["MFADevices"] == []
    arn = make_role(client, account_id, "reader", trust_account(account_id), "iam:*")
    reader = acting("iam", assume(client("sts", account_id), arn))
    nobody = ("ValidationError", "Must specify userName when calling with non-User credentials")
    assert refusal(reader.get_user) == refusal(reader.list_access_keys) == refusal(reader.list_mfa_devices) == nobody
    assert refusal(iam.create_access_key) == nobody  # the local AWS lets root users make keys by its command only


# Deleting what is in use

Step = Callable[[Client, str], object]
PASSWORD = "Correct-Horse-1"  # noqa: S105 - of a test

IN_USE: dict[str, tuple[Step, Step, str]] = {
    "a role with an attached policy": (
        lambda iam, arn: iam.attach_role_policy(RoleName="there", PolicyArn=arn),
        lambda iam, _: iam.delete_role(RoleName="there"),
        "Cannot delete entity, must detach all policies first.",
    ),
    "a role with an inline policy": (
        lambda iam, _: iam.put_role_policy(RoleName="there", PolicyName="inline", PolicyDocument=policy()),
        lambda iam, _: iam.delete_role(RoleName="there"),
        "Cannot delete entity, must delete policies first.",
    ),
    "a role of an instance profile": (
        lambda iam, _: (
            iam.create_instance_profile(InstanceProfileName="machines"),
            iam.add_role_to_instance_profile(InstanceProfileName="machines", RoleName="there"),
        ),
        lambda iam, _: iam.delete_role(RoleName="there"),
        "Cannot delete entity, must remove roles from instance profile first.",
    ),
    "a user with a key": (
        lambda iam, _: iam.create_access_key(UserName="there"),
        lambda iam, _: iam.delete_user(UserName="there"),
        "Cannot delete entity, must delete access keys first.",
    ),
    "a user with a password": (
        lambda iam, _: iam.create_login_profile(UserName="there", Password=PASSWORD),
        lambda iam, _: iam.delete_user(UserName="there"),
        "Cannot delete entity, must delete login profile first.",
    ),
    "a user with an inline policy": (
        lambda iam, _: iam.put_user_policy(UserName="there", PolicyName="inline", PolicyDocument=policy()),
        lambda iam, _: iam.delete_user(UserName="there"),
        "Cannot delete entity, must delete policies first.",
    ),
    "a user of a group": (
        lambda iam, _: iam.add_user_to_group(GroupName="there", UserName="there"),
        lambda iam, _: iam.delete_user(UserName="there"),
        "Cannot delete entity, must remove users from group first.",
    ),
    "a group with a user": (
        lambda iam, _: iam.add_user_to_group(GroupName="there", UserName="there"),
        lambda iam, _: iam.delete_group(GroupName="there"),
        "Cannot delete entity, must remove users from group first.",
    ),
    "a group with a policy": (
        lambda iam, arn: iam.attach_group_policy(GroupName="there", PolicyArn=arn),
        lambda iam, _: iam.delete_group(GroupName="there"),
        "Cannot delete entity, must detach all policies first.",
    ),
    "a policy that is attached": (
        lambda iam, arn: iam.attach_user_policy(UserName="there", PolicyArn=arn),
        lambda iam, arn: iam.delete_policy(PolicyArn=arn),
        "Cannot delete a policy attached to entities.",
    ),
    "a policy that is a boundary": (
        lambda iam, arn: iam.put_role_permissions_boundary(RoleName="there", PermissionsBoundary=arn),
        lambda iam, arn: iam.delete_policy(PolicyArn=arn),
        "Cannot delete a policy attached to entities.",
    ),
    "a policy with two versions": (
        lambda iam, arn: iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy()),
        lambda iam, arn: iam.delete_policy(PolicyArn=arn),
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.",
    ),
    "a default version": (
        lambda iam, arn: iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy()),
        lambda iam, arn: iam.delete_policy_version(PolicyArn=arn, VersionId="v1"),
        "Cannot delete the default version of a policy.",
    ),
}


@pytest.mark.parametrize(("use", "delete", "message"), IN_USE.values(), ids=IN_USE)
def test_what_is_in_use_is_not_deleted(iam: Client, use: Step, delete: Step, message: str) -> None:
    arn = make_one_of_each(iam)
    use(iam, arn)
    code, said = refusal(lambda: delete(iam, arn))
    assert (code, said[: len(message)]) == (CONFLICT, message)
    iam.get_role(RoleName="there")
    iam.get_user(UserName="there")
    iam.get_group(GroupName="there")
    iam.get_policy(PolicyArn=arn)


# Quotas, names and paths


def test_quotas_are_those_of_the_summary(iam: Client) -> None:
    arn = make_one_of_each(iam)
    long = policy(Resource=[f"arn:aws:s3:::{'x' * 60}{number}" for number in range(200)])
    exceeded = "LimitExceeded"
    assert refusal(iam.put_user_policy, UserName="there", PolicyName="long", PolicyDocument=long) == (
        exceeded,
        "Maximum policy size of 2048 bytes exceeded for user there",
    )
    assert refusal(iam.create_policy, PolicyName="long", PolicyDocument=long) == (
        exceeded,
        "Cannot exceed quota for PolicySize: 6144",
    )
    trusts = trusting(Condition={"StringEquals": {"sts:ExternalId": "x" * 2048}})
    assert refusal(iam.update_assume_role_policy, RoleName="there", PolicyDocument=trusts) == (
        exceeded,
        "Cannot exceed quota for ACLSizePerRole: 2048",
    )
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy())
    code, message = refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy())
    assert (code, message[:45]) == (exceeded, "A managed policy can have up to 5 versions. B")
    for _ in range(2):
        iam.create_access_key(UserName="there")
    assert refusal(iam.create_access_key, UserName="there") == (exceeded, "Cannot exceed quota for AccessKeysPerUser: 2")
    arns = [iam.create_policy(PolicyName=f"p{number}", PolicyDocument=policy())["Policy"]["Arn"] for number in range(11)]
    for each in arns[:10]:
        iam.attach_group_policy(GroupName="there", PolicyArn=each)
    iam.attach_group_policy(GroupName="there", PolicyArn=arns[0])  # it is attached already
    assert refusal(iam.attach_group_policy, GroupName="there", PolicyArn=arns[10]) == (
        exceeded,
        "Cannot exceed quota for PoliciesPerGroup: 10",
    )


@pytest.mark.parametrize("path", ["/team", "team/", "/ space/", "/é/", "//", "/line\n/"])
def test_a_path_has_a_form(iam: Client, path: str) -> None:
    """Public captures of 2026, which also have the path /a//b/ taken."""
    assert refusal(iam.create_user, UserName="alice", Path=path)[0] == "ValidationError"
    assert iam.create_user(UserName="alice", Path="/a//b/")["User"]["Path"] == "/a//b/"


@pytest.mark.parametrize(("name", "code"), [("x" * 64, ""), ("x" * 65, "ValidationError"), ("é", "ValidationError")])
def test_a_name_has_a_length(iam: Client, name: str, code: str) -> None:
    if code:
        assert refusal(iam.create_user, UserName=name)[0] == code
    else:
        assert iam.create_user(UserName=name)["User"]["UserName"] == name


def test_a_description_with_signs_of_xml_comes_back(iam: Client) -> None:
    trusts = {"AssumeRolePolicyDocument": trust(LAMBDA)}
    made = iam.create_role(RoleName="there", Description="Tom & Jerry's, 1 < 2", **trusts)["Role"]
    assert made["Description"] == iam.get_role(RoleName="there")["Role"]["Description"] == "Tom & Jerry's, 1 < 2"


# Lists


def test_every_list_comes_in_pages(iam: Client) -> None:
    for number in range(5):
        make_one_of_each(iam, f"n{number}")
        arn = iam.create_policy(PolicyName=f"p{number}", PolicyDocument=policy())["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="n0", PolicyArn=arn)
        iam.put_role_policy(RoleName="n0", PolicyName=f"i{number}", PolicyDocument=policy())
        iam.add_user_to_group(GroupName="n0", UserName=f"n{number}")
    lists: dict[str, dict[str, str]] = {
        "list_roles": {},
        "list_users": {},
        "list_groups": {},
        "list_attached_role_policies": {"RoleName": "n0"},
        "list_role_policies": {"RoleName": "n0"},
        "get_group": {"GroupName": "n0"},
    }
    keys = {"list_attached_role_policies": "AttachedPolicies", "list_role_policies": "PolicyNames", "get_group": "Users"}
    for operation, params in lists.items():
        key = keys.get(operation, operation.removeprefix("list_").capitalize())
        pages = [page[key] for page in iam.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": 2})]
        assert [len(page) for page in pages] == [2, 2, 1], operation
        whole = getattr(iam, operation)(**params)
        assert (whole[key], whole["IsTruncated"]) == ([entry for page in pages for entry in page], False)
        assert refusal(getattr(iam, operation), **params, Marker="not-one-of-ours")[0] == "ValidationError"
        assert refusal(getattr(iam, operation), **params, MaxItems=0)[0] == "ValidationError"
    marker = iam.list_roles(MaxItems=1)["Marker"]
    assert refusal(iam.list_users, Marker=marker)[0] == "ValidationError"
    assert len(iam.list_roles(MaxItems=3, Marker=marker)["Roles"]) == 3  # the size of a page may change


def test_a_list_of_roles_leaves_out_what_a_role_has(iam: Client) -> None:
    arn = make_one_of_each(iam)
    iam.tag_role(RoleName="there", Tags=[{"Key": "team", "Value": "one"}])
    iam.put_role_permissions_boundary(RoleName="there", PermissionsBoundary=arn)
    [listed], whole = iam.list_roles()["Roles"], iam.get_role(RoleName="there")["Role"]
    assert whole.keys() - listed.keys() == {"Tags", "PermissionsBoundary"}


def test_policies_are_listed_by_their_use(iam: Client) -> None:
    """A usage counts with OnlyAttached only (public captures of 2026)."""
    arns = {
        name: iam.create_policy(PolicyName=name, PolicyDocument=policy())["Policy"]["Arn"]
        for name in ("attached", "boundary", "both", "unused")
    }
    for number, name in enumerate(("attached", "both")):
        iam.create_user(UserName=f"user{number}")
        iam.attach_user_policy(UserName=f"user{number}", PolicyArn=arns[name])
    for number, name in enumerate(("boundary", "both")):
        iam.put_user_permissions_boundary(UserName=f"user{number}", PermissionsBoundary=arns[name])

    def listed(**params: Parameter) -> list[str]:
        return sorted(each["PolicyName"] for each in iam.list_policies(Scope="Local", **params)["Policies"])

    assert listed() == listed(PolicyUsageFilter="PermissionsBoundary") == sorted(arns)
    assert listed(OnlyAttached=True) == ["attached", "both", "boundary"]
    assert listed(OnlyAttached=True, PolicyUsageFilter="PermissionsPolicy") == ["attached", "both"]
    assert listed(OnlyAttached=True, PolicyUsageFilter="PermissionsBoundary") == ["both", "boundary"]


# Sessions


def test_a_session_is_no_longer_than_its_role_allows(client: Clients, acting: Acting, account_id: str) -> None:
    sts = client("sts", account_id)
    arn = make_role(client, account_id, "reader", trust_account(account_id), "sts:AssumeRole")
    too_long = "The requested DurationSeconds exceeds "
    assert refusal(assume, sts=sts, arn=arn, DurationSeconds=3601) == (
        "ValidationError",
        f"{too_long}the MaxSessionDuration set for this role.",
    )
    client("iam", account_id).update_role(RoleName="reader", MaxSessionDuration=7200)
    reader = acting("sts", assume(sts, arn, DurationSeconds=7200))
    assert refusal(assume, sts=reader, arn=arn, DurationSeconds=3601) == (
        "ValidationError",
        f"{too_long}the 1 hour session limit for roles assumed by role chaining",
    )
    assert assume(reader, arn, DurationSeconds=3600)["AccessKeyId"].startswith("ASIA")


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"RoleArn": "arn:aws:iam::aws:role/reader"}, "ValidationError", "arn:aws:iam::aws:role/reader is invalid"),
        ({"RoleArn": "arn:aws:iam::{}:user/reader"}, "ValidationError", "arn:aws:iam::{}:user/reader is invalid"),
        ({"DurationSeconds": 899}, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed"),
        ({"RoleSessionName": "a b"}, "ValidationError", "1 validation error detected: Value 'a b' at 'roleSessionName' failed"),
        (
            {"RoleArn": "arn:aws:iam::{}:role/none"},
            "AccessDenied",
            "User: arn:aws:iam::{}:root is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::{}:role/none",
        ),
    ],
)
def test_a_role_that_can_not_be_assumed_is_refused(
    client: Clients, account_id: str, params: dict[str, Any], code: str, message: str
) -> None:
    good = {"RoleArn": f"arn:aws:iam::{account_id}:role/reader", "RoleSessionName": "test"}
    params = {name: value.replace("{}", account_id) if isinstance(value, str) else value for name, value in params.items()}
    found, said = refusal(client("sts", account_id).assume_role, **good | params)
    message = message.replace("{}", account_id)
    assert (found, said[: len(message)]) == (code, message)


def test_a_session_of_a_user_is_the_user(acting: Acting, iam: Client) -> None:
    arn = iam.create_user(UserName="alice", Path="/people/")["User"]["Arn"]
    alice = acting("sts", iam.create_access_key(UserName="alice")["AccessKey"])
    session = alice.get_session_token(DurationSeconds=900)["Credentials"]
    again = acting("sts", session)
    assert alice.get_caller_identity()["Arn"] == again.get_caller_identity()["Arn"] == arn
    assert refusal(again.get_session_token) == ("AccessDenied", "Cannot call GetSessionToken with session credentials")
    assert refusal(alice.get_session_token, DurationSeconds=129_601)[0] == "ValidationError"
