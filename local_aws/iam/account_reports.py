"""IAM: what an account has, as numbers (GetAccountSummary) and as a list of credentials (the credential report).

Sources: API model, iam; https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html; public captures of
both, of September 2026, in which a root user without a password, with one, and with an access key is seen.  The page lists a
column `additional_credentials_info`, and the captures have none.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches
from local_aws.organizations.accounts import Account, RootUser

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_QUOTAS = {
    "AccessKeysPerUserQuota": 2,
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 20,
    "AttachedPoliciesPerUserQuota": 10,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 10000,
    "RolePolicySizeQuota": 10240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}
"""The quotas of a new account, as AWS was seen to give them. The API reference has other numbers for some."""

_GENERATION = timedelta(seconds=3)
"""How long a report takes. AWS was seen to take two seconds; no page says it."""
_VALID = timedelta(hours=4)
"""Source: API reference, GenerateCredentialReport, and the page on credential reports."""

_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
_COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(f"access_key_{number}_{column}" for number in (1, 2) for column in _KEY),
    *(f"cert_{number}_{column}" for number in (1, 2) for column in ("active", "last_rotated")),
)
_NONE = "N/A"
_NEVER = "no_information"
_UNSUPPORTED = "not_supported"


@dataclass(frozen=True)
class _Report:
    generated: datetime
    content: bytes


class AccountReports:
    """The summary and the credential report of each account."""

    def __init__(self, account: Callable[[str], Account], clock: Clock, switches: Switches) -> None:
        """Report on the accounts that `account` finds by their ids; it raises AwsError if there is none."""
        self._account = account
        self._switches = switches
        self._clock = clock
        self._iam = ministack_seams.module("ministack.services.iam")
        self._reports: dict[str, _Report] = {}
        self.operations: Operations = {
            "GenerateCredentialReport": self.generate_credential_report,
            "GetAccountSummary": self.get_account_summary,
            "GetCredentialReport": self.get_credential_report,
        }

    # The summary

    def get_account_summary(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Count the account's entities. The entries that begin with Account are of the root user.

        MFADevices counts virtual devices, and MFADevicesInUse all kinds: no source says whether a hardware device counts as
        one of the first.  PolicyVersionsInUse counts each managed policy that is attached, or a boundary, once (captures).
        """
        root, iam = self._account(account_id).root_user, self._iam
        entities = [*iam._users.values(), *iam._groups.values(), *iam._roles.values()]
        used = {arn for entity in entities for arn in (*entity.get("AttachedPolicies", ()), entity.get("PermissionsBoundary"))}
        devices_in_use = sum(device["User"] is not None for device in iam._mfa_devices.values())
        return {
            "SummaryMap": {
                **_QUOTAS,
                "Groups": len(iam._groups),
                "InstanceProfiles": len(iam._instance_profiles),
                "MFADevices": len(iam._mfa_devices) + len(root.virtual_mfa_device_names),
                "MFADevicesInUse": devices_in_use + root.mfa_devices,
                "Policies": len(iam._policies),
                "PolicyVersionsInUse": len(used - {None, ""}),
                "Providers": len(iam._oidc_providers) + len(iam._saml_providers),
                "Roles": len(iam._roles),
                "ServerCertificates": 0,  # nothing emulates them
                "Users": len(iam._users),
                "GlobalEndpointTokenVersion": 1,  # the default; nothing emulates its change
                "AccountMFAEnabled": int(root.mfa_devices > 0),
                "AccountPasswordPresent": int(root.password and not self._switches.is_on("no-password-in-summary")),
                "AccountAccessKeysPresent": int(bool(root.access_keys)),
                "AccountSigningCertificatesPresent": int(bool(root.signing_certificates)),
            }
        }

    # The credential report

    def generate_credential_report(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Begin a report, unless one is being made or is less than four hours old.

        The report shows the account as it is now, although it is finished later.
        """
        report, now = self._reports.get(account_id), self._clock.now()
        if report is None or now > report.generated + _VALID:
            account = self._account(account_id)
            self._reports[account_id] = _Report(now + _GENERATION, self._content(account))
            # No source has the description of an expired report's successor.
            described = {} if report else {"Description": "No report exists. Starting a new report generation task"}
            return {"State": "STARTED", **described}
        return {"State": "INPROGRESS" if now < report.generated else "COMPLETE"}

    def get_credential_report(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Return the last report. AWS's errors have no message."""
        report, now = self._reports.get(account_id), self._clock.now()
        if report is None:
            raise AwsError("ReportNotPresent", "")
        if now < report.generated:
            raise AwsError("ReportInProgress", "")
        if now > report.generated + _VALID:
            raise AwsError("ReportExpired", "")
        return {"Content": report.content, "ReportFormat": "text/csv", "GeneratedTime": report.generated}

    def _content(self, account: Account) -> bytes:
        """Write the rows, users ordered by name, ignoring case, without a line break at the end."""
        users = sorted(self._iam._users.values(), key=lambda user: str(user["UserName"]).lower())
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerows([_COLUMNS, _root_row(account), *(self._user_row(user) for user in users)])
        return text.getvalue().removesuffix("\n").encode()

    def _user_row(self, user: dict[str, Any]) -> Iterator[str]:
        """Yield the columns of an IAM user. Nothing notes when its password and keys are used, and it has no certificates."""
        name, iam = user["UserName"], self._iam
        profile = iam._login_profiles.get(name)
        yield from (name, user["Arn"], user["CreateDate"])
        if profile:
            changed = str(profile["CreateDate"])
            yield from ("true", _NEVER, changed, self._next_rotation(changed))
        else:
            yield from ("false", _NONE, _NONE, _NONE)
        yield _boolean(any(device["User"] == name for device in iam._mfa_devices.values()))
        keys = sorted((key for key in iam._access_keys.values() if key["UserName"] == name), key=lambda key: key["AccessKeyId"])
        yield from _two([(_boolean(key["Status"] == "Active"), key["CreateDate"], *[_NONE] * 3) for key in keys], _NO_KEY)
        yield from _two([], _NO_CERTIFICATE)

    def _next_rotation(self, changed: str) -> str:
        age = (self._iam._account_password_policy.get("policy") or {}).get("MaxPasswordAge")
        return _moment(datetime.fromisoformat(changed) + timedelta(days=age)) if age else _NONE


_NO_KEY = ("false", *[_NONE] * 4)
_NO_CERTIFICATE = ("false", _NONE)


def _root_row(account: Account) -> Iterator[str]:
    """Yield the columns of the root user.

    Without a password, this follows what the page says about users: no capture has such a row.
    """
    root = account.root_user
    yield from ("<root_account>", f"arn:aws:iam::{account.account_id}:root", _moment(account.created))
    yield from _root_password(root)
    yield _boolean(root.mfa_devices > 0)
    keys = [
        ("true", _moment(root.access_keys[key]), *_last_use(root.access_keys_last_used.get(key)))
        for key in sorted(root.access_keys)
    ]
    yield from _two(keys, _NO_KEY)
    certificates = [("true", _moment(uploaded)) for _, uploaded in sorted(root.signing_certificates.items())]
    yield from _two(certificates, _NO_CERTIFICATE)


def _root_password(root: RootUser) -> tuple[str, ...]:
    if not root.password:
        return ("false", _NONE, _NONE, _UNSUPPORTED)
    last_used = _moment(root.password_last_used) if root.password_last_used else _NEVER
    return ("true", last_used, _moment(root.password_created), _UNSUPPORTED)


def _last_use(moment: datetime | None) -> tuple[str, str, str]:
    """Return date, Region and service of a key's last use; the two are AWS's for a call of IAM."""
    return (_moment(moment), "us-east-1", "iam") if moment else (_NONE, _NONE, _NONE)


def _two(credentials: Sequence[tuple[str, ...]], none: tuple[str, ...]) -> Iterator[str]:
    """Yield the columns of two keys or certificates."""
    for columns in [*credentials, none, none][:2]:
        yield from columns


def _boolean(value: object) -> str:
    return str(bool(value)).lower()


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
