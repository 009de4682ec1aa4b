"""The server: makes all services, puts them in front of MiniStack, and serves requests.

`dispatch` decides who answers a request, `commands` has the commands under /_local_aws/.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.authorization import pipeline
from local_aws.authorization.action_resources import ConfigArns
from local_aws.authorization.deployers import Deployers
from local_aws.authorization.service_control_policies import ServiceControlPolicies
from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.client import HOST, REGION
from local_aws.cloudformation import checked_types, listed_types, name_conflicts, operation_ids, resource_types, rollback
from local_aws.cloudformation.change_sets import ChangeSets
from local_aws.cloudformation.registry import Registry
from local_aws.cloudformation.resources import HasOperations
from local_aws.cloudformation.stack_sets.service import StackSets
from local_aws.cloudformation.stacks import Stacks
from local_aws.cloudwatch.service import CloudWatch
from local_aws.config.aggregators import Aggregators
from local_aws.config.compliance_events import ComplianceEvents
from local_aws.config.conformance_packs import ConformancePacks
from local_aws.config.recorders import Recorders
from local_aws.config.remediation_configurations import Remediations
from local_aws.config.rules import Config
from local_aws.core import coverage, ministack_seams, ministack_stores, ministack_time, web_pages
from local_aws.core.clock import Clock
from local_aws.core.switches import Switches
from local_aws.events.cloudtrail import CloudTrail
from local_aws.events.event_bus import EventBus
from local_aws.events.rules import EventRules
from local_aws.events.schedules import Schedules
from local_aws.events.targets import Targets
from local_aws.iam import aws_policies, sessions, templates
from local_aws.iam.account_reports import AccountReports
from local_aws.iam.checks import Checks
from local_aws.iam.entities import Entities
from local_aws.iam.root_access import RootAccess
from local_aws.iam.root_users import RootUsers
from local_aws.logs import metric_filters
from local_aws.logs.log_events import LogEvents
from local_aws.logs.log_group_operations import LogGroupOperations
from local_aws.logs.queries import Queries
from local_aws.logs.saved_queries import SavedQueries
from local_aws.organizations.accounts import Account
from local_aws.organizations.organization import Organization
from local_aws.organizations.service import Organizations
from local_aws.s3 import checks as s3_checks
from local_aws.server.commands import COMMAND_PATH, Commands
from local_aws.server.dispatch import Dispatch
from local_aws.server.gate import Gate
from local_aws.sns.topics import Topics
from local_aws.sqs.queues import Queues
from local_aws.ssm.automation import Automation
from local_aws.ssm.documents import Documents
from local_aws.ssm.ops_center import OpsCenter
from local_aws.tagging.resources import TaggedResources

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_RETRY_PACKS = timedelta(seconds=1)
"""How often a conformance pack looks for a recorder that it waits for."""


_LONGEST_PAUSE = 24 * 3600
"""Seconds that a client may leave its connection idle."""


class LocalAws:
    """All services and their state."""

    def __init__(
        self, port: int, accounts_by_id: dict[str, Account], organization: Organization | None, runtime_python: Path
    ) -> None:
        """Serve `accounts_by_id` on `port`; functions run with `runtime_python`. Raises IncompatibleMiniStackError."""
        configure_ministack(port)
        ministack_seams.check()
        self._lists = coverage.read()
        self._accounts, self._organization = accounts_by_id, organization
        self._gate = Gate(ministack_seams.module("ministack.app").app, self._lists, self._serves)
        self._clock = Clock()
        _extend_ministack(self._clock)
        self._dispatch = Dispatch(self._lists)
        switches = self._switches = Switches()
        saved_queries = SavedQueries(self._clock)
        self._log_events = LogEvents(self._clock)
        self._log_events.when_put.append(partial(metric_filters.count, switches))
        self._query_pool = ThreadPoolExecutor(2, "queries")
        self._queries = Queries(self._clock, self._query_pool, switches)
        self._functions = LambdaFunctions(f"http://{HOST}:{port}", runtime_python, organization, self._clock, switches)
        self._config = Config(self._functions, Recorders(self._clock), organization, self._clock, switches)
        self._events = EventBus(self._clock)
        self._cloudwatch = CloudWatch(self._events, self._clock, switches)
        self._targets = Targets(f"http://{HOST}:{port}", self._clock, switches)
        self._event_rules = EventRules(self._clock)
        self._config.when_recorded.append(ComplianceEvents(self._events, self._clock, switches).publish)
        self._cloudtrail = CloudTrail(self._events, self._clock, switches)
        self._root_access = RootAccess(organization, self._clock, switches)
        self._documents = Documents(self._clock)
        self._automation = Automation(f"http://{HOST}:{port}", runtime_python, self._documents, self._clock, switches)
        self._root_users = RootUsers(accounts_by_id, self._clock)
        self._organizations = Organizations(organization, accounts_by_id, self._clock)
        service_control_policies = ServiceControlPolicies(self._organizations.policies)
        deployers = Deployers(service_control_policies)
        # First of all that follows accounts as they join and leave.
        self._stack_sets = StackSets(organization, deployers, self._clock, switches)
        self._remediations = Remediations(self._config, self._documents, self._automation, self._clock, switches)
        self._packs = ConformancePacks(self._config, self._remediations, organization, self._clock, switches)
        self._retries = ThreadPoolExecutor(1, "conformance-packs")
        self._aggregators = Aggregators(self._config, self._packs, organization, self._clock, switches)
        for part in (self._events, self._cloudwatch, self._targets, Schedules(self._events, self._clock), self._functions):
            part.install()
        metric_filters.install()
        checking = checked_types.Services(
            self._functions,
            LogGroupOperations(self._clock),
            metric_filters.MetricFilters(self._clock),
            Topics(),
            Queues(self._clock),
            self._event_rules,
        )
        self._teach_resource_types(saved_queries, checking)
        self._registry = Registry(switches)
        self._registry.install()
        self._commands = Commands(
            accounts_by_id,
            organization,
            self._clock,
            self._dispatch,
            self._root_users,
            self._config.recorders,
            self._cloudtrail,
            switches,
        )
        checks = Checks(self._accounts.__contains__)
        self._entities = Entities(checks, self._root_users.operations)
        logs = (saved_queries, checking.log_groups, checking.metric_filters)
        self._take_over({"logs": logs, "sns": (checking.topics,), "sqs": (checking.queues,)})
        aws_policies.install()
        templates.install(_resource_handlers(), checks)
        pipeline.install(
            self._dispatch.handlers,
            _resource_handlers(),
            organization,
            service_control_policies,
            deployers,
            ConfigArns(self._config.arn, self._remediations.arn),
            switches,
            [self._cloudtrail.record_refusal],
        )
        self._start_recorders()

    # In front of MiniStack

    def _serves(self, account_id: str) -> bool:
        """Tell whether credentials of an account are good: it exists, and is not suspended."""
        return account_id in self._accounts and not (self._organization and self._organization.is_shut(account_id))

    def _start_recorders(self) -> None:
        for account in self._accounts.values():
            if account.recorder:
                self._config.recorders.start(account.account_id, REGION)

    def _teach_resource_types(self, saved_queries: SavedQueries, checking: checked_types.Services) -> None:
        """Let MiniStack make resources of the listed types only, with what this package knows about them."""
        resource_types.install(
            resource_types.Services(
                self._config,
                self._remediations,
                self._packs,
                self._aggregators,
                saved_queries,
                self._stack_sets,
                self._documents,
                self._event_rules,
                self._cloudwatch,
                self._functions,
            ),
            self._clock,
            self._switches,
        )
        listed_types.install(self._lists["cloudformation"].resource_type_names)
        checking.topics.install()
        checked_types.install(_resource_handlers(), checking)
        rollback.install()
        operation_ids.install()

    def _take_over(self, more: Mapping[str, Iterable[HasOperations]]) -> None:
        """Let this package answer the operations that it emulates, and see every call of every listed service.

        `more` has parts of services that this object does not keep.
        """
        reports = AccountReports(self._root_users.account, self._clock, self._switches)
        config = (self._config.recorders, self._config, self._remediations, self._packs, self._aggregators)
        logs = (self._log_events, self._queries)
        ssm = (self._documents, self._automation, OpsCenter(self._clock))
        change_sets = ChangeSets()
        change_sets.install()
        name_conflicts.install()
        operations: dict[str, Operations] = {
            "iam": {**self._entities.operations, **reports.operations, **self._root_access.iam_operations},
            "sts": {**sessions.OPERATIONS, **self._root_access.sts_operations},
            "tagging": TaggedResources().operations,
            "config": {name: operation for part in config for name, operation in part.operations.items()},
            "logs": {name: operation for part in logs for name, operation in part.operations.items()},
            "events": self._event_rules.operations,
            "monitoring": self._cloudwatch.operations,
            "organizations": self._root_access.watching(self._organizations.operations),
            "cloudformation": {
                **self._stack_sets.operations,
                **self._registry.operations,
                **rollback.OPERATIONS,
                **Stacks().operations,
                **change_sets.operations,
            },
            "ssm": {name: operation for part in ssm for name, operation in part.operations.items()},
            "cloudtrail": self._cloudtrail.history.operations,
            "lambda": self._functions.operations,
        }
        for service in self._lists:
            others = (operation for part in more.get(service, ()) for operation in part.operations.items())
            self._dispatch.in_front(service, {**operations.get(service, {}), **dict(others)})
        handlers = self._dispatch.handlers
        handlers["s3"] = s3_checks.checking(handlers["s3"])
        for service in self._lists:
            handlers[service] = self._cloudtrail.watching(service, self._dispatch.apis.get(service), handlers[service])

    # Serving

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI has no types
        """Answer a command here, and any other request through the gate."""
        if scope["type"] == "http" and scope["path"].startswith(COMMAND_PATH):
            await self._commands.answer(scope, receive, send)
        else:
            await self._gate(scope, receive, self._dated(send))

    def _dated(self, send: Any) -> Any:  # noqa: ANN401 - ASGI has no types
        async def send_dated(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True)
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"date"]
                message = {**message, "headers": [*others, (b"date", date.encode())]}
            await send(message)

        return send_dated

    async def serve(self, listening: socket.socket, *, stop_with_stdin: bool) -> None:
        """Serve on a socket until SIGINT or SIGTERM; if `stop_with_stdin`, also until standard input ends."""
        from hypercorn.asyncio import serve  # noqa: PLC0415 - only once MiniStack is configured
        from hypercorn.config import Config as Hypercorn  # noqa: PLC0415 - only once MiniStack is configured

        from local_aws.server import connections  # noqa: PLC0415 - as above, since it imports Hypercorn

        connections.install()
        settings = Hypercorn()
        settings.bind = [f"fd://{listening.detach()}"]
        settings.loglevel = "WARNING"
        settings.include_date_header = False  # `_dated` tells the clock's time
        # An SDK sends its next request on a connection that it has kept. If the server closes that at the same moment, the
        # request fails, and with Hypercorn's 5 seconds that happens on a busy machine.
        settings.keep_alive_timeout = _LONGEST_PAUSE
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if stop_with_stdin:
            threading.Thread(target=_when_stdin_ends, args=(loop, stop), daemon=True).start()
        self._retry_packs_later()
        try:
            app = web_pages.keep_out(self, int(os.environ["GATEWAY_PORT"]), COMMAND_PATH)
            await serve(app, settings, shutdown_trigger=lambda: self._stopped(stop))
        finally:
            self._clock.stop()
            self._retries.shutdown(cancel_futures=True)
            self._query_pool.shutdown(cancel_futures=True)
            self._cloudwatch.close()
            self._organizations.close()
            self._stack_sets.close()
            self._functions.close()

    async def _stopped(self, stop: asyncio.Event) -> None:
        """Wait for `stop`, then end the functions first: their callers would keep the server waiting."""
        await stop.wait()
        self._clock.stop()
        await asyncio.to_thread(self._functions.close)
        await asyncio.to_thread(self._events.close)
        await asyncio.to_thread(self._targets.close)
        await asyncio.to_thread(self._automation.close)

    def _retry_packs_later(self) -> None:
        self._clock.at(self._clock.now() + _RETRY_PACKS, self._retry_packs)

    def _retry_packs(self) -> None:
        """Let packs look for recorders, on a thread of its own: it waits while a pack is being put."""
        with suppress(RuntimeError):  # the local AWS ends
            self._clock.submit(self._retries, "conformance packs", self._packs.retry)
        self._retry_packs_later()


def _resource_handlers() -> dict[str, dict[str, Any]]:
    """Return MiniStack's handlers of CloudFormation's resource types."""
    handlers: dict[str, dict[str, Any]] = ministack_seams.module(
        "ministack.services.cloudformation.provisioners"
    )._RESOURCE_HANDLERS
    return handlers


def _when_stdin_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not through sys.stdin: this thread would hold its lock, and the interpreter would abort if it ended first.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


def _extend_ministack(clock: Clock) -> None:
    ministack_stores.install()
    ministack_time.install(clock)


def configure_ministack(port: int) -> None:
    """Set the environment that MiniStack reads on import: enforce policies, listen on loopback only, be quiet."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # MiniStack would take the caller's credentials for root's.
    os.environ |= {
        "AUTH": "true",
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    logging.getLogger("hypercorn").setLevel(logging.WARNING)
