"""Puts the scripts of remediation/ into the runbooks of the templates: `python -m remediation.render`, or `make render`.

A script stands in a template as a block below a line `Script: | # remediation/NAME.py`, with what its step's `Handler` reaches:
a document has 64 KB at most. Exit codes: 0, and 1 where a script is missing or Automation would not take it, or where `--check`
finds a block that is not as its file has it.
"""

import argparse
import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[1]
TEMPLATES = ("account.yaml", "root-credentials.yaml")

_BLOCK = re.compile(r"^(?P<indent> *)Script: \| # (?P<script>remediation/\w+\.py)\n(?:(?P=indent) +\S.*\n|\n)*", re.MULTILINE)
_HANDLER = re.compile(r"^ *Handler: (\w+)$", re.MULTILINE)


class ScriptError(ValueError):
    """A script cannot stand in a runbook; the message says which and why."""


def render(template: str, read: Callable[[str], str]) -> str:
    """Return a template's text with each block as its script is; `read` gives a script's text by its path in the project.

    Raises ScriptError where a script has two opening braces in a row: Automation would take them for a reference.
    """

    def block(match: re.Match[str]) -> str:
        script, indent = match["script"], match["indent"]
        handlers = _HANDLER.findall(template, 0, match.start())
        source = _reached(read(script), handlers[-1]) if handlers else read(script)
        if "{{" in source:
            raise ScriptError(f"{script} has {{{{, which begins a reference in a runbook: write it otherwise.")
        lines = [f"{indent}  {line}" if line else "" for line in source.splitlines()]
        return "\n".join([f"{indent}Script: | # {script}", *lines, ""])

    return _BLOCK.sub(block, template)


def _reached(source: str, handler: str) -> str:
    """Return what a script has for one of its functions: what that refers to, and so on. Raises ScriptError: it has none."""
    lines, statements = source.splitlines(keepends=True), ast.parse(source).body
    defining = {name: index for index, statement in enumerate(statements) for name in _defined(statement)}
    if handler not in defining:
        raise ScriptError(f"The handler {handler} of a step is not in its script.")
    reached, waiting = {0}, [handler]  # the first says what the script is
    while waiting:
        index = defining.get(waiting.pop(), 0)  # 0: what Python brings
        if index not in reached:
            reached.add(index)
            waiting += [node.id for node in ast.walk(statements[index]) if isinstance(node, ast.Name)]
    parts, end = [], 0
    for index, statement in enumerate(statements):
        start, end = end, statement.end_lineno or 0
        # Comments stand before what they are about, and a constant's docstring behind it.
        documents = isinstance(statement, ast.Expr) and index - 1 in reached
        if index in reached or documents:
            parts += lines[start:end]
    return "".join(parts)


def _defined(statement: ast.stmt) -> list[str]:
    """Return the names that a statement of a script gives something."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def main() -> int:
    """Render the templates, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m remediation.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail where something would be changed")
    check = parser.parse_args().check
    outdated = []
    for name in TEMPLATES:
        path = PROJECT / name
        template = path.read_text(encoding="utf-8")
        try:
            rendered = render(template, lambda script: (PROJECT / script).read_text(encoding="utf-8"))
        except (ScriptError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks through print
            return 1
        if rendered != template:
            outdated.append(name)
            if not check:
                path.write_text(rendered, encoding="utf-8")
    if check and outdated:
        print(f"Not as remediation/ has it: {', '.join(outdated)}. Run `make render`.", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
