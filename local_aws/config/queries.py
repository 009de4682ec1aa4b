"""Advanced queries of AWS Config on the compliance of resources: lists and counts.

A query is SELECT fields or COUNT(*) WHERE conditions GROUP BY fields. AND joins conditions, and each is `field = 'text'` or
`field LIKE 'text%'`. A query with anything else is refused.
Sources: https://docs.aws.amazon.com/config/latest/developerguide/query-components.html
and querying-AWS-resources.html (limitations). The fields come from awslabs/aws-config-resource-schema,
AWS::Config::ResourceCompliance.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

RESOURCE_TYPE = "AWS::Config::ResourceCompliance"
FIELDS = {
    "accountId",
    "awsRegion",
    "resourceId",
    "resourceType",
    "configuration.complianceType",
    "configuration.configRuleList",
    "configuration.configRuleList.complianceType",
    "configuration.configRuleList.configRuleArn",
    "configuration.configRuleList.configRuleId",
    "configuration.configRuleList.configRuleName",
    "configuration.targetResourceId",
    "configuration.targetResourceType",
}
COUNT = "COUNT(*)"
_LIST = "configuration.configRuleList"

_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+WHERE\s+(?P<conditions>.+?)(?:\s+GROUP\s+BY\s+(?P<groups>[^']+?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(?P<field>[\w.]+)\s*(?P<operator>=|\s+LIKE\s+)\s*'(?P<text>[^']*)'\s*", re.IGNORECASE)
_AND = re.compile(r"AND\s+", re.IGNORECASE)

Item = dict[str, Any]
"""A configuration item: its fields as a tree."""


class QueryError(ValueError):
    """The expression is no query, or the local AWS does not emulate it. The message says why."""


@dataclass(frozen=True)
class _Condition:
    field: str
    text: str
    prefix: bool

    def holds(self, item: Item) -> bool:
        """Return whether one of the field's values fits. Each condition on an array looks at all elements again."""
        return any(value.startswith(self.text) if self.prefix else value == self.text for value in _values(item, self.field))


@dataclass(frozen=True)
class Query:
    """A query: the fields to select (COUNT is one), the conditions, and the fields to group by."""

    fields: tuple[str, ...]
    conditions: tuple[_Condition, ...]
    groups: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether the query counts items instead of listing them."""
        return COUNT in self.fields

    def run(self, items: Iterable[Item]) -> list[str]:
        """Return the results, each a JSON object."""
        selected = [item for item in items if all(condition.holds(item) for condition in self.conditions)]
        if not self.counts:
            return [json.dumps(_selected(item, self.fields)) for item in selected]
        counted = Counter({} if self.groups else {"{}": 0})  # without groups there is one count, even of nothing
        counted.update(json.dumps(_selected(item, self.groups)) for item in selected)
        return [json.dumps({COUNT: number, **json.loads(group)}) for group, number in sorted(counted.items())]


def parse(expression: str) -> Query:
    """Parse a query. Raises QueryError."""
    match = _QUERY.fullmatch(expression)
    if match is None:
        message = "The local AWS emulates queries of the form SELECT … WHERE …, with GROUP BY …, only."
        raise QueryError(message)
    fields = tuple(_count_or_field(name) for name in match["fields"].split(","))
    groups = tuple(_field(name) for name in match["groups"].split(",")) if match["groups"] else ()
    conditions = tuple(_conditions(match["conditions"]))
    if _Condition("resourceType", RESOURCE_TYPE, prefix=False) not in conditions:
        message = f"The local AWS emulates queries with the condition resourceType = '{RESOURCE_TYPE}' only."
        raise QueryError(message)
    query = Query(fields, conditions, groups)
    if query.counts and set(fields) - {COUNT} != set(groups):
        message = f"What is selected beside {COUNT} must be what is grouped by, and the other way round."
        raise QueryError(message)
    if groups and not query.counts:
        message = f"The local AWS emulates GROUP BY with {COUNT} only."
        raise QueryError(message)
    if any(name.startswith(_LIST) for name in groups):
        message = f"The local AWS does not emulate GROUP BY of the array {_LIST}."
        raise QueryError(message)
    return query


def _conditions(text: str) -> Iterator[_Condition]:
    place = 0
    while True:
        match = _CONDITION.match(text, place)
        if match is None:
            message = (
                f"The local AWS emulates the conditions field = 'text' and field LIKE 'text%' only, and not: {text[place:]}"
            )
            raise QueryError(message)
        wanted, prefix = match["text"], match["operator"] != "="
        if prefix:
            if not wanted.endswith("%") or set("%_") & set(wanted[:-1]):
                message = f"The local AWS emulates LIKE with a wildcard % at the end only, and not '{wanted}'."
                raise QueryError(message)
            wanted = wanted[:-1]
        field = _field(match["field"])
        if field == _LIST:
            message = f"{_LIST} is an array of objects, and cannot be compared."
            raise QueryError(message)
        yield _Condition(field, wanted, prefix)
        place = match.end()
        if place == len(text):
            return
        joiner = _AND.match(text, place)
        if joiner is None:
            message = f"The local AWS emulates conditions that are joined by AND only, and not: {text[place:]}"
            raise QueryError(message)
        place = joiner.end()


def _count_or_field(text: str) -> str:
    return COUNT if re.fullmatch(r"\s*COUNT\s*\(\s*\*\s*\)\s*", text, re.IGNORECASE) else _field(text)


def _field(text: str) -> str:
    name = text.strip()
    if name not in FIELDS:
        message = f"The local AWS does not emulate {name!r} in a query. The fields are {', '.join(sorted(FIELDS))}."
        raise QueryError(message)
    return name


def _values(node: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - a tree
    if isinstance(node, list):
        for element in node:
            yield from _values(element, path)
    elif path:
        name, _, rest = path.partition(".")
        yield from _values(node[name], rest)
    else:
        yield node


def _selected(item: Item, fields: Iterable[str]) -> Item:
    selected: Item = _part(item, [field.split(".") for field in fields])
    return selected


def _part(node: Any, paths: list[list[str]]) -> Any:  # noqa: ANN401 - a tree
    """Return the parts of a node at some paths, or the whole node for the empty path."""
    if isinstance(node, list):
        return [_part(element, paths) for element in node]
    if [] in paths:
        return node
    names = dict.fromkeys(path[0] for path in paths)
    return {name: _part(node[name], [path[1:] for path in paths if path[0] == name]) for name in names}
