"""CloudFormation: the types of CloudWatch: alarms, and saved queries of its logs.

Source: the CloudFormation schemas of AWS::CloudWatch::Alarm and AWS::Logs::QueryDefinition.
"""

from typing import Any

from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError, Service, refuse_unknown
from local_aws.cloudwatch.service import CloudWatch
from local_aws.core import ministack_seams
from local_aws.logs.saved_queries import SavedQueries


class AlarmType:
    """AWS::CloudWatch::Alarm. Its id is its name."""

    def __init__(self, cloudwatch: CloudWatch) -> None:
        """Keep alarms in `cloudwatch`."""
        self._call = Service("cloudwatch", cloudwatch)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put an alarm, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get("AlarmName") or generated(stack_name, logical_id, max_len=255))
        if self._call("DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]:
            message = f"Resource of type 'AWS::CloudWatch::Alarm' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        return self._put(name, properties)

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Put it with its new properties. Its state stays."""
        provisioned = self._put(physical_id, properties)
        arn = provisioned[1]["Arn"]
        before, after = _own_tags(old), _own_tags(properties)
        if before:
            self._call("UntagResource", {"ResourceARN": arn, "TagKeys": [tag["Key"] for tag in before]})
        if after:
            self._call("TagResource", {"ResourceARN": arn, "Tags": after})
        return provisioned

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        self._call("DeleteAlarms", {"AlarmNames": [physical_id]})

    def _put(self, name: str, properties: Properties) -> Provisioned:
        self._call("PutMetricAlarm", {**properties, "AlarmName": name, "Tags": _own_tags(properties)})
        [alarm] = self._call("DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]
        return name, {"Arn": alarm["AlarmArn"]}


def _own_tags(properties: Properties) -> list[dict[str, str]]:
    """Return the tags without those that CloudFormation adds: nobody else may."""
    return [tag for tag in properties.get("Tags", []) if not tag["Key"].startswith("aws:")]


class QueryDefinitionType:
    """AWS::Logs::QueryDefinition."""

    def __init__(self, saved_queries: SavedQueries) -> None:
        """Keep queries in `saved_queries`."""
        self._call = Service("logs", saved_queries)

    def create(self, _: str, properties: Properties, __: str) -> Provisioned:
        """Save the query."""
        query_id = self._call("PutQueryDefinition", _query(properties))["queryDefinitionId"]
        return query_id, {"QueryDefinitionId": query_id}

    def update(self, physical_id: str, _: Properties, properties: Properties, __: str) -> Provisioned:
        """Save it with its new properties."""
        self._call("PutQueryDefinition", {**_query(properties), "queryDefinitionId": physical_id})
        return physical_id, {"QueryDefinitionId": physical_id}

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete it, if it is still there."""
        queries = self._call("DescribeQueryDefinitions", {})["queryDefinitions"]
        if any(query["queryDefinitionId"] == physical_id for query in queries):
            self._call("DeleteQueryDefinition", {"queryDefinitionId": physical_id})


def _query(properties: Properties) -> dict[str, Any]:
    names = {"Name": "name", "QueryString": "queryString", "LogGroupNames": "logGroupNames"}
    refuse_unknown(properties, names)
    return {names[key]: value for key, value in properties.items()}
