"""CloudWatch Logs Insights: the operations that run queries.

A query runs on a thread. It sees the events that were there when it started.

Sources: API model, logs; https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html (results are kept
for 7 days); users' reports for the refusal of a time range that lies before the log group.
"""

import logging
import secrets
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from local_aws.core import callers
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.paging import Pages
from local_aws.core.switches import Switches
from local_aws.logs import log_groups
from local_aws.logs.log_groups import LogEvent, LogGroup, milliseconds
from local_aws.logs.query_evaluation import Found, Query
from local_aws.logs.query_language import Dedup, MalformedQueryError, parse

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

_MOST_CONCURRENT = 100
_LONGEST_PAGE = 10_000
_MOST_LISTED = 1000
_KEPT = timedelta(days=7)
_PAGES = Pages("InvalidParameterException", "The specified nextToken is invalid.", "nextToken")
_log = logging.getLogger(__name__)


@dataclass
class _Run:
    """A query that was started. `outcome` is AWS's status and what it has found."""

    query_id: str
    text: str
    log_group: str
    created: datetime
    events: Sequence[LogEvent]
    bytes_scanned: int
    scanned: int
    user: str
    outcome: tuple[str, Found] = ("Scheduled", Found([], 0))
    duration: timedelta = timedelta()

    @property
    def status(self) -> str:
        """The first part of the outcome."""
        return self.outcome[0]

    @property
    def is_on(self) -> bool:
        """Whether it has not ended."""
        return self.status in {"Scheduled", "Running"}


