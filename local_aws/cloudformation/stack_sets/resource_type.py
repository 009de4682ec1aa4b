"""The resource type AWS::CloudFormation::StackSet.

Source: AWS's handler of the type, which calls the API of StackSets:
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-cloudformation, aws-cloudformation-stackset: the
operations of an update and their order (UpdateHandler), how it compares the targets (AltResourceModelAnalyzer and
InstancesAnalyzer), and the reason of a failure (BaseHandlerStd). Left out: operations that differ by Region only may be fewer.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.cloudformation.resources import (
    FailedOnceMadeError,
    Properties,
    Provisioned,
    ResourceFailedError,
    Service,
    handler_said,
)
from local_aws.cloudformation.stack_sets.service import StackSets
from local_aws.cloudformation.stack_sets.targets import AccountFilter, Targets
from local_aws.core.models import AwsError

STACK_SET = "AWS::CloudFormation::StackSet"

_LONGEST_REASON = 850
_Instances = dict[str, Any]
"""An entry of StackInstancesGroup, which is also what the operations on stack instances take."""


class StackSetType:
    """AWS::CloudFormation::StackSet with service-managed permissions."""

    def __init__(self, stack_sets: StackSets) -> None:
        """Keep StackSets in `stack_sets`."""
        self._call = Service("cloudformation", stack_sets, _as_handler_says)
        self._stack_sets = stack_sets
        self._attempted: dict[str, list[_Instances]] = {}
        """The new targets of updates that failed, by StackSet."""

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Create it and deploy it to its targets, and wait for the end."""
        self._check(properties)
        stack_set_id = self._call("CreateStackSet", _stack_set(properties))["StackSetId"]
        try:
            self._run_each("CreateStackInstances", stack_set_id, properties, _group(properties))
        except ResourceFailedError as error:
            raise FailedOnceMadeError(str(error), (stack_set_id, {"StackSetId": stack_set_id})) from error
        return stack_set_id, {"StackSetId": stack_set_id}

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Delete the stacks of former targets, change it and its stacks, and deploy to new targets.

        A template in S3 always changes it, since nobody compares the content.
        """
        self._check(properties)
        settings = _stack_set(properties)
        self._attempted.setdefault(physical_id, []).extend(_group(properties))
        changes = _changes(_group(old), _group(properties))
        self._run_each("DeleteStackInstances", physical_id, properties, _deletions(changes.delete))
        if settings != _stack_set(old) or "TemplateURL" in settings:
            self._run("UpdateStackSet", physical_id, properties, settings)
        self._run_each("CreateStackInstances", physical_id, properties, changes.create)
        self._run_each("UpdateStackInstances", physical_id, properties, changes.update)
        del self._attempted[physical_id]
        return physical_id, {"StackSetId": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete its stacks, and then itself, if it is still there. Stacks outside its targets keep it.

        Guess: the targets of an update that failed count too.
        """
        caller = _caller(properties)
        existing = self._call("ListStackSets", {"Status": "ACTIVE", **caller})["Summaries"]
        if all(stack_set["StackSetId"] != physical_id for stack_set in existing):
            return
        targets = [*_group(properties), *self._attempted.pop(physical_id, [])]
        self._run_each("DeleteStackInstances", physical_id, properties, _deletions(targets))
        self._stack_sets.settle(physical_id)
        self._call("DeleteStackSet", {"StackSetName": physical_id, **caller})

    def _check(self, properties: Properties) -> None:
        """Check the targets by the API model, before anything is made. Raises ResourceFailedError."""
        for instances in _group(properties):
            self._call.check("CreateStackInstances", {"StackSetName": "checked", **instances})

    def _run_each(self, operation: str, stack_set_id: str, properties: Properties, group: Iterable[_Instances]) -> None:
        for instances in group:
            self._run(operation, stack_set_id, properties, instances)

    def _run(self, operation: str, stack_set_id: str, properties: Properties, params: Mapping[str, Any]) -> None:
        """Run an operation to its end, after those that run already. Raises ResourceFailedError."""
        self._stack_sets.settle(stack_set_id)
        which = {"StackSetName": stack_set_id, "OperationPreferences": _preferences(properties), **_caller(properties)}
        operation_id = self._call(operation, {**params, **which})["OperationId"]
        ended = self._stack_sets.finished(stack_set_id, operation_id)
        if ended.status != "SUCCEEDED":
            reasons = [ended.reason] if ended.reason else sorted(set(ended.failures.values()))
            said = f"Stack set operation [{operation_id}] was unexpectedly stopped or failed. status reason(s):"
            said += "".join(f" [{reason}]" for reason in reasons)
            if len(said) > _LONGEST_REASON:
                said = f"{said[:_LONGEST_REASON]}... Use list-stack-set-operation-results for more information."
            message = f"Resource of type '{said}' with identifier '{stack_set_id}' did not stabilize."
            raise ResourceFailedError(handler_said(message, "NotStabilized"))


