"""Prints what `preflight` checked. `deploy` prints what is missing in the same way."""

from organization.preflight.judging import Check, Outcome
from organization.screen import Screen

_COLOURS = {Outcome.OK: "green", Outcome.LIMITED: "yellow", Outcome.MISSING: "red", Outcome.UNSEEN: "yellow"}
_WIDEST = max(len(outcome) for outcome in Outcome)


def show(check: Check, screen: Screen) -> None:
    """Print a check, and the commands that fix it."""
    outcome = (f"{check.outcome:<{_WIDEST}}", _COLOURS[check.outcome])
    screen.say(outcome, "  ", (check.name, "bold"), f": {check.detail}")
    if check.commands:
        screen.say(f"Run in {check.run_in}:", indent=4)
    for command in check.commands:
        screen.say(command, indent=4, whole=True)
