"""How the commands reach AWS, and what they say if they cannot."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from organization import project
from organization.commands import PROGRAM
from organization.statuses import Unseen
from organization.unread import DENIED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef, StackTypeDef
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef

T = TypeVar("T")

THREADS = 8
"""Calls at the same time, if each account takes one: as many as a client keeps connections for."""

_USER_AGENT = f"{PROGRAM}/{project.version()}"

# Adaptive: the client slows down when AWS throttles it, as happens in a large organization.
_PATIENT = Config(
    retries={"mode": "adaptive", "max_attempts": 10},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=THREADS,
    user_agent_extra=_USER_AGENT,
)
# For the first call: it must not take minutes to say that there are no credentials or no way to AWS.
_BRIEF = Config(
    retries={"mode": "standard", "max_attempts": 2}, connect_timeout=5, read_timeout=10, user_agent_extra=_USER_AGENT
)

_DENIED = DENIED | {"OrganizationAccessDeniedException"}
_NOT_ACCEPTED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

_SET = "sign in, or set AWS_PROFILE (or --profile) or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_SIGN_IN = "{said}: sign in with `{command}`, with --profile if you use one."
_SENTENCES: tuple[tuple[tuple[type[BotoCoreError], ...], str], ...] = (
    ((EndpointConnectionError,), "{said}: check the network, the Region and AWS_ENDPOINT_URL."),
    ((ProfileNotFound,), "{said}: give one of `aws configure list-profiles` with --profile, or set AWS_PROFILE to it."),
    ((NoCredentialsError, PartialCredentialsError), f"No AWS credentials were found: {_SET}."),
    ((SSOError, TokenRetrievalError), _SIGN_IN.replace("{command}", "aws sso login")),
    ((LoginError,), _SIGN_IN.replace("{command}", "aws login")),
    ((BotoCoreError,), "{said}."),
)
"""What to say about each exception; the first that fits."""


class CommandError(Exception):
    """The command cannot do its work; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and from where: account id, Region, partition and ARN; `time` is when AWS said so, by its clock."""

    account_id: str
    region: str
    partition: str
    time: datetime
    arn: str = ""


def session(
    region: str | None, profile: str | None = None, where: str = "the home Region of the deployment"
) -> tuple[boto3.Session, Caller]:
    """Open a session and find out whose credentials it has.

    `region` and `profile` of None: those of the environment or the AWS configuration.  Raises CommandError if there is no
    Region, which asks for `where`, and botocore's exceptions if AWS cannot be reached.
    """
    # boto3 itself reads AWS_DEFAULT_REGION only; the AWS CLI reads AWS_REGION too, and before it.
    opened = boto3.Session(region_name=region or os.environ.get("AWS_REGION"), profile_name=profile)
    if not opened.region_name:
        message = f"No Region is set: give {where} with --region, or set AWS_REGION."
        raise CommandError(message)
    try:
        identity = opened.client("sts", config=_BRIEF).get_caller_identity()
    except BotoCoreError:
        raise  # some of them are ValueErrors too
    except ValueError as error:
        message = f"{error}: AWS_ENDPOINT_URL must be a URL such as http://127.0.0.1:4566, or not be set."
        raise CommandError(message) from error
    arn = identity["Arn"]
    return opened, Caller(identity["Account"], opened.region_name, arn.split(":")[1], _time_of(identity), arn)


def _time_of(answer: "GetCallerIdentityResponseTypeDef") -> datetime:
    """Return the time of AWS's answer by AWS's clock; by this machine's, which may be wrong, if the answer has none."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def patient() -> Config:
    """Return the settings of a client that makes many calls, from THREADS threads, and waits when AWS throttles it."""
    return _PATIENT


def find_stack(cloudformation: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """Describe a stack by its name or id; None if there is none."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # DescribeStacks has no error code of its own for this. Source: API reference, DescribeStacks.
        if code_of(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return stacks[0]


def find_deployed_stack(cloudformation: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """Describe a stack; None if there is none, or only one whose first change set nobody has executed."""
    stack = find_stack(cloudformation, name)
    return stack if stack and stack["StackStatus"] != "REVIEW_IN_PROGRESS" else None


def events_of(cloudformation: "CloudFormationClient", stack_id: str) -> "Iterator[StackEventTypeDef]":
    """Read the events of a stack, the newest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    return (event for page in pages for event in page["StackEvents"])


def no_stack(name: str, caller: Caller) -> str:
    """Say that the stack of the deployment does not exist, and what to do."""
    return (
        f"There is no stack {name} in account {caller.account_id}, Region {caller.region}: use the account and the home Region "
        "of the deployment."
    )


def seen(look: Callable[[], T]) -> T | Unseen:
    """Read something; if AWS refuses, or a CommandError says why it cannot be read, return why."""
    try:
        return look()
    except ClientError as error:
        return Unseen(sentence_of(error))
    except CommandError as error:
        return Unseen(str(error))


def code_of(error: ClientError) -> str:
    """Return the error code of AWS's answer."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def sentence_of(error: ClientError | BotoCoreError) -> str:
    """Say in one sentence what went wrong and what to do about it."""
    if isinstance(error, ClientError):
        return _answer(error)
    said = " ".join(str(error).split()).rstrip(".")
    return next(sentence for kinds, sentence in _SENTENCES if isinstance(error, kinds)).replace("{said}", said)


def _answer(error: ClientError) -> str:
    code = code_of(error)
    # Only the first line: an answer about a wrong signature continues with the signed headers, and the token is one.
    text = next(iter(error.response.get("Error", {}).get("Message", "").splitlines()), "").rstrip(". ")
    said = f"{error.operation_name} failed with {code}" + (f" ({text})" if text else "")
    if code in _DENIED:
        return f"{said}: use credentials that have this permission."
    if code in _NOT_ACCEPTED:
        return f"{said}: AWS does not accept the credentials. Sign in again."
    return f"{said}."
