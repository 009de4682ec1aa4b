"""The benchmark of the report measures a right report, beside its peer, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ACCOUNTS = 6


def run(*arguments: str | Path, temporary: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmark.report", *arguments],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_calls_time_and_memory_of_a_right_report_are_measured(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    result = tmp_path / "result.json"
    ran = run("--accounts", str(ACCOUNTS), "--json", result, temporary=temporary)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(temporary.iterdir())
    assert "`make bench-report` measures organizations of 300, 1,000, 3,000 and 10,000 accounts." in ran.stdout
    [row] = json.loads(result.read_text(encoding="utf-8"))["rows"]
    assert (row["accounts"], row["wrong"]) == (ACCOUNTS, [])
    assert row["peer_calls"] == 1 + ACCOUNTS, "one for the names of the rules, one for each account"
    assert row["calls"] > 0
    assert row["seconds"] > 0
    assert row["peak_memory_mib"] > 0


@pytest.mark.parametrize("accounts", ["3", "many"])
def test_an_organization_that_is_too_small_is_refused_with_what_is_allowed(accounts: str, tmp_path: Path) -> None:
    ran = run("--accounts", accounts, temporary=tmp_path)
    assert ran.returncode == 2
    assert f"argument --accounts: '{accounts}' is no whole number of at least 4" in ran.stderr
