"""Reads the journal's lines, and tells which of them are about the deployment's own rule: pure, without input or output.

The function writes a line after AWS Config has taken a result.  So what a line says of the root user is so: the function read
it.  But a member can point a rule of its own, with parameters of its own, at the function, and so choose what is compliant.  It
cannot do that in the central account or in the management account.  So the parameters in force at an instant are those with
which the deployment's rule evaluated one of these two accounts last, or next: see Parameters.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from organization.deployment import EVALUATION_ROLE_NAME, PACK_RULE_PREFIX, RULE_NAME, Deployment
from organization.journal import EVALUATION, FAILURE, PACK_OWNER

FACTS = ("mfa_enabled", "password_present", "access_keys_present", "signing_certificates_present")
"""The facts of a line, by their names there. Each is true, false, or null if AWS did not say."""

_VERDICTS = frozenset({"COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE"})
_LONGEST = 2000
"""Characters of a text of a line: an annotation has 256 at most, and an error names what AWS said."""

RuleParameters = tuple[tuple[str, str], ...]
"""The parameters of a rule, sorted by name."""


class Line(NamedTuple):
    """A line of the journal.  A failure has no `verdict`, and says `error` as `TYPE: MESSAGE`.

    `facts` are those of FACTS, in that order; None if there are none.  `devices` counts root's virtual MFA devices.
    """

    time: datetime
    account_id: str
    rule_arn: str
    rule_name: str
    rule_owner: str
    test: bool
    parameters: RuleParameters
    version: str
    verdict: str
    annotation: str
    facts: tuple[bool | None, ...] | None
    devices: int | None
    error: str

    @property
    def failed(self) -> bool:
        """Whether the evaluation failed."""
        return not self.verdict


class Apart(StrEnum):
    """Why a line does not count."""

    TEST = "test"
    RULE = "another rule"
    PARAMETERS = "other parameters"
    STRANGER = "another account"
    UNREADABLE = "not a line of the function"


MEANINGS = {
    Apart.TEST: "AWS Config checks the result of a test, and does not keep it.",
    Apart.RULE: "A rule that the deployment did not make invoked the function.",
    Apart.PARAMETERS: "A rule of the deployment's name had parameters that the deployment's rule did not have then.",
    Apart.STRANGER: "The account is not in the organization, and was never evaluated by the deployment's rule.",
    Apart.UNREADABLE: "The line does not have the form that the function writes.",
}


def parse(time: datetime, text: str) -> Line | None:
    """Read a line of the log, written at `time` in UTC; None if the function does not write such a line.

    Whoever may write into the log group may write any text, so that nothing is taken for granted.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("message") not in (EVALUATION, FAILURE):
        return None
    account_id, arn = _text(said, "account"), _text(said, "configRuleArn")
    parameters = said.get("parameters", {})
    verdict = _text(said, "verdict") if said["message"] == EVALUATION else ""
    if (
        len(account_id) != len("123456789012")
        or not (account_id.isascii() and account_id.isdigit())
        or arn.split(":")[4:5] != [account_id]
        or not isinstance(said.get("test"), bool)
        or not isinstance(parameters, dict)
        or not all(isinstance(each, str) for each in parameters.values())
        or (said["message"] == EVALUATION and verdict not in _VERDICTS)
    ):
        return None
    facts, devices = said.get("facts"), said.get("rootVirtualMfaDevices")
    error = ": ".join(filter(None, (_text(said, "errorType") or "Error", _text(said, "errorMessage"))))
    return Line(
        time=time,
        account_id=account_id,
        rule_arn=arn,
        rule_name=_text(said, "configRuleName"),
        rule_owner=_text(said, "ruleOwner"),
        test=said["test"],
        parameters=tuple(sorted((name[:_LONGEST], value[:_LONGEST]) for name, value in parameters.items())),
        version=_text(said, "version"),
        verdict=verdict,
        annotation=_text(said, "annotation"),
        facts=_facts(facts) if isinstance(facts, dict) else None,
        devices=devices if isinstance(devices, int) else None,
        error="" if verdict else error,
    )


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:_LONGEST] if isinstance(value, str) else ""