class Queries:
    """The operations on queries."""

    def __init__(self, clock: Clock, pool: Executor, switches: Switches) -> None:
        """Run queries on `pool`. A switch says how they take the booleans of JSON."""
        self._switches = switches
        self._clock = clock
        self._pool = pool
        self._lock = Lock()
        self._runs: dict[callers.Scope, dict[str, _Run]] = {}
        self.operations: Operations = {
            "DescribeQueries": self.describe_queries,
            "GetQueryResults": self.get_query_results,
            "StartQuery": self.start_query,
            "StopQuery": self.stop_query,
        }

    def start_query(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Start a query of one log group."""
        if params.get("queryLanguage", "CWLI") != "CWLI":
            raise AwsError("InvalidParameterException", "The local AWS emulates the query language CWLI only.")
        group = self._group(params)
        query = self._prepare(params["queryString"])
        self._check_times(group, params)
        runs = self._of(account_id)
        if sum(run.is_on for run in runs.values()) >= _MOST_CONCURRENT:
            message = f"Account maximum query concurrency limit of [{_MOST_CONCURRENT}] reached."
            raise AwsError("LimitExceededException", message)
        events = group.events(params["startTime"] * 1000, params["endTime"] * 1000)[::-1]
        run = _Run(
            query_id=secrets.token_hex(16),
            text=params["queryString"],
            log_group=group.name,
            created=self._clock.now(),
            events=events,
            bytes_scanned=sum(len(event.message.encode()) for event in events),
            scanned=len(events),
            user=callers.principal(),
        )
        runs[run.query_id] = run
        with suppress(RuntimeError):  # the local AWS ends
            self._clock.submit(self._pool, f"query {run.query_id}", lambda: self._execute(run, query, params.get("limit")))
        return {"queryId": run.query_id}

    def _group(self, params: dict[str, Any]) -> LogGroup:
        given = [params[name] for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if params.get(name)]
        if len(given) != 1:
            message = "Give exactly one of logGroupName, logGroupNames and logGroupIdentifiers."
            raise AwsError("InvalidParameterException", message)
        groups = [given[0]] if isinstance(given[0], str) else given[0]
        if len(groups) > 1:
            raise AwsError("InvalidParameterException", "The local AWS queries one log group at a time.")
        return log_groups.named(groups[0], self._clock.now())

    def _prepare(self, text: str) -> Query:
        try:
            commands = parse(text)
            if self._switches.is_on("no-dedup-in-queries") and any(isinstance(command, Dedup) for command in commands):
                at = text.index("dedup")
                problem = "unexpected symbol found dedup"
                raise MalformedQueryError(problem, text, at, at + len("dedup"))  # noqa: TRY301 - as `parse` raises it
            return Query(commands, booleans_are_texts=self._switches.is_on("booleans-as-texts"))
        except MalformedQueryError as error:
            location = {"startCharOffset": error.start, "endCharOffset": error.end}
            members = {"queryCompileError": {"location": location, "message": str(error)}}
            raise AwsError("MalformedQueryException", str(error), members=members) from error

    @staticmethod
    def _check_times(group: LogGroup, params: dict[str, Any]) -> None:
        """Raise AwsError if no event can be in the time range."""
        start, end = params["startTime"] * 1000, params["endTime"] * 1000
        if start > end:
            raise AwsError("InvalidParameterException", "The startTime must not be after the endTime.")
        if end < max(group.record["creationTime"] // 1000 * 1000, group.oldest):
            message = (
                "Query's end date and time is either before the log groups creation time or exceeds the log groups log "
                "retention settings"
            )
            raise AwsError("MalformedQueryException", message)

    def _execute(self, run: _Run, query: Query, limit: int | None) -> None:
        if not self._go_on(run, "Scheduled", ("Running", Found([], 0))):
            return
        began = self._clock.now()
        try:
            outcome = "Complete", query.run(run.events, limit)
        except Exception:  # noqa: BLE001 - a thread's last resort: the query has failed, and the log says why
            _log.exception("The query %s failed", run.query_id)
            outcome = "Failed", Found([], 0)
        run.duration = self._clock.now() - began
        self._go_on(run, "Running", outcome)
        run.events = ()

    def _go_on(self, run: _Run, status: str, outcome: tuple[str, Found]) -> bool:
        """Give a query with a status another outcome. Return whether it had that status: somebody may have stopped it."""
        with self._lock:
            had = run.status == status
            run.outcome = outcome if had else run.outcome
            return had

    def get_query_results(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of what a query has found, and its progress."""
        run = self._find(account_id, params["queryId"])
        status, found = run.outcome
        sized = {**params, "maxItems": params.get("maxItems") or _LONGEST_PAGE}
        rows, token = _PAGES.page(found.rows, sized, _LONGEST_PAGE)
        return {
            "queryLanguage": "CWLI",
            "results": [[{"field": name, "value": value} for name, value in row] for row in rows],
            "statistics": {
                "recordsMatched": float(found.matched),
                "recordsScanned": float(run.scanned),
                "estimatedRecordsSkipped": 0.0,
                "bytesScanned": float(run.bytes_scanned),
                "estimatedBytesSkipped": 0.0,
                "logGroupsScanned": 1.0,
                "resultCount": float(len(found.rows)),
            },
            "status": status,
            **token,
        }

    def stop_query(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Stop a query that has not ended."""
        run = self._find(account_id, params["queryId"])
        cancelled = "Cancelled", Found([], 0)
        if not (self._go_on(run, "Scheduled", cancelled) or self._go_on(run, "Running", cancelled)):
            message = f"The specified query is not running: {run.query_id}"
            raise AwsError("InvalidParameterException", message)
        return {"success": True}

    def describe_queries(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List queries, the latest first."""
        wanted = {"log_group": params.get("logGroupName"), "status": params.get("status")}
        runs = [
            run
            for run in reversed(self._of(account_id).values())
            if all(value is None or getattr(run, name) == value for name, value in wanted.items())
        ]
        page, token = _PAGES.page([] if params.get("queryLanguage", "CWLI") != "CWLI" else runs, params, _MOST_LISTED)
        return {"queries": [_described(run) for run in page], **token}

    def _of(self, account_id: str) -> dict[str, _Run]:
        """Return the queries whose results are kept, oldest first."""
        scope = callers.scope(account_id)
        oldest = self._clock.now() - _KEPT
        self._runs[scope] = {query_id: run for query_id, run in self._runs.get(scope, {}).items() if run.created >= oldest}
        return self._runs[scope]

    def _find(self, account_id: str, query_id: str) -> _Run:
        run = self._of(account_id).get(query_id)
        if run is None:
            raise AwsError("ResourceNotFoundException", f"The specified query does not exist: {query_id}")
        return run


def _described(run: _Run) -> dict[str, Any]:
    return {
        "queryLanguage": "CWLI",
        "queryId": run.query_id,
        "queryString": run.text,
        "status": run.status,
        "createTime": milliseconds(run.created),
        "logGroupName": run.log_group,
        "queryDuration": run.duration // timedelta(milliseconds=1),
        "bytesScanned": float(run.bytes_scanned),
        "userIdentity": run.user,
    }
