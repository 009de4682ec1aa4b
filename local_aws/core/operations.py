"""Find which operation of which service a request calls, in every protocol of AWS.

The name in the signature's scope says the service. Several services may share it: `lambda` is that of three. What says the
operation depends on the protocol: the header X-Amz-Target, the parameter Action, the path of RPC v2, or method and URI.
botocore's models have all of it.

Sources: https://smithy.io/2.0/aws/protocols/, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
(Credential), https://smithy.io/2.0/spec/http-bindings.html (URIs: labels, greedy labels, literal queries).
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore
from botocore.model import OperationModel

from local_aws.core.coverage import Coverage
from local_aws.core.errors import S3
from local_aws.core.models import LOADER, service_model

_CREDENTIAL = re.compile(
    r"^AWS4-(?:HMAC-SHA256|ECDSA-P256-SHA256) (?:.*[ ,])?"
    r"Credential=(?P<key>[^/, ]+)/\d{8}/(?:[^/, ]+/)?(?P<service>[^/, ]+)/aws4_request(?:[ ,]|$)"
)
"""The signature for several Regions, ECDSA-P256-SHA256, names none in its scope."""
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
"""What stands before the colon of a service's actions, if it is another name than that in signatures."""
_SHARED = {"s3express": "s3", "s3-object-lambda": "s3"}
"""Further names in signatures of a service, which its model does not have: the rules for its endpoints do."""
_EC2_VERSION = "2016-11-15"
_FORM = "x-www-form-urlencoded"
_QUEUE = re.compile(r"/\d{12}/[\w-]+(\.fifo)?/?")
"""The path of a queue's URL, to which older SDKs send queries."""
_RPC = re.compile(r"/service/(\w+)/operation/(\w+)")
CBOR = "smithy-rpc-v2-cbor"
_REST_XML = {
    **dict.fromkeys(("cloudfront", "route53"), "rest-xml"),
    **dict.fromkeys((S3, "s3express", "s3-object-lambda", "s3-outposts"), S3),
}
_LONGEST_HEAD = 8192
"""Bytes of a model in which its metadata stand: documentation of one service precedes them, shapes always follow."""


Operation = Callable[[str, dict[str, Any]], dict[str, Any] | None]
"""What answers an operation: it takes the account id and the request, and gives the answer; None lets MiniStack answer."""
Operations = Mapping[str, Operation]
"""What answers operations, by their names."""


@dataclass(frozen=True)
class Credential:
    """The scope of a signature: who signed, and for which service."""

    access_key_id: str
    signing_name: str


@dataclass(frozen=True)
class Request:
    """A request: the path as it was sent, the query's parameters, headers by their names in lower case, and the body."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def credential(self) -> Credential | None:
        """Return the scope of the signature in the header Authorization, None if it has none."""
        found = _CREDENTIAL.match(self.headers.get("authorization", ""))
        return Credential(found["key"], found["service"]) if found else None

    @cached_property
    def parameters(self) -> Mapping[str, Sequence[str]]:
        """Return the parameters of the query protocol, in the body or the URL; none if the body is no form."""
        if _FORM not in self.headers.get("content-type", ""):
            return self.query
        body = self.body
        if self.headers.get("content-encoding") == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError):
                return self.query
        return {**parse_qs(body.decode(errors="replace"), keep_blank_values=True), **self.query}

    @cached_property
    def protocol(self) -> str:
        """Return the protocol, if the request alone shows it: its name in botocore, or `errors.S3`."""
        signing_name = self.credential.signing_name if self.credential else S3
        if self.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return CBOR
        if "x-amz-target" in self.headers:
            return "json"
        if "Action" in self.parameters or _FORM in self.headers.get("content-type", ""):
            is_ec2 = signing_name == "ec2" or self.parameters.get("Version") == [_EC2_VERSION]
            return "ec2" if is_ec2 else "query"
        if "json" in self.headers.get("content-type", ""):
            return "rest-json"
        return _REST_XML.get(signing_name, "rest-json")


@dataclass(frozen=True)
class Called:
    """What a request calls.

    `service` is MiniStack's name of it, or "" if no list has it. `prefix` stands before the colon of its actions. `operation`
    is "" if no model has one for this method and URI. `query_compatible`: errors in JSON also have the query protocol's code.
    `spoken`: the local AWS answers the service in this protocol.
    """

    service: str
    prefix: str
    operation: str
    protocol: str
    uri: str
    query_compatible: bool = False
    spoken: bool = True

    def __str__(self) -> str:
        """Return "iam:GetUser", or the service with method and path if the operation is unknown."""
        if not self.operation:
            return f"{self.prefix} ({self.uri})"
        return f"{self.prefix}:{self.operation}{'' if self.spoken else f' in the protocol {self.protocol}'}"


current: ContextVar[Called | None] = ContextVar("current", default=None)
"""What the present request calls. None outside of a request."""


def prefix(service: str) -> str:
    """Return what stands before the colon of a service's actions. MiniStack and signatures name listed services alike."""
    return _PREFIXES.get(service, service)


