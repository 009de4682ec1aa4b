"""The runtime: a function's code under Amazon's runtime client, in processes of its own."""

import json
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws.aws_lambda import runtime
from local_aws.aws_lambda.runtime import (
    ConcurrencyLimitExceeded,
    ExecutionEnvironment,
    ExecutionEnvironments,
    FunctionSettings,
    Invocation,
)
from tests.local_aws.process_scene import runs
from tests.local_aws.scene import PATIENCE, eventually

PYTHON = Path(__file__).parents[2] / ".venvs" / "lambda-runtime" / "bin" / "python"
ARN = "arn:aws:lambda:eu-central-1:111122223333:function:example"
TIMEOUT = 900
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

Function = Callable[[str], FunctionSettings]


@pytest.fixture
def function(tmp_path: Path) -> Function:
    """Write the code of a function, which has a lambda_handler(event, context), and give its settings."""
    assert PYTHON.exists(), "make setup installs the runtime client"

    def write(code: str) -> FunctionSettings:
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "rule.py").write_text(dedent(code), encoding="utf-8")
        return FunctionSettings(
            code_dir=tmp_path,
            handler="package.rule.lambda_handler",
            function_name="example",
            function_arn=ARN,
            memory_mb=256,
            timeout_seconds=TIMEOUT,
            environment={"AWS_REGION": "eu-central-1"},
            python=PYTHON,
        )

    return write


@pytest.fixture(autouse=True)
def leave_nothing_behind() -> Iterator[None]:
    """Hold every test to it: what it started has ended, and what it opened is closed."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only the names: the directory's own descriptor is among them


def gone(process_id: int) -> bool:
    """Whether a process goes: the kernel takes its time after a kill."""
    return eventually(lambda: not runs(process_id))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "meeting"
    place.mkdir()
    return place


def wait_until_somebody_is_at(place: Path) -> None:
    assert eventually(lambda: list(place.iterdir()))


def answer(invocation: Invocation) -> Any:  # noqa: ANN401 - JSON
    assert invocation.function_error is None, invocation.payload
    return json.loads(invocation.payload)


def error(invocation: Invocation) -> dict[str, Any]:
    assert invocation.function_error == "Unhandled", invocation.payload
    failure: dict[str, Any] = json.loads(invocation.payload)
    return failure


# --- One environment ---


def test_an_event_is_answered_and_measured(function: Function) -> None:
    settings = function("""
        def lambda_handler(event, context):
            return {
                "event": event,
                "request_id": context.aws_request_id,
                "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb,
                "left": context.get_remaining_time_in_millis(),
            }
    """)
    with ExecutionEnvironment(settings) as environment:
        invocation = environment.invoke('{"name": "Zoë"}'.encode(), request_id=REQUEST_ID)
    result = answer(invocation)
    assert result["event"] == {"name": "Zoë"}
    assert (result["request_id"], invocation.request_id) == (REQUEST_ID, REQUEST_ID)
    assert (result["arn"], result["memory"]) == (ARN, "256")
    assert TIMEOUT * 500 < result["left"] <= TIMEOUT * 1000
    assert invocation.log == ()
    assert invocation.init_duration_ms is not None
    assert invocation.duration_ms > 0
    assert invocation.init_duration_ms > 0
    assert invocation.max_memory_mb is not None
    assert 5 < invocation.max_memory_mb < 200


def test_a_warm_environment_keeps_its_state_and_answers_after_a_rest(function: Function) -> None:
    settings = function("""
        COUNT = 0

        def lambda_handler(event, context):
            global COUNT
            COUNT += 1
            return [COUNT, context.aws_request_id]
    """)
    with ExecutionEnvironment(settings) as environment:
        first = environment.invoke(b"{}")
        api = environment._api  # noqa: SLF001 - nothing else tells that the process has asked for the next event
        poll = select.poll()  # select.select() takes no descriptor above 1,023
        poll.register(api)
        assert poll.poll(PATIENCE * 1000)
        second = environment.invoke(b"{}")
        assert environment.alive
    assert answer(first) == [1, first.request_id]
    assert answer(second) == [2, second.request_id]
    assert first.request_id != second.request_id
    assert second.init_duration_ms is None


def test_an_exception_keeps_its_class_and_the_environment_lives(function: Function) -> None:
    settings = function("""
        class ReadError(Exception):
            pass

        def lambda_handler(event, context):
            if event["fail"]:
                raise ReadError("no answer from IAM")
            return "fine"
    """)
    with ExecutionEnvironment(settings) as environment:
        failed = environment.invoke(b'{"fail": true}')
        assert answer(environment.invoke(b'{"fail": false}')) == "fine"
    assert error(failed)["errorType"] == "ReadError"
    assert error(failed)["errorMessage"] == "no answer from IAM"
    assert error(failed)["requestId"] == failed.request_id
    assert "lambda_handler" in error(failed)["stackTrace"][0]
    (line,) = map(json.loads, failed.log)
    assert (line["level"], line["errorType"]) == ("ERROR", "ReadError")


@pytest.mark.parametrize("event", [b"", b"{", "é".encode("latin-1")])
def test_an_event_that_is_no_json_fails_the_invocation(function: Function, event: bytes) -> None:
    settings = function("""
        def lambda_handler(event, context):
            return event
    """)
    with ExecutionEnvironment(settings) as environment:
        assert error(environment.invoke(event))["errorType"] == "Runtime.UnmarshalError"
        assert answer(environment.invoke(b"1")) == 1


def test_the_log_is_complete_and_in_order_every_time(function: Function) -> None:
    settings = function("""
        import logging, os, sys
        print("initialised")

        def lambda_handler(event, context):
            for number in range(500):
                print("out", number, "." * 200)
                sys.stderr.write(f"err {number}\\n")
            logging.getLogger().warning("wärning")
            os.write(2, b"last")
            if event:
                raise ValueError
    """)
    expected = [line for number in range(500) for line in (f"out {number} {'.' * 200}", f"err {number}")]
    with ExecutionEnvironment(settings) as environment:
        for turn in range(20):
            log = environment.invoke(b"true" if turn % 2 else b"false").log
            if turn == 0:
                assert log[0] == "initialised"
                log = log[1:]
            assert list(log[:1000]) == expected
            assert json.loads(log[1000])["message"] == "wärning"
            assert log[1001].startswith("last")
            assert len(log) == 1002


def test_text_logs_are_the_runtime_clients(function: Function) -> None:
    settings = function("""
        import logging

        def lambda_handler(event, context):
            logging.getLogger().warning("careful")
    """)
    with ExecutionEnvironment(replace(settings, log_format="Text")) as environment:
        invocation = environment.invoke(b"{}")
    (line,) = (line for line in invocation.log if line)
    assert line.split("\t")[0] == "[WARNING]"
    assert line.split("\t")[2:] == [invocation.request_id, "careful"]


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the path of a file. As soon as it is there, the time of every function is up."""
    late = tmp_path / "late"
    clock = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + TIMEOUT * late.exists())
    monkeypatch.setattr(runtime, "time", clock)
    return late


