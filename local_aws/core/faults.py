"""Faults for an account and an action: what AWS does on a bad day."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from local_aws.core.models import AwsError

KINDS = ("AccessDenied", "Throttling", "ServerError", "ExpiredToken", "BrokenBody", "Latency", "FailedEvaluations")

ANY_ACCOUNT = "*"

Answer = tuple[int, dict[str, Any], bytes]


@dataclass
class Fault:
    """What happens to calls of `action` ("iam:GetAccountSummary") in an account, or in ANY_ACCOUNT: `kind` is one of KINDS.

    A call of sts:AssumeRole or sts:AssumeRoot belongs to two accounts: the caller's, and that of the role or root user.
    `times` is how often the fault happens, None for always.  `seconds` is how long the answer is late; Latency does nothing
    else.  FailedEvaluations is for config:PutEvaluations: AWS Config answers with success and hands the evaluations back.
    `share` is the share of the calls that meet the fault.  `seed` chooses them among each account's first, second and later
    calls, no matter in which order the calls of different accounts arrive.
    ValueError: the fault is unknown; the message says what is allowed.
    """

    account_id: str
    action: str
    kind: str
    times: int | None = None
    seconds: float = 0
    share: float = 1
    seed: int = 0
    _calls: Counter[str] = field(default_factory=Counter, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a fault that would never happen, or not as its values say."""
        if self.kind not in KINDS:
            message = f"Unknown fault {self.kind!r}: allowed are {', '.join(KINDS)}."
            raise ValueError(message)
        if self.kind == "FailedEvaluations" and self.action != "config:PutEvaluations":
            message = f"FailedEvaluations is a fault of config:PutEvaluations, not of {self.action}."
            raise ValueError(message)
        if self.times is not None and self.times < 1:
            message = f"A fault happens at least once, or always if no number is given, but times is {self.times}."
            raise ValueError(message)
        if not (0 < self.seconds < math.inf or (self.seconds == 0 and self.kind != "Latency")):
            message = f"{self.kind} cannot take {self.seconds} seconds: Latency needs a number above 0, other faults 0 or more."
            raise ValueError(message)
        if not 0 < self.share <= 1:
            message = f"The share of the calls is above 0 and at most 1, but share is {self.share}."
            raise ValueError(message)

    def strikes(self, action: str, account_ids: Sequence[str]) -> bool:
        """Tell whether it happens to a call that concerns `account_ids`, the main one last, and count the call."""
        concerned = self.account_id == ANY_ACCOUNT or self.account_id in account_ids
        if action != self.action or not concerned or self.times == 0:
            return False
        self._calls[account_ids[-1]] += 1
        number = self._calls[account_ids[-1]]
        # A text as the seed gives the same numbers everywhere.
        draw = random.Random(f"{self.seed} {action} {account_ids[-1]} {number}").random()  # noqa: S311 - no secret
        if draw >= self.share:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        """Begin without faults."""
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def take(self, action: str, account_ids: Sequence[str]) -> Fault | None:
        """Return the fault for a call that concerns `account_ids`, if there is one, and count the call."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(action, account_ids)), None)


def refusal(fault: Fault, protocol: str) -> AwsError | None:
    """Make the error that a service answers with, None if the fault is no refusal.

    Services that speak JSON, like AWS Config, and services that speak "query", like IAM and STS, name errors differently.
    Source: the "Common errors" of their API references.  Live: what throttling says (radkawar/stackd,
    testdata/aws/configservice/lifecycle.json, two calls of AWS Config within 0.2 seconds).
    """
    json_service = protocol != "query"
    where = f"injected for {fault.action} in account {fault.account_id}"
    match fault.kind:
        case "AccessDenied":
            code = "AccessDeniedException" if json_service else "AccessDenied"
            return AwsError(code, f"Not authorized to perform: {fault.action} ({where}).")
        case "Throttling":
            return AwsError("ThrottlingException" if json_service else "Throttling", "Rate exceeded")
        case "ServerError":
            return AwsError("InternalFailure", f"The request failed because of an unknown error ({where}).", status=500)
        case "ExpiredToken":
            code = "ExpiredTokenException" if json_service else "ExpiredToken"
            return AwsError(code, f"The security token included in the request is expired ({where}).")
        case _:
            return None


def cut_in_half(answer: Answer) -> Answer:
    """Cut an answer's body in half, for BrokenBody."""
    status, headers, body = answer
    return status, headers, body[: len(body) // 2]
