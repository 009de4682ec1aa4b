"""Recognize the accounts that are not in the function's organization.

If the function's policy lets AWS Config invoke the function for any account, every account in the world can point a rule at it.
Such an event is not a failure: AWS Lambda would repeat it, and the alarm would fire whenever an outsider likes.  But a member's
failure has to stay a failure. Both look alike, since sts:AssumeRole is denied in both.  AWS Organizations tells them apart.
"""

from typing import TYPE_CHECKING

from periodic_rule.errors import ReadError, raising

if TYPE_CHECKING:
    from mypy_boto3_organizations import OrganizationsClient

PERMISSIONS = frozenset({"organizations:DescribeAccount"})
"""The IAM actions that the function's role needs if the function may be invoked for any account."""

_DENIED = (
    "Allow organizations:DescribeAccount to the function's role (template.yaml does), and keep the function's account the "
    "management account or a delegated administrator of the organization."
)


def is_outsider(organizations: "OrganizationsClient", account_id: str, *, own_account_id: str, organization_id: str) -> bool:
    """Tell whether AWS Organizations knows that an account is not in the organization.

    The answer about an unknown account is also the answer to a caller whose own account is in no organization. So the
    function's own account has to be in the organization, or nobody knows. Raises ReadError, MalformedAnswerError or
    OutOfTimeError if nobody knows.
    Source: https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeAccount.html
    """
    if _find(organizations, account_id) is not None:
        return False
    own = _find(organizations, own_account_id)
    if own is None or f"/{organization_id}/" not in own:
        message = (
            f"Whether account {account_id} is in the organization {organization_id} is not known: the function's own account "
            f"{own_account_id} is not in it."
        )
        raise ReadError(message)
    return True


def _find(organizations: "OrganizationsClient", account_id: str) -> str | None:
    """Return the ARN of an account, which names the organization; None if AWS Organizations does not find the account."""
    with raising(ReadError, "organizations:DescribeAccount", account_id, if_denied=_DENIED):
        try:
            return organizations.describe_account(AccountId=account_id)["Account"]["Arn"]
        except organizations.exceptions.AccountNotFoundException:
            return None
