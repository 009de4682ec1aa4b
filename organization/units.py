"""The organizational units of an organization, and what names of units mean: pure, without input or output."""

import difflib
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
    """Find the units that have this id or this path, with or without the root's name; several units may have one path."""
    return [unit for unit in units if name in {unit.unit_id, unit.path} or (unit.path.partition("/")[2] or None) == name]


def contained(units: Sequence[Unit]) -> tuple[Unit, Unit] | None:
    """Find two of these units, where the first contains the second; None if none does."""
    return next(((outer, inner) for outer in units for inner in units if outer.unit_id in inner.ids[:-1]), None)


def problem(names: Sequence[str], units: Iterable[Unit]) -> str:
    """Say why these ids and paths are not a valid list of units to deploy to; empty if they are."""
    everything = list(units)
    meant: list[Unit] = []
    for name in names:
        found = named(name, everything)
        if not found:
            near = difflib.get_close_matches(name, [unit.path for unit in everything], 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            return f"The organization has no unit {name}: give ids, or paths such as {everything[-1].path}.{hint}"
        if len(found) > 1:
            return (
                f"{len(found)} units have the path {name}: give the id of one, {' or '.join(each.unit_id for each in found)}."
            )
        meant += found
    if pair := contained(meant):
        outer, inner = pair
        return (
            f"{outer.path} ({outer.unit_id}) contains {inner.path} ({inner.unit_id}), whose accounts would be named twice: "
            "give one of the two."
        )
    return ""


def chosen(names: Sequence[str], units: Iterable[Unit]) -> list[Unit]:
    """Return the units that these ids and paths name, once each, if there is no `problem` with them."""
    everything = list(units)
    return list({unit.unit_id: unit for name in names for unit in named(name, everything)}.values())


def below(unit: Unit, units: Iterable[Unit]) -> list[Account]:
    """Return the accounts in a unit and in all units below it."""
    return [account for each in units if unit.unit_id in each.ids for account in each.accounts]