class ApiOperations:
    """The operations of every service's API."""

    def __init__(self, lists: Mapping[str, Coverage]) -> None:
        """Know which services are listed, by MiniStack's names of them."""
        self._listed = {api.signing_name: (each, api) for each in lists.values() for api in [_api(each.api)]}

    def called(self, request: Request) -> Called:
        """Return what a request calls."""
        signing_name = request.credential.signing_name if request.credential else ""
        before, uri = prefix(signing_name), f"{request.method} {request.path}"
        listed, api = self._listed.get(signing_name, (None, None))
        if listed and api and (found := api.operation(request)):
            return Called(listed.service, before, *found, uri, api.query_compatible)
        operation, protocol = _named(request) or _routed(request, signing_name) or ("", request.protocol)
        if listed and api and operation in listed.names:
            if api.knows(request):
                return Called(listed.service, before, operation, protocol, uri, api.query_compatible, spoken=False)
            operation = ""  # at another path, or another service's
        return Called("", before, operation, protocol, uri)


def _named(request: Request) -> tuple[str, str] | None:
    """Return operation and protocol of a request that names its operation."""
    match request.protocol:
        case "json":
            return request.headers["x-amz-target"].rpartition(".")[2], "json"
        case "query" | "ec2" as protocol:
            return request.parameters.get("Action", [""])[0], protocol
        case protocol if protocol == CBOR:
            found = _RPC.fullmatch(request.path)
            return (found[2], protocol) if found else None
    return None


def _routed(request: Request, signing_name: str) -> tuple[str, str] | None:
    """Return operation and protocol of a request that method and URI determine."""
    for name in _services_by_signing_name().get(_SHARED.get(signing_name, signing_name), []):
        if found := _api(name).operation(request):
            return found
    return None


@cache
def _services_by_signing_name() -> Mapping[str, Sequence[str]]:
    """Return botocore's names of the services that sign with a name.

    It reads the head of each model: to read all of the 430 would take 10 seconds.
    """
    found = defaultdict(list)
    for service in LOADER.list_available_services("service-2"):
        version = LOADER.determine_latest_version(service, "service-2")
        with gzip.open(Path(botocore.__file__).parent / "data" / service / version / "service-2.json.gz", "rb") as file:
            head = file.read(_LONGEST_HEAD).decode(errors="replace")
        named = re.search(r'"signingName" *: *"([^"]+)"', head) or re.search(r'"endpointPrefix" *: *"([^"]+)"', head)
        if named:
            found[named[1]].append(service)
    return found


# One service


