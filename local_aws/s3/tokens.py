"""S3's continuation tokens: MiniStack's are names of buckets and keys, which any client can make, so they go out signed.

Sources: API reference, ListBuckets and ListObjectsV2 (a token is obfuscated and no real key); ceph/s3-tests, which also run
against AWS (an empty token asks for the first page).
"""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

NAME = "continuation-token"
OPERATIONS = frozenset({"ListBuckets", "ListObjectsV2"})
_KEY = secrets.token_bytes()
_SIGNATURE = 16
"""Bytes."""
_IN_ANSWER = re.compile(rb"(?<=ContinuationToken>)[^<]+(?=</)")

Query = Mapping[str, Sequence[str]]


class UnknownTokenError(ValueError):
    """No answer had this token."""


def opened(query: Query, of: str) -> Query:
    """Return a query with MiniStack's token, if it has the token of a page of the list `of`. Raises UnknownTokenError."""
    given = query.get(NAME, [""])[0]
    if not given:
        return query
    try:
        content = base64.b64decode(given, validate=True)
    except ValueError as error:
        raise UnknownTokenError(given) from error
    raw = content[_SIGNATURE:]
    if not hmac.compare_digest(content, _signed(raw, of)):
        raise UnknownTokenError(given)
    return {**query, NAME: [raw.decode()]}


def closed(body: bytes, of: str) -> bytes:
    """Return an answer with a signed token for each of MiniStack's: the next one, and the one that was asked for."""
    return _IN_ANSWER.sub(lambda found: base64.b64encode(_signed(found[0], of)), body)


def _signed(raw: bytes, of: str) -> bytes:
    return hmac.digest(_KEY, of.encode() + b"\0" + raw, "sha256")[:_SIGNATURE] + raw
