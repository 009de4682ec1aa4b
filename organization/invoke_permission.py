"""For which accounts AWS Config may invoke the function of an organization: pure, without input or output.

AWS documents that AWS Config names the account when it invokes (aws:SourceAccount).  Nobody outside AWS knows whether it names
the organization too (aws:SourceOrgID).  The deployment of the rule shows it, since AWS Config checks its permission when it
creates or changes a rule.  If AWS Config does not name the organization, the function's policy has to list the accounts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from organization import commands
from organization.account_lists import INVOKING

if TYPE_CHECKING:
    from organization.deployment import Deployment
    from organization.statuses import Arrival

PARAMETER = "InvokePermission"
ORGANIZATION, ACCOUNTS, ANY = "Organization", "Accounts", "Any"
"""The values of the parameter: by the organization's id, by the accounts' ids, or for every account in the world."""

POLICY_TYPE = "FunctionPolicyType"
RESOURCE_POLICY, PERMISSION = "AWS::Lambda::ResourcePolicy", "AWS::Lambda::Permission"
"""The name and the values of the parameter for the resource type that gives the permission. Some Regions lack the first."""


def to_list(account_ids: Iterable[str], *, permitted: Collection[str]) -> list[str]:
    """Return which of the evaluated accounts have to be listed: those that the policy does not permit already."""
    return sorted(set(account_ids) - set(permitted))


def too_many(account_ids: Sequence[str], stack_name: str) -> str:
    """Say why so many accounts cannot be listed, and what to do; empty if they can.

    `stack_name` is the stack of the deployment.  The policy also has the function's own and the management account.  Lambda
    takes 20,480 characters.
    """
    if len(account_ids) <= INVOKING.most:
        return ""
    deploy = commands.deploy(stack_name, InvokePermission=ANY)
    return (
        f"The function's policy would have to list {len(account_ids)} accounts, and the parameters hold {INVOKING.most}. Let "
        f"AWS Config invoke the function for any account: `{deploy}`. Then the function itself refuses accounts of other "
        "organizations; docs/threat-model.md says what that costs."
    )


def refused(found: "Deployment", arrivals: Mapping[str, "Arrival"]) -> list[str]:
    """Return the accounts for which AWS Config may not invoke the function because it does not name the organization.

    `arrivals` says how the conformance pack or the StackSet, whichever brings the rule, arrived in each account.  None if the
    accounts are listed, or if it arrived in any account that only the organization's id permits: then AWS Config does name it,
    and something else is wrong.
    """
    if found.invoke_permission != ORGANIZATION:
        return []
    by_organization = {account_id: each for account_id, each in arrivals.items() if account_id not in found.permitted}
    if any(each.arrived for each in by_organization.values()):
        return []
    return sorted(account_id for account_id, each in by_organization.items() if each.lacks_permission)
