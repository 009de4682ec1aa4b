"""CloudFormation: permissions of functions, their policies as a whole, and settings of asynchronous invocations.

Source: the CloudFormation schemas of AWS::Lambda::Permission, AWS::Lambda::ResourcePolicy and AWS::Lambda::EventInvokeConfig.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from local_aws.aws_lambda import policies
from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.cloudformation import name_conflicts
from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError, Service
from local_aws.core import callers
from local_aws.core.models import AwsError

PERMISSION_PROPERTIES = (
    *("Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "InvokedViaFunctionUrl"),
    *("Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"),
)
"""A change of any of them makes a new permission."""


class PermissionType:
    """AWS::Lambda::Permission. Its id is the id of its statement."""

    def __init__(self, functions: LambdaFunctions) -> None:
        """Keep permissions in the policies of `functions`."""
        self._call = Service("lambda", functions)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Add a statement."""
        statement_id = f"{stack_name}-{logical_id}-{secrets.token_hex(6)}"
        self._call("AddPermission", {**properties, "StatementId": statement_id})
        return statement_id, {"Id": statement_id}

    def update(self, _: str, __: Properties, properties: Properties, stack_name: str) -> Provisioned:
        """Add a statement under another id. MiniStack deletes the earlier one."""
        return self.create("Permission", properties, stack_name)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Remove the statement, if it is still there."""
        which = {"FunctionName": properties["FunctionName"], "StatementId": physical_id}
        _unless_gone(self._call, "RemovePermission", which)


class ResourcePolicyType:
    """AWS::Lambda::ResourcePolicy."""

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Replace the statements that permissions added, but no other policy."""
        if policies.was_put(properties["ResourceArn"]):
            raise ResourceFailedError(name_conflicts.message(properties["ResourceArn"]))
        return self._put(properties["ResourceArn"], properties["PolicyDocument"])

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Put it with its new properties."""
        return self._put(physical_id, properties["PolicyDocument"])

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if the function is still there."""
        try:
            policies.put(physical_id, None)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    @staticmethod
    def _put(function_arn: str, policy: dict[str, Any]) -> Provisioned:
        if f":{callers.account_id()}:function:" not in function_arn:
            message = f"{function_arn} is not the ARN of a function of this account."
            raise ResourceFailedError(message)
        try:
            policies.put(function_arn, policy)
        except AwsError as error:
            message = f"{error.message} (Service: PutResourcePolicy, Error Code: {error.code})"
            raise ResourceFailedError(message) from error
        return function_arn, {}


class EventInvokeConfigType:
    """AWS::Lambda::EventInvokeConfig. Its id names the function and the version."""

    def __init__(self, functions: LambdaFunctions) -> None:
        """Keep settings with `functions`."""
        self._call = Service("lambda", functions)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Put the settings, unless the function's version has some."""
        which = _version(properties)
        if _unless_gone(self._call, "GetFunctionEventInvokeConfig", which):
            identifier = f"{which['FunctionName']}|{which['Qualifier']}"
            message = f"Resource of type 'AWS::Lambda::EventInvokeConfig' with identifier '{identifier}' already exists."
            raise ResourceFailedError(message)
        return self._put(properties)

    def update(self, _: str, __: Properties, properties: Properties, ___: str) -> Provisioned:
        """Put the new settings."""
        return self._put(properties)

    def delete(self, _: str, properties: Properties) -> None:
        """Delete the settings, if they are still there."""
        _unless_gone(self._call, "DeleteFunctionEventInvokeConfig", _version(properties))

    def _put(self, properties: Properties) -> Provisioned:
        self._call("PutFunctionEventInvokeConfig", dict(properties))
        which = _version(properties)
        return f"{which['FunctionName'].rpartition(':')[2]}:{which['Qualifier']}", {}


def _version(properties: Properties) -> dict[str, str]:
    return {name: str(properties.get(name, "")) for name in ("FunctionName", "Qualifier")}


def _unless_gone(call: Service, operation: str, params: dict[str, Any]) -> Mapping[str, Any]:
    """Carry an operation out; return an empty answer if its object does not exist."""
    try:
        return call(operation, params)
    except ResourceFailedError as error:
        if not isinstance(error.__cause__, AwsError) or error.__cause__.code != "ResourceNotFoundException":
            raise
    return {}
