"""Building blocks for the tests of CloudFormation's resource types: a stack of an account, and a rule in it."""

import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.local_aws.scene import Client, Clients, Parameter, rule

STACK = "example"


class Stack:
    """A stack of the test's account."""

    def __init__(self, client: Clients, account_id: str) -> None:
        self._cloudformation: Client = client("cloudformation", account_id)

    def create(self, resources: dict[str, Any], **outputs: Any) -> None:  # noqa: ANN401 - a template's values
        self._cloudformation.create_stack(StackName=STACK, TemplateBody=template(resources, outputs))
        self._wait("stack_create_complete")

    def update(self, resources: dict[str, Any], **outputs: Any) -> None:  # noqa: ANN401 - a template's values
        self._cloudformation.update_stack(StackName=STACK, TemplateBody=template(resources, outputs))
        self._wait("stack_update_complete")

    def delete(self) -> None:
        self._cloudformation.delete_stack(StackName=STACK)
        self._wait("stack_delete_complete")

    def _wait(self, for_what: str) -> None:
        self._cloudformation.get_waiter(for_what).wait(StackName=STACK, WaiterConfig={"Delay": 0.05, "MaxAttempts": 12000})

    @property
    def status(self) -> str:
        [stack] = self._cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        return str(stack["StackStatus"])

    @property
    def outputs(self) -> dict[str, str]:
        [stack] = self._cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @property
    def resources(self) -> list[dict[str, Any]]:
        resources: list[dict[str, Any]] = self._cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        return resources

    @property
    def failures(self) -> dict[str, str]:
        """The first failure of each resource."""
        events = self._cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        return {
            event["LogicalResourceId"]: event["ResourceStatusReason"]
            for event in events
            if event["ResourceStatus"] in {"CREATE_FAILED", "UPDATE_FAILED"}
        }


def template(resources: dict[str, Any], outputs: dict[str, Any]) -> str:
    return json.dumps({"Resources": resources, "Outputs": {name: {"Value": value} for name, value in outputs.items()}})


def config_rule(function_arn: str, name: str = "example", **properties: Parameter) -> dict[str, Any]:
    return {"Type": "AWS::Config::ConfigRule", "Properties": rule(function_arn, name, **properties)}


def fails(call: Any, *arguments: Any) -> None:  # noqa: ANN401 - a method of Stack and its arguments
    with pytest.raises(WaiterError):
        call(*arguments)
