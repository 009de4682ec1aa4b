"""A scripted AWS on 127.0.0.1: only what the benchmarked functions need, fast, in a process of its own.

It builds its answers once, from AWS's own API models, and then only puts the account into them.  A caller's access key id is
its account, also in the credentials that AssumeRole gives.  The account's last digit says what its root user has: see
`verdict`.  The same port is the proxy for https.  It refuses every connection at once, so that no call reaches the internet.
"""

import asyncio
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from local_aws.core.models import ServiceApi

HOST = "127.0.0.1"
_PROJECT = Path(__file__).parents[1]
_STOP_SECONDS = 10.0
_WHEN = datetime(2026, 1, 15, 6, tzinfo=UTC)
_ACCOUNT_ID = "000000000000"
"""Stands for the caller's account in an answer that is already built."""
_CREDENTIAL = re.compile(r"Credential=(?P<account>\d{12})/\d{8}/[a-z0-9-]+/(?P<service>[a-z]+)/", re.ASCII)
_TAKE = "/calls"


def has_virtual_device(account_id: str) -> bool:
    """Tell whether root has a virtual MFA device (even account id) or no MFA at all (odd account id)."""
    return int(account_id) % 2 == 0


def verdict(account_id: str) -> str:
    """Return the compliance type that an account must get."""
    return "COMPLIANT" if has_virtual_device(account_id) else "NON_COMPLIANT"


@dataclass(frozen=True)
class Call:
    """A call: whose credentials signed it, and, for PutEvaluations, its verdict on which account.

    `action` is the name of an operation, or "CONNECT <host>:<port>" for a refused attempt to leave this machine.
    """

    action: str
    account_id: str | None = None
    reported: tuple[tuple[str, str], ...] = ()


class EndpointError(RuntimeError):
    """The scripted AWS did not start or does not answer."""


class Endpoint:
    """The scripted AWS as a process. It ends with the `with` block, or with this process."""

    def __enter__(self) -> Self:
        """Start it. Raises EndpointError if it does not say its port."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.endpoint"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_PROJECT,
            start_new_session=True,  # Ctrl-C stops the benchmark, which then stops this.
        )
        said = self._output.readline().strip()
        if not said.isdigit():
            self._stop()
            message = "The scripted AWS did not start: see its output above."
            raise EndpointError(message)
        self.port = int(said)
        self._connection = http.client.HTTPConnection(HOST, self.port, timeout=_STOP_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._connection.close()
        self._stop()

    @property
    def url(self) -> str:
        """The value for AWS_ENDPOINT_URL and HTTPS_PROXY."""
        return f"http://{HOST}:{self.port}"

    def take_calls(self) -> list[Call]:
        """Return the calls since the last time."""
        try:
            self._connection.request("GET", _TAKE)
            calls = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            message = f"The scripted AWS does not answer: {error}"
            raise EndpointError(message) from error
        return [
            Call(call["action"], call["account_id"], tuple((account, kind) for account, kind in call["reported"]))
            for call in calls
        ]

    @property
    def _output(self) -> IO[bytes]:
        return self._process.stdout  # type: ignore[return-value]  # it is one, with stdout=PIPE

    def _stop(self) -> None:
        with self._process as process:  # closes its pipes, which ends it, and waits
            process.terminate()


class _ScriptedAws:
    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._apis = {name: ServiceApi(name) for name in ("iam", "sts", "config")}
        self._answers = {
            (operation, device): self._build(service, operation, result)
            for device in (True, False)
            for service, operation, result in _script(device=device)
        }

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Answer a request. Anything but a call to AWS as the functions make it gets 404."""
        if path == _TAKE:
            calls, self._calls = self._calls, []
            return _http(200, {"Content-Type": "application/json"}, json.dumps([asdict(call) for call in calls]).encode())
        credential = _CREDENTIAL.search(headers.get("authorization", ""))
        if credential is None:
            self._calls.append(Call(f"{method} {path}"))
            return _http(404, {}, b"")
        operation, parameters = self._apis[credential["service"]].parse(headers, body)
        evaluations = parameters.get("Evaluations", [])
        reported = tuple((evaluation["ComplianceResourceId"], evaluation["ComplianceType"]) for evaluation in evaluations)
        caller = credential["account"]
        self._calls.append(Call(operation, caller, reported))
        subject = parameters["RoleArn"].split(":")[4] if operation == "AssumeRole" else caller
        return self._answers[operation, has_virtual_device(caller)].replace(_ACCOUNT_ID.encode(), subject.encode())

    def _build(self, service: str, operation: str, result: Mapping[str, Any]) -> bytes:
        return _http(*self._apis[service].response(operation, result))


def _script(*, device: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Give the answers of an account whose root user has a virtual MFA device, or no MFA."""
    summary = {
        "AccountMFAEnabled": int(device),
        "AccountPasswordPresent": 1,
        "AccountAccessKeysPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        # IAM counts more than a rule reads.
        "Users": 3,
        "UsersQuota": 5000,
        "Groups": 1,
        "GroupsQuota": 300,
        "Roles": 12,
        "RolesQuota": 1000,
    }
    root = {"UserId": _ACCOUNT_ID, "Arn": f"arn:aws:iam::{_ACCOUNT_ID}:root"}
    user = {"UserId": "AIDAEXAMPLE", "UserName": "ann", "Path": "/", "Arn": f"arn:aws:iam::{_ACCOUNT_ID}:user/ann"}
    devices = [*([_device("phone", root)] if device else []), _device("laptop", user)]
    credentials = {
        "AccessKeyId": _ACCOUNT_ID,
        "SecretAccessKey": "secret",
        "SessionToken": "token",
        "Expiration": datetime(2099, 1, 1, tzinfo=UTC),
    }
    return [
        ("iam", "GetAccountSummary", {"SummaryMap": summary}),
        ("iam", "ListVirtualMFADevices", {"VirtualMFADevices": devices, "IsTruncated": False}),
        ("sts", "AssumeRole", {"Credentials": credentials}),
        ("config", "PutEvaluations", {"FailedEvaluations": []}),
        ("config", "GetComplianceDetailsByConfigRule", {"EvaluationResults": []}),
    ]


def _device(name: str, user: Mapping[str, Any]) -> dict[str, Any]:
    serial_number = f"arn:aws:iam::{_ACCOUNT_ID}:mfa/{name}"
    return {"SerialNumber": serial_number, "User": {**user, "CreateDate": _WHEN}, "EnableDate": _WHEN}


def _http(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    phrase = http.client.responses[status]
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class _Connection(asyncio.Protocol):
    """A connection of a client, which sends one request after another, each with its length."""

    def __init__(self, aws: _ScriptedAws) -> None:
        self._aws = aws
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # it is one, of a TCP server

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = request_line.split(" ")
        self._transport.write(self._aws.answer(method, path, headers, rest[:length]))


async def _serve() -> None:
    """Serve on a free port, print it, and end when stdin ends."""
    loop = asyncio.get_running_loop()
    aws = _ScriptedAws()
    server = await loop.create_server(lambda: _Connection(aws), HOST, 0)
    async with server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        ended = asyncio.Event()
        loop.add_reader(sys.stdin.fileno(), ended.set)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
