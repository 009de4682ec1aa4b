"""Organizations answers as real AWS was seen to answer, and refuses what its API model refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Client, Clients, clients_of

MANAGEMENT, DELEGATED, MEMBER, TAGGED, FOURTH = (digit * 12 for digit in "12345")
ACCOUNTS = (MANAGEMENT, DELEGATED, MEMBER, TAGGED, FOURTH)
STRANGER = "9" * 12
"""An account that has left the organization."""
ROOT = "r-a1b2"
STACK_SETS, CONFIG = "member.org.stacksets.cloudformation.amazonaws.com", "config.amazonaws.com"
FULL_ACCESS = "p-FullAWSAccess"
NO_UNIT, NO_POLICY = "ou-a1b2-00000000", "p-00000000"
SCP = "SERVICE_CONTROL_POLICY"
DOCUMENT = '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
NEXT_TOKEN = (
    "You specified an invalid value for nextToken. "  # noqa: S105 - a message
    "You must get the value from the response to a previous call to the API."
)

# The files of https://github.com/radkawar/stackd, testdata/aws/iam, with real answers of September 2026.
INPUTS, HANDSHAKES = "organizations_inputs.json", "organizations_handshakes.json"
AUTHORITY, WRITES = "organizations_delegation_authority.json", "organizations_delegation_writes.json"
VALIDATION = "organizations_policy_validation.json"
ACCESS = "organizations_access.json"
MODEL = "the API model"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Give clients of an organization in which nothing is created but what a test deletes again."""
    path = tmp_path_factory.mktemp("organization") / "accounts.yaml"
    organization = {
        "id": "o-a1b2c3d4e5",
        "root_id": ROOT,
        "management_account": MANAGEMENT,
        "trusted_services": [STACK_SETS, CONFIG],
        "delegated_administrators": {DELEGATED: [STACK_SETS]},
        "units": {"Workloads": [MEMBER], "Empty": []},
    }
    accounts = {account_id: {"name": f"account-{account_id[0]}"} for account_id in (*ACCOUNTS, STRANGER)}
    path.write_text(yaml.safe_dump({"organization": organization, "accounts": accounts}), encoding="utf-8")
    with LocalAwsProcess(path) as process:
        process.remove_account(STRANGER)
        yield clients_of(process)


@pytest.fixture
def management(client: Clients) -> Client:
    return client("organizations", MANAGEMENT)


@pytest.fixture
def unit(management: Client) -> Iterator[str]:
    """Give a unit without accounts."""
    created = management.create_organizational_unit(ParentId=ROOT, Name="initial")["OrganizationalUnit"]["Id"]
    yield created
    management.delete_organizational_unit(OrganizationalUnitId=created)


@pytest.fixture
def policy(management: Client) -> Iterator[str]:
    """Give a policy that is attached to nothing."""
    settings = {"Name": "initial", "Description": "initial", "Type": SCP, "Content": DOCUMENT}
    created = management.create_policy(**settings)["Policy"]["PolicySummary"]["Id"]
    yield created
    management.delete_policy(PolicyId=created)


def answered(organizations: Client, operation: str, params: dict[str, Any]) -> tuple[str, str, str]:
    """Call an operation, and return the error's code, reason and message; ("Success", "", "") if there is none."""
    try:
        getattr(organizations, operation)(**params)
    except ClientError as error:
        reason = str(error.response.get("Reason", ""))
        return error.response["Error"]["Code"], reason, error.response["Error"]["Message"]
    return "Success", "", ""


# Values that the model refuses: the reason names the constraint and the member


