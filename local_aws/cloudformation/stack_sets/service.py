"""The operations of StackSets, and what the resource type AWS::CloudFormation::StackSet needs besides them."""

import re
import uuid
from typing import Any

from local_aws.authorization.deployers import Deployers
from local_aws.cloudformation.stack_sets import dependencies, templates
from local_aws.cloudformation.stack_sets.automatic_deployment import AutomaticDeployment
from local_aws.cloudformation.stack_sets.directory import SERVICE_PRINCIPAL, Directory
from local_aws.cloudformation.stack_sets.operations import StackSetOperations
from local_aws.cloudformation.stack_sets.reads import Answer, Reads
from local_aws.cloudformation.stack_sets.refusals import NOT_FOUND, refuse, refuse_self_managed
from local_aws.cloudformation.stack_sets.stack_set import Operation, StackSet
from local_aws.cloudformation.stack_sets.targets import Place
from local_aws.cloudformation.stack_sets.targets import checked as targets_of
from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", re.ASCII)
_UNIT_NOT_FOUND = "Target organizational unit could not be found"
"""Why an operation fails if it names a unit that does not exist.

Live: a user quotes it, https://github.com/elastic/cloudbeat/issues/2681. The request itself is not refused.
"""


class StackSets:
    """The StackSets of the organization, if there is one."""

    def __init__(self, organization: Organization | None, deployers: Deployers, clock: Clock, switches: Switches) -> None:
        """Begin without StackSets, and follow the accounts of `organization` as they join, move and leave."""
        self._directory = Directory(organization)
        self._operations = StackSetOperations(self._directory, deployers, clock, switches)
        if organization:
            follow = AutomaticDeployment(self._directory, self._operations, switches).follow
            for listeners in (organization.when_joined, organization.when_moved, organization.when_left):
                listeners.append(follow)
        self.operations: dict[str, Answer] = {
            "CreateStackSet": self.create_stack_set,
            "UpdateStackSet": self.update_stack_set,
            "DeleteStackSet": self.delete_stack_set,
            "CreateStackInstances": self.create_stack_instances,
            "UpdateStackInstances": self.update_stack_instances,
            "DeleteStackInstances": self.delete_stack_instances,
            "ActivateOrganizationsAccess": self.activate_organizations_access,
            **Reads(self._directory).operations,
        }

    def close(self) -> None:
        """Drop the operations that have not begun."""
        self._operations.close()

    # Changes

    def create_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a StackSet without stacks."""
        self._directory.check_caller(account_id, params)
        name = params["StackSetName"]
        if params.get("PermissionModel", "SELF_MANAGED") != "SERVICE_MANAGED":
            refuse("The local AWS emulates StackSets whose PermissionModel is SERVICE_MANAGED only.")
        refuse_self_managed(params)
        if "AutoDeployment" not in params:
            refuse("AutoDeployment is required for StackSets with SERVICE_MANAGED permission model.")
        if "StackId" in params:
            refuse("The local AWS does not emulate the import of a stack into a StackSet.")
        if SERVICE_PRINCIPAL not in self._directory.organization.trusted_services:
            refuse("You must enable organizations access to operate a service managed stack set")
        if not _NAME.fullmatch(name):
            pattern = "[a-zA-Z][-a-zA-Z0-9]*"
            constraint = f"Member must satisfy regular expression pattern: {pattern}"
            refuse(f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint: {constraint}")
        if any(known.name == name for known in self._directory.active()):
            raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists")
        template = templates.read(params)
        if template is None:
            refuse("TemplateBody or TemplateURL is required")
        templates.check(template, params)
        self._check_dependencies("", params)
        stack_set = StackSet(f"{name}:{uuid.uuid4()}", name, callers.region(), template, _settings(params))
        self._directory.add(stack_set)
        return {"StackSetId": stack_set.stack_set_id}

    def update_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Change a StackSet and all its stacks, or those of `Accounts` and `Regions` only."""
        stack_set = self._directory.find(account_id, params)
        template = templates.read(params)
        if template is None:
            if not params.get("UsePreviousTemplate"):
                refuse("TemplateBody, TemplateURL or UsePreviousTemplate is required")
            template = stack_set.template
        previous = {parameter["ParameterKey"]: parameter for parameter in stack_set.settings.get("Parameters", [])}
        params = params | {
            "Parameters": [
                previous.get(given["ParameterKey"], given) if given.get("UsePreviousValue") else given
                for given in params.get("Parameters", [])
            ]
        }
        templates.check(template, params)
        refuse_self_managed(params)
        self._check_dependencies(stack_set.arn(self._directory.organization.management_account_id), params)
        places = self._places_to_update(stack_set, params)
        operation = self._operations.make(stack_set, "UPDATE", places, params)
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
        return {"OperationId": self._operations.start(stack_set, operation)}

    def _places_to_update(self, stack_set: StackSet, params: dict[str, Any]) -> dict[Place, str]:
        """Return where an update changes stacks, and the unit of each place: everywhere, or at its targets. Raises AwsError."""
        if "DeploymentTargets" not in params and "Regions" not in params:
            return stack_set.present
        if "DeploymentTargets" not in params or not params.get("Regions"):
            refuse("DeploymentTargets and Regions must be specified together.")
        if "AutoDeployment" in params:
            refuse("AutoDeployment can not be specified together with DeploymentTargets and Regions.")
        return self._present_at(stack_set, params)

    def _present_at(self, stack_set: StackSet, params: dict[str, Any]) -> dict[Place, str]:
        """Return the places of stack instances at the targets of an update. AwsError: it was never deployed there.

        Live: users quote the refusal of a unit that the StackSet was never deployed to,
        https://github.com/hashicorp/terraform-provider-aws/issues/27877.
        """
        targets = targets_of(params, self._directory.organization)
        places = targets.among(stack_set.present, self._directory.organization)
        for unit_id in targets.unit_ids:
            known = {unit_id} & {*stack_set.units, *stack_set.present.values()}
            below = self._directory.organization.accounts_below(unit_id)
            if not known and not any(account_id in below for account_id, _ in places):
                refuse(f"Organizational unit {unit_id} not found in StackSet")
        if not places and targets.filter_type == "INTERSECTION":
            raise AwsError(
                "StackInstanceNotFoundException", f"StackSet {stack_set.name} has no stack instance at these targets"
            )
        return places

    def delete_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a StackSet that no longer has stacks.

        Guess: nothing happens if there is no such StackSet. The API model has no error for that.
        """
        try:
            stack_set = self._directory.find(account_id, params)
        except AwsError as error:
            if error.code == NOT_FOUND:
                return {}
            raise
        self._operations.refuse_parallel(stack_set)
        if stack_set.instances:
            raise AwsError("StackSetNotEmptyException", "StackSet is not empty")
        stack_set.status = "DELETED"
        return {}

    def create_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Deploy a StackSet to further targets. Try again if an earlier attempt failed; skip stacks that are current."""
        stack_set = self._directory.find(account_id, params)
        _refuse_overrides(params)
        targets = targets_of(params, self._directory.organization)
        if targets.accounts and "AccountFilterType" not in params["DeploymentTargets"]:
            refuse("AccountFilterType must be specified with Accounts.")
        if targets.filter_type == "UNION":
            refuse("AccountFilterType UNION is not supported for CreateStackInstances.")
        if not all(map(self._directory.organization.has_parent, targets.unit_ids)):
            operation = self._operations.make(stack_set, "CREATE", {}, params)
            operation.refused = _UNIT_NOT_FOUND
            return {"OperationId": self._operations.start(stack_set, operation)}
        places = {
            place: unit_id
            for place, unit_id in targets.places(self._directory.organization).items()
            if place not in stack_set.instances or stack_set.instances[place].status != "CURRENT"
        }
        operation = self._operations.make(stack_set, "CREATE", places, params)
        for unit_id in targets.unit_ids:
            stack_set.units.setdefault(unit_id, set()).update(targets.regions)
        return {"OperationId": self._operations.start(stack_set, operation)}

    def update_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Update the stacks of targets to the StackSet's template and parameters."""
        stack_set = self._directory.find(account_id, params)
        _refuse_overrides(params)
        operation = self._operations.make(stack_set, "UPDATE", self._present_at(stack_set, params), params)
        return {"OperationId": self._operations.start(stack_set, operation)}

    def delete_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete the stacks of targets.

        Guess: that ends automatic deployment to a unit if the whole unit is deleted, or all of it but accounts that have no
        stack.
        """
        stack_set = self._directory.find(account_id, params)
        targets = targets_of(params, self._directory.organization)
        places = targets.among(stack_set.present, self._directory.organization)
        operation = self._operations.make(stack_set, "DELETE", places, params)
        left = {
            (unit_id, region)
            for (account_id, region), unit_id in stack_set.present.items()
            if (account_id, region) not in places
        }
        for unit_id in targets.unit_ids if targets.filter_type in {"NONE", "DIFFERENCE"} else ():
            ended = {region for region in targets.regions if targets.filter_type == "NONE" or (unit_id, region) not in left}
            stack_set.units[unit_id] = stack_set.units.get(unit_id, set()) - ended
            if not stack_set.units[unit_id]:
                del stack_set.units[unit_id]
        return {"OperationId": self._operations.start(stack_set, operation)}

    def activate_organizations_access(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Enable trusted access for StackSets. Only the management account may."""
        if account_id != self._directory.organization.management_account_id:
            raise AwsError("InvalidOperationException", "Only the management account may activate organizations access.")
        self._directory.organization.trusted_services.add(SERVICE_PRINCIPAL)
        return {}

    # For the resource type AWS::CloudFormation::StackSet, besides the API

    def finished(self, stack_set_id: str, operation_id: str) -> Operation:
        """Wait for the end of an operation."""
        operation = self._directory[stack_set_id].operations[operation_id]
        operation.done.wait()
        return operation

    def settle(self, stack_set_id: str) -> None:
        """Wait until no operation runs, for example an automatic deployment, so that the next one is not refused."""
        for operation in list(self._directory[stack_set_id].operations.values()):
            operation.done.wait()

    def _check_dependencies(self, arn: str, params: dict[str, Any]) -> None:
        """Refuse dependencies that a StackSet, "" for a new one, may not have."""
        depends_on = params.get("AutoDeployment", {}).get("DependsOn", [])
        others = {known: stack_set.depends_on for known, stack_set in self._directory.by_arn().items() if known != arn}
        dependencies.check(arn, depends_on, others)


def _refuse_overrides(params: dict[str, Any]) -> None:
    if params.get("ParameterOverrides"):
        refuse("The local AWS does not emulate ParameterOverrides.")


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    names = ("Description", "Parameters", "Capabilities", "Tags", "AutoDeployment", "ManagedExecution")
    return {name: params[name] for name in names if name in params}
