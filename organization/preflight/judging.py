"""Judges what a deployment for the organization needs: pure, without input or output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from organization import commands, invoke_permission, removal, scope, units
from organization.deployment import (
    AGGREGATOR_NAME,
    BY_CONFORMANCE_PACK,
    BY_STACK_SET,
    CONFORMANCE_PACK_NAME,
    ROLE_NAMES,
    RULE_DEPLOYMENT,
    RULE_NAME,
    UNITS,
    Deployment,
    stack_set_name,
)
from organization.statuses import Account, Source, Unseen, shown
from organization.units import Unit

CONFIG = "config.amazonaws.com"
CONFIG_MULTI_ACCOUNT_SETUP = "config-multiaccountsetup.amazonaws.com"
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"

SERVICES = {
    CONFIG: "the aggregator",
    CONFIG_MULTI_ACCOUNT_SETUP: "the conformance pack",
    STACK_SETS: "the StackSet",
}
"""The services that act for the organization, and which part of the deployment needs each.

Source: AWS Config Developer Guide, setting up an aggregator and registering a delegated administrator; AWS CloudFormation User
Guide, activating trusted access for StackSets.
"""

_REMOVAL = "the removal of root credentials"

CONFIG_ROLE = "AWSServiceRoleForConfigMultiAccountSetup"
"""The service-linked role in the account that deploys an organization conformance pack."""

STACK_SETS_ROLE = "AWSServiceRoleForCloudFormationStackSetsOrgAdmin"
"""The StackSets' service-linked role in the management account."""

_MADE_WITH = {
    CONFIG_ROLE: "AWS Config makes it with the conformance pack",
    STACK_SETS_ROLE: "CloudFormation makes it with trusted access, or with the first StackSet for the organization",
}
"""Source: API reference, PutOrganizationConformancePack; AWS CloudFormation User Guide, activating trusted access for
StackSets. Versions of that page name either moment.
"""


class Outcome(StrEnum):
    """The outcome of a check.  LIMITED: the rule works, but something beside it does not."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"
    UNSEEN = "could not be seen"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its outcome, a sentence about it, the commands that fix it, and whose credentials these need."""

    name: str
    outcome: Outcome
    detail: str
    commands: tuple[str, ...] = ()
    run_in: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization; `all_features` is false if it has consolidated billing only."""

    organization_id: str
    management_account_id: str
    all_features: bool


class Recorder(StrEnum):
    """The configuration recorder of an account in the home Region; WITHOUT_COMPLIANCE: on, but it records no compliance."""

    ON = "on"
    WITHOUT_COMPLIANCE = "on, without compliance"
    OFF = "off"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Aggregator:
    """An existing aggregator of an organization."""

    name: str
    sources: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was seen.  The caller's account is a delegated administrator of the services in `delegated`.

    `organization` is None if the account is in none.  `accounts` are the active ones, with the caller's.  `wanted` is the
    planned deployment.  `units` are the organizational units, or None if neither it nor the one before needs to know them;
    `has_policies` says whether service control policies are on.  `recorders` has each account whose recorder was read.
    `same_rule` are the accounts with a rule of the name that a StackSet's rule will have, or None if nobody looked for them.
    `taken` says for each name that the stack will use whether something has it. `has_resource_policy` says whether the Region
    has the resource type AWS::Lambda::ResourcePolicy.  `root_features` are the enabled features of centralized root access, or
    None if no root credentials will be removed.
    """

    account_id: str
    region: str
    partition: str
    stack_name: str
    organization: Organization | Unseen | None
    root_id: str | Unseen
    has_policies: bool | Unseen
    accounts: tuple[Account, ...] | Unseen
    units: tuple[Unit, ...] | Unseen | None
    trusted: frozenset[str] | Unseen
    delegated: frozenset[str] | Unseen
    has_resource_policy: bool | Unseen
    recorders: Mapping[str, Recorder | Unseen]
    aggregator: Aggregator | Unseen | None
    service_linked_roles: Mapping[str, bool | Unseen]
    deployed: Deployment | None
    wanted: Deployment
    same_rule: tuple[str, ...] | Unseen | None
    taken: Mapping[str, bool | Unseen]
    root_features: frozenset[str] | Unseen | None

    @property
    def services(self) -> Mapping[str, str]:
        """The services that act for the organization, and which part of the deployment needs each."""
        return services(self.wanted, removes=self.root_features is not None)

    @property
    def in_scope(self) -> tuple[str, ...] | Unseen:
        """The accounts that the rule will evaluate."""
        return in_scope(self.wanted, self.accounts, self.units)

    @property
    def in_management_account(self) -> bool:
        """Whether the caller's account is the organization's management account."""
        return isinstance(self.organization, Organization) and self.account_id == self.organization.management_account_id

    @property
    def management_account(self) -> str:
        """The management account, for a sentence."""
        if isinstance(self.organization, Organization):
            return f"the management account {self.organization.management_account_id}"
        return "the management account"


