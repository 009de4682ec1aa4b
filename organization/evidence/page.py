"""Makes the page of the evidence: one file that needs no other and no network, and stays readable with 2,000 accounts."""

import re
from datetime import date, timedelta
from itertools import groupby

from organization import page
from organization.evidence import tables
from organization.evidence.days import MEANINGS, NAMES, DayStatus, Period, share
from organization.evidence.tables import Evidence
from organization.statuses import duration

_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\.\d{3}Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_MONTHS = 24
LISTED = 500
"""How many rows of a list the page shows; the CSV file has all."""


def answer(evidence: Evidence) -> str:
    """Say in one sentence what the evidence shows."""
    figures, period = evidence.figures, evidence.period
    return (
        f"From {period.first} to {period.last}, {figures.compliant} of {figures.in_scope} account-days "
        f"({_shown(share(figures.compliant, figures.in_scope))}) have a COMPLIANT verdict of that day, and "
        f"{figures.known} ({_shown(share(figures.known, figures.in_scope))}) have any verdict."
    )


def months(period: Period) -> list[tuple[str, int]]:
    """Return the header of a calendar: each month with its number of days, or each year if the period is long.

    A January has its year instead of its name.
    """

    def label(day: date) -> str:
        return str(day.year) if day.month == 1 else _MONTHS[day.month - 1]

    found = [(label(day), sum(1 for _ in days)) for day, days in groupby(period, key=lambda day: day.replace(day=1))]
    if len(found) > _MOST_MONTHS:
        return [(str(year), sum(1 for _ in days)) for year, days in groupby(period, key=lambda day: day.year)]
    return found


def as_html(evidence: Evidence) -> str:
    """Return the page."""
    figures = evidence.figures
    return page.render(
        "evidence/evidence.html.jinja",
        evidence=evidence,
        period=evidence.period,
        figures=figures,
        answer=answer(evidence),
        compliant=_shown(share(figures.compliant, figures.in_scope)),
        known=_shown(share(figures.known, figures.in_scope)),
        not_in_scope=figures.counts[DayStatus.NOT_IN_SCOPE],
        good=figures.in_scope > 0 and figures.compliant == figures.in_scope,
        statuses=[(status.value, NAMES[status], MEANINGS[status], figures.counts[status]) for status in DayStatus],
        accounts=sorted(evidence.tables["accounts"].records(), key=_worst_first),
        lists=[evidence.tables[name] for name in _LISTS],
        gaps=evidence.tables["gaps"].records(),
        months=months(evidence.period),
        listed=LISTED,
        duration=lambda hours: duration(timedelta(hours=hours)),
        shown=_shown,
        is_time=lambda value: isinstance(value, str) and bool(_TIME.fullmatch(value)),
    )


def _worst_first(account: dict[str, tables.Value]) -> tuple[float, str]:
    """Order accounts by their share of compliant days; those without any day in scope come last."""
    compliant, in_scope = int(account["compliant_days"] or 0), int(account["days_in_scope"] or 0)
    return (compliant / in_scope if in_scope else 2.0, str(account["account_id"]))


_LISTS = (
    *("failures", "controls", "exceptions", "parameters", "targets", "moves", "versions", "deployments", "runbooks"),
    *("failed-evaluations", "contradictions", "other-lines"),
)


def _shown(value: tables.Value) -> str:
    """Write a value of a table for readers."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return _TIME.sub(r"\1Z", value) if _TIME.fullmatch(value) else value
        case _:
            return str(value)
