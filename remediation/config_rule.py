"""The rule of AWS Config in this account: its result, for RootVirtualMfa-Notify, and its start, by RootVirtualMfa-Reevaluate.

This script decides no verdict. AWS does not document which operation gives the results of a conformance pack's rule, and
whether an account may start the rule of an organization's pack. So it asks several operations, and a refusal is no failure. A
rule that a StackSet brought belongs to the account, and AWS Config refuses nothing.
Sources: API model, config: the operations' references; StartConfigRulesEvaluation (AWS Config starts a rule once a minute at
most, and not while it runs); DescribeConfigRules (CreatedBy: a service made the rule). Public captures: ThrottlingException.
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

READ_RESULT_ACTIONS = {
    "config:DescribeComplianceByConfigRule",
    "config:DescribeConfigRules",
    "config:GetComplianceDetailsByConfigRule",
    "config:GetComplianceDetailsByResource",
}
START_EVALUATION_ACTIONS = {"config:DescribeConfigRules", "config:StartConfigRulesEvaluation"}
"""The actions that each needs."""
WORST_FIRST = ("NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE")
BUSY = ("LimitExceededException", "ResourceInUseException", "ThrottlingException")
MAY_NOT = ("AccessDenied", "AccessDeniedException", "InvalidParameterValueException", "NoSuchConfigRuleException")
"""How AWS Config may refuse what an account asks about a service's rule. Nobody outside AWS knows."""
ATTEMPTS = 6
WAIT = 65
"""Seconds between attempts to start an evaluation. All attempts fit into the ten minutes that a script may take."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NoResultError(RuntimeError):
    """AWS Config gives no result of the rule for the account."""


class NoRuleError(RuntimeError):
    """The account has no such rule in this Region."""


class ForeignAccountError(RuntimeError):
    """Somebody started the runbook for an account other than its own."""


class CallError(RuntimeError):
    """A call failed. The message has only the first line of AWS's message: the headers of the call may follow it."""


Said = tuple[str, str, datetime]
"""Verdict, annotation, and when AWS Config recorded them: LONG_AGO if it does not say."""


class Result(NamedTuple):
    """A result of a rule for the account, and the operation or event that told it. See Said."""

    compliance: str
    annotation: str
    recorded: datetime
    source: str


@contextmanager
def calls() -> Iterator[None]:
    """Raise CallError instead of an error that shows AWS's whole message or its whole answer."""
    try:
        yield
    except ClientError as error:
        raise CallError(told(error)) from None
    except ResponseParserError:
        raise CallError("An answer of AWS could not be parsed. Start the runbook again.") from None


def told(error: ClientError) -> str:
    """Name the operation that failed, its error code and the first line of AWS's message."""
    said = error.response["Error"]
    first_line = re.split(r"[\r\n]|\\[rn]", str(said.get("Message")))[0]
    return f"{error.operation_name}: {said.get('Code')}: {first_line}"


def our_rules(config: Any, events: dict[str, Any]) -> dict[str, str]:
    """Return the ARNs of our rules in this account by their names."""
    pages = config.get_paginator("describe_config_rules").paginate()
    rules = [rule for page in pages for rule in page["ConfigRules"] if is_ours(rule, events)]
    return {rule["ConfigRuleName"]: rule.get("ConfigRuleArn", "") for rule in rules}


def is_ours(rule: Any, events: dict[str, Any]) -> bool:
    """Tell whether a rule has our name and, in an organization, is the organization's rule.

    Our name is `RuleName`, or begins with `PackRulePrefix`. A member of an organization can make a rule of that name, itself or
    in its own conformance pack. A function of the account `CentralAccountId` evaluates the organization's rule, and exactly
    `FunctionArn` if that is not "": that account may have functions for other rules, which a member can put under our name.
    `RuleDeployment` tells what brought that: a ConformancePack, whose rules a service makes, or a StackSet, whose rule has
    exactly the name `RuleName` and which no service made. `CentralAccountId` is "" if there is no organization.
    """
    name, central = rule["ConfigRuleName"], events["CentralAccountId"]
    by_stack_set = bool(central) and events["RuleDeployment"] == "StackSet"
    is_named_so = name == events["RuleName"] or (name.startswith(events["PackRulePrefix"]) and not by_stack_set)
    # Each of these shows that a service made the rule. Public captures have the ARN, AWS's reference has CreatedBy.
    of_service = "CreatedBy" in rule or ":config-rule/aws-service-rule/" in rule.get("ConfigRuleArn", "")
    evaluates = rule["Source"].get("SourceIdentifier", "")
    in_central_account = bool(re.match(rf"arn:[^:]+:lambda:[^:]+:{central}:function:", evaluates))
    evaluated_there = evaluates == events["FunctionArn"] if events["FunctionArn"] else in_central_account
    return is_named_so and (not central or (of_service is not by_stack_set and evaluated_there))


