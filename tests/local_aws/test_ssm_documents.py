"""Documents of type Automation on the local AWS: their versions, what is refused, and CloudFormation's resource type."""

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import WaiterError

from local_aws.client import LocalAwsClient
from tests.local_aws.automation_scene import (
    ROLE_PARAMETER,
    Runbooks,
    Step,
    acting_as,
    api,
    branch,
    output,
    payload_of,
    returning,
    runbook,
    script,
    sleep,
)
from tests.local_aws.scene import Client, Clients, Parameter, allow, refusal, trust
from tests.local_aws.stack_scene import Stack

INVALID = "InvalidDocumentContent"
DOCUMENT: dict[str, Any] = {"DocumentType": "Automation", "DocumentFormat": "YAML"}
CONTENT = json.dumps(runbook(sleep()))


@pytest.fixture
def ssm(client: Clients, account_id: str) -> Client:
    return client("ssm", account_id)


def content(number: int) -> str:
    return json.dumps(runbook(sleep(f"PT{number}S"), description=f"Number {number}."))


# Versions


def test_a_document_is_created_with_its_first_version(ssm: Client, account_id: str) -> None:
    parameters = {"DryRun": {"type": "Boolean", "default": True, "description": "Change nothing."}}
    text = json.dumps(runbook(sleep(), parameters=parameters, description="Sleeps."))
    tags = [{"Key": "Owner", "Value": "security"}]
    settings: dict[str, Any] = {"VersionName": "one", "TargetType": "/AWS::IAM::User", "DisplayName": "Sleep", "Tags": tags}
    created = ssm.create_document(Name="Example", Content=text, **DOCUMENT, **settings)["DocumentDescription"]
    described = ssm.describe_document(Name="Example")["Document"]
    assert created == described
    expected = {
        "Name": "Example",
        "Owner": account_id,
        "Description": "Sleeps.",
        "DocumentType": "Automation",
        "DocumentFormat": "YAML",
        "SchemaVersion": "0.3",
        "Status": "Active",
        "DocumentVersion": "1",
        "LatestVersion": "1",
        "DefaultVersion": "1",
        "Parameters": [
            {"Name": "AutomationAssumeRole", "Type": "String"},
            {"Name": "DryRun", "Type": "String", "Description": "Change nothing.", "DefaultValue": "true"},
        ],
        **settings,
    }
    assert {name: described[name] for name in expected} == expected
    assert ssm.get_document(Name="Example")["Content"] == text
    assert ssm.list_tags_for_resource(ResourceType="Document", ResourceId="Example")["TagList"] == tags


