"""Pages of a list: how every operation reads its limit and its token, and answers with the next token."""

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from local_aws.core.models import AwsError

_LIMITS = ("Limit", "MaxResults", "MaxItems", "MaxRecords", "limit", "maxResults", "maxItems")
"""The members of requests that say how long a page may be. An operation has at most one of them in use."""
_T = TypeVar("_T")
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_KEY = secrets.token_bytes()
"""Signs tokens, so that no client can make one."""


@dataclass(frozen=True)
class Pages:
    """How a service pages: `code` and `message` are its error for a token that it never gave, `token` is the member's name.

    `reason` is the member Reason of that error, if it has one. `takes_empty` says that an empty token asks for the first page.
    """

    code: str
    message: str = "The specified next token is not valid."
    token: str = "NextToken"  # noqa: S105 - a member's name
    reason: str = ""
    takes_empty: bool = True

    def page(
        self, items: Sequence[_T], params: dict[str, Any], default: int, longest: int | None = None, *, of: str = ""
    ) -> tuple[Sequence[_T], dict[str, str]]:
        """Return the page of `items` that a request asks for, and the answer's member with the next token.

        A request without a limit, or with the limit 0, gets `default` items. No page is longer than `longest`.
        The second part is empty on the last page. Raises AwsError for a token that this list, named `of`, never gave.
        """
        start = self._start(params.get(self.token), of)
        size = next((params[name] for name in _LIMITS if params.get(name)), default)
        end = start + (size if longest is None else min(size, longest))
        return items[start:end], {self.token: self.token_at(end, of)} if end < len(items) else {}

    def token_at(self, start: int, of: str = "") -> str:
        """Return the token of the page that begins with item number `start`, counted from 0, of the list `of`."""
        signature = hmac.digest(_KEY, f"{self.code} {of} {start}".encode(), "sha256").hex()
        return f"{start}-{signature[:32]}"

    def _start(self, token: str | None, of: str) -> int:
        if token is None or (not token and self.takes_empty):
            return 0
        number = token.partition("-")[0]
        start = int(number) if _NUMBER.fullmatch(number) else 0
        if hmac.compare_digest(token.encode(), self.token_at(start, of).encode()):
            return start
        raise AwsError(self.code, self.message, members={"Reason": self.reason} if self.reason else None)
