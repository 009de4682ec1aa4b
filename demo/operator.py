"""What an operator does with runbooks on a local AWS: starts them, approves, reads OpsItems and notices."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from demo.clients import boto3_client
from local_aws.client import REGION, LocalAwsClient, LocalAwsError

NOTIFY, REEVALUATE, REMOVAL = (f"RootVirtualMfa-{name}" for name in ("Notify", "Reevaluate", "RemoveRootCredentials"))
APPROVER = "security-lead"
NOTICES, APPROVALS = "root-virtual-mfa-notices", "Automation-root-virtual-mfa"
"""The names of the topics: of notices, and of requests for approval."""

_RUNNING = {"Pending", "InProgress", "Waiting"}
_PATIENCE = 600.0
_T = TypeVar("_T")


class Operator:
    """Runs runbooks and reads OpsItems in every account.

    Within a `with` block it also gets what the topics of the central account send.
    """

    def __init__(self, aws: LocalAwsClient, central_account_id: str, *topics: str) -> None:
        """Speak to `aws`; the topics are in `central_account_id`: both, or those given, if only they will exist."""
        self.aws = aws
        self.central = central_account_id
        self._clients: dict[tuple[str, str], Any] = {}
        self._messages: list[dict[str, str]] = []
        self._missing = {f"arn:aws:sns:{REGION}:{central_account_id}:{name}" for name in topics or (NOTICES, APPROVALS)}
        self._closed = threading.Event()
        self._subscribing = threading.Thread(target=self._subscribe_later)

    # Notices

    def __enter__(self) -> Self:
        """Make a queue, and subscribe it to each topic now, or as soon as the topic exists, so that it misses no message."""
        send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
        queue = self._client("sqs", self.central).create_queue(QueueName="notices", Attributes={"Policy": _document(send)})
        self._queue_url = queue["QueueUrl"]
        self._subscribe()
        self._subscribing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop looking for topics."""
        self._closed.set()
        self._subscribing.join()

    def _subscribe_later(self) -> None:
        while self._missing and not self._closed.wait(0.02):
            self._subscribe()

    def _subscribe(self) -> None:
        sns = boto3_client(self.aws, "sns", self.central)
        for topic_arn in self._missing & {topic["TopicArn"] for topic in sns.list_topics()["Topics"]}:
            sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{self.central}:notices")
            self._missing.remove(topic_arn)

    def messages(self, about: str = "") -> list[dict[str, str]]:
        """Return the messages so far whose text contains `about`: `TopicArn`, `Subject` and `Message` of each."""
        sqs = self._client("sqs", self.central)
        while received := sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages", []):
            for message in received:
                self._messages.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message for message in self._messages if about in message["Message"]]

    def ops_items(self, account_id: str) -> list[dict[str, Any]]:
        """Return the OpsItems of an account in full, the oldest first."""
        ssm = self._client("ssm", account_id)
        filters = [{"Key": "Source", "Values": ["root-virtual-mfa"], "Operator": "Equal"}]
        pages = ssm.get_paginator("describe_ops_items").paginate(OpsItemFilters=filters)
        ids = [summary["OpsItemId"] for page in pages for summary in page["OpsItemSummaries"]]
        items = [ssm.get_ops_item(OpsItemId=item)["OpsItem"] for item in ids]
        return sorted(items, key=lambda item: item["CreatedTime"])

    # Runbooks

    def start(self, account_id: str, runbook: str, **parameters: str) -> str:
        """Start a runbook as an administrator of an account, and return the execution's id."""
        given = {"Parameters": {name: [value] for name, value in parameters.items()}} if parameters else {}
        started = self._client("ssm", account_id).start_automation_execution(DocumentName=runbook, **given)
        return str(started["AutomationExecutionId"])

    def execution(self, account_id: str, execution_id: str) -> dict[str, Any]:
        """Return an execution as Automation describes it."""
        answer = self._client("ssm", account_id).get_automation_execution(AutomationExecutionId=execution_id)
        execution: dict[str, Any] = answer["AutomationExecution"]
        return execution

    def finished(self, account_id: str, execution_id: str, *, hurry: bool = False) -> dict[str, Any]:
        """Wait for the end of an execution, and return it. `hurry` puts the clock forward meanwhile."""

        def end() -> dict[str, Any] | None:
            if hurry:
                self.aws.advance_clock(seconds=10)
            found = self.execution(account_id, execution_id)
            return None if found["AutomationExecutionStatus"] in _RUNNING else found

        return self._wait_for(end, f"the end of execution {execution_id}")

    def run(self, account_id: str, runbook: str, **parameters: str) -> dict[str, Any]:
        """Start a runbook, wait for its end, and return the execution."""
        return self.finished(account_id, self.start(account_id, runbook, **parameters))

    def wait_for_step(self, account_id: str, execution_id: str, step: str) -> None:
        """Wait until an execution is at a step."""

        def there() -> bool:
            steps = self.execution(account_id, execution_id)["StepExecutions"]
            return any(each["StepName"] == step and each["StepStatus"] in _RUNNING - {"Pending"} for each in steps)

        self._wait_for(there, f"execution {execution_id} at {step}")

    def executions(self, account_id: str, runbook: str) -> list[dict[str, Any]]:
        """Return the executions of a runbook in an account."""
        pages = self._client("ssm", account_id).get_paginator("describe_automation_executions")
        filters = [{"Key": "DocumentNamePrefix", "Values": [runbook]}]
        return [each for page in pages.paginate(Filters=filters) for each in page["AutomationExecutionMetadataList"]]

    def wait_for_executions(self, account_id: str, runbook: str, at_least: int) -> list[dict[str, Any]]:
        """Wait until an account has this many executions of a runbook, and all have ended."""

        def end() -> list[dict[str, Any]] | None:
            found = self.executions(account_id, runbook)
            running = [each for each in found if each["AutomationExecutionStatus"] in _RUNNING]
            return found if len(found) >= at_least and not running else None

        return self._wait_for(end, f"{at_least} executions of {runbook} in {account_id}")

    def let_a_minute_pass(self, account_id: str) -> None:
        """Wait until the execution of RootVirtualMfa-Reevaluate waits for IAM, then put the clock forward."""

        def waiting() -> bool:
            # Its status alone is not enough: a wait that begins after the clock has moved takes another minute.
            return any(each.get("CurrentStepName") == "WaitForIam" for each in self.executions(account_id, REEVALUATE))

        self._wait_for(waiting, f"an execution of {REEVALUATE} that waits in {account_id}")
        self.aws.advance_clock(seconds=61)

    # Approval

    def make_approver(self) -> str:
        """Make the approver's role in the central account, for its administrators to assume. Returns its ARN."""
        iam = self._client("iam", self.central)
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.central}:root"}, "Action": "sts:AssumeRole"}
        decide = {"Effect": "Allow", "Action": "ssm:SendAutomationSignal", "Resource": "*"}
        role = iam.create_role(RoleName=APPROVER, AssumeRolePolicyDocument=_document(trust))["Role"]
        iam.put_role_policy(RoleName=APPROVER, PolicyName="decide", PolicyDocument=_document(decide))
        return str(role["Arn"])

    def wait_for_approval(self, execution_id: str) -> None:
        """Wait until an execution in the central account asks for approval."""

        def asks() -> bool:
            return bool(self.execution(self.central, execution_id)["AutomationExecutionStatus"] == "Waiting")

        self._wait_for(asks, f"the request for approval of execution {execution_id}")

    def decide(self, execution_id: str, decision: Literal["Approve", "Reject"]) -> None:
        """Approve or reject an execution in the central account, as the approver."""
        role_arn = f"arn:aws:iam::{self.central}:role/{APPROVER}"
        session = self._client("sts", self.central).assume_role(RoleArn=role_arn, RoleSessionName="alice")["Credentials"]
        ssm = boto3_client(self.aws, "ssm", self.central, credentials=session)
        payload = {"Comment": ["The plan is read."]}
        ssm.send_automation_signal(AutomationExecutionId=execution_id, SignalType=decision, Payload=payload)

    def _wait_for(self, condition: Callable[[], _T | None], what: str) -> _T:
        """Wait until `condition` gives something, and return that. Raises TimeoutError."""
        deadline, pause = time.monotonic() + _PATIENCE, 0.005
        with suppress(LocalAwsError):  # on a busy machine, look anyway
            self.aws.settle()  # mostly all that there is to wait for
        while not (given := condition()):
            if time.monotonic() > deadline:
                message = f"{what} did not come within {_PATIENCE:.0f} s"
                raise TimeoutError(message)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)
        return given

    def _client(self, service: str, account_id: str) -> Any:  # noqa: ANN401 - a client of any service
        if (service, account_id) not in self._clients:
            self._clients[service, account_id] = boto3_client(self.aws, service, account_id)
        return self._clients[service, account_id]


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
