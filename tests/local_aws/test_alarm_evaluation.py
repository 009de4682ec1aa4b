"""Which state data points put an alarm into: AWS's tables, and what real alarms were seen to do."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from local_aws.cloudwatch.alarm_evaluation import Point, Rule, evaluate, evaluation_range

NOW = datetime(2026, 9, 14, 5, 43, tzinfo=UTC)
STAYS = "-"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def rule(*, needed: int = 3, of: int = 3, treat: str = "missing", comparison: str = "GreaterThanThreshold") -> Rule:
    return Rule("Average", "Count", 60, of, needed, comparison, 50.0, treat)


def points(row: str) -> list[Point]:
    """Read periods, the oldest first, as AWS's tables write them: 0 is good, X breaches, - is missing."""
    values = {"0": 0.0, "X": 100.0, "-": None}
    cells = row.split()
    times = [NOW - timedelta(minutes=number) for number in range(1, len(cells) + 1)]
    return [Point(at, values[cell], 0 if cell == "-" else 1) for at, cell in zip(times, reversed(cells), strict=True)]


def states(row: str, needed: int) -> tuple[str, ...]:
    verdicts = [evaluate(rule(needed=needed, treat=treat), points(row), NOW) for treat in TREATMENTS]
    return tuple(verdict.state if verdict else STAYS for verdict in verdicts)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 - X - X", ("OK", "OK", "OK", "OK")),
        ("0 - - - -", ("OK", "OK", "OK", "OK")),
        ("- - - - -", ("INSUFFICIENT_DATA", STAYS, "ALARM", "OK")),
        ("0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - X - -", ("ALARM", STAYS, "ALARM", "OK")),
    ],
)
def test_three_of_three_as_in_the_table_of_the_guide(row: str, expected: tuple[str, ...]) -> None:
    assert states(row, 3) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", ("OK", "OK", "ALARM", "OK")),
        ("- - - X -", ("ALARM", STAYS, "ALARM", "OK")),
    ],
)
def test_two_of_three_as_in_the_table_of_the_guide(row: str, expected: tuple[str, ...]) -> None:
    assert states(row, 2) == expected


@pytest.mark.parametrize(
    ("row", "state"), [("- - - - X", STAYS), ("- - - X -", STAYS), ("- - - X 0", "OK"), ("- - X - 0", "OK")]
)
def test_a_breach_that_is_not_old_enough_leaves_the_state(row: str, state: str) -> None:
    assert states(row, 3)[0] == state


@pytest.mark.parametrize(
    ("row", "needed", "state"),
    [
        ("- - - - - - X 0 X", 2, "ALARM"),  # dense-nonconsecutive-m2
        ("- - - - - - X 0 X", 3, "OK"),  # dense-m3-good-point
        ("0 X - - - - - - -", 2, "OK"),  # dense-oldest-breach-expires
        ("X - - - - - - - -", 2, "ALARM"),  # dense-last-breach-ages
        ("- - - - - - 0 - X", 3, "OK"),  # sparse-partial-window
        ("- X - X - - - - -", 3, "ALARM"),  # sparse-old-good-expires
    ],
)
def test_what_real_alarms_did(row: str, needed: int, state: str) -> None:
    """Source: radkawar/stackd, testdata/aws/cloudwatch/alarm_evaluation.json, cases of these names."""
    verdict = evaluate(rule(needed=needed), points(row), NOW)
    assert verdict
    assert verdict.state == state


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", {51.0}),
        ("GreaterThanOrEqualToThreshold", {50.0, 51.0}),
        ("LessThanThreshold", {49.0}),
        ("LessThanOrEqualToThreshold", {49.0, 50.0}),
    ],
)
def test_each_comparison_has_its_bound(comparison: str, breaching: set[float]) -> None:
    one = rule(needed=1, of=1, comparison=comparison)
    assert {value for value in (49.0, 50.0, 51.0) if _state(one, value) == "ALARM"} == breaching


def _state(one: Rule, value: float) -> str:
    verdict = evaluate(one, [Point(NOW, value, 1)], NOW)
    return verdict.state if verdict else STAYS


@pytest.mark.parametrize(
    ("row", "needed", "treat", "reason"),
    [
        (
            "X 0 X",
            2,
            "missing",
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (14/09/26 05:42:00), 100.0 (14/09/26 "
                "05:40:00)] were greater "
                "than the threshold (50.0) (minimum 2 datapoints for OK -> ALARM transition)."
            ),
        ),
        (
            "X 0 X",
            3,
            "missing",
            (
                "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:41:00)] was not greater than the "
                "threshold (50.0) "
                "(minimum 1 datapoint for ALARM -> OK transition)."
            ),
        ),
        (
            "- - 0",
            3,
            "breaching",
            (
                "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:42:00)] was not greater than the "
                "threshold (50.0) "
                "and 2 missing datapoints were treated as [Breaching] (minimum 1 datapoint for ALARM -> OK transition)."
            ),
        ),
        (
            "X - X",
            3,
            "breaching",
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (14/09/26 05:42:00), 100.0 (14/09/26 "
                "05:40:00)] were greater "
                "than the threshold (50.0) and 1 missing datapoint was treated as [Breaching] (minimum 3 datapoints "
                "for OK -> ALARM "
                "transition)."
            ),
        ),
        (
            "- - -",
            3,
            "breaching",
            (
                "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
                "[Breaching]."
            ),
        ),
        (
            "- - -",
            3,
            "notBreaching",
            (
                "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
                "[NonBreaching]."
            ),
        ),
        ("- - -", 3, "missing", "Insufficient Data: 3 datapoints were unknown."),
    ],
)
def test_the_reason_is_as_aws_writes_it(row: str, needed: int, treat: str, reason: str) -> None:
    verdict = evaluate(rule(needed=needed, treat=treat), points(row), NOW)
    assert verdict
    assert verdict.reason == reason


def test_the_reasons_data_have_the_points() -> None:
    verdict = evaluate(rule(needed=2), points("X 0 X"), NOW)
    assert verdict
    assert json.loads(verdict.data) == {
        "version": "1.0",
        "queryDate": "2026-09-14T05:43:00.000+0000",
        "startDate": "2026-09-14T05:40:00.000+0000",
        "unit": "Count",
        "statistic": "Average",
        "period": 60,
        "recentDatapoints": [100.0, 0.0, 100.0],
        "threshold": 50.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-09-14T05:42:00.000+0000", "sampleCount": 1, "value": 100.0},
            {"timestamp": "2026-09-14T05:40:00.000+0000", "sampleCount": 1, "value": 100.0},
        ],
    }


def test_only_alarms_of_a_day_look_back_further() -> None:
    days = Rule("Sum", None, 93_600, 1, 1, "LessThanThreshold", 1.0, "breaching")
    assert evaluation_range(rule(), multi_day_looks_back=False) == 5
    assert evaluation_range(days, multi_day_looks_back=False) == 1
    assert evaluation_range(days, multi_day_looks_back=True) == 3
