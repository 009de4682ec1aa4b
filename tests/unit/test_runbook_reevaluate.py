"""The script of RootVirtualMfa-Reevaluate."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from remediation.config_rule import ATTEMPTS, START_EVALUATION_ACTIONS, WAIT, CallError, NoRuleError, start_evaluation
from tests.fake_aws import FakeAws, RefusalError, paged

CENTRAL, OTHER = "222222222222", "333333333333"
SERVICE_ARN = (
    "arn:aws:config:eu-central-1:333333333333:config-rule/aws-service-rule/config-conforms.amazonaws.com/config-rule-x"
)
BROKEN = "Unable to parse response, invalid JSON received: b'SECRET"
IN_PACK = "root-virtual-mfa-enabled-conformance-pack-a1b2c3d4e"
EVENT = {
    "RuleName": "root-virtual-mfa-enabled",
    "PackRulePrefix": "root-virtual-mfa-enabled-conformance-pack-",
    "CentralAccountId": "",
    "RuleDeployment": "ConformancePack",
    "FunctionArn": "",
}


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws(
        {
            "DescribeConfigRules": paged(
                "ConfigRules", [[{"ConfigRuleName": "other", "Source": {}}], [{"ConfigRuleName": IN_PACK, "Source": {}}]]
            )
        }
    )
    with fake.in_place():
        yield fake
    assert fake.actions <= START_EVALUATION_ACTIONS


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


BUSY = ["LimitExceededException", "ThrottlingException", "ResourceInUseException"]
STARTED = {"ConfigRuleNames": [IN_PACK], "Text": f"Started the evaluation of {IN_PACK}."}
OF_THE_ORGANIZATION = {
    "ConfigRuleName": IN_PACK,
    "Source": {"SourceIdentifier": f"arn:aws:lambda:eu-central-1:{CENTRAL}:function:evaluate"},
    "ConfigRuleArn": SERVICE_ARN,
}


def busy(aws: FakeAws, times: int, code: str = "LimitExceededException") -> None:
    def start(_: Mapping[str, Any]) -> dict[str, Any]:
        if len(aws.called("StartConfigRulesEvaluation")) <= times:
            raise RefusalError(code)
        return {}

    aws.answers["StartConfigRulesEvaluation"] = start


def test_the_rule_is_found_on_the_second_page_and_started(aws: FakeAws, slept: list[float]) -> None:
    busy(aws, 0)
    assert start_evaluation(EVENT, None) == STARTED
    assert aws.called("StartConfigRulesEvaluation") == [{"ConfigRuleNames": [IN_PACK]}]
    assert slept == []


@pytest.mark.parametrize("code", BUSY)
def test_while_config_is_busy_it_is_tried_again(aws: FakeAws, slept: list[float], code: str) -> None:
    busy(aws, 2, code)
    assert start_evaluation(EVENT, None) == STARTED
    assert len(aws.called("StartConfigRulesEvaluation")) == 3
    assert slept == [WAIT, WAIT]
    assert WAIT > 60  # seconds: AWS Config takes a start a minute


@pytest.mark.parametrize("code", BUSY)
def test_in_the_end_it_fails_with_what_config_said(aws: FakeAws, slept: list[float], code: str) -> None:
    busy(aws, ATTEMPTS, code)
    with pytest.raises(CallError, match=code):
        start_evaluation(EVENT, None)
    assert len(aws.called("StartConfigRulesEvaluation")) == ATTEMPTS
    assert sum(slept) < 600 - 120  # of the ten minutes that a script may take, with room for the calls


REFUSED = ["AccessDeniedException", "InvalidParameterValueException", "NoSuchConfigRuleException"]


@pytest.mark.parametrize("code", [*REFUSED, "ValidationException"])
def test_a_refusal_of_the_accounts_own_rule_is_a_failure_and_not_tried_again(
    aws: FakeAws, slept: list[float], code: str
) -> None:
    aws.refuse("StartConfigRulesEvaluation", code)
    with pytest.raises(CallError, match=code):
        start_evaluation(EVENT, None)
    assert slept == []


@pytest.mark.parametrize("code", REFUSED)
def test_a_member_that_may_not_start_the_organizations_rule_says_so_and_is_no_failure(
    aws: FakeAws, slept: list[float], code: str
) -> None:
    aws.answers["DescribeConfigRules"] = paged("ConfigRules", [[OF_THE_ORGANIZATION]])
    aws.refuse("StartConfigRulesEvaluation", code, "An AWS service owns it.")
    said = f"StartConfigRulesEvaluation: {code}: An AWS service owns it."
    assert start_evaluation(EVENT | {"CentralAccountId": CENTRAL}, None) == {
        "ConfigRuleNames": [],
        "Text": f"Not started, since this account may not start {IN_PACK}. The daily evaluation sees the change. {said}",
    }
    assert slept == []


def test_another_error_in_a_member_is_a_failure(aws: FakeAws) -> None:
    aws.answers["DescribeConfigRules"] = paged("ConfigRules", [[OF_THE_ORGANIZATION]])
    aws.refuse("StartConfigRulesEvaluation", "ValidationException")
    with pytest.raises(CallError, match="ValidationException"):
        start_evaluation(EVENT | {"CentralAccountId": CENTRAL}, None)


def test_an_account_without_the_rule_is_told(aws: FakeAws) -> None:
    aws.answers["DescribeConfigRules"] = paged(
        "ConfigRules", [[{"ConfigRuleName": "root-virtual-mfa-enabled-strict", "Source": {}}]]
    )
    with pytest.raises(NoRuleError, match="has no AWS Config rule root-virtual-mfa-enabled"):
        start_evaluation(EVENT, None)


@pytest.mark.parametrize("function_account", [OTHER, CENTRAL])
@pytest.mark.parametrize("signs", [{"CreatedBy": "config-conforms.amazonaws.com"}, {"ConfigRuleArn": SERVICE_ARN}, {}])
def test_in_an_organization_only_its_own_rule_is_started(aws: FakeAws, signs: dict[str, str], function_account: str) -> None:
    found = {
        "ConfigRuleName": IN_PACK,
        "Source": {"SourceIdentifier": f"arn:aws:lambda:eu-central-1:{function_account}:function:evaluate"},
        "ConfigRuleArn": "arn:aws:config:eu-central-1:333333333333:config-rule/config-rule-x",
        **signs,
    }
    aws.answers["DescribeConfigRules"] = paged("ConfigRules", [[found]])
    busy(aws, 0)
    if signs and function_account == CENTRAL:
        assert start_evaluation(EVENT | {"CentralAccountId": CENTRAL}, None) == STARTED
    else:
        with pytest.raises(NoRuleError, match="only the organization's rule counts"):
            start_evaluation(EVENT | {"CentralAccountId": CENTRAL}, None)


def test_no_error_shows_more_of_an_answer_than_its_code_and_first_line(aws: FakeAws) -> None:
    aws.refuse("DescribeConfigRules", "InvalidSignatureException", "It does not match.\nx-amz-security-token:SECRET")
    with pytest.raises(CallError) as raised:
        start_evaluation(EVENT, None)
    assert str(raised.value) == "DescribeConfigRules: InvalidSignatureException: It does not match."
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_no_error_quotes_an_answer(aws: FakeAws) -> None:
    def broken(_: Mapping[str, Any]) -> dict[str, Any]:
        raise ResponseParserError(BROKEN)

    aws.answers["DescribeConfigRules"] = broken
    with pytest.raises(CallError) as raised:
        start_evaluation(EVENT, None)
    assert str(raised.value) == "An answer of AWS could not be parsed. Start the runbook again."
    assert raised.value.__suppress_context__
