"""S3: policies of buckets, and who may use a bucket of another account."""

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
