"""An AWS without a network: real boto3 clients, whose requests are checked against the API models and answered from here."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
import botocore.session
from botocore.loaders import Loader

CENTRAL = "111111111111"
REGION = "eu-central-1"

_LOADER = Loader()
"""One for all, since reading the API models is what takes the time."""

Answer = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class RefusalError(Exception):
    """What AWS answers in the place of what was asked for."""

    def __init__(self, code: str, message: str = "said by AWS", **members: object) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.members = members


@dataclass
class HttpResponse:
    """What botocore asks of a response."""

    status_code: int


@dataclass
class FakeAws:
    """`answers` has what each operation answers, a mapping or a function of the parameters; `calls` has what was called."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    actions: set[str] = field(default_factory=set)
    """What was called, as IAM names it."""
    urls: dict[str, str] = field(default_factory=dict)
    """Where each operation was last called."""
    _signed: threading.local = field(default_factory=threading.local)

    @property
    def access_key_id(self) -> str:
        """Whose call is being answered."""
        return str(self._signed.access_key_id)

    def __post_init__(self) -> None:
        self.answers.setdefault(
            "GetCallerIdentity", {"Account": CENTRAL, "UserId": "x", "Arn": f"arn:aws:iam::{CENTRAL}:user/operator"}
        )

    def refuse(self, operation: str, code: str, message: str = "said by AWS") -> None:
        """Let an operation fail."""

        def fail(_: Mapping[str, Any]) -> Mapping[str, Any]:
            raise RefusalError(code, message)

        self.answers[operation] = fail

    def called(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [parameters for name, parameters in self.calls if name == operation]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let every boto3 session, the default one too, be one that speaks to this."""
        original = boto3.Session

        def session(region_name: str | None = None, profile_name: str | None = None) -> boto3.Session:
            core: Any = botocore.session.Session(profile=profile_name)  # its stubs know no handler that answers
            core.register_component("data_loader", _LOADER)
            core.register("before-parameter-build", self._remember)
            core.register("before-call", self._answer)
            core.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret")
            return original(botocore_session=core, region_name=region_name)

        environment = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        default = patch("boto3.DEFAULT_SESSION", None)
        with patch("boto3.Session", session), default, patch.dict("os.environ", environment):
            yield

    @staticmethod
    def _remember(**event: Any) -> None:  # noqa: ANN401 - botocore's
        event["context"]["parameters"] = dict(event["params"])

    def _answer(self, **event: Any) -> tuple[HttpResponse, dict[str, Any]]:  # noqa: ANN401 - botocore's
        operation, parameters = event["model"].name, event["context"]["parameters"]
        self.calls.append((operation, parameters))
        self.actions.add(f"{event['model'].service_model.signing_name}:{operation}")
        self.urls[operation] = event["params"]["url"]
        answer = self.answers[operation]
        self._signed.access_key_id = event["request_signer"]._credentials.access_key  # noqa: SLF001 - botocore tells nobody else
        try:
            said = dict(answer(parameters) if callable(answer) else answer)
        except RefusalError as refusal:
            error = {"Error": {"Code": refusal.code, "Message": refusal.message}}
            return HttpResponse(400), error | refusal.members | {"ResponseMetadata": {"HTTPStatusCode": 400}}
        metadata = {"HTTPStatusCode": 200, **said.get("ResponseMetadata", {})}
        return HttpResponse(200), said | {"ResponseMetadata": metadata}


def paged(key: str, pages: list[list[Any]]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Answer page by page; a page may be empty and still not be the last."""

    def answer(parameters: Mapping[str, Any]) -> dict[str, Any]:
        number = int(parameters.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {key: pages[number], **more}

    return answer
