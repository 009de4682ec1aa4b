"""Reports an evaluation to AWS Config, and takes no answer for success that is not."""

from typing import TYPE_CHECKING

from root_virtual_mfa_enabled.errors import ReportError, raising
from root_virtual_mfa_enabled.event import ScheduledNotification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import EvaluationTypeDef

PERMISSIONS = frozenset({"config:PutEvaluations"})
"""What reporting needs in the evaluated account."""


def put_evaluations(
    config: "ConfigServiceClient", notification: ScheduledNotification, evaluations: "Sequence[EvaluationTypeDef]"
) -> None:
    """Put the evaluations with the result token of their notification.

    Raises ReportError where AWS Config refuses them or hands one back: FailedEvaluations comes in a successful answer.
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
            f"AWS Config handed the evaluation of account {account_id} back in FailedEvaluations: the rule goes on showing "
            "its last result. Lambda repeats the event; if it goes on failing, evaluate the rule anew."
        )
        raise ReportError(message)
