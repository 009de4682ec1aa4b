"""The benchmark of check and inventory measures right answers, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmark.organization_result import root_users

PROJECT = Path(__file__).parents[2]
ACCOUNTS = 6


def test_calls_time_and_memory_of_right_answers_are_measured(tmp_path: Path) -> None:
    temporary, result = tmp_path / "tmp", tmp_path / "result.json"
    temporary.mkdir()
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmark.auditing", "--accounts", str(ACCOUNTS), "--json", result],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(temporary.iterdir())
    check, inventory = json.loads(result.read_text(encoding="utf-8"))["rows"]
    users = root_users(ACCOUNTS, seed=1).values()
    with_mfa = sum(bool(user["virtual_mfa_devices"] or user["hardware_mfa_devices"]) for user in users)
    # Who calls, the accounts, a role in each but the own one, the summary, and the devices if MFA is on.
    assert check["calls"] == 1 + 1 + (ACCOUNTS - 1) + ACCOUNTS + with_mfa
    assert inventory["calls"] > 6 * ACCOUNTS
    for row in (check, inventory):
        assert (row["accounts"], row["wrong"]) == (ACCOUNTS, [])
        assert row["seconds"] > 0
        assert row["peak_memory_mib"] > 0
