"""The accounts file: YAML that says which accounts there are, with which root users, and which organization they are in.

A file without the key `organization` has accounts in no organization.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from local_aws.organizations import service_principals
from local_aws.organizations.accounts import FIRST_DAY, Account, AccountsError, RootUser, change
from local_aws.organizations.organization import IAM, ROOT_ACCESS_FEATURES, SERVICE_CONTROL_POLICY, Organization, Unit

_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)
_ORGANIZATION_ID = re.compile(r"o-[a-z0-9]{10,32}", re.ASCII)
_ROOT_ID = re.compile(r"r-[0-9a-z]{4,32}", re.ASCII)


def read_accounts(path: Path) -> dict[str, Account]:
    """Read the accounts file: a mapping `accounts` of account ids to `name`, `recorder` and `root_user`.

    Raises AccountsError, or OSError if the file cannot be read.
    """
    accounts = _load(path).get("accounts")
    if not accounts:
        message = f"{path} has no accounts: it must have at least one, in the mapping 'accounts'."
        raise AccountsError(message)
    now = datetime.now(UTC)  # noqa: TID251 - no clock runs yet, and it will begin with this time
    return {
        str(account_id): parse(f"{path}: account {account_id}", str(account_id), settings, now)
        for account_id, settings in accounts.items()
    }


def _load(path: Path) -> dict[str, Any]:
    """Read the file as YAML, and check its keys. Raises AccountsError or OSError."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{path} is no YAML: {' '.join(str(error).split())}"
        raise AccountsError(message) from error
    return _known(f"{path}", content, {"accounts": dict, "organization": dict})


class _Loader(yaml.CSafeLoader):
    """YAML in which no key comes twice: PyYAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Make a dictionary of a node."""
        names = Counter(str(key.value) for key, _ in node.value)
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_NUMBERED = {
    "access_keys": "create-access-key",
    "signing_certificates": "upload-signing-certificate",
    "hardware_mfa_devices": "add-hardware-device",
    "passkeys": "add-passkey",
}
"""The settings of a root user that are numbers. Each says how often to make its change."""

_USED = {"password_used_days_ago": "sign-in", "access_keys_used_days_ago": "use-access-keys"}
"""The settings of a root user that say how many days ago a change was made."""

_KINDS = {bool: "true or false", int: "a number, not a negative one", str: "a text", dict: "a mapping", list: "a list"}


def parse(where: str, account_id: str, settings: object, now: datetime) -> Account:
    """Make an account of its settings at a time. `where` names the place for messages. Raises AccountsError."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        message = f"{where}: an account id has 12 digits (write it in quotes)."
        raise AccountsError(message)
    values = _known(where, settings, {"name": str, "recorder": bool, "root_user": dict})
    root = _known(
        f"{where}: root_user",
        values.get("root_user", {}),
        {"password": bool, **dict.fromkeys(_NUMBERED, int), "virtual_mfa_devices": list, **dict.fromkeys(_USED, int)},
    )
    root_user = RootUser(password=root.get("password", True))
    used = {name: _days_before(f"{where}: root_user: {name}", now, root[name]) for name in _USED if name in root}
    try:
        for name, what in _NUMBERED.items():
            for _ in range(root.get(name, 0)):
                change(root_user, what, None, used.get(f"{name}_used_days_ago", now))
        for device in root.get("virtual_mfa_devices", []):
            change(root_user, "add-virtual-device", device, now)
        for name, moment in used.items():
            change(root_user, _USED[name], None, moment)
    except AccountsError as error:
        message = f"{where}: root_user: {error}"
        raise AccountsError(message) from error
    return Account(account_id, values.get("name", account_id), root_user, recorder=values.get("recorder", True))


def _days_before(where: str, now: datetime, days: int) -> datetime:
    age = (now - FIRST_DAY).days
    if days > age:
        message = f"{where} is {days}, but the account is only {age} days old."
        raise AccountsError(message)
    return now - timedelta(days=days)


def _known(where: str, settings: object, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return settings, each with the type that `kinds` has for its name. Raises AccountsError."""
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
    """Return `value` if it is a mapping. `where` names it for messages. Raises AccountsError."""
    if not isinstance(value, dict):
        message = f"{where} must be a mapping, but is {value!r}."
        raise AccountsError(message)
    return value


# The organization


