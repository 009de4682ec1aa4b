"""Whose credentials sign what: the function's own for its account, the assumed role's for any other."""

import gc
import itertools
import weakref
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.session import Session
from rdklib import InvalidParametersError

from periodic_rule.errors import (
    AssumeRoleError,
    EvaluationError,
    ForeignAccountError,
    InvalidEventError,
    MalformedAnswerError,
)
from tests.functional.fake_aws import (
    FUNCTION,
    MEMBER_ACCOUNT,
    OWN_ACCOUNT,
    WITH_HARDWARE_ONLY,
    WITHOUT_MFA,
    FakeAws,
    change_body,
    refusal,
    root_user,
    with_virtual_device,
)
from tests.functional.invocation import ROLE, handle, scheduled_event


def test_the_own_account_is_evaluated_with_the_functions_credentials(aws: FakeAws) -> None:
    aws.root_users[OWN_ACCOUNT] = with_virtual_device()
    handle(scheduled_event())
    assert aws.signed == [
        ("iam:GetAccountSummary", FUNCTION),
        ("iam:ListVirtualMFADevices", FUNCTION),
        ("config:PutEvaluations", FUNCTION),
    ]


@pytest.mark.parametrize("account_id", [MEMBER_ACCOUNT, OWN_ACCOUNT], ids=["member", "own"])
def test_with_an_execution_role_only_assume_role_has_the_functions_credentials(aws: FakeAws, account_id: str) -> None:
    aws.root_users[account_id] = with_virtual_device(account_id)
    [reported] = handle(scheduled_event(account_id, ExecutionRoleName=ROLE))
    assert aws.signed == [
        ("sts:AssumeRole", FUNCTION),
        ("iam:GetAccountSummary", account_id),
        ("iam:ListVirtualMFADevices", account_id),
        ("config:PutEvaluations", account_id),
    ]
    assert (reported["ComplianceResourceId"], reported["ComplianceType"]) == (account_id, "COMPLIANT")


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "eu-central-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")]
)
@pytest.mark.parametrize(
    "recorder_role",
    [
        f"arn:aws:iam::{MEMBER_ACCOUNT}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
        f"arn:aws:iam::{OWN_ACCOUNT}:role/recorder",
        None,
    ],
)
def test_the_roles_arn_is_made_from_partition_account_and_parameter(
    aws: FakeAws, partition: str, region: str, recorder_role: str | None
) -> None:
    aws.root_users[MEMBER_ACCOUNT] = WITHOUT_MFA
    handle(
        scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName="evaluation") | {"executionRoleArn": recorder_role}
    )
    assert aws.requests[0].parameters["RoleArn"] == f"arn:{partition}:iam::{MEMBER_ACCOUNT}:role/evaluation"


def test_scenario_9_another_account_needs_an_execution_role(aws: FakeAws) -> None:
    with pytest.raises(ForeignAccountError) as caught:
        handle(scheduled_event(MEMBER_ACCOUNT))
    assert str(caught.value) == (
        f"Account {MEMBER_ACCOUNT} is not the function's own ({OWN_ACCOUNT}): evaluating another account needs the rule "
        "parameter ExecutionRoleName, a role there that trusts the function's role."
    )
    assert aws.requests == []


def test_scenario_8_the_rule_of_another_account_is_refused(aws: FakeAws) -> None:
    event = scheduled_event() | {"configRuleArn": scheduled_event(MEMBER_ACCOUNT)["configRuleArn"]}
    with pytest.raises(InvalidEventError, match=rf"allowed is an ARN in the account of accountId \({OWN_ACCOUNT}\)\."):
        handle(event)
    assert aws.requests == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AssumeRoleMode", "false", "Unknown rule parameter 'AssumeRoleMode': allowed are minimumVirtualMfaDevices, "),
        ("ExecutionRoleRegion", "eu-central-1", "Unknown rule parameter 'ExecutionRoleRegion': allowed are "),
        ("ExecutionRoleName", "path/role", "Rule parameter ExecutionRoleName is 'path/role': allowed is the name of a role"),
        ("nonVirtualMfa", "MAYBE", "Rule parameter nonVirtualMfa is 'MAYBE': allowed is NON_COMPLIANT or COMPLIANT."),
    ],
)
def test_scenario_7_a_parameter_that_is_not_allowed_is_refused_before_any_call(
    aws: FakeAws, name: str, value: str, said: str
) -> None:
    with pytest.raises(InvalidParametersError) as caught:
        handle(scheduled_event(MEMBER_ACCOUNT, **{name: value}))
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith(f" Account {MEMBER_ACCOUNT} was not evaluated: correct the parameters of the rule.")
    assert aws.requests == []


@pytest.mark.parametrize("member", [b"AccessKeyId", b"SecretAccessKey", b"SessionToken", b"Credentials"])
def test_credentials_that_are_not_complete_are_not_used(aws: FakeAws, member: bytes) -> None:
    aws.fail("sts:AssumeRole", change_body(b"(</?)%s>" % member, rb"\1Other>"))
    with pytest.raises(MalformedAnswerError, match=rf"KeyError: '{member.decode()}'\. The rule drew no conclusion from it"):
        handle(scheduled_event(MEMBER_ACCOUNT, ExecutionRoleName=ROLE))
    assert aws.actions == ["sts:AssumeRole"]


