"""A check in each of its formats: a table, CSV, JSON and one self-contained HTML page."""

import json
from typing import Any

from rich.table import Table

from organization import page, spreadsheet
from organization.check.judging import MEANINGS, STATUSES, Checked, Row
from organization.formats import account_cell, advice_json, print_totals, print_what_to_do, status_cell, utc
from organization.screen import Screen, text
from organization.statuses import Status

SCHEMA_VERSION = 1
"""The JSON document's version: it rises if a key disappears or changes its meaning."""

_KEYS = (
    "account_id", "account_name", "account_state", "status", "annotation", "reason", "mfa_enabled", "password_present",
    "access_keys_present", "signing_certificates_present", "root_virtual_mfa_devices", "compared_status", "compared_annotation",
    "changes", "advice",
)  # fmt: skip


def as_csv(checked: Checked) -> str:
    """Return one line for each account, with the keys of the JSON document's accounts as the header."""
    return spreadsheet.as_csv(_KEYS, map(_account, checked.rows))


def as_json(checked: Checked) -> str:
    """Return everything, in ASCII: other characters are escaped, so that a terminal shows them and does not act on them.

    Keys: `schema_version`, `time` (ISO 8601 in UTC), `account_id` and `region` (of the caller), `role_name` (null if only the
    own account was checked), `interrupted`, `parameters` and `compared_parameters` (the rule's parameters in force, by name;
    the latter null without --compare), `totals` (all accounts by status), `changes` (a list of `status`, `compared_status` and
    `accounts`, their number), and `accounts`: what fails first.  Each has `account_id`, `account_name`, `account_state`,
    `status`, `annotation`, `reason` (of a suspension), the facts `mfa_enabled`, `password_present`, `access_keys_present`,
    `signing_certificates_present` (null: not known) and `root_virtual_mfa_devices` (their names; null if not known),
    `compared_status` and `compared_annotation` (null without --compare), `changes`, and `advice` (`why`, `action`, `commands`).
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "time": utc(checked.time),
        "account_id": checked.account_id,
        "region": checked.region,
        "role_name": checked.role_name,
        "interrupted": checked.interrupted,
        "parameters": dict(checked.setting.texts),
        "compared_parameters": dict(checked.compared.texts) if checked.compared else None,
        "totals": checked.totals,
        "changes": [
            {"status": before, "compared_status": after, "accounts": count}
            for (before, after), count in checked.changes.items()
        ],
        "accounts": list(map(_account, checked.rows)),
    }
    return json.dumps(document, indent=2) + "\n"


def as_html(checked: Checked) -> str:
    """Return one page that needs no other file and no network."""
    return page.render(
        "check/check.html.jinja",
        checked=checked,
        totals=checked.totals,
        meanings=MEANINGS,
        statuses=STATUSES,
        differences=_differences(checked),
        time=utc,
    )


def print_table(checked: Checked, screen: Screen) -> None:
    """Print a row for each account, what to do about those that nobody could read, what changes, and the totals."""
    table = Table("Account", "Status", *(["Compared"] if checked.compared else []), "Finding")
    for row in checked.rows:
        same = text("same" if row.facts else "-")
        compared = [status_cell(row.compared.status) if row.changes else same] if row.compared else []
        table.add_row(account_cell(row.account), status_cell(row.status), *compared, text(row.finding))
    screen.print(table)
    print_what_to_do([(row.account, advice) for row in checked.rows for advice in row.advice], screen)
    screen.say()
    screen.say(("Parameters:", "bold"), f" {_settings(checked.setting.texts)}")
    if checked.compared:
        screen.say(("Compared with:", "bold"), f" {', '.join(_differences(checked)) or 'the same parameters'}")
        for (before, after), count in checked.changes.items():
            screen.say(f"{count} {before} would be {after}", indent=2)
        if not checked.changes:
            screen.say("No account that was read would change its verdict.", indent=2)
        if checked.totals[Status.UNKNOWN]:
            screen.say(f"Nobody knows about {checked.totals[Status.UNKNOWN]} UNKNOWN.", indent=2)
    print_totals(checked.totals, screen)


def _settings(texts: Any) -> str:  # noqa: ANN401 - a mapping of texts
    return ", ".join(f"{name}={value}" for name, value in texts.items())


def _differences(checked: Checked) -> list[str]:
    """Return the parameters of the other setting that differ, as NAME=VALUE."""
    if checked.compared is None:
        return []
    return [f"{name}={value}" for name, value in checked.compared.texts.items() if checked.setting.texts[name] != value]


def _account(row: Row) -> dict[str, Any]:
    summary = row.facts.summary if row.facts else None
    return {
        "account_id": row.account.account_id,
        "account_name": row.account.name,
        "account_state": row.account.state,
        "status": row.status,
        "annotation": row.annotation,
        "reason": row.reason,
        "mfa_enabled": summary.mfa_enabled if summary else None,
        "password_present": summary.password_present if summary else None,
        "access_keys_present": summary.access_keys_present if summary else None,
        "signing_certificates_present": summary.signing_certificates_present if summary else None,
        "root_virtual_mfa_devices": [device.name for device in row.facts.root_devices] if row.facts and summary else None,
        "compared_status": row.compared.status if row.compared else None,
        "compared_annotation": row.compared.annotation if row.compared else None,
        "changes": row.changes,
        "advice": advice_json(row.advice),
    }
