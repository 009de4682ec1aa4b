"""Accounts that are suspended or closed: nobody assumes a role there. `server/gate.py` refuses their credentials.

Source: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_close.html (nobody reaches AWS services
or resources with a closed account). Guess: what AssumeRole and AssumeRoot answer.
"""

from typing import Any

from local_aws.authorization.refusals import Refused
from local_aws.core import callers, ministack_seams
from local_aws.organizations.organization import Organization

_ASSUMING = {"sts:AssumeRole", "sts:AssumeRoot"}


def refusing(organization: Organization | None, enforce: Any) -> Any:  # noqa: ANN401 - MiniStack's function, and one like it
    """Return what refuses to assume roles in the accounts of `organization`, and then asks `enforce`."""
    if organization is None:
        return enforce
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")

    def enforce_in_active_accounts(  # noqa: PLR0913, PLR0917 - MiniStack's parameters
        access_key_id: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - MiniStack's EvalResult or AuthError, or None if the call is allowed
        if action in _ASSUMING and organization.is_shut(_account_of(resource_arn)):
            said = f"User: {callers.principal()} is not authorized to perform: {action} on resource: {resource_arn}"
            return evaluator.EvalResult("Deny", principal_arn=Refused(callers.principal(), said))
        return enforce(access_key_id, action, service, region, resource_arn, service_context)

    return enforce_in_active_accounts


def _account_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:role/NAME
