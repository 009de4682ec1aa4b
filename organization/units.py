"""The organizational units of an organization, and what names of units mean: pure, without input or output."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from organization.statuses import Account


@dataclass(frozen=True, slots=True)
class Unit:
    """An organizational unit, or the root: `path` like "Root/Workloads", and the accounts directly in it.

    `ids` are those of the units that contain it, the root's first, and its own, which is the last.
    """

    path: str
    ids: tuple[str, ...]
    accounts: tuple[Account, ...] = ()

    @property
    def unit_id(self) -> str:
        """Its id."""
        return self.ids[-1]


def named(name: str, units: Iterable[Unit]) -> list[Unit]:
    """Find the units that have this id or this path, with or without the root's name; a path may be that of several."""
    return [unit for unit in units if name in {unit.unit_id, unit.path} or (unit.path.partition("/")[2] or None) == name]


def contained(units: Sequence[Unit]) -> tuple[Unit, Unit] | None:
    """Find two of these units of which the first contains the second; None if none does."""
    return next(((outer, inner) for outer in units for inner in units if outer.unit_id in inner.ids[:-1]), None)
