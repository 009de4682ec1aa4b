"""CloudFormation: the resource types of the templates that MiniStack does not know.

Source: the CloudFormation resource specification of each type.
"""

import json
from collections.abc import Mapping
from typing import Any

from local_aws import ministack_seams
from local_aws.config import Config
from local_aws.logs import Logs
from local_aws.models import AwsError, ServiceApi

Properties = Mapping[str, Any]
Provisioned = tuple[str, dict[str, Any]]
"""A physical id and the attributes for Fn::GetAtt."""


def install(config: Config, logs: Logs) -> None:
    """Teach MiniStack the resource types; their state is in `config` and `logs`."""
    provisioners = ministack_seams.module("ministack.services.cloudformation.provisioners")
    types: dict[str, tuple[ConfigRuleType | QueryDefinitionType, tuple[str, ...]]] = {
        "AWS::Config::ConfigRule": (ConfigRuleType(config), ("ConfigRuleName",)),
        "AWS::Logs::QueryDefinition": (QueryDefinitionType(logs), ()),
    }
    for name, (resource_type, replaced_by) in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": resource_type.create,
            "update": resource_type.update,
            "delete": resource_type.delete,
        }
        provisioners._REPLACING_PROPERTIES[name] = replaced_by


class ResourceFailedError(ValueError):
    """A resource could not be made, changed or deleted: MiniStack fails it with the message, and rolls back."""


class _Service:
    """Calls of a service's operations, checked against its API model, in the account whose stack it is."""

    def __init__(self, name: str, service: Config | Logs) -> None:
        self._api = ServiceApi(name)
        self._service = service
        self._responses = ministack_seams.module("ministack.core.responses")

    def __call__(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            self._api.validate(operation, params)
            return self._service.operations[operation](self._responses.get_account_id(), params)
        except AwsError as error:
            message = f"{error.message} (Service: {operation}, Error Code: {error.code})"
            raise ResourceFailedError(message) from error


class ConfigRuleType:
    """AWS::Config::ConfigRule."""

    def __init__(self, config: Config) -> None:
        """Keep rules in `config`."""
        self._call = _Service("config", config)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put the rule."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = properties.get("ConfigRuleName") or generated(stack_name, logical_id, max_len=64)
        existing = self._call("DescribeConfigRules", {})["ConfigRules"]
        if any(rule["ConfigRuleName"] == name for rule in existing):
            message = f"Resource of type 'AWS::Config::ConfigRule' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return self._put(name, properties)

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Put it again, as it is to be."""
        return self._put(physical_id, properties)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        existing = self._call("DescribeConfigRules", {})["ConfigRules"]
        if any(rule["ConfigRuleName"] == physical_id for rule in existing):
            self._call("DeleteConfigRule", {"ConfigRuleName": physical_id})

    def _put(self, name: str, properties: Properties) -> Provisioned:
        rule = {key: value for key, value in properties.items() if key not in {"ConfigRuleName", "InputParameters"}}
        rule["ConfigRuleName"] = name
        if "InputParameters" in properties:
            parameters = properties["InputParameters"]
            rule["InputParameters"] = json.dumps(parameters) if isinstance(parameters, Mapping) else parameters
        self._call("PutConfigRule", {"ConfigRule": rule})
        [put] = self._call("DescribeConfigRules", {"ConfigRuleNames": [name]})["ConfigRules"]
        return name, {"Arn": put["ConfigRuleArn"], "ConfigRuleId": put["ConfigRuleId"]}


class QueryDefinitionType:
    """AWS::Logs::QueryDefinition."""

    def __init__(self, logs: Logs) -> None:
        """Keep queries in `logs`."""
        self._call = _Service("logs", logs)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Save the query."""
        query_id = self._call("PutQueryDefinition", _query(properties))["queryDefinitionId"]
        return query_id, {"QueryDefinitionId": query_id}

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Save it as it is to be."""
        self._call("PutQueryDefinition", {**_query(properties), "queryDefinitionId": physical_id})
        return physical_id, {"QueryDefinitionId": physical_id}

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        queries = self._call("DescribeQueryDefinitions", {})["queryDefinitions"]
        if any(query["queryDefinitionId"] == physical_id for query in queries):
            self._call("DeleteQueryDefinition", {"queryDefinitionId": physical_id})


def _query(properties: Properties) -> dict[str, Any]:
    names = {"Name": "name", "QueryString": "queryString", "LogGroupNames": "logGroupNames"}
    return {names[key]: value for key, value in properties.items()}
