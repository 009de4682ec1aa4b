"""The alarms of the deployed application, by the clock: when each fires, when it stops, and what its topic gets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsProcess
from tests.e2e.application import READ, Application, wait_for
from tests.e2e.packaged import deploy

CENTRAL = "012345678912"
MINUTE, HOUR = 60, 3600


class Watched(Application):
    """The application, and a queue that gets what its alarms tell."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        """Subscribe the queue to the topic that the stack made."""
        super().__init__(aws, CENTRAL)
        sqs, sns = self.client("sqs"), self.client("sns")
        [topic] = [each["TopicArn"] for each in sns.list_topics()["Topics"] if "AlarmTopic" in each["TopicArn"]]
        self._queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def gets_into(self, state: str, alarm: str) -> None:
        """Wait until an alarm is in a state: it is evaluated when the clock has moved."""
        wait_for(lambda: self.alarm_states()[alarm] == state, f"{alarm} to get into {state}")

    def stays(self, state: str, alarm: str) -> None:
        """Make sure that an alarm is still in a state. The clock waits for evaluations before it moves."""
        self.aws.advance_clock(seconds=0.001)
        assert self.alarm_states()[alarm] == state

    def told(self) -> list[tuple[str, str]]:
        """Return which states the topic told since the last time, and of which alarms, by their logical ids."""
        sqs = self.client("sqs")
        found: list[tuple[str, str]] = []
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                content = json.loads(json.loads(message["Body"])["Message"])
                found.append((content["AlarmName"].split("-")[-2], content["NewStateValue"]))
        return found

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Let AWS Config invoke no function meanwhile."""
        functions = self.client("lambda")
        [statement] = json.loads(functions.get_policy(FunctionName=self.function_arn)["Policy"])["Statement"]
        functions.remove_permission(FunctionName=self.function_arn, StatementId=statement["Sid"])
        try:
            yield
        finally:
            self.permit(CENTRAL)

    def history(self, alarm: str) -> list[dict[str, Any]]:
        """Return the changes of an alarm's state, the oldest first."""
        names = [name["AlarmName"] for name in self.client("cloudwatch").describe_alarms()["MetricAlarms"]]
        [name] = [name for name in names if f"-{alarm}-" in name]
        asked = {"AlarmName": name, "HistoryItemType": "StateUpdate", "ScanBy": "TimestampAscending"}
        items: list[dict[str, Any]] = self.client("cloudwatch").describe_alarm_history(**asked)["AlarmHistoryItems"]
        return items


@contextmanager
def watching(directory: Path) -> Iterator[Watched]:
    """Deploy the application with an address for alarms, five minutes after a full hour."""
    accounts = directory / "accounts.yaml"
    accounts.write_text(f'accounts:\n  "{CENTRAL}": {{}}\n', encoding="utf-8")
    with LocalAwsProcess(accounts, directory / "local-aws.log") as aws:
        now = datetime.now(UTC)
        aws.advance_clock(seconds=(65 - now.minute) * MINUTE - now.second)
        deploy(aws, CENTRAL, {"AlarmEmail": "security@example.com"})
        application = Watched(aws)
        application.result(CENTRAL)
        yield application


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(tmp_path_factory.mktemp("local-aws")) as application:
        yield application


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Watched]:
    """Give an application whose alarms nothing has happened to."""
    with watching(tmp_path) as application:
        yield application


def test_silence_fires_at_first_and_after_27_hours_and_stops_with_an_evaluation(new: Watched) -> None:
    new.aws.advance_clock(seconds=MINUTE)
    new.gets_into("ALARM", "SilenceAlarm")
    [first] = new.history("SilenceAlarm")
    assert first["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    new.log(CENTRAL, "evaluation")
    new.told()
    new.aws.advance_clock(seconds=HOUR)
    new.gets_into("OK", "SilenceAlarm")
    with new.silence():
        new.aws.advance_clock(seconds=25 * HOUR)
        new.stays("OK", "SilenceAlarm")
        new.aws.advance_clock(seconds=2 * HOUR)
        new.gets_into("ALARM", "SilenceAlarm")
    assert new.told() == [("SilenceAlarm", "OK"), ("SilenceAlarm", "ALARM")]
    _, counted, silent = new.history("SilenceAlarm")
    assert 25 * HOUR < (silent["Timestamp"] - counted["Timestamp"]).total_seconds() <= 27 * HOUR
    new.evaluate(CENTRAL)
    new.aws.advance_clock(seconds=HOUR)
    new.gets_into("OK", "SilenceAlarm")
    assert new.told() == [("SilenceAlarm", "OK")]


@pytest.mark.parametrize("switch", ["multi-day-alarms-look-back", "fill-needs-data"])
def test_silence_fires_after_27_hours_whichever_way_cloudwatch_answers(watched: Watched, switch: str) -> None:
    """No page says how far an alarm of more than a day looks back, or whether FILL fills a metric that has no data at all."""
    watched.evaluate(CENTRAL)
    watched.aws.switch(switch, on=True)
    try:
        watched.aws.advance_clock(seconds=HOUR)
        watched.gets_into("OK", "SilenceAlarm")
        with watched.silence():
            watched.aws.advance_clock(seconds=24 * HOUR)
            watched.stays("OK", "SilenceAlarm")
            watched.aws.advance_clock(seconds=3 * HOUR)
            watched.gets_into("ALARM", "SilenceAlarm")
    finally:
        watched.aws.switch(switch, on=False)
        watched.told()


def test_an_event_that_fails_for_good_fires(watched: Watched) -> None:
    watched.aws.advance_clock(seconds=HOUR)
    watched.gets_into("OK", "FailedEventsAlarm")
    watched.told()
    watched.aws.add_fault(CENTRAL, READ, "AccessDenied", times=3)
    watched.start_evaluation(CENTRAL)
    watched.failure(CENTRAL)
    watched.aws.advance_clock(seconds=MINUTE)
    watched.gets_into("ALARM", "FailedEventsAlarm")
    assert ("FailedEventsAlarm", "ALARM") in watched.told()
    watched.aws.advance_clock(seconds=HOUR)
    watched.gets_into("OK", "FailedEventsAlarm")
    assert "FailedEventsAlarm" not in dict(watched.told())


def test_throttles_ring(watched: Watched) -> None:
    watched.aws.advance_clock(seconds=HOUR)
    watched.gets_into("OK", "ThrottlesAlarm")
    watched.told()
    functions = watched.client("lambda")
    functions.put_function_concurrency(FunctionName=watched.function_arn, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            functions.invoke(FunctionName=watched.function_arn, Payload="{}")
    finally:
        functions.delete_function_concurrency(FunctionName=watched.function_arn)
    watched.aws.advance_clock(seconds=MINUTE)
    watched.gets_into("ALARM", "ThrottlesAlarm")
    assert ("ThrottlesAlarm", "ALARM") in watched.told()
