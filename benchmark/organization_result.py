"""An organization to evaluate, what is demanded of each of its accounts, and the table of what came of it: pure."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import cycle, product
from typing import Any

MANAGEMENT, CENTRAL = "111111111111", "222222222222"
"""The management account, and the delegated administrator that the package is deployed to."""
FEWEST_ACCOUNTS = 4
"""The two, and two neighbours in opposite states."""

ACTIONS = ("sts:AssumeRole", "iam:GetAccountSummary", "iam:ListVirtualMFADevices", "config:PutEvaluations")
"""What an evaluation calls."""
REPORTING = "config:PutEvaluations"

_SERVICES = (
    "config.amazonaws.com",
    "config-multiaccountsetup.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
)
_UNITS = ("Infrastructure", "Sandbox", "Workloads/Development", "Workloads/Production")
_FIRST_MEMBER = 300_000_000_000

RootUser = Mapping[str, Any]
"""A root user as the accounts file of the local AWS has it."""


# What is evaluated


def root_users(accounts: int, seed: int) -> dict[str, RootUser]:
    """Give the root user of each account: every state in turn, and neighbours, by account id, that demand opposite verdicts.

    A virtual device has the name that `device_name` gives, so that it tells whose it is.
    """
    kinds: dict[str, tuple[Any, ...]] = {
        "password": (False, True),
        "access_keys": (0, 1),
        "signing_certificates": (0, 1),
        "hardware_mfa_devices": (0, 1),
        "virtual_mfa_devices": (0, 1),
    }
    states = [dict(zip(kinds, values, strict=True)) for values in product(*kinds.values())]
    random.Random(seed).shuffle(states)  # noqa: S311 - no secret
    turns = cycle([cycle([state for state in states if verdict(state) == kind]) for kind in ("COMPLIANT", "NON_COMPLIANT")])
    account_ids = sorted([MANAGEMENT, CENTRAL, *(str(_FIRST_MEMBER + number) for number in range(accounts - 2))])
    users: dict[str, RootUser] = {}
    for account_id, turn in zip(account_ids, turns, strict=False):
        state = next(turn)
        users[account_id] = {**state, "virtual_mfa_devices": [device_name(account_id)] * state["virtual_mfa_devices"]}
    return users


def device_name(account_id: str) -> str:
    """Return what the root user's virtual device in an account is called."""
    return f"phone-{account_id}"


def verdict(root_user: RootUser) -> str:
    """Return the compliance type that a root user demands with the rule's default parameters, reckoned apart from the rule."""
    has_credentials = root_user["password"] or root_user["access_keys"] or root_user["signing_certificates"]
    return "COMPLIANT" if root_user["virtual_mfa_devices"] or not has_credentials else "NON_COMPLIANT"


def accounts_file(users: Mapping[str, RootUser]) -> dict[str, Any]:
    """Make the content of an accounts file: an organization of all accounts, spread over some units."""
    members = [account_id for account_id in users if account_id not in {MANAGEMENT, CENTRAL}]
    units = {unit: members[number :: len(_UNITS)] for number, unit in enumerate(_UNITS)}
    return {
        "organization": {
            "id": "o-a1b2c3d4e5",
            "root_id": "r-a1b2",
            "management_account": MANAGEMENT,
            "trusted_services": list(_SERVICES),
            "delegated_administrators": {CENTRAL: list(_SERVICES)},
            "units": {"Security": [CENTRAL], **units},
        },
        "accounts": {account_id: {"root_user": dict(root_user)} for account_id, root_user in users.items()},
    }


# What came of it


@dataclass(frozen=True)
class Result:
    """A result that the aggregator has of the rule in an account."""

    compliance_type: str
    annotation: str
    invoked: datetime


@dataclass
class Activity:
    """What the function's log says that it did."""

    evaluated: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    """The accounts whose evaluation succeeded, and those where an attempt did not."""
    began: datetime | None = None
    ended: datetime | None = None
    """When the first invocation began, and the last ended."""
    peak_memory_mib: int | None = None

    def read(self, lines: Iterable[str]) -> None:
        """Take in further lines of the log, which is in Lambda's JSON format."""
        for line in lines:
            match json.loads(line):
                case {"type": "platform.report", "time": time, "record": {"metrics": metrics}}:
                    self._invoked(datetime.fromisoformat(time), metrics)
                case {"message": "evaluation", "account": account_id}:
                    self.evaluated.add(account_id)
                case {"message": "evaluation failed", "account": account_id}:
                    self.failed.add(account_id)

    def _invoked(self, ended: datetime, metrics: Mapping[str, float]) -> None:
        began = ended - timedelta(milliseconds=metrics["durationMs"] + metrics.get("initDurationMs", 0))
        self.began = min(self.began or began, began)
        self.ended = max(self.ended or ended, ended)
        if "maxMemoryUsedMB" in metrics:  # which is in MiB, and missing where there is no /proc
            self.peak_memory_mib = max(self.peak_memory_mib or 0, int(metrics["maxMemoryUsedMB"]))

    @property
    def seconds(self) -> float:
        """From the beginning of the first invocation to the end of the last."""
        return (self.ended - self.began).total_seconds() if self.began and self.ended else 0.0


