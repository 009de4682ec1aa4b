"""Lambda's functions, which MiniStack keeps, and how requests name them.

Source: API model, lambda, FunctionName. Messages: LocalStack's tests that ran against AWS, tests/aws/services/lambda_.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import current

Function = dict[str, Any]
"""A function as MiniStack keeps it: `config` as in GetFunctionConfiguration, `policy`, `code_zip`, `concurrency`, …"""
LATEST = "$LATEST"
_ARN = re.compile(r"arn:aws[\w-]*:lambda:(?P<region>[\w-]+):(?P<account>\d{12}):function:(?P<name>[^:]+)(:(?P<qualifier>.+))?")
_NAME = re.compile(r"(?P<name>[^:]+)(:(?P<qualifier>[^:]+))?")


@dataclass(frozen=True)
class Named:
    """The function that a request names: its name, and a version or alias, or "" if the request has none."""

    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """Return the ARN without version or alias."""
        return f"arn:aws:lambda:{callers.region()}:{callers.account_id()}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """Return the ARN with the version or alias of the request, if it has one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def named(params: Mapping[str, Any]) -> Named:
    """Return what the members FunctionName and Qualifier of a request name.

    Raises AwsError: both have a qualifier, and they differ, or the function is in another Region or account.
    """
    given = str(params["FunctionName"])
    found = _ARN.fullmatch(given) or _NAME.fullmatch(given)
    if not found:
        message = f"The local AWS takes the name or the whole ARN of a function, not {given}."
        raise AwsError("InvalidParameterValueException", message)
    place = found.groupdict()
    if place.get("region", callers.region()) != callers.region():
        message = f"Functions from '{place['region']}' are not reachable in this region ('{callers.region()}')"
        raise AwsError("ResourceNotFoundException", message)
    in_name, in_query = place["qualifier"] or "", str(params.get("Qualifier") or "")
    if in_name and in_query and in_name != in_query:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise AwsError("InvalidParameterValueException", message)
    if place.get("account", callers.account_id()) != callers.account_id():
        raise _of_another_account(given, place)
    return Named(place["name"], in_name or in_query)


def find(params: Mapping[str, Any], message: str = "Function not found: {arn}") -> tuple[Named, Function]:
    """Return the function that a request names. Raises AwsError, with `message`, if it or its version does not exist."""
    wanted = named(params)
    function = _functions().get(wanted.name)
    if function is None or (wanted.qualifier and not _has(function, wanted.qualifier)):
        arn = wanted.arn if function is None else wanted.qualified_arn
        raise AwsError("ResourceNotFoundException", message.format(arn=arn))
    return wanted, function


def find_by_arn(function_arn: str) -> Function | None:
    """Return the function with an ARN, from any account and Region, None if there is none."""
    found = _ARN.fullmatch(function_arn)
    if not found:
        return None
    with callers.acting_in(found["account"], found["region"]):
        function: Function | None = _functions().get(found["name"])
    return function


def all_functions() -> Iterator[Function]:
    """Yield the functions of the caller's account and Region, by their names."""
    functions = _functions()
    for name in sorted(functions.keys()):
        yield functions[name]


def _functions() -> Any:  # noqa: ANN401 - MiniStack's own kind of dictionary
    return ministack_seams.module("ministack.services.lambda_svc")._functions


def _has(function: Function, qualifier: str) -> bool:
    return qualifier == LATEST or qualifier in function["versions"] or qualifier in function["aliases"]


def _of_another_account(function_arn: str, place: Mapping[str, str]) -> AwsError:
    """Refuse a function of another account, as AWS does if no policy allows the call. The local AWS lets nobody call it."""
    function = find_by_arn(function_arn)
    if function and any("AWS" in principal or principal == "*" for principal in _principals(function)):
        message = f"The local AWS does not emulate calls of functions of other accounts, such as {place['account']}."
        return AwsError("InvalidParameterValueException", message)
    called = current.get()
    operation = called.operation if called else ""
    action = f"lambda:{'InvokeFunction' if operation == 'Invoke' else operation}"
    message = (
        f"User: {callers.principal()} is not authorized to perform: {action} on resource: {function_arn} "
        f"because no resource-based policy allows the {action} action"
    )
    return AwsError("AccessDeniedException", message)


def _principals(function: Function) -> list[Any]:
    return [statement.get("Principal", "") for statement in function["policy"]["Statement"]]
