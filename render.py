"""Write what stands in other files into the templates and a page: `python -m render`, or `make render`.

A script of a runbook stands below a line `KEY: | # remediation/NAME.py`, word for word, but without imports of another script:
the template joins the two. The version of pyproject.toml stands in each line `KEY: "VERSION" # version of pyproject.toml`. The
page local_aws/coverage/README.md shows the lists beside it. Exit codes: 0; 1 if a script is missing or Automation would not
take it, if there is no version, if a list is not as it has to be, or if `--check` finds that a template or the page is out of
date.
"""

import argparse
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from local_aws.core import coverage
from local_aws.core.models import service_model

PROJECT = Path(__file__).parent
TEMPLATES = ("template.yaml", "account.yaml", "root-credentials.yaml")
COVERAGE_PAGE = "local_aws/coverage/README.md"

_SCRIPT = re.compile(
    r"^(?P<indent> *)(?P<key>\w+): \| # (?P<script>remediation/\w+\.py)\n(?:(?P=indent) +\S.*\n|\n(?=\n*(?P=indent) ))*",
    re.MULTILINE,
)
_IMPORT = re.compile(r"^from remediation\.\w+ import (?:[\w, ]+|\([\w,\s]+\))\n", re.MULTILINE)
_VERSION = re.compile(r'^(?P<key> *\w+): "[^"\n]*" # version of pyproject\.toml$', re.MULTILINE)

_SCRIPTS = re.compile(r"(?:^  #.*\n)?^  Scripts:\n(?:    .*\n|\n(?=\n*    ))+", re.MULTILINE)
"""The mapping of the scripts, with the comment above it."""
_USE = re.compile(r"^(?P<lead> *(?:\w+: |(?:- )+))!FindInMap \[Scripts, (?P<name>\w+), Python\]$", re.MULTILINE)


class ScriptError(ValueError):
    """A runbook cannot have this script. The message says which script and why."""


def render(template: str, read: Callable[[str], str]) -> str:
    """Return a template's text with each script and version as its file has it. `read` returns a file of the project.

    Raises ScriptError if a script has two opening braces in a row, which Automation would take for a reference, or imports
    another script otherwise than with `from remediation.NAME import …`.
    """

    def script(match: re.Match[str]) -> str:
        source = _IMPORT.sub("", read(match["script"]))
        if re.search(r"^\s*(from|import) remediation", source, re.MULTILINE):
            raise ScriptError(f"{match['script']} imports another script in a way that cannot be left out of a runbook.")
        if "{{" in source:
            raise ScriptError(f"{match['script']} has {{{{, which begins a reference in a runbook. Write it in another way.")
        lines = [f"{match['indent']}  {line}" if line else "" for line in source.splitlines()]
        return "\n".join([f"{match['indent']}{match['key']}: | # {match['script']}", *lines, ""])

    def version(match: re.Match[str]) -> str:
        project = tomllib.loads(read("pyproject.toml"))["project"]
        return f'{match["key"]}: "{project["version"]}" # version of pyproject.toml'

    return _VERSION.sub(version, _SCRIPT.sub(script, template))


def in_steps(template: str) -> str:
    """Return a rendered template with each script in the steps that use it, and in no mapping.

    CloudFormation's page of quotas names no limit for a value in a mapping. This is for whoever meets one.
    """
    mapping = _SCRIPTS.search(template)
    if mapping is None:
        return template
    scripts = yaml.safe_load(mapping.group())["Scripts"]

    def use(match: re.Match[str]) -> str:
        lead = match["lead"]
        indent = " " * (len(lead) - len(lead.lstrip()) + 2 * max(1, lead.count("- ")))
        return f"{lead}|\n{textwrap.indent(scripts[match['name']]['Python'], indent)}".removesuffix("\n")

    without = template.replace(mapping.group(), "")
    return _USE.sub(use, re.sub(r"^Mappings:\n+(?=\S)", "", without, flags=re.MULTILINE))


def coverage_page() -> str:
    """Return the page of what the local AWS emulates. Raises CoverageError: a list is not as it has to be."""
    lists = coverage.read().values()
    for each in lists:
        coverage.check_names(each, service_model(each.api).operation_names)
    return coverage.page(lists)


def main() -> int:
    """Render the templates and the page, or check them. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a file is out of date")
    parser.add_argument("--in-steps", action="store_true", help="put the scripts into the steps, and into no mapping")
    arguments = parser.parse_args()
    check = arguments.check
    outdated = []
    for name in (*TEMPLATES, COVERAGE_PAGE):
        path = PROJECT / name
        try:
            found = path.read_text(encoding="utf-8")
            rendered = (
                coverage_page()
                if name == COVERAGE_PAGE
                else render(found, lambda file: (PROJECT / file).read_text(encoding="utf-8"))
            )
            rendered = in_steps(rendered) if arguments.in_steps else rendered
        except (ScriptError, coverage.CoverageError, OSError, KeyError) as error:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - a command line speaks through print
            return 1
        if rendered != found:
            outdated.append(name)
            if not check:
                path.write_text(rendered, encoding="utf-8")
    if check and outdated:
        print(f"Out of date: {', '.join(outdated)}. Run `make render`.", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
