"""The journal: what the function's log says about each account.  It is the second source beside AWS Config.

The function writes a line after AWS Config has taken a result.  So a line has the time of the evaluation, the verdict and the
annotation, even if AWS Config later shows others.  Only lines of the deployment's own rule with its own parameters count: a
member can point its own rule, with its own parameters, at the function.  This module is pure, without input or output.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from organization.controls.judging import RootFacts
from organization.deployment import EVALUATION_ROLE_NAME, PACK_RULE_PREFIX, RULE_NAME, Deployment
from root_virtual_mfa_enabled.decision import AccountSummary

REACH = timedelta(days=7)
"""How far back the journal is read: an account that nobody evaluated for longer is unknown anyway."""

HISTORY = timedelta(days=3)
"""How far back the history is read: two days, and the evaluation before."""

MOST_ROWS = 10_000
"""The most rows that the query returns.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Limit.html
"""

EVALUATION, FAILURE = "evaluation", "evaluation failed"
"""The messages of the lines about an account."""
PACK_OWNER, ACCOUNT_OWNER = "config-conforms.amazonaws.com", "account"
"""Who makes the rules of a conformance pack, and all other rules: the account itself."""

FACTS = tuple(each.name for each in fields(AccountSummary))
"""The facts of a line, by their names there. Each is true, false, or null if AWS did not say."""
_DEVICES = "rootVirtualMfaDevices"
_COUNT = re.compile(r"[0-9]{1,4}")
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
"""How a query may show a boolean of a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line about an evaluation: when it was written, the rule's name in the account, the verdict with its annotation.

    `root` has the facts behind the verdict; None if there are none, as in a partition that the rule does not evaluate.
    """

    time: datetime
    rule_name: str
    verdict: str
    annotation: str
    root: RootFacts | None = None


@dataclass(frozen=True, slots=True)
class FailedEvaluation:
    """A line about a failed evaluation: when it was written, and the error as `TYPE: MESSAGE`."""

    time: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Journal:
    """The latest evaluation and the latest failure of each account, by its id.

    `problem` says why the journal could not be read; then it is empty.
    """

    evaluations: Mapping[str, Entry] = field(default_factory=dict)
    failures: Mapping[str, FailedEvaluation] = field(default_factory=dict)
    problem: str = ""


def query(deployment: Deployment, ending: str = "") -> str:
    """Return the query of Logs Insights for the latest evaluation and the latest failure of each account.

    `ending`: ask only for the accounts whose id ends so.  AWS does not document whether `false` is 0 or a text in a query, so
    the query takes both.
    """
    own = _own(deployment)
    own += [f"account like /{ending}$/"] if ending else []
    return "\n".join(
        [
            "fields @timestamp, account, message, configRuleName, verdict, annotation, errorType, errorMessage, "
            + ", ".join((*(f"facts.{name}" for name in FACTS), _DEVICES)),
            f'| filter message in ["{EVALUATION}", "{FAILURE}"] and (test = 0 or test = "false")',
            f"| filter {' and '.join(own)}",
            "| sort @timestamp desc",
            "| dedup account, message",
            f"| limit {MOST_ROWS}",
        ]
    )


def history_query(deployment: Deployment) -> str:
    """Return the query of Logs Insights for every evaluation of every account, the latest first."""
    return "\n".join(
        [
            "fields @timestamp, account, message, configRuleName, verdict, annotation",
            f'| filter message = "{EVALUATION}" and (test = 0 or test = "false")',
            f"| filter {' and '.join(_own(deployment))}",
            "| sort @timestamp desc",
            f"| limit {MOST_ROWS}",
        ]
    )


def _own(deployment: Deployment) -> list[str]:
    """Return the conditions that the deployment's own rule with its own parameters fulfils."""
    if deployment.has_rule_in_stack_set:
        own = [
            f'ruleOwner = "{ACCOUNT_OWNER}"',
            f'configRuleName = "{RULE_NAME}"',
            f'parameters.ExecutionRoleName = "{EVALUATION_ROLE_NAME}"',
        ]
    elif deployment.organization_id:
        own = [
            f'ruleOwner = "{PACK_OWNER}"',
            f"configRuleName like /^{PACK_RULE_PREFIX}/",
            f'parameters.ExecutionRoleName = "{EVALUATION_ROLE_NAME}"',
        ]
    else:
        own = [
            f'ruleOwner = "{ACCOUNT_OWNER}"',
            f'configRuleName = "{RULE_NAME}"',
            f'account = "{deployment.account_id}"',
            "not ispresent(parameters.ExecutionRoleName)",
        ]
    return own + [f'parameters.{name} = "{value}"' for name, value in deployment.rule_parameters.items()]


def from_rows(rows: Iterable[Mapping[str, str]]) -> Journal:
    """Make the journal of the query's rows, which have its fields by name."""
    evaluations: dict[str, Entry] = {}
    failures: dict[str, FailedEvaluation] = {}
    for row in rows:
        account_id = row.get("account", "")
        if row["message"] == EVALUATION:
            evaluations[account_id] = _entry(row)
        else:
            failures[account_id] = FailedEvaluation(
                time_of(row), f"{row.get('errorType', 'Error')}: {row.get('errorMessage', '')}"
            )
    return Journal(evaluations, failures)


def history(rows: Iterable[Mapping[str, str]]) -> dict[str, list[Entry]]:
    """Sort the rows of `history_query` by account id; the latest stays first."""
    entries: dict[str, list[Entry]] = {}
    for row in rows:
        entries.setdefault(row.get("account", ""), []).append(_entry(row))
    return entries


def _entry(row: Mapping[str, str]) -> Entry:
    rule_name, verdict, annotation = (row.get(each, "") for each in ("configRuleName", "verdict", "annotation"))
    return Entry(time_of(row), rule_name, verdict, annotation, _root_facts(row))


def _root_facts(row: Mapping[str, str]) -> RootFacts | None:
    """Return the facts of a line; None if it does not say whether MFA is on and how many virtual devices root has."""
    facts = {name: _BOOLEANS.get(row.get(f"facts.{name}", "")) for name in FACTS}
    mfa_enabled, devices = facts.pop("mfa_enabled"), row.get(_DEVICES, "")
    if mfa_enabled is None or not _COUNT.fullmatch(devices):
        return None
    return RootFacts(AccountSummary(mfa_enabled, **facts), int(devices))


def time_of(row: Mapping[str, str]) -> datetime:
    """Return when the line of a query's row was written.

    The form of @timestamp: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-datetime.html
    """
    return datetime.fromisoformat(row["@timestamp"]).replace(tzinfo=UTC)
