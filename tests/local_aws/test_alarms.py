"""CloudWatch's alarms on the local AWS: their states by the clock, what they tell, and what is refused."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from local_aws.client import REGION, LocalAwsProcess
from tests.local_aws.conftest import write_accounts
from tests.local_aws.event_scene import Bus, Queue
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import Client, clients_of, clock_time, eventually, refusal
from tests.local_aws.stack_scene import Stack

ACCOUNTS = [f"7000000000{number:02}" for number in range(60)]
HOUR, DAY = 3600, 86_400
METRIC = {"Namespace": "Example", "MetricName": "m"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Give a local AWS whose clock the tests move forward."""
    directory = tmp_path_factory.mktemp("local-aws")
    accounts: dict[str, Any] = {account_id: {} for account_id in ACCOUNTS}
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as process:
        yield process


@pytest.fixture(scope="module")
def unused() -> Iterator[str]:
    return iter(ACCOUNTS)


class Scene:
    """An account with alarms."""

    def __init__(self, aws: LocalAwsProcess, account_id: str) -> None:
        self.aws, self.account_id = aws, account_id
        self.client = clients_of(aws)
        self.cloudwatch: Client = self.client("cloudwatch", account_id)

    def now(self) -> datetime:
        return clock_time(self.client("sts", self.account_id))

    def put(self, value: float = 1, at: datetime | None = None, **datum: object) -> None:
        timed = {"Timestamp": at} if at else {}
        self.cloudwatch.put_metric_data(Namespace="Example", MetricData=[{"MetricName": "m", "Value": value, **timed, **datum}])

    def alarm(self, name: str = "alarm", **changes: object) -> None:
        given = {
            "AlarmName": name,
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            **METRIC,
            **changes,
        }
        self.cloudwatch.put_metric_alarm(**{key: value for key, value in given.items() if value is not None})

    def shown(self, name: str = "alarm") -> dict[str, Any]:
        [alarm] = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return dict(alarm)

    def state(self, name: str = "alarm") -> str:
        return str(self.shown(name)["StateValue"])

    def gets_into(self, state: str, name: str = "alarm") -> bool:
        return eventually(lambda: self.state(name) == state)

    def advance(self, seconds: float) -> None:
        """Move the clock, and wait until the alarms were evaluated: the clock waits for all work before it moves."""
        self.aws.advance_clock(seconds=seconds)
        self.aws.advance_clock(seconds=0.001)

    def history(self, *kinds: str, name: str = "alarm") -> list[dict[str, Any]]:
        items = self.cloudwatch.describe_alarm_history(AlarmName=name, ScanBy="TimestampAscending")["AlarmHistoryItems"]
        return [item for item in items if item["HistoryItemType"] in kinds]

    def topic(self, name: str = "alarms") -> tuple[str, Queue]:
        """Make a topic, and a queue that gets its messages."""
        sns = self.client("sns", self.account_id)
        arn = sns.create_topic(Name=name)["TopicArn"]
        queue = Queue(self.aws, self.account_id, name)
        queue.allow_events("sns.amazonaws.com")
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
        return arn, queue


@pytest.fixture
def scene(aws: LocalAwsProcess, unused: Iterator[str]) -> Scene:
    return Scene(aws, next(unused))


# States by the clock


