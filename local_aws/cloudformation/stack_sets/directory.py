"""The StackSets of the organization, and who sees them."""

from collections.abc import Iterable
from typing import Any

from local_aws.cloudformation.stack_sets.refusals import NOT_FOUND, not_an_administrator, refuse
from local_aws.cloudformation.stack_sets.stack_set import StackSet
from local_aws.core import callers
from local_aws.core.models import AwsError
from local_aws.organizations.organization import Organization

SERVICE_PRINCIPAL = "member.org.stacksets.cloudformation.amazonaws.com"
"""The service principal of trusted access and of delegated administrators."""


class Directory:
    """The StackSets of all Regions, also those that are deleted."""

    def __init__(self, organization: Organization | None) -> None:
        """Begin without StackSets."""
        self._in_use = organization
        self._sets: dict[str, StackSet] = {}

    @property
    def organization(self) -> Organization:
        """The organization. AwsError: there is none."""
        if self._in_use is None:
            raise not_an_administrator()
        return self._in_use

    def add(self, stack_set: StackSet) -> None:
        """Keep a new StackSet."""
        self._sets[stack_set.stack_set_id] = stack_set

    def __getitem__(self, stack_set_id: str) -> StackSet:
        """Return a StackSet by its id."""
        return self._sets[stack_set_id]

    def in_region(self) -> list[StackSet]:
        """Return the StackSets of the request's Region."""
        return [known for known in self._sets.values() if known.region == callers.region()]

    def active(self) -> Iterable[StackSet]:
        """Return those of the request's Region that are not deleted."""
        return [known for known in self.in_region() if known.status == "ACTIVE"]

    def by_arn(self) -> dict[str, StackSet]:
        """Return the StackSets of all Regions that are not deleted."""
        management_account_id = self.organization.management_account_id
        return {each.arn(management_account_id): each for each in list(self._sets.values()) if each.status == "ACTIVE"}

    def check_caller(self, account_id: str, params: dict[str, Any]) -> None:
        """Refuse a caller who does not act for the organization. Raises AwsError."""
        management = account_id == self.organization.management_account_id
        as_delegated = params.get("CallAs", "SELF") == "DELEGATED_ADMIN"
        if management and as_delegated:
            refuse("Account used is not a delegated administrator")
        if not management and not (as_delegated and self.organization.administers(account_id, SERVICE_PRINCIPAL)):
            raise not_an_administrator()

    def is_seen_by(self, account_id: str, params: dict[str, Any]) -> bool:
        """Tell whether the caller sees the organization's StackSets. A member with CallAs SELF sees only its own, here none."""
        if params.get("CallAs", "SELF") == "SELF":
            return self._in_use is not None and account_id == self._in_use.management_account_id
        self.check_caller(account_id, params)
        return True

    def find(self, account_id: str, params: dict[str, Any]) -> StackSet:
        """Return the StackSet that a request names. AwsError: it does not exist, or the caller may not see it."""
        name = params["StackSetName"]
        if self.is_seen_by(account_id, params):
            for stack_set in self.active():
                if name in {stack_set.name, stack_set.stack_set_id}:
                    return stack_set
        raise AwsError(NOT_FOUND, f"StackSet {name} not found")
