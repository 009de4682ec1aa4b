"""Checks what a deployment for the whole organization needs, and changes nothing."""

from collections.abc import Mapping

from rich.console import Console

from organization import aws
from organization.preflight import formats
from organization.preflight.judging import Outcome, checks, deploy_command, listed_accounts
from organization.preflight.reading import Reader
from organization.screen import Screen

MISSING = 1


def run(  # noqa: PLR0913 - the options of the command
    region: str | None,
    profile: str | None,
    stack_name: str,
    role_name: str | None,
    parameters: Mapping[str, str],
    *,
    removal: bool,
) -> int:
    """Print each check and the command that fixes what is missing; returns the exit code.

    `parameters` are those that the operator will deploy with.  With `role_name`, the role to assume in every account,
    it sees every account's configuration recorder.  With `removal`, or if the deployment has it, it checks what the removal of
    root credentials needs.
    """
    session, caller = aws.session(region, profile)
    screen = Screen()
    with Console(stderr=True).status("Looking ..."):
        seen = Reader(session, caller, stack_name).observe(role_name, parameters, removal=removal or None)
    found = [*checks(seen), *listed_accounts(seen)]
    for check in found:
        formats.show(check, screen)
    missing = sum(check.outcome is Outcome.MISSING for check in found)
    limited = sum(check.outcome is Outcome.LIMITED for check in found)
    unseen = sum(check.outcome is Outcome.UNSEEN for check in found)
    screen.say()
    screen.say((f"{len(found)} checks:", "bold"), f" {missing} missing, {limited} limited, {unseen} could not be seen.")
    if seen.organization is not None:
        screen.say()
        screen.say((f"{'When that is fixed, deploy' if missing else 'Deploy'} with", "bold"))
        screen.say(deploy_command(seen, parameters), indent=2, whole=True)
    return MISSING if missing else 0