@pytest.mark.parametrize(
    ("source", "operation", "params", "reason", "message"),
    [
        (INPUTS, "update_organizational_unit", {"OrganizationalUnitId": NO_UNIT, "Name": ""}, "MIN_LENGTH_EXCEEDED:NAME", ""),
        (
            INPUTS,
            "update_organizational_unit",
            {"OrganizationalUnitId": NO_UNIT, "Name": "é" * 129},
            "MAX_LENGTH_EXCEEDED:NAME",
            "",
        ),
        (
            INPUTS,
            "update_organizational_unit",
            {"OrganizationalUnitId": "invalid", "Name": "rejected"},
            "INVALID_PATTERN:ORGANIZATIONAL_UNIT_ID",
            "",
        ),
        (INPUTS, "update_policy", {"PolicyId": NO_POLICY, "Content": ""}, "MIN_LENGTH_EXCEEDED:CONTENT", ""),
        (INPUTS, "tag_resource", {"ResourceId": TAGGED}, "INPUT_REQUIRED:TAGS", ""),
        (
            INPUTS,
            "tag_resource",
            {"ResourceId": TAGGED, "Tags": [{"Key": "rejected"}]},
            "INPUT_REQUIRED:TAGS_1_MEMBER_VALUE",
            "",
        ),
        (
            INPUTS,
            "tag_resource",
            {"ResourceId": TAGGED, "Tags": [{"Key": "valid", "Value": ""}, {"Key": "é" * 129, "Value": ""}]},
            "MAX_LENGTH_EXCEEDED:TAGS_2_MEMBER_KEY",
            "",
        ),
        (
            INPUTS,
            "tag_resource",
            {"ResourceId": TAGGED, "Tags": [{"Key": "same", "Value": "a"}, {"Key": "same", "Value": "b"}]},
            "DUPLICATE_TAG_KEY",
            "Your request includes duplicate tag keys.",
        ),
        (INPUTS, "untag_resource", {"ResourceId": TAGGED}, "INPUT_REQUIRED:TAG_KEYS", ""),
        (
            INPUTS,
            "list_organizational_units_for_parent",
            {"ParentId": ROOT, "MaxResults": 0},
            "MIN_VALUE_EXCEEDED:MAX_RESULTS",
            "",
        ),
        (
            INPUTS,
            "list_organizational_units_for_parent",
            {"ParentId": ROOT, "MaxResults": 21},
            "MAX_VALUE_EXCEEDED:MAX_RESULTS",
            "",
        ),
        (
            INPUTS,
            "list_organizational_units_for_parent",
            {"ParentId": ROOT, "NextToken": ""},
            "INVALID_NEXT_TOKEN",
            NEXT_TOKEN,
        ),
        (HANDSHAKES, "list_accounts", {"NextToken": "bad"}, "INVALID_NEXT_TOKEN", NEXT_TOKEN),
        (
            HANDSHAKES,
            "describe_account",
            {},
            "INPUT_REQUIRED:ACCOUNT_ID",
            "You must provide a value for the parameter.",
        ),
        (
            HANDSHAKES,
            "describe_account",
            {"AccountId": "bad"},
            "INVALID_PATTERN:ACCOUNT_ID",
            "You provided a value that does not match the required pattern.",
        ),
        (
            HANDSHAKES,
            "create_account",
            {"Email": "a@example.com", "AccountName": "a" * 51},
            "MAX_LENGTH_EXCEEDED:ACCOUNT_NAME",
            "You provided a string that exceeds that maximum length.",
        ),
        (
            HANDSHAKES,
            "list_children",
            {"ParentId": ROOT, "ChildType": "invalid"},
            "INVALID_ENUM:CHILD_TYPE",
            "You specified an invalid value.",
        ),
        (VALIDATION, "list_policies", {"Filter": "WRONG"}, "INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type."),
        (MODEL, "attach_policy", {"PolicyId": NO_POLICY, "TargetId": "bad"}, "INVALID_PATTERN_TARGET_ID", "policy target ID"),
        (MODEL, "untag_resource", {"ResourceId": TAGGED, "TagKeys": [""]}, "INVALID_LIST_MEMBER:TAG_KEYS", ""),
        (
            MODEL,
            "tag_resource",
            {"ResourceId": TAGGED, "Tags": [{"Key": "aws:owner", "Value": ""}]},
            "INVALID_SYSTEM_TAGS_PARAMETER",
            "",
        ),
        (MODEL, "untag_resource", {"ResourceId": TAGGED, "TagKeys": ["AWS:owner"]}, "INVALID_SYSTEM_TAGS_PARAMETER", ""),
        (MODEL, "enable_aws_service_access", {"ServicePrincipal": "config"}, "UNRECOGNIZED_SERVICE_PRINCIPAL", "unrecognized"),
        (MODEL, "disable_aws_service_access", {"ServicePrincipal": "x.amazonaws.com"}, "UNRECOGNIZED_SERVICE_PRINCIPAL", ""),
        (
            MODEL,
            "register_delegated_administrator",
            {"AccountId": MEMBER, "ServicePrincipal": "ram.amazonaws.com"},
            "UNRECOGNIZED_SERVICE_PRINCIPAL",
            "",
        ),
        (
            MODEL,
            "deregister_delegated_administrator",
            {"AccountId": MEMBER, "ServicePrincipal": "x"},
            "UNRECOGNIZED_SERVICE_PRINCIPAL",
            "",
        ),
        (MODEL, "list_delegated_administrators", {"ServicePrincipal": "x"}, "UNRECOGNIZED_SERVICE_PRINCIPAL", ""),
        (MODEL, "create_account", {"Email": "no address", "AccountName": "a"}, "INVALID_PATTERN:EMAIL", ""),
        (
            MODEL,
            "create_account",
            {"Email": "a@example.com", "AccountName": "a", "RoleName": "AWSServiceRoleForMe"},
            "INVALID_ROLE_NAME",
            "",
        ),
        (
            MODEL,
            "create_account",
            {"Email": "a@example.com", "AccountName": "a", "IamUserAccessToBilling": "PERHAPS"},
            "INVALID_ENUM:IAM_USER_ACCESS_TO_BILLING",
            "",
        ),
        (MODEL, "update_policy", {"PolicyId": FULL_ACCESS, "Content": DOCUMENT}, "IMMUTABLE_POLICY", ""),
    ],
)
def test_invalid_input_has_a_reason(  # noqa: PLR0913, PLR0917 - a case has as many parts
    management: Client, source: str, operation: str, params: dict[str, Any], reason: str, message: str
) -> None:
    code, given_reason, given_message = answered(management, operation, params)
    assert (code, given_reason) == ("InvalidInputException", reason), source
    assert message in given_message


