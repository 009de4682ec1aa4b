"""What AWS refuses, the local AWS refuses: unknown names, malformed values, duplicates, what is in use, unknown tokens.

One table for all services. Each call is one that an operator types by mistake.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from botocore import xform_name

from local_aws.client import LocalAwsProcess
from tests.local_aws.scene import CENTRAL, Clients, create_function, package, refusal, trust

CODE = "def handler(event, context):\n    return event\n"
LAMBDA = trust({"Service": "lambda.amazonaws.com"})
NO_STACK = {"StackName": "none"}
NONE = {"TopicArn": "arn:aws:sns:us-east-1:{account}:none"}
TOPIC = "arn:aws:sns:us-east-1:{account}:kept"
QUEUE = "{endpoint}/{account}/kept"
GROUPS = "arn:aws:logs:us-east-1:{account}:log-group:"
BUCKET = {"Bucket": "kept-{account}"}
NOWHERE = {"LocationConstraint": "nowhere"}
NOBODY = {"Rules": [{"ObjectOwnership": "Nobody"}]}
FETCH = {"AllowedMethods": ["FETCH"], "AllowedOrigins": ["*"]}
KEPT = {"logGroupName": "kept"}
ABSENT = {"logGroupName": "none"}
COUNT = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
FILTER = {**KEPT, "filterName": "f", "filterPattern": "x", "metricTransformations": [COUNT]}
TOPIC_TEMPLATE = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
MANY_TAGS = {f"key{number}": "" for number in range(51)}
FUNCTION = {
    "FunctionName": "new",
    "Role": "arn:aws:iam::{account}:role/kept",
    "Runtime": "python3.13",
    "Handler": "example.handler",
    "Code": {"ZipFile": package(CODE)},
}
FUNCTION_ARN = "arn:aws:lambda:us-east-1:{account}:function:kept"
LAYER = "arn:aws:lambda:us-east-1:{account}:layer:none:1"
DAYS = "1 validation error detected: Value '4' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum"

INVALID, NOT_FOUND, EXISTS = "InvalidParameterException", "ResourceNotFoundException", "ResourceAlreadyExistsException"
LAMBDA_INVALID = "InvalidParameterValueException"
NO_SUCH, IN_USE, VALIDATION = "NoSuchEntity", "DeleteConflict", "ValidationError"

REFUSED: dict[str, list[tuple[str, dict[str, Any], str, str]]] = {
    "logs": [
        ("CreateLogGroup", KEPT, EXISTS, "The specified log group already exists"),
        ("CreateLogGroup", {"logGroupName": "a b"}, INVALID, "Value 'a b' at 'logGroupName' failed to satisfy"),
        ("CreateLogGroup", {"logGroupName": "aws/new"}, INVALID, "reserved for AWS"),
        ("CreateLogGroup", {"logGroupName": "new", "kmsKeyId": "none"}, INVALID, "does not emulate kmsKeyId"),
        ("CreateLogGroup", {"logGroupName": "new", "tags": {"aws:x": "y"}}, INVALID, "aws:x"),
        ("CreateLogGroup", {}, INVALID, "Value null at 'logGroupName'"),
        ("DeleteLogGroup", ABSENT, NOT_FOUND, "The specified log group does not exist."),
        ("PutRetentionPolicy", {**ABSENT, "retentionInDays": 7}, NOT_FOUND, "The specified log group does not exist."),
        ("PutRetentionPolicy", {**KEPT, "retentionInDays": 4}, INVALID, DAYS),
        ("DeleteRetentionPolicy", ABSENT, NOT_FOUND, "The specified log group does not exist."),
        ("CreateLogStream", {**ABSENT, "logStreamName": "s"}, NOT_FOUND, "The specified log group does not exist."),
        ("CreateLogStream", {**KEPT, "logStreamName": "kept"}, EXISTS, "The specified log stream already exists"),
        ("CreateLogStream", {**KEPT, "logStreamName": "a:b"}, INVALID, "Value 'a:b' at 'logStreamName' failed"),
        ("DeleteLogStream", {**KEPT, "logStreamName": "none"}, NOT_FOUND, "The specified log stream does not exist."),
        ("TagResource", {"resourceArn": f"{GROUPS}none", "tags": {"a": "b"}}, NOT_FOUND, "does not exist"),
        ("TagResource", {"resourceArn": f"{GROUPS}kept", "tags": {"aws:a": "b"}}, INVALID, "aws:a"),
        ("TagResource", {"resourceArn": f"{GROUPS}kept", "tags": MANY_TAGS}, INVALID, "at 'tags' failed"),
        ("UntagResource", {"resourceArn": f"{GROUPS}none", "tagKeys": ["a"]}, NOT_FOUND, "does not exist"),
        ("ListTagsForResource", {"resourceArn": f"{GROUPS}none"}, NOT_FOUND, "does not exist"),
        ("PutMetricFilter", {**FILTER, **ABSENT}, NOT_FOUND, "The specified log group does not exist."),
        ("PutMetricFilter", {**FILTER, "metricTransformations": []}, INVALID, "at 'metricTransformations' failed"),
        ("PutMetricFilter", {**FILTER, "filterPattern": "{"}, INVALID, "Invalid metric filter pattern"),
        ("DescribeMetricFilters", ABSENT, NOT_FOUND, "The specified log group does not exist."),
        ("DescribeMetricFilters", {"limit": 51}, INVALID, "Value '51' at 'limit' failed"),
        ("DescribeMetricFilters", {"nextToken": "none"}, INVALID, "nextToken"),
        ("DescribeMetricFilters", {"metricName": "m"}, INVALID, "must contain both MetricName and MetricNamespace"),
        ("DeleteMetricFilter", {**KEPT, "filterName": "none"}, NOT_FOUND, "metric filter does not exist"),
        ("DescribeLogGroups", {"nextToken": "none"}, INVALID, "nextToken"),
    ],
    "iam": [
        ("CreateAccountAlias", {"AccountAlias": "A_B"}, VALIDATION, "at 'accountAlias' failed"),
        ("CreateAccountAlias", {"AccountAlias": "kept-alias"}, "EntityAlreadyExists", "kept-alias already exists"),
        ("CreateAccountAlias", {"AccountAlias": "123456789012"}, VALIDATION, "must not be an account ID"),
        ("DeleteAccountAlias", {"AccountAlias": "none"}, NO_SUCH, "The Account Alias with name none cannot be found."),
        ("ListAccountAliases", {"Marker": "none"}, VALIDATION, "Invalid Marker."),
        ("GetAccountPasswordPolicy", {}, NO_SUCH, "The Password Policy with domain name {account} cannot be found."),
        ("DeleteAccountPasswordPolicy", {}, NO_SUCH, "The account policy with name PasswordPolicy cannot be found."),
        ("UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 5}, VALIDATION, "greater than or equal to 6"),
        ("CreateInstanceProfile", {"InstanceProfileName": "kept"}, "EntityAlreadyExists", "kept already exists."),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "kept", "RoleName": "other"}, "LimitExceeded", "Profile: 1"),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "kept", "RoleName": "none"}, NO_SUCH, "role with name none"),
        ("AddRoleToInstanceProfile", {"InstanceProfileName": "none", "RoleName": "kept"}, NO_SUCH, "Profile none cannot"),
        ("RemoveRoleFromInstanceProfile", {"InstanceProfileName": "kept", "RoleName": "other"}, NO_SUCH, "Role other"),
        ("DeleteInstanceProfile", {"InstanceProfileName": "kept"}, IN_USE, "must remove roles from instance profile"),
        ("ListInstanceProfiles", {"Marker": "none"}, VALIDATION, "Invalid Marker."),
        ("ListInstanceProfilesForRole", {"RoleName": "none"}, NO_SUCH, "The role with name none cannot be found."),
    ],
    "sns": [
        ("Unsubscribe", {"SubscriptionArn": "none"}, "InvalidParameter", "must have at least 6 elements, not 1"),
        ("GetSubscriptionAttributes", {"SubscriptionArn": f"{TOPIC}:1"}, "NotFound", "Subscription does not exist"),
        ("SetSubscriptionAttributes", {"SubscriptionArn": f"{TOPIC}:1", "AttributeName": "FilterPolicy"}, "NotFound", ""),
        ("TagResource", {"ResourceArn": f"{TOPIC}2", "Tags": []}, "ResourceNotFound", "Resource does not exist"),
        ("TagResource", {"ResourceArn": TOPIC, "Tags": [{"Key": "a", "Value": ""}] * 2}, "InvalidParameter", "Duplicated"),
        ("TagResource", {"ResourceArn": TOPIC, "Tags": [{"Key": "aws:a", "Value": ""}]}, "InvalidParameter", "aws:"),
        (
            "TagResource",
            {"ResourceArn": TOPIC, "Tags": [{"Key": key, "Value": ""} for key in MANY_TAGS]},
            "TagLimitExceeded",
            "50",
        ),
        ("ListTagsForResource", {"ResourceArn": "none"}, "InvalidParameter", "must have at least 6 elements"),
        ("Publish", {**NONE, "Message": "m"}, "NotFound", "Topic does not exist"),
        ("PublishBatch", {"TopicArn": TOPIC, "PublishBatchRequestEntries": []}, "EmptyBatchRequest", ""),
    ],
    "sqs": [
        ("GetQueueUrl", {"QueueName": "none"}, "AWS.SimpleQueueService.NonExistentQueue", "does not exist"),
        ("DeleteQueue", {"QueueUrl": f"{QUEUE}2"}, "AWS.SimpleQueueService.NonExistentQueue", "does not exist"),
        ("TagQueue", {"QueueUrl": f"{QUEUE}2", "Tags": {"a": "b"}}, "AWS.SimpleQueueService.NonExistentQueue", ""),
        ("SendMessageBatch", {"QueueUrl": QUEUE, "Entries": []}, "AWS.SimpleQueueService.EmptyBatchRequest", ""),
        ("DeleteMessage", {"QueueUrl": QUEUE, "ReceiptHandle": "none"}, "ReceiptHandleIsInvalid", ""),
        ("ReceiveMessage", {"QueueUrl": QUEUE, "MaxNumberOfMessages": 11}, "InvalidParameterValue", "between 1 and 10"),
        ("ReceiveMessage", {"QueueUrl": QUEUE, "VisibilityTimeout": 43201}, "InvalidParameterValue", "<= 43200"),
    ],
    "sts": [
        ("GetSessionToken", {"DurationSeconds": 899}, VALIDATION, "greater than or equal to 900"),
        ("GetAccessKeyInfo", {"AccessKeyId": "none"}, VALIDATION, "at 'accessKeyId' failed"),
    ],
    "resourcegroupstaggingapi": [
        ("TagResources", {"ResourceARNList": [], "Tags": {"a": "b"}}, INVALID, "at 'resourceARNList' failed"),
        ("TagResources", {"ResourceARNList": [TOPIC], "Tags": {"aws:a": "b"}}, INVALID, "aws:a"),
        ("UntagResources", {"ResourceARNList": [TOPIC], "TagKeys": []}, INVALID, "at 'tagKeys' failed"),
        ("GetResources", {"PaginationToken": "none"}, INVALID, ""),
    ],
    "s3": [
        ("CreateBucket", {"Bucket": "A_B"}, "InvalidBucketName", ""),
        ("CreateBucket", {"Bucket": "192.168.0.1"}, "InvalidBucketName", ""),
        ("DeleteBucket", BUCKET, "BucketNotEmpty", ""),
        ("DeleteBucket", {"Bucket": "none-{account}"}, "NoSuchBucket", ""),
        ("GetObject", {**BUCKET, "Key": "none"}, "NoSuchKey", ""),
        ("GetBucketPolicy", BUCKET, "NoSuchBucketPolicy", ""),
        ("GetBucketTagging", BUCKET, "NoSuchTagSet", ""),
        ("CreateBucket", {"Bucket": "new-{account}", "CreateBucketConfiguration": NOWHERE}, "InvalidLocationConstraint", ""),
        ("PutObject", {**BUCKET, "Key": "k" * 1025}, "KeyTooLongError", ""),
        ("CopyObject", {**BUCKET, "Key": "kept", "CopySource": "kept-{account}/kept"}, "InvalidRequest", "to itself"),
        ("DeleteObjects", {**BUCKET, "Delete": {"Objects": []}}, "MalformedXML", ""),
        ("DeleteObjects", {**BUCKET, "Delete": {"Objects": [{"Key": f"k{n}"} for n in range(1001)]}}, "MalformedXML", ""),
        ("ListObjectsV2", {**BUCKET, "ContinuationToken": "none"}, "InvalidArgument", "continuation token"),
        ("ListObjectsV2", {**BUCKET, "MaxKeys": -1}, "InvalidArgument", "maxKeys"),
        ("ListBuckets", {"MaxBuckets": 0}, "InvalidArgument", "maxBuckets"),
        ("PutBucketTagging", {**BUCKET, "Tagging": {"TagSet": [{"Key": "a", "Value": ""}] * 2}}, "InvalidTag", "same key"),
        ("PutBucketOwnershipControls", {**BUCKET, "OwnershipControls": NOBODY}, "MalformedXML", ""),
        ("PutBucketLifecycleConfiguration", {**BUCKET, "LifecycleConfiguration": {"Rules": []}}, "MalformedXML", ""),
        ("PutBucketCors", {**BUCKET, "CORSConfiguration": {"CORSRules": [FETCH]}}, "InvalidRequest", "FETCH"),
        ("UploadPart", {**BUCKET, "Key": "k", "UploadId": "none", "PartNumber": 1}, "NoSuchUpload", ""),
    ],
    "lambda": [
        ("CreateFunction", {**FUNCTION, "FunctionName": "kept"}, "ResourceConflictException", "Function already exist: kept"),
        ("CreateFunction", {**FUNCTION, "Code": {"ZipFile": b"no archive"}}, LAMBDA_INVALID, "unzip"),
        ("CreateFunction", {**FUNCTION, "Code": {}}, LAMBDA_INVALID, ""),
        ("CreateFunction", {**FUNCTION, "Handler": None}, LAMBDA_INVALID, "mandatory parameters"),
        ("CreateFunction", {**FUNCTION, "Environment": {"Variables": {"AWS_REGION": "x"}}}, LAMBDA_INVALID, "reserved keys"),
        ("CreateFunction", {**FUNCTION, "Environment": {"Variables": {"TEXT": "x" * 5000}}}, LAMBDA_INVALID, "4KB limit"),
        ("CreateFunction", {**FUNCTION, "Layers": [LAYER]}, LAMBDA_INVALID, "does not emulate layers"),
        ("CreateFunction", {**FUNCTION, "Tags": {"aws:x": "y"}}, LAMBDA_INVALID, "aws:x"),
        ("DeleteFunction", {"FunctionName": "kept", "Qualifier": "$LATEST"}, LAMBDA_INVALID, "$LATEST version cannot be"),
        ("TagResource", {"Resource": FUNCTION_ARN, "Tags": MANY_TAGS}, LAMBDA_INVALID, "tag limit of 50"),
        ("UntagResource", {"Resource": FUNCTION_ARN, "TagKeys": []}, "ValidationException", "Value null at 'tagKeys' failed"),
        ("UpdateFunctionCode", {"FunctionName": "kept"}, LAMBDA_INVALID, ""),
        ("UpdateFunctionConfiguration", {"FunctionName": "kept", "RevisionId": "1"}, "PreconditionFailedException", ""),
    ],
    "cloudformation": [
        ("CreateStack", {"StackName": "a b", "TemplateBody": TOPIC_TEMPLATE}, VALIDATION, "at 'stackName' failed"),
        ("CreateStack", {"StackName": "new", "TemplateBody": "{"}, VALIDATION, ""),
        ("CreateStack", {"StackName": "new", "TemplateBody": '{"Resources": {"T": {}}}'}, VALIDATION, ""),
        ("UpdateStack", {**NO_STACK, "TemplateBody": TOPIC_TEMPLATE}, VALIDATION, "[none] does not exist"),
        ("DescribeStacks", NO_STACK, VALIDATION, "Stack with id none does not exist"),
        ("DescribeStackResource", {**NO_STACK, "LogicalResourceId": "T"}, VALIDATION, "does not exist"),
        ("DescribeEvents", NO_STACK, VALIDATION, ""),
        ("GetTemplate", NO_STACK, VALIDATION, "does not exist"),
        ("GetTemplateSummary", {}, VALIDATION, ""),
        ("ValidateTemplate", {"TemplateBody": "{}"}, VALIDATION, ""),
        ("UpdateTerminationProtection", {**NO_STACK, "EnableTerminationProtection": True}, VALIDATION, ""),
        ("RollbackStack", NO_STACK, VALIDATION, ""),
        ("DescribeChangeSet", {**NO_STACK, "ChangeSetName": "none"}, VALIDATION, "does not exist"),
        ("ListExports", {"NextToken": "none"}, VALIDATION, "NextToken"),
        ("DescribeType", {"Type": "RESOURCE", "TypeName": "AWS::DynamoDB::Table"}, "CFNRegistryException", "not emulate"),
    ],
    "events": [
        ("DescribeRule", {"Name": "none"}, NOT_FOUND, "Rule none does not exist on EventBus default."),
        ("PutRule", {"Name": "new", "ScheduleExpression": "rate(0 days)"}, "ValidationException", ""),
        ("ListRules", {"NextToken": "none"}, "ValidationException", ""),
    ],
    "config": [
        ("DescribeConfigRules", {"ConfigRuleNames": ["none"]}, "NoSuchConfigRuleException", ""),
        ("DeleteConfigRule", {"ConfigRuleName": "none"}, "NoSuchConfigRuleException", ""),
        ("StartConfigRulesEvaluation", {"ConfigRuleNames": ["none"]}, "NoSuchConfigRuleException", ""),
        ("DescribeComplianceByConfigRule", {"NextToken": "none"}, "InvalidNextTokenException", ""),
    ],
    "ssm": [
        ("GetDocument", {"Name": "none"}, "InvalidDocument", ""),
        ("StartAutomationExecution", {"DocumentName": "none"}, "AutomationDefinitionNotFoundException", ""),
        ("GetOpsItem", {"OpsItemId": "oi-123456789012"}, "OpsItemNotFoundException", ""),
    ],
    "cloudwatch": [
        ("SetAlarmState", {"AlarmName": "none", "StateValue": "OK", "StateReason": "r"}, "ResourceNotFound", ""),
        ("DescribeAlarms", {"NextToken": "none"}, "InvalidNextToken", ""),
    ],
    "cloudtrail": [
        ("LookupEvents", {"NextToken": "none"}, "InvalidNextTokenException", ""),
    ],
    "organizations": [
        ("DescribeOrganization", {}, "AWSOrganizationsNotInUseException", ""),
    ],
}  # fmt: skip  # as a table


@pytest.fixture(scope="module")
def scene(local_aws: LocalAwsProcess, client: Clients, _unused_accounts: Iterator[str]) -> tuple[Clients, dict[str, str]]:
    """Give an account that has one thing of each kind, by the name kept."""
    account_id = next(_unused_accounts)
    client("logs", account_id).create_log_group(**KEPT)
    client("logs", account_id).create_log_stream(**KEPT, logStreamName="kept")
    iam = client("iam", account_id)
    iam.create_account_alias(AccountAlias="kept-alias")
    create_function(client, account_id, "kept", CODE)
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=LAMBDA)
    iam.create_instance_profile(InstanceProfileName="kept")
    iam.add_role_to_instance_profile(InstanceProfileName="kept", RoleName="kept")
    client("sns", account_id).create_topic(Name="kept")
    client("sqs", account_id).create_queue(QueueName="kept")
    client("s3", account_id).create_bucket(Bucket=f"kept-{account_id}")
    client("s3", account_id).put_object(Bucket=f"kept-{account_id}", Key="kept")
    return client, {"account": account_id, "endpoint": local_aws.endpoint_url}


def filled(value: Any, places: dict[str, str]) -> Any:  # noqa: ANN401 - a request's parameters
    """Return a value with the account and the endpoint in its texts."""
    match value:
        case str():
            for name, text in places.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        case dict():
            return {key: filled(each, places) for key, each in value.items()}
        case list():
            return [filled(each, places) for each in value]
    return value


@pytest.mark.parametrize("service", REFUSED)
def test_what_aws_refuses_is_refused(scene: tuple[Clients, dict[str, str]], service: str) -> None:
    client, places = scene
    found = {}
    for number, (operation, params, code, message) in enumerate(REFUSED[service]):
        call = getattr(client(service, places["account"]), xform_name(operation))
        given = {name: value for name, value in filled(params, places).items() if value is not None}
        refused, said = refusal(partial(call, **given))
        if refused != code or filled(message, places) not in said:
            found[number, operation] = (refused, said)
    assert found == {}


def test_each_account_has_an_owner_of_its_own_in_s3(client: Clients, account_id: str) -> None:
    own = client("s3", account_id).list_buckets()["Owner"]["ID"]
    client("s3", account_id).create_bucket(Bucket=f"owned-{account_id}")
    assert client("s3", account_id).get_bucket_acl(Bucket=f"owned-{account_id}")["Owner"]["ID"] == own
    assert client("s3", CENTRAL).list_buckets()["Owner"]["ID"] != own
