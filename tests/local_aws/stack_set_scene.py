"""Building blocks for the tests of StackSets: an organization, its administrator at work, and a stack with a StackSet in it."""

import json
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsClient

MANAGEMENT, DELEGATED, FIRST, SECOND, THIRD, SANDBOX = (digit * 12 for digit in "123456")
NEW, STRANGER = "7" * 12, "9" * 12
MEMBERS = [DELEGATED, FIRST, SECOND, THIRD, SANDBOX]
ROOT = "r-a1b2"
REGION = "us-east-1"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"
NAME = "evaluation"
"""Of the StackSet, and of the role that it makes."""
SECONDS = 600
ORGANIZATION: dict[str, Any] = {
    "organization": {
        "id": "o-a1b2c3d4e5",
        "root_id": ROOT,
        "management_account": MANAGEMENT,
        "outside": [STRANGER],
        "trusted_services": [SERVICE],
        "delegated_administrators": {DELEGATED: [SERVICE]},
        "units": {"Workloads/Production": [FIRST, SECOND], "Workloads": [THIRD], "Sandbox": [SANDBOX]},
    },
    "accounts": {account_id: {"name": account_id} for account_id in [MANAGEMENT, *MEMBERS, STRANGER]},
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"RoleName": NAME, "Description": {"Ref": "Purpose"}, "AssumeRolePolicyDocument": TRUST},
}
SECOND_ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "second", "AssumeRolePolicyDocument": TRUST}}
PARAMETERS = {"Purpose": {"Type": "String", "Default": "none"}}
TEMPLATE = {"Parameters": PARAMETERS, "Resources": {"Role": ROLE}}
LARGER_TEMPLATE = {"Parameters": PARAMETERS, "Resources": {"Second": SECOND_ROLE, "Role": ROLE}}
ROLE_IN_ONE_REGION = {
    "Parameters": PARAMETERS,
    "Conditions": {"HomeRegion": {"Fn::Equals": [{"Ref": "AWS::Region"}, REGION]}},
    "Resources": {"Role": {**ROLE, "Condition": "HomeRegion"}, "Topic": {"Type": "AWS::SNS::Topic"}},
}


