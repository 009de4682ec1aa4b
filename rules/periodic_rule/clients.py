"""Clients for the evaluated account: whose credentials, which endpoint, and how long a call may take.

They replace rdklib's ClientFactory, which calls a fixed STS host, loads everything again for each client, and assumes the
recorder's role.  Here, a warm environment has one botocore session.  It makes the clients of the function's own account once.
It makes clients with another account's credentials for one event and never shares them, so that the function cannot judge one
account with the credentials of another.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Self

import botocore.session
from botocore.config import Config
from rdklib import ClientFactory

from periodic_rule.errors import AssumeRoleError, ForeignAccountError, OutOfTimeError, raising
from periodic_rule.event import ScheduledNotification

PERMISSIONS = frozenset({"sts:AssumeRole"})
"""The IAM actions that the function's role needs if the rule has an ExecutionRoleName."""

ATTEMPTS = 3
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 5
LONGEST_CALL = ATTEMPTS * (CONNECT_TIMEOUT + READ_TIMEOUT) + 13
"""Seconds: each attempt up to its time-outs, and at most 1 and 2 seconds of back-off between the three attempts.

Newer releases of botocore wait up to 5 seconds longer each time if the answer has an x-amz-retry-after header.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html (standard mode)
"""

REPORT_MARGIN = 1
"""Seconds that the function keeps to log and report a failure."""

SESSION_SECONDS = 900
"""The shortest life of an assumed role's credentials. Source: API model, sts, roleDurationSecondsType."""

_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)


