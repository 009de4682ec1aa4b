"""Service-managed StackSets: who may have them, where they go, what becomes of failures, and of accounts that come and go."""

import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.local_aws.organization_scene import create_asked_for
from tests.local_aws.scene import clients_of

MANAGEMENT, DELEGATED, FIRST, SECOND, THIRD, SANDBOX = (digit * 12 for digit in "123456")
NEW, STRANGER = "7" * 12, "9" * 12
MEMBERS = [DELEGATED, FIRST, SECOND, THIRD, SANDBOX]
ROOT = "r-a1b2"
REGION = "us-east-1"
SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"
NAME = "evaluation"
"""Of the StackSet, and of the role that it makes."""
SECONDS = 600
UNKNOWN = f"arn:aws:cloudformation:{REGION}:{MANAGEMENT}:stackset/unknown:12345678-1234-1234-1234-123456789012"


def depends_on(*arns: str) -> dict[str, Any]:
    return {"AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False, "DependsOn": list(arns)}}


ORGANIZATION = {
    "organization": {
        "id": "o-a1b2c3d4e5",
        "root_id": ROOT,
        "management_account": MANAGEMENT,
        "outside": [STRANGER],
        "trusted_services": [SERVICE],
        "delegated_administrators": {DELEGATED: [SERVICE]},
        "units": {"Workloads/Production": [FIRST, SECOND], "Workloads": [THIRD], "Sandbox": [SANDBOX]},
    },
    "accounts": {account_id: {"name": account_id} for account_id in [MANAGEMENT, *MEMBERS, STRANGER]},
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"RoleName": NAME, "Description": {"Ref": "Purpose"}, "AssumeRolePolicyDocument": TRUST},
}
SECOND_ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "second", "AssumeRolePolicyDocument": TRUST}}
PARAMETERS = {"Purpose": {"Type": "String", "Default": "none"}}
TEMPLATE = {"Parameters": PARAMETERS, "Resources": {"Role": ROLE}}
LARGER_TEMPLATE = {"Parameters": PARAMETERS, "Resources": {"Second": SECOND_ROLE, "Role": ROLE}}
ROLE_IN_ONE_REGION = {
    "Parameters": PARAMETERS,
    "Conditions": {"HomeRegion": {"Fn::Equals": [{"Ref": "AWS::Region"}, REGION]}},
    "Resources": {"Role": {**ROLE, "Condition": "HomeRegion"}, "Topic": {"Type": "AWS::SNS::Topic"}},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsClient]:
    """Serve the organization, with the StackSet and without stacks, to tests that change nothing."""
    with LocalAwsProcess(accounts_file(tmp_path_factory.mktemp("organization"))) as client:
        Administrator(client).create()
        yield client


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsClient]:
    with LocalAwsProcess(accounts_file(tmp_path_factory.mktemp("organization"))) as client:
        yield client


@pytest.fixture
def aws(cleaned: LocalAwsClient) -> Iterator[LocalAwsClient]:
    """Serve the organization to a test that leaves the accounts where they are; what it deploys is taken away afterwards."""
    yield cleaned
    Parent(cleaned).remove()
    Administrator(cleaned).remove()
    for account_id in MEMBERS:
        iam = of(cleaned, "iam", account_id)
        for role in iam.list_roles()["Roles"]:
            if not role["RoleName"].startswith("stacksets-exec-"):
                iam.delete_role(RoleName=role["RoleName"])


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LocalAwsClient]:
    """Serve the organization to a test that changes it."""
    with LocalAwsProcess(accounts_file(tmp_path)) as client:
        yield client


def accounts_file(directory: Path) -> Path:
    path = directory / "accounts.yaml"
    path.write_text(yaml.safe_dump(ORGANIZATION), encoding="utf-8")
    return path


