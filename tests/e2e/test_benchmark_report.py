"""The benchmark of the report measures a right report, beside its peer, and leaves nothing behind."""

from pathlib import Path

import pytest

from tests.e2e.benchmarks import measure, refusal

ACCOUNTS = 6


def test_calls_time_and_memory_of_a_right_report_are_measured(tmp_path: Path) -> None:
    measured, printed = measure("benchmark.report", "--accounts", str(ACCOUNTS), folder=tmp_path)
    assert "`make bench-report` measures organizations of 300, 1,000, 3,000 and 10,000 accounts." in printed
    [row] = measured["rows"]
    assert (row["accounts"], row["wrong"]) == (ACCOUNTS, [])
    assert row["peer_calls"] == 1 + ACCOUNTS, "one for the names of the rules, one for each account"
    assert row["calls"] > 0
    assert row["seconds"] > 0
    assert row["peak_memory_mib"] > 0


@pytest.mark.parametrize("accounts", ["3", "many"])
def test_an_organization_that_is_too_small_is_refused_with_what_is_allowed(accounts: str) -> None:
    said = refusal("benchmark.report", "--accounts", accounts)
    assert f"argument --accounts: '{accounts}' is no whole number of at least 4" in said
