"""The verdict table through the handler: what AWS Config receives, and what the function returns.

The numbers are those of the scenarios in the rule's header.
"""

from datetime import datetime

import pytest

from periodic_rule.errors import MalformedAnswerError
from tests.functional.fake_aws import (
    OWN_ACCOUNT,
    WITH_HARDWARE_ONLY,
    WITHOUT_MFA,
    FakeAws,
    RootUser,
    device,
    root_user,
    with_virtual_device,
)
from tests.functional.invocation import CREATED, RESULT_TOKEN, evaluation, handle, scheduled_event

NO_CREDENTIALS = root_user(mfa=False, password=False)
NO_CREDENTIALS_FOUND = "has no credentials"
HARDWARE_FOUND = "without a virtual MFA device"
NO_MFA = "no MFA: sign in"

ABANDONED = {"SerialNumber": f"arn:aws:iam::{OWN_ACCOUNT}:mfa/root-account-mfa-device"}
"""What an unfinished set-up leaves: a device without a user that is not enabled."""

LEGACY = ABANDONED | {"EnableDate": device()["EnableDate"]}


@pytest.mark.parametrize(
    ("root", "parameters", "verdict", "says"),
    [
        pytest.param(with_virtual_device(), {}, "COMPLIANT", "1 virtual MFA device (phone)", id="2 virtual device"),
        pytest.param(
            root_user(device("phone"), device("tablet")),
            {"minimumVirtualMfaDevices": "2"},
            "COMPLIANT",
            "2 virtual MFA devices (phone, tablet)",
            id="2 as many as the minimum",
        ),
        pytest.param(
            root_user(device(), access_keys=True),
            {},
            "COMPLIANT",
            "(phone); root also has access keys",
            id="2 access keys beside",
        ),
        pytest.param(
            root_user(LEGACY),
            {},
            "COMPLIANT",
            "(root-account-mfa-device)",
            id="2 legacy device without a user",
        ),
        pytest.param(
            root_user(device(), password=False),
            {"noRootCredentials": "NON_COMPLIANT"},
            "COMPLIANT",
            "1 virtual MFA device (phone)",
            id="2 decides before 3",
        ),
        pytest.param(NO_CREDENTIALS, {}, "COMPLIANT", NO_CREDENTIALS_FOUND, id="3 no credentials"),
        pytest.param(
            NO_CREDENTIALS,
            {"noRootCredentials": "NOT_APPLICABLE"},
            "NOT_APPLICABLE",
            "noRootCredentials is NOT_APPLICABLE",
            id="3 not applicable",
        ),
        pytest.param(
            NO_CREDENTIALS,
            {"noRootCredentials": "NON_COMPLIANT"},
            "NON_COMPLIANT",
            "noRootCredentials is NON_COMPLIANT",
            id="3 not compliant",
        ),
        pytest.param(
            root_user(password=False),
            {},
            "COMPLIANT",
            NO_CREDENTIALS_FOUND,
            id="3 decides before 5",
        ),
        pytest.param(
            with_virtual_device(),
            {"minimumVirtualMfaDevices": "3"},
            "NON_COMPLIANT",
            "1 virtual MFA device and minimumVirtualMfaDevices is 3",
            id="4 fewer than the minimum",
        ),
        pytest.param(
            WITH_HARDWARE_ONLY,
            {},
            "NON_COMPLIANT",
            HARDWARE_FOUND,
            id="5 hardware only",
        ),
        pytest.param(
            WITH_HARDWARE_ONLY,
            {"nonVirtualMfa": "COMPLIANT"},
            "COMPLIANT",
            "nonVirtualMfa accepts",
            id="5 hardware only, accepted",
        ),
        pytest.param(
            root_user(device("root-account-mfa-device", owner="user/groot"), device(owner="user/root"), ABANDONED),
            {},
            "NON_COMPLIANT",
            HARDWARE_FOUND,
            id="5 no device is root's",
        ),
        pytest.param(WITHOUT_MFA, {}, "NON_COMPLIANT", NO_MFA, id="6 no MFA"),
        pytest.param(
            root_user(mfa=False, password=False, access_keys=True, certificates=True),
            {},
            "NON_COMPLIANT",
            "access keys and signing certificates remain",
            id="6 keys without password",
        ),
        pytest.param(
            root_user(mfa=False, password=None), {}, "NON_COMPLIANT", NO_MFA, id="6 summary that says nothing of a password"
        ),
        pytest.param(
            root_user(mfa=False, password=False, access_keys=None),
            {},
            "NON_COMPLIANT",
            NO_MFA,
            id="6 summary that says nothing of access keys",
        ),
    ],
)
def test_verdict_is_reported_and_returned(
    aws: FakeAws, root: RootUser, parameters: dict[str, str], verdict: str, says: str
) -> None:
    aws.root_users[OWN_ACCOUNT] = root
    [returned] = handle(scheduled_event(**parameters))
    assert says in returned["Annotation"]
    assert returned == evaluation(verdict, returned["Annotation"])
    assert aws.reported == [
        {
            "Evaluations": [{**returned, "OrderingTimestamp": datetime.fromisoformat(CREATED)}],
            "ResultToken": RESULT_TOKEN,
            "TestMode": False,
        }
    ]


