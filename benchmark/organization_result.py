"""An organization to evaluate, the verdict that each account must get, and the table of the outcome: pure."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import cycle, product
from typing import Any

MANAGEMENT, CENTRAL = "111111111111", "222222222222"
"""The management account, and the delegated administrator with the deployment."""
FEWEST_ACCOUNTS = 4
"""These two accounts, and two neighbours in opposite states."""

FEWEST_IN_WAVES = 8
"""These two accounts, and some in each unit of three waves."""

ACTIONS = ("sts:AssumeRole", "iam:GetAccountSummary", "iam:ListVirtualMFADevices", "config:PutEvaluations")
"""The calls of an evaluation."""
REPORTING = "config:PutEvaluations"

_SERVICES = (
    "config.amazonaws.com",
    "config-multiaccountsetup.amazonaws.com",
    "iam.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
)
_UNITS = ("Infrastructure", "Sandbox", "Workloads/Development", "Workloads/Production")
_FIRST_MEMBER = 300_000_000_000

RootUser = Mapping[str, Any]
"""A root user in the form of the accounts file of the local AWS."""


# The accounts


def root_users(accounts: int, seed: int) -> dict[str, RootUser]:
    """Give the root user of each account: every state in turn, so that neighbours, by account id, demand opposite verdicts.

    A virtual device has the name from `device_name`, which says whose it is.
    """
    kinds: dict[str, tuple[Any, ...]] = {
        "password": (False, True),
        "access_keys": (0, 1),
        "signing_certificates": (0, 1),
        "hardware_mfa_devices": (0, 1),
        "virtual_mfa_devices": (0, 1),
    }
    states = [dict(zip(kinds, values, strict=True)) for values in product(*kinds.values())]
    random.Random(seed).shuffle(states)  # noqa: S311 - not a secret
    turns = cycle([cycle([state for state in states if verdict(state) == kind]) for kind in ("COMPLIANT", "NON_COMPLIANT")])
    account_ids = sorted([MANAGEMENT, CENTRAL, *(str(_FIRST_MEMBER + number) for number in range(accounts - 2))])
    users: dict[str, RootUser] = {}
    for account_id, turn in zip(account_ids, turns, strict=False):
        state = next(turn)
        users[account_id] = {**state, "virtual_mfa_devices": [device_name(account_id)] * state["virtual_mfa_devices"]}
    return users


def device_name(account_id: str) -> str:
    """Return the name of the root user's virtual device in an account."""
    return f"phone-{account_id}"


def verdict(root_user: RootUser) -> str:
    """Return the compliance type that a root user demands with the rule's default parameters, without the rule's own code."""
    has_credentials = root_user["password"] or root_user["access_keys"] or root_user["signing_certificates"]
    return "COMPLIANT" if root_user["virtual_mfa_devices"] or not has_credentials else "NON_COMPLIANT"


def wrong_accounts(written: str, users: Mapping[str, RootUser]) -> tuple[str, ...]:
    """Return the accounts about which the JSON of an operator's command says something else than their root user demands."""
    said = {each["account_id"]: each["status"] for each in json.loads(written)["accounts"]}
    return tuple(account_id for account_id, user in users.items() if said.get(account_id) != verdict(user))


def units(users: Mapping[str, RootUser]) -> dict[str, list[str]]:
    """Spread the members but the central account over some units, evenly."""
    members = _members(users)
    return {unit: members[number :: len(_UNITS)] for number, unit in enumerate(_UNITS)}


