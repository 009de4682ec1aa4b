"""EventBridge on the local AWS: events of AWS services, the targets that start runbooks and forward, and dead letters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws.client import REGION, LocalAwsClient
from local_aws.events.schedule_expressions import next_time
from tests.local_aws.event_scene import OTHER_REGION, Bus, Queue
from tests.local_aws.scene import Clients, Parameter, allow, clock_time, eventually, metric, noted_events, refusal, rule, trust

OF_ROOT = {"source": ["aws.iam"], "detail": {"userIdentity": {"type": ["Root"]}}}
OURS = {"source": ["tests"]}
TO_EVENTS = trust({"Service": "events.amazonaws.com"})


@pytest.fixture
def bus(local_aws: LocalAwsClient, account_id: str) -> Bus:
    return Bus(local_aws, account_id)


@pytest.fixture
def dead_letters(local_aws: LocalAwsClient, account_id: str) -> Queue:
    queue = Queue(local_aws, account_id, "dead-letters")
    queue.allow_events()
    return queue


def counted(client: Clients, account_id: str, rule_name: str = "example") -> tuple[float, float]:
    """Return EventBridge's metrics of a rule: how often it invoked a target, and how often that failed for good."""
    invocations, failed = (
        metric(client, account_id, "AWS/Events", name, RuleName=rule_name) for name in ("Invocations", "FailedInvocations")
    )
    return invocations, failed


def make_role(client: Clients, account_id: str, trust_policy: str, policy: str = "") -> str:
    iam = client("iam", account_id)
    arn: str = iam.create_role(RoleName="events", AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName="events", PolicyName="target", PolicyDocument=policy)
    return arn


# Events of AWS services


def test_an_event_has_the_envelope_of_aws(local_aws: LocalAwsClient, bus: Bus, account_id: str, client: Clients) -> None:
    queue, sts = bus.collect(OF_ROOT), client("sts", account_id)
    before = clock_time(sts)
    local_aws.change_root_user(account_id, "add-hardware-device")
    [event] = queue.bodies(1)
    assert list(event) == ["version", "id", "source", "account", "time", "region", "resources", "detail-type", "detail"]
    assert (event["version"], event["account"], event["region"], event["resources"]) == ("0", account_id, REGION, [])
    assert before <= datetime.fromisoformat(event["time"]) <= clock_time(sts)


@pytest.mark.parametrize(
    ("detail", "matches"),
    [
        ({"eventName": [{"prefix": "Enable"}]}, True),
        ({"eventName": [{"wildcard": "*MFADevice"}]}, True),
        ({"eventName": [{"wildcard": "*Key"}]}, False),
        ({"errorCode": [{"exists": False}]}, True),
        ({"errorCode": [{"exists": True}]}, False),
        ({"eventName": [{"anything-but": ["CreateAccessKey"]}]}, True),
        ({"eventName": [{"anything-but": {"suffix": "Device"}}]}, False),
        ({"$or": [{"errorCode": [{"exists": True}]}, {"userIdentity": {"type": ["Root"]}}]}, True),
        ({"$or": [{"errorCode": [{"exists": True}]}, {"userIdentity": {"type": ["IAMUser"]}}]}, False),
    ],
)
def test_patterns_are_matched(
    local_aws: LocalAwsClient, bus: Bus, account_id: str, detail: dict[str, Any], *, matches: bool
) -> None:
    every, queue = bus.collect({"source": ["aws.iam"]}, "every"), bus.collect({"source": ["aws.iam"], "detail": detail})
    local_aws.change_root_user(account_id, "add-hardware-device")
    assert len(every.bodies(1)) == 1
    assert len(queue.bodies(int(matches))) == int(matches)


def test_a_disabled_rule_gets_nothing(local_aws: LocalAwsClient, bus: Bus, account_id: str) -> None:
    every, queue = bus.collect(OF_ROOT, "every"), bus.collect(OF_ROOT, "disabled")
    bus.client.disable_rule(Name="disabled")
    local_aws.change_root_user(account_id, "add-hardware-device")
    assert len(every.bodies(1)) == 1
    assert queue.bodies(0) == []


