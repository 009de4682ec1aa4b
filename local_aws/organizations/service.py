"""AWS Organizations: who may call its operations.

Each account of an organization may describe it. A delegated administrator of any service may read everything, at once and
without a resource policy: real answers, https://github.com/radkawar/stackd, testdata/aws/iam/
organizations_delegation_authority.json. Only the management account makes changes, since the local AWS has no resource
policies for delegation; a member can leave. Source: API model, organizations.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

from local_aws.core.clock import Clock
from local_aws.core.operations import Operation
from local_aws.organizations import refusals
from local_aws.organizations.accounts import Account
from local_aws.organizations.delegation import Delegation
from local_aws.organizations.directory import Directory
from local_aws.organizations.membership import Membership
from local_aws.organizations.organization import SERVICE_CONTROL_POLICY, Organization
from local_aws.organizations.policies import Policies
from local_aws.organizations.tags import Tags
from local_aws.organizations.units import Units


class Organizations:
    """The operations of AWS Organizations, for each account those that it may call."""

    def __init__(self, organization: Organization | None, accounts_by_id: MutableMapping[str, Account], clock: Clock) -> None:
        """Serve `organization`, None if no account is in one. `accounts_by_id` has all accounts, also later ones."""
        self._directory = Directory(organization, accounts_by_id, clock)
        tags = Tags(lambda resource_id: self._directory.has(resource_id) or self.policies.has(resource_id))
        self.policies = Policies(organization, self._directory, tags)
        self._membership = Membership(self._directory, accounts_by_id, tags, clock)
        parts = (Units(self._directory, tags), self._membership, Delegation(self._directory, clock), self.policies, tags)
        self.operations: dict[str, Operation] = {
            "DescribeOrganization": self._guarded(self.describe_organization, lambda _: True),
            "LeaveOrganization": self._guarded(self._membership.leave_organization, lambda _: True),
        }
        for part in parts:
            for name, operation in part.reads.items():
                self.operations[name] = self._guarded(operation, self._is_administrator)
            for name, operation in part.changes.items():
                self.operations[name] = self._guarded(operation, self._is_management)

    def close(self) -> None:
        """Drop what has not begun."""
        self._membership.close()

    def _guarded(self, operation: Operation, may_call: Callable[[str], bool]) -> Operation:
        def call(account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
            if account_id not in self._directory.organization.parents:
                raise refusals.not_in_use()
            if not may_call(account_id):
                raise refusals.denied()
            return operation(account_id, params)

        return call

    def _is_management(self, account_id: str) -> bool:
        return account_id == self._directory.organization.management_account_id

    def _is_administrator(self, account_id: str) -> bool:
        """Tell whether an account is the management account or a delegated administrator for any service."""
        delegated = self._directory.organization.delegated_administrators
        return self._is_management(account_id) or bool(delegated.get(account_id))

    def describe_organization(self, _: str, __: dict[str, Any]) -> dict[str, Any]:
        """Describe the organization. Members see what the management account sees.

        AvailablePolicyTypes does not say which types are enabled: ListRoots does. Guess: service control policies stay
        available when they are disabled.
        """
        organization = self._directory.organization
        management = self._directory.described_account(organization.management_account_id)
        available = [{"Type": SERVICE_CONTROL_POLICY, "Status": "ENABLED"}] if organization.all_features else []
        return {
            "Organization": {
                "Id": organization.organization_id,
                "Arn": (
                    f"arn:aws:organizations::{organization.management_account_id}:organization/{organization.organization_id}"
                ),
                "FeatureSet": "ALL" if organization.all_features else "CONSOLIDATED_BILLING",
                "MasterAccountArn": management["Arn"],
                "MasterAccountId": management["Id"],
                "MasterAccountEmail": management["Email"],
                "AvailablePolicyTypes": available,
            }
        }
