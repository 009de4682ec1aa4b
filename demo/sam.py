"""Deploys the package to the local AWS as operators do: template.yaml with the SAM CLI, account.yaml with CloudFormation."""

import json
import os
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from demo.clients import boto3_client
from local_aws.client import PROJECT, LocalAwsClient

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

STACK_NAME = "root-virtual-mfa"
ACCOUNT_STACK_NAME = "root-virtual-mfa-account"
RULE_NAME = "root-virtual-mfa-enabled"
FUNCTION_ROLE_NAME = "root-virtual-mfa-function"
EVALUATION_ROLE_NAME = "root-virtual-mfa-evaluation"
SAM = PROJECT / ".venvs/dev/bin/sam"


class DeploymentError(RuntimeError):
    """The SAM CLI did not deploy, or is missing; the message has what it said."""


def deploy(client: LocalAwsClient, account_id: str, parameters: Mapping[str, str] | None = None) -> str:
    """Deploy template.yaml to an account with `sam deploy`. Needs what `make build` makes.

    Returns what the SAM CLI printed.  Raises DeploymentError.
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


def deploy_organization(client: LocalAwsClient, account_id: str, parameters: Mapping[str, str] | None = None) -> str:
    """Deploy template.yaml for the local AWS's organization from `account_id`, like `deploy`."""
    values = organization_parameters(client) | dict(parameters or {})
    overrides = [f"{name}={value}" for name, value in values.items()]
    environment = ("--config-env", "organization", "--no-confirm-changeset")
    return sam(client, account_id, "deploy", *environment, "--parameter-overrides", *overrides)


def organization_parameters(client: LocalAwsClient) -> dict[str, str]:
    """Return the parameters of template.yaml that name the local AWS's organization."""
    organization = client.organization()
    return {
        "OrganizationId": organization["organization_id"],
        "OrganizationRootId": organization["root_id"],
        "ManagementAccountId": organization["management_account_id"],
    }


def sam(client: LocalAwsClient, account_id: str, *arguments: str) -> str:
    """Run the SAM CLI against an account of the local AWS; returns its output. Raises DeploymentError."""
    # None of the user's own AWS settings may send this to AWS.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= client.environment(account_id) | {
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",  # seconds between looks at the stack; its default of 5 is for AWS
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        # It leaves some of its temporary files behind.
        with TemporaryDirectory(prefix="sam-") as directory:
            ran = subprocess.run(  # noqa: S603 - the SAM CLI, with arguments of ours
                [SAM, *arguments],
                cwd=PROJECT,
                env=environment | {"TMPDIR": directory},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
    except FileNotFoundError as error:
        message = f"{SAM} is missing: run `make setup` first."
        raise DeploymentError(message) from error
    if ran.returncode != 0:
        message = f"sam {arguments[0]} failed in account {account_id} (exit code {ran.returncode}):\n{ran.stdout}"
        raise DeploymentError(message)
    return ran.stdout


def deploy_account(
    client: LocalAwsClient, account_id: str, central_account_id: str, parameters: Mapping[str, str] | None = None
) -> None:
    """Deploy account.yaml, with further `parameters`, to an account that the function in `central_account_id` evaluates."""
    cloudformation: CloudFormationClient = boto3_client(client, "cloudformation", account_id)
    template = (PROJECT / "account.yaml").read_text(encoding="utf-8")
    values = {**(parameters or {}), "CentralAccountId": central_account_id}
    cloudformation.create_stack(
        StackName=ACCOUNT_STACK_NAME,
        TemplateURL=uploaded(client, account_id, template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    poll = {"Delay": 0.1, "MaxAttempts": 6000}
    waiter.wait(StackName=ACCOUNT_STACK_NAME, WaiterConfig=poll)  # type: ignore[arg-type]  # it takes fractions of a second


def uploaded(client: LocalAwsClient, account_id: str, template: str) -> str:
    """Upload a template that is too long for a request to a bucket of the account, and return its URL."""
    bucket = f"templates-{account_id}"
    s3: S3Client = boto3_client(client, "s3", account_id)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="template.yaml", Body=template.encode())
    return f"{client.endpoint_url}/{bucket}/template.yaml"


def let_assume_evaluation_roles(client: LocalAwsClient, account_id: str) -> None:
    """Let the function in `account_id` assume evaluation roles. A deployment for one account does not allow that."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::*:role/{EVALUATION_ROLE_NAME}"}
    iam: IAMClient = boto3_client(client, "iam", account_id)
    iam.put_role_policy(
        RoleName=FUNCTION_ROLE_NAME,
        PolicyName="assume-evaluation-roles",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
