"""Lambda's functions: lists them, and checks requests that MiniStack answers.

Sources: API model, lambda. Messages: LocalStack's tests that ran against AWS, tests/aws/services/lambda_.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (sizes of code and requests).
"""

import json
from collections.abc import Mapping
from typing import Any

from local_aws.authorization import service_roles
from local_aws.authorization.principals import entity
from local_aws.aws_lambda import registry
from local_aws.aws_lambda.invocation_settings import CONCURRENT_EXECUTIONS
from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

_MOST_ON_PAGE = 50
_CODE_STORAGE = 75 * 1024**3
_LARGEST_UNZIPPED = 250 * 1024**2
_LARGEST_ZIP = 50 * 1024**2
_LONGEST_TIMEOUT = 900
_LARGEST_ENVIRONMENT = 4 * 1024
_MOST_TAGS = 50
_INVALID = "InvalidParameterValueException"
_SOURCES = ("ZipFile", "S3Bucket", "ImageUri")
_RESERVED = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV"),
    *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
    *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API"),
    *("AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"),
}
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html. The message is AWS's as users quote it."""
_LARGEST_PAYLOADS = {"RequestResponse": 6 * 1024**2, "Event": 1024**2}
"""Bytes, by the type of the invocation."""
_NOT_LISTED = (
    *("State", "StateReason", "StateReasonCode", "RuntimeVersionConfig"),
    *("LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"),
)
"""What GetFunction has and ListFunctions does not. Source: API reference, ListFunctions."""
_PAGES = Pages("InvalidParameterValueException", "The provided Marker is invalid.", "Marker")


def operations() -> Operations:
    """Return what answers each operation."""
    return {
        "ListFunctions": _list_functions,
        "GetAccountSettings": _get_account_settings,
        "CreateFunction": _create,
        "UpdateFunctionConfiguration": _update_configuration,
        "UpdateFunctionCode": _update_code,
        "Invoke": _invoke,
        "DeleteFunction": _delete,
        **dict.fromkeys(("GetFunction", "GetFunctionConfiguration"), _leave_to_ministack),
        "TagResource": _tag,
        **dict.fromkeys(("ListTags", "UntagResource"), _of_resource),
    }


# Answered here


def _list_functions(_: str, params: dict[str, Any]) -> dict[str, Any]:
    if "MasterRegion" in params:
        message = "The local AWS has no Lambda@Edge, of whose functions MasterRegion tells."
        raise AwsError("InvalidParameterValueException", message)
    listed = [
        {name: value for name, value in function["config"].items() if name not in _NOT_LISTED and value not in ("", [])}
        for function in registry.all_functions()
    ]
    page, more = _PAGES.page(listed, params, _MOST_ON_PAGE, _MOST_ON_PAGE)
    return {"Functions": page, **({"NextMarker": more["Marker"]} if more else {})}


def _get_account_settings(_: str, __: dict[str, Any]) -> dict[str, Any]:
    functions = [*registry.all_functions()]
    reserved = sum(function["concurrency"] or 0 for function in functions)
    return {
        "AccountLimit": {
            "TotalCodeSize": _CODE_STORAGE,
            "CodeSizeUnzipped": _LARGEST_UNZIPPED,
            "CodeSizeZipped": _LARGEST_ZIP,
            "ConcurrentExecutions": CONCURRENT_EXECUTIONS,
            "UnreservedConcurrentExecutions": CONCURRENT_EXECUTIONS - reserved,
        },
        "AccountUsage": {
            "TotalCodeSize": sum(function["config"]["CodeSize"] for function in functions),
            "FunctionCount": len(functions),
        },
    }


# Answered by MiniStack


def _create(_: str, params: dict[str, Any]) -> None:
    wanted = registry.named(params)
    if params.get("PackageType", "Zip") == "Zip" and not (params.get("Runtime") and params.get("Handler")):
        message = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        raise AwsError(_INVALID, message)
    _check_settings(params)
    _check_tags(params.get("Tags", {}))
    _check_role(params["Role"], wanted.arn)
    _check_code(params["Code"])


def _update_configuration(_: str, params: dict[str, Any]) -> None:
    wanted, __ = registry.find(params)
    _check_settings(params)
    if "Role" in params:
        _check_role(params["Role"], wanted.arn)


