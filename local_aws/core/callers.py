"""Who calls: the account, the Region and the principal of the request that this thread serves."""

from contextlib import AbstractContextManager

from local_aws.core import ministack_seams

Scope = tuple[str, str]
"""An account id and a Region. AWS keeps most things for each of them apart."""

_RESPONSES = "ministack.core.responses"


def account_id() -> str:
    """Return the id of the account that calls."""
    return str(ministack_seams.module(_RESPONSES).get_account_id())


def region() -> str:
    """Return the Region that the request is for."""
    return str(ministack_seams.module(_RESPONSES).get_region())


def scope(account: str) -> Scope:
    """Return an account together with the Region of the request."""
    return account, region()


def principal() -> str:
    """Return the ARN of the principal that calls: a user, a session of a role, or the root user."""
    return str(ministack_seams.module("ministack.core.iam_evaluator").caller_arn())


def acting_in(account: str, region_name: str) -> AbstractContextManager[None]:
    """Serve an account and Region within the `with` block, as if a request came from there."""
    context: AbstractContextManager[None] = ministack_seams.module(_RESPONSES).request_scope(account, region_name)
    return context
