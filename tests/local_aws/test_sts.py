"""STS and IAM policies on the local AWS: who may assume a role, and what the session may do."""

import json
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import CENTRAL, Client, Clients, allow, refusal, trust


@pytest.fixture(scope="session")
def acting(local_aws: LocalAwsClient) -> Acting:
    return Acting(local_aws)


@pytest.fixture
def central(client: Clients, acting: Acting, account_id: str) -> Client:
    """Give STS for a session of role "central" of the test's account, which may assume every role that trusts it."""
    arn = make_role(client, account_id, "central", trust_account(account_id), "sts:AssumeRole")
    return acting("sts", assume(client("sts", account_id), arn))


def test_a_session_is_its_roles(client: Clients, acting: Acting, account_id: str) -> None:
    arn = make_role(client, account_id, "reader", trust_account(account_id))
    answer = client("sts", account_id).assume_role(RoleArn=arn, RoleSessionName="evaluation", DurationSeconds=900)
    session = f"arn:aws:sts::{account_id}:assumed-role/reader/evaluation"
    assert answer["AssumedRoleUser"]["Arn"] == session
    identity = acting("sts", answer["Credentials"]).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (account_id, session)


def test_a_session_may_do_what_its_role_may(client: Clients, acting: Acting, account_id: str) -> None:
    arn = make_role(client, account_id, "reader", trust_account(account_id), "iam:GetAccountSummary")
    credentials = assume(client("sts", account_id), arn)
    iam = acting("iam", credentials)
    assert "AccountMFAEnabled" in iam.get_account_summary()["SummaryMap"]
    code, message = refusal(iam.list_virtual_mfa_devices)
    assert code == "AccessDenied"
    assert "assumed-role/reader/test is not authorized to perform: iam:ListVirtualMFADevices" in message
    code, _ = refusal(acting("config", credentials).put_evaluations, ResultToken="x", Evaluations=[])
    assert code == "AccessDeniedException"


def test_an_attached_policy_and_a_boundary_count(client: Clients, acting: Acting, account_id: str) -> None:
    iam = client("iam", account_id)
    policies = {
        name: iam.create_policy(PolicyName=name, PolicyDocument=allow(*actions))["Policy"]["Arn"]
        for name, actions in {
            "both": ["iam:GetAccountSummary", "iam:ListVirtualMFADevices"],
            "one": ["iam:GetAccountSummary"],
        }.items()
    }
    arn = make_role(client, account_id, "reader", trust_account(account_id))
    iam.attach_role_policy(RoleName="reader", PolicyArn=policies["both"])
    session = acting("iam", assume(client("sts", account_id), arn))
    assert session.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    iam.put_role_permissions_boundary(RoleName="reader", PermissionsBoundary=policies["one"])
    assert session.get_account_summary()["SummaryMap"]
    assert refusal(session.list_virtual_mfa_devices)[0] == "AccessDenied"


def test_a_session_reads_the_account_of_its_role(
    local_aws: LocalAwsClient, client: Clients, acting: Acting, account_id: str, other_account_id: str
) -> None:
    """A session reads the role's account, not the caller's."""
    local_aws.change_root_user(other_account_id, "add-virtual-device", "phone")
    arn = make_role(client, other_account_id, "member", trust_account(account_id), "iam:GetAccountSummary")
    member = acting("iam", assume(client("sts", account_id), arn))
    assert member.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 1


# Trust


