"""Actions that a request needs besides its own: the caller needs a permission for them too.

Source: Service Authorization Reference, dependent actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from local_aws.authorization import principals
from local_aws.core import ministack_seams


@dataclass(frozen=True)
class Refusal:
    """The principal (ARN) that may not do something, and the message that says so."""

    principal: str
    message: str


def refusal(
    action: str, resource: str, region: str, keys: Mapping[str, str], access_key_id: str | None = None
) -> Refusal | None:
    """Return why a caller may not do `action` ("iam:PassRole") on `resource`, or None if the policies allow it.

    `keys` are condition keys of the request. `access_key_id` is the caller's, by default that of the present request.
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    key = principals.access_key_id() if access_key_id is None else access_key_id
    denied = evaluator.enforce(key, action, action.partition(":")[0], region, resource, dict(keys))
    if denied is None:
        return None
    word = ministack_seams.module("ministack.core.iam_actions").identity_denial_message
    return Refusal(denied.principal_arn, str(word(action, denied.principal_arn, resource, denied.decision == "Deny")))


def refusal_to_pass(role: str, service: str, region: str) -> Refusal | None:
    """Return why the caller of the present request may not pass a role (its ARN) to a service (its principal), or None."""
    return refusal("iam:PassRole", role, region, {"iam:PassedToService": service})
