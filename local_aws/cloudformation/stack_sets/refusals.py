"""How StackSets refuse."""

from typing import Any, NoReturn

from local_aws.core.models import AwsError

NOT_FOUND = "StackSetNotFoundException"
_SELF_MANAGED = ("AdministrationRoleARN", "ExecutionRoleName")


def invalid(message: str) -> AwsError:
    """Say what is wrong with a request."""
    return AwsError("ValidationError", message)


def refuse(message: str) -> NoReturn:
    """Refuse a request. Raises AwsError."""
    raise invalid(message)


def not_an_administrator() -> AwsError:
    """Say that the caller does not act for an organization."""
    return invalid(
        "You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED "
        "stack set"
    )


def refuse_self_managed(params: dict[str, Any]) -> None:
    """Refuse what only StackSets with self-managed permissions have."""
    if params.get("Accounts"):
        refuse("StackSets with SERVICE_MANAGED permission model can only have DeploymentTargets, not Accounts.")
    for name in _SELF_MANAGED:
        if params.get(name):
            refuse(f"StackSets with SERVICE_MANAGED permission model can not have {name}.")
