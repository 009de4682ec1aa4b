"""Deploys the package with the SAM CLI: fills in the parameters that AWS can tell, and asks for the others."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
from rich.console import Console

from organization import aws, checks, commands, deployment, preflight, project, template
from organization.aws import Caller, CommandError
from organization.checks import Outcome, Seen
from organization.deployment import Deployment
from organization.inspection import Inspector
from organization.screen import Screen
from organization.template import Parameter
from organization.visible import visible

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

ACCOUNT, ORGANIZATION = "account", "organization"
SCOPES = {ACCOUNT: "default", ORGANIZATION: "organization"}
"""The environment of samconfig.toml for each scope."""

NOT_DEPLOYED = 1

_NAMES_ORGANIZATION = ("OrganizationId", "OrganizationRootId", "ManagementAccountId")
_ASKED = ("NoticeEmail", "AlarmEmail")
_ASKED_FOR_ORGANIZATION = ("ExcludedAccounts", "ExpectedEvaluations")
"""Asked for a new stack only: an existing one keeps its values."""

_ARTEFACT = Path(".aws-sam", "build", "template.yaml")
_INSTALL_SAM = "https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html"


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator wants.  None: find it out.  `ask`: ask for what is missing, and before executing the change set."""

    scope: str | None
    parameters: Mapping[str, str]
    ask: bool
    build: bool
    directory: Path | None


def run(region: str | None, profile: str | None, stack_name: str, options: Options) -> int:
    """Deploy; returns the exit code."""
    directory = _directory(options.directory)
    sam = _Sam(_find_sam(), directory)
    declared = template.read(directory / "template.yaml")
    template.check(declared, options.parameters)
    session, caller = aws.session(region, profile)
    cloudformation: CloudFormationClient = session.client("cloudformation", config=aws.patient())
    before = _find(cloudformation, stack_name)
    screen = Screen()
    deployer = _Deployer(session, caller, stack_name, before, options, declared, screen)
    scope = deployer.scope()
    parameters = deployer.parameters(scope)
    if options.ask and not deployer.may_ask:
        message = "There is no terminal to confirm the change set on: give --yes to execute it without a question."
        raise CommandError(message)
    _show_plan(caller, stack_name, before, parameters, screen)
    if options.build:
        sam.build()
    elif not (directory / _ARTEFACT).is_file():
        message = f"There is no {directory / _ARTEFACT} to deploy: leave --no-build out."
        raise CommandError(message)
    where = ["--stack-name", stack_name, "--region", caller.region, *(["--profile", profile] if profile else [])]
    code = sam.deploy(SCOPES[scope], where, parameters, confirm=options.ask)
    return _end(code, before, _find(cloudformation, stack_name), stack_name, screen)


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


# --- What to deploy ---


