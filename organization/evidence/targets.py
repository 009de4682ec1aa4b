"""Tells on which days an account was in a targeted organizational unit: pure, without input or output.

The StackSet goes to organizational units, and to everything below them.  A conformance pack goes everywhere, and then the
StackSet goes to the organization's root.  So in both ways the StackSet's targets say which accounts are in scope.

Two things change: which units are targets, and in which unit an account is.  The StackSet's operations, CloudTrail's events and
what AWS shows today tell that.  If none of them tells, it is not known, and this never guesses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

_DAY = timedelta(days=1)
EVER = datetime.min.replace(tzinfo=UTC)
"""Before everything that is known."""


class Share(IntEnum):
    """How much of a day an account was in a targeted organizational unit."""

    NONE = 0
    PART = 1
    WHOLE = 2
    NOT_KNOWN = 3


class UnitPath(NamedTuple):
    """An organizational unit or a root: its path like "Root/Workloads", and its parent, which is empty for a root."""

    path: str
    parent_id: str = ""


class Move(NamedTuple):
    """An account's move from one root or unit to another; `by` is who moved it (an ARN)."""

    time: datetime
    account_id: str
    source_id: str
    destination_id: str
    by: str


class Operation(NamedTuple):
    """An operation of the StackSet that added targets (`added`), or removed them."""

    time: datetime
    unit_ids: frozenset[str]
    added: bool


@dataclass(frozen=True, slots=True)
class Targets:
    """Which units are targets, and which unit each account is in: today, and what tells of the past.

    `today` has the targeted units; a root stands for all accounts.  `parents` has the unit of each account today.  From `since`
    on the targets of today hold in any case, and from `moves_since` on every move is known; None if nobody knows.  `begun` is
    when the StackSet's stack was created if `operations` has all since then; None if it may lack some.  `always` has the
    accounts that are in scope with any targets: no StackSet reaches the management account.
    """

    today: frozenset[str] = frozenset()
    units: Mapping[str, UnitPath] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    moves_since: datetime | None = None
    operations: Sequence[Operation] = ()
    moves: Sequence[Move] = ()
    begun: datetime | None = None
    always: frozenset[str] = frozenset()
    _states: dict[tuple[str | None, datetime], bool | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """A cache: many accounts are in the same unit."""

    def days(self, account_id: str, first: date, number: int) -> bytes:
        """Return a Share for each day, a byte each: how much of it an account was in a targeted unit.

        These are `number` days, from `first` on.
        """
        if account_id in self.always:
            return bytes([Share.WHOLE]) * number
        places = self._places(account_id)
        changes = sorted({EVER, *(time for time, _ in places), *self._changes()})
        states = [self._in_target(_at(places, time), time) for time in changes]
        found = bytearray()
        at = 0
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        for _ in range(number):
            end = start + _DAY
            while at + 1 < len(changes) and changes[at + 1] <= start:
                at += 1
            found.append(_share([state for time, state in zip(changes[at:], states[at:], strict=True) if time < end]))
            start = end
        return bytes(found)

    def stretches(self, unit_id: str) -> list[tuple[datetime, bool | None]]:
        """Return since when a unit was a target (True), was not one (False), or nobody knows (None), in order."""
        found: list[tuple[datetime, bool | None]] = []
        for time in sorted({EVER, *self._changes()}):
            state = self._is_target(unit_id, time)
            if not found or found[-1][1] is not state:
                found.append((time, state))
        return found

    def targeted(self) -> frozenset[str]:
        """Return the units that are targets, or were."""
        return self.today.union(*(each.unit_ids for each in self.operations))

    def _changes(self) -> Iterator[datetime]:
        yield from (each.time for each in self.operations)
        yield from (each for each in (self.begun, self.since) if each is not None)

    def _is_target(self, unit_id: str, time: datetime) -> bool | None:
        """Tell whether a unit was a target at an instant; None if nobody knows."""
        about = [each for each in self.operations if unit_id in each.unit_ids]
        # If the stack's last change has an operation, that says to the minute when the targets changed.
        if self.since is not None and time >= self.since and not any(each.time >= self.since for each in about):
            return unit_id in self.today
        before = [each.added for each in sorted(about) if each.time <= time]
        if before:
            return before[-1]
        return False if self.begun is not None and time >= self.begun else None

    def _in_target(self, place: str | None, time: datetime) -> bool | None:
        """Tell whether an account whose parent is `place`, None if nobody knows, was in a targeted unit."""
        if (place, time) not in self._states:
            above, is_whole = self._above(place)
            states = [self._is_target(each, time) for each in above]
            outside = False if is_whole and None not in states else None
            self._states[place, time] = True if True in states else outside
        return self._states[place, time]

    def _above(self, place: str | None) -> tuple[list[str], bool]:
        """Return a unit, and everything above it up to the root; and whether that is all of it.

        A unit keeps its parent: AWS Organizations cannot move it.  If a unit is gone, only the root above it is known.
        Source: API model, organizations: no operation moves a unit.
        """
        roots = [each for each, unit in self.units.items() if not unit.parent_id]
        above: list[str] = []
        at = place or ""
        while at in self.units:
            above.append(at)
            at = self.units[at].parent_id
        return (above, True) if above else ([at, *roots] if at else roots, False)

    def _places(self, account_id: str) -> list[tuple[datetime, str | None]]:
        """Return since when an account was in which unit, in order; None if nobody knows."""
        if self.moves_since is None:
            return [(EVER, None)]
        after = self.parents.get(account_id)
        found: list[tuple[datetime, str | None]] = []
        for move in sorted((each for each in self.moves if each.account_id == account_id), reverse=True):
            is_so = after in {None, move.destination_id}
            found.append((move.time, move.destination_id if is_so else None))
            after = move.source_id
        return [(EVER, None), (self.moves_since, after), *reversed(found)]


def _at(places: Sequence[tuple[datetime, str | None]], time: datetime) -> str | None:
    return [place for since, place in places if since <= time][-1]


def _share(states: Sequence[bool | None]) -> Share:
    """Judge a day by the states in its course.

    If another unit becomes the target for an account, a StackSet deletes the stack, then recreates it. So the gap between two
    times in scope does not excuse a day without an evaluation.
    """
    if None in states:
        return Share.NOT_KNOWN
    if states[0] and states[-1]:
        return Share.WHOLE
    return Share.PART if True in states else Share.NONE
