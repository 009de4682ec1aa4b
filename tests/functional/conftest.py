"""What the functional tests share: a fake AWS, a fresh environment, and a search for secrets in all output."""

import os
from collections.abc import Iterator

import botocore.session
import pytest

from periodic_rule.handler import Handler
from root_virtual_mfa_enabled import rule
from tests.functional import fake_aws
from tests.functional.fake_aws import FUNCTION, SECRET, FakeAws


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> Iterator[None]:
    """Let all botocore sessions share botocore's files once read, so that a fresh environment takes 10 ms."""
    loader = botocore.session.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda _: loader)
        yield


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """Serve the fake AWS to a function that has just started, and let retries not wait."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", fake_aws.access_key_id(FUNCTION))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake_aws.secret_access_key(FUNCTION))
    monkeypatch.setenv("AWS_SESSION_TOKEN", fake_aws.session_token(FUNCTION))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    for name in ("VERSION", "ONLY_ORGANIZATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(rule, "lambda_handler", Handler(rule.RULE))
    with fake_aws.serve() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        yield aws


@pytest.fixture(autouse=True)
def _nothing_secret_gets_out(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Search everything that a test's invocations logged or printed, with the exceptions as Lambda's text format shows them."""
    yield
    for record in caplog.get_records("call"):
        assert SECRET not in caplog.handler.format(record)
        assert SECRET not in repr(vars(record))
    assert SECRET not in "".join(capsys.readouterr())
