"""Read the facts about an account's root user from IAM.

That takes one call; if MFA is on, it takes a second one, and one more for each further page.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from periodic_rule.errors import malformed, reading
from periodic_rule.event import Account
from root_virtual_mfa_enabled.decision import NOT_EVALUATED_PARTITIONS, AccountSummary, Facts, VirtualMfaDevice

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

PERMISSIONS = frozenset({"iam:GetAccountSummary", "iam:ListVirtualMFADevices"})
"""The IAM actions that the reads need in the evaluated account."""

_PAGE_SIZE = 1000
"""The largest page. Source: API model, iam, maxItemsType."""


class Clients(Protocol):
    """Makes clients with credentials of the account: periodic_rule's AccountClients, or what the operator's command has."""

    def build_client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Make a client of `service`, such as "iam"."""


def read(clients: Clients, account: Account) -> Facts:
    """Read the facts with the clients of `account`.

    Raises ReadError if IAM does not answer, MalformedAnswerError if its answer is broken or incomplete.
    """
    if account.partition in NOT_EVALUATED_PARTITIONS:
        return Facts(account.partition, account.account_id)
    iam: IAMClient = clients.build_client("iam")
    summary = account_summary(iam, account.account_id)
    devices = _assigned_virtual_mfa_devices(iam, account.account_id) if summary.mfa_enabled else ()
    return Facts(account.partition, account.account_id, summary, devices)


def log_fields(facts: Facts) -> Mapping[str, Any]:
    """Return what the log line says about the facts."""
    if facts.summary is None:
        return {}
    return {"facts": asdict(facts.summary), "rootVirtualMfaDevices": len(facts.root_devices)}


def account_summary(iam: "IAMClient", account_id: str) -> AccountSummary:
    """Read what the account summary says about the root user. Raises ReadError and MalformedAnswerError."""
    action = "iam:GetAccountSummary"
    with reading(action, account_id):
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
    # Without botocore's paginator, which adds about 5 ms to a cold start.
    request: dict[str, Any] = {"AssignmentStatus": "Assigned", "MaxItems": _PAGE_SIZE}
    with reading(action, account_id):
        while True:
            page: Any = iam.list_virtual_mfa_devices(**request)  # The stubs promise keys that an answer may lack.
            # If the answer is cut off, the list would look shorter than it is.
            if "VirtualMFADevices" not in page or "IsTruncated" not in page:
                raise malformed(action, account_id, "VirtualMFADevices or IsTruncated is missing")
            devices += [device(entry, account_id) for entry in page["VirtualMFADevices"]]
            if not page["IsTruncated"]:
                return tuple(devices)
            if page.get("Marker") in (None, "", request.get("Marker")):
                raise malformed(action, account_id, "IsTruncated is true without a new Marker")
            request["Marker"] = page["Marker"]


def device(entry: Any, account_id: str) -> VirtualMfaDevice:  # noqa: ANN401 - the stubs promise keys that an answer may lack
    """Return a device of iam:ListVirtualMFADevices. Raises MalformedAnswerError."""
    user = entry.get("User")
    if not entry.get("SerialNumber") or (user is not None and not user.get("Arn")):
        raise malformed("iam:ListVirtualMFADevices", account_id, "a device has no SerialNumber, or its User no Arn")
    return VirtualMfaDevice(
        serial_number=entry["SerialNumber"],
        user_arn=user["Arn"] if user is not None else None,
        enabled="EnableDate" in entry,
    )
