"""Who answers a request: a fault that is switched on, an operation of this package, or MiniStack; each call is recorded."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization.root_sessions import target_account
from local_aws.core import faults, ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.faults import Answer, Faults
from local_aws.core.models import AwsError, ServiceApi

WITH_API = {"iam", "sts", "sns", "config", "logs", "organizations", "cloudformation", "ssm"}
"""The services whose requests are read, and whose faults are written, by their API models."""

Operations = Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any] | None]]
"""Answers of operations, by their names, to an account's parameters; None: MiniStack is to answer."""
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]
"""Answers a request: method, path, headers, body and query."""


@dataclass(frozen=True)
class Call:
    """A call that was allowed: account, principal (ARN), IAM action, and the kind of the fault that it met, or ""."""

    account_id: str
    principal: str
    action: str
    fault: str


class Dispatch:
    """Stands in front of MiniStack's services.

    `handlers` is MiniStack's table of what answers each service; `apis` has the API models of the services that have faults.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin without faults; answers that come late are late by `clock`."""
        self.handlers: dict[str, Handler] = ministack_seams.module("ministack.app").SERVICE_HANDLERS
        self.apis: dict[str, ServiceApi] = {}
        self.faults = Faults()
        self._clock = clock
        self._calls: list[Call] = []
        self._responses = ministack_seams.module("ministack.core.responses")

    def take_calls(self) -> list[Call]:
        """Return the calls since this was last asked."""
        taken, self._calls = self._calls, []
        return taken

    def in_front(self, service: str, operations: Operations) -> None:
        """Record the calls of a service, apply faults, and answer `operations` here instead of in MiniStack.

        What MiniStack answers of STS is held to the API model here: the package relies on what AssumeRole refuses.
        """
        ministack: Handler = self.handlers[service]
        api = ServiceApi(service) if service in WITH_API else None
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        extract_action = ministack_seams.module("ministack.core.iam_actions").extract_iam_action

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            account_id = self._responses.get_account_id()
            action = extract_action(service, method, path, headers, body, query) or f"{service}:Unknown"
            fault = self.faults.take(action, [account_id, *_accounts_of_role(action, body)])
            self._calls.append(Call(account_id, evaluator.caller_arn(), action, fault.kind if fault else ""))
            if fault is None or api is None:
                return await answer(action, method, path, headers, body, query)
            await self._clock.sleep(fault.seconds)
            error = faults.refusal(fault, api.protocol)
            if error is not None:
                return api.error(error)
            if fault.kind == "FailedEvaluations":
                operation, params = api.parse(headers, body)
                return api.response(operation, {"FailedEvaluations": params["Evaluations"]})
            normal = await answer(action, method, path, headers, body, query)
            return faults.cut_in_half(normal) if fault.kind == "BrokenBody" else normal

        async def answer(action: str, *request: Any) -> Answer:  # noqa: ANN401 - a Handler's arguments
            ours = action.partition(":")[2] in operations
            if api is None or not (ours or service == "sts"):
                return await ministack(*request)
            operation = None
            try:
                _, _, headers, body, _ = request
                operation, params = api.parse(headers, body)
                api.validate(operation, params)
                if not ours:
                    return await ministack(*request)
                result = operations[operation](self._responses.get_account_id(), params)
                return await ministack(*request) if result is None else api.response(operation, result)
            except AwsError as error:
                return api.error(error, operation)

        if api is not None:
            self.apis[service] = api
        self.handlers[service] = handle


def _accounts_of_role(action: str, body: bytes) -> list[str]:
    """Return the one account whose role or root user is to be assumed, none where that is not what is asked for."""
    if action == "sts:AssumeRoot":
        return [account_id for account_id in [target_account(body)] if account_id]
    role_arn = parse_qs(body.decode(errors="replace")).get("RoleArn", [""])[0] if action == "sts:AssumeRole" else ""
    return [role_arn.split(":")[4]] if role_arn.count(":") >= 5 else []  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:role/NAME


def refuse_all(service: str) -> Handler:
    """Refuse every operation: MiniStack's own state of the service is another world than ours."""
    api = ServiceApi(service)

    async def refuse(_: str, __: str, headers: dict[str, str], body: bytes, ___: dict[str, list[str]]) -> Answer:
        try:
            operation = api.parse(headers, body)[0]
        except AwsError as error:
            return api.error(error)
        return api.error(AwsError("UnknownOperationException", f"The local AWS does not emulate {service}:{operation}."))

    return refuse
