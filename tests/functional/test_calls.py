"""Which calls an evaluation makes, and with what: nothing more than its verdict needs."""

from typing import Any

import pytest

from tests.functional.fake_aws import (
    FUNCTION,
    MEMBER_ACCOUNT,
    OWN_ACCOUNT,
    WITH_HARDWARE_ONLY,
    WITHOUT_MFA,
    FakeAws,
    RootUser,
    device,
    root_user,
    with_virtual_device,
)
from tests.functional.invocation import CREATED, RESULT_TOKEN, ROLE, handle, scheduled_event

SUMMARY = "iam:GetAccountSummary"
DEVICES = "iam:ListVirtualMFADevices"
REPORT = "config:PutEvaluations"
ASSUME = "sts:AssumeRole"

WITHOUT_CREDENTIALS = root_user(mfa=False, password=False)


@pytest.mark.parametrize(
    ("root", "calls"),
    [
        pytest.param(WITHOUT_MFA, [SUMMARY, REPORT], id="no MFA"),
        pytest.param(WITHOUT_CREDENTIALS, [SUMMARY, REPORT], id="no credentials"),
        pytest.param(with_virtual_device(), [SUMMARY, DEVICES, REPORT], id="virtual device"),
        pytest.param(WITH_HARDWARE_ONLY, [SUMMARY, DEVICES, REPORT], id="hardware only"),
    ],
)
def test_own_account(aws: FakeAws, root: RootUser, calls: list[str]) -> None:
    aws.root_users[OWN_ACCOUNT] = root
    handle(scheduled_event())
    assert aws.actions == calls


@pytest.mark.parametrize(
    ("root", "calls"),
    [
        pytest.param(WITHOUT_MFA, [ASSUME, SUMMARY, REPORT], id="no MFA"),
        pytest.param(with_virtual_device(MEMBER_ACCOUNT), [ASSUME, SUMMARY, DEVICES, REPORT], id="virtual device"),
    ],
)
def test_member_account_costs_one_call_more(aws: FakeAws, root: RootUser, calls: list[str]) -> None:
    aws.root_users[MEMBER_ACCOUNT] = root
    handle(scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE))
    assert aws.actions == calls


OTHERS = [device(f"user-{number}", owner=f"user/user-{number}") for number in range(3)]


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        pytest.param((OTHERS, [device()]), "COMPLIANT", id="root's device on page two"),
        pytest.param(([], [device()]), "COMPLIANT", id="empty page that is not the last"),
        pytest.param((OTHERS[:1], OTHERS[1:], [], [device()]), "COMPLIANT", id="short pages that are not the last"),
        pytest.param(([device()], OTHERS), "COMPLIANT", id="root's device on page one, and another page"),
        pytest.param((OTHERS, []), "NON_COMPLIANT", id="empty last page"),
        pytest.param(([], [], []), "NON_COMPLIANT", id="nothing but empty pages"),
    ],
)
def test_every_page_is_read_by_one_call(aws: FakeAws, pages: tuple[list[dict[str, Any]], ...], verdict: str) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(pages=pages)
    [reported] = handle(scheduled_event())
    assert reported["ComplianceType"] == verdict
    assert aws.actions == [SUMMARY, *[DEVICES] * len(pages), REPORT]
    markers = [request.parameters.get("Marker") for request in aws.requests if request.action == DEVICES]
    assert markers == [None, *(str(number) for number in range(1, len(pages)))]


def test_devices_on_several_pages_are_counted_together(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(pages=([device("phone")], OTHERS, [device("tablet")]))
    [reported] = handle(scheduled_event(minimumVirtualMfaDevices="2"))
    assert reported["ComplianceType"] == "COMPLIANT"


@pytest.mark.parametrize(("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")])
class TestPartitionThatIsNotEvaluated:
    def test_no_call_to_iam_for_the_own_account(self, aws: FakeAws, partition: str, region: str) -> None:
        [reported] = handle(scheduled_event(OWN_ACCOUNT, partition, region))
        assert reported["ComplianceType"] == "NOT_APPLICABLE"
        assert aws.signed == [(REPORT, FUNCTION)]

    def test_no_call_to_iam_for_a_member_account(self, aws: FakeAws, partition: str, region: str) -> None:
        [reported] = handle(scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName=ROLE))
        assert reported["ComplianceType"] == "NOT_APPLICABLE"
        assert aws.signed == [(ASSUME, FUNCTION), (REPORT, MEMBER_ACCOUNT)]


def test_parameters_of_the_calls(aws: FakeAws) -> None:
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    reported = handle(scheduled_event(MEMBER_ACCOUNT, region="eu-central-1", ExecutionRoleName=ROLE))
    assume, summary, devices, report = aws.requests
    assert assume.parameters == {
        "RoleArn": f"arn:aws:iam::{MEMBER_ACCOUNT}:role/{ROLE}",
        "RoleSessionName": "root-virtual-mfa-enabled",
        "DurationSeconds": 900,
    }
    assert summary.parameters == {}
    assert devices.parameters == {"AssignmentStatus": "Assigned", "MaxItems": 1000}
    assert report.parameters["ResultToken"] == RESULT_TOKEN
    assert report.parameters["TestMode"] is False
    [sent] = report.parameters["Evaluations"]
    assert sent | {"OrderingTimestamp": CREATED} == reported[0]


def test_a_rule_with_the_test_token_reports_in_test_mode(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    handle(scheduled_event() | {"resultToken": "TESTMODE"})
    [report] = aws.reported
    assert (report["ResultToken"], report["TestMode"]) == ("TESTMODE", True)
