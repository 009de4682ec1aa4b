"""The task policies of sts:AssumeRoot: what a session of a member's root user may not do, and the feature that each task needs.

AWS's policies deny only: the root user is allowed everything, and a task policy takes from that.  Source: public captures of
GetPolicyVersion (version v1 of each, of 2024-11-06) and of AssumeRoot with one feature enabled (2026-09-12).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.organizations.organization import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS

POLICIES = "arn:aws:iam::aws:policy/root-task/"
"""The beginning of a task policy's ARN."""

_ROOT = "arn:aws:iam::*:root"
_READS = (
    "iam:ListAccessKeys",
    "iam:ListSigningCertificates",
    "iam:GetLoginProfile",
    "iam:ListMFADevices",
    "iam:GetUser",
    "iam:GetAccessKeyLastUsed",
)
_DELETIONS = (
    "iam:DeleteAccessKey",
    "iam:DeleteSigningCertificate",
    "iam:DeleteLoginProfile",
    "iam:DeactivateMFADevice",
    "iam:DeleteVirtualMFADevice",
)
_PASSWORD = ("iam:CreateLoginProfile", "iam:GetLoginProfile")
_BUCKET_POLICY = ("s3:DeleteBucketPolicy", "s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:ListAllMyBuckets")
_QUEUE_POLICY = ("sqs:SetQueueAttributes", "sqs:GetQueueAttributes", "sqs:ListQueues", "sqs:GetQueueUrl")

_Statement = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A task: the feature that an organization needs for it, and the statements of its policy."""

    feature: str
    statements: Sequence[_Statement]


def _all_but(actions: Sequence[str]) -> _Statement:
    return {"Effect": "Deny", "NotAction": list(actions), "Resource": "*"}


def _on_others_than_root(actions: Sequence[str]) -> _Statement:
    return {"Effect": "Deny", "Action": list(actions), "NotResource": _ROOT}


def _by_others_than_root(actions: Sequence[str]) -> _Statement:
    condition = {"StringNotLike": {"aws:PrincipalArn": _ROOT}}
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*", "Condition": condition}


TASKS: Mapping[str, Task] = {
    "IAMAuditRootUserCredentials": Task(
        ROOT_CREDENTIALS_MANAGEMENT,
        [_all_but([*_READS, "iam:GetAccountSummary"]), _on_others_than_root(_READS)],
    ),
    "IAMCreateRootUserPassword": Task(ROOT_CREDENTIALS_MANAGEMENT, [_all_but(_PASSWORD), _on_others_than_root(_PASSWORD)]),
    "IAMDeleteRootUserCredentials": Task(
        ROOT_CREDENTIALS_MANAGEMENT,
        # The second statement denies iam:DeleteVirtualMFADevice always: its resource is the device.
        [_all_but([*_DELETIONS, *_READS]), _on_others_than_root([*_DELETIONS, *_READS])],
    ),
    "S3UnlockBucketPolicy": Task(ROOT_SESSIONS, [_all_but(_BUCKET_POLICY), _by_others_than_root(_BUCKET_POLICY)]),
    "SQSUnlockQueuePolicy": Task(
        ROOT_SESSIONS,
        [
            _all_but(_QUEUE_POLICY),
            {
                "Effect": "Deny",
                "Action": ["sqs:GetQueueAttributes"],
                "Resource": "arn:aws:sqs:*:*:*",
                "Condition": {"StringNotEqualsIfExists": {"aws:ResourceAccount": ["${aws:PrincipalAccount}"]}},
            },
            _by_others_than_root(_QUEUE_POLICY),
        ],
    ),
}


def task_of(policy_arn: str) -> Task | None:
    """Return the task that the ARN of a task policy means, or None."""
    return TASKS.get(policy_arn.removeprefix(POLICIES)) if policy_arn.startswith(POLICIES) else None
