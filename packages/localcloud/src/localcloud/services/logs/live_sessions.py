"""The sessions of Live Tail: what each wants, and the events that wait for it.

Figures (500 events an update, 5,000 kept for a slow client, 15 sessions) are AWS's own: StartLiveTail in the API
reference, and the quotas of CloudWatch Logs. The operation is in ``api_live_tail``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud.core.registry import AwsError
from localcloud.services.logs.patterns import FilterPattern

MOST_SESSIONS = 15
MOST_EVENTS = 500
MOST_KEPT = 5_000


@dataclass(slots=True, eq=False)
class Session:
    """One client that listens."""

    groups: frozenset[str]
    streams: frozenset[str]
    prefixes: tuple[str, ...]
    pattern: FilterPattern
    _waiting: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    """A client that is too slow loses the oldest."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, group: str, stream: str, events: Sequence[tuple[int, str]], ingested: int) -> None:
        """Take what this session asked for. From any thread."""
        if group not in self.groups or (self.streams and stream not in self.streams):
            return
        if self.prefixes and not stream.startswith(self.prefixes):
            return
        wanted = [
            {
                "logStreamName": stream,
                "logGroupIdentifier": group,
                "message": message,
                "timestamp": at,
                "ingestionTime": ingested,
            }
            for at, message in events
            if self.pattern.extract(message) is not None
        ]
        with self._lock:
            self._waiting.extend(wanted)

    def update(self) -> dict[str, Any]:
        """What came since the last one; of more than 500 events a sample, evenly spread."""
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
        sampled = len(found) > MOST_EVENTS
        if sampled:
            found = [found[number * len(found) // MOST_EVENTS] for number in range(MOST_EVENTS)]
        return {"sessionMetadata": {"sampled": sampled}, "sessionResults": found}


class Sessions:
    """All that listen just now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: tuple[Session, ...] = ()

    def offer(self, group: str, stream: str, events: Sequence[tuple[int, str]], ingested: int) -> None:
        for session in self._open:
            session.offer(group, stream, events, ingested)

    def add(self, session: Session) -> None:
        with self._lock:
            if len(self._open) >= MOST_SESSIONS:
                raise AwsError("LimitExceededException", f"There are {MOST_SESSIONS} Live Tail sessions already.")
            self._open = (*self._open, session)

    def remove(self, session: Session) -> None:
        with self._lock:
            self._open = tuple(each for each in self._open if each is not session)

    def __len__(self) -> int:
        return len(self._open)