def test_a_new_version_is_not_the_default_until_it_is_made_that(ssm: Client) -> None:
    ssm.create_document(Name="Example", Content=content(1), **DOCUMENT)
    update = {"Name": "Example", "DocumentFormat": "YAML", "DocumentVersion": "$LATEST"}
    description = ssm.update_document(**update, Content=content(2), VersionName="two")["DocumentDescription"]
    assert (description["DocumentVersion"], description["LatestVersion"], description["DefaultVersion"]) == ("2", "2", "1")
    asked: list[dict[str, str]] = [{}, {"DocumentVersion": "$DEFAULT"}, {"DocumentVersion": "$LATEST"}, {"VersionName": "two"}]
    assert [ssm.get_document(Name="Example", **each)["DocumentVersion"] for each in asked] == ["1", "1", "2", "2"]
    ssm.update_document_default_version(Name="Example", DocumentVersion="2")
    assert ssm.describe_document(Name="Example")["Document"]["Description"] == "Number 2."
    ssm.update_document(**{**update, "DocumentVersion": "2"}, Content=content(1))
    versions = ssm.list_document_versions(Name="Example")["DocumentVersions"]
    assert [(each["DocumentVersion"], each["IsDefaultVersion"]) for each in versions] == [
        ("3", False),
        ("2", True),
        ("1", False),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Content": content(2)}, "DuplicateDocumentContent"),
        ({"DocumentVersion": "1"}, "InvalidDocumentVersion"),
        ({"VersionName": "one"}, "DuplicateDocumentVersionName"),
        ({"Name": "Another"}, "InvalidDocument"),
        ({"Content": "{"}, INVALID),
        ({"Content": json.dumps(runbook(sleep(), schemaVersion="2.2"))}, "InvalidDocumentSchemaVersion"),
        ({"Content": json.dumps(runbook(sleep(), description="x" * 65536))}, "MaxDocumentSizeExceeded"),
    ],
)
def test_an_update_that_is_wrong_is_refused(ssm: Client, change: dict[str, str], code: str) -> None:
    ssm.create_document(Name="Example", Content=content(1), VersionName="one", **DOCUMENT)
    update = {"Name": "Example", "DocumentFormat": "YAML", "DocumentVersion": "$LATEST"}
    ssm.update_document(**update, Content=content(2))
    assert refusal(ssm.update_document, **{**update, "Content": content(3), **change})[0] == code
    assert ssm.describe_document(Name="Example")["Document"]["LatestVersion"] == "2"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "Example"}, "DocumentAlreadyExists"),
        ({"Name": "AWS-Example"}, "ValidationException"),
        ({"Name": "a b"}, "ValidationException"),
        ({"DocumentType": "Command"}, INVALID),
        ({"DocumentFormat": "TEXT"}, INVALID),
        ({"DocumentFormat": "JSON", "Content": "a: b"}, INVALID),
        ({"Content": "- a"}, INVALID),
        ({"Content": "a: 1\na: 2"}, INVALID),
        ({"Content": json.dumps(runbook(sleep(), schemaVersion="0.2"))}, "InvalidDocumentSchemaVersion"),
        ({"Content": json.dumps(runbook(sleep(), description="x" * 65536))}, "MaxDocumentSizeExceeded"),
        ({"Attachments": [{"Key": "SourceUrl", "Values": ["s3://bucket/key"]}]}, INVALID),
    ],
)
def test_a_document_that_is_wrong_is_refused(ssm: Client, change: dict[str, Any], code: str) -> None:
    ssm.create_document(Name="Example", Content=CONTENT, **DOCUMENT)
    assert refusal(ssm.create_document, **{"Name": "Another", "Content": CONTENT, **DOCUMENT, **change})[0] == code
    assert len(ssm.list_documents()["DocumentIdentifiers"]) == 1


def test_a_document_that_is_not_there_is_refused(ssm: Client) -> None:
    ssm.create_document(Name="Example", Content=CONTENT, **DOCUMENT)
    ssm.delete_document(Name="Example")
    for operation in (ssm.describe_document, ssm.get_document, ssm.list_document_versions, ssm.delete_document):
        assert refusal(operation, Name="Example")[0] == "InvalidDocument"
    assert refusal(ssm.update_document_default_version, Name="Example", DocumentVersion="1")[0] == "InvalidDocument"
    assert refusal(ssm.list_tags_for_resource, ResourceType="Document", ResourceId="Example")[0] == "InvalidResourceId"


@pytest.mark.parametrize("version", [{"DocumentVersion": "2"}, {"VersionName": "two"}])
def test_a_version_that_is_not_there_is_refused(ssm: Client, version: dict[str, str]) -> None:
    ssm.create_document(Name="Example", Content=CONTENT, **DOCUMENT)
    assert refusal(ssm.get_document, Name="Example", **version)[0] == "InvalidDocumentVersion"
    assert refusal(ssm.describe_document, Name="Example", **version)[0] == "InvalidDocumentVersion"


def test_a_version_is_deleted_alone_and_the_default_one_is_not(ssm: Client) -> None:
    ssm.create_document(Name="Example", Content=CONTENT, **DOCUMENT)
    ssm.update_document(Name="Example", Content=json.dumps(runbook(sleep("PT2H"))), DocumentFormat="YAML", VersionName="two")
    assert refusal(ssm.delete_document, Name="Example", DocumentVersion="1")[0] == "InvalidDocumentOperation"
    assert refusal(ssm.delete_document, Name="Example", DocumentVersion="3")[0] == "InvalidDocument"
    ssm.update_document_default_version(Name="Example", DocumentVersion="2")
    assert refusal(ssm.delete_document, Name="Example", VersionName="two")[0] == "InvalidDocumentOperation"
    ssm.delete_document(Name="Example", DocumentVersion="1")
    assert [version["DocumentVersion"] for version in ssm.list_document_versions(Name="Example")["DocumentVersions"]] == ["2"]


