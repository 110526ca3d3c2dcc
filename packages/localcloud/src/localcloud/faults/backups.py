"""A backup rots: a page of a snapshot is no longer what was written. Nobody sees it until it is restored and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from localcloud.faults import common
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.rds import Databases

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PAGE = 8192
_BUSIEST = """
SELECT schemaname || '.' || relname FROM pg_stat_user_tables WHERE relname <> 'schema_version'
ORDER BY pg_relation_size(relid) DESC, relname LIMIT 1
"""


def _snapshot(cloud: Cloud, requested: str) -> dict[str, Any]:
    """The one that was asked for, or the newest that is whole."""
    with cloud.lock:
        known = {name: each for name, each in cloud.part(Databases).snapshots.items() if each["Status"] == "available"}
        newest = sorted(known, key=lambda name: known[name]["SnapshotCreateTime"])[-1:]
        found: dict[str, Any] = common.the_one("DB snapshot", requested or "".join(newest), known)
    return found


def _page(cloud: Cloud, snapshot: Mapping[str, Any], table: str) -> Path:
    """The file of a table in a snapshot: where the instance that it is of has it."""
    databases = cloud.part(Databases)
    instance = databases.by_resource_id(snapshot["DbiResourceId"])
    if instance is None or instance not in databases.running():
        raise common.refused("The snapshot's instance isn't available: it tells where the table is.")
    try:
        with databases.connect(instance.identifier, instance.record.get("DBName") or "postgres") as connection:
            if not table:
                row = connection.execute(_BUSIEST).fetchone()
                table = str(row[0]) if row else ""
            [place] = connection.execute("SELECT pg_relation_filepath(to_regclass(%s))", [table]).fetchone() or (None,)
    except psycopg.Error as problem:
        raise common.refused(f"The tables of {instance.identifier} can't be read: {problem}") from problem
    path = databases.folder_of(dict(snapshot)) / "data" / str(place)
    if place is None or not path.is_file() or path.stat().st_size < PAGE:
        raise common.refused(f"The snapshot has no page of a table {table or '(there is none)'} that could be damaged.")
    return path


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    snapshot = _snapshot(cloud, settings["snapshot"])
    path = _page(cloud, snapshot, settings["table"])
    with path.open("r+b") as file:
        before = file.read(PAGE)
        file.seek(0)
        file.write(b"\xa5" * PAGE)
    return {"file": str(path), "page": before.hex()}


def _stop(_cloud: Cloud, memory: Memory) -> None:
    path = Path(memory["file"])
    if path.is_file():
        with path.open("r+b") as file:
            file.write(bytes.fromhex(memory["page"]))


FAULTS = (
    Fault(
        "snapshot-corrupt",
        "A page of a DB snapshot is damaged where it is kept: the first one of a table.",
        "Nothing, until an instance is restored from it and the table is read: invalid page in block 0 of relation.",
        _start,
        _stop,
        {
            "snapshot": Setting("", "identifier of the DB snapshot; the newest if left out"),
            "table": Setting("", "the table; the largest if left out"),
        },
    ),
)
