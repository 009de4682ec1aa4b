"""Verifies a deployment: for each thing that nobody could verify before, whether it holds here, as AWS shows it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path

from organization import aws, files, page
from organization.deployment import Deployment
from organization.gathering import Gatherer
from organization.screen import Screen, progress_bars
from organization.verification import MEANINGS, Outcome, Verified, totals, verify

FAILED = 1

SCHEMA_VERSION = 1
"""The JSON document's version: it rises if a key goes or changes its meaning."""

_COLOURS = {Outcome.FAILS: "red", Outcome.NOT_YET: "yellow", Outcome.NOT_SEEN: "yellow", Outcome.HOLDS: "green"}
_WIDEST = max(len(outcome) for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class Verification:
    """What the checks of a deployment found, at a time."""

    deployment: Deployment
    time: datetime
    checks: Sequence[Verified]


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    role_name: str | None,
    *,
    probe: str | None = None,
    format_name: str | None = None,
    output: Sequence[Path] = (),
) -> int:
    """Read everything, print what each check found and write it to files; returns the exit code.

    `role_name`: the role to assume in accounts.  `probe`: the account in which to start the runbooks first.  `format_name`:
    what to print, or, with `output`, the format of the files.
    """
    outputs = files.formats(output, format_name, FORMATS)
    session, caller = aws.session(region, profile)
    with progress_bars() as progress:
        gatherer = Gatherer(session, caller, progress)
        probed = gatherer.probe(stack_name, probe, role_name) if probe else []
        evidence = gatherer.evidence(stack_name, role_name)
    verification = Verification(evidence.deployment, evidence.now, [*verify(evidence), *probed])
    files.show(verification, FORMATS, _print_table, format_name, outputs)
    return FAILED if totals(verification.checks)[Outcome.FAILS] else 0


def as_json(verification: Verification) -> str:
    """Return everything, in ASCII: other characters are escaped, so that a terminal shows them and does not act on them.

    Keys: `schema_version`, `time` (ISO 8601 in UTC), `organization_id` (null for one account), `stack` (`name`, `status`,
    `account_id`, `region`), `totals` (all checks by outcome), and `checks`: in the order of docs/unverified.md, with the
    probe's last.  Each has `name`, `outcome`, `text`, `commands`, and `run_in` (whose credentials the commands need, or "").
    """
    deployment = verification.deployment
    document = {
        "schema_version": SCHEMA_VERSION,
        "time": _time(verification.time),
        "organization_id": deployment.organization_id or None,
        "stack": {
            "name": deployment.stack_name,
            "status": deployment.stack_status,
            "account_id": deployment.account_id,
            "region": deployment.region,
        },
        "totals": totals(verification.checks),
        "checks": [
            {
                "name": each.name,
                "outcome": each.finding.outcome,
                "text": each.finding.text,
                "commands": each.finding.commands,
                "run_in": each.finding.run_in,
            }
            for each in verification.checks
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def as_html(verification: Verification) -> str:
    """Return one page that needs no other file and no network."""
    return page.render(
        "verification.html.jinja",
        deployment=verification.deployment,
        time=_time(verification.time),
        totals=totals(verification.checks),
        checks=verification.checks,
        meanings=MEANINGS,
    )


def as_table(verification: Verification) -> str:
    """Return what is printed as plain text."""
    written = StringIO()
    _print_table(verification, Screen(written))
    return written.getvalue()


def _print_table(verification: Verification, screen: Screen) -> None:
    """Print each check with what was seen, and the commands that mend or show it."""
    for each in verification.checks:
        finding = each.finding
        outcome = (f"{finding.outcome:<{_WIDEST}}", _COLOURS[finding.outcome])
        screen.say(outcome, "  ", (each.name, "bold"), f": {finding.text}")
        if finding.commands:
            screen.say(f"Run with credentials of {finding.run_in}:" if finding.run_in else "Run:", indent=4)
        for command in finding.commands:
            screen.say(command, indent=4, whole=True)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in totals(verification.checks).items())
    screen.say()
    screen.say((f"{len(verification.checks)} checks:", "bold"), f" {counts}")


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


FORMATS: dict[str, Callable[[Verification], str]] = {"table": as_table, "json": as_json, "html": as_html}
