"""The benchmark's arithmetic: medians, ratios and aims, and which answers it accepts."""

import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.endpoint import Call
from benchmark.measure import WrongAnswerError, check, event, zipped_bytes
from benchmark.result import Case, Measurements, Row, as_json, rows
from local_aws.aws_lambda.runtime import Invocation
from periodic_rule.event import ScheduledNotification

COMPLIANT_ACCOUNT, FAILING_ACCOUNT = "200000000002", "200000000001"


def measurements(**changes: Any) -> Measurements:  # noqa: ANN401 - any field
    calls = {Case.OWN_WITHOUT_MFA: {2}, Case.OWN: {3}, Case.MEMBER_WITHOUT_MFA: {3}, Case.MEMBER: {4}}
    measured = Measurements(2048, [300.0, 100.0, 200.0], [4.0], [10.0, 20.0], calls, 50.0, 51.0)
    return replace(measured, **changes)


def table(package: Measurements, floor: Measurements) -> dict[str, Row]:
    return {row.measure: row for row in rows(package, floor, measurements(), (100, 3000))}


def test_the_table_has_medians_and_their_ratios_to_the_floor() -> None:
    found = table(measurements(cold=[220.0, 1000.0, 210.0], member=[15.0, 24.0]), measurements())
    cold = found["Cold start: from the start of the process to the answer"]
    assert (cold.package, cold.floor, cold.sample, cold.unit) == (220.0, 200.0, 200.0, "ms")
    assert cold.ratio == pytest.approx(1.1)
    assert cold.sample_ratio == 1.0
    member = found["Warm run, member account"]
    assert (member.package, member.ratio) == (19.5, 1.3)
    assert found["Warm run, own account"].ratio == 1.0
    assert found["Artefact, zipped"].package == 2.0


@pytest.mark.parametrize(
    ("changes", "measure", "met"),
    [
        ({"cold": [220.0]}, "Cold start: from the start of the process to the answer", True),
        ({"cold": [222.0]}, "Cold start: from the start of the process to the answer", False),
        ({"warm": [5.0]}, "Warm run, own account", True),
        ({"warm": [5.1]}, "Warm run, own account", False),
        ({"member": [18.75]}, "Warm run, member account", True),
        ({"member": [19.0]}, "Warm run, member account", False),
        ({"late_peak": 56.0}, "Memory growth from the one to the other", True),
        ({"late_peak": 57.0}, "Memory growth from the one to the other", False),
        ({"artefact_bytes": 10**9}, "Artefact, zipped", None),
    ],
)
def test_an_aim_is_met_up_to_its_ratio(changes: dict[str, Any], measure: str, met: bool | None) -> None:  # noqa: FBT001 - a column
    assert table(measurements(**changes), measurements())[measure].met is met


def test_memory_growth_is_a_factor_and_compares_with_the_floors() -> None:
    growth = table(measurements(early_peak=60.0, late_peak=66.0), measurements())["Memory growth from the one to the other"]
    assert growth.package == pytest.approx(1.1)
    assert growth.floor == pytest.approx(1.02)
    assert growth.ratio == pytest.approx(1.1 / 1.02)


def test_calls_are_counted_by_case_and_the_largest_number_is_shown() -> None:
    varying = {**measurements().calls, Case.MEMBER: {4, 5}}
    found = table(measurements(calls=varying), measurements())
    shown = {case: found[f"API calls, {case}"].package for case in Case}
    assert shown == {Case.OWN_WITHOUT_MFA: 2, Case.OWN: 3, Case.MEMBER_WITHOUT_MFA: 3, Case.MEMBER: 5}


def test_what_could_not_be_read_is_none_and_no_aim_is_judged() -> None:
    found = table(measurements(early_peak=None, late_peak=None), measurements())
    growth = found["Memory growth from the one to the other"]
    assert (growth.package, growth.ratio, growth.met) == (None, None, None)


def test_the_json_holds_each_line_with_its_ratio_and_aim() -> None:
    written = json.loads(json.dumps(as_json({"cpus": "2 CPUs"}, [Row("Warm run", "ms", 5.0, 4.0, None, 1.25)])))
    assert written["machine"] == {"cpus": "2 CPUs"}
    [line] = written["rows"]
    assert (line["package"], line["package_to_floor"], line["aim"], line["met"]) == (5.0, 1.25, 1.25, True)
    assert (line["sample"], line["sample_to_floor"]) == (None, None)


