"""What can keep a rule from knowing: each error makes the invocation fail, and none is ever a verdict.

None derives from ValueError or ClientError, because rdklib's Evaluator turns those into a successful answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException"})

_LONGEST_SHOWN = 48
"""Characters: longer than the names, numbers and words of an event, and shorter than a result token, which has hundreds."""
_LONGEST_ARN_SHOWN = 100


class EvaluationError(Exception):
    """The rule could not evaluate the account. The message says what happened, in which account, and what to do.

    `happened` is the part of the message that says what happened, if a call of AWS failed; `code` is the code of AWS's answer,
    or the name of botocore's exception.
    """

    def __init__(self, message: str = "", *, happened: str = "", code: str = "") -> None:
        super().__init__(message)
        self.happened = happened or message
        self.code = code


class InvalidEventError(EvaluationError):
    """The event is not a scheduled notification of AWS Config that the rule can trust; the message names the field."""


class ForeignAccountError(EvaluationError):
    """The event is about another account than the function's, and the rule has no ExecutionRoleName to reach it."""


class AssumeRoleError(EvaluationError):
    """The function could not assume the execution role in the evaluated account."""


class ReadError(EvaluationError):
    """A read failed: access denied, throttled for longer than the retries, a fault, or no connection."""


class ReportError(EvaluationError):
    """AWS Config did not accept the evaluation."""


class MalformedAnswerError(EvaluationError):
    """AWS answered, but the rule cannot understand the answer."""


class OutOfTimeError(EvaluationError):
    """Too little time is left until the function's time-out to start another call and still report a failure."""


class IncorrectRuleError(EvaluationError):
    """The rule has a mistake: it returned no verdict."""


@contextmanager
def raising(
    error_type: type[EvaluationError], action: str, account_id: str, *, if_denied: str, secret: str = ""
) -> Iterator[None]:
    """Turn whatever a call to AWS raises into `error_type`, or into MalformedAnswerError if the answer is broken.

    `action` is the IAM action of the call, `account_id` the evaluated account.  `if_denied` says what to do about a denial.
    The message never shows `secret`, a part of the request that AWS may quote.
    """
    try:
        yield
    except EvaluationError:
        raise
    except ClientError as error:
        details = error.response.get("Error", {})
        code = details.get("Code") or "Unknown"
        # Only the first line: the answer to a wrong signature continues with the signed headers, which include the token.
        text = str(details.get("Message") or "").partition("\n")[0]
        if secret:
            text = text.replace(secret, "…")
        happened = f"{action} failed in account {account_id}: {_sentence(code, text)}"
        message = f"{happened} {_advice(code, if_denied)}"
        raise error_type(message, happened=happened, code=code) from None  # a log with format Text would show all of the cause
    except BotoCoreError as error:
        code = type(error).__name__
        happened = f"{action} failed in account {account_id}: {_sentence(code, str(error))}"
        message = (
            f"{happened} Lambda repeats the event; if it keeps failing, check the function's network and the service's health."
        )
        raise error_type(message, happened=happened, code=code) from error
    except ResponseParserError:
        # Without botocore's own message, here and as the cause: it quotes the body, which may contain credentials.
        raise malformed(action, account_id, "its body could not be parsed") from None
    except Exception as error:
        # botocore's parsers raise built-in exceptions for a broken body, such as ValueError for a number.
        raise malformed(action, account_id, f"{type(error).__name__}: {error}") from error


@contextmanager
def reading(action: str, account_id: str) -> Iterator[None]:
    """Turn whatever a read of an account raises into ReadError, or into MalformedAnswerError if the answer is broken."""
    denied = (
        f"Allow {action} to the role that evaluates the account (account.yaml does), "
        "and look for a service control policy or a permissions boundary that denies it."
    )
    with raising(ReadError, action, account_id, if_denied=denied):
        yield


def malformed(action: str, account_id: str, what: str) -> MalformedAnswerError:
    """Make the error for an answer to `action` that the rule cannot understand because of `what`."""
    happened = f"The answer to {action} in account {account_id} cannot be understood: {what}."
    return MalformedAnswerError(f"{happened} The rule drew no conclusion from it; Lambda repeats the event.", happened=happened)


def shown(value: object) -> str:
    """Describe a refused value, and show it unless it may be a secret in the wrong place."""
    match value:
        case None:
            return "missing or null"
        case str() if value.startswith("arn:") and len(value) > _LONGEST_ARN_SHOWN:
            return f"{value[:_LONGEST_ARN_SHOWN]!r}…"
        case str() if not (is_short(value) or value.startswith("arn:")):
            return f"a text of {len(value)} characters"
        case str() | int() | float():
            return repr(value)
    # Without its contents, which may be secret too, or nested too deeply for repr.
    return f"of type {type(value).__name__}"


def is_short(text: str) -> bool:
    """Tell whether a text is too short to be a secret."""
    return len(text) <= _LONGEST_SHOWN


def _sentence(what: str, text: str) -> str:
    return f"{what}: {text.rstrip('.')}." if text else f"{what}."


def _advice(code: str, if_denied: str) -> str:
    if code in _DENIED:
        return if_denied
    if code in _EXPIRED:
        return "The credentials have expired: Lambda repeats the event, and the function fetches new ones."
    if code in _THROTTLED:
        return "The calls were throttled for longer than the retries: Lambda repeats the event."
    return "Lambda repeats the event; if it keeps failing, look the error code up in the documentation of the service."
