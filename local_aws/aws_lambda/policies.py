"""Who may invoke a function: the statements that AddPermission adds, and the policy that PutResourcePolicy puts in their place.

Sources: API model, lambda.  Messages of the older operations: LocalStack's tests that ran against AWS,
tests/aws/services/lambda_/test_lambda.py. Live, radkawar/stackd, testdata/aws/cloudformation/function_resource_policy*.json: a
policy that is put replaces all statements, and a function without one has none (ResourceNotFoundException).
"""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.aws_lambda import registry
from local_aws.aws_lambda.registry import Function, Named
from local_aws.core import callers
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations

_LONGEST_POLICY = 20_480
"""Characters. Source: API model, lambda, PutResourcePolicyRequest.Policy."""
_REQUIRED = {"Effect", "Principal", "Action", "Resource"}
_NO_POLICY = "The resource you requested does not exist."
_STALE = (
    "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the latest RevisionId "
    "for your resource."
)
_SERVICE = re.compile(r"[\w.-]+\.(amazonaws|amazon)\.com(\.cn)?")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_ENTITY = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)/.+)")
_CONDITIONS: Mapping[str, tuple[str, str]] = {
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
    "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
}
"""What each parameter of AddPermission becomes in a policy."""


def put(function_arn: str, policy: Mapping[str, Any] | None) -> None:
    """Replace a function's policy, with all that AddPermission added; None deletes it. Raises AwsError."""
    function = registry.find_by_arn(function_arn)
    if function is None:
        message = f"Function not found: {function_arn}"
        raise AwsError("ResourceNotFoundException", message)
    length = len(json.dumps(policy, separators=(",", ":")))
    if length > _LONGEST_POLICY:
        message = f"The final policy size ({length}) is bigger than the limit ({_LONGEST_POLICY})."
        raise AwsError("PolicyLengthExceededException", message)
    statements = policy.get("Statement") if policy is not None else []
    if not isinstance(statements, list) or not all(_is_statement(statement) for statement in statements):
        message = f"A resource policy has a list of statements. Each needs {', '.join(sorted(_REQUIRED))}: {policy}"
        raise AwsError("InvalidParameterValueException", message)
    function["policy"] = dict(policy) if policy else {"Version": "2012-10-17", "Id": "default", "Statement": []}
    function["policy_was_put"] = policy is not None
    function["policy_revision"] = str(uuid.uuid4())


def was_put(function_arn: str) -> bool:
    """Tell whether a function has a policy that PutResourcePolicy or a template put."""
    function = registry.find_by_arn(function_arn)
    return bool(function and function.get("policy_was_put"))


def operations() -> Operations:
    """Return what answers each operation."""
    return {
        "AddPermission": _add_permission,
        "RemovePermission": _remove_permission,
        "GetPolicy": _get_policy,
        "PutResourcePolicy": _put_resource_policy,
        "GetResourcePolicy": _get_resource_policy,
        "DeleteResourcePolicy": _delete_resource_policy,
    }


# Statements


def _add_permission(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params)
    if wanted.qualifier == registry.LATEST:
        message = "We currently do not support adding policies for $LATEST."
        raise AwsError("InvalidParameterValueException", message)
    _check_revision(function, params)
    principal = _principal(params["Principal"])
    if "PrincipalOrgID" in params and "Service" in principal:
        message = f"PrincipalOrgID is no condition for a service's principal, but the principal is {params['Principal']}."
        raise AwsError("InvalidParameterValueException", message)
    sid, statements = params["StatementId"], function["policy"]["Statement"]
    if any(statement.get("Sid") == sid for statement in statements):
        message = (
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing "
            "statement."
        )
        raise AwsError("ResourceConflictException", message)
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": params["Action"],
        "Resource": wanted.qualified_arn,
        **_conditions(params),
    }
    length = len(json.dumps({**function["policy"], "Statement": [*statements, statement]}, separators=(",", ":")))
    if length > _LONGEST_POLICY:
        message = f"The final policy size ({length}) is bigger than the limit ({_LONGEST_POLICY})."
        raise AwsError("PolicyLengthExceededException", message)
    statements.append(statement)
    function["policy_revision"] = str(uuid.uuid4())
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


