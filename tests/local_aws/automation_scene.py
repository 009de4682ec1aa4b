"""Building blocks for the tests of Automation: runbooks of an account, their role, and their executions."""

import json
from functools import cache
from textwrap import dedent
from typing import Any

import boto3
from botocore.config import Config

from local_aws.client import REGION, LocalAwsClient
from tests.local_aws.scene import Client, Clients, Parameter, allow, eventually, trust

Step = dict[str, Any]
Execution = dict[str, Any]
ROLE_PARAMETER = {"AutomationAssumeRole": {"type": "AWS::IAM::Role::Arn"}}
ENDED = {"Success", "TimedOut", "Cancelled", "Failed"}


class Runbooks:
    """The runbooks of an account, and a role "automation" that may do nothing at first."""

    def __init__(self, client: Clients, account_id: str, *actions: str) -> None:
        self.account_id = account_id
        self.ssm: Client = client("ssm", account_id)
        self._iam: Client = client("iam", account_id)
        self.role = self.create_role("automation", trust({"Service": "ssm.amazonaws.com"}))
        if actions:
            self.allow(*actions)

    def create_role(self, name: str, trust_policy: str, path: str = "/") -> str:
        role: str = self._iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]
        return role

    def allow(self, *actions: str, resource: str = "*", role: str = "automation") -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName="actions", PolicyDocument=allow(*actions, resource=resource))

    def create(self, *steps: Step, name: str = "Example", **document: Parameter) -> None:
        content = json.dumps(runbook(*steps, **document))
        self.ssm.create_document(Name=name, Content=content, DocumentType="Automation", DocumentFormat="YAML")

    def start(self, document: str = "Example", /, **parameters: str | list[str]) -> str:
        given = {"AutomationAssumeRole": self.role, **parameters}
        values = {key: [value] if isinstance(value, str) else value for key, value in given.items()}
        execution_id: str = self.ssm.start_automation_execution(DocumentName=document, Parameters=values)[
            "AutomationExecutionId"
        ]
        return execution_id

    def get(self, execution_id: str) -> Execution:
        execution: Execution = self.ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
        return execution

    def wait(self, execution_id: str, *statuses: str) -> Execution:
        """Wait until an execution has one of the statuses, or has ended."""
        wanted = set(statuses) or ENDED
        eventually(lambda: self.get(execution_id)["AutomationExecutionStatus"] in wanted | ENDED)
        execution = self.get(execution_id)
        assert execution["AutomationExecutionStatus"] in wanted, execution
        return execution

    def run(self, *steps: Step, given: dict[str, str | list[str]] | None = None, **document: Parameter) -> Execution:
        """Create a runbook of the steps, execute it with the given parameters, and wait for its end."""
        self.create(*steps, **document)
        return self.wait(self.start(**(given or {})))


def runbook(*steps: Step, parameters: dict[str, Any] | None = None, **document: Parameter) -> dict[str, Any]:
    """Make the content of a document."""
    return {
        "schemaVersion": "0.3",
        "assumeRole": "{{ AutomationAssumeRole }}",
        "parameters": ROLE_PARAMETER | (parameters or {}),
        "mainSteps": list(steps),
        **document,
    }


def script(code: str, payload: dict[str, Any] | None = None, name: str = "script", **step: Parameter) -> Step:
    """Make a step that runs `code`, which has a handler(events, context)."""
    inputs = {"Runtime": "python3.11", "Handler": "handler", "Script": dedent(code), "InputPayload": payload or {}}
    return {"name": name, "action": "aws:executeScript", "inputs": inputs, **step}


def returning(expression: str, payload: dict[str, Any] | None = None, name: str = "script", **step: Parameter) -> Step:
    """Make a step whose script returns the value of an expression of `events`."""
    return script(f"def handler(events, context):\n    return {expression}\n", payload, name, **step)


def sleep(length: str = "PT1H", name: str = "sleep", **step: Parameter) -> Step:
    """Make a step that sleeps."""
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": length}, **step}


def api(service: str, operation: str, name: str = "call", *, step: dict[str, Any] | None = None, **inputs: Parameter) -> Step:
    """Make a step that calls an API."""
    called = {"Service": service, "Api": operation, **inputs}
    return {"name": name, "action": "aws:executeAwsApi", "inputs": called, **(step or {})}


def branch(*choices: dict[str, Any], default: str | None = None, name: str = "branch", **step: Parameter) -> Step:
    """Make a step that chooses the next one."""
    inputs = {"Choices": list(choices), **({"Default": default} if default else {})}
    return {"name": name, "action": "aws:branch", "inputs": inputs, **step}


def output(name: str, selector: str, type_name: str = "String") -> dict[str, str]:
    """Make an output of a step."""
    return {"Name": name, "Selector": selector, "Type": type_name}


def statuses(execution: Execution) -> dict[str, str]:
    """Return the status of each step."""
    return {step["StepName"]: step["StepStatus"] for step in execution["StepExecutions"]}


def step_of(execution: Execution, name: str = "script") -> dict[str, Any]:
    """Return a step of an execution."""
    [step] = [step for step in execution["StepExecutions"] if step["StepName"] == name]
    return dict(step)


def payload_of(execution: Execution, name: str = "script") -> Any:  # noqa: ANN401 - JSON
    """Return the payload of a script."""
    return json.loads(step_of(execution, name)["Outputs"]["Payload"][0])


def acting_as(local_aws: LocalAwsClient, service: str, credentials: dict[str, str]) -> Client:
    """Make a client that acts with the credentials of a session or an IAM user, and does not retry."""
    return _session().client(
        service,  # type: ignore[call-overload]  # the name is not known here
        region_name=REGION,
        endpoint_url=local_aws.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
        config=Config(retries={"total_max_attempts": 1}),
    )


@cache
def _session() -> boto3.Session:
    return boto3.Session()
