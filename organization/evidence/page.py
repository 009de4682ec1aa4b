"""Makes the page of the evidence: one file that needs no other and no network, and stays readable with 2,000 accounts."""

import re
from datetime import timedelta

from organization import page
from organization.evidence import tables
from organization.evidence.days import MEANINGS, NAMES, Status, share
from organization.evidence.tables import Evidence

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z")
LISTED = 500
"""How many rows of a list the page shows; the CSV file has all."""


def answer(evidence: Evidence) -> str:
    """Say in one sentence what the evidence shows."""
    figures, period = evidence.figures, evidence.period
    return (
        f"From {period.first} to {period.last}, {figures.compliant} of {figures.in_scope} account-days "
        f"({share(figures.compliant, figures.in_scope)}) have a COMPLIANT verdict of that day, and "
        f"{figures.known} ({share(figures.known, figures.in_scope)}) have any verdict."
    )


def length(hours: float) -> str:
    """Write a number of hours as "40 min", "26 h" or "3 d"."""
    time = timedelta(hours=hours)
    if time < timedelta(hours=1):
        return f"{time // timedelta(minutes=1)} min"
    return f"{time // timedelta(hours=1)} h" if time < timedelta(days=3) else f"{time.days} d"


def as_html(evidence: Evidence) -> str:
    """Return the page."""
    figures = evidence.figures
    return page.render(
        "evidence/evidence.html.jinja",
        evidence=evidence,
        period=evidence.period,
        figures=figures,
        answer=answer(evidence),
        compliant=share(figures.compliant, figures.in_scope),
        known=share(figures.known, figures.in_scope),
        good=figures.in_scope > 0 and figures.compliant == figures.in_scope,
        statuses=[(status.value, NAMES[status], MEANINGS[status], figures.counts[status]) for status in Status],
        accounts=sorted(evidence.tables["accounts"].records(), key=_worst_first),
        lists=[evidence.tables[name] for name in _LISTS],
        gaps=evidence.tables["gaps"].records(),
        listed=LISTED,
        length=length,
        shown=_shown,
        is_time=lambda value: isinstance(value, str) and bool(_TIME.fullmatch(value)),
    )


def _worst_first(account: dict[str, tables.Value]) -> tuple[float, str]:
    """Order accounts by their share of compliant days; those without any day in scope come last."""
    compliant, in_scope = int(account["compliant_days"] or 0), int(account["days_in_scope"] or 0)
    return (compliant / in_scope if in_scope else 2.0, str(account["account_id"]))


_LISTS = (
    *("failures", "controls", "exceptions", "parameters", "versions", "deployments", "runbooks"),
    *("failed-evaluations", "contradictions", "other-lines"),
)


def _shown(value: tables.Value) -> str:
    """Write a value of a table for readers."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
