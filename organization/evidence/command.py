"""Writes the evidence of a period into a folder, or verifies a folder."""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, TypeVar

import click

from organization import aws, project, spreadsheet
from organization.accounts import Progress
from organization.aws import Caller, CommandError
from organization.commands import PROGRAM
from organization.controls.reading import frameworks
from organization.evidence import folder, page, tables
from organization.evidence.control_days import ControlDays
from organization.evidence.days import DAY, MEANINGS, NAMES, DayStatus, History, Member, Period, Scope, midnight, share
from organization.evidence.folder import Folder
from organization.evidence.lines import Line, Ownership
from organization.evidence.sources import STACK_CHANGES, JournalRead, Log, Sources, Spool
from organization.evidence.tables import DAY_COLUMNS, Event, Evidence, Findings, Gap, Table, Value
from organization.evidence.targets import Move, Targets
from organization.exceptions import reading as exceptions_file
from organization.exceptions.judging import FILE, Exceptions, Exclusion, in_force
from organization.report import reading
from organization.screen import Screen, complain, progress_bars
from organization.statuses import Account, Result, Unseen

if TYPE_CHECKING:
    import boto3

    from organization.deployment import Deployment

DIFFERS = 1
"""The exit code of `--verify` if anything differs, and of the evidence if a day is not known or fails, or AWS Config
contradicts the journal."""

PRICE_PER_GB = 0.005
"""US dollars for each GB that a query of Logs Insights scans.

Assumed: the list price of most Regions. Source: https://aws.amazon.com/cloudwatch/pricing/
"""
LONGEST = 3660
"""Days of a period. Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
ASKS_FROM = 10 * 10**9
"""From this many bytes to scan the command asks first: five cents."""
_SHOWN = 10
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked for."""

    first: date | None
    last: date | None
    output: Path
    confirmed: bool
    exceptions_path: Path | None
    role_name: str | None
    framework_names: Sequence[str] = ()
    management_profile: str | None = None


def verify(path: Path, manifest_sha256: str | None) -> int:
    """Say what differs from the manifest of a folder; returns the exit code."""
    found = folder.verify(path)
    screen = Screen()
    for what, names in (("changed", found.changed), ("removed", found.removed), ("added", found.added)):
        for name in names:
            screen.say(f"{what}: {name}")
    is_other = manifest_sha256 is not None and manifest_sha256.lower() != found.manifest_sha256
    if is_other:
        screen.say(f"{folder.MANIFEST} is another one: its SHA-256 is {found.manifest_sha256}, not {manifest_sha256}.")
    if found.is_any or is_other:
        return DIFFERS
    screen.say(f"{found.files} files are as {folder.MANIFEST} says. Its SHA-256 is {found.manifest_sha256}.")
    return 0


def run(region: str | None, profile: str | None, stack_name: str, wanted: Wanted) -> int:
    """Read everything, write the folder and print a summary; returns the exit code."""
    folder.check(wanted.output)
    exceptions = exceptions_file.read(wanted.exceptions_path or exceptions_file.default_file())
    session, caller = aws.session(region, profile)
    with progress_bars() as progress:
        reader = reading.Reader(session, caller.time, progress)
        deployment = reader.deployment(stack_name)
        if deployment is None:
            raise CommandError(aws.no_stack(stack_name, caller))
        period = _period(wanted, caller)
        sources = Sources(session, caller, progress)
        log = sources.log(deployment)
    management = _management(region, wanted.management_profile, deployment)
    _say_cost(log, period, ask=not wanted.confirmed)
    with progress_bars() as progress:
        reader = reading.Reader(session, caller.time, progress)
        gathered = _Gathered(Sources(session, caller, progress), reader, deployment, caller, period, log, progress)
        gathered.organization_trail = Sources(*management, progress) if management else None
        made: list[Evidence] = []

        def fill(written: Folder) -> str:
            asked = ControlDays([frameworks()[name] for name in dict.fromkeys(wanted.framework_names)])
            evidence, manifest = gathered.fill(written, exceptions, asked, wanted.role_name)
            made.append(evidence)
            return written.finish(manifest)

        manifest_sha256 = folder.write(wanted.output, fill)
    [evidence] = made
    _show(evidence, Screen())
    complain(f"wrote {wanted.output}. The SHA-256 of its {folder.MANIFEST} is {manifest_sha256}: keep it elsewhere.")
    counts = evidence.figures.counts
    fails = any(counts[each] for each in (DayStatus.NON_COMPLIANT, DayStatus.UNKNOWN, DayStatus.NO_SOURCE))
    return DIFFERS if fails or evidence.tables["contradictions"].rows else 0


