"""CloudWatch Logs: filter patterns, which select log lines. It reads and writes nothing else.

Emulated: terms (`ERROR`, `"a phrase"`, `?any`, `-none`), regular expressions (`%^a.*%`), and JSON patterns. Patterns of fields
between spaces (`[ip, user]`) are refused.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html and the pages below it; for
details, public captures of what TestMetricFilter and FilterLogEvents answered.  Assumed, since no source says it: <, <=, > and
>= select numbers only, and IS TRUE and IS FALSE look into a list, as IS NULL does.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

LONGEST = 1024
"""Source: API model, logs, FilterPattern."""

Matches = Callable[[str], bool]
"""Tells whether it selects a log line."""


class InvalidPatternError(ValueError):
    """A pattern cannot be read. The message is AWS's, or empty if each operation has its own."""


def parse(pattern: str, *, takes_booleans: bool = True) -> Matches:
    """Return what tells whether a pattern selects a line. Raises InvalidPatternError.

    Without `takes_booleans`, IS TRUE and IS FALSE hold for nothing.
    """
    text = pattern.strip()
    if len(pattern) > LONGEST:
        raise InvalidPatternError
    if text.startswith("["):
        message = "The local AWS does not emulate filter patterns of fields between spaces."
        raise InvalidPatternError(message)
    try:
        return _JsonPattern(text, takes_booleans=takes_booleans).matches() if text.startswith("{") else _terms(text)
    except RecursionError:
        raise InvalidPatternError from None


# Regular expressions

_MOST_REGEXES = 2
_OF_REGEX = r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]"


def _regex(between: str) -> re.Pattern[str]:
    """Compile what stands between two per cent signs."""
    good = re.match(f"{_OF_REGEX}*", between, re.ASCII)
    if good and good.end() < len(between):
        raise _bad_characters(f"%{between[: good.end() + 1]}")
    try:
        return re.compile(between, re.ASCII)
    except re.error as error:
        message = "Failed to compile regular expression."
        raise InvalidPatternError(message) from error


def _bad_characters(term: str) -> InvalidPatternError:
    return InvalidPatternError(f"Invalid character(s) in term '{term}'")


# Terms

_TERM = re.compile(r'\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]*)%|(?P<word>\w+))(?=\s|$)')


