"""OpsCenter on the local AWS: OpsItems, of which only one is open for each deduplication string."""

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsClient
from tests.local_aws.automation_scene import acting_as
from tests.local_aws.scene import Client, Clients, Parameter, allow, refusal, trust

INVALID = "OpsItemInvalidParameterException"


@pytest.fixture
def ssm(client: Clients, account_id: str) -> Client:
    return client("ssm", account_id)


def create(ssm: Client, dedup: str | None = None, **params: Parameter) -> str:
    data = {"/aws/dedup": {"Type": "SearchableString", "Value": json.dumps({"dedupString": dedup})}} if dedup else {}
    data |= params.pop("OperationalData", {})
    request = {
        "Title": "No MFA",
        "Source": "RootVirtualMfa",
        "Description": "The root user has no MFA.",
        "OperationalData": data,
    }
    ops_item_id: str = ssm.create_ops_item(**{**request, **params})["OpsItemId"]
    return ops_item_id


def get(ssm: Client, ops_item_id: str) -> dict[str, Any]:
    item: dict[str, Any] = ssm.get_ops_item(OpsItemId=ops_item_id)["OpsItem"]
    return item


def test_an_ops_item_is_what_it_was_created_as(ssm: Client, account_id: str) -> None:
    settings: dict[str, Any] = {
        "Priority": 1,
        "Severity": "2",
        "Category": "Security",
        "OperationalData": {
            "account": {"Type": "SearchableString", "Value": account_id},
            "note": {"Type": "String", "Value": "x"},
        },
        "Notifications": [{"Arn": f"arn:aws:sns:us-east-1:{account_id}:topic"}],
    }
    params = {"Title": "No MFA", "Source": "RootVirtualMfa", "Description": "The root user has no MFA."}
    created = ssm.create_ops_item(**params, **settings)
    assert created["OpsItemArn"] == f"arn:aws:ssm:us-east-1:{account_id}:opsitem/{created['OpsItemId']}"
    item = get(ssm, created["OpsItemId"])
    expected = {**params, **settings, "Status": "Open", "Version": "1", "OpsItemArn": created["OpsItemArn"]}
    assert {name: item[name] for name in expected} == expected
    assert item["CreatedBy"] == item["LastModifiedBy"] == f"arn:aws:iam::{account_id}:root"
    [summary] = ssm.describe_ops_items()["OpsItemSummaries"]
    assert list(summary["OperationalData"]) == ["account"]
    assert "Description" not in summary


def test_an_ops_item_is_changed(ssm: Client) -> None:
    ops_item_id = create(ssm, "a", OperationalData={"one": {"Value": "1"}, "two": {"Value": "2"}})
    update = {"OpsItemId": ops_item_id, "Description": "Gone.", "Status": "InProgress", "Priority": 5}
    ssm.update_ops_item(**update, OperationalData={"one": {"Value": "3", "Type": "String"}}, OperationalDataToDelete=["two"])
    item = get(ssm, ops_item_id)
    assert {name: item[name] for name in update} == update
    assert item["OperationalData"]["one"] == {"Value": "3", "Type": "String"}
    assert set(item["OperationalData"]) == {"one", "/aws/dedup"}
    assert item["Title"] == "No MFA"
    assert item["Version"] == "2"
    assert item["LastModifiedTime"] >= item["CreatedTime"]


@pytest.mark.parametrize("status", ["Open", "InProgress"])
def test_one_is_open_for_a_deduplication_string(ssm: Client, status: str) -> None:
    ops_item_id = create(ssm, "root MFA")
    ssm.update_ops_item(OpsItemId=ops_item_id, Status=status)
    with pytest.raises(ClientError) as caught:
        create(ssm, "root MFA", Title="Another")
    assert caught.value.response["Error"]["Code"] == "OpsItemAlreadyExistsException"
    assert caught.value.response["OpsItemId"] == ops_item_id  # type: ignore[typeddict-item]  # a member of this error
    assert create(ssm, "another string") != ops_item_id
    assert create(ssm) != create(ssm)


