"""Scenario 10 of the rule's header: if the rule cannot know or report, the invocation fails, and there is no verdict."""

from typing import NamedTuple

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff, RetryContext

from periodic_rule import clients
from periodic_rule.errors import (
    AssumeRoleError,
    EvaluationError,
    MalformedAnswerError,
    OutOfTimeError,
    ReadError,
    ReportError,
)
from periodic_rule.handler import Handler
from root_virtual_mfa_enabled import rule
from tests.functional.fake_aws import (
    MEMBER_ACCOUNT,
    OWN_ACCOUNT,
    WITH_HARDWARE_ONLY,
    FakeAws,
    Fault,
    change_body,
    cut_in_half,
    drop,
    go_away,
    hand_back_evaluations,
    hang,
    refusal,
    replace_body,
    root_user,
    with_virtual_device,
)
from tests.functional.invocation import ROLE, Context, handle, scheduled_event

ACTIONS = {
    "sts:AssumeRole": AssumeRoleError,
    "iam:GetAccountSummary": ReadError,
    "iam:ListVirtualMFADevices": ReadError,
    "config:PutEvaluations": ReportError,
}
"""The calls of an evaluation in their order, and the error that a failed one raises."""

ROOTS = {"COMPLIANT": with_virtual_device(MEMBER_ACCOUNT), "NON_COMPLIANT": WITH_HARDWARE_ONLY}
"""A root user for each verdict: neither verdict may turn into the other."""

EVENT = scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE)

botocores_delay = ExponentialBackoff.delay_amount  # before conftest.py replaces it

REPEATED = "Lambda repeats the event"


@pytest.fixture(params=ROOTS)
def verdict(aws: FakeAws, request: pytest.FixtureRequest) -> str:
    """Let the member's root user be COMPLIANT, or not."""
    right: str = request.param
    aws.root_users[MEMBER_ACCOUNT] = ROOTS[right]
    return right


class Failure(NamedTuple):
    """How a call fails, how many attempts it gets, and what the message says; `error` if every call raises the same one."""

    fault: Fault | str
    attempts: int
    said: str
    error: type[EvaluationError] | None = None