@cache
def of(client: LocalAwsClient, service: Any, account_id: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    return _session().client(
        service,
        region_name=REGION,
        endpoint_url=client.endpoint_url,
        aws_access_key_id=account_id,
        aws_secret_access_key="test",  # noqa: S106 - the local AWS takes any
    )


@cache
def _session() -> boto3.Session:
    """Share what is costly to load."""
    return boto3.Session()


def unchecked(client: LocalAwsClient, operation: str) -> Callable[..., object]:
    """Return an operation of the delegated administrator, called without botocore's own checks."""
    call: Callable[..., object] = getattr(clients_of(client)("cloudformation", DELEGATED), operation)
    return call


class Administrator:
    """The delegated administrator, or with `account_id` another account, at work on the StackSet."""

    def __init__(self, aws: LocalAwsClient, account_id: str = DELEGATED, call_as: str = "DELEGATED_ADMIN") -> None:
        self.aws = aws
        self.cloudformation = of(aws, "cloudformation", account_id)
        self.call_as = call_as

    def create(self, template: dict[str, Any] = TEMPLATE, **params: Any) -> str:  # noqa: ANN401 - of any operation
        """Create the StackSet without stacks."""
        created = self.cloudformation.create_stack_set(
            **{
                "StackSetName": NAME,
                "TemplateBody": json.dumps(template),
                "PermissionModel": "SERVICE_MANAGED",
                "CallAs": self.call_as,
                "Capabilities": ["CAPABILITY_NAMED_IAM"],
                "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
                **params,
            }
        )
        return str(created["StackSetId"])

    def run(self, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        """Do something to the StackSet, and return the operation once it has ended."""
        started = getattr(self.cloudformation, operation)(StackSetName=NAME, CallAs=self.call_as, **params)
        return self.ended(started["OperationId"])

    def ended(self, operation_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            found.update(self.read("describe_stack_set_operation", OperationId=operation_id)["StackSetOperation"])
            return found["Status"] not in {"QUEUED", "RUNNING"}

        wait(has_ended)
        return found

    def deploy(self, regions: tuple[str, ...] = (REGION,), unit_id: str = ROOT, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        """Deploy the StackSet to a unit; `Accounts` and `AccountFilterType` limit it."""
        targets = {key: params.pop(key) for key in ("Accounts", "AccountFilterType") if key in params}
        return self.run(
            "create_stack_instances",
            DeploymentTargets={"OrganizationalUnitIds": [unit_id], **targets},
            Regions=list(regions),
            **params,
        )

    def read(self, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of any operation
        found: dict[str, Any] = getattr(self.cloudformation, operation)(StackSetName=NAME, CallAs=self.call_as, **params)
        return found

    def statuses(self) -> dict[str, tuple[str, str]]:
        """Return the status and the detailed status of each instance in REGION, by account."""
        return {
            instance["Account"]: (instance["Status"], instance["StackInstanceStatus"]["DetailedStatus"])
            for instance in self.read("list_stack_instances", StackInstanceRegion=REGION)["Summaries"]
        }

    def results(self, operation: dict[str, Any]) -> dict[str, str]:
        listed = self.read("list_stack_set_operation_results", OperationId=operation["OperationId"])["Summaries"]
        return {result["Account"]: result["Status"] for result in listed}

    def remove(self) -> None:
        if self.exists():
            for operation in self.read("list_stack_set_operations")["Summaries"]:
                self.ended(operation["OperationId"])
            everywhere = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION, "eu-west-1"]}
            self.run("delete_stack_instances", RetainStacks=False, **everywhere)
            self.cloudformation.delete_stack_set(StackSetName=NAME, CallAs=self.call_as)

    def exists(self) -> bool:
        active = self.cloudformation.list_stack_sets(CallAs=self.call_as, Status="ACTIVE")["Summaries"]
        return NAME in [stack_set["StackSetName"] for stack_set in active]


class Other:
    """Another StackSet of the administrator's, without stacks at first."""

    def __init__(self, admin: Administrator, name: str, template: dict[str, Any]) -> None:
        admin.create(template, StackSetName=name)
        self._admin = admin
        self._which = {"StackSetName": name, "CallAs": admin.call_as}
        self.arn: str = admin.cloudformation.describe_stack_set(**self._which)["StackSet"]["StackSetARN"]

    def deploy(self, unit_id: str) -> None:
        targets = {"DeploymentTargets": {"OrganizationalUnitIds": [unit_id]}, "Regions": [REGION]}
        self._admin.cloudformation.create_stack_instances(**self._which, **targets)

    def update(self, **params: Any) -> None:  # noqa: ANN401 - of any operation
        given = {"UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_NAMED_IAM"], **params}
        self._admin.cloudformation.update_stack_set(**self._which, **given)

    def detailed_status(self, account_id: str) -> str:
        listed = self._admin.cloudformation.list_stack_instances(**self._which, StackInstanceAccount=account_id)
        return str(listed["Summaries"][0]["StackInstanceStatus"]["DetailedStatus"])


@pytest.fixture
def admin(aws: LocalAwsClient) -> Administrator:
    return Administrator(aws)


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s"
        time.sleep(0.02)


def refusal(call: Callable[..., object], **params: object) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**params)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def with_role(aws: LocalAwsClient) -> dict[str, str]:
    """Return the accounts that have the role, and what is in its description."""
    found = {}
    for account_id in aws.accounts():
        for role in of(aws, "iam", account_id).list_roles()["Roles"]:
            if role["RoleName"] == NAME:
                found[account_id] = role.get("Description", "")
    return found


def take_name(aws: LocalAwsClient, account_id: str) -> None:
    """Let an account have a role of the name already, made by somebody else."""
    role = {"RoleName": NAME, "Description": "somebody else's", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    of(aws, "iam", account_id).create_role(**role)


def unit_id(aws: LocalAwsClient, name: str) -> str:
    units = of(aws, "organizations", MANAGEMENT).list_organizational_units_for_parent(ParentId=ROOT)["OrganizationalUnits"]
    return next(str(unit["Id"]) for unit in units if unit["Name"] == name)


# Where it goes


@pytest.mark.parametrize(("account_id", "call_as"), [(DELEGATED, "DELEGATED_ADMIN"), (MANAGEMENT, "SELF")])
def test_every_account_but_the_management_account_gets_its_stack(aws: LocalAwsClient, account_id: str, call_as: str) -> None:
    admin = Administrator(aws, account_id, call_as)
    admin.create(Parameters=[{"ParameterKey": "Purpose", "ParameterValue": "evaluate"}])
    operation = admin.deploy()
    assert (operation["Action"], operation["Status"]) == ("CREATE", "SUCCEEDED")
    assert admin.statuses() == dict.fromkeys(MEMBERS, ("CURRENT", "SUCCEEDED"))
    assert with_role(aws) == dict.fromkeys(MEMBERS, "evaluate")
    [stack] = of(aws, "cloudformation", FIRST).describe_stacks()["Stacks"]
    assert stack["StackName"].startswith(f"StackSet-{NAME}-")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    instance = admin.read("describe_stack_instance", StackInstanceAccount=FIRST, StackInstanceRegion=REGION)["StackInstance"]
    assert (instance["StackId"], instance["OrganizationalUnitId"]) == (stack["StackId"], ROOT)


def test_both_administrators_see_the_same_stack_sets(shared: LocalAwsClient) -> None:
    delegated = Administrator(shared).read("describe_stack_set")["StackSet"]
    management = Administrator(shared, MANAGEMENT, "SELF")
    found = management.read("describe_stack_set")["StackSet"]
    assert found == delegated
    assert found["PermissionModel"] == "SERVICE_MANAGED"
    assert found["StackSetARN"] == f"arn:aws:cloudformation:{REGION}:{MANAGEMENT}:stackset/{found['StackSetId']}"
    assert json.loads(found["TemplateBody"]) == TEMPLATE


@pytest.mark.parametrize(
    ("unit", "targets", "expected"),
    [
        ("Workloads", {}, [FIRST, SECOND, THIRD]),
        ("Workloads", {"Accounts": [SECOND], "AccountFilterType": "DIFFERENCE"}, [FIRST, THIRD]),
        ("Workloads", {"Accounts": [SECOND, SANDBOX], "AccountFilterType": "INTERSECTION"}, [SECOND]),
        ("Sandbox", {"AccountFilterType": "NONE"}, [SANDBOX]),
    ],
)
def test_targets_are_units_and_what_the_filter_leaves_of_them(
    aws: LocalAwsClient, admin: Administrator, unit: str, targets: dict[str, Any], expected: list[str]
) -> None:
    admin.create()
    assert admin.deploy(unit_id=unit_id(aws, unit), **targets)["Status"] == "SUCCEEDED"
    assert list(admin.statuses()) == list(with_role(aws)) == expected


def test_instances_can_be_filtered(admin: Administrator) -> None:
    admin.create()
    operation = admin.deploy()
    assert [instance["Account"] for instance in admin.read("list_stack_instances")["Summaries"]] == MEMBERS

    def filtered(name: str, value: str) -> int:
        return len(admin.read("list_stack_instances", Filters=[{"Name": name, "Values": value}])["Summaries"])

    assert filtered("DETAILED_STATUS", "SUCCEEDED") == filtered("LAST_OPERATION_ID", operation["OperationId"]) == 5
    assert filtered("DETAILED_STATUS", "FAILED") == 0


# Who may, and what is refused


@pytest.mark.parametrize(
    ("account_id", "call_as", "says"),
    [
        (FIRST, "SELF", "You must be the management account or delegated admin account"),
        (FIRST, "DELEGATED_ADMIN", "You must be the management account or delegated admin account"),
        (DELEGATED, "SELF", "You must be the management account or delegated admin account"),
        (STRANGER, "SELF", "You must be the management account or delegated admin account"),
        (MANAGEMENT, "DELEGATED_ADMIN", "Account used is not a delegated administrator"),
    ],
)
def test_who_may_not_create_one(shared: LocalAwsClient, account_id: str, call_as: str, says: str) -> None:
    code, message = refusal(Administrator(shared, account_id, call_as).create, StackSetName="another")
    assert code == "ValidationError"
    assert says in message


def test_a_member_sees_none_of_the_organizations(shared: LocalAwsClient) -> None:
    as_itself = Administrator(shared, FIRST, "SELF")
    assert as_itself.cloudformation.list_stack_sets()["Summaries"] == []
    assert refusal(as_itself.read, operation="describe_stack_set")[0] == "StackSetNotFoundException"
    assert refusal(Administrator(shared, FIRST).read, operation="describe_stack_set")[0] == "ValidationError"


def test_trusted_access_must_be_on(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh, MANAGEMENT, "SELF")
    organizations = of(fresh, "organizations", MANAGEMENT)
    organizations.deregister_delegated_administrator(AccountId=DELEGATED, ServicePrincipal=SERVICE)
    organizations.disable_aws_service_access(ServicePrincipal=SERVICE)
    assert admin.cloudformation.describe_organizations_access()["Status"] == "DISABLED"
    assert "You must enable organizations access" in refusal(admin.create)[1]
    assert refusal(of(fresh, "cloudformation", FIRST).activate_organizations_access)[0] == "InvalidOperationException"
    admin.cloudformation.activate_organizations_access()
    assert admin.cloudformation.describe_organizations_access()["Status"] == "ENABLED"
    admin.create()


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"template": TEMPLATE | {"Transform": "AWS::Serverless-2016-10-31"}}, "ValidationError", "macros or transforms"),
        (
            {"template": {"Resources": {"Role": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {}}}}}},
            "ValidationError",
            "macros or transforms",
        ),
        ({"template": {}}, "ValidationError", "At least one Resources member"),
        ({"ExecutionRoleName": "role"}, "ValidationError", "can not have ExecutionRoleName"),
        (depends_on("arn"), "ValidationError", "no ARN of a StackSet: arn"),
        (depends_on(UNKNOWN), "ValidationError", f"that is not there: {UNKNOWN}"),
        ({"StackId": "arn:aws:cloudformation:us-east-1:1:stack/a/b"}, "ValidationError", "does not emulate the import"),
        ({"Capabilities": []}, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
        ({"Capabilities": ["CAPABILITY_IAM"]}, "InsufficientCapabilitiesException", "[CAPABILITY_NAMED_IAM]"),
        ({"PermissionModel": "SELF_MANAGED"}, "ValidationError", "SERVICE_MANAGED only"),
        ({"StackSetName": "has space"}, "ValidationError", "'has space' at 'stackSetName'"),
        ({"TemplateBody": "Resources: ["}, "ValidationError", "Template format error"),
        ({"TemplateBody": "#" * 51_201}, "ValidationError", "51200 bytes"),
        ({"template": {"Parameters": {"Needed": {"Type": "String"}}, "Resources": {}}}, "ValidationError", "Needed"),
        ({"CallAs": "MASTER"}, "ValidationError", "SELF, DELEGATED_ADMIN"),
    ],
)
def test_what_is_refused_at_creation(shared: LocalAwsClient, params: dict[str, Any], code: str, says: str) -> None:
    refused = refusal(Administrator(shared).create, **{"StackSetName": "another", **params})
    assert refused[0] == code
    assert says in refused[1]
    listed = of(shared, "cloudformation", DELEGATED).list_stack_sets(CallAs="DELEGATED_ADMIN")["Summaries"]
    assert [stack_set["StackSetName"] for stack_set in listed] == [NAME]


