"""AWS Config's events on the default event bus: a change of a resource's compliance."""

from typing import Any

from local_aws.config.rules import Result, Rule
from local_aws.core.clock import Clock, iso_time
from local_aws.core.switches import Switches
from local_aws.events.event_bus import EventBus


class ComplianceEvents:
    """Publishes changes of compliance."""

    def __init__(self, events: EventBus, clock: Clock, switches: Switches) -> None:
        """Publish on `events`."""
        self._events = events
        self._clock = clock
        self._switches = switches

    def publish(self, rule: Rule, resource: tuple[str, str], old: Result | None, new: Result) -> None:
        """Publish a change of a resource's compliance. A resource's first result is a change, too.

        Source of the detail's shape: the compliance change notification in the developer guide of AWS Config, which has the
        same.  No page says that the first result makes an event without an oldEvaluationResult: published events show it, and
        a switch keeps it back.
        No page says what happens when a rule is deleted: here that makes no event.
        """
        is_change = old.compliance_type != new.compliance_type if old else not self._switches.is_on("no-event-of-first-verdict")
        if not is_change:
            return
        account_id, region = rule.scope
        resource_type, resource_id = resource
        detail = {
            "resourceId": resource_id,
            "awsRegion": region,
            "awsAccountId": account_id,
            "configRuleName": rule.name,
            "recordVersion": "1.0",
            "configRuleARN": rule.arn,
            "messageType": "ComplianceChangeNotification",
            "newEvaluationResult": _evaluation(rule, resource, new),
            **({"oldEvaluationResult": _evaluation(rule, resource, old)} if old else {}),
            "notificationCreationTime": iso_time(self._clock.now()),
            "resourceType": resource_type,
        }
        self._events.publish(account_id, region, "aws.config", "Config Rules Compliance Change", detail)


def _evaluation(rule: Rule, resource: tuple[str, str], result: Result) -> dict[str, Any]:
    resource_type, resource_id = resource
    return {
        "evaluationResultIdentifier": {
            "evaluationResultQualifier": {
                "configRuleName": rule.name,
                "resourceType": resource_type,
                "resourceId": resource_id,
                "evaluationMode": "DETECTIVE",
            },
            "orderingTimestamp": iso_time(result.ordering),
        },
        "complianceType": result.compliance_type,
        "resultRecordedTime": iso_time(result.recorded),
        "configRuleInvokedTime": iso_time(result.invoked),
        **({"annotation": result.annotation} if result.annotation else {}),
    }
