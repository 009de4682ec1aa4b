"""What the commands say if they cannot reach AWS: one sentence, and never a traceback."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, LoginRefreshRequired

from organization import aws, project
from tests.unit.fake_aws import FakeAws

PROJECT = Path(__file__).parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-central-1"}

each_command = pytest.mark.parametrize("command", ["preflight", "deploy", "report", "delete"])


def run(command: str, home: Path, *options: str, **environment: str) -> str:
    """Run a command with these settings only; returns the one sentence that it said on stderr."""
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "organization", command, *options],
        cwd=PROJECT,
        env={"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("root-virtual-mfa: ")
    return line


@each_command
def test_no_credentials(command: str, tmp_path: Path) -> None:
    said = run(command, tmp_path, AWS_REGION="eu-central-1")
    assert "No AWS credentials were found: sign in, or set AWS_PROFILE" in said


@each_command
def test_no_region(command: str, tmp_path: Path) -> None:
    said = run(command, tmp_path, **CREDENTIALS | {"AWS_REGION": ""})
    assert "No Region is set: give the home Region of the deployment with --region, or set AWS_REGION." in said


@each_command
def test_profile_that_is_not_there(command: str, tmp_path: Path) -> None:
    for said in (
        run(command, tmp_path, "--profile", "nobody", AWS_REGION="eu-central-1"),
        run(command, tmp_path, AWS_PROFILE="nobody", AWS_REGION="eu-central-1"),
    ):
        assert "(nobody)" in said
        assert "give one of `aws configure list-profiles` with --profile, or set AWS_PROFILE to it." in said


@each_command
def test_session_of_single_sign_on_that_has_expired(command: str, tmp_path: Path) -> None:
    (tmp_path / ".aws/sso/cache").mkdir(parents=True)
    (tmp_path / ".aws/config").write_text(
        "[profile work]\nsso_session = work\nsso_account_id = 111111111111\nsso_role_name = Admin\nregion = eu-central-1\n"
        "[sso-session work]\nsso_region = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n",
        encoding="utf-8",
    )
    token = {"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "region": "eu-central-1"}
    cached = tmp_path / f".aws/sso/cache/{sha1(b'work', usedforsecurity=False).hexdigest()}.json"
    cached.write_text(json.dumps(token), encoding="utf-8")
    assert "expired" in (said := run(command, tmp_path, "--profile", "work"))
    assert said.endswith(": sign in with `aws sso login`, with --profile if you use one.")


@each_command
def test_nothing_answers(command: str, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        said = run(command, tmp_path, **CREDENTIALS, AWS_ENDPOINT_URL=url)
    assert url in said
    assert "check the network, the Region and AWS_ENDPOINT_URL" in said


def test_endpoint_that_is_no_url(tmp_path: Path) -> None:
    said = run("report", tmp_path, **CREDENTIALS, AWS_ENDPOINT_URL="nowhere")
    assert "AWS_ENDPOINT_URL must be a URL" in said


def test_region_that_is_none(tmp_path: Path) -> None:
    assert "no region!" in run("report", tmp_path, "--region", "no region!", **CREDENTIALS)


def test_login_that_has_expired() -> None:
    assert "sign in with `aws login`" in aws.sentence_of(LoginRefreshRequired())


def test_other_errors_of_aws_are_said_as_they_are() -> None:
    error = ClientError({"Error": {"Code": "InternalFailure", "Message": "Try later."}}, "ListRoots")
    assert aws.sentence_of(error) == "ListRoots failed with InternalFailure (Try later)."


def test_calls_say_who_makes_them() -> None:
    agents: list[str] = []

    def remember(params: Mapping[str, Any], **_: object) -> None:
        agents.append(params["headers"]["User-Agent"])

    fake = FakeAws({"DescribeConfigurationAggregators": {"ConfigurationAggregators": []}})
    with fake.in_place():
        session, _ = aws.session(None)
        client = session.client("config", config=aws.patient())
        client.meta.events.register_first("before-call", remember)
        client.describe_configuration_aggregators()
    assert [agent.split()[-1] for agent in agents] == [f"root-virtual-mfa/{project.version()}"]
