"""Lambda on the local AWS: invocations, their log, asynchronous events with their retries, and the on-failure destination."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import Queue as EventQueue
from tests.local_aws.scene import (
    CENTRAL,
    WRITE_LOG,
    Clients,
    Parameter,
    allow,
    clock_time,
    create_function,
    eventually,
    let_config_invoke,
    log_lines,
    metric,
    package,
    refusal,
    rule,
)

HANDLER = """
    import json
    import pathlib
    import time

    class OutOfSortsError(Exception):
        pass

    def handler(event, context):
        print(json.dumps({"message": "evaluation", "event": event}))
        if "meeting" in event:
            here = pathlib.Path(event["meeting"])
            (here / context.aws_request_id).touch()
            while len(list(here.iterdir())) < 2:
                time.sleep(0.01)
        if event.get("fail"):
            raise OutOfSortsError(event["fail"])
        time.sleep(event.get("seconds", 0))
        return {"answer": event}
"""


def payload(**event: object) -> str:
    return json.dumps(event)


def invoke(client: Clients, arn: str, **params: Parameter) -> dict[str, Any]:
    answer: dict[str, Any] = client("lambda", arn.split(":")[4]).invoke(FunctionName=arn, **params)
    return answer | {"Payload": json.loads(answer["Payload"].read() or b"null")}


@pytest.fixture
def arn(client: Clients, account_id: str) -> str:
    """Create a function that answers with its event, fails or sleeps, as the event says."""
    return create_function(client, account_id, "example", HANDLER, *WRITE_LOG)


# Invocations


def test_a_function_answers(client: Clients, arn: str) -> None:
    answer = invoke(client, arn, Payload=payload(a=1))
    assert (answer["StatusCode"], "FunctionError" in answer, answer["Payload"]) == (200, False, {"answer": {"a": 1}})


def test_an_exception_comes_back_by_its_own_name(client: Clients, arn: str) -> None:
    answer = invoke(client, arn, Payload=payload(fail="Not today."))
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (answer["Payload"]["errorType"], answer["Payload"]["errorMessage"]) == ("OutOfSortsError", "Not today.")


def test_a_function_that_takes_too_long_is_stopped(client: Clients, account_id: str, arn: str) -> None:
    client("lambda", account_id).update_function_configuration(FunctionName="example", Timeout=1)
    answer = invoke(client, arn, Payload=payload(seconds=30))
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Sandbox.Timedout"
    assert any(line.endswith("Status: timeout") for line in log_lines(client, account_id, "example"))


def test_new_code_and_new_settings_count_from_the_next_invocation(client: Clients, account_id: str, arn: str) -> None:
    functions = client("lambda", account_id)
    assert invoke(client, arn, Payload=payload())["Payload"] == {"answer": {}}
    code = 'import os\ndef handler(event, context): return os.environ.get("COLOUR", "none")'
    functions.update_function_code(FunctionName="example", ZipFile=package(code))
    assert invoke(client, arn, Payload=payload())["Payload"] == "none"
    functions.update_function_configuration(FunctionName="example", Environment={"Variables": {"COLOUR": "green"}})
    assert invoke(client, arn, Payload=payload())["Payload"] == "green"


def test_invocations_run_at_the_same_time(client: Clients, arn: str, tmp_path: Path) -> None:
    """Each waits for the other, and would time out if one had to end before the other began."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: invoke(client, arn, Payload=payload(meeting=str(tmp_path))), range(2)))
    assert [answer["Payload"] for answer in answers] == [{"answer": {"meeting": str(tmp_path)}}] * 2


def test_reserved_concurrency_is_a_limit(client: Clients, account_id: str, arn: str) -> None:
    client("lambda", account_id).put_function_concurrency(FunctionName="example", ReservedConcurrentExecutions=0)
    code, _ = refusal(client("lambda", account_id).invoke, FunctionName=arn, Payload=payload())
    assert code == "TooManyRequestsException"


WHO_AM_I = """
    import os
    import boto3

    def handler(event, context):
        return {
            "endpoint": os.environ["AWS_ENDPOINT_URL"],
            "region": os.environ["AWS_REGION"],
            "arn": boto3.client("sts").get_caller_identity()["Arn"],
        }
"""


