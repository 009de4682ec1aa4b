"""What the removal of root credentials needs: pure, without input or output."""

from collections.abc import Mapping

IAM = "iam.amazonaws.com"
"""The service whose delegated administrator may open root sessions."""
FEATURE = "RootCredentialsManagement"
"""The feature of centralized root access that the removal needs. Source: API model, iam, FeatureType; public captures of
AssumeRoot with this feature alone, 2026-09-12.
"""
APPROVERS, MINIMUM = "RemovalApprovers", "RemovalMinimumApprovals"
"""The parameters of the template."""


def too_few_approvers(parameters: Mapping[str, str]) -> str:
    """Say that fewer users and roles may approve than have to; empty if that is not so.

    `parameters` are those of the planned deployment; without a minimum it is 1, which needs no approver if nobody removes
    anything.  The template refuses a list with fewer entries, but cannot tell which of them are sessions of one role.
    """
    approvers = {_principal(arn.strip()) for arn in parameters.get(APPROVERS, "").split(",") if arn.strip()}
    minimum = parameters.get(MINIMUM, "1")
    if int(minimum) <= max(len(approvers), 1):
        return ""
    return (
        f"{MINIMUM} is {minimum}, but {APPROVERS} names {len(approvers)} different users and roles: name more, or ask for "
        "fewer approvals. Sessions of one role count as one."
    )


def _principal(arn: str) -> tuple[str, str]:
    """Return whether an approver is a user or a role, and its name, without path and session."""
    kind, *path = arn.rpartition(":")[2].split("/")
    return ("role", path[0]) if kind == "assumed-role" else (kind, path[-1])
