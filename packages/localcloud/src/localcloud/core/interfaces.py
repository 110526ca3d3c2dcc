"""What services offer each other. A component says by its base class what it offers; whoever needs it asks the cloud
for the interface (``cloud.part(MetricSink)``) and never imports the service.

Plain classes, not protocols: they are the keys under which ``Cloud.attach`` finds a component.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from localcloud.core.billing import Item
    from localcloud.core.flow import FlowRecord


class AlarmNotice(Protocol):
    """What an alarm tells whoever carries out its actions."""

    @property
    def alarm(self) -> Mapping[str, Any]:
        """As DescribeAlarms has it."""

    @property
    def action(self) -> str:
        """The action's ARN."""

    @property
    def new_state(self) -> str: ...

    @property
    def reason_data(self) -> str:
        """JSON, as in DescribeAlarms' StateReasonData."""


class QueueMeter:
    """Counts what is done with queues (SQS)."""

    def note_use(self, queue: str, *, sent: Sequence[str] = (), **counts: int) -> None:
        """Something was done with a queue, which its URL or ARN names. ``sent``: the messages that came in;
        ``counts``: by the metric's name. Call under the cloud's lock."""
        raise NotImplementedError


class MetricSink:
    """Takes samples of metrics (CloudWatch)."""

    def put(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        *,
        unit: str = "None",
        at: datetime | None = None,
    ) -> None:
        """Keep one sample, at a resolution of one second."""
        raise NotImplementedError

    def put_values(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        values: Sequence[float],
        *,
        unit: str = "None",
        at: datetime | None = None,
    ) -> None:
        """Keep each value as one sample of the same second."""
        raise NotImplementedError

    def taken(
        self, namespace: str, name: str, dimensions: Mapping[str, str], start: int, end: int
    ) -> tuple[float, float]:
        """The sum of all samples from ``start`` to before ``end`` (seconds since the epoch), and how many they are."""
        raise NotImplementedError

    def on_action(self, prefix: str, action: Callable[[AlarmNotice], None]) -> None:
        """Have ``action`` carry out the alarm actions whose ARN begins with ``prefix``.
        What it raises is told in the alarm's history."""
        raise NotImplementedError


class LogSink:
    """Takes log events (CloudWatch Logs)."""

    ingested: int
    """Bytes that were stored since the cloud's start, as they are charged."""

    def put(self, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Store events (milliseconds since the epoch, message); what can't be stored is dropped with a warning."""
        raise NotImplementedError

    def put_flows(self, resources: Collection[str], records: Sequence[FlowRecord]) -> None:
        """Write flows of an interface to every flow log of one of ``resources`` (the interface, its subnet, its VPC).

        The events' time is the end of each record's interval.
        """
        raise NotImplementedError


class TopicPublisher:
    """Publishes to topics (SNS)."""

    def publish(self, topic_arn: str, message: str, *, subject: str | None = None) -> str | None:
        """To a topic and its subscribers: the message's id, or None where the topic doesn't exist."""
        raise NotImplementedError


class EventBus:
    """Takes what happened to resources, for whoever has a rule for it (EventBridge)."""

    def is_heard(self) -> bool:
        """Whether there is any rule: without one nothing needs to be told."""
        raise NotImplementedError

    def tell(
        self,
        source: str,
        detail_type: str,
        resources: Sequence[str],
        detail: Mapping[str, Any],
        *,
        at: datetime | None = None,
    ) -> None:
        """An event for the default bus. From any thread, with whatever lock: it is delivered later, by another one."""
        raise NotImplementedError


class CostCounter:
    """Counts usage that can't be read off what exists (Cost Explorer)."""

    def count(self, item: Item, quantity: float) -> None:
        """Usage that was seen, in the unit of its price. From any thread; charged at the next turn."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TargetState:
    """What DescribeTargetHealth says about one target."""

    address: str
    port: int
    state: str
    """initial, healthy, unhealthy, draining, unused."""
    reason: str = ""
    description: str = ""


class TargetGroups:
    """Sends traffic to targets, and probes them (Elastic Load Balancing)."""

    def register(self, target_group_arn: str, address: str, port: int) -> None:
        """Register a target by its VPC address. One that is draining, or new, begins as ``initial``."""
        raise NotImplementedError

    def deregister(self, target_group_arn: str, address: str, port: int) -> None:
        """Drain a target: no new requests, and gone after the group's deregistration delay."""
        raise NotImplementedError

    def health(self, target_group_arn: str) -> list[TargetState]:
        """Every target of the group, those that drain included."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """How many tasks a service is to have, and how many of those that are wanted run."""

    desired: int
    running: int


class ScalableServices:
    """Runs services whose number of tasks others may set (ECS)."""

    def counts(self, resource: str) -> ServiceCounts | None:
        """Of the service that a resource id (``service/CLUSTER/NAME``) names; None where it isn't active."""
        raise NotImplementedError

    def set_desired_count(self, resource: str, count: int) -> None:
        """Change how many tasks are wanted of an active service."""
        raise NotImplementedError
