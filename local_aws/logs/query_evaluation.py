"""CloudWatch Logs Insights: what a query finds in log events. It reads and writes nothing else.

Values are texts, numbers and times. A field of JSON that is null, an object or a list has no value; its parts have names like
`parameters.nonVirtualMfa` and `items.0.id`.

Sources: the pages that `query_language` names. No page says this, and it is assumed here:

* A comparison with a field that has no value does not hold. So `!=`, `not in` and `not like` do, since they are its opposite:
  CWL_QuerySyntax.html calls what `not in` finds "log events that do not have" a value.
* A number is compared with a text that is a number as a number, as in AWS's example `accountId=123456789012`; with another text
  no comparison holds. `=` compares two texts as texts; `<` and `>` compare them as numbers if both are.
* A field that has no value is the lowest in an order, and makes a group of its own.
* `latest` and `earliest` take the event with the latest or earliest time, even if the field has no value there.
* `min` and `max` of times are milliseconds.
* An average is rounded to four digits.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from local_aws.logs.query_language import (
    AGGREGATES,
    Call,
    Column,
    Command,
    Dedup,
    Display,
    Expression,
    Field,
    Fields,
    Filter,
    In,
    Junction,
    Like,
    Limit,
    Literal,
    Not,
    Operation,
    Period,
    Sort,
    Stats,
    aggregates,
)

DEFAULT_ROWS = 10_000
"""Source: CWL_QuerySyntax-Limit.html."""


_LONGEST_NUMBER = 18
"""Digits."""


class Time(int):
    """Milliseconds since 1970, which are shown as a time."""


Present = str | int | float
Value = Present | None
"""The value of a field, if it has one. A Time is an int."""


class Event(Protocol):
    """A log event. Times are milliseconds since 1970; `document` is its JSON object, or empty."""

    @property
    def timestamp(self) -> int: ...  # noqa: D102 - the class says it
    @property
    def ingestion_time(self) -> int: ...  # noqa: D102 - the class says it
    @property
    def message(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def log(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def log_stream(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def pointer(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def document(self) -> Mapping[str, Any]: ...  # noqa: D102 - the class says it


@dataclass(frozen=True)
class Found:
    """What a query found: rows of names and values as AWS shows them, and how many events its filters let pass."""

    rows: list[list[tuple[str, str]]]
    matched: int


class _Row:
    """An event with the query's changes. A group of events has no event, and the values of its aggregates."""

    __slots__ = ("document", "event", "made")

    def __init__(self, event: Event | None, made: Mapping[str | Call, Value]) -> None:
        self.event = event
        self.document: Mapping[str, Any] = event.document if event is not None else {}
        self.made = made


_Evaluate = Callable[[_Row], Value]
_Step = Callable[[list[_Row]], list[_Row]]
_Fold = Callable[[list[_Row]], Value]
_Holds = Callable[[_Row], bool]


