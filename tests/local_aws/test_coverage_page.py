"""What the local AWS emulates: its lists, the page of its switches, and what is no list."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from local_aws.client import PROJECT, PYTHON
from local_aws.core import coverage
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

LIST = """\
title: A service
operations:
  - names: [ListQueues, CreateQueue]
    answered_by: package
    left_out: Nothing
    rests_on: "Model: all | of it"
  - names: [DeleteQueue]
    answered_by: MiniStack
    left_out: Not examined
    rests_on: MiniStack
"""
BEHAVIOURS = """\
behaviours:
  - what: Messages come back.
    left_out: Nothing
    rests_on: Page
"""


def write(folder: Path, text: str) -> Path:
    (folder / "sqs.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_package_answers_in_front_of_ministack_what_the_lists_say(tmp_path: Path) -> None:
    command = [str(PYTHON), "-c", NOTE_OPERATIONS]
    variables = os.environ | {"TMPDIR": str(tmp_path)}  # it leaves a folder behind
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=variables)  # noqa: S603 - our own program
    answered = {service: names for service, names in json.loads(run.stdout.splitlines()[-1]).items() if names}
    listed = {
        service: sorted(name for some in each.operations if some.answered_by == "package" for name in some.names)
        for service, each in coverage.read().items()
    }
    assert {service: names for service, names in listed.items() if names} == answered


def test_the_page_shows_operations_and_behaviours(tmp_path: Path) -> None:
    page = coverage.page(coverage.read(write(tmp_path, LIST + BEHAVIOURS)).values())
    assert "## A service (`sqs`)" in page
    assert "| `ListQueues`, `CreateQueue` | the package | Nothing | Model: all \\| of it |" in page
    assert "| `DeleteQueue` | MiniStack | Not examined | MiniStack |" in page
    assert "| Messages come back. | Nothing | Page |" in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (LIST, "title: [", "coverage/sqs.yaml is no YAML"),
        (LIST, "", "coverage/sqs.yaml has the keys title, operations"),
        ("title: A service", "title:", "coverage/sqs.yaml: title is a text, not None"),
        ("title:", "titel: x\ntitle:", "coverage/sqs.yaml has the keys title, operations, and may have"),
        ("[DeleteQueue]", "[]", "operations, item 2: names is a list of at least one operation"),
        ("[DeleteQueue]", "DeleteQueue", "operations, item 2: names is a list, not 'DeleteQueue'"),
        ("[DeleteQueue]", "[DeleteQueue, ListQueues]", "coverage/sqs.yaml has ListQueues more than once"),
        ("answered_by: package", "answered_by: nobody", "item 1: answered_by is package or MiniStack, not 'nobody'"),
        ("    left_out: Not examined\n", "", "operations, item 2 has the keys names, answered_by, left_out, rests_on"),
        ("rests_on: Page", "rests_on: 1", "behaviours, item 1: rests_on is a text, not 1"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (LIST + BEHAVIOURS).replace(old, new) if old != LIST else new
    with pytest.raises(coverage.CoverageError) as caught:
        coverage.read(write(tmp_path, text))
    assert said in str(caught.value)


def test_an_operation_that_the_api_model_lacks_is_refused(tmp_path: Path) -> None:
    listed = coverage.read(write(tmp_path, LIST))["sqs"]
    coverage.check_names(listed, ["ListQueues", "CreateQueue", "DeleteQueue", "SendMessage"])
    with pytest.raises(coverage.CoverageError, match=r"coverage/sqs\.yaml: sqs has no operation CreateQueue, DeleteQueue\."):
        coverage.check_names(listed, ["ListQueues"])


def test_the_page_has_every_switch_and_what_it_does() -> None:
    _, _, section = PAGE.read_text(encoding="utf-8").partition("\n### Switches\n")
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert rows == list(SWITCHES.items())
