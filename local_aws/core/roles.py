"""Roles that an AWS service makes in an account on its own."""

import json
from collections.abc import Mapping

from local_aws.core import callers, ministack_seams

_REGION = "us-east-1"
"""Any: IAM is the same in all Regions."""


def make(account_id: str, name: str, trusted: Mapping[str, str], policy_arn: str) -> None:
    """Make a role of an account with one managed policy, unless a role has the name. `trusted` is the trust's principal."""
    iam = ministack_seams.module("ministack.services.iam")
    if iam._roles.get_scoped(account_id, None, name) is not None:
        return
    statement = {"Effect": "Allow", "Principal": dict(trusted), "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with callers.acting_in(account_id, _REGION):
        iam._create_role({"RoleName": [name], "AssumeRolePolicyDocument": [trust]})
        iam.attach_managed_policy(iam._roles[name], policy_arn)
