"""Automation: executions of runbooks. Each one assumes a role and acts as its session.

An execution calls the local AWS through its API, as any client does, so IAM policies decide.

Sources: API model, ssm; https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-actions.html and the pages
of the actions, automation-statuses.html, automation-troubleshooting.html, automation-variables.html.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from local_aws.authorization import dependent_actions, service_roles
from local_aws.authorization.service_roles import Credentials, NotTrustedError
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from local_aws.core.switches import Switches
from local_aws.ssm.documents import Documents, Version
from local_aws.ssm.runbooks import (
    API_TIMEOUT,
    APPROVAL_TIMEOUT,
    LONGEST_SLEEP,
    ROLE,
    SCRIPT_TIMEOUT,
    Approval,
    Lookup,
    Runbook,
    Step,
    api_operation,
    converted,
    resolve,
    select,
    sleep_until,
    text,
)
from local_aws.ssm.script_processes import Script, ScriptResult, Scripts
from local_aws.ssm.waiting_work import Waiting, Work

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

SERVICE = "ssm.amazonaws.com"
"""The principal that assumes the roles of executions."""
_MOST_RUNNING, _MOST_PENDING = 100, 1000
"""The most executions that run, and that wait, in an account and Region.

Source: https://docs.aws.amazon.com/systems-manager/latest/userguide/scheduling-automations-state-manager-associations.html
"""
_PAGE = 50
_PAGES = Pages("InvalidNextToken")
_ENDED = {"Success", "TimedOut", "Cancelled", "Failed"}
_NO_OUTPUT = "No output available yet because the step is not successfully executed"
_INVALID_PARAMETERS = "InvalidAutomationExecutionParametersException"
_NOT_EMULATED = (
    "AlarmConfiguration",
    "MaxConcurrency",
    "MaxErrors",
    "Tags",
    "TargetLocations",
    "TargetLocationsURL",
    "TargetMaps",
    "TargetParameterName",
    "Targets",
)
_log = logging.getLogger(__name__)

_WITH_ASSUME_ROOT = {"sts": ["AssumeRoot"], "iam": ["ListOrganizationsFeatures"]}
"""What came to boto3 with sts:AssumeRoot, in 1.35.60: operations by service."""


class _StepFailedError(Exception):
    """An attempt of a step failed. The message says why; `status` is the step's, `failure_type` that of FailureDetails."""

    def __init__(self, message: str, status: str = "Failed", failure_type: str = "Action") -> None:
        super().__init__(message)
        self.status = status
        self.failure_type = failure_type


