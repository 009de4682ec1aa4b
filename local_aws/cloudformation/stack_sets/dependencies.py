"""Dependencies between StackSets (AutoDeployment.DependsOn): which ones are taken, and how they order automatic deployments.

Source: API model, cloudformation, AutoDeployment: ARNs of StackSets, whose automatic operations have to succeed first. Schema
of AWS::CloudFormation::StackSet: each once. The numbers:
https://aws.amazon.com/blogs/devops/take-fine-grained-control-of-your-aws-cloudformation-stacksets-deployment-with-stackset-dependencies
Guess: the messages, that a StackSet has to be there, and that a circle is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from local_aws.core.models import AwsError

MOST, MOST_IN_ACCOUNT = 10, 100
"""Dependencies of a StackSet, and of all StackSets of an account."""

_ARN = re.compile(r"arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:[0-9]{12}:stackset/[a-zA-Z][-a-zA-Z0-9]{0,127}:[-a-f0-9]{36}")


def check(arn: str, depends_on: Sequence[str], others: Mapping[str, Iterable[str]]) -> None:
    """Raise AwsError if a StackSet may not have these dependencies.

    `arn` is its own, "" if it is new. `others` has the dependencies of each other StackSet by its ARN.
    """
    for each in depends_on:
        if not _ARN.fullmatch(each):
            raise AwsError("ValidationError", f"DependsOn has what is no ARN of a StackSet: {each}")
        if each not in {*others, arn}:
            raise AwsError("ValidationError", f"DependsOn has a StackSet that is not there: {each}")
    if len(set(depends_on)) < len(depends_on):
        raise AwsError("ValidationError", "DependsOn has a StackSet more than once.")
    if len(depends_on) > MOST:
        raise AwsError("ValidationError", f"DependsOn has {len(depends_on)} StackSets, and {MOST} are allowed.")
    if sum(len(list(each)) for each in others.values()) + len(depends_on) > MOST_IN_ACCOUNT:
        raise AwsError("LimitExceededException", f"The StackSets of an account have {MOST_IN_ACCOUNT} dependencies at most.")
    try:
        in_order({**others, arn: depends_on})
    except CycleError as error:
        raise AwsError("ValidationError", "DependsOn makes StackSets depend on each other in a circle.") from error


def in_order(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """Return StackSets, each after those that it depends on. Raises CycleError if that cannot be."""
    return [arn for arn in TopologicalSorter(dependencies).static_order() if arn in dependencies]
