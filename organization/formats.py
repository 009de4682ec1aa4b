"""The report in each of its formats: a table, CSV, JSON and one self-contained HTML page."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from organization.deployment import Deployment
from organization.statuses import FAILURES, MEANINGS, STALE_AFTER, Advice, Row, Status, hours, totals

SCHEMA_VERSION = 1
"""Of the JSON report; a change that takes a key away or changes what it means raises it."""

TABLE_WIDTH = 160
"""Columns of a table that does not go to a terminal."""

_COLOURS = {
    Status.NON_COMPLIANT: "red",
    Status.UNKNOWN: "yellow",
    Status.COMPLIANT: "green",
}

# A spreadsheet takes a cell that begins like this for a formula. Source: OWASP, CSV Injection.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,  # names and annotations come from others
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What is shown: the rows, of what deployment, at what time, and what concerns no single account."""

    deployment: Deployment
    time: datetime
    rows: Sequence[Row]
    notes: Sequence[str]


def as_csv(report: Report) -> str:
    """Return one line for each account, with the keys of the JSON report as the header."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_account(report.rows[0]) if report.rows else [])
    for row in report.rows:
        writer.writerow([_cell(value) for value in _account(row).values()])
    return text.getvalue()


def as_json(report: Report) -> str:
    """Return the whole report.

    Keys: `schema_version`, `time`, `organization_id` and `management_account_id` (null for one account), `stack` (`name`,
    `status`, `account_id`, `region`), `stale_after_hours`, `totals` (accounts by status), `notes`, and `accounts`: a list with
    `account_id`, `account_name`, `ou_path`, `account_state`, `status`, `annotation`, `reason` (of an exclusion or suspension),
    `result_time` (ISO 8601 in UTC, or null), `age_hours` (or null), `rule_names`, `conformance_pack_status`,
    `stack_set_status` and `advice` (`why`, `action`, `commands`).
    """
    deployment = report.deployment
    document = {
        "schema_version": SCHEMA_VERSION,
        "time": _time(report.time),
        "organization_id": deployment.organization_id or None,
        "management_account_id": deployment.management_account_id or None,
        "stack": {
            "name": deployment.stack_name,
            "status": deployment.stack_status,
            "account_id": deployment.account_id,
            "region": deployment.region,
        },
        "stale_after_hours": STALE_AFTER // timedelta(hours=1),
        "totals": totals(report.rows),
        "notes": list(report.notes),
        "accounts": [_account(row) for row in report.rows],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_html(report: Report) -> str:
    """Return one page that needs nothing else: no other file, no network."""
    return _TEMPLATES.get_template("report.html.jinja").render(
        report=report,
        deployment=report.deployment,
        totals=totals(report.rows),
        meanings=MEANINGS,
        failures=FAILURES,
        hours=hours,
        time=_time,
        stale_after=hours(STALE_AFTER),
    )


def as_table(report: Report) -> str:
    """Return the table as plain text."""
    text = io.StringIO()
    print_table(report, Console(file=text, width=TABLE_WIDTH))
    return text.getvalue()


def print_table(report: Report, console: Console) -> None:
    """Print a row for each account, what to do, and the totals."""
    table = Table("Account", "OU", "Status", "Age", "Finding")
    for row in report.rows:
        colour = _COLOURS.get(row.status, "dim")
        table.add_row(
            "\n".join(filter(None, [escape(row.account.name), row.account.account_id])),
            escape(row.account.ou_path),
            f"[{colour}]{row.status}[/]",
            hours(row.age) if row.age is not None else "-",
            escape(row.finding),
        )
    console.print(table)
    advised = [(row, advice) for row in report.rows for advice in row.advice]
    if advised:
        console.print("\n[bold]What to do[/]")
    for row, advice in advised:
        _print_advice(row, advice, console)
    for note in report.notes:
        console.print(f"\n[bold]Note:[/] {escape(note)}", highlight=False)
    counts = ", ".join(f"{count} {status}" for status, count in totals(report.rows).items() if count)
    console.print(
        f"\n[bold]{len(report.rows)} {'account' if len(report.rows) == 1 else 'accounts'}:[/] {counts}", highlight=False
    )


def _print_advice(row: Row, advice: Advice, console: Console) -> None:
    who = f"{row.account.name} {row.account.account_id}".strip()
    console.print(f"  [bold]{escape(who)}[/] {escape(advice.why)} {escape(advice.action)}", highlight=False)
    for command in advice.commands:
        # One line, however long, to be copied as it is.
        console.print(f"    {escape(command)}", highlight=False, soft_wrap=True)


def _account(row: Row) -> dict[str, Any]:
    return {
        "account_id": row.account.account_id,
        "account_name": row.account.name,
        "ou_path": row.account.ou_path,
        "account_state": row.account.state,
        "status": row.status,
        "annotation": row.annotation,
        "reason": row.reason,
        "result_time": _time(row.result_time) if row.result_time else None,
        "age_hours": round(row.age / timedelta(hours=1), 2) if row.age is not None else None,
        "rule_names": row.rule_names,
        "conformance_pack_status": row.conformance_pack_status,
        "stack_set_status": row.stack_set_status,
        "advice": [{"why": each.why, "action": each.action, "commands": each.commands} for each in row.advice],
    }


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of the JSON report
    match value:
        case None:
            text = ""
        case [dict(), *_]:
            text = " ".join(" ".join([each["why"], each["action"], *each["commands"]]) for each in value)
        case [*_]:
            text = " ".join(value)
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
