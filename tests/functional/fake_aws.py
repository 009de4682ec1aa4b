"""A small scripted AWS: it records each request and answers as a test says.

AWS's own API models serialize its answers and decide which requests it refuses.  As in AWS, it tells about the root user of the
account whose credentials signed the request: a right verdict also proves right credentials.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Any, TypeAlias

from local_aws.core.models import Answer, AwsError, ServiceApi

OWN_ACCOUNT = "012345678912"
"""The function's account, as in events/."""

MEMBER_ACCOUNT = "444455556666"

FUNCTION = "FUNCTION"
"""The signer of a request with the function's own credentials. Otherwise the signer is the account id of the assumed role."""

_MOST_REQUESTS = 1000
"""A rule that makes more, as one that asks for the same page again and again, gets no answer: its test fails, and ends."""
SECRET = "CONFIDENTIAL"  # noqa: S105 - it marks secrets and is not one
"""Part of everything that must never get out: access keys, session tokens, result tokens."""


def access_key_id(signer: str) -> str:
    return f"ASIA{SECRET}{signer}"


def secret_access_key(signer: str) -> str:
    return f"{SECRET}-key-of-{signer}"


def session_token(signer: str) -> str:
    return f"{SECRET}-session-token-of-{signer}"


@dataclass(frozen=True)
class Request:
    """A request that arrived: `action` is its name in IAM, `signer` says whose credentials signed it."""

    action: str
    signer: str
    host: str
    region: str
    user_agent: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class RootUser:
    """What IAM answers about a root user: the account summary, and the pages of assigned virtual MFA devices."""

    summary: Mapping[str, int]
    pages: tuple[list[dict[str, Any]], ...] = ([],)


def root_user(
    *devices: dict[str, Any],
    mfa: bool = True,
    password: bool | None = True,
    access_keys: bool | None = False,
    certificates: bool | None = False,
    pages: tuple[list[dict[str, Any]], ...] | None = None,
) -> RootUser:
    """Describe a root user. Without `pages`, its devices come on one page. None omits a key from the summary."""
    summary = {
        "AccountMFAEnabled": mfa,
        "AccountPasswordPresent": password,
        "AccountAccessKeysPresent": access_keys,
        "AccountSigningCertificatesPresent": certificates,
        "Users": 3,
        "MFADevicesInUse": 2,
    }
    return RootUser({key: int(value) for key, value in summary.items() if value is not None}, pages or ([*devices],))


def device(
    name: str = "phone", *, account_id: str = OWN_ACCOUNT, owner: str = "root", partition: str = "aws"
) -> dict[str, Any]:
    """Make an entry of ListVirtualMFADevices for a device of root or of a user: AWS gives root neither UserName nor Path."""
    created = datetime(2025, 3, 4, 10, 11, 12, tzinfo=UTC)
    user = {"UserId": account_id, "Arn": f"arn:{partition}:iam::{account_id}:{owner}", "CreateDate": created}
    if owner != "root":
        user |= {"UserName": owner.rpartition("/")[2], "Path": "/", "UserId": "AIDAEXAMPLEUSERID0001"}
    return {"SerialNumber": f"arn:{partition}:iam::{account_id}:mfa/{name}", "User": user, "EnableDate": created}


WITHOUT_MFA = root_user(mfa=False)
WITH_HARDWARE_ONLY = root_user()


def with_virtual_device(account_id: str = OWN_ACCOUNT) -> RootUser:
    return root_user(device(account_id=account_id))


Fault: TypeAlias = AwsError | Callable[[Answer], Answer]
"""What goes wrong with a call: a refusal, or a function that changes the right answer. The function may raise NoAnswer."""


class NoAnswer(Exception):  # noqa: N818 - not an error: it tells the fake what to do
    """The connection ends without an answer."""


class Hang(NoAnswer):
    """The connection ends when the test is over."""


class GoAway(NoAnswer):
    """The connection ends, and the server accepts no other."""


def drop(_: Answer) -> Answer:
    raise NoAnswer


def hang(_: Answer) -> Answer:
    raise Hang


def go_away(_: Answer) -> Answer:
    raise GoAway


