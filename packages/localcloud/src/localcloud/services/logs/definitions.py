"""What CloudWatch Logs knows besides events: groups, streams, metric filters, saved queries, policies. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DAY = 24 * 60 * 60 * 1000
"""Milliseconds."""

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What PutRetentionPolicy accepts (API reference)."""


@dataclass(slots=True)
class Stream:
    """One log stream. Times in milliseconds; None while it has no event."""

    name: str
    created: int
    first: int | None = None
    last: int | None = None
    ingested: int | None = None

    def saw(self, first: int, last: int, ingested: int) -> None:
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        self.ingested = ingested if self.ingested is None else max(self.ingested, ingested)


@dataclass(slots=True)
class MetricFilter:
    name: str
    group: str
    pattern: str
    transformations: list[dict[str, Any]]
    created: int


@dataclass(slots=True)
class Group:
    """One log group. ``identity`` names its folder, so that a new group of an old name starts empty."""

    name: str
    identity: str
    created: int
    retention: int | None = None
    """Days; None keeps events for ever."""
    kms_key: str | None = None
    group_class: str = "STANDARD"
    protected: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    """Deleted streams: their events up to this sequence number are gone for every reader."""
    metric_filters: dict[str, MetricFilter] = field(default_factory=dict)

    def oldest(self, now: int) -> int:
        """Events before this time (milliseconds) have passed their retention."""
        return 0 if self.retention is None else now - self.retention * DAY


@dataclass(slots=True)
class SavedQuery:
    """A query definition, as the console's saved queries."""

    identity: str
    name: str
    query: str
    groups: list[str]
    modified: int
    language: str = "CWLI"


@dataclass(slots=True)
class ResourcePolicy:
    name: str
    document: str
    updated: int
