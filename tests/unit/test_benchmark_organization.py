"""The benchmark of a whole organization: what it generates and demands, and what counts as lost, wrong and doubled."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.organization import THROTTLED, UNDISTURBED
from benchmark.organization_result import (
    ACTIONS,
    CENTRAL,
    FEWEST_IN_WAVES,
    MANAGEMENT,
    Activity,
    Evidence,
    Result,
    RootUser,
    Round,
    accounts_file,
    device_name,
    judge,
    root_users,
    rows,
    verdict,
    waves,
)
from local_aws.organizations.accounts_file import read_accounts, read_organization
from root_virtual_mfa_enabled.decision import AccountSummary, Facts, Parameters, VirtualMfaDevice, decide

# --- What is evaluated ---


def test_neighbours_demand_opposite_verdicts_and_every_state_is_there() -> None:
    users = root_users(100, seed=1)
    assert list(users) == sorted(users)
    assert len(users) == 100
    verdicts = [verdict(user) for user in users.values()]
    assert all(one != other for one, other in pairwise(verdicts))
    states = {tuple(bool(value) for value in user.values()) for user in users.values()}
    assert len(states) == 2**5


def test_the_seed_decides_which_account_has_which_state() -> None:
    assert root_users(50, seed=1) == root_users(50, seed=1)
    assert root_users(50, seed=1) != root_users(50, seed=2)


@pytest.mark.parametrize("user", root_users(36, seed=1).items(), ids=lambda user: str(user[0]))
def test_what_is_demanded_is_what_the_rule_decides(user: tuple[str, RootUser]) -> None:
    """The benchmark decides without the rule's code: both have to agree about every state."""
    account_id, root_user = user
    names = root_user["virtual_mfa_devices"]
    root = f"arn:aws:iam::{account_id}:root"
    devices = [VirtualMfaDevice(f"arn:aws:iam::{account_id}:mfa/{name}", root, enabled=True) for name in names]
    summary = AccountSummary(
        mfa_enabled=bool(names or root_user["hardware_mfa_devices"]),
        password_present=root_user["password"],
        access_keys_present=bool(root_user["access_keys"]),
        signing_certificates_present=bool(root_user["signing_certificates"]),
    )
    decision = decide(Facts("aws", account_id, summary, tuple(devices)), Parameters())
    assert decision.verdict == verdict(root_user)
    assert (device_name(account_id) in decision.annotation) == bool(names)


def test_the_accounts_file_is_one_for_the_local_aws(tmp_path: Path) -> None:
    users = root_users(30, seed=1)
    file = tmp_path / "accounts.yaml"
    file.write_text(yaml.safe_dump(accounts_file(users)), encoding="utf-8")
    found = read_accounts(file)
    assert set(found) == set(users)
    for account_id, user in users.items():
        root_user = found[account_id].root_user
        assert (root_user.password, len(root_user.access_keys)) == (user["password"], user["access_keys"])
        assert len(root_user.hardware_mfa_devices) == user["hardware_mfa_devices"]
        assert list(root_user.virtual_mfa_devices) == user["virtual_mfa_devices"]
    organization = read_organization(file, found)
    assert organization is not None
    assert organization.management_account_id == MANAGEMENT
    assert organization.administers(CENTRAL, "config.amazonaws.com")
    assert len(set(organization.parents.values())) > 3


def test_waves_are_a_small_unit_a_larger_one_and_the_rest() -> None:
    users = root_users(1000, seed=1)
    of_units = waves(users)
    sizes = {path: len(account_ids) for path, account_ids in of_units.items()}
    assert sizes == {"Sandbox": 50, "Infrastructure": 250, "Workloads/Development": 349, "Workloads/Production": 349}
    assert sorted(each for account_ids in of_units.values() for each in account_ids) == sorted(
        users.keys() - {MANAGEMENT, CENTRAL}
    )
    for account_ids in of_units.values():
        verdicts = [verdict(users[account_id]) for account_id in account_ids]
        assert all(one != other for one, other in pairwise(verdicts))
    assert all(waves(root_users(FEWEST_IN_WAVES, seed=1)).values())


