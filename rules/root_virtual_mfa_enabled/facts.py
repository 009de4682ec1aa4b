"""Reads the facts about an account's root user from IAM: one call, a second one where MFA is on, one more a further page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from root_virtual_mfa_enabled.decision import NOT_EVALUATED_PARTITIONS, AccountSummary, Facts, VirtualMfaDevice
from root_virtual_mfa_enabled.errors import ReadError, malformed, raising

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PERMISSIONS = frozenset({"iam:GetAccountSummary", "iam:ListVirtualMFADevices"})
"""What the reads need in the evaluated account."""

_PAGE_SIZE = 1000
"""The largest page. Source: API model, iam, maxItemsType."""


def read(iam: "IAMClient", partition: str, account_id: str) -> Facts:
    """Read the facts with `iam`, a client that has credentials of `account_id`.

    Raises ReadError where IAM does not answer, MalformedAnswerError where its answer cannot be understood.
    """
    if partition in NOT_EVALUATED_PARTITIONS:
        return Facts(partition, account_id)
    summary = _account_summary(iam, account_id)
    devices = _assigned_virtual_mfa_devices(iam, account_id) if summary.mfa_enabled else ()
    return Facts(partition, account_id, summary, devices)


def _account_summary(iam: "IAMClient", account_id: str) -> AccountSummary:
    action = "iam:GetAccountSummary"
    with raising(ReadError, action, account_id, if_denied=_allow(action)):
        summary = {str(key): value for key, value in iam.get_account_summary().get("SummaryMap", {}).items()}
    mfa_enabled = _flag(summary, "AccountMFAEnabled", account_id)
    if mfa_enabled is None:
        raise malformed(action, account_id, "AccountMFAEnabled is missing")
    return AccountSummary(
        mfa_enabled=mfa_enabled,
        password_present=_flag(summary, "AccountPasswordPresent", account_id),
        access_keys_present=_flag(summary, "AccountAccessKeysPresent", account_id),
        signing_certificates_present=_flag(summary, "AccountSigningCertificatesPresent", account_id),
    )


def _flag(summary: Mapping[str, int], key: str, account_id: str) -> bool | None:
    value = summary.get(key)
    if value is None:
        return None
    if value < 0 or (key == "AccountMFAEnabled" and value > 1):
        raise malformed("iam:GetAccountSummary", account_id, f"{key} is {value}")
    return value > 0


def _assigned_virtual_mfa_devices(iam: "IAMClient", account_id: str) -> tuple[VirtualMfaDevice, ...]:
    devices: list[VirtualMfaDevice] = []
    action = "iam:ListVirtualMFADevices"
    # Not botocore's paginator: to find it takes about 5 ms of a cold start.
    request: dict[str, Any] = {"AssignmentStatus": "Assigned", "MaxItems": _PAGE_SIZE}
    with raising(ReadError, action, account_id, if_denied=_allow(action)):
        while True:
            page: Any = iam.list_virtual_mfa_devices(**request)  # The stubs promise what an answer may lack.
            # A list that ends where its answer is cut off would look like fewer devices than there are.
            if "VirtualMFADevices" not in page or "IsTruncated" not in page:
                raise malformed(action, account_id, "VirtualMFADevices or IsTruncated is missing")
            devices += [_device(entry, account_id) for entry in page["VirtualMFADevices"]]
            if not page["IsTruncated"]:
                return tuple(devices)
            if page.get("Marker") in (None, "", request.get("Marker")):
                raise malformed(action, account_id, "IsTruncated is true without a new Marker")
            request["Marker"] = page["Marker"]


def _device(entry: Any, account_id: str) -> VirtualMfaDevice:  # noqa: ANN401 - the stubs promise what an answer may lack
    user = entry.get("User")
    if not entry.get("SerialNumber") or (user is not None and not user.get("Arn")):
        raise malformed("iam:ListVirtualMFADevices", account_id, "a device has no SerialNumber, or its User no Arn")
    return VirtualMfaDevice(
        serial_number=entry["SerialNumber"],
        user_arn=user["Arn"] if user is not None else None,
        enabled="EnableDate" in entry,
    )


def _allow(action: str) -> str:
    return (
        f"Allow {action} to the role that evaluates the account (account.yaml does), "
        "and look for a service control policy or a permissions boundary that denies it."
    )
