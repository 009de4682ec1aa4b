"""CloudFormation: resources that MiniStack makes, checked as the requests of their services that would make them.

MiniStack would make a log group with an invalid name, or a topic over an existing one.  Each resource is turned into
requests, which the API model and the service check.  IAM's types are in iam/templates.py.

Source: the CloudFormation schemas of the types.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.aws_lambda import invocation_settings
from local_aws.aws_lambda.functions import LambdaFunctions
from local_aws.cloudformation.listed_types import Handlers
from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError, Service
from local_aws.core import callers, ministack_seams, resource_policies
from local_aws.core.models import AwsError
from local_aws.events.rules import EventRules
from local_aws.logs.log_group_operations import LogGroupOperations, check_retention
from local_aws.logs.metric_filters import MetricFilters
from local_aws.sns.topics import Topics
from local_aws.sqs.queues import Queues

Check = Callable[[Properties, str, bool], None]
"""Takes properties, the resource's name, and whether it is a new one. Raises ResourceFailedError and AwsError."""

_BUCKET_NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
"""Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html."""


@dataclass(frozen=True)
class Services:
    """The services that check."""

    functions: LambdaFunctions
    log_groups: LogGroupOperations
    metric_filters: MetricFilters
    topics: Topics
    queues: Queues
    event_rules: EventRules


@dataclass(frozen=True)
class _Type:
    """How to check a type: the property with its name, the longest name, whether a name can exist once only, and the check.

    `required` are the properties that a template must have.
    """

    check: Check
    name: str = ""
    longest_name: int = 64
    is_there: Callable[[str], bool] = lambda _: False
    required: tuple[str, ...] = ()


def install(types: Mapping[str, Handlers], services: Services) -> None:
    """Check resources before MiniStack makes or changes them; `types` are its handlers."""
    for name, checked in _types(services).items():
        handlers = types[name]
        handlers["create"] = _creating(name, checked, handlers["create"])
        handlers["update"] = _updating(checked, handlers["update"])


