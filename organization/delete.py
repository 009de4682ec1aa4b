"""Deletes the deployment: in one account, or in every account of the organization."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import boto3

from organization import aws, commands, deployment
from organization.aws import CommandError
from organization.commands import ACCOUNT_STACK_NAME, FORWARDED_REGION, FORWARDER_STACK_NAME
from organization.deployment import Deployment
from organization.screen import Screen
from organization.statuses import shown
from organization.visible import visible

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

NOT_DELETED = 1

POLL_SECONDS = (0.5, 3.0)
"""Between looks at the stack: at first, and at most."""

_REPORTS = ("report.json", "report.html")

_STACK_SET = "AWS::CloudFormation::StackSet"

SAM_STACK_NAME = "aws-sam-cli-managed-default"
"""The SAM CLI's stack, with its bucket for artefacts. Source: AWS SAM Developer Guide, sam deploy, --resolve-s3."""


def run(region: str | None, profile: str | None, stack_name: str, *, management_account: bool, confirmed: bool) -> int:
    """Delete the stack; returns the exit code.  Asks first, unless it is `confirmed`.

    `stack_name` is the stack of the deployment.  `management_account`: delete the stack that `deploy --management-account`
    made for it, instead.
    """
    deployed, stack_name = stack_name, ACCOUNT_STACK_NAME if management_account else stack_name
    session, caller = aws.session(region, profile)
    screen = Screen()
    cloudformation: CloudFormationClient = session.client("cloudformation", config=aws.patient())
    stack = aws.find_stack(cloudformation, stack_name)
    if stack is None:
        screen.say(f"There is no stack {stack_name} in account {caller.account_id}, Region {caller.region}: nothing to delete.")
        return 0
    if stack.get("EnableTerminationProtection"):
        message = (
            f"The stack {stack_name} has termination protection. To end it, run: "
            f"{commands.end_termination_protection(caller.region, stack_name)}"
        )
        raise CommandError(message)
    resources = [
        resource
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack["StackName"])
        for resource in page["StackResourceSummaries"]
    ]
    physical_ids = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}
    found = deployment.from_stack(stack, physical_ids)
    types = Counter(each["ResourceType"] for each in resources if each["ResourceStatus"] != "DELETE_COMPLETE")
    steps, save = _steps(found, types), f": {commands.report(stack_name, *_REPORTS)}"
    if management_account:
        central = deployment.parameters_of(stack).get("CentralAccountId", "")
        steps = _steps_in_management_account(types, central, deployed, caller.region)
        save = f", with credentials of account {central}: {commands.report(deployed, *_REPORTS, region=caller.region)}"
    _show_plan(found, types, steps, save, screen)
    stack_id = stack.get("StackId", stack_name)
    if found.stack_status != "DELETE_IN_PROGRESS":
        if not confirmed and not _confirmed(found.stack_name):
            screen.say("Not confirmed: nothing was deleted.")
            return NOT_DELETED
        cloudformation.delete_stack(StackName=stack_id)
    failures = _watch(cloudformation, stack_id, screen)
    screen.say()
    if failures:
        screen.say((f"The stack {found.stack_name} could not be deleted.", "red"), " Fix this, and run this again:")
        for failure in failures:
            screen.say(failure, indent=2)
        stack_sets = [physical_ids[each["LogicalResourceId"]] for each in resources if each["ResourceType"] == _STACK_SET]
        for what in _stacks_left(cloudformation, found, filter(None, stack_sets)):  # a resource that was never made has no id
            screen.say(what, indent=2, whole=True)
        return NOT_DELETED
    screen.say(f"The stack {found.stack_name} is deleted. What stays behind:")
    for what in _leftovers(session, cloudformation, found, alone=not management_account):
        screen.say(what, indent=2, whole=True)
    return 0


