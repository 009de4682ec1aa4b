"""Scenario 8 of the rule's header: which events the rule accepts, and what it says about the others."""

import json
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periodic_rule.errors import InvalidEventError
from periodic_rule.event import ScheduledNotification

LoadEvent = Callable[[str], dict[str, Any]]

OWN = "scheduled-own-account"
MEMBER = "scheduled-member-account"
MISSING = object()
CLOCK = datetime.fromisoformat("2026-01-15T06:05:00Z")
NOW = CLOCK.timestamp()


def nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


def changed(event: dict[str, Any], field: str, value: object) -> dict[str, Any]:
    """Copy `event` with another value of `field`, or without it. The field may be one within invokingEvent."""
    outer, _, inner = field.partition(".")
    if inner:
        value = json.dumps(changed(json.loads(event[outer]), inner, value))
    return {name: old for name, old in event.items() if name != outer} | ({} if value is MISSING else {outer: value})


def refusal(event: object) -> str:
    with pytest.raises(InvalidEventError) as caught:
        ScheduledNotification.from_event(event, NOW)
    return str(caught.value)


# Accepted events


def test_scheduled_notification_of_the_own_account(load_event: LoadEvent) -> None:
    assert ScheduledNotification.from_event(load_event(OWN), NOW) == ScheduledNotification(
        account_id="012345678912",
        partition="aws",
        region="us-east-1",
        rule_arn="arn:aws:config:us-east-1:012345678912:config-rule/config-rule-a1b2c3",
        rule_owner="account",
        rule_name="root-virtual-mfa-enabled",
        result_token="TESTMODE",  # noqa: S106 - rdklib's word, not a secret
        ordering_timestamp="2026-01-15T06:00:00.373Z",
        rule_parameters={
            "minimumVirtualMfaDevices": "1",
            "nonVirtualMfa": "NON_COMPLIANT",
            "noRootCredentials": "COMPLIANT",
        },
    )


def test_scheduled_notification_of_a_member_account(load_event: LoadEvent) -> None:
    notification = ScheduledNotification.from_event(load_event(MEMBER), NOW)
    assert notification.account_id == "444455556666"
    assert notification.rule_owner == "config-conforms.amazonaws.com"
    assert notification.rule_name == "root-virtual-mfa-enabled-conformance-pack-q1w2e3r4t"
    assert notification.ordering_timestamp == "2026-01-15T06:03:12.918Z"
    assert notification.rule_parameters["ExecutionRoleName"] == "root-virtual-mfa-evaluation"


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "us-east-1"),
        ("aws", "ap-southeast-5"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ],
)
def test_partition_and_region_come_from_the_rule(load_event: LoadEvent, partition: str, region: str) -> None:
    arn = f"arn:{partition}:config:{region}:012345678912:config-rule/config-rule-a1b2c3"
    notification = ScheduledNotification.from_event(changed(load_event(OWN), "configRuleArn", arn), NOW)
    assert (notification.partition, notification.region) == (partition, region)


@pytest.mark.parametrize(
    ("rule_parameters", "parsed"),
    [
        pytest.param(MISSING, {}, id="absent"),
        pytest.param("{}", {}, id="none in it"),
        pytest.param('{"nonVirtualMfa":""}', {"nonVirtualMfa": ""}, id="empty value, for parameters.py to judge"),
    ],
)
def test_rule_parameters(load_event: LoadEvent, rule_parameters: object, parsed: dict[str, str]) -> None:
    event = changed(load_event(OWN), "ruleParameters", rule_parameters)
    assert ScheduledNotification.from_event(event, NOW).rule_parameters == parsed


@pytest.mark.parametrize("time", ["2026-01-15T06:00:00Z", "2026-01-15T06:00:00.373+00:00", "2026-01-15T07:00:00+01:00"])
def test_ordering_timestamp_is_kept_as_it_was_written(load_event: LoadEvent, time: str) -> None:
    event = changed(load_event(OWN), "invokingEvent.notificationCreationTime", time)
    assert ScheduledNotification.from_event(event, NOW).ordering_timestamp == time


@pytest.mark.parametrize(
    "field",
    [
        "version",
        "eventLeftScope",
        "executionRoleArn",
        "configRuleId",
        "invokingEvent.recordVersion",
    ],
)
@pytest.mark.parametrize("value", [MISSING, None, ["?"], "another"], ids=["missing", "null", "list", "other"])
def test_field_that_nothing_depends_on(load_event: LoadEvent, field: str, value: object) -> None:
    event = load_event(OWN)
    assert ScheduledNotification.from_event(changed(event, field, value), NOW) == ScheduledNotification.from_event(event, NOW)


