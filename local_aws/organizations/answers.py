"""What several operations of AWS Organizations answer."""

from collections.abc import Callable, Sequence
from typing import Any

from local_aws.core.paging import Pages
from local_aws.organizations.organization import Organization

Operation = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Answers the parameters of an account's request. Raises AwsError."""
_LONGEST_PAGE = 20
"""Source: API model, organizations, MaxResults."""
_PAGES = Pages(
    "InvalidInputException",
    "You specified an invalid value for nextToken. You must get the value from the response to a previous call to the API.",
    reason="INVALID_NEXT_TOKEN",
    takes_empty=False,
)
"""Real answers have the message, the reason, and the refusal of an empty token: see `refusals.py`."""


def root(organization: Organization) -> dict[str, Any]:
    """Describe the root of an organization."""
    arn = f"arn:aws:organizations::{organization.management_account_id}:root"
    return {
        "Id": organization.root_id,
        "Arn": f"{arn}/{organization.organization_id}/{organization.root_id}",
        "Name": "Root",
        "PolicyTypes": [{"Type": policy_type, "Status": "ENABLED"} for policy_type in sorted(organization.policy_types)],
    }


def paged(name: str, items: Sequence[Any], params: dict[str, Any]) -> dict[str, Any]:
    """Answer with a page of `items`, the one that NextToken and MaxResults of a request ask for. Raises AwsError."""
    found, token = _PAGES.page(items, params, _LONGEST_PAGE, of=name)
    return {name: found, **token}
