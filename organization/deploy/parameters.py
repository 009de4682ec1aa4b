"""Finds out what to deploy: the scope and the parameters, from the options, the stack, AWS, and at last the operator."""

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
from botocore.exceptions import ClientError
from rich.console import Console

from organization import aws, commands, deployment, invoke_permission, removal, scope, units
from organization.account_lists import EXCLUDED, INVOKING, split, too_many_excluded, too_many_excluded_by_pack
from organization.aws import Caller, CommandError
from organization.deploy import template
from organization.deploy.template import Parameter
from organization.deployment import BY_CONFORMANCE_PACK, BY_STACK_SET, RULE_DEPLOYMENT, UNITS, Deployment
from organization.preflight import formats, judging
from organization.preflight import reading as preflight
from organization.preflight.judging import Outcome, Seen
from organization.report import reading as report
from organization.screen import Screen
from organization.statuses import Account, Unseen, shown
from organization.units import Unit
from organization.visible import visible

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

ACCOUNT, ORGANIZATION = "account", "organization"
SCOPES = {ACCOUNT: "default", ORGANIZATION: "organization"}
"""The environment of samconfig.toml for each scope."""

_NAMES_ORGANIZATION = ("OrganizationId", "OrganizationRootId", "ManagementAccountId")
_FOR_ORGANIZATION = (*_NAMES_ORGANIZATION, UNITS)
_ASKED = ("NoticeEmail", "AlarmEmail")
_EXPECTED = "ExpectedEvaluations"
_ASKED_FOR_ORGANIZATION = (EXCLUDED.names[0], _EXPECTED)
"""Asked for a new stack only: an existing one keeps its values."""
_ACCOUNT_ID = re.compile("[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator wants.  None: find it out.  `ask`: ask for what is missing, and before executing the change set.

    `rollback`: let CloudFormation roll back if the deployment fails, for an organization too.
    """

    scope: str | None
    parameters: Mapping[str, str]
    ask: bool
    build: bool
    rollback: bool
    directory: Path | None

    @property
    def may_ask(self) -> bool:
        """Whether there is somebody to ask."""
        return self.ask and sys.stdin.isatty()

    def refuse_to_wait(self) -> None:
        """Raise CommandError if the SAM CLI would ask, and nobody is there to answer."""
        if self.ask and not self.may_ask:
            message = "There is no terminal to confirm the change set on: give --yes to execute it without a question."
            raise CommandError(message)


def checked(given: Mapping[str, str], declared: Mapping[str, Parameter]) -> dict[str, str]:
    """Return the given parameters as the template takes them, but organizational units, which may be given by their paths.

    Raises CommandError if the template does not take them.
    """
    parameters = spread(given)
    template.check(declared, {name: value for name, value in parameters.items() if name != UNITS})
    return parameters


def spread(given: Mapping[str, str]) -> dict[str, str]:
    """Spread the excluded accounts, which are given as one list, over the parameters that hold them; the others stay.

    Raises CommandError if there are more than the parameters hold, or if a further parameter is given too.
    """
    first, *further = EXCLUDED.names
    for name in further:
        if name in given:
            message = f"This command fills in parameter {name}: give all excluded accounts in {first}."
            raise CommandError(message)
    account_ids = split(given.get(first, ""))
    if first not in given or not all(map(_ACCOUNT_ID.fullmatch, account_ids)):
        return dict(given)  # nothing to spread, or what the template refuses
    if too_many := too_many_excluded(account_ids):
        raise CommandError(too_many)
    return {**given, **EXCLUDED.parameters(account_ids)}


@dataclass(slots=True)
class Finder:
    """Finds out the scope and the parameters: from the options, the deployed stack, AWS, and at last the operator."""

    session: boto3.Session
    caller: Caller
    stack_name: str
    before: "StackTypeDef | None"
    options: Options
    declared: Mapping[str, Parameter]
    screen: Screen
    notes: list[str] = field(default_factory=list)
    """What the parameters mean, once they are found out: which accounts are in scope, and what changes for them."""
    _in_scope: tuple[str, ...] | Unseen = ()
    """The accounts that the rule will evaluate."""

    def scope(self) -> str:
        """Return the scope. Raises CommandError if nothing says it."""
        if self.options.scope:
            return self.options.scope
        if self.before:
            return ORGANIZATION if deployment.from_stack(self.before, {}).organization_id else ACCOUNT
        if any(self.options.parameters.get(name) for name in _FOR_ORGANIZATION):
            return ORGANIZATION
        if not self.options.may_ask:
            message = "The scope is missing: give --scope account or --scope organization."
            raise CommandError(message)
        text = "Deploy for this account alone, or for every account of its organization?"
        scope: str = click.prompt(text, type=click.Choice(list(SCOPES)), default=ACCOUNT)
        return scope

    def parameters(self, scope: str) -> dict[str, str]:
        """Return the parameters to deploy with; others keep their values. Raises CommandError if one is missing."""
        if too_few := removal.too_few_approvers({**self._kept, **self.options.parameters}):
            raise CommandError(too_few)
        parameters = self._for_organization() if scope == ORGANIZATION else self._for_account()
        # If a further list was empty and stays so, there is nothing to deploy.
        empty = {name for name in EXCLUDED.names[1:] if not parameters.get(name) and not self._kept.get(name)}
        return {name: value for name, value in parameters.items() if name not in empty}

    @property
    def _kept(self) -> dict[str, str]:
        """The parameters of the stack as it is."""
        return deployment.parameters_of(self.before) if self.before else {}

    def _for_account(self) -> dict[str, str]:
        given = dict(self.options.parameters)
        for name in _FOR_ORGANIZATION:
            if given.get(name):
                message = f"Parameter {name} is for an organization: give --scope organization."
                raise CommandError(message)
        if given.get(RULE_DEPLOYMENT, BY_CONFORMANCE_PACK) != BY_CONFORMANCE_PACK:
            message = f"{RULE_DEPLOYMENT}={given[RULE_DEPLOYMENT]} is for an organization: give --scope organization."
            raise CommandError(message)
        if self.before:
            self._refuse_obstacle(organization_id="")
        return self._asked(given)

    def _for_organization(self) -> dict[str, str]:
        given = self._with_rule_deployment(dict(self.options.parameters))
        with Console(stderr=True).status("Looking ..."):
            seen = preflight.Reader(self.session, self.caller, self.stack_name).observe(
                None, given, removal=bool(given.get(removal.APPROVERS))
            )
        if self.before is None:
            seen = replace(seen, deployed=None)
        self._refuse_other_type(seen.deployed)
        if wrong := judging.units_problem(seen):
            raise CommandError(wrong)
        missing = [check for check in judging.checks(seen) if check.outcome is Outcome.MISSING]
        for check in missing:
            formats.show(check, self.screen)
        if missing:
            message = (
                f"{len(missing)} of the things that the organization's deployment needs are missing: "
                f"fix that and run this again. `{commands.preflight(self.stack_name)}` shows everything."
            )
            raise CommandError(message)
        parameters = self._with_units(given, seen)
        parameters = self._asked(self._organization(parameters, seen), seen)
        self._refuse_too_many_excluded_by_pack({**self._kept, **parameters})
        wanted = self._wanted(parameters)
        self._in_scope = judging.in_scope(wanted, seen.accounts, seen.units)
        self.notes += self._notes(seen, wanted)
        return parameters | self._policy(seen, parameters)

    def _wanted(self, parameters: Mapping[str, str]) -> Deployment:
        """Return the deployment that these parameters, and those that the stack keeps, make."""
        caller = self.caller
        values = {**self._kept, **parameters}
        return deployment.planned(caller.account_id, caller.region, caller.partition, self.stack_name, values)

    # --- What brings the rule, and to which organizational units ---

    def _with_rule_deployment(self, given: dict[str, str]) -> dict[str, str]:
        """Add what is to bring the rule, if the operator is asked for it."""
        if RULE_DEPLOYMENT in given or self.before or not self.options.may_ask:
            return given
        return given | {RULE_DEPLOYMENT: self._ask(RULE_DEPLOYMENT, BY_STACK_SET if given.get(UNITS) else BY_CONFORMANCE_PACK)}

    def _with_units(self, given: Mapping[str, str], seen: Seen) -> dict[str, str]:
        """Add the organizational units: by their ids if they were given by their paths, or those that the operator answers."""
        parameters = dict(given)
        if not judging.by_stack_set(seen.wanted):
            # A conformance pack goes to all accounts, and the template refuses units with it.
            return parameters | ({UNITS: ""} if self._kept.get(UNITS) else {})
        found = seen.units if isinstance(seen.units, tuple) else ()
        if UNITS in given:
            chosen = units.chosen(split(given[UNITS]), found)
            parameters[UNITS] = ",".join(unit.unit_id for unit in chosen) or given[UNITS]
            self.declared[UNITS].check(parameters[UNITS])
        elif not self.before and self.options.may_ask:
            parameters[UNITS] = self._ask_for_units(found)
        return parameters

    def _ask_for_units(self, found: tuple[Unit, ...]) -> str:
        """Show the organizational units, ask which of them, and return their ids."""
        self.screen.say()
        for line in scope.of_units(found, found):
            self.screen.say(line, indent=2)

        def check(answer: str) -> str:
            if found and (wrong := units.problem(split(answer), found)):
                raise CommandError(wrong)
            ids = ",".join(unit.unit_id for unit in units.chosen(split(answer), found)) or answer
            self.declared[UNITS].check(ids)
            return ids

        return self._ask(UNITS, "", check)

    def _notes(self, seen: Seen, wanted: Deployment) -> list[str]:
        """Say which accounts are in scope, and what changes for them."""
        match self._in_scope, seen.accounts:
            case (Unseen(reason), _) | (_, Unseen(reason)):
                return [f"The number of accounts in scope is not known. {reason}"]
            case evaluated, accounts:
                said: list[str] = []
                if isinstance(seen.units, tuple):
                    said += scope.of_units(units.chosen(sorted(wanted.organizational_unit_ids), seen.units), seen.units)
                said.append(scope.sentence(wanted, accounts))
                if self.before:
                    said += scope.changes(deployment.from_stack(self.before, {}), wanted, accounts)
                    said += self._other_number(len(evaluated), accounts)
        return said

    def _other_number(self, evaluated: int, accounts: Collection[Account]) -> Iterator[str]:
        """Say that the alarm on silence expects another number of evaluations, if that is because of this deployment."""
        earlier = scope.evaluated(deployment.from_stack(self.before, {}), accounts) if self.before else ()
        expected = self._kept.get(_EXPECTED, "")
        if _EXPECTED not in self.options.parameters and len(earlier) != evaluated and expected not in {"", str(evaluated)}:
            yield (
                f"{_EXPECTED} stays {expected}. So that the alarm on silence knows the number, "
                f"give --parameter {_EXPECTED}={evaluated} too."
            )

    def _refuse_too_many_excluded_by_pack(self, parameters: Mapping[str, str]) -> None:
        """Raise CommandError if the pack of a deployment with these parameters would leave out too many accounts."""
        if parameters.get(RULE_DEPLOYMENT, BY_CONFORMANCE_PACK) != BY_CONFORMANCE_PACK:
            return
        management = parameters["ManagementAccountId"]
        is_watched = management == self.caller.account_id or parameters.get("ManagementAccountHasEvaluationRole") == "true"
        if too_many := too_many_excluded_by_pack(EXCLUDED.read(parameters), "" if is_watched else management):
            raise CommandError(too_many)

    def _organization(self, given: Mapping[str, str], seen: Seen) -> dict[str, str]:
        """Return what is given, and the parameters that name the organization."""
        parameters = dict(given)
        for name, (value, _) in judging.parameters(seen).items():
            if name in parameters:
                continue
            if value:
                parameters[name] = value
            elif self.options.may_ask:
                parameters[name] = self._ask(name, None)
            else:
                message = f"{name} cannot be read with these credentials: give --parameter {name}=VALUE."
                raise CommandError(message)
        return parameters

    # --- Who may invoke the function ---

    def _permission(self, deployed: Deployment | None) -> str:
        """Return the value of InvokePermission: what is given, or what the stack has, or the default."""
        kept = deployed.invoke_permission if deployed else invoke_permission.ORGANIZATION
        return self.options.parameters.get(invoke_permission.PARAMETER, kept)

    def _policy(self, seen: Seen, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of the function's policy, as far as nobody has given them."""
        policy = {}
        if seen.deployed is None and seen.has_resource_policy is False:
            policy[invoke_permission.POLICY_TYPE] = invoke_permission.PERMISSION
        if not any(name in parameters for name in INVOKING.names):
            policy |= self._lists(seen.deployed, parameters)
        return {name: value for name, value in policy.items() if name not in parameters}

    def _lists(self, deployed: Deployment | None, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return the lists of accounts. Raises CommandError if they are needed and cannot be made."""
        listed = deployed.listed if deployed else frozenset()
        if self._permission(deployed) != invoke_permission.ACCOUNTS:
            # Lists are no longer of use if the operator has now chosen differently.
            return INVOKING.parameters([]) if listed and invoke_permission.PARAMETER in parameters else {}
        if isinstance(self._in_scope, Unseen) and listed:
            self.screen.say(
                f"The accounts of the organization cannot be read, so the function's policy still lists {len(listed)} "
                f"accounts. {self._in_scope.reason}"
            )
            return {}
        lists = self._listing(parameters["ManagementAccountId"])
        return lists if deployed else {name: value for name, value in lists.items() if value}

    def _listing(self, management_account_id: str) -> dict[str, str]:
        """List all accounts that are evaluated. Raises CommandError if that cannot be done."""
        if isinstance(self._in_scope, Unseen):
            by_hand = {invoke_permission.PARAMETER: invoke_permission.ACCOUNTS, INVOKING.names[0]: "..."}
            message = (
                f"The accounts to list cannot be read: {self._in_scope.reason} Or list them yourself: "
                f"`{commands.deploy(self.stack_name, **by_hand)}`."
            )
            raise CommandError(message)
        permitted = {self.caller.account_id, management_account_id}
        to_list = invoke_permission.to_list(self._in_scope, permitted=permitted)
        if too_many := invoke_permission.too_many(to_list, self.stack_name):
            raise CommandError(too_many)
        return INVOKING.parameters(to_list)

    def listing(self, after: "StackTypeDef") -> dict[str, str]:
        """Find out whether AWS Config names the organization when it invokes; if not, return parameters that list the accounts.

        It says what it found.  Raises CommandError if the accounts have to be listed and cannot be.
        """
        found = deployment.from_stack(after, {})
        if found.invoke_permission != invoke_permission.ORGANIZATION:
            return {}  # the accounts are listed, or need not be
        reader = report.Reader(self.session, self.caller.time, lambda *_: None)
        what = "StackSet" if found.has_rule_in_stack_set else "conformance pack"
        try:
            arrivals = reader.stack_instances(found) if found.has_rule_in_stack_set else reader.packs(found)
            refused = invoke_permission.refused(found, arrivals)
        except ClientError as error:
            self.screen.say(f"It is not known where the {what} arrived: {aws.sentence_of(error)}")
            return {}
        if not refused:
            return {}
        self.screen.say()
        self.screen.say(
            (f"AWS Config may not invoke the function for {shown(refused)}.", "bold"),
            " So it does not name the organization when it invokes, and each account has to be listed.",
        )
        lists = self._listing(found.management_account_id)
        self.screen.say(
            "This deploys again, with all accounts in scope listed (InvokePermission=Accounts). An account that joins later is "
            f"not evaluated until somebody deploys again: `{commands.report(self.stack_name)}` shows it, with the command."
        )
        return {invoke_permission.PARAMETER: invoke_permission.ACCOUNTS, **lists}

    def _expected(self, seen: Seen, parameters: Mapping[str, str]) -> str:
        """Count the accounts that a new deployment evaluates; "" if that is not known."""
        evaluated = judging.in_scope(self._wanted(parameters), seen.accounts, seen.units)
        return "" if isinstance(evaluated, Unseen) else str(len(evaluated) or "")

    def _refuse_obstacle(self, organization_id: str) -> None:
        deployed = deployment.from_stack(self.before, {}) if self.before else None
        obstacle = judging.stack_obstacle(deployed, organization_id) if deployed else None
        if obstacle:
            fix = f" Run `{obstacle.command}`." if obstacle.command else ""
            message = f"The stack {self.stack_name} is {obstacle.why}{fix}"
            raise CommandError(message)

    def _refuse_other_type(self, deployed: Deployment | None) -> None:
        wanted = self.options.parameters.get(invoke_permission.POLICY_TYPE)
        if deployed and wanted not in {None, deployed.function_policy_type}:
            message = (
                f"The stack {self.stack_name} has {deployed.function_policy_type}. To change {invoke_permission.POLICY_TYPE}, "
                f"delete the stack (`{commands.delete(self.stack_name)}`), then deploy: with the old type CloudFormation would "
                "remove the permission."
            )
            raise CommandError(message)

    # --- Questions ---

    def _asked(self, parameters: dict[str, str], seen: Seen | None = None) -> dict[str, str]:
        """Add what the operator answers, for a new stack; `seen` is what is known about the organization, if there is one."""
        if not self.options.may_ask or self.before:
            return parameters
        asked = dict(parameters)
        for name in _ASKED + (_ASKED_FOR_ORGANIZATION if seen else ()):
            if name not in asked:
                default = self._expected(seen, asked) if seen and name == _EXPECTED else ""
                asked[name] = self._ask(name, default)
        return {name: value for name, value in asked.items() if value or name in parameters}

    def _ask(self, name: str, default: str | None, accept: Callable[[str], str] | None = None) -> str:
        """Ask until the template allows the answer.  Without a default an answer is needed.

        `accept` accepts other answers than the template does: it returns the parameter's value, or raises CommandError.
        """
        parameter = self.declared[name]

        def check(answer: str) -> str:
            try:
                if accept:
                    return accept(answer)
                parameter.check(answer)
            except CommandError as error:
                raise click.BadParameter(visible(str(error))) from error
            return answer

        self.screen.say()
        self.screen.say(parameter.description)
        text = name if default != "" else f"{name} (optional)"
        answer: str = click.prompt(text, default=default, value_proc=check, show_default=bool(default))
        return answer
