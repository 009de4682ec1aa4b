"""The removal of root credentials as attackers meet it: its template, deployed in the central account, and people of that."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from demo.clients import boto3_client
from demo.operator import REMOVAL, Operator
from local_aws.client import PROJECT, LocalAwsProcess
from tests.e2e.organization import CENTRAL, MANAGEMENT
from tests.local_aws.scene import allow, trust

STACK, BUCKET = "root-credentials", "templates"
ROLE = "root-virtual-mfa-credential-removal"
EVERYTHING = {"access_keys": 1, "signing_certificates": 1, "virtual_mfa_devices": ["phone"]}
"""What a root user has beside its password: one of each kind."""
ALL_ACTIONS = ("ssm:*", "iam:PassRole")

Person = Any
"""Systems Manager, as a principal of the central account uses it: a client of boto3."""


class Removal:
    """The runbook, its operations, and principals of the central account that may start, decide and pass roles."""

    def __init__(self, aws: LocalAwsProcess, operator: Operator) -> None:
        self.aws = aws
        self.operator = operator
        self._iam = boto3_client(aws, "iam", CENTRAL)
        self._cloudformation = boto3_client(aws, "cloudformation", CENTRAL)
        boto3_client(aws, "s3", CENTRAL).create_bucket(Bucket=BUCKET)

    # Deploying

    def deploy(self, approvers: Collection[str], minimum: int = 1) -> None:
        """Deploy the template, or change its approvers."""
        body = (PROJECT / "root-credentials.yaml").read_text(encoding="utf-8")
        boto3_client(self.aws, "s3", CENTRAL).put_object(Bucket=BUCKET, Key="template.yaml", Body=body)
        given = {"Approvers": ",".join(approvers), "MinimumApprovals": str(minimum), "ManagementAccountId": MANAGEMENT}
        exists = any(stack["StackName"] == STACK for stack in self._cloudformation.describe_stacks()["Stacks"])
        change = self._cloudformation.update_stack if exists else self._cloudformation.create_stack
        change(
            StackName=STACK,
            TemplateURL=f"{self.aws.endpoint_url}/{BUCKET}/template.yaml",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        waiter = self._cloudformation.get_waiter("stack_update_complete" if exists else "stack_create_complete")
        waiter.wait(StackName=STACK, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000})

    # People

    def user(self, name: str, policy: str = allow(*ALL_ACTIONS)) -> tuple[str, Person]:
        """Make an IAM user; returns the ARN, and what acts as the user."""
        arn = self._iam.create_user(UserName=name)["User"]["Arn"]
        self._iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return arn, self._acting(key)

    def role(self, name: str, path: str = "/") -> str:
        """Make a role that principals of the account may assume; returns its ARN."""
        trusted = trust({"AWS": f"arn:aws:iam::{CENTRAL}:root"})
        arn = self._iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
        self._iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=allow(*ALL_ACTIONS))
        return str(arn)

    def session(self, role_arn: str, name: str) -> Person:
        """Assume a role, and return what acts as that session."""
        sts = boto3_client(self.aws, "sts", CENTRAL)
        return self._acting(sts.assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"])

    def _acting(self, credentials: Mapping[str, str]) -> Person:
        return boto3_client(self.aws, "ssm", CENTRAL, credentials=credentials)

    # Executions

    def start(self, person: Person, account_id: str, version: str | None = None) -> str:
        """Start the removal from an account, not as a dry run; returns the execution's id."""
        given = {"DocumentVersion": version} if version else {}
        parameters = {"AccountId": [account_id], "DryRun": ["false"]}
        return str(
            person.start_automation_execution(DocumentName=REMOVAL, Parameters=parameters, **given)["AutomationExecutionId"]
        )

    def plan(self, person: Person, account_id: str, version: str | None = None) -> str:
        """Start it, and wait until it asks for approval."""
        execution_id = self.start(person, account_id, version)
        self.operator.wait_for_approval(execution_id)
        return execution_id

    @staticmethod
    def approve(person: Person, execution_id: str) -> None:
        """Approve as a person. Raises ClientError if that person is no approver."""
        person.send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")

    def finished(self, execution_id: str) -> dict[str, Any]:
        """Wait for the end, while the clock runs fast, and return what Automation says about it."""
        return self.operator.finished(CENTRAL, execution_id, hurry=True)

    def remains(self, account_id: str) -> bool:
        """Tell whether the root user has everything still."""
        summary = boto3_client(self.aws, "iam", account_id).get_account_summary()["SummaryMap"]
        present = [summary[name] for name in summary if name.startswith("Account")]
        assert len(set(present)) == 1, summary
        return bool(present[0])

    def versions(self) -> dict[str, bool]:
        """Return the versions of the runbook, and whether each is the default one."""
        listed = boto3_client(self.aws, "ssm", CENTRAL).list_document_versions(Name=REMOVAL)["DocumentVersions"]
        return {version["DocumentVersion"]: version["IsDefaultVersion"] for version in listed}


def text_of(answer: object) -> str:
    """Write whatever boto3 returned as text, so that it can be searched."""
    return json.dumps(answer, default=str)
