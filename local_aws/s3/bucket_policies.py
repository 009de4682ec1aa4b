"""S3's bucket policies: MiniStack would keep a text that is none.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (MalformedPolicy). Guess: its wording.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from local_aws.core import errors, resource_policies
from local_aws.core.errors import Answer
from local_aws.core.operations import current

Handler = Callable[..., Awaitable[Answer]]
"""Answers a request: method, path, headers, body and query."""


def checking(handle: Handler) -> Handler:
    """Return a handler of S3 that refuses bucket policies that are none."""

    async def handle_checked(method: str, path: str, headers: dict[str, str], body: bytes, *rest: object) -> Answer:
        called = current.get()
        if (
            called
            and called.operation == "PutBucketPolicy"
            and (problem := resource_policies.problem(body.decode(errors="replace")))
        ):
            return errors.write(errors.S3, HTTPStatus.BAD_REQUEST, "MalformedPolicy", problem)
        return await handle(method, path, headers, body, *rest)

    return handle_checked
