"""CloudFormation's change sets, which MiniStack makes: lists them, and checks requests before MiniStack answers.

Sources: API model, cloudformation.  Live, radkawar/stackd, testdata/aws/cloudformation/changeset_name_reuse.json: when a change
set was executed, its name is free again and no list has it. Its ARN still finds it, and it cannot be deleted.
"""

from datetime import datetime
from typing import Any

from local_aws.cloudformation import stacks, template_checks
from local_aws.core import callers, ministack_seams
from local_aws.core.models import AwsError
from local_aws.core.operations import Operations
from local_aws.core.paging import Pages

ChangeSet = dict[str, Any]
"""A change set as MiniStack keeps it: `ChangeSetId`, `ChangeSetName`, `StackId`, `StackName`, `ExecutionStatus`, …"""

_PAGE = 100
_PAGES = Pages("ValidationError", "Invalid NextToken")
_EXECUTED = "EXECUTE_COMPLETE"
_NO_STACK = "Stack [{}] does not exist"


class ChangeSets:
    """The change sets of all accounts."""

    def __init__(self) -> None:
        """Begin without change sets whose names are free again."""
        self._nameless: dict[tuple[str, str, str], ChangeSet] = {}

    @property
    def operations(self) -> Operations:
        """Return what answers each operation, or checks it."""
        return {
            "ListChangeSets": self._list,
            "CreateChangeSet": self._create,
            "DescribeChangeSet": self._check,
            "DeleteChangeSet": self._delete,
        }

    def install(self) -> None:
        """Let MiniStack find change sets as AWS does."""
        ministack_seams.replace("ministack.services.cloudformation.changesets", "_find_change_set", self._find)

    def _list(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        stack_id = stacks.get(params["StackName"], _NO_STACK)["StackId"]
        listed = [each for each in _kept().values() if each["StackId"] == stack_id and not _was_executed(each)]
        page, token = _PAGES.page(listed, params, _PAGE, of=f"change sets of {stack_id}")
        return {"Summaries": [_summary(each) for each in page], **token}

    def _create(self, _: str, params: dict[str, Any]) -> None:
        template_checks.check(params, with_parameters=True)
        if params.get("ChangeSetType", "UPDATE") == "UPDATE":
            stacks.check_state(stacks.get(params["StackName"], _NO_STACK))
        for arn, change_set in [*_kept().items()]:
            if _was_executed(change_set) and change_set["ChangeSetName"] == params["ChangeSetName"]:
                self._nameless[_place(arn)] = _kept().pop(arn)

    def _check(self, _: str, params: dict[str, Any]) -> None:
        """Refuse a name without a stack, and a stack that does not exist."""
        if params["ChangeSetName"].startswith("arn:"):
            return
        if not params.get("StackName"):
            message = "StackName must be specified if ChangeSetName is not specified as an ARN."
            raise AwsError("ValidationError", message)
        stacks.get(params["StackName"], _NO_STACK)

    def _delete(self, account_id: str, params: dict[str, Any]) -> None:
        _, change_set = self._find(params["ChangeSetName"], params.get("StackName", ""))
        if change_set is not None and _was_executed(change_set):
            message = f"Cannot delete ChangeSet in execution status {change_set['ExecutionStatus']}"
            raise AwsError("InvalidChangeSetStatus", message)
        self._check(account_id, params)

    def _find(self, name_or_arn: str, stack: str = "") -> tuple[str, ChangeSet] | tuple[None, None]:
        """Return ARN and change set for an ARN, or for a name and a stack's name or id. Only the ARN finds executed ones."""
        by_arn = _kept().get(name_or_arn) or self._nameless.get(_place(name_or_arn))
        if by_arn:
            return name_or_arn, by_arn
        for arn, each in _kept().items():
            of_stack = not stack or stack in {each["StackName"], each["StackId"]}
            if each["ChangeSetName"] == name_or_arn and of_stack and not _was_executed(each):
                return arn, each
        return None, None


def _kept() -> Any:  # noqa: ANN401 - MiniStack's own kind of dictionary
    return ministack_seams.module("ministack.services.cloudformation")._change_sets


def _place(arn: str) -> tuple[str, str, str]:
    return callers.account_id(), callers.region(), arn


def _was_executed(change_set: ChangeSet) -> bool:
    return bool(change_set["ExecutionStatus"] == _EXECUTED)


def _summary(change_set: ChangeSet) -> dict[str, Any]:
    required = ("StackId", "StackName", "ChangeSetId", "ChangeSetName", "ExecutionStatus", "Status")
    return {
        **{name: change_set[name] for name in required},
        **{name: change_set[name] for name in ("StatusReason", "Description") if change_set.get(name)},
        "CreationTime": datetime.fromisoformat(change_set["CreationTime"]),
    }
