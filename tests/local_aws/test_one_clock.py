"""All services of the local AWS tell the time of its one clock, MiniStack's too."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from local_aws.client import REGION, LocalAwsProcess
from tests.local_aws.conftest import write_accounts
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import Client, Clients, clients_of, create_function, eventually, refusal

ACCOUNT = "123456789012"
AHEAD = timedelta(days=400)

Moments = dict[str, datetime]


@contextmanager
def far_ahead(directory: Path) -> Iterator[LocalAwsProcess]:
    """Run a local AWS whose clock is AHEAD of the machine's."""
    with LocalAwsProcess(write_accounts(directory, {ACCOUNT: {}}), directory / "local-aws.log") as process:
        process.advance_clock(seconds=AHEAD.total_seconds())
        yield process


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    with far_ahead(tmp_path_factory.mktemp("local-aws")) as process:
        yield process


@pytest.fixture(scope="module")
def call(aws: LocalAwsProcess) -> Clients:
    return clients_of(aws)


def dates_of_iam(call: Clients) -> Moments:
    iam = call("iam", ACCOUNT)
    role = make_role(call, ACCOUNT, "dated", trust_account(ACCOUNT))
    session: Any = assume(call("sts", ACCOUNT), role)
    iam.create_user(UserName="dated")
    phone = iam.create_virtual_mfa_device(VirtualMFADeviceName="dated")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName="dated", SerialNumber=phone, AuthenticationCode1="123456", AuthenticationCode2="654321")
    return {
        "device": iam.list_mfa_devices(UserName="dated")["MFADevices"][0]["EnableDate"],
        "role": iam.get_role(RoleName="dated")["Role"]["CreateDate"],
        "user": iam.get_user(UserName="dated")["User"]["CreateDate"],
        "key": iam.create_access_key(UserName="dated")["AccessKey"]["CreateDate"],
        "policy": iam.create_policy(PolicyName="dated", PolicyDocument=_POLICY)["Policy"]["CreateDate"],
        "session": session["Expiration"] - timedelta(hours=1),
    }


_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def dates_of_root(call: Clients, aws: LocalAwsProcess) -> Moments:
    aws.change_root_user(ACCOUNT, "add-virtual-device", "phone")
    aws.change_root_user(ACCOUNT, "create-access-key")
    iam = call("iam", ACCOUNT)
    devices = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    [device] = [device for device in devices if device.get("User", {}).get("Arn") == f"arn:aws:iam::{ACCOUNT}:root"]
    return {"device": device["EnableDate"], "key": iam.list_access_keys()["AccessKeyMetadata"][0]["CreateDate"]}


def dates_of_stacks(call: Clients) -> Moments:
    """Deploy a stack with a resource that fails, and keep what was made."""
    cloudformation = call("cloudformation", ACCOUNT)
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "dated"}},
            "Query": {"Type": "AWS::Logs::QueryDefinition", "DependsOn": "Topic", "Properties": {"Name": ""}},
        }
    }
    body = json.dumps(template)
    cloudformation.create_stack(StackName="dated", TemplateBody=body, DisableRollback=True)

    def ended() -> dict[str, Any] | None:
        [stack] = cloudformation.describe_stacks(StackName="dated")["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    stack = eventually(ended)
    assert stack is not None
    assert stack["StackStatus"] == "CREATE_FAILED"
    events = cloudformation.describe_stack_events(StackName="dated")["StackEvents"]
    moments = {f"event {number} {event['ResourceStatus']}": event["Timestamp"] for number, event in enumerate(events)}
    assert any("CREATE_FAILED" in name for name in moments)
    resources = cloudformation.describe_stack_resources(StackName="dated")["StackResources"]
    return {"stack": stack["CreationTime"], **moments, **{each["LogicalResourceId"]: each["Timestamp"] for each in resources}}


def dates_of_logs(call: Clients) -> Moments:
    logs = call("logs", ACCOUNT)
    logs.create_log_group(logGroupName="/dated")
    logs.create_log_stream(logGroupName="/dated", logStreamName="dated")
    now = int((datetime.now(UTC) + AHEAD).timestamp() * 1000)
    put = logs.put_log_events(logGroupName="/dated", logStreamName="dated", logEvents=[{"timestamp": now, "message": "dated"}])
    assert "rejectedLogEventsInfo" not in put
    [event] = logs.filter_log_events(logGroupName="/dated")["events"]
    written = {"queryString": "fields @message"}
    logs.put_query_definition(name="dated", **written)
    seconds = now // 1000
    logs.start_query(logGroupName="/dated", startTime=seconds - 60, endTime=seconds, **written)
    times = {
        "definition": logs.describe_query_definitions()["queryDefinitions"][0]["lastModified"],
        "query": logs.describe_queries()["queries"][0]["createTime"],
        "group": logs.describe_log_groups(logGroupNamePrefix="/dated")["logGroups"][0]["creationTime"],
        "stream": logs.describe_log_streams(logGroupName="/dated")["logStreams"][0]["creationTime"],
        "ingestion": event["ingestionTime"],
    }
    return {name: datetime.fromtimestamp(time / 1000, UTC) for name, time in times.items()}


def dates_of_what_watches(call: Clients) -> Moments:
    """Put an alarm, set its state, and look for the event of that."""
    alarms, trail = call("cloudwatch", ACCOUNT), call("cloudtrail", ACCOUNT)
    of_metric = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    alarms.put_metric_alarm(AlarmName="dated", ComparisonOperator="LessThanThreshold", Threshold=1.0, **of_metric)
    alarms.set_alarm_state(AlarmName="dated", StateValue="ALARM", StateReason="dated")
    [alarm] = alarms.describe_alarms(AlarmNames=["dated"])["MetricAlarms"]
    history = alarms.describe_alarm_history(AlarmName="dated")["AlarmHistoryItems"]
    event = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "SetAlarmState"}])["Events"][
        0
    ]
    return {
        "configuration": alarm["AlarmConfigurationUpdatedTimestamp"],
        "state": alarm["StateUpdatedTimestamp"],
        **{f"history {number}": item["Timestamp"] for number, item in enumerate(history)},
        "event": event["EventTime"],
    }


