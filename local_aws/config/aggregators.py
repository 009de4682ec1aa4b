"""Aggregators of AWS Config: what one account sees of the rules in all accounts of the organization; and stored queries.

An aggregator of AWS lags its sources by minutes. This one shows the present state. NOT_APPLICABLE results never reach it.
Source: API model, config; https://docs.aws.amazon.com/config/latest/developerguide/aggregate-data.html
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from local_aws.authorization import service_roles
from local_aws.authorization.principals import entity
from local_aws.config import queries
from local_aws.config.conformance_packs import ORGANIZATION_PREFIX, ConformancePacks, random_suffix
from local_aws.config.rules import MOST_RESOURCES, PAGES, Config, Rule, contributors, details, worst
from local_aws.core import callers
from local_aws.core.callers import Scope
from local_aws.core.clock import Clock
from local_aws.core.models import AwsError
from local_aws.core.switches import Switches
from local_aws.organizations.organization import Organization

if TYPE_CHECKING:
    from local_aws.core.operations import Operations

SERVICE = "config.amazonaws.com"
"""The service that an organization trusts and delegates for aggregators, and that assumes their roles."""

_DEFAULT_PAGE, _DEFAULT_DETAILS, _DEFAULT_ITEMS, _DEFAULT_COUNTS = 1000, 50, 25, 500
"""Entries on a page without a Limit, or with the Limit 0: rules, results, queried resources and their counts.

Source: API model, config, Limit of the requests, and the documentation of SelectAggregateResourceConfig.
"""
_SHORT_PAGE = 100
_SUPPORTED = {None, "COMPLIANT", "NON_COMPLIANT"}
"""The compliance types that a filter may have. Source: API model, config, ConfigRuleComplianceFilters."""

_T = TypeVar("_T")


@dataclass
class Aggregator:
    """An aggregator; `source` is its OrganizationAggregationSource."""

    scope: Scope
    name: str
    source: dict[str, Any]
    created: datetime
    updated: datetime
    aggregator_id: str = field(default_factory=lambda: f"config-aggregator-{random_suffix(8)}")

    @property
    def arn(self) -> str:
        """The aggregator's ARN."""
        account_id, region = self.scope
        return f"arn:aws:config:{region}:{account_id}:config-aggregator/{self.aggregator_id}"

    def described(self) -> dict[str, Any]:
        """Return a ConfigurationAggregator of the API."""
        return {
            "ConfigurationAggregatorName": self.name,
            "ConfigurationAggregatorArn": self.arn,
            "OrganizationAggregationSource": self.source,
            "CreationTime": self.created,
            "LastUpdatedTime": self.updated,
        }


