"""Lambda: run functions under Amazon's runtime client, write their logs, and process asynchronous events.

MiniStack keeps the functions and their policies. It would run them in its own interpreter and lose the classes of exceptions.
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

import io
import json
import logging
import math
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock, local
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.aws_lambda import function_operations, invocation_settings, policies, registry
from local_aws.aws_lambda.invocation_settings import InvocationSettings
from local_aws.aws_lambda.registry import Function
from local_aws.aws_lambda.runtime import ExecutionEnvironments, FunctionSettings, Invocation
from local_aws.aws_lambda.runtime_clock import SECONDS
from local_aws.aws_lambda.runtime_forks import Forks
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock, iso_time
from local_aws.core.models import LOADER, AwsError
from local_aws.core.operations import Operations
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

PARALLEL_EVENTS = 4
"""How many asynchronous events run at once: AWS takes far more, but here each starts a process of this machine."""

_DEFAULT_RETRIES = 2
_DEFAULT_EVENT_AGE = 6 * 3600
_FIRST_RETRY = timedelta(seconds=1)
"""Before the first retry of a failed event, doubled for the second: AWS waits for minutes."""
_log = logging.getLogger(__name__)


@dataclass
class _Version:
    """Runs a function's present code and configuration, and writes its log with the credentials of its role."""

    revision: str
    environments: ExecutionEnvironments
    logs: Any


class _Event(local):
    """The asynchronous event that the present thread processes; other threads have none."""

    request_id: str | None = None


