"""The scripts of runbooks on the local AWS: their input, their permissions, and how they end."""

import json
import os
import signal
from pathlib import Path

import pytest

from local_aws.client import LocalAwsClient, LocalAwsProcess
from local_aws.ssm.runbooks import converted
from tests.local_aws.automation_scene import Runbooks, output, payload_of, returning, script, statuses, step_of
from tests.local_aws.conftest import write_accounts
from tests.local_aws.process_scene import process_id, runs
from tests.local_aws.scene import Clients, clients_of, eventually


def said_of_nan() -> str:
    """Return what this Python, which the runtime's interpreter is made from, says about NaN in JSON. 3.13 says more."""
    with pytest.raises(ValueError, match="not JSON compliant") as error:
        json.dumps(float("nan"), allow_nan=False)
    return str(error.value)


@pytest.fixture
def runbooks(client: Clients, account_id: str) -> Runbooks:
    return Runbooks(client, account_id)


def test_a_script_gets_its_payload_and_gives_one(runbooks: Runbooks) -> None:
    payload = {
        "text": "{{ Text }}",
        "list": "{{ List }}",
        "switch": "{{ Switch }}",
        "within": "{{ Text }}/{{Switch}} {{ List }}",
        "nested": [{"{{ Text }}": "{{ global:ACCOUNT_ID }}"}],
        "literal": [1, None, 1.5],
    }
    parameters = {
        "Text": {"type": "String"},
        "List": {"type": "StringList"},
        "Switch": {"type": "Boolean"},
    }
    given: dict[str, str | list[str]] = {
        "Text": "a",
        "List": ["x", "y"],
        "Switch": "true",
    }
    execution = runbooks.run(returning("events", payload), given=given, parameters=parameters)
    assert payload_of(execution) == {
        "text": "a",
        "list": ["x", "y"],
        "switch": True,
        "within": 'a/true ["x", "y"]',
        "nested": [{"a": runbooks.account_id}],
        "literal": [1, None, 1.5],
    }


def test_a_text_that_is_json_may_be_handed_over_as_that(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    payload = {"Object": '{"a": [1]}', "List": "[]", "Number": "3", "Text": "{a", "Inner": [{"b": "{}"}]}
    assert payload_of(runbooks.run(returning("events", payload))) == payload
    local_aws.switch("parse-json-in-payloads", on=True)
    try:
        parsed = payload_of(runbooks.wait(runbooks.start()))
    finally:
        local_aws.switch("parse-json-in-payloads", on=False)
    assert parsed == {**payload, "Object": {"a": [1]}, "List": []}


def test_scripts_may_have_a_boto3_from_before_assume_root(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    has = script("""
        import boto3

        def handler(events, context):
            sts, iam = boto3.client("sts"), boto3.client("iam")
            operations = [(sts, "assume_root"), (sts, "assume_role"), (iam, "list_organizations_features"), (iam, "get_user")]
            return {"has": [hasattr(client, name) for client, name in operations]}
    """)
    assert payload_of(runbooks.run(has)) == {"has": [True] * 4}
    local_aws.switch("boto3-without-assume-root", on=True)
    try:
        older = payload_of(runbooks.wait(runbooks.start()))
    finally:
        local_aws.switch("boto3-without-assume-root", on=False)
    assert older == {"has": [False, True, False, True]}


def test_outputs_are_selected_and_referred_to_in_their_types(runbooks: Runbooks) -> None:
    first = returning(
        "{'who': 'root', 'on': True, 'device': {'id': 'b'}, 'names': ['x', 'y']}",
        name="first",
        outputs=[
            output("Who", "$.Payload.who"),
            output("On", "$.Payload.on", "Boolean"),
            output("Device", "$.Payload.device.id"),
            output("Names", "$.Payload.names", "StringList"),
            output("Missing", "$.Payload.none"),
            output("Below", "$.Payload.who.none"),
        ],
    )
    payload = {name: f"{{{{ first.{name} }}}}" for name in ("Who", "On", "Device", "Names")}
    execution = runbooks.run(
        first,
        returning("events", payload, "second"),
        outputs=["first.Who", "first.On", "first.Names", "first.Missing"],
    )
    assert payload_of(execution, "second") == {
        "Who": "root",
        "On": True,
        "Device": "b",
        "Names": ["x", "y"],
    }
    assert execution["Outputs"] == {
        "first.Who": ["root"],
        "first.On": ["true"],
        "first.Names": ["x", "y"],
        "first.Missing": ["No output available yet because the step is not successfully executed"],
    }
    assert not {"Missing", "Below"} & set(step_of(execution, "first")["Outputs"])


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(0)", "The script ended its process."),
        ("return None", "The script returned no mapping, but NoneType: None"),
        ("return ['a']", "The script returned no mapping, but list: ['a']"),
        ("return {'a': object}", "TypeError: Object of type type is not JSON serializable"),
        ("return {'a': float('nan')}", f"ValueError: {said_of_nan()}"),
        ("return {'a': 'x' * 102400}", "The script returned 102409 bytes of JSON: 102400 are the most."),
        ("import awslambdaric", "ModuleNotFoundError: No module named 'awslambdaric'"),
        ("import simplejson", "ModuleNotFoundError: No module named 'simplejson'"),
        ("import pip", "ModuleNotFoundError: No module named 'pip'"),
        ("import local_aws", "ModuleNotFoundError: No module named 'local_aws'"),
    ],
)
def test_a_script_fails_its_step(runbooks: Runbooks, code: str, failure: str) -> None:
    execution = runbooks.run(script(f"def handler(events, context):\n    {code}\n"))
    assert (execution["AutomationExecutionStatus"], statuses(execution)) == ("Failed", {"script": "Failed"})
    assert step_of(execution)["FailureMessage"] == failure
    assert execution["FailureMessage"] == f"Step script failed: {failure}"
    assert "Payload" not in step_of(execution)["Outputs"]


