"""The benchmark of check and inventory measures right answers, and leaves nothing behind."""

from pathlib import Path

from benchmark.organization_result import root_users
from tests.e2e.benchmarks import measure

ACCOUNTS = 6


def test_calls_time_and_memory_of_right_answers_are_measured(tmp_path: Path) -> None:
    measured, _ = measure("benchmark.auditing", "--accounts", str(ACCOUNTS), folder=tmp_path)
    check, inventory = measured["rows"]
    users = root_users(ACCOUNTS, seed=1).values()
    with_mfa = sum(bool(user["virtual_mfa_devices"] or user["hardware_mfa_devices"]) for user in users)
    # Who calls, the accounts, a role in each but the own one, the summary, and the devices if MFA is on.
    assert check["calls"] == 1 + 1 + (ACCOUNTS - 1) + ACCOUNTS + with_mfa
    assert inventory["calls"] > 6 * ACCOUNTS
    for row in (check, inventory):
        assert (row["accounts"], row["wrong"]) == (ACCOUNTS, [])
        assert row["seconds"] > 0
        assert row["peak_memory_mib"] > 0