# --- Answers ---


def invocation(payload: object, *, failed: bool = False) -> Invocation:
    return Invocation(
        request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        payload=json.dumps(payload).encode(),
        function_error="Unhandled" if failed else None,
        log=("the last words",),
        log_stream="stream",
        duration_ms=1.0,
        init_duration_ms=None,
        max_memory_mb=None,
    )


def evaluation(account_id: str, compliance_type: str) -> dict[str, str]:
    return {"ComplianceResourceId": account_id, "ComplianceType": compliance_type}


def report(account_id: str, compliance_type: str, credentials_of: str | None = None) -> Call:
    return Call("PutEvaluations", credentials_of or account_id, ((account_id, compliance_type),))


@pytest.mark.parametrize(
    ("account_id", "compliance_type"), [(COMPLIANT_ACCOUNT, "COMPLIANT"), (FAILING_ACCOUNT, "NON_COMPLIANT")]
)
def test_a_right_answer_that_was_reported_is_taken(account_id: str, compliance_type: str) -> None:
    calls = [Call("GetAccountSummary", account_id), report(account_id, compliance_type)]
    check("package", account_id, invocation([evaluation(account_id, compliance_type)]), calls)


RIGHT = invocation([evaluation(COMPLIANT_ACCOUNT, "COMPLIANT")])
RIGHT_REPORT = report(COMPLIANT_ACCOUNT, "COMPLIANT")


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        pytest.param(
            invocation([evaluation(COMPLIANT_ACCOUNT, "NON_COMPLIANT")]),
            [report(COMPLIANT_ACCOUNT, "NON_COMPLIANT")],
            id="wrong verdict",
        ),
        pytest.param(invocation([evaluation(FAILING_ACCOUNT, "COMPLIANT")]), [RIGHT_REPORT], id="another account"),
        pytest.param(invocation({"internalErrorMessage": "rdklib's way to fail"}), [], id="an error returned"),
        pytest.param(invocation({"errorType": "ReadError"}, failed=True), [RIGHT_REPORT], id="failed"),
        pytest.param(invocation([]), [RIGHT_REPORT], id="nothing answered"),
        pytest.param(invocation(None), [RIGHT_REPORT], id="null answered"),
        pytest.param(RIGHT, [], id="not reported"),
        pytest.param(RIGHT, [RIGHT_REPORT, RIGHT_REPORT], id="reported twice"),
        pytest.param(RIGHT, [report(COMPLIANT_ACCOUNT, "NON_COMPLIANT")], id="another verdict reported"),
        pytest.param(RIGHT, [report(COMPLIANT_ACCOUNT, "COMPLIANT", FAILING_ACCOUNT)], id="another's credentials"),
    ],
)
def test_a_wrong_answer_ends_the_benchmark_and_says_whose(answer: Invocation, calls: list[Call]) -> None:
    with pytest.raises(WrongAnswerError, match=f"floor is wrong about account {COMPLIANT_ACCOUNT}.*the last words"):
        check("floor", COMPLIANT_ACCOUNT, answer, calls)


# --- What goes in ---


@pytest.mark.parametrize("member", [False, True])
def test_an_event_is_about_its_account_alone(load_event: Callable[[str], dict[str, Any]], *, member: bool) -> None:
    text = event(COMPLIANT_ACCOUNT, {"AssumeRoleMode": "false"}, member=member)
    made = ScheduledNotification.from_event(json.loads(text), time.time())
    real = load_event("scheduled-member-account" if member else "scheduled-own-account")
    assert made.account_id == COMPLIANT_ACCOUNT
    assert dict(made.rule_parameters) == {**json.loads(real["ruleParameters"]), "AssumeRoleMode": "false"}
    assert made.result_token != "TESTMODE"  # noqa: S105 - not a secret: AWS Config does not keep such an evaluation


def test_the_size_is_that_of_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "function"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "rule.py").write_text("print()\n" * 1000, encoding="utf-8")
    (folder / "rule.py").write_text("", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "expected.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "package" / "rule.py", "package/rule.py")
        archive.write(folder / "rule.py", "rule.py")
    assert zipped_bytes(folder) == (tmp_path / "expected.zip").stat().st_size
