"""IAM: root users, which MiniStack lacks: how an account's summary and lists show them, and what their sessions change.

Source of the answers' shapes: API model, iam, and public captures of GetUser by root (without UserName and Path).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from local_aws.authorization.root_sessions import is_root_session, own_arn, root_arn
from local_aws.core import ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.operations import Operation, Operations
from local_aws.core.paging import Pages
from local_aws.organizations.accounts import Account, AccountsError, RootUser, change, find

_DEFAULT_PAGE = 100
"""Source: API model, iam, ListVirtualMFADevicesRequest.MaxItems."""
_PAGES = Pages("ValidationError", "Invalid Marker.", "Marker")

_NEVER_USED = {"ServiceName": "N/A", "Region": "N/A"}

_RootOperation = Callable[[Account, dict[str, Any]], dict[str, Any] | None]


class RootUsers:
    """The IAM operations that are about root users.

    If a root user calls an operation and names nobody, the operation is about that root user: an account's id as the access key
    id is its root user, and so is a session of AssumeRoot.  The password needs such a session (API reference, for example
    DeleteLoginProfile, UserName).  An operation returns None if MiniStack is to answer: to any other caller, and about what is
    not root's.
    """

    def __init__(self, accounts: Mapping[str, Account], clock: Clock) -> None:
        """Serve the root users of `accounts`, which may change at any time."""
        self._accounts = accounts
        self._clock = clock
        self._iam = ministack_seams.module("ministack.services.iam")
        self.longest_page: int | None = None
        """The most entries of a page: AWS may give fewer than MaxItems, and then gives more pages."""
        in_sessions: dict[str, _RootOperation] = {
            "CreateLoginProfile": self.create_login_profile,
            "DeactivateMFADevice": self.deactivate_mfa_device,
            "DeleteLoginProfile": self.delete_login_profile,
            "GetLoginProfile": self.get_login_profile,
        }
        of_root: dict[str, _RootOperation] = {
            "DeleteAccessKey": self.delete_access_key,
            "DeleteSigningCertificate": self.delete_signing_certificate,
            "GetAccessKeyLastUsed": self.get_access_key_last_used,
            "GetUser": self.get_user,
            "ListAccessKeys": self.list_access_keys,
            "ListMFADevices": self.list_mfa_devices,
            "ListSigningCertificates": self.list_signing_certificates,
        }
        self.operations: Operations = {
            "CreateVirtualMFADevice": self.create_virtual_mfa_device,
            "DeleteVirtualMFADevice": self.delete_virtual_mfa_device,
            "ListVirtualMFADevices": self.list_virtual_mfa_devices,
            **{name: self._by_root(operation) for name, operation in of_root.items()},
            **{name: self._by_root(operation, in_session=True) for name, operation in in_sessions.items()},
        }
        self.operations["DeactivateMFADevice"] = self._of_user(self.operations["DeactivateMFADevice"])

    def _by_root(self, operation: _RootOperation, *, in_session: bool = False) -> Operation:
        def call(account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
            if own_arn() is None or "UserName" in params:
                return None
            if in_session and not is_root_session():
                # No source has AWS's words to a root user outside of such a session.
                message = "Must specify userName when calling with non-User credentials"
                raise AwsError("ValidationError", message)
            return operation(self.account(account_id), params)

        return call

    def _of_user(self, operation: Operation) -> Operation:
        """Return what refuses a device that is not assigned to the IAM user whom a request names, as AWS words it."""

        def call(account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
            user_name, device = params.get("UserName"), self._iam._mfa_devices.get(params["SerialNumber"])
            if user_name in self._iam._users and (device is None or device["User"] != user_name):
                raise _not_of_user()
            return operation(account_id, params)

        return call

    # The devices

    def list_virtual_mfa_devices(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the virtual devices of root, then those of IAM users and of nobody."""
        status = params.get("AssignmentStatus", "Any")
        wanted = (
            device
            for device in self._virtual_mfa_devices(account_id)
            if status == "Any" or ("EnableDate" in device) == (status == "Assigned")
        )
        return self._page("VirtualMFADevices", wanted, params)

    def _virtual_mfa_devices(self, account_id: str) -> Iterator[dict[str, Any]]:
        root = self.account(account_id).root_user
        for name, enabled in root.virtual_mfa_devices.items():
            yield {
                "SerialNumber": _serial_number(account_id, name),
                "User": _root(self.account(account_id)),
                "EnableDate": enabled,
            }
        for name in root.unassigned_virtual_mfa_devices:
            yield {"SerialNumber": _serial_number(account_id, name)}
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

    def create_virtual_mfa_device(self, account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Refuse the path and name of an existing device: MiniStack does not know root's, and words it otherwise."""
        serial_number = _serial_number(account_id, f"{params.get('Path', '/')}{params['VirtualMFADeviceName']}"[1:])
        if serial_number in {device["SerialNumber"] for device in self._virtual_mfa_devices(account_id)}:
            message = "MFA device already exists."
            raise AwsError("EntityAlreadyExists", message)
        return None

    def delete_virtual_mfa_device(self, account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Delete a device that was root's and is deactivated. Refuse one that is still assigned, to whomever."""
        root, serial_number = self.account(account_id).root_user, params["SerialNumber"]
        for device in self._virtual_mfa_devices(account_id):
            if device["SerialNumber"] == serial_number and "EnableDate" in device:
                message = "MFA VirtualDevice in use. Must deactivate first."
                raise AwsError("DeleteConflict", message)
        for name in root.unassigned_virtual_mfa_devices:
            if serial_number == _serial_number(account_id, name):
                root.unassigned_virtual_mfa_devices.remove(name)
                return {}
        return None

    # The root user

    def get_user(self, account: Account, _: dict[str, Any]) -> dict[str, Any]:
        """Describe the root user."""
        return {"User": _root(account)}

    def create_login_profile(self, account: Account, _: dict[str, Any]) -> dict[str, Any]:
        """Give the root user a login profile again. AWS calls this to allow password recovery.

        The password counts as present before the owner has recovered it (public captures of GetAccountSummary, 2026-09-12).
        """
        if account.root_user.password:
            message = f"Login Profile for account {account.account_id} already exists."
            raise AwsError("EntityAlreadyExists", message)
        change(account.root_user, "recover-password", None, self._clock.now())
        return _login_profile(account.root_user)

    def get_login_profile(self, account: Account, _: dict[str, Any]) -> dict[str, Any]:
        """Tell whether there is a password, and since when."""
        _require_password(account.root_user)
        return _login_profile(account.root_user)

    def delete_login_profile(self, account: Account, _: dict[str, Any]) -> dict[str, Any]:
        """Delete the password."""
        _require_password(account.root_user)
        change(account.root_user, "delete-password", None, self._clock.now())
        return {}

    def list_access_keys(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """List the access keys."""
        keys = (
            {"AccessKeyId": key, "Status": "Active", "CreateDate": created}
            for key, created in account.root_user.access_keys.items()
        )
        return self._page("AccessKeyMetadata", keys, params)

    def delete_access_key(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """Delete an access key."""
        _take("Access Key", account.root_user.access_keys, params["AccessKeyId"])
        account.root_user.access_keys_last_used.pop(params["AccessKeyId"], None)
        return {}

    def get_access_key_last_used(self, account: Account, params: dict[str, Any]) -> dict[str, Any] | None:
        """Tell when a key was last used. Region and service are those of a call of IAM: nothing notes others."""
        if params["AccessKeyId"] not in account.root_user.access_keys:
            return None
        moment = account.root_user.access_keys_last_used.get(params["AccessKeyId"])
        used = {"LastUsedDate": moment, "ServiceName": "iam", "Region": "us-east-1"} if moment else _NEVER_USED
        return {"AccessKeyLastUsed": used}

    def list_signing_certificates(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """List the signing certificates; they have no CertificateBody here."""
        certificates = (
            {"CertificateId": certificate, "Status": "Active", "UploadDate": uploaded}
            for certificate, uploaded in account.root_user.signing_certificates.items()
        )
        return self._page("Certificates", certificates, params)

    def delete_signing_certificate(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a signing certificate."""
        _take("Certificate", account.root_user.signing_certificates, params["CertificateId"])
        return {}

    def list_mfa_devices(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """List the devices of all kinds.

        Source of a passkey's serial number: API reference, GetMFADevice, whose example is of root.
        """
        root = account.root_user
        virtual = {_serial_number(account.account_id, name): enabled for name, enabled in root.virtual_mfa_devices.items()}
        passkeys = {_passkey_serial_number(account.account_id, name): enabled for name, enabled in root.passkeys.items()}
        devices = (
            {"SerialNumber": serial_number, "EnableDate": enabled}
            for serial_number, enabled in {**virtual, **root.hardware_mfa_devices, **passkeys}.items()
        )
        return self._page("MFADevices", devices, params)

    def deactivate_mfa_device(self, account: Account, params: dict[str, Any]) -> dict[str, Any]:
        """Take a device from the root user; a virtual one stays, unassigned, until it is deleted."""
        root, serial_number = account.root_user, params["SerialNumber"]
        for name in root.virtual_mfa_devices:
            if serial_number == _serial_number(account.account_id, name):
                del root.virtual_mfa_devices[name]
                root.unassigned_virtual_mfa_devices.append(name)
                return {}
        for name in root.passkeys:
            if serial_number == _passkey_serial_number(account.account_id, name):
                del root.passkeys[name]
                return {}
        if root.hardware_mfa_devices.pop(serial_number, None) is None:
            raise _not_of_user()
        return {}

    # What the answers consist of

    def _page(self, member: str, entries: Iterable[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
        page, marker = _PAGES.page(list(entries), params, _DEFAULT_PAGE, self.longest_page)
        return {member: page, "IsTruncated": bool(marker), **marker}

    def account(self, account_id: str) -> Account:
        """Return an account. Raises AwsError if there is none."""
        try:
            return find(self._accounts, account_id)
        except AccountsError as error:
            raise AwsError("InvalidClientTokenId", str(error), status=403) from error


def _root(account: Account) -> dict[str, Any]:
    root = account.root_user
    used = {"PasswordLastUsed": root.password_last_used} if root.password_last_used else {}
    return {"UserId": account.account_id, "Arn": root_arn(account.account_id), "CreateDate": account.created, **used}


def _serial_number(account_id: str, device: str) -> str:
    return f"arn:aws:iam::{account_id}:mfa/{device}"


def _passkey_serial_number(account_id: str, passkey: str) -> str:
    return f"arn:aws:iam::{account_id}:u2f/root/{passkey}"


def _require_password(root: RootUser) -> None:
    if not root.password:
        message = "Login Profile for User null cannot be found."
        raise AwsError("NoSuchEntity", message)


def _login_profile(root: RootUser) -> dict[str, Any]:
    return {"LoginProfile": {"CreateDate": root.password_created, "PasswordResetRequired": False}}


def _not_of_user() -> AwsError:
    return AwsError("NoSuchEntity", "MFA Device invalid for user.")


def _take(what: str, entries: dict[str, datetime], name: str) -> None:
    if name not in entries:
        message = f"The {what} with id {name} cannot be found."
        raise AwsError("NoSuchEntity", message)
    del entries[name]
