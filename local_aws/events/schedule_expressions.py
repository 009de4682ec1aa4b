"""EventBridge's schedule expressions: which ones a rule may have, and when they fire.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html and …/eb-rate-expressions.html.
Live: what real AWS was seen to take and to refuse in September 2026 (radkawar/stackd, testdata/aws/eventbridge/
scheduled_rules.json) wins over these pages: years have no limits, ranges wrap around except those of years, and an
increment may be 0.
"""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product

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

    def numbers(self, text: str) -> set[int]:
        """Return the numbers of a list of numbers, ranges and increments that it takes. An increment of 0 is not valid."""
        return {number for part in text.split(",") for number in self._numbers_of_part(part)}

    def _numbers_of_part(self, part: str) -> list[int]:
        where, _, increment = part.partition("/")
        first, _, last = where.partition("-")
        every = list(range(self.lowest, self.highest + 1))
        if first == "*":
            found = every
        else:
            begin = every.index(self._number(first) or 0)
            end = every.index(self._number(last) or 0) if last else len(every) - 1 if increment else begin
            found = every[begin : end + 1] if begin <= end else every[begin:] + every[: end + 1]
        return found[:: int(increment)] if increment.strip("0") else found[:1] if increment else found

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


_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_FRIDAY = 5
_LONGEST_SEARCH = 30 * 366
"""Days. The calendar repeats sooner, except for years that an expression names."""


def next_time(expression: str, since: datetime, now: datetime) -> datetime | None:
    """Return the first time after `now` at which a valid expression fires, or None if that is decades away.

    A rate counts from `since`.  Times are in UTC.
    """
    rate = _RATE.fullmatch(expression)
    if rate:
        number, unit = rate[1].split(" ")
        period = int(number) * _UNITS[unit.removesuffix("s")]
        return since + period * ((now - since) // period + 1)
    found = _CRON.fullmatch(expression)
    texts = [text.upper() for text in found.groups()] if found else []
    minutes, hours = (sorted(field.numbers(text)) for field, text in zip(_FIELDS, texts[:2], strict=False))
    for days in range(_LONGEST_SEARCH):
        day = now.date() + timedelta(days)
        if _is_day(texts, day):
            for hour, minute in product(hours, minutes):
                time = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if time > now:
                    return time
    return None


def _is_day(texts: list[str], day: date) -> bool:
    """Tell whether the fields of a cron expression in capitals name a day."""
    _, _, of_month, months, of_week, years = texts
    in_month = day.month in _FIELDS[3].numbers(months) and (years == "*" or day.year in _FIELDS[5].numbers(years))
    return in_month and (_is_day_of_week(of_week, day) if of_month == "?" else _is_day_of_month(of_month, day))


def _is_day_of_month(text: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if text == "LW":
        return day.day == _nearest_weekday(day, last)
    if text.startswith("L"):
        return day.day == last - int(text[2:] or 0)
    if text.endswith("W"):
        return day.day in {_nearest_weekday(day, number) for number in _FIELDS[_DAY_OF_MONTH].numbers(text[:-1])}
    return day.day in _FIELDS[_DAY_OF_MONTH].numbers(text)


def _nearest_weekday(day: date, number: int) -> int:
    """Return the day from Monday to Friday that is nearest to a day of the same month, without leaving it; 0 if it has none."""
    last = monthrange(day.year, day.month)[1]
    near = [number + distance for distance in (0, -1, 1, -2, 2)]
    weekdays = [each for each in near if 0 < each <= last and day.replace(day=each).isoweekday() <= _FRIDAY]
    return weekdays[0] if number <= last else 0


def _is_day_of_week(text: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1
    field, last = _FIELDS[_DAY_OF_WEEK], monthrange(day.year, day.month)[1]
    if text == "L":
        return number == field.highest
    if text.endswith("L"):
        return number in field.numbers(text[:-1]) and day.day + 7 > last
    name, _, which = text.partition("#")
    return number in field.numbers(name) and (not which or (day.day - 1) // 7 + 1 == int(which))
