"""The accounts of the local AWS and their root users, which their owners change in the console."""

import re
import secrets
import string
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime

MAXIMUM_MFA_DEVICES = 8
"""Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html"""
MAXIMUM_KEYS = 2
"""Access keys, and also signing certificates. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_DEVICE_NAME = re.compile(r"[\w+=,.@-]{1,226}", re.ASCII)
"""Source: API model, iam, virtualMFADeviceName."""


_NAMED = 5
"""How many accounts a message names at most."""
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
"""When the accounts of an accounts file were created, and the passwords of their root users."""


class AccountsError(ValueError):
    """The accounts file, or a change to a root user, asks for something impossible. The message says what, where and why."""


@dataclass
class RootUser:
    """The credentials of a root user, when each was created or enabled, and when they were last used.

    The keys are the ids of access keys and of signing certificates, the serial numbers of hardware TOTP tokens, and the names
    of passkeys (security keys too) and of virtual devices.
    """

    password: bool = True
    access_keys: dict[str, datetime] = field(default_factory=dict)
    signing_certificates: dict[str, datetime] = field(default_factory=dict)
    hardware_mfa_devices: dict[str, datetime] = field(default_factory=dict)
    passkeys: dict[str, datetime] = field(default_factory=dict)
    virtual_mfa_devices: dict[str, datetime] = field(default_factory=dict)
    unassigned_virtual_mfa_devices: list[str] = field(default_factory=list)
    """The names of devices that are deactivated, but not deleted. They are nobody's."""
    password_created: datetime = FIRST_DAY
    """When the present password was created, or the last one if there is none."""
    password_last_used: datetime | None = None
    """When the owner last signed in; None: never with the present password."""
    access_keys_last_used: dict[str, datetime] = field(default_factory=dict)
    """Of the access keys that were ever used."""

    @property
    def mfa_devices(self) -> int:
        """How many devices of all kinds are enabled."""
        return len(self.hardware_mfa_devices) + len(self.passkeys) + len(self.virtual_mfa_devices)

    @property
    def virtual_mfa_device_names(self) -> list[str]:
        """The names of all virtual devices, the unassigned ones last."""
        return [*self.virtual_mfa_devices, *self.unassigned_virtual_mfa_devices]


@dataclass
class Account:
    """An account. Without `recorder`, AWS Config is not set up in it.

    `email` is the address of its root user, by default one made of its id. `joined_method` says how it came into the
    organization, an AccountJoinedMethod of the API model.
    """

    account_id: str
    name: str
    root_user: RootUser
    recorder: bool = True
    created: datetime = FIRST_DAY
    email: str = ""
    joined_method: str = "INVITED"

    def __post_init__(self) -> None:
        """Give it an address."""
        self.email = self.email or f"aws+{self.account_id}@example.com"


def find(accounts_by_id: Mapping[str, Account], account_id: str) -> Account:
    """Return an account. Raises AccountsError if there is none; the message names some that exist."""
    if account_id not in accounts_by_id:
        named = list(accounts_by_id)[:_NAMED]
        more = f" and {len(accounts_by_id) - _NAMED} more" if len(accounts_by_id) > _NAMED else ""
        message = f"There is no account {account_id}: there are {', '.join(named)}{more}."
        raise AccountsError(message)
    return accounts_by_id[account_id]


def change(root_user: RootUser, what: str, device: str | None, now: datetime) -> None:
    """Change a root user at the time `now`. `what` is one of CHANGES; a change of a virtual device needs the device's name.

    Raises AccountsError, and changes nothing, if the change is unknown or impossible.
    """
    if what not in CHANGES:
        message = f"Unknown change {what!r}: allowed are {', '.join(CHANGES)}."
        raise AccountsError(message)
    if what.endswith("-virtual-device"):
        if not isinstance(device, str) or not _DEVICE_NAME.fullmatch(device):
            message = f"{what} needs the name of a device (1 to 226 of A-Z a-z 0-9 + = , . @ _ -), but got {device!r}."
            raise AccountsError(message)
        CHANGES[what](root_user, device, now)
    else:
        CHANGES[what](root_user, "", now)