def test_an_alarm_begins_without_a_state_and_is_evaluated_each_minute(scene: Scene) -> None:
    scene.alarm()
    created = scene.shown()
    assert (created["StateValue"], created["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    scene.advance(60)
    assert scene.state() == "OK"
    scene.put()
    assert scene.state() == "OK"
    scene.advance(60)
    assert scene.state() == "ALARM"
    # The value leaves the evaluation range, which has two periods more.
    scene.advance(12 * 60)
    assert scene.state() == "ALARM"
    scene.advance(5 * 60)
    assert scene.state() == "OK"
    changes = [item["HistorySummary"] for item in scene.history("StateUpdate")]
    assert changes == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]


def test_an_alarm_goes_through_all_that_a_jump_of_the_clock_leaves_out(scene: Scene) -> None:
    scene.alarm()
    scene.put()
    before = scene.now()
    scene.advance(30 * DAY - HOUR)
    rises, falls = scene.history("StateUpdate")
    assert rises["HistorySummary"].endswith(" to ALARM")
    assert rises["Timestamp"] - before <= timedelta(seconds=61)
    assert timedelta(minutes=14) <= falls["Timestamp"] - rises["Timestamp"] <= timedelta(minutes=15)
    assert json.loads(rises["HistoryData"])["newState"]["stateReason"].startswith("Threshold Crossed: 1 out of the last 1 ")


def test_an_alarm_takes_data_of_the_past_when_their_minute_is_over(scene: Scene) -> None:
    """Neither a late datum nor one of the future is missed."""
    scene.alarm(EvaluationPeriods=3, DatapointsToAlarm=2, Period=60)
    now = scene.now()
    scene.put(at=now - timedelta(minutes=1))
    scene.put(at=now + timedelta(minutes=30))
    scene.put(at=now + timedelta(minutes=31))
    scene.advance(HOUR)
    summaries = [item["HistorySummary"].rpartition(" ")[2] for item in scene.history("StateUpdate")]
    assert summaries == ["OK", "ALARM", "OK"]
    assert scene.history("StateUpdate")[1]["Timestamp"] - now > timedelta(minutes=31)


@pytest.mark.parametrize(
    ("treatment", "state"),
    [
        (None, "INSUFFICIENT_DATA"),
        ("missing", "INSUFFICIENT_DATA"),
        ("ignore", "ALARM"),
        ("breaching", "ALARM"),
        ("notBreaching", "OK"),
    ],
)
def test_missing_data_are_treated_as_the_alarm_says(scene: Scene, treatment: str | None, state: str) -> None:
    scene.alarm(TreatMissingData=treatment)
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="test")
    scene.advance(60)
    assert scene.state() == state


