"""The lists of what the local AWS emulates: local_aws/coverage/SERVICE.yaml, by MiniStack's name of the service.

The server answers the operations on these lists and refuses all others; `make render` writes the page from them. A list has

    title: AWS Config
    introduction: MiniStack keeps recorders.    # optional
    api: cloudwatch                             # botocore's name of the service; by default the file's name
    operations:
      - names: [PutConfigRule, DeleteConfigRule]
        answered_by: package                    # or MiniStack
        left_out: Managed rules                 # Nothing, if nothing is
        rests_on: Model, Page
    behaviours:                                 # optional: what is no operation
      - what: Changes of compliance are events.
        left_out: Nothing
        rests_on: "Live: the form of the event."
    resource_types:                             # CloudFormation only: as operations
      - names: [AWS::SNS::Topic]
        answered_by: MiniStack
        left_out: Nothing
        rests_on: MiniStack
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "coverage"
_ANSWERED_BY = ("package", "MiniStack")


class CoverageError(ValueError):
    """A list of operations is not as it has to be; the message says which, where, and what is allowed."""


@dataclass(frozen=True)
class Item:
    """An item of a list: operations, or resource types, that stand together.

    It has the names, who answers ("package" or "MiniStack"), and two sentences in Markdown.
    """

    names: tuple[str, ...]
    answered_by: str
    left_out: str
    rests_on: str


@dataclass(frozen=True)
class Behaviour:
    """What is emulated and is no operation, in Markdown."""

    what: str
    left_out: str
    rests_on: str


@dataclass(frozen=True)
class Coverage:
    """What is emulated of a service. `service` is MiniStack's name of it, `api` botocore's; `introduction` may be ""."""

    service: str
    api: str
    title: str
    introduction: str
    operations: tuple[Item, ...]
    behaviours: tuple[Behaviour, ...]
    resource_types: tuple[Item, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all operations."""
        return frozenset(name for operations in self.operations for name in operations.names)

    @property
    def resource_type_names(self) -> frozenset[str]:
        """Return the names of all resource types."""
        return frozenset(name for each in self.resource_types for name in each.names)


def read(folder: Path = FOLDER) -> dict[str, Coverage]:
    """Return each service's list, by MiniStack's name of the service. Raises CoverageError and OSError."""
    return {file.stem: _parse(file) for file in sorted(folder.glob("*.yaml"))}


def check_names(coverage: Coverage, known: Iterable[str]) -> None:
    """Raise CoverageError if a list has an operation that is not among `known`, those of the API model."""
    if unknown := sorted(coverage.names - set(known)):
        message = f"coverage/{coverage.service}.yaml: {coverage.api} has no operation {', '.join(unknown)}."
        raise CoverageError(message)


def page(lists: Iterable[Coverage]) -> str:
    """Return the page of all services, in Markdown."""
    sections = [_section(coverage) for coverage in sorted(lists, key=lambda coverage: coverage.title.lower())]
    return "\n".join([_INTRODUCTION, *sections])


# Reading


def _parse(file: Path) -> Coverage:
    where = f"coverage/{file.name}"
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as error:
        message = f"{where} is no YAML: {error}"
        raise CoverageError(message) from error
    given = _mapping(where, document, ("title", "operations"), ("introduction", "api", "behaviours", "resource_types"))
    operations, resource_types = (
        tuple(
            _item(f"{where}, {key}, item {number}", item)
            for number, item in enumerate(_list(where, given, key) if key in given else [], 1)
        )
        for key in ("operations", "resource_types")
    )
    behaviours = tuple(
        Behaviour(**_texts(place, _mapping(place, item, ("what", "left_out", "rests_on"))))
        for number, item in enumerate(_list(where, given, "behaviours") if "behaviours" in given else [], 1)
        for place in [f"{where}, behaviours, item {number}"]
    )
    counted = Counter(name for each in (*operations, *resource_types) for name in each.names)
    if twice := sorted(name for name, times in counted.items() if times > 1):
        message = f"{where} has {', '.join(twice)} more than once."
        raise CoverageError(message)
    texts = _texts(where, {name: given[name] for name in ("title", "introduction", "api") if name in given})
    return Coverage(
        file.stem,
        texts.get("api", file.stem),
        texts["title"],
        texts.get("introduction", ""),
        operations,
        behaviours,
        resource_types,
    )


