"""Logs Insights on the local AWS: what a query finds, and how it runs."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches
from local_aws.logs import log_groups
from local_aws.logs.log_groups import LogEvent, LogGroup
from local_aws.logs.queries import Queries
from local_aws.logs.query_evaluation import Query
from local_aws.logs.query_language import MalformedQueryError, parse
from tests.local_aws.scene import Client, Clients, eventually, refusal

GROUP = "/aws/lambda/example"
NOON = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp() * 1000)

Line = dict[str, Any] | str
Row = dict[str, str]


def event(line: Line, *, minutes: float = 0) -> LogEvent:
    message = line if isinstance(line, str) else json.dumps(line)
    time = NOON + int(minutes * 60_000)
    return LogEvent(time, message, time + 250, f"{time:056}", f"123456789012:{GROUP}", "stream")


def run(query: str, *lines: Line, booleans_are_texts: bool = False) -> list[Row]:
    """Run a query on lines, each a minute younger than the one before it, and return rows without their pointers."""
    events = [event(line, minutes=-number) for number, line in enumerate(lines)]
    found = Query(parse(query), booleans_are_texts=booleans_are_texts).run(events)
    return [{name: value for name, value in row if name != "@ptr"} for row in found.rows]


def selected(condition: str, *lines: Line, booleans_are_texts: bool = False) -> list[int]:
    """Return the numbers of the lines that a filter lets pass."""
    rows = run(f"filter {condition} | fields @message", *lines, booleans_are_texts=booleans_are_texts)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return [texts.index(row["@message"]) for row in rows]


# Fields

LINE = {
    "account": "012345678912",
    "parameters": {"minimum": "1", "items": [{"id": "first"}, {"id": "second"}]},
    "a.b": "dotted",
    "foo-bar": 5,
    "ratio": 0.5,
    "whole": 2.0,
    "test": False,
    "nothing": None,
    "": "empty name",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", "012345678912"),
        ("parameters.minimum", "1"),
        ("parameters.items.1.id", "second"),
        ("parameters.items.2.id", None),
        ("parameters.items.id", None),
        ("parameters", None),
        ("parameters.items", None),
        ("a.b", "dotted"),
        ("`foo-bar`", "5"),
        ("ratio", "0.5"),
        ("whole", "2"),
        ("test", "0"),
        ("nothing", None),
        ("missing", None),
        ("account.part", None),
        ("@timestamp", "2026-11-30 12:00:00.000"),
        ("@ingestionTime", "2026-11-30 12:00:00.250"),
        ("@logStream", "stream"),
        ("@log", "123456789012:/aws/lambda/example"),
        ("@message", json.dumps(LINE)),
    ],
)
def test_fields_of_json_have_names_with_dots(field: str, value: str | None) -> None:
    name = field.strip("`")
    assert run(f"fields {field}", LINE) == [{} if value is None else {name: value}]
    assert bool(selected(f"ispresent({field})", LINE)) == (value is not None)


@pytest.mark.parametrize(
    "line",
    ["", "text", "[1]", '{"a": 1', '{"a": NaN}', "[" * 100_000, '{"a":' * 100_000, "null", '"{}"'],
    ids=lambda line: line[:20],
)
def test_a_line_that_is_no_json_object_has_the_fields_of_every_line_only(line: str) -> None:
    assert run("fields @message, a", line) == [{"@message": line}]
    assert run("filter ispresent(a)", line) == []


@pytest.mark.parametrize(("texts", "shown"), [(False, ["0", "1"]), (True, ["false", "true"])])
def test_a_boolean_is_a_number_or_a_text_as_the_switch_says(texts: bool, shown: list[str]) -> None:  # noqa: FBT001 - parametrized
    lines: list[Line] = [{"test": False}, {"test": True}, {"test": "other"}]
    assert [row.get("test") for row in run("fields test", *lines, booleans_are_texts=texts)] == [*shown, "other"]
    assert selected('test = 0 or test = "false"', *lines, booleans_are_texts=texts) == [0]
    assert selected("test = 0", *lines, booleans_are_texts=texts) == ([] if texts else [0])


def test_columns_are_shown_in_their_order_with_the_names_that_they_are_given() -> None:
    line = {"a": "x", "b": "y", "n": 3}
    assert run("fields b, a as first, concat(a, '-', b)", line) == [{"b": "y", "first": "x", "concat(a, '-', b)": "x-y"}]
    assert list(run("fields b | fields a, n + 1 as next", line)[0].items()) == [("b", "y"), ("a", "x"), ("next", "4")]
    assert run("fields a, b | display b", line) == [{"b": "y"}]
    assert run("display a | display b, toupper(b) as B", line) == [{"b": "y", "B": "Y"}]
    assert run("fields toupper(a) as a | filter a = 'X'", line) == [{"a": "X"}]
    assert list(run("filter n = 3", line)[0]) == ["@timestamp", "@message"]


# Conditions


@pytest.mark.parametrize(
    ("condition", "passing"),
    [
        # texts and numbers
        ('v = "1"', [1, 2]),
        ("v = 1", [1, 2, 3]),
        ("v = 1.0", [1, 2, 3]),
        ('v = "1.0"', [1, 3]),
        ("v > 1", [4, 5]),
        ("v >= 1 and v < 10", [1, 2, 3]),
        ("v <= 1", [1, 2, 3]),
        ("v < 'b'", [2, 3, 5, 6, 7, 8, 9]),
        # those that have no value: a comparison does not hold, and its opposite does
        ("v != 1", [0, 4, 5, 6, 7, 8, 9]),
        ("not v = 1", [0, 4, 5, 6, 7, 8, 9]),
        ("v in [10, 'abc']", [4, 5, 8]),
        ("v not in [10, 'abc']", [0, 1, 2, 3, 6, 7, 9]),
        ("not ispresent(v)", [0]),
        ("isempty(v)", [0, 6]),
        ("isblank(v)", [0, 6, 7]),
        ("coalesce(v, 'none') = 'none'", [0]),
        # parts of texts
        ("v like 'b'", [8]),
        ('v like "B"', [9]),
        ("v like /(?i)b/", [8, 9]),
        ("v like /^[ab]c?/", [8]),
        ("v =~ /^A/", [9]),
        ("v like /1/", [1, 2, 3, 4, 5]),
        ("v not like /1/", [0, 6, 7, 8, 9]),
        ("v like '.'", [3]),
        ("strcontains(v, 'bc')", [8]),
        ("strlen(v) = 3", [3, 8, 9]),
        # and, or, not and parentheses
        ("v = 1 or v = 10 and v like /0/", [1, 2, 3, 4, 5]),
        ("(v = 1 or v = 10) and v like /0/", [3, 4, 5]),
        ("not (v = 1 or v = 10) and ispresent(v)", [6, 7, 8, 9]),
        ("not not v = 1", [1, 2, 3]),
        # arithmetic and functions of numbers
        ("v * 2 - 1 = 1", [1, 2, 3]),
        ("v / 0 = 1", []),
        ("-v = -10", [4, 5]),
        ("abs(0 - v) = 10", [4, 5]),
        ("floor(v / 3) = 3", [4, 5]),
        ("ceil(v / 3) = 4", [4, 5]),
        ("v", [1, 4]),
        ("'text'", []),
    ],
)
def test_a_filter_lets_pass_what_meets_its_condition(condition: str, passing: list[int]) -> None:
    values: list[object] = [None, 1, "1", "1.0", 10, "10", "", " ", "abc", "ABC"]
    assert selected(condition, *({"n": number, "v": value} for number, value in enumerate(values))) == passing


def test_an_account_id_in_quotation_marks_keeps_its_zero() -> None:
    lines: list[Line] = [{"account": "012345678912"}, {"account": "12345678912"}]
    assert selected('account = "012345678912"', *lines) == [0]
    assert selected("account = 12345678912", *lines) == [0, 1]


def test_a_number_without_end_does_no_harm() -> None:
    digits = "9" * 5000
    lines: list[Line] = [f'{{"v": {digits}}}', {"v": digits}, '{"v": 1e999}']
    assert selected("v * v * 10 > 5", *lines) == []
    assert selected("v > 5", *lines) == [0, 1, 2]
    assert run(f"fields {digits} + 1 as n, v", lines[1]) == [{"v": digits}]
    assert run("fields fromMillis(1000) as v", {}) == [{"v": "1970-01-01 00:00:01.000"}]
    assert run("fields fromMillis(99999999999999999) as time", {}) == [{"time": "99999999999999999"}]


# Stats

RUNS: list[Line] = [
    {"account": "1", "verdict": "COMPLIANT", "ms": 10},
    {"account": "2", "verdict": "NON_COMPLIANT", "ms": "20"},
    {"account": "1", "verdict": "NON_COMPLIANT", "ms": 31},
    {"account": "1", "ms": "none"},
    {"verdict": "COMPLIANT"},
]
"""From the latest, at noon, to the earliest; a minute lies between them."""


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("stats count(*)", [{"count(*)": "5"}]),
        ("stats count() as n", [{"n": "5"}]),
        ("stats count(verdict), count_distinct(verdict)", [{"count(verdict)": "4", "count_distinct(verdict)": "2"}]),
        ("stats sum(ms) as s, avg(ms) as a", [{"s": "61", "a": "20.3333"}]),
        ("stats min(ms) as least, max(ms) as most", [{"least": "none", "most": "31"}]),
        ("stats max(@timestamp) as t", [{"t": str(NOON)}]),
        ("stats latest(@timestamp) as t", [{"t": "2026-11-30 12:00:00.000"}]),
        ("stats max(ms) - 1 as m, strlen(latest(verdict)) as l", [{"m": "30", "l": "9"}]),
        ("filter account = 3 | stats count(*), sum(ms), latest(verdict)", [{"count(*)": "0"}]),
        ("filter account = 3 | stats count(*) by account", []),
        (
            "stats count(*) as n, latest(verdict) as last by account",
            [
                {"account": "1", "n": "3", "last": "COMPLIANT"},
                {"account": "2", "n": "1", "last": "NON_COMPLIANT"},
                {"n": "1", "last": "COMPLIANT"},
            ],
        ),
        # the earliest of account 1 has no verdict, and that is what counts
        ("filter account = 1 | stats earliest(verdict) as v, earliest(ms) as ms", [{"ms": "none"}]),
        ("stats count(*) as n by bin(2m) as t | sort t", [
            {"t": "2026-11-30 11:56:00.000", "n": "2"},
            {"t": "2026-11-30 11:58:00.000", "n": "2"},
            {"t": "2026-11-30 12:00:00.000", "n": "1"},
        ]),
        ("stats count(*) as n by datefloor(@timestamp, 1d) as day", [{"day": "2026-11-30 00:00:00.000", "n": "5"}]),
        ("stats count(*) as n by account | filter n > 1 | display n", [{"n": "3"}]),
        ("stats count(*) as n by account | stats max(n) as most, count(*) as accounts", [{"most": "3", "accounts": "3"}]),
        ("stats count(*) as n by account, verdict | sort n desc, account desc, verdict | limit 2", [
            {"account": "2", "verdict": "NON_COMPLIANT", "n": "1"},
            {"account": "1", "n": "1"},
        ]),
        ("stats count(*) by account | sort `count(*)` desc | limit 1", [{"account": "1", "count(*)": "3"}]),
    ],
)  # fmt: skip  # as a table
def test_stats_aggregate_each_group(query: str, rows: list[Row]) -> None:
    assert run(query, *RUNS) == rows


# Order


def test_the_latest_event_comes_first_unless_a_sort_says_otherwise() -> None:
    names = ["latest", "later", "early"]
    lines: list[Line] = [{"name": name, "n": len(name)} for name in names]
    assert [row["name"] for row in run("fields name", *lines)] == names
    assert [row["name"] for row in run("fields name | sort @timestamp asc", *lines)] == names[::-1]
    assert [row["name"] for row in run("fields name | sort @timestamp", *lines)] == names[::-1]
    assert [row["name"] for row in run("fields name | sort n desc | limit 2", *lines)] == ["latest", "later"]


def test_texts_come_before_numbers_and_digits_in_texts_count_as_numbers() -> None:
    ordered = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh", "0", "01", "1", "2"]
    lines: list[Line] = [{"v": value} for value in sorted(ordered, key=hash)]
    assert [row["v"] for row in run("fields v | sort v", *lines)] == ordered
    assert [row["v"] for row in run("fields v | sort v desc", *lines)] == ordered[::-1]
    assert [row.get("v") for row in run("fields v | sort v", {"v": 1}, {}, {"v": "a"})] == [None, "a", "1"]


def test_dedup_keeps_the_first_of_equal_values_and_all_that_have_none() -> None:
    rows = run("fields account, verdict | sort @timestamp desc | dedup account", *RUNS, {"verdict": "x"})
    assert rows == [
        {"account": "1", "verdict": "COMPLIANT"},
        {"account": "2", "verdict": "NON_COMPLIANT"},
        {"verdict": "COMPLIANT"},
        {"verdict": "x"},
    ]
    assert run("fields account | dedup account | limit 1", *RUNS) == [{"account": "1"}]
    assert len(run("fields account | dedup account, verdict", *RUNS)) == 5


def test_a_query_finds_ten_thousand_rows_unless_it_says_how_many() -> None:
    events = [event({"n": number}) for number in range(10_001)]
    prepared = {text: Query(parse(text), booleans_are_texts=False) for text in ("fields n", "fields n | limit 10001")}
    assert [len(query.run(events).rows) for query in prepared.values()] == [10_000, 10_001]
    assert [len(query.run(events, limit=10_001).rows) for query in prepared.values()] == [10_001, 10_001]
    assert [len(query.run(events, limit=3).rows) for query in prepared.values()] == [3, 3]
    assert prepared["fields n"].run(events).matched == 10_001


def test_comments_are_no_part_of_a_query() -> None:
    query = "# what it is about | limit 1\nfields n # the number\n  # | filter n = 9\n| filter n = '#1'"
    assert run(query, {"n": "#1"}, {"n": "2"}) == [{"n": "#1"}]


# What is refused


@pytest.mark.parametrize(
    ("query", "problem", "start", "end"),
    [
        ("", "unexpected symbol found end of query", 0, 0),
        ("fields a |", "unexpected symbol found end of query", 10, 10),
        ("fields a,", "unexpected symbol found end of query", 9, 9),
        ("| fields a", "unexpected symbol found |", 0, 1),
        ("fields a b", "unexpected symbol found b", 9, 10),
        ("fields foo-bar = ?", "unexpected symbol found ?", 17, 18),
        ("filter a == 1", "unexpected symbol found =", 10, 11),
        ("filter (a = 1", "unexpected symbol found end of query", 13, 13),
        ("filter a in []", "unexpected symbol found ]", 13, 14),
        ("filter a not 1", "unexpected symbol found 1", 13, 14),
        ("filter a like b", "unexpected symbol found b", 14, 15),
        ("filter a > 5m", "unexpected symbol found 5m", 11, 13),
        ('filter a = "b', 'unexpected symbol found "', 11, 12),
        ("filter and", "unexpected symbol found and", 7, 10),
        ("filter a like /(/", "the regular expression is not valid", 14, 17),
        ("filter a like /b(?!c)/", "the regular expression has a back reference or looks around", 14, 22),
        (r"filter a like /(b)\1/", "the regular expression has a back reference or looks around", 14, 21),
        ("parse @message '*' as a", "the local AWS does not emulate the command parse", 0, 5),
        ("FIELDS a", "the local AWS does not emulate the command FIELDS", 0, 6),
        ("fields pct(a, 95)", "the local AWS does not emulate the function pct", 7, 10),
        ("filter @duration > 100", "the local AWS does not discover the field @duration", 7, 16),
        ("fields concat()", "concat has the wrong arguments", 7, 13),
        ("fields tolower(a, b)", "tolower has the wrong arguments", 7, 14),
        ("fields bin(a)", "bin has the wrong arguments", 7, 10),
        ("fields count(*)", "aggregation functions are for stats, before its by", 14, 15),
        ("stats sum(max(a))", "sum has the wrong arguments", 6, 9),
        ("stats count(*) by sum(a)", "aggregation functions are for stats, before its by", 23, 24),
        ("stats a by b", "stats needs an aggregation function", 6, 7),
        ("stats count(*) | stats count(*) | stats count(*)", "a query has at most 2 stats commands", 34, 39),
        ("stats count(*) as n by a | stats latest(n)", "latest needs the time of log events", 33, 39),
        ("dedup a | filter a = 1", "filter cannot follow dedup, only limit can", 10, 16),
        ("limit 0", "limit needs a number from 1 to 100000", 6, 7),
        ("limit 100001", "limit needs a number from 1 to 100000", 6, 12),
        ("limit 1.5", "limit needs a number from 1 to 100000", 6, 9),
        (f"filter {'(' * 9000}", "the query nests too deep", 0, 9007),
        (f"filter a = {'1 + ' * 2000}1", "the query nests too deep", 0, 8012),
    ],
    ids=lambda value: str(value)[:40],
)
def test_anything_else_is_refused_with_its_place(query: str, problem: str, start: int, end: int) -> None:
    with pytest.raises(MalformedQueryError) as refused:
        Query(parse(query), booleans_are_texts=False)
    assert str(refused.value).startswith(problem)
    assert (refused.value.start, refused.value.end) == (start, end)


def test_the_place_names_line_and_position() -> None:
    with pytest.raises(MalformedQueryError, match=r"^unexpected symbol found ! at line 3 and position 5$"):
        parse("fields a\n# a comment\n  | ! a")


# Running queries, one at a time


class Waiting(Executor):
    """Runs work when a test says so."""

    def __init__(self) -> None:
        self.work: list[Any] = []

    def submit(self, work: Any, /, *_: object, **__: object) -> Future[Any]:  # noqa: ANN401 - an Executor's
        self.work.append(work)
        return Future()

    def run(self) -> None:
        while self.work:
            self.work.pop(0)()


class Scene:
    """Queries of a log group with one line, which run when a test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pool = Waiting()
        self.queries = Queries(clock, self.pool, Switches())
        events = [event({"n": 1})]
        record = {"arn": "arn:group:*", "creationTime": 0, "streams": {"stream": {"events": events}}}
        self.group = LogGroup(GROUP, record, clock.now())

    def call(self, operation: str, **params: object) -> dict[str, Any]:
        answer = self.queries.operations[operation]("123456789012", params)
        assert answer is not None
        return answer

    def start(self, query: str = "fields n") -> str:
        times = {"startTime": NOON // 1000, "endTime": NOON // 1000}
        return str(self.call("StartQuery", logGroupName=GROUP, queryString=query, **times)["queryId"])

    def status(self, query_id: str) -> str:
        return str(self.call("GetQueryResults", queryId=query_id)["status"])


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    clock = Clock()
    scene = Scene(clock)
    monkeypatch.setattr(log_groups, "named", lambda _, __: scene.group)
    monkeypatch.setattr(callers, "scope", lambda account_id: (account_id, "us-east-1"))
    monkeypatch.setattr(callers, "principal", lambda: "arn:aws:iam::123456789012:user/reader")
    yield scene
    clock.stop()


def refused(scene: Scene, operation: str, **params: object) -> str:
    with pytest.raises(AwsError) as error:
        scene.call(operation, **params)
    return error.value.code


def test_a_query_is_scheduled_then_complete(scene: Scene) -> None:
    query_id = scene.start()
    waiting = scene.call("GetQueryResults", queryId=query_id)
    assert (waiting["status"], waiting["results"]) == ("Scheduled", [])
    scene.pool.run()
    ended = scene.call("GetQueryResults", queryId=query_id)
    assert (ended["status"], len(ended["results"])) == ("Complete", 1)


def test_a_hundred_queries_are_on_at_once(scene: Scene) -> None:
    started = [scene.start() for _ in range(100)]
    with pytest.raises(AwsError, match="LimitExceededException"):
        scene.start()
    scene.call("StopQuery", queryId=started[0])
    started.append(scene.start())
    scene.pool.run()
    assert [scene.status(query_id) for query_id in started] == ["Cancelled", *["Complete"] * 100]
    assert scene.status(scene.start()) == "Scheduled"


def test_a_query_that_has_ended_cannot_be_stopped(scene: Scene) -> None:
    query_id = scene.start()
    assert scene.call("StopQuery", queryId=query_id) == {"success": True}
    assert refused(scene, "StopQuery", queryId=query_id) == "InvalidParameterException"
    scene.pool.run()
    assert scene.status(query_id) == "Cancelled"


def test_results_are_kept_for_a_week(scene: Scene) -> None:
    query_id = scene.start()
    scene.pool.run()
    scene.clock.stop()  # so that it does not wait for the work of this scene's pool
    scene.clock.advance(timedelta(days=6, hours=23))
    assert scene.status(query_id) == "Complete"
    scene.clock.advance(timedelta(hours=2))
    assert refused(scene, "GetQueryResults", queryId=query_id) == "ResourceNotFoundException"


# Through the API


def now_of(logs: Client) -> int:
    """Return the time of the local AWS, in seconds."""
    date = logs.describe_query_definitions()["ResponseMetadata"]["HTTPHeaders"]["date"]
    return int(parsedate_to_datetime(date).timestamp())


@pytest.fixture
def logs(client: Clients, account_id: str) -> Client:
    logs = client("logs", account_id)
    logs.create_log_group(logGroupName=GROUP)
    for stream in ("one", "two"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    return logs


def write(logs: Client, stream: str, *events: tuple[int, Line]) -> None:
    logs.put_log_events(
        logGroupName=GROUP,
        logStreamName=stream,
        logEvents=[
            {"timestamp": time, "message": line if isinstance(line, str) else json.dumps(line)} for time, line in events
        ],
    )


def ask(logs: Client, query: str, start: int, end: int, **params: object) -> dict[str, Any]:
    """Run a query, and return its results once they are there."""
    group = {} if params.keys() & {"logGroupNames", "logGroupIdentifiers"} else {"logGroupName": GROUP}
    query_id = logs.start_query(**{"startTime": start, "endTime": end, "queryString": query, **group, **params})["queryId"]

    def ended() -> dict[str, Any] | None:
        answer: dict[str, Any] = logs.get_query_results(queryId=query_id)
        return None if answer["status"] in {"Scheduled", "Running"} else answer

    answer = eventually(ended)
    assert answer is not None
    assert answer["status"] == "Complete"
    return answer


def test_a_query_finds_the_events_of_all_streams_in_its_time(logs: Client, account_id: str) -> None:
    now = now_of(logs)
    start, end = now + 50, now + 100
    lines = [{"n": number, "text": "ä"} for number in range(6)]
    write(logs, "one", (start * 1000 - 1, lines[0]), (start * 1000, lines[1]), (end * 1000, lines[4]))
    write(logs, "two", (start * 1000 + 1, lines[2]), (end * 1000 - 1, lines[3]), (end * 1000 + 1, lines[5]))
    answer = ask(logs, "fields n, @logStream, @log | filter n > 1", start, end)
    assert [[field["value"] for field in row[:3]] for row in answer["results"]] == [
        ["4", "one", f"{account_id}:{GROUP}"],
        ["3", "two", f"{account_id}:{GROUP}"],
        ["2", "two", f"{account_id}:{GROUP}"],
    ]
    assert [row[3]["field"] for row in answer["results"]] == ["@ptr"] * 3
    assert len({row[3]["value"] for row in answer["results"]}) == 3
    scanned = sum(len(json.dumps(line).encode()) for line in lines[1:5])
    assert answer["statistics"] == {
        "recordsMatched": 3,
        "recordsScanned": 4,
        "estimatedRecordsSkipped": 0,
        "bytesScanned": scanned,
        "estimatedBytesSkipped": 0,
        "logGroupsScanned": 1,
        "resultCount": 3,
    }
    for group in (GROUP, f"arn:aws:logs:us-east-1:{account_id}:log-group:{GROUP}"):
        assert len(ask(logs, "fields n", start, end, logGroupIdentifiers=[group])["results"]) == 4
    assert len(ask(logs, "fields n", start, end, logGroupNames=[GROUP], limit=2)["results"]) == 2


def test_twenty_thousand_events_are_read_in_pages(logs: Client) -> None:
    now = now_of(logs)
    for batch in range(2):
        events: list[tuple[int, Line]] = [(now * 1000 - 20_000 + number, {"n": number}) for number in range(10_000)]
        write(logs, ("one", "two")[batch], *events)
    answer = ask(logs, "fields n | limit 20000", now - 60, now)
    assert (len(answer["results"]), answer["statistics"]["resultCount"]) == (10_000, 20_000)
    query_id = logs.describe_queries(maxResults=1)["queries"][0]["queryId"]
    rest = logs.get_query_results(queryId=query_id, nextToken=answer["nextToken"])
    assert len(rest["results"]) == 10_000
    assert "nextToken" not in rest
    short = logs.get_query_results(queryId=query_id, maxItems=3)
    assert (len(short["results"]), "nextToken" in short) == (3, True)
    assert refusal(logs.get_query_results, queryId=query_id, nextToken="x")[0] == "InvalidParameterException"
    assert len(ask(logs, "fields n", now - 60, now)["results"]) == 10_000
    [[counted]] = ask(logs, "stats count(*) as n", now - 60, now)["results"]
    assert counted == {"field": "n", "value": "20000"}


def test_queries_are_listed_latest_first(logs: Client, account_id: str) -> None:
    now = now_of(logs)
    for query in ("fields a", "fields b", "fields c"):
        ask(logs, query, now - 60, now)
    first = logs.describe_queries(maxResults=2, logGroupName=GROUP, status="Complete")
    assert [query["queryString"] for query in first["queries"]] == ["fields c", "fields b"]
    second = logs.describe_queries(maxResults=2, nextToken=first["nextToken"])
    assert [query["queryString"] for query in second["queries"]] == ["fields a"]
    assert "nextToken" not in second
    [described] = second["queries"]
    assert described.items() >= {"status": "Complete", "logGroupName": GROUP, "bytesScanned": 0.0}.items()
    assert account_id in described["userIdentity"]
    assert logs.describe_queries(status="Running")["queries"] == []
    assert logs.describe_queries(logGroupName="/another")["queries"] == []


def test_a_malformed_query_is_refused_with_its_place(logs: Client) -> None:
    with pytest.raises(logs.exceptions.MalformedQueryException) as error:
        logs.start_query(logGroupName=GROUP, startTime=1, endTime=2, queryString="fields a | filter a == 1")
    compile_error = error.value.response["queryCompileError"]
    assert compile_error["location"] == {"startCharOffset": 21, "endCharOffset": 22}
    assert compile_error["message"] == error.value.response["Error"]["Message"]
    assert compile_error["message"] == "unexpected symbol found = at line 1 and position 22"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"logGroupName": "/none"}, "ResourceNotFoundException"),
        (
            {"logGroupIdentifiers": ["arn:aws:logs:us-east-1:999999999999:log-group:/aws/lambda/example"]},
            "ResourceNotFoundException",
        ),
        ({}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "logGroupNames": [GROUP]}, "InvalidParameterException"),
        ({"logGroupNames": [GROUP, GROUP]}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "queryLanguage": "SQL"}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "startTime": 3_000_000_000}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "startTime": 1, "endTime": 2}, "MalformedQueryException"),
        ({"logGroupName": GROUP, "startTime": -1}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "limit": 100_001}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "queryString": "x" * 10_001}, "InvalidParameterException"),
    ],
)
def test_a_query_that_cannot_be_run_is_refused(logs: Client, params: dict[str, Any], code: str) -> None:
    now = now_of(logs)
    given = {"queryString": "fields @message", "startTime": now - 60, "endTime": now, **params}
    assert refusal(logs.start_query, **given)[0] == code
    assert logs.describe_queries()["queries"] == []


def test_a_query_of_another_account_is_not_there(logs: Client, client: Clients, other_account_id: str) -> None:
    now = now_of(logs)
    ask(logs, "fields @message", now - 60, now)
    [query] = logs.describe_queries()["queries"]
    other = client("logs", other_account_id)
    for operation in (other.get_query_results, other.stop_query):
        assert refusal(operation, queryId=query["queryId"])[0] == "ResourceNotFoundException"
