"""How a function is invoked: its reserved concurrency, and what happens to asynchronous events.

Sources: API model, lambda; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 1,000 concurrent
executions, of which 100 stay unreserved. Messages: LocalStack's tests that ran against AWS, tests/aws/services/lambda_.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local_aws.aws_lambda import registry
from local_aws.aws_lambda.registry import LATEST, Function, Named
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

CONCURRENT_EXECUTIONS = 1_000
_LEAST_UNRESERVED = 100
_LATEST_ARN = "{arn}:$LATEST"
_NO_FUNCTION = "The function doesn't exist."
_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_DESTINATIONS = re.compile(r"arn:[^:]+:(sqs|sns|lambda|events|s3):.+")
_PAGES = Pages("InvalidParameterValueException", "The provided Marker is invalid.", "Marker")


class InvocationSettings:
    """The settings of all functions."""

    def __init__(self, clock: Clock) -> None:
        """Date changes by `clock`."""
        self._clock = clock

    @property
    def operations(self) -> Operations:
        """Return what answers each operation."""
        return {
            "PutFunctionConcurrency": _put_concurrency,
            "GetFunctionConcurrency": _get_concurrency,
            "DeleteFunctionConcurrency": _delete_concurrency,
            "PutFunctionEventInvokeConfig": self._put,
            "UpdateFunctionEventInvokeConfig": self._update,
            "GetFunctionEventInvokeConfig": _get,
            "DeleteFunctionEventInvokeConfig": _delete,
            "ListFunctionEventInvokeConfigs": _list,
        }

    def _put(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        wanted, function = registry.find(params, _NO_FUNCTION)
        return self._set(wanted, function, params, {})

    def _update(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        wanted, function = registry.find(params, _NO_FUNCTION)
        return self._set(wanted, function, params, _config(wanted, function))

    def _set(self, wanted: Named, function: Function, params: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: params[name] for name in _SETTINGS if name in params}
        if not given:
            message = "You must specify at least one of error handling or destination setting."
            raise AwsError("InvalidParameterValueException", message)
        _check_destinations(wanted, given.get("DestinationConfig", {}))
        qualifier = wanted.qualifier or LATEST
        kept = function["event_invoke_configs"]
        kept.pop("", None)
        function["event_invoke_config"] = None
        kept[qualifier] = {
            "FunctionArn": f"{wanted.arn}:{qualifier}",
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
            **before,
            **given,
            "LastModified": int(self._clock.now().timestamp()),
        }
        return _shown(wanted, kept[qualifier])


def of_events(function: Function) -> Mapping[str, Any]:
    """Return the settings of a function's asynchronous events; a template or request may name $LATEST or no version."""
    configs = function["event_invoke_configs"]
    return configs.get(LATEST) or configs.get("") or function["event_invoke_config"] or {}


# Concurrency


def _put_concurrency(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, f"Function not found: {_LATEST_ARN}")
    reserved = params["ReservedConcurrentExecutions"]
    check_concurrency(wanted.name, reserved)
    _refuse_version(wanted)
    function["concurrency"] = reserved
    return {"ReservedConcurrentExecutions": reserved}


def check_concurrency(name: str, reserved: int) -> None:
    """Refuse to reserve so much for the function `name` that too little is left for those without. Raises AwsError."""
    others = (each for each in registry.all_functions() if each["config"]["FunctionName"] != name)
    left = CONCURRENT_EXECUTIONS - reserved - sum(each["concurrency"] or 0 for each in others)
    if reserved and left < _LEAST_UNRESERVED:
        message = (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{_LEAST_UNRESERVED}]."
        )
        raise AwsError("InvalidParameterValueException", message)


def _get_concurrency(_: str, params: dict[str, Any]) -> dict[str, Any]:
    reserved = registry.find(params)[1]["concurrency"]
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def _delete_concurrency(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, f"Function not found: {_LATEST_ARN}")
    _refuse_version(wanted)
    function["concurrency"] = None
    return {}


def _refuse_version(wanted: Named) -> None:
    if wanted.qualifier:
        message = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation."
        raise AwsError("InvalidParameterValueException", message)


# Asynchronous events


def _get(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, "The function {arn}:$LATEST doesn't have an EventInvokeConfig")
    return _shown(wanted, _config(wanted, function))


def _delete(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, "The function {arn}:$LATEST doesn't have an EventInvokeConfig")
    _config(wanted, function)
    for qualifier in [wanted.qualifier] if wanted.qualifier not in {"", LATEST} else ["", LATEST]:
        function["event_invoke_configs"].pop(qualifier, None)
    if wanted.qualifier in {"", LATEST}:
        function["event_invoke_config"] = None
    return {}


def _list(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted, function = registry.find(params, _NO_FUNCTION)
    of_versions = {
        qualifier: config for qualifier, config in function["event_invoke_configs"].items() if qualifier not in {"", LATEST}
    }
    configs = [*([of_events(function)] if of_events(function) else []), *of_versions.values()]
    page, more = _PAGES.page(configs, params, 50, 50, of=wanted.arn)
    found = {"FunctionEventInvokeConfigs": [_shown(wanted, config) for config in page]}
    return found | ({"NextMarker": more["Marker"]} if more else {})


def _config(wanted: Named, function: Function) -> Mapping[str, Any]:
    if wanted.qualifier in {"", LATEST}:
        config = of_events(function)
    else:
        config = function["event_invoke_configs"].get(wanted.qualifier, {})
    if not config:
        message = f"The function {wanted.arn}:{wanted.qualifier or LATEST} doesn't have an EventInvokeConfig"
        raise AwsError("ResourceNotFoundException", message)
    return config


def _shown(wanted: Named, config: Mapping[str, Any]) -> dict[str, Any]:
    arn = config["FunctionArn"]
    modified = datetime.fromtimestamp(config["LastModified"], UTC)
    return {**config, "FunctionArn": f"{arn}:{LATEST}" if arn == wanted.arn else arn, "LastModified": modified}


def _check_destinations(wanted: Named, config: Mapping[str, Any]) -> None:
    given = {name: config.get(name, {}).get("Destination") or "" for name in ("OnSuccess", "OnFailure")}
    for destination in filter(None, given.values()):
        if not _DESTINATIONS.fullmatch(destination):
            said = ", ".join(_java(name, each) for name, each in given.items())
            message = f"The provided destination config DestinationConfig({said}) is invalid."
            raise AwsError("InvalidParameterValueException", message)
        if destination in {wanted.arn, f"{wanted.arn}:{LATEST}"}:
            message = "You can't specify the function as a destination for itself."
            raise AwsError("InvalidParameterValueException", message)


def _java(name: str, destination: str) -> str:
    """Write a destination as AWS's message does."""
    return f"{name[0].lower()}{name[1:]}={f'{name}(destination={destination})' if destination else 'null'}"
