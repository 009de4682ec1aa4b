"""What CloudFormation refuses while rollback is disabled, as it is for an organization, and how to deploy once with rollback.

CloudFormation then replaces no resource.  It updates a failed stack only without rollback, until it is rolled back to its last
complete state; without such a state, rolling back deletes the stack.
Sources: AWS CloudFormation User Guide, stack failure options; API reference, RollbackStack; users quote the messages
(aws/aws-cdk#30546).
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from organization import aws, commands
from organization.aws import CommandError
from organization.statuses import Advice

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

_REFUSAL = "not supported on stack with disable-rollback"
"""A part of the reason that CloudFormation gives for a resource that it does not replace."""

_STACK = "AWS::CloudFormation::Stack"

FAILED = frozenset({"CREATE_FAILED", "UPDATE_FAILED"})
"""Where a failed deployment without rollback leaves a stack."""

_COMPLETE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
"""The states that RollbackStack returns to."""


def refusals(cloudformation: "CloudFormationClient", stack: "StackTypeDef", region: str, since: datetime) -> list[Advice]:
    """Say what CloudFormation has refused to replace since a time, and what to do; nothing if it refused nothing."""
    resources = set(_refused(cloudformation, stack.get("StackId", stack["StackName"]), since))
    if not resources:
        return []
    why = f"CloudFormation has to replace {', '.join(sorted(resources))}, and replaces nothing while rollback is disabled."
    return [_way_back(why, cloudformation, stack, region)]


def _refused(cloudformation: "CloudFormationClient", stack_id: str, since: datetime) -> Iterator[str]:
    """Yield the resources that CloudFormation has refused to replace, in the stack and in those nested in it."""
    for event in takewhile(lambda event: event["Timestamp"] >= since, aws.events_of(cloudformation, stack_id)):
        nested = event.get("PhysicalResourceId", "")
        if _REFUSAL in event.get("ResourceStatusReason", ""):
            yield event.get("LogicalResourceId", "")
        elif event.get("ResourceType") == _STACK and event.get("ResourceStatus") == "UPDATE_FAILED" and nested != stack_id:
            yield from _refused(cloudformation, nested, since)


def refuse_failed(cloudformation: "CloudFormationClient", stack: "StackTypeDef", region: str) -> None:
    """Raise CommandError if CloudFormation does not update a stack with rollback."""
    status = stack["StackStatus"]
    if status not in FAILED:
        return
    why = f"The stack {stack['StackName']} is {status}, and CloudFormation updates it only without rollback."
    advice = _way_back(why, cloudformation, stack, region)
    message = f"{advice.why} {advice.action}" + "".join(f" `{command}`" for command in advice.commands)
    raise CommandError(message)


def _way_back(why: str, cloudformation: "CloudFormationClient", stack: "StackTypeDef", region: str) -> Advice:
    name = stack["StackName"]
    deploy = commands.deploy_with_rollback(name)
    if _was_complete(cloudformation, stack.get("StackId", "")):
        action = "Roll it back to its last complete state, wait, and deploy once with rollback:"
        return Advice(why, action, (commands.roll_back(region, name), deploy))
    action = (
        "It was never complete, so CloudFormation would delete it instead of rolling it back. First deploy the former "
        f"version, until it is complete: fix or exclude the accounts that `{commands.report(name)}` lists. Then deploy this "
        "version once with rollback:"
    )
    return Advice(why, action, (deploy,))


def _was_complete(cloudformation: "CloudFormationClient", stack_id: str) -> bool:
    events = aws.events_of(cloudformation, stack_id)
    return any(event.get("PhysicalResourceId") == stack_id and event.get("ResourceStatus") in _COMPLETE for event in events)
