"""CloudFormation: resource types that MiniStack does not know, and corrections of some that it knows.

Source: the CloudFormation resource specification of each type.
"""

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml

from local_aws.authorization.principals import SERVICE_LINKED, entity
from local_aws.aws_lambda import policies
from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.cloudformation import name_conflicts
from local_aws.cloudformation.lambda_types import PERMISSION_PROPERTIES, EventInvokeConfigType, PermissionType
from local_aws.cloudformation.resources import (
    FailedOnceMadeError,
    Properties,
    Provisioned,
    ResourceFailedError,
    ResourceType,
    Service,
)
from local_aws.cloudformation.stack_sets import StackSets, Targets
from local_aws.cloudwatch.service import CloudWatch
from local_aws.config.aggregators import Aggregators
from local_aws.config.conformance_packs import ConformancePacks
from local_aws.config.remediation_configurations import PROPERTIES, Remediations, from_properties
from local_aws.config.rules import RULE_PROPERTIES, Config
from local_aws.core import callers, ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.events.rules import EventRules
from local_aws.logs.saved_queries import SavedQueries
from local_aws.ssm.documents import Documents, content_of

_ORGANIZATION_PACK = "AWS::Config::OrganizationConformancePack"
_STACK_SET = "AWS::CloudFormation::StackSet"
_SHOWN_ACCOUNTS = 5
"""How many accounts a failure names for each reason, at most."""


@dataclass(frozen=True)
class Services:
    """The services that hold the resources, and the deployers."""

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


