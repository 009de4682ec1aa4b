"""The server: MiniStack with the services of this package in front, faults, a record of calls, and commands to steer it."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization import action_resources, passed_roles
from local_aws.authorization.deployers import Deployers
from local_aws.authorization.service_control_policies import ServiceControlPolicies
from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.cloudformation import resource_types as cloudformation
from local_aws.cloudformation.stack_sets import StackSets
from local_aws.config.aggregators import Aggregators
from local_aws.config.conformance_packs import ConformancePacks
from local_aws.config.remediation_configurations import Remediations
from local_aws.config.rules import Config
from local_aws.core import faults, ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.faults import Answer, Fault, Faults
from local_aws.core.models import AwsError, ServiceApi
from local_aws.events.cloudtrail import CloudTrail
from local_aws.events.event_bridge import Events
from local_aws.iam.root_access import RootAccess, target_account
from local_aws.iam.root_users import Iam
from local_aws.logs.metric_filters import Logs
from local_aws.organizations import accounts
from local_aws.organizations.accounts import Account
from local_aws.organizations.organization import Organization, Organizations
from local_aws.server import web_pages
from local_aws.ssm.automation import Automation
from local_aws.ssm.documents import Documents
from local_aws.ssm.ops_center import OpsCenter

HOST = "127.0.0.1"
COMMAND_PATH = "/_local_aws/"
_CENTURY = 100 * 365 * 24 * 3600.0
_WITH_API = {"iam", "sts", "sns", "config", "logs", "organizations", "cloudformation", "ssm"}
"""The services whose requests are read, and whose faults are written, by their API models."""
_TICK = 1.0
"""Seconds between looks for rules whose period has passed."""

Operations = Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any] | None]]
"""Answers of operations, by their names, to an account's parameters; None: MiniStack is to answer."""
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]


@dataclass(frozen=True)
class Call:
    """A call that was allowed: account, principal (ARN), IAM action, and the kind of the fault that it met, or ""."""

    account_id: str
    principal: str
    action: str
    fault: str


