"""Policies of resources: whether a document is one."""

import json
from typing import Any

from local_aws.core import ministack_seams


def problem(text: str) -> str | None:
    """Tell what keeps a text from being a resource's policy, None if nothing does.

    A resource's policy names principals: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    if found := evaluator.validate_policy_document(text):
        return str(found)
    statements: list[dict[str, Any]] | dict[str, Any] = json.loads(text)["Statement"]
    for number, statement in enumerate([statements] if isinstance(statements, dict) else statements, 1):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            return f"Statement {number} must contain a Principal or NotPrincipal element"
    return None
