"""Configuration recorders and delivery channels of AWS Config: one of each for an account and Region.

It records only the compliance of resources, and delivers nothing.  PutDeliveryChannel looks for the bucket, and
not whether AWS Config may write to it.
Sources: API model, config.  Live: what real AWS was seen to answer in September 2026 (radkawar/stackd,
testdata/aws/configservice/lifecycle.json).
"""

import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local_aws.core import callers, ministack_seams
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError

_SERVICE_ROLE = "arn:aws:iam::{account}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
_NAME = "default"
"""The name of a recorder or channel that is given none. Source: API model, ConfigurationRecorder.name."""
_NOT_EMULATED = ("arn", "recordingScope", "servicePrincipal", "connectorArn", "scopeConfiguration")
_ALL, _THESE, _OTHERS = "ALL_SUPPORTED_RESOURCE_TYPES", "INCLUSION_BY_RESOURCE_TYPES", "EXCLUSION_BY_RESOURCE_TYPES"
_EVERYTHING = {"allSupported": True}
_NOT_THERE = (
    "The name of the configuration recorder you entered cannot be found. Verify the configuration recorder name, and try again."
)

Request = dict[str, Any]


@dataclass
class Recorder:
    """A recorder: its settings as the API shows them, and its status."""

    settings: dict[str, Any]
    changed: datetime
    recording: bool = False
    started: datetime | None = None
    stopped: datetime | None = None

    @property
    def name(self) -> str:
        """The recorder's name."""
        return str(self.settings["name"])

    def records(self, resource_type: str) -> bool:
        """Tell whether it records a type when it is on."""
        group = self.settings["recordingGroup"]
        excluded = group["exclusionByResourceTypes"]["resourceTypes"]
        match group["recordingStrategy"]["useOnly"]:
            case "INCLUSION_BY_RESOURCE_TYPES":
                return resource_type in group["resourceTypes"]
            case "EXCLUSION_BY_RESOURCE_TYPES":
                return resource_type not in excluded
            case _:
                return True


