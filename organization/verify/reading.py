"""Reads what `verify` judges, in the deployment and in accounts that it evaluates.  Only the probe changes anything."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from organization import aws, deployment
from organization.accounts import TRAIL_REGION, ClientMaker, Progress
from organization.aggregator import sources_of
from organization.aws import Caller, CommandError
from organization.commands import FORWARDED_REGION
from organization.deployment import EVENTS_ROLE_NAME, ROLE_NAMES, Deployment
from organization.report import reading
from organization.runbooks import NOTIFY, PREFIX, REEVALUATE, REMOVAL
from organization.statuses import Account, Result, Source, Unseen
from organization.unread import DENIED
from organization.verify.judging import (
    NOT_LOOKED_INTO,
    RECORDED_CALLS,
    ROOT_CHANGES,
    AlarmAction,
    Calls,
    ChangedTarget,
    Counts,
    Execution,
    Inside,
    Observed,
    RefusedCall,
    RemediationRun,
    RootPassword,
    Rule,
    ServiceControlPolicy,
    StackSetOperation,
    Verified,
    judge_probe,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import AutomationExecutionMetadataTypeDef, AutomationExecutionTypeDef

MOST_INSIDE = 20
"""How many accounts are looked into, and for how many the times of results are read."""
_BACK = timedelta(days=14)
"""How far back executions, events and metrics are read."""
_DAY = 86_400
_MOST_PAGES = 4
"""For executions and for CloudTrail's events: an account may have many thousands."""
_NAMESPACE = "RootVirtualMfa"
_PAUSES = (1.0, 2.0, *(5.0,) * 120)
"""Seconds between looks at an execution. RootVirtualMfa-Reevaluate sleeps for a minute, and may try for ten."""
_ACCOUNT_TYPE = "AWS::::Account"
_VERDICT_RULE = "root-virtual-mfa-compliance-change"
"""The EventBridge rule that AWS Config's events of verdicts match, as account.yaml names it."""
_GLOBAL = frozenset({"iam", "organizations"})
"""Services whose calls AWS records in us-east-1. Source: CloudTrail User Guide, global service events."""
_NO_REPORT = frozenset({"ReportNotPresent", "ReportExpired", "ReportInProgress"})
"""Source: API reference, GetCredentialReport."""