def _item(where: str, item: object) -> Item:
    given = _mapping(where, item, ("names", "answered_by", "left_out", "rests_on"))
    names = _list(where, given, "names")
    texts = _texts(where, {name: given[name] for name in ("answered_by", "left_out", "rests_on")})
    if not names or not all(isinstance(name, str) for name in names):
        message = f"{where}: names is a list of at least one operation."
        raise CoverageError(message)
    if texts["answered_by"] not in _ANSWERED_BY:
        message = f"{where}: answered_by is {' or '.join(_ANSWERED_BY)}, not {texts['answered_by']!r}."
        raise CoverageError(message)
    return Item(tuple(names), **texts)


def _mapping(where: str, value: object, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not set(required) <= set(value) <= {*required, *optional}:
        may = f", and may have {', '.join(optional)}" if optional else ""
        message = f"{where} has the keys {', '.join(required)}{may}; it is {value!r:.200}"
        raise CoverageError(message)
    return value


def _list(where: str, given: Mapping[str, Any], key: str) -> list[Any]:
    value = given[key]
    if not isinstance(value, list):
        message = f"{where}: {key} is a list, not {value!r:.200}"
        raise CoverageError(message)
    return value


def _texts(where: str, values: Mapping[str, object]) -> dict[str, str]:
    texts = {}
    for name, value in values.items():
        if not isinstance(value, str) or not value.strip():
            message = f"{where}: {name} is a text, not {value!r:.200}"
            raise CoverageError(message)
        texts[name] = value.strip()
    return texts


# Writing

_INTRODUCTION = """\
# What the local AWS emulates

The local AWS answers the operations on this page. It refuses every other one, after policies have allowed it, in the form of
the service's protocol: "The local AWS does not emulate SERVICE:Operation." `make render` writes this page from the files of
this folder, which the server reads too.

Each row has the operations, who answers them, what they leave out, and the evidence for their behaviour:

- **Model**: botocore's API model has the members, limits and errors.
- **Page**: AWS's documentation says it. The modules name the pages.
- **Live**: real AWS was seen to answer so.
- **Users**: users of AWS say or quote it in public.
- **Guess**: no source says it. The code says what it assumes.
- **MiniStack**: MiniStack answers, and nobody has compared its answers with AWS's. The API model checks requests, except S3's.

No service emulates latency, quotas other than those named here, or eventual consistency: a change is visible at once.
"""


def _section(coverage: Coverage) -> str:
    lines = [f"## {coverage.title} (`{coverage.service}`)", ""]
    if coverage.introduction:
        lines += [coverage.introduction, ""]
    for title, listed in (
        ("Operations | Answered by", coverage.operations),
        ("Resource types | Made by", coverage.resource_types),
    ):
        if not listed:
            continue
        lines += [f"| {title} | Left out | Rests on |", "|---|---|---|---|"]
        for each in listed:
            names = ", ".join(f"`{name}`" for name in each.names)
            answered_by = f"the {each.answered_by}" if each.answered_by == "package" else each.answered_by
            lines.append(f"| {names} | {answered_by} | {_cell(each.left_out)} | {_cell(each.rests_on)} |")
        lines.append("")
    if coverage.behaviours:
        lines += ["| Behaviour | Left out | Rests on |", "|---|---|---|"]
        lines += [f"| {_cell(each.what)} | {_cell(each.left_out)} | {_cell(each.rests_on)} |" for each in coverage.behaviours]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
