"""Organizations: the accounts file, what each account sees and changes, and conditions on the organization."""

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from local_aws.client import PROJECT, PYTHON, REGION, LocalAwsClient, LocalAwsError, LocalAwsProcess
from local_aws.organizations import accounts_file
from local_aws.organizations.accounts import AccountsError, RootUser
from local_aws.organizations.organization import Organization

MANAGEMENT, DELEGATED, MEMBER, NESTED, OTHER = (digit * 12 for digit in "12345")
STRANGER, OUTSIDE = "9" * 12, "8" * 12
ROOT = "r-a1b2"
SERVICE = "config.amazonaws.com"
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"

ORGANIZATION = f"""
organization:
  id: o-a1b2c3d4e5
  root_id: {ROOT}
  management_account: "{MANAGEMENT}"
  trusted_services: [{SERVICE}, {STACK_SETS}]
  delegated_administrators:
    "{DELEGATED}": [{SERVICE}]
  units:
    Security: ["{DELEGATED}"]
    Workloads/Production: ["{NESTED}"]
    Workloads/Development: []
    Sandbox: ["{OTHER}"]
  outside: ["{OUTSIDE}"]
"""
ACCOUNTS = "accounts:\n" + "".join(
    f'  "{account_id}": {{ name: account-{account_id[0]} }}\n'
    for account_id in (MANAGEMENT, DELEGATED, MEMBER, NESTED, OTHER, OUTSIDE)
)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Organization | None]:
    """Read the organization of a file with this text."""

    def read_text(text: str) -> Organization | None:
        path = tmp_path / "accounts.yaml"
        path.write_text(text, encoding="utf-8")
        return accounts_file.read_organization(path, accounts_file.read_accounts(path))

    return read_text


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsClient]:
    """Serve the organization to tests that only read."""
    path = tmp_path_factory.mktemp("organization") / "accounts.yaml"
    path.write_text(ORGANIZATION + ACCOUNTS, encoding="utf-8")
    with LocalAwsProcess(path) as client:
        yield client


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAwsClient]:
    """Serve the organization to a test that changes it."""
    path = tmp_path / "accounts.yaml"
    path.write_text(ORGANIZATION + ACCOUNTS, encoding="utf-8")
    with LocalAwsProcess(path) as client:
        yield client


