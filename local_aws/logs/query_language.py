"""CloudWatch Logs Insights: read a query of Logs Insights QL into commands.

Emulated: `fields`, `display`, `filter`, `stats`, `sort`, `limit` and `dedup`, comments, names in backticks, and the functions
of `FUNCTIONS` and `AGGREGATES`. Anything else is refused, with its place. Commands and keywords are lower case.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html and the pages of the commands below it:
CWL_QuerySyntax-Filter.html, -Stats.html, -Sort.html, -Limit.html, -Dedup.html and -operations-functions.html.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

MOST_ROWS = 100_000
"""Source: API model, logs, StartQuery, limit."""

_T = TypeVar("_T")


class MalformedQueryError(ValueError):
    """A query cannot be read. `start` and `end` are the offsets in the query of what is wrong."""

    def __init__(self, problem: str, query: str, start: int, end: int) -> None:
        line = query.count("\n", 0, start) + 1
        position = start - (query.rfind("\n", 0, start) + 1) + 1
        super().__init__(f"{problem} at line {line} and position {position}")
        self.start = start
        self.end = end


# Expressions


@dataclass(frozen=True)
class Field:
    """A field of a log event, or one that the query has made: `parameters.nonVirtualMfa`, `@timestamp`, `items.0.id`."""

    name: str


@dataclass(frozen=True)
class Literal:
    """A text or a number."""

    value: str | int | float


@dataclass(frozen=True)
class Period:
    """A length of time, `5m`, in milliseconds."""

    milliseconds: int


@dataclass(frozen=True)
class Call:
    """A function of `FUNCTIONS` or `AGGREGATES`, by its name there. `count(*)` has no arguments."""

    function: str
    arguments: tuple["Expression | Period", ...]


@dataclass(frozen=True)
class Junction:
    """Conditions that all have to hold (`and`), or one of them (`or`)."""

    operator: str
    conditions: tuple["Expression", ...]


@dataclass(frozen=True)
class Operation:
    """An operation on two values: a comparison (`=`, `!=`, `<`, `<=`, `>`, `>=`), `+`, `-`, `*` or `/`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    operand: "Expression"


@dataclass(frozen=True)
class In:
    """Whether a value is one of a list."""

    value: "Expression"
    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Like:
    """Whether a value has a part that the pattern matches. `like "text"` is the pattern of that very text."""

    value: "Expression"
    pattern: re.Pattern[str]


Expression = Field | Literal | Call | Junction | Operation | Not | In | Like


# Commands


@dataclass(frozen=True)
class Column:
    """An expression and the name of its value: the name after `as`, or the expression as written."""

    expression: Expression
    name: str


@dataclass(frozen=True)
class Fields:
    """`fields`: make columns and show them."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Display:
    """`display`: show these columns only."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Filter:
    """`filter`: keep what meets a condition."""

    condition: Expression


@dataclass(frozen=True)
class Stats:
    """`stats`: aggregate each group of equal values."""

    aggregates: tuple[Column, ...]
    groups: tuple[Column, ...]


@dataclass(frozen=True)
class Sort:
    """`sort`: order by columns, each with whether it descends."""

    keys: tuple[tuple[Column, bool], ...]


@dataclass(frozen=True)
class Limit:
    """`limit`: keep the first ones."""

    count: int


@dataclass(frozen=True)
class Dedup:
    """`dedup`: keep the first one of equal values."""

    columns: tuple[Column, ...]


Command = Fields | Display | Filter | Stats | Sort | Limit | Dedup

FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "abs": (1, 1),
    "bin": (1, 1),
    "ceil": (1, 1),
    "coalesce": (1, None),
    "concat": (1, None),
    "datefloor": (2, 2),
    "floor": (1, 1),
    "fromMillis": (1, 1),
    "isblank": (1, 1),
    "isempty": (1, 1),
    "ispresent": (1, 1),
    "strcontains": (2, 2),
    "strlen": (1, 1),
    "toMillis": (1, 1),
    "tolower": (1, 1),
    "toupper": (1, 1),
}
"""The functions of one event, and how many arguments each takes: the least, and the most or None."""

AGGREGATES: dict[str, tuple[int, int | None]] = {
    "avg": (1, 1),
    "count": (0, 1),
    "count_distinct": (1, 1),
    "earliest": (1, 1),
    "latest": (1, 1),
    "max": (1, 1),
    "min": (1, 1),
    "sum": (1, 1),
}
"""The functions of a group of events, for `stats`."""

SYSTEM_FIELDS = ("@timestamp", "@message", "@logStream", "@log", "@ingestionTime", "@ptr")
"""The fields that every log event has. Those that AWS discovers in other logs, like `@duration`, are not emulated."""

_PERIODS = {"bin": [0], "datefloor": [1]}
"""Which arguments of a function are a period."""