def _terms(text: str) -> Matches:
    """Return what matches terms. Terms with a question mark count only if there are no others."""
    found: dict[str, list[Matches]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise _bad_term(text[position:].strip())
        found[term["sign"]].append(_contains(term))
        position = term.end()
    required, optional, excluded = found[""], found["?"], found["-"]
    if optional and not required and not excluded:
        return lambda line: any(contained(line) for contained in optional)
    return lambda line: all(has(line) for has in required) and not any(has(line) for has in excluded)


def _contains(term: re.Match[str]) -> Matches:
    if term["regex"] is not None:
        search = _regex(term["regex"]).search
        return lambda line: search(line) is not None
    text = _unescaped(term["phrase"]) if term["phrase"] is not None else term["word"]
    return lambda line: text in line


def _bad_term(rest: str) -> InvalidPatternError:
    quoted = rest.lstrip("?-").startswith('"')
    good = re.match(r"[?-]?\w*", rest)
    return InvalidPatternError() if quoted or not good else _bad_characters(rest[: good.end() + 1])


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


# JSON patterns


@dataclass(frozen=True)
class _Number:
    """A number of JSON as written, since a comparison with a text uses that form."""

    text: str

    @property
    def value(self) -> float:
        return float(self.text)


_Part = str | int | None
"""A step of a selector: the key of an object, the index of a list, or None for all."""
_Condition = Callable[[Any], bool]
_Test = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<symbol>\(|\)|&&|\|\|)
        | (?P<selector>\$(?:\.\*|\.[\w-]+|\.?\['[^']+'\]|\[(?:\d+|\*)\])+)
        | (?P<state>IS\s+NULL|IS\s+TRUE|IS\s+FALSE|NOT\s+EXISTS)\b
        | (?P<operator>!=|<=|>=|=|<|>)
        | "(?P<text>(?:[^"\\]|\\.)*)"
        | %(?P<regex>[^%]*)%
        | (?P<bare>[\w.*+-]+)
    )""",
    re.ASCII | re.VERBOSE,
)
_STEP = re.compile(r"\.\*|\[\*\]|\.(?P<key>[\w-]+)|\.?\['(?P<quoted>[^']+)'\]|\[(?P<index>\d+)\]", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_RESERVED = {"null", "NULL"}


class _JsonPattern:
    """Reads a pattern in braces."""

    def __init__(self, text: str, *, takes_booleans: bool) -> None:
        if not text.endswith("}"):
            raise InvalidPatternError
        self._takes_booleans = takes_booleans
        self._tokens = list(_read(text[1:-1]))
        self._next = 0

    def matches(self) -> Matches:
        """Return what matches lines that are JSON objects."""
        condition = self._junction("||")
        if self._next < len(self._tokens):
            raise InvalidPatternError

        def match(line: str) -> bool:
            try:
                document = json.loads(line, parse_int=_Number, parse_float=_Number)
            except (ValueError, RecursionError):
                return False
            return isinstance(document, dict) and condition(document)

        return match

    def _take(self, *kinds: str) -> tuple[str, str]:
        if self._next == len(self._tokens) or self._tokens[self._next][0] not in kinds:
            raise InvalidPatternError
        self._next += 1
        return self._tokens[self._next - 1]

    def _took(self, symbol: str) -> bool:
        took = self._tokens[self._next : self._next + 1] == [("symbol", symbol)]
        self._next += took
        return took

    def _junction(self, symbol: str) -> _Condition:
        """Read conditions that are joined: && binds tighter than ||."""
        read = partial(self._junction, "&&") if symbol == "||" else self._operand
        conditions = [read()]
        while self._took(symbol):
            conditions.append(read())
        decide = any if symbol == "||" else all
        return lambda document: decide(condition(document) for condition in conditions)

    def _operand(self) -> _Condition:
        if self._took("("):
            condition = self._junction("||")
            if not self._took(")"):
                raise InvalidPatternError
            return condition
        path = _path(self._take("selector")[1])
        kind, text = self._take("state", "operator")
        if kind == "operator":
            test = _comparison(text, *self._take("text", "regex", "bare"))
        elif text.startswith("NOT"):
            return lambda document: not _selected(document, path)
        else:
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[text.split()[1]]
            if wanted is not None and not self._takes_booleans:
                return lambda _: False
            test = partial(_is, wanted)
        return lambda document: any(test(value) for value in _selected(document, path))


def _read(text: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each token."""
    position, end = 0, len(text.rstrip())
    regexes = 0
    while position < end:
        token = _TOKEN.match(text, position, end)
        if token is None:
            raise InvalidPatternError
        kind = str(token.lastgroup)
        regexes += kind == "regex"
        yield kind, token[kind]
        position = token.end()
    if regexes > _MOST_REGEXES:
        raise InvalidPatternError


def _path(selector: str) -> Sequence[tuple[str, _Part]]:
    """Return the steps of a selector, each with how it is written. At most one of them is a wildcard."""
    steps = [
        (step[0], int(step["index"]) if step["index"] else step["key"] or step["quoted"]) for step in _STEP.finditer(selector)
    ]
    if sum(part is None for _, part in steps) > 1:
        raise InvalidPatternError
    return steps


def _selected(document: Any, path: Sequence[tuple[str, _Part]]) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the values that a selector points at. `[*]` is all of a list or an object, and `.*` all of an object."""
    values = [document]
    for written, part in path:
        found: list[Any] = []
        for value in values:
            match value, part:
                case dict(), str():
                    found += [value[part]] if part in value else []
                case list(), int():
                    found += value[part : part + 1]
                case dict(), None:
                    found += value.values()
                case list(), None if written == "[*]":
                    found += value
        values = found
    return values


def _is(wanted: bool | None, value: object) -> bool:  # noqa: FBT001 - a value of JSON, and no flag
    return value is wanted or (isinstance(value, list) and any(item is wanted for item in value))


def _comparison(sign: str, kind: str, text: str) -> _Test:
    """Return a test of a text or a number; nothing else meets a comparison."""
    number = float(text) if kind == "bare" and _NUMBER.fullmatch(text) else None
    if sign in _ORDERS:
        if number is None:
            raise InvalidPatternError
        holds = partial(_ORDERS[sign])
        return lambda value: isinstance(value, _Number) and holds(value.value, number)
    if kind == "bare" and text in _RESERVED:
        raise InvalidPatternError
    if kind == "regex":
        found = _regex(text).search
    else:
        wanted = _unescaped(text) if kind == "text" else text
        found = re.compile(".*".join(map(re.escape, wanted.split("*"))), re.DOTALL).fullmatch

    def equal(value: Any) -> bool:  # noqa: ANN401 - any JSON
        if isinstance(value, _Number):
            return value.value == number if number is not None else found(value.text) is not None
        return found(value) is not None

    return lambda value: isinstance(value, str | _Number) and equal(value) == (sign == "=")
