"""The Resource Groups Tagging API finds what has tags."""

import pytest

from tests.local_aws.scene import Client, Clients, Parameter, refusal


@pytest.fixture
def tagged(client: Clients, account_id: str) -> dict[str, str]:
    """Make resources, most of them with tags, and give their ARNs."""
    sns, sqs, s3 = (client(service, account_id) for service in ("sns", "sqs", "s3"))
    sns.create_topic(Name="without")
    topics = {
        name: sns.create_topic(Name=name, Tags=[{"Key": "team", "Value": name}, {"Key": "for", "Value": "tests"}])["TopicArn"]
        for name in ("blue", "red")
    }
    url = sqs.create_queue(QueueName="queue", tags={"team": "blue"})["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bucket = f"tagged-{account_id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "green"}]})
    return {**topics, "queue": queue, "bucket": f"arn:aws:s3:::{bucket}"}


def found(tagging: Client, **params: Parameter) -> set[str]:
    return {each["ResourceARN"] for each in tagging.get_resources(**params)["ResourceTagMappingList"]}


def test_resources_are_found_by_type_and_tag(client: Clients, account_id: str, tagged: dict[str, str]) -> None:
    tagging = client("resourcegroupstaggingapi", account_id)
    assert found(tagging) == set(tagged.values())
    assert found(tagging, ResourceTypeFilters=["sns"]) == {tagged["blue"], tagged["red"]}
    assert found(tagging, ResourceTypeFilters=["s3:other"]) == set()
    blue = {"Key": "team", "Values": ["blue"]}
    assert found(tagging, TagFilters=[blue]) == {tagged["blue"], tagged["queue"]}
    assert found(tagging, TagFilters=[blue, {"Key": "for"}]) == {tagged["blue"]}
    assert found(tagging, ResourceARNList=[tagged["red"]]) == {tagged["red"]}
    assert tagging.get_tag_keys()["TagKeys"] == ["for", "team"]
    assert tagging.get_tag_values(Key="team")["TagValues"] == ["blue", "green", "red"]


def test_tags_are_set_and_removed(client: Clients, account_id: str, tagged: dict[str, str]) -> None:
    tagging = client("resourcegroupstaggingapi", account_id)
    nowhere = f"{tagged['red']}-that-is-not-there"
    failed = tagging.tag_resources(ResourceARNList=[tagged["red"], nowhere], Tags={"new": "1"})["FailedResourcesMap"]
    assert [*failed] == [nowhere]
    assert found(tagging, TagFilters=[{"Key": "new"}]) == {tagged["red"]}
    assert tagging.untag_resources(ResourceARNList=[tagged["red"]], TagKeys=["new"])["FailedResourcesMap"] == {}
    assert found(tagging, TagFilters=[{"Key": "new"}]) == set()


def test_resources_have_pages(client: Clients, account_id: str, tagged: dict[str, str]) -> None:
    tagging = client("resourcegroupstaggingapi", account_id)
    pages = [*tagging.get_paginator("get_resources").paginate(ResourcesPerPage=3)]
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [3, 1]
    arns = {each["ResourceARN"] for page in pages for each in page["ResourceTagMappingList"]}
    assert arns == set(tagged.values())
    assert refusal(tagging.get_resources, PaginationToken="3")[0] == "InvalidParameterException"


def test_what_is_not_emulated_is_refused(client: Clients, account_id: str) -> None:
    tagging = client("resourcegroupstaggingapi", account_id)
    for params in ({"IncludeComplianceDetails": True}, {"ResourceARNList": ["arn:aws:s3:::a"], "ResourceTypeFilters": ["s3"]}):
        code, message = refusal(tagging.get_resources, **params)
        assert (code, bool(message)) == ("InvalidParameterException", True)