class Reader:
    """Reads everything that the checks judge.

    Raises ClientError and BotoCoreError if AWS refuses what every check needs, or does not answer.
    """

    def __init__(self, session: boto3.Session, caller: Caller, progress: Progress) -> None:
        """Read with the session's credentials, which are the caller's."""
        self._clients = ClientMaker(session, caller)
        self._caller = caller
        self._progress = progress
        self._reader = reading.Reader(session, caller.time, progress)

    def observe(self, stack_name: str, role_name: str | None) -> Observed:
        """Read everything; with `role_name`, the role to assume, also inside accounts. Raises CommandError without a stack."""
        found = self._reader.deployment(stack_name)
        stack = aws.find_stack(self._client("cloudformation"), stack_name)
        if found is None or stack is None:
            raise CommandError(aws.no_stack(stack_name, self._caller))
        listed = self._reader.accounts() if found.organization_id else []
        evaluated = self._evaluated(found, listed)
        written = self._reader.read_journal(found)
        history = aws.seen(lambda: self._reader.history(found)) if not written.problem else Unseen(written.problem)
        failing = sorted(
            evaluated,
            key=lambda each: (
                each != self._caller.account_id,
                each not in written.evaluations or written.evaluations[each].verdict != "NON_COMPLIANT",
                each,
            ),
        )
        looked = failing[:MOST_INSIDE]
        parameters = deployment.parameters_of(stack)
        outputs = {each.get("OutputKey", ""): each.get("OutputValue", "") for each in stack.get("Outputs", [])}
        organization = bool(found.organization_id)
        alarms = aws.seen(lambda: self._alarms(stack))
        packs = aws.seen(lambda: self._reader.with_compliance(self._reader.packs(found), found)) if organization else {}
        return Observed(
            deployment=found,
            now=self._caller.time,
            created=stack["CreationTime"],
            evaluated=evaluated,
            targets={each.account_id: found.target_above(each.unit_ids) for each in listed},
            remediates=found.remediates,
            function_arn=outputs.get("FunctionArn", ""),
            alarm_topic=bool(parameters.get("AlarmEmail") or parameters.get("AlarmTopicArn")),
            packs=packs,
            stacks=aws.seen(lambda: self._reader.stack_instances(found)) if organization else {},
            moves=aws.seen(lambda: self._moves(found, listed, role_name)) if found.organizational_unit_ids else (),
            sources=aws.seen(lambda: self._sources(found)) if organization else {},
            results=aws.seen(lambda: self._results(found, looked)),
            journal=written,
            history=history,
            inside=self._inside(found, looked, role_name, remediates=found.remediates),
            counts=aws.seen(lambda: self._counts(outputs)),
            alarms=alarms,
            alarm_actions=() if isinstance(alarms, Unseen) else aws.seen(lambda: self._alarm_actions(alarms)),
            policies=aws.seen(self._policies) if organization else (),
            operation=aws.seen(lambda: self._operation(found)) if organization else None,
            removals=aws.seen(lambda: _executions(self._client("ssm"), REMOVAL, self._since))
            if found.removes_root_credentials
            else (),
        )

    def _client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        return self._clients.make(service)

    @property
    def _since(self) -> datetime:
        return self._caller.time - _BACK

    # --- The deployment ---

    @staticmethod
    def _evaluated(found: Deployment, listed: Iterable[Account]) -> tuple[str, ...]:
        if not found.organization_id:
            return (found.account_id,)
        return tuple(sorted(each.account_id for each in listed if found.evaluates(each)))

    def _results(self, found: Deployment, account_ids: Iterable[str]) -> Mapping[str, list[Result]]:
        if not found.organization_id:
            return {found.account_id: self._reader.own_results(found)}
        listed = self._reader.listed(found, set(account_ids))
        return self._reader.details(found, listed)

    def _sources(self, found: Deployment) -> dict[str, Source]:
        config = self._client("config")
        try:
            return sources_of(config, found.aggregator_name, found.region)
        except config.exceptions.NoSuchConfigurationAggregatorException:
            return {}

    def _counts(self, outputs: Mapping[str, str]) -> Counts:
        cloudwatch, sqs = self._client("cloudwatch"), self._client("sqs")
        function = {"FunctionName": outputs.get("FunctionArn", "").rpartition(":")[2]}
        attribute = "ApproximateNumberOfMessages"
        queue = sqs.get_queue_attributes(QueueUrl=outputs.get("FailedEventsQueueUrl", ""), AttributeNames=[attribute])
        return Counts(
            evaluations=_sum(cloudwatch, _NAMESPACE, "Evaluations", {}, self._caller.time),
            dropped_events=_sum(cloudwatch, "AWS/Lambda", "AsyncEventsDropped", function, self._caller.time),
            undelivered_records=_sum(cloudwatch, "AWS/Lambda", "DestinationDeliveryFailures", function, self._caller.time),
            messages=int(queue["Attributes"][attribute]),
        )

    def _alarms(self, stack: "StackTypeDef") -> tuple[str, ...]:
        pages = self._client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack['StackName']}-")
        return tuple(each["AlarmName"] for page in pages for each in page["MetricAlarms"])

    def _alarm_actions(self, names: Iterable[str]) -> tuple[AlarmAction, ...]:
        history = self._client("cloudwatch").get_paginator("describe_alarm_history")
        return tuple(
            AlarmAction(name, each["Timestamp"], _succeeded(each.get("HistoryData", "{}")), each.get("HistorySummary", ""))
            for name in names
            for page in history.paginate(AlarmName=name, HistoryItemType="Action")
            for each in page["AlarmHistoryItems"]
        )

    def _policies(self) -> tuple[ServiceControlPolicy, ...]:
        organizations = self._client("organizations")
        pages = organizations.get_paginator("list_policies").paginate(Filter="SERVICE_CONTROL_POLICY")
        names = {each["Id"]: each["Name"] for page in pages for each in page["Policies"] if not each["AwsManaged"]}
        with ThreadPoolExecutor(aws.THREADS) as pool:
            contents = pool.map(lambda each: organizations.describe_policy(PolicyId=each)["Policy"]["Content"], names)
            own = [each for each, content in zip(names, contents, strict=True) if EVENTS_ROLE_NAME in content]
            targets = pool.map(
                lambda each: [
                    target["TargetId"]
                    for page in organizations.get_paginator("list_targets_for_policy").paginate(PolicyId=each)
                    for target in page["Targets"]
                ],
                own,
            )
            policies = (ServiceControlPolicy(names[each], each, tuple(found)) for each, found in zip(own, targets, strict=True))
            return tuple(sorted(policies, key=lambda each: each.name))

    def _operation(self, found: Deployment) -> StackSetOperation | None:
        pages = (
            self._client("cloudformation")
            .get_paginator("list_stack_set_operations")
            .paginate(StackSetName=found.stack_set_name, CallAs=found.call_as)
        )
        ended = [each for page in pages for each in page["Summaries"] if each.get("EndTimestamp")]
        latest = max(ended, key=lambda each: each["EndTimestamp"], default=None)
        return StackSetOperation(latest["Status"], latest["EndTimestamp"]) if latest else None

    def _moves(self, found: Deployment, listed: Iterable[Account], role_name: str | None) -> tuple[ChangedTarget, ...] | Unseen:
        """Read which accounts moved from one target of the StackSet to another, or to or from none.

        Only the management account knows.
        If no account is left in a unit, nobody knows what it is below: a move from there counts.
        Source: CloudTrail User Guide, record contents; API model, organizations, MoveAccountRequest.
        """
        if not role_name and found.management_account_id != self._caller.account_id:
            return NOT_LOOKED_INTO
        client = self._clients_of(found.management_account_id, role_name)
        region = TRAIL_REGION.get(self._caller.partition, found.region)
        target_of = {
            unit_id: found.target_above(each.unit_ids[: level + 1])
            for each in listed
            for level, unit_id in enumerate(each.unit_ids)
        }
        moves = []
        for event in _trail(client("cloudtrail", region=region), "EventName", "MoveAccount", self._since):
            asked = event.get("requestParameters") or {}
            source, destination = (target_of.get(str(asked.get(f"{end}ParentId"))) for end in ("source", "destination"))
            if not event.get("errorCode") and (source is None or source != destination):
                moves.append(ChangedTarget(str(asked.get("accountId")), datetime.fromisoformat(event["eventTime"])))
        return tuple(moves)

    # --- Inside accounts ---

    def _inside(
        self, found: Deployment, account_ids: list[str], role_name: str | None, *, remediates: bool
    ) -> dict[str, Inside]:
        """Look into the caller's own account, and, with a role, into the others."""
        looked = [each for each in account_ids if role_name or each == self._caller.account_id]
        with ThreadPoolExecutor(aws.THREADS) as pool:
            inside: dict[str, Inside] = {}
            found_inside = pool.map(lambda each: self._look_into(found, each, role_name, remediates=remediates), looked)
            for account_id, each in zip(looked, found_inside, strict=True):
                inside[account_id] = each
                self._progress("Accounts looked into", len(inside), len(looked))
            return inside

    def _look_into(self, found: Deployment, account_id: str, role_name: str | None, *, remediates: bool) -> Inside:
        client = aws.seen(lambda: self._clients_of(account_id, role_name))
        if isinstance(client, Unseen):
            return Inside(*[client] * len(fields(Inside)))
        return _Account(client, self._caller, found, account_id).look(remediates=remediates)

    def _clients_of(self, account_id: str, role_name: str | None) -> Callable[..., Any]:
        """Return what makes clients with credentials of an account: the caller's own, or those of the role there."""
        if account_id == self._caller.account_id:
            return self._clients.make
        assumed = self._clients.assume(account_id, str(role_name), "root-virtual-mfa-verify")
        return partial(self._clients.make, credentials=assumed)

    # --- The probe ---

    def probe(self, stack_name: str, account_id: str, role_name: str | None) -> list[Verified]:
        """Start the runbooks in an account, and a dry run of the removal, if it is deployed; wait until they have ended.

        Raises CommandError if the account is not evaluated, or is another one and `role_name` is None.
        """
        found = self._reader.deployment(stack_name)
        if found is None:
            raise CommandError(aws.no_stack(stack_name, self._caller))
        if account_id not in self._evaluated(found, self._reader.accounts() if found.organization_id else []):
            message = f"Account {account_id} cannot be probed: the deployment does not evaluate it."
            raise CommandError(message)
        if account_id != self._caller.account_id and not role_name:
            message = f"The probe needs credentials of account {account_id}: name a role there with --role-name."
            raise CommandError(message)
        ssm = self._clients_of(account_id, role_name)("ssm")
        started: list[tuple[str, str, SSMClient, str | Unseen]] = [
            (account_id, NOTIFY, ssm, _started(ssm, NOTIFY, {"AccountId": [account_id]})),
            (account_id, REEVALUATE, ssm, _started(ssm, REEVALUATE, {})),
        ]
        if found.removes_root_credentials:
            own = self._client("ssm")
            dry_run = {"AccountId": [account_id], "DryRun": ["true"]}
            started.append((self._caller.account_id, REMOVAL, own, _started(own, REMOVAL, dry_run)))
        verified = []
        for where, runbook, client, execution in started:
            run = execution if isinstance(execution, Unseen) else self._ended(client, execution)
            verified.append(judge_probe(found, where, runbook, run))
            self._progress("Runbooks that ended", len(verified), len(started))
        return verified

    @staticmethod
    def _ended(ssm: "SSMClient", execution_id: str) -> Execution | Unseen:
        """Wait until an execution has ended, or for ten minutes; read its outcome."""
        for pause in _PAUSES:
            found = aws.seen(lambda: ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"])
            if isinstance(found, Unseen):
                return found
            run = _execution(found, found.get("Outputs", {}))
            if not run.runs:
                break
            time.sleep(pause)
        return run


class _Account:
    """Looks into one account."""

    def __init__(self, client: Callable[..., Any], caller: Caller, found: Deployment, account_id: str) -> None:
        self._make = client
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._now = caller.time
        self._partition = caller.partition
        self._found = found
        self._account_id = account_id

    def _client(self, service: str, region: str | None = None) -> Any:  # noqa: ANN401 - a client of any service
        if (service, region) not in self._clients:
            self._clients[service, region] = self._make(service, region=region)
        return self._clients[service, region]

    def look(self, *, remediates: bool) -> Inside:
        """Read everything about the account that its own credentials show."""
        rules = aws.seen(self._rules)
        own = () if isinstance(rules, Unseen) else rules
        since = self._now - _BACK
        return Inside(
            rules=rules,
            by_rule=rules if isinstance(rules, Unseen) else aws.seen(lambda: self._by_rule(own)),
            by_resource=rules if isinstance(rules, Unseen) else aws.seen(lambda: self._by_resource(own)),
            executions=aws.seen(lambda: _executions(self._client("ssm"), PREFIX, since)),
            documents=aws.seen(self._documents),
            failed_invocations=aws.seen(self._failed_invocations),
            verdict_events=aws.seen(lambda: self._invocations(_VERDICT_RULE, "Invocations")),
            calls=aws.seen(self._calls),
            root_changes=aws.seen(self._root_changes),
            recorder_is_on=aws.seen(self._recorder_is_on),
            password=aws.seen(self._password),
            remediations=aws.seen(lambda: self._remediations(own)) if remediates else (),
        )

    def _rules(self) -> tuple[Rule, ...]:
        config = self._client("config")
        pages = config.get_paginator("describe_config_rules").paginate()
        rules = [each for page in pages for each in page["ConfigRules"] if self._is_own(each["ConfigRuleName"])]
        if not rules:
            return ()
        names = [each["ConfigRuleName"] for each in rules]
        evaluations = config.get_paginator("describe_config_rule_evaluation_status").paginate(ConfigRuleNames=names)
        started = {
            each["ConfigRuleName"]: each.get("FirstEvaluationStarted", False)
            for page in evaluations
            for each in page["ConfigRulesEvaluationStatus"]
        }
        return tuple(
            Rule(
                each["ConfigRuleName"],
                each.get("ConfigRuleArn", ""),
                each.get("CreatedBy", ""),
                each.get("Source", {}).get("SourceIdentifier", ""),
                started.get(each["ConfigRuleName"], False),
            )
            for each in rules
        )

    def _is_own(self, name: str) -> bool:
        if self._found.has_conformance_pack:
            return name.startswith(deployment.PACK_RULE_PREFIX)
        return name == deployment.RULE_NAME

    def _by_rule(self, rules: Iterable[Rule]) -> tuple[Result, ...]:
        pages = self._client("config").get_paginator("get_compliance_details_by_config_rule")
        results = (
            reading.latest(
                rule.name,
                self._account_id,
                (each for page in pages.paginate(ConfigRuleName=rule.name) for each in page["EvaluationResults"]),
            )
            for rule in rules
        )
        return tuple(result for result in results if result.compliance)

    def _by_resource(self, rules: Iterable[Rule]) -> tuple[Result, ...]:
        pages = self._client("config").get_paginator("get_compliance_details_by_resource")
        found = [
            each
            for page in pages.paginate(ResourceType=_ACCOUNT_TYPE, ResourceId=self._account_id)
            for each in page["EvaluationResults"]
        ]
        names = {rule.name for rule in rules}
        qualifiers = ((each["EvaluationResultIdentifier"]["EvaluationResultQualifier"], each) for each in found)
        return tuple(
            Result(qualifier["ConfigRuleName"], each["ComplianceType"])
            for qualifier, each in qualifiers
            if qualifier["ConfigRuleName"] in names
        )

    def _documents(self) -> dict[str, str]:
        ssm = self._client("ssm")
        documents = {}
        for name in (NOTIFY, REEVALUATE):
            try:
                documents[name] = ssm.describe_document(Name=name)["Document"]["Status"]
            except ssm.exceptions.InvalidDocument:
                documents[name] = "missing"
        return documents

    def _failed_invocations(self) -> dict[str, int]:
        names = [
            each["Name"]
            for page in self._client("events").get_paginator("list_rules").paginate(NamePrefix="root-virtual-mfa-")
            for each in page["Rules"]
        ]
        return {name: self._invocations(name, "FailedInvocations") for name in names}

    def _invocations(self, rule_name: str, metric: str) -> int:
        """Read how often EventBridge invoked the targets of a rule. Source: EventBridge User Guide, eb-monitoring.html."""
        return _sum(self._client("cloudwatch"), "AWS/Events", metric, {"RuleName": rule_name}, self._now)

    def _calls(self) -> Calls:
        """Read the last calls of the package's roles, and those that AWS refused.

        One page of each operation: CloudTrail answers two requests a second.
        Sources: CloudTrail User Guide, record contents; API reference, LookupEvents.
        """
        numbers: Counter[str] = Counter()
        refusals = []
        for action in RECORDED_CALLS:
            service, _, operation = action.partition(":")
            region = FORWARDED_REGION if service in _GLOBAL and self._partition == "aws" else None
            for event in self._trail("EventName", operation, region, pages=1):
                by = re.search(r":assumed-role/([^/]+)/", str(event.get("userIdentity", {}).get("arn", "")))
                if by is None or by[1] not in ROLE_NAMES or not str(event.get("eventSource", "")).startswith(f"{service}."):
                    continue
                numbers[by[1]] += 1
                if event.get("errorCode") in DENIED:
                    refusals.append(RefusedCall(by[1], action, f"{event['errorCode']}: {event.get('errorMessage', '')}"))
        return Calls(numbers, tuple(refusals))

    def _root_changes(self) -> tuple[datetime, ...]:
        """Read when root changed its own credentials. AWS records that in us-east-1."""
        region = FORWARDED_REGION if self._partition == "aws" else self._found.region
        return tuple(
            datetime.fromisoformat(event["eventTime"])
            for event in self._trail("Username", "root", region)
            if event.get("eventName") in ROOT_CHANGES
            and not event.get("errorCode")
            and event.get("userIdentity", {}).get("type") == "Root"
        )

    def _trail(self, key: str, value: str, region: str | None = None, pages: int = _MOST_PAGES) -> Iterator[dict[str, Any]]:
        return _trail(self._client("cloudtrail", region or self._found.region), key, value, self._now - _BACK, pages)

    def _recorder_is_on(self) -> bool:
        found = self._client("config").describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
        return any(each.get("recording") for each in found)

    def _password(self) -> RootPassword | None:
        """Compare the summary with the credential report, if somebody had one made within four hours."""
        iam = self._client("iam")
        summary = iam.get_account_summary()["SummaryMap"]
        try:
            report = iam.get_credential_report()["Content"].decode("utf-8")
        except ClientError as error:
            if aws.code_of(error) in _NO_REPORT:
                return None
            raise
        header, *lines = (line.split(",") for line in report.splitlines())
        [root] = [dict(zip(header, line, strict=True)) for line in lines if line[0] == "<root_account>"]
        return RootPassword(summary.get("AccountPasswordPresent") == 1, root["password_enabled"])

    def _remediations(self, rules: Iterable[Rule]) -> tuple[RemediationRun, ...]:
        pages = self._client("config").get_paginator("describe_remediation_execution_status")
        return tuple(
            RemediationRun(
                each["State"], " ".join(step.get("ErrorMessage", "") for step in each.get("StepDetails", [])).strip()
            )
            for rule in rules
            for page in pages.paginate(ConfigRuleName=rule.name)
            for each in page["RemediationExecutionStatuses"]
        )


def _sum(cloudwatch: "CloudWatchClient", namespace: str, name: str, dimensions: Mapping[str, str], now: datetime) -> int:
    """Add up what a metric counts in the last two weeks."""
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - _BACK,
        EndTime=now + timedelta(minutes=1),
        Period=_DAY,
        Statistics=["Sum"],
    )
    return round(sum(point["Sum"] for point in answer["Datapoints"]))


