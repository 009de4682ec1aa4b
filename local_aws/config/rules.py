"""AWS Config: custom Lambda rules, their evaluation, and compliance.

Source: API model, config, and https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules.html
"""

import base64
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.config.recorders import Recorders
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

RULE_PROPERTIES = (
    "ConfigRuleName",
    "Description",
    "EvaluationModes",
    "InputParameters",
    "MaximumExecutionFrequency",
    "Scope",
    "Source",
)
"""The properties of AWS::Config::ConfigRule, in a stack and in a conformance pack. Source: CloudFormation's type reference."""

FREQUENCIES = {
    "One_Hour": timedelta(hours=1),
    "Three_Hours": timedelta(hours=3),
    "Six_Hours": timedelta(hours=6),
    "Twelve_Hours": timedelta(hours=12),
    "TwentyFour_Hours": timedelta(hours=24),
}

_SHORTEST_INTERVAL = timedelta(minutes=1)
"""The shortest time between two runs of a rule. Source: API StartConfigRulesEvaluation, LimitExceededException."""

_PERIODIC = "ScheduledNotification"
_PAGE = 100
_DEFAULT_RESULTS = 10
"""Results on a page.

Source: API model, GetComplianceDetailsByConfigRuleRequest.Limit and DescribeComplianceByResourceRequest.Limit.
"""
MOST_RESOURCES, _MOST_RULES = 100, 25
"""How far AWS Config counts resources and rules that decide compliance. Source: API model, ComplianceSummary."""
_log = logging.getLogger(__name__)

PAGES = Pages("InvalidNextTokenException")
_PAGES_OF_RESOURCE = Pages("InvalidParameterValueException")
"""Source: API model, the errors of GetComplianceDetailsByResource."""


@dataclass
class Result:
    """The result that a rule keeps for a resource."""

    compliance_type: str
    annotation: str | None
    ordering: datetime
    invoked: datetime
    recorded: datetime


@dataclass
class Rule:
    """A rule: its settings, its next run, and the last result for each resource (type, id).

    `created_by` is the principal of the service that put the rule, or None if the account did.
    """

    scope: Scope
    rule_id: str
    settings: dict[str, Any]
    activated: datetime
    next_run: datetime
    created_by: str | None = None
    last_run: datetime | None = None
    running: int = 0
    results: dict[tuple[str, str], Result] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The rule's name, unique in its account and Region."""
        return str(self.settings["ConfigRuleName"])

    @property
    def arn(self) -> str:
        """The rule's ARN. The ARN of a service's rule names the service.

        Source: the Service Authorization Reference has only the first form. Rules of conformance packs were seen with the
        second in AWS, as config-rule/aws-service-rule/config-conforms.amazonaws.com/config-rule-a1b2c3.
        """
        account_id, region = self.scope
        service = f"aws-service-rule/{self.created_by}/" if self.created_by else ""
        return f"arn:aws:config:{region}:{account_id}:config-rule/{service}{self.rule_id}"

    @property
    def function_arn(self) -> str:
        """The ARN of the function that evaluates the rule."""
        return str(self.settings["Source"]["SourceIdentifier"])

    @property
    def compliance(self) -> str:
        """The compliance type of the rule as a whole."""
        return worst(self.types)

    @property
    def types(self) -> list[str]:
        """The compliance type of each result."""
        return [result.compliance_type for result in self.results.values()]

    @property
    def period(self) -> timedelta:
        """How often Config evaluates the rule: every 24 hours if its details name no frequency."""
        details = self.settings["Source"].get("SourceDetails", [])
        named = [detail["MaximumExecutionFrequency"] for detail in details if "MaximumExecutionFrequency" in detail]
        return FREQUENCIES[named[0] if named else "TwentyFour_Hours"]


Listener = Callable[[Rule, tuple[str, str], Result | None, Result], None]
"""Gets the rule, the resource (type, id), the previous result or None, and the new result."""


@dataclass(frozen=True)
class _Run:
    rule: Rule
    invoked: datetime


