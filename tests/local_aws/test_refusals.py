"""The local AWS refuses what it does not emulate, and whom it does not know, in each protocol's form, so that SDKs show it."""

import http.client
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.model import Shape

from local_aws.client import HOST, REGION, LocalAwsProcess
from local_aws.core import coverage
from tests.local_aws.scene import CENTRAL, Client, Clients, clients_of, refusal

LISTS = coverage.read()
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
"""What stands before the colon of a service's actions, if it is another name than MiniStack's."""
NOWHERE = "123412341234"
"""No account of the local AWS."""

EXAMPLES: Mapping[str, object] = {
    "blob": b"example",
    "boolean": True,
    "double": 1.0,
    "float": 1.0,
    "integer": 1,
    "long": 1,
    "map": {},
    "string": "example",
    "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
}


def example(shape: Shape | None) -> Any:  # noqa: ANN401 - as botocore takes it
    """Make a value of a shape, with required members only."""
    match shape and shape.type_name:
        case None:
            return {}
        case "structure":
            return {name: example(shape.members[name]) for name in shape.required_members}  # type: ignore[union-attr]  # a shape of this kind has it
        case "list":
            return [example(shape.member)]  # type: ignore[union-attr]  # a shape of this kind has it
        case "string":
            return shape.metadata.get("enum", ["example"])[0]  # type: ignore[union-attr]  # a shape of this kind has it
        case scalar:
            return EXAMPLES[str(scalar)]


def call(client: Client, operation: str) -> Callable[[], object]:
    shape = client.meta.service_model.operation_model(operation).input_shape
    return partial(getattr(client, xform_name(operation)), **example(shape))


# Operations


@pytest.mark.parametrize("service", LISTS)
def test_operations_on_no_list_are_refused(client: Clients, service: str) -> None:
    listed = LISTS[service]
    of_service = client(listed.api, CENTRAL)
    prefix = PREFIXES.get(service, service)
    said = {}
    for name in of_service.meta.service_model.operation_names:
        model = of_service.meta.service_model.operation_model(name)
        # SDKs sign some not at all, or send them to another host. S3 has old operations at the URIs of new ones.
        is_sent = model.auth_type != "none" and not model.endpoint and not model.deprecated and name != "ListDirectoryBuckets"
        if is_sent and name not in listed.names:
            code, message = refusal(call(of_service, name))
            said[name] = message
            assert code in {"InvalidAction", "NotImplemented", "UnknownOperationException"}
    assert said == {name: f"The local AWS does not emulate {prefix}:{name}." for name in said}


@pytest.mark.parametrize(
    ("service", "operation", "code", "named"),
    [
        # JSON
        ("dynamodb", "ListTables", "UnknownOperationException", "dynamodb:ListTables"),
        ("kms", "ListKeys", "UnknownOperationException", "kms:ListKeys"),
        ("stepfunctions", "ListStateMachines", "UnknownOperationException", "states:ListStateMachines"),
        ("securityhub", "GetFindings", "UnknownOperationException", "securityhub:GetFindings"),
        (
            "partnercentral-channel",
            "ListRelationships",
            "UnknownOperationException",
            "partnercentral-channel:ListRelationships",
        ),
        # Query, and EC2's
        ("autoscaling", "DescribeAutoScalingGroups", "InvalidAction", "autoscaling:DescribeAutoScalingGroups"),
        ("elbv2", "DescribeLoadBalancers", "InvalidAction", "elasticloadbalancing:DescribeLoadBalancers"),
        ("rds", "DescribeDBInstances", "InvalidAction", "rds:DescribeDBInstances"),
        ("ses", "ListIdentities", "InvalidAction", "ses:ListIdentities"),
        ("ec2", "DescribeRegions", "InvalidAction", "ec2:DescribeRegions"),
        # REST with JSON. Several of these services sign with the same name.
        ("account", "ListRegions", "UnknownOperationException", "account:ListRegions"),
        ("apigateway", "GetRestApis", "UnknownOperationException", "apigateway:GetRestApis"),
        ("apigatewayv2", "GetApis", "UnknownOperationException", "apigateway:GetApis"),
        ("bedrock-runtime", "InvokeModel", "UnknownOperationException", "bedrock:InvokeModel"),
        ("eks", "ListClusters", "UnknownOperationException", "eks:ListClusters"),
        ("glacier", "ListVaults", "UnknownOperationException", "glacier:ListVaults"),
        ("lambda-core", "ListNetworkConnectors", "UnknownOperationException", "lambda:ListNetworkConnectors"),
        ("mediapackage", "ListChannels", "UnknownOperationException", "mediapackage:ListChannels"),
        ("s3tables", "ListTableBuckets", "UnknownOperationException", "s3tables:ListTableBuckets"),
        ("sesv2", "ListEmailIdentities", "UnknownOperationException", "ses:ListEmailIdentities"),
        # REST with XML
        ("cloudfront", "ListDistributions", "InvalidAction", "cloudfront:ListDistributions"),
        ("route53", "ListHostedZones", "InvalidAction", "route53:ListHostedZones"),
        # CBOR
        ("eventbridgev2", "ListSubscribers", "UnknownOperationException", "events:ListSubscribers"),
    ],
)
def test_services_on_no_list_are_refused(client: Clients, service: str, operation: str, code: str, named: str) -> None:
    assert refusal(call(client(service, CENTRAL), operation)) == (code, f"The local AWS does not emulate {named}.")