def by_stack_set(wanted: Deployment) -> bool:
    """Tell whether a StackSet will bring the rule, even if nobody has seen the organization's id."""
    return wanted.rule_deployment == BY_STACK_SET


def services(wanted: Deployment, *, removes: bool) -> dict[str, str]:
    """Return the services that a deployment needs, and which part of it needs each; `removes`: root credentials too."""
    unneeded = {CONFIG_MULTI_ACCOUNT_SETUP} if by_stack_set(wanted) else set()
    needed = {service: what for service, what in SERVICES.items() if service not in unneeded}
    return needed | ({removal.IAM: _REMOVAL} if removes else {})


def in_scope(
    wanted: Deployment, accounts: tuple[Account, ...] | Unseen, found: tuple[Unit, ...] | Unseen | None
) -> tuple[str, ...] | Unseen:
    """Return the accounts that a deployment evaluates, if the accounts and, if it needs them, the units were seen."""
    if isinstance(found, Unseen) and wanted.organizational_unit_ids:
        return found
    return accounts if isinstance(accounts, Unseen) else tuple(scope.evaluated(wanted, accounts))


def with_recorders(
    wanted: Deployment, accounts: tuple[Account, ...] | Unseen, found: tuple[Unit, ...] | Unseen | None
) -> tuple[str, ...] | Unseen:
    """Return the accounts that need a recorder: the evaluated ones, and the management account, which will be one."""
    evaluated = in_scope(wanted, accounts, found)
    if isinstance(accounts, Unseen) or isinstance(evaluated, Unseen):
        return evaluated
    needed = {*evaluated, wanted.management_account_id} - wanted.excluded
    return tuple(account.account_id for account in accounts if account.account_id in needed)


def names(wanted: Deployment) -> dict[str, str]:
    """Return the names that the stack uses and that something else could have, and the command that frees each."""
    region, pack = wanted.region, {}
    if not by_stack_set(wanted):
        pack[f"conformance pack {CONFORMANCE_PACK_NAME}"] = commands.delete_pack(region, CONFORMANCE_PACK_NAME)
    # Roles are the same in all Regions. Nobody knows the name of the stack there.
    elsewhere = commands.delete(commands.STACK_NAME, "...")
    stack_set = stack_set_name(wanted.stack_name)
    return {
        **{f"role {name}": elsewhere for name in ROLE_NAMES},
        **pack,
        f"aggregator {AGGREGATOR_NAME}": commands.delete_aggregator(region, AGGREGATOR_NAME),
        f"StackSet {stack_set}": commands.delete_stack_set(region, stack_set),
    }


def checks(seen: Seen) -> list[Check]:
    """Check everything that would make the deployment fail or leave accounts unwatched."""
    if seen.organization is None:
        return [_region(seen), _organization(seen)]
    return [
        _region(seen),
        _organization(seen),
        _policy_type(seen),
        *_trusted_access(seen),
        *_administration(seen),
        *_root_credentials_management(seen),
        *_service_linked_roles(seen),
        *_scope(seen),
        *_policies(seen),
        *_recorders(seen),
        *_same_rule(seen),
        _management_account(seen),
        *_stack(seen),
    ]


def deploy_command(seen: Seen, given: Mapping[str, str]) -> str:
    """Return the command that deploys for the organization, with placeholders for what this cannot read.

    `given` are the parameters that the operator wants.
    """
    lacking = {name: placeholder for name, (value, placeholder) in parameters(seen).items() if not value and name not in given}
    return commands.deploy(seen.stack_name, "organization", **lacking, **given)


