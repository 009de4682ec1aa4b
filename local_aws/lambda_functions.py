"""Lambda: functions run under Amazon's runtime client, and are invoked asynchronously as services invoke them.

MiniStack keeps the functions and their policies; it would run them in its own interpreter and lose their exceptions' classes.
Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
"""

import io
import json
import logging
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import botocore.session

from local_aws import ministack_seams
from local_aws.lambda_runtime import ExecutionEnvironments, FunctionSettings, Invocation
from local_aws.logs import Logs
from local_aws.models import AwsError

PARALLEL_EVENTS = 8
"""Asynchronous events that are processed at once: AWS takes far more, but each is a process of this machine."""

_DEFAULT_RETRIES = 2
_DEFAULT_EVENT_AGE = 6 * 3600
_log = logging.getLogger(__name__)

Function = dict[str, Any]
"""A function as MiniStack keeps it: `config` as in GetFunctionConfiguration, `policy`, `code_zip`, …"""


class LambdaFunctions:
    """The functions of all accounts, as far as running them goes."""

    def __init__(self, endpoint_url: str, runtime_python: Path, logs: Logs, *, retry_seconds: float = 1.0) -> None:
        """Run functions with `runtime_python`, an interpreter that has what Lambda's runtime has.

        `retry_seconds` is the time before the first retry of a failed event, doubled for the second: AWS takes minutes.
        """
        self._endpoint_url = endpoint_url
        self._runtime_python = runtime_python
        self._logs = logs
        self._retry_seconds = retry_seconds
        self._events = ThreadPoolExecutor(PARALLEL_EVENTS, thread_name_prefix="asynchronous-event")
        self._lambda = ministack_seams.module("ministack.services.lambda_svc")
        self._responses = ministack_seams.module("ministack.core.responses")
        self._code = TemporaryDirectory(prefix="local-aws-functions-")
        self._environments: dict[str, tuple[str, ExecutionEnvironments]] = {}
        self._lock = Lock()

    def install(self) -> None:
        """Let MiniStack run Python functions here."""
        ministack_seams.replace("ministack.services.lambda_svc", "_execute_function_warm", self._execute)

    def close(self) -> None:
        """Stop all execution environments."""
        self._events.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for _, environments in self._environments.values():
                environments.close()
            self._environments.clear()
        self._code.cleanup()

    # Invocation by a service

    def check_permission(self, function_arn: str, source_account: str) -> None:
        """Make sure that AWS Config may invoke the function on behalf of `source_account`.

        Raises AwsError as PutConfigRule does where the function does not exist or its policy does not allow it.
        """
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        function = self._find(function_arn)
        context = evaluator.EvalContext(
            principal_arn="",
            principal_type="Service",
            principal_account="",
            action="lambda:InvokeFunction",
            resource_arn=function_arn,
            region=function_arn.split(":")[3],
            service_context={"aws:sourceaccount": source_account},
        )
        if (
            function is None
            or evaluator.evaluate_resource_policy(function["policy"], context, "config.amazonaws.com").decision != "Allow"
        ):
            message = (
                f"The AWS Lambda function {function_arn} cannot be invoked. Check the specified function ARN, and check the "
                "function's permissions."
            )
            raise AwsError("InsufficientPermissionsException", message)

    def invoke_asynchronously(self, function_arn: str, event: dict[str, Any], when_done: Callable[[], None]) -> None:
        """Queue an event; `when_done` is called once it succeeded or has been given up."""

        def process() -> None:
            try:
                account_id, region = function_arn.split(":")[4], function_arn.split(":")[3]
                with self._responses.request_scope(account_id, region):
                    self._process(function_arn, event)
            except Exception:  # noqa: BLE001 - a thread's last resort: the event is lost, and the log says so
                _log.exception("The event for %s was lost", function_arn)
            finally:
                when_done()

        self._events.submit(process)

    def _process(self, function_arn: str, event: dict[str, Any]) -> None:
        """Invoke until it succeeds, the retries are used up, or the event is too old; then tell the destination."""
        function = self._find(function_arn)
        if function is None:
            return
        name = function["config"]["FunctionName"]
        settings = (function.get("event_invoke_configs") or {}).get("$LATEST") or function.get("event_invoke_config") or {}
        retries = settings.get("MaximumRetryAttempts", _DEFAULT_RETRIES)
        deadline = time.monotonic() + settings.get("MaximumEventAgeInSeconds", _DEFAULT_EVENT_AGE)
        attempts = throttled = 0
        while True:
            started = time.monotonic()
            result = self._lambda._execute_function(function, event)
            throttle, error = bool(result.get("throttle")), bool(result.get("error"))
            milliseconds = (time.monotonic() - started) * 1000
            self._lambda._emit_lambda_metrics(name, milliseconds, error, throttle)
            if not (throttle or error):
                return
            attempts, throttled = attempts + (not throttle), throttled + throttle
            wait = self._retry_seconds * 2 ** (attempts + throttled - 1)
            too_old = time.monotonic() + wait > deadline
            if too_old or attempts > retries:
                break
            time.sleep(wait)
        cloudwatch = ministack_seams.module("ministack.services.cloudwatch")
        cloudwatch.record_metric("AWS/Lambda", "AsyncEventsDropped", 1, "Count", {"FunctionName": name})
        destination = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination:
            condition = "EventAgeExceeded" if too_old else "RetriesExhausted"
            self._send(function, destination, _failure(function_arn, condition, attempts, event, result))

    def _send(self, function: Function, destination: str, record: dict[str, Any]) -> None:
        """Send a record to a queue or topic, with the credentials of the function's role, as Lambda does."""
        _, _, _, service, region, account_id, name = f"-:{destination}".split(":", 6)
        client = self._client(service, region, function)
        if service == "sqs":
            queue_url = f"{self._endpoint_url}/{account_id}/{name}"
            client.send_message(QueueUrl=queue_url, MessageBody=json.dumps(record))
        else:
            client.publish(TopicArn=destination, Message=json.dumps(record))

    def _client(self, service: str, region: str, function: Function) -> Any:  # noqa: ANN401 - a client of any service
        credentials = ministack_seams.module("ministack.core.lambda_runtime").execution_credentials(function["config"])
        return botocore.session.Session().create_client(
            service,
            region_name=region,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"],
        )

    def _find(self, function_arn: str) -> Function | None:
        parts = function_arn.split(":")
        if len(parts) < 7 or parts[2] != "lambda":  # noqa: PLR2004 - arn:aws:lambda:REGION:ACCOUNT:function:NAME
            return None
        with self._responses.request_scope(parts[4], parts[3]):
            function: Function | None = self._lambda._functions.get(parts[6])
        return function

    # Execution

    def _execute(self, function: Function, event: object, request_id: str) -> dict[str, Any]:
        """Run one invocation and answer as MiniStack's own executor does."""
        config = function["config"]
        invocation = self._environments_of(function).invoke(json.dumps(event).encode(), request_id=request_id)
        group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        self._logs.apply_metric_filters(group, invocation.log)
        return _result(invocation)

    def _environments_of(self, function: Function) -> ExecutionEnvironments:
        """Return the environments of a function's present code and configuration; those of former ones are stopped."""
        config = function["config"]
        arn = config["FunctionArn"]
        revision = f"{config['CodeSha256']} {config['RevisionId']}"
        with self._lock:
            known, environments = self._environments.get(arn, ("", None))
            if environments is None or known != revision:
                if environments is not None:
                    environments.close()
                environments = ExecutionEnvironments(self._settings(function))
                self._environments[arn] = (revision, environments)
        return environments

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
        )


def _result(invocation: Invocation) -> dict[str, Any]:
    return {
        "body": json.loads(invocation.payload or b"null"),
        "log": "\n".join(invocation.log),
        **({"error": True, "function_error": invocation.function_error} if invocation.function_error else {}),
    }


def _failure(function_arn: str, condition: str, attempts: int, event: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Make the record that a destination gets.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    return {
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "requestContext": {
            "functionArn": f"{function_arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": result.get("function_error") or "Unhandled",
        },
        "responsePayload": result.get("body"),
    }
