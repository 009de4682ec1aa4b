"""CloudWatch Logs: what it refuses of log groups, log streams and their tags. MiniStack keeps them.

Sources: API model and API reference, logs (retention in days, reserved prefixes).  Live: "The specified log group already
exists" and "The specified log group does not exist.", as users quote them.  Guess: the words for tags that AWS reserves.
"""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.logs import log_groups
from local_aws.logs.log_groups import LogGroup

RETENTION_DAYS = (*(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),)
"""Source: API reference, PutRetentionPolicy. The model has no such list."""
_MOST_TAGS = 50
_NOT_EMULATED = ("kmsKeyId", "deletionProtectionEnabled")
_GROUP_ARN = re.compile(r"arn:[\w-]+:logs:[\w-]+:\d{12}:log-group:[^:*]+(:\*)?", re.ASCII)
_EXISTS = "ResourceAlreadyExistsException"
_INVALID = "InvalidParameterException"


class LogGroupOperations:
    """The operations that make, change and delete log groups and log streams. MiniStack answers what is not refused here."""

    def __init__(self, clock: Clock) -> None:
        """Tell the time by `clock`."""
        self._clock = clock

    @property
    def operations(self) -> Operations:
        """Return what checks each operation."""
        return {
            "CreateLogGroup": self._create_log_group,
            **dict.fromkeys(("DeleteLogGroup", "DeleteRetentionPolicy"), self._of_group),
            "PutRetentionPolicy": self._put_retention_policy,
            "CreateLogStream": self._create_log_stream,
            "DeleteLogStream": self._delete_log_stream,
            "TagResource": self._tag_resource,
            **dict.fromkeys(("UntagResource", "ListTagsForResource"), self._of_resource),
        }

    def _create_log_group(self, _: str, params: dict[str, Any]) -> None:
        name = params["logGroupName"]
        for member in _NOT_EMULATED:
            if params.get(member):
                raise AwsError(_INVALID, f"The local AWS does not emulate {member} of log groups.")
        if name.startswith("aws/"):
            raise AwsError(_INVALID, "Log groups starting with AWS/ are reserved for AWS.")
        _check_tags(params.get("tags", {}))
        if any(group.name == name for group in log_groups.every(self._clock.now())):
            raise AwsError(_EXISTS, "The specified log group already exists")

    def _of_group(self, _: str, params: dict[str, Any]) -> None:
        self._group(params)

    def _put_retention_policy(self, _: str, params: dict[str, Any]) -> None:
        check_retention(params["retentionInDays"])
        self._group(params)

    def _create_log_stream(self, _: str, params: dict[str, Any]) -> None:
        if params["logStreamName"] in self._group(params).streams:
            raise AwsError(_EXISTS, "The specified log stream already exists")

    def _delete_log_stream(self, _: str, params: dict[str, Any]) -> None:
        self._group(params).stream(params["logStreamName"])

    def _tag_resource(self, account_id: str, params: dict[str, Any]) -> None:
        _check_tags(params["tags"])
        self._of_resource(account_id, params)
        record = log_groups.named(params["resourceArn"], self._clock.now()).record
        if len({*record["tags"], *params["tags"]}) > _MOST_TAGS:
            message = f"A resource can have no more than {_MOST_TAGS} tags."
            raise AwsError("TooManyTagsException", message, members={"resourceName": params["resourceArn"]})

    def _of_resource(self, _: str, params: dict[str, Any]) -> None:
        arn = params["resourceArn"]
        if not _GROUP_ARN.fullmatch(arn):
            raise AwsError(_INVALID, f"The local AWS has tags of log groups only, and {arn} is not the ARN of one.")
        log_groups.named(arn, self._clock.now())

    def _group(self, params: Mapping[str, Any]) -> LogGroup:
        return log_groups.named(params["logGroupName"], self._clock.now())


def check_retention(days: int) -> None:
    """Refuse a number of days that CloudWatch Logs does not have. Raises AwsError."""
    if days not in RETENTION_DAYS:
        constraint = f"Member must satisfy enum value set: {[*RETENTION_DAYS]}"
        message = f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: {constraint}"
        raise AwsError(_INVALID, message)


def _check_tags(tags: Mapping[str, str]) -> None:
    for key in tags:
        if key.lower().startswith("aws:"):
            raise AwsError(_INVALID, f"aws: prefixed tag key names are not allowed for external use: {key}")