def read_organization(path: Path, accounts_by_id: dict[str, Account]) -> Organization | None:
    """Read the key `organization` of the accounts file, or return None if it has none. organization.yaml shows its format.

    Raises AccountsError, or OSError if the file cannot be read.
    """
    content = _load(path)
    if "organization" not in content:
        return None
    where = f"{path}: organization"
    settings = _known(
        where,
        content["organization"],
        {
            "id": str,
            "root_id": str,
            "management_account": str,
            "all_features": bool,
            "trusted_services": list,
            "delegated_administrators": dict,
            "root_access_features": list,
            "units": dict,
            "outside": list,
        },
    )
    for name, pattern in (("id", _ORGANIZATION_ID), ("root_id", _ROOT_ID)):
        if not pattern.fullmatch(settings.get(name, "")):
            message = f"{where}: {name} is {settings.get(name)!r}, but must match {pattern.pattern}."
            raise AccountsError(message)
    organization = Organization(
        settings["id"],
        settings["root_id"],
        settings.get("management_account", ""),
        trusted_services={str(service) for service in settings.get("trusted_services", [])},
        root_access_features={str(feature) for feature in settings.get("root_access_features", [])},
        all_features=settings.get("all_features", True),
        policy_types={SERVICE_CONTROL_POLICY} if settings.get("all_features", True) else set(),
    )
    _refuse_unknown(f"{where}: management_account", [organization.management_account_id], accounts_by_id)
    _add_units(f"{where}: units", organization, settings.get("units", {}), accounts_by_id)
    outside = settings.get("outside", [])
    _refuse_unknown(f"{where}: outside", outside, accounts_by_id)
    placed = sorted({organization.management_account_id, *organization.parents}.intersection(outside))
    if placed:
        message = f"{where}: outside has {', '.join(placed)}, which the organization has."
        raise AccountsError(message)
    inside = [account_id for account_id in accounts_by_id if account_id not in outside]
    organization.parents = dict.fromkeys(inside, organization.root_id) | organization.parents
    _add_delegated(f"{where}: delegated_administrators", organization, settings.get("delegated_administrators", {}))
    _refuse_unknown_services(f"{where}: trusted_services", organization.trusted_services, delegated=False)
    if organization.trusted_services and not organization.all_features:
        message = f"{where}: trusted_services must be empty if all_features is false: trusted access needs all features."
        raise AccountsError(message)
    _check_features(f"{where}: root_access_features", organization)
    return organization


def _check_features(where: str, organization: Organization) -> None:
    unknown = sorted(organization.root_access_features.difference(ROOT_ACCESS_FEATURES))
    if unknown:
        message = f"{where} has {', '.join(unknown)}, but allowed are {', '.join(ROOT_ACCESS_FEATURES)}."
        raise AccountsError(message)
    if organization.root_access_features and IAM not in organization.trusted_services:
        message = f"{where} needs {IAM} in trusted_services."
        raise AccountsError(message)


def _add_units(where: str, organization: Organization, units: dict[str, Any], accounts_by_id: dict[str, Account]) -> None:
    for path, members in units.items():
        parent_id = organization.root_id
        names = str(path).split("/")
        for depth, name in enumerate(names, 1):
            unit_id = _unit_id(organization.root_id, names[:depth])
            organization.units.setdefault(unit_id, Unit(unit_id, name, parent_id))
            parent_id = unit_id
        if not isinstance(members, list):
            message = f"{where}: {path} must be a list of account ids, but is {members!r}."
            raise AccountsError(message)
        _refuse_unknown(f"{where}: {path}", members, accounts_by_id)
        for account_id in members:
            if account_id in organization.parents:
                message = f"{where}: {path} has account {account_id}, which is in another unit already."
                raise AccountsError(message)
            organization.parents[account_id] = parent_id


def _unit_id(root_id: str, names: Sequence[str]) -> str:
    """Return an id that is the same at each start."""
    return f"ou-{root_id.removeprefix('r-')}-{hashlib.sha256('/'.join(names).encode()).hexdigest()[:8]}"


def _add_delegated(where: str, organization: Organization, delegated: dict[str, Any]) -> None:
    for account_id, services in delegated.items():
        _refuse_unknown(where, [account_id], organization.parents)
        if account_id == organization.management_account_id:
            message = f"{where}: the management account {account_id} cannot be a delegated administrator."
            raise AccountsError(message)
        _refuse_unknown_services(f"{where}: account {account_id}", services, delegated=True)
        untrusted = sorted(set(services) - organization.trusted_services)
        if untrusted:
            message = f"{where}: account {account_id} has {', '.join(untrusted)}, but trusted_services has not."
            raise AccountsError(message)
        organization.delegated_administrators[account_id] = set(services)


def _refuse_unknown_services(where: str, services: Iterable[object], *, delegated: bool) -> None:
    if unknown := service_principals.unknown(services, delegated=delegated):
        what = "that member accounts administer" if delegated else "that an organization can trust"
        message = (
            f"{where} has {', '.join(unknown)}, but the local AWS knows no such service {what}: see service_principals.py."
        )
        raise AccountsError(message)


def _refuse_unknown(where: str, account_ids: Sequence[object], known: dict[str, Any]) -> None:
    for account_id in account_ids:
        if account_id not in known:
            message = f"{where}: {account_id!r} is not one of the accounts of this file (write it in quotes)."
            raise AccountsError(message)
