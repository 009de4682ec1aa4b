"""IAM: policies that AWS manages, and MiniStack lacks.

Source: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/, a page for each.
"""

import json

from local_aws.core import ministack_seams

_POLICIES = {
    "service-role/AWSConfigRoleForOrganizations": (
        "Allows AWS Config to call read-only AWS Organizations APIs",
        [
            "organizations:ListAccounts",
            "organizations:DescribeOrganization",
            "organizations:ListAWSServiceAccessForOrganization",
            "organizations:ListDelegatedAdministrators",
        ],
    ),
}
"""The description, and the actions that it allows on all resources."""


def install() -> None:
    """Let every account have them."""
    iam = ministack_seams.module("ministack.services.iam")
    for name, (description, actions) in _POLICIES.items():
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        record = iam._make_aws_managed_record(name, document, description)
        iam._aws_managed_policies[record["Arn"]] = record
