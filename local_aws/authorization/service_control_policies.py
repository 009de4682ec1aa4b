"""Service control policies (SCPs): the policies that an organization has, where they are attached, and what they refuse.

Sources: API model, organizations (CreatePolicy and the operations around it); three pages of the user guide,
https://docs.aws.amazon.com/organizations/latest/userguide/: orgs_manage_policies_scps_evaluation.html (every level must allow,
and none may deny), orgs_manage_policies_scps.html (root users of members are bound, the management account and service-linked
roles are not) and orgs_manage_policies_scps_syntax.html.  Since September 2025 they take the whole language of IAM:
https://aws.amazon.com/blogs/security/unlock-new-possibilities-aws-organizations-service-control-policy-now-supports-full-iam-language
How an explicit deny reads, with the policy that denies:
https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns
How an implicit one does: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html

An organization with all features begins with the policy type enabled; it can't be enabled without them.
"""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, NoReturn, Self

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError
from local_aws.iam.root_users import SERVICE_LINKED
from local_aws.organizations.accounts import Account
from local_aws.organizations.organization import SERVICE_CONTROL_POLICY, Operation, Organization, paged, root

FULL_ACCESS = "p-FullAWSAccess"

_MOST_CHARACTERS, _MOST_ATTACHED, _MOST_POLICIES = 10_240, 10, 10_000
"""Characters of a document, policies of a target, policies of an organization.

The first two were half of that until 15 May 2026, which the pages of orgs_reference_limits.html that are at hand still say;
https://sjramblings.io/aws-organizations-scp-quotas-doubled-what-now/ and https://cevo.com.au/post/aws-scp-limits-landing-zone-review/
report AWS's announcement.
"""

_VERSION = "2012-10-17"
_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ACTION = re.compile(r"\*|(\*|[a-z0-9-]+):[a-z0-9*?]+", re.ASCII | re.IGNORECASE)
_RESOURCE = re.compile(r"\*|[^:]+(:[^:]*){4}:.+", re.ASCII)
_SID = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_ARN_PARTS = 6


@dataclass
class Policy:
    """A policy of the organization."""

    policy_id: str
    arn: str
    name: str
    description: str
    content: str

    @cached_property
    def statements(self) -> list[Any]:
        """The content as MiniStack's evaluator takes it."""
        parsed: list[Any] = ministack_seams.module("ministack.core.iam_evaluator").parse_policy_document(self.content)
        return parsed

    @property
    def is_aws_managed(self) -> bool:
        """Whether it is there from the beginning and can't be changed."""
        return self.policy_id == FULL_ACCESS

    @property
    def summary(self) -> dict[str, Any]:
        """What lists show of it."""
        return {
            "Id": self.policy_id,
            "Arn": self.arn,
            "Name": self.name,
            "Description": self.description,
            "Type": SERVICE_CONTROL_POLICY,
            "AwsManaged": self.is_aws_managed,
        }


