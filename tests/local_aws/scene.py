"""Building blocks for the tests of the local AWS: clients, policies and functions."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.client import REGION, LocalAwsClient

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient

CENTRAL = "999900000000"
"""The account of the function that notes events."""
WITHOUT_RECORDER = "999900000001"
NOBODYS = "000000000000"
"""The account that MiniStack takes a request for that names none."""

PATIENCE = 600.0
"""Seconds for what comes by itself; a test that waits for so long has failed."""

WRITE_LOG = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")

Client = Any
"""A boto3 client. Its type is not the stubs', which would not take the bad requests of tests."""
Clients = Callable[[str, str], Client]
"""Returns a client of a service ("config") for the administrator of an account."""
Parameter = Any
"""A member of a request."""

_T = TypeVar("_T")


@cache
def _session() -> boto3.Session:
    """Return the one session of all clients: it reads each API model once, which takes longer than all else about a client."""
    return boto3.Session()


def clients_of(process: LocalAwsClient, **credentials: str | None) -> Clients:
    """Make clients that neither check requests nor retry, so that a test sees what the local AWS answers.

    They sign as the administrator of an account, or with `credentials`, named as boto3 names them.
    """
    settings = Config(parameter_validation=False, retries={"total_max_attempts": 1})

    @cache
    def client(service: str, account_id: str) -> Client:
        return _session().client(
            service,  # type: ignore[call-overload]  # the name is not known here
            region_name=REGION,
            endpoint_url=process.endpoint_url,
            **(credentials or {"aws_access_key_id": account_id, "aws_secret_access_key": "test"}),
            config=settings,
        )

    return client


def allow(*actions: str, resource: str = "*") -> str:
    """Make a policy document that allows actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: dict[str, str], condition: dict[str, Any] | None = None) -> str:
    """Make a trust policy document."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition or {}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def create_function(client: Clients, account_id: str, name: str, code: str, *actions: str, **settings: Parameter) -> str:
    """Create a function and its role, which allows `actions`, and return its ARN. `code` has a handler(event, context)."""
    iam: IAMClient = client("iam", account_id)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))["Role"]
    if actions:
        iam.put_role_policy(RoleName=name, PolicyName="function", PolicyDocument=allow(*actions))
    functions: LambdaClient = client("lambda", account_id)
    created = functions.create_function(
        FunctionName=name,
        Role=role["Arn"],
        Runtime="python3.13",
        Handler="example.handler",
        Code={"ZipFile": package(code)},
        **{"Timeout": 900, **settings},  # Lambda's own default, 3 seconds, may be too short on a busy machine
    )
    return created["FunctionArn"]


def package(code: str) -> bytes:
    """Zip a function's code."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("example.py", dedent(code))
    return zipped.getvalue()


def let_config_invoke(client: Clients, function_arn: str, source_account: str | None = None) -> None:
    """Let AWS Config invoke a function for one account or for all."""
    client("lambda", function_arn.split(":")[4]).add_permission(
        FunctionName=function_arn.split(":")[6],
        StatementId=f"config-{source_account}",
        Action="lambda:InvokeFunction",
        Principal="config.amazonaws.com",
        **({"SourceAccount": source_account} if source_account else {}),
    )


def rule(function_arn: str, name: str = "example", **settings: Parameter) -> dict[str, Any]:
    """Make a periodic rule."""
    details = [{"EventSource": "aws.config", "MessageType": "ScheduledNotification"}]
    source = {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": function_arn, "SourceDetails": details}
    return {"ConfigRuleName": name, "Source": source, **settings}


def log_lines(client: Clients, account_id: str, function_name: str) -> list[str]:
    """Return the lines of a function's log."""
    pages = client("logs", account_id).get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function_name}")
    try:
        return [event["message"] for page in pages for event in page["events"]]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []


def noted_events(client: Clients, account_id: str) -> list[dict[str, Any]]:
    """Return the events of an account that the central account's function noted."""
    noted = [json.loads(line) for line in log_lines(client, CENTRAL, "notes") if line.startswith("{")]
    return [event for event in noted if event["accountId"] == account_id]


def clock_time(sts: Client) -> datetime:
    """Return the time of a local AWS's clock, in whole seconds."""
    return parsedate_to_datetime(sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"])


def metric(client: Clients, account_id: str, namespace: str, name: str, **dimensions: str) -> float:
    """Return the sum of a metric's values of the last two weeks."""
    cloudwatch: CloudWatchClient = client("cloudwatch", account_id)
    now = clock_time(client("sts", account_id))
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(days=14),
        EndTime=now + timedelta(days=1),
        Period=24 * 3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def eventually(look: Callable[[], _T]) -> _T:
    """Return what `look` finds, as soon as that is something; after PATIENCE, what it found last."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def refusal(call: Callable[..., object], **params: Parameter) -> tuple[str, str]:
    """Return the code and the message of a call's error, "" if it has none."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    message = f"{params} was not refused."
    raise AssertionError(message)
