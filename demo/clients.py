"""boto3 clients of the local AWS."""

from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from local_aws.client import REGION, LocalAwsClient


def boto3_client(  # noqa: PLR0913 - they are those of a client
    local_aws: LocalAwsClient,
    service: str,
    account_id: str,
    config: Config | None = None,
    *,
    credentials: Mapping[str, str] | None = None,
    region: str = REGION,
) -> Any:  # noqa: ANN401 - a client of any service
    """Return a boto3 client of an administrator of an account, whatever AWS settings the environment has.

    With `credentials` it signs as their owner: AccessKeyId, SecretAccessKey and, for a session, SessionToken, as STS and IAM
    name them.
    """
    # The local AWS takes any secret of an administrator.
    signs = credentials or {"AccessKeyId": account_id, "SecretAccessKey": "test"}
    with _one_at_a_time:
        return _session().client(
            service,  # type: ignore[call-overload]  # any service's name
            region_name=region,
            endpoint_url=local_aws.endpoint_url,
            aws_access_key_id=signs["AccessKeyId"],
            aws_secret_access_key=signs["SecretAccessKey"],
            aws_session_token=signs.get("SessionToken"),
            config=config or _PATIENT,
        )


_PATIENT = Config(read_timeout=600)
"""A busy machine takes its time."""

_one_at_a_time = Lock()
"""A session makes one client at a time."""


@cache
def _session() -> boto3.Session:
    """Return the one session of all clients: it reads each API model once, which takes longer than all else about a client."""
    return boto3.Session()