def test_an_alarm_of_more_than_a_day_has_the_data_of_full_hours(scene: Scene) -> None:
    scene.alarm(Period=26 * HOUR, Threshold=1, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
    scene.advance(60)
    assert scene.state() == "ALARM"
    to_full_hour = HOUR - scene.now().timestamp() % HOUR
    scene.advance(to_full_hour + 120)
    scene.put()
    scene.advance(50 * 60)
    assert scene.state() == "ALARM"
    scene.advance(10 * 60)
    assert scene.state() == "OK"
    scene.advance(25 * HOUR - 60)
    assert scene.state() == "OK"
    scene.advance(HOUR)
    assert scene.state() == "ALARM"


def test_alarms_of_more_than_a_day_may_look_back_further(scene: Scene) -> None:
    """No page says whether they do, so there is a switch."""
    scene.aws.switch("multi-day-alarms-look-back", on=True)
    try:
        scene.alarm(Period=26 * HOUR, Threshold=1, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
        scene.put()
        scene.advance(HOUR)
        assert scene.state() == "OK"
        scene.advance(76 * HOUR)
        assert scene.state() == "OK"
        scene.advance(2 * HOUR)
        assert scene.state() == "ALARM"
    finally:
        scene.aws.switch("multi-day-alarms-look-back", on=False)


OF_ONE_METRIC = ("Namespace", "MetricName", "Statistic", "Period")


def filled(period: int = 300, **changes: object) -> dict[str, Any]:
    """Return the members of an alarm on FILL of the metric, with 0."""
    metric = {"Id": "m", "MetricStat": {"Metric": METRIC, "Period": period, "Stat": "Sum"}, "ReturnData": False}
    expression = {"Id": "e", "Expression": "FILL(m, 0)", "Label": "filled"}
    return {**dict.fromkeys(OF_ONE_METRIC), "Metrics": [expression, metric], **changes}


def queries(
    expression: str = "FILL(m, 0)", *, name: str = "m", statistic: str = "Sum", returns: bool = False
) -> list[dict[str, Any]]:
    """Return Metrics with something wrong."""
    metric = {"Id": name, "MetricStat": {"Metric": METRIC, "Period": 300, "Stat": statistic}, "ReturnData": returns}
    return [{"Id": "e", "Expression": expression}, metric]


@pytest.mark.parametrize("switch", ["", "multi-day-alarms-look-back", "fill-needs-data"])
def test_fill_gives_periods_without_data_a_value(scene: Scene, switch: str) -> None:
    """So an alarm on silence fires after one period, whichever way AWS answers; without FILL see the test above."""
    if switch:
        scene.aws.switch(switch, on=True)
    try:
        scene.alarm(**filled(26 * HOUR, Threshold=1, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching"))
        scene.put()
        scene.advance(HOUR)
        assert scene.state() == "OK"
        scene.advance(25 * HOUR - 60)
        assert scene.state() == "OK"
        scene.advance(HOUR + 60)
        assert scene.state() == "ALARM"
    finally:
        if switch:
            scene.aws.switch(switch, on=False)


def test_fill_may_need_data_and_then_missing_data_are_treated_as_the_alarm_says(scene: Scene) -> None:
    scene.alarm(**filled(Threshold=1, ComparisonOperator="LessThanThreshold", TreatMissingData="notBreaching"))
    scene.advance(60)
    assert scene.state() == "ALARM"
    scene.aws.switch("fill-needs-data", on=True)
    try:
        scene.advance(60)
        assert scene.state() == "OK"
        scene.put(0)
        scene.advance(6 * 60)
        assert scene.state() == "ALARM", "the newest period is filled, since an older one has data"
    finally:
        scene.aws.switch("fill-needs-data", on=False)


@pytest.mark.parametrize(
    ("statistic", "state"), [("Average", "OK"), ("Maximum", "ALARM"), ("SampleCount", "OK"), ("Minimum", "OK")]
)
def test_the_statistic_of_the_period_counts(scene: Scene, statistic: str, state: str) -> None:
    scene.alarm(Statistic=statistic, Threshold=5)
    for value in (1, 6):
        scene.put(value)
    scene.advance(60)
    assert scene.state() == state


def test_an_alarm_with_a_unit_or_dimensions_sees_only_those_values(scene: Scene) -> None:
    scene.alarm("unit", Unit="Seconds")
    scene.alarm("dimensions", Dimensions=[{"Name": "A", "Value": "1"}])
    scene.alarm("all")
    scene.put(Unit="Count")
    scene.advance(60)
    assert [scene.state(name) for name in ("unit", "dimensions", "all")] == ["OK", "OK", "ALARM"]
    scene.put(Unit="Seconds")
    scene.put(Dimensions=[{"Name": "A", "Value": "1"}])
    scene.advance(60)
    assert [scene.state(name) for name in ("unit", "dimensions", "all")] == ["ALARM", "ALARM", "ALARM"]


def test_a_state_that_was_set_lasts_until_the_next_evaluation(scene: Scene) -> None:
    scene.alarm()
    scene.advance(60)
    data = '{ "z": 2, "a": [1] }'
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="first", StateReasonData=data)
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="second")
    shown = scene.shown()
    assert (shown["StateReason"], shown["StateReasonData"]) == ("first", data)
    scene.advance(60)
    assert scene.state() == "OK"
    assert json.loads(scene.history("StateUpdate")[1]["HistoryData"]) == {
        "version": "1.0",
        "oldState": json.loads(scene.history("StateUpdate")[0]["HistoryData"])["newState"],
        "newState": {"stateValue": "ALARM", "stateReason": "first", "stateReasonData": {"z": 2, "a": [1]}},
    }
    malformed = {"AlarmName": "alarm", "StateValue": "ALARM", "StateReason": "", "StateReasonData": "{"}
    assert refusal(scene.cloudwatch.set_alarm_state, **malformed)[0] == "InvalidFormat"
    assert scene.state() == "OK"


# What alarms do


def test_the_topic_gets_aws_message(scene: Scene) -> None:
    topic, queue = scene.topic()
    dimensions = [{"Name": "A", "Value": "1"}]
    scene.alarm(AlarmActions=[topic], OKActions=[topic], AlarmDescription="Something happened.", Dimensions=dimensions)
    scene.put(2, Dimensions=dimensions)
    scene.advance(60)
    [delivery] = queue.bodies(1)
    assert delivery["Subject"] == 'ALARM: "alarm" in US East (N. Virginia)'
    message = json.loads(delivery["Message"])
    shown = scene.shown()

    def stamped(member: str) -> str:
        return f"{shown[member]:%Y-%m-%dT%H:%M:%S}.{shown[member].microsecond // 1000:03}+0000"

    assert message == {
        "AlarmName": "alarm",
        "AlarmDescription": "Something happened.",
        "AWSAccountId": scene.account_id,
        "AlarmConfigurationUpdatedTimestamp": stamped("AlarmConfigurationUpdatedTimestamp"),
        "NewStateValue": "ALARM",
        "NewStateReason": shown["StateReason"],
        "StateChangeTime": stamped("StateUpdatedTimestamp"),
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{scene.account_id}:alarm:alarm",
        "OldStateValue": "INSUFFICIENT_DATA",
        "ActionExecutedAfterMuteWindow": False,
        "OKActions": [topic],
        "AlarmActions": [topic],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "m",
            "Namespace": "Example",
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "1", "name": "A"}],
            "Period": 300,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }
    [action] = scene.history("Action")
    assert action["HistorySummary"] == f"Successfully executed action {topic}"
    assert json.loads(json.loads(json.loads(action["HistoryData"])["publishedMessage"])["default"]) == message
    scene.advance(HOUR)
    assert json.loads(queue.bodies(2)[1]["Message"])["NewStateValue"] == "OK"


