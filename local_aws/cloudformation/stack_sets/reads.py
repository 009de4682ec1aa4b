"""What StackSets tell: descriptions and lists of StackSets, stack instances and operations."""

from collections.abc import Callable, Sequence
from typing import Any

from local_aws.cloudformation.stack_sets.directory import SERVICE_PRINCIPAL, Directory
from local_aws.cloudformation.stack_sets.stack_set import Instance, Operation, StackSet
from local_aws.cloudformation.stack_sets.targets import Place
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Takes an account id and a request, and answers it. Raises AwsError."""

_LONGEST_PAGE = 100
_PAGES = Pages("ValidationError", "Invalid NextToken")


class Reads:
    """The operations that change nothing."""

    def __init__(self, directory: Directory) -> None:
        """Tell what is in `directory`."""
        self._directory = directory
        self.operations: dict[str, Answer] = {
            "DescribeStackSet": self.describe_stack_set,
            "ListStackSets": self.list_stack_sets,
            "ListStackInstances": self.list_stack_instances,
            "DescribeStackInstance": self.describe_stack_instance,
            "ListStackSetOperations": self.list_stack_set_operations,
            "DescribeStackSetOperation": self.describe_stack_set_operation,
            "ListStackSetOperationResults": self.list_stack_set_operation_results,
            "DescribeOrganizationsAccess": self.describe_organizations_access,
        }

    def describe_stack_set(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a StackSet."""
        stack_set = self._directory.find(account_id, params)
        instances = list(stack_set.instances.items())
        return {
            "StackSet": _summary(stack_set)
            | {
                "TemplateBody": stack_set.template,
                "Parameters": stack_set.settings.get("Parameters", []),
                "Capabilities": stack_set.settings.get("Capabilities", []),
                "Tags": stack_set.settings.get("Tags", []),
                "StackSetARN": stack_set.arn(self._directory.organization.management_account_id),
                "OrganizationalUnitIds": sorted(stack_set.units),
                "Regions": sorted({region for (_, region), _ in instances}),
            }
        }

    def list_stack_sets(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the StackSets, also deleted ones, to a caller who acts for the organization; nobody else sees any."""
        visible = self._directory.is_seen_by(account_id, params)
        status = params.get("Status")
        found = [
            _summary(stack_set) | {"DriftStatus": "NOT_CHECKED"}
            for stack_set in self._directory.in_region()
            if visible and status in {None, stack_set.status}
        ]
        return _listed(found, params)

    def list_stack_instances(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the stack instances of a StackSet."""
        stack_set = self._directory.find(account_id, params)
        found = [_instance(stack_set, place, instance) for place, instance in sorted(stack_set.instances.items())]
        for key, name in (("StackInstanceAccount", "Account"), ("StackInstanceRegion", "Region")):
            if key in params:
                found = [instance for instance in found if instance[name] == params[key]]
        for wanted in params.get("Filters", []):
            found = [instance for instance in found if _filtered(instance, wanted["Name"]) == wanted["Values"]]
        return _listed(found, params)

    def describe_stack_instance(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a stack instance."""
        stack_set = self._directory.find(account_id, params)
        place = params["StackInstanceAccount"], params["StackInstanceRegion"]
        if place not in stack_set.instances:
            message = f"Stack instance for stack set {stack_set.name}, account {place[0]} and Region {place[1]} not found"
            raise AwsError("StackInstanceNotFoundException", message)
        return {"StackInstance": _instance(stack_set, place, stack_set.instances[place])}

    def list_stack_set_operations(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the operations on a StackSet, the last one first."""
        operations = reversed(self._directory.find(account_id, params).operations.values())
        return _listed([_operation(operation) for operation in operations], params)

    def describe_stack_set_operation(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe an operation on a StackSet."""
        stack_set = self._directory.find(account_id, params)
        operation = _operation_of(stack_set, params["OperationId"])
        described = _operation(operation) | {"StackSetId": stack_set.stack_set_id}
        if operation.action == "DELETE":
            described["RetainStacks"] = operation.retain_stacks
        if operation.targets:
            described["DeploymentTargets"] = operation.targets
        return {"StackSetOperation": described}

    def list_stack_set_operation_results(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List what an operation did in each account and Region."""
        operation = _operation_of(self._directory.find(account_id, params), params["OperationId"])
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
        self._directory.check_caller(account_id, params)
        return {"Status": "ENABLED" if SERVICE_PRINCIPAL in self._directory.organization.trusted_services else "DISABLED"}


def _summary(stack_set: StackSet) -> dict[str, Any]:
    described = {"Description": stack_set.settings["Description"]} if "Description" in stack_set.settings else {}
    return described | {
        "StackSetName": stack_set.name,
        "StackSetId": stack_set.stack_set_id,
        "Status": stack_set.status,
        "PermissionModel": "SERVICE_MANAGED",
        "AutoDeployment": stack_set.auto_deployment,
        "ManagedExecution": {"Active": False, **stack_set.settings.get("ManagedExecution", {})},
    }


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
