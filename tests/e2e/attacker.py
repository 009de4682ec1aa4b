"""People who want the package to lie, with credentials of their own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.clients import boto3_client
from local_aws.client import LocalAwsClient
from tests.local_aws.scene import create_function, let_config_invoke, rule

POLICY = "statements"
SAYS_WHAT_IT_IS_TOLD = """
    import json
    from datetime import datetime

    import boto3

    def handler(event, context):
        told = json.loads(event["ruleParameters"])
        invoking = json.loads(event["invokingEvent"])
        boto3.client("config").put_evaluations(
            ResultToken=event["resultToken"],
            Evaluations=[{
                "ComplianceResourceType": "AWS::::Account",
                "ComplianceResourceId": event["accountId"],
                "ComplianceType": told["compliance"],
                "Annotation": told["annotation"],
                "OrderingTimestamp": datetime.fromisoformat(invoking["notificationCreationTime"]),
            }],
        )
"""
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@dataclass(frozen=True)
class Attacker:
    """An IAM user of an account, with an access key."""

    aws: LocalAwsClient
    account_id: str
    name: str
    access_key_id: str
    secret_access_key: str

    def client(self, service: Any) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client that signs with the access key."""
        signs = {"AccessKeyId": self.access_key_id, "SecretAccessKey": self.secret_access_key}
        return boto3_client(self.aws, service, self.account_id, credentials=signs)


def administrator(aws: LocalAwsClient, account_id: str) -> Attacker:
    """Make an administrator of an account, who may do everything that IAM can allow."""
    attacker = user(aws, account_id, "administrator")
    boto3_client(aws, "iam", account_id).attach_user_policy(UserName=attacker.name, PolicyArn=ADMINISTRATOR)
    return attacker


def user(aws: LocalAwsClient, account_id: str, name: str, *statements: Mapping[str, Any]) -> Attacker:
    """Make an IAM user who may do what `statements` allow."""
    iam = boto3_client(aws, "iam", account_id)
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName=POLICY, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Attacker(aws, account_id, name, key["AccessKeyId"], key["SecretAccessKey"])


@contextmanager
def as_user(aws: LocalAwsClient, account_id: str, *statements: Mapping[str, Any]) -> Iterator[Attacker]:
    """Have an IAM user who may do what `statements` allow, and nothing else, while the block runs."""
    attacker = user(aws, account_id, "somebody", *statements)
    try:
        yield attacker
    finally:
        iam = boto3_client(aws, "iam", account_id)
        iam.delete_access_key(UserName=attacker.name, AccessKeyId=attacker.access_key_id)
        iam.delete_user_policy(UserName=attacker.name, PolicyName=POLICY)
        iam.delete_user(UserName=attacker.name)


def make_liar(attacker: Attacker) -> str:
    """Make a function of the attacker's that says of an account what its rule tells it, and return its ARN."""
    clients: dict[str, Any] = {}

    def client(service: str, _: str) -> Any:  # noqa: ANN401 - a client of any service
        return clients.setdefault(service, attacker.client(service))

    function_arn = create_function(client, attacker.account_id, "hers", SAYS_WHAT_IT_IS_TOLD, "config:PutEvaluations")
    let_config_invoke(client, function_arn, attacker.account_id)
    return function_arn


def lying_rule(function_arn: str, name: str, compliance: str, annotation: str) -> dict[str, Any]:
    """Describe a rule of a name, as PutConfigRule takes it, that lets a liar say `compliance` and `annotation`."""
    return rule(function_arn, name, InputParameters=json.dumps({"compliance": compliance, "annotation": annotation}))


def put_lying_pack(attacker: Attacker, name: str, compliance: str, annotation: str) -> None:
    """Put the attacker's own conformance pack: AWS Config makes its rule, with a suffix to the name."""
    settings = lying_rule(make_liar(attacker), name, compliance, annotation)
    settings["InputParameters"] = json.loads(settings["InputParameters"])  # as a template has them
    body = json.dumps({"Resources": {"Hers": {"Type": "AWS::Config::ConfigRule", "Properties": settings}}})
    attacker.client("config").put_conformance_pack(ConformancePackName="hers", TemplateBody=body)
