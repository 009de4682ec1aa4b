"""Writes CSV in which no spreadsheet sees a formula, whatever other people wrote: pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from organization.visible import visible

# A spreadsheet may see a formula after one of four signs, or after a sign that looks like one in another alphabet, with or
# without spaces before it.  Another locale has another separator, so a cell may begin inside one of this file's cells.
# Source: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"""((?:^|[,;|])[\s"]*)(?=[-=+@\u2212\uFE62\uFE63\uFE66\uFE6B\uFF0B\uFF0D\uFF1D\uFF20])""")


def as_csv(header: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for each record, after the header.  A record has the keys of the header, and values of JSON.

    An apostrophe makes text of whatever a spreadsheet could read as a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    for record in records:
        writer.writerow([cell(record[name]) for name in header])
    return text.getvalue()


def cell(value: Any) -> str:  # noqa: ANN401 - any value of a JSON document
    """Write a value for a cell: on one line, and not as a formula."""
    match value:
        case None:
            return ""
        case int() | float():
            return str(value)
        case _:
            return _FORMULA.sub(r"\1'", visible(_said(value)))


def _said(value: Any) -> str:  # noqa: ANN401 - any value of a JSON document
    """Write a list or an object as the texts in it."""
    match value:
        case None:
            return ""
        case Mapping():
            return " ".join(filter(None, map(_said, value.values())))
        case [*_]:
            return " ".join(filter(None, map(_said, value)))
        case _:
            return str(value)
