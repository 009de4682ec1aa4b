"""Service-managed StackSets: who may have them, where they go, and what happens to failures."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.local_aws.scene import clients_of
from tests.local_aws.stack_set_scene import (
    DELEGATED,
    FIRST,
    LARGER_TEMPLATE,
    MANAGEMENT,
    MEMBERS,
    NAME,
    NEW,
    REGION,
    ROLE_IN_ONE_REGION,
    ROOT,
    SANDBOX,
    SECOND,
    SECOND_ROLE,
    SERVICE,
    STRANGER,
    TEMPLATE,
    THIRD,
    TRUST,
    Administrator,
    Other,
    accounts_file,
    depends_on,
    of,
    refusal,
    take_name,
    unit_id,
    with_role,
)

UNKNOWN = f"arn:aws:cloudformation:{REGION}:{MANAGEMENT}:stackset/unknown:12345678-1234-1234-1234-123456789012"


def unchecked(client: LocalAwsClient, operation: str) -> Callable[..., object]:
    """Return an operation of the delegated administrator, called without botocore's own checks."""
    call: Callable[..., object] = getattr(clients_of(client)("cloudformation", DELEGATED), operation)
    return call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsClient]:
    """Serve the organization, with the StackSet and without stacks, to tests that change nothing."""
    with LocalAwsProcess(accounts_file(tmp_path_factory.mktemp("organization"))) as client:
        Administrator(client).create()
        yield client


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
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [f"ou-a1b2-{number:08}" for number in range(51)]}},
            "OrganizationalUnitIds may not exceed 50",
        ),
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


def test_an_account_is_fixed_by_creating_its_instance_again(aws: LocalAwsClient, admin: Administrator) -> None:
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

BUT_THIRD = {"Accounts": [THIRD], "AccountFilterType": "DIFFERENCE"}


def take_name_of_second(aws: LocalAwsClient, account_id: str) -> None:
    """Let an account have the role "second" already, made by somebody else."""
    of(aws, "iam", account_id).create_role(RoleName="second", AssumeRolePolicyDocument=json.dumps(TRUST))


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
        (
            {"DeploymentTargets": {"OrganizationalUnitIds": [ROOT]}, "Regions": [REGION]},
            "ValidationError",
            f"Organizational unit {ROOT} not found in StackSet",
        ),
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


def test_an_update_of_stacks_brings_outdated_ones_up_to_date(aws: LocalAwsClient, admin: Administrator) -> None:
    admin.create()
    workloads: dict[str, Any] = {"OrganizationalUnitIds": [unit_id(aws, "Workloads")]}
    admin.run("create_stack_instances", DeploymentTargets={**workloads, **BUT_THIRD}, Regions=[REGION])
    take_name_of_second(aws, FIRST)
    larger = {"TemplateBody": json.dumps(LARGER_TEMPLATE), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    assert admin.run("update_stack_set", **larger)["Status"] == "FAILED"
    assert admin.statuses() == {FIRST: ("OUTDATED", "FAILED"), SECOND: ("OUTDATED", "CANCELLED")}
    of(aws, "iam", FIRST).delete_role(RoleName="second")
    operation = admin.run("update_stack_instances", DeploymentTargets=workloads, Regions=[REGION])
    assert (operation["Action"], operation["Status"]) == ("UPDATE", "SUCCEEDED")
    assert admin.statuses() == dict.fromkeys([FIRST, SECOND], ("CURRENT", "SUCCEEDED"))
    assert list(with_role(aws, "second")) == [FIRST, SECOND]

    for targets, refused in (
        ({"OrganizationalUnitIds": [unit_id(aws, "Sandbox")]}, "ValidationError"),
        ({**workloads, "Accounts": [THIRD], "AccountFilterType": "INTERSECTION"}, "StackInstanceNotFoundException"),
    ):
        which = {"operation": "update_stack_instances", "DeploymentTargets": targets, "Regions": [REGION]}
        assert refusal(admin.run, **which)[0] == refused
    overrides = [{"ParameterKey": "Purpose", "ParameterValue": "report"}]
    which = {"operation": "update_stack_instances", "DeploymentTargets": workloads, "Regions": [REGION]}
    assert "does not emulate ParameterOverrides" in refusal(admin.run, **which, ParameterOverrides=overrides)[1]


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
