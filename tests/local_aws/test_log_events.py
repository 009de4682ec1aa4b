"""Log events on the local AWS: how they are written, read in pages, and selected by filter patterns."""

import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from local_aws.client import LocalAwsClient
from local_aws.logs import filter_patterns
from tests.local_aws.role_scene import Acting, assume, make_role, trust_account
from tests.local_aws.scene import Client, Clients, refusal

GROUP = "/example"
HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def logs(client: Clients, account_id: str) -> Client:
    logs = client("logs", account_id)
    logs.create_log_group(logGroupName=GROUP)
    for stream in ("a1", "a2", "b"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    return logs


@pytest.fixture
def now(logs: Client) -> int:
    """Give the time of the local AWS in milliseconds."""
    date = logs.describe_log_groups()["ResponseMetadata"]["HTTPHeaders"]["date"]
    return int(parsedate_to_datetime(date).timestamp() * 1000)


def put(logs: Client, *events: tuple[int, str], stream: str = "a1") -> dict[str, Any]:
    given = [{"timestamp": time, "message": message} for time, message in events]
    answer: dict[str, Any] = logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=given)
    return answer


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


# Writing


def test_events_are_kept_in_the_order_of_time_then_of_arrival(logs: Client, now: int) -> None:
    put(logs, (now, "first"), (now + 2, "third"))
    put(logs, (now, "second"), (now + 2, "fourth"), stream="b")
    put(logs, (now - 1, "late"))
    assert messages(logs.filter_log_events(logGroupName=GROUP)) == ["late", "first", "second", "third", "fourth"]
    [described] = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="a1")["logStreams"]
    assert (described["firstEventTimestamp"], described["lastEventTimestamp"]) == (now - 1, now + 2)


def test_events_outside_the_accepted_time_are_rejected_and_the_others_kept(logs: Client, now: int) -> None:
    times = (now - 15 * DAY, now - 14 * DAY - HOUR, now - HOUR, now, now + 3 * HOUR, now + 4 * HOUR)
    answer = put(logs, *((time, f"{number}") for number, time in enumerate(times)))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4}
    assert answer["nextSequenceToken"]
    assert messages(logs.filter_log_events(logGroupName=GROUP)) == ["2", "3"]
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    answer = put(logs, (now - DAY - HOUR, "expired"), (now - DAY + HOUR, "kept"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert "rejectedLogEventsInfo" not in put(logs, (now, "good"))


def test_a_sequence_token_says_nothing(logs: Client, now: int) -> None:
    event = {"timestamp": now, "message": "again"}
    for token in ({}, {"sequenceToken": "never given"}):
        logs.put_log_events(logGroupName=GROUP, logStreamName="a1", logEvents=[event], **token)
    assert messages(logs.filter_log_events(logGroupName=GROUP)) == ["again", "again"]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([(0, "ä" * 524_276)], "Log event too large: 1048578 bytes exceeds limit of 1048576"),
        ([(0, "x" * 524_262), (0, "x" * 524_263)], "Upload too large: 1048577 bytes exceeds limit of 1048576"),
        ([(1, "x"), (0, "x")], "Log events in a single PutLogEvents request must be in chronological order."),
        ([(-DAY, "x"), (1, "x")], "cannot span more than 24 hours"),
    ],
    ids=["event", "batch", "order", "span"],
)
def test_a_batch_that_breaks_a_limit_is_refused_whole(logs: Client, now: int, events: list[tuple[int, str]], says: str) -> None:
    code, message = refusal(lambda: put(logs, *((now + offset, text) for offset, text in events)))
    assert code == "InvalidParameterException"
    assert says in message
    assert logs.filter_log_events(logGroupName=GROUP)["events"] == []


def test_a_batch_as_large_as_may_be_is_taken(logs: Client, now: int) -> None:
    put(logs, (now - DAY, "x" * 524_262), (now, "x" * 524_262))
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP))
    assert [len(page["events"]) for page in pages] == [2, 0]