class LocalAws:
    """All services and their state."""

    def __init__(
        self, port: int, accounts_by_id: dict[str, Account], organization: Organization | None, runtime_python: Path
    ) -> None:
        """Serve `accounts_by_id` on `port`; functions run with `runtime_python`. Raises IncompatibleMiniStackError."""
        _configure_ministack(port)
        ministack_seams.check()
        self._accounts = accounts_by_id
        self._organization = organization
        self._app = ministack_seams.module("ministack.app")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._calls: list[Call] = []
        self._issued: list[dict[str, str]] = []
        self._note_issued_credentials()
        self._faults = Faults()
        self._apis: dict[str, ServiceApi] = {}
        logs = Logs()
        self._functions = LambdaFunctions(f"http://{HOST}:{port}", runtime_python, organization)
        self._clock = Clock()
        self._config = Config(self._functions, self._clock)
        self._events = Events(f"http://{HOST}:{port}", self._clock)
        self._events.install()
        self._config.when_recorded.append(self._events.publish_compliance_change)
        self._cloudtrail = CloudTrail(self._events, self._clock)
        self._root_access = RootAccess(organization, self._clock)
        self._documents = Documents(self._clock)
        self._automation = Automation(f"http://{HOST}:{port}", runtime_python, self._documents, self._clock)
        self._iam = Iam(accounts_by_id)
        policies = ServiceControlPolicies(organization, accounts_by_id)
        deployers = Deployers(policies)
        self._stack_sets = StackSets(organization, deployers)  # before whatever else follows accounts that join or leave
        self._remediations = Remediations(self._config, self._documents, self._automation, self._clock)
        self._packs = ConformancePacks(self._config, self._remediations, organization, self._clock)
        self._aggregators = Aggregators(self._config, self._packs, organization, self._clock)
        self._functions.install()
        logs.install()
        cloudformation.install(
            cloudformation.Services(
                self._functions,
                self._config,
                self._remediations,
                self._packs,
                self._aggregators,
                logs,
                self._stack_sets,
                self._documents,
                deployers,
            )
        )
        _correct_condition_keys(organization)
        action_resources.install(self._config, self._remediations)
        self._root_access.install()
        self._take_over(organization, logs, policies)
        self._let_policies_decide(policies, deployers)
        for account in accounts_by_id.values():
            if account.recorder:
                self._start_recorder(account.account_id)

    # In front of MiniStack

    def _take_over(self, organization: Organization | None, logs: Logs, policies: ServiceControlPolicies) -> None:
        """Answer here what is emulated here, and see every call of every service."""
        self._in_front("iam", {**self._iam.operations, **self._root_access.iam_operations})
        self._app.SERVICE_HANDLERS["iam"] = self._cloudtrail.watching(self._apis["iam"], self._app.SERVICE_HANDLERS["iam"])
        self._in_front("sts", self._root_access.sts_operations)
        config = (self._config, self._remediations, self._packs, self._aggregators)
        self._in_front("config", {name: operation for part in config for name, operation in part.operations.items()})
        self._in_front("logs", logs.operations)
        self._app.SERVICE_HANDLERS["organizations"] = _refuse_all("organizations")
        self._in_front(
            "organizations", Organizations(organization, self._accounts, policies.reads, policies.changes).operations
        )
        self._in_front("cloudformation", self._stack_sets.operations)
        ssm = (self._documents, self._automation, OpsCenter(self._clock))
        self._in_front("ssm", {name: operation for part in ssm for name, operation in part.operations.items()})
        for service in set(self._app.SERVICE_HANDLERS) - (_WITH_API - {"sns"}):  # of SNS nothing is answered here
            self._in_front(service, {})

    def _in_front(self, service: str, operations: Operations) -> None:
        """Record the calls of a service, apply faults, and answer `operations` here instead of in MiniStack.

        What MiniStack answers of STS is held to the API model here: the package relies on what AssumeRole refuses.
        """
        ministack: Handler = self._app.SERVICE_HANDLERS[service]
        api = ServiceApi(service) if service in _WITH_API else None
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        extract_action = ministack_seams.module("ministack.core.iam_actions").extract_iam_action

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            account_id = self._responses.get_account_id()
            action = extract_action(service, method, path, headers, body, query) or f"{service}:Unknown"
            fault = self._faults.take(action, [account_id, *_accounts_of_role(action, body)])
            self._calls.append(Call(account_id, evaluator.caller_arn(), action, fault.kind if fault else ""))
            if fault is None or api is None:
                return await answer(action, method, path, headers, body, query)
            await asyncio.sleep(fault.seconds)
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
            self._apis[service] = api
        self._app.SERVICE_HANDLERS[service] = handle

    def _let_policies_decide(self, policies: ServiceControlPolicies, deployers: Deployers) -> None:
        """Ask policies about every request before a service sees it, and about what CloudFormation does for who sends one."""
        handlers = self._app.SERVICE_HANDLERS
        handlers["cloudformation"] = deployers.watching(handlers["cloudformation"])
        passed_roles.install(handlers)
        policies.install()

    def _start_recorder(self, account_id: str) -> None:
        region = os.environ["MINISTACK_REGION"]
        with self._responses.request_scope(account_id, region):
            recorders = ministack_seams.module("ministack.services.config")._recorders
            role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
            recorders["default"] = {"recorder": {"name": "default", "roleARN": role}, "recording": True}

    # Commands

    def _root_user(self, account_id: str, change: str, device: str | None) -> object:
        account = accounts.find(self._accounts, account_id)
        before = deepcopy(account.root_user)
        accounts.change(account.root_user, change, device)
        self._cloudtrail.record_owner(account_id, before, account.root_user)
        has = asdict(account.root_user)
        return {name: list(value) if isinstance(value, dict) else value for name, value in has.items()}

    def _require_organization(self) -> Organization:
        if self._organization is None:
            message = "The accounts of this local AWS are in no organization: start it with an accounts file that has one."
            raise accounts.AccountsError(message)
        return self._organization

    def _describe_organization(self) -> object:
        organization = self._require_organization()
        return {
            "organization_id": organization.organization_id,
            "root_id": organization.root_id,
            "management_account_id": organization.management_account_id,
        }

    def _create_account(self, account_id: str, name: str, unit_path: str, root_user: dict[str, Any]) -> None:
        organization = self._require_organization()
        if account_id in self._accounts:
            message = f"There is an account {account_id} already."
            raise accounts.AccountsError(message)
        account = accounts.parse(f"account {account_id}", account_id, {"name": name, "root_user": root_user})
        parent_id = organization.parent_at(unit_path)
        self._accounts[account_id] = account
        self._start_recorder(account_id)
        organization.join(account_id, parent_id)

    def _remove_account(self, account_id: str) -> None:
        self._require_organization().leave(account_id)

    def _take_calls(self) -> object:
        taken, self._calls = self._calls, []
        return [asdict(call) for call in taken]

    def _note_issued_credentials(self) -> None:
        """Note the credentials of each session: they are secrets, which a test can look for where they must not be."""
        register = ministack_seams.module("ministack.services.sts").register_session
        names = {"arn": "Arn", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}

        def register_and_note(access_key_id: str, session: dict[str, Any]) -> None:
            self._issued.append(
                {"access_key_id": access_key_id, **{name: str(session.get(key, "")) for name, key in names.items()}}
            )
            register(access_key_id, session)

        ministack_seams.replace("ministack.services.sts", "register_session", register_and_note)

    def _take_issued_credentials(self) -> object:
        taken, self._issued = self._issued, []
        return taken

    def _add_fault(self, fault: Fault) -> None:
        """Switch a fault on, unless no call could ever meet it."""
        service, _, operation = fault.action.partition(":")
        if service not in self._apis or operation not in self._apis[service].operations:
            message = f"There is no action {fault.action}: it is one of {', '.join(self._apis)}, a colon and an operation."
            raise ValueError(message)
        if fault.account_id != faults.ANY_ACCOUNT:
            accounts.find(self._accounts, fault.account_id)
        self._faults.add(fault)

    def _advance_clock(self, seconds: float) -> None:
        if not 0 < seconds < _CENTURY:
            message = f"The clock goes forward, by less than a century, and not by {seconds} seconds."
            raise ValueError(message)
        self._functions.advance(seconds)  # before: no event is of a time that its function does not have yet
        self._clock.advance(timedelta(seconds=seconds))
        self._root_access.advance(seconds)
        self._config.run_due_rules()

    def _set_longest_page(self, entries: int | None) -> None:
        if entries is not None and entries < 1:
            message = f"A page has at least one entry, and not {entries}."
            raise ValueError(message)
        self._iam.longest_page = entries

    def _set_empty_pages(self, on: object) -> None:
        self._aggregators.empty_pages = _is_on(on)

    def _withhold_source_org_id(self, on: object) -> None:
        self._functions.sends_source_org_id = not _is_on(on)

    @property
    def _commands(self) -> Mapping[str, Callable[..., object]]:
        """What steers the local AWS, by the names that client.py gives; each raises ValueError where it is not understood."""
        return {
            "accounts": lambda: {account.account_id: account.name for account in self._accounts.values()},
            "root-user": self._root_user,
            "organization": self._describe_organization,
            "create-account": self._create_account,
            "remove-account": self._remove_account,
            "fault": lambda **fault: self._add_fault(Fault(**fault)),
            "clear-faults": self._faults.clear,
            "longest-page": self._set_longest_page,
            "empty-pages": self._set_empty_pages,
            "withhold-source-org-id": self._withhold_source_org_id,
            "advance-clock": self._advance_clock,
            "calls": self._take_calls,
            "issued-credentials": self._take_issued_credentials,
        }

    # Serving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI has no types
        """Answer a request: a command here, all else through MiniStack."""
        if scope["type"] == "http" and scope["path"].startswith(COMMAND_PATH):
            await self._answer_command(scope, receive, send)
        else:
            await self._app.app(scope, receive, self._dated(send))

    def _dated(self, send: Any) -> Any:  # noqa: ANN401 - ASGI has no types
        async def send_dated(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True)
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"date"]
                message = {**message, "headers": [*others, (b"date", date.encode())]}
            await send(message)

        return send_dated

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
        settings.include_date_header = False  # `_dated` tells the time that AWS Config goes by
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if stop_with_stdin:
            threading.Thread(target=_when_stdin_ends, args=(loop, stop), daemon=True).start()
        ticking = asyncio.create_task(self._tick())
        try:
            app = web_pages.keep_out(self, int(os.environ["GATEWAY_PORT"]), COMMAND_PATH)
            await serve(app, settings, shutdown_trigger=lambda: self._stopped(stop))
        finally:
            ticking.cancel()
            self._clock.stop()
            self._stack_sets.close()
            self._functions.close()

    async def _stopped(self, stop: asyncio.Event) -> None:
        """Wait for `stop`, and end the functions first: what invokes them would keep the server waiting."""
        await stop.wait()
        self._clock.stop()
        await asyncio.to_thread(self._functions.close)
        await asyncio.to_thread(self._events.close)
        await asyncio.to_thread(self._automation.close)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._config.run_due_rules()
            await asyncio.to_thread(self._packs.retry)  # which waits while a pack is being put