def test_a_name_is_there_once(shared: LocalAwsClient) -> None:
    assert refusal(Administrator(shared).create)[0] == "NameAlreadyExistsException"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"Accounts": [FIRST]}, "only have DeploymentTargets"),
        ({"DeploymentTargets": {"Accounts": [FIRST]}}, "OrganizationalUnitIds are required"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": ["ou-a1b2-00000000"]}}, "Not in the organization: ou-a1b2-00000000"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": [FIRST]}}, "AccountFilterType must be specified"),
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": [STRANGER], "AccountFilterType": "UNION"}},
            f"Not in the organization: {STRANGER}",
        ),
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": [FIRST], "AccountFilterType": "UNION"}},
            "UNION is not supported",
        ),
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": [FIRST], "AccountFilterType": "NONE"}},
            "must not be NONE",
        ),
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "AccountsUrl": "https://example.com/accounts.csv"}},
            "does not emulate AccountsUrl",
        ),
        ({"DeploymentTargets": {"OrganizationalUnitIds": ["ou-none"]}}, "failed to satisfy constraint"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": []}, "At least one Region"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION, "mars-1"]}, "no Region of AWS: mars-1"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": ["1"]}}, "failed to satisfy constraint"),
        (
            {
                "DeploymentTargets": {"OrganizationalUnitIds": [ROOT]},
                "OperationPreferences": {"FailureToleranceCount": 1, "FailureTolerancePercentage": 1},
            },
            "Only one of FailureToleranceCount and FailureTolerancePercentage",
        ),
    ],
)
def test_what_is_refused_at_deployment(shared: LocalAwsClient, params: dict[str, Any], says: str) -> None:
    admin = Administrator(shared)
    refused = refusal(admin.run, operation="create_stack_instances", **{"Regions": [REGION], **params})
    assert refused[0] == "ValidationError"
    assert says in refused[1]
    assert admin.statuses() == {}


