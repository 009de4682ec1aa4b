"""AWS's API models: botocore is understood and understands, and bad requests fail as in AWS."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, OperationModel, Shape

from local_aws.core import coverage
from local_aws.core.constraints import compile_pattern
from local_aws.core.models import Answer, AwsError, Routed, ServiceApi

SERVICES = ("cloudformation", "config", "events", "iam", "organizations", "sts")
TIME = datetime(2016, 7, 13, 21, 50, tzinfo=UTC)
ACCOUNT = "111122223333"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/root-virtual-mfa-evaluation"
RULE = {
    "ConfigRuleName": "root-virtual-mfa-enabled",
    "Source": {
        "Owner": "CUSTOM_LAMBDA",
        "SourceIdentifier": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:rule",
        "SourceDetails": [
            {
                "EventSource": "aws.config",
                "MessageType": "ScheduledNotification",
                "MaximumExecutionFrequency": "TwentyFour_Hours",
            }
        ],
    },
    "InputParameters": '{"minimumVirtualMfaDevices": "1"}',
}
EVALUATION = {
    "ComplianceResourceType": "AWS::::Account",
    "ComplianceResourceId": ACCOUNT,
    "ComplianceType": "NON_COMPLIANT",
    "Annotation": "The root user has no MFA device: “none” — add one. <&>",
    "OrderingTimestamp": TIME,
}
EVALUATION_RESULT = {
    "EvaluationResultIdentifier": {
        "EvaluationResultQualifier": {
            "ConfigRuleName": "root-virtual-mfa-enabled",
            "ResourceType": "AWS::::Account",
            "ResourceId": ACCOUNT,
        },
        "OrderingTimestamp": TIME,
    },
    "ComplianceType": "NON_COMPLIANT",
    "ResultRecordedTime": TIME.replace(microsecond=250_000),
    "ConfigRuleInvokedTime": TIME,
    "Annotation": "Größe <1>",
}
ROOT_DEVICE = {
    "SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/phone",
    "User": {"UserId": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root", "CreateDate": TIME},
    "EnableDate": TIME,
    "Tags": [{"Key": "owner", "Value": "Zoë & Co <x>"}],
}

Case = tuple[str, str, dict[str, Any], dict[str, Any]]

CASES: list[Case] = [
    ("config", "PutConfigRule", {"ConfigRule": RULE, "Tags": [{"Key": "a", "Value": ""}]}, {}),
    (
        "config",
        "DescribeConfigRules",
        {"ConfigRuleNames": ["root-virtual-mfa-enabled"], "Filters": {"EvaluationMode": "DETECTIVE"}},
        {"ConfigRules": [{**RULE, "ConfigRuleState": "ACTIVE"}], "NextToken": "next"},
    ),
    ("config", "DeleteConfigRule", {"ConfigRuleName": "root-virtual-mfa-enabled"}, {}),
    ("config", "StartConfigRulesEvaluation", {"ConfigRuleNames": ["a", "b"]}, {}),
    (
        "config",
        "PutEvaluations",
        {"Evaluations": [EVALUATION, EVALUATION], "ResultToken": "token", "TestMode": False},
        {"FailedEvaluations": [EVALUATION]},
    ),
    (
        "config",
        "DescribeComplianceByConfigRule",
        {"ConfigRuleNames": ["a"], "ComplianceTypes": ["COMPLIANT", "NON_COMPLIANT"]},
        {
            "ComplianceByConfigRules": [
                {
                    "ConfigRuleName": "a",
                    "Compliance": {
                        "ComplianceType": "NON_COMPLIANT",
                        "ComplianceContributorCount": {"CappedCount": 1, "CapExceeded": False},
                    },
                }
            ]
        },
    ),
    (
        "config",
        "DescribeComplianceByResource",
        {"ResourceType": "AWS::::Account", "ResourceId": ACCOUNT, "Limit": 10},
        {
            "ComplianceByResources": [
                {
                    "ResourceType": "AWS::::Account",
                    "ResourceId": ACCOUNT,
                    "Compliance": {"ComplianceType": "COMPLIANT"},
                }
            ]
        },
    ),
    (
        "config",
        "GetComplianceDetailsByConfigRule",
        {"ConfigRuleName": "a", "ComplianceTypes": ["NON_COMPLIANT"], "Limit": 100, "NextToken": "token"},
        {"EvaluationResults": [EVALUATION_RESULT], "NextToken": "next"},
    ),
    (
        "config",
        "GetComplianceDetailsByResource",
        {"ResourceType": "AWS::::Account", "ResourceId": ACCOUNT},
        {"EvaluationResults": []},
    ),
    (
        "config",
        "DescribeConfigRuleEvaluationStatus",
        {"ConfigRuleNames": ["a"], "Limit": 50},
        {"ConfigRulesEvaluationStatus": [{"ConfigRuleName": "a", "LastSuccessfulInvocationTime": TIME}]},
    ),
    (
        "config",
        "PutRemediationConfigurations",
        {
            "RemediationConfigurations": [
                {
                    "ConfigRuleName": "a",
                    "TargetType": "SSM_DOCUMENT",
                    "TargetId": "RootVirtualMfa-Notify",
                    "Parameters": {
                        "AccountId": {"ResourceValue": {"Value": "RESOURCE_ID"}},
                        "Topic": {"StaticValue": {"Values": ["arn:aws:sns:eu-central-1:111122223333:topic"]}},
                    },
                }
            ]
        },
        {"FailedBatches": []},
    ),
    ("iam", "GetAccountSummary", {}, {"SummaryMap": {"AccountMFAEnabled": 1, "Users": 0}}),
    ("iam", "GetAccountSummary", {}, {"SummaryMap": {}}),
    (
        "iam",
        "ListVirtualMFADevices",
        {"AssignmentStatus": "Any", "Marker": "a+b/c=&%", "MaxItems": 2},
        {
            "VirtualMFADevices": [ROOT_DEVICE, {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/left"}],
            "IsTruncated": True,
            "Marker": "next",
        },
    ),
    ("iam", "ListVirtualMFADevices", {}, {"VirtualMFADevices": [], "IsTruncated": False}),
    (
        "iam",
        "CreateVirtualMFADevice",
        {"VirtualMFADeviceName": "phone", "Tags": [{"Key": "a", "Value": ""}, {"Key": "ä", "Value": "1"}]},
        {"VirtualMFADevice": {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/phone", "Base32StringSeed": b"\0seed\xff"}},
    ),
    ("iam", "PutAccountProperties", {"Properties": {"a/b": "1.5", "c-d": "ä"}}, {}),
    ("iam", "DeleteVirtualMFADevice", {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/phone"}, {}),
    (
        "sts",
        "AssumeRole",
        {
            "RoleArn": ROLE_ARN,
            "RoleSessionName": "root-virtual-mfa-enabled",
            "DurationSeconds": 900,
            "PolicyArns": [{"arn": f"arn:aws:iam::aws:policy/p{number}"} for number in range(11)],
            "TransitiveTagKeys": [],
        },
        {
            "Credentials": {
                "AccessKeyId": "ASIAEXAMPLEEXAMPLE12",
                "SecretAccessKey": "secret/+=",
                "SessionToken": "token",
                "Expiration": TIME,
            },
            "AssumedRoleUser": {"AssumedRoleId": "AROA:s", "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"},
            "PackedPolicySize": 6,
        },
    ),
    (
        "lambda",
        "CreateFunction",
        {"FunctionName": "rule", "Role": ROLE_ARN, "Code": {"ZipFile": b"PK\0\xff"}, "Timeout": 900, "Publish": False},
        {"FunctionName": "rule", "CodeSize": 4, "Layers": []},
    ),
    (
        "lambda",
        "AddPermission",
        {
            "FunctionName": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:rule",
            "StatementId": "config",
            "Action": "lambda:InvokeFunction",
            "Principal": "config.amazonaws.com",
            "Qualifier": "$LATEST",
        },
        {"Statement": "{}"},
    ),
    ("lambda", "RemovePermission", {"FunctionName": "rule", "StatementId": "config"}, {}),
    (
        "lambda",
        "PutFunctionEventInvokeConfig",
        {
            "FunctionName": "rule",
            "MaximumRetryAttempts": 0,
            "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:failed"}},
        },
        {"FunctionArn": "a", "LastModified": TIME, "MaximumRetryAttempts": 0},
    ),
    ("lambda", "ListFunctions", {"Marker": "a+b/c=&%", "MaxItems": 2}, {"Functions": [], "NextMarker": "next"}),
    (
        "lambda",
        "UntagResource",
        {"Resource": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:rule", "TagKeys": ["a b", "ä=/"]},
        {},
    ),
    ("lambda", "GetAccountSettings", {}, {"AccountUsage": {"FunctionCount": 2}}),
]


@pytest.fixture(scope="module")
def session() -> botocore.session.Session:
    return botocore.session.Session()


@pytest.fixture(scope="module")
def apis() -> Mapping[str, ServiceApi]:
    return {service: ServiceApi(service) for service in (*SERVICES, "lambda")}


class LocalServer:
    """Stands between botocore's client and the network: it answers each request by the models."""

    def __init__(self, apis: Mapping[str, ServiceApi], session: botocore.session.Session) -> None:
        self._apis = apis
        self._session = session
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[Answer] = []

    def call(self, service: str, operation: str, params: dict[str, Any], result: dict[str, Any] | AwsError) -> Any:  # noqa: ANN401 - botocore's
        """Call `operation`, which answers `result`, without botocore's own validation."""
        client: Any = self._session.create_client(
            cast("Any", service),
            region_name="eu-central-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="-",  # noqa: S106 - nobody asks for it
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )

        def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            parts = urlsplit(request.url)
            routed = Routed(operation, unquote(parts.path), parse_qs(parts.query, keep_blank_values=True))
            status, headers, body = self._answer(self._apis[service], request, routed, result)
            return AWSResponse(request.url, status, cast("Any", headers), cast("Any", _Body(body)))

        client.meta.events.register("before-send", answer)
        return client._make_api_call(operation, params)  # noqa: SLF001 - by the operation's name

    def _answer(
        self, api: ServiceApi, request: AWSPreparedRequest, routed: Routed, result: dict[str, Any] | AwsError
    ) -> Answer:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in cast("Mapping[str, str | bytes]", request.headers).items()
        }
        body = cast("str | bytes | None", request.body) or b""
        operation = None
        try:
            operation, params = api.parse(headers, body.encode() if isinstance(body, str) else body, routed)
            self.requests.append((operation, params))
            api.validate(operation, params)
            if isinstance(result, AwsError):
                raise result
            answer = api.response(operation, result)
        except AwsError as error:
            answer = api.error(error, operation)
        self.answers.append(answer)
        return answer


