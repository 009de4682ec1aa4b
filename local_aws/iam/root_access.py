"""Centralized root access: its features in an organization, and sts:AssumeRoot, a session of a member's root user.

Sources: API models, iam (ListOrganizationsFeatures and the operations that enable and disable features) and sts (AssumeRoot);
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html and id_root-user-privileged-task.html.
No page says which error AssumeRoot gives for which refusal. Here it is AccessDenied or ValidationError.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from local_aws.authorization import root_sessions
from local_aws.authorization.root_sessions import TaskPolicy
from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.organizations.organization import IAM, ROOT_ACCESS_FEATURES, ROOT_SESSIONS, Organization

_LONGEST_SESSION = 900
"""Seconds; also the default. Source: API model, sts, AssumeRootRequest.DurationSeconds."""
_POLICIES = "arn:aws:iam::aws:policy/root-task/"

_READS = ("GetAccessKeyLastUsed", "GetLoginProfile", "GetUser", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_DELETIONS = (
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "DeleteSigningCertificate",
    "DeleteVirtualMFADevice",
)
_ON_ROOT = "arn:aws:iam::*:root"
_TASKS: dict[str, TaskPolicy] = {
    "IAMAuditRootUserCredentials": TaskPolicy([f"iam:{action}" for action in ("GetAccountSummary", *_READS)], _ON_ROOT),
    "IAMCreateRootUserPassword": TaskPolicy(["iam:CreateLoginProfile", "iam:GetLoginProfile"], _ON_ROOT),
    "IAMDeleteRootUserCredentials": TaskPolicy([f"iam:{action}" for action in (*_DELETIONS, *_READS)], _ON_ROOT),
}
"""What each task policy allows. AWS's policies say it in other words, to the same effect.

The tasks for S3 and SQS are left out.
"""

Operation = Callable[[str, dict[str, Any]], dict[str, Any]]


class RootAccess:
    """Root access in an organization, or in none if no account is in one."""

    def __init__(self, organization: Organization | None, clock: Clock) -> None:
        """Give access to the root users of `organization`'s member accounts."""
        self._organization = organization
        self._clock = clock
        self.iam_operations: dict[str, Operation] = {
            "ListOrganizationsFeatures": self.list_organizations_features,
            **{
                f"{change}Organizations{feature}": self._changing(feature, enabled=change == "Enable")
                for change in ("Enable", "Disable")
                for feature in ROOT_ACCESS_FEATURES
            },
        }
        self.sts_operations: dict[str, Operation] = {"AssumeRoot": self.assume_root}

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
        """Return the organization that an account administers for IAM. Raises AwsError."""
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
        """Begin a session of a member's root user that may do what a task policy allows, and nothing else."""
        member = root_sessions.target_of(params["TargetPrincipal"])
        if member is None:
            message = f"The target principal {params['TargetPrincipal']} is no account id, and no ARN of a root user."
            raise AwsError("ValidationError", message)
        policy_arn = params["TaskPolicyArn"].get("arn", "")
        task = _TASKS.get(policy_arn.removeprefix(_POLICIES)) if policy_arn.startswith(_POLICIES) else None
        if task is None:
            known = ", ".join(_POLICIES + name for name in _TASKS)
            message = f"{policy_arn} is no policy for a root task that the local AWS emulates: it emulates {known}."
            raise AwsError("ValidationError", message)
        self._refuse(account_id, member)
        duration = timedelta(seconds=params.get("DurationSeconds", _LONGEST_SESSION))
        credentials, expiration = root_sessions.begin(member, task, duration, self._clock)
        return {
            "Credentials": {
                "AccessKeyId": credentials.access_key_id,
                "SecretAccessKey": credentials.secret_access_key,
                "SessionToken": credentials.session_token,
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
            resource = root_sessions.root_arn(member)
            message = (
                f"User: {callers.principal()} is not authorized to perform: sts:AssumeRoot on resource: {resource}: {why}."
            )
            raise AwsError("AccessDenied", message)