def test_an_alarm_on_an_expression_tells_its_metrics(scene: Scene) -> None:
    topic, queue = scene.topic()
    scene.alarm(**filled(AlarmActions=[topic]))
    shown = scene.shown()
    assert [each["Id"] for each in shown["Metrics"]] == ["e", "m"]
    assert not {"MetricName", "Period", "Statistic"} & shown.keys()
    scene.put(2)
    scene.advance(60)
    [message] = queue.bodies(1)
    trigger = json.loads(message["Message"])["Trigger"]
    assert trigger["Metrics"] == [
        {"Id": "e", "Expression": "FILL(m, 0)", "Label": "filled", "ReturnData": True},
        {
            "Id": "m",
            "MetricStat": {"Metric": {**METRIC, "Dimensions": []}, "Period": 300, "Stat": "Sum"},
            "ReturnData": False,
        },
    ]
    assert (trigger["Period"], "MetricName" in trigger) == (300, False)
    data = json.loads(scene.shown()["StateReasonData"])
    assert (data["recentDatapoints"], "statistic" in data) == ([2.0], False)


def test_a_long_name_leaves_room_for_the_region_in_the_subject(scene: Scene) -> None:
    topic, queue = scene.topic()
    name = "界" * 3 + "x" * 100
    scene.alarm(name, AlarmActions=[topic])
    scene.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    subject = queue.bodies(1)[0]["Subject"]
    assert (len(subject), subject[:12], subject[-30:]) == (100, 'ALARM: "_xxx', 'x..." in US East (N. Virginia)')


def test_actions_are_those_of_the_new_state_and_can_be_disabled(scene: Scene) -> None:
    topic, queue = scene.topic()
    scene.alarm(AlarmActions=[topic])
    for enabled, state in ((True, "OK"), (False, "ALARM"), (False, "OK"), (True, "ALARM"), (True, "OK")):
        change = scene.cloudwatch.enable_alarm_actions if enabled else scene.cloudwatch.disable_alarm_actions
        change(AlarmNames=["alarm", "none"])
        scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue=state, StateReason=f"{enabled}")
    [message] = queue.bodies(1)
    assert json.loads(message["Message"])["NewStateReason"] == "True"
    assert len(scene.history("Action")) == 1


def policy(topic: str, **condition: object) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("allowed", [True, False])
def test_the_topics_policy_decides(scene: Scene, *, allowed: bool) -> None:
    topic, queue = scene.topic()
    arn = f"arn:aws:cloudwatch:{REGION}:{scene.account_id}:alarm:{'alarm' if allowed else 'another'}"
    document = policy(topic, ArnLike={"aws:SourceArn": arn}, StringEquals={"aws:SourceAccount": scene.account_id})
    sns = scene.client("sns", scene.account_id)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    scene.alarm(AlarmActions=[topic])
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="test")
    [action] = scene.history("Action")
    if allowed:
        assert len(queue.bodies(1)) == 1
        return
    data = json.loads(action["HistoryData"])
    assert action["HistorySummary"] == f"Failed to execute action {topic}"
    error = f"CloudWatch Alarms is not authorized to perform: SNS:Publish on resource:{topic}"
    assert (data["actionState"], data["error"], data["publishedMessage"]) == ("Failed", error, None)
    assert queue.bodies(0) == []


