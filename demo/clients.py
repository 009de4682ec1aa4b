"""boto3 clients of the local AWS."""

from collections.abc import Mapping
from functools import cache, lru_cache
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

    The same request gets the same client, with its open connection. With `credentials` it signs as their owner: AccessKeyId,
    SecretAccessKey and, for a session, SessionToken, as STS and IAM name them.
    """
    # The local AWS takes any secret of an administrator.
    signs = credentials or {"AccessKeyId": account_id, "SecretAccessKey": "test"}
    key = (signs["AccessKeyId"], signs["SecretAccessKey"], signs.get("SessionToken"))
    with _one_at_a_time:
        return _client(local_aws.endpoint_url, service, region, key, config or _PATIENT)


@lru_cache(maxsize=128)
def _client(endpoint_url: str, service: str, region: str, key: tuple[str, str, str | None], config: Config) -> Any:  # noqa: ANN401 - a client of any service
    return _session().client(
        service,  # type: ignore[call-overload]  # any service's name
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=key[2],
        config=config,
    )


_PATIENT = Config(read_timeout=600)
"""A busy machine takes its time."""

_one_at_a_time = Lock()
"""A session makes one client at a time."""


@cache
def _session() -> boto3.Session:
    """Return the one session of all clients: it reads each API model once, which takes longer than the rest of a client."""
    return boto3.Session()
