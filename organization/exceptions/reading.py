"""Reads the exceptions from a file that may hold anything: nothing in it expands or runs.

The file is one mapping, without anchors, aliases and tags:

    "111122223333": reason text                 # not evaluated: the old form
    "222233334444":                             # not evaluated
      { reason: text, owner: text, since: 2026-07-01, until: 2027-06-30 }
    accepted:
      "333344445555":                           # evaluated, and may fail
        { reason: text, control: text, owner: text, since: 2026-07-01, until: 2027-06-30 }

`since` is optional.
"""

import os
import re
import stat
from collections.abc import Container, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NoReturn

import yaml

from organization import project
from organization.aws import CommandError
from organization.exceptions import judging as exceptions
from organization.exceptions.judging import Acceptance, Exceptions, Exclusion

LARGEST = 1024 * 1024
"""Bytes: 10,000 accounts, each with a reason of a hundred characters."""
LONGEST = {"reason": 1000, "control": 1000, "owner": 200}
"""Characters of a text in a mapping.  A reason alone may be as long as the file."""

_SHOWN = 40
"""Characters of an unknown key that a message shows."""

_ACCEPTED = "accepted"
_EXCLUSION = ("reason", "owner", "until")
_ACCEPTANCE = ("reason", "control", "owner", "until")
_MAY = "since"
"""A key that a mapping may have beside those that it must have."""
_DAYS = ("since", "until")

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RESOLVER = yaml.resolver.Resolver()
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_TIMESTAMP = f"{_TAG}timestamp"
_KINDS = {
    f"{_TAG}int": "a whole number",
    f"{_TAG}float": "a number",
    f"{_TAG}bool": "a yes or no",
    f"{_TAG}null": "nothing",
    _TIMESTAMP: "a date",
    f"{_TAG}merge": "a merge key",
    f"{_TAG}value": "a default value",
    _TEXT: "text",
}
"""What a scalar is in YAML, in words. Source: YAML 1.1, tag repository."""


def default_file() -> Path:
    """Return the file beside the templates; the one in the current folder if there are no templates."""
    return (project.checkout() or Path()) / exceptions.FILE


def read(path: Path) -> Exceptions:
    """Read the exceptions; none if there is no file.

    If anything is malformed, it raises CommandError, which names the line and says what is allowed.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        return Exceptions()
    except UnicodeDecodeError as error:
        message = f"{path} cannot be read: it is not UTF-8."
        raise CommandError(message) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise CommandError(message) from error
    try:
        return _exceptions(text)
    except _RefusedError as refused:
        message = f"{path}, {refused}."
        raise CommandError(message) from refused
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}," if error.problem_mark else ""
        message = f"{path}{where} cannot be read: {error.problem or error.context}."
        raise CommandError(message) from error
    except yaml.YAMLError as error:
        message = f"{path} cannot be read: {' '.join(str(error).split())}."
        raise CommandError(message) from error


class _RefusedError(Exception):
    """The file is YAML, but something in it is no exception; the message names the line and what is there."""


def _refuse(event: yaml.Event, what: str) -> NoReturn:
    line = event.start_mark.line + 1 if event.start_mark else 1
    message = f"line {line}: {what}"
    raise _RefusedError(message)


def _read(path: Path) -> str:
    """Read a regular file that is not too long: a pipe could block, and a device may never end."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = f"{path} cannot be read: it is not a regular file."
            raise CommandError(message)
        content: bytes = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        message = f"{path} has more than {LARGEST} bytes: reasons for 10,000 accounts need less."
        raise CommandError(message)
    return content.decode("utf-8-sig")


# --- The parser's events.  Nothing composes nodes or constructs values, so nothing can grow or recur. ---


def _exceptions(text: str) -> Exceptions:
    """Read the whole document, and refuse anything else as soon as it begins."""
    events: Iterator[yaml.Event] = yaml.parse(text, yaml.SafeLoader)
    next(events)  # the beginning of the stream
    if isinstance(next(events), yaml.StreamEndEvent):  # or the beginning of the document
        return Exceptions()
    found = Exceptions({}, {})
    root = next(events)
    if _what(root) == "a mapping":
        found = _entries(events)
    elif _what(root) != "nothing":
        _refuse(root, f"the file is {_what(root)}: it must be a mapping of account ids, in quotes, to reasons")
    next(events)  # the end of the document
    if not isinstance(after := next(events), yaml.StreamEndEvent):
        _refuse(after, "a second document begins: there may be only one")
    return found


def _entries(events: Iterator[yaml.Event]) -> Exceptions:
    excluded: dict[str, Exclusion] = {}
    accepted: dict[str, Acceptance] = {}
    has_accepted = False
    for key, value in _pairs(events):
        if _text(key) != _ACCEPTED:
            account_id = _account_id(key, f", or {_ACCEPTED}", excluded, accepted)
            excluded[account_id] = _exclusion(account_id, value, events)
            continue
        if has_accepted:
            _refuse(key, f"{_ACCEPTED} is there a second time: put all accounts below the first")
        has_accepted = True
        if _what(value) == "a mapping":
            for id_key, entry in _pairs(events):
                account_id = _account_id(id_key, "", excluded, accepted)
                accepted[account_id] = _acceptance(account_id, entry, events)
        elif _what(value) != "nothing":
            _refuse(value, f"{_ACCEPTED} is {_what(value)}: it must be a mapping of account ids, in quotes, to mappings")
    return Exceptions(excluded, accepted)