# --- What came of it ---

BEGAN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER, EARLIER = BEGAN + timedelta(seconds=1), BEGAN - timedelta(seconds=1)
BARE, VIRTUAL = "300000000001", "300000000002"
BARE_USER = {"password": True, "access_keys": 0, "signing_certificates": 0, "virtual_mfa_devices": []}
USERS = {BARE: BARE_USER, VIRTUAL: {**BARE_USER, "virtual_mfa_devices": [device_name(VIRTUAL)]}}
BARE_RESULT = Result("NON_COMPLIANT", "The root user has no MFA.", LATER)
VIRTUAL_RESULT = Result("COMPLIANT", f"The root user has 1 virtual MFA device ({device_name(VIRTUAL)}).", LATER)


def call(
    account_id: str, action: str, fault: str = "", principal: str = "assumed-role/root-virtual-mfa-evaluation"
) -> dict[str, str]:
    return {
        "account_id": account_id,
        "principal": f"arn:aws:sts::{account_id}:{principal}/session",
        "action": action,
        "fault": fault,
    }


REPORTS = [call(BARE, "config:PutEvaluations"), call(VIRTUAL, "config:PutEvaluations")]


def judged(
    bare: Sequence[Result] = (BARE_RESULT,),
    virtual: Sequence[Result] = (VIRTUAL_RESULT,),
    calls: Sequence[dict[str, str]] = REPORTS,
    **evidence: Any,  # noqa: ANN401 - fields of Evidence
) -> Round:
    known = Evidence(BEGAN, {BARE: bare, VIRTUAL: virtual}, calls, Activity(), dropped=0)
    return judge("a round", USERS, replace(known, **evidence))


def test_one_right_result_of_each_account_is_correct() -> None:
    found = judged()
    assert (found.lost, found.wrong, found.doubled) == ([], [], [])
    assert found.correct


@pytest.mark.parametrize("results", [[], [replace(VIRTUAL_RESULT, invoked=EARLIER)]], ids=["none", "yesterday's"])
def test_an_account_without_a_fresh_result_is_lost(results: list[Result]) -> None:
    found = judged(virtual=results)
    assert (found.lost, found.wrong, found.doubled) == ([VIRTUAL], [], [])
    assert not found.correct


@pytest.mark.parametrize(
    "result",
    [
        replace(VIRTUAL_RESULT, compliance_type="NON_COMPLIANT"),
        replace(VIRTUAL_RESULT, annotation=f"The root user has 1 virtual MFA device ({device_name(BARE)})."),
        replace(BARE_RESULT, compliance_type="COMPLIANT"),
    ],
    ids=["another verdict", "another account's device", "of another account"],
)
def test_another_result_than_demanded_is_wrong(result: Result) -> None:
    found = judged(virtual=[result])
    assert (found.lost, found.wrong, found.doubled) == ([], [VIRTUAL], [])
    assert not found.correct


def test_a_device_that_root_does_not_have_is_wrong() -> None:
    found = judged(bare=[replace(BARE_RESULT, annotation=f"The root user has {device_name(BARE)}.")])
    assert found.wrong == [BARE]


def test_a_second_result_is_doubled() -> None:
    found = judged(bare=[BARE_RESULT, replace(BARE_RESULT, invoked=EARLIER)])
    assert (found.lost, found.wrong, found.doubled) == ([], [], [BARE])
    assert not found.correct


def test_a_second_report_is_doubled_unless_the_other_one_was_throttled() -> None:
    assert judged(calls=[*REPORTS, call(BARE, "config:PutEvaluations")]).doubled == [BARE]
    assert judged(calls=[*REPORTS, call(BARE, "config:PutEvaluations", "Throttling")]).doubled == []