@dataclass(frozen=True)
class _Route:
    """How a REST operation is requested: the path's pattern, literal queries, and members that must be there."""

    operation: str
    deprecated: bool
    method: str
    path: re.Pattern[str]
    literals: int
    query: Mapping[str, str]
    required_query: frozenset[str]
    required_headers: frozenset[str]

    def score(self, request: Request, *, complete: bool = True) -> tuple[int, int] | None:
        """Tell how exactly a request is this operation's, None if it is not. A `complete` one has all that is required."""
        if self.method != request.method or not self.path.fullmatch(request.path):
            return None
        if any(name not in request.query or (value and request.query[name][0] != value) for name, value in self.query.items()):
            return None
        has_all = self.required_query <= request.query.keys() and self.required_headers <= request.headers.keys()
        if complete and not has_all:
            return None
        return self.literals, len(self.query) + len(self.required_query) + len(self.required_headers)


class _Api:
    def __init__(self, name: str) -> None:
        self._name = name
        self._model = service_model(name)
        metadata = self._model.metadata
        self.signing_name: str = metadata.get("signingName", metadata["endpointPrefix"])
        self.target_prefix: str = metadata.get("targetPrefix", "")
        self.query_compatible = "awsQueryCompatible" in metadata
        self._protocols = {*metadata.get("protocols", [metadata["protocol"]])}

    def operation(self, request: Request) -> tuple[str, str] | None:
        """Return operation and protocol of a request, None if it calls none of this service.

        It accepts no request that a protocol does not have, so that the next reader finds the same operation.
        """
        prefix, _, target = request.headers.get("x-amz-target", "").rpartition(".")
        action = request.parameters.get("Action", [""])[0]
        if target and action:
            return None
        if target:
            is_json = "json" in self._protocols and prefix == self.target_prefix
            return (target, "json") if is_json and request.path == "/" and not request.query else None
        if action:
            return (action, "query") if "query" in self._protocols and request.path == "/" else None
        for protocol in self._protocols & {"rest-json", "rest-xml"}:
            if operation := self._routed(request):
                return operation, S3 if self._name == S3 else protocol
        return None

    def knows(self, request: Request) -> bool:
        """Tell whether a request that names its operation is this service's, in a protocol that no list answers."""
        is_cbor = request.protocol == CBOR and request.path.startswith(f"/service/{self.target_prefix}/")
        is_query = request.protocol == "query" and self.query_compatible
        return is_cbor or bool(is_query and (request.path == "/" or _QUEUE.fullmatch(request.path)))

    def _routed(self, request: Request) -> str:
        scored = [(score, route) for route in self._routes if (score := route.score(request))]
        if not scored and self._name != S3:  # whose operations only what is required tells apart
            scored = [(score, route) for route in self._routes if (score := route.score(request, complete=False))]
        best = max((score for score, _ in scored), default=None)
        routes = sorted(
            (route for score, route in scored if score == best), key=lambda route: (route.deprecated, route.operation)
        )
        several = len({frozenset(route.query) for route in routes}) > 1  # "?acl&policy" is neither
        return "" if several or not routes else routes[0].operation

    @cached_property
    def _routes(self) -> Sequence[_Route]:
        return [_route(self._model.operation_model(name)) for name in self._model.operation_names]


@cache
def _api(name: str) -> _Api:
    return _Api(name)


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    required: dict[str, set[str]] = defaultdict(set)
    if shape := operation.input_shape:
        for name in shape.required_members:
            serialization = shape.members[name].serialization
            required[serialization.get("location", "body")].add(serialization.get("name", name))
    segments = [segment for segment in path.split("/") if segment]
    return _Route(
        operation.name,
        operation.deprecated,
        operation.http["method"],
        re.compile("".join(f"/{_segment(segment)}" for segment in segments) + "/?"),
        sum("{" not in segment for segment in segments),
        {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()},
        frozenset(required["querystring"]),
        frozenset(name.lower() for name in required["header"]),
    )


def _segment(segment: str) -> str:
    """Return the pattern of a segment of a path, which may have labels: {Name}, or {Key+} for several segments."""
    parts = re.split(r"(\{[^}]+\})", segment)
    return "".join((".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts)
