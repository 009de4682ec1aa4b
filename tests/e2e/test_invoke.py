"""`make invoke`, `make local-aws` and what they print: each event through the command, and a server to point tools at."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from demo.invoke import main
from demo.sam import RULE_NAME, SAM, STACK_NAME
from local_aws.client import PROJECT, PYTHON
from tests.e2e.application import Application, wait_for
from tests.e2e.conftest import CENTRAL_ACCOUNT_ID, MEMBER_OF_THE_EVENTS
from tests.e2e.organization import Ran

SECONDS = 600
WITHOUT_AWS = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def invoke(*arguments: str) -> Ran:
    """Run the command in this process, which has imported what it needs."""
    printed, said = StringIO(), StringIO()
    with chdir(PROJECT), redirect_stdout(printed), redirect_stderr(said):
        code = main(arguments)
    return Ran(code, printed.getvalue(), said.getvalue())


def result(printed: str) -> Any:  # noqa: ANN401 - whatever the function answered
    """Return the JSON that the command ends with."""
    return json.loads(re.split(r"\n(?:Result|Failed), after \d+ ms:\n", printed)[1])


@pytest.mark.parametrize(
    ("event", "account_id"),
    [
        ("scheduled-own-account", CENTRAL_ACCOUNT_ID),
        ("scheduled-member-account", MEMBER_OF_THE_EVENTS),
        ("scheduled-member-stack-set", MEMBER_OF_THE_EVENTS),
    ],
)
def test_scheduled_event_is_evaluated(application: Application, event: str, account_id: str) -> None:
    ran = invoke(f"events/{event}.json", "--port", str(application.aws.port))
    assert (ran.code, ran.said) == (0, "")
    [evaluation] = result(ran.printed)
    assert evaluation["ComplianceResourceId"] == account_id
    assert evaluation["ComplianceType"] == "NON_COMPLIANT"
    [line] = [line for line in ran.printed.splitlines() if '"message": "evaluation"' in line]
    assert json.loads(line)["account"] == account_id


@pytest.mark.parametrize("event", ["refused-configuration-change", "refused-oversized", "refused-malformed"])
def test_other_event_is_refused(application: Application, event: str) -> None:
    ran = invoke(f"events/{event}.json", "--port", str(application.aws.port))
    assert (ran.code, ran.said) == (1, "")
    error = result(ran.printed)
    assert error["errorType"] == "InvalidEventError"
    assert "invokingEvent" in error["errorMessage"]


def test_every_event_is_tried() -> None:
    tried = {"scheduled-own-account", "scheduled-member-account", "scheduled-member-stack-set"}
    tried |= {"refused-configuration-change", "refused-oversized", "refused-malformed"}
    assert {path.stem for path in (PROJECT / "events").glob("*.json")} == tried


def test_it_brings_a_local_aws_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "demo.invoke", "events/scheduled-own-account.json"],
        cwd=PROJECT,
        env=WITHOUT_AWS | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "sam deploy to account 012345678912" in ran.stdout
    assert "NON_COMPLIANT" in ran.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["events/missing.json"], "events/missing.json is not a file with JSON: "),
        (["Makefile"], "Makefile is not a file with JSON: "),
        (["events/scheduled-own-account.json", "--port", "1"], "make invoke: No local AWS answers on http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_invoked_is_refused_with_one_sentence(arguments: list[str], says: str) -> None:
    ran = invoke(*arguments)
    assert ran.code == 2
    assert says in ran.said
    assert ran.said.count("\n") == 1


def test_tools_reach_a_server_by_the_variables_that_it_prints(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, free_port: int
) -> None:
    """As one would from two shells: boto3 and the SAM CLI know nothing but the variables."""
    server = subprocess.Popen(  # noqa: S603 - our own module
        [PYTHON, "-m", "local_aws", "serve", "--port", str(free_port)],
        cwd=PROJECT,
        env=WITHOUT_AWS | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    with server.stdout as output:
        try:
            printed = ""
            while not printed.endswith("Ctrl-C stops it.\n"):
                line = output.readline()
                assert line, printed
                printed += line
            variables = dict(re.findall(r"export (\w+)=(\S+)", printed))
            assert variables["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{free_port}"
            environment = WITHOUT_AWS | variables
            deploying = [str(SAM), "deploy", "--config-env", "local"]
            folders = str(tmp_path_factory.mktemp("sam"))  # the SAM CLI leaves some behind
            wait_for(lambda: answers(environment), "the server")
            subprocess.run(  # noqa: S603 - the SAM CLI
                deploying,
                cwd=PROJECT,
                env=environment | {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2", "TMPDIR": folders},
                capture_output=True,
                timeout=SECONDS,
                check=True,
            )
            details = f"get_compliance_details_by_config_rule(ConfigRuleName='{RULE_NAME}')"
            asked = f"import boto3; print(boto3.client('config').{details})"
            wait_for(lambda: "NON_COMPLIANT" in python(asked, environment), f"a result of stack {STACK_NAME}")
        finally:
            server.send_signal(signal.SIGINT)
            code = server.wait(SECONDS)
    assert code == 0
    assert list(tmp_path.iterdir()) == []


def answers(environment: dict[str, str]) -> bool:
    return "Account" in python("import boto3; print(boto3.client('sts').get_caller_identity())", environment)


def python(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False).stdout  # noqa: S603 - code of this file
