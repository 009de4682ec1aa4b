"""Decides the verdict of each day, and everything that follows from it: pure, without input or output.

A day is a day of UTC.  Its verdict is that of the last evaluation on it by the deployment's own rule.  A day without one is
unknown: the day before says nothing about it.  An account counts on a day if it was a member of the organization from the day's
beginning to its end, was in a targeted organizational unit, and was not excluded.

The lines are read twice, since later lines show which earlier ones counted.  So memory grows with the accounts, their days (two
bytes each) and their changes, and not with the lines.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from organization.deployment import BY_CONFORMANCE_PACK
from organization.evidence.lines import Apart, Line, Ownership, RuleParameters, Setting, Settings, judge
from organization.evidence.targets import Share, Targets
from organization.exceptions.judging import Exceptions, in_force

DAY = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
MOST_APART = 1000
"""How many groups of lines that do not count are listed: a member can make lines of any number of rules."""


class DayStatus(StrEnum):
    """What a day is for an account.  The letter is its sign in a calendar."""

    COMPLIANT = "C"
    NON_COMPLIANT = "N"
    ACCEPTED = "A"
    NOT_APPLICABLE = "P"
    UNKNOWN = "U"
    NO_SOURCE = "G"
    EXCLUDED = "X"
    NOT_IN_SCOPE = "O"
    NOT_A_MEMBER = "."


MEANINGS = {
    DayStatus.COMPLIANT: "The last evaluation of the day found enough devices, or what the rule's parameters accept.",
    DayStatus.NON_COMPLIANT: "The last evaluation of the day found too few virtual MFA devices.",
    DayStatus.ACCEPTED: "The same, while an acceptance with a compensating control was in force.",
    DayStatus.NOT_APPLICABLE: "The last evaluation of the day found that the rule does not apply.",
    DayStatus.UNKNOWN: "No evaluation on this day. It counts as not known.",
    DayStatus.NO_SOURCE: (
        "No source tells about this day any more, none did yet, or none says whether the account was in scope. It counts as "
        "not known."
    ),
    DayStatus.EXCLUDED: "The account was excluded from the evaluation. It does not count.",
    DayStatus.NOT_IN_SCOPE: "The account was in no targeted organizational unit, or not for the whole day. It does not count.",
    DayStatus.NOT_A_MEMBER: "The account was not a member of the organization for the whole day. It does not count.",
}

NAMES = {status: status.name for status in DayStatus}
"""What tables say: COMPLIANT, NON_COMPLIANT, ACCEPTED and so on."""

_NOT_KNOWN = frozenset({DayStatus.UNKNOWN, DayStatus.NO_SOURCE})
_DOES_NOT_COUNT = frozenset({DayStatus.EXCLUDED, DayStatus.NOT_IN_SCOPE, DayStatus.NOT_A_MEMBER})


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        """Walk the days."""
        return (self.first + DAY * number for number in range(self.days))

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """Its first instant."""
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return midnight(self.last + DAY)


def midnight(day: date) -> datetime:
    """Return the first instant of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """An account that is in the organization, or was: `joined` and `left` are instants, None if not known.

    `listed` says whether it is an active member now.  If it is not and `left` is None, it counts until its last evaluation.
    """

    account_id: str
    name: str = ""
    ou_path: str = ""
    joined: datetime | None = None
    left: datetime | None = None
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts were in scope when, as far as sources other than the journal tell.

    `source_from` is the first day for which the log still has everything; `unreadable` are days whose lines could not be read.
    `targets` is None if the rule goes to one account.  `setting_since` is when the stack got today's setting, at the latest.
    """

    members: Mapping[str, Member]
    exceptions: Exceptions = field(default_factory=Exceptions)
    source_from: date = date.min
    unreadable: Container[date] = frozenset()
    targets: Targets | None = None
    setting_since: datetime | None = None


class AccountDay(NamedTuple):
    """A day of a member account.  `line` is the last evaluation of the day, None without one."""

    day: date
    account_id: str
    status: DayStatus
    line: Line | None
    evaluations: int
    failed_evaluations: int

    @property
    def counts(self) -> bool:
        """Whether the account was in scope."""
        return self.status not in _DOES_NOT_COUNT


class Change(NamedTuple):
    """An evaluation with another verdict than the one before; `before` is empty for an account's first of the period."""

    account_id: str
    time: datetime
    before: str
    after: str
    annotation: str