def test_a_time_out_ends_the_function_and_what_it_started(function: Function, late: Path) -> None:
    settings = function(f"""
        import pathlib, subprocess, time

        def lambda_handler(event, context):
            print(subprocess.Popen(["sleep", "3600"]).pid)
            pathlib.Path({str(late)!r}).touch()
            time.sleep(3600)
    """)
    with ExecutionEnvironment(settings) as environment:
        invocation = environment.invoke(b"{}", request_id=REQUEST_ID)
        assert not environment.alive
        with pytest.raises(RuntimeError, match="dead"):
            environment.invoke(b"{}")
        assert gone(int(invocation.log[0]))
    assert error(invocation) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: Task timed out after {TIMEOUT}.00 seconds",
    }
    assert invocation.duration_ms >= TIMEOUT * 1000
    assert invocation.max_memory_mb is not None


def test_a_start_that_takes_too_long_is_a_time_out(function: Function, late: Path) -> None:
    settings = function(f"""
        import pathlib, time
        print("starting")
        pathlib.Path({str(late)!r}).touch()
        time.sleep(3600)
    """)
    with ExecutionEnvironment(settings) as environment:
        invocation = environment.invoke(b"{}")
    assert error(invocation)["errorType"] == "Sandbox.Timedout"
    assert invocation.log == ("starting",)
    assert invocation.duration_ms == 0
    assert invocation.init_duration_ms is not None
    assert invocation.init_duration_ms >= TIMEOUT * 1000