def test_policies_are_asked_first(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    own = clients_of(local_aws, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    code, message = refusal(call(own("iam", account_id), "ListServerCertificates"))
    assert code == "AccessDenied"
    assert "is not authorized to perform: iam:ListServerCertificates" in message


# Credentials

CODES = {
    "s3": "InvalidAccessKeyId",
    **dict.fromkeys(("cloudformation", "iam", "monitoring", "sns", "sqs", "sts"), "InvalidClientTokenId"),
}


@pytest.mark.parametrize("service", LISTS)
def test_credentials_of_nobody_are_refused(local_aws: LocalAwsProcess, service: str) -> None:
    listed = LISTS[service]
    for key in (NOWHERE, "test", "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"):
        nobodys = clients_of(local_aws, aws_access_key_id=key, aws_secret_access_key="x")(listed.api, NOWHERE)  # noqa: S106 - none
        code, message = refusal(call(nobodys, listed.operations[0].names[0]))
        assert (code, bool(message)) == (CODES.get(service, "UnrecognizedClientException"), True), key


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("dynamodb", "ListTables", "UnrecognizedClientException"),
        ("ec2", "DescribeRegions", "AuthFailure"),
        ("eks", "ListClusters", "UnrecognizedClientException"),
        ("rds", "DescribeDBInstances", "InvalidClientTokenId"),
        ("route53", "ListHostedZones", "InvalidClientTokenId"),
    ],
)
def test_other_services_do_not_know_them_either(client: Clients, service: str, operation: str, code: str) -> None:
    assert refusal(call(client(service, NOWHERE), operation))[0] == code


def test_a_key_that_was_deleted_is_refused(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    iam = client("iam", account_id)
    iam.create_user(UserName="leaver")
    key = iam.create_access_key(UserName="leaver")["AccessKey"]
    own = clients_of(local_aws, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert own("sts", account_id).get_caller_identity()["Arn"].endswith(":user/leaver")
    iam.delete_access_key(UserName="leaver", AccessKeyId=key["AccessKeyId"])
    assert refusal(own("sts", account_id).get_caller_identity)[0] == "InvalidClientTokenId"
    assert refusal(own("config", account_id).describe_config_rules)[0] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("config", "DescribeConfigRules", "AccessDeniedException"),
        ("ec2", "DescribeRegions", "UnauthorizedOperation"),
        ("s3", "ListBuckets", "AccessDenied"),
        ("sts", "AssumeRoleWithWebIdentity", "AccessDenied"),
    ],
)
def test_an_unsigned_request_is_refused_in_its_protocol(
    local_aws: LocalAwsProcess, service: str, operation: str, code: str
) -> None:
    settings = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, parameter_validation=False)
    unsigned: Client = boto3.client(  # type: ignore[call-overload]  # the name is not known here
        service, region_name=REGION, endpoint_url=local_aws.endpoint_url, config=settings
    )
    refused_with, message = refusal(call(unsigned, operation))
    assert (refused_with, "it has no signature" in message) == (code, True)


# What no SDK sends

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"


