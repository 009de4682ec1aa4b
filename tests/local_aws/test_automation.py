"""Executions of runbooks on the local AWS: who may start them, what their steps do, and how they end."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.automation_scene import (
    Runbooks,
    acting_as,
    api,
    branch,
    output,
    payload_of,
    returning,
    runbook,
    script,
    sleep,
    statuses,
    step_of,
)
from tests.local_aws.scene import Client, Clients, Parameter, eventually, refusal, trust

INVALID_PARAMETERS = "InvalidAutomationExecutionParametersException"
DAY = 24 * 3600


@pytest.fixture
def runbooks(client: Clients, account_id: str) -> Runbooks:
    return Runbooks(client, account_id)


def fails(name: str = "fails", **step: Parameter) -> dict[str, Any]:
    """Make a step that fails."""
    return returning("1 / 0", name=name, **step)


# Starting


def test_an_execution_is_of_the_version_that_is_asked_for(runbooks: Runbooks) -> None:
    runbooks.create(returning("{'version': 1}"))
    content = json.dumps(runbook(returning("{'version': 2}")))
    runbooks.ssm.update_document(Name="Example", Content=content, DocumentFormat="YAML", DocumentVersion="$LATEST")
    parameters = {"AutomationAssumeRole": [runbooks.role]}
    found = {}
    for version in ("$DEFAULT", "$LATEST", "1", "2"):
        started = runbooks.ssm.start_automation_execution(
            DocumentName="Example", DocumentVersion=version, Parameters=parameters
        )
        execution = runbooks.wait(started["AutomationExecutionId"])
        found[version] = (execution["DocumentVersion"], payload_of(execution)["version"])
    assert found == {"$DEFAULT": ("1", 1), "$LATEST": ("2", 2), "1": ("1", 1), "2": ("2", 2)}
    start = runbooks.ssm.start_automation_execution
    code, _ = refusal(start, DocumentName="Example", DocumentVersion="3", Parameters=parameters)
    assert code == "AutomationDefinitionVersionNotFoundException"
    code, _ = refusal(start, DocumentName="Another", Parameters=parameters)
    assert code == "AutomationDefinitionNotFoundException"
    by_arn = f"arn:aws:ssm:us-east-1:{runbooks.account_id}:document/Example"
    assert start(DocumentName=by_arn, Parameters=parameters)["AutomationExecutionId"]


PARAMETERS = {
    "Account": {"type": "String", "allowedPattern": r"^\d{12}$"},
    "DryRun": {"type": "Boolean", "default": True},
    "Names": {"type": "StringList", "default": []},
    "Text": {"type": "String", "default": ""},
}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Account": None}, "It requires Account."),
        ({"Acount": ["1"]}, "The document has no parameter Acount."),
        ({"Account": ["12345678901"]}, r"Parameter Account has the value 12345678901, which does not match ^\d{12}$."),
        ({"Account": ["123456789012\n"]}, "does not match"),
        ({"Account": ["123456789012", "123456789012"]}, "Parameter Account is a String, and has the values"),
        ({"Account": []}, "Parameter Account is a String, and has the values []."),
        ({"DryRun": ["no"]}, 'Parameter DryRun is a Boolean, and has the values ["no"].'),
        ({"DryRun": ["true", "true"]}, "Parameter DryRun is a Boolean"),
        ({"AutomationAssumeRole": ["automation"]}, "is the ARN of a role, and has the value automation."),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(
    runbooks: Runbooks, parameters: dict[str, list[str] | None], message: str
) -> None:
    runbooks.create(returning("{}"), parameters=PARAMETERS)
    given = {"AutomationAssumeRole": [runbooks.role], "Account": ["123456789012"], **parameters}
    given = {name: values for name, values in given.items() if values is not None}
    code, said = refusal(runbooks.ssm.start_automation_execution, DocumentName="Example", Parameters=given)
    assert code == INVALID_PARAMETERS
    assert message in said


def test_parameters_have_their_defaults(runbooks: Runbooks) -> None:
    payload = {name: f"{{{{ {name} }}}}" for name in PARAMETERS}
    given: dict[str, str | list[str]] = {"Account": "123456789012", "DryRun": "False"}
    execution = runbooks.run(returning("events", payload), parameters=PARAMETERS, given=given)
    assert payload_of(execution) == {
        "Account": "123456789012",
        "DryRun": False,
        "Names": [],
        "Text": "",
    }
    assert execution["Parameters"]["DryRun"] == ["false"]


@pytest.mark.parametrize(
    "parameter", [{"Mode": "Interactive"}, {"MaxErrors": "1"}, {"Tags": [{"Key": "a", "Value": "b"}]}, {"TargetMaps": []}]
)
def test_what_is_not_emulated_of_an_execution_is_refused(runbooks: Runbooks, parameter: dict[str, Any]) -> None:
    runbooks.create(returning("{}"))
    given = {"AutomationAssumeRole": [runbooks.role]}
    code, message = refusal(runbooks.ssm.start_automation_execution, DocumentName="Example", Parameters=given, **parameter)
    assert code == INVALID_PARAMETERS
    assert "does not emulate" in message


def test_a_client_token_starts_one_execution(runbooks: Runbooks) -> None:
    runbooks.create(returning("{}"))
    request: dict[str, Any] = {"DocumentName": "Example", "Parameters": {"AutomationAssumeRole": [runbooks.role]}}
    start, token = runbooks.ssm.start_automation_execution, str(uuid.uuid4())
    first, second = (start(**request, ClientToken=token)["AutomationExecutionId"] for _ in range(2))
    assert first == second
    assert start(**request, ClientToken=str(uuid.uuid4()))["AutomationExecutionId"] != first
    assert refusal(start, **request, ClientToken=token, DocumentVersion="1")[0] == "IdempotentParameterMismatch"


def test_a_fault_keeps_an_execution_from_being_started(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(returning("{}"))
    request: dict[str, Any] = {"DocumentName": "Example", "Parameters": {"AutomationAssumeRole": [runbooks.role]}}
    local_aws.add_fault(runbooks.account_id, "ssm:StartAutomationExecution", "Throttling", times=1)
    assert refusal(runbooks.ssm.start_automation_execution, **request)[0] == "ThrottlingException"
    assert runbooks.ssm.start_automation_execution(**request)["AutomationExecutionId"]


# Roles


@pytest.mark.parametrize(
    "trusted",
    [
        trust({"Service": "lambda.amazonaws.com"}),
        trust({"Service": "ssm.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": "999999999999"}}),
        trust(
            {"Service": "ssm.amazonaws.com"},
            {"ArnLike": {"aws:SourceArn": "arn:aws:ssm:*:999999999999:automation-execution/*"}},
        ),
    ],
)
def test_a_role_that_does_not_trust_automation_starts_nothing(runbooks: Runbooks, trusted: str) -> None:
    role = runbooks.create_role("distrusting", trusted)
    runbooks.create(returning("{}"))
    given = {"AutomationAssumeRole": [role]}
    code, message = refusal(runbooks.ssm.start_automation_execution, DocumentName="Example", Parameters=given)
    assert code == INVALID_PARAMETERS
    assert message.startswith("The defined assume role is unable to be assumed.")
    assert not runbooks.ssm.describe_automation_executions()["AutomationExecutionMetadataList"]


def test_a_role_may_trust_the_executions_of_its_account(runbooks: Runbooks) -> None:
    source = {
        "StringEquals": {"aws:SourceAccount": runbooks.account_id},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ssm:*:{runbooks.account_id}:automation-execution/*"},
    }
    role = runbooks.create_role("trusting", trust({"Service": "ssm.amazonaws.com"}, source))
    runbooks.create(returning("{}"))
    runbooks.wait(runbooks.start(AutomationAssumeRole=role), "Success")


def test_a_role_may_be_fixed_in_the_document(runbooks: Runbooks) -> None:
    fixed = "arn:{{ global:AWS_PARTITION }}:iam::{{ global:ACCOUNT_ID }}:role/automation"
    runbooks.create(returning("{}"), assumeRole=fixed, name="Fixed")
    start = runbooks.ssm.start_automation_execution
    runbooks.wait(start(DocumentName="Fixed", Parameters={"AutomationAssumeRole": [runbooks.role]})["AutomationExecutionId"])
    runbooks.create(returning("{}"), assumeRole="automation", name="NoArn")
    code, message = refusal(start, DocumentName="NoArn", Parameters={"AutomationAssumeRole": [runbooks.role]})
    assert (code, message) == (INVALID_PARAMETERS, "The format of the supplied assume role ARN is invalid: automation")


def test_an_execution_that_would_act_as_its_caller_is_refused(runbooks: Runbooks) -> None:
    content = runbook(returning("{}")) | {"parameters": {}}
    del content["assumeRole"]
    runbooks.ssm.create_document(Name="Caller", Content=json.dumps(content), DocumentType="Automation", DocumentFormat="YAML")
    code, message = refusal(runbooks.ssm.start_automation_execution, DocumentName="Caller")
    assert code == INVALID_PARAMETERS
    assert message.startswith("The local AWS emulates executions that assume a role only")


def test_a_role_that_is_gone_fails_the_next_step(client: Clients, local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(sleep("PT1H"), returning("{}"))
    execution_id = runbooks.start()
    assert eventually(lambda: runbooks.get(execution_id).get("CurrentStepName") == "sleep")
    client("iam", runbooks.account_id).delete_role(RoleName="automation")
    local_aws.advance_clock(seconds=3600)
    step = step_of(runbooks.wait(execution_id, "Failed"))
    assert step["FailureMessage"].startswith("The defined assume role is unable to be assumed.")
    assert step["FailureDetails"] == {"FailureStage": "Invocation", "FailureType": "Permission"}


@pytest.fixture
def starter(local_aws: LocalAwsClient, client: Clients, runbooks: Runbooks) -> Client:
    """Return a client that acts as the role "starter"."""
    trusted = trust({"AWS": f"arn:aws:iam::{runbooks.account_id}:root"})
    role = runbooks.create_role("starter", trusted)
    assumed = client("sts", runbooks.account_id).assume_role(RoleArn=role, RoleSessionName="test")
    return acting_as(local_aws, "ssm", assumed["Credentials"])


@pytest.mark.parametrize("fixed", [True, False])
def test_whoever_starts_an_execution_may_pass_its_role(
    client: Clients, runbooks: Runbooks, starter: Client, *, fixed: bool
) -> None:
    runbooks.create(returning("{}"), **({"assumeRole": runbooks.role} if fixed else {}))
    definition = f"arn:aws:ssm:us-east-1:{runbooks.account_id}:automation-definition/Example"
    request: dict[str, Any] = {"DocumentName": "Example", "Parameters": {"AutomationAssumeRole": [runbooks.role]}}

    def let(*statements: dict[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        iam = client("iam", runbooks.account_id)
        iam.put_role_policy(RoleName="starter", PolicyName="actions", PolicyDocument=json.dumps(policy))

    start = {"Action": "ssm:StartAutomationExecution", "Resource": f"{definition}:$DEFAULT"}
    code, message = refusal(starter.start_automation_execution, **request)
    assert code == "AccessDeniedException"
    assert f"ssm:StartAutomationExecution on resource: {definition}:$DEFAULT" in message
    passing = {"Action": "iam:PassRole", "Resource": runbooks.role}
    for wrong in (
        [],
        [{**passing, "Resource": f"{runbooks.role}-2"}],
        [{**passing, "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}],
    ):
        let(start, *wrong)
        code, message = refusal(starter.start_automation_execution, **request)
        assert code == "AccessDeniedException"
        assert f"is not authorized to perform: iam:PassRole on resource: {runbooks.role} because no identity-based" in message
    let(start, {**passing, "Condition": {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}})
    execution_id = starter.start_automation_execution(**request)["AutomationExecutionId"]
    execution = runbooks.wait(execution_id, "Success")
    assert execution["ExecutedBy"] == f"arn:aws:sts::{runbooks.account_id}:assumed-role/starter/test"
    assert refusal(starter.start_automation_execution, **request, DocumentVersion="1")[0] == "AccessDeniedException"
    assert refusal(starter.get_automation_execution, AutomationExecutionId=execution_id)[0] == "AccessDeniedException"
    own = f"arn:aws:ssm:us-east-1:{runbooks.account_id}:automation-execution/{execution_id}"
    let({"Action": "ssm:GetAutomationExecution", "Resource": own})
    assert starter.get_automation_execution(AutomationExecutionId=execution_id)


# The order of steps


def test_steps_follow_each_other(runbooks: Runbooks) -> None:
    """A step leads to the next one or its nextStep, or ends the execution. Steps that do not run stay Pending."""
    execution = runbooks.run(
        returning("{}", name="one", nextStep="three"),
        returning("{}", name="two", isEnd=True),
        branch({"NextStep": "four", "Variable": "{{ Way }}", "StringEquals": "four"}, name="three", default="two"),
        returning("{}", name="four"),
        parameters={"Way": {"type": "String", "default": "four"}},
    )
    assert statuses(execution) == {"one": "Success", "two": "Pending", "three": "Success", "four": "Success"}
    assert execution["AutomationExecutionStatus"] == "Success"


@pytest.mark.parametrize(
    ("step", "status", "run"),
    [
        ({}, "Failed", {"fails": "Failed", "next": "Pending", "other": "Pending"}),
        ({"onFailure": "Abort", "isCritical": False}, "Failed", {"fails": "Failed", "next": "Pending", "other": "Pending"}),
        ({"onFailure": "Continue"}, "Success", {"fails": "Failed", "next": "Success", "other": "Pending"}),
        ({"onFailure": "Continue", "isCritical": True}, "Failed", {"fails": "Failed", "next": "Success", "other": "Pending"}),
        ({"onFailure": "step:other"}, "Failed", {"fails": "Failed", "next": "Pending", "other": "Success"}),
        (
            {"onFailure": "step:other", "isCritical": False},
            "Success",
            {"fails": "Failed", "next": "Pending", "other": "Success"},
        ),
    ],
)
def test_what_follows_a_failure(runbooks: Runbooks, step: dict[str, Any], status: str, run: dict[str, str]) -> None:
    other = returning("{}", name="other")
    choice = branch({"NextStep": "fails", "Variable": "{{ Way }}", "StringEquals": "fails"}, default="other")
    execution = runbooks.run(
        choice,
        fails(**step),
        returning("{}", name="next", isEnd=True),
        other,
        parameters={"Way": {"type": "String", "default": "fails"}},
    )
    assert execution["AutomationExecutionStatus"] == status
    assert statuses(execution) == {"branch": "Success", **run}
    failure = "Step fails failed: ZeroDivisionError: division by zero" if status == "Failed" else None
    assert execution.get("FailureMessage") == failure


def test_a_failure_at_the_end_ends_the_execution(runbooks: Runbooks) -> None:
    execution = runbooks.run(fails(onFailure="Continue", isCritical=False))
    assert execution["AutomationExecutionStatus"] == "Success"


@pytest.mark.parametrize(("attempts", "status"), [(1, "Failed"), (2, "Failed"), (3, "Success"), (9, "Success")])
def test_a_step_is_attempted_until_it_succeeds(runbooks: Runbooks, tmp_path: Path, attempts: int, status: str) -> None:
    note = tmp_path / "note"
    code = f"""
        import pathlib
        def handler(events, context):
            note = pathlib.Path({str(note)!r})
            number = 1 + (int(note.read_text()) if note.exists() else 0)
            note.write_text(str(number))
            return {{"number": 1 // (number >= 3)}}
    """
    execution = runbooks.run(script(code, maxAttempts=attempts))
    assert statuses(execution) == {"script": status}
    assert int(note.read_text(encoding="ascii")) == min(attempts, 3)
    assert ("FailureMessage" in step_of(execution)) == (status == "Failed")


def test_a_value_that_no_step_gave_fails_the_step_that_needs_it(runbooks: Runbooks) -> None:
    execution = runbooks.run(
        returning("{}", name="first", outputs=[output("Missing", "$.Payload.missing")]),
        returning("events", {"value": "{{ first.Missing }}"}),
    )
    assert step_of(execution)["FailureMessage"] == "first.Missing has no value, since its step did not give it one."


# Branches


def comparison(operation: str, constant: object, variable: str = "Text") -> dict[str, Any]:
    return {"Variable": f"{{{{ {variable} }}}}", operation: constant}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (comparison("StringEquals", "Windows"), True),
        (comparison("StringEquals", "windows"), False),
        (comparison("StringEquals", "{{ Text }}"), True),
        (comparison("BooleanEquals", constant=True, variable="Switch"), True),
        (comparison("BooleanEquals", constant=False, variable="Switch"), False),
        (comparison("BooleanEquals", "true", "Switch"), True),
        (comparison("BooleanEquals", constant=True), False),
    ],
)
def test_a_branch_takes_the_first_choice_that_holds(runbooks: Runbooks, condition: dict[str, Any], *, holds: bool) -> None:
    parameters = {
        "Text": {"type": "String", "default": "Windows"},
        "Switch": {"type": "Boolean", "default": True},
    }
    execution = runbooks.run(
        branch(
            {"NextStep": "chosen", **condition},
            {"NextStep": "second", **comparison("BooleanEquals", constant=True, variable="Switch")},
        ),
        sleep("PT0S", "chosen", isEnd=True),
        sleep("PT0S", "second"),
        parameters=parameters,
    )
    assert (statuses(execution)["chosen"] == "Success") == holds
    assert (statuses(execution)["second"] == "Success") != holds


@pytest.mark.parametrize(
    ("default", "step", "run"), [("last", {}, {"last"}), (None, {}, {"next", "last"}), (None, {"isEnd": True}, set())]
)
def test_a_branch_without_a_choice_that_holds(
    runbooks: Runbooks, default: str | None, step: dict[str, Any], run: set[str]
) -> None:
    """Source: awsdocs/aws-systems-manager-user-guide, automation-branchdocs.md; a switch reverses it."""
    choices = [
        {"NextStep": "next", "Variable": "{{ Way }}", "StringEquals": "next"},
        {"NextStep": "last", "Variable": "{{ Way }}", "StringEquals": "last"},
    ]
    execution = runbooks.run(
        branch(*choices, default=default, **step),
        sleep("PT0S", "next"),
        sleep("PT0S", "last"),
        parameters={"Way": {"type": "String", "default": "none"}},
    )
    assert {name for name, status in statuses(execution).items() if status == "Success"} == {"branch", *run}


@pytest.mark.parametrize(
    ("default", "step", "run"), [("last", {}, {"last"}), (None, {}, set()), (None, {"isEnd": True}, {"next", "last"})]
)
def test_a_switch_reverses_what_follows_a_branch_without_a_default(
    local_aws: LocalAwsClient, runbooks: Runbooks, default: str | None, step: dict[str, Any], run: set[str]
) -> None:
    local_aws.switch("branch-end-reversed", on=True)
    try:
        test_a_branch_without_a_choice_that_holds(runbooks, default, step, run)
    finally:
        local_aws.switch("branch-end-reversed", on=False)


def test_a_variable_without_a_value_equals_nothing(runbooks: Runbooks) -> None:
    first = returning("{}", name="first", outputs=[output("Missing", "$.Payload.missing")])
    choice = {"NextStep": "skipped", "Variable": "{{ first.Missing }}", "StringEquals": ""}
    execution = runbooks.run(first, branch(choice, default="end"), returning("{}", name="skipped"), returning("{}", name="end"))
    assert statuses(execution) == {"first": "Success", "branch": "Success", "skipped": "Pending", "end": "Success"}


# Calls of APIs


def test_an_api_is_called_as_the_role(runbooks: Runbooks) -> None:
    outputs = [output("Arn", "$.Role.Arn"), output("Created", "$.Role.CreateDate"), output("Path", "$.Role.Path")]
    runbooks.create(
        api("iam", "GetRole", RoleName="{{ Name }}", step={"outputs": outputs}), parameters={"Name": {"type": "String"}}
    )
    step = step_of(runbooks.wait(runbooks.start(Name="automation"), "Failed"), "call")
    assert step["FailureMessage"].startswith("The call of iam:GetRole failed: An error occurred (AccessDenied)")
    assert step["FailureDetails"]["FailureType"] == "Permission"
    runbooks.allow("iam:GetRole")
    step = step_of(runbooks.wait(runbooks.start(Name="automation"), "Success"), "call")
    assert step["Outputs"]["Arn"] == [runbooks.role]
    assert datetime.fromisoformat(step["Outputs"]["Created"][0]) < datetime.now(UTC) + timedelta(days=400)
    assert step["Inputs"] == {"Service": "iam", "Api": "GetRole", "RoleName": "automation"}
    step = step_of(runbooks.wait(runbooks.start(Name="none"), "Failed"), "call")
    assert "NoSuchEntity" in step["FailureMessage"]


def test_an_answer_that_can_not_be_parsed_fails_the_step_and_is_not_quoted(
    local_aws: LocalAwsClient, runbooks: Runbooks
) -> None:
    runbooks.allow("iam:GetAccountSummary")
    local_aws.add_fault(runbooks.account_id, "iam:GetAccountSummary", "BrokenBody")
    step = step_of(runbooks.run(api("iam", "GetAccountSummary")), "call")
    assert step["FailureMessage"] == "The call of iam:GetAccountSummary failed: The answer could not be parsed."


def test_an_api_may_have_the_name_of_the_method(runbooks: Runbooks) -> None:
    runbooks.allow("iam:GetAccountSummary")
    execution = runbooks.run(api("iam", "get_account_summary"))
    assert execution["AutomationExecutionStatus"] == "Success"


def test_an_api_that_fails_for_a_while_is_called_again(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    local_aws.add_fault(runbooks.account_id, "iam:GetAccountSummary", "AccessDenied", times=1)
    runbooks.allow("iam:GetAccountSummary")
    execution = runbooks.run(api("iam", "GetAccountSummary", step={"maxAttempts": 2}))
    assert execution["AutomationExecutionStatus"] == "Success"


def test_parameters_that_an_api_refuses_fail_the_step(runbooks: Runbooks) -> None:
    step = api("iam", "GetRole", RoleName="{{ Names }}")
    given: dict[str, str | list[str]] = {"Names": ["a", "b"]}
    execution = runbooks.run(step, parameters={"Names": {"type": "StringList"}}, given=given)
    message = step_of(execution, "call")["FailureMessage"]
    assert message.startswith(
        "The call of iam:GetRole failed: Parameter validation failed: Invalid type for parameter RoleName"
    )
    assert "\n" not in message


# Sleeps


def test_a_sleep_lasts_by_the_clock_of_the_local_aws(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(sleep("PT1H30M"))
    execution_id = runbooks.start()
    assert eventually(lambda: runbooks.get(execution_id).get("CurrentStepName") == "sleep")
    assert runbooks.get(execution_id)["CurrentAction"] == "aws:sleep"
    local_aws.advance_clock(seconds=3600)
    assert runbooks.get(execution_id)["AutomationExecutionStatus"] == "InProgress"
    local_aws.advance_clock(seconds=1800)
    execution = runbooks.wait(execution_id, "Success")
    assert execution["ExecutionEndTime"] - execution["ExecutionStartTime"] >= timedelta(hours=1.5)


@pytest.mark.parametrize(
    ("inputs", "step", "status"),
    [
        ({"Duration": "PT1H"}, {}, "Success"),
        ({"Duration": "{{ Length }}"}, {}, "Failed"),
        ({"Duration": "PT2H"}, {"timeoutSeconds": 3600}, "TimedOut"),
    ],
)
def test_how_a_sleep_ends(
    local_aws: LocalAwsClient, runbooks: Runbooks, inputs: dict[str, str], step: dict[str, Any], status: str
) -> None:
    length = {"Length": {"type": "String", "default": "tomorrow"}}
    runbooks.create({"name": "sleep", "action": "aws:sleep", "inputs": inputs, **step}, parameters=length)
    execution_id = runbooks.start()
    local_aws.advance_clock(seconds=7200)
    assert statuses(runbooks.wait(execution_id)) == {"sleep": status}


# Approvals


class Approvals:
    """A runbook that waits for an approval, and its approvers."""

    def __init__(self, local_aws: LocalAwsClient, client: Clients, runbooks: Runbooks) -> None:
        self.runbooks = runbooks
        self._local_aws = local_aws
        self._iam: Client = client("iam", runbooks.account_id)
        self._sts: Client = client("sts", runbooks.account_id)
        self.sns: Client = client("sns", runbooks.account_id)
        self.topic: str = self.sns.create_topic(Name="Automation-approvals")["TopicArn"]

    def user(self, name: str, path: str = "/") -> tuple[str, Client]:
        """Create a user who may approve, and return the ARN and a client that acts as that user."""
        arn: str = self._iam.create_user(UserName=name, Path=path)["User"]["Arn"]
        policy = {"Effect": "Allow", "Action": "ssm:SendAutomationSignal", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        self._iam.put_user_policy(UserName=name, PolicyName="approve", PolicyDocument=document)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return arn, acting_as(self._local_aws, "ssm", key)

    def session(self, role: str, name: str, path: str = "/") -> tuple[str, Client]:
        """Begin a session of a role that may approve, and return its ARN and a client that acts with it."""
        trusted = trust({"AWS": f"arn:aws:iam::{self.runbooks.account_id}:root"})
        arn = f"arn:aws:iam::{self.runbooks.account_id}:role{path}{role}"
        if not any(each["RoleName"] == role for each in self._iam.list_roles()["Roles"]):
            self.runbooks.create_role(role, trusted, path)
            self.runbooks.allow("ssm:SendAutomationSignal", role=role)
        assumed = self._sts.assume_role(RoleArn=arn, RoleSessionName=name)
        return assumed["AssumedRoleUser"]["Arn"], acting_as(self._local_aws, "ssm", assumed["Credentials"])

    def wait(self, *approvers: str, inputs: dict[str, Any] | None = None, **step: Parameter) -> str:
        """Start an execution, and return its id when it waits."""
        approve = {"Approvers": list(approvers), **(inputs or {})}
        self.runbooks.create({"name": "approve", "action": "aws:approve", "inputs": approve, **step}, returning("{}"))
        execution_id = self.runbooks.start()
        waiting = self.runbooks.wait(execution_id, "Waiting")
        assert statuses(waiting) == {"approve": "Waiting", "script": "Pending"}
        return execution_id


@pytest.fixture
def approvals(local_aws: LocalAwsClient, client: Clients, runbooks: Runbooks) -> Approvals:
    return Approvals(local_aws, client, runbooks)


def send(ssm: Client, execution_id: str, signal: str = "Approve", **payload: list[str]) -> None:
    ssm.send_automation_signal(
        AutomationExecutionId=execution_id, SignalType=signal, **({"Payload": payload} if payload else {})
    )


def test_an_approver_lets_an_execution_go_on(approvals: Approvals) -> None:
    arn, ssm = approvals.user("approver")
    execution_id = approvals.wait(arn)
    send(ssm, execution_id, Comment=["Go on."])
    execution = approvals.runbooks.wait(execution_id, "Success")
    assert statuses(execution) == {"approve": "Success", "script": "Success"}
    outputs = step_of(execution, "approve")["Outputs"]
    assert outputs["ApprovalStatus"] == ["Approved"]
    [decision] = map(json.loads, outputs["ApproverDecisions"])
    assert decision == {"Approver": arn, "Decision": "Approve", "Comment": "Go on."}


@pytest.mark.parametrize("kind", ["user name", "user ARN", "user with a path", "role", "session"])
def test_who_may_approve(approvals: Approvals, kind: str) -> None:
    role = f"arn:aws:iam::{approvals.runbooks.account_id}:role/approvers"
    if kind in {"role", "session"}:
        arn, ssm = approvals.session("approvers", "alice")
        entry = role if kind == "role" else arn
    else:
        entry, ssm = approvals.user("approver", "/team/" if kind == "user with a path" else "/")
        entry = "approver" if kind == "user name" else entry
    execution_id = approvals.wait(entry)
    for other in (approvals.user("another")[1], approvals.session("others", "alice")[1], approvals.runbooks.ssm):
        code, message = refusal(other.send_automation_signal, AutomationExecutionId=execution_id, SignalType="Approve")
        assert code == "InvalidAutomationSignalException"
        assert "is no approver of step approve" in message
    assert approvals.runbooks.get(execution_id)["AutomationExecutionStatus"] == "Waiting"
    send(ssm, execution_id)
    approvals.runbooks.wait(execution_id, "Success")


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("entry", ["role/team/approvers", "role/approvers", "session"])
def test_an_approvers_role_may_be_known_by_its_path_or_not(
    local_aws: LocalAwsClient,
    approvals: Approvals,
    entry: str,
    on: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    """No page says. The ARN of a session has no path, so it is an approver either way."""
    session, ssm = approvals.session("approvers", "alice", path="/team/")
    execution_id = approvals.wait(session if entry == "session" else f"arn:aws:iam::{approvals.runbooks.account_id}:{entry}")
    local_aws.switch("approvers-without-path", on=on)
    try:
        if on and "team" in entry:
            request = {"AutomationExecutionId": execution_id, "SignalType": "Approve"}
            assert refusal(ssm.send_automation_signal, **request)[0] == "InvalidAutomationSignalException"
            return
        send(ssm, execution_id)
    finally:
        local_aws.switch("approvers-without-path", on=False)
    approvals.runbooks.wait(execution_id, "Success")


def test_another_session_of_the_role_is_no_approver_if_one_is_named(approvals: Approvals) -> None:
    alice, _ = approvals.session("approvers", "alice")
    _, bob = approvals.session("approvers", "bob")
    execution_id = approvals.wait(alice)
    request = {"AutomationExecutionId": execution_id, "SignalType": "Approve"}
    assert refusal(bob.send_automation_signal, **request)[0] == "InvalidAutomationSignalException"


def test_approvals_count_once_for_each_approver(approvals: Approvals) -> None:
    first, as_first = approvals.user("first")
    _, as_second = approvals.user("second")
    execution_id = approvals.wait(first, "second", "third", inputs={"MinRequiredApprovals": 2})
    send(as_first, execution_id)
    code, _ = refusal(as_first.send_automation_signal, AutomationExecutionId=execution_id, SignalType="Approve")
    assert code == "InvalidAutomationSignalException"
    assert approvals.runbooks.get(execution_id)["AutomationExecutionStatus"] == "Waiting"
    send(as_second, execution_id)
    execution = approvals.runbooks.wait(execution_id, "Success")
    assert len(step_of(execution, "approve")["Outputs"]["ApproverDecisions"]) == 2


def test_one_rejection_rejects(approvals: Approvals) -> None:
    first, as_first = approvals.user("first")
    second, as_second = approvals.user("second")
    execution_id = approvals.wait(first, second, inputs={"MinRequiredApprovals": 2})
    send(as_first, execution_id)
    send(as_second, execution_id, "Reject")
    execution = approvals.runbooks.wait(execution_id, "Failed")
    assert statuses(execution) == {"approve": "Failed", "script": "Pending"}
    assert execution["FailureMessage"] == f"Step approve failed: It was rejected by {second}."
    assert step_of(execution, "approve")["Outputs"]["ApprovalStatus"] == ["Rejected"]


@pytest.mark.parametrize(("step", "seconds"), [({}, 7 * DAY), ({"timeoutSeconds": 2 * DAY}, 2 * DAY)])
def test_an_approval_is_waited_for_so_long(
    local_aws: LocalAwsClient, approvals: Approvals, step: dict[str, Any], seconds: int
) -> None:
    execution_id = approvals.wait("nobody", **step)
    local_aws.advance_clock(seconds=seconds - 3600)
    assert approvals.runbooks.get(execution_id)["AutomationExecutionStatus"] == "Waiting"
    local_aws.advance_clock(seconds=3600)
    execution = approvals.runbooks.wait(execution_id, "TimedOut")
    assert statuses(execution) == {"approve": "TimedOut", "script": "Pending"}
    assert step_of(execution, "approve")["Outputs"]["ApprovalStatus"] == ["Waiting"]


def test_approvers_are_told_by_the_topic(client: Clients, approvals: Approvals) -> None:
    """The role needs the permission to publish to the topic."""
    sqs: Client = client("sqs", approvals.runbooks.account_id)
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sending = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [sending]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    approvals.sns.subscribe(TopicArn=approvals.topic, Protocol="sqs", Endpoint=queue)
    inputs = {"NotificationArn": approvals.topic, "Message": "Remove {{ global:ACCOUNT_ID }}?", "Approvers": ["nobody"]}
    approvals.runbooks.create({"name": "approve", "action": "aws:approve", "inputs": inputs})
    execution = approvals.runbooks.wait(approvals.runbooks.start(), "Failed")
    assert "sns:Publish failed: An error occurred (AuthorizationError)" in execution["FailureMessage"]
    approvals.runbooks.allow("sns:Publish", resource=approvals.topic)
    execution_id = approvals.runbooks.start()
    approvals.runbooks.wait(execution_id, "Waiting")
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    told = json.loads(message["Body"])["Message"]
    assert f"Remove {approvals.runbooks.account_id}?" in told
    assert execution_id in told


@pytest.mark.parametrize(
    ("signal", "payload"),
    [("Resume", {}), ("StartStep", {"StepName": ["approve"]}), ("Approve", {"StepName": ["approve"]})],
)
def test_other_signals_are_refused(approvals: Approvals, signal: str, payload: dict[str, list[str]]) -> None:
    arn, ssm = approvals.user("approver")
    execution_id = approvals.wait(arn)
    request = {"AutomationExecutionId": execution_id, "SignalType": signal, **({"Payload": payload} if payload else {})}
    assert refusal(ssm.send_automation_signal, **request)[0] == "InvalidAutomationSignalException"


def test_a_signal_needs_an_execution_that_waits(runbooks: Runbooks) -> None:
    execution = runbooks.run(returning("{}"))
    request = {"AutomationExecutionId": execution["AutomationExecutionId"], "SignalType": "Approve"}
    assert refusal(runbooks.ssm.send_automation_signal, **request)[0] == "InvalidAutomationSignalException"
    request["AutomationExecutionId"] = str(uuid.uuid4())
    assert refusal(runbooks.ssm.send_automation_signal, **request)[0] == "AutomationExecutionNotFoundException"


def test_approvers_that_a_parameter_gives_are_checked_when_it_is_known(approvals: Approvals) -> None:
    inputs = {"Approvers": "{{ Approvers }}"}
    many = [f"user-{number}" for number in range(11)]
    execution = approvals.runbooks.run(
        {"name": "approve", "action": "aws:approve", "inputs": inputs},
        parameters={"Approvers": {"type": "StringList"}},
        given={"Approvers": many},
    )
    assert execution["FailureMessage"].startswith("Step approve failed: Approvers has 1 to 10 names and ARNs")


# Stopping


@pytest.mark.parametrize(("how", "status", "step"), [("Cancel", "Cancelled", "Cancelled"), ("Complete", "Success", "Success")])
def test_an_execution_that_waits_can_be_stopped(runbooks: Runbooks, how: str, status: str, step: str) -> None:
    runbooks.create(sleep("P1D"), returning("{}"))
    execution_id = runbooks.start()
    assert eventually(lambda: runbooks.get(execution_id).get("CurrentStepName") == "sleep")
    runbooks.ssm.stop_automation_execution(AutomationExecutionId=execution_id, Type=how)
    execution = runbooks.wait(execution_id, status)
    assert statuses(execution) == {"sleep": step, "script": "Pending"}
    assert "FailureMessage" not in execution
    code, _ = refusal(runbooks.ssm.stop_automation_execution, AutomationExecutionId=execution_id)
    assert code == "InvalidAutomationStatusUpdateException"


# Many


def test_so_many_executions_run_and_so_many_wait(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    """100 executions run at a time. The others wait, and run in their order or are cancelled."""
    runbooks.create(sleep("PT1H"))
    started = [runbooks.start() for _ in range(103)]
    listed = [
        execution
        for page in runbooks.ssm.get_paginator("describe_automation_executions").paginate()
        for execution in page["AutomationExecutionMetadataList"]
    ]
    waiting = [each["AutomationExecutionId"] for each in listed if each["AutomationExecutionStatus"] == "Pending"]
    assert waiting == started[:99:-1]
    runbooks.ssm.stop_automation_execution(AutomationExecutionId=started[101])
    assert statuses(runbooks.wait(started[101], "Cancelled")) == {"sleep": "Pending"}
    runbooks.ssm.stop_automation_execution(AutomationExecutionId=started[5])
    runbooks.wait(started[5], "Cancelled")
    runbooks.wait(started[100], "InProgress")
    assert runbooks.get(started[102])["AutomationExecutionStatus"] == "Pending"
    local_aws.advance_clock(seconds=3600)
    local_aws.advance_clock(seconds=3600)  # for the one that had to wait
    ended = {runbooks.wait(execution_id)["AutomationExecutionStatus"] for execution_id in started}
    assert ended == {"Success", "Cancelled"}


def test_executions_are_described_the_newest_first(runbooks: Runbooks) -> None:
    runbooks.create(returning("{}"), name="First")
    runbooks.create(fails(), name="Second")
    started = [runbooks.start(name) for name in ("First", "Second", "First")]
    for execution_id in started:
        runbooks.wait(execution_id)
    describe = runbooks.ssm.describe_automation_executions
    assert [each["AutomationExecutionId"] for each in describe()["AutomationExecutionMetadataList"]] == started[::-1]

    def passing(key: str, *values: str) -> list[str]:
        listed = describe(Filters=[{"Key": key, "Values": list(values)}])["AutomationExecutionMetadataList"]
        return [each["AutomationExecutionId"] for each in listed]

    assert passing("DocumentNamePrefix", "Fir") == [started[2], started[0]]
    assert passing("DocumentNamePrefix", "Fir", "Sec") == started[::-1]
    assert passing("StartTimeAfter", "2020-01-01T00:00:00Z") == started[::-1]
    assert passing("StartTimeAfter", "2100-01-01T00:00:00Z") == []
    assert refusal(describe, Filters=[{"Key": "TagKey", "Values": ["a"]}])[0] == "InvalidFilterKey"
    assert refusal(describe, Filters=[{"Key": "StartTimeAfter", "Values": ["a"]}])[0] == "InvalidFilterValue"


def test_steps_are_described_in_their_order(runbooks: Runbooks) -> None:
    execution = runbooks.run(sleep("PT0S", "one"), sleep("PT0S", "two"), fails("three"))
    execution_id = execution["AutomationExecutionId"]

    steps = runbooks.ssm.describe_automation_step_executions(AutomationExecutionId=execution_id)["StepExecutions"]
    assert [step["StepName"] for step in steps] == ["one", "two", "three"]
    describe = runbooks.ssm.describe_automation_step_executions
    assert refusal(describe, AutomationExecutionId=str(uuid.uuid4()))[0] == "AutomationExecutionNotFoundException"
    for not_emulated in ({"ReverseOrder": True}, {"Filters": [{"Key": "StepName", "Values": ["two"]}]}):
        assert refusal(describe, AutomationExecutionId=execution_id, **not_emulated)[0] == "ValidationException"


def test_executions_are_their_accounts_and_regions(client: Clients, runbooks: Runbooks, other_account_id: str) -> None:
    execution_id = runbooks.run(returning("{}"))["AutomationExecutionId"]
    elsewhere = client("ssm", other_account_id)
    assert not elsewhere.describe_automation_executions()["AutomationExecutionMetadataList"]
    code, _ = refusal(elsewhere.get_automation_execution, AutomationExecutionId=execution_id)
    assert code == "AutomationExecutionNotFoundException"
