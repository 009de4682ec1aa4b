"""docs/adding-a-rule.md holds: the SAM CLI deploys a second rule beside periodic_rule, and AWS Config gets its verdicts."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.clients import boto3_client
from demo.sam import sam
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.application import wait_for
from tests.e2e.conftest import NewAccount

ARTEFACT = PROJECT / ".aws-sam/build/RootVirtualMfaEnabledFunction"
EXAMPLE = PROJECT / "tests/example_rule"
STACK_NAME = RULE_NAME = "account-alias-exists"
SHARED = {"periodic_rule", "rdklib"}
"""What the artefact of any rule holds beside the rule."""


class ExampleRule:
    """The example, deployed in an account."""

    def __init__(self, aws: LocalAwsProcess, account_id: str) -> None:
        self.aws = aws
        self.account_id = account_id
        [stack] = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        [output] = stack["Outputs"]
        self._log_group = f"/aws/lambda/{output['OutputValue']}"

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        return boto3_client(self.aws, service, self.account_id)

    def results(self) -> list[tuple[str, str]]:
        """Return the verdicts and annotations that AWS Config has."""
        details = self.client("config").get_compliance_details_by_config_rule(ConfigRuleName=RULE_NAME)
        return [(result["ComplianceType"], result["Annotation"]) for result in details["EvaluationResults"]]

    def compliance(self) -> str:
        """Return the compliance of the rule as AWS Config shows it."""
        described = self.client("config").describe_compliance_by_config_rule(ConfigRuleNames=[RULE_NAME])
        [rule] = described["ComplianceByConfigRules"]
        return str(rule["Compliance"]["ComplianceType"])

    def lines(self, message: str) -> list[dict[str, Any]]:
        """Return the log lines that say `message`, oldest first."""
        logs = self.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=self._log_group)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        lines = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
        return [line for line in lines if line.get("message") == message]

    def evaluate(self) -> None:
        """Start an evaluation, as soon as AWS Config allows another one."""
        self.aws.advance_clock(seconds=60)
        wait_for(self._started, "the evaluation")

    def _started(self) -> bool:
        try:
            self.client("config").start_config_rules_evaluation(ConfigRuleNames=[RULE_NAME])
        except ClientError as error:
            if error.response["Error"]["Code"] != "LimitExceededException":
                raise
            return False
        return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of the example's artefact, from what the built artefact has for every rule, and its template."""
    folder = tmp_path_factory.mktemp("example")
    for name in SHARED:
        shutil.copytree(ARTEFACT / name, folder / "artefact" / name)
    shutil.copytree(
        EXAMPLE / "account_alias_exists",
        folder / "artefact/account_alias_exists",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(EXAMPLE / "template.yaml", folder)
    return folder


def test_second_rule_gives_its_verdicts_and_none_for_a_refused_read(
    aws: LocalAwsProcess, new_account: NewAccount, folder: Path
) -> None:
    account_id = new_account()
    aws.add_fault(account_id, "iam:ListAccountAliases", "AccessDenied")
    settings = ("--config-file", f"{PROJECT}/samconfig.toml", "--config-env", "local")
    sam(aws, account_id, "deploy", *settings, "--stack-name", STACK_NAME, "--template-file", f"{folder}/template.yaml")
    example = ExampleRule(aws, account_id)

    [failure, *_] = wait_for(lambda: example.lines("evaluation failed"), "the failed evaluation")
    assert (failure["rule"], failure["version"], failure["account"]) == ("ACCOUNT_ALIAS_EXISTS", "1.0.0", account_id)
    assert failure["errorType"] == "ReadError"
    assert example.results() == []
    assert example.compliance() == "INSUFFICIENT_DATA"

    aws.clear_faults()
    example.evaluate()
    [(verdict, annotation)] = wait_for(example.results, "the first result")
    assert verdict == "NON_COMPLIANT"
    assert annotation.startswith("The account has no alias")

    example.client("iam").create_account_alias(AccountAlias="example")
    example.evaluate()
    wait_for(lambda: example.results() == [("COMPLIANT", "The account has the alias example.")], "the second result")
    assert example.compliance() == "COMPLIANT"

    # AWS Config never learns that an evaluation failed: it keeps the last result.
    aws.add_fault(account_id, "iam:ListAccountAliases", "AccessDenied")
    example.client("iam").delete_account_alias(AccountAlias="example")
    failures = len(example.lines("evaluation failed"))
    example.evaluate()
    wait_for(lambda: len(example.lines("evaluation failed")) > failures, "another failed evaluation")
    assert example.results() == [("COMPLIANT", "The account has the alias example.")]
    aws.clear_faults()