def _creating(type_name: str, checked: _Type, create: Callable[..., Provisioned]) -> Callable[..., Provisioned]:
    generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name

    def create_checked(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        given = properties.get(checked.name)
        name = str(given or generated(stack_name, logical_id, max_len=checked.longest_name))
        if given and checked.is_there(name):
            message = f"Resource of type '{type_name}' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        _run(checked, properties, name, new=True)
        return create(logical_id, properties, stack_name)

    return create_checked


def _updating(checked: _Type, update: Callable[..., Provisioned]) -> Callable[..., Provisioned]:
    def update_checked(physical_id: str, old: Properties, properties: Properties, *more: Any) -> Provisioned:  # noqa: ANN401 - MiniStack's
        name = str(properties.get(checked.name) or re.split("[:/]", physical_id)[-1])
        _run(checked, properties, name, new=False)
        return update(physical_id, old, properties, *more)

    return update_checked


def _run(checked: _Type, properties: Properties, name: str, *, new: bool) -> None:
    failed = "Properties validation failed for the resource with message: "
    if missing := [required for required in checked.required if required not in properties]:
        message = f"{failed}#: required key [{missing[0]}] not found"
        raise ResourceFailedError(message)
    try:
        checked.check(properties, name, new)
    except AwsError as error:
        message = f"{error.message} (Error Code: {error.code})"
        raise ResourceFailedError(message) from error
    except (AttributeError, KeyError, TypeError) as error:  # a property has another form than the schema's
        message = f"{failed}{error}"
        raise ResourceFailedError(message) from error


def _types(services: Services) -> Mapping[str, _Type]:
    logs = ministack_seams.module("ministack.services.cloudwatch_logs")
    sns, sqs, events = (ministack_seams.module(f"ministack.services.{name}") for name in ("sns", "sqs", "eventbridge"))
    functions = ministack_seams.module("ministack.services.lambda_svc")
    return {
        "AWS::Lambda::Function": _Type(
            _function(services), "FunctionName", 64, lambda name: functions._functions.get(name) is not None, ("Code", "Role")
        ),
        "AWS::Logs::LogGroup": _Type(_log_group(services), "LogGroupName", 512, lambda name: name in logs._log_groups),
        "AWS::Logs::MetricFilter": _Type(
            _metric_filter(services),
            "FilterName",
            512,
            required=("FilterPattern", "LogGroupName", "MetricTransformations"),
        ),
        "AWS::SNS::Topic": _Type(
            _topic(services),
            "TopicName",
            256,
            lambda name: sns._topics.get(f"arn:aws:sns:{callers.region()}:{callers.account_id()}:{name}") is not None,
        ),
        "AWS::SNS::TopicPolicy": _Type(_topic_policy(services), required=("PolicyDocument", "Topics")),
        "AWS::SQS::Queue": _Type(
            _queue(services), "QueueName", 80, lambda name: any(url.endswith(f"/{name}") for url in sqs._queues)
        ),
        "AWS::SQS::QueuePolicy": _Type(_queue_policy(services), required=("PolicyDocument", "Queues")),
        "AWS::S3::Bucket": _Type(_check_bucket, "BucketName", 63),
        "AWS::S3::BucketPolicy": _Type(_check_bucket_policy, required=("Bucket", "PolicyDocument")),
        "AWS::Events::EventBus": _Type(
            _event_bus(services), "Name", 256, lambda name: name in {"default", *events._event_buses}
        ),
    }


# The types


def _function(services: Services) -> Check:
    call = Service("lambda", services.functions)
    members = {
        name: name
        for name in (
            *("Architectures", "Description", "Environment", "EphemeralStorage", "Handler", "LoggingConfig", "MemorySize"),
            *("PackageType", "Role", "Runtime", "Timeout", "TracingConfig", "DeadLetterConfig"),
        )
    }
    others = ("Code", "FunctionName", "ReservedConcurrentExecutions", "Tags")

    def check(properties: Properties, name: str, new: bool) -> None:  # noqa: FBT001 - see Check
        settings = _renamed("AWS::Lambda::Function", properties, members, others)
        code = dict(properties["Code"])
        if "ZipFile" in code:  # the code itself, and not the archive that the API takes
            code["ZipFile"] = base64.b64encode(str(code["ZipFile"]).encode()).decode()
        if "ReservedConcurrentExecutions" in properties:
            invocation_settings.check_concurrency(name, _number(properties["ReservedConcurrentExecutions"]))
        if new:
            call("CreateFunction", {"FunctionName": name, "Code": code, **settings, "Tags": _tags(properties)})
            return
        settings.pop("PackageType", None)
        architectures = settings.pop("Architectures", None)
        call("UpdateFunctionConfiguration", {"FunctionName": name, **settings})
        call(
            "UpdateFunctionCode", {"FunctionName": name, **code, **({"Architectures": architectures} if architectures else {})}
        )

    return check


def _log_group(services: Services) -> Check:
    call = Service("logs", services.log_groups)
    members = {"KmsKeyId": "kmsKeyId", "LogGroupClass": "logGroupClass"}

    def check(properties: Properties, name: str, new: bool) -> None:  # noqa: FBT001 - see Check
        params = _renamed("AWS::Logs::LogGroup", properties, members, ("LogGroupName", "RetentionInDays", "Tags"))
        if new:
            tags = _tags(properties)
            call("CreateLogGroup", {"logGroupName": name, **params, **({"tags": tags} if tags else {})})
        if "RetentionInDays" in properties:
            check_retention(_number(properties["RetentionInDays"]))

    return check


def _metric_filter(services: Services) -> Check:
    call = Service("logs", services.metric_filters)
    members = {"FilterPattern": "filterPattern", "LogGroupName": "logGroupName"}

    def check(properties: Properties, name: str, _: bool) -> None:  # noqa: FBT001 - see Check
        params = _renamed("AWS::Logs::MetricFilter", properties, members, ("FilterName", "MetricTransformations"))
        transformations = [
            {f"{key[0].lower()}{key[1:]}": value for key, value in each.items()}
            for each in properties.get("MetricTransformations", ())
        ]
        for each in transformations:
            if "dimensions" in each:
                each["dimensions"] = {pair["Key"]: pair["Value"] for pair in each["dimensions"]}
        call("PutMetricFilter", {"filterName": name, **params, "metricTransformations": transformations})

    return check


def _topic(services: Services) -> Check:
    call = Service("sns", services.topics)
    attributes = (
        "ContentBasedDeduplication",
        "DisplayName",
        "FifoTopic",
        "KmsMasterKeyId",
        "SignatureVersion",
        "TracingConfig",
    )

    def check(properties: Properties, name: str, new: bool) -> None:  # noqa: FBT001 - see Check
        given = _renamed(
            "AWS::SNS::Topic", properties, {each: each for each in attributes}, ("Subscription", "Tags", "TopicName")
        )
        if new:
            call("CreateTopic", {"Name": _fifo(properties, "TopicName", "FifoTopic", name), "Attributes": given})
        for subscription in properties.get("Subscription", ()):
            services.topics.check_endpoint(subscription)

    return check


def _topic_policy(services: Services) -> Check:
    call = Service("sns", services.topics)

    def check(properties: Properties, _: str, __: bool) -> None:  # noqa: FBT001 - see Check
        policy = _text(properties["PolicyDocument"])
        for arn in properties["Topics"]:
            call("SetTopicAttributes", {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy})

    return check


def _queue(services: Services) -> Check:
    call = Service("sqs", services.queues)
    attributes = (
        *("ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit"),
        *("KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod"),
        *("ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout"),
    )

    def check(properties: Properties, name: str, _: bool) -> None:  # noqa: FBT001 - see Check
        given = _renamed("AWS::SQS::Queue", properties, {each: each for each in attributes}, ("QueueName", "Tags"))
        texts = {key: _text(value) for key, value in given.items()}
        call("CreateQueue", {"QueueName": _fifo(properties, "QueueName", "FifoQueue", name), "Attributes": texts})

    return check


def _queue_policy(services: Services) -> Check:
    call = Service("sqs", services.queues)

    def check(properties: Properties, _: str, __: bool) -> None:  # noqa: FBT001 - see Check
        for url in properties["Queues"]:
            call("SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": _text(properties["PolicyDocument"])}})

    return check