@pytest.mark.parametrize(
    ("rule", "owner"),
    [
        ("config-rule-a1b2c3", "account"),
        ("aws-service-rule/config-conforms.amazonaws.com/config-rule-a1b2c3", "config-conforms.amazonaws.com"),
        ("aws-service-rule/securityhub.amazonaws.com/config-rule-a1b2c3", "securityhub.amazonaws.com"),
        ("config-rule/aws-service-rule/config-conforms.amazonaws.com/x", "account"),
        ("aws-service-rule//x", "account"),
        ("aws-service-rule/config-conforms.amazonaws.com", "account"),
    ],
)
def test_owner_of_the_rule_comes_from_its_arn(load_event: LoadEvent, rule: str, owner: str) -> None:
    event = changed(load_event(OWN), "configRuleArn", f"arn:aws:config:us-east-1:012345678912:config-rule/{rule}")
    assert ScheduledNotification.from_event(event, NOW).rule_owner == owner


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param(MISSING, None, id="missing"),
        pytest.param(None, None, id="null"),
        pytest.param("n" * 128, "n" * 128, id="the longest"),
        pytest.param('a "rule"', 'a "rule"', id="any characters"),
    ],
)
def test_name_of_the_rule(load_event: LoadEvent, name: object, kept: str | None) -> None:
    assert ScheduledNotification.from_event(changed(load_event(OWN), "configRuleName", name), NOW).rule_name == kept


@pytest.mark.parametrize(("token", "is_test"), [("TESTMODE", True), ("testmode", False), ("another", False)])
def test_a_test_is_told_by_its_token(load_event: LoadEvent, token: str, *, is_test: bool) -> None:
    notification = ScheduledNotification.from_event(changed(load_event(OWN), "resultToken", token), NOW)
    assert notification.is_test is is_test
    assert token not in repr(notification)


def created(load_event: LoadEvent, time: str) -> dict[str, Any]:
    return changed(load_event(OWN), "invokingEvent.notificationCreationTime", time)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", CLOCK.isoformat(), (CLOCK + timedelta(minutes=15)).isoformat()])
def test_time_that_has_come(load_event: LoadEvent, time: str) -> None:
    assert ScheduledNotification.from_event(created(load_event, time), NOW).ordering_timestamp == time


# Refused events

REQUIRED = (
    "invokingEvent",
    "invokingEvent.messageType",
    "invokingEvent.awsAccountId",
    "invokingEvent.notificationCreationTime",
    "accountId",
    "configRuleArn",
    "resultToken",
)


@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(MISSING, id="missing"),
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param(True, id="boolean"),
        pytest.param(111122223333, id="number"),
        pytest.param([], id="empty list"),
        pytest.param(["ScheduledNotification"], id="list"),
        pytest.param({}, id="empty object"),
        pytest.param({"S": "012345678912"}, id="object"),
        pytest.param(nested(50), id="nested"),
    ],
)
def test_scenario_8_required_field(load_event: LoadEvent, field: str, value: object) -> None:
    message = refusal(changed(load_event(OWN), field, value))
    assert message.startswith(f"Invalid event: {field} is ")
    assert "; allowed is " in message
    assert message.endswith(" Nothing was evaluated.")
    assert ("is missing or null;" in message) == (value is MISSING or value is None)


