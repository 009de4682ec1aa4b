"""What the formats of several commands share: an account, its status, advice and times in tables and JSON."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from organization.screen import Screen, text
from organization.statuses import Account, Advice, Status

_COLOURS = {
    Status.NON_COMPLIANT: "red",
    Status.UNKNOWN: "yellow",
    Status.ACCEPTED: "magenta",
    Status.COMPLIANT: "green",
}


def account_cell(account: Account) -> Text:
    """Return an account's name and id as a cell of a table."""
    return Text("\n").join(text(each) for each in (account.name, account.account_id) if each)


def status_cell(status: Status) -> Text:
    """Return a status in its colour as a cell of a table."""
    return text((status, _COLOURS.get(status, "dim")))


def print_advice(account: Account, advice: Advice, screen: Screen) -> None:
    """Print a problem of an account, what to do about it, and the commands."""
    # The id comes first: somebody chose the name, which could begin like a command.
    who = f"{account.account_id} {account.name}".strip()
    screen.say((who, "bold"), f": {advice.why} {advice.action}", indent=2)
    for command in advice.commands:
        screen.say(command, indent=4, whole=True)


def print_what_to_do(advice: Sequence[tuple[Account, Advice]], screen: Screen) -> None:
    """Print the advice for each account under a title, if there is any."""
    if advice:
        screen.say()
        screen.say(("What to do", "bold"))
    for account, each in advice:
        print_advice(account, each, screen)


def print_totals(totals: Mapping[Status, int], screen: Screen) -> None:
    """Print how many accounts there are, and how many of each status that any has."""
    number = sum(totals.values())
    counts = ", ".join(f"{count} {status}" for status, count in totals.items() if count)
    screen.say()
    screen.say((f"{number} {'account' if number == 1 else 'accounts'}:", "bold"), f" {counts}")


def advice_json(advice: Iterable[Advice]) -> list[dict[str, Any]]:
    """Return problems in the form of JSON."""
    return [{"why": each.why, "action": each.action, "commands": each.commands} for each in advice]


def utc(time: datetime) -> str:
    """Write a time in UTC, in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