LISTS: dict[str, dict[str, Any]] = {
    "list_accounts": {},
    "list_accounts_for_parent": {"ParentId": ROOT},
    "list_aws_service_access_for_organization": {},
    "list_children": {"ParentId": ROOT, "ChildType": "ORGANIZATIONAL_UNIT"},
    "list_create_account_status": {},
    "list_delegated_administrators": {},
    "list_delegated_services_for_account": {"AccountId": DELEGATED},
    "list_organizational_units_for_parent": {"ParentId": ROOT},
    "list_parents": {"ChildId": MEMBER},
    "list_policies": {"Filter": SCP},
    "list_policies_for_target": {"TargetId": ROOT, "Filter": SCP},
    "list_roots": {},
    "list_tags_for_resource": {"ResourceId": ROOT},
    "list_targets_for_policy": {"PolicyId": FULL_ACCESS},
}


@pytest.mark.parametrize("operation", LISTS)
def test_every_list_refuses_a_token_that_it_never_gave(management: Client, operation: str) -> None:
    of_another = management.list_targets_for_policy(PolicyId=FULL_ACCESS, MaxResults=1)["NextToken"]
    for token in ("1", "bad", of_another if operation != "list_targets_for_policy" else f"{of_another}0"):
        refused = answered(management, operation, {**LISTS[operation], "NextToken": token})
        assert refused == ("InvalidInputException", "INVALID_NEXT_TOKEN", NEXT_TOKEN)


@pytest.mark.parametrize("operation", [name for name in LISTS if name != "list_tags_for_resource"])
def test_every_list_has_pages_of_one_to_twenty_entries(management: Client, operation: str) -> None:
    assert answered(management, operation, {**LISTS[operation], "MaxResults": 1})[0] == "Success"
    for size, reason in ((0, "MIN_VALUE_EXCEEDED:MAX_RESULTS"), (21, "MAX_VALUE_EXCEEDED:MAX_RESULTS")):
        assert answered(management, operation, {**LISTS[operation], "MaxResults": size})[:2] == (
            "InvalidInputException",
            reason,
        )


# What is not there


