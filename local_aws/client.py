"""Start the local AWS as a separate process, and give it commands. This needs the standard library only."""

import errno
import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

HOST = "127.0.0.1"
REGION = "us-east-1"
PROJECT = Path(__file__).parents[1]
PYTHON = PROJECT / ".venvs/local-aws/bin/python"
"""The interpreter of the environment that MiniStack is installed in (`make setup`)."""

_STOP_SECONDS = 60.0
_ANSWER_SECONDS = 600.0
"""A busy machine is slow, and a command may wait until running work has settled."""


class LocalAwsError(RuntimeError):
    """The local AWS did not start, does not answer, or refused a command; the message says which."""


def credentials(account_id: str) -> dict[str, str]:
    """Return the environment variables that make an AWS tool act as an administrator of an account of the local AWS."""
    return {"AWS_ACCESS_KEY_ID": account_id, "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


class LocalAwsClient:
    """Commands to a local AWS that is running on `port`."""

    def __init__(self, port: int) -> None:
        """Speak to 127.0.0.1:`port`."""
        self.port = port

    @property
    def endpoint_url(self) -> str:
        """The value for AWS_ENDPOINT_URL."""
        return f"http://{HOST}:{self.port}"

    def environment(self, account_id: str) -> dict[str, str]:
        """Return the environment variables that point an AWS tool at an account of the local AWS, as its administrator."""
        return {**credentials(account_id), "AWS_ENDPOINT_URL": self.endpoint_url}

    def accounts(self) -> dict[str, str]:
        """Return the names of the accounts by id."""
        accounts: dict[str, str] = self._command("accounts")
        return accounts

    def change_root_user(self, account_id: str, change: str, device: str | None = None) -> dict[str, Any]:
        """Change a root user as its owner does in the console (accounts.CHANGES), and return its credentials.

        They are `password`, a boolean, and the ids, serial numbers or names of the rest (accounts.RootUser).
        """
        root_user: dict[str, Any] = self._command("root-user", account_id=account_id, change=change, device=device)
        return root_user

    def add_fault(  # noqa: PLR0913 - what a fault has
        self,
        account_id: str,
        action: str,
        kind: str,
        *,
        times: int | None = None,
        seconds: float = 0,
        share: float = 1,
        seed: int = 0,
    ) -> None:
        """Switch on a fault for calls of `action` in an account: see faults.Fault."""
        settings = {"times": times, "seconds": seconds, "share": share, "seed": seed}
        self._command("fault", account_id=account_id, action=action, kind=kind, **settings)

    def organization(self) -> dict[str, str]:
        """Return `organization_id`, `root_id` and `management_account_id`; LocalAwsError: there is no organization."""
        organization: dict[str, str] = self._command("organization")
        return organization

    def create_account(self, account_id: str, name: str, unit_path: str, root_user: Mapping[str, Any]) -> None:
        """Let a new account join the organization; AWS Config records in it.

        `unit_path` is the path of its unit below the root, for example "Workloads/Production", or "" for the root.
        `root_user` has the form that it has in the accounts file.
        """
        self._command("create-account", account_id=account_id, name=name, unit_path=unit_path, root_user=dict(root_user))

    def remove_account(self, account_id: str) -> None:
        """Let an account leave the organization. The account stays."""
        self._command("remove-account", account_id=account_id)

    def clear_faults(self) -> None:
        """Switch all faults off, and send the answers that they hold back."""
        self._command("clear-faults")

    def set_longest_page(self, entries: int | None) -> None:
        """Let IAM give at most `entries` devices or keys a page, even if a caller asks for more; None: no such limit."""
        self._command("longest-page", entries=entries)

    def switch(self, name: str, *, on: bool) -> None:
        """Turn a switch on or off: core/switches.py lists them."""
        self._command("switch", name=name, on=on)

    def advance_clock(self, *, seconds: float) -> None:
        """Move the clock of all services forward: what comes due starts, and events age.

        The clock moves when all running work has ended or waits for the clock. When this returns, everything that came due
        has started. LocalAwsError names the work that does not settle.
        """
        self._command("advance-clock", seconds=seconds)

    def settle(self) -> None:
        """Wait until all asynchronous work (events, evaluations, executions, operations) has ended or waits for the clock.

        LocalAwsError names the work that does not settle.
        """
        self._command("settle")

    def take_calls(self) -> list[dict[str, str]]:
        """Return the calls since the last time: `account_id`, `principal`, `action`, and `fault` or "" of each."""
        calls: list[dict[str, str]] = self._command("calls")
        return calls

    def take_issued_credentials(self) -> list[dict[str, str]]:
        """Return the sessions of roles and root users since the last time, so that tests can look for leaked secrets.

        Each has `arn`, `access_key_id`, `secret_access_key` and `session_token`.
        """
        issued: list[dict[str, str]] = self._command("issued-credentials")
        return issued

    def _command(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - each command has an answer of its own
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_SECONDS)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/_local_aws/{command}", json.dumps(arguments), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = (
                f"No local AWS answers on {self.endpoint_url} ({error}): start one with `make local-aws PORT={self.port}`."
            )
            raise LocalAwsError(message) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise LocalAwsError(answer["error"])
        return answer


