"""CloudWatch: its parts together."""

from typing import TYPE_CHECKING

from local_aws.cloudwatch.alarm_history import AlarmHistory
from local_aws.cloudwatch.alarm_messages import AlarmMessages
from local_aws.cloudwatch.alarm_operations import AlarmOperations
from local_aws.cloudwatch.alarms import Alarms
from local_aws.cloudwatch.metric_operations import MetricOperations
from local_aws.cloudwatch.metrics import Metrics
from local_aws.core.clock import Clock
from local_aws.core.switches import Switches
from local_aws.events.event_bus import EventBus

if TYPE_CHECKING:
    from local_aws.core.operations import Operations


class CloudWatch:
    """The metrics and alarms of all accounts."""

    def __init__(self, events: EventBus, clock: Clock, switches: Switches) -> None:
        """Tell `events` how alarms change; `clock` and `switches` say when they do."""
        self._metrics = Metrics(clock)
        history = AlarmHistory(clock)
        self._alarms = Alarms(self._metrics, AlarmMessages(events), history, clock, switches)
        self.operations: Operations = {
            **MetricOperations(self._metrics, clock).operations,
            **AlarmOperations(self._alarms, history).operations,
        }

    def install(self) -> None:
        """Let the services of MiniStack record their metrics here."""
        self._metrics.install()

    def close(self) -> None:
        """Evaluate no more alarms. The clock has to be stopped already."""
        self._alarms.close()
