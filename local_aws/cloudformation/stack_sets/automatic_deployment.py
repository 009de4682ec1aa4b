"""Automatic deployment: stacks follow accounts as they join, move and leave.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-manage-auto-deployment.html and API model,
AutoDeployment.  So an account filter does not count here: an account that comes into a targeted unit gets a stack, even if the
deployment to the unit excludes it.  The preferences of operations do not count either (API model,
StackSetOperationPreferences).

Guess: if an account was already below a targeted unit, and no deployment reached it there, a move below it changes nothing.  No
source says what happens to an account's stack if the account moves between two units that one StackSet targets. Here it stays,
and then belongs to the other unit; a switch deletes and recreates it.
"""

from collections.abc import Iterable

from local_aws.cloudformation.stack_sets import dependencies
from local_aws.cloudformation.stack_sets.directory import Directory
from local_aws.cloudformation.stack_sets.operations import StackSetOperations
from local_aws.cloudformation.stack_sets.stack_set import Operation, StackSet
from local_aws.cloudformation.stack_sets.targets import Place
from local_aws.core.switches import Switches


class AutomaticDeployment:
    """The automatic deployments of the organization's StackSets."""

    def __init__(self, directory: Directory, operations: StackSetOperations, switches: Switches) -> None:
        """Deploy what is in `directory` through `operations`, and remember where the accounts are."""
        self._directory = directory
        self._operations = operations
        self._switches = switches
        organization = directory.organization
        self._lines = {account_id: organization.line(parent) for account_id, parent in organization.parents.items()}

    def follow(self, account_id: str) -> None:
        """Deploy to an account that has come into a targeted unit, and delete from one that has gone out.

        What a StackSet depends on comes first, and has to succeed.
        """
        organization = self._directory.organization
        before = self._lines.pop(account_id, [])
        after = organization.line(organization.parents[account_id]) if account_id in organization.parents else []
        if after:
            self._lines[account_id] = after
        if account_id == organization.management_account_id:
            return
        by_arn = self._directory.by_arn()
        started: dict[str, list[Operation]] = {}
        for arn in dependencies.in_order({arn: stack_set.depends_on for arn, stack_set in by_arn.items()}):
            stack_set = by_arn[arn]
            if not stack_set.auto_deployment["Enabled"]:
                continue
            retain = {"RetainStacks": stack_set.auto_deployment["RetainStacksOnAccountRemoval"]}
            for action, places in self._changes(stack_set, account_id, before, after):
                operation = self._operations.make(stack_set, action, places, retain, automatic=True)
                operation.after = tuple(each for other in stack_set.depends_on for each in started.get(other, []))
                self._operations.start(stack_set, operation)
                started.setdefault(arn, []).append(operation)

    def _changes(
        self, stack_set: StackSet, account_id: str, before: Iterable[str], after: Iterable[str]
    ) -> Iterable[tuple[str, dict[Place, str]]]:
        """Return the operations that a StackSet needs now that an account is below the units `after`, no longer `before`."""
        delete: dict[Place, str] = {}
        create: dict[Place, str] = {}
        places = {(account_id, region) for regions in stack_set.units.values() for region in regions}
        for place in sorted(places | {place for place in stack_set.instances if place[0] == account_id}):
            of_region = [unit_id for unit_id, regions in stack_set.units.items() if place[1] in regions]
            now = [unit_id for unit_id in of_region if unit_id in after]
            instance = stack_set.instances.get(place)
            if instance is None:
                if set(now) - set(before):
                    create[place] = now[0]
            elif not now:
                delete[place] = instance.unit_id
            elif instance.unit_id not in now:
                if self._switches.is_on("recreate-stacks-between-units"):
                    delete[place], create[place] = instance.unit_id, now[0]
                else:
                    instance.unit_id = now[0]
        return [(action, places) for action, places in (("DELETE", delete), ("CREATE", create)) if places]
