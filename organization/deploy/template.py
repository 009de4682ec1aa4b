"""The parameters that template.yaml declares, so that `deploy` can refuse a bad value before AWS does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from organization.account_lists import LONGEST_VALUE
from organization.aws import CommandError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the faster one, if PyYAML was built with it
    """Reads CloudFormation's short tags, such as !Ref, as nothing: parameters have none."""


_Loader.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: what it is for, and which values it takes.  `pattern` applies to each item of a list."""

    name: str
    description: str
    constraint: str
    pattern: str = ""
    allowed: tuple[str, ...] = ()
    is_list: bool = False
    is_number: bool = False

    def check(self, value: str) -> None:
        """Raise CommandError if the template does not allow a value."""
        for item in [item.strip() for item in value.split(",")] if self.is_list else [value]:
            if not self._takes(item):
                verb = "has" if self.is_list else "is"
                message = f"Parameter {self.name} {verb} {item!r}, but {self.constraint or 'must be another value.'}"
                raise CommandError(message)
        length = len(value.encode())
        if length > LONGEST_VALUE:
            message = f"Parameter {self.name} has {length} bytes, and CloudFormation accepts {LONGEST_VALUE}."
            raise CommandError(message)

    def _takes(self, item: str) -> bool:
        return bool(
            (not self.pattern or re.search(self.pattern, item))
            and (not self.allowed or item in self.allowed)
            and (not self.is_number or (item.isascii() and item.isdigit()))
        )


def read(path: Path) -> dict[str, Parameter]:
    """Read the parameters of a template by their names."""
    # Safe: a subclass of yaml.SafeLoader that makes nothing of further tags.
    template: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return {name: _parameter(name, declared) for name, declared in template["Parameters"].items()}


def check(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> None:
    """Raise CommandError if a parameter is not one of the template's, or has a value that the template does not allow."""
    for name, value in given.items():
        if name not in parameters:
            message = f"The template has no parameter {name}: it has {', '.join(parameters)}."
            raise CommandError(message)
        parameters[name].check(value)


def _parameter(name: str, declared: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name,
        " ".join(str(declared.get("Description", "")).split()),
        str(declared.get("ConstraintDescription", "")),
        str(declared.get("AllowedPattern", "")),
        tuple(str(value) for value in declared.get("AllowedValues", ())),
        is_list=declared["Type"] == "CommaDelimitedList",
        is_number=declared["Type"] == "Number",
    )
