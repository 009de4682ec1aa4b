"""Centralized root access: its features in an organization, and sts:AssumeRoot, a session of a member's root user.

Sources: API models, iam (ListOrganizationsFeatures and the operations that enable and disable features) and sts (AssumeRoot);
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html and id_root-user-privileged-task.html. Codes,
messages and the order of features are those of public captures of real AWS, of 2026-09-11 and 2026-09-12.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local_aws.authorization import root_sessions
from local_aws.authorization.root_tasks import Task, task_of
from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.operations import Operation, Operations
from local_aws.core.switches import Switches
from local_aws.organizations.organization import (
    IAM,
    ROOT_ACCESS_FEATURES,
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    Organization,
)

_LONGEST_SESSION = 900
"""Seconds; also the default. Source: API model, sts, AssumeRootRequest.DurationSeconds."""
_FEATURE_NAMES = {ROOT_CREDENTIALS_MANAGEMENT: "Root credentials management", ROOT_SESSIONS: "Root sessions"}
"""What AssumeRoot calls each feature."""
_STS_LAG = {
    "RegisterDelegatedAdministrator": timedelta(seconds=30),
    "DeregisterDelegatedAdministrator": timedelta(seconds=30),
    "EnableAWSServiceAccess": timedelta(seconds=100),
    "DisableAWSServiceAccess": timedelta(seconds=100),
}
"""How much later than IAM, while a switch is on, STS learns of each operation of AWS Organizations.

Real STS was seen to learn of the end of a delegation after 15 s to a minute, and of the end of trusted access after one to
three minutes.
"""


@dataclass(frozen=True)
class _Administration:
    """Whether IAM has trusted access to the organization, and the accounts that administer IAM for it."""

    trusted: bool
    administrators: frozenset[str]


class RootAccess:
    """Root access in an organization, or in none if no account is in one."""

    def __init__(self, organization: Organization | None, clock: Clock, switches: Switches) -> None:
        """Give access to the root users of `organization`'s member accounts."""
        self._organization = organization
        self._clock = clock
        self._switches = switches
        self._known_to_sts = self._administration()
        self.iam_operations: Operations = {
            "ListOrganizationsFeatures": self.list_organizations_features,
            **{
                f"{change}Organizations{feature}": self._changing(feature, enabled=change == "Enable")
                for change in ("Enable", "Disable")
                for feature in ROOT_ACCESS_FEATURES
            },
        }
        self.sts_operations: Operations = {"AssumeRoot": self.assume_root}

    # What STS knows

    def watching(self, operations: Operations) -> Operations:
        """Return the operations of AWS Organizations, and let STS learn what they change."""

        def watched(operation: Operation, lag: timedelta) -> Operation:
            def call(account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
                answer = operation(account_id, params)
                known = self._administration()
                if self._switches.is_on("sts-lags-iam"):
                    self._clock.at(self._clock.now() + lag, lambda: self._tell_sts(known))
                else:
                    self._tell_sts(known)
                return answer

            return call

        return {**operations, **{name: watched(operations[name], lag) for name, lag in _STS_LAG.items()}}

    def _tell_sts(self, administration: _Administration) -> None:
        self._known_to_sts = administration

    def _administration(self) -> _Administration:
        organization = self._organization
        if organization is None:
            return _Administration(trusted=False, administrators=frozenset())
        administrators = {each for each in organization.account_ids if organization.administers(each, IAM)}
        return _Administration(IAM in organization.trusted_services, frozenset(administrators))

    # The features

    def list_organizations_features(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """List the features that are enabled."""
        return self._features(self._administered(account_id))

    def _changing(self, feature: str, *, enabled: bool) -> Operation:
        """Return what enables or disables a feature. A delegated administrator may only disable one."""

        def change(account_id: str, _: dict[str, Any]) -> dict[str, Any]:
            organization = self._administered(account_id)
            if not enabled:
                organization.root_access_features.discard(feature)
            elif account_id == organization.management_account_id:
                organization.root_access_features.add(feature)
            else:
                message = (
                    f"Caller account {account_id} is not management account of the organization and cannot enable IAM features."
                )
                raise AwsError("CallerIsNotManagementAccountException", message)
            return self._features(organization)

        return change

    @staticmethod
    def _features(organization: Organization) -> dict[str, Any]:
        return {
            "OrganizationId": organization.organization_id,
            "EnabledFeatures": [each for each in ROOT_ACCESS_FEATURES if each in organization.root_access_features],
        }

    def _administered(self, account_id: str) -> Organization:
        """Return the organization that an account administers for IAM. Raises AwsError."""
        organization = self._organization
        if organization is None or account_id not in organization.parents:
            message = "The account is not in an organization."
            raise AwsError("OrganizationNotFoundException", message)
        if not organization.administers(account_id, IAM):
            message = f"Input account {account_id} is neither management account nor delegated admin."
            raise AwsError("AccountNotManagementOrDelegatedAdministratorException", message)
        if not organization.all_features:
            message = "The organization has consolidated billing only, and not all features enabled."
            raise AwsError("OrganizationNotInAllFeaturesModeException", message)
        if IAM not in organization.trusted_services:
            message = f"Trusted Access for IAM not enabled by organization of input account {account_id}."
            raise AwsError("ServiceAccessNotEnabledException", message)
        return organization

    # AssumeRoot

    def assume_root(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Begin a session of a member's root user that may do everything that a task policy does not deny."""
        member = root_sessions.target_of(params["TargetPrincipal"])
        if member is None:
            message = "Request must contain a valid target principal"
            raise AwsError("ValidationError", message)
        task = task_of(params["TaskPolicyArn"].get("arn", ""))
        if task is None:
            message = "Request must contain valid AWS managed task policy ARN"
            raise AwsError("ValidationError", message)
        self._refuse(account_id, member, task)
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

    def _refuse(self, account_id: str, member: str, task: Task) -> None:
        """Raise AccessDenied unless an account may have a session of `member`'s root user for a task.

        There is one message for every account that may not, and for every target: AWS does not tell them apart.
        """
        organization, known = self._organization, self._known_to_sts
        is_member = organization is not None and member in organization.parents and member != organization.management_account_id
        if organization is None or account_id not in known.administrators or not is_member:
            resource = root_sessions.root_arn(member)
            message = f"User: {callers.principal()} is not authorized to perform: sts:AssumeRoot on resource: {resource}"
        elif not known.trusted:
            message = "Service not enabled for AWS Organizations."
        elif task.feature not in organization.root_access_features:
            message = f"{_FEATURE_NAMES[task.feature]} feature is not enabled for your AWS Organization."
        else:
            return
        raise AwsError("AccessDenied", message)
