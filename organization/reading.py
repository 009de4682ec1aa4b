"""Reads what the report needs.  It keeps only a few words of AWS's answers for each account."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from organization import aws, commands, deployment, statuses
from organization.aws import CommandError
from organization.deployment import Deployment
from organization.statuses import Account, Arrival, Observations, Result

T = TypeVar("T")
R = TypeVar("R")

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_config import ConfigServiceClient
    from mypy_boto3_config.type_defs import AggregateEvaluationResultTypeDef, EvaluationResultTypeDef
    from mypy_boto3_organizations import OrganizationsClient

_RESOURCE_TYPE = "AWS::::Account"

# The largest page of each call. Source: API models of config and organizations.
_COMPLIANCE_PAGE = 1000
_DETAILS_PAGE = 100
_PACK_STATUS_PAGE = 100
_PACK_COMPLIANCE_PAGE = 100
_ORGANIZATIONS_PAGE = 20


class Progress(Protocol):
    """Learns how far the reading is."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """`done` of `total` (None: not known) items of `what` are read."""


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
        self._now = now
        self._progress = progress

    def deployment(self, stack_name: str) -> Deployment | None:
        """Read what is deployed; None if there is no such stack."""
        stack = aws.find_stack(self._cloudformation, stack_name)
        if stack is None:
            return None
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack["StackName"])
        physical_ids = {
            each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
            for page in pages
            for each in page["StackResourceSummaries"]
        }
        found = deployment.from_stack(stack, physical_ids)
        return self._with_pack(found) if found.organization_id else found

    def observe(self, found: Deployment, reasons: dict[str, str]) -> Observations:
        """Read what the report needs. Raises CommandError if the aggregator is missing."""
        if not found.organization_id:
            account = Account(found.account_id, name="", ou_path="")
            results = {found.account_id: self._own_results(found)}
            return Observations(found, self._now, [account], results, reasons=reasons)
        accounts = list(self._accounts())
        packs = self.packs(found)
        stack_instances = self._stack_instances(found)
        results = self._results(found, {each.account_id for each in accounts if statuses.is_judged(each, found)})
        packs = self._with_compliance(packs, found)
        return Observations(found, self._now, accounts, results, packs, stack_instances, reasons)

    # --- The organization ---

    def _accounts(self) -> Iterator[Account]:
        """Walk the organizational units from the root."""
        roots = self._organizations.get_paginator("list_roots").paginate()
        waiting = [(root["Id"], root["Name"]) for page in roots for root in page["Roots"]]
        done = 0
        while waiting:
            parent_id, path = waiting.pop(0)
            pages = self._organizations.get_paginator("list_accounts_for_parent").paginate(
                ParentId=parent_id, PaginationConfig={"PageSize": _ORGANIZATIONS_PAGE}
            )
            for page in pages:
                for account in page["Accounts"]:
                    # State has replaced Status; an older endpoint has Status only.
                    state = account.get("State") or account.get("Status") or ""
                    yield Account(account["Id"], account.get("Name", ""), path, state)
                done += len(page["Accounts"])
                self._progress("Accounts", done)
            units = self._organizations.get_paginator("list_organizational_units_for_parent").paginate(
                ParentId=parent_id, PaginationConfig={"PageSize": _ORGANIZATIONS_PAGE}
            )
            waiting += [(unit["Id"], f"{path}/{unit['Name']}") for page in units for unit in page["OrganizationalUnits"]]

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

    def packs(self, found: Deployment) -> dict[str, Arrival]:
        """Read how the conformance pack arrived in each account, by account id; nothing if there is no pack."""
        pages = self._config.get_paginator("get_organization_conformance_pack_detailed_status").paginate(
            OrganizationConformancePackName=found.conformance_pack_name, PaginationConfig={"PageSize": _PACK_STATUS_PAGE}
        )
        arrivals: dict[str, Arrival] = {}
        try:
            for page in pages:
                for each in page["OrganizationConformancePackDetailedStatuses"]:
                    reason = ": ".join(filter(None, [each.get("ErrorCode"), each.get("ErrorMessage")]))
                    arrivals[each["AccountId"]] = Arrival(each["Status"], reason, each["ConformancePackName"])
                self._progress("Conformance packs", len(arrivals))
        except self._config.exceptions.NoSuchOrganizationConformancePackException:
            return {}
        return arrivals

    def _stack_instances(self, found: Deployment) -> dict[str, Arrival]:
        pages = self._cloudformation.get_paginator("list_stack_instances").paginate(
            StackSetName=found.stack_set_name,
            StackInstanceRegion=found.region,
            CallAs="SELF" if found.in_management_account else "DELEGATED_ADMIN",
        )
        arrivals: dict[str, Arrival] = {}
        try:
            for page in pages:
                for each in page["Summaries"]:
                    detailed = each.get("StackInstanceStatus", {}).get("DetailedStatus")
                    arrivals[each["Account"]] = Arrival(detailed or each.get("Status", ""), each.get("StatusReason", ""))
                self._progress("Stacks of the StackSet", len(arrivals))
        except self._cloudformation.exceptions.StackSetNotFoundException:
            return {}
        return arrivals

    # --- Results ---

    def _results(self, found: Deployment, judged: set[str]) -> dict[str, list[Result]]:
        """Find the rule's names in each account first, since AWS Config gives details for an exact name only."""
        pages = self._config.get_paginator("describe_aggregate_compliance_by_config_rules").paginate(
            ConfigurationAggregatorName=found.aggregator_name,
            Filters={"AwsRegion": found.region},
            PaginationConfig={"PageSize": _COMPLIANCE_PAGE},
        )
        rules: list[tuple[str, str]] = []
        try:
            for page in pages:
                rules += [
                    (each["AccountId"], each["ConfigRuleName"])
                    for each in page["AggregateComplianceByConfigRules"]
                    if each["AccountId"] in judged and deployment.is_our_rule(each["ConfigRuleName"])
                ]
                self._progress("Rules", len(rules))
        except self._config.exceptions.NoSuchConfigurationAggregatorException as error:
            message = (
                f"The aggregator {found.aggregator_name} is not in account {found.account_id}, Region {found.region}: "
                f"the stack {found.stack_name} is {found.stack_status}, so deploy it again ({commands.deploy()})."
            )
            raise CommandError(message) from error
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
        return _latest(rule_name, account_id, (each for page in pages for each in page["AggregateEvaluationResults"]))

    def _with_compliance(self, packs: dict[str, Arrival], found: Deployment) -> dict[str, Arrival]:
        """Add the pack's compliance in each account, by the pack's name there, which nobody else can give.

        Source: API model, config, OrganizationConformancePackDetailedStatus and AggregateComplianceByConformancePack.
        """
        names = sorted({pack.name for pack in packs.values()})
        said: dict[tuple[str, str], str] = {}
        for name, pages in self._at_once(
            "Conformance packs' compliance", names, lambda name: self._pack_compliance(found, name)
        ):
            said |= {(name, account_id): compliance for account_id, compliance in pages.items()}
        return {
            account_id: replace(pack, compliance=said.get((pack.name, account_id), "")) for account_id, pack in packs.items()
        }

    def _pack_compliance(self, found: Deployment, name: str) -> dict[str, str]:
        pages = self._config.get_paginator("describe_aggregate_compliance_by_conformance_packs").paginate(
            ConfigurationAggregatorName=found.aggregator_name,
            Filters={"ConformancePackName": name, "AwsRegion": found.region},
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

    def _own_results(self, found: Deployment) -> list[Result]:
        """Read the results of a deployment for one account from AWS Config itself."""
        pages = self._config.get_paginator("get_compliance_details_by_config_rule").paginate(
            ConfigRuleName=deployment.RULE_NAME
        )
        try:
            evaluations = (each for page in pages for each in page["EvaluationResults"])
            return [_latest(deployment.RULE_NAME, found.account_id, evaluations)]
        except self._config.exceptions.NoSuchConfigRuleException:
            return []


def _latest(
    rule_name: str, account_id: str, evaluations: "Iterable[AggregateEvaluationResultTypeDef | EvaluationResultTypeDef]"
) -> Result:
    """Pick the latest evaluation of the account itself."""
    latest = Result(rule_name)
    for each in evaluations:
        qualifier = each.get("EvaluationResultIdentifier", {}).get("EvaluationResultQualifier", {})
        if (qualifier.get("ResourceType"), qualifier.get("ResourceId")) != (_RESOURCE_TYPE, account_id):
            continue
        times = [time for time in (each.get("ConfigRuleInvokedTime"), each.get("ResultRecordedTime")) if time]
        if times and (latest.time is None or max(times) > latest.time):
            latest = Result(rule_name, each.get("ComplianceType", ""), each.get("Annotation", ""), max(times))
    return latest