def depends_on(*arns: str) -> dict[str, Any]:
    return {"AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False, "DependsOn": list(arns)}}


def accounts_file(directory: Path, accounts: dict[str, Any] = ORGANIZATION) -> Path:
    path = directory / "accounts.yaml"
    path.write_text(yaml.safe_dump(accounts), encoding="utf-8")
    return path


@cache
def of(client: LocalAwsClient, service: Any, account_id: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    return _session().client(
        service,
        region_name=REGION,
        endpoint_url=client.endpoint_url,
        aws_access_key_id=account_id,
        aws_secret_access_key="test",  # noqa: S106 - the local AWS takes any
    )


@cache
def _session() -> boto3.Session:
    """Share what is costly to load."""
    return boto3.Session()


class Administrator:
    """The delegated administrator, or with `account_id` another account, at work on the StackSet."""

    def __init__(self, aws: LocalAwsClient, account_id: str = DELEGATED, call_as: str = "DELEGATED_ADMIN") -> None:
        self.aws = aws
        self.cloudformation = of(aws, "cloudformation", account_id)
        self.call_as = call_as

    def create(self, template: dict[str, Any] = TEMPLATE, **params: Any) -> str:  # noqa: ANN401 - of any operation
        """Create the StackSet without stacks."""
        created = self.cloudformation.create_stack_set(
            **{
                "StackSetName": NAME,
                "TemplateBody": json.dumps(template),
                "PermissionModel": "SERVICE_MANAGED",
                "CallAs": self.call_as,
                "Capabilities": ["CAPABILITY_NAMED_IAM"],
                "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
                **params,
            }
        )
        return str(created["StackSetId"])

    def run(self, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        """Do something to the StackSet, and return the operation once it has ended."""
        started = getattr(self.cloudformation, operation)(StackSetName=NAME, CallAs=self.call_as, **params)
        return self.ended(started["OperationId"])

    def ended(self, operation_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            found.update(self.read("describe_stack_set_operation", OperationId=operation_id)["StackSetOperation"])
            return found["Status"] not in {"QUEUED", "RUNNING"}

        wait(has_ended)
        return found

    def deploy(self, regions: tuple[str, ...] = (REGION,), unit_id: str = ROOT, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        """Deploy the StackSet to a unit; `Accounts` and `AccountFilterType` limit it."""
        targets = {key: params.pop(key) for key in ("Accounts", "AccountFilterType") if key in params}
        return self.run(
            "create_stack_instances",
            DeploymentTargets={"OrganizationalUnitIds": [unit_id], **targets},
            Regions=list(regions),
            **params,
        )

    def read(self, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        found: dict[str, Any] = getattr(self.cloudformation, operation)(StackSetName=NAME, CallAs=self.call_as, **params)
        return found

    def statuses(self) -> dict[str, tuple[str, str]]:
        """Return the status and the detailed status of each instance in REGION, by account."""
        return {
            instance["Account"]: (instance["Status"], instance["StackInstanceStatus"]["DetailedStatus"])
            for instance in self.read("list_stack_instances", StackInstanceRegion=REGION)["Summaries"]
        }

    def results(self, operation: dict[str, Any]) -> dict[str, str]:
        listed = self.read("list_stack_set_operation_results", OperationId=operation["OperationId"])["Summaries"]
        return {result["Account"]: result["Status"] for result in listed}

    def create_instances(self, name: str, targets: dict[str, Any]) -> None:
        """Deploy the StackSet of a name, and wait for the end."""
        self.cloudformation.create_stack_instances(
            StackSetName=name, CallAs=self.call_as, DeploymentTargets=targets, Regions=[REGION]
        )
        self.settle(name)

    def settle(self, name: str = NAME) -> None:
        """Wait until no operation on the StackSet of a name runs."""

        def has_ended() -> bool:
            listed = self.cloudformation.list_stack_set_operations(StackSetName=name, CallAs=self.call_as)["Summaries"]
            return all(operation["Status"] not in {"QUEUED", "RUNNING"} for operation in listed)

        wait(has_ended)

    def instances(self, name: str = NAME) -> dict[str, dict[str, Any]]:
        """Return the stack instances of the StackSet of a name, by account."""
        listed = self.cloudformation.list_stack_instances(StackSetName=name, CallAs=self.call_as)["Summaries"]
        return {instance["Account"]: instance for instance in listed}

    def remove(self) -> None:
        if self.exists():
            for operation in self.read("list_stack_set_operations")["Summaries"]:
                self.ended(operation["OperationId"])
            everywhere = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION, "eu-west-1"]}
            self.run("delete_stack_instances", RetainStacks=False, **everywhere)
            self.cloudformation.delete_stack_set(StackSetName=NAME, CallAs=self.call_as)

    def exists(self) -> bool:
        active = self.cloudformation.list_stack_sets(CallAs=self.call_as, Status="ACTIVE")["Summaries"]
        return NAME in [stack_set["StackSetName"] for stack_set in active]


class Other:
    """Another StackSet of the administrator's, without stacks at first."""

    def __init__(self, admin: Administrator, name: str, template: dict[str, Any]) -> None:
        admin.create(template, StackSetName=name)
        self._admin = admin
        self._which = {"StackSetName": name, "CallAs": admin.call_as}
        self.arn: str = admin.cloudformation.describe_stack_set(**self._which)["StackSet"]["StackSetARN"]

    def deploy(self, unit_id: str) -> None:
        targets = {"DeploymentTargets": {"OrganizationalUnitIds": [unit_id]}, "Regions": [REGION]}
        self._admin.cloudformation.create_stack_instances(**self._which, **targets)

    def update(self, **params: Any) -> None:  # noqa: ANN401 - of any operation
        given = {"UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_NAMED_IAM"], **params}
        self._admin.cloudformation.update_stack_set(**self._which, **given)

    def detailed_status(self, account_id: str) -> str:
        listed = self._admin.cloudformation.list_stack_instances(**self._which, StackInstanceAccount=account_id)
        return str(listed["Summaries"][0]["StackInstanceStatus"]["DetailedStatus"])


class Parent:
    """A stack of the delegated administrator that has the StackSet as a resource."""

    def __init__(self, aws: LocalAwsClient) -> None:
        self.cloudformation = of(aws, "cloudformation", DELEGATED)

    def deploy(self, operation: str, *, rollback: bool = True, **properties: Any) -> str:  # noqa: ANN401 - a template's properties
        """Create or update the stack, and return the status that it ends in."""
        whole_root = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [{"Ref": "AWS::Region"}]}
        wanted = {
            "StackSetName": NAME,
            "PermissionModel": "SERVICE_MANAGED",
            "CallAs": "DELEGATED_ADMIN",
            "TemplateBody": json.dumps(TEMPLATE),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "AutoDeployment": {"Enabled": "true", "RetainStacksOnAccountRemoval": "false"},
            "OperationPreferences": {"FailureTolerancePercentage": "0", "MaxConcurrentPercentage": "100"},
            "StackInstancesGroup": [whole_root],
            **properties,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        resource = {"Type": "AWS::CloudFormation::StackSet", "Properties": given}
        template = {"Resources": {"StackSet": resource}, "Outputs": {"Id": {"Value": {"Ref": "StackSet"}}}}
        body = {"TemplateBody": json.dumps(template)}
        if operation == "update" and not rollback:  # as the SAM CLI does, since MiniStack's UpdateStack takes no failed stack
            name = {"StackName": "parent", "ChangeSetName": f"change-{uuid.uuid4()}"}
            self.cloudformation.create_change_set(**name, **body, ChangeSetType="UPDATE")
            wait(lambda: not self.cloudformation.describe_change_set(**name)["Status"].endswith(("PENDING", "IN_PROGRESS")))
            made = self.cloudformation.describe_change_set(**name)
            assert made["Status"] == "CREATE_COMPLETE", made["StatusReason"]
            self.cloudformation.execute_change_set(**name, DisableRollback=True)
        else:
            getattr(self.cloudformation, f"{operation}_stack")(StackName="parent", **body, DisableRollback=not rollback)
        return self.settled()

    def delete(self) -> str:
        stack_id = self.describe()["StackId"]
        self.cloudformation.delete_stack(StackName="parent")
        return self.settled(stack_id)

    def remove(self) -> None:
        if any(stack["StackName"] == "parent" for stack in self.cloudformation.describe_stacks()["Stacks"]):
            self.delete()

    def settled(self, name: str = "parent") -> str:
        wait(lambda: not self.describe(name)["StackStatus"].endswith("IN_PROGRESS"))
        return str(self.describe(name)["StackStatus"])

    def describe(self, name: str = "parent") -> dict[str, Any]:
        [stack] = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        return dict(stack)

    def reasons(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName="parent")["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


def clean(aws: LocalAwsClient) -> None:
    """Take away what a test has deployed."""
    Parent(aws).remove()
    Administrator(aws).remove()
    for account_id in MEMBERS:
        iam = of(aws, "iam", account_id)
        for role in iam.list_roles()["Roles"]:
            if not role["RoleName"].startswith("stacksets-exec-"):
                iam.delete_role(RoleName=role["RoleName"])


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s"
        time.sleep(0.02)


def refusal(call: Callable[..., object], **params: object) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def with_role(aws: LocalAwsClient, name: str = NAME) -> dict[str, str]:
    """Return the accounts that have the role, and what is in its description."""
    found = {}
    for account_id in aws.accounts():
        for role in of(aws, "iam", account_id).list_roles()["Roles"]:
            if role["RoleName"] == name:
                found[account_id] = role.get("Description", "")
    return found


def take_name(aws: LocalAwsClient, account_id: str) -> None:
    """Let an account have a role of the name already, made by somebody else."""
    role = {"RoleName": NAME, "Description": "somebody else's", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    of(aws, "iam", account_id).create_role(**role)


def unit_ids(aws: LocalAwsClient) -> dict[str, str]:
    """Return the id of each unit by its path; that of the root is ""."""
    organizations = of(aws, "organizations", MANAGEMENT)
    found = {"": ROOT}
    waiting = [""]
    while waiting:
        path = waiting.pop()
        for unit in organizations.list_organizational_units_for_parent(ParentId=found[path])["OrganizationalUnits"]:
            below = f"{path}/{unit['Name']}".lstrip("/")
            found[below] = unit["Id"]
            waiting.append(below)
    return found


def unit_id(aws: LocalAwsClient, path: str) -> str:
    return unit_ids(aws)[path]