@pytest.mark.parametrize(
    ("source", "operation", "params", "code", "message"),
    [
        (
            VALIDATION,
            "describe_account",
            {"AccountId": STRANGER},
            "AccountNotFoundException",
            "You specified an account that doesn't exist.",
        ),
        (MODEL, "close_account", {"AccountId": STRANGER}, "AccountNotFoundException", ""),
        (MODEL, "remove_account_from_organization", {"AccountId": STRANGER}, "AccountNotFoundException", ""),
        (MODEL, "list_delegated_services_for_account", {"AccountId": STRANGER}, "AccountNotFoundException", ""),
        (MODEL, "list_delegated_services_for_account", {"AccountId": MEMBER}, "AccountNotRegisteredException", ""),
        (
            MODEL,
            "deregister_delegated_administrator",
            {"AccountId": MEMBER, "ServicePrincipal": CONFIG},
            "AccountNotRegisteredException",
            "",
        ),
        (
            MODEL,
            "register_delegated_administrator",
            {"AccountId": STRANGER, "ServicePrincipal": CONFIG},
            "AccountNotFoundException",
            "",
        ),
        (
            MODEL,
            "describe_create_account_status",
            {"CreateAccountRequestId": "car-00000000"},
            "CreateAccountStatusNotFoundException",
            "",
        ),
        (MODEL, "list_accounts_for_parent", {"ParentId": NO_UNIT}, "ParentNotFoundException", ""),
        (MODEL, "list_organizational_units_for_parent", {"ParentId": "r-ffff"}, "ParentNotFoundException", ""),
        (MODEL, "list_children", {"ParentId": NO_UNIT, "ChildType": "ACCOUNT"}, "ParentNotFoundException", ""),
        (MODEL, "create_organizational_unit", {"ParentId": NO_UNIT, "Name": "a"}, "ParentNotFoundException", ""),
        (MODEL, "list_parents", {"ChildId": STRANGER}, "ChildNotFoundException", ""),
        (MODEL, "list_parents", {"ChildId": NO_UNIT}, "ChildNotFoundException", ""),
        (
            MODEL,
            "describe_organizational_unit",
            {"OrganizationalUnitId": NO_UNIT},
            "OrganizationalUnitNotFoundException",
            "You specified an organizational unit that doesn't exist.",
        ),
        (MODEL, "update_organizational_unit", {"OrganizationalUnitId": NO_UNIT}, "OrganizationalUnitNotFoundException", ""),
        (MODEL, "delete_organizational_unit", {"OrganizationalUnitId": NO_UNIT}, "OrganizationalUnitNotFoundException", ""),
        (MODEL, "tag_resource", {"ResourceId": NO_UNIT, "Tags": []}, "TargetNotFoundException", ""),
        (MODEL, "untag_resource", {"ResourceId": NO_POLICY, "TagKeys": []}, "TargetNotFoundException", ""),
        (MODEL, "list_tags_for_resource", {"ResourceId": STRANGER}, "TargetNotFoundException", ""),
        (MODEL, "list_tags_for_resource", {"ResourceId": "rp-00000000"}, "TargetNotFoundException", ""),
        (
            MODEL,
            "move_account",
            {"AccountId": STRANGER, "SourceParentId": ROOT, "DestinationParentId": ROOT},
            "AccountNotFoundException",
            "",
        ),
        (
            MODEL,
            "move_account",
            {"AccountId": TAGGED, "SourceParentId": NO_UNIT, "DestinationParentId": ROOT},
            "SourceParentNotFoundException",
            "",
        ),
        (
            MODEL,
            "move_account",
            {"AccountId": TAGGED, "SourceParentId": ROOT, "DestinationParentId": NO_UNIT},
            "DestinationParentNotFoundException",
            "",
        ),
        (
            MODEL,
            "move_account",
            {"AccountId": TAGGED, "SourceParentId": ROOT, "DestinationParentId": ROOT},
            "DuplicateAccountException",
            "",
        ),
        (MODEL, "describe_policy", {"PolicyId": NO_POLICY}, "PolicyNotFoundException", ""),
        (MODEL, "enable_policy_type", {"RootId": "r-ffff", "PolicyType": SCP}, "RootNotFoundException", ""),
        (MODEL, "detach_policy", {"PolicyId": FULL_ACCESS, "TargetId": STRANGER}, "TargetNotFoundException", ""),
    ],
)
def test_what_is_not_there_has_its_own_code(  # noqa: PLR0913, PLR0917 - a case has as many parts
    management: Client, source: str, operation: str, params: dict[str, Any], code: str, message: str
) -> None:
    given_code, _, given_message = answered(management, operation, params)
    assert given_code == code, source
    assert message in given_message


def test_an_account_moves_only_from_where_it_is(management: Client, unit: str) -> None:
    move = {"AccountId": TAGGED, "SourceParentId": unit, "DestinationParentId": unit_id(management, "Workloads")}
    assert answered(management, "move_account", move)[0] == "SourceParentNotFoundException"


# Limits