def _management(region: str | None, profile: str | None, deployment: "Deployment") -> "tuple[boto3.Session, Caller] | None":
    """Return the session of the management account, whose CloudTrail says which accounts left or moved; None without a profile.

    Raises CommandError if the profile is of another account.
    """
    if profile is None:
        return None
    session, caller = aws.session(region, profile)
    if caller.account_id != deployment.management_account_id:
        message = (
            f"--management-profile {profile} is of account {caller.account_id}: give a profile of the management account, "
            f"{deployment.management_account_id or 'which a deployment for one account does not have'}."
        )
        raise CommandError(message)
    return session, caller


def _period(wanted: Wanted, caller: Caller) -> Period:
    """Return the period: by default the 365 days that are over.  Raises CommandError if it is empty, not over or too long."""
    yesterday = caller.time.astimezone(UTC).date() - DAY
    last = wanted.last or yesterday
    first = wanted.first or last - timedelta(days=364)
    if last > yesterday:
        message = f"--to {last} is not over: give {yesterday} or a day before, in UTC."
        raise CommandError(message)
    if first > last:
        message = f"--from {first} is after --to {last}: give an earlier day."
        raise CommandError(message)
    period = Period(first, last)
    if period.days > LONGEST:
        message = f"--from {first} to {last} is {period.days} days: {LONGEST} are allowed, since no log is kept for longer."
        raise CommandError(message)
    return period


def _say_cost(log: Log, period: Period, *, ask: bool) -> None:
    """Say what the queries cost, and ask if that is more than a few cents."""
    scanned = log.bytes_of(period)
    complain(
        f"the log {log.name} has about {scanned / 10**9:.2f} GB of this period, which Logs Insights scans at least once: about "
        f"${scanned / 10**9 * PRICE_PER_GB:.2f} at ${PRICE_PER_GB} a GB (https://aws.amazon.com/cloudwatch/pricing/)."
    )
    if ask and scanned > ASKS_FROM:
        click.confirm("Read it?", abort=True, err=True)


