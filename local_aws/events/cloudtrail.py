"""CloudTrail: records the calls of services, for its event history and, if IAM changes something, for EventBridge.

Sources: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html,
…/cloudtrail-event-reference-user-identity.html, …/cloudtrail-event-reference-aws-console-sign-in-events.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-track-privileged-tasks.html.
Simpler than on AWS: an event comes at once, not after minutes, and needs no trail. EventBridge delivers reads only on request,
so they are in the history alone; here it gets no changes of other services than IAM either. Only the owner's changes have
responseElements, and only calls of CloudFormation, IAM, Organizations and STS have requestParameters; those of all others are
null.  A template that stands in a request is not among them.

Live: the name of an error (radkawar/stackd, testdata/aws/cloudtrail/iam_history.json, and docs/eventbridge.md for refusals).
"""

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from local_aws.authorization import principals
from local_aws.core import callers, ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import Answer, AwsError, ServiceApi
from local_aws.core.operations import current
from local_aws.core.switches import Switches
from local_aws.events.event_bus import EventBus
from local_aws.events.event_history import EventHistory
from local_aws.organizations.accounts import RootUser

REGION = "us-east-1"
"""The Region of IAM's events, of those of root's sign-in, and of other services without Regions."""

_GLOBAL = {"iam", "organizations", "signin"}
_READS = (
    "AssumeRole",
    "AssumeRoot",
    "BatchGet",
    "Describe",
    "Filter",
    "Generate",
    "Get",
    "List",
    "Lookup",
    "Select",
    "Simulate",
)
"""How the names of calls begin that only read. Live, radkawar/stackd, docs/cloudtrail.md: AssumeRole is one of them."""
_WITH_PARAMETERS = {"cloudformation", "iam", "organizations", "sts"}
_DATA = {
    "events": ("PutEvents",),
    "lambda": ("Invoke",),
    "logs": ("FilterLogEvents", "GetLogEvents", "PutLogEvents"),
    "monitoring": ("GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"),
    "s3": ("Abort", "Complete", "Copy", "CreateMultipart", "DeleteObject", "GetObject", "HeadObject", "List", "Put", "Upload"),
    "sns": ("Publish",),
    "sqs": ("ChangeMessageVisibility", "DeleteMessage", "ReceiveMessage", "SendMessage"),
}
"""How the names of calls begin that are data events or none: no history has them. Source: CloudTrail user guide.

The history lacks S3's lists of buckets and changes of their settings, which are management events on AWS.
"""
_NEVER_RECORDED = {
    *("AuthenticationCode1", "AuthenticationCode2", "NewPassword", "OldPassword", "Password", "TemplateBody", "TokenCode"),
}

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]
_Change = tuple[str, dict[str, Any] | None, dict[str, Any] | None]
"""An event's name, its requestParameters and responseElements."""


