"""CloudFormation: the resource types that are not emulated fail their stacks, although MiniStack would make some of them.

The list is coverage/cloudformation.yaml. On AWS these types exist, so a template that has them is no malformed one: the
resource fails, and the stack rolls back.
"""

import re
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError
from local_aws.core import ministack_seams

Handlers = dict[str, Callable[..., Any]]
"""What MiniStack calls for a type: "create", "update", "delete", …"""

_PROVISIONERS, _CHANGE_SETS = "ministack.services.cloudformation.provisioners", "ministack.services.cloudformation.changesets"
_TYPE = re.compile(r"(AWS::\w+::\w+|Custom::[\w@-]+)", re.ASCII)
"""Names that AWS may have. MiniStack refuses a template with others, as AWS does."""


def install(listed: Collection[str]) -> None:
    """Let MiniStack make resources of the `listed` types only."""
    known = ministack_seams.module(_PROVISIONERS)._RESOURCE_HANDLERS
    types = _Types({name: handlers for name, handlers in known.items() if name in listed})
    types.refused = frozenset(known) - frozenset(listed)
    for module in (_PROVISIONERS, _CHANGE_SETS):
        ministack_seams.replace(module, "_RESOURCE_HANDLERS", types)


def is_emulated(name: str) -> bool:
    """Tell whether a type is emulated."""
    return name in [*ministack_seams.module(_PROVISIONERS)._RESOURCE_HANDLERS]


def is_refused(name: str) -> bool:
    """Tell whether a type is known to be one of AWS's, and is not emulated."""
    return name in ministack_seams.module(_PROVISIONERS)._RESOURCE_HANDLERS.refused


def not_emulated(name: str) -> str:
    """Say that a type is not emulated."""
    return f"The local AWS does not emulate the resource type {name}."


class _Types(dict[str, Handlers]):
    """MiniStack's table. Iteration finds the listed types. Every other type exists too, but cannot be made."""

    refused: frozenset[str] = frozenset()
    """The types that MiniStack knows and no list has."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and _TYPE.fullmatch(name) is not None)

    def __missing__(self, name: str) -> Handlers:
        if name not in self:
            raise KeyError(name)
        return _refusing(name)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        return super().get(name) or (_refusing(name) if name in self else default)


@cache
def _refusing(name: str) -> Handlers:
    def refuse(*_: object) -> Provisioned:
        raise ResourceFailedError(not_emulated(name))

    def nothing(_: str, __: Properties) -> None:
        """Delete what was never made."""

    return {"create": refuse, "update": refuse, "delete": nothing}
