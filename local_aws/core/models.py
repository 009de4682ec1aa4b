"""Read, check and write requests and answers by AWS's own API models, which botocore has.

There are three protocols, "json", "query" and "rest-json", as far as the services of this package use them.  The models of
these services rename no member of a body, flatten no list and use the usual formats of timestamps, so this module handles none
of that.

Sources: botocore's models; https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html, aws-query-protocol.html and
aws-restjson1-protocol.html; the "Common errors" of the API references.
No page documents the wording of refusals: it is that of real answers.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, SubElement, tostring

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from local_aws.core import constraints


@dataclass(frozen=True)
class Routed:
    """What method and URI of a request tell: its operation, its path without escapes, and its query's parameters."""

    operation: str
    path: str
    query: Mapping[str, Sequence[str]]


Answer = tuple[int, dict[str, Any], bytes]
"""HTTP status, headers, body."""


_UNDECLARED: Mapping[tuple[str, str | None], Mapping[str, int]] = {
    ("cloudformation", "CreateStackSet"): {"InsufficientCapabilitiesException": HTTPStatus.BAD_REQUEST},
    ("cloudformation", "UpdateStackSet"): {"InsufficientCapabilitiesException": HTTPStatus.BAD_REQUEST},
    ("cloudwatch", "GetMetricData"): {"ValidationError": HTTPStatus.BAD_REQUEST},
    **{
        ("sqs", operation): {"InvalidParameterValue": HTTPStatus.BAD_REQUEST}
        for operation in ("ChangeMessageVisibility", "CreateQueue", "ListQueues", "ReceiveMessage", "SendMessage")
    },
}
"""The HTTP status of errors, by operation, that the model lacks.

The API reference has CloudFormation's (parameter Capabilities). The others are from the time of the query protocol.
"""

_QUERY_CODES: Mapping[str, str] = {"PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress"}
"""The code in the query protocol of errors that have another one in JSON, of services that once had the former only."""

_UNLISTED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cloudformation": {
        "ResourceStatus": (
            "REVIEW_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        )
    },
    "config": {"ResourceType": ("AWS::::Account",), "RecorderStatus": ("PENDING", "SUCCESS")},
}
"""Values that an enumeration of a service's model lacks.

ResourceStatus: the events of a stack have its own statuses too, as everybody's logs of deployments show.  ResourceType in a
ResourceKey (StartRemediationExecution, DescribeRemediationExecutionStatus): guides to AWS Config remediate accounts with it. No
page says that the service accepts it.  RecorderStatus: real AWS answered SUCCESS, where the model has Success
(radkawar/stackd, testdata/aws/configservice/lifecycle.json).
"""


_VALIDATION_CODES = {"logs": "InvalidParameterException", "resourcegroupstaggingapi": "InvalidParameterException"}
"""The code for a request that breaks the model, of services with another one than their protocol's.

CloudWatch Logs: users quote it (cisagov/crossfeed#374, grafana/grafana#79155). The Resource Groups Tagging
API: its model's documentation of the error (a parameter is missing, malformed or out of range).
"""

_MEMBER_CODES = {("cloudtrail", "maxResults"): "InvalidMaxResultsException"}
"""The code for a member that breaks the model, if the operation has one for it. Source: API model, LookupEvents."""

_MILLISECONDS = {"cloudformation"}
"""The services of the query protocol whose times have milliseconds. Live: radkawar/stackd, testdata/aws/cloudformation."""


