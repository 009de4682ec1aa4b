"""What there is in an organization, as the answers of AWS Organizations show it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from local_aws.core.clock import Clock
from local_aws.core.paging import Pages
from local_aws.organizations import refusals
from local_aws.organizations.accounts import Account
from local_aws.organizations.organization import Organization, Unit

_LONGEST_PAGE = 20
"""Source: API model, organizations, MaxResults."""
_PAGES = Pages(
    "InvalidInputException",
    "You specified an invalid value for nextToken. You must get the value from the response to a previous call to the API.",
    reason="INVALID_NEXT_TOKEN",
    takes_empty=False,
)
"""Real answers have the message, the reason, and the refusal of an empty token: see `refusals`."""


class Directory:
    """The root, the units and the accounts of `organization`, None if no account is in one.

    Methods that look for something raise AwsError if it does not exist.
    """

    def __init__(self, organization: Organization | None, accounts_by_id: Mapping[str, Account], clock: Clock) -> None:
        """Note from now on when accounts join."""
        self._in_use = organization
        self._accounts = accounts_by_id
        self._clock = clock
        self._began = clock.now()
        self._joined: dict[str, datetime] = {}
        if organization:
            organization.when_joined.append(self._note_joined)

    def _note_joined(self, account_id: str) -> None:
        self._joined[account_id] = self._clock.now()

    @property
    def organization(self) -> Organization:
        """The organization. Raises AwsError if there is none."""
        if self._in_use is None:
            raise refusals.not_in_use()
        return self._in_use

    # What is there

    def member(self, account_id: str) -> str:
        """Return the id if an account of the organization has it."""
        if account_id not in self.organization.parents:
            raise refusals.missing("AccountNotFoundException")
        return account_id

    def unit(self, unit_id: str) -> Unit:
        """Find a unit."""
        if unit_id not in self.organization.units:
            raise refusals.missing("OrganizationalUnitNotFoundException")
        return self.organization.units[unit_id]

    def parent(self, parent_id: str, otherwise: str = "ParentNotFoundException") -> str:
        """Return the id if the root or a unit has it. `otherwise` is the error's code."""
        if not self.organization.has_parent(parent_id):
            raise refusals.missing(otherwise)
        return parent_id

    def has(self, target: str) -> bool:
        """Tell whether this is the id of the root, a unit or an account."""
        return self.organization.has_parent(target) or target in self.organization.parents

    def created(self, account_id: str) -> datetime | None:
        """Return when Organizations created an account, or None if the account was there before."""
        account = self._accounts[account_id]
        return account.created if account.joined_method == "CREATED" else None

    # How answers show it

    def described_account(self, account_id: str) -> dict[str, Any]:
        """Describe an account. It has both State and Status, which AWS will retire."""
        account, state = self._accounts[account_id], self.organization.state_of(account_id)
        return {
            "Id": account_id,
            "Arn": self.arn("account", account_id),
            "Email": account.email,
            "Name": account.name,
            "Status": state,
            "State": state,
            "Paths": [f"{self._path(self.organization.parents[account_id])}{account_id}/"],
            "JoinedMethod": account.joined_method,
            "JoinedTimestamp": self._joined.get(account_id, self._began),
        }

    def described_unit(self, unit: Unit) -> dict[str, Any]:
        """Describe a unit."""
        arn = self.arn("ou", unit.unit_id)
        return {"Id": unit.unit_id, "Arn": arn, "Name": unit.name, "Path": self._path(unit.unit_id)}

    def described_root(self) -> dict[str, Any]:
        """Describe the root. Policy types that are not enabled are missing."""
        root_id, enabled = self.organization.root_id, sorted(self.organization.policy_types)
        return {
            "Id": root_id,
            "Arn": self.arn("root", root_id),
            "Name": "Root",
            "PolicyTypes": [{"Type": policy_type, "Status": "ENABLED"} for policy_type in enabled],
        }

    def described_target(self, target: str) -> dict[str, Any]:
        """Describe what a policy is attached to: the root, a unit or an account."""
        kind, name, type_ = "account", "", "ACCOUNT"
        if target == self.organization.root_id:
            kind, name, type_ = "root", "Root", "ROOT"
        elif target in self.organization.units:
            kind, name, type_ = "ou", self.organization.units[target].name, "ORGANIZATIONAL_UNIT"
        else:
            name = self._accounts[target].name
        return {"TargetId": target, "Arn": self.arn(kind, target), "Name": name, "Type": type_}

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of something in the organization."""
        organization = self.organization
        return f"arn:aws:organizations::{organization.management_account_id}:{kind}/{organization.organization_id}/{name}"

    def _path(self, parent_id: str) -> str:
        organization = self.organization
        ids = [organization.organization_id, organization.root_id, *(unit.unit_id for unit in organization.chain(parent_id))]
        return "".join(f"{part}/" for part in ids)


def paged(
    name: str, items: Sequence[Any], params: dict[str, Any], described: Callable[[Any], Any] = lambda item: item
) -> dict[str, Any]:
    """Answer with a page of `items`, each `described`: the page that NextToken and MaxResults ask for. Raises AwsError."""
    found, token = _PAGES.page(items, params, _LONGEST_PAGE, of=name)
    return {name: [described(item) for item in found], **token}