@dataclass
class StepExecution:
    """The state of a step in an execution."""

    step: Step
    step_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "Pending"
    started: datetime | None = None
    ended: datetime | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    """The inputs, with references resolved."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """The outputs, in their types."""
    log: str = ""
    """The output of a script."""
    failure: str | None = None
    failure_type: str = ""
    decisions: dict[str, dict[str, str]] = field(default_factory=dict)
    """The decisions, by the entry in Approvers."""


@dataclass
class Execution:
    """An execution. `values` are its parameters, in their types."""

    execution_id: str
    scope: Scope
    document_name: str
    version: Version
    values: Mapping[str, Any]
    executed_by: str
    started: datetime
    steps: Mapping[str, StepExecution]
    role: str = ""
    when_finished: "Callable[[Execution], None] | None" = None
    status: str = "Pending"
    ended: datetime | None = None
    failure_message: str | None = None
    stop: str | None = None
    """Cancel or Complete, if someone stopped it."""
    current: StepExecution | None = None

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        account_id, region = self.scope
        return f"arn:aws:ssm:{region}:{account_id}:automation-execution/{self.execution_id}"

    @property
    def runbook(self) -> Runbook:
        """The runbook that it executes."""
        return self.version.runbook

    @property
    def has_ended(self) -> bool:
        """Whether the execution has ended."""
        return self.status in _ENDED


class Automation:
    """Automation in every account and Region. It executes `documents` by `clock`, and calls the services at `endpoint_url`."""

    def __init__(self, endpoint_url: str, runtime_python: Path, documents: Documents, clock: Clock, switches: Switches) -> None:
        """Start without executions. Scripts run with `runtime_python`."""
        self._switches = switches
        self._endpoint_url = endpoint_url
        self._documents = documents
        self._clock = clock
        self._scripts = Scripts(endpoint_url, runtime_python, clock)
        self._work = Work(clock)
        self._session = botocore.session.Session()
        self._making_client = Lock()  # a session can make only one client at a time
        self._executions: dict[Scope, dict[str, Execution]] = {}
        self._tokens: dict[tuple[Scope, str], tuple[dict[str, Any], str]] = {}
        """The request and the execution's id, by ClientToken."""
        self._lock = RLock()
        self._actions: Mapping[str, Callable[[Execution, StepExecution], Waiting]] = {
            "aws:approve": self._approve,
            "aws:branch": self._branch,
            "aws:executeAwsApi": self._execute_aws_api,
            "aws:executeScript": self._execute_script,
            "aws:sleep": self._sleep,
        }
        self.operations: Operations = {
            "StartAutomationExecution": self.start_automation_execution,
            "GetAutomationExecution": self.get_automation_execution,
            "DescribeAutomationExecutions": self.describe_automation_executions,
            "DescribeAutomationStepExecutions": self.describe_automation_step_executions,
            "SendAutomationSignal": self.send_automation_signal,
            "StopAutomationExecution": self.stop_automation_execution,
        }

    def close(self) -> None:
        """Stop all executions. Stop the clock first."""
        self._scripts.close()
        self._work.close()

    # Starting

    def start(  # noqa: PLR0913 - what an execution has
        self,
        account_id: str,
        region: str,
        document_name: str,
        parameters: Mapping[str, Sequence[str]],
        *,
        document_version: str | None = None,
        executed_by: str,
        when_finished: Callable[[Execution], None] | None = None,
    ) -> str:
        """Start an execution on behalf of `executed_by`, an ARN, and return its id.

        `when_finished` is called when it has ended, on another thread, in its account and Region. Raises AwsError as
        StartAutomationExecution does.
        """
        execution = self._prepare((account_id, region), document_name, document_version, parameters, executed_by)
        execution.when_finished = when_finished
        self._begin(execution)
        return execution.execution_id

    def start_automation_execution(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Start an execution. The caller needs iam:PassRole for its role."""
        not_emulated = [name for name in _NOT_EMULATED if name in params]
        if not_emulated or params.get("Mode", "Auto") != "Auto":
            message = f"The local AWS does not emulate {', '.join(not_emulated) or 'the interactive mode'} of an execution."
            raise AwsError(_INVALID_PARAMETERS, message)
        scope = callers.scope(account_id)
        token = (scope, params.get("ClientToken", str(uuid.uuid4())))
        with self._lock:
            request, execution_id = self._tokens.get(token, (params, None))
            if request != params:
                message = "The ClientToken was used with other parameters."
                raise AwsError("IdempotentParameterMismatch", message)
            if execution_id is None:
                given = params.get("Parameters", {})
                caller = callers.principal()
                execution = self._prepare(scope, params["DocumentName"], params.get("DocumentVersion"), given, caller)
                _check_pass_role(execution.role, scope[1])
                self._begin(execution)
                execution_id = execution.execution_id
                self._tokens[token] = (params, execution_id)
        return {"AutomationExecutionId": execution_id}

    def _prepare(
        self, scope: Scope, name: str, number: str | None, given: Mapping[str, Sequence[str]], executed_by: str
    ) -> Execution:
        document = self._documents.find(*scope, name)
        if document is None:
            message = f"Automation definition {name} does not exist."
            raise AwsError("AutomationDefinitionNotFoundException", message)
        version = document.version(number)
        if version is None:
            message = f"Automation definition {name} has no version {number}."
            raise AwsError("AutomationDefinitionVersionNotFoundException", message)
        execution = Execution(
            str(uuid.uuid4()),
            scope,
            document.name,
            version,
            _read_parameters(version.runbook, given),
            executed_by,
            self._clock.now(),
            {name: StepExecution(step) for name, step in version.runbook.steps.items()},
        )
        execution.role = str(resolve(version.runbook.assume_role or "", self._lookup(execution)))
        if not execution.role:
            message = "The local AWS emulates executions that assume a role only, and not those that act as their caller."
            raise AwsError(_INVALID_PARAMETERS, message)
        if not ROLE.fullmatch(execution.role):
            message = f"The format of the supplied assume role ARN is invalid: {execution.role}"
            raise AwsError(_INVALID_PARAMETERS, message)
        try:
            _assume(execution)
        except NotTrustedError as error:
            message = f"The defined assume role is unable to be assumed. {error}"
            raise AwsError(_INVALID_PARAMETERS, message) from error
        return execution

    def _begin(self, execution: Execution) -> None:
        """Run the execution now, or let it wait while too many others run."""
        with self._lock:
            executions = self._executions.setdefault(execution.scope, {})
            going_on = sum(not each.has_ended for each in executions.values())
            if going_on >= _MOST_RUNNING + _MOST_PENDING:
                message = f"{_MOST_RUNNING} executions run and {_MOST_PENDING} wait, which is the most."
                raise AwsError("AutomationExecutionLimitExceededException", message)
            executions[execution.execution_id] = execution
            if going_on < _MOST_RUNNING:
                self._run(execution)

    # Running

    def _run(self, execution: Execution) -> None:
        execution.status = "InProgress"
        self._work.start(execution.execution_id, execution.scope, self._run_steps(execution))

    def _run_steps(self, execution: Execution) -> Waiting:
        """Run the steps, from the first to the last."""
        following: str | None = next(iter(execution.steps))
        status, message = "Success", None
        while following is not None and execution.stop is None:
            current = execution.steps[following]
            current.started = self._clock.now()
            execution.current = current
            yield from self._run_step(execution, current)
            step = current.step
            if current.status == "Success":
                following = self._after_branch(current) if step.action == "aws:branch" else step.next_step
            else:
                following = step.after_failure
                if step.is_critical or step.on_failure == "Abort":
                    status = current.status if step.on_failure == "Abort" else "Failed"
                    message = message or f"Step {step.name} failed: {current.failure}"
        if execution.stop == "Cancel":
            status, message = "Cancelled", None
        self._end(execution, status, message)

    def _after_branch(self, current: StepExecution) -> str | None:
        """Return the step after an aws:branch. A switch reverses what isEnd means if no choice holds."""
        reverses = self._switches.is_on("branch-end-reversed")
        otherwise = current.step.next_step_reversed if reverses else current.step.next_step
        chosen: str | None = current.outputs.get("NextStep", otherwise)
        return chosen

    def _end(self, execution: Execution, status: str, message: str | None) -> None:
        with self._lock:
            execution.current = None
            execution.status, execution.failure_message, execution.ended = status, message, self._clock.now()
            going_on = [each for each in self._executions[execution.scope].values() if not each.has_ended]
            pending = [each for each in going_on if each.status == "Pending"]
            if pending and len(going_on) - len(pending) < _MOST_RUNNING:
                self._run(pending[0])
        if execution.when_finished is not None:
            execution.when_finished(execution)

    def _run_step(self, execution: Execution, current: StepExecution) -> Waiting:
        """Attempt a step until it succeeds or its attempts are used up."""
        for attempt in count(1):
            current.status, status, current.failure = "InProgress", "Success", None
            try:
                yield from self._attempt(execution, current)
            except _StepFailedError as error:
                status, current.failure, current.failure_type = error.status, str(error), error.failure_type
            except Exception as error:  # noqa: BLE001 - the step fails, and the log says why
                _log.exception("Step %s of %s failed", current.step.name, execution.arn)
                status, current.failure, current.failure_type = "Failed", f"Internal Server Error. {error}", "Internal"
            if status == "Success" or execution.stop or attempt >= current.step.max_attempts:
                break
        current.ended = self._clock.now()
        current.status = "Cancelled" if execution.stop == "Cancel" else status

    def _attempt(self, execution: Execution, current: StepExecution) -> Waiting:
        step = current.step
        if step.choices:  # a variable of a branch may have no value
            current.inputs = dict(step.inputs)
        else:
            try:
                current.inputs = resolve(step.inputs, self._lookup(execution))
            except KeyError as error:
                message = f"{error.args[0]} has no value, since its step did not give it one."
                raise _StepFailedError(message) from error
        yield from self._actions[step.action](execution, current)

    def _lookup(self, execution: Execution) -> Lookup:
        """Return a function that finds the value of a parameter, a variable of Automation or an output. It raises KeyError."""
        account_id, region = execution.scope
        now = self._clock.now()
        variables = {
            **execution.values,
            "global:ACCOUNT_ID": account_id,
            "global:AWS_PARTITION": "aws",
            "global:DATE": f"{now:%Y-%m-%d}",
            "global:DATE_TIME": f"{now:%Y-%m-%d_%H.%M.%S}",
            "global:REGION": region,
            "automation:EXECUTION_ID": execution.execution_id,
        }
        outputs = {
            f"{name}.{output}": value for name, each in execution.steps.items() for output, value in each.outputs.items()
        }
        return (variables | outputs).__getitem__

    # Actions

    def _branch(self, execution: Execution, current: StepExecution) -> Waiting:
        lookup = self._lookup(execution)
        chosen = [choice.next_step for choice in current.step.choices if choice.condition.holds(lookup)]
        current.outputs = {"NextStep": chosen[0]} if chosen else {}
        yield from ()

    def _execute_script(self, execution: Execution, current: StepExecution) -> Waiting:
        region, inputs = execution.scope[1], current.inputs
        variables = _credentials(execution).environment | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        timeout = current.step.timeout or SCRIPT_TIMEOUT
        payload = inputs.get("InputPayload", {})
        if self._switches.is_on("parse-json-in-payloads"):
            payload = {name: _parsed(value) for name, value in payload.items()}
        old = self._switches.is_on("boto3-without-assume-root")
        script = Script(inputs["Script"], inputs["Handler"], payload, variables, timeout, _WITH_ASSUME_ROOT if old else {})
        results: list[ScriptResult] = []

        def done(result: ScriptResult) -> None:
            results.append(result)
            self._work.wake(execution.execution_id)

        end = self._scripts.run(script, done)
        while not results:
            yield None
            if execution.stop == "Cancel":
                end()
        [result] = results
        current.log = result.log
        if result.timed_out:
            message = f"The script took more than {timeout.total_seconds():.0f} seconds."
            raise _StepFailedError(message, "TimedOut")
        if result.error is not None:
            raise _StepFailedError(result.error)
        returned = {"Payload": result.payload}
        current.outputs = {**returned, "OutputPayload": returned, **_outputs(current.step, returned)}

    def _execute_aws_api(self, execution: Execution, current: StepExecution) -> Waiting:
        service, operation = current.inputs["Service"], api_operation(current.inputs["Service"], current.inputs["Api"]).name
        parameters = {key: value for key, value in current.inputs.items() if key not in {"Service", "Api"}}
        timeout = min(current.step.timeout or API_TIMEOUT, API_TIMEOUT)
        response = self._call(execution, service, execution.scope[1], operation, parameters, timeout)
        current.outputs = _outputs(current.step, response)
        yield from ()

    def _call(  # noqa: PLR0913, PLR0917 - what a call has
        self,
        execution: Execution,
        service: str,
        region: str,
        operation: str,
        parameters: Mapping[str, Any],
        timeout: timedelta = API_TIMEOUT,
    ) -> Any:  # noqa: ANN401 - JSON
        """Call an API as the execution's role, and return the response as JSON."""
        credentials = _credentials(execution)
        settings = ClientConfig(read_timeout=timeout.total_seconds(), retries={"total_max_attempts": 3})
        with self._making_client:
            client: Any = self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=credentials.session_token,
                config=settings,
            )
        try:
            with closing(client):
                response = client._make_api_call(operation, parameters)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            said = "The answer could not be parsed." if isinstance(error, ResponseParserError) else " ".join(str(error).split())
            message = f"The call of {service}:{operation} failed: {said}"
            raise _StepFailedError(
                message, failure_type="Permission" if code.startswith("AccessDenied") else "Action"
            ) from error
        return json.loads(json.dumps(response, default=_plain))

    def _sleep(self, execution: Execution, current: StepExecution) -> Waiting:
        now = current.started or self._clock.now()
        try:
            due = sleep_until(current.inputs, now)
        except ValueError as error:
            raise _StepFailedError(str(error)) from error
        limit = now + min(current.step.timeout or LONGEST_SLEEP, LONGEST_SLEEP)
        while not execution.stop and self._clock.now() < min(due, limit):
            yield min(due, limit)
        if due > limit and not execution.stop:
            message = f"The step sleeps until {due:%Y-%m-%dT%H:%M:%SZ}, which is longer than it may."
            raise _StepFailedError(message, "TimedOut")

    def _approve(self, execution: Execution, current: StepExecution) -> Waiting:
        try:
            approval = Approval.of(current.inputs)
        except ValueError as error:
            raise _StepFailedError(str(error)) from error
        if approval.notification_arn is not None:
            region = approval.notification_arn.split(":")[3]
            self._call(execution, "sns", region, "Publish", _approval_request(execution, current.step, approval))
        due = self._clock.now() + (current.step.timeout or APPROVAL_TIMEOUT)
        with self._lock:
            current.decisions.clear()
            current.status = execution.status = "Waiting"
        while not (decided := _decided(current, approval)) and not execution.stop and self._clock.now() < due:
            yield due
        with self._lock:
            current.status = "InProgress"
            execution.status = "Cancelling" if execution.stop == "Cancel" else "InProgress"
            decided = _decided(current, approval)
        decisions = [dict(decision) for decision in current.decisions.values()]
        told = [] if self._switches.is_on("no-approvers-in-executions") else decisions
        current.outputs = {"ApprovalStatus": decided or "Waiting", "ApproverDecisions": told}
        if decided == "Rejected":
            message = f"It was rejected by {next(each['Approver'] for each in decisions if each['Decision'] == 'Reject')}."
            raise _StepFailedError(message)
        if decided is None and not execution.stop:
            message = "It was not approved in time."
            raise _StepFailedError(message, "TimedOut")

    # Requests about executions

    def get_automation_execution(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe an execution and its steps."""
        execution = self._get(account_id, params)
        described = _metadata(execution)
        described |= {
            "StepExecutions": [_step_execution(each) for each in execution.steps.values()],
            "StepExecutionsTruncated": False,
            "Parameters": {name: _strings(value) for name, value in execution.values.items()},
        }
        return {"AutomationExecution": described}

    def describe_automation_executions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe executions, the newest first."""
        passes = [_filter(given) for given in params.get("Filters", [])]
        with self._lock:
            executions = list(self._executions.get(callers.scope(account_id), {}).values())
        found = [execution for execution in reversed(executions) if all(each(execution) for each in passes)]
        page, token = _PAGES.page(found, params, _PAGE)
        described = [{**_metadata(execution), "AutomationType": "Local"} for execution in page]
        return {"AutomationExecutionMetadataList": described, **token}

    def describe_automation_step_executions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the steps of an execution, in their order."""
        if params.get("Filters") or params.get("ReverseOrder"):
            message = "The local AWS emulates neither Filters nor ReverseOrder of steps."
            raise AwsError("ValidationException", message)
        execution = self._get(account_id, params)
        page, token = _PAGES.page(list(execution.steps.values()), params, _PAGE)
        return {"StepExecutions": [_step_execution(step) for step in page], **token}

    def send_automation_signal(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Approve or reject the step that waits. Each approver decides once.

        AWS does not document the error for a caller who is no approver.
        """
        execution = self._get(account_id, params)
        code = "InvalidAutomationSignalException"
        signal, payload = params["SignalType"], params.get("Payload", {})
        if signal not in {"Approve", "Reject"} or not payload.keys() <= {"Comment"}:
            message = "The local AWS emulates the signals Approve and Reject, with a Comment at most."
            raise AwsError(code, message)
        with self._lock:
            current = execution.current
            if current is None or current.status != "Waiting":
                message = f"Execution {execution.execution_id} does not wait for an approval."
                raise AwsError(code, message)
            caller = callers.principal()
            with_path = not self._switches.is_on("approvers-without-path")
            entries = current.inputs["Approvers"]
            approver = next((entry for entry in entries if _is_approver(caller, entry, with_path=with_path)), None)
            if approver is None or approver in current.decisions:
                message = f"{caller} is no approver of step {current.step.name}, or has decided already."
                raise AwsError(code, message)
            comment = {"Comment": text(payload["Comment"][0])} if payload.get("Comment") else {}
            current.decisions[approver] = {"Approver": caller, "Decision": signal, **comment}
        self._work.wake(execution.execution_id)
        return {}

    def stop_automation_execution(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Stop an execution. Cancel ends its step. Complete lets a step that works come to its end, and starts no other.

        AWS documents Complete by its name only.
        """
        execution = self._get(account_id, params)
        with self._lock:
            if execution.has_ended or execution.stop:
                message = f"Execution {execution.execution_id} has ended, or is being stopped."
                raise AwsError("InvalidAutomationStatusUpdateException", message)
            execution.stop = params.get("Type", "Cancel")
            if execution.status == "Pending":
                self._run(execution)  # it ends at once
            if execution.stop == "Cancel":
                execution.status = "Cancelling"
        self._work.wake(execution.execution_id)
        return {}

    def _get(self, account_id: str, params: Mapping[str, Any]) -> Execution:
        execution_id = params["AutomationExecutionId"]
        execution = self._executions.get(callers.scope(account_id), {}).get(execution_id)
        if execution is None:
            message = f"Automation execution {execution_id} does not exist."
            raise AwsError("AutomationExecutionNotFoundException", message)
        return execution


# Parameters, roles, approvals


def _read_parameters(runbook: Runbook, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Read the parameters of an execution, with defaults for those that are missing. Raises AwsError."""
    known = runbook.parameters
    unknown = sorted(set(given) - set(known))
    missing = [name for name, parameter in known.items() if name not in given and parameter.default is None]
    if unknown or missing:
        message = f"The document has no parameter {', '.join(unknown)}." if unknown else f"It requires {', '.join(missing)}."
        raise AwsError(_INVALID_PARAMETERS, message)
    try:
        return {name: known[name].read(given[name]) if name in given else known[name].default for name in known}
    except ValueError as error:
        raise AwsError(_INVALID_PARAMETERS, str(error)) from error


def _assume(execution: Execution) -> Credentials:
    """Begin a session of the execution's role. Raises NotTrustedError."""
    name, account_id = f"Automation-{execution.execution_id}", execution.scope[0]
    return service_roles.assume(execution.role, SERVICE, name, source_account=account_id, source_arn=execution.arn)


def _credentials(execution: Execution) -> Credentials:
    try:
        return _assume(execution)
    except NotTrustedError as error:
        message = f"The defined assume role is unable to be assumed. {error}"
        raise _StepFailedError(message, failure_type="Permission") from error


def _check_pass_role(role: str, region: str) -> None:
    """Refuse a caller who may not pass the role to Automation. Raises AwsError.

    Source: automation-variables.html ("an authorization check is performed"), automation-troubleshooting.html.
    """
    refusal = dependent_actions.refusal_to_pass(role, SERVICE, region)
    if refusal is not None:
        raise AwsError("AccessDeniedException", refusal.message)


def _parsed(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the object or list that a text is in JSON, and any other value as it is."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return value
    return parsed if isinstance(parsed, dict | list) else value


def _is_approver(caller: str, entry: str, *, with_path: bool) -> bool:
    """Return whether the caller is an entry of Approvers: the name or ARN of a user, or the ARN of a role or its session.

    No page says whether the ARN of a role with a path is one: `with_path` says it.
    """
    if caller == entry:
        return True
    account_id, resource = caller.split(":", 5)[4:]
    kind, *path = resource.split("/")
    if kind == "user":
        return path[-1] == entry
    if kind != "assumed-role":
        return False
    role = f"arn:aws:iam::{account_id}:role/"
    return entry == f"{role}{path[0]}" or (with_path and entry.startswith(role) and entry.endswith(f"/{path[0]}"))


def _approval_request(execution: Execution, step: Step, approval: Approval) -> dict[str, str]:
    """Return the message to approvers. AWS does not document its wording."""
    account_id, region = execution.scope
    which = f"execution {execution.execution_id} of {execution.document_name} in account {account_id}, {region}"
    message = (
        f"{approval.message or ''}\n\nStep {step.name} of {which} waits for an approval: approve or reject it with\naws ssm \
send-automation-signal --region {region} --automation-execution-id {execution.execution_id} --signal-type Approve"
    )
    subject = f"Automation: {execution.document_name} waits for an approval"
    return {"TopicArn": str(approval.notification_arn), "Subject": subject[:100], "Message": message.strip()}


def _decided(current: StepExecution, approval: Approval) -> str | None:
    decisions = [decision["Decision"] for decision in list(current.decisions.values())]
    if "Reject" in decisions:
        return "Rejected"
    return "Approved" if decisions.count("Approve") >= approval.required else None


# Answers


def _outputs(step: Step, result: Mapping[str, Any]) -> dict[str, Any]:
    """Select the outputs that a step declares, without those that are missing, and convert them to their types.

    Raises _StepFailedError if one has a type that Automation does not convert.
    """
    outputs = {}
    for output in step.outputs:
        try:
            value = select(result, output.selector)
        except KeyError:
            continue
        try:
            outputs[output.name] = converted(value, output.type)
        except ValueError as error:
            message = f"Its output {output.name} is no {output.type}: {text(value)}"
            raise _StepFailedError(message) from error
    return outputs


def _plain(value: object) -> object:
    """Turn a value of botocore's that JSON does not have into one that it has."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _strings(value: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [text(item) for item in value] if isinstance(value, list) else [text(value)]


def _known(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _metadata(execution: Execution) -> dict[str, Any]:
    current, outputs = execution.current, {}
    if execution.has_ended:
        for name in execution.runbook.outputs:
            step_name, _, output = name.partition(".")
            outputs[name] = _strings(execution.steps[step_name].outputs.get(output, _NO_OUTPUT))
    return {
        "AutomationExecutionId": execution.execution_id,
        "DocumentName": execution.document_name,
        "DocumentVersion": str(execution.version.number),
        "AutomationExecutionStatus": execution.status,
        "ExecutionStartTime": execution.started,
        "ExecutedBy": execution.executed_by,
        "Mode": "Auto",
        "Outputs": outputs,
        **_known(
            ExecutionEndTime=execution.ended,
            FailureMessage=execution.failure_message,
            CurrentStepName=current.step.name if current else None,
            CurrentAction=current.step.action if current else None,
        ),
    }


def _step_execution(execution: StepExecution) -> dict[str, Any]:
    step, failed = execution.step, execution.failure is not None
    # AWS does not document the name of the log.
    outputs = {**execution.outputs, **({"ExecutionLog": execution.log} if execution.log else {})}
    return {
        "StepName": step.name,
        "Action": step.action,
        "OnFailure": step.on_failure,
        "MaxAttempts": step.max_attempts,
        "StepStatus": execution.status,
        "Inputs": {name: text(value) for name, value in execution.inputs.items()},
        "Outputs": {name: _strings(value) for name, value in outputs.items()},
        "StepExecutionId": execution.step_id,
        "IsEnd": step.is_end,
        "IsCritical": step.is_critical,
        "ValidNextSteps": step.successors,
        **_known(
            TimeoutSeconds=int(step.timeout.total_seconds()) if step.timeout else None,
            ExecutionStartTime=execution.started,
            ExecutionEndTime=execution.ended,
            NextStep=step.next_step,
            FailureMessage=execution.failure,
            FailureDetails={"FailureStage": "Invocation", "FailureType": execution.failure_type} if failed else None,
        ),
    }


_FILTERS: Mapping[str, Callable[[Execution, str], bool]] = {
    "DocumentNamePrefix": lambda execution, value: execution.document_name.startswith(value),
    "ExecutionId": lambda execution, value: execution.execution_id == value,
    "StartTimeAfter": lambda execution, value: execution.started >= datetime.fromisoformat(value),
}


def _filter(given: Mapping[str, Any]) -> Callable[[Execution], bool]:
    """Return the test that an execution passes if it has one of a filter's values. Raises AwsError."""
    key, values = given["Key"], given["Values"]
    if key not in _FILTERS:
        message = f"The local AWS does not emulate the filter {key}: it has {', '.join(_FILTERS)}."
        raise AwsError("InvalidFilterKey", message)
    if key == "StartTimeAfter" and not all(_is_time(value) for value in values):
        message = f"{', '.join(values)} is no ISO 8601 timestamp, like 2030-01-01T00:00:00Z."
        raise AwsError("InvalidFilterValue", message)
    return lambda execution: any(_FILTERS[key](execution, value) for value in values)


def _is_time(value: str) -> bool:
    """Return whether a text is a date and time with a time zone."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
