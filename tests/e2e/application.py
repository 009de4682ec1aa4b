"""The application as the tests use it: deployed by the SAM CLI, evaluating accounts for AWS Config, read back through boto3."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.sam import EVALUATION_ROLE_NAME, FUNCTION_ROLE_NAME, RULE_NAME, STACK_NAME, deploy_account
from local_aws.client import PROJECT, REGION, LocalAwsClient

READ = "iam:GetAccountSummary"
"""A call of every evaluation, for faults."""
METRICS = ("Evaluations", "Compliant", "NonCompliant", "NotApplicable", "Failures")
"""What the function's log is counted as."""

_PATIENCE = 600.0
_START_INTERVAL = 60
"""Seconds between two starts of a rule's evaluation that AWS Config insists on."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Answer:
    """What came of an invocation: what the function returned, or its error (errorType, errorMessage)."""

    payload: Any
    failed: bool


class Application:
    """The application in the account `account_id` of a local AWS, and the accounts that it evaluates."""

    def __init__(self, aws: LocalAwsClient, account_id: str, stack_name: str = STACK_NAME) -> None:
        """Read the outputs of the stack."""
        self.aws = aws
        self.account_id = account_id
        self._clients: dict[tuple[str, str], Any] = {}
        [stack] = self.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        self.outputs: dict[str, str] = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        self._failures: dict[str, list[dict[str, Any]]] = {}
        self._permitted: list[str] = []

    @property
    def function_arn(self) -> str:
        return self.outputs["FunctionArn"]

    def client(self, service: str, account_id: str | None = None) -> Any:  # noqa: ANN401 - a client of any service
        """Return a boto3 client of an administrator of an account: by default the application's own."""
        account_id = account_id or self.account_id
        if (service, account_id) not in self._clients:
            patient = Config(read_timeout=600, retries={"total_max_attempts": 1})
            self._clients[service, account_id] = boto3_client(self.aws, service, account_id, patient)
        return self._clients[service, account_id]

    def change_root_user(self, account_id: str, *changes: str) -> None:
        """Change a root user as its owner would: each change is a word, or a word and a device ("add-virtual-device phone").

        No event of it starts an evaluation, so that a test has those alone which it starts itself.
        """
        events = self.client("events", account_id)
        with suppress(events.exceptions.ResourceNotFoundException):
            events.disable_rule(Name="root-virtual-mfa-root-user-change")
        for change in changes:
            self.aws.change_root_user(account_id, *change.split())

    # What AWS Config does

    def permit(self, account_id: str) -> None:
        """Let AWS Config invoke the function for another account."""
        self.client("lambda").add_permission(
            FunctionName=self.function_arn,
            StatementId=f"account-{account_id}",
            Action="lambda:InvokeFunction",
            Principal="config.amazonaws.com",
            SourceAccount=account_id,
        )
        self._permitted.append(account_id)

    def forbid(self) -> None:
        """Take back what `permit` gave: the function's policy has room for about 60 accounts."""
        while self._permitted:
            statement = f"account-{self._permitted.pop()}"
            self.client("lambda").remove_permission(FunctionName=self.function_arn, StatementId=statement)

    def rule_of(self, parameters: Mapping[str, str], name: str = RULE_NAME) -> dict[str, Any]:
        """Describe a rule that this application's function evaluates, as PutConfigRule takes it."""
        details = {
            "EventSource": "aws.config",
            "MessageType": "ScheduledNotification",
            "MaximumExecutionFrequency": "TwentyFour_Hours",
        }
        return {
            "ConfigRuleName": name,
            "InputParameters": json.dumps(dict(parameters)),
            "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": self.function_arn, "SourceDetails": [details]},
        }

    def put_rule(self, account_id: str, parameters: Mapping[str, str]) -> None:
        """Put the rule into another account: AWS Config evaluates it with this application's function at once."""
        self.client("config", account_id).put_config_rule(ConfigRule=self.rule_of(parameters))

    def watch(self, account_id: str, **parameters: str) -> None:
        """Have another account evaluated: account.yaml, the permission, and the rule with `parameters`."""
        deploy_account(self.aws, account_id, self.account_id)
        self.permit(account_id)
        self.put_rule(account_id, {"ExecutionRoleName": EVALUATION_ROLE_NAME, **parameters})

    def start_evaluation(self, *account_ids: str) -> None:
        """Start the evaluation of the rule in accounts, a minute later."""
        self.aws.advance_clock(seconds=_START_INTERVAL)

        def start(account_id: str) -> None:
            wait_for(lambda: self._started(account_id), f"the evaluation in {account_id}")

        with ThreadPoolExecutor(len(account_ids)) as pool:
            list(pool.map(start, account_ids))

    def _started(self, account_id: str) -> bool:
        try:
            self.client("config", account_id).start_config_rules_evaluation(ConfigRuleNames=[self.rule_name(account_id)])
        except ClientError as error:
            # The last run's invocation may still be ending, though its result is there.
            if error.response["Error"]["Code"] != "LimitExceededException":
                raise
            return False
        return True

    def evaluate(self, account_id: str) -> dict[str, Any]:
        """Evaluate an account again, and return the new result."""
        before = self.results(account_id)
        self.start_evaluation(account_id)
        return self.changed(account_id, before)

    # What can be read

    def rule_name(self, account_id: str) -> str:  # noqa: ARG002 - where a conformance pack puts it, it has a suffix in each
        """Return the name of the rule in an account."""
        return RULE_NAME

    def results(self, account_id: str) -> list[dict[str, Any]]:
        """Return what AWS Config has of the rule in an account: at most one result."""
        config = self.client("config", account_id)
        details = config.get_compliance_details_by_config_rule(ConfigRuleName=self.rule_name(account_id))
        results: list[dict[str, Any]] = details["EvaluationResults"]
        assert len(results) <= 1
        return results

    def result(self, account_id: str) -> dict[str, Any]:
        """Wait for the result in an account, and return it."""
        [result] = wait_for(lambda: self.results(account_id), f"a result for {account_id}")
        qualifier = result["EvaluationResultIdentifier"]["EvaluationResultQualifier"]
        assert (qualifier["ResourceType"], qualifier["ResourceId"]) == ("AWS::::Account", account_id)
        return dict(result)

    def changed(self, account_id: str, before: list[dict[str, Any]]) -> dict[str, Any]:
        """Wait for a result in an account that is another than `before`, and return it."""
        wait_for(lambda: self.results(account_id) != before, f"a new result for {account_id}")
        return self.result(account_id)

    def rule_compliance(self, account_id: str) -> str:
        """Return the compliance of the rule as a whole."""
        config = self.client("config", account_id)
        described = config.describe_compliance_by_config_rule(ConfigRuleNames=[self.rule_name(account_id)])
        [compliance] = described["ComplianceByConfigRules"]
        return str(compliance["Compliance"]["ComplianceType"])

    def calls(self) -> list[tuple[str, str]]:
        """Return the calls that evaluations made since this was last asked, in their order: role and action."""
        taken = []
        for call in self.aws.take_calls():
            _, _, name = call["principal"].partition(":assumed-role/")
            role = name.partition("/")[0]
            if role in {FUNCTION_ROLE_NAME, EVALUATION_ROLE_NAME}:
                taken.append((role, call["action"]))
        return taken

    def allowed_actions(self, role: str, account_id: str) -> set[str]:
        """Return what a role's policies allow, as IAM has them: inline and attached ones."""
        iam = self.client("iam", account_id)
        documents = [
            iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            documents.append(found["PolicyVersion"]["Document"])
        statements = [statement for document in documents for statement in document["Statement"]]
        assert {statement["Effect"] for statement in statements} == {"Allow"}
        actions: set[str] = set()
        for statement in statements:
            actions.update([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        return actions

    def log(self, account_id: str, message: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for `count` log lines about an account that say `message`, and return all of them, oldest first."""

        def about_it() -> list[dict[str, Any]]:
            lines = [line for line in self.lines(message) if line.get("account") == account_id]
            return lines if len(lines) >= count else []

        return wait_for(about_it, f"{count} lines {message!r} about {account_id}")

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the function's log lines that say `message`, oldest first."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=self.outputs["LogGroupName"])
        texts = (event["message"] for page in pages for event in page["events"])
        lines = (json.loads(text) for text in texts if text.startswith("{"))
        return [line for line in lines if line.get("message") == message]

    def failure(self, account_id: str) -> dict[str, Any]:
        """Wait for what the queue has of an event about an account that was given up; return the oldest not yet returned."""

        def receive() -> bool:
            self.aws.advance_clock(seconds=1)  # the retries come due sooner
            sqs, queue_url = self.client("sqs"), self.outputs["FailedEventsQueueUrl"]
            for message in sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", []):
                record = json.loads(message["Body"])
                self._failures.setdefault(record["account"], []).append(record)
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            return bool(self._failures.get(account_id))

        wait_for(receive, f"a record of a failed event about {account_id}")
        return self._failures[account_id].pop(0)

    @contextmanager
    def tapped_events(self) -> Iterator[Callable[[str], dict[str, Any]]]:
        """Give the events that failed for good as they were, by account: what who may make EventBridge rules can have."""
        events, sqs, bus, name = self.client("events"), self.client("sqs"), "root-virtual-mfa-failed-events", "tap"
        rule_arn = events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["lambda"]}')["RuleArn"]
        queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue_arn}])
        tapped: dict[str, dict[str, Any]] = {}

        def take(account_id: str) -> dict[str, Any]:
            def receive() -> bool:
                self.aws.advance_clock(seconds=1)  # the retries come due sooner
                for message in sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", []):
                    event = json.loads(message["Body"])["detail"]["requestPayload"]
                    tapped[event["accountId"]] = event
                return account_id in tapped

            wait_for(receive, f"an event about {account_id} that failed for good")
            return tapped.pop(account_id)

        try:
            yield take
        finally:
            events.remove_targets(Rule=name, EventBusName=bus, Ids=["queue"])
            events.delete_rule(Name=name, EventBusName=bus)
            sqs.delete_queue(QueueUrl=queue_url)

    def now(self) -> datetime:
        """Return the time of the local AWS's clock, in whole seconds."""
        answer = self.client("sts").get_caller_identity()
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def metric(self, name: str, namespace: str = "RootVirtualMfa", dimensions: Mapping[str, str] | None = None) -> float:
        """Return the sum of a metric over the last two weeks."""
        now = self.now()
        answer = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in (dimensions or {}).items()],
            StartTime=now - timedelta(days=14),
            EndTime=now + timedelta(days=1),
            Period=86400,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in answer["Datapoints"]))

    def alarm_states(self) -> dict[str, str]:
        """Return the state of each alarm of the stack, by its logical id."""
        resources = self.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)["StackResources"]
        names = {resource["PhysicalResourceId"]: resource["LogicalResourceId"] for resource in resources}
        alarms = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return {names[alarm["AlarmName"]]: alarm["StateValue"] for alarm in alarms if alarm["AlarmName"] in names}

    # Without AWS Config

    def event(self, account_id: str, **changes: object) -> dict[str, Any]:
        """Make a scheduled event about an account. AWS Config checks the evaluation, and does not keep it."""
        return self.scheduled_event(account_id, own=account_id == self.account_id) | changes

    @staticmethod
    def scheduled_event(account_id: str, *, own: bool) -> dict[str, Any]:
        """Make an event about the function's own account, or about a member, to be evaluated with its evaluation role."""
        name, of = ("scheduled-own-account", "012345678912") if own else ("scheduled-member-account", "444455556666")
        text = (PROJECT / f"events/{name}.json").read_text(encoding="utf-8")
        event: dict[str, Any] = json.loads(text.replace(of, account_id))
        assert event["resultToken"] == "TESTMODE"
        return event

    def invoke(self, event: object) -> Answer:
        """Invoke the function with an event, and return its answer."""
        answer = self.client("lambda").invoke(FunctionName=self.function_arn, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        return Answer(payload, "FunctionError" in answer)


def start_recorder(aws: LocalAwsClient, account_id: str, region: str = REGION) -> None:
    """Let AWS Config record in an account, as its administrator does."""
    config, bucket = boto3_client(aws, "config", account_id, region=region), f"config-bucket-{account_id}"
    boto3_client(aws, "s3", account_id).create_bucket(Bucket=bucket)
    role = f"arn:aws:iam::{account_id}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    config.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": role})
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": bucket})
    config.start_configuration_recorder(ConfigurationRecorderName="default")


def wait_for(condition: Callable[[], _T | None], what: str, seconds: float = _PATIENCE) -> _T:
    """Wait until `condition` gives something, and return that."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while not (given := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return given
