"""An organization without any deployment, with a root user of every state, and who may read it: for check and inventory."""

import json
import re
from pathlib import Path
from typing import Any

from demo.clients import boto3_client
from local_aws.client import PROJECT, LocalAwsClient
from tests.e2e.organization import CENTRAL, MANAGEMENT, OUTSIDER, write_accounts
from tests.local_aws.scene import allow, trust

VIRTUAL, TWO, HARDWARE, NO_CREDENTIALS, KEYS, NO_MFA, CLOSED, WITHOUT_ROLE, DENIED = (f"41000000000{n}" for n in range(9))
PASSKEY = "410000000009"
NAME = "<script>alert(1)</script>"
ROLE, AUDITOR = "organization-reader", "auditor"

STATES: dict[str, Any] = {
    MANAGEMENT: {"name": "management", "root_user": {"virtual_mfa_devices": ["safe"], "hardware_mfa_devices": 1}},
    VIRTUAL: {"name": NAME, "root_user": {"virtual_mfa_devices": ["phone"]}},
    TWO: {"name": "two", "root_user": {"virtual_mfa_devices": ["safe-zurich", "safe-dublin"]}},
    HARDWARE: {"name": "hardware", "root_user": {"hardware_mfa_devices": 1}},
    PASSKEY: {"name": "passkey", "root_user": {"passkeys": 1, "password_used_days_ago": 5}},
    NO_CREDENTIALS: {"name": "no-credentials", "root_user": {"password": False}},
    KEYS: {"name": "keys", "root_user": {"password": False, "access_keys": 1, "access_keys_used_days_ago": 3}},
    NO_MFA: {"name": "no-mfa"},
    CLOSED: {"name": "closed"},
    WITHOUT_ROLE: {"name": "without-role", "root_user": {"virtual_mfa_devices": ["phone"]}},
    CENTRAL: {"name": "security", "root_user": {"virtual_mfa_devices": ["duty-phone"]}},
    DENIED: {"name": "denied", "root_user": {"virtual_mfa_devices": ["phone"]}},
}
READABLE = (CENTRAL, VIRTUAL, TWO, HARDWARE, PASSKEY, NO_CREDENTIALS, KEYS, NO_MFA, DENIED)


def documented_policy(heading: str) -> str:
    """Return the policy that docs/auditing.md has under a heading, with the name of the role that the tests use."""
    text = (PROJECT / "docs/auditing.md").read_text(encoding="utf-8")
    found = re.search(rf"^\*{re.escape(heading)}\*.*?^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/auditing.md has no policy under {heading}"
    return json.dumps(json.loads(found[1])).replace("YOUR-ROLE", ROLE)


def write(directory: Path) -> Path:
    """Write the accounts file."""
    return write_accounts(directory, STATES, outside=[OUTSIDER])


def prepare(aws: LocalAwsClient) -> dict[str, str]:
    """Let an auditor in the management account read the organization, with the documented permissions and no others.

    Returns the environment variables of the auditor's session.
    """
    for account_id in READABLE:
        reader = boto3_client(aws, "iam", account_id)
        reader.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust({"AWS": MANAGEMENT}))
        policy = documented_policy("In every account, for the role that check assumes")
        reader.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=policy)
    aws.add_fault(DENIED, "iam:GetAccountSummary", "AccessDenied")
    boto3_client(aws, "organizations", MANAGEMENT).close_account(AccountId=CLOSED)
    iam = boto3_client(aws, "iam", MANAGEMENT)
    role = iam.create_role(RoleName=AUDITOR, AssumeRolePolicyDocument=trust({"AWS": MANAGEMENT}))["Role"]["Arn"]
    headings = {
        "check": "For your own credentials, for check",
        "read": "In every account, for the role that check assumes",
        "inventory": "For your own credentials, for inventory",
    }
    for name, heading in headings.items():
        iam.put_role_policy(RoleName=AUDITOR, PolicyName=name, PolicyDocument=documented_policy(heading))
    # Nobody but an IAM user or a role may assume a role, and an account with IAM users shows less of its root user.
    iam.create_user(UserName="operator")
    iam.put_user_policy(UserName="operator", PolicyName="assume", PolicyDocument=allow("sts:AssumeRole"))
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    keys = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
    sts = boto3_client(aws, "sts", MANAGEMENT, credentials=keys)
    given = sts.assume_role(RoleArn=role, RoleSessionName="auditor")["Credentials"]
    iam.delete_access_key(UserName="operator", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="operator", PolicyName="assume")
    iam.delete_user(UserName="operator")
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
