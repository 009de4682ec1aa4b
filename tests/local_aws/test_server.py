"""What the local AWS answers to what botocore would not send: nothing that the API models do not have is taken for good."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.scene import Client, Clients, refusal

Body = bytes | dict[str, str]
"""A whole body of JSON, or what is other in one of a query."""


@pytest.fixture
def sending(client: Clients, account_id: str) -> Iterator[Callable[[str, Body], Client]]:
    """Give a client whose bodies are changed before they are signed."""
    registered: list[tuple[Client, Callable[..., None]]] = []

    def sending(service: str, body: Body) -> Client:
        def change(params: dict[str, Any], **_: object) -> None:
            params["body"] = body if isinstance(body, bytes) else params["body"] | body

        changed = client(service, account_id)
        changed.meta.events.register("before-call", change)
        registered.append((changed, change))
        return changed

    yield sending
    for changed, change in registered:
        changed.meta.events.unregister("before-call", change)


@pytest.mark.parametrize(
    ("service", "operation", "body", "code"),
    [
        ("config", "put_evaluations", b"{", "SerializationException"),
        ("config", "put_evaluations", b"[]", "SerializationException"),
        ("config", "put_evaluations", b"{}", "ValidationException"),
        ("config", "put_evaluations", b'{"Evaluations": [{"OrderingTimestamp": "yesterday"}]}', "SerializationException"),
        ("config", "describe_config_rules", b'{"ConfigRuleNames": "all"}', "SerializationException"),
        ("iam", "get_account_summary", {"Version": "2001-01-01"}, "InvalidAction"),
        ("iam", "list_virtual_mfa_devices", {"MaxItems": "1.5"}, "MalformedInput"),
        ("sts", "assume_role", {"DurationSeconds": "an hour"}, "MalformedInput"),
    ],
)
def test_a_request_that_is_none_is_refused(
    sending: Callable[[str, Body], Client], service: str, operation: str, body: Body, code: str
) -> None:
    assert refusal(getattr(sending(service, body), operation))[0] == code


def test_an_operation_that_is_not_emulated_is_refused(client: Clients, account_id: str) -> None:
    """It is no success: a call that the package comes to make without the local AWS shall be noticed."""
    code, _ = refusal(client("config", account_id).put_retention_configuration, RetentionPeriodInDays=30)
    assert code