def _trail(
    cloudtrail: Any,  # noqa: ANN401 - boto3's client; its stubs are not installed
    key: str,
    value: str,
    since: datetime,
    pages: int = _MOST_PAGES,
) -> Iterator[dict[str, Any]]:
    """Read events that CloudTrail keeps, the latest first."""
    found = cloudtrail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}], StartTime=since
    )
    for _, page in zip(range(pages), found, strict=False):
        yield from (json.loads(each["CloudTrailEvent"]) for each in page["Events"])


def _executions(ssm: "SSMClient", prefix: str, since: datetime) -> tuple[Execution, ...]:
    """Read the runs of the runbooks whose names begin so, the latest first, with the outputs of the latest of each."""
    pages = ssm.get_paginator("describe_automation_executions").paginate(
        Filters=[
            {"Key": "DocumentNamePrefix", "Values": [prefix]},
            {"Key": "StartTimeAfter", "Values": [f"{since:%Y-%m-%dT%H:%M:%SZ}"]},
        ]
    )
    found: list[AutomationExecutionMetadataTypeDef] = []
    for _, page in zip(range(_MOST_PAGES), pages, strict=False):
        found += page["AutomationExecutionMetadataList"]
    found.sort(key=lambda each: each["ExecutionStartTime"], reverse=True)
    executions, seen = [], set()
    for each in found:
        runbook = each["DocumentName"].rpartition("/")[2]
        outputs: Mapping[str, list[str]] = each.get("Outputs", {})
        if not outputs and runbook not in seen:
            # AWS's reference does not say whether a list of executions has their outputs.
            one = ssm.get_automation_execution(AutomationExecutionId=each["AutomationExecutionId"])["AutomationExecution"]
            outputs = one.get("Outputs", {})
        seen.add(runbook)
        executions.append(_execution(each, outputs))
    return tuple(executions)