def test_what_is_not_there_has_its_own_error(shared: LocalAwsClient) -> None:
    admin = Administrator(shared)
    describe = admin.cloudformation.describe_stack_set
    assert refusal(describe, StackSetName="another", CallAs="DELEGATED_ADMIN")[0] == "StackSetNotFoundException"
    place = {"StackInstanceAccount": FIRST, "StackInstanceRegion": REGION}
    assert refusal(admin.read, operation="describe_stack_instance", **place)[0] == "StackInstanceNotFoundException"
    for operation in ("describe_stack_set_operation", "list_stack_set_operation_results"):
        assert refusal(admin.read, operation=operation, OperationId="none")[0] == "OperationNotFoundException"


def test_an_operation_names_its_targets_and_their_account_filter(admin: Administrator) -> None:
    admin.create()
    targets = {"OrganizationalUnitIds": [ROOT], "Accounts": [SECOND], "AccountFilterType": "DIFFERENCE"}
    assert admin.deploy(Accounts=[SECOND], AccountFilterType="DIFFERENCE")["DeploymentTargets"] == targets
    deleted = admin.run(
        "delete_stack_instances", DeploymentTargets={"OrganizationalUnitIds": [ROOT]}, Regions=[REGION], RetainStacks=False
    )
    assert deleted["DeploymentTargets"] == {"OrganizationalUnitIds": [ROOT]}


# Failures


def test_an_account_that_fails_stops_the_operation_beyond_the_tolerance(aws: LocalAwsClient, admin: Administrator) -> None:
    take_name(aws, SECOND)
    admin.create()
    operation = admin.deploy()  # one account after the other, and no failure is tolerated
    assert operation["Status"] == "FAILED"
    assert operation["StatusDetails"]["FailedStackInstancesCount"] == 1
    assert admin.statuses() == {
        DELEGATED: ("CURRENT", "SUCCEEDED"),
        FIRST: ("CURRENT", "SUCCEEDED"),
        SECOND: ("OUTDATED", "FAILED"),
        THIRD: ("OUTDATED", "CANCELLED"),
        SANDBOX: ("OUTDATED", "CANCELLED"),
    }
    assert admin.results(operation) == dict(zip(MEMBERS, ["SUCCEEDED", "SUCCEEDED", "FAILED", *["CANCELLED"] * 2], strict=True))
    assert with_role(aws) == {DELEGATED: "none", FIRST: "none", SECOND: "somebody else's"}


def test_a_failure_says_which_resource_failed_and_why(aws: LocalAwsClient, admin: Administrator) -> None:
    take_name(aws, SECOND)
    admin.create()
    operation = admin.deploy()
    filters = [{"Name": "OPERATION_RESULT_STATUS", "Values": "FAILED"}]
    results = admin.read("list_stack_set_operation_results", OperationId=operation["OperationId"], Filters=filters)
    [result] = results["Summaries"]
    assert result["Account"] == SECOND
    assert result["StatusReason"] == (
        "ResourceLogicalId:Role, ResourceType:AWS::IAM::Role, ResourceStatusReason:"
        f"Resource of type 'AWS::IAM::Role' with identifier '{NAME}' already exists.."
    )
    place = {"StackInstanceAccount": SECOND, "StackInstanceRegion": REGION}
    assert admin.read("describe_stack_instance", **place)["StackInstance"]["StatusReason"] == result["StatusReason"]


@pytest.mark.parametrize(
    "preferences",
    [
        {"FailureToleranceCount": 1},
        {"FailureTolerancePercentage": 20},
        {"FailureTolerancePercentage": 100, "MaxConcurrentPercentage": 100},
    ],
)
def test_within_the_tolerance_the_others_are_deployed_to(
    aws: LocalAwsClient, admin: Administrator, preferences: dict[str, Any]
) -> None:
    take_name(aws, FIRST)
    admin.create()
    operation = admin.deploy(OperationPreferences=preferences)
    assert (operation["Status"], operation["OperationPreferences"]) == ("SUCCEEDED", preferences)
    assert admin.results(operation) == dict.fromkeys(MEMBERS, "SUCCEEDED") | {FIRST: "FAILED"}


