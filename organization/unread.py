"""What is known about an account that could not be read, and what to do about it: pure, without input or output."""

from dataclasses import dataclass
from enum import StrEnum

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""Error codes with which services deny access. AWS Organizations has one more: see aws.py."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException"})


class Step(StrEnum):
    """What a failure prevented."""

    SESSION = "get credentials of the account"
    READ = "read the root user"


@dataclass(frozen=True, slots=True)
class Unread:
    """Why facts are not known: the sentence that says what happened, AWS's error code (or ""), and at which step."""

    happened: str
    code: str
    step: Step

    @property
    def is_denied(self) -> bool:
        """Whether AWS denied access."""
        return self.code in DENIED


def what_to_do(unread: Unread, if_denied: str) -> str:
    """Say what to do about a failure; `if_denied` if AWS denied access."""
    if unread.is_denied:
        return if_denied
    if unread.code in _EXPIRED:
        return "Your credentials have expired: sign in again, and start again."
    if unread.code in _THROTTLED:
        return "AWS throttled the calls for longer than the retries: start again when the organization is less busy."
    return "Start again. If it fails again, check the network, and look the error up in the documentation of the service."
