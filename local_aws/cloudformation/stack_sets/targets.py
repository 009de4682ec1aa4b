"""Where a StackSet is deployed: organizational units, what an account filter leaves of them, and Regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from local_aws.cloudformation.stack_sets.refusals import refuse, refuse_self_managed
from local_aws.core.models import LOADER
from local_aws.organizations.organization import Organization

Place = tuple[str, str]
"""An account id and a Region."""


_MOST_UNITS = 50
"""Units that an operation may name. Source: API model, CreateStackInstances, UpdateStackInstances and UpdateStackSet."""


@dataclass(frozen=True)
class AccountFilter:
    """Which accounts of a unit are meant: `accounts`, or all others if `excludes`."""

    accounts: frozenset[str] = frozenset()
    excludes: bool = True

    def __contains__(self, account_id: str) -> bool:
        """Tell whether an account is meant."""
        return (account_id in self.accounts) is not self.excludes

    def __invert__(self) -> "AccountFilter":
        """Return the filter of all other accounts."""
        return AccountFilter(self.accounts, not self.excludes)

    def __and__(self, other: "AccountFilter") -> "AccountFilter":
        """Return the filter of the accounts that both mean."""
        if self.excludes and other.excludes:
            return AccountFilter(self.accounts | other.accounts)
        few, more = (other, self) if self.excludes else (self, other)
        return AccountFilter(frozenset(account_id for account_id in few.accounts if account_id in more), excludes=False)

    def __or__(self, other: "AccountFilter") -> "AccountFilter":
        """Return the filter of the accounts that one of them means."""
        return ~(~self & ~other)

    def __bool__(self) -> bool:
        """Tell whether accounts may be meant."""
        return self.excludes or bool(self.accounts)


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

    @property
    def filter(self) -> AccountFilter:
        """Which accounts of the units are meant. Accounts of a UNION are so in addition."""
        match self.filter_type:
            case "INTERSECTION":
                return AccountFilter(self.accounts, excludes=False)
            case "DIFFERENCE":
                return AccountFilter(self.accounts)
            case _:
                return AccountFilter()

    @property
    def added_accounts(self) -> frozenset[str]:
        """The accounts in addition to those of the units."""
        return self.accounts if self.filter_type == "UNION" else frozenset()

    def places(self, organization: Organization) -> dict[Place, str]:
        """Return the places to deploy to and the unit that each belongs to, never one in the management account.

        An account below two of the units belongs to the one that is named first: a guess.
        """
        chosen = {
            account_id: unit_id
            for unit_id in reversed(self.unit_ids)
            for account_id in organization.accounts_below(unit_id)
            if account_id in self.filter and account_id != organization.management_account_id
        }
        return {(account_id, region): chosen[account_id] for region in self.regions for account_id in sorted(chosen)}

    def among(self, present: Mapping[Place, str], organization: Organization) -> dict[Place, str]:
        """Return those of the places `present`, each with its unit, that are meant.

        These are the places that belong to one of the units, even if the account has moved, and those of accounts that are now
        below it.
        """
        below = {account_id for unit_id in self.unit_ids for account_id in organization.accounts_below(unit_id)}
        return {
            (account_id, region): unit_id
            for (account_id, region), unit_id in present.items()
            if region in self.regions
            and (
                ((unit_id in self.unit_ids or account_id in below) and account_id in self.filter)
                or account_id in self.added_accounts
            )
        }


def checked(params: dict[str, Any], organization: Organization) -> Targets:
    """Return the targets of an operation. AwsError: they cannot be targets. A unit need not be there."""
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
    if len(targets.unit_ids) > _MOST_UNITS:
        refuse(f"The number of OrganizationalUnitIds may not exceed {_MOST_UNITS}.")
    if strangers := sorted(targets.added_accounts - organization.parents.keys()):
        refuse(f"Not in the organization: {', '.join(strangers)}")
    return targets


@cache
def _known_regions() -> frozenset[str]:
    """Return AWS's Regions, those of the partition aws that botocore has."""
    partitions = LOADER.load_data("partitions")["partitions"]
    return frozenset(next(partition["regions"] for partition in partitions if partition["id"] == "aws"))
