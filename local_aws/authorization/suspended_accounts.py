"""Accounts that are suspended or closed: nobody assumes a role there. `server/gate.py` refuses their credentials.

Source: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_close.html (nobody reaches AWS services
or resources with a closed account). Guess: what AssumeRole and AssumeRoot answer.
"""

from typing import Any

from local_aws.authorization.refusals import Refused
from local_aws.core import callers, ministack_seams
from local_aws.organizations.organization import Organization

_ASSUMING = {"sts:AssumeRole", "sts:AssumeRoot"}


def refusal(organization: Organization | None, action: str, resource_arn: str) -> Any:  # noqa: ANN401 - MiniStack's EvalResult or None
    """Refuse to assume a role in an account of `organization` that is suspended or closed; None if it is neither."""
    if organization is None or action not in _ASSUMING or not organization.is_shut(_account_of(resource_arn)):
        return None
    said = f"User: {callers.principal()} is not authorized to perform: {action} on resource: {resource_arn}"
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    return evaluator.EvalResult("Deny", principal_arn=Refused(callers.principal(), said))


def _account_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:role/NAME
