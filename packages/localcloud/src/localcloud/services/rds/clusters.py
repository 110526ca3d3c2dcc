"""Aurora clusters: members that follow their cluster's one server, its writer, its metrics.

Aurora's members share their storage and have each a server of their own. Here they share the server, too: each
endpoint leads to it, so a reader takes writes, and a failover is a restart after which another member is the writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from localcloud.core import network
from localcloud.core.interfaces import MetricSink
from localcloud.services.rds.model import GIB, SERVERLESS, DbCluster, Instance

if TYPE_CHECKING:
    from localcloud.backends.postgres import Server
    from localcloud.core.cloud import Cloud
    from localcloud.core.network import Interface
    from localcloud.core.processes import Process
    from localcloud.services.rds.measure import Measurements, Sample

NOT_OF_AURORA: Final = ("FreeStorageSpace", "EBSByteBalance%", "TransactionLogsDiskUsage", "DiskQueueDepth")
"""What its members don't report: storage is the cluster's and grows by itself (Aurora guide, CloudWatch metrics)."""
NOTHING: Final = ("DatabaseConnections", "CPUUtilization", "Deadlocks", "ReadIOPS", "WriteIOPS", "ReadThroughput")
"""What is 0 of a reader, to which all that connects comes out at the writer."""
LAG: Final = 12.0
"""Milliseconds that a reader is behind: Aurora's is mostly below 20; here there is none."""
LOCAL_STORAGE: Final = 32 * GIB


class Databases(Protocol):
    """What has the clusters and their servers: the component."""

    instances: dict[str, Instance]

    def serves(self, server: Instance) -> bool: ...

    def is_writer(self, instance: Instance) -> bool: ...

    def open_doors(self, cluster: DbCluster) -> None: ...

    def apply_dynamic(self, instance: Instance, *, anew: bool = False) -> None: ...

    def close_door(self, name: str) -> None: ...

    def tell(self, identifier: str, message: str, *categories: str) -> None: ...


def members(databases: Databases, cluster: DbCluster) -> list[Instance]:
    """Its instances, the writer first, then as a failover would choose among them."""
    found = [each for each in databases.instances.values() if each.cluster == cluster.identifier]
    return sorted(
        found, key=lambda each: (each.identifier != cluster.writer, each.record["PromotionTier"], each.identifier)
    )


def doors(databases: Databases, cluster: DbCluster) -> dict[str, Interface]:
    """The gates beside the writer endpoint's, by name."""
    found = {f"reader of {cluster.identifier}": cluster.reader}
    return found | {
        door(each): each.interface
        for each in members(databases, cluster)
        if each.status not in ("creating", "deleting")
    }


def door(member: Instance) -> str:
    return f"member {member.identifier}"


def follow(databases: Databases, cloud: Cloud, cluster: DbCluster) -> None:
    """Bring the records of its members to what the server is. Under the cloud's lock."""
    server = cluster.server
    serves = databases.serves(server)
    every = members(databases, cluster)
    present = [each for each in every if each.status not in ("creating", "deleting")]
    if cluster.writer not in {each.identifier for each in every if each.status != "deleting"}:
        cluster.writer = next((each.identifier for each in every if each.status != "deleting"), None)
    server.record["MultiAZ"] = len(present) > 1
    for each in every:
        if each.status == "deleting":
            databases.close_door(door(each))
            network.release(cloud, each.interface)
            databases.instances.pop(each.identifier)
            databases.tell(each.identifier, "DB instance deleted", "deletion")
        elif each.status == "creating" and serves:
            each.record["InstanceCreateTime"] = cloud.now()
            _settle(databases, cloud, cluster, each)
            databases.open_doors(cluster)
            databases.apply_dynamic(server, anew=True)  # its certificate is for this address, too
            databases.tell(each.identifier, "DB instance created", "creation")
        elif each.status == "modifying":
            _modify(databases, cloud, cluster, each)
        elif server.status == "stopped" and each.status != "stopped":
            each.status = "stopped"
            cloud.touch()
        elif serves and each.status in ("rebooting", "starting", "stopped"):
            _settle(databases, cloud, cluster, each)
            databases.tell(each.identifier, "DB instance restarted", "availability")


def _settle(databases: Databases, cloud: Cloud, cluster: DbCluster, member: Instance) -> None:
    member.status = "available"
    if databases.is_writer(member):
        _size_server(cluster, member)
    cloud.touch()