def parameters(seen: Seen) -> dict[str, tuple[str, str]]:
    """Return the parameters that name the organization: the value of each, empty if it could not be seen, and a placeholder."""
    organization_id = management_account_id = ""
    if isinstance(seen.organization, Organization):
        organization_id, management_account_id = seen.organization.organization_id, seen.organization.management_account_id
    return {
        "OrganizationId": (organization_id, "o-..."),
        "OrganizationRootId": (seen.root_id if isinstance(seen.root_id, str) else "", "r-..."),
        "ManagementAccountId": (management_account_id, "..."),
    }


def _region(seen: Seen) -> Check:
    detail = "This becomes the home Region. IAM is global, so deploy in this one Region only."
    return Check(f"Region {seen.region}", Outcome.OK, detail)


def _policy_type(seen: Seen) -> Check:
    name = f"Resource type {invoke_permission.RESOURCE_POLICY}"
    match seen.has_resource_policy:
        case Unseen(reason):
            return Check(name, Outcome.UNSEEN, reason)
        case True:
            return Check(name, Outcome.OK, "CloudFormation has it in this Region.")
    if seen.wanted.invoke_permission == invoke_permission.ANY:
        detail = f"CloudFormation does not have it in this Region: {invoke_permission.PERMISSION} lets AWS Config in instead."
        return Check(name, Outcome.OK, detail)
    detail = (
        "CloudFormation does not have it in this Region, and no other type can name an organization. Use another home Region. "
        "Or let AWS Config invoke the function for any account: then the function itself refuses accounts of other "
        "organizations, and docs/threat-model.md says what that costs."
    )
    fix = commands.deploy(seen.stack_name, "organization", InvokePermission=invoke_permission.ANY)
    return Check(name, Outcome.MISSING, detail, (fix,), f"account {seen.account_id}")


def listed_accounts(seen: Seen) -> Iterator[Check]:
    """Check that the function's policy lists every account, if it has to; a deployment fixes that."""
    deployed = seen.deployed
    if deployed is None or deployed.invoke_permission != invoke_permission.ACCOUNTS:
        return
    name = "Accounts for which AWS Config may invoke the function"
    evaluated = in_scope(deployed, seen.accounts, seen.units)
    if isinstance(evaluated, Unseen):
        yield Check(name, Outcome.UNSEEN, evaluated.reason)
        return
    lacking = invoke_permission.to_list(evaluated, permitted=deployed.permitted)
    if lacking:
        detail = f"The function's policy does not list {shown(lacking)}: AWS Config evaluates nothing there."
        yield Check(name, Outcome.MISSING, detail, (commands.deploy(seen.stack_name),), f"account {seen.account_id}")
    else:
        yield Check(name, Outcome.OK, "The function's policy lists all.")


def _organization(seen: Seen) -> Check:
    match seen.organization:
        case Unseen(reason):
            return Check("Organization", Outcome.UNSEEN, reason)
        case None:
            one = f"`{commands.deploy(seen.stack_name, 'account')}`"
            detail = f"Account {seen.account_id} is in no organization. For this account alone, {one} needs none."
            create = (commands.create_organization(),)
            return Check("Organization", Outcome.MISSING, detail, create, "the account that will manage the organization")
        case Organization(organization_id, _, all_features=False):
            detail = f"The organization {organization_id} has consolidated billing only; trusted access needs all features."
            enable = (commands.enable_all_features(),)
            return Check("Organization", Outcome.MISSING, detail, enable, seen.management_account)
        case Organization(organization_id, management_account_id):
            detail = f"{organization_id} has all features; its management account is {management_account_id}."
            return Check("Organization", Outcome.OK, detail)


def _trusted_access(seen: Seen) -> Iterator[Check]:
    for service, user in seen.services.items():
        name = f"Trusted access for {service}"
        enable = commands.activate_stack_sets() if service == STACK_SETS else commands.enable_service_access(service)
        if isinstance(seen.trusted, Unseen):
            yield Check(name, Outcome.UNSEEN, f"{seen.trusted.reason} If it is off:", (enable,), seen.management_account)
        elif service in seen.trusted:
            yield Check(name, Outcome.OK, f"It is on, for {user}.")
        else:
            yield Check(name, Outcome.MISSING, f"It is off, and {user} needs it.", (enable,), seen.management_account)