def _facts(facts: Mapping[str, Any]) -> tuple[bool | None, ...]:
    values = (facts.get(name) for name in FACTS)
    return tuple(value if isinstance(value, bool) else None for value in values)


class Parameters:
    """The parameters of the deployment's rule over time.

    A line counts with parameters that are those of the last line before it, or of the next line after it, about the central
    account or the management account, each included.  So while a change is on its way to the accounts, both count.
    """

    def __init__(self, anchors: Iterable[tuple[datetime, RuleParameters]], today: RuleParameters) -> None:
        """`anchors`: when these two accounts were evaluated, in order, and with which; `today`: if they never were."""
        self.changes: list[tuple[datetime, RuleParameters]] = []
        self._times: list[datetime] = []
        self._sets: list[RuleParameters] = []
        for time, parameters in anchors:
            # Of a run of equal ones the first and the last tell as much as all.
            if self._sets[-2:] == [parameters, parameters]:
                self._times[-1] = time
            else:
                if not self._sets or self._sets[-1] != parameters:
                    self.changes.append((time, parameters))
                self._times.append(time)
                self._sets.append(parameters)
        self.anchored = bool(self._sets)
        self._today = today
        self._numbers = {parameters: number for number, parameters in enumerate(dict.fromkeys(self._sets or [today]), start=1)}

    def number(self, parameters: RuleParameters) -> int:
        """Return the number of a set of parameters that counts: from 1, in the order in which they first counted."""
        return self._numbers[parameters]

    def admit(self, time: datetime, parameters: RuleParameters) -> bool:
        """Tell whether the deployment's rule may have had these parameters at `time`."""
        if not self.anchored:
            return parameters == self._today
        before, after = bisect_right(self._times, time) - 1, bisect_left(self._times, time)
        return (before >= 0 and self._sets[before] == parameters) or (
            after < len(self._sets) and self._sets[after] == parameters
        )


class Ownership:
    """Tells which lines are about the deployment's own rule."""

    def __init__(self, deployment: Deployment) -> None:
        """Take a deployment for one account or for an organization."""
        self._deployment = deployment
        self._organization = bool(deployment.organization_id)
        self._trusted = frozenset({deployment.account_id, deployment.management_account_id})
        role = {"ExecutionRoleName": EVALUATION_ROLE_NAME} if self._organization else {}
        self.today: RuleParameters = tuple(sorted({**deployment.rule_parameters, **role}.items()))

    def apart(self, line: Line) -> Apart | None:
        """Tell why a line does not count, whatever its parameters are; None if it may."""
        if line.test:
            return Apart.TEST
        if self._organization:
            own = line.rule_owner == PACK_OWNER and line.rule_name.startswith(PACK_RULE_PREFIX)
        else:
            own = (
                line.rule_owner == "account" and line.rule_name == RULE_NAME and line.account_id == self._deployment.account_id
            )
        return None if own else Apart.RULE

    def anchors(self, line: Line) -> bool:
        """Tell whether a line that may count shows the parameters in force: nobody but the deployment rules that account."""
        if line.failed or line.account_id not in self._trusted:
            return False
        role = dict(line.parameters).get("ExecutionRoleName")
        return role == (EVALUATION_ROLE_NAME if self._organization else None)


def judge(line: Line, ownership: Ownership, parameters: Parameters) -> Apart | None:
    """Tell why a line does not count; None if it does.  A failure may come before its parameters are known."""
    apart = ownership.apart(line)
    if apart is None and not (line.failed and not line.parameters) and not parameters.admit(line.time, line.parameters):
        return Apart.PARAMETERS
    return apart


def in_words(parameters: Sequence[tuple[str, str]]) -> str:
    """Write parameters as NAME=VALUE, sorted by name."""
    return ", ".join(f"{name}={value}" for name, value in parameters)
