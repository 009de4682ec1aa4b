"""An organization as the tests use it: the application deployed for all accounts, and what an operator runs from a shell."""

import json
import multiprocessing
import os
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from botocore import xform_name

import organization.deploy.sam
from demo import sam
from demo.clients import boto3_client
from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, RULE_NAME, deploy_account
from local_aws.client import PROJECT, LocalAwsClient
from organization.cli import main
from tests.e2e.application import Application

ORGANIZATION, ROOT = "o-a1b2c3d4e5", "r-a1b2"
MANAGEMENT, CENTRAL = "111111111111", "222222222222"
OUTSIDER = "999999999999"
"""An account that is in no organization."""
SERVICES = [
    "config.amazonaws.com",
    "config-multiaccountsetup.amazonaws.com",
    "iam.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
]


def write_accounts(
    directory: Path,
    accounts: Mapping[str, Any],
    units: Mapping[str, Collection[str]] | None = None,
    outside: Collection[str] = (),
) -> Path:
    """Write an accounts file whose accounts are an organization, with CENTRAL as a delegated administrator.

    Accounts `outside` are in no organization.
    """
    organization = {
        "id": ORGANIZATION,
        "root_id": ROOT,
        "management_account": MANAGEMENT,
        "trusted_services": SERVICES,
        "delegated_administrators": {CENTRAL: SERVICES},
        "root_access_features": ["RootCredentialsManagement"],
        "units": {path: list(account_ids) for path, account_ids in (units or {}).items()},
        "outside": list(outside),
    }
    file = directory / "accounts.yaml"
    file.write_text(
        yaml.safe_dump({"organization": organization, "accounts": {**accounts, **{account_id: {} for account_id in outside}}}),
        encoding="utf-8",
    )
    return file


class Organization(Application):
    """The application, deployed in an account for the organization."""

    def rule_name(self, account_id: str) -> str:
        [name] = self.rules(account_id)
        return name

    def rules(self, account_id: str) -> list[str]:
        """Return the names of the package's rules in an account that a pack has put there."""
        rules = self.client("config", account_id).describe_config_rules()["ConfigRules"]
        return [
            rule["ConfigRuleName"] for rule in rules if rule["ConfigRuleName"].startswith(RULE_NAME) and "CreatedBy" in rule
        ]

    def roles(self, account_id: str) -> set[str]:
        """Return which of the package's two named roles an account has."""
        pages = self.client("iam", account_id).get_paginator("list_roles").paginate()
        return {role["RoleName"] for page in pages for role in page["Roles"]} & {FUNCTION_ROLE_NAME, EVALUATION_ROLE_NAME}

    def stack_status(self) -> str:
        [stack] = self.client("cloudformation").describe_stacks(StackName="root-virtual-mfa")["Stacks"]
        return str(stack["StackStatus"])

    def pack_statuses(self) -> dict[str, str]:
        """Return the status of the conformance pack in each account, with the code of its error."""
        pages = self.client("config").get_paginator("get_organization_conformance_pack_detailed_status")
        statuses = [
            each
            for page in pages.paginate(OrganizationConformancePackName="root-virtual-mfa")
            for each in page["OrganizationConformancePackDetailedStatuses"]
        ]
        return {each["AccountId"]: " ".join([each["Status"], each.get("ErrorCode", "")]).rstrip() for each in statuses}

    def report(self) -> dict[str, dict[str, Any]]:
        """Return what `make report` says about each account."""
        ran = run(self.aws, self.account_id, "report", "--format", "json")
        return {account["account_id"]: account for account in json.loads(ran.printed)["accounts"]}


class StagedOrganization(Organization):
    """The application, deployed in an account, whose StackSet brings the rule to organizational units."""

    def rule_name(self, account_id: str) -> str:  # noqa: ARG002 - a StackSet gives it the same name in each account
        return RULE_NAME

    def rules(self, account_id: str) -> list[str]:
        """Return the names of the rules in an account that are called like the package's."""
        rules = self.client("config", account_id).describe_config_rules()["ConfigRules"]
        return [rule["ConfigRuleName"] for rule in rules if rule["ConfigRuleName"].startswith(RULE_NAME)]

    def deploy_management_account(self) -> None:
        """Deploy account.yaml to the management account, with the parameters of the StackSet, which does not reach it."""
        deploy_account(self.aws, MANAGEMENT, self.account_id, self.stack_set_parameters())

    def stack_set_parameters(self) -> dict[str, str]:
        """Return the parameters of the StackSet of account.yaml."""
        called = {"StackSetName": self.outputs["StackSetName"], "CallAs": "DELEGATED_ADMIN"}
        stack_set = self.client("cloudformation").describe_stack_set(**called)["StackSet"]
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack_set["Parameters"]}


