"""Run the functions one after another in every round, so that a disturbance of the machine affects all of them.

Every answer is checked, and every report to AWS Config: a wrong verdict ends the benchmark.
"""

import io
import json
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.endpoint import Call, Endpoint, has_virtual_device, verdict
from benchmark.result import Case, Measurements
from local_aws.aws_lambda.runtime import ExecutionEnvironment, FunctionSettings, Invocation

PROJECT = Path(__file__).parents[1]
PYTHON = PROJECT / ".venvs/lambda-runtime/bin/python"
ARTEFACT = PROJECT / ".aws-sam/build/RootVirtualMfaEnabledFunction"
FUNCTIONS = PROJECT / "benchmark/functions"

REGION = "us-east-1"
OWN_ACCOUNT = "111122223334"
OWN_ACCOUNT_WITHOUT_MFA = "111122223333"
_LAST_BUT_MEMBERS = 200_000_000_000
"""The account ids of the members follow this one."""
_OWN_EVENT = ("events/scheduled-own-account.json", "012345678912")
_MEMBER_EVENT = ("events/scheduled-member-account.json", "444455556666")


class WrongAnswerError(RuntimeError):
    """A function failed, gave a wrong verdict, or did not report what it answered. The message says which."""


@dataclass(frozen=True)
class Function:
    """A function to measure: the folder of its code, its handler, and further rule parameters for its own account."""

    name: str
    code: Path
    handler: str
    own_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How much to measure: cold starts, warm events for the own account, and member accounts with one event each."""

    rounds: int
    events: int
    accounts: int

    @property
    def early(self) -> int:
        """The number of member accounts after which memory counts as warmed up."""
        return min(100, self.accounts // 2)

    @property
    def steps(self) -> int:
        """The number of steps that `progress` hears about."""
        return len((OWN_ACCOUNT, OWN_ACCOUNT_WITHOUT_MFA)) + self.rounds + self.events + self.accounts


@contextmanager
def functions() -> Iterator[tuple[Function, Function, Function]]:
    """Give the package, the floor and the sample, each in a folder with what Lambda's runtime lacks and nothing compiled."""
    with TemporaryDirectory(prefix="root-virtual-mfa-benchmark-") as directory:
        floor, sample = (
            Path(shutil.copytree(FUNCTIONS / name, Path(directory, name), ignore=shutil.ignore_patterns("__pycache__")))
            for name in ("floor", "rdklib_sample")
        )
        shutil.copytree(ARTEFACT / "rdklib", sample / "rdklib")
        yield (
            Function("package", ARTEFACT, "root_virtual_mfa_enabled.rule.lambda_handler"),
            Function("floor", floor, "rule.lambda_handler"),
            # Otherwise rdklib assumes the recorder's role, which cannot work if that is the service-linked role.
            Function("rdklib's sample", sample, "rule.lambda_handler", {"AssumeRoleMode": "false"}),
        )