def principal_arn(account_id: str, role: str) -> dict[str, Any]:
    return {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{account_id}:role/{role}"}}


def test_a_role_in_a_condition_is_trusted(client: Clients, central: Client, account_id: str, other_account_id: str) -> None:
    """aws:PrincipalArn has the role's ARN, not the session's."""
    trusting = make_role(client, other_account_id, "trusting", trust_account(account_id, principal_arn(account_id, "central")))
    assert assume(central, trusting)["AccessKeyId"].startswith("ASIA")
    distrusting = make_role(
        client, other_account_id, "distrusting", trust_account(account_id, principal_arn(account_id, "other"))
    )
    assert refusal(assume, sts=central, arn=distrusting)[0] == "AccessDenied"


def test_a_role_that_was_made_anew_is_still_trusted(
    client: Clients, acting: Acting, account_id: str, other_account_id: str
) -> None:
    condition = principal_arn(account_id, "central")
    trusting = make_role(client, other_account_id, "trusting", trust_account(account_id, condition))
    iam = client("iam", account_id)
    for _ in range(2):
        arn = make_role(client, account_id, "central", trust_account(account_id), "sts:AssumeRole")
        assert assume(acting("sts", assume(client("sts", account_id), arn)), trusting)
        iam.delete_role_policy(RoleName="central", PolicyName="actions")
        iam.delete_role(RoleName="central")


@pytest.mark.parametrize("principal", [{"AWS": f"arn:aws:iam::{CENTRAL}:root"}, {"Service": "lambda.amazonaws.com"}])
def test_another_principal_is_not_trusted(
    client: Clients, central: Client, other_account_id: str, principal: dict[str, str]
) -> None:
    arn = make_role(client, other_account_id, "distrusting", trust(principal))
    code, message = refusal(assume, sts=central, arn=arn)
    assert code == "AccessDenied"
    assert f"is not authorized to perform: sts:AssumeRole on resource: {arn}" in message


def test_a_role_that_is_not_there_is_refused_as_one_that_does_not_trust(central: Client, other_account_id: str) -> None:
    arn = f"arn:aws:iam::{other_account_id}:role/none"
    code, message = refusal(assume, sts=central, arn=arn)
    assert code == "AccessDenied"
    assert arn in message


def test_the_caller_needs_the_permission_too(client: Clients, acting: Acting, account_id: str, other_account_id: str) -> None:
    """It is not enough that the role of another account trusts the caller's account."""
    trusting = make_role(client, other_account_id, "trusting", trust_account(account_id))
    caller = make_role(client, account_id, "caller", trust_account(account_id))
    sts = acting("sts", assume(client("sts", account_id), caller))
    assert refusal(assume, sts=sts, arn=trusting)[0] == "AccessDenied"
    policy = allow("sts:AssumeRole", resource=f"arn:aws:iam::*:role/{trusting.rpartition('/')[2]}")
    client("iam", account_id).put_role_policy(RoleName="caller", PolicyName="assume", PolicyDocument=policy)
    assert assume(sts, trusting)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"DurationSeconds": 899}, "greater than or equal to 900"),
        ({"DurationSeconds": 43201}, "less than or equal to 43200"),
        ({"RoleSessionName": "x"}, "greater than or equal to 2"),
        ({"RoleSessionName": "with a space"}, "regular expression pattern"),
        ({"RoleArn": "short"}, "greater than or equal to 20"),
    ],
)
def test_a_bad_request_is_refused(client: Clients, account_id: str, params: dict[str, Any], message: str) -> None:
    good = {"RoleArn": f"arn:aws:iam::{account_id}:role/none", "RoleSessionName": "test"}
    code, said = refusal(client("sts", account_id).assume_role, **good | params)
    assert code == "ValidationError"
    assert message in said


# Credentials


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"AccessKeyId": "ASIAAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId"),
        ({"SessionToken": "another"}, "InvalidClientTokenId"),
        ({"SecretAccessKey": "another"}, "SignatureDoesNotMatch"),
    ],
)
def test_credentials_that_are_wrong_are_refused(
    client: Clients, acting: Acting, account_id: str, changed: dict[str, str], code: str
) -> None:
    arn = make_role(client, account_id, "reader", trust_account(account_id), "iam:GetAccountSummary")
    good = assume(client("sts", account_id), arn)
    assert acting("iam", good).get_account_summary()["SummaryMap"]
    assert refusal(acting("iam", {**good, **changed}).get_account_summary)[0] == code
    assert refusal(acting("sts", {**good, **changed}).get_caller_identity)[0] == code


def test_an_iam_user_may_do_what_its_policies_allow(client: Clients, acting: Acting, account_id: str) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="auditor")
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    credentials = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
    auditor = acting("iam", credentials)
    assert refusal(auditor.get_account_summary)[0] == "AccessDenied"
    iam.put_user_policy(UserName="auditor", PolicyName="read", PolicyDocument=allow("iam:GetAccountSummary"))
    assert auditor.get_account_summary()["SummaryMap"]
    denial = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}],
        }
    )
    iam.put_user_policy(UserName="auditor", PolicyName="deny", PolicyDocument=denial)
    assert refusal(auditor.get_account_summary)[0] == "AccessDenied"


def test_a_call_is_recorded_with_its_principal(
    local_aws: LocalAwsClient, client: Clients, acting: Acting, account_id: str
) -> None:
    arn = make_role(client, account_id, "reader", trust_account(account_id), "iam:GetAccountSummary")
    session = acting("iam", assume(client("sts", account_id), arn))
    local_aws.take_calls()
    session.get_account_summary()
    refusal(session.list_virtual_mfa_devices)  # a call that is refused is not recorded
    calls = [call for call in local_aws.take_calls() if call["account_id"] == account_id]
    assert calls == [
        {
            "account_id": account_id,
            "principal": f"arn:aws:sts::{account_id}:assumed-role/reader/test",
            "action": "iam:GetAccountSummary",
            "fault": "",
        }
    ]
    assert [call for call in local_aws.take_calls() if call["account_id"] == account_id] == []