def test_documents_are_listed_by_name_and_can_be_filtered(client: Clients, ssm: Client, other_account_id: str) -> None:
    for name in ("Bravo", "Alpha", "Charlie"):
        ssm.create_document(Name=name, Content=CONTENT, Tags=[{"Key": "first", "Value": name[0]}], **DOCUMENT)

    def names(*filters: tuple[str, str]) -> list[str]:
        given = [{"Key": key, "Values": [value]} for key, value in filters]
        listed = ssm.list_documents(**({"Filters": given} if given else {}))["DocumentIdentifiers"]
        return [document["Name"] for document in listed]

    assert names() == ["Alpha", "Bravo", "Charlie"]
    assert names(("Name", "Al")) == names(("tag:first", "A")) == ["Alpha"]
    assert names(("Owner", "Self"), ("DocumentType", "Automation")) == names()
    assert names(("Owner", "Amazon")) == names(("DocumentType", "Command")) == []
    assert refusal(ssm.list_documents, Filters=[{"Key": "Colour", "Values": ["red"]}])[0] == "InvalidFilterKey"
    assert client("ssm", other_account_id).list_documents()["DocumentIdentifiers"] == []


def test_the_tags_of_a_document_can_be_changed(ssm: Client) -> None:
    ssm.create_document(Name="Example", Content=CONTENT, Tags=[{"Key": "a", "Value": "1"}], **DOCUMENT)
    which = {"ResourceType": "Document", "ResourceId": "Example"}
    ssm.add_tags_to_resource(**which, Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(**which, TagKeys=["a"])
    assert ssm.list_tags_for_resource(**which)["TagList"] == [{"Key": "b", "Value": "2"}]


@pytest.mark.parametrize("operation", ["add_tags_to_resource", "remove_tags_from_resource", "list_tags_for_resource"])
def test_nothing_else_has_tags(ssm: Client, operation: str) -> None:
    tags: dict[str, dict[str, Any]] = {
        "add_tags_to_resource": {"Tags": [{"Key": "a", "Value": "1"}]},
        "remove_tags_from_resource": {"TagKeys": ["a"]},
    }
    which = {"ResourceType": "Parameter", "ResourceId": "/example"}
    code, message = refusal(getattr(ssm, operation), **which, **tags.get(operation, {}))
    assert (code, message) == ("InvalidResourceType", "The local AWS keeps tags of documents only, not of the type Parameter.")


@pytest.mark.parametrize("operation", ["get_document", "describe_document", "list_document_versions", "delete_document"])
def test_a_permission_is_for_one_document(
    local_aws: LocalAwsClient, client: Clients, ssm: Client, account_id: str, operation: str
) -> None:
    iam = client("iam", account_id)
    trusted = trust({"AWS": f"arn:aws:iam::{account_id}:root"})
    role = iam.create_role(RoleName="author", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    policy = allow("ssm:*Document*", resource=f"arn:aws:ssm:us-east-1:{account_id}:document/Example")
    iam.put_role_policy(RoleName="author", PolicyName="one", PolicyDocument=policy)
    assumed = client("sts", account_id).assume_role(RoleArn=role, RoleSessionName="test")
    author = acting_as(local_aws, "ssm", assumed["Credentials"])
    for name in ("Example", "Example2"):
        ssm.create_document(Name=name, Content=CONTENT, **DOCUMENT)
    assert getattr(author, operation)(Name="Example")
    code, message = refusal(getattr(author, operation), Name="Example2")
    assert code == "AccessDeniedException"
    assert f"on resource: arn:aws:ssm:us-east-1:{account_id}:document/Example2" in message


# What a runbook must not contain


def with_parameter(**parameter: Parameter) -> dict[str, Any]:
    return runbook(sleep(), parameters={"Example": {"type": "String", **parameter}})


def with_script(**inputs: Parameter) -> dict[str, Any]:
    step = returning("{}")
    return runbook({**step, "inputs": step["inputs"] | inputs})


def choosing(*choices: dict[str, Any], **step: Parameter) -> dict[str, Any]:
    return runbook(branch(*choices, **step), sleep(), parameters={"Text": {"type": "String"}})


def approving(**inputs: Parameter) -> dict[str, Any]:
    return runbook({"name": "approve", "action": "aws:approve", "inputs": {"Approvers": ["a", "b"], **inputs}})


def timestamped() -> Step:
    step = sleep()
    return {**step, "inputs": step["inputs"] | {"Timestamp": "2030-01-01T00:00:00Z"}}


def declaring(**declared: str) -> dict[str, Any]:
    return runbook(returning("{}", outputs=[{**output("Name", "$.Payload.name"), **declared}]))


TEXT = {"NextStep": "sleep", "Variable": "{{ Text }}"}
TOPIC = "arn:aws:sns:us-east-1:111111111111:approvals"
FIRST = returning("{}", name="first", outputs=[output("Name", "$.Payload.name")])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (runbook(), "The document has no steps."),
        ({"schemaVersion": "0.3"}, "The document has no mainSteps."),
        (runbook(sleep(), mainStep=[]), "The document has an unknown key mainStep."),
        (runbook(sleep(), variables={}), "The document has variables, which the local AWS does not emulate."),
        (runbook(sleep(), files={}), "The document has files, which the local AWS does not emulate."),
        ({**runbook(sleep()), "parameters": ["Example"]}, "The document has a parameters of the wrong type"),
        ({**runbook(), "mainSteps": ["sleep"]}, "Step 1 is no object."),
        # The parameters
        (with_parameter(type="AWS::EC2::Instance::Id"), "Parameter Example has the type AWS::EC2::Instance::Id, which"),
        (with_parameter(typ="String"), "Parameter Example has an unknown key typ."),
        (with_parameter(default=1), "Parameter Example has a default that is no String: 1."),
        (with_parameter(type="Boolean", default="no"), "Parameter Example has a default that is no Boolean: no."),
        (with_parameter(default="{{ ssm:name }}"), "Parameter Example has a reference for a default"),
        (with_parameter(allowedPattern="("), "Parameter Example has an allowedPattern that is no regular expression: (."),
        (with_parameter(type="Integer"), "Parameter Example has the type Integer, which the local AWS does not know"),
        *(
            (with_parameter(**{name: 1}), f"Parameter Example has {name}, which the local AWS does not emulate.")
            for name in ("allowedValues", "displayType", "minChars", "maxChars", "minItems", "maxItems")
        ),
        (runbook(sleep(), parameters={"a-b": {"type": "String"}}), "Parameter a-b has a name that is not"),
        # Steps
        (runbook({"name": "a"}), "Step a has no action."),
        (runbook(sleep(name="a-b")), "Step 1 has a name of other characters"),
        (runbook(sleep(), sleep()), "Step 2 has the name sleep, which another step has."),
        (runbook({**sleep(), "action": "aws:runCommand"}), "Step sleep has the action aws:runCommand, which"),
        (runbook(sleep(nextSteps="a")), "Step sleep has an unknown key nextSteps."),
        (runbook(sleep(onCancel="Abort")), "Step sleep has onCancel, which the local AWS does not emulate."),
        (runbook(sleep(onFailure="Retry")), "Step sleep has the onFailure Retry, and not"),
        (runbook(sleep(timeoutSeconds=0)), "Step sleep has a timeoutSeconds that is no Integer of at least 1: 0."),
        (runbook(sleep(timeoutSeconds=True)), "Step sleep has a timeoutSeconds that is no Integer"),
        (runbook(sleep(maxAttempts="many")), "Step sleep has a maxAttempts that is no Integer"),
        (runbook(sleep(isEnd="perhaps")), "Step sleep has a isEnd that is no Boolean: perhaps."),
        (runbook(sleep(isEnd=True, nextStep="b"), sleep(name="b")), "Step sleep has isEnd, and goes on to another step."),
        (runbook(sleep(isEnd=True, onFailure="step:b"), sleep(name="b")), "Step sleep has isEnd, and goes on"),
        # Their order
        (runbook(sleep(nextStep="none")), "Step sleep goes on to none, which is no step of the document."),
        (runbook(sleep(onFailure="step:none")), "Step sleep goes on to none"),
        (choosing({**TEXT, "NextStep": "none", "StringEquals": "a"}), "Step branch goes on to none"),
        (choosing({**TEXT, "StringEquals": "a"}, default="none"), "Step branch goes on to none"),
        (runbook(sleep(isEnd=True), sleep(name="b")), "Step b is never reached."),
        (runbook(sleep(nextStep="c"), sleep(name="b"), sleep(name="c")), "Step b is never reached."),
        (runbook(sleep(), sleep(name="b", nextStep="sleep")), "Step sleep is reached from itself"),
        # References
        (runbook(sleep(), assumeRole="{{ Role }}"), "assumeRole refers to Role, which is no parameter"),
        (runbook(sleep("{{ Length }}")), "Step sleep refers to Length, which is no parameter"),
        (runbook(returning("{}", {"a": ["{{ global:REGIONS }}"]})), "Step script refers to global:REGIONS"),
        (runbook(returning("{}", {"{{ key }}": 1})), "Step script refers to key"),
        (runbook(returning("{}", {"a": "x {{ first.None }}"}), FIRST), "Step script refers to first.None"),
        (runbook(returning("{}", {"a": "{{ first.Name }}"}), FIRST), "Step script refers to first.Name"),
        (runbook(FIRST, sleep(), outputs=["first.None"]), "outputs refers to first.None"),
        (runbook(FIRST, sleep(), outputs=["Name"]), "outputs refers to Name"),
        # Scripts
        (with_script(Runtime="python3.8"), "Step script has the Runtime python3.8, and the local AWS has python3.11 only."),
        (with_script(Runtime=None), "Step script has no Runtime."),
        (with_script(Handler=None), "Step script has no Handler."),
        (with_script(Scripts=""), "Step script has an unknown key Scripts."),
        (with_script(Attachment="a.zip"), "Step script has Attachment, which the local AWS does not emulate."),
        (with_script(InputPayload="{{ Text }}"), "Step script has a InputPayload of the wrong type"),
        (runbook(script("def handler(events, context)")), "Step script has a Script that is no Python"),
        (runbook(script("a = '{{ Text }}'")), "Step script has {{ in its Script"),
        (
            runbook(returning("{}", timeoutSeconds=601)),
            "Step script has a timeoutSeconds of 601, and aws:executeScript takes 600",
        ),
        # Outputs
        (declaring(Selector="Payload.name"), "Step script has the selector Payload.name, and the local AWS emulates"),
        (declaring(Selector="$.Payload[?(@.a)]"), "Step script has the selector"),
        (declaring(Selector="$.Other"), "Step script selects an output from something else than $.Payload"),
        (declaring(Selector="$.Payload.a[0]"), "Step script has the selector"),
        (declaring(Selector="$.Payload..a"), "Step script has the selector"),
        (declaring(Type="Integer"), "Step script has an output of the type Integer"),
        (declaring(Type="Float"), "Step script has an output of the type Float"),
        (declaring(Name="a b"), "Step script has an output with the name a b"),
        (declaring(Kind="String"), "an output, has an unknown key Kind."),
        (runbook(returning("{}", outputs=[output("A", "$.Payload.a")] * 2)), "Step script declares an output twice."),
        (runbook(sleep(outputs=[output("A", "$.a")])), "Step sleep declares outputs, which aws:sleep does not have."),
        # Calls of APIs
        (runbook(api("iam", "GetRoles")), "iam has no API GetRoles."),
        (runbook(api("root", "GetRole")), "boto3 has no service root."),
        (runbook(api("iam", "GetRole")), "does not take: RoleName is missing."),
        (runbook(api("iam", "GetRole", Name="a", RoleName="b")), "does not take: Name is unknown."),
        (runbook(api("iam", "GetAccountSummary", Name="a")), "does not take: Name is unknown."),
        (runbook(api("sns", "Publish", Message=["a"])), "does not take: Message is no string."),
        (runbook(api("iam", "CreateRole", RoleName="a", AssumeRolePolicyDocument="{}", Tags="a")), "Tags is no list."),
        (
            runbook(api("iam", "CreateRole", RoleName="a", AssumeRolePolicyDocument="{}", Tags=[{"key": "a"}])),
            "does not take: Tags.key is unknown.",
        ),
        # Branches
        (choosing(), "Step branch has no Choices."),
        (choosing({"NextStep": "sleep", "StringEquals": "a"}), "a choice, has no Variable."),
        (choosing({**TEXT}), "has not exactly one of the operations"),
        (choosing({**TEXT, "StringEquals": "a", "BooleanEquals": True}), "has not exactly one of the operations"),
        (choosing({**TEXT, "StringLike": "a"}), "has not exactly one of the operations"),
        (choosing({**TEXT, "StringEquals": 1}), "has a StringEquals of something that is no String: 1."),
        (choosing({**TEXT, "BooleanEquals": "1"}), "has a BooleanEquals that is no Boolean: 1."),
        (choosing({**TEXT, "NumericEquals": 1}), "has not exactly one of the operations that the local AWS emulates"),
        (choosing({**TEXT, "Variable": "Text", "StringEquals": "a"}), "has a Variable that is no reference: Text."),
        (choosing({**TEXT, "Variable": "{{ Txt }}", "StringEquals": "a"}), "Step branch refers to Txt"),
        (choosing({"NextStep": "sleep", "And": []}), "a choice, has And, which the local AWS does not emulate."),
        (choosing({"NextStep": "sleep", "Or": []}), "a choice, has Or, which the local AWS does not emulate."),
        (choosing({**TEXT, "StringEquals": "a", "Not": {}}), "a choice, has Not, which the local AWS does not emulate."),
        # Approvals
        (approving(NotificationArn=TOPIC), "NotificationArn is that of a topic whose name begins with Automation, and not"),
        (approving(Message="x" * 4097), "Message has 4096 characters at most."),
        (approving(Approvers=[]), "Approvers has 1 to 10 names and ARNs, and is not []."),
        (approving(Approvers=[f"user-{number}" for number in range(11)]), "Approvers has 1 to 10"),
        (approving(Approvers=None), "Step approve has no Approvers."),
        (approving(MinRequiredApprovals=3), "MinRequiredApprovals is an Integer from 1 to the number of approvers, and not 3."),
        (approving(MinRequiredApprovals=0), "MinRequiredApprovals is an Integer from 1 to"),
        (
            approving(MinRequiredApprovals="1"),
            "MinRequiredApprovals is an Integer from 1 to the number of approvers, and not '1'.",
        ),
        (approving(MinRequiredApprovals=True), "MinRequiredApprovals is an Integer from 1 to"),
        (approving(Topic="a"), "Step approve has an unknown key Topic."),
        (
            runbook({"name": "a", "action": "aws:approve", "inputs": {"Approvers": ["a"]}, "timeoutSeconds": 2592001}),
            "aws:approve takes 2592000 at most.",
        ),
        # Sleeps
        (runbook(sleep("10 minutes")), "'10 minutes' is no ISO 8601 duration, like PT10M."),
        (runbook(sleep("PT")), "is no ISO 8601 duration"),
        (runbook(sleep("P7D")), "P7D is more than 604799 seconds."),
        (runbook({**sleep(), "inputs": {}}), "Step sleep has no Duration."),
        (runbook(timestamped()), "Step sleep has Timestamp, which the local AWS does not emulate."),
    ],
)
def test_a_runbook_that_is_wrong_is_refused(ssm: Client, document: dict[str, Any], message: str) -> None:
    code, said = refusal(ssm.create_document, Name="Example", Content=json.dumps(document), **DOCUMENT)
    assert code == INVALID
    assert message in said