def waves(users: Mapping[str, RootUser]) -> dict[str, list[str]]:
    """Spread them over units to deploy to one after the other: a small one, a larger one, and one with the rest below it.

    Neighbours in a unit demand opposite verdicts here too.
    """
    members = _members(users)
    small, larger = len(members) // 20 + 1, len(members) // 4 + 1
    rest = members[small + larger :]
    return {
        "Sandbox": members[:small],
        "Infrastructure": members[small : small + larger],
        "Workloads/Development": rest[: len(rest) // 2],
        "Workloads/Production": rest[len(rest) // 2 :],
    }


def _members(users: Mapping[str, RootUser]) -> list[str]:
    return [account_id for account_id in users if account_id not in {MANAGEMENT, CENTRAL}]


def accounts_file(users: Mapping[str, RootUser], members: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Make the content of an accounts file: an organization with these members in its units, or those of `units`."""
    of_units = units(users) if members is None else members
    return {
        "organization": {
            "id": "o-a1b2c3d4e5",
            "root_id": "r-a1b2",
            "management_account": MANAGEMENT,
            "trusted_services": list(_SERVICES),
            "delegated_administrators": {CENTRAL: list(_SERVICES)},
            "root_access_features": ["RootCredentialsManagement"],
            "units": {"Security": [CENTRAL], **{path: list(account_ids) for path, account_ids in of_units.items()}},
        },
        "accounts": {account_id: {"root_user": dict(root_user)} for account_id, root_user in users.items()},
    }


# The outcome


@dataclass(frozen=True)
class Result:
    """The aggregator's result of the rule in an account."""

    compliance_type: str
    annotation: str
    invoked: datetime


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


@dataclass
class Activity:
    """What the function did, according to its log."""

    evaluated: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    """The accounts whose evaluation succeeded, and those in which an attempt failed."""
    began: datetime | None = None
    ended: datetime | None = None
    """The time when the first invocation began, and when the last one ended."""
    peak_memory_mib: int | None = None

    def read(self, lines: Iterable[str]) -> None:
        """Add further lines of the log, in Lambda's JSON format. Other output of a dying process is about no account."""
        for line in lines:
            match _json(line):
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
        if "maxMemoryUsedMB" in metrics:  # in MiB; missing without /proc
            self.peak_memory_mib = max(self.peak_memory_mib or 0, int(metrics["maxMemoryUsedMB"]))

    @property
    def seconds(self) -> float:
        """From the beginning of the first invocation to the end of the last."""
        return (self.ended - self.began).total_seconds() if self.began and self.ended else 0.0


@dataclass(frozen=True)
class Evidence:
    """What is known about an evaluation of every account that AWS Config began at `began` or later.

    `results` are those of the aggregator, by account.  `calls` come from the record of the local AWS.  `dropped` is the number
    of events that Lambda gave up.
    """

    began: datetime
    results: Mapping[str, Sequence[Result]]
    calls: Sequence[Mapping[str, str]]
    activity: Activity
    dropped: int


@dataclass(frozen=True)
class Round:
    """One evaluation of every account.  It names lost, wrong and doubled accounts; there should be none."""

    name: str
    accounts: int
    lost: Sequence[str]
    wrong: Sequence[str]
    doubled: Sequence[str]
    calls: Mapping[str, int]
    """By action; each attempt counts."""
    throttled: int
    """Of these calls."""
    repeated: int
    dropped: int
    """The events that Lambda had to repeat, and those that it gave up."""
    peak_memory_mib: int | None
    """The largest memory of any execution environment since its start."""
    seconds: float
    deployment_seconds: float | None = None
    """What the deployment before it took, if that was measured. Evaluations begin while it goes on."""

    @property
    def correct(self) -> bool:
        """Whether each account has exactly its right result."""
        return not (self.lost or self.wrong or self.doubled)

    @property
    def accounts_per_second(self) -> float:
        """Evaluated accounts per second."""
        return (self.accounts - len(self.lost)) / self.seconds if self.seconds else 0.0

    def calls_per_account(self, *actions: str) -> float:
        """Return the mean number of calls of these actions per account."""
        return sum(self.calls.get(action, 0) for action in actions) / self.accounts


def judge(name: str, users: Mapping[str, RootUser], evidence: Evidence, deployment_seconds: float | None = None) -> Round:
    """Compare the results with what the root users demand.

    An account without a fresh result is lost.  An account is wrong if its result is not the demanded one, or does not name its
    virtual device.  An account is doubled if it has a second result, or more than one report to AWS Config that was not
    throttled: there was one event.  So is an account with a report that is none of `users`: it has had its evaluation, or will
    have it later.
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
    doubled += sorted(reports.keys() - users.keys())
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
        deployment_seconds=deployment_seconds,
    )


def _is_right(account_id: str, root_user: RootUser, result: Result) -> bool:
    named = device_name(account_id) in result.annotation
    return result.compliance_type == verdict(root_user) and named == bool(root_user["virtual_mfa_devices"])


# The table


@dataclass(frozen=True)
class Row:
    """One line of the table: a value for each round. With `compared`, the ratio of two rounds has a meaning."""

    measure: str
    values: Sequence[float | None]
    unit: str = ""
    compared: bool = False
    digits: int = 0

    def ratio(self, one: int, other: int) -> float | None:
        """Divide the value of one round by that of another, if that is not 0."""
        value, by = self.values[one], self.values[other]
        return value / by if self.compared and value is not None and by else None


def rows(rounds: Sequence[Round]) -> list[Row]:
    """Make the table, a column for each round."""

    def row(measure: str, value: Callable[[Round], float | None], **shown: Any) -> Row:  # noqa: ANN401 - fields of Row
        return Row(measure, [value(its) for its in rounds], **shown)

    def calls(measure: str, *actions: str) -> Row:
        return row(measure, lambda its: its.calls_per_account(*actions), compared=True, digits=2)

    deployments = row("Deployment", lambda its: its.deployment_seconds, unit="s", digits=1)
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
        *([deployments] if any(deployments.values) else []),
        row("Peak memory of an environment", lambda its: its.peak_memory_mib, unit="MiB"),
        row("Time", lambda its: its.seconds, unit="s", compared=True, digits=1),
        row("Accounts a second", lambda its: its.accounts_per_second, compared=True, digits=1),
    ]
