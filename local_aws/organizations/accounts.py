"""The accounts of the local AWS and their root users, read from a YAML file and changed as an owner would at the console."""

import re
import secrets
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

MAXIMUM_MFA_DEVICES = 8
"""Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html"""
MAXIMUM_KEYS = 2
"""Access keys, and signing certificates too. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_DEVICE_NAME = re.compile(r"[\w+=,.@-]{1,226}", re.ASCII)
"""Source: API model, iam, virtualMFADeviceName."""


_NAMED = 5
"""How many of the accounts that there are a message names."""


class AccountsError(ValueError):
    """The accounts file, or a change to a root user, asks for what cannot be; the message says what, where and why."""


@dataclass
class RootUser:
    """The credentials of a root user: when each was created or enabled, by what IAM calls it.

    That is the id of an access key or a signing certificate, the serial number of a hardware device, which is a hardware TOTP
    token, a passkey or a security key, and the name of a virtual device.
    """

    password: bool = True
    access_keys: dict[str, datetime] = field(default_factory=dict)
    signing_certificates: dict[str, datetime] = field(default_factory=dict)
    hardware_mfa_devices: dict[str, datetime] = field(default_factory=dict)
    virtual_mfa_devices: dict[str, datetime] = field(default_factory=dict)
    unassigned_virtual_mfa_devices: list[str] = field(default_factory=list)
    """The names of devices that were deactivated, and not deleted yet: they are nobody's."""

    @property
    def mfa_devices(self) -> int:
        """How many devices of all kinds are enabled."""
        return len(self.hardware_mfa_devices) + len(self.virtual_mfa_devices)

    @property
    def virtual_mfa_device_names(self) -> list[str]:
        """The names of all virtual devices, the unassigned ones last."""
        return [*self.virtual_mfa_devices, *self.unassigned_virtual_mfa_devices]


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
    accounts = load(path).get("accounts")
    if not accounts:
        message = f"{path} has no accounts: it must have at least one, in the mapping 'accounts'."
        raise AccountsError(message)
    return {
        str(account_id): parse(f"{path}: account {account_id}", str(account_id), settings)
        for account_id, settings in accounts.items()
    }


