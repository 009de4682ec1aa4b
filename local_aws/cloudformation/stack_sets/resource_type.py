"""The resource type AWS::CloudFormation::StackSet."""

from collections.abc import Iterable
from typing import Any

from local_aws.cloudformation.resources import FailedOnceMadeError, Properties, Provisioned, ResourceFailedError, Service
from local_aws.cloudformation.stack_sets.service import StackSets
from local_aws.cloudformation.stack_sets.targets import Targets

STACK_SET = "AWS::CloudFormation::StackSet"


class StackSetType:
    """AWS::CloudFormation::StackSet with service-managed permissions."""

    def __init__(self, stack_sets: StackSets) -> None:
        """Keep StackSets in `stack_sets`."""
        self._call = Service("cloudformation", stack_sets)
        self._stack_sets = stack_sets

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Create it and deploy it to its targets, and wait for the end."""
        stack_set_id = self._call("CreateStackSet", _stack_set(properties))["StackSetId"]
        try:
            self._deploy(stack_set_id, properties)
        except ResourceFailedError as error:
            raise FailedOnceMadeError(str(error), (stack_set_id, {"StackSetId": stack_set_id})) from error
        return stack_set_id, {"StackSetId": stack_set_id}

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Change it and its stacks, delete the stacks of former targets, and deploy to new ones."""
        settings = _stack_set(properties)
        self._stack_sets.settle(physical_id)
        if settings != _stack_set(old):
            self._run("UpdateStackSet", physical_id, properties, {**settings, "StackSetName": physical_id})
        targets = [Targets.of(instances) for instances in _instances(properties)]
        self._finish(physical_id, self._stack_sets.keep_only(physical_id, targets, _preferences(properties)))
        self._deploy(physical_id, properties)
        return physical_id, {"StackSetId": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete its stacks, and then itself, if it is still there."""
        caller = _caller(properties)
        existing = self._call("ListStackSets", {"Status": "ACTIVE", **caller})["Summaries"]
        if all(stack_set["StackSetId"] != physical_id for stack_set in existing):
            return
        self._stack_sets.settle(physical_id)
        self._finish(physical_id, self._stack_sets.keep_only(physical_id, [], _preferences(properties)))
        self._call("DeleteStackSet", {"StackSetName": physical_id, **caller})

    def _deploy(self, stack_set_id: str, properties: Properties) -> None:
        for instances in _instances(properties):
            self._run("CreateStackInstances", stack_set_id, properties, {"StackSetName": stack_set_id, **instances})

    def _run(self, operation: str, stack_set_id: str, properties: Properties, params: dict[str, Any]) -> None:
        params |= {"OperationPreferences": _preferences(properties), **_caller(properties)}
        self._finish(stack_set_id, self._call(operation, params)["OperationId"])

    def _finish(self, stack_set_id: str, operation_id: str) -> None:
        operation = self._stack_sets.finished(stack_set_id, operation_id)
        if operation.status != "SUCCEEDED":
            reasons = [f"[{operation.reason}]"] if operation.reason else []
            reasons += [f"[Account {account}, {region}: {why}]" for (account, region), why in operation.failures.items()]
            message = (
                f"Operation [{operation_id}] on StackSet [{stack_set_id}] was unexpectedly stopped or failed. "
                f"Status reason(s): {', '.join(reasons)}"
            )
            raise ResourceFailedError(message)


def _stack_set(properties: Properties) -> dict[str, Any]:
    """Make the parameters of CreateStackSet."""
    return {key: value for key, value in properties.items() if key not in {"StackInstancesGroup", "OperationPreferences"}}


def _instances(properties: Properties) -> Iterable[dict[str, Any]]:
    return [dict(instances) for instances in properties.get("StackInstancesGroup", [])]


def _preferences(properties: Properties) -> dict[str, Any]:
    given = properties.get("OperationPreferences", {})
    return {key: int(value) if key.endswith(("Count", "Percentage")) else value for key, value in given.items()}


def _caller(properties: Properties) -> dict[str, str]:
    return {"CallAs": properties.get("CallAs", "SELF")}