@pytest.mark.parametrize(
    ("preferences", "cancelled"),
    [
        ({"FailureTolerancePercentage": 19}, [SECOND, THIRD, SANDBOX]),  # of five accounts: none
        ({"MaxConcurrentCount": 5}, [SECOND, THIRD, SANDBOX]),  # strict: as many at once as the tolerance and one
        ({"MaxConcurrentCount": 3, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, [THIRD, SANDBOX]),
        ({"MaxConcurrentPercentage": 100, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, []),
    ],
)
def test_what_has_begun_when_the_tolerance_is_exceeded_is_finished(
    aws: LocalAwsClient, admin: Administrator, preferences: dict[str, Any], cancelled: list[str]
) -> None:
    take_name(aws, FIRST)
    admin.create()
    operation = admin.deploy(OperationPreferences=preferences)
    assert operation["Status"] == "FAILED"
    assert [account for account, status in admin.results(operation).items() if status == "CANCELLED"] == cancelled


def test_an_account_is_mended_by_creating_its_instance_again(aws: LocalAwsClient, admin: Administrator) -> None:
    take_name(aws, SECOND)
    admin.create()
    admin.deploy(OperationPreferences={"FailureToleranceCount": 1})
    of(aws, "iam", SECOND).delete_role(RoleName=NAME)
    operation = admin.deploy(Accounts=[SECOND], AccountFilterType="INTERSECTION")
    assert (operation["Status"], admin.results(operation)) == ("SUCCEEDED", {SECOND: "SUCCEEDED"})
    assert admin.statuses() == dict.fromkeys(MEMBERS, ("CURRENT", "SUCCEEDED"))
    assert with_role(aws)[SECOND] == "none"
    stacks = of(aws, "cloudformation", SECOND).describe_stacks()["Stacks"]
    assert [stack["StackStatus"] for stack in stacks] == ["CREATE_COMPLETE"]


@pytest.mark.parametrize(("concurrency", "second_region"), [("SEQUENTIAL", "CANCELLED"), ("PARALLEL", "SUCCEEDED")])
def test_a_region_that_fails_stops_the_next_one(
    aws: LocalAwsClient, admin: Administrator, concurrency: str, second_region: str
) -> None:
    take_name(aws, SANDBOX)
    admin.create(ROLE_IN_ONE_REGION)
    preferences = {"RegionConcurrencyType": concurrency, "RegionOrder": [REGION, "eu-west-1"]}
    operation = admin.deploy(regions=("eu-west-1", REGION), unit_id=unit_id(aws, "Sandbox"), OperationPreferences=preferences)
    listed = admin.read("list_stack_set_operation_results", OperationId=operation["OperationId"])["Summaries"]
    assert operation["Status"] == "FAILED"
    assert {result["Region"]: result["Status"] for result in listed} == {REGION: "FAILED", "eu-west-1": second_region}


# Accounts that come and go


def test_an_account_that_joins_is_deployed_to_and_one_that_leaves_is_cleaned(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy()
    fresh.create_account(NEW, "new", "Sandbox", {})
    wait(lambda: NEW in with_role(fresh))
    wait(lambda: admin.statuses()[NEW] == ("CURRENT", "SUCCEEDED"))
    newest, *_ = admin.read("list_stack_set_operations")["Summaries"]
    assert (newest["Action"], admin.results(newest)) == ("CREATE", {NEW: "SUCCEEDED"})
    fresh.remove_account(NEW)
    wait(lambda: NEW not in with_role(fresh))
    wait(lambda: NEW not in admin.statuses())


def test_a_created_account_is_deployed_to(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy()
    organizations = of(fresh, "organizations", MANAGEMENT)
    request = organizations.create_account(Email="new@example.com", AccountName="new")["CreateAccountStatus"]["Id"]
    create_asked_for(fresh)
    created = organizations.describe_create_account_status(CreateAccountRequestId=request)["CreateAccountStatus"]["AccountId"]
    wait(lambda: admin.statuses().get(created) == ("CURRENT", "SUCCEEDED"))


def test_an_account_that_moves_out_of_the_targets_loses_its_stack(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy(unit_id=unit_id(fresh, "Workloads"))
    workloads, sandbox = unit_id(fresh, "Workloads"), unit_id(fresh, "Sandbox")
    move = of(fresh, "organizations", MANAGEMENT).move_account
    move(AccountId=THIRD, SourceParentId=workloads, DestinationParentId=sandbox)
    move(AccountId=SANDBOX, SourceParentId=sandbox, DestinationParentId=workloads)
    wait(lambda: list(admin.statuses()) == [FIRST, SECOND, SANDBOX])
    wait(lambda: list(with_role(fresh)) == [FIRST, SECOND, SANDBOX])


def test_without_automatic_deployment_nothing_follows_the_accounts(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create(AutoDeployment={"Enabled": False})
    admin.deploy()
    fresh.create_account(NEW, "new", "", {})
    fresh.remove_account(SANDBOX)
    assert len(admin.read("list_stack_set_operations")["Summaries"]) == 1
    assert list(with_role(fresh)) == MEMBERS


def test_stacks_are_kept_if_that_is_asked_for(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create(AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": True})
    admin.deploy()
    fresh.remove_account(SANDBOX)
    wait(lambda: SANDBOX not in admin.statuses())
    assert SANDBOX in with_role(fresh)


def test_an_excluded_account_stays_excluded_when_another_joins(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy(Accounts=[FIRST], AccountFilterType="DIFFERENCE")
    fresh.create_account(NEW, "new", "Workloads/Production", {})
    wait(lambda: NEW in admin.statuses())
    assert FIRST not in admin.statuses()


def test_a_stack_set_waits_for_those_that_it_depends_on_and_is_cancelled_if_one_fails(fresh: LocalAwsClient) -> None:
    """The StackSet that comes first is made last, so that their age does not give the order."""
    admin = Administrator(fresh)
    admin.create()
    base = Other(admin, "base", {"Resources": {"Second": SECOND_ROLE}})
    workloads = unit_id(fresh, "Workloads")
    admin.deploy(unit_id=workloads)
    base.deploy(workloads)
    admin.run("update_stack_set", UsePreviousTemplate=True, Capabilities=["CAPABILITY_NAMED_IAM"], **depends_on(base.arn))
    assert admin.read("describe_stack_set")["StackSet"]["AutoDeployment"]["DependsOn"] == [base.arn]

    fresh.create_account(NEW, "new", "Workloads", {})
    wait(lambda: admin.statuses().get(NEW) == ("CURRENT", "SUCCEEDED"))
    assert base.detailed_status(NEW) == "SUCCEEDED"

    of(fresh, "iam", SANDBOX).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))  # somebody else's
    sandbox = unit_id(fresh, "Sandbox")
    of(fresh, "organizations", MANAGEMENT).move_account(
        AccountId=SANDBOX, SourceParentId=sandbox, DestinationParentId=workloads
    )
    wait(lambda: admin.statuses().get(SANDBOX) == ("OUTDATED", "CANCELLED"))
    assert base.detailed_status(SANDBOX) == "FAILED"
    assert SANDBOX not in with_role(fresh)
    newest, *_ = admin.read("list_stack_set_operations")["Summaries"]
    assert newest["Status"] == "FAILED"
    assert "did not succeed" in newest["StatusReason"]

    refused = refusal(base.update, **depends_on(admin.read("describe_stack_set")["StackSet"]["StackSetARN"]))
    assert refused == ("ValidationError", "DependsOn makes StackSets depend on each other in a circle.")
    assert refusal(base.update, **depends_on(base.arn))[1].endswith("in a circle.")


def test_dependencies_are_ten_for_a_stack_set_and_each_is_named_once(aws: LocalAwsClient, admin: Administrator) -> None:
    admin.create()
    arns = [Other(admin, f"base-{number}", {"Resources": {"Second": SECOND_ROLE}}).arn for number in range(11)]
    for given, says in ((arns, "DependsOn has 11 StackSets, and 10 are allowed."), (arns[:1] * 2, "more than once")):
        refused = refusal(admin.create, **{"StackSetName": "another", **depends_on(*given)})
        assert refused[0] == "ValidationError"
        assert says in refused[1]
    for number in range(10):
        admin.create(StackSetName=f"top-{number}", **depends_on(*arns[:10]))
    refused = refusal(admin.create, **{"StackSetName": "another", **depends_on(arns[0])})
    assert refused[0] == "LimitExceededException"
    for name in [f"top-{number}" for number in range(10)] + [f"base-{number}" for number in range(11)]:
        of(aws, "cloudformation", DELEGATED).delete_stack_set(StackSetName=name, CallAs="DELEGATED_ADMIN")


# Update and deletion


def test_an_update_of_a_unit_changes_its_stacks_and_leaves_the_others_outdated(
    aws: LocalAwsClient, admin: Administrator
) -> None:
    admin.create()
    admin.deploy()
    purpose = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    settings = {"UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_NAMED_IAM"], "Parameters": purpose}
    sandbox: dict[str, Any] = {"DeploymentTargets": {"OrganizationalUnitIds": [unit_id(aws, "Sandbox")]}, "Regions": [REGION]}
    assert admin.results(admin.run("update_stack_set", **settings, **sandbox)) == {SANDBOX: "SUCCEEDED"}
    current, outdated = ("CURRENT", "SUCCEEDED"), ("OUTDATED", "SUCCEEDED")
    assert admin.statuses() == dict.fromkeys(MEMBERS, outdated) | {SANDBOX: current}
    assert with_role(aws) == dict.fromkeys(MEMBERS, "none") | {SANDBOX: "report"}
    # An account in addition to the unit, then all but one of a unit.
    sandbox["DeploymentTargets"] |= {"Accounts": [FIRST]}
    assert list(admin.results(admin.run("update_stack_set", **settings, **sandbox))) == [FIRST, SANDBOX]
    workloads = {"OrganizationalUnitIds": [unit_id(aws, "Workloads")], "Accounts": [FIRST], "AccountFilterType": "DIFFERENCE"}
    operation = admin.run("update_stack_set", **settings, DeploymentTargets=workloads, Regions=[REGION])
    assert list(admin.results(operation)) == [SECOND, THIRD]
    assert admin.statuses() == dict.fromkeys(MEMBERS, current) | {DELEGATED: outdated}
    # What changes neither the template nor the parameters leaves the others as they are.
    admin.run("update_stack_set", **settings, **sandbox, Description="another")
    assert admin.statuses() == dict.fromkeys(MEMBERS, current) | {DELEGATED: outdated}


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"Accounts": [FIRST], "Regions": [REGION]}, "ValidationError", "only have DeploymentTargets"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}}, "ValidationError", "specified together"),
        ({"Regions": [REGION]}, "ValidationError", "specified together"),
        (
            {
                "DeploymentTargets": {"OrganizationalUnitIds": [ROOT]},
                "Regions": [REGION],
                "AutoDeployment": {"Enabled": False},
            },
            "ValidationError",
            "AutoDeployment can not",
        ),
        ({"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION]}, "StackInstanceNotFoundException", ""),
        (
            {
                "DeploymentTargets": {"OrganizationalUnitIds": [ROOT], "Accounts": [FIRST]},
                "Regions": [REGION],
                "Accounts": [FIRST],
            },
            "ValidationError",
            "only have DeploymentTargets",
        ),
        (depends_on("arn"), "ValidationError", "no ARN of a StackSet: arn"),
        ({"ExecutionRoleName": "role"}, "ValidationError", "can not have ExecutionRoleName"),
        ({"StackSetName": "unknown"}, "StackSetNotFoundException", "StackSet unknown not found"),
    ],
)
def test_what_an_update_refuses(shared: LocalAwsClient, params: dict[str, Any], code: str, says: str) -> None:
    settings: dict[str, Any] = {"StackSetName": NAME, "UsePreviousTemplate": True, "CallAs": "DELEGATED_ADMIN"}
    settings["Capabilities"] = ["CAPABILITY_NAMED_IAM"]
    refused = refusal(unchecked(shared, "update_stack_set"), **settings | params)
    assert refused[0] == code
    assert says in refused[1]


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("describe_stack_set", {"StackSetName": "unknown"}, "StackSetNotFoundException"),
        ("list_stack_instances", {"StackSetName": "unknown"}, "StackSetNotFoundException"),
        ("list_stack_set_operations", {"StackSetName": "unknown"}, "StackSetNotFoundException"),
        ("describe_stack_set_operation", {"StackSetName": NAME, "OperationId": "unknown"}, "OperationNotFoundException"),
        ("list_stack_set_operation_results", {"StackSetName": NAME, "OperationId": "unknown"}, "OperationNotFoundException"),
        (
            "describe_stack_instance",
            {"StackSetName": NAME, "StackInstanceAccount": FIRST, "StackInstanceRegion": REGION},
            "StackInstanceNotFoundException",
        ),
        ("list_stack_instances", {"StackSetName": NAME, "StackInstanceAccount": "1"}, "ValidationError"),
        ("list_stack_instances", {"StackSetName": NAME, "MaxResults": 101}, "ValidationError"),
        ("list_stack_instances", {"StackSetName": NAME, "NextToken": "1"}, "ValidationError"),
        ("list_stack_sets", {"NextToken": "1"}, "ValidationError"),
    ],
)
def test_what_is_not_there_is_refused(shared: LocalAwsClient, operation: str, params: dict[str, Any], code: str) -> None:
    assert refusal(unchecked(shared, operation), CallAs="DELEGATED_ADMIN", **params)[0] == code


