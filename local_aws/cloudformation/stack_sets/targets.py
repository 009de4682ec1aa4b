"""Where a StackSet is deployed: organizational units, what an account filter leaves of them, and Regions."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from local_aws.cloudformation.stack_sets.refusals import refuse, refuse_self_managed
from local_aws.core.models import LOADER
from local_aws.organizations.organization import Organization

Place = tuple[str, str]
"""An account id and a Region."""


@dataclass(frozen=True)
class Targets:
    """Where a StackSet is deployed. `filter_type`, an AccountFilterType, says how `accounts` change the units' accounts."""

    unit_ids: tuple[str, ...]
    accounts: frozenset[str]
    filter_type: str
    regions: tuple[str, ...]

    @classmethod
    def of(cls, params: dict[str, Any]) -> "Targets":
        """Read them from the parameters of an operation. Accounts without a filter come in addition to the units."""
        targets = params.get("DeploymentTargets", {})
        accounts = frozenset(targets.get("Accounts", []))
        return cls(
            tuple(targets.get("OrganizationalUnitIds", [])),
            accounts,
            targets.get("AccountFilterType", "UNION" if accounts else "NONE"),
            tuple(params["Regions"]),
        )

    def places(self, organization: Organization) -> dict[Place, str]:
        """Return the places and the unit that each belongs to, never one in the management account."""
        unit_ids = {
            account_id: unit_id for unit_id in reversed(self.unit_ids) for account_id in organization.accounts_below(unit_id)
        }
        match self.filter_type:
            case "INTERSECTION":
                chosen = {account_id: unit_id for account_id, unit_id in unit_ids.items() if account_id in self.accounts}
            case "DIFFERENCE":
                chosen = {account_id: unit_id for account_id, unit_id in unit_ids.items() if account_id not in self.accounts}
            case "UNION":
                members = self.accounts & organization.parents.keys()
                chosen = {account_id: organization.parents[account_id] for account_id in members} | unit_ids
            case _:
                chosen = unit_ids
        chosen.pop(organization.management_account_id, None)
        return {(account_id, region): chosen[account_id] for region in self.regions for account_id in sorted(chosen)}


def checked(params: dict[str, Any], organization: Organization) -> Targets:
    """Return the targets of an operation. AwsError: they are none of the organization's, or none of AWS's."""
    targets = Targets.of(params)
    refuse_self_managed(params)
    if "AccountsUrl" in params.get("DeploymentTargets", {}):
        refuse("The local AWS does not emulate AccountsUrl.")
    if not targets.unit_ids:
        refuse("OrganizationalUnitIds are required in DeploymentTargets.")
    if not targets.regions:
        refuse("At least one Region is required in Regions.")
    if unknown := sorted(set(targets.regions) - _known_regions()):
        refuse(f"Regions has what is no Region of AWS: {', '.join(unknown)}")
    if targets.accounts and targets.filter_type == "NONE":
        refuse("AccountFilterType must not be NONE if Accounts are specified.")
    strangers = [unit_id for unit_id in targets.unit_ids if not organization.has_parent(unit_id)]
    strangers += sorted(targets.accounts - organization.parents.keys()) if targets.filter_type == "UNION" else []
    if strangers:
        refuse(f"Not in the organization: {', '.join(strangers)}")
    return targets


@cache
def _known_regions() -> frozenset[str]:
    """Return AWS's Regions, those of the partition aws that botocore has."""
    partitions = LOADER.load_data("partitions")["partitions"]
    return frozenset(next(partition["regions"] for partition in partitions if partition["id"] == "aws"))
