"""CloudWatch's metrics on the local AWS: what is put, what statistics over it are, and what is refused."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import botocore.session
import pytest

from local_aws.client import REGION, LocalAwsProcess
from tests.local_aws.conftest import write_accounts
from tests.local_aws.event_scene import regional
from tests.local_aws.scene import Client, Clients, clients_of, clock_time, refusal

NAMESPACE = "Example"
STATISTICS = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
MINUTE = timedelta(minutes=1)
ACCOUNT, OTHER_ACCOUNT = "123456789012", "123456789013"
Datum = Mapping[str, Any]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAwsProcess]:
    """Give a local AWS whose clock may go far ahead."""
    directory = tmp_path_factory.mktemp("local-aws")
    accounts: dict[str, Any] = {ACCOUNT: {}, OTHER_ACCOUNT: {}}
    with LocalAwsProcess(write_accounts(directory, accounts), directory / "local-aws.log") as process:
        yield process


@pytest.fixture
def cloudwatch(client: Clients, account_id: str) -> Client:
    return client("cloudwatch", account_id)


@pytest.fixture
def now(client: Clients, account_id: str) -> datetime:
    """Give a full minute ten minutes ago."""
    return clock_time(client("sts", account_id)).replace(second=0) - 10 * MINUTE


def put(cloudwatch: Client, *data: Datum, namespace: str = NAMESPACE) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", **datum} for datum in data])


def statistics(cloudwatch: Client, start: datetime, end: datetime, **params: Any) -> dict[datetime, dict[str, Any]]:  # noqa: ANN401 - of a request
    asked = {"Namespace": NAMESPACE, "MetricName": "m", "Period": 60, "Statistics": STATISTICS, **params}
    points = cloudwatch.get_metric_statistics(StartTime=start, EndTime=end, **asked)["Datapoints"]
    return {point.pop("Timestamp"): point for point in points}


def test_values_of_a_minute_are_one_data_point(cloudwatch: Client, now: datetime) -> None:
    put(
        cloudwatch,
        {"Timestamp": now + timedelta(seconds=3), "Value": 2},
        {"Timestamp": now + timedelta(seconds=59), "Value": 6},
    )
    put(cloudwatch, {"Timestamp": now + MINUTE, "Values": [2, 10], "Counts": [2, 3]})
    assert statistics(cloudwatch, now, now + 2 * MINUTE) == {
        now: {"SampleCount": 2.0, "Average": 4.0, "Sum": 8.0, "Minimum": 2.0, "Maximum": 6.0, "Unit": "None"},
        now + MINUTE: {"SampleCount": 5.0, "Average": 6.8, "Sum": 34.0, "Minimum": 2.0, "Maximum": 10.0, "Unit": "None"},
    }


def test_a_range_has_its_start_and_not_its_end(cloudwatch: Client, now: datetime) -> None:
    put(cloudwatch, *({"Timestamp": now + number * MINUTE, "Value": number} for number in range(4)))
    assert list(statistics(cloudwatch, now + MINUTE, now + 3 * MINUTE)) == [now + MINUTE, now + 2 * MINUTE]
    # The start is rounded down to the minute, and the periods follow from there.
    later = now + MINUTE + timedelta(seconds=30)
    points = statistics(cloudwatch, later, now + 4 * MINUTE, Period=120)
    assert {at: point["Sum"] for at, point in points.items()} == {now + MINUTE: 3.0, now + 3 * MINUTE: 3.0}


def test_dimensions_are_exact_and_have_no_order(cloudwatch: Client, now: datetime) -> None:
    both = [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    put(cloudwatch, {"Timestamp": now, "Value": 1}, {"Timestamp": now, "Value": 2, "Dimensions": both[:1]})
    put(
        cloudwatch, {"Timestamp": now, "Value": 4, "Dimensions": both}, {"Timestamp": now, "Value": 8, "Dimensions": both[::-1]}
    )

    def total(dimensions: list[dict[str, str]]) -> list[float]:
        return [point["Sum"] for point in statistics(cloudwatch, now, now + MINUTE, Dimensions=dimensions).values()]

    assert (total([]), total(both[:1]), total(both), total(both[::-1]), total(both[1:])) == ([1], [2], [12], [12], [])


def test_units_stay_apart(cloudwatch: Client, now: datetime) -> None:
    put(
        cloudwatch, {"Timestamp": now, "Value": 1, "Unit": "Seconds"}, {"Timestamp": now, "Value": 1000, "Unit": "Milliseconds"}
    )
    answer = cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE, MetricName="m", StartTime=now, EndTime=now + MINUTE, Period=60, Statistics=["Sum"]
    )
    assert {(point["Unit"], point["Sum"]) for point in answer["Datapoints"]} == {("Seconds", 1.0), ("Milliseconds", 1000.0)}
    assert [point["Sum"] for point in statistics(cloudwatch, now, now + MINUTE, Unit="Seconds").values()] == [1.0]
    [result] = data(cloudwatch, now)["MetricDataResults"]
    assert result["Values"] == [1000.0]
    assert result["Messages"] == [{"Code": "MultipleUnits", "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}]


def test_statistics_of_given_summaries(cloudwatch: Client, now: datetime) -> None:
    """The sum is taken as it is given."""
    put(cloudwatch, {"Timestamp": now, "StatisticValues": {"SampleCount": 2, "Sum": 100, "Minimum": 1, "Maximum": 2}})
    [point] = statistics(cloudwatch, now, now + MINUTE).values()
    assert (point["Average"], point["Minimum"], point["Maximum"]) == (50.0, 1.0, 2.0)


def test_old_data_are_there_for_long_periods_only(own: LocalAwsProcess) -> None:
    call = clients_of(own)
    cloudwatch, now = call("cloudwatch", ACCOUNT), clock_time(call("sts", ACCOUNT)).replace(second=0)
    put(cloudwatch, {"Timestamp": now, "Value": 1})

    def periods() -> list[int]:
        found = {
            period: statistics(cloudwatch, now - 60 * MINUTE, now + 60 * MINUTE, Period=period) for period in (60, 300, 3600)
        }
        return [period for period, points in found.items() if points]

    assert periods() == [60, 300, 3600]
    own.advance_clock(seconds=16 * 86_400)
    assert periods() == [300, 3600]
    own.advance_clock(seconds=50 * 86_400)
    assert periods() == [3600]
    own.advance_clock(seconds=400 * 86_400)
    assert periods() == []


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        ({}, "InvalidParameterCombination", "At least one of the parameters must be specified."),
        (
            {"Value": 1, "Values": [2]},
            "InvalidParameterCombination",
            (
                "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and "
                "you have specified "
                "both."
            ),
        ),
        (
            {"Counts": [1]},
            "InvalidParameterCombination",
            "The parameter values must appears when the counts parameter is specified.",
        ),
        (
            {"Values": [1, 2], "Counts": [1]},
            "InvalidParameterValue",
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
        ),
        (
            {"Values": [1], "Counts": [-1]},
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Counts must contain only values greater than 0.",
        ),
        ({"Value": 2.0**361}, "InvalidParameterValue", "The value 4.6"),
        (
            {"StatisticValues": {"SampleCount": 0, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            "InvalidParameterValue",
            "The parameter MetricData.member.1.StatisticValues.SampleCount must be greater than 0.",
        ),
        (
            {"StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
            (
                "The parameter MetricData.member.1.StatisticValues.Maximum must be greater than "
                "MetricData.member.1.StatisticValues.Minimum."
            ),
        ),
        (
            {"Value": 1, "StorageResolution": 2},
            "InvalidParameterValue",
            "The parameter MetricData.member.1.StorageResolution must be a value in the set [ 1, 60 ].",
        ),
        (
            {"Value": 1, "StorageResolution": 1},
            "InvalidParameterValue",
            "The local AWS does not emulate metrics of high resolution.",
        ),
        (
            {"Value": 1, "Dimensions": [{"Name": "A", "Value": "1"}, {"Name": "A", "Value": "2"}]},
            "InvalidParameterValue",
            "No metric may specify the same dimension name twice.",
        ),
    ],
)
def test_what_cannot_be_put(cloudwatch: Client, datum: Datum, code: str, message: str) -> None:
    found = refusal(cloudwatch.put_metric_data, Namespace=NAMESPACE, MetricData=[{"MetricName": "m", **datum}])
    assert found[0] == code
    assert found[1].startswith(message)


def test_nothing_of_a_refused_request_is_kept(cloudwatch: Client, now: datetime) -> None:
    old, new = now - timedelta(days=15), now + timedelta(hours=3)
    for wrong, message in (
        (old, "The parameter MetricData.member.2.Timestamp must specify a time within the past two weeks."),
        (new, "The parameter MetricData.member.2.Timestamp must specify a time no more than two hours in the future."),
    ):
        data = [{"MetricName": "m", "Timestamp": at, "Value": 1} for at in (now, wrong)]
        assert refusal(cloudwatch.put_metric_data, Namespace=NAMESPACE, MetricData=data) == ("InvalidParameterValue", message)
    assert statistics(cloudwatch, now, now + MINUTE) == {}
    reserved = refusal(cloudwatch.put_metric_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "m", "Value": 1}])
    assert reserved == ("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    empty = refusal(cloudwatch.put_metric_data, Namespace=NAMESPACE, MetricData=[])
    assert empty == ("MissingParameter", "At least one MetricDatum object must be present in the request.")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"Period": 7}, "InvalidParameterValue", "The parameter Period must be a value in the set [1, 5, 10, 20, 30]."),
        ({"Period": 90}, "InvalidParameterValue", "The parameter Period must be a multiple of 60."),
        ({"Period": 10}, "InvalidParameterValue", "The local AWS does not emulate metrics of high resolution."),
        (
            {"Hours": 25},
            "InvalidParameterCombination",
            (
                "You have requested up to 1500 datapoints, which exceeds the limit of 1440. You may reduce the "
                "datapoints requested by "
                "increasing Period, or decreasing the time range."
            ),
        ),
        ({"ExtendedStatistics": ["p90"]}, "InvalidParameterValue", "The local AWS does not emulate extended statistics."),
        ({"Hours": 0}, "InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime."),
    ],
)
def test_statistics_that_are_refused(
    cloudwatch: Client, now: datetime, changes: dict[str, Any], code: str, message: str
) -> None:
    hours = changes.pop("Hours", 1)
    asked = {"Namespace": NAMESPACE, "MetricName": "m", "Period": 60, "Statistics": ["Sum"], **changes}
    found = refusal(cloudwatch.get_metric_statistics, StartTime=now, EndTime=now + timedelta(hours=hours), **asked)
    assert found == (code, message)


# GetMetricData


def query(query_id: str = "q", **stat: object) -> dict[str, Any]:
    metric = {"Namespace": NAMESPACE, "MetricName": "m"}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum", **stat}}


def data(cloudwatch: Client, start: datetime, *queries: Mapping[str, Any], **params: Any) -> dict[str, Any]:  # noqa: ANN401 - of a request
    asked = list(queries or [query()])
    answer: dict[str, Any] = cloudwatch.get_metric_data(
        MetricDataQueries=asked, StartTime=start, EndTime=start + 5 * MINUTE, **params
    )
    return answer


def test_the_newest_data_come_first_unless_asked_otherwise(cloudwatch: Client, now: datetime) -> None:
    put(cloudwatch, *({"Timestamp": now + number * MINUTE, "Value": number} for number in range(3)))
    [newest] = data(cloudwatch, now)["MetricDataResults"]
    assert newest == {
        "Id": "q",
        "Label": "m",
        "Timestamps": [now + 2 * MINUTE, now + MINUTE, now],
        "Values": [2.0, 1.0, 0.0],
        "StatusCode": "Complete",
    }
    [oldest] = data(cloudwatch, now, ScanBy="TimestampAscending")["MetricDataResults"]
    assert oldest["Values"] == [0.0, 1.0, 2.0]


def test_data_come_in_pages(cloudwatch: Client, now: datetime) -> None:
    put(cloudwatch, *({"Timestamp": now + number * MINUTE, "Value": number} for number in range(3)))
    queries = [query("a"), query("b", Stat="Maximum")]
    pages: list[list[tuple[list[float], str]]] = []
    token: dict[str, str] = {}
    while not pages or token:
        answer = data(cloudwatch, now, *queries, MaxDatapoints=2, ScanBy="TimestampAscending", **token)
        pages.append([(result["Values"], result["StatusCode"]) for result in answer["MetricDataResults"]])
        token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}
    assert [[values for values, _ in page] for page in pages] == [[[0, 1], []], [[2], [0]], [[], [1, 2]]]
    assert pages[0][0][1] == "PartialData"
    assert [status for _, status in pages[-1]] == ["Complete", "Complete"]
    wrong = refusal(data, cloudwatch=cloudwatch, start=now, NextToken="invalid")
    assert wrong[0] == "InvalidNextToken"


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([query(), query()], "The values for parameter id in MetricDataQueries are not unique."),
        (
            [{**query(), "Expression": "1+1"}],
            (
                "The parameters MetricDataQueries.member.1.Expression and MetricDataQueries.member.1.MetricStat are "
                "mutually exclusive "
                "and you have specified both."
            ),
        ),
        (
            [{"Id": "e", "Expression": "1+1"}],
            "The local AWS does not emulate metric math, and metrics of other accounts.",
        ),
        (
            [query(Stat="p90")],
            "The value for parameter MetricDataQueries.member.1.MetricStat.Stat is not a valid statistic for the local AWS.",
        ),
    ],
)
def test_queries_that_are_refused(cloudwatch: Client, now: datetime, queries: list[dict[str, Any]], message: str) -> None:
    found = refusal(cloudwatch.get_metric_data, MetricDataQueries=queries, StartTime=now, EndTime=now + MINUTE)
    assert found == ("ValidationError", message)


# ListMetrics


def names(cloudwatch: Client, **params: object) -> list[str]:
    listed = cloudwatch.list_metrics(Namespace=NAMESPACE, **params)["Metrics"]
    return [metric["MetricName"] + "".join(sorted(each["Name"] for each in metric["Dimensions"])) for metric in listed]


def test_metrics_are_listed_by_what_is_asked(own: LocalAwsProcess) -> None:
    cloudwatch = clients_of(own)("cloudwatch", OTHER_ACCOUNT)
    both = [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]
    put(cloudwatch, {"Value": 1}, {"Value": 1, "Dimensions": both}, {"MetricName": "n", "Value": 1, "Dimensions": both[:1]})
    assert names(cloudwatch) == ["m", "mAB", "nA"]
    assert names(cloudwatch, MetricName="m") == ["m", "mAB"]
    assert names(cloudwatch, Dimensions=[{"Name": "A"}]) == ["mAB", "nA"]
    assert names(cloudwatch, Dimensions=[{"Name": "A", "Value": "1"}, {"Name": "B"}]) == ["mAB"]
    assert names(cloudwatch, Dimensions=[{"Name": "A", "Value": "2"}]) == []
    own.advance_clock(seconds=4 * 3600)
    assert names(cloudwatch, RecentlyActive="PT3H") == []
    assert names(cloudwatch) == ["m", "mAB", "nA"]
    own.advance_clock(seconds=14 * 86_400)
    assert names(cloudwatch) == []


def test_metrics_are_listed_in_pages_of_500(cloudwatch: Client) -> None:
    put(cloudwatch, *({"MetricName": f"m{number:03}", "Value": 1} for number in range(501)))
    first = cloudwatch.list_metrics(Namespace=NAMESPACE)
    second = cloudwatch.list_metrics(Namespace=NAMESPACE, NextToken=first["NextToken"])
    assert (len(first["Metrics"]), len(second["Metrics"]), "NextToken" in second) == (500, 1, False)
    assert refusal(cloudwatch.list_metrics, NextToken="no-token")[0] == "InvalidParameterValue"


def test_metrics_of_another_account_or_region_are_others(
    local_aws: LocalAwsProcess, cloudwatch: Client, account_id: str, other_account_id: str
) -> None:
    put(cloudwatch, {"Value": 1})
    assert names(clients_of(local_aws)("cloudwatch", other_account_id)) == []
    assert names(regional(local_aws, "cloudwatch", account_id, "eu-central-1")) == []
    assert names(cloudwatch) == ["m"]


def test_clients_that_speak_the_query_protocol_are_answered_in_it(
    local_aws: LocalAwsProcess, cloudwatch: Client, account_id: str, now: datetime
) -> None:
    """Older SDKs do, and SDKs of other languages."""
    session = botocore.session.Session()
    metadata = session.get_component("data_loader").load_service_model("cloudwatch", "service-2")["metadata"]
    metadata |= {"protocol": "query", "protocols": ["query"]}
    older: Client = session.create_client(
        "cloudwatch",
        region_name=REGION,
        endpoint_url=local_aws.endpoint_url,
        aws_access_key_id=account_id,
        aws_secret_access_key="test",  # noqa: S106 - the local AWS takes any
    )
    put(older, {"Timestamp": now, "Values": [1, 2], "Dimensions": [{"Name": "A", "Value": "1"}]})
    assert names(older) == names(cloudwatch) == ["mA"]
    answer = older.list_metrics(Namespace=NAMESPACE)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/xml"
    assert statistics(older, now, now + MINUTE, Dimensions=[{"Name": "A", "Value": "1"}])[now]["Sum"] == 3.0
    assert refusal(older.put_metric_data, Namespace=NAMESPACE, MetricData=[])[0] == "MissingParameter"
    assert refusal(older.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="")[0] == "ResourceNotFound"