def _administration(seen: Seen) -> Iterator[Check]:
    if seen.in_management_account:
        yield Check(
            "Account", Outcome.OK, f"{seen.account_id} is the management account, which may deploy for the organization."
        )
        return
    for service, user in seen.services.items():
        name = f"Delegated administrator for {service}"
        register = (commands.register_delegated_administrator(seen.account_id, service),)
        if isinstance(seen.delegated, Unseen):
            detail = f"{seen.delegated.reason} If account {seen.account_id} is not registered:"
            yield Check(name, Outcome.UNSEEN, detail, register, seen.management_account)
        elif service in seen.delegated:
            yield Check(name, Outcome.OK, f"Account {seen.account_id} is registered, for {user}.")
        else:
            detail = f"Account {seen.account_id} is not registered, and {user} needs it."
            yield Check(name, Outcome.MISSING, detail, register, seen.management_account)


def _root_credentials_management(seen: Seen) -> Iterator[Check]:
    name, enable = "Root credentials management", (commands.enable_root_credentials_management(),)
    match seen.root_features:
        case None:
            return
        case Unseen(reason):
            yield Check(name, Outcome.UNSEEN, f"{reason} If it is off:", enable, seen.management_account)
        case enabled if removal.FEATURE in enabled:
            yield Check(name, Outcome.OK, f"It is on, for {_REMOVAL}.")
        case _:
            yield Check(name, Outcome.MISSING, f"It is off, and {_REMOVAL} needs it.", enable, seen.management_account)


def _service_linked_roles(seen: Seen) -> Iterator[Check]:
    for role, found in seen.service_linked_roles.items():
        name = f"Service-linked role {role}"
        match found:
            case Unseen(reason):
                yield Check(name, Outcome.UNSEEN, reason)
            case True:
                yield Check(name, Outcome.OK, f"It is in account {seen.account_id}.")
            case False:
                detail = f"It is not there yet: {_MADE_WITH[role]}. Your credentials need iam:CreateServiceLinkedRole."
                yield Check(name, Outcome.OK, detail)


# --- The accounts in scope ---


def units_problem(seen: Seen) -> str:
    """Say what is wrong with the organizational units of the planned deployment; empty if nothing is, or if nobody can tell."""
    given = sorted(seen.wanted.organizational_unit_ids)
    if given and not by_stack_set(seen.wanted):
        return (
            f"{UNITS} is for {RULE_DEPLOYMENT}={BY_STACK_SET}, and the deployment has {BY_CONFORMANCE_PACK}: a conformance "
            "pack goes to every account of the organization."
        )
    return units.problem(given, seen.units) if isinstance(seen.units, tuple) else ""


def _scope(seen: Seen) -> Iterator[Check]:
    if why := units_problem(seen):
        yield Check("Organizational units", Outcome.MISSING, f"{UNITS} is wrong. {why}")
        return
    if isinstance(seen.units, tuple):
        chosen = units.chosen(sorted(seen.wanted.organizational_unit_ids), seen.units)
        for each in scope.of_units(chosen, seen.units):
            yield Check("Organizational unit", Outcome.OK, each)
    match seen.in_scope, seen.accounts:
        case (Unseen(reason), _) | (_, Unseen(reason)):
            yield Check("Scope", Outcome.UNSEEN, reason)
        case _, accounts:
            yield Check("Scope", Outcome.OK, scope.sentence(seen.wanted, accounts))


def _policies(seen: Seen) -> Iterator[Check]:
    """Check what protects the rule that a StackSet brings: it belongs to the account, and the account may delete its rules."""
    if not by_stack_set(seen.wanted):
        return
    name = "Service control policies"
    match seen.has_policies:
        case Unseen(reason):
            yield Check(name, Outcome.UNSEEN, reason)
        case True:
            detail = "They are on. Attach the package's, so that no member can delete the rule: docs/service-control-policy.md."
            yield Check(name, Outcome.OK, detail)
        case False:
            root_id = seen.root_id if isinstance(seen.root_id, str) else "r-..."
            detail = (
                "They are off, so nothing keeps a member's administrator from deleting the rule. The account is UNKNOWN then. "
                "Turn them on, and attach the package's: docs/service-control-policy.md."
            )
            yield Check(name, Outcome.LIMITED, detail, (commands.enable_policies(root_id),), seen.management_account)