def dates_of_messages(call: Clients) -> Moments:
    """Let an event go through a bus, a topic and a queue."""
    sqs, sns, events = (call(service, ACCOUNT) for service in ("sqs", "sns", "events"))
    queue_url = sqs.create_queue(QueueName="dated")["QueueUrl"]
    topic = sns.create_topic(Name="messages")["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dated"
    policy = {"Version": "2012-10-17", "Statement": [_anyone("sqs:SendMessage", queue)]}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="dated")
    published = _receive(sqs, queue_url)
    events.put_rule(Name="dated", EventPattern='{"source": ["dated"]}')
    events.put_targets(Rule="dated", Targets=[{"Id": "queue", "Arn": queue}])
    events.put_events(Entries=[{"Source": "dated", "DetailType": "dated", "Detail": "{}"}])
    delivered = _receive(sqs, queue_url)
    sent = int(published["Attributes"]["SentTimestamp"]) / 1000
    return {
        "sent": datetime.fromtimestamp(sent, UTC),
        "published": datetime.fromisoformat(json.loads(published["Body"])["Timestamp"]),
        "event": datetime.fromisoformat(json.loads(delivered["Body"])["time"]),
    }


def _anyone(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}


def _receive(sqs: Client, queue_url: str) -> dict[str, Any]:
    def receive() -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["All"]).get("Messages", [])
        return messages

    [message] = eventually(receive)
    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return message


def dates_of_others(call: Clients) -> Moments:
    create_function(call, ACCOUNT, "dated-function", "def handler(event, context):\n    return None\n")
    modified = call("lambda", ACCOUNT).get_function_configuration(FunctionName="dated-function")["LastModified"]
    s3 = call("s3", ACCOUNT)
    s3.create_bucket(Bucket="dated")
    s3.put_object(Bucket="dated", Key="dated", Body=b"dated")
    return {
        "function": datetime.fromisoformat(modified),
        "object": s3.head_object(Bucket="dated", Key="dated")["LastModified"],
        "bucket": next(bucket["CreationDate"] for bucket in s3.list_buckets()["Buckets"] if bucket["Name"] == "dated"),
    }


@pytest.mark.parametrize(
    "dates", [dates_of_iam, dates_of_stacks, dates_of_logs, dates_of_what_watches, dates_of_messages, dates_of_others]
)
def test_what_a_service_dates_has_the_clocks_time(call: Clients, dates: Callable[[Clients], Moments]) -> None:
    before = datetime.now(UTC) + AHEAD - timedelta(seconds=2)  # most times are without fractions of a second
    moments = dates(call)
    after = datetime.now(UTC) + AHEAD + timedelta(seconds=1)
    assert {name: moment for name, moment in moments.items() if not before <= moment <= after} == {}


def test_what_a_root_user_has_has_the_clocks_time(call: Clients, aws: LocalAwsProcess) -> None:
    test_what_a_service_dates_has_the_clocks_time(call, lambda call: dates_of_root(call, aws))


def test_the_session_of_a_role_ends_by_the_clock(tmp_path: Path) -> None:
    """A signature is of the machine's time, as every client signs by that, so it is good however far the clock is ahead."""
    with far_ahead(tmp_path) as aws:
        call = clients_of(aws)
        role = make_role(call, ACCOUNT, "ending", trust_account(ACCOUNT), "iam:ListRoles")
        credentials = assume(call("sts", ACCOUNT), role, DurationSeconds=3600)
        iam = Acting(aws)("iam", credentials)
        aws.advance_clock(seconds=3000)
        iam.list_roles()
        aws.advance_clock(seconds=600)
        assert refusal(iam.list_roles)[0] == "ExpiredToken"


def test_every_answer_has_the_clocks_date(call: Clients) -> None:
    headers = call("sqs", ACCOUNT).list_queues()["ResponseMetadata"]["HTTPHeaders"]
    assert parsedate_to_datetime(headers["date"]) - datetime.now(UTC) > AHEAD - timedelta(seconds=2)
