"""Remediation of AWS Config: a rule's runbook runs for noncompliant resources, by hand or automatically.

The sources do not say three things, and here they are so. A rule has one configuration, whatever its ResourceType. Config
retries a failed automatic execution at once, until RetryAttemptSeconds have passed since the first attempt. Config puts an
exception for the resource instead of the attempt after MaximumAutomaticAttempts.

Sources: API model, config (PutRemediationConfigurations, RemediationConfiguration, SsmControls, PutRemediationExceptions);
https://docs.aws.amazon.com/config/latest/developerguide/remediation.html
"""

import json
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from local_aws.authorization import dependent_actions
from local_aws.config.rules import PAGES, Config, Result, Rule, refuse_others
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError, ServiceApi
from local_aws.core.switches import Switches
from local_aws.ssm.automation import SERVICE, Automation, Execution
from local_aws.ssm.documents import Documents, Version

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

PROPERTIES = (
    "Automatic",
    "ConfigRuleName",
    "ExecutionControls",
    "MaximumAutomaticAttempts",
    "Parameters",
    "ResourceType",
    "RetryAttemptSeconds",
    "TargetId",
    "TargetType",
    "TargetVersion",
)
"""The properties of AWS::Config::RemediationConfiguration. Source: its CloudFormation schema."""
ASSUME_ROLE = "AutomationAssumeRole"
"""The parameter with the role of an automatic remediation."""

_SERVICE_ROLE = "arn:aws:sts::{account}:assumed-role/AWSServiceRoleForConfigRemediation/AwsConfigRemediation"
"""The principal that starts automatic executions. AWS documents the role, not the session's name."""
_ATTEMPTS, _RETRY_SECONDS = 5, 60
_CONCURRENT_PERCENTAGE, _ERROR_PERCENTAGE = 10, 50
_STATUSES_PAGE, _EXCEPTIONS_PAGE = 100, 25
_BATCH = 25
"""The most exceptions in a failed batch. Source: API model, RemediationExceptions."""
_INITIALIZATION = "Initialization"
"""The step that fails if Config cannot start the execution. Not documented, but users report it for missing permissions."""
_STATES = {
    "Pending": "QUEUED",
    **dict.fromkeys(("InProgress", "Waiting", "PendingApproval", "Approved", "Cancelling"), "IN_PROGRESS"),
    "Success": "SUCCEEDED",
    **dict.fromkeys(("Failed", "TimedOut", "Cancelled", "Rejected"), "FAILED"),
}
"""The RemediationExecutionState for each AutomationExecutionStatus. Others are UNKNOWN."""
_STEP_STATES = {**_STATES, "Pending": "PENDING", "Exited": "EXITED"}
_log = logging.getLogger(__name__)

Settings = dict[str, Any]
"""A RemediationConfiguration of the API."""
Resource = tuple[str, str]
"""A resource type and id."""


@dataclass
class Remediation:
    """The last remediation of a resource. Without `execution_id` it is queued or, if it has a `failure`, never began."""

    invoked: datetime
    executed_by: str
    automatic: bool = False
    execution_id: str | None = None
    failure: str | None = None
    failed: datetime | None = None


