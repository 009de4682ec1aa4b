"""What Prowler and Cloud Custodian should answer to a root user, by what they say of themselves, and where they do not.

Prowler describes each check in CHECK.metadata.json and on https://hub.prowler.com/check/CHECK, Cloud Custodian each filter on
https://cloudcustodian.io/docs/aws/resources/account.html.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = ""
"""Prowler reports nothing of the account."""

_DAY = 1


@dataclass(frozen=True)
class Root:
    """A root user, as the accounts file has it."""

    password: bool
    access_keys: int
    signing_certificates: int
    virtual_mfa_devices: int
    hardware_mfa_devices: int
    passkeys: int
    password_used: int | None
    access_keys_used: int | None
    """Days since the last use; None: never."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Root":
        """Read the settings of an account's root user."""
        return cls(
            password=settings.get("password", True),
            access_keys=settings.get("access_keys", 0),
            signing_certificates=settings.get("signing_certificates", 0),
            virtual_mfa_devices=len(settings.get("virtual_mfa_devices", [])),
            hardware_mfa_devices=settings.get("hardware_mfa_devices", 0),
            passkeys=settings.get("passkeys", 0),
            password_used=settings.get("password_used_days_ago"),
            access_keys_used=settings.get("access_keys_used_days_ago"),
        )

    def __str__(self) -> str:
        """Describe it in a few words."""
        numbers = {
            "virtual device": self.virtual_mfa_devices,
            "hardware device": self.hardware_mfa_devices,
            "passkey": self.passkeys,
            "access key": self.access_keys,
            "certificate": self.signing_certificates,
        }
        has = ["password"] * self.password + [f"{n} {what}{'s' * (n > 1)}" for what, n in numbers.items() if n]
        used = {"password": self.password_used, "keys": self.access_keys_used}
        return (
            ", ".join([*has, *(f"{what} used {days} days ago" for what, days in used.items() if days is not None)])
            or "no credentials"
        )

    @property
    def mfa(self) -> bool:
        """Tell whether it has an MFA device of any kind."""
        return self.virtual_mfa_devices + self.hardware_mfa_devices + self.passkeys > 0

    @property
    def known(self) -> bool:
        """Tell whether it has a credential that Prowler looks for: a password or access keys."""
        return self.password or self.access_keys > 0

    @property
    def used(self) -> bool:
        """Tell whether its password or a key was used within a day."""
        return any(days is not None and days < _DAY for days in (self.password_used, self.access_keys_used))


PROWLER: Mapping[str, Callable[[Root], str]] = {
    "iam_root_mfa_enabled": lambda root: _status(passes=root.mfa) if root.known else NOTHING,
    "iam_root_hardware_mfa_enabled": lambda root: _status(passes=root.hardware_mfa_devices > 0),
    "iam_no_root_access_key": lambda root: _status(passes=root.access_keys == 0),
    "iam_avoid_root_usage": lambda root: _status(passes=not root.used),
}
"""What Prowler's checks should say of a root user."""
ORGANIZATION_CHECK = "iam_root_credentials_management_enabled"
"""Passes where an organization manages root credentials. It says nothing in a member account, which may not ask."""

CUSTODIAN: Mapping[str, Callable[[Root], bool]] = {
    "iam-summary": lambda root: root.mfa,
    "mfa_active": lambda root: root.mfa,
    "has-virtual-mfa": lambda root: root.virtual_mfa_devices > 0,
    "access_keys": lambda root: root.access_keys > 0,
    "last_used": lambda root: root.used,
}
"""Whether an account should match the policies of custodian.yaml."""


@dataclass(frozen=True)
class Difference:
    """A check that answers otherwise than its text: `answer`, if `of` is true of the root user, because `why`."""

    check: str
    of: Callable[[Root], bool]
    answer: str
    why: str


DIFFERENCES = (
    Difference(
        "iam_root_hardware_mfa_enabled",
        lambda root: root.known and root.hardware_mfa_devices > 0 and root.virtual_mfa_devices > 0,
        "FAIL",
        "It fails if any virtual device is assigned. The APIs do not say whether there is a hardware device too.",
    ),
    Difference(
        "iam_root_hardware_mfa_enabled",
        lambda root: not root.known,
        NOTHING,
        "It leaves out a root user without password and access keys, although its description does not say so.",
    ),
    Difference(
        "iam_no_root_access_key",
        lambda root: not root.known,
        NOTHING,
        "It leaves out a root user without password and access keys, although its description does not say so.",
    ),
    Difference(
        "iam_avoid_root_usage",
        lambda root: not root.password,
        "ParserError",
        "It reads the report's N/A, for a password that is not there, as a date. Prowler then has no result for the account.",
    ),
    Difference(
        "iam_avoid_root_usage",
        lambda root: root.password_used is not None and root.password_used >= _DAY and root.used,
        "PASS",
        "It does not look at the keys if the password was ever used.",
    ),
)
"""Where the tools, and not the local AWS, are in the wrong."""


def _status(*, passes: bool) -> str:
    return "PASS" if passes else "FAIL"
