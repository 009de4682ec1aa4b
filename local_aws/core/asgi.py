"""Read requests and send answers by ASGI (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from local_aws.core.errors import Answer
from local_aws.core.operations import Request

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


async def read(scope: Mapping[str, Any], receive: Receive) -> tuple[Request, Receive]:
    """Return a whole request, and what receives it again."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
        messages.append(await receive())
    request = Request(
        scope["method"],
        scope["raw_path"].decode("latin-1").partition("?")[0],
        parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        b"".join(message.get("body", b"") for message in messages),
    )
    remaining = iter(messages)

    async def receive_again() -> Message:
        return next(remaining, None) or await receive()

    return request, receive_again


async def send_answer(send: Send, method: str, answer: Answer) -> None:
    """Send an answer to a request of `method`."""
    status, headers, body = answer
    fields = {**headers, "Content-Length": str(len(body))}.items()
    named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
