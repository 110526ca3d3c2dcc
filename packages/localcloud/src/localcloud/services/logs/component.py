"""``Logs``: the component that owns log groups, their events, metric filters and Insights' queries.

Definitions are in the snapshot; events are in the store (``<state>/logs``), which survives a kill by itself. Its own
lock, never the cloud's, so that tasks' output is never held up by an API call.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import LogSink, MetricSink
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component
from localcloud.services.logs import flow_delivery
from localcloud.services.logs.definitions import Group, ResourcePolicy, SavedQuery, Stream
from localcloud.services.logs.live_sessions import Sessions
from localcloud.services.logs.metric_filters import MetricEmitter, Publish
from localcloud.services.logs.queries import Queries
from localcloud.services.logs.reader import Page, Question, read_page
from localcloud.services.logs.store import GroupStore, Segment, Store, weight
from localcloud.services.logs.work import WorkerProcess, WorkFailed

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.flow import FlowRecord

log = logging.getLogger(__name__)

SEAL_EVERY = 0.5
EXPIRE_EVERY = 60.0
PUBLISH_EVERY = 60.0


@component(order=20)
class Logs(LogSink):
    """CloudWatch Logs of one cloud. ``put`` is the joint for everybody who writes logs."""

    name = "logs"

    def __init__(self, state: Path) -> None:
        self._state = state
        self._supervisor: Supervisor | None = None
        self._cloud: Cloud | None = None
        self._emitter = MetricEmitter()
        self._missing: set[str] = set()
        self._known = False
        """Whether ``load`` told which groups there are; without it no folder may be taken for a deleted group's."""
        self.lock = threading.RLock()
        """Guards everything below. Held for look-ups and changes, never while reading or waiting."""
        self.ingested = 0
        """Bytes taken in since the start, as AWS counts them, for whoever charges for it."""
        self._incoming: dict[str, list[int]] = {}
        """By group, bytes and events since they were last published."""
        self.tails = Sessions()
        self.groups: dict[str, Group] = {}
        self.saved_queries: dict[str, SavedQuery] = {}
        self.policies: dict[str, ResourcePolicy] = {}
        self.store = Store(state / "logs" / "groups")
        self.workshop = WorkerProcess(state / "logs", self._processes)
        self.queries = Queries(state / "logs", self.store, self.workshop)

    # -- component

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        with self.lock:
            if self._known:
                self.store.keep_only({group.identity: group for group in self.groups.values()})
            for group in self.groups.values():
                _recover_streams(group, self.store.open(group.identity))
        cloud.loop("logs-seal", SEAL_EVERY, self.seal)
        cloud.loop("logs-expire", EXPIRE_EVERY, self.expire)
        cloud.loop("logs-metrics", PUBLISH_EVERY, self.publish_incoming)

    def dump(self) -> object:
        """Pickled here: a deep copy of ten thousand streams would hold the cloud's lock ten times as long."""
        with self.lock:
            return pickle.dumps((self.groups, self.saved_queries, self.policies))

    def load(self, state: Any) -> None:
        with self.lock:
            self.groups, self.saved_queries, self.policies = pickle.loads(state)  # noqa: S301 - our own snapshot
            self._known = True

    def stop(self) -> None:
        self.queries.stop()
        self.workshop.close()
        self.store.close()

    # -- the joint

    def put(self, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Store events (milliseconds since the epoch, message) and apply the group's metric filters.

        The stream is made if need be. What can't be stored (no such group, a full disk) is dropped with a warning in
        our own log, as the awslogs driver loses what it cannot deliver. From any thread; the events are safe from a
        kill when this returns.
        """
        try:
            self.store_events(group, stream, events)
        except OSError as error:
            log.warning("%d log events for %s were dropped: %s", len(events), group, error)

    def put_flows(self, resources: Collection[str], records: Sequence[FlowRecord]) -> None:
        if self._cloud is not None:
            flow_delivery.publish(self._cloud, resources, records)

    def store_events(self, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """As ``put``, but raises ``OSError`` where the events can't be written."""
        if not events:
            return
        with self.lock:
            found = self.groups.get(group)
            if found is None:
                if group not in self._missing:
                    log.warning("log events for %s were dropped: there is no such log group", group)
                    self._missing.add(group)
                return
            target = self.stream(found, stream)
            filters = list(found.metric_filters.values())
            store = self.store.open(found.identity)
        sequence = store.append(stream, events)
        times = [at for at, _ in events]
        with self.lock:
            size = sum(weight(message) for _, message in events)
            self.ingested += size
            incoming = self._incoming.setdefault(group, [0, 0])
            incoming[0] += size
            incoming[1] += len(events)
            target.saw(min(times), max(times), sequence // 1000)
        self.tails.offer(group, stream, events, sequence // 1000)
        if filters:
            publish = self._publisher()
            if publish is not None:
                self._emitter.ingest(filters, events, publish)

    # -- definitions

    def make_group(self, name: str, **settings: Any) -> Group:
        """A new, empty group. The caller has made sure that the name is free."""
        with self.lock:
            group = Group(name, uuid.uuid4().hex, now(), **settings)
            self.groups[name] = group
            self._missing.discard(name)
            self.store.open(group.identity)
            return group

    def drop_group(self, name: str) -> None:
        with self.lock:
            group = self.groups.pop(name)
        self.store.remove(group.identity)

    def stream(self, group: Group, name: str) -> Stream:
        """The stream, made if it doesn't exist."""
        with self.lock:
            found = group.streams.get(name)
            if found is None:
                found = group.streams[name] = Stream(name, now())
                if self._cloud is not None:
                    self._cloud.touch()
            return found

    def drop_stream(self, group: Group, name: str) -> None:
        """The stream and its events; a later stream of the same name starts empty."""
        with self.lock:
            del group.streams[name]
            group.hidden[name] = time.time_ns() // 1000 + 1

    def size(self, group: Group) -> int:
        """Bytes stored."""
        return self.store.open(group.identity).size

    # -- reading

    def page(self, group: Group, question: Question) -> Page:
        """Events in order of time. ``WorkFailed`` where the sealed ones cannot be read."""
        return read_page(self.store, self.workshop, group, question)

    # -- loops

    def seal(self) -> None:
        """Turn full tails into segments."""
        with self.lock:
            stores = [self.store.open(group.identity) for group in self.groups.values()]
        fullest = self.store.fullest()
        for store in stores:
            waiting = store.rotate() if store.is_full() or store is fullest else store.pending()
            for tail in waiting:
                path = store.segment_path(tail)
                request = {"do": "seal", "tail": str(tail.path), "bytes": tail.written, "segment": str(path)}
                try:
                    self.workshop.ask(request)
                except WorkFailed as error:
                    log.warning("%s could not be sealed and stays as it is: %s", tail.path, error)
                    break
                store.sealed(tail, Segment.at(path))
                self.store.delete([tail.path])
                if self._cloud is not None:
                    self._cloud.touch()  # streams' last times can't be read back from the tail any more
        publish = self._publisher()
        if publish is not None:
            self._emitter.close_minutes(now(), publish)

    def expire(self) -> None:
        """Delete segments that are past their group's retention."""
        with self.lock:
            ages = [(self.store.open(group.identity), group.oldest(now())) for group in self.groups.values()]
        for store, oldest in ages:
            if oldest > 0:
                self.store.delete(store.expire(oldest))

    def publish_incoming(self) -> None:
        """What each group took in since the last time, as the metrics of AWS/Logs."""
        with self.lock:
            incoming, self._incoming = self._incoming, {}
        publish = self._publisher()
        if publish is None:
            return
        for group, (size, count) in incoming.items():
            publish("AWS/Logs", "IncomingBytes", {"LogGroupName": group}, size, unit="Bytes")
            publish("AWS/Logs", "IncomingLogEvents", {"LogGroupName": group}, count, unit="None")

    # -- inner

    def _processes(self) -> Supervisor:
        if self._supervisor is None:
            if self._cloud is not None and self._cloud.has(Supervisor):
                self._supervisor = self._cloud.part(Supervisor)
            else:
                self._supervisor = Supervisor(self._state)
        return self._supervisor

    def _publisher(self) -> Publish | None:
        """``Metrics.put``, or None in a cloud without metrics."""
        if self._cloud is None:
            return None
        return self._cloud.part(MetricSink).put if self._cloud.has(MetricSink) else None


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _recover_streams(group: Group, store: GroupStore) -> None:
    """The tail may hold more than the last snapshot knows."""
    for name, events in store.streams_in_tail().items():
        fresh = [event for event in events if event.sequence > group.hidden.get(name, 0)]
        if fresh:
            stream = group.streams.setdefault(name, Stream(name, fresh[0].ingested))
            times = [event.at for event in fresh]
            stream.saw(min(times), max(times), fresh[-1].ingested)
