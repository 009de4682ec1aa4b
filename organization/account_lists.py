"""Lists of accounts that one parameter of the template cannot hold: pure, without input or output."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

LONGEST_VALUE = 4096
"""Bytes of a template parameter. Source: AWS CloudFormation User Guide, quotas."""

_IN_A_PARAMETER = (LONGEST_VALUE + 1) // len("111122223333,")

MOST_EXCLUDED_BY_PACK = 1000
"""Accounts that a conformance pack leaves out. Source: API model, config, ExcludedAccounts.

A StackSet has no such limit: API model, cloudformation, DeploymentTargets, Accounts.
"""


@dataclass(frozen=True, slots=True)
class AccountList:
    """A list of accounts in several parameters of the template.  `names` has them, and the first is filled first."""

    names: tuple[str, ...]

    @property
    def most(self) -> int:
        """How many accounts the parameters hold."""
        return _IN_A_PARAMETER * len(self.names)

    def parameters(self, account_ids: Sequence[str]) -> dict[str, str]:
        """Return the parameters that list these accounts, at most `most`; those that are not needed are empty."""
        starts = range(0, self.most, _IN_A_PARAMETER)
        return {
            name: ",".join(account_ids[start : start + _IN_A_PARAMETER]) for name, start in zip(self.names, starts, strict=True)
        }

    def read(self, parameters: Mapping[str, str]) -> frozenset[str]:
        """Return the accounts that parameters list."""
        return frozenset(account_id for name in self.names for account_id in split(parameters.get(name, "")))


INVOKING = AccountList(("InvokingAccounts", "InvokingAccounts2", "InvokingAccounts3", "InvokingAccounts4"))
"""The accounts for which AWS Config may invoke the function, by their ids."""
EXCLUDED = AccountList(("ExcludedAccounts", "ExcludedAccounts2", "ExcludedAccounts3", "ExcludedAccounts4"))
"""The accounts that are not evaluated."""


def split(value: str) -> list[str]:
    """Return what a list names, once each and in its order."""
    items: Iterable[str] = (item.strip() for item in value.split(","))
    return list(dict.fromkeys(item for item in items if item))


def too_many_excluded(account_ids: Collection[str]) -> str:
    """Say why so many accounts cannot be excluded, whatever brings the rule; empty if they can."""
    if len(account_ids) <= EXCLUDED.most:
        return ""
    return f"{EXCLUDED.names[0]} has {len(account_ids)} accounts, and the parameters hold {EXCLUDED.most}."


def too_many_excluded_by_pack(account_ids: Collection[str], unwatched_management_account_id: str = "") -> str:
    """Say why a conformance pack does not leave out so many accounts; empty if it does.

    The pack also leaves the management account out until it has the evaluation role.
    """
    beside = 1 if unwatched_management_account_id and unwatched_management_account_id not in account_ids else 0
    most = MOST_EXCLUDED_BY_PACK - beside
    if len(account_ids) <= most:
        return ""
    also = f" beside the management account {unwatched_management_account_id}, which has no evaluation role" if beside else ""
    accepts = f"AWS Config accepts at most {most} in a conformance pack"
    return f"{EXCLUDED.names[0]} has {len(account_ids)} accounts, and {accepts}{also}."
