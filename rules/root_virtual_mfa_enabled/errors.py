"""What can keep the rule from knowing: each makes the invocation fail, and none is ever a verdict.

None derives from ValueError or ClientError, which rdklib's Evaluator turns into a successful answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException"})

_LONGEST_SHOWN = 48
"""Characters: more than the names, numbers and words of an event take, and less than a result token, which takes hundreds."""
_LONGEST_ARN_SHOWN = 100


class EvaluationError(Exception):
    """The account could not be evaluated. The message says what happened, in which account, and what to do."""


class InvalidEventError(EvaluationError):
    """The event is not a scheduled notification of AWS Config that this rule can trust; the message names the field."""


class ForeignAccountError(EvaluationError):
    """The event is for another account than the function's, and the rule has no ExecutionRoleName to reach it with."""


class AssumeRoleError(EvaluationError):
    """The execution role in the evaluated account could not be assumed."""


class ReadError(EvaluationError):
    """IAM did not answer: access denied, throttled for longer than the retries, a fault, or no connection."""


class ReportError(EvaluationError):
    """AWS Config did not take the evaluation."""


class MalformedAnswerError(EvaluationError):
    """AWS answered, but not in a way that can be understood."""


class OutOfTimeError(EvaluationError):
    """Too little of the function's time-out is left to start another call and still report a failure."""


@contextmanager
def raising(
    error_type: type[EvaluationError], action: str, account_id: str, *, if_denied: str, secret: str = ""
) -> Iterator[None]:
    """Turn whatever a call to AWS raises into `error_type`, or into MalformedAnswerError where the answer is broken.

    `action` is the IAM action of the call, `account_id` the evaluated account, `if_denied` what to do about a denial.
    `secret` is what of the call must not be shown, where AWS says it back.
    """
    try:
        yield
    except EvaluationError:
        raise
    except ClientError as error:
        details = error.response.get("Error", {})
        code = details.get("Code") or "Unknown"
        # Only the first line: an answer about a wrong signature goes on with the signed headers, the token among them.
        text = str(details.get("Message") or "").partition("\n")[0]
        if secret:
            text = text.replace(secret, "…")
        message = f"{action} failed in account {account_id}: {_sentence(code, text)} {_advice(code, if_denied)}"
        raise error_type(message) from None  # a log in text format would show all of the cause
    except BotoCoreError as error:
        message = (
            f"{action} failed in account {account_id}: {_sentence(type(error).__name__, str(error))} "
            "Lambda repeats the event; if it goes on failing, check the function's network and the service's health."
        )
        raise error_type(message) from error
    except ResponseParserError:
        # Not botocore's own message, neither here nor as the cause: it quotes the body, and with it an answer's credentials.
        raise malformed(action, account_id, "its body could not be parsed") from None
    except Exception as error:
        # botocore's parsers raise bare built-in exceptions (ValueError for a number, say) where a body is broken.
        raise malformed(action, account_id, f"{type(error).__name__}: {error}") from error


def malformed(action: str, account_id: str, what: str) -> MalformedAnswerError:
    """Make the error for an answer to `action` that cannot be understood because of `what`."""
    return MalformedAnswerError(
        f"The answer to {action} in account {account_id} cannot be understood: {what}. "
        "Nothing was concluded from it; Lambda repeats the event."
    )


def shown(value: object) -> str:
    """Describe a value that is refused, and show it where it cannot be a secret that came to the wrong place."""
    match value:
        case None:
            return "missing or null"
        case str() if value.startswith("arn:") and len(value) > _LONGEST_ARN_SHOWN:
            return f"{value[:_LONGEST_ARN_SHOWN]!r}…"
        case str() if not (is_short(value) or value.startswith("arn:")):
            return f"a text of {len(value)} characters"
        case str() | int() | float():
            return repr(value)
    # Not what is in it, which may be secret too, or nested too deep for repr.
    return f"of type {type(value).__name__}"


def is_short(text: str) -> bool:
    """Tell whether a text is too short for a secret."""
    return len(text) <= _LONGEST_SHOWN


def _sentence(what: str, text: str) -> str:
    return f"{what}: {text.rstrip('.')}." if text else f"{what}."


def _advice(code: str, if_denied: str) -> str:
    if code in _DENIED:
        return if_denied
    if code in _EXPIRED:
        return "The credentials have expired: Lambda repeats the event, and new ones are fetched."
    if code in _THROTTLED:
        return "The calls were throttled for longer than the retries: Lambda repeats the event."
    return "Lambda repeats the event; if it goes on failing, look the error code up in the documentation of the service."
