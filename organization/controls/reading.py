"""Reads the frameworks and their controls from controls.yaml, which comes with the command."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from organization.controls.judging import Control, Framework, State

FILE = "controls.yaml"


@cache
def frameworks() -> Mapping[str, Framework]:
    """Return every framework by its name, in the order of the file."""
    text = resources.files("organization.controls").joinpath(FILE).read_text(encoding="utf-8")
    return {each["name"]: _framework(**each) for each in yaml.safe_load(text)}


def _framework(*, name: str, title: str, controls: list[dict[str, Any]], note: str = "") -> Framework:
    return Framework(name, title, note, tuple(_control(**each) for each in controls))


def _control(  # noqa: PLR0913 - the keys of a control
    *,
    id: str,  # noqa: A002 - the key in the file
    asks: str,
    satisfied_by: list[str],
    silent_on: list[str] | None = None,
    source: str = "",
    unverified: str = "",
) -> Control:
    satisfying, silent = (frozenset(map(State, each or ())) for each in (satisfied_by, silent_on))
    return Control(id, asks, satisfying, silent, source, unverified)
