"""CloudFormation's stacks, which MiniStack makes: shows them as AWS does, and checks requests before MiniStack answers.

Sources: API model, cloudformation.  Live, radkawar/stackd, testdata/aws/cloudformation/lifecycle.json: members of a stack, a
token that is used again.  Messages for stacks that do not exist: LocalStack's tests that ran against AWS,
tests/aws/services/cloudformation.  A deletion that exports prevent: users quote the reason
(aws-samples/iam-identity-center-team#474, rlister/stax#40).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from local_aws.cloudformation import rollback, template_checks
from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

Stack = dict[str, Any]
"""A stack as MiniStack keeps it: `StackName`, `StackId`, `StackStatus`, `_resources`, `_template`, …"""

_PAGE = 100
_PAGES = Pages("ValidationError", "Invalid NextToken")
_STACK_TYPE = "AWS::CloudFormation::Stack"
_GONE = "DELETE_COMPLETE"
_REVIEWED = "REVIEW_IN_PROGRESS"
_NOT_CHECKED = "NOT_CHECKED"
_UPDATABLE = {
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
    *("CREATE_FAILED", "UPDATE_FAILED"),
}
"""The states of stacks that can be updated; those that failed, without rollback only."""
_WITH_ID = "Stack with id {} does not exist"
_IN_BRACKETS = "Stack [{}] does not exist"
_QUOTED = "Stack '{}' does not exist"


class Stacks:
    """The stacks of all accounts."""

    def __init__(self) -> None:
        """Remember the tokens of requests that create stacks."""
        self._created_with: dict[tuple[str, ...], Mapping[str, Any]] = {}

    @property
    def operations(self) -> Operations:
        """Return what answers each operation, or checks it."""
        return {
            "DescribeStacks": _describe_stacks,
            "ListStacks": _list_stacks,
            "DescribeStackEvents": _describe_stack_events,
            "DescribeStackResources": _describe_stack_resources,
            "ListStackResources": _list_stack_resources,
            "ListExports": _list_exports,
            "ListImports": _list_imports,
            "CreateStack": self._create_stack,
            "UpdateStack": _update_stack,
            "DeleteStack": _delete_stack,
            "DescribeStackResource": _check_stack_resource,
            "GetTemplate": _check_of_template,
            "GetTemplateSummary": _check_of_template,
            "ValidateTemplate": _validate_template,
            "UpdateTerminationProtection": _leave_to_ministack,
            "RollbackStack": _leave_to_ministack,
            "DescribeEvents": _leave_to_ministack,
        }

    def _create_stack(self, account_id: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Check the template. A request that is sent again with its token gets the stack and the operation that it began."""
        name, token = params["StackName"], params.get("ClientRequestToken", "")
        request = (account_id, callers.region(), name, token)
        stack = _find(name)
        if stack and stack["StackStatus"] != _GONE:
            by_token = [event for event in _events(stack) if token and event.get("ClientRequestToken") == token]
            if not by_token:
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
            if self._created_with.get(request) == params:
                return {"StackId": stack["StackId"], "OperationId": by_token[0]["OperationId"]}
            message = (
                f"The client request token {token} has already been used for this stack. Retry the request with a different "
                "client request token"
            )
            raise AwsError("TokenAlreadyExistsException", message)
        template_checks.check(params, with_parameters=True)
        if token:
            self._created_with[request] = params
        return None


# Stacks


def _describe_stacks(_: str, params: dict[str, Any]) -> dict[str, Any]:
    if params.get("StackName"):
        return {"Stacks": [_described(get(params["StackName"], _WITH_ID))]}
    page, token = _PAGES.page([stack for stack in _all() if stack["StackStatus"] != _GONE], params, _PAGE, of="descriptions")
    return {"Stacks": [_described(stack) for stack in page], **token}


def _list_stacks(_: str, params: dict[str, Any]) -> dict[str, Any]:
    wanted = params.get("StackStatusFilter")
    listed = [stack for stack in _all() if not wanted or stack["StackStatus"] in wanted]
    page, token = _PAGES.page(listed, params, _PAGE, of=f"stacks {sorted(wanted or ())}")
    return {"StackSummaries": [_summary(stack) for stack in page], **token}


def _described(stack: Stack) -> dict[str, Any]:
    disable_rollback = stack.get("DisableRollback", False)
    return {
        **_common(stack),
        **_if_given(
            Description=stack.get("Description"),
            Parameters=[_parameter(each) for each in stack.get("Parameters", [])],
            Capabilities=stack.get("Capabilities"),
            Outputs=[_output(each) for each in stack.get("Outputs", [])],
            DeletionMode=stack.get("DeletionMode"),
        ),
        "DisableRollback": disable_rollback,
        "DeploymentConfig": {"Mode": "STANDARD", "DisableRollback": disable_rollback},
        "EnableTerminationProtection": stack.get("EnableTerminationProtection", False),
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "Tags": [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in stack.get("Tags", [])],
    }


