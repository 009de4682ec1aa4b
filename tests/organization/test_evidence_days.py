"""The core of the evidence: which lines count, what each day is, how long failures lasted, and the figures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization.deployment import BY_STACK_SET, Deployment
from organization.evidence.days import DAY, MOST_APART, AccountDay, DayStatus, History, Member, Period, Scope, share
from organization.evidence.lines import Apart, Line, Ownership, parse
from organization.evidence.targets import Move, Operation, Share, Targets, UnitPath
from organization.exceptions.judging import Acceptance, Exceptions, Exclusion
from tests.organization.journal_lines import CENTRAL, MANAGEMENT, OF_RULE, PACK, PARAMETERS, RULE, text

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
STRICT = {**PARAMETERS, "minimumVirtualMfaDevices": "2"}

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
    assert (fourth.status, fourth.line, fourth.failed_evaluations) == (DayStatus.UNKNOWN, None, 1)
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
    strict = {**OF_RULE, **STRICT}
    written = in_order(
        *anchored(days=(0, 1)),
        *anchored(strict, days=(2, 3, 4)),
        *((day * DAY + HOUR, text(ONE, parameters=OF_RULE)) for day in range(4)),
        *((day * DAY + HOUR, text(TWO, parameters=strict)) for day in range(4)),
    )
    found, days = history(written, members=(ONE, TWO), deployment=replace(DEPLOYMENT, rule_parameters=STRICT))
    # After the last evaluation with the old ones and before the first with the new ones, a line may have either.
    assert found.calendars[ONE].decode() == "CCUUU"
    assert found.calendars[TWO].decode() == "UCCCU"
    assert [dict(setting.parameters)["minimumVirtualMfaDevices"] for _, setting in found.settings.changes] == ["1", "2"]
    assert {found.setting_number(day.line) for day in days if day.line} == {1, 2}


def test_the_management_account_shows_the_parameters_too_and_no_member_does() -> None:
    written = in_order(
        (HOUR, text(MANAGEMENT, parameters=LOOSE)),
        *((day * DAY + 2 * HOUR, text(ONE, parameters=LOOSE)) for day in range(3)),
        *((day * DAY + 2 * HOUR, text(TWO)) for day in range(3)),
    )
    loose = replace(DEPLOYMENT, rule_parameters={**PARAMETERS, "nonVirtualMfa": "COMPLIANT"})
    assert calendars(*written, members=(ONE, TWO), deployment=loose) == {ONE: "CCCUU", TWO: "UUUUU", MANAGEMENT: "C...."}


def test_without_an_evaluation_of_either_the_parameters_of_today_count() -> None:
    written = in_order((HOUR, text(ONE, parameters=LOOSE)), (DAY, text(ONE)))
    found, _ = history(written)
    assert not found.settings.anchored
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


# --- Two ways ---

IN_STACK_SET: dict[str, Any] = {"ruleOwner": "account", "configRuleName": "root-virtual-mfa-enabled"}
BY_STACKS = replace(DEPLOYMENT, rule_deployment=BY_STACK_SET, organizational_unit_ids=frozenset({"ou-a"}))
ROOT = "r-1"
UNITS = {
    ROOT: UnitPath("Root"),
    "ou-a": UnitPath("Root/A", ROOT),
    "ou-aa": UnitPath("Root/A/A", "ou-a"),
    "ou-b": UnitPath("Root/B", ROOT),
}
EARLIER = START - 30 * DAY


def targets(**changes: Any) -> Targets:  # noqa: ANN401 - whatever Targets has
    """Target ou-a since before the period; ONE is in it, and TWO in ou-b."""
    known: dict[str, Any] = {
        "today": frozenset({"ou-a"}),
        "units": UNITS,
        "parents": {ONE: "ou-aa", TWO: "ou-b"},
        "since": EARLIER,
        "moves_since": EARLIER,
    }
    return Targets(**known | changes)


def scoped(*written: Written, found: Targets, **options: Any) -> dict[str, str]:  # noqa: ANN401 - as history takes them
    scope = Scope({each: Member(each) for each in (ONE, TWO)}, targets=found)
    return calendars(*written, scope=scope, deployment=BY_STACKS, **options)


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        (Apart.RULE, {"ruleOwner": PACK}),
        (Apart.RULE, {"configRuleName": RULE}),
        (Apart.RULE, {"ruleOwner": PACK, "configRuleName": RULE}),
        (Apart.RULE, {"ruleOwner": "securityhub.amazonaws.com"}),
        (Apart.PARAMETERS, {"parameters": LOOSE}),
        (Apart.PARAMETERS, {"parameters": PARAMETERS}),
    ],
)
def test_in_a_stack_set_the_rule_of_the_deployments_name_counts_alone(why: Apart, changes: dict[str, object]) -> None:
    forged = text(ONE, "COMPLIANT", **{**IN_STACK_SET, **changes})
    written = [(HOUR, text(ONE, "NON_COMPLIANT", **IN_STACK_SET)), (2 * HOUR, forged), (DAY, text(ONE, "", **IN_STACK_SET))]
    found, _ = history(written, deployment=BY_STACKS)
    assert found.calendars[ONE].decode() == "NUUUU"
    assert [(key[0], group.count) for key, group in found.apart.items()] == [(why, 1)]
    assert [group.count for group in found.failed_evaluations.values()] == [1]


def test_a_failure_that_names_no_parameters_counts_if_its_rule_does() -> None:
    found, _ = history([(HOUR, text(ONE, "", **IN_STACK_SET, parameters={}))], deployment=BY_STACKS)
    assert [group.count for group in found.failed_evaluations.values()] == [1]
    found, _ = history([(HOUR, text(ONE, "", **IN_STACK_SET, parameters={}))])
    assert found.failed_evaluations == {}


def test_after_a_switch_the_lines_of_the_other_way_count_as_long_as_the_central_account_shows_that_way() -> None:
    """Both rules evaluate while the deployment is on its way; a member's rule of the form of before counts no longer."""
    pack = [(DAY * day, text(CENTRAL)) for day in range(3)]
    stacks = [(DAY * day + HOUR, text(CENTRAL, **IN_STACK_SET)) for day in range(2, 5)]
    written = in_order(
        *pack,
        *stacks,
        *((DAY * day + 2 * HOUR, text(ONE, "NON_COMPLIANT")) for day in range(5)),
        *((DAY * day + 3 * HOUR, text(TWO, **IN_STACK_SET)) for day in range(5)),
    )
    for deployment in (replace(BY_STACKS, organizational_unit_ids=frozenset()), BY_STACKS):
        found, _ = history(written, members=(ONE, TWO), deployment=deployment)
        assert found.calendars[ONE].decode() == "NNUUU"
        assert found.calendars[TWO].decode() == "UUCCC"
        assert [setting.way for _, setting in found.settings.changes] == ["ConformancePack", "StackSet"]
        assert {key[:2] for key in found.apart} == {(Apart.RULE, ONE), (Apart.RULE, TWO)}


