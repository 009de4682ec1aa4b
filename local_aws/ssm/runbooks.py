"""Automation runbooks: parse the content of a document of type Automation, or refuse it with the reason.

This refuses what Automation refuses, and every part of Automation that the local AWS does not emulate. It also refuses three
things without a source: a reference that no execution could resolve, parameters that the API of an aws:executeAwsApi step
does not have, and steps that nothing reaches.

Sources: https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html and the pages of the actions,
documents-syntax-data-elements-parameters.html, automation-variables.html, automation-action-outputs-inputs.html.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

import yaml
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from local_aws.core.models import service_model

SCHEMA_VERSION = "0.3"
SCRIPT_TIMEOUT = timedelta(seconds=600)
"""The default and the maximum for aws:executeScript."""
API_TIMEOUT = timedelta(seconds=25)
"""The maximum for aws:executeAwsApi."""
APPROVAL_TIMEOUT = timedelta(days=7)
LONGEST_SLEEP = timedelta(seconds=604799)

_RUNTIME = "python3.11"
_LONGEST = {"aws:executeScript": SCRIPT_TIMEOUT, "aws:approve": timedelta(days=30)}
_MOST_APPROVERS = 10
_LONGEST_MESSAGE = 4096
_GLOBALS = (
    "global:ACCOUNT_ID",
    "global:AWS_PARTITION",
    "global:DATE",
    "global:DATE_TIME",
    "global:REGION",
    "automation:EXECUTION_ID",
)
_OUTPUTS = {"aws:executeScript": {"Payload", "OutputPayload"}, "aws:approve": {"ApprovalStatus", "ApproverDecisions"}}
_ROLE_ARN = "AWS::IAM::Role::Arn"
_TYPES = ("String", "StringList", "Boolean", _ROLE_ARN)
_OUTPUT_TYPES = _TYPES[:-1]
_APPROVAL_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:Automation[\w-]*", re.ASCII)
_STEP_NAME = re.compile(r"[a-zA-Z0-9_]+", re.ASCII)
_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_SELECTOR = re.compile(r"\$(\.[\w-]+)+", re.ASCII)
_DURATION = re.compile(
    r"P(?!$)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)

Lookup = Callable[[str], Any]
"""Returns the value of a name in a reference. Raises KeyError."""


class InvalidContentError(ValueError):
    """The content is no runbook that can run here. The message says where and why."""


class UnknownSchemaVersionError(ValueError):
    """The schema version is not that of runbooks."""


# Values


def references(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Return the names in the references ("{{ name }}") of a value and of all that it contains."""
    match value:
        case str():
            yield from _REFERENCE.findall(value)
        case Mapping():
            for key, item in value.items():
                yield from references(key)
                yield from references(item)
        case list():
            for item in value:
                yield from references(item)


