"""What rdklib 0.3.10 does by itself, and what this rule does instead: a pair of tests for each trap.

The first test of a pair runs a rule as rdklib's documentation shows it, through rdklib's Evaluator.  If it fails with a later
rdklib, the trap is gone, and the code that closes it here may go too.
"""

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from rdklib import ComplianceType, ConfigRule, Evaluation, Evaluator, InvalidParametersError

from periodic_rule.errors import EvaluationError, ForeignAccountError, ReadError, ReportError
from tests.functional.fake_aws import (
    FUNCTION,
    MEMBER_ACCOUNT,
    OWN_ACCOUNT,
    WITHOUT_MFA,
    FakeAws,
    hand_back_evaluations,
    refusal,
)
from tests.functional.invocation import ROLE, handle, scheduled_event


class SampleRule(ConfigRule):  # type: ignore[misc]  # rdklib has no types
    """A rule as rdklib's documentation shows it, with the first read of this rule."""

    def evaluate_parameters(self, rule_parameters: dict[str, str]) -> dict[str, str]:
        if "nonVirtualMfa" in rule_parameters:
            message = "nonVirtualMfa is not allowed"
            raise InvalidParametersError(message)
        return rule_parameters

    def evaluate_periodic(self, event: dict[str, Any], client_factory: Any, _: dict[str, str]) -> list[Evaluation]:  # noqa: ANN401 - rdklib's
        summary = client_factory.build_client("iam").get_account_summary()["SummaryMap"]
        verdict = ComplianceType.COMPLIANT if summary["AccountMFAEnabled"] else ComplianceType.NON_COMPLIANT
        return [Evaluation(verdict, event["accountId"], "AWS::::Account")]


class SampleRuleWithoutCleaning(SampleRule):
    delete_old_evaluations_on_scheduled_notification = False


def rdklib_handle(event: dict[str, Any], rule: type[ConfigRule] = SampleRuleWithoutCleaning) -> Any:  # noqa: ANN401 - rdklib's
    return Evaluator(rule()).handle(event, None)


OWN_EVENT = scheduled_event()
MEMBER_EVENT = scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE)
RDKLIB_OWN_EVENT = scheduled_event(AssumeRoleMode="false")
"""Makes rdklib use the function's own credentials, as this rule does without ExecutionRoleName."""


