"""Deploys the package without the SAM CLI's start, which takes longer than the deployment itself.

The SAM CLI packages once in each process of the tests.  What it makes of that goes to CloudFormation as `sam deploy`
sends it: a change set with the settings of samconfig.toml.  Tests about a deployment use demo.sam, and so the SAM CLI itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from demo.clients import boto3_client
from demo.sam import STACK_NAME, DeploymentError, organization_parameters, sam
from local_aws.client import REGION, LocalAwsClient

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

_BUCKET = "BUCKET"
"""Stands in the template for the bucket that a deployment uploads to, since no two accounts have a bucket of one name."""
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_POLL = {"Delay": 0.1, "MaxAttempts": 3000}


@dataclass(frozen=True)
class _Package:
    """What `sam package` made: objects by their keys, and the template, which refers to them by `endpoint_url`."""

    template: str
    objects: Mapping[str, bytes]
    endpoint_url: str


def deploy(aws: LocalAwsClient, account_id: str, parameters: Mapping[str, str] | None = None) -> None:
    """Deploy template.yaml to an account, or change the stack that is there, and wait for the end. Raises DeploymentError."""
    _deploy(aws, account_id, dict(parameters or {}), rollback=True)


def deploy_organization(aws: LocalAwsClient, account_id: str, parameters: Mapping[str, str] | None = None) -> None:
    """Deploy template.yaml for the local AWS's organization from `account_id`, like `deploy`."""
    _deploy(aws, account_id, organization_parameters(aws) | dict(parameters or {}), rollback=False)


def _deploy(aws: LocalAwsClient, account_id: str, parameters: Mapping[str, str], *, rollback: bool) -> None:
    package = _packaged(aws)
    s3, cloudformation = boto3_client(aws, "s3", account_id), boto3_client(aws, "cloudformation", account_id)
    bucket = f"packaged-{account_id}"
    s3.create_bucket(Bucket=bucket)
    template = package.template.replace(package.endpoint_url, aws.endpoint_url).replace(_BUCKET, bucket)
    for key, body in {**package.objects, "template.yaml": template.encode()}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    given: list[ParameterTypeDef] = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    there = [stack for stack in cloudformation.describe_stacks()["Stacks"] if stack["StackName"] == STACK_NAME]
    for stack in there:
        kept = [each["ParameterKey"] for each in stack["Parameters"] if each["ParameterKey"] not in parameters]
        given += [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
    change_set = {"StackName": STACK_NAME, "ChangeSetName": f"change-{token_hex(8)}"}
    try:
        cloudformation.create_change_set(
            **change_set,
            ChangeSetType="UPDATE" if there else "CREATE",
            TemplateURL=f"{aws.endpoint_url}/{bucket}/template.yaml",
            Parameters=given,
            Capabilities=_CAPABILITIES,
        )
    except ClientError as error:
        raise DeploymentError(str(error)) from error
    cloudformation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=_POLL)
    cloudformation.execute_change_set(**change_set, DisableRollback=not rollback)
    waiter = cloudformation.get_waiter("stack_update_complete" if there else "stack_create_complete")
    try:
        waiter.wait(StackName=STACK_NAME, WaiterConfig=_POLL)
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
        raise DeploymentError("\n".join([str(error), *reasons])) from error


_packages: list[_Package] = []
"""What this process has packaged: nothing yet, or the one package."""


def _packaged(aws: LocalAwsClient) -> _Package:
    """Return the package; the first local AWS that something is deployed to is the one that the SAM CLI packages for."""
    if not _packages:
        bucket, account_id = "to-package", next(iter(aws.accounts()))
        s3 = boto3_client(aws, "s3", account_id)
        s3.create_bucket(Bucket=bucket)
        with TemporaryDirectory() as directory:
            template = Path(directory, "template.yaml")
            where = ("--s3-bucket", bucket, "--region", REGION, "--output-template-file", str(template))
            sam(aws, account_id, "package", *where)
            text = template.read_text(encoding="utf-8").replace(bucket, _BUCKET)
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        objects = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        s3.delete_bucket(Bucket=bucket)
        _packages.append(_Package(text, objects, aws.endpoint_url))
    return _packages[0]