class LambdaFunctions:
    """Runs the functions of all accounts."""

    def __init__(
        self,
        endpoint_url: str,
        runtime_python: Path,
        organization: Organization | None,
        clock: Clock,
        switches: Switches,
    ) -> None:
        """Run functions with `runtime_python`, an interpreter with the packages of Lambda's runtime."""
        self._endpoint_url = endpoint_url
        self._runtime_python = runtime_python
        self._forks = Forks(runtime_python)
        self._organization = organization
        self._switches = switches
        self._event = _Event()
        self._events = ThreadPoolExecutor(PARALLEL_EVENTS, thread_name_prefix="asynchronous-event")
        self._lambda = ministack_seams.module("ministack.services.lambda_svc")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._code = TemporaryDirectory(prefix="local-aws-functions-")
        self._versions: dict[str, _Version] = {}
        self._log_streams: set[str] = set()
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", LOADER)
        self._lock = RLock()
        self._clock = clock
        self._clock_file = Path(self._code.name, "clock")
        self._clock_file.write_bytes(SECONDS.pack(0))
        clock.before_advance.append(self._move_clocks_of_functions)
        self._closed = False

    def install(self) -> None:
        """Let MiniStack run functions, process events and write logs here."""
        replace = ministack_seams.replace
        replace("ministack.services.lambda_svc", "_execute_function_warm", self._execute)
        replace("ministack.services.lambda_svc", "_emit_lambda_logs", lambda *_, **__: None)
        replace(
            "ministack.services.lambda_svc",
            "invoke_async_with_retry",
            lambda function, event: self.invoke_asynchronously(function["config"]["FunctionArn"], event),
        )

    @property
    def operations(self) -> Operations:
        """Return what answers each operation."""
        settings = InvocationSettings(self._clock)
        return {**function_operations.operations(), **policies.operations(), **settings.operations}

    def close(self) -> None:
        """Stop all execution environments and drop queued events. Nothing can be invoked any longer."""
        self._events.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            for version in self._versions.values():
                version.environments.close()
            self._versions.clear()
        self._forks.close()
        self._code.cleanup()

    def _move_clocks_of_functions(self, ahead: timedelta) -> None:
        """Tell the functions by how much the clock will be ahead. This happens first, so that no event is from their future."""
        with self._clock_file.open("r+b") as file:  # in place: environments have the file open
            file.write(SECONDS.pack(ahead.total_seconds()))

    # Invocation by a service

    def check_permission(self, function_arn: str, source_account: str) -> None:
        """Make sure that AWS Config may invoke the function on behalf of `source_account`.

        AWS Config sends aws:SourceAccount and, for an account of the organization, aws:SourceOrgID. No page says that it
        sends the latter, and a switch withholds it.  It does not send aws:SourceArn: a new rule has no ARN yet.  Raises
        AwsError, as PutConfigRule does, if the function does not exist or its policy does not allow it.
        """
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        function = registry.find_by_arn(function_arn)
        keys = {"aws:sourceaccount": source_account}
        organization = self._organization
        sends_organization = not self._switches.is_on("withhold-source-org-id")
        if sends_organization and organization is not None and source_account in organization.parents:
            keys["aws:sourceorgid"] = organization.organization_id
        if function is not None:
            context = evaluator.EvalContext(
                principal_arn="",
                principal_type="Service",
                principal_account="",
                action="lambda:InvokeFunction",
                resource_arn=function_arn,
                region=function_arn.split(":")[3],
                service_context=keys,
            )
            if evaluator.evaluate_resource_policy(function["policy"], context, "config.amazonaws.com").decision == "Allow":
                return
        message = (
            f"The AWS Lambda function {function_arn} cannot be invoked. Check the specified function ARN, and check the "
            "function's permissions."
        )
        raise AwsError("InsufficientPermissionsException", message)

    def invoke_asynchronously(
        self, function_arn: str, event: dict[str, Any], when_done: Callable[[], None] = lambda: None
    ) -> None:
        """Queue an event, and call `when_done` when it has succeeded or was given up."""
        self._go_on(function_arn, self._process(function_arn, event), when_done)

    def _go_on(self, function_arn: str, attempts: Iterator[datetime], when_done: Callable[[], None]) -> None:
        """Make the next one of `attempts` on a thread of the event queue. It yields the instant of the one after it."""

        def attempt() -> None:
            due = None
            try:
                account_id, region = function_arn.split(":")[4], function_arn.split(":")[3]
                with self._responses.request_scope(account_id, region):
                    due = next(attempts, None)
            except Exception:  # noqa: BLE001 - a thread's last resort: the event is lost, and the log says so
                _log.exception("The event for %s was lost", function_arn)
            if due is None:
                when_done()
            else:
                self._clock.at(due, partial(self._go_on, function_arn, attempts, when_done))

        with suppress(RuntimeError):  # closed
            self._clock.submit(self._events, f"event for {function_arn}", attempt)

    def _process(self, function_arn: str, event: dict[str, Any]) -> Iterator[datetime]:
        """Invoke until it succeeds, no retry is left, or the event is too old; in the last two cases tell the destination.

        Yields the instant of each attempt except the first.
        """
        function = registry.find_by_arn(function_arn)
        if function is None:
            return
        name = function["config"]["FunctionName"]
        request_id = str(uuid.uuid4())
        settings = invocation_settings.of_events(function)
        retries = settings.get("MaximumRetryAttempts", _DEFAULT_RETRIES)
        deadline = self._clock.now() + timedelta(seconds=settings.get("MaximumEventAgeInSeconds", _DEFAULT_EVENT_AGE))
        attempts = throttled = 0
        given_up = False
        while not given_up:
            started = time.monotonic()
            self._event.request_id = request_id
            result = self._lambda._execute_function(function, event)
            throttle, error = bool(result.get("throttle")), bool(result.get("error"))
            if not throttle:  # MiniStack has counted a throttled one.
                self._lambda._emit_lambda_metrics(name, (time.monotonic() - started) * 1000, error, throttle)
            if not (throttle or error):
                return
            attempts, throttled = attempts + (not throttle), throttled + throttle
            due = self._clock.now() + _FIRST_RETRY * 2 ** (attempts + throttled - 1)
            given_up = attempts > retries or due > deadline
            if not given_up:
                yield due
                given_up = self._clock.now() > deadline
        if self._closed:
            return
        cloudwatch = ministack_seams.module("ministack.services.cloudwatch")
        cloudwatch.record_metric("AWS/Lambda", "AsyncEventsDropped", 1, "Count", {"FunctionName": name})
        destination = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            condition = "RetriesExhausted" if attempts > retries else "EventAgeExceeded"
            now = self._clock.now()
            self._send(function, destination, _failure(now, function_arn, request_id, condition, attempts, event, result))

    def _send(self, function: Function, destination: str, record: dict[str, Any]) -> None:
        """Send a record to a queue or an event bus as the function's role. No other destination is emulated.

        No page documents the whole event. Published ones have this source, this detail type and these resources.
        """
        _, _, service, region, account_id, name = destination.split(":", 5)
        if service == "sqs":
            queue_url = f"{self._endpoint_url}/{account_id}/{name}"
            self._client(service, region, function).send_message(QueueUrl=queue_url, MessageBody=json.dumps(record))
        elif service == "events":
            entry = {
                "Source": "lambda",
                "DetailType": "Lambda Function Invocation Result - Failure",
                "Detail": json.dumps(record),
                "Resources": [destination, record["requestContext"]["functionArn"]],
                "EventBusName": destination,
            }
            self._client(service, region, function).put_events(Entries=[entry])
        else:
            _log.warning("The local AWS sends failed events to queues and event buses only, not to %s", destination)

    def _client(self, service: str, region: str, function: Function) -> Any:  # noqa: ANN401 - a client of any service
        credentials = ministack_seams.module("ministack.core.lambda_runtime").execution_credentials(function["config"])
        with self._lock:  # A session makes one client at a time.
            return self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=credentials["AWS_SESSION_TOKEN"],
                config=Config(retries={"total_max_attempts": 1}),
            )

    # Execution

    def _execute(self, function: Function, event: object, request_id: str) -> dict[str, Any]:
        """Run one invocation, and answer as MiniStack's own executor does."""
        version = self._version_of(function)
        request_id = self._event.request_id or request_id  # all attempts of an asynchronous event have the same
        invocation = version.environments.invoke(json.dumps(event).encode(), request_id=request_id)
        lines = _log_lines(self._clock.now(), function["config"], invocation)
        self._write_log(function["config"], version, invocation.log_stream, lines)
        return {
            "body": json.loads(invocation.payload or b"null"),
            "log": "\n".join(lines),
            **({"error": True, "function_error": invocation.function_error} if invocation.function_error else {}),
        }

    def _write_log(self, config: dict[str, Any], version: _Version, stream: str, lines: Iterable[str]) -> None:
        """Write to the function's log group if its role allows it. Lambda makes a missing group.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
        """
        where = {"logGroupName": _log_group(config), "logStreamName": stream}
        now = int(self._clock.now().timestamp() * 1000)
        try:
            if stream not in self._log_streams:
                try:
                    version.logs.create_log_stream(**where)
                except version.logs.exceptions.ResourceNotFoundException:
                    version.logs.create_log_group(logGroupName=where["logGroupName"])
                    version.logs.create_log_stream(**where)
                except version.logs.exceptions.ResourceAlreadyExistsException:
                    pass  # an earlier call made it, whose answer came too late
                self._log_streams.add(stream)
            version.logs.put_log_events(**where, logEvents=[{"timestamp": now, "message": line} for line in lines if line])
        except (ClientError, BotoCoreError) as error:
            _log.warning("Nothing is written to %s: %s", where["logGroupName"], error)

    def _version_of(self, function: Function) -> _Version:
        """Return what runs a function's present code and configuration, and stop environments of earlier ones."""
        config = function["config"]
        arn = config["FunctionArn"]
        revision = f"{config['CodeSha256']} {config['RevisionId']}"
        with self._lock:
            if self._closed:
                message = "The local AWS is stopping."
                raise RuntimeError(message)
            version = self._versions.get(arn)
            if version is None or version.revision != revision:
                if version is not None:
                    version.environments.close()
                logs = self._client("logs", arn.split(":")[3], function)
                version = _Version(revision, ExecutionEnvironments(self._settings(function)), logs)
                self._versions[arn] = version
        return version

    def _settings(self, function: Function) -> FunctionSettings:
        config = function["config"]
        region = config["FunctionArn"].split(":")[3]
        code_dir = Path(self._code.name, config["CodeSha256"].replace("/", "_").rstrip("="))
        if not code_dir.exists():
            with zipfile.ZipFile(io.BytesIO(function["code_zip"])) as code:
                code.extractall(code_dir)
        credentials = ministack_seams.module("ministack.core.lambda_runtime").execution_credentials(config)
        return FunctionSettings(
            code_dir=code_dir,
            handler=config["Handler"],
            function_name=config["FunctionName"],
            function_arn=config["FunctionArn"],
            memory_mb=config["MemorySize"],
            timeout_seconds=config["Timeout"],
            environment=(config.get("Environment") or {}).get("Variables", {})
            | credentials
            | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": self._endpoint_url},
            log_format=config.get("LoggingConfig", {}).get("LogFormat", "Text"),
            python=self._runtime_python,
            clock=self._clock_file,
            forks=self._forks,
        )


