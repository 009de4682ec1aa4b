"""What the resource of an action of Systems Manager is: MiniStack knows parameters only.

Source: Service Authorization Reference, AWS Systems Manager.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local_aws import ministack_seams

_Params = Mapping[str, Any]


def _started(params: _Params) -> str:
    name = str(params.get("DocumentName")).rpartition("/")[2]  # which may be an ARN
    return f"automation-definition/{name}:{params.get('DocumentVersion', '$DEFAULT')}"


_DOCUMENT = (
    "CreateDocument",
    "DeleteDocument",
    "DescribeDocument",
    "GetDocument",
    "ListDocumentVersions",
    "UpdateDocument",
    "UpdateDocumentDefaultVersion",
)
_EXECUTION = ("GetAutomationExecution", "SendAutomationSignal", "StopAutomationExecution")
_RESOURCES: Mapping[str, Callable[[_Params], str]] = {
    **dict.fromkeys(_DOCUMENT, lambda params: f"document/{str(params.get('Name')).rpartition('/')[2]}"),
    **dict.fromkeys(_EXECUTION, lambda params: f"automation-execution/{params.get('AutomationExecutionId')}"),
    **dict.fromkeys(("GetOpsItem", "UpdateOpsItem"), lambda params: f"opsitem/{params.get('OpsItemId')}"),
    "StartAutomationExecution": _started,
}
_NONE = (
    "CreateOpsItem",
    "DescribeAutomationExecutions",
    "DescribeAutomationStepExecutions",
    "DescribeOpsItems",
    "ListDocuments",
)


def install() -> None:
    """Let IAM policies decide by the document, the execution or the OpsItem that a request is about."""
    actions = ministack_seams.module("ministack.core.iam_actions")
    responses = ministack_seams.module("ministack.core.responses")
    otherwise = actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: dict[str, str], body: bytes, *more: Any) -> str:  # noqa: ANN401 - MiniStack's
        operation = headers.get("x-amz-target", "").rpartition(".")[2] if service == "ssm" else ""
        if operation in _NONE:
            return "*"
        params = _read(body) if operation in _RESOURCES else None
        if params is None:
            return str(otherwise(service, method, path, headers, body, *more))
        return f"arn:aws:ssm:{responses.get_region()}:{responses.get_account_id()}:{_RESOURCES[operation](params)}"

    ministack_seams.replace("ministack.core.iam_actions", "extract_resource_arn", extract)


def _read(body: bytes) -> _Params | None:
    try:
        params = json.loads(body)
    except ValueError:
        return None  # it will be refused
    return params if isinstance(params, dict) else None