def load(path: Path) -> dict[str, Any]:
    """Read the file as YAML, whatever keys it has. Raises as `read` does."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{path} is no YAML: {' '.join(str(error).split())}"
        raise AccountsError(message) from error
    return known(f"{path}", content, {"accounts": dict, "organization": dict})


class _Loader(yaml.SafeLoader):
    """YAML in which no key comes twice: PyYAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Make a dictionary of a node."""
        names = Counter(str(key.value) for key, _ in node.value)
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def find(accounts_by_id: Mapping[str, Account], account_id: str) -> Account:
    """Return an account. Raises AccountsError where there is none of that id; the message names some that there are."""
    if account_id not in accounts_by_id:
        named = list(accounts_by_id)[:_NAMED]
        more = f" and {len(accounts_by_id) - _NAMED} more" if len(accounts_by_id) > _NAMED else ""
        message = f"There is no account {account_id}: there are {', '.join(named)}{more}."
        raise AccountsError(message)
    return accounts_by_id[account_id]


def change(root_user: RootUser, what: str, device: str | None = None) -> None:
    """Change a root user: `what` is one of CHANGES; the ones about a virtual device name it.

    Raises AccountsError where the change is unknown or cannot be made; nothing is changed then.
    """
    if what not in CHANGES:
        message = f"Unknown change {what!r}: allowed are {', '.join(CHANGES)}."
        raise AccountsError(message)
    if what.endswith("-virtual-device"):
        if not isinstance(device, str) or not _DEVICE_NAME.fullmatch(device):
            message = f"{what} needs the name of a device (1 to 226 of A-Z a-z 0-9 + = , . @ _ -), but got {device!r}."
            raise AccountsError(message)
        CHANGES[what](root_user, device)
    else:
        CHANGES[what](root_user, "")


def _add_virtual_device(root_user: RootUser, name: str) -> None:
    if name in root_user.virtual_mfa_device_names:
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
    root_user.hardware_mfa_devices[_new_id("GAHT", 8, string.digits)] = datetime.now(UTC)


def _refuse_ninth(root_user: RootUser) -> None:
    if root_user.mfa_devices >= MAXIMUM_MFA_DEVICES:
        message = f"The root user already has {MAXIMUM_MFA_DEVICES} MFA devices, and may have no more."
        raise AccountsError(message)


def _create_access_key(root_user: RootUser, _: str) -> None:
    _refuse_third("access keys", root_user.access_keys)
    root_user.access_keys[_new_id("AKIA", 16)] = datetime.now(UTC)


def _upload_signing_certificate(root_user: RootUser, _: str) -> None:
    _refuse_third("signing certificates", root_user.signing_certificates)
    root_user.signing_certificates[_new_id("", 32)] = datetime.now(UTC)


def _refuse_third(what: str, keys: Sized) -> None:
    if len(keys) >= MAXIMUM_KEYS:
        message = f"The root user already has {MAXIMUM_KEYS} {what}, and may have no more."
        raise AccountsError(message)


def _new_id(prefix: str, length: int, characters: str = string.ascii_uppercase + "234567") -> str:
    return prefix + "".join(secrets.choice(characters) for _ in range(length))


def _set_password(root_user: RootUser, _: str, *, present: bool) -> None:
    root_user.password = present


CHANGES: Mapping[str, Callable[[RootUser, str], None]] = {
    "add-virtual-device": _add_virtual_device,
    "remove-virtual-device": _remove_virtual_device,
    "add-hardware-device": _add_hardware_device,
    "remove-hardware-devices": lambda root_user, _: root_user.hardware_mfa_devices.clear(),
    "recover-password": partial(_set_password, present=True),
    "delete-password": partial(_set_password, present=False),
    "create-access-key": _create_access_key,
    "delete-access-keys": lambda root_user, _: root_user.access_keys.clear(),
    "upload-signing-certificate": _upload_signing_certificate,
    "delete-signing-certificates": lambda root_user, _: root_user.signing_certificates.clear(),
}


_NUMBERED = {
    "access_keys": "create-access-key",
    "signing_certificates": "upload-signing-certificate",
    "hardware_mfa_devices": "add-hardware-device",
}
"""The settings of a root user that are numbers, and the change that is made so often."""

_KINDS = {bool: "true or false", int: "a number, not a negative one", str: "a text", dict: "a mapping", list: "a list"}


def parse(where: str, account_id: str, settings: object) -> Account:
    """Make an account of its settings in the file, found at `where`. Raises AccountsError."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        message = f"{where}: an account id has 12 digits (write it in quotes)."
        raise AccountsError(message)
    values = known(where, settings, {"name": str, "recorder": bool, "root_user": dict})
    root = known(
        f"{where}: root_user",
        values.get("root_user", {}),
        {"password": bool, **dict.fromkeys(_NUMBERED, int), "virtual_mfa_devices": list},
    )
    root_user = RootUser(password=root.get("password", True))
    try:
        for name, what in _NUMBERED.items():
            for _ in range(root.get(name, 0)):
                change(root_user, what)
        for device in root.get("virtual_mfa_devices", []):
            change(root_user, "add-virtual-device", device)
    except AccountsError as error:
        message = f"{where}: root_user: {error}"
        raise AccountsError(message) from error
    return Account(account_id, values.get("name", account_id), root_user, recorder=values.get("recorder", True))


def known(where: str, settings: object, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the settings at `where`, each with the type that `kinds` has for its name. Raises AccountsError."""
    values = mapping(where, settings)
    for name, value in values.items():
        if name not in kinds:
            message = f"{where} has an unknown key {name!r}: allowed are {', '.join(kinds)}."
            raise AccountsError(message)
        if type(value) is not kinds[name] or (isinstance(value, int) and value < 0):
            message = f"{where}: {name} is {value!r}, but must be {_KINDS[kinds[name]]}."
            raise AccountsError(message)
    return values


def mapping(where: str, value: object) -> dict[str, Any]:
    """Return the mapping at `where`. Raises AccountsError where it is none."""
    if not isinstance(value, dict):
        message = f"{where} must be a mapping, but is {value!r}."
        raise AccountsError(message)
    return value