def test_nothing_happens_if_what_is_to_be_deleted_is_not_there(shared: LocalAwsClient) -> None:
    cloudformation = Administrator(shared).cloudformation
    cloudformation.delete_stack_set(StackSetName="unknown", CallAs="DELEGATED_ADMIN")
    refused = refusal(of(shared, "cloudformation", FIRST).delete_stack_set, StackSetName=NAME, CallAs="DELEGATED_ADMIN")
    assert refused[0] == "ValidationError"
    assert Administrator(shared).exists()


def test_a_stack_set_is_described_with_what_it_was_made_of(shared: LocalAwsClient) -> None:
    found = Administrator(shared).read("describe_stack_set")["StackSet"]
    assert (found["Status"], found["Capabilities"], found["Tags"]) == ("ACTIVE", ["CAPABILITY_NAMED_IAM"], [])
    assert found["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert (found["ManagedExecution"], found["Regions"], found["OrganizationalUnitIds"]) == ({"Active": False}, [], [])


def test_an_update_changes_every_stack(aws: LocalAwsClient, admin: Administrator) -> None:
    admin.create()
    admin.deploy()
    purpose = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    settings = {"UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    operation = admin.run("update_stack_set", Parameters=purpose, **settings)
    assert (operation["Action"], operation["Status"]) == ("UPDATE", "SUCCEEDED")
    assert with_role(aws) == dict.fromkeys(MEMBERS, "report")
    kept = [{"ParameterKey": "Purpose", "UsePreviousValue": True}]
    assert admin.run("update_stack_set", Parameters=kept, **settings)["Status"] == "SUCCEEDED"
    assert with_role(aws) == dict.fromkeys(MEMBERS, "report")
    assert admin.statuses() == dict.fromkeys(MEMBERS, ("CURRENT", "SUCCEEDED"))


def test_a_stack_whose_update_fails_is_outdated_and_as_it_was(aws: LocalAwsClient, admin: Administrator) -> None:
    admin.create()
    admin.deploy()
    of(aws, "iam", FIRST).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))
    operation = admin.run(
        "update_stack_set",
        TemplateBody=json.dumps(LARGER_TEMPLATE),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        OperationPreferences={"FailureToleranceCount": 1},
    )
    assert operation["Status"] == "SUCCEEDED"
    assert admin.statuses() == dict.fromkeys(MEMBERS, ("CURRENT", "SUCCEEDED")) | {FIRST: ("OUTDATED", "FAILED")}
    [stack] = of(aws, "cloudformation", FIRST).describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_deletion_takes_the_stacks_first(fresh: LocalAwsClient) -> None:
    admin = Administrator(fresh)
    admin.create()
    admin.deploy()
    delete = admin.cloudformation.delete_stack_set
    name = {"StackSetName": NAME, "CallAs": "DELEGATED_ADMIN"}
    assert refusal(delete, **name)[0] == "StackSetNotEmptyException"
    targets = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION], "RetainStacks": False}
    operation = admin.run("delete_stack_instances", **targets)
    assert (operation["Action"], operation["Status"], operation["RetainStacks"]) == ("DELETE", "SUCCEEDED", False)
    assert with_role(fresh) == {}
    fresh.create_account(NEW, "new", "", {})
    assert admin.statuses() == {}
    delete(**name)
    assert refusal(admin.read, operation="describe_stack_set")[0] == "StackSetNotFoundException"
    deleted = admin.cloudformation.list_stack_sets(CallAs="DELEGATED_ADMIN", Status="DELETED")["Summaries"]
    assert [stack_set["StackSetName"] for stack_set in deleted] == [NAME]


