"""Organizations: accounts are created, closed and removed, and leave.

Creating and closing are asynchronous, and use the clock. Sources: API model, organizations (CreateAccount, CloseAccount,
CreateAccountStatus and the reasons of ConstraintViolationException);
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html.

* A request that is under way has no account id and no time of completion, and one with an address that another account has
  fails with EMAIL_ALREADY_EXISTS after 2 seconds: real answers, https://github.com/radkawar/stackd,
  testdata/aws/iam/organizations_account_creation.json. So did a second request with the address of one that was under way.
* The role of a new account: organizations_roles.json in the same place.

Guess: how long it takes to create or to close an account, and that an account has to be active to be removed.
"""

import re
import secrets
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from local_aws.core import roles
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.organizations import refusals
from local_aws.organizations.accounts import Account, RootUser
from local_aws.organizations.directory import Directory, paged
from local_aws.organizations.organization import ACTIVE, PENDING_CLOSURE, SUSPENDED
from local_aws.organizations.tags import Tags

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

CREATION, CLOSURE = timedelta(seconds=2), timedelta(minutes=3)
"""How long it takes to create an account, and to close one."""
RETENTION = timedelta(days=90)
"""How long a closed account is suspended, before it is gone."""
_YOUNGEST = timedelta(days=4)
"""How old a created account has to be to leave. Source: API model, LeaveOrganization."""
_MOST_CREATED, _MOST_CLOSED = 5, 3
"""Accounts that may be created at the same time, and closed at the same time."""
_QUOTA_PERIOD = timedelta(days=30)
_ROLE = "OrganizationAccountAccessRole"
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_EMAIL = re.compile(r"""[^\s"'()<>\[\]:;,\\|%&.@][^\s"'()<>\[\]:;,\\|%&@]*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?""", re.ASCII)
"""Source: API model, CreateAccountRequest. The model's own pattern is wider."""


@dataclass
class _Creation:
    """A request to create an account, and its outcome."""

    request_id: str
    params: dict[str, Any]
    requested: datetime
    state: str = "IN_PROGRESS"
    completed: datetime | None = None
    account_id: str | None = None
    failure: str | None = None

    @property
    def email(self) -> str:
        """The address of the account's root user, in lower case."""
        return str(self.params["Email"]).lower()

    @property
    def described(self) -> dict[str, Any]:
        """A CreateAccountStatus."""
        optional = {"CompletedTimestamp": self.completed, "AccountId": self.account_id, "FailureReason": self.failure}
        return {
            "Id": self.request_id,
            "AccountName": self.params["AccountName"],
            "State": self.state,
            "RequestedTimestamp": self.requested,
            **{name: value for name, value in optional.items() if value is not None},
        }


