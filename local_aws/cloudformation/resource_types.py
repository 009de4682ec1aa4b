"""CloudFormation: the resource types that MiniStack does not know, and some that it knows and this package makes itself."""

from dataclasses import dataclass
from functools import partial

from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.cloudformation import ministack_corrections
from local_aws.cloudformation.cloudwatch_types import AlarmType, QueryDefinitionType
from local_aws.cloudformation.config_types import (
    ORGANIZATION_PACK,
    AggregatorType,
    ConfigRuleType,
    OrganizationConformancePackType,
    RemediationConfigurationType,
    StoredQueryType,
)
from local_aws.cloudformation.event_types import EventRuleType
from local_aws.cloudformation.lambda_types import (
    PERMISSION_PROPERTIES,
    EventInvokeConfigType,
    PermissionType,
    ResourcePolicyType,
)
from local_aws.cloudformation.resources import FAILED, FailedOnceMadeError, Properties, Provisioned, ResourceType
from local_aws.cloudformation.ssm_types import DocumentType
from local_aws.cloudformation.stack_sets.resource_type import STACK_SET, StackSetType
from local_aws.cloudformation.stack_sets.service import StackSets
from local_aws.cloudwatch.service import CloudWatch
from local_aws.config.aggregators import Aggregators
from local_aws.config.conformance_packs import ConformancePacks
from local_aws.config.remediation_configurations import Remediations
from local_aws.config.rules import Config
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.switches import Switches
from local_aws.events.rules import EventRules
from local_aws.logs.saved_queries import SavedQueries
from local_aws.ssm.documents import Documents


@dataclass(frozen=True)
class Services:
    """The services that hold the resources."""

    config: Config
    remediations: Remediations
    packs: ConformancePacks
    aggregators: Aggregators
    saved_queries: SavedQueries
    stack_sets: StackSets
    documents: Documents
    event_rules: EventRules
    cloudwatch: CloudWatch
    functions: LambdaFunctions


def install(services: Services, clock: Clock, switches: Switches) -> None:
    """Teach MiniStack the resource types; `services` hold their state, and `clock` tells when one fails."""
    provisioners = ministack_seams.module("ministack.services.cloudformation.provisioners")
    types: dict[str, tuple[ResourceType, tuple[str, ...]]] = {
        "AWS::Config::ConfigRule": (ConfigRuleType(services.config), ("ConfigRuleName",)),
        "AWS::Config::RemediationConfiguration": (RemediationConfigurationType(services.remediations), ("ConfigRuleName",)),
        ORGANIZATION_PACK: (OrganizationConformancePackType(services.packs), ("OrganizationConformancePackName",)),
        "AWS::Config::ConfigurationAggregator": (AggregatorType(services.aggregators), ("ConfigurationAggregatorName",)),
        "AWS::Config::StoredQuery": (StoredQueryType(services.aggregators), ("QueryName",)),
        "AWS::CloudWatch::Alarm": (AlarmType(services.cloudwatch), ("AlarmName",)),
        "AWS::Events::Rule": (EventRuleType(services.event_rules), ("Name",)),
        "AWS::Lambda::EventInvokeConfig": (EventInvokeConfigType(services.functions), ("FunctionName", "Qualifier")),
        "AWS::Lambda::Permission": (PermissionType(services.functions), PERMISSION_PROPERTIES),
        "AWS::Lambda::ResourcePolicy": (ResourcePolicyType(), ("ResourceArn",)),
        "AWS::Logs::QueryDefinition": (QueryDefinitionType(services.saved_queries), ()),
        "AWS::SSM::Document": (DocumentType(services.documents), ("Name", "DocumentType")),
        STACK_SET: (StackSetType(services.stack_sets), ("StackSetName", "PermissionModel", "CallAs")),
    }
    for name, (resource_type, replaced_by) in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": partial(_create, clock, name, resource_type),
            "update": partial(_update, clock, switches, name, resource_type),
            "delete": resource_type.delete,
        }
        provisioners._REPLACING_PROPERTIES[name] = replaced_by
    ministack_corrections.install({STACK_SET, ORGANIZATION_PACK})


def _create(  # noqa: PLR0913, PLR0917 - MiniStack's last three
    clock: Clock, name: str, resource_type: ResourceType, logical_id: str, properties: Properties, stack_name: str
) -> Provisioned:
    """Make a resource of the type `name`.

    MiniStack knows nothing about a resource that fails after it was made. So this function deletes it or, if rollback is
    disabled, puts it into the stack as failed, as AWS does.
    """
    try:
        return resource_type.create(logical_id, properties, stack_name)
    except FailedOnceMadeError as error:
        stack = ministack_seams.module("ministack.services.cloudformation")._stacks[stack_name]
        physical_id, attributes = error.provisioned
        if stack["DisableRollback"]:
            stack["_resources"][logical_id] = {
                "PhysicalResourceId": physical_id,
                "ResourceType": name,
                "ResourceStatus": "CREATE_FAILED",
                "ResourceStatusReason": str(error),
                "LogicalResourceId": logical_id,
                "Properties": {**properties, FAILED: True},
                "Attributes": attributes,
                "Timestamp": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        else:
            resource_type.delete(physical_id, properties)
        raise


def _update(  # noqa: PLR0913, PLR0917 - MiniStack's last four
    clock: Clock,
    switches: Switches,
    name: str,
    resource_type: ResourceType,
    physical_id: str,
    old: Properties,
    properties: Properties,
    stack_name: str,
) -> Provisioned:
    """Change a resource of the type `name`.

    One that failed when it was made has no last stable state. The documentation says that a failed resource is tried again, and
    that one without a stable state is deleted at the next operation: a switch says which. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html.
    """
    if FAILED not in old or not switches.is_on("recreate-failed-resources"):
        return resource_type.update(physical_id, old, properties, stack_name)
    resources = ministack_seams.module("ministack.services.cloudformation")._stacks[stack_name]["_resources"]
    logical_id = next(each for each, resource in resources.items() if resource["PhysicalResourceId"] == physical_id)
    resource_type.delete(physical_id, {key: value for key, value in old.items() if key != FAILED})
    return _create(clock, name, resource_type, logical_id, properties, stack_name)