def test_todays_way_counts_since_the_stack_was_changed_if_neither_account_is_evaluated_any_more() -> None:
    """The central account may be in no targeted unit, so that it shows the pack of before and then nothing."""
    written = in_order(
        *anchored(days=(0, 1)),
        *((DAY * day + HOUR, text(ONE, "NON_COMPLIANT")) for day in range(5)),
        *((DAY * day + HOUR, text(TWO, **IN_STACK_SET)) for day in range(5)),
    )
    found, _ = history(written, members=(ONE, TWO), deployment=BY_STACKS)
    assert (found.calendars[ONE].decode(), found.calendars[TWO].decode()) == ("NNNNN", "UCCCC"), "nobody knows when"
    members = {each: Member(each) for each in (ONE, TWO)}
    known = Scope(members, setting_since=START + 3 * DAY)
    found, _ = history(written, scope=known, deployment=BY_STACKS)
    assert (found.calendars[ONE].decode(), found.calendars[TWO].decode()) == ("NNNUU", "UCCCC")


# --- Scope by day ---


def test_an_account_counts_on_the_days_on_which_it_was_in_a_targeted_unit() -> None:
    written = [(DAY, text(ONE, **IN_STACK_SET)), (DAY, text(TWO, "NON_COMPLIANT", **IN_STACK_SET))]
    found, days = history(
        written, scope=Scope({each: Member(each) for each in (ONE, TWO)}, targets=targets()), deployment=BY_STACKS
    )
    assert {each: calendar.decode() for each, calendar in found.calendars.items()} == {ONE: "UCUUU", TWO: "OOOOO"}
    assert (found.figures().in_scope, found.figures().known, found.figures().compliant) == (5, 1, 1)
    assert found.figures().counts[DayStatus.NOT_IN_SCOPE] == 5
    assert (found.failures, {key[:2] for key in found.apart}) == ([], {(Apart.NOT_IN_SCOPE, TWO)})
    assert [day.status for day in days if day.account_id == TWO] == [DayStatus.NOT_IN_SCOPE] * 5