# A warm environment

ROOTS = {
    OWN_ACCOUNT: WITHOUT_MFA,
    MEMBER_ACCOUNT: with_virtual_device(MEMBER_ACCOUNT),
    "555566667777": WITH_HARDWARE_ONLY,
    "666677778888": root_user(mfa=False, password=False),
}
VERDICTS = {
    OWN_ACCOUNT: "NON_COMPLIANT",
    MEMBER_ACCOUNT: "COMPLIANT",
    "555566667777": "NON_COMPLIANT",
    "666677778888": "COMPLIANT",
}


def event_for(account_id: str) -> dict[str, Any]:
    return scheduled_event(account_id, **({} if account_id == OWN_ACCOUNT else {"ExecutionRoleName": ROLE}))


def test_a_warm_environment_judges_no_account_with_anothers_credentials(aws: FakeAws) -> None:
    aws.root_users |= ROOTS
    each_after_each = itertools.chain.from_iterable(itertools.product(ROOTS, repeat=2))
    for account_id in [*each_after_each] * 2:
        aws.requests.clear()
        [reported] = handle(event_for(account_id))
        assert (reported["ComplianceResourceId"], reported["ComplianceType"]) == (account_id, VERDICTS[account_id])
        own = account_id == OWN_ACCOUNT
        signers = {signer for action, signer in aws.signed if action != "sts:AssumeRole"}
        assert signers == {FUNCTION if own else account_id}
        assert aws.actions.count("sts:AssumeRole") == (0 if own else 1)


@pytest.mark.parametrize("action", ["sts:AssumeRole", "iam:GetAccountSummary", "config:PutEvaluations"])
def test_a_failure_in_one_account_touches_no_other(aws: FakeAws, action: str) -> None:
    aws.root_users |= ROOTS
    for account_id in ROOTS:
        aws.fail(action, refusal("denied", action), times=1)
        with pytest.raises(EvaluationError, match=f" in account {MEMBER_ACCOUNT}: "):
            handle(event_for(MEMBER_ACCOUNT))
        [reported] = handle(event_for(account_id))
        assert (reported["ComplianceResourceId"], reported["ComplianceType"]) == (account_id, VERDICTS[account_id])


def test_a_role_that_could_not_be_assumed_is_not_replaced_by_the_one_before(aws: FakeAws) -> None:
    aws.root_users |= ROOTS
    handle(event_for("555566667777"))
    aws.fail("sts:AssumeRole", refusal("denied", "sts:AssumeRole"))
    aws.requests.clear()
    with pytest.raises(AssumeRoleError):
        handle(event_for(MEMBER_ACCOUNT))
    assert aws.signed == [("sts:AssumeRole", FUNCTION)]


@pytest.fixture
def made_clients(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, "weakref.ref[BaseClient]"]]:
    """Record each new client: its service, and a weak reference to it."""
    made: list[tuple[str, weakref.ref[BaseClient]]] = []
    create_client = Session.create_client

    def record(session: Session, service: str, **settings: Any) -> BaseClient:  # noqa: ANN401 - botocore's
        client = create_client(session, service, **settings)
        made.append((service, weakref.ref(client)))
        return client

    monkeypatch.setattr(Session, "create_client", record)
    return made


def test_the_own_accounts_clients_are_made_once(
    aws: FakeAws, made_clients: list[tuple[str, "weakref.ref[BaseClient]"]]
) -> None:
    aws.root_users |= ROOTS
    for account_id in [OWN_ACCOUNT, MEMBER_ACCOUNT] * 5:
        handle(event_for(account_id))
    services = [service for service, _ in made_clients]
    # Two for the own account, one that assumes roles, and two for each event of a member.
    assert (services.count("sts"), services.count("iam"), services.count("config")) == (1, 1 + 5, 1 + 5)


def test_nothing_is_kept_of_the_accounts_that_were_evaluated(
    aws: FakeAws, made_clients: list[tuple[str, "weakref.ref[BaseClient]"]]
) -> None:
    members = [str(account_id) for account_id in range(200000000000, 200000000020)]
    aws.root_users |= dict.fromkeys([OWN_ACCOUNT, *members], WITHOUT_MFA)
    for account_id in [OWN_ACCOUNT, *members]:
        handle(event_for(account_id))
    gc.collect()
    assert sorted(service for service, client in made_clients if client() is not None) == ["config", "iam", "sts"]


def test_the_own_accounts_clients_are_those_of_the_rules_region(aws: FakeAws) -> None:
    aws.root_users |= ROOTS
    for region in ("us-east-1", "eu-central-1", "us-east-1"):
        aws.requests.clear()
        handle(scheduled_event(region=region))
        assert {request.region for request in aws.requests} == {region}
