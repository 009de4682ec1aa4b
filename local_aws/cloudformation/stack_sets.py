"""CloudFormation StackSets with service-managed permissions: stacks in the accounts of the organization, present and future.

This module decides which stacks to make, where and when. MiniStack's CloudFormation makes them.  One thread runs one operation
after the other with an event loop of its own, because MiniStack works on a stack in the event loop of the request.

Source: API model, cloudformation, and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/what-is-cfnstacksets.html (stacksets-concepts,
stacksets-orgs-manage-auto-deployment); this page does not say whether an account filter holds for accounts
that join later; here it does.

A suspended account is skipped (API model, StackInstanceComprehensiveStatus). Guess: the operation counts that as no failure,
and forgets a stack that it was to delete. A user saw updates fail there in 2022, and a switch lets them do so:
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/981.
"""

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from threading import Event
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from local_aws.authorization.deployers import Deployers
from local_aws.cloudformation import stack_set_dependencies
from local_aws.cloudformation.member_stacks import MemberStacks, execution_role, key_values
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import LOADER, AwsError
from local_aws.core.paging import Pages
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

SERVICE_PRINCIPAL = "member.org.stacksets.cloudformation.amazonaws.com"
"""The service principal of trusted access and of delegated administrators."""

_LONGEST_BODY, _LONGEST_DOCUMENT = 51_200, 1_000_000
"""Bytes of a template in a request and in S3.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
_LONGEST_PAGE = 100
_PAGES = Pages("ValidationError", "Invalid NextToken")
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", re.ASCII)
_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?", re.ASCII)
_CANCELLED = "Cancelled since failure tolerance has exceeded"
_SKIPPED = "SKIPPED_SUSPENDED_ACCOUNT"
_NOT_FOUND = "StackSetNotFoundException"
_SELF_MANAGED = ("AdministrationRoleARN", "ExecutionRoleName")
_MOST_UNITS = 50
"""Units that an update may name. Source: API model, UpdateStackSet."""

_log = logging.getLogger(__name__)
Place = tuple[str, str]
"""An account id and a Region."""


@dataclass(frozen=True)
class Targets:
    """Where a StackSet is deployed. `filter_type`, an AccountFilterType, says how `accounts` change the units' accounts."""

    unit_ids: tuple[str, ...]
    accounts: frozenset[str]
    filter_type: str
    regions: tuple[str, ...]

    @classmethod
    def of(cls, params: dict[str, Any]) -> "Targets":
        """Read them from the parameters of an operation. Accounts without a filter come in addition to the units."""
        targets = params.get("DeploymentTargets", {})
        accounts = frozenset(targets.get("Accounts", []))
        return cls(
            tuple(targets.get("OrganizationalUnitIds", [])),
            accounts,
            targets.get("AccountFilterType", "UNION" if accounts else "NONE"),
            tuple(params["Regions"]),
        )

    def places(self, organization: Organization) -> dict[Place, str]:
        """Return the places and the unit that each belongs to, never one in the management account."""
        unit_ids = {
            account_id: unit_id for unit_id in reversed(self.unit_ids) for account_id in organization.accounts_below(unit_id)
        }
        match self.filter_type:
            case "INTERSECTION":
                chosen = {account_id: unit_id for account_id, unit_id in unit_ids.items() if account_id in self.accounts}
            case "DIFFERENCE":
                chosen = {account_id: unit_id for account_id, unit_id in unit_ids.items() if account_id not in self.accounts}
            case "UNION":
                members = self.accounts & organization.parents.keys()
                chosen = {account_id: organization.parents[account_id] for account_id in members} | unit_ids
            case _:
                chosen = unit_ids
        chosen.pop(organization.management_account_id, None)
        return {(account_id, region): chosen[account_id] for region in self.regions for account_id in sorted(chosen)}


@dataclass
class Instance:
    """A stack instance: a wanted stack at a place, and its state."""

    unit_id: str
    operation_id: str
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    reason: str | None = None


@dataclass
class Outcome:
    """What an operation did at a place."""

    unit_id: str
    status: str = "PENDING"
    reason: str | None = None


@dataclass
class Operation:
    """An operation at some places; `action` is CREATE, UPDATE or DELETE. `after` has to succeed first."""

    operation_id: str
    action: str
    preferences: dict[str, Any]
    outcomes: dict[Place, Outcome]
    retain_stacks: bool
    created: datetime
    ended: datetime | None = None
    status: str = "QUEUED"
    reason: str | None = None
    done: Event = field(default_factory=Event)
    after: tuple["Operation", ...] = ()

    @property
    def failures(self) -> dict[Place, str]:
        """The places where it failed, and why."""
        return {place: outcome.reason or "" for place, outcome in self.outcomes.items() if outcome.status == "FAILED"}


