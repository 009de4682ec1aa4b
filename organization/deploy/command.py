"""Deploys the package with the SAM CLI: fills in the parameters that AWS can tell, and asks for the others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from organization import aws, commands, deployment, invoke_permission, project
from organization.aws import Caller, CommandError
from organization.deploy import rollbacks, sam, template
from organization.deploy.parameters import ORGANIZATION, SCOPES, Finder, Options, spread
from organization.deploy.sam import Sam
from organization.deployment import Deployment
from organization.screen import Screen
from organization.statuses import Advice

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

NOT_DEPLOYED = 1

_ARTEFACT = Path(".aws-sam", "build", "template.yaml")

_LONGEST_SHOWN = 80
"""Characters of a parameter's value that the plan shows: a list of accounts can be very long."""


def run(region: str | None, profile: str | None, stack_name: str, options: Options) -> int:
    """Deploy; returns the exit code."""
    directory = _directory(options.directory)
    program = sam.find()
    declared = template.read(directory / "template.yaml")
    options = replace(options, parameters=spread(options.parameters))
    template.check(declared, options.parameters)
    session, caller = aws.session(region, profile)
    cloudformation: CloudFormationClient = session.client("cloudformation", config=aws.patient())
    before = _find(cloudformation, stack_name)
    screen = Screen()
    finder = Finder(session, caller, stack_name, before, options, declared, screen)
    scope = finder.scope()
    parameters = finder.parameters(scope)
    if options.ask and not finder.may_ask:
        message = "There is no terminal to confirm the change set on: give --yes to execute it without a question."
        raise CommandError(message)
    if options.rollback and before:
        rollbacks.refuse_failed(cloudformation, before, caller.region)
    _show_plan(caller, stack_name, before, parameters, screen)
    where = ("--stack-name", stack_name, "--region", caller.region, *(("--profile", profile) if profile else ()))
    sam_cli = Sam(program, directory, SCOPES[scope], where)
    if options.build:
        sam_cli.build()
    elif not (directory / _ARTEFACT).is_file():
        message = f"There is no {directory / _ARTEFACT} to deploy: leave --no-build out."
        raise CommandError(message)
    code = sam_cli.deploy(parameters, confirm=options.ask, rollback=options.rollback)
    after = _find(cloudformation, stack_name)
    if scope == ORGANIZATION and after:
        try:
            listing = finder.listing(after)
        except CommandError as error:
            screen.say(str(error))
            return NOT_DEPLOYED
        if listing:
            before = after
            code = sam_cli.deploy(parameters | listing, confirm=options.ask, rollback=options.rollback)
            after = _find(cloudformation, stack_name)
    if after and (code != 0 or after["StackStatus"] in rollbacks.FAILED):
        refusals = rollbacks.refusals(cloudformation, after, caller.region, caller.time)
        return _failed(code, after, refusals, screen)
    return _end(code, before, after, stack_name, screen)


def _directory(given: Path | None) -> Path:
    found = given if given and project.is_checkout(given) else None if given else project.checkout()
    if found is None:
        message = (
            f"There is no template.yaml with account.yaml and samconfig.toml in {given or Path.cwd()}: "
            "run this in a checkout of the project, or name one with --directory."
        )
        raise CommandError(message)
    return found.absolute()


def _find(cloudformation: "CloudFormationClient", stack_name: str) -> "StackTypeDef | None":
    """Describe the stack; None if there is none, or only one whose first change set nobody has executed."""
    stack = aws.find_stack(cloudformation, stack_name)
    return stack if stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS" else None


def _show_plan(
    caller: Caller, stack_name: str, before: "StackTypeDef | None", parameters: Mapping[str, str], screen: Screen
) -> None:
    screen.say()
    screen.say(
        (f"This {'updates' if before else 'makes'}", "bold"),
        f" the stack {stack_name} in account {caller.account_id}, Region {caller.region}, ",
        f"for organization {parameters['OrganizationId']}." if "OrganizationId" in parameters else "for this account alone.",
    )
    for name, value in parameters.items():
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}... ({len(value)} characters)"
        screen.say(f"{name}={shown}", indent=2)


