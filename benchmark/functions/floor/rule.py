"""The floor: the same calls with bare boto3.

It has the package's network settings, kept clients for the function's own account, and log line.  It lacks everything else: it
checks no event, explains no error, and ignores evaluations that AWS Config returns as failed.
"""

import json
import logging
import os
from typing import Any

import boto3
from botocore.config import Config

REGION = os.environ["AWS_REGION"]
CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})

logger = logging.getLogger("floor")
logger.setLevel(logging.INFO)
session: Any = boto3.Session(region_name=REGION)  # the stubs want the name of a service for its client
own_clients: dict[str, Any] = {}


def lambda_handler(event: dict[str, Any], _: object) -> list[dict[str, str]]:
    """Evaluate the account of the event and report the evaluation."""
    account_id = event["accountId"]
    iam, config = clients(account_id, json.loads(event["ruleParameters"]).get("ExecutionRoleName"))
    verdict = "COMPLIANT" if root_has_a_virtual_device(iam, account_id) else "NON_COMPLIANT"
    evaluations = [
        {
            "ComplianceResourceType": "AWS::::Account",
            "ComplianceResourceId": account_id,
            "ComplianceType": verdict,
            "Annotation": f"The verdict of the floor is {verdict}.",
            "OrderingTimestamp": json.loads(event["invokingEvent"])["notificationCreationTime"],
        }
    ]
    config.put_evaluations(Evaluations=evaluations, ResultToken=event["resultToken"])
    logger.info("evaluation", extra={"account": account_id, "verdict": verdict})
    return evaluations


def clients(account_id: str, role_name: str | None) -> tuple[Any, Any]:
    """Return clients for IAM and AWS Config: the kept ones, or with a role new ones with the role's credentials."""
    if role_name is None:
        return own_client("iam"), own_client("config")
    role = {"RoleArn": f"arn:aws:iam::{account_id}:role/{role_name}", "RoleSessionName": "floor", "DurationSeconds": 900}
    credentials = own_client("sts").assume_role(**role)["Credentials"]
    iam, config = (
        session.client(
            service,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=CONFIG,
        )
        for service in ("iam", "config")
    )
    return iam, config


def own_client(service: str) -> Any:  # noqa: ANN401 - a client of any service
    """Return the client with the function's own credentials."""
    if service not in own_clients:
        own_clients[service] = session.client(service, config=CONFIG)
    return own_clients[service]


def root_has_a_virtual_device(iam: Any, account_id: str) -> bool:  # noqa: ANN401 - a client has no type at run time
    """Ask IAM; ask for the devices only if MFA is on."""
    if not iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"]:
        return False
    root = f"arn:aws:iam::{account_id}:root"
    request = {"AssignmentStatus": "Assigned", "MaxItems": 1000}
    while True:
        page = iam.list_virtual_mfa_devices(**request)
        if any(device.get("User", {}).get("Arn") == root for device in page["VirtualMFADevices"]):
            return True
        if not page["IsTruncated"]:
            return False
        request["Marker"] = page["Marker"]