# The resource of a template


class Parent:
    """A stack of the delegated administrator that has the StackSet as a resource."""

    def __init__(self, aws: LocalAwsClient) -> None:
        self.cloudformation = of(aws, "cloudformation", DELEGATED)

    def deploy(self, operation: str, *, rollback: bool = True, **properties: Any) -> str:  # noqa: ANN401 - a template's properties
        """Create or update the stack, and return the status that it ends in."""
        whole_root = {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [{"Ref": "AWS::Region"}]}
        wanted = {
            "StackSetName": NAME,
            "PermissionModel": "SERVICE_MANAGED",
            "CallAs": "DELEGATED_ADMIN",
            "TemplateBody": json.dumps(TEMPLATE),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "AutoDeployment": {"Enabled": "true", "RetainStacksOnAccountRemoval": "false"},
            "OperationPreferences": {"FailureTolerancePercentage": "0", "MaxConcurrentPercentage": "100"},
            "StackInstancesGroup": [whole_root],
            **properties,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        resource = {"Type": "AWS::CloudFormation::StackSet", "Properties": given}
        template = {"Resources": {"StackSet": resource}, "Outputs": {"Id": {"Value": {"Ref": "StackSet"}}}}
        call = getattr(self.cloudformation, f"{operation}_stack")
        call(StackName="parent", TemplateBody=json.dumps(template), DisableRollback=not rollback)
        return self.settled()

    def delete(self) -> str:
        stack_id = self.describe()["StackId"]
        self.cloudformation.delete_stack(StackName="parent")
        return self.settled(stack_id)

    def remove(self) -> None:
        if any(stack["StackName"] == "parent" for stack in self.cloudformation.describe_stacks()["Stacks"]):
            self.delete()

    def settled(self, name: str = "parent") -> str:
        wait(lambda: not self.describe(name)["StackStatus"].endswith("IN_PROGRESS"))
        return str(self.describe(name)["StackStatus"])

    def describe(self, name: str = "parent") -> dict[str, Any]:
        [stack] = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        return dict(stack)

    def reasons(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName="parent")["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


@pytest.fixture
def parent(aws: LocalAwsClient) -> Parent:
    return Parent(aws)


def excluding(*accounts: str) -> list[dict[str, Any]]:
    targets = {"OrganizationalUnitIds": [ROOT], "Accounts": list(accounts), "AccountFilterType": "DIFFERENCE"}
    return [{"DeploymentTargets": targets, "Regions": [REGION]}]


def test_the_resource_is_created_updated_and_deleted(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    assert parent.deploy("create") == "CREATE_COMPLETE"
    stack_set_id = admin.read("describe_stack_set")["StackSet"]["StackSetId"]
    assert parent.describe()["Outputs"][0]["OutputValue"] == stack_set_id
    assert list(with_role(aws)) == MEMBERS

    purpose = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    assert parent.deploy("update", Parameters=purpose, StackInstancesGroup=excluding(FIRST)) == "UPDATE_COMPLETE"
    assert with_role(aws) == {account: "report" for account in MEMBERS if account != FIRST}

    assert parent.deploy("update", Parameters=purpose) == "UPDATE_COMPLETE"
    assert with_role(aws) == dict.fromkeys(MEMBERS, "report")
    assert admin.read("describe_stack_set")["StackSet"]["StackSetId"] == stack_set_id

    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(aws) == {}
    assert not admin.exists()


def test_the_resource_deploys_to_accounts_that_join_later(fresh: LocalAwsClient) -> None:
    admin, parent = Administrator(fresh), Parent(fresh)
    parent.deploy("create")
    fresh.create_account(NEW, "new", "Sandbox", {})
    wait(lambda: admin.statuses().get(NEW) == ("CURRENT", "SUCCEEDED"))
    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(fresh) == {}


@pytest.mark.parametrize(
    "url",
    [
        "{endpoint}/artefacts/account.yaml",
        "https://s3.us-east-1.amazonaws.com/artefacts/account.yaml",
        "https://artefacts.s3.us-east-1.amazonaws.com/account.yaml",
    ],
)
def test_the_template_may_be_in_s3_and_longer_than_a_request_may_be(aws: LocalAwsClient, parent: Parent, url: str) -> None:
    s3 = of(aws, "s3", DELEGATED)
    s3.create_bucket(Bucket="artefacts")
    s3.put_object(Bucket="artefacts", Key="account.yaml", Body=yaml.safe_dump(TEMPLATE) + "#" * 60_000)
    assert parent.deploy("create", TemplateBody=None, TemplateURL=url.format(endpoint=aws.endpoint_url)) == "CREATE_COMPLETE"
    assert list(with_role(aws)) == MEMBERS


def test_a_creation_that_fails_leaves_nothing_behind(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    take_name(aws, SECOND)
    assert parent.deploy("create") == "ROLLBACK_COMPLETE"
    assert f"[Account {SECOND}, {REGION}: ResourceLogicalId:Role" in parent.reasons()
    assert with_role(aws) == {SECOND: "somebody else's"}
    assert not admin.exists()


def test_with_rollback_disabled_a_creation_that_fails_keeps_what_there_is(
    aws: LocalAwsClient, parent: Parent, admin: Administrator
) -> None:
    take_name(aws, SANDBOX)
    assert parent.deploy("create", rollback=False) == "CREATE_FAILED"
    assert list(with_role(aws)) == MEMBERS
    assert admin.statuses()[SANDBOX] == ("OUTDATED", "FAILED")
    assert parent.delete() == "DELETE_COMPLETE"
    assert with_role(aws) == {SANDBOX: "somebody else's"}
    assert not admin.exists()


def test_an_update_that_fails_is_rolled_back_in_the_accounts(aws: LocalAwsClient, parent: Parent, admin: Administrator) -> None:
    parent.deploy("create")
    of(aws, "iam", SANDBOX).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert parent.deploy("update", TemplateBody=json.dumps(LARGER_TEMPLATE)) == "UPDATE_ROLLBACK_COMPLETE"
    assert json.loads(admin.read("describe_stack_set")["StackSet"]["TemplateBody"]) == TEMPLATE
    names = [role["RoleName"] for role in of(aws, "iam", DELEGATED).list_roles()["Roles"]]
    assert "second" not in names


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"CallAs": "SELF"}, "You must be the management account or delegated admin account"),
        ({"Capabilities": []}, "InsufficientCapabilitiesException"),
        ({"TemplateBody": json.dumps(TEMPLATE | {"Transform": "AWS::Serverless-2016-10-31"})}, "macros or transforms"),
        ({"StackInstancesGroup": excluding("excluded")}, "deploymentTargets.accounts"),
    ],
)
def test_what_the_api_refuses_fails_the_resource(
    parent: Parent, admin: Administrator, properties: dict[str, Any], says: str
) -> None:
    assert parent.deploy("create", **properties) == "ROLLBACK_COMPLETE"
    assert says in parent.reasons()
    assert not admin.exists()