FAILURES = {
    "access denied": Failure("denied", 1, "AccessDenied"),
    "throttled for good": Failure("throttled", 3, f"The calls were throttled for longer than the retries: {REPEATED}."),
    "fault for good": Failure("broken down", 3, f"InternalFailure: The call was broken down. {REPEATED}"),
    "expired token": Failure("expired", 1, f"The credentials have expired: {REPEATED}, and the function fetches new ones."),
    "broken body": Failure(cut_in_half, 1, "The rule drew no conclusion from it", MalformedAnswerError),
    # The first attempt arrives and ends the server.
    "connection refused": Failure(go_away, 1, "EndpointConnectionError: Could not connect to the endpoint URL"),
    "connection closed": Failure(drop, 3, "ConnectionClosedError: Connection was closed before we received a valid response"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("action", ACTIONS)
def test_scenario_10_a_call_that_fails_for_good_fails_the_invocation(
    aws: FakeAws, verdict: str, action: str, failure: Failure
) -> None:
    aws.fail(action, refusal(failure.fault, action) if isinstance(failure.fault, str) else failure.fault)
    with pytest.raises(EvaluationError) as caught:
        handle(EVENT)
    assert type(caught.value) is (failure.error or ACTIONS[action])
    message = str(caught.value)
    assert f"{action} failed in account {MEMBER_ACCOUNT}: " in message or (
        f"The answer to {action} in account {MEMBER_ACCOUNT} cannot be understood: " in message
    )
    assert failure.said in message
    assert message.endswith(".")
    # The calls before it, its attempts, and nothing after it.
    calls = [*ACTIONS]
    assert aws.actions == calls[: calls.index(action)] + [action] * failure.attempts
    assert aws.verdicts == ({verdict} if action == "config:PutEvaluations" else set())


@pytest.mark.parametrize("action", ACTIONS)
def test_scenario_10_a_call_that_times_out_fails_the_invocation(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    patience = Config(read_timeout=0.5)  # instead of 5 s
    monkeypatch.setattr(clients, "_CONFIG", clients._CONFIG.merge(patience))  # noqa: SLF001 - there is no public way
    monkeypatch.setattr(rule, "lambda_handler", Handler(rule.RULE))
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["NON_COMPLIANT"]
    aws.fail(action, hang)
    with pytest.raises(ACTIONS[action], match=rf"^{action} failed in account {MEMBER_ACCOUNT}: ReadTimeoutError: Read timeout"):
        handle(EVENT)
    assert aws.actions.count(action) == 3
    assert aws.verdicts == ({"NON_COMPLIANT"} if action == "config:PutEvaluations" else set())


@pytest.mark.parametrize("kind", ["throttled", "broken down"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_call_that_recovers_within_its_attempts_gives_the_right_verdict(
    aws: FakeAws, verdict: str, action: str, kind: str
) -> None:
    aws.fail(action, refusal(kind, action), times=2)
    [reported] = handle(EVENT)
    assert reported["ComplianceType"] == verdict
    assert aws.verdicts == {verdict}
    assert aws.actions == [name for name in ACTIONS for _ in range(3 if name == action else 1)]


NO_ROLE = (
    f"Either arn:aws:iam::{MEMBER_ACCOUNT}:role/{ROLE} does not exist, or it does not trust the function's role, or that role "
    "may not assume it: deploy account.yaml in the account."
)
ALLOW = "to the role that evaluates the account (account.yaml does)"
OR_LOOK = "and look for a service control policy or a permissions boundary that denies it"


@pytest.mark.parametrize(
    ("action", "advice"),
    [
        ("sts:AssumeRole", NO_ROLE),
        ("iam:GetAccountSummary", f"Allow iam:GetAccountSummary {ALLOW}, {OR_LOOK}."),
        ("iam:ListVirtualMFADevices", f"Allow iam:ListVirtualMFADevices {ALLOW}, {OR_LOOK}."),
        ("config:PutEvaluations", f"Allow config:PutEvaluations {ALLOW}."),
    ],
)
def test_a_denial_says_what_to_allow(aws: FakeAws, action: str, advice: str) -> None:
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["COMPLIANT"]
    aws.fail(action, refusal("denied", action))
    with pytest.raises(EvaluationError) as caught:
        handle(EVENT)
    code = "AccessDeniedException" if action.startswith("config:") else "AccessDenied"
    assert str(caught.value) == f"{action} failed in account {MEMBER_ACCOUNT}: {code}: The call was denied. {advice}"


def test_the_own_account_without_a_connection(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ReadError, match=f"^iam:GetAccountSummary failed in account {OWN_ACCOUNT}: EndpointConnectionError: "):
        handle(scheduled_event())
    assert aws.requests == []


def test_a_function_without_credentials(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(ReadError, match=r"NoCredentialsError: Unable to locate credentials\. Lambda repeats the event"):
        handle(scheduled_event())
    assert aws.requests == []


# Broken answers


QUERY_BODIES = {
    "none": b"",
    "no XML": b"The gateway says hello",
    "JSON": b"{}",
    "HTML": b"<html><body>Log in to the network</body></html>",
    "no text": b"\xff\xfe\x00",
}
JSON_BODIES = {
    "none": b"",
    "no JSON": b"The gateway says hello",
    "XML": b"<PutEvaluationsResponse/>",
    "null": b"null",
    "list": b"[]",
    "string": b'"FailedEvaluations"',
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        *(
            pytest.param(action, body, id=f"{action} {what}")
            for action in [*ACTIONS][:3]
            for what, body in QUERY_BODIES.items()
        ),
        *(
            pytest.param("config:PutEvaluations", body, id=f"config:PutEvaluations {what}")
            for what, body in JSON_BODIES.items()
        ),
    ],
)
def test_a_body_that_is_no_answer_is_no_success(aws: FakeAws, action: str, body: bytes) -> None:
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["NON_COMPLIANT"]
    aws.fail(action, replace_body(body, 204 if body == b"" else 200))
    with pytest.raises(
        MalformedAnswerError, match=f"^The answer to {action} in account {MEMBER_ACCOUNT} cannot be understood: "
    ):
        handle(EVENT)
    assert aws.verdicts == ({"NON_COMPLIANT"} if action == "config:PutEvaluations" else set())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"__type": "ThrottlingException", "message": null}'])
@pytest.mark.parametrize("status", [302, 403, 500])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_refusal_with_a_broken_body_fails_like_any_other(aws: FakeAws, action: str, status: int, body: bytes) -> None:
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["NON_COMPLIANT"]
    aws.fail(action, replace_body(body, status))
    with pytest.raises(EvaluationError, match=f"{action} .*in account {MEMBER_ACCOUNT}") as caught:
        handle(EVENT)
    assert type(caught.value) in {ACTIONS[action], MalformedAnswerError}
    assert aws.verdicts == ({"NON_COMPLIANT"} if action == "config:PutEvaluations" else set())


@pytest.mark.parametrize(
    ("action", "old", "new", "said"),
    [
        pytest.param("iam:GetAccountSummary", b"<value>1</value>", b"<value>yes</value>", "ValueError: ", id="number"),
        pytest.param("iam:GetAccountSummary", b"AccountMFAEnabled", b"Other", "AccountMFAEnabled is missing", id="summary"),
        pytest.param("iam:GetAccountSummary", b"SummaryMap", b"Other", "AccountMFAEnabled is missing", id="no summary"),
        pytest.param(
            "iam:ListVirtualMFADevices",
            b"VirtualMFADevices>",
            b"Other>",
            "VirtualMFADevices or IsTruncated is missing",
            id="no list of devices",
        ),
        pytest.param(
            "iam:ListVirtualMFADevices",
            b"IsTruncated>",
            b"Other>",
            "VirtualMFADevices or IsTruncated is missing",
            id="no word on further pages",
        ),
        pytest.param(
            "iam:ListVirtualMFADevices",
            b"<IsTruncated>false",
            b"<IsTruncated>true",
            "IsTruncated is true without a new Marker",
            id="no way to the next page",
        ),
        pytest.param(
            "iam:ListVirtualMFADevices",
            b"SerialNumber>",
            b"Other>",
            "a device has no SerialNumber, or its User no Arn",
            id="device without serial number",
        ),
        pytest.param(
            "iam:ListVirtualMFADevices",
            b"Arn>",
            b"Other>",
            "a device has no SerialNumber, or its User no Arn",
            id="user without ARN",
        ),
    ],
)
def test_an_answer_that_lacks_what_a_verdict_rests_on(aws: FakeAws, action: str, old: bytes, new: bytes, said: str) -> None:
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["COMPLIANT"]
    aws.fail(action, change_body(old, new))
    with pytest.raises(MalformedAnswerError, match=f"^The answer to {action} .* cannot be understood: {said}"):
        handle(EVENT)
    assert aws.verdicts == set()


def test_pages_that_lead_back_are_not_read_without_end(aws: FakeAws) -> None:
    aws.root_users[MEMBER_ACCOUNT] = root_user(pages=([], []))
    leading_back = b"<IsTruncated>true</IsTruncated><Marker>1</Marker></ListVirtualMFADevicesResult>"
    aws.fail("iam:ListVirtualMFADevices", change_body(b"<IsTruncated>.*</ListVirtualMFADevicesResult>", leading_back))
    with pytest.raises(MalformedAnswerError, match="IsTruncated is true without a new Marker"):
        handle(EVENT)
    assert aws.verdicts == set()


# What AWS Config returns as failed


def test_an_evaluation_that_is_handed_back_was_not_reported(aws: FakeAws, verdict: str) -> None:
    aws.fail("config:PutEvaluations", hand_back_evaluations)
    with pytest.raises(ReportError) as caught:
        handle(EVENT)
    assert str(caught.value) == (
        f"AWS Config returned the evaluation of account {MEMBER_ACCOUNT} in FailedEvaluations: the rule still shows its last "
        "result. Lambda repeats the event; if it keeps failing, start an evaluation of the rule."
    )
    assert aws.actions == [*ACTIONS]
    assert aws.verdicts == {verdict}


# Time


@pytest.mark.parametrize(
    ("seconds_left", "called"),
    [
        pytest.param([34.9], [], id="before the first call"),
        pytest.param([35, 34], ["sts:AssumeRole"], id="after the first call"),
        pytest.param([140, 60, 3], ["sts:AssumeRole", "iam:GetAccountSummary"], id="after the second call"),
        pytest.param([140, 90, 60, 20], [*ACTIONS][:3], id="before the report"),
    ],
)
def test_no_call_is_started_that_might_not_end_in_time(aws: FakeAws, seconds_left: list[float], called: list[str]) -> None:
    aws.root_users[MEMBER_ACCOUNT] = ROOTS["COMPLIANT"]
    with pytest.raises(OutOfTimeError) as caught:
        handle(EVENT, Context(*seconds_left))
    assert aws.actions == called
    assert str(caught.value) == (
        f"{[*ACTIONS][len(called)]} was not called in account {MEMBER_ACCOUNT}: {seconds_left[-1]:.0f} s of the function's "
        "time-out are left, and a call may take 34 s. AWS answered slowly, or the time-out is too short; Lambda repeats the "
        "event."
    )


def test_no_further_page_is_read_without_time(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(pages=([],) * 5)
    with pytest.raises(OutOfTimeError, match=r"^iam:ListVirtualMFADevices was not called in account"):
        handle(scheduled_event(), Context(100, 80, 60, 40, 20))
    assert aws.actions == ["iam:GetAccountSummary", *["iam:ListVirtualMFADevices"] * 3]


def test_a_call_ends_within_the_time_that_is_kept_for_it(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    def longest_delay(backoff: ExponentialBackoff, context: RetryContext) -> int:
        monkeypatch.setattr(backoff, "_random", lambda: 1.0)  # the most that botocore's jitter can be
        waits.append(botocores_delay(backoff, context))
        return 0

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", longest_delay)
    aws.fail("sts:AssumeRole", refusal("throttled", "sts:AssumeRole"))
    with pytest.raises(AssumeRoleError):
        handle(EVENT)
    attempts = len(aws.requests)
    assert (attempts, len(waits)) == (3, 2)
    longest = attempts * (clients.CONNECT_TIMEOUT + clients.READ_TIMEOUT) + sum(waits) + len(waits) * 5  # x-amz-retry-after
    assert longest <= clients.LONGEST_CALL
