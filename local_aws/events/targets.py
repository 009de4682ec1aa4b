"""EventBridge: deliver events to targets that MiniStack lacks: Automation runbooks, and event buses in other Regions.

MiniStack keeps rules and targets, and matches events.
Sources: API model, events; https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html,
…/eb-rule-dlq.html, …/eb-cross-region.html and …/eb-bus-to-bus.html.
"""

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.authorization import service_roles
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import LOADER, Answer
from local_aws.core.switches import Switches
from local_aws.events.input_transformer import InvalidInputError, transform

_PRINCIPAL = "events.amazonaws.com"
_EVENTBRIDGE = "ministack.services.eventbridge"
_DELIVERIES = 32
"""How many targets are invoked at once."""
_DEFAULT_RETRIES = 185
_OLDEST_EVENT = 24 * 3600
"""Seconds. Source of both: API model, events, RetryPolicy, and eb-rule-retry-policy.html."""
_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(minutes=15)
"""AWS waits longer before each retry. No page says how long."""
_RETRIED = {"AutomationExecutionLimitExceededException", "ThrottlingException"}
"""Retried besides lost answers and a status of 500 or above. Source: eb-rule-retry-policy.html, which names no codes."""
_log = logging.getLogger(__name__)


class _DeliveryFailedError(RuntimeError):
    """A target was not invoked, and another attempt would not help. `body` is the dead letter's, if that is not the event."""

    def __init__(self, code: str, message: str, body: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = body


@dataclass(frozen=True)
class _Delivery:
    """An event on its way from a rule of an account and Region to one of the rule's targets, in MiniStack's shapes."""

    account_id: str
    region: str
    target: dict[str, Any]
    rule: dict[str, Any]
    event: dict[str, Any]
    view: Any

    @property
    def target_arn(self) -> str:
        return str(self.target["Arn"])


@dataclass(frozen=True)
class _Limits:
    """How often, and until when, to retry a delivery."""

    retries: int
    deadline: datetime

    def exhausted(self, attempt: int, due: datetime) -> str | None:
        """Return the limit, by its name in a dead letter, that forbids a retry at `due` after `attempt` retries."""
        if attempt >= self.retries:
            return "MaximumRetryAttempts"
        return None if due <= self.deadline else "MaximumEventAgeInSeconds"


class Targets:
    """Invokes the targets of rules in every account and Region."""

    def __init__(self, endpoint_url: str, clock: Clock, switches: Switches) -> None:
        """Reach the targets at `endpoint_url`."""
        self._switches = switches
        self._endpoint_url = endpoint_url
        self._clock = clock
        self._eventbridge = ministack_seams.module(_EVENTBRIDGE)
        self._invoke_otherwise = self._eventbridge._invoke_target
        self._validate_otherwise = self._eventbridge._validate_target_arn
        self._responses = ministack_seams.module("ministack.core.responses")
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", LOADER)
        self._lock = Lock()
        self._deliveries = ThreadPoolExecutor(_DELIVERIES, "event-targets")

    def install(self) -> None:
        """Let MiniStack check and invoke targets through this."""
        ministack_seams.replace(_EVENTBRIDGE, "_validate_target_arn", self._validate_target)
        ministack_seams.replace(_EVENTBRIDGE, "_invoke_target", self._invoke_target)
        ministack_seams.replace(_EVENTBRIDGE, "_apply_input_transformer", self._transform)

    def _has_valid_input(self, delivery: _Delivery) -> bool:
        """Tell whether a target that MiniStack invokes has an input that EventBridge delivers."""
        try:
            if "InputTransformer" in delivery.target:
                self._input(delivery)
        except _DeliveryFailedError:
            return False
        return True

    def _transform(self, transformer: dict[str, Any], rule: dict[str, Any], view: Any) -> str:  # noqa: ANN401 - MiniStack's
        return transform(transformer, view.event_with_detail(), rule, self._clock.now())

    def close(self) -> None:
        """Deliver nothing more. The clock has to be stopped already."""
        self._deliveries.shutdown(cancel_futures=True)

    def _validate_target(self, target: dict[str, Any]) -> Answer | None:
        """Refuse what PutTargets refuses: a runbook without a role to start it, and what MiniStack refuses."""
        refusal: Answer | None = self._validate_otherwise(target)
        if refusal is None and ":automation-definition/" in target["Arn"] and not target.get("RoleArn"):
            message = f"RoleArn is required for target {target['Arn']}."
            refusal = self._responses.error_response_json("ValidationException", message, 400)
        return refusal

    def _invoke_target(self, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:  # noqa: ANN401 - MiniStack's
        """Invoke a target; one that MiniStack lacks, on another thread."""
        account_id, region = self._responses.get_account_id(), self._responses.get_region()
        view = view or self._eventbridge._pattern_event_view(event)
        delivery = _Delivery(account_id, region, target, rule, event, view)
        if _is_ours(target["Arn"]) or not self._has_valid_input(delivery):
            self._deliver(delivery)
        elif ":sqs:" in target["Arn"] and not self._may_send(target["Arn"], rule["Arn"]):
            _log.warning("The policy of queue %s does not let %s send to it", target["Arn"], rule["Arn"])
            _count(rule, failed=True)
        else:
            _count(rule)
            self._invoke_otherwise(target, event, rule, view)

    def _deliver(self, delivery: _Delivery) -> None:
        """Invoke the target, and retry if that may help. If all fails, the event goes to the dead-letter queue."""
        policy = delivery.target.get("RetryPolicy", {})
        limits = _Limits(
            int(policy.get("MaximumRetryAttempts", _DEFAULT_RETRIES)),
            self._clock.now() + timedelta(seconds=int(policy.get("MaximumEventAgeInSeconds", _OLDEST_EVENT))),
        )
        self._submit_attempt(delivery, limits, 0)

    def _submit_attempt(self, delivery: _Delivery, limits: _Limits, attempt: int) -> None:
        with suppress(RuntimeError):  # closed, since the local AWS ends
            what = f"delivery to {delivery.target_arn}"
            self._clock.submit(self._deliveries, what, partial(self._attempt, delivery, limits, attempt))

    def _attempt(self, delivery: _Delivery, limits: _Limits, attempt: int) -> None:
        """Invoke the target after `attempt` retries, and arrange the next attempt if there is one."""
        try:
            with self._responses.request_scope(delivery.account_id, delivery.region):
                self._try(delivery, limits, attempt)
        except Exception:  # noqa: BLE001 - a thread's last resort: the event is lost, and the log says so
            _log.exception("The event for %s was lost", delivery.target_arn)

    def _try(self, delivery: _Delivery, limits: _Limits, attempt: int) -> None:
        try:
            if ":event-bus/" in delivery.target_arn:
                self._forward(delivery)
            elif _is_ours(delivery.target_arn):
                self._start_automation(delivery)
            else:
                self._input(delivery)  # which is invalid
            _count(delivery.rule)
        except (_DeliveryFailedError, service_roles.NotTrustedError, BotoCoreError, ClientError) as error:
            due = self._clock.now() + min(_FIRST_RETRY * 2 ** min(attempt, 10), _LONGEST_WAIT)
            exhausted = limits.exhausted(attempt, due) if _may_pass(error) else None
            if exhausted is None and _may_pass(error):
                self._clock.at(due, partial(self._submit_attempt, delivery, limits, attempt + 1))
                return
            code, message = _told(error)
            body = error.body if isinstance(error, _DeliveryFailedError) else None
            _log.warning("Rule %s did not invoke %s: %s: %s", delivery.rule["Arn"], delivery.target_arn, code, message)
            _count(delivery.rule, failed=True)
            self._give_up(delivery, code, message, attempt, exhausted, body)

    def _start_automation(self, delivery: _Delivery) -> None:
        """Call StartAutomationExecution as the target's role; its policies decide, as on AWS."""
        _, _, _, region, account_id, resource = delivery.target_arn.split(":", 5)
        if (account_id, region) != (delivery.account_id, delivery.region):
            code, message = "INVALID_PARAMETER", "A runbook starts in the account and Region of its rule only."
            raise _DeliveryFailedError(code, message)
        name, _, version = resource.removeprefix("automation-definition/").partition(":")
        if not version:  # as a user of AWS found, whose rule was triggered and started nothing: aws/aws-cli#6994
            code, message = "INVALID_PARAMETER", f"The target {delivery.target_arn} names no version of the runbook."
            raise _DeliveryFailedError(code, message)
        parameters = self._parameters(delivery)
        credentials = self._assume(delivery)
        ssm = self._client("ssm", region, credentials)
        ssm.start_automation_execution(DocumentName=name, DocumentVersion=version, Parameters=parameters)

    def _parameters(self, delivery: _Delivery) -> dict[str, list[str]]:
        """Read the target's input. A runbook takes an object of lists of strings."""
        text = self._input(delivery)
        try:
            parameters = json.loads(text)
            fits = all(isinstance(values, list) and all(map(_is_text, values)) for values in parameters.values())
        except (ValueError, AttributeError):
            fits = False
        if not fits:
            code, message = "INVALID_JSON", f"The input of a runbook must be a JSON object of lists of strings, but is {text}"
            raise _DeliveryFailedError(code, message)
        return dict(parameters)

    def _input(self, delivery: _Delivery) -> str:
        target = delivery.target
        if "InputPath" in target:
            code, message = "INVALID_PARAMETER", "The local AWS does not emulate InputPath for this kind of target."
            raise _DeliveryFailedError(code, message)
        if "InputTransformer" in target:
            try:
                return self._transform(target["InputTransformer"], delivery.rule, delivery.view)
            except InvalidInputError as error:
                code, message = "INVALID_JSON", "Invalid input for target."
                raise _DeliveryFailedError(code, message, str(error)) from error
        return str(target.get("Input") or json.dumps(delivery.view.event_with_detail()))

    def _forward(self, delivery: _Delivery) -> None:
        """Put the event on another bus of the account if the target's role may. The event keeps its account and Region.

        An event from another bus goes no further: EventBridge routes no event to a third bus.
        """
        _, _, _, region, account_id, resource = delivery.target_arn.split(":", 5)
        if account_id != delivery.account_id or {"Input", "InputPath", "InputTransformer"} & delivery.target.keys():
            code, message = "INVALID_PARAMETER", "The local AWS forwards whole events, and to buses of the same account only."
            raise _DeliveryFailedError(code, message)
        if delivery.event.get("Forwarded"):
            code, message = "INVALID_PARAMETER", "An event that came from another event bus is not routed to a third one."
            raise _DeliveryFailedError(code, message)
        if "RoleArn" in delivery.target or region != delivery.region:
            evaluator = ministack_seams.module("ministack.core.iam_evaluator")
            credentials = self._assume(delivery)
            if evaluator.enforce(credentials.access_key_id, "events:PutEvents", "events", region, delivery.target_arn):
                role = delivery.target["RoleArn"]
                message = f"{role} is not authorized to perform: events:PutEvents on resource: {delivery.target_arn}"
                code = "NO_PERMISSIONS"
                raise _DeliveryFailedError(code, message)
        with self._responses.request_scope(account_id, region):
            self._eventbridge._ensure_default_bus()
            bus_name = resource.removeprefix("event-bus/")
            if bus_name not in self._eventbridge._event_buses:
                code, message = "RESOURCE_NOT_FOUND", f"Event bus {bus_name} does not exist."
                raise _DeliveryFailedError(code, message)
            self._eventbridge._dispatch_event({**delivery.event, "EventBusName": bus_name, "Forwarded": True})

    def _assume(self, delivery: _Delivery) -> service_roles.Credentials:
        if "RoleArn" not in delivery.target:
            code, message = "NO_PERMISSIONS", f"The target {delivery.target_arn} has no RoleArn."
            raise _DeliveryFailedError(code, message)
        return service_roles.assume(
            delivery.target["RoleArn"],
            _PRINCIPAL,
            delivery.event["EventId"],
            source_account=delivery.account_id,
            source_arn=delivery.rule["Arn"],
        )

    def _give_up(  # noqa: PLR0913, PLR0917 - what a dead letter has
        self, delivery: _Delivery, code: str, message: str, retries: int, exhausted: str | None, body: str | None
    ) -> None:
        """Send `body`, or else the event, to the target's dead-letter queue if there is one and its policy lets EventBridge."""
        queue_arn = delivery.target.get("DeadLetterConfig", {}).get("Arn")
        if not queue_arn:
            return
        if not self._may_send(queue_arn, delivery.rule["Arn"]):
            _log.warning("The policy of queue %s does not let %s send to it", queue_arn, delivery.rule["Arn"])
            return
        _, _, _, region, account_id, name = queue_arn.split(":")
        attributes = {
            "RULE_ARN": delivery.rule["Arn"],
            "TARGET_ARN": delivery.target_arn,
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
            "RETRY_ATTEMPTS": str(retries),
            **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
        }
        # As an administrator of the queue's account: the queue's policy has decided above.
        queues = self._client("sqs", region, service_roles.Credentials(account_id, "test", ""))
        queues.send_message(
            QueueUrl=f"{self._endpoint_url}/{account_id}/{name}",
            MessageBody=body or json.dumps(delivery.view.event_with_detail()),
            MessageAttributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
        )

    def _may_send(self, queue_arn: str, rule_arn: str) -> bool:
        """Tell whether a queue's policy lets EventBridge send to it for a rule. MiniStack does not ask it for targets."""
        sqs = ministack_seams.module("ministack.services.sqs")
        source_arn = "" if self._switches.is_on("no-source-arn-to-queues") else rule_arn
        return bool(sqs.queue_policy_allows(queue_arn, _PRINCIPAL, source_arn, rule_arn.split(":")[4]))

    def _client(self, service: str, region: str, credentials: service_roles.Credentials) -> Any:  # noqa: ANN401 - of any service
        with self._lock:  # A session makes one client at a time.
            return self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=credentials.session_token or None,
                config=ClientConfig(retries={"total_max_attempts": 1}, parameter_validation=False),
            )


def _count(rule: Mapping[str, Any], *, failed: bool = False) -> None:
    """Count an invocation of a rule's target, in the account and Region of the request.

    Invocations has successful ones and those that failed for good, FailedInvocations the latter. The dimension is RuleName, for
    another bus than the default one EventBusName as well.
    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html.
    """
    dimensions = {"RuleName": rule["Name"]}
    if rule.get("EventBusName", "default") != "default":
        dimensions["EventBusName"] = rule["EventBusName"]
    record = ministack_seams.module("ministack.services.cloudwatch").record_metric
    for name in ("Invocations", *(("FailedInvocations",) if failed else ())):
        record("AWS/Events", name, 1.0, "Count", dimensions)


def _may_pass(error: Exception) -> bool:
    """Tell whether the next attempt may succeed. After a lost answer it may start a runbook a second time."""
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.response["Error"]["Code"] in _RETRIED


def _told(error: Exception) -> tuple[str, str]:
    """Return the ERROR_CODE and the ERROR_MESSAGE of a dead letter. No page lists the codes.

    Live, radkawar/stackd, testdata/aws/eventbridge/target_roles.json: the code for a role that does not trust EventBridge.
    """
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    if isinstance(error, service_roles.NotTrustedError):
        return "FAILED_TO_ASSUME_ROLE", str(error)
    return error.code if isinstance(error, _DeliveryFailedError) else type(error).__name__, str(error)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_ours(arn: str) -> bool:
    """Tell whether MiniStack does not invoke such a target, or not as AWS does."""
    return (":ssm:" in arn and ":automation-definition/" in arn) or (":events:" in arn and ":event-bus/" in arn)
