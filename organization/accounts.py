"""The accounts of an organization, clients with credentials of each, and reading many of them at the same time."""

import queue
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from organization import aws
from organization.aws import Caller
from organization.statuses import Account
from organization.units import Unit

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef
    from mypy_boto3_sts import STSClient


EXIT_INTERRUPTED = 130
"""The exit code if somebody interrupted the command, with Ctrl-C: 128 and the number of SIGINT, as shells have it."""

_PAGE = 20
"""The largest page of AWS Organizations. Source: API model, organizations, MaxResults."""

TRAIL_REGION = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""Where CloudTrail records what AWS Organizations does, by partition.

Source: AWS Organizations User Guide, CloudTrail.
"""

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")


class Progress(Protocol):
    """Learns how far the reading has got."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """Note that `done` of `total` (None: not known) items of `what` are read."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials, which no output shows."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return "Credentials(...)"

    def for_client(self) -> dict[str, str]:
        """Return them under the names that boto3's `Session.client` uses."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token,
        }


@dataclass(frozen=True, slots=True)
class Readings(Generic[T, R]):
    """What was read of each item before the end, or before somebody interrupted it."""

    of: Mapping[T, R]
    interrupted: bool


def of_organization(organizations: "OrganizationsClient", progress: Progress | None = None) -> list[Account]:
    """List every account of the organization, without the names of the units above it.

    The caller has to be the management account or a delegated administrator of any service.
    """
    found: list[Account] = []
    for page in organizations.get_paginator("list_accounts").paginate():
        found += map(described, page["Accounts"])
        if progress:
            progress("Accounts", len(found))
    return found


def units(organizations: "OrganizationsClient", progress: Progress) -> Iterator[Unit]:
    """Walk the organizational units, from the root, with the accounts in each.

    The caller has to be the management account or a delegated administrator of any service.
    """
    lister = organizations.get_paginator("list_accounts_for_parent")
    unit_lister = organizations.get_paginator("list_organizational_units_for_parent")
    roots = organizations.get_paginator("list_roots").paginate()
    waiting: list[tuple[str, tuple[str, ...]]] = [(root["Name"], (root["Id"],)) for page in roots for root in page["Roots"]]
    done = 0
    while waiting:
        path, ids = waiting.pop(0)
        found: list[Account] = []
        for accounts_page in lister.paginate(ParentId=ids[-1], PaginationConfig={"PageSize": _PAGE}):
            found += (described(each, path, ids) for each in accounts_page["Accounts"])
            progress("Accounts", done + len(found))
        done += len(found)
        yield Unit(path, ids, tuple(found))
        waiting += [
            (f"{path}/{unit['Name']}", (*ids, unit["Id"]))
            for page in unit_lister.paginate(ParentId=ids[-1], PaginationConfig={"PageSize": _PAGE})
            for unit in page["OrganizationalUnits"]
        ]


def described(entry: "AccountTypeDef", ou_path: str = "", unit_ids: tuple[str, ...] = ()) -> Account:
    """Return an account that AWS Organizations describes; without `unit_ids`, with those of its own path.

    A path has organization, root, units and account. Source: API model, organizations, Path; public capture, 2026-08-24.
    """
    # State has replaced Status; an older endpoint has Status only.
    state = entry.get("State") or entry.get("Status") or ""
    path = next(iter(entry.get("Paths", [])), "")
    contained_in = unit_ids or tuple(path.split("/")[1:-2])
    return Account(entry["Id"], entry.get("Name", ""), ou_path, state, entry.get("JoinedTimestamp"), contained_in)


class ClientMaker:
    """Makes clients with a session's own credentials, or with those of another account.  Threads may share it.

    It makes one client at a time, as a session has to.  A session for each account would load all API models again.
    """

    def __init__(self, session: "boto3.Session", caller: Caller) -> None:
        self._session = session
        self._partition = caller.partition
        self._making = threading.Lock()
        self._sts: STSClient | None = None

    def make(self, service: str, credentials: Credentials | None = None, region: str | None = None) -> Any:  # noqa: ANN401 - a client of any service
        """Make a client of a service.  None: with the credentials of the session, in its Region."""
        with self._making:
            return self._make(service, credentials, region)

    def _make(self, service: str, credentials: Credentials | None = None, region: str | None = None) -> Any:  # noqa: ANN401 - as make
        options = (credentials.for_client() if credentials else {}) | ({"region_name": region} if region else {})
        return self._session.client(service, config=aws.patient(), **options)  # type: ignore[call-overload]  # knows no dictionary

    def assume(self, account_id: str, role_name: str, session_name: str) -> Credentials:
        """Assume a role of an account; CloudTrail shows `session_name`. Raises ClientError and BotoCoreError."""
        with self._making:
            self._sts = sts = self._sts or self._make("sts")
        role = f"arn:{self._partition}:iam::{account_id}:role/{role_name}"
        given = sts.assume_role(RoleArn=role, RoleSessionName=session_name)["Credentials"]
        return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def read_each(what: str, items: Sequence[T], read: Callable[[T], R], progress: Progress) -> Readings[T, R]:
    """Read each item, aws.THREADS of them at the same time, and keep what was read if somebody interrupts that.

    Whatever `read` raises ends all of it.
    """
    waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
    work: _Work[T, R] = _Work(waiting, read)
    for item in items:
        waiting.put(item)
    try:
        # Daemons: if somebody interrupts, a call that is under way delays neither the output nor the end.
        for _ in range(min(aws.THREADS, len(items))):
            threading.Thread(target=work.do, daemon=True).start()
        for done in range(1, len(items) + 1):
            work.readings[work.ended.get()].result()
            progress(what, done, len(items))
    except KeyboardInterrupt:
        return Readings(work.so_far(), interrupted=True)
    finally:
        work.stop.set()
    return Readings(work.so_far(), interrupted=False)


class _Work(Generic[T, R]):
    """What several threads read, item by item, until nothing waits or `stop` is set."""

    def __init__(self, waiting: "queue.SimpleQueue[T]", read: Callable[[T], R]) -> None:
        self._waiting = waiting
        self._read = read
        self.readings: dict[T, Future[R]] = {}
        self.ended: queue.SimpleQueue[T] = queue.SimpleQueue()
        self.stop = threading.Event()

    def do(self) -> None:
        """Read what waits."""
        while not self.stop.is_set():
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return
            future: Future[R] = Future()
            try:
                future.set_result(self._read(item))
            except BaseException as error:  # noqa: BLE001 - raised where the readings are awaited
                future.set_exception(error)
            self.readings[item] = future
            self.ended.put(item)

    def so_far(self) -> dict[T, R]:
        """Return the readings so far, or raise what came instead of one."""
        return {item: future.result() for item, future in list(self.readings.items())}
