"""Faults that can be switched on for an account and an action: what AWS does on a bad day."""

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

    The account of sts:AssumeRole and sts:AssumeRoot is the caller's or the one that has the role or root user.
    `times` is how often it happens, None for always; `seconds` is how long the answer is held back, which is all that
    Latency does.  FailedEvaluations is for config:PutEvaluations: AWS Config answers with success and hands the
    evaluations back.  `share` is the share of the calls that it happens to.  Which ones, of each account's first, second
    and so on, follows from `seed`, however the calls of different accounts come to be mixed.
    ValueError: it can not be; the message says what is allowed.
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
        """Refuse what would never happen, or not as it is meant."""
        if self.kind not in KINDS:
            message = f"Unknown fault {self.kind!r}: allowed are {', '.join(KINDS)}."
            raise ValueError(message)
        if self.kind == "FailedEvaluations" and self.action != "config:PutEvaluations":
            message = f"FailedEvaluations is a fault of config:PutEvaluations, and not of {self.action}."
            raise ValueError(message)
        if self.times is not None and self.times < 1:
            message = f"A fault happens at least once, or always where no number is given, but times is {self.times}."
            raise ValueError(message)
        if not (0 < self.seconds < math.inf or (self.seconds == 0 and self.kind != "Latency")):
            message = f"{self.kind} cannot take {self.seconds} seconds: Latency needs a number above 0, and no fault one below."
            raise ValueError(message)
        if not 0 < self.share <= 1:
            message = f"A fault happens to a share of the calls above 0, and 1 at most, but share is {self.share}."
            raise ValueError(message)

    def strikes(self, action: str, account_ids: Sequence[str]) -> bool:
        """Tell whether it happens to a call that is about `account_ids`, the one that it is mostly about last, and count it."""
        concerned = self.account_id == ANY_ACCOUNT or self.account_id in account_ids
        if action != self.action or not concerned or self.times == 0:
            return False
        self._calls[account_ids[-1]] += 1
        number = self._calls[account_ids[-1]]
        # Seeded with a text, which gives the same numbers everywhere.
        draw = random.Random(f"{self.seed} {action} {account_ids[-1]} {number}").random()  # noqa: S311 - no secret
        if draw >= self.share:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        """Begin without any."""
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
        """Return the fault for a call that is about `account_ids`, if there is one, and count it."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(action, account_ids)), None)


def refusal(fault: Fault, protocol: str) -> AwsError | None:
    """Make the error with which a service answers, or None where the fault is of another kind.

    Services that speak "json", as AWS Config does, name errors otherwise than those that speak "query", as IAM and STS do.
    Source: the "Common errors" of their API references.
    """
    json_service = protocol == "json"
    where = f"injected for {fault.action} in account {fault.account_id}"
    match fault.kind:
        case "AccessDenied":
            code = "AccessDeniedException" if json_service else "AccessDenied"
            return AwsError(code, f"Not authorized to perform: {fault.action} ({where}).", status=400 if json_service else 403)
        case "Throttling":
            return AwsError("ThrottlingException" if json_service else "Throttling", f"Rate exceeded ({where}).")
        case "ServerError":
            return AwsError("InternalFailure", f"The request failed because of an unknown error ({where}).", status=500)
        case "ExpiredToken":
            code = "ExpiredTokenException" if json_service else "ExpiredToken"
            return AwsError(
                code, f"The security token included in the request is expired ({where}).", status=400 if json_service else 403
            )
        case _:
            return None


def cut_in_half(answer: Answer) -> Answer:
    """Break an answer's body, as BrokenBody says."""
    status, headers, body = answer
    return status, headers, body[: len(body) // 2]
