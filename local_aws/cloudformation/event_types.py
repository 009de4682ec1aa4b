"""CloudFormation: rules of EventBridge.

Source: the CloudFormation schema of AWS::Events::Rule.
"""

import json
from collections.abc import Mapping

from local_aws.cloudformation.resources import Properties, Provisioned, ResourceFailedError, Service, refuse_unknown
from local_aws.core import ministack_seams
from local_aws.events.rules import EventRules


class EventRuleType:
    """AWS::Events::Rule. Its id is its name."""

    _OF_RULE = ("Description", "EventBusName", "EventPattern", "RoleArn", "ScheduleExpression", "State", "Tags")

    def __init__(self, event_rules: EventRules) -> None:
        """Keep rules in `event_rules`."""
        self._call = Service("events", event_rules)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        """Put a rule and its targets, unless there is one of that name."""
        generated = ministack_seams.module("ministack.services.cloudformation.provisioners")._physical_name
        name = str(properties.get("Name") or generated(stack_name, logical_id, max_len=64))
        if self._exists(name, properties):
            message = f"Resource of type 'AWS::Events::Rule' with identifier '{name}' already exists."
            raise ResourceFailedError(message)
        try:
            return self._put(name, properties)
        except ResourceFailedError:
            self.delete(name, properties)
            raise

    def update(self, physical_id: str, old: Properties, properties: Properties, _: str) -> Provisioned:
        """Put it with its new properties. A rule whose bus changes is made again there."""
        if old.get("EventBusName") != properties.get("EventBusName"):
            self.delete(physical_id, old)
        provisioned = self._put(physical_id, properties)
        kept = {target["Id"] for target in properties.get("Targets", [])}
        gone = [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]
        if gone and old.get("EventBusName") == properties.get("EventBusName"):
            self._call("RemoveTargets", {"Rule": physical_id, "Ids": gone, **_bus(properties)})
        arn = provisioned[1]["Arn"]
        for tags, operation, member in ((old, "UntagResource", "TagKeys"), (properties, "TagResource", "Tags")):
            given = tags.get("Tags", [])
            if given:
                listed = [tag["Key"] for tag in given] if member == "TagKeys" else given
                self._call(operation, {"ResourceARN": arn, member: listed})
        return provisioned

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete it and all its targets, if it is still there."""
        if self._exists(physical_id, properties):
            which = {"Rule": physical_id, **_bus(properties)}
            targets = self._call("ListTargetsByRule", which)["Targets"]
            if targets:
                self._call("RemoveTargets", {**which, "Ids": [target["Id"] for target in targets]})
            self._call("DeleteRule", {"Name": physical_id, **_bus(properties)})

    def _exists(self, name: str, properties: Properties) -> bool:
        buses = [bus["Name"] for bus in self._call("ListEventBuses", {})["EventBuses"]]
        bus = _bus(properties).get("EventBusName", "default").rpartition("/")[2]
        rules = self._call("ListRules", {"NamePrefix": name, **_bus(properties)})["Rules"] if bus in buses else []
        return any(rule["Name"] == name for rule in rules)

    def _put(self, name: str, properties: Properties) -> Provisioned:
        refuse_unknown(properties, (*self._OF_RULE, "Name", "Targets"))
        params = {key: properties[key] for key in self._OF_RULE if key in properties}
        if isinstance(params.get("EventPattern"), Mapping):
            params["EventPattern"] = json.dumps(params["EventPattern"])
        arn = self._call("PutRule", {"Name": name, **params})["RuleArn"]
        if properties.get("Targets"):
            self._call("PutTargets", {"Rule": name, "Targets": properties["Targets"], **_bus(properties)})
        return name, {"Arn": arn}


def _bus(properties: Properties) -> dict[str, str]:
    return {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