# --- The end ---


def _failed(code: int, after: "StackTypeDef", refusals: Iterable[Advice], screen: Screen) -> int:
    """Say that the deployment failed, and what to do; returns the exit code."""
    screen.say()
    if code == 0:
        screen.say((f"The stack {after['StackName']} is {after['StackStatus']}", "red"), ", and nothing was changed now.")
    else:
        screen.say((f"The deployment failed: sam deploy ended with exit code {code}.", "red"), " See above for the reason.")
    for refusal in refusals:
        screen.say(f"{refusal.why} {refusal.action}")
        for command in refusal.commands:
            screen.say(command, indent=2, whole=True)
    if deployment.from_stack(after, {}).organization_id:
        screen.say(f"`{commands.report()}` lists the accounts that it did not reach, with the command for each.")
    return NOT_DEPLOYED


def _end(code: int, before: "StackTypeDef | None", after: "StackTypeDef | None", stack_name: str, screen: Screen) -> int:
    """Say how a deployment ended that did not fail, and what to do next; returns the exit code."""
    screen.say()
    if code != 0:
        screen.say((f"The deployment failed: sam deploy ended with exit code {code}.", "red"), " See above for the reason.")
        return NOT_DEPLOYED
    if after is None:
        screen.say("Not confirmed: nothing was deployed.")
        return NOT_DEPLOYED
    if before and _changed(before) == _changed(after):
        screen.say(f"The stack {stack_name} is as it was: there was nothing to change, or you did not confirm the change.")
        return 0
    screen.say((f"The stack {stack_name} is deployed.", "bold"), " What to do next:")
    earlier = deployment.from_stack(before, {}).invoke_permission if before else ""
    for number, step in enumerate(_next_steps(deployment.from_stack(after, {}), earlier), start=1):
        screen.say(f"{number}. {step.what}", indent=2)
        for command in step.commands:
            screen.say(command, indent=5, whole=True)
    return 0


def _changed(stack: "StackTypeDef") -> object:
    return stack.get("LastUpdatedTime") or stack.get("CreationTime")


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    commands: tuple[str, ...] = ()


def _next_steps(found: Deployment, earlier: str) -> Iterator[_Step]:
    """Say what to do next; `earlier` is the value of InvokePermission before, "" for a new stack."""
    if found.emails:
        yield _Step(f"Confirm the subscriptions of {' and '.join(found.emails)}: AWS has sent a mail for each.")
    if found.organization_id and not found.watches_management_account:
        yield _Step(
            "The root user of the management account is not watched yet, since no StackSet reaches it. Run the first command "
            f"with credentials of account {found.management_account_id}, then the second with those of now:",
            (
                commands.deploy_account(found.region, found.account_id),
                commands.deploy(ManagementAccountHasEvaluationRole="true"),
            ),
        )
    if found.region != commands.FORWARDED_REGION:
        yield _Step(
            f"AWS records what root does in IAM in {commands.FORWARDED_REGION} only. To know it within minutes, run with "
            f"credentials of account {found.management_account_id or found.account_id}:",
            (commands.deploy_forwarder(found.region),),
        )
    if found.invoke_permission == invoke_permission.ACCOUNTS:
        yield _Step("The function's policy lists the accounts of now. Deploy again when one has joined:", (commands.deploy(),))
    if found.invoke_permission == invoke_permission.ANY:
        yield _Step(
            "AWS Config may invoke the function for every account of the world, and the function refuses those of other "
            "organizations. Set ReservedConcurrentExecutions, so that they cannot use up the account's concurrency: "
            "docs/threat-model.md."
        )
    if found.invoke_permission == invoke_permission.ORGANIZATION and earlier not in {"", found.invoke_permission}:
        yield _Step(
            "AWS Config may look at its permission again only when it invokes the function. After 26 hours the report shows "
            "whether evaluations still come. If not:",
            (commands.deploy(InvokePermission=earlier),),
        )
    if found.organization_id:
        yield _Step("Protect the package in the member accounts: docs/service-control-policy.md.")
    yield _Step("AWS Config evaluates within minutes, and then once a day. See the results:", (commands.report(),))
