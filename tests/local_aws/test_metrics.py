"""CloudWatch's metrics, in JSON and in the query protocol: what is refused, and what comes back."""

import http.client
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws.client import HOST, REGION, LocalAwsProcess
from tests.local_aws.scene import Client, Clients, metric, refusal

NOW = datetime.now(UTC)
DAY = {"StartTime": NOW - timedelta(days=1), "EndTime": NOW + timedelta(days=1)}
STATISTICS = {"Namespace": "Example", "MetricName": "Doors", **DAY, "Period": 3600, "Statistics": ["Sum"]}
STAT = {"Metric": {"Namespace": "Example", "MetricName": "Doors"}, "Period": 3600, "Stat": "Sum"}


@pytest.fixture
def cloudwatch(client: Clients, account_id: str) -> Client:
    return client("cloudwatch", account_id)


@pytest.mark.parametrize(
    ("namespace", "datum", "code"),
    [
        ("AWS/Lambda", {"Value": 1}, "InvalidParameterValue"),
        ("Example", {"Value": 1, "Values": [1]}, "InvalidParameterCombination"),
        ("Example", {"Value": 1, "Unit": "Doors"}, "ValidationException"),
        ("", {"Value": 1}, "ValidationException"),
    ],
)
def test_data_that_cannot_be_is_refused(cloudwatch: Client, namespace: str, datum: dict[str, Any], code: str) -> None:
    data = [{"MetricName": "Doors", **datum}]
    assert refusal(cloudwatch.put_metric_data, Namespace=namespace, MetricData=data)[0] == code
    assert cloudwatch.list_metrics()["Metrics"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Period": 7}, "InvalidParameterValue"),
        ({"Period": 61}, "InvalidParameterValue"),
        ({"StartTime": DAY["EndTime"], "EndTime": DAY["StartTime"]}, "InvalidParameterValue"),
        ({"Statistics": None}, "InvalidParameterCombination"),
        ({"StartTime": NOW - timedelta(days=30), "Period": 60}, "InvalidParameterCombination"),
    ],
)
def test_statistics_that_cannot_be_are_refused(cloudwatch: Client, changes: dict[str, Any], code: str) -> None:
    params = {name: value for name, value in (STATISTICS | changes).items() if value is not None}
    assert refusal(cloudwatch.get_metric_statistics, **params)[0] == code


@pytest.mark.parametrize(
    "query",
    [
        {"Id": "Upper", "MetricStat": STAT},
        {"Id": "a", "MetricStat": STAT | {"Period": 7}},
        {"Id": "a", "Expression": "SUM(METRICS())"},
        {"Id": "a"},
    ],
)
def test_a_query_that_cannot_be_is_refused(cloudwatch: Client, query: dict[str, Any]) -> None:
    code, message = refusal(cloudwatch.get_metric_data, MetricDataQueries=[query], **DAY)
    assert (code, bool(message)) == ("ValidationError", True)
    backwards = {"StartTime": DAY["EndTime"], "EndTime": DAY["StartTime"]}
    good = [{"Id": "a", "MetricStat": STAT}]
    assert refusal(cloudwatch.get_metric_data, MetricDataQueries=good, **backwards)[0] == "ValidationError"


def test_older_sdks_ask_in_the_query_protocol(local_aws: LocalAwsProcess, client: Clients, account_id: str) -> None:
    def send(form: str) -> tuple[int, str]:
        credential = f"Credential={account_id}/20260101/{REGION}/monitoring/aws4_request"
        connection = http.client.HTTPConnection(HOST, local_aws.port, timeout=120)
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", "/", f"Version=2010-08-01&{form}", headers)
        answer = connection.getresponse()
        read = answer.status, answer.read().decode()
        connection.close()
        return read

    datum = "MetricData.member.1.MetricName=Doors&MetricData.member.1.Value=3"
    assert send(f"Action=PutMetricData&Namespace=Example&{datum}")[0] == 200
    assert metric(client, account_id, "Example", "Doors") == 3
    status, said = send(f"Action=PutMetricData&Namespace=AWS/Lambda&{datum}")
    assert (status, "<Code>InvalidParameterValue</Code>" in said) == (400, True)
    status, said = send("Action=ListDashboards")
    assert (status, "The local AWS does not emulate cloudwatch:ListDashboards." in said) == (400, True)
