"""A StackSet, its stack instances and its operations."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Any

from local_aws.cloudformation.stack_sets.targets import Place


@dataclass
class Instance:
    """A stack instance: a wanted stack at a place, and its state."""

    unit_id: str
    operation_id: str
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    reason: str | None = None


@dataclass
class Outcome:
    """What an operation did at a place."""

    unit_id: str
    status: str = "PENDING"
    reason: str | None = None


@dataclass
class Operation:
    """An operation at some places; `action` is CREATE, UPDATE or DELETE.

    The operations `after` have to succeed first. `refused` says why it fails before it has done anything.
    """

    operation_id: str
    action: str
    preferences: dict[str, Any]
    outcomes: dict[Place, Outcome]
    retain_stacks: bool
    created: datetime
    targets: dict[str, Any] = field(default_factory=dict)
    ended: datetime | None = None
    status: str = "QUEUED"
    reason: str | None = None
    done: Event = field(default_factory=Event)
    after: tuple["Operation", ...] = ()
    refused: str | None = None

    @property
    def failures(self) -> dict[Place, str]:
        """The places where it failed, and why."""
        return {place: outcome.reason or "" for place, outcome in self.outcomes.items() if outcome.status == "FAILED"}


@dataclass
class StackSet:
    """A StackSet of the organization. It belongs to the management account, even if a delegated administrator made it."""

    stack_set_id: str
    name: str
    region: str
    template: str
    settings: dict[str, Any]
    """Description, Parameters, Capabilities, Tags, AutoDeployment and ManagedExecution, if given."""
    status: str = "ACTIVE"
    units: dict[str, set[str]] = field(default_factory=dict)
    """The targeted units, or the root, and the Regions of each. Automatic deployment knows no more (API model,
    StackSetAutoDeploymentTargetSummary)."""
    instances: dict[Place, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)

    def arn(self, management_account_id: str) -> str:
        """Return its ARN."""
        return f"arn:aws:cloudformation:{self.region}:{management_account_id}:stackset/{self.stack_set_id}"

    @property
    def auto_deployment(self) -> dict[str, Any]:
        """`Enabled` and `RetainStacksOnAccountRemoval`."""
        return {"Enabled": False, "RetainStacksOnAccountRemoval": False, **self.settings.get("AutoDeployment", {})}

    @property
    def depends_on(self) -> list[str]:
        """The ARNs of the StackSets whose automatic deployments come first."""
        return list(self.auto_deployment.get("DependsOn", []))

    @property
    def present(self) -> dict[Place, str]:
        """The places with a stack instance, and the unit that each belongs to."""
        return {place: instance.unit_id for place, instance in self.instances.items()}