def test_events_end_with_their_retention(logs: Client, now: int) -> None:
    put(logs, (now - 2 * DAY, "old"))
    put(logs, (now, "new"))
    assert messages(logs.filter_log_events(logGroupName=GROUP)) == ["old", "new"]
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    assert messages(logs.filter_log_events(logGroupName=GROUP)) == ["new"]
    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName="a1")) == ["new"]
    [described] = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    assert (described["retentionInDays"], described["storedBytes"]) == (1, 3)


# Reading a stream


def test_a_stream_is_read_forward_and_back_in_pages(logs: Client, now: int) -> None:
    put(logs, *((now + number // 2, f"{number}") for number in range(7)))
    read = {"logGroupName": GROUP, "logStreamName": "a1", "limit": 3}
    tokens: list[str] = []
    pages: list[list[str]] = []
    page = logs.get_log_events(**read, startFromHead=True)
    while page["nextForwardToken"] not in tokens:
        pages.append(messages(page))
        tokens.append(page["nextForwardToken"])
        page = logs.get_log_events(**read, startFromHead=True, nextToken=tokens[-1])
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert page["events"] == []

    back = logs.get_log_events(**read, nextToken=page["nextBackwardToken"])
    assert messages(back) == ["3", "4", "5"]
    back = logs.get_log_events(**read, nextToken=back["nextBackwardToken"])
    assert messages(back) == ["0", "1", "2"]
    end = logs.get_log_events(**read, nextToken=back["nextBackwardToken"])
    assert (end["events"], end["nextBackwardToken"]) == ([], back["nextBackwardToken"])

    assert messages(logs.get_log_events(**read)) == ["4", "5", "6"]
    put(logs, (now + 3, "7"))
    assert messages(logs.get_log_events(**read, nextToken=tokens[-1])) == ["7"]


def test_a_stream_is_read_from_its_start_time_until_before_its_end_time(logs: Client, now: int) -> None:
    put(logs, *((now + number, f"{number}") for number in range(4)))
    read = {"logGroupName": GROUP, "logStreamName": "a1"}
    assert messages(logs.get_log_events(**read, startTime=now + 1, endTime=now + 3)) == ["1", "2"]
    assert messages(logs.get_log_events(**read, startTime=now + 1, endTime=now + 1)) == []
    [event] = logs.get_log_events(**read, startTime=now + 3)["events"]
    assert event.keys() == {"timestamp", "message", "ingestionTime"}
    assert event["ingestionTime"] >= now


# Reading a group


def test_a_group_is_read_in_pages_the_last_of_which_is_empty(logs: Client, now: int) -> None:
    for number in range(6):
        put(
            logs, (now + number, f"even {number}" if number % 2 == 0 else f"odd {number}"), stream=("a1", "a2", "b")[number % 3]
        )
    first = logs.filter_log_events(logGroupName=GROUP, filterPattern="even", limit=2)
    assert messages(first) == ["even 0", "even 2"]
    assert first["searchedLogStreams"] == []
    assert first["events"][0].keys() == {"logStreamName", "timestamp", "message", "ingestionTime", "eventId"}
    second = logs.filter_log_events(logGroupName=GROUP, filterPattern="even", limit=2, nextToken=first["nextToken"])
    assert messages(second) == ["even 4"]
    last = logs.filter_log_events(logGroupName=GROUP, filterPattern="even", limit=2, nextToken=second["nextToken"])
    assert last["events"] == []
    assert "nextToken" not in last


def test_a_group_is_read_by_stream_time_and_direction(logs: Client, account_id: str, now: int) -> None:
    for number in range(6):
        put(logs, (now + number, f"{number}"), stream=("a1", "a2", "b")[number % 3])
    read = {"logGroupName": GROUP}
    assert messages(logs.filter_log_events(**read, logStreamNames=["b", "a1", "b"])) == ["0", "2", "3", "5"]
    assert messages(logs.filter_log_events(**read, logStreamNamePrefix="a")) == ["0", "1", "3", "4"]
    assert messages(logs.filter_log_events(**read, logStreamNamePrefix="none")) == []
    assert messages(logs.filter_log_events(**read, startTime=now + 1, endTime=now + 3)) == ["1", "2", "3"]
    assert messages(logs.filter_log_events(**read, interleaved=False)) == ["0", "1", "2", "3", "4", "5"]
    latest = logs.filter_log_events(**read, startFromHead=False, limit=2)
    assert messages(latest) == ["5", "4"]
    assert messages(logs.filter_log_events(**read, nextToken=latest["nextToken"], limit=2)) == ["3", "2"]
    for identifier in (GROUP, f"arn:aws:logs:us-east-1:{account_id}:log-group:{GROUP}"):
        assert len(logs.filter_log_events(logGroupIdentifier=identifier)["events"]) == 6


def test_groups_and_streams_are_described_in_pages(logs: Client, now: int) -> None:
    for name in ("/other", "/example/2"):
        logs.create_log_group(logGroupName=name)
    first = logs.describe_log_groups(limit=2)
    assert [group["logGroupName"] for group in first["logGroups"]] == ["/example", "/example/2"]
    second = logs.describe_log_groups(limit=2, nextToken=first["nextToken"])
    assert [group["logGroupName"] for group in second["logGroups"]] == ["/other"]
    assert "nextToken" not in second
    assert [group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePattern="ample/")["logGroups"]] == [
        "/example/2"
    ]
    [one] = logs.describe_log_groups(logGroupIdentifiers=["/other", "/none"])["logGroups"]
    assert one["arn"] == f"{one['logGroupArn']}:*"
    assert logs.describe_log_groups(logGroupClass="INFREQUENT_ACCESS")["logGroups"] == []

    put(logs, (now + 5, "x"), stream="a1")
    put(logs, (now + 9, "y"), stream="a2")
    streams = logs.describe_log_streams(logGroupName=GROUP, descending=True, limit=2)
    assert [stream["logStreamName"] for stream in streams["logStreams"]] == ["b", "a2"]
    rest = logs.describe_log_streams(logGroupName=GROUP, descending=True, limit=2, nextToken=streams["nextToken"])
    assert [stream["logStreamName"] for stream in rest["logStreams"]] == ["a1"]
    by_time = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    assert [stream["logStreamName"] for stream in by_time] == ["a2", "a1", "b"]
    assert by_time[-1].keys() == {"logStreamName", "creationTime", "arn", "storedBytes"}


OF_GROUP: dict[str, Any] = {"logGroupName": GROUP}
ELSEWHERE = "arn:aws:logs:eu-west-1:123456789012:log-group:/example"
MISSING, INVALID = "ResourceNotFoundException", "InvalidParameterException"


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("filter_log_events", {"logGroupName": "/none"}, MISSING),
        ("filter_log_events", {"logGroupIdentifier": ELSEWHERE}, MISSING),
        ("filter_log_events", {**OF_GROUP, "logStreamNames": ["none"]}, MISSING),
        ("filter_log_events", {}, INVALID),
        ("filter_log_events", {**OF_GROUP, "logGroupIdentifier": GROUP}, INVALID),
        ("filter_log_events", {**OF_GROUP, "logStreamNames": ["b"], "logStreamNamePrefix": "b"}, INVALID),
        ("filter_log_events", {**OF_GROUP, "nextToken": "never given"}, INVALID),
        ("filter_log_events", {**OF_GROUP, "nextToken": "ZjEyMw=="}, INVALID),
        ("filter_log_events", {**OF_GROUP, "startTime": 2, "endTime": 1}, INVALID),
        ("filter_log_events", {**OF_GROUP, "limit": 10_001}, INVALID),
        ("get_log_events", {**OF_GROUP, "logStreamName": "none"}, MISSING),
        ("get_log_events", {**OF_GROUP, "logStreamName": "b", "nextToken": "f/1/s"}, INVALID),
        ("get_log_events", OF_GROUP, INVALID),
        ("describe_log_groups", {"nextToken": "never given"}, INVALID),
        ("describe_log_groups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}, INVALID),
        ("describe_log_groups", {"logGroupNamePrefix": "a", "logGroupIdentifiers": [GROUP]}, INVALID),
        ("describe_log_groups", {"includeLinkedAccounts": True}, INVALID),
        ("describe_log_groups", {"limit": 51}, INVALID),
        ("describe_log_streams", {"logGroupName": "/none"}, MISSING),
        ("describe_log_streams", {**OF_GROUP, "nextToken": "never given"}, INVALID),
        ("describe_log_streams", {**OF_GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "b"}, INVALID),
        ("describe_log_streams", {**OF_GROUP, "orderBy": "Size"}, INVALID),
    ],
)
def test_a_bad_request_is_refused(logs: Client, operation: str, params: dict[str, Any], code: str) -> None:
    assert refusal(getattr(logs, operation), **params)[0] == code


def test_a_token_is_good_for_its_group_only(logs: Client, now: int) -> None:
    put(logs, (now, "x"))
    token = logs.filter_log_events(logGroupName=GROUP)["nextToken"]
    logs.create_log_group(logGroupName="/other")
    assert refusal(logs.filter_log_events, logGroupName="/other", nextToken=token)[0] == "InvalidParameterException"


# Who may read


def allow_reading(actions: list[str], resource: str, condition: dict[str, Any] | None = None) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition or {}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_names_a_log_group_with_a_star_behind_it(
    client: Clients, local_aws: LocalAwsClient, account_id: str, logs: Client, now: int
) -> None:
    """However the request names the group, and whether a tag or a name allows it."""
    logs.create_log_group(logGroupName="/other", tags={"read": "yes"})
    iam = client("iam", account_id)
    arn = make_role(client, account_id, "reader", trust_account(account_id))
    reader = Acting(local_aws)("logs", assume(client("sts", account_id), arn))
    times = {"startTime": now // 1000, "endTime": now // 1000 + 1, "queryString": "fields @message"}
    group = f"arn:aws:logs:us-east-1:{account_id}:log-group:{GROUP}"
    reads: list[tuple[Any, dict[str, Any]]] = [
        (reader.filter_log_events, {"logGroupName": GROUP}),
        (reader.filter_log_events, {"logGroupIdentifier": group}),
        (reader.get_log_events, {"logGroupIdentifier": GROUP, "logStreamName": "b"}),
        (reader.start_query, {"logGroupIdentifiers": [group], **times}),
        (reader.start_query, {"logGroupNames": [GROUP], **times}),
    ]
    actions = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"]
    for resource, condition in (
        (group, None),
        (f"{group}2:*", None),
        ("*", {"StringEquals": {"aws:ResourceTag/read": "yes"}}),
    ):
        policy = allow_reading(actions, resource, condition)
        iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=policy)
        assert {refusal(call, **params)[0] for call, params in reads} == {"AccessDeniedException"}
    reader.filter_log_events(logGroupName="/other")
    iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=allow_reading(actions, f"{group}:*"))
    for call, params in reads:
        call(**params)
    assert refusal(reader.filter_log_events, logGroupName="/other")[0] == "AccessDeniedException"