def test_a_topic_with_the_key_of_sns_or_none_gets_nothing(scene: Scene) -> None:
    topic, queue = scene.topic()
    sns = scene.client("sns", scene.account_id)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/aws/sns")
    scene.alarm(AlarmActions=[topic, f"{topic}-gone"])
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="test")
    errors = [json.loads(item["HistoryData"])["error"] for item in scene.history("Action")]
    assert ["encryption key" in errors[0], "does not exist" in errors[1]] == [True, True]
    assert queue.bodies(0) == []


def test_eventbridge_gets_changes_of_state_and_of_configuration(scene: Scene) -> None:
    queue = Bus(scene.aws, scene.account_id).collect({"source": ["aws.cloudwatch"]})
    scene.alarm(AlarmDescription="Something happened.")
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="OK", StateReason="test", StateReasonData="{}")
    scene.alarm(AlarmDescription="Something happened.", Threshold=1)
    scene.cloudwatch.delete_alarms(AlarmNames=["alarm"])
    created, changed, updated, deleted = queue.bodies(4)
    kinds = [event["detail-type"].split()[2] for event in (created, changed, updated, deleted)]
    assert kinds == ["Configuration", "State", "Configuration", "Configuration"]
    assert changed["resources"] == [f"arn:aws:cloudwatch:{REGION}:{scene.account_id}:alarm:alarm"]
    detail = changed["detail"]
    assert {"value": "OK", "reason": "test", "reasonData": "{}"}.items() <= detail["state"].items()
    assert {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation"}.items() <= detail[
        "previousState"
    ].items()
    [metric] = detail["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": "Example", "name": "m", "dimensions": {}},
        "period": 300,
        "stat": "Sum",
    }
    assert [event["detail"]["operation"] for event in (created, updated, deleted)] == ["create", "update", "delete"]
    assert updated["detail"]["previousConfiguration"]["threshold"] == 0.0
    assert updated["detail"]["configuration"]["threshold"] == 1.0


# Configurations


def test_an_equal_request_changes_nothing_and_another_replaces_all_but_the_state(scene: Scene) -> None:
    scene.alarm(AlarmDescription="first", DatapointsToAlarm=1)
    scene.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="test")
    before = scene.shown()
    scene.alarm(AlarmDescription="first", DatapointsToAlarm=1)
    assert scene.shown() == before
    scene.alarm(TreatMissingData=None)
    after = scene.shown()
    assert {"AlarmDescription", "DatapointsToAlarm", "TreatMissingData"} & after.keys() == set()
    assert (after["StateValue"], after["StateUpdatedTimestamp"]) == ("ALARM", before["StateUpdatedTimestamp"])
    assert after["AlarmConfigurationUpdatedTimestamp"] > before["AlarmConfigurationUpdatedTimestamp"]
    kinds = [json.loads(item["HistoryData"])["type"] for item in scene.history("ConfigurationUpdate")]
    assert kinds == ["Create", "Update"]


def test_the_history_outlives_the_alarm_by_30_days(scene: Scene) -> None:
    scene.alarm()
    scene.cloudwatch.delete_alarms(AlarmNames=["alarm", "none"])
    scene.cloudwatch.delete_alarms(AlarmNames=["alarm"])
    summaries = [item["HistorySummary"] for item in scene.history("ConfigurationUpdate")]
    assert summaries == ['Alarm "alarm" created', 'Alarm "alarm" deleted']
    created = json.loads(scene.history("ConfigurationUpdate")[0]["HistoryData"])["createdAlarm"]
    assert (created["extendedStatistic"], created["okactions"], created["stateValue"]) == ("SUM", [], "INSUFFICIENT_DATA")
    scene.advance(29 * DAY)
    assert len(scene.history("ConfigurationUpdate")) == 2
    scene.advance(2 * DAY)
    assert scene.history("ConfigurationUpdate") == []