def parse_document(message: str) -> Mapping[str, Any]:
    """Return the JSON object that a message is; an empty one if it is not one."""
    if not message.lstrip().startswith("{"):
        return {}
    try:
        document = json.loads(message, parse_int=_integer, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _integer(text: str) -> int | float:
    """Read an integer; one that is longer than any that means something is rounded, since Python refuses to write it."""
    return int(text) if len(text) <= _LONGEST_NUMBER else float(text)


def _no_number(text: str) -> float:
    message = f"{text} is no number of JSON"
    raise ValueError(message)


class Query:
    """A query that is ready to run on any number of events."""

    def __init__(self, commands: Sequence[Command], *, booleans_are_texts: bool) -> None:
        """Prepare the commands.

        No page says how Logs Insights takes a boolean of JSON: as 1 or 0, or as a text, "true" or "false".
        """
        self._booleans: tuple[Value, Value] = ("false", "true") if booleans_are_texts else (0, 1)
        self._made = {column.name for command in commands for column in _made(command)}
        self._steps = [(isinstance(command, Filter), self._step(command)) for command in commands]
        self._shown = [(name, self._field(name)) for name in _shown(commands)]
        self._has_limit = any(isinstance(command, Limit) for command in commands)

    def run(self, events: Iterable[Event], limit: int | None = None) -> Found:
        """Return what the query finds in events, the latest of which is the first. `limit` is that of the request."""
        rows = [_Row(event, {}) for event in events]
        matched = len(rows)
        for filters, step in self._steps:
            rows = step(rows)
            if filters and (not rows or rows[0].event is not None):
                matched = len(rows)
        most = limit or (len(rows) if self._has_limit else DEFAULT_ROWS)
        return Found([self._show(row) for row in rows[:most]], matched)

    def _show(self, row: _Row) -> list[tuple[str, str]]:
        values = [(name, evaluate(row)) for name, evaluate in self._shown]
        shown = [(name, _text(value)) for name, value in values if value is not None]
        return [*shown, ("@ptr", row.event.pointer)] if row.event is not None else shown

    # Commands

    def _step(self, command: Command) -> _Step:
        match command:
            case Filter(condition=condition):
                holds = self._condition(condition)
                return lambda rows: [row for row in rows if holds(row)]
            case Fields() | Display():
                made = self._named(_made(command))
                return partial(_make, made) if made else lambda rows: rows
            case Stats(aggregates=columns, groups=groups):
                calls = {call for column in columns for call in aggregates(column.expression)}
                folds: dict[str | Call, _Fold] = {call: self._fold(call) for call in calls}
                return partial(_aggregate, self._named(groups), folds, self._named(columns))
            case Sort(keys=keys):
                return partial(_sort, [(self._compile(column.expression), descending) for column, descending in keys])
            case Limit(count=count):
                return lambda rows: rows[:count]
            case Dedup(columns=columns):
                return partial(_dedup, [evaluate for _, evaluate in self._named(columns)])

    def _named(self, columns: Iterable[Column]) -> list[tuple[str, _Evaluate]]:
        return [(column.name, self._compile(column.expression)) for column in columns]

    def _fold(self, call: Call) -> _Fold:
        """Return what computes an aggregate of a group of events."""
        if not call.arguments:
            return len
        evaluate = self._compile(call.arguments[0])
        match call.function:
            case "latest":
                return lambda rows: evaluate(max(rows, key=_timestamp)) if rows else None
            case "earliest":
                return lambda rows: evaluate(min(reversed(rows), key=_timestamp)) if rows else None
            case function:
                fold = _FOLDS[function]
                return lambda rows: fold([value for value in map(evaluate, rows) if value is not None])

    # Expressions

    def _compile(self, expression: Expression | Period) -> _Evaluate:
        match expression:
            case Literal(value=constant) | Period(milliseconds=constant):
                return lambda _: constant
            case Field(name=name):
                return self._field(name)
            case Call() if expression.function in AGGREGATES:
                return lambda row: row.made[expression]
            case Call(function=name, arguments=arguments):
                call = _FUNCTIONS[name]
                parts = [self._compile(argument) for argument in ([_TIMESTAMP] if name == "bin" else []) + [*arguments]]
                return lambda row: call(*[part(row) for part in parts])
            case Operation(operator=operator, left=left, right=right):
                operate, one, other = _OPERATIONS[operator], self._compile(left), self._compile(right)
                return lambda row: operate(one(row), other(row))
            case _:
                return self._condition(expression)

    def _condition(self, expression: Expression) -> _Holds:
        match expression:
            case Junction(operator="and", conditions=conditions):
                parts = [self._condition(condition) for condition in conditions]
                return lambda row: all(part(row) for part in parts)
            case Junction(conditions=conditions):
                parts = [self._condition(condition) for condition in conditions]
                return lambda row: any(part(row) for part in parts)
            case Not(operand=operand):
                holds = self._condition(operand)
                return lambda row: not holds(row)
            case In(value=value, items=items):
                of, candidates = self._compile(value), [self._compile(item) for item in items]
                return lambda row: (found := of(row)) is not None and any(_equal(found, item(row)) for item in candidates)
            case Like(value=value, pattern=pattern):
                of, search = self._compile(value), pattern.search
                return lambda row: (found := of(row)) is not None and search(_text(found)) is not None
            case _:
                evaluate = self._compile(expression)
                return lambda row: (value := evaluate(row)) is True or _holds(value)

    def _field(self, name: str) -> _Evaluate:
        """Return what evaluates a field: one that the query makes, a system field, or one of JSON."""
        system = _SYSTEM.get(name)
        if system is not None:
            of_event: _Evaluate = lambda row: None if row.event is None else system(row.event)  # noqa: E731 - a closure
        else:
            of_event = partial(_discovered, name, name.split("."), self._booleans)
        if name not in self._made:
            return of_event
        return lambda row: row.made[name] if name in row.made else of_event(row)


def _made(command: Command) -> list[Column]:
    """Return the columns that a command makes, without the fields that it shows as they are."""
    match command:
        case Fields(columns=columns) | Display(columns=columns):
            return [column for column in columns if column.expression != Field(column.name)]
        case Stats(aggregates=columns, groups=groups):
            return [*groups, *columns]
        case _:
            return []


def _shown(commands: Sequence[Command]) -> list[str]:
    """Return the names of the columns that the result has."""
    columns: list[Column] = []
    displayed: Sequence[Column] = ()
    for command in commands:
        match command:
            case Stats():
                columns, displayed = [*command.groups, *command.aggregates], ()
            case Fields():
                columns += command.columns
            case Display():
                displayed = command.columns
    return list(dict.fromkeys(column.name for column in displayed or columns)) or ["@timestamp", "@message"]


# Fields

_TIMESTAMP = Field("@timestamp")
_SYSTEM: Mapping[str, Callable[[Event], Value]] = {
    "@timestamp": lambda event: Time(event.timestamp),
    "@ingestionTime": lambda event: Time(event.ingestion_time),
    "@message": lambda event: event.message,
    "@log": lambda event: event.log,
    "@logStream": lambda event: event.log_stream,
    "@ptr": lambda event: event.pointer,
}


def _discovered(name: str, path: Sequence[str], booleans: tuple[Value, Value], row: _Row) -> Value:
    """Return the value of a field of an event's JSON, whose keys may have dots too."""
    value = row.document.get(name)
    if value is None and len(path) > 1:
        value = row.document
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            else:
                value = value[int(part)] if isinstance(value, list) and part.isdigit() and int(part) < len(value) else None
    if value is True or value is False:
        return booleans[value]
    return value if isinstance(value, str | int | float) else None


# Steps


def _make(columns: Sequence[tuple[str, _Evaluate]], rows: list[_Row]) -> list[_Row]:
    for row in rows:
        row.made = {**row.made, **{name: evaluate(row) for name, evaluate in columns}}
    return rows


def _aggregate(
    groups: Sequence[tuple[str, _Evaluate]],
    folds: Mapping[str | Call, _Fold],
    columns: Sequence[tuple[str, _Evaluate]],
    rows: list[_Row],
) -> list[_Row]:
    members: dict[tuple[Value, ...], list[_Row]] = {} if groups else {(): []}
    for row in rows:
        members.setdefault(tuple(evaluate(row) for _, evaluate in groups), []).append(row)
    made = []
    for values, of_group in members.items():
        folded = _Row(None, {call: fold(of_group) for call, fold in folds.items()})
        by: dict[str | Call, Value] = {name: value for (name, _), value in zip(groups, values, strict=True)}
        made.append(_Row(None, {**by, **{name: evaluate(folded) for name, evaluate in columns}}))
    return made


def _sort(keys: Sequence[tuple[_Evaluate, bool]], rows: list[_Row]) -> list[_Row]:
    for evaluate, descending in reversed(keys):  # sorting is stable
        rows = sorted(rows, key=lambda row: _order(evaluate(row)), reverse=descending)
    return rows


def _dedup(columns: Sequence[_Evaluate], rows: list[_Row]) -> list[_Row]:
    """Keep the first of equal rows, and every row without a value in one of the columns."""
    seen: set[tuple[Value, ...]] = set()
    kept = []
    for row in rows:
        values = tuple(evaluate(row) for evaluate in columns)
        if None in values or values not in seen:
            seen.add(values)
            kept.append(row)
    return kept


def _timestamp(row: _Row) -> int:
    return row.event.timestamp if row.event is not None else 0


# Values

_END_OF_CALENDAR = 253_402_300_800_000
"""Milliseconds from 1970 to the year 10000."""


def _text(value: Present) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Time) and 0 <= value < _END_OF_CALENDAR:
        return f"{datetime.fromtimestamp(value // 1000, UTC):%Y-%m-%d %H:%M:%S}.{value % 1000:03}"
    return repr(value) if isinstance(value, float) and not value.is_integer() else str(int(value))


