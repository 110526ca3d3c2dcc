"""EventBridge's deliveries: what the services tell the default bus goes to the targets of the rules that match.

moto keeps buses, rules and targets. Of targets, queues and topics are served. Delivery is at least once and in the
order in which things were told; what waits is saved with the cloud.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import calls
from localcloud.core.interfaces import EventBus
from localcloud.core.registry import component

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

DELIVER_EVERY = 0.1


@component(order=6)
class Events(EventBus):
    """The component: the events that wait for their delivery."""

    name = "eventbridge"

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._cloud: Cloud | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        cloud.loop("eventbridge", DELIVER_EVERY, self.deliver)

    def dump(self) -> object:
        return list(self._waiting)

    def load(self, state: Any) -> None:
        self._waiting = deque(state)

    def stop(self) -> None:
        """Nothing runs outside of the loop."""

    def is_heard(self) -> bool:
        return self._cloud is not None and bool(_rules(self._cloud))

    def tell(
        self,
        source: str,
        detail_type: str,
        resources: Sequence[str],
        detail: Mapping[str, Any],
        *,
        at: datetime | None = None,
    ) -> None:
        cloud = self._cloud
        if cloud is None or not self.is_heard():
            return
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": cloud.settings.account,
            "time": (at or cloud.now()).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": cloud.settings.region,
            "resources": list(resources),
            "detail": json.loads(json.dumps(detail, default=_plain)),
        }
        self._waiting.append(event)
        cloud.touch()

    def deliver(self) -> None:
        """Hand over what waits."""
        cloud = self._cloud
        while cloud is not None and self._waiting:
            try:
                _deliver(cloud, self._waiting[0])
            except Exception:
                # One event that can't even be matched must not hold up those behind it.
                log.exception("an event (%s) was given up", self._waiting[0].get("detail-type"))
            finally:
                self._waiting.popleft()
                cloud.touch()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raise TypeError(f"{type(value)} has no place in an event")


def _rules(cloud: Cloud) -> dict[str, Any]:
    buses = cloud.moto("events").event_buses
    rules: dict[str, Any] = buses["default"].rules if "default" in buses else {}
    return rules


def _deliver(cloud: Cloud, event: dict[str, Any]) -> None:
    with cloud.lock:
        for rule in list(_rules(cloud).values()):
            # A rule without a pattern is a schedule, whose events moto would match with everything.
            is_scheduled = not rule.event_pattern.get_pattern()
            if rule.state != "ENABLED" or is_scheduled or not rule.event_pattern.matches_event(event):
                continue
            for target in rule.targets:
                _send(cloud, rule, target, event)


def _send(cloud: Cloud, rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
    arn = target["Arn"]
    service, name = arn.split(":")[2], arn.split(":", 5)[5]
    if service == "sns":
        _publish(cloud, arn, json.dumps(event))
    elif service == "sqs":
        group = target.get("SqsParameters", {}).get("MessageGroupId")
        cloud.moto("sqs").send_message(queue_name=name, message_body=json.dumps(event), group_id=group)
    else:
        log.warning("rule %s: an event for %s was not delivered: only queues and topics are served", rule.name, arn)


def _publish(cloud: Cloud, topic: str, message: str) -> None:
    if calls.answers("sns", "Publish"):
        calls.ask(cloud, "sns", "Publish", {"TopicArn": topic, "Message": message}, "events.amazonaws.com")
    else:
        cloud.moto("sns").publish(message, arn=topic)
