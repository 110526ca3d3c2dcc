"""Database instances made real: a PostgreSQL for each, brought to what its record says.

Level-triggered by the record's status: ``creating``, ``starting``, ``rebooting`` and the like are work to do, found by
the loop and done in a thread of its own without the cloud's lock; a cloud that was killed in the middle finds the same
status in its snapshot and does the work again. A server that died although its instance is ``available`` is started
again, as RDS does.
"""

from __future__ import annotations

import copy
import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from localcloud.backends import certificates, postgres
from localcloud.backends.databases import DatabaseServers
from localcloud.backends.postgres import PostgresError, Server
from localcloud.core import network
from localcloud.core.brake import Brake
from localcloud.core.connections import VpcNetwork
from localcloud.core.interfaces import LogSink, MetricSink
from localcloud.core.network import Interface
from localcloud.core.processes import Process, Supervisor
from localcloud.core.registry import component
from localcloud.core.windows import in_window
from localcloud.services.rds import clusters, measure, notices, parameters, secret, snapshot_records
from localcloud.services.rds.model import GIB, OF_CLUSTER, DbCluster, Instance, settle_zones
from localcloud.services.rds.parameters import ParameterGroup

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 0.3
LOG_LAG = timedelta(seconds=2)
"""How far the latest restorable time is behind. RDS ships its logs every five minutes; here they are when asked for."""
START_SECONDS = 20.0
"""How long ``up`` waits for the databases before it goes on without them."""
EVENTS_KEPT = 2_000
ARCHIVED_SEGMENTS = 200
"""Of the write-ahead log that are kept; beyond, a new automated snapshot lets go of those before it."""
SERVING = ("available", "backing-up")
"""The statuses in which a server takes connections."""
LOW_STORAGE = 10.0
"""Per cent of the allocated storage that are free: below that RDS says so."""


