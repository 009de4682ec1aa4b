"""Sessions of a member's root user that sts:AssumeRoot gives: they may do everything that their task policy does not deny.

The task policy is the session policy of MiniStack's evaluator.  Source of the resource and of the condition key of AssumeRoot:
Service Authorization Reference, AWS Security Token Service and AWS Identity and Access Management.
"""

import json
import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from local_aws.authorization.root_tasks import Task
from local_aws.authorization.service_roles import Credentials
from local_aws.core import callers, ministack_seams
from local_aws.core.clock import Clock

_TARGET = re.compile(r"(\d{12})|arn:aws:iam::(\d{12}):root", re.ASCII)


def begin(member: str, task: Task, duration: timedelta, clock: Clock) -> tuple[Credentials, datetime]:
    """Begin a session of an account's root user. Return its credentials, and when it expires by `clock`."""
    credentials = Credentials(f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(64))
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    # MiniStack knows no policy variables.
    policy = json.dumps({"Statement": [*task.statements, allowed]}).replace("${aws:PrincipalAccount}", member)
    session: dict[str, Any] = {
        "Arn": root_arn(member),
        "UserId": member,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "AccountId": member,
        # A federated user of MiniStack may do everything that its session policy allows.
        "PrincipalType": "FederatedUser",
        "SessionPolicies": {"Policy": policy},
        "AssumedRoot": True,
    }
    ministack_seams.module("ministack.services.sts").register_session(credentials.access_key_id, session)
    expiration = clock.now() + duration
    # MiniStack compares with the machine's time, so it learns of the end only once the session has expired.
    clock.at(expiration, lambda: session.update(Expiration=0))
    return credentials, expiration


def is_root_session(access_key_id: str | None = None) -> bool:
    """Tell whether an access key id is of a session from AssumeRoot; None: the one that signed the present request."""
    if access_key_id is None:
        access_key_id = ministack_seams.module("ministack.core.iam_evaluator")._verified_key.get()
    session = ministack_seams.module("ministack.services.sts")._sessions.get(access_key_id, {})
    return bool(session.get("AssumedRoot"))


def own_arn() -> str | None:
    """Return the ARN of the root user that makes the present request, or None if somebody else does.

    No request of a root session names the root user that it is about. The signature is not verified yet when the resource of an
    action is found, so this asks for the caller's ARN and not for the session.
    """
    caller = callers.principal()
    return caller if caller.endswith(":root") else None


def root_arn(account_id: str) -> str:
    """Return the ARN of an account's root user."""
    return f"arn:aws:iam::{account_id}:root"


def target_of(principal: str) -> str | None:
    """Return the account that a TargetPrincipal means: an account id, or the ARN of a root user; None if it is neither."""
    target = _TARGET.fullmatch(principal)
    return (target[1] or target[2]) if target else None


def target_arn(principal: str) -> str | None:
    """Return the ARN of the root user that a TargetPrincipal means, or None."""
    account_id = target_of(principal)
    return root_arn(account_id) if account_id else None


def target_account(body: bytes) -> str | None:
    """Return the account whose root user a request for AssumeRoot is about, or None for other requests."""
    asked = parse_qs(body.decode(errors="replace"))
    return target_of(asked.get("TargetPrincipal", [""])[0]) if asked.get("Action") == ["AssumeRoot"] else None
