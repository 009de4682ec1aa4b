"""An AWS without a network: real boto3 clients, whose requests are checked against the API models and answered from here."""

import os
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
        environment = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        default = patch("boto3.DEFAULT_SESSION", None)
        with (
            patch(f"{__name__}._in_place", self),
            patch("boto3.Session", _session),
            default,
            patch.dict("os.environ", environment),
        ):
            yield

    def answer(self, **event: Any) -> tuple[HttpResponse, dict[str, Any]]:  # noqa: ANN401 - botocore's
        """Answer a call, as the handler of botocore's event before-call does."""
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


_in_place: FakeAws | None = None
"""What answers now."""


class _Session(boto3.Session):
    """A session that speaks to what is in place. It and its clients serve all tests, since making them takes the time."""

    def __init__(self, region_name: str | None, profile_name: str | None) -> None:
        core: Any = botocore.session.Session(profile=profile_name)  # its stubs know no handler that answers
        core.register_component("data_loader", _LOADER)
        core.register("before-parameter-build", _remember)
        core.register("before-call", _answer)
        core.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret")
        super().__init__(botocore_session=core, region_name=region_name)
        self._made: dict[str, Any] = {}

    def client(self, service: str, **settings: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - a client of any service
        asked = str([service, sorted((name, vars(it) if name == "config" else it) for name, it in settings.items())])
        if asked not in self._made:
            self._made[asked] = super().client(service, **settings)  # type: ignore[call-overload]  # any service's name
        return self._made[asked]


_sessions: dict[str, _Session] = {}


def _session(region_name: str | None = None, profile_name: str | None = None) -> _Session:
    settings = sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))
    asked = str([region_name, profile_name, settings])
    if asked not in _sessions:
        _sessions[asked] = _Session(region_name, profile_name)
    return _sessions[asked]


def _remember(**event: Any) -> None:  # noqa: ANN401 - botocore's
    event["context"]["parameters"] = dict(event["params"])


def _answer(**event: Any) -> tuple[HttpResponse, dict[str, Any]]:  # noqa: ANN401 - botocore's
    assert _in_place is not None
    return _in_place.answer(**event)


def paged(key: str, pages: list[list[Any]]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Answer page by page; a page may be empty and still not be the last."""

    def answer(parameters: Mapping[str, Any]) -> dict[str, Any]:
        number = int(parameters.get("NextToken", "0"))
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {key: pages[number], **more}

    return answer
