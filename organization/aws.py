"""How the commands reach AWS, and what they say when they cannot."""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from organization.screen import complain

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

THREADS = 8
"""Calls at the same time, where there is one for each account: as many as a client keeps connections for."""

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

# Adaptive: the client slows itself down when it is throttled, as it is in a large organization.
_PATIENT = Config(
    retries={"mode": "adaptive", "max_attempts": 10}, connect_timeout=5, read_timeout=60, max_pool_connections=THREADS
)
# For the first call: whether there are credentials and a way to AWS at all shall not take minutes to say.
_BRIEF = Config(retries={"mode": "standard", "max_attempts": 2}, connect_timeout=5, read_timeout=10)

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OrganizationAccessDeniedException"})
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

_ADVICE = {
    EndpointConnectionError: ": check the network, the Region and AWS_ENDPOINT_URL",
    ProfileNotFound: ": set AWS_PROFILE to a profile of the AWS configuration",
}


class CommandError(Exception):
    """The command cannot do what it was asked for; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and from where: account id, Region and partition of the credentials."""

    account_id: str
    region: str
    partition: str


def session(region: str | None) -> tuple[boto3.Session, Caller]:
    """Open a session with the credentials of the environment and find out whose they are.

    `region` is the Region to work in; None: the one of the environment or the profile.  Raises CommandError where there is
    none, and whatever botocore raises where AWS cannot be reached.
    """
    # boto3 itself reads AWS_DEFAULT_REGION only; the AWS CLI reads AWS_REGION too, and before it.
    opened = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
    if not opened.region_name:
        message = "No Region is set: give the home Region of the deployment with --region or in AWS_REGION."
        raise CommandError(message)
    try:
        identity = opened.client("sts", config=_BRIEF).get_caller_identity()
    except BotoCoreError:
        raise  # some of them are ValueErrors too
    except ValueError as error:
        message = f"{error}: AWS_ENDPOINT_URL must be a URL such as http://127.0.0.1:4566, or not be set."
        raise CommandError(message) from error
    return opened, Caller(identity["Account"], opened.region_name, identity["Arn"].split(":")[1])


def patient() -> Config:
    """Return the settings of a client that makes many calls, from THREADS threads, and waits when it is throttled."""
    return _PATIENT


def find_stack(cloudformation: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """Describe a stack by its name or id; None where there is none."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # DescribeStacks has no error code of its own for this. Source: API reference, DescribeStacks.
        if code_of(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return stacks[0]


def code_of(error: ClientError) -> str:
    """Return the error code of AWS's answer."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def sentence_of(error: Exception) -> str:
    """Say in one sentence what went wrong and what to do about it."""
    if isinstance(error, ClientError):
        return _answer(error)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return "No AWS credentials were found: sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    advice = next((advice for kind, advice in _ADVICE.items() if isinstance(error, kind)), "")
    return f"{' '.join(str(error).split()).rstrip('.')}{advice}."


def run(prog: str, main: Callable[[], int]) -> int:
    """Run a command and return its exit code; a failure to be expected is said in a sentence and ends with EXIT_ERROR."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of a name
    try:
        return main()
    except CommandError as error:
        complain(prog, str(error))
    except (ClientError, BotoCoreError) as error:
        complain(prog, sentence_of(error))
    except KeyboardInterrupt:
        complain(prog, "interrupted.")
        return EXIT_INTERRUPTED
    return EXIT_ERROR


def _answer(error: ClientError) -> str:
    code = code_of(error)
    # Only the first line: an answer about a wrong signature goes on with the signed headers, the token among them.
    text = next(iter(error.response.get("Error", {}).get("Message", "").splitlines()), "").rstrip(". ")
    said = f"{error.operation_name} failed with {code}" + (f" ({text})" if text else "")
    if code in _DENIED:
        return f"{said}: use credentials that may do it."
    if code in _NOT_ACCEPTED:
        return f"{said}: AWS does not accept the credentials, so sign in anew."
    return f"{said}."
