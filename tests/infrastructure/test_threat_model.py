"""docs/threat-model.md: each attack names tests, and the tests exist."""

import ast
import re

import pytest

from .templates import PROJECT

ROW = re.compile(r"^\| \d+ \|.*\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
MODEL = (PROJECT / "docs/threat-model.md").read_text(encoding="utf-8")


def test_every_attack_is_numbered_in_order_and_names_a_test() -> None:
    rows = ROW.findall(MODEL)
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows
    assert not [row for row in rows if not TEST.search(row)]


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(MODEL))))
def test_a_test_that_it_names_is_there(path: str, name: str) -> None:
    module = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
    assert not name or name in {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
