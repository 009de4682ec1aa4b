"""Clients for the evaluated account: which credentials, which endpoint, how long a call may take.

Stands in for rdklib's ClientFactory, which asks a fixed STS host, loads everything anew for each client, and assumes the
recorder's role.  Here one botocore session serves a warm environment; the function's own clients are made once; clients
with another account's credentials are made for one event and never shared, so that no account is judged with another's.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import botocore.session
from botocore.config import Config
from rdklib import ClientFactory

from root_virtual_mfa_enabled.errors import AssumeRoleError, ForeignAccountError, OutOfTimeError, raising
from root_virtual_mfa_enabled.event import ScheduledNotification

PERMISSIONS = frozenset({"sts:AssumeRole"})
"""What the function's role needs where the rule has an ExecutionRoleName."""

ATTEMPTS = 3
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 5
LONGEST_CALL = ATTEMPTS * (CONNECT_TIMEOUT + READ_TIMEOUT) + 13
"""Seconds: each attempt at its time-outs, and at most 1 and 2 seconds of back-off between three attempts.

Newer releases of botocore wait for up to 5 seconds longer each time where the answer has an x-amz-retry-after header.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html (standard mode)
"""

REPORT_MARGIN = 1
"""Seconds kept to log and report a failure."""

SESSION_SECONDS = 900
"""The shortest life of an assumed role's credentials. Source: API model, sts, roleDurationSecondsType."""

_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)


class AccountClients(ClientFactory):
    """The clients of one evaluation, with the evaluated account's credentials; used like rdklib's ClientFactory."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        self._make_client = make_client

    def build_client(self, service: str, region: None = None, assume_role_mode: bool = True) -> Any:  # noqa: FBT001, FBT002, ANN401, ARG002 - rdklib's signature
        """Make a client for `service` in the Region of the rule. The other arguments are rdklib's, and are not used."""
        return self._make_client(service)


class WarmEnvironment:
    """What an execution environment keeps between invocations: the session, and the function's own clients."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        # The default only since botocore 1.36: a regional endpoint, in every partition.
        self._session.set_config_variable("sts_regional_endpoints", "regional")
        self._session.register("before-call", self._refuse_without_time)
        self._session.register("before-send", self._count)
        self._session.register("after-call.config-service", _refuse_broken_json)
        self._own_clients: dict[tuple[str, str], Any] = {}
        self._milliseconds_left: Callable[[], float] = lambda: math.inf
        self._account_id = ""
        self._calls: Counter[str] = Counter()

    @property
    def calls(self) -> Mapping[str, int]:
        """The API calls of this invocation, by IAM action; an attempt that was repeated counts each time."""
        return dict(self._calls)

    def begin(self, milliseconds_left: Callable[[], int]) -> None:
        """Begin an invocation; `milliseconds_left` tells how long the function may still run."""
        self._milliseconds_left = milliseconds_left
        self._calls.clear()

    def clients_for(
        self, notification: ScheduledNotification, own_account_id: str, execution_role_name: str | None
    ) -> AccountClients:
        """Make the clients for the account of `notification`.

        Without an execution role they have the function's own credentials, which are good for its own account only; with
        one, they have the credentials of that role in the evaluated account.

        Raises ForeignAccountError, AssumeRoleError, MalformedAnswerError or OutOfTimeError.
        """
        self._account_id = notification.account_id
        region = notification.region
        if execution_role_name is None:
            if notification.account_id != own_account_id:
                message = (
                    f"Account {notification.account_id} is not the function's own ({own_account_id}): evaluating another "
                    "account needs the rule parameter ExecutionRoleName, a role there that trusts the function's role."
                )
                raise ForeignAccountError(message)
            return AccountClients(lambda service: self._own_client(service, region))
        access_key_id, secret_access_key, session_token = self._assume_role(notification, execution_role_name)
        return AccountClients(
            lambda service: self._session.create_client(
                service,
                region_name=region,
                config=_CONFIG,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token,
            )
        )

    def _own_client(self, service: str, region: str) -> Any:  # noqa: ANN401 - a client of any service
        if (service, region) not in self._own_clients:
            self._own_clients[service, region] = self._session.create_client(service, region_name=region, config=_CONFIG)
        return self._own_clients[service, region]

    def _assume_role(self, notification: ScheduledNotification, role_name: str) -> tuple[str, str, str]:
        role_arn = f"arn:{notification.partition}:iam::{notification.account_id}:role/{role_name}"
        denied = (
            f"Either {role_arn} does not exist, or it does not trust the function's role, or that role may not assume it: "
            "deploy account.yaml in the account."
        )
        with raising(AssumeRoleError, "sts:AssumeRole", notification.account_id, if_denied=denied):
            credentials = self._own_client("sts", notification.region).assume_role(
                RoleArn=role_arn,
                RoleSessionName="root-virtual-mfa-enabled",
                DurationSeconds=SESSION_SECONDS,
            )["Credentials"]
            return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]

    def _refuse_without_time(self, **emitted: Any) -> None:  # noqa: ANN401 - botocore emits what it likes
        seconds_left = self._milliseconds_left() / 1000
        if seconds_left < LONGEST_CALL + REPORT_MARGIN:
            message = (
                f"{_action(emitted['model'])} was not called in account {self._account_id}: {seconds_left:.0f} s of the "
                f"function's time-out are left, and a call may take {LONGEST_CALL} s. AWS answered slowly, or the time-out is "
                "too short; Lambda repeats the event."
            )
            raise OutOfTimeError(message)

    def _count(self, **emitted: Any) -> None:  # noqa: ANN401 - botocore emits what it likes
        _, service, operation = emitted["event_name"].split(".")
        self._calls[f"{_PREFIXES.get(service, service)}:{operation}"] += 1


def _refuse_broken_json(**emitted: Any) -> None:  # noqa: ANN401 - botocore emits what it likes
    # botocore takes a body that is no JSON for an empty answer, and so for a success; JSON that is no object it refuses.
    http_response = emitted["http_response"]
    if http_response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        json.loads(http_response.content)


_PREFIXES = {"config-service": "config"}
"""IAM's name of a service where botocore's events have another."""


def _action(model: Any) -> str:  # noqa: ANN401 - botocore's OperationModel has no types
    service = model.service_model.service_id.hyphenize()
    return f"{_PREFIXES.get(service, service)}:{model.name}"