@dataclass(frozen=True)
class Evidence:
    """What is known of an evaluation of every account that AWS Config began at `began` or later.

    `results` are those of the aggregator, by account; `calls` are as the local AWS records them; `dropped` is the number of
    events that Lambda gave up.
    """

    began: datetime
    results: Mapping[str, Sequence[Result]]
    calls: Sequence[Mapping[str, str]]
    activity: Activity
    dropped: int


@dataclass(frozen=True)
class Round:
    """One evaluation of every account.  Lost, wrong and doubled accounts are named, which should be none."""

    name: str
    accounts: int
    lost: Sequence[str]
    wrong: Sequence[str]
    doubled: Sequence[str]
    calls: Mapping[str, int]
    """By action; an attempt that was repeated counts each time."""
    throttled: int
    """Of these calls."""
    repeated: int
    dropped: int
    """Events that Lambda had to repeat, and that it gave up."""
    peak_memory_mib: int | None
    """The largest of any execution environment since it started."""
    seconds: float

    @property
    def correct(self) -> bool:
        """Whether each account has the one result that it should have."""
        return not (self.lost or self.wrong or self.doubled)

    @property
    def accounts_per_second(self) -> float:
        """How many accounts were evaluated in a second."""
        return (self.accounts - len(self.lost)) / self.seconds if self.seconds else 0.0

    def calls_per_account(self, *actions: str) -> float:
        """Return how many calls of these actions an account took, in the mean."""
        return sum(self.calls.get(action, 0) for action in actions) / self.accounts


def judge(name: str, users: Mapping[str, RootUser], evidence: Evidence) -> Round:
    """Hold the results against what the root users demand.

    Lost is an account without a fresh result.  Wrong is one whose result is another than demanded, or does not name the
    virtual device that is there.  Doubled is one with a second result, or with more than one report to AWS Config that was
    not throttled: there was one event.
    """
    calls = [
        call for call in evidence.calls if call["action"] in ACTIONS and ":assumed-role/root-virtual-mfa-" in call["principal"]
    ]
    reports = Counter(call["account_id"] for call in calls if call["action"] == REPORTING and not call["fault"])
    lost, wrong, doubled = [], [], []
    for account_id, root_user in users.items():
        results = evidence.results.get(account_id, ())
        fresh = [result for result in results if result.invoked >= evidence.began]
        if not fresh:
            lost.append(account_id)
        if not all(_is_right(account_id, root_user, result) for result in fresh):
            wrong.append(account_id)
        if len(results) > 1 or reports[account_id] > 1:
            doubled.append(account_id)
    return Round(
        name=name,
        accounts=len(users),
        lost=lost,
        wrong=wrong,
        doubled=doubled,
        calls=dict(Counter(call["action"] for call in calls)),
        throttled=sum(call["fault"] == "Throttling" for call in calls),
        repeated=len(evidence.activity.failed),
        dropped=evidence.dropped,
        peak_memory_mib=evidence.activity.peak_memory_mib,
        seconds=evidence.activity.seconds,
    )


def _is_right(account_id: str, root_user: RootUser, result: Result) -> bool:
    named = device_name(account_id) in result.annotation
    return result.compliance_type == verdict(root_user) and named == bool(root_user["virtual_mfa_devices"])


# The table


@dataclass(frozen=True)
class Row:
    """One line of the table: a value of each round; with `compared`, the ratio of two rounds says something."""

    measure: str
    values: Sequence[float | None]
    unit: str = ""
    compared: bool = False
    digits: int = 0

    def ratio(self, one: int, other: int) -> float | None:
        """Divide the value of a round by that of another, where there is something to divide by."""
        value, by = self.values[one], self.values[other]
        return value / by if self.compared and value is not None and by else None


def rows(rounds: Sequence[Round]) -> list[Row]:
    """Make the table, a column for each round."""

    def row(measure: str, value: Callable[[Round], float | None], **shown: Any) -> Row:  # noqa: ANN401 - fields of Row
        return Row(measure, [value(its) for its in rounds], **shown)

    def calls(measure: str, *actions: str) -> Row:
        return row(measure, lambda its: its.calls_per_account(*actions), compared=True, digits=2)

    return [
        row("Accounts", lambda its: its.accounts),
        row("Evaluations expected", lambda its: its.accounts),
        row("Lost", lambda its: len(its.lost)),
        row("Wrong", lambda its: len(its.wrong)),
        row("Doubled", lambda its: len(its.doubled)),
        calls("API calls for an account", *ACTIONS),
        *(calls(f"  {action}", action) for action in ACTIONS),
        row("Calls that were throttled", lambda its: its.throttled),
        row("Events that Lambda had to repeat", lambda its: its.repeated),
        row("Events that Lambda gave up", lambda its: its.dropped),
        row("Peak memory of an environment", lambda its: its.peak_memory_mib, unit="MiB"),
        row("Time", lambda its: its.seconds, unit="s", compared=True, digits=1),
        row("Accounts a second", lambda its: its.accounts_per_second, compared=True, digits=1),
    ]