@pytest.mark.parametrize(
    ("code", "error_type", "error_message"),
    [
        ("import rdklib_is_missing", "Runtime.ImportModuleError", "rdklib_is_missing"),
        ("def lambda_handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module"),
        ("handler = None", "Runtime.HandlerNotFound", "lambda_handler"),
        ("raise LookupError('nothing')", "LookupError", "nothing"),
    ],
)
def test_a_failed_start_says_why(function: Function, code: str, error_type: str, error_message: str) -> None:
    with ExecutionEnvironment(function(code)) as environment:
        invocation = environment.invoke(b"{}")
        assert not environment.alive
    assert error(invocation)["errorType"] == error_type
    assert error_message in error(invocation)["errorMessage"]
    assert error_type in invocation.log[-1]
    assert invocation.duration_ms == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
@pytest.mark.parametrize("at_start", [False, True])
def test_an_exit_of_the_process_fails_the_invocation(function: Function, code: str, reason: str, *, at_start: bool) -> None:
    settings = function(f"""
        import os, subprocess

        def leave():
            print("leaving")
            print(subprocess.Popen(["sleep", "300"]).pid)
            {code}

        {"leave()" if at_start else ""}
        def lambda_handler(event, context):
            leave()
    """)
    with ExecutionEnvironment(settings) as environment:
        invocation = environment.invoke(b"{}", request_id=REQUEST_ID)
        assert not environment.alive
        assert gone(int(invocation.log[1]))
    assert error(invocation) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: {reason}",
    }
    assert invocation.log[0] == "leaving"


@pytest.fixture
def mortal(function: Function, tmp_path: Path) -> tuple[FunctionSettings, Path]:
    """Give the settings of a function, and the path of a file. As soon as it is there, the process that it names ends."""
    last_will = tmp_path / "last-will"
    settings = function(f"""
        import os, pathlib, threading, time

        def wait_for_the_end():
            last_will = pathlib.Path({str(last_will)!r})
            while not last_will.exists() or last_will.read_text() != str(os.getpid()):
                time.sleep(0.01)
            os._exit(1)

        def lambda_handler(event, context):
            threading.Thread(target=wait_for_the_end).start()
            return os.getpid()
    """)
    return settings, last_will


def test_an_environment_that_died_at_rest_is_not_alive(mortal: tuple[FunctionSettings, Path]) -> None:
    settings, last_will = mortal
    with ExecutionEnvironment(settings) as environment:
        process_id = answer(environment.invoke(b"{}"))
        assert environment.alive
        last_will.write_text(str(process_id), encoding="ascii")
        assert gone(process_id)
        assert eventually(lambda: not environment.alive)