class Recorders:
    """The recorders and delivery channels of all accounts. Each operation raises AwsError."""

    def __init__(self, clock: Clock) -> None:
        """Start without recorders."""
        self._clock = clock
        self._recorders: dict[Scope, Recorder] = {}
        self._channels: dict[Scope, dict[str, Any]] = {}
        self.operations: dict[str, Callable[[str, Request], Request]] = {
            "PutConfigurationRecorder": self.put_configuration_recorder,
            "DescribeConfigurationRecorders": self.describe_configuration_recorders,
            "DescribeConfigurationRecorderStatus": self.describe_configuration_recorder_status,
            "StartConfigurationRecorder": self.start_configuration_recorder,
            "StopConfigurationRecorder": self.stop_configuration_recorder,
            "DeleteConfigurationRecorder": self.delete_configuration_recorder,
            "PutDeliveryChannel": self.put_delivery_channel,
            "DescribeDeliveryChannels": self.describe_delivery_channels,
            "DeleteDeliveryChannel": self.delete_delivery_channel,
        }

    def start(self, account_id: str, region: str) -> None:
        """Set AWS Config up in an account and Region, as its console does: it records everything."""
        scope, now = (account_id, region), self._clock.now()
        settings = {"roleARN": _SERVICE_ROLE.format(account=account_id), "recordingGroup": _EVERYTHING}
        self._recorders[scope] = Recorder(_settings(scope, settings, None), now, recording=True, started=now)
        self._channels[scope] = {"name": _NAME, "s3BucketName": f"config-bucket-{account_id}"}

    def find(self, scope: Scope) -> Recorder | None:
        """Return the recorder of an account and Region, or None."""
        return self._recorders.get(scope)

    def role(self, scope: Scope) -> str:
        """Return the ARN of the role that AWS Config uses to look at an account: the recorder's, or the service-linked one."""
        recorder = self._recorders.get(scope)
        return str(recorder.settings["roleARN"]) if recorder else _SERVICE_ROLE.format(account=scope[0])

    # Recorders

    def put_configuration_recorder(self, account_id: str, params: Request) -> Request:
        """Create the recorder, or change all of it but its name. A new one does not record yet."""
        given, scope = params["ConfigurationRecorder"], callers.scope(account_id)
        for member in _NOT_EMULATED:
            if member in given:
                raise AwsError("ValidationException", f"The local AWS does not emulate {member} of a configuration recorder.")
        known, name = self._recorders.get(scope), given.get("name", _NAME)
        if known is not None and known.name != name:
            message = (
                f"Failed to put configuration recorder '{name}' because the maximum number of configuration recorders: 1 is "
                "reached."
            )
            raise AwsError("MaxNumberOfConfigurationRecordersExceededException", message)
        if not re.fullmatch(rf"arn:aws:iam::{account_id}:role/\S+", given.get("roleARN", "")):
            raise AwsError("InvalidRoleException", "The role arn passed is not valid.")
        settings = _settings(scope, given, known)
        if known is None:
            self._recorders[scope] = Recorder(settings, self._clock.now())
        else:
            known.settings = settings
        return {}

    def describe_configuration_recorders(self, account_id: str, params: Request) -> Request:
        """Describe the recorder."""
        return {"ConfigurationRecorders": [recorder.settings for recorder in self._described(account_id, params)]}

    def describe_configuration_recorder_status(self, account_id: str, params: Request) -> Request:
        """Return whether the recorder records. AWS writes the status in capitals, other than its API model."""
        return {
            "ConfigurationRecordersStatus": [
                {
                    "arn": recorder.settings["arn"],
                    "name": recorder.name,
                    **({"lastStartTime": recorder.started} if recorder.started else {}),
                    **({"lastStopTime": recorder.stopped} if recorder.stopped else {}),
                    "recording": recorder.recording,
                    "lastStatus": "SUCCESS" if recorder.started else "PENDING",
                    "lastStatusChangeTime": recorder.changed,
                }
                for recorder in self._described(account_id, params)
            ]
        }

    def _described(self, account_id: str, params: Request) -> list[Recorder]:
        recorder = self._recorders.get(callers.scope(account_id))
        for name in params.get("ConfigurationRecorderNames", []):
            if recorder is None or recorder.name != name:
                message = f"Cannot find configuration recorder with the specified name '{name}'."
                raise AwsError("NoSuchConfigurationRecorderException", message)
        if "ServicePrincipal" in params or "Arn" in params:
            message = "The local AWS finds configuration recorders by name only."
            raise AwsError("ValidationException", message)
        return [recorder] if recorder else []

    def start_configuration_recorder(self, account_id: str, params: Request) -> Request:
        """Let the recorder record. It needs a delivery channel."""
        recorder = self._named(account_id, params)
        if callers.scope(account_id) not in self._channels:
            message = "Delivery channel is not available to start configuration recorder."
            raise AwsError("NoAvailableDeliveryChannelException", message)
        recorder.recording, recorder.started = True, self._clock.now()
        recorder.changed = recorder.started
        return {}

    def stop_configuration_recorder(self, account_id: str, params: Request) -> Request:
        """Let the recorder record no more."""
        recorder = self._named(account_id, params)
        if recorder.recording:
            recorder.recording, recorder.stopped = False, self._clock.now()
            recorder.changed = recorder.stopped
        return {}

    def delete_configuration_recorder(self, account_id: str, params: Request) -> Request:
        """Delete the recorder. Rules and results stay."""
        self._named(account_id, params)
        del self._recorders[callers.scope(account_id)]
        return {}

    def _named(self, account_id: str, params: Request) -> Recorder:
        recorder = self._recorders.get(callers.scope(account_id))
        if recorder is None or recorder.name != params["ConfigurationRecorderName"]:
            raise AwsError("NoSuchConfigurationRecorderException", _NOT_THERE)
        return recorder

    # Delivery channels

    def put_delivery_channel(self, account_id: str, params: Request) -> Request:
        """Create the delivery channel, or change all of it but its name. The recorder comes first."""
        given, scope = params["DeliveryChannel"], callers.scope(account_id)
        if scope not in self._recorders:
            message = "Configuration recorder is not available to put delivery channel."
            raise AwsError("NoAvailableConfigurationRecorderException", message)
        channel = {"name": _NAME, **given}
        known = self._channels.get(scope)
        if known is not None and known["name"] != channel["name"]:
            message = (
                f"Failed to put delivery channel '{channel['name']}' because the maximum number of delivery channels: 1 is "
                "reached."
            )
            raise AwsError("MaxNumberOfDeliveryChannelsExceededException", message)
        if not given.get("s3BucketName"):
            raise AwsError("NoSuchBucketException", "Cannot find a S3 bucket with an empty bucket name.")
        if given["s3BucketName"] not in _buckets():
            raise AwsError("NoSuchBucketException", f"No such s3 bucket with name '{given['s3BucketName']}'.")
        topic = given.get("snsTopicARN")
        if topic is not None and not re.fullmatch(r"arn:aws:sns:[\w-]+:\d{12}:[\w.-]+", topic, re.ASCII):
            raise AwsError("InvalidSNSTopicARNException", f"The sns topic arn '{topic}' is not valid.")
        self._channels[scope] = channel
        return {}

    def describe_delivery_channels(self, account_id: str, params: Request) -> Request:
        """Describe the delivery channel."""
        channel = self._channels.get(callers.scope(account_id))
        for name in params.get("DeliveryChannelNames", []):
            _check_channel(channel, name)
        return {"DeliveryChannels": [channel] if channel else []}

    def delete_delivery_channel(self, account_id: str, params: Request) -> Request:
        """Delete the delivery channel, unless the recorder is on."""
        scope, name = callers.scope(account_id), params["DeliveryChannelName"]
        _check_channel(self._channels.get(scope), name)
        recorder = self._recorders.get(scope)
        if recorder is not None and recorder.recording:
            message = (
                f"Failed to delete last specified delivery channel with name '{name}', because there is a running "
                "configuration recorder."
            )
            raise AwsError("LastDeliveryChannelDeleteFailedException", message)
        del self._channels[scope]
        return {}


