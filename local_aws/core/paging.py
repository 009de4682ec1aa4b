"""Pages of a list: how every operation reads its limit and its token, and answers with the next token."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from local_aws.core.models import AwsError

_LIMITS = ("Limit", "MaxResults", "MaxItems", "limit", "maxResults", "maxItems")
"""The members of requests that say how long a page may be. An operation has at most one of them in use."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Pages:
    """How a service pages: `code` and `message` are its error for a token that it never gave, `token` is the member's name."""

    code: str
    message: str = "The specified next token is not valid."
    token: str = "NextToken"  # noqa: S105 - a member's name

    def page(
        self, items: Sequence[_T], params: dict[str, Any], default: int, longest: int | None = None
    ) -> tuple[Sequence[_T], dict[str, str]]:
        """Return the page of `items` that a request asks for, and the answer's member with the next token.

        A request without a limit, or with the limit 0, gets `default` items. No page is longer than `longest`.
        The second part is empty on the last page. Raises AwsError for an invalid token.
        """
        token = params.get(self.token) or "0"
        if not re.fullmatch(r"\d+", token, re.ASCII):
            raise AwsError(self.code, self.message)
        size = next((params[name] for name in _LIMITS if params.get(name)), default)
        start = int(token)
        end = start + (size if longest is None else min(size, longest))
        return items[start:end], {self.token: str(end)} if end < len(items) else {}
