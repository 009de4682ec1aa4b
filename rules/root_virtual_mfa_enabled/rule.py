"""The rule itself, and the function that AWS Lambda calls.

Rule Identifier:
  ROOT_VIRTUAL_MFA_ENABLED

Rule Name:
  root-virtual-mfa-enabled

Description:
  Checks that the root user of an AWS account has a virtual MFA device (control AWS_IAM_43).

Rationale:
  The root user can do everything in its account, and no policy of the account can hold it back: a password alone must not
  be enough to be it.  A virtual device is one whose means of recovery the owner can keep, and has to be shown by auditors
  who ask for it by name.

Indicative Severity:
  High

Trigger:
  Periodic

Reports on:
  AWS::::Account

Rule Parameters:
  minimumVirtualMfaDevices
    (Optional) How many virtual MFA devices the root user must have: 1 to 8. Default: 1
  nonVirtualMfa
    (Optional) What root's MFA without any virtual device is: NON_COMPLIANT or COMPLIANT. Default: NON_COMPLIANT
  noRootCredentials
    (Optional) What a root user without password, access key and signing certificate is: COMPLIANT, NOT_APPLICABLE or
    NON_COMPLIANT. Default: COMPLIANT
  ExecutionRoleName
    (Optional) The role to assume in the evaluated account. Default: none, the function's own role, for its own account

Scenarios:
  Scenario: 1
     Given: the account is in AWS GovCloud (US) or in the China Regions
      Then: return NOT_APPLICABLE without calling IAM
  Scenario: 2
     Given: root's MFA is on
       And: at least minimumVirtualMfaDevices virtual MFA devices are assigned to root
      Then: return COMPLIANT
  Scenario: 3
     Given: scenario 2 does not hold
       And: root is known to have neither a password nor access keys nor signing certificates
      Then: return what noRootCredentials says
  Scenario: 4
     Given: root's MFA is on
       And: virtual MFA devices are assigned to root, but fewer than minimumVirtualMfaDevices
      Then: return NON_COMPLIANT with both numbers
  Scenario: 5
     Given: root's MFA is on
       And: no virtual MFA device is assigned to root
      Then: return what nonVirtualMfa says
  Scenario: 6
     Given: root's MFA is off
      Then: return NON_COMPLIANT
  Scenario: 7
     Given: a rule parameter has an unknown name or a value that is not allowed
      Then: fail, naming the parameter, its value and what is allowed
  Scenario: 8
     Given: the event is not a scheduled notification of AWS Config for the account that its rule is in, of a time that has come
      Then: fail, naming the field
  Scenario: 9
     Given: the account is not the function's own
       And: ExecutionRoleName is not given
      Then: fail, saying that evaluating another account needs ExecutionRoleName
  Scenario: 10
     Given: IAM, STS or AWS Config does not answer, or answers what cannot be understood, or hands the evaluation back
      Then: fail, saying what happened, in which account, and what to do
"""

import logging
import time
from dataclasses import asdict
from typing import Any, Protocol

from rdklib import ComplianceType, ConfigRule, Evaluation, InvalidParametersError

from root_virtual_mfa_enabled import facts, parameters, report
from root_virtual_mfa_enabled.clients import AccountClients, WarmEnvironment
from root_virtual_mfa_enabled.decision import Decision, Facts, Verdict, decide
from root_virtual_mfa_enabled.event import ScheduledNotification

RULE_IDENTIFIER = "ROOT_VIRTUAL_MFA_ENABLED"
RESOURCE_TYPE = "AWS::::Account"

_COMPLIANCE_TYPES = {
    Verdict.COMPLIANT: ComplianceType.COMPLIANT,
    Verdict.NON_COMPLIANT: ComplianceType.NON_COMPLIANT,
    Verdict.NOT_APPLICABLE: ComplianceType.NOT_APPLICABLE,
}

_logger = logging.getLogger(__package__)
_logger.setLevel(logging.INFO)  # Else a function whose log format is text says nothing below WARNING.
logging.getLogger("botocore").setLevel(logging.WARNING)  # Else a cold start has a line that says where credentials come from.
_environment = WarmEnvironment()


class Context(Protocol):
    """What is used of AWS Lambda's context object.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out."""


