"""Reads the sources of the evidence, with calls that change nothing: the journal, the organization, CloudTrail, Automation.

Each source says how far back it goes.  If it no longer has something, that is a gap, which the evidence shows.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from organization import aws, insights, runbooks
from organization.accounts import TRAIL_REGION, ClientMaker, Credentials, Progress, read_each
from organization.aws import Caller, CommandError
from organization.evidence.days import DAY, Member, Period, midnight
from organization.evidence.lines import Line, parse
from organization.evidence.tables import Event, Execution
from organization.evidence.targets import Move, Operation, UnitPath
from organization.journal import EVALUATION, FAILURE, MOST_ROWS, time_of
from organization.statuses import Account

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_logs import CloudWatchLogsClient

    from organization.deployment import Deployment

AT_ONCE = 4
"""Queries at the same time.  Each may hold 10,000 lines in memory."""
_ROWS_WANTED = MOST_ROWS // 2
_FIRST_SLICE = timedelta(hours=6)
_LONGEST_SLICE = timedelta(days=31)
_SHORTEST_SLICE = timedelta(minutes=1)
_DIGITS = 12
"""An account id has as many."""

TRAIL_KEEPS = timedelta(days=90)
"""How long CloudTrail's event history goes back. Source: API reference, LookupEvents."""
_MOST_EVENTS = 1000
_DEPARTURES = ("RemoveAccountFromOrganization", "LeaveOrganization", "CloseAccount")
_MOVE = "MoveAccount"
STACK_CHANGES = ("CreateStack", "UpdateStack", "ExecuteChangeSet", "RollbackStack")
"""The names of the events that may have changed the parameters of a stack."""
_DEPLOYMENTS = (
    *(*STACK_CHANGES, "DeleteStack"),
    *("UpdateFunctionCode", "UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2"),
)
"""The names that CloudTrail gives.  For Lambda's it appends the version of the API."""
_WHOLE_UNITS = (None, "NONE", "DIFFERENCE")
"""With these account filters an operation of a StackSet is about units, and not about some accounts in them.

Source: API model, cloudformation, AccountFilterType.
"""
_NO_MESSAGE = "none"
"""What RootVirtualMfa-Notify says about a message that it did not send."""


@dataclass(frozen=True, slots=True)
class Log:
    """The function's log group: its name, the first day for which it has everything, and how many bytes it has."""

    name: str
    whole_from: date
    bytes_stored: int
    days_stored: int

    def bytes_of(self, period: Period) -> int:
        """Estimate how many bytes the lines of a period have, if the log grows evenly."""
        days = (period.last - max(period.first, self.whole_from)).days + 1
        return self.bytes_stored * min(max(days, 0), self.days_stored) // self.days_stored


@dataclass(slots=True)
class JournalRead:
    """The cost of reading the journal: the bytes that each query scanned, and rows; and the days that could not be read."""

    scans: list[int] = field(default_factory=list)
    rows: int = 0
    unreadable: set[date] = field(default_factory=set)


