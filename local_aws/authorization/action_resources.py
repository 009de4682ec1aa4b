"""The resource of an action, where MiniStack takes another than AWS. IAM policies and service control policies match it.

Source: Service Authorization Reference, of each service.  AWS gives a Config rule an id, which is in its ARN. No page says what
the ARN of a rule is before the rule exists; here it is the ARN of any rule.

A name of IAM means the role, user or group with that name, ignoring case; see `principals`.  No page says whether IAM finds a
role by its name in another case. Here IAM refuses or finds nothing, and both mean no.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.authorization import root_sessions
from local_aws.authorization.principals import entity_arn, role_arn
from local_aws.core import ministack_seams
from local_aws.core.callers import Scope
from local_aws.core.switches import Switches

_Find = Callable[["_Request"], str | None]


@dataclass(frozen=True)
class _Request:
    """A request: its operation ("CreateRole", or "POST functions" for a REST service) and the parameters of its body."""

    operation: str
    params: Mapping[str, Any]
    account_id: str
    region: str

    def text(self, *names: str) -> str:
        """Return the first of some parameters that has a value, or ""."""
        return next((str(self.params[name]) for name in names if self.params.get(name)), "")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of the account in the Region."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class ConfigArns:
    """How AWS Config finds its ARNs: that of a rule by the rule's name, and that of the rule's remediation configuration."""

    rule: Callable[[Scope, str], str | None]
    remediation: Callable[[Scope, str], str | None]


Extract = Callable[..., str]
"""MiniStack's function for this: it takes a request's service, method, path, headers, body, query, Region and account id."""


class ActionResources:
    """The table: for each service, what finds the resource of an action."""

    def __init__(self, config: ConfigArns, switches: Switches, otherwise: Extract) -> None:
        """Ask `config` for the ARNs of its resources, and MiniStack (`otherwise`) for everything that the table lacks."""
        self._otherwise = otherwise
        self._find: Mapping[str, _Find] = {
            "cloudformation": _stack,
            "config": lambda request: _rule(request, config),
            "events": _event_rule,
            "iam": lambda request: _iam(request, switches),
            "lambda": _new_function,
            "logs": _log_stream,
            "monitoring": _alarm,
            "organizations": lambda request: "*" if request.operation == "LeaveOrganization" else None,
            "ssm": _systems_manager,
            "sts": _assumed_role,
        }

    def arn(self, service: str, method: str, path: str, headers: dict[str, str], body: bytes, *more: Any) -> str:  # noqa: ANN401 - MiniStack's
        """Return the ARN of the resource of a request's action, or "*" if it has none. The parameters are MiniStack's."""
        query, region, account_id = more
        find = self._find.get(service)
        if find is None:
            return self._otherwise(service, method, path, headers, body, *more)
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        params = _json(body) if operation or service == "lambda" else _query(query)
        operation = operation or params.get("Action") or f"{method} {path.rstrip('/').rpartition('/')[2]}"
        found = find(_Request(operation, params, account_id, region))
        if found is not None:
            return found
        return str(self._otherwise(service, method, path, headers, body, *more))


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        params = json.loads(body)
    except ValueError:
        return {}  # the service will refuse it
    return params if isinstance(params, dict) else {}


def _query(params: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: values[0] if isinstance(values, list) and values else values for name, values in params.items()}


# IAM and STS

_OF_THE_CALLER = {
    "CreateAccessKey",
    "CreateLoginProfile",
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "DeleteSigningCertificate",
    "GetAccessKeyLastUsed",
    "GetLoginProfile",
    "GetUser",
    "ListAccessKeys",
    "ListMFADevices",
    "ListSigningCertificates",
    "UpdateAccessKey",
    "UpdateSigningCertificate",
    "UploadSigningCertificate",
}
"""The actions on a user that are about the caller if they name no user."""


def _iam(request: _Request, switches: Switches) -> str | None:
    path = request.text("Path") or "/"
    if request.operation == "CreatePolicy":
        return f"arn:aws:iam::{request.account_id}:policy{path}{request.text('PolicyName')}"
    profile = request.text("InstanceProfileName")
    if profile:
        return f"arn:aws:iam::{request.account_id}:instance-profile{path}{profile}"
    for kind in ("Role", "User", "Group"):
        name = request.text(f"{kind}Name")
        if request.operation == f"Create{kind}":
            return f"arn:aws:iam::{request.account_id}:{kind.lower()}{path}{name}"
        if name:
            return entity_arn(kind.lower(), request.account_id, name, path)
    return _device_or_caller(request, path, switches)


def _device_or_caller(request: _Request, path: str, switches: Switches) -> str | None:
    if request.operation in {"CreateVirtualMFADevice", "DeleteVirtualMFADevice"}:
        device = request.text("SerialNumber") or f"mfa{path}{request.text('VirtualMFADeviceName')}"
        return device if device.startswith("arn:") else f"arn:aws:iam::{request.account_id}:{device}"
    if request.operation == "DeactivateMFADevice" and switches.is_on("deactivate-on-any-resource"):
        return "*"
    return root_sessions.own_arn() if request.operation in _OF_THE_CALLER else None


def _assumed_role(request: _Request) -> str | None:
    if request.operation == "AssumeRoot":
        return root_sessions.target_arn(request.text("TargetPrincipal"))
    given = request.text("RoleArn")
    return role_arn(given) if given else None


# CloudFormation


def _stack(request: _Request) -> str | None:
    cloudformation = ministack_seams.module("ministack.services.cloudformation")
    name, change_set = request.text("StackName"), request.text("ChangeSetName")
    if change_set and request.operation != "CreateChangeSet" and (not name or change_set.startswith("arn:")):
        find = ministack_seams.module("ministack.services.cloudformation.changesets")._find_change_set
        found = find(change_set, "")[1]
        return str(found["StackId"]) if found else None
    if not name or name.startswith("arn:"):
        return None
    stack = cloudformation._stacks.get(name)
    gone = stack is None or stack["StackStatus"] == "DELETE_COMPLETE"
    return request.arn("cloudformation", f"stack/{name}/*") if gone else str(stack["StackId"])


# Config


def _rule(request: _Request, config: ConfigArns) -> str | None:
    name = request.text("ConfigRuleName")
    if request.operation in {"DescribeComplianceByConfigRule", "StartConfigRulesEvaluation"}:  # the first one counts
        name = next(iter(request.params.get("ConfigRuleNames") or [""]))
    elif isinstance(request.params.get("ConfigRule"), dict):
        name = request.params["ConfigRule"].get("ConfigRuleName", "")
    elif isinstance(request.params.get("RemediationConfigurations"), list):
        name = next((one.get("ConfigRuleName", "") for one in request.params["RemediationConfigurations"]), "")
    scope = request.account_id, request.region
    if "Remediation" in request.operation:
        return config.remediation(scope, name)
    new = request.arn("config", "config-rule/*") if request.operation == "PutConfigRule" else None
    return config.rule(scope, name) or new


# EventBridge

_RULES = {
    "PutRule": "Name",
    "DeleteRule": "Name",
    "DescribeRule": "Name",
    "DisableRule": "Name",
    "EnableRule": "Name",
    "ListTargetsByRule": "Rule",
    "PutTargets": "Rule",
    "RemoveTargets": "Rule",
}
_BUSES = {"CreateEventBus", "DeleteEventBus", "DescribeEventBus", "UpdateEventBus"}
_TAGS = {"TagResource", "UntagResource", "ListTagsForResource"}


def _event_rule(request: _Request) -> str | None:
    if request.operation in _TAGS:
        return request.text("ResourceARN") or None
    if request.operation in _BUSES:
        return request.arn("events", f"event-bus/{request.text('Name') or 'default'}")
    name = request.text(_RULES.get(request.operation, ""))
    if not name:
        return None
    bus = request.text("EventBusName").rpartition("/")[2]  # a name or an ARN
    return request.arn("events", f"rule/{name}" if bus in {"", "default"} else f"rule/{bus}/{name}")


# Lambda


def _new_function(request: _Request) -> str | None:
    """Name the function that a request creates. The path does not name it; MiniStack knows the names in paths."""
    name = request.text("FunctionName").rpartition(":")[2]  # a name or an ARN
    return request.arn("lambda", f"function:{name}") if request.operation == "POST functions" and name else None


# CloudWatch


def _alarm(request: _Request) -> str | None:
    """Name the alarm that a request is about; any alarm if it names none or several."""
    if request.operation in _TAGS:
        return request.text("ResourceARN") or None
    if "Alarm" not in request.operation:
        return "*"
    named = request.params.get("AlarmNames")
    several = named if isinstance(named, list) else [request.text("AlarmNames.member.1")]
    second = len(several) > 1 or request.text("AlarmNames.member.2")
    name = request.text("AlarmName") or ("" if second or not several else str(several[0]))
    return request.arn("cloudwatch", f"alarm:{name or '*'}")


# CloudWatch Logs


def _log_stream(request: _Request) -> str | None:
    """Name the log stream that a request is about; any of the group if it is about the group.

    So a policy has to name a group with `:*` behind it, except for tags.  Source: API model, logs, LogGroup.arn.
    """
    if request.operation in _TAGS:
        return None
    several = next(
        (request.params[name] for name in ("logGroupNames", "logGroupIdentifiers") if request.params.get(name)), [""]
    )
    group = request.text("logGroupName", "logGroupIdentifier") or (several[0] if isinstance(several, list) else "")
    if not group:
        return None
    arn = str(group).removesuffix(":*") if str(group).startswith("arn:") else request.arn("logs", f"log-group:{group}")
    return f"{arn}:log-stream:{request.text('logStreamName')}"


# Systems Manager

_DOCUMENT = (
    "CreateAssociation",
    "CreateDocument",
    "DeleteDocument",
    "DescribeDocument",
    "DescribeDocumentPermission",
    "GetDocument",
    "ListDocumentMetadataHistory",
    "ListDocumentVersions",
    "ModifyDocumentPermission",
    "UpdateDocument",
    "UpdateDocumentDefaultVersion",
    "UpdateDocumentMetadata",
)
_EXECUTION = ("GetAutomationExecution", "SendAutomationSignal", "StopAutomationExecution")
_OPS_ITEM = ("DeleteOpsItem", "GetOpsItem", "UpdateOpsItem")
_TAGGED = {"Automation": "automation-execution", "Document": "document", "OpsItem": "opsitem"}
_NO_RESOURCE = (
    "CreateOpsItem",
    "DescribeAutomationExecutions",
    "DescribeAutomationStepExecutions",
    "DescribeOpsItems",
    "ListDocuments",
)


def _systems_manager(request: _Request) -> str | None:
    operation = request.operation
    if operation in _NO_RESOURCE:
        return "*"
    kind, name = "", ""
    if operation in _DOCUMENT:
        kind, name = "document", request.text("Name").rpartition("/")[2]  # a name or an ARN
    elif operation in _EXECUTION:
        kind, name = "automation-execution", request.text("AutomationExecutionId")
    elif operation in _OPS_ITEM:
        kind, name = "opsitem", request.text("OpsItemId")
    elif operation == "StartAutomationExecution":
        document = request.text("DocumentName").rpartition("/")[2]
        kind, name = "automation-definition", f"{document}:{request.text('DocumentVersion') or '$DEFAULT'}"
    elif operation in {"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"}:
        kind, name = _TAGGED.get(request.text("ResourceType"), ""), request.text("ResourceId")
    return request.arn("ssm", f"{kind}/{name}") if kind else None