# Filter patterns. The lines and what selects them are as real AWS answered.

TERMS = [
    "ERROR ARGUMENTS REQUEST",
    "ERROR BAD REQUEST",
    "INFO ARGUMENTS",
    "error arguments request",
    "ERROR INTERNAL SERVER ERROR",
    "ERROR INTERNAL  SERVER ERROR",
    "TERROR REQUEST",
    "ERROR-REQUEST",
    "ERROR\nARGUMENTS",
    "plain",
    " ",
]
SCALARS = [
    "{}",
    '{"v":null}',
    '{"v":"null"}',
    '{"v":true}',
    '{"v":false}',
    '{"v":"true"}',
    '{"v":0}',
    '{"v":1}',
    '{"v":1.0}',
    '{"v":1e0}',
    '{"v":"1"}',
    '{"v":"1.0"}',
    '{"v":"Alpha"}',
    '{"v":"Alphabet"}',
    '{"v":"xAlpha"}',
    '{"v":""}',
    '{"v":[]}',
    '{"v":{}}',
    '{"v":[1,"Alpha",null]}',
    '{"v":"a?b"}',
    '{"v":2,"v":1}',
    "not JSON",
    '[{"v":1}]',
    "{broken",
]
PATHS = [
    """{"nested":{"value":"hit"},"cluster.name":"flat","cluster":{"name":"nested"},"items":[{"a":1,"b":0},{"a":0,"b":2}],
    "arr":["miss","hit"],"matrix":[[0,1],[2,3]],"a":1,"b":0,"c":0}""",
    """{"nested":{"value":"miss"},"cluster.name":"nested","cluster":{"name":"flat"},"items":[{"a":1,"b":2}],
    "arr":["hit","miss"],"matrix":[[1,0]],"a":0,"b":2,"c":3}""",
    '{"nested":null,"arr":[null],"items":[],"a":0,"b":2,"c":0}',
    '{"nested":{},"arr":[],"a":1,"b":2,"c":3}',
    '{"nested":{"value":null},"arr":"hit","a":0,"b":0,"c":3}',
    '{"nested":{"value":"null"},"other":"hit"}',
    '{"nested.value":"hit","arr":[["hit"]]}',
    '{"arr":["hit","hit"],"items":[{"a":1},{"b":2}]}',
    '{"arr":{"0":"hit"},"nested":[{"value":"hit"}]}',
]