@pytest.mark.parametrize(
    ("operation", "params", "reason"),
    [
        (
            "register_delegated_administrator",
            {"AccountId": MANAGEMENT, "ServicePrincipal": CONFIG},
            "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
        ),
        (
            "register_delegated_administrator",
            {"AccountId": MEMBER, "ServicePrincipal": "ssm.amazonaws.com"},
            "SERVICE_ACCESS_NOT_ENABLED",
        ),
        ("disable_aws_service_access", {"ServicePrincipal": STACK_SETS}, "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"),
        ("close_account", {"AccountId": MANAGEMENT}, "CANNOT_CLOSE_MANAGEMENT_ACCOUNT"),
        ("close_account", {"AccountId": DELEGATED}, "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"),
        ("remove_account_from_organization", {"AccountId": DELEGATED}, "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"),
        ("detach_policy", {"PolicyId": FULL_ACCESS, "TargetId": ROOT}, "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"),
        (
            "tag_resource",
            {"ResourceId": TAGGED, "Tags": [{"Key": str(number), "Value": ""} for number in range(51)]},
            "MAX_TAG_LIMIT_EXCEEDED",
        ),
        (
            "create_policy",
            {"Name": "long", "Description": "", "Type": SCP, "Content": f"{' ' * 10_240}{DOCUMENT}"},
            "POLICY_CONTENT_LIMIT_EXCEEDED",
        ),
    ],
)
def test_a_constraint_violation_has_a_reason(management: Client, operation: str, params: dict[str, Any], reason: str) -> None:
    code, given_reason, message = answered(management, operation, params)
    assert (code, given_reason) == ("ConstraintViolationException", reason)
    assert message


def test_a_service_has_no_more_delegated_administrators_than_it_may(management: Client) -> None:
    packs = "config-multiaccountsetup.amazonaws.com"  # may have three
    management.enable_aws_service_access(ServicePrincipal=packs)
    accounts = (DELEGATED, MEMBER, TAGGED)
    for account_id in accounts:
        management.register_delegated_administrator(AccountId=account_id, ServicePrincipal=packs)
    fourth = {"AccountId": FOURTH, "ServicePrincipal": packs}
    refused = answered(management, "register_delegated_administrator", fourth)
    for account_id in accounts:
        management.deregister_delegated_administrator(AccountId=account_id, ServicePrincipal=packs)
    management.disable_aws_service_access(ServicePrincipal=packs)
    assert refused[:2] == ("ConstraintViolationException", "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED")


# Who may call


def test_the_management_account_cannot_leave(management: Client) -> None:
    assert answered(management, "leave_organization", {})[0] == "MasterCannotLeaveOrganizationException"


def test_each_account_may_describe_the_organization_and_a_delegate_of_any_service_may_read(client: Clients) -> None:
    """Source of all answers: organizations_delegation_authority.json; that of who may read also organizations_access.json."""
    described = client("organizations", MEMBER).describe_organization()["Organization"]
    assert (described["Id"], described["MasterAccountId"]) == ("o-a1b2c3d4e5", MANAGEMENT)
    assert described["AvailablePolicyTypes"] == [{"Type": SCP, "Status": "ENABLED"}], ACCESS
    delegated = client("organizations", DELEGATED)
    assert delegated.list_roots()["Roots"][0]["PolicyTypes"] == [{"Type": SCP, "Status": "ENABLED"}], ACCESS
    assert len(delegated.list_accounts()["Accounts"]) == 5, AUTHORITY
    found = delegated.describe_policy(PolicyId=FULL_ACCESS)["Policy"]
    assert found["Content"] == (
        '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": "Allow",\n      "Action": "*",\n'
        '      "Resource": "*"\n    }\n  ]\n}'
    ), AUTHORITY
    assert found["PolicySummary"] == {
        "Arn": "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
        "AwsManaged": True,
        "Description": "Allows access to every operation",
        "Id": FULL_ACCESS,
        "Name": "FullAWSAccess",
        "Type": SCP,
    }, AUTHORITY
    said = ("AccessDeniedException", "", "You don't have permissions to access this resource.")
    assert answered(client("organizations", MEMBER), "describe_policy", {"PolicyId": FULL_ACCESS}) == said, AUTHORITY


