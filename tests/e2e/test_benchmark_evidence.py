"""The benchmark of the evidence measures evidence that is right, generated and on the local AWS, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ACCOUNTS = 6


def run(*arguments: str | Path, temporary: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmark.evidence", *arguments],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_time_calls_and_memory_of_right_evidence_are_measured(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    result = tmp_path / "result.json"
    small = ("--accounts", "60", "--days", "40", "--local-accounts", str(ACCOUNTS))
    ran = run(*small, "--json", result, temporary=temporary)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(temporary.iterdir())
    measured = json.loads(result.read_text(encoding="utf-8"))
    generated, local = measured["generated"], measured["local_aws"]
    assert (generated["accounts"], generated["days"], generated["correct"]) == (60, 40, True)
    assert (local["accounts"], local["lines"], local["correct"]) == (ACCOUNTS, ACCOUNTS * local["days"], True)
    assert local["calls"]["logs:StartQuery"] > 0
    for row in (generated, local):
        assert row["peak_memory_mib"] > 0


def test_no_accounts_are_refused(tmp_path: Path) -> None:
    ran = run("--accounts", "0", temporary=tmp_path)
    assert ran.returncode == 2
    assert "argument --accounts: '0' is no whole number of at least 1" in ran.stderr