def _modify(databases: Databases, cloud: Cloud, cluster: DbCluster, member: Instance) -> None:
    """Another class restarts the member, the writer with the server."""
    if databases.serves(cluster.server):
        pending, member.record["PendingModifiedValues"] = member.record["PendingModifiedValues"], {}
        member.record |= pending
        member.status = "available"
        if "DBInstanceClass" in pending:
            member.status = "rebooting"
            if databases.is_writer(member):
                _size_server(cluster, member)
                cluster.server.status = "rebooting"
        databases.tell(member.identifier, "Finished updating DB instance", "configuration change")
        cloud.touch()


def _size_server(cluster: DbCluster, writer: Instance) -> None:
    record, kind = cluster.server.record, writer.record["DBInstanceClass"]
    record["DBInstanceClass"] = kind
    record["ServerlessV2ScalingConfiguration"] = (
        cluster.record.get("ServerlessV2ScalingConfiguration") if kind == SERVERLESS else None
    )


def candidates(databases: Databases, cluster: DbCluster) -> list[str]:
    """Who could take over from the writer, the first first."""
    return [
        each.identifier
        for each in members(databases, cluster)
        if each.identifier != cluster.writer and each.status in ("available", "rebooting")
    ]


def promote(databases: Databases, cluster: DbCluster) -> None:
    """The end of a failover: the member that was chosen, or the first that could be, is the writer. Under the lock."""
    free = candidates(databases, cluster)
    chosen = cluster.target if cluster.target in free else next(iter(free), None)
    cluster.target = None
    if chosen is None:
        return
    databases.tell(cluster.server.identifier, f"Started cross AZ failover to DB instance: {chosen}", "failover")
    cluster.writer = chosen
    writer = databases.instances[chosen]
    cluster.server.record["AvailabilityZone"] = writer.record["AvailabilityZone"]
    databases.tell(cluster.server.identifier, f"Completed failover to DB instance: {chosen}", "failover")


def publish(
    databases: Databases,
    cloud: Cloud,
    cluster: DbCluster,
    measurements: Measurements,
    server: Server,
    processes: Sequence[Process],
) -> None:
    """Its members' metrics, the cluster's by role and as a whole, and its storage's."""
    taken = measurements.take(server, processes, cluster.server.size, {"AllocatedStorage": 0})
    if not taken:
        return
    sink, name = cloud.part(MetricSink), cluster.identifier
    stored = sum(file.stat().st_size for file in server.data.glob("base/*/*") if file.is_file())
    sink.put("AWS/RDS", "VolumeBytesUsed", {"DBClusterIdentifier": name}, float(stored), unit="Bytes")
    for member in members(databases, cluster):
        if member.status != "available":
            continue
        is_writer = databases.is_writer(member)
        role = "WRITER" if is_writer else "READER"
        samples = [*_of_member(taken, is_writer=is_writer), ("FreeLocalStorage", float(LOCAL_STORAGE), "Bytes")]
        samples += [] if is_writer else [("AuroraReplicaLag", LAG, "Milliseconds")]
        samples += _of_serverless(taken, cluster, member)
        for metric, value, unit in samples:
            for dimensions in (
                {"DBInstanceIdentifier": member.identifier},
                {"DBClusterIdentifier": name},
                {"DBClusterIdentifier": name, "Role": role},
            ):
                sink.put("AWS/RDS", metric, dimensions, value, unit=unit)
    if cluster.server.record["BackupRetentionPeriod"]:
        with cloud.lock:
            cluster.record["LatestRestorableTime"] = cloud.now()


def _of_member(taken: Sequence[Sample], *, is_writer: bool) -> list[Sample]:
    kept = [each for each in taken if each[0] not in NOT_OF_AURORA]
    return kept if is_writer else [(name, 0.0 if name in NOTHING else value, unit) for name, value, unit in kept]


def _of_serverless(taken: Sequence[Sample], cluster: DbCluster, member: Instance) -> list[Sample]:
    """Capacity follows the processor's use between its bounds (Aurora Serverless v2)."""
    capacity: Mapping[str, float] | None = cluster.record.get("ServerlessV2ScalingConfiguration")
    if member.record["DBInstanceClass"] != SERVERLESS or capacity is None:
        return []
    used = next((value for name, value, _ in taken if name == "CPUUtilization"), 0.0) / 100
    units = max(capacity["MinCapacity"], round(capacity["MaxCapacity"] * used * 2) / 2)
    return [
        ("ServerlessDatabaseCapacity", units, "Count"),
        ("ACUUtilization", 100 * units / capacity["MaxCapacity"], "Percent"),
    ]
