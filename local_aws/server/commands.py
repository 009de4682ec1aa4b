"""The commands that steer the local AWS, under /_local_aws/.

`local_aws.client` sends them, and documents each.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from typing import Any

from local_aws.client import REGION
from local_aws.config.recorders import Recorders
from local_aws.core import faults, ministack_seams
from local_aws.core.clock import Clock, NotSettledError
from local_aws.core.faults import Fault
from local_aws.core.switches import Switches
from local_aws.events.cloudtrail import CloudTrail
from local_aws.iam.root_users import RootUsers
from local_aws.organizations import accounts, accounts_file
from local_aws.organizations.accounts import Account
from local_aws.organizations.organization import Organization
from local_aws.server.dispatch import Dispatch

COMMAND_PATH = "/_local_aws/"
_CENTURY = 100 * 365 * 24 * 3600.0


class Commands:
    """Answers commands."""

    def __init__(  # noqa: PLR0913, PLR0917 - what there is to steer
        self,
        accounts_by_id: dict[str, Account],
        organization: Organization | None,
        clock: Clock,
        dispatch: Dispatch,
        root_users: RootUsers,
        recorders: Recorders,
        cloudtrail: CloudTrail,
        switches: Switches,
    ) -> None:
        """Steer these services, and note the credentials that STS issues from now on."""
        self._accounts = accounts_by_id
        self._organization = organization
        self._clock = clock
        self._dispatch = dispatch
        self._root_users = root_users
        self._recorders = recorders
        self._cloudtrail = cloudtrail
        self._switches = switches
        self._issued: list[dict[str, str]] = []
        self._note_issued_credentials()
        self._waiting = ThreadPoolExecutor(1, "commands")

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI has no types
        """Answer a command: the path names it, and the body has its arguments as a JSON object."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status = 200
        result: object
        try:
            result = self._commands[scope["path"].removeprefix(COMMAND_PATH)](**json.loads(body or b"{}"))
            if isawaitable(result):
                result = await result
        except (ValueError, TypeError, KeyError, NotSettledError) as error:
            status, result = 400, {"error": str(error)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(result, default=str).encode()})

    def _note_issued_credentials(self) -> None:
        """Note the credentials of each session, so that a test can look for these secrets in the wrong places."""
        register = ministack_seams.module("ministack.services.sts").register_session
        names = {"arn": "Arn", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}

        def register_and_note(access_key_id: str, session: dict[str, Any]) -> None:
            self._issued.append(
                {"access_key_id": access_key_id, **{name: str(session.get(key, "")) for name, key in names.items()}}
            )
            register(access_key_id, session)

        ministack_seams.replace("ministack.services.sts", "register_session", register_and_note)

    def _root_user(self, account_id: str, change: str, device: str | None) -> object:
        account = accounts.find(self._accounts, account_id)
        before = deepcopy(account.root_user)
        accounts.change(account.root_user, change, device, self._clock.now())
        self._cloudtrail.record_owner(account_id, before, account.root_user)
        has = asdict(account.root_user)
        return {name: list(value) if isinstance(value, dict) else value for name, value in has.items()}

    def _require_organization(self) -> Organization:
        if self._organization is None:
            message = "The accounts of this local AWS are in no organization: start it with an accounts file that has one."
            raise accounts.AccountsError(message)
        return self._organization

    def _describe_organization(self) -> object:
        organization = self._require_organization()
        return {
            "organization_id": organization.organization_id,
            "root_id": organization.root_id,
            "management_account_id": organization.management_account_id,
        }

    def _create_account(self, account_id: str, name: str, unit_path: str, root_user: dict[str, Any]) -> None:
        organization = self._require_organization()
        if account_id in self._accounts:
            message = f"There is an account {account_id} already."
            raise accounts.AccountsError(message)
        account = accounts_file.parse(
            f"account {account_id}", account_id, {"name": name, "root_user": root_user}, self._clock.now()
        )
        parent_id = organization.parent_at(unit_path)
        self._accounts[account_id] = account
        self._recorders.start(account_id, REGION)
        organization.join(account_id, parent_id)

    def _remove_account(self, account_id: str) -> None:
        self._require_organization().leave(account_id)

    def _take_calls(self) -> object:
        return [asdict(call) for call in self._dispatch.take_calls()]

    def _take_issued_credentials(self) -> object:
        taken, self._issued = self._issued, []
        return taken

    def _add_fault(self, fault: Fault) -> None:
        """Switch a fault on. ValueError: no call could ever meet it."""
        service, _, operation = fault.action.partition(":")
        if service not in self._dispatch.apis or operation not in self._dispatch.apis[service].operations:
            message = (
                f"There is no action {fault.action}: it is one of {', '.join(self._dispatch.apis)}, a colon and an operation."
            )
            raise ValueError(message)
        if fault.account_id != faults.ANY_ACCOUNT:
            accounts.find(self._accounts, fault.account_id)
        self._dispatch.faults.add(fault)

    async def _advance_clock(self, seconds: float) -> None:
        if not 0 < seconds < _CENTURY:
            message = f"The clock moves forward by less than a century, not by {seconds} seconds."
            raise ValueError(message)
        await self._wait_for(partial(self._clock.advance, timedelta(seconds=seconds)))

    async def _settle(self) -> None:
        await self._wait_for(self._clock.settle)

    async def _wait_for(self, done: Callable[[], None]) -> None:
        """Wait on a thread, so that the server still answers the work that this waits for."""
        await asyncio.get_running_loop().run_in_executor(self._waiting, done)

    def _set_longest_page(self, entries: int | None) -> None:
        if entries is not None and entries < 1:
            message = f"A page has at least one entry, and not {entries}."
            raise ValueError(message)
        self._root_users.longest_page = entries

    @property
    def _commands(self) -> Mapping[str, Callable[..., object]]:
        """The commands by name; each raises ValueError if it does not understand its arguments."""
        return {
            "accounts": lambda: {account.account_id: account.name for account in self._accounts.values()},
            "root-user": self._root_user,
            "organization": self._describe_organization,
            "create-account": self._create_account,
            "remove-account": self._remove_account,
            "fault": lambda **fault: self._add_fault(Fault(**fault)),
            "clear-faults": self._dispatch.clear_faults,
            "longest-page": self._set_longest_page,
            "switch": self._switches.turn,
            "advance-clock": self._advance_clock,
            "settle": self._settle,
            "calls": self._take_calls,
            "issued-credentials": self._take_issued_credentials,
        }