CHANGES: dict[str, dict[str, Any]] = {
    "attach_policy": {"PolicyId": FULL_ACCESS, "TargetId": ROOT},
    "close_account": {"AccountId": MEMBER},
    "create_account": {"Email": "new@example.com", "AccountName": "new"},
    "create_organizational_unit": {"ParentId": ROOT, "Name": "new"},
    "create_policy": {"Name": "new", "Description": "", "Type": SCP, "Content": DOCUMENT},
    "delete_organizational_unit": {"OrganizationalUnitId": NO_UNIT},
    "delete_policy": {"PolicyId": FULL_ACCESS},
    "deregister_delegated_administrator": {"AccountId": DELEGATED, "ServicePrincipal": STACK_SETS},
    "detach_policy": {"PolicyId": FULL_ACCESS, "TargetId": ROOT},
    "disable_aws_service_access": {"ServicePrincipal": CONFIG},
    "disable_policy_type": {"RootId": ROOT, "PolicyType": SCP},
    "enable_aws_service_access": {"ServicePrincipal": CONFIG},
    "enable_policy_type": {"RootId": ROOT, "PolicyType": SCP},
    "move_account": {"AccountId": MEMBER, "SourceParentId": ROOT, "DestinationParentId": ROOT},
    "register_delegated_administrator": {"AccountId": MEMBER, "ServicePrincipal": STACK_SETS},
    "remove_account_from_organization": {"AccountId": MEMBER},
    "tag_resource": {"ResourceId": ROOT, "Tags": []},
    "untag_resource": {"ResourceId": ROOT, "TagKeys": []},
    "update_organizational_unit": {"OrganizationalUnitId": NO_UNIT},
    "update_policy": {"PolicyId": FULL_ACCESS},
}
READS: dict[str, dict[str, Any]] = {
    **LISTS,
    "describe_account": {"AccountId": MEMBER},
    "describe_organizational_unit": {"OrganizationalUnitId": ""},
    "describe_policy": {"PolicyId": FULL_ACCESS},
}


@pytest.mark.parametrize("operation", [*READS, *CHANGES])
def test_who_may_call_what(client: Clients, management: Client, operation: str) -> None:
    """A member may call nothing else, a delegate may only read, and an account outside is in no organization."""
    params = {**READS, **CHANGES}[operation]
    if operation == "describe_organizational_unit":
        params = {"OrganizationalUnitId": unit_id(management, "Workloads")}
    said = {
        account_id: answered(client("organizations", account_id), operation, params)[0]
        for account_id in (DELEGATED, MEMBER, STRANGER)
    }
    assert said == {
        DELEGATED: "Success" if operation in READS else "AccessDeniedException",
        MEMBER: "AccessDeniedException",
        STRANGER: "AWSOrganizationsNotInUseException",
    }


# Updates, tags and paths


def test_an_update_of_a_unit_without_a_name_or_with_spaces_only_changes_nothing(management: Client, unit: str) -> None:
    """Source: organizations_inputs.json."""
    for name in ({"Name": "changed"}, {}, {"Name": None}, {"Name": " "}):
        changed = management.update_organizational_unit(OrganizationalUnitId=unit, **name)["OrganizationalUnit"]
        assert (changed["Id"], changed["Name"], changed["Path"]) == (unit, "changed", f"o-a1b2c3d4e5/{ROOT}/{unit}/")
    longest = management.update_organizational_unit(OrganizationalUnitId=unit, Name="é" * 128)["OrganizationalUnit"]
    assert longest["Name"] == "é" * 128


@pytest.mark.parametrize(
    ("params", "shown", "kept"),
    [
        ({}, {}, {}),
        ({"Description": ""}, {"Description": ""}, {}),
        ({"Description": "é" * 512}, {"Description": "é" * 512}, {"Description": "é" * 512}),
        ({"Name": "changed", "Description": "next"}, {"Name": "changed", "Description": "next"}, {"Name": "changed"}),
        ({"Content": DOCUMENT}, {}, {}),
    ],
)
def test_an_update_of_a_policy_shows_what_was_asked_for(
    management: Client, policy: str, params: dict[str, Any], shown: dict[str, Any], kept: dict[str, Any]
) -> None:
    """Source: organizations_inputs.json, update_followup and response_followup."""
    updated = management.update_policy(PolicyId=policy, **params)["Policy"]
    arn = f"arn:aws:organizations::{MANAGEMENT}:policy/o-a1b2c3d4e5/service_control_policy/{policy}"
    assert updated["PolicySummary"] == {"Arn": arn, "AwsManaged": False, "Id": policy, "Type": SCP, **shown}
    assert updated["Content"] == DOCUMENT
    now = management.describe_policy(PolicyId=policy)["Policy"]["PolicySummary"]
    assert {name: now[name] for name in kept} == kept
    if "Description" not in kept and "Name" not in kept:
        assert (now["Name"], now["Description"]) == ("initial", "initial")