class _Gathered:
    """Reads the sources and writes the files."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it reads with
        self,
        sources: Sources,
        reader: reading.Reader,
        deployment: "Deployment",
        caller: Caller,
        period: Period,
        log: Log,
        progress: Progress,
    ) -> None:
        self._sources = sources
        self._reader = reader
        self._deployment = deployment
        self._caller = caller
        self._period = period
        self._log = log
        self._progress = progress
        self._gaps: list[Gap] = []
        self._changes: Sequence[Event] = ()
        self.organization_trail: Sources | None = sources if deployment.in_management_account else None
        """Reads the management account's CloudTrail, if it can be read."""

    def fill(
        self, written: Folder, exceptions: Exceptions, controls: ControlDays, role_name: str | None
    ) -> tuple[Evidence, dict[str, object]]:
        """Write everything except the manifest; returns the evidence and the manifest's content.

        `role_name`: the role with which to read, in each account, the runs of the runbooks.
        """
        spooled = written.path / ".lines.gz"
        spool = Spool(spooled)
        try:
            journal = self._sources.read_journal(self._log, self._period, spool)
            spool.close()
            undocumented = {each: Exclusion("No reason given.") for each in sorted(self._deployment.excluded)}
            exceptions = Exceptions(undocumented | dict(exceptions.excluded), exceptions.accepted)
            history = History(self._period, self._scope(journal, exceptions), Ownership(self._deployment), spool.lines)
            evidence = write(
                written,
                history,
                lambda: self._findings(history, exceptions, role_name),
                controls,
                self._progress,
            )
        finally:
            spool.close()
            spooled.unlink(missing_ok=True)
        return evidence, self._manifest(journal)

    def _scope(self, journal: JournalRead, exceptions: Exceptions) -> Scope:
        deployment = self._deployment
        to_today = Period(self._period.first, max(self._period.last, self._caller.time.astimezone(UTC).date()))
        read = self._seen("CloudTrail", lambda: self._sources.deployments(deployment, deployment.function_name, to_today))
        self._changes, all_since = read or ((), None)
        since = self._unchanged_since(all_since) if all_since else None
        if all_since and all_since > max(self._sources.trail_from, self._period.start):
            what = (
                f"There were too many deployments to read those before {tables.instant(all_since)}: who changed the stack or "
                "the function before is not known."
            )
            self._gaps.append(Gap("CloudTrail", what, self._period.first, min(all_since.date(), self._period.last)))
        if not deployment.organization_id:
            members = {deployment.account_id: Member(deployment.account_id)}
            return Scope(members, exceptions, self._log.whole_from, frozenset(journal.unreadable), setting_since=since)
        trail = self.organization_trail or self._sources
        departures = self._seen("CloudTrail", lambda: trail.departures(self._period)) or []
        accounts = self._reader.accounts()
        return Scope(
            self._sources.members(accounts, departures),
            exceptions,
            self._log.whole_from,
            frozenset(journal.unreadable),
            self._targets(accounts, to_today, since),
            # A change takes its time to reach the accounts.
            since + DAY if since and since + DAY < self._caller.time else None,
        )

    def _unchanged_since(self, all_since: datetime) -> datetime:
        """Return when the stack was changed last, or since when, from `all_since` on, CloudTrail says that it was not."""
        times = [
            each.time
            for each in self._changes
            if each.name in STACK_CHANGES and each.about == self._deployment.stack_name and not each.error
        ]
        return max([all_since, *times])

    def _targets(self, accounts: Sequence[Account], to_today: Period, since: datetime | None) -> Targets:
        """Read which organizational units the StackSet went to, and which accounts were in them when.

        `since`: from when on the stack is known not to have changed; None if that is not known.
        """
        deployment = self._deployment
        root_id = deployment.organization_root_id
        today = deployment.organizational_unit_ids if deployment.has_rule_in_stack_set else frozenset()
        operations, begun = self._seen("CloudFormation", lambda: self._sources.operations(deployment)) or ([], None)
        targets = Targets(
            today or frozenset({root_id}),
            since=since,
            operations=operations,
            begun=begun,
            always=frozenset({deployment.management_account_id}),
        )
        moves: Sequence[Move] = ()
        moves_since = None
        trail = self.organization_trail
        if trail and targets.targeted() != {root_id}:
            moves, moves_since = self._seen("CloudTrail", lambda: trail.moves(to_today)) or ((), None)
        further = {unit_id for move in moves for unit_id in (move.source_id, move.destination_id)}
        return replace(
            targets,
            units=self._sources.units(accounts, further | targets.targeted()),
            parents={each.account_id: each.unit_ids[-1] for each in accounts if each.unit_ids},
            moves_since=moves_since,
            moves=moves,
        )

    def _findings(self, history: History, exceptions: Exceptions, role_name: str | None) -> Findings:
        """Ask the other sources, once the days of the history have ended."""
        deployment, period, sources = self._deployment, self._period, self._sources
        self._judge_gaps(history, role_name)
        self._judge_exclusions(history, exceptions)
        name, own = deployment.function_name, self._caller.account_id
        targets = history.scope.targets
        executions = self._seen("Automation", lambda: sources.executions(own, period)) or []
        if role_name:
            others = [each for each, member in history.members.items() if member.listed and each != own]
            found, refused = sources.executions_in(others, role_name, period)
            executions += found
            for account_id, why in refused.items():
                self._gaps.append(Gap("Automation", f"Account {account_id} could not be read: {why}", *_ends(period)))
        return Findings(
            deployment,
            exceptions,
            [each for each in self._changes if each.time < period.end],
            executions,
            self._seen("AWS Config", lambda: self._contradictions(history)) or {},
            [each for each in targets.moves if each.time < period.end] if targets else (),
            self._gaps,
            self._seen("Lambda", lambda: sources.code(name)) or ("", ""),
        )

    def _contradictions(self, history: History) -> dict[str, Result]:
        """Return AWS Config's last result by account, if it is from before the end of the period and differs from the line.

        A result of NOT_APPLICABLE never reaches an aggregator.
        """
        deployment, reader = self._deployment, self._reader
        last = {each: line for each, line in history.last.items() if line.verdict != "NOT_APPLICABLE"}
        if deployment.organization_id:
            listed = reader.listed(deployment, set(last))
            results = reader.details(
                deployment,
                {
                    account_id: [each for each in listed.get(account_id, ()) if self._differs(each, line)]
                    for account_id, line in last.items()
                },
            )
        else:
            results = {deployment.account_id: reader.own_results(deployment)}
        return {
            account_id: each
            for account_id, found in results.items()
            for each in found
            if account_id in last and self._differs(each, last[account_id]) and each.time and each.time < self._period.end
        }

    @staticmethod
    def _differs(result: Result, line: Line) -> bool:
        return result.rule_name == line.rule_name and result.compliance not in {"", line.verdict}

    def _seen(self, source: str, read: Callable[[], T]) -> T | None:
        """Read something; if AWS refuses it, that is a gap."""
        found = aws.seen(read)
        if not isinstance(found, Unseen):
            return found
        self._gaps.append(Gap(source, f"It could not be read: {found.reason}", *_ends(self._period)))
        return None

    def _judge_gaps(self, history: History, role_name: str | None) -> None:
        """Say what no source tells."""
        period, first_whole = self._period, self._log.whole_from
        if first_whole > period.first:
            last = min(first_whole - DAY, period.last)
            what = (
                f"The log has everything from {first_whole} on. Days before are not known, unless it has an evaluation of them."
            )
            self._gaps.append(Gap("Journal", what, period.first, last))
        for day in sorted(each for each in period if each in history.scope.unreadable):
            self._gaps.append(
                Gap("Journal", "A minute of one account has 10,000 lines or more: nobody can read them.", day, day)
            )
        if not history.settings.anchored:
            self._gaps.append(
                Gap(
                    "Journal",
                    "Neither the central account nor the management account was evaluated. So the evidence assumes that the "
                    "rule came as today, with today's parameters: an evaluation with others does not count.",
                    *_ends(period),
                )
            )
        trail_from = self._sources.trail_from.date()
        if trail_from > period.first:
            what = (
                "CloudTrail's event history keeps 90 days: who deployed, and which accounts left or moved, is not known before."
            )
            self._gaps.append(Gap("CloudTrail", what, period.first, min(trail_from - DAY, period.last)))
        if self._deployment.organization_id and not self.organization_trail:
            self._gaps.append(
                Gap(
                    "CloudTrail",
                    "The management account records which accounts left, were closed or were moved, but its records were not "
                    "read: give --management-profile. An account that is gone counts until its last evaluation.",
                    *_ends(period),
                )
            )
        self._judge_scope(history)
        what = "Automation does not keep its runs forever: those that it no longer has are missing."
        if not role_name:
            what += " Only runs in the account of the evidence were read, where removals run. Notices are sent in each account."
        self._gaps.append(Gap("Automation", what, *_ends(period)))

    def _judge_scope(self, history: History) -> None:
        """Say on which days nobody knows which accounts were in scope, and why."""
        targets, not_known = history.scope.targets, history.not_known()
        if targets is None or not not_known:
            return
        why = []
        if targets.begun is None:
            why.append("The StackSet's operations do not go back to its beginning.")
        if targets.moves_since is None or targets.moves_since > midnight(not_known[0]):
            why.append("The organizational unit of an account is known as far back as CloudTrail goes, and for today.")
        what = (
            "For some accounts nobody knows whether they were in a targeted organizational unit. Their days without an "
            f"evaluation count as not known. {' '.join(why)}"
        )
        self._gaps.append(Gap("Scope", what.strip(), not_known[0], not_known[-1]))

    def _judge_exclusions(self, history: History, exceptions: Exceptions) -> None:
        """Say which accounts the file excludes and the deployment does not: only the file tells of their past."""
        today = self._caller.time.astimezone(UTC).date()
        for account_id, each in sorted(exceptions.excluded.items()):
            if account_id in history.members and account_id not in self._deployment.excluded and in_force(each, today):
                what = (
                    f"{FILE} excludes account {account_id}, but the parameter ExcludedAccounts does not name it. Its days "
                    "without an evaluation are EXCLUDED, as the file says."
                )
                self._gaps.append(Gap("Exceptions", what, *_ends(self._period)))

    def _manifest(self, journal: JournalRead) -> dict[str, object]:
        """Say when, by whom and from what the folder was made."""
        caller, period = self._caller, self._period
        scanned = sum(journal.scans)
        return {
            "made": {
                "time": tables.instant(caller.time),
                "by": caller.arn,
                "program": PROGRAM,
                "version": project.version(),
                "account_id": caller.account_id,
                "region": caller.region,
            },
            "period": {"from": period.first.isoformat(), "to": period.last.isoformat()},
            "sources": [
                {
                    "name": "CloudWatch Logs Insights",
                    "log_group": self._log.name,
                    "whole_from": self._log.whole_from.isoformat(),
                    "queries": len(journal.scans),
                    "rows": journal.rows,
                    "bytes_scanned": scanned,
                },
                {"name": "CloudFormation", "stack": self._deployment.stack_name},
                *(
                    {"name": name}
                    for name in ("AWS Organizations", "AWS Config", "CloudTrail", "AWS Lambda", "Systems Manager Automation")
                ),
            ],
        }


