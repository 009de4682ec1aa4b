"""Switches: where AWS's documentation leaves open what AWS does, a switch makes the local AWS do the other thing.

All are off at the start.
"""

from collections.abc import Mapping

SWITCHES: Mapping[str, str] = {
    "approvers-without-path": "Automation knows no role in `Approvers` by an ARN with a path.",
    "booleans-as-texts": "Queries of Logs Insights take a boolean of JSON as the text `true` or `false`, not as 1 or 0.",
    "boto3-without-assume-root": "Scripts of runbooks have a boto3 from before `sts:AssumeRoot`.",
    "branch-end-reversed": (
        "If no choice of an `aws:branch` holds and it has no `Default`, `isEnd` lets the next step run, and without it the "
        "execution ends."
    ),
    "deactivate-on-any-resource": "IAM authorizes root's `DeactivateMFADevice` on `*`, which the task policies deny.",
    "empty-pages": "Every list of an aggregator begins with an empty page.",
    "fail-in-suspended-accounts": "StackSets and conformance packs fail in suspended accounts, instead of leaving them alone.",
    "recreate-failed-resources": (
        "If a resource failed when it was made without rollback, the next deployment recreates it instead of updating it."
    ),
    "fill-needs-data": "Metric math's FILL fills nothing if no period at which an alarm looks has data.",
    "keep-times-of-unchanged-results": "AWS Config keeps the times of a result while verdict and annotation stay the same.",
    "multi-day-alarms-look-back": (
        "CloudWatch counts older data for an alarm of more than a day while new data are missing, as for other alarms."
    ),
    "no-approvers-in-executions": "Automation does not say who decided an `aws:approve`: its `ApproverDecisions` is empty.",
    "no-booleans-in-filters": "`IS TRUE` and `IS FALSE` hold for no log line that a metric filter looks at.",
    "no-dedup-in-queries": "Logs Insights refuses a query with `dedup`: MalformedQueryException.",
    "no-evaluation-of-new-rules": "AWS Config evaluates a new rule when its period has passed, not at once.",
    "no-event-of-first-verdict": "AWS Config sends no event for a resource's first result.",
    "no-events-of-root": "EventBridge gets no event of what a root user does.",
    "no-function-of-pack-rules": "AWS Config does not say which function evaluates a conformance pack's rule.",
    "no-pack-results-by-resource": "AWS Config gives no results of a conformance pack's rules by resource.",
    "no-password-in-summary": "IAM's `AccountPasswordPresent` is 0 although root has a password.",
    "no-remediation-of-accounts": "AWS Config's remediation fails for resources of the type `AWS::::Account`.",
    "no-results-of-pack-rules": "AWS Config gives an account no result of its conformance packs' rules.",
    "no-source-account-for-aggregators": "AWS Config assumes the role of an aggregator without `aws:SourceAccount`.",
    "no-source-arn-to-queues": "EventBridge sends to a queue without `aws:SourceArn`.",
    "no-start-of-pack-rules": "AWS Config lets no account start a rule of its conformance packs: AccessDeniedException.",
    "one-rule-as-object": "In a query's result, `configRuleList` of a resource with one rule is an object, not an array.",
    "packs-without-prefix": "An aggregator lists an organization's conformance packs without the prefix `OrgConformsPack-`.",
    "parse-json-in-payloads": "Automation hands a text that is a JSON object or list to a script as that.",
    "recreate-stacks-between-units": (
        "StackSets recreate the stack of an account that moves from one of their units to another, instead of leaving it."
    ),
    "sts-lags-iam": "STS hears 30 s later than IAM of delegated administrators of IAM, and 100 s later of its trusted access.",
    "withhold-resource-policy-type": "CloudFormation does not have the type `AWS::Lambda::ResourcePolicy`, as in some Regions.",
    "withhold-source-org-id": "AWS Config invokes functions without `aws:SourceOrgID`.",
}
"""The name of each switch, and what the local AWS does while it is on. The command line and README.md have the same."""


class Switches:
    """Which switches are on."""

    def __init__(self) -> None:
        """Begin with all switches off."""
        self._on: set[str] = set()

    def turn(self, name: str, *, on: object) -> None:
        """Turn a switch on or off. Raises ValueError if the switch is unknown, or if `on` is not a boolean."""
        if name not in SWITCHES:
            message = f"There is no switch {name!r}: there are {', '.join(SWITCHES)}."
            raise ValueError(message)
        if not isinstance(on, bool):
            message = f"A switch is true or false, not {on!r}."
            raise ValueError(message)  # noqa: TRY004 - what a command raises if it does not understand its arguments
        (self._on.add if on else self._on.discard)(name)

    def is_on(self, name: str) -> bool:
        """Tell whether a switch is on. Raises KeyError if the switch is unknown."""
        SWITCHES[name]
        return name in self._on
