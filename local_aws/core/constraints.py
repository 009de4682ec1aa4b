"""Tell which constraints of an API model a request breaks, in AWS's words.

Source: botocore's models. No page documents the wording of refusals: it is that of real answers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


@dataclass(frozen=True)
class Violation:
    """A constraint of the model that a request breaks.

    `kind` is a key of _REASONS, `path` is AWS's (evaluations.1.member.annotation), `shape` is the model's name of what is
    wrong, and `clause` says it as most services do.
    """

    kind: str
    path: str
    shape: str
    clause: str


def broken(shape: Shape, value: Any, path: str = "") -> Iterator[Violation]:  # noqa: ANN401 - as botocore takes it
    """Name each constraint that `value`, or a value below it, breaks; `path` is AWS's: evaluations.1.member.annotation."""
    for kind, constraint, holds in _constraints(shape):
        if not holds(value):
            yield Violation(kind, path, shape.name, _clause(shape, value, path, constraint))
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            inner = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
            if value.get(name) is not None:
                yield from broken(member, value[name], inner)
            elif name in shape.required_members:
                clause = f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"
                yield Violation("required", inner, member.name, clause)
    yield from _broken_items(shape, value, path)


def _broken_items(shape: Shape, value: Any, path: str) -> Iterator[Violation]:  # noqa: ANN401 - as botocore takes it
    for subject, item_shape, items in _collections(shape, value):
        if isinstance(item_shape, StructureShape | ListShape | MapShape):
            for place, item in items.items():
                yield from broken(item_shape, item, f"{path}.{place}.member")
        elif any(any(broken(item_shape, item, path)) for item in items.values()):
            # For scalars AWS names the collection instead of the item, and all constraints of an item.
            constraints = ", ".join(constraint for _, constraint, _ in _constraints(item_shape))
            clause = _clause(shape, value, path, f"{subject} must satisfy constraint: [{constraints}]")
            yield Violation("list member", path, item_shape.name, clause)


def _collections(shape: Shape, value: Any) -> list[tuple[str, Shape, dict[Any, Any]]]:  # noqa: ANN401 - as botocore takes it
    """Return the parts of a list or map: AWS's word for the items, their shape, and the items by their place."""
    if isinstance(shape, ListShape):
        return [("Member", shape.member, dict(enumerate(value, 1)))]
    if isinstance(shape, MapShape):
        return [("Map keys", shape.key, {key: key for key in value}), ("Map value", shape.value, value)]
    return []


def _constraints(shape: Shape) -> list[tuple[str, str, Callable[[Any], bool]]]:
    """Return the constraints of a shape: the kind of each, its wording, and what tells whether a value keeps it."""
    limits = shape.metadata
    numeric = shape.type_name in {"integer", "long"}
    measure: Callable[[Any], int] = int if numeric else len
    what = "value" if numeric else "length"
    found: list[tuple[str, str, Callable[[Any], bool]]] = []
    if "max" in limits:
        text = f"Member must have {what} less than or equal to {limits['max']}"
        found.append((f"max {what}", text, lambda value: measure(value) <= limits["max"]))
    if "min" in limits:
        text = f"Member must have {what} greater than or equal to {limits['min']}"
        found.append((f"min {what}", text, lambda value: measure(value) >= limits["min"]))
    if "pattern" in limits:
        pattern = compile_pattern(limits["pattern"])
        text = f"Member must satisfy regular expression pattern: {limits['pattern']}"
        found.append(("pattern", text, lambda value: pattern.fullmatch(value) is not None))
    if "enum" in limits:
        text = f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        found.append(("enum", text, lambda value: value in limits["enum"]))
    return found


_REASONS: Mapping[str, tuple[str, str]] = {
    "required": ("INPUT_REQUIRED", "You must provide a value for the parameter."),
    "pattern": ("INVALID_PATTERN", "You provided a value that does not match the required pattern."),
    "enum": ("INVALID_ENUM", "You specified an invalid value."),
    "max length": ("MAX_LENGTH_EXCEEDED", "You provided a string that exceeds that maximum length."),
    "min length": ("MIN_LENGTH_EXCEEDED", "You provided a string parameter that is shorter than allowed."),
    "max value": ("MAX_VALUE_EXCEEDED", "You provided a numeric parameter that has a larger value than allowed."),
    "min value": ("MIN_VALUE_EXCEEDED", "You provided a numeric parameter that has a smaller value than allowed."),
    "list member": ("INVALID_LIST_MEMBER", "You provided a list to a parameter that contains at least one invalid value."),
}
"""The reason of an InvalidInputException of Organizations, and its message.

Real answers have all reasons but the last one, and the messages of the first four:
https://github.com/radkawar/stackd, testdata/aws/iam, organizations_inputs.json and organizations_handshakes.json. The other
messages are those of the model's documentation.
"""

_REASONS_OF_SHAPES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("PolicyTargetId", "pattern"): (
        "INVALID_PATTERN_TARGET_ID",
        "You specified a policy target ID that doesn't match the required pattern.",
    ),
    ("PolicyType", "enum"): ("INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type."),
}
"""Reasons that name no member. Real answers have the second; the first relies on the model."""


def reason(violation: Violation) -> tuple[str, str]:
    """Return reason and message of Organizations' refusal. The reason names constraint and member: MAX_LENGTH_EXCEEDED:NAME."""
    reason, message = _REASONS[violation.kind]
    member = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", violation.path).replace(".", "_").upper()
    return _REASONS_OF_SHAPES.get((violation.shape, violation.kind), (f"{reason}:{member}", message))


@cache
def compile_pattern(java: str) -> re.Pattern[str]:
    r"""Compile a Java pattern: classes are ASCII, \p{…} exists, and a hyphen after a class is a hyphen."""
    python = re.sub(r"\\([dsw])-", r"\\\1\\-", java)
    for category, class_ in (("L", r"\w"), ("N", r"\d"), ("Z", r"\s")):
        python = python.replace(f"\\p{{{category}}}", class_)
    return re.compile(python, re.UNICODE if r"\p{" in java else re.ASCII)


def _clause(shape: Shape, value: object, path: str, constraint: str) -> str:
    shown = "Value" if shape.metadata.get("sensitive") else f"Value '{_shown(shape, value)}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _shown(shape: Shape, value: Any) -> str:  # noqa: ANN401 - as botocore takes it
    match shape:
        case ListShape():
            return f"[{', '.join(_shown(shape.member, item) for item in value)}]"
        case MapShape():
            return f"{{{', '.join(f'{key}={_shown(shape.value, item)}' for key, item in value.items())}}}"
        case StructureShape():
            return shape.name  # AWS has the class's name and the object's address
        case _:
            return str(value)
