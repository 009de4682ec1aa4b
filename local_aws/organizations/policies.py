"""Organizations: service control policies (SCPs), and the roots, units and accounts that they are attached to.

`local_aws.authorization.service_control_policies` decides by them.

Sources: API model, organizations (CreatePolicy and the operations around it);
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html

An organization with all features begins with the policy type enabled. Without all features, it can't be enabled.

Real answers: the content of FullAWSAccess; an update shows the name and the description only if the request has them, and an
empty description changes nothing (https://github.com/radkawar/stackd, testdata/aws/iam, organizations_inputs.json and
organizations_delegation_authority.json).
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from local_aws.core.models import AwsError
from local_aws.organizations import policy_documents, refusals
from local_aws.organizations.directory import Directory, paged
from local_aws.organizations.organization import SERVICE_CONTROL_POLICY, Organization
from local_aws.organizations.tags import Tags

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

FULL_ACCESS = "p-FullAWSAccess"
Listener = Callable[[], None]

_MOST_ATTACHED, _MOST_POLICIES = 10, 10_000
"""Policies of a target, policies of an organization.

The first was half of that until 15 May 2026, which the pages of orgs_reference_limits.html that are at hand still say;
https://sjramblings.io/aws-organizations-scp-quotas-doubled-what-now/ and https://cevo.com.au/post/aws-scp-limits-landing-zone-review/
report AWS's announcement.
"""


@dataclass(frozen=True)
class Policy:
    """A policy of the organization."""

    policy_id: str
    arn: str
    name: str
    description: str
    content: str

    @property
    def is_aws_managed(self) -> bool:
        """Whether AWS made it, so that nobody can change it."""
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


class Policies:
    """The policies of `organization`, None if no account is in one.

    `when_changed` has listeners. They are told when the policies that bind an account may have changed.
    """

    def __init__(self, organization: Organization | None, directory: Directory, tags: Tags) -> None:
        """Begin with FullAWSAccess everywhere. Give new policies their tags in `tags`."""
        self._in_use = organization
        self._directory = directory
        self._tags = tags
        allow_all = {"Version": policy_documents.VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        managed_arn = f"arn:aws:organizations::aws:policy/service_control_policy/{FULL_ACCESS}"
        full_access = Policy(
            FULL_ACCESS, managed_arn, "FullAWSAccess", "Allows access to every operation", json.dumps(allow_all, indent=2)
        )
        self._policies = {FULL_ACCESS: full_access}
        self._attached: dict[str, list[str]] = {}
        """The ids of the policies of each root, unit and account that has anything but FullAWSAccess alone."""
        self.when_changed: list[Listener] = []
        if organization:
            organization.when_joined.append(self._forget)
            organization.when_moved.append(lambda _: self._changed())
            organization.when_left.append(self._forget)
            organization.when_unit_deleted.append(self._forget)
        self.reads: Operations = {
            "DescribePolicy": self.describe_policy,
            "ListPolicies": self.list_policies,
            "ListPoliciesForTarget": self.list_policies_for_target,
            "ListTargetsForPolicy": self.list_targets_for_policy,
        }
        self.changes: Operations = {
            "CreatePolicy": self.create_policy,
            "UpdatePolicy": self.update_policy,
            "DeletePolicy": self.delete_policy,
            "AttachPolicy": self.attach_policy,
            "DetachPolicy": self.detach_policy,
            "EnablePolicyType": self.enable_policy_type,
            "DisablePolicyType": self.disable_policy_type,
        }

    def levels_above(self, account_id: str) -> list[list[Policy]]:
        """Return the policies at each level that binds an account: the root, each unit, and the account itself.

        Return an empty list if nothing binds it but FullAWSAccess, or if it is the management account or in no organization.
        """
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

    @property
    def _organization(self) -> Organization:
        return self._directory.organization

    def has(self, policy_id: str) -> bool:
        """Tell whether there is a policy with an id."""
        return policy_id in self._policies

    def _forget(self, target: str) -> None:
        """Leave only FullAWSAccess to an account that has left or come back, and to a unit that is gone."""
        self._attached.pop(target, None)
        self._changed()

    # Reads

    def describe_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a policy."""
        policy = self._policy(params)
        return {"Policy": {"PolicySummary": policy.summary, "Content": policy.content}}

    def list_policies(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List all policies of a type. Only service control policies exist."""
        policies = self._policies.values() if params["Filter"] == SERVICE_CONTROL_POLICY else ()
        return paged("Policies", [policy.summary for policy in policies], params)

    def list_policies_for_target(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the policies that are attached directly to a root, unit or account."""
        attached = self._attached_to(self._target(params)) if params["Filter"] == SERVICE_CONTROL_POLICY else ()
        return paged("Policies", [self._policies[policy_id].summary for policy_id in attached], params)

    def list_targets_for_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the roots, units and accounts that a policy is attached to."""
        targets = self._targets_of(self._policy(params))
        return paged("Targets", targets, params, self._directory.described_target)

    # Changes

    def create_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a policy, attached to nothing."""
        if params["Type"] != SERVICE_CONTROL_POLICY or not self._organization.all_features:
            self._refuse_type(params["Type"])
        tags = params.get("Tags", [])
        self._tags.check(tags)
        self._check_name(params["Name"])
        policy_documents.check(params["Content"])
        if len(self._policies) > _MOST_POLICIES:
            raise refusals.constraint(
                "POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of policies that an organization can have."
            )
        policy_id = f"p-{secrets.token_hex(4)}"
        arn = self._directory.arn("policy", f"service_control_policy/{policy_id}")
        policy = Policy(policy_id, arn, params["Name"], params["Description"], params["Content"])
        self._policies[policy_id] = policy
        self._tags.put(policy_id, tags)
        return {"Policy": {"PolicySummary": policy.summary, "Content": policy.content}}

    def update_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Change a policy, wherever it is attached."""
        policy = self._policy(params)
        _refuse_managed(policy)
        if params.get("Name", policy.name) != policy.name:
            self._check_name(params["Name"])
        if "Content" in params:
            policy_documents.check(params["Content"])
        given = {name: params[name] for name in ("Name", "Description", "Content") if name in params}
        changed = replace(policy, **{name.lower(): value for name, value in given.items() if value})
        self._policies[policy.policy_id] = changed
        self._changed()
        shown = {name: given[name] for name in ("Name", "Description") if name in given}
        summary = {name: value for name, value in changed.summary.items() if name not in {"Name", "Description"}}
        return {"Policy": {"PolicySummary": summary | shown, "Content": changed.content}}

    def delete_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a policy that is attached to nothing."""
        policy = self._policy(params)
        _refuse_managed(policy)
        if self._targets_of(policy):
            raise AwsError("PolicyInUseException", "The specified policy is in use and cannot be deleted.")
        del self._policies[policy.policy_id]
        self._tags.forget(policy.policy_id)
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
            raise refusals.constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message)
        self._attach(target, [*attached, policy.policy_id])
        return {}

    def detach_policy(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Detach a policy. A target keeps at least one."""
        policy, target = self._policy(params), self._target(params)
        attached = self._attached_to(target)
        if policy.policy_id not in attached:
            message = "The policy isn't attached to the specified target in the specified root."
            raise AwsError("PolicyNotAttachedException", message)
        if len(attached) == 1:
            message = f"You can't detach the last service control policy of the target {target}."
            raise refusals.constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message)
        self._attach(target, [policy_id for policy_id in attached if policy_id != policy.policy_id])
        return {}

    def enable_policy_type(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Enable service control policies. FullAWSAccess is attached everywhere, as at the beginning."""
        self._check_root(params)
        if params["PolicyType"] != SERVICE_CONTROL_POLICY or not self._organization.all_features:
            self._refuse_type(params["PolicyType"])
        if SERVICE_CONTROL_POLICY in self._organization.policy_types:
            raise AwsError("PolicyTypeAlreadyEnabledException", "The specified policy type is already enabled.")
        self._organization.policy_types.add(SERVICE_CONTROL_POLICY)
        return {"Root": self._directory.described_root()}

    def disable_policy_type(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Disable service control policies. This detaches them all; enabling the type again does not bring them back."""
        self._check_root(params)
        if params["PolicyType"] != SERVICE_CONTROL_POLICY:
            raise _not_enabled()
        self._require_enabled()
        self._organization.policy_types.remove(SERVICE_CONTROL_POLICY)
        self._attached.clear()
        self._changed()
        return {"Root": self._directory.described_root()}

    # What there is

    def _policy(self, params: dict[str, Any]) -> Policy:
        policy = self._policies.get(params["PolicyId"])
        if policy is None:
            raise refusals.missing("PolicyNotFoundException")
        return policy

    def _target(self, params: dict[str, Any]) -> str:
        target: str = params["TargetId"]
        if not self._directory.has(target):
            raise refusals.missing("TargetNotFoundException")
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
        for tell in self.when_changed:
            tell()

    def _targets_of(self, policy: Policy) -> list[str]:
        organization = self._organization
        targets = [organization.root_id, *organization.units, *organization.account_ids]
        return [target for target in targets if policy.policy_id in self._attached_to(target)]

    def _check_name(self, name: str) -> None:
        if any(policy.name == name for policy in self._policies.values()):
            raise AwsError("DuplicatePolicyException", "A policy with the same name already exists.")

    def _check_root(self, params: dict[str, Any]) -> None:
        if params["RootId"] != self._organization.root_id:
            raise refusals.missing("RootNotFoundException")

    def _require_enabled(self) -> None:
        if SERVICE_CONTROL_POLICY not in self._organization.policy_types:
            raise _not_enabled()

    def _refuse_type(self, policy_type: str) -> NoReturn:
        why = "the local AWS has service control policies only"
        if policy_type == SERVICE_CONTROL_POLICY:
            why = "the organization has consolidated billing only, and not all features enabled"
        message = f"The policy type {policy_type} is not available for the organization: {why}."
        raise AwsError("PolicyTypeNotAvailableForOrganizationException", message)


# Refusals


def _refuse_managed(policy: Policy) -> None:
    if policy.is_aws_managed:
        message = f"You can't change or delete {policy.name}: it is managed by AWS."
        raise refusals.invalid("IMMUTABLE_POLICY", message)


def _not_enabled() -> AwsError:
    return AwsError("PolicyTypeNotEnabledException", "This operation can be performed only for enabled policy types.")
