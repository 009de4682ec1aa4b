"""Organizations: the root, organizational units, and what is in them.

Sources: API model, organizations; https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html.
A real UpdateOrganizationalUnit keeps the name if the request has none, or only spaces: see `refusals`.
"""

from typing import TYPE_CHECKING, Any

from local_aws.core.models import AwsError
from local_aws.organizations import refusals
from local_aws.organizations.directory import Directory, paged
from local_aws.organizations.tags import Tags

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_DEEPEST, _MOST = 5, 2000
"""Levels of units below the root, and units of an organization."""


class Units:
    """The operations on units, on the root, and on the place of an account."""

    def __init__(self, directory: Directory, tags: Tags) -> None:
        """Give new units their tags in `tags`."""
        self._directory = directory
        self._tags = tags
        self.reads: Operations = {
            "ListRoots": self.list_roots,
            "DescribeOrganizationalUnit": self.describe_organizational_unit,
            "ListOrganizationalUnitsForParent": self.list_organizational_units_for_parent,
            "ListAccountsForParent": self.list_accounts_for_parent,
            "ListChildren": self.list_children,
            "ListParents": self.list_parents,
        }
        self.changes: Operations = {
            "CreateOrganizationalUnit": self.create_organizational_unit,
            "UpdateOrganizationalUnit": self.update_organizational_unit,
            "DeleteOrganizationalUnit": self.delete_organizational_unit,
            "MoveAccount": self.move_account,
        }

    # Reads

    def list_roots(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the one root."""
        return paged("Roots", [self._directory.described_root()], params)

    def describe_organizational_unit(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a unit."""
        return self._described(params["OrganizationalUnitId"])

    def list_organizational_units_for_parent(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the units right below the root or a unit."""
        units = self._directory.organization.units_below(self._directory.parent(params["ParentId"]))
        return paged("OrganizationalUnits", units, params, self._directory.described_unit)

    def list_accounts_for_parent(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the accounts right below the root or a unit."""
        account_ids = self._directory.organization.accounts_in(self._directory.parent(params["ParentId"]))
        return paged("Accounts", account_ids, params, self._directory.described_account)

    def list_children(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the ids of the units or of the accounts right below the root or a unit."""
        organization, parent_id = self._directory.organization, self._directory.parent(params["ParentId"])
        kind = params["ChildType"]
        ids = (
            organization.accounts_in(parent_id)
            if kind == "ACCOUNT"
            else [unit.unit_id for unit in organization.units_below(parent_id)]
        )
        return paged("Children", [{"Id": child_id, "Type": kind} for child_id in ids], params)

    def list_parents(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the one parent of a unit or an account."""
        organization, child_id = self._directory.organization, params["ChildId"]
        if child_id in organization.units:
            parent_id = organization.units[child_id].parent_id
        elif child_id in organization.parents:
            parent_id = organization.parents[child_id]
        else:
            raise refusals.missing("ChildNotFoundException")
        kind = "ROOT" if parent_id == organization.root_id else "ORGANIZATIONAL_UNIT"
        return paged("Parents", [{"Id": parent_id, "Type": kind}], params)

    # Changes

    def create_organizational_unit(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create a unit without accounts."""
        organization, parent_id = self._directory.organization, self._directory.parent(params["ParentId"])
        tags = params.get("Tags", [])
        self._tags.check(tags)
        self._refuse_duplicate(params["Name"], parent_id)
        if len(organization.chain(parent_id)) >= _DEEPEST:
            message = f"You attempted to create an OU tree that is too many levels deep: at most {_DEEPEST} are below the root."
            raise refusals.constraint("OU_DEPTH_LIMIT_EXCEEDED", message)
        if len(organization.units) >= _MOST:
            message = f"You attempted to exceed the number of OUs that you can have in an organization: {_MOST}."
            raise refusals.constraint("OU_NUMBER_LIMIT_EXCEEDED", message)
        unit = organization.add_unit(params["Name"], parent_id)
        self._tags.put(unit.unit_id, tags)
        return self._described(unit.unit_id)

    def update_organizational_unit(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give a unit another name."""
        unit, name = self._directory.unit(params["OrganizationalUnitId"]), params.get("Name", "")
        if name.strip() and name != unit.name:
            self._refuse_duplicate(name, unit.parent_id)
            unit.name = name
        return self._described(unit.unit_id)

    def delete_organizational_unit(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a unit that has neither accounts nor units."""
        organization, unit = self._directory.organization, self._directory.unit(params["OrganizationalUnitId"])
        if organization.accounts_in(unit.unit_id) or organization.units_below(unit.unit_id):
            message = "The specified OU is not empty. Move all accounts to another root or OU, and delete all child OUs first."
            raise AwsError("OrganizationalUnitNotEmptyException", message)
        organization.delete_unit(unit.unit_id)
        self._tags.forget(unit.unit_id)
        return {}

    def move_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Move an account to another unit, or to the root."""
        organization, account_id = self._directory.organization, self._directory.member(params["AccountId"])
        source = self._directory.parent(params["SourceParentId"], "SourceParentNotFoundException")
        destination = self._directory.parent(params["DestinationParentId"], "DestinationParentNotFoundException")
        if organization.parents[account_id] == destination:
            message = "That account is already present in the specified destination."
            raise AwsError("DuplicateAccountException", message)
        if organization.parents[account_id] != source:
            raise refusals.missing("SourceParentNotFoundException")
        organization.move(account_id, destination)
        return {}

    def _described(self, unit_id: str) -> dict[str, Any]:
        return {"OrganizationalUnit": self._directory.described_unit(self._directory.unit(unit_id))}

    def _refuse_duplicate(self, name: str, parent_id: str) -> None:
        if any(unit.name == name for unit in self._directory.organization.units_below(parent_id)):
            message = "An OU with the same name already exists."
            raise AwsError("DuplicateOrganizationalUnitException", message)