def _same_rule(seen: Seen) -> Iterator[Check]:
    """Check whether an account has a rule of the name that the StackSet's rule will have."""
    name = f"Name of the rule {RULE_NAME}"
    match seen.same_rule:
        case None:
            return
        case Unseen(reason):
            yield Check(name, Outcome.UNSEEN, reason)
        case found:
            evaluated = seen.in_scope
            taken = sorted(set(found) if isinstance(evaluated, Unseen) else set(found).intersection(evaluated))
            if taken:
                detail = (
                    f"There is such a rule in {shown(taken)}, perhaps of a deployment for that account alone: the StackSet's "
                    "stack would fail there. Delete it, or exclude the account."
                )
                delete = commands.delete(commands.STACK_NAME, seen.region)  # nobody knows another name
                yield Check(name, Outcome.MISSING, detail, (delete,), "each of these accounts")
            else:
                yield Check(name, Outcome.OK, "It is free, in the accounts whose data reach the aggregator.")


# --- Recorders ---


def _recorders(seen: Seen) -> Iterator[Check]:
    name = "Configuration recorders"
    on = [account_id for account_id, recorder in seen.recorders.items() if recorder is Recorder.ON]
    if on:
        yield Check(name, Outcome.OK, f"On in {shown(on)}.")
    without = [each for each, recorder in seen.recorders.items() if recorder is Recorder.WITHOUT_COMPLIANCE]
    if without:
        detail = (
            f"On in {shown(without)}, but without AWS::Config::ResourceCompliance. The rule and the report work. AWS Config's "
            "advanced queries, also the stored one, do not find these accounts. Add the type to the recorder's resource types, "
            "or remove it from those that it excludes. This shows what it records:"
        )
        yield Check(name, Outcome.LIMITED, detail, (commands.show_recorded_types(seen.region),), "each of these accounts")
    for state, detail in ((Recorder.OFF, "Off in"), (Recorder.NONE, "There is none in")):
        lacking = [account_id for account_id, recorder in seen.recorders.items() if recorder is state]
        if lacking:
            fix: tuple[str, ...] = (commands.start_recorder(seen.region),)
            if state is Recorder.NONE:
                account_id = lacking[0] if len(lacking) == 1 else "ACCOUNT_ID"
                fix = commands.make_recorder(seen.region, seen.partition, account_id)
            yield Check(name, Outcome.MISSING, f"{detail} {shown(lacking)}.", fix, "each of these accounts")
    unseen = {account_id: recorder.reason for account_id, recorder in seen.recorders.items() if isinstance(recorder, Unseen)}
    if unseen:
        reason = next(iter(unseen.values()))
        yield Check(name, Outcome.UNSEEN, f"Not seen in {shown(list(unseen))}. {reason}")
    accounts = with_recorders(seen.wanted, seen.accounts, seen.units)
    if isinstance(accounts, Unseen):
        yield Check(name, Outcome.UNSEEN, f"The accounts of the organization cannot be seen either: {accounts.reason}")
    else:
        yield from _recorders_by_aggregator(seen, [each for each in accounts if each not in seen.recorders])


def _recorders_by_aggregator(seen: Seen, others: list[str]) -> Iterator[Check]:
    """Infer an account's recorder from whether its data reach an aggregator, if nobody read it."""
    if not others:
        return
    name = "Configuration recorders"
    look = "To look into them, give --role-name with a role that you may assume in each."
    match seen.aggregator:
        case None:
            detail = f"Not seen in {shown(others)}: the account has no aggregator of the organization. {look}"
            yield Check(name, Outcome.UNSEEN, detail)
        case Unseen(reason):
            yield Check(name, Outcome.UNSEEN, f"Not seen in {shown(others)}: {reason} {look}")
        case Aggregator(aggregator_name, sources):
            arriving = [each for each in others if each in sources and sources[each].succeeded]
            if arriving:
                detail = f"Inferred for {shown(arriving)}: their data reach the aggregator {aggregator_name}. {look}"
                yield Check(name, Outcome.OK, detail)
            silent = [each for each in others if each not in arriving]
            if silent:
                reasons = sorted({sources[each].reason for each in silent if each in sources and sources[each].reason})
                because = f" ({'; '.join(reasons)})" if reasons else ""
                detail = f"Not seen in {shown(silent)}: their data do not reach the aggregator {aggregator_name}{because}."
                yield Check(name, Outcome.UNSEEN, f"{detail} {look}")


