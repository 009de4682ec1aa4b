"""Deploys the package with the SAM CLI: fills in the parameters that AWS knows, and asks for the others."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from organization import aws, commands, deployment, invoke_permission
from organization.aws import CommandError
from organization.deploy import management_account, plan, rollbacks, sam, template
from organization.deploy.parameters import ORGANIZATION, SCOPES, Finder, Options, checked
from organization.deploy.plan import NOT_DEPLOYED, NextStep
from organization.deploy.sam import Sam
from organization.deployment import Deployment
from organization.screen import Screen
from organization.statuses import Advice

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

_ARTEFACT = Path(".aws-sam", "build", "template.yaml")


def run(region: str | None, profile: str | None, stack_name: str, options: Options) -> int:
    """Deploy; returns the exit code."""
    directory = sam.folder(options.directory)
    program = sam.find()
    declared = template.read(directory / "template.yaml")
    options = replace(options, parameters=checked(options.parameters, declared))
    session, caller = aws.session(region, profile)
    cloudformation: CloudFormationClient = session.client("cloudformation", config=aws.patient())
    before = aws.find_deployed_stack(cloudformation, stack_name)
    screen = Screen()
    finder = Finder(session, caller, stack_name, before, options, declared, screen)
    deployed_scope = finder.scope()
    parameters = finder.parameters(deployed_scope)
    options.refuse_to_wait()
    if options.rollback and before:
        rollbacks.refuse_failed(cloudformation, before, caller.region)
    for_whom = (
        f"for organization {parameters['OrganizationId']}." if "OrganizationId" in parameters else "for this account alone."
    )
    where = f"{stack_name} in account {caller.account_id}, Region {caller.region}, "
    plan.show(before, [where, for_whom], parameters, finder.notes, screen)
    place = ("--stack-name", stack_name, "--region", caller.region, *(("--profile", profile) if profile else ()))
    sam_cli = Sam(program, directory, SCOPES[deployed_scope], place)
    if options.build:
        sam_cli.build()
    elif not (directory / _ARTEFACT).is_file():
        message = f"There is no {directory / _ARTEFACT} to deploy: leave --no-build out."
        raise CommandError(message)
    code = sam_cli.deploy(parameters, confirm=options.ask, rollback=options.rollback)
    after = aws.find_deployed_stack(cloudformation, stack_name)
    if deployed_scope == ORGANIZATION and after:
        try:
            listing = finder.listing(after)
        except CommandError as error:
            screen.say(str(error))
            return NOT_DEPLOYED
        if listing:
            before = after
            code = sam_cli.deploy(parameters | listing, confirm=options.ask, rollback=options.rollback)
            after = aws.find_deployed_stack(cloudformation, stack_name)
    if after and (code != 0 or after["StackStatus"] in rollbacks.FAILED):
        refusals = rollbacks.refusals(cloudformation, after, caller.region, caller.time)
        return _failed(code, after, refusals, screen)
    code, changed = plan.end(code, before, after, stack_name, screen)
    if changed and after:
        plan.show_steps(_next_steps(cloudformation, before, after), screen)
    return code


# --- The end ---


def _failed(code: int, after: "StackTypeDef", refusals: Iterable[Advice], screen: Screen) -> int:
    """Say that the deployment failed, and what to do; returns the exit code."""
    screen.say()
    if code == 0:
        screen.say((f"The stack {after['StackName']} is {after['StackStatus']}", "red"), ", and nothing was changed now.")
    else:
        plan.say_failed(code, screen)
    for refusal in refusals:
        screen.say(f"{refusal.why} {refusal.action}")
        for command in refusal.commands:
            screen.say(command, indent=2, whole=True)
    if deployment.from_stack(after, {}).organization_id:
        screen.say(
            f"`{commands.report(after['StackName'])}` lists the accounts that it did not reach, with the command for each."
        )
    return NOT_DEPLOYED


def _next_steps(
    cloudformation: "CloudFormationClient", before: "StackTypeDef | None", after: "StackTypeDef"
) -> Iterator[NextStep]:
    """Say what to do next."""
    found = deployment.from_stack(after, {})
    earlier = deployment.from_stack(before, {}) if before else None
    if found.emails:
        yield NextStep(f"Confirm the subscriptions of {' and '.join(found.emails)}: AWS has sent a mail for each.")
    if found.organization_id and not found.watches_management_account:
        yield _watch_management_account(cloudformation, found)
    if (
        found.management_account_has_role
        and not found.in_management_account
        and earlier
        and earlier.management_account_has_role
    ):
        yield NextStep(
            "No StackSet reaches the management account. To give it the current roles, runbooks and parameters too, run "
            f"with credentials of account {found.management_account_id}:",
            (commands.deploy_management_account(found.region, found.stack_name),),
        )
    if found.region != commands.FORWARDED_REGION:
        yield NextStep(
            f"AWS records what root does in IAM in {commands.FORWARDED_REGION} only. To know of it within minutes, run "
            f"with credentials of account {found.management_account_id or found.account_id}:",
            (commands.deploy_forwarder(found.region),),
        )
    if found.invoke_permission == invoke_permission.ACCOUNTS:
        yield NextStep(
            "The function's policy lists the current accounts. Deploy again when one has joined:",
            (commands.deploy(found.stack_name),),
        )
    if found.invoke_permission == invoke_permission.ANY:
        yield NextStep(
            "AWS Config may invoke the function for every account in the world, and the function refuses those of other "
            "organizations. Set ReservedConcurrentExecutions, so that they cannot use up the account's concurrency: "
            "docs/threat-model.md."
        )
    if (
        found.invoke_permission == invoke_permission.ORGANIZATION
        and earlier
        and earlier.invoke_permission != found.invoke_permission
    ):
        yield NextStep(
            "AWS Config may check its permission again only when it invokes the function. After 26 hours the report shows "
            "whether evaluations still come. If not:",
            (commands.deploy(found.stack_name, InvokePermission=earlier.invoke_permission),),
        )
    if found.organization_id:
        yield NextStep("Protect the package in the member accounts: docs/service-control-policy.md.")
    yield NextStep(
        "AWS Config evaluates within minutes, and then once a day. See the results:", (commands.report(found.stack_name),)
    )


def _watch_management_account(cloudformation: "CloudFormationClient", found: Deployment) -> NextStep:
    """Say how the management account gets what a StackSet brings to the others."""
    instead = ""
    whole: tuple[str, ...] = ()
    try:
        parameters = management_account.of_stack_set(cloudformation, found.stack_name, "DELEGATED_ADMIN")
    except ClientError:
        pass  # the first command does without, or says what it needs
    else:
        given = {name: value for name, value in parameters.items() if value}
        whole = (commands.deploy_management_account(found.region, found.stack_name, **given),)
        instead = " If those of the management account may not read the StackSet, run the third instead of the first."
    return NextStep(
        "The root user of the management account is not watched yet, since no StackSet reaches it. Run the first command "
        f"with credentials of account {found.management_account_id}, then the second with your current ones.{instead}",
        (
            commands.deploy_management_account(found.region, found.stack_name),
            commands.deploy(found.stack_name, ManagementAccountHasEvaluationRole="true"),
            *whole,
        ),
    )
