"""Puts the scripts of remediation/ into the runbooks of the templates: `python -m remediation.render`, or `make render`.

A script stands in a template as a block below a line `Script: | # remediation/NAME.py`. Exit codes: 0, and 1 where a script is
missing or Automation would not take it, or where `--check` finds a block that is not its file.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[1]
TEMPLATES = ("account.yaml", "root-credentials.yaml")

_BLOCK = re.compile(r"^(?P<indent> *)Script: \| # (?P<script>remediation/\w+\.py)\n(?:(?P=indent) +\S.*\n|\n)*", re.MULTILINE)


class ScriptError(ValueError):
    """A script cannot stand in a runbook; the message says which and why."""


def render(template: str, read: Callable[[str], str]) -> str:
    """Return a template's text with each block as its script is; `read` gives a script's text by its path in the project.

    Raises ScriptError where a script has two opening braces in a row: Automation would take them for a reference.
    """

    def block(match: re.Match[str]) -> str:
        script, indent = match["script"], match["indent"]
        source = read(script)
        if "{{" in source:
            raise ScriptError(f"{script} has {{{{, which begins a reference in a runbook: write it otherwise.")
        lines = [f"{indent}  {line}" if line else "" for line in source.splitlines()]
        return "\n".join([f"{indent}Script: | # {script}", *lines, ""])

    return _BLOCK.sub(block, template)


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
