"""What the end-to-end tests share: a local AWS with accounts to use up, and the application that the SAM CLI deployed there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_aws.client import LocalAwsProcess
from local_aws.deployment import deploy, let_assume_evaluation_roles
from tests.e2e.application import Application

CENTRAL_ACCOUNT_ID = "111122223333"
MEMBER_OF_THE_EVENTS = "444455556666"
NEW_ACCOUNTS = [f"1000000000{number:02}" for number in range(100)]
NOT_RECORDING = "200000000000"

NewAccount = Callable[[], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the slow ones come last, so that a mistake shows early."""
    slow = {"test_faults.py", "test_demo.py"}
    items.sort(key=lambda item: item.path.parent == Path(__file__).parent and item.path.name in slow)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """A local AWS whose root users have a password and no MFA, until a test changes that."""
    directory = tmp_path_factory.mktemp("local-aws")
    recording = [f'  "{account_id}": {{}}\n' for account_id in [CENTRAL_ACCOUNT_ID, MEMBER_OF_THE_EVENTS, *NEW_ACCOUNTS]]
    accounts_file = directory / "accounts.yaml"
    accounts_file.write_text("accounts:\n" + "".join(recording) + f'  "{NOT_RECORDING}": {{recorder: false}}\n', encoding="utf-8")
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        yield aws


@pytest.fixture(scope="session")
def application(aws: LocalAwsProcess) -> Application:
    """The application in the central account; it may evaluate other accounts too."""
    deploy(aws, CENTRAL_ACCOUNT_ID)
    application = Application(aws, CENTRAL_ACCOUNT_ID)
    let_assume_evaluation_roles(aws, CENTRAL_ACCOUNT_ID)
    application.result(CENTRAL_ACCOUNT_ID)
    return application


@pytest.fixture(scope="session")
def unused_accounts() -> Iterator[str]:
    """Accounts to use up."""
    return iter(NEW_ACCOUNTS)


@pytest.fixture
def new_account(unused_accounts: Iterator[str]) -> NewAccount:
    """Give an account that no other test uses, at each call another."""
    return lambda: next(unused_accounts)