def test_on_the_day_of_a_move_an_evaluation_counts_and_its_absence_does_not() -> None:
    moves = [
        Move(START + 2 * DAY + 5 * HOUR, ONE, "ou-b", "ou-aa", "arn:mover"),
        Move(START + 2 * DAY + 5 * HOUR, TWO, "ou-a", "ou-b", "arn:mover"),
    ]
    quiet = scoped(found=targets(moves=moves))
    assert quiet == {ONE: "OOOUU", TWO: "UUOOO"}
    spoken = scoped(
        (2 * DAY + 6 * HOUR, text(ONE, "NON_COMPLIANT", **IN_STACK_SET)),
        (2 * DAY + HOUR, text(TWO, "NON_COMPLIANT", **IN_STACK_SET)),
        found=targets(moves=moves),
    )
    assert spoken == {ONE: "OONUU", TWO: "UUNOO"}


def test_a_failure_counts_until_the_account_leaves_the_targets() -> None:
    moves = [Move(START + 2 * DAY + 5 * HOUR, TWO, "ou-a", "ou-b", "arn:mover")]
    scope = Scope({TWO: Member(TWO)}, targets=targets(moves=moves))
    found, _ = history([(DAY, text(TWO, "NON_COMPLIANT", **IN_STACK_SET))], scope=scope, deployment=BY_STACKS)
    [failure] = found.failures
    assert (failure.ended, failure.until, failure.unknown_days) == (None, START + 2 * DAY, 0)


def test_waves_are_known_from_the_operations_of_the_stack_set() -> None:
    waves = [
        Operation(START + HOUR, frozenset({"ou-a"}), added=True),
        Operation(START + 2 * DAY + HOUR, frozenset({"ou-b"}), added=True),
        Operation(START + 4 * DAY, frozenset({"ou-a"}), added=False),
    ]
    of_today = {"today": frozenset({"ou-b"}), "operations": waves}
    whole = targets(**of_today, since=None, begun=START)
    assert scoped(found=whole) == {ONE: "OUUUO", TWO: "OOOUU"}
    # Without the stack's first day nobody knows what was a target before the first operation on it.
    partly = targets(**of_today, since=None)
    assert scoped(found=partly) == {ONE: "GUUUG", TWO: "GGGUU"}
    # CloudTrail says that the stack was not changed since.
    changed = targets(**of_today, since=START + 4 * DAY - HOUR)
    assert scoped(found=changed) == {ONE: "GUUUO", TWO: "GGGUU"}


def test_a_day_on_which_the_stack_was_made_anew_is_not_out_of_scope() -> None:
    """If the root takes the place of a unit, the StackSet deletes the stack before it makes it again."""
    waves = [
        Operation(START - DAY, frozenset({"ou-a"}), added=True),
        Operation(START + DAY + HOUR, frozenset({"ou-a"}), added=False),
        Operation(START + DAY + 2 * HOUR, frozenset({ROOT}), added=True),
    ]
    found = targets(today=frozenset({ROOT}), operations=waves, since=None, begun=EARLIER)
    assert scoped(found=found) == {ONE: "UUUUU", TWO: "OOUUU"}


def test_an_excluded_account_in_a_target_is_excluded_and_one_outside_is_not_in_scope() -> None:
    excluded = Exceptions(excluded={each: Exclusion("Sandbox.") for each in (ONE, TWO)})
    scope = Scope({each: Member(each) for each in (ONE, TWO)}, exceptions=excluded, targets=targets())
    assert calendars(scope=scope, deployment=BY_STACKS) == {ONE: "XXXXX", TWO: "OOOOO"}


def test_the_management_account_is_in_scope_whatever_the_targets_are() -> None:
    scope = Scope({MANAGEMENT: Member(MANAGEMENT)}, targets=targets(always=frozenset({MANAGEMENT})))
    assert calendars((DAY, text(MANAGEMENT, **IN_STACK_SET)), scope=scope, deployment=BY_STACKS) == {MANAGEMENT: "UCUUU"}