class AwsError(Exception):
    """A service's refusal of a request; `status` is the HTTP status, None for the usual one.

    An empty `message` is none: AWS's answer has no message for some errors (query protocol only).
    `members` are further members of the error's model (JSON protocol only).
    """

    def __init__(self, code: str, message: str, status: int | None = None, *, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


LOADER = Loader()
"""Reads botocore's models. It keeps what it has read, so one serves all: a new Loader first looks at 8,000 files."""


@cache
def service_model(service_name: str) -> ServiceModel:
    """Return the API model of a service, by botocore's name for it, and the values that botocore does not list."""
    model = LOADER.load_service_model(service_name, "service-2")
    for shape_name, values in _UNLISTED.get(service_name, {}).items():
        model["shapes"][shape_name]["enum"] += values
    return ServiceModel(model, service_name)


class ServiceApi:
    """The API of a service, by botocore's name for it, in one of its protocols: "json", "query" or "rest-json"."""

    def __init__(self, service_name: str, protocol: str = "") -> None:
        """Speak `protocol`, or the first one that this module knows. ValueError: the service has none of them."""
        self._model = service_model(service_name)
        protocols: dict[str, type[_Json | _Query | _RestJson]] = {"json": _Json, "query": _Query, "rest-json": _RestJson}
        metadata = self._model.metadata
        self._spoken = [name for name in metadata.get("protocols", [metadata["protocol"]]) if name in protocols]
        if protocol not in {*self._spoken, ""} or not self._spoken:
            message = f"{service_name} speaks {metadata['protocol']}, but this module knows {', '.join(protocols)} only."
            raise ValueError(message)
        self.protocol = protocol or self._spoken[0]
        self._protocol = protocols[self.protocol](self._model)

    def speaking(self, protocol: str) -> "ServiceApi":
        """Return the same API in another protocol, if the service has that."""
        if protocol == self.protocol or protocol not in self._spoken:
            return self
        return _service_api(self._model.service_name, protocol)

    @property
    def operations(self) -> frozenset[str]:
        """Return the names of all operations."""
        return frozenset(self._model.operation_names)

    def parse(self, headers: Mapping[str, str], body: bytes, routed: Routed | None = None) -> tuple[str, dict[str, Any]]:
        """Read a request: the operation's name, and its parameters as botocore takes them, without unknown ones.

        Only "rest-json" needs `routed`.  AwsError: the operation is unknown, or a value has another type than the model's.
        """
        return self._protocol.parse({name.lower(): value for name, value in headers.items()}, body, routed)

    def validate(self, operation: str, params: Mapping[str, Any]) -> None:
        """Raise AwsError if parameters break constraints of the model. SQS refuses with errors of its own instead."""
        shape = self._model.operation_model(operation).input_shape
        broken = [*constraints.broken(shape, params)] if shape and self._model.service_name != "sqs" else []
        if broken and self._model.service_name == "organizations":
            reason, message = constraints.reason(broken[0])
            raise AwsError("InvalidInputException", message, members={"Reason": reason})
        if broken:
            clauses = "; ".join(violation.clause for violation in broken)
            message = f"{len(broken)} validation error{'s' * (len(broken) > 1)} detected: {clauses}"
            of_protocol = "ValidationError" if "query" in self._spoken else self._protocol.validation_code
            of_service = _VALIDATION_CODES.get(self._model.service_name, of_protocol)
            raise AwsError(_MEMBER_CODES.get((self._model.service_name, broken[0].path), of_service), message)

    def from_template(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters that come from a template, which may write a number, a Boolean or a text in place of each other.

        AwsError: a member is unknown, or a value has another type than the model's.
        """
        shape = self._model.operation_model(operation).input_shape
        params = _from_template(shape, params, "#") if shape else {}
        return _from_json(shape, params) if shape else {}

    def response(self, operation: str, result: Mapping[str, Any]) -> Answer:
        """Write an answer from the result that botocore would read from it.

        ValueError: `result` does not fit the model.  Members may be missing, even required ones: AWS omits some.
        """
        model = self._model.operation_model(operation)
        if model.output_shape:
            _check(model.output_shape, result, operation)
        elif result:
            message = f"{operation} answers nothing, not {result!r}."
            raise ValueError(message)
        return self._protocol.response(model, result)

    def error_name(self, operation: str, code: str) -> str:
        """Return the name of the exception for an operation's error code, or the code itself."""
        if operation not in self._model.operation_names:
            return code
        shapes = self._model.operation_model(operation).error_shapes
        return next((shape.name for shape in shapes if shape.metadata.get("error", {}).get("code") == code), code)

    def error(self, error: AwsError, operation: str | None = None) -> Answer:
        """Write a refusal; without `operation` if even that is unknown.

        ValueError: neither the operation nor all operations have an error with this code.
        """
        statuses = {**self._protocol.common_errors, **_UNDECLARED.get((self._model.service_name, operation), {})}
        if self._query_compatible:
            statuses |= _Query.common_errors
        member = "message"
        for shape in self._model.operation_model(operation).error_shapes if operation else []:
            trait = shape.metadata.get("error", {})
            code = trait.get("code", shape.name)
            statuses[code] = trait.get("httpStatusCode", HTTPStatus.BAD_REQUEST)
            if code == error.code and isinstance(shape, StructureShape) and "Message" in shape.members:
                member = "Message"
        if error.code not in statuses:
            message = f"{operation or self._model.service_name} has no error {error.code}."
            raise ValueError(message)
        name = self.error_name(operation, error.code) if self._query_compatible and operation else error.code
        return self._protocol.error(error, error.status or statuses[error.code], member, name)

    @property
    def _query_compatible(self) -> bool:
        """Tell whether errors in JSON have the codes of the query protocol too. CloudWatch's have."""
        return "awsQueryCompatible" in self._model.metadata


@cache
def _service_api(service_name: str, protocol: str) -> ServiceApi:
    return ServiceApi(service_name, protocol)


class _Json:
    validation_code = "ValidationException"
    common_errors: Mapping[str, int] = {
        "InternalFailure": 500,
        "ServiceUnavailable": 503,
        **dict.fromkeys(("AccessDeniedException", "ExpiredTokenException", "InvalidSignatureException"), 400),
        **dict.fromkeys(("MissingAuthenticationTokenException", "UnrecognizedClientException"), 400),
        **dict.fromkeys(("SerializationException", "UnknownOperationException", "ValidationException"), 400),
        "ThrottlingException": 400,
    }

    def __init__(self, model: ServiceModel) -> None:
        self._model = model

    def parse(self, headers: Mapping[str, str], body: bytes, __: Routed | None) -> tuple[str, dict[str, Any]]:
        prefix, _, operation = headers.get("x-amz-target", "").rpartition(".")
        if prefix != self._model.metadata["targetPrefix"] or operation not in self._model.operation_names:
            code = "UnknownOperationException"
            raise AwsError(code, f"{self._model.service_name} has no operation {operation!r}.")
        shape = self._model.operation_model(operation).input_shape
        try:
            return operation, _from_json(shape, json.loads(body or b"{}")) if shape else {}
        except (ValueError, OverflowError, OSError) as error:  # no JSON, or a time outside the calendar
            code = "SerializationException"
            raise AwsError(code, f"The body cannot be read: {error}") from error

    def response(self, model: OperationModel, result: Mapping[str, Any]) -> Answer:
        return self._answer(HTTPStatus.OK, json.dumps(result, default=_json_scalar) if model.output_shape else "")

    def error(self, error: AwsError, status: int, member: str, name: str) -> Answer:
        """Write a refusal. `member` is the model's name of the message, `name` that of the error."""
        body = json.dumps({"__type": name, member: error.message, **error.members})
        headers = {"x-amzn-ErrorType": name}
        if "awsQueryCompatible" in self._model.metadata:  # AWS does that for clients that ask for it
            headers["x-amzn-query-error"] = f"{_QUERY_CODES.get(error.code, error.code)};{_fault(status)}"
        return self._answer(status, body, headers)

    def _answer(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> Answer:
        content_type = f"application/x-amz-json-{self._model.metadata['jsonVersion']}"
        headers = {"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})}
        return status, headers, body.encode()


class _Query:
    validation_code = "ValidationError"
    common_errors: Mapping[str, int] = {
        "InternalFailure": 500,
        "ServiceUnavailable": 503,
        **dict.fromkeys(("AccessDenied", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch"), 403),
        **dict.fromkeys(("InvalidAction", "MalformedInput", "MissingAction", "ValidationError"), 400),
        "Throttling": 400,
    }

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._namespace = model.metadata["xmlNamespace"]

    def parse(self, _: Mapping[str, str], body: bytes, __: Routed | None) -> tuple[str, dict[str, Any]]:
        # The names of parameters are the paths of a tree. A node's own value stands under None.
        tree: dict[str | None, Any] = {}
        for path, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True):
            node = tree
            for name in path.split("."):
                node = node.setdefault(name, {})
            node[None] = value
        operation, version = (tree.get(name, {}).get(None, "") for name in ("Action", "Version"))
        if not operation:
            code = "MissingAction"
            raise AwsError(code, "The request names no Action.")
        if version != self._model.api_version or operation not in self._model.operation_names:
            code = "InvalidAction"
            raise AwsError(code, f"Could not find operation {operation} for version {version}")
        shape = self._model.operation_model(operation).input_shape
        return operation, _from_query(shape, tree, "") if shape else {}

    def response(self, model: OperationModel, result: Mapping[str, Any]) -> Answer:
        root = Element(f"{model.name}Response", xmlns=self._namespace)
        if model.output_shape:
            wrapper = SubElement(root, model.output_shape.serialization["resultWrapper"])
            timespec = "milliseconds" if self._model.service_name in _MILLISECONDS else "seconds"
            _add_xml(wrapper, model.output_shape, result, timespec)
        return self._answer(HTTPStatus.OK, root, SubElement(root, "ResponseMetadata"))

    def error(self, error: AwsError, status: int, _: str, __: str) -> Answer:
        root = Element("ErrorResponse", xmlns=self._namespace)
        details = SubElement(root, "Error")
        SubElement(details, "Type").text = _fault(status)
        SubElement(details, "Code").text = error.code
        if error.message:
            SubElement(details, "Message").text = error.message
        return self._answer(status, root, root)

    def _answer(self, status: int, root: Element, metadata: Element) -> Answer:
        request_id = str(uuid.uuid4())
        SubElement(metadata, "RequestId").text = request_id
        return status, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, tostring(root, encoding="utf-8")


class _RestJson:
    """Writes no answers with members outside of the body, such as Invoke's: MiniStack writes those."""

    validation_code = "ValidationException"
    common_errors: Mapping[str, int] = {
        "InternalFailure": 500,
        "ServiceUnavailable": 503,
        **dict.fromkeys(("AccessDeniedException", "ExpiredTokenException", "InvalidSignatureException"), 403),
        **dict.fromkeys(("MissingAuthenticationTokenException", "UnrecognizedClientException"), 403),
        **dict.fromkeys(("SerializationException", "ValidationException", "ThrottlingException"), 400),
        "UnknownOperationException": 404,
    }

    def __init__(self, model: ServiceModel) -> None:
        self._model = model

    def parse(self, headers: Mapping[str, str], body: bytes, routed: Routed | None) -> tuple[str, dict[str, Any]]:
        if routed is None or routed.operation not in self._model.operation_names:
            code = "UnknownOperationException"
            raise AwsError(code, f"{self._model.service_name} has no operation {routed.operation if routed else ''!r}.")
        model = self._model.operation_model(routed.operation)
        if model.input_shape is None:
            return model.name, {}
        try:
            in_body = _from_body(model.input_shape, body)
        except ValueError as error:  # no JSON
            code = "SerializationException"
            raise AwsError(code, f"The body cannot be read: {error}") from error
        return model.name, in_body | _from_elsewhere(model.input_shape, model.http["requestUri"], headers, routed)

    def response(self, model: OperationModel, result: Mapping[str, Any]) -> Answer:
        elsewhere = [name for name in result if model.output_shape and model.output_shape.members[name].serialization]
        if elsewhere:
            message = f"{model.name} answers {', '.join(elsewhere)} outside of the body."
            raise ValueError(message)
        body = json.dumps(result, default=_json_scalar) if model.output_shape else ""
        return self._answer(model.http.get("responseCode", HTTPStatus.OK), body)

    def error(self, error: AwsError, status: int, member: str, _: str) -> Answer:
        """Write a refusal. `member` is the model's name of the message."""
        body = json.dumps({"Type": "User", member: error.message, **error.members})
        return self._answer(status, body, {"x-amzn-ErrorType": error.code})

    @staticmethod
    def _answer(status: int, body: str, headers: Mapping[str, str] | None = None) -> Answer:
        named = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})}
        return status, named, body.encode()


def _fault(status: int) -> str:
    return "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"


# Requests


def _from_body(shape: StructureShape, body: bytes) -> dict[str, Any]:
    """Read the members of a REST request that are in its body. ValueError: it is not JSON."""
    payload = shape.serialization.get("payload")
    if payload:
        return {payload: body} if body else {}
    content = json.loads(body or b"{}")
    if isinstance(content, dict):
        content = {
            name: value
            for name, value in content.items()
            if name in shape.members and "location" not in shape.members[name].serialization
        }
    members: dict[str, Any] = _from_json(shape, content)
    return members


def _from_elsewhere(shape: StructureShape, uri: str, headers: Mapping[str, str], routed: Routed) -> dict[str, Any]:
    """Read the members of a REST request that are in its path, which is as the model's `uri`, its query or its headers."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(uri.partition("?")[0].rstrip("/")))
    labels = re.fullmatch(f"{pattern}/?", routed.path)
    found = {}
    for name, member in shape.members.items():
        location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri" and labels:
            found[name] = labels[wire_name]
        elif location == "querystring" and wire_name in routed.query:
            texts = routed.query[wire_name]
            found[name] = [*texts] if isinstance(member, ListShape) else _from_text(member, texts[0], name)
        elif location == "header" and wire_name.lower() in headers:
            found[name] = _from_text(member, headers[wire_name.lower()], name)
    return found


def _from_text(shape: Shape, text: str, name: str) -> Any:  # noqa: ANN401 - as botocore takes it
    try:
        return _SCALARS_OF_TEXT[shape.type_name](text)
    except (KeyError, ValueError) as error:
        code = "SerializationException"
        raise AwsError(code, f"The value of {name} is no {shape.type_name}.") from error


def _from_json(shape: Shape, value: Any) -> Any:  # noqa: ANN401 - JSON
    match shape, value:
        case StructureShape(), dict():
            given = {name: member for name, member in shape.members.items() if value.get(name) is not None}
            return {name: _from_json(member, value[name]) for name, member in given.items()}
        case ListShape(), list():
            return [_from_json(shape.member, item) for item in value]
        case MapShape(), dict():
            return {key: _from_json(shape.value, item) for key, item in value.items()}
        case _:
            return _json_value(shape, value)


def _json_value(shape: Shape, value: Any) -> Any:  # noqa: ANN401 - JSON
    fits = isinstance(value, bool) == (shape.type_name == "boolean")  # a bool is an int too
    match shape.type_name, value:
        case ("string", str()) | ("boolean", bool()) | (("integer" | "long"), int()) if fits:
            return value
        case (("double" | "float"), int() | float()) if fits:
            return float(value)
        case "timestamp", int() | float() if fits:
            return datetime.fromtimestamp(value, UTC)
        case "blob", str():
            return base64.b64decode(value, validate=True)
    code = "SerializationException"
    raise AwsError(code, f"{json.dumps(value)} can not be converted to a {shape.type_name} ({shape.name})")


def _from_template(shape: Shape, value: Any, place: str) -> Any:  # noqa: ANN401 - a template's value
    match shape, value:
        case StructureShape(), dict():
            unknown = [name for name in value if name not in shape.members]
            if unknown:
                code = "ValidationException"
                raise AwsError(code, f"{place}: extraneous key [{unknown[0]}] is not permitted")
            return {name: _from_template(shape.members[name], member, f"{place}/{name}") for name, member in value.items()}
        case ListShape(), list():
            return [_from_template(shape.member, item, f"{place}/{number}") for number, item in enumerate(value)]
        case MapShape(), dict():
            return {key: _from_template(shape.value, item, f"{place}/{key}") for key, item in value.items()}
    return _template_scalar(shape.type_name, value)


def _template_scalar(type_name: str, value: Any) -> Any:  # noqa: ANN401 - a template's value
    if type_name == "string" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if type_name == "boolean" and str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    whole = type_name in {"integer", "long"} and re.fullmatch(r"-?\d+", str(value), re.ASCII)
    real = type_name in {"double", "float"} and re.fullmatch(r"-?\d+(\.\d+)?", str(value), re.ASCII)
    return int(value) if whole else float(value) if real else value


_SCALARS_OF_TEXT: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "blob": base64.b64decode,
    "boolean": {"true": True, "false": False}.__getitem__,
    "double": float,
    "integer": int,
    "long": int,
    "timestamp": datetime.fromisoformat,
}


def _from_query(shape: Shape, node: Mapping[str | None, Any], name: str) -> Any:  # noqa: ANN401 - as botocore takes it
    try:
        match shape:
            case StructureShape():
                given = {name: member for name, member in shape.members.items() if name in node}
                return {name: _from_query(member, node[name], name) for name, member in given.items()}
            case ListShape():
                items = node.get("member", {})
                return [_from_query(shape.member, items[number], name) for number in sorted(items, key=int)]
            case MapShape():
                # SNS calls the key Name and the value Value.
                key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
                entries = node.get("entry", {}).values()
                return {entry[key][None]: _from_query(shape.value, entry[value], name) for entry in entries}
            case _:
                return _SCALARS_OF_TEXT[shape.type_name](node[None])
    except (KeyError, TypeError, ValueError) as error:
        code = "MalformedInput"
        raise AwsError(code, f"The value of {name} is no {shape.type_name}.") from error


# Answers

_TYPES: Mapping[str, type] = {
    "blob": bytes,
    "boolean": bool,
    "double": float,
    "float": float,
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
    "timestamp": datetime,
}


def _check(shape: Shape, value: Any, where: str) -> None:  # noqa: ANN401 - anything may be wrong with it
    """Raise ValueError if `value` does not fit the model."""
    right = isinstance(value, _TYPES[shape.type_name]) and isinstance(value, bool) == (shape.type_name == "boolean")
    if isinstance(value, datetime):
        right = right and value.tzinfo is not None
    if not right or value not in shape.metadata.get("enum", [value]):
        message = f"{where} is no {shape.type_name} ({shape.name}): {value!r}"
        raise ValueError(message)
    match shape:
        case StructureShape():
            for name, member in value.items():
                if name not in shape.members:
                    message = f"{where} has no member {name}."
                    raise ValueError(message)
                _check(shape.members[name], member, f"{where}.{name}")
        case ListShape():
            for number, item in enumerate(value):
                _check(shape.member, item, f"{where}[{number}]")
        case MapShape():
            for key, item in value.items():
                _check(shape.key, key, f"{where}, key")
                _check(shape.value, item, f"{where}[{key}]")


def _json_scalar(value: datetime | bytes) -> float | str:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def _add_xml(element: Element, shape: Shape, value: Any, timespec: str) -> None:  # noqa: ANN401 - checked against the model before
    match shape:
        case StructureShape():
            for name, member in value.items():
                _add_xml(SubElement(element, name), shape.members[name], member, timespec)
        case ListShape():
            for item in value:
                _add_xml(SubElement(element, "member"), shape.member, item, timespec)
        case MapShape():
            for key, item in value.items():
                entry = SubElement(element, "entry")
                _add_xml(SubElement(entry, "key"), shape.key, key, timespec)
                _add_xml(SubElement(entry, "value"), shape.value, item, timespec)
        case _:
            element.text = _xml_scalar(value, timespec)


def _xml_scalar(value: object, timespec: str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)
