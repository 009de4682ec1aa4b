"""IAM: resources of CloudFormation's templates, whose policies MiniStack takes unread. They are checked as those of a request.

Source: CloudFormation schemas of AWS::IAM::Role, AWS::IAM::Policy, AWS::IAM::ManagedPolicy and AWS::IAM::User.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.core.models import AwsError, ServiceApi
from local_aws.iam.checks import Checks
from local_aws.iam.policy_documents import check_identity_policy

_TYPES = tuple(f"AWS::IAM::{kind}" for kind in ("Role", "Policy", "ManagedPolicy", "User"))
_CREATED_BY = {
    "AWS::IAM::ManagedPolicy": ("CreatePolicy", {"ManagedPolicyName": "PolicyName"}, ("Description", "Path")),
    "AWS::IAM::Role": ("CreateRole", {"RoleName": "RoleName"}, ("Description", "MaxSessionDuration", "Path")),
    "AWS::IAM::User": ("CreateUser", {"UserName": "UserName"}, ("Path",)),
}
"""The request that would make a resource: the operation, the property with the name, and others. The model checks it."""
_DOCUMENTS = ("AssumeRolePolicyDocument", "PolicyDocument")


def install(resource_types: Mapping[str, dict[str, Any]], checks: Checks) -> None:
    """Check the properties of resources before MiniStack creates or updates them; `resource_types` are its handlers."""
    for name in _TYPES:
        handlers = resource_types[name]
        for action, place in (("create", 1), ("update", 2)):
            if action in handlers:
                handlers[action] = _checked(name, handlers[action], place, checks)


def _checked(name: str, handle: Callable[..., Any], place: int, checks: Checks) -> Callable[..., Any]:
    """Check the argument at `place`, the new properties. MiniStack reads a ValueError as the reason for a failure."""

    def handle_checked(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's
        try:
            _check(arguments[place], checks)
            _check_request(name, arguments[place], checks, new=place == 1)
        except AwsError as error:
            raise ValueError(error.message) from error
        return handle(*arguments, **more)

    return handle_checked


def _check(properties: Mapping[str, Any], checks: Checks) -> None:
    for document in _documents(properties):
        check_identity_policy(document)
    if "AssumeRolePolicyDocument" in properties:
        checks.check_trust(_text(properties["AssumeRolePolicyDocument"]))
    for arn in properties.get("ManagedPolicyArns", ()):
        checks.find_policy("AttachRolePolicy", arn)


def _check_request(name: str, properties: Mapping[str, Any], checks: Checks, *, new: bool) -> None:
    if name not in _CREATED_BY:
        return
    operation, names, others = _CREATED_BY[name]
    params = {member: properties.get(key, "generated") for key, member in names.items()}
    params |= {key: properties[key] for key in others if key in properties}
    params |= {key: _text(properties[key]) for key in _DOCUMENTS if key in properties}
    api = ServiceApi("iam")
    params = api.from_template(operation, params)
    api.validate(operation, params)
    # cloudformation/ministack_corrections.py has words of its own for a role.
    if new and not names.keys().isdisjoint(properties) and operation != "CreateRole":
        checks.check(operation, params)


def _documents(properties: Mapping[str, Any]) -> Iterator[str]:
    for has in (properties, *properties.get("Policies", ())):
        if "PolicyDocument" in has:
            yield _text(has["PolicyDocument"])


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)
