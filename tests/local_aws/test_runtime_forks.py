"""A function whose process is forked finds what it finds in a process of its own, and ends like one."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_aws.aws_lambda.runtime import ExecutionEnvironment, FunctionSettings, Invocation
from local_aws.aws_lambda.runtime_clock import SECONDS
from local_aws.aws_lambda.runtime_forks import Forks
from local_aws.client import PROJECT

PYTHON = PROJECT / ".venvs/lambda-runtime/bin/python"
WORLD = """
import locale, os, signal, sys, time

def handler(event, context):
    import boto3
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "path": sys.path,
        "arguments": sys.argv,
        "writes bytecode": not sys.dont_write_bytecode,
        "encodings": [locale.getpreferredencoding(), sys.stdout.encoding, sys.getfilesystemencoding()],
        "zone": [*time.tzname, time.timezone],
        "leads a session": os.getsid(0) == os.getpid(),
        "descriptors": sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else [],
        "ignores": [number.name for number in signal.Signals if signal.getsignal(number) == signal.SIG_IGN],
        "of boto3": [boto3.__file__, boto3.DEFAULT_SESSION is None],
    }
"""
DIFFERENT = {"AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID"}

Function = Callable[..., FunctionSettings]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks(PYTHON)
    yield forks
    forks.close()


@pytest.fixture
def function(tmp_path: Path, forks: Forks) -> Function:
    """Write the code of a function, and give its settings."""
    clock = tmp_path / "clock"
    clock.write_bytes(SECONDS.pack(0))
    code_dir = tmp_path / "code"
    code_dir.mkdir()

    def write(code: str, **variables: str) -> FunctionSettings:
        (code_dir / "function.py").write_text(code, encoding="utf-8")
        return FunctionSettings(
            code_dir=code_dir,
            handler="function.handler",
            function_name="example",
            function_arn="arn:aws:lambda:eu-central-1:111122223333:function:example",
            memory_mb=256,
            timeout_seconds=900,
            environment={"AWS_REGION": "eu-central-1", **variables},
            python=PYTHON,
            clock=clock,
            forks=forks,
        )

    return write


def invoke(settings: FunctionSettings, event: bytes = b"{}") -> Invocation:
    with ExecutionEnvironment(settings) as environment:
        return environment.invoke(event)


def answer(settings: FunctionSettings) -> Any:  # noqa: ANN401 - JSON
    invocation = invoke(settings)
    assert invocation.function_error is None, invocation.payload
    return json.loads(invocation.payload)


def test_it_finds_what_it_finds_in_a_process_of_its_own(function: Function) -> None:
    settings = function(WORLD, COLOUR="green")
    forked, alone = answer(settings), answer(replace(settings, forks=None))
    for world in (forked, alone):
        for name in DIFFERENT:
            assert world["environment"].pop(name)
    assert forked == alone


def test_its_own_modules_come_before_those_that_are_loaded(function: Function) -> None:
    """Also before those of Python: a process that has loaded them is no place for it."""
    settings = function("import boto3, calendar\n\ndef handler(event, context):\n    return [boto3.OWN, calendar.OWN]\n")
    for name in ("boto3", "calendar"):
        (settings.code_dir / f"{name}.py").write_text(f"OWN = 'own {name}'\n", encoding="utf-8")
    assert answer(settings) == ["own boto3", "own calendar"]


@pytest.mark.parametrize(("name", "value"), [("PYTHONOPTIMIZE", "1"), ("LC_ALL", "C"), ("AWS_DATA_PATH", "/nonexistent")])
def test_what_python_reads_when_it_starts_holds(function: Function, name: str, value: str) -> None:
    code = "import locale, os, sys\n\ndef handler(event, context):\n    return [sys.flags.optimize, os.environ, os.getppid()]\n"
    settings = function(code.replace("os.environ,", f"os.environ[{name!r}],"), **{name: value})
    assert answer(settings) == [int(name == "PYTHONOPTIMIZE"), value, os.getpid()]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ("os._exit(7)", "exit status 7"),
        ("sys.exit(3)", "exit status 3"),
        ("sys.exit('It is over.')", "exit status 1"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal: killed"),
    ],
)
def test_its_end_is_told(function: Function, ends: str, reason: str) -> None:
    settings = function(f"import os, signal, sys\n\ndef handler(event, context):\n    {ends}\n")
    forked, alone = invoke(settings), invoke(replace(settings, forks=None))
    assert json.loads(forked.payload)["errorMessage"].endswith(f"Error: Runtime exited with error: {reason}")
    assert forked.log == alone.log
    assert json.loads(forked.payload)["errorType"] == json.loads(alone.payload)["errorType"] == "Runtime.ExitError"


def test_code_that_fails_when_it_is_loaded_says_the_same(function: Function) -> None:
    settings = function("raise RuntimeError('not today')\n")
    forked, alone = (json.loads(invoke(each).payload) for each in (settings, replace(settings, forks=None)))
    assert forked == alone
    assert forked["errorMessage"] == "not today"


def test_nothing_of_one_is_in_the_next(function: Function) -> None:
    code = (
        "import boto3\nfound = getattr(boto3, 'left', None)\nboto3.left = 1\n\ndef handler(event, context):\n    return found\n"
    )
    settings = function(code)
    assert answer(settings) is None
    assert answer(settings) is None


def test_the_end_of_the_process_that_forks_is_survived(function: Function) -> None:
    forks = Forks(PYTHON)
    settings = replace(function("import os\n\ndef handler(event, context):\n    return os.getppid()\n"), forks=forks)
    with ExecutionEnvironment(settings) as environment:
        forking = json.loads(environment.invoke(b"{}").payload)
        assert forking != os.getpid()
        os.kill(forking, signal.SIGKILL)
    assert answer(settings) == os.getpid()
    forks.close()