class Config:
    """AWS Config in every account and Region. `functions` evaluate the rules.

    Each new result goes to the listeners in `when_recorded`, in their order. The functions in `before_deletion` are called
    before a rule is deleted, and raise AwsError if the rule has to stay.
    """

    def __init__(
        self,
        functions: LambdaFunctions,
        recorders: Recorders,
        organization: Organization | None,
        clock: Clock,
        switches: Switches,
    ) -> None:
        """Start without rules. Those of an account that `organization` has suspended are not evaluated."""
        self._functions = functions
        self._switches = switches
        self.recorders = recorders
        self._organization = organization
        self._clock = clock
        self.when_recorded: list[Listener] = []
        self.before_deletion: list[Callable[[Rule], None]] = []
        self._rules: dict[Scope, dict[str, Rule]] = {}
        self._runs: dict[str, _Run] = {}
        self._lock = RLock()
        self.operations: Operations = {
            "PutConfigRule": self.put_config_rule,
            "DescribeConfigRules": self.describe_config_rules,
            "DeleteConfigRule": self.delete_config_rule,
            "StartConfigRulesEvaluation": self.start_config_rules_evaluation,
            "PutEvaluations": self.put_evaluations,
            "DescribeComplianceByConfigRule": self.describe_compliance_by_config_rule,
            "DescribeComplianceByResource": self.describe_compliance_by_resource,
            "GetComplianceDetailsByConfigRule": self.get_compliance_details_by_config_rule,
            "GetComplianceDetailsByResource": self.get_compliance_details_by_resource,
            "DescribeConfigRuleEvaluationStatus": self.describe_config_rule_evaluation_status,
        }

    # Evaluation

    def run_due_rules(self) -> None:
        """Evaluate each rule whose period has passed."""
        with self._lock:
            due = [rule for rules in self._rules.values() for rule in rules.values() if rule.next_run <= self._clock.now()]
            for rule in due:
                self._evaluate(rule)

    def _evaluate(self, rule: Rule) -> None:
        """Invoke the rule's function asynchronously with a scheduled notification, as AWS Config does.

        If the function's policy no longer allows this, or the function is gone, nothing happens, and nobody learns of it.
        Guess: nothing happens in an account that is suspended.
        """
        now = self._clock.now()
        rule.last_run, rule.next_run = now, now + rule.period
        self._clock.at(rule.next_run, self.run_due_rules)
        if self._organization is not None and self._organization.is_shut(rule.scope[0]):
            return
        try:
            self._functions.check_permission(rule.function_arn, rule.scope[0])
        except AwsError as error:
            _log.warning("Rule %s of account %s is not evaluated: %s", rule.name, rule.scope[0], error.message)
            return
        with self._lock:
            token = _result_token()
            self._runs[token] = _Run(rule, now)
            rule.running += 1
        self._functions.invoke_asynchronously(
            rule.function_arn, self._event(rule, token, now), when_done=lambda: self._done(rule)
        )

    def _done(self, rule: Rule) -> None:
        with self._lock:
            rule.running -= 1

    def _event(self, rule: Rule, token: str, now: datetime) -> dict[str, Any]:
        account_id, _ = rule.scope
        notification = {
            "awsAccountId": account_id,
            "notificationCreationTime": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "messageType": _PERIODIC,
            "recordVersion": "1.0",
        }
        event = {
            "version": "1.0",
            "invokingEvent": json.dumps(notification),
            "resultToken": token,
            "eventLeftScope": False,
            "executionRoleArn": self.recorders.role(rule.scope),
            "configRuleArn": rule.arn,
            "configRuleName": rule.name,
            "configRuleId": rule.rule_id,
            "accountId": account_id,
        }
        if "InputParameters" in rule.settings:
            event["ruleParameters"] = rule.settings["InputParameters"]
        return event

    # Rules

    def put_config_rule(self, account_id: str, params: dict[str, Any], *, created_by: str | None = None) -> dict[str, Any]:
        """Create or change a custom Lambda rule, and evaluate it. Only a service changes its own rules.

        Source of the evaluation: API model, config. A switch lets a new rule wait for its period.
        """
        settings = params["ConfigRule"]
        scope = callers.scope(account_id)
        if settings["Source"]["Owner"] != "CUSTOM_LAMBDA":
            message = "The local AWS emulates rules whose Source.Owner is CUSTOM_LAMBDA only."
            raise AwsError("InvalidParameterValueException", message)
        if not settings.get("ConfigRuleName"):
            message = "ConfigRuleName is required."
            raise AwsError("InvalidParameterValueException", message)
        if not any(detail.get("MessageType") == _PERIODIC for detail in settings["Source"].get("SourceDetails", [])):
            message = f"The local AWS emulates periodic rules only: SourceDetails must have a MessageType {_PERIODIC}."
            raise AwsError("InvalidParameterValueException", message)
        _check_input_parameters(settings.get("InputParameters"))
        if self.recorders.find(scope) is None:
            message = "You must create a configuration recorder before you can create or update a Config rule."  # live
            raise AwsError("NoAvailableConfigurationRecorderException", message)
        self._functions.check_permission(settings["Source"]["SourceIdentifier"], account_id)
        with self._lock:
            rules = self._rules.setdefault(scope, {})
            name = settings["ConfigRuleName"]
            rule = rules.get(name)
            waits = rule is None and self._switches.is_on("no-evaluation-of-new-rules")
            if rule is None:
                rule = Rule(
                    scope, f"config-rule-{secrets.token_hex(3)}", settings, self._clock.now(), self._clock.now(), created_by
                )
                rules[name] = rule
            refuse_others(rule, created_by)
            rule.settings = settings
        if waits:
            rule.next_run = self._clock.now() + rule.period
            self._clock.at(rule.next_run, self.run_due_rules)
        else:
            self._evaluate(rule)
        return {}

    def describe_config_rules(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe rules by name, or all."""
        rules, token = PAGES.page(self._named(account_id, params.get("ConfigRuleNames")), params, _PAGE)
        return {
            "ConfigRules": [
                {
                    "ConfigRuleState": "ACTIVE",
                    **self._shown_settings(rule),
                    "ConfigRuleArn": rule.arn,
                    "ConfigRuleId": rule.rule_id,
                    **({"CreatedBy": rule.created_by} if rule.created_by else {}),
                }
                for rule in rules
            ],
            **token,
        }

    def _shown_settings(self, rule: Rule) -> dict[str, Any]:
        """Return a rule's settings. Public captures show the function of a pack's rule; a switch hides it."""
        if not (rule.created_by and self._switches.is_on("no-function-of-pack-rules")):
            return rule.settings
        source = {name: value for name, value in rule.settings["Source"].items() if name != "SourceIdentifier"}
        return {**rule.settings, "Source": source}

    def delete_config_rule(self, account_id: str, params: dict[str, Any], *, created_by: str | None = None) -> dict[str, Any]:
        """Delete a rule and its results. Only a service deletes its own rules."""
        with self._lock:
            [rule] = self._named(account_id, [params["ConfigRuleName"]])
            refuse_others(rule, created_by)
            for refuse in self.before_deletion:
                refuse(rule)
            del self._rules[rule.scope][rule.name]
            self._runs = {token: run for token, run in self._runs.items() if run.rule is not rule}
        return {}

    def start_config_rules_evaluation(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Evaluate rules: each at most once a minute, and not while an evaluation runs."""
        with self._lock:
            rules = self._named(account_id, params.get("ConfigRuleNames"))
            for rule in rules:
                if rule.created_by and self._switches.is_on("no-start-of-pack-rules"):
                    refuse_others(rule, None)
                if rule.running or (rule.last_run and self._clock.now() - rule.last_run < _SHORTEST_INTERVAL):
                    message = f"Rule {rule.name} is being evaluated, or was started within the last minute."
                    raise AwsError("LimitExceededException", message)
            for rule in rules:
                self._evaluate(rule)
        return {}

    def describe_config_rule_evaluation_status(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return when rules were activated. AWS Config reports nothing about the runs of custom Lambda rules."""
        rules, token = PAGES.page(self._named(account_id, params.get("ConfigRuleNames")), params, _PAGE)
        return {
            "ConfigRulesEvaluationStatus": [
                {
                    "ConfigRuleName": rule.name,
                    "ConfigRuleArn": rule.arn,
                    "ConfigRuleId": rule.rule_id,
                    "FirstActivatedTime": rule.activated,
                    "FirstEvaluationStarted": rule.last_run is not None,
                }
                for rule in rules
            ],
            **token,
        }

    # Evaluations and compliance

    def put_evaluations(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Record the evaluations of a run. One that is older than the result changes nothing."""
        evaluations = params.get("Evaluations", [])
        for evaluation in evaluations:
            if evaluation["ComplianceType"] == "INSUFFICIENT_DATA":
                message = "INSUFFICIENT_DATA is not a compliance type that an evaluation may have."
                raise AwsError("InvalidParameterValueException", message)
        if params.get("TestMode"):
            return {"FailedEvaluations": []}
        recorded: list[tuple[Rule, tuple[str, str], Result | None, Result]] = []
        with self._lock:
            run = self._runs.get(params["ResultToken"])
            if run is None or run.rule.scope[0] != account_id:
                message = "The result token is invalid."
                raise AwsError("InvalidResultTokenException", message)
            for evaluation in evaluations:
                resource = (evaluation["ComplianceResourceType"], evaluation["ComplianceResourceId"])
                known = run.rule.results.get(resource)
                if known is None or known.ordering <= evaluation["OrderingTimestamp"]:
                    result = self._result(evaluation, run, known)
                    run.rule.results[resource] = result
                    recorded.append((run.rule, resource, known, result))
        for listener in self.when_recorded:
            for record in recorded:
                listener(*record)
        return {"FailedEvaluations": []}

    def _result(self, evaluation: dict[str, Any], run: _Run, known: Result | None) -> Result:
        """Return the result that AWS Config keeps of an evaluation. No page says whether an unchanged one has new times."""
        compliance_type, annotation = evaluation["ComplianceType"], evaluation.get("Annotation")
        invoked, recorded = run.invoked, self._clock.now()
        unchanged = known is not None and (known.compliance_type, known.annotation) == (compliance_type, annotation)
        if known and unchanged and self._switches.is_on("keep-times-of-unchanged-results"):
            invoked, recorded = known.invoked, known.recorded
        return Result(compliance_type, annotation, evaluation["OrderingTimestamp"], invoked, recorded)

    def describe_compliance_by_config_rule(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the compliance of rules."""
        wanted = params.get("ComplianceTypes")
        types = {
            rule.name: [] if self._hides_results(rule) else rule.types
            for rule in self._named(account_id, params.get("ConfigRuleNames"))
        }
        names = [name for name, of_rule in types.items() if not wanted or worst(of_rule) in wanted]
        page, token = PAGES.page(names, params, _PAGE)
        return {
            "ComplianceByConfigRules": [
                {"ConfigRuleName": name, "Compliance": contributors(types[name], MOST_RESOURCES)} for name in page
            ],
            **token,
        }

    def describe_compliance_by_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the compliance of resources: the worst of all rules that evaluated them."""
        if params.get("ResourceId") and not params.get("ResourceType"):
            message = "ResourceType is required with ResourceId."
            raise AwsError("InvalidParameterValueException", message)
        found: dict[tuple[str, str], list[str]] = {}
        for rule in self._shown_by_resource(account_id):
            for (resource_type, resource_id), result in rule.results.items():
                if params.get("ResourceType", resource_type) == resource_type and (
                    params.get("ResourceId", resource_id) == resource_id
                ):
                    found.setdefault((resource_type, resource_id), []).append(result.compliance_type)
        wanted = params.get("ComplianceTypes")
        compliances = [
            {"ResourceType": kind, "ResourceId": identifier, "Compliance": contributors(types, _MOST_RULES)}
            for (kind, identifier), types in sorted(found.items())
            if not wanted or worst(types) in wanted
        ]
        page, token = PAGES.page(compliances, params, _DEFAULT_RESULTS)
        return {"ComplianceByResources": page, **token}

    def get_compliance_details_by_config_rule(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the results of a rule."""
        [rule] = self._named(account_id, [params["ConfigRuleName"]])
        results = [] if self._hides_results(rule) else [details(rule, resource) for resource in sorted(rule.results)]
        return _details_page(results, params, _DEFAULT_RESULTS)

    def get_compliance_details_by_resource(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the results for a resource, one from each rule that evaluated it."""
        if not (params.get("ResourceType") and params.get("ResourceId")):
            message = "ResourceType and ResourceId are required. The local AWS knows no ResourceEvaluationId."
            raise AwsError("InvalidParameterValueException", message)
        resource = (params["ResourceType"], params["ResourceId"])
        results = [details(rule, resource) for rule in self._shown_by_resource(account_id) if resource in rule.results]
        return _details_page(results, params, _PAGE, pages=_PAGES_OF_RESOURCE)

    def _shown_by_resource(self, account_id: str) -> list[Rule]:
        """Return the rules whose results AWS Config gives by resource. No page says whether those of packs are among them."""
        hidden = self._switches.is_on("no-pack-results-by-resource")
        return [
            rule for rule in self._named(account_id, None) if not (hidden and rule.created_by) and not self._hides_results(rule)
        ]

    def _hides_results(self, rule: Rule) -> bool:
        """Tell whether AWS Config gives the account no result of a rule. No page says that it does of a pack's."""
        return bool(rule.created_by) and self._switches.is_on("no-results-of-pack-rules")

    def _named(self, account_id: str, names: Sequence[str] | None) -> list[Rule]:
        rules = self._rules.get(callers.scope(account_id), {})
        if not names:
            return [rule for _, rule in sorted(rules.items())]
        for name in names:
            if name not in rules:
                message = f"The ConfigRule '{name}' provided in the request is invalid. Please check the configRule name."
                raise AwsError("NoSuchConfigRuleException", message)
        return [rules[name] for name in names]

    def rules_of(self, account_ids: Iterable[str]) -> list[Rule]:
        """Return the rules of accounts in all Regions, by account, Region and name."""
        wanted = set(account_ids)
        with self._lock:
            scopes = sorted(scope for scope in self._rules if scope[0] in wanted)
            return [rule for scope in scopes for _, rule in sorted(self._rules[scope].items())]

    def arn(self, scope: Scope, name: str) -> str | None:
        """Return the ARN of the rule `name` of an account and Region, or None."""
        rule = self.rule(scope, name)
        return rule.arn if rule else None

    def rule(self, scope: Scope, name: str) -> Rule | None:
        """Return the rule `name` of an account and Region, or None."""
        return self._rules.get(scope, {}).get(name)


def _result_token() -> str:
    """Make a result token as long as AWS Config's, and as opaque."""
    encrypted = {"encryptedData": [byte - 128 for byte in secrets.token_bytes(160)]}
    return base64.b64encode(json.dumps(encrypted, separators=(",", ":")).encode()).decode()


def _check_input_parameters(text: str | None) -> None:
    if text is None:
        return
    try:
        parameters = json.loads(text)
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
        message = f"InputParameters must be a JSON object of strings, but is {text}"
        raise AwsError("InvalidParameterValueException", message)


def refuse_others(rule: Rule, created_by: str | None) -> None:
    """Refuse a change of a service's rule by anyone else. Raises AwsError.

    AWS Config answers this for a rule of another service. The reference of DeleteConfigRule does not list the code.
    """
    if rule.created_by != created_by:
        message = "An AWS service owns ServiceLinkedConfigRule. You do not have permissions to take action on this rule."
        raise AwsError("AccessDeniedException", message)


def worst(compliance_types: Iterable[str]) -> str:
    """Return the worst compliance type. NOT_APPLICABLE does not count, and without others it is INSUFFICIENT_DATA."""
    types = set(compliance_types)
    return next((kind for kind in ("NON_COMPLIANT", "COMPLIANT") if kind in types), "INSUFFICIENT_DATA")


def contributors(compliance_types: Sequence[str], most: int) -> dict[str, Any]:
    """Return a Compliance of the API: the worst type, and how many have it. AWS Config counts up to `most`."""
    decides = worst(compliance_types)
    number = compliance_types.count(decides)
    count = {"CappedCount": min(number, most), "CapExceeded": number > most}
    return {"ComplianceType": decides, **({"ComplianceContributorCount": count} if number else {})}


def details(rule: Rule, resource: tuple[str, str]) -> dict[str, Any]:
    """Return an EvaluationResult of the API for a resource."""
    result = rule.results[resource]
    return {
        "EvaluationResultIdentifier": {
            "EvaluationResultQualifier": {
                "ConfigRuleName": rule.name,
                "ResourceType": resource[0],
                "ResourceId": resource[1],
                "EvaluationMode": "DETECTIVE",
            },
            "OrderingTimestamp": result.ordering,
        },
        "ComplianceType": result.compliance_type,
        "ResultRecordedTime": result.recorded,
        "ConfigRuleInvokedTime": result.invoked,
        **({"Annotation": result.annotation} if result.annotation else {}),
    }


def _details_page(results: list[dict[str, Any]], params: dict[str, Any], size: int, *, pages: Pages = PAGES) -> dict[str, Any]:
    wanted = params.get("ComplianceTypes", [])
    if "INSUFFICIENT_DATA" in wanted:
        message = "INSUFFICIENT_DATA is not a compliance type that results can be filtered by."
        raise AwsError("InvalidParameterValueException", message)
    selected = [result for result in results if not wanted or result["ComplianceType"] in wanted]
    page, token = pages.page(selected, params, size)
    return {"EvaluationResults": page, **token}
