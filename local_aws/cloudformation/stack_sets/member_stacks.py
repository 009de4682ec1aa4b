"""The stacks of StackSets in member accounts: MiniStack makes them, as the role that StackSets has there."""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from xml.etree import ElementTree as ET

from local_aws.authorization.deployers import Deployers
from local_aws.authorization.resource_permissions import Need
from local_aws.core import ministack_seams, roles
from local_aws.organizations.organization import Organization

_STACK_NAME_LENGTH = 128

_template: ContextVar[str | None] = ContextVar("template", default=None)
"""The template of the stack that is being made. It may be as long as one in S3, so no request can carry it."""


def execution_role(organization: Organization, account_id: str) -> str:
    """Return the name of the role that StackSets uses in a member account, and make the role if it is missing.

    On AWS a service-linked role of the member makes it.  Sources: AWS managed policies
    CloudFormationStackSetsOrgMemberServiceRolePolicy (makes roles stacksets-exec-*) and
    CloudFormationStackSetsOrgAdminServiceRolePolicy (assumes them); in place of the asterisk is what looks like a hash.
    """
    name = f"stacksets-exec-{hashlib.sha256(f'{organization.organization_id}{account_id}'.encode()).hexdigest()[:32]}"
    admin = "role/aws-service-role/stacksets.cloudformation.amazonaws.com/AWSServiceRoleForCloudFormationStackSetsOrgAdmin"
    trusted = {"AWS": f"arn:aws:iam::{organization.management_account_id}:{admin}"}
    roles.make(account_id, name, trusted, "arn:aws:iam::aws:policy/AdministratorAccess")
    return name


class MemberStacks:
    """MiniStack's stacks in the account and Region of the request. Reasons are None after success."""

    def __init__(self, deployers: Deployers) -> None:
        """Let MiniStack take the template of a stack that is made here."""
        self._deployers = deployers
        self._cloudformation = ministack_seams.module("ministack.services.cloudformation")
        handlers = ministack_seams.module("ministack.services.cloudformation.handlers")
        self._operate, resolve = handlers._ACTION_HANDLERS, handlers._resolve_template
        ministack_seams.replace(
            "ministack.services.cloudformation.handlers",
            "_resolve_template",
            lambda params: resolve(params) if _template.get() is None else (_template.get(), None),
        )

    async def put(
        self, stack_set: str, template: str, settings: Mapping[str, Any], stack_id: str | None
    ) -> tuple[str | None, str | None]:
        """Create or update a stack of the StackSet named `stack_set`. Return its id and, if that failed, the reason.

        `settings` has Parameters, Capabilities and Tags as the API has them, if given.
        """
        status = self._status(stack_id)
        if status in {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
            reason = await self.delete(stack_id)
            if reason:
                return stack_id, reason
            status = "DELETE_COMPLETE"
        create = status == "DELETE_COMPLETE"
        name = f"StackSet-{stack_set}"[: _STACK_NAME_LENGTH - 37] + f"-{uuid.uuid4()}"
        params: dict[str, list[str]] = {
            "StackName": [name if create else str(stack_id)],
            "Capabilities": list(settings.get("Capabilities", [])),
        }
        for kind, pairs in (
            ("Parameters", key_values(settings.get("Parameters", []), "Parameter")),
            ("Tags", settings.get("Tags", [])),
        ):
            for number, pair in enumerate(pairs, 1):
                params[f"{kind}.member.{number}.Key"] = [pair["Key"]]
                params[f"{kind}.member.{number}.Value"] = [pair["Value"]]
        operation = "CreateStack" if create else "UpdateStack"
        said = self._refusal(operation, params["StackName"][0])
        if said is not None:
            return stack_id, said
        token = _template.set(template)
        try:
            status_code, _, body = self._operate[operation](params)
            await _tasks()
        finally:
            _template.reset(token)
        if status_code != 200:  # noqa: PLR2004 - HTTP's OK
            refusal = ET.fromstring(body).findtext("{*}Error/{*}Message", "")  # noqa: S314 - MiniStack's own answer
            return (stack_id, None) if "No updates are to be performed" in refusal else (stack_id, refusal)
        if create:
            stack_id = self._cloudformation._stacks[name]["StackId"]
        succeeded = self._status(stack_id) in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
        return stack_id, None if succeeded else self._reason(str(stack_id))

    async def delete(self, stack_id: str | None) -> str | None:
        """Delete a stack if it exists; return why that failed."""
        if stack_id is None or self._status(stack_id) == "DELETE_COMPLETE":
            return None
        said = self._refusal("DeleteStack", stack_id)
        if said is not None:
            return said
        self._operate["DeleteStack"]({"StackName": [stack_id]})
        await _tasks()
        return None if self._status(stack_id) == "DELETE_COMPLETE" else self._reason(stack_id)

    def _refusal(self, operation: str, stack: str) -> str | None:
        """Return why policies refuse an operation on a stack, given its name if it is new, else its id."""
        responses = ministack_seams.module("ministack.core.responses")
        new = f"arn:aws:cloudformation:{responses.get_region()}:{responses.get_account_id()}:stack/{stack}/*"
        return self._deployers.refusal([Need(f"cloudformation:{operation}", stack if stack.startswith("arn:") else new)])

    def _status(self, stack_id: str | None) -> str:
        # By name, not by id: for an id MiniStack searches the stacks of all accounts.
        stack = self._cloudformation._stacks.get(stack_id.split("/")[1]) if stack_id else None
        return str(stack["StackStatus"]) if stack else "DELETE_COMPLETE"

    def _reason(self, stack_id: str) -> str:
        """Return the first failure of the stack's last operation."""
        events = self._cloudformation._stack_events.get(stack_id, [])
        began = max(
            number
            for number, event in enumerate(events)
            if event["LogicalResourceId"] == event["StackName"]
            and event["ResourceStatus"] in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}
        )
        for event in events[began:]:
            if event["ResourceStatus"].endswith("_FAILED"):
                resource = f"ResourceLogicalId:{event['LogicalResourceId']}, ResourceType:{event['ResourceType']}"
                return f"{resource}, ResourceStatusReason:{event['ResourceStatusReason']}."
        return f"The stack {stack_id} is {self._status(stack_id)}."


async def _tasks() -> None:
    """Wait for MiniStack's background tasks in this event loop."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others)


def key_values(pairs: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """Return parameters as MiniStack takes them. `prefix` is that of the names in the API."""
    return [{"Key": pair[f"{prefix}Key"], "Value": pair.get(f"{prefix}Value", "")} for pair in pairs]
