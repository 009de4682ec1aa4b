"""The accounts of the local AWS and their root users, read from a YAML file and changed as an owner would at the console."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

MAXIMUM_MFA_DEVICES = 8
"""Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html"""

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_DEVICE_NAME = re.compile(r"[\w+=,.@-]{1,226}", re.ASCII)
"""Source: API model, iam, virtualMFADeviceName."""


class AccountsError(ValueError):
    """The accounts file, or a change to a root user, asks for what cannot be; the message says what, where and why."""


@dataclass
class RootUser:
    """The credentials of a root user. A hardware device is a hardware TOTP token, a passkey or a security key."""

    password: bool = True
    access_keys: int = 0
    signing_certificates: int = 0
    hardware_mfa_devices: int = 0
    virtual_mfa_devices: dict[str, datetime] = field(default_factory=dict)
    """When each was enabled, by name."""

    @property
    def mfa_devices(self) -> int:
        """How many devices of all kinds there are."""
        return self.hardware_mfa_devices + len(self.virtual_mfa_devices)


@dataclass
class Account:
    """An account; without `recorder`, AWS Config is not set up in it."""

    account_id: str
    name: str
    root_user: RootUser
    recorder: bool = True


def read(path: Path) -> dict[str, Account]:
    """Read the accounts file: a mapping `accounts` of account ids to `name`, `recorder` and `root_user`.

    Raises AccountsError, or OSError where the file cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        message = f"{path} is no YAML: {error}"
        raise AccountsError(message) from error
    accounts = _mapping(f"{path}", content).get("accounts")
    return {
        str(account_id): _account(f"{path}: account {account_id}", str(account_id), settings)
        for account_id, settings in _mapping(f"{path}: accounts", accounts).items()
    }


def change(root_user: RootUser, what: str, device: str | None = None) -> None:
    """Change a root user: `what` is one of CHANGES; the ones about a virtual device name it.

    Raises AccountsError where the change is unknown or cannot be made; nothing is changed then.
    """
    if what not in CHANGES:
        message = f"Unknown change {what!r}: allowed are {', '.join(CHANGES)}."
        raise AccountsError(message)
    if what.endswith("-virtual-device"):
        if device is None or not _DEVICE_NAME.fullmatch(device):
            message = f"{what} needs the name of a device (1 to 226 of A-Z a-z 0-9 + = , . @ _ -), but got {device!r}."
            raise AccountsError(message)
        CHANGES[what](root_user, device)
    else:
        CHANGES[what](root_user, "")


def _add_virtual_device(root_user: RootUser, name: str) -> None:
    if name in root_user.virtual_mfa_devices:
        message = f"The root user already has a virtual MFA device named {name}."
        raise AccountsError(message)
    _refuse_ninth(root_user)
    root_user.virtual_mfa_devices[name] = datetime.now(UTC)


def _remove_virtual_device(root_user: RootUser, name: str) -> None:
    if name not in root_user.virtual_mfa_devices:
        message = f"The root user has no virtual MFA device named {name}."
        raise AccountsError(message)
    del root_user.virtual_mfa_devices[name]


def _add_hardware_device(root_user: RootUser, _: str) -> None:
    _refuse_ninth(root_user)
    root_user.hardware_mfa_devices += 1


def _refuse_ninth(root_user: RootUser) -> None:
    if root_user.mfa_devices >= MAXIMUM_MFA_DEVICES:
        message = f"The root user already has {MAXIMUM_MFA_DEVICES} MFA devices, and may have no more."
        raise AccountsError(message)


def _set(attribute: str, *, to: object) -> Callable[[RootUser, str], None]:
    return lambda root_user, _: setattr(root_user, attribute, to)


CHANGES: Mapping[str, Callable[[RootUser, str], None]] = {
    "add-virtual-device": _add_virtual_device,
    "remove-virtual-device": _remove_virtual_device,
    "add-hardware-device": _add_hardware_device,
    "remove-hardware-devices": _set("hardware_mfa_devices", to=0),
    "recover-password": _set("password", to=True),
    "delete-password": _set("password", to=False),
    "create-access-key": _set("access_keys", to=1),
    "delete-access-keys": _set("access_keys", to=0),
    "upload-signing-certificate": _set("signing_certificates", to=1),
    "delete-signing-certificates": _set("signing_certificates", to=0),
}


def _account(where: str, account_id: str, settings: object) -> Account:
    if not _ACCOUNT_ID.fullmatch(account_id):
        message = f"{where}: an account id has 12 digits (write it in quotes)."
        raise AccountsError(message)
    values = _known(where, settings, {"name": str, "recorder": bool, "root_user": dict})
    root = _known(
        f"{where}: root_user",
        values.get("root_user", {}),
        {
            "password": bool,
            "access_keys": int,
            "signing_certificates": int,
            "hardware_mfa_devices": int,
            "virtual_mfa_devices": list,
        },
    )
    root_user = RootUser(**{name: value for name, value in root.items() if name != "virtual_mfa_devices"})
    for device in root.get("virtual_mfa_devices", []):
        try:
            change(root_user, "add-virtual-device", str(device))
        except AccountsError as error:
            message = f"{where}: {error}"
            raise AccountsError(message) from error
    return Account(account_id, values.get("name", account_id), root_user, recorder=values.get("recorder", True))


def _known(where: str, settings: object, kinds: Mapping[str, type]) -> dict[str, Any]:
    values = _mapping(where, settings)
    for name, value in values.items():
        if name not in kinds:
            message = f"{where} has an unknown key {name!r}: allowed are {', '.join(kinds)}."
            raise AccountsError(message)
        if type(value) is not kinds[name] or (isinstance(value, int) and value < 0):
            message = f"{where}: {name} is {value!r}, but must be a {kinds[name].__name__} (and not negative)."
            raise AccountsError(message)
    return values


def _mapping(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{where} must be a mapping, but is {value!r}."
        raise AccountsError(message)
    return value