_NAMES = {name.lower(): name for name in (*FUNCTIONS, *AGGREGATES)}
"""AWS's pages write ispresent and isPresent: the case of a function's name says nothing."""

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_KEYWORDS = {"and", "as", "asc", "by", "desc", "in", "like", "not", "or"}
_LONGEST_NUMBER = 18
"""Digits."""
_MOST_STATS = 2
"""Source: CWL_QuerySyntax-Stats.html."""

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+ | \#[^\n]*)
    | (?P<text>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | `(?P<quoted>[^`]+)`
    | (?P<period>\d+(?:ms|s|m|h|d))\b
    | (?P<number>\d+(?:\.\d+)?)\b
    | (?P<name>@{0,2}[A-Za-z_]\w*(?:\.@?\w+)*)
    | (?P<symbol>!=|<=|>=|=~|[=<>()\[\],|*+\-/])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_REGEX = re.compile(r"/((?:[^/\\\n]|\\.)+)/")
_BEYOND_HYPERSCAN = re.compile(r"(?<!\\)(?:\\\\)*(?:\\[1-9]|\(\?(?:[=!]|<[=!]|P=))")
"""Back references and lookarounds, which Hyperscan has not, and AWS's page names Hyperscan."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def parse(query: str) -> list[Command]:
    """Return the commands of a query. Raises MalformedQueryError."""
    try:
        return _Parser(query).commands()
    except RecursionError:
        problem = "the query nests too deep"
        raise MalformedQueryError(problem, query, 0, len(query)) from None


class _Parser:
    """Reads a query from its beginning to its end."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = list(self._read_tokens())
        self._next = 0
        self._aggregated = False
        """Whether a stats command precedes the one that is being read: then there are no log events left."""

    # Tokens

    def _read_tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        position = 0
        while position < len(self._query):
            regex = _REGEX.match(self._query, position) if tokens and tokens[-1].text in {"like", "=~"} else None
            found = regex or _TOKEN.match(self._query, position)
            if found is None:
                raise self._error(_Token("symbol", self._query[position], position, position + 1))
            kind = "regex" if regex else str(found.lastgroup)
            if kind != "blank":
                text = found[1] if regex else found[kind]
                tokens.append(_Token(kind, text, position, found.end()))
            position = found.end()
        return [*tokens, _Token("end", "end of query", len(self._query), len(self._query))]

    def _error(self, token: _Token, problem: str | None = None) -> MalformedQueryError:
        written = self._query[token.start : token.end] or token.text
        return MalformedQueryError(problem or f"unexpected symbol found {written}", self._query, token.start, token.end)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _is(self, *texts: str) -> bool:
        return self._token.kind in {"name", "symbol"} and self._token.text in texts

    def _took(self, *texts: str) -> bool:
        if not self._is(*texts):
            return False
        self._take()
        return True

    def _expect(self, text: str) -> None:
        if not self._took(text):
            raise self._error(self._token)

    def _list(self, item: Callable[[], _T]) -> tuple[_T, ...]:
        items = [item()]
        while self._took(","):
            items.append(item())
        return tuple(items)

    # Commands

    def commands(self) -> list[Command]:
        commands = [self._command([])]
        while self._took("|"):
            commands.append(self._command(commands))
        if self._token.kind != "end":
            raise self._error(self._token)
        return commands

    def _command(self, before: Sequence[Command]) -> Command:
        token = self._take()
        if any(isinstance(command, Dedup) for command in before) and token.text != "limit":
            raise self._error(token, f"{token.text} cannot follow dedup, only limit can")
        if token.text == "stats" and sum(isinstance(command, Stats) for command in before) == _MOST_STATS:
            raise self._error(token, f"a query has at most {_MOST_STATS} stats commands")
        self._aggregated = any(isinstance(command, Stats) for command in before)
        read: Mapping[str, Callable[[], Command]] = {
            "fields": lambda: Fields(self._list(self._column)),
            "display": lambda: Display(self._list(self._column)),
            "filter": lambda: Filter(self._of_one_event(self._expression())),
            "stats": lambda: Stats(self._list(self._aggregate), self._list(self._column) if self._took("by") else ()),
            "sort": lambda: Sort(self._list(self._sort_key)),
            "limit": lambda: Limit(self._count()),
            "dedup": lambda: Dedup(self._list(self._column)),
        }
        if token.kind != "name":
            raise self._error(token)
        if token.text not in read:
            raise self._error(token, f"the local AWS does not emulate the command {token.text},")
        return read[token.text]()

    def _column(self) -> Column:
        column = self._named()
        self._of_one_event(column.expression)
        return column

    def _aggregate(self) -> Column:
        token = self._token
        column = self._named()
        if not aggregates(column.expression):
            raise self._error(token, "stats needs an aggregation function")
        return column

    def _of_one_event(self, expression: Expression) -> Expression:
        """Refuse an expression, the last one that was read, if it has an aggregation function."""
        if aggregates(expression):
            raise self._error(self._tokens[self._next - 1], "aggregation functions are for stats, before its by,")
        return expression

    def _named(self) -> Column:
        start = self._token.start
        expression = self._expression()
        written = self._query[start : self._tokens[self._next - 1].end]
        name = expression.name if isinstance(expression, Field) else written
        return Column(expression, self._name() if self._took("as") else name)

    def _sort_key(self) -> tuple[Column, bool]:
        column = self._column()
        descending = self._is("desc")
        self._took("asc", "desc")
        return column, descending

    def _count(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit() or not 1 <= int(token.text) <= MOST_ROWS:
            raise self._error(token, f"limit needs a number from 1 to {MOST_ROWS}")
        return int(token.text)

    def _name(self) -> str:
        token = self._take()
        if token.kind not in {"name", "quoted"}:
            raise self._error(token)
        return token.text

    # Expressions, from the operators that bind least to those that bind most

    def _expression(self) -> Expression:
        return self._junction("or", lambda: self._junction("and", self._negation))

    def _junction(self, operator: str, read: Callable[[], Expression]) -> Expression:
        conditions = [read()]
        while self._took(operator):
            conditions.append(read())
        return Junction(operator, tuple(conditions)) if len(conditions) > 1 else conditions[0]

    def _negation(self) -> Expression:
        return Not(self._negation()) if self._took("not") else self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        if self._token.text in _COMPARISONS and self._token.kind == "symbol":
            return Operation(self._take().text, left, self._sum())
        negated = self._took("not")
        if self._took("in"):
            self._expect("[")
            found: Expression = In(left, self._list(self._sum))
            self._expect("]")
        elif self._took("like", "=~"):
            found = Like(left, self._pattern())
        elif negated:
            raise self._error(self._token)
        else:
            return left
        return Not(found) if negated else found

    def _pattern(self) -> re.Pattern[str]:
        token = self._take()
        if token.kind == "text":
            return re.compile(re.escape(_unescaped(token.text)))
        if token.kind != "regex":
            raise self._error(token)
        if _BEYOND_HYPERSCAN.search(token.text):
            raise self._error(token, "the regular expression has a back reference or looks around,")
        try:
            return re.compile(token.text.replace("\\/", "/"))
        except re.error as error:
            raise self._error(token, f"the regular expression is not valid ({error}),") from error

    def _sum(self) -> Expression:
        left = self._product()
        while self._is("+", "-"):
            left = Operation(self._take().text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._operand()
        while self._is("*", "/"):
            left = Operation(self._take().text, left, self._operand())
        return left

    def _operand(self) -> Expression:
        token = self._take()
        match token.kind, token.text:
            case "text", text:
                return Literal(_unescaped(text))
            case "number", text:
                return Literal(int(text) if text.isdigit() and len(text) <= _LONGEST_NUMBER else float(text))
            case "quoted", name:
                return Field(name)
            case "name", name if name not in _KEYWORDS:
                return self._call(token) if self._is("(") else self._field(token)
            case "symbol", "(":
                inner = self._expression()
                self._expect(")")
                return inner
            case "symbol", "-":
                return Operation("-", Literal(0), self._operand())
            case _:
                raise self._error(token)

    def _field(self, token: _Token) -> Field:
        if token.text.startswith("@") and token.text not in SYSTEM_FIELDS:
            raise self._error(token, f"the local AWS does not discover the field {token.text},")
        return Field(token.text)

    def _call(self, token: _Token) -> Call:
        name = _NAMES.get(token.text.lower())
        if name is None:
            raise self._error(token, f"the local AWS does not emulate the function {token.text},")
        self._expect("(")
        arguments: tuple[Expression | Period, ...] = ()
        if not self._is(")") and not (name == "count" and self._took("*")):
            arguments = self._list(self._argument)
        self._expect(")")
        least, most = {**FUNCTIONS, **AGGREGATES}[name]
        nested = name in AGGREGATES and any(aggregates(argument) for argument in arguments)
        periods = [number for number, argument in enumerate(arguments) if isinstance(argument, Period)]
        if self._aggregated and name in {"bin", "earliest", "latest"}:
            raise self._error(token, f"{name} needs the time of log events, and none are left after stats,")
        if nested or not least <= len(arguments) <= (most or len(arguments)) or periods != _PERIODS.get(name, []):
            raise self._error(token, f"{name} has the wrong arguments")
        return Call(name, arguments)

    def _argument(self) -> Expression | Period:
        if self._token.kind != "period":
            return self._expression()
        amount, unit = re.findall(r"\d+|[a-z]+", self._take().text)
        return Period(int(amount) * _MILLISECONDS[unit])


def aggregates(expression: Expression | Period) -> list[Call]:
    """Return the calls of aggregation functions in an expression."""
    match expression:
        case Call(function=function) if function in AGGREGATES:
            return [expression]
        case Call(arguments=parts) | Junction(conditions=parts):
            pass
        case In(value=value, items=items):
            parts = (value, *items)
        case Operation(left=left, right=right):
            parts = (left, right)
        case Not(operand=part) | Like(value=part):
            parts = (part,)
        case _:
            parts = ()
    return [call for part in parts for call in aggregates(part)]


def _unescaped(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
