"""Write into the templates what stands in other files: `python -m render`, or `make render`.

A script of a runbook stands below a line `KEY: | # remediation/NAME.py`, word for word. The version of pyproject.toml stands
in each line `KEY: "VERSION" # version of pyproject.toml`. Exit codes: 0; 1 if a script is missing or Automation would not take
it, if there is no version, or if `--check` finds that a template is out of date.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parent
TEMPLATES = ("template.yaml", "account.yaml", "root-credentials.yaml")

_SCRIPT = re.compile(
    r"^(?P<indent> *)(?P<key>\w+): \| # (?P<script>remediation/\w+\.py)\n(?:(?P=indent) +\S.*\n|\n(?=\n*(?P=indent) ))*",
    re.MULTILINE,
)
_VERSION = re.compile(r'^(?P<key> *\w+): "[^"\n]*" # version of pyproject\.toml$', re.MULTILINE)


class ScriptError(ValueError):
    """A runbook cannot have this script. The message says which script and why."""


def render(template: str, read: Callable[[str], str]) -> str:
    """Return a template's text with each script and version as its file has it. `read` returns a file of the project.

    Raises ScriptError if a script has two opening braces in a row: Automation would take them for a reference.
    """

    def script(match: re.Match[str]) -> str:
        source = read(match["script"])
        if "{{" in source:
            raise ScriptError(f"{match['script']} has {{{{, which begins a reference in a runbook. Write it in another way.")
        lines = [f"{match['indent']}  {line}" if line else "" for line in source.splitlines()]
        return "\n".join([f"{match['indent']}{match['key']}: | # {match['script']}", *lines, ""])

    def version(match: re.Match[str]) -> str:
        project = tomllib.loads(read("pyproject.toml"))["project"]
        return f'{match["key"]}: "{project["version"]}" # version of pyproject.toml'

    return _VERSION.sub(version, _SCRIPT.sub(script, template))


def main() -> int:
    """Render the templates, or check them. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a template is out of date")
    check = parser.parse_args().check
    outdated = []
    for name in TEMPLATES:
        path = PROJECT / name
        template = path.read_text(encoding="utf-8")
        try:
            rendered = render(template, lambda file: (PROJECT / file).read_text(encoding="utf-8"))
        except (ScriptError, OSError, KeyError) as error:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks through print
            return 1
        if rendered != template:
            outdated.append(name)
            if not check:
                path.write_text(rendered, encoding="utf-8")
    if check and outdated:
        print(f"Out of date: {', '.join(outdated)}. Run `make render`.", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
