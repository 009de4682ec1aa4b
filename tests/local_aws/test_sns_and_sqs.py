"""SNS and SQS refuse what AWS refuses, and a subscription by mail waits for somebody who reads it."""

import json
from functools import partial
from typing import Any

import pytest

from local_aws.client import REGION, LocalAwsProcess
from tests.local_aws.scene import Client, Clients, Parameter, refusal

ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def policy(**statement: Parameter) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


NOBODYS = policy(Effect="Allow", Action="*", Resource="*")
"""A policy that is none: it names no principal."""


@pytest.fixture
def sns(client: Clients, account_id: str) -> Client:
    return client("sns", account_id)


@pytest.fixture
def topic(sns: Client) -> str:
    """Make a topic, and give its ARN."""
    return str(
        sns.create_topic(Name="example", Attributes={"DisplayName": "Example"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    )


def test_message_arrives_with_its_attributes(sns: Client, client: Clients, account_id: str, topic: str) -> None:
    sqs = client("sqs", account_id)
    url = sqs.create_queue(QueueName="attributes", Attributes={"Policy": policy(**ANYBODY)})["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    attributes: dict[str, Any] = {
        "accountId": {"DataType": "String", "StringValue": account_id},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    received = json.loads(message["Body"])["MessageAttributes"]
    assert received["accountId"] == {"Type": "String", "Value": account_id}
    assert set(received) == {"accountId", "bytes"}


def subscriptions(sns: Client, **of: str) -> list[tuple[str, str]]:
    found = (sns.list_subscriptions_by_topic if of else sns.list_subscriptions)(**of)["Subscriptions"]
    return [(each["Protocol"], each["SubscriptionArn"]) for each in found]


# SNS


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Name": "two words"}, "Topic Name"),
        ({"Name": ""}, "Topic Name"),
        ({"Name": "a" * 257}, "Topic Name"),
        ({"Name": "example.fifo"}, "Topic Name"),
        ({"Name": "example", "Attributes": {"Colour": "red"}}, "Attributes Reason: Unknown attribute Colour"),
        ({"Name": "example", "Attributes": {"DisplayName": "a" * 101}}, "Attributes Reason: DisplayName"),
        ({"Name": "example", "Attributes": {"Policy": NOBODYS}}, "Attributes Reason: Policy Error: null"),
        ({"Name": "example", "Attributes": {"DisplayName": "Another"}}, "Topic already exists with different attributes"),
        ({"Name": "example", "Tags": [{"Key": "a", "Value": "c"}]}, "Topic already exists with different tags"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(sns: Client, topic: str, params: Parameter, said: str) -> None:
    assert topic.endswith(":example")
    code, message = refusal(sns.create_topic, **params)
    assert (code, said in message) == ("InvalidParameter", True), message


def test_a_topic_is_created_again_with_what_it_has(sns: Client, topic: str) -> None:
    assert sns.create_topic(Name="example", Attributes={"DisplayName": "Example"})["TopicArn"] == topic
    assert sns.create_topic(Name="ordered.fifo", Attributes={"FifoTopic": "true"})["TopicArn"].endswith(":ordered.fifo")


def test_a_topic_that_is_not_there_is_refused(sns: Client, account_id: str) -> None:
    nowhere = f"arn:aws:sns:{REGION}:{account_id}:nowhere"
    calls = {
        "get": partial(sns.get_topic_attributes),
        "set": partial(sns.set_topic_attributes, AttributeName="DisplayName", AttributeValue="a"),
        "subscribe": partial(sns.subscribe, Protocol="email", Endpoint="owner@example.com"),
        "list": partial(sns.list_subscriptions_by_topic),
        "publish": partial(sns.publish, Message="a"),
        "publish several": partial(sns.publish_batch, PublishBatchRequestEntries=[{"Id": "a", "Message": "a"}]),
    }
    assert {name: refusal(call, TopicArn=nowhere) for name, call in calls.items()} == dict.fromkeys(
        calls, ("NotFound", "Topic does not exist")
    )
    said = "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert {name: refusal(call, TopicArn="nowhere") for name, call in calls.items()} == dict.fromkeys(
        calls, ("InvalidParameter", said)
    )
    sns.delete_topic(TopicArn=nowhere)
    assert refusal(sns.delete_topic, TopicArn="nowhere")[0] == "InvalidParameter"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Colour", "red", "AttributeName"),
        ("FifoTopic", "true", "AttributeName"),
        ("Policy", "{", "Policy Error"),
        ("Policy", NOBODYS, "Policy Error"),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(sns: Client, topic: str, name: str, value: str, said: str) -> None:
    code, message = refusal(sns.set_topic_attributes, TopicArn=topic, AttributeName=name, AttributeValue=value)
    assert (code, said in message) == ("InvalidParameter", True), message


def test_a_subscription_by_mail_waits_for_ever(sns: Client, topic: str, account_id: str) -> None:
    queue = f"arn:aws:sqs:{REGION}:{account_id}:example"
    by_queue = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    mail = {"TopicArn": topic, "Protocol": "email", "Endpoint": "owner@example.com"}
    assert sns.subscribe(**mail)["SubscriptionArn"] == "pending confirmation"
    by_mail = sns.subscribe(**mail, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert by_mail.startswith(f"{topic}:")
    assert subscriptions(sns) == subscriptions(sns, TopicArn=topic) == [("sqs", by_queue), ("email", "PendingConfirmation")]
    assert sns.get_subscription_attributes(SubscriptionArn=by_mail)["Attributes"]["PendingConfirmation"] == "true"
    counted = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (counted["SubscriptionsConfirmed"], counted["SubscriptionsPending"]) == ("1", "1")


def test_a_subscription_by_mail_of_a_stack_waits_too(client: Clients, account_id: str) -> None:
    topic = {
        "Type": "AWS::SNS::Topic",
        "Properties": {"TopicName": "of-a-stack", "Subscription": [{"Protocol": "email", "Endpoint": "owner@example.com"}]},
    }
    cloudformation = client("cloudformation", account_id)
    cloudformation.create_stack(StackName="topic", TemplateBody=json.dumps({"Resources": {"Topic": topic}}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="topic", WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})
    assert subscriptions(client("sns", account_id)) == [("email", "PendingConfirmation")]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Protocol": "pigeon", "Endpoint": "loft"}, "Amazon SNS does not support this protocol string: pigeon"),
        ({"Protocol": "sms", "Endpoint": "+15550100"}, "The local AWS does not emulate subscriptions of the protocol sms."),
        ({"Protocol": "email", "Endpoint": "owner"}, "Email address"),
        ({"Protocol": "email"}, "Email address"),
        ({"Protocol": "https", "Endpoint": "http://127.0.0.1"}, "Endpoint must match the specified protocol"),
        ({"Protocol": "sqs", "Endpoint": "queue"}, "SQS endpoint ARN"),
        ({"Protocol": "lambda", "Endpoint": "arn:aws:sqs:us-east-1:1:a"}, "Lambda endpoint ARN"),
        ({"Protocol": "email", "Endpoint": "a@example.com", "Attributes": {"Colour": "red"}}, "Unknown attribute Colour"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(sns: Client, topic: str, params: Parameter, said: str) -> None:
    code, message = refusal(sns.subscribe, TopicArn=topic, **params)
    assert (code, said in message) == ("InvalidParameter", True), message
    assert subscriptions(sns) == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "a" * 262145}, "Message too long"),
        ({"Message": "a", "Subject": "a" * 101}, "Subject"),
        ({"Message": "a", "Subject": ""}, "Subject"),
        ({"Message": "a", "Subject": "a\nb"}, "Subject"),
        ({"Message": "{", "MessageStructure": "json"}, "JSON message body failed to parse"),
        ({"Message": '{"email": "a"}', "MessageStructure": "json"}, "No default entry in JSON message body"),
        ({"Message": "a", "TopicArn": None, "PhoneNumber": "+15550100"}, "does not emulate messages to phone numbers"),
        ({"Message": "a", "TopicArn": None}, "TopicArn or TargetArn"),
    ],
)
def test_a_message_that_cannot_be_is_refused(sns: Client, topic: str, params: dict[str, Any], said: str) -> None:
    whole = {name: value for name, value in {"TopicArn": topic, **params}.items() if value is not None}
    code, message = refusal(sns.publish, **whole)
    assert (code, said in message) == ("InvalidParameter", True), message


def test_topics_have_pages(sns: Client) -> None:
    names = {f"topic-{number:03}" for number in range(101)}
    for name in names:
        sns.create_topic(Name=name)
    pages = [*sns.get_paginator("list_topics").paginate()]
    assert [len(page["Topics"]) for page in pages] == [100, 1]
    assert {each["TopicArn"].rpartition(":")[2] for page in pages for each in page["Topics"]} == names
    assert refusal(sns.list_topics, NextToken="100")[0] == "InvalidParameter"


# SQS


@pytest.fixture
def sqs(client: Clients, account_id: str) -> Client:
    return client("sqs", account_id)


@pytest.fixture
def queue(sqs: Client) -> str:
    """Make a queue, and give its URL."""
    return str(sqs.create_queue(QueueName="example")["QueueUrl"])


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"QueueName": "two words"}, "InvalidParameterValue"),
        ({"QueueName": ""}, "InvalidParameterValue"),
        ({"QueueName": "a" * 81}, "InvalidParameterValue"),
        ({"QueueName": "ordered.fifo"}, "InvalidParameterValue"),
        ({"QueueName": "ordered", "Attributes": {"FifoQueue": "true"}}, "InvalidParameterValue"),
        ({"QueueName": "other", "Attributes": {"Colour": "red"}}, "InvalidAttributeName"),
        ({"QueueName": "other", "Attributes": {"Policy": NOBODYS}}, "InvalidAttributeValue"),
        ({"QueueName": "other", "Attributes": {"VisibilityTimeout": "43201"}}, "InvalidAttributeValue"),
        ({"QueueName": "example", "Attributes": {"VisibilityTimeout": "99"}}, "QueueAlreadyExists"),
    ],
)
def test_a_queue_that_cannot_be_is_refused(sqs: Client, queue: str, params: Parameter, code: str) -> None:
    assert refusal(sqs.create_queue, **params)[0] == code
    assert sqs.list_queues()["QueueUrls"] == [queue]


