"""Puts the evidence into tables: pure, without input or output.  Each is a CSV file, a list of evidence.json, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest

from organization.controls.judging import Assessment, Control, Framework
from organization.deployment import Deployment
from organization.evidence.control_days import ControlDays
from organization.evidence.days import (
    NAMES,
    AccountDay,
    DayStatus,
    Figures,
    History,
    Member,
    Period,
    share,
)
from organization.evidence.lines import MEANINGS, in_words
from organization.evidence.targets import EVER, Move, Targets
from organization.exceptions.judging import Exceptions
from organization.journal import FACTS
from organization.statuses import Result

Value = str | int | float | bool | None
Row = Sequence[Value]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, what it is about, its columns and rows."""

    name: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Row]

    def records(self) -> list[dict[str, Value]]:
        """Return each row by its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Gap:
    """What a source does not tell: from when to when, if that is known, and what that means."""

    source: str
    what: str
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event of CloudTrail: who (an ARN) did what, to which account, stack or function; `code_sha256` if it says one."""

    time: datetime
    name: str
    by: str
    about: str
    error: str = ""
    code_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """A run of a runbook: in which account, about which, who started and who approved it (ARNs), and what it says."""

    account_id: str
    execution_id: str
    runbook: str
    version: str
    started: datetime
    ended: datetime | None
    status: str
    about: str
    started_by: str
    approvals: str
    notice: bool
    said: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the folder says.  `tables` have it by name; `history` has the calendars and figures."""

    organization_id: str
    account_id: str
    region: str
    stack_name: str
    history: History
    tables: Mapping[str, Table]

    @property
    def period(self) -> Period:
        """The period."""
        return self.history.period

    @property
    def figures(self) -> Figures:
        """The account-days of all accounts."""
        return self.history.figures()


@dataclass(frozen=True, slots=True)
class Findings:
    """What sources other than the journal say.  `contradictions` are those of AWS Config, by account id."""

    deployment: Deployment
    exceptions: Exceptions = field(default_factory=Exceptions)
    deployments: Sequence[Event] = ()
    executions: Sequence[Execution] = ()
    contradictions: Mapping[str, Result] = field(default_factory=dict)
    moves: Sequence[Move] = ()
    gaps: Sequence[Gap] = ()
    code: tuple[str, str] = ("", "")


DAY_COLUMNS = (
    *("day", "account_id", "status", "verdict", "evaluated_at", *FACTS, "root_virtual_mfa_devices"),
    *("parameters", "version", "rule_name", "evaluations", "failed_evaluations", "annotation"),
)


def day_row(day: AccountDay, history: History) -> Row:
    """Return the row of a day of an account, as DAY_COLUMNS; in it `parameters` is the number of the setting in that table."""
    line = day.line
    if line is None:
        said: Row = (None,) * (2 + len(FACTS) + 1 + 3)
    else:
        facts: Row = line.facts or (None,) * len(FACTS)
        number = history.setting_number(line)
        said = (line.verdict, instant(line.time), *facts, line.devices, number, line.version, line.rule_name)
    annotation = line.annotation if line else None
    return (day.day.isoformat(), day.account_id, NAMES[day.status], *said, day.evaluations, day.failed_evaluations, annotation)


def evidence_of(history: History, findings: Findings, controls: ControlDays) -> Evidence:
    """Put everything together, once the days of the history have ended and are counted into `controls`."""
    tables = (
        _accounts(history, controls),
        _controls(history, controls),
        _failures(history),
        _changes(history),
        _exceptions(findings),
        _parameters(history),
        _targets(history),
        _moves(history, findings),
        _versions(history, findings),
        _deployments(findings),
        _failed_evaluations(history),
        _runbooks(findings),
        _contradictions(history, findings),
        _apart(history),
        _gaps(findings),
    )
    return Evidence(
        findings.deployment.organization_id,
        findings.deployment.account_id,
        findings.deployment.region,
        findings.deployment.stack_name,
        history,
        {table.name: table for table in tables},
    )


def instant(time: datetime) -> str:
    """Write an instant in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def hours(length: timedelta) -> float:
    """Write a length in hours, with two digits."""
    return round(length / timedelta(hours=1), 2)


