"""IAM: documents of policies that AWS refuses to store, in AWS's words.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html, and
reference_policies_elements_principal.html there.  The words are AWS's as users quote them, for example
https://github.com/hashicorp/terraform-provider-aws/issues/8905 (a principal that does not exist) and
https://github.com/terraform-aws-modules/terraform-aws-iam/issues/47 (no principal).  Guess: which of several mistakes it names.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.core.models import AwsError

_SYNTAX = "Syntax errors in policy."
_VERSIONS = ("2008-10-17", "2012-10-17")
_ELEMENTS = {
    *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"),
}
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)", re.ASCII)


def check_identity_policy(document: str) -> None:
    """Refuse a document that is neither a policy of a user, group or role nor a managed policy. Raises AwsError."""
    _refuse(_identity_problems(_statements(document, _SYNTAX)))


def check_trust_policy(document: str, is_there: Callable[[str], bool]) -> None:
    """Refuse a document that is not a trust policy of a role. Raises AwsError.

    `is_there` tells whether an AWS principal exists: an account id, or the ARN of a user, role or root user.
    """
    _refuse(_trust_problems(_statements(document, "This policy contains invalid Json"), is_there))


def _refuse(problems: Iterator[str]) -> None:
    for message in problems:
        raise AwsError("MalformedPolicyDocument", message)


def _identity_problems(statements: list[dict[str, Any]]) -> Iterator[str]:
    for statement in statements:
        if statement.keys() & {"Principal", "NotPrincipal"}:
            yield "Policy document should not specify a principal."
        if not statement.keys() & {"Action", "NotAction"}:
            yield "Policy statement must contain actions."
        if not statement.keys() & {"Resource", "NotResource"}:
            yield "Policy statement must contain resources."
        for action in _texts(statement, "Action", "NotAction"):
            if action != "*" and ":" not in action:
                yield "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        for resource in _texts(statement, "Resource", "NotResource"):
            if resource != "*" and not resource.startswith("arn:"):
                yield f'Resource {resource} must be in ARN format or "*".'
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(set(sids)) < len(sids):
        yield "Statement IDs (SID) in a single policy must be unique."


def _trust_problems(statements: list[dict[str, Any]], is_there: Callable[[str], bool]) -> Iterator[str]:
    for statement in statements:
        if statement.keys() & {"Resource", "NotResource"}:
            yield "Has prohibited field Resource"
        if "NotPrincipal" in statement:
            yield "AssumeRole policy must not contain NotPrincipal field."
        if "Principal" not in statement:
            yield "Missing required field Principal"
        if not statement.keys() & {"Action", "NotAction"}:
            yield "Missing required field Action"
        for action in _texts(statement, "Action", "NotAction"):
            if not action.lower().startswith("sts:"):
                yield "AssumeRole policy may only specify STS AssumeRole actions."
        yield from _principal_problems(statement["Principal"], is_there)


def _principal_problems(principal: object, is_there: Callable[[str], bool]) -> Iterator[str]:
    if principal == "*":
        yield 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'
    if not isinstance(principal, dict):
        yield _SYNTAX
        return
    named = [(kind, name) for kind in principal for name in _texts(principal, kind)]
    if not named:
        exception = "com.amazon.balsa.error.InvalidPolicyException: The passed in policy has a statement with no principals!"
        yield f"Invalid principal in policy: {exception}"
    for kind, name in named:
        good = kind == "Federated" and name != ""
        if kind == "Service":
            good = _SERVICE.fullmatch(name) is not None
        elif kind == "AWS":
            good = name == "*" or is_there(name)
        if not good:
            yield f'Invalid principal in policy: "{kind.upper()}":"{name}"'


def _statements(document: str, no_json: str) -> list[dict[str, Any]]:
    """Return the statements of a document whose elements have the types that the grammar demands. Raises AwsError."""
    try:
        policy = json.loads(document)
    except ValueError as error:
        raise AwsError("MalformedPolicyDocument", no_json) from error
    if not isinstance(policy, dict) or policy.keys() - {"Version", "Id", "Statement"} or "Statement" not in policy:
        raise AwsError("MalformedPolicyDocument", _SYNTAX)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    if not statements or policy.get("Version", _VERSIONS[0]) not in _VERSIONS or not all(map(_is_statement, statements)):
        raise AwsError("MalformedPolicyDocument", _SYNTAX)
    return statements


def _is_statement(statement: object) -> bool:
    if not isinstance(statement, dict) or statement.keys() - _ELEMENTS or statement.get("Effect") not in {"Allow", "Deny"}:
        return False
    for element in ("Action", "Resource", "Principal"):
        if {element, f"Not{element}"} <= statement.keys():
            return False
    lists = [statement[name] for name in ("Action", "NotAction", "Resource", "NotResource") if name in statement]
    conditions = statement.get("Condition", {})
    return (
        all(_are_texts(value) for value in lists)
        and isinstance(statement.get("Sid", ""), str)
        and isinstance(conditions, dict)
        and all(isinstance(keys, dict) for keys in conditions.values())
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and value != [] and all(isinstance(each, str) for each in value))


def _texts(element: dict[str, Any], *names: str) -> Iterator[str]:
    """Yield the texts of members that are a text or a list of texts."""
    for name in names:
        value = element.get(name, [])
        yield from (str(each) for each in (value if isinstance(value, list) else [value]))