def cut_in_half(answer: Answer) -> Answer:
    status, headers, body = answer
    return status, headers, body[: len(body) // 2]


def replace_body(body: bytes, status: int = 200) -> Callable[[Answer], Answer]:
    return lambda answer: (status, answer[1], body)


def change_body(old: bytes, new: bytes) -> Callable[[Answer], Answer]:
    """Replace `old` in the right answer, which must contain it."""

    def change(answer: Answer) -> Answer:
        status, headers, body = answer
        assert re.search(old, body), body
        return status, headers, re.sub(old, new, body)

    return change


def hand_back_evaluations(answer: Answer) -> Answer:
    """Answer PutEvaluations with success, and with an evaluation in FailedEvaluations."""
    failed = {
        "ComplianceResourceType": "AWS::::Account",
        "ComplianceResourceId": OWN_ACCOUNT,
        "ComplianceType": "NON_COMPLIANT",
        "OrderingTimestamp": 1768456800.373,
    }
    return answer[0], answer[1], json.dumps({"FailedEvaluations": [failed]}).encode()


ORGANIZATION = "o-a1b2c3d4e5"

_JSON = ("config:", "organizations:")
_CODES = {
    "denied": ("AccessDenied", "AccessDeniedException"),
    "throttled": ("Throttling", "ThrottlingException"),
    "broken down": ("InternalFailure", "InternalFailure"),
    "expired": ("ExpiredToken", "ExpiredTokenException"),
}
"""The codes of IAM and STS, and those of services that speak JSON. Source: the "Common errors" of the API references."""


def refusal(kind: str, action: str) -> AwsError:
    """Make the error with which the service of `action` refuses a call: denied, throttled, broken down or expired."""
    code = _CODES[kind][action.startswith(_JSON)]
    return AwsError(code, f"The call was {kind}.")


@dataclass
class FakeAws:
    """AWS as a test wants it: the root users, aliases and organizations by account, and the requests so far."""

    root_users: dict[str, RootUser] = field(default_factory=dict)
    account_aliases: dict[str, str] = field(default_factory=dict)
    organizations: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _faults: dict[str, Iterator[Fault]] = field(default_factory=dict)

    @property
    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    @property
    def signed(self) -> list[tuple[str, str]]:
        """The actions, each with its signer."""
        return [(request.action, request.signer) for request in self.requests]

    @property
    def reported(self) -> list[dict[str, Any]]:
        """The parameters of each PutEvaluations request, including refused ones."""
        return [dict(request.parameters) for request in self.requests if request.action == "config:PutEvaluations"]

    @property
    def verdicts(self) -> set[str]:
        """Each compliance type that arrived with PutEvaluations."""
        return {evaluation["ComplianceType"] for report in self.reported for evaluation in report["Evaluations"]}

    def fail(self, action: str, fault: Fault, times: int | None = None) -> None:
        """Let calls of `action` go wrong: the next `times` calls, or all from now on."""
        self._faults[action] = repeat(fault) if times is None else repeat(fault, times)

    def answer(self, host: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Record a request and answer it. Raises NoAnswer."""
        key, _, region, service, _ = headers["Authorization"].partition("Credential=")[2].partition(",")[0].split("/")
        signer = key.removeprefix(f"ASIA{SECRET}")
        api = _api(service)
        operation, parameters = api.parse(headers, body)
        action = f"{service}:{operation}"
        self.requests.append(Request(action, signer, host, region, headers["User-Agent"], parameters))
        if len(self.requests) > _MOST_REQUESTS:
            raise NoAnswer
        fault = next(self._faults.get(action, iter(())), None)
        try:
            _refuse_unknown_credentials(service, signer, headers["X-Amz-Security-Token"])
            if isinstance(fault, AwsError):
                raise fault
            api.validate(operation, parameters)
            answer = api.response(operation, self._result(operation, signer, parameters))
        except AwsError as error:
            return api.error(error, operation)
        return fault(answer) if fault else answer

    def _result(self, operation: str, signer: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        match operation:
            case "AssumeRole":
                return _assumed(parameters["RoleArn"])
            case "PutEvaluations":
                return {"FailedEvaluations": []}
            case "DescribeAccount":
                return self._described(parameters["AccountId"])
        account_id = OWN_ACCOUNT if signer == FUNCTION else signer
        if operation == "ListAccountAliases":
            alias = self.account_aliases.get(account_id)
            return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}
        root = self.root_users[account_id]
        if operation == "GetAccountSummary":
            return {"SummaryMap": root.summary}
        number = int(parameters.get("Marker", "0"))
        more = {"Marker": str(number + 1)} if number + 1 < len(root.pages) else {}
        return {"VirtualMFADevices": root.pages[number], "IsTruncated": bool(more), **more}

    def _described(self, account_id: str) -> dict[str, Any]:
        """Describe an account to the function: one of another organization is not found, and if it is in none, nobody is."""
        own = self.organizations.get(OWN_ACCOUNT)
        if own is None or self.organizations.get(account_id) != own:
            raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.")
        arn = f"arn:aws:organizations::{OWN_ACCOUNT}:account/{own}/{account_id}"
        return {"Account": {"Id": account_id, "Arn": arn, "Status": "ACTIVE"}}


@cache
def _api(service: str) -> ServiceApi:
    return ServiceApi(service)


def _refuse_unknown_credentials(service: str, signer: str, token: str) -> None:
    if token != session_token(signer):
        code = "UnrecognizedClientException" if f"{service}:" in _JSON else "InvalidClientTokenId"
        raise AwsError(code, "The security token included in the request is invalid.")


def _assumed(role_arn: str) -> dict[str, Any]:
    signer = role_arn.split(":")[4]
    return {
        "Credentials": {
            "AccessKeyId": access_key_id(signer),
            "SecretAccessKey": secret_access_key(signer),
            "SessionToken": session_token(signer),
            "Expiration": datetime(2036, 1, 15, 6, 15, tzinfo=UTC),
        }
    }


# Serving


class _Server(ThreadingHTTPServer):
    def __init__(self, aws: FakeAws) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.aws = aws
        self.over = threading.Event()

    def go_away(self) -> None:
        """Accept no further connection."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, headers, content = self.server.aws.answer(self.headers["Host"], dict(self.headers), body)
        except NoAnswer as silence:
            if isinstance(silence, Hang):
                self.server.over.wait()
            elif isinstance(silence, GoAway):
                self.server.go_away()
            return
        self.send_response(status)
        for name, value in (headers | {"Content-Length": len(content)}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serve() -> Iterator[FakeAws]:
    """Serve a fake AWS on a free port of 127.0.0.1."""
    aws = FakeAws()
    server = _Server(aws)
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield aws
    finally:
        server.over.set()
        server.go_away()
        thread.join()
