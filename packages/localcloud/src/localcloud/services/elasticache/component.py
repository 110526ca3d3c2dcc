"""Caches made real: a Valkey for each member, one HAProxy a replication group that gives them TLS and the endpoints.

Level-triggered by status, as databases are: ``creating``, ``modifying`` and ``deleting`` are work that the loop finds
and a thread does without the cloud's lock. A member that died is started again; where automatic failover is on and a
replica lives, the replica takes over first.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends import certificates, valkey
from localcloud.backends.haproxy import Haproxy, HaproxyError, TlsListener, tls_configuration
from localcloud.backends.valkey import Server, ValkeyError
from localcloud.core import network
from localcloud.core.connections import VpcNetwork
from localcloud.core.interfaces import LogSink, MetricSink, TopicPublisher
from localcloud.core.processes import Process, Supervisor
from localcloud.core.registry import component
from localcloud.core.windows import in_window
from localcloud.services.elasticache import measure
from localcloud.services.elasticache.model import Group, Member, ParameterGroup, max_memory
from localcloud.services.elasticache.parameters import server_settings

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 0.3
START_SECONDS = 20.0
EVENTS_KEPT = 1_000


@component(order=70)
class Caches:
    """The component. Its records are guarded by the cloud's lock."""

    name = "elasticache"

    def __init__(self, state: Path) -> None:
        self._state = state
        self.groups: dict[str, Group] = {}
        self.parameter_groups: dict[str, ParameterGroup] = {}
        self.subnet_groups: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        """Of parameter and subnet groups, by ARN."""
        self.events: list[dict[str, Any]] = []
        self._processes: dict[str, Process] = {}
        """By member."""
        self._proxies: dict[str, Haproxy] = {}
        self._jobs: dict[str, threading.Thread] = {}
        self._measure = measure.Measurements()
        self._slow_logs: dict[str, int] = {}
        self._engine_logs: dict[str, int] = {}
        """Bytes of each member's log that were delivered."""
        self.failing_over: set[str] = set()
        """Groups whose primary is to change: done as soon as a replica lives."""
        self._down: set[str] = set()
        """Members that are kept from running (see ``keep_down``)."""
        self.rebooting: set[str] = set()
        """Members that are to end and start again, empty."""
        self.updates: dict[str, list[dict[str, Any]]] = {}
        """Service updates by group, as DescribeUpdateActions shows them. Like those of databases not saved."""
        self.updating: dict[str, str] = {}
        """Groups whose members get a service update now, and its name."""
        self._recovering: set[str] = set()
        self._cloud: Cloud | None = None

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.step()
        for job in list(self._jobs.values()):
            job.join(START_SECONDS)
        cloud.loop("elasticache", EVERY, self.step)
        cloud.loop("elasticache-metrics", measure.EVERY, self._publish)
        cloud.loop("elasticache-logs", 5.0, self._deliver_logs)

    def dump(self) -> object:
        return copy.deepcopy(
            (self.groups, self.parameter_groups, self.subnet_groups, self.tags, self.events, self._down)
        )

    def load(self, state: Any) -> None:
        self.groups, self.parameter_groups, self.subnet_groups, self.tags, self.events, *down = state
        self._down = set(down[0]) if down else set()
        self._recovering = set(self._down)

    def stop(self) -> None:
        for job in list(self._jobs.values()):
            job.join(10.0)
        if self._cloud:
            ending = [
                *self._processes.values(),
                *(each for proxy in self._proxies.values() for each in proxy.processes()),
            ]
            self._cloud.part(Supervisor).end_all(ending, grace=5.0)

    # -- public API -----------------------------------------------------------------------------------------------

    def server(self, member_id: str) -> Server:
        """The real server of a member; ``KeyError`` where there is no such member."""
        for group in self.groups.values():
            for member in group.members:
                if member.id == member_id:
                    return self._server(group, member)
        raise KeyError(member_id)

    def process(self, member_id: str) -> Process | None:
        return self._processes.get(member_id)

    def tell(self, source: str, message: str) -> None:
        """An event, as DescribeEvents shows it."""
        if self._cloud is None:
            return
        kind = "replication-group" if source in self.groups else "cache-cluster"
        self.events.append(
            {"SourceIdentifier": source, "SourceType": kind, "Message": message, "Date": self._cloud.now()}
        )
        del self.events[:-EVENTS_KEPT]
        self._cloud.touch()

    def publish(self, group: Group, event: str, member: str) -> None:
        """What happened to a member, to the group's topic: ``{"ElastiCache:FailoverComplete": "shop-redis-002"}``."""
        topic, cloud = group.settings.get("NotificationTopicArn"), self._require()
        if topic and cloud.has(TopicPublisher):
            message = json.dumps({f"ElastiCache:{event}": member})
            if cloud.part(TopicPublisher).publish(topic, message) is None:
                log.warning("%s: %s was not published, there is no topic %s", group.id, event, topic)

    def keep_down(self, member_id: str, down: bool) -> None:
        """Whether a member stays ended, as on a host that died and isn't replaced. The loop does it."""
        with self._require().lock:
            (self._down.add if down else self._down.discard)(member_id)
        self._require().touch()

    def lives(self, member_id: str) -> bool:
        """Whether the member's server runs."""
        process = self._processes.get(member_id)
        return process is not None and process.poll() is None

    def fail_over(self, group_id: str) -> None:
        """Make another living member the primary. Runs without the cloud's lock."""
        group = self.groups[group_id]
        living = self._replicas_alive(group)
        if not living:
            return
        chosen = living[0]
        valkey.command(self._server(group, chosen), "REPLICAOF", "NO", "ONE")
        with self._require().lock:
            message = f"Failover from primary node {group.primary} to replica node {chosen.id} completed"
            group.primary = chosen.id
            self.tell(chosen.id, message)
            self.tell(group.id, message)
        self.publish(group, "FailoverComplete", chosen.id)
        for member in group.members:
            if member.id != chosen.id and self._lives(member):
                address = self._server(group, chosen).address
                valkey.command(self._server(group, member), "REPLICAOF", address, str(valkey.REPLICATION_PORT))
        self._point(group)

    # -- the loop -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Give each group whose record asks for it a thread that does the work."""
        cloud = self._cloud
        if cloud is None or cloud.stopping.is_set():
            return
        with cloud.lock:
            for identifier, group in list(self.groups.items()):
                if identifier in self._jobs and self._jobs[identifier].is_alive():
                    continue
                if work := self._work(group):
                    name = f"elasticache-{identifier}"
                    job = threading.Thread(target=self._do, args=(group, work), name=name, daemon=True)
                    self._jobs[identifier] = job
                    job.start()

    def _work(self, group: Group) -> Callable[[Group], None] | None:
        if group.status == "deleting":
            return self._delete
        now, window = self._require().now(), group.settings["PreferredMaintenanceWindow"]
        if group.status == "available" and group.pending and in_window(window, now):
            group.status = "modifying"
        if group.status in ("creating", "modifying"):
            return self._bring_up
        if any(self._lives(member) is (member.id in self._down) for member in group.members):
            return self._bring_up
        if any(member.id in self.rebooting for member in group.members):
            return self._bring_up
        if group.id in self.updating:
            return self._update
        if self._leaderless(group) or (group.id in self.failing_over and self._replicas_alive(group)):
            return self._bring_up
        proxy = self._proxies.get(group.id)
        if any(self._lives(member) for member in group.members) and not (proxy and proxy.running()):
            return self._bring_up
        return None

    def _leaderless(self, group: Group) -> bool:
        """Its primary died, and a replica can take over."""
        gone = group.primary in self._processes and not self.lives(group.primary)
        return bool(gone and group.settings.get("AutomaticFailoverEnabled") and self._replicas_alive(group))

    def _replicas_alive(self, group: Group) -> list[Member]:
        return [each for each in group.members if each.id != group.primary and self._lives(each)]

    def _do(self, group: Group, work: Callable[[Group], None]) -> None:
        cloud = self._require()
        try:
            work(group)
        except (ValkeyError, HaproxyError, OSError) as problem:
            if not cloud.stopping.is_set():
                log.error("cache %s: %s", group.id, problem)
                time.sleep(1.0)  # it is tried again: not three times a second
        except Exception:
            log.exception("localcloud failed while working on cache %s", group.id)
            with cloud.lock:
                group.status = "create-failed"
        cloud.touch()

    # -- work -----------------------------------------------------------------------------------------------------

    def _bring_up(self, group: Group) -> None:
        """Bring members, endpoints and parameters to what the record says."""
        cloud = self._require()
        with cloud.lock:
            changes, group.pending = group.pending, {}
            if changes:
                group.settings |= changes
            values = self.group_values(group.parameter_group)
            leaving = [member for member in group.members if member.id in group.deleting_members]
        self._take_down(group)
        self._reboot(group, values)
        if self._leaderless(group):
            self.fail_over(group.id)
        self._drop(group, leaving)
        for member in sorted(group.members, key=lambda each: each.id != group.primary):
            if not self._lives(member) and member.id not in self._down:
                self._start(group, member, values)
        if group.id in self.failing_over and self._replicas_alive(group):
            self.fail_over(group.id)
            self.failing_over.discard(group.id)
        if values != group.parameters or changes:
            self._configure(group, values)
        self._point(group)
        with cloud.lock:
            group.parameters = values
            created = group.status == "creating"
            if group.status != "deleting":
                group.status = "available"
            for member in group.members:
                if created:
                    self.tell(member.id, "Cache cluster created")
                member.status = "available" if self._lives(member) else "modifying"
            if created:
                self.tell(group.id, f"Replication group {group.id} created")

    def _update(self, group: Group) -> None:
        """Each replica is replaced, then one of them takes over from the primary, which is replaced last. A member that
        is alone keeps what it holds, as its replacement in AWS copies it."""
        name, lock = self.updating[group.id], self._require().lock
        self._mark(group, name, "in-progress")
        with lock:
            group.status = "modifying"
            self.tell(group.id, f"Service update {name} started")
            values = self.group_values(group.parameter_group)
        for member in self._replicas_alive(group):
            self._replace(group, member, values)
        old = next(each for each in group.members if each.id == group.primary)
        self.fail_over(group.id)
        self._replace(group, old, values)
        self._point(group)
        self._mark(group, name, "complete")
        with lock:
            del self.updating[group.id]
            if group.status != "deleting":
                group.status = "available"
            self.tell(group.id, f"Service update {name} completed")

    def _replace(self, group: Group, member: Member, values: dict[str, str]) -> None:
        if member.id in self._down:
            return
        if self._lives(member):
            if member.id == group.primary:
                valkey.command(self._server(group, member), "SAVE")
            self._require().part(Supervisor).end(self._processes[member.id], grace=3.0)
        self._start(group, member, values)

    def _mark(self, group: Group, update: str, status: str) -> None:
        with self._require().lock:
            for record in self.updates.get(group.id, ()):
                if record["ServiceUpdateName"] == update:
                    ended = status == "complete"
                    count = f"{len(group.members) if ended else 0}/{len(group.members)}"
                    record |= {"UpdateActionStatus": status, "NodesUpdated": count}
                    record["UpdateActionStatusModifiedDate"] = self._require().now()
                    record["SlaMet"] = "yes" if ended else "n/a"

    def _take_down(self, group: Group) -> None:
        """End the members that are kept down, and say of every member that ended that it is being recovered."""
        ending = [self._processes[each.id] for each in group.members if each.id in self._down and self._lives(each)]
        self._require().part(Supervisor).end_all(ending, grace=3.0)
        with self._require().lock:
            for member in group.members:
                if member.id in self._processes and not self._lives(member) and member.id not in self._recovering:
                    self._recovering.add(member.id)
                    self.tell(member.id, "Recovering cache nodes 0001")

    def _reboot(self, group: Group, values: dict[str, str]) -> None:
        """End and start members that are to be rebooted. What they held is lost, as in AWS."""
        for member in [each for each in group.members if each.id in self.rebooting]:
            if self._lives(member):
                self._require().part(Supervisor).end(self._processes[member.id], grace=3.0)
                (self._server(group, member).folder / valkey.DUMP).unlink(missing_ok=True)
                self._start(group, member, values)
            with self._require().lock:
                self.rebooting.discard(member.id)
                self.tell(member.id, "Cache node 0001 restarted")
            self.publish(group, "CacheNodesRebooted", member.id)

    def _start(self, group: Group, member: Member, values: dict[str, str]) -> None:
        settings = server_settings(values, max_memory(group.settings["CacheNodeType"]))
        if password := group.settings.get("AuthToken"):
            settings |= {"requirepass": password, "masterauth": password}
        primary = next(each for each in group.members if each.id == group.primary)
        follows = self._server(group, primary) if member.id != group.primary else None
        server = self._server(group, member)
        log = server.folder / "server.log"
        self._engine_logs.setdefault(member.id, log.stat().st_size if log.exists() else 0)
        self._processes[member.id] = valkey.start(self._require().part(Supervisor), server, settings, follows)
        with self._require().lock:
            if member.id in self._recovering:
                self._recovering.discard(member.id)
                self.tell(member.id, "Finished recovery for cache nodes 0001")

    def _drop(self, group: Group, leaving: list[Member]) -> None:
        cloud = self._require()
        for member in leaving:
            if member.id == group.primary:
                self.fail_over(group.id)
            self._close_gates(group, [member.id])
            if process := self._processes.pop(member.id, None):
                cloud.part(Supervisor).end(process, grace=3.0)
            shutil.rmtree(self._server(group, member).folder, ignore_errors=True)
            with cloud.lock:
                network.release(cloud, member.interface)
                group.members.remove(member)
                group.deleting_members.remove(member.id)
                self._down.discard(member.id)
                self.tell(member.id, "Cache cluster deleted")

    def _configure(self, group: Group, values: dict[str, str]) -> None:
        """Tell running servers what changed."""
        settings = server_settings(values, max_memory(group.settings["CacheNodeType"]))
        commands = [("CONFIG", "SET", name, value) for name, value in settings.items()]
        for member in group.members:
            if self._lives(member):
                valkey.commands(self._server(group, member), commands)

    def _point(self, group: Group) -> None:
        """One HAProxy for the group: a listener for each member, one for the primary, one for the readers.

        Nobody listens for a member that is down, so that its clients are refused.
        """
        cloud = self._require()
        real = cloud.settings.real_address
        proxy = self._proxies.setdefault(group.id, Haproxy(f"cache-{group.id}", group.folder(self._state) / "tls"))
        addresses = [real(interface.address) for interface in group.interfaces]
        certificate = None
        if group.secure:
            certificate = certificates.server(self._state, f"cache-{group.id}", addresses).combined
        living = [each for each in group.members if each.id not in self._down]
        primary = [each for each in living if each.id == group.primary]
        replicas = [each for each in living if each.id != group.primary] or primary
        endpoints = [("primary", group.primary_interface, primary), ("reader", group.reader_interface, replicas)]
        endpoints += [(each.id, each.interface, [each] if each in living else []) for each in group.members]
        self._close_gates(group, [name for name, _, members in endpoints if not members])
        wanted = [endpoint for endpoint in endpoints if endpoint[2]]
        if not wanted:
            cloud.part(Supervisor).end_all(proxy.processes(), grace=1.0)
            return
        port = group.tls_port if cloud.has(VpcNetwork) else group.port
        text = tls_configuration(
            [
                TlsListener(
                    name,
                    real(interface.address),
                    port,
                    certificate,
                    [Path("..") / self._server(group, each).folder.name / valkey.SOCKET for each in members],
                )
                for name, interface, members in wanted
            ]
        )
        configuration = proxy.folder / "haproxy.cfg"
        if not (proxy.running() and configuration.read_text() == text):
            proxy.apply(cloud.part(Supervisor), text)
        if cloud.has(VpcNetwork):
            for name, interface, _ in wanted:
                cloud.part(VpcNetwork).open(
                    f"cache {group.id} {name}",
                    destination=interface.address,
                    port=group.port,
                    forward=(real(interface.address), port),
                )

    def _delete(self, group: Group) -> None:
        cloud = self._require()
        self._close_gates(group, ["primary", "reader", *(member.id for member in group.members)])
        proxy = self._proxies.pop(group.id, None)
        ending = [self._processes.pop(each.id) for each in group.members if each.id in self._processes]
        cloud.part(Supervisor).end_all([*ending, *(proxy.processes() if proxy else ())], grace=3.0)
        shutil.rmtree(group.folder(self._state), ignore_errors=True)
        certificates.forget(self._state, f"cache-{group.id}")
        with cloud.lock:
            for interface in group.interfaces:
                network.release(cloud, interface)
            self.tell(group.id, f"Replication group {group.id} deleted")
            self.groups.pop(group.id, None)
            self.failing_over.discard(group.id)
            self._down -= {member.id for member in group.members}
        for member in group.members:
            self._measure.forget(member.id)

    # -- metrics and logs -----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        cloud = self._require()
        if not cloud.has(MetricSink):
            return
        for group in list(self.groups.values()):
            for member in list(group.members):
                process = self._processes.get(member.id)
                if process is None or process.poll() is not None:
                    continue
                server, node_type = self._server(group, member), group.settings["CacheNodeType"]
                samples = self._measure.take(server, process, group.primary == member.id, node_type)
                for name, value, unit in samples:
                    for dimensions in (
                        {"CacheClusterId": member.id},
                        {"CacheClusterId": member.id, "CacheNodeId": "0001"},
                    ):
                        cloud.part(MetricSink).put("AWS/ElastiCache", name, dimensions, value, unit=unit)

    def _deliver_logs(self) -> None:
        """The slow log and the engine log, to the log groups that the group names."""
        cloud = self._require()
        if not cloud.has(LogSink):
            return
        for group in list(self.groups.values()):
            for each in group.settings.get("LogDeliveryConfigurations") or ():
                details = (each.get("DestinationDetails") or {}).get("CloudWatchLogsDetails") or {}
                if not details.get("LogGroup"):
                    continue
                for member in list(group.members):
                    form = each.get("LogFormat", "json")
                    read = self._slow_log if each.get("LogType") == "slow-log" else self._engine_log
                    stream = f"{member.id}/0001"
                    cloud.part(LogSink).put(details["LogGroup"], stream, read(group, member, form))

    def _engine_log(self, group: Group, member: Member, form: str) -> list[tuple[int, str]]:
        """Lines of the server's own log that are new since the last look."""
        log, known = self._server(group, member).folder / "server.log", self._engine_logs.get(member.id)
        if known is None:
            return []
        lines, self._engine_logs[member.id] = measure.engine_log(log, known)
        return [measure.engine_log_event(line, group.id, member.id, form) for line in lines]

    def _slow_log(self, group: Group, member: Member, form: str) -> list[tuple[int, str]]:
        """Entries of the slow log that are new since the last look."""
        if not self._lives(member):
            return []
        try:
            entries, self._slow_logs[member.id] = measure.slow_log(
                self._server(group, member), self._slow_logs.get(member.id, -1)
            )
        except (OSError, ValkeyError):
            return []
        return [measure.slow_log_event(entry, group.id, member.id, form) for entry in entries]

    def _close_gates(self, group: Group, names: Iterable[str]) -> None:
        cloud = self._require()
        if cloud.has(VpcNetwork):
            for name in names:
                cloud.part(VpcNetwork).close(f"cache {group.id} {name}")

    # -- inner ----------------------------------------------------------------------------------------------------

    def group_values(self, name: str) -> dict[str, str]:
        group = self.parameter_groups.get(name)
        return dict(group.values) if group else {}

    def _server(self, group: Group, member: Member) -> Server:
        address = self._require().settings.real_address(member.interface.address)
        return Server(member.id, group.folder(self._state) / member.id, address)

    def _lives(self, member: Member) -> bool:
        return self.lives(member.id)

    def _require(self) -> Cloud:
        if self._cloud is None:
            raise ValkeyError("the cloud has not started yet")
        return self._cloud