def _ends(period: Period) -> tuple[date, date]:
    return period.first, period.last


def write(
    written: Folder,
    history: History,
    find: Callable[[], Findings],
    controls: ControlDays,
    progress: Progress,
) -> Evidence:
    """Write every file except the manifest: the days as they come, then their results and what `find` finds then."""
    with _Days(written, (*DAY_COLUMNS, *(framework.name for framework in controls.frameworks))) as days:
        for day in history.days():
            progress("Days written", (day.day - history.period.first).days + 1, history.period.days)
            days.add(day.day, (*tables.day_row(day, history), *controls.add(day)))
    evidence = tables.evidence_of(history, find(), controls)
    for table in evidence.tables.values():
        with written.open(f"{table.name}.csv") as file:
            _write_csv(file, table)
    with written.open("evidence.json") as file:
        json.dump(_document(evidence), file, indent=1)
        file.write("\n")
    with written.open("index.html") as file:
        file.write(page.as_html(evidence))
    return evidence


class _Days:
    """Writes the days, two files for each month: CSV, and JSON with `columns` and `rows`."""

    def __init__(self, written: Folder, columns: Sequence[str]) -> None:
        self._written = written
        self._columns = columns
        self._stack = ExitStack()
        self._month = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, day: date, row: Sequence[Value]) -> None:
        """Write a day of an account."""
        month = day.isoformat()[:7]
        separator = ",\n"
        if month != self._month:
            self._stack.close()
            self._month, separator = month, "\n"
            self._csv = csv.writer(self._stack.enter_context(self._written.open(f"days/{month}.csv")))
            self._json = self._stack.enter_context(self._written.open(f"days/{month}.json"))
            self._csv.writerow(self._columns)
            self._json.write(f'{{"columns": {json.dumps(self._columns)}, "rows": [')
            self._stack.callback(self._json.write, "\n]}\n")
        self._csv.writerow([_cell(value) for value in row])
        self._json.write(separator + json.dumps(row, separators=(",", ":")))


