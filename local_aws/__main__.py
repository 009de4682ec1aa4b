"""The command line: serve the local AWS, and steer one that runs."""

import argparse
import asyncio
import errno
import socket
import sys
from pathlib import Path

from local_aws import accounts
from local_aws.client import HOST, PROJECT, LocalAwsClient, LocalAwsError, describe

DEFAULT_PORT = 4566
RUNTIME_PYTHON = PROJECT / ".venvs/lambda-runtime/bin/python"
"""The interpreter of the environment that has what Lambda's runtime has (`make setup`)."""


def main() -> int:
    """Run a command; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        if arguments.command == "serve":
            return _serve(arguments)
        client = LocalAwsClient(arguments.port)
        match arguments.command:
            case "root-user":
                has = client.change_root_user(arguments.account, arguments.change, arguments.device)
                print("The root user now has: " + ", ".join(f"{name}: {value}" for name, value in has.items()))
            case "fault":
                client.add_fault(
                    arguments.account, arguments.action, arguments.kind, times=arguments.times, seconds=arguments.seconds
                )
            case "clear-faults":
                client.clear_faults()
            case "advance-clock":
                client.advance_clock(seconds=arguments.hours * 3600)
    except (LocalAwsError, accounts.AccountsError, OSError) as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from local_aws.ministack_seams import IncompatibleMiniStackError  # noqa: PLC0415 - MiniStack is needed to serve only
    from local_aws.server import LocalAws  # noqa: PLC0415 - MiniStack is needed to serve only

    accounts_by_id = accounts.read(arguments.accounts)
    if not RUNTIME_PYTHON.exists():
        message = f"{RUNTIME_PYTHON} is missing: run `make setup` first."
        raise LocalAwsError(message)
    _refuse_taken(arguments.port)
    try:
        local_aws = LocalAws(arguments.port, accounts_by_id, RUNTIME_PYTHON)
    except IncompatibleMiniStackError as error:
        raise LocalAwsError(str(error)) from error
    names = {account.account_id: account.name for account in accounts_by_id.values()}
    print(describe(LocalAwsClient(arguments.port), names), flush=True)
    if not arguments.until_stdin_ends:
        print("Ctrl-C stops it.", flush=True)
    asyncio.run(local_aws.serve(stop_with_stdin=arguments.until_stdin_ends))
    return 0


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            message = f"Port {port} of {HOST} is in use: choose another one with PORT=…."
            raise LocalAwsError(message) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the local AWS (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="serve on 127.0.0.1 until interrupted")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help="to serve on (default: %(default)s)")
    serve.add_argument(
        "--accounts", type=Path, default=Path(__file__).with_name("accounts.yaml"), help="YAML file (default: %(default)s)"
    )
    serve.add_argument("--until-stdin-ends", action="store_true", help="stop also when standard input ends")

    root_user = commands.add_parser("root-user", help="change a root user, as its owner would at the console")
    root_user.add_argument("account", help="account id")
    root_user.add_argument("change", choices=list(accounts.CHANGES))
    root_user.add_argument("device", nargs="?", help="name of the virtual device")

    fault = commands.add_parser("fault", help="switch a fault on")
    fault.add_argument("account", help="account id")
    fault.add_argument("action", help="for example iam:GetAccountSummary")
    fault.add_argument("kind", help="AccessDenied, Throttling, ServerError, ExpiredToken, BrokenBody, Latency, …")
    fault.add_argument("--times", type=int, help="how often it happens (default: always)")
    fault.add_argument("--seconds", type=float, default=0, help="how long Latency lasts")

    commands.add_parser("clear-faults", help="switch all faults off")

    clock = commands.add_parser("advance-clock", help="put the clock of AWS Config forward")
    clock.add_argument("hours", type=float)
    return parser


if __name__ == "__main__":
    sys.exit(main())