@dataclass(frozen=True, slots=True)
class _Deployer:
    """Finds out the scope and the parameters: from the options, the deployed stack, AWS, and at last the operator."""

    session: boto3.Session
    caller: Caller
    stack_name: str
    before: "StackTypeDef | None"
    options: Options
    declared: Mapping[str, Parameter]
    screen: Screen

    @property
    def may_ask(self) -> bool:
        """Whether there is somebody to ask."""
        return self.options.ask and sys.stdin.isatty()

    def scope(self) -> str:
        """Return the scope. Raises CommandError if nothing tells it."""
        if self.options.scope:
            return self.options.scope
        if self.before:
            return ORGANIZATION if deployment.from_stack(self.before, {}).organization_id else ACCOUNT
        if any(self.options.parameters.get(name) for name in _NAMES_ORGANIZATION):
            return ORGANIZATION
        if not self.may_ask:
            message = "The scope is missing: give --scope account or --scope organization."
            raise CommandError(message)
        text = "Deploy for this account alone, or for every account of its organization?"
        scope: str = click.prompt(text, type=click.Choice(list(SCOPES)), default=ACCOUNT)
        return scope

    def parameters(self, scope: str) -> dict[str, str]:
        """Return the parameters to deploy with; others keep their values. Raises CommandError if one is missing."""
        return self._for_organization() if scope == ORGANIZATION else self._for_account()

    def _for_account(self) -> dict[str, str]:
        given = dict(self.options.parameters)
        for name in _NAMES_ORGANIZATION:
            if given.get(name):
                message = f"Parameter {name} is for an organization: give --scope organization."
                raise CommandError(message)
        if self.before:
            self._refuse_obstacle(organization_id="")
        return self._asked(given, {})

    def _for_organization(self) -> dict[str, str]:
        with Console(stderr=True).status("Looking ..."):
            seen = Inspector(self.session, self.caller, self.stack_name).inspect(role_name=None)
        if self.before is None:
            seen = replace(seen, deployed=None)
        missing = [check for check in checks.checks(seen) if check.outcome is Outcome.MISSING]
        for check in missing:
            preflight.show(check, self.screen)
        if missing:
            message = (
                f"{len(missing)} of the things that the organization's deployment needs are missing: "
                f"mend that and run this again. `{commands.preflight()}` shows everything."
            )
            raise CommandError(message)
        return self._asked(self._organization(seen), {"ExpectedEvaluations": str(self._expected(seen) or "")})

    def _organization(self, seen: Seen) -> dict[str, str]:
        """Return what is given, and the parameters that name the organization."""
        parameters = dict(self.options.parameters)
        for name, (value, _) in checks.parameters(seen).items():
            if name in parameters:
                continue
            if value:
                parameters[name] = value
            elif self.may_ask:
                parameters[name] = self._ask(name, None)
            else:
                message = f"{name} cannot be read with these credentials: give --parameter {name}=VALUE."
                raise CommandError(message)
        return parameters

    def _expected(self, seen: Seen) -> int:
        """Count the accounts that will be evaluated; 0 if that cannot be seen."""
        if not isinstance(seen.accounts, tuple):
            return 0
        return len(seen.accounts) - (not seen.in_management_account)

    def _refuse_obstacle(self, organization_id: str) -> None:
        deployed = deployment.from_stack(self.before, {}) if self.before else None
        obstacle = checks.stack_obstacle(deployed, organization_id) if deployed else None
        if obstacle:
            mend = f" Run `{obstacle.command}`." if obstacle.command else ""
            message = f"The stack {self.stack_name} is {obstacle.why}{mend}"
            raise CommandError(message)

    # --- Questions ---

    def _asked(self, parameters: dict[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
        """Add what the operator answers, for a new stack."""
        if not self.may_ask or self.before:
            return parameters
        names = _ASKED + (_ASKED_FOR_ORGANIZATION if "OrganizationId" in parameters else ())
        answers = {name: self._ask(name, defaults.get(name, "")) for name in names if name not in parameters}
        return parameters | {name: answer for name, answer in answers.items() if answer}

    def _ask(self, name: str, default: str | None) -> str:
        """Ask until the template allows the answer.  Without a default an answer is needed."""
        parameter = self.declared[name]

        def check(answer: str) -> str:
            try:
                parameter.check(answer)
            except CommandError as error:
                raise click.BadParameter(visible(str(error))) from error
            return answer

        self.screen.say()
        self.screen.say(parameter.description)
        text = name if default != "" else f"{name} (optional)"
        answer: str = click.prompt(text, default=default, value_proc=check, show_default=bool(default))
        return answer


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
        screen.say(f"{name}={value}", indent=2)


# --- The end ---


def _end(code: int, before: "StackTypeDef | None", after: "StackTypeDef | None", stack_name: str, screen: Screen) -> int:
    """Say how the deployment ended and what to do next; returns the exit code."""
    screen.say()
    if code != 0:
        screen.say((f"The deployment failed: sam deploy ended with exit code {code}.", "red"), " See above for the reason.")
        if after and deployment.from_stack(after, {}).organization_id:
            screen.say(f"`{commands.report()}` lists the accounts that it did not reach, with the command for each.")
        return NOT_DEPLOYED
    if after is None:
        screen.say("Not confirmed: nothing was deployed.")
        return NOT_DEPLOYED
    if before and _changed(before) == _changed(after):
        screen.say(f"The stack {stack_name} is as it was: there was nothing to change, or you did not confirm the change.")
        return 0
    screen.say((f"The stack {stack_name} is deployed.", "bold"), " What to do next:")
    for number, step in enumerate(_next_steps(deployment.from_stack(after, {})), start=1):
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


def _next_steps(found: Deployment) -> Iterator[_Step]:
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
    if found.organization_id:
        yield _Step("Protect the package in the member accounts: docs/service-control-policy.md.")
    yield _Step("AWS Config evaluates within minutes, and then once a day. See the results:", (commands.report(),))
