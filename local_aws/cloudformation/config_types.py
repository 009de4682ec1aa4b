"""CloudFormation: AWS Config's types: rules, their remediation, organizations' conformance packs, aggregators, stored queries.

Source: the CloudFormation schemas of the types.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.cloudformation.resources import (
    FAILED,
    FailedOnceMadeError,
    Properties,
    Provisioned,
    ResourceFailedError,
    Service,
    Wording,
    plain,
    refuse_unknown,
)
from local_aws.config.aggregators import Aggregators
from local_aws.config.conformance_packs import ConformancePacks
from local_aws.config.remediation_configurations import PROPERTIES, Remediations, from_properties
from local_aws.config.rules import RULE_PROPERTIES, Config
from local_aws.core import ministack_seams
from local_aws.core.models import AwsError

ORGANIZATION_PACK = "AWS::Config::OrganizationConformancePack"
_SHOWN_ACCOUNTS = 5
"""How many accounts a failure names for each reason, at most."""


def _as_config_says(_: str, error: AwsError) -> str:
    """Word a refusal of a rule or its remediation.

    Live: users quote this of PutConfigRule, https://github.com/aws/aws-cdk/pull/23518 and
    https://github.com/aws-samples/aws-devsecops-workshop/issues/7.
    """
    status = f"Status Code: 400; Error Code: {error.code}; Request ID: {uuid.uuid4()}; Proxy: null"
    return f"{error.message} (Service: AmazonConfig; {status})"


class _NamedType:
    """A resource type of AWS Config with a Put operation and a name that is unique in its account."""

    TYPE: str
    NAME: str
    """The property with its name. The service's answers and parameters have a member of the same name."""
    LONGEST_NAME: int
    LIST: tuple[str, str]
    """The operation that lists all, and the member of its answer with the list."""
    DELETE: str

    def __init__(self, service: Config | ConformancePacks | Aggregators, wording: Wording = plain) -> None:
        """Keep resources in `service`."""
        self._call = Service("config", service, wording)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put it, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get(self.NAME) or generated(stack_name, logical_id, max_len=self.LONGEST_NAME))
        if self._exists(name):
            message = f"Resource of type '{self.TYPE}' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return self._put(name, properties)

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Put it with its new properties."""
        return self._put(physical_id, properties)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        if self._exists(physical_id):
            self._call(self.DELETE, {self.NAME: physical_id})

    def _exists(self, name: str) -> bool:
        operation, member = self.LIST
        page: dict[str, Any] = self._call(operation, {})
        found = any(each[self.NAME] == name for each in page[member])
        while not found and page.get("NextToken"):
            page = self._call(operation, {"NextToken": page["NextToken"]})
            found = any(each[self.NAME] == name for each in page[member])
        return found

    def _put(self, name: str, properties: Properties) -> Provisioned:
        raise NotImplementedError


class ConfigRuleType(_NamedType):
    """AWS::Config::ConfigRule."""

    TYPE = "AWS::Config::ConfigRule"
    NAME = "ConfigRuleName"
    LONGEST_NAME = 64
    LIST = ("DescribeConfigRules", "ConfigRules")
    DELETE = "DeleteConfigRule"

    def __init__(self, config: Config) -> None:
        """Keep rules in `config`."""
        super().__init__(config, _as_config_says)

    def _put(self, name: str, properties: Properties) -> Provisioned:
        refuse_unknown(properties, RULE_PROPERTIES)
        rule = {key: value for key, value in properties.items() if key not in {"ConfigRuleName", "InputParameters"}}
        rule["ConfigRuleName"] = name
        if "InputParameters" in properties:
            parameters = properties["InputParameters"]
            rule["InputParameters"] = json.dumps(parameters) if isinstance(parameters, Mapping) else parameters
        self._call("PutConfigRule", {"ConfigRule": rule})
        [put] = self._call("DescribeConfigRules", {"ConfigRuleNames": [name]})["ConfigRules"]
        return name, {"Arn": put["ConfigRuleArn"], "ConfigRuleId": put["ConfigRuleId"]}


class RemediationConfigurationType:
    """AWS::Config::RemediationConfiguration; its id is the name of its rule."""

    def __init__(self, remediations: Remediations) -> None:
        """Keep configurations in `remediations`."""
        self._call = Service("config", remediations, _as_config_says)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Put it, unless the rule has one."""
        rule_name = str(properties.get("ConfigRuleName"))
        if self._exists(rule_name):
            message = f"Resource of type 'AWS::Config::RemediationConfiguration' with identifier '{rule_name}' already exists."
            raise ResourceFailedError(message)
        return self._put(properties)

    def update(self, _: str, __: Properties, properties: Properties, ___: str) -> Provisioned:
        """Put it with its new properties."""
        return self._put(properties)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        if self._exists(physical_id):
            self._call("DeleteRemediationConfiguration", {"ConfigRuleName": physical_id})

    def _exists(self, rule_name: str) -> bool:
        found = self._call("DescribeRemediationConfigurations", {"ConfigRuleNames": [rule_name]})
        return bool(found["RemediationConfigurations"])

    def _put(self, properties: Properties) -> Provisioned:
        refuse_unknown(properties, PROPERTIES)
        try:
            configuration = from_properties(properties)
        except (AwsError, AttributeError, TypeError, ValueError) as error:
            message = f"Properties validation failed for the remediation configuration: {error}"
            raise ResourceFailedError(message) from error
        self._call("PutRemediationConfigurations", {"RemediationConfigurations": [configuration]})
        return configuration["ConfigRuleName"], {}


