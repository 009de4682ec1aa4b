"""Reads why accounts are excluded, from a file that may hold anything: nothing in it expands or runs."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import yaml

from organization import project, statuses
from organization.aws import CommandError

LARGEST = 1024 * 1024
"""Bytes: 10,000 accounts, each with a reason of a hundred characters."""

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_RESOLVER = yaml.resolver.Resolver()
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_KINDS = {
    f"{_TAG}int": "a whole number",
    f"{_TAG}float": "a number",
    f"{_TAG}bool": "a yes or no",
    f"{_TAG}null": "nothing",
    f"{_TAG}timestamp": "a date",
    f"{_TAG}merge": "a merge key",
    f"{_TAG}value": "a default value",
    _TEXT: "text",
}
"""What a scalar is in YAML, in words. Source: YAML 1.1, tag repository."""


def default_file() -> Path:
    """Return the file beside the templates; the one in the current folder if there are no templates."""
    return (project.checkout() or Path()) / statuses.EXCLUSIONS_FILE


def reasons(path: Path) -> dict[str, str]:
    """Read reasons by account id; none if there is no file.

    The file is one mapping of account ids, in quotes, to texts, without anchors, aliases and tags.  For anything else it raises
    CommandError, which names the line.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        message = f"{path} cannot be read: it is not UTF-8."
        raise CommandError(message) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise CommandError(message) from error
    found: dict[str, str] = {}
    try:
        for line, account_id, reason in _entries(text):
            if account_id in found:
                _refuse(line, f"account {account_id} is there a second time: keep one reason")
            found[account_id] = reason
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
    return found


class _RefusedError(Exception):
    """The file is YAML, but not a mapping of reasons; the message names the line and what is there."""


def _refuse(line: int, what: str) -> None:
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


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield each entry of the mapping with its line, and refuse anything else as soon as it begins.

    It uses the parser's events.  Nothing composes nodes or constructs values, so nothing can grow or recur.
    """
    events: Iterator[yaml.Event] = yaml.parse(text, yaml.SafeLoader)
    next(events)  # the beginning of the stream
    if isinstance(next(events), yaml.StreamEndEvent):  # or the beginning of the document
        return
    root = next(events)
    if _what(root) == "a mapping":
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            account_id, value = _text(key), next(events)
            if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
                _refuse(_line(key), f"the key is {_what(key)}: it must be an account id of 12 digits, in quotes")
            elif not (reason := _text(value)) or not reason.strip():
                _refuse(_line(value), f"the reason of account {account_id} is {_what(value)}: it must be text that says why")
            else:
                yield _line(key), account_id, " ".join(reason.split())  # one line, however it is written
    elif _what(root) != "nothing":
        _refuse(_line(root), f"the file is {_what(root)}: it must be a mapping of account ids, in quotes, to reasons")
    next(events)  # the end of the document
    if not isinstance(after := next(events), yaml.StreamEndEvent):
        _refuse(_line(after), "a second document begins: there may be only one")


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


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
