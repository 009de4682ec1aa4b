"""IAM: resources of CloudFormation's templates, whose policies MiniStack takes unread. They are checked as those of a request.

Source: CloudFormation schemas of AWS::IAM::Role, AWS::IAM::Policy, AWS::IAM::ManagedPolicy and AWS::IAM::User.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.core.models import AwsError
from local_aws.iam.checks import Checks
from local_aws.iam.policy_documents import check_identity_policy

_TYPES = tuple(f"AWS::IAM::{kind}" for kind in ("Role", "Policy", "ManagedPolicy", "User"))


def install(resource_types: Mapping[str, dict[str, Any]], checks: Checks) -> None:
    """Check the properties of resources before MiniStack creates or updates them; `resource_types` are its handlers."""
    for name in _TYPES:
        handlers = resource_types[name]
        for action, place in (("create", 1), ("update", 2)):
            if action in handlers:
                handlers[action] = _checked(handlers[action], place, checks)


def _checked(handle: Callable[..., Any], place: int, checks: Checks) -> Callable[..., Any]:
    """Check the argument at `place`, the new properties. MiniStack takes a ValueError for the reason of a failure."""

    def handle_checked(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's
        try:
            _check(arguments[place], checks)
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


def _documents(properties: Mapping[str, Any]) -> Iterator[str]:
    for has in (properties, *properties.get("Policies", ())):
        if "PolicyDocument" in has:
            yield _text(has["PolicyDocument"])


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)