def _log_group(config: dict[str, Any]) -> str:
    return str(config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}")


def _log_lines(ended: datetime, config: dict[str, Any], invocation: Invocation) -> list[str]:
    """Put Lambda's own lines about the invocation around what the function wrote.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
    """
    status = "success"
    if invocation.function_error:
        timed_out = json.loads(invocation.payload).get("errorType") == "Sandbox.Timedout"
        status = "timeout" if timed_out else "error"
    metrics = {
        "durationMs": round(invocation.duration_ms, 3),
        "billedDurationMs": math.ceil(invocation.duration_ms + (invocation.init_duration_ms or 0)),
        "memorySizeMB": config["MemorySize"],
    }
    if invocation.max_memory_mb is not None:
        metrics["maxMemoryUsedMB"] = invocation.max_memory_mb
    if invocation.init_duration_ms is not None:
        metrics["initDurationMs"] = round(invocation.init_duration_ms, 3)
    request_id = invocation.request_id
    if config.get("LoggingConfig", {}).get("LogFormat") == "JSON":
        now = iso_time(ended)
        start = {"requestId": request_id, "version": config["Version"]}
        report = {"requestId": request_id, "metrics": metrics, "status": status}
        return [
            json.dumps({"time": now, "type": "platform.start", "record": start}),
            *invocation.log,
            json.dumps({"time": now, "type": "platform.report", "record": report}),
        ]
    measured = "".join(f"\t{name}: {value}" for name, value in {**metrics, "Status": status}.items())
    return [
        f"START RequestId: {request_id} Version: {config['Version']}",
        *invocation.log,
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}{measured}",
    ]


def _failure(  # noqa: PLR0913, PLR0917 - what the record has
    now: datetime,
    function_arn: str,
    request_id: str,
    condition: str,
    attempts: int,
    event: dict[str, Any],
    result: dict[str, Any],
) -> dict[str, Any]:
    """Make the record for a destination. If the last attempt was throttled, it has no answer of the function.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_time(now),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function_arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
    }
    if not result.get("throttle"):
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": result.get("function_error") or "Unhandled",
        }
        record["responsePayload"] = result.get("body")
    return record