class _Body:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


@pytest.fixture
def server(apis: Mapping[str, ServiceApi], session: botocore.session.Session) -> LocalServer:
    return LocalServer(apis, session)


def refusal(server: LocalServer, service: str, operation: str, params: dict[str, Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        server.call(service, operation, params, {})
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- Requests and answers ---


@pytest.mark.parametrize(
    ("service", "operation", "params", "result"), CASES, ids=[f"{case[1]}-{number}" for number, case in enumerate(CASES)]
)
def test_botocore_is_understood_and_understands(
    server: LocalServer, service: str, operation: str, params: dict[str, Any], result: dict[str, Any]
) -> None:
    response = server.call(service, operation, params, result)
    assert server.requests == [(operation, params)]
    assert response.pop("ResponseMetadata")["RequestId"] == server.answers[0][1]["x-amzn-RequestId"]
    assert response == result


def test_times_carry_their_zone_and_unknown_parameters_are_left_out(apis: Mapping[str, ServiceApi]) -> None:
    body = {
        "Evaluations": [{"ComplianceResourceId": "1", "OrderingTimestamp": 1468446600.5, "Later": 1}],
        "TestMode": None,
    }
    headers = {"X-Amz-Target": "StarlingDoveService.PutEvaluations"}
    _, params = apis["config"].parse(headers, json.dumps(body).encode())
    assert params == {"Evaluations": [{"ComplianceResourceId": "1", "OrderingTimestamp": TIME.replace(microsecond=500_000)}]}
    assert params["Evaluations"][0]["OrderingTimestamp"].tzinfo is UTC


def test_items_of_a_query_are_in_the_order_of_their_numbers(apis: Mapping[str, ServiceApi]) -> None:
    body = b"Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.10.Key=b&Tags.member.2.Key=a&Tags.member.2.Value=1"
    assert apis["iam"].parse({}, body) == ("TagRole", {"RoleName": "r", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b"}]})


# --- Refusals ---


def too_long_an_annotation() -> dict[str, Any]:
    return {"Evaluations": [EVALUATION, {**EVALUATION, "Annotation": "a" * 257}], "ResultToken": "token"}


REFUSALS = [
    (
        "PutEvaluations",
        too_long_an_annotation(),
        (
            f"1 validation error detected: Value '{'a' * 257}' at 'evaluations.2.member.annotation' failed to satisfy "
            "constraint: Member must have length less than or equal to 256"
        ),
    ),
    (
        "PutEvaluations",
        {"Evaluations": [{**EVALUATION, "Annotation": "", "ComplianceType": "FINE"}]},
        (
            "3 validation errors detected: Value 'FINE' at 'evaluations.1.member.complianceType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE, INSUFFICIENT_DATA]; "
            "Value '' at 'evaluations.1.member.annotation' failed to satisfy constraint: Member must have length greater "
            "than or equal to 1; Value null at 'resultToken' failed to satisfy constraint: Member must not be null"
        ),
    ),
    (
        "PutEvaluations",
        {"Evaluations": [EVALUATION] * 101, "ResultToken": "token"},
        (
            f"1 validation error detected: Value '[{', '.join(['Evaluation'] * 101)}]' at 'evaluations' failed to satisfy "
            "constraint: Member must have length less than or equal to 100"
        ),
    ),
    (
        "StartConfigRulesEvaluation",
        {"ConfigRuleNames": ["a"] * 26},
        (
            f"1 validation error detected: Value '[{', '.join('a' * 26)}]' at 'configRuleNames' failed to satisfy "
            "constraint: Member must have length less than or equal to 25"
        ),
    ),
    (
        "DescribeConfigRules",
        {"ConfigRuleNames": ["good", "a" * 129]},
        (
            f"1 validation error detected: Value '[good, {'a' * 129}]' at 'configRuleNames' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length "
            r"greater than or equal to 1, Member must satisfy regular expression pattern: .*\S.*]"
        ),
    ),
    (
        "GetComplianceDetailsByConfigRule",
        {"ConfigRuleName": "a" * 65, "Limit": 101},
        (
            f"2 validation errors detected: Value '{'a' * 65}' at 'configRuleName' failed to satisfy constraint: Member must "
            "have length less than or equal to 64; Value '101' at 'limit' failed to satisfy constraint: Member must have "
            "value less than or equal to 100"
        ),
    ),
    (
        "DeleteConfigRule",
        {"ConfigRuleName": " "},
        (
            "1 validation error detected: Value ' ' at 'configRuleName' failed to satisfy constraint: Member must satisfy "
            r"regular expression pattern: .*\S.*"
        ),
    ),
    (
        "PutRemediationConfigurations",
        {
            "RemediationConfigurations": [
                {
                    "ConfigRuleName": "a",
                    "TargetType": "SSM_DOCUMENT",
                    "TargetId": "t",
                    "Parameters": {"": {"StaticValue": {"Values": []}}, "b": {"ResourceValue": {}}},
                }
            ]
        },
        (
            "2 validation errors detected: Value '{=RemediationParameterValue, b=RemediationParameterValue}' at "
            "'remediationConfigurations.1.member.parameters' failed to satisfy constraint: Map keys must satisfy constraint: "
            "[Member must have length less than or equal to 256, Member must have length greater than or equal to 1]; "
            "Value null at 'remediationConfigurations.1.member.parameters.b.member.resourceValue.value' failed to satisfy "
            "constraint: Member must not be null"
        ),
    ),
]


@pytest.mark.parametrize(("operation", "params", "message"), REFUSALS)
def test_aws_config_refuses_what_its_model_refuses(
    server: LocalServer, operation: str, params: dict[str, Any], message: str
) -> None:
    assert refusal(server, "config", operation, params) == ("ValidationException", message, 400)


def test_iam_and_sts_refuse_what_their_models_refuse(server: LocalServer) -> None:
    code, message, status = refusal(server, "iam", "ListVirtualMFADevices", {"AssignmentStatus": "All", "MaxItems": 1001})
    assert (code, status) == ("ValidationError", 400)
    assert message == (
        "2 validation errors detected: Value 'All' at 'assignmentStatus' failed to satisfy constraint: Member must satisfy "
        "enum value set: [Assigned, Unassigned, Any]; Value '1001' at 'maxItems' failed to satisfy constraint: Member must "
        "have value less than or equal to 1000"
    )
    code, message, _ = refusal(
        server, "sts", "AssumeRole", {"RoleArn": ROLE_ARN, "RoleSessionName": "ä b", "DurationSeconds": 899}
    )
    assert code == "ValidationError"
    assert message.startswith("2 validation errors detected: Value 'ä b' at 'roleSessionName'")
    assert message.endswith(
        "at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"
    )


def test_a_secret_value_is_not_repeated(server: LocalServer) -> None:
    params = {"OldPassword": "old", "NewPassword": "n" * 129}
    code, message, _ = refusal(server, "iam", "ChangePassword", params)
    assert (code, message) == (
        "ValidationError",
        (
            "1 validation error detected: Value at 'newPassword' failed to satisfy constraint: Member must have length less "
            "than or equal to 128"
        ),
    )


@pytest.mark.parametrize(
    "params",
    [
        {"ConfigRuleNames": "a"},
        {"ConfigRuleNames": [1]},
        {"ConfigRuleNames": [None]},
        {"Filters": []},
        {"Filters": {"EvaluationMode": True}},
    ],
)
def test_aws_config_refuses_other_types(apis: Mapping[str, ServiceApi], params: dict[str, Any]) -> None:
    with pytest.raises(AwsError) as caught:
        apis["config"].parse({"x-amz-target": "StarlingDoveService.DescribeConfigRules"}, json.dumps(params).encode())
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"\xff"',
        b'{"limit": 1.5}',
        b'{"limit": true}',
        b'{"laterTime": "today"}',
        b'{"laterTime": 1e99}',
        b'{"laterTime": false}',
    ],
)
def test_aws_config_refuses_other_bodies(apis: Mapping[str, ServiceApi], body: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        apis["config"].parse({"x-amz-target": "StarlingDoveService.GetResourceConfigHistory"}, body)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize(
    "parameters",
    ["MaxItems=many", "MaxItems=", "MaxItems.member.1=1", "Marker.a=1"],
)
def test_iam_refuses_other_types(apis: Mapping[str, ServiceApi], parameters: str) -> None:
    with pytest.raises(AwsError) as caught:
        apis["iam"].parse({}, f"Action=ListVirtualMFADevices&Version=2010-05-08&{parameters}".encode())
    assert caught.value.code == "MalformedInput"


@pytest.mark.parametrize("parameters", ["Tags.member=1", "Tags.member.x.Key=1", "Tags.member.1..=1&Tags.member.y=2"])
def test_iam_refuses_lists_without_numbers(apis: Mapping[str, ServiceApi], parameters: str) -> None:
    with pytest.raises(AwsError) as caught:
        apis["iam"].parse({}, f"Action=TagRole&Version=2010-05-08&RoleName=r&{parameters}".encode())
    assert caught.value.code == "MalformedInput"


@pytest.mark.parametrize("target", ["", "PutEvaluations", "StarlingDoveService.Put", "Logs_20140328.PutEvaluations"])
def test_an_unknown_operation_of_aws_config(apis: Mapping[str, ServiceApi], target: str) -> None:
    with pytest.raises(AwsError) as caught:
        apis["config"].parse({"X-Amz-Target": target}, b"{}")
    assert caught.value.code == "UnknownOperationException"
    status, headers, body = apis["config"].error(caught.value)
    assert (status, headers["x-amzn-ErrorType"]) == (400, "UnknownOperationException")
    assert json.loads(body)["__type"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingAction"),
        (b"\xff", "MissingAction"),
        (b"Action=PutEvaluations&Version=2010-05-08", "InvalidAction"),
        (b"Action=GetAccountSummary&Version=2011-06-15", "InvalidAction"),
        (b"Action=GetAccountSummary", "InvalidAction"),
    ],
)
def test_an_unknown_operation_of_iam(apis: Mapping[str, ServiceApi], body: bytes, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        apis["iam"].parse({}, body)
    assert caught.value.code == code
    assert apis["iam"].error(caught.value)[0] == 400


def test_an_invocation_has_members_in_path_query_headers_and_body(apis: Mapping[str, ServiceApi]) -> None:
    routed = Routed("Invoke", "/2015-03-31/functions/rule/invocations", {"Qualifier": ["$LATEST"], "Later": ["1"]})
    headers = {"X-Amz-Invocation-Type": "Event", "X-Amz-Later": "1"}
    members = {"FunctionName": "rule", "Qualifier": "$LATEST", "InvocationType": "Event", "Payload": b"no JSON"}
    assert apis["lambda"].parse(headers, b"no JSON", routed) == ("Invoke", members)
    assert apis["lambda"].parse({}, b"", Routed("Invoke", "/2015-03-31/functions/rule/invocations/", {})) == (
        "Invoke",
        {"FunctionName": "rule"},
    )


def test_the_body_of_a_request_cannot_set_what_belongs_elsewhere(apis: Mapping[str, ServiceApi]) -> None:
    body = b'{"FunctionName": "other", "ReservedConcurrentExecutions": 0}'
    routed = Routed("PutFunctionConcurrency", "/2017-10-31/functions/rule/concurrency", {})
    _, params = apis["lambda"].parse({}, body, routed)
    assert params == {"FunctionName": "rule", "ReservedConcurrentExecutions": 0}


@pytest.mark.parametrize(
    ("operation", "path", "query", "body"),
    [
        ("ListFunctions", "/2015-03-31/functions", {"MaxItems": ["many"]}, b""),
        ("PutFunctionConcurrency", "/2017-10-31/functions/a/concurrency", {}, b"{"),
        ("PutFunctionConcurrency", "/2017-10-31/functions/a/concurrency", {}, b"[]"),
        ("PutFunctionConcurrency", "/2017-10-31/functions/a/concurrency", {}, b'{"ReservedConcurrentExecutions": "1"}'),
        ("UpdateFunctionCode", "/2015-03-31/functions/a/code", {}, b'{"ZipFile": "no base64!"}'),
    ],
)
def test_lambda_refuses_what_it_cannot_read(
    apis: Mapping[str, ServiceApi], operation: str, path: str, query: dict[str, list[str]], body: bytes
) -> None:
    with pytest.raises(AwsError) as caught:
        apis["lambda"].parse({}, body, Routed(operation, path, query))
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize("routed", [None, Routed("", "/", {}), Routed("DescribeFunctions", "/", {})])
def test_an_unknown_operation_of_lambda(apis: Mapping[str, ServiceApi], routed: Routed | None) -> None:
    with pytest.raises(AwsError) as caught:
        apis["lambda"].parse({}, b"", routed)
    assert caught.value.code == "UnknownOperationException"
    assert apis["lambda"].error(caught.value)[0] == 404


# --- Errors ---


@pytest.mark.parametrize(
    ("service", "operation", "params", "error", "status"),
    [
        ("config", "DeleteConfigRule", {"ConfigRuleName": "a"}, AwsError("NoSuchConfigRuleException", "a"), 400),
        ("config", "DeleteConfigRule", {"ConfigRuleName": "a"}, AwsError("AccessDeniedException", "no"), 400),
        ("config", "DeleteConfigRule", {"ConfigRuleName": "a"}, AwsError("InternalFailure", "oh"), 500),
        ("iam", "DeleteVirtualMFADevice", {"SerialNumber": "s" * 9}, AwsError("NoSuchEntity", "<none> & „nil“"), 404),
        ("iam", "GetAccountSummary", {}, AwsError("AccessDenied", "no"), 403),
        ("lambda", "GetPolicy", {"FunctionName": "a"}, AwsError("ResourceNotFoundException", "none"), 404),
        (
            "lambda",
            "PutFunctionConcurrency",
            {"FunctionName": "a", "ReservedConcurrentExecutions": 0},
            AwsError("InvalidParameterValueException", "no"),
            400,
        ),
        ("lambda", "GetPolicy", {"FunctionName": "a"}, AwsError("AccessDeniedException", "no"), 403),
        ("iam", "GetAccountSummary", {}, AwsError("Throttling", "Rate exceeded"), 400),
        ("iam", "GetAccountSummary", {}, AwsError("ServiceUnavailable", "later"), 503),
        ("iam", "GetAccountSummary", {}, AwsError("ServiceUnavailable", "later", status=500), 500),
        ("sts", "GetCallerIdentity", {}, AwsError("ExpiredToken", "expired"), 403),
    ],
)
def test_botocore_understands_errors(  # noqa: PLR0913, PLR0917 - a case has as many parts
    server: LocalServer, service: str, operation: str, params: dict[str, Any], error: AwsError, status: int
) -> None:
    with pytest.raises(ClientError) as caught:
        server.call(service, operation, params, error)
    response = caught.value.response
    assert (response["Error"]["Code"], response["Error"]["Message"]) == (error.code, error.message)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == server.answers[0][1]["x-amzn-RequestId"]
    if service in {"iam", "sts"}:
        expected = "Receiver" if status >= 500 else "Sender"
        assert cast("dict[str, str]", response["Error"])["Type"] == expected


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("config", "PutEvaluations", "MaxNumberOfConfigRulesExceededException"),
        ("config", None, "NoSuchConfigRuleException"),
        ("config", "PutEvaluations", "Throttling"),
        ("iam", "GetAccountSummary", "NoSuchEntity"),
        ("iam", "DeleteVirtualMFADevice", "NoSuchEntityException"),
        ("iam", "GetAccountSummary", "AccessDeniedException"),
    ],
)
def test_an_error_that_the_operation_does_not_have_is_a_bug(
    apis: Mapping[str, ServiceApi], service: str, operation: str | None, code: str
) -> None:
    with pytest.raises(ValueError, match=f"has no error {code}"):
        apis[service].error(AwsError(code, "?"), operation)


# --- Answers that the model does not have ---


@pytest.mark.parametrize(
    ("service", "operation", "result"),
    [
        ("config", "DescribeConfigRules", {"Rules": []}),
        ("config", "DescribeConfigRules", {"ConfigRules": [{"Name": "a"}]}),
        ("config", "DescribeConfigRules", {"ConfigRules": ({"ConfigRuleName": "a"},)}),
        ("config", "DescribeConfigRules", {"ConfigRules": [{"ConfigRuleState": "BROKEN"}]}),
        ("config", "DescribeConfigRules", {"ConfigRules": [{"ConfigRuleName": None}]}),
        ("config", "GetComplianceDetailsByResource", {"EvaluationResults": [{"ResultRecordedTime": 1468446600}]}),
        (
            "config",
            "GetComplianceDetailsByResource",
            {"EvaluationResults": [{"ResultRecordedTime": TIME.replace(tzinfo=None)}]},
        ),
        ("config", "DeleteConfigRule", {"ConfigRuleName": "a"}),
        ("iam", "GetAccountSummary", {"SummaryMap": {"AccountMFAEnabled": True}}),
        ("iam", "GetAccountSummary", {"SummaryMap": {"AccountMfaEnabled": 1}}),
        ("iam", "ListVirtualMFADevices", {"VirtualMFADevices": [], "IsTruncated": 0}),
        ("lambda", "Invoke", {"StatusCode": 200}),
    ],
)
def test_an_answer_that_the_model_does_not_have_is_a_bug(
    apis: Mapping[str, ServiceApi], service: str, operation: str, result: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=operation):
        apis[service].response(operation, result)


# --- The models ---


def test_a_service_of_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="s3 speaks rest-xml"):
        ServiceApi("s3")


