"""What the end-to-end tests share: a local AWS with accounts to use up, and the application that the SAM CLI deployed there."""

from collections.abc import Callable, Iterator

import pytest

from demo import sam
from demo.sam import let_assume_evaluation_roles
from local_aws.client import LocalAwsProcess
from tests.e2e.application import Application
from tests.e2e.organization import (
    CENTRAL,
    MANAGEMENT,
    OUTSIDER,
    Organization,
    StagedOrganization,
    unit_id,
    write_accounts,
)
from tests.e2e.packaged import deploy, deploy_organization
from tests.e2e.sam_forks import Sam

CENTRAL_ACCOUNT_ID = "012345678912"
MEMBER_OF_THE_EVENTS = "444455556666"
NEW_ACCOUNTS = [f"100000000{number:03}" for number in range(200)]
NOT_RECORDING = "200000000000"

NewAccount = Callable[[], str]

# The organization's accounts that keep their root users.
BARE, VIRTUAL, HARDWARE, NO_CREDENTIALS, KEYS = (f"31000000000{number}" for number in range(1, 6))
STATES = (CENTRAL, BARE, VIRTUAL, HARDWARE, NO_CREDENTIALS, KEYS)
UNREADABLE = "320000000001"
"""IAM refuses every read in it."""
EXCLUDED = ("330000000001", "330000000002")
USED = tuple(f"34000000000{number}" for number in range(8))
"""The organization's accounts whose root users tests change."""
LEAVES = "350000000001"
NOT_IN_SCOPE = ("370000000001", "370000000002")
"""Accounts of the staged organization outside the unit to which the StackSet goes."""


@pytest.fixture(scope="session", autouse=True)
def _sam_cli() -> Iterator[None]:
    """Let forks run the SAM CLI."""
    with pytest.MonkeyPatch.context() as patch, Sam() as forks:
        patch.setattr(sam, "SAM", forks.program)
        yield


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Start a local AWS whose root users have a password and no MFA, until a test changes that."""
    directory = tmp_path_factory.mktemp("local-aws")
    recording = [f'  "{account_id}": {{}}\n' for account_id in [CENTRAL_ACCOUNT_ID, MEMBER_OF_THE_EVENTS, *NEW_ACCOUNTS]]
    accounts_file = directory / "accounts.yaml"
    lines = ["accounts:\n", *recording, f'  "{NOT_RECORDING}": {{recorder: false}}\n']
    accounts_file.write_text("".join(lines), encoding="utf-8")
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        yield aws


@pytest.fixture(scope="session")
def deployed_application(aws: LocalAwsProcess) -> Application:
    """Deploy the application to the central account; it may evaluate other accounts too."""
    deploy(aws, CENTRAL_ACCOUNT_ID)
    application = Application(aws, CENTRAL_ACCOUNT_ID)
    let_assume_evaluation_roles(aws, CENTRAL_ACCOUNT_ID)
    application.result(CENTRAL_ACCOUNT_ID)
    return application


@pytest.fixture
def application(deployed_application: Application) -> Iterator[Application]:
    """Give the application. What other accounts were permitted meanwhile ends with the test."""
    yield deployed_application
    deployed_application.forbid()


@pytest.fixture(scope="session")
def unused_accounts() -> Iterator[str]:
    """Give accounts to use up."""
    return iter(NEW_ACCOUNTS)


@pytest.fixture
def new_account(unused_accounts: Iterator[str]) -> NewAccount:
    """Give an account that no other test uses, at each call another."""
    return lambda: next(unused_accounts)


@pytest.fixture(scope="session")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """Deploy the application for an organization from a delegated administrator; every account was evaluated once."""
    accounts = {
        MANAGEMENT: {"name": "management", "root_user": {"virtual_mfa_devices": ["safe"]}},
        CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
        BARE: {"name": "bare"},
        VIRTUAL: {"name": "<script>alert(1)</script>", "root_user": {"virtual_mfa_devices": ["phone"]}},
        HARDWARE: {"name": "hardware", "root_user": {"hardware_mfa_devices": 1}},
        NO_CREDENTIALS: {"name": "no-credentials", "root_user": {"password": False}},
        KEYS: {"name": "keys", "root_user": {"password": False, "access_keys": 1}},
        UNREADABLE: {"name": "unreadable"},
        LEAVES: {"name": "leaves"},
        **{account_id: {"name": f"sandbox-{account_id}"} for account_id in EXCLUDED},
        **{account_id: {"name": f"used-{account_id}"} for account_id in USED},
    }
    units = {"Security": [CENTRAL], "Workloads/Production": STATES[1:], "Workloads/Development": USED, "Sandbox": EXCLUDED}
    directory = tmp_path_factory.mktemp("organization")
    accounts_file = write_accounts(directory, accounts, units, outside=[OUTSIDER])
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        aws.add_fault(UNREADABLE, "iam:GetAccountSummary", "AccessDenied")
        deploy_organization(aws, CENTRAL, {"ExcludedAccounts": ",".join(EXCLUDED)})
        organization = Organization(aws, CENTRAL)
        for account_id in (*STATES, *USED, LEAVES):
            organization.result(account_id)
        organization.failure(UNREADABLE)
        yield organization


@pytest.fixture(scope="session")
def staged_organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedOrganization]:
    """Deploy the application from a delegated administrator, and its rule by StackSet to the unit Workloads and those below.

    The management account has account.yaml too. Every account in scope was evaluated once.
    """
    accounts = {
        MANAGEMENT: {"name": "management", "root_user": {"virtual_mfa_devices": ["safe"]}},
        CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
        BARE: {"name": "bare"},
        VIRTUAL: {"name": "virtual", "root_user": {"virtual_mfa_devices": ["phone"]}},
        HARDWARE: {"name": "hardware", "root_user": {"hardware_mfa_devices": 1}},
        NO_CREDENTIALS: {"name": "no-credentials", "root_user": {"password": False}},
        **{account_id: {"name": f"excluded-{account_id}"} for account_id in EXCLUDED},
        **{account_id: {"name": f"used-{account_id}"} for account_id in USED},
        **{account_id: {"name": f"sandbox-{account_id}"} for account_id in NOT_IN_SCOPE},
    }
    units = {
        "Workloads": [CENTRAL],
        "Workloads/Production": [BARE, VIRTUAL, HARDWARE, NO_CREDENTIALS],
        "Workloads/Development": [*USED, *EXCLUDED],
        "Sandbox": NOT_IN_SCOPE,
    }
    directory = tmp_path_factory.mktemp("staged-organization")
    accounts_file = write_accounts(directory, accounts, units, outside=[OUTSIDER])
    with LocalAwsProcess(accounts_file, directory / "local-aws.log") as aws:
        parameters = {
            "RuleDeployment": "StackSet",
            "OrganizationalUnitIds": unit_id(aws, "Workloads"),
            "ExcludedAccounts": ",".join(EXCLUDED),
            "ManagementAccountHasEvaluationRole": "true",
            "Remediation": "Manual",
        }
        deploy_organization(aws, CENTRAL, parameters)
        organization = StagedOrganization(aws, CENTRAL)
        organization.deploy_management_account()
        for account_id in (MANAGEMENT, CENTRAL, BARE, VIRTUAL, HARDWARE, NO_CREDENTIALS, *USED):
            organization.result(account_id)
        yield organization
