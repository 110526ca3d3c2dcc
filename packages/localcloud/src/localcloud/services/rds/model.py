"""The records of database instances, snapshots and events: plain values in the shapes of the RDS API."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.backends.databases import Size
from localcloud.core.network import Interface
from localcloud.core.registry import AwsError

GIB = 1 << 30
ENGINE_VERSIONS = {"18": "18.1", "17": "17.6", "16": "16.10", "15": "15.14", "14": "14.19", "13": "13.22"}
"""What a major version becomes where no minor one is asked for. The server behind is always the PostgreSQL that is
installed."""
NEWER = {"17.7": "17"}
"""Minor versions that are newer than that, each with its major one: RDS's default lags behind its newest."""
AURORA = "aurora-postgresql"
AURORA_VERSIONS = {"17": "17.5", "16": "16.9", "15": "15.13", "14": "14.18", "13": "13.21"}
"""The same of Aurora PostgreSQL (its release notes, as known in 2026; could not be looked up)."""
VERSIONS = {"postgres": ENGINE_VERSIONS, AURORA: AURORA_VERSIONS}
OF_CLUSTER = "cluster:"
"""Before the identifier of a cluster's own server, snapshot or parameter group: no instance's name has a colon."""
SERVERLESS = "db.serverless"
GIB_OF_UNIT = 2
"""Memory of an Aurora capacity unit (Aurora guide, Aurora Serverless v2)."""

_MEMORY_GIB = {
    "t": {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32},
    "m": {"large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "12xlarge": 192, "16xlarge": 256},
    "r": {"large": 16, "xlarge": 32, "2xlarge": 64, "4xlarge": 128, "8xlarge": 256, "12xlarge": 384, "16xlarge": 512},
}
"""Memory by family and size (RDS user guide, hardware specifications of instance classes)."""


def size_of(instance_class: str) -> Size:
    """The size of a class such as ``db.t4g.micro``; AWS's error for a class that isn't known."""
    if instance_class == SERVERLESS:
        return Size(1, GIB_OF_UNIT * GIB)
    match = re.fullmatch(r"db\.([tmr])\d\w*\.(\w+)", instance_class)
    memory = _MEMORY_GIB[match[1]].get(match[2]) if match else None
    if not match or not memory:
        raise AwsError("InvalidParameterValue", f"Invalid DB Instance class: {instance_class}")
    per_vcpu = {"t": 4, "m": 4, "r": 8}[match[1]]
    return Size(max(2, memory // per_vcpu), memory * GIB)


@dataclass(slots=True)
class Instance:
    """One database instance."""

    record: dict[str, Any]
    """As DescribeDBInstances shows it, tags included."""
    interface: Interface
    applied: dict[str, str] = field(default_factory=dict)
    """The parameter group's values that the server runs with."""
    password: str | None = None
    """A master password that the server hasn't been told yet; RDS keeps none that it has."""
    source: str | None = None
    """The snapshot that its files come from, until they are there."""
    until: datetime | None = None
    """With ``source``: the moment to which its write-ahead log is replayed; None: as the snapshot is."""
    archive: str | None = None
    """With ``until``: the resource id of the instance whose write-ahead log that is."""
    new_identifier: str | None = None
    """What it is being renamed to."""
    cluster: str | None = None
    """The Aurora cluster that it is a member of; it has no server of its own then."""
    final_snapshot: str | None = None
    log_offset: int = 0
    """Bytes of the server's log that are in CloudWatch Logs already."""

    @property
    def identifier(self) -> str:
        return str(self.record["DBInstanceIdentifier"])

    @property
    def status(self) -> str:
        return str(self.record["DBInstanceStatus"])

    @status.setter
    def status(self, value: str) -> None:
        self.record["DBInstanceStatus"] = value

    @property
    def arn(self) -> str:
        return str(self.record["DBInstanceArn"])

    @property
    def size(self) -> Size:
        capacity = self.record.get("ServerlessV2ScalingConfiguration")
        if capacity:
            units = capacity["MaxCapacity"]
            return Size(max(1, round(units / 4)), int(units * GIB_OF_UNIT * GIB))
        return size_of(self.record["DBInstanceClass"])

    @property
    def parameter_group(self) -> str:
        return str(self.record["DBParameterGroups"][0]["DBParameterGroupName"])

    def folder(self, state: Path) -> Path:
        return state / "rds" / str(self.record["DbiResourceId"])


@dataclass(slots=True)
class DbCluster:
    """One Aurora cluster: one real PostgreSQL, which its endpoints and its members all lead to."""

    record: dict[str, Any]
    """What DescribeDBClusters shows, but for what follows from the server and the members."""
    server: Instance
    """Its storage with the PostgreSQL on it, as an instance that no call shows."""
    reader: Interface
    """Where the reader endpoint listens; the server's own interface is the writer endpoint's."""
    writer: str | None = None
    """The identifier of the member that takes writes."""
    target: str | None = None
    """Who becomes the writer at the failover that is going on."""

    @property
    def identifier(self) -> str:
        return str(self.record["DBClusterIdentifier"])

    @property
    def arn(self) -> str:
        return str(self.record["DBClusterArn"])


def settle_zones(record: dict[str, Any]) -> None:
    """A standby's zone where the instance is Multi-AZ and has none yet; none where it isn't."""
    if not record["MultiAZ"]:
        record.pop("SecondaryAvailabilityZone", None)
    elif "SecondaryAvailabilityZone" not in record:
        own = record["AvailabilityZone"]
        zones = [each["SubnetAvailabilityZone"]["Name"] for each in record["DBSubnetGroup"]["Subnets"]]
        record["SecondaryAvailabilityZone"] = next((zone for zone in zones if zone != own), own)


def resource_id() -> str:
    """``db-`` and 26 capitals and digits, as Performance Insights wants it."""
    return "db-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=26))  # noqa: S311 - no secret


def engine_version(requested: str | None, engine: str = "postgres") -> str:
    """A full version: ``17`` becomes the newest 17. AWS's error for one that isn't known."""
    version = requested or "17"
    major = version.split(".", maxsplit=1)[0]
    if major not in VERSIONS[engine] or not re.fullmatch(r"\d+(\.\d+)?", version):
        raise AwsError("InvalidParameterCombination", f"Cannot find version {version} for {engine}")
    return version if "." in version else VERSIONS[engine][major]


def number_of(version: str) -> tuple[int, ...]:
    """By which versions are compared."""
    return tuple(map(int, version.split(".")))


def check_upgrade(record: dict[str, Any], version: str, params: Mapping[str, Any]) -> None:
    """AWS's error where an instance can't become of this version by ModifyDBInstance as it is asked for."""
    before, (major, after) = (
        str(record["EngineVersion"]),
        (record["EngineVersion"].split(".")[0], version.split(".")[0]),
    )
    if number_of(version) < number_of(before):
        message = f"Cannot upgrade postgres from {before} to {version}"
        raise AwsError("InvalidParameterCombination", message)
    if major == after:
        return
    if not params.get("AllowMajorVersionUpgrade"):
        message = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        raise AwsError("InvalidParameterCombination", message)
    group = params.get("DBParameterGroupName") or record["DBParameterGroups"][0]["DBParameterGroupName"]
    if not params.get("DBParameterGroupName") and not group.startswith("default."):
        message = f"The parameter group {group} is not of the family postgres{after}: name one that is."
        raise AwsError("InvalidParameterCombination", message)
