"""Roles that tests make and assume, and clients with the credentials of a session."""

from typing import Any

import boto3
from botocore.config import Config

from local_aws.client import REGION, LocalAwsClient
from tests.local_aws.scene import Client, Clients, allow, trust

Credentials = dict[str, str]


class Acting:
    """Gives clients that act with credentials of a session or an IAM user."""

    def __init__(self, local_aws: LocalAwsClient) -> None:
        self._endpoint_url = local_aws.endpoint_url
        self._session = boto3.Session()

    def __call__(self, service: Any, credentials: Credentials) -> Client:  # noqa: ANN401 - a service's name
        return self._session.client(
            service,
            region_name=REGION,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )


def make_role(client: Clients, account_id: str, name: str, trust_policy: str, *actions: str) -> str:
    iam = client("iam", account_id)
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]
    if actions:
        iam.put_role_policy(RoleName=name, PolicyName="actions", PolicyDocument=allow(*actions))
    return arn


def assume(sts: Client, arn: str, **params: Any) -> Credentials:  # noqa: ANN401 - the request's
    credentials: Credentials = sts.assume_role(RoleArn=arn, RoleSessionName="test", **params)["Credentials"]
    return credentials


def trust_account(account_id: str, condition: dict[str, Any] | None = None) -> str:
    return trust({"AWS": f"arn:aws:iam::{account_id}:root"}, condition)
