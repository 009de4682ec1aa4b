"""Where the calls go: to AWS_ENDPOINT_URL, or else to the endpoints of the partition, for STS the regional one."""

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from tests.functional.fake_aws import MEMBER_ACCOUNT, FakeAws, with_virtual_device
from tests.functional.invocation import ROLE, handle, scheduled_event


@pytest.fixture
def urls(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the URLs that botocore calls without AWS_ENDPOINT_URL, and send the requests to the fake instead."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    called: list[str] = []
    send = URLLib3Session.send

    def redirect(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        called.append(request.url)
        request.url = aws.url
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", redirect)
    return called


@pytest.fixture(params=[None, "regional", "legacy"])
def _sts_setting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set or unset the variable by which botocore chose between the regional and the global endpoint of STS."""
    if request.param:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", request.param)


@pytest.mark.usefixtures("_sts_setting")
@pytest.mark.parametrize(
    ("partition", "region", "hosts"),
    [
        (
            "aws",
            "us-east-1",
            ["sts.us-east-1.amazonaws.com", "iam.amazonaws.com", "iam.amazonaws.com", "config.us-east-1.amazonaws.com"],
        ),
        (
            "aws",
            "eu-central-1",
            ["sts.eu-central-1.amazonaws.com", "iam.amazonaws.com", "iam.amazonaws.com", "config.eu-central-1.amazonaws.com"],
        ),
        ("aws-us-gov", "us-gov-west-1", ["sts.us-gov-west-1.amazonaws.com", "config.us-gov-west-1.amazonaws.com"]),
        ("aws-cn", "cn-north-1", ["sts.cn-north-1.amazonaws.com.cn", "config.cn-north-1.amazonaws.com.cn"]),
    ],
)
def test_endpoints_of_the_partition(aws: FakeAws, urls: list[str], partition: str, region: str, hosts: list[str]) -> None:
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    handle(scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName=ROLE))
    assert urls == [f"https://{host}/" for host in hosts]
    # IAM is global: botocore signs its requests for one Region, wherever the rule is.
    for request in aws.requests:
        assert request.region == ("us-east-1" if request.action.startswith("iam:") else region)


@pytest.mark.parametrize(
    ("partition", "region", "calls"),
    [("aws", "eu-central-1", 4), ("aws-us-gov", "us-gov-west-1", 2), ("aws-cn", "cn-north-1", 2)],
)
def test_every_call_honours_aws_endpoint_url(aws: FakeAws, partition: str, region: str, calls: int) -> None:
    aws.root_users[MEMBER_ACCOUNT] = with_virtual_device(MEMBER_ACCOUNT)
    handle(scheduled_event(MEMBER_ACCOUNT, partition, region, ExecutionRoleName=ROLE))
    assert [request.host for request in aws.requests] == [aws.url.removeprefix("http://")] * calls
