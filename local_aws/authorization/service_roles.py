"""Roles that a service assumes for an account: Systems Manager for an execution, EventBridge for a target."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.core import ministack_seams

_LIFETIME = 3600
"""Seconds of the machine, by which MiniStack lets sessions expire."""
_REGION = "us-east-1"


class NotTrustedError(PermissionError):
    """The role does not exist, or does not trust the service. The message names both."""


@dataclass(frozen=True)
class Credentials:
    """The credentials of a session."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which an AWS SDK finds them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


def install() -> None:
    """Let a statement of a trust policy name the service that assumes a role. MiniStack knows only other callers.

    So MiniStack's `evaluate_trust_policy` decides on every role, no matter who assumes it.
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    names_otherwise, names_service = evaluator._trust_principal_matches, evaluator._service_principal_matches

    def names(principal: Any, caller: str, federated: bool) -> bool:  # noqa: ANN401, FBT001 - MiniStack's
        return bool(names_otherwise(principal, caller, federated) or names_service(principal, caller))

    ministack_seams.replace("ministack.core.iam_evaluator", "_trust_principal_matches", names)


def trusts(role: Mapping[str, Any], service: str, source_account: str | None, source_arn: str | None = None) -> bool:
    """Tell whether the trust policy of a role, MiniStack's record, lets a service (its principal) assume it.

    The service sends aws:SourceAccount and aws:SourceArn, if they are given.
    """
    sent = {"aws:sourceaccount": source_account, "aws:sourcearn": source_arn}
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    context = evaluator.EvalContext(
        principal_arn="",
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role["Arn"],
        region=_REGION,
        service_context={key: value for key, value in sent.items() if value},
    )
    return bool(evaluator.evaluate_trust_policy(role["AssumeRolePolicyDocument"], service, context))


def assume(role_arn: str, service: str, session_name: str, *, source_account: str, source_arn: str) -> Credentials:
    """Give a service, by its principal, a session of a role that trusts it; see `trusts`. Raises NotTrustedError."""
    role_account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    role = ministack_seams.module("ministack.services.iam")._roles.get_scoped(role_account, None, role_name)
    if not role or not trusts(role, service, source_account, source_arn):
        message = f"User: {service} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        raise NotTrustedError(message)
    credentials = Credentials(f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(64))
    sts = ministack_seams.module("ministack.services.sts")
    sts.register_session(
        credentials.access_key_id,
        {
            "Arn": f"arn:aws:sts::{role_account}:assumed-role/{role_name}/{session_name[:64]}",
            "UserId": f"{role_name}:{session_name[:64]}",
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": sts.time.time() + _LIFETIME,  # by the clock: see ministack_time
            "AccountId": role_account,
            "PrincipalType": "AssumedRole",
        },
    )
    return credentials