def test_a_root_is_a_target_for_every_account_wherever_it_was() -> None:
    found = targets(today=frozenset({ROOT}), moves_since=None, parents={})
    assert scoped((DAY, text(ONE, **IN_STACK_SET)), found=found) == {ONE: "UCUUU", TWO: "UUUUU"}


def test_what_no_source_tells_counts_as_not_known_and_never_as_out_of_scope() -> None:
    line = (DAY, text(TWO, **IN_STACK_SET))
    assert scoped(line, found=targets(moves_since=None)) == {ONE: "GGGGG", TWO: "GCGGG"}, "nobody tells of moves"
    assert scoped(line, found=targets(moves_since=START + 3 * DAY)) == {ONE: "GGGUU", TWO: "GCGOO"}
    assert scoped(line, found=targets(since=None)) == {ONE: "GGGGG", TWO: "GCGGG"}, "nobody tells of targets"
    gone = [Move(START + 3 * DAY, TWO, "ou-gone", "ou-b", "arn:mover")]
    assert scoped(line, found=targets(moves=gone)) == {ONE: "UUUUU", TWO: "GCGOO"}, "the unit is gone"
    odd = [Move(START + 3 * DAY, TWO, "ou-b", "ou-a", "arn:mover")]
    assert scoped(line, found=targets(moves=odd))[TWO] == "OOOGG", "today it is elsewhere, and no event says since when"


def test_while_a_pack_brings_the_rule_every_account_is_in_scope() -> None:
    nobody_tells = targets(since=None, moves_since=None)
    pack = [(DAY * day, text(CENTRAL)) for day in range(3)]
    written = in_order(*pack, (DAY * 3 + HOUR, text(CENTRAL, **IN_STACK_SET)), (DAY, text(TWO)))
    assert scoped(*written, found=nobody_tells)[TWO] == "UCGGG"
    scope = Scope({ONE: Member(ONE)}, targets=nobody_tells)
    assert calendars((DAY, text(ONE)), scope=scope) == {ONE: "UCUUU"}


def test_each_target_has_its_stretches_and_what_is_not_known_is_one_too() -> None:
    waves = [Operation(START, frozenset({"ou-a"}), added=True), Operation(START + DAY, frozenset({"ou-a"}), added=False)]
    found = targets(operations=waves, since=START + 2 * DAY, today=frozenset({"ou-b"}))
    (_, before), *rest = found.stretches("ou-a")
    assert (before, rest) == (None, [(START, True), (START + DAY, False)])
    assert [state for _, state in found.stretches("ou-b")] == [None, True]
    assert found.targeted() == {"ou-a", "ou-b"}


@given(
    st.lists(st.tuples(st.integers(0, 119), st.sampled_from(["ou-aa", "ou-b", ROOT, "ou-a"])), max_size=6),
    st.lists(st.tuples(st.integers(0, 119), st.sampled_from(["ou-a", "ou-b", ROOT]), st.booleans()), max_size=6),
)
def test_a_day_is_in_scope_if_some_unit_above_the_account_was_a_target_when_it_began_and_when_it_ended(
    moves: list[tuple[int, str]], operations: list[tuple[int, str, bool]]
) -> None:
    """Work it out hour by hour, going forward in time."""
    moved = sorted(dict(moves).items())
    changed = sorted({(hour, unit_id): added for hour, unit_id, added in operations}.items())
    place, targeted, hours = "ou-b", set[str](), list[bool]()
    for hour in range(120):
        place = dict(moved).get(hour, place)
        targeted |= {unit_id for (at, unit_id), added in changed if at == hour and added}
        targeted -= {unit_id for (at, unit_id), added in changed if at == hour and not added}
        above = {"ou-aa", "ou-a", ROOT} if place == "ou-aa" else {place, ROOT}
        hours.append(bool(above & targeted))
    places = ["ou-b", *(to for _, to in moved)]
    found = targets(
        today=frozenset(targeted),
        parents={ONE: places[-1]},
        since=None,
        begun=EARLIER,
        operations=[Operation(START + HOUR * at, frozenset({unit_id}), added) for (at, unit_id), added in changed],
        moves=[Move(START + HOUR * at, ONE, source, to, "") for source, (at, to) in zip(places[:-1], moved, strict=True)],
    )
    expected = [
        Share.WHOLE if day[0] and day[-1] else Share.PART if any(day) else Share.NONE
        for day in (hours[24 * number : 24 * number + 24] for number in range(5))
    ]
    assert found.days(ONE, FIRST, 5) == bytes(expected)


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
