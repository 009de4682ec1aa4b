"""Parse rule parameters: AWS Config passes each as a string.

Every rule has ExecutionRoleName. A rule declares its own parameters in a ParameterSchema.  Nothing here needs rdklib, so that
the operator's command, which is installed without it, accepts the same parameters.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from periodic_rule.errors import shown
from periodic_rule.verdict import Verdict

P = TypeVar("P")

EXECUTION_ROLE_NAME = "ExecutionRoleName"
"""The parameter with the name of the role to assume in the evaluated account; the name is rdklib's."""

_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""The name of a role, without a path. Source: API model, iam, roleNameType."""
_ROLE_NAME_ALLOWED = "the name of a role (1 to 64 of A-Z a-z 0-9 + = , . @ _ -), without a path or ARN"


class ParameterError(Exception):
    """A rule parameter has an unknown name, or a value that is not allowed.

    The message names the parameter, what is allowed and, unless it is long, the value.
    """


class NotAllowedError(Exception):
    """A parser does not accept a value; `allowed` says which values it accepts."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


Parser = Callable[[str], Any]
"""Turns the text of a parameter into its value. Raises NotAllowedError."""


@dataclass(frozen=True, slots=True)
class RuleParameters(Generic[P]):
    """All parameters of an evaluation: what `decide` takes, and the role to assume in the evaluated account."""

    decision_parameters: P
    execution_role_name: str | None = None


@dataclass(frozen=True, slots=True)
class ParameterSchema(Generic[P]):
    """The parameters of a rule.

    `make` is a dataclass whose fields all have defaults.
    `fields` maps the name of each parameter to the field of that dataclass and to the parser of its value.
    """

    make: Callable[..., P]
    fields: Mapping[str, tuple[str, Parser]]

    def parse(self, rule_parameters: Mapping[str, str]) -> RuleParameters[P]:
        """Parse the rule parameters of an event. Raises ParameterError."""
        _refuse_unknown(rule_parameters, [*self.fields, EXECUTION_ROLE_NAME])
        own = {name: text for name, text in rule_parameters.items() if name != EXECUTION_ROLE_NAME}
        role_name = rule_parameters.get(EXECUTION_ROLE_NAME)
        return RuleParameters(
            self.parse_own(own), None if role_name is None else _parsed(EXECUTION_ROLE_NAME, role_name, _role_name)
        )

    def parse_own(self, texts: Mapping[str, str]) -> P:
        """Parse the parameters that the rule declares itself, and so without ExecutionRoleName. Raises ParameterError."""
        _refuse_unknown(texts, self.fields)
        parsers = {name: self.fields[name] for name in texts}
        return self.make(**{field: _parsed(name, texts[name], parse) for name, (field, parse) in parsers.items()})

    def texts(self, parameters: RuleParameters[P]) -> dict[str, str]:
        """Return the parameters in force, including defaults, with the names and as the strings that AWS Config passes."""
        texts = {name: str(getattr(parameters.decision_parameters, field)) for name, (field, _) in self.fields.items()}
        return texts | ({EXECUTION_ROLE_NAME: parameters.execution_role_name} if parameters.execution_role_name else {})


def whole_number(least: int, most: int) -> Parser:
    """Make a parser of the whole numbers from `least` to `most`, written without sign or leading zero."""
    allowed = f"a whole number from {least} to {most}"

    def parse(text: str) -> int:
        if text not in [str(number) for number in range(least, most + 1)]:
            raise NotAllowedError(allowed)
        return int(text)

    return parse


def one_of(*allowed: Verdict) -> Parser:
    """Make a parser of these verdicts."""

    def parse(text: str) -> Verdict:
        if text not in list(allowed):
            raise NotAllowedError(" or ".join(allowed))
        return Verdict(text)

    return parse


def _refuse_unknown(names: Collection[str], allowed: Collection[str]) -> None:
    for name in names:
        if name not in allowed:
            message = f"Unknown rule parameter {shown(name)}: allowed are {', '.join(allowed)}."
            raise ParameterError(message)


def _parsed(name: str, text: str, parse: Parser) -> Any:  # noqa: ANN401 - a parser's value may be of any type
    try:
        return parse(text)
    except NotAllowedError as error:
        message = f"Rule parameter {name} is {shown(text)}: allowed is {error.allowed}."
        raise ParameterError(message) from None


def _role_name(text: str) -> str:
    if not _ROLE_NAME.fullmatch(text):
        raise NotAllowedError(_ROLE_NAME_ALLOWED)
    return text