def _accounts(history: History, controls: ControlDays) -> Table:
    failures = history.failures_of()

    def row(member: Member) -> Row:
        figures = history.figures_of(member.account_id)
        own = failures.get(member.account_id, [])
        return (
            member.account_id,
            member.name,
            member.ou_path,
            member.listed,
            instant(member.joined) if member.joined else None,
            instant(member.left) if member.left else None,
            figures.in_scope,
            *(figures.counts[status] for status in DayStatus if status is not DayStatus.NOT_A_MEMBER),
            share(figures.compliant, figures.in_scope),
            share(figures.known, figures.in_scope),
            len(own),
            hours(own[0].length) if own else 0.0,
            *(controls.satisfied[member.account_id, *control] for control in asked),
            history.calendars[member.account_id].decode("ascii"),
        )

    asked = [(framework.name, each.control_id) for framework in controls.frameworks for each in framework.controls]

    days = [f"{NAMES[status].lower()}_days" for status in DayStatus if status is not DayStatus.NOT_A_MEMBER]
    columns = ("account_id", "account_name", "ou_path", "is_member", "joined", "left", "days_in_scope", *days)
    columns += ("share_compliant", "share_known", "failures", "longest_failure_hours")
    columns += (*(f"{name} {control_id} satisfied_days" for name, control_id in asked), "calendar")
    return Table(
        "accounts",
        "Each account, with its days. In the calendar, each letter is a day: evidence.json says what it means.",
        columns,
        [row(history.members[account_id]) for account_id in history.calendars],
    )


def _controls(history: History, controls: ControlDays) -> Table:
    in_scope = history.figures().in_scope

    def row(framework: Framework, control: Control) -> Row:
        days = {assessment: controls.counts[framework.name, control.control_id, assessment] for assessment in Assessment}
        satisfied = days[Assessment.SATISFIED]
        source = control.source or f"unverified: {control.unverified}"
        return (framework.title, control.control_id, control.asks, *days.values(), share(satisfied, in_scope), source)

    return Table(
        "controls",
        "On how many account-days root users satisfied each control of the frameworks that were asked for, from the facts.",
        (
            *("framework", "control", "asks", "satisfied_days", "not_satisfied_days", "unknown_days"),
            *("share_satisfied", "source"),
        ),
        [row(framework, control) for framework in controls.frameworks for control in framework.controls],
    )


def _failures(history: History) -> Table:
    return Table(
        "failures",
        "A failure lasts from the first NON_COMPLIANT evaluation to the next other verdict. Days without an evaluation do not "
        "end it. The longest comes first.",
        (
            *("account_id", "account_name", "began", "began_earlier", "ended", "hours"),
            *("days_not_known", "days_accepted", "annotation"),
        ),
        [
            (
                each.account_id,
                history.members[each.account_id].name,
                instant(each.began),
                each.began_earlier,
                instant(each.ended) if each.ended else None,
                hours(each.length),
                each.unknown_days,
                each.accepted_days,
                each.annotation,
            )
            for each in history.failures
        ],
    )


def _changes(history: History) -> Table:
    return Table(
        "changes",
        "Each evaluation with another verdict than the one before; before is empty for an account's first of the period.",
        ("account_id", "time", "before", "after", "annotation"),
        [(each.account_id, instant(each.time), each.before, each.after, each.annotation) for each in history.changes],
    )


def _exceptions(findings: Findings) -> Table:
    rows: list[Row] = [
        (account_id, "excluded", each.reason, "", each.owner, _iso(each.since), _iso(each.until))
        for account_id, each in sorted(findings.exceptions.excluded.items())
    ]
    rows += [
        (account_id, "accepted", each.reason, each.control, each.owner, _iso(each.since), _iso(each.until))
        for account_id, each in sorted(findings.exceptions.accepted.items())
    ]
    return Table(
        "exceptions",
        "Which accounts are excluded, and whose failures are accepted: why, who answers for it, the first and the last day. "
        "One without a first day counts for every day until its end.",
        ("account_id", "kind", "reason", "compensating_control", "owner", "since", "until"),
        rows,
    )


def _parameters(history: History) -> Table:
    return Table(
        "parameters",
        "How the rule came and its parameters, each since an evaluation of the central account or the management account first "
        "had them. The last row is what the stack has today.",
        ("since", "number", "rule_deployment", "parameters"),
        [
            (instant(time) if time else None, history.settings.number(setting), setting.way, in_words(setting.parameters))
            for time, setting in history.settings.changes
        ],
    )


def _targets(history: History) -> Table:
    targets, period = history.scope.targets or Targets(), history.period
    rows: list[Row] = []
    for unit_id in sorted(targets.targeted()):
        stretches = targets.stretches(unit_id)
        ends = [since for since, _ in stretches[1:]]
        for (since, state), until in zip_longest(stretches, ends):
            if state is not False and since < period.end and (until is None or until > period.start):
                path = targets.units[unit_id].path if unit_id in targets.units else ""
                began = instant(since) if since > EVER else None
                rows.append((unit_id, path, began, instant(until) if until else None, bool(state)))
    return Table(
        "targets",
        "The organizational units whose accounts were to be evaluated, with all below them; a root stands for all accounts. If "
        "is_known is false, no source tells whether it was one.",
        ("unit_id", "ou_path", "since", "until", "is_known"),
        rows,
    )