@pytest.mark.parametrize(
    "steps",
    [
        [returning("{}", {"a": "{{ global:DATE_TIME }} {{global:DATE}}", "b": "{{ automation:EXECUTION_ID }}"})],
        [api("sns", "publish", Message="{{ global:REGION }}")],
        [api("iam", "CreateRole", RoleName="a", AssumeRolePolicyDocument="{}", Tags="{{ Names }}")],
        [FIRST, sleep(), returning("{}", {"a": "{{ first.Name }}", "b": "{{ first.Payload }}"})],
        [{"name": "a", "action": "aws:approve", "inputs": {"Approvers": "{{ Names }}", "MinRequiredApprovals": 1}}],
        [sleep("{{ Text }}", timeoutSeconds="60", isEnd="true", isCritical="false")],
        [sleep("P1DT2H3M4S")],
    ],
)
def test_a_runbook_that_is_right_is_taken(ssm: Client, steps: list[Step]) -> None:
    types = {"Names": "StringList", "Text": "String"}
    text = json.dumps(runbook(*steps, parameters={name: {"type": type_name} for name, type_name in types.items()}))
    assert ssm.create_document(Name="Example", Content=text, **DOCUMENT)


def test_a_script_is_in_a_yaml_document_only(ssm: Client) -> None:
    """The page of aws:executeScript says so."""
    text = json.dumps(runbook(returning("{}")))
    code, message = refusal(ssm.create_document, Name="Example", Content=text, DocumentType="Automation", DocumentFormat="JSON")
    assert code == INVALID
    assert "make its DocumentFormat YAML" in message
    assert ssm.create_document(Name="Example", Content=CONTENT, DocumentType="Automation", DocumentFormat="JSON")


