"""Decide the verdict from the facts about a root user: pure, without any input or output.

The first row of the verdict table that holds decides.  Facts that are incomplete never get here: reading them fails first
(see facts.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from periodic_rule.verdict import ANNOTATION_LENGTH, Decision, Verdict

NOT_EVALUATED_PARTITIONS = frozenset({"aws-us-gov", "aws-cn"})
"""Partitions whose root users cannot sign in to a console (GovCloud) or that have no root user in this sense (China).

Source: https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-iam.html,
https://docs.amazonaws.cn/en_us/aws/latest/userguide/iam.html
"""

_LEGACY_ROOT_SERIAL = ":mfa/root-account-mfa-device"


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """What iam:GetAccountSummary says about the root user.

    `mfa_enabled` is AccountMFAEnabled. Another field is None if the summary lacks its key, which never excuses anything.
    `password_present` is also true while a password recovery is only allowed (public captures of real AWS, 2026-09-12).
    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
    """

    mfa_enabled: bool
    password_present: bool | None
    access_keys_present: bool | None
    signing_certificates_present: bool | None

    @property
    def has_no_credentials(self) -> bool:
        """Whether each kind of credential is known to be absent."""
        present = (self.password_present, self.access_keys_present, self.signing_certificates_present)
        return all(kind is False for kind in present)


@dataclass(frozen=True, slots=True)
class VirtualMfaDevice:
    """An assigned device of iam:ListVirtualMFADevices; `user_arn` is None if the answer has no User.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_VirtualMFADevice.html
    """

    serial_number: str
    user_arn: str | None
    enabled: bool

    @property
    def name(self) -> str:
        """The name that its owner chose: the part of the serial number, an ARN, after the last slash."""
        return self.serial_number.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a verdict depends on.

    `summary` is None only in a partition that the rule does not evaluate.  `virtual_mfa_devices` holds the assigned devices
    of the whole account.  It is empty if root's MFA is off, because then no verdict depends on them.
    """

    partition: str
    account_id: str
    summary: AccountSummary | None = None
    virtual_mfa_devices: tuple[VirtualMfaDevice, ...] = ()

    @property
    def root_devices(self) -> tuple[VirtualMfaDevice, ...]:
        """The virtual MFA devices assigned to root.

        A device is root's if its user's ARN equals root's ARN.  A device of a user "groot" is not root's, and neither is an
        IAM user's device named "root-account-mfa-device".  One legacy shape counts too: an enabled device without a user
        that has root's old fixed name.

        Sources: for the ARN, an example in an older API model of AWS (boto/botocore at 538422f, botocore/data/aws/iam.json,
        ListVirtualMFADevices) and users of AWS (https://github.com/prowler-cloud/prowler/issues/4652,
        https://github.com/cloud-custodian/cloud-custodian/pull/9848); for the legacy shape, a recorded answer of 2017
        (cloud-custodian/cloud-custodian, tests/data/placebo/test_account_virtual_mfa).  What is not known, and what shows it if
        AWS lists a device differently: docs/decisions/0001-what-virtual-mfa-means.md.
        """
        root_arn = f"arn:{self.partition}:iam::{self.account_id}:root"
        return tuple(
            device
            for device in self.virtual_mfa_devices
            if device.user_arn == root_arn
            or (device.user_arn is None and device.enabled and device.serial_number.endswith(_LEGACY_ROOT_SERIAL))
        )


@dataclass(frozen=True, slots=True)
class Parameters:
    """The rule parameters that change a verdict; parameters.py says which values each may have."""

    minimum_virtual_mfa_devices: int = 1
    non_virtual_mfa: Verdict = Verdict.NON_COMPLIANT
    no_root_credentials: Verdict = Verdict.COMPLIANT