@pytest.mark.parametrize(("partition", "region"), [("aws-us-gov", "us-gov-east-1"), ("aws-cn", "cn-northwest-1")])
def test_verdict_1_partition_that_is_not_evaluated(aws: FakeAws, partition: str, region: str) -> None:
    aws.root_users[OWN_ACCOUNT] = root_user(device(partition=partition))
    [returned] = handle(scheduled_event(partition=partition, region=region))
    assert f"({partition})" in returned["Annotation"]
    assert returned == evaluation("NOT_APPLICABLE", returned["Annotation"])
    assert aws.verdicts == {"NOT_APPLICABLE"}


def test_parameters_may_be_absent(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    event = scheduled_event()
    del event["ruleParameters"]
    [returned] = handle(event)
    assert returned == evaluation("NON_COMPLIANT", returned["Annotation"])


@pytest.mark.parametrize("time", ["2026-01-15T06:00:00Z", "2026-07-15T23:59:59.999+02:00"])
def test_a_redelivered_event_reports_the_same_again(aws: FakeAws, time: str) -> None:
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    first, second = (handle(scheduled_event(created=time)) for _ in range(2))
    assert first == second == [evaluation("NON_COMPLIANT", first[0]["Annotation"], created=time)]
    assert aws.reported[0] == aws.reported[1]
    [sent] = aws.reported[0]["Evaluations"]
    assert sent["OrderingTimestamp"] == datetime.fromisoformat(time)


# No evaluation


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        pytest.param({}, "AccountMFAEnabled is missing", id="empty summary"),
        pytest.param({"AccountPasswordPresent": 0}, "AccountMFAEnabled is missing", id="no AccountMFAEnabled"),
        pytest.param({"AccountMFAEnabled": 2}, "AccountMFAEnabled is 2", id="AccountMFAEnabled is neither 0 nor 1"),
        pytest.param({"AccountMFAEnabled": -1}, "AccountMFAEnabled is -1", id="AccountMFAEnabled is negative"),
        pytest.param(
            {"AccountMFAEnabled": 0, "AccountAccessKeysPresent": -1},
            "AccountAccessKeysPresent is -1",
            id="AccountAccessKeysPresent is negative",
        ),
    ],
)
def test_a_summary_that_cannot_be_understood_is_no_verdict(aws: FakeAws, summary: dict[str, int], said: str) -> None:
    aws.root_users[OWN_ACCOUNT] = RootUser(summary)
    with pytest.raises(MalformedAnswerError) as caught:
        handle(scheduled_event())
    assert str(caught.value) == (
        f"The answer to iam:GetAccountSummary in account {OWN_ACCOUNT} cannot be understood: {said}. "
        "The rule drew no conclusion from it; Lambda repeats the event."
    )
    assert aws.verdicts == set()


@pytest.mark.parametrize("access_keys", [1, 2])
def test_any_number_of_access_keys_is_a_credential(aws: FakeAws, access_keys: int) -> None:
    summary = root_user(mfa=False, password=False).summary
    aws.root_users[OWN_ACCOUNT] = RootUser({**summary, "AccountAccessKeysPresent": access_keys})
    [reported] = handle(scheduled_event())
    assert reported["ComplianceType"] == "NON_COMPLIANT"
