"""The templates have the scripts of remediation/ and the version of pyproject.toml."""

import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.decode import decode_str

from render import PROJECT, TEMPLATES, ScriptError, in_steps, render

SCRIPT = "import json\n\n\ndef handler(events, _):\n    return {}\n"
OUTDATED = """\
Scripts:
  One:
    Python: | # remediation/one.py
      an older one

      of several lines

# The next section.
Version: "0.0.0" # version of pyproject.toml
Other: "0.0.0"
"""
FILES = {"remediation/one.py": SCRIPT, "pyproject.toml": '[project]\nversion = "1.2.3"\n'}


def test_a_script_becomes_its_file_and_a_version_the_projects_and_the_rest_stays() -> None:
    rendered = render(OUTDATED, FILES.__getitem__)
    assert yaml.safe_load(rendered) == {"Scripts": {"One": {"Python": SCRIPT}}, "Version": "1.2.3", "Other": "0.0.0"}
    assert "\n\n# The next section.\n" in rendered
    assert render(rendered, FILES.__getitem__) == rendered


def test_a_script_that_is_not_there_yet_is_put_in() -> None:
    rendered = render("Scripts:\n  Python: | # remediation/one.py\n\nOther: 1\n", FILES.__getitem__)
    assert rendered == f"Scripts:\n  Python: | # remediation/one.py\n{textwrap.indent(SCRIPT, '    ')}\nOther: 1\n"


@pytest.mark.parametrize("name", ["account.yaml", "root-credentials.yaml"])
def test_scripts_in_steps_are_those_of_the_mapping(name: str) -> None:
    before = (PROJECT / name).read_text(encoding="utf-8")
    after = in_steps(before)
    found, mapped = (loads(text) for text in (after, before))
    scripts = mapped["Mappings"].pop("Scripts")

    def put_in(value: Any) -> Any:  # noqa: ANN401 - anything that YAML can hold
        match value:
            case {"Fn::FindInMap": ["Scripts", script, "Python"]}:
                return scripts[script]["Python"]
            case dict():
                return {key: put_in(each) for key, each in value.items()}
            case list():
                return [put_in(each) for each in value]
        return value

    assert found == put_in({key: value for key, value in mapped.items() if value})
    assert "Scripts" not in after
    assert in_steps(after) == after
    assert render(after, FILES.__getitem__) == after


def test_scripts_go_into_lists_too() -> None:
    template = """\
Mappings:
  # The Python of the runbook.
  Scripts:
    One:
      Python: | # remediation/one.py
        import json

        print(json)

Resources:
  Script: !Join
    - ""
    - - !FindInMap [Scripts, One, Python]
      - !FindInMap [Scripts, One, Python]
"""
    code = "import json\n\nprint(json)\n"
    assert loads(in_steps(template)) == {"Resources": {"Script": {"Fn::Join": ["", [code, code]]}}}


def loads(template: str) -> dict[str, Any]:
    """Read a template; short forms such as !Ref become long forms."""
    found: dict[str, Any] = json.loads(json.dumps(decode_str(template)[0]))
    return found


def test_what_automation_would_take_for_a_reference_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"remediation/one\.py has \{\{"):
        render(OUTDATED, (FILES | {"remediation/one.py": 'print(f"{{not a reference}}")\n'}).__getitem__)


@pytest.mark.parametrize("names", ["CallError, calls", "(\n    CallError,\n    calls,\n)"])
def test_an_import_of_another_script_is_left_out(names: str) -> None:
    imports = f"import json\n\nfrom remediation.two import {names}\n"
    rendered = render(OUTDATED, (FILES | {"remediation/one.py": f"{imports}\n{SCRIPT}"}).__getitem__)
    assert yaml.safe_load(rendered)["Scripts"]["One"]["Python"] == f"import json\n\n\n{SCRIPT}"


@pytest.mark.parametrize(
    "line", ["from remediation.two import (", "    from remediation.two import calls", "import remediation.two"]
)
def test_an_import_that_cannot_be_left_out_is_refused(line: str) -> None:
    with pytest.raises(ScriptError, match=r"remediation/one\.py imports another script in a way"):
        render(OUTDATED, (FILES | {"remediation/one.py": f"{line}\n"}).__getitem__)


def test_every_script_is_in_a_template() -> None:
    rendered = {
        name
        for template in TEMPLATES
        for name in re.findall(r"# (remediation/\w+\.py)$", (PROJECT / template).read_text(), re.MULTILINE)
    }
    files = {f"remediation/{path.name}" for path in (PROJECT / "remediation").glob("*.py")}
    assert files - rendered == {"remediation/__init__.py"}


def test_the_version_is_in_the_metadata_of_the_application_and_in_the_functions_environment() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    written = re.findall(
        r'^ *(\w+: "[^"]*") # version of pyproject\.toml$', (PROJECT / "template.yaml").read_text(), re.MULTILINE
    )
    assert written == [f'Version: "{version}"', f'VERSION: "{version}"']


def test_the_check_passes_and_changes_nothing() -> None:
    before = {name: (PROJECT / name).read_bytes() for name in TEMPLATES}
    ran = subprocess.run([sys.executable, "-m", "render", "--check"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {name: Path(PROJECT, name).read_bytes() for name in TEMPLATES} == before
