"""Condition keys of a request and operators on them, where MiniStack's differ from AWS's.

Sources, below https://docs.aws.amazon.com/IAM/latest/UserGuide/: reference_policies_condition-keys.html and
reference_policies_elements_condition_operators.html; Service Authorization Reference, AWS Security Token Service.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization.principals import entity
from local_aws.core import ministack_seams
from local_aws.organizations.organization import Organization

_ARN_PARTS = 6


def install(organization: Organization | None) -> None:
    """Let MiniStack evaluate conditions with these keys and operators."""
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    actions = ministack_seams.module("ministack.core.iam_actions")
    resolve = _resolving(organization, evaluator._resolve_condition_key)
    ministack_seams.replace("ministack.core.iam_evaluator", "_resolve_condition_key", resolve)
    context = _with_task_policy(actions.request_tag_context)
    ministack_seams.replace("ministack.core.iam_actions", "request_tag_context", context)
    tags = _of_log_group(actions.logs_service_context)
    ministack_seams.replace("ministack.core.iam_actions", "logs_service_context", tags)
    for negation, operator in (("", _is_like), ("Not", lambda actual, expected: not _is_like(actual, expected))):
        for kind in ("Equals", "Like"):
            evaluator._CONDITION_OPS[f"Arn{negation}{kind}".lower()] = operator


def _resolving(organization: Organization | None, otherwise: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Return what gives a condition key's value.

    - aws:SecureTransport is true: this server speaks HTTP and AWS speaks HTTPS, which no policy shall notice.
    - aws:PrincipalOrgID and aws:ResourceOrgID exist for accounts of the organization only.
    - aws:PrincipalType of a root user is Account.
    - aws:PrincipalArn of a role's session is the role's ARN. MiniStack takes the session's.
    """

    def resolve(key: str, context: Any) -> Any:  # noqa: ANN401 - MiniStack's EvalContext has no types here
        if key.lower() == "aws:securetransport":
            return "true"
        if key.lower() in {"aws:principalorgid", "aws:resourceorgid"}:
            whose = "aws:PrincipalAccount" if "principal" in key.lower() else "aws:ResourceAccount"
            member = organization is not None and otherwise(whose, context) in organization.parents
            return organization.organization_id if organization and member else None
        value = otherwise(key, context)
        if key.lower() == "aws:principaltype" and context.principal_arn.endswith(":root"):
            return "Account"
        if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
            account_id, role_name = value.split(":")[4], value.split("/")[1]
            role = entity("role", account_id, role_name)
            return role["Arn"] if role else value
        return value

    return resolve


def _with_task_policy(otherwise: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return what gives the keys of a request: MiniStack's, and sts:TaskPolicyArn of AssumeRoot."""

    def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys = otherwise(service, action, body, params)
        asked = parse_qs(body.decode(errors="replace")).get("TaskPolicyArn.arn") if action == "sts:AssumeRoot" else None
        return {**keys, "sts:TaskPolicyArn": asked[0]} if asked else keys

    return context


def _of_log_group(otherwise: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Return what gives the tags of a log group, also if a stream is the resource of the action."""

    def context(action: str, body: bytes, arn: str, region: str, account_id: str) -> dict[str, Any]:
        return otherwise(action, body, arn.partition(":log-stream:")[0], region, account_id)

    return context


def _is_like(actual: str, expected: str) -> bool:
    """Compare each of the six parts of two ARNs separately. In MiniStack an asterisk runs over colons."""
    if expected == "*":
        return True
    parts = [arn.split(":", _ARN_PARTS - 1) for arn in (actual, expected)]
    if any(len(split) != _ARN_PARTS for split in parts):
        return False
    matches = ministack_seams.module("ministack.core.iam_evaluator").fnmatch_iam_cs
    return all(matches(value, pattern) for value, pattern in zip(*parts, strict=True))
