"""The page of the local AWS lists the operations that it answers and its switches, no more and no fewer."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping

import pytest

from local_aws.client import PROJECT, PYTHON
from local_aws.core.switches import SWITCHES

PAGE = PROJECT / "local_aws/README.md"

NOTE_OPERATIONS = """
import json, os, sys
from pathlib import Path
from local_aws.server.application import LocalAws
from local_aws.server.dispatch import Dispatch

answered, in_front = {}, Dispatch.in_front

def note(dispatch, service, operations):
    answered[service] = sorted(operations)
    in_front(dispatch, service, operations)

Dispatch.in_front = note
LocalAws(4566, {}, None, Path(sys.executable))
print(json.dumps(answered), flush=True)
os._exit(0)  # nothing is served: its threads need not end
"""


@pytest.fixture(scope="module")
def answered() -> Mapping[str, list[str]]:
    """Return the operations that the local AWS answers instead of MiniStack, of each service."""
    command = [str(PYTHON), "-c", NOTE_OPERATIONS]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)  # noqa: S603 - our own program
    operations: dict[str, list[str]] = json.loads(run.stdout.splitlines()[-1])
    return {service: names for service, names in operations.items() if names}


@pytest.fixture(scope="module")
def listed() -> Mapping[str, list[str]]:
    """Return the operations in the first column of each service's table, by the service in the table's heading."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^#+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading, _, text = section.partition("\n")
        service = re.search(r"\(`(\w+)`\)$", heading)
        if service:
            cells = re.findall(r"^\| ([^|]*) \|", text, re.MULTILINE)
            found[service[1]] = [name for cell in cells for name in re.findall(r"`([A-Z]\w+)`", cell)]
    return found


def test_each_service_that_answers_has_a_table(answered: Mapping[str, list[str]], listed: Mapping[str, list[str]]) -> None:
    assert sorted(listed) == sorted(answered)


def test_a_table_has_each_operation_once(answered: Mapping[str, list[str]], listed: Mapping[str, list[str]]) -> None:
    for service, names in answered.items():
        assert Counter(listed[service]) == Counter(names), service


def test_the_page_has_every_switch_and_what_it_does() -> None:
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n### Switches\n")
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert rows == list(SWITCHES.items())
