"""The core does no input or output, and neither does anything that it imports. What rules share knows no rule."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "rules"
PACKAGE = "root_virtual_mfa_enabled"
CORE = f"{PACKAGE}.decision"

PACKAGES = {PACKAGE, "periodic_rule"}

PURE = {"collections.abc", "dataclasses", "enum"}
"""What the core may import from outside our packages."""


def source_of(module: str) -> Path | None:
    path = RULES.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()), None)


def imports_of(module: str, source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*package, *([node.module] if node.module else [])])
            inner = {f"{origin}.{alias.name}" for alias in node.names if source_of(f"{origin}.{alias.name}")}
            found |= {origin} | inner
    return found


def outside(module: str) -> set[str]:
    """Find what `module` imports from outside our packages, directly or through them."""
    seen: set[str] = set()
    waiting = {module}
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if source := source_of(name):
            parents = {name.rpartition(".")[0]} - {""}
            waiting |= (imports_of(name, source) | parents) - seen
        else:
            found.add(name)
    return found


def test_core_imports_only_what_is_pure() -> None:
    assert outside(CORE) <= PURE


@pytest.mark.parametrize(
    ("module", "reached"),
    [
        (f"{PACKAGE}.facts", "botocore.exceptions"),  # through periodic_rule/errors.py
        (f"{PACKAGE}.parameters", "rdklib"),
        (f"{PACKAGE}.rule", "logging"),
        ("periodic_rule.event", "datetime"),
        ("periodic_rule.clients", "botocore.session"),
    ],
)
def test_impure_imports_would_be_seen(module: str, reached: str) -> None:
    assert reached in outside(module)


def loaded_by(module: str) -> set[str]:
    """List the modules that Python loads for `module`, in an interpreter that has loaded nothing else."""
    code = f"""
import sys, json
before = set(sys.modules)
sys.path[:0] = {[str(RULES), *sys.path]!r}
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)  # noqa: S603 - our own code
    return set(json.loads(run.stdout))


def test_core_loads_nothing_but_the_standard_library_and_no_network() -> None:
    loaded = loaded_by(CORE)
    ours = {name for name in loaded if name.partition(".")[0] in PACKAGES}
    assert ours == {PACKAGE, CORE, "periodic_rule", "periodic_rule.verdict"}
    roots = {name.partition(".")[0] for name in loaded} - PACKAGES
    assert roots <= set(sys.stdlib_module_names)
    assert not roots & {"asyncio", "http", "logging", "multiprocessing", "socket", "ssl", "subprocess", "urllib"}


def test_loaded_modules_would_be_seen() -> None:
    assert {"botocore.exceptions", "socket"} <= loaded_by("periodic_rule.errors")


def test_what_rules_share_knows_no_rule() -> None:
    names = {path.stem for path in (RULES / "periodic_rule").glob("*.py")} - {"__init__"}
    assert {"handler", "rule"} <= names
    rules = {path.parent.name for path in RULES.glob("*/rule.py")} - {"periodic_rule"}
    assert rules == {PACKAGE}
    for name in names:
        source = source_of(f"periodic_rule.{name}")
        assert source is not None
        assert not {imported.partition(".")[0] for imported in imports_of(f"periodic_rule.{name}", source)} & rules
        assert not re.search("root|mfa", source.read_text(encoding="utf-8").lower())


def test_core_calls_no_builtin_that_does_input_or_output() -> None:
    source = source_of(CORE)
    assert source is not None
    names = {node.id for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert {"Decision", "len"} <= names
    assert not names & {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