def test_the_function_sees_nothing_of_its_callers_environment(
    function: Function, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nendpoint_url = http://elsewhere", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-callers-own")
    monkeypatch.setenv("PYTHONPATH", "/the-callers-own")
    settings = function("""
        import os, sys
        import botocore.session

        def lambda_handler(event, context):
            endpoint = botocore.session.get_session().get_scoped_config().get("endpoint_url")
            return [dict(os.environ), endpoint, sys.path[0], os.getcwd()]
    """)
    settings = replace(settings, environment={"AWS_ACCESS_KEY_ID": "given", "AWS_LAMBDA_FUNCTION_NAME": "forged"})
    with ExecutionEnvironment(settings) as environment:
        variables, endpoint, first_path, directory = answer(environment.invoke(b"{}"))
    assert "the-callers-own" not in json.dumps(variables)
    assert endpoint is None
    assert (first_path, directory) == (str(tmp_path), str(tmp_path))
    assert variables["AWS_ACCESS_KEY_ID"] == "given"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "example"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["LAMBDA_TASK_ROOT"] == str(tmp_path)
    assert variables["TZ"] == ":UTC"
    assert variables["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert not list(tmp_path.rglob("__pycache__"))


def test_an_environment_takes_one_invocation_at_a_time_and_can_be_closed_meanwhile(function: Function, place: Path) -> None:
    settings = function("""
        import os, pathlib, time

        def lambda_handler(event, context):
            (pathlib.Path(event) / str(os.getpid())).touch()
            time.sleep(300)
    """)
    with ThreadPoolExecutor() as threads, ExecutionEnvironment(settings) as environment:
        running = threads.submit(environment.invoke, json.dumps(str(place)).encode())
        wait_until_somebody_is_at(place)
        (process_id,) = (int(path.name) for path in place.iterdir())
        with pytest.raises(RuntimeError, match="one invocation at a time"):
            environment.invoke(b"{}")
        assert environment.alive
        environment.close()
        assert error(running.result(timeout=PATIENCE))["errorType"] == "Runtime.ExitError"
        assert not runs(process_id)
        with pytest.raises(RuntimeError, match="closed"):
            environment.invoke(b"{}")


def test_an_exception_in_the_caller_ends_the_process(function: Function) -> None:
    settings = function("""
        import os

        def lambda_handler(event, context):
            return os.getpid()
    """)
    process_ids = []

    def fail() -> None:
        with ExecutionEnvironment(settings) as environment:
            process_ids.append(answer(environment.invoke(b"{}")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not runs(process_ids[0])


def test_an_interpreter_that_is_not_there_is_an_os_error(function: Function) -> None:
    settings = replace(function(""), python=Path("/nowhere/python"))
    with pytest.raises(FileNotFoundError):
        ExecutionEnvironment(settings)
    with ExecutionEnvironments(settings, limit=1) as environments:
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                environments.invoke(b"{}")


# --- Many environments ---

MEETING = """
    import os, pathlib, time

    def lambda_handler(event, context):
        '''Come to a meeting, and stay until as many are there as are expected.'''
        here = pathlib.Path(event["place"])
        (here / context.aws_request_id).touch()
        while len(list(here.iterdir())) < event["expected"]:
            time.sleep(0.01)
        return os.getpid()
"""


def meeting(place: Path, expected: int) -> bytes:
    return json.dumps({"place": str(place), "expected": expected}).encode()


def test_concurrent_invocations_have_an_environment_each_and_later_ones_reuse_them(function: Function, place: Path) -> None:
    with ThreadPoolExecutor() as threads, ExecutionEnvironments(function(MEETING), limit=3) as environments:
        first = list(threads.map(environments.invoke, [meeting(place, 3)] * 3))
        processes = {answer(invocation) for invocation in first}
        assert len(processes) == 3
        later = list(threads.map(environments.invoke, [meeting(place, 5)] * 2))
        assert {answer(invocation) for invocation in later} < processes
        assert [invocation.init_duration_ms for invocation in later] == [None, None]
    assert not any(map(runs, processes))


def test_the_limit_counts_running_invocations_only(function: Function, place: Path) -> None:
    with ThreadPoolExecutor() as threads, ExecutionEnvironments(function(MEETING), limit=1) as environments:
        running = threads.submit(environments.invoke, meeting(place, 2))
        wait_until_somebody_is_at(place)
        with pytest.raises(ConcurrencyLimitExceeded, match="example already runs 1 times"):
            environments.invoke(meeting(place, 1))
        (place / "second").touch()
        process_id = answer(running.result())
        assert answer(environments.invoke(meeting(place, 1))) == process_id


def test_a_dead_environment_is_replaced(function: Function) -> None:
    settings = function("""
        import os

        def lambda_handler(event, context):
            return os._exit(1) if event else os.getpid()
    """)
    with ExecutionEnvironments(settings, limit=1) as environments:
        first = answer(environments.invoke(b"false"))
        assert error(environments.invoke(b"true"))["errorType"] == "Runtime.ExitError"
        assert answer(environments.invoke(b"false")) != first


def test_an_environment_that_died_at_rest_is_replaced(mortal: tuple[FunctionSettings, Path]) -> None:
    settings, last_will = mortal
    with ExecutionEnvironments(settings) as environments:
        first = answer(environments.invoke(b"{}"))
        last_will.write_text(str(first), encoding="ascii")
        assert gone(first)
        assert answer(environments.invoke(b"{}")) != first


def test_closing_ends_running_invocations_and_refuses_further_ones(function: Function, place: Path) -> None:
    with ThreadPoolExecutor() as threads, ExecutionEnvironments(function(MEETING)) as environments:
        running = threads.submit(environments.invoke, meeting(place, 2))
        wait_until_somebody_is_at(place)
        environments.close()
        assert error(running.result(timeout=PATIENCE))["errorType"] == "Runtime.ExitError"
        with pytest.raises(RuntimeError, match="closed"):
            environments.invoke(b"{}")