class CloudTrail:
    """Records what services do, and who asked for it."""

    def __init__(self, events: EventBus, clock: Clock, switches: Switches) -> None:
        """Publish to `events`. A switch keeps back what root does."""
        self._events = events
        self._switches = switches
        self._clock = clock
        self.history = EventHistory(clock)

    def record_owner(self, account_id: str, before: RootUser, after: RootUser) -> None:
        """Record the owner's changes, signed in to the console as the root user, from `before` to `after`."""
        creation = _seconds(self._clock.now())
        signed_in = {"creationDate": creation, "mfaAuthenticated": str(before.mfa_devices > 0).lower()}
        identity = _root(account_id) | {"sessionContext": {"attributes": signed_in}}
        for name, request, response in _changes(account_id, before, after):
            self._record(account_id, identity, name, request, response)
        if after.password and not before.password:
            name = "PasswordRecoveryCompleted"
            response = {name: "Success"}
            self._record(account_id, _root(account_id), name, None, response, event_source="signin.amazonaws.com")

    def watching(self, service: str, api: ServiceApi | None, handle: Handler) -> Handler:
        """Return a handler of a service that records its calls. `record_refusal` records those that never reach it."""

        async def handled(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Answer:
            answer = await handle(method, path, headers, body, query)
            called, error = current.get(), _refusal(answer)
            if called and api and called.operation not in api.operations:
                return answer
            if called and api and error:
                error = api.error_name(called.operation, error[0]), error[1]
            params = None
            if api and service in _WITH_PARAMETERS:
                with suppress(AwsError):  # the service could not read it
                    _, params = api.parse(headers, body)
            self._record_call(service, params, error)
            return answer

        return handled

    def record_refusal(self, service: str, _: str, answer: Answer) -> None:
        """Record a call that policies do not allow, which no handler gets."""
        self._record_call(service, None, _refusal(answer))

    def _record_call(self, service: str, params: Mapping[str, Any] | None, error: tuple[str, str] | None) -> None:
        """Record the present request, by its caller.

        CloudTrail does not have the parameters of a call that policies refuse.
        """
        called = current.get()
        if called and called.operation and not called.operation.startswith(_DATA.get(service, ())):
            account_id, source = callers.account_id(), f"{service}.amazonaws.com"
            request = _camel(params) if params else None
            identity = caller_identity(account_id)
            self._record(account_id, identity, called.operation, request, None, error=error, event_source=source)

    def _record(  # noqa: PLR0913 - what a record has
        self,
        account_id: str,
        identity: Mapping[str, Any],
        name: str,
        request: Mapping[str, Any] | None,
        response: Mapping[str, Any] | None,
        *,
        error: tuple[str, str] | None = None,
        event_source: str = "iam.amazonaws.com",
    ) -> None:
        service = event_source.partition(".")[0]
        sign_in, reads = service == "signin", name.startswith(_READS)
        region = REGION if service in _GLOBAL else callers.region()
        detail = {
            "eventVersion": "1.09",
            "userIdentity": identity,
            "eventTime": _seconds(self._clock.now()),
            "eventSource": event_source,
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": "127.0.0.1",
            "userAgent": "local-aws",
            **({"errorCode": error[0], "errorMessage": error[1]} if error else {}),
            "requestParameters": request,
            "responseElements": response,
            "requestID": str(uuid.uuid4()),
            "eventID": str(uuid.uuid4()),
            "readOnly": reads,
            "eventType": "AwsConsoleSignIn" if sign_in else "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account_id,
            "eventCategory": "Management",
        }
        self.history.add((account_id, region), detail)
        kept_back = identity["type"] == "Root" and self._switches.is_on("no-events-of-root")
        if service in {"iam", "signin"} and not reads and not kept_back:
            kind = "AWS Console Sign In via CloudTrail" if sign_in else "AWS API Call via CloudTrail"
            self._events.publish(account_id, region, f"aws.{service}", kind, detail)


def caller_identity(account_id: str) -> dict[str, Any]:
    """Describe the caller of the present request. An account's id as the key means its administrator, a session of a role."""
    evaluator = ministack_seams.module("ministack.core.iam_evaluator")
    access_key_id = principals.access_key_id()
    session = ministack_seams.module("ministack.services.sts")._sessions.get(access_key_id, {})
    arn = evaluator.caller_arn()
    since = datetime.fromtimestamp(session.get("IssuedAt", 0), UTC)
    context = {"attributes": {"creationDate": _seconds(since), "mfaAuthenticated": "false"}}
    if session.get("AssumedRoot"):
        return _root(account_id) | {"accessKeyId": access_key_id, "sessionContext": {**context, "assumedRoot": "true"}}
    if ":user/" in arn:
        user_name = arn.rpartition("/")[2]
        user = principals.entity("user", callers.account_id(), user_name) or {}
        named = {"userName": user_name, "accessKeyId": access_key_id}
        return {"type": "IAMUser", "principalId": user.get("UserId", ""), "arn": arn, "accountId": account_id, **named}
    if ":assumed-role/" not in arn:
        arn = f"arn:aws:sts::{account_id}:assumed-role/Administrator/administrator"
    role_name = arn.split("/")[1]
    role = principals.entity("role", callers.account_id(), role_name) or {}
    issuer = {
        "type": "Role",
        "principalId": role.get("RoleId", ""),
        "arn": role.get("Arn", f"arn:aws:iam::{account_id}:role/{role_name}"),
        "accountId": account_id,
        "userName": role_name,
    }
    return {
        "type": "AssumedRole",
        "principalId": session.get("UserId", ""),
        "arn": arn,
        "accountId": account_id,
        "accessKeyId": access_key_id,
        "sessionContext": {"sessionIssuer": issuer, **context},
    }


def _refusal(answer: Answer) -> tuple[str, str] | None:
    """Return code and message of an error answer, None for success. CloudTrail writes AccessDenied for every service."""
    status, headers, body = answer
    if status < HTTPStatus.BAD_REQUEST:
        return None
    text = body.decode(errors="replace")
    code, message = (re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Code", "Message"))
    if code:
        said = code[1], message[1] if message else ""
    else:
        try:
            read = json.loads(text)
            code = headers.get("x-amzn-ErrorType", read.get("__type", "InternalFailure"))
            said = str(code).rpartition("#")[2], str(read.get("message", read.get("Message", "")))
        except (ValueError, AttributeError):
            said = "InternalFailure", ""
    return ("AccessDenied" if said[0].startswith("AccessDenied") else said[0]), said[1]


def _root(account_id: str) -> dict[str, Any]:
    arn = f"arn:aws:iam::{account_id}:root"
    return {"type": "Root", "principalId": account_id, "arn": arn, "accountId": account_id, "accessKeyId": ""}


def _changes(account_id: str, before: RootUser, after: RootUser) -> Iterator[_Change]:
    """Yield the calls that lead from one state of a root user to another. No page documents the parameters of root's."""
    for name in _new(before.virtual_mfa_devices, after.virtual_mfa_devices):
        serial_number = {"serialNumber": f"arn:aws:iam::{account_id}:mfa/{name}"}
        yield "CreateVirtualMFADevice", {"virtualMFADeviceName": name}, {"virtualMFADevice": serial_number}
        yield "EnableMFADevice", serial_number, None
    for name in _new(after.virtual_mfa_devices, before.virtual_mfa_devices):
        serial_number = {"serialNumber": f"arn:aws:iam::{account_id}:mfa/{name}"}
        yield "DeactivateMFADevice", serial_number, None
        yield "DeleteVirtualMFADevice", serial_number, None
    tokens_before, tokens_after = (_tokens(account_id, each) for each in (before, after))
    for device in _new(tokens_before, tokens_after):
        yield "EnableMFADevice", {"serialNumber": device}, None
    for device in _new(tokens_after, tokens_before):
        yield "DeactivateMFADevice", {"serialNumber": device}, None
    for key in _new(before.access_keys, after.access_keys):
        yield "CreateAccessKey", None, {"accessKey": {"accessKeyId": key, "status": "Active"}}
    for key in _new(after.access_keys, before.access_keys):
        yield "DeleteAccessKey", {"accessKeyId": key}, None
    for certificate in _new(before.signing_certificates, after.signing_certificates):
        yield "UploadSigningCertificate", None, {"certificate": {"certificateId": certificate, "status": "Active"}}
    for certificate in _new(after.signing_certificates, before.signing_certificates):
        yield "DeleteSigningCertificate", {"certificateId": certificate}, None
    if before.password and not after.password:
        yield "DeleteLoginProfile", None, None


def _tokens(account_id: str, root: RootUser) -> dict[str, datetime]:
    """Return hardware TOTP tokens, passkeys and security keys by serial number."""
    passkeys = {f"arn:aws:iam::{account_id}:u2f/root/{name}": enabled for name, enabled in root.passkeys.items()}
    return {**root.hardware_mfa_devices, **passkeys}


def _new(before: Mapping[str, datetime], after: Mapping[str, datetime]) -> list[str]:
    return [name for name in after if name not in before]


def _camel(value: Any) -> Any:  # noqa: ANN401 - a request's parameters
    """Write the members of a request as CloudTrail does, without those that it never records."""
    match value:
        case dict():
            return {name[0].lower() + name[1:]: _camel(member) for name, member in value.items() if name not in _NEVER_RECORDED}
        case list():
            return [_camel(item) for item in value]
        case bool() | int():
            return value
        case _:
            return str(value)


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
