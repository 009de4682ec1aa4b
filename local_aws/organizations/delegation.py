"""Organizations: services with trusted access, and the member accounts that administer them for the organization.

Sources: API model, organizations (RegisterDelegatedAdministrator and the operations around it, and the reasons of
ConstraintViolationException). Real AWS was seen to keep the trusted access of a service that has a delegated administrator,
in a public capture of 2026-09-12.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.organizations import refusals, service_principals
from local_aws.organizations.directory import Directory, paged
from local_aws.organizations.organization import ACTIVE

if TYPE_CHECKING:
    from local_aws.core.operations import Operations


class Delegation:
    """The operations on trusted access and on delegated administrators."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        """Note from now on when trusted access and delegations begin."""
        self._directory = directory
        self._clock = clock
        self._began = clock.now()
        self._since: dict[tuple[str, ...], datetime] = {}
        self.reads: Operations = {
            "ListAWSServiceAccessForOrganization": self.list_aws_service_access_for_organization,
            "ListDelegatedAdministrators": self.list_delegated_administrators,
            "ListDelegatedServicesForAccount": self.list_delegated_services_for_account,
        }
        self.changes: Operations = {
            "EnableAWSServiceAccess": self.enable_aws_service_access,
            "DisableAWSServiceAccess": self.disable_aws_service_access,
            "RegisterDelegatedAdministrator": self.register_delegated_administrator,
            "DeregisterDelegatedAdministrator": self.deregister_delegated_administrator,
        }

    # Trusted access

    def list_aws_service_access_for_organization(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the services that have trusted access."""
        listed = [
            {"ServicePrincipal": service, "DateEnabled": self._when(service)}
            for service in sorted(self._directory.organization.trusted_services)
        ]
        return paged("EnabledServicePrincipals", listed, params)

    def enable_aws_service_access(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give a service trusted access, which needs all features."""
        organization, service = self._directory.organization, params["ServicePrincipal"]
        service_principals.check_trusted(service)
        if not organization.all_features:
            raise refusals.not_all_features()
        if service not in organization.trusted_services:
            organization.trusted_services.add(service)
            self._since[service,] = self._clock.now()
        return {}

    def disable_aws_service_access(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Take trusted access from a service."""
        organization, service = self._directory.organization, params["ServicePrincipal"]
        service_principals.check_trusted(service)
        if self._administrators(service):
            message = (
                "You have delegated administrator/s for this service. De-register them in order to disable service access."
            )
            raise refusals.constraint("DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE", message)
        organization.trusted_services.discard(service)
        return {}

    # Delegated administrators

    def list_delegated_administrators(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the delegated administrators, all or those of a service."""
        wanted = params.get("ServicePrincipal")
        if wanted is not None:
            service_principals.check_delegated(wanted)
        delegated = [
            {name: value for name, value in self._directory.described_account(account_id).items() if name != "Paths"}
            | {"DelegationEnabledDate": min(self._when(account_id, service) for service in services)}
            for account_id, services in sorted(self._directory.organization.delegated_administrators.items())
            if services and (wanted is None or wanted in services)
        ]
        return paged("DelegatedAdministrators", delegated, params)

    def list_delegated_services_for_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the services that an account administers."""
        account_id = self._directory.member(params["AccountId"])
        services = self._services(account_id)
        if not services:
            raise _not_registered()
        listed = [
            {"ServicePrincipal": service, "DelegationEnabledDate": self._when(account_id, service)}
            for service in sorted(services)
        ]
        return paged("DelegatedServices", listed, params)

    def register_delegated_administrator(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Make a member account the delegated administrator for a service that has trusted access."""
        organization, service = self._directory.organization, params["ServicePrincipal"]
        account_id = self._directory.member(params["AccountId"])
        service_principals.check_delegated(service)
        if account_id == organization.management_account_id:
            message = "You cannot register master account/yourself as delegated administrator for your organization."
            raise refusals.constraint("CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR", message)
        if organization.state_of(account_id) != ACTIVE:
            message = "You cannot register a suspended account as a delegated administrator."
            raise refusals.constraint("CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR", message)
        if service not in organization.trusted_services:
            message = f"Trusted access for {service} is not enabled: call EnableAWSServiceAccess first."
            raise refusals.constraint("SERVICE_ACCESS_NOT_ENABLED", message)
        if service in self._services(account_id):
            message = "The provided account is already a delegated administrator for your organization."
            raise AwsError("AccountAlreadyRegisteredException", message)
        most = service_principals.MOST_DELEGATED.get(service)
        if most is not None and len(self._administrators(service)) >= most:
            message = f"You attempted to register more delegated administrators than allowed for the service: {most}."
            raise refusals.constraint("MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED", message)
        organization.delegated_administrators.setdefault(account_id, set()).add(service)
        self._since[account_id, service] = self._clock.now()
        return {}

    def deregister_delegated_administrator(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """End what `register_delegated_administrator` did."""
        account_id, service = self._directory.member(params["AccountId"]), params["ServicePrincipal"]
        service_principals.check_delegated(service)
        if service not in self._services(account_id):
            raise _not_registered()
        self._services(account_id).remove(service)
        return {}

    def _services(self, account_id: str) -> set[str]:
        return self._directory.organization.delegated_administrators.get(account_id, set())

    def _administrators(self, service: str) -> list[str]:
        delegated = self._directory.organization.delegated_administrators
        return [account_id for account_id, services in delegated.items() if service in services]

    def _when(self, *what: str) -> datetime:
        return self._since.get(what, self._began)


def _not_registered() -> AwsError:
    message = "The provided account is not a registered delegated administrator for your organization."
    return AwsError("AccountNotRegisteredException", message)
