"""The report, where administrators of accounts make rules of their own that say COMPLIANT, and write to the operator's terminal."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from local_aws.client import REGION, LocalAwsProcess
from local_aws.deployment import RULE_NAME, DeploymentError, deploy_organization
from tests.e2e.application import start_recorder, wait_for
from tests.e2e.organization import CENTRAL, MANAGEMENT, Organization, run
from tests.e2e.organization import write_accounts
from tests.local_aws.scene import create_function, let_config_invoke, rule

PACK_LIKE = f"{RULE_NAME}-conformance-pack-a1b2c3d4e"
"""A name such as AWS Config gives a rule of a pack."""

# In these the pack arrived.  An administrator adds a rule to the first four, which says COMPLIANT.
BESIDE_A_FAILURE, BESIDE_A_SUCCESS = "310000000001", "310000000002"
LIKE_A_FAILURE, LIKE_A_SUCCESS = "310000000003", "310000000004"
NO_RESULT = "310000000005"
"""Every evaluation of it fails, as it does where its administrator has taken the role away."""
# In these it did not, since nothing was recorded when it was put.
FAILED_EXACT, FAILED_LIKE, FAILED_ORGANIZATION_RULE = "320000000001", "320000000002", "320000000003"
FAILED = (FAILED_EXACT, FAILED_LIKE, FAILED_ORGANIZATION_RULE)

MADE = {
    BESIDE_A_FAILURE: RULE_NAME,
    BESIDE_A_SUCCESS: RULE_NAME,
    LIKE_A_FAILURE: PACK_LIKE,
    LIKE_A_SUCCESS: PACK_LIKE,
    NO_RESULT: PACK_LIKE,
    FAILED_EXACT: RULE_NAME,
    FAILED_LIKE: PACK_LIKE,
    FAILED_ORGANIZATION_RULE: f"OrgConfigRule-{RULE_NAME}-a1b2c3d4",
}
"""The rule that the administrator of each account makes."""

LIES = """
    import json

    import boto3

    def handler(event, context):
        evaluation = {
            "ComplianceResourceType": "AWS::::Account",
            "ComplianceResourceId": event["accountId"],
            "ComplianceType": "COMPLIANT",
            "Annotation": "The root user has 1 virtual MFA device (phone).",
            "OrderingTimestamp": json.loads(event["invokingEvent"])["notificationCreationTime"],
        }
        boto3.client("config").put_evaluations(ResultToken=event["resultToken"], Evaluations=[evaluation])
"""


class Administrator:
    """An IAM user of an account with AdministratorAccess and an access key, which are all that it uses."""

    def __init__(self, organization: Organization, account_id: str) -> None:
        iam = organization.client("iam", account_id)
        iam.create_user(UserName="administrator")
        iam.attach_user_policy(UserName="administrator", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        self._key = iam.create_access_key(UserName="administrator")["AccessKey"]
        self._endpoint_url = organization.aws.endpoint_url
        self.account_id = account_id

    def client(self, service: str, _: str = "") -> Any:  # noqa: ANN401 - a client of any service
        return boto3.Session().client(
            service,  # type: ignore[call-overload]  # the name is not known here
            region_name=REGION,
            endpoint_url=self._endpoint_url,
            aws_access_key_id=self._key["AccessKeyId"],
            aws_secret_access_key=self._key["SecretAccessKey"],
        )

    def make_rule(self, name: str) -> None:
        """Make a rule with a function that says COMPLIANT, and wait until it has said so."""
        function_arn = create_function(self.client, self.account_id, "lies", LIES, "config:PutEvaluations", "logs:*")
        let_config_invoke(self.client, function_arn, self.account_id)
        config = self.client("config")
        config.put_config_rule(ConfigRule=rule(function_arn, name))

        def results() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = config.get_compliance_details_by_config_rule(ConfigRuleName=name)["EvaluationResults"]
            return found

        [said] = wait_for(results, f"the result of {name} in {self.account_id}")
        assert said["ComplianceType"] == "COMPLIANT"


@dataclass(frozen=True)
class Files:
    """One report in each of its formats; `accounts` is of the JSON, by account id."""

    directory: Path
    accounts: dict[str, dict[str, Any]]

    def text(self, suffix: str) -> str:
        return (self.directory / f"report.{suffix}").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """Report an organization whose administrators have made their rules."""
    directory = tmp_path_factory.mktemp("report-attacks")
    has_device = {"root_user": {"virtual_mfa_devices": ["phone"]}}
    accounts = {
        **dict.fromkeys((MANAGEMENT, CENTRAL, BESIDE_A_SUCCESS, LIKE_A_SUCCESS), has_device),
        **dict.fromkeys((BESIDE_A_FAILURE, LIKE_A_FAILURE, NO_RESULT), {}),
        **dict.fromkeys(FAILED, {"recorder": False}),
    }
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as aws:
        aws.add_fault(NO_RESULT, "iam:GetAccountSummary", "AccessDenied")
        with pytest.raises(DeploymentError):
            deploy_organization(aws, CENTRAL)
        organization = Organization(aws, CENTRAL)
        for account_id in (BESIDE_A_FAILURE, BESIDE_A_SUCCESS, LIKE_A_FAILURE, LIKE_A_SUCCESS):
            organization.result(account_id)
        for account_id in FAILED:
            start_recorder(aws, account_id)
        for account_id, name in MADE.items():
            Administrator(organization, account_id).make_rule(name)
        outputs = [word for suffix in ("txt", "csv", "json", "html") for word in ("--output", f"{directory}/report.{suffix}")]
        ran = run(aws, CENTRAL, "report", *outputs)
        assert ran.code == 1, ran.said
        document = json.loads((directory / "report.json").read_text(encoding="utf-8"))
        yield Files(directory, {each["account_id"]: each for each in document["accounts"]})


def whys(account: dict[str, Any]) -> list[str]:
    return [each["why"] for each in account["advice"]]


@pytest.mark.parametrize("account_id", [*FAILED, NO_RESULT, LIKE_A_SUCCESS])
def test_rule_that_somebody_made_makes_no_account_compliant(files: Files, account_id: str) -> None:
    assert files.accounts[account_id]["status"] == "UNKNOWN"
