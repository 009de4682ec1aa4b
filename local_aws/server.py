"""The server: MiniStack with the services of this package in front, faults, a record of calls, and commands to steer it."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_aws import accounts, cloudformation, faults, ministack_seams
from local_aws.accounts import Account
from local_aws.config import Config
from local_aws.faults import Answer, Fault, Faults
from local_aws.iam import Iam
from local_aws.lambda_functions import LambdaFunctions
from local_aws.logs import Logs
from local_aws.models import AwsError, ServiceApi

HOST = "127.0.0.1"
COMMAND_PATH = "/_local_aws/"
_TICK = 1.0
"""Seconds between looks for rules whose period has passed."""

Operations = Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any]]]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]


@dataclass(frozen=True)
class Call:
    """A call that was allowed: in which account, by which principal (ARN), of which IAM action."""

    account_id: str
    principal: str
    action: str


class LocalAws:
    """All services and their state."""

    def __init__(self, port: int, accounts_by_id: dict[str, Account], runtime_python: Path) -> None:
        """Serve `accounts_by_id` on `port`; functions run with `runtime_python`. Raises IncompatibleMiniStackError."""
        _configure_ministack(port)
        ministack_seams.check()
        self._accounts = accounts_by_id
        self._app = ministack_seams.module("ministack.app")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._calls: list[Call] = []
        self._faults = Faults()
        logs = Logs()
        self._functions = LambdaFunctions(f"http://{HOST}:{port}", runtime_python, logs)
        self._config = Config(self._functions)
        self._iam = Iam(accounts_by_id)
        self._functions.install()
        cloudformation.install(self._config, logs)
        _correct_principal_arn()
        self._in_front("iam", self._iam.operations)
        self._in_front("config", self._config.operations)
        self._in_front("logs", logs.operations)
        for service in set(self._app.SERVICE_HANDLERS) - {"iam", "config", "logs"}:
            self._in_front(service, {})
        for account in accounts_by_id.values():
            if account.recorder:
                self._start_recorder(account.account_id)

    # In front of MiniStack

    def _in_front(self, service: str, operations: Operations) -> None:
        """Record the calls of a service, apply faults, and answer `operations` here instead of in MiniStack."""
        ministack: Handler = self._app.SERVICE_HANDLERS[service]
        api = ServiceApi(service) if service in {"iam", "sts", "config", "logs"} else None
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        extract_action = ministack_seams.module("ministack.core.iam_actions").extract_iam_action

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            account_id = self._responses.get_account_id()
            action = extract_action(service, method, path, headers, body, query) or f"{service}:Unknown"
            self._calls.append(Call(account_id, evaluator.caller_arn(), action))
            fault = self._faults.take(account_id, action)
            if fault is None or api is None:
                return await answer(method, path, headers, body, query)
            await asyncio.sleep(fault.seconds)
            error = faults.refusal(fault, service)
            if error is not None:
                return api.error(error)
            if fault.kind == "FailedEvaluations":
                operation, params = api.parse(headers, body)
                return api.response(operation, {"FailedEvaluations": params["Evaluations"]})
            normal = await answer(method, path, headers, body, query)
            return faults.cut_in_half(normal) if fault.kind == "BrokenBody" else normal

        async def answer(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            if api is None or not operations:
                return await ministack(method, path, headers, body, query)
            operation = None
            try:
                operation, params = api.parse(headers, body)
                if operation not in operations:
                    return await ministack(method, path, headers, body, query)
                api.validate(operation, params)
                return api.response(operation, operations[operation](self._responses.get_account_id(), params))
            except AwsError as error:
                return api.error(error, operation)

        self._app.SERVICE_HANDLERS[service] = handle

    def _start_recorder(self, account_id: str) -> None:
        region = os.environ["MINISTACK_REGION"]
        with self._responses.request_scope(account_id, region):
            recorders = ministack_seams.module("ministack.services.config")._recorders
            role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
            recorders["default"] = {"recorder": {"name": "default", "roleARN": role}, "recording": True}

    # Commands

    def _root_user(self, account_id: str, change: str, device: str | None) -> object:
        account = self._accounts.get(account_id)
        if account is None:
            message = f"There is no account {account_id}: there are {', '.join(self._accounts)}."
            raise accounts.AccountsError(message)
        accounts.change(account.root_user, change, device)
        return asdict(account.root_user)

    def _take_calls(self) -> object:
        taken, self._calls = self._calls, []
        return [asdict(call) for call in taken]

    def _set_longest_page(self, entries: int | None) -> None:
        self._iam.longest_page = entries

    @property
    def _commands(self) -> Mapping[str, Callable[..., object]]:
        """What steers the local AWS, by the names that client.py gives; each raises ValueError where it is not understood."""
        return {
            "accounts": lambda: {account.account_id: account.name for account in self._accounts.values()},
            "root-user": self._root_user,
            "fault": lambda **fault: self._faults.add(Fault(**fault)),
            "clear-faults": self._faults.clear,
            "longest-page": self._set_longest_page,
            "advance-clock": lambda seconds: self._config.advance(timedelta(seconds=seconds)),
            "calls": self._take_calls,
        }

    # Serving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI has no types
        """Answer a request: a command here, all else through MiniStack."""
        if scope["type"] == "http" and scope["path"].startswith(COMMAND_PATH):
            await self._answer_command(scope, receive, send)
        else:
            await self._app.app(scope, receive, send)

    async def _answer_command(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI has no types
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status = 200
        result: object
        try:
            result = self._commands[scope["path"].removeprefix(COMMAND_PATH)](**json.loads(body or b"{}"))
        except (ValueError, TypeError, KeyError) as error:
            status, result = 400, {"error": str(error)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(result, default=str).encode()})

    async def serve(self, *, stop_with_stdin: bool) -> None:
        """Serve until SIGINT or SIGTERM, or until standard input ends where that is asked for."""
        from hypercorn.asyncio import serve  # noqa: PLC0415 - only once MiniStack is configured
        from hypercorn.config import Config as Hypercorn  # noqa: PLC0415 - only once MiniStack is configured

        settings = Hypercorn()
        settings.bind = [f"{HOST}:{os.environ['GATEWAY_PORT']}"]
        settings.loglevel = "WARNING"
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if stop_with_stdin:
            threading.Thread(target=_when_stdin_ends, args=(loop, stop), daemon=True).start()
        ticking = asyncio.create_task(self._tick())
        try:
            await serve(self, settings, shutdown_trigger=stop.wait)
        finally:
            ticking.cancel()
            self._functions.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._config.run_due_rules()


def _when_stdin_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(stop.set)


def _configure_ministack(port: int) -> None:
    """Set what MiniStack reads from the environment when it is imported: policies enforced, loopback only, quiet."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # The credentials of whoever starts it would count as root's.
    os.environ |= {
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": "us-east-1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    logging.getLogger("hypercorn").setLevel(logging.WARNING)


def _correct_principal_arn() -> None:
    """Make aws:PrincipalArn of an assumed role's session the role's ARN, as AWS does; MiniStack takes the session's.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    original = evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:  # noqa: ANN401 - MiniStack's EvalContext has no types here
        value = original(key, context)
        if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
            account_id, role_name = value.split(":")[4], value.split("/")[1]
            iam = ministack_seams.module("ministack.services.iam")
            role = iam._roles.get_scoped(account_id, None, role_name)
            return role["Arn"] if role else value
        return value

    ministack_seams.replace("ministack.core.iam_evaluator", "_resolve_condition_key", resolve)