@cache
def of(client: LocalAwsClient, account_id: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    return boto3_client(client, "organizations", account_id)


def refusal(call: Callable[..., object], **params: object) -> str:
    with pytest.raises(ClientError) as refused:
        call(**params)
    return str(refused.value.response["Error"]["Code"])


def unit_id(client: LocalAwsClient, *path: str) -> str:
    parent = ROOT
    for name in path:
        units = of(client, MANAGEMENT).list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
        [parent] = [unit["Id"] for unit in units if unit["Name"] == name]
    return parent


def accounts_in(client: Any, parent_id: str) -> list[str]:  # noqa: ANN401 - as in `of`
    return [account["Id"] for account in client.list_accounts_for_parent(ParentId=parent_id)["Accounts"]]


# The accounts file


def test_units_nest_and_accounts_of_no_unit_are_in_the_root(read: Callable[[str], Organization | None]) -> None:
    organization = read(ORGANIZATION + ACCOUNTS)
    assert organization is not None
    names = {
        account_id: [unit.name for unit in organization.chain(organization.parents[account_id])]
        for account_id in organization.account_ids
    }
    assert names == {
        MANAGEMENT: [],
        DELEGATED: ["Security"],
        MEMBER: [],
        NESTED: ["Workloads", "Production"],
        OTHER: ["Sandbox"],
    }
    assert organization.accounts_below(organization.parent_at("Workloads")) == [NESTED]
    assert organization.accounts_below(ROOT) == [MANAGEMENT, DELEGATED, MEMBER, NESTED, OTHER]


def test_unit_ids_stay_the_same_and_have_the_form_of_aws(read: Callable[[str], Organization | None]) -> None:
    first, second = read(ORGANIZATION + ACCOUNTS), read(ORGANIZATION + ACCOUNTS)
    assert first is not None
    assert second is not None
    assert first.units == second.units
    assert all(unit.startswith("ou-a1b2-") and len(unit) == len("ou-a1b2-") + 8 for unit in first.units)


def test_a_file_without_an_organization_has_none(read: Callable[[str], Organization | None]) -> None:
    assert read(ACCOUNTS) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("o-a1b2c3d4e5", "a1b2"), "organization: id is 'a1b2'"),
        (("root_id: r-a1b2", "root_id: a1b2"), "root_id is 'a1b2'"),
        (
            (f'management_account: "{MANAGEMENT}"', f'management_account: "{STRANGER}"'),
            f"management_account: '{STRANGER}' is not one of the accounts",
        ),
        ((f'Sandbox: ["{OTHER}"]', f'Sandbox: ["{DELEGATED}"]'), "in another unit already"),
        ((f'Sandbox: ["{OTHER}"]', f'Sandbox: ["{STRANGER}"]'), f"Sandbox: '{STRANGER}' is not one of the accounts"),
        ((f'Sandbox: ["{OTHER}"]', "Sandbox: none"), "Sandbox must be a list"),
        ((f'outside: ["{OUTSIDE}"]', f'outside: ["{STRANGER}"]'), f"outside: '{STRANGER}' is not one of the accounts"),
        ((f'outside: ["{OUTSIDE}"]', f'outside: ["{OTHER}"]'), f"outside has {OTHER}, which the organization has"),
        ((f"[{SERVICE}, {STACK_SETS}]", "[]"), "but trusted_services has not"),
        ((f'    "{DELEGATED}": [', f'    "{MANAGEMENT}": ['), "cannot be a delegated administrator"),
        (
            (f"[{SERVICE}, {STACK_SETS}]", f"[{SERVICE}, s3]"),
            "trusted_services has s3, but the local AWS knows no such service",
        ),
        ((f'"{DELEGATED}": [{SERVICE}]', f'"{DELEGATED}": [ram.amazonaws.com]'), f"account {DELEGATED} has ram.amazonaws.com"),
        (("units:", "ous:"), "unknown key 'ous'"),
        (("  units:", "  all_features: false\n  units:"), "trusted access needs all features"),
    ],
)
def test_a_mistake_in_the_file_is_named(read: Callable[[str], Organization | None], change: tuple[str, str], says: str) -> None:
    text = ORGANIZATION.replace(*change)
    assert text != ORGANIZATION
    with pytest.raises(AccountsError, match=r"accounts\.yaml: organization") as raised:
        read(text + ACCOUNTS)
    assert says in str(raised.value)


def test_the_organization_of_the_package_has_every_state_of_a_root_user() -> None:
    path = PROJECT / "local_aws/organization.yaml"
    known = accounts_file.read_accounts(path)
    organization = accounts_file.read_organization(path, known)
    assert organization is not None
    assert len(known) == 24
    assert all(account.recorder for account in known.values())
    assert {unit.name for unit in organization.units.values()} >= {"Security", "Workloads", "Sandbox"}
    assert organization.administers("222222222222", SERVICE)
    assert known["222222222222"].name == "security-tooling"

    def states(root: RootUser) -> tuple[bool, ...]:
        return (
            root.password,
            bool(root.access_keys),
            bool(root.signing_certificates),
            bool(root.hardware_mfa_devices),
            len(root.virtual_mfa_devices) > 1,
            len(root.virtual_mfa_devices) > 0,
        )

    present = {states(account.root_user) for account in known.values()}
    assert present >= {
        (True, False, False, False, False, False),  # no MFA
        (True, False, False, False, False, True),  # virtual device
        (True, False, False, False, True, True),  # two of them
        (True, True, False, False, False, True),  # virtual device and access keys
        (True, False, False, True, False, False),  # hardware only
        (True, False, False, True, False, True),  # hardware and virtual
        (False, False, False, False, False, False),  # no credentials
        (False, True, False, False, False, False),  # no password, but access keys
        (False, False, True, False, False, False),  # no password, but a certificate
    }


