"""Invoke the built artefact with an event, deployed on the local AWS, and show result, log and time.

Exit code 0 if the function answered, 1 if the invocation failed.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.sam import (
    ACCOUNT_STACK_NAME,
    EVALUATION_ROLE_NAME,
    STACK_NAME,
    DeploymentError,
    deploy,
    deploy_account,
    let_assume_evaluation_roles,
)
from local_aws.client import PROJECT, LocalAwsClient, LocalAwsError, LocalAwsProcess

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

CENTRAL_ACCOUNT_ID = "012345678912"
LONGEST_INVOCATION = 150
"""Seconds: more than the function's time-out."""


def main(words: Sequence[str] | None = None) -> int:
    """Invoke the function, with these words as arguments or the process's; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make invoke", description=__doc__)
    parser.add_argument("event", type=Path, help="JSON file with the event, such as events/scheduled-own-account.json")
    parser.add_argument("--port", type=int, help="of a local AWS that runs (default: one is started for this)")
    arguments = parser.parse_args(words)
    try:
        event = json.loads(arguments.event.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"make invoke: {arguments.event} is not a file with JSON: {error}", file=sys.stderr)
        return 2
    try:
        with _local_aws(arguments.port) as local_aws:
            _prepare(local_aws, event)
            return _invoke(local_aws, event)
    except (LocalAwsError, DeploymentError) as error:
        print(f"make invoke: {error}", file=sys.stderr)
        return 2


@contextmanager
def _local_aws(port: int | None) -> Iterator[LocalAwsClient]:
    if port is not None:
        running = LocalAwsClient(port)
        running.accounts()  # its error is the clearest if none is running
        yield running
        return
    with (
        TemporaryDirectory(prefix="root-virtual-mfa-invoke-") as directory,
        LocalAwsProcess(PROJECT / "local_aws/accounts.yaml", Path(directory, "local-aws.log")) as local_aws,
    ):
        yield local_aws


def _prepare(local_aws: LocalAwsClient, event: object) -> None:
    """Deploy what is not there yet: the application, and account.yaml in the member account that the event is about."""
    if not _has_stack(local_aws, CENTRAL_ACCOUNT_ID, STACK_NAME):
        print(f"sam deploy to account {CENTRAL_ACCOUNT_ID} of the local AWS …", flush=True)
        deploy(local_aws, CENTRAL_ACCOUNT_ID)
    account_id = str(event.get("accountId")) if isinstance(event, dict) else ""
    is_member = account_id in local_aws.accounts() and account_id != CENTRAL_ACCOUNT_ID
    if is_member and not _has_stack(local_aws, account_id, ACCOUNT_STACK_NAME):
        print(f"account.yaml to account {account_id} …", flush=True)
        deploy_account(local_aws, account_id, CENTRAL_ACCOUNT_ID)
    if is_member:
        print(
            f"Deployed for one account, the function may assume no role: now it may assume {EVALUATION_ROLE_NAME}.", flush=True
        )
        let_assume_evaluation_roles(local_aws, CENTRAL_ACCOUNT_ID)


def _has_stack(local_aws: LocalAwsClient, account_id: str, name: str) -> bool:
    cloudformation: CloudFormationClient = boto3_client(local_aws, "cloudformation", account_id)
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError:
        return False
    return True


def _invoke(local_aws: LocalAwsClient, event: object) -> int:
    cloudformation: CloudFormationClient = boto3_client(local_aws, "cloudformation", CENTRAL_ACCOUNT_ID)
    [stack] = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    patient = Config(read_timeout=LONGEST_INVOCATION, retries={"total_max_attempts": 1})
    function: LambdaClient = boto3_client(local_aws, "lambda", CENTRAL_ACCOUNT_ID, patient)
    started = time.monotonic()
    answer = function.invoke(FunctionName=outputs["FunctionArn"], Payload=json.dumps(event), LogType="Tail")
    seconds = time.monotonic() - started
    logs: CloudWatchLogsClient = boto3_client(local_aws, "logs", CENTRAL_ACCOUNT_ID)
    *_, report = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request_id = json.loads(report)["record"]["requestId"]  # each line has it, since the function logs JSON
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=outputs["LogGroupName"])
    written = [event for page in pages for event in page["events"] if request_id in event["message"]]
    failed = "FunctionError" in answer
    print("\nLog:")
    for line in written:
        print(f"  {line['message']}")
    print(f"\n{'Failed' if failed else 'Result'}, after {seconds * 1000:.0f} ms:")
    print(json.dumps(json.loads(answer["Payload"].read()), indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