def _add_virtual_device(root_user: RootUser, name: str, now: datetime) -> None:
    if name in root_user.virtual_mfa_device_names:
        message = f"The root user already has a virtual MFA device named {name}."
        raise AccountsError(message)
    _refuse_ninth(root_user)
    root_user.virtual_mfa_devices[name] = now


def _remove_virtual_device(root_user: RootUser, name: str, _: datetime) -> None:
    if name not in root_user.virtual_mfa_devices:
        message = f"The root user has no virtual MFA device named {name}."
        raise AccountsError(message)
    del root_user.virtual_mfa_devices[name]


def _add_hardware_device(root_user: RootUser, _: str, now: datetime) -> None:
    _refuse_ninth(root_user)
    root_user.hardware_mfa_devices[_new_id("GAHT", 8, string.digits)] = now


def _add_passkey(root_user: RootUser, _: str, now: datetime) -> None:
    _refuse_ninth(root_user)
    root_user.passkeys[_new_id("passkey-", 26)] = now


def _refuse_ninth(root_user: RootUser) -> None:
    if root_user.mfa_devices >= MAXIMUM_MFA_DEVICES:
        message = f"The root user already has {MAXIMUM_MFA_DEVICES} MFA devices, and may have no more."
        raise AccountsError(message)


def _create_access_key(root_user: RootUser, _: str, now: datetime) -> None:
    _refuse_third("access keys", root_user.access_keys)
    root_user.access_keys[_new_id("AKIA", 16)] = now


def _upload_signing_certificate(root_user: RootUser, _: str, now: datetime) -> None:
    _refuse_third("signing certificates", root_user.signing_certificates)
    root_user.signing_certificates[_new_id("", 32)] = now


def _refuse_third(what: str, keys: Sized) -> None:
    if len(keys) >= MAXIMUM_KEYS:
        message = f"The root user already has {MAXIMUM_KEYS} {what}, and may have no more."
        raise AccountsError(message)


def _new_id(prefix: str, length: int, characters: str = string.ascii_uppercase + "234567") -> str:
    return prefix + "".join(secrets.choice(characters) for _ in range(length))


def _recover_password(root_user: RootUser, _: str, now: datetime) -> None:
    root_user.password, root_user.password_created, root_user.password_last_used = True, now, None


def _delete_password(root_user: RootUser, *_: object) -> None:
    root_user.password, root_user.password_last_used = False, None


def _sign_in(root_user: RootUser, _: str, now: datetime) -> None:
    if not root_user.password:
        message = "The root user has no password, so nobody can sign in."
        raise AccountsError(message)
    root_user.password_last_used = now


def _use_access_keys(root_user: RootUser, _: str, now: datetime) -> None:
    if not root_user.access_keys:
        message = "The root user has no access keys, so nobody can use one."
        raise AccountsError(message)
    root_user.access_keys_last_used = dict.fromkeys(root_user.access_keys, now)


def _delete_access_keys(root_user: RootUser, *_: object) -> None:
    root_user.access_keys.clear()
    root_user.access_keys_last_used.clear()


CHANGES: Mapping[str, Callable[[RootUser, str, datetime], None]] = {
    "add-virtual-device": _add_virtual_device,
    "remove-virtual-device": _remove_virtual_device,
    "add-hardware-device": _add_hardware_device,
    "remove-hardware-devices": lambda root_user, *_: root_user.hardware_mfa_devices.clear(),
    "add-passkey": _add_passkey,
    "remove-passkeys": lambda root_user, *_: root_user.passkeys.clear(),
    "recover-password": _recover_password,
    "delete-password": _delete_password,
    "sign-in": _sign_in,
    "create-access-key": _create_access_key,
    "use-access-keys": _use_access_keys,
    "delete-access-keys": _delete_access_keys,
    "upload-signing-certificate": _upload_signing_certificate,
    "delete-signing-certificates": lambda root_user, *_: root_user.signing_certificates.clear(),
}