class RootVirtualMfaEnabled(ConfigRule):
    """One evaluation of the rule: `parameters`, `facts` and `decision` are there once it has come that far."""

    # rdklib would search for old evaluations of other resources at every run; an account-level rule has none.
    delete_old_evaluations_on_scheduled_notification = False

    def __init__(self) -> None:
        super().__init__()
        self.parameters: parameters.RuleParameters | None = None
        self.facts: Facts | None = None
        self.decision: Decision | None = None

    def evaluate_parameters(self, rule_parameters: dict[str, str]) -> parameters.RuleParameters:
        """Parse the rule parameters. Raises InvalidParametersError."""
        self.parameters = parameters.parse(rule_parameters)
        return self.parameters

    def evaluate_periodic(
        self,
        event: ScheduledNotification,
        client_factory: AccountClients,
        valid_rule_parameters: parameters.RuleParameters,
    ) -> list[Evaluation]:
        """Read the facts, decide, and return one evaluation of the account. Raises EvaluationError."""
        self.facts = facts.read(client_factory.build_client("iam"), event.partition, event.account_id)
        self.decision = decide(self.facts, valid_rule_parameters.decision)
        evaluation = Evaluation(
            _COMPLIANCE_TYPES[self.decision.verdict],
            resourceId=event.account_id,
            resourceType=RESOURCE_TYPE,
            annotation=self.decision.annotation,
        )
        evaluation.orderingTimestamp = event.ordering_timestamp
        return [evaluation]


def lambda_handler(event: dict[str, Any], context: Context) -> list[dict[str, str]]:
    """Evaluate the account of a scheduled notification and report the evaluation to AWS Config.

    Returns the evaluations that were reported, as PutEvaluations takes them.  Raises EvaluationError or rdklib's
    InvalidParametersError where no verdict could be reached or reported: the invocation must fail, since an error that is
    returned counts as success, and AWS Config would go on showing the last result.  Writes one log line either way.
    """
    rule = RootVirtualMfaEnabled()
    log: dict[str, Any] = {"rule": RULE_IDENTIFIER}
    _environment.begin(context.get_remaining_time_in_millis)
    try:
        notification = ScheduledNotification.from_event(event, time.time())
        log |= _subject(notification)
        evaluations = _evaluate(rule, notification, own_account_id=context.invoked_function_arn.split(":")[4])
    except Exception:
        # No verdict in this line, even where one was reached: it was not reported.
        _logger.exception("evaluation failed", extra=log | _parameters(rule) | _facts(rule) | {"apiCalls": _environment.calls})
        raise
    _logger.info("evaluation", extra=log | _parameters(rule) | _facts(rule) | _verdict(rule) | {"apiCalls": _environment.calls})
    return evaluations


def _evaluate(rule: RootVirtualMfaEnabled, notification: ScheduledNotification, own_account_id: str) -> list[dict[str, str]]:
    try:
        valid_parameters = rule.evaluate_parameters(dict(notification.rule_parameters))
    except InvalidParametersError as error:
        message = f"{error} Account {notification.account_id} was not evaluated: correct the parameters of the rule."
        raise InvalidParametersError(message) from error
    clients = _environment.clients_for(notification, own_account_id, valid_parameters.execution_role_name)
    evaluations = [evaluation.get_json() for evaluation in rule.evaluate_periodic(notification, clients, valid_parameters)]
    report.put_evaluations(clients.build_client("config"), notification, evaluations)
    return evaluations


def _subject(notification: ScheduledNotification) -> dict[str, Any]:
    """Return what the log says of an event: by it, lines of the deployment's own rule are told from others (template.yaml)."""
    return {
        "account": notification.account_id,
        "orderingTimestamp": notification.ordering_timestamp,
        "configRuleArn": notification.rule_arn,
        "configRuleName": notification.rule_name,
        "ruleOwner": notification.rule_owner,
        "test": notification.is_test,
    }


def _parameters(rule: RootVirtualMfaEnabled) -> dict[str, Any]:
    return {"parameters": rule.parameters.texts()} if rule.parameters else {}


def _facts(rule: RootVirtualMfaEnabled) -> dict[str, Any]:
    if rule.facts is None or rule.facts.summary is None:
        return {}
    return {"facts": asdict(rule.facts.summary), "rootVirtualMfaDevices": len(rule.facts.root_devices)}


def _verdict(rule: RootVirtualMfaEnabled) -> dict[str, Any]:
    return {"verdict": rule.decision.verdict, "annotation": rule.decision.annotation} if rule.decision else {}