# --- The management account, and what is there already ---


def _management_account(seen: Seen) -> Check:
    name = "Management account"
    if seen.in_management_account:
        return Check(name, Outcome.OK, "The stack gives it what an evaluation needs.")
    if seen.deployed and seen.deployed.watches_management_account:
        return Check(
            name, Outcome.OK, "The stack says that the evaluation role is there (ManagementAccountHasEvaluationRole=true)."
        )
    deploy = commands.deploy_management_account(seen.region, seen.stack_name)
    detail = (
        "No StackSet reaches it, and what is in it cannot be seen from here. Until you run this after the deployment, and then "
        f"`{commands.deploy(seen.stack_name, ManagementAccountHasEvaluationRole='true')}` here, its root user is not watched."
    )
    return Check(name, Outcome.UNSEEN, detail, (deploy,), seen.management_account)


def _stack(seen: Seen) -> Iterator[Check]:
    name = f"Stack {seen.stack_name}"
    if seen.deployed is None:
        yield Check(name, Outcome.OK, f"It is not in account {seen.account_id} yet.")
        yield from _taken_names(seen)
        return
    organization_id = seen.organization.organization_id if isinstance(seen.organization, Organization) else None
    obstacle = stack_obstacle(seen.deployed, organization_id)
    if obstacle is None:
        yield Check(name, Outcome.OK, f"It is {seen.deployed.stack_status}: a deployment updates it.")
    elif obstacle.command:
        yield Check(name, Outcome.MISSING, f"It is {obstacle.why}", (obstacle.command,), f"account {seen.account_id}")
    else:
        yield Check(name, Outcome.MISSING, f"It is {obstacle.why}")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a stack cannot be deployed to, for a sentence that begins "It is", and the command that helps, if one does."""

    why: str
    command: str = ""


def stack_obstacle(deployed: Deployment, organization_id: str | None) -> Obstacle | None:
    """Say what keeps a deployed stack from an update; `organization_id` is that of the planned deployment.

    An empty id means one account.  None means that the id is not known, so the scope is not checked.
    """
    delete = commands.delete(deployed.stack_name)
    if organization_id is not None and deployed.organization_id != organization_id:
        whom = f"organization {deployed.organization_id}" if deployed.organization_id else "one account"
        return Obstacle(f"deployed for {whom}: to change its scope, delete it, then deploy it again.", delete)
    return status_obstacle(deployed.stack_status, delete)


def status_obstacle(status: str, delete: str) -> Obstacle | None:
    """Say why a stack with a status cannot be updated; `delete` is the command that deletes it."""
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":  # a change set that nobody has executed
        return Obstacle(f"{status}: wait until that is over.")
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}:
        # Such a stack can only be deleted. Source: AWS CloudFormation User Guide, stack status codes.
        return Obstacle(f"{status}, and cannot be updated: delete it first.", delete)
    return None


def _taken_names(seen: Seen) -> Iterator[Check]:
    frees = names(seen.wanted)
    for what, taken in seen.taken.items():
        name = f"Name of the {what}"
        whose = f"Account {seen.account_id} has one already, perhaps of a deployment in another Region"
        if what.startswith("StackSet "):
            whose = "The organization has one already, perhaps of a deployment in another account or Region"
        match taken:
            case Unseen(reason):
                yield Check(name, Outcome.UNSEEN, reason)
            case True:
                detail = f"{whose}: delete that first."
                yield Check(name, Outcome.MISSING, detail, (frees[what],), f"account {seen.account_id}")
            case False:
                yield Check(name, Outcome.OK, "It is free.")
