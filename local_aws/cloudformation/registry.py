"""CloudFormation's registry: which resource types it has in the Region.

Live: radkawar/stackd, testdata/aws/cloudformation/function_resource_policy.json; users quote the error.
"""

from typing import TYPE_CHECKING, Any

from local_aws.cloudformation import listed_types
from local_aws.cloudformation.resources import ResourceFailedError
from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

RESOURCE_POLICY = "AWS::Lambda::ResourcePolicy"
"""A type that CloudFormation does not have in every Region. Source: cfn-lint's schemas of each Region."""


class Registry:
    """The resource types that the local AWS knows; a switch takes RESOURCE_POLICY away."""

    def __init__(self, switches: Switches) -> None:
        """Look into MiniStack's table of resource types."""
        provisioners = ministack_seams.module("ministack.services.cloudformation.provisioners")
        self._handlers: dict[str, dict[str, Callable[..., Any]]] = provisioners._RESOURCE_HANDLERS
        self._switches = switches
        self.operations = {"DescribeType": self.describe_type}

    def install(self) -> None:
        """Let a resource fail if its type does not exist."""
        create = self._handlers[RESOURCE_POLICY]["create"]

        def create_if_there(*arguments: Any) -> Any:  # noqa: ANN401 - MiniStack's
            if not self._has(RESOURCE_POLICY):
                # CloudFormation says this of the template, before it makes anything.
                message = f"Template format error: Unrecognized resource types: [{RESOURCE_POLICY}]"
                raise ResourceFailedError(message)
            return create(*arguments)

        self._handlers[RESOURCE_POLICY]["create"] = create_if_there

    def describe_type(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe a resource type by its name. Raises AwsError."""
        name = params.get("TypeName")
        if params.get("Type") != "RESOURCE" or not name or "VersionId" in params:
            message = "The local AWS describes resource types by Type and TypeName only."
            raise AwsError("ValidationError", message)
        if listed_types.is_refused(name):
            raise AwsError("CFNRegistryException", listed_types.not_emulated(name))
        if not self._has(name):
            message = f"The type '{name}' cannot be found."
            raise AwsError("TypeNotFoundException", message)
        region = callers.scope(account_id)[1]
        return {
            "Arn": f"arn:aws:cloudformation:{region}::type/resource/{name.replace('::', '-')}",
            "Type": "RESOURCE",
            "TypeName": name,
            "IsDefaultVersion": True,
            "DeprecatedStatus": "LIVE",
            "Visibility": "PUBLIC",
        }

    def _has(self, name: str) -> bool:
        withheld = name == RESOURCE_POLICY and self._switches.is_on("withhold-resource-policy-type")
        return listed_types.is_emulated(name) and not withheld
