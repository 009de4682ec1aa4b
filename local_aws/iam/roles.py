"""IAM: what AWS refuses to do with roles, and MiniStack would do."""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.authorization.principals import SERVICE_LINKED, entity
from local_aws.core import ministack_seams
from local_aws.core.models import AwsError

_CHANGES = (
    "AttachRolePolicy",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
)


def _create(account_id: str, params: dict[str, Any]) -> None:
    """Refuse a name that a role has in any case, and the path of service-linked roles.

    Sources: API reference, CreateRole (RoleName); AWS was seen to refuse the path so:
    https://github.com/tilfin/aws-iam-policy-tool/pull/9.
    """
    if params.get("Path", "").startswith(SERVICE_LINKED):
        message = f"Path prefix '{SERVICE_LINKED}' can only be used for AWS Service linked Roles"
        raise AwsError("InvalidInput", message)
    name = params["RoleName"]
    if entity("role", account_id, name):
        message = f"Role with name {name} already exists."
        raise AwsError("EntityAlreadyExists", message)


def _change(_: str, params: dict[str, Any]) -> None:
    """Refuse to change a service-linked role."""
    name = params["RoleName"]
    if str(ministack_seams.module("ministack.services.iam")._roles.get(name, {}).get("Path", "")).startswith(SERVICE_LINKED):
        message = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        raise AwsError("UnmodifiableEntity", message)


OPERATIONS: Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any] | None]] = {
    "CreateRole": _create,
    **dict.fromkeys(_CHANGES, _change),
}
"""MiniStack answers them, unless they are refused here."""
