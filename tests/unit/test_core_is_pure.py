"""What the contract in pyproject.toml cannot say of the decision: the few modules that it may import, and no others."""

import ast
import re
from pathlib import Path

import grimp
import pytest

RULES = Path(__file__).parents[2] / "rules"
PACKAGE = "root_virtual_mfa_enabled"
CORE = f"{PACKAGE}.decision"
PACKAGES = sorted(file.parent.name for file in RULES.glob("*/__init__.py"))

PURE = {"collections", "dataclasses", "enum"}
"""What the core may import from outside the packages of rules/."""

PARTS = {f"{package}.{name}" for package in PACKAGES for name in ("decision", "verdict")}
"""Modules that the core may consist of."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def reached(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Return what a module imports, itself or through others, and what Python runs before it: its package."""
    return graph.find_upstream_modules(module) | graph.find_upstream_modules(module.partition(".")[0])


def test_core_imports_only_what_is_pure(graph: grimp.ImportGraph) -> None:
    found = reached(graph, CORE)
    packages = {name.partition(".")[0] for name in found} & set(PACKAGES)
    for package in packages:
        found |= graph.find_upstream_modules(package)
    assert found <= PURE | PARTS | packages


def test_impure_imports_would_be_seen(graph: grimp.ImportGraph) -> None:
    assert {"botocore", "logging", "datetime", "rdklib"} <= reached(graph, f"{PACKAGE}.rule")


def test_core_calls_no_builtin_that_does_input_or_output() -> None:
    tree = ast.parse(RULES.joinpath(*CORE.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {"Decision", "len"} <= names
    assert not names & {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}


@pytest.mark.parametrize("source", sorted((RULES / "periodic_rule").glob("*.py")), ids=lambda path: path.stem)
def test_what_rules_share_speaks_of_no_rule(source: Path) -> None:
    assert not re.search("root|mfa", source.read_text(encoding="utf-8").lower())
