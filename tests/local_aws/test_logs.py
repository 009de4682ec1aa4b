"""CloudWatch Logs on the local AWS: what metric filters count, and saved queries."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.local_aws.scene import WRITE_LOG, Client, Clients, create_function, log_lines, metric, refusal

GROUP = "/aws/lambda/example"
EVALUATION = '{ $.message = "evaluation" }'
COMPLIANT = '{ ($.message = "evaluation") && ($.verdict = "COMPLIANT") }'


@pytest.fixture
def logs(client: Clients, account_id: str) -> Client:
    logs = client("logs", account_id)
    logs.create_log_group(logGroupName=GROUP)
    return logs


Count = Callable[[str], float]


@pytest.fixture
def count(client: Clients, account_id: str) -> Count:
    """Give the sum of a metric of the test's account."""
    return lambda name: metric(client, account_id, "Test", name)


def put_filter(logs: Client, name: str, pattern: str, group: str = GROUP, value: str = "1") -> None:
    logs.put_metric_filter(
        logGroupName=group,
        filterName=name,
        filterPattern=pattern,
        metricTransformations=[{"metricNamespace": "Test", "metricName": name, "metricValue": value}],
    )


def write(logs: Client, *lines: str, group: str = GROUP) -> None:
    stream = f"stream-{time.monotonic_ns()}"
    created = logs.create_log_stream(logGroupName=group, logStreamName=stream)
    # Other tests have advanced the clock, perhaps by weeks: the local AWS's time is not the machine's.
    now = int(parsedate_to_datetime(created["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp() * 1000)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )


@pytest.mark.parametrize(
    ("pattern", "selected", "near_misses"),
    [
        (
            EVALUATION,
            ['{"message": "evaluation"}', '{"message":"evaluation","level":"INFO"}'],
            [
                '{"message": "evaluation failed"}',
                '{"message": "an evaluation"}',
                '{"record": {"message": "evaluation"}}',
                '{"Message": "evaluation"}',
                '["evaluation"]',
                '{"message": "evaluation"',
                "evaluation",
                '$.message = "evaluation"',
            ],
        ),
        (
            COMPLIANT,
            ['{"message": "evaluation", "verdict": "COMPLIANT"}'],
            [
                '{"message": "evaluation", "verdict": "NON_COMPLIANT"}',
                '{"message": "evaluation"}',
                '{"verdict": "COMPLIANT"}',
                '{"message": "evaluation failed", "verdict": "COMPLIANT"}',
            ],
        ),
        (
            '{ $.verdict = "COMPLIANT" || $.verdict = "NOT_APPLICABLE" }',
            ['{"verdict": "COMPLIANT"}', '{"verdict": "NOT_APPLICABLE"}'],
            ['{"verdict": "NON_COMPLIANT"}', "{}"],
        ),
        ('{ $.verdict != "COMPLIANT" }', ['{"verdict": "NON_COMPLIANT"}'], ['{"verdict": "COMPLIANT"}', "{}"]),
        ('{ $.verdict = "*COMPLIANT" }', ['{"verdict": "COMPLIANT"}', '{"verdict": "NON_COMPLIANT"}'], ['{"verdict": "N/A"}']),
        ('{ $.verdict = "a.c" }', ['{"verdict": "a.c"}'], ['{"verdict": "abc"}']),
        (
            '{ $.name = "rule-*" }',
            ['{"name": "rule-"}', '{"name": "rule-a\\nb"}'],
            ['{"name": "a rule-b"}', '{"name": ["rule-a"]}'],
        ),
        (
            '{ $.parameters.nonVirtualMfa = "COMPLIANT" }',
            ['{"parameters": {"nonVirtualMfa": "COMPLIANT"}}'],
            [
                '{"nonVirtualMfa": "COMPLIANT"}',
                '{"parameters.nonVirtualMfa": "COMPLIANT"}',
                '{"parameters": "COMPLIANT"}',
                '{"parameters": [{"nonVirtualMfa": "COMPLIANT"}]}',
                '{"parameters": {"nonVirtualMfa": {"nonVirtualMfa": "COMPLIANT"}}}',
            ],
        ),
        (
            "{ $.test IS TRUE }",
            ['{"test": true}'],
            ['{"test": false}', '{"test": 1}', '{"test": "true"}', '{"test": null}', "{}"],
        ),
        (
            "{ $.test IS FALSE }",
            ['{"test": false}'],
            ['{"test": true}', '{"test": 0}', '{"test": "false"}', '{"test": null}', "{}"],
        ),
        ("{ $.a.b IS NULL }", ['{"a": {"b": null}}'], ['{"a": {}}', '{"a": null}', "{}"]),
        ("{ $.a.b NOT EXISTS }", ['{"a": {}}', '{"a": "b"}', "{}"], ['{"a": {"b": null}}', '{"a": {"b": ""}}']),
        ('{ $.test = "true" }', ['{"test": "true"}'], ['{"test": true}']),
        (
            '{ ($.a = "1" || $.b IS TRUE) && (($.c NOT EXISTS)) && $.d-e = "x y" }',
            ['{"a": 1, "d-e": "x y"}', '{"b": true, "d-e": "x y"}'],
            ['{"a": 1, "d-e": "xy"}', '{"b": true, "c": 0, "d-e": "x y"}', '{"a": 2, "b": 1, "d-e": "x y"}'],
        ),
    ],
)
def test_a_filter_counts_the_lines_that_it_selects(
    logs: Client, count: Count, pattern: str, selected: list[str], near_misses: list[str]
) -> None:
    put_filter(logs, "Selected", pattern)
    write(logs, *near_misses)
    assert count("Selected") == 0
    write(logs, *selected, *near_misses)
    assert count("Selected") == len(selected)
    write(logs, *selected)
    assert count("Selected") == 2 * len(selected)


def test_a_filter_counts_in_its_own_group_and_account(
    client: Clients, other_account_id: str, logs: Client, count: Count
) -> None:
    put_filter(logs, "Selected", EVALUATION)
    logs.create_log_group(logGroupName="/another")
    write(logs, '{"message": "evaluation"}', group="/another")
    elsewhere = client("logs", other_account_id)
    elsewhere.create_log_group(logGroupName=GROUP)
    write(elsewhere, '{"message": "evaluation"}')
    assert count("Selected") == metric(client, other_account_id, "Test", "Selected") == 0


def test_each_filter_counts_by_its_value_from_when_it_was_put(logs: Client, count: Count) -> None:
    line = '{"message": "evaluation", "verdict": "COMPLIANT"}'
    write(logs, line)
    put_filter(logs, "Evaluations", EVALUATION)
    put_filter(logs, "Compliant", COMPLIANT, value="2.5")
    write(logs, line)
    logs.delete_metric_filter(logGroupName=GROUP, filterName="Evaluations")
    write(logs, line)
    assert count("Evaluations") == 1
    assert count("Compliant") == 5


FUNCTION = """
    def handler(event, context):
        print('{"message": "evaluation"}')
"""


def test_what_a_function_writes_is_counted_once(client: Clients, account_id: str, logs: Client, count: Count) -> None:
    put_filter(logs, "Evaluations", EVALUATION)
    create_function(client, account_id, "example", FUNCTION, *WRITE_LOG)
    client("lambda", account_id).invoke(FunctionName="example")
    assert count("Evaluations") == 1
    assert log_lines(client, account_id, "example").count('{"message": "evaluation"}') == 1


def test_what_a_function_may_not_write_is_not_counted(client: Clients, account_id: str, logs: Client, count: Count) -> None:
    put_filter(logs, "Evaluations", EVALUATION)
    create_function(client, account_id, "example", FUNCTION, "logs:CreateLogStream")
    client("lambda", account_id).invoke(FunctionName="example")
    assert count("Evaluations") == 0
    assert log_lines(client, account_id, "example") == []


def test_lines_without_a_stream_are_refused(logs: Client, count: Count) -> None:
    put_filter(logs, "Evaluations", EVALUATION)
    code, _ = refusal(
        logs.put_log_events,
        logGroupName=GROUP,
        logStreamName="none",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": '{"message": "evaluation"}'}],
    )
    assert code == "ResourceNotFoundException"
    assert count("Evaluations") == 0


def test_a_value_that_is_not_emulated_is_refused(logs: Client) -> None:
    code, message = refusal(put_filter, logs=logs, name="Selected", pattern=EVALUATION, value="$.duration")
    assert code == "InvalidParameterException"
    assert "not '$.duration'" in message


# Saved queries


def test_a_query_is_put_described_changed_and_deleted(client: Clients, account_id: str) -> None:
    logs = client("logs", account_id)
    now = parsedate_to_datetime(logs.describe_query_definitions()["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    query: dict[str, Any] = {"name": "latest", "queryString": "fields @message", "logGroupNames": [GROUP]}
    query_id = logs.put_query_definition(**query)["queryDefinitionId"]
    [described] = logs.describe_query_definitions()["queryDefinitions"]
    assert described.pop("lastModified") >= now * 1000
    assert described == {"queryDefinitionId": query_id, **query}

    changed = {"name": "last", "queryString": "fields @timestamp", "queryDefinitionId": query_id}
    assert logs.put_query_definition(**changed)["queryDefinitionId"] == query_id
    [described] = logs.describe_query_definitions()["queryDefinitions"]
    del described["lastModified"]
    assert described == changed

    assert logs.delete_query_definition(queryDefinitionId=query_id)["success"] is True
    assert logs.describe_query_definitions()["queryDefinitions"] == []


def test_queries_are_found_by_the_beginning_of_their_names(client: Clients, account_id: str, other_account_id: str) -> None:
    logs = client("logs", account_id)
    for name in ("mfa/latest", "mfa/failed", "other"):
        logs.put_query_definition(name=name, queryString="fields @message")

    def names(logs: Client, **params: str) -> list[str]:
        return [query["name"] for query in logs.describe_query_definitions(**params)["queryDefinitions"]]

    assert names(logs) == ["mfa/latest", "mfa/failed", "other"]
    assert names(logs, queryDefinitionNamePrefix="mfa/") == ["mfa/latest", "mfa/failed"]
    assert names(client("logs", other_account_id)) == []


def test_definitions_come_in_pages_by_language_and_one_for_each_client_token(client: Clients, account_id: str) -> None:
    logs, token = client("logs", account_id), "t" * 36
    ids = [logs.put_query_definition(name="a", queryString="fields", clientToken=token)["queryDefinitionId"] for _ in "12"]
    assert ids[0] == ids[1]
    logs.put_query_definition(name="b", queryString="SELECT 1", queryLanguage="SQL")
    first = logs.describe_query_definitions(maxResults=1)
    second = logs.describe_query_definitions(maxResults=1, nextToken=first["nextToken"])
    assert [query["name"] for page in (first, second) for query in page["queryDefinitions"]] == ["a", "b"]
    assert "nextToken" not in second
    for language, name in (("CWLI", "a"), ("SQL", "b")):
        [query] = logs.describe_query_definitions(queryLanguage=language)["queryDefinitions"]
        assert query["name"] == name


def test_a_query_that_cannot_be_run_is_saved(client: Clients, account_id: str) -> None:
    """Users saw that: aws-cloudformation/cloudformation-coverage-roadmap#1867."""
    logs = client("logs", account_id)
    broken = {"name": "quoted", "queryString": "“fields @timestamp, @message | limit 20"}
    assert logs.put_query_definition(**broken)["queryDefinitionId"]
    logs.create_log_group(logGroupName=GROUP)
    started = {"logGroupName": GROUP, "startTime": 0, "endTime": 1, "queryString": broken["queryString"]}
    assert refusal(logs.start_query, **started)[0] == "MalformedQueryException"


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("describe_query_definitions", {"nextToken": "none"}, "InvalidParameterException"),
        ("put_query_definition", {"name": "a"}, "InvalidParameterException"),
        ("put_query_definition", {"name": "", "queryString": "fields @message"}, "InvalidParameterException"),
        (
            "put_query_definition",
            {"name": "a", "queryString": "fields @message", "queryDefinitionId": "none"},
            "ResourceNotFoundException",
        ),
        ("delete_query_definition", {"queryDefinitionId": "none"}, "ResourceNotFoundException"),
        ("delete_query_definition", {}, "InvalidParameterException"),
    ],
)
def test_a_bad_request_is_refused(client: Clients, account_id: str, operation: str, params: dict[str, str], code: str) -> None:
    assert refusal(getattr(client("logs", account_id), operation), **params)[0] == code