def read_result(events: dict[str, Any], event: tuple[str, Result] | None) -> tuple[str, Result]:
    """Return the name of the rule and its result; the worst result, if several of our rules evaluate the account.

    `event` is the ARN of a rule and its result as an event of AWS Config tells them, or None. It counts if the rule is one of
    ours and AWS Config itself gives no result, or an older one. Raises NoResultError.
    """
    config: Any = boto3.client("config")
    ours = our_rules(config, events)
    results, refusals = _results(config, events["AccountId"], ours)
    for name, arn in ours.items():
        if event and event[0] == arn and (name not in results or _is_newer(event[1], results[name])):
            results[name] = event[1]
    for compliance in WORST_FIRST:
        for name, result in results.items():
            if result.compliance == compliance:
                return name, result
    raise NoResultError(
        f"AWS Config gives no result of the rule {events['RuleName']} for account {events['AccountId']} in this Region, so "
        "nothing was changed. Check that the rule is here and was evaluated, and that the configuration recorder is on. In an "
        "organization only the organization's rule counts. The daily start of this runbook tries again."
        + "".join(f" {refusal}" for refusal in refusals)
    )


def _is_newer(event: Result, known: Result) -> bool:
    """Tell whether an event is newer than what AWS Config gives, or says more about the same: a verdict alone has no time."""
    return known.recorded < event.recorded and (known.recorded != LONG_AGO or known.compliance == event.compliance)


def _results(config: Any, account_id: str, rules: dict[str, str]) -> tuple[dict[str, Result], list[str]]:
    """Return the result of each rule for which AWS Config gives one, and what it said when it refused."""
    results: dict[str, Result] = {}
    refusals = []
    for source, read in SOURCES.items():
        missing = [name for name in rules if name not in results]
        try:
            found = read(config.get_paginator(source), account_id, missing) if missing else {}
        except ClientError as error:
            if error.response["Error"]["Code"] not in MAY_NOT:
                raise
            refusals.append(told(error))
        else:
            results |= {name: Result(*said, source) for name, said in found.items()}
    return results, refusals


def _by_resource(paginator: Any, account_id: str, names: list[str]) -> dict[str, Said]:
    return _details(paginator.paginate(ResourceType="AWS::::Account", ResourceId=account_id), account_id, names)


def _by_rule(paginator: Any, account_id: str, names: list[str]) -> dict[str, Said]:
    return _details((page for name in names for page in paginator.paginate(ConfigRuleName=name)), account_id, names)


def _details(pages: Iterable[Any], account_id: str, names: list[str]) -> dict[str, Said]:
    found = {}
    for result in (result for page in pages for result in page["EvaluationResults"]):
        qualifier = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]
        if qualifier["ConfigRuleName"] in names and qualifier["ResourceId"] == account_id:
            annotation = result.get("Annotation", "The result has no annotation.")
            found[qualifier["ConfigRuleName"]] = result["ComplianceType"], annotation, result["ResultRecordedTime"]
    return found


def _verdicts(paginator: Any, _: str, names: list[str]) -> dict[str, Said]:
    """Return the verdicts of rules, which evaluate nothing but the account, without annotation and time."""
    rules = [rule for page in paginator.paginate(ConfigRuleNames=names) for rule in page["ComplianceByConfigRules"]]
    verdicts = {rule["ConfigRuleName"]: rule.get("Compliance", {}).get("ComplianceType") for rule in rules}
    annotation = "AWS Config gives the verdict only, and no annotation."
    return {name: (verdict, annotation, LONG_AGO) for name, verdict in verdicts.items() if verdict in WORST_FIRST}


SOURCES = {
    "get_compliance_details_by_resource": _by_resource,
    "get_compliance_details_by_config_rule": _by_rule,
    "describe_compliance_by_config_rule": _verdicts,
}
"""The operations that may give results, and how to read them."""


@calls()
def start_evaluation(events: dict[str, Any], _: object) -> dict[str, Any]:
    """Find the rule, whatever suffix a conformance pack gave it, and start its evaluation. Try again while AWS Config is busy.

    `RuleName`, `PackRulePrefix`, `CentralAccountId`, `RuleDeployment` and `FunctionArn` tell which rules are ours: see is_ours.
    Returns the names of the rules that it started as `ConfigRuleNames`: none, if AWS Config does not let a member start the
    organization's rule. `Text` says it for people. Raises NoRuleError, and CallError if AWS Config refused anything else or was
    busy at the last attempt.
    """
    config: Any = boto3.client("config")
    ours = list(our_rules(config, events))
    if not ours:
        raise NoRuleError(
            f"This account has no AWS Config rule {events['RuleName']} in this Region, alone or in a pack. In an organization "
            "only the organization's rule counts."
        )
    attempts = 0
    while True:
        attempts += 1
        try:
            config.start_config_rules_evaluation(ConfigRuleNames=ours)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in MAY_NOT and events["CentralAccountId"]:
                text = f"Not started, since this account may not start {', '.join(ours)}. The daily evaluation sees the change."
                return {"ConfigRuleNames": [], "Text": f"{text} {told(error)}"}
            if code not in BUSY or attempts == ATTEMPTS:
                raise
            time.sleep(WAIT)
        else:
            return {"ConfigRuleNames": ours, "Text": f"Started the evaluation of {', '.join(ours)}."}