@pytest.mark.parametrize("service", SERVICES)
def test_the_models_need_no_more_than_is_handled(session: botocore.session.Session, service: str) -> None:
    model = session.get_service_model(cast("Any", service))
    for name in model.shape_names:
        shape = model.shape_for(name)
        members = [*getattr(shape, "members", {}).values(), *_items(shape)]
        assert not [member for member in [shape, *members] if member.serialization], name
        if "pattern" in shape.metadata:
            compile_pattern(shape.metadata["pattern"])
    outputs = [model.operation_model(name) for name in model.operation_names]
    assert all(_wrapped(operation, service) for operation in outputs)


def test_the_model_of_lambda_needs_no_more_than_is_handled(session: botocore.session.Session) -> None:
    model = session.get_service_model("lambda")
    for name in coverage.read()["lambda"].names:
        shape = model.operation_model(name).input_shape
        for member in shape.members.values() if shape else ():
            known = {"uri", "querystring", "header", None}
            assert member.serialization.get("location") in known, (name, member)
            assert not isinstance(member, ListShape) or member.serialization.get("location") != "header", (name, member)
            assert not member.serialization.get("jsonvalue"), (name, member)
        payload = shape.serialization.get("payload") if shape else None
        assert not (shape and payload) or shape.members[payload].type_name == "blob", name