def test_a_function_acts_with_its_role_on_this_local_aws(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    arn = create_function(client, account_id, "example", WHO_AM_I)
    assert invoke(client, arn)["Payload"] == {
        "endpoint": local_aws.endpoint_url,
        "region": "us-east-1",
        "arn": f"arn:aws:sts::{account_id}:assumed-role/example/example",
    }


# The log


def test_the_log_is_written_by_the_functions_role(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str
) -> None:
    client("logs", account_id).create_log_group(logGroupName="/aws/lambda/example")
    local_aws.take_calls()
    for _ in range(2):
        invoke(client, arn, Payload=payload())
    role = f"arn:aws:sts::{account_id}:assumed-role/example/example"
    written = [call["action"] for call in local_aws.take_calls() if call["principal"] == role]
    # One stream for the environment, and as many calls as invocations.
    assert written == ["logs:CreateLogStream", "logs:PutLogEvents", "logs:PutLogEvents"]


def test_each_line_is_in_the_log_once(client: Clients, account_id: str, arn: str) -> None:
    first, second = (invoke(client, arn, Payload=payload(number=number)) for number in (1, 2))
    request_ids = [answer["ResponseMetadata"]["RequestId"] for answer in (first, second)]
    assert request_ids[0] != request_ids[1]
    lines = log_lines(client, account_id, "example")
    assert [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line.split("\t")[0]) for line in lines] == [
        "START RequestId: ID Version: $LATEST",
        '{"message": "evaluation", "event": {"number": 1}}',
        "END RequestId: ID",
        "REPORT RequestId: ID",
        "START RequestId: ID Version: $LATEST",
        '{"message": "evaluation", "event": {"number": 2}}',
        "END RequestId: ID",
        "REPORT RequestId: ID",
    ]
    cold, warm = (line for line in lines if line.startswith("REPORT"))
    assert "initDurationMs: " in cold
    assert "initDurationMs: " not in warm
    assert "\tmemorySizeMB: 128\t" in warm
    assert warm.endswith("\tStatus: success")


def test_a_json_log_has_the_platforms_lines_as_json(client: Clients, account_id: str) -> None:
    arn = create_function(
        client,
        account_id,
        "example",
        HANDLER,
        *WRITE_LOG,
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/of/mine"},
    )
    invoke(client, arn, Payload=payload(fail="Not today."))
    events = client("logs", account_id).filter_log_events(logGroupName="/of/mine")["events"]
    assert len({event["logStreamName"] for event in events}) == 1
    start, evaluation, error, report = (json.loads(event["message"]) for event in events)
    assert (start["type"], start["record"]["version"]) == ("platform.start", "$LATEST")
    assert evaluation["message"] == "evaluation"
    assert error["errorType"] == "OutOfSortsError"
    assert report["type"] == "platform.report"
    assert report["record"]["status"] == "error"
    assert report["record"]["requestId"] == start["record"]["requestId"]
    metrics = report["record"]["metrics"]
    assert metrics["memorySizeMB"] == 128
    assert 0 < metrics["durationMs"] < metrics["durationMs"] + metrics["initDurationMs"] <= metrics["billedDurationMs"]


def test_without_permission_nothing_is_written(client: Clients, account_id: str) -> None:
    arn = create_function(client, account_id, "example", HANDLER)
    client("logs", account_id).create_log_group(logGroupName="/aws/lambda/example")
    assert invoke(client, arn, Payload=payload())["Payload"] == {"answer": {}}
    assert log_lines(client, account_id, "example") == []
    assert client("logs", account_id).describe_log_streams(logGroupName="/aws/lambda/example")["logStreams"] == []