@pytest.mark.parametrize(
    ("lines", "pattern", "selected"),
    [
        (TERMS, "", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (TERMS, '" "', [0, 1, 2, 3, 4, 5, 6, 10]),
        (TERMS, "ERROR", [0, 1, 4, 5, 6, 7, 8]),
        (TERMS, "ERROR ARGUMENTS", [0, 8]),
        (TERMS, "?INFO ?BAD", [1, 2]),
        (TERMS, "?ERROR ?ARGUMENTS -REQUEST", [2, 3, 4, 5, 8, 9, 10]),
        (TERMS, "ERROR -ARGUMENTS", [1, 4, 5, 6, 7]),
        (TERMS, "-ERROR", [2, 3, 9, 10]),
        (TERMS, '"INTERNAL SERVER ERROR"', [4]),
        (TERMS, "%^ERROR%", [0, 1, 4, 5, 7, 8]),
        (TERMS, "%[A-Z]+-R% -BAD", [7]),
        (SCALARS, "{ $.v = 1 }", [7, 8, 9, 10, 20]),
        (SCALARS, "{ $.v != 1 }", [2, 5, 6, 11, 12, 13, 14, 15, 19]),
        (SCALARS, '{ $.v = "1" }', [7, 10, 20]),
        (SCALARS, "{ $.v > 0 }", [7, 8, 9, 20]),
        (SCALARS, "{ $.v <= 0.5 }", [6]),
        (SCALARS, '{ $.v = "Alpha" }', [12]),
        (SCALARS, "{ $.v = Alpha }", [12]),
        (SCALARS, '{ $.v != "Alpha" }', [2, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 19, 20]),
        (SCALARS, '{ $.v = "Alpha*" }', [12, 13]),
        (SCALARS, '{ $.v = "*Alpha" }', [12, 14]),
        (SCALARS, '{ $.v = "a?b" }', [19]),
        (SCALARS, '{ $.v = "" }', [15]),
        (SCALARS, "{ $.v = * }", [2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20]),
        (SCALARS, "{ $.v = %^Al.*% }", [12, 13]),
        (SCALARS, "{ $.v = true }", [5]),
        (SCALARS, "{ $.v IS TRUE }", [3]),
        (SCALARS, "{ $.v IS FALSE }", [4]),
        (SCALARS, "{ $.v IS NULL }", [1, 18]),
        (SCALARS, "{ $.v NOT EXISTS }", [0]),
        (PATHS, '{ $.nested.value = "hit" }', [0]),
        (PATHS, "{ $.['cluster.name'] = \"flat\" }", [0]),
        (PATHS, '{ $.arr[0] = "hit" }', [1, 7]),
        (PATHS, '{ $.arr[*] = "hit" }', [0, 1, 7, 8]),
        (PATHS, '{ $.* = "hit" }', [4, 5, 6]),
        (PATHS, "{ $.matrix[0][1] = 1 }", [0]),
        (PATHS, "{ $.items[*].a = 1 && $.items[*].b = 2 }", [0, 1, 7]),
        (PATHS, "{ $.a = 1 && $.c = 3 }", [3]),
        (PATHS, "{ $.a = 1 || $.b = 2 && $.c = 3 }", [0, 1, 3]),
        (PATHS, "{ ($.a = 1 || $.b = 2) && $.c = 3 }", [1, 3]),
    ],
)
def test_a_pattern_selects_lines(lines: list[str], pattern: str, selected: list[int]) -> None:
    matches = filter_patterns.parse(pattern)
    assert [number for number, line in enumerate(lines) if matches(line)] == selected


@pytest.mark.parametrize(("pattern", "selects"), [("{ $.v IS FALSE }", False), ("{ $.v IS NULL || $.w = 1 }", True)])
def test_a_pattern_may_take_no_booleans(pattern: str, *, selects: bool) -> None:
    assert filter_patterns.parse(pattern, takes_booleans=False)('{"v": false, "w": 1}') is selects


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{ $.v = null }", ""),
        ("{ $.v EXISTS }", ""),
        ("{ $.v IS NOT NULL }", ""),
        ("{ $.v IS MISSING }", ""),
        ("{ $.v == 1 }", ""),
        ("{ !($.v = 1) }", ""),
        ("{ $.v > 0 AND $.v < 2 }", ""),
        ('{ $.v > "a" }', ""),
        ('{ "v": [1] }', ""),
        ('{ v = "x" }', ""),
        ("{ $.items[*].list[*] = 1 }", ""),
        ("{ $.a = %a% && $.b = %b% && $.c = %c% }", ""),
        ('{ $.a = "x" && }', ""),
        ('{ $.a = "x" $.b = "y" }', ""),
        ('{ ($.a = "x" }', ""),
        ('{ $.a = "x") }', ""),
        ("{ }", ""),
        ('{ $.a = "x"', ""),
        (f'{{ $.a = "{"x" * 1024}" }}', ""),
        (f"{{ {'(' * 1000} }}", ""),
        ('"open', ""),
        ("foo-bar", "Invalid character(s) in term 'foo-'"),
        ("a.b", "Invalid character(s) in term 'a.'"),
        ("%^(ERROR|WARN)%", "Invalid character(s) in term '%^('"),
        ("%hello!%", "Invalid character(s) in term '%hello!'"),
        ("%café%", "Invalid character(s) in term '%café'"),
        ("%[abc%", "Failed to compile regular expression."),
        ("[ip, user]", "The local AWS does not emulate filter patterns of fields between spaces."),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip  # as a table
def test_another_pattern_is_refused(logs: Client, pattern: str, says: str) -> None:
    given = {"logGroupName": GROUP, "filterName": "x"}
    transformation = {"metricNamespace": "Test", "metricName": "x", "metricValue": "1"}
    refused = refusal(logs.filter_log_events, logGroupName=GROUP, filterPattern=pattern)
    assert refused[0] == INVALID
    if len(pattern) <= filter_patterns.LONGEST:
        assert refused[1] == (says or "Invalid filter pattern")
        put = refusal(logs.put_metric_filter, **given, filterPattern=pattern, metricTransformations=[transformation])
        assert put == (INVALID, says or "Invalid metric filter pattern")
    assert logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"] == []