@dataclass(slots=True)
class Failure:
    """A run of NON_COMPLIANT verdicts of an account.

    It begins with the first of them and ends with the next other verdict.  Days without an evaluation do not end it.
    `began_earlier`: it was under way at the account's first evaluation of the period.  `ended` is None if it continues at the
    end of the period, or if the account left the organization or the targeted organizational units.  `until` is when it ended,
    or the last instant for which it counts.
    """

    account_id: str
    began: datetime
    began_earlier: bool
    annotation: str
    ended: datetime | None = None
    until: datetime = _NEVER
    unknown_days: int = 0
    accepted_days: int = 0

    @property
    def length(self) -> timedelta:
        """How long it lasted within the period."""
        return self.until - self.began


@dataclass(slots=True)
class Group:
    """Lines of a kind that belong together: how many, from when to when, and what the last one says."""

    count: int
    first: datetime
    last: datetime
    said: str

    def add(self, line: Line, said: str) -> None:
        """Count another line."""
        self.count += 1
        self.last = line.time
        self.said = said


ApartKey = tuple[Apart, str, str, str, RuleParameters]
"""Why lines do not count, the account, the rule's name and owner, and its parameters."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Account-days: how many of each status, and the shares of those in scope."""

    counts: Mapping[DayStatus, int]

    @property
    def in_scope(self) -> int:
        """Account-days that count."""
        return sum(number for status, number in self.counts.items() if status not in _DOES_NOT_COUNT)

    @property
    def compliant(self) -> int:
        """Account-days with a COMPLIANT verdict of an evaluation on that day."""
        return self.counts.get(DayStatus.COMPLIANT, 0)

    @property
    def known(self) -> int:
        """Account-days with any verdict of an evaluation on that day."""
        return self.in_scope - sum(self.counts.get(status, 0) for status in _NOT_KNOWN)


def share(part: int, whole: int) -> str | None:
    """Write a share in percent with two digits, rounded down: 99.999 % is not 100 %.  None if there is no whole."""
    return f"{part * 10_000 // whole / 100:.2f} %" if whole else None