@dataclass
class Configuration:
    """The configuration of a rule, and the state of its remediations.

    `queue`, `running`, `total` and `failures` count since the queue was last empty. `attempts` has the times of each
    resource's automatic remediations.
    """

    rule: Rule
    arn: str
    settings: Settings
    remediations: dict[Resource, Remediation] = field(default_factory=dict)
    attempts: dict[Resource, list[datetime]] = field(default_factory=dict)
    queue: deque[Resource] = field(default_factory=deque)
    running: set[Resource] = field(default_factory=set)
    total: int = 0
    failures: int = 0

    @property
    def automatic(self) -> bool:
        """Whether Config starts the remediation itself."""
        return bool(self.settings.get("Automatic"))

    def is_busy(self, resource: Resource) -> bool:
        """Return whether a remediation of the resource waits or runs."""
        return resource in self.running or resource in self.queue

    def takes(self, resource: Resource) -> bool:
        """Return whether the configuration is for the resource's type."""
        return self.settings.get("ResourceType") in {None, resource[0]}

    def parameters(self, resource: Resource) -> dict[str, list[str]]:
        """Return the parameters of an execution for a resource."""
        return {
            name: [resource[1]] if "ResourceValue" in value else list(value["StaticValue"]["Values"])
            for name, value in self.settings.get("Parameters", {}).items()
        }

    def control(self, name: str, default: int) -> int:
        """Return a percentage of ExecutionControls."""
        return int(self.settings.get("ExecutionControls", {}).get("SsmControls", {}).get(name, default))

    def take_next(self) -> list[Resource]:
        """Move from the queue what may run now: at least one, at most the percentage of noncompliant resources."""
        results = list(self.rule.results.values())  # a copy: another thread may add results
        non_compliant = sum(result.compliance_type == "NON_COMPLIANT" for result in results)
        parallel = max(1, non_compliant * self.control("ConcurrentExecutionRatePercentage", _CONCURRENT_PERCENTAGE) // 100)
        taken = [self.queue.popleft() for _ in range(min(len(self.queue), parallel - len(self.running)))]
        self.running.update(taken)
        return taken


@dataclass(frozen=True)
class RemediationException:
    """Keeps a resource from automatic remediation, forever or until `expiration`."""

    message: str | None
    expiration: datetime | None


class Remediations:
    """The remediation of the rules in `config`. `automation` executes `documents`."""

    def __init__(self, config: Config, documents: Documents, automation: Automation, clock: Clock, switches: Switches) -> None:
        """Start without configurations, and listen to results."""
        self._switches = switches
        self._config = config
        self._documents = documents
        self._automation = automation
        self._clock = clock
        # By the rule's ARN: a later rule of the same name is another rule.
        self._configurations: dict[str, Configuration] = {}
        self._exceptions: dict[str, dict[Resource, RemediationException]] = {}
        # Start no execution while holding this: it may end on another thread, which then needs the lock.
        self._lock = RLock()
        config.when_recorded.append(self._recorded)
        config.before_deletion.append(self._refuse_deletion)
        self.operations: Operations = {
            "PutRemediationConfigurations": self.put_remediation_configurations,
            "DescribeRemediationConfigurations": self.describe_remediation_configurations,
            "DeleteRemediationConfiguration": self.delete_remediation_configuration,
            "StartRemediationExecution": self.start_remediation_execution,
            "DescribeRemediationExecutionStatus": self.describe_remediation_execution_status,
            "PutRemediationExceptions": self.put_remediation_exceptions,
            "DescribeRemediationExceptions": self.describe_remediation_exceptions,
            "DeleteRemediationExceptions": self.delete_remediation_exceptions,
        }

    # Configurations

    def arn(self, scope: Scope, rule_name: str) -> str:
        """Return the ARN of a rule's configuration, or a pattern for all in the account and Region if it has none."""
        rule = self._config.rule(scope, rule_name)
        configuration = self._configurations.get(rule.arn) if rule else None
        account_id, region = scope
        return configuration.arn if configuration else f"arn:aws:config:{region}:{account_id}:remediation-configuration/*"

    def put_remediation_configurations(
        self, account_id: str, params: dict[str, Any], *, created_by: str | None = None
    ) -> dict[str, Any]:
        """Create or change configurations, all or none. Only a service puts those of its rules.

        FailedBatches is always empty: AWS does not document its content. Nor does it document the code for a rule that does not
        exist.
        """
        checked = [self._checked(account_id, settings, created_by) for settings in params["RemediationConfigurations"]]
        for rule, settings in checked:
            with self._lock:
                arn = f"{rule.arn.replace(':config-rule/', ':remediation-configuration/')}/{secrets.token_hex(4)}"
                configuration = self._configurations.setdefault(rule.arn, Configuration(rule, arn, settings))
                configuration.settings = settings
            self._remediate(configuration, sorted(rule.results))
        return {"FailedBatches": []}

    def _checked(self, account_id: str, settings: Settings, created_by: str | None) -> tuple[Rule, Settings]:
        rule = self._rule(account_id, settings["ConfigRuleName"])
        refuse_others(rule, created_by)
        settings = {name: value for name, value in settings.items() if name in PROPERTIES}
        parameters = settings.get("Parameters", {})
        invalid = sorted(name for name, value in parameters.items() if len(value) != 1)
        if invalid:
            message = (
                f"There were invalid RemediationParameterValues for the ConfigRule '{rule.name}': {', '.join(invalid)} "
                "must have either a ResourceValue or a StaticValue."
            )
            raise AwsError("InvalidParameterValueException", message)
        version = self._version(rule, settings)
        if version is None:
            lacking = f"or has no version {settings['TargetVersion']}" if "TargetVersion" in settings else "in this account"
            message = f"The SSM document {settings['TargetId']} does not exist {lacking}."
            raise AwsError("InvalidParameterValueException", message)
        unknown = sorted(set(parameters) - set(version.runbook.parameters))
        if unknown:
            message = f"The SSM document {settings['TargetId']} has no parameter {', '.join(unknown)}."
            raise AwsError("InvalidParameterValueException", message)
        if settings.get("Automatic"):
            if "StaticValue" not in parameters.get(ASSUME_ROLE, {}):
                message = f"An automatic remediation needs a static value of the parameter {ASSUME_ROLE}."
                raise AwsError("InvalidParameterValueException", message)
            defaults = {"MaximumAutomaticAttempts": _ATTEMPTS, "RetryAttemptSeconds": _RETRY_SECONDS}
            settings = {**defaults, **settings}
        return rule, settings

    def _version(self, rule: Rule, settings: Settings) -> Version | None:
        """Return the version of the document to execute, or None if it does not exist."""
        document, number = self._documents.find(*rule.scope, settings["TargetId"]), settings.get("TargetVersion")
        known = number in {None, "$DEFAULT", "$LATEST"} or str(number).isdecimal()
        return document.version(number) if document and known else None

    def describe_remediation_configurations(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the configurations of rules. The answer leaves out rules without one, and rules that do not exist."""
        found = (self._find(account_id, name) for name in params["ConfigRuleNames"])
        return {
            "RemediationConfigurations": [
                {
                    **configuration.settings,
                    "Arn": configuration.arn,
                    **({"CreatedByService": configuration.rule.created_by} if configuration.rule.created_by else {}),
                }
                for configuration in found
                if configuration is not None
            ]
        }

    def delete_remediation_configuration(
        self, account_id: str, params: dict[str, Any], *, created_by: str | None = None
    ) -> dict[str, Any]:
        """Delete a configuration that has nothing in progress. Only a service deletes its own, and at any time."""
        configuration = self._configured(account_id, params["ConfigRuleName"])
        refuse_others(configuration.rule, created_by)
        with self._lock:
            if created_by is None and (configuration.running or configuration.queue):
                message = f"A remediation of the ConfigRule '{configuration.rule.name}' is in progress."
                raise AwsError("RemediationInProgressException", message)
            configuration.queue.clear()
            del self._configurations[configuration.rule.arn]
        return {}

    def _refuse_deletion(self, rule: Rule) -> None:
        # Source of the sentence: answers that aws-nuke and cloud-nuke got.
        if rule.arn in self._configurations:
            message = (
                f"The rule {rule.name} currently has a RemediationConfiguration. "
                "Please delete the RemediationConfiguration and try again."
            )
            raise AwsError("ResourceInUseException", message)

    # Executions

    def start_remediation_execution(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Start the remediation of resources as the caller. Compliant resources, and those in remediation, fail."""
        configuration = self._configured(account_id, params["ConfigRuleName"])
        caller = callers.principal()
        denied = self._denied(configuration)
        failed: dict[Resource, str] = {}
        with self._lock:
            for key in params["ResourceKeys"]:
                resource = (key["resourceType"], key["resourceId"])
                result = configuration.rule.results.get(resource)
                if result is None or result.compliance_type != "NON_COMPLIANT" or not configuration.takes(resource):
                    failed[resource] = f"{resource[1]} is not a noncompliant resource of the rule."
                elif configuration.is_busy(resource):
                    failed[resource] = f"A remediation of {resource[1]} is in progress."
                elif denied is not None:
                    now = self._clock.now()
                    configuration.remediations[resource] = Remediation(now, caller, failure=denied, failed=now)
                else:
                    self._enqueue(configuration, resource, caller, automatic=False)
        self._advance(configuration)
        if not failed:
            return {}
        items = [{"resourceType": kind, "resourceId": identifier} for kind, identifier in failed]
        return {"FailureMessage": " ".join(dict.fromkeys(failed.values())), "FailedItems": items}

    def _denied(self, configuration: Configuration) -> str | None:
        """Return the permission that the caller lacks to start an execution by hand, as a sentence, or None.

        Not documented, but users report that config:StartRemediationExecution alone starts nothing.
        """
        (account_id, region), settings = configuration.rule.scope, configuration.settings
        document = f"{settings['TargetId'].rpartition('/')[2]}:{settings.get('TargetVersion', '$DEFAULT')}"
        needed = [("ssm:StartAutomationExecution", f"arn:aws:ssm:{region}:{account_id}:automation-definition/{document}")]
        roles = list(settings.get("Parameters", {}).get(ASSUME_ROLE, {}).get("StaticValue", {"Values": []})["Values"])
        version = self._version(configuration.rule, settings)
        if version is not None and (version.runbook.assume_role or "").startswith("arn:"):
            roles.append(version.runbook.assume_role)
        needed += [("iam:PassRole", role) for role in roles]
        for action, arn in needed:
            keys = {"iam:PassedToService": SERVICE} if action == "iam:PassRole" else {}
            refusal = dependent_actions.refusal(action, arn, region, keys)
            if refusal is not None:
                return refusal.message
        return None

    def describe_remediation_execution_status(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the last remediation of each resource, with its steps."""
        configuration = self._configured(account_id, params["ConfigRuleName"])
        keys = {(key["resourceType"], key["resourceId"]) for key in params.get("ResourceKeys", [])}
        resources = [resource for resource in sorted(configuration.remediations) if not keys or resource in keys]
        page, token = PAGES.page(resources, params, _STATUSES_PAGE)
        return {"RemediationExecutionStatuses": [self._status(configuration, resource) for resource in page], **token}

    def _status(self, configuration: Configuration, resource: Resource) -> dict[str, Any]:
        remediation = configuration.remediations[resource]
        status: dict[str, Any] = {
            "ResourceKey": {"resourceType": resource[0], "resourceId": resource[1]},
            "InvocationTime": remediation.invoked,
            "LastUpdatedTime": remediation.failed or remediation.invoked,
        }
        if remediation.failed is not None:
            step = {
                "Name": _INITIALIZATION,
                "State": "FAILED",
                "ErrorMessage": remediation.failure,
                "StartTime": remediation.invoked,
                "StopTime": remediation.failed,
            }
            return {**status, "State": "FAILED", "StepDetails": [step]}
        if remediation.execution_id is None:
            return {**status, "State": "QUEUED", "StepDetails": []}
        which = {"AutomationExecutionId": remediation.execution_id}
        execution = self._automation.get_automation_execution(configuration.rule.scope[0], which)["AutomationExecution"]
        steps = [_step(step) for step in execution["StepExecutions"]]
        times = [step[name] for step in steps for name in ("StartTime", "StopTime") if name in step]
        status["LastUpdatedTime"] = max(times, default=remediation.invoked)
        return {**status, "State": _STATES.get(execution["AutomationExecutionStatus"], "UNKNOWN"), "StepDetails": steps}

    def _recorded(self, rule: Rule, resource: Resource, _: Result | None, __: Result) -> None:
        configuration = self._configurations.get(rule.arn)
        if configuration is not None:
            self._remediate(configuration, [resource])

    def _remediate(self, configuration: Configuration, resources: Iterable[Resource]) -> None:
        """Start the automatic remediation of the resources that need it."""
        with self._lock:
            for resource in resources:
                if not configuration.is_busy(resource):
                    self._attempt(configuration, resource)
        self._advance(configuration)

    def _attempt(self, configuration: Configuration, resource: Resource) -> None:
        """Enqueue an automatic remediation, or put an exception after too many attempts."""
        result = configuration.rule.results[resource]
        wanted = configuration.automatic and configuration.takes(resource) and result.compliance_type == "NON_COMPLIANT"
        if not wanted or resource in self._excepted(configuration.rule):
            return
        settings, now = configuration.settings, self._clock.now()
        window = timedelta(seconds=settings["RetryAttemptSeconds"])
        attempts = [attempt for attempt in configuration.attempts.get(resource, []) if now - attempt < window]
        if len(attempts) >= settings["MaximumAutomaticAttempts"]:
            message = (
                f"AWS Config put this exception: {len(attempts)} automatic remediations within "
                f"{settings['RetryAttemptSeconds']} seconds left the resource noncompliant."
            )
            exceptions = self._exceptions.setdefault(configuration.rule.arn, {})
            exceptions[resource] = RemediationException(message, None)
            return
        configuration.attempts[resource] = [*attempts, now]
        executed_by = _SERVICE_ROLE.format(account=configuration.rule.scope[0])
        self._enqueue(configuration, resource, executed_by, automatic=True)

    def _enqueue(self, configuration: Configuration, resource: Resource, executed_by: str, *, automatic: bool) -> None:
        if not (configuration.queue or configuration.running):
            configuration.total = configuration.failures = 0
        configuration.total += 1
        configuration.queue.append(resource)
        configuration.remediations[resource] = Remediation(self._clock.now(), executed_by, automatic)

    def _advance(self, configuration: Configuration) -> None:
        """Start what may run now."""
        while True:
            with self._lock:
                resources = configuration.take_next()
            if not resources:
                return
            for resource in resources:
                self._start(configuration, resource)

    def _start(self, configuration: Configuration, resource: Resource) -> None:
        remediation = configuration.remediations[resource]

        def finished(execution: Execution) -> None:
            self._settle(configuration, resource, failed=execution.status != "Success")
            self._advance(configuration)

        try:
            self._check_type(resource)
            remediation.execution_id = self._automation.start(
                *configuration.rule.scope,
                configuration.settings["TargetId"],
                configuration.parameters(resource),
                document_version=configuration.settings.get("TargetVersion"),
                executed_by=remediation.executed_by,
                when_finished=finished,
            )
        except AwsError as error:
            _log.warning("Rule %s: %s is not remediated: %s", configuration.rule.arn, resource[1], error)
            remediation.failure, remediation.failed = str(error), self._clock.now()
            self._settle(configuration, resource, failed=True)

    def _check_type(self, resource: Resource) -> None:
        """Refuse an account if the switch is on: the API model's list of resource types does not have it. Guides use it."""
        if resource[0] == "AWS::::Account" and self._switches.is_on("no-remediation-of-accounts"):
            message = f"The resource type {resource[0]} is not supported."
            raise AwsError("InvalidParameterValueException", message)

    def _settle(self, configuration: Configuration, resource: Resource, *, failed: bool) -> None:
        """Note the end of a remediation, and retry it if it failed."""
        with self._lock:
            configuration.running.discard(resource)
            if not failed:
                return
            configuration.failures += 1
            if (
                configuration.failures
                > configuration.total * configuration.control("ErrorPercentage", _ERROR_PERCENTAGE) // 100
            ):
                for waiting in configuration.queue:
                    remediation = configuration.remediations[waiting]
                    remediation.failure, remediation.failed = "Too many remediations have failed.", self._clock.now()
                configuration.queue.clear()
            if configuration.remediations[resource].automatic and self._is_current(configuration):
                window = timedelta(seconds=configuration.settings.get("RetryAttemptSeconds", _RETRY_SECONDS))
                if self._clock.now() - configuration.attempts[resource][0] < window:
                    self._attempt(configuration, resource)

    # Exceptions

    def put_remediation_exceptions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Put exceptions for NON_COMPLIANT resources, others fail. A service's rule takes none."""
        rule = self._rule(account_id, params["ConfigRuleName"])
        refuse_others(rule, None)
        expiration = params.get("ExpirationTime")
        if expiration is not None and expiration <= self._clock.now():
            message = "ExpirationTime has passed already."
            raise AwsError("InvalidParameterValueException", message)
        exception = RemediationException(params.get("Message"), expiration)
        failed = []
        with self._lock:
            for key in params["ResourceKeys"]:
                resource = _exception_key(key)
                result = rule.results.get(resource)
                if result is None or result.compliance_type != "NON_COMPLIANT":
                    failed.append(_exception(rule, resource, exception))
                else:
                    self._exceptions.setdefault(rule.arn, {})[resource] = exception
        message = "Exceptions can be put for noncompliant resources of the rule only."
        batches = [failed[start : start + _BATCH] for start in range(0, len(failed), _BATCH)]
        return {"FailedBatches": [{"FailureMessage": message, "FailedItems": batch} for batch in batches]}

    def describe_remediation_exceptions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the exceptions of a rule. Limit and NextToken do not apply to resources that the request names."""
        rule = self._rule(account_id, params["ConfigRuleName"])
        exceptions = self._excepted(rule)
        if "ResourceKeys" in params:
            keys = [_exception_key(key) for key in params["ResourceKeys"]]
            return {"RemediationExceptions": [_exception(rule, key, exceptions[key]) for key in keys if key in exceptions]}
        page, token = PAGES.page(sorted(exceptions), params, _EXCEPTIONS_PAGE)
        return {"RemediationExceptions": [_exception(rule, resource, exceptions[resource]) for resource in page], **token}

    def delete_remediation_exceptions(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete exceptions, all or none. Automatic remediation resumes with the next result."""
        rule = self._config.rule(callers.scope(account_id), params["ConfigRuleName"])
        with self._lock:
            exceptions = self._excepted(rule) if rule else {}
            keys = [_exception_key(key) for key in params["ResourceKeys"]]
            for key in keys:
                if key not in exceptions:
                    message = f"The ConfigRule '{params['ConfigRuleName']}' has no remediation exception for {key[1]}."
                    raise AwsError("NoSuchRemediationExceptionException", message)
            for key in keys:
                exceptions.pop(key, None)
        return {"FailedBatches": []}

    def _excepted(self, rule: Rule) -> dict[Resource, RemediationException]:
        """Return the exceptions of a rule that have not expired."""
        with self._lock:
            exceptions, now = self._exceptions.setdefault(rule.arn, {}), self._clock.now()
            for resource, exception in list(exceptions.items()):
                if exception.expiration is not None and exception.expiration <= now:
                    del exceptions[resource]
            return exceptions

    # Rules

    def _rule(self, account_id: str, name: str) -> Rule:
        rule = self._config.rule(callers.scope(account_id), name)
        if rule is None:
            message = f"The ConfigRule '{name}' provided in the request is invalid. Please check the configRule name."
            raise AwsError("InvalidParameterValueException", message)
        return rule

    def _find(self, account_id: str, rule_name: str) -> Configuration | None:
        rule = self._config.rule(callers.scope(account_id), rule_name)
        return self._configurations.get(rule.arn) if rule else None

    def _configured(self, account_id: str, rule_name: str) -> Configuration:
        configuration = self._find(account_id, rule_name)
        if configuration is None:
            message = f"The ConfigRule '{rule_name}' has no remediation configuration."
            raise AwsError("NoSuchRemediationConfigurationException", message)
        return configuration

    def _is_current(self, configuration: Configuration) -> bool:
        return self._configurations.get(configuration.rule.arn) is configuration


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    names = {"FailureMessage": "ErrorMessage", "ExecutionStartTime": "StartTime", "ExecutionEndTime": "StopTime"}
    return {
        "Name": step["StepName"],
        "State": _STEP_STATES.get(step["StepStatus"], "UNKNOWN"),
        **{names[name]: step[name] for name in names if step.get(name) is not None},
    }


def _exception_key(key: Mapping[str, str]) -> Resource:
    return key.get("ResourceType", ""), key.get("ResourceId", "")


def _exception(rule: Rule, resource: Resource, exception: RemediationException) -> dict[str, Any]:
    return {
        "ConfigRuleName": rule.name,
        "ResourceType": resource[0],
        "ResourceId": resource[1],
        **({"Message": exception.message} if exception.message else {}),
        **({"ExpirationTime": exception.expiration} if exception.expiration else {}),
    }


# Templates


def from_properties(properties: Mapping[str, Any]) -> Settings:
    """Turn a resource's properties in a template into a request of PutRemediationConfigurations.

    A template may write numbers and booleans as text, and text as a number or a boolean. Raises AwsError, ValueError or
    TypeError if the API does not take the properties.
    """
    settings = dict(properties)
    for name, cast in (("Automatic", _boolean), ("MaximumAutomaticAttempts", int), ("RetryAttemptSeconds", int)):
        if name in settings:
            settings[name] = cast(settings[name])
    controls = settings.get("ExecutionControls", {}).get("SsmControls")
    if controls is not None:
        settings["ExecutionControls"] = {"SsmControls": {name: int(value) for name, value in controls.items()}}
    parameters = settings.get("Parameters", {})
    if isinstance(parameters, str):
        parameters = json.loads(parameters)
    settings["Parameters"] = {name: _parameter(value) for name, value in parameters.items()}
    body = json.dumps({"RemediationConfigurations": [settings]}).encode()
    operation, params = _api().parse({"X-Amz-Target": "StarlingDoveService.PutRemediationConfigurations"}, body)
    _api().validate(operation, params)
    [configuration] = params["RemediationConfigurations"]
    return dict(configuration)


@cache
def _api() -> ServiceApi:
    return ServiceApi("config")


def _boolean(value: object) -> bool:
    text = str(value).lower()
    if text not in {"true", "false"}:
        message = f"{value!r} is no boolean"
        raise ValueError(message)
    return text == "true"


def _parameter(value: Mapping[str, Any]) -> dict[str, Any]:
    if "StaticValue" not in value:
        return dict(value)
    values: Sequence[object] = value["StaticValue"].get("Values", [])
    texts = [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
    return {**value, "StaticValue": {"Values": texts}}
