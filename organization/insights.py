"""Runs queries of CloudWatch Logs Insights, as many at a time as AWS lets run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from organization import aws
from organization.aws import CommandError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

# A query of Logs Insights takes a second or more. StartQuery has a limit of queries that run at once in the account.
_PAUSES = (0.05, 0.1, 0.2, 0.4, *(1.0,) * 120)
"""Seconds between looks at a running query, or between attempts to start one."""
_BUSY = frozenset({"LimitExceededException", "ThrottlingException"})
_WAITING = frozenset({"Scheduled", "Running", "Unknown"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found: its rows, each with its fields by name, and how many bytes it scanned, which AWS charges for."""

    rows: Sequence[dict[str, str]]
    bytes_scanned: int


def run(logs: "CloudWatchLogsClient", log_group_name: str, query: str, start: datetime, end: datetime) -> Answer:
    """Run a query over the events from `start` to `end`, in whole seconds, and wait for its end.

    Raises CommandError if it fails, or if AWS does not start or end it in two minutes, and ClientError if AWS refuses it.
    """
    query_id = _started(logs, log_group_name, query, start, end)
    for pause in _PAUSES:
        answer = logs.get_query_results(queryId=query_id)
        if answer["status"] not in _WAITING:
            break
        time.sleep(pause)
    else:
        message = f"The query of the log group {log_group_name} did not end in two minutes."
        raise CommandError(message)
    if answer["status"] != "Complete":
        message = f"The query of the log group {log_group_name} ended as {answer['status']}."
        raise CommandError(message)
    rows = [{each["field"]: each["value"] for each in row} for row in answer["results"]]
    return Answer(rows, int(answer.get("statistics", {}).get("bytesScanned", 0)))


def _started(logs: "CloudWatchLogsClient", log_group_name: str, query: str, start: datetime, end: datetime) -> str:
    """Start a query, when AWS lets one more run."""
    first, last = (int(each.timestamp()) for each in (start, end))
    for pause in _PAUSES:
        try:
            return logs.start_query(logGroupName=log_group_name, startTime=first, endTime=last, queryString=query)["queryId"]
        except ClientError as error:
            if aws.code_of(error) not in _BUSY:
                raise
        time.sleep(pause)
    message = "CloudWatch Logs started no query for two minutes, since too many others run."
    raise CommandError(message)