ACCOUNT_ID = "an account id of 12 digits"
RULE_ARN = "the ARN of a Config rule"
JSON_OBJECT = "a JSON object"
SCHEDULED = "ScheduledNotification, since the rule is periodic"
TIME = "a time in ISO 8601"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        pytest.param("invokingEvent", "not json", JSON_OBJECT, id="invokingEvent-text"),
        pytest.param("invokingEvent", '{"messageType":', JSON_OBJECT, id="invokingEvent-cut off"),
        pytest.param("invokingEvent", "{} {}", JSON_OBJECT, id="invokingEvent-two objects"),
        pytest.param("invokingEvent", "[]", JSON_OBJECT, id="invokingEvent-list"),
        pytest.param("invokingEvent", "null", JSON_OBJECT, id="invokingEvent-null within"),
        pytest.param("invokingEvent", '"{}"', JSON_OBJECT, id="invokingEvent-encoded twice"),
        pytest.param("invokingEvent", "[" * 100_000, JSON_OBJECT, id="invokingEvent-nested without end"),
        pytest.param("invokingEvent", "9" * 5000, JSON_OBJECT, id="invokingEvent-number of 5000 digits"),
        pytest.param("invokingEvent.messageType", "scheduledNotification", SCHEDULED, id="messageType-case"),
        pytest.param("invokingEvent.messageType", "ScheduledNotification ", SCHEDULED, id="messageType-white space"),
        pytest.param(
            "invokingEvent.messageType",
            "ConfigurationItemChangeNotification",
            SCHEDULED,
            id="messageType-change-triggered",
        ),
        pytest.param(
            "invokingEvent.awsAccountId", "444455556666", "accountId (012345678912)", id="awsAccountId-another account"
        ),
        pytest.param("invokingEvent.notificationCreationTime", "yesterday", TIME, id="notificationCreationTime-word"),
        pytest.param("invokingEvent.notificationCreationTime", "1768456800", TIME, id="notificationCreationTime-epoch"),
        pytest.param(
            "invokingEvent.notificationCreationTime", "2026-13-15T06:00:00Z", TIME, id="notificationCreationTime-month"
        ),
        pytest.param(
            "invokingEvent.notificationCreationTime",
            "2026-01-15T06:00:00.373",
            "a time in ISO 8601 with its zone",
            id="notificationCreationTime-without zone",
        ),
        pytest.param("accountId", "11112222333", ACCOUNT_ID, id="accountId-eleven digits"),
        pytest.param("accountId", "0123456789124", ACCOUNT_ID, id="accountId-thirteen digits"),
        pytest.param("accountId", "1111-2222-3333", ACCOUNT_ID, id="accountId-hyphens"),
        pytest.param("accountId", "012345678912\n", ACCOUNT_ID, id="accountId-line break"),
        pytest.param("accountId", "\u0661" * 12, ACCOUNT_ID, id="accountId-Arabic digits"),
        pytest.param("configRuleArn", "config-rule-a1b2c3", RULE_ARN, id="configRuleArn-id"),
        pytest.param("configRuleArn", "arn:aws:config:us-east-1:012345678912:config-rule/", RULE_ARN, id="configRuleArn-no id"),
        pytest.param("configRuleArn", "arn:aws:config::012345678912:config-rule/x", RULE_ARN, id="configRuleArn-no Region"),
        pytest.param(
            "configRuleArn", "arn:aws:config:-:012345678912:config-rule/x", RULE_ARN, id="configRuleArn-hyphen as Region"
        ),
        pytest.param(
            "configRuleArn",
            f"arn:aws:config:{'a' * 64}:012345678912:config-rule/x",
            RULE_ARN,
            id="configRuleArn-Region too long for a host name",
        ),
        pytest.param(
            "configRuleArn",
            "arn:aws:config:us-east-1.example.com/:012345678912:config-rule/x",
            RULE_ARN,
            id="configRuleArn-host name as Region",
        ),
        pytest.param(
            "configRuleArn", "arn:gcp:config:us-east-1:012345678912:config-rule/x", RULE_ARN, id="configRuleArn-partition"
        ),
        pytest.param("configRuleArn", "arn:aws:iam:us-east-1:012345678912:config-rule/x", RULE_ARN, id="configRuleArn-service"),
        pytest.param(
            "configRuleArn",
            "arn:aws:config:us-east-1:444455556666:config-rule/config-rule-a1b2c3",
            "an ARN in the account of accountId (012345678912)",
            id="configRuleArn-another account",
        ),
        *(
            pytest.param(
                "invokingEvent.notificationCreationTime",
                time,
                "a time at most 15 minutes ahead of the function's clock",
                id=f"notificationCreationTime-{why}",
            )
            for time, why in [
                ((CLOCK + timedelta(minutes=15, seconds=1)).isoformat(), "still to come"),
                ("2099-01-01T00:00:00Z", "year 2099"),
                ("2026-01-15T06:05:00-01:00", "still to come in its zone"),
            ]
        ),
        pytest.param("configRuleName", "", "a string that is not empty", id="configRuleName-empty"),
        pytest.param("configRuleName", 1, "a string that is not empty", id="configRuleName-number"),
        pytest.param("configRuleName", ["name"], "a string that is not empty", id="configRuleName-list"),
        pytest.param("configRuleName", "n" * 129, "a string of at most 128 characters", id="configRuleName-too long"),
        pytest.param("ruleParameters", None, "a string that is not empty", id="ruleParameters-null"),
        pytest.param("ruleParameters", "", "a string that is not empty", id="ruleParameters-empty"),
        pytest.param(
            "ruleParameters", {"nonVirtualMfa": "COMPLIANT"}, "a string that is not empty", id="ruleParameters-object"
        ),
        pytest.param("ruleParameters", "null", JSON_OBJECT, id="ruleParameters-null within"),
        pytest.param("ruleParameters", '["nonVirtualMfa"]', JSON_OBJECT, id="ruleParameters-list"),
        pytest.param("ruleParameters", "nonVirtualMfa=COMPLIANT", JSON_OBJECT, id="ruleParameters-text"),
        pytest.param("ruleParameters", "{" * 100_000, JSON_OBJECT, id="ruleParameters-nested without end"),
        pytest.param("ruleParameters.minimumVirtualMfaDevices", 1, "a string", id="ruleParameters-number"),
        pytest.param("ruleParameters.nonVirtualMfa", None, "a string", id="ruleParameters-null as value"),
        pytest.param("ruleParameters.noRootCredentials", ["COMPLIANT"], "a string", id="ruleParameters-list as value"),
        pytest.param("ruleParameters.ExecutionRoleName", {}, "a string", id="ruleParameters-object as value"),
    ],
)
def test_scenario_8_value_that_is_not_allowed(load_event: LoadEvent, field: str, value: object, allowed: str) -> None:
    message = refusal(changed(load_event(OWN), field, value))
    assert message.startswith(f"Invalid event: {field} is ")
    assert message.endswith(f"; allowed is {allowed}. Nothing was evaluated.")


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="empty list"),
        pytest.param("{}", id="text"),
        pytest.param(1, id="number"),
        pytest.param(False, id="boolean"),
        pytest.param(nested(50), id="nested"),
    ],
)
def test_scenario_8_whole_event(event: object) -> None:
    message = refusal(event)
    assert message.startswith("Invalid event: The event itself is ")
    assert message.endswith("; allowed is a JSON object. Nothing was evaluated.")


