"""Roles that a service assumes on behalf of an account: Systems Manager for an execution, EventBridge for a target."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from local_aws.core import ministack_seams

_LIFETIME = 3600
"""Seconds."""


class NotTrustedError(PermissionError):
    """The role does not exist, or does not trust the service for this; the message says which role and service."""


@dataclass(frozen=True)
class Credentials:
    """Those of a session of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that give them to an AWS SDK."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


def _trust(role: dict[str, Any]) -> dict[str, Any]:
    """Make a resource policy of a role's trust policy, which it is but for the resource: that is the role itself."""
    document = role["AssumeRolePolicyDocument"]
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return {"Statement": [{**one, "Resource": "*"} for one in (statements if isinstance(statements, list) else [statements])]}


def assume(role_arn: str, service: str, session_name: str, *, source_account: str, source_arn: str) -> Credentials:
    """Give a service, by its principal, a session of a role whose trust policy lets it.

    Sent are aws:SourceAccount and aws:SourceArn. Raises NotTrustedError.
    """
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    role_account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    role = ministack_seams.module("ministack.services.iam")._roles.get_scoped(role_account, None, role_name)
    context = evaluator.EvalContext(
        principal_arn="",
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region="us-east-1",
        service_context={"aws:sourceaccount": source_account, "aws:sourcearn": source_arn},
    )
    if not role or evaluator.evaluate_resource_policy(_trust(role), context, service).decision != "Allow":
        message = f"{service} is not authorized to perform sts:AssumeRole on {role_arn} for {source_arn}."
        raise NotTrustedError(message)
    credentials = Credentials(f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(64))
    ministack_seams.module("ministack.services.sts").register_session(
        credentials.access_key_id,
        {
            "Arn": f"arn:aws:sts::{role_account}:assumed-role/{role_name}/{session_name[:64]}",
            "UserId": f"{role_name}:{session_name[:64]}",
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": time.time() + _LIFETIME,
            "AccountId": role_account,
            "PrincipalType": "AssumedRole",
        },
    )
    return credentials
