"""The benchmark of the evidence measures evidence that is right, generated and on the local AWS, and leaves nothing behind."""

from pathlib import Path

from tests.e2e.benchmarks import measure, refusal

ACCOUNTS = 6


def test_time_calls_and_memory_of_right_evidence_are_measured(tmp_path: Path) -> None:
    small = ("--accounts", "60", "--days", "40", "--local-accounts", str(ACCOUNTS))
    measured, _ = measure("benchmark.evidence", *small, folder=tmp_path)
    generated, local = measured["generated"], measured["local_aws"]
    assert (generated["accounts"], generated["days"], generated["correct"]) == (60, 40, True)
    assert (local["accounts"], local["lines"], local["correct"]) == (ACCOUNTS, ACCOUNTS * local["days"], True)
    assert local["calls"]["logs:StartQuery"] > 0
    for row in (generated, local):
        assert row["peak_memory_mib"] > 0


def test_no_accounts_are_refused() -> None:
    assert "argument --accounts: '0' is no whole number of at least 1" in refusal("benchmark.evidence", "--accounts", "0")
