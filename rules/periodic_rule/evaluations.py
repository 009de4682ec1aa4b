"""Report an evaluation to AWS Config with PutEvaluations, and detect when AWS Config does not accept it."""

from typing import TYPE_CHECKING

from periodic_rule.errors import ReportError, raising
from periodic_rule.event import ScheduledNotification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import EvaluationTypeDef

PERMISSIONS = frozenset({"config:PutEvaluations"})
"""The IAM actions that reporting needs in the evaluated account."""


def put_evaluations(
    config: "ConfigServiceClient", notification: ScheduledNotification, evaluations: "Sequence[EvaluationTypeDef]"
) -> None:
    """Put the evaluations with the result token of their notification.

    Raises ReportError if AWS Config refuses them, or returns one of them in FailedEvaluations of a successful answer.
    Source: https://docs.aws.amazon.com/config/latest/APIReference/API_PutEvaluations.html
    """
    action, account_id = "config:PutEvaluations", notification.account_id
    denied = f"Allow {action} to the role that evaluates the account (account.yaml does)."
    with raising(ReportError, action, account_id, if_denied=denied, secret=notification.result_token):
        answer = config.put_evaluations(
            Evaluations=evaluations,
            ResultToken=notification.result_token,
            TestMode=notification.is_test,
        )
    if answer.get("FailedEvaluations"):
        message = (
            f"AWS Config returned the evaluation of account {account_id} in FailedEvaluations: the rule still shows its last "
            "result. Lambda repeats the event; if it keeps failing, start an evaluation of the rule."
        )
        raise ReportError(message)
