"""Reads what a check judges: the accounts, and the facts about each, with the rule's own reads."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from organization import accounts, aws
from organization.accounts import ClientMaker, Credentials, Progress, Readings
from organization.aws import Caller, CommandError
from organization.statuses import Account
from organization.unread import DENIED, Step, Unread
from periodic_rule import event
from periodic_rule.errors import AssumeRoleError, EvaluationError, raising
from root_virtual_mfa_enabled import facts
from root_virtual_mfa_enabled.decision import Facts

if TYPE_CHECKING:
    import boto3


PERMISSIONS = frozenset({"organizations:ListAccounts", "sts:AssumeRole"})
"""The actions that a check of an organization needs in the caller's account; facts.PERMISSIONS has those in every account."""

SESSION_NAME = "root-virtual-mfa-check"


class Reader:
    """Reads accounts with calls that change nothing."""

    def __init__(self, session: "boto3.Session", caller: Caller, role_name: str | None, progress: Progress) -> None:
        """Read the caller's own account with the session's credentials, the others with those of the role there."""
        self._clients = ClientMaker(session, caller)
        self._caller = caller
        self._role_name = role_name
        self._progress = progress

    def accounts(self) -> list[Account]:
        """List the accounts to check: those of the organization if there is a role to assume, else the caller's own.

        Raises CommandError if there is no organization, ClientError and BotoCoreError if it cannot be read.
        """
        if not self._role_name:
            return [Account(self._caller.account_id, name="", ou_path="")]
        organizations = self._clients.make("organizations")
        try:
            return accounts.of_organization(organizations)
        except organizations.exceptions.AWSOrganizationsNotInUseException as error:
            message = f"Account {self._caller.account_id} is in no organization: leave --role-name out to check it alone."
            raise CommandError(message) from error
        except ClientError as error:
            if aws.code_of(error) not in DENIED:
                raise
            message = (
                f"{aws.sentence_of(error)} AWS Organizations lists the accounts to the management account and to delegated "
                "administrators only."
            )
            raise CommandError(message) from error

    def read(self, of: list[Account]) -> Readings[str, Facts | Unread]:
        """Read each account that is not suspended. If somebody interrupts that, it returns what was read."""
        ids = [account.account_id for account in of if not account.is_suspended]
        return accounts.read_each("Accounts", ids, self._facts, self._progress)

    def _facts(self, account_id: str) -> Facts | Unread:
        try:
            return facts.read(_ClientsOf(self, account_id), event.Account(account_id, self._caller.partition))
        except EvaluationError as error:
            step = Step.SESSION if isinstance(error, AssumeRoleError) else Step.READ
            return Unread(error.happened, error.code, step)

    def client(self, service: str, account_id: str) -> Any:  # noqa: ANN401 - a client of any service
        """Make a client with credentials of an account. Raises AssumeRoleError or MalformedAnswerError."""
        credentials: Credentials | None = None
        if account_id != self._caller.account_id and self._role_name:
            with raising(AssumeRoleError, "sts:AssumeRole", account_id, if_denied=""):
                credentials = self._clients.assume(account_id, self._role_name, SESSION_NAME)
        return self._clients.make(service, credentials)


class _ClientsOf:
    """The clients of one account. It assumes no role for an account that nothing asks about."""

    def __init__(self, reader: Reader, account_id: str) -> None:
        self._reader = reader
        self._account_id = account_id

    def build_client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Make a client of `service` with credentials of the account."""
        return self._reader.client(service, self._account_id)
