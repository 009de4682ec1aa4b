"""Service control policies: what the policies of an organization refuse to the principals of its accounts.

Sources, below https://docs.aws.amazon.com/organizations/latest/userguide/: orgs_manage_policies_scps_evaluation.html (each
level must allow, and none may deny) and orgs_manage_policies_scps.html (they bind the root users of members, but not the
management account and not service-linked roles).
The wording of an explicit deny, which names the policy:
https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns
The wording of an implicit deny: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.authorization.principals import is_service_linked
from local_aws.core import ministack_seams
from local_aws.organizations.policies import Policies


@dataclass(frozen=True)
class _Policy:
    """A policy as MiniStack's evaluator takes it."""

    arn: str
    statements: list[Any]


_Level = list[_Policy]


class ServiceControlPolicies:
    """Decides by the policies of the organization."""

    def __init__(self, policies: Policies) -> None:
        """Decide by `policies`, even if they change."""
        self._policies = policies
        self._levels: dict[str, list[_Level]] = {}
        """What binds each account that was asked for, until something changes."""
        policies.when_changed.append(self._forget)

    def bind(self, account_id: str) -> bool:
        """Tell whether more than FullAWSAccess binds the principals of an account."""
        return bool(self._levels_above(account_id))

    def refusal(self, principal: Any, action: str, resource: str, region: str, keys: Mapping[str, Any]) -> str | None:  # noqa: ANN401 - MiniStack's PrincipalInfo has no types here
        """Return why the policies refuse a call, or None if they let it pass.

        `keys` are condition keys of the request, with names in lower case.
        """
        levels = self._levels_above(principal.account)
        if not levels or is_service_linked(principal.arn):
            return None
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        always = {"aws:principalisawsservice": "false", "aws:viaawsservice": "false", "aws:tagkeys": None}
        context = evaluator.EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=principal.account,
            action=action,
            resource_arn=resource,
            region=region,
            service_context={**always, **_resource_tags(levels, resource), **keys},
            principal_keys=principal.keys,
        )
        said = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
        for policy in (policy for level in levels for policy in level):
            if evaluator._first_match(context, policy.statements, "Deny"):
                return f"{said} with an explicit deny in a service control policy: {policy.arn}"
        for level in levels:
            if not any(evaluator._first_match(context, policy.statements, "Allow") for policy in level):
                return f"{said} because no service control policy allows the {action} action"
        return None

    def _levels_above(self, account_id: str) -> list[_Level]:
        levels = self._levels  # a change puts another dictionary in its place
        if account_id not in levels:
            parse = ministack_seams.module("ministack.core.iam_evaluator").parse_policy_document
            levels[account_id] = [
                [_Policy(policy.arn, parse(policy.content)) for policy in level]
                for level in self._policies.levels_above(account_id)
            ]
        return levels[account_id]

    def _forget(self) -> None:
        self._levels = {}


def _resource_tags(levels: list[_Level], resource: str) -> dict[str, Any]:
    """Return the tags of a resource as condition keys, if a condition asks for them."""
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    prefix = "aws:resourcetag/"
    if not evaluator._names_condition_key([policy.statements for level in levels for policy in level], prefix):
        return {}
    tags = ministack_seams.module("ministack.services.tagging").resource_tags(resource) or {}
    return {f"{prefix}{name}".lower(): value for name, value in tags.items()}