@component(order=60)
class Databases(DatabaseServers):
    """The component. Its records are guarded by the cloud's lock."""

    name = "rds"

    def __init__(self, state: Path) -> None:
        self._state = state
        self.instances: dict[str, Instance] = {}
        self.clusters: dict[str, DbCluster] = {}
        self.parameter_groups: dict[str, ParameterGroup] = {}
        self.subnet_groups: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        """Of everything but instances, by ARN."""
        self.events: list[dict[str, Any]] = []
        self._processes: dict[str, list[Process]] = {}
        self._jobs: dict[str, threading.Thread] = {}
        self.failing_over: set[str] = set()
        """Instances whose reboot was asked to be a failover."""
        self.announced: dict[str, list[dict[str, Any]]] = {}
        """What RDS will do to an instance by itself, by identifier, as DescribePendingMaintenanceActions shows it."""
        self._nearly_full: set[str] = set()
        """Instances of whose storage it was told that it is low."""
        self._measure = measure.Measurements()
        self._brakes: dict[str, Brake] = {}
        self._spent: set[str] = set()
        self.addresses: dict[str, Interface] = {}
        """Of identifiers whose instance was renamed: an endpoint's address stands for its name, and a name stays."""
        self._cloud: Cloud | None = None

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.step()
        for job in list(self._jobs.values()):
            job.join(START_SECONDS)
        cloud.loop("rds", EVERY, self.step)
        cloud.loop("rds-metrics", measure.EVERY, self._publish)
        cloud.loop("rds-logs", 2.0, self._export_logs)

    def dump(self) -> object:
        return copy.deepcopy(
            (
                self.instances, self.parameter_groups, self.subnet_groups, self.snapshots, self.tags, self.events,
                self.addresses, self.clusters,
            )
        )  # fmt: skip

    def load(self, state: Any) -> None:
        (
            self.instances, self.parameter_groups, self.subnet_groups, self.snapshots, self.tags, self.events,
            self.addresses, self.clusters,
        ) = state  # fmt: skip

    def stop(self) -> None:
        for job in list(self._jobs.values()):
            job.join(10.0)
        for brake in self._brakes.values():
            brake.release()
        if self._cloud:
            ending = [process for processes in self._processes.values() for process in processes]
            self._cloud.part(Supervisor).end_all(ending, grace=10.0)

    # -- public API -----------------------------------------------------------------------------------------------

    def server(self, identifier: str) -> Server:
        """The real server of an instance; ``KeyError`` where there is no such instance."""
        instance = self.instances[identifier]
        return self._server(instance)

    def running(self) -> list[Instance]:
        """The instances whose servers take connections; of a cluster the writer alone: its members are one server."""
        return [
            each
            for each in list(self.instances.values())
            if each.status == "available" and self._lives(each) and self.is_writer(each)
        ]

    def servers(self) -> list[Instance]:
        """What has a PostgreSQL of its own that runs: instances, and the clusters' own servers."""
        every = [each for each in list(self.instances.values()) if each.cluster is None]
        every += [each.server for each in list(self.clusters.values())]
        return [each for each in every if each.status in SERVING and self._lives(each)]

    def is_writer(self, instance: Instance) -> bool:
        """Whether it takes writes, as each instance outside of a cluster does."""
        return instance.cluster is None or self.clusters[instance.cluster].writer == instance.identifier

    def held(self, instance: Instance) -> Instance:
        """Whose PostgreSQL an instance is: its own, or its cluster's."""
        return self.clusters[instance.cluster].server if instance.cluster else instance

    def cluster_of(self, server: Instance) -> DbCluster | None:
        """The cluster whose own server this is; None for an instance."""
        return self.clusters.get(server.identifier.removeprefix(OF_CLUSTER)) if _is_of_cluster(server) else None

    def by_resource_id(self, resource_id: str) -> Instance | None:
        """The instance with this ``DbiResourceId``, by which Performance Insights names it."""
        return next((each for each in self.instances.values() if each.record["DbiResourceId"] == resource_id), None)

    @contextmanager
    def connect(self, identifier: str, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A connection to the real server as its administrator; ``psycopg.Error`` where it is stopped."""
        with postgres.connect(self.server(identifier), database) as connection:
            yield connection

    def processes(self, identifier: str) -> list[Process]:
        instance = self.instances.get(identifier)
        name = self.held(instance).identifier if instance else identifier
        return list(self._processes.get(name, ()))

    def spend(self, identifier: str, *, volume: bool) -> None:
        """An instance has used up its CPU credits, or those of its volume."""
        self._measure.spend(identifier, volume=volume)
        self._spent.add(identifier)

    def has_spent(self, identifier: str) -> bool:
        """Whether ``spend`` was called and nothing was filled since."""
        return identifier in self._spent

    def fill(self, identifier: str) -> None:
        """It has all of its credits again."""
        self._measure.fill(identifier)
        self._spent.discard(identifier)
        if brake := self._brakes.get(identifier):
            brake.release()

    def tell(self, identifier: str, message: str, *categories: str) -> None:
        """An event of an instance or, of a cluster's own server, of that cluster, as DescribeEvents and EventBridge
        show it."""
        if self._cloud is None:
            return
        is_cluster, name = identifier.startswith(OF_CLUSTER), identifier.removeprefix(OF_CLUSTER)
        instance = self.clusters.get(name) if is_cluster else self.instances.get(identifier)
        event = {
            "SourceIdentifier": name,
            "SourceType": "db-cluster" if is_cluster else "db-instance",
            "Message": message
            if not is_cluster or "failover" in categories
            else message.replace("instance", "cluster"),
            "EventCategories": list(categories),
            "Date": self._cloud.now(),
            "SourceArn": instance.arn if instance else "",
        }
        self.events.append(event)
        if not is_cluster:
            notices.instance_event(self._cloud, event)
        del self.events[:-EVENTS_KEPT]
        self._cloud.touch()

    def group_values(self, name: str) -> dict[str, str]:
        """What is set in a parameter group; nothing in a default one."""
        group = self.parameter_groups.get(name)
        return dict(group.values) if group else {}

    # -- the loop -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Give each instance whose record asks for it a thread that does the work."""
        cloud = self._cloud
        if cloud is None or cloud.stopping.is_set():
            return
        with cloud.lock:
            for cluster in list(self.clusters.values()):
                clusters.follow(self, cloud, cluster)
            working = {name: each for name, each in self.instances.items() if each.cluster is None}
            working |= {each.server.identifier: each.server for each in self.clusters.values()}
            for identifier, instance in working.items():
                if identifier in self._jobs and self._jobs[identifier].is_alive():
                    continue
                work = self._work(instance)
                if work is not None:
                    job = threading.Thread(
                        target=self._do, args=(instance, work, instance.status), name=f"rds-{identifier}", daemon=True
                    )
                    self._jobs[identifier] = job
                    job.start()

    def _work(self, instance: Instance) -> Callable[[Instance], None] | None:
        by_status = {
            "creating": self._create,
            "starting": self._bring_up,
            "stopping": self._halt,
            "rebooting": self._reboot,
            "modifying": self._modify,
            "upgrading": self._modify,
            "renaming": self._rename,
            "backing-up": self._back_up,
            "deleting": self._delete,
        }
        if work := by_status.get(instance.status):
            return work
        if instance.status != "available" or self._cloud is None:
            return None
        if not self._lives(instance):
            return self._recover
        if self._archived(instance) > ARCHIVED_SEGMENTS and instance.record["BackupRetentionPeriod"]:
            instance.status = "backing-up"
            return None
        window = instance.record.get("PreferredMaintenanceWindow", "")
        if instance.record["PendingModifiedValues"] and in_window(window, self._cloud.now()):
            upgrades = "EngineVersion" in instance.record["PendingModifiedValues"]
            instance.status = "upgrading" if upgrades else "modifying"
        elif secret.is_due(self._cloud, instance):
            secret.rotate(self._cloud, instance)
            instance.status = "modifying"
        return None

    def _do(self, instance: Instance, work: Callable[[Instance], None], began: str) -> None:
        cloud = self._cloud
        if cloud is None:
            return
        try:
            work(instance)
        except (PostgresError, OSError, psycopg.Error) as problem:
            if cloud.stopping.is_set():
                return
            log.error("database %s: %s", instance.identifier, problem)
            with cloud.lock:
                broken = "incompatible-parameters" if "parameter" in str(problem) else "failed"
                _settle(instance, began, broken)
                self.tell(instance.identifier, f"The database could not be started: {problem}", "failure")
        except Exception:
            log.exception("localcloud failed while working on database %s", instance.identifier)
            with cloud.lock:
                _settle(instance, began, "failed")
        cloud.touch()

    # -- work -----------------------------------------------------------------------------------------------------

    def _create(self, instance: Instance) -> None:
        supervisor, server, recovery = self._supervisor(), self._server(instance), None
        if instance.source and instance.until and instance.archive:
            base, archive = self._state / "rds-snapshots" / instance.source, self._archive_of(instance.archive)
            recovery = postgres.prepare_recovery(base, archive, server, instance.until)
        elif instance.source:
            shutil.rmtree(server.folder, ignore_errors=True)
            shutil.copytree(self._state / "rds-snapshots" / instance.source, server.folder, symlinks=True)
        else:
            postgres.initialise(supervisor, server)
        self._launch(instance, recovery)
        shutil.rmtree(server.folder / "recovery", ignore_errors=True)
        database = instance.record.get("DBName")
        password = instance.password or secrets.token_urlsafe(24)
        if not instance.source or instance.password:
            postgres.make_master(server, instance.record["MasterUsername"], password, database)
        with self._lock():
            instance.password = None
            instance.source = instance.until = instance.archive = None
            instance.record["InstanceCreateTime"] = instance.record.get("InstanceCreateTime") or self._now()
            _settle(instance, "creating", "backing-up" if instance.record["BackupRetentionPeriod"] else "available")
            secret.activate(instance)
            self.tell(instance.identifier, "DB instance created", "creation")

    def _bring_up(self, instance: Instance) -> None:
        self._launch(instance)
        with self._lock():
            _settle(instance, "starting", "available")
            self.tell(instance.identifier, "DB instance started", "notification")

    def _recover(self, instance: Instance) -> None:
        """The server isn't running: after ``up`` that is as it should be, else it died."""
        died = bool(self._processes.get(instance.identifier))
        if died and instance.record["MultiAZ"]:
            self._fail_over(instance)
            return
        if died:
            with self._lock():
                message = "Recovery of the DB instance has started. Recovery time will vary with the amount of data."
                self.tell(instance.identifier, message, "recovery")
        self._launch(instance)
        if died:
            with self._lock():
                self.tell(instance.identifier, "Recovery of the DB instance is complete.", "recovery")
                self.tell(instance.identifier, "DB instance restarted", "availability")

    def _fail_over(self, instance: Instance) -> None:
        """The standby takes over: here the same files, behind the same address, in the other zone by name."""
        if cluster := self.cluster_of(instance):
            self._end(instance)
            self._launch(instance)
            with self._lock():
                clusters.promote(self, cluster)
            return
        with self._lock():
            self.tell(instance.identifier, "Multi-AZ instance failover started.", "failover")
        self._end(instance)
        self._launch(instance)
        with self._lock():
            record = instance.record
            zones = record["AvailabilityZone"], record["SecondaryAvailabilityZone"]
            record["SecondaryAvailabilityZone"], record["AvailabilityZone"] = zones
            self.tell(instance.identifier, "DB instance restarted", "availability")
            self.tell(instance.identifier, "Multi-AZ instance failover completed", "failover")

    def _halt(self, instance: Instance) -> None:
        self._end(instance)
        with self._lock():
            _settle(instance, "stopping", "stopped")
            self.tell(instance.identifier, "DB instance stopped", "notification")

    def _reboot(self, instance: Instance) -> None:
        if instance.identifier in self.failing_over:
            self._fail_over(instance)
        else:
            with self._lock():
                self.tell(instance.identifier, "DB instance shutdown", "availability")
            self._end(instance)
            self._launch(instance)
            with self._lock():
                self.tell(instance.identifier, "DB instance restarted", "availability")
        with self._lock():
            self.failing_over.discard(instance.identifier)
            _settle(instance, "rebooting", "available")

    def _modify(self, instance: Instance) -> None:
        """Take up pending values, a new password and what is dynamic; restart for another class or version."""
        with self._lock():
            pending, before = instance.record["PendingModifiedValues"], instance.record["EngineVersion"]
            began = instance.status
            restart = bool({"DBInstanceClass", "EngineVersion"} & set(pending)) or not self._lives(instance)
            grows = "AllocatedStorage" in pending
            instance.record["PendingModifiedValues"] = {}
            exports = pending.pop("PendingCloudwatchLogsExports", None)
            instance.record |= {name: value for name, value in pending.items() if name != "MasterUserPassword"}
            if instance.record["EngineVersion"].split(".")[0] != before.split(".")[0]:
                self._take_family(instance)
            settle_zones(instance.record)
            if exports:
                kept = set(instance.record["EnabledCloudwatchLogsExports"]) - set(exports["LogTypesToDisable"])
                instance.record["EnabledCloudwatchLogsExports"] = sorted(kept | set(exports["LogTypesToEnable"]))
            password = instance.password
        if restart:
            self._end(instance)
            self._launch(instance)
        else:
            self.apply_dynamic(instance)
        if password:
            postgres.set_password(self._server(instance), instance.record["MasterUsername"], password)
            with self._lock():
                self.tell(instance.identifier, "Reset master credentials", "configuration change")
        with self._lock():
            instance.password = None
            if grows:
                message = "Finished applying modification to allocated storage"
                self.tell(instance.identifier, message, "configuration change")
            if (version := instance.record["EngineVersion"]) != before:
                message = f"DB instance has been upgraded from {before} to {version}."
                self.tell(instance.identifier, message, "maintenance")
            _settle(instance, began, "available")
            secret.activate(instance)
            self.tell(instance.identifier, "Finished updating DB instance", "configuration change")

    def _take_family(self, instance: Instance) -> None:
        """A default parameter group goes with the major version; one of the owner's was named in the call."""
        major = instance.record["EngineVersion"].split(".")[0]
        if instance.parameter_group.startswith("default."):
            instance.record["DBParameterGroups"][0]["DBParameterGroupName"] = f"default.postgres{major}"
        instance.record["OptionGroupMemberships"] = [
            {"OptionGroupName": f"default:postgres-{major}", "Status": "in-sync"}
        ]

    def _rename(self, instance: Instance) -> None:
        """A reboot under another name. The endpoint's address goes with the name, as a DNS name would."""
        old, new, cloud = instance.identifier, instance.new_identifier, self._cloud
        self._end(instance)
        if cloud is not None and new is not None:  # else a cloud that was killed has done that part
            self._take_name(cloud, instance, old, new)
        self._launch(instance)
        with self._lock():
            _settle(instance, "renaming", "available")
            self.tell(instance.identifier, f"Renamed instance to {instance.identifier}", "notification")

    def _take_name(self, cloud: Cloud, instance: Instance, old: str, new: str) -> None:
        with cloud.lock:
            held = instance.interface
            if new in self.addresses:
                instance.interface = self.addresses.pop(new)
            else:
                groups = [each["VpcSecurityGroupId"] for each in instance.record["VpcSecurityGroups"]]
                instance.interface = network.allocate(cloud, held.subnet, groups, "RDSNetworkInterface")
            self.addresses[old] = held
            record = instance.record
            record |= {"DBInstanceIdentifier": new, "DBInstanceArn": f"{instance.arn.rpartition(':')[0]}:{new}"}
            record["Endpoint"]["Address"] = cloud.settings.real_address(instance.interface.address)
            record["AvailabilityZone"] = instance.interface.zone
            self.instances.pop(old, None)
            self.instances[new] = instance
            self._jobs[new] = threading.current_thread()
            instance.new_identifier = None

    def _back_up(self, instance: Instance) -> None:
        """An automated snapshot: the first, which AWS takes right after the creation, or one when the archive is long.
        The write-ahead log before the oldest one that is kept is of no more use."""
        self.apply_dynamic(instance, anew=True)  # backups may have been switched on just now
        with self._lock():
            self.tell(instance.identifier, "Backing up DB instance", "backup")
            stamp = f"{self._now():%Y-%m-%d-%H-%M}"
            name = f"rds:{instance.identifier}-{stamp}"
            record = snapshot_records.new(instance, name, "automated", self._now())
            self.snapshots[name] = record
        needed = {each.name for each in self._server(instance).archive.glob("0*")}
        self.take_snapshot(instance, record)
        if len(needed) > ARCHIVED_SEGMENTS:
            with self._lock():
                for other in self.automated(instance.record["DbiResourceId"])[:-1]:
                    self.remove_snapshot(other["DBSnapshotIdentifier"])
            for segment in needed:
                (self._server(instance).archive / segment).unlink(missing_ok=True)
        with self._lock():
            _settle(instance, "backing-up", "available")
            self.tell(instance.identifier, "Finished DB Instance backup", "backup")

    def automated(self, resource_id: str) -> list[dict[str, Any]]:
        """The automated snapshots of an instance that are there whole, the oldest first. Under the cloud's lock."""
        found = [
            each
            for each in self.snapshots.values()
            if each["SnapshotType"] == "automated"
            and each["DbiResourceId"] == resource_id
            and each["Status"] == "available"
        ]
        return sorted(found, key=lambda each: each["SnapshotCreateTime"])

    def ship(self, identifier: str) -> None:
        """Have the write-ahead log of now in the archive, where the server runs."""
        instance = self.instances[identifier]
        if self._lives(instance):
            postgres.ship(self._server(instance))

    def _archive_of(self, resource_id: str) -> Path:
        return self._state / "rds" / resource_id / "archive"

    def _archived(self, instance: Instance) -> int:
        """How many segments of its write-ahead log are kept."""
        return sum(1 for _ in self._archive_of(instance.record["DbiResourceId"]).glob("0*"))

    def take_snapshot(self, instance: Instance, record: dict[str, Any]) -> None:
        """Copy the instance's files into the snapshot that this record stands for."""
        target = self.folder_of(record)
        server = self._server(instance)
        if self._lives(instance):
            postgres.copy_to(self._supervisor(), server, target)
        else:
            shutil.rmtree(target, ignore_errors=True)
            # Spilled sorts are no data, and may be far larger than what is really on the disk.
            left_out = shutil.ignore_patterns("pgsql_tmp*", "archive")
            shutil.copytree(server.folder, target, symlinks=True, ignore=left_out)
        with self._lock():
            record |= {"Status": "available", "PercentProgress": 100, "SnapshotCreateTime": self._now()}
            self._touch()

    def _delete(self, instance: Instance) -> None:
        if instance.final_snapshot:
            with self._lock():
                record = snapshot_records.new(instance, instance.final_snapshot, "manual", self._now())
                self.snapshots[instance.final_snapshot] = record
            self.take_snapshot(instance, record)
        self._end(instance)
        if cluster := self.cluster_of(instance):
            with self._lock():
                self.clusters.pop(cluster.identifier)
                if self._cloud:
                    network.release(self._cloud, cluster.reader)
        shutil.rmtree(instance.folder(self._state), ignore_errors=True)
        certificates.forget(self._state, f"rds-{instance.record['DbiResourceId']}")
        with self._lock():
            cloud = self._cloud
            if cloud:
                network.release(cloud, instance.interface)
                for name in list(self.addresses):
                    if name == instance.identifier or len(self.instances) == 1:
                        network.release(cloud, self.addresses.pop(name))
                secret.delete(cloud, instance)
            for name, each in list(self.snapshots.items()):
                if each["SnapshotType"] == "automated" and each["DbiResourceId"] == instance.record["DbiResourceId"]:
                    self.remove_snapshot(name)
            self.tell(instance.identifier, "DB instance deleted", "deletion")
            self.instances.pop(instance.identifier, None)
            self._processes.pop(instance.identifier, None)

    def remove_snapshot(self, name: str) -> None:
        record = self.snapshots.pop(name)
        self.tags.pop(record["DBSnapshotArn"], None)
        shutil.rmtree(self.folder_of(record), ignore_errors=True)

    def folder_of(self, record: dict[str, Any]) -> Path:
        """Where the files of a snapshot are."""
        return self._state / "rds-snapshots" / snapshot_records.folder_name(record)

    # -- the real server ------------------------------------------------------------------------------------------

    def _launch(self, instance: Instance, recovery: dict[str, str] | None = None) -> None:
        self._end(instance)  # of a server that died, its proxy may still be there
        server = self._server(instance)
        certificate = self._certificate(instance, server)
        with self._lock():
            values = self.group_values(instance.parameter_group)
        settings = parameters.server_settings(values, instance.size)
        forced, keeps = parameters.forces_tls(values), bool(instance.record["BackupRetentionPeriod"])
        postgres.configure(server, settings, certificate, force_tls=forced, archives=keeps, recovery=recovery)
        instance.log_offset = min(instance.log_offset, server.log.stat().st_size if server.log.exists() else 0)
        self._processes[instance.identifier] = postgres.start(self._supervisor(), server)
        if self._cloud and server.gated:
            self._cloud.part(VpcNetwork).open(
                _gate(instance),
                destination=instance.interface.address,
                port=server.port,
                forward=(server.address, server.tls_port),
            )
        if cluster := self.cluster_of(instance):
            self.open_doors(cluster)
        with self._lock():
            instance.applied = values
            instance.record["DBParameterGroups"][0]["ParameterApplyStatus"] = "in-sync"

    def _certificate(self, instance: Instance, server: Server) -> certificates.Certificate:
        """For all addresses under which clients reach the server: of a cluster's also the reader's and the members'."""
        addresses = [server.address]
        if (cluster := self.cluster_of(instance)) and self._cloud:
            doors = clusters.doors(self, cluster).values()
            addresses += [self._cloud.settings.real_address(each.address) for each in doors]
        return certificates.server(self._state, f"rds-{instance.record['DbiResourceId']}", addresses)

    def open_doors(self, cluster: DbCluster) -> None:
        """Have the reader endpoint and each member lead to the cluster's server."""
        server = self._server(cluster.server)
        if self._cloud is None or not server.gated:
            return
        for name, interface in clusters.doors(self, cluster).items():
            self._cloud.part(VpcNetwork).open(
                name,
                destination=interface.address,
                port=server.port,
                forward=(server.address, server.tls_port),
                wait=False,
            )

    def close_door(self, name: str) -> None:
        if self._cloud and self._cloud.has(VpcNetwork):
            self._cloud.part(VpcNetwork).close(name)

    def apply_dynamic(self, instance: Instance, *, anew: bool = False) -> None:
        """Tell the running server what is dynamic in its group; what needs a reboot waits for one."""
        server = self._server(instance)
        with self._lock():
            values = self.group_values(instance.parameter_group)
            changed = {name for name in {*values, *instance.applied} if values.get(name) != instance.applied.get(name)}
            group = self.parameter_groups.get(instance.parameter_group)
            waits = {
                name
                for name in changed
                if parameters.is_static(name) or (group and group.methods.get(name) == "pending-reboot")
            }
            for name in changed - waits:
                instance.applied.pop(name, None)
                if name in values:
                    instance.applied[name] = values[name]
            status = "pending-reboot" if waits else "in-sync"
            instance.record["DBParameterGroups"][0]["ParameterApplyStatus"] = status
        if (anew or changed - waits) and self._lives(instance):
            certificate = self._certificate(instance, server)
            settings = parameters.server_settings(instance.applied, instance.size)
            forced, keeps = parameters.forces_tls(instance.applied), bool(instance.record["BackupRetentionPeriod"])
            postgres.configure(server, settings, certificate, force_tls=forced, archives=keeps)
            postgres.reload(self._processes.get(instance.identifier, ()))

    def _end(self, instance: Instance) -> None:
        if self._cloud and self._cloud.has(VpcNetwork):
            self._cloud.part(VpcNetwork).close(_gate(instance))
            if cluster := self.cluster_of(instance):
                for name in clusters.doors(self, cluster):
                    self.close_door(name)
        if brake := self._brakes.pop(instance.identifier, None):
            brake.release()
        self._supervisor().end_all(self._processes.pop(instance.identifier, ()), grace=20.0)
        self._measure.forget(instance.identifier)

    def _lives(self, instance: Instance) -> bool:
        processes = self._processes.get(self.held(instance).identifier, ())
        return bool(processes) and all(process.poll() is None for process in processes)

    def serves(self, server: Instance) -> bool:
        """Whether its PostgreSQL takes connections."""
        return server.status in SERVING and self._lives(server)

    def _server(self, instance: Instance) -> Server:
        if self._cloud is None:
            raise PostgresError("the cloud has not started yet")
        instance = self.held(instance)
        address = self._cloud.settings.real_address(instance.interface.address)
        port, gated = instance.record["DbInstancePort"], self._cloud.has(VpcNetwork)
        return Server(instance.identifier, instance.folder(self._state), address, port, gated)

    # -- metrics and logs -----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        cloud = self._cloud
        if cloud is None or not cloud.has(MetricSink):
            return
        for cluster in list(self.clusters.values()):
            if self.serves(cluster.server):
                server, processes = self._server(cluster.server), self.processes(cluster.server.identifier)
                clusters.publish(self, cloud, cluster, self._measure, server, processes)
        for instance in self.running():
            if instance.cluster:
                continue
            processes = self.processes(instance.identifier)
            before = self._measure.last(instance.identifier)
            taken = self._measure.take(self._server(instance), processes, instance.size, instance.record)
            if taken:
                self._hold(instance, before)
            dimensions = {"DBInstanceIdentifier": instance.identifier}
            for name, value, unit in taken:
                cloud.part(MetricSink).put("AWS/RDS", name, dimensions, value, unit=unit)
                if name == "FreeStorageSpace":
                    self._watch_storage(instance, value)
            if instance.record["BackupRetentionPeriod"]:
                with cloud.lock:
                    instance.record["LatestRestorableTime"] = cloud.now() - LOG_LAG

    def _hold(self, instance: Instance, before: measure.Reading | None) -> None:
        """Slow an instance without credits to its baseline, and let one go that has some again."""
        name = instance.identifier
        brake = self._brakes.setdefault(name, Brake(lambda: self.processes(name)))
        brake.hold(self._measure.slowed(name, before, instance.record, brake.share))

    def _watch_storage(self, instance: Instance, free: float) -> None:
        """Once it is nearly full, an event; the next one only after there was room again."""
        percent = 100 * free / (instance.record["AllocatedStorage"] * GIB)
        if percent >= LOW_STORAGE:
            self._nearly_full.discard(instance.identifier)
        elif instance.identifier not in self._nearly_full:
            self._nearly_full.add(instance.identifier)
            with self._lock():
                message = (
                    f"The free storage capacity for DB instance: {instance.identifier} is low at {percent:.0f}% of the "
                    f"provisioned storage [Provisioned Storage: {instance.record['AllocatedStorage']} GB, "
                    f"Free Storage: {free / GIB:.2f} GB]."
                )
                self.tell(instance.identifier, message, "low storage")

    def _export_logs(self) -> None:
        cloud = self._cloud
        if cloud is None or not cloud.has(LogSink):
            return
        for cluster in list(self.clusters.values()):
            if "postgresql" in cluster.record["EnabledCloudwatchLogsExports"] and cluster.writer:
                path, server = self._server(cluster.server).log, cluster.server
                events, server.log_offset = measure.log_events(path, server.log_offset)
                group = f"/aws/rds/cluster/{cluster.identifier}/postgresql"
                cloud.part(LogSink).put(group, f"{cluster.writer}.0", events)
        for instance in list(self.instances.values()):
            if instance.cluster:
                continue
            if "postgresql" in instance.record.get("EnabledCloudwatchLogsExports", ()):
                events, instance.log_offset = measure.log_events(self._server(instance).log, instance.log_offset)
                group = f"/aws/rds/instance/{instance.identifier}/postgresql"
                cloud.part(LogSink).put(group, f"{instance.identifier}.0", events)

    # -- inner ----------------------------------------------------------------------------------------------------

    def _supervisor(self) -> Supervisor:
        if self._cloud is None:
            raise PostgresError("the cloud has not started yet")
        return self._cloud.part(Supervisor)

    def _lock(self) -> Any:
        if self._cloud is None:
            raise PostgresError("the cloud has not started yet")
        return self._cloud.lock

    def _now(self) -> Any:
        if self._cloud is None:
            raise PostgresError("the cloud has not started yet")
        return self._cloud.now()

    def _touch(self) -> None:
        if self._cloud:
            self._cloud.touch()


def _settle(instance: Instance, began: str, status: str) -> None:
    """The end of work that began in one status. Where the record asks for other work by now, that comes next."""
    if instance.status == began:
        instance.status = status


def _is_of_cluster(server: Instance) -> bool:
    return server.identifier.startswith(OF_CLUSTER)


def _gate(instance: Instance) -> str:
    """The name of the gate before its server."""
    return f"database {instance.identifier}"