def decide(facts: Facts, parameters: Parameters) -> Decision:
    """Decide whether the root user has the virtual MFA devices that `parameters` ask for.

    Raises ValueError if the summary is missing in a partition that the rule evaluates: a mistake of the caller.
    """
    if facts.partition in NOT_EVALUATED_PARTITIONS:
        return Decision(Verdict.NOT_APPLICABLE, f"The root user is not evaluated in this partition ({facts.partition}).")
    summary = facts.summary
    if summary is None:
        message = f"facts about {facts.account_id} lack the account summary"
        raise ValueError(message)

    devices = facts.root_devices
    minimum = parameters.minimum_virtual_mfa_devices
    if summary.mfa_enabled and len(devices) >= minimum:
        return _enough_virtual_devices(devices, summary)
    if summary.has_no_credentials:
        return _no_root_credentials(parameters.no_root_credentials)
    if summary.mfa_enabled and devices:
        return _too_few_virtual_devices(len(devices), minimum)
    if summary.mfa_enabled:
        return _no_virtual_device(parameters.non_virtual_mfa, summary)
    return _no_mfa(summary)


def _enough_virtual_devices(devices: tuple[VirtualMfaDevice, ...], summary: AccountSummary) -> Decision:
    found = f"The root user has {_count(len(devices))}"
    keys = _access_keys_note(summary)
    names = _names((device.name for device in devices), ANNOTATION_LENGTH - len(f"{found} (){keys}."))
    return Decision(Verdict.COMPLIANT, f"{found} ({names}){keys}." if names else f"{found}{keys}.")


def _no_root_credentials(verdict: Verdict) -> Decision:
    found = "The root user has no credentials (no password, access key or signing certificate)"
    recovery = "a password recovery counts as a password once it is allowed, and then MFA decides"
    if verdict is Verdict.COMPLIANT:
        return Decision(verdict, f"{found}; {recovery}.")
    if verdict is Verdict.NOT_APPLICABLE:
        return Decision(verdict, f"{found}, and noRootCredentials is {verdict}; {recovery}.")
    return Decision(
        verdict,
        f"{found}, and noRootCredentials is {verdict}: have a password recovery allowed, recover the password and assign a "
        "virtual MFA device.",
    )


def _too_few_virtual_devices(found: int, minimum: int) -> Decision:
    missing = minimum - found
    return Decision(
        Verdict.NON_COMPLIANT,
        f"The root user has {_count(found)} and minimumVirtualMfaDevices is {minimum}: "
        f"sign in to the console as root and assign {missing} more.",
    )


def _no_virtual_device(verdict: Verdict, summary: AccountSummary) -> Decision:
    found = (
        "The root user's MFA is on without a virtual MFA device, "
        "so it is inferred to be a hardware token, passkey or security key"
    )
    if verdict is Verdict.COMPLIANT:
        return Decision(verdict, f"{found}, which nonVirtualMfa accepts{_access_keys_note(summary)}.")
    return Decision(verdict, f"{found}: assign a virtual device as well, or set nonVirtualMfa to COMPLIANT.")


def _no_mfa(summary: AccountSummary) -> Decision:
    kinds = {
        "access keys": summary.access_keys_present,
        "signing certificates": summary.signing_certificates_present,
    }
    remaining = [kind for kind, present in kinds.items() if present]
    if summary.password_present is False and remaining:
        left = " and ".join(remaining)
        return Decision(
            Verdict.NON_COMPLIANT,
            f"The root user has no MFA and no password, but {left} remain: delete what remains, "
            "or recover the password by e-mail and assign a virtual MFA device.",
        )
    return Decision(
        Verdict.NON_COMPLIANT,
        "The root user has no MFA: sign in to the console as root and assign a virtual MFA device.",
    )


def _count(devices: int) -> str:
    return f"{devices} virtual MFA device{'' if devices == 1 else 's'}"


def _access_keys_note(summary: AccountSummary) -> str:
    return "; root also has access keys, which bypass the MFA of the console" if summary.access_keys_present else ""


def _names(names: Iterable[str], room: int) -> str:
    """List as many sorted names as fit into `room` characters, and say how many more there are."""
    ordered = sorted(names)
    for shown in range(len(ordered), 0, -1):
        hidden = len(ordered) - shown
        text = ", ".join(ordered[:shown]) + (f" and {hidden} more" if hidden else "")
        if len(text) <= room:
            return text
    return ""
