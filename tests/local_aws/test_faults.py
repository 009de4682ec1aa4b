"""Faults of the local AWS: each kind on APIs that the rule and the runbooks call, as botocore sees it."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from local_aws.client import LocalAwsClient
from local_aws.core.faults import ANY_ACCOUNT, KINDS, Fault, Faults, refusal
from tests.local_aws.scene import Client, Clients, eventually, trust
from tests.local_aws.scene import refusal as refused

_T = TypeVar("_T")

EVALUATION = {
    "ComplianceResourceType": "AWS::::Account",
    "ComplianceResourceId": "123456789012",
    "ComplianceType": "COMPLIANT",
    "OrderingTimestamp": 1772600767,
}
APIS: dict[str, tuple[str, dict[str, Any]]] = {
    "iam:GetAccountSummary": ("get_account_summary", {}),
    "iam:ListVirtualMFADevices": ("list_virtual_mfa_devices", {}),
    "sts:AssumeRole": ("assume_role", {"RoleSessionName": "test"}),
    "sns:Publish": ("publish", {"Message": "Example."}),
    "config:PutEvaluations": ("put_evaluations", {"ResultToken": "any", "TestMode": True, "Evaluations": [EVALUATION]}),
}


class Call:
    """A good call of an API, and faults for it."""

    def __init__(self, local_aws: LocalAwsClient, client: Clients, account_id: str, action: str) -> None:
        self.local_aws, self._account_id, self.action = local_aws, account_id, action
        operation, self._params = APIS[action]
        self._operation: Client = getattr(client(action.partition(":")[0], account_id), operation)
        if action == "sts:AssumeRole":
            policy = trust({"AWS": f"arn:aws:iam::{account_id}:root"})
            role = client("iam", account_id).create_role(RoleName="member", AssumeRolePolicyDocument=policy)["Role"]
            self._params = {**self._params, "RoleArn": role["Arn"]}
        if action == "sns:Publish":
            topic = client("sns", account_id).create_topic(Name="example")
            self._params = {**self._params, "TopicArn": topic["TopicArn"]}

    @property
    def of_json_api(self) -> bool:
        return self.action.startswith("config:")

    def __call__(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._operation(**self._params)
        return answer

    def fail(self, kind: str, **settings: Any) -> None:  # noqa: ANN401 - times and seconds
        self.local_aws.add_fault(self._account_id, self.action, kind, **settings)


@pytest.fixture(params=APIS)
def call(local_aws: LocalAwsClient, client: Clients, account_id: str, request: pytest.FixtureRequest) -> Iterator[Call]:
    yield Call(local_aws, client, account_id, request.param)
    local_aws.clear_faults()


def test_without_a_fault_it_is_answered(call: Call) -> None:
    assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("kind", "status", "query_code", "json_code"),
    [
        ("AccessDenied", (403, 400), "AccessDenied", "AccessDeniedException"),
        ("Throttling", (400, 400), "Throttling", "ThrottlingException"),
        ("ServerError", (500, 500), "InternalFailure", "InternalFailure"),
        ("ExpiredToken", (403, 400), "ExpiredToken", "ExpiredTokenException"),
    ],
)
def test_a_refusal_has_the_code_and_status_of_its_api(
    call: Call, kind: str, status: tuple[int, int], query_code: str, json_code: str
) -> None:
    call.fail(kind)
    for _ in range(2):
        with pytest.raises(ClientError) as refusal:
            call()
        response = refusal.value.response
        assert response["Error"]["Code"] == (json_code if call.of_json_api else query_code)
        said = response["Error"]["Message"]
        assert said == "Rate exceeded" if kind == "Throttling" else call.action in said  # as short as real throttling
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status[call.of_json_api]


def test_a_broken_body_can_not_be_parsed(call: Call) -> None:
    call.fail("BrokenBody", times=1)
    if call.of_json_api:
        # Of broken JSON botocore makes an answer without members.
        assert set(call()) == {"ResponseMetadata"}
    else:
        with pytest.raises(ResponseParserError):
            call()
    assert set(call()) > {"ResponseMetadata"}


def answered_late(call: Call, ask: Callable[[], _T], kind: str) -> _T:
    """Ask while an answer is an hour late. Others get theirs meanwhile; this one comes when the faults are cleared."""
    call.fail(kind, times=1, seconds=3600)
    call.local_aws.take_calls()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        assert eventually(lambda: kind in [made["fault"] for made in call.local_aws.take_calls()])
        assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert not asked.done()
        call.local_aws.clear_faults()
        return asked.result()


def test_latency_holds_the_answer_back(call: Call) -> None:
    assert answered_late(call, call, "Latency")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_late_answer_comes_by_itself(call: Call) -> None:
    call.fail("Latency", times=1, seconds=0.01)
    assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_refusal_can_be_late(call: Call) -> None:
    assert answered_late(call, lambda: refused(call), "ServerError")[0] == "InternalFailure"


def test_a_fault_happens_so_many_times(call: Call) -> None:
    call.fail("Throttling", times=2)
    codes = [refused(call)[0] for _ in range(2)]
    assert codes == ["ThrottlingException" if call.of_json_api else "Throttling"] * 2
    assert call()


def test_faults_come_one_after_the_other(call: Call) -> None:
    call.fail("Throttling", times=1)
    call.fail("ServerError", times=1)
    assert refused(call)[0].startswith("Throttling")
    assert refused(call)[0] == "InternalFailure"
    assert call()


def test_evaluations_are_handed_back_in_a_successful_answer(
    local_aws: LocalAwsClient, client: Clients, account_id: str
) -> None:
    call = Call(local_aws, client, account_id, "config:PutEvaluations")
    call.fail("FailedEvaluations", times=1)
    [failed] = call()["FailedEvaluations"]
    assert failed["ComplianceResourceId"] == EVALUATION["ComplianceResourceId"]
    assert call()["FailedEvaluations"] == []


def test_a_fault_is_of_one_account_and_one_action(
    local_aws: LocalAwsClient, client: Clients, account_id: str, other_account_id: str
) -> None:
    local_aws.add_fault(account_id, "iam:GetAccountSummary", "AccessDenied")
    assert client("iam", account_id).list_virtual_mfa_devices()
    assert client("iam", other_account_id).get_account_summary()
    assert refused(client("iam", account_id).get_account_summary)[0] == "AccessDenied"
    local_aws.clear_faults()
    assert client("iam", account_id).get_account_summary()


def test_a_fault_of_any_account_meets_a_share_of_the_calls(
    local_aws: LocalAwsClient, client: Clients, account_id: str, other_account_id: str
) -> None:
    calls = {each: client("iam", each).get_account_summary for each in (account_id, other_account_id)}
    local_aws.add_fault(ANY_ACCOUNT, "iam:GetAccountSummary", "Throttling", share=0.5, seed=3)
    local_aws.take_calls()
    outcomes: list[tuple[str, str]] = []
    for _ in range(20):
        for each, call in calls.items():
            try:
                call()
            except ClientError as error:
                outcomes.append((each, error.response["Error"]["Code"]))
            else:
                outcomes.append((each, ""))
    local_aws.clear_faults()
    for each in calls:
        assert {fault for account, fault in outcomes if account == each} == {"", "Throttling"}
    # The record of calls tells which ones met it. A function of another test may still write its log.
    recorded = [call for call in local_aws.take_calls() if call["account_id"] in calls]
    assert [(call["account_id"], call["fault"]) for call in recorded] == outcomes


def test_a_fault_of_any_account_meets_an_assumed_role_once(
    local_aws: LocalAwsClient, client: Clients, account_id: str, other_account_id: str
) -> None:
    """The call is about the caller's account and the role's: that makes it no likelier."""
    policy = trust({"AWS": f"arn:aws:iam::{account_id}:root"})
    role = client("iam", other_account_id).create_role(RoleName="member", AssumeRolePolicyDocument=policy)["Role"]
    local_aws.add_fault(ANY_ACCOUNT, "sts:AssumeRole", "Throttling", share=0.3, seed=3)
    local_aws.take_calls()
    for _ in range(40):
        with suppress(ClientError):
            client("sts", account_id).assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    local_aws.clear_faults()
    # A function of another test may still write its log.
    met = [call["fault"] == "Throttling" for call in local_aws.take_calls() if call["action"] == "sts:AssumeRole"]
    assert met == expected(Fault(ANY_ACCOUNT, "sts:AssumeRole", "Throttling", share=0.3, seed=3), other_account_id, 40)


# By themselves


def expected(fault: Fault, account_id: str, calls: int) -> list[bool]:
    """Return which calls of an account a fault happens to, where no other account calls."""
    faults = Faults()
    faults.add(fault)
    return [faults.take(fault.action, [account_id]) is not None for _ in range(calls)]


def test_a_fault_is_counted_down() -> None:
    faults = Faults()
    for times in (2, None):
        faults.add(Fault("1", "iam:GetAccountSummary", "Throttling", times=times))
    taken = [faults.take("iam:GetAccountSummary", ["1"]) for _ in range(4)]
    assert [fault.times if fault else "none" for fault in taken] == [0, 0, None, None]
    faults.clear()
    assert faults.take("iam:GetAccountSummary", ["1"]) is None


def throttling(seed: int, *, times: int | None = None) -> Fault:
    return Fault(ANY_ACCOUNT, "iam:GetAccountSummary", "Throttling", share=0.1, seed=seed, times=times)


def test_a_share_is_met_in_the_long_run() -> None:
    assert 900 < sum(expected(throttling(1), "1", 10_000)) < 1100


def test_which_calls_it_happens_to_follows_from_the_seed_and_the_account() -> None:
    assert expected(throttling(1), "1", 100) == expected(throttling(1), "1", 100)
    assert expected(throttling(1), "1", 100) != expected(throttling(2), "1", 100)
    assert expected(throttling(1), "1", 100) != expected(throttling(1), "2", 100)


@pytest.mark.parametrize("order", [[0, 1] * 100, [0] * 100 + [1] * 100, [1, 1, 0, 0] * 50])
def test_which_calls_it_happens_to_is_the_same_however_accounts_are_mixed(order: list[int]) -> None:
    faults = Faults()
    faults.add(throttling(1))
    met: dict[str, list[bool]] = {"0": [], "1": []}
    for number in order:
        met[str(number)].append(faults.take("iam:GetAccountSummary", [str(number)]) is not None)
    assert met == {account_id: expected(throttling(1), account_id, 100) for account_id in met}


def test_a_share_is_counted_down_where_it_happens() -> None:
    assert sum(expected(throttling(1, times=3), "1", 1000)) == 3


def test_calls_that_a_share_spares_may_meet_the_next_fault() -> None:
    faults = Faults()
    faults.add(throttling(1))
    faults.add(Fault("1", "iam:GetAccountSummary", "ServerError"))
    taken = [faults.take("iam:GetAccountSummary", ["1"]) for _ in range(100)]
    assert {fault.kind for fault in taken if fault} == {"Throttling", "ServerError"}
    assert None not in taken


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1", "iam:GetUser", "Outage"), f"Unknown fault 'Outage': allowed are {', '.join(KINDS)}."),
        (("1", "iam:GetUser", "FailedEvaluations"), "is a fault of config:PutEvaluations, not of iam:GetUser."),
        (("1", "iam:GetUser", "Throttling", 0), "at least once, or always if no number is given, but times is 0."),
        (("1", "iam:GetUser", "Latency"), "Latency cannot take 0 seconds"),
        (("1", "iam:GetUser", "Latency", None, float("inf")), "Latency cannot take inf seconds"),
        (("1", "iam:GetUser", "Throttling", None, -1), "Throttling cannot take -1 seconds"),
        (("1", "iam:GetUser", "Throttling", None, 0, 0), "above 0 and at most 1, but share is 0."),
        (("1", "iam:GetUser", "Throttling", None, 0, 1.1), "above 0 and at most 1, but share is 1.1."),
    ],
)
def test_what_can_not_happen_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Fault(*arguments)


@pytest.mark.parametrize("kind", ["BrokenBody", "Latency", "FailedEvaluations"])
def test_what_is_no_refusal_has_no_error(kind: str) -> None:
    fault = Fault("1", "config:PutEvaluations", kind, seconds=1)
    assert refusal(fault, "json") is None
