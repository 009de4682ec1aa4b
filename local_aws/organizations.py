"""Organizations: the root, its organizational units and accounts, delegated administrators and trusted access."""

from collections.abc import Callable
from dataclasses import dataclass, field

Listener = Callable[[str], None]
"""Is told an account id."""


@dataclass
class Unit:
    """An organizational unit; `parent_id` is the root's or another unit's."""

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
    when_joined: list[Listener] = field(default_factory=list)
    when_left: list[Listener] = field(default_factory=list)

    @property
    def account_ids(self) -> list[str]:
        """All accounts, the management account's too."""
        return sorted(self.parents)

    def administers(self, account_id: str, service: str) -> bool:
        """Tell whether an account may act for the organization in a service: the management account or a delegated one."""
        return account_id == self.management_account_id or service in self.delegated_administrators.get(account_id, set())
