"""One structured line for each evaluation and each failure, with nothing secret in it."""

import json
import logging
from typing import Any

import pytest
from rdklib import InvalidParametersError

from periodic_rule.errors import AssumeRoleError, EvaluationError, InvalidEventError, ReportError
from periodic_rule.handler import Handler
from root_virtual_mfa_enabled import rule
from tests.functional.fake_aws import (
    MEMBER_ACCOUNT,
    OWN_ACCOUNT,
    SECRET,
    WITHOUT_MFA,
    FakeAws,
    access_key_id,
    cut_in_half,
    device,
    hand_back_evaluations,
    refusal,
    replace_body,
    root_user,
    secret_access_key,
    session_token,
    with_virtual_device,
)
from tests.functional.invocation import CREATED, RESULT_TOKEN, ROLE, handle, scheduled_event

NOT_OURS = {*vars(logging.makeLogRecord({})), "message", "taskName"}
"""The fields that every log record has."""

MEMBER_EVENT = scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE)


SUBJECT = {
    "account": MEMBER_ACCOUNT,
    "orderingTimestamp": CREATED,
    "configRuleArn": f"arn:aws:config:us-east-1:{MEMBER_ACCOUNT}:config-rule/config-rule-a1b2c3",
    "configRuleName": "root-virtual-mfa-enabled",
    "ruleOwner": "account",
    "test": False,
}
"""What the line says about MEMBER_EVENT."""

DEFAULTS = {"minimumVirtualMfaDevices": "1", "nonVirtualMfa": "NON_COMPLIANT", "noRootCredentials": "COMPLIANT"}


def the_line(caplog: pytest.LogCaptureFixture) -> tuple[str, str, dict[str, Any]]:
    """Take the only logged line, as JSON carries it: level, message, fields."""
    [record] = caplog.records
    assert record.name == "root_virtual_mfa_enabled"
    fields = {name: value for name, value in vars(record).items() if name not in NOT_OURS}
    return record.levelname, record.getMessage(), json.loads(json.dumps(fields))


