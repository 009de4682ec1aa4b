"""Checks what a deployment for the whole organization needs, and changes nothing."""

from rich.console import Console

from organization import aws, invoke_permission
from organization.checks import Check, Outcome, checks, deploy_command, listed_accounts
from organization.inspection import Inspector
from organization.screen import Screen

MISSING = 1

_COLOURS = {Outcome.OK: "green", Outcome.LIMITED: "yellow", Outcome.MISSING: "red", Outcome.UNSEEN: "yellow"}
_WIDEST = max(len(outcome) for outcome in Outcome)


def run(region: str | None, profile: str | None, stack_name: str, role_name: str | None, *, removal: bool) -> int:
    """Print each check and the command that mends what is missing; returns the exit code.

    With `role_name`, the role to assume in every account, it sees every account's configuration recorder.  With `removal`, or
    if the stack has it, it checks what the removal of root credentials needs.
    """
    session, caller = aws.session(region, profile)
    screen = Screen()
    with Console(stderr=True).status("Looking ..."):
        seen = Inspector(session, caller, stack_name).inspect(role_name, removal=removal or None)
    permission = seen.deployed.invoke_permission if seen.deployed else invoke_permission.ORGANIZATION
    found = [*checks(seen, permission), *listed_accounts(seen)]
    for check in found:
        show(check, screen)
    missing = sum(check.outcome is Outcome.MISSING for check in found)
    limited = sum(check.outcome is Outcome.LIMITED for check in found)
    unseen = sum(check.outcome is Outcome.UNSEEN for check in found)
    screen.say()
    screen.say((f"{len(found)} checks:", "bold"), f" {missing} missing, {limited} limited, {unseen} could not be seen.")
    if seen.organization is not None:
        screen.say()
        screen.say((f"{'When that is mended, deploy' if missing else 'Deploy'} with", "bold"))
        screen.say(deploy_command(seen), indent=2, whole=True)
    return MISSING if missing else 0


def show(check: Check, screen: Screen) -> None:
    """Print a check, and the commands that mend it."""
    outcome = (f"{check.outcome:<{_WIDEST}}", _COLOURS[check.outcome])
    screen.say(outcome, "  ", (check.name, "bold"), f": {check.detail}")
    if check.commands:
        screen.say(f"Run in {check.run_in}:", indent=4)
    for command in check.commands:
        screen.say(command, indent=4, whole=True)
