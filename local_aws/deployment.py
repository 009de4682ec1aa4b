"""Deploys the package to the local AWS as a user deploys it to AWS: with the SAM CLI, and CloudFormation for account.yaml."""

import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

import boto3

from local_aws.client import PROJECT, REGION, LocalAwsClient

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

STACK_NAME = "root-virtual-mfa"
ACCOUNT_STACK_NAME = "root-virtual-mfa-account"
RULE_NAME = "root-virtual-mfa-enabled"
EXECUTION_ROLE_NAME = "root-virtual-mfa-evaluation"
SAM = PROJECT / ".venvs/dev/bin/sam"


class DeploymentError(RuntimeError):
    """The SAM CLI did not deploy; the message has what it said."""


def session(client: LocalAwsClient, account_id: str) -> boto3.Session:
    """Return a boto3 session of an administrator of an account; its clients need `endpoint_url=client.endpoint_url`."""
    return boto3.Session(aws_access_key_id=account_id, aws_secret_access_key="test", region_name=REGION)  # noqa: S106 - the local AWS takes any


def deploy(client: LocalAwsClient, account_id: str, parameters: Mapping[str, str] | None = None) -> str:
    """Deploy template.yaml to an account with `sam deploy`; `make build` has been run before.

    Returns what the SAM CLI printed.  Raises DeploymentError where it failed.
    """
    overrides = [f"{name}={value}" for name, value in (parameters or {}).items()]
    return sam(
        client,
        account_id,
        "deploy",
        "--config-env",
        "local",
        *(["--parameter-overrides", *overrides] if overrides else []),
    )


def delete(client: LocalAwsClient, account_id: str) -> str:
    """Delete the stack with `sam delete`. Raises DeploymentError where that failed."""
    return sam(client, account_id, "delete", "--config-env", "local", "--no-prompts")


def sam(client: LocalAwsClient, account_id: str, *arguments: str) -> str:
    """Run the SAM CLI against an account of the local AWS; returns its output. Raises DeploymentError."""
    # Nothing of the user's own AWS settings may send this to AWS.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= client.environment(account_id) | {
        "SAM_CLI_TELEMETRY": "0",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ran = subprocess.run(  # noqa: S603 - the SAM CLI, with arguments of ours
        [SAM, *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        message = f"sam {arguments[0]} failed in account {account_id} (exit code {ran.returncode}):\n{ran.stdout}"
        raise DeploymentError(message)
    return ran.stdout


def deploy_account(client: LocalAwsClient, account_id: str, central_account_id: str) -> None:
    """Deploy account.yaml to an account that the function in `central_account_id` evaluates."""
    cloudformation: CloudFormationClient = session(client, account_id).client(
        "cloudformation", endpoint_url=client.endpoint_url
    )
    cloudformation.create_stack(
        StackName=ACCOUNT_STACK_NAME,
        TemplateBody=(PROJECT / "account.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": "CentralAccountId", "ParameterValue": central_account_id}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=ACCOUNT_STACK_NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
