"""The command line of the local AWS: changes and faults on one that runs, and what it says where it can not do them."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any, NamedTuple

import pytest

from local_aws.__main__ import main
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsError
from local_aws.core.faults import KINDS
from local_aws.core.switches import SWITCHES
from local_aws.organizations.accounts import CHANGES
from tests.local_aws.scene import Clients, refusal


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def process(*arguments: str) -> Ran:
    """Run a command as users do. Whatever runs it has PyYAML and botocore, which is all that it needs."""
    words = [sys.executable, "-m", "local_aws", *arguments]
    ran = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - ours
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def command(*arguments: str) -> Ran:
    """Run a command in this process, which takes less than the start of another."""
    with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
        try:
            code = main(list(arguments))
        except SystemExit as ended:  # argparse's
            code = int(ended.code or 0)
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def steer(local_aws: LocalAwsClient, *arguments: str, run: Callable[..., Ran] = command) -> str:
    """Give a command to a local AWS, and return what it printed."""
    ran = run("--port", str(local_aws.port), *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_a_root_user_is_changed_as_at_the_console(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    said = steer(local_aws, "root-user", account_id, "add-virtual-device", "phone")
    assert said.startswith("The root user now has: password: True; access_keys: none; ")
    assert "; virtual_mfa_devices: phone; " in said
    [device] = client("iam", account_id).list_virtual_mfa_devices()["VirtualMFADevices"]
    assert device["SerialNumber"] == f"arn:aws:iam::{account_id}:mfa/phone"
    said = steer(local_aws, "root-user", account_id, "delete-password", run=process)
    assert said.startswith("The root user now has: password: False; ")


def test_a_fault_is_switched_on_and_off(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    iam = client("iam", account_id)
    assert steer(local_aws, "fault", account_id, "iam:GetAccountSummary", "Throttling", "--times", "1") == ""
    assert refusal(iam.get_account_summary)[0] == "Throttling"
    assert iam.get_account_summary()["SummaryMap"]
    assert steer(local_aws, "fault", account_id, "iam:GetAccountSummary", "AccessDenied") == ""
    assert refusal(iam.get_account_summary)[0] == "AccessDenied"
    assert steer(local_aws, "clear-faults") == ""
    assert iam.get_account_summary()["SummaryMap"]
    always = ("--share", "1", "--seed", "7")
    assert steer(local_aws, "fault", "*", "iam:GetAccountSummary", "Throttling", *always) == ""
    assert refusal(iam.get_account_summary)[0] == "Throttling"
    assert steer(local_aws, "clear-faults") == ""


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_turned_on_and_off(local_aws: LocalAwsClient, name: str) -> None:
    for position in ("on", "off"):
        assert steer(local_aws, "switch", name, position) == ""


def test_the_clock_is_put_forward(local_aws: LocalAwsClient) -> None:
    assert steer(local_aws, "advance-clock", "0.01") == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["root-user", "123456789012", "delete-password"], "There is no account 123456789012: there are 000000000000, 1"),
        (
            ["root-user", "{account}", "remove-virtual-device", "none"],
            "The root user has no virtual MFA device named none.",
        ),
        (["root-user", "{account}", "add-virtual-device"], "add-virtual-device needs the name of a device (1 to 226 of"),
        (["fault", "123456789012", "iam:GetAccountSummary", "Latency", "--seconds", "1"], "There is no account 123456789012"),
        (
            ["fault", "{account}", "iam:GetAccountSumary", "AccessDenied"],
            "There is no action iam:GetAccountSumary: it is one of ",
        ),
        (["fault", "{account}", "s3:GetObject", "AccessDenied"], "There is no action s3:GetObject: it is one of "),
        (
            ["fault", "{account}", "sts:AssumeRole", "Latency"],
            "Latency cannot take 0 seconds: Latency needs a number above 0",
        ),
        (["fault", "{account}", "sts:AssumeRole", "Throttling", "--times", "0"], "A fault happens at least once, or always"),
        (["fault", "*", "sts:AssumeRole", "Throttling", "--share", "2"], "The share of the calls is above 0 and at most 1"),
        (
            ["fault", "{account}", "sts:AssumeRole", "FailedEvaluations"],
            "FailedEvaluations is a fault of config:PutEvaluations, not of sts:AssumeRole.",
        ),
        (["advance-clock", "0"], "The clock moves forward by less than a century, not by 0.0 seconds."),
        (["advance-clock", "--", "-1"], "The clock moves forward by less than a century, not by -3600.0 seconds."),
        (["advance-clock", "nan"], "The clock moves forward by less than a century, not by nan seconds."),
    ],
)
def test_what_can_not_be_is_refused_in_one_sentence(
    local_aws: LocalAwsClient, account_id: str, arguments: list[str], sentence: str
) -> None:
    given = [argument.replace("{account}", account_id) for argument in arguments]
    ran = command("--port", str(local_aws.port), *given)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"local-aws: {sentence}")
    assert ran.stderr.count("\n") == 1


def test_nothing_that_runs_is_said_with_the_command_that_helps(free_port: int) -> None:
    ran = command("--port", str(free_port), "clear-faults")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"local-aws: No local AWS answers on http://127.0.0.1:{free_port} (")
    assert ran.stderr.endswith(f"): start one with `make local-aws PORT={free_port}`.\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: command"),
        (["start"], "argument command: invalid choice: 'start'"),
        (["root-user", "1", "add-device"], "argument change: invalid choice: 'add-device'"),
        (["switch", "empty-page", "on"], "argument name: invalid choice: 'empty-page'"),
        (["switch", "empty-pages", "maybe"], "argument position: invalid choice: 'maybe'"),
        (["fault", "1", "iam:GetUser", "Outage"], "argument kind: invalid choice: 'Outage'"),
        (["fault", "1", "iam:GetUser", "Latency", "--times", "often"], "argument --times: invalid int value: 'often'"),
        (["advance-clock", "tomorrow"], "argument hours: invalid float value: 'tomorrow'"),
        (["--port", "70000", "clear-faults"], "argument --port: 70000 is not a port number from 1 to 65535"),
        (["serve", "--port", "0"], "argument --port: 0 is not a port number from 1 to 65535"),
        (["serve", "--port", "4566", "--socket", "3"], "argument --socket: not allowed with argument --port"),
        (["serve", "--port", "http"], "argument --port: http is not a port number from 1 to 65535"),
    ],
)
def test_wrong_usage_has_an_exit_code_of_its_own(arguments: list[str], complaint: str) -> None:
    ran = command(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("usage: python -m local_aws")
    assert complaint in ran.stderr


def test_help_says_what_there_is() -> None:
    for arguments, words in {
        (): ["serve", "root-user", "fault", "clear-faults", "advance-clock", "--port"],
        ("serve",): ["--accounts", "--until-stdin-ends", "default: 4566"],
        ("root-user",): list(CHANGES),
        ("fault",): list(KINDS),
        ("switch",): [f"{name}: {meaning}" for name, meaning in SWITCHES.items()],
    }.items():
        ran = process(*arguments, "--help")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert [word for word in words if word not in ran.stdout] == []


def test_the_port_may_stand_before_the_command(local_aws: LocalAwsClient) -> None:
    for arguments in (["--port", str(local_aws.port), "serve"], ["serve", "--port", str(local_aws.port)]):
        assert f"Port {local_aws.port} of 127.0.0.1 is in use" in process(*arguments).stderr


# What the command line has no command for, or argparse would stop


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("fault", {"account_id": "1", "action": "iam:GetUser", "kind": "Outage", "times": None, "seconds": 0}, "Unknown fault"),
        ("root-user", {"account_id": "1"}, "missing 2 required positional arguments"),
        ("switch", {"name": "empty-page", "on": True}, "There is no switch 'empty-page': there are .*empty-pages, "),
        ("switch", {"name": "empty-pages", "on": "maybe"}, "A switch is true or false, not 'maybe'"),
        ("reboot", {}, "reboot"),
    ],
)
def test_a_command_that_is_not_understood_is_refused(
    local_aws: LocalAwsClient, name: str, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(LocalAwsError, match=sentence):
        local_aws._command(name, **arguments)  # noqa: SLF001 - what a client of another version could send