def test_the_end_of_the_log_comes_with_the_answer(client: Clients, arn: str) -> None:
    answer = invoke(client, arn, Payload=payload(), LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert '{"message": "evaluation", "event": {}}' in tail.splitlines()


# Asynchronous events


class Queue:
    """The function's on-failure destination."""

    def __init__(self, client: Clients, account_id: str) -> None:
        self._functions, self._sqs = client("lambda", account_id), client("sqs", account_id)
        self._url = self._sqs.create_queue(QueueName="failed")["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:{account_id}:failed"
        policy = allow("sqs:SendMessage", resource=self.arn)
        client("iam", account_id).put_role_policy(RoleName="example", PolicyName="destination", PolicyDocument=policy)
        self.let_retry()

    def let_retry(self, **settings: int) -> None:
        destination = {"OnFailure": {"Destination": self.arn}}
        self._functions.put_function_event_invoke_config(FunctionName="example", DestinationConfig=destination, **settings)

    def records(self) -> list[dict[str, Any]]:
        """Return what was received, as soon as something was."""
        return eventually(self.present_records)

    def present_records(self) -> list[dict[str, Any]]:
        """Return what was received."""
        messages = self._sqs.receive_message(QueueUrl=self._url).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture
def queue(client: Clients, account_id: str, arn: str) -> Queue:
    """Let the function's failed events be kept in a queue."""
    assert arn.endswith(":example")
    return Queue(client, account_id)


def evaluations(client: Clients, account_id: str) -> int:
    return sum(line.startswith('{"message": "evaluation"') for line in log_lines(client, account_id, "example"))


def test_an_event_that_succeeds_runs_once(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue
) -> None:
    answer = invoke(client, arn, InvocationType="Event", Payload=payload())
    assert (answer["StatusCode"], answer["Payload"]) == (202, None)
    local_aws.advance_clock(seconds=3600)
    local_aws.settle()
    assert evaluations(client, account_id) == 1
    assert queue.present_records() == []


def test_an_event_that_fails_is_tried_again_and_then_kept(client: Clients, account_id: str, arn: str, queue: Queue) -> None:
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    [record] = queue.records()
    assert evaluations(client, account_id) == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    answer = record.pop("responsePayload")
    assert (answer["errorType"], answer["errorMessage"]) == ("OutOfSortsError", "Not today.")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": answer["requestId"],
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"fail": "Not today."},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }
    assert metric(client, account_id, "AWS/Lambda", "AsyncEventsDropped", FunctionName="example") == 1
    assert metric(client, account_id, "AWS/Lambda", "Errors", FunctionName="example") == 3


def test_retries_are_as_many_as_the_settings_say(client: Clients, account_id: str, arn: str, queue: Queue) -> None:
    queue.let_retry(MaximumRetryAttempts=0)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    [record] = queue.records()
    assert record["requestContext"]["approximateInvokeCount"] == evaluations(client, account_id) == 1


def test_an_event_grows_too_old(local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue) -> None:
    queue.let_retry(MaximumEventAgeInSeconds=60)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    local_aws.advance_clock(seconds=61)
    [record] = queue.records()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == evaluations(client, account_id) == 1
    assert record["responsePayload"]["errorType"] == "OutOfSortsError"


def test_a_clock_that_is_put_forward_brings_the_retries(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue
) -> None:
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    # The first attempt has failed before the clock moves, and the second one before it moves again.
    local_aws.advance_clock(seconds=10)
    local_aws.advance_clock(seconds=10)
    local_aws.settle()
    [record] = queue.present_records()
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert evaluations(client, account_id) == 3


def test_throttling_uses_up_no_retry(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue
) -> None:
    queue.let_retry(MaximumRetryAttempts=0)
    functions = client("lambda", account_id)
    functions.put_function_concurrency(FunctionName="example", ReservedConcurrentExecutions=0)
    invoke(client, arn, InvocationType="Event", Payload=payload())

    def throttled() -> float:
        return metric(client, account_id, "AWS/Lambda", "Throttles", FunctionName="example")

    assert eventually(lambda: throttled() >= 2)
    functions.delete_function_concurrency(FunctionName="example")
    local_aws.advance_clock(seconds=10)
    local_aws.settle()
    assert evaluations(client, account_id) == 1
    assert queue.present_records() == []


def test_an_event_that_was_only_throttled_is_kept_without_an_answer(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue
) -> None:
    client("lambda", account_id).put_function_concurrency(FunctionName="example", ReservedConcurrentExecutions=0)
    queue.let_retry(MaximumEventAgeInSeconds=60)
    invoke(client, arn, InvocationType="Event", Payload=payload(a=1))
    assert eventually(lambda: metric(client, account_id, "AWS/Lambda", "Throttles", FunctionName="example"))
    local_aws.advance_clock(seconds=61)
    [record] = queue.records()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == {"a": 1}
    assert "responsePayload" not in record
    assert "responseContext" not in record


def test_the_destination_takes_what_the_functions_role_may_send(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str, queue: Queue
) -> None:
    client("iam", account_id).delete_role_policy(RoleName="example", PolicyName="destination")
    queue.let_retry(MaximumRetryAttempts=0)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    local_aws.settle()
    assert metric(client, account_id, "AWS/Lambda", "AsyncEventsDropped", FunctionName="example") == 1
    assert queue.present_records() == []


def tell_bus(client: Clients, account_id: str, *, may: bool = True) -> None:
    """Let the function's failed events go to a bus, which its role may put events on, or not."""
    bus_arn = client("events", account_id).create_event_bus(Name="failed")["EventBusArn"]
    if may:
        policy = allow("events:PutEvents", resource=bus_arn)
        client("iam", account_id).put_role_policy(RoleName="example", PolicyName="destination", PolicyDocument=policy)
    client("lambda", account_id).put_function_event_invoke_config(
        FunctionName="example", DestinationConfig={"OnFailure": {"Destination": bus_arn}}, MaximumRetryAttempts=0
    )