def test_scenario_8_empty_event() -> None:
    assert refusal({}).startswith("Invalid event: invokingEvent is missing or null;")


@pytest.mark.parametrize("field", ["accountId", "configRuleArn", "invokingEvent", "resultToken", "ruleParameters"])
def test_scenario_8_a_value_nested_too_deep_to_be_shown(load_event: LoadEvent, field: str) -> None:
    assert refusal(changed(load_event(OWN), field, nested(50_000))).startswith(f"Invalid event: {field} is ")


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        pytest.param("accountId", "12345", "'12345'", id="value in full"),
        pytest.param("accountId", "x" * 48, f"'{'x' * 48}'", id="the longest that is shown"),
        pytest.param("accountId", "x" * 49, "a text of 49 characters", id="longer"),
        pytest.param("configRuleArn", f"arn:aws:iam::{'x' * 60}", f"'arn:aws:iam::{'x' * 60}'", id="ARN"),
        pytest.param("configRuleArn", f"arn:{'x' * 200}", f"'arn:{'x' * 96}'…", id="ARN cut after 100 characters"),
        pytest.param("invokingEvent.messageType", "\u001b[31m", r"'\x1b[31m'", id="escaped"),
    ],
)
def test_message_shows_the_value(load_event: LoadEvent, field: str, value: str, shown: str) -> None:
    assert f"{field} is {shown}; allowed is " in refusal(changed(load_event(OWN), field, value))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("refused-configuration-change", "invokingEvent.messageType is 'ConfigurationItemChangeNotification'"),
        ("refused-oversized", "invokingEvent.messageType is 'OversizedConfigurationItemChangeNotification'"),
        ("refused-malformed", "invokingEvent is a text of 84 characters;"),
    ],
)
def test_scenario_8_real_payloads(load_event: LoadEvent, event: str, said: str) -> None:
    assert said in refusal(load_event(event))


# The result token is a secret

TOKEN = "example-token"  # noqa: S105 - made up


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param([TOKEN], id="list"),
        pytest.param({"token": TOKEN}, id="object"),
        pytest.param({TOKEN: 1}, id="name in an object"),
    ],
)
def test_result_token_of_a_wrong_type_is_not_shown(load_event: LoadEvent, wrapped: object) -> None:
    message = refusal(changed(load_event(OWN), "resultToken", wrapped))
    assert message.startswith("Invalid event: resultToken is ")
    assert TOKEN not in message


@pytest.mark.parametrize(
    "event",
    [
        pytest.param([{"resultToken": TOKEN}], id="event in a list"),
        pytest.param(json.dumps({"resultToken": TOKEN}), id="event encoded twice"),
    ],
)
def test_result_token_of_an_event_that_is_no_object_is_not_shown(event: object) -> None:
    assert TOKEN not in refusal(event)


