"""Centralized root access: the features of an organization for it, and sts:AssumeRoot, a member's root user for 15 minutes.

Sources: API models, iam (ListOrganizationsFeatures and what enables and disables them) and sts (AssumeRoot);
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html and id_root-user-privileged-task.html.
What AssumeRoot answers to each thing that it refuses is not documented: here it is AccessDenied, or ValidationError.
"""

import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.organizations.organization import IAM, ROOT_ACCESS_FEATURES, ROOT_SESSIONS, Organization

_LONGEST_SESSION = 900
"""Seconds, and the default. Source: API model, sts, AssumeRootRequest.DurationSeconds."""
_POLICIES = "arn:aws:iam::aws:policy/root-task/"
_TARGET = re.compile(r"(\d{12})|arn:aws:iam::(\d{12}):root", re.ASCII)

_READS = ("GetAccessKeyLastUsed", "GetLoginProfile", "GetUser", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_DELETIONS = (
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "DeleteSigningCertificate",
    "DeleteVirtualMFADevice",
)
_ON_ROOT = "arn:aws:iam::*:root"
_TASKS: dict[str, tuple[str, list[str]]] = {
    "IAMAuditRootUserCredentials": (_ON_ROOT, [f"iam:{action}" for action in ("GetAccountSummary", *_READS)]),
    "IAMCreateRootUserPassword": (_ON_ROOT, ["iam:CreateLoginProfile", "iam:GetLoginProfile"]),
    "IAMDeleteRootUserCredentials": (_ON_ROOT, [f"iam:{action}" for action in (*_DELETIONS, *_READS)]),
    "S3UnlockBucketPolicy": ("*", ["s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:ListAllMyBuckets", "s3:PutBucketPolicy"]),
    "SQSUnlockQueuePolicy": ("*", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueues", "sqs:SetQueueAttributes"]),
}
"""On what, and which actions, each task policy allows; AWS's say it otherwise, to the same effect."""

Operation = Callable[[str, dict[str, Any]], dict[str, Any]]


class RootAccess:
    """Root access in an organization; None: no account is in one."""

    def __init__(self, organization: Organization | None, clock: Clock) -> None:
        """Give access to the root users of `organization`'s member accounts."""
        self._organization = organization
        self._clock = clock
        self._sessions = ministack_seams.module("ministack.services.sts")._sessions
        self.iam_operations: dict[str, Operation] = {
            "ListOrganizationsFeatures": self.list_organizations_features,
            **{
                f"{change}Organizations{feature}": self._changing(feature, enabled=change == "Enable")
                for change in ("Enable", "Disable")
                for feature in ROOT_ACCESS_FEATURES
            },
        }
        self.sts_operations: dict[str, Operation] = {"AssumeRoot": self.assume_root}

    def install(self) -> None:
        """Let IAM policies decide on sts:AssumeRoot by the root user that is asked for, and by sts:TaskPolicyArn.

        And on what a root session does by the root user that it is, which no request names.
        Source: Service Authorization Reference, AWS Security Token Service and AWS Identity and Access Management.
        """
        actions = ministack_seams.module("ministack.core.iam_actions")
        evaluator = ministack_seams.module("ministack.core.iam_evaluator")
        extract_otherwise, context_otherwise = actions.extract_resource_arn, actions.request_tag_context

        def extract(service: str, method: str, path: str, headers: dict[str, str], body: bytes, *more: Any) -> str:  # noqa: ANN401 - MiniStack's
            arn = str(extract_otherwise(service, method, path, headers, body, *more))
            caller = str(evaluator.caller_arn())  # who signed is not verified yet, so that is_root_session() can not tell
            if service == "iam" and arn == "*" and caller.endswith(":root"):
                return caller
            target = target_account(body) if service == "sts" else None
            return f"arn:aws:iam::{target}:root" if target else arn

        def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
            keys: dict[str, Any] = context_otherwise(service, action, body, params)
            asked = parse_qs(body.decode(errors="replace")).get("TaskPolicyArn.arn") if action == "sts:AssumeRoot" else None
            return {**keys, "sts:TaskPolicyArn": asked[0]} if asked else keys

        ministack_seams.replace("ministack.core.iam_actions", "extract_resource_arn", extract)
        ministack_seams.replace("ministack.core.iam_actions", "request_tag_context", context)

    # The features

    def list_organizations_features(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """List the features that are enabled."""
        return self._features(self._administered(account_id))

    def _changing(self, feature: str, *, enabled: bool) -> Operation:
        def change(account_id: str, _: dict[str, Any]) -> dict[str, Any]:
            organization = self._administered(account_id)
            if enabled:
                organization.root_access_features.add(feature)
            else:
                organization.root_access_features.discard(feature)
            return self._features(organization)

        return change

    @staticmethod
    def _features(organization: Organization) -> dict[str, Any]:
        return {
            "OrganizationId": organization.organization_id,
            "EnabledFeatures": sorted(organization.root_access_features),
        }

    def _administered(self, account_id: str) -> Organization:
        """Return the organization that an account administers for IAM. Raises AwsError where there is none."""
        organization = self._organization
        if organization is None or account_id not in organization.parents:
            message = "The account is not in an organization."
            raise AwsError("OrganizationNotFoundException", message)
        if not organization.administers(account_id, IAM):
            message = f"The account {account_id} is neither the management account nor a delegated administrator for IAM."
            raise AwsError("AccountNotManagementOrDelegatedAdministratorException", message)
        if not organization.all_features:
            message = "The organization has consolidated billing only, and not all features enabled."
            raise AwsError("OrganizationNotInAllFeaturesModeException", message)
        if IAM not in organization.trusted_services:
            message = f"Trusted access for {IAM} is not enabled: call EnableAWSServiceAccess first."
            raise AwsError("ServiceAccessNotEnabledException", message)
        return organization

    # AssumeRoot

    def assume_root(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Give a session of a member's root user that may do what a task policy allows, and nothing else."""
        target = _TARGET.fullmatch(params["TargetPrincipal"])
        if target is None:
            message = f"The target principal {params['TargetPrincipal']} is no account id, and no ARN of a root user."
            raise AwsError("ValidationError", message)
        member = target[1] or target[2]
        policy_arn = params["TaskPolicyArn"].get("arn", "")
        task = _TASKS.get(policy_arn.removeprefix(_POLICIES)) if policy_arn.startswith(_POLICIES) else None
        if task is None:
            message = f"{policy_arn} is no policy for a root task: there are {', '.join(_POLICIES + name for name in _TASKS)}."
            raise AwsError("ValidationError", message)
        self._refuse(account_id, member)
        resource, actions = task
        seconds = params.get("DurationSeconds", _LONGEST_SESSION)
        session = {
            "Arn": f"arn:aws:iam::{member}:root",
            "UserId": member,
            "SecretAccessKey": secrets.token_hex(20),
            "SessionToken": secrets.token_hex(64),
            "AccountId": member,
            # The type, in MiniStack, that may do everything but for what its session policy does not allow.
            "PrincipalType": "FederatedUser",
            "SessionPolicies": {
                "Policy": json.dumps({"Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}}),
            },
            "AssumedRoot": True,
        }
        access_key_id = f"ASIA{secrets.token_hex(8).upper()}"
        ministack_seams.module("ministack.services.sts").register_session(access_key_id, session)
        expiration = self._clock.now() + timedelta(seconds=seconds)
        # MiniStack compares with the machine's time, so it is told only once the session has expired.
        self._clock.at(expiration, lambda: session.update(Expiration=0))
        return {
            "Credentials": {
                "AccessKeyId": access_key_id,
                "SecretAccessKey": session["SecretAccessKey"],
                "SessionToken": session["SessionToken"],
                "Expiration": expiration,
            }
        }

    def _refuse(self, account_id: str, member: str) -> None:
        """Raise AccessDenied unless an account may have a session of `member`'s root user."""
        organization, why = self._organization, ""
        if organization is None or account_id not in organization.parents:
            why = f"the account {account_id} is in no organization"
        elif not organization.administers(account_id, IAM):
            why = f"the account {account_id} is neither the management account nor a delegated administrator for IAM"
        elif IAM not in organization.trusted_services or ROOT_SESSIONS not in organization.root_access_features:
            why = "the organization has not enabled root sessions"
        elif member not in organization.parents:
            why = f"the account {member} is not in the organization"
        elif member == organization.management_account_id:
            why = f"{member} is the management account"
        if why:
            caller = ministack_seams.module("ministack.core.iam_evaluator").caller_arn()
            resource = f"arn:aws:iam::{member}:root"
            message = f"User: {caller} is not authorized to perform: sts:AssumeRoot on resource: {resource}: {why}."
            raise AwsError("AccessDenied", message)


def is_root_session() -> bool:
    """Tell whether the present request is made with a session from AssumeRoot."""
    access_key_id = ministack_seams.module("ministack.core.iam_evaluator")._verified_key.get()
    session = ministack_seams.module("ministack.services.sts")._sessions.get(access_key_id, {})
    return bool(session.get("AssumedRoot"))


def target_account(body: bytes) -> str | None:
    """Return the account whose root user a request for AssumeRoot is about, None for other requests."""
    asked = parse_qs(body.decode(errors="replace"))
    target = _TARGET.fullmatch(asked.get("TargetPrincipal", [""])[0])
    return (target[1] or target[2]) if target and asked.get("Action") == ["AssumeRoot"] else None
