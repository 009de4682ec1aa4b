"""What every resource type of CloudFormation builds on: properties, failures, and calls of the services that hold resources."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from local_aws.core import ministack_seams
from local_aws.core.models import AwsError, ServiceApi
from local_aws.core.operations import Operation, Operations

Properties = Mapping[str, Any]
Provisioned = tuple[str, dict[str, Any]]
"""A physical id and the attributes for Fn::GetAtt."""


class ResourceType(Protocol):
    """What MiniStack asks of a resource type. Each method raises ResourceFailedError."""

    def create(self, logical_id: str, properties: Properties, stack_name: str, /) -> Provisioned:
        """Make a resource."""

    def update(self, physical_id: str, old: Properties, properties: Properties, stack_name: str, /) -> Provisioned:
        """Change it."""

    def delete(self, physical_id: str, properties: Properties, /) -> None:
        """Delete it, if it is still there."""


class ResourceFailedError(ValueError):
    """A resource could not be made, changed or deleted. MiniStack fails it with the message, and rolls back."""


class FailedOnceMadeError(ResourceFailedError):
    """A resource was made, and then failed; `provisioned` describes it."""

    def __init__(self, message: str, provisioned: Provisioned) -> None:
        super().__init__(message)
        self.provisioned = provisioned


FAILED = "CreationFailed"
"""Marks a failed resource, so that the next update finds it changed, even an equal one. No resource type has it."""


def refuse_unknown(properties: Properties, names: Iterable[str]) -> None:
    """Raise ResourceFailedError if a resource has other properties than those named."""
    unknown = sorted(set(properties).difference(names))
    if unknown:
        message = f"Encountered unsupported property {unknown[0]}"
        raise ResourceFailedError(message)


class HasOperations(Protocol):
    """A service."""

    @property
    def operations(self) -> Operations:
        """Return what answers each operation."""


Wording = Callable[[str, AwsError], str]
"""Takes the operation that a service refused, and its error, and returns the reason why the resource failed."""


def plain(operation: str, error: AwsError) -> str:
    """Word a refusal as message, operation and code: nobody saw how CloudFormation does."""
    return f"{error.message} (Service: {operation}, Error Code: {error.code})"


def handler_said(message: str, code: str) -> str:
    """Return a failure as CloudFormation words those of types in its registry. `code` is that of the type's handler.

    Live: users quote such reasons, https://github.com/awslabs/aws-well-architected-labs/issues/973.
    """
    return f'Resource handler returned message: "{message}" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})'


class Service:
    """Calls a service's operations in the account of the stack, and checks requests against the API model."""

    def __init__(self, name: str, service: HasOperations, wording: Wording = plain) -> None:
        """Call `service`, whose API model botocore calls `name`. `wording` says what its refusals become."""
        self._api = ServiceApi(name)
        self._wording = wording
        self._service = service
        self._responses = ministack_seams.module("ministack.core.responses")

    def __call__(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Carry an operation out. MiniStack's part is left out: the answer is then empty. Raises ResourceFailedError."""
        return self._carry_out(operation, params, self._service.operations[operation])

    def check(self, operation: str, params: dict[str, Any]) -> None:
        """Check parameters by the API model only. Raises ResourceFailedError."""
        self._carry_out(operation, params, lambda _, __: None)

    def _carry_out(self, operation: str, params: dict[str, Any], answer: Operation) -> dict[str, Any]:
        try:
            params = self._api.from_template(operation, params)
            self._api.validate(operation, params)
            return answer(self._responses.get_account_id(), params) or {}
        except AwsError as error:
            raise ResourceFailedError(self._wording(operation, error)) from error
