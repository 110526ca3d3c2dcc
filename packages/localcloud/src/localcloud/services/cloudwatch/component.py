"""The component that the cloud holds: the metric store, the alarms, and the loops that keep both going.

Colleagues put samples here and register for alarm actions. AWS's operations are in ``api_metrics`` and
``api_alarms``.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import MetricSink, TopicPublisher
from localcloud.core.registry import component
from localcloud.services.cloudwatch import messages
from localcloud.services.cloudwatch.alarms import Alarms, Notice
from localcloud.services.cloudwatch.statistics import Summary
from localcloud.services.cloudwatch.store import HistoryItem, Metric, Store

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

Action = Callable[[Notice], None]
"""Carries out an action; raises where it can't. Called with no lock held."""


@component(order=10)
class Metrics(MetricSink):
    """CloudWatch. ``put`` and ``put_values`` may be called from any thread, at any time, and cost microseconds."""

    name = "cloudwatch"

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.dashboards: dict[str, tuple[str, datetime]] = {}
        """Body and time of the last change, by name."""
        self.withheld: frozenset[str] = frozenset()
        """Namespaces of AWS's services that send nothing now (the fault ``missing-metrics``)."""
        self._store: Store | None = None
        self._cloud: Cloud | None = None
        self._actions: list[tuple[str, Action]] = []
        self._delivering = threading.Lock()
        self._last_trouble: tuple[str, ...] = ()

    # Component

    def open(self, cloud: Cloud) -> None:
        """Open the store without starting a loop."""
        if self._store is None:
            self._cloud = cloud
            self._store = Store(cloud.settings.state / "metrics" / "metrics.sqlite")
            self.alarms.open(cloud, self._store)

    def start(self, cloud: Cloud) -> None:
        self.open(cloud)
        cloud.loop("metrics-writer", 0.5, self.store.flush)
        cloud.loop("metrics-roll-up", 60, lambda: self.store.roll_up(cloud.now().timestamp()))
        cloud.loop("alarms", 1, self.evaluate)
        cloud.loop("alarm-actions", 0.2, self.deliver)
        cloud.loop("alarms-watch", 15, self._watch)

    def dump(self) -> object:
        return {"alarms": self.alarms.dump(), "dashboards": dict(self.dashboards)}

    def load(self, state: Any) -> None:
        self.alarms.load(state["alarms"])
        self.dashboards = dict(state["dashboards"])

    def stop(self) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the metric store is not open yet: Metrics.start was not called")
        return self._store

    # Public API

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
        self.put_values(namespace, name, dimensions, (value,), unit=unit, at=at)

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
        """Keep each value as one sample of the same second, so that percentiles are those of the values."""
        if (
            values and self._store is not None and namespace not in self.withheld
        ):  # before the cloud's start there is nothing to measure
            moment = (at or datetime.now(UTC)).timestamp()
            summary = Summary.of(Counter(map(float, values)))
            self.store.put(Metric.of(namespace, name, dimensions), unit, moment, summary)

    def taken(
        self, namespace: str, name: str, dimensions: Mapping[str, str], start: int, end: int
    ) -> tuple[float, float]:
        series = Metric.of(namespace, name, dimensions)
        found = self.store.read(series, start=start, end=end, period=1, published=False).values()
        return sum(summary.total for summary in found), sum(summary.count for summary in found)

    def on_action(self, prefix: str, action: Action) -> None:
        """Have ``action`` carry out the alarm actions whose ARN begins with ``prefix``.

        It is told once at each change of state, and for autoscaling policies again once a minute while the state
        holds (``Notice.repeated``). What it raises is written to the alarm's history as a failed action.
        """
        self._actions.append((prefix, action))

    def status(self) -> dict[str, Any]:
        """Whether the alarms are being evaluated: what ``status`` shows."""
        now = datetime.now(UTC)
        return {
            "evaluated_at": self.alarms.evaluated_at,
            "overdue": self.alarms.overdue(now),
            "failures": self.alarms.failures(),
            "waiting_actions": len(self.alarms.outbox),
        }

    # Loops

    def evaluate(self) -> None:
        self.alarms.evaluate(datetime.now(UTC))

    def deliver(self) -> None:
        """Carry out the actions that wait. At least once: an action interrupted by a crash is carried out again."""
        with self._delivering:
            while self.alarms.outbox:
                notice = self.alarms.outbox[0]
                try:
                    problem, text = self._carry_out(notice)
                    self._record(notice, problem, text)
                except Exception:
                    # One action that can't even be tried must not hold up those behind it.
                    log.exception("alarm %s: action %s was given up", notice.alarm.get("AlarmName"), notice.action)
                finally:
                    self.alarms.outbox.popleft()

    def _watch(self) -> None:
        """Say in the log that alarms aren't evaluated, once for each change of what is wrong."""
        now = datetime.now(UTC)
        trouble = tuple(self.alarms.overdue(now))
        if trouble and trouble != self._last_trouble:
            log.error(
                "%d alarms are not being evaluated (last round at %s): %s",
                len(trouble),
                self.alarms.evaluated_at,
                ", ".join(trouble[:10]),
            )
        self._last_trouble = trouble

    def _carry_out(self, notice: Notice) -> tuple[str | None, str]:
        """The problem, or None; and the message that was published, if one was."""
        if notice.action.split(":")[2:3] == ["sns"]:
            return self._publish(notice)
        for prefix, action in self._actions:
            if notice.action.startswith(prefix):
                try:
                    action(notice)
                except Exception as error:
                    log.exception("alarm %s: action %s failed", notice.alarm["AlarmName"], notice.action)
                    return f"{type(error).__name__}: {error}", ""
                return None, ""
        return "localcloud carries out no action of this kind", ""

    def _publish(self, notice: Notice) -> tuple[str | None, str]:
        if self._cloud is None:
            raise RuntimeError("the metric store is not open yet: Metrics.start was not called")
        region = notice.action.split(":")[3]
        text = messages.message(notice, self._cloud.settings.account, region)
        subject = messages.subject(notice, region)
        topics = self._cloud.part(TopicPublisher)
        if topics.publish(notice.action, text, subject=subject) is None:
            return f"Topic {notice.action} does not exist", text
        return None, text

    def _record(self, notice: Notice, problem: str | None, text: str) -> None:
        if notice.repeated and problem is None:
            return  # AWS's history names an autoscaling action once, not each minute
        data: dict[str, Any] = {
            "actionState": "Failed" if problem else "Succeeded",
            "notificationResource": notice.action,
            "stateUpdateTimestamp": int(notice.at.timestamp() * 1000),
        }
        if problem:
            data["error"] = problem
            summary = f'Failed to execute action {notice.action}. Received error: "{problem}"'
            log.warning("alarm %s: %s", notice.alarm["AlarmName"], summary)
        else:
            summary = f"Successfully executed action {notice.action}"
        if text:
            data["publishedMessage"] = text
        at = datetime.now(UTC).timestamp()
        item = HistoryItem(notice.alarm["AlarmName"], notice.kind, at, "Action", summary, json.dumps(data))
        self.store.remember([item])