class ServiceControlPolicies:
    """The policies of `organization`, None: no account is in one."""

    def __init__(self, organization: Organization | None, accounts_by_id: Mapping[str, Account]) -> None:
        """Begin with FullAWSAccess everywhere."""
        self._in_use = organization
        self._accounts = accounts_by_id
        allow_all = {"Version": _VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        managed_arn = f"arn:aws:organizations::aws:policy/service_control_policy/{FULL_ACCESS}"
        full_access = Policy(
            FULL_ACCESS, managed_arn, "FullAWSAccess", "Allows access to every operation", json.dumps(allow_all)
        )
        self._policies = {FULL_ACCESS: full_access}
        self._attached: dict[str, list[str]] = {}
        """The ids of the policies of each root, unit and account that has others than FullAWSAccess alone."""
        self._levels: dict[str, list[list[Policy]]] = {}
        """What binds each account that was asked for, as `_levels_of` says."""
        if organization:
            organization.when_joined.append(self._forget)
            organization.when_moved.append(lambda _: self._changed())
            organization.when_left.append(self._forget)
        self.reads: Mapping[str, Operation] = {
            "DescribePolicy": self.describe_policy,
            "ListPolicies": self.list_policies,
            "ListPoliciesForTarget": self.list_policies_for_target,
            "ListTargetsForPolicy": self.list_targets_for_policy,
        }
        self.changes: Mapping[str, Operation] = {
            "CreatePolicy": self.create_policy,
            "UpdatePolicy": self.update_policy,
            "DeletePolicy": self.delete_policy,
            "AttachPolicy": self.attach_policy,
            "DetachPolicy": self.detach_policy,
            "EnablePolicyType": self.enable_policy_type,
            "DisablePolicyType": self.disable_policy_type,
        }

    @property
    def _organization(self) -> Organization:
        """The organization; the operations are there for its accounts only."""
        if self._in_use is None:
            message = "No account is in an organization."
            raise LookupError(message)
        return self._in_use

    def _forget(self, account_id: str) -> None:
        """Let an account that has left, or come back, have FullAWSAccess only."""
        self._attached.pop(account_id, None)
        self._changed()

    # Reads

    def describe_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a policy."""
        policy = self._policy(params)
        return {"Policy": {"PolicySummary": policy.summary, "Content": policy.content}}

    def list_policies(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List all policies of a type, of which there are service control policies only."""
        policies = self._policies.values() if params["Filter"] == SERVICE_CONTROL_POLICY else ()
        return paged("Policies", [policy.summary for policy in policies], params)

    def list_policies_for_target(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the policies that are attached right to a root, unit or account."""
        attached = self._attached_to(self._target(params)) if params["Filter"] == SERVICE_CONTROL_POLICY else ()
        return paged("Policies", [self._policies[policy_id].summary for policy_id in attached], params)

    def list_targets_for_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the roots, units and accounts that a policy is attached to."""
        return paged("Targets", [self._target_summary(target) for target in self._targets_of(self._policy(params))], params)

    # Changes

    def create_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a policy, attached to nothing."""
        if params["Type"] != SERVICE_CONTROL_POLICY or not self._organization.all_features:
            self._refuse_type(params["Type"])
        self._check_name(params["Name"])
        _check(params["Content"])
        if len(self._policies) > _MOST_POLICIES:
            _refuse("POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of policies that an organization can have.")
        organization, policy_id = self._organization, f"p-{secrets.token_hex(4)}"
        arn = (
            f"arn:aws:organizations::{organization.management_account_id}:policy/{organization.organization_id}/"
            f"service_control_policy/{policy_id}"
        )
        policy = Policy(policy_id, arn, params["Name"], params["Description"], params["Content"])
        self._policies[policy_id] = policy
        return {"Policy": {"PolicySummary": policy.summary, "Content": policy.content}}

    def update_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Change a policy, wherever it is attached."""
        policy = self._policy(params)
        _refuse_managed(policy)
        if params.get("Name", policy.name) != policy.name:
            self._check_name(params["Name"])
        if "Content" in params:
            _check(params["Content"])
        changed = Policy(
            policy.policy_id,
            policy.arn,
            params.get("Name", policy.name),
            params.get("Description", policy.description),
            params.get("Content", policy.content),
        )
        self._policies[policy.policy_id] = changed
        self._changed()
        return {"Policy": {"PolicySummary": changed.summary, "Content": changed.content}}

    def delete_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a policy that is attached to nothing."""
        policy = self._policy(params)
        _refuse_managed(policy)
        if self._targets_of(policy):
            message = "The policy is attached to one or more entities. Detach it from all roots, OUs and accounts first."
            raise AwsError("PolicyInUseException", message)
        del self._policies[policy.policy_id]
        return {}

    def attach_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Attach a policy to a root, unit or account."""
        policy, target = self._policy(params), self._target(params)
        self._require_enabled()
        attached = self._attached_to(target)
        if policy.policy_id in attached:
            message = "A policy with the specified name and type is already attached to the specified target."
            raise AwsError("DuplicatePolicyAttachmentException", message)
        if len(attached) >= _MOST_ATTACHED:
            message = f"You have attached the maximum number of policies to the target {target}: {_MOST_ATTACHED}."
            _refuse("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message)
        self._attach(target, [*attached, policy.policy_id])
        return {}

    def detach_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Detach a policy; a target keeps one at least."""
        policy, target = self._policy(params), self._target(params)
        attached = self._attached_to(target)
        if policy.policy_id not in attached:
            message = "The policy isn't attached to the specified target in the specified root."
            raise AwsError("PolicyNotAttachedException", message)
        if len(attached) == 1:
            message = f"You can't detach the last service control policy of the target {target}."
            _refuse("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message)
        self._attach(target, [policy_id for policy_id in attached if policy_id != policy.policy_id])
        return {}

    def enable_policy_type(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Enable service control policies: FullAWSAccess is attached everywhere, as it was at the beginning."""
        self._check_root(params)
        if params["PolicyType"] != SERVICE_CONTROL_POLICY or not self._organization.all_features:
            self._refuse_type(params["PolicyType"])
        if SERVICE_CONTROL_POLICY in self._organization.policy_types:
            message = "The specified policy type is already enabled in the specified root."
            raise AwsError("PolicyTypeAlreadyEnabledException", message)
        self._organization.policy_types.add(SERVICE_CONTROL_POLICY)
        return {"Root": root(self._organization)}

    def disable_policy_type(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Disable them: each is detached from everything, which enabling them again does not bring back."""
        self._check_root(params)
        if params["PolicyType"] != SERVICE_CONTROL_POLICY:
            raise _not_enabled()
        self._require_enabled()
        self._organization.policy_types.remove(SERVICE_CONTROL_POLICY)
        self._attached.clear()
        self._changed()
        return {"Root": root(self._organization)}

    # What there is

    def _policy(self, params: dict[str, Any]) -> Policy:
        policy = self._policies.get(params["PolicyId"])
        if policy is None:
            message = f"We can't find a policy with the id {params['PolicyId']}."
            raise AwsError("PolicyNotFoundException", message)
        return policy

    def _target(self, params: dict[str, Any]) -> str:
        target: str = params["TargetId"]
        if not self._organization.has_parent(target) and target not in self._organization.parents:
            message = f"We can't find a root, OU or account with the id {target}."
            raise AwsError("TargetNotFoundException", message)
        return target

    def _attached_to(self, target: str) -> list[str]:
        if SERVICE_CONTROL_POLICY not in self._organization.policy_types:
            return []
        return self._attached.get(target, [FULL_ACCESS])

    def _attach(self, target: str, policy_ids: list[str]) -> None:
        self._attached[target] = policy_ids
        if policy_ids == [FULL_ACCESS]:
            del self._attached[target]
        self._changed()

    def _changed(self) -> None:
        """Forget what binds each account."""
        self._levels = {}

    def _targets_of(self, policy: Policy) -> list[str]:
        organization = self._organization
        targets = [organization.root_id, *organization.units, *organization.account_ids]
        return [target for target in targets if policy.policy_id in self._attached_to(target)]

    def _target_summary(self, target: str) -> dict[str, Any]:
        organization = self._organization
        kind, name, type_ = "account", "", "ACCOUNT"
        if target == organization.root_id:
            kind, name, type_ = "root", "Root", "ROOT"
        elif target in organization.units:
            kind, name, type_ = "ou", organization.units[target].name, "ORGANIZATIONAL_UNIT"
        else:
            name = self._accounts[target].name
        owner = f"arn:aws:organizations::{organization.management_account_id}"
        return {
            "TargetId": target,
            "Arn": f"{owner}:{kind}/{organization.organization_id}/{target}",
            "Name": name,
            "Type": type_,
        }

    def _check_name(self, name: str) -> None:
        if any(policy.name == name for policy in self._policies.values()):
            message = f"A policy with the name {name} and this type exists already."
            raise AwsError("DuplicatePolicyException", message)

    def _check_root(self, params: dict[str, Any]) -> None:
        if params["RootId"] != self._organization.root_id:
            message = f"We can't find a root with the id {params['RootId']}."
            raise AwsError("RootNotFoundException", message)

    def _require_enabled(self) -> None:
        if SERVICE_CONTROL_POLICY not in self._organization.policy_types:
            raise _not_enabled()

    def _refuse_type(self, policy_type: str) -> NoReturn:
        why = "the local AWS has service control policies only"
        if policy_type == SERVICE_CONTROL_POLICY:
            why = "the organization has consolidated billing only, and not all features enabled"
        message = f"The policy type {policy_type} is not available for the organization: {why}."
        raise AwsError("PolicyTypeNotAvailableForOrganizationException", message)

    # What they refuse

    def bind(self, account_id: str) -> bool:
        """Tell whether the principals of an account are bound by more than FullAWSAccess."""
        return bool(self._levels_of(account_id))

    def refusal(self, principal: Any, action: str, resource: str, region: str, keys: Mapping[str, Any]) -> str | None:  # noqa: ANN401 - MiniStack's PrincipalInfo has no types here
        """Return what is said of a call that the policies of its principal's account refuse, None where they let it pass.

        `keys` are condition keys of the request, with names in lower case.
        """
        levels = self._levels_of(principal.account)
        if not levels or _is_service_linked(principal):
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
            service_context={**always, **self._resource_tags(levels, resource), **keys},
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

    def _levels_of(self, account_id: str) -> list[list[Policy]]:
        """Return the policies of each level above an account, and of itself; none where nothing but FullAWSAccess is there."""
        levels = self._levels  # another one may take its place meanwhile
        if account_id not in levels:
            levels[account_id] = self._find_levels(account_id)
        return levels[account_id]

    def _find_levels(self, account_id: str) -> list[list[Policy]]:
        organization = self._in_use
        if (
            organization is None
            or SERVICE_CONTROL_POLICY not in organization.policy_types
            or account_id == organization.management_account_id
            or account_id not in organization.parents
        ):
            return []
        units = [unit.unit_id for unit in organization.chain(organization.parents[account_id])]
        targets = [organization.root_id, *units, account_id]
        if not any(target in self._attached for target in targets):
            return []
        return [[self._policies[policy_id] for policy_id in self._attached_to(target)] for target in targets]

    @staticmethod
    def _resource_tags(levels: list[list[Policy]], resource: str) -> dict[str, Any]:
        """Look up the tags of a resource, as MiniStack does, if a condition asks for them."""
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        prefix = "aws:resourcetag/"
        if not evaluator._names_condition_key([policy.statements for level in levels for policy in level], prefix):
            return {}
        tags = ministack_seams.module("ministack.services.tagging").resource_tags(resource) or {}
        return {f"{prefix}{name}".lower(): value for name, value in tags.items()}

    def install(self) -> None:
        """Let the policies decide on every call that MiniStack, or a service here, authorizes."""
        _compare_arns_by_their_parts()
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        responses = ministack_seams.module("ministack.core.responses")
        enforce_otherwise = evaluator.enforce

        def enforce(  # noqa: PLR0913, PLR0917 - MiniStack's parameters
            access_key_id: str,
            action: str,
            service: str,
            region: str,
            resource_arn: str = "*",
            service_context: dict[str, Any] | None = None,
        ) -> Any:  # noqa: ANN401 - MiniStack's EvalResult or AuthError
            denied = enforce_otherwise(access_key_id, action, service, region, resource_arn, service_context)
            account_id = responses._account_from_sts_session(access_key_id) or responses.get_account_id()
            free = not access_key_id or action in evaluator._ALWAYS_ALLOWED_ACTIONS
            if free or not self.bind(account_id) or isinstance(denied, evaluator.AuthError):
                return denied
            principal = evaluator.resolve_principal(access_key_id, account_id)
            session = ministack_seams.module("ministack.services.sts")._sessions.get(access_key_id, {})
            keys = {"aws:assumedroot": "true"} if session.get("AssumedRoot") else {}
            keys |= {name.lower(): value for name, value in (service_context or {}).items()}
            said = self.refusal(principal, action, resource_arn, region, keys)
            return denied if said is None else evaluator.EvalResult("Deny", principal_arn=_Refused(principal.arn, said))

        ministack_seams.replace("ministack.core.iam_evaluator", "enforce", enforce)
        _let_refusals_say_why()


class _Refused(str):
    """The ARN of a principal that a policy refuses a call: all of a refusal that MiniStack hands on to what words it."""

    __slots__ = ("said",)
    said: str

    def __new__(cls, arn: str, said: str) -> Self:
        """Make one with what is said of it."""
        made = super().__new__(cls, arn)
        made.said = said
        return made


def _let_refusals_say_why() -> None:
    """Put what a policy says into the refusal of each service, in that service's own form."""
    actions = ministack_seams.module("ministack.core.iam_actions")
    respond, word = actions.access_denied_response, actions.identity_denial_message

    def respond_saying(service: str, action: str, principal_arn: str, request_id: str, **more: Any) -> Any:  # noqa: ANN401 - MiniStack's
        if isinstance(principal_arn, _Refused):
            more["message"] = principal_arn.said
        return respond(service, action, principal_arn, request_id, **more)

    def word_saying(action: str, principal_arn: str, *more: Any) -> str:  # noqa: ANN401 - MiniStack's
        return principal_arn.said if isinstance(principal_arn, _Refused) else str(word(action, principal_arn, *more))

    ministack_seams.replace("ministack.core.iam_actions", "access_denied_response", respond_saying)
    ministack_seams.replace("ministack.core.iam_actions", "identity_denial_message", word_saying)


def _compare_arns_by_their_parts() -> None:
    """Let the operators for ARNs compare each of the six parts by itself: in MiniStack an asterisk runs over colons.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")

    def like(actual: str, expected: str) -> bool:
        if expected == "*":
            return True
        parts = [arn.split(":", _ARN_PARTS - 1) for arn in (actual, expected)]
        if any(len(split) != _ARN_PARTS for split in parts):
            return False
        return all(evaluator.fnmatch_iam_cs(value, pattern) for value, pattern in zip(*parts, strict=True))

    for negation, operator in (("", like), ("Not", lambda actual, expected: not like(actual, expected))):
        for kind in ("Equals", "Like"):
            evaluator._CONDITION_OPS[f"Arn{negation}{kind}".lower()] = operator


def _is_service_linked(principal: Any) -> bool:  # noqa: ANN401 - MiniStack's PrincipalInfo has no types here
    """Tell whether this is a session of a role that belongs to a service, which nobody else makes or changes."""
    account_id, resource = principal.arn.split(":", _ARN_PARTS - 1)[4:]
    kind, _, rest = resource.partition("/")
    if kind != "assumed-role":
        return False
    role = ministack_seams.module("ministack.services.iam")._roles.get_scoped(account_id, None, rest.partition("/")[0])
    return role is not None and str(role.get("Path")).startswith(SERVICE_LINKED)


# Documents


def _check(content: str) -> None:
    """Refuse what is no service control policy. Raises AwsError."""
    if len(content) > _MOST_CHARACTERS:
        _refuse("POLICY_CONTENT_LIMIT_EXCEEDED", f"You have exceeded the maximum policy size of {_MOST_CHARACTERS} characters.")
    for problem in _problems(content):
        message = f"The provided policy document does not meet the requirements of the specified policy type: {problem}"
        raise AwsError("MalformedPolicyDocumentException", message)


def _problems(content: str) -> Iterable[str]:
    """Say what is wrong with a document."""
    try:
        document = json.loads(content)
    except ValueError as error:
        yield f"it is no JSON ({error})."
        return
    if not isinstance(document, dict):
        yield "it is no JSON object."
        return
    yield from (f"it has an unknown element {name}." for name in sorted(document.keys() - {"Id", "Version", "Statement"}))
    if document.get("Version") != _VERSION:
        yield f"its Version must be {_VERSION}."
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        yield "its Statement must be an object, or a list with at least one."
        return
    sids: list[object] = []
    for number, statement in zip(count(1), statements, strict=False):
        if not isinstance(statement, dict):
            yield f"statement {number} is no object."
            return
        yield from (f"statement {number} {problem}" for problem in _statement_problems(statement))
        sids += [statement["Sid"]] if statement.get("Sid") else []
    if len(set(sids)) < len(sids):
        yield "two statements have the same Sid."


def _statement_problems(statement: dict[str, Any]) -> Iterable[str]:
    unknown = sorted(statement.keys() - _ELEMENTS)
    if unknown:
        yield f"has the element {unknown[0]}, which a service control policy can't have."
    if statement.get("Effect") not in {"Allow", "Deny"}:
        yield "has no Effect, which is Allow or Deny."
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        yield "has a Sid that does not consist of letters and digits."
    for names, form in ((("Action", "NotAction"), _ACTION), (("Resource", "NotResource"), _RESOURCE)):
        given = [name for name in names if name in statement]
        if len(given) != 1:
            yield f"must have either {names[0]} or {names[1]}."
        for name in given:
            values = [statement[name]] if isinstance(statement[name], str) else statement[name]
            if not isinstance(values, list) or not values:
                yield f"has {name} without a value."
                return
            yield from (f"has the {name} {value!r}, which is none." for value in values if not _matches(form, value))
            yield from _variables(name, values)
    yield from _condition_problems(statement.get("Condition", {}))


def _condition_problems(condition: object) -> Iterable[str]:
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        yield "has a Condition that is no object of operators with their keys."
        return
    known = ministack_seams.module("ministack.core.iam_evaluator")._CONDITION_OPS
    for operator, keys in condition.items():
        name = operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:")
        if name != "null" and name.removesuffix("ifexists") not in known:
            yield f"has the condition operator {operator}, which is unknown."
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(one, str | bool | int | float) for one in values):
                yield f"has a condition without a value for {key}."
            yield from _variables("Condition", values)


def _variables(name: str, values: list[object]) -> Iterable[str]:
    if any(isinstance(value, str) and "${" in value for value in values):
        yield f"has a policy variable in its {name}, which the local AWS does not emulate."


def _matches(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


# Refusals


def _refuse(reason: str, message: str) -> NoReturn:
    raise AwsError("ConstraintViolationException", message, members={"Reason": reason})


def _refuse_managed(policy: Policy) -> None:
    if policy.is_aws_managed:
        message = f"You can't change or delete {policy.name}: it is managed by AWS."
        raise AwsError("InvalidInputException", message, members={"Reason": "IMMUTABLE_POLICY"})


def _not_enabled() -> AwsError:
    message = "The specified policy type isn't currently enabled in this root: call EnablePolicyType first."
    return AwsError("PolicyTypeNotEnabledException", message)
