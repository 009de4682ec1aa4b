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

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from local_aws.core import asgi, errors

_HOSTS = ("127.0.0.1", "localhost")
_OF_BROWSERS = ("origin", "sec-fetch-", "access-control-request-")
"""The beginnings of the names of headers that browsers set, and that no page can remove."""
_URL_CREDENTIALS = {"x-amz-credential", "x-amz-signature", "awsaccesskeyid"}
"""Parameters of presigned URLs, Signature Version 4 and 2."""
_SIGNED = ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ")
_OF_PROGRAMS = ("x-amz-", "amz-sdk-")
"""The beginnings of the names of headers that SDKs set."""

_Headers = Collection[tuple[str, str]]


def keep_out(app: asgi.App, port: int, commands: str) -> asgi.App:
    """Return an ASGI application that serves `app` on 127.0.0.1:`port` to programs only.

    Paths that begin with `commands` need JSON; all others need a signature in their header. Any other request, and every
    WebSocket, gets status 403 and a sentence that says why, an SDK in its protocol's form. No `Access-Control-*` header leaves.
    """

    async def serve(scope: Mapping[str, Any], receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif reason := _why_refused(scope, port, commands):
            await _refuse(scope, receive, send, reason, port)
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
        return f"it has no signature ({_SIGNED[0].strip()}) in its Authorization header"
    return None


def _values(headers: _Headers, name: str) -> list[str]:
    return [value for header, value in headers if header.lower() == name]


async def _refuse(scope: Mapping[str, Any], receive: asgi.Receive, send: asgi.Send, reason: str, port: int) -> None:
    message = (
        f"The local AWS answers programs and no web pages, and refuses this request because {reason}: use the AWS CLI or an "
        f"SDK with the endpoint http://{_HOSTS[0]}:{port}."
    )
    if scope["type"] != "http":
        await receive()
        await send(
            {
                "type": "websocket.http.response.start",
                "status": HTTPStatus.FORBIDDEN,
                "headers": [(b"content-type", b"text/plain; charset=utf-8")],
            }
        )
        await send({"type": "websocket.http.response.body", "body": message.encode()})
        return
    # An answer sent before the whole request has arrived could be lost with the connection.
    request, _ = await asgi.read(scope, receive)
    if any(name.startswith((*_OF_PROGRAMS, "authorization")) for name in request.headers):
        content_type = request.headers.get("content-type", "")
        answer = errors.refuse(errors.ACCESS_DENIED, request.protocol, message, content_type)
    else:
        answer = HTTPStatus.FORBIDDEN, {"Content-Type": "text/plain; charset=utf-8"}, f"{message}\n".encode()
    await asgi.send_answer(send, request.method, answer)


def _without_cors(send: asgi.Send) -> asgi.Send:
    async def send_without_cors(message: asgi.Message) -> None:
        if "headers" in message:
            headers = [(name, value) for name, value in message["headers"] if not name.lower().startswith(b"access-control-")]
            message = {**message, "headers": headers}
        await send(message)

    return send_without_cors
