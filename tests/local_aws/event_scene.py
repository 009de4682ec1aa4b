"""What the tests of events are made of: queues that rules of EventBridge send to."""

import json
from collections.abc import Mapping
from typing import Any

import boto3

from local_aws.client import REGION, LocalAwsClient
from tests.local_aws.scene import Client, eventually

OTHER_REGION = "eu-central-1"


def regional(local_aws: LocalAwsClient, service: Any, account_id: str, region: str) -> Client:  # noqa: ANN401 - a service's name
    """Make a client for an administrator of an account, in a Region."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=local_aws.endpoint_url,
        aws_access_key_id=account_id,
        aws_secret_access_key="test",  # noqa: S106 - the local AWS takes any
    )


class Queue:
    """A queue of an account and Region, and what came of the messages in it."""

    def __init__(self, local_aws: LocalAwsClient, account_id: str, name: str, region: str = REGION) -> None:
        """Create it."""
        self._sqs: Client = regional(local_aws, "sqs", account_id, region)
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{region}:{account_id}:{name}"
        self.account_id = account_id
        self._messages: list[dict[str, Any]] = []

    def allow_events(self, principal: str = "events.amazonaws.com", condition: Mapping[str, Any] | None = None) -> None:
        """Let EventBridge, or another service, send to it."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": condition or {},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def bodies(self, number: int) -> list[dict[str, Any]]:
        """Wait for `number` messages in all, and return what is in them."""
        return [json.loads(message["Body"]) for message in self._received(number)]

    def texts(self, number: int) -> list[str]:
        """Wait for `number` messages in all, and return their texts."""
        return [message["Body"] for message in self._received(number)]

    def errors(self, number: int) -> list[dict[str, str]]:
        """Wait for `number` messages in all, and return what their attributes say."""
        return [
            {name: attribute["StringValue"] for name, attribute in message["MessageAttributes"].items()}
            for message in self._received(number)
        ]

    def _received(self, number: int) -> list[dict[str, Any]]:
        def enough() -> bool:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=12 * 3600, MessageAttributeNames=["All"]
            )
            self._messages += answer.get("Messages", [])
            return len(self._messages) >= number

        eventually(enough)
        enough()  # Were there more than these, a test is to see it.
        return self._messages


class Bus:
    """The default bus of an account in a Region."""

    def __init__(self, local_aws: LocalAwsClient, account_id: str, region: str = REGION) -> None:
        """Begin without rules."""
        self._local_aws = local_aws
        self._account_id = account_id
        self._region = region
        self.client: Client = regional(local_aws, "events", account_id, region)

    def send(self, pattern: Mapping[str, Any], *, name: str = "example", **target: object) -> None:
        """Send events that match a pattern to a target."""
        self.client.put_rule(Name=name, EventPattern=json.dumps(pattern))
        answer = self.client.put_targets(Rule=name, Targets=[{"Id": "target", **target}])
        assert answer["FailedEntryCount"] == 0

    def collect(self, pattern: Mapping[str, Any], name: str = "collected") -> Queue:
        """Send events that match a pattern to a queue, and return that."""
        queue = Queue(self._local_aws, self._account_id, name, self._region)
        queue.allow_events()
        self.send(pattern, name=name, Arn=queue.arn)
        return queue

    def put(self, detail: Mapping[str, Any], source: str = "tests") -> None:
        """Put an event of the account's own."""
        answer = self.client.put_events(Entries=[{"Source": source, "DetailType": "Example", "Detail": json.dumps(detail)}])
        assert answer["FailedEntryCount"] == 0
