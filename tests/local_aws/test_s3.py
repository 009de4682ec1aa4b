"""S3: policies of buckets, who may use a bucket of another account, and pages of lists."""

import base64
import json

import pytest

from tests.local_aws.scene import Clients, refusal


@pytest.mark.parametrize(
    "policy",
    ["nonsense", "[]", "{}", '{"Statement": []}', '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'],
)
def test_a_bucket_policy_that_is_none_is_refused(client: Clients, account_id: str, policy: str) -> None:
    s3, bucket = client("s3", account_id), f"policy-{account_id}"
    s3.create_bucket(Bucket=bucket)
    code, message = refusal(s3.put_bucket_policy, Bucket=bucket, Policy=policy)
    assert (code, bool(message)) == ("MalformedPolicy", True)
    assert refusal(s3.get_bucket_policy, Bucket=bucket)[0] == "NoSuchBucketPolicy"


def test_a_bucket_is_its_accounts_until_its_policy_lets_another_in(
    client: Clients, account_id: str, other_account_id: str
) -> None:
    s3, other, bucket = client("s3", account_id), client("s3", other_account_id), f"shared-{account_id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    assert refusal(other.create_bucket, Bucket=bucket)[0] == "BucketAlreadyExists"
    assert refusal(other.get_object, Bucket=bucket, Key="key")[0] == "AccessDenied"
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": other_account_id},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    assert other.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    assert refusal(other.put_object, Bucket=bucket, Key="key", Body=b"other")[0] == "AccessDenied"


def test_pages_lead_on_by_tokens_that_no_client_can_make(client: Clients, account_id: str, other_account_id: str) -> None:
    s3, names = client("s3", account_id), [f"{letter}-{account_id}" for letter in "abc"]
    for name in names:
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=names[0], Key=f"{name}/é & <ü>")

    first = s3.list_buckets(MaxBuckets=2)
    rest = s3.list_buckets(MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for page in (first, rest) for bucket in page["Buckets"]] == names
    assert "ContinuationToken" not in rest

    of_bucket = {"Bucket": names[0], "MaxKeys": 2}
    one = s3.list_objects_v2(**of_bucket, ContinuationToken="")
    two = s3.list_objects_v2(**of_bucket, ContinuationToken=one["NextContinuationToken"])
    assert [entry["Key"] for page in (one, two) for entry in page["Contents"]] == [f"{name}/é & <ü>" for name in names]
    assert two["ContinuationToken"] == one["NextContinuationToken"]

    incorrect = ("InvalidArgument", "The continuation token provided is incorrect")
    for token in (names[0], "none", base64.b64encode(names[0].encode()).decode(), one["NextContinuationToken"]):
        assert refusal(s3.list_buckets, ContinuationToken=token) == incorrect
    assert refusal(client("s3", other_account_id).list_buckets, ContinuationToken=first["ContinuationToken"]) == incorrect
    assert refusal(s3.list_objects_v2, Bucket=names[1], ContinuationToken=one["NextContinuationToken"]) == incorrect