def unit_id(aws: LocalAwsClient, path: str) -> str:
    """Return the id of an organizational unit, named by the units from below the root down to it: Workloads/Production."""
    organizations, found = boto3_client(aws, "organizations", MANAGEMENT), ROOT
    for name in path.split("/"):
        pages = organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=found)
        [found] = [unit["Id"] for page in pages for unit in page["OrganizationalUnits"] if unit["Name"] == name]
    return found


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    printed: str
    said: str


def environment(aws: LocalAwsClient, account_id: str) -> dict[str, str]:
    """Return the environment of a command with credentials of an account, and with no other AWS settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **others,
        **aws.environment(account_id),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_POLL_DELAY": "0.2",  # seconds between looks at the stack: 5 are meant for AWS
    }


def run(aws: LocalAwsClient, account_id: str, command: str, *arguments: str, **variables: str) -> Ran:
    """Run one of the operator's commands with credentials of an account, and with other variables of the environment."""
    with TemporaryDirectory() as directory:
        printed, said = Path(directory, "stdout"), Path(directory, "stderr")
        settings = environment(aws, account_id) | variables
        process = _FORKS.Process(target=_run, args=((command, *arguments), settings, printed, said, sam.SAM))
        process.start()
        process.join()
        ran = Ran(process.exitcode or 0, printed.read_text(encoding="utf-8"), said.read_text(encoding="utf-8"))
    assert "Traceback" not in ran.said, ran.said
    return ran


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "organization.cli", __name__, "tests.e2e.operator_models"])
"""Forks a process that has imported the command, since imports are most of what a short command costs."""


def _run(arguments: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path, sam_cli: Path) -> None:
    """Become a process that runs the command, and finds the SAM CLI there."""
    organization.deploy.sam.find = lambda: sam_cli
    os.chdir(PROJECT)
    for path, descriptor in ((os.devnull, 0), (stdout, 1), (stderr, 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(main(arguments))


# --- What the package tells to run, without the AWS CLI ---


def run_aws(aws: LocalAwsClient, account_id: str, command: str) -> dict[str, Any]:
    """Run a command of the AWS CLI that calls one API operation, with credentials of an account, and return the answer."""
    (program, service, operation), options = _parse(command)
    assert program == "aws"
    client = boto3_client(aws, {"configservice": "config"}.get(service, service), account_id)
    assert options.pop("region") == [client.meta.region_name]
    method = operation.replace("-", "_")
    shapes = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape.members
    members = {xform_name(member, "-"): member for member in shapes}
    flags = {option.removeprefix("no-"): not option.startswith("no-") for option, values in options.items() if not values}
    params = {members[option]: _value(shapes[members[option]], values) for option, values in options.items() if values}
    params |= {members[option]: flag for option, flag in flags.items()}
    answer: dict[str, Any] = getattr(client, method)(**params)
    return answer


def _parse(command: str) -> tuple[list[str], dict[str, list[str]]]:
    """Part a command into the words before the first option, and the values of each option."""
    words: list[str] = []
    options: dict[str, list[str]] = {}
    current = words
    for word in shlex.split(command):
        if word.startswith("--"):
            current = options.setdefault(word.removeprefix("--"), [])
        else:
            current.append(word)
    return words, options


def _value(shape: Any, values: list[str]) -> Any:  # noqa: ANN401 - a member of a request
    """Read the values of an option as the AWS CLI does: file://, and the shorthand for structures and lists of them."""
    if shape.type_name == "list":
        return [_value(shape.member, [value]) for value in values]
    [value] = values
    if shape.type_name == "structure":
        parts = (part.partition("=") for part in value.split(","))
        return {name: _value(shape.members[name], [given]) for name, _, given in parts}
    return (PROJECT / value.removeprefix("file://")).read_text(encoding="utf-8") if value.startswith("file://") else value
