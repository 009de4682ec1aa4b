"""docs/parameters.md: every parameter of the template, with its default."""

import re
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

PROJECT = Path(__file__).parents[2]


def test_it_has_every_parameter_with_its_default() -> None:
    page = (PROJECT / "docs/parameters.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]\w+)` \|.*\| (?:\N{EN DASH}|`(\S+)`) \|$", page, re.MULTILINE)
    parameters = load(str(PROJECT / "template.yaml"))["Parameters"]
    assert dict(rows) == {name: str(parameter["Default"]) for name, parameter in parameters.items()}
    assert len(rows) == len(parameters)
