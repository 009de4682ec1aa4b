"""Run a function's unpacked code under Amazon's runtime client (awslambdaric), as Lambda does.

An execution environment is a process of the runtime client and a Runtime API. The process asks the API for events and sends
answers to it.  No thread runs beside it: the thread that invokes the function serves the API and reads the log. Between two
invocations the request for the next event waits in the socket's queue.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html (paths, headers, status codes),
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (reserved variables),
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html (initialisation, reuse).
"""

import contextlib
import json
import os
import secrets
import selectors
import signal
import socketserver
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

from local_aws.aws_lambda import runtime_clock as lambda_clock
from local_aws.aws_lambda.runtime_forks import Fork, Forks
from local_aws.core import web_pages

_API = "/2018-06-01/runtime"
_PIPE_BYTES = 65536
"""The size of a pipe: one read takes everything that was written before."""
_GLANCE_SECONDS = 0.05
"""How often to check that the process still runs. Its pipe does not always tell: a child may hold it open."""


class ConcurrencyLimitExceeded(Exception):  # noqa: N818 - Lambda's word for it
    """The function runs as often as it may; Lambda answers with TooManyRequestsException."""


@dataclass(frozen=True)
class FunctionSettings:
    """One version of a function.

    `handler` is its dotted path below `code_dir`.  `environment` holds all variables that are not Lambda's own, also Region,
    credentials and AWS_ENDPOINT_URL: the function inherits nothing of the parent's environment.
    `python` is an interpreter with awslambdaric and boto3, and with nothing else that the artefact might use by mistake.
    `runtime` is the identifier that the function sees; `python` may have another version.
    `clock` is a file with the seconds by which the function's clock is ahead of the machine's (see lambda_clock); None: it is
    not ahead.
    `forks` starts the processes if it can, for functions with a `clock`; None: each starts by itself.
    """

    code_dir: Path
    handler: str
    function_name: str
    function_arn: str
    memory_mb: int
    timeout_seconds: float
    environment: Mapping[str, str]
    python: Path
    log_format: Literal["JSON", "Text"] = "JSON"
    version: str = "$LATEST"
    runtime: str = "python3.13"
    clock: Path | None = None
    forks: Forks | None = None

    def now(self) -> float:
        """Tell the time in the function's environment, as `time.time` does."""
        machine = time.time()  # noqa: TID251 - the file has by how much the clock is ahead of it
        return machine + (lambda_clock.SECONDS.unpack(self.clock.read_bytes())[0] if self.clock else 0)


@dataclass(frozen=True)
class Invocation:
    """The result of one invocation.

    `payload` is the function's answer or, if `function_error` is "Unhandled", an error as JSON: errorType, errorMessage and,
    if the runtime client could still send them, requestId and stackTrace.  `log` has the lines that the function and the
    runtime client wrote; they belong to `log_stream`, one stream for each environment.
    `init_duration_ms` is None except for the first invocation of an environment.
    `max_memory_mb` is the peak of the process so far, in MiB; None if it has exited or there is no /proc.
    """

    request_id: str
    payload: bytes
    function_error: Literal["Unhandled"] | None
    log: tuple[str, ...]
    log_stream: str
    duration_ms: float
    init_duration_ms: float | None
    max_memory_mb: int | None