def has_references(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value has references."""
    return any(True for _ in references(value))


def resolve(value: Any, lookup: Lookup) -> Any:  # noqa: ANN401 - JSON
    """Replace references by their values.

    A text that is one reference becomes the value, in its type. Within other text the value becomes text: JSON, unless it is
    a string.
    """
    match value:
        case str():
            whole = _REFERENCE.fullmatch(value.strip())
            return lookup(whole[1]) if whole else _REFERENCE.sub(lambda found: text(lookup(found[1])), value)
        case Mapping():
            return {resolve(key, lookup): resolve(item, lookup) for key, item in value.items()}
        case list():
            return [resolve(item, lookup) for item in value]
    return value


def text(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as text: JSON, unless it is a string."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def has_type(value: Any, type_name: str) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value has a type of a parameter or an output."""
    match type_name:
        case "Boolean":
            return isinstance(value, bool)
        case "StringList":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def converted(value: Any, type_name: str) -> Any:  # noqa: ANN401 - JSON
    """Return a value in the type that an output declares. Raises ValueError if Automation does not convert it to that type.

    Source: automation-action-outputs-inputs.html. Guess: a Boolean has the spelling of JSON, ignoring case.
    """
    if has_type(value, type_name):
        return value
    if isinstance(value, list) and len(value) == 1 and type_name != "StringList" and not isinstance(value[0], list):
        return converted(value[0], type_name)
    said = text(value) if isinstance(value, str | int) else ""  # a Boolean is an int of Python
    if type_name == "Boolean" and isinstance(value, str) and said.lower() in {"true", "false"}:
        return said.lower() == "true"
    if type_name != "Boolean" and isinstance(value, str | int):
        return [said] if type_name == "StringList" else said
    message = f"{text(value)} is no {type_name}."
    raise ValueError(message)


def duration(value: object) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds. Raises ValueError."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = f"{value!r} is no ISO 8601 duration, like PT10M."
        raise ValueError(message)
    read = timedelta(**{unit: int(number) for unit, number in found.groupdict(default="0").items()})
    if read > LONGEST_SLEEP:
        message = f"{value} is more than {LONGEST_SLEEP.total_seconds():.0f} seconds."
        raise ValueError(message)
    return read


def select(value: Any, selector: str) -> Any:  # noqa: ANN401 - JSON
    """Return what a JSONPath of children ("$.a.b") selects. Raises KeyError if nothing is there."""
    for name in selector.split(".")[1:]:
        if not isinstance(value, Mapping):
            raise KeyError(selector)
        value = value[name]
    return value


# The parts of a runbook


@dataclass(frozen=True)
class Parameter:
    """A parameter. `default` has its type, or is None if a value is required."""

    name: str
    type: str
    description: str | None
    default: Any
    allowed_pattern: re.Pattern[str] | None

    def read(self, values: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
        """Parse the strings of a request into the parameter's type. Raises ValueError."""
        value = self._parse(values)
        for each in value if isinstance(value, list) else [value]:
            if self.allowed_pattern and not self.allowed_pattern.fullmatch(text(each)):
                message = (
                    f"Parameter {self.name} has the value {text(each)}, which does not match {self.allowed_pattern.pattern}."
                )
                raise ValueError(message)
        return value

    def _parse(self, values: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
        if self.type == "StringList":
            return list(values)
        value: Any = values[0] if len(values) == 1 else None
        if self.type == "Boolean":
            value = {"true": True, "false": False}.get(str(value).lower())
        if not has_type(value, self.type):
            message = f"Parameter {self.name} is a {self.type}, and has the values {json.dumps(list(values))}."
            raise ValueError(message)
        if self.type == _ROLE_ARN and not ROLE.fullmatch(value):
            message = f"Parameter {self.name} is the ARN of a role, and has the value {value}."
            raise ValueError(message)
        return value


@dataclass(frozen=True)
class Output:
    """An output of a step: `selector` finds it in the result, and it becomes a value of `type`."""

    name: str
    selector: str
    type: str


@dataclass(frozen=True)
class Comparison:
    """A comparison of a variable, which is a reference, with a constant."""

    variable: str
    operation: str
    constant: Any

    def holds(self, lookup: Lookup) -> bool:
        """Return whether it is true. A variable without a value equals nothing (an example in automation-actions.html)."""
        try:
            value = resolve(self.variable, lookup)
        except KeyError:
            return False
        constant, kind = resolve(self.constant, lookup), _OPERATIONS[self.operation]
        return has_type(value, kind) and has_type(constant, kind) and bool(value == constant)


_OPERATIONS = {"StringEquals": "String", "BooleanEquals": "Boolean"}
"""The comparisons that the local AWS emulates, and the type that each compares."""


@dataclass(frozen=True)
class Choice:
    """The next step if a condition holds."""

    next_step: str
    condition: Comparison


@dataclass(frozen=True)
class Approval:
    """The inputs of an aws:approve step. One that still is a reference is None."""

    notification_arn: str | None
    message: str | None
    required: int
    approvers: Sequence[str] | None

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Approval":
        """Parse the inputs of the step. Raises ValueError."""
        known = {key: value for key, value in inputs.items() if not has_references(value)}
        arn, message, approvers = (known.get(key) for key in ("NotificationArn", "Message", "Approvers"))
        required = known.get("MinRequiredApprovals", 1)
        if arn is not None and not _APPROVAL_TOPIC.fullmatch(text(arn)):
            message = f"NotificationArn is that of a topic whose name begins with Automation, and not {text(arn)}."
            raise ValueError(message)
        if message is not None and not (isinstance(message, str) and len(message) <= _LONGEST_MESSAGE):
            message = f"Message has {_LONGEST_MESSAGE} characters at most."
            raise ValueError(message)
        if approvers is not None and not (has_type(approvers, "StringList") and 0 < len(approvers) <= _MOST_APPROVERS):
            message = f"Approvers has 1 to {_MOST_APPROVERS} names and ARNs, and is not {text(approvers)}."
            raise ValueError(message)
        if type(required) is not int or not 0 < required <= len(approvers or range(_MOST_APPROVERS)):
            message = f"MinRequiredApprovals is an Integer from 1 to the number of approvers, and not {required!r}."
            raise ValueError(message)
        return cls(arn, message, required, approvers)


def sleep_until(inputs: Mapping[str, Any], now: datetime) -> datetime:
    """Return when an aws:sleep step ends that begins `now`. Raises ValueError."""
    return now + duration(inputs["Duration"])


def api_operation(service: str, api: str) -> OperationModel:
    """Find the operation that an aws:executeAwsApi step names, by its own or boto3's name. Raises ValueError."""
    try:
        model = service_model(service)
    except UnknownServiceError as error:
        message = f"boto3 has no service {service}."
        raise ValueError(message) from error
    names = [name for name in model.operation_names if api in {name, xform_name(name)}]
    if not names:
        message = f"{service} has no API {api}."
        raise ValueError(message)
    return model.operation_model(names[0])


@dataclass(frozen=True)
class Step:
    """A step. `inputs` still have their references."""

    name: str
    action: str
    inputs: Mapping[str, Any]
    outputs: tuple[Output, ...]
    choices: tuple[Choice, ...]
    """The choices of aws:branch, in their order."""
    next_step: str | None
    """The step after a success, or after an aws:branch if no choice holds. None ends the execution."""
    next_step_reversed: str | None
    """The same if Automation treats isEnd of an aws:branch without a Default in the undocumented way: it continues."""
    is_end: bool
    on_failure: str
    """Abort, Continue, or step:NAME."""
    is_critical: bool
    timeout: timedelta | None
    max_attempts: int

    @property
    def after_failure(self) -> str | None:
        """The step after a failure. None ends the execution."""
        if self.on_failure == "Continue":
            return self.next_step
        return self.on_failure.removeprefix("step:") if self.on_failure.startswith("step:") else None

    @property
    def successors(self) -> list[str]:
        """All steps that may come next."""
        following = [*(choice.next_step for choice in self.choices), self.next_step, self.after_failure]
        return list(dict.fromkeys(name for name in following if name))

    @property
    def output_names(self) -> set[str]:
        """The outputs that other steps can refer to: those that it declares and those of its action."""
        return {output.name for output in self.outputs} | _OUTPUTS.get(self.action, set())


@dataclass(frozen=True)
class Runbook:
    """The content of a document."""

    description: str | None
    assume_role: str | None
    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    """The steps by name, in their order."""
    outputs: tuple[str, ...]


# Reading


def parse(content: str, document_format: str) -> Runbook:
    """Parse the content of a document, JSON or YAML. Raises InvalidContentError and UnknownSchemaVersionError."""
    try:
        read = json.loads(content) if document_format == "JSON" else yaml.load(content, _YamlLoader)  # noqa: S506 - a safe one
    except (ValueError, yaml.YAMLError) as error:
        message = f"The content is no {document_format}: {' '.join(str(error).split())}"
        raise InvalidContentError(message) from error
    if not isinstance(read, dict):
        message = f"The content is no {document_format} object."
        raise InvalidContentError(message)
    version = read.get("schemaVersion")
    if str(version) != SCHEMA_VERSION:
        message = f"A document of type Automation has the schema version {SCHEMA_VERSION}, and not {version}."
        raise UnknownSchemaVersionError(message)
    return _runbook(_Node("The document", read), document_format)


class _YamlLoader(yaml.CSafeLoader):
    """YAML with JSON's types: a date is text. A key that comes twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - yaml declares it so
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's
        """Refuse a duplicate key, and a key that is not text."""
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value) or not all(isinstance(key, str) for key in mapping):
            message = "a key comes twice, or is no text"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return mapping


@dataclass(frozen=True)
class _Node:
    """An object of the content, and how a message names it."""

    name: str
    value: Mapping[str, Any]
    taken: set[str] = field(default_factory=set)

    def take(self, key: str, *types: type, required: bool = False) -> Any:  # noqa: ANN401 - JSON
        """Return a member, or None if it is missing. Raises InvalidContentError if it has none of the types."""
        self.taken.add(key)
        value = self.value.get(key)
        if value is None:
            if required:
                self.refuse(f"has no {key}")
            return None
        if not isinstance(value, types):
            self.refuse(f"has a {key} of the wrong type: {text(value)}")
        return value

    def take_bool(self, key: str) -> bool | None:
        """Return a Boolean, which may be text."""
        value = self.take(key, bool, str)
        if isinstance(value, str):
            if value.lower() not in {"true", "false"}:
                self.refuse(f"has a {key} that is no Boolean: {value}")
            return value.lower() == "true"
        return value if isinstance(value, bool) else None

    def take_int(self, key: str, least: int) -> int | None:
        """Return an Integer, which may be text."""
        value = self.take(key, int, str)
        if value is None:
            return None
        if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value), re.ASCII) or int(value) < least:
            self.refuse(f"has a {key} that is no Integer of at least {least}: {text(value)}")
        return int(value)

    def finish(self, not_emulated: Collection[str] = ()) -> None:
        """Refuse the members that nobody took."""
        for key in self.value:
            if key in not_emulated:
                self.refuse(f"has {key}, which the local AWS does not emulate")
            if key not in self.taken:
                self.refuse(f"has an unknown key {key}")

    def refuse(self, why: str) -> NoReturn:
        """Raise an InvalidContentError."""
        message = f"{self.name} {why}."
        raise InvalidContentError(message)


def _runbook(document: _Node, document_format: str) -> Runbook:
    document.take("schemaVersion", str, float, required=True)
    description = document.take("description", str)
    assume_role = document.take("assumeRole", str)
    declared = document.take("parameters", dict) or {}
    steps = document.take("mainSteps", list, required=True)
    outputs = document.take("outputs", list) or []
    document.finish(not_emulated=("files", "variables"))
    parameters = {name: _parameter(_child(f"Parameter {name}", value), name) for name, value in declared.items()}
    if not steps:
        document.refuse("has no steps")
    nodes = [_child(f"Step {number}", step) for number, step in enumerate(steps, 1)]
    names = [str(node.take("name", str, required=True)) for node in nodes]
    by_name: dict[str, Step] = {}
    for name, following, node in zip(names, [*names[1:], None], nodes, strict=True):
        if not _STEP_NAME.fullmatch(name):
            node.refuse(f"has a name of other characters than letters, digits and underscores: {name}")
        if name in by_name:
            node.refuse(f"has the name {name}, which another step has")
        by_name[name] = _step(_Node(f"Step {name}", node.value, node.taken), name, following, document_format)
    runbook = Runbook(description, assume_role, parameters, by_name, tuple(map(str, outputs)))
    _check_order(runbook)
    _check_references(runbook)
    return runbook


def _child(name: str, value: Any) -> _Node:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        message = f"{name} is no object."
        raise InvalidContentError(message)
    return _Node(name, value)


def _parameter(node: _Node, name: str) -> Parameter:
    if not re.fullmatch(r"\w{1,50}", name, re.ASCII):
        node.refuse("has a name that is not 1 to 50 letters, digits and underscores")
    type_name = node.take("type", str, required=True)
    if type_name not in _TYPES:
        node.refuse(f"has the type {type_name}, which the local AWS does not know: it is one of {', '.join(_TYPES)}")
    default = node.take_bool("default") if type_name == "Boolean" else node.take("default", object)
    if default is not None and not has_type(default, type_name):
        node.refuse(f"has a default that is no {type_name}: {text(default)}")
    if has_references(default):
        node.refuse("has a reference for a default, which the local AWS does not emulate")
    pattern = node.take("allowedPattern", str)
    try:
        allowed_pattern = re.compile(pattern, re.ASCII) if pattern is not None else None
    except re.error:
        node.refuse(f"has an allowedPattern that is no regular expression: {pattern}")
    description = node.take("description", str)
    node.finish(not_emulated=("allowedValues", "displayType", "maxChars", "maxItems", "minChars", "minItems"))
    return Parameter(
        name,
        type_name,
        description,
        default,
        allowed_pattern,
    )


def _step(node: _Node, name: str, following: str | None, document_format: str) -> Step:
    action = node.take("action", str, required=True)
    if action not in _ACTIONS:
        node.refuse(f"has the action {action}, which the local AWS does not emulate: it does {', '.join(_ACTIONS)}")
    inputs = _Node(node.name, node.take("inputs", dict, required=True))
    _ACTIONS[action](inputs, document_format)
    choices, default = _branch(inputs) if action == "aws:branch" else ((), None)
    inputs.finish(not_emulated=("Attachment", "Timestamp"))
    node.take("description", str)
    outputs = tuple(_output(node, _child(f"{node.name}, an output,", each)) for each in node.take("outputs", list) or [])
    if outputs and action not in {"aws:executeScript", "aws:executeAwsApi"}:
        node.refuse(f"declares outputs, which {action} does not have")
    if len({output.name for output in outputs}) != len(outputs):
        node.refuse("declares an output twice")
    if action == "aws:executeScript" and not all(output.selector.startswith("$.Payload") for output in outputs):
        node.refuse("selects an output from something else than $.Payload, which is all that a script has")
    is_end, next_step = bool(node.take_bool("isEnd")), node.take("nextStep", str)
    on_failure = node.take("onFailure", str) or "Abort"
    if on_failure not in {"Abort", "Continue"} and not on_failure.startswith("step:"):
        node.refuse(f"has the onFailure {on_failure}, and not Abort, Continue or step:NAME")
    if is_end and (next_step or on_failure.startswith("step:")):
        node.refuse("has isEnd, and goes on to another step")
    is_critical = node.take_bool("isCritical")
    timeout, limit = node.take_int("timeoutSeconds", 1), _LONGEST.get(action)
    if timeout is not None and limit is not None and timeout > limit.total_seconds():
        node.refuse(f"has a timeoutSeconds of {timeout}, and {action} takes {limit.total_seconds():.0f} at most")
    max_attempts = node.take_int("maxAttempts", 1) or 1
    node.finish(not_emulated=("onCancel",))
    return Step(
        name,
        action,
        inputs.value,
        outputs,
        choices,
        default or (None if is_end else next_step or following),
        default or (following if is_end else None),
        is_end,
        on_failure,
        on_failure != "Continue" if is_critical is None else is_critical,
        None if timeout is None else timedelta(seconds=timeout),
        max_attempts,
    )


def _output(step: _Node, node: _Node) -> Output:
    output = Output(*(node.take(key, str, required=True) for key in ("Name", "Selector", "Type")))
    node.finish()
    if not _STEP_NAME.fullmatch(output.name):
        step.refuse(f"has an output with the name {output.name}: it is made of letters, digits and underscores")
    if not _SELECTOR.fullmatch(output.selector):
        step.refuse(f"has the selector {output.selector}, and the local AWS emulates those of children only, like $.a.b")
    if output.type not in _OUTPUT_TYPES:
        step.refuse(f"has an output of the type {output.type}: it is one of {', '.join(_OUTPUT_TYPES)}")
    return output


# Actions


def _execute_script(inputs: _Node, document_format: str) -> None:
    """Check aws:executeScript.

    Its page says: "Script … is not supported for JSON runbooks". No page says whether references in a script are replaced.
    """
    runtime = inputs.take("Runtime", str, required=True)
    if runtime != _RUNTIME:
        inputs.refuse(f"has the Runtime {runtime}, and the local AWS has {_RUNTIME} only")
    inputs.take("Handler", str, required=True)
    inputs.take("InputPayload", dict)
    script = inputs.take("Script", str, required=True)
    if document_format == "JSON":
        inputs.refuse("has a Script in a JSON document, where it is not supported: make its DocumentFormat YAML")
    if "{{" in script:
        inputs.refuse("has {{ in its Script, which is given values by its InputPayload only")
    if error := _error_in(script):
        inputs.refuse(f"has a Script that is no Python: {error}")


@lru_cache(maxsize=100)  # every account of an organization has the same
def _error_in(script: str) -> str:
    """Say why a script is no Python; empty if it is."""
    try:
        compile(script, "script", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def _execute_aws_api(inputs: _Node, _: str) -> None:
    service, api = (inputs.take(key, str, required=True) for key in ("Service", "Api"))
    parameters = {key: value for key, value in inputs.value.items() if key not in inputs.taken}
    inputs.taken.update(parameters)
    try:
        shape = api_operation(service, api).input_shape
    except ValueError as error:
        inputs.refuse(f"calls an API that is not there: {str(error).removesuffix('.')}")
    unknown = (f"{key} is unknown" for key in parameters)
    wrong = next(_wrong(shape, parameters, "") if shape else unknown, None)
    if wrong:
        inputs.refuse(f"has parameters that {service}:{api} does not take: {wrong}")


def _wrong(shape: Shape, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Name parameters that an API does not know, that it lacks, or that are no structure, list or map as in its model."""
    if isinstance(value, str) and _REFERENCE.fullmatch(value.strip()):
        return
    match shape, value:
        case StructureShape(), dict():
            yield from (f"{path}{key} is unknown" for key in value if key not in shape.members)
            yield from (f"{path}{key} is missing" for key in shape.required_members if key not in value)
            inner = [(member, value[key], f"{path}{key}.") for key, member in shape.members.items() if key in value]
        case ListShape(), list():
            inner = [(shape.member, item, path) for item in value]
        case MapShape(), dict():
            inner = [(shape.value, item, path) for item in value.values()]
        case _:
            inner = []
            if isinstance(shape, StructureShape | ListShape | MapShape) or isinstance(value, dict | list | None):
                yield f"{path.removesuffix('.')} is no {shape.type_name}"
    for member, item, where in inner:
        yield from _wrong(member, item, where)


def _branch(inputs: _Node) -> tuple[tuple[Choice, ...], str | None]:
    choices = inputs.take("Choices", list, required=True)
    if not choices:
        inputs.refuse("has no Choices")
    read = tuple(_choice(_child(f"{inputs.name}, a choice,", choice)) for choice in choices)
    return read, inputs.take("Default", str)


def _choice(node: _Node) -> Choice:
    next_step = node.take("NextStep", str, required=True)
    return Choice(next_step, _condition(_Node(node.name, {key: node.value[key] for key in node.value if key != "NextStep"})))


def _condition(node: _Node) -> Comparison:
    for combination in ("And", "Or", "Not"):
        if combination in node.value:
            node.refuse(f"has {combination}, which the local AWS does not emulate")
    variable = node.take("Variable", str, required=True)
    if not _REFERENCE.fullmatch(variable.strip()):
        node.refuse(f"has a Variable that is no reference: {variable}")
    operations = [key for key in node.value if key in _OPERATIONS]
    if len(operations) != 1:
        node.refuse(f"has not exactly one of the operations that the local AWS emulates: {', '.join(_OPERATIONS)}")
    [operation] = operations
    kind = _OPERATIONS[operation]
    constant = node.take_bool(operation) if kind == "Boolean" else node.take(operation, object)
    if not (has_type(constant, kind) or has_references(constant)):
        node.refuse(f"has a {operation} of something that is no {kind}: {text(constant)}")
    node.finish()
    return Comparison(variable, operation, constant)


def _approve(inputs: _Node, _: str) -> None:
    inputs.take("NotificationArn", str)
    inputs.take("Message", str)
    inputs.take("MinRequiredApprovals", int, str)
    inputs.take("Approvers", list, str, required=True)
    try:
        Approval.of(inputs.value)
    except ValueError as error:
        inputs.refuse(f"has wrong inputs: {str(error).removesuffix('.')}")


def _sleep(inputs: _Node, _: str) -> None:
    inputs.take("Duration", str, required=True)
    if has_references(inputs.value):
        return
    try:
        sleep_until(inputs.value, datetime(2026, 1, 1, tzinfo=UTC))  # any moment does
    except ValueError as error:
        inputs.refuse(f"has wrong inputs: {str(error).removesuffix('.')}")


_ACTIONS: Mapping[str, Callable[[_Node, str], object]] = {
    "aws:approve": _approve,
    "aws:branch": lambda *_: None,
    "aws:executeAwsApi": _execute_aws_api,
    "aws:executeScript": _execute_script,
    "aws:sleep": _sleep,
}


# The whole


def _check_order(runbook: Runbook) -> None:
    """Refuse a next step that does not exist, a step that nothing reaches, and a loop."""
    for step in runbook.steps.values():
        for successor in step.successors:
            if successor not in runbook.steps:
                message = f"Step {step.name} goes on to {successor}, which is no step of the document."
                raise InvalidContentError(message)
    first = next(iter(runbook.steps))
    reached = {first, *_after(runbook, first)}
    for name in runbook.steps:
        if name not in reached:
            message = f"Step {name} is never reached."
            raise InvalidContentError(message)
        if name in _after(runbook, name):
            message = f"Step {name} is reached from itself, which the local AWS does not emulate."
            raise InvalidContentError(message)


def _after(runbook: Runbook, name: str) -> set[str]:
    """Return the steps that may come after one."""
    found: set[str] = set()
    waiting = list(runbook.steps[name].successors)
    while waiting:
        successor = waiting.pop()
        if successor not in found:
            found.add(successor)
            waiting += runbook.steps[successor].successors
    return found


def _check_references(runbook: Runbook) -> None:
    """Refuse a reference that is not a parameter, a variable of Automation, or an output of an earlier step."""
    known = {*runbook.parameters, *_GLOBALS}
    for name in references(runbook.assume_role):
        _refuse_unknown(name in known, "assumeRole", name)
    before: dict[str, set[str]] = {name: set() for name in runbook.steps}
    for name, step in runbook.steps.items():
        for later in _after(runbook, name):
            before[later] |= {f"{name}.{output}" for output in step.output_names}
    for step in runbook.steps.values():
        for name in references(step.inputs):
            _refuse_unknown(name in known or name in before[step.name], f"Step {step.name}", name)
    outputs = {f"{name}.{output}" for name, step in runbook.steps.items() for output in step.output_names}
    for name in runbook.outputs:
        _refuse_unknown(name in outputs, "outputs", name)


def _refuse_unknown(known: bool, where: str, name: str) -> None:  # noqa: FBT001 - what was found
    if not known:
        message = f"{where} refers to {name}, which is no parameter, no variable of Automation, and no output of a step before."
        raise InvalidContentError(message)