def collect(local_aws: LocalAwsClient, client: Clients, account_id: str, **target: object) -> EventQueue:
    """Send what comes over the bus to a queue."""
    queue = EventQueue(local_aws, account_id, "records")
    queue.allow_events()
    events = client("events", account_id)
    events.put_rule(Name="records", EventBusName="failed", EventPattern='{"source": ["lambda"]}')
    events.put_targets(Rule="records", EventBusName="failed", Targets=[{"Id": "queue", "Arn": queue.arn, **target}])
    return queue


def test_a_failed_event_goes_over_an_event_bus(local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str) -> None:
    tell_bus(client, account_id)
    queue = collect(local_aws, client, account_id)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not today."))
    [event] = queue.bodies(1)
    bus_arn = f"arn:aws:events:us-east-1:{account_id}:event-bus/failed"
    assert (event["source"], event["account"]) == ("lambda", account_id)
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert event["resources"] == [bus_arn, f"{arn}:$LATEST"]
    assert event["detail"]["requestPayload"] == {"fail": "Not today."}
    assert event["detail"]["responsePayload"]["errorType"] == "OutOfSortsError"


def test_of_a_failed_event_the_queue_gets_what_the_target_says(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str
) -> None:
    tell_bus(client, account_id)
    transformer = {"InputPathsMap": {"error": "$.detail.responsePayload"}, "InputTemplate": '{"errors": [<error>]}'}
    queue = collect(local_aws, client, account_id, InputTransformer=transformer)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail='"Not today."', key="s3cr3t"))
    [body] = queue.bodies(1)
    assert body["errors"][0]["errorMessage"] == '"Not today."'
    assert "s3cr3t" not in json.dumps(body)


def test_the_event_bus_takes_what_the_functions_role_may_put(
    local_aws: LocalAwsClient, client: Clients, account_id: str, arn: str
) -> None:
    tell_bus(client, account_id, may=False)
    queue = collect(local_aws, client, account_id)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Not allowed."))

    def dropped() -> float:
        return metric(client, account_id, "AWS/Lambda", "AsyncEventsDropped", FunctionName="example")

    assert eventually(lambda: dropped() == 1)
    assert queue.bodies(0) == []
    policy = allow("events:PutEvents")
    client("iam", account_id).put_role_policy(RoleName="example", PolicyName="destination", PolicyDocument=policy)
    invoke(client, arn, InvocationType="Event", Payload=payload(fail="Allowed."))
    assert [body["detail"]["requestPayload"]["fail"] for body in queue.bodies(1)] == ["Allowed."]


# The clock

TIME = """
    import time

    def handler(event, context):
        return {"time": time.time(), "nanoseconds": time.time_ns(), "left": context.get_remaining_time_in_millis()}
"""


def test_a_functions_clock_is_put_forward_with_the_others(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    arn = create_function(client, account_id, "example", TIME, Timeout=600)
    sts = client("sts", account_id)
    before = invoke(client, arn)["Payload"]
    local_aws.advance_clock(seconds=86400)
    earliest = clock_time(sts).timestamp()
    after = invoke(client, arn)["Payload"]
    latest = clock_time(sts).timestamp() + 1
    assert after["time"] - before["time"] >= 86400
    assert earliest <= after["time"] <= after["nanoseconds"] / 1e9 + 1e-6 <= latest
    assert 0 < after["left"] <= 600_000


# Across accounts


def test_config_invokes_the_function_of_another_account(client: Clients, account_id: str, other_account_id: str) -> None:
    """It runs in its own account, whatever account the rule is in."""
    arn = create_function(client, account_id, "example", 'def handler(event, context): print(event["accountId"])', *WRITE_LOG)
    let_config_invoke(client, arn, other_account_id)
    client("config", other_account_id).put_config_rule(ConfigRule=rule(arn))
    assert eventually(lambda: other_account_id in log_lines(client, account_id, "example"))
    assert log_lines(client, other_account_id, "example") == []


def test_an_account_of_its_own_is_not_enough(client: Clients, account_id: str, notes: str) -> None:
    """A function of the same name in the rule's own account is not the one that the ARN means."""
    create_function(client, account_id, "notes", HANDLER)
    own = notes.replace(CENTRAL, account_id)
    assert refusal(client("config", account_id).put_config_rule, ConfigRule=rule(own))[0] == "InsufficientPermissionsException"
