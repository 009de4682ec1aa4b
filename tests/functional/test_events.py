"""The payloads of events/, and any other event: each gives a result, or one of our exceptions."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdklib import InvalidParametersError

from periodic_rule.errors import EvaluationError, InvalidEventError
from tests.functional.fake_aws import MEMBER_ACCOUNT, OWN_ACCOUNT, SECRET, WITHOUT_MFA, FakeAws, with_virtual_device
from tests.functional.invocation import EVENTS, RESULT_TOKEN, handle, load_event, scheduled_event

ALL = sorted(path.stem for path in EVENTS.glob("*.json"))
REFUSED = [name for name in ALL if name.startswith("refused-")]
README = (EVENTS / "README.md").read_text(encoding="utf-8")


def test_there_are_events_of_each_kind() -> None:
    assert {*ALL} - {*REFUSED} == {"scheduled-own-account", "scheduled-member-account", "scheduled-member-stack-set"}
    assert len(REFUSED) >= 3


@pytest.mark.parametrize(
    ("name", "account_id"),
    [
        ("scheduled-own-account", OWN_ACCOUNT),
        ("scheduled-member-account", MEMBER_ACCOUNT),
        ("scheduled-member-stack-set", MEMBER_ACCOUNT),
    ],
)
def test_scheduled_event_is_evaluated_in_test_mode(aws: FakeAws, name: str, account_id: str) -> None:
    aws.root_users[account_id] = with_virtual_device(account_id)
    [reported] = handle(load_event(name))
    assert (reported["ComplianceResourceId"], reported["ComplianceType"]) == (account_id, "COMPLIANT")
    [report] = aws.reported
    assert report["TestMode"] is True


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("refused-configuration-change", "invokingEvent.messageType is 'ConfigurationItemChangeNotification'"),
        ("refused-oversized", "invokingEvent.messageType is 'OversizedConfigurationItemChangeNotification'"),
        ("refused-malformed", "invokingEvent is a text of 84 characters;"),
    ],
)
def test_scenario_8_refused_event_names_the_field_and_costs_no_call(aws: FakeAws, name: str, field: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        handle(load_event(name))
    assert str(caught.value).startswith(f"Invalid event: {field}")
    assert aws.requests == []


def test_scenario_8_verdict_of_a_time_to_come_is_not_reported(aws: FakeAws) -> None:
    """AWS Config keeps the result with the latest time, so this one would outlast all others until then."""
    with pytest.raises(InvalidEventError, match=r"notificationCreationTime is '2099-.*; allowed is a time at most"):
        handle(scheduled_event(created="2099-01-01T00:00:00Z"))
    assert aws.requests == []


def test_own_accounts_event_is_for_the_account_that_sam_local_says() -> None:
    # `sam local invoke` gives every function this account, whichever credentials it has.
    assert load_event("scheduled-own-account")["accountId"] == "012345678912"


@pytest.mark.parametrize("name", REFUSED)
def test_readme_says_what_comes_out_of_a_refused_event(name: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        handle(load_event(name))
    assert f"InvalidEventError: {caught.value}" in README


@pytest.mark.parametrize("name", ALL)
def test_readme_lists_every_event(name: str) -> None:
    assert f"`{name}.json`" in README


# Any event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
right = scheduled_event()
invoking_events = st.fixed_dictionaries(
    {name: st.just(value) | json_values for name, value in json.loads(right["invokingEvent"]).items()}
)
rule_parameters = st.dictionaries(
    st.sampled_from(["minimumVirtualMfaDevices", "nonVirtualMfa", "noRootCredentials", "ExecutionRoleName", "Other"]),
    st.sampled_from(["1", "COMPLIANT", "NON_COMPLIANT", "evaluation"]) | json_values,
)
nearly_events = st.fixed_dictionaries(
    {"resultToken": st.just(RESULT_TOKEN)},
    optional={
        "accountId": st.just(OWN_ACCOUNT) | json_values,
        "configRuleArn": st.just(right["configRuleArn"]) | json_values,
        "invokingEvent": st.just(right["invokingEvent"]) | invoking_events.map(json.dumps) | json_values,
        "ruleParameters": rule_parameters.map(json.dumps) | json_values,
    },
)
valid_but_for_parameters = st.builds(lambda parameters: right | {"ruleParameters": json.dumps(parameters)}, rule_parameters)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=json_values | nearly_events | valid_but_for_parameters)
def test_any_event_gives_a_result_or_one_of_our_exceptions(aws: FakeAws, event: object) -> None:
    # All examples share the fixture: a warm environment, in which one event leaves nothing to the next.
    aws.root_users[OWN_ACCOUNT] = WITHOUT_MFA
    aws.requests.clear()
    try:
        [reported] = handle(event)
    except (EvaluationError, InvalidParametersError) as error:
        assert SECRET not in str(error)  # noqa: PT017 - most events are refused, but some are not
        assert aws.reported == []
    else:
        assert (reported["ComplianceResourceId"], reported["ComplianceType"]) == (OWN_ACCOUNT, "NON_COMPLIANT")
        assert len(aws.reported) == 1