class History:
    """What the journal's lines and the scope say about a period.

    Take the days from `days()` first: the rest exists once they have ended.
    """

    def __init__(self, period: Period, scope: Scope, ownership: Ownership, lines: Callable[[], Iterable[Line | None]]) -> None:
        """`lines` gives the lines of the period in the order of time, each time the same; None for one that nobody can read."""
        self.period = period
        self.scope = scope
        self._ownership = ownership
        self._lines = lines
        anchors: list[tuple[datetime, Setting]] = []
        former: dict[str, list[tuple[datetime, Setting]]] = {}
        for line in lines():
            way = ownership.way(line) if line else ""
            if line is None or line.test or line.failed or not way:
                continue
            setting = Setting(way, line.parameters)
            if ownership.anchors(line):
                anchors.append((line.time, setting))
            member = scope.members.get(line.account_id)
            if member is None or not member.listed:
                former.setdefault(line.account_id, []).append((line.time, setting))
        self.settings = Settings(anchors, ownership.today, scope.setting_since)
        self.members = self._with_former(former)
        self.calendars = {account_id: bytearray(b"." * period.days) for account_id in sorted(self.members)}
        self.changes: list[Change] = []
        self.failures: list[Failure] = []
        self.failed_evaluations: dict[tuple[str, str], Group] = {}
        self.apart: dict[ApartKey, Group] = {}
        self.apart_unlisted = 0
        self.versions: dict[str, Group] = {}
        self.own_lines = 0
        self.last: dict[str, Line] = {}
        self._open: dict[str, Failure] = {}
        self._spans = {account_id: self._span(member) for account_id, member in self.members.items()}
        self._shares = self._shares_of(scope.targets) if scope.targets else {}

    def _shares_of(self, targets: Targets) -> dict[str, bytes]:
        """Return how much of each day each account was in scope.  While a conformance pack brings the rule, all are."""
        by_pack = [
            all(
                setting.way == BY_CONFORMANCE_PACK
                for time in (midnight(day), midnight(day + DAY))
                for setting in self.settings.at(time)
            )
            for day in self.period
        ]
        return {
            account_id: bytes(
                Share.WHOLE if pack else share
                for pack, share in zip(by_pack, targets.days(account_id, self.period.first, self.period.days), strict=True)
            )
            for account_id in self.members
        }

    def _with_former(self, former: Mapping[str, Sequence[tuple[datetime, Setting]]]) -> dict[str, Member]:
        """Add the accounts that only the journal knows, and say until when accounts that are gone count."""
        members = dict(self.scope.members)
        for account_id, evaluated in former.items():
            own = [time for time, setting in evaluated if setting in self.settings.at(time)]
            member = members.get(account_id)
            if own:
                member = member or Member(account_id, joined=midnight(own[0].date()), listed=False)
                left = member.left or midnight(own[-1].date() + DAY)
                members[account_id] = Member(account_id, member.name, member.ou_path, member.joined, left, listed=False)
        return members

    def _span(self, member: Member) -> tuple[date, date]:
        """Return the first and the last whole day of a membership."""
        first, last = self.period.first, self.period.last
        if member.joined:
            joined = member.joined.astimezone(UTC)
            first = max(first, joined.date() if joined == midnight(joined.date()) else joined.date() + DAY)
        if member.left:
            last = min(last, member.left.astimezone(UTC).date() - DAY)
        elif not member.listed:
            last = first - DAY  # gone, and never evaluated in the period: nobody knows until when it was a member
        return first, last

    def days(self) -> Iterator[AccountDay]:
        """Give each day of each member account: day by day, and on each by account id."""
        by_day = groupby(self._own(), key=lambda line: line.time.date())
        waiting = next(by_day, None)
        for number, day in enumerate(self.period):
            last: dict[str, Line] = {}
            evaluations: Counter[str] = Counter()
            failed: Counter[str] = Counter()
            if waiting and waiting[0] == day:
                for line in waiting[1]:
                    self._note(line)
                    if line.failed:
                        failed[line.account_id] += 1
                    else:
                        last[line.account_id] = line
                        evaluations[line.account_id] += 1
                waiting = next(by_day, None)
            for account_id, calendar in self.calendars.items():
                line_of_day = last.get(account_id)
                status = self._status(account_id, day, line_of_day)
                if status is DayStatus.NOT_A_MEMBER:
                    continue
                calendar[number] = ord(status)
                self._count_into_failure(account_id, day, status)
                yield AccountDay(day, account_id, status, line_of_day, evaluations[account_id], failed[account_id])
        self._close()

    def _own(self) -> Iterator[Line]:
        """Give the lines that count, and count the others."""
        for line in self._lines():
            if line is None:
                self._set_apart((Apart.UNREADABLE, "", "", "", ()), None)
                continue
            if not self.period.start <= line.time < self.period.end:
                continue
            apart = judge(line, self._ownership, self.settings)
            if apart is None and line.account_id not in self.members:
                apart = Apart.STRANGER
            if apart is None and self._share(line.account_id, line.time.date()) is Share.NONE:
                apart = Apart.NOT_IN_SCOPE
            if apart:
                self._set_apart((apart, line.account_id, line.rule_name, line.rule_owner, line.parameters), line)
                continue
            yield line

    def _set_apart(self, key: ApartKey, line: Line | None) -> None:
        group = self.apart.get(key)
        time, said = (line.time, line.verdict or line.error) if line else (self.period.start, "")
        if group:
            group.count += 1
            group.last, group.said = time, said
        elif len(self.apart) < MOST_APART:
            self.apart[key] = Group(1, time, time, said)
        else:
            self.apart_unlisted += 1

    def _note(self, line: Line) -> None:
        """Learn from a line that counts: changes, failures, versions."""
        self.own_lines += 1
        version = self.versions.setdefault(line.version, Group(0, line.time, line.time, ""))
        version.add(line, "")
        if line.failed:
            kind = line.error.partition(":")[0]
            group = self.failed_evaluations.setdefault((line.account_id, kind), Group(0, line.time, line.time, ""))
            group.add(line, line.error)
            return
        before = self.last.get(line.account_id)
        self.last[line.account_id] = line
        if before is None or before.verdict != line.verdict:
            was = before.verdict if before else ""
            self.changes.append(Change(line.account_id, line.time, was, line.verdict, line.annotation))
        failure = self._open.get(line.account_id)
        if line.verdict == "NON_COMPLIANT":
            if failure is None:
                failure = Failure(line.account_id, line.time, before is None, line.annotation)
                self._open[line.account_id] = failure
                self.failures.append(failure)
            failure.annotation = line.annotation
        elif failure:
            failure.ended = failure.until = line.time
            del self._open[line.account_id]

    def _status(self, account_id: str, day: date, line: Line | None) -> DayStatus:
        first, last = self._spans[account_id]
        if not first <= day <= last:
            return DayStatus.NOT_A_MEMBER
        in_target = self._share(account_id, day)
        if in_target is Share.NONE:
            return DayStatus.NOT_IN_SCOPE
        if line is None:
            return self._without_evaluation(account_id, day, in_target)
        accepted = self.scope.exceptions.accepted.get(account_id)
        if line.verdict == "NON_COMPLIANT" and accepted is not None and in_force(accepted, day):
            return DayStatus.ACCEPTED
        return DayStatus[line.verdict]

    def _without_evaluation(self, account_id: str, day: date, in_target: Share) -> DayStatus:
        excluded = self.scope.exceptions.excluded.get(account_id)
        if excluded is not None and in_force(excluded, day):
            return DayStatus.EXCLUDED
        if in_target is Share.PART:
            return DayStatus.NOT_IN_SCOPE
        has_source = self.scope.source_from <= day and day not in self.scope.unreadable and in_target is Share.WHOLE
        return DayStatus.UNKNOWN if has_source else DayStatus.NO_SOURCE

    def _share(self, account_id: str, day: date) -> Share:
        """Return how much of a day of the period an account was in a targeted organizational unit."""
        shares = self._shares.get(account_id)
        return Share(shares[(day - self.period.first).days]) if shares else Share.WHOLE

    def _count_into_failure(self, account_id: str, day: date, status: DayStatus) -> None:
        failure = self._open.get(account_id)
        if failure and status is DayStatus.NOT_IN_SCOPE:
            failure.until = max(failure.began, midnight(day))
            del self._open[account_id]
        elif failure:
            failure.unknown_days += status in _NOT_KNOWN
            failure.accepted_days += status is DayStatus.ACCEPTED

    def _close(self) -> None:
        """Say until when the failures count that have not ended: the end of the period, or of the membership."""
        for failure in self._open.values():
            _, last = self._spans[failure.account_id]
            failure.until = max(failure.began, min(self.period.end, midnight(last + DAY)))
        self.failures.sort(key=lambda failure: (-failure.length, failure.account_id, failure.began))

    # --- What follows ---

    def setting_number(self, line: Line) -> int:
        """Return the number of the setting of a line that counts."""
        return self.settings.number(Setting(self._ownership.way(line), line.parameters))

    def not_known(self) -> list[date]:
        """Return the days that are not known for some account, since nobody knows whether it was in scope."""
        unknown = {
            number
            for account_id, shares in self._shares.items()
            for number, share in enumerate(shares)
            if share == Share.NOT_KNOWN and self.calendars[account_id][number] == ord(DayStatus.NO_SOURCE)
        }
        return [self.period.first + DAY * number for number in sorted(unknown)]

    def figures(self) -> Figures:
        """Count the account-days of each status."""
        counts: Counter[DayStatus] = Counter()
        for calendar in self.calendars.values():
            counts.update(_counted(calendar))
        return Figures({status: counts[status] for status in DayStatus})

    def figures_of(self, account_id: str) -> Figures:
        """Count the days of each status of an account."""
        counts = _counted(self.calendars[account_id])
        return Figures({status: counts.get(status, 0) for status in DayStatus})

    def failures_of(self) -> dict[str, list[Failure]]:
        """Return the failures by account id, the longest first."""
        found: dict[str, list[Failure]] = {}
        for failure in self.failures:
            found.setdefault(failure.account_id, []).append(failure)
        return found


def _counted(calendar: bytearray) -> dict[DayStatus, int]:
    return {status: number for status in DayStatus if (number := calendar.count(status.value.encode()))}
