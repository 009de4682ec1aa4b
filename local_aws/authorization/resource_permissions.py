"""The permissions that the deployer of a stack needs for each type of resource: actions, each with its resource.

The three functions take the type's name, and then the arguments of MiniStack's handler for the same step.

Source: the CloudFormation schema of each type, handlers.*.permissions, and the actions' resources in the Service Authorization
Reference.  A schema says which actions there are, but not when. Here an action that belongs to a property is needed if the
template has the property, or changes it.  A type that is not in the table needs nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.authorization.principals import entity_arn, role_arn
from local_aws.core import ministack_seams

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Need:
    """An action on a resource, with condition keys of the request."""

    action: str
    resource: str
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where a resource is. `name` is its name or its physical id."""

    account_id: str
    region: str
    name: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


_Arn = Callable[[_Place, Properties], str]


@dataclass(frozen=True)
class _Part:
    """The actions that set a property, or an item of it, and that take it away; `of` finds the ARN if it is another's."""

    put: str = ""
    drop: str = ""
    of: Callable[[_Place, str], str] | None = None
    always: bool = False
    """Whether each update puts all items again."""


@dataclass(frozen=True)
class _Type:
    """A type of resource: its ARN, the property with its name, and the actions that create, update and delete it."""

    arn: _Arn
    create: tuple[str, ...]
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    name: str = ""
    longest_name: int = 64
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The actions that the change of a property needs."""
    parts: Mapping[str, _Part] = field(default_factory=dict)
    passed_to: str = ""
    """The principal of the service that gets the roles of its properties."""
    roles: Callable[[Properties], Iterable[object]] = lambda _: ()


def needed_to_create(name: str, logical_id: str, properties: Properties, stack_name: str) -> list[Need]:
    """Return what it needs to create a resource of the type `name`."""
    known = _TYPES.get(name)
    if known is None:
        return []
    generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
    own = properties.get(known.name) or generated(stack_name, logical_id, max_len=known.longest_name)
    place = _place(str(own))
    arn = known.arn(place, properties)
    needs = [Need(action, arn) for action in known.create]
    for key, part in known.parts.items():
        needs += _part(part, part.put, arn, place, _items(properties.get(key)))
    return [*needs, *_passed(known, properties, {})]


def needed_to_update(name: str, physical_id: str, old: Properties, properties: Properties, *_: str) -> list[Need]:
    """Return what it needs to update a resource without replacing it."""
    known = _TYPES.get(name)
    if known is None or old == properties:
        return []
    place = _place(physical_id)
    arn = known.arn(place, properties)
    changed = {key for key in {*old, *properties} if old.get(key) != properties.get(key)}
    actions = [*known.update, *(action for key in sorted(changed) for action in known.changes.get(key, ()))]
    needs = [Need(action, arn) for action in dict.fromkeys(actions)]
    for key, part in known.parts.items():
        before, after = _items(old.get(key)), _items(properties.get(key))
        new = after if part.always else [item for item in after if item not in before]
        needs += _part(part, part.put, arn, place, new)
        needs += _part(part, part.drop, arn, place, [item for item in before if _key(item) not in map(_key, after)])
    return [*needs, *_passed(known, properties, old)]


def needed_to_delete(name: str, physical_id: str, properties: Properties, *_: str) -> list[Need]:
    """Return what it needs to delete a resource."""
    known = _TYPES.get(name)
    if known is None:
        return []
    place = _place(physical_id)
    arn = known.arn(place, properties)
    needs = []
    for key, part in known.parts.items():
        needs += _part(part, part.drop, arn, place, _items(properties.get(key)))
    return [*needs, *(Need(action, arn) for action in known.delete)]


def _place(name: str) -> _Place:
    responses = ministack_seams.module("ministack.core.responses")
    return _Place(responses.get_account_id(), responses.get_region(), name)


def _items(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _key(item: object) -> object:
    """Tell items apart by their names: new content under the same name takes nothing away."""
    if isinstance(item, Mapping):
        return next((item[name] for name in ("PolicyName", "Key", "Id") if name in item), "")
    return item


def _part(part: _Part, action: str, arn: str, place: _Place, items: list[Any]) -> list[Need]:
    if not action or not items:
        return []
    if part.of is None:
        return [Need(action, arn)]
    return [Need(action, part.of(place, str(item))) for item in items]


def _passed(known: _Type, properties: Properties, old: Properties) -> list[Need]:
    keys = {"iam:passedtoservice": known.passed_to}
    before = set(map(str, known.roles(old)))
    roles = [str(role) for role in known.roles(properties) if role and str(role) not in before]
    return [Need("iam:PassRole", role_arn(role), keys) for role in dict.fromkeys(roles)]


# The types


def _named(service: str, prefix: str) -> _Arn:
    """Make ARNs of an account and Region from a name, an ARN, or a URL whose last part is the name."""

    def arn(place: _Place, _: Properties) -> str:
        if place.name.startswith("arn:"):
            return place.name
        return place.arn(service, f"{prefix}{place.name.rpartition('/')[2] if '://' in place.name else place.name}")

    return arn


def _any(service: str, resource: str) -> _Arn:
    """Make the ARN of any resource of a kind: AWS chooses the ids of such resources."""
    return lambda place, _: place.arn(service, resource)


def _entity(kind: str) -> _Arn:
    return lambda place, properties: entity_arn(kind, place.account_id, place.name, str(properties.get("Path", "/")))


def _global(kind: str) -> _Arn:
    def arn(place: _Place, properties: Properties) -> str:
        new = f"arn:aws:iam::{place.account_id}:{kind}{properties.get('Path', '/')}{place.name}"
        return place.name if place.name.startswith("arn:") else new

    return arn


def _of(kind: str) -> Callable[[_Place, str], str]:
    return lambda place, name: entity_arn(kind, place.account_id, name)


def _event_rule(place: _Place, properties: Properties) -> str:
    bus = str(properties.get("EventBusName") or "default").rpartition("/")[2]
    return place.arn("events", f"rule/{place.name}" if bus == "default" else f"rule/{bus}/{place.name}")


def _function(property_name: str) -> _Arn:
    """Make the ARN of the function that a property names, by its ARN, or by its name with or without a version."""

    def arn(place: _Place, properties: Properties) -> str:
        given = str(properties.get(property_name, ""))
        return given if given.startswith("arn:") else place.arn("lambda", f"function:{given.partition(':')[0]}")

    return arn


def _log_group(place: _Place, properties: Properties) -> str:
    return place.arn("logs", f"log-group:{properties.get('LogGroupName')}")


def _queue(place: _Place, url: str) -> str:
    return place.arn("sqs", url.rpartition("/")[2])


def _stack(place: _Place, _: Properties) -> str:
    known = place.name.startswith("arn:")
    return place.name if known else place.arn("cloudformation", f"stack/{place.name}/*")


def _target_roles(properties: Properties) -> list[object]:
    targets = [target.get("RoleArn") for target in properties.get("Targets", [])]
    return [properties.get("RoleArn"), *targets]


def _runbook_roles(properties: Properties) -> Iterator[object]:
    parameters = properties.get("Parameters")
    if isinstance(parameters, Mapping):
        static = parameters.get("AutomationAssumeRole", {}).get("StaticValue", {})
        yield from static.get("Values", static.get("Value", []))


_ATTACHMENTS = {
    f"{kind}s": _Part(f"iam:Attach{kind}Policy", f"iam:Detach{kind}Policy", _of(kind.lower()))
    for kind in ("Role", "User", "Group")
}
_INLINE = {
    f"{kind}s": _Part(f"iam:Put{kind}Policy", f"iam:Delete{kind}Policy", _of(kind.lower()), always=True)
    for kind in ("Role", "User", "Group")
}
_POLICY = ("lambda:GetResourcePolicy", "lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy")
"""What every handler of a function's resource policy needs."""

