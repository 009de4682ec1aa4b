"""CloudFormation's ids of operations on stacks: answers have them, and the events of each operation. MiniStack lacks them.

Source: API model, cloudformation, OperationId of CreateStack, UpdateStack, RollbackStack and StackEvent.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.errors import Answer

_SERVICE = "ministack.services.cloudformation"
_HANDLERS = f"{_SERVICE}.handlers"
_RECORDING = (f"{_SERVICE}.stacks", f"{_SERVICE}.handlers", f"{_SERVICE}.changesets")
"""Where MiniStack records events. Its other modules take `_add_event` from the first when they need it."""
_OPERATIONS = ("CreateStack", "UpdateStack", "RollbackStack", "DeleteStack", "ExecuteChangeSet")

_current: ContextVar[str] = ContextVar("operation_id", default="")
"""The id of the operation under way. What MiniStack does for it in the background has it too. "" outside of an operation."""


def install() -> None:
    """Let MiniStack give ids to operations."""
    table = ministack_seams.module(_HANDLERS)._ACTION_HANDLERS
    for name in _OPERATIONS:
        table[name] = _with_id(name, table[name])
    for module in _RECORDING:
        ministack_seams.replace(module, "_add_event", _noting(ministack_seams.module(module)._add_event))
    make = ministack_seams.module(_RECORDING[0])._operation_event
    ministack_seams.replace(
        _RECORDING[0],
        "_operation_event",
        lambda stack_id, own_id, *event, **members: make(stack_id, _current.get() or own_id, *event, **members),
    )


def _with_id(name: str, operate: Callable[..., Answer]) -> Callable[..., Answer]:
    end = f"</StackId></{name}Result>".encode()

    def operate_with_id(params: Mapping[str, Sequence[str]]) -> Answer:
        operation_id = str(uuid.uuid4())
        token = _current.set(operation_id)
        try:
            status, headers, body = operate(params)
        finally:
            _current.reset(token)
        member = f"</StackId><OperationId>{operation_id}</OperationId></{name}Result>".encode()
        return status, headers, body.replace(end, member)

    return operate_with_id


def _noting(record: Callable[..., None]) -> Callable[..., None]:
    """Let an event that MiniStack records have the id of the operation."""
    events = ministack_seams.module(_SERVICE)._stack_events

    def record_with_id(stack_id: str, *event: Any, **members: Any) -> None:  # noqa: ANN401 - MiniStack's
        record(stack_id, *event, **members)
        if operation_id := _current.get():
            events[stack_id][-1]["OperationId"] = operation_id

    return record_with_id