def test_line_of_an_evaluation(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[MEMBER_ACCOUNT] = root_user(
        device("phone", account_id=MEMBER_ACCOUNT),
        device("tablet", account_id=MEMBER_ACCOUNT),
        device("other", account_id=MEMBER_ACCOUNT, owner="user/alejandra"),
        access_keys=True,
        certificates=None,
    )
    [reported] = handle(MEMBER_EVENT)
    assert the_line(caplog) == (
        "INFO",
        "evaluation",
        {
            "rule": "ROOT_VIRTUAL_MFA_ENABLED",
            "version": "unknown",
            **SUBJECT,
            "parameters": {**DEFAULTS, "ExecutionRoleName": ROLE},
            "facts": {
                "mfa_enabled": True,
                "password_present": True,
                "access_keys_present": True,
                "signing_certificates_present": None,
            },
            "rootVirtualMfaDevices": 2,
            "verdict": "COMPLIANT",
            "annotation": reported["Annotation"],
            "apiCalls": {
                "sts:AssumeRole": 1,
                "iam:GetAccountSummary": 1,
                "iam:ListVirtualMFADevices": 1,
                "config:PutEvaluations": 1,
            },
        },
    )


def test_line_of_an_evaluation_without_facts(caplog: pytest.LogCaptureFixture) -> None:
    handle(scheduled_event(partition="aws-us-gov", region="us-gov-west-1"))
    level, message, fields = the_line(caplog)
    assert (level, message) == ("INFO", "evaluation")
    assert fields == {
        "rule": "ROOT_VIRTUAL_MFA_ENABLED",
        "version": "unknown",
        **SUBJECT,
        "account": OWN_ACCOUNT,
        "configRuleArn": f"arn:aws-us-gov:config:us-gov-west-1:{OWN_ACCOUNT}:config-rule/config-rule-a1b2c3",
        "parameters": DEFAULTS,
        "verdict": "NOT_APPLICABLE",
        "annotation": "The root user is not evaluated in this partition (aws-us-gov).",
        "apiCalls": {"config:PutEvaluations": 1},
    }


def test_line_counts_repeated_attempts_and_further_pages(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(pages=([], [], [device()]))
    aws.fail("iam:GetAccountSummary", refusal("throttled", "iam:GetAccountSummary"), times=2)
    handle(scheduled_event())
    assert the_line(caplog)[2]["apiCalls"] == {
        "iam:GetAccountSummary": 3,
        "iam:ListVirtualMFADevices": 3,
        "config:PutEvaluations": 1,
    }


def test_line_counts_the_calls_of_its_own_invocation_only(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users |= {OWN_ACCOUNT: WITHOUT_MFA, MEMBER_ACCOUNT: with_virtual_device(MEMBER_ACCOUNT)}
    handle(MEMBER_EVENT)
    caplog.clear()
    handle(scheduled_event())
    assert the_line(caplog)[2]["apiCalls"] == {"iam:GetAccountSummary": 1, "config:PutEvaluations": 1}


def test_line_says_whose_rule_with_which_parameters(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    """A member's own conformance pack can have rules that look like the deployment's: their parameters tell them apart."""
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    given = {"minimumVirtualMfaDevices": "8", "nonVirtualMfa": "COMPLIANT", "noRootCredentials": "NOT_APPLICABLE"}
    arn = (
        f"arn:aws:config:us-east-1:{OWN_ACCOUNT}:config-rule/aws-service-rule/config-conforms.amazonaws.com/config-rule-b2c3d4"
    )
    name = "root-virtual-mfa-enabled-conformance-pack-q1w2e3r4t"
    handle(scheduled_event(**given) | {"configRuleArn": arn, "configRuleName": name})
    _, _, fields = the_line(caplog)
    assert fields["parameters"] == given
    assert (fields["configRuleArn"], fields["configRuleName"]) == (arn, name)
    assert (fields["ruleOwner"], fields["test"]) == ("config-conforms.amazonaws.com", False)


def test_line_of_a_test_says_so_and_not_by_its_token(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    handle(scheduled_event() | {"resultToken": "TESTMODE"})
    _, _, fields = the_line(caplog)
    assert fields["test"] is True
    assert "TESTMODE" not in json.dumps(fields)


def test_line_of_an_event_without_the_rules_name(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    event = scheduled_event()
    del event["configRuleName"]
    handle(event)
    assert the_line(caplog)[2]["configRuleName"] is None


@pytest.mark.parametrize("device_name", ['"quoted"', "{}", "line\nbreak", "\u00fc\u4e2d", "$(sh)"])
def test_line_is_one_whatever_a_device_is_called(aws: FakeAws, caplog: pytest.LogCaptureFixture, device_name: str) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(device(device_name))
    handle(scheduled_event())
    _, _, fields = the_line(caplog)
    assert fields["annotation"] == f"The root user has 1 virtual MFA device ({device_name})."


@pytest.mark.parametrize(("variable", "version"), [("0.1.0", "0.1.0"), ("", "unknown"), (None, "unknown")])
def test_line_and_user_agent_have_the_version(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, variable: str | None, version: str
) -> None:
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    if variable is not None:
        monkeypatch.setenv("VERSION", variable)
    monkeypatch.setattr(rule, "lambda_handler", Handler(rule.RULE))
    handle(MEMBER_EVENT)
    aws.fail("iam:GetAccountSummary", refusal("denied", "iam:GetAccountSummary"))
    with pytest.raises(EvaluationError):
        handle(MEMBER_EVENT)
    assert [vars(record)["version"] for record in caplog.records] == [version] * 2
    assert len(aws.requests) == 4 + 2
    assert all(request.user_agent.endswith(f" root-virtual-mfa/{version}") for request in aws.requests)


# Failures

FACTS = {
    "mfa_enabled": True,
    "password_present": True,
    "access_keys_present": False,
    "signing_certificates_present": False,
}


@pytest.mark.parametrize(
    ("action", "known", "calls"),
    [
        ("sts:AssumeRole", {}, ["sts:AssumeRole"]),
        ("iam:GetAccountSummary", {}, ["sts:AssumeRole", "iam:GetAccountSummary"]),
        ("iam:ListVirtualMFADevices", {}, ["sts:AssumeRole", "iam:GetAccountSummary", "iam:ListVirtualMFADevices"]),
        (
            "config:PutEvaluations",
            {"facts": FACTS, "rootVirtualMfaDevices": 1},
            ["sts:AssumeRole", "iam:GetAccountSummary", "iam:ListVirtualMFADevices", "config:PutEvaluations"],
        ),
    ],
)
def test_line_of_a_failure_has_the_error_and_no_verdict(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, action: str, known: dict[str, Any], calls: list[str]
) -> None:
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    aws.fail(action, refusal("denied", action))
    with pytest.raises(EvaluationError) as caught:
        handle(MEMBER_EVENT)
    level, message, fields = the_line(caplog)
    assert (level, message) == ("ERROR", "evaluation failed")
    assert fields == {
        "rule": "ROOT_VIRTUAL_MFA_ENABLED",
        "version": "unknown",
        **SUBJECT,
        "parameters": {**DEFAULTS, "ExecutionRoleName": ROLE},
        **known,
        "apiCalls": dict.fromkeys(calls, 1),
    }
    exc_info = caplog.records[0].exc_info
    assert exc_info is not None
    assert exc_info[1] is caught.value


def test_line_of_an_evaluation_that_was_handed_back_has_no_verdict(aws: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    aws.fail("config:PutEvaluations", hand_back_evaluations)
    with pytest.raises(EvaluationError):
        handle(scheduled_event())
    level, message, fields = the_line(caplog)
    assert (level, message) == ("ERROR", "evaluation failed")
    assert not {"verdict", "annotation"} & {*fields}


def test_line_of_an_event_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EvaluationError):
        handle({"accountId": OWN_ACCOUNT})
    assert the_line(caplog) == (
        "ERROR",
        "evaluation failed",
        {"rule": "ROOT_VIRTUAL_MFA_ENABLED", "version": "unknown", "apiCalls": {}},
    )


def test_line_of_bad_parameters_has_none(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidParametersError):
        handle(scheduled_event(MEMBER_ACCOUNT, nonVirtualMfa="PERHAPS"))
    _, _, fields = the_line(caplog)
    assert fields == {"rule": "ROOT_VIRTUAL_MFA_ENABLED", "version": "unknown", **SUBJECT, "apiCalls": {}}


# Secrets: conftest.py searches what every test logs and prints


def test_the_result_token_that_a_refusal_quotes_is_not_shown(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    said = f"1 validation error detected: Value '{RESULT_TOKEN}' at 'resultToken' failed to satisfy constraint"
    body = json.dumps({"__type": "ValidationException", "message": said}).encode()
    aws.fail("config:PutEvaluations", replace_body(body, 400))
    with pytest.raises(
        ReportError, match="ValidationException: 1 validation error detected: Value '…' at 'resultToken'"
    ) as caught:
        handle(scheduled_event())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("field", ["accountId", "configRuleArn", "configRuleName", "invokingEvent", "ruleParameters"])
def test_a_result_token_in_another_field_is_not_shown(field: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        handle(scheduled_event() | {"resultToken": OWN_ACCOUNT, field: RESULT_TOKEN * 10})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("parameters", [{"nonVirtualMfa": RESULT_TOKEN * 10}, {RESULT_TOKEN * 10: "COMPLIANT"}])
def test_a_result_token_among_the_parameters_is_not_shown(parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidParametersError) as caught:
        handle(scheduled_event(**parameters))
    assert SECRET not in str(caught.value)


WRONG_SIGNATURE = f"""The request signature we calculated does not match the signature you provided.

The Canonical String for this request should have been
'POST
/

host:iam.amazonaws.com
x-amz-security-token:{session_token(MEMBER_ACCOUNT)}'"""
"""AWS's answer to a wrong signature. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html"""


def _wrong_signature(action: str) -> bytes:
    if action.startswith("config:"):
        return json.dumps({"__type": "InvalidSignatureException", "message": WRONG_SIGNATURE}).encode()
    error = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{WRONG_SIGNATURE}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>".encode()


@pytest.mark.parametrize("action", ["sts:AssumeRole", "iam:GetAccountSummary", "config:PutEvaluations"])
def test_a_refusal_that_quotes_the_session_token_is_not_shown_in_full(aws: FakeAws, action: str) -> None:
    aws.root_users[MEMBER_ACCOUNT] = WITHOUT_MFA
    aws.fail(action, replace_body(_wrong_signature(action), 403))
    with pytest.raises(EvaluationError, match=": The request signature we calculated does not match") as caught:
        handle(MEMBER_EVENT)
    assert SECRET not in str(caught.value)


def test_credentials_in_a_broken_answer_are_not_shown(aws: FakeAws) -> None:
    broken: list[bytes] = []

    def keep_and_cut(answer: tuple[int, dict[str, Any], bytes]) -> tuple[int, dict[str, Any], bytes]:
        status, headers, body = cut_in_half((answer[0], answer[1], answer[2] * 2))
        broken.append(body := body[:-20])
        return status, headers, body

    aws.fail("sts:AssumeRole", keep_and_cut)
    with pytest.raises(EvaluationError, match="its body could not be parsed") as caught:
        handle(MEMBER_EVENT)
    for secret in (access_key_id(MEMBER_ACCOUNT), secret_access_key(MEMBER_ACCOUNT), session_token(MEMBER_ACCOUNT)):
        assert secret.encode() in broken[0]
        assert secret not in str(caught.value)


def test_an_exception_has_no_cause_that_holds_more_than_it_says(aws: FakeAws) -> None:
    aws.fail("sts:AssumeRole", replace_body(_wrong_signature("sts:AssumeRole"), 403))
    with pytest.raises(AssumeRoleError) as caught:
        handle(MEMBER_EVENT)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