def _write_csv(file: IO[str], table: Table) -> None:
    writer = csv.writer(file)
    writer.writerow(table.columns)
    writer.writerows([_cell(value) for value in row] for row in table.rows)


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case _:
            return str(value)


@lru_cache(maxsize=20_000)
def _text(value: str) -> str:
    return spreadsheet.cell(value)


def _document(evidence: Evidence) -> dict[str, object]:
    """Return evidence.json: what it is about, the figures, what letters mean, and every table except the days."""
    figures, period = evidence.figures, evidence.period
    return {
        "schema_version": 1,
        "organization_id": evidence.organization_id or None,
        "account_id": evidence.account_id,
        "region": evidence.region,
        "stack_name": evidence.stack_name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "figures": {
            "accounts": len(evidence.history.calendars),
            "account_days_in_scope": figures.in_scope,
            "account_days_compliant": figures.compliant,
            "account_days_known": figures.known,
            "share_compliant": share(figures.compliant, figures.in_scope),
            "share_known": share(figures.known, figures.in_scope),
            "account_days": {
                NAMES[status]: figures.counts[status] for status in DayStatus if status is not DayStatus.NOT_A_MEMBER
            },
        },
        "letters": {status.value: {"status": NAMES[status], "meaning": MEANINGS[status]} for status in DayStatus},
        **{name.replace("-", "_"): table.records() for name, table in evidence.tables.items()},
    }


def _show(evidence: Evidence, screen: Screen) -> None:
    """Print the figures, the longest failures and the gaps."""
    figures, period = evidence.figures, evidence.period
    screen.say((page.answer(evidence), "bold"))
    counts = ", ".join(f"{figures.counts[status]} {NAMES[status]}" for status in DayStatus if figures.counts[status])
    screen.say(f"Account-days from {period.first} to {period.last}: {counts}.")
    failures = evidence.history.failures
    for failure in failures[:_SHOWN]:
        ended = f"until {tables.instant(failure.ended)}" if failure.ended else "and went on"
        lasted = f"{tables.hours(failure.length):.2f} h"
        screen.say(
            f"{failure.account_id} failed for {lasted} from {tables.instant(failure.began)} {ended}. {failure.annotation}",
            indent=2,
        )
    if len(failures) > _SHOWN:
        screen.say(f"and {len(failures) - _SHOWN} more failures: see failures.csv.", indent=2)
    for each in evidence.tables["contradictions"].records():
        screen.say(
            (f"Account {each['account_id']}:", "bold"),
            f" AWS Config says {each['aws_config_result']} since {each['aws_config_time']}, and the journal's last line says "
            f"{each['journal_verdict']}.",
        )
    for gap in evidence.tables["gaps"].records():
        screen.say(("Gap:", "bold"), f" {gap['source']}: {gap['what']}")
    sys.stdout.flush()