def _stacks_left(cloudformation: "CloudFormationClient", found: Deployment, stack_sets: Iterable[str]) -> Iterator[str]:
    """Say in which accounts StackSets, given by their ids, still have stacks, and how to delete these.

    CloudFormation deletes the stacks of the targets, without the excluded accounts, and no StackSet that has others.  An
    excluded account has a stack if it came into a target later: automatic deployment considers no account filter.  Sources:
    AWS's handler of AWS::CloudFormation::StackSet (aws-cloudformation-resource-providers-cloudformation, DeleteHandler), and
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-manage-auto-deployment.html
    """
    pages = cloudformation.get_paginator("list_stack_instances")
    for stack_set in stack_sets:
        left: dict[tuple[str, str], list[str]] = {}
        try:
            for page in pages.paginate(StackSetName=stack_set, CallAs=found.call_as):
                for each in page["Summaries"]:
                    where = each.get("OrganizationalUnitId", ""), each.get("Region", "")
                    left.setdefault(where, []).append(each.get("Account", ""))
        except cloudformation.exceptions.StackSetNotFoundException:
            continue
        name = stack_set.partition(":")[0]
        for (target, region), account_ids in left.items():
            yield (
                f"The StackSet {name} still has a stack in {shown(sorted(account_ids))}, perhaps because an excluded "
                "account joined or moved later. To delete what is left: "
                f"{commands.delete_stacks_of_unit(found, name, target, region)}"
            )


def _steps(found: Deployment, types: Counter[str]) -> Iterator[str]:
    """Say the order of the deletion; `types` are the stack's resources, which a deployment that failed lacks in part."""
    if not found.organization_id:
        yield "the rule, with its results in AWS Config, and what it needs."
        return
    if found.has_rule_in_stack_set and found.management_account_has_role and not found.in_management_account:
        # The function goes with this stack, and AWS Config would keep showing the last result of that rule.
        yield (
            f"0. first, with credentials of the management account {found.management_account_id}, whose rule is in its own "
            f"stack: {commands.delete_management_account(found.region, found.stack_name)}"
        )
    number = 1
    if types["AWS::Config::OrganizationConformancePack"]:
        yield (
            f"{number}. in every account of {found.organization_id}, the conformance pack {found.conformance_pack_name}: the "
            "rule, with its results in AWS Config;"
        )
        number += 1
    if types[_STACK_SET]:
        rule = "the rule, with its results in AWS Config, and then " if found.has_rule_in_stack_set else ""
        yield (
            f"{number}. in every account in scope, the stack of the StackSet {found.stack_set_name}: {rule}roles, runbooks and "
            "EventBridge rules;"
        )
        number += 1
    yield f"{number}. in account {found.account_id}, the rest."


def _steps_in_management_account(types: Counter[str], central_account_id: str, stack_name: str, region: str) -> Iterator[str]:
    """Say what goes from the management account, and what that means for the deployment, if its stack stays."""
    rule = "the rule, with its results in AWS Config, and " if types["AWS::Config::ConfigRule"] else ""
    yield f"{rule}roles, runbooks and EventBridge rules."
    yield (
        f"If the deployment in account {central_account_id} stays, run there: "
        f"{commands.deploy(stack_name, region=region, ManagementAccountHasEvaluationRole='false')}"
    )


def _show_plan(found: Deployment, types: Counter[str], steps: Iterable[str], save: str, screen: Screen) -> None:
    """Say what goes; `save` ends the sentence that says how to keep the results."""
    kinds = ", ".join(f"{count} {kind.removeprefix('AWS::')}" for kind, count in sorted(types.items()))
    screen.say(
        ("This deletes", "bold"),
        f" the stack {found.stack_name} ({found.stack_status}) of account {found.account_id}, Region {found.region}:",
    )
    for step in steps:
        screen.say(step, indent=2, whole=True)
    screen.say(f"Resources: {kinds}", indent=2)
    screen.say(f"To keep the results, save a report first{save}", indent=2, whole=True)
    if found.log_group_name:
        # DeletionPolicy RetainExceptOnCreate: AWS does not document what it does for a stack whose creation failed.
        stays = "may stay behind" if found.stack_status == "CREATE_FAILED" else "stays behind"
        screen.say((f"The function's log {stays}", "bold"), f": {found.log_group_name}")