def test_yaml_is_taken_as_json_has_it(client: Clients, account_id: str) -> None:
    runbooks = Runbooks(client, account_id)
    text = f"""
schemaVersion: '0.3'
assumeRole: "{{{{ AutomationAssumeRole }}}}"
parameters: {json.dumps(ROLE_PARAMETER)}
mainSteps:
  - name: script
    action: aws:executeScript
    inputs:
      Runtime: python3.11
      Handler: handler
      InputPayload: {{date: 2026-01-02, switch: on, text: "on", octal: 010}}
      Script: |-
        def handler(events, context):
            return events
"""
    runbooks.ssm.create_document(Name="Example", Content=text, **DOCUMENT)
    payload = payload_of(runbooks.wait(runbooks.start(), "Success"))
    assert payload == {"date": "2026-01-02", "switch": True, "text": "on", "octal": 8}


# CloudFormation


def document(length: int = 1, **properties: Parameter) -> dict[str, Any]:
    """Make a resource whose runbook sleeps for a number of seconds."""
    kept = {"Content": runbook(sleep(f"PT{length}S")), "DocumentType": "Automation", "DocumentFormat": "YAML", **properties}
    return {"Runbook": {"Type": "AWS::SSM::Document", "Properties": kept}}


@pytest.fixture
def stack(client: Clients, account_id: str) -> Stack:
    return Stack(client, account_id)


