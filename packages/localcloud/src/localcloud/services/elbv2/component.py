"""Load balancers made real: a HAProxy for each, probes for each target, metrics from what happened.

Level-triggered: every quarter of a second the records (moto's, and the targets here) are compared with what runs, and
whatever differs is put right, so a killed HAProxy or a missed change heals by itself.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.backends import certificates
from localcloud.backends.haproxy import Haproxy, HaproxyError
from localcloud.backends.log_pipe import LogPipe
from localcloud.core import network
from localcloud.core.interfaces import MetricSink, TargetGroups, TargetState
from localcloud.core.network import Interface
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component
from localcloud.services.elbv2 import configuration, model, traffic
from localcloud.services.elbv2.access_logs import AccessLogs
from localcloud.services.elbv2.configuration import Server, server_name
from localcloud.services.elbv2.model import Balancer, Group, certified_names
from localcloud.services.elbv2.paths import Paths
from localcloud.services.elbv2.probes import probe
from localcloud.services.elbv2.targets import TIMED_OUT, Target, routed

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 0.25
REREAD = 2.0
"""Seconds after which the records are read again even when nobody said that they changed."""
PUBLISH_REQUESTS = 2.0
PUBLISH_HOSTS = 10.0
"""Seconds between samples of the host counts. AWS publishes them each minute; short alarm periods need them sooner."""
FIRST_PROBE = 1.5
"""Seconds from a target's registration to its first health check. AWS doesn't say when in the first interval it comes;
at once would find every application still starting, and cost a whole interval more."""
PROBERS = 16

Targets = dict[str, dict[tuple[str, int], Target]]


@dataclass(slots=True)
class Running:
    """One load balancer's HAProxy and what it was last told."""

    haproxy: Haproxy
    structure: str = ""
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    """Server's state in HAProxy (ready, maint, drain) by backend and name."""
    places: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    """Where each server is reached, by backend and name."""
    failed_at: float = 0.0