def _confirmed(stack_name: str) -> bool:
    try:
        return input(f"\nType the stack's name, {visible(stack_name)}, to delete it: ").strip() == stack_name
    except EOFError:
        return False


def _watch(cloudformation: "CloudFormationClient", stack_id: str, screen: Screen) -> list[str]:
    """Print what CloudFormation does until it ends; returns what it could not delete, and why."""
    printed: set[str] = set()
    failures: dict[str, str] = {}
    pause, longest = POLL_SECONDS
    try:
        while True:
            stack = aws.find_stack(cloudformation, stack_id)
            for event in _new_events(cloudformation, stack_id, printed) if stack else ():
                resource = event.get("LogicalResourceId", "")
                status = event.get("ResourceStatus", "")
                reason = event.get("ResourceStatusReason", "")
                screen.say(f"{status:<18} {resource}", f": {reason}" if reason else "", indent=2)
                if status == "DELETE_FAILED" and event.get("PhysicalResourceId") != stack_id:
                    failures[resource] = f"{resource}: {reason or 'no reason given'}"
            match stack["StackStatus"] if stack else "DELETE_COMPLETE":
                case "DELETE_COMPLETE":
                    return []
                case "DELETE_FAILED":
                    return list(failures.values()) or ["CloudFormation gives no reason."]
            time.sleep(pause)
            pause = min(pause * 1.5, longest)
    except KeyboardInterrupt:
        screen.say()
        screen.say("The deletion continues without this command; run it again to keep watching.")
        raise


def _new_events(cloudformation: "CloudFormationClient", stack_id: str, printed: set[str]) -> "list[StackEventTypeDef]":
    """Return the events of this deletion that were not printed before, the oldest first."""
    new: list[StackEventTypeDef] = []
    for event in aws.events_of(cloudformation, stack_id):
        if event["EventId"] in printed:
            break
        new.append(event)
        if event.get("PhysicalResourceId") == stack_id and event.get("ResourceStatus") == "DELETE_IN_PROGRESS":
            break  # the deletion began here
    printed.update(event["EventId"] for event in new)
    return new[::-1]


def _leftovers(
    session: boto3.Session, cloudformation: "CloudFormationClient", found: Deployment, *, alone: bool
) -> Iterator[str]:
    """Say what the deletion left, and how to delete that too; `alone`: the stack was not one of another deployment."""
    logs: CloudWatchLogsClient = session.client("logs", config=aws.patient())
    name = found.log_group_name
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] if name else []
    if any(group.get("logGroupName") == name for group in groups):
        yield (
            f"The log group {name}, the evidence for the verdicts. Its retention empties it. To delete it: "
            f"{commands.delete_log_group(found.region, name)}"
        )
    if found.organization_id and found.management_account_has_role and not found.in_management_account:
        yield (
            f"The stack {ACCOUNT_STACK_NAME} in the management account {found.management_account_id}, with roles and "
            "runbooks. To delete it, with credentials of that account: "
            f"{commands.delete_management_account(found.region, found.stack_name)}"
        )
    if alone and found.region != FORWARDED_REGION:
        yield (
            f"The stack {FORWARDER_STACK_NAME}, if somebody deployed it in account "
            f"{found.management_account_id or found.account_id}. To delete it, with credentials of that account: "
            f"{commands.delete_stack(FORWARDED_REGION, FORWARDER_STACK_NAME)}"
        )
    yield "The OpsItems with the source root-virtual-mfa in OpsCenter. Nothing resolves them any more."
    if aws.find_stack(cloudformation, SAM_STACK_NAME):
        yield f"The stack {SAM_STACK_NAME} with the bucket of the SAM CLI, which other applications may use too."
    if found.organization_id:
        yield "Trusted access, delegated administrators and service-linked roles, which other applications may use too."