def test_listeners_are_told_in_the_order_of_their_registration_once_it_has_happened() -> None:
    organization = Organization("o-a1b2c3d4e5", ROOT, MANAGEMENT, parents={MANAGEMENT: ROOT})
    told: list[tuple[str, str, list[str]]] = []

    def note(name: str, event: str, account_id: str) -> None:
        told.append((name, f"{account_id} {event}", organization.account_ids))

    for name in ("first", "second"):
        organization.when_joined.append(partial(note, name, "joined"))
        organization.when_left.append(partial(note, name, "left"))
    organization.join(MEMBER, ROOT)
    organization.leave(MEMBER)
    both = [MANAGEMENT, MEMBER]
    assert told == [
        ("first", f"{MEMBER} joined", both),
        ("second", f"{MEMBER} joined", both),
        ("first", f"{MEMBER} left", [MANAGEMENT]),
        ("second", f"{MEMBER} left", [MANAGEMENT]),
    ]


# What each account sees


def test_members_see_the_organization_that_the_management_account_sees(unchanged: LocalAwsClient) -> None:
    views = [of(unchanged, account).describe_organization()["Organization"] for account in (MANAGEMENT, DELEGATED, MEMBER)]
    assert views[0] == views[1] == views[2]
    assert (views[0]["Id"], views[0]["MasterAccountId"], views[0]["FeatureSet"]) == ("o-a1b2c3d4e5", MANAGEMENT, "ALL")


def test_an_account_outside_is_in_no_organization(unchanged: LocalAwsClient) -> None:
    outside = of(unchanged, OUTSIDE)
    assert refusal(outside.describe_organization) == "AWSOrganizationsNotInUseException"
    assert refusal(outside.list_accounts) == "AWSOrganizationsNotInUseException"


def test_without_an_organization_it_is_not_in_use(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(ACCOUNTS, encoding="utf-8")
    with LocalAwsProcess(path) as client:
        assert refusal(of(client, MANAGEMENT).describe_organization) == "AWSOrganizationsNotInUseException"
        assert refusal(of(client, MANAGEMENT).list_roots) == "AWSOrganizationsNotInUseException"
        with pytest.raises(LocalAwsError, match="in no organization"):
            client.organization()


@pytest.mark.parametrize("account_id", [MANAGEMENT, DELEGATED])
def test_administrators_list_the_tree(unchanged: LocalAwsClient, account_id: str) -> None:
    client = of(unchanged, account_id)
    [root] = client.list_roots()["Roots"]
    assert root["Id"] == ROOT
    accounts_by_path: dict[str, list[str]] = {}

    def walk(parent: str, path: str) -> None:
        accounts_by_path[path] = [found["Id"] for found in client.list_accounts_for_parent(ParentId=parent)["Accounts"]]
        for unit in client.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]:
            walk(unit["Id"], f"{path}/{unit['Name']}")

    walk(ROOT, "")
    assert accounts_by_path == {
        "": [MANAGEMENT, MEMBER],
        "/Security": [DELEGATED],
        "/Workloads": [],
        "/Workloads/Production": [NESTED],
        "/Workloads/Development": [],
        "/Sandbox": [OTHER],
    }


def test_accounts_and_units_are_described_with_their_paths(unchanged: LocalAwsClient) -> None:
    client = of(unchanged, MANAGEMENT)
    production = unit_id(unchanged, "Workloads", "Production")
    account = client.describe_account(AccountId=NESTED)["Account"]
    path = f"o-a1b2c3d4e5/{ROOT}/{unit_id(unchanged, 'Workloads')}/{production}/"
    assert account["Name"] == "account-4"
    assert account["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:account/o-a1b2c3d4e5/{NESTED}"
    assert account["Paths"] == [f"{path}{NESTED}/"]
    units = client.list_organizational_units_for_parent(ParentId=unit_id(unchanged, "Workloads"))["OrganizationalUnits"]
    assert [unit["Path"] for unit in units if unit["Name"] == "Production"] == [path]


def test_members_may_not_list(unchanged: LocalAwsClient) -> None:
    member = of(unchanged, MEMBER)
    assert refusal(member.list_accounts) == "AccessDeniedException"
    assert refusal(member.list_delegated_administrators) == "AccessDeniedException"


def test_pages_are_short_and_lead_on(unchanged: LocalAwsClient) -> None:
    client = of(unchanged, MANAGEMENT)
    pages = list(client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2}))
    assert [[account["Id"] for account in page["Accounts"]] for page in pages] == [
        [MANAGEMENT, DELEGATED],
        [MEMBER, NESTED],
        [OTHER],
    ]


