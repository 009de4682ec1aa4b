"""S3: what it refuses, and MiniStack would take.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and the API reference of each operation (limits).
Guess: the words of MalformedPolicy and of the wrong arguments.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from local_aws.core import callers, errors, resource_policies
from local_aws.core.errors import Answer
from local_aws.core.models import LOADER
from local_aws.core.operations import current
from local_aws.s3 import tokens

Handler = Callable[..., Awaitable[Answer]]
"""Answers a request: method, path, headers, body and query."""
Refusal = tuple[str, str]
"""Code and message."""

_LONGEST_KEY = 1024
_MOST_DELETED = 1000
_MOST_BUCKETS = 10_000
_MALFORMED = ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
_UNKNOWN_TOKEN = ("InvalidArgument", "The continuation token provided is incorrect")
_METHODS = {"GET", "PUT", "HEAD", "POST", "DELETE"}
_OWNERSHIP = {"BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"}
_TO_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "
    "storage class, website redirect location or encryption attributes."
)
_CHANGES = (
    *("x-amz-metadata-directive", "x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption"),
)
_REGIONS = frozenset(LOADER.load_data("endpoints")["partitions"][0]["regions"])


@dataclass(frozen=True)
class Request:
    """A request of S3: the path, headers by their names in lower case, the body, and the query's parameters."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Sequence[str]]

    @property
    def key(self) -> str:
        """Return the object's key; the bucket stands before it."""
        return self.path.lstrip("/").partition("/")[2]

    def texts(self, name: str) -> list[str]:
        """Return the texts of all elements of a name in the body. Raises ParseError."""
        return [element.text or "" for element in self.elements(name)]

    def elements(self, name: str) -> list[Element]:
        """Return all elements of a name in the body. Raises ParseError."""
        root = fromstring(self.body)  # noqa: S314 - expat refuses what grows without limit
        return [element for element in root.iter() if element.tag.rpartition("}")[2] == name]


def checking(handle: Handler) -> Handler:
    """Return a handler of S3 that refuses what AWS refuses."""

    async def handle_checked(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Sequence[str]]
    ) -> Answer:
        called = current.get()
        check = _CHECKS.get(called.operation) if called else None
        if check is not None:
            try:
                refusal = check(Request(path, {name.lower(): value for name, value in headers.items()}, body, query))
            except ParseError:
                refusal = _MALFORMED
            if refusal is not None:
                return errors.write(errors.S3, HTTPStatus.BAD_REQUEST, *refusal)
        if called is None or called.operation not in tokens.OPERATIONS:
            return await handle(method, path, headers, body, query)
        listed = f"{called.operation} {callers.account_id()} {path}"
        try:
            query = tokens.opened(query, listed)
        except tokens.UnknownTokenError:
            return errors.write(errors.S3, HTTPStatus.BAD_REQUEST, *_UNKNOWN_TOKEN)
        status, answered, page = await handle(method, path, headers, body, query)
        return status, answered, tokens.closed(page, listed)

    return handle_checked


def _policy(request: Request) -> Refusal | None:
    problem = resource_policies.problem(request.body.decode(errors="replace"))
    return ("MalformedPolicy", problem) if problem else None


def _location(request: Request) -> Refusal | None:
    constraints = request.texts("LocationConstraint") if request.body else []
    if all(name in {*_REGIONS, "EU"} for name in constraints):
        return None
    return "InvalidLocationConstraint", "The specified location-constraint is not valid"


def _key(request: Request) -> Refusal | None:
    if len(unquote(request.key).encode()) <= _LONGEST_KEY:
        return None
    return "KeyTooLongError", "Your key is too long"


def _copy(request: Request) -> Refusal | None:
    source = unquote(request.headers.get("x-amz-copy-source", "")).lstrip("/")
    unchanged = not any(name in request.headers for name in _CHANGES)
    if unchanged and source == unquote(request.path).lstrip("/"):
        return "InvalidRequest", _TO_ITSELF
    return _key(request)


def _deleted(request: Request) -> Refusal | None:
    return None if 1 <= len(request.elements("Object")) <= _MOST_DELETED else _MALFORMED


def _limit(name: str, least: int, most: int, argument: str) -> Callable[[Request], Refusal | None]:
    def check(request: Request) -> Refusal | None:
        given = request.query.get(name, [str(most)])[0]
        if re.fullmatch(r"\d{1,10}", given, re.ASCII) and least <= int(given) <= most:
            return None
        return "InvalidArgument", f"Argument {argument} must be an integer between {least} and {most}"

    return check


def _tags(request: Request) -> Refusal | None:
    keys = request.texts("Key")
    return ("InvalidTag", "Cannot provide multiple Tags with the same key") if len(set(keys)) < len(keys) else None


def _ownership(request: Request) -> Refusal | None:
    return None if set(request.texts("ObjectOwnership")) <= _OWNERSHIP else _MALFORMED


def _lifecycle(request: Request) -> Refusal | None:
    return None if request.elements("Rule") else _MALFORMED


def _cors(request: Request) -> Refusal | None:
    unknown = [method for method in request.texts("AllowedMethod") if method not in _METHODS]
    if not unknown:
        return None if request.elements("CORSRule") else _MALFORMED
    return "InvalidRequest", f"Found unsupported HTTP method in CORS config. Unsupported method is {unknown[0]}"


_CHECKS: Mapping[str, Callable[[Request], Refusal | None]] = {
    "CopyObject": _copy,
    "CreateBucket": _location,
    "CreateMultipartUpload": _key,
    "DeleteObjects": _deleted,
    "ListBuckets": _limit("max-buckets", 1, _MOST_BUCKETS, "maxBuckets"),
    "ListObjects": _limit("max-keys", 0, 2**31 - 1, "maxKeys"),
    "ListObjectsV2": _limit("max-keys", 0, 2**31 - 1, "maxKeys"),
    "PutBucketCors": _cors,
    "PutBucketLifecycleConfiguration": _lifecycle,
    "PutBucketOwnershipControls": _ownership,
    "PutBucketPolicy": _policy,
    "PutBucketTagging": _tags,
    "PutObject": _key,
    "PutObjectTagging": _tags,
}