def _remove_permission(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, "No policy found for: {arn}")
    here = _statements(wanted, function)
    if not here:
        message = "No policy is associated with the given resource."
        raise AwsError("ResourceNotFoundException", message)
    leaving = [statement for statement in here if statement.get("Sid") == params["StatementId"]]
    if not leaving:
        message = f"Statement {params['StatementId']} is not found in resource policy."
        raise AwsError("ResourceNotFoundException", message)
    _check_revision(function, params)
    function["policy"]["Statement"] = [each for each in function["policy"]["Statement"] if each not in leaving]
    function["policy_revision"] = str(uuid.uuid4())
    return {}


def _get_policy(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params)
    statements = _statements(wanted, function)
    if not statements:
        raise AwsError("ResourceNotFoundException", _NO_POLICY)
    return _shown(function, {**function["policy"], "Statement": statements})


def _statements(wanted: Named, function: Function) -> list[dict[str, Any]]:
    """Return the statements for the version or alias of a request, or all for the function itself."""
    statements: list[dict[str, Any]] = function["policy"]["Statement"]
    return [each for each in statements if not wanted.qualifier or each.get("Resource") == wanted.qualified_arn]


def _principal(given: str) -> str | dict[str, str]:
    if given == "*":
        return given
    if _SERVICE.fullmatch(given):
        return {"Service": given}
    if _ACCOUNT.fullmatch(given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    if _ENTITY.fullmatch(given):
        return {"AWS": given}
    message = "The provided principal was invalid. Please check the principal and try again."
    raise AwsError("InvalidParameterValueException", message)


def _conditions(params: Mapping[str, Any]) -> dict[str, Any]:
    conditions: dict[str, dict[str, str]] = {}
    for name, (operator, key) in _CONDITIONS.items():
        if name in params:
            value = params[name]
            conditions.setdefault(operator, {})[key] = str(value).lower() if isinstance(value, bool) else value
    return {"Condition": conditions} if conditions else {}


# The whole policy


def _put_resource_policy(_: str, params: dict[str, Any]) -> dict[str, Any]:
    function = _of_arn(params["ResourceArn"])
    _check_revision(function, params)
    try:
        policy = json.loads(params["Policy"])
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        message = f"The policy is no JSON object: {params['Policy']}"
        raise AwsError("InvalidParameterValueException", message)
    put(params["ResourceArn"], policy)
    return _shown(function, policy)


def _get_resource_policy(_: str, params: dict[str, Any]) -> dict[str, Any]:
    function = _of_arn(params["ResourceArn"])
    if not function["policy"]["Statement"]:
        raise AwsError("ResourceNotFoundException", _NO_POLICY)
    return _shown(function, function["policy"])


def _delete_resource_policy(_: str, params: dict[str, Any]) -> dict[str, Any]:
    function = _of_arn(params["ResourceArn"])
    if not function["policy"]["Statement"]:
        raise AwsError("ResourceNotFoundException", _NO_POLICY)
    _check_revision(function, params)
    put(params["ResourceArn"], None)
    return {}


def _of_arn(function_arn: str) -> Function:
    """Return a function of the caller's account. Raises AwsError if there is none."""
    function = registry.find_by_arn(function_arn)
    if function is None or function_arn.split(":")[3:5] != [callers.region(), callers.account_id()]:
        message = f"Function not found: {function_arn}"
        raise AwsError("ResourceNotFoundException", message)
    return function


def _shown(function: Function, policy: Mapping[str, Any]) -> dict[str, Any]:
    revision = function.setdefault("policy_revision", str(uuid.uuid4()))
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": revision}


def _check_revision(function: Function, params: Mapping[str, Any]) -> None:
    if params.get("RevisionId") not in {None, function.get("policy_revision")}:
        raise AwsError("PreconditionFailedException", _STALE)


def _is_statement(statement: object) -> bool:
    return isinstance(statement, Mapping) and set(statement) >= _REQUIRED
