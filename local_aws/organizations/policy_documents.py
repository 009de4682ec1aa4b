"""Documents of service control policies: what Organizations refuses to store.

Sources: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html.  Since September 2025
service control policies take the whole policy language of IAM:
https://aws.amazon.com/blogs/security/unlock-new-possibilities-aws-organizations-service-control-policy-now-supports-full-iam-language
AWS was seen to take a document without Version: https://github.com/radkawar/stackd, testdata/aws/iam/
organizations_delegation_writes.json.
"""

import json
import re
from collections.abc import Iterable
from itertools import count
from typing import Any

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError

VERSION = "2012-10-17"
_MOST_CHARACTERS = 10_240
"""It was half of that until 15 May 2026; see `policies.py` for the source."""
_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ACTION = re.compile(r"\*|(\*|[a-z0-9-]+):[a-z0-9*?]+", re.ASCII | re.IGNORECASE)
_RESOURCE = re.compile(r"\*|[^:]+(:[^:]*){4}:.+", re.ASCII)
_SID = re.compile(r"[A-Za-z0-9]*", re.ASCII)


def check(content: str) -> None:
    """Refuse a document that is not a service control policy. Raises AwsError."""
    if len(content) > _MOST_CHARACTERS:
        message = f"You have exceeded the maximum policy size of {_MOST_CHARACTERS} characters."
        raise AwsError("ConstraintViolationException", message, members={"Reason": "POLICY_CONTENT_LIMIT_EXCEEDED"})
    for problem in _problems(content):
        message = f"The provided policy document does not meet the requirements of the specified policy type. Reason: {problem}"
        raise AwsError("MalformedPolicyDocumentException", message)


def _problems(content: str) -> Iterable[str]:
    """Say what is wrong with a document."""
    try:
        document = json.loads(content)
    except ValueError as error:
        yield f"it is no JSON ({error})."
        return
    if not isinstance(document, dict):
        yield "it is no JSON object."
        return
    yield from (f"it has an unknown element {name}." for name in sorted(document.keys() - {"Id", "Version", "Statement"}))
    if document.get("Version", VERSION) != VERSION:
        yield f"its Version must be {VERSION}."
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        yield "its Statement must be an object, or a list with at least one."
        return
    sids: list[object] = []
    for number, statement in zip(count(1), statements, strict=False):
        if not isinstance(statement, dict):
            yield f"statement {number} is no object."
            return
        yield from (f"statement {number} {problem}" for problem in _statement_problems(statement))
        sids += [statement["Sid"]] if statement.get("Sid") else []
    if len(set(sids)) < len(sids):
        yield "two statements have the same Sid."


def _statement_problems(statement: dict[str, Any]) -> Iterable[str]:
    unknown = sorted(statement.keys() - _ELEMENTS)
    if unknown:
        yield f"has the element {unknown[0]}, which a service control policy can't have."
    if statement.get("Effect") not in {"Allow", "Deny"}:
        yield "has no Effect, which is Allow or Deny."
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        yield "has a Sid that does not consist of letters and digits."
    for names, form in ((("Action", "NotAction"), _ACTION), (("Resource", "NotResource"), _RESOURCE)):
        given = [name for name in names if name in statement]
        if len(given) != 1:
            yield f"must have either {names[0]} or {names[1]}."
        for name in given:
            values = [statement[name]] if isinstance(statement[name], str) else statement[name]
            if not isinstance(values, list) or not values:
                yield f"has {name} without a value."
                return
            yield from (f"has the {name} {value!r}, which is none." for value in values if not _matches(form, value))
            yield from _variables(name, values)
    yield from _condition_problems(statement.get("Condition", {}))


def _condition_problems(condition: object) -> Iterable[str]:
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        yield "has a Condition that is no object of operators with their keys."
        return
    known = ministack_seams.module("ministack.core.iam_evaluator")._CONDITION_OPS
    for operator, keys in condition.items():
        name = operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:")
        if name != "null" and name.removesuffix("ifexists") not in known:
            yield f"has the condition operator {operator}, which is unknown."
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(one, str | bool | int | float) for one in values):
                yield f"has a condition without a value for {key}."
            yield from _variables("Condition", values)


def _variables(name: str, values: list[object]) -> Iterable[str]:
    if any(isinstance(value, str) and "${" in value for value in values):
        yield f"has a policy variable in its {name}, which the local AWS does not emulate."


def _matches(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None