class Benchmark:
    """One run. It fills `measurements`, by the names of the functions and in their order."""

    def __init__(self, endpoint: Endpoint, functions: Iterable[Function]) -> None:
        """Measure `functions` against `endpoint`."""
        self._endpoint = endpoint
        self._functions = list(functions)
        self.measurements = {function.name: Measurements(zipped_bytes(function.code)) for function in self._functions}

    def run(self, plan: Plan, progress: Callable[[str], None]) -> None:
        """Measure everything, and tell `progress` about each step after it. Raises WrongAnswerError."""
        for account_id in (OWN_ACCOUNT_WITHOUT_MFA, OWN_ACCOUNT):
            self._start(account_id)  # not measured: the first start reads everything from the disk
            progress("first starts")
        for _ in range(plan.rounds):
            for its, invocation in self._start(OWN_ACCOUNT):
                its.cold.append((invocation.init_duration_ms or 0) + invocation.duration_ms)
            progress("cold starts")
        with ExitStack() as stack:
            environments = {
                function.name: stack.enter_context(self._environment(function, OWN_ACCOUNT)) for function in self._functions
            }
            self._run_warm(environments, plan, progress)

    def _run_warm(self, environments: Mapping[str, ExecutionEnvironment], plan: Plan, progress: Callable[[str], None]) -> None:
        self._invoke_each(environments, OWN_ACCOUNT, member=False)
        for _ in range(plan.events):
            for its, invocation in self._invoke_each(environments, OWN_ACCOUNT, member=False):
                its.warm.append(invocation.duration_ms)
            progress("warm runs, own account")
        for number in range(1, plan.accounts + 1):
            account_id = str(_LAST_BUT_MEMBERS + number)
            for its, invocation in self._invoke_each(environments, account_id, member=True):
                if has_virtual_device(account_id):  # the others make one call less
                    its.member.append(invocation.duration_ms)
            if number == plan.early:
                for name, its in self.measurements.items():
                    its.early_peak = peak_memory_mib(environments[name].process_id)
            progress("warm runs, member accounts")
        for name, its in self.measurements.items():
            its.late_peak = peak_memory_mib(environments[name].process_id)

    def _start(self, account_id: str) -> list[tuple[Measurements, Invocation]]:
        """Start each function for one event of its own account."""
        outcomes = []
        for function in self._in_turn():
            with self._environment(function, account_id) as environment:
                outcomes.append(self._invoke(function, environment, account_id, member=False))
        return outcomes

    def _invoke_each(
        self, environments: Mapping[str, ExecutionEnvironment], account_id: str, *, member: bool
    ) -> list[tuple[Measurements, Invocation]]:
        """Invoke each function for one event in its own environment."""
        return [self._invoke(function, environments[function.name], account_id, member=member) for function in self._in_turn()]

    def _in_turn(self) -> list[Function]:
        """Reverse the order each time, so that no function always follows the same one."""
        self._functions.reverse()
        return self._functions

    def _invoke(
        self, function: Function, environment: ExecutionEnvironment, account_id: str, *, member: bool
    ) -> tuple[Measurements, Invocation]:
        invocation = environment.invoke(event(account_id, {} if member else function.own_parameters, member=member))
        calls = self._endpoint.take_calls()
        check(function.name, account_id, invocation, calls)
        its = self.measurements[function.name]
        its.calls[_case(account_id, member=member)].add(sum(call.account_id is not None for call in calls))
        its.refused |= {call.action for call in calls if call.account_id is None}
        return its, invocation

    def _environment(self, function: Function, account_id: str) -> ExecutionEnvironment:
        variables = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": account_id,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": self._endpoint.url,
            # Nothing leaves this machine: the proxy refuses rdklib's fixed STS host at once, and there is no second attempt.
            "HTTPS_PROXY": self._endpoint.url,
            "AWS_MAX_ATTEMPTS": "1",
        }
        settings = FunctionSettings(
            code_dir=function.code,
            handler=function.handler,
            function_name="benchmark",
            function_arn=f"arn:aws:lambda:{REGION}:{account_id}:function:benchmark",
            memory_mb=256,
            timeout_seconds=140,
            environment=variables,
            python=PYTHON,
        )
        return ExecutionEnvironment(settings)


def event(account_id: str, parameters: Mapping[str, str], *, member: bool) -> bytes:
    """Make the event of an account from the real one in events/, with further rule parameters."""
    file, there = _MEMBER_EVENT if member else _OWN_EVENT
    fields = json.loads((PROJECT / file).read_text(encoding="utf-8").replace(there, account_id))
    rule_parameters = {**json.loads(fields["ruleParameters"]), **parameters}
    return json.dumps({**fields, "ruleParameters": json.dumps(rule_parameters), "resultToken": "benchmark"}).encode()


def check(name: str, account_id: str, invocation: Invocation, calls: Iterable[Call]) -> None:
    """Raise WrongAnswerError unless the function answered the right verdict, and reported it once with the account's keys."""
    expected = (account_id, verdict(account_id))
    answer = json.loads(invocation.payload)
    try:
        answered = [(evaluation["ComplianceResourceId"], evaluation["ComplianceType"]) for evaluation in answer]
    except (KeyError, TypeError):
        answered = []  # an error, which the message shows
    reports = [(call.account_id, call.reported) for call in calls if call.action == "PutEvaluations"]
    if invocation.function_error or answered != [expected] or reports != [(account_id, (expected,))]:
        message = (
            f"{name} is wrong about account {account_id}, which is {expected[1]}: it answered {answer!r} "
            f"and reported {reports!r}. Its log: {' '.join(invocation.log) or 'empty'}"
        )
        raise WrongAnswerError(message)


def machine() -> dict[str, str]:
    """Describe the machine: the processors, the system, and the stand-in for Lambda's runtime."""
    versions = "import botocore, platform; print('Python', platform.python_version() + ',', 'botocore', botocore.__version__)"
    said = subprocess.run([PYTHON, "-c", versions], check=True, capture_output=True, text=True)  # noqa: S603 - the words above
    return {
        "cpus": f"{os.cpu_count()} CPUs ({platform.machine()})",
        "system": platform.system(),
        "runtime": said.stdout.strip(),
    }


def peak_memory_mib(process_id: int) -> float | None:
    """Return the largest resident memory that a process has had, or None without /proc."""
    with suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def zipped_bytes(folder: Path) -> int:
    """Return the size of a folder's files as a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                zipped.writestr(path.relative_to(folder).as_posix(), path.read_bytes())
    return len(archive.getvalue())


def _case(account_id: str, *, member: bool) -> Case:
    if member:
        return Case.MEMBER if has_virtual_device(account_id) else Case.MEMBER_WITHOUT_MFA
    return Case.OWN if has_virtual_device(account_id) else Case.OWN_WITHOUT_MFA
