"""The benchmark runs, checks every answer, and leaves nothing behind; how fast anything was is not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

from local_aws.client import PROJECT


def test_the_quick_benchmark_measures_all_three_functions_and_counts_their_calls(tmp_path: Path) -> None:
    subprocess.run(["make", "build"], cwd=PROJECT, check=True, capture_output=True)  # noqa: S607 - make is where it is
    temporary, result = tmp_path / "tmp", tmp_path / "result.json"
    temporary.mkdir()
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmark", "--quick", "--json", result],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(temporary.iterdir())
    table = {row["measure"]: row for row in json.loads(result.read_text(encoding="utf-8"))["rows"]}

    calls = {measure: row for measure, row in table.items() if measure.startswith("API calls, ")}
    assert {measure.removeprefix("API calls, "): (row["package"], row["floor"]) for measure, row in calls.items()} == {
        "own account without MFA": (2, 2),
        "own account with a virtual device": (3, 3),
        "member account without MFA": (3, 3),
        "member account with a virtual device": (4, 4),
    }
    # rdklib's reading of old evaluations.
    assert all(row["sample"] == row["floor"] + 1 for row in calls.values())

    measured = [row for row in table.values() if row["unit"] in {"ms", "KiB"}]
    assert len(measured) == 4
    assert all(row[function] > 0 for row in measured for function in ("package", "floor", "sample"))
    aims = {row["measure"]: row["aim"] for row in table.values() if row["aim"] is not None}
    assert sorted(aims.values()) == [1.1, 1.1, 1.25, 1.25]
    # The sample's attempt to get at the internet was seen, and refused.
    assert "sts.us-east-1.amazonaws.com:443" in ran.stdout
