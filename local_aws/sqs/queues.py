"""SQS: what it refuses, which MiniStack would take.

Sources: the API reference (names, attributes, sizes), and messages that users of AWS quote: "Only one PurgeQueue operation on
NAME is allowed every 60 seconds.", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
(celery/kombu). Guess: the wording of the others, and the code for a token that ListQueues never gave.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from local_aws.core import ministack_seams, resource_policies
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

_ATTRIBUTES = {
    *("ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit"),
    *("KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "MaximumMessageSize", "MessageRetentionPeriod", "Policy"),
    *("ReceiveMessageWaitTimeSeconds", "RedriveAllowPolicy", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout"),
}
"""The attributes of queues that can be set (API reference, CreateQueue and SetQueueAttributes)."""
_READ_ONLY = {
    *("All", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"),
    *("CreatedTimestamp", "LastModifiedTimestamp", "QueueArn"),
}
_BETWEEN_PURGES = timedelta(seconds=60)
_INVALID = "InvalidParameterValue"
_LONGEST_DELAY, _LONGEST_WAIT, _LONGEST_NAME, _PAGE = 900, 20, 80, 1000
_LONGEST_INVISIBLE = 12 * 3600


class Queues:
    """The operations of SQS that this package checks before MiniStack answers, or answers."""

    def __init__(self, clock: Clock) -> None:
        """Go by `clock`."""
        self._clock = clock
        self._sqs = ministack_seams.module("ministack.services.sqs")
        self._pages = Pages(_INVALID, "Invalid or expired next token.")
        self._purged: dict[str, datetime] = {}

    @property
    def operations(self) -> Operations:
        """Return what checks or answers each operation."""
        return {
            "CreateQueue": self._check_creation,
            "GetQueueAttributes": self._check_names,
            "SetQueueAttributes": self._check_attributes,
            "ListQueues": self._list_queues,
            "PurgeQueue": self._check_purge,
            "SendMessage": self._check_message,
            "ReceiveMessage": self._check_wait,
            "ChangeMessageVisibility": _check_visibility,
        }

    def _check_creation(self, account_id: str, params: dict[str, Any]) -> None:
        name, attributes = params.get("QueueName", ""), params.get("Attributes", {})
        self._check_attributes(account_id, params)
        stem = name.removesuffix(".fifo") if attributes.get("FifoQueue") == "true" else name
        if not re.fullmatch(r"[A-Za-z0-9_-]+", stem) or len(name) > _LONGEST_NAME:
            raise AwsError(_INVALID, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
        if attributes.get("FifoQueue") == "true" and stem == name:
            raise AwsError(_INVALID, "The name of a FIFO queue must end with the suffix .fifo and be 1 to 80 in length")

    def _check_attributes(self, _: str, params: dict[str, Any]) -> None:
        for name, value in params.get("Attributes", {}).items():
            if name not in _ATTRIBUTES:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
            if name == "Policy" and value and resource_policies.problem(value):
                raise AwsError("InvalidAttributeValue", "Invalid value for the parameter Policy.")

    def _check_names(self, _: str, params: dict[str, Any]) -> None:
        for name in params.get("AttributeNames", []):
            if name not in _ATTRIBUTES | _READ_ONLY:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")

    def _list_queues(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        prefix = params.get("QueueNamePrefix", "")
        urls = [url for url in self._sqs._queues if url.rpartition("/")[2].startswith(prefix)]
        # Without MaxResults there is never a token (API reference).
        page, token = self._pages.page(urls, params, _PAGE, of=prefix)
        return {**({"QueueUrls": [*page]} if page else {}), **(token if "MaxResults" in params else {})}

    def _check_purge(self, _: str, params: dict[str, Any]) -> None:
        url, now = params.get("QueueUrl", ""), self._clock.now()
        if now - self._purged.get(url, datetime.min.replace(tzinfo=now.tzinfo)) < _BETWEEN_PURGES:
            name = url.rpartition("/")[2]
            message = f"Only one PurgeQueue operation on {name} is allowed every 60 seconds."
            raise AwsError("PurgeQueueInProgress", message)
        if url in self._sqs._queues:
            self._purged[url] = now

    def _check_message(self, _: str, params: dict[str, Any]) -> None:
        delay = params.get("DelaySeconds", 0)
        if not 0 <= delay <= _LONGEST_DELAY:
            reason = f"DelaySeconds must be >= 0 and <= {_LONGEST_DELAY}."
            raise AwsError(_INVALID, f"Value {delay} for parameter DelaySeconds is invalid. Reason: {reason}")

    def _check_wait(self, account_id: str, params: dict[str, Any]) -> None:
        _check_visibility(account_id, params)
        wait = params.get("WaitTimeSeconds", 0)
        if not 0 <= wait <= _LONGEST_WAIT:
            reason = f"Must be >= 0 and <= {_LONGEST_WAIT}, if provided."
            raise AwsError(_INVALID, f"Value {wait} for parameter WaitTimeSeconds is invalid. Reason: {reason}")


def _check_visibility(_: str, params: dict[str, Any]) -> None:
    timeout = params.get("VisibilityTimeout", 0)
    if not 0 <= timeout <= _LONGEST_INVISIBLE:
        reason = f"Must be >= 0 and <= {_LONGEST_INVISIBLE}, if provided."
        raise AwsError(_INVALID, f"Value {timeout} for parameter VisibilityTimeout is invalid. Reason: {reason}")
