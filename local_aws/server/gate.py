"""Is in front of MiniStack: it lets in requests for a listed operation, with credentials of an existing account.

So every request that comes in calls a service by its API: MiniStack's own paths, and those of whole services, are shut.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.authorization import principals
from local_aws.core import asgi, errors, ministack_seams, operations
from local_aws.core.coverage import Coverage
from local_aws.core.errors import Answer
from local_aws.core.operations import ApiOperations, Called, Request

_ENTRANCES = ("_handle_pre_body_request", "_handle_post_body_shortcuts", "_handle_special_data_plane_request")
"""What MiniStack asks before it looks for a service."""


class Gate:
    """An ASGI application in front of MiniStack's."""

    def __init__(self, app: asgi.App, lists: Mapping[str, Coverage], serves: Callable[[str], bool]) -> None:
        """Let requests in to `app` if `serves` has their account, and `lists` their service, by MiniStack's names."""
        self._app = app
        self._operations = ApiOperations(lists)
        self._serves = serves
        _shut_entrances()

    async def __call__(self, scope: Mapping[str, Any], receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, receive_again = await asgi.read(scope, receive)
        called = self._operations.called(request)
        if refusal := self._refusal(request, called):
            await asgi.send_answer(send, request.method, refusal)
            return
        token = operations.current.set(called)
        try:
            await self._app(scope, receive_again, send)
        finally:
            operations.current.reset(token)

    def _refusal(self, request: Request, called: Called) -> Answer | None:
        content_type = request.headers.get("content-type", "")
        if request.credential is None:
            return errors.refuse(errors.INCOMPLETE_SIGNATURE, request.protocol, content_type=content_type)
        account_id = principals.account_of(request.credential.access_key_id)
        if account_id is None or not self._serves(account_id):
            return _unknown_credentials(called, content_type)
        if not called.service or not called.spoken:
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