def test_what_a_queue_does_not_take_is_refused(sqs: Client, queue: str) -> None:
    calls = {
        "attribute": partial(sqs.set_queue_attributes, Attributes={"Colour": "red"}),
        "policy": partial(sqs.set_queue_attributes, Attributes={"Policy": "{"}),
        "attributes": partial(sqs.get_queue_attributes, AttributeNames=["Colour"]),
        "delay": partial(sqs.send_message, MessageBody="a", DelaySeconds=901),
        "wait": partial(sqs.receive_message, WaitTimeSeconds=21),
        "number": partial(sqs.receive_message, MaxNumberOfMessages=11),
        "message": partial(sqs.send_message, MessageBody=""),
    }
    assert {name: refusal(call, QueueUrl=queue)[0] for name, call in calls.items()} == {
        "attribute": "InvalidAttributeName",
        "policy": "InvalidAttributeValue",
        "attributes": "InvalidAttributeName",
        "delay": "InvalidParameterValue",
        "wait": "InvalidParameterValue",
        "number": "InvalidParameterValue",
        "message": "MissingParameter",
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(**ANYBODY)})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert sqs.receive_message(QueueUrl=queue).get("Messages", []) == []


def test_a_queue_is_purged_once_a_minute(local_aws: LocalAwsProcess, sqs: Client, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="a")
    sqs.purge_queue(QueueUrl=queue)
    assert sqs.receive_message(QueueUrl=queue).get("Messages", []) == []
    code, message = refusal(sqs.purge_queue, QueueUrl=queue)
    assert (code, message) == (
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "Only one PurgeQueue operation on example is allowed every 60 seconds.",
    )
    local_aws.advance_clock(seconds=61)
    sqs.purge_queue(QueueUrl=queue)


def test_queues_have_pages(sqs: Client) -> None:
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("one", "other", "two")]
    assert sqs.list_queues(QueueNamePrefix="o")["QueueUrls"] == urls[:2]
    first = sqs.list_queues(MaxResults=2)
    assert first["QueueUrls"] == urls[:2]
    assert sqs.list_queues(MaxResults=2, NextToken=first["NextToken"])["QueueUrls"] == urls[2:]
    assert refusal(sqs.list_queues, MaxResults=2, NextToken="2")[0] == "InvalidParameterValue"
