"""Metric filters at work: what matching events publish, and the default value of a minute without a match."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from localcloud.services.logs.definitions import MetricFilter
from localcloud.services.logs.pattern_parser import parse_pattern, parse_selector
from localcloud.services.logs.patterns import (
    MISSING,
    FilterPattern,
    JsonPattern,
    as_number,
    as_text,
    parse_json,
    select,
)

log = logging.getLogger(__name__)

MINUTE = 60_000


class Publish(Protocol):
    """``Metrics.put`` of ``localcloud.services.cloudwatch``."""

    def __call__(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        *,
        unit: str = ...,
        at: datetime | None = ...,
    ) -> None: ...


@dataclass(slots=True)
class _Minute:
    """What one filter saw in one minute."""

    matched: bool = False


class MetricEmitter:
    """Applies metric filters to what is stored. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minutes: dict[tuple[str, str, int], tuple[MetricFilter, _Minute]] = {}

    def ingest(self, filters: Sequence[MetricFilter], events: Sequence[tuple[int, str]], publish: Publish) -> None:
        """Publish for each match at the event's own time."""
        for each in filters:
            pattern = parse_pattern(each.pattern)
            for at, message in events:
                extracted = pattern.extract(message)
                self._note(each, at, extracted is not None)
                if extracted is None:
                    continue
                for transformation in each.transformations:
                    value = metric_value(pattern, message, extracted, transformation["metricValue"])
                    if value is not None:
                        publish(
                            transformation["metricNamespace"],
                            transformation["metricName"],
                            _dimensions(pattern, message, extracted, transformation),
                            value,
                            unit=transformation.get("unit", "None"),
                            at=datetime.fromtimestamp(at / 1000, UTC),
                        )

    def close_minutes(self, now: int, publish: Publish) -> None:
        """Publish the default value for each past minute that had events and no match. ``now`` in milliseconds."""
        with self._lock:
            past = {key: seen for key, seen in self._minutes.items() if (key[2] + 1) * MINUTE <= now}
            for key in past:
                del self._minutes[key]
        for (_, _, minute), (each, seen) in past.items():
            for transformation in each.transformations:
                default = transformation.get("defaultValue")
                if default is not None and not seen.matched:
                    publish(
                        transformation["metricNamespace"],
                        transformation["metricName"],
                        {},
                        default,
                        unit=transformation.get("unit", "None"),
                        at=datetime.fromtimestamp(minute * MINUTE / 1000, UTC),
                    )

    def _note(self, each: MetricFilter, at: int, matched: bool) -> None:
        if not any("defaultValue" in transformation for transformation in each.transformations):
            return
        with self._lock:
            _, minute = self._minutes.setdefault((each.group, each.name, at // MINUTE), (each, _Minute()))
            minute.matched = minute.matched or matched


def metric_value(pattern: FilterPattern, message: str, extracted: Mapping[str, str], value: str) -> float | None:
    """What a metric filter publishes for one matching event: a constant, or the property or field that
    ``value`` (``1``, ``$.latency``, ``$bytes``) names. None where that isn't a number: nothing is published then."""
    return as_number(named_value(pattern, message, extracted, value) if value.startswith("$") else value)


def named_value(pattern: FilterPattern, message: str, extracted: Mapping[str, str], name: str) -> object:
    """The property (``$.level``) or field (``$status``) of a matching event; ``MISSING`` where there is none."""
    if isinstance(pattern, JsonPattern):
        return select(parse_json(message), parse_selector(name))
    return extracted.get(name, MISSING)


def _dimensions(
    pattern: FilterPattern, message: str, extracted: Mapping[str, str], transformation: Mapping[str, Any]
) -> dict[str, str]:
    values = {
        name: named_value(pattern, message, extracted, selector)
        for name, selector in transformation.get("dimensions", {}).items()
    }
    return {name: as_text(value) for name, value in values.items() if value is not MISSING and value is not None}