def test_alarms_are_described_by_what_is_asked(scene: Scene) -> None:
    topic = f"arn:aws:sns:{REGION}:{scene.account_id}:topic"
    for name in ("b", "a", "ab"):
        scene.alarm(name, AlarmActions=[topic] if name == "a" else [])
    scene.cloudwatch.set_alarm_state(AlarmName="b", StateValue="ALARM", StateReason="test")

    def named(**params: object) -> list[str]:
        return [alarm["AlarmName"] for alarm in scene.cloudwatch.describe_alarms(**params)["MetricAlarms"]]

    assert named() == ["a", "ab", "b"]
    assert named(AlarmNames=["b", "none", "b"]) == ["b"]
    assert named(AlarmNamePrefix="a") == ["a", "ab"]
    assert named(StateValue="ALARM") == ["b"]
    assert named(ActionPrefix="arn:aws:sns") == ["a"]
    assert named(AlarmTypes=["CompositeAlarm"]) == []
    first = scene.cloudwatch.describe_alarms(MaxRecords=2)
    assert [alarm["AlarmName"] for alarm in first["MetricAlarms"]] == ["a", "ab"]
    assert named(MaxRecords=2, NextToken=first["NextToken"]) == ["b"]
    wrong = refusal(scene.cloudwatch.describe_alarms, NextToken="wrong")
    assert wrong == ("InvalidNextToken", "Invalid NextToken : wrong")


def test_alarms_of_a_metric_have_exactly_its_dimensions(scene: Scene) -> None:
    both = [{"Name": "Z", "Value": "last"}, {"Name": "A", "Value": "first"}]
    scene.alarm("none")
    scene.alarm("both", Dimensions=both)

    def named(**params: object) -> list[str]:
        return [alarm["AlarmName"] for alarm in scene.cloudwatch.describe_alarms_for_metric(**METRIC, **params)["MetricAlarms"]]

    assert (named(), named(Dimensions=both), named(Dimensions=both[::-1])) == (["none"], ["both"], ["both"])
    assert named(Dimensions=both[:1]) == []
    assert (named(Statistic="Sum", Period=300), named(Statistic="Average"), named(Unit="Count")) == (["none"], [], [])