def _accounts_of_role(action: str, body: bytes) -> list[str]:
    """Return the one account whose role or root user is to be assumed, none where that is not what is asked for."""
    if action == "sts:AssumeRoot":
        return [account_id for account_id in [target_account(body)] if account_id]
    role_arn = parse_qs(body.decode(errors="replace")).get("RoleArn", [""])[0] if action == "sts:AssumeRole" else ""
    return [role_arn.split(":")[4]] if role_arn.count(":") >= 5 else []  # noqa: PLR2004 - arn:aws:iam::ACCOUNT:role/NAME


def _is_on(switch: object) -> bool:
    if not isinstance(switch, bool):
        message = f"A switch is on or off, true or false, and not {switch!r}."
        raise ValueError(message)  # noqa: TRY004 - what a command raises where it is not understood
    return switch


def _when_stdin_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not through sys.stdin: its lock, held here, would abort the interpreter when that ends first.
    while os.read(sys.stdin.fileno(), 4096):
        pass
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


def _refuse_all(service: str) -> Handler:
    """Refuse every operation: MiniStack's own state of the service is another world than ours."""
    api = ServiceApi(service)

    async def refuse(_: str, __: str, headers: dict[str, str], body: bytes, ___: dict[str, list[str]]) -> Answer:
        try:
            operation = api.parse(headers, body)[0]
        except AwsError as error:
            return api.error(error)
        return api.error(AwsError("UnknownOperationException", f"The local AWS does not emulate {service}:{operation}."))

    return refuse


