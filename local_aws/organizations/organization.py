"""The organization of the local AWS: its units, where its accounts are, and what it has switched on."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from local_aws.organizations.accounts import AccountsError

Listener = Callable[[str], None]
"""Is told an account's id, or a unit's."""

IAM = "iam.amazonaws.com"
ROOT_SESSIONS, ROOT_CREDENTIALS_MANAGEMENT = ROOT_ACCESS_FEATURES = ("RootSessions", "RootCredentialsManagement")
"""Source: API model, iam, FeatureType. IAM lists them in this order (public captures of 2026-09-12)."""
SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY"
"""The type of policy. Source: API model, organizations, PolicyType."""
ACTIVE, PENDING_CLOSURE, SUSPENDED, CLOSED = "ACTIVE", "PENDING_CLOSURE", "SUSPENDED", "CLOSED"
"""States of accounts. Source: API model, organizations, AccountState."""


@dataclass
class Unit:
    """An organizational unit; `parent_id` is the id of the root or of another unit."""

    unit_id: str
    name: str
    parent_id: str


@dataclass
class Organization:
    """The organization of a local AWS: `parents` has the root or unit of each account, the management account's too."""

    organization_id: str
    root_id: str
    management_account_id: str
    units: dict[str, Unit] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    trusted_services: set[str] = field(default_factory=set)
    delegated_administrators: dict[str, set[str]] = field(default_factory=dict)
    """The service principals that each account is registered for."""
    root_access_features: set[str] = field(default_factory=set)
    """Those of ROOT_ACCESS_FEATURES that are enabled."""
    all_features: bool = True
    """Whether the organization has all features, and not consolidated billing only. Trusted access needs all."""
    policy_types: set[str] = field(default_factory=set)
    """The types of policies that are enabled."""
    states: dict[str, str] = field(default_factory=dict)
    """The state of each account that is not ACTIVE. An account that is CLOSED has left the organization for good."""
    when_joined: list[Listener] = field(default_factory=list)
    when_left: list[Listener] = field(default_factory=list)
    when_moved: list[Listener] = field(default_factory=list)
    """Listeners. They are told afterwards, in the order of their registration."""
    when_unit_deleted: list[Listener] = field(default_factory=list)
    """Listeners that are told the id of a unit."""

    @property
    def account_ids(self) -> list[str]:
        """All accounts, the management account's too."""
        return sorted(self.parents)

    def state_of(self, account_id: str) -> str:
        """Return the state of an account."""
        return self.states.get(account_id, ACTIVE)

    def is_shut(self, account_id: str) -> bool:
        """Tell whether an account is suspended or closed, so that AWS no longer serves it."""
        return self.state_of(account_id) in {SUSPENDED, CLOSED}

    def administers(self, account_id: str, service: str) -> bool:
        """Tell whether an account may act for the organization in a service: the management account or a delegated one."""
        return account_id == self.management_account_id or service in self.delegated_administrators.get(account_id, set())

    def chain(self, parent_id: str) -> list[Unit]:
        """Return the units from below the root down to a unit, with the unit itself; none for the root."""
        units: list[Unit] = []
        while parent_id != self.root_id:
            units.insert(0, self.units[parent_id])
            parent_id = units[0].parent_id
        return units

    def line(self, parent_id: str) -> list[str]:
        """Return the ids of the root and of the units from there down to a unit, with the unit's own; for the root its own."""
        return [self.root_id, *(unit.unit_id for unit in self.chain(parent_id))]

    def has_parent(self, parent_id: str) -> bool:
        """Tell whether this is the root or a unit."""
        return parent_id == self.root_id or parent_id in self.units

    def units_below(self, parent_id: str) -> list[Unit]:
        """Return the units right below the root or a unit."""
        return [unit for unit in self.units.values() if unit.parent_id == parent_id]

    def accounts_in(self, parent_id: str) -> list[str]:
        """Return the accounts right below the root or a unit."""
        return [account_id for account_id in self.account_ids if self.parents[account_id] == parent_id]

    def add_unit(self, name: str, parent_id: str) -> Unit:
        """Make a unit without accounts."""
        unit = Unit(f"ou-{self.root_id.removeprefix('r-')}-{secrets.token_hex(4)}", name, parent_id)
        self.units[unit.unit_id] = unit
        return unit

    def delete_unit(self, unit_id: str) -> None:
        """Delete a unit, which must have neither accounts nor units."""
        del self.units[unit_id]
        _tell(self.when_unit_deleted, unit_id)

    def parent_at(self, path: str) -> str:
        """Return the id of the unit at a path below the root, like "Workloads/Production"; "" is the root's path.

        Raises AccountsError if there is none.
        """
        if not path:
            return self.root_id
        paths = {unit_id: "/".join(unit.name for unit in self.chain(unit_id)) for unit_id in self.units}
        for unit_id, known in paths.items():
            if known == path:
                return unit_id
        message = f"The organization has no unit {path!r}: its units are {', '.join(sorted(paths.values()))}."
        raise AccountsError(message)

    def accounts_below(self, parent_id: str) -> list[str]:
        """Return the accounts in the root or a unit, and in the units below it."""
        return [account_id for account_id in self.account_ids if parent_id in self.line(self.parents[account_id])]

    def join(self, account_id: str, parent_id: str) -> None:
        """Let an account join."""
        self.parents[account_id] = parent_id
        _tell(self.when_joined, account_id)

    def move(self, account_id: str, parent_id: str) -> None:
        """Move an account to another unit, or to the root."""
        self.parents[account_id] = parent_id
        _tell(self.when_moved, account_id)

    def leave(self, account_id: str, *, closed: bool = False) -> None:
        """Let an account leave. `closed` says that it is closed for good.

        Raises AccountsError if it is the management account, a delegated administrator, or not in the organization.
        """
        if account_id not in self.parents:
            message = f"Account {account_id} is not in the organization."
            raise AccountsError(message)
        if account_id == self.management_account_id or self.delegated_administrators.get(account_id):
            message = f"Account {account_id} cannot leave: it is the management account or a delegated administrator."
            raise AccountsError(message)
        del self.parents[account_id]
        self.states.pop(account_id, None)
        if closed:
            self.states[account_id] = CLOSED
        _tell(self.when_left, account_id)


def _tell(listeners: list[Listener], identifier: str) -> None:
    for listener in listeners:
        listener(identifier)
