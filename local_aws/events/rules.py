"""EventBridge: event buses, rules, targets and events, as clients put and read them.

MiniStack keeps them, since it matches events and delivers them.  This module answers each request and changes what it keeps.
Sources: API model, events.  Live: what real AWS was seen to answer in September 2026 (radkawar/stackd,
testdata/aws/eventbridge: control_plane.json for the operations, target_lookup.json for pages, target_roles.json for
roles, inputs.json for inputs).
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from local_aws.authorization import service_roles
from local_aws.authorization.principals import entity
from local_aws.core import callers, ministack_seams
from local_aws.core.clock import Clock
from local_aws.core.models import Answer, AwsError
from local_aws.core.paging import Pages
from local_aws.events import schedule_expressions

_DEFAULT = "default"
_MOST_TARGETS = 5
"""Targets of a rule. Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"""
_PAGE = 100
_PAGES = Pages("ValidationException", "Parameter NextToken is not valid.")
_INPUTS = ("Input", "InputPath", "InputTransformer")
_EVENT_OF_PATTERN = ("id", "account", "source", "time", "region", "resources", "detail-type")
"""What an event for TestEventPattern must have. Source: API reference, TestEventPattern."""

Request = dict[str, Any]
Record = dict[str, Any]
"""A bus, a rule, a target or an event, as MiniStack keeps it."""


class EventRules:
    """Buses, rules and targets of every account and Region. Each operation raises AwsError."""

    def __init__(self, clock: Clock) -> None:
        """Tell the time of buses and events by `clock`."""
        self._clock = clock
        self._eventbridge = ministack_seams.module("ministack.services.eventbridge")
        self.operations: dict[str, Callable[[str, Request], Request]] = {
            "CreateEventBus": self.create_event_bus,
            "DescribeEventBus": self.describe_event_bus,
            "ListEventBuses": self.list_event_buses,
            "DeleteEventBus": self.delete_event_bus,
            "PutRule": self.put_rule,
            "DescribeRule": self.describe_rule,
            "ListRules": self.list_rules,
            "EnableRule": lambda _, params: self._set_state(params, "ENABLED"),
            "DisableRule": lambda _, params: self._set_state(params, "DISABLED"),
            "DeleteRule": self.delete_rule,
            "PutTargets": self.put_targets,
            "ListTargetsByRule": self.list_targets_by_rule,
            "ListRuleNamesByTarget": self.list_rule_names_by_target,
            "RemoveTargets": self.remove_targets,
            "PutEvents": self.put_events,
            "TestEventPattern": self.try_event_pattern,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    # Event buses

    def create_event_bus(self, account_id: str, params: Request) -> Request:
        """Create an event bus. Those of partners, encrypted ones and logs of buses are not emulated."""
        name = params["Name"]
        for member in ("EventSourceName", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"):
            if member in params:
                raise AwsError("OperationDisabledException", f"The local AWS does not emulate {member} of an event bus.")
        if name in self._buses():
            raise AwsError("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
        arn = f"arn:aws:events:{callers.region()}:{account_id}:event-bus/{name}"
        now = self._clock.now().timestamp()
        described = {"Description": params["Description"]} if "Description" in params else {}
        bus = {"Name": name, "Arn": arn, **described, "CreationTime": now, "LastModifiedTime": now}
        self._eventbridge._event_buses[name] = bus
        self._eventbridge._tags[arn] = _tags(params.get("Tags", []))
        return {"EventBusArn": arn, **described}

    def describe_event_bus(self, _: str, params: Request) -> Request:
        """Describe one event bus."""
        return self._described(self._bus(params.get("Name")))

    def list_event_buses(self, _: str, params: Request) -> Request:
        """List event buses, by name."""
        prefix = params.get("NamePrefix", "")
        buses = [bus for name, bus in sorted(self._buses().items()) if name.startswith(prefix)]
        page, token = _PAGES.page(buses, params, _PAGE)
        return {"EventBuses": [self._described(bus) for bus in page], **token}

    def delete_event_bus(self, _: str, params: Request) -> Request:
        """Delete an event bus without rules. A missing one is no error."""
        name = params["Name"]
        if name == _DEFAULT:
            raise AwsError("ValidationException", f"Cannot delete event bus {name}.")
        if any(self._rules_of(name)):
            raise AwsError("ValidationException", "EventBus can't be deleted since it has rules.")
        bus = self._eventbridge._event_buses.pop(name, None)
        if bus:
            self._eventbridge._tags.pop(bus["Arn"], None)
        return {}

    # Rules

    def put_rule(self, account_id: str, params: Request) -> Request:
        """Create a rule, or replace all of it but its targets and its tags."""
        name, bus = params["Name"], self._bus(params.get("EventBusName"))["Name"]
        self._check_rule(params, bus)
        arn, key = self._eventbridge._rule_arn(name, bus), self._eventbridge._rule_key(name, bus)
        _check_role(account_id, params.get("RoleArn"), arn)
        if key not in self._eventbridge._rules:
            self._eventbridge._tags[arn] = _tags(params.get("Tags", []))
        given = {member: value for member, value in params.items() if member != "Tags" and value}
        named = {"Arn": arn, "EventBusName": bus, "CreatedBy": account_id}
        self._eventbridge._rules[key] = {"State": "ENABLED", **given, **named}
        return {"RuleArn": arn}

    def _check_rule(self, params: Request, bus: str) -> None:
        schedule = params.get("ScheduleExpression")
        if not params.get("EventPattern") and not schedule:
            raise AwsError("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if schedule and bus != _DEFAULT:
            raise AwsError("ValidationException", "ScheduleExpression is supported only on the default event bus.")
        if schedule and not schedule_expressions.is_valid(schedule):
            raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.")
        self._check_pattern(params.get("EventPattern"))
        if params.get("State", "ENABLED") not in {"ENABLED", "DISABLED"}:
            message = f"The local AWS does not emulate the state {params['State']}: it publishes no events of reads."
            raise AwsError("ValidationException", message)

    def describe_rule(self, _: str, params: Request) -> Request:
        """Describe a rule."""
        return dict(self._rule(params, "Name"))

    def list_rules(self, _: str, params: Request) -> Request:
        """List the rules of a bus, by name. A list does not say who created them."""
        bus, prefix = self._bus(params.get("EventBusName"))["Name"], params.get("NamePrefix", "")
        found = [rule for rule in self._rules_of(bus) if rule["Name"].startswith(prefix)]
        page, token = _PAGES.page(sorted(found, key=itemgetter("Name")), params, _PAGE)
        return {"Rules": [{key: rule[key] for key in rule if key != "CreatedBy"} for rule in page], **token}

    def _set_state(self, params: Request, state: str) -> Request:
        self._rule(params, "Name")["State"] = state
        return {}

    def delete_rule(self, _: str, params: Request) -> Request:
        """Delete a rule without targets. A missing rule is no error, but its bus has to exist."""
        key = self._key(params, "Name")
        if self._eventbridge._targets.get(key):
            raise AwsError("ValidationException", "Rule can't be deleted since it has targets.")
        rule = self._eventbridge._rules.pop(key, None)
        if rule:
            self._eventbridge._tags.pop(rule["Arn"], None)
        return {}

    # Targets

    def put_targets(self, _: str, params: Request) -> Request:
        """Add targets to a rule, or replace those with the same ids. All or none."""
        self._rule(params, "Rule")
        for target in params["Targets"]:
            self._check_target(target)
        targets = {target["Id"]: target for target in [*self._targets_of(params), *params["Targets"]]}
        if len(targets) > _MOST_TARGETS:
            raise AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        self._eventbridge._targets[self._key(params, "Rule")] = list(targets.values())
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _check_target(self, target: Record) -> None:
        """Refuse what PutTargets refuses. It looks neither at the target itself nor at the role's trust."""
        refusal: Answer | None = self._eventbridge._validate_target_arn(target)
        if refusal is not None:
            raise _as_error(refusal)
        name, given = target["Id"], target.get("Input")
        if len([member for member in _INPUTS if member in target]) > 1:
            message = f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}."
            raise AwsError("ValidationException", message)
        if given and _parsed(given) is _NO_JSON:
            raise AwsError("ValidationException", f"JSON syntax error in input for target {name}: {given}")
        if ":logs:" in target["Arn"] and "RoleArn" in target:
            raise AwsError("ValidationException", f"RoleArn is not supported for target {target['Arn']}.")
        if ":ssm:" in target["Arn"] and ":document/" in target["Arn"]:
            # EventBridge takes it for Run Command (https://github.com/aws/aws-sdk-js/issues/2360, which has the message).
            of_ours = "The local AWS does not emulate Run Command as a target."
            refused = f"Parameter RunCommandParameters is not valid for target {name}."
            raise AwsError("ValidationException", of_ours if "RunCommandParameters" in target else refused)

    def list_targets_by_rule(self, _: str, params: Request) -> Request:
        """List the targets of a rule."""
        self._rule(params, "Rule")
        page, token = _PAGES.page(self._targets_of(params), params, _PAGE)
        return {"Targets": page, **token}

    def list_rule_names_by_target(self, _: str, params: Request) -> Request:
        """List the rules of a bus that have a target with an ARN."""
        bus, arn = self._bus(params.get("EventBusName"))["Name"], params["TargetArn"]
        if not arn.startswith("arn:"):
            message = f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
            raise AwsError("ValidationException", message)
        names = [rule["Name"] for rule in self._rules_of(bus)]
        found = [
            name
            for name in names
            if any(target["Arn"] == arn for target in self._targets_of({"Rule": name, "EventBusName": bus}))
        ]
        page, token = _PAGES.page(sorted(found), params, _PAGE)
        return {"RuleNames": page, **token}

    def remove_targets(self, _: str, params: Request) -> Request:
        """Remove targets from a rule. Ids that it does not have are no error."""
        self._rule(params, "Rule")
        kept = [target for target in self._targets_of(params) if target["Id"] not in params["Ids"]]
        self._eventbridge._targets[self._key(params, "Rule")] = kept
        return {"FailedEntryCount": 0, "FailedEntries": []}

    # Events

    def put_events(self, account_id: str, params: Request) -> Request:
        """Put events on buses, each separately. An event for a missing bus is lost without an error."""
        buses = [_name_of_bus(entry.get("EventBusName")) for entry in params["Entries"]]
        if "EndpointId" in params or any(bus.startswith("arn:") for bus in buses):
            message = "The local AWS emulates neither global endpoints nor events for buses of other accounts and Regions."
            raise AwsError("ValidationException", message)
        results = [_refusal_of_event(entry) or self._put_event(account_id, entry) for entry in params["Entries"]]
        return {"FailedEntryCount": len([result for result in results if "ErrorCode" in result]), "Entries": results}

    def _put_event(self, account_id: str, entry: Record) -> Record:
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": entry["Source"],
            "DetailType": entry["DetailType"],
            "Detail": entry["Detail"],
            "EventBusName": _name_of_bus(entry.get("EventBusName")),
            "Time": int(entry.get("Time", self._clock.now()).timestamp()),
            "Resources": entry.get("Resources", []),
            "Account": account_id,
            "Region": callers.region(),
        }
        self._eventbridge._dispatch_event(event)
        return {"EventId": event["EventId"]}

    def try_event_pattern(self, _: str, params: Request) -> Request:
        """Tell whether an event matches a pattern."""
        self._check_pattern(params["EventPattern"])
        event = _parsed(params["Event"])
        if not isinstance(event, dict) or not set(_EVENT_OF_PATTERN) <= set(event):
            message = f"Parameter Event is not valid. Reason: It must be a JSON object with {', '.join(_EVENT_OF_PATTERN)}."
            raise AwsError("ValidationException", message)
        matched = self._eventbridge._matches_pattern(params["EventPattern"], self._eventbridge._event_from_test_payload(event))
        return {"Result": bool(matched)}

    def _check_pattern(self, pattern: str | None) -> None:
        problem = self._eventbridge._event_pattern_error(pattern)
        if problem:
            raise AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {problem}")

    # Tags of rules and buses

    def tag_resource(self, _: str, params: Request) -> Request:
        """Add tags."""
        self._tags_of(params).update(_tags(params["Tags"]))
        return {}

    def untag_resource(self, _: str, params: Request) -> Request:
        """Remove tags. Missing keys are no error."""
        tags = self._tags_of(params)
        for key in params["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, _: str, params: Request) -> Request:
        """List tags."""
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags_of(params).items()]}

    def _tags_of(self, params: Request) -> dict[str, str]:
        arn, refusal = self._eventbridge._resolve_taggable_events_arn(params["ResourceARN"])
        if refusal is not None:
            raise _as_error(refusal)
        tags: dict[str, str] = self._eventbridge._tags.setdefault(arn, {})
        return tags

    # What MiniStack keeps in the account and Region of the request

    def _buses(self) -> Mapping[str, Record]:
        self._eventbridge._ensure_default_bus()
        return dict(self._eventbridge._event_buses.items())

    def _bus(self, name_or_arn: str | None) -> Record:
        name, buses = _name_of_bus(name_or_arn), self._buses()
        if name not in buses:
            raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return buses[name]

    @staticmethod
    def _described(bus: Record) -> Request:
        shown = {key: bus[key] for key in ("Name", "Arn", "Description") if bus.get(key)}
        times = {key: datetime.fromtimestamp(bus[key], UTC) for key in ("CreationTime", "LastModifiedTime")}
        return {**shown, **times}

    def _rules_of(self, bus: str) -> Iterator[Record]:
        return (rule for _, rule in self._eventbridge._rules.items() if rule["EventBusName"] == bus)

    def _rule(self, params: Request, member: str) -> Record:
        rule: Record | None = self._eventbridge._rules.get(self._key(params, member))
        if rule is None:
            bus = _name_of_bus(params.get("EventBusName"))
            raise AwsError("ResourceNotFoundException", f"Rule {params[member]} does not exist on EventBus {bus}.")
        return rule

    def _targets_of(self, params: Request) -> list[Record]:
        return list(self._eventbridge._targets.get(self._key(params, "Rule"), []))

    def _key(self, params: Request, member: str) -> str:
        return str(self._eventbridge._rule_key(params[member], self._bus(params.get("EventBusName"))["Name"]))