@dataclass
class _Changes:
    """The entries whose stacks an update deletes, creates, and updates in any case."""

    delete: list[_Instances] = field(default_factory=list)
    create: list[_Instances] = field(default_factory=list)
    update: list[_Instances] = field(default_factory=list)


def _changes(old: Iterable[_Instances], new: Iterable[_Instances]) -> _Changes:
    """Compare the targets of a StackSet, and not where stacks are.

    Without account filters, all new units come into one operation.  With them each unit has operations of its own, and so a
    failure tolerance of its own; and the stacks of units that stay are updated once more.
    """
    before, after = _filters(old), _filters(new)
    filtered = any("AccountFilterType" in entry["DeploymentTargets"] for entry in [*old, *new])
    gone = {key: accounts & ~after.get(key, _NOBODY) for key, accounts in before.items()}
    come = {key: accounts & ~before.get(key, _NOBODY) for key, accounts in after.items()}
    if not filtered:
        return _Changes(_by_region(gone), _by_region(come))
    stay = {key: accounts & before[key] for key, accounts in after.items() if key in before}
    return _Changes(_by_unit(gone), _by_unit(come), _by_unit(stay))


_Key = tuple[str, str]
"""A unit and a Region."""
_NOBODY = ~AccountFilter()


def _filters(group: Iterable[_Instances]) -> dict[_Key, AccountFilter]:
    """Return which accounts of each unit and Region are targets."""
    filters: dict[_Key, AccountFilter] = {}
    for targets in map(Targets.of, group):
        for unit_id in targets.unit_ids:
            for region in targets.regions:
                filters[unit_id, region] = filters.get((unit_id, region), _NOBODY) | targets.filter
    return filters


def _by_unit(filters: Mapping[_Key, AccountFilter]) -> list[_Instances]:
    return [
        {"DeploymentTargets": {"OrganizationalUnitIds": [unit_id], **_filter(accounts)}, "Regions": [region]}
        for (unit_id, region), accounts in filters.items()
        if accounts
    ]


def _filter(accounts: AccountFilter) -> dict[str, Any]:
    if not accounts.accounts:
        return {"AccountFilterType": "NONE"}
    return {
        "AccountFilterType": "DIFFERENCE" if accounts.excludes else "INTERSECTION",
        "Accounts": sorted(accounts.accounts),
    }


def _by_region(filters: Mapping[_Key, AccountFilter]) -> list[_Instances]:
    units: dict[str, list[str]] = {}
    for (unit_id, region), accounts in filters.items():
        if accounts:
            units.setdefault(region, []).append(unit_id)
    return [
        {"DeploymentTargets": {"OrganizationalUnitIds": unit_ids}, "Regions": [region]} for region, unit_ids in units.items()
    ]


def _stack_set(properties: Properties) -> dict[str, Any]:
    """Make the parameters of CreateStackSet."""
    return {key: value for key, value in properties.items() if key not in {"StackInstancesGroup", "OperationPreferences"}}


def _group(properties: Properties) -> list[_Instances]:
    return [dict(instances) for instances in properties.get("StackInstancesGroup", [])]


def _deletions(group: Iterable[_Instances]) -> list[_Instances]:
    return [{**instances, "RetainStacks": False} for instances in group]


def _preferences(properties: Properties) -> dict[str, Any]:
    given = properties.get("OperationPreferences", {})
    return {key: int(value) if key.endswith(("Count", "Percentage")) else value for key, value in given.items()}


def _caller(properties: Properties) -> dict[str, str]:
    return {"CallAs": properties.get("CallAs", "SELF")}


def _as_handler_says(_: str, error: AwsError) -> str:
    """Word a refusal of the API. Live: users quote this, https://github.com/aws/aws-sam-cli/issues/3872; it has no code."""
    request = f"Service: CloudFormation, Status Code: 400, Request ID: {uuid.uuid4()}"
    return handler_said(f"{error.message} ({request})", "InvalidRequest")