class OrganizationConformancePackType(_NamedType):
    """AWS::Config::OrganizationConformancePack. It fails if one account fails."""

    TYPE = ORGANIZATION_PACK
    NAME = "OrganizationConformancePackName"
    LONGEST_NAME = 128
    LIST = ("DescribeOrganizationConformancePacks", "OrganizationConformancePacks")
    DELETE = "DeleteOrganizationConformancePack"

    def __init__(self, packs: ConformancePacks) -> None:
        """Keep packs in `packs`."""
        super().__init__(packs)
        self._packs = packs
        self._responses = ministack_seams.module("ministack.core.responses")

    def _put(self, name: str, properties: Properties) -> Provisioned:
        params = {key: value for key, value in properties.items() if key != FAILED}
        provisioned = (name, self._call("PutOrganizationConformancePack", params))
        failures = self._packs.failures(self._responses.get_account_id(), name)
        if failures:
            accounts: dict[str, list[str]] = {}
            for account_id, error in failures.items():
                accounts.setdefault(str(error), []).append(account_id)
            reasons = "; ".join(f"{reason} ({_shortened(ids)})" for reason, ids in accounts.items())
            message = f"The pack {name} failed in {len(failures)} of the organization's accounts: {reasons}"
            raise FailedOnceMadeError(message, provisioned)
        return provisioned


def _shortened(account_ids: Sequence[str]) -> str:
    more = len(account_ids) - _SHOWN_ACCOUNTS
    return ", ".join(account_ids[:_SHOWN_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")


class AggregatorType(_NamedType):
    """AWS::Config::ConfigurationAggregator."""

    TYPE = "AWS::Config::ConfigurationAggregator"
    NAME = "ConfigurationAggregatorName"
    LONGEST_NAME = 256
    LIST = ("DescribeConfigurationAggregators", "ConfigurationAggregators")
    DELETE = "DeleteConfigurationAggregator"

    def _put(self, name: str, properties: Properties) -> Provisioned:
        params = {**properties, "ConfigurationAggregatorName": name}
        put = self._call("PutConfigurationAggregator", params)["ConfigurationAggregator"]
        return name, {"ConfigurationAggregatorArn": put["ConfigurationAggregatorArn"]}


class StoredQueryType(_NamedType):
    """AWS::Config::StoredQuery."""

    TYPE = "AWS::Config::StoredQuery"
    NAME = "QueryName"
    LONGEST_NAME = 64
    LIST = ("ListStoredQueries", "StoredQueryMetadata")
    DELETE = "DeleteStoredQuery"

    def _put(self, name: str, properties: Properties) -> Provisioned:
        names = {"QueryName": "QueryName", "QueryExpression": "Expression", "QueryDescription": "Description"}
        self._call("PutStoredQuery", {"StoredQuery": {names[key]: properties[key] for key in names if key in properties}})
        stored = self._call("GetStoredQuery", {"QueryName": name})["StoredQuery"]
        return stored["QueryName"], {"QueryArn": stored["QueryArn"], "QueryId": stored["QueryId"]}