@component(order=50)
class LoadBalancers(TargetGroups):
    """The component. Its own lock guards targets; it is never held while waiting, probing or talking to HAProxy."""

    name = "elbv2"

    def __init__(self, state: Path) -> None:
        self._folder = state / "elbv2"
        self._state = state
        self._lock = threading.RLock()
        self._targets: Targets = {}
        self._interfaces: dict[str, list[Interface]] = {}
        self._running: dict[str, Running] = {}
        self._balancers: list[Balancer] = []
        self._groups: dict[str, Group] = {}
        self._in_use: dict[str, set[str]] = {}
        self._read_at = 0.0
        self._dirty = threading.Event()
        self._requests: list[traffic.Request] = []
        self._log: LogPipe
        self._pool = ThreadPoolExecutor(PROBERS, thread_name_prefix="probe")
        self._hosts_at = 0.0
        self._requests_at = 0.0
        self._access_logs = AccessLogs()
        self._cloud: Cloud | None = None
        self._paths: Paths

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._paths = Paths(cloud)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log = LogPipe()
        threading.Thread(target=self._listen, name="elbv2-log", daemon=True).start()
        cloud.loop("elbv2", EVERY, self.step)

    def dump(self) -> object:
        with self._lock:
            # ECS registers its tasks again when they start again; only what came by RegisterTargets must be kept.
            targets = [
                (arn, each.address, each.port, each.registered_at)
                for arn, group in self._targets.items()
                for each in group.values()
                if each.by_call and each.state != "draining"
            ]
            interfaces = {arn: list(each) for arn, each in self._interfaces.items()}
        return {"targets": targets, "interfaces": interfaces, "access_logs": self._access_logs.dump()}

    def load(self, state: Any) -> None:
        self._access_logs.load(state.get("access_logs", {}))
        with self._lock:
            self._interfaces = {arn: list(each) for arn, each in state["interfaces"].items()}
            for arn, address, port, registered_at in state["targets"]:
                self._targets.setdefault(arn, {})[address, port] = Target(address, port, registered_at, by_call=True)

    def stop(self) -> None:
        supervisor = self._cloud.part(Supervisor) if self._cloud else None
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            running = list(self._running.values())
        if supervisor:
            supervisor.end_all([process for each in running for process in each.haproxy.processes()], grace=2.0)
        if self._cloud:
            self._paths.close()

    # -- public API -----------------------------------------------------------------------------------------------

    def register(self, target_group_arn: str, address: str, port: int, *, by_call: bool = False) -> None:
        """Register a target by its VPC address. One that is draining, or new, begins as ``initial``.

        ``by_call``: a client asked for it, so it is kept over a restart; a task's service registers it anew.
        """
        with self._lock:
            group = self._targets.setdefault(target_group_arn, {})
            target = group.get((address, port))
            if target is None:
                group[address, port] = target = Target(address, port, time.time(), by_call=by_call)
            elif target.state == "draining":
                target.registered_at = time.time()
                target.restart()
        if not self._in_use.get(target_group_arn):
            self._settle(now=True)  # behind no load balancer, or put behind one just now
        self._touch()

    def deregister(self, target_group_arn: str, address: str, port: int) -> None:
        """Drain a target: no new requests, and gone after the group's deregistration delay."""
        if target_group_arn not in self._groups:
            self._settle(now=True)
        with self._lock:
            target = self._targets.get(target_group_arn, {}).get((address, port))
            if target is None or target.state == "draining":
                return
            group = self._groups.get(target_group_arn)
            if target.state == "unused" or group is None:
                del self._targets[target_group_arn][address, port]
            else:
                target.drain(time.time() + group.deregistration_delay)
        self._touch()

    def health(self, target_group_arn: str) -> list[TargetState]:
        """Every target of the group, those that drain included."""
        with self._lock:
            return [target.shown() for target in self._targets.get(target_group_arn, {}).values()]

    def access_logs(self, *, deliver: bool) -> dict[str, Any]:
        """How access logs are; ``deliver`` writes first what waits, and what HAProxy has told by now."""
        if deliver and self._cloud is not None:
            self._requests_at = 0.0
            self._publish()
            self._access_logs.deliver(self._cloud, self._cloud.now())
        return self._access_logs.status()

    def changed(self) -> None:
        """The records changed: compare soon."""
        self._dirty.set()

    # -- records --------------------------------------------------------------------------------------------------

    def interfaces(self, arn: str) -> list[Interface]:
        with self._lock:
            return list(self._interfaces.get(arn, ()))

    def place(self, cloud: Cloud, record: Any) -> None:
        """Give a load balancer an address in each of its subnets. Called under the cloud's lock."""
        wanted = {subnet.id for subnet in record.subnets}
        held = self._interfaces.get(record.arn, [])
        for interface in held:
            if interface.subnet not in wanted:
                network.release(cloud, interface)
        kept = [interface for interface in held if interface.subnet in wanted]
        description = "ELB " + record.arn.partition(":loadbalancer/")[2]
        for subnet in record.subnets:
            if subnet.id not in {interface.subnet for interface in kept}:
                kept.append(network.allocate(cloud, subnet.id, record.security_groups or [], description))
        for interface in kept:
            network.set_groups(cloud, interface, record.security_groups or [])
        with self._lock:
            self._interfaces[record.arn] = kept
        # A name that resolves nowhere would help nobody: the first address where it really listens stands in for it.
        record.dns_name = cloud.settings.real_address(kept[0].address)
        self.changed()

    def remove(self, cloud: Cloud, arn: str) -> None:
        """Its record goes: give back its addresses; the loop ends its HAProxy. Under the cloud's lock."""
        with self._lock:
            for interface in self._interfaces.pop(arn, []):
                network.release(cloud, interface)
        self.changed()

    def write_access_logs(self, cloud: Cloud, arn: str) -> None:
        """A load balancer is about to go: what waits of it is written, so that nothing comes after it."""
        self._access_logs.deliver(cloud, cloud.now(), arn)

    def forget_group(self, arn: str) -> None:
        with self._lock:
            self._targets.pop(arn, None)
        self.changed()

    # -- the loop -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One comparison of what is wanted with what is real."""
        self._settle()
        self._advance()
        self._reconcile()
        self._publish()

    def _settle(self, *, now: bool = False) -> None:
        """Read the records if they changed, and give each target the state that follows from them alone.

        Takes the cloud's lock, so never call it with this component's own: ECS comes with the cloud's held.
        """
        if not (now or self._dirty.is_set() or time.monotonic() - self._read_at > REREAD) or self._cloud is None:
            return
        self._dirty.clear()
        with self._cloud.lock:
            backend = self._cloud.moto("elbv2")
            balancers, in_use = model.read(backend), model.in_use(backend)
            groups = {arn: model.read_group(record) for arn, record in backend.target_groups.items()}
        with self._lock:
            self._balancers, self._in_use, self._groups = balancers, in_use, groups
            self._read_at = time.monotonic()
            for arn in [arn for arn in self._targets if arn not in groups]:
                del self._targets[arn]
            for arn, targets in self._targets.items():
                for target in targets.values():
                    if not in_use.get(arn) and target.state != "draining":
                        target.set_aside()
                    elif in_use.get(arn) and target.state == "unused":
                        target.restart()

    def _advance(self) -> None:
        """End the draining whose time is over, and send out the probes that are due."""
        now = time.time()
        with self._lock:
            for arn, targets in self._targets.items():
                group = self._groups.get(arn)
                for key, target in list(targets.items()):
                    if target.draining_until is not None and target.draining_until <= now:
                        del targets[key]
                        self._touch()
                    elif group and target.state in ("initial", "healthy", "unhealthy"):
                        self._probe_if_due(group, target, now)

    def _probe_if_due(self, group: Group, target: Target, now: float) -> None:
        begin = max(target.next_probe, target.registered_at + FIRST_PROBE)
        if target.probing or begin > now or not group.check.enabled:
            return
        target.probing = True
        target.next_probe = now + group.check.interval
        try:
            self._pool.submit(self._probe, group, target)
        except RuntimeError:
            target.probing = False  # going down

    def _probe(self, group: Group, target: Target) -> None:
        cloud = self._cloud
        if cloud is None or cloud.stopping.is_set():
            return
        settings, check = cloud.settings, group.check
        port = target.port if check.port == "traffic-port" else int(check.port)
        source = self._source(group.arn)
        reached = source is None or self._paths.open(source, target.address, port)
        if reached:
            result = probe(
                check,
                settings.real_address(target.address),
                settings.real_port(port),
                settings.real_address(source) if source else None,
            )
        else:
            cloud.stopping.wait(check.timeout)
            result = TIMED_OUT
        if source:
            self._paths.probed(source, target.address, port, result.source_port, reached=reached)
        with self._lock:
            target.probing = False
            before = target.state
            target.learn(result, check)
            if before != target.state:
                log.info("target %s:%d of %s is %s", target.address, target.port, group.dimension, target.state)
                self._touch()

    def _source(self, group_arn: str) -> str | None:
        for arn in self._in_use.get(group_arn, ()):
            if interfaces := self._interfaces.get(arn):
                return interfaces[0].address
        return None

    # -- HAProxy --------------------------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        cloud = self._cloud
        if cloud is None or cloud.stopping.is_set():
            return
        with self._lock:
            balancers = {each.arn: each for each in self._balancers if each.arn in self._interfaces}
        for arn in [arn for arn in self._running if arn not in balancers]:
            self._end(arn)
        for arn, balancer in balancers.items():
            running = self._running.get(arn)
            if running is None:
                haproxy = Haproxy(balancer.dimension, self._folder / balancer.id)
                running = self._running[arn] = Running(haproxy)
            try:
                self._bring_up(cloud, balancer, running)
            except (HaproxyError, OSError) as problem:
                if time.monotonic() - running.failed_at > 30:
                    log.error("load balancer %s: %s", balancer.dimension, problem)
                running.failed_at = time.monotonic()

    def _end(self, arn: str) -> None:
        running = self._running.pop(arn)
        if self._cloud:
            self._cloud.part(Supervisor).end_all(running.haproxy.processes(), grace=1.0)
        shutil.rmtree(running.haproxy.folder, ignore_errors=True)
        certificates.forget(self._state, f"elb-{arn.rpartition('/')[2]}")

    def _bring_up(self, cloud: Cloud, balancer: Balancer, running: Running) -> None:
        settings = cloud.settings
        addresses = [settings.real_address(each.address) for each in self.interfaces(balancer.arn)]
        ports = {each.port: settings.real_port(each.port) for each in balancer.listeners}
        if not balancer.listeners:
            if running.haproxy.running():
                cloud.part(Supervisor).end_all(running.haproxy.processes(), grace=1.0)
                running.structure = ""
            return
        certificate = self._certificate(cloud, balancer, addresses)
        structure = configuration.render(balancer, addresses, ports, certificate, {}, self._log.write)
        wanted = self._servers(cloud, balancer)
        if structure != running.structure or not running.haproxy.running():
            if running.failed_at and time.monotonic() - running.failed_at < 2 and structure == running.structure:
                return  # it failed just now; not four times a second
            text = configuration.render(balancer, addresses, ports, certificate, wanted, self._log.write)
            running.structure = structure
            running.haproxy.apply(cloud.part(Supervisor), text, inherited=[self._log.write])
            running.failed_at = 0.0
            running.places = {
                (backend, each.name): (each.address, each.port)
                for backend, servers in wanted.items()
                for each in servers
            }
            running.states = {
                (backend, each.name): "ready" if each.routed else "maint"
                for backend, servers in wanted.items()
                for each in servers
            }
        self._tell(balancer, running, wanted)

    def _certificate(self, cloud: Cloud, balancer: Balancer, addresses: list[str]) -> Path:
        """One for all its listeners, of the names that their certificates in ACM are for, and of its addresses."""
        if not any(listener.secure for listener in balancer.listeners):
            return Path()
        with cloud.lock:
            known = getattr(cloud.moto("acm"), "_certificates", {})
            names = certified_names(
                known[arn] for listener in balancer.listeners for arn in listener.certificates if arn in known
            )
        return certificates.server(self._state, f"elb-{balancer.id}", addresses, names).combined

    def _servers(self, cloud: Cloud, balancer: Balancer) -> dict[str, list[Server]]:
        """The registered targets of each backend, those that drain left out."""
        settings, found = cloud.settings, {}
        for group in balancer.groups:
            with self._lock:
                targets = dict(self._targets.get(group.arn, {}))
                chosen = routed(targets.values())
                registered = [each for each in targets if targets[each].state in ("initial", "healthy", "unhealthy")]
            source = self._source(group.arn)
            closed = self._paths.closed(source, registered) if source else ()
            found[group.backend] = [
                Server(
                    server_name(*each),
                    *(
                        self._paths.black_hole()
                        if each in closed
                        else (settings.real_address(each[0]), settings.real_port(each[1]))
                    ),
                    each in chosen,
                )
                for each in registered
            ]
        return found

    def _tell(self, balancer: Balancer, running: Running, wanted: dict[str, list[Server]]) -> None:
        """Add, switch and drain servers at run time."""
        commands = []
        draining = self._draining(balancer)
        states = dict(running.states)
        for backend, servers in wanted.items():
            group = next(each for each in balancer.groups if each.backend == backend)
            for server in servers:
                key, state = (backend, server.name), "ready" if server.routed else "maint"
                if key not in states:
                    tls = " ssl verify none" if group.protocol == "HTTPS" else ""
                    commands.append(
                        f"add server {backend}/{server.name} {server.address}:{server.port} weight 100{tls}"
                    )
                    states[key] = "maint"
                elif running.places.get(key) != (server.address, server.port):
                    commands.append(f"set server {backend}/{server.name} addr {server.address} port {server.port}")
                running.places[key] = (server.address, server.port)
                if states[key] != state:
                    commands.append(f"set server {backend}/{server.name} state {state}")
                    states[key] = state
        kept = {(backend, server.name) for backend, servers in wanted.items() for server in servers}
        for backend, name in [key for key in states if key not in kept]:
            state = "drain" if (backend, name) in draining else "gone"
            if state == "drain" and states[backend, name] != "drain":
                commands.append(f"set server {backend}/{name} state drain")
                states[backend, name] = "drain"
            elif state == "gone":
                # What waits in the black hole gets its 504 in its own time; other sessions end with the delay.
                waits = self._paths.is_black_hole(running.places.get((backend, name)))
                end = "" if waits else f"; shutdown sessions server {backend}/{name}"
                commands.append(f"set server {backend}/{name} state maint{end}")
                commands.append(f"del server {backend}/{name}")
                states[backend, name] = "gone"
        for command in commands:
            self._command(running, command, states)
        running.states = states
        running.places = {key: place for key, place in running.places.items() if key in states}

    @staticmethod
    def _command(running: Running, command: str, states: dict[tuple[str, str], str]) -> None:
        answer = running.haproxy.command(command)
        verb, _, rest = command.partition(" server ")
        backend, _, name = rest.split(" ")[0].partition("/")
        if verb == "del":
            if "deleted" in answer:
                del states[backend, name]
            else:  # connections still end; tried again at the next step
                states[backend, name] = "leaving"
        elif answer and "registered" not in answer and " addr " not in command:
            raise HaproxyError(f"HAProxy answered {command!r} with: {answer}")

    def _draining(self, balancer: Balancer) -> set[tuple[str, str]]:
        with self._lock:
            return {
                (group.backend, server_name(each.address, each.port))
                for group in balancer.groups
                for each in self._targets.get(group.arn, {}).values()
                if each.state == "draining"
            }

    # -- metrics --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take in HAProxy's log until the cloud stops."""
        while self._cloud and not self._cloud.stopping.is_set():
            requests = [request for line in self._log.lines(0.5) if (request := traffic.parse(line))]
            with self._lock:
                self._requests += requests
        self._log.close()

    def _publish(self) -> None:
        if self._cloud is None or not self._cloud.has(MetricSink):
            return
        metrics, now = self._cloud.part(MetricSink), time.monotonic()
        if now - self._requests_at >= PUBLISH_REQUESTS:
            self._requests_at = now
            with self._lock:
                requests, self._requests = self._requests, []
            self._publish_requests(metrics, requests)
            self._paths.served(requests, self._interfaces_of)
            self._access_logs.served(requests, self._balancers, self._interfaces_of, self._cloud.settings.real_address)
            self._access_logs.deliver_if_due(self._cloud, self._cloud.now())
            self._publish_connections(metrics)
        if now - self._hosts_at >= PUBLISH_HOSTS:
            self._hosts_at = now
            self._publish_hosts(metrics)

    def _publish_requests(self, metrics: Any, requests: Iterable[traffic.Request]) -> None:
        groups = self._groups  # as it is now: the loop puts another in its place
        names = {group.backend: group.dimension for group in groups.values()}
        per_target: dict[str, int] = {}
        for each in traffic.series(requests):
            dimensions = {"LoadBalancer": each.balancer}
            if each.group:
                if each.group not in names:
                    continue
                dimensions["TargetGroup"] = names[each.group]
                if each.name == "RequestCount":
                    per_target[names[each.group]] = per_target.get(names[each.group], 0) + len(each.values)
            metrics.put_values(traffic.NAMESPACE, each.name, dimensions, each.values, unit=each.unit)
        arns = {group.dimension: group.arn for group in groups.values()}
        for dimension, count in per_target.items():
            if healthy := sum(1 for each in self.health(arns[dimension]) if each.state == "healthy"):
                name = "RequestCountPerTarget"
                metrics.put(traffic.NAMESPACE, name, {"TargetGroup": dimension}, count / healthy, unit="Count")

    def _interfaces_of(self, dimension: str) -> list[Interface]:
        with self._lock:
            arn = next((each for each in self._interfaces if each.endswith(f":loadbalancer/{dimension}")), "")
            return self._interfaces.get(arn, [])

    def _publish_connections(self, metrics: Any) -> None:
        for running in list(self._running.values()):
            if not running.haproxy.running():
                continue
            try:
                lines = running.haproxy.statistics()
            except OSError:
                continue
            fronts = [line for line in lines if line["svname"] == "FRONTEND"]
            backs = [line for line in lines if line["svname"] == "BACKEND"]
            if active := sum(int(line["scur"] or 0) for line in [*fronts, *backs]):
                dimensions = {"LoadBalancer": running.haproxy.name}
                metrics.put(traffic.NAMESPACE, "ActiveConnectionCount", dimensions, float(active), unit="Count")

    def _publish_hosts(self, metrics: Any) -> None:
        """How many targets are healthy and unhealthy: for every group behind a load balancer with targets in it."""
        with self._lock:
            counts = []
            for arn, balancers in self._in_use.items():
                states = [target.state for target in self._targets.get(arn, {}).values() if target.state != "draining"]
                if states and arn in self._groups:
                    healthy, unhealthy = states.count("healthy"), states.count("unhealthy")
                    counts += [(self._groups[arn].dimension, balancer, healthy, unhealthy) for balancer in balancers]
        for group, balancer, healthy, unhealthy in counts:
            dimensions = {"TargetGroup": group, "LoadBalancer": balancer.partition(":loadbalancer/")[2]}
            metrics.put(traffic.NAMESPACE, "HealthyHostCount", dimensions, float(healthy), unit="Count")
            metrics.put(traffic.NAMESPACE, "UnHealthyHostCount", dimensions, float(unhealthy), unit="Count")

    # -- inner ----------------------------------------------------------------------------------------------------

    def _touch(self) -> None:
        if self._cloud:
            self._cloud.touch()
