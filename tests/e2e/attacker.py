"""People who want the package to lie, with credentials of their own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.clients import boto3_client
from local_aws.client import LocalAwsClient
from tests.e2e.application import wait_for
from tests.local_aws.scene import create_function, let_config_invoke, rule

LIES = """
    import json

    import boto3

    def handler(event, context):
        evaluation = {
            "ComplianceResourceType": "AWS::::Account",
            "ComplianceResourceId": event["accountId"],
            "OrderingTimestamp": json.loads(event["invokingEvent"])["notificationCreationTime"],
            **json.loads(event["ruleParameters"]),
        }
        boto3.client("config").put_evaluations(ResultToken=event["resultToken"], Evaluations=[evaluation])
"""
"""A function that gives AWS Config the evaluation that its rule's parameters say."""

SAID = "The root user has 1 virtual MFA device (phone)."
POLICY = "statements"
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
    """Make a function of the attacker's that says about an account what its rule tells it, and return its ARN."""

    def client(service: str, _: str = "") -> Any:  # noqa: ANN401 - a client of any service
        return attacker.client(service)

    function_arn = create_function(client, attacker.account_id, "lies", LIES, "config:PutEvaluations", "logs:*")
    let_config_invoke(client, function_arn, attacker.account_id)
    return function_arn


def lying_rule(function_arn: str, name: str, compliance: str, annotation: str) -> dict[str, Any]:
    """Describe a rule, as PutConfigRule takes it, that lets a liar say `compliance` and `annotation`."""
    return rule(function_arn, name, InputParameters=json.dumps({"ComplianceType": compliance, "Annotation": annotation}))


def make_rule(attacker: Attacker, name: str, compliance: str, annotation: str = SAID) -> None:
    """Make a rule with a function of one's own that says `compliance`, and wait until it has said so."""
    config = attacker.client("config")
    config.put_config_rule(ConfigRule=lying_rule(make_liar(attacker), name, compliance, annotation))

    def results() -> list[dict[str, Any]]:
        found = config.get_compliance_details_by_config_rule(ConfigRuleName=name)
        return list(found["EvaluationResults"])

    [result] = wait_for(results, f"the result of {name} in {attacker.account_id}")
    assert (result["ComplianceType"], result["Annotation"]) == (compliance, annotation)


def put_lying_pack(attacker: Attacker, name: str, compliance: str, annotation: str) -> None:
    """Put the attacker's own conformance pack: AWS Config makes its rule, with a suffix to the name."""
    settings = lying_rule(make_liar(attacker), name, compliance, annotation)
    settings["InputParameters"] = json.loads(settings["InputParameters"])  # as a template has them
    body = json.dumps({"Resources": {"Hers": {"Type": "AWS::Config::ConfigRule", "Properties": settings}}})
    attacker.client("config").put_conformance_pack(ConformancePackName="hers", TemplateBody=body)