class ExecutionEnvironment:
    """One execution environment. Its process starts with it, and runs until `close` or the end of `with`.

    OSError: the interpreter or the code does not exist.
    """

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings = settings
        self._invoking = Lock()
        self._cold = True
        self._dead = False
        self._killed = False
        self._log = bytearray()
        day = datetime.fromtimestamp(settings.now(), UTC).strftime("%Y/%m/%d")
        self._log_stream = f"{day}/[{settings.version}]{secrets.token_hex(16)}"
        self._began = time.monotonic()
        self._api = _RuntimeApi(settings)
        reading, writing = os.pipe()
        self._pipe = os.fdopen(reading, "rb", buffering=0)
        try:
            self._process = _start(settings, self._log_stream, f"127.0.0.1:{self._api.server_address[1]}", writing)
        except BaseException:
            self._pipe.close()
            self._api.server_close()
            raise
        finally:
            os.close(writing)
        os.set_blocking(self._pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._api, selectors.EVENT_READ)
        self._selector.register(self._pipe, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the environment can be invoked."""
        return not self._dead and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The id of the process."""
        return self._process.pid

    def invoke(self, event: bytes, *, request_id: str | None = None) -> Invocation:
        """Invoke the function with `event`, a JSON document, and wait for the result.

        As in Lambda, the time-out begins when the process takes the event. The start before it may take as long, like the
        second attempt that Lambda makes if the first takes more than ten seconds.  After a failed start, an exit or a
        time-out the environment is dead.  RuntimeError: it is dead, closed, or being invoked.
        """
        if not self._invoking.acquire(blocking=False):
            message = "An execution environment takes one invocation at a time."
            raise RuntimeError(message)
        try:
            return self._invoke(event, request_id or str(uuid.uuid4()))
        except BaseException:
            self._kill()
            raise
        finally:
            self._invoking.release()

    def close(self) -> None:
        """End the process and its children. A running invocation ends like one whose runtime was killed."""
        self._dead = True
        with self._invoking:
            self._kill()
            self._selector.close()
            self._pipe.close()
            self._api.server_close()

    def _invoke(self, event: bytes, request_id: str) -> Invocation:
        if self._dead:
            message = "The execution environment is dead or closed."
            raise RuntimeError(message)
        began = self._began if self._cold else time.monotonic()
        api = self._api
        api.offer(event, request_id)
        left = self._settings.timeout_seconds
        while api.reply is None and left > 0 and self.alive:
            self._serve(min(left, _GLANCE_SECONDS))
            left = self._settings.timeout_seconds - (time.monotonic() - (api.handed_over or began))
        ended = time.monotonic()
        handed_over = api.handed_over or ended
        memory = _peak_memory_mb(self._process.pid)
        reply = api.reply or self._failure(request_id)
        if reply.kind == "init/error":
            self._kill()
        # Everything that was written before the last request, or before death, is in the pipe now.
        self._read()
        log = self._log.decode(errors="replace").removesuffix("\n")
        self._log.clear()
        init_duration_ms = (handed_over - began) * 1000 if self._cold else None
        self._cold = False
        return Invocation(
            request_id=request_id,
            payload=reply.body,
            function_error=None if reply.kind == "response" else "Unhandled",
            log=tuple(log.split("\n")) if log else (),
            log_stream=self._log_stream,
            duration_ms=(ended - handed_over) * 1000,
            init_duration_ms=init_duration_ms,
            max_memory_mb=memory,
        )

    def _serve(self, seconds: float) -> None:
        """Wait for at most `seconds` until the process asks or writes something; answer it, or keep what it wrote."""
        for ready, _ in self._selector.select(seconds):
            if ready.fileobj is self._api:
                self._api.handle_request()
            elif not self._read():
                self._selector.unregister(self._pipe)  # at its end, which would be ready for ever

    def _read(self) -> bool:
        """Keep what the process has written. Return False at the end."""
        try:
            chunk = os.read(self._pipe.fileno(), _PIPE_BYTES)
        except BlockingIOError:
            return True
        self._log += chunk
        return bool(chunk)

    def _failure(self, request_id: str) -> "_Reply":
        """Say why there is no answer, in place of the runtime client, and end what is left of it."""
        timed_out = self.alive
        self._kill()
        status = self._process.wait()
        error_type = "Sandbox.Timedout" if timed_out else "Runtime.ExitError"
        if timed_out:
            reason = f"Task timed out after {self._settings.timeout_seconds:.2f} seconds"
        elif status == 0:
            reason = "Runtime exited without providing a reason"
        elif status > 0:
            reason = f"Runtime exited with error: exit status {status}"
        else:
            reason = f"Runtime exited with error: signal: {str(signal.strsignal(-status)).lower()}"
        error = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {reason}"}
        return _Reply("error", json.dumps(error).encode())

    def _kill(self) -> None:
        self._dead = True
        # Only once: later the number could belong to another process.
        if not self._killed:
            # If only ended processes are left, Linux takes the signal and macOS raises a PermissionError.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._killed = True


class ExecutionEnvironments:
    """The execution environments of one version of a function, for many threads. `with` closes them at its end.

    At most `limit` invocations run at the same time, the function's reserved concurrency; None: no limit.
    """

    def __init__(self, settings: FunctionSettings, *, limit: int | None = None) -> None:
        self._settings = settings
        self._limit = limit
        self._idle: list[ExecutionEnvironment] = []
        self._busy: set[ExecutionEnvironment] = set()
        self._closed = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invoke(self, event: bytes, *, request_id: str | None = None) -> Invocation:
        """Invoke the function in a warm environment, or in a new one: see ExecutionEnvironment.invoke.

        ConcurrencyLimitExceeded: the limit is reached.  RuntimeError: closed.  OSError: no environment can start.
        """
        environment = self._take()
        try:
            return environment.invoke(event, request_id=request_id)
        finally:
            with self._lock:
                self._busy.remove(environment)
                keep = environment.alive and not self._closed
                if keep:
                    self._idle.append(environment)
            if not keep:
                environment.close()

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            if self._closed:
                message = "The execution environments are closed."
                raise RuntimeError(message)
            if self._limit is not None and len(self._busy) >= self._limit:
                message = f"{self._settings.function_name} already runs {self._limit} times, which is its limit."
                raise ConcurrencyLimitExceeded(message)
            while self._idle and not self._idle[-1].alive:
                self._idle.pop().close()
            environment = self._idle.pop() if self._idle else ExecutionEnvironment(self._settings)
            self._busy.add(environment)
            return environment

    def close(self) -> None:
        """Close all environments, also those that are being invoked."""
        with self._lock:
            self._closed = True
            environments = [*self._busy, *self._idle]
            self._idle.clear()
        for environment in environments:
            environment.close()


@dataclass(frozen=True)
class _Reply:
    kind: Literal["response", "error", "init/error"]
    body: bytes


class _RuntimeApi(socketserver.TCPServer):
    """The Runtime API of one environment: the event that it offers, when the process took it, and the reply."""

    def __init__(self, settings: FunctionSettings) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiRequest)
        self.settings = settings
        self.offer(b"", "")

    def offer(self, event: bytes, request_id: str) -> None:
        """Offer an event to the process, which may already have asked for it."""
        self.event = event
        self.request_id = request_id
        self.handed_over: float | None = None
        self.reply: _Reply | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - TCPServer's signature
        """Raise errors that are bugs. A process that exits while it asks is not: its exit shows that."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            raise error


class _RuntimeApiRequest(BaseHTTPRequestHandler):
    server: _RuntimeApi
    timeout = 60
    """Seconds for a request that has begun: the process sends it as a whole."""

    def parse_request(self) -> bool:
        """Refuse what a web page may have sent: a page must neither take an event nor answer one."""
        parsed = super().parse_request()
        if parsed and web_pages.sign_of_page(self.headers.items(), self.server.server_address[1]):
            self._answer(HTTPStatus.FORBIDDEN)
            return False
        return parsed

    def do_GET(self) -> None:
        if self.path != f"{_API}/invocation/next":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        settings = self.server.settings
        trace_id = f"Root=1-{int(settings.now()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.server.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((settings.now() + settings.timeout_seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": settings.function_arn,
            "Lambda-Runtime-Trace-Id": trace_id,
            # The runtime client crashes without these two.
            "Lambda-Runtime-Client-Context": "",
            "Lambda-Runtime-Cognito-Identity": "",
        }
        self.server.handed_over = time.monotonic()
        self._answer(HTTPStatus.OK, self.server.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        invocation = f"{_API}/invocation/{self.server.request_id}"
        kinds: dict[str, Literal["response", "error", "init/error"]] = {
            f"{invocation}/response": "response",
            f"{invocation}/error": "error",
            f"{_API}/init/error": "init/error",
        }
        if self.path not in kinds:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self.server.reply = _Reply(kinds[self.path], body)
        self._answer(HTTPStatus.ACCEPTED)

    def _answer(self, status: HTTPStatus, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing: the log is the function's."""