def _correct_condition_keys(organization: Organization | None) -> None:
    """Make aws:PrincipalArn of an assumed role's session the role's ARN, as AWS does; MiniStack takes the session's.

    And make every call one over TLS: this server speaks HTTP where AWS speaks HTTPS, which no policy shall notice.
    aws:PrincipalOrgID and aws:ResourceOrgID are there for accounts of the organization only. The aws:PrincipalType of a root
    user is Account.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    original = evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:  # noqa: ANN401 - MiniStack's EvalContext has no types here
        if key.lower() == "aws:securetransport":
            return "true"
        if key.lower() in {"aws:principalorgid", "aws:resourceorgid"}:
            whose = "aws:PrincipalAccount" if "principal" in key.lower() else "aws:ResourceAccount"
            member = organization is not None and original(whose, context) in organization.parents
            return organization.organization_id if organization and member else None
        value = original(key, context)
        if key.lower() == "aws:principaltype" and context.principal_arn.endswith(":root"):
            return "Account"
        if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
            account_id, role_name = value.split(":")[4], value.split("/")[1]
            iam = ministack_seams.module("ministack.services.iam")
            role = iam._roles.get_scoped(account_id, None, role_name)
            return role["Arn"] if role else value
        return value

    ministack_seams.replace("ministack.core.iam_evaluator", "_resolve_condition_key", resolve)