def _update_code(_: str, params: dict[str, Any]) -> None:
    registry.find(params)
    _check_code(params)


def _invoke(_: str, params: dict[str, Any]) -> None:
    payload = params.get("Payload", b"")
    largest = _LARGEST_PAYLOADS.get(params.get("InvocationType", "RequestResponse"), len(payload))
    if len(payload) > largest:
        message = f"Request must be smaller than {largest} bytes for the InvokeFunction operation"
        raise AwsError("RequestTooLargeException", message)
    try:
        json.loads(payload or b"null")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message) from error
    registry.find(params)


def _leave_to_ministack(_: str, params: dict[str, Any]) -> None:
    registry.find(params)


def _of_resource(_: str, params: dict[str, Any]) -> None:
    registry.find({"FunctionName": params["Resource"]})


def _delete(_: str, params: dict[str, Any]) -> None:
    wanted, __ = registry.find(params)
    if wanted.qualifier == registry.LATEST:
        raise AwsError(_INVALID, "$LATEST version cannot be deleted without deleting the function.")


def _tag(_: str, params: dict[str, Any]) -> None:
    __, function = registry.find({"FunctionName": params["Resource"]})
    _check_tags({**(function.get("tags") or {}), **params["Tags"]}, params["Tags"])


def _check_tags(tags: Mapping[str, str], new: Mapping[str, str] | None = None) -> None:
    """Refuse too many tags, and new ones that AWS reserves."""
    if len(tags) > _MOST_TAGS:
        raise AwsError(_INVALID, f"Number of tags exceeds resource tag limit of {_MOST_TAGS}.")
    for key in tags if new is None else new:
        if key.lower().startswith("aws:"):
            raise AwsError(_INVALID, f"Tag keys that begin with aws: are reserved for AWS: {key}")


def _check_settings(params: Mapping[str, Any]) -> None:
    if params.get("Layers"):
        raise AwsError(_INVALID, "The local AWS does not emulate layers.")
    _check_timeout(params)
    variables = params.get("Environment", {}).get("Variables", {})
    unable = "Lambda was unable to configure your environment variables because the environment variables you have provided"
    if reserved := [name for name in variables if name in _RESERVED]:
        message = (
            f"{unable} contains reserved keys that are currently not supported for modification. Reserved keys used in this "
            f"request: {', '.join(reserved)}"
        )
        raise AwsError(_INVALID, message)
    if len(json.dumps(variables, separators=(",", ":"))) > _LARGEST_ENVIRONMENT:
        raise AwsError(_INVALID, f"{unable} exceeded the 4KB limit.")


def _check_timeout(params: Mapping[str, Any]) -> None:
    """Refuse a timeout of more than 15 minutes. Source: API reference, FunctionConfiguration; the model has no maximum."""
    if params.get("Timeout", 0) > _LONGEST_TIMEOUT:
        constraint = f"Member must have value less than or equal to {_LONGEST_TIMEOUT}"
        message = (
            f"1 validation error detected: Value '{params['Timeout']}' at 'timeout' failed to satisfy constraint: {constraint}"
        )
        raise AwsError("ValidationException", message)


def _check_role(role_arn: str, function_arn: str) -> None:
    account_id = callers.account_id()
    role = entity("role", account_id, role_arn.rpartition("/")[2])
    if (
        role is None
        or role["Arn"] != role_arn
        or not service_roles.trusts(role, "lambda.amazonaws.com", account_id, function_arn)
    ):
        message = "The role defined for the function cannot be assumed by Lambda."
        raise AwsError("InvalidParameterValueException", message)


def _check_code(code: Mapping[str, Any]) -> None:
    """Refuse a request without code, and code in S3 that does not exist."""
    if not any(code.get(member) for member in _SOURCES):
        raise AwsError(_INVALID, "Please provide a source for function code.")
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key:
        return
    if bucket not in ministack_seams.module("ministack.services.s3")._buckets:
        raise _not_fetched("NoSuchBucket", "The specified bucket does not exist")
    functions = ministack_seams.module("ministack.services.lambda_svc")
    if functions._fetch_code_from_s3(bucket, key, code.get("S3ObjectVersion")) is None:
        raise _not_fetched("NoSuchKey", "The specified key does not exist.")


def _not_fetched(code: str, said: str) -> AwsError:
    message = f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {said}"
    return AwsError("InvalidParameterValueException", message)
