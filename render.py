"""Write the content of other files into the templates and two pages: `python -m render`, or `make render`.

A script of a runbook is below a line `KEY: | # remediation/NAME.py`, word for word, but without imports of another script: the
template joins the two. The version of pyproject.toml is in each line `KEY: "VERSION" # version of pyproject.toml`. The page
local_aws/coverage/README.md shows the lists beside it, and docs/controls.md shows organization/controls/controls.yaml.

Exit codes: 0; 1 if a script is missing or Automation would not accept it, if there is no version, if a list is malformed, or if
`--check` finds that a template or a page is out of date.
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
from organization.controls.judging import STATES, Control, State
from organization.controls.reading import frameworks

PROJECT = Path(__file__).parent
TEMPLATES = ("template.yaml", "account.yaml", "root-credentials.yaml")
COVERAGE_PAGE = "local_aws/coverage/README.md"
CONTROLS_PAGE = "docs/controls.md"

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

    Raises ScriptError if a script has two opening braces in a row, which Automation would read as a reference, or imports
    another script in another way than with `from remediation.NAME import …`.
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

    CloudFormation's page of quotas names no limit for a value in a mapping. This is for those who meet one.
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
    """Return the page of what the local AWS emulates. Raises CoverageError if a list is malformed."""
    lists = coverage.read().values()
    for each in lists:
        coverage.check_names(each, service_model(each.api).operation_names)
    return coverage.page(lists)


def controls_page() -> str:
    """Return the page of the frameworks, their controls, and what satisfies each."""
    lines = [_CONTROLS_INTRODUCTION, "| A root user's state | Meaning |", "|---|---|"]
    lines += [f"| {state} | {meaning} |" for state, meaning in STATES.items()]
    for framework in frameworks().values():
        lines += ["", f"## {framework.title}", "", *textwrap.wrap(f"`--framework {framework.name}`. {framework.note}", 150), ""]
        lines += ["| Control | Asks | Satisfied by | Says nothing about | Source |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_control(each))} |" for each in framework.controls]
    return "\n".join(lines) + "\n"


_CONTROLS_INTRODUCTION = """\
# Frameworks and their controls

Auditors ask by framework. `root-virtual-mfa report --framework NAME` shows which controls of a framework each account
satisfies, which it does not, and which are *unknown*. Give it several times for several frameworks.

This rule wants a virtual MFA device. Frameworks ask other questions. So the facts behind the verdict decide, and not the
verdict: MFA on or off, virtual devices, password, access keys and signing certificates. The report takes them from the
account's latest line in the journal if that is not older than 26 hours, counts, and AWS Config confirms it. Otherwise each
control is unknown. If a credential is not known to be absent, it counts as present. Exceptions change nothing here.

A control asks for more than MFA for root users. *Satisfied* says that the account's root user is no obstacle to it. Each
line has its source. Some sources are AWS, others are projects that map checks to frameworks, and none is the framework's own
publisher.

`make render` writes this page from [controls.yaml](../organization/controls/controls.yaml).
"""


def _control(control: Control) -> tuple[str, ...]:
    source = f"[page]({control.source})" if control.source else f"Unverified: {control.unverified}"
    satisfying, silent = (
        ", ".join(state for state in State if state in those) or "\N{EN DASH}"
        for those in (control.satisfied_by, control.silent_on)
    )
    return control.control_id, control.asks, satisfying, silent, source


def main() -> int:
    """Render the templates and the pages, or check them. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a file is out of date")
    parser.add_argument("--in-steps", action="store_true", help="put the scripts into the steps, and into no mapping")
    arguments = parser.parse_args()
    check = arguments.check
    outdated = []
    pages = {COVERAGE_PAGE: coverage_page, CONTROLS_PAGE: controls_page}
    for name in (*TEMPLATES, *pages):
        path = PROJECT / name
        try:
            found = path.read_text(encoding="utf-8") if name in TEMPLATES or path.is_file() else ""
            rendered = (
                pages[name]() if name in pages else render(found, lambda file: (PROJECT / file).read_text(encoding="utf-8"))
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
