"""STS: what AWS refuses when a role is assumed, and MiniStack would do, or in other words.

Sources: API reference, AssumeRole (DurationSeconds);
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage-assume.html (role chaining).  The words are AWS's as users
quote them.  Guess: AWS checks the duration before it asks whether the role trusts the caller.
"""

import re
from typing import Any

from local_aws.authorization.principals import entity
from local_aws.core import callers
from local_aws.core.models import AwsError

_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/(?:.+/)?([^/]+)", re.ASCII)
_DEFAULT = _CHAINED = 3600
"""Seconds."""


def _assume_role(_: str, params: dict[str, Any]) -> None:
    """Refuse a role that does not exist, and a session that would last too long."""
    arn = params["RoleArn"]
    named = _ROLE.fullmatch(arn)
    if named is None:
        message = f"{arn} is invalid"
        raise AwsError("ValidationError", message)
    role, duration = entity("role", named[1], named[2]), params.get("DurationSeconds", _DEFAULT)
    if role is None:
        message = f"User: {callers.principal()} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise AwsError("AccessDenied", message)
    if duration > _CHAINED and ":assumed-role/" in callers.principal():
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise AwsError("ValidationError", message)
    if duration > role["MaxSessionDuration"]:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise AwsError("ValidationError", message)


OPERATIONS = {"AssumeRole": _assume_role}
"""MiniStack answers it, unless it is refused here."""
