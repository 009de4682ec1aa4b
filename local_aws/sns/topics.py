"""SNS: what it refuses, which MiniStack would take, and subscriptions by mail, which nobody can confirm here.

Sources: the API reference (names, sizes, attributes), and messages that users of AWS quote: "Invalid parameter: Topic Name"
(aws-samples/document-translation#104), "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
(aws-samples/amazon-rekognition-video-analyzer#41), "Invalid parameter: Attributes Reason: DisplayName"
(aws-solutions/cognito-user-profiles-export-reference-architecture#7). Guess: the wording of the others.
"""

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from local_aws.core import callers, ministack_seams, resource_policies
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

_ATTRIBUTES = {
    *("ArchivePolicy", "ContentBasedDeduplication", "DataProtectionPolicy", "DeliveryPolicy", "DisplayName", "FifoTopic"),
    *("FifoThroughputScope", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig"),
    *(
        f"{protocol}{feedback}"
        for protocol in ("Application", "Firehose", "HTTP", "Lambda", "SQS")
        for feedback in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
    ),
}
"""The attributes of topics that can be set (API reference, CreateTopic and SetTopicAttributes)."""
_SUBSCRIPTION_ATTRIBUTES = {
    *("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy"),
    "SubscriptionRoleArn",
}
_BY_MAIL = {"email", "email-json"}
_ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "email": (r"[^@\s]+@[^@\s]+", "Email address"),
    "email-json": (r"[^@\s]+@[^@\s]+", "Email address"),
    "http": (r"http://.+", "Endpoint must match the specified protocol"),
    "https": (r"https://.+", "Endpoint must match the specified protocol"),
    "lambda": (r"arn:[\w-]+:lambda:.+", "Lambda endpoint ARN"),
    "sqs": (r"arn:[\w-]+:sqs:.+", "SQS endpoint ARN"),
}
"""The protocols that are emulated: the form of their endpoints, and what SNS calls these."""
_OTHER_PROTOCOLS = {"application", "firehose", "sms"}
_ARN_PARTS = 6
_LONGEST_NAME, _LONGEST_DISPLAY_NAME, _LONGEST_SUBJECT, _LONGEST_MESSAGE = 256, 100, 100, 262144
_PAGE = 100
_MOST_TAGS = 50
_BATCH_ID = re.compile(r"[\w-]{1,80}", re.ASCII)
_INVALID = "InvalidParameter"