def _execution(
    found: "AutomationExecutionMetadataTypeDef | AutomationExecutionTypeDef", outputs: Mapping[str, list[str]]
) -> Execution:
    return Execution(
        # AWS names a document by its name or by its ARN.
        found["DocumentName"].rpartition("/")[2],
        found["AutomationExecutionId"],
        found["AutomationExecutionStatus"],
        found["ExecutionStartTime"],
        found.get("ExecutedBy", ""),
        found.get("FailureMessage", ""),
        {name: " ".join(values) for name, values in outputs.items()},
    )


def _started(ssm: "SSMClient", runbook: str, parameters: Mapping[str, list[str]]) -> str | Unseen:
    """Start a runbook; returns the execution's id. Systems Manager refuses Parameters without any (API model)."""
    given: dict[str, Any] = {"Parameters": parameters} if parameters else {}
    return aws.seen(lambda: ssm.start_automation_execution(DocumentName=runbook, **given)["AutomationExecutionId"])


def _succeeded(history_data: str) -> bool:
    """Tell whether an alarm's action succeeded, by the history's JSON. Source: CloudWatch API reference, AlarmHistoryItem."""
    try:
        state = json.loads(history_data).get("actionState", "Succeeded")
    except ValueError:
        return True
    return bool(state == "Succeeded")