def _check_channel(channel: Mapping[str, Any] | None, name: str) -> None:
    if channel is None or channel["name"] != name:
        message = f"Cannot find delivery channel with specified name '{name}'."
        raise AwsError("NoSuchDeliveryChannelException", message)


def _buckets() -> frozenset[str]:
    """Return the names of all buckets: a bucket may be another account's."""
    buckets = ministack_seams.module("ministack.services.s3")._buckets
    return frozenset(name for _, name in buckets._data)


def _settings(scope: Scope, given: Mapping[str, Any], known: Recorder | None) -> dict[str, Any]:
    """Return a recorder's settings with everything that the API shows of them. Raises AwsError for an invalid group."""
    account_id, region = scope
    name = given.get("name", _NAME)
    suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(16))
    mode = given.get("recordingMode", {"recordingFrequency": "CONTINUOUS"})
    return {
        "arn": known.settings["arn"]
        if known
        else f"arn:aws:config:{region}:{account_id}:configuration-recorder/{name}/{suffix}",
        "name": name,
        "roleARN": given["roleARN"],
        "recordingGroup": _group(given.get("recordingGroup", _EVERYTHING)),
        "recordingMode": {"recordingModeOverrides": [], **mode},
        "recordingScope": "PAID",
    }


def _group(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recording group with all its members.

    It is valid if it has exactly one of its three parts (everything, these types, all except these types), if the strategy is
    that of the part, and if only everything includes global types. Source: API model, RecordingGroup and RecordingStrategy.
    """
    everything, types = given.get("allSupported", False), given.get("resourceTypes", [])
    excluded = given.get("exclusionByResourceTypes", {}).get("resourceTypes", [])
    strategies = [name for name, part in ((_ALL, everything), (_THESE, types), (_OTHERS, excluded)) if part]
    includes_global = given.get("includeGlobalResourceTypes", False)
    chosen = given.get("recordingStrategy", {}).get("useOnly")
    if len(strategies) != 1 or chosen not in {None, *strategies} or (includes_global and not everything):
        raise AwsError("InvalidRecordingGroupException", "The recording group provided is not valid.")
    return {
        "allSupported": everything,
        "includeGlobalResourceTypes": includes_global,
        "resourceTypes": types,
        "exclusionByResourceTypes": {"resourceTypes": excluded},
        "recordingStrategy": {"useOnly": strategies[0]},
    }
