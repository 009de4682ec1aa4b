"""What starts the runbooks: the deployed event patterns, against AWS's payloads and near misses."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.clients import boto3_client
from demo.sam import deploy_account
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.conftest import CENTRAL_ACCOUNT_ID

EVENTS = PROJECT / "events/eventbridge"
COMPLIANCE_CHANGE, ROOT_USER_CHANGE = "root-virtual-mfa-compliance-change", "root-virtual-mfa-root-user-change"
OURS = "root-virtual-mfa-enabled"
OF_THE_PAYLOADS = "444455556666"
"""The account of the payloads, in whose place the account comes that the patterns are deployed in."""
ARN = f"arn:aws:config:us-east-1:{OF_THE_PAYLOADS}:config-rule"

Matches = Callable[[str, dict[str, Any]], bool]


def payload(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - anything that JSON can hold
    """Load a payload, with members changed by their path; None takes one out."""
    event: dict[str, Any] = copy.deepcopy(json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8")))
    for path, value in changes.items():
        *parents, last = path.replace("detail_type", "detail-type").split("__")
        target = event
        for parent in parents:
            target = target[parent]
        if value is None:
            del target[last]
        else:
            target[last] = value
    return event


@pytest.fixture(scope="module")
def matches(aws: LocalAwsProcess, unused_accounts: Iterator[str]) -> Matches:
    account_id = next(unused_accounts)
    deploy_account(aws, account_id, CENTRAL_ACCOUNT_ID)
    events = boto3_client(aws, "events", account_id)
    patterns = {name: events.describe_rule(Name=name)["EventPattern"] for name in (COMPLIANCE_CHANGE, ROOT_USER_CHANGE)}

    def test(rule: str, event: dict[str, Any]) -> bool:
        text = json.dumps(event).replace(OF_THE_PAYLOADS, account_id)
        answer: bool = events.test_event_pattern(EventPattern=patterns[rule], Event=text)["Result"]
        return answer

    return test


# --- AWS Config's compliance change starts RootVirtualMfa-Notify ---


@pytest.mark.parametrize("compliance", ["NON_COMPLIANT", "COMPLIANT", "NOT_APPLICABLE"])
@pytest.mark.parametrize("rule", [OURS, f"{OURS}-conformance-pack-a1b2c3d4e"])
def test_a_verdict_of_this_rule_that_changed(matches: Matches, rule: str, compliance: str) -> None:
    changes = {"detail__configRuleName": rule, "detail__newEvaluationResult__complianceType": compliance}
    assert matches(COMPLIANCE_CHANGE, payload("compliance-change", **changes))


def test_the_first_verdict_which_has_none_before(matches: Matches) -> None:
    assert matches(COMPLIANCE_CHANGE, payload("compliance-change", detail__oldEvaluationResult=None))


@pytest.mark.parametrize(
    "annotation", [None, "", "The root user has 2 virtual MFA devices (a+b=c, d@e.f and 1 more); it's so."]
)
def test_whatever_the_package_says_in_an_annotation(matches: Matches, annotation: str | None) -> None:
    assert matches(COMPLIANCE_CHANGE, payload("compliance-change", detail__newEvaluationResult__annotation=annotation))


@pytest.mark.parametrize(
    "changes",
    [
        {"detail__configRuleName": "iam-root-access-key-check"},
        {"detail__configRuleName": f"{OURS}-strict"},
        {"detail__configRuleName": f"my-{OURS}"},
        {"detail__configRuleName": OURS.upper()},
        {"detail__configRuleName": f"{OURS}-conformance-packs-1"},
        {"detail__configRuleName": f"OrgConfigRule-{OURS}-x1y2z3"},
        {"detail__resourceType": "AWS::IAM::User"},
        {"detail__messageType": "ConfigRulesEvaluationStarted"},
        {"detail__newEvaluationResult__complianceType": "INSUFFICIENT_DATA"},
        {"detail__newEvaluationResult": None},
        {"account": "210987654321"},
        # a rule of the account's own, of another account, of another Region
        {"detail__configRuleARN": f"{ARN}/config-rule-a1b2c3"},
        {"detail__configRuleARN": f"{ARN}/aws-service-rule/config-rule-a1b2c3".replace(OF_THE_PAYLOADS, "210987654321")},
        {"detail__configRuleARN": f"{ARN}/aws-service-rule/config-rule-a1b2c3".replace("us-east-1", "us-west-2")},
        # what EventBridge would put into the JSON of the runbook's parameters
        {"detail__newEvaluationResult__annotation": 'x"], "AccountId": ["'},
        {"detail__newEvaluationResult__annotation": "<aws.events.event.json>"},
        {"source": "my.config"},
        {"detail_type": "Config Configuration Item Change"},
    ],
    ids=json.dumps,
)
def test_what_only_looks_like_it(matches: Matches, changes: dict[str, Any]) -> None:
    assert not matches(COMPLIANCE_CHANGE, payload("compliance-change", **changes))


# --- What root does starts RootVirtualMfa-Reevaluate ---


@pytest.mark.parametrize("name", ["root-enables-mfa-device", "root-session-deletes-login-profile", "root-recovers-password"])
def test_what_root_or_a_root_session_does(matches: Matches, name: str) -> None:
    assert matches(ROOT_USER_CHANGE, payload(name))


@pytest.mark.parametrize(
    "event_name",
    [
        "CreateVirtualMFADevice",
        "DeactivateMFADevice",
        "DeleteVirtualMFADevice",
        "CreateLoginProfile",
        "CreateAccessKey",
        "DeleteAccessKey",
        "UploadSigningCertificate",
        "DeleteSigningCertificate",
    ],
)
def test_each_change_of_what_a_verdict_rests_on(matches: Matches, event_name: str) -> None:
    assert matches(ROOT_USER_CHANGE, payload("root-session-deletes-login-profile", detail__eventName=event_name))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("near-miss-iam-user-enables-mfa-device", {}),
        ("root-enables-mfa-device", {"detail__userIdentity__type": "AssumedRole"}),
        ("root-enables-mfa-device", {"detail__errorCode": "InvalidAuthenticationCode"}),
        ("root-enables-mfa-device", {"detail__eventName": "ResyncMFADevice"}),
        ("root-enables-mfa-device", {"detail__eventName": "ListVirtualMFADevices"}),
        ("root-enables-mfa-device", {"detail__eventSource": "ec2.amazonaws.com"}),
        ("root-enables-mfa-device", {"source": "aws.ec2"}),
        ("root-enables-mfa-device", {"source": "my.iam"}),
        ("root-recovers-password", {"detail__eventName": "ConsoleLogin"}),
        ("root-recovers-password", {"detail__userIdentity__type": "IAMUser"}),
        ("compliance-change", {}),
    ],
    ids=str,
)
def test_what_root_did_not_do_or_what_changes_nothing(matches: Matches, name: str, changes: dict[str, Any]) -> None:
    assert not matches(ROOT_USER_CHANGE, payload(name, **changes))


def test_there_is_no_payload_that_no_test_has() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [path.stem for path in sorted(EVENTS.glob("*.json")) if f'"{path.stem}"' not in tested] == []