def test_a_handler_that_is_not_there_fails_its_step(runbooks: Runbooks) -> None:
    execution = runbooks.run(script("def another(events, context):\n    return {}\n"))
    assert step_of(execution)["FailureMessage"] == "The script has no function handler."


CONVERTED: list[tuple[object, str, object]] = [
    ("a", "StringList", ["a"]),
    ("true", "Boolean", True),
    ("False", "Boolean", False),
    (3, "String", "3"),
    (3, "StringList", ["3"]),
    (True, "String", "true"),
    (True, "StringList", ["true"]),
    (["a"], "String", "a"),
    ([3], "String", "3"),
    ([True], "Boolean", True),
]
"""A value that a script returns, the type that its output declares, and the output.

Source: automation-action-outputs-inputs.html; it does not say how a Boolean is spelt.
"""
NOT_CONVERTED: list[tuple[object, str]] = [
    ("yes", "Boolean"),
    (1, "Boolean"),
    (1.5, "String"),
    (None, "String"),
    (["a", "b"], "String"),
    ([["a"]], "String"),
    ([1, 2], "StringList"),
    ([], "String"),
    ({"a": "b"}, "String"),
    ({"a": "b"}, "StringList"),
]


def test_outputs_are_converted_to_the_types_that_they_declare(runbooks: Runbooks) -> None:
    values = {f"v{number}": value for number, (value, _, _) in enumerate(CONVERTED)}
    declared = [output(f"v{number}", f"$.Payload.v{number}", kind) for number, (_, kind, _) in enumerate(CONVERTED)]
    first = returning(repr(values), name="first", outputs=declared)
    referred = {name: f"{{{{ first.{name} }}}}" for name in values}
    execution = runbooks.run(first, returning("events", referred, "second"))
    assert payload_of(execution, "second") == {f"v{number}": value for number, (_, _, value) in enumerate(CONVERTED)}
    # A user quotes it of another action: each output is a list of texts, and OutputPayload has all as JSON.
    outputs = step_of(execution, "first")["Outputs"]
    assert all(isinstance(text, str) for texts in outputs.values() for text in texts)
    [whole] = outputs["OutputPayload"]
    assert json.loads(whole) == {"Payload": values}


