"""What the commands say where AWS cannot be reached: one sentence, and never a traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from organization import aws

PROJECT = Path(__file__).parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-central-1"}

each_command = pytest.mark.parametrize("command", ["preflight", "report", "delete"])


def run(command: str, home: Path, **environment: str) -> tuple[int, str]:
    """Run a command with these settings only; returns its exit code and what it said on stderr."""
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", f"organization.{command}"],
        cwd=PROJECT,
        env={"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert ran.stderr.startswith(f"{command}: ")
    return ran.returncode, ran.stderr


@each_command
def test_no_credentials(command: str, tmp_path: Path) -> None:
    code, said = run(command, tmp_path, AWS_REGION="eu-central-1")
    assert code == 2
    assert "No AWS credentials were found" in said


@each_command
def test_no_region(command: str, tmp_path: Path) -> None:
    code, said = run(command, tmp_path, **CREDENTIALS | {"AWS_REGION": ""})
    assert code == 2
    assert "No Region is set" in said


@each_command
def test_nothing_answers(command: str, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        code, said = run(command, tmp_path, **CREDENTIALS, AWS_ENDPOINT_URL=url)
    assert code == 2
    assert url in said
    assert "check the network, the Region and AWS_ENDPOINT_URL" in said


def test_endpoint_that_is_no_url(tmp_path: Path) -> None:
    code, said = run("report", tmp_path, **CREDENTIALS, AWS_ENDPOINT_URL="nowhere")
    assert code == 2
    assert "AWS_ENDPOINT_URL must be a URL" in said


def test_region_that_is_none(tmp_path: Path) -> None:
    code, said = run("report", tmp_path, **CREDENTIALS | {"AWS_REGION": "no region!"})
    assert code == 2
    assert "no region!" in said


def test_profile_that_is_not_there(tmp_path: Path) -> None:
    code, said = run("report", tmp_path, AWS_PROFILE="nobody", AWS_REGION="eu-central-1")
    assert code == 2
    assert "set AWS_PROFILE to a profile" in said


def test_other_errors_of_aws_are_said_as_they_are() -> None:
    error = ClientError({"Error": {"Code": "InternalFailure", "Message": "Try later."}}, "ListRoots")
    assert aws.sentence_of(error) == "ListRoots failed with InternalFailure (Try later)."