class Aggregators:
    """The aggregators and stored queries of all accounts. They read `config` and `packs`.

    A switch begins each list with an empty page. AWS says that this happens when it reads many accounts.
    """

    def __init__(
        self,
        config: Config,
        packs: ConformancePacks,
        organization: Organization | None,
        clock: Clock,
        switches: Switches,
    ) -> None:
        """Start without aggregators and queries."""
        self._config = config
        self._packs = packs
        self._organization = organization
        self._clock = clock
        self._switches = switches
        self._aggregators: dict[Scope, dict[str, Aggregator]] = defaultdict(dict)
        self._queries: dict[Scope, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.operations: Operations = {
            "PutConfigurationAggregator": self.put_configuration_aggregator,
            "DescribeConfigurationAggregators": self.describe_configuration_aggregators,
            "DeleteConfigurationAggregator": self.delete_configuration_aggregator,
            "DescribeConfigurationAggregatorSourcesStatus": self.describe_configuration_aggregator_sources_status,
            "DescribeAggregateComplianceByConfigRules": self.describe_aggregate_compliance_by_config_rules,
            "GetAggregateComplianceDetailsByConfigRule": self.get_aggregate_compliance_details_by_config_rule,
            "DescribeAggregateComplianceByConformancePacks": self.describe_aggregate_compliance_by_conformance_packs,
            "SelectAggregateResourceConfig": self.select_aggregate_resource_config,
            "PutStoredQuery": self.put_stored_query,
            "GetStoredQuery": self.get_stored_query,
            "ListStoredQueries": self.list_stored_queries,
            "DeleteStoredQuery": self.delete_stored_query,
        }

    # Aggregators

    def put_configuration_aggregator(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create or change an aggregator. The caller is the management account or a delegated administrator."""
        source = params.get("OrganizationAggregationSource")
        if source is None or "AccountAggregationSources" in params:
            message = "The local AWS emulates aggregators with an OrganizationAggregationSource only."
            raise AwsError("InvalidParameterValueException", message)
        if bool(source.get("AllAwsRegions")) == ("AwsRegions" in source):
            message = "An aggregation source has either AllAwsRegions or AwsRegions."
            raise AwsError("InvalidParameterValueException", message)
        self._check_administrator(account_id)
        self._check_role(account_id, source["RoleArn"])
        now, scope, name = self._clock.now(), callers.scope(account_id), params["ConfigurationAggregatorName"]
        aggregator = self._aggregators[scope].setdefault(name, Aggregator(scope, name, source, now, now))
        aggregator.source, aggregator.updated = source, now
        return {"ConfigurationAggregator": aggregator.described()}

    def describe_configuration_aggregators(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Describe aggregators by name, or all."""
        names = params.get("ConfigurationAggregatorNames") or sorted(self._aggregators[callers.scope(account_id)])
        aggregators = [self._named(account_id, name) for name in names]
        page, token = PAGES.page(aggregators, params, _SHORT_PAGE)
        return {"ConfigurationAggregators": [aggregator.described() for aggregator in page], **token}

    def delete_configuration_aggregator(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete an aggregator."""
        aggregator = self._named(account_id, params["ConfigurationAggregatorName"])
        del self._aggregators[aggregator.scope][aggregator.name]
        return {}

    def describe_configuration_aggregator_sources_status(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Report whether Config can read the organization: it can as long as the account administers it."""
        aggregator = self._named(account_id, params["ConfigurationAggregatorName"])
        members = self._members(aggregator)
        status = {"LastUpdateStatus": "SUCCEEDED"}
        if not members:
            status = {
                "LastUpdateStatus": "FAILED",
                "LastErrorCode": "OrganizationAccessDeniedException",
                "LastErrorMessage": f"Account {account_id} no longer administers the organization for {SERVICE}.",
            }
        organization = self._organization.organization_id if self._organization else ""
        sources = [("ORGANIZATION", organization), *(("ACCOUNT", member) for member in sorted(members))]
        statuses = [
            {
                "SourceId": source_id,
                "SourceType": kind,
                "AwsRegion": aggregator.scope[1],
                "LastUpdateTime": aggregator.updated,
                **status,
            }
            for kind, source_id in sources
            if status["LastUpdateStatus"] in params.get("UpdateStatus", [status["LastUpdateStatus"]])
        ]
        page, token = PAGES.page(statuses, params, _SHORT_PAGE)
        return {"AggregatedSourceStatusList": page, **token}

    def _check_administrator(self, account_id: str) -> None:
        """Refuse all but the management account and delegated administrators. Config enables trusted access for the former."""
        organization = self._organization
        if organization is None or account_id not in organization.parents:
            message = "This action can only be made by accounts in an AWS Organization"
            raise AwsError("NoAvailableOrganizationException", message)
        if not organization.all_features:
            message = "The organization does not have all features enabled."
            raise AwsError("OrganizationAllFeaturesNotEnabledException", message)
        if account_id == organization.management_account_id:
            organization.trusted_services.add(SERVICE)
        if not self._administers(account_id):
            message = (
                "This action can only be performed by the organization's management account, or by a delegated administrator "
                f"that is registered for {SERVICE} while that service has trusted access."
            )
            raise AwsError("OrganizationAccessDeniedException", message)

    def _administers(self, account_id: str) -> bool:
        organization = self._organization
        return (
            organization is not None
            and account_id in organization.parents
            and SERVICE in organization.trusted_services
            and organization.administers(account_id, SERVICE)
        )

    def _check_role(self, account_id: str, role_arn: str) -> None:
        """Refuse a role that AWS Config may not assume."""
        role = entity("role", account_id, role_arn.rpartition("/")[2])
        if role is None or role["Arn"] != role_arn:
            message = f"The role {role_arn} does not exist in account {account_id}."
            raise AwsError("InvalidRoleException", message)
        source_account = None if self._switches.is_on("no-source-account-for-aggregators") else account_id
        if not service_roles.trusts(role, SERVICE, source_account):
            message = f"The trust policy of the role {role_arn} does not let {SERVICE} assume it."
            raise AwsError("InvalidRoleException", message)

    def _named(self, account_id: str, name: str) -> Aggregator:
        aggregator = self._aggregators[callers.scope(account_id)].get(name)
        if aggregator is None:
            message = f"The configuration aggregator {name} does not exist."
            raise AwsError("NoSuchConfigurationAggregatorException", message)
        return aggregator

    def _members(self, aggregator: Aggregator) -> Collection[str]:
        """Return the organization's present accounts, or none if the aggregator's account no longer administers it."""
        organization = self._organization
        return organization.parents.keys() if organization and self._administers(aggregator.scope[0]) else ()

    # Compliance

    def describe_aggregate_compliance_by_config_rules(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the compliance of all accounts' rules that have results."""
        filters = params.get("Filters", {})
        _check_supported(filters.get("ComplianceType"))
        entries = [
            {
                "ConfigRuleName": rule.name,
                "Compliance": contributors(rule.types, MOST_RESOURCES),
                "AccountId": rule.scope[0],
                "AwsRegion": rule.scope[1],
            }
            for rule in self._rules(account_id, params)
            if filters.get("ConfigRuleName") in {None, rule.name} and filters.get("ComplianceType") in {None, rule.compliance}
        ]
        page, token = self._page(entries, params, _DEFAULT_PAGE)
        return {"AggregateComplianceByConfigRules": page, **token}

    def get_aggregate_compliance_details_by_config_rule(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the results of one account's rule, without NOT_APPLICABLE ones."""
        _check_supported(params.get("ComplianceType"))
        aggregator = self._named(account_id, params["ConfigurationAggregatorName"])
        scope = (params["AccountId"], params["AwsRegion"])
        seen = scope[0] in self._members(aggregator) and _covers(aggregator, scope[1])
        rules = [self._config.rule(scope, params["ConfigRuleName"])] if seen else []
        results = [
            {**details(rule, resource), "AccountId": scope[0], "AwsRegion": scope[1]}
            for rule in rules
            if rule is not None
            for resource, result in sorted(rule.results.items())
            if result.compliance_type != "NOT_APPLICABLE" and params.get("ComplianceType") in {None, result.compliance_type}
        ]
        page, token = self._page(results, params, _DEFAULT_DETAILS)
        return {"AggregateEvaluationResults": page, **token}

    def describe_aggregate_compliance_by_conformance_packs(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the compliance of all accounts' conformance packs."""
        aggregator = self._named(account_id, params["ConfigurationAggregatorName"])
        filters = params.get("Filters", {})
        entries = []
        prefix = ORGANIZATION_PREFIX if self._switches.is_on("packs-without-prefix") else ""
        for pack in self._packs.packs_of(self._members(aggregator)):
            types = [rule.compliance for rule in self._packs.rules_of(pack)]
            entry = {
                "ConformancePackName": pack.name.removeprefix(prefix),
                "Compliance": {
                    "ComplianceType": worst(types),
                    "CompliantRuleCount": types.count("COMPLIANT"),
                    "NonCompliantRuleCount": types.count("NON_COMPLIANT"),
                    "TotalRuleCount": len(types),
                },
                "AccountId": pack.scope[0],
                "AwsRegion": pack.scope[1],
            }
            wanted = all(filters.get(name) in {None, entry[name]} for name in ("ConformancePackName", "AccountId", "AwsRegion"))
            if wanted and _covers(aggregator, pack.scope[1]) and filters.get("ComplianceType") in {None, worst(types)}:
                entries.append(entry)
        page, token = self._page(entries, params, _SHORT_PAGE)
        return {"AggregateComplianceByConformancePacks": page, **token}

    def _rules(self, account_id: str, params: dict[str, Any]) -> Iterator[Rule]:
        """Return the rules that an aggregator sees, by account: those with results that pass the account and Region filters."""
        aggregator = self._named(account_id, params["ConfigurationAggregatorName"])
        filters = params.get("Filters", {})
        for rule in self._config.rules_of(self._members(aggregator)):
            member, region = rule.scope
            wanted = filters.get("AccountId") in {None, member} and filters.get("AwsRegion") in {None, region}
            if wanted and rule.results and _covers(aggregator, region):
                yield rule

    def _page(self, entries: Sequence[_T], params: dict[str, Any], default: int) -> tuple[Sequence[_T], dict[str, str]]:
        if self._switches.is_on("empty-pages") and "NextToken" not in params:
            return [], {"NextToken": PAGES.token_at(0)}
        return PAGES.page(entries, params, default)

    # Queries

    def select_aggregate_resource_config(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Run an advanced query over the compliance of resources, of accounts whose recorder records that type.

        Source: https://docs.aws.amazon.com/config/latest/developerguide/querying-AWS-resources.html: a query sees recorded
        resources, and AWS::Config::ResourceCompliance is one of the types that a recording group may leave out.
        """
        try:
            query = queries.parse(params["Expression"])
        except queries.QueryError as error:
            raise AwsError("InvalidExpressionException", str(error)) from error
        rules = [rule for rule in self._rules(account_id, params) if self._records_compliance(rule.scope)]
        results = query.run(_items(rules, one_as_object=self._switches.is_on("one-rule-as-object")))
        page, token = PAGES.page(results, params, _DEFAULT_COUNTS if query.counts else _DEFAULT_ITEMS)
        return {"Results": page, "QueryInfo": {"SelectFields": [{"Name": name} for name in query.fields]}, **token}

    def _records_compliance(self, scope: Scope) -> bool:
        recorder = self._config.recorders.find(scope)
        return recorder is not None and recorder.records(queries.RESOURCE_TYPE)

    def put_stored_query(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Create or change a stored query."""
        scope, given = callers.scope(account_id), params["StoredQuery"]
        if "Expression" not in given:
            message = "A stored query must have an Expression."
            raise AwsError("ValidationException", message)
        known = self._queries[scope].get(given["QueryName"])
        query_id = known["QueryId"] if known else f"query-{random_suffix(16)}"
        arn = f"arn:aws:config:{scope[1]}:{account_id}:stored-query/{given['QueryName']}/{query_id}"
        self._queries[scope][given["QueryName"]] = {**given, "QueryId": query_id, "QueryArn": arn}
        return {"QueryArn": arn}

    def get_stored_query(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return a stored query."""
        return {"StoredQuery": self._stored(account_id, params["QueryName"])}

    def list_stored_queries(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """List the stored queries, without their expressions."""
        stored = [query for _, query in sorted(self._queries[callers.scope(account_id)].items())]
        page, token = PAGES.page(stored, params, _SHORT_PAGE)
        metadata = [{name: value for name, value in query.items() if name != "Expression"} for query in page]
        return {"StoredQueryMetadata": metadata, **token}

    def delete_stored_query(self, account_id: str, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a stored query."""
        query = self._stored(account_id, params["QueryName"])
        del self._queries[callers.scope(account_id)][query["QueryName"]]
        return {}

    def _stored(self, account_id: str, name: str) -> dict[str, Any]:
        query = self._queries[callers.scope(account_id)].get(name)
        if query is None:
            message = f"The stored query {name} does not exist."
            raise AwsError("ResourceNotFoundException", message)
        return query


def _covers(aggregator: Aggregator, region: str) -> bool:
    return bool(aggregator.source.get("AllAwsRegions")) or region in aggregator.source.get("AwsRegions", [])


def _check_supported(compliance_type: str | None) -> None:
    if compliance_type not in _SUPPORTED:
        message = f"ComplianceType must be COMPLIANT or NON_COMPLIANT, not {compliance_type}."
        raise AwsError("ValidationException", message)


def _items(rules: Iterable[Rule], *, one_as_object: bool) -> list[queries.Item]:
    """Make an AWS::Config::ResourceCompliance for each resource, from all rules that evaluated it.

    Users of AWS Config report that configRuleList is an array or an object. With `one_as_object`, one rule is an object.
    """
    found: dict[tuple[Scope, tuple[str, str]], list[tuple[Rule, str]]] = defaultdict(list)
    for rule in rules:
        for resource, result in rule.results.items():
            if result.compliance_type != "NOT_APPLICABLE":
                found[rule.scope, resource].append((rule, result.compliance_type))
    return [
        {
            "accountId": account_id,
            "awsRegion": region,
            "resourceId": f"{kind}/{identifier}",
            "resourceType": queries.RESOURCE_TYPE,
            "configuration": {
                "complianceType": worst(compliance_type for _, compliance_type in judged),
                "targetResourceId": identifier,
                "targetResourceType": kind,
                "configRuleList": _entries(judged)[0] if one_as_object and len(judged) == 1 else _entries(judged),
            },
        }
        for ((account_id, region), (kind, identifier)), judged in sorted(found.items(), key=lambda entry: entry[0])
    ]


def _entries(judged: Iterable[tuple[Rule, str]]) -> list[dict[str, str]]:
    return [
        {
            "configRuleName": rule.name,
            "configRuleId": rule.rule_id,
            "configRuleArn": rule.arn,
            "complianceType": compliance_type,
        }
        for rule, compliance_type in judged
    ]
