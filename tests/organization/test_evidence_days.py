"""The core of the evidence: which lines count, what each day is, how long failures lasted, and the figures."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization.deployment import Deployment
from organization.evidence.days import DAY, MOST_APART, AccountDay, History, Member, Period, Scope, Status, share
from organization.evidence.lines import Apart, Line, Ownership, parse
from organization.exceptions.judging import Acceptance, Exceptions, Exclusion
from tests.organization.journal_lines import CENTRAL, MANAGEMENT, OF_RULE, PARAMETERS, RULE, text

FIRST = date(2026, 3, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE, TWO = "333333333333", "444444444444"
DEPLOYMENT = Deployment(
    "root-virtual-mfa",
    "CREATE_COMPLETE",
    CENTRAL,
    "eu-central-1",
    "aws",
    "o-a1b2c3d4e5",
    management_account_id=MANAGEMENT,
    rule_parameters=PARAMETERS,
)
LOOSE = {**OF_RULE, "nonVirtualMfa": "COMPLIANT"}

Written = tuple[timedelta, str]
"""A line of the log: how long after the beginning of the period it was written, and its text."""


def history(
    written: Sequence[Written],
    *,
    days: int = 5,
    scope: Scope | None = None,
    deployment: Deployment = DEPLOYMENT,
    members: Iterable[str] = (ONE,),
) -> tuple[History, list[AccountDay]]:
    lines = [parse(START + after, line) for after, line in written]
    scope = scope or Scope({each: Member(each, f"name of {each}") for each in members})
    found = History(Period(FIRST, FIRST + DAY * (days - 1)), scope, Ownership(deployment), lambda: lines)
    return found, list(found.days())


def calendars(*written: Written, **options: Any) -> dict[str, str]:  # noqa: ANN401 - as history takes them
    found, _ = history(written, **options)
    return {account_id: calendar.decode() for account_id, calendar in found.calendars.items()}


def anchored(parameters: dict[str, str] = OF_RULE, days: Iterable[int] = range(5)) -> list[Written]:
    """Evaluate the central account every day at midnight."""
    return [(DAY * day, text(CENTRAL, parameters=parameters)) for day in days]


def in_order(*written: Written) -> list[Written]:
    return sorted(written, key=lambda each: each[0])


# --- Days ---


def test_a_day_has_the_verdict_of_its_last_evaluation_and_is_unknown_without_one() -> None:
    found, days = history(
        [
            (3 * HOUR, text(ONE, "NON_COMPLIANT")),
            (24 * HOUR - timedelta(milliseconds=1), text(ONE)),
            (24 * HOUR, text(ONE, "NON_COMPLIANT")),
            (50 * HOUR, text(ONE, "NOT_APPLICABLE")),
            (75 * HOUR, text(ONE, "")),
        ]
    )
    assert found.calendars[ONE].decode() == "CNPUU"
    first, *_, fourth, _ = days
    assert first.line is not None
    assert (first.evaluations, first.line.facts, first.line.devices) == (2, (True, True, None, False), 1)
    assert (fourth.status, fourth.line, fourth.failed_evaluations) == (Status.UNKNOWN, None, 1)
    figures = found.figures()
    assert (figures.in_scope, figures.compliant, figures.known) == (5, 1, 3)
    assert [(account_id, kind, each.count) for (account_id, kind), each in found.failed_evaluations.items()] == [
        (ONE, "ReadError", 1)
    ]


def test_only_whole_days_of_a_membership_count() -> None:
    midnight = START + DAY
    for member, expected in {
        Member(ONE, joined=START + DAY + HOUR): "..UUU",
        Member(ONE, joined=midnight): ".UUUU",
        Member(ONE, joined=START - DAY): "UUUUU",
        Member(ONE, left=START + 3 * DAY + HOUR, listed=False): "UUU..",
        Member(ONE, joined=START + HOUR, left=START + 2 * DAY, listed=False): ".U...",
        Member(ONE, listed=False): ".....",
    }.items():
        assert calendars(scope=Scope({ONE: member})) == {ONE: expected}, member


def test_an_account_that_is_gone_counts_until_its_last_evaluation_if_nobody_says_when_it_left() -> None:
    written = [(DAY, text(TWO)), (DAY * 3, text(TWO, "NON_COMPLIANT"))]
    assert calendars(*written)[TWO] == ".CUN."
    closed = Scope({TWO: Member(TWO, "closed", listed=False)})
    assert calendars(*written, scope=closed) == {TWO: "UCUN."}
    known = Scope({TWO: Member(TWO, left=START + DAY * 4 + HOUR, listed=False)})
    assert calendars(*written, scope=known) == {TWO: "UCUN."}
    assert calendars((DAY, text(TWO, parameters=LOOSE)), scope=Scope({})) == {}, "a line that does not count makes no member"


def test_an_exclusion_hides_days_without_an_evaluation_until_its_end() -> None:
    written = [(DAY, text(ONE, "NON_COMPLIANT"))]
    members = {ONE: Member(ONE)}
    assert calendars(*written, scope=Scope(members, exceptions=Exceptions(excluded={ONE: Exclusion("Sandbox.")}))) == {
        ONE: "XNXXX"
    }
    assert calendars(
        *written, scope=Scope(members, exceptions=Exceptions(excluded={ONE: Exclusion("Sandbox.", "me", FIRST + DAY * 2)}))
    ) == {ONE: "XNXUU"}
    begins = Exclusion("Sandbox.", "me", FIRST + DAY * 3, since=FIRST + DAY * 2)
    assert calendars(*written, scope=Scope(members, exceptions=Exceptions(excluded={ONE: begins}))) == {ONE: "UNXXU"}


def test_an_acceptance_covers_failures_until_its_end_and_nothing_else() -> None:
    written = [(DAY * day, text(ONE, verdict)) for day, verdict in enumerate(["NON_COMPLIANT"] * 3 + ["COMPLIANT"])]
    found, _ = history(
        written,
        scope=Scope({ONE: Member(ONE)}, exceptions=Exceptions(accepted={ONE: Acceptance("Key.", "Safe.", "me", FIRST + DAY)})),
    )
    assert found.calendars[ONE].decode() == "AANCU"
    [failure] = found.failures
    assert (failure.accepted_days, failure.length) == (2, 3 * DAY)
    assert (found.figures().compliant, found.figures().known) == (1, 4)


def test_an_acceptance_covers_no_failure_before_its_first_day() -> None:
    written = [(DAY * day, text(ONE, "NON_COMPLIANT")) for day in range(4)]
    accepted = Acceptance("Key.", "Safe.", "me", until=FIRST + DAY * 2, since=FIRST + DAY)
    found, _ = history(written, scope=Scope({ONE: Member(ONE)}, exceptions=Exceptions(accepted={ONE: accepted})))
    assert found.calendars[ONE].decode() == "NAANU"
    assert found.failures[0].accepted_days == 2


def test_days_of_which_no_source_tells_are_gaps_that_count_as_not_known() -> None:
    scope = Scope({ONE: Member(ONE)}, source_from=FIRST + DAY * 2, unreadable={FIRST + DAY * 3})
    found, _ = history([(DAY, text(ONE))], scope=scope)
    assert found.calendars[ONE].decode() == "GCUGU"
    assert (found.figures().in_scope, found.figures().known) == (5, 1)


def test_shares_are_rounded_down() -> None:
    assert share(99_999, 100_000) == "99.99 %"
    assert share(1, 1) == "100.00 %"
    assert share(2, 3) == "66.66 %"
    assert share(0, 0) is None


# --- Failures and changes ---


def test_a_failure_lasts_until_the_next_other_verdict_through_days_that_are_not_known() -> None:
    found, _ = history(
        [
            (HOUR, text(ONE)),
            (5 * HOUR, text(ONE, "NON_COMPLIANT")),
            (6 * HOUR, text(ONE, "NON_COMPLIANT", annotation="Still none.")),
            (3 * DAY + HOUR, text(ONE)),
            (4 * DAY, text(ONE, "NON_COMPLIANT")),
        ]
    )
    long, open_ = found.failures
    assert (long.began, long.began_earlier, long.ended) == (START + 5 * HOUR, False, START + 3 * DAY + HOUR)
    assert (long.length, long.unknown_days, long.annotation) == (3 * DAY - 4 * HOUR, 2, "Still none.")
    assert (open_.ended, open_.length) == (None, DAY)
    assert [(each.before, each.after) for each in found.changes] == [
        ("", "COMPLIANT"),
        ("COMPLIANT", "NON_COMPLIANT"),
        ("NON_COMPLIANT", "COMPLIANT"),
        ("COMPLIANT", "NON_COMPLIANT"),
    ]


def test_a_failure_at_the_first_evaluation_may_have_begun_earlier_and_ends_with_the_membership() -> None:
    member = Member(ONE, left=START + 3 * DAY + HOUR, listed=False)
    found, _ = history([(DAY, text(ONE, "NON_COMPLIANT"))], scope=Scope({ONE: member}))
    [failure] = found.failures
    assert (failure.began_earlier, failure.ended, failure.length) == (True, None, 2 * DAY)


# --- Which lines count ---


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        (Apart.RULE, {"ruleOwner": "account"}),
        (Apart.RULE, {"configRuleName": "root-virtual-mfa-enabled"}),
        (Apart.RULE, {"configRuleName": "mine-conformance-pack-abc"}),
        (Apart.TEST, {"test": True}),
        (Apart.PARAMETERS, {"parameters": LOOSE}),
        (Apart.PARAMETERS, {"parameters": {**OF_RULE, "ExecutionRoleName": "mine"}}),
        (Apart.PARAMETERS, {"parameters": {}}),
        (Apart.UNREADABLE, {"account": "33333333333٣"}),
        (Apart.UNREADABLE, {"configRuleArn": "arn:aws:config:eu-central-1:444444444444:config-rule/x"}),
        (Apart.UNREADABLE, {"configRuleArn": None}),
        (Apart.UNREADABLE, {"verdict": "PERFECT"}),
        (Apart.UNREADABLE, {"parameters": {"minimumVirtualMfaDevices": 1}}),
        (Apart.UNREADABLE, {"test": "false"}),
    ],
)
def test_a_line_that_is_not_the_deployments_own_is_listed_apart(why: Apart, changes: dict[str, object]) -> None:
    written = in_order(*anchored(), (HOUR, text(ONE, "NON_COMPLIANT")), (2 * HOUR, text(ONE, "COMPLIANT", **changes)))
    found, _ = history(written)
    assert found.calendars[ONE].decode() == "NUUUU"
    [(key, group)] = found.apart.items()
    assert (key[0], group.count) == (why, 1)


def test_a_line_of_another_message_or_no_json_is_not_read() -> None:
    for line in [
        "START RequestId",
        "[]",
        "{",
        '{"message": "refused"}',
        "[" * 100_000,
        json.dumps({"message": ["evaluation"]}),
    ]:
        assert parse(START, line) is None


def test_an_account_that_never_was_a_member_does_not_fail() -> None:
    found, _ = history([*anchored(), (4 * DAY + HOUR, text("999999999999", ""))])
    assert found.failed_evaluations == {}
    assert [key[:2] for key in found.apart] == [(Apart.STRANGER, "999999999999")]


def test_parameters_count_when_the_central_account_has_them_and_both_while_they_change() -> None:
    strict = {**OF_RULE, "minimumVirtualMfaDevices": "2"}
    written = in_order(
        *anchored(days=(0, 1)),
        *anchored(strict, days=(2, 3, 4)),
        *((day * DAY + HOUR, text(ONE, parameters=OF_RULE)) for day in range(4)),
        *((day * DAY + HOUR, text(TWO, parameters=strict)) for day in range(4)),
    )
    found, days = history(written, members=(ONE, TWO))
    # After the last evaluation with the old ones and before the first with the new ones, a line may have either.
    assert found.calendars[ONE].decode() == "CCUUU"
    assert found.calendars[TWO].decode() == "UCCCU"
    assert [dict(parameters)["minimumVirtualMfaDevices"] for _, parameters in found.parameters.changes] == ["1", "2"]
    assert {found.parameters.number(day.line.parameters) for day in days if day.line} == {1, 2}


def test_the_management_account_shows_the_parameters_too_and_no_member_does() -> None:
    written = in_order(
        (HOUR, text(MANAGEMENT, parameters=LOOSE)),
        *((day * DAY + 2 * HOUR, text(ONE, parameters=LOOSE)) for day in range(3)),
        *((day * DAY + 2 * HOUR, text(TWO)) for day in range(3)),
    )
    assert calendars(*written, members=(ONE, TWO))[ONE] == "CCCUU"
    assert calendars(*written, members=(ONE, TWO))[TWO] == "UUUUU"


def test_without_an_evaluation_of_either_the_parameters_of_today_count() -> None:
    written = in_order((HOUR, text(ONE, parameters=LOOSE)), (DAY, text(ONE)))
    found, _ = history(written)
    assert not found.parameters.anchored
    assert found.calendars[ONE].decode() == "UCUUU"


def test_a_deployment_for_one_account_counts_its_rule_alone() -> None:
    own = Deployment("s", "CREATE_COMPLETE", ONE, "eu-central-1", "aws", rule_parameters=PARAMETERS)
    mine: dict[str, Any] = {"ruleOwner": "account", "configRuleName": "root-virtual-mfa-enabled", "parameters": PARAMETERS}
    written = in_order(
        (HOUR, text(ONE, **mine)),
        (DAY, text(ONE, **{**mine, "configRuleName": RULE})),
        (2 * DAY, text(TWO, **mine)),
        (3 * DAY, text(ONE, **{**mine, "parameters": {**PARAMETERS, "nonVirtualMfa": "COMPLIANT"}})),
    )
    assert calendars(*written, deployment=own) == {ONE: "CUUCU"}, "the account's own administrator changed the parameters"


def test_lines_of_any_number_of_rules_take_bounded_memory() -> None:
    flood = [(HOUR, text(ONE, configRuleName=f"mine-{number}")) for number in range(MOST_APART + 7)]
    found, _ = history(flood)
    assert (len(found.apart), found.apart_unlisted) == (MOST_APART, 7)


# --- Properties ---

VERDICTS = {"COMPLIANT": "C", "NON_COMPLIANT": "N", "NOT_APPLICABLE": "P"}
lines = st.lists(
    st.tuples(
        st.integers(0, 10 * 24 * 60 - 1).map(lambda minutes: timedelta(minutes=minutes)),
        st.sampled_from([CENTRAL, ONE, TWO]),
        st.sampled_from([*VERDICTS, ""]),
    ),
    max_size=60,
)
forged = st.lists(
    st.tuples(
        st.integers(0, 10 * 24 * 60 - 1).map(lambda minutes: timedelta(minutes=minutes)),
        st.sampled_from([ONE, TWO]),
        st.sampled_from([*VERDICTS, ""]),
        st.sampled_from(
            [
                {"parameters": LOOSE},
                {"ruleOwner": "account"},
                {"test": True},
                {"configRuleName": "root-virtual-mfa-enabled"},
                {"parameters": {**OF_RULE, "minimumVirtualMfaDevices": "8"}, "configRuleName": f"{RULE}9"},
            ]
        ),
    ),
    max_size=30,
)


@given(lines)
def test_each_day_is_what_its_last_line_says(written: list[tuple[timedelta, str, str]]) -> None:
    members = (CENTRAL, ONE, TWO)
    ordered = sorted(written, key=lambda each: each[0])
    found, days = history([(after, text(who, verdict)) for after, who, verdict in ordered], days=10, members=members)
    for who in members:
        said = ["U"] * 10
        for after, whose, verdict in ordered:
            if whose == who and verdict:
                said[after // DAY] = VERDICTS[verdict]
        assert found.calendars[who].decode() == "".join(said)
    assert [(day.day, day.account_id) for day in days] == [
        (FIRST + DAY * number, who) for number in range(10) for who in sorted(members)
    ]
    assert sum(found.figures().counts.values()) == 30
    assert all(failure.length >= timedelta() for failure in found.failures)
    evaluated = sum(bool(verdict) for _, _, verdict in ordered)
    assert sum(day.evaluations for day in days) == evaluated
    assert found.own_lines == len(ordered)


@given(lines, forged)
def test_no_line_of_a_members_own_rule_changes_anything(
    written: list[tuple[timedelta, str, str]], others: list[tuple[timedelta, str, str, dict[str, object]]]
) -> None:
    own = [(after, text(who, verdict)) for after, who, verdict in written] + anchored(days=range(10))
    lies = [(after, text(who, verdict, **changes)) for after, who, verdict, changes in others]
    alone, _ = history(in_order(*own), days=10, members=(CENTRAL, ONE, TWO))
    together, _ = history(in_order(*own, *lies), days=10, members=(CENTRAL, ONE, TWO))
    assert together.calendars == alone.calendars
    assert together.changes == alone.changes
    assert together.failures == alone.failures
    assert sum(group.count for group in together.apart.values()) == len(lies)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
    )
)
def test_no_value_of_a_field_breaks_the_reading(value: object) -> None:
    whole = json.loads(text(ONE))
    for name in whole:
        found = parse(START, json.dumps({**whole, name: value}))
        assert found is None or isinstance(found, Line)
