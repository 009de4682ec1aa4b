"""Reads the journal's lines, and tells which of them are about the deployment's own rule: pure, without input or output.

The function writes a line after AWS Config has taken a result.  So what a line says about the root user is true: the function
read it.  But a member can point its own rule, with its own parameters, at the function, and so choose what is compliant.  It
cannot do that in the central account or in the management account.  The setting is the way in which the rule comes, and its
parameters. So the setting in force at an instant is that of the last or the next evaluation of one of these two accounts by the
deployment's rule: see Settings.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from organization.deployment import (
    BY_CONFORMANCE_PACK,
    BY_STACK_SET,
    EVALUATION_ROLE_NAME,
    PACK_RULE_PREFIX,
    RULE_NAME,
    Deployment,
)
from organization.journal import ACCOUNT_OWNER, EVALUATION, FACTS, FAILURE, PACK_OWNER
from organization.statuses import VERDICTS

_LONGEST = 2000
"""Characters of a text of a line: an annotation has at most 256, and an error names what AWS said."""

RuleParameters = tuple[tuple[str, str], ...]
"""The parameters of a rule, sorted by name."""

IN_ONE_ACCOUNT = "OneAccount"
"""The way in which the rule of a deployment for one account comes.  The others are the values of RuleDeployment."""
_ALWAYS = datetime.max.replace(tzinfo=UTC)


class Setting(NamedTuple):
    """How the deployment's rule was set: the way in which it comes into the accounts, and its parameters."""

    way: str
    parameters: RuleParameters


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
    NOT_IN_SCOPE = "not in scope"
    UNREADABLE = "not a line of the function"


MEANINGS = {
    Apart.TEST: "AWS Config checks the result of a test, and does not keep it.",
    Apart.RULE: "A rule that the deployment did not make invoked the function.",
    Apart.PARAMETERS: "A rule of the deployment's name had parameters that the deployment's rule did not have then.",
    Apart.STRANGER: "The account is not in the organization, and was never evaluated by the deployment's rule.",
    Apart.NOT_IN_SCOPE: "The account was in no targeted organizational unit on that day.",
    Apart.UNREADABLE: "The line does not have the form that the function writes.",
}


def parse(time: datetime, text: str) -> Line | None:
    """Read a line of the log, written at `time` in UTC; None if the function does not write such a line.

    Anyone who may write into the log group may write any text, so this takes nothing for granted.
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
        or (said["message"] == EVALUATION and verdict not in VERDICTS)
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


class Settings:
    """The settings of the deployment's rule over time.

    A line counts with the setting of the last line before it, or of the next line after it, about the central account or the
    management account, each included.  So while a change is on its way to the accounts, both count.  Today's setting, from
    the stack, comes at the end: these two accounts may be in no targeted organizational unit.
    """

    def __init__(self, anchors: Iterable[tuple[datetime, Setting]], today: Setting, since: datetime | None = None) -> None:
        """`anchors`: when these two accounts were evaluated, in order, and with which setting.

        `since`: when the stack got today's setting, at the latest; None if only this instant is known.
        """
        self.changes: list[tuple[datetime | None, Setting]] = []
        self._times: list[datetime] = []
        self._settings: list[Setting] = []
        for time, setting in anchors:
            self._add(time, setting)
        self.anchored = bool(self._settings)
        if not self.anchored or self._settings[-1] != today:
            self.changes.append((since, today))
        known = [(time, setting) for time, setting in zip(self._times, self._settings, strict=True)]
        if since is not None:
            known.append((since, today))
        known.append((_ALWAYS, today))
        known.sort(key=lambda each: each[0])
        self._times, self._settings = [time for time, _ in known], [setting for _, setting in known]
        self._numbers = {
            setting: number for number, setting in enumerate(dict.fromkeys(setting for _, setting in self.changes), start=1)
        }

    def _add(self, time: datetime, setting: Setting) -> None:
        # In a run of equal ones the first and the last say as much as all.
        if self._settings[-2:] == [setting, setting]:
            self._times[-1] = time
            return
        if not self._settings or self._settings[-1] != setting:
            self.changes.append((time, setting))
        self._times.append(time)
        self._settings.append(setting)

    def number(self, setting: Setting) -> int:
        """Return the number of a setting that counts: from 1, in the order in which they first counted."""
        return self._numbers[setting]

    def at(self, time: datetime) -> frozenset[Setting]:
        """Return the settings that the deployment's rule may have had at `time`: one, or two while it changed."""
        before, after = bisect_right(self._times, time) - 1, bisect_left(self._times, time)
        return frozenset({self._settings[max(before, 0)], self._settings[after]} if before >= 0 else {self._settings[after]})


class Ownership:
    """Tells which lines are about the deployment's own rule."""

    def __init__(self, deployment: Deployment) -> None:
        """Take today's deployment, for one account or for an organization."""
        self._deployment = deployment
        self._organization = bool(deployment.organization_id)
        self._trusted = frozenset({deployment.account_id, deployment.management_account_id})
        role = {"ExecutionRoleName": EVALUATION_ROLE_NAME} if self._organization else {}
        way = deployment.rule_deployment if self._organization else IN_ONE_ACCOUNT
        self.today = Setting(way, tuple(sorted({**deployment.rule_parameters, **role}.items())))

    def way(self, line: Line) -> str:
        """Return the way in which the line's rule came, if it is the deployment's; empty if it cannot be the deployment's.

        A deployment for an organization may have come in both ways at different times.
        """
        if self._organization and line.rule_owner == PACK_OWNER and line.rule_name.startswith(PACK_RULE_PREFIX):
            return BY_CONFORMANCE_PACK
        if line.rule_owner == ACCOUNT_OWNER and line.rule_name == RULE_NAME:
            if self._organization:
                return BY_STACK_SET
            return IN_ONE_ACCOUNT if line.account_id == self._deployment.account_id else ""
        return ""

    def anchors(self, line: Line) -> bool:
        """Tell whether a line shows the setting in force: only the deployment controls that account."""
        if line.failed or line.test or line.account_id not in self._trusted or not self.way(line):
            return False
        role = dict(line.parameters).get("ExecutionRoleName")
        return role == (EVALUATION_ROLE_NAME if self._organization else None)


def judge(line: Line, ownership: Ownership, settings: Settings) -> Apart | None:
    """Tell why a line does not count; None if it does.  A failure may come before its parameters are known."""
    if line.test:
        return Apart.TEST
    way, possible = ownership.way(line), settings.at(line.time)
    if way not in {setting.way for setting in possible}:
        return Apart.RULE
    if (line.failed and not line.parameters) or Setting(way, line.parameters) in possible:
        return None
    return Apart.PARAMETERS


def in_words(parameters: Sequence[tuple[str, str]]) -> str:
    """Write parameters as NAME=VALUE, sorted by name."""
    return ", ".join(f"{name}={value}" for name, value in parameters)
