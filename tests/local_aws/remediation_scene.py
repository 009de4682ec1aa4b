"""Building blocks for the tests of remediation: documents that succeed or wait, and the role of their executions."""

import json
from typing import Any

from tests.local_aws.scene import Clients, allow, trust

ROLE = "remediation"
SUCCEEDS = {"action": "aws:executeAwsApi", "inputs": {"Service": "sts", "Api": "GetCallerIdentity"}}
WAITS = {"action": "aws:sleep", "inputs": {"Duration": "PT10M"}}


def create_document(
    client: Clients, account_id: str, name: str, *steps: dict[str, Any], role: str = "{{ AutomationAssumeRole }}"
) -> None:
    content = {
        "schemaVersion": "0.3",
        "assumeRole": role,
        "parameters": {
            "AccountId": {"type": "String"},
            "Words": {"type": "StringList", "default": []},
            "AutomationAssumeRole": {"type": "AWS::IAM::Role::Arn", "default": ""},
        },
        "mainSteps": [{"name": f"Step{number}", **step} for number, step in enumerate(steps, 1)],
    }
    client("ssm", account_id).create_document(Name=name, DocumentType="Automation", Content=json.dumps(content))


def create_role(client: Clients, account_id: str) -> str:
    iam = client("iam", account_id)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust({"Service": "ssm.amazonaws.com"}))
    iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=allow("iam:*", "sts:*"))
    return role_arn(account_id)


def role_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{ROLE}"