_TYPES: Mapping[str, _Type] = {
    "AWS::CloudFormation::Stack": _Type(
        _stack,
        create=("cloudformation:CreateStack", "cloudformation:DescribeStacks"),
        update=("cloudformation:UpdateStack", "cloudformation:DescribeStacks"),
        delete=("cloudformation:DeleteStack", "cloudformation:DescribeStacks"),
        longest_name=128,
    ),
    "AWS::CloudFormation::StackSet": _Type(
        _any("cloudformation", "stackset/*"),
        create=("cloudformation:CreateStackSet", "cloudformation:CreateStackInstances"),
        update=("cloudformation:DescribeStackSet", "cloudformation:UpdateStackSet"),
        delete=("cloudformation:DeleteStackSet", "cloudformation:DeleteStackInstances"),
    ),
    "AWS::CloudWatch::Alarm": _Type(
        _named("cloudwatch", "alarm:"),
        create=("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms"),
        update=("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms"),
        delete=("cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms"),
        name="AlarmName",
        longest_name=255,
    ),
    "AWS::Config::ConfigRule": _Type(
        _any("config", "config-rule/*"),
        create=("config:PutConfigRule", "config:DescribeConfigRules"),
        update=("config:PutConfigRule", "config:DescribeConfigRules"),
        delete=("config:DeleteConfigRule", "config:DescribeConfigRules"),
    ),
    "AWS::Config::ConfigurationAggregator": _Type(
        _any("config", "config-aggregator/*"),
        create=("config:PutConfigurationAggregator", "config:DescribeConfigurationAggregators"),
        update=("config:PutConfigurationAggregator", "config:DescribeConfigurationAggregators"),
        delete=("config:DeleteConfigurationAggregator",),
        passed_to="config.amazonaws.com",
        roles=lambda properties: [properties.get("OrganizationAggregationSource", {}).get("RoleArn")],
    ),
    "AWS::Config::OrganizationConformancePack": _Type(
        _any("config", "organization-conformance-pack/*"),
        create=("config:PutOrganizationConformancePack", "config:DescribeOrganizationConformancePackStatuses"),
        update=("config:PutOrganizationConformancePack", "config:DescribeOrganizationConformancePackStatuses"),
        delete=("config:DeleteOrganizationConformancePack", "config:DescribeOrganizationConformancePackStatuses"),
    ),
    "AWS::Config::RemediationConfiguration": _Type(
        _any("config", "remediation-configuration/*"),
        create=("config:PutRemediationConfigurations", "config:DescribeRemediationConfigurations"),
        update=("config:PutRemediationConfigurations", "config:DescribeRemediationConfigurations"),
        delete=("config:DeleteRemediationConfiguration",),
        passed_to="ssm.amazonaws.com",
        roles=_runbook_roles,
    ),
    "AWS::Config::StoredQuery": _Type(
        _any("config", "stored-query/*"),
        create=("config:PutStoredQuery", "config:GetStoredQuery"),
        update=("config:PutStoredQuery", "config:GetStoredQuery"),
        delete=("config:DeleteStoredQuery",),
    ),
    "AWS::Events::Rule": _Type(
        _event_rule,
        create=("events:PutRule", "events:DescribeRule"),
        update=("events:PutRule", "events:DescribeRule"),
        delete=("events:DeleteRule", "events:DescribeRule", "events:ListTargetsByRule"),
        name="Name",
        parts={"Targets": _Part("events:PutTargets", "events:RemoveTargets")},
        passed_to="events.amazonaws.com",
        roles=_target_roles,
    ),
    "AWS::IAM::ManagedPolicy": _Type(
        _global("policy"),
        create=("iam:CreatePolicy",),
        update=("iam:GetPolicy", "iam:ListPolicyVersions"),
        delete=("iam:DeletePolicy", "iam:GetPolicy", "iam:ListPolicyVersions", "iam:ListEntitiesForPolicy"),
        name="ManagedPolicyName",
        longest_name=128,
        changes={"PolicyDocument": ("iam:CreatePolicyVersion",)},
        parts=_ATTACHMENTS,
    ),
    "AWS::IAM::Policy": _Type(_global("policy"), create=(), name="PolicyName", longest_name=128, parts=_INLINE),
    "AWS::IAM::Role": _Type(
        _entity("role"),
        create=("iam:CreateRole", "iam:GetRole"),
        delete=("iam:DeleteRole", "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"),
        name="RoleName",
        changes={
            "AssumeRolePolicyDocument": ("iam:UpdateAssumeRolePolicy",),
            "Description": ("iam:UpdateRole",),
            "MaxSessionDuration": ("iam:UpdateRole",),
        },
        parts={
            "ManagedPolicyArns": _Part("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
            "PermissionsBoundary": _Part("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"),
            "Policies": _Part("iam:PutRolePolicy", "iam:DeleteRolePolicy"),
            "Tags": _Part("iam:TagRole", "iam:UntagRole"),
        },
    ),
    "AWS::IAM::User": _Type(
        _entity("user"),
        create=("iam:CreateUser", "iam:GetUser"),
        update=("iam:GetUser",),
        delete=("iam:DeleteUser", "iam:GetUser"),
        name="UserName",
        parts={
            "LoginProfile": _Part("iam:CreateLoginProfile", "iam:DeleteLoginProfile"),
            "ManagedPolicyArns": _Part("iam:AttachUserPolicy", "iam:DetachUserPolicy"),
            "Policies": _Part("iam:PutUserPolicy", "iam:DeleteUserPolicy"),
            "Tags": _Part("iam:TagUser", "iam:UntagUser"),
        },
    ),
    "AWS::Lambda::EventInvokeConfig": _Type(
        _function("FunctionName"),
        create=("lambda:PutFunctionEventInvokeConfig",),
        update=("lambda:UpdateFunctionEventInvokeConfig",),
        delete=("lambda:DeleteFunctionEventInvokeConfig",),
    ),
    "AWS::Lambda::Function": _Type(
        _named("lambda", "function:"),
        create=("lambda:CreateFunction", "lambda:GetFunction"),
        update=("lambda:GetFunction", "lambda:UpdateFunctionConfiguration"),
        delete=("lambda:DeleteFunction", "lambda:GetFunction"),
        name="FunctionName",
        changes={"Code": ("lambda:UpdateFunctionCode",)},
        parts={
            "ReservedConcurrentExecutions": _Part("lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"),
            "Tags": _Part("lambda:TagResource", "lambda:UntagResource"),
        },
        passed_to="lambda.amazonaws.com",
        roles=lambda properties: [properties.get("Role")],
    ),
    "AWS::Lambda::Permission": _Type(
        _function("FunctionName"), create=("lambda:AddPermission",), delete=("lambda:RemovePermission",)
    ),
    "AWS::Lambda::ResourcePolicy": _Type(
        _function("ResourceArn"),
        create=("lambda:PutResourcePolicy", *_POLICY),
        update=("lambda:PutResourcePolicy", *_POLICY),
        # The schema has cloudformation:DescribeStacks, too, and does not say for which stack.
        delete=("lambda:PutResourcePolicy", "lambda:DeleteResourcePolicy", *_POLICY),
    ),
    "AWS::Logs::LogGroup": _Type(
        _named("logs", "log-group:"),
        create=("logs:CreateLogGroup", "logs:DescribeLogGroups"),
        update=("logs:DescribeLogGroups",),
        delete=("logs:DeleteLogGroup", "logs:DescribeLogGroups"),
        name="LogGroupName",
        longest_name=512,
        parts={
            "RetentionInDays": _Part("logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"),
            "Tags": _Part("logs:TagResource", "logs:UntagResource"),
        },
    ),
    "AWS::Logs::MetricFilter": _Type(
        _log_group,
        create=("logs:PutMetricFilter", "logs:DescribeMetricFilters"),
        update=("logs:PutMetricFilter", "logs:DescribeMetricFilters"),
        delete=("logs:DeleteMetricFilter",),
    ),
    "AWS::Logs::QueryDefinition": _Type(
        lambda _, __: "*",
        create=("logs:PutQueryDefinition",),
        update=("logs:PutQueryDefinition",),
        delete=("logs:DeleteQueryDefinition",),
    ),
    "AWS::SNS::Topic": _Type(
        _named("sns", ""),
        create=("sns:CreateTopic", "sns:GetTopicAttributes"),
        update=("sns:GetTopicAttributes", "sns:SetTopicAttributes"),
        delete=("sns:DeleteTopic", "sns:GetTopicAttributes"),
        name="TopicName",
        longest_name=256,
        parts={
            "Subscription": _Part("sns:Subscribe", "sns:Unsubscribe"),
            "Tags": _Part("sns:TagResource", "sns:UntagResource"),
        },
    ),
    "AWS::SNS::TopicPolicy": _Type(
        lambda _, __: "*",
        create=(),
        parts={"Topics": _Part("sns:SetTopicAttributes", "sns:SetTopicAttributes", lambda _, arn: arn, always=True)},
    ),
    "AWS::SQS::Queue": _Type(
        _named("sqs", ""),
        create=("sqs:CreateQueue", "sqs:GetQueueAttributes"),
        update=("sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),
        delete=("sqs:DeleteQueue", "sqs:GetQueueAttributes"),
        name="QueueName",
        longest_name=80,
        parts={"Tags": _Part("sqs:TagQueue", "sqs:UntagQueue")},
    ),
    "AWS::SQS::QueuePolicy": _Type(
        lambda _, __: "*",
        create=(),
        parts={"Queues": _Part("sqs:SetQueueAttributes", "sqs:SetQueueAttributes", _queue, always=True)},
    ),
    "AWS::SSM::Document": _Type(
        _named("ssm", "document/"),
        create=("ssm:CreateDocument", "ssm:GetDocument"),
        update=("ssm:DescribeDocument",),
        delete=("ssm:DeleteDocument", "ssm:GetDocument"),
        name="Name",
        longest_name=128,
        changes=dict.fromkeys(
            ("Content", "DocumentFormat", "TargetType", "VersionName"),
            ("ssm:UpdateDocument", "ssm:UpdateDocumentDefaultVersion"),
        ),
        parts={"Tags": _Part("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource")},
    ),
}


def actions_of(name: str) -> set[str]:
    """Return all actions of the type `name`. A test compares them with the type's schema."""
    known = _TYPES[name]
    parts = {action for part in known.parts.values() for action in (part.put, part.drop) if action}
    changes = {action for actions in known.changes.values() for action in actions}
    return {*known.create, *known.update, *known.delete, *changes, *parts, *(["iam:PassRole"] if known.passed_to else [])}


def known_types() -> list[str]:
    """Return the names of the types that need something."""
    return list(_TYPES)
