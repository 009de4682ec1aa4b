"""An inventory in each of its formats: a table, CSV, JSON and one self-contained HTML page."""

import json
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from organization import page, spreadsheet
from organization.formats import account_cell, advice_json, print_advice, print_totals, status_cell, utc
from organization.inventory.judging import MEANINGS, STATUSES, Inventory, List, Row
from organization.inventory.root_user import RootUser
from organization.screen import Screen, text

SCHEMA_VERSION = 1
"""The JSON document's version: it rises if a key disappears or changes its meaning."""

_KEYS = (
    "account_id", "account_name", "account_state", "status", "annotation", "reason", "rule_status", "findings", "password",
    "password_created", "password_last_used", "access_keys_present", "access_keys", "signing_certificates_present",
    "signing_certificates", "mfa_enabled", "mfa_devices", "inferred_mfa_devices", "advice",
)  # fmt: skip


def as_csv(inventory: Inventory) -> str:
    """Return one line for each account, with the keys of the JSON document's accounts as the header."""
    return spreadsheet.as_csv(_KEYS, map(_account, inventory.rows))


def as_json(inventory: Inventory) -> str:
    """Return everything, in ASCII: other characters are escaped, so that a terminal shows them and does not act on them.

    Keys: `schema_version`, `time` (all times are ISO 8601 in UTC), `account_id` and `region` (of the caller),
    `management_account_id`, `interrupted`, `unused_days`, `totals` (all accounts by status), `notes` (`why`, `action`,
    `commands`), `lists`: `access_keys_in_use`, `one_device`, `only_a_passkey` (each the ids of accounts) and `removable`
    (`account_id` and `command`, which plans the removal), and `accounts`: contradictions and what fails first.

    Each account has `account_id`, `account_name`, `account_state`, `status` (the rule's verdict on what root has),
    `annotation`, `reason` (why nothing is known), `rule_status` (of the deployment's report, null without one), `findings`
    (contradictions), `password` (null: not known), `password_created`, `password_last_used` (null: not known, or never),
    `access_keys_present`, `access_keys` (null: not known; `access_key_id`, `active`, `created`, `last_used`, `service` and
    `region` of the last use), `signing_certificates_present`, `signing_certificates` (null: not known; `certificate_id`,
    `active`, `uploaded`), `mfa_enabled`, `mfa_devices` (`serial_number`, `kind`, `enabled`), `inferred_mfa_devices` (how many
    more there are, null: nobody can tell), and `advice` as the notes.
    """
    observed = inventory.observed
    document = {
        "schema_version": SCHEMA_VERSION,
        "time": utc(observed.now),
        "account_id": observed.account_id,
        "region": observed.region,
        "management_account_id": observed.management_account_id,
        "interrupted": observed.interrupted,
        "unused_days": inventory.unused_days,
        "totals": inventory.totals,
        "notes": advice_json(inventory.notes),
        "lists": {which: _list(inventory, which) for which in List},
        "accounts": list(map(_account, inventory.rows)),
    }
    return json.dumps(document, indent=2) + "\n"


def as_html(inventory: Inventory) -> str:
    """Return one page that needs no other file and no network."""
    return page.render(
        "inventory/inventory.html.jinja",
        inventory=inventory,
        observed=inventory.observed,
        totals=inventory.totals,
        meanings=MEANINGS,
        statuses=STATUSES,
        lists=List,
        root_lines=_root_lines,
        day=_day,
        time=utc,
    )


def print_table(inventory: Inventory, screen: Screen) -> None:
    """Print contradictions, a row for each account, what to do about those that nobody could read, and the lists."""
    for row in inventory.contradictions:
        for finding in row.findings:
            screen.say((f"{row.account.account_id} {row.account.name}".strip(), "bold red"), f": {finding}")
    for note in inventory.notes:
        screen.say(("Note:", "bold"), f" {note.why} {note.action}")
        for command in note.commands:
            screen.say(command, indent=4, whole=True)
    table = Table("Account", "Status", "Root user", "Finding")
    for row in inventory.rows:
        lines = _root_lines(row.root) if row.root else ["-"]
        table.add_row(account_cell(row.account), status_cell(row.status), Text("\n").join(map(text, lines)), text(row.finding))
    screen.print(table)
    for row in inventory.rows:
        for advice in row.advice:
            print_advice(row.account, advice, screen)
    for which in List:
        _print_list(inventory, which, screen)
    print_totals(inventory.totals, screen)