def _items(shape: Shape) -> list[Shape]:
    return [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]


def _wrapped(operation: OperationModel, service: str) -> bool:
    speaks_query = service not in {"config", "events", "organizations"}
    return operation.output_shape is None or ("resultWrapper" in operation.output_shape.serialization) == speaks_query


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"[\w+=,.@-]+", "root-virtual+mfa", "ä"),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "Zoë 1", "a!"),
        (r"[a-zA-Z\d-_/]+", "a-1_/", "a.b"),
        (r"\d{12}", ACCOUNT, f"{ACCOUNT}\n"),
        (r".*\S.*", " a", " "),
    ],
)
def test_patterns_are_read_as_java_does(pattern: str, matching: str, other: str) -> None:
    assert compile_pattern(pattern).fullmatch(matching)
    assert not compile_pattern(pattern).fullmatch(other)


RULE_OF_TEMPLATE = {"Name": "example", "Tags": [{"Key": "size", "Value": 1}], "Description": True}


def test_a_template_may_write_numbers_booleans_and_texts_as_each_other() -> None:
    events, config = ServiceApi("events"), ServiceApi("config")
    assert events.from_template("PutRule", RULE_OF_TEMPLATE) == {
        "Name": "example",
        "Tags": [{"Key": "size", "Value": "1"}],
        "Description": "true",
    }
    [target] = events.from_template("PutTargets", {"Rule": "a", "Targets": [{"RetryPolicy": {"MaximumRetryAttempts": "2"}}]})[
        "Targets"
    ]
    assert target == {"RetryPolicy": {"MaximumRetryAttempts": 2}}
    source = {"OrganizationAggregationSource": {"RoleArn": ROLE_ARN, "AllAwsRegions": "True"}}
    typed = config.from_template("PutConfigurationAggregator", source)["OrganizationAggregationSource"]
    assert typed["AllAwsRegions"] is True


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"Colour": "red"}, "ValidationException", "#: extraneous key [Colour] is not permitted"),
        ({"Tags": [{"Size": 1}]}, "ValidationException", "#/Tags/0: extraneous key [Size] is not permitted"),
        ({"Tags": "none"}, "SerializationException", '"none" can not be converted to a list'),
        ({"Description": ["a"]}, "SerializationException", '["a"] can not be converted to a string'),
    ],
)
def test_what_a_template_may_not_have(params: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(AwsError) as refused:
        ServiceApi("events").from_template("PutRule", params)
    assert (refused.value.code, refused.value.message[: len(message)]) == (code, message)