def test_a_policy_that_is_attached_is_in_use(management: Client, policy: str, unit: str) -> None:
    """Source: organizations_delegation_writes.json, which also creates a policy with tags and without a Version."""
    management.attach_policy(PolicyId=policy, TargetId=unit)
    said = answered(management, "delete_policy", {"PolicyId": policy})
    assert said == ("PolicyInUseException", "", "The specified policy is in use and cannot be deleted."), WRITES
    assert answered(management, "attach_policy", {"PolicyId": policy, "TargetId": unit})[0] == (
        "DuplicatePolicyAttachmentException"
    )
    management.detach_policy(PolicyId=policy, TargetId=unit)
    assert answered(management, "detach_policy", {"PolicyId": policy, "TargetId": unit})[0] == "PolicyNotAttachedException"


def test_tags_are_taken_changed_and_removed(management: Client, unit: str, policy: str) -> None:
    """Source: organizations_inputs.json: empty lists, and keys that nothing has, are no mistake."""

    def tags(resource_id: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in management.list_tags_for_resource(ResourceId=resource_id)["Tags"]}

    for resource_id in (unit, policy, ROOT, TAGGED):
        management.tag_resource(ResourceId=resource_id, Tags=[{"Key": "first", "Value": "value"}])
        management.tag_resource(ResourceId=resource_id, Tags=[])
        assert tags(resource_id) == {"first": "value"}
        management.tag_resource(ResourceId=resource_id, Tags=[{"Key": "first", "Value": ""}, {"Key": "é" * 128, "Value": "1"}])
        assert tags(resource_id) == {"first": "", "é" * 128: "1"}
        management.untag_resource(ResourceId=resource_id, TagKeys=["first", "é" * 128, "missing"])
        assert tags(resource_id) == {}


def test_what_is_created_with_tags_has_them_and_takes_them_along(management: Client) -> None:
    tag = [{"Key": "team", "Value": "probe"}]
    created = management.create_organizational_unit(ParentId=ROOT, Name="tagged", Tags=tag)["OrganizationalUnit"]["Id"]
    settings = {"Name": "tagged", "Description": "", "Type": SCP, "Content": DOCUMENT, "Tags": tag}
    policy_id = management.create_policy(**settings)["Policy"]["PolicySummary"]["Id"]
    for resource_id in (created, policy_id):
        assert management.list_tags_for_resource(ResourceId=resource_id)["Tags"] == tag
    management.delete_organizational_unit(OrganizationalUnitId=created)
    management.delete_policy(PolicyId=policy_id)
    for resource_id in (created, policy_id):
        assert answered(management, "list_tags_for_resource", {"ResourceId": resource_id})[0] == "TargetNotFoundException"
    twice = {"ParentId": ROOT, "Name": "refused", "Tags": [*tag, *tag]}
    assert answered(management, "create_organizational_unit", twice)[1] == "DUPLICATE_TAG_KEY"
    assert "refused" not in [found["Name"] for found in units_in(management, ROOT)]


def test_tags_of_a_resource_are_fifty_with_those_that_it_has(management: Client, unit: str) -> None:
    fifty = [{"Key": str(number), "Value": ""} for number in range(50)]
    management.tag_resource(ResourceId=unit, Tags=fifty)
    management.tag_resource(ResourceId=unit, Tags=fifty[:1])
    one_more = {"ResourceId": unit, "Tags": [{"Key": "one more", "Value": ""}]}
    assert answered(management, "tag_resource", one_more)[1] == "MAX_TAG_LIMIT_EXCEEDED"
    first, second = management.list_tags_for_resource(ResourceId=unit), []
    while "NextToken" in first:
        second += first["Tags"]
        first = management.list_tags_for_resource(ResourceId=unit, NextToken=first["NextToken"])
    assert [*second, *first["Tags"]] == fifty


# Units


def units_in(organizations: Client, parent_id: str) -> list[dict[str, Any]]:
    return list(organizations.list_organizational_units_for_parent(ParentId=parent_id)["OrganizationalUnits"])


def unit_id(organizations: Client, name: str) -> str:
    return next(str(found["Id"]) for found in units_in(organizations, ROOT) if found["Name"] == name)


