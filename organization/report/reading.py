"""Reads what the report needs.  It keeps only a few words of AWS's answers for each account.

For an organization it reads the accounts, the journal and the compliance of the rules, all in pages, and then more about the
accounts that are still in doubt.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from organization import accounts, aws, commands, deployment, insights, journal
from organization.accounts import Progress
from organization.aws import CommandError
from organization.deployment import Deployment
from organization.exceptions.judging import Exceptions
from organization.journal import Entry, Journal
from organization.report import judging
from organization.report.judging import Observed
from organization.statuses import ARRIVED, Account, Arrival, Result, Unseen

T = TypeVar("T")
R = TypeVar("R")

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.literals import OrganizationResourceDetailedStatusType
    from mypy_boto3_config.type_defs import (
        AggregateConformancePackComplianceFiltersTypeDef,
        AggregateEvaluationResultTypeDef,
        EvaluationResultTypeDef,
        OrganizationResourceDetailedStatusFiltersTypeDef,
    )
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_organizations import OrganizationsClient

_RESOURCE_TYPE = "AWS::::Account"

# The largest page of each call. Source: API models of config and organizations.
_COMPLIANCE_PAGE = 1000
_DETAILS_PAGE = 100
_PACK_STATUS_PAGE = 100
_PACK_COMPLIANCE_PAGE = 100
_STACK_INSTANCES_PAGE = 100

# What to ask about the accounts that are not in doubt. Source: API models, config, OrganizationResourceDetailedStatus;
# cloudformation, StackInstanceDetailedStatus.
_PACK_FAILURES: tuple["OrganizationResourceDetailedStatusType", ...] = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")
_STACK_FAILURES = ("FAILED", "CANCELLED", "INOPERABLE")


class Reader:
    """Reads a deployment and the accounts that it watches, with calls that change nothing.

    Raises ClientError and BotoCoreError if AWS refuses or does not answer.
    """

    def __init__(self, session: "boto3.Session", now: datetime, progress: Progress) -> None:
        """Read with the session's credentials; `now` is the time that ages count to."""
        config = aws.patient()
        self._cloudformation: CloudFormationClient = session.client("cloudformation", config=config)
        self._config: ConfigServiceClient = session.client("config", config=config)
        self._organizations: OrganizationsClient = session.client("organizations", config=config)
        self._logs: CloudWatchLogsClient = session.client("logs", config=config)
        self._now = now
        self._progress = progress

    def deployment(self, stack_name: str) -> Deployment | None:
        """Read what is deployed; None if there is no such stack."""
        stack = aws.find_stack(self._cloudformation, stack_name)
        if stack is None:
            return None
        found = deployment.from_stack(stack, {})
        if not (found.log_group_name and found.function_name):  # no outputs: see from_stack
            found = deployment.from_stack(stack, self._physical_ids(stack["StackName"]))
        return self._with_pack(found) if found.has_conformance_pack else found

    def _physical_ids(self, stack_name: str) -> dict[str, str]:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
        return {
            each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    def observe(self, found: Deployment, exceptions: Exceptions) -> Observed:
        """Read what the report needs. Raises CommandError if the aggregator is missing."""
        written = self.read_journal(found)
        if not found.organization_id:
            account = Account(found.account_id, name="", ou_path="")
            results = {found.account_id: self.own_results(found)}
            return Observed(found, self._now, [account], results, exceptions=exceptions, journal=written)
        accounts = self.accounts()
        judged = {each.account_id for each in accounts if judging.is_judged(each, found)}
        listed = self.listed(found, judged)
        doubtful = {each for each in judged if judging.in_doubt(each, listed.get(each, ()), written, found, self._now)}
        results = listed | self.details(found, {each: listed.get(each, []) for each in doubtful})
        packs, stack_instances, asked = self._arrivals(found, doubtful, len(accounts))
        return Observed(found, self._now, accounts, results, packs, stack_instances, exceptions, written, asked)

    # --- The organization ---

    def accounts(self) -> list[Account]:
        """List every account of the organization, with the units above it."""
        listed = accounts.of_organization(self._organizations, self._progress)
        pathless = [each.account_id for each in listed if not each.unit_ids]
        climbed = dict(self._at_once("Accounts' parents", pathless, self._above))
        listed = [replace(each, unit_ids=each.unit_ids or climbed[each.account_id]) for each in listed]
        unit_ids = sorted({unit_id for each in listed for unit_id in each.unit_ids})
        names = dict(self._at_once("Organizational units", unit_ids, self._unit_name))
        return [replace(each, ou_path="/".join(map(names.__getitem__, each.unit_ids))) for each in listed]

    def _above(self, child_id: str) -> tuple[str, ...]:
        """Climb from an account or a unit to the root, if AWS does not give the account's path."""
        pages = self._organizations.get_paginator("list_parents").paginate(ChildId=child_id)
        parent = next(parent for page in pages for parent in page["Parents"])
        return (parent["Id"],) if parent["Type"] == "ROOT" else (*self._above(parent["Id"]), parent["Id"])

    def _unit_name(self, unit_id: str) -> str:
        """Return the name of a unit or of the root; its id, if somebody has just deleted the unit."""
        if unit_id.startswith("r-"):
            pages = self._organizations.get_paginator("list_roots").paginate()
            return next(root["Name"] for page in pages for root in page["Roots"])
        try:
            found = self._organizations.describe_organizational_unit(OrganizationalUnitId=unit_id)
        except self._organizations.exceptions.OrganizationalUnitNotFoundException:
            return unit_id
        return found["OrganizationalUnit"]["Name"]

    # --- What has arrived ---

    def _with_pack(self, found: Deployment) -> Deployment:
        """Add the parameters and excluded accounts of the conformance pack."""
        try:
            answer = self._config.describe_organization_conformance_packs(
                OrganizationConformancePackNames=[found.conformance_pack_name]
            )
        except self._config.exceptions.NoSuchOrganizationConformancePackException:
            return found
        if not answer["OrganizationConformancePacks"]:
            return found
        pack = answer["OrganizationConformancePacks"][0]
        parameters = pack.get("ConformancePackInputParameters", [])
        return replace(
            found,
            pack_parameters={parameter["ParameterName"]: parameter["ParameterValue"] for parameter in parameters},
            pack_excluded=tuple(pack.get("ExcludedAccounts", [])),
        )

    def _arrivals(
        self, found: Deployment, doubtful: set[str], total: int
    ) -> tuple[dict[str, Arrival], dict[str, Arrival], frozenset[str] | None]:
        """Read how pack and StackSet arrived: everywhere, or only failures and what is in doubt, whichever takes fewer calls.

        Returns packs, stacks, and the accounts about which they say everything; None: of all.
        """
        if len(doubtful) > total / _PACK_STATUS_PAGE:
            return self.with_compliance(self.packs(found), found), self.stack_instances(found), None
        which = sorted(doubtful)
        asked: list[OrganizationResourceDetailedStatusFiltersTypeDef] = [{"AccountId": each} for each in which]
        if found.has_conformance_pack and not self._pack_arrived(found):
            asked += [{"Status": each} for each in _PACK_FAILURES]
        packs = self.packs(found, asked)
        stack_instances = self.stack_instances(
            found,
            [
                *({"Filters": [{"Name": "DETAILED_STATUS", "Values": each}]} for each in _STACK_FAILURES),
                *({"StackInstanceAccount": each} for each in which),
            ],
        )
        return self.with_compliance(packs, found, doubtful), stack_instances, frozenset(doubtful)

    def _pack_arrived(self, found: Deployment) -> bool:
        """Tell whether the conformance pack arrived in every account.

        Source: API model, config, OrganizationConformancePackStatus: it is successful if each member account is.
        """
        statuses = self._config.get_paginator("describe_organization_conformance_pack_statuses").paginate(
            OrganizationConformancePackNames=[found.conformance_pack_name]
        )
        try:
            return all(each["Status"] in ARRIVED for page in statuses for each in page["OrganizationConformancePackStatuses"])
        except self._config.exceptions.NoSuchOrganizationConformancePackException:
            return False

    def packs(
        self, found: Deployment, filters: "Sequence[OrganizationResourceDetailedStatusFiltersTypeDef]" = ({},)
    ) -> dict[str, Arrival]:
        """Read how the conformance pack arrived in each account, by account id; nothing if there is no pack."""
        if not found.has_conformance_pack:
            return {}
        paginator = self._config.get_paginator("get_organization_conformance_pack_detailed_status")
        arrivals: dict[str, Arrival] = {}
        try:
            for _, statuses_found in self._at_once(
                "Conformance packs",
                filters,
                lambda each: [
                    status
                    for page in paginator.paginate(
                        OrganizationConformancePackName=found.conformance_pack_name,
                        PaginationConfig={"PageSize": _PACK_STATUS_PAGE},
                        **({"Filters": each} if each else {}),
                    )
                    for status in page["OrganizationConformancePackDetailedStatuses"]
                ],
            ):
                for each in statuses_found:
                    reason = ": ".join(filter(None, [each.get("ErrorCode"), each.get("ErrorMessage")]))
                    arrivals[each["AccountId"]] = Arrival(each["Status"], reason, each["ConformancePackName"])
        except self._config.exceptions.NoSuchOrganizationConformancePackException:
            return {}
        return arrivals

    def stack_instances(self, found: Deployment, filters: "Sequence[Mapping[str, Any]]" = ({},)) -> dict[str, Arrival]:
        """Read how the StackSet arrived in each account, by account id; nothing if there is no StackSet."""
        paginator = self._cloudformation.get_paginator("list_stack_instances")
        arrivals: dict[str, Arrival] = {}
        try:
            for _, summaries in self._at_once(
                "Stacks of the StackSet",
                filters,
                lambda each: [
                    summary
                    for page in paginator.paginate(
                        StackSetName=found.stack_set_name,
                        StackInstanceRegion=found.region,
                        CallAs=found.call_as,
                        PaginationConfig={"PageSize": _STACK_INSTANCES_PAGE},
                        **each,
                    )
                    for summary in page["Summaries"]
                ],
            ):
                for each in summaries:
                    detailed = each.get("StackInstanceStatus", {}).get("DetailedStatus")
                    arrivals[each["Account"]] = Arrival(detailed or each.get("Status", ""), each.get("StatusReason", ""))
        except self._cloudformation.exceptions.StackSetNotFoundException:
            return {}
        return arrivals

    # --- The journal ---

    def read_journal(self, found: Deployment) -> Journal:
        """Read the journal, or say why it cannot be read: then everything relies on AWS Config."""
        if not found.log_group_name:
            return Journal(problem="The stack does not name the function's log group.")
        written = aws.seen(lambda: journal.from_rows(self._written(found)))
        return Journal(problem=written.reason) if isinstance(written, Unseen) else written

    def _written(self, found: Deployment, ending: str = "") -> Iterator[dict[str, str]]:
        """Ask once for all accounts, and for the accounts with each last digit if they are too many for one query."""
        rows = self._query(found.log_group_name, journal.query(found, ending))
        self._progress("Journal", len(rows))
        if len(rows) < journal.MOST_ROWS:
            yield from rows
        else:
            for digit in "0123456789":
                yield from self._written(found, digit + ending)

    def history(self, found: Deployment) -> dict[str, list[Entry]]:
        """Read every evaluation of the last days, the latest first, by account id. Raises CommandError."""
        return journal.history(self._query(found.log_group_name, journal.history_query(found), journal.HISTORY))

    def _query(self, log_group_name: str, query: str, reach: timedelta = journal.REACH) -> Sequence[dict[str, str]]:
        """Run a query of Logs Insights over the last days; each row has its fields by name."""
        return insights.run(self._logs, log_group_name, query, self._now - reach, self._now + timedelta(seconds=1)).rows

    # --- Results ---

    def listed(self, found: Deployment, judged: set[str]) -> dict[str, list[Result]]:
        """Return what the aggregator lists about the rules with our name in each account: neither time nor annotation."""
        pages = self._config.get_paginator("describe_aggregate_compliance_by_config_rules").paginate(
            ConfigurationAggregatorName=found.aggregator_name,
            Filters={"AwsRegion": found.region},
            PaginationConfig={"PageSize": _COMPLIANCE_PAGE},
        )
        listed: dict[str, list[Result]] = {}
        try:
            for page in pages:
                for each in page["AggregateComplianceByConfigRules"]:
                    if each["AccountId"] in judged and deployment.is_our_rule(each["ConfigRuleName"]):
                        result = Result(each["ConfigRuleName"], each.get("Compliance", {}).get("ComplianceType", ""))
                        listed.setdefault(each["AccountId"], []).append(result)
                self._progress("Rules", len(listed))
        except self._config.exceptions.NoSuchConfigurationAggregatorException as error:
            again = commands.deploy(found.stack_name)
            message = (
                f"The aggregator {found.aggregator_name} is not in account {found.account_id}, Region {found.region}: "
                f"the stack {found.stack_name} is {found.stack_status}, so deploy it again ({again})."
            )
            raise CommandError(message) from error
        return listed

    def details(self, found: Deployment, listed: Mapping[str, Sequence[Result]]) -> dict[str, list[Result]]:
        """Read time and annotation too; AWS Config gives them for one rule of one account at a time."""
        rules = [(account_id, each.rule_name) for account_id, results in listed.items() for each in results]
        results: dict[str, list[Result]] = {}
        for (account_id, _), result in self._at_once("Results", rules, lambda rule: self._aggregated_result(found, *rule)):
            results.setdefault(account_id, []).append(result)
        return results

    def _aggregated_result(self, found: Deployment, account_id: str, rule_name: str) -> Result:
        pages = self._config.get_paginator("get_aggregate_compliance_details_by_config_rule").paginate(
            ConfigurationAggregatorName=found.aggregator_name,
            ConfigRuleName=rule_name,
            AccountId=account_id,
            AwsRegion=found.region,
            PaginationConfig={"PageSize": _DETAILS_PAGE},
        )
        # An empty page may have another after it.
        return latest(rule_name, account_id, (each for page in pages for each in page["AggregateEvaluationResults"]))

    def with_compliance(
        self, packs: dict[str, Arrival], found: Deployment, only: Iterable[str] | None = None
    ) -> dict[str, Arrival]:
        """Add the pack's compliance in each account, by the pack's name there, which nobody else can give.

        `only`: ask for these accounts alone.
        Source: API model, config, OrganizationConformancePackDetailedStatus and AggregateComplianceByConformancePack.
        """
        names = sorted({pack.name for pack in packs.values()})
        asked: list[AggregateConformancePackComplianceFiltersTypeDef] = [{"ConformancePackName": name} for name in names]
        if only is not None:
            asked = [{"ConformancePackName": packs[each].name, "AccountId": each} for each in only if each in packs]
        said: dict[tuple[str, str], str] = {}
        for which, compliance in self._at_once(
            "Conformance packs' compliance", asked, lambda each: self._pack_compliance(found, each)
        ):
            said |= {(which["ConformancePackName"], account_id): each for account_id, each in compliance.items()}
        return {
            account_id: replace(pack, compliance=said.get((pack.name, account_id), "")) for account_id, pack in packs.items()
        }

    def _pack_compliance(self, found: Deployment, which: "AggregateConformancePackComplianceFiltersTypeDef") -> dict[str, str]:
        pages = self._config.get_paginator("describe_aggregate_compliance_by_conformance_packs").paginate(
            ConfigurationAggregatorName=found.aggregator_name,
            Filters={"AwsRegion": found.region, **which},
            PaginationConfig={"PageSize": _PACK_COMPLIANCE_PAGE},
        )
        return {
            each["AccountId"]: each.get("Compliance", {}).get("ComplianceType", "")
            for page in pages
            for each in page["AggregateComplianceByConformancePacks"]
        }

    def _at_once(self, what: str, items: Sequence[T], read: Callable[[T], R]) -> Iterator[tuple[T, R]]:
        """Read each item, with several calls at the same time."""
        with ThreadPoolExecutor(aws.THREADS) as pool:
            try:
                for done, (item, answer) in enumerate(zip(items, pool.map(read, items), strict=True), start=1):
                    self._progress(what, done, len(items))
                    yield item, answer
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def own_results(self, found: Deployment) -> list[Result]:
        """Read the results of a deployment for one account from AWS Config itself."""
        pages = self._config.get_paginator("get_compliance_details_by_config_rule").paginate(
            ConfigRuleName=deployment.RULE_NAME
        )
        try:
            evaluations = (each for page in pages for each in page["EvaluationResults"])
            return [latest(deployment.RULE_NAME, found.account_id, evaluations)]
        except self._config.exceptions.NoSuchConfigRuleException:
            return []


def latest(
    rule_name: str, account_id: str, evaluations: "Iterable[AggregateEvaluationResultTypeDef | EvaluationResultTypeDef]"
) -> Result:
    """Pick the latest evaluation of the account itself."""
    found = Result(rule_name)
    for each in evaluations:
        qualifier = each.get("EvaluationResultIdentifier", {}).get("EvaluationResultQualifier", {})
        if (qualifier.get("ResourceType"), qualifier.get("ResourceId")) != (_RESOURCE_TYPE, account_id):
            continue
        times = [time for time in (each.get("ConfigRuleInvokedTime"), each.get("ResultRecordedTime")) if time]
        if times and (found.time is None or max(times) > found.time):
            found = Result(rule_name, each.get("ComplianceType", ""), each.get("Annotation", ""), max(times))
    return found
