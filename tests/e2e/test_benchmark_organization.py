"""The benchmark of a whole organization runs, finds nothing lost, wrong or doubled, and leaves nothing behind."""

from pathlib import Path

import pytest

from benchmark.organization_result import root_users
from tests.e2e.benchmarks import measure, refusal

ACCOUNTS, IN_WAVES = 12, 16


def test_every_account_is_evaluated_once_a_round_though_calls_are_throttled(tmp_path: Path) -> None:
    arguments = ("--accounts", str(ACCOUNTS), "--accounts-in-waves", str(IN_WAVES), "--throttled-share", "0.2")
    measured, _ = measure("benchmark.organization", *arguments, folder=tmp_path)
    rounds = measured["rounds"]
    assert len(rounds) == 3
    for each in rounds:
        assert (each["accounts"], each["lost"], each["wrong"], each["doubled"], each["dropped"]) == (ACCOUNTS, [], [], [], 0)
        assert each["seconds"] > 0

    # Root users with MFA take a second read.
    users = root_users(ACCOUNTS, seed=1).values()
    with_mfa = sum(bool(user["virtual_mfa_devices"] or user["hardware_mfa_devices"]) for user in users)
    once = dict.fromkeys(("sts:AssumeRole", "iam:GetAccountSummary", "config:PutEvaluations"), ACCOUNTS)
    *throttled, undisturbed = rounds
    assert undisturbed["calls"] == {**once, "iam:ListVirtualMFADevices": with_mfa}
    assert (undisturbed["throttled"], undisturbed["repeated"]) == (0, 0)
    for each in throttled:
        assert each["throttled"] > 0
        # What was throttled was tried again; an event that Lambda repeated made its first calls twice.
        assert sum(each["calls"].values()) >= sum(undisturbed["calls"].values()) + each["throttled"] - 3 * each["repeated"]

    # A StackSet reaches a unit after the other, and leaves the management account out.
    *waves, everyone = measured["waves"]
    assert [each["accounts"] for each in waves] == [2, 4, 9]
    for each in (*waves, everyone):
        assert (each["lost"], each["wrong"], each["doubled"], each["dropped"]) == ([], [], [], 0)
    assert everyone["accounts"] == IN_WAVES - 1
    assert everyone["deployment_seconds"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--accounts", "3"),
        ("--accounts", "many"),
        ("--accounts-in-waves", "7"),
        ("--throttled-share", "1.1"),
        ("--throttled-share", "nan"),
    ],
)
def test_what_can_not_be_measured_is_refused_with_what_is_allowed(arguments: tuple[str, str]) -> None:
    assert f"argument {arguments[0]}: '{arguments[1]}' is no " in refusal("benchmark.organization", *arguments)
