"""Each API that an evaluation calls, each fault: the right verdict or a failed invocation, never another verdict, and in time.

All at once, since most of the time goes by in waiting: for time-outs, and for retries.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, Self

import pytest

from local_aws.aws_lambda.runtime import ExecutionEnvironment, FunctionSettings
from local_aws.client import HOST, PROJECT, REGION, LocalAwsClient
from tests.e2e.application import Answer, Application

FUNCTION = PROJECT / ".aws-sam/build/RootVirtualMfaEnabledFunction"
RUNTIME_PYTHON = PROJECT / ".venvs/lambda-runtime/bin/python"
LATE = 6
"""Seconds until an answer comes. The function waits 5 seconds for it."""

ERROR_TYPES = {
    "sts:AssumeRole": "AssumeRoleError",
    "iam:GetAccountSummary": "ReadError",
    "iam:ListVirtualMFADevices": "ReadError",
    "config:PutEvaluations": "ReportError",
}
LASTING = ["AccessDenied", "Throttling", "ServerError", "ExpiredToken", "BrokenBody"]
LASTING_CELLS = [
    *((action, kind) for action in ERROR_TYPES for kind in LASTING),
    ("config:PutEvaluations", "FailedEvaluations"),
]


@dataclass(frozen=True)
class Cell:
    """An account with a fault: the result before it and after it, and the error of the event that was given up."""

    account_id: str
    before: dict[str, Any]
    after: dict[str, Any]
    error: dict[str, Any]


@dataclass(frozen=True)
class Outcomes:
    """What came of each fault, by API (and kind)."""

    lasting: dict[tuple[str, str], Cell]
    passing: dict[str, Cell]
    late: dict[str, Answer]
    refused: dict[str, Answer]


@pytest.fixture(scope="session")
def outcomes(deployed_application: Application, unused_accounts: Iterator[str]) -> Outcomes:
    """Evaluate an account for each API and fault. Its root user has got a virtual device since its last result."""
    application = deployed_application
    lasting = {cell: next(unused_accounts) for cell in LASTING_CELLS}
    passing = {action: next(unused_accounts) for action in ERROR_TYPES}
    late = {action: next(unused_accounts) for action in ERROR_TYPES}
    refused = {action: next(unused_accounts) for action in ERROR_TYPES}
    by_aws_config = [*lasting.values(), *passing.values()]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(application.watch, [*by_aws_config, *late.values()]))
        before = {account_id: application.result(account_id) for account_id in [*by_aws_config, *late.values()]}
        for account_id in [*before, *refused.values()]:
            application.change_root_user(account_id, "add-virtual-device phone")

        for action, account_id in late.items():
            application.aws.add_fault(account_id, action, "Latency", seconds=LATE)
        late_answers = {
            action: pool.submit(application.invoke, application.event(account_id)) for action, account_id in late.items()
        }
        refused_answers = {
            action: pool.submit(invoke_refused, application, action, account_id) for action, account_id in refused.items()
        }
        for (action, kind), account_id in lasting.items():
            application.aws.add_fault(account_id, action, kind)
        for action, account_id in passing.items():
            application.aws.add_fault(account_id, action, "Throttling", times=2)
        application.start_evaluation(*by_aws_config)

        errors = {account_id: application.failure(account_id)["errors"][0] for account_id in lasting.values()}
        for account_id in passing.values():
            application.changed(account_id, [before[account_id]])

        def cell(account_id: str) -> Cell:
            return Cell(account_id, before[account_id], application.result(account_id), errors.get(account_id, {}))

        outcomes = Outcomes(
            {key: cell(account_id) for key, account_id in lasting.items()},
            {key: cell(account_id) for key, account_id in passing.items()},
            {key: answer.result() for key, answer in late_answers.items()},
            {key: answer.result() for key, answer in refused_answers.items()},
        )
    application.aws.clear_faults()
    return outcomes


def invoke_refused(application: Application, action: str, account_id: str) -> Answer:
    """Invoke the built artefact in an account. From `action` on, connections are refused."""
    service = {"sts": "STS", "iam": "IAM", "config": "CONFIG_SERVICE"}[action.partition(":")[0]]
    event = Application.scheduled_event(account_id, own=action != "sts:AssumeRole")
    with Endpoint(application.aws, requests=int(action == "iam:ListVirtualMFADevices")) as endpoint:
        settings = FunctionSettings(
            code_dir=FUNCTION,
            handler="root_virtual_mfa_enabled.rule.lambda_handler",
            function_name="root-virtual-mfa",
            function_arn=f"arn:aws:lambda:{REGION}:{account_id}:function:root-virtual-mfa",
            memory_mb=256,
            timeout_seconds=140,
            environment={**application.aws.environment(account_id), f"AWS_ENDPOINT_URL_{service}": endpoint.url},
            python=RUNTIME_PYTHON,
        )
        with ExecutionEnvironment(settings) as environment:
            invocation = environment.invoke(json.dumps(event).encode())
    return Answer(json.loads(invocation.payload), invocation.function_error is not None)


class Endpoint:
    """A way to the local AWS that passes so many requests on; then its port is nobody's, and connections are refused."""

    def __init__(self, aws: LocalAwsClient, requests: int) -> None:
        class Forward(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                connection = http.client.HTTPConnection(HOST, aws.port)
                headers = {**self.headers, "Host": f"{HOST}:{aws.port}"}
                connection.request("POST", self.path, self.rfile.read(int(self.headers["Content-Length"])), headers)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        # Bound to the same port and never listening, this one keeps it from others once the server is gone.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind((HOST, 0))
        port = self._held.getsockname()[1]
        self.url = f"http://{HOST}:{port}"
        self._thread = Thread(target=self._serve, args=(port, Forward, requests))

    @staticmethod
    def _serve(port: int, handler: type[BaseHTTPRequestHandler], requests: int) -> None:
        if requests:
            with HTTPServer((HOST, port), handler, bind_and_activate=False) as server:
                server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                server.server_bind()
                server.server_activate()
                for _ in range(requests):
                    server.handle_request()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._held.close()


@pytest.mark.parametrize(("action", "kind"), LASTING_CELLS)
def test_lasting_fault_fails_the_event_and_leaves_the_last_result(outcomes: Outcomes, action: str, kind: str) -> None:
    cell = outcomes.lasting[action, kind]
    assert cell.error["errorType"] == ("MalformedAnswerError" if kind == "BrokenBody" else ERROR_TYPES[action])
    assert (kind if kind == "FailedEvaluations" else action) in cell.error["errorMessage"]
    assert cell.account_id in cell.error["errorMessage"]
    if (action, kind) == ("config:PutEvaluations", "BrokenBody"):
        # AWS Config took the evaluation; only its answer was lost.
        assert cell.after["ComplianceType"] == "COMPLIANT"
    else:
        assert cell.after == cell.before
        assert cell.after["ComplianceType"] == "NON_COMPLIANT"


@pytest.mark.parametrize("action", ERROR_TYPES)
def test_throttled_call_that_recovers_gives_the_verdict(application: Application, outcomes: Outcomes, action: str) -> None:
    cell = outcomes.passing[action]
    assert cell.before["ComplianceType"] == "NON_COMPLIANT"
    assert cell.after["ComplianceType"] == "COMPLIANT"
    *_, line = application.log(cell.account_id, "evaluation", 2)
    assert line["apiCalls"] == {**dict.fromkeys(ERROR_TYPES, 1), action: 3}


@pytest.mark.parametrize("action", ERROR_TYPES)
def test_answer_that_does_not_come_fails_the_invocation_before_lambda_does(outcomes: Outcomes, action: str) -> None:
    answer = outcomes.late[action]
    assert answer.failed
    assert answer.payload["errorType"] == ERROR_TYPES[action]
    assert f"{action} failed in account " in answer.payload["errorMessage"]
    assert "ReadTimeoutError" in answer.payload["errorMessage"]


@pytest.mark.parametrize("action", ERROR_TYPES)
def test_refused_connection_fails_the_invocation_before_lambda_does(outcomes: Outcomes, action: str) -> None:
    answer = outcomes.refused[action]
    assert answer.failed
    assert answer.payload["errorType"] == ERROR_TYPES[action]
    assert f"{action} failed in account " in answer.payload["errorMessage"]
    assert "EndpointConnectionError" in answer.payload["errorMessage"]