def _pairs(events: Iterator[yaml.Event]) -> Iterator[tuple[yaml.Event, yaml.Event]]:
    """Yield the beginning of each key and value of a mapping that has begun; the caller takes the rest of the value."""
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            _refuse(key, f"the key is {_what(key)}: it must be text")
        yield key, next(events)


def _account_id(key: yaml.Event, otherwise: str, excluded: Container[str], accepted: Container[str]) -> str:
    account_id = _text(key)
    if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
        _refuse(key, f"the key is {_what(key)}: it must be an account id of 12 digits, in quotes{otherwise}")
    if account_id in excluded or account_id in accepted:
        _refuse(key, f"account {account_id} is there a second time: keep one entry, and no account both excluded and accepted")
    return account_id


def _exclusion(account_id: str, value: yaml.Event, events: Iterator[yaml.Event]) -> Exclusion:
    if _what(value) == "a mapping":
        texts, since, until = _fields(account_id, _EXCLUSION, value, events)
        return Exclusion(**texts, until=until, since=since)
    reason = _text(value)
    if not reason or not reason.strip():
        _refuse(
            value,
            f"the reason of account {account_id} is {_what(value)}: it must be text that says why, or a mapping with "
            f"{_listed(_EXCLUSION)}",
        )
    return Exclusion(_one_line(reason))


def _acceptance(account_id: str, value: yaml.Event, events: Iterator[yaml.Event]) -> Acceptance:
    if _what(value) != "a mapping":
        _refuse(value, f"the entry of account {account_id} is {_what(value)}: it must be a mapping with {_listed(_ACCEPTANCE)}")
    texts, since, until = _fields(account_id, _ACCEPTANCE, value, events)
    return Acceptance(**texts, until=until, since=since)


def _fields(
    account_id: str, names: Sequence[str], start: yaml.Event, events: Iterator[yaml.Event]
) -> tuple[dict[str, str], date | None, date]:
    """Read a mapping that has begun: it must have exactly these keys, and may have `since`.

    Returns the texts by name, `since` and `until`.
    """
    texts: dict[str, str] = {}
    days: dict[str, date] = {}
    for key, value in _pairs(events):
        name = _text(key)
        if name is None or name not in {*names, _MAY}:
            shown = f'"{name}"' if name and len(name) <= _SHOWN else _what(key)
            _refuse(key, f"a key of account {account_id} is {shown}: {_must(names)}, and no other")
        if name in texts or name in days:
            _refuse(key, f"{name} of account {account_id} is there a second time: keep one")
        if name in _DAYS:
            days[name] = _day(account_id, name, value)
        else:
            texts[name] = _field(account_id, name, value)
    missing = [name for name in names if name not in texts and name not in days]
    if missing:
        _refuse(start, f"account {account_id} has no {' and no '.join(missing)}: {_must(names)}")
    since, until = days.get(_MAY), days["until"]
    if since and since > until:
        _refuse(start, f"since of account {account_id} is {since}: it must not be after until, {until}")
    return texts, since, until


def _must(names: Sequence[str]) -> str:
    return f"it must have {_listed(names)}, and may have {_MAY}"


def _field(account_id: str, name: str, value: yaml.Event) -> str:
    text = _text(value)
    said = _one_line(text) if text is not None else ""
    if not said:
        _refuse(value, f"{name} of account {account_id} is {_what(value)}: it must be text")
    if len(said) > LONGEST[name]:
        _refuse(value, f"{name} of account {account_id} has {len(said)} characters: it may have {LONGEST[name]}")
    return said


def _day(account_id: str, name: str, value: yaml.Event) -> date:
    written = value.value if isinstance(value, yaml.ScalarEvent) and _what(value) in {"text", "a date"} else ""
    if not _DATE.fullmatch(written):
        _refuse(value, f"{name} of account {account_id} is {_what(value)}: it must be a date such as 2027-06-30")
    try:
        return date.fromisoformat(written)
    except ValueError:
        _refuse(value, f"{name} of account {account_id} is {written}, which is no day: it must be a date such as 2027-06-30")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _text(event: yaml.Event) -> str | None:
    """Return the text of a part of the document; None if it is not text."""
    return event.value if isinstance(event, yaml.ScalarEvent) and _what(event) in {"text", "blank"} else None


def _what(event: yaml.Event) -> str:
    """Name the kind of a part of the document."""
    match event:
        case yaml.AliasEvent():
            return "an alias"
        case yaml.NodeEvent(anchor=str()):
            return "something with an anchor"
        case yaml.ScalarEvent(tag=None | "!"):
            tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]  # PyYAML's stubs
            return "blank" if tag == _TEXT and not event.value.strip() else _KINDS[tag]
        case yaml.ScalarEvent() | yaml.CollectionStartEvent(tag=str()):
            return "something with a tag"
        case yaml.SequenceStartEvent():
            return "a list"
        case _:
            return "a mapping"
