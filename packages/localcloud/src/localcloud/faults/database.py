"""The database breaks: slow statements, leaked connections, a lock that is never freed, a stop, a full disk, and a
password that is no longer valid."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from localcloud.core.registry import AwsError
from localcloud.faults import common, values, workers
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.rds import Databases, secret
from localcloud.services.rds.model import GIB, Instance

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

DATABASE = Setting("", "identifier of the DB instance; the only one if left out")
LOCK_MODES = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")
STOP_SECONDS = 45.0
GROWING_SECONDS = 10
"""How long the spilled file takes to reach its size."""
_BUSIEST = """
SELECT schemaname || '.' || relname FROM pg_stat_user_tables WHERE relname <> ALL(%s)
ORDER BY n_tup_ins + n_tup_upd + n_tup_del DESC, relname LIMIT 1
"""
_OWN_TABLES = [workers.REPORT_TABLE, workers.AUDIT_TABLE, "schema_version"]


def _instance(cloud: Cloud, name: str) -> Instance:
    with cloud.lock:
        found: Instance = common.the_one("DB instance", name, cloud.part(Databases).instances)
    return found


def running(cloud: Cloud, settings: Mapping[str, str]) -> Instance:
    """The instance to break, which must be up. Raises ``AwsError``."""
    instance = _instance(cloud, settings["database"])
    if instance not in cloud.part(Databases).running():
        raise common.refused(f"The DB instance {instance.identifier} isn't available; it is {instance.status}.")
    _login(cloud, instance, "")
    return instance


def _login(cloud: Cloud, instance: Instance, application: str) -> dict[str, str]:
    """libpq's environment for a connection as the master user. Raises ``AwsError`` without its password."""
    secret = instance.record.get("MasterUserSecret")
    if secret is None:
        message = f"The password of {instance.identifier} isn't managed by RDS in Secrets Manager, so it isn't known."
        raise common.refused(message)
    with cloud.lock:
        held = cloud.moto("secretsmanager").get_secret_value(secret["SecretArn"], "", "AWSCURRENT")
    server = cloud.part(Databases).server(instance.identifier)
    return {
        "PGHOST": server.address,
        "PGPORT": str(server.port),
        "PGDATABASE": instance.record.get("DBName") or "postgres",
        "PGUSER": instance.record["MasterUsername"],
        "PGPASSWORD": json.loads(held["SecretString"])["password"],
        "PGSSLMODE": "require",
        "PGAPPNAME": application,
        "PGCONNECT_TIMEOUT": "5",
    }


def keep_worker(cloud: Cloud, fault: str, memory: Memory) -> None:
    """Keep the worker that the memory describes; nothing where the instance has gone."""
    instance = cloud.part(Databases).instances.get(memory["database"])
    if instance is not None:
        common.keep_worker(cloud, fault, memory["worker"], lambda: _login(cloud, instance, memory["application"]))


def end(cloud: Cloud, fault: str, memory: Memory, *tables: str) -> None:
    """End the worker, its sessions (a server goes on with a statement whose client has gone) and its tables."""
    common.end_worker(cloud, fault)
    databases, name = cloud.part(Databases), memory["database"]
    instance = databases.instances.get(name)
    if instance is None:
        return
    try:
        with databases.connect(name, instance.record.get("DBName") or "postgres") as connection:
            mine = [memory["application"]]
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", mine
            )
            for table in tables:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("public", table)))
            if tables:
                connection.execute("CHECKPOINT")  # lets go of the write-ahead log that filling them took
    except psycopg.Error as problem:
        # Stopped servers have no sessions; but a table that stays would be a fault that stays.
        if tables and instance in databases.running():
            raise AwsError("FaultNotStopped", f"The tables of {fault} are still in {name}: {problem}") from problem


# -- slow-queries ---------------------------------------------------------------------------------------------------


