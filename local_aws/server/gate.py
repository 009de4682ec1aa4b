"""Stands before MiniStack: it lets in what calls an operation that is listed, with credentials of an account that is there.

Whatever comes in thus calls a service by its API: MiniStack's own paths, and those of whole services, are shut.
"""

import re
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization import principals
from local_aws.core import errors, ministack_seams, operations
from local_aws.core.coverage import Coverage
from local_aws.core.errors import Answer
from local_aws.core.operations import Called, Operations, Request

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[Mapping[str, Any], _Receive, _Send], Awaitable[None]]

_ENTRANCES = ("_handle_pre_body_request", "_handle_post_body_shortcuts", "_handle_special_data_plane_request")
"""What MiniStack asks before it looks for a service."""


class Gate:
    """An ASGI application in front of MiniStack's."""

    def __init__(self, app: _App, lists: Mapping[str, Coverage], accounts: Container[str]) -> None:
        """Let requests of `accounts` in to `app` if `lists` have their service, by MiniStack's names."""
        self._app = app
        self._operations = Operations(lists)
        self._accounts = accounts
        _shut_entrances()

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages = await _received(receive)
        request = _request(scope, messages)
        called = self._called(request)
        refusal = self._refusal(request, called)
        if refusal:
            await _send_answer(send, refusal, with_body=request.method != "HEAD")
            return
        token = operations.current.set(called)
        try:
            await self._app(scope, _again(messages, receive), send)
        finally:
            operations.current.reset(token)

    def _called(self, request: Request) -> Called | None:
        return self._operations.called(request, request.credential[1]) if request.credential else None

    def _refusal(self, request: Request, called: Called | None) -> Answer | None:
        content_type = request.headers.get("content-type", "")
        if request.credential is None or called is None:
            return errors.refuse(errors.INCOMPLETE_SIGNATURE, request.protocol, content_type=content_type)
        if principals.account_of(request.credential[0]) not in self._accounts:
            return _unknown_credentials(called, content_type)
        if not called.service or called.protocol == operations.CBOR:
            return not_emulated(called, content_type)
        if called.service == "s3" and request.path.startswith("/_"):  # MiniStack has paths of its own there
            return errors.write(errors.S3, 400, "InvalidBucketName", "The specified bucket is not valid.")
        return None


def not_emulated(called: Called, content_type: str) -> Answer:
    """Refuse an operation that is on no list; `content_type` is the request's."""
    return errors.refuse(errors.NOT_EMULATED, called.protocol, f"The local AWS does not emulate {called}.", content_type)


def _unknown_credentials(called: Called, content_type: str) -> Answer:
    status, headers, body = errors.refuse(errors.UNKNOWN_CREDENTIALS, called.protocol, content_type=content_type)
    if called.query_compatible and called.protocol == "json":
        headers["x-amzn-query-error"] = f"{errors.UNKNOWN_CREDENTIALS['query'][1]};Sender"
    return status, headers, body


def _shut_entrances() -> None:
    """Let MiniStack route by what a request calls, and by nothing else."""

    async def nothing(*_: object, **__: object) -> None:
        return None

    def service(*_: object) -> str:
        called = operations.current.get()
        return called.service if called else ""

    for name in _ENTRANCES:
        ministack_seams.replace("ministack.app", name, nothing)
    ministack_seams.replace("ministack.app", "detect_service", service)


def _request(scope: Mapping[str, Any], messages: list[_Message]) -> Request:
    return Request(
        scope["method"],
        scope["raw_path"].decode("latin-1").partition("?")[0],
        parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        b"".join(message.get("body", b"") for message in messages),
    )


async def _received(receive: _Receive) -> list[_Message]:
    """Return the messages that a request's body has come in, or that its client has gone."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[_Message], receive: _Receive) -> _Receive:
    remaining = iter(messages)

    async def receive_again() -> _Message:
        for message in remaining:
            return message
        return await receive()

    return receive_again


async def _send_answer(send: _Send, answer: Answer, *, with_body: bool) -> None:
    status, headers, body = answer
    fields = [*headers.items(), ("Content-Length", str(len(body)))]
    await send({
        "type": "http.response.start",
        "status": status,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields],
    })
    await send({"type": "http.response.body", "body": body if with_body else b""})
