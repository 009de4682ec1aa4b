"""Building blocks for the tests of AWS Config in an organization: accounts, a rule's function, packs and stacks."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local_aws.client import LocalAwsClient, LocalAwsProcess
from tests.local_aws.scene import Parameter, clients_of, create_function, eventually, let_config_invoke

MANAGEMENT, DELEGATED, MEMBER, OTHER = "111111111111", "222222222222", "333333333333", "444444444444"
NO_RECORDER = "555555555555"
OUTSIDER = "999999999999"
"""An account outside the organization."""
ALL = [MANAGEMENT, DELEGATED, MEMBER, OTHER, NO_RECORDER]
RECORDING = [MANAGEMENT, DELEGATED, MEMBER, OTHER]
SERVICES = ["config.amazonaws.com", "config-multiaccountsetup.amazonaws.com"]
ORGANIZATION_ID = "o-a1b2c3d4e5"

JUDGE = """
    import json

    import boto3

    def handler(event, context):
        parameters = json.loads(event.get("ruleParameters", "{}"))
        account_id = event["accountId"]
        evaluation = {
            "ComplianceResourceType": "AWS::::Account",
            "ComplianceResourceId": account_id,
            "ComplianceType": parameters.get("verdictOf" + account_id, "COMPLIANT"),
            "Annotation": f"Said of {account_id}.",
            "OrderingTimestamp": json.loads(event["invokingEvent"])["notificationCreationTime"],
        }
        config = boto3.client("config", aws_access_key_id=account_id, aws_secret_access_key="test")
        config.put_evaluations(ResultToken=event["resultToken"], Evaluations=[evaluation])