@pytest.mark.parametrize(
    ("principal", "condition", "sent"),
    [
        ("events.amazonaws.com", {"ArnEquals": {"aws:SourceArn": "RULE"}}, True),
        ("events.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}, True),
        ("events.amazonaws.com", {"ArnEquals": {"aws:SourceArn": "RULE-of-others"}}, False),
        ("sns.amazonaws.com", {}, False),
    ],
)
def test_a_queue_gets_what_its_policy_lets_in(  # noqa: PLR0913, PLR0917 - fixtures, and the case
    local_aws: LocalAwsClient,
    client: Clients,
    bus: Bus,
    account_id: str,
    principal: str,
    condition: dict[str, dict[str, str]],
    sent: bool,  # noqa: FBT001 - a parameter
) -> None:
    queue = Queue(local_aws, account_id, "guarded")
    rule_arn = f"arn:aws:events:us-east-1:{account_id}:rule/example"
    condition = json.loads(json.dumps(condition).replace("RULE", rule_arn).replace("ACCOUNT", account_id))
    queue.allow_events(principal, condition)
    bus.send({"source": ["tests"]}, Arn=queue.arn)
    bus.put({"number": 1})
    marker = bus.collect({"source": ["tests"]}, "marker")  # its event comes after the first one was sent, or not
    bus.put({"number": 2})
    marker.bodies(1)
    assert [body["detail"]["number"] for body in queue.bodies(2 if sent else 0)] == ([1, 2] if sent else [])
    assert counted(client, account_id) == (2, 0 if sent else 2)


def test_events_of_aws_services_are_put_by_them_alone(bus: Bus) -> None:
    queue = bus.collect({"source": [{"prefix": ""}]})
    answer = bus.client.put_events(Entries=[{"Source": "aws.iam", "DetailType": "Example", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    bus.put({})
    assert [event["source"] for event in queue.bodies(1)] == ["tests"]


# AWS Config


def put_evaluation(client: Clients, account_id: str, compliance: str, **more: Parameter) -> None:
    """Put an evaluation for the account, with the token of its rule's first run."""
    [event, *_] = eventually(lambda: noted_events(client, account_id))
    evaluation = {
        "ComplianceResourceType": "AWS::::Account",
        "ComplianceResourceId": account_id,
        "ComplianceType": compliance,
        "OrderingTimestamp": datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=UTC),
        **more,
    }
    client("config", account_id).put_evaluations(ResultToken=event["resultToken"], Evaluations=[evaluation])


def test_a_compliance_change_is_an_event(client: Clients, bus: Bus, account_id: str, notes: str) -> None:
    queue = bus.collect({"source": ["aws.config"]})
    config = client("config", account_id)
    config.put_config_rule(ConfigRule=rule(notes, "example"))
    put_evaluation(client, account_id, "NON_COMPLIANT", Annotation="No device.")
    put_evaluation(client, account_id, "NON_COMPLIANT", Annotation="Still no device.")  # no change
    put_evaluation(client, account_id, "COMPLIANT")
    first, second = queue.bodies(2)
    assert (first["detail-type"], first["account"], first["region"]) == ("Config Rules Compliance Change", account_id, REGION)
    [made] = config.describe_config_rules()["ConfigRules"]
    new = first["detail"].pop("newEvaluationResult")
    assert first["detail"].pop("notificationCreationTime").endswith("Z")
    assert first["detail"] == {
        "resourceId": account_id,
        "awsRegion": REGION,
        "awsAccountId": account_id,
        "configRuleName": "example",
        "recordVersion": "1.0",
        "configRuleARN": made["ConfigRuleArn"],
        "messageType": "ComplianceChangeNotification",
        "resourceType": "AWS::::Account",
    }
    assert {new.pop("resultRecordedTime")[-1], new.pop("configRuleInvokedTime")[-1]} == {"Z"}
    qualifier = {"configRuleName": "example", "resourceType": "AWS::::Account", "resourceId": account_id}
    assert new == {
        "evaluationResultIdentifier": {
            "evaluationResultQualifier": {**qualifier, "evaluationMode": "DETECTIVE"},
            "orderingTimestamp": "2026-03-04T05:06:07.890Z",
        },
        "complianceType": "NON_COMPLIANT",
        "annotation": "No device.",
    }
    assert second["detail"]["newEvaluationResult"]["complianceType"] == "COMPLIANT"
    assert "annotation" not in second["detail"]["newEvaluationResult"]
    assert second["detail"]["oldEvaluationResult"]["annotation"] == "Still no device."


def test_a_switch_keeps_the_event_of_a_first_verdict_back(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str, notes: str
) -> None:
    queue = bus.collect({"source": ["aws.config"]})
    client("config", account_id).put_config_rule(ConfigRule=rule(notes, "example"))
    local_aws.switch("no-event-of-first-verdict", on=True)
    try:
        put_evaluation(client, account_id, "NON_COMPLIANT")
        put_evaluation(client, account_id, "COMPLIANT")
    finally:
        local_aws.switch("no-event-of-first-verdict", on=False)
    [event] = queue.bodies(1)
    assert event["detail"]["oldEvaluationResult"]["complianceType"] == "NON_COMPLIANT"


# Runbooks


def runbook(account_id: str, name: str = "Example", version: str = ":$DEFAULT") -> str:
    return f"arn:aws:ssm:{REGION}:{account_id}:automation-definition/{name}{version}"


def start(account_id: str) -> str:
    return allow("ssm:StartAutomationExecution", resource=runbook(account_id))


def test_a_runbook_needs_a_role(bus: Bus, account_id: str) -> None:
    bus.client.put_rule(Name="example", EventPattern=json.dumps(OURS))
    target = {"Id": "target", "Arn": runbook(account_id)}
    code, message = refusal(bus.client.put_targets, Rule="example", Targets=[target])
    assert (code, message) == ("ValidationException", f"RoleArn is required for target {runbook(account_id)}.")


DOCUMENT = {
    "schemaVersion": "0.3",
    "parameters": {"AccountId": {"type": "String"}, "Reason": {"type": "String", "default": "none"}},
    "mainSteps": [
        {"name": "Look", "action": "aws:executeAwsApi", "inputs": {"Service": "sts", "Api": "GetCallerIdentity"}, "isEnd": True}
    ],
}


@pytest.fixture
def document(client: Clients, account_id: str) -> None:
    """Create the runbook that targets start, and the role that it assumes."""
    role = {"RoleName": "runbook", "AssumeRolePolicyDocument": trust({"Service": "ssm.amazonaws.com"})}
    arn = client("iam", account_id).create_role(**role)["Role"]["Arn"]
    content = json.dumps({**DOCUMENT, "assumeRole": arn})
    client("ssm", account_id).create_document(Name="Example", Content=content, DocumentType="Automation", DocumentFormat="JSON")


def start_and_pass(account_id: str) -> str:
    """Make a policy that allows to start the runbook in any version, and to pass its role to Systems Manager."""
    passed = {"StringEquals": {"iam:PassedToService": "ssm.amazonaws.com"}}
    runbooks, role = runbook(account_id, version=":*"), f"arn:aws:iam::{account_id}:role/runbook"
    statements = [
        {"Effect": "Allow", "Action": "ssm:StartAutomationExecution", "Resource": runbooks},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role, "Condition": passed},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def executions(client: Clients, account_id: str, number: int = 1) -> list[dict[str, Any]]:
    """Wait for executions, and return them."""
    ssm = client("ssm", account_id)

    def found() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = ssm.describe_automation_executions()["AutomationExecutionMetadataList"]
        return listed if len(listed) >= number else []

    return [
        ssm.get_automation_execution(AutomationExecutionId=one["AutomationExecutionId"])["AutomationExecution"]
        for one in eventually(found)
    ]


def failed_calls(local_aws: LocalAwsClient, account_id: str) -> list[dict[str, str]]:
    """Return the calls of an account since the last look that met a fault."""
    return [call for call in local_aws.take_calls() if call["fault"] and call["account_id"] == account_id]


@pytest.mark.usefixtures("document")
@pytest.mark.parametrize("version", [":$DEFAULT", ":$LATEST", ":1"])
def test_an_event_starts_a_runbook_as_the_targets_role(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str, version: str
) -> None:
    role = make_role(client, account_id, TO_EVENTS, start_and_pass(account_id))
    transformer = {
        "InputPathsMap": {"account": "$.account", "name": "$.detail.eventName"},
        "InputTemplate": '{"AccountId": [<account>], "Reason": ["<name> of root"]}',
    }
    bus.send(OF_ROOT, Arn=runbook(account_id, version=version), RoleArn=role, InputTransformer=transformer)
    local_aws.change_root_user(account_id, "add-hardware-device")
    [execution] = executions(client, account_id)
    assert (execution["DocumentName"], execution["DocumentVersion"]) == ("Example", "1")
    assert execution["Parameters"] == {"AccountId": [account_id], "Reason": ["EnableMFADevice of root"]}
    assert execution["ExecutedBy"].startswith(f"arn:aws:sts::{account_id}:assumed-role/events/")
    assert eventually(lambda: counted(client, account_id) == (1, 0))


@pytest.mark.usefixtures("document")
def test_a_target_without_a_version_starts_nothing(client: Clients, bus: Bus, account_id: str, dead_letters: Queue) -> None:
    """A user of AWS found so: aws/aws-cli#6994, of 2022."""
    role = make_role(client, account_id, TO_EVENTS, start_and_pass(account_id))
    target = {"Arn": runbook(account_id, version=""), "RoleArn": role, "Input": '{"AccountId": ["1"]}'}
    bus.send(OURS, **target, DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    [error] = dead_letters.errors(1)
    assert error["TARGET_ARN"] == target["Arn"]
    assert client("ssm", account_id).describe_automation_executions()["AutomationExecutionMetadataList"] == []


@pytest.mark.usefixtures("document")
def test_a_role_that_may_not_pass_the_runbooks_starts_nothing(
    client: Clients, bus: Bus, account_id: str, dead_letters: Queue
) -> None:
    role = make_role(client, account_id, TO_EVENTS, start(account_id))
    target = {"Arn": runbook(account_id), "RoleArn": role, "Input": '{"AccountId": ["1"]}'}
    bus.send(OURS, **target, DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    [error] = dead_letters.errors(1)
    assert error["ERROR_CODE"] == "AccessDeniedException"
    assert "iam:PassRole" in error["ERROR_MESSAGE"]


@pytest.mark.usefixtures("document")
def test_a_throttled_start_is_tried_again(local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str) -> None:
    local_aws.add_fault(account_id, "ssm:StartAutomationExecution", "Throttling", times=1)
    local_aws.add_fault(account_id, "ssm:StartAutomationExecution", "ServerError", times=1)
    role = make_role(client, account_id, TO_EVENTS, start_and_pass(account_id))
    bus.send(OURS, Arn=runbook(account_id), RoleArn=role, Input='{"AccountId": ["1"]}')
    bus.put({})
    for _ in range(2):
        assert eventually(lambda: failed_calls(local_aws, account_id))
        local_aws.advance_clock(seconds=2)
    assert [execution["Parameters"]["AccountId"] for execution in executions(client, account_id)] == [["1"]]


@pytest.fixture
def always_throttled(local_aws: LocalAwsClient, account_id: str) -> Iterator[None]:
    local_aws.add_fault(account_id, "ssm:StartAutomationExecution", "Throttling")
    yield
    local_aws.clear_faults()


@pytest.mark.parametrize(
    ("policy", "condition"),
    [({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts"), ({"MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds")],
)
@pytest.mark.usefixtures("always_throttled")
def test_a_start_is_not_tried_for_ever(
    local_aws: LocalAwsClient, client: Clients, dead_letters: Queue, policy: dict[str, int], condition: str
) -> None:
    account_id = dead_letters.account_id
    role = make_role(client, account_id, TO_EVENTS, start(account_id))
    target: dict[str, Any] = {"Arn": runbook(account_id), "RoleArn": role, "Input": "{}", "RetryPolicy": policy}
    bus = Bus(local_aws, account_id)
    bus.send(OURS, **target, DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    assert eventually(lambda: failed_calls(local_aws, account_id))
    local_aws.advance_clock(seconds=60)
    [error] = dead_letters.errors(1)
    assert (error["ERROR_CODE"], error["EXHAUSTED_RETRY_CONDITION"]) == ("ThrottlingException", condition)


@pytest.mark.parametrize(
    "trust_policy",
    [
        trust({"Service": "ssm.amazonaws.com"}),
        trust({"Service": "events.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": "123456789012"}}),
        trust({"Service": "events.amazonaws.com"}, {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/another"}}),
    ],
)
def test_a_role_that_does_not_trust_eventbridge_starts_nothing(
    client: Clients, bus: Bus, account_id: str, dead_letters: Queue, trust_policy: str
) -> None:
    role = make_role(client, account_id, trust_policy, start(account_id))
    bus.send(OURS, Arn=runbook(account_id), RoleArn=role, Input="{}", DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({"number": 1})
    [error] = dead_letters.errors(1)
    # Live, radkawar/stackd, testdata/aws/eventbridge/target_roles.json: code and message.
    assert error == {
        "ERROR_MESSAGE": f"User: events.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: {role}",
        "RULE_ARN": f"arn:aws:events:{REGION}:{account_id}:rule/example",
        "TARGET_ARN": runbook(account_id),
        "ERROR_CODE": "FAILED_TO_ASSUME_ROLE",
        "RETRY_ATTEMPTS": "0",
    }
    assert dead_letters.bodies(1)[0]["detail"] == {"number": 1}


START = "ssm:StartAutomationExecution"


@pytest.mark.parametrize(
    ("action", "resource", "condition"),
    [
        ("ssm:DescribeDocument", "*", {}),
        # A user quotes the message, and that ARN: aws-solutions/automated-security-response-on-aws#29, of 2021.
        (START, "arn:aws:ssm:*:*:document/Example", {}),
        # Live, radkawar/stackd, testdata/aws/eventbridge/target_roles.json: only to assume the role EventBridge sends the keys.
        (START, "*", {"StringLike": {"aws:SourceArn": "*"}}),
        (START, "*", {"StringLike": {"aws:SourceAccount": "*"}}),
    ],
)
def test_a_role_that_may_not_start_it_starts_nothing(  # noqa: PLR0913, PLR0917 - fixtures, and the statement
    client: Clients,
    bus: Bus,
    account_id: str,
    dead_letters: Queue,
    action: str,
    resource: str,
    condition: dict[str, Any],
) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition}
    role = make_role(client, account_id, TO_EVENTS, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    bus.send(OURS, Arn=runbook(account_id), RoleArn=role, Input="{}", DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    [error] = dead_letters.errors(1)
    assert error["ERROR_CODE"] == "AccessDeniedException"
    assert counted(client, account_id) == (1, 1)
    said = error["ERROR_MESSAGE"]
    assert said.startswith(f"User: arn:aws:sts::{account_id}:assumed-role/events/")
    assert f" is not authorized to perform: {START} on resource: {runbook(account_id)}" in said


@pytest.mark.parametrize("text", ["17", "[]", '{"AccountId": "1"}', '{"AccountId": [1]}'])
def test_an_input_that_is_no_object_of_lists_starts_nothing(
    client: Clients, bus: Bus, account_id: str, dead_letters: Queue, text: str
) -> None:
    role = make_role(client, account_id, TO_EVENTS, start(account_id))
    bus.send(OURS, Arn=runbook(account_id), RoleArn=role, Input=text, DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    [error] = dead_letters.errors(1)
    assert error["ERROR_CODE"] == "INVALID_JSON"
    assert text in error["ERROR_MESSAGE"]


def test_a_queue_that_does_not_let_eventbridge_gets_no_dead_letters(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str, dead_letters: Queue
) -> None:
    closed = Queue(local_aws, account_id, "closed")
    role = make_role(client, account_id, TO_EVENTS, start(account_id))
    for queue in (closed, dead_letters):
        name = queue.arn.rpartition(":")[2]
        target = {"Arn": runbook(account_id), "RoleArn": role, "Input": "[]", "DeadLetterConfig": {"Arn": queue.arn}}
        bus.send(OURS, name=name, **target)
    bus.put({})
    assert len(dead_letters.errors(1)) == 1
    assert closed.errors(0) == []


# Input transformers


TRANSFORMED = [
    # live, all of these
    ('{"v": <text>, "n": <number>, "o": <object>}', '{"v": "hello", "n": 42, "o": {"first":"one","second":2}}'),
    ('{"v": "<text> and <number>"}', '{"v": "hello and 42"}'),
    ('{"v": <escaped>}', '{"v": "line\\nslash\\\\tab\\tend"}'),
    ('{"v": <quoted>}', '{"v": "say \\"hello\\""}'),
    ('"text=<text>; object=<object>; array=<array>"', '"text=hello; object={first:one,second:2}; array=[one,two,{x:3}]"'),
    ('"before <missing> after"', '"before  after"'),
    ('{"before":1,"missing":<missing>,"after":2}', '{"before":1,"missing":"","after":2}'),
    ('"before <undefined> after"', '"before <undefined> after"'),
    ('["fixed",<number>]', '["fixed",42]'),
    ('"first <text>"\n"second <text>"', '"first hello"\n"second hello"'),
    ('{"v": <index>, "names": <names>}', '{"v": "two", "names": ["first","second"]}'),
]
NO_JSON = [
    # live, all of these
    ('"prefix <quoted> suffix"', '"prefix say "hello" suffix"'),
    ('{"object":"<object>"}', '{"object":"{"first":"one","second":2}"}'),
    ("[1,<missing>,2]", "[1,,2]"),
    ('{"value":<undefined>}', '{"value":<undefined>}'),
    ("<text>", "hello"),
]
PATHS = {name: f"$.detail.{name}" for name in ("text", "number", "object", "array", "quoted", "escaped", "missing")} | {
    "index": "$.detail.array[1]",
    "names": "$.detail.items[*].name",
}
DETAIL = {
    "text": "hello",
    "number": 42,
    "object": {"first": "one", "second": 2},
    "array": ["one", "two", {"x": 3}],
    "items": [{"name": "first"}, {"name": "second"}],
    "quoted": 'say "hello"',
    "escaped": "line\nslash\\tab\tend",
}


def test_an_input_transformer_makes_what_aws_was_seen_to_make(
    local_aws: LocalAwsClient, bus: Bus, account_id: str, dead_letters: Queue
) -> None:
    queue = Queue(local_aws, account_id, "transformed")
    queue.allow_events()
    target = {"Arn": queue.arn, "DeadLetterConfig": {"Arn": dead_letters.arn}}
    for number, (template, _) in enumerate([*TRANSFORMED, *NO_JSON]):
        transformer = {"InputTemplate": template, "InputPathsMap": PATHS}
        bus.send(OURS, name=f"transform-{number}", **target, InputTransformer=transformer)
    bus.put(DETAIL)
    assert sorted(queue.texts(len(TRANSFORMED))) == sorted(expected for _, expected in TRANSFORMED)
    assert sorted(dead_letters.texts(len(NO_JSON))) == sorted(expected for _, expected in NO_JSON)
    wrong = {(error["ERROR_CODE"], error["ERROR_MESSAGE"]) for error in dead_letters.errors(len(NO_JSON))}
    assert wrong == {("INVALID_JSON", "Invalid input for target.")}


def test_a_transformer_has_the_rule_the_event_and_the_time_of_the_clock(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str
) -> None:
    queue, sts = Queue(local_aws, account_id, "transformed"), client("sts", account_id)
    queue.allow_events()
    names = ("rule-name", "rule-arn", "event.ingestion-time", "event", "event.json")
    template = "{" + ", ".join(f'"{name}": <aws.events.{name}>' for name in names) + "}"
    local_aws.advance_clock(seconds=3600)
    bus.send(OURS, Arn=queue.arn, InputTransformer={"InputTemplate": template})
    before = clock_time(sts)
    bus.put({"number": 1})
    [body] = queue.bodies(1)
    assert (body["rule-name"], body["rule-arn"]) == ("example", f"arn:aws:events:{REGION}:{account_id}:rule/example")
    assert (body["event.json"]["detail"], "detail" in body["event"]) == ({"number": 1}, False)
    put, received = (datetime.fromisoformat(each) for each in (body["event.json"]["time"], body["event.ingestion-time"]))
    assert before <= put <= received < clock_time(sts) + timedelta(seconds=1)


# Schedules


def scheduled(local_aws: LocalAwsClient, bus: Bus, account_id: str, expression: str, **rule: str) -> Queue:
    """Make a rule with a schedule, and return the queue that it sends to."""
    queue = Queue(local_aws, account_id, "scheduled")
    queue.allow_events()
    bus.client.put_rule(Name="scheduled", ScheduleExpression=expression, **rule)
    bus.client.put_targets(Rule="scheduled", Targets=[{"Id": "queue", "Arn": queue.arn}])
    return queue


def test_a_rate_fires_when_the_clock_has_passed_it(local_aws: LocalAwsClient, bus: Bus, account_id: str) -> None:
    queue = scheduled(local_aws, bus, account_id, "rate(1 day)")
    local_aws.advance_clock(seconds=23 * 3600)
    local_aws.settle()
    assert queue.bodies(0) == []
    local_aws.advance_clock(seconds=3600)
    local_aws.settle()
    [event] = queue.bodies(1)
    arn = f"arn:aws:events:{REGION}:{account_id}:rule/scheduled"
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert (event["account"], event["region"], event["resources"]) == (account_id, REGION, [arn])
    local_aws.advance_clock(seconds=3 * 24 * 3600)  # the clock passes three times: one event, of the first
    local_aws.settle()
    local_aws.advance_clock(seconds=24 * 3600)
    times = [datetime.fromisoformat(event["time"]) for event in queue.bodies(3)]
    days = [round((time - times[0]).total_seconds() / 3600 / 24, 3) for time in times]
    assert days == [0, 1, 4]


def test_a_cron_fires_at_its_minute(local_aws: LocalAwsClient, bus: Bus, account_id: str) -> None:
    queue = scheduled(local_aws, bus, account_id, "cron(17 4 ? * MON-FRI *)")
    for _ in range(8):
        local_aws.advance_clock(seconds=12 * 3600)
        local_aws.settle()
    times = [datetime.fromisoformat(event["time"]) for event in queue.bodies(2)]
    assert {(time.hour, time.minute, time.second) for time in times} == {(4, 17, 0)}
    assert {time.isoweekday() for time in times} <= {1, 2, 3, 4, 5}
    assert len({time.date() for time in times}) == len(times)


def test_a_schedule_fires_while_it_is_enabled_and_there(local_aws: LocalAwsClient, bus: Bus, account_id: str) -> None:
    queue = scheduled(local_aws, bus, account_id, "rate(1 hour)", State="DISABLED")
    every = bus.collect({"source": ["aws.events"]}, "every")
    local_aws.advance_clock(seconds=3600)
    bus.client.enable_rule(Name="scheduled")
    local_aws.advance_clock(seconds=3600)
    assert len(queue.bodies(1)) == 1
    bus.client.put_rule(Name="scheduled", ScheduleExpression="rate(5 hours)")  # it is another schedule from now on
    local_aws.advance_clock(seconds=3600)
    local_aws.settle()
    assert len(queue.bodies(1)) == 1
    local_aws.advance_clock(seconds=4 * 3600)
    assert len(queue.bodies(2)) == 2
    bus.client.remove_targets(Rule="scheduled", Ids=["queue"])
    bus.client.delete_rule(Name="scheduled")
    local_aws.advance_clock(seconds=5 * 3600)
    local_aws.settle()
    assert [len(each.bodies(2)) for each in (queue, every)] == [2, 2]


def test_a_rule_with_a_schedule_and_a_pattern_that_matches_it_fires_once(
    local_aws: LocalAwsClient, bus: Bus, account_id: str
) -> None:
    queue = scheduled(
        local_aws, bus, account_id, "rate(1 minute)", EventPattern=json.dumps({"source": ["aws.events", "tests"]})
    )
    local_aws.advance_clock(seconds=60)
    local_aws.settle()
    bus.put({})
    assert [event["source"] for event in queue.bodies(2)] == ["aws.events", "tests"]


@pytest.mark.usefixtures("document")
def test_a_schedule_starts_a_runbook_in_a_stack(local_aws: LocalAwsClient, client: Clients, account_id: str) -> None:
    role = make_role(client, account_id, TO_EVENTS, start_and_pass(account_id))
    target = {"Id": "runbook", "Arn": runbook(account_id), "RoleArn": role, "Input": '{"AccountId": ["1"]}'}
    properties = {"Name": "example", "ScheduleExpression": "rate(1 day)", "Targets": [target]}
    body = json.dumps({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}}})
    assert create_stack(client, account_id, body)[0] == "CREATE_COMPLETE"
    local_aws.advance_clock(seconds=24 * 3600)
    assert [execution["Parameters"]["AccountId"] for execution in executions(client, account_id)] == [["1"]]


# When cron expressions fire


TUESDAY = datetime(2026, 9, 15, 22, 32, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "time"),
    [
        # live, at 22:33 of that Tuesday
        *(
            (f"cron({fields})", "2026-09-15 22:33")
            for fields in (
                "33 22 * * ? *",
                "33/0 22 * * ? *",
                "33/61 22 * * ? *",
                "33 22 15W * ? *",
                "33 22 1-31W * ? *",
                "33 22 ? * TUE#3 *",
                "33 22 L-15 * ? *",
            )
        ),
        ("cron(33 22 16 * ? *)", "2026-09-16 22:33"),
        ("cron(32 22 * * ? *)", "2026-09-16 22:32"),
        ("cron(0 0 ? * L *)", "2026-09-19 00:00"),
        ("cron(0 0 ? * FRIL *)", "2026-09-25 00:00"),
        ("cron(0 0 LW 1 ? *)", "2027-01-29 00:00"),
        ("cron(0 0 1W 8 ? *)", "2027-08-02 00:00"),
        ("cron(0 0 31W * ? *)", "2026-10-30 00:00"),
        ("cron(0/30 20-2 ? * MON-FRI *)", "2026-09-15 23:00"),
        ("cron(0 0 1 NOV-FEB ? 2028)", "2028-01-01 00:00"),
        ("cron(0 0 29 FEB ? *)", "2028-02-29 00:00"),
        ("cron(0 0 31 FEB ? *)", None),
        ("rate(5 minutes)", "2026-09-15 22:33"),
    ],
)
def test_when_a_schedule_fires(expression: str, time: str | None) -> None:
    found = next_time(expression, datetime(2026, 9, 15, 20, 3, tzinfo=UTC), TUESDAY)
    assert (f"{found:%Y-%m-%d %H:%M}" if found else None) == time


# Other buses


def test_an_event_is_forwarded_to_another_region_as_it_is(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str
) -> None:
    there = f"arn:aws:events:{OTHER_REGION}:{account_id}:event-bus/default"
    role = make_role(client, account_id, TO_EVENTS, allow("events:PutEvents", resource=there))
    bus.send(OF_ROOT, Arn=there, RoleArn=role)
    here, elsewhere = bus.collect(OF_ROOT, "here"), Bus(local_aws, account_id, OTHER_REGION).collect(OF_ROOT)
    local_aws.change_root_user(account_id, "add-hardware-device")
    [original], [forwarded] = here.bodies(1), elsewhere.bodies(1)
    assert forwarded == original
    assert (forwarded["account"], forwarded["region"]) == (account_id, REGION)


def test_an_event_is_not_forwarded_by_a_role_that_may_not(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str, dead_letters: Queue
) -> None:
    there = f"arn:aws:events:{OTHER_REGION}:{account_id}:event-bus/default"
    here = f"arn:aws:events:{REGION}:{account_id}:event-bus/default"
    role = make_role(client, account_id, TO_EVENTS, allow("events:PutEvents", resource=here))
    bus.send(OF_ROOT, Arn=there, RoleArn=role, DeadLetterConfig={"Arn": dead_letters.arn})
    elsewhere = Bus(local_aws, account_id, OTHER_REGION).collect(OF_ROOT)
    local_aws.change_root_user(account_id, "add-hardware-device")
    [error] = dead_letters.errors(1)
    assert error["ERROR_CODE"] == "NO_PERMISSIONS"
    assert error["ERROR_MESSAGE"] == f"{role} is not authorized to perform: events:PutEvents on resource: {there}"
    assert elsewhere.bodies(0) == []


def test_an_event_goes_to_no_third_bus(local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str) -> None:
    """Two Regions that forward to each other do so once."""
    here, there = (f"arn:aws:events:{region}:{account_id}:event-bus/default" for region in (REGION, OTHER_REGION))
    role = make_role(client, account_id, TO_EVENTS, allow("events:PutEvents"))
    other = Bus(local_aws, account_id, OTHER_REGION)
    dead_letters = Queue(local_aws, account_id, "dead-letters", OTHER_REGION)
    dead_letters.allow_events()
    bus.send(OURS, Arn=there, RoleArn=role)
    other.send(OURS, Arn=here, RoleArn=role, DeadLetterConfig={"Arn": dead_letters.arn})
    queue = bus.collect(OURS)
    bus.put({})
    [error] = dead_letters.errors(1)
    assert "is not routed to a third one" in error["ERROR_MESSAGE"]
    assert len(queue.bodies(1)) == 1


def test_an_event_is_forwarded_to_a_bus_beside_it(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str
) -> None:
    arn = bus.client.create_event_bus(Name="beside")["EventBusArn"]
    queue = Queue(local_aws, account_id, "beside")
    queue.allow_events()
    bus.client.put_rule(Name="beside", EventBusName="beside", EventPattern=json.dumps(OURS))
    bus.client.put_targets(Rule="beside", EventBusName="beside", Targets=[{"Id": "queue", "Arn": queue.arn}])
    role = make_role(client, account_id, TO_EVENTS, allow("events:PutEvents", resource=arn))
    bus.send(OURS, Arn=arn, RoleArn=role)
    bus.put({"number": 1})
    assert [event["detail"] for event in queue.bodies(1)] == [{"number": 1}]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"Arn": f"arn:aws:events:{OTHER_REGION}:123456789012:event-bus/default"}, "INVALID_PARAMETER"),
        ({"Arn": "arn:aws:events:eu-central-1:{}:event-bus/none"}, "RESOURCE_NOT_FOUND"),
        ({"Arn": "arn:aws:events:eu-central-1:{}:event-bus/default", "Input": "{}"}, "INVALID_PARAMETER"),
    ],
)
def test_what_can_not_be_forwarded_is_a_dead_letter(
    client: Clients, bus: Bus, dead_letters: Queue, target: dict[str, str], code: str
) -> None:
    account_id = dead_letters.account_id
    role = make_role(client, account_id, TO_EVENTS, allow("events:PutEvents"))
    arn = target["Arn"].format(account_id)
    bus.send(OURS, **{**target, "Arn": arn}, RoleArn=role, DeadLetterConfig={"Arn": dead_letters.arn})
    bus.put({})
    assert [error["ERROR_CODE"] for error in dead_letters.errors(1)] == [code]


# AWS::Events::Rule


def rule_template(targets: list[dict[str, Any]], pattern: object) -> str:
    properties = {"Name": "example", "EventPattern": pattern, "Targets": targets}
    return json.dumps({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}}})


def create_stack(client: Clients, account_id: str, body: str) -> tuple[str, str]:
    """Create a stack, and return its last status with the reason for it."""
    stacks = client("cloudformation", account_id)
    stacks.create_stack(StackName="rules", TemplateBody=body, OnFailure="DO_NOTHING")

    def events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stacks.describe_stack_events(StackName="rules")["StackEvents"]
        ended = [event for event in found if event["ResourceStatus"] in {"CREATE_COMPLETE", "CREATE_FAILED"}]
        return ended if any(event["ResourceType"] == "AWS::CloudFormation::Stack" for event in ended) else []

    rules = [event for event in eventually(events) if event["ResourceType"] == "AWS::Events::Rule"]
    return rules[0]["ResourceStatus"], rules[0].get("ResourceStatusReason", "")


def test_a_rule_of_a_stack_has_its_targets(
    local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str, dead_letters: Queue
) -> None:
    role = make_role(client, account_id, trust({"Service": "ssm.amazonaws.com"}))
    target = {
        "Id": "runbook",
        "Arn": runbook(account_id),
        "RoleArn": role,
        "Input": '{"AccountId": ["1"]}',
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
        "DeadLetterConfig": {"Arn": dead_letters.arn},
    }
    status, _ = create_stack(client, account_id, rule_template([target], OF_ROOT))
    assert status == "CREATE_COMPLETE"
    assert bus.client.list_targets_by_rule(Rule="example")["Targets"] == [target]
    local_aws.change_root_user(account_id, "add-hardware-device")
    assert [error["ERROR_CODE"] for error in dead_letters.errors(1)] == ["FAILED_TO_ASSUME_ROLE"]


@pytest.mark.parametrize(
    ("pattern", "target", "says"),
    [
        ({"source": "aws.iam"}, {}, "InvalidEventPatternException"),
        ({"source": [{"suffix-of": "x"}]}, {}, "InvalidEventPatternException"),
        (OURS, {"RoleArn": None}, "RoleArn is required for target"),
        (OURS, {"Arn": "no ARN"}, "ValidationException"),
    ],
)
def test_a_rule_that_eventbridge_refuses_fails_its_stack(
    client: Clients, account_id: str, pattern: object, target: dict[str, Any], says: str
) -> None:
    good = {"Id": "runbook", "Arn": runbook(account_id), "RoleArn": f"arn:aws:iam::{account_id}:role/events"}
    bad = {name: value for name, value in {**good, **target}.items() if value is not None}
    status, reason = create_stack(client, account_id, rule_template([bad], pattern))
    assert status == "CREATE_FAILED"
    assert says in reason
    assert client("events", account_id).list_rules()["Rules"] == []


def test_times_of_events_are_the_clocks(local_aws: LocalAwsClient, client: Clients, bus: Bus, account_id: str) -> None:
    queue, sts = bus.collect({"source": ["tests", "aws.iam"]}), client("sts", account_id)
    local_aws.change_root_user(account_id, "add-hardware-device")
    [first] = queue.bodies(1)
    local_aws.advance_clock(seconds=3600)
    before = clock_time(sts)
    bus.put({})
    local_aws.change_root_user(account_id, "add-hardware-device")
    for event in queue.bodies(3)[1:]:
        assert before <= datetime.fromisoformat(event["time"]) <= clock_time(sts)
        assert datetime.fromisoformat(event["time"]) - datetime.fromisoformat(first["time"]) >= timedelta(hours=1)
