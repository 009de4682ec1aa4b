"""What a service answers to a request that a policy refuses, and who is told."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from local_aws.core import ministack_seams
from local_aws.core.models import Answer

Listener = Callable[[str, str, Answer], None]
"""Is told the service, the action ("iam:CreateUser") and the answer."""


class Refused(str):
    """The ARN of a principal that a policy refuses a call, with the message of the refusal.

    It is a string, since of a refusal MiniStack hands only this ARN to the code that words the answer.
    """

    __slots__ = ("said",)
    said: str

    def __new__(cls, arn: str, said: str) -> Self:
        """Make one with what the answer is to say."""
        made = super().__new__(cls, arn)
        made.said = said
        return made


def message(action: str, principal_arn: str, resource: str, *, explicit: bool, by_session_policy: bool) -> str:
    """Word a refusal by IAM policies as IAM does. AssumeRoot tells no reason.

    Sources: public captures of real AWS, of 2026-09-11;
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    said = f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource}"
    if action == "sts:AssumeRoot":
        return said
    if explicit:
        return f"{said} with an explicit deny in {'a session policy' if by_session_policy else 'an identity-based policy'}"
    return f"{said} because no identity-based policy allows the {action} action"


def install(listeners: Sequence[Listener]) -> None:
    """Put the message of a policy into the refusal of each service, in that service's own form, and tell `listeners`."""
    actions = ministack_seams.module("ministack.core.iam_actions")
    respond, word = actions.access_denied_response, actions.identity_denial_message

    def respond_saying(service: str, action: str, principal_arn: str, request_id: str, **more: Any) -> Answer:  # noqa: ANN401 - MiniStack's
        if isinstance(principal_arn, Refused):
            more["message"] = principal_arn.said
        answer: Answer = respond(service, action, principal_arn, request_id, **more)
        for tell in listeners:
            tell(service, action, answer)
        return answer

    def word_saying(action: str, principal_arn: str, *more: Any) -> str:  # noqa: ANN401 - MiniStack's
        return principal_arn.said if isinstance(principal_arn, Refused) else str(word(action, principal_arn, *more))

    ministack_seams.replace("ministack.core.iam_actions", "access_denied_response", respond_saying)
    ministack_seams.replace("ministack.core.iam_actions", "identity_denial_message", word_saying)
