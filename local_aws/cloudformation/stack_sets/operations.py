"""How an operation on a StackSet goes through its accounts: in which order, how many at a time, and until how many failed.

One thread runs one operation after the other with an event loop of its own, because MiniStack works on a stack in the event
loop of the request.

A suspended account is skipped (API model, StackInstanceComprehensiveStatus). Guess: the operation does not count that as a
failure, and forgets a stack that it had to delete. A user saw updates fail there in 2022, and a switch lets them do so:
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/981.
"""

import asyncio
import logging
import uuid
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from local_aws.authorization.deployers import Deployers
from local_aws.cloudformation.stack_sets.directory import Directory
from local_aws.cloudformation.stack_sets.member_stacks import MemberStacks, execution_role
from local_aws.cloudformation.stack_sets.refusals import refuse
from local_aws.cloudformation.stack_sets.stack_set import Instance, Operation, Outcome, StackSet
from local_aws.cloudformation.stack_sets.targets import Place
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches

_CANCELLED = "Cancelled since failure tolerance has exceeded"
_SKIPPED = "SKIPPED_SUSPENDED_ACCOUNT"

_log = logging.getLogger(__name__)


class StackSetOperations:
    """The operations on StackSets, one after the other."""

    def __init__(self, directory: Directory, deployers: Deployers, clock: Clock, switches: Switches) -> None:
        """Make the stacks of what is in `directory` as `deployers`."""
        self._directory = directory
        self._deployers = deployers
        self._clock = clock
        self._switches = switches
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="stack-sets")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._stacks = MemberStacks(deployers)

    def close(self) -> None:
        """Drop the operations that have not begun."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def make(
        self, stack_set: StackSet, action: str, places: dict[Place, str], params: dict[str, Any], *, automatic: bool = False
    ) -> Operation:
        """Make an operation. AwsError: another one runs, and this one is not automatic, so it cannot wait."""
        preferences = params.get("OperationPreferences", {})
        for what in ("FailureTolerance", "MaxConcurrent"):
            if {f"{what}Count", f"{what}Percentage"} <= preferences.keys():
                refuse(f"Only one of {what}Count and {what}Percentage may be specified.")
        if not automatic:
            self.refuse_parallel(stack_set)
        operation_id = params.get("OperationId") or str(uuid.uuid4())
        if operation_id in stack_set.operations:
            raise AwsError("OperationIdAlreadyExistsException", f"Operation {operation_id} already exists")
        outcomes = {place: Outcome(unit_id) for place, unit_id in places.items()}
        retain = bool(params.get("RetainStacks", False))
        targets = params.get("DeploymentTargets", {})
        return Operation(operation_id, action, preferences, outcomes, retain, self._clock.now(), targets)

    def refuse_parallel(self, stack_set: StackSet) -> None:
        """Refuse a second operation. With managed execution AWS lets it wait instead.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ManagedExecution.html
        """
        running = [operation.operation_id for operation in stack_set.operations.values() if not operation.done.is_set()]
        if running and not stack_set.settings.get("ManagedExecution", {}).get("Active"):
            arn = stack_set.arn(self._directory.organization.management_account_id)
            raise AwsError("OperationInProgressException", f"Another Operation on StackSet {arn} is in progress: {running[0]}")

    def start(self, stack_set: StackSet, operation: Operation) -> str:
        """Begin an operation, and return its id."""
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
        except Exception as error:  # noqa: BLE001 - a thread's last resort: the waiting thread has to hear of it
            _log.exception("StackSet operation %s broke", operation.operation_id)
            within_tolerance, operation.reason = False, f"Internal failure: {error}"
        operation.status = "SUCCEEDED" if within_tolerance else "FAILED"
        operation.ended = self._clock.now()
        operation.done.set()

    async def _carry_out(self, stack_set: StackSet, operation: Operation) -> bool:
        """Work through the places Region by Region, and return whether the failures stayed within the tolerance."""
        if operation.refused:
            operation.reason = operation.refused
            return False
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
        outcome = operation.outcomes[place]
        if operation.action == "CREATE":
            stack_set.instances.setdefault(place, Instance(outcome.unit_id, operation.operation_id))
        if place not in stack_set.instances:  # an operation before this one has deleted it
            outcome.status = "SUCCEEDED"
            return True
        instance = stack_set.instances[place]
        fails = self._switches.is_on("fail-in-suspended-accounts")
        if self._directory.organization.is_shut(place[0]) and not (fails and place[0] in self._directory.organization.parents):
            return _skip(stack_set, operation, place)
        outcome.status = instance.detailed_status = "RUNNING"
        role = execution_role(self._directory.organization, place[0])
        reason: str | None
        with self._responses.request_scope(*place), self._deployers.acting_as(role, operation.operation_id):
            if self._directory.organization.is_shut(place[0]):
                reason = f"Account {place[0]} is suspended: nobody can assume its role {role}."
            elif operation.action == "DELETE":
                reason = None if operation.retain_stacks else await self._stacks.delete(instance.stack_id)
            elif place[0] in self._directory.organization.parents:
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