REF = {"Ref": "Runbook"}
NEW_VERSION: dict[str, Any] = {"Name": "Example", "UpdateMethod": "NewVersion"}


def test_a_stack_makes_new_versions_the_default(stack: Stack, ssm: Client) -> None:
    stack.create(document(**NEW_VERSION, Tags=[{"Key": "a", "Value": "1"}]), Name=REF)
    assert stack.outputs == {"Name": "Example"}
    made = ssm.get_document(Name="Example")
    assert made["DocumentFormat"] == "YAML"
    assert yaml.safe_load(made["Content"]) == runbook(sleep("PT1S"))
    stack.update(document(2, **NEW_VERSION, Tags=[{"Key": "b", "Value": "2"}]), Name=REF)
    described = ssm.describe_document(Name="Example")["Document"]
    assert (described["DefaultVersion"], described["LatestVersion"]) == ("2", "2")
    assert described["Tags"] == [{"Key": "b", "Value": "2"}]
    stack.delete()
    assert ssm.list_documents()["DocumentIdentifiers"] == []


def test_an_update_that_fails_goes_back_to_the_former_content(stack: Stack, ssm: Client) -> None:
    stack.create(document(**NEW_VERSION))
    broken = {"Broken": {"Type": "AWS::SSM::Document", "Properties": {"Content": {}}, "DependsOn": "Runbook"}}
    with pytest.raises(WaiterError, match="terminal failure"):
        stack.update({**document(2, **NEW_VERSION), **broken})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "PT1S" in ssm.get_document(Name="Example")["Content"]