def test_what_is_not_emulated_is_refused(unchanged: LocalAwsClient) -> None:
    client = of(unchanged, MANAGEMENT)
    assert refusal(client.list_handshakes_for_account) == "UnknownOperationException"


# Delegated administrators and trusted access


def test_delegated_administrators_are_listed_by_service(unchanged: LocalAwsClient) -> None:
    client = of(unchanged, DELEGATED)

    def delegated(**params: str) -> list[str]:
        return [found["Id"] for found in client.list_delegated_administrators(**params)["DelegatedAdministrators"]]

    assert delegated() == delegated(ServicePrincipal=SERVICE) == [DELEGATED]
    assert delegated(ServicePrincipal=STACK_SETS) == []


def test_a_registered_account_may_list_until_it_is_deregistered(aws: LocalAwsClient) -> None:
    management, member = of(aws, MANAGEMENT), of(aws, MEMBER)
    registration = {"AccountId": MEMBER, "ServicePrincipal": STACK_SETS}
    management.register_delegated_administrator(**registration)
    assert len(member.list_accounts()["Accounts"]) == 5
    assert refusal(management.register_delegated_administrator, **registration) == "AccountAlreadyRegisteredException"
    management.deregister_delegated_administrator(**registration)
    assert refusal(member.list_accounts) == "AccessDeniedException"
    assert refusal(management.deregister_delegated_administrator, **registration) == "AccountNotRegisteredException"


def test_trusted_access_is_switched_on_and_off(aws: LocalAwsClient) -> None:
    management = of(aws, MANAGEMENT)

    def trusted() -> set[str]:
        listed = management.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
        return {service["ServicePrincipal"] for service in listed}

    management.enable_aws_service_access(ServicePrincipal="ssm.amazonaws.com")
    assert trusted() == {SERVICE, STACK_SETS, "ssm.amazonaws.com"}
    management.disable_aws_service_access(ServicePrincipal="ssm.amazonaws.com")
    assert trusted() == {SERVICE, STACK_SETS}


def test_only_the_management_account_changes_anything(unchanged: LocalAwsClient) -> None:
    delegated = of(unchanged, DELEGATED)
    registration = {"AccountId": MEMBER, "ServicePrincipal": SERVICE}
    assert refusal(delegated.register_delegated_administrator, **registration) == "AccessDeniedException"
    assert refusal(delegated.enable_aws_service_access, ServicePrincipal=SERVICE) == "AccessDeniedException"
    assert refusal(delegated.create_account, Email="a@example.com", AccountName="a") == "AccessDeniedException"
    assert refusal(delegated.remove_account_from_organization, AccountId=MEMBER) == "AccessDeniedException"


