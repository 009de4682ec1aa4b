"""Shared by the tests of service control policies: an organization, its policies, and whether they refuse a call."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import Client, Clients, allow, clients_of, trust

MANAGEMENT, DELEGATED, MEMBER, NESTED = (digit * 12 for digit in "1234")
ACCOUNTS = (MANAGEMENT, DELEGATED, MEMBER, NESTED)
ROOT, SCP = "r-a1b2", "SERVICE_CONTROL_POLICY"
FULL_ACCESS = "p-FullAWSAccess"
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
ORGANIZATION = {
    "id": "o-a1b2c3d4e5",
    "root_id": ROOT,
    "management_account": MANAGEMENT,
    "trusted_services": ["iam.amazonaws.com", STACK_SETS],
    "delegated_administrators": {DELEGATED: ["iam.amazonaws.com"]},
    "root_access_features": ["RootCredentialsManagement", "RootSessions"],
    "units": {"Workloads/Production": [NESTED], "Sandbox": []},
}
DENIED = "with an explicit deny in a service control policy"

Statement = Mapping[str, Any]


class Scene:
    """A local AWS with an organization, and what its management account does there."""

    def __init__(self, process: LocalAwsProcess) -> None:
        self.process = process
        self.client = clients_of(process)
        self.organizations: Client = self.client("organizations", MANAGEMENT)

    def unit(self, *path: str) -> str:
        """Return the id of a unit."""
        parent = ROOT
        for name in path:
            units = self.organizations.list_organizational_units_for_parent(ParentId=parent)["OrganizationalUnits"]
            [parent] = [unit["Id"] for unit in units if unit["Name"] == name]
        return parent

    @contextmanager
    def policy(self, *statements: Statement, name: str = "example") -> Iterator[str]:
        """Create a policy, and delete it at the end."""
        created = self.organizations.create_policy(Name=name, Description="", Type=SCP, Content=document(*statements))
        policy_id = created["Policy"]["PolicySummary"]["Id"]
        try:
            yield policy_id
        finally:
            self.organizations.delete_policy(PolicyId=policy_id)

    @contextmanager
    def attached(self, *statements: Statement, to: str = ROOT, name: str = "example") -> Iterator[str]:
        """Create a policy and attach it, and undo both at the end."""
        with self.policy(*statements, name=name) as policy_id:
            self.organizations.attach_policy(PolicyId=policy_id, TargetId=to)
            try:
                yield policy_id
            finally:
                self.organizations.detach_policy(PolicyId=policy_id, TargetId=to)

    @contextmanager
    def without_full_access(self, target: str) -> Iterator[None]:
        """Detach FullAWSAccess, and attach it again at the end."""
        self.organizations.detach_policy(PolicyId=FULL_ACCESS, TargetId=target)
        try:
            yield
        finally:
            self.organizations.attach_policy(PolicyId=FULL_ACCESS, TargetId=target)

    def session(self, account_id: str, role: str, actions: tuple[str, ...] = ("*",), path: str = "/") -> Clients:
        """Create a role that may do `actions`, assume it as the account's root user, and give its clients."""
        iam = self.client("iam", account_id)
        arn = iam.create_role(
            RoleName=role, Path=path, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{account_id}:root"})
        )["Role"]["Arn"]
        iam.put_role_policy(RoleName=role, PolicyName="example", PolicyDocument=allow(*actions))
        assumed = self.client("sts", account_id).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.signed_with(assumed)

    def signed_with(self, credentials: Mapping[str, str]) -> Clients:
        """Make clients that sign with credentials of a user or a session. They ignore the account id."""
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials.get("SessionToken"),
        }
        return lambda service, _: clients_of(self.process, **keys)(service, "")


@contextmanager
def organization(directory: Path) -> Iterator[Scene]:
    """Run a local AWS with an organization of four accounts."""
    file = directory / "accounts.yaml"
    accounts = {account_id: {"name": f"account-{account_id[0]}"} for account_id in ACCOUNTS}
    file.write_text(yaml.safe_dump({"accounts": accounts, "organization": ORGANIZATION}), encoding="utf-8")
    with LocalAwsProcess(file) as process:
        yield Scene(process)


def document(*statements: Statement, **changed: object) -> str:
    """Make the content of a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": [dict(statement) for statement in statements], **changed})


def deny(*actions: str, resource: object = "*", **more: object) -> Statement:
    """Make a statement that denies actions."""
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource, **more}


def is_refused(call: Callable[..., object], **params: object) -> bool:
    """Tell whether policies refuse a call. Any other refusal is an error."""
    try:
        call(**params)
    except ClientError as error:
        if not _is_said_of_policies(error):
            raise
        return True
    return False


def policies_refuse(call: Callable[..., object], **params: object) -> bool:
    """Tell whether policies refuse a call, whatever else its outcome."""
    try:
        call(**params)
    except ClientError as error:
        return _is_said_of_policies(error)
    return False


def _is_said_of_policies(error: ClientError) -> bool:
    return DENIED in str(error) or "because no service control policy allows" in str(error)