def _summary(stack: Stack) -> dict[str, Any]:
    return {**_common(stack), **_if_given(TemplateDescription=stack.get("Description"))}


def _common(stack: Stack) -> dict[str, Any]:
    return {
        **{name: stack[name] for name in ("StackId", "StackName", "StackStatus")},
        **_if_given(StackStatusReason=stack.get("StackStatusReason")),
        "CreationTime": _time(stack["CreationTime"]),
        **({"LastUpdatedTime": _time(stack["LastUpdatedTime"])} if _was_updated(stack) else {}),
        **({"DeletionTime": _time(_events(stack)[-1]["Timestamp"])} if stack["StackStatus"] == _GONE else {}),
        "DriftInformation": {"StackDriftStatus": _NOT_CHECKED},
    }


def _was_updated(stack: Stack) -> bool:
    """Tell whether a stack was updated, or made by a change set: MiniStack gives every stack a time of its last update."""
    own = [event["ResourceStatus"] for event in _events(stack) if event["PhysicalResourceId"] == stack["StackId"]]
    return stack["StackStatus"] != _REVIEWED and not {_REVIEWED, "UPDATE_IN_PROGRESS"}.isdisjoint(own)


def _parameter(parameter: Mapping[str, Any]) -> dict[str, str]:
    value = "****" if parameter.get("NoEcho") else str(parameter.get("ParameterValue", ""))
    return {"ParameterKey": parameter["ParameterKey"], "ParameterValue": value}


def _output(output: Mapping[str, Any]) -> dict[str, str]:
    optional = _if_given(Description=output.get("Description"), ExportName=output.get("ExportName"))
    return {"OutputKey": output["OutputKey"], "OutputValue": str(output["OutputValue"]), **optional}