class AccountClients(ClientFactory):
    """The clients of one evaluation, with the credentials of the evaluated account. Use it like rdklib's ClientFactory."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        self._make_client = make_client

    def build_client(self, service: str, region: None = None, assume_role_mode: bool = True) -> Any:  # noqa: FBT001, FBT002, ANN401, ARG002 - rdklib's signature
        """Make a client of `service` in the rule's Region. It ignores the other arguments, which rdklib's signature has."""
        return self._make_client(service)


class WarmEnvironment:
    """What an execution environment keeps between invocations: the session and the clients of the function's own account."""

    def __init__(self, user_agent: str) -> None:
        """Load botocore; `user_agent` is a product and its version. The user agent of each call ends with it."""
        self._session = botocore.session.get_session()
        # botocore has this default, a regional endpoint in every partition, only since 1.36.
        self._session.set_config_variable("sts_regional_endpoints", "regional")
        self._session.register("after-call.config-service", _refuse_broken_json)
        self._config = _CONFIG.merge(Config(user_agent_extra=user_agent))
        self._own_clients: dict[tuple[str, str], Any] = {}

    def invocation(self, milliseconds_left: Callable[[], int]) -> "Invocation":
        """Begin an invocation; `milliseconds_left` tells how long the function may still run."""
        return Invocation(self, milliseconds_left)

    def own_client(self, service: str, region: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return the client of `service` with the function's own credentials."""
        if (service, region) not in self._own_clients:
            self._own_clients[service, region] = self.make_client(service, region)
        return self._own_clients[service, region]

    def make_client(self, service: str, region: str, **credentials: Any) -> Any:  # noqa: ANN401 - a client of any service
        """Make a client of `service`, with credentials under the names that botocore's create_client uses."""
        return self._session.create_client(service, region_name=region, config=self._config, **credentials)


class Invocation:
    """One invocation: makes the clients of its account, counts their calls, and stops them when too little time is left.

    It is a context manager. At its end, the warm clients forget it.
    """

    def __init__(self, environment: WarmEnvironment, milliseconds_left: Callable[[], int]) -> None:
        self._environment = environment
        self._milliseconds_left = milliseconds_left
        self._account_id = ""
        self._reached = False
        self._calls: Counter[str] = Counter()
        self._watched: list[Any] = []

    @property
    def calls(self) -> Mapping[str, int]:
        """The API calls so far, by IAM action; each attempt counts."""
        return dict(self._calls)

    @property
    def reached(self) -> bool:
        """Whether the evaluated account is the function's own, or gave the function credentials."""
        return self._reached

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._watched:
            client.meta.events.unregister("before-call", self._refuse_without_time)
            client.meta.events.unregister("before-send", self._count)

    def clients_for(
        self,
        notification: ScheduledNotification,
        *,
        own_account_id: str,
        execution_role_name: str | None,
        session_name: str,
    ) -> AccountClients:
        """Make the clients for the account of `notification`.

        Without an execution role, they have the function's own credentials, which only suit its own account.  With one, they
        have the credentials of that role in the evaluated account, for which CloudTrail shows `session_name`.

        Raises ForeignAccountError, AssumeRoleError, MalformedAnswerError or OutOfTimeError.
        """
        self._account_id, region = notification.account_id, notification.region
        if execution_role_name is None:
            if notification.account_id != own_account_id:
                message = (
                    f"Account {notification.account_id} is not the function's own ({own_account_id}): evaluating another "
                    "account needs the rule parameter ExecutionRoleName, a role there that trusts the function's role."
                )
                raise ForeignAccountError(message)
            self._reached = True
            return AccountClients(lambda service: self._watch(self._environment.own_client(service, region)))
        credentials = self._assume_role(notification, execution_role_name, session_name)
        self._reached = True
        return AccountClients(lambda service: self._watch(self._environment.make_client(service, region, **credentials)))

    def own_client(self, service: str, region: str, account_id: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client with the function's own credentials, for a question about the account `account_id`."""
        self._account_id = account_id
        return self._watch(self._environment.own_client(service, region))

    def _assume_role(self, notification: ScheduledNotification, role_name: str, session_name: str) -> dict[str, str]:
        role_arn = f"arn:{notification.partition}:iam::{notification.account_id}:role/{role_name}"
        denied = (
            f"Either {role_arn} does not exist, or it does not trust the function's role, or that role may not assume it: "
            "deploy account.yaml in the account."
        )
        with raising(AssumeRoleError, "sts:AssumeRole", notification.account_id, if_denied=denied):
            sts = self.own_client("sts", notification.region, notification.account_id)
            assumed = sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name, DurationSeconds=SESSION_SECONDS)
            credentials = assumed["Credentials"]
            return {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            }

    def _watch(self, client: Any) -> Any:  # noqa: ANN401 - a client of any service
        if not any(client is watched for watched in self._watched):
            client.meta.events.register("before-call", self._refuse_without_time)
            client.meta.events.register("before-send", self._count)
            self._watched.append(client)
        return client

    def _refuse_without_time(self, **emitted: Any) -> None:  # noqa: ANN401 - botocore passes any values
        seconds_left = self._milliseconds_left() / 1000
        if seconds_left < LONGEST_CALL + REPORT_MARGIN:
            message = (
                f"{_action(emitted['model'])} was not called in account {self._account_id}: {seconds_left:.0f} s of the "
                f"function's time-out are left, and a call may take {LONGEST_CALL} s. AWS answered slowly, or the time-out is "
                "too short; Lambda repeats the event."
            )
            raise OutOfTimeError(message)

    def _count(self, **emitted: Any) -> None:  # noqa: ANN401 - botocore passes any values
        _, service, operation = emitted["event_name"].split(".")
        self._calls[f"{_PREFIXES.get(service, service)}:{operation}"] += 1


def _refuse_broken_json(**emitted: Any) -> None:  # noqa: ANN401 - botocore passes any values
    # botocore treats a body that is not JSON as an empty answer, and so as a success. It refuses JSON that is not an object.
    http_response = emitted["http_response"]
    if http_response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        json.loads(http_response.content)


_PREFIXES = {"config-service": "config"}
"""IAM's name of a service whose name in botocore's events differs."""


def _action(model: Any) -> str:  # noqa: ANN401 - botocore's OperationModel has no types
    service = model.service_model.service_id.hyphenize()
    return f"{_PREFIXES.get(service, service)}:{model.name}"
