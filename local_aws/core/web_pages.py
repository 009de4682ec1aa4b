"""Refuse requests that a browser may have sent for a web page, before anything else reads them.

Any page can make its reader's browser send requests to 127.0.0.1, and this server runs code. Three things betray a page:

* Its Host, if the page used a name of its own that now resolves to 127.0.0.1 (DNS rebinding).
* Headers that browsers set and no AWS tool sets: `Origin`, `Sec-Fetch-*`, `Access-Control-Request-*`.
* What it lacks, even if an old browser sets none of these: a signature in `Authorization` or, for a command, the Content-Type
  of JSON. A page can send these only after a preflight, which has an `Origin` and is refused.

Credentials in the URL are refused: any page can write them, and MiniStack does not verify those of an administrator.

Sources: https://fetch.spec.whatwg.org/#forbidden-request-header and #cors-safelisted-request-header (what a page cannot set,
and what it can set without a preflight), https://www.w3.org/TR/fetch-metadata/,
https://www.rfc-editor.org/rfc/rfc9112#section-3.2 (Host, and the forms of a request's target).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

_HOSTS = ("127.0.0.1", "localhost")
_OF_BROWSERS = ("origin", "sec-fetch-", "access-control-request-")
"""The beginnings of the names of headers that browsers set, and that no page can remove."""
_URL_CREDENTIALS = {"x-amz-credential", "x-amz-signature", "awsaccesskeyid"}
"""Parameters of presigned URLs, Signature Version 4 and 2."""
_SIGNED = "AWS4-HMAC-SHA256 "

_Headers = Collection[tuple[str, str]]
_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[Mapping[str, Any], _Receive, _Send], Awaitable[None]]


def keep_out(app: _App, port: int, commands: str) -> _App:
    """Return an ASGI application that serves `app` on 127.0.0.1:`port` to programs only.

    Paths that begin with `commands` need JSON; all others need a signature in their header. Any other request, and every
    WebSocket, gets status 403 and a sentence that says why. No `Access-Control-*` header leaves.
    """

    async def serve(scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif reason := _why_refused(scope, port, commands):
            await _refuse(scope["type"], receive, send, reason, port)
        else:
            await app(scope, receive, _without_cors(send))

    return serve


def sign_of_page(headers: _Headers, port: int) -> str | None:
    """Return what in the headers of a request to 127.0.0.1:`port` betrays a web page, None if nothing does."""
    hosts = [f"{host}:{port}" for host in _HOSTS]
    if _values(headers, "host") not in [[host] for host in hosts]:
        return f"its Host is not {' or '.join(hosts)}"
    of_browsers = [name for name, _ in headers if name.lower().startswith(_OF_BROWSERS)]
    return f"a web browser sent it, with the header {of_browsers[0]}" if of_browsers else None


def _why_refused(scope: Mapping[str, Any], port: int, commands: str) -> str | None:  # noqa: PLR0911 - each its own reason
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    if sign := sign_of_page(headers, port):
        return sign
    if scope["type"] != "http":
        return "it is no plain HTTP request"
    if not scope["raw_path"].startswith(b"/"):
        return "its target is not a path"
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(name.lower() in _URL_CREDENTIALS for name, _ in query):
        return "its credentials are in its URL, where any web page can write them"
    if scope["path"].startswith(commands):
        is_json = _values(headers, "content-type") == ["application/json"]
        return None if is_json else "it is a command whose Content-Type is not application/json"
    if not any(value.startswith(_SIGNED) for value in _values(headers, "authorization")):
        return f"it has no signature ({_SIGNED.strip()}) in its Authorization header"
    return None


def _values(headers: _Headers, name: str) -> list[str]:
    return [value for header, value in headers if header.lower() == name]


async def _refuse(kind: str, receive: _Receive, send: _Send, reason: str, port: int) -> None:
    while (await receive()).get("more_body"):
        pass  # An answer sent before the whole request has arrived could be lost with the connection.
    body = (
        f"The local AWS answers programs and no web pages, and refuses this request because {reason}: use the AWS CLI or an "
        f"SDK with the endpoint http://{_HOSTS[0]}:{port}.\n"
    ).encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    response = {"http": "http.response", "websocket": "websocket.http.response"}[kind]
    await send({"type": f"{response}.start", "status": 403, "headers": headers})
    await send({"type": f"{response}.body", "body": body})


def _without_cors(send: _Send) -> _Send:
    async def send_without_cors(message: _Message) -> None:
        if "headers" in message:
            headers = [(name, value) for name, value in message["headers"] if not name.lower().startswith(b"access-control-")]
            message = {**message, "headers": headers}
        await send(message)

    return send_without_cors