def test_with_consolidated_billing_there_is_no_trusted_access(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    organization = (
        f'organization: {{ id: o-a1b2c3d4e5, root_id: r-a1b2, management_account: "{MANAGEMENT}", all_features: false }}\n'
    )
    path.write_text(organization + ACCOUNTS, encoding="utf-8")
    with LocalAwsProcess(path) as client:
        management = of(client, MANAGEMENT)
        assert management.describe_organization()["Organization"]["FeatureSet"] == "CONSOLIDATED_BILLING"
        assert refusal(management.enable_aws_service_access, ServicePrincipal=SERVICE) == "ConstraintViolationException"


# Joining, moving and leaving


def test_an_account_that_is_removed_is_in_no_organization(aws: LocalAwsClient) -> None:
    management = of(aws, MANAGEMENT)
    remove = management.remove_account_from_organization
    assert refusal(remove, AccountId=MANAGEMENT) == "MasterCannotLeaveOrganizationException"
    assert refusal(remove, AccountId=DELEGATED) == "ConstraintViolationException"
    remove(AccountId=MEMBER)
    assert refusal(of(aws, MEMBER).describe_organization) == "AWSOrganizationsNotInUseException"
    assert refusal(remove, AccountId=MEMBER) == "AccountNotFoundException"


def test_commands_let_accounts_join_and_leave(aws: LocalAwsClient) -> None:
    assert aws.organization() == {
        "organization_id": "o-a1b2c3d4e5",
        "root_id": ROOT,
        "management_account_id": MANAGEMENT,
    }
    new = "6" * 12
    aws.create_account(new, "new", "Workloads/Development", {"virtual_mfa_devices": ["phone"]})
    development = unit_id(aws, "Workloads", "Development")
    assert new in accounts_in(of(aws, MANAGEMENT), development)
    assert boto3_client(aws, "iam", new).get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 1
    assert boto3_client(aws, "config", new).describe_configuration_recorders()["ConfigurationRecorders"]
    with pytest.raises(LocalAwsError, match="already"):
        aws.create_account(new, "new", "", {})
    with pytest.raises(LocalAwsError, match="no unit 'Nowhere': its units are Sandbox, Security"):
        aws.create_account("7" * 12, "seventh", "Nowhere", {})
    aws.remove_account(new)
    assert refusal(of(aws, new).describe_organization) == "AWSOrganizationsNotInUseException"
    with pytest.raises(LocalAwsError, match="cannot leave"):
        aws.remove_account(DELEGATED)


def test_the_command_line_lets_accounts_join_and_leave(aws: LocalAwsClient) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(PYTHON), "-m", "local_aws", "--port", str(aws.port), *arguments]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603 - our own module

    new = "6" * 12
    assert run("create-account", new, "new", "--unit", "Sandbox", "--root-user", "{password: false}").returncode == 0
    assert new in accounts_in(of(aws, MANAGEMENT), unit_id(aws, "Sandbox"))
    assert boto3_client(aws, "iam", new).get_account_summary()["SummaryMap"]["AccountPasswordPresent"] == 0
    assert run("remove-account", new).returncode == 0
    assert refusal(of(aws, new).describe_organization) == "AWSOrganizationsNotInUseException"
    refused = run("remove-account", new)
    assert (refused.returncode, refused.stderr) == (1, f"local-aws: Account {new} is not in the organization.\n")
    assert "must be a mapping" in run("create-account", "7" * 12, "seventh", "--root-user", "none").stderr


# Condition keys


@pytest.fixture
def assume(aws: LocalAwsClient) -> Callable[[str, str, str], Callable[[], object]]:
    """Make a role that may assume one of another account if the condition key is the organization. Return the call."""

    def document(**statement: object) -> str:
        allow = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [{**allow, **statement}]})

    def prepare(target: str, caller: str, condition_key: str) -> Callable[[], object]:
        condition = {"Condition": {"StringEquals": {condition_key: "o-a1b2c3d4e5"}}}
        trust = {"Principal": {"AWS": f"arn:aws:iam::{caller}:root"}}
        when_trusted, when_permitted = (condition, {}) if condition_key == "aws:PrincipalOrgID" else ({}, condition)
        boto3_client(aws, "iam", target).create_role(
            RoleName="target", AssumeRolePolicyDocument=document(**trust, **when_trusted)
        )
        iam = boto3_client(aws, "iam", caller)
        iam.create_role(RoleName="caller", AssumeRolePolicyDocument=document(**trust))
        permission = document(Resource="*", **when_permitted)
        iam.put_role_policy(RoleName="caller", PolicyName="assume", PolicyDocument=permission)
        sts = boto3_client(aws, "sts", caller)
        session = sts.assume_role(RoleArn=f"arn:aws:iam::{caller}:role/caller", RoleSessionName="test")["Credentials"]
        as_role = boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        return partial(as_role.assume_role, RoleArn=f"arn:aws:iam::{target}:role/target", RoleSessionName="test")

    return prepare


@pytest.mark.parametrize("condition_key", ["aws:ResourceOrgID", "aws:PrincipalOrgID"])
def test_a_role_can_be_assumed_within_the_organization(
    assume: Callable[[str, str, str], Callable[[], object]], condition_key: str
) -> None:
    assert assume(MEMBER, DELEGATED, condition_key)()


@pytest.mark.parametrize(
    ("condition_key", "target", "caller"),
    [("aws:ResourceOrgID", OUTSIDE, DELEGATED), ("aws:PrincipalOrgID", DELEGATED, OUTSIDE)],
)
def test_a_role_cannot_be_assumed_out_of_or_into_the_organization(
    assume: Callable[[str, str, str], Callable[[], object]], condition_key: str, target: str, caller: str
) -> None:
    call = assume(target, caller, condition_key)
    assert refusal(call) == "AccessDenied"
