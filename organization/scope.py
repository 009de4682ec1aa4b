"""Which accounts a deployment is for, and what another deployment changes in that, in sentences: pure."""

from collections.abc import Collection, Iterable, Iterator

from organization.deployment import BY_STACK_SET, Deployment
from organization.statuses import Account, shown
from organization.units import Unit, below


def evaluated(wanted: Deployment, accounts: Iterable[Account]) -> list[str]:
    """Return the accounts that the rule is meant for, sorted."""
    return sorted(account.account_id for account in accounts if wanted.evaluates(account))


def of_units(units: Iterable[Unit], everything: Collection[Unit]) -> Iterator[str]:
    """Say how many active accounts are in each unit and below it."""
    for unit in units:
        active = sum(not account.is_suspended for account in below(unit, everything))
        yield f"{unit.path} ({unit.unit_id}): {_active(active)}"


def sentence(wanted: Deployment, accounts: Collection[Account]) -> str:
    """Say how many accounts a deployment evaluates, and which of the active ones it does not."""
    active = [account for account in accounts if not account.is_suspended]
    targets = wanted.organizational_unit_ids if wanted.has_rule_in_stack_set else frozenset()
    inside = [account for account in active if not targets or not targets.isdisjoint(account.unit_ids)]
    management = wanted.management_account_id
    count = len(evaluated(wanted, active))
    excluded = sum(account.account_id in wanted.excluded for account in inside)
    less = [f"{excluded} excluded"] if excluded else []
    if not wanted.watches_management_account and management not in wanted.excluded:
        less += [f"the management account {management}" for account in inside if account.account_id == management]
    parts = [f"{_active(len(inside))} in {'these organizational units' if targets else 'the organization'}"]
    parts += [f"less {' and '.join(less)}"] if less else []
    beside = management not in {account.account_id for account in inside} and wanted.watches_management_account
    parts += (
        [f"and the management account {management}, which is watched"] if beside and management not in wanted.excluded else []
    )
    return f"{'1 account is' if count == 1 else f'{count} accounts are'} in scope: {', '.join(parts)}."


def changes(before: Deployment, wanted: Deployment, accounts: Collection[Account]) -> Iterator[str]:
    """Say what happens to accounts when a deployment changes to another one."""
    earlier, later = set(evaluated(before, accounts)), set(evaluated(wanted, accounts))
    if later - earlier:
        yield f"New in scope: {shown(sorted(later - earlier))}."
    if leave := sorted(earlier - later - {wanted.management_account_id}):  # no StackSet takes anything from that one
        yield f"No longer in scope: {shown(leave)}. The rule with its results, roles and runbooks are deleted there."
    if earlier == later:
        yield "These accounts are in scope already, and no others."
    yield from _other_target(before, wanted, [account for account in accounts if account.account_id in earlier & later])
    if before.rule_deployment == wanted.rule_deployment:
        return
    if wanted.rule_deployment == BY_STACK_SET:
        yield (
            "The StackSet brings its rule into every account first. Then the conformance pack "
            f"{before.conformance_pack_name} goes, with its rule and that rule's results. Until then an account has two rules: "
            "both evaluate it, and the worse result counts."
        )
    else:
        yield (
            "The StackSet takes its rule out of every account first, with the rule's results. Then the conformance pack "
            f"{wanted.conformance_pack_name} brings a rule. Between the two, an account has no rule, and is UNKNOWN."
        )


def _other_target(before: Deployment, wanted: Deployment, stay: Iterable[Account]) -> Iterator[str]:
    """Say which accounts lose their stack for a time, although they stay in scope, since another unit now brings it.

    Source: AWS's handler of AWS::CloudFormation::StackSet, UpdateHandler and InstancesAnalyzer
    (aws-cloudformation/aws-cloudformation-resource-providers-cloudformation): it compares units, not accounts, and deletes
    first.
    """
    moved = [
        account.account_id
        for account in stay
        if account.account_id != wanted.management_account_id
        and before.target_above(account.unit_ids) != wanted.target_above(account.unit_ids)
    ]
    if not moved:
        return
    what = (
        "rule, and its results start over. To avoid that, add units and take none away"
        if before.has_rule_in_stack_set
        else "role"
    )
    yield (
        f"Another unit is the StackSet's target for {shown(sorted(moved))}: it deletes its stack there, then recreates it. "
        f"Meanwhile the account has no {what}."
    )


def _active(number: int) -> str:
    return f"{number} active account{'' if number == 1 else 's'}"
