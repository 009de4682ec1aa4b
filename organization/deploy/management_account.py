"""Deploys account.yaml to the management account, which no StackSet reaches, with credentials of that account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from organization import aws, commands, deployment
from organization.aws import Caller, CommandError
from organization.commands import ACCOUNT_STACK_NAME
from organization.deploy import plan, sam, template
from organization.deploy.parameters import Options
from organization.deploy.plan import NextStep
from organization.deploy.sam import Sam
from organization.preflight import judging
from organization.preflight.judging import STACK_SETS
from organization.screen import Screen

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CallAsType
    from mypy_boto3_organizations import OrganizationsClient

TEMPLATE = "account.yaml"
_ENVIRONMENT = "management-account"
"""The environment of samconfig.toml."""
_CENTRAL = "CentralAccountId"


@dataclass(frozen=True, slots=True)
class _Central:
    """The central account; `name` is empty if AWS Organizations does not say it."""

    account_id: str
    name: str

    def __str__(self) -> str:
        return self.account_id + (f" ({self.name})" if self.name else "")


def run(region: str | None, profile: str | None, stack_name: str, options: Options) -> int:
    """Deploy; returns the exit code.  `stack_name` is the stack of the deployment, in the central account."""
    directory = sam.folder(options.directory)
    program = sam.find()
    declared = template.read(directory / TEMPLATE)
    template.check(declared, options.parameters)
    session, caller = aws.session(region, profile)
    organizations: OrganizationsClient = session.client("organizations", config=aws.patient())
    cloudformation: CloudFormationClient = session.client("cloudformation", config=aws.patient())
    _refuse_other_account(organizations, caller)
    _refuse_other_stack(cloudformation, caller, stack_name)
    screen = Screen()
    parameters = _parameters(cloudformation, caller, stack_name, options.parameters)
    if unknown := [name for name in parameters if name not in declared]:
        message = (
            f"The StackSet {deployment.stack_set_name(stack_name)} has the parameter {unknown[0]}, and {TEMPLATE} does not: "
            "use the version of the package that is deployed in the central account."
        )
        raise CommandError(message)
    template.check(declared, parameters)
    central = _central(organizations, caller, parameters)
    before = aws.find_deployed_stack(cloudformation, ACCOUNT_STACK_NAME)
    delete = commands.delete_management_account(caller.region, stack_name)
    if before and (obstacle := judging.status_obstacle(before["StackStatus"], delete)):
        fix = f" Run `{obstacle.command}`." if obstacle.command else ""
        message = f"The stack {ACCOUNT_STACK_NAME} is {obstacle.why}{fix}"
        raise CommandError(message)
    options.refuse_to_wait()
    where = f"{ACCOUNT_STACK_NAME} in the management account {caller.account_id}, Region {caller.region}."
    notes = [f"After that the function of account {central} can evaluate the root user of this account."]
    former = deployment.parameters_of(before).get(_CENTRAL, "") if before else ""
    if former not in {"", central.account_id}:
        notes.append(f"Until then the function of account {former} can, and not afterwards.")
    plan.show(before, [where], parameters, notes, screen)
    where_sam = ("--stack-name", ACCOUNT_STACK_NAME, "--region", caller.region, *(("--profile", profile) if profile else ()))
    code = Sam(program, directory, _ENVIRONMENT, where_sam).deploy(parameters, confirm=options.ask, rollback=False)
    after = aws.find_deployed_stack(cloudformation, ACCOUNT_STACK_NAME)
    code, _ = plan.end(code, before, after, ACCOUNT_STACK_NAME, screen)
    if code == 0:
        step = NextStep(
            f"With credentials of account {central}, unless the stack {stack_name} has this parameter already:",
            (commands.deploy(stack_name, region=caller.region, ManagementAccountHasEvaluationRole="true"),),
        )
        plan.show_steps([step], screen)
    return code


def of_stack_set(cloudformation: "CloudFormationClient", stack_name: str, call_as: "CallAsType") -> dict[str, str]:
    """Return the parameters that a deployment's StackSet gives account.yaml.

    The management account sees the StackSets of delegated administrators: they are made there, and it calls as SELF.  Source:
    API reference, CreateStackSet and DescribeStackSet, CallAs.  Raises ClientError, also if there is no such StackSet.
    """
    name = deployment.stack_set_name(stack_name)
    return deployment.parameters_of(cloudformation.describe_stack_set(StackSetName=name, CallAs=call_as)["StackSet"])


def _refuse_other_account(organizations: "OrganizationsClient", caller: Caller) -> None:
    """Raise CommandError if the credentials are not those of an organization's management account."""
    try:
        found = organizations.describe_organization()["Organization"]
    except organizations.exceptions.AWSOrganizationsNotInUseException as error:
        message = f"Account {caller.account_id} is in no organization, so it has no management account."
        raise CommandError(message) from error
    if found["MasterAccountId"] != caller.account_id:
        message = (
            f"Account {caller.account_id} is not the management account of the organization {found['Id']}: "
            f"use credentials of account {found['MasterAccountId']}."
        )
        raise CommandError(message)


def _refuse_other_stack(cloudformation: "CloudFormationClient", caller: Caller, stack_name: str) -> None:
    """Raise CommandError if the account has a deployment of its own, whose roles have the same names."""
    stack = aws.find_deployed_stack(cloudformation, stack_name)
    if stack is None:
        return
    if deployment.from_stack(stack, {}).organization_id:
        message = (
            f"The stack {stack_name} of the organization's deployment is in account {caller.account_id} itself, and gives it "
            "what an evaluation needs: there is nothing to deploy."
        )
        raise CommandError(message)
    message = (
        f"The stack {stack_name} in account {caller.account_id} is deployed for this account alone, with roles of the same "
        f"names: delete it first. Run `{commands.delete(stack_name)}`."
    )
    raise CommandError(message)


def _parameters(
    cloudformation: "CloudFormationClient", caller: Caller, stack_name: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Return the StackSet's parameters, and those that are given before them. Raises CommandError if neither has them."""
    try:
        return of_stack_set(cloudformation, stack_name, "SELF") | dict(given)
    except ClientError as error:
        if given.get(_CENTRAL):
            return dict(given)
        if aws.code_of(error) != "StackSetNotFoundException":
            raise
        message = (
            f"There is no StackSet {deployment.stack_set_name(stack_name)} in Region {caller.region} to read the parameters "
            "from: give the home Region with --region, the deployment's stack with --stack-name, or the parameters that "
            f"`{commands.deploy(stack_name)}` ends with in the central account."
        )
        raise CommandError(message) from error


def _central(organizations: "OrganizationsClient", caller: Caller, parameters: Mapping[str, str]) -> _Central:
    """Return the account that the roles will trust. Raises CommandError if it cannot be the central account."""
    account_id = parameters.get(_CENTRAL, "")
    pages = organizations.get_paginator("list_delegated_administrators").paginate(ServicePrincipal=STACK_SETS)
    names = {each.get("Id"): each.get("Name", "") for page in pages for each in page["DelegatedAdministrators"]}
    if account_id not in names or account_id == caller.account_id:
        message = (
            f"{_CENTRAL} is {account_id!r}, which is not a delegated administrator for {STACK_SETS}: it has no deployment "
            "for the organization, so the roles must not trust it."
        )
        raise CommandError(message)
    function = parameters.get("FunctionArn", "")
    if function and function.split(":")[4:5] != [account_id]:
        message = (
            f"FunctionArn is {function}, which is not a function of account {account_id}: it could report any verdict on this "
            "account. The package's is in the central account."
        )
        raise CommandError(message)
    return _Central(account_id, names[account_id])