class Membership:
    """The operations on the accounts of an organization."""

    def __init__(self, directory: Directory, accounts_by_id: MutableMapping[str, Account], tags: Tags, clock: Clock) -> None:
        """Add each created account to `accounts_by_id`, and take those away that are gone. Give new ones tags in `tags`."""
        self._directory = directory
        self._accounts = accounts_by_id
        self._tags = tags
        self._clock = clock
        self._creations: dict[str, _Creation] = {}
        self._closures: list[datetime] = []
        """When accounts were closed, the first one first."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="organizations")
        self.reads: Operations = {
            "ListAccounts": self.list_accounts,
            "DescribeAccount": self.describe_account,
            "DescribeCreateAccountStatus": self.describe_create_account_status,
            "ListCreateAccountStatus": self.list_create_account_status,
        }
        self.changes: Operations = {
            "CreateAccount": self.create_account,
            "CloseAccount": self.close_account,
            "RemoveAccountFromOrganization": self.remove_account_from_organization,
        }

    def close(self) -> None:
        """Drop what has not begun."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    # Reads

    def list_accounts(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List all accounts."""
        account_ids = self._directory.organization.account_ids
        return paged("Accounts", account_ids, params, self._directory.described_account)

    def describe_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe an account."""
        return {"Account": self._directory.described_account(self._directory.member(params["AccountId"]))}

    def describe_create_account_status(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Tell the outcome of a request to create an account."""
        creation = self._creations.get(params["CreateAccountRequestId"])
        if creation is None:
            raise refusals.missing("CreateAccountStatusNotFoundException")
        return {"CreateAccountStatus": creation.described}

    def list_create_account_status(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """List all requests to create an account, or those in some states."""
        wanted = params.get("States")
        found = [creation.described for creation in self._creations.values() if not wanted or creation.state in wanted]
        return paged("CreateAccountStatuses", found, params)

    # Creation

    def create_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Begin to create an account in the root. Its root user has no credentials, and AWS Config does not record in it."""
        if params.get("RoleName", "").startswith("AWSServiceRoleFor"):
            message = "You provided a role name that isn't valid: it can't begin with the reserved prefix AWSServiceRoleFor."
            raise refusals.invalid("INVALID_ROLE_NAME", message)
        self._tags.check(params.get("Tags", []))
        creation = _Creation(f"car-{secrets.token_hex(16)}", params, self._clock.now())
        under_way = [other for other in self._creations.values() if other.state == "IN_PROGRESS"]
        if creation.email in {other.email for other in under_way}:
            message = (
                "AWS Organizations can't complete your request because it conflicts with another attempt to modify the same "
                "entity. Try again later."
            )
            raise AwsError("ConcurrentModificationException", message)
        if len(under_way) >= _MOST_CREATED:
            message = f"You attempted to exceed the number of accounts that can be in progress at a time: {_MOST_CREATED}."
            raise refusals.constraint("ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED", message)
        self._creations[creation.request_id] = creation
        answer = creation.described
        self._after(CREATION, f"creation of account {params['AccountName']}", partial(self._finish, creation))
        return {"CreateAccountStatus": answer}

    def _finish(self, creation: _Creation) -> None:
        """Create the account of a request, or let the request fail."""
        if not _EMAIL.fullmatch(creation.params["Email"]) or "." not in creation.params["Email"].partition("@")[2]:
            creation.failure = "INVALID_EMAIL"
        elif creation.email in {account.email.lower() for account in self._accounts.values()}:
            creation.failure = "EMAIL_ALREADY_EXISTS"
        else:
            creation.account_id = self._add(creation.params)
        creation.completed = self._clock.now()
        creation.state = "FAILED" if creation.failure else "SUCCEEDED"

    def _add(self, params: dict[str, Any]) -> str:
        organization, account_id = self._directory.organization, self._new_account_id()
        self._accounts[account_id] = Account(
            account_id,
            params["AccountName"],
            RootUser(password=False),
            recorder=False,
            created=self._clock.now(),
            email=params["Email"],
            joined_method="CREATED",
        )
        self._tags.put(account_id, params.get("Tags", []))
        trusted = {"AWS": f"arn:aws:iam::{organization.management_account_id}:root"}
        roles.make(account_id, params.get("RoleName", _ROLE), trusted, _ADMINISTRATOR)
        organization.join(account_id, organization.root_id)
        return account_id

    def _new_account_id(self) -> str:
        while True:
            account_id = f"{secrets.randbelow(10**12):012}"
            if account_id not in self._accounts and account_id not in self._directory.organization.states:
                return account_id

    # Closure

    def close_account(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Begin to close an account: it is suspended soon, and gone after 90 days."""
        organization, account_id = self._directory.organization, self._directory.member(params["AccountId"])
        if not organization.all_features:
            raise refusals.not_all_features()
        if account_id == organization.management_account_id:
            message = "You attempted to close the management account: remove or close all member accounts first."
            raise refusals.constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT", message)
        self._refuse_delegated(account_id)
        state, now = organization.state_of(account_id), self._clock.now()
        if state == PENDING_CLOSURE:
            raise AwsError("ConflictException", "The account is being closed.")
        if state != ACTIVE:
            raise AwsError("AccountAlreadyClosedException", "The provided account is already closed.")
        if list(organization.states.values()).count(PENDING_CLOSURE) >= _MOST_CLOSED:
            message = f"You attempted to exceed the number of accounts that you can close at a time: {_MOST_CLOSED}."
            raise refusals.constraint("CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED", message)
        self._closures = [closed for closed in self._closures if now - closed < _QUOTA_PERIOD]
        if len(self._closures) >= most_closures(len(organization.parents) - 1):
            message = "You have exceeded close account quota for the past 30 days."
            raise refusals.constraint("CLOSE_ACCOUNT_QUOTA_EXCEEDED", message)
        self._closures.append(now)
        organization.states[account_id] = PENDING_CLOSURE
        self._clock.at(now + CLOSURE, partial(self._suspend, account_id))
        self._after(RETENTION, f"end of account {account_id}", partial(self._end, account_id))
        return {}

    def _suspend(self, account_id: str) -> None:
        organization = self._directory.organization
        if account_id in organization.parents:  # it may have left
            organization.states[account_id] = SUSPENDED

    def _end(self, account_id: str) -> None:
        organization = self._directory.organization
        if organization.state_of(account_id) == SUSPENDED:
            self._leave(account_id, closed=True)
            del self._accounts[account_id]

    # Departure

    def remove_account_from_organization(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        """Remove an account. It continues without an organization, and has what AWS first asks for, like a means of payment."""
        organization, account_id = self._directory.organization, self._directory.member(params["AccountId"])
        if account_id == organization.management_account_id:
            message = "You can't remove a management account from an organization."
            raise AwsError("MasterCannotLeaveOrganizationException", message)
        self._refuse_delegated(account_id)
        created = self._directory.created(account_id)
        if created is not None and self._clock.now() - created < _YOUNGEST:
            message = f"You must wait until at least {_YOUNGEST.days} days after the account was created."
            raise refusals.constraint("WAIT_PERIOD_ACTIVE", message)
        if organization.state_of(account_id) != ACTIVE:
            message = (
                f"The account is {organization.state_of(account_id)}: it leaves the organization once it is closed for good."
            )
            raise AwsError("ConstraintViolationException", message)
        self._leave(account_id)
        return {}

    def leave_organization(self, account_id: str, _: dict[str, Any]) -> dict[str, Any]:
        """Let the calling account leave."""
        return self.remove_account_from_organization(account_id, {"AccountId": account_id})

    def _leave(self, account_id: str, *, closed: bool = False) -> None:
        self._directory.organization.leave(account_id, closed=closed)
        self._tags.forget(account_id)

    def _refuse_delegated(self, account_id: str) -> None:
        if self._directory.organization.delegated_administrators.get(account_id):
            message = (
                "The account is registered as a delegated administrator for a service integrated with your organization: "
                "deregister it first."
            )
            raise refusals.constraint("CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", message)

    def _after(self, delay: timedelta, what: str, action: Callable[[], None]) -> None:
        """Do something that takes time, once the clock has moved on by `delay`."""

        def begin() -> None:
            with suppress(RuntimeError):  # the local AWS ends
                self._clock.submit(self._worker, what, action)

        self._clock.at(self._clock.now() + delay, begin)


def most_closures(members: int) -> int:
    """Return how many of an organization's member accounts can be closed in 30 days."""
    return min(max(250, members // 5), 1000)
