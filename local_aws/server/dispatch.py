"""Decides who answers a request: a fault, an operation of this package, or MiniStack. Records each call."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization.root_sessions import target_account
from local_aws.core import faults, ministack_seams
from local_aws.core.coverage import Coverage
from local_aws.core.faults import Answer, Faults
from local_aws.core.models import AwsError, Routed, ServiceApi
from local_aws.core.operations import Operations, current, prefix
from local_aws.server.gate import not_emulated

_WITHOUT_API = {"s3"}
"""The services whose requests and faults follow no API model: they speak REST with XML."""

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]
"""Answers a request: method, path, headers, body and query."""


@dataclass(frozen=True)
class Call:
    """A call that policies allowed: account, principal (ARN), IAM action, and the kind of the fault that it met, or ""."""

    account_id: str
    principal: str
    action: str
    fault: str


class Dispatch:
    """Stands in front of MiniStack's services.

    `handlers` is MiniStack's table: each service, and what answers it.  `apis` has the API models of the services with faults.
    """

    def __init__(self, lists: Mapping[str, Coverage]) -> None:
        """Begin without faults. `lists` has the operations that each service answers, by MiniStack's name of it."""
        self._lists = lists
        self.handlers: dict[str, Handler] = ministack_seams.module("ministack.app").SERVICE_HANDLERS
        self.apis: dict[str, ServiceApi] = {}
        self.faults = Faults()
        self._cleared = asyncio.Event()
        self._calls: list[Call] = []
        self._responses = ministack_seams.module("ministack.core.responses")

    def take_calls(self) -> list[Call]:
        """Return the calls since the last time."""
        taken, self._calls = self._calls, []
        return taken

    def clear_faults(self) -> None:
        """Switch all faults off, and let the answers go that they hold back."""
        self.faults.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def in_front(self, service: str, operations: Operations) -> None:
        """Record the calls of a service, apply faults, and answer `operations` here instead of in MiniStack.

        Refuse what is not on the service's list, and what breaks the API model, no matter who answers it. Policies have allowed
        it, as AWS asks them first.
        """
        ministack: Handler = self.handlers[service]
        api = None if service in _WITHOUT_API else ServiceApi(self._lists[service].api)
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        extract_action = ministack_seams.module("ministack.core.iam_actions").extract_iam_action

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            account_id, called = self._responses.get_account_id(), current.get()
            spoken = api.speaking(called.protocol) if api and called else api
            action = extract_action(service, method, path, headers, body, query) or f"{service}:Unknown"
            fault = self.faults.take(action, [account_id, *_accounts_of_role(action, body)])
            self._calls.append(Call(account_id, evaluator.caller_arn(), action, fault.kind if fault else ""))
            if fault is None or spoken is None:
                return await answer(spoken, method, path, headers, body, query)
            await self._hold_back(fault.seconds)
            error = faults.refusal(fault, spoken.protocol)
            if error is not None:
                return spoken.error(error)
            if fault.kind == "FailedEvaluations":
                operation, params = spoken.parse(headers, body)
                return spoken.response(operation, {"FailedEvaluations": params["Evaluations"]})
            normal = await answer(spoken, method, path, headers, body, query)
            return faults.cut_in_half(normal) if fault.kind == "BrokenBody" else normal

        async def answer(spoken: ServiceApi | None, *request: Any) -> Answer:  # noqa: ANN401 - a Handler's arguments
            if spoken is None:
                return await ministack(*request)
            called, operation = current.get(), None
            try:
                _, path, headers, body, query = request
                operation, params = spoken.parse(headers, body, Routed(called.operation, path, query) if called else None)
                spoken.validate(operation, params)
                if operation not in operations:
                    return await ministack(*request)
                result = operations[operation](self._responses.get_account_id(), params)
                return await ministack(*request) if result is None else spoken.response(operation, result)
            except AwsError as error:
                return spoken.error(error, operation)

        if api is not None:
            self.apis[prefix(service)] = api
        self.handlers[service] = _only(self._lists[service].names, handle)

    async def _hold_back(self, seconds: float) -> None:
        """Wait by the machine's time, which the time-outs of callers use."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._cleared.wait(), seconds)


def _only(listed: Collection[str], handle: Handler) -> Handler:
    """Let `handle` answer the listed operations, and refuse all others."""

    async def handle_listed(method: str, path: str, headers: dict[str, str], *rest: Any) -> Answer:  # noqa: ANN401 - a Handler's
        called = current.get()
        if called and called.operation not in listed:
            return not_emulated(called, headers.get("content-type", ""))
        return await handle(method, path, headers, *rest)

    return handle_listed


def _accounts_of_role(action: str, body: bytes) -> list[str]:
    """Return the account whose role or root user a call assumes; none for other calls."""
    if action == "sts:AssumeRoot":
        return [account_id for account_id in [target_account(body)] if account_id]
    role_arn = parse_qs(body.decode(errors="replace")).get("RoleArn", [""])[0] if action == "sts:AssumeRole" else ""
    return [role_arn.split(":")[4]] if role_arn.count(":") >= 5 else []  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:role/NAME