def install(services: Services, clock: Clock) -> None:
    """Teach MiniStack the resource types; `services` hold their state, and `clock` tells when one fails."""
    provisioners = ministack_seams.module("ministack.services.cloudformation.provisioners")
    types: dict[str, tuple[ResourceType, tuple[str, ...]]] = {
        "AWS::Config::ConfigRule": (ConfigRuleType(services.config), ("ConfigRuleName",)),
        "AWS::Config::RemediationConfiguration": (RemediationConfigurationType(services.remediations), ("ConfigRuleName",)),
        _ORGANIZATION_PACK: (OrganizationConformancePackType(services.packs), ("OrganizationConformancePackName",)),
        "AWS::Config::ConfigurationAggregator": (AggregatorType(services.aggregators), ("ConfigurationAggregatorName",)),
        "AWS::Config::StoredQuery": (StoredQueryType(services.aggregators), ("QueryName",)),
        "AWS::CloudWatch::Alarm": (AlarmType(services.cloudwatch), ("AlarmName",)),
        "AWS::Events::Rule": (EventRuleType(services.event_rules), ("Name",)),
        "AWS::Lambda::EventInvokeConfig": (EventInvokeConfigType(services.functions), ("FunctionName", "Qualifier")),
        "AWS::Lambda::Permission": (PermissionType(services.functions), PERMISSION_PROPERTIES),
        "AWS::Lambda::ResourcePolicy": (ResourcePolicyType(), ("ResourceArn",)),
        "AWS::Logs::QueryDefinition": (QueryDefinitionType(services.saved_queries), ()),
        "AWS::SSM::Document": (DocumentType(services.documents), ("Name", "DocumentType")),
        _STACK_SET: (StackSetType(services.stack_sets), ("StackSetName", "PermissionModel", "CallAs")),
    }
    for name, (resource_type, replaced_by) in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": partial(_create, clock, name, resource_type),
            "update": resource_type.update,
            "delete": resource_type.delete,
        }
        provisioners._REPLACING_PROPERTIES[name] = replaced_by
    _read_templates_with_libyaml()
    _let_conditions_know_the_account()
    _let_packs_and_stack_sets_fail()
    _let_failed_stacks_keep_their_parameters()
    _refuse_impossible_roles(provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"])
    _roll_nested_stacks_back(provisioners._RESOURCE_HANDLERS["AWS::CloudFormation::Stack"])
    _let_nested_stacks_keep_attributes()
    _reserve_concurrency(provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"])


def _read_templates_with_libyaml() -> None:
    """Let MiniStack parse templates with libyaml: pure Python took a fifth of the time of a deployment."""
    name = "ministack.services.cloudformation.engine"

    class Loader(yaml.CSafeLoader):
        yaml_constructors = ministack_seams.module(name).CfnLoader.yaml_constructors

    ministack_seams.replace(name, "CfnLoader", Loader)


def _let_conditions_know_the_account() -> None:
    """Let the Conditions of a template use pseudo parameters: MiniStack takes their names for their values there."""
    responses = ministack_seams.module("ministack.core.responses")
    evaluate = ministack_seams.module("ministack.services.cloudformation.engine")._evaluate_conditions

    def evaluate_with_pseudo_parameters(template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, bool]:
        pseudo = {
            "AWS::AccountId": responses.get_account_id(),
            "AWS::Partition": "aws",
            "AWS::Region": responses.get_region(),
            "AWS::URLSuffix": "amazonaws.com",
        }
        conditions: dict[str, bool] = evaluate(template, {name: {"Value": pseudo[name]} for name in pseudo} | parameters)
        return conditions

    for module in ("engine", "handlers", "stacks", "changesets"):
        name = f"ministack.services.cloudformation.{module}"
        ministack_seams.replace(name, "_evaluate_conditions", evaluate_with_pseudo_parameters)


def _let_packs_and_stack_sets_fail() -> None:
    """Roll a pack or StackSet back if its update failed, because its state in accounts has changed.

    Work on them outside MiniStack's event loop: a StackSet is waited for, and a pack takes time in many accounts.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation.stacks")
    for name in ("_runs_on_worker_thread", "_sends_back_failed_update"):
        ours = partial(_is_in_or, {_STACK_SET, _ORGANIZATION_PACK}, getattr(stacks, name))
        ministack_seams.replace("ministack.services.cloudformation.stacks", name, ours)


def _is_in_or(names: Collection[str], otherwise: Callable[[str], bool], resource_type: str) -> bool:
    return resource_type in names or otherwise(resource_type)


def _let_failed_stacks_keep_their_parameters() -> None:
    """Keep the parameters of a stack whose creation through a change set fails, for its next change set.

    MiniStack keeps them only after a successful creation. Without them UsePreviousValue would mean the defaults.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks
    deploy = ministack_seams.module("ministack.services.cloudformation.changesets")._deploy_stack_async

    def deploy_noting_parameters(
        stack_name: str, stack_id: str, template: object, parameters: dict[str, Any], *arguments: object, **settings: object
    ) -> Any:  # noqa: ANN401 - a coroutine of MiniStack's
        if not settings["is_update"]:
            stacks[stack_name]["_resolved_params"] = parameters
        return deploy(stack_name, stack_id, template, parameters, *arguments, **settings)

    ministack_seams.replace("ministack.services.cloudformation.changesets", "_deploy_stack_async", deploy_noting_parameters)


def _refuse_impossible_roles(handlers: dict[str, Callable[..., Provisioned]]) -> None:
    """Let a role fail that IAM refuses and MiniStack makes: one with the path of service-linked roles, or with a name in use.

    MiniStack would overwrite a role of the same name.
    """
    create = handlers["create"]
    responses = ministack_seams.module("ministack.core.responses")

    def create_new(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        name = properties.get("RoleName")
        if str(properties.get("Path", "")).startswith(SERVICE_LINKED):
            message = f"Path prefix '{SERVICE_LINKED}' can only be used for AWS Service linked Roles (Service: Iam)"
            raise ResourceFailedError(message)
        if name and entity("role", responses.get_account_id(), str(name)):
            message = f"Resource of type 'AWS::IAM::Role' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return create(logical_id, properties, stack_name)

    handlers["create"] = create_new


def _roll_nested_stacks_back(handlers: dict[str, Callable[..., Any]]) -> None:
    """Delete what a nested stack has made if its creation fails: MiniStack leaves it. A parent may keep what fails."""
    create, delete = handlers["create"], handlers["delete"]
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks

    def create_or_roll_back(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        try:
            provisioned: Provisioned = create(logical_id, properties, stack_name)
        except Exception:
            made = [name for name in stacks if name.startswith(f"{stack_name}-{logical_id}-")]  # MiniStack's name for it
            for name in made if not stacks[stack_name]["DisableRollback"] else []:
                delete(stacks[name]["StackId"], properties)
            raise
        return provisioned

    handlers["create"] = create_or_roll_back


def _let_nested_stacks_keep_attributes() -> None:
    """Keep the attributes of resources that an update of a nested stack does not change: MiniStack forgets them.

    Another resource's Fn::GetAtt of them would fail. AWS does not touch a resource that does not change.
    """
    stacks = ministack_seams.module("ministack.services.cloudformation")._stacks
    update = ministack_seams.module("ministack.services.cloudformation.provisioners")._update_resource

    def update_keeping(  # noqa: PLR0913, PLR0917 - MiniStack's
        resource_type: str,
        physical_id: str,
        old: Properties,
        properties: Properties,
        stack_name: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Provisioned:
        if attributes is None:
            attributes = stacks[stack_name]["_resources"].get(logical_id, {}).get("Attributes")
        provisioned: Provisioned = update(resource_type, physical_id, old, properties, stack_name, logical_id, attributes)
        return provisioned

    ministack_seams.replace("ministack.services.cloudformation.provisioners", "_update_resource", update_keeping)


def _reserve_concurrency(handlers: dict[str, Callable[..., Provisioned]]) -> None:
    """Give a function the ReservedConcurrentExecutions of its template, which MiniStack ignores."""
    create, update = handlers["create"], handlers["update"]
    functions = ministack_seams.module("ministack.services.lambda_svc")._functions

    def reserve(provisioned: Provisioned, properties: Properties) -> Provisioned:
        reserved = properties.get("ReservedConcurrentExecutions")
        functions[provisioned[0]]["concurrency"] = None if reserved is None else int(reserved)
        return provisioned

    def create_and_reserve(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        return reserve(create(logical_id, properties, stack_name), properties)

    def update_and_reserve(physical_id: str, old: Properties, properties: Properties, *more: str) -> Provisioned:
        return reserve(update(physical_id, old, properties, *more), properties)

    handlers |= {"create": create_and_reserve, "update": update_and_reserve}


_FAILED = "CreationFailed"
"""Marks a failed resource, so that the next update finds it changed, even an equal one. No resource type has it."""


def _create(  # noqa: PLR0913, PLR0917 - MiniStack's last three
    clock: Clock, name: str, resource_type: ResourceType, logical_id: str, properties: Properties, stack_name: str
) -> Provisioned:
    """Make a resource of the type `name`.

    MiniStack knows nothing of a resource that fails after it was made. So this function deletes it or, if rollback is disabled,
    puts it into the stack as failed, as AWS does.
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
                "Properties": {**properties, _FAILED: True},
                "Attributes": attributes,
                "Timestamp": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        else:
            resource_type.delete(physical_id, properties)
        raise


def _refuse_unknown(properties: Properties, names: Iterable[str]) -> None:
    unknown = sorted(set(properties).difference(names))
    if unknown:
        message = f"Encountered unsupported property {unknown[0]}"
        raise ResourceFailedError(message)


class _NamedType:
    """A resource type of AWS Config with a Put operation and a name that is unique in its account."""

    TYPE: str
    NAME: str
    """The property with its name. The service's answers and parameters have a member of the same name."""
    LONGEST_NAME: int
    LIST: tuple[str, str]
    """The operation that lists all, and the member of its answer with the list."""
    DELETE: str

    def __init__(self, service: Config | ConformancePacks | Aggregators) -> None:
        """Keep resources in `service`."""
        self._call = Service("config", service)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put it, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get(self.NAME) or generated(stack_name, logical_id, max_len=self.LONGEST_NAME))
        if self._exists(name):
            message = f"Resource of type '{self.TYPE}' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return self._put(name, properties)

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Put it with its new properties."""
        return self._put(physical_id, properties)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        if self._exists(physical_id):
            self._call(self.DELETE, {self.NAME: physical_id})

    def _exists(self, name: str) -> bool:
        operation, member = self.LIST
        page: dict[str, Any] = self._call(operation, {})
        found = any(each[self.NAME] == name for each in page[member])
        while not found and page.get("NextToken"):
            page = self._call(operation, {"NextToken": page["NextToken"]})
            found = any(each[self.NAME] == name for each in page[member])
        return found

    def _put(self, name: str, properties: Properties) -> Provisioned:
        raise NotImplementedError


class ConfigRuleType(_NamedType):
    """AWS::Config::ConfigRule."""

    TYPE = "AWS::Config::ConfigRule"
    NAME = "ConfigRuleName"
    LONGEST_NAME = 64
    LIST = ("DescribeConfigRules", "ConfigRules")
    DELETE = "DeleteConfigRule"

    def _put(self, name: str, properties: Properties) -> Provisioned:
        _refuse_unknown(properties, RULE_PROPERTIES)
        rule = {key: value for key, value in properties.items() if key not in {"ConfigRuleName", "InputParameters"}}
        rule["ConfigRuleName"] = name
        if "InputParameters" in properties:
            parameters = properties["InputParameters"]
            rule["InputParameters"] = json.dumps(parameters) if isinstance(parameters, Mapping) else parameters
        self._call("PutConfigRule", {"ConfigRule": rule})
        [put] = self._call("DescribeConfigRules", {"ConfigRuleNames": [name]})["ConfigRules"]
        return name, {"Arn": put["ConfigRuleArn"], "ConfigRuleId": put["ConfigRuleId"]}


class RemediationConfigurationType:
    """AWS::Config::RemediationConfiguration; its id is the name of its rule."""

    def __init__(self, remediations: Remediations) -> None:
        """Keep configurations in `remediations`."""
        self._call = Service("config", remediations)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Put it, unless the rule has one."""
        rule_name = str(properties.get("ConfigRuleName"))
        if self._exists(rule_name):
            message = f"Resource of type 'AWS::Config::RemediationConfiguration' with identifier '{rule_name}' already exists."
            raise ResourceFailedError(message)
        return self._put(properties)

    def update(self, _: str, __: Properties, properties: Properties, ___: str) -> Provisioned:
        """Put it with its new properties."""
        return self._put(properties)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        if self._exists(physical_id):
            self._call("DeleteRemediationConfiguration", {"ConfigRuleName": physical_id})

    def _exists(self, rule_name: str) -> bool:
        found = self._call("DescribeRemediationConfigurations", {"ConfigRuleNames": [rule_name]})
        return bool(found["RemediationConfigurations"])

    def _put(self, properties: Properties) -> Provisioned:
        _refuse_unknown(properties, PROPERTIES)
        try:
            configuration = from_properties(properties)
        except (AwsError, AttributeError, TypeError, ValueError) as error:
            message = f"Properties validation failed for the remediation configuration: {error}"
            raise ResourceFailedError(message) from error
        self._call("PutRemediationConfigurations", {"RemediationConfigurations": [configuration]})
        return configuration["ConfigRuleName"], {}


class OrganizationConformancePackType(_NamedType):
    """AWS::Config::OrganizationConformancePack. It fails if one account fails."""

    TYPE = _ORGANIZATION_PACK
    NAME = "OrganizationConformancePackName"
    LONGEST_NAME = 128
    LIST = ("DescribeOrganizationConformancePacks", "OrganizationConformancePacks")
    DELETE = "DeleteOrganizationConformancePack"

    def __init__(self, packs: ConformancePacks) -> None:
        """Keep packs in `packs`."""
        super().__init__(packs)
        self._packs = packs
        self._responses = ministack_seams.module("ministack.core.responses")

    def _put(self, name: str, properties: Properties) -> Provisioned:
        params = {key: value for key, value in properties.items() if key != _FAILED}
        provisioned = (name, self._call("PutOrganizationConformancePack", params))
        failures = self._packs.failures(self._responses.get_account_id(), name)
        if failures:
            accounts: dict[str, list[str]] = {}
            for account_id, error in failures.items():
                accounts.setdefault(str(error), []).append(account_id)
            reasons = "; ".join(f"{reason} ({_shortened(ids)})" for reason, ids in accounts.items())
            message = f"The pack {name} failed in {len(failures)} of the organization's accounts: {reasons}"
            raise FailedOnceMadeError(message, provisioned)
        return provisioned


def _shortened(account_ids: Sequence[str]) -> str:
    more = len(account_ids) - _SHOWN_ACCOUNTS
    return ", ".join(account_ids[:_SHOWN_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")


class AggregatorType(_NamedType):
    """AWS::Config::ConfigurationAggregator."""

    TYPE = "AWS::Config::ConfigurationAggregator"
    NAME = "ConfigurationAggregatorName"
    LONGEST_NAME = 256
    LIST = ("DescribeConfigurationAggregators", "ConfigurationAggregators")
    DELETE = "DeleteConfigurationAggregator"

    def _put(self, name: str, properties: Properties) -> Provisioned:
        params = {**properties, "ConfigurationAggregatorName": name}
        put = self._call("PutConfigurationAggregator", params)["ConfigurationAggregator"]
        return name, {"ConfigurationAggregatorArn": put["ConfigurationAggregatorArn"]}


class StoredQueryType(_NamedType):
    """AWS::Config::StoredQuery."""

    TYPE = "AWS::Config::StoredQuery"
    NAME = "QueryName"
    LONGEST_NAME = 64
    LIST = ("ListStoredQueries", "StoredQueryMetadata")
    DELETE = "DeleteStoredQuery"

    def _put(self, name: str, properties: Properties) -> Provisioned:
        names = {"QueryName": "QueryName", "QueryExpression": "Expression", "QueryDescription": "Description"}
        self._call("PutStoredQuery", {"StoredQuery": {names[key]: properties[key] for key in names if key in properties}})
        stored = self._call("GetStoredQuery", {"QueryName": name})["StoredQuery"]
        return stored["QueryName"], {"QueryArn": stored["QueryArn"], "QueryId": stored["QueryId"]}


class AlarmType:
    """AWS::CloudWatch::Alarm. Its id is its name."""

    def __init__(self, cloudwatch: CloudWatch) -> None:
        """Keep alarms in `cloudwatch`."""
        self._call = Service("cloudwatch", cloudwatch)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put an alarm, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get("AlarmName") or generated(stack_name, logical_id, max_len=255))
        if self._call("DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]:
            message = f"Resource of type 'AWS::CloudWatch::Alarm' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return self._put(name, properties)

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Put it with its new properties. Its state stays."""
        provisioned = self._put(physical_id, properties)
        arn = provisioned[1]["Arn"]
        before, after = _own_tags(old), _own_tags(properties)
        if before:
            self._call("UntagResource", {"ResourceARN": arn, "TagKeys": [tag["Key"] for tag in before]})
        if after:
            self._call("TagResource", {"ResourceARN": arn, "Tags": after})
        return provisioned

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        self._call("DeleteAlarms", {"AlarmNames": [physical_id]})

    def _put(self, name: str, properties: Properties) -> Provisioned:
        self._call("PutMetricAlarm", {**properties, "AlarmName": name, "Tags": _own_tags(properties)})
        [alarm] = self._call("DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]
        return name, {"Arn": alarm["AlarmArn"]}


def _own_tags(properties: Properties) -> list[dict[str, str]]:
    """Return the tags without those that CloudFormation adds: nobody else may."""
    return [tag for tag in properties.get("Tags", []) if not tag["Key"].startswith("aws:")]


class EventRuleType:
    """AWS::Events::Rule. Its id is its name."""

    _OF_RULE = ("Description", "EventBusName", "EventPattern", "RoleArn", "ScheduleExpression", "State", "Tags")

    def __init__(self, event_rules: EventRules) -> None:
        """Keep rules in `event_rules`."""
        self._call = Service("events", event_rules)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put a rule and its targets, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get("Name") or generated(stack_name, logical_id, max_len=64))
        if self._exists(name, properties):
            message = f"Resource of type 'AWS::Events::Rule' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        try:
            return self._put(name, properties)
        except ResourceFailedError:
            self.delete(name, properties)
            raise

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Put it with its new properties. A rule whose bus changes is made anew there."""
        if old.get("EventBusName") != properties.get("EventBusName"):
            self.delete(physical_id, old)
        provisioned = self._put(physical_id, properties)
        kept = {target["Id"] for target in properties.get("Targets", [])}
        gone = [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]
        if gone and old.get("EventBusName") == properties.get("EventBusName"):
            self._call("RemoveTargets", {"Rule": physical_id, "Ids": gone, **_bus(properties)})
        arn = provisioned[1]["Arn"]
        for tags, operation, member in ((old, "UntagResource", "TagKeys"), (properties, "TagResource", "Tags")):
            given = tags.get("Tags", [])
            if given:
                listed = [tag["Key"] for tag in given] if member == "TagKeys" else given
                self._call(operation, {"ResourceARN": arn, member: listed})
        return provisioned

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete it and all its targets, if it is still there."""
        if self._exists(physical_id, properties):
            which = {"Rule": physical_id, **_bus(properties)}
            targets = self._call("ListTargetsByRule", which)["Targets"]
            if targets:
                self._call("RemoveTargets", {**which, "Ids": [target["Id"] for target in targets]})
            self._call("DeleteRule", {"Name": physical_id, **_bus(properties)})

    def _exists(self, name: str, properties: Properties) -> bool:
        buses = [bus["Name"] for bus in self._call("ListEventBuses", {})["EventBuses"]]
        bus = _bus(properties).get("EventBusName", "default").rpartition("/")[2]
        rules = self._call("ListRules", {"NamePrefix": name, **_bus(properties)})["Rules"] if bus in buses else []
        return any(rule["Name"] == name for rule in rules)

    def _put(self, name: str, properties: Properties) -> Provisioned:
        _refuse_unknown(properties, (*self._OF_RULE, "Name", "Targets"))
        params = {key: properties[key] for key in self._OF_RULE if key in properties}
        if isinstance(params.get("EventPattern"), Mapping):
            params["EventPattern"] = json.dumps(params["EventPattern"])
        arn = self._call("PutRule", {"Name": name, **params})["RuleArn"]
        if properties.get("Targets"):
            self._call("PutTargets", {"Rule": name, "Targets": properties["Targets"], **_bus(properties)})
        return name, {"Arn": arn}


def _bus(properties: Properties) -> dict[str, str]:
    return {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}


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


class QueryDefinitionType:
    """AWS::Logs::QueryDefinition."""

    def __init__(self, saved_queries: SavedQueries) -> None:
        """Keep queries in `saved_queries`."""
        self._call = Service("logs", saved_queries)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Save the query."""
        query_id = self._call("PutQueryDefinition", _query(properties))["queryDefinitionId"]
        return query_id, {"QueryDefinitionId": query_id}

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Save it with its new properties."""
        self._call("PutQueryDefinition", {**_query(properties), "queryDefinitionId": physical_id})
        return physical_id, {"QueryDefinitionId": physical_id}

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        queries = self._call("DescribeQueryDefinitions", {})["queryDefinitions"]
        if any(query["queryDefinitionId"] == physical_id for query in queries):
            self._call("DeleteQueryDefinition", {"queryDefinitionId": physical_id})


def _query(properties: Properties) -> dict[str, Any]:
    names = {"Name": "name", "QueryString": "queryString", "LogGroupNames": "logGroupNames"}
    _refuse_unknown(properties, names)
    return {names[key]: value for key, value in properties.items()}


class DocumentType:
    """AWS::SSM::Document.

    Source: https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm, aws-ssm-document.
    """

    _UPDATED = ("Content", "DocumentFormat", "TargetType", "VersionName")
    """Changes of these make a new version if UpdateMethod is NewVersion, else a new document."""
    _KNOWN = (*_UPDATED, "DocumentType", "Name", "Tags", "UpdateMethod")

    def __init__(self, documents: Documents) -> None:
        """Keep documents in `documents`."""
        self._call = Service("ssm", documents)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Create the document."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        return self._create(properties.get("Name") or generated(stack_name, logical_id, max_len=128), properties)

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Make a new version and the default of it or, if UpdateMethod is Replace, make a new document.

        A new document needs another name: if the template names the document, it has to change the name.
        """
        _refuse_unknown(properties, self._KNOWN)
        name = properties.get("Name")
        if name not in {None, physical_id} or properties.get("DocumentType") != old.get("DocumentType"):
            return self._replace(physical_id, name if name != physical_id else None, properties)
        if any(properties.get(key) != old.get(key) for key in self._UPDATED):
            if properties.get("UpdateMethod", "Replace") != "NewVersion":
                if name is not None:
                    message = (
                        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                        f"Rename {name} and update the stack again."
                    )
                    raise ResourceFailedError(message)
                return self._replace(physical_id, None, properties)
            version = self._call("UpdateDocument", {"DocumentVersion": "$LATEST", **self._params(physical_id, properties)})
            made = {"Name": physical_id, "DocumentVersion": version["DocumentDescription"]["DocumentVersion"]}
            self._call("UpdateDocumentDefaultVersion", made)
        if properties.get("Tags") != old.get("Tags"):
            which = {"ResourceType": "Document", "ResourceId": physical_id}
            self._call("RemoveTagsFromResource", {**which, "TagKeys": [tag["Key"] for tag in old.get("Tags", [])]})
            self._call("AddTagsToResource", {**which, "Tags": properties.get("Tags", [])})
        return physical_id, {}

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        listed = self._call("ListDocuments", {"Filters": [{"Key": "Name", "Values": [physical_id]}]})["DocumentIdentifiers"]
        if any(document["Name"] == physical_id for document in listed):
            self._call("DeleteDocument", {"Name": physical_id})

    def _create(self, name: str, properties: Properties) -> Provisioned:
        _refuse_unknown(properties, self._KNOWN)
        optional = {key: properties[key] for key in ("DocumentType", "Tags") if key in properties}
        self._call("CreateDocument", {**self._params(name, properties), **optional})
        return name, {}

    def _replace(self, physical_id: str, name: str | None, properties: Properties) -> Provisioned:
        """Create another document; MiniStack deletes the earlier one."""
        return self._create(name or f"{physical_id.rpartition('-')[0]}-{secrets.token_hex(6).upper()}", properties)

    def _params(self, name: str, properties: Properties) -> dict[str, Any]:
        given = {key: properties[key] for key in self._UPDATED if key in properties}
        return {**given, "Name": name, "Content": content_of(properties["Content"], properties.get("DocumentFormat", "JSON"))}


class StackSetType:
    """AWS::CloudFormation::StackSet with service-managed permissions."""

    def __init__(self, stack_sets: StackSets) -> None:
        """Keep StackSets in `stack_sets`."""
        self._call = Service("cloudformation", stack_sets)
        self._stack_sets = stack_sets

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Create it and deploy it to its targets, and wait for the end."""
        stack_set_id = self._call("CreateStackSet", _stack_set(properties))["StackSetId"]
        try:
            self._deploy(stack_set_id, properties)
        except ResourceFailedError as error:
            raise FailedOnceMadeError(str(error), (stack_set_id, {"StackSetId": stack_set_id})) from error
        return stack_set_id, {"StackSetId": stack_set_id}

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Change it and its stacks, delete the stacks of former targets, and deploy to new ones."""
        settings = _stack_set(properties)
        self._stack_sets.settle(physical_id)
        if settings != _stack_set(old):
            self._run("UpdateStackSet", physical_id, properties, {**settings, "StackSetName": physical_id})
        targets = [Targets.of(instances) for instances in _instances(properties)]
        self._finish(physical_id, self._stack_sets.keep_only(physical_id, targets, _preferences(properties)))
        self._deploy(physical_id, properties)
        return physical_id, {"StackSetId": physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete its stacks, and then itself, if it is still there."""
        caller = _caller(properties)
        existing = self._call("ListStackSets", {"Status": "ACTIVE", **caller})["Summaries"]
        if all(stack_set["StackSetId"] != physical_id for stack_set in existing):
            return
        self._stack_sets.settle(physical_id)
        self._finish(physical_id, self._stack_sets.keep_only(physical_id, [], _preferences(properties)))
        self._call("DeleteStackSet", {"StackSetName": physical_id, **caller})

    def _deploy(self, stack_set_id: str, properties: Properties) -> None:
        for instances in _instances(properties):
            self._run("CreateStackInstances", stack_set_id, properties, {"StackSetName": stack_set_id, **instances})

    def _run(self, operation: str, stack_set_id: str, properties: Properties, params: dict[str, Any]) -> None:
        params |= {"OperationPreferences": _preferences(properties), **_caller(properties)}
        self._finish(stack_set_id, self._call(operation, params)["OperationId"])

    def _finish(self, stack_set_id: str, operation_id: str) -> None:
        operation = self._stack_sets.finished(stack_set_id, operation_id)
        if operation.status != "SUCCEEDED":
            reasons = [f"[{operation.reason}]"] if operation.reason else []
            reasons += [f"[Account {account}, {region}: {why}]" for (account, region), why in operation.failures.items()]
            message = (
                f"Operation [{operation_id}] on StackSet [{stack_set_id}] was unexpectedly stopped or failed. "
                f"Status reason(s): {', '.join(reasons)}"
            )
            raise ResourceFailedError(message)


def _stack_set(properties: Properties) -> dict[str, Any]:
    """Make the parameters of CreateStackSet."""
    return {key: value for key, value in properties.items() if key not in {"StackInstancesGroup", "OperationPreferences"}}


def _instances(properties: Properties) -> Iterable[dict[str, Any]]:
    return [dict(instances) for instances in properties.get("StackInstancesGroup", [])]


def _preferences(properties: Properties) -> dict[str, Any]:
    given = properties.get("OperationPreferences", {})
    return {key: int(value) if key.endswith(("Count", "Percentage")) else value for key, value in given.items()}


def _caller(properties: Properties) -> dict[str, str]:
    return {"CallAs": properties.get("CallAs", "SELF")}
