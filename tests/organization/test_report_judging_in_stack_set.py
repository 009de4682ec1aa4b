"""What the report says about an account if a StackSet brings the rule: whom it believes, and which accounts are in scope."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization.deployment import BY_STACK_SET, PACK_RULE_PREFIX, RULE_NAME, Deployment
from organization.exceptions.judging import Acceptance, Exceptions
from organization.journal import Entry, FailedEvaluation, Journal, history_query, query
from organization.report.judging import FAILURES, Observed, Row, in_doubt, is_judged, notes, rows, totals
from organization.statuses import Account, Arrival, Result, Status

CENTRAL, MANAGEMENT, MEMBER = "111111111111", "222222222222", "333333333333"
ROOT, WORKLOADS, PRODUCTION, SANDBOX = "r-a1b2", "ou-a1b2-workload", "ou-a1b2-prodprod", "ou-a1b2-sandbox1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK_RULE = f"{PACK_RULE_PREFIX}abc123xyz"

DEPLOYMENT = Deployment(
    stack_name="root-virtual-mfa",
    stack_status="UPDATE_COMPLETE",
    account_id=CENTRAL,
    region="eu-central-1",
    partition="aws",
    organization_id="o-a1b2c3d4e5",
    organization_root_id=ROOT,
    management_account_id=MANAGEMENT,
    rule_deployment=BY_STACK_SET,
    stack_set_name="root-virtual-mfa-account",
    log_group_name="log",
)
TO_UNITS = replace(DEPLOYMENT, organizational_unit_ids=frozenset({WORKLOADS}))
SHOP = Account(MEMBER, "Shop", "Root/Workloads/Production", unit_ids=(ROOT, WORKLOADS, PRODUCTION))
TOY = Account(MEMBER, "Toy", "Root/Sandbox", unit_ids=(ROOT, SANDBOX))
ARRIVED = Arrival("SUCCEEDED")
UNREADABLE = Journal(problem="StartQuery failed with AccessDeniedException.")


def result(compliance: str = "COMPLIANT", hours_ago: float = 1, rule: str = RULE_NAME) -> Result:
    return Result(rule, compliance, f"Annotation of {compliance}.", NOW - timedelta(hours=hours_ago))


def noted(verdict: str = "COMPLIANT", hours_ago: float = 1) -> Journal:
    return Journal({MEMBER: Entry(NOW - timedelta(hours=hours_ago), RULE_NAME, verdict, f"Noted {verdict}.")})


def judge(
    *results: Result,
    journal: Journal | None = None,
    account: Account = SHOP,
    deployment: Deployment = DEPLOYMENT,
    stack: Arrival | None = ARRIVED,
    exceptions: Exceptions | None = None,
) -> Row:
    key = account.account_id
    found = {key: results} if results else {}
    stacks = {key: stack} if stack else {}
    observed = Observed(deployment, NOW, [account], found, {}, stacks, exceptions or Exceptions(), journal or Journal())
    (row,) = rows(observed)
    return row


# --- Whom the report believes ---


@pytest.mark.parametrize("verdict", ["COMPLIANT", "NON_COMPLIANT"])
def test_what_the_journal_and_aws_config_both_say_counts(verdict: str) -> None:
    seen = Result(RULE_NAME, verdict)
    assert not in_doubt(MEMBER, [seen], noted(verdict, 25), DEPLOYMENT, NOW)
    row = judge(seen, journal=noted(verdict, 25))
    assert (row.status, row.annotation, row.age) == (verdict, f"Noted {verdict}.", timedelta(hours=25))
    assert row.advice == ()


def test_not_applicable_which_no_aggregator_lists_is_known_from_the_journal() -> None:
    assert not in_doubt(MEMBER, [], noted("NOT_APPLICABLE"), DEPLOYMENT, NOW)
    assert judge(journal=noted("NOT_APPLICABLE")).status is Status.NOT_APPLICABLE
    assert judge(result("COMPLIANT"), journal=noted("NOT_APPLICABLE")).status is Status.UNKNOWN


@pytest.mark.parametrize("hours_ago", [1, 49])
def test_rule_of_our_name_that_the_journal_does_not_know_makes_no_account_compliant(hours_ago: float) -> None:
    """A Guard rule, or another function, of the name: only the function writes the journal."""
    row = judge(result(), journal=noted("COMPLIANT", 27) if hours_ago > 26 else Journal())
    assert (row.status, row.annotation) == (Status.UNKNOWN, "")
    (advice,) = row.advice
    assert advice.why == (
        "AWS Config says COMPLIANT about the rule root-virtual-mfa-enabled, and the journal has no evaluation by the "
        "deployment's own rule in the last 26 h. Either evaluations fail, or somebody put another rule of this name."
    )
    assert "which function evaluates the rule" in advice.action
    assert [command.split()[2] for command in advice.commands] == [
        "filter-log-events",
        "describe-config-rules",
        "delete-stack-instances",
        "create-stack-instances",
    ]


def test_why_evaluations_fail_is_told_with_it() -> None:
    failed = Journal({}, {MEMBER: FailedEvaluation(NOW - timedelta(hours=2), "AssumeRoleError: refused.")})
    why = judge(result(), journal=failed).advice[0].why
    assert "in the last 26 h. The last evaluation failed 2 h ago. AssumeRoleError: refused. Either" in why


def test_without_the_journal_nobody_passes_and_the_reason_names_the_permission() -> None:
    row = judge(result(), journal=UNREADABLE)
    (advice,) = row.advice
    assert row.status is Status.UNKNOWN
    assert "the journal cannot be read: StartQuery failed with AccessDeniedException." in advice.why
    assert advice.action == (
        "Report with credentials that have logs:StartQuery and logs:GetQueryResults for the log group log in account "
        f"{CENTRAL}. If they have these, the command says what else keeps the journal from being read."
    )
    assert advice.commands == ("root-virtual-mfa verify",)
    assert judge(result("NON_COMPLIANT"), journal=UNREADABLE).status is Status.NON_COMPLIANT
    (note,) = notes(Observed(DEPLOYMENT, NOW, [SHOP], {}, {}, {}, journal=UNREADABLE))
    assert note.startswith("The journal was not read, so no account is COMPLIANT: ")


@pytest.mark.parametrize(
    ("seen", "journal"),
    [
        ([result("NON_COMPLIANT")], Journal()),
        ([result("NON_COMPLIANT")], noted("COMPLIANT")),
        ([result("COMPLIANT")], noted("NON_COMPLIANT")),
        ([], noted("NON_COMPLIANT")),
        ([result("COMPLIANT", 49)], noted("NON_COMPLIANT")),
    ],
)
def test_failure_is_believed_from_either_source(seen: list[Result], journal: Journal) -> None:
    assert judge(*seen, journal=journal).status is Status.NON_COMPLIANT


def test_disagreement_is_told_with_the_commands_that_put_the_rule_back() -> None:
    row = judge(journal=noted())
    assert row.status is Status.UNKNOWN
    (advice,) = row.advice
    assert advice.why == "The journal says COMPLIANT (1 h ago), and AWS Config says nothing."
    assert advice.action.endswith("If somebody did, have the StackSet recreate the account's stack.")
    delete, create = advice.commands[-2:]
    assert delete == (
        "aws cloudformation delete-stack-instances --region eu-central-1 --stack-set-name root-virtual-mfa-account "
        f"--call-as DELEGATED_ADMIN --deployment-targets OrganizationalUnitIds={ROOT},Accounts={MEMBER},"
        "AccountFilterType=INTERSECTION --regions eu-central-1 --no-retain-stacks"
    )
    assert create.startswith("aws cloudformation create-stack-instances ")


def test_account_whose_rule_is_gone_is_unknown() -> None:
    row = judge()
    assert row.status is Status.UNKNOWN
    assert "or the rule is not there" in row.finding
    assert any("describe-config-rules" in command for command in row.advice[0].commands)
    assert judge(result("COMPLIANT", 49)).finding.startswith("The last result is 49 h old")


VERDICTS = ["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "", "?"]


@given(
    st.lists(
        st.tuples(st.sampled_from(VERDICTS), st.floats(0, 100), st.sampled_from([PACK_RULE, f"{PACK_RULE}2", RULE_NAME])),
        max_size=3,
        unique_by=lambda seen: seen[2],
    ),
    st.none() | st.tuples(st.sampled_from(VERDICTS), st.floats(0, 100)),
    st.sampled_from([None, "SUCCEEDED", "FAILED", "RUNNING", "CANCELLED"]),
)
def test_no_account_passes_but_by_a_fresh_line_of_the_journal_that_aws_config_confirms_and_no_failure_is_hidden(
    seen: Sequence[tuple[str, float, str]], line: tuple[str, float] | None, stack_status: str | None
) -> None:
    results = [result(*each) for each in seen]
    journal = noted(*line) if line else Journal()
    row = judge(*results, journal=journal, stack=Arrival(stack_status) if stack_status else None)
    verdict = line[0] if line and line[1] <= 26 else ""
    own = [compliance for compliance, _, rule in seen if rule == RULE_NAME]
    fails = verdict == "NON_COMPLIANT" or any(each[0] == "NON_COMPLIANT" and each[1] <= 26 for each in seen)
    if fails:
        assert row.status is Status.NON_COMPLIANT
    elif row.status in {Status.COMPLIANT, Status.NOT_APPLICABLE}:
        assert row.status == verdict
        assert own == ([] if verdict == "NOT_APPLICABLE" else [verdict])
    else:
        assert row.status is Status.UNKNOWN
        assert row.advice, "an account that is unknown has a reason"
    if not in_doubt(MEMBER, [Result(each.rule_name, each.compliance) for each in results], journal, DEPLOYMENT, NOW):
        listed_only = judge(*(Result(each.rule_name, each.compliance) for each in results), journal=journal)
        assert listed_only.status == verdict, "nothing more has to be read"


# --- While the StackSet takes over from a conformance pack ---


def test_with_a_rule_of_each_the_worst_result_counts() -> None:
    own, pack = Result(RULE_NAME, "COMPLIANT"), Result(PACK_RULE, "NON_COMPLIANT")
    assert in_doubt(MEMBER, [own, pack], noted(), DEPLOYMENT, NOW)
    changing = replace(DEPLOYMENT, stack_status="UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    for deployment in (DEPLOYMENT, changing):
        row = judge(result(), result("NON_COMPLIANT", rule=PACK_RULE), journal=noted(), deployment=deployment)
        assert (row.status, row.annotation) == (Status.NON_COMPLIANT, "Annotation of NON_COMPLIANT.")
    assert judge(result(), result("NON_COMPLIANT", 30, PACK_RULE), journal=noted()).status is Status.COMPLIANT


def test_packs_rule_that_passes_costs_nothing_and_is_told_once_the_deployment_is_complete() -> None:
    both = [Result(RULE_NAME, "COMPLIANT"), Result(PACK_RULE, "COMPLIANT")]
    assert not in_doubt(MEMBER, both, noted(), DEPLOYMENT, NOW)
    changing = replace(DEPLOYMENT, stack_status="UPDATE_IN_PROGRESS")
    assert judge(*both, journal=noted(), deployment=changing).advice == ()
    row = judge(*both, journal=noted())
    assert row.status is Status.COMPLIANT
    assert f"a rule of a name that a conformance pack gives ({PACK_RULE}), which says COMPLIANT" in row.advice[0].why
    assert judge(result(rule=PACK_RULE)).status is Status.UNKNOWN, "the pack's rule alone is no result"


# --- What has not arrived ---


def test_account_without_a_stack_gets_one_by_the_unit_that_the_stack_set_targets() -> None:
    row = judge(stack=None, deployment=TO_UNITS)
    assert row.finding == "The StackSet root-virtual-mfa-account has no stack in the account."
    (command,) = row.advice[0].commands
    assert f"OrganizationalUnitIds={WORKLOADS},Accounts={MEMBER},AccountFilterType=INTERSECTION" in command
    assert row.conformance_pack_status == ""


PERMISSION = "The AWS Lambda function arn:f cannot be invoked. (Error Code: InsufficientPermissionsException)"
LIST_ALL = "root-virtual-mfa deploy --parameter InvokePermission=Accounts"


@pytest.mark.parametrize(
    ("stack", "permission", "action", "command"),
    [
        (Arrival("FAILED", PERMISSION), "Organization", "by its id", LIST_ALL),
        (Arrival("FAILED", PERMISSION), "Accounts", "joined after", "root-virtual-mfa deploy"),
        (Arrival("FAILED", PERMISSION), "Any", "deploy to it again", "create-stack-instances"),
        (None, "Accounts", "joined after", "root-virtual-mfa deploy"),
        (Arrival("FAILED", "is not authorized: permission"), "Organization", "Fix the cause", "create-stack-instances"),
        (
            Arrival("FAILED", "No configuration recorder is available"),
            "Organization",
            "recorder on in eu-central-1",
            "create-stack-instances",
        ),
        (Arrival("CANCELLED", "failure tolerance has exceeded"), "Organization", "Fix the cause", "create-stack-instances"),
        (Arrival("INOPERABLE", "x"), "Organization", "delete its stack by hand", "--retain-stacks"),
        (Arrival("PENDING"), "Organization", "Wait.", ""),
    ],
)
def test_stack_that_did_not_arrive_says_why_and_what_fixes_it(
    stack: Arrival | None, permission: str, action: str, command: str
) -> None:
    row = judge(stack=stack, deployment=replace(TO_UNITS, invoke_permission=permission))
    assert row.status is Status.UNKNOWN
    (advice,) = row.advice
    assert stack is None or stack.reason.rstrip(".") in advice.why
    assert action in advice.action
    assert command in "".join(advice.commands[:1])
    assert "configservice" not in "".join(advice.commands), "there is no pack to put again"


# --- Which accounts are in scope ---


@pytest.mark.parametrize(
    ("unit_ids", "account", "in_scope"),
    [
        ((), SHOP, True),
        ((ROOT,), TOY, True),
        ((WORKLOADS,), SHOP, True),
        ((PRODUCTION, SANDBOX), SHOP, True),
        ((WORKLOADS,), TOY, False),
        ((PRODUCTION,), replace(SHOP, unit_ids=(ROOT, WORKLOADS)), False),
        ((WORKLOADS,), replace(SHOP, unit_ids=()), False),
    ],
)
def test_account_is_in_scope_if_a_target_is_above_it(unit_ids: tuple[str, ...], account: Account, in_scope: bool) -> None:  # noqa: FBT001 - a parameter of the test
    deployment = replace(DEPLOYMENT, organizational_unit_ids=frozenset(unit_ids))
    row = judge(result(), journal=noted(), account=account, deployment=deployment)
    assert is_judged(account, deployment) is in_scope
    assert row.status is (Status.COMPLIANT if in_scope else Status.NOT_IN_SCOPE)


def test_account_out_of_scope_is_counted_and_no_failure() -> None:
    row = judge(result("NON_COMPLIANT"), account=TOY, deployment=TO_UNITS, stack=None)
    assert row.finding == "The account is in none of the organizational units that OrganizationalUnitIds names."
    assert row.advice == ()
    assert totals([row])[Status.NOT_IN_SCOPE] == 1
    assert Status.NOT_IN_SCOPE not in FAILURES
    assert is_judged(TOY, replace(TO_UNITS, rule_deployment="ConformancePack")), "a pack goes everywhere"


def test_suspended_stays_suspended_and_an_exclusion_counts_only_in_scope() -> None:
    excluding = replace(TO_UNITS, excluded=frozenset({MEMBER}))
    assert judge(account=replace(TOY, state="SUSPENDED"), deployment=TO_UNITS).status is Status.SUSPENDED
    assert judge(account=SHOP, deployment=excluding).status is Status.EXCLUDED
    assert judge(account=TOY, deployment=excluding).status is Status.NOT_IN_SCOPE


def test_management_account_is_in_scope_if_it_is_watched_or_a_target_is_above_it() -> None:
    management = Account(MANAGEMENT, "Management", "Root", unit_ids=(ROOT,))
    watched = replace(TO_UNITS, management_account_has_role=True)
    advice = "The root user of the management account is not watched: no StackSet reaches this account."
    assert judge(account=management, deployment=watched, stack=None).status is Status.UNKNOWN
    assert judge(account=management, deployment=replace(TO_UNITS, account_id=MANAGEMENT)).status is Status.UNKNOWN
    row = judge(account=management, deployment=DEPLOYMENT, stack=None)
    assert (row.status, row.finding) == (Status.UNKNOWN, advice)
    row = judge(account=management, deployment=TO_UNITS, stack=None)
    assert (row.status, [each.why for each in row.advice]) == (Status.NOT_IN_SCOPE, [advice])


def test_management_account_without_the_rule_is_deployed_to_again() -> None:
    management = Account(MANAGEMENT, "Management", "Root", unit_ids=(ROOT,))
    row = judge(account=management, deployment=replace(DEPLOYMENT, management_account_has_role=True), stack=None)
    assert row.advice[0].commands[-2:] == (
        "root-virtual-mfa delete --management-account --region eu-central-1",
        "root-virtual-mfa deploy --management-account --region eu-central-1",
    )


def test_notes_on_a_unit_without_accounts_and_on_an_acceptance_out_of_scope() -> None:
    accepted = Exceptions(accepted={MEMBER: Acceptance("r", "c", "o", NOW.date() + timedelta(days=90))})
    deployment = replace(TO_UNITS, organizational_unit_ids=frozenset({SANDBOX, WORKLOADS}))
    assert notes(Observed(deployment, NOW, [TOY], {}, {}, {}, accepted)) == [
        f"OrganizationalUnitIds names {WORKLOADS}, and no account is in it or below it."
    ]
    assert notes(Observed(TO_UNITS, NOW, [SHOP, replace(TOY, account_id=CENTRAL)], {}, {}, {}, accepted)) == []
    (_, note) = notes(Observed(TO_UNITS, NOW, [TOY], {}, {}, {}, accepted))
    assert note.endswith(f"accepts that account {MEMBER} fails, but it is not in scope: nothing evaluates it.")


# --- The journal's lines ---


def test_journal_is_asked_for_the_accounts_own_rule_by_its_exact_name_with_the_evaluation_role() -> None:
    deployment = replace(DEPLOYMENT, rule_parameters={"nonVirtualMfa": "COMPLIANT"})
    for asked in (query(deployment), history_query(deployment)):
        assert (
            '| filter ruleOwner = "account" and configRuleName = "root-virtual-mfa-enabled" and parameters.ExecutionRoleName = '
            '"root-virtual-mfa-evaluation" and parameters.nonVirtualMfa = "COMPLIANT"'
        ) in asked
        assert "account = " not in asked