class Spool:
    """Lines of the journal in a file, so that they can be read twice and need no memory."""

    def __init__(self, file: Path) -> None:
        """Write to `file`, which does not exist yet."""
        self._file = file
        self._written = gzip.open(file, "xt", compresslevel=1, encoding="utf-8", newline="\n")  # noqa: SIM115 - see close

    def add(self, lines: Iterable[tuple[datetime, str]]) -> None:
        """Append lines as they are in the log, each with its time in UTC."""
        for time, text in lines:
            line = parse(time, text)
            self._written.write(json.dumps([time.isoformat(), *line[1:]] if line else None, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Write what is still in memory."""
        self._written.close()

    def lines(self) -> Iterator[Line | None]:
        """Give the lines; None for one that the function did not write."""
        with gzip.open(self._file, "rt", encoding="utf-8", newline="\n") as file:
            for text in file:
                kept = json.loads(text)
                if kept is None:
                    yield None
                    continue
                line = Line(datetime.fromisoformat(kept[0]), *kept[1:])
                facts = tuple(line.facts) if line.facts is not None else None
                yield line._replace(parameters=tuple((name, value) for name, value in line.parameters), facts=facts)


class Sources:
    """Reads with the credentials of a session.  Raises ClientError and BotoCoreError if AWS refuses or does not answer."""

    def __init__(self, session: "boto3.Session", caller: Caller, progress: Progress) -> None:
        """Report progress through `progress`."""
        self._clients = ClientMaker(session, caller)
        self._caller = caller
        self._progress = progress
        self._logs: CloudWatchLogsClient = self._clients.make("logs")

    # --- The journal ---

    def log(self, deployment: "Deployment") -> Log:
        """Describe the log group.  Raises CommandError if there is none."""
        name = deployment.log_group_name
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name) if name else ()
        group = next((each for page in pages for each in page["logGroups"] if each.get("logGroupName") == name), None)
        if group is None:
            message = f"There is no log group {name or 'in the stack'} to read the journal from."
            raise CommandError(message)
        created = datetime.fromtimestamp(group["creationTime"] / 1000, UTC)
        kept = group.get("retentionInDays")
        oldest = max(created, self._caller.time - timedelta(days=kept)) if kept else created
        days = max((self._caller.time - oldest).days, 1)
        return Log(
            name, oldest.date() if oldest == midnight(oldest.date()) else oldest.date() + DAY, group["storedBytes"], days
        )

    def read_journal(self, log: Log, period: Period, spool: Spool) -> JournalRead:
        """Write the lines of a period into a spool, in the order of time.

        A query returns 10,000 rows at most, so each asks for a slice of time.  The slices grow and shrink with what they find.
        """
        found = JournalRead()
        # It may have a part of the day on which it begins. That part is read too.
        at = max(period.start, midnight(log.whole_from - DAY))
        width = _FIRST_SLICE
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                while at < period.end:
                    ends = [min(at + width * number, period.end) for number in range(1, AT_ONCE + 1)]
                    starts = [at, *ends[:-1]]
                    slices = [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
                    most = 0
                    for rows in pool.map(lambda each: self._slice(log.name, each[0], each[1], found), slices):
                        spool.add(rows)
                        most = max(most, len(rows))
                        found.rows += len(rows)
                    at = ends[-1]
                    self._progress("Days of the journal", min((at - period.start).days, period.days), period.days)
                    width = min(max(width * _ROWS_WANTED // max(most, 1), _SHORTEST_SLICE), width * 8, _LONGEST_SLICE)
                    width = max(timedelta(seconds=int(width.total_seconds())), _SHORTEST_SLICE)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found

    def _slice(
        self, log_group: str, start: datetime, end: datetime, found: JournalRead, digits: str = ""
    ) -> list[tuple[datetime, str]]:
        """Read the lines from `start`, and before `end`, of accounts whose id ends with these digits."""
        try:
            answer = insights.run(self._logs, log_group, _query(digits), start, end)
        except ClientError as error:
            # The log may have lost its oldest day in between.
            if aws.code_of(error) == "MalformedQueryException" and "retention" in str(error):
                return []
            raise
        found.scans.append(answer.bytes_scanned)
        if len(answer.rows) < MOST_ROWS:
            # The end of a query is included, so that two slices may have the same line.
            lines = ((time_of(row), row.get("@message", "")) for row in answer.rows)
            return sorted((each for each in lines if start <= each[0] < end), key=lambda each: each[0])
        if end - start > _SHORTEST_SLICE:
            middle = start + timedelta(seconds=(end - start) // timedelta(seconds=2))
            return self._slice(log_group, start, middle, found, digits) + self._slice(log_group, middle, end, found, digits)
        if len(digits) < _DIGITS:
            parts = (self._slice(log_group, start, end, found, digit + digits) for digit in "0123456789")
            return sorted((each for part in parts for each in part), key=lambda each: each[0])
        found.unreadable.add(start.date())
        return []

    # --- The organization ---

    def members(self, accounts: Sequence[Account], departures: Sequence[Event]) -> dict[str, Member]:
        """Put together who is a member, and who was, as far as Organizations and CloudTrail tell."""
        left = {event.about: event.time for event in reversed(departures) if event.about and not event.error}
        members = {
            each.account_id: Member(
                each.account_id,
                each.name,
                each.ou_path,
                each.joined,
                left.get(each.account_id) if each.is_suspended else None,
                listed=not each.is_suspended,
            )
            for each in accounts
        }
        gone = {each: time for each, time in left.items() if each not in members}
        return members | {each: Member(each, left=time, listed=False) for each, time in gone.items()}

    def units(self, accounts: Sequence[Account], further: Iterable[str]) -> dict[str, UnitPath]:
        """Describe the units above the accounts, and `further` ones by their ids; those that are gone are missing."""
        found: dict[str, UnitPath] = {}
        for account in accounts:
            names = account.ou_path.split("/")
            for number, unit_id in enumerate(account.unit_ids):
                parent_id = account.unit_ids[number - 1] if number else ""
                found[unit_id] = UnitPath("/".join(names[: number + 1]), parent_id)
        client = self._clients.make("organizations")
        for unit_id in sorted(set(further) - found.keys()):
            self._climb(client, unit_id, found)
        return found

    def _climb(self, client: Any, unit_id: str, found: dict[str, UnitPath]) -> None:  # noqa: ANN401 - a client
        """Add a unit, and what is above it, to those found; nothing if AWS no longer has it."""
        try:
            name = client.describe_organizational_unit(OrganizationalUnitId=unit_id)["OrganizationalUnit"]["Name"]
            pages = client.get_paginator("list_parents").paginate(ChildId=unit_id)
            parent_id = next(parent["Id"] for page in pages for parent in page["Parents"])
        except ClientError as error:
            if aws.code_of(error) in {"OrganizationalUnitNotFoundException", "ChildNotFoundException", "InvalidInputException"}:
                return
            raise
        if parent_id not in found:
            self._climb(client, parent_id, found)
        if parent_id in found:
            found[unit_id] = UnitPath(f"{found[parent_id].path}/{name}", parent_id)

    # --- The StackSet ---

    def operations(self, deployment: "Deployment") -> tuple[list[Operation], datetime | None]:
        """Read which operations of the StackSet added or removed targets, the first one first.

        Also returns when the stack was created, if the operations go back to that: AWS does not say how long it keeps them.
        """
        client = self._clients.make("cloudformation")
        which = {"StackSetName": deployment.stack_set_name, "CallAs": deployment.call_as}
        pages = client.get_paginator("list_stack_set_operations").paginate(**which)
        listed = sorted((each for page in pages for each in page["Summaries"]), key=lambda each: each["CreationTimestamp"])
        found = []
        for each in listed:
            if each["Action"] not in {"CREATE", "DELETE"}:
                continue
            described = client.describe_stack_set_operation(OperationId=each["OperationId"], **which)["StackSetOperation"]
            targets = described.get("DeploymentTargets", {})
            unit_ids = frozenset(targets.get("OrganizationalUnitIds", []))
            if unit_ids and targets.get("AccountFilterType") in _WHOLE_UNITS:
                found.append(Operation(each["CreationTimestamp"].astimezone(UTC), unit_ids, each["Action"] == "CREATE"))
        [stack] = client.describe_stacks(StackName=deployment.stack_name)["Stacks"]
        created = stack["CreationTime"].astimezone(UTC)
        first = listed[0] if listed else None
        goes_back = first is not None and first["Action"] == "CREATE" and first["CreationTimestamp"] <= created + DAY
        return found, created if goes_back else None

    # --- CloudTrail ---

    def departures(self, period: Period) -> list[Event]:
        """Read which accounts left or were closed, the first one first; of the management account, if the caller is there."""
        events, _ = self._trail(_DEPARTURES, period, self._organizations_region(), _account_of)
        return [event for event, _ in events]

    def moves(self, period: Period) -> tuple[list[Move], datetime]:
        """Read which accounts were moved, the first one first, in the management account, where CloudTrail records that.

        Also returns since when these are all.
        """
        events, since = self._trail((_MOVE,), period, self._organizations_region(), _account_of)
        return [
            Move(
                event.time, event.about, str(said.get("sourceParentId", "")), str(said.get("destinationParentId", "")), event.by
            )
            for event, said in events
            if event.about and not event.error
        ], since

    @property
    def trail_from(self) -> datetime:
        """The beginning of the first day for which CloudTrail still has everything."""
        return midnight((self._caller.time - TRAIL_KEEPS).astimezone(UTC).date() + DAY)

    def _organizations_region(self) -> str:
        return TRAIL_REGION.get(self._caller.partition, self._caller.region)

    def deployments(self, deployment: "Deployment", function_name: str, period: Period) -> tuple[list[Event], datetime]:
        """Read who changed the stack or the function.  An event that names neither is not about them.

        Also returns since when these are all: other stacks and functions may have made more events than are read.
        """

        def about(request: Mapping[str, Any]) -> str:
            named = {str(request.get(name, "")) for name in ("stackName", "functionName", "changeSetName")}
            for each in sorted(named - {""}):
                name = each.rpartition(":function:")[2] or each
                if f":stack/{deployment.stack_name}/" in each:  # the console names a stack by its ARN
                    return deployment.stack_name
                if name in {deployment.stack_name, function_name}:
                    return name
            return ""

        events, since = self._trail(_DEPLOYMENTS, period, deployment.region, about)
        return [event for event, _ in events if event.about], since

    def _trail(
        self, names: Sequence[str], period: Period, region: str, about: Callable[[Mapping[str, Any]], str]
    ) -> tuple[list[tuple[Event, Mapping[str, Any]]], datetime]:
        """Read events, each with its request's parameters; `about` finds in these what it is about.

        Also returns since when these are all.  For each name it reads at most so many events, and AWS gives the latest first.
        """
        client = self._clients.make("cloudtrail", region=region)
        start = max(period.start, self._caller.time - TRAIL_KEEPS)
        since = max(period.start, self.trail_from)
        found: list[tuple[Event, Mapping[str, Any]]] = []
        if start >= period.end:
            return found, since
        for name in names:
            earlier = len(found)
            pages = client.get_paginator("lookup_events").paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
                StartTime=start,
                EndTime=min(period.end, self._caller.time),
                PaginationConfig={"MaxItems": _MOST_EVENTS},
            )
            for page in pages:
                for each in page["Events"]:
                    said = json.loads(each.get("CloudTrailEvent", "{}"))
                    answered = said.get("responseElements") or {}
                    by = said.get("userIdentity") or {}
                    # A member that leaves names itself by its credentials alone.
                    left = str(by.get("accountId", "")) if name == "LeaveOrganization" else ""
                    asked = said.get("requestParameters") or {}
                    event = Event(
                        each["EventTime"].astimezone(UTC),
                        name.removesuffix("20150331v2"),
                        str(by.get("arn", "")),
                        left or about(asked),
                        ": ".join(filter(None, (said.get("errorCode"), said.get("errorMessage")))),
                        str(answered.get("codeSha256", "")),
                    )
                    found.append((event, asked))
            if len(found) - earlier >= _MOST_EVENTS:
                since = max(since, found[-1][0].time)
        return sorted(found, key=lambda each: (each[0].time, each[0].name, each[0].about)), since

    # --- Lambda ---

    def code(self, function_name: str) -> tuple[str, str]:
        """Return the version and the SHA-256 (base64) of the code that the function has now."""
        found = self._clients.make("lambda").get_function_configuration(FunctionName=function_name)
        return found.get("Environment", {}).get("Variables", {}).get("VERSION", "unknown"), found["CodeSha256"]

    # --- Automation ---

    def executions(self, account_id: str, period: Period, credentials: Credentials | None = None) -> list[Execution]:
        """Read the runs of the runbooks in an account, the first one first; None: in the caller's, with its credentials.

        For another account, in which a runbook starts every day, it reads only those that sent a notice or did not succeed.
        """
        ssm = self._clients.make("ssm", credentials)
        pages = ssm.get_paginator("describe_automation_executions").paginate(
            Filters=[
                {"Key": "DocumentNamePrefix", "Values": [runbooks.PREFIX]},
                {"Key": "StartTimeAfter", "Values": [f"{period.start:%Y-%m-%dT%H:%M:%SZ}"]},
            ]
        )
        executions = []
        for page in pages:
            for each in page["AutomationExecutionMetadataList"]:
                if period.start <= each["ExecutionStartTime"].astimezone(UTC) < period.end:
                    found = ssm.get_automation_execution(AutomationExecutionId=each["AutomationExecutionId"])
                    executions.append(_execution(account_id, found["AutomationExecution"]))
        if credentials:
            executions = [each for each in executions if each.notice or each.status not in {"Success", "InProgress"}]
        return sorted(executions, key=lambda each: (each.started, each.execution_id))

    def executions_in(
        self, account_ids: Sequence[str], role_name: str, period: Period
    ) -> tuple[list[Execution], dict[str, str]]:
        """Read the runs in other accounts, with a role there; returns them, and why accounts could not be read."""

        def read(account_id: str) -> list[Execution] | str:
            try:
                assumed = self._clients.assume(account_id, role_name, "root-virtual-mfa-evidence")
                return self.executions(account_id, period, assumed)
            except ClientError as error:
                return aws.sentence_of(error)

        readings = read_each("Runs of the runbooks", account_ids, read, self._progress)
        if readings.interrupted:
            raise KeyboardInterrupt
        found = [each for account_id in account_ids if isinstance(said := readings.of[account_id], list) for each in said]
        return found, {account_id: said for account_id in account_ids if isinstance(said := readings.of[account_id], str)}


def _account_of(request: Mapping[str, Any]) -> str:
    return str(request.get("accountId", ""))


def _query(digits: str) -> str:
    return "\n".join(
        [
            "fields @timestamp, @message",
            f'| filter message in ["{EVALUATION}", "{FAILURE}"]',
            *([f"| filter account like /{digits}$/"] if digits else []),
            "| sort @timestamp asc",
            f"| limit {MOST_ROWS}",
        ]
    )


def _execution(account_id: str, found: Mapping[str, Any]) -> Execution:
    outputs = {name: " ".join(values) for name, values in found.get("Outputs", {}).items()}
    parameters = {name: " ".join(values) for name, values in found.get("Parameters", {}).items()}
    ended = found.get("ExecutionEndTime")
    decided = (
        decision
        for step in found.get("StepExecutions", [])
        if step.get("Action") == "aws:approve"
        for decision in step.get("Outputs", {}).get("ApproverDecisions", [])
    )
    # Both steps of the removal may have a text, Plan and RemoveCredentials, and the second one says what was done.
    said = (text for name, text in sorted(outputs.items(), reverse=True) if name.endswith(".Text"))
    texts = [text for text in said if text and not text.startswith(runbooks.NO_OUTPUT)]
    failure = found.get("FailureMessage", "") if found["AutomationExecutionStatus"] != "Success" else ""
    return Execution(
        account_id,
        found["AutomationExecutionId"],
        found["DocumentName"].rpartition("/")[2],
        found.get("DocumentVersion", ""),
        found["ExecutionStartTime"].astimezone(UTC),
        ended.astimezone(UTC) if ended else None,
        found["AutomationExecutionStatus"],
        parameters.get("AccountId", account_id),
        found.get("ExecutedBy", ""),
        "; ".join(decided),
        outputs.get("Notify.MessageId", _NO_MESSAGE) != _NO_MESSAGE,
        failure or next(iter(texts), ""),
    )
