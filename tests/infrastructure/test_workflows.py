"""The workflows of GitHub Actions: pinned, with few permissions, and with commands that the Makefile has."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted(PROJECT.glob(".github/workflows/*.yml"))

pytestmark = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"])


def test_every_action_is_pinned_to_a_commit_with_its_version(workflow: Path) -> None:
    uses = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert uses
    for each in uses:
        assert each.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_it_may_read_only_and_one_job_that_runs_no_code_of_ours_writes(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    for job in jobs(workflow).values():
        if "permissions" in job:
            assert job["permissions"] == {"contents": "write"}
            assert not [step for step in job["steps"] if "checkout" in step.get("uses", "") or "make" in step.get("run", "")]


def test_checkout_keeps_no_credentials(workflow: Path) -> None:
    for job in jobs(workflow).values():
        for step in job.get("steps", []):
            if "actions/checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_every_job_that_runs_has_a_limit_on_its_time(workflow: Path) -> None:
    assert [name for name, job in jobs(workflow).items() if "steps" in job and "timeout-minutes" not in job] == []


def test_what_it_makes_is_in_the_makefile(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for job in jobs(workflow).values():
        for step in job.get("steps", []):
            words = step.get("run", "").split()
            if words[:1] == ["make"]:
                made = {word for word in words[1:] if re.fullmatch(r"[a-z][a-z-]*", word)}
                assert made
                assert made <= targets
