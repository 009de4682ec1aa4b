"""AWS Organizations: what an account may ask of its organization, and what its management account may change.

Source: API model, organizations, and https://docs.aws.amazon.com/organizations/latest/userguide/
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.organizations.accounts import Account, RootUser
from local_aws.organizations.answers import Operation, paged, root
from local_aws.organizations.organization import Organization, Unit
from local_aws.organizations.policies import Policies


class Organizations:
    """The operations of AWS Organizations, for each account those that it may call."""

    def __init__(
        self,
        organization: Organization | None,
        accounts_by_id: dict[str, Account],
        policies: Policies,
        clock: Clock,
    ) -> None:
        """Serve `organization`, None if no account is in one. Add each created account to `accounts_by_id`.

        Only the management account changes policies: resource policies for delegated administrators are not emulated.
        """
        self._in_use = organization
        self._accounts = accounts_by_id
        self._clock = clock
        self._began = clock.now()
        self._since: dict[tuple[str, ...], datetime] = {}
        """When accounts joined, services got trusted access, and accounts were delegated, since the start."""
        self._emails: dict[str, str] = {}
        self._creations: dict[str, dict[str, Any]] = {}
        if organization:
            organization.when_joined.append(lambda account_id: self._note("joined", account_id))
        administrators: dict[str, Operation] = {
            "ListRoots": self.list_roots,
            "ListOrganizationalUnitsForParent": self.list_organizational_units_for_parent,
            "ListAccountsForParent": self.list_accounts_for_parent,
            "ListAccounts": self.list_accounts,
            "DescribeAccount": self.describe_account,
            "ListDelegatedAdministrators": self.list_delegated_administrators,
            "ListAWSServiceAccessForOrganization": self.list_aws_service_access_for_organization,
            "DescribeCreateAccountStatus": self.describe_create_account_status,
            **policies.reads,
        }
        management: dict[str, Operation] = {
            "RegisterDelegatedAdministrator": self.register_delegated_administrator,
            "DeregisterDelegatedAdministrator": self.deregister_delegated_administrator,
            "EnableAWSServiceAccess": self.enable_aws_service_access,
            "DisableAWSServiceAccess": self.disable_aws_service_access,
            "CreateAccount": self.create_account,
            "MoveAccount": self.move_account,
            "RemoveAccountFromOrganization": self.remove_account_from_organization,
            **policies.changes,
        }
        self.operations: dict[str, Operation] = {
            "DescribeOrganization": self._guarded(self.describe_organization, lambda _: True),
            "LeaveOrganization": self._guarded(self.leave_organization, lambda _: True),
            **{name: self._guarded(operation, self._is_administrator) for name, operation in administrators.items()},
            **{name: self._guarded(operation, self._is_management) for name, operation in management.items()},
        }

    @property
    def _organization(self) -> Organization:
        if self._in_use is None:
            raise _not_in_use()
        return self._in_use

    def _guarded(self, operation: Operation, may_call: Callable[[str], bool]) -> Operation:
        def call(account_id: str, params: dict[str, Any]) -> dict[str, Any]:
            if account_id not in self._organization.parents:
                raise _not_in_use()
            if not may_call(account_id):
                message = "You don't have permissions to access this resource."
                raise AwsError("AccessDeniedException", message)
            return operation(account_id, params)

        return call

    def _is_management(self, account_id: str) -> bool:
        return account_id == self._organization.management_account_id

    def _is_administrator(self, account_id: str) -> bool:
        """Tell whether an account is the management account or a delegated administrator for any service."""
        return self._is_management(account_id) or bool(self._organization.delegated_administrators.get(account_id))

    # Reads

    def describe_organization(self, _: str, __: dict[str, Any]) -> dict[str, Any]:
        """Describe the organization. Members see what the management account sees."""
        organization = self._organization
        management = self._account(organization.management_account_id)
        return {
            "Organization": {
                "Id": organization.organization_id,
                "Arn": self._arn("organization", organization.organization_id),
                "FeatureSet": "ALL" if organization.all_features else "CONSOLIDATED_BILLING",
                "MasterAccountArn": management["Arn"],
                "MasterAccountId": management["Id"],
                "MasterAccountEmail": management["Email"],
                "AvailablePolicyTypes": root(organization)["PolicyTypes"],
            }
        }

    def list_roots(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the one root."""
        return paged("Roots", [root(self._organization)], params)

    def list_organizational_units_for_parent(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the units right below the root or a unit."""
        parent_id = self._parent(params["ParentId"])
        units = [self._unit(unit) for unit in self._organization.units.values() if unit.parent_id == parent_id]
        return paged("OrganizationalUnits", units, params)

    def list_accounts_for_parent(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the accounts right below the root or a unit."""
        return paged("Accounts", [self._account(child) for child in self._children(params["ParentId"])], params)

    def list_accounts(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List all accounts."""
        return paged("Accounts", [self._account(account_id) for account_id in self._organization.account_ids], params)

    def describe_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe an account."""
        return {"Account": self._account(self._member(params["AccountId"]))}

    def list_delegated_administrators(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the delegated administrators, all or those of a service."""
        wanted = params.get("ServicePrincipal")
        delegated = [
            {name: value for name, value in self._account(account_id).items() if name != "Paths"}
            | {"DelegationEnabledDate": min(self._when("delegated", account_id, service) for service in services)}
            for account_id, services in sorted(self._organization.delegated_administrators.items())
            if services and (wanted is None or wanted in services)
        ]
        return paged("DelegatedAdministrators", delegated, params)

    def list_aws_service_access_for_organization(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the services that have trusted access."""
        listed = [
            {"ServicePrincipal": service, "DateEnabled": self._when("trusted", service)}
            for service in sorted(self._organization.trusted_services)
        ]
        return paged("EnabledServicePrincipals", listed, params)

    # Changes

    def register_delegated_administrator(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Make a member account the delegated administrator for a service that has trusted access."""
        organization, service = self._organization, params["ServicePrincipal"]
        account_id = self._member(params["AccountId"])
        if account_id == organization.management_account_id:
            message = "You cannot register the management account as delegated administrator for your organization."
            raise AwsError("ConstraintViolationException", message)
        if service not in organization.trusted_services:
            message = f"Trusted access for {service} is not enabled: call EnableAWSServiceAccess first."
            raise AwsError("ConstraintViolationException", message)
        services = organization.delegated_administrators.setdefault(account_id, set())
        if service in services:
            message = f"The account {account_id} is already a delegated administrator for {service}."
            raise AwsError("AccountAlreadyRegisteredException", message)
        services.add(service)
        self._note("delegated", account_id, service)
        return {}

    def deregister_delegated_administrator(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """End what `register_delegated_administrator` did."""
        account_id = self._member(params["AccountId"])
        services = self._organization.delegated_administrators.get(account_id, set())
        if params["ServicePrincipal"] not in services:
            raise _not_registered(account_id)
        services.remove(params["ServicePrincipal"])
        return {}

    def enable_aws_service_access(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give a service trusted access, which needs all features."""
        if not self._organization.all_features:
            message = "Trusted access needs an organization with all features enabled."
            raise AwsError("ConstraintViolationException", message)
        self._organization.trusted_services.add(params["ServicePrincipal"])
        self._note("trusted", params["ServicePrincipal"])
        return {}

    def disable_aws_service_access(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Take trusted access from a service."""
        self._organization.trusted_services.discard(params["ServicePrincipal"])
        return {}

    def create_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create an account in the root. Its root user has no credentials, and AWS Config does not record in it."""
        creation = {
            "Id": f"car-{secrets.token_hex(16)}",
            "AccountName": params["AccountName"],
            "State": "IN_PROGRESS",
            "RequestedTimestamp": self._clock.now(),
        }
        outcome = {"State": "SUCCEEDED", "CompletedTimestamp": creation["RequestedTimestamp"]}
        if params["Email"] in {self._email(account_id) for account_id in self._organization.account_ids}:
            outcome |= {"State": "FAILED", "FailureReason": "EMAIL_ALREADY_EXISTS"}
        else:
            account_id = outcome["AccountId"] = self._new_account_id()
            self._accounts[account_id] = Account(account_id, params["AccountName"], RootUser(password=False), recorder=False)
            self._emails[account_id] = params["Email"]
            self._organization.join(account_id, self._organization.root_id)
        self._creations[creation["Id"]] = creation | outcome
        return {"CreateAccountStatus": creation}

    def describe_create_account_status(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the outcome of a CreateAccount."""
        creation = self._creations.get(params["CreateAccountRequestId"])
        if creation is None:
            message = f"We can't find a create account request with the id {params['CreateAccountRequestId']}."
            raise AwsError("CreateAccountStatusNotFoundException", message)
        return {"CreateAccountStatus": creation}

    def move_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Move an account to another unit, or to the root."""
        account_id = self._member(params["AccountId"])
        source, destination = params["SourceParentId"], params["DestinationParentId"]
        if self._organization.parents[account_id] != source:
            message = f"You specified a source parent that account {account_id} is not in: {source}."
            raise AwsError("SourceParentNotFoundException", message)
        if not self._organization.has_parent(destination):
            message = f"You specified a destination parent that doesn't exist: {destination}."
            raise AwsError("DestinationParentNotFoundException", message)
        if source == destination:
            message = f"Account {account_id} is in {destination} already."
            raise AwsError("DuplicateAccountException", message)
        self._organization.move(account_id, destination)
        return {}

    def leave_organization(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Let the calling account leave. Each account has what AWS asks of it before, like a means of payment."""
        self.remove_account_from_organization(account_id, {"AccountId": account_id})
        return {}

    def remove_account_from_organization(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Remove an account. It goes on without an organization."""
        account_id = self._member(params["AccountId"])
        if account_id == self._organization.management_account_id:
            message = "You can't remove the management account from an organization."
            raise AwsError("MasterCannotLeaveOrganizationException", message)
        if self._organization.delegated_administrators.get(account_id):
            message = f"Account {account_id} is a delegated administrator: call DeregisterDelegatedAdministrator first."
            raise AwsError("ConstraintViolationException", message)
        self._organization.leave(account_id)
        return {}

    # What the answers consist of

    def _account(self, account_id: str) -> dict[str, Any]:
        return {
            "Id": account_id,
            "Arn": self._arn_below("account", account_id),
            "Email": self._email(account_id),
            "Name": self._accounts[account_id].name,
            "Status": "ACTIVE",
            "State": "ACTIVE",
            "Paths": [f"{self._path(self._organization.parents[account_id])}{account_id}/"],
            "JoinedMethod": "CREATED",
            "JoinedTimestamp": self._when("joined", account_id),
        }

    def _unit(self, unit: Unit) -> dict[str, Any]:
        arn = self._arn_below("ou", unit.unit_id)
        return {"Id": unit.unit_id, "Arn": arn, "Name": unit.name, "Path": self._path(unit.unit_id)}

    def _path(self, parent_id: str) -> str:
        organization = self._organization
        ids = [organization.organization_id, organization.root_id, *(unit.unit_id for unit in organization.chain(parent_id))]
        return "".join(f"{part}/" for part in ids)

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:organizations::{self._organization.management_account_id}:{kind}/{name}"

    def _arn_below(self, kind: str, name: str) -> str:
        return self._arn(kind, f"{self._organization.organization_id}/{name}")

    def _email(self, account_id: str) -> str:
        return self._emails.get(account_id, f"aws+{account_id}@example.com")

    def _note(self, *what: str) -> None:
        self._since[what] = self._clock.now()

    def _when(self, *what: str) -> datetime:
        return self._since.get(what, self._began)

    def _new_account_id(self) -> str:
        while True:
            account_id = f"{secrets.randbelow(10**12):012}"
            if account_id not in self._accounts:
                return account_id

    def _member(self, account_id: str) -> str:
        if account_id not in self._organization.parents:
            message = f"You specified an account that doesn't exist: {account_id}."
            raise AwsError("AccountNotFoundException", message)
        return account_id

    def _parent(self, parent_id: str) -> str:
        if not self._organization.has_parent(parent_id):
            message = f"You specified a parent that doesn't exist: {parent_id}."
            raise AwsError("ParentNotFoundException", message)
        return parent_id

    def _children(self, parent_id: str) -> list[str]:
        self._parent(parent_id)
        return [child for child in self._organization.account_ids if self._organization.parents[child] == parent_id]


def _not_in_use() -> AwsError:
    return AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")


def _not_registered(account_id: str) -> AwsError:
    message = f"The account {account_id} is not a registered delegated administrator for the service."
    return AwsError("AccountNotRegisteredException", message)