class Process(Protocol):
    """What runs a local AWS; `subprocess.Popen` says what the methods do."""

    pid: int
    stdin: IO[bytes] | None

    def poll(self) -> int | None: ...  # noqa: D102 - as of Popen
    def wait(self, timeout: float | None = None) -> int: ...  # noqa: D102 - as of Popen
    def terminate(self) -> None: ...  # noqa: D102 - as of Popen
    def kill(self) -> None: ...  # noqa: D102 - as of Popen


def start_process(arguments: list[str], listening: socket.socket, log: Path | None) -> Process:
    """Start the command line with arguments, the socket to serve on, and a file for its messages. Raises LocalAwsError."""
    output: IO[bytes] | int = log.open("wb") if log else subprocess.DEVNULL
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            [PYTHON, "-m", "local_aws", *arguments, "--socket", str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C goes to this process, which then stops it.
        )
    except FileNotFoundError as error:
        message = f"{PYTHON} is missing: run `make setup` first."
        raise LocalAwsError(message) from error
    finally:
        if not isinstance(output, int):
            output.close()


start: Callable[[list[str], socket.socket, Path | None], Process] = start_process
"""How LocalAwsProcess starts its process."""


class LocalAwsProcess(LocalAwsClient):
    """A local AWS that runs during the `with` block. It ends with this process, however that ends."""

    def __init__(self, accounts_file: Path, log: Path | None = None, port: int = 0) -> None:
        """Serve the accounts of `accounts_file` on `port`; 0: on a free one. Write its messages to `log`."""
        super().__init__(port)
        self._accounts_file = accounts_file
        self._log = log
        self._process: Process | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it answers. Raises LocalAwsError with its last messages if it does not."""
        # It gets a socket that listens: of a port alone, another process could make one first, and would pass for it.
        with listen(self.port) as listening:
            self.port = listening.getsockname()[1]
            arguments = ["serve", "--accounts", str(self._accounts_file), "--until-stdin-ends"]
            self._process = start(arguments, listening, self._log)
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop it."""
        self._stop()

    def _wait_until_ready(self) -> None:
        """Wait for an answer: the socket keeps the question until then, and refuses it if the process has ended."""
        try:
            self.accounts()
        except LocalAwsError:
            said = self._log.read_text(encoding="utf-8", errors="replace")[-2000:] if self._log else ""
            message = f"The local AWS did not start. {said}".strip()
            raise LocalAwsError(message) from None

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None


def listen(port: int) -> socket.socket:
    """Listen on a port of 127.0.0.1; 0: on a free one. LocalAwsError: it is in use.  OSError: nobody may listen there."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"Port {port} of {HOST} is in use: choose another one with PORT=…."
        raise LocalAwsError(message) from error


def describe(client: LocalAwsClient, accounts: Mapping[str, str]) -> str:
    """Say how to point the AWS CLI and boto3 at a local AWS."""
    account_id = next(iter(accounts))
    names = "\n".join(f"  {account} {name}" for account, name in accounts.items())
    exports = "\n".join(f"  export {name}={value}" for name, value in client.environment(account_id).items())
    return (
        f"The local AWS serves on {client.endpoint_url}. Its accounts:\n{names}\n\n"
        "The AWS CLI, boto3 and SAM use it with these variables. The access key id is the account:\n"
        f"{exports}\n\n"
        "Functions and the scripts of runbooks run as you, without a sandbox. Web pages are refused.\n\n"
        "For example: aws configservice describe-compliance-by-config-rule\n"
    )