def test_tags_come_with_the_alarm_and_go_with_it(scene: Scene) -> None:
    arn = f"arn:aws:cloudwatch:{REGION}:{scene.account_id}:alarm:alarm"

    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in scene.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]}

    assert refusal(scene.cloudwatch.list_tags_for_resource, ResourceARN=arn)[0] == "ResourceNotFoundException"
    scene.alarm(Tags=[{"Key": "a", "Value": "1"}])
    scene.alarm(Tags=[{"Key": "a", "Value": "ignored"}], Threshold=1)
    scene.cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": ""}, {"Key": "c", "Value": "2"}])
    scene.cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["c", "none"])
    assert tags() == {"a": "1", "b": ""}
    reserved = refusal(scene.cloudwatch.tag_resource, ResourceARN=arn, Tags=[{"Key": "AWS:x", "Value": ""}])
    assert reserved == ("AccessDenied", 'The provided tag keys must not start with any case of "aws:"')
    scene.cloudwatch.delete_alarms(AlarmNames=["alarm"])
    scene.alarm()
    assert tags() == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Period": 90}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Period": 10}, "The local AWS does not emulate alarms of high resolution."),
        ({"EvaluationPeriods": 289}, "Metrics cannot be checked across more than 86400 seconds"),
        ({"Period": HOUR, "EvaluationPeriods": 169}, "Metrics cannot be checked across more than 604800 seconds"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
        ({"AlarmActions": ["not-an-arn"]}, "Invalid arn syntax: not-an-arn"),
        ({"OKActions": ["arn:aws:sns:eu-central-1:123456789012:t"]}, "Invalid region eu-central-1 specified."),
        (
            {"OKActions": ["arn:aws:lambda:us-east-1:123456789012:function:f"]},
            "The local AWS does not emulate the action arn:aws:",
        ),
        ({"Statistic": None, "ExtendedStatistic": "p90"}, "The local AWS does not emulate alarms with ExtendedStatistic."),
        ({"Statistic": None}, "PutMetricAlarm needs Statistic."),
        ({"TreatMissingData": "good"}, "Option good is not supported."),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "PutMetricAlarm needs a ComparisonOperator"),
        ({"Metrics": [{"Id": "e", "Expression": "1"}]}, "MetricName should not be set if list of Metrics is set."),
        (filled(Period=60), "Period should not be set if list of Metrics is set."),
        (filled(Metrics=[{"Id": "e", "Expression": "1"}]), "The local AWS emulates Metrics with one MetricStat and one"),
        (filled(Metrics=queries(expression="FILL(m, REPEAT)")), "The local AWS emulates FILL(m, number) only"),
        (filled(Metrics=queries(expression="FILL(x, 0)")), "The local AWS emulates FILL(m, number) only"),
        (filled(Metrics=queries(returns=True)), "Exactly one element of the metrics list should return data."),
        (filled(Metrics=queries(name="M")), "Invalid metric id M"),
        (filled(Metrics=queries(name="e")), "The ids of Metrics must be unique."),
        (filled(Metrics=queries(statistic="p90")), "The local AWS does not emulate the statistic p90."),
        (filled(8 * 24 * HOUR), "Metrics cannot be checked across more than 604800 seconds"),
        ({"EvaluationWindow": {"SlidingWindow": {}}}, "The local AWS does not emulate alarms with EvaluationWindow."),
    ],
)
def test_alarms_that_are_refused(scene: Scene, changes: Mapping[str, object], message: str) -> None:
    code, said = refusal(scene.alarm, **changes)
    assert code == "ValidationError"
    assert said.startswith(message)
    assert scene.cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_policies_name_alarms(scene: Scene) -> None:
    scene.alarm("mine")
    arn = f"arn:aws:cloudwatch:{REGION}:{scene.account_id}:alarm:mine"
    role = make_role(scene.client, scene.account_id, "alarms", trust_account(scene.account_id))
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudwatch:*", "Resource": arn}]}
    scene.client("iam", scene.account_id).put_role_policy(
        RoleName="alarms", PolicyName="p", PolicyDocument=json.dumps(document)
    )
    as_role = Acting(scene.aws)("cloudwatch", assume(scene.client("sts", scene.account_id), role))
    assert refusal(as_role.delete_alarms, AlarmNames=["other"])[0].startswith("AccessDenied")
    assert refusal(as_role.delete_alarms, AlarmNames=["mine", "other"])[0].startswith("AccessDenied")
    assert refusal(as_role.describe_alarms)[0].startswith("AccessDenied")
    assert refusal(as_role.list_metrics)[0].startswith("AccessDenied")
    assert len(as_role.describe_alarms(AlarmNames=["mine"])["MetricAlarms"]) == 1
    as_role.delete_alarms(AlarmNames=["mine"])
    assert scene.cloudwatch.describe_alarms()["MetricAlarms"] == []


# Templates


def test_a_stack_makes_changes_and_deletes_an_alarm(scene: Scene) -> None:
    stack = Stack(scene.client, scene.account_id)

    def resources(**changes: object) -> dict[str, Any]:
        properties = {
            **METRIC,
            "Statistic": "Sum",
            "Period": "300",
            "EvaluationPeriods": 1,
            "Threshold": "0",
            "ComparisonOperator": "GreaterThanThreshold",
            "ActionsEnabled": "true",
            **changes,
        }
        return {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}

    stack.create(resources(Tags=[{"Key": "a", "Value": "1"}]))
    [alarm] = scene.cloudwatch.describe_alarms()["MetricAlarms"]
    assert alarm["AlarmName"].startswith("example-Alarm-")
    assert (alarm["Period"], alarm["Threshold"], alarm["ActionsEnabled"]) == (300, 0.0, True)
    scene.cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="test")
    stack.update(resources(Threshold=5, Tags=[{"Key": "b", "Value": "2"}]))
    [changed] = scene.cloudwatch.describe_alarms()["MetricAlarms"]
    assert (changed["AlarmName"], changed["Threshold"], changed["StateValue"]) == (alarm["AlarmName"], 5.0, "ALARM")
    assert scene.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == [{"Key": "b", "Value": "2"}]
    stack.delete()
    assert scene.cloudwatch.describe_alarms()["MetricAlarms"] == []
