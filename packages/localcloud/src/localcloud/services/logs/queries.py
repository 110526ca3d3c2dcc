"""Insights' queries: started, watched, stopped; results kept on disk for a while. The language is in ``insights``."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.services.logs.definitions import Group
from localcloud.services.logs.insights.translate import Statement
from localcloud.services.logs.store import Store
from localcloud.services.logs.work import WorkerProcess, WorkFailed

log = logging.getLogger(__name__)

KEPT = 500
"""Queries whose results are kept. AWS keeps them for a week."""
AT_ONCE = 4
"""What the worker runs side by side; the rest is Scheduled."""
ACTIVE = ("Scheduled", "Running")


@dataclass(slots=True)
class Query:
    identity: str
    text: str
    groups: list[str]
    statement: Statement
    results: Path
    created: int
    language: str = "CWLI"
    status: str = "Scheduled"
    failure: str = ""
    number: int = 0
    """The worker's request."""
    took: int = 0
    statistics: dict[str, float] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)
    """The groups' identities, by the number that an event's pointer holds."""


class Queries:
    """All queries of one cloud; from any thread."""

    def __init__(self, folder: Path, store: Store, workshop: WorkerProcess) -> None:
        self._folder = folder / "results"
        self._store = store
        self._workshop = workshop
        self._lock = threading.Lock()
        self._queries: OrderedDict[str, Query] = OrderedDict()
        if self._folder.exists():
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)  # a killed run's: nobody knows their ids any more
        self._folder.mkdir(parents=True, exist_ok=True)

    def start(
        self, text: str, statement: Statement, groups: Sequence[tuple[Group, str]], start: int, end: int
    ) -> Query:
        """Run a query over groups (each with its ``@log``), times in milliseconds, both ends in."""
        identity = str(uuid.uuid4())
        now = time.time_ns() // 1_000_000
        query = Query(identity, text, [group.name for group, _ in groups], statement, self._folder / identity, now)
        query.identities = [group.identity for group, _ in groups]
        with self._lock:
            self._queries[identity] = query
            while len(self._queries) > KEPT:
                _, old = self._queries.popitem(last=False)
                old.results.unlink(missing_ok=True)
        reading = contextlib.ExitStack()
        reading.enter_context(self._store.reading())
        try:
            sources = []
            for group, label in groups:
                view = self._store.open(group.identity).view(start, end)
                sources.append(
                    {
                        "log": label,
                        "segments": [str(each.path) for each in view.segments],
                        "tails": [[str(path), size] for path, size in view.tails],
                        "start": max(start, group.oldest(now)),
                        "end": end,
                        "hidden": dict(group.hidden),
                    }
                )
            query.number, future = self._workshop.submit(
                {
                    "do": "query",
                    "sources": sources,
                    "rows": statement.rows,
                    "matched": statement.matched,
                    "kinds": list(statement.kinds),
                    "results": str(query.results),
                }
            )
        except WorkFailed as error:
            reading.close()
            self._finish(query, {}, str(error))
            return query

        def done(answer: Future[dict[str, Any]]) -> None:
            reading.close()
            problem = answer.exception()
            self._finish(query, {} if problem else answer.result(), str(problem or ""))

        future.add_done_callback(done)
        return query

    def find(self, identity: str) -> Query | None:
        with self._lock:
            self._schedule()
            return self._queries.get(identity)

    def all(self) -> list[Query]:
        """Newest first."""
        with self._lock:
            self._schedule()
            return list(reversed(self._queries.values()))

    def cancel(self, query: Query) -> bool:
        """Stop a query; False where it had ended."""
        with self._lock:
            if query.status not in ACTIVE:
                return False
            query.status = "Cancelled"
        self._workshop.interrupt(query.number)
        return True

    def rows(self, query: Query) -> list[list[Any]]:
        """The rows of a complete query: the columns' values, then the event's place if rows are events."""
        if query.status != "Complete":
            return []
        rows: list[list[Any]] = json.loads(query.results.read_text())
        return rows

    def stop(self) -> None:
        for query in self.all():
            self.cancel(query)

    def _schedule(self) -> None:
        """The oldest active queries are the ones that the worker runs."""
        active = [query for query in self._queries.values() if query.status in ACTIVE]
        for place, query in enumerate(active):
            query.status = "Running" if place < AT_ONCE else "Scheduled"

    def _finish(self, query: Query, answer: dict[str, Any], problem: str) -> None:
        with self._lock:
            query.took = time.time_ns() // 1_000_000 - query.created
            if query.status not in ACTIVE:
                return
            if problem:
                query.status, query.failure = "Failed", problem
            else:
                query.statistics = {
                    "recordsMatched": float(answer["matched"]),
                    "recordsScanned": float(answer["scanned"]),
                    "bytesScanned": float(answer["bytes"]),
                    "estimatedRecordsSkipped": 0.0,
                    "estimatedBytesSkipped": 0.0,
                    "logGroupsScanned": float(len(query.groups)),
                    "resultCount": float(answer["count"]),
                }
                query.status = "Complete"
        if problem:
            log.warning("the Logs Insights query %r failed: %s", query.text, problem)
