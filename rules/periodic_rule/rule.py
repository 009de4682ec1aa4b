"""The interface between a rule and what every rule needs, and its place in rdklib's frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rdklib import ComplianceType, ConfigRule, Evaluation, InvalidParametersError

from periodic_rule.clients import AccountClients
from periodic_rule.errors import IncorrectRuleError
from periodic_rule.event import Account, ScheduledNotification
from periodic_rule.parameters import ParameterError, ParameterSchema, RuleParameters
from periodic_rule.verdict import Decision, Verdict

RESOURCE_TYPE = "AWS::::Account"

F = TypeVar("F")
P = TypeVar("P")

_COMPLIANCE_TYPES = {
    Verdict.COMPLIANT: ComplianceType.COMPLIANT,
    Verdict.NON_COMPLIANT: ComplianceType.NON_COMPLIANT,
    Verdict.NOT_APPLICABLE: ComplianceType.NOT_APPLICABLE,
}


@dataclass(frozen=True, slots=True)
class PeriodicRule(Generic[F, P]):
    """A rule: its names, and its three steps from facts `F` and parameters `P` to a verdict.

    `identifier` names the rule in the log line, such as ACCOUNT_ALIAS_EXISTS. In lower case, it is the name of the logger.
    `name` is the name of the AWS Config rule; CloudTrail shows it as the name of the role session in a member account.
    `product` starts the user agent of each call; the version follows it.
    `read_facts` reads the account with its clients. It raises EvaluationError if it cannot read or understand something.
    `decide` gives the verdict. It is pure.
    `log_fields` gives what the log line says about facts: names of fields and their values, which JSON can hold.
    """

    identifier: str
    name: str
    product: str
    parameters: ParameterSchema[P]
    read_facts: Callable[[AccountClients, Account], F]
    decide: Callable[[F, P], Decision]
    log_fields: Callable[[F], Mapping[str, Any]]


class AccountEvaluation(Evaluation):
    """rdklib's evaluation of an account, with its decision and with what the log line says about its facts."""

    def __init__(self, notification: ScheduledNotification, decision: Decision, log_fields: Mapping[str, Any]) -> None:
        super().__init__(
            _COMPLIANCE_TYPES[decision.verdict],
            resourceId=notification.account_id,
            resourceType=RESOURCE_TYPE,
            annotation=decision.annotation,
        )
        self.orderingTimestamp = notification.ordering_timestamp
        self.decision = decision
        self.log_fields = log_fields


class AccountRule(ConfigRule, Generic[F, P]):
    """A PeriodicRule as rdklib's ConfigRule. It keeps nothing of an evaluation."""

    # rdklib would search for old evaluations of other resources at every run; an account-level rule has none.
    delete_old_evaluations_on_scheduled_notification = False

    def __init__(self, rule: PeriodicRule[F, P]) -> None:
        super().__init__()
        self._rule = rule

    def evaluate_parameters(self, rule_parameters: Mapping[str, str]) -> RuleParameters[P]:
        """Parse the rule parameters. Raises InvalidParametersError."""
        try:
            return self._rule.parameters.parse(rule_parameters)
        except ParameterError as error:
            raise InvalidParametersError(str(error)) from None

    def evaluate_periodic(
        self, event: ScheduledNotification, client_factory: AccountClients, valid_rule_parameters: RuleParameters[P]
    ) -> list[AccountEvaluation]:
        """Read the facts, decide, and return one evaluation of the account. Raises EvaluationError, or what the rule raises."""
        facts = self._rule.read_facts(client_factory, event.account)
        decision = self._checked(self._rule.decide(facts, valid_rule_parameters.decision_parameters), event.account_id)
        return [AccountEvaluation(event, decision, self._rule.log_fields(facts))]

    def _checked(self, decision: object, account_id: str) -> Decision:
        match decision:
            case Decision(verdict=Verdict(), annotation=str()):
                return decision
        message = (
            f"Rule {self._rule.identifier} gave no verdict for account {account_id}: its decide() returned "
            f"{type(decision).__name__} instead of a Decision with a Verdict and an annotation. Correct the rule."
        )
        raise IncorrectRuleError(message)