@dataclass
class StackSet:
    """A StackSet of the organization. It belongs to the management account, even if a delegated administrator made it."""

    stack_set_id: str
    name: str
    region: str
    template: str
    settings: dict[str, Any]
    """Description, Parameters, Capabilities, Tags, AutoDeployment and ManagedExecution, if given."""
    status: str = "ACTIVE"
    targets: list[Targets] = field(default_factory=list)
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)

    def arn(self, management_account_id: str) -> str:
        """Return its ARN."""
        return f"arn:aws:cloudformation:{self.region}:{management_account_id}:stackset/{self.stack_set_id}"

    @property
    def auto_deployment(self) -> dict[str, Any]:
        """`Enabled` and `RetainStacksOnAccountRemoval`."""
        return {"Enabled": False, "RetainStacksOnAccountRemoval": False, **self.settings.get("AutoDeployment", {})}

    @property
    def depends_on(self) -> list[str]:
        """The ARNs of the StackSets whose automatic deployments come first."""
        return list(self.auto_deployment.get("DependsOn", []))

    def wanted(self, organization: Organization) -> dict[Place, str]:
        """Return the places that should have stacks, and the unit that each belongs to."""
        return {place: unit_id for targets in self.targets for place, unit_id in targets.places(organization).items()}


class StackSets:
    """The StackSets of the organization, if there is one."""

    def __init__(self, organization: Organization | None, deployers: Deployers, clock: Clock, switches: Switches) -> None:
        """Begin without StackSets, and follow the accounts of `organization` as they join, move and leave."""
        self._switches = switches
        self._in_use = organization
        self._deployers = deployers
        self._clock = clock
        self._sets: dict[str, StackSet] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="stack-sets")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._stacks = MemberStacks(deployers)
        if organization:
            for listeners in (organization.when_joined, organization.when_moved, organization.when_left):
                listeners.append(self._follow)
        self.operations: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
            "CreateStackSet": self.create_stack_set,
            "UpdateStackSet": self.update_stack_set,
            "DeleteStackSet": self.delete_stack_set,
            "CreateStackInstances": self.create_stack_instances,
            "DeleteStackInstances": self.delete_stack_instances,
            "DescribeStackSet": self.describe_stack_set,
            "ListStackSets": self.list_stack_sets,
            "ListStackInstances": self.list_stack_instances,
            "DescribeStackInstance": self.describe_stack_instance,
            "ListStackSetOperations": self.list_stack_set_operations,
            "DescribeStackSetOperation": self.describe_stack_set_operation,
            "ListStackSetOperationResults": self.list_stack_set_operation_results,
            "DescribeOrganizationsAccess": self.describe_organizations_access,
            "ActivateOrganizationsAccess": self.activate_organizations_access,
        }

    def close(self) -> None:
        """Drop the operations that have not begun."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    # Changes

    def create_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a StackSet without stacks."""
        self._check_caller(account_id, params)
        name = params["StackSetName"]
        if params.get("PermissionModel", "SELF_MANAGED") != "SERVICE_MANAGED":
            _refuse("The local AWS emulates StackSets whose PermissionModel is SERVICE_MANAGED only.")
        _refuse_self_managed(params)
        if "AutoDeployment" not in params:
            _refuse("AutoDeployment is required for StackSets with SERVICE_MANAGED permission model.")
        if "StackId" in params:
            _refuse("The local AWS does not emulate the import of a stack into a StackSet.")
        if SERVICE_PRINCIPAL not in self._organization.trusted_services:
            _refuse("You must enable organizations access to operate a service managed stack set")
        if not _NAME.fullmatch(name):
            pattern = "[a-zA-Z][-a-zA-Z0-9]*"
            constraint = f"Member must satisfy regular expression pattern: {pattern}"
            _refuse(f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint: {constraint}")
        region = self._responses.get_region()
        if any(known.name == name for known in self._active()):
            raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists")
        template = self._read_template(params)
        if template is None:
            _refuse("TemplateBody or TemplateURL is required")
        self._check_template(template, params)
        self._check_dependencies("", params)
        stack_set = StackSet(f"{name}:{uuid.uuid4()}", name, region, template, _settings(params))
        self._sets[stack_set.stack_set_id] = stack_set
        return {"StackSetId": stack_set.stack_set_id}

    def update_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Change a StackSet and all its stacks, or those of `Accounts` and `Regions` only."""
        stack_set = self._find(account_id, params)
        template = self._read_template(params)
        if template is None:
            if not params.get("UsePreviousTemplate"):
                _refuse("TemplateBody, TemplateURL or UsePreviousTemplate is required")
            template = stack_set.template
        previous = {parameter["ParameterKey"]: parameter for parameter in stack_set.settings.get("Parameters", [])}
        params = params | {
            "Parameters": [
                previous.get(given["ParameterKey"], given) if given.get("UsePreviousValue") else given
                for given in params.get("Parameters", [])
            ]
        }
        self._check_template(template, params)
        _refuse_self_managed(params)
        self._check_dependencies(stack_set.arn(self._organization.management_account_id), params)
        places = self._places_to_update(stack_set, params)
        operation = self._operation(stack_set, "UPDATE", places, params)
        kept = {
            name: stack_set.settings[name]
            for name in ("AutoDeployment", "ManagedExecution", "Tags")
            if name in stack_set.settings
        }
        settings = kept | _settings(params)
        changed = template != stack_set.template or settings.get("Parameters") != stack_set.settings.get("Parameters")
        stack_set.template, stack_set.settings = template, settings
        for place, instance in stack_set.instances.items():
            if changed or place in places:
                instance.status = "OUTDATED"
        return {"OperationId": self._start(stack_set, operation)}

    def _places_to_update(self, stack_set: StackSet, params: dict[str, Any]) -> dict[Place, str]:
        """Return where an update changes stacks, and the unit of each place: everywhere, or at its targets. Raises AwsError."""
        present = {place: instance.unit_id for place, instance in stack_set.instances.items()}
        if "DeploymentTargets" not in params and "Regions" not in params:
            return present
        if "DeploymentTargets" not in params or not params.get("Regions"):
            _refuse("DeploymentTargets and Regions must be specified together.")
        if "AutoDeployment" in params:
            _refuse("AutoDeployment can not be specified together with DeploymentTargets and Regions.")
        targets = self._targets(params)
        if len(targets.unit_ids) > _MOST_UNITS:
            _refuse(f"The number of OrganizationalUnitIds may not exceed {_MOST_UNITS}.")
        wanted = targets.places(self._organization)
        places = {place: unit_id for place, unit_id in present.items() if place in wanted}
        if not places:
            raise AwsError(
                "StackInstanceNotFoundException", f"StackSet {stack_set.name} has no stack instance at these targets"
            )
        return places

    def delete_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a StackSet that has no stacks any more.

        Guess: nothing happens if there is no such StackSet. The API model has no error for that.
        """
        try:
            stack_set = self._find(account_id, params)
        except AwsError as error:
            if error.code == _NOT_FOUND:
                return {}
            raise
        self._refuse_parallel(stack_set)
        if stack_set.instances:
            raise AwsError("StackSetNotEmptyException", "StackSet is not empty")
        stack_set.status = "DELETED"
        return {}

    def create_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Deploy a StackSet to further targets. Try again if an earlier attempt failed; skip stacks that are current."""
        stack_set = self._find(account_id, params)
        if params.get("ParameterOverrides"):
            _refuse("The local AWS does not emulate ParameterOverrides.")
        targets = self._targets(params)
        if targets.accounts and "AccountFilterType" not in params["DeploymentTargets"]:
            _refuse("AccountFilterType must be specified with Accounts.")
        if targets.filter_type == "UNION":
            _refuse("AccountFilterType UNION is not supported for CreateStackInstances.")
        places = {
            place: unit_id
            for place, unit_id in targets.places(self._organization).items()
            if place not in stack_set.instances or stack_set.instances[place].status != "CURRENT"
        }
        operation = self._operation(stack_set, "CREATE", places, params)
        if targets not in stack_set.targets:
            stack_set.targets.append(targets)
        return {"OperationId": self._start(stack_set, operation)}

    def delete_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete the stacks of targets, and end automatic deployment to whole units among them."""
        stack_set = self._find(account_id, params)
        targets = self._targets(params)
        places = {place: unit for place, unit in targets.places(self._organization).items() if place in stack_set.instances}
        operation = self._operation(stack_set, "DELETE", places, params)
        if targets.filter_type == "NONE":
            stack_set.targets = [
                known
                for known in stack_set.targets
                if not (set(known.unit_ids) <= set(targets.unit_ids) and set(known.regions) <= set(targets.regions))
            ]
        return {"OperationId": self._start(stack_set, operation)}

    def activate_organizations_access(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Enable trusted access for StackSets. Only the management account may."""
        if account_id != self._organization.management_account_id:
            raise AwsError("InvalidOperationException", "Only the management account may activate organizations access.")
        self._organization.trusted_services.add(SERVICE_PRINCIPAL)
        return {}

    # For the resource type AWS::CloudFormation::StackSet, besides the API

    def keep_only(self, stack_set_id: str, targets: Sequence[Targets], preferences: dict[str, Any]) -> str:
        """Delete the stacks outside `targets`, which are the targets from now on; return the operation's id."""
        stack_set = self._sets[stack_set_id]
        stack_set.targets = list(targets)
        wanted = stack_set.wanted(self._organization)
        places = {place: instance.unit_id for place, instance in stack_set.instances.items() if place not in wanted}
        return self._start(stack_set, self._operation(stack_set, "DELETE", places, {"OperationPreferences": preferences}))

    def finished(self, stack_set_id: str, operation_id: str) -> Operation:
        """Wait for the end of an operation."""
        operation = self._sets[stack_set_id].operations[operation_id]
        operation.done.wait()
        return operation

    def settle(self, stack_set_id: str) -> None:
        """Wait until no operation runs, for example an automatic deployment, so that the next one is not refused."""
        for operation in list(self._sets[stack_set_id].operations.values()):
            operation.done.wait()

    # Reads

    def describe_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a StackSet."""
        stack_set = self._find(account_id, params)
        instances = list(stack_set.instances.items())
        return {
            "StackSet": self._summary(stack_set)
            | {
                "TemplateBody": stack_set.template,
                "Parameters": stack_set.settings.get("Parameters", []),
                "Capabilities": stack_set.settings.get("Capabilities", []),
                "Tags": stack_set.settings.get("Tags", []),
                "StackSetARN": stack_set.arn(self._organization.management_account_id),
                "OrganizationalUnitIds": sorted({unit_id for targets in stack_set.targets for unit_id in targets.unit_ids}),
                "Regions": sorted({region for (_, region), _ in instances}),
            }
        }

    def list_stack_sets(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the StackSets, also deleted ones, to a caller who acts for the organization; nobody else sees any."""
        visible = self._sees(account_id, params)
        region, status = self._responses.get_region(), params.get("Status")
        found = [
            self._summary(stack_set) | {"DriftStatus": "NOT_CHECKED"}
            for stack_set in self._sets.values()
            if visible and stack_set.region == region and status in {None, stack_set.status}
        ]
        return _listed(found, params)

    def list_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the stack instances of a StackSet."""
        stack_set = self._find(account_id, params)
        found = [_instance(stack_set, place, instance) for place, instance in sorted(stack_set.instances.items())]
        for key, name in (("StackInstanceAccount", "Account"), ("StackInstanceRegion", "Region")):
            if key in params:
                found = [instance for instance in found if instance[name] == params[key]]
        for wanted in params.get("Filters", []):
            found = [instance for instance in found if _filtered(instance, wanted["Name"]) == wanted["Values"]]
        return _listed(found, params)

    def describe_stack_instance(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a stack instance."""
        stack_set = self._find(account_id, params)
        place = params["StackInstanceAccount"], params["StackInstanceRegion"]
        if place not in stack_set.instances:
            message = f"Stack instance for stack set {stack_set.name}, account {place[0]} and Region {place[1]} not found"
            raise AwsError("StackInstanceNotFoundException", message)
        return {"StackInstance": _instance(stack_set, place, stack_set.instances[place])}

    def list_stack_set_operations(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the operations on a StackSet, the last one first."""
        operations = reversed(self._find(account_id, params).operations.values())
        return _listed([_operation(operation) for operation in operations], params)

    def describe_stack_set_operation(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe an operation on a StackSet."""
        stack_set = self._find(account_id, params)
        operation = _operation_of(stack_set, params["OperationId"])
        retained = {"RetainStacks": operation.retain_stacks} if operation.action == "DELETE" else {}
        return {"StackSetOperation": _operation(operation) | {"StackSetId": stack_set.stack_set_id} | retained}

    def list_stack_set_operation_results(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List what an operation did in each account and Region."""
        operation = _operation_of(self._find(account_id, params), params["OperationId"])
        wanted = [given["Values"] for given in params.get("Filters", [])]
        found = [
            {
                "Account": account,
                "Region": region,
                "Status": outcome.status,
                "OrganizationalUnitId": outcome.unit_id,
                **({"StatusReason": outcome.reason} if outcome.reason else {}),
            }
            for (account, region), outcome in operation.outcomes.items()
            if not wanted or outcome.status in wanted
        ]
        return _listed(found, params)

    def describe_organizations_access(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Tell whether StackSets have trusted access."""
        self._check_caller(account_id, params)
        return {"Status": "ENABLED" if SERVICE_PRINCIPAL in self._organization.trusted_services else "DISABLED"}

    # Callers, targets and templates

    @property
    def _organization(self) -> Organization:
        if self._in_use is None:
            raise _not_an_administrator()
        return self._in_use

    def _check_caller(self, account_id: str, params: dict[str, Any]) -> None:
        management = account_id == self._organization.management_account_id
        as_delegated = params.get("CallAs", "SELF") == "DELEGATED_ADMIN"
        if management and as_delegated:
            _refuse("Account used is not a delegated administrator")
        if not management and not (as_delegated and self._organization.administers(account_id, SERVICE_PRINCIPAL)):
            raise _not_an_administrator()

    def _sees(self, account_id: str, params: dict[str, Any]) -> bool:
        """Tell whether the caller sees the organization's StackSets. A member with CallAs SELF sees only its own, here none."""
        if params.get("CallAs", "SELF") == "SELF":
            return self._in_use is not None and account_id == self._in_use.management_account_id
        self._check_caller(account_id, params)
        return True

    def _active(self) -> Iterable[StackSet]:
        region = self._responses.get_region()
        return [known for known in self._sets.values() if known.status == "ACTIVE" and known.region == region]

    def _find(self, account_id: str, params: dict[str, Any]) -> StackSet:
        name = params["StackSetName"]
        if self._sees(account_id, params):
            for stack_set in self._active():
                if name in {stack_set.name, stack_set.stack_set_id}:
                    return stack_set
        raise AwsError(_NOT_FOUND, f"StackSet {name} not found")

    def _targets(self, params: dict[str, Any]) -> Targets:
        targets = Targets.of(params)
        _refuse_self_managed(params)
        if "AccountsUrl" in params.get("DeploymentTargets", {}):
            _refuse("The local AWS does not emulate AccountsUrl.")
        if not targets.unit_ids:
            _refuse("OrganizationalUnitIds are required in DeploymentTargets.")
        if not targets.regions:
            _refuse("At least one Region is required in Regions.")
        if unknown := sorted(set(targets.regions) - _known_regions()):
            _refuse(f"Regions has what is no Region of AWS: {', '.join(unknown)}")
        if targets.accounts and targets.filter_type == "NONE":
            _refuse("AccountFilterType must not be NONE if Accounts are specified.")
        strangers = [unit_id for unit_id in targets.unit_ids if not self._organization.has_parent(unit_id)]
        strangers += sorted(targets.accounts - self._organization.parents.keys()) if targets.filter_type == "UNION" else []
        if strangers:
            _refuse(f"Not in the organization: {', '.join(strangers)}")
        return targets

    def _read_template(self, params: dict[str, Any]) -> str | None:
        body: str | None = params.get("TemplateBody")
        if body is not None and len(body.encode()) > _LONGEST_BODY:
            _refuse(f"TemplateBody may not exceed {_LONGEST_BODY} bytes in size.")
        if body is not None or "TemplateURL" not in params:
            return body
        url = urlsplit(params["TemplateURL"])
        virtual = _VIRTUAL_HOST.fullmatch(url.hostname or "")
        path = unquote(url.path).lstrip("/")
        bucket, _, key = f"{virtual['bucket']}/{path}".partition("/") if virtual else path.partition("/")
        document: bytes | None = ministack_seams.module("ministack.services.s3")._get_object_data(bucket, key)
        if document is None:
            _refuse(f"S3 error: The specified key does not exist: {params['TemplateURL']}")
        if len(document) > _LONGEST_DOCUMENT:
            _refuse(f"Template may not exceed {_LONGEST_DOCUMENT} bytes in size.")
        return document.decode()

    def _check_dependencies(self, arn: str, params: dict[str, Any]) -> None:
        """Refuse dependencies that a StackSet, "" for a new one, may not have."""
        depends_on = params.get("AutoDeployment", {}).get("DependsOn", [])
        others = {known: stack_set.depends_on for known, stack_set in self._by_arn().items() if known != arn}
        stack_set_dependencies.check(arn, depends_on, others)

    def _by_arn(self) -> dict[str, StackSet]:
        """Return the StackSets of all Regions that are not deleted."""
        management_account_id = self._organization.management_account_id
        return {each.arn(management_account_id): each for each in list(self._sets.values()) if each.status == "ACTIVE"}

    @staticmethod
    def _check_template(template: str, params: dict[str, Any]) -> None:
        """Refuse a template that fails in every account: it has a macro, or a capability or a parameter is missing."""
        engine = ministack_seams.module("ministack.services.cloudformation.engine")
        handlers = ministack_seams.module("ministack.services.cloudformation.handlers")
        try:
            parsed = engine._parse_template(template)
            engine._resolve_parameters(parsed, key_values(params.get("Parameters", []), "Parameter"))
        except Exception as error:  # whatever MiniStack or its YAML reader has against the template
            message = f"Template format error: {error}"
            raise _invalid(message) from error
        if not parsed.get("Resources"):
            _refuse("Template format error: At least one Resources member must be defined.")
        if handlers._uses_macro(parsed):
            _refuse("Stack sets with service-managed permissions do not support macros or transforms in templates.")
        missing = handlers._missing_capabilities(
            set(params.get("Capabilities", [])), handlers._required_iam_capabilities(parsed)
        )
        if missing:
            raise AwsError("InsufficientCapabilitiesException", handlers._insufficient_capabilities_message(missing))

    def _summary(self, stack_set: StackSet) -> dict[str, Any]:
        described = {"Description": stack_set.settings["Description"]} if "Description" in stack_set.settings else {}
        return described | {
            "StackSetName": stack_set.name,
            "StackSetId": stack_set.stack_set_id,
            "Status": stack_set.status,
            "PermissionModel": "SERVICE_MANAGED",
            "AutoDeployment": stack_set.auto_deployment,
            "ManagedExecution": {"Active": False, **stack_set.settings.get("ManagedExecution", {})},
        }

    # Operations

    def _follow(self, account_id: str) -> None:
        """Deploy to an account that the targets now include, and delete from one that they no longer include.

        What a StackSet depends on comes first, and has to succeed.
        """
        by_arn = self._by_arn()
        started: dict[str, list[Operation]] = {}
        for arn in stack_set_dependencies.in_order({arn: stack_set.depends_on for arn, stack_set in by_arn.items()}):
            stack_set = by_arn[arn]
            if not stack_set.auto_deployment["Enabled"]:
                continue
            wanted = {place: unit for place, unit in stack_set.wanted(self._organization).items() if place[0] == account_id}
            present = {place: known.unit_id for place, known in stack_set.instances.items() if place[0] == account_id}
            for place in wanted.keys() & present.keys():
                stack_set.instances[place].unit_id = wanted[place]
            retain = {"RetainStacks": stack_set.auto_deployment["RetainStacksOnAccountRemoval"]}
            for action, places in (
                ("DELETE", {place: unit for place, unit in present.items() if place not in wanted}),
                ("CREATE", {place: unit for place, unit in wanted.items() if place not in present}),
            ):
                if places:
                    operation = self._operation(stack_set, action, places, retain, automatic=True)
                    operation.after = tuple(each for other in stack_set.depends_on for each in started.get(other, []))
                    self._start(stack_set, operation)
                    started.setdefault(arn, []).append(operation)

    def _operation(
        self, stack_set: StackSet, action: str, places: dict[Place, str], params: dict[str, Any], *, automatic: bool = False
    ) -> Operation:
        """Make an operation. AwsError: another one runs, and this one is not automatic, so it cannot wait."""
        preferences = params.get("OperationPreferences", {})
        for what in ("FailureTolerance", "MaxConcurrent"):
            if {f"{what}Count", f"{what}Percentage"} <= preferences.keys():
                _refuse(f"Only one of {what}Count and {what}Percentage may be specified.")
        if not automatic:
            self._refuse_parallel(stack_set)
        operation_id = params.get("OperationId") or str(uuid.uuid4())
        if operation_id in stack_set.operations:
            raise AwsError("OperationIdAlreadyExistsException", f"Operation {operation_id} already exists")
        outcomes = {place: Outcome(unit_id) for place, unit_id in places.items()}
        retain = bool(params.get("RetainStacks", False))
        return Operation(operation_id, action, preferences, outcomes, retain, self._clock.now())

    def _refuse_parallel(self, stack_set: StackSet) -> None:
        """Refuse a second operation. With managed execution AWS lets it wait instead.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ManagedExecution.html
        """
        running = [operation.operation_id for operation in stack_set.operations.values() if not operation.done.is_set()]
        if running and not stack_set.settings.get("ManagedExecution", {}).get("Active"):
            arn = stack_set.arn(self._organization.management_account_id)
            raise AwsError("OperationInProgressException", f"Another Operation on StackSet {arn} is in progress: {running[0]}")

    def _start(self, stack_set: StackSet, operation: Operation) -> str:
        stack_set.operations[operation.operation_id] = operation
        for place, outcome in operation.outcomes.items():
            instance = stack_set.instances.setdefault(place, Instance(outcome.unit_id, operation.operation_id))
            instance.operation_id, instance.detailed_status, instance.reason = operation.operation_id, "PENDING", None
        self._clock.submit(self._worker, f"operation on StackSet {stack_set.name}", partial(self._run, stack_set, operation))
        return operation.operation_id

    def _run(self, stack_set: StackSet, operation: Operation) -> None:
        operation.status = "RUNNING"
        try:
            within_tolerance = asyncio.run(self._carry_out(stack_set, operation))
        except Exception as error:  # noqa: BLE001 - a thread's last resort: whoever waits is told
            _log.exception("StackSet operation %s broke", operation.operation_id)
            within_tolerance, operation.reason = False, f"Internal failure: {error}"
        operation.status = "SUCCEEDED" if within_tolerance else "FAILED"
        operation.ended = self._clock.now()
        operation.done.set()

    async def _carry_out(self, stack_set: StackSet, operation: Operation) -> bool:
        """Work through the places Region by Region, and return whether the failures stayed within the tolerance."""
        failed = [each.operation_id for each in operation.after if each.status != "SUCCEEDED"]
        if failed:
            operation.reason = f"Operation {failed[0]} on a StackSet that this one depends on did not succeed."
            _cancel(stack_set, operation, list(operation.outcomes), operation.reason)
            return False
        within = True
        order = operation.preferences.get("RegionOrder", [])
        regions = list(dict.fromkeys([*order, *(region for _, region in operation.outcomes)]))
        for region in regions:
            places = [place for place in operation.outcomes if place[1] == region]
            parallel = operation.preferences.get("RegionConcurrencyType") == "PARALLEL"
            if within or parallel:
                within &= await self._carry_out_in_region(stack_set, operation, places)
            else:
                _cancel(stack_set, operation, places)
        return within

    async def _carry_out_in_region(self, stack_set: StackSet, operation: Operation, places: list[Place]) -> bool:
        """Work in batches of accounts as the preferences allow: finish each batch, cancel the rest after failures."""
        tolerance, concurrent, strict = _limits(operation.preferences, len(places))
        failures = 0
        while places and failures <= tolerance:
            size = min(concurrent, tolerance - failures + 1) if strict else concurrent
            begun, places = places[:size], places[size:]
            for place in begun:
                failures += not await self._carry_out_at(stack_set, operation, place)
        _cancel(stack_set, operation, places)
        return failures <= tolerance

    async def _carry_out_at(self, stack_set: StackSet, operation: Operation, place: Place) -> bool:
        outcome, instance = operation.outcomes[place], stack_set.instances.get(place)
        if instance is None:  # an operation before this one has deleted it
            outcome.status = "SUCCEEDED"
            return True
        fails = self._switches.is_on("fail-in-suspended-accounts")
        if self._organization.is_shut(place[0]) and not (fails and place[0] in self._organization.parents):
            return _skip(stack_set, operation, place)
        outcome.status = instance.detailed_status = "RUNNING"
        role = execution_role(self._organization, place[0])
        reason: str | None
        with self._responses.request_scope(*place), self._deployers.acting_as(role, operation.operation_id):
            if self._organization.is_shut(place[0]):
                reason = f"Account {place[0]} is suspended: nobody can assume its role {role}."
            elif operation.action == "DELETE":
                reason = None if operation.retain_stacks else await self._stacks.delete(instance.stack_id)
            elif place[0] in self._organization.parents:
                instance.stack_id, reason = await self._stacks.put(
                    stack_set.name, stack_set.template, stack_set.settings, instance.stack_id
                )
            else:
                reason = f"Account {place[0]} is not in the organization any more."
        outcome.status, outcome.reason = "FAILED" if reason else "SUCCEEDED", reason
        if reason is None and operation.action == "DELETE":
            del stack_set.instances[place]
        elif reason is None:
            instance.status, instance.detailed_status = "CURRENT", "SUCCEEDED"
        else:
            instance.status = "INOPERABLE" if operation.action == "DELETE" else "OUTDATED"
            instance.detailed_status, instance.reason = "FAILED", reason
        return reason is None


def _limits(preferences: dict[str, Any], accounts: int) -> tuple[int, int, bool]:
    """Return how many accounts may fail, how many form a batch, and whether failures make the batch smaller.

    Source: API StackSetOperationPreferences; percentages are rounded down, that of the batch to no less than one.
    """
    tolerance = preferences.get("FailureTolerancePercentage", 0) * accounts // 100
    concurrent = max(1, preferences.get("MaxConcurrentPercentage", 0) * accounts // 100)
    return (
        preferences.get("FailureToleranceCount", tolerance),
        preferences.get("MaxConcurrentCount", concurrent),
        preferences.get("ConcurrencyMode", "STRICT_FAILURE_TOLERANCE") == "STRICT_FAILURE_TOLERANCE",
    )


def _skip(stack_set: StackSet, operation: Operation, place: Place) -> bool:
    """Do nothing in a suspended account, and call that a success."""
    outcome, instance = operation.outcomes[place], stack_set.instances[place]
    outcome.status, outcome.reason = "SUCCEEDED", f"Account {place[0]} is suspended, and was skipped."
    if operation.action == "DELETE":
        del stack_set.instances[place]
    else:
        instance.status, instance.detailed_status, instance.reason = "OUTDATED", _SKIPPED, outcome.reason
    return True


def _cancel(stack_set: StackSet, operation: Operation, places: Collection[Place], reason: str = _CANCELLED) -> None:
    for place in places:
        outcome = operation.outcomes[place]
        outcome.status, outcome.reason = "CANCELLED", reason
        if place in stack_set.instances:
            instance = stack_set.instances[place]
            instance.detailed_status, instance.reason = "CANCELLED", reason


@cache
def _known_regions() -> frozenset[str]:
    """Return AWS's Regions, those of the partition aws that botocore has."""
    partitions = LOADER.load_data("partitions")["partitions"]
    return frozenset(next(partition["regions"] for partition in partitions if partition["id"] == "aws"))


def _refuse_self_managed(params: dict[str, Any]) -> None:
    if params.get("Accounts"):
        _refuse("StackSets with SERVICE_MANAGED permission model can only have DeploymentTargets, not Accounts.")
    for name in _SELF_MANAGED:
        if params.get(name):
            _refuse(f"StackSets with SERVICE_MANAGED permission model can not have {name}.")


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    names = ("Description", "Parameters", "Capabilities", "Tags", "AutoDeployment", "ManagedExecution")
    return {name: params[name] for name in names if name in params}


def _instance(stack_set: StackSet, place: Place, instance: Instance) -> dict[str, Any]:
    optional = {"StackId": instance.stack_id, "StatusReason": instance.reason}
    return {
        "StackSetId": stack_set.stack_set_id,
        "Account": place[0],
        "Region": place[1],
        "Status": instance.status,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed_status},
        "OrganizationalUnitId": instance.unit_id,
        "DriftStatus": "NOT_CHECKED",
        "LastOperationId": instance.operation_id,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _filtered(instance: dict[str, Any], name: str) -> object:
    return {
        "DETAILED_STATUS": instance["StackInstanceStatus"]["DetailedStatus"],
        "LAST_OPERATION_ID": instance["LastOperationId"],
        "DRIFT_STATUS": instance["DriftStatus"],
    }[name]


def _operation(operation: Operation) -> dict[str, Any]:
    optional = {"EndTimestamp": operation.ended, "StatusReason": operation.reason}
    return {
        "OperationId": operation.operation_id,
        "Action": operation.action,
        "Status": operation.status,
        "OperationPreferences": operation.preferences,
        "CreationTimestamp": operation.created,
        "StatusDetails": {"FailedStackInstancesCount": len(operation.failures)},
        **{name: value for name, value in optional.items() if value is not None},
    }


def _operation_of(stack_set: StackSet, operation_id: str) -> Operation:
    if operation_id not in stack_set.operations:
        raise AwsError("OperationNotFoundException", f"Operation {operation_id} not found")
    return stack_set.operations[operation_id]


def _listed(items: Sequence[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    found, token = _PAGES.page(items, params, _LONGEST_PAGE)
    return {"Summaries": found, **token}


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _refuse(message: str) -> NoReturn:
    raise _invalid(message)


def _not_an_administrator() -> AwsError:
    return _invalid(
        "You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED "
        "stack set"
    )
