"""The command line: serve the local AWS, and steer a running one."""

import argparse
import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import yaml

from local_aws.client import HOST, PROJECT, LocalAwsClient, LocalAwsError, describe, listen
from local_aws.core.faults import ANY_ACCOUNT, KINDS
from local_aws.core.switches import SWITCHES
from local_aws.organizations import accounts, accounts_file

DEFAULT_PORT = 4566
_HIGHEST_PORT = 65535
RUNTIME_PYTHON = PROJECT / ".venvs/lambda-runtime/bin/python"
"""The interpreter of the environment with the packages of Lambda's runtime (`make setup` makes it)."""


def main(words: list[str] | None = None) -> int:
    """Run a command, by default the one that the process was started with, and return the exit code."""
    arguments = _parser().parse_args(words)
    try:
        if arguments.command == "serve":
            return _serve(arguments)
        _steer(LocalAwsClient(arguments.port), arguments)
    except (LocalAwsError, accounts.AccountsError, OSError) as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 1
    return 0


def _steer(client: LocalAwsClient, arguments: argparse.Namespace) -> None:
    match arguments.command:
        case "root-user":
            has = client.change_root_user(arguments.account, arguments.change, arguments.device)
            shown = {name: ", ".join(value) or "none" if isinstance(value, list) else value for name, value in has.items()}
            print("The root user now has: " + "; ".join(f"{name}: {value}" for name, value in shown.items()))
        case "create-account":
            client.create_account(arguments.account, arguments.name, arguments.unit, arguments.root_user)
        case "remove-account":
            client.remove_account(arguments.account)
        case "fault":
            client.add_fault(
                arguments.account,
                arguments.action,
                arguments.kind,
                times=arguments.times,
                seconds=arguments.seconds,
                share=arguments.share,
                seed=arguments.seed,
            )
        case "clear-faults":
            client.clear_faults()
        case "switch":
            client.switch(arguments.name, on=arguments.position == "on")
        case "advance-clock":
            client.advance_clock(seconds=arguments.hours * 3600)


def _serve(arguments: argparse.Namespace) -> int:
    accounts_by_id = accounts_file.read_accounts(arguments.accounts)
    organization = accounts_file.read_organization(arguments.accounts, accounts_by_id)
    if not RUNTIME_PYTHON.exists():
        message = f"{RUNTIME_PYTHON} is missing: run `make setup` first."
        raise LocalAwsError(message)
    listening = listen(arguments.port) if arguments.socket is None else socket.socket(fileno=arguments.socket)
    if listening.family != socket.AF_INET or listening.getsockname()[0] != HOST:
        message = f"The socket is not one of {HOST}: nobody else may reach the local AWS."
        raise LocalAwsError(message)

    from local_aws.core.ministack_seams import IncompatibleMiniStackError  # noqa: PLC0415 - MiniStack is needed to serve only
    from local_aws.server.application import LocalAws  # noqa: PLC0415 - as above, and it takes a second

    port = listening.getsockname()[1]
    try:
        local_aws = LocalAws(port, accounts_by_id, organization, RUNTIME_PYTHON)
    except IncompatibleMiniStackError as error:
        raise LocalAwsError(str(error)) from error
    names = {account.account_id: account.name for account in accounts_by_id.values()}
    print(describe(LocalAwsClient(port), names), flush=True)
    if not arguments.until_stdin_ends:
        print("Ctrl-C stops it.", flush=True)
    asyncio.run(local_aws.serve(listening, stop_with_stdin=arguments.until_stdin_ends))
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _HIGHEST_PORT):
        message = f"{text} is not a port number from 1 to {_HIGHEST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _root_user(text: str) -> dict[str, Any]:
    try:
        return accounts_file.mapping("It", yaml.safe_load(text))
    except (yaml.YAMLError, accounts.AccountsError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="of the local AWS (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="serve on 127.0.0.1 until interrupted")
    # No default here: it would replace a port given before the command.
    where = serve.add_mutually_exclusive_group()
    where.add_argument("--port", type=_port, default=argparse.SUPPRESS, help=f"to serve on (default: {DEFAULT_PORT})")
    serve.add_argument(
        "--accounts", type=Path, default=Path(__file__).with_name("accounts.yaml"), help="YAML file (default: %(default)s)"
    )
    where.add_argument("--socket", type=int, metavar="DESCRIPTOR", help="to serve on: one that listens already")
    serve.add_argument("--until-stdin-ends", action="store_true", help="stop also when standard input ends")

    root_user = commands.add_parser("root-user", help="change a root user, as its owner does in the console")
    root_user.add_argument("account", help="account id")
    root_user.add_argument("change", choices=list(accounts.CHANGES))
    root_user.add_argument("device", nargs="?", help="name of the virtual device")

    create = commands.add_parser("create-account", help="let a new account join the organization")
    create.add_argument("account", help="account id")
    create.add_argument("name")
    create.add_argument("--unit", default="", help="path of its unit, for example Workloads/Production (default: the root)")
    create.add_argument(
        "--root-user", type=_root_user, default="{}", help="as in the accounts file, for example '{password: false}'"
    )

    remove = commands.add_parser("remove-account", help="let an account leave the organization")
    remove.add_argument("account", help="account id")

    fault = commands.add_parser("fault", help="switch a fault on")
    fault.add_argument("account", help=f"account id, or '{ANY_ACCOUNT}' for any")
    fault.add_argument("action", help="for example iam:GetAccountSummary")
    fault.add_argument("kind", choices=KINDS)
    fault.add_argument("--times", type=int, help="how often it happens (default: always)")
    fault.add_argument("--seconds", type=float, default=0, help="how long Latency lasts")
    fault.add_argument("--share", type=float, default=1, help="the share of the calls that it affects (default: all)")
    fault.add_argument("--seed", type=int, default=0, help="chooses these calls (default: %(default)s)")

    commands.add_parser("clear-faults", help="switch all faults off")

    switch = commands.add_parser(
        "switch",
        help="let AWS do the other thing where its documentation leaves open what it does",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["switches, all off at the start:", *(f"  {name}: {meaning}" for name, meaning in SWITCHES.items())]),
    )
    switch.add_argument("name", choices=list(SWITCHES), metavar="name", help="one of the switches below")
    switch.add_argument("position", choices=("on", "off"))

    clock = commands.add_parser("advance-clock", help="move the clock of all services forward")
    clock.add_argument("hours", type=float)
    return parser


if __name__ == "__main__":
    sys.exit(main())