def test_an_evaluation_of_another_account_is_doubled() -> None:
    """It has had its evaluation in a wave before, or will have it in one to come."""
    assert judged(calls=[*REPORTS, call(CENTRAL, "config:PutEvaluations")]).doubled == [CENTRAL]
    assert judged(calls=[*REPORTS, call(CENTRAL, "config:PutEvaluations", "Throttling")]).doubled == []


def test_the_calls_of_evaluations_are_counted_and_no_others() -> None:
    calls = [
        *REPORTS,
        call(CENTRAL, "sts:AssumeRole", "Throttling", "assumed-role/root-virtual-mfa-function"),
        call(CENTRAL, "sts:AssumeRole", "", "assumed-role/root-virtual-mfa-function"),
        call(CENTRAL, "logs:PutLogEvents", "", "assumed-role/root-virtual-mfa-function"),
        call(BARE, "iam:GetAccountSummary", "", "user/administrator"),
    ]
    found = judged(calls=calls)
    assert found.calls == {"config:PutEvaluations": 2, "sts:AssumeRole": 2}
    assert found.throttled == 1
    assert found.calls_per_account("sts:AssumeRole") == 1
    assert found.calls_per_account(*ACTIONS) == 2


def line(**entry: object) -> str:
    return json.dumps(entry)


def report(ended: str, duration_ms: float, **metrics: float) -> str:
    measured = {"durationMs": duration_ms, "memorySizeMB": 256, **metrics}
    return line(time=ended, type="platform.report", record={"requestId": "1", "metrics": measured, "status": "success"})


def test_the_log_tells_who_was_evaluated_how_long_it_took_and_how_much_memory() -> None:
    activity = Activity()
    activity.read(
        [
            line(time="2026-03-04T05:06:08.000Z", type="platform.start", record={"requestId": "1"}),
            line(timestamp="2026-03-04T05:06:08Z", message="evaluation failed", account=BARE),
            report("2026-03-04T05:06:08.000Z", 500, initDurationMs=1500, maxMemoryUsedMB=60),
        ]
    )
    activity.read([line(message="evaluation", account=BARE), report("2026-03-04T05:06:09.500Z", 10, maxMemoryUsedMB=55)])
    activity.read(
        [
            "[ERROR] a process that died",
            line(message="Found credentials", account=VIRTUAL),
            report("2026-03-04T05:06:07.000Z", 10),
        ]
    )
    assert (activity.evaluated, activity.failed) == ({BARE}, {BARE})
    assert activity.seconds == 3.5
    assert activity.peak_memory_mib == 60
    found = judged(activity=activity, dropped=3)
    assert (found.repeated, found.dropped, found.peak_memory_mib, found.seconds) == (1, 3, 60, 3.5)
    assert found.accounts_per_second == pytest.approx(2 / 3.5)


def test_if_nothing_happened_there_is_nothing_to_divide_by() -> None:
    found = judged(bare=[], virtual=[], calls=[])
    assert (found.seconds, found.accounts_per_second, found.peak_memory_mib) == (0, 0, None)


def test_the_table_has_a_column_for_each_round_and_compares_what_depends_on_throttling() -> None:
    undisturbed = judged()
    throttled = replace(undisturbed, calls={"config:PutEvaluations": 3}, seconds=6.0, lost=[BARE])
    rounds = [throttled, throttled, replace(undisturbed, seconds=2.0)]
    table = {row.measure.strip(): row for row in rows(rounds)}
    assert list(table["Lost"].values) == [1, 1, 0]
    assert table["Lost"].ratio(THROTTLED, UNDISTURBED) is None
    assert list(table["config:PutEvaluations"].values) == [1.5, 1.5, 1]
    assert table["config:PutEvaluations"].ratio(THROTTLED, UNDISTURBED) == 1.5
    assert table["iam:GetAccountSummary"].ratio(THROTTLED, UNDISTURBED) is None
    assert table["Time"].ratio(THROTTLED, UNDISTURBED) == 3
    assert table["Accounts a second"].ratio(THROTTLED, UNDISTURBED) == pytest.approx(1 / 6)
