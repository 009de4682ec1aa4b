"""What a verification found in each of its formats: a list for the screen, JSON and one self-contained HTML page."""

import json

from organization import page
from organization.formats import utc
from organization.screen import Screen
from organization.verify.judging import MEANINGS, Outcome, Verification, totals

SCHEMA_VERSION = 1
"""The JSON document's version: it rises if a key disappears or changes its meaning."""

_COLOURS = {Outcome.FAILS: "red", Outcome.NOT_YET: "yellow", Outcome.NOT_SEEN: "yellow", Outcome.HOLDS: "green"}
_WIDEST = max(len(outcome) for outcome in Outcome)


def as_json(verification: Verification) -> str:
    """Return everything, in ASCII: other characters are escaped, so that a terminal shows them and does not act on them.

    Keys: `schema_version`, `time` (ISO 8601 in UTC), `organization_id` (null for one account), `stack` (`name`, `status`,
    `account_id`, `region`), `totals` (all checks by outcome), and `checks`: in the order of docs/unverified.md, with the
    probe's last.  Each has `name`, `outcome`, `text`, `commands`, and `run_in` (whose credentials the commands need, or "").
    """
    deployment = verification.deployment
    document = {
        "schema_version": SCHEMA_VERSION,
        "time": utc(verification.time),
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
        "verify/verify.html.jinja",
        deployment=verification.deployment,
        time=utc(verification.time),
        totals=totals(verification.checks),
        checks=verification.checks,
        meanings=MEANINGS,
    )


def print_table(verification: Verification, screen: Screen) -> None:
    """Print each check with what was seen, and the commands that fix or show it."""
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
