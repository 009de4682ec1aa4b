"""IAM: root users, who are missing from MiniStack, in GetAccountSummary and ListVirtualMFADevices.

Source of the answers' shapes: API model, iam, and the entries for root that AWS gives (without UserName and Path).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from local_aws import ministack_seams
from local_aws.accounts import Account, AccountsError, find
from local_aws.models import AwsError

_DEFAULT_PAGE = 100
"""Source: API model, iam, ListVirtualMFADevicesRequest.MaxItems."""

_ACCOUNT_CREATED = datetime(2020, 1, 1, tzinfo=UTC)


class Iam:
    """The IAM operations that differ from MiniStack's; `accounts` is the state of the root users."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """Serve the root users of `accounts`, which may change while it runs."""
        self._accounts = accounts
        self._iam = ministack_seams.module("ministack.services.iam")
        self.longest_page: int | None = None
        """How many entries a page has at most: AWS may give fewer than MaxItems, and more pages then."""
        self.operations = {
            "GetAccountSummary": self.get_account_summary,
            "ListVirtualMFADevices": self.list_virtual_mfa_devices,
        }

    def get_account_summary(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Count what the account has; MFA, password and keys are those of the root user."""
        root = self._account(account_id).root_user
        iam = self._iam
        in_use = sum(device["User"] is not None for device in iam._mfa_devices.values())
        return {
            "SummaryMap": {
                "Users": len(iam._users),
                "UsersQuota": 5000,
                "Groups": len(iam._groups),
                "GroupsQuota": 300,
                "Roles": len(iam._roles),
                "RolesQuota": 1000,
                "Policies": len(iam._policies),
                "PoliciesQuota": 1500,
                "MFADevices": len(iam._mfa_devices) + len(root.virtual_mfa_devices),
                "MFADevicesInUse": in_use + root.mfa_devices,
                "AccountMFAEnabled": int(root.mfa_devices > 0),
                "AccountPasswordPresent": int(root.password),
                "AccountAccessKeysPresent": int(root.access_keys > 0),
                "AccountSigningCertificatesPresent": int(root.signing_certificates > 0),
            }
        }

    def list_virtual_mfa_devices(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the virtual devices of root, then those of IAM users and of nobody, a page at a time."""
        status = params.get("AssignmentStatus", "Any")
        start = self._start(params.get("Marker"))
        size = min(params.get("MaxItems", _DEFAULT_PAGE), self.longest_page or _DEFAULT_PAGE * 10)
        wanted = (
            device
            for device in self._virtual_mfa_devices(account_id)
            if status == "Any" or ("EnableDate" in device) == (status == "Assigned")
        )
        page = list(islice(wanted, start, start + size + 1))
        more = len(page) > size
        return {
            "VirtualMFADevices": page[:size],
            "IsTruncated": more,
            **({"Marker": str(start + size)} if more else {}),
        }

    def _virtual_mfa_devices(self, account_id: str) -> Iterator[dict[str, Any]]:
        for name, enabled in self._account(account_id).root_user.virtual_mfa_devices.items():
            yield {
                "SerialNumber": f"arn:aws:iam::{account_id}:mfa/{name}",
                "User": {
                    "UserId": account_id,
                    "Arn": f"arn:aws:iam::{account_id}:root",
                    "CreateDate": _ACCOUNT_CREATED,
                },
                "EnableDate": enabled,
            }
        for device in self._iam._mfa_devices.values():
            entry: dict[str, Any] = {"SerialNumber": device["SerialNumber"]}
            if device["User"] is not None:
                user = self._iam._users[device["User"]]
                entry |= {
                    "User": {name: user[name] for name in ("UserName", "UserId", "Arn", "Path")}
                    | {"CreateDate": datetime.fromisoformat(user["CreateDate"])},
                    "EnableDate": datetime.fromisoformat(device["EnableDate"]),
                }
            yield entry

    def _account(self, account_id: str) -> Account:
        try:
            return find(self._accounts, account_id)
        except AccountsError as error:
            raise AwsError("InvalidClientTokenId", str(error), status=403) from error

    @staticmethod
    def _start(marker: str | None) -> int:
        if marker is None:
            return 0
        if not (marker.isascii() and marker.isdecimal()):
            message = "Invalid Marker."
            raise AwsError("ValidationError", message)
        return int(marker)
