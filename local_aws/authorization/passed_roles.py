"""A caller who passes a role to a service needs iam:PassRole on the role, in every request that passes one.

MiniStack never asks for it.  Automation asks by itself, since its role can be in the runbook.
Source: Service Authorization Reference, dependent actions; IAM User Guide, id_roles_use_passrole.html (iam:PassedToService).
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization import dependent_actions
from local_aws.authorization.principals import role_arn
from local_aws.core import callers, ministack_seams
from local_aws.core.models import Answer

Handler = Callable[..., Awaitable[Answer]]
_Roles = Callable[[Mapping[str, Any]], Iterable[object]]


def _targets(params: Mapping[str, Any]) -> Iterable[object]:
    return [target.get("RoleArn") for target in params.get("Targets", [])]


def _recorder(params: Mapping[str, Any]) -> Iterable[object]:
    return [params.get("ConfigurationRecorder", {}).get("roleARN")]


def _member(name: str) -> _Roles:
    return lambda params: [params.get(name)]


_PASSED: Mapping[str, tuple[str, Mapping[str, _Roles]]] = {
    "cloudformation": (
        "cloudformation.amazonaws.com",
        dict.fromkeys(
            ("CreateStack", "UpdateStack", "DeleteStack", "CreateChangeSet", "ContinueUpdateRollback", "RollbackStack"),
            _member("RoleARN"),
        ),
    ),
    "config": ("config.amazonaws.com", {"PutConfigurationRecorder": _recorder}),
    "events": ("events.amazonaws.com", {"PutRule": _member("RoleArn"), "PutTargets": _targets}),
    "lambda": (
        "lambda.amazonaws.com",
        {"CreateFunction": _member("Role"), "UpdateFunctionConfiguration": _member("Role")},
    ),
}
"""By service: the principal that gets the roles, and the operations that pass roles."""


def install(handlers: dict[str, Handler]) -> None:
    """Let the handlers of services refuse a caller who may not pass the roles of a request."""
    for service in _PASSED:
        handlers[service] = _checking(service, handlers[service])


def _checking(service: str, handler: Handler) -> Handler:
    actions = ministack_seams.module("ministack.core.iam_actions")
    key_of = ministack_seams.module("ministack.core.router").extract_access_key_id
    principal, operations = _PASSED[service]
    keys = {"iam:PassedToService": principal}

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
        action = str(actions.extract_iam_action(service, method, path, headers, body, query))
        find = operations.get(action.partition(":")[2])
        for role in _roles(find, body) if find else ():
            denied = dependent_actions.refusal("iam:PassRole", role, callers.region(), keys, key_of(headers, query))
            if denied is not None:
                refusal: Answer = actions.access_denied_response(
                    service, "iam:PassRole", denied.principal, "", headers=headers, message=denied.message
                )
                return refusal
        return await handler(method, path, headers, body, query)

    return handle


def _roles(find: _Roles, body: bytes) -> list[str]:
    """Return the ARNs of the roles in a request, or none if it is not readable: the service refuses it then."""
    text = body.decode(errors="replace")
    try:
        params = json.loads(text) if text.startswith("{") else {name: values[0] for name, values in parse_qs(text).items()}
        return [role_arn(role) for role in find(params) if isinstance(role, str)]
    except (AttributeError, TypeError, ValueError):
        return []