_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def _number(value: Value) -> int | float | None:
    """Return the number that a value is or says, else None."""
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    return _integer(value) if value.lstrip("-").isdigit() else float(value)


def _holds(value: Value) -> bool:
    return not isinstance(value, str) and bool(value)


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if left is None or right is None:
        return False
    number = _number(left)
    return number is not None and number == _number(right)


def _compare(holds: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    numbers = _number(left), _number(right)
    if None not in numbers:
        return holds(*numbers)
    return isinstance(left, str) and isinstance(right, str) and holds(left, right)


def _calculate(operate: Callable[..., float], *values: Value) -> Value:
    """Return an operation's result for numbers; nothing if a value or the result is not a number."""
    numbers = [_number(value) for value in values]
    try:
        result = None if None in numbers else operate(*numbers)
        if result is None or abs(result) < 10**_LONGEST_NUMBER:
            return result
        return float(result) if math.isfinite(result) else None
    except (ArithmeticError, ValueError):
        return None


_OPERATIONS: Mapping[str, Callable[[Value, Value], Value]] = {
    "=": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": partial(_compare, operator.lt),
    "<=": partial(_compare, operator.le),
    ">": partial(_compare, operator.gt),
    ">=": partial(_compare, operator.ge),
    "+": partial(_calculate, operator.add),
    "-": partial(_calculate, operator.sub),
    "*": partial(_calculate, operator.mul),
    "/": partial(_calculate, operator.truediv),
}


def _of_text(function: Callable[[str], Value], value: Value) -> Value:
    return None if value is None else function(_text(value))


def _floor(time: Value, period: int) -> Value:
    return _calculate(lambda number: Time(number - number % period), time)


_FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "abs": partial(_calculate, abs),
    "bin": _floor,
    "ceil": partial(_calculate, math.ceil),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": lambda *values: "".join(_text(value) for value in values if value is not None),
    "datefloor": _floor,
    "floor": partial(_calculate, math.floor),
    "fromMillis": partial(_calculate, Time),
    "isblank": lambda value: value is None or not _text(value).strip(),
    "isempty": lambda value: value is None or not _text(value),
    "ispresent": lambda value: value is not None,
    "strcontains": lambda value, part: value is not None and part is not None and _text(part) in _text(value),
    "strlen": partial(_of_text, len),
    "toMillis": partial(_calculate, int),
    "tolower": partial(_of_text, str.lower),
    "toupper": partial(_of_text, str.upper),
}


