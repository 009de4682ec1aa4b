"""The rule and the function that AWS Lambda calls.

Rule Identifier:
  ACCOUNT_ALIAS_EXISTS

Rule Name:
  account-alias-exists

Description:
  Checks that an AWS account has an account alias.

Rationale:
  Its sign-in page shows the alias, so that its users see which account they sign in to.

Indicative Severity:
  Low

Trigger:
  Periodic

Reports on:
  AWS::::Account

Rule Parameters:
  withoutAlias
    (Optional) The verdict if the account has no alias: NON_COMPLIANT or NOT_APPLICABLE. Default: NON_COMPLIANT
  ExecutionRoleName
    (Optional) The name of the role to assume in the evaluated account. Default: none; the function evaluates its own
    account with its own role

Scenarios:
  Scenario: 1
     Given: the account has an alias
      Then: return COMPLIANT
  Scenario: 2
     Given: the account has no alias
      Then: return the verdict of withoutAlias
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from periodic_rule.clients import AccountClients
from periodic_rule.errors import malformed, reading
from periodic_rule.event import Account
from periodic_rule.handler import Handler
from periodic_rule.parameters import ParameterSchema, one_of
from periodic_rule.rule import PeriodicRule
from periodic_rule.verdict import Decision, Verdict

PERMISSIONS = frozenset({"iam:ListAccountAliases"})
"""The IAM actions that the reads need in the evaluated account."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a verdict depends on: an account has one alias or none."""

    alias: str | None


@dataclass(frozen=True, slots=True)
class Parameters:
    """The rule parameters that change a verdict."""

    without_alias: Verdict = Verdict.NON_COMPLIANT


PARAMETERS = ParameterSchema(
    Parameters, {"withoutAlias": ("without_alias", one_of(Verdict.NON_COMPLIANT, Verdict.NOT_APPLICABLE))}
)


def read(clients: AccountClients, account: Account) -> Facts:
    """Read the facts. Raises ReadError if IAM does not answer, MalformedAnswerError if its answer is incomplete."""
    action = "iam:ListAccountAliases"
    with reading(action, account.account_id):
        answer = clients.build_client("iam").list_account_aliases()
    if "AccountAliases" not in answer:
        raise malformed(action, account.account_id, "AccountAliases is missing")
    return Facts(next(iter(answer["AccountAliases"]), None))


def decide(facts: Facts, parameters: Parameters) -> Decision:
    """Decide whether the account has an alias."""
    if facts.alias is not None:
        return Decision(Verdict.COMPLIANT, f"The account has the alias {facts.alias}.")
    return Decision(parameters.without_alias, "The account has no alias: create one in the IAM console.")


def log_fields(facts: Facts) -> Mapping[str, Any]:
    """Return what the log line says about the facts."""
    return {"facts": asdict(facts)}


RULE = PeriodicRule(
    identifier="ACCOUNT_ALIAS_EXISTS",
    name="account-alias-exists",
    product="account-alias",
    parameters=PARAMETERS,
    read_facts=read,
    decide=decide,
    log_fields=log_fields,
)

lambda_handler = Handler(RULE)
