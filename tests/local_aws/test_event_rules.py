"""EventBridge's own operations on the local AWS: buses, rules, targets, events and tags.

"Live" names a capture of what real AWS answered in September 2026: radkawar/stackd, testdata/aws/eventbridge.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from tests.local_aws.event_scene import OTHER_REGION, Bus, Queue, regional
from tests.local_aws.scene import Client, Clients, Parameter, refusal, trust
from tests.local_aws.stack_scene import Stack

PATTERN = '{"source":["tests"]}'
NO_RULE = ("ResourceNotFoundException", "Rule missing does not exist on EventBus default.")
NO_BUS = ("ResourceNotFoundException", "Event bus missing does not exist.")
BAD_TOKEN = ("ValidationException", "Parameter NextToken is not valid.")
OF_MODEL = "1 validation error detected: "
BROKEN = "failed to satisfy constraint: Member must "
LENGTH_1 = f"{BROKEN}have length greater than or equal to 1"
VALUE_1 = f"{BROKEN}have value greater than or equal to 1"


def queue_arn(account_id: str, name: str = "queue") -> str:
    return f"arn:aws:sqs:us-east-1:{account_id}:{name}"


@pytest.fixture
def events(client: Clients, account_id: str) -> Client:
    """Return a client of an account that has a rule "example" with the target "one"."""
    made: Client = client("events", account_id)
    made.put_rule(Name="example", EventPattern=PATTERN)
    made.put_targets(Rule="example", Targets=[{"Id": "one", "Arn": queue_arn(account_id)}])
    return made


# What is refused


@pytest.mark.parametrize(
    ("operation", "params", "error"),
    [
        # Live, target_lookup.json, deleted-beta-absent, for the rule; control_plane.json for the bus.
        ("describe_rule", {"Name": "missing"}, NO_RULE),
        ("enable_rule", {"Name": "missing"}, NO_RULE),
        ("disable_rule", {"Name": "missing"}, NO_RULE),
        ("list_targets_by_rule", {"Rule": "missing"}, NO_RULE),
        ("put_targets", {"Rule": "missing", "Targets": [{"Id": "one", "Arn": "arn:aws:sqs:::queue"}]}, NO_RULE),
        ("remove_targets", {"Rule": "missing", "Ids": ["one"]}, NO_RULE),
        ("describe_event_bus", {"Name": "missing"}, NO_BUS),
        ("put_rule", {"Name": "example", "EventPattern": PATTERN, "EventBusName": "missing"}, NO_BUS),
        ("delete_rule", {"Name": "example", "EventBusName": "missing"}, NO_BUS),
        ("list_rules", {"EventBusName": "missing"}, NO_BUS),
        ("list_rule_names_by_target", {"TargetArn": "arn:aws:sqs:::queue", "EventBusName": "missing"}, NO_BUS),
        # Live, in control_plane.json.
        ("delete_rule", {"Name": "example"}, ("ValidationException", "Rule can't be deleted since it has targets.")),
        # Live, in target_lookup.json.
        ("list_rule_names_by_target", {"TargetArn": "arn:aws:sqs:::queue", "NextToken": "not-a-native-token"}, BAD_TOKEN),
        ("list_rules", {"NextToken": "not-a-native-token"}, BAD_TOKEN),
        ("list_targets_by_rule", {"Rule": "example", "NextToken": "not-a-native-token"}, BAD_TOKEN),
        ("list_event_buses", {"NextToken": "not-a-native-token"}, BAD_TOKEN),
        (
            "list_rule_names_by_target",
            {"TargetArn": "not-an-arn"},
            ("ValidationException", "Parameter not-an-arn is not valid. Reason: Provided Arn is not in correct format."),
        ),
        (
            "list_rule_names_by_target",
            {"TargetArn": "arn:aws:sqs:::queue", "Limit": 0, "NextToken": ""},
            (
                "ValidationException",
                f"2 validation errors detected: Value '' at 'nextToken' {LENGTH_1}; Value '0' at 'limit' {VALUE_1}",
            ),
        ),
        (
            "list_rule_names_by_target",
            {"TargetArn": "arn:aws:sqs:::queue", "Limit": 101},
            (
                "ValidationException",
                f"{OF_MODEL}Value '101' at 'limit' {BROKEN}have value less than or equal to 100",
            ),
        ),
        (
            "list_rule_names_by_target",
            {},
            (
                "ValidationException",
                f"{OF_MODEL}Value null at 'targetArn' {BROKEN}not be null",
            ),
        ),
        # Live (LocalStack's tests against AWS): the next three.
        (
            "put_rule",
            {"Name": "other"},
            ("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ),
        (
            "put_events",
            {"Entries": []},
            (
                "ValidationException",
                f"{OF_MODEL}Value '[]' at 'entries' {LENGTH_1}",
            ),
        ),
        (
            "test_event_pattern",
            {"EventPattern": PATTERN, "Event": "{"},
            ("ValidationException", "Parameter Event is not valid."),
        ),
        # Page: no other event is a whole one.
        (
            "test_event_pattern",
            {"EventPattern": PATTERN, "Event": '{"source": "tests"}'},
            ("ValidationException", "Parameter Event is not valid."),
        ),
        (
            "list_tags_for_resource",
            {"ResourceARN": "arn:aws:events:us-east-1:ACCOUNT:rule/missing"},
            ("ResourceNotFoundException", "EventBridge resource"),
        ),
    ],
)
def test_a_bad_request_is_refused(
    events: Client, account_id: str, operation: str, params: dict[str, Any], error: tuple[str, str]
) -> None:
    params = json.loads(json.dumps(params).replace("ACCOUNT", account_id))
    code, message = refusal(getattr(events, operation), **params)
    assert code == error[0]
    assert message.startswith(error[1])
    assert [target["Id"] for target in events.list_targets_by_rule(Rule="example")["Targets"]] == ["one"]


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        # Live: inputs.json, and a measurement of PutTargets (cdk-preflight, September 2026) for the second.
        ({"Input": "not-json"}, "ValidationException", "JSON syntax error in input for target two: "),
        (
            {"Input": "{}", "InputPath": "$.detail"},
            "ValidationException",
            "Only one of Input, InputPath, or InputTransformer must be provided for target two.",
        ),
        # Live, in target_roles.json.
        (
            {"Arn": "arn:aws:logs:us-east-1:1:log-group:x", "RoleArn": "arn:aws:iam::1:role/x"},
            "ValidationException",
            "RoleArn is not supported for target arn:aws:logs:us-east-1:1:log-group:x.",
        ),
        ({"Arn": "not-an-arn"}, "ValidationException", "Parameter not-an-arn is not valid. Reason: Provided Arn is not in"),
        # Users quote it, for the document of a runbook: aws/aws-sdk-js#2360 and hashicorp/terraform-provider-aws#6461, of 2018.
        (
            {"Arn": "arn:aws:ssm:us-east-1:1:document/Example", "RoleArn": "arn:aws:iam::1:role/x"},
            "ValidationException",
            "Parameter RunCommandParameters is not valid for target two.",
        ),
    ],
)
def test_a_bad_target_is_refused_with_all_others(
    events: Client, account_id: str, target: dict[str, str], code: str, message: str
) -> None:
    good, bad = {"Id": "good", "Arn": queue_arn(account_id)}, {"Id": "two", "Arn": queue_arn(account_id), **target}
    said = refusal(events.put_targets, Rule="example", Targets=[good, bad])
    assert (said[0], said[1][: len(message)]) == (code, message)
    assert [each["Id"] for each in events.list_targets_by_rule(Rule="example")["Targets"]] == ["one"]


def test_a_rule_has_five_targets_at_most(events: Client, account_id: str) -> None:
    more = [{"Id": str(number), "Arn": queue_arn(account_id)} for number in range(5)]
    assert refusal(events.put_targets, Rule="example", Targets=more)[0] == "LimitExceededException"
    assert events.put_targets(Rule="example", Targets=more[1:])["FailedEntries"] == []


@pytest.mark.parametrize("pattern", ['{"source":[{"unknown":"x"}]}', '{"source":"tests"}', "{", '{"source":[]}', "{}"])
def test_a_bad_pattern_leaves_the_rule_as_it_was(events: Client, pattern: str) -> None:
    """Live: control_plane.json, invalid-update."""
    code, message = refusal(events.put_rule, Name="example", EventPattern=pattern)
    assert (code, message.partition(" Reason: ")[0]) == ("InvalidEventPatternException", "Event pattern is not valid.")
    assert events.describe_rule(Name="example")["EventPattern"] == PATTERN
    assert refusal(events.test_event_pattern, EventPattern=pattern, Event="{}")[0] == "InvalidEventPatternException"


# Rules


def test_a_rule_is_shown_as_it_was_put(events: Client, account_id: str) -> None:
    """Live: control_plane.json. A list does not say who created a rule."""
    arn = f"arn:aws:events:us-east-1:{account_id}:rule/other"
    put = {"Name": "other", "EventPattern": PATTERN, "State": "DISABLED", "Description": "first"}
    assert without_metadata(events.put_rule(**put, Tags=[{"Key": "owner", "Value": "rule"}])) == {"RuleArn": arn}
    shown = {**put, "Arn": arn, "EventBusName": "default"}
    assert without_metadata(events.describe_rule(Name="other")) == {**shown, "CreatedBy": account_id}
    assert events.list_rules(NamePrefix="oth")["Rules"] == [shown]


def test_a_rule_is_replaced_as_a_whole_but_for_its_targets_and_tags(events: Client, account_id: str) -> None:
    """Live: control_plane.json, replace-rule."""
    put = {"Name": "other", "EventPattern": PATTERN, "State": "DISABLED", "Description": "first"}
    arn = events.put_rule(**put, Tags=[{"Key": "owner", "Value": "rule"}])["RuleArn"]
    events.put_targets(Rule="other", Targets=[{"Id": "one", "Arn": queue_arn(account_id), "Input": "null"}])
    events.put_rule(Name="other", EventPattern=PATTERN, Tags=[{"Key": "owner", "Value": "ignored"}])
    now = events.describe_rule(Name="other")
    assert (now["State"], "Description" in now) == ("ENABLED", False)
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "owner", "Value": "rule"}]
    assert [target["Input"] for target in events.list_targets_by_rule(Rule="other")["Targets"]] == ["null"]


def test_a_rule_can_be_switched_off_and_deleted(events: Client) -> None:
    """Live: control_plane.json. To delete a rule that is not there succeeds, and so does an id that is not there."""
    events.disable_rule(Name="example")
    assert events.describe_rule(Name="example")["State"] == "DISABLED"
    events.enable_rule(Name="example")
    assert events.describe_rule(Name="example")["State"] == "ENABLED"
    assert events.remove_targets(Rule="example", Ids=["unknown"])["FailedEntryCount"] == 0
    events.remove_targets(Rule="example", Ids=["one"])
    events.delete_rule(Name="example")
    events.delete_rule(Name="example")
    assert events.list_rules()["Rules"] == []


def test_a_state_that_is_not_emulated_is_refused(events: Client) -> None:
    state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    code, message = refusal(events.put_rule, Name="example", EventPattern=PATTERN, State=state)
    assert (code, state in message) == ("ValidationException", True)


def test_the_role_of_a_rule_has_to_trust_eventbridge(events: Client, client: Clients, account_id: str) -> None:
    """Live: target_roles.json. PutTargets looks at no role."""
    iam = client("iam", account_id)
    trusted = iam.create_role(RoleName="trusted", AssumeRolePolicyDocument=trust({"Service": "events.amazonaws.com"}))
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    missing = f"arn:aws:iam::{account_id}:role/missing"
    for role in (other["Role"]["Arn"], missing, "role"):
        said = refusal(events.put_rule, Name="example", EventPattern=PATTERN, RoleArn=role)
        assert said == (
            "ValidationException",
            f"Provided role '{role}' cannot be assumed by principal 'events.amazonaws.com'.",
        )
    assert "RoleArn" not in events.describe_rule(Name="example")
    events.put_rule(Name="example", EventPattern=PATTERN, RoleArn=trusted["Role"]["Arn"])
    target = {"Id": "one", "Arn": queue_arn(account_id), "RoleArn": missing}
    assert events.put_targets(Rule="example", Targets=[target])["FailedEntryCount"] == 0


VALID = """
cron(0 12 * * ? *)|cron(5,35 14 * * ? *)|cron(0-30/10 8-17 ? * MON-FRI *)|cron(1/10 * * * ? *)|cron(*/15 * * * ? *)
cron(0/30 20-2 ? * MON-FRI *)|cron(50-10/5 * * * ? *)|cron(0 0 1 NOV-FEB ? *)|cron(0 0 ? * FRI-MON *)|cron(0 0 28-3 * ? *)
cron(0 0 ? JAN,FEB,MAR MON,WED,FRI *)|cron(0 0 ? * 1,7 *)|cron(0 0 L * ? *)|cron(0 0 ? * L *)|cron(0 0 ? * 6L *)
cron(0 0 ? * FRIL *)|cron(0 0 L-3 * ? *)|cron(0 0 3W * ? *)|cron(0 0 LW * ? *)|cron(0 0 1-5W * ? *)|cron(0 0 ? * 3#2 *)
cron(0 0 ? * MON#5 *)|cron(0 0 1 1 ? 1969)|cron(0 0 1 1 ? 2200)|cron(0 0 1 1 ? 2027,2028-2032/2)|cron(0 0 31 FEB ? *)
cron(0/0 * * * ? *)|cron(0/60 * * * ? *)|cron(0 0 ? jan mon *)
rate(1 minute)|rate(2 minutes)|rate(1 hour)|rate(2 hours)|rate(1 day)|rate(2 days)
"""
INVALID = """
cron(0 0 ? * MON#6 *)|cron(0 0 ? * MON#0 *)|cron(0 0 ? * 3#1,6#3 *)|cron(0 0 1 1 ? 2030-2027)|cron(0 12 * * ?)
cron(0 0 12 * * ? *)|cron(60 0 * * ? *)|cron(0 24 * * ? *)|cron(0 0 0 * ? *)|cron(0 0 32 * ? *)|cron(0 0 1 0 ? *)
cron(0 0 1 13 ? *)|cron(0 0 ? * 0 *)|cron(0 0 ? * 8 *)|cron(? 0 * * ? *)|cron(0 0 ? * ? *)|cron(0 0 * * * *)
cron(0 0 1 * MON *)|CRON(0 0 * * ? *)|cron(0  0 * * ? *)|cron(0\t0 * * ? *)|cron( 0 0 * * ? * )
cron (0 0 * * ? *)|rate(0 minutes)|rate(-1 minute)|rate(1.5 minutes)|rate(1 minutes)|rate(2 minute)|rate(60 seconds)
rate(1 week)|rate(1 MINUTE)|RATE(1 minute)|rate(1  minute)|rate(1\tminute)|rate( 1 minute )|rate (1 minute)
at(2028-01-01T00:00:00)
"""


def test_schedule_expressions_are_taken_as_aws_takes_them(events: Client) -> None:
    """Live: scheduled_rules.json."""
    valid, invalid = (text.strip("\n").replace("\n", "|").split("|") for text in (VALID, INVALID))
    invalid += [f" {valid[0]} ", f" {valid[-1]} "]
    wrong = {"ValidationException: Parameter ScheduleExpression is not valid."}
    for number, expression in enumerate(valid):
        events.put_rule(Name=f"schedule-{number}", ScheduleExpression=expression, State="DISABLED")
    refused = {expression: refusal(events.put_rule, Name="bad", ScheduleExpression=expression) for expression in invalid}
    assert {": ".join(said) for said in refused.values()} == wrong
    assert events.list_rules(NamePrefix="bad")["Rules"] == []


def test_a_schedule_is_for_the_default_bus(events: Client) -> None:
    """Live (LocalStack's tests against AWS). A rule may have both a schedule and a pattern: scheduled_rules.json."""
    events.create_event_bus(Name="other")
    said = refusal(events.put_rule, Name="daily", ScheduleExpression="rate(1 day)", EventBusName="other")
    assert said == ("ValidationException", "ScheduleExpression is supported only on the default event bus.")
    events.put_rule(Name="daily", ScheduleExpression="rate(1 day)", EventPattern=PATTERN, EventBusName="default")
    assert events.describe_rule(Name="daily")["ScheduleExpression"] == "rate(1 day)"


# Pages


def test_lists_have_pages(events: Client, account_id: str) -> None:
    """Live: target_lookup.json. The limit may change from page to page; the last page has no token."""
    for name in ("zeta", "alpha", "mu"):
        events.put_rule(Name=name, EventPattern=PATTERN)
        targets = [{"Id": each, "Arn": queue_arn(account_id)} for each in ("one", "two", "three", "four")]
        events.put_targets(Rule=name, Targets=targets)
        events.create_event_bus(Name=name)
    arn = queue_arn(account_id)
    names = ["alpha", "example", "mu", "zeta"]
    assert pages(events.list_rules, "Rules", "Name") == names
    assert pages(events.list_event_buses, "EventBuses", "Name") == ["alpha", "default", "mu", "zeta"]
    assert pages(events.list_targets_by_rule, "Targets", "Id", Rule="mu") == ["one", "two", "three", "four"]
    assert pages(events.list_rule_names_by_target, "RuleNames", None, TargetArn=arn) == names


def pages(operation: Callable[..., dict[str, Any]], member: str, key: str | None, **params: Parameter) -> list[str]:
    """Return what a list has, of which the first page is one long and the second the rest."""
    first = operation(Limit=1, **params)
    assert len(first[member]) == 1
    second = operation(Limit=100, NextToken=first["NextToken"], **params)
    assert "NextToken" not in second
    return [each[key] if key else each for each in [*first[member], *second[member]]]


def test_rules_are_found_by_the_target(events: Client, account_id: str) -> None:
    """Live: target_lookup.json. Each rule is there once, a disabled one too; a bus stands for itself by name or ARN."""
    events.put_targets(Rule="example", Targets=[{"Id": "twice", "Arn": queue_arn(account_id)}])
    events.disable_rule(Name="example")
    bus = f"arn:aws:events:us-east-1:{account_id}:event-bus/default"
    for where in ({}, {"EventBusName": "default"}, {"EventBusName": bus}):
        assert events.list_rule_names_by_target(TargetArn=queue_arn(account_id), **where)["RuleNames"] == ["example"]
    assert events.list_rule_names_by_target(TargetArn=queue_arn(account_id, "other"))["RuleNames"] == []
    events.remove_targets(Rule="example", Ids=["one", "twice"])
    assert events.list_rule_names_by_target(TargetArn=queue_arn(account_id))["RuleNames"] == []


def test_each_region_has_rules_of_its_own(local_aws: LocalAwsClient, events: Client, account_id: str) -> None:
    elsewhere = regional(local_aws, "events", account_id, OTHER_REGION)
    assert elsewhere.list_rules()["Rules"] == []
    assert refusal(elsewhere.describe_rule, Name="example")[0] == "ResourceNotFoundException"
    assert events.describe_rule(Name="example")["Name"] == "example"


# Buses and tags


def test_a_bus_is_made_shown_and_deleted(events: Client, account_id: str) -> None:
    """Live: control_plane.json. To delete a bus that is not there succeeds."""
    arn = f"arn:aws:events:us-east-1:{account_id}:event-bus/other"
    made = events.create_event_bus(Name="other", Description="capture", Tags=[{"Key": "owner", "Value": "test"}])
    assert without_metadata(made) == {"EventBusArn": arn, "Description": "capture"}
    already = ("ResourceAlreadyExistsException", "Event bus other already exists.")
    assert refusal(events.create_event_bus, Name="other") == already
    shown = without_metadata(events.describe_event_bus(Name="other"))
    assert events.list_event_buses(NamePrefix="oth")["EventBuses"] == [shown]
    assert (shown["Arn"], shown["Description"], shown["CreationTime"]) == (arn, "capture", shown["LastModifiedTime"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "owner", "Value": "test"}]
    events.put_rule(Name="of-other", EventPattern=PATTERN, EventBusName=arn)
    has_rules = ("ValidationException", "EventBus can't be deleted since it has rules.")
    assert refusal(events.delete_event_bus, Name="other") == has_rules
    events.delete_rule(Name="of-other", EventBusName="other")
    for _ in range(2):
        events.delete_event_bus(Name="other")
    assert refusal(events.delete_event_bus, Name="default")[0] == "ValidationException"
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]


@pytest.mark.parametrize("member", [{"EventSourceName": "aws.partner/x/y"}, {"KmsKeyIdentifier": "key"}])
def test_a_bus_that_is_not_emulated_is_refused(events: Client, member: dict[str, str]) -> None:
    [name] = member
    code, message = refusal(events.create_event_bus, Name="other", **member)
    assert (code, message) == ("OperationDisabledException", f"The local AWS does not emulate {name} of an event bus.")


def test_tags_are_added_and_removed(events: Client) -> None:
    """Live: control_plane.json. A key that is not there is no error."""
    arn = events.describe_rule(Name="example")["Arn"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "owner", "Value": "a"}, {"Key": "second", "Value": "b"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["owner", "absent"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "second", "Value": "b"}]


# Events


def test_each_event_succeeds_or_fails_by_itself(events: Client) -> None:
    """Live: control_plane.json, partial-events, for the first four. An event for a bus that is not there is lost."""
    good = {"Source": "tests", "DetailType": "control", "Detail": "{}"}
    entries = [
        good,
        {**good, "Detail": "{"},
        {**good, "EventBusName": "missing"},
        {**good, "Source": "aws.iam"},
        {**good, "Detail": "[]"},
        {"Source": "tests", "DetailType": "control"},
    ]
    answer = events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 4
    assert [entry.get("ErrorCode", "") for entry in answer["Entries"]] == [
        "",
        "MalformedDetail",
        "",
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        "InvalidArgument",
    ]
    assert answer["Entries"][1]["ErrorMessage"] == "Detail is malformed."
    assert answer["Entries"][5]["ErrorMessage"] == "Parameter Detail is not valid. Reason: Detail is a required argument."
    assert all(("EventId" in entry) != ("ErrorCode" in entry) for entry in answer["Entries"])


def test_what_fails_reaches_no_target_and_the_time_of_an_event_is_its_own(local_aws: LocalAwsClient, account_id: str) -> None:
    bus = Bus(local_aws, account_id)
    queue: Queue = bus.collect({"source": ["tests"]})
    good = {
        "Source": "tests",
        "DetailType": "control",
        "Detail": '{"number": 2}',
        "Time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    bus.client.put_events(Entries=[{**good, "Detail": "number 1"}, good])
    [event] = queue.bodies(1)
    assert (event["detail"], event["time"]) == ({"number": 2}, "2026-01-02T03:04:05Z")


def test_events_for_buses_elsewhere_are_refused(events: Client) -> None:
    entry = {"Source": "tests", "DetailType": "control", "Detail": "{}"}
    bus = "arn:aws:events:us-east-1:999999999999:event-bus/default"
    assert refusal(events.put_events, Entries=[{**entry, "EventBusName": bus}])[0] == "ValidationException"


def test_a_pattern_can_be_tried(events: Client, account_id: str) -> None:
    event = {
        "id": "1",
        "account": account_id,
        "source": "tests",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail-type": "Example",
    }
    for source, result in (("tests", True), ("other", False)):
        assert (
            events.test_event_pattern(EventPattern=PATTERN, Event=json.dumps({**event, "source": source}))["Result"] is result
        )


# AWS::Events::Rule


def test_a_rule_of_a_stack_is_changed_moved_and_deleted(client: Clients, account_id: str) -> None:
    """Numbers and Booleans of a template may be texts."""
    events, stack = client("events", account_id), Stack(client, account_id)
    events.create_event_bus(Name="other")

    def rule(*targets: dict[str, Any], **properties: Parameter) -> dict[str, Any]:
        return {"Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": "example", "Targets": targets, **properties}}}

    first = {"Id": "one", "Arn": queue_arn(account_id), "RetryPolicy": {"MaximumRetryAttempts": "3"}}
    second = {"Id": "two", "Arn": queue_arn(account_id)}
    tags = [{"Key": "owner", "Value": "stack"}]
    stack.create(
        rule(first, second, ScheduleExpression="rate(1 day)", Tags=tags, State="DISABLED"),
        Arn={"Fn::GetAtt": ["Rule", "Arn"]},
        Name={"Ref": "Rule"},
    )
    arn = f"arn:aws:events:us-east-1:{account_id}:rule/example"
    assert stack.outputs == {"Arn": arn, "Name": "example"}
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    [one, two] = events.list_targets_by_rule(Rule="example")["Targets"]
    assert (one["RetryPolicy"], two) == ({"MaximumRetryAttempts": 3}, second)
    stack.update(rule(second, EventPattern={"source": ["tests"]}, Tags=[{"Key": "other", "Value": "stack"}]))
    changed = events.describe_rule(Name="example")
    assert (changed["State"], json.loads(changed["EventPattern"])) == ("ENABLED", {"source": ["tests"]})
    assert "ScheduleExpression" not in changed
    assert events.list_targets_by_rule(Rule="example")["Targets"] == [second]
    assert [tag["Key"] for tag in events.list_tags_for_resource(ResourceARN=arn)["Tags"]] == ["other"]
    stack.update(rule(second, EventPattern={"source": ["tests"]}, EventBusName="other"))
    assert events.list_rules()["Rules"] == []
    assert events.list_targets_by_rule(Rule="example", EventBusName="other")["Targets"] == [second]
    stack.delete()
    assert events.list_rules(EventBusName="other")["Rules"] == []


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}
