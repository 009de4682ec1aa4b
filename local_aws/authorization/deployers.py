"""Who deploys a stack: service control policies bind the deployer in what CloudFormation does for it.

The deployer of an account's own stack is the caller, or the role that the caller passes to CloudFormation.  The deployer of a
stack of a StackSet is the role that StackSets acts as.  The local AWS does not ask the deployer's own IAM policies about the
resources of a stack.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html (CloudFormation keeps using a
role for its stack, no matter who works on it).
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html (aws:CalledVia and aws:ViaAWSService
exist only without such a role).  No page says whether the calls of StackSets have the two keys; here they have.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_aws.authorization import resource_permissions, service_roles
from local_aws.authorization.resource_permissions import Need
from local_aws.authorization.service_control_policies import ServiceControlPolicies
from local_aws.core import ministack_seams
from local_aws.core.models import AwsError, ServiceApi

_CLOUDFORMATION = "cloudformation.amazonaws.com"
_DEPLOYING = {
    "CancelUpdateStack",
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "CreateStack",
    "DeleteStack",
    "ExecuteChangeSet",
    "RollbackStack",
    "UpdateStack",
}
_VIA = {"aws:viaawsservice": "true", "aws:calledvia": [_CLOUDFORMATION]}

Handler = Callable[..., Any]


@dataclass(frozen=True)
class Deployer:
    """A principal (MiniStack's PrincipalInfo), and the condition keys of the calls that CloudFormation makes for it."""

    principal: Any
    keys: Mapping[str, Any]


_deployer: ContextVar[Deployer | None] = ContextVar("deployer", default=None)
"""The deployer of the operation on a stack that is under way. What the operation runs in the background inherits it."""


class RefusedError(PermissionError):
    """A policy refuses the deployer something. The message is the reason that CloudFormation gives."""


class Deployers:
    """The deployers of stacks, bound by `policies`."""

    def __init__(self, policies: ServiceControlPolicies) -> None:
        """Begin with nobody."""
        self._policies = policies
        self._responses = ministack_seams.module("ministack.core.responses")
        self._evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        self._api = ServiceApi("cloudformation")

    def watching(self, handler: Handler) -> Handler:
        """Wrap the handler of CloudFormation, so that it knows the deployer: the caller, or the role that the caller passes."""
        extract = ministack_seams.module("ministack.core.router").extract_access_key_id

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:  # noqa: ANN401 - an Answer
            try:
                operation, params = self._api.parse(headers, body)
            except AwsError:
                return await handler(method, path, headers, body, query)  # it refuses the request
            if operation not in _DEPLOYING:
                return await handler(method, path, headers, body, query)
            try:
                deployer, role = self._deployer_of(operation, params, extract(headers, query))
            except AwsError as error:
                return self._api.error(error)
            token = _deployer.set(deployer)
            try:
                answer = await handler(method, path, headers, body, query)
            finally:
                _deployer.reset(token)
            if role:
                self._note(operation, params, role)
            return answer

        return handle

    @contextmanager
    def acting_as(self, role: str, session_name: str) -> Iterator[None]:
        """Let a role of the present account be the deployer. `role` is its name."""
        account_id = self._responses.get_account_id()
        arn = f"arn:aws:sts::{account_id}:assumed-role/{role}/{session_name}"
        token = _deployer.set(Deployer(self._evaluator.PrincipalInfo(arn, "AssumedRole", account_id, None), _VIA))
        try:
            yield
        finally:
            _deployer.reset(token)

    def refusal(self, needs: Iterable[Need]) -> str | None:
        """Return why the deployer may not do what is needed, or None if it may."""
        deployer = _deployer.get()
        if deployer is None or not self._policies.bind(deployer.principal.account):
            return None
        region = self._responses.get_region()
        for need in needs:
            keys = {**deployer.keys, **need.keys}
            said = self._policies.refusal(deployer.principal, need.action, need.resource, region, keys)
            if said is not None:
                return said
        return None

    def install(self, resource_handlers: Mapping[str, dict[str, Any]]) -> None:
        """Let MiniStack's handlers of resource types fail if the deployer may not do what they do."""
        for name in resource_permissions.known_types():
            self._check(name, resource_handlers[name])

    def _check(self, name: str, handlers: dict[str, Any]) -> None:
        kinds: Mapping[str, Callable[..., list[Need]]] = {
            "create": resource_permissions.needed_to_create,
            "update": resource_permissions.needed_to_update,
            "delete": resource_permissions.needed_to_delete,
        }
        for kind, needed in kinds.items():
            if kind in handlers:
                handlers[kind] = partial(self._call, partial(needed, name), handlers[kind])

    def _call(self, needed: Callable[..., list[Need]], handle: Handler, *arguments: Any) -> Any:  # noqa: ANN401 - MiniStack's
        """Call a handler of MiniStack if the deployer may do what is needed. Raises RefusedError."""
        deployer = _deployer.get()
        bound = deployer is not None and self._policies.bind(deployer.principal.account)
        said = self.refusal(needed(*arguments)) if bound else None
        if said is not None:
            message = (
                f'Resource handler returned message: "{said} (Status Code: 403, Request ID: {uuid.uuid4()})" '
                f"(RequestToken: {uuid.uuid4()}, HandlerErrorCode: AccessDenied)"
            )
            raise RefusedError(message)
        return handle(*arguments)

    # Roles that are passed to CloudFormation

    def _deployer_of(self, operation: str, params: Mapping[str, Any], access_key_id: str) -> tuple[Deployer | None, str]:
        """Return who deploys, and the ARN of the role if it is a passed one, else "". Raises AwsError."""
        role = params.get("RoleARN") or self._role_of(operation, params)
        account_id = self._responses.get_account_id()
        if role:
            self._check_trust(role, account_id)
            arn = f"arn:aws:sts::{account_id}:assumed-role/{role.rpartition('/')[2]}/AWSCloudFormation"
            return Deployer(self._evaluator.PrincipalInfo(arn, "AssumedRole", account_id, None), {}), role
        principal = self._evaluator.resolve_principal(access_key_id, account_id)
        return None if isinstance(principal, self._evaluator.AuthError) else Deployer(principal, _VIA), ""

    @staticmethod
    def _check_trust(role: str, account_id: str) -> None:
        message = f"Role {role} is invalid or cannot be assumed"
        if not role.startswith(f"arn:aws:iam::{account_id}:role/"):
            raise AwsError("ValidationError", message)
        try:
            service_roles.assume(role, _CLOUDFORMATION, "AWSCloudFormation", source_account=account_id, source_arn="")
        except service_roles.NotTrustedError as error:
            raise AwsError("ValidationError", message) from error

    def _role_of(self, operation: str, params: Mapping[str, Any]) -> str:
        """Return the role that an earlier request gave to the change set that is executed, or else to the stack."""
        change_set, stack = self._records(params)
        records = (change_set, stack) if operation == "ExecuteChangeSet" else (stack,)
        return next((str(record["RoleARN"]) for record in records if record and "RoleARN" in record), "")

    def _note(self, operation: str, params: Mapping[str, Any], role: str) -> None:
        """Give a role to the change set that the request created, or else to the stack."""
        change_set, stack = self._records(params)
        record = change_set if operation == "CreateChangeSet" else stack
        if record is not None:
            record["RoleARN"] = role

    @staticmethod
    def _records(params: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Find MiniStack's records of the change set and of the stack that a request is about."""
        find_stack = ministack_seams.module("ministack.services.cloudformation.handlers")._resolve_stack
        find = ministack_seams.module("ministack.services.cloudformation.changesets")._find_change_set
        name, change_set_name = params.get("StackName", ""), params.get("ChangeSetName", "")
        stack = find_stack(name) if name else None
        change_set = find(change_set_name, stack["StackName"] if stack else name)[1] if change_set_name else None
        return change_set, find_stack(change_set["StackId"]) if change_set else stack
