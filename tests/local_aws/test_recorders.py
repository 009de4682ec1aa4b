"""AWS Config's configuration recorder and delivery channel on the local AWS.

"Live" names a capture of what real AWS answered in September 2026: radkawar/stackd, testdata/aws/configservice/lifecycle.json.
"""

import re
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import OTHER_REGION, regional
from tests.local_aws.scene import Client, Clients, eventually, noted_events, refusal, rule

TYPES = ["AWS::SQS::Queue", "AWS::S3::Bucket"]
NOT_THERE = (
    "NoSuchConfigurationRecorderException",
    "The name of the configuration recorder you entered cannot be found. Verify the configuration recorder name, and try",
)
BAD_GROUP = ("InvalidRecordingGroupException", "The recording group provided is not valid.")
BAD_ROLE = ("InvalidRoleException", "The role arn passed is not valid.")


def role_of(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/recorder"


@pytest.fixture
def config(local_aws: LocalAwsClient, account_id: str) -> Client:
    """Return a client of a Region in which AWS Config is not set up."""
    return regional(local_aws, "config", account_id, OTHER_REGION)


@pytest.fixture
def bucket(client: Clients, account_id: str) -> str:
    name = f"config-{account_id}"
    client("s3", account_id).create_bucket(Bucket=name)
    return name


@pytest.fixture
def recorder(config: Client, account_id: str) -> str:
    """Put a recorder, and return its name."""
    config.put_configuration_recorder(ConfigurationRecorder={"name": "mine", "roleARN": role_of(account_id)})
    return "mine"


def test_a_recorder_is_shown_with_all_its_members(config: Client, account_id: str) -> None:
    """Live: put-recorder and describe-recorder."""
    group = {"allSupported": False, "includeGlobalResourceTypes": False, "resourceTypes": TYPES}
    put = {"name": "mine", "roleARN": role_of(account_id)}
    config.put_configuration_recorder(ConfigurationRecorder={**put, "recordingGroup": group})
    [shown] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    arn = shown.pop("arn")
    prefix = f"arn:aws:config:{OTHER_REGION}:{account_id}:configuration-recorder/mine/"
    assert re.fullmatch(rf"{prefix}[a-z0-9]{{16}}", arn)
    assert shown == {
        **put,
        "recordingGroup": {
            **group,
            "exclusionByResourceTypes": {"resourceTypes": []},
            "recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"},
        },
        "recordingMode": {"recordingFrequency": "CONTINUOUS", "recordingModeOverrides": []},
        "recordingScope": "PAID",
    }
    config.put_configuration_recorder(ConfigurationRecorder=put)
    [changed] = config.describe_configuration_recorders(ConfigurationRecorderNames=["mine"])["ConfigurationRecorders"]
    assert changed["arn"] == arn
    assert changed["recordingGroup"]["recordingStrategy"] == {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        # Live, in recorder-missing-role.
        ({"roleARN": None}, BAD_ROLE),
        ({"roleARN": "role"}, BAD_ROLE),
        ({"roleARN": "arn:aws:iam::999999999999:role/recorder"}, BAD_ROLE),
        ({"recordingGroup": {}}, BAD_GROUP),
        ({"recordingGroup": {"allSupported": False}}, BAD_GROUP),
        ({"recordingGroup": {"allSupported": True, "resourceTypes": TYPES}}, BAD_GROUP),
        ({"recordingGroup": {"resourceTypes": TYPES, "includeGlobalResourceTypes": True}}, BAD_GROUP),
        (
            {"recordingGroup": {"resourceTypes": TYPES, "recordingStrategy": {"useOnly": "ALL_SUPPORTED_RESOURCE_TYPES"}}},
            BAD_GROUP,
        ),
        ({"servicePrincipal": "x.amazonaws.com"}, ("ValidationException", "The local AWS does not emulate servicePrincipal")),
        (
            {"recordingMode": {"recordingFrequency": "HOURLY"}},
            ("ValidationException", "1 validation error detected: Value 'HOURLY'"),
        ),
        ({"recordingGroup": {"resourceTypes": ["AWS::None::Such"]}}, ("ValidationException", "1 validation error detected: ")),
    ],
)
def test_a_bad_recorder_is_refused(config: Client, account_id: str, settings: dict[str, Any], error: tuple[str, str]) -> None:
    recorder = {"name": "mine", "roleARN": role_of(account_id), **settings}
    given = {name: value for name, value in recorder.items() if value is not None}
    code, message = refusal(config.put_configuration_recorder, ConfigurationRecorder=given)
    assert (code, message[: len(error[1])]) == error
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []


def test_there_is_one_recorder_and_one_channel(config: Client, account_id: str, recorder: str, bucket: str) -> None:
    """Live, from users' reports: the wording for the recorder. The channel's is the same."""
    other = {"name": "other", "roleARN": role_of(account_id)}
    assert refusal(config.put_configuration_recorder, ConfigurationRecorder=other) == (
        "MaxNumberOfConfigurationRecordersExceededException",
        "Failed to put configuration recorder 'other' because the maximum number of configuration recorders: 1 is reached.",
    )
    config.put_delivery_channel(DeliveryChannel={"name": "mine", "s3BucketName": bucket})
    said = refusal(config.put_delivery_channel, DeliveryChannel={"s3BucketName": bucket})
    assert said[0] == "MaxNumberOfDeliveryChannelsExceededException"
    [shown] = config.describe_configuration_recorders()["ConfigurationRecorders"]
    assert shown["name"] == recorder


def test_a_channel_needs_a_recorder_and_a_bucket(config: Client, account_id: str, bucket: str) -> None:
    """Live: channel-before-recorder, which has no bucket either, and channel-missing-bucket."""
    missing = {"name": "mine", "s3BucketName": f"missing-{account_id}"}
    assert refusal(config.put_delivery_channel, DeliveryChannel=missing) == (
        "NoAvailableConfigurationRecorderException",
        "Configuration recorder is not available to put delivery channel.",
    )
    config.put_configuration_recorder(ConfigurationRecorder={"name": "mine", "roleARN": role_of(account_id)})
    assert refusal(config.put_delivery_channel, DeliveryChannel=missing) == (
        "NoSuchBucketException",
        f"No such s3 bucket with name 'missing-{account_id}'.",
    )
    assert refusal(config.put_delivery_channel, DeliveryChannel={"name": "mine"})[0] == "NoSuchBucketException"
    bad_topic = {"s3BucketName": bucket, "snsTopicARN": "topic"}
    assert refusal(config.put_delivery_channel, DeliveryChannel=bad_topic)[0] == "InvalidSNSTopicARNException"
    hourly = {"name": "mine", "s3BucketName": bucket, "configSnapshotDeliveryProperties": {"deliveryFrequency": "Hourly"}}
    assert refusal(config.put_delivery_channel, DeliveryChannel=hourly)[0] == "ValidationException"
    assert config.describe_delivery_channels()["DeliveryChannels"] == []


def test_a_recorder_starts_with_a_channel_and_keeps_it(config: Client, recorder: str, bucket: str) -> None:
    """Live: describe-channel, start-recorder, delete-channel-recording. Users report the refusal without a channel."""
    assert refusal(config.start_configuration_recorder, ConfigurationRecorderName=recorder) == (
        "NoAvailableDeliveryChannelException",
        "Delivery channel is not available to start configuration recorder.",
    )
    channel = {
        "name": "mine",
        "s3BucketName": bucket,
        "s3KeyPrefix": "evidence",
        "configSnapshotDeliveryProperties": {"deliveryFrequency": "One_Hour"},
    }
    config.put_delivery_channel(DeliveryChannel=channel)
    assert config.describe_delivery_channels(DeliveryChannelNames=["mine"])["DeliveryChannels"] == [channel]
    config.start_configuration_recorder(ConfigurationRecorderName=recorder)
    assert refusal(config.delete_delivery_channel, DeliveryChannelName="mine") == (
        "LastDeliveryChannelDeleteFailedException",
        "Failed to delete last specified delivery channel with name 'mine', because there is a running configuration recorder.",
    )
    config.stop_configuration_recorder(ConfigurationRecorderName=recorder)
    config.delete_delivery_channel(DeliveryChannelName="mine")
    assert refusal(config.delete_delivery_channel, DeliveryChannelName="mine")[0] == "NoSuchDeliveryChannelException"
    config.delete_configuration_recorder(ConfigurationRecorderName=recorder)
    assert config.describe_configuration_recorders()["ConfigurationRecorders"] == []