def _delete_stack(_: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Refuse a protected stack. A stack whose exports are in use stays, and an event says why."""
    stack = _find(params["StackName"])
    if stack is None or stack["StackStatus"] == _GONE:
        return None
    if stack.get("EnableTerminationProtection"):
        message = f"Stack [{stack['StackName']}] cannot be deleted while TerminationProtection is enabled"
        raise AwsError("ValidationError", message)
    exports = [output["ExportName"] for output in stack.get("Outputs", []) if output.get("ExportName")]
    used = next(((name, importers) for name in exports if (importers := _importers(name, stack))), None)
    if used is None:
        return None
    *others, last = used[1]
    named = f"{', '.join(others)} and {last}" if others else last
    stack["StackStatusReason"] = f"Delete canceled. Cannot delete export {used[0]} as it is in use by {named}."
    ministack_seams.module("ministack.services.cloudformation.stacks")._add_event(
        stack["StackId"],
        stack["StackName"],
        stack["StackName"],
        _STACK_TYPE,
        stack["StackStatus"],
        stack["StackStatusReason"],
        stack["StackId"],
    )
    return {}


# Events and resources


def _describe_stack_events(_: str, params: dict[str, Any]) -> dict[str, Any]:
    stack = get(params["StackName"], _IN_BRACKETS)
    newest_first = [*reversed(_events(stack))]
    page, token = _PAGES.page(newest_first, params, _PAGE, of=f"events of {stack['StackId']}")
    return {"StackEvents": [_event(event) for event in page], **token}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    optional = ("OperationId", "ResourceStatusReason", "ClientRequestToken", "DetailedStatus")
    required = ("StackId", "EventId", "StackName", "LogicalResourceId", "PhysicalResourceId", "ResourceType", "ResourceStatus")
    return {
        **{name: event[name] for name in required},
        "Timestamp": _time(event["Timestamp"]),
        **_if_given(**{name: event.get(name) for name in optional}),
    }


def _describe_stack_resources(_: str, params: dict[str, Any]) -> dict[str, Any]:
    name, physical_id = params.get("StackName"), params.get("PhysicalResourceId")
    if bool(name) == bool(physical_id):
        message = "Exactly one of StackName and PhysicalResourceId is given."
        raise AwsError("ValidationError", message)
    stack = get(name, _WITH_ID) if name else _of_resource(str(physical_id))
    wanted = params.get("LogicalResourceId")
    if wanted and wanted not in stack["_resources"]:
        raise _no_resource(wanted, stack["StackName"])
    shown = {wanted: stack["_resources"][wanted]} if wanted else stack["_resources"]
    of_stack = {"StackName": stack["StackName"], "StackId": stack["StackId"]}
    resources = [{**of_stack, **_resource(name, each, "Timestamp")} for name, each in shown.items()]
    return {"StackResources": resources[:_PAGE]}


def _list_stack_resources(_: str, params: dict[str, Any]) -> dict[str, Any]:
    stack = get(params["StackName"], _WITH_ID)
    page, token = _PAGES.page([*stack["_resources"].items()], params, _PAGE, of=f"resources of {stack['StackId']}")
    return {"StackResourceSummaries": [_resource(name, each, "LastUpdatedTimestamp") for name, each in page], **token}


def _resource(logical_id: str, resource: Mapping[str, Any], time: str) -> dict[str, Any]:
    return {
        "LogicalResourceId": logical_id,
        **_if_given(PhysicalResourceId=resource.get("PhysicalResourceId")),
        "ResourceType": resource["ResourceType"],
        "ResourceStatus": resource["ResourceStatus"],
        **_if_given(ResourceStatusReason=resource.get("ResourceStatusReason")),
        time: _time(resource["Timestamp"]),
        "DriftInformation": {"StackResourceDriftStatus": _NOT_CHECKED},
    }


def _check_stack_resource(_: str, params: dict[str, Any]) -> None:
    stack = get(params["StackName"], _QUOTED)
    if params["LogicalResourceId"] not in stack["_resources"]:
        raise _no_resource(params["LogicalResourceId"], params["StackName"])


def _no_resource(logical_id: str, stack_name: str) -> AwsError:
    return AwsError("ValidationError", f"Resource {logical_id} does not exist for stack {stack_name}")


# Exports


def _list_exports(_: str, params: dict[str, Any]) -> dict[str, Any]:
    exports = ministack_seams.module("ministack.services.cloudformation")._exports
    page, token = _PAGES.page(sorted(exports.items()), params, _PAGE, of="exports")
    listed = [{"ExportingStackId": each["StackId"], "Name": name, "Value": str(each["Value"])} for name, each in page]
    return {"Exports": listed, **token}


def _list_imports(_: str, params: dict[str, Any]) -> dict[str, Any]:
    importers = _importers(params["ExportName"])
    if not importers:
        raise AwsError("ValidationError", f"Export '{params['ExportName']}' is not imported by any stack.")
    page, token = _PAGES.page(importers, params, _PAGE, of=f"imports of {params['ExportName']}")
    return {"Imports": page, **token}


def _importers(export: str, exporting: Stack | None = None) -> list[str]:
    """Return the names of the stacks that import an export, but not that of the exporting one."""
    imported = ministack_seams.module("ministack.services.cloudformation.handlers")._imported_export_names
    stacks = [stack for stack in _all() if stack is not exporting and stack["StackStatus"] != _GONE]
    return sorted(stack["StackName"] for stack in stacks if export in imported(stack, stack["StackName"]))


# Templates


def _check_of_template(_: str, params: dict[str, Any]) -> None:
    """Make sure that a stack exists if a request names it, and nothing else."""
    if params.get("StackName") and not params.get("ChangeSetName"):
        get(params["StackName"], _WITH_ID)


def _validate_template(_: str, params: Mapping[str, Any]) -> None:
    template_checks.check(params, with_parameters=False)


def _update_stack(_: str, params: dict[str, Any]) -> None:
    template_checks.check(params, with_parameters=True)
    check_state(get(params["StackName"], _IN_BRACKETS))
    rollback.refuse_rollback_of_failed(params["StackName"], disable_rollback=params.get("DisableRollback", False))


def check_state(stack: Stack) -> None:
    """Refuse to update a stack that is changing, or that only its deletion helps."""
    status = stack["StackStatus"]
    if status not in _UPDATABLE:
        message = f"Stack:{stack['StackId']} is in {status} state and can not be updated."
        raise AwsError("ValidationError", message)


# Found in MiniStack


def _leave_to_ministack(_: str, __: dict[str, Any]) -> None:
    """Check by the model only."""


def _all() -> Iterable[Stack]:
    """Return the stacks of the caller's account and Region, the newest first."""
    return [*reversed([*ministack_seams.module("ministack.services.cloudformation")._stacks.values()])]


def _find(name_or_id: str) -> Stack | None:
    stack: Stack | None = ministack_seams.module("ministack.services.cloudformation.handlers")._resolve_stack(name_or_id)
    return stack


def get(name_or_id: str, message: str) -> Stack:
    """Return a stack. Raises AwsError, with `message`, if it does not exist, or was deleted and the request has its name."""
    stack = _find(name_or_id)
    if stack is None or (stack["StackStatus"] == _GONE and name_or_id == stack["StackName"]):
        raise AwsError("ValidationError", message.format(name_or_id))
    return stack


def _of_resource(physical_id: str) -> Stack:
    for stack in _all():
        if any(each.get("PhysicalResourceId") == physical_id for each in stack["_resources"].values()):
            return stack
    raise AwsError("ValidationError", f"Stack for {physical_id} does not exist")


def _events(stack: Stack) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = ministack_seams.module("ministack.services.cloudformation")._stack_events.get(
        stack["StackId"], []
    )
    return events


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _if_given(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
