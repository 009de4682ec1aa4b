"""What the report says of an account, for every state that an account can be in."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organization.deployment import Deployment
from organization.statuses import (
    FAILURES,
    MEANINGS,
    STALE_AFTER,
    Account,
    Arrival,
    Facts,
    Result,
    Row,
    Status,
    hours,
    is_our_rule,
    notes,
    rows,
    totals,
)

CENTRAL, MANAGEMENT, MEMBER = "111111111111", "222222222222", "333333333333"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK_RULE = "root-virtual-mfa-enabled-conformance-pack-abc123xyz"

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
ARRIVED_PACK = Arrival("CREATE_SUCCESSFUL")
ARRIVED_STACK = Arrival("SUCCEEDED")


def result(compliance: str = "COMPLIANT", hours_ago: float = 1, rule: str = PACK_RULE) -> Result:
    return Result(rule, compliance, f"Annotation of {compliance}.", NOW - timedelta(hours=hours_ago))


def judge(
    *results: Result,
    account: Account | None = None,
    deployment: Deployment = DEPLOYMENT,
    pack: Arrival | None = ARRIVED_PACK,
    stack: Arrival | None = ARRIVED_STACK,
    reasons: dict[str, str] | None = None,
) -> Row:
    account = account or Account(MEMBER, "Shop", "Root/Workloads")
    key = account.account_id
    packs = {key: pack} if pack else {}
    stacks = {key: stack} if stack else {}
    (row,) = rows(Facts(deployment, NOW, [account], {key: results} if results else {}, packs, stacks, reasons or {}))
    return row


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
    assert row.advice[0].commands == DEPLOYMENT.show_failures(MEMBER)


def test_rule_without_a_result_is_unknown() -> None:
    row = judge(Result(PACK_RULE))
    assert (row.status, row.age) == (Status.UNKNOWN, None)
    assert "has no result yet" in row.finding


def test_compliance_that_is_no_verdict_is_unknown() -> None:
    assert judge(result("INSUFFICIENT_DATA")).status is Status.UNKNOWN


def test_result_from_the_future_is_new() -> None:
    assert judge(result(hours_ago=-1)).age == timedelta()


@pytest.mark.parametrize(
    ("one", "other", "worst"),
    [
        (result("NON_COMPLIANT"), result("COMPLIANT"), Status.NON_COMPLIANT),
        (result("COMPLIANT"), result("COMPLIANT", hours_ago=30), Status.UNKNOWN),
        (result("NON_COMPLIANT"), result("COMPLIANT", hours_ago=30), Status.NON_COMPLIANT),
        (result("NOT_APPLICABLE"), result("COMPLIANT"), Status.COMPLIANT),
    ],
)
def test_of_two_rules_the_worse_counts_and_the_report_says_so(one: Result, other: Result, worst: Status) -> None:
    other = replace(other, rule_name="root-virtual-mfa-enabled")
    for results in ((one, other), (other, one)):
        row = judge(*results)
        assert row.status is worst
        assert f"2 rules (root-virtual-mfa-enabled, {PACK_RULE})" in row.finding


@given(
    st.lists(
        st.tuples(st.sampled_from(["COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "", "?"]), st.floats(0, 100)), max_size=4
    )
)
def test_no_account_is_compliant_without_a_recent_compliant_result(seen: Sequence[tuple[str, float]]) -> None:
    row = judge(*(result(compliance, ago) for compliance, ago in seen))
    if row.status is Status.COMPLIANT:
        assert any(compliance == "COMPLIANT" and ago <= 26 for compliance, ago in seen)
        assert all(compliance != "NON_COMPLIANT" or ago > 26 for compliance, ago in seen)
    if not seen:
        assert row.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("root-virtual-mfa-enabled", True),
        (PACK_RULE, True),
        ("root-virtual-mfa-enabled-old", False),
        ("root-virtual-mfa-enabled-conformance-pack-", False),
        ("root-virtual-mfa-enabled-conformance-pack-abc-old", False),
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


def test_excluded_account_has_its_reason() -> None:
    deployment = replace(DEPLOYMENT, excluded=frozenset({MEMBER}))
    row = judge(result("NON_COMPLIANT"), deployment=deployment, reasons={MEMBER: "Sandbox."})
    assert (row.status, row.finding) == (Status.EXCLUDED, "Sandbox.")
    assert judge(deployment=deployment).finding == "No reason given in excluded-accounts.yaml."


# --- Accounts without a result ---


def test_everything_arrived_and_no_result() -> None:
    row = judge()
    assert row.status is Status.UNKNOWN
    assert "There is no result" in row.finding
    assert "NOT_APPLICABLE" not in row.finding
    assert row.advice[0].commands == (DEPLOYMENT.show_recorder(), *DEPLOYMENT.show_failures(MEMBER))
    # Each command runs in another account: the recorder's in the member, the log's where the function is.
    assert row.advice[0].action == (
        f"See with credentials of account {MEMBER} that its recorder is on, and with those of account {CENTRAL} why "
        "evaluations fail."
    )
    (advice,) = judge(deployment=replace(DEPLOYMENT, log_group_name="")).advice
    assert advice.action == f"See with credentials of account {MEMBER} that its recorder is on."
    assert advice.commands == (DEPLOYMENT.show_recorder(),)


def test_an_old_results_log_is_where_the_function_is() -> None:
    (advice,) = judge(result("COMPLIANT", hours_ago=27)).advice
    assert f"See with credentials of account {CENTRAL} why evaluations fail" in advice.action
    assert advice.commands == DEPLOYMENT.show_failures(MEMBER)


def test_no_result_may_be_not_applicable_where_the_parameter_says_so() -> None:
    assert "never reaches the aggregator" in judge(deployment=replace(DEPLOYMENT, no_root_credentials="NOT_APPLICABLE")).finding


def test_management_account_that_is_not_watched() -> None:
    row = judge(account=Account(MANAGEMENT, "Management", "Root"), pack=None, stack=None)
    assert row.status is Status.UNKNOWN
    assert "management account is not watched" in row.finding
    (advice,) = row.advice
    assert advice.commands[0].startswith(
        "aws cloudformation deploy --region eu-central-1 --stack-name root-virtual-mfa-account "
    )
    assert advice.commands[0].endswith(f"CentralAccountId={CENTRAL}")
    assert 'ARGS="--parameter-overrides ManagementAccountHasEvaluationRole=true"' in advice.action


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
    (command,) = row.advice[0].commands
    assert command.startswith("aws cloudformation update-stack-instances ")
    assert "--call-as" not in command


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


def test_pack_that_is_nowhere_is_deployed_anew() -> None:
    row = judge(pack=None, deployment=replace(DEPLOYMENT, pack_parameters=None))
    assert row.advice[0].commands == ("make deploy CONFIG_ENV=organization",)


def test_pack_failed_without_a_recorder() -> None:
    row = judge(pack=Arrival("CREATE_FAILED", "NoAvailableConfigurationRecorder: There is no recorder"))
    assert row.conformance_pack_status == "CREATE_FAILED"
    assert "CREATE_FAILED, NoAvailableConfigurationRecorder: There is no recorder." in row.finding
    assert "Turn the account's configuration recorder on in eu-central-1" in row.advice[0].action
    assert row.advice[0].commands == (DEPLOYMENT.put_pack_again(),)


def test_pack_failed_without_permission_lists_every_such_account() -> None:
    refused = Arrival("CREATE_FAILED", "InsufficientPermissions: The Lambda function lacks the permission.")
    accounts = [Account(each, each, "Root") for each in ("333333333333", "444444444444", "555555555555")]
    packs = {"333333333333": refused, "444444444444": ARRIVED_PACK, "555555555555": refused}
    stacks = dict.fromkeys(packs, ARRIVED_STACK)
    deployment = replace(DEPLOYMENT, invoking=frozenset({"999999999999"}))
    row = rows(Facts(deployment, NOW, accounts, {}, packs, stacks))[0]
    assert row.advice[0].commands == (
        deployment.deploy_with(InvokingAccounts="333333333333,555555555555,999999999999"),
        deployment.put_pack_again(),
    )


def test_pack_failed_for_another_reason() -> None:
    assert judge(pack=Arrival("UPDATE_FAILED", "Internal")).advice[0].action == "Mend the cause and put the pack again."


def test_what_is_on_its_way_is_waited_for() -> None:
    row = judge(pack=Arrival("CREATE_IN_PROGRESS"), stack=Arrival("RUNNING"))
    assert row.status is Status.UNKNOWN
    assert [advice.action for advice in row.advice] == ["Wait.", "Wait."]


def test_recent_result_counts_though_an_update_did_not_arrive() -> None:
    row = judge(result(), stack=Arrival("FAILED", "x"), pack=Arrival("UPDATE_FAILED", "y"))
    assert row.status is Status.COMPLIANT
    assert len(row.advice) == 2


def test_one_account_has_neither_pack_nor_stack_set() -> None:
    deployment = replace(DEPLOYMENT, organization_id="", management_account_id="", no_root_credentials="NOT_APPLICABLE")
    account = Account(CENTRAL, "", "")
    (row,) = rows(Facts(deployment, NOW, [account], {CENTRAL: [result("NOT_APPLICABLE")]}))
    assert (row.status, row.advice) == (Status.NOT_APPLICABLE, ())
    (row,) = rows(Facts(deployment, NOW, [account], {}))
    assert row.status is Status.UNKNOWN
    assert "aggregator" not in row.finding


# --- All accounts ---


def test_totals_have_every_status() -> None:
    counts = totals([judge(result()), judge(result("NON_COMPLIANT")), judge(result())])
    assert counts == {**dict.fromkeys(Status, 0), Status.COMPLIANT: 2, Status.NON_COMPLIANT: 1}
    assert set(MEANINGS) == set(Status)
    assert {Status.NON_COMPLIANT, Status.UNKNOWN} == FAILURES


def test_notes_on_exclusions_that_do_not_fit_and_on_a_failed_stack() -> None:
    deployment = replace(DEPLOYMENT, stack_status="CREATE_FAILED", excluded=frozenset({"999999999999"}))
    said = notes(Facts(deployment, NOW, [Account(MEMBER, "Shop", "Root")], {}, {}, {}, {MEMBER: "Sandbox."}))
    assert [any(word in note for note in said) for word in ("CREATE_FAILED", "999999999999", MEMBER)] == [True] * 3
    assert notes(Facts(DEPLOYMENT, NOW, [], {}, {}, {})) == []


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
    assert hours(age) == said


@pytest.mark.parametrize("module", ["statuses", "deployment", "checks"])
def test_judging_loads_nothing_that_reads(module: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); import organization.{module}; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)  # noqa: S603 - our own code
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "organization" in loaded
    assert not loaded & {"boto3", "botocore", "jinja2", "rich", "socket", "yaml"}


def test_deploying_with_other_parameters() -> None:
    assert DEPLOYMENT.deploy_with(A="1", B="2") == 'make deploy CONFIG_ENV=organization ARGS="--parameter-overrides A=1 B=2"'
