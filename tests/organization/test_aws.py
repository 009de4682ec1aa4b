"""What the commands say if they cannot reach AWS: one sentence, and never a traceback."""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, LoginRefreshRequired

from organization import aws, cli, project
from tests.fake_aws import FakeAws

PROJECT = Path(__file__).parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-central-1"}

each_command = pytest.mark.parametrize("command", ["preflight", "deploy", "report", "delete"])


class Command:
    """Runs a command with these settings only; returns the one sentence that it said on stderr."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, command: str, *options: str, **environment: str) -> str:
        with self._monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in {"HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true", **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO())
            code = cli.main([command, *options])
        said = self._capsys.readouterr()
        return sentence(code, said.out, said.err)


def sentence(code: int, out: str, err: str) -> str:
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    assert line.startswith("root-virtual-mfa: ")
    return line


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


@each_command
def test_no_credentials(run: Command, command: str) -> None:
    said = run(command, AWS_REGION="eu-central-1")
    assert "No AWS credentials were found: sign in, or set AWS_PROFILE" in said


@each_command
def test_no_region(run: Command, command: str) -> None:
    said = run(command, **CREDENTIALS | {"AWS_REGION": ""})
    assert "No Region is set: give the home Region of the deployment with --region, or set AWS_REGION." in said


@each_command
def test_profile_that_is_not_there(run: Command, command: str) -> None:
    for said in (
        run(command, "--profile", "nobody", AWS_REGION="eu-central-1"),
        run(command, AWS_PROFILE="nobody", AWS_REGION="eu-central-1"),
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
    ran = subprocess.run(  # noqa: S603 - our own module, in a process of its own, since botocore looks for the home folder once
        [sys.executable, "-m", "organization", command, "--profile", "work"],
        cwd=PROJECT,
        env={"HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = sentence(ran.returncode, ran.stdout, ran.stderr)
    assert "expired" in said
    assert said.endswith(": sign in with `aws sso login`, with --profile if you use one.")


@each_command
def test_nothing_answers(run: Command, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between the attempts
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        said = run(command, **CREDENTIALS, AWS_ENDPOINT_URL=url)
    assert url in said
    assert "check the network, the Region and AWS_ENDPOINT_URL" in said


def test_endpoint_that_is_no_url(run: Command) -> None:
    said = run("report", **CREDENTIALS, AWS_ENDPOINT_URL="nowhere")
    assert "AWS_ENDPOINT_URL must be a URL" in said


def test_region_that_is_none(run: Command) -> None:
    assert "no region!" in run("report", "--region", "no region!", **CREDENTIALS)


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