class Topics:
    """The operations of SNS that this package checks before MiniStack answers, or answers."""

    def __init__(self) -> None:
        """Begin without topics."""
        self._pages = Pages(_INVALID, "Invalid parameter: NextToken")
        self._sns = ministack_seams.module("ministack.services.sns")

    @property
    def operations(self) -> Operations:
        """Return what checks or answers each operation."""
        return {
            "CreateTopic": self._check_creation,
            "GetTopicAttributes": self._check_topic,
            "SetTopicAttributes": self._check_attribute,
            "DeleteTopic": self._check_arn,
            "ListTopics": self._list_topics,
            "Subscribe": self._check_subscription,
            "ListSubscriptions": self._list_subscriptions,
            "ListSubscriptionsByTopic": self._list_subscriptions_by_topic,
            "SetSubscriptionAttributes": self._check_subscription_attribute,
            "Publish": self._check_message,
            "PublishBatch": self._check_batch,
            "Unsubscribe": self._check_unsubscription,
            "GetSubscriptionAttributes": self._find_subscription,
            "TagResource": self._check_tags,
            **dict.fromkeys(("UntagResource", "ListTagsForResource"), self._check_tagged),
        }

    def install(self) -> None:
        """Let subscriptions by mail wait for their confirmation."""
        count, subscribe = self._sns._refresh_subscription_counts, self._sns._subscribe

        def refresh(topic: dict[str, Any]) -> None:
            for subscription in topic["subscriptions"]:
                if subscription["protocol"] in _BY_MAIL:
                    subscription["confirmed"] = False
                    subscription.setdefault("attributes", {})["PendingConfirmation"] = "true"
            count(topic)

        def subscribe_pending(params: dict[str, Any]) -> Any:  # noqa: ANN401 - MiniStack's
            status, headers, body = subscribe(params)
            waits = params["Protocol"][0] in _BY_MAIL and params.get("ReturnSubscriptionArn", [""])[0] != "true"
            if waits and status == HTTPStatus.OK:
                body = re.sub(rb"<SubscriptionArn>[^<]*", b"<SubscriptionArn>pending confirmation", body)
            return status, headers, body

        ministack_seams.replace("ministack.services.sns", "_refresh_subscription_counts", refresh)
        ministack_seams.replace("ministack.services.sns", "_subscribe", subscribe_pending)

    # Topics

    def _check_creation(self, account_id: str, params: dict[str, Any]) -> None:
        name, attributes = params["Name"], params.get("Attributes", {})
        stem = name.removesuffix(".fifo") if attributes.get("FifoTopic") == "true" else name
        if not re.fullmatch(r"[A-Za-z0-9_-]+", stem) or len(name) > _LONGEST_NAME:
            raise AwsError(_INVALID, "Invalid parameter: Topic Name")
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES:
                raise AwsError(_INVALID, f"Invalid parameter: Attributes Reason: Unknown attribute {attribute}")
            _check_value(attribute, value, "Attributes Reason: ")
        topic = self._sns._topics.get(f"arn:aws:sns:{callers.region()}:{account_id}:{name}")
        if topic and any(topic["attributes"].get(attribute) != value for attribute, value in attributes.items()):
            raise AwsError(_INVALID, "Invalid parameter: Attributes Reason: Topic already exists with different attributes")
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        if topic and tags and tags != topic["tags"]:
            raise AwsError(_INVALID, "Invalid parameter: Tags Reason: Topic already exists with different tags")

    def _check_arn(self, _: str, params: dict[str, Any]) -> None:
        _check_arn("TopicArn", params["TopicArn"])

    def _check_topic(self, account_id: str, params: dict[str, Any]) -> None:
        self._check_arn(account_id, params)
        arn = params["TopicArn"]
        if arn.split(":")[4] == account_id and self._sns._topics.get(arn) is None:
            raise AwsError("NotFound", "Topic does not exist")

    def _check_attribute(self, account_id: str, params: dict[str, Any]) -> None:
        self._check_topic(account_id, params)
        if params["AttributeName"] not in _ATTRIBUTES - {"FifoTopic"}:
            raise AwsError(_INVALID, "Invalid parameter: AttributeName")
        _check_value(params["AttributeName"], params.get("AttributeValue", ""))

    def _list_topics(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        page, token = self._pages.page([*self._sns._topics], params, _PAGE, of="topics")
        return {"Topics": [{"TopicArn": arn} for arn in page], **token}

    # Subscriptions

    def _check_subscription(self, account_id: str, params: dict[str, Any]) -> None:
        self._check_topic(account_id, params)
        self.check_endpoint(params)
        for attribute in params.get("Attributes", {}):
            if attribute not in _SUBSCRIPTION_ATTRIBUTES:
                raise AwsError(_INVALID, f"Invalid parameter: Attributes Reason: Unknown attribute {attribute}")

    @staticmethod
    def check_endpoint(params: Mapping[str, Any]) -> None:
        """Refuse a subscription whose Protocol is unknown or not emulated, or does not fit its Endpoint. Raises AwsError."""
        protocol = params["Protocol"]
        if protocol in _OTHER_PROTOCOLS:
            message = f"The local AWS does not emulate subscriptions of the protocol {protocol}."
            raise AwsError(_INVALID, message)
        if protocol not in _ENDPOINTS:
            raise AwsError(_INVALID, f"Invalid parameter: Amazon SNS does not support this protocol string: {protocol}")
        pattern, what = _ENDPOINTS[protocol]
        if not re.fullmatch(pattern, params.get("Endpoint", "")):
            raise AwsError(_INVALID, f"Invalid parameter: {what}")

    def _check_subscription_attribute(self, account_id: str, params: dict[str, Any]) -> None:
        self._find_subscription(account_id, params)
        if params["AttributeName"] not in _SUBSCRIPTION_ATTRIBUTES:
            raise AwsError(_INVALID, "Invalid parameter: AttributeName")

    @staticmethod
    def _check_unsubscription(_: str, params: dict[str, Any]) -> None:
        """Refuse what is no ARN. Ending a missing subscription is no error."""
        _check_arn("SubscriptionArn", params["SubscriptionArn"])

    def _find_subscription(self, _: str, params: dict[str, Any]) -> None:
        arn = params["SubscriptionArn"]
        _check_arn("SubscriptionArn", arn)
        topic = self._sns._topic_by_arn_any_scope(arn.rpartition(":")[0])
        if topic is None or all(each["arn"] != arn for each in topic["subscriptions"]):
            raise AwsError("NotFound", "Subscription does not exist")

    def _list_subscriptions(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        found = [subscription for topic in self._sns._topics.values() for subscription in topic["subscriptions"]]
        return self._page_of(found, params, "subscriptions")

    def _list_subscriptions_by_topic(self, account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
        self._check_topic(account_id, params)
        topic = self._sns._topics.get(params["TopicArn"])
        return self._page_of(topic["subscriptions"], params, params["TopicArn"]) if topic else None

    def _page_of(self, subscriptions: Sequence[Mapping[str, Any]], params: dict[str, Any], of: str) -> dict[str, Any]:
        page, token = self._pages.page(subscriptions, params, _PAGE, of=of)
        shown = [
            {
                "SubscriptionArn": "PendingConfirmation"
                if not each["confirmed"] or each["protocol"] in _BY_MAIL
                else each["arn"],
                "Owner": each.get("owner", callers.account_id()),
                "Protocol": each["protocol"],
                "Endpoint": each["endpoint"],
                "TopicArn": each["topic_arn"],
            }
            for each in page
        ]
        return {"Subscriptions": shown, **token}

    # Tags

    def _check_tagged(self, _: str, params: dict[str, Any]) -> None:
        arn = params["ResourceArn"]
        _check_arn("ResourceArn", arn)
        if self._sns._topics.get(arn) is None:
            raise AwsError("ResourceNotFound", "Resource does not exist")

    def _check_tags(self, account_id: str, params: dict[str, Any]) -> None:
        self._check_tagged(account_id, params)
        keys = [tag["Key"] for tag in params["Tags"]]
        if len(set(keys)) < len(keys):
            raise AwsError(_INVALID, "Invalid parameter: Duplicated keys are not allowed.")
        if any(key.lower().startswith("aws:") for key in keys):
            raise AwsError(_INVALID, "Invalid parameter: Tag keys that begin with aws: are reserved for AWS.")
        if len({*self._sns._topics[params["ResourceArn"]]["tags"], *keys}) > _MOST_TAGS:
            message = f"Could not complete request: tag quota of per resource exceeded. The limit is {_MOST_TAGS}."
            raise AwsError("TagLimitExceeded", message)

    # Messages

    def _check_batch(self, account_id: str, params: dict[str, Any]) -> None:
        self._check_topic(account_id, params)
        entries = params["PublishBatchRequestEntries"]
        if not entries:
            raise AwsError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
        for entry in entries:
            if not _BATCH_ID.fullmatch(entry["Id"]):
                message = "The batch entry id can only contain alphanumeric characters, hyphens and underscores, at most 80."
                raise AwsError("InvalidBatchEntryId", message)

    def _check_message(self, account_id: str, params: dict[str, Any]) -> None:
        if "PhoneNumber" in params:
            raise AwsError(_INVALID, "The local AWS does not emulate messages to phone numbers.")
        arn = params.get("TopicArn", params.get("TargetArn"))
        if arn is None:
            raise AwsError(_INVALID, "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
        self._check_topic(account_id, {"TopicArn": arn})
        message, subject = params["Message"], params.get("Subject", "subject")
        if not message:
            raise AwsError(_INVALID, "Invalid parameter: Empty message")
        if len(message.encode()) > _LONGEST_MESSAGE:
            raise AwsError(_INVALID, "Invalid parameter: Message too long")
        if not 1 <= len(subject) <= _LONGEST_SUBJECT or "\n" in subject:
            raise AwsError(_INVALID, "Invalid parameter: Subject")
        if params.get("MessageStructure") == "json":
            _check_structure(message)


def _check_arn(member: str, arn: str) -> None:
    parts = len(arn.split(":"))
    if parts < _ARN_PARTS:
        message = f"Invalid parameter: {member} Reason: An ARN must have at least {_ARN_PARTS} elements, not {parts}"
        raise AwsError(_INVALID, message)


def _check_structure(message: str) -> None:
    try:
        structure = json.loads(message)
    except ValueError as error:
        raise AwsError(_INVALID, "Invalid parameter: Message Structure - JSON message body failed to parse") from error
    if not isinstance(structure, dict) or "default" not in structure:
        raise AwsError(_INVALID, "Invalid parameter: Message Structure - No default entry in JSON message body")


def _check_value(attribute: str, value: str, where: str = "") -> None:
    if attribute == "DisplayName" and len(value) > _LONGEST_DISPLAY_NAME:
        raise AwsError(_INVALID, f"Invalid parameter: {where}DisplayName")
    if attribute == "Policy" and resource_policies.problem(value):
        raise AwsError(_INVALID, f"Invalid parameter: {where}Policy Error: null")