def _print_list(inventory: Inventory, which: List, screen: Screen) -> None:
    rows = inventory.lists[which]
    screen.say()
    screen.say((f"{inventory.title(which)}:", "bold"), f" {len(rows)}")
    for row in rows:
        screen.say(f"{row.account.account_id} {row.account.name}".strip(), indent=2)
        if which is List.REMOVABLE:
            screen.say(inventory.command(row), indent=4, whole=True)


def _root_lines(root: RootUser) -> list[str]:
    """Describe what a root user has, one line for each thing."""
    lines = []
    if root.password:
        used = f", last used {_day(root.password_last_used)}" if root.password_last_used else ", no sign-in known"
        since = f" since {_day(root.password_created)}{used}" if root.password_created else ""
        lines.append(f"password{since}")
    for key in root.access_keys or ():
        used = f"last used {_day(key.last_used)} for {key.service or '?'}" if key.last_used else "never used"
        lines.append(f"access key {key.access_key_id} of {_day(key.created)}, {used}{'' if key.is_active else ', inactive'}")
    if root.access_keys is None and root.summary.access_keys_present:
        lines.append("access keys")
    lines += [
        f"signing certificate {each.certificate_id} of {_day(each.uploaded)}{'' if each.is_active else ', inactive'}"
        for each in root.certificates or ()
    ]
    if root.certificates is None and root.summary.signing_certificates_present:
        lines.append("signing certificates")
    lines += [f"{each.kind} {each.name}{f' since {_day(each.enabled)}' if each.enabled else ''}" for each in root.devices]
    if root.inferred_devices:
        lines.append(f"inferred: {root.inferred_devices} more, a hardware TOTP token, passkey or security key")
    if root.inferred_devices is None and root.summary.mfa_enabled:
        lines.append("MFA is on; nobody can tell whether there are further devices")
    return lines or ["nothing"]


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _list(inventory: Inventory, which: List) -> list[Any]:
    rows = inventory.lists[which]
    if which is List.REMOVABLE:
        return [{"account_id": row.account.account_id, "command": inventory.command(row)} for row in rows]
    return [row.account.account_id for row in rows]


def _account(row: Row) -> dict[str, Any]:
    root = row.root
    known = {
        "account_id": row.account.account_id,
        "account_name": row.account.name,
        "account_state": row.account.state,
        "status": row.status,
        "annotation": row.annotation,
        "reason": row.reason,
        "rule_status": row.rule_status,
        "findings": row.findings,
        "advice": advice_json(row.advice),
    }
    if root is None:
        return dict.fromkeys(_KEYS) | known
    return known | {
        "password": root.password,
        "password_created": _utc(root.password_created),
        "password_last_used": _utc(root.password_last_used),
        "access_keys_present": root.summary.access_keys_present,
        "access_keys": root.access_keys
        and [
            {
                "access_key_id": key.access_key_id,
                "active": key.is_active,
                "created": utc(key.created),
                "last_used": _utc(key.last_used),
                "service": key.service,
                "region": key.region,
            }
            for key in root.access_keys
        ],
        "signing_certificates_present": root.summary.signing_certificates_present,
        "signing_certificates": root.certificates
        and [
            {"certificate_id": each.certificate_id, "active": each.is_active, "uploaded": utc(each.uploaded)}
            for each in root.certificates
        ],
        "mfa_enabled": root.summary.mfa_enabled,
        "mfa_devices": [
            {"serial_number": each.serial_number, "kind": each.kind, "enabled": _utc(each.enabled)} for each in root.devices
        ],
        "inferred_mfa_devices": root.inferred_devices,
    }


def _utc(moment: datetime | None) -> str | None:
    return utc(moment) if moment else None