def _moves(history: History, findings: Findings) -> Table:
    units = (history.scope.targets or Targets()).units

    def named(unit_id: str) -> str:
        return units[unit_id].path if unit_id in units else unit_id

    return Table(
        "moves",
        "Which accounts were moved to another organizational unit, and who moved them, according to CloudTrail.",
        ("time", "account_id", "account_name", "source", "destination", "by"),
        [
            (
                instant(each.time),
                each.account_id,
                history.members[each.account_id].name if each.account_id in history.members else "",
                named(each.source_id),
                named(each.destination_id),
                each.by,
            )
            for each in findings.moves
        ],
    )


def _versions(history: History, findings: Findings) -> Table:
    def code_sha256(version: str, first: datetime) -> str:
        """Return the hash that Lambda has now, or that of the last deployment before the version's first line."""
        deployed = [each.code_sha256 for each in findings.deployments if each.code_sha256 and each.time <= first]
        return findings.code[1] if version == findings.code[0] else next(reversed(deployed), "")

    return Table(
        "versions",
        "The versions of the function's code that wrote the lines. The hash is Lambda's CodeSha256 (base64): what Lambda has "
        "now, or what CloudTrail has of the last deployment before the first line.",
        ("version", "first_line", "last_line", "lines", "code_sha256"),
        [
            (version, instant(group.first), instant(group.last), group.count, code_sha256(version, group.first))
            for version, group in history.versions.items()
        ],
    )


def _deployments(findings: Findings) -> Table:
    return Table(
        "deployments",
        "Who changed the stack or the function, according to CloudTrail.",
        ("time", "event", "by", "about", "code_sha256", "error"),
        [(instant(each.time), each.name, each.by, each.about, each.code_sha256, each.error) for each in findings.deployments],
    )


def _failed_evaluations(history: History) -> Table:
    return Table(
        "failed-evaluations",
        "Evaluations that failed, by account and kind of error, with the last message.",
        ("account_id", "error", "count", "first", "last", "last_message"),
        [
            (account_id, kind, group.count, instant(group.first), instant(group.last), group.said)
            for (account_id, kind), group in sorted(history.failed_evaluations.items())
        ],
    )


def _runbooks(findings: Findings) -> Table:
    return Table(
        "runbooks",
        "Runs of the runbooks: notices sent, and removals of root credentials with who started and who approved them.",
        (
            *("account_id", "execution_id", "runbook", "version", "started", "ended", "status", "about_account"),
            *("started_by", "approvals", "notice_sent", "said"),
        ),
        [
            (
                each.account_id,
                each.execution_id,
                each.runbook,
                each.version,
                instant(each.started),
                instant(each.ended) if each.ended else None,
                each.status,
                each.about,
                each.started_by,
                each.approvals,
                each.notice,
                each.said,
            )
            for each in findings.executions
        ],
    )


def _contradictions(history: History, findings: Findings) -> Table:
    return Table(
        "contradictions",
        "Accounts for which AWS Config's last result from before the end of the period differs from that of the last line.",
        ("account_id", "journal_time", "journal_verdict", "aws_config_time", "aws_config_result", "annotation"),
        [
            (
                account_id,
                instant(history.last[account_id].time),
                history.last[account_id].verdict,
                instant(result.time) if result.time else None,
                result.compliance,
                result.annotation,
            )
            for account_id, result in sorted(findings.contradictions.items())
        ],
    )


def _apart(history: History) -> Table:
    rows: list[Row] = [
        (
            apart,
            account_id,
            rule_name,
            rule_owner,
            in_words(parameters),
            group.count,
            instant(group.first),
            instant(group.last),
            group.said,
            MEANINGS[apart],
        )
        for (apart, account_id, rule_name, rule_owner, parameters), group in sorted(history.apart.items())
    ]
    if history.apart_unlisted:
        rows.append(("more", "", "", "", "", history.apart_unlisted, None, None, "", "Lines of yet other rules."))
    return Table(
        "other-lines",
        "Lines of the journal that do not count, and why.",
        (
            "why",
            "account_id",
            "rule_name",
            "rule_owner",
            "parameters",
            "count",
            "first",
            "last",
            "last_verdict_or_error",
            "meaning",
        ),
        rows,
    )


def _gaps(findings: Findings) -> Table:
    return Table(
        "gaps",
        "What the sources do not tell.",
        ("source", "first_day", "last_day", "what"),
        [(each.source, _iso(each.first), _iso(each.last), each.what) for each in findings.gaps],
    )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
