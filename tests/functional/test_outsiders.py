"""Scenario 11 of the rule's header: an outsider's event is refused, and every other failure stays one."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from rdklib import InvalidParametersError

from periodic_rule.errors import AssumeRoleError, EvaluationError, ForeignAccountError, InvalidEventError, ReadError
from periodic_rule.handler import Handler
from root_virtual_mfa_enabled import rule
from tests.functional.fake_aws import (
    FUNCTION,
    MEMBER_ACCOUNT,
    ORGANIZATION,
    OWN_ACCOUNT,
    FakeAws,
    Fault,
    cut_in_half,
    drop,
    refusal,
    with_virtual_device,
)
from tests.functional.invocation import ROLE, Context, handle, scheduled_event

OUTSIDER = "999999999999"
ASSUME, DESCRIBE = "sts:AssumeRole", "organizations:DescribeAccount"


@pytest.fixture(autouse=True)
def organization(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the function serve its organization only, and let STS deny the role of every account that does not have it."""
    monkeypatch.setenv("ONLY_ORGANIZATION", ORGANIZATION)
    monkeypatch.setattr(rule, "lambda_handler", Handler(rule.RULE))
    aws.organizations = {OWN_ACCOUNT: ORGANIZATION, MEMBER_ACCOUNT: ORGANIZATION, OUTSIDER: "o-9999999999"}
    aws.fail(ASSUME, refusal("denied", ASSUME))


def event_of(account_id: str, **changes: object) -> dict[str, Any]:
    return scheduled_event(account_id, ExecutionRoleName=ROLE) | changes


def triggered_by_a_change(account_id: str) -> dict[str, Any]:
    """Make the event of a rule that a change triggers: its owner decides that, and AWS Config writes the rest."""
    invoking = {"awsAccountId": account_id, "messageType": "ConfigurationItemChangeNotification"}
    return event_of(account_id, invokingEvent=json.dumps(invoking))


RULES: Mapping[str, tuple[Any, type[Exception], list[str]]] = {
    "as the deployment's": (event_of, AssumeRoleError, [ASSUME]),
    "without a role": (scheduled_event, ForeignAccountError, []),
    "with a bad parameter": (lambda account_id: scheduled_event(account_id, nonVirtualMfa="MAYBE"), InvalidParametersError, []),
    "triggered by changes": (triggered_by_a_change, InvalidEventError, []),
}
"""Rules that an account's owner can point at the function: their events, the failure, and the calls until it."""

each_rule = pytest.mark.parametrize("name", RULES)


def the_line(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    [record] = caplog.records
    return record


@each_rule
def test_scenario_11_an_outsider_is_refused_whatever_its_rule_is_like(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    make, _, calls = RULES[name]
    assert handle(make(OUTSIDER)) == []
    assert aws.signed == [(action, FUNCTION) for action in [*calls, DESCRIBE, DESCRIBE]]
    assert [request.parameters["AccountId"] for request in aws.requests[-2:]] == [OUTSIDER, OWN_ACCOUNT]
    line = vars(the_line(caplog))
    assert (line["levelname"], line["message"]) == ("WARNING", "refused")
    assert (line["account"], line["membership"]) == (OUTSIDER, "outsider")
    assert not {"verdict", "annotation", "facts"} & line.keys()
    assert line["exc_info"] is None


@each_rule
def test_a_members_failure_stays_one(aws: FakeAws, caplog: pytest.LogCaptureFixture, name: str) -> None:
    make, error, calls = RULES[name]
    with pytest.raises(error):
        handle(make(MEMBER_ACCOUNT))
    assert aws.actions == [*calls, DESCRIBE]
    line = vars(the_line(caplog))
    assert (line["levelname"], line["message"]) == ("ERROR", "evaluation failed")
    assert (line["account"], line["membership"]) == (MEMBER_ACCOUNT, "member")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(refusal("denied", DESCRIBE), "Allow organizations:DescribeAccount to the function's role", id="denied"),
        pytest.param(refusal("throttled", DESCRIBE), "throttled for longer than the retries", id="throttled"),
        pytest.param(refusal("broken down", DESCRIBE), "InternalFailure", id="broken down"),
        pytest.param(cut_in_half, "cannot be understood", id="broken body"),
        pytest.param(drop, "ConnectionClosedError", id="no answer"),
    ],
)
def test_who_cannot_be_told_apart_from_a_member_fails(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, fault: Fault, said: str
) -> None:
    aws.fail(DESCRIBE, fault)
    with pytest.raises(AssumeRoleError):
        handle(event_of(OUTSIDER if fault is not cut_in_half else MEMBER_ACCOUNT))
    line = vars(the_line(caplog))
    assert line["message"] == "evaluation failed"
    assert line["membership"].startswith("unknown: ")
    assert said in line["membership"]


@pytest.mark.parametrize("own", [None, "o-0000000000"], ids=["in none", "in another"])
def test_if_the_functions_account_has_left_the_organization_nobody_is_an_outsider(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, own: str | None
) -> None:
    """Then AWS Organizations does not find the members either."""
    aws.organizations = {MEMBER_ACCOUNT: ORGANIZATION} | ({OWN_ACCOUNT: own} if own else {})
    for account_id in (MEMBER_ACCOUNT, OUTSIDER):
        with pytest.raises(AssumeRoleError):
            handle(event_of(account_id))
    assert {vars(record)["message"] for record in caplog.records} == {"evaluation failed"}
    assert f"{OWN_ACCOUNT} is not in it" in vars(caplog.records[0])["membership"]


def test_too_little_time_to_ask_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssumeRoleError):
        handle(event_of(OUTSIDER), Context(140, 20))
    assert "organizations:DescribeAccount was not called in account 999999999999" in vars(the_line(caplog))["membership"]


def test_a_member_is_evaluated_without_a_question(aws: FakeAws) -> None:
    aws.fail(ASSUME, refusal("denied", ASSUME), times=0)
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    [reported] = handle(event_of(MEMBER_ACCOUNT))
    assert reported["ComplianceType"] == "COMPLIANT"
    assert DESCRIBE not in aws.actions


@pytest.mark.parametrize("account_id", [MEMBER_ACCOUNT, OWN_ACCOUNT])
def test_who_let_the_function_in_is_no_outsider(aws: FakeAws, account_id: str) -> None:
    """Nor is the function's own account, whose failures need no question."""
    aws.fail(ASSUME, refusal("denied", ASSUME), times=0)
    aws.fail("iam:GetAccountSummary", refusal("denied", "iam:GetAccountSummary"))
    with pytest.raises(ReadError):
        handle(scheduled_event() if account_id == OWN_ACCOUNT else event_of(account_id))
    assert DESCRIBE not in aws.actions


@pytest.mark.parametrize("event", [None, [], {}, {"accountId": 999999999999}, {"accountId": "99"}, {"accountId": OWN_ACCOUNT}])
def test_event_that_names_no_other_account_fails(aws: FakeAws, event: object) -> None:
    with pytest.raises(InvalidEventError):
        handle(event)
    assert aws.requests == []


def test_without_the_setting_nobody_is_asked(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONLY_ORGANIZATION", "")
    monkeypatch.setattr(rule, "lambda_handler", Handler(rule.RULE))
    with pytest.raises(EvaluationError):
        handle(event_of(OUTSIDER))
    assert aws.actions == [ASSUME]
