"""CloudFormation while rollback is disabled: it replaces no resource, and it updates what failed without rollback only.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html (immutable updates are not
supported); users quote both messages (aws/aws-cdk#30546, aws/aws-cli#6368).
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations

_MODULES = ("ministack.services.cloudformation.handlers", "ministack.services.cloudformation.changesets")
"""Where MiniStack begins an operation on a stack."""

_replaces_nothing: ContextVar[bool] = ContextVar("replaces_nothing", default=False)
"""Whether the operation under way is an update without rollback."""


class ReplacementRefusedError(ValueError):
    """An update would replace a resource. MiniStack fails the resource with the message."""


def install() -> None:
    """Let MiniStack fail a resource that an update without rollback would replace."""
    stacks = ministack_seams.module("ministack.services.cloudformation.stacks")
    update, replaces = stacks._update_keeping_seed, stacks._replacing_change

    def update_unless_replaced(resource_type: str, physical_id: str, old: Any, new: Any, *others: Any) -> Any:  # noqa: ANN401 - MiniStack's
        if _replaces_nothing.get() and replaces(resource_type, old, new):
            message = "Replacement type updates not supported on stack with disable-rollback."
            raise ReplacementRefusedError(message)
        return update(resource_type, physical_id, old, new, *others)

    ministack_seams.replace("ministack.services.cloudformation.stacks", "_update_keeping_seed", update_unless_replaced)
    for module in _MODULES:
        ministack_seams.replace(module, "_deploy_stack_async", _noting(ministack_seams.module(module)._deploy_stack_async))


def _noting(deploy: Callable[..., Any]) -> Callable[..., Any]:
    """Let MiniStack's deployment of a stack know whether it may replace resources."""

    async def deploy_noting_rollback(
        name: str,
        stack_id: str,
        template: object,
        parameters: object,
        disable_rollback: object,
        *others: object,
        **settings: Any,  # noqa: ANN401 - MiniStack's
    ) -> None:
        _replaces_nothing.set(bool(disable_rollback and settings.get("is_update")))
        await deploy(name, stack_id, template, parameters, disable_rollback, *others, **settings)

    return deploy_noting_rollback


def refuse_rollback_of_failed(stack_name: str, *, disable_rollback: bool) -> None:
    """Raise AwsError if a stack has failed without rollback, and an update of it would roll back."""
    stack = ministack_seams.module("ministack.services.cloudformation.handlers")._resolve_stack(stack_name)
    status = stack["StackStatus"] if stack else ""
    if status in {"CREATE_FAILED", "UPDATE_FAILED"} and not disable_rollback:
        message = (
            f"This stack is currently in a non-terminal [{status}] state. To update the stack from this state, please use the "
            "disable-rollback parameter with update-stack API. To rollback to the last known good state, use the "
            "rollback-stack API"
        )
        raise AwsError("ValidationError", message)


def _execute_change_set(_: str, params: dict[str, Any]) -> None:
    find = ministack_seams.module("ministack.services.cloudformation.changesets")._find_change_set
    _, change_set = find(params["ChangeSetName"], params.get("StackName", ""))
    if change_set is not None:
        refuse_rollback_of_failed(change_set["StackName"], disable_rollback=params.get("DisableRollback", False))


OPERATIONS: Operations = {
    "ExecuteChangeSet": _execute_change_set,
}
"""What is checked before MiniStack answers."""
