"""Automatic deployment: stacks follow accounts as they join, move and leave."""

from typing import TYPE_CHECKING

from local_aws.cloudformation.stack_sets import dependencies
from local_aws.cloudformation.stack_sets.directory import Directory
from local_aws.cloudformation.stack_sets.operations import Operations

if TYPE_CHECKING:
    from local_aws.cloudformation.stack_sets.stack_set import Operation


class AutomaticDeployment:
    """The automatic deployments of the organization's StackSets."""

    def __init__(self, directory: Directory, operations: Operations) -> None:
        """Deploy what is in `directory` through `operations`."""
        self._directory = directory
        self._operations = operations

    def follow(self, account_id: str) -> None:
        """Deploy to an account that the targets now include, and delete from one that they no longer include.

        What a StackSet depends on comes first, and has to succeed.
        """
        by_arn = self._directory.by_arn()
        started: dict[str, list[Operation]] = {}
        for arn in dependencies.in_order({arn: stack_set.depends_on for arn, stack_set in by_arn.items()}):
            stack_set = by_arn[arn]
            if not stack_set.auto_deployment["Enabled"]:
                continue
            wanted = {
                place: unit for place, unit in stack_set.wanted(self._directory.organization).items() if place[0] == account_id
            }
            present = {place: known.unit_id for place, known in stack_set.instances.items() if place[0] == account_id}
            for place in wanted.keys() & present.keys():
                stack_set.instances[place].unit_id = wanted[place]
            retain = {"RetainStacks": stack_set.auto_deployment["RetainStacksOnAccountRemoval"]}
            for action, places in (
                ("DELETE", {place: unit for place, unit in present.items() if place not in wanted}),
                ("CREATE", {place: unit for place, unit in wanted.items() if place not in present}),
            ):
                if places:
                    operation = self._operations.make(stack_set, action, places, retain, automatic=True)
                    operation.after = tuple(each for other in stack_set.depends_on for each in started.get(other, []))
                    self._operations.start(stack_set, operation)
                    started.setdefault(arn, []).append(operation)
