"""EventBridge's schedule expressions: which ones a rule may have.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html and …/eb-rate-expressions.html.
Live: what real AWS was seen to take and to refuse in September 2026 (radkawar/stackd, testdata/aws/eventbridge/
scheduled_rules.json) wins over these pages: years have no limits, ranges wrap around except those of years, and an
increment may be 0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_PART = re.compile(r"(?P<first>\w+)(-(?P<last>\w+))?(/\d+)?|\*(/\d+)?", re.ASCII)


@dataclass(frozen=True)
class _Field:
    """A field of a cron expression: its numbers, their names, and what else it takes."""

    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)
    special: str = ""
    wraps: bool = True

    def takes(self, text: str) -> bool:
        return any(re.fullmatch(pattern, text, re.ASCII) for pattern in self.special.split()) or all(
            self._takes_part(part) for part in text.split(",")
        )

    def _takes_part(self, part: str) -> bool:
        found = _PART.fullmatch(part)
        if found is None:
            return False
        ends = [end for end in found.group("first", "last") if end]
        numbers = [number for number in map(self._number, ends) if number is not None]
        return len(numbers) == len(ends) and (self.wraps or numbers == sorted(numbers))

    def _number(self, text: str) -> int | None:
        number = int(text) if text.isdigit() else self.names.get(text)
        return number if number is not None and self.lowest <= number <= self.highest else None


_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
_DAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(1, 8), strict=True))
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_FIELDS = (
    _Field(0, 59),
    _Field(0, 23),
    _Field(1, 31, special=r"\? L LW L-([1-9]|[12]\d|3[01]) ([1-9]|[12]\d|3[01])(-([1-9]|[12]\d|3[01]))?W"),
    _Field(1, 12, _MONTHS),
    _Field(1, 7, _DAYS, special=rf"\? L ([1-7]|{'|'.join(_DAYS)})(L|#[1-5])"),
    _Field(0, 9999, wraps=False),
)
"""Minutes, hours, day of month, month, day of week, year."""


def is_valid(expression: str) -> bool:
    """Tell whether PutRule takes a schedule expression.

    Of the days of the month and those of the week, exactly one is "?".
    """
    if _RATE.fullmatch(expression):
        return True
    found = _CRON.fullmatch(expression)
    if found is None:
        return False
    texts = [text.upper() for text in found.groups()]
    return (texts[_DAY_OF_MONTH] == "?") != (texts[_DAY_OF_WEEK] == "?") and all(
        field.takes(text) for field, text in zip(_FIELDS, texts, strict=True)
    )