def _event_bus(services: Services) -> Check:
    call = Service("events", services.event_rules)

    def check(properties: Properties, name: str, _: bool) -> None:  # noqa: FBT001 - see Check
        params = _renamed("AWS::Events::EventBus", properties, {"Description": "Description"}, ("Name", "Tags"))
        call.check("CreateEventBus", {"Name": name, **params})

    return check


def _check_bucket(properties: Properties, name: str, _: bool) -> None:  # noqa: FBT001 - see Check
    if "BucketName" in properties and not _BUCKET_NAME.fullmatch(name):
        message = f"The specified bucket is not valid: {name}"
        raise AwsError("InvalidBucketName", message)


def _check_bucket_policy(properties: Properties, _: str, __: bool) -> None:  # noqa: FBT001 - see Check
    if properties["Bucket"] not in ministack_seams.module("ministack.services.s3")._buckets:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist")
    if problem := resource_policies.problem(_text(properties["PolicyDocument"])):
        raise AwsError("MalformedPolicy", problem)


# Their properties


def _renamed(type_name: str, properties: Properties, members: Mapping[str, str], others: Iterable[str]) -> dict[str, Any]:
    """Return the request's members for properties. Raises ResourceFailedError if a property is none of these."""
    unknown = sorted(set(properties).difference(members, others))
    if unknown:
        message = f"The local AWS does not emulate the property {unknown[0]} of {type_name}."
        raise ResourceFailedError(message)
    return {member: properties[name] for name, member in members.items() if name in properties}


def _fifo(properties: Properties, name_property: str, fifo_property: str, name: str) -> str:
    """Return the name of a queue or topic. MiniStack ends a name that it generates in .fifo, if it has to."""
    generated = name_property not in properties and _text(properties.get(fifo_property, False)).lower() == "true"
    return f"{name}.fifo" if generated and not name.endswith(".fifo") else name


def _tags(properties: Properties) -> dict[str, str]:
    """Return the tags without those that CloudFormation adds: nobody else may."""
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ()) if not tag["Key"].startswith("aws:")}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def _number(value: object) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value), re.ASCII):
        message = f"{value} is no number."
        raise ResourceFailedError(message)
    return int(str(value))