def test_a_resolved_one_permits_a_new_one(ssm: Client) -> None:
    former = create(ssm, "root MFA")
    ssm.update_ops_item(OpsItemId=former, Status="Resolved")
    latter = create(ssm, "root MFA")
    assert latter != former
    assert refusal(ssm.update_ops_item, OpsItemId=former, Status="Open")[0] == "OpsItemAlreadyExistsException"
    assert get(ssm, former)["Status"] == "Resolved"


def test_a_deduplication_string_is_of_an_account(client: Clients, ssm: Client, other_account_id: str) -> None:
    ops_item_id = create(ssm, "root MFA")
    elsewhere = client("ssm", other_account_id)
    assert create(elsewhere, "root MFA") != ops_item_id
    assert refusal(elsewhere.get_ops_item, OpsItemId=ops_item_id)[0] == "OpsItemNotFoundException"


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"Title": "x" * 1025}, "ValidationException", "less than or equal to 1024"),
        ({"Title": None}, "ValidationException", "must not be null"),
        ({"Description": " "}, "ValidationException", "pattern"),
        ({"Priority": 6}, "ValidationException", "less than or equal to 5"),
        ({"Severity": "x" * 65}, "ValidationException", "less than or equal to 64"),
        ({"Source": "my-aws-source"}, INVALID, "contains aws, amazon or amzn"),
        ({"OpsItemType": "/aws/insight"}, INVALID, "/aws/issue only"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, INVALID, "does not emulate Tags"),
        ({"AccountId": "111111111111"}, INVALID, "does not emulate AccountId"),
        *[
            ({"OperationalData": {key: {"Value": "1"}}}, INVALID, f"The key {key} begins with")
            for key in ("aws:account", "Amazon", "amzn-x", "ssm.x", "/aws/other", "/ssm/x")
        ],
        ({"OperationalData": {"a": {"Type": "String"}}}, INVALID, "The value of a has 0 bytes"),
        ({"OperationalData": {"a": {"Value": "x" * 20481}}}, INVALID, "The value of a has 20481 bytes"),
        ({"OperationalData": {"/aws/dedup": {"Value": "root MFA"}}}, INVALID, "The value of /aws/dedup is no"),
        ({"OperationalData": {"/aws/dedup": {"Value": '{"dedup": "a"}'}}}, INVALID, "The value of /aws/dedup is no"),
    ],
)
def test_an_ops_item_that_is_wrong_is_refused(ssm: Client, params: dict[str, Any], code: str, message: str) -> None:
    assert create(ssm, OperationalData={"/aws/resources": {"Value": "[]"}, "/aws/automations": {"Value": "[]"}})
    found, said = refusal(create, ssm=ssm, **params)
    assert found == code
    assert message in said


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Status": "Approved"}, INVALID),
        ({"Status": "Closed"}, INVALID),
        ({"OperationalDataToDelete": ["/aws/dedup"]}, INVALID),
        ({"OperationalData": {"/aws/dedup": {"Value": '{"dedupString": "b"}'}}}, INVALID),
        ({"OperationalData": {"aws": {"Value": "1"}}}, INVALID),
        ({"ActualStartTime": 0}, INVALID),
        ({"OpsItemId": "oi-000000000000"}, "OpsItemNotFoundException"),
        ({"OpsItemId": "1"}, "ValidationException"),
    ],
)
def test_a_change_that_is_wrong_is_refused(ssm: Client, params: dict[str, Any], code: str) -> None:
    ops_item_id = create(ssm, "a")
    assert refusal(ssm.update_ops_item, **{"OpsItemId": ops_item_id, **params})[0] == code
    assert get(ssm, ops_item_id)["Version"] == "1"


def test_ops_items_are_described_the_newest_first(ssm: Client) -> None:
    created = [create(ssm, Title=f"Number {number}") for number in range(5)]
    assert [item["OpsItemId"] for item in ssm.describe_ops_items()["OpsItemSummaries"]] == created[::-1]