"""
"""Reports COMPLIANT for an account, or the rule parameter verdictOf<account>."""


class Scene:
    """A local AWS with an organization, and clients that neither check requests nor retry."""

    def __init__(self, process: LocalAwsProcess) -> None:
        self.process = process
        self.client = clients_of(process)

    def config(self, account_id: str) -> Any:  # noqa: ANN401 - it takes what the stubs' type would not
        return self.client("config", account_id)

    def judge(self, name: str = "judge") -> str:
        """Create the function that judges, in the delegated administrator's account. Nobody may invoke it yet."""
        return create_function(self.client, DELEGATED, name, JUDGE, "logs:*")

    def open_judge(self) -> str:
        """Create the function that judges, and let AWS Config invoke it for any account."""
        arn = self.judge()
        let_config_invoke(self.client, arn)
        return arn

    @contextmanager
    def pack(self, name: str, template: dict[str, Any], **settings: Parameter) -> Iterator[str]:
        """Put a pack, as the delegated administrator, to all accounts with a recorder, and delete it at the end."""
        settings = {"ExcludedAccounts": [NO_RECORDER], **settings}
        config = self.config(DELEGATED)
        config.put_organization_conformance_pack(
            OrganizationConformancePackName=name, TemplateBody=json.dumps(template), **settings
        )
        try:
            yield name
        finally:
            config.delete_organization_conformance_pack(OrganizationConformancePackName=name)

    def statuses(self, pack: str, **filters: Parameter) -> dict[str, dict[str, Any]]:
        """Return the status in each account of a pack that the delegated administrator put."""
        found = self.config(DELEGATED).get_organization_conformance_pack_detailed_status(
            OrganizationConformancePackName=pack, Filters=filters
        )
        return {status["AccountId"]: status for status in found["OrganizationConformancePackDetailedStatuses"]}

    def rules(self, account_id: str, name: str) -> list[dict[str, Any]]:
        """Return the rules of an account whose names have a prefix."""
        rules = self.config(account_id).describe_config_rules()["ConfigRules"]
        return [rule for rule in rules if rule["ConfigRuleName"].startswith(name)]

    def results(self, account_id: str, name: str) -> list[dict[str, Any]]:
        """Wait for results of the one rule whose name has a prefix, and return them."""
        [rule] = self.rules(account_id, name)

        def results() -> list[dict[str, Any]]:
            found = self.config(account_id).get_compliance_details_by_config_rule(ConfigRuleName=rule["ConfigRuleName"])
            return list(found["EvaluationResults"])

        return eventually(results)

    def deploy(
        self,
        account_id: str,
        name: str,
        resources: dict[str, Any],
        *,
        outputs: dict[str, Any] | None = None,
        disable_rollback: bool = False,
    ) -> dict[str, Any]:
        """Create or change a stack through a change set, as SAM does, wait for its end, and describe it."""
        cloudformation = self.client("cloudformation", account_id)
        try:
            cloudformation.describe_stacks(StackName=name)
        except ClientError:
            kind = "CREATE"
        else:
            kind = "UPDATE"
        change_set = {"StackName": name, "ChangeSetName": f"change-{uuid.uuid4()}"}
        body = json.dumps({"Resources": resources, "Outputs": outputs or {}})
        cloudformation.create_change_set(
            **change_set, ChangeSetType=kind, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        cloudformation.execute_change_set(**change_set, DisableRollback=disable_rollback)
        return self.stack(account_id, name)

    def delete_stack(self, account_id: str, name: str) -> dict[str, Any]:
        """Delete a stack, wait for its end, and describe it."""
        cloudformation = self.client("cloudformation", account_id)
        stack_id = self.stack(account_id, name)["StackId"]
        cloudformation.delete_stack(StackName=name)
        return self.stack(account_id, stack_id)

    def stack(self, account_id: str, name: str) -> dict[str, Any]:
        """Wait until nothing is in progress, and describe the stack."""
        cloudformation = self.client("cloudformation", account_id)

        def settled() -> dict[str, Any] | None:
            [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        found = eventually(settled)
        assert found is not None, f"The stack {name} did not come to an end."
        return found

    def reasons(self, account_id: str, stack: str) -> str:
        """Return the reasons of all events of a stack."""
        events = self.client("cloudformation", account_id).describe_stack_events(StackName=stack)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


@contextmanager
def organization(directory: Path, *, all_features: bool = True, trusted: bool = True) -> Iterator[Scene]:
    """Run a local AWS with an organization of five accounts. One has no recorder."""
    content = {
        "accounts": {account_id: {"recorder": account_id != NO_RECORDER} for account_id in [*ALL, OUTSIDER]},
        "organization": {
            "id": ORGANIZATION_ID,
            "root_id": "r-a1b2",
            "management_account": MANAGEMENT,
            "outside": [OUTSIDER],
            "all_features": all_features,
            "trusted_services": SERVICES if trusted else [],
            "delegated_administrators": {DELEGATED: SERVICES} if trusted else {},
        },
    }
    file = directory / "accounts.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with LocalAwsProcess(file, directory / "local-aws.log") as process:
        yield Scene(process)


def reason(call: Callable[..., object], **params: Parameter) -> str:
    """Return the reason that Organizations gives for refusing a call."""
    try:
        call(**params)
    except ClientError as error:
        return str(error.response.get("Reason", ""))
    message = f"{params} was not refused."
    raise AssertionError(message)


def create_asked_for(process: LocalAwsClient) -> None:
    """Let Organizations create the accounts that CreateAccount was asked for, and wait for the end."""
    process.advance_clock(seconds=10)
    process.settle()


def rule_resource(function_arn: object, name: str, **parameters: object) -> dict[str, Any]:
    """Make the resource of a periodic rule."""
    details = [{"EventSource": "aws.config", "MessageType": "ScheduledNotification"}]
    return {
        "Type": "AWS::Config::ConfigRule",
        "Properties": {
            "ConfigRuleName": name,
            "InputParameters": parameters,
            "Source": {"Owner": "CUSTOM_LAMBDA", "SourceIdentifier": function_arn, "SourceDetails": details},
        },
    }


def template_of(function_arn: str, name: str, **parameters: object) -> dict[str, Any]:
    """Make the template of a pack with one rule."""
    return {"Resources": {"Rule": rule_resource(function_arn, name, **parameters)}}