@pytest.mark.parametrize("field", [field for field in REQUIRED if field != "resultToken"])
def test_result_token_is_not_shown_beside_another_mistake(load_event: LoadEvent, field: str) -> None:
    event = changed(load_event(OWN), "resultToken", TOKEN)
    assert TOKEN not in refusal(changed(event, field, MISSING))


REAL_TOKEN = "eyJlbmNyeXB0ZWREYXRhIjpbLTEyLDEyMCwtOTksNDEsMTIsLTMsODEsLTExNCwt" * 6
"""At least as long as those of AWS Config."""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(pytest.param(field, REAL_TOKEN, id=field) for field in [*REQUIRED, "configRuleName", "ruleParameters"]),
        *(
            pytest.param(field, json.dumps(wrapped), id=f"{field}, {what}")
            for field in ("invokingEvent", "ruleParameters")
            for what, wrapped in {
                "text": REAL_TOKEN,
                "list": [REAL_TOKEN],
                "value": {"messageType": REAL_TOKEN},
                "nested value": {"messageType": {"token": REAL_TOKEN}},
                "name": {REAL_TOKEN: None},
                "name of what is nested": {"nonVirtualMfa": {REAL_TOKEN: "1"}},
            }.items()
        ),
        pytest.param("invokingEvent", f'{{"resultToken": "{REAL_TOKEN}"', id="invokingEvent, cut off"),
        pytest.param("ruleParameters", f'{{"{REAL_TOKEN}": ', id="ruleParameters, cut off"),
    ],
)
def test_result_token_in_the_place_of_another_field_is_not_shown(load_event: LoadEvent, field: str, value: str) -> None:
    event = changed(load_event(OWN), "resultToken", load_event(OWN)["accountId"])
    try:
        notification = ScheduledNotification.from_event(changed(event, field, value), NOW)
    except InvalidEventError as error:
        # With its causes, as a log with format Text shows it.
        assert REAL_TOKEN[:24] not in "".join(traceback.format_exception(error))  # noqa: PT017 - the rule accepts one
    else:
        assert REAL_TOKEN in {notification.result_token, *notification.rule_parameters.values()}


# What holds for any event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
invoking_events = st.fixed_dictionaries(
    {},
    optional={
        "messageType": st.just("ScheduledNotification") | json_values,
        "awsAccountId": st.just("012345678912") | json_values,
        "notificationCreationTime": st.just("2026-01-15T06:00:00.373Z") | json_values,
    },
)
RULE = "arn:aws:config:us-east-1:012345678912:config-rule/config-rule-a1b2c3"
nearly_events = st.fixed_dictionaries(
    {},
    optional={
        "invokingEvent": invoking_events.map(json.dumps) | json_values.map(json.dumps) | json_values,
        "accountId": st.just("012345678912") | json_values,
        "configRuleArn": st.just(RULE) | st.from_regex(r"arn:aws[a-z-]*:config:[a-z0-9-]*:[0-9]*:.*") | json_values,
        "resultToken": st.just(TOKEN) | st.just([TOKEN]),
        "ruleParameters": st.just('{"nonVirtualMfa":"COMPLIANT"}') | json_values.map(json.dumps) | json_values,
    },
)


@given(event=json_values | nearly_events)
def test_scenario_8_any_event_is_accepted_or_refused_and_nothing_else(event: object) -> None:
    try:
        notification = ScheduledNotification.from_event(event, NOW)
    except InvalidEventError as error:
        assert TOKEN not in str(error)  # noqa: PT017 - the rule refuses most events, but not all
    else:
        assert (notification.account_id, notification.result_token) == ("012345678912", TOKEN)


@given(data=st.data(), field=st.sampled_from(REQUIRED))
def test_scenario_8_one_arbitrary_field_is_named(data: st.DataObject, field: str) -> None:
    event = {
        "invokingEvent": json.dumps(
            {
                "messageType": "ScheduledNotification",
                "awsAccountId": "012345678912",
                "notificationCreationTime": "2026-01-15T06:00:00.373Z",
            }
        ),
        "accountId": "012345678912",
        "configRuleArn": RULE,
        "resultToken": TOKEN,
    }
    value = data.draw(json_values.filter(lambda drawn: not isinstance(drawn, str)))
    assert refusal(changed(event, field, value)).startswith(f"Invalid event: {field} is ")