@pytest.mark.parametrize(("value", "kind"), NOT_CONVERTED)
def test_an_output_that_no_conversion_makes_fails_its_step(value: object, kind: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind}"):
        converted(value, kind)


def test_an_output_of_another_type_fails_its_step(runbooks: Runbooks) -> None:
    execution = runbooks.run(returning("{'on': 'on'}", outputs=[output("On", "$.Payload.on", "Boolean")]))
    assert step_of(execution)["FailureMessage"] == "Its output On is no Boolean: on"


def test_what_a_script_writes_is_no_output_of_it(runbooks: Runbooks) -> None:
    execution = runbooks.run(script("def handler(events, context):\n    print('said')\n    return {}\n"))
    assert payload_of(execution) == {}
    assert step_of(execution)["Outputs"]["ExecutionLog"] == ["said\n"]


def test_a_failure_leaves_its_traceback_in_the_log(runbooks: Runbooks) -> None:
    execution = runbooks.run(script("def handler(events, context):\n    print('before')\n    return events['none']\n"))
    [log] = step_of(execution)["Outputs"]["ExecutionLog"]
    assert log.startswith("before\nTraceback")
    assert 'File "script.py", line 3, in handler' in log


def test_a_script_has_the_packages_of_the_runtime(runbooks: Runbooks) -> None:
    code = """
        import dateutil.parser, jmespath, sqlite3, urllib3
        import boto3, botocore
        def handler(events, context):
            return {"context": context}
    """
    assert runbooks.run(script(code))["AutomationExecutionStatus"] == "Success"


def test_a_script_acts_as_the_role_of_its_execution(runbooks: Runbooks) -> None:
    code = """
        import boto3
        def handler(events, context):
            boto3.client("iam").get_account_summary()
            return {"who": boto3.client("sts").get_caller_identity()["Arn"]}
    """
    denied = runbooks.run(script(code))
    assert step_of(denied)["FailureMessage"].startswith("ClientError: An error occurred (AccessDenied)")
    runbooks.allow("iam:GetAccountSummary")
    execution = runbooks.wait(runbooks.start())
    session = f"assumed-role/automation/Automation-{execution['AutomationExecutionId']}"
    assert payload_of(execution) == {"who": f"arn:aws:sts::{runbooks.account_id}:{session}"}


def test_a_script_knows_nothing_of_the_machine(runbooks: Runbooks) -> None:
    names = runbooks.run(returning("{'names': list(__import__('os').environ)}"))
    assert set(payload_of(names)["names"]) == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "HOME",
        "LANG",
        "PATH",
        "TZ",
    }


def test_each_script_begins_afresh(runbooks: Runbooks) -> None:
    code = """
        import os, sys
        seen = []
        def handler(events, context):
            import json
            seen.append(1)
            before = {"seen": len(seen), "left": os.environ.get("LEFT"), "json": hasattr(json, "left")}
            os.environ["LEFT"] = json.left = "here"
            return before
    """
    execution = runbooks.run(script(code, name="first"), script(code, name="second"))
    assert payload_of(execution, "first") == payload_of(execution, "second") == {"seen": 1, "left": None, "json": False}


# Time

SLEEPER = """
    import time
    def handler(events, context):
        before = time.monotonic()
        time.sleep(events["seconds"])
        return {"slept": round(time.monotonic() - before)}
"""


