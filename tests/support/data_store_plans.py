"""Plans of the database and the cache, each with the facts that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omc.facts.cache_group import CacheGroup, CacheSettings, CacheTypes, CacheVersions
from omc.facts.database_options import (
    AskedParameters,
    BlueGreen,
    MasterSecret,
    OfferedClass,
    Parameter,
    StorageChange,
)
from omc.facts.pending import Maintenance, Pending, PendingChange, Waits
from omc.facts.terraform_json import Difference
from omc.model.plan import Plan
from omc.model.requests import (
    CacheApplyRequest,
    CacheFailoverRequest,
    CacheRebootRequest,
    CacheScaleRequest,
    CacheUpgradeRequest,
    CacheValkeyRequest,
    DatabaseApplyRequest,
    DatabaseCertificateRequest,
    DatabaseClassRequest,
    DatabaseCleanupRequest,
    DatabaseParameterRequest,
    DatabaseRebootRequest,
    DatabaseRotateRequest,
    DatabaseStorageRequest,
    DatabaseUpgradeRequest,
)
from support import release_facts as example

ARN = "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf"
DATABASE, CACHE = "the database ohmycoins-staging", "the cache ohmycoins-staging-redis"
ANNOUNCED = Pending(
    (),
    (
        Maintenance(DATABASE, "system-update (New OS)", "sat:16:00-sat:18:00", name="system-update"),
        Maintenance(CACHE, "service update redis-1 (important, not-applied)", "", name="redis-1"),
    ),
)
WAITING = Pending(
    (
        PendingChange(DATABASE, "ohmycoins-staging", Difference("multi_az", "false", "true"), Waits.WINDOW),
        PendingChange(DATABASE, "ohmycoins-staging", Difference("parameters of x", "old", "new"), Waits.REBOOT),
        PendingChange(CACHE, "ohmycoins-staging-redis", Difference("node_type", "a", "b"), Waits.WINDOW),
    )
)
PARAMETERS = AskedParameters(
    "ohmycoins-staging-postgres17",
    parameters={
        "max_connections": Parameter("max_connections", "80", True, True, "6-8388607", is_set=True),
        "log_lock_waits": Parameter("log_lock_waits", "0", False, True, "0,1"),
        "rds.extensions": Parameter("rds.extensions", "x", True, False),
    },
)
TYPES = CacheTypes(up=("cache.t4g.small",), down=("cache.t4g.nano",))
VERSIONS = CacheVersions(
    {"redis": {"7.1.0": "redis7", "7.2.0": "redis7", "7.0.7": "redis7"}, "valkey": {"8.0.1": "valkey8"}}
)
SETTINGS = CacheSettings("ohmycoins-staging-redis7", {"maxmemory-policy": "allkeys-lru"})
SINGLE = CacheGroup({**(example.cache().record or {}), "AutomaticFailover": "disabled"}, example.cache().members[:1])
KNOWN: dict[str, Any] = {
    "backups": example.backups(),
    "pending": Pending(()),
    "offered": OfferedClass(is_offered=True, offers_standby=True),
    "changed": StorageChange(),
    "parameters": PARAMETERS,
    "secret": MasterSecret(ARN, "v1"),
    "running": example.running_version(),
    "blue_green": BlueGreen(logical_replication="1"),
    "cache": example.cache(),
    "types": TYPES,
    "versions": VERSIONS,
    "settings": SETTINGS,
}


def plan(procedure: str, request: Any, **more: Any) -> Plan:
    return example.planned(procedure, request, **KNOWN | more)


def instance(**more: Any) -> Any:
    backups = example.backups()
    return example.backups(instance={**(backups.instance or {}), **more})


TWO_ZONES = instance(MultiAZ=True)


@dataclass(frozen=True)
class Row:
    procedure: str
    request: Any
    steps: str
    interruption: str
    undo: str
    """Of the first step that has one; or what the notes say instead."""
    terraform: str
    facts: dict[str, Any] = field(default_factory=dict)


ALL = "connect services"
ROWS = (
    Row(
        "database-reboot", DatabaseRebootRequest(), f"reboot {ALL}", "momentary outage", "can't be undone", "Nothing of"
    ),
    Row(
        "database-reboot",
        DatabaseRebootRequest(failover=True),
        f"reboot {ALL}",
        "60 to 120 seconds",
        "can't be undone",
        "Nothing of",
        {"backups": TWO_ZONES},
    ),
    Row(
        "database-class",
        DatabaseClassRequest("db.t4g.small"),
        f"class {ALL}",
        "AWS publishes no figure for one zone: expect minutes",
        "back to db.t4g.micro",
        'main.tf: database.instance_class = "db.t4g.small"',
    ),
    Row(
        "database-class",
        DatabaseClassRequest("db.t4g.small"),
        f"class {ALL}",
        "standby is changed first",
        "back to db.t4g.micro",
        "database.instance_class",
        {"backups": TWO_ZONES},
    ),
    Row(
        "database-storage",
        DatabaseStorageRequest(22),
        f"storage {ALL}",
        "none; RDS grows storage",
        "never makes storage smaller",
        "database.storage_gb = 22",
    ),
    Row(
        "database-storage",
        DatabaseStorageRequest(22),
        f"storage {ALL}",
        "may interrupt it: multi_az false → true",
        "never makes storage smaller",
        "database.storage_gb = 22",
        {"pending": WAITING},
    ),
    Row(
        "database-parameter",
        DatabaseParameterRequest({"max_connections": "120"}),
        f"parameters reboot {ALL}",
        "restarts for max_connections",
        "need another reboot",
        "database.max_connections = 120",
    ),
    Row(
        "database-parameter",
        DatabaseParameterRequest({"log_lock_waits": "1"}),
        f"parameters {ALL}",
        "none.",
        "the values of before are set again",
        'parameter { name = "log_lock_waits", value = "1" }',
    ),
    Row(
        "database-parameter",
        DatabaseParameterRequest({"max_connections": "120"}, reboot=False),
        f"parameters {ALL}",
        "none.",
        "need another reboot",
        "database.max_connections",
    ),
    Row(
        "database-rotate", DatabaseRotateRequest(), f"rotate {ALL}", "none: no service", "can't be undone", "Nothing of"
    ),
    Row(
        "database-upgrade",
        DatabaseUpgradeRequest("17.7"),
        f"upgrade {ALL}",
        "results in an outage",
        "can't be undone: RDS goes back to no older version",
        "nothing of it changes",
    ),
    Row(
        "database-upgrade",
        DatabaseUpgradeRequest("18.1", in_place=True),
        f"upgrade {ALL}",
        "AWS publishes no figure",
        "can't be undone: RDS goes back to no older version",
        'engine_version = "18", and the parameter group',
    ),
    Row(
        "database-upgrade",
        DatabaseUpgradeRequest("18.1"),
        "copy",
        "none.",
        "the copy is deleted",
        "Terraform's own group",
        {"backups": instance(MasterUserSecret=None)},
    ),
    Row(
        "database-upgrade",
        DatabaseUpgradeRequest("18.1"),
        f"switch {ALL}",
        "typically under a minute",
        "can't be undone: what is written afterwards",
        "terraform state rm module.stack.module.database.aws_db_instance.this",
        {"blue_green": BlueGreen("ohmycoins-staging-upgrade", "AVAILABLE", "18.1", "1")},
    ),
    Row(
        "database-cleanup",
        DatabaseCleanupRequest(),
        "deployment old",
        "none.",
        "can't be undone",
        "",
        {"blue_green": BlueGreen("x", "SWITCHOVER_COMPLETED", "18.1", "1", ("ohmycoins-staging-old1", "db-OLD"))},
    ),
    Row(
        "database-certificate",
        DatabaseCertificateRequest("rds-ca-ecc384-g1"),
        f"certificate {ALL}",
        "none; this version takes",
        "a certificate of rds-ca-rsa2048-g1 again",
        'ca_cert_identifier = "rds-ca-ecc384-g1"',
    ),
    Row(
        "database-apply",
        DatabaseApplyRequest(),
        f"apply-system-update {ALL}",
        "is maintained by AWS (system-update (New OS))",
        "can't be undone, nor stopped",
        "Nothing of",
        {"pending": ANNOUNCED},
    ),
    Row("cache-failover", CacheFailoverRequest(), "failover services", "Writes fail", "can't be undone", "Nothing of"),
    Row(
        "cache-scale",
        CacheScaleRequest("cache.t4g.small"),
        "type services",
        "gets other nodes. Writes fail",
        "back to cache.t4g.micro",
        'cache.node_type = "cache.t4g.small"',
    ),
    Row(
        "cache-scale",
        CacheScaleRequest("cache.t4g.small", 1),
        "replicas failover-on type services",
        "away meanwhile",
        "0 replicas again",
        'cache.node_type = "cache.t4g.small", cache.members = 2',
        {"cache": SINGLE},
    ),
    Row(
        "cache-scale",
        CacheScaleRequest(replicas=0),
        "failover-off replicas services",
        "none.",
        "automatic failover is on again",
        "cache.members = 1",
    ),
    Row(
        "cache-upgrade",
        CacheUpgradeRequest("7.2"),
        "upgrade services",
        "Writes fail",
        "no older version",
        'engine_version = "7.2.0"',
    ),
    Row(
        "cache-valkey",
        CacheValkeyRequest(),
        "parameters valkey services",
        "changes its engine",
        "makes no Redis of a Valkey",
        'engine = "valkey", engine_version = "8.0.1"',
    ),
    Row(
        "cache-reboot",
        CacheRebootRequest("ohmycoins-staging-redis-001"),
        "reboot services",
        "the cache is empty",
        "can't be undone",
        "Nothing of",
    ),
    Row(
        "cache-reboot",
        CacheRebootRequest("ohmycoins-staging-redis-002"),
        "reboot services",
        "none.",
        "undone",
        "Nothing",
    ),
    Row(
        "cache-apply",
        CacheApplyRequest(),
        "apply-redis-1 services",
        "a node after the other",
        "can't be undone",
        "Nothing of",
        {"pending": ANNOUNCED},
    ),
)