def _start_queries(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    sessions = int(values.number(settings, "sessions", 1, 8))
    seconds = values.number(settings, "seconds", 0.2, 60)
    worker = ["queries", "--sessions", sessions, "--seconds", seconds]
    memory = {"database": running(cloud, settings).identifier, "application": "nightly-report", "worker": worker}
    keep_worker(cloud, "slow-queries", memory)
    return memory


# -- connection-leak ------------------------------------------------------------------------------------------------


def _start_leak(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    most = int(values.number(settings, "connections", 1, 500))
    per_second = values.number(settings, "per_second", 0.1, 50)
    worker = ["connections", "--most", most, "--per-second", per_second]
    memory = {"database": running(cloud, settings).identifier, "application": "price-export", "worker": worker}
    keep_worker(cloud, "connection-leak", memory)
    return memory


# -- lock-pile-up ---------------------------------------------------------------------------------------------------


def _start_lock(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    mode = values.choice(settings, "mode", LOCK_MODES)
    instance = running(cloud, settings)
    table = _table(cloud, instance, settings["table"])
    worker = ["lock", "--table", table, "--mode", mode]
    memory = {"database": instance.identifier, "application": "schema-change", "worker": worker}
    keep_worker(cloud, "lock-pile-up", memory)
    return memory


def _table(cloud: Cloud, instance: Instance, requested: str) -> str:
    """The table that was asked for, or the one that is written most."""
    try:
        with cloud.part(Databases).connect(
            instance.identifier, instance.record.get("DBName") or "postgres"
        ) as connection:
            if requested:
                row = connection.execute("SELECT to_regclass(%s)::text", [requested]).fetchone()
            else:
                row = connection.execute(_BUSIEST, [_OWN_TABLES]).fetchone()
    except psycopg.Error as problem:
        raise common.refused(f"The tables of {instance.identifier} can't be read: {problem}") from problem
    if row is None or row[0] is None:
        raise common.refused(f"There is no table {requested or 'to lock'} in {instance.identifier}.")
    return requested or str(row[0])


# -- database-stopped -----------------------------------------------------------------------------------------------


def _start_stopped(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    from botocore.exceptions import BotoCoreError, ClientError

    instance = _instance(cloud, settings["database"])
    try:
        common.client(cloud, "rds").stop_db_instance(DBInstanceIdentifier=instance.identifier)
    except (ClientError, BotoCoreError) as problem:
        raise common.refused(f"The DB instance {instance.identifier} could not be stopped: {problem}") from problem
    return {"database": instance.identifier}


def _stop_stopped(cloud: Cloud, memory: Memory) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    instance = cloud.part(Databases).instances.get(memory["database"])
    if instance is None:
        return
    common.wait_for(lambda: instance.status != "stopping", STOP_SECONDS)
    if instance.status == "stopped":
        try:
            common.client(cloud, "rds").start_db_instance(DBInstanceIdentifier=instance.identifier)
        except (ClientError, BotoCoreError) as problem:
            message = f"The DB instance {instance.identifier} could not be started again: {problem}"
            raise AwsError("FaultNotStopped", message) from problem
    common.wait_for(lambda: instance.status != "starting", STOP_SECONDS)


# -- storage-filling ------------------------------------------------------------------------------------------------


def _start_filling(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    mebibytes = int(values.number(settings, "mebibytes", 0, 2048))
    free = values.number(settings, "free_percent", 1, 100)
    instance = running(cloud, settings)
    memory: Memory = {
        "database": instance.identifier,
        "application": "audit-writer",
        "worker": ["fill", "--mebibytes", mebibytes, "--per-second", 10],
        "spilled": math.floor(instance.record["AllocatedStorage"] * GIB * (1 - free / 100)),
    }
    _keep_filling(cloud, memory)
    return memory


def _spilled(cloud: Cloud, memory: Memory) -> Path:
    """A file as PostgreSQL spills a sort into: deleted by the server's restart, left out of backups."""
    return cloud.part(Databases).server(memory["database"]).data / "base" / "pgsql_tmp" / "pgsql_tmp0.0"


def _keep_filling(cloud: Cloud, memory: Memory) -> None:
    keep_worker(cloud, "storage-filling", memory)
    if memory["database"] not in cloud.part(Databases).instances or not memory["spilled"]:
        return
    path = _spilled(cloud, memory)
    held = path.stat().st_size if path.exists() else 0
    if held < memory["spilled"]:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with path.open("ab") as file:
            # Sparse: the size is real to everybody who asks, and takes nothing of this machine's disk.
            os.truncate(file.fileno(), min(memory["spilled"], held + memory["spilled"] // GROWING_SECONDS + 1))


def _stop_filling(cloud: Cloud, memory: Memory) -> None:
    if memory["database"] in cloud.part(Databases).instances:
        _spilled(cloud, memory).unlink(missing_ok=True)
    end(cloud, "storage-filling", memory, workers.AUDIT_TABLE)


# -- password-rotation ----------------------------------------------------------------------------------------------


def _start_rotation(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    every = values.number(settings, "every", 0, 7 * 86400)
    instance = running(cloud, settings)
    _rotate(cloud, instance)
    return {"database": instance.identifier, "every": every, "last": cloud.now().timestamp()}


def _rotate(cloud: Cloud, instance: Instance) -> None:
    with cloud.lock:
        if instance.status != "available":
            raise common.refused(f"The DB instance {instance.identifier} isn't available; it is {instance.status}.")
        secret.rotate(cloud, instance)
        instance.status = "modifying"
    common.wait_for(lambda: instance.status != "modifying", STOP_SECONDS)


def _keep_rotating(cloud: Cloud, memory: Memory) -> None:
    instance = cloud.part(Databases).instances.get(memory["database"])
    due = memory["every"] and cloud.now().timestamp() >= memory["last"] + memory["every"]
    if instance is not None and due and instance in cloud.part(Databases).running():
        _rotate(cloud, instance)
        memory["last"] = cloud.now().timestamp()


FAULTS = (
    Fault(
        "password-rotation",
        "RDS rotates the password of its master user in Secrets Manager, as it does every seven days by itself.",
        "New connections with the old password are refused, open ones stay; LastRotatedDate in DescribeSecret.",
        _start_rotation,
        lambda _cloud, _memory: None,  # a new password isn't taken back, on AWS neither
        {"database": DATABASE, "every": Setting("0", "rotate again after so many seconds, to 604800; 0: once")},
        _keep_rotating,
    ),
    Fault(
        "slow-queries",
        "A report with a join that no index helps runs over and over, as the database's master user.",
        "Load by SQL in Performance Insights, CPUUtilization of the instance, slow statements in its PostgreSQL log.",
        _start_queries,
        lambda cloud, memory: end(cloud, "slow-queries", memory, workers.REPORT_TABLE),
        {
            "database": DATABASE,
            "sessions": Setting("2", "how many run it side by side, 1 to 8"),
            "seconds": Setting("3", "about how many seconds one statement takes, 0.2 to 60"),
        },
        lambda cloud, memory: keep_worker(cloud, "slow-queries", memory),
    ),
    Fault(
        "connection-leak",
        "A client opens connections as the master user and never closes one, until PostgreSQL refuses more.",
        "DatabaseConnections at max_connections; whoever needs a new one is refused: tasks that start, pools "
        "that grow.",
        _start_leak,
        lambda cloud, memory: end(cloud, "connection-leak", memory),
        {
            "database": DATABASE,
            "connections": Setting("500", "how many it holds at most, 1 to 500"),
            "per_second": Setting("5", "how many it opens a second, 0.1 to 50"),
        },
        lambda cloud, memory: keep_worker(cloud, "connection-leak", memory),
    ),
    Fault(
        "lock-pile-up",
        "A schema change takes a table's lock in a transaction that nobody ends.",
        "Lock waits in Performance Insights and in the PostgreSQL log; latency and time-outs of what uses the table.",
        _start_lock,
        lambda cloud, memory: end(cloud, "lock-pile-up", memory),
        {
            "database": DATABASE,
            "table": Setting("", "the table; the one that is written most if left out"),
            "mode": Setting("ACCESS EXCLUSIVE", f"one of {', '.join(LOCK_MODES)}"),
        },
        lambda cloud, memory: keep_worker(cloud, "lock-pile-up", memory),
    ),
    Fault(
        "database-stopped",
        "StopDBInstance is called for the database.",
        "The instance is stopped and without metrics, the application can't connect; CloudTrail shows who did it.",
        _start_stopped,
        _stop_stopped,
        {"database": DATABASE},
    ),
    Fault(
        "storage-filling",
        "A table that nobody prunes grows, and a statement's temporary file takes most of the allocated storage.",
        "FreeStorageSpace falls to the percentage that was asked for.",
        _start_filling,
        _stop_filling,
        {
            "database": DATABASE,
            "mebibytes": Setting("128", "size of the table, really written, 0 to 2048"),
            "free_percent": Setting("5", "what the temporary file leaves of the allocated storage, 1 to 100"),
        },
        _keep_filling,
    ),
)
