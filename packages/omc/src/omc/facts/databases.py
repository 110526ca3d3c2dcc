"""The environment's database as RDS tells of it: an instance, or a cluster (Aurora or Multi-AZ) with its members.

Whoever asks about *the* database of a cluster means the member that takes writes: connections, settings and statements
are of instances, and the others follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import NotFound

AURORA = "aurora"
"""What the engine of an Aurora cluster begins with; a Multi-AZ DB cluster's is ``postgres``."""


@dataclass(frozen=True, slots=True)
class DatabaseRecords:
    """In RDS's own words."""

    cluster: Mapping[str, Any] | None = None
    """None: it is no cluster, or there is none of the name."""
    instances: tuple[Mapping[str, Any], ...] = ()
    """The one instance, or the cluster's members, the writer first. Empty: there is none."""

    @property
    def writer(self) -> Mapping[str, Any] | None:
        """Of a cluster the member that takes writes; None where none does."""
        if self.cluster is None:
            return next(iter(self.instances), None)
        name = writer_of(self.cluster)
        return next((each for each in self.instances if each["DBInstanceIdentifier"] == name), None)


def writer_of(cluster: Mapping[str, Any]) -> str:
    """Empty where no member takes writes."""
    return next(
        (str(m["DBInstanceIdentifier"]) for m in cluster.get("DBClusterMembers", ()) if m["IsClusterWriter"]), ""
    )


def database_records(aws: Gateway) -> DatabaseRecords:
    """One call, or two for a cluster; none where omc.toml has no database. What doesn't exist is left out."""
    environment, rds = aws.environment, aws.client("rds")
    if environment.database:
        try:
            found: Any = rds.describe_db_instances(DBInstanceIdentifier=environment.database)["DBInstances"]
        except NotFound:
            found = []
        return DatabaseRecords(None, tuple(found))
    if not environment.database_cluster:
        return DatabaseRecords()
    try:
        clusters: Any = rds.describe_db_clusters(DBClusterIdentifier=environment.database_cluster)["DBClusters"]
    except NotFound:
        clusters = []
    if not clusters:
        return DatabaseRecords()
    wanted = [{"Name": "db-cluster-id", "Values": [environment.database_cluster]}]
    pages = rds.get_paginator("describe_db_instances").paginate(Filters=wanted)  # type: ignore[arg-type]
    members = [dict(each) for page in pages for each in page["DBInstances"]]
    writer = writer_of(clusters[0])
    members.sort(key=lambda each: (each["DBInstanceIdentifier"] != writer, each["DBInstanceIdentifier"]))
    return DatabaseRecords(clusters[0], tuple(members))