def _start(settings: FunctionSettings, log_stream: str, runtime_api: str, output: int) -> "subprocess.Popen[bytes] | Fork":
    """Start the runtime client, which finds none of the modules beside runtime_clock.py. `output` gets what it writes."""
    variables = _environment(settings, log_stream, runtime_api)
    with_clock = [lambda_clock.__file__, str(settings.clock), settings.handler]
    if settings.forks and settings.clock:
        fork = settings.forks.start(with_clock, settings.code_dir, variables, settings.environment, output)
        if fork is not None:
            return fork
    return subprocess.Popen(  # noqa: S603 - the caller's interpreter, and a handler that no shell reads
        [settings.python, *(["-P", *with_clock] if settings.clock else ["-m", "awslambdaric", settings.handler])],
        cwd=settings.code_dir,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that its children can be killed with it
    )


def _environment(settings: FunctionSettings, log_stream: str, runtime_api: str) -> dict[str, str]:
    """Return all variables of the process: Lambda's and the function's, which cannot change the reserved ones."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # No such directory exists, so that the caller's .aws stays out.
        "HOME": "/home/sbx_user1051",
        # Lambda's code is read-only.
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"AWS_LAMBDA_LOG_LEVEL": "INFO"} if settings.log_format == "JSON" else {}),
        **settings.environment,
        "_HANDLER": settings.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{settings.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": settings.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": settings.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": settings.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(settings.code_dir),
        "PYTHONPATH": str(settings.code_dir),
    }


def _peak_memory_mb(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return None