@pytest.fixture(autouse=True)
def urls(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the called URLs, and let no call reach any other than the fake's: rdklib tries."""
    aws.root_users |= {OWN_ACCOUNT: WITHOUT_MFA, MEMBER_ACCOUNT: WITHOUT_MFA}
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # rdklib's clients come from it
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    called: list[str] = []
    send = URLLib3Session.send

    def record(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        called.append(request.url)
        if not request.url.startswith(aws.url):
            raise ConnectionRefusedError(request.url)
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", record)
    return called


# 1 A returned failure counts as a success


@pytest.mark.parametrize("kind", ["denied", "expired"])
def test_trap_1_rdklib_returns_what_went_wrong(aws: FakeAws, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    aws.fail("iam:GetAccountSummary", refusal(kind, "iam:GetAccountSummary"))
    returned = rdklib_handle(RDKLIB_OWN_EVENT)
    assert returned["customerErrorMessage"] == f"The call was {kind}."
    assert "customerErrorCode" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["denied", "expired"])
def test_trap_1_failure_is_raised(aws: FakeAws, kind: str) -> None:
    aws.fail("iam:GetAccountSummary", refusal(kind, "iam:GetAccountSummary"))
    with pytest.raises(ReadError):
        handle(OWN_EVENT)


def test_trap_1_rdklib_returns_that_a_parameter_is_wrong() -> None:
    assert rdklib_handle(scheduled_event(nonVirtualMfa="?"))["customerErrorCode"] == "InvalidParameterValueException"


def test_trap_1_wrong_parameter_is_raised() -> None:
    with pytest.raises(InvalidParametersError):
        handle(scheduled_event(nonVirtualMfa="?"))


def test_trap_1_no_exception_of_ours_is_one_that_rdklib_returns() -> None:
    def descendants(error: type[Exception]) -> set[type[Exception]]:
        return {error}.union(*(descendants(child) for child in error.__subclasses__()))

    ours = descendants(EvaluationError)
    assert {ReadError, ReportError, ForeignAccountError} <= ours

    class Raising(SampleRuleWithoutCleaning):
        error: type[Exception] = EvaluationError

        def evaluate_periodic(self, *_: object) -> list[Evaluation]:
            raise self.error

    for error in ours:
        Raising.error = error
        with pytest.raises(error):
            rdklib_handle(RDKLIB_OWN_EVENT, Raising)


# 2 rdklib searches for old evaluations


def test_trap_2_rdklib_searches_for_old_evaluations(aws: FakeAws) -> None:
    aws.fail("config:GetComplianceDetailsByConfigRule", refusal("denied", "config:GetComplianceDetailsByConfigRule"))
    returned = rdklib_handle(RDKLIB_OWN_EVENT, SampleRule)
    assert returned["customerErrorCode"] == "AccessDeniedException"
    assert aws.actions == ["iam:GetAccountSummary", "config:GetComplianceDetailsByConfigRule"]


def test_trap_2_old_evaluations_are_not_searched_for(aws: FakeAws) -> None:
    aws.fail("config:GetComplianceDetailsByConfigRule", refusal("denied", "config:GetComplianceDetailsByConfigRule"))
    handle(OWN_EVENT)
    assert aws.actions == ["iam:GetAccountSummary", "config:PutEvaluations"]


# 3 rdklib assumes the recorder's role, or judges the wrong account


def test_trap_3_rdklib_assumes_the_recorders_role(aws: FakeAws) -> None:
    rdklib_handle(OWN_EVENT)
    assert aws.requests[0].parameters["RoleArn"] == OWN_EVENT["executionRoleArn"]


def test_trap_3_recorders_role_is_not_assumed(aws: FakeAws) -> None:
    handle(OWN_EVENT)
    assert {signer for _, signer in aws.signed} == {FUNCTION}
    handle(MEMBER_EVENT)
    assert OWN_EVENT["executionRoleArn"] not in {request.parameters.get("RoleArn") for request in aws.requests}


def test_trap_3_rdklib_judges_a_member_by_the_functions_own_root_user(aws: FakeAws) -> None:
    rdklib_handle(scheduled_event(MEMBER_ACCOUNT, AssumeRoleMode="false"))
    assert aws.signed[0] == ("iam:GetAccountSummary", FUNCTION)
    [report] = aws.reported
    assert report["Evaluations"][0]["ComplianceResourceId"] == MEMBER_ACCOUNT


@pytest.mark.parametrize(
    ("parameters", "error"), [({}, ForeignAccountError), ({"AssumeRoleMode": "false"}, InvalidParametersError)]
)
def test_trap_3_member_is_not_judged_by_the_functions_own_root_user(
    aws: FakeAws, parameters: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        handle(scheduled_event(MEMBER_ACCOUNT, **parameters))
    assert aws.requests == []


# 4 A fixed STS host, new clients each time


@pytest.mark.parametrize(("partition", "region"), [("aws", "eu-central-1"), ("aws-cn", "cn-north-1")])
def test_trap_4_rdklib_asks_a_fixed_sts_host_first(
    urls: list[str], monkeypatch: pytest.MonkeyPatch, partition: str, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    rdklib_handle(scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName=ROLE))
    assert urls[0] == f"https://sts.{region}.amazonaws.com/"  # in China, hosts end in .amazonaws.com.cn


@pytest.mark.parametrize(("partition", "region"), [("aws", "eu-central-1"), ("aws-cn", "cn-north-1")])
def test_trap_4_sts_is_asked_at_aws_endpoint_url(aws: FakeAws, urls: list[str], partition: str, region: str) -> None:
    handle(scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName=ROLE))
    assert urls == [f"{aws.url}/"] * len(aws.requests)
    assert aws.actions[0] == "sts:AssumeRole"


# 5 What AWS Config returns as failed


def test_trap_5_rdklib_ignores_what_is_handed_back(aws: FakeAws) -> None:
    aws.fail("config:PutEvaluations", hand_back_evaluations)
    [returned] = rdklib_handle(RDKLIB_OWN_EVENT)
    assert returned["ComplianceType"] == "NON_COMPLIANT"


def test_trap_5_evaluation_that_is_handed_back_is_a_failure(aws: FakeAws) -> None:
    aws.fail("config:PutEvaluations", hand_back_evaluations)
    with pytest.raises(ReportError, match="FailedEvaluations"):
        handle(OWN_EVENT)