def test_a_stack_with_a_name_and_no_update_method_can_not_change_the_content(stack: Stack, ssm: Client) -> None:
    stack.create(document(Name="Example"))
    with pytest.raises(WaiterError, match="terminal failure"):
        stack.update(document(2, Name="Example"))
    assert "custom-named resource requires replacing. Rename Example" in stack.failures["Runbook"]
    assert "PT1S" in ssm.get_document(Name="Example")["Content"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"DocumentFormat": "JSON"}),
        ({"Name": "Example"}, {"Name": "Another"}),
        (NEW_VERSION, {**NEW_VERSION, "Name": "Another"}),
    ],
)
def test_a_document_is_replaced(stack: Stack, ssm: Client, before: dict[str, Any], after: dict[str, Any]) -> None:
    stack.create(document(**before), Name=REF)
    former = stack.outputs["Name"]
    stack.update(document(2, **after), Name=REF)
    [listed] = ssm.list_documents()["DocumentIdentifiers"]
    assert former != listed["Name"] == stack.outputs["Name"]
    assert "PT2S" in ssm.get_document(Name=listed["Name"])["Content"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Name": "Taken"}, "There is a document Taken already."),
        ({"Content": runbook(sleep("soon"))}, "is no ISO 8601 duration"),
        ({"Attachments": []}, "Encountered unsupported property Attachments"),
        ({"DocumentType": "Command"}, "DocumentType Automation only"),
    ],
)
def test_a_document_that_fails_says_why(stack: Stack, ssm: Client, properties: dict[str, Any], reason: str) -> None:
    ssm.create_document(Name="Taken", Content=CONTENT, **DOCUMENT)
    with pytest.raises(WaiterError, match="terminal failure"):
        stack.create(document(**properties))
    assert reason in stack.failures["Runbook"]
