"""EventBridge's input transformers: make a target's input of an event and a template.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html.  Live: what real AWS made of
templates in September 2026 (radkawar/stackd, testdata/aws/eventbridge/inputs.json).  It wins over the page, which says that
EventBridge does not escape values: it escapes those that are JSON values of their own, and no others.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.core.clock import iso_time

_STRING_OR_PLACEHOLDER = re.compile(r'"(?:\\.|[^"\\])*"|<[^<>]*>')
_PLACEHOLDER = re.compile(r"<([^<>]*)>")
_CHILD = re.compile(r"\.([\w/-]+)|\[(\d+|\*)\]", re.ASCII)
_MISSING = object()


class InvalidInputError(ValueError):
    """The input is not JSON: EventBridge delivers it to the dead-letter queue only. The error's text is the input."""


def transform(transformer: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, Any], received: datetime) -> str:
    """Return the input: the template with the values of its variables.

    An undefined variable stays as it is.  One whose path leads nowhere is an empty text, and nothing in an array.
    Raises InvalidInputError if the input is not JSON, and not JSON texts line by line either.
    """
    template, values = transformer["InputTemplate"], _variables(transformer, event, rule, received)
    is_json = template.lstrip().startswith(("{", "["))

    def within_text(found: re.Match[str]) -> str:
        value = values.get(found[1], found[0])
        if value is _MISSING:
            return ""
        if isinstance(value, str):
            return str(value)
        # An object or an array within a text template loses its quotation marks. Those within a JSON template stay.
        return _json(value) if is_json else _json(value).replace('"', "")

    def part(found: re.Match[str]) -> str:
        token = str(found[0])
        if token.startswith('"') or not is_json:
            return _PLACEHOLDER.sub(within_text, token)
        name = token[1:-1]
        if name not in values:
            return token
        if values[name] is _MISSING:
            return '""' if template[: found.start()].rstrip().endswith(":") else ""
        return _json(values[name])

    text = _STRING_OR_PLACEHOLDER.sub(part, template)
    if not (_is_json(text) or all(map(_is_json, text.splitlines()))):
        raise InvalidInputError(text)
    return text


def _variables(
    transformer: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, Any], received: datetime
) -> dict[str, Any]:
    named = {name: _at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    reserved = {
        "aws.events.rule-arn": rule["Arn"],
        "aws.events.rule-name": rule["Name"],
        "aws.events.event.ingestion-time": iso_time(received),
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    return named | reserved


def _at(path: str, event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return what a path of children, indexes and wildcards of arrays leads to, or _MISSING."""
    found: list[Any] = [event]
    many = False
    for child in _CHILD.finditer(path):
        name, index = child.groups()
        if index == "*":
            found, many = [item for value in found if isinstance(value, list) for item in value], True
        elif index is not None:
            found = [value[int(index)] for value in found if isinstance(value, list) and int(index) < len(value)]
        else:
            found = [value[name] for value in found if isinstance(value, dict) and name in value]
    if many:
        return found
    return found[0] if found else _MISSING


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