def send(  # noqa: PLR0913, PLR0917 - the parts of a request
    local_aws: LocalAwsProcess, service: str, method: str, target: str, headers: Mapping[str, str] | None = None, body: str = ""
) -> tuple[int, str]:
    """Send a request as it stands, signed by an administrator for a service, and return status and body of the answer."""
    credential = f"Credential={CENTRAL}/20260101/{REGION}/{service}/aws4_request"
    connection = http.client.HTTPConnection(HOST, local_aws.port, timeout=120)
    try:
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0", **(headers or {})}
        connection.request(method, target, body, signed)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/_ministack/health",
        "/_ministack/ready",
        "/_ministack/reset",
        "/_ministack/config",
        "/_ministack/eks-auth/cluster",
        "/_ministack/rds/iam-auth",
        "/_localstack/health",
        "/_aws/sqs/messages",
        "/_aws/ses/messages",
        "/.well-known/jwks.json",
    ],
)
@pytest.mark.parametrize("service", ["iam", "lambda", "s3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_of_ministack_are_shut(local_aws: LocalAwsProcess, path: str, service: str, method: str) -> None:
    status, body = send(local_aws, service, method, path, body="{}" if method == "POST" else "")
    assert status in {400, 404}
    assert re.search(r"The local AWS does not emulate|InvalidBucketName|NoSuchBucket", body), body


@pytest.mark.parametrize(
    ("service", "method", "target", "headers", "body"),
    [
        ("sts", "POST", "/?Action=CreateUser", FORM, IDENTITY),
        ("sts", "POST", "/", {**FORM, "X-Amz-Target": "StarlingDoveService.DescribeConfigRules"}, IDENTITY),
        ("sts", "POST", "/other", FORM, IDENTITY),
        ("sts", "PUT", "/bucket", {}, ""),
        ("config", "POST", "/", FORM, IDENTITY),
        ("config", "POST", "/?Action=DeleteConfigRule", {"X-Amz-Target": "StarlingDoveService.DescribeConfigRules"}, "{}"),
        ("config", "POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, "{}"),
        ("lambda", "GET", "/2015-03-31/functions?Action=DeleteFunction", {}, ""),
        ("s3", "GET", "/bucket?Action=ListBuckets", {}, ""),
        ("s3", "GET", "/bucket?acl&policy", {}, ""),
        ("s3", "GET", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, ""),
        ("nothing", "GET", "/", {}, ""),
    ],
)
def test_a_request_that_calls_two_things_or_none_is_refused(  # noqa: PLR0913, PLR0917 - the parts of a request
    local_aws: LocalAwsProcess, service: str, method: str, target: str, headers: Mapping[str, str], body: str
) -> None:
    """MiniStack would ask policies about one operation and carry out another."""
    status, said = send(local_aws, service, method, target, headers, body)
    assert (status, "The local AWS does not emulate " in said) == (400, True), said


def test_cloudwatch_in_cbor_is_refused_in_cbor(local_aws: LocalAwsProcess) -> None:
    headers = {"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    status, said = send(local_aws, "monitoring", "POST", path, headers, "\xa0")
    assert status == 400
    assert "The local AWS does not emulate cloudwatch:ListMetrics in the protocol smithy-rpc-v2-cbor." in said


@pytest.mark.parametrize("path", ["/", "/999900000000/queue"])
def test_sqs_in_the_query_protocol_is_refused_in_it(local_aws: LocalAwsProcess, path: str) -> None:
    status, said = send(local_aws, "sqs", "POST", path, FORM, "Action=ListQueues&Version=2012-11-05")
    assert (status, "The local AWS does not emulate sqs:ListQueues in the protocol query." in said) == (400, True)


@pytest.mark.parametrize(
    ("service", "headers", "code"),
    [
        ("config", {"X-Amz-Target": "StarlingDoveService.DescribeConfigRules"}, "IncompleteSignatureException"),
        ("iam", FORM, "IncompleteSignature"),
        ("s3", {}, "IncompleteSignature"),
    ],
)
def test_a_signature_without_its_scope_is_refused(
    local_aws: LocalAwsProcess, service: str, headers: Mapping[str, str], code: str
) -> None:
    status, said = send(local_aws, service, "POST", "/", {**headers, "Authorization": "AWS4-HMAC-SHA256 Credential=1"})
    assert (status, code in said) == (400, code != "IncompleteSignature" or service == "iam"), said


def test_a_bucket_in_the_host_is_refused_in_the_form_of_s3(local_aws: LocalAwsProcess) -> None:
    status, said = send(local_aws, "s3", "GET", "/key", {"Host": f"bucket.localhost:{local_aws.port}"})
    assert status == 403
    assert re.search(r"<Error><Code>AccessDenied</Code><Message>The local AWS .* its Host is not 127\.0\.0\.1:", said)