def test_a_script_sleeps_by_the_clock_of_the_local_aws(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(script(SLEEPER, {"seconds": 90}))
    execution_id = runbooks.start()
    local_aws.advance_clock(seconds=90)
    assert payload_of(runbooks.wait(execution_id, "Success")) == {"slept": 90}


def test_a_script_goes_on_by_itself_when_its_time_has_come(runbooks: Runbooks) -> None:
    code = """
        import time
        def handler(events, context):
            for _ in range(3):
                time.sleep(0.05)
            return {}
    """
    assert runbooks.run(script(code))["AutomationExecutionStatus"] == "Success"


def test_sleep_counts_for_the_time_out(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(script(SLEEPER, {"seconds": 90}, timeoutSeconds=60))
    execution_id = runbooks.start()
    local_aws.advance_clock(seconds=60)
    execution = runbooks.wait(execution_id, "TimedOut")
    assert statuses(execution) == {"script": "TimedOut"}
    assert step_of(execution)["FailureMessage"] == "The script took more than 60 seconds."


def test_a_script_that_takes_too_long_is_killed(runbooks: Runbooks) -> None:
    code = """
        import subprocess
        def handler(events, context):
            subprocess.run(["sleep", "100"])
    """
    execution = runbooks.run(script(code, timeoutSeconds=1))
    assert statuses(execution) == {"script": "TimedOut"}


def test_scripts_that_sleep_keep_no_other_from_running(local_aws: LocalAwsClient, runbooks: Runbooks) -> None:
    runbooks.create(script(SLEEPER, {"seconds": 300}))
    sleepers = [runbooks.start() for _ in range(12)]
    runbooks.create(returning("{}"), name="Awake")
    runbooks.wait(runbooks.start("Awake"), "Success")
    local_aws.advance_clock(seconds=300)
    assert {payload_of(runbooks.wait(sleeper, "Success"))["slept"] for sleeper in sleepers} == {300}


def test_a_script_ends_with_its_execution(runbooks: Runbooks) -> None:
    runbooks.create(script(SLEEPER, {"seconds": 500}))
    execution_id = runbooks.start()
    assert eventually(lambda: "CurrentStepName" in runbooks.get(execution_id))
    runbooks.ssm.stop_automation_execution(AutomationExecutionId=execution_id)
    execution = runbooks.wait(execution_id)
    assert (execution["AutomationExecutionStatus"], statuses(execution)) == ("Cancelled", {"script": "Cancelled"})


# The process that runs them


NOTES_PIDS = """
    import os, pathlib, time
    def handler(events, context):
        pathlib.Path(events["note"]).write_text(" ".join(map(str, [os.getppid(), os.getpid()])))
        time.sleep(500)
"""


def pids_in(note: Path) -> list[int]:
    """Wait until a script has noted its own process and the one that runs scripts."""
    assert eventually(lambda: note.exists() and note.read_text(encoding="ascii"))
    return [int(pid) for pid in note.read_text(encoding="ascii").split()]


def test_a_process_that_is_killed_is_started_anew(runbooks: Runbooks, tmp_path: Path) -> None:
    """All scripts of the process fail and end, also one that sleeps while a later one runs."""
    started = []
    for name in ("First", "Second"):
        runbooks.create(script(NOTES_PIDS, {"note": str(tmp_path / name)}), name=name)
        started.append(runbooks.start(name))
    (runner, first), (_, second) = (pids_in(tmp_path / name) for name in ("First", "Second"))
    os.kill(runner, signal.SIGKILL)
    for execution_id in started:
        failure = step_of(runbooks.wait(execution_id, "Failed"))["FailureMessage"]
        assert failure == "The process that ran the script has ended."
    assert eventually(lambda: not (runs(first) or runs(second)))
    runbooks.create(returning("{}"), name="Third")
    runbooks.wait(runbooks.start("Third"), "Success")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_all_ends_with_the_server(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("killed")))  # what is killed leaves its folder behind
    with LocalAwsProcess(write_accounts(tmp_path, {"111111111111": {}}), tmp_path / "log") as process:
        runbooks = Runbooks(clients_of(process), "111111111111")
        runbooks.create(script(NOTES_PIDS, {"note": str(tmp_path / "note")}))
        runbooks.start()
        pids = pids_in(tmp_path / "note")
        assert [runs(pid) for pid in pids] == [True, True]
        os.kill(process_id(process), number)
        assert eventually(lambda: not any(runs(pid) for pid in pids))
