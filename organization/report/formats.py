"""The report in each of its formats: a table, CSV, JSON and one self-contained HTML page."""

import json
from datetime import timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

from organization import page, spreadsheet
from organization.controls.judging import Framework, as_texts, assessments
from organization.exceptions.judging import Acceptance
from organization.formats import account_cell, advice_json, print_totals, print_what_to_do, status_cell, utc
from organization.report.judging import FAILURES, JUDGES_NOBODY, MEANINGS, Report, Row, totals
from organization.screen import Screen, text
from organization.statuses import STALE_AFTER, Status, duration

SCHEMA_VERSION = 1
"""The JSON report's version: it rises if a key disappears or changes its meaning."""


def as_csv(report: Report) -> str:
    """Return one line for each account, with the keys of the JSON report and the names of the frameworks as the header.

    An apostrophe makes text of whatever a spreadsheet could read as a formula.
    """

    def record(row: Row) -> dict[str, Any]:
        return _account(row) | {each.name: "; ".join(as_texts(assessments(each, row.root))) for each in report.frameworks}

    header = list(record(report.rows[0])) if report.rows else []
    return spreadsheet.as_csv(header, map(record, report.listed))


def as_json(report: Report) -> str:
    """Return the whole report, in ASCII: other characters are escaped, so that a terminal shows them and does not act on them.

    Keys: `schema_version`, `time`, `organization_id` and `management_account_id` (null for one account), `stack` (`name`,
    `status`, `account_id`, `region`), `rule_deployment` and `organizational_unit_ids` (what brings the rule, and the StackSet's
    targets; null and empty for one account), `stale_after_hours`, `totals` (all accounts by status), `notes`,
    `listed_statuses`, and `accounts`: a list of the accounts with these statuses, what fails first.  Each has `account_id`,
    `account_name`, `ou_path`, `account_state`, `status`, `annotation`, `reason` (why the account is not judged, or fails and
    may), `control`, `owner`, `since` and `until` (of an exception, in force or not: empty or null if there is none),
    `result_time` (ISO 8601 in UTC, or null), `age_hours` (or null), `rule_names`, `conformance_pack_status` and
    `stack_set_status` (empty if there is none, or if AWS was not asked, since the account is not in doubt), and `advice`
    (`why`, `action`, `commands`).

    For the frameworks that were asked for, `frameworks` has by name `title`, `note`, and `controls`: a list of `id`, `asks`,
    `source` and `unverified`.  Then each account has `frameworks` too: by name the ids of the controls that are `satisfied`,
    `not satisfied` and `unknown`.
    """
    deployment = report.deployment
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "time": utc(report.time),
        "organization_id": deployment.organization_id or None,
        "management_account_id": deployment.management_account_id or None,
        "stack": {
            "name": deployment.stack_name,
            "status": deployment.stack_status,
            "account_id": deployment.account_id,
            "region": deployment.region,
        },
        "rule_deployment": deployment.rule_deployment if deployment.organization_id else None,
        "organizational_unit_ids": sorted(deployment.organizational_unit_ids),
        "stale_after_hours": STALE_AFTER // timedelta(hours=1),
        "totals": totals(report.rows),
        "notes": list(report.notes),
        "listed_statuses": [status for status in Status if report.lists(status)],
        "accounts": [_account(row) for row in report.listed],
    }
    if report.frameworks:
        document["frameworks"] = {each.name: _framework(each) for each in report.frameworks}
        for account, row in zip(document["accounts"], report.listed, strict=True):
            account["frameworks"] = {each.name: assessments(each, row.root) for each in report.frameworks}
    return json.dumps(document, indent=2) + "\n"


def as_html(report: Report) -> str:
    """Return one page that needs no other file and no network."""
    return page.render(
        "report/report.html.jinja",
        report=report,
        deployment=report.deployment,
        totals=totals(report.rows),
        meanings=MEANINGS,
        failures=FAILURES,
        duration=duration,
        time=utc,
        stale_after=duration(STALE_AFTER),
        assessments=assessments,
        as_texts=as_texts,
        judges_nobody=JUDGES_NOBODY,
    )


def print_table(report: Report, screen: Screen) -> None:
    """Print a row for each account that is listed, what to do, and the totals."""
    table = Table("Account", "OU", "Status", "Age", "Finding", *(each.title for each in report.frameworks))
    for row in report.listed:
        table.add_row(
            account_cell(row.account),
            text(row.account.ou_path),
            status_cell(row.status),
            text(duration(row.age) if row.age is not None else "-"),
            text(row.finding),
            *(Text("\n").join(map(text, as_texts(assessments(each, row.root)))) for each in report.frameworks),
        )
    screen.print(table)
    print_what_to_do([(row.account, advice) for row in report.listed for advice in row.advice], screen)
    for note in report.notes:
        screen.say()
        screen.say(("Note:", "bold"), f" {note}")
    print_totals(totals(report.rows), screen)
    if report.judges_nobody:
        screen.say((JUDGES_NOBODY, "red"))
    if report.only:
        listed = ", ".join(status for status in Status if report.lists(status))
        screen.say(f"Only accounts with the status {listed} are listed.")


def _account(row: Row) -> dict[str, Any]:
    return {
        "account_id": row.account.account_id,
        "account_name": row.account.name,
        "ou_path": row.account.ou_path,
        "account_state": row.account.state,
        "status": row.status,
        "annotation": row.annotation,
        "reason": row.exception.reason if row.exception else row.reason,
        "control": row.exception.control if isinstance(row.exception, Acceptance) else "",
        "owner": row.exception.owner if row.exception else "",
        "since": row.exception.since.isoformat() if row.exception and row.exception.since else None,
        "until": row.exception.until.isoformat() if row.exception and row.exception.until else None,
        "result_time": utc(row.result_time) if row.result_time else None,
        "age_hours": round(row.age / timedelta(hours=1), 2) if row.age is not None else None,
        "rule_names": row.rule_names,
        "conformance_pack_status": row.conformance_pack_status,
        "stack_set_status": row.stack_set_status,
        "advice": advice_json(row.advice),
    }


def _framework(framework: Framework) -> dict[str, Any]:
    return {
        "title": framework.title,
        "note": framework.note,
        "controls": [
            {"id": each.control_id, "asks": each.asks, "source": each.source or None, "unverified": each.unverified or None}
            for each in framework.controls
        ],
    }
