"""What the tests of the local AWS share: one that runs, accounts to use up, and a function that notes events in its log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.local_aws.scene import (
    CENTRAL,
    NOBODYS,
    WITHOUT_RECORDER,
    WRITE_LOG,
    Clients,
    clients_of,
    create_function,
    let_config_invoke,
)
from tests.local_aws.stack_set_scene import Administrator, accounts_file, clean

NEW_ACCOUNTS = [f"100000000{number:03}" for number in range(1000)]

NOTES = """
    import json

    class AsAskedError(Exception):
        pass

    def handler(event, context):
        print(json.dumps(event))
        if json.loads(event.get("ruleParameters", "{}")).get("fail"):
            raise AsAskedError("This was asked for.")
"""


def write_accounts(directory: Path, accounts: dict[str, Any]) -> Path:
    file = directory / "accounts.yaml"
    file.write_text(yaml.safe_dump({"accounts": accounts}), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Run a local AWS whose root users have a password and no MFA, until a test changes that."""
    directory = tmp_path_factory.mktemp("local-aws")
    accounts: dict[str, Any] = {account_id: {} for account_id in [CENTRAL, *NEW_ACCOUNTS]}
    accounts[NOBODYS] = {"name": "of requests that name no account"}
    accounts[WITHOUT_RECORDER] = {"name": "without a recorder", "recorder": False}
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as process:
        yield process


@pytest.fixture(scope="session")
def client(local_aws: LocalAwsProcess) -> Clients:
    return clients_of(local_aws)


@pytest.fixture(scope="session")
def _unused_accounts() -> Iterator[str]:
    return iter(NEW_ACCOUNTS)


@pytest.fixture
def account_id(_unused_accounts: Iterator[str]) -> str:
    """Give an account that no other test uses: what a test leaves there is in nobody's way."""
    return next(_unused_accounts)


@pytest.fixture
def other_account_id(_unused_accounts: Iterator[str]) -> str:
    """Give another account that no other test uses."""
    return next(_unused_accounts)


@pytest.fixture(scope="session")
def notes(client: Clients) -> str:
    """Give the ARN of a function of the central account that notes each event, and is there for AWS Config in all accounts."""
    arn = create_function(client, CENTRAL, "notes", NOTES, *WRITE_LOG)
    let_config_invoke(client, arn)
    return arn


# StackSets


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsClient]:
    """Serve the organization of the tests of StackSets."""
    with LocalAwsProcess(accounts_file(tmp_path_factory.mktemp("organization"))) as client:
        yield client


@pytest.fixture
def aws(cleaned: LocalAwsClient) -> Iterator[LocalAwsClient]:
    """Serve the organization to a test that leaves the accounts where they are; what it deploys is taken away afterwards."""
    yield cleaned
    clean(cleaned)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LocalAwsClient]:
    """Serve the organization to a test that changes it."""
    with LocalAwsProcess(accounts_file(tmp_path)) as client:
        yield client


@pytest.fixture
def admin(aws: LocalAwsClient) -> Administrator:
    return Administrator(aws)
