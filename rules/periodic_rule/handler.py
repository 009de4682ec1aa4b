"""The function that AWS Lambda calls: check the event, evaluate the account, report to AWS Config, write one log line."""

import logging
import os
import time
from typing import Any, Generic, Protocol, TypeVar

from rdklib import InvalidParametersError

from periodic_rule import outsiders
from periodic_rule.clients import Invocation, WarmEnvironment
from periodic_rule.errors import EvaluationError
from periodic_rule.evaluations import put_evaluations
from periodic_rule.event import ScheduledNotification, account_of
from periodic_rule.parameters import RuleParameters
from periodic_rule.rule import AccountRule, PeriodicRule

F = TypeVar("F")
P = TypeVar("P")

logging.getLogger("botocore").setLevel(logging.WARNING)  # At INFO, a cold start logs where the credentials come from.


class Context(Protocol):
    """The part of AWS Lambda's context object that the handler uses.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out."""


class Handler(Generic[F, P]):
    """The Lambda handler of a rule.

    The environment variable VERSION has the version of the deployment ("unknown" without it), for log lines and user agent.
    ONLY_ORGANIZATION has the id of the organization if AWS Config may invoke the function for accounts outside it too. Then the
    handler refuses an event about an outsider: one log line, no evaluation, no failure. Only the warm environment, with the
    clients of the function's own account, outlives an invocation.
    """

    def __init__(self, rule: PeriodicRule[F, P]) -> None:
        """Prepare an execution environment; AWS Lambda does that once, before the first event."""
        self._rule = rule
        self._config_rule = AccountRule(rule)
        self._version = os.environ.get("VERSION") or "unknown"
        self._only_organization = os.environ.get("ONLY_ORGANIZATION", "")
        self._environment = WarmEnvironment(user_agent=f"{rule.product}/{self._version}")
        self._logger = logging.getLogger(rule.identifier.lower())
        self._logger.setLevel(logging.INFO)  # Otherwise a function with log format Text logs nothing below WARNING.

    def __call__(self, event: dict[str, Any], context: Context) -> list[dict[str, str]]:
        """Evaluate the account of a scheduled notification and report the evaluation to AWS Config.

        Returns the reported evaluations, as PutEvaluations takes them; none if the event is refused.  Raises EvaluationError or
        rdklib's InvalidParametersError if the rule cannot reach or report a verdict: Lambda counts a returned error as a
        success, and AWS Config would keep showing the last result.  Writes one log line in any case.
        """
        log: dict[str, Any] = {"rule": self._rule.identifier, "version": self._version}
        region, own_account_id = context.invoked_function_arn.split(":")[3:5]
        with self._environment.invocation(context.get_remaining_time_in_millis) as invocation:
            try:
                notification = ScheduledNotification.from_event(event, time.time())
                log |= _subject(notification)
                parameters = self._parse_parameters(notification)
                log["parameters"] = self._rule.parameters.texts(parameters)
                clients = invocation.clients_for(
                    notification,
                    own_account_id=own_account_id,
                    execution_role_name=parameters.execution_role_name,
                    session_name=self._rule.name,
                )
                [evaluation] = self._config_rule.evaluate_periodic(notification, clients, parameters)
                log |= evaluation.log_fields
                reported = [evaluation.get_json()]
                put_evaluations(clients.build_client("config"), notification, reported)
            except Exception:
                if self._refuses(event, invocation, own_account_id, region, log):
                    self._logger.warning("refused", extra=log | {"apiCalls": invocation.calls})
                    return []
                # This line has no verdict, even if the rule reached one: AWS Config does not have it.
                self._logger.exception("evaluation failed", extra=log | {"apiCalls": invocation.calls})
                raise
            verdict = {"verdict": evaluation.decision.verdict, "annotation": evaluation.decision.annotation}
            self._logger.info("evaluation", extra=log | verdict | {"apiCalls": invocation.calls})
        return reported

    def _refuses(self, event: object, invocation: Invocation, own_account_id: str, region: str, log: dict[str, Any]) -> bool:
        """Tell whether an event that failed is an outsider's, and add the answer to the log.

        An account that gave the function credentials is in the organization: the function's role can assume no other's role.
        """
        account_id = account_of(event)
        if not self._only_organization or account_id is None or account_id == own_account_id or invocation.reached:
            return False
        organizations = invocation.own_client("organizations", region, account_id)
        try:
            refuses = outsiders.is_outsider(
                organizations, account_id, own_account_id=own_account_id, organization_id=self._only_organization
            )
        except EvaluationError as error:  # nobody knows, so the failure stays one
            log["membership"] = f"unknown: {error}"
            return False
        log |= {"account": account_id, "membership": "outsider" if refuses else "member"}
        return refuses

    def _parse_parameters(self, notification: ScheduledNotification) -> RuleParameters[P]:
        try:
            return self._config_rule.evaluate_parameters(notification.rule_parameters)
        except InvalidParametersError as error:
            message = f"{error} Account {notification.account_id} was not evaluated: correct the parameters of the rule."
            raise InvalidParametersError(message) from error


def _subject(notification: ScheduledNotification) -> dict[str, Any]:
    """Return what the log line says about the event; template.yaml finds the lines of the deployment's own rule by it."""
    return {
        "account": notification.account_id,
        "orderingTimestamp": notification.ordering_timestamp,
        "configRuleArn": notification.rule_arn,
        "configRuleName": notification.rule_name,
        "ruleOwner": notification.rule_owner,
        "test": notification.is_test,
    }
