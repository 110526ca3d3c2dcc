"""CloudTrail's LookupEvents, as AWS limits it: one attribute a question, fifty events a page, two pages a second.

docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html: two requests a second for each account and
region, management events of the last 90 days, newest first.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.security.trail_event import TrailEvent, event_of

INTERVAL = 0.55
"""Seconds between two questions to one region."""
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to one question."""

    events: tuple[TrailEvent, ...]
    """Newest first."""
    is_whole: bool = True
    """All of the time asked for; False: there are older ones."""


class Lookups:
    """Questions to one region, none before its time."""

    def __init__(self, aws: Gateway) -> None:
        self._aws = aws
        self._next = 0.0
        self._lock = threading.Lock()

    def ask(
        self, attribute: tuple[str, str], begin: datetime, end: datetime, *, pages: int = 1, until: float | None = None
    ) -> Looked:
        """At most so many pages, and none that would be sent after ``until`` (of ``time.monotonic``)."""
        key, value = attribute
        found: list[TrailEvent] = []
        more: dict[str, str] = {}
        for _ in range(pages):
            if not self._may_ask(until):
                return Looked(tuple(found), is_whole=False)
            response = self._aws.client("cloudtrail").lookup_events(
                LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}], StartTime=begin, EndTime=end, **more
            )
            found += [event for one in response["Events"] if (event := _event(one))]
            if not response.get("NextToken"):
                return Looked(tuple(found))
            more = {"NextToken": response["NextToken"]}
        return Looked(tuple(found), is_whole=False)

    def _may_ask(self, until: float | None) -> bool:
        with self._lock:
            at = max(self._next, time.monotonic())
            if until is not None and at > until:
                return False
            self._next = at + INTERVAL
        time.sleep(max(0.0, at - time.monotonic()))
        return True


def _event(one: Mapping[str, Any]) -> TrailEvent | None:
    try:
        record = json.loads(one["CloudTrailEvent"])
    except (KeyError, ValueError):
        return None
    return event_of(record) if isinstance(record, dict) else None
