"""The runbooks' scripts in the templates are the files of remediation/."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from remediation.render import PROJECT, TEMPLATES, ScriptError, render

SCRIPT = "import json\n\n\ndef handler(events, _):\n    return {}\n"
OUTDATED = """\
steps:
  - inputs:
      Script: | # remediation/one.py
        an older one

        of several lines
    outputs: []
"""


def test_a_block_becomes_its_file_and_the_rest_stays() -> None:
    rendered = render(OUTDATED, {"remediation/one.py": SCRIPT}.__getitem__)
    [step] = yaml.safe_load(rendered)["steps"]
    assert step == {"inputs": {"Script": SCRIPT}, "outputs": []}
    assert render(rendered, {"remediation/one.py": SCRIPT}.__getitem__) == rendered


HANDLED = """\
steps:
  - inputs:
      Handler: first
      Script: | # remediation/two.py
        outdated
  - inputs:
      Handler: second
      InputPayload: {}
      Script: | # remediation/two.py
        outdated
"""
TWO = '''"""What it is."""

import json
import os as system
from time import sleep, time

SHARED = 1
"""What it is for."""
OTHER: int = 2
UNUSED = {}


class ThisError(Exception):
    pass


# About the first.
def first(events, _):
    sleep(SHARED)
    raise ThisError(json)


# What the second needs.


def second(events, _):
    return helper(system, OTHER)


def helper(of, other):
    return second, of
'''


def test_a_block_has_what_its_handler_reaches() -> None:
    first, second = yaml.safe_load(render(HANDLED, {"remediation/two.py": TWO}.__getitem__))["steps"]
    assert first["inputs"]["Script"] == (
        '"""What it is."""\n\nimport json\nfrom time import sleep, time\n\nSHARED = 1\n"""What it is for."""\n\n\n'
        "class ThisError(Exception):\n    pass\n\n\n# About the first.\n"
        "def first(events, _):\n    sleep(SHARED)\n    raise ThisError(json)\n"
    )
    assert second["inputs"]["Script"] == (
        '"""What it is."""\nimport os as system\nOTHER: int = 2\n\n\n# What the second needs.\n\n\n'
        "def second(events, _):\n    return helper(system, OTHER)\n\n\ndef helper(of, other):\n    return second, of\n"
    )


def test_a_handler_that_is_not_there_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"handler second of a step is not in its script"):
        render(HANDLED, lambda _: "def first(events, _):\n    return {}\n")


def test_what_automation_would_take_for_a_reference_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"remediation/one\.py has \{\{"):
        render(OUTDATED, lambda _: 'print(f"{{not a reference}}")\n')


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_committed_templates_are_rendered(name: str) -> None:
    template = (PROJECT / name).read_text(encoding="utf-8")
    assert render(template, lambda script: (PROJECT / script).read_text(encoding="utf-8")) == template


def test_every_script_is_in_a_template() -> None:
    rendered = {
        name
        for template in TEMPLATES
        for name in re.findall(r"# (remediation/\w+\.py)$", (PROJECT / template).read_text(), re.MULTILINE)
    }
    files = {f"remediation/{path.name}" for path in (PROJECT / "remediation").glob("*.py")}
    assert files - rendered == {"remediation/__init__.py", "remediation/render.py"}


def test_the_check_passes_and_changes_nothing() -> None:
    before = {name: (PROJECT / name).read_bytes() for name in TEMPLATES}
    ran = subprocess.run(
        [sys.executable, "-m", "remediation.render", "--check"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {name: Path(PROJECT, name).read_bytes() for name in TEMPLATES} == before
