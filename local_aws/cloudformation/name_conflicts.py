"""An existing resource fails its stack before CloudFormation makes anything: a policy that PutResourcePolicy put.

Live: radkawar/stackd, testdata/aws/cloudformation, function_resource_policy.json and …_validation.json:
NAME_CONFLICT_VALIDATION, ROLLBACK_COMPLETE, and the old policy stays.  Nobody tried it over the statements of AddPermission,
which are no conflict here.  Guess: an ARN that another resource of the template gives is looked at when the policy is made.
"""

from typing import Any

from local_aws.aws_lambda import policies
from local_aws.core import ministack_seams

RESOURCE_POLICY = "AWS::Lambda::ResourcePolicy"
_STACKS = "ministack.services.cloudformation.stacks"

_Error = tuple[str, str, str, str, str]
"""Logical id, type, name of the validation, path, reason: what MiniStack fails a stack with."""


def message(function_arn: str) -> str:
    """Say that a function has a policy already."""
    return f"Resource of type '{RESOURCE_POLICY}' with identifier '{function_arn}' already exists."


def install() -> None:
    """Let MiniStack look for policies before it makes or updates a stack."""
    stacks = ministack_seams.module(_STACKS)
    others = stacks._validation_errors

    def errors(resources: dict[str, Any], ordered: list[str], *values: Any) -> list[_Error]:  # noqa: ANN401 - MiniStack's
        parameters, conditions, mappings, stack_name, stack_id, *_ = values
        found: list[_Error] = others(resources, ordered, *values)
        owned = _owned(stack_name)
        for logical_id in ordered:
            resource = resources[logical_id]
            if resource.get("Type") != RESOURCE_POLICY or not conditions.get(resource.get("Condition"), True):
                continue
            given = resource.get("Properties", {}).get("ResourceArn")
            arn = stacks._static_property(given, resources, parameters, conditions, mappings, stack_name, stack_id)
            if isinstance(arn, str) and arn not in owned and policies.was_put(arn):
                conflict = "NAME_CONFLICT_VALIDATION"
                found.append((logical_id, RESOURCE_POLICY, conflict, f"/Resources/{logical_id}", message(arn)))
        return found

    ministack_seams.replace(_STACKS, "_validation_errors", errors)


def _owned(stack_name: str) -> set[str]:
    """Return the ARNs of the functions whose policies a stack has already made."""
    stack = ministack_seams.module("ministack.services.cloudformation")._stacks.get(stack_name) or {}
    return {
        each.get("PhysicalResourceId", "")
        for each in stack.get("_resources", {}).values()
        if each.get("ResourceType") == RESOURCE_POLICY
    }