_NO_JSON = object()


def _parsed(text: str) -> object:
    """Return what a JSON text says, or _NO_JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return _NO_JSON


def _tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _name_of_bus(name_or_arn: str | None) -> str:
    prefix = f"arn:aws:events:{callers.region()}:{callers.account_id()}:event-bus/"
    return (name_or_arn or _DEFAULT).removeprefix(prefix)


def _refusal_of_event(entry: Record) -> Record | None:
    """Return the failed entry for what is no event of the caller's own, or None."""
    for member in ("Source", "DetailType", "Detail"):
        if not entry.get(member):
            message = f"Parameter {member} is not valid. Reason: {member} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    if not isinstance(_parsed(entry["Detail"]), dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    return None


def _check_role(account_id: str, role_arn: str | None, rule_arn: str) -> None:
    """Refuse a rule's role that does not trust EventBridge. That of a target is not looked at."""
    service = "events.amazonaws.com"
    if role_arn is None:
        return
    role = entity("role", account_id, role_arn.rpartition("/")[2]) if f":{account_id}:role/" in role_arn else None
    if role is None or not service_roles.trusts(role, service, account_id, rule_arn):
        raise AwsError("ValidationException", f"Provided role '{role_arn}' cannot be assumed by principal '{service}'.")


def _as_error(refusal: Answer) -> AwsError:
    """Return MiniStack's refusal as an error."""
    said = json.loads(refusal[2])
    return AwsError(said["__type"], said["message"])
