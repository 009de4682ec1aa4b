"""What a root user has: pure, without input or output.

Nothing here is a secret: serial numbers of devices and ids of access keys are names.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from root_virtual_mfa_enabled.decision import AccountSummary, Facts, VirtualMfaDevice


class Kind(StrEnum):
    """The kinds of MFA devices."""

    VIRTUAL = "virtual MFA device"
    PASSKEY = "passkey or security key"
    HARDWARE = "hardware TOTP token"
    OTHER = "device of another kind"


@dataclass(frozen=True, slots=True)
class Device:
    """An MFA device, and when it was enabled (None: not known)."""

    serial_number: str
    enabled: datetime | None = None

    @property
    def kind(self) -> Kind:
        """The kind, by the serial number: an ARN of a virtual device or of a FIDO device, or no ARN at all.

        Source: API reference, iam, MFADevice and GetMFADevice, whose example has "arn:aws:iam::123456789012:u2f/root/...".
        """
        if not self.serial_number.startswith("arn:"):
            return Kind.HARDWARE
        resource = self.serial_number.split(":", 5)[-1]
        kinds = {"mfa/": Kind.VIRTUAL, "u2f/": Kind.PASSKEY}
        return kinds.get(resource[:4], Kind.OTHER)

    @property
    def name(self) -> str:
        """The part of the serial number after the last slash."""
        return self.serial_number.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key; `last_used` is None if IAM knows of no use, and then `service` and `region` say nothing."""

    access_key_id: str
    is_active: bool
    created: datetime
    last_used: datetime | None = None
    service: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signing certificate. IAM does not say when one was used."""

    certificate_id: str
    is_active: bool
    uploaded: datetime


@dataclass(frozen=True, slots=True)
class RootUser:
    """What the root user of an account has.

    `password`: whether there is a login profile, also if a password recovery is only allowed; None: not known.  Its times are
    None if they are not known, `password_last_used` also if nobody signed in since IAM began to record that.  `access_keys` and
    `certificates` are None if only the summary shows them.  `devices` are the known ones; `inferred_devices` is how many
    more there are, None if nobody can tell.
    """

    partition: str
    account_id: str
    summary: AccountSummary
    password: bool | None
    password_created: datetime | None
    password_last_used: datetime | None
    access_keys: tuple[AccessKey, ...] | None
    certificates: tuple[Certificate, ...] | None
    devices: tuple[Device, ...]
    inferred_devices: int | None = 0

    @property
    def facts(self) -> Facts:
        """The facts that the rule decides from, as far as the lists show them."""
        root = f"arn:{self.partition}:iam::{self.account_id}:root"
        virtual = (device for device in self.devices if device.kind is Kind.VIRTUAL)
        devices = tuple(VirtualMfaDevice(device.serial_number, root, enabled=True) for device in virtual)
        return Facts(self.partition, self.account_id, self.summary, devices)

    @property
    def device_count(self) -> int | None:
        """How many devices there are, None if nobody can tell."""
        return None if self.inferred_devices is None else len(self.devices) + self.inferred_devices

    @property
    def is_only_a_passkey(self) -> bool:
        """Whether the only device is a passkey or security key."""
        return self.device_count == 1 and [device.kind for device in self.devices] == [Kind.PASSKEY]

    def keys_in_use(self, since: datetime) -> list[AccessKey]:
        """Return the active access keys that were used since a time."""
        return [key for key in self.access_keys or () if key.is_active and key.last_used and key.last_used >= since]

    def is_unused(self, since: datetime) -> bool:
        """Tell whether there are credentials, and each is known not to have been used since a time.

        A younger credential proves nothing, and neither does a signing certificate.
        """
        if self.access_keys is None or self.password is None or any(each.is_active for each in self.certificates or ()):
            return False
        latest = [key.last_used or key.created for key in self.access_keys]
        if self.password:
            if self.password_created is None:
                return False
            latest.append(self.password_last_used or self.password_created)
        return bool(latest or self.certificates) and all(moment < since for moment in latest)