def test_units_are_made_found_and_deleted(management: Client, unit: str) -> None:
    created = management.create_organizational_unit(ParentId=unit, Name="child")["OrganizationalUnit"]
    child = created["Id"]
    assert created["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:ou/o-a1b2c3d4e5/{child}"
    assert created["Path"] == f"o-a1b2c3d4e5/{ROOT}/{unit}/{child}/"
    assert management.describe_organizational_unit(OrganizationalUnitId=child)["OrganizationalUnit"] == created
    assert management.list_parents(ChildId=child)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
    assert management.list_parents(ChildId=unit)["Parents"] == [{"Id": ROOT, "Type": "ROOT"}]
    children = management.list_children(ParentId=unit, ChildType="ORGANIZATIONAL_UNIT")["Children"]
    assert children == [{"Id": child, "Type": "ORGANIZATIONAL_UNIT"}]
    assert management.list_children(ParentId=unit, ChildType="ACCOUNT")["Children"] == []
    same = {"ParentId": unit, "Name": "child"}
    assert answered(management, "create_organizational_unit", same)[0] == "DuplicateOrganizationalUnitException"
    delete = {"OrganizationalUnitId": unit}
    assert answered(management, "delete_organizational_unit", delete)[0] == "OrganizationalUnitNotEmptyException"
    management.move_account(AccountId=TAGGED, SourceParentId=ROOT, DestinationParentId=child)
    assert management.list_children(ParentId=child, ChildType="ACCOUNT")["Children"] == [{"Id": TAGGED, "Type": "ACCOUNT"}]
    assert management.list_parents(ChildId=TAGGED)["Parents"] == [{"Id": child, "Type": "ORGANIZATIONAL_UNIT"}]
    assert management.describe_account(AccountId=TAGGED)["Account"]["Paths"] == [f"{created['Path']}{TAGGED}/"]
    refused = answered(management, "delete_organizational_unit", {"OrganizationalUnitId": child})
    assert refused[0] == "OrganizationalUnitNotEmptyException"
    management.move_account(AccountId=TAGGED, SourceParentId=child, DestinationParentId=ROOT)
    management.delete_organizational_unit(OrganizationalUnitId=child)
    described = answered(management, "describe_organizational_unit", {"OrganizationalUnitId": child})
    assert described[0] == "OrganizationalUnitNotFoundException"


def test_two_units_of_a_parent_have_two_names(management: Client, unit: str) -> None:
    renamed = {"OrganizationalUnitId": unit, "Name": "Workloads"}
    assert answered(management, "update_organizational_unit", renamed)[0] == "DuplicateOrganizationalUnitException"
    management.update_organizational_unit(OrganizationalUnitId=unit, Name="initial")


def test_units_are_five_levels_deep_at_most(management: Client) -> None:
    path = [ROOT]
    for number in range(5):
        created = management.create_organizational_unit(ParentId=path[-1], Name=f"level {number}")
        path.append(created["OrganizationalUnit"]["Id"])
    deeper = {"ParentId": path[-1], "Name": "too deep"}
    refused = answered(management, "create_organizational_unit", deeper)
    assert refused[:2] == ("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED")
    for created in reversed(path[1:]):
        management.delete_organizational_unit(OrganizationalUnitId=created)


def test_policies_of_a_deleted_unit_are_attached_to_it_no_more(management: Client, policy: str) -> None:
    created = management.create_organizational_unit(ParentId=ROOT, Name="short-lived")["OrganizationalUnit"]["Id"]
    management.attach_policy(PolicyId=policy, TargetId=created)
    management.delete_organizational_unit(OrganizationalUnitId=created)
    assert management.list_targets_for_policy(PolicyId=policy)["Targets"] == []


def test_delegated_services_are_listed_for_an_account(management: Client) -> None:
    [delegated] = management.list_delegated_services_for_account(AccountId=DELEGATED)["DelegatedServices"]
    assert delegated["ServicePrincipal"] == STACK_SETS
    [administrator] = management.list_delegated_administrators(ServicePrincipal=STACK_SETS)["DelegatedAdministrators"]
    assert administrator["DelegationEnabledDate"] == delegated["DelegationEnabledDate"]


def test_accounts_show_state_and_status_and_how_they_joined(management: Client) -> None:
    """Source of both State and Status: organizations_inputs.json, hierarchy_paths."""
    account = management.describe_account(AccountId=MEMBER)["Account"]
    assert (account["State"], account["Status"]) == ("ACTIVE", "ACTIVE"), INPUTS
    assert (account["Email"], account["JoinedMethod"]) == (f"aws+{MEMBER}@example.com", "INVITED")