def _numbers(values: Iterable[Value]) -> list[int | float]:
    return [number for value in values if (number := _number(value)) is not None]


def _plain(value: Value) -> Value:
    return int(value) if isinstance(value, Time) else value


_FOLDS: Mapping[str, Callable[[list[Value]], Value]] = {
    "avg": lambda values: round(sum(numbers) / len(numbers), 4) if (numbers := _numbers(values)) else None,
    "count": len,
    "count_distinct": lambda values: len(set(values)),
    "max": lambda values: _plain(max(values, key=_order, default=None)),
    "min": lambda values: _plain(min(values, key=_order, default=None)),
    "sum": lambda values: _calculate(lambda *numbers: sum(numbers), *numbers) if (numbers := _numbers(values)) else None,
}


def _order(value: Value) -> tuple[Any, ...]:
    """Return the key by which values are sorted.

    Texts come before numbers. Within texts, digits in a row are compared by their number, then by their value, and with
    anything else by Unicode.  Source: CWL_QuerySyntax-Sort.html.
    """
    if value is None:
        return (0,)
    if not isinstance(value, str):
        return (2, value, "")
    number = _number(value)
    if number is not None:
        return (2, number, value)
    return (1, *(_order_of_part(part) for part in re.findall(r"[0-9]+|[^0-9]+", value)))


def _order_of_part(part: str) -> tuple[int, int, str]:
    if part[0] in "0123456789":
        return (1, len(part), part)
    return (0 if part < "0" else 2, 0, part)