@pytest.fixture
def passing(ssm: Client) -> Callable[..., list[str]]:
    """Return a function that returns the titles of OpsItems that pass filters: a key, an operator and values each."""

    def passing(*filters: tuple[str, str, str]) -> list[str]:
        given = [{"Key": key, "Operator": operator, "Values": [value]} for key, operator, value in filters]
        return sorted(item["Title"] for item in ssm.describe_ops_items(OpsItemFilters=given)["OpsItemSummaries"])

    return passing


def test_ops_items_are_filtered(ssm: Client, passing: Callable[..., list[str]]) -> None:
    data = {"account": {"Value": "111111111111"}, "hidden": {"Value": "1", "Type": "String"}}
    first = create(ssm, Title="first", Severity="1", Category="Security", Priority=2, OperationalData=data)
    second = create(ssm, Title="second", Source="Other", OperationalData={"account": {"Value": "222222222222"}})
    ssm.update_ops_item(OpsItemId=second, Status="Resolved")
    hour = timedelta(hours=1)
    created = get(ssm, first)["CreatedTime"].astimezone(UTC)
    for filters, titles in {
        (("Status", "Equal", "Open"),): ["first"],
        (("Status", "Equal", "Resolved"), ("Source", "Equal", "Other")): ["second"],
        (("Status", "Equal", "Resolved"), ("Source", "Equal", "RootVirtualMfa")): [],
        (("Source", "Contains", "Virtual"),): ["first"],
        (("Title", "Equal", "first"),): ["first"],
        (("Title", "Contains", "s"),): ["first", "second"],
        (("OpsItemId", "Equal", second),): ["second"],
        (("Severity", "Equal", "1"),): ["first"],
        (("Category", "Equal", "Security"),): ["first"],
        (("Priority", "Equal", "2"),): ["first"],
        (("OperationalDataKey", "Equal", "account"),): ["first", "second"],
        (("OperationalDataKey", "Equal", "hidden"),): [],
        (("OperationalDataValue", "Contains", "2222"),): ["second"],
        (("OperationalData", "Equal", '{"key": "account", "value": "111111111111"}'),): ["first"],
        (("OperationalData", "Equal", '{"key": "hidden", "value": "1"}'),): [],
        (("CreatedTime", "GreaterThan", (created - hour).isoformat()),): ["first", "second"],
        (("CreatedTime", "LessThan", (created - hour).isoformat()),): [],
        (("LastModifiedTime", "LessThan", (created + hour).isoformat()),): ["first", "second"],
    }.items():
        assert passing(*filters) == titles, filters


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("Status", "Contains", "Op"),
        ("AutomationId", "Equal", "a"),
        ("CreatedTime", "Equal", "2026-01-02T03:04:05+00:00"),
        ("CreatedTime", "LessThan", "yesterday"),
        ("OperationalData", "Equal", "account"),
        ("Colour", "Equal", "red"),
    ],
)
def test_other_filters_are_refused(ssm: Client, key: str, operator: str, value: str) -> None:
    given = [{"Key": key, "Operator": operator, "Values": [value]}]
    assert refusal(ssm.describe_ops_items, OpsItemFilters=given)[0] == "ValidationException"


def test_a_permission_is_for_one_ops_item(local_aws: LocalAwsClient, client: Clients, ssm: Client, account_id: str) -> None:
    iam = client("iam", account_id)
    role = iam.create_role(RoleName="operator", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{account_id}:root"}))[
        "Role"
    ]
    one, another = create(ssm), create(ssm)
    policy = allow("ssm:UpdateOpsItem", resource=f"arn:aws:ssm:us-east-1:{account_id}:opsitem/{one}")
    iam.put_role_policy(RoleName="operator", PolicyName="one", PolicyDocument=policy)
    assumed = client("sts", account_id).assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    operator = acting_as(local_aws, "ssm", assumed["Credentials"])
    operator.update_ops_item(OpsItemId=one, Status="Resolved")
    assert refusal(operator.update_ops_item, OpsItemId=another, Status="Resolved")[0] == "AccessDeniedException"
    assert get(ssm, one)["LastModifiedBy"] == assumed["AssumedRoleUser"]["Arn"]
