"""How a request is authorized.  `install` is the only place that changes how MiniStack decides.

Each request passes these questions, in this order:

1. Is the caller's account there? `server/gate.py` has asked, and refused accounts that nobody has or that Organizations has
   suspended. Neither does anybody assume a role or the root user in a suspended account (`suspended_accounts`).
2. Who calls? MiniStack verifies the signature, and finds the user, the session of a role, or the root user (`principals`).
   MiniStack's STS begins the session of a role for a caller that the role trusts, `service_roles` does so for a service, and
   `root_sessions` begins that of a member's root user.
3. What is the resource of the action? (`action_resources`)
4. What are the condition keys of the request? (`condition_keys`)
5. Do IAM policies allow it? MiniStack evaluates the policies of the principal, its permissions boundary, its session policy,
   and the policy of the resource. The session policy of a root session is its task policy.
6. Do service control policies let it pass? (`service_control_policies`)
7. May the caller pass the roles that the request passes? Questions 5 and 6 again, for iam:PassRole. (`passed_roles`)
8. May the deployer of a stack do what CloudFormation does for it? Question 6 again. (`deployers`, with the table in
   `resource_permissions`)

`refusals` words the answer if one says no.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.authorization import (
    condition_keys,
    passed_roles,
    principals,
    refusals,
    root_sessions,
    service_roles,
    suspended_accounts,
)
from local_aws.authorization.action_resources import ActionResources, ConfigArns
from local_aws.authorization.deployers import Deployers
from local_aws.authorization.passed_roles import Handler
from local_aws.authorization.refusals import Listener, Refused
from local_aws.authorization.service_control_policies import ServiceControlPolicies
from local_aws.core import callers, ministack_seams
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization


def install(  # noqa: PLR0913, PLR0917 - what has a say
    handlers: dict[str, Handler],
    resource_types: Mapping[str, dict[str, Any]],
    organization: Organization | None,
    policies: ServiceControlPolicies,
    deployers: Deployers,
    config: ConfigArns,
    switches: Switches,
    when_refused: Sequence[Listener],
) -> None:
    """Let everything here decide.

    `handlers` answer the requests of each service. `resource_types` are MiniStack's handlers of CloudFormation's types. Both
    are as the services of the local AWS leave them, since authorization goes in front. `when_refused` are told of each refusal.
    """
    actions = ministack_seams.module("ministack.core.iam_actions")
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")

    principals.find_names_in_any_case()
    service_roles.install()
    resources = ActionResources(config, switches, actions.extract_resource_arn)
    ministack_seams.replace("ministack.core.iam_actions", "extract_resource_arn", resources.arn)
    condition_keys.install(organization)
    enforce = _enforcing(organization, policies, evaluator.enforce)
    ministack_seams.replace("ministack.core.iam_evaluator", "enforce", enforce)
    refusals.install(when_refused)

    handlers["cloudformation"] = deployers.watching(handlers["cloudformation"])
    passed_roles.install(handlers)
    deployers.install(resource_types)


def _enforcing(organization: Organization | None, policies: ServiceControlPolicies, iam_policies: Any) -> Any:  # noqa: ANN401 - MiniStack's function, and one like it
    """Return what refuses suspended accounts, then asks IAM policies, which MiniStack evaluates, then service control policies.

    A refusal by IAM or of AssumeRoot gets AWS's message: MiniStack's names no resource and takes a session policy for another.
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    responses = ministack_seams.module("ministack.core.responses")

    def enforce(  # noqa: PLR0913, PLR0917 - MiniStack's parameters
        access_key_id: str,
        action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - MiniStack's EvalResult or AuthError, or None if the call is allowed
        shut = suspended_accounts.refusal(organization, action, resource_arn)
        if shut is not None:
            return shut
        denied = iam_policies(access_key_id, action, service, region, resource_arn, service_context)
        account_id = responses._account_from_sts_session(access_key_id) or callers.account_id()
        as_root = root_sessions.is_root_session(access_key_id)
        if isinstance(denied, evaluator.EvalResult) and (service == "iam" or action == "sts:AssumeRoot"):
            arn, explicit = denied.principal_arn, denied.decision == "Deny"
            said = refusals.message(action, arn, resource_arn, explicit=explicit, by_session_policy=as_root)
            denied.principal_arn = Refused(arn, said)
        free = not access_key_id or action in evaluator._ALWAYS_ALLOWED_ACTIONS
        if free or not policies.bind(account_id) or isinstance(denied, evaluator.AuthError):
            return denied
        principal = evaluator.resolve_principal(access_key_id, account_id)
        keys = {"aws:assumedroot": "true"} if as_root else {}
        keys |= {name.lower(): value for name, value in (service_context or {}).items()}
        refused = policies.refusal(principal, action, resource_arn, region, keys)
        return denied if refused is None else evaluator.EvalResult("Deny", principal_arn=Refused(principal.arn, refused))

    return enforce