def test_the_status_of_a_recorder(config: Client, recorder: str, bucket: str) -> None:
    """Live: the status in the baseline, whose members and spelling these are."""

    def status() -> dict[str, Any]:
        [found] = config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
        return dict(found)

    assert (status()["recording"], "lastStartTime" in status()) == (False, False)
    config.put_delivery_channel(DeliveryChannel={"s3BucketName": bucket})
    config.start_configuration_recorder(ConfigurationRecorderName=recorder)
    assert (status()["recording"], status()["lastStatus"], "lastStopTime" in status()) == (True, "SUCCESS", False)
    config.stop_configuration_recorder(ConfigurationRecorderName=recorder)
    stopped = status()
    members = {"arn", "name", "lastStartTime", "lastStopTime", "recording", "lastStatus", "lastStatusChangeTime"}
    assert (set(stopped), stopped["recording"], stopped["lastStatus"]) == (members, False, "SUCCESS")
    config.stop_configuration_recorder(ConfigurationRecorderName=recorder)
    assert status() == stopped


@pytest.mark.parametrize(
    ("operation", "params", "error"),
    [
        # Live, in start-missing-recorder and delete-missing-recorder.
        ("start_configuration_recorder", {"ConfigurationRecorderName": "missing"}, NOT_THERE),
        ("delete_configuration_recorder", {"ConfigurationRecorderName": "missing"}, NOT_THERE),
        ("stop_configuration_recorder", {"ConfigurationRecorderName": "missing"}, NOT_THERE),
        ("describe_configuration_recorders", {"ConfigurationRecorderNames": ["missing"]}, (NOT_THERE[0], "")),
        ("describe_configuration_recorder_status", {"ConfigurationRecorderNames": ["missing"]}, (NOT_THERE[0], "")),
        ("describe_delivery_channels", {"DeliveryChannelNames": ["missing"]}, ("NoSuchDeliveryChannelException", "")),
        ("describe_configuration_recorders", {"ServicePrincipal": "x.amazonaws.com"}, ("ValidationException", "")),
    ],
)
@pytest.mark.usefixtures("recorder")
def test_an_unknown_recorder_or_channel_is_refused(
    config: Client, operation: str, params: dict[str, Any], error: tuple[str, str]
) -> None:
    code, message = refusal(getattr(config, operation), **params)
    assert (code, message[: len(error[1])]) == error


def test_a_rule_needs_a_recorder_and_its_function_gets_the_recorders_role(client: Clients, account_id: str, notes: str) -> None:
    config = client("config", account_id)
    config.put_configuration_recorder(ConfigurationRecorder={"roleARN": role_of(account_id)})
    config.put_config_rule(ConfigRule=rule(notes))
    [event] = eventually(lambda: noted_events(client, account_id))
    assert event["executionRoleArn"] == role_of(account_id)
    config.stop_configuration_recorder(ConfigurationRecorderName="default")
    config.delete_configuration_recorder(ConfigurationRecorderName="default")
    assert refusal(config.put_config_rule, ConfigRule=rule(notes, "other")) == (
        "NoAvailableConfigurationRecorderException",
        "You must create a configuration recorder before you can create or update a Config rule.",
    )
