"""Database connections: how many PostgreSQL accepts, and how many a task of each service may open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment, Service
from omc.config.stores import database_name
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.databases import AURORA, database_records
from omc.facts.definitions import Definition, Definitions

WORKERS, POOL = "WEB_CONCURRENCY", "DATABASE_POOL_SIZE"
"""Worker processes of a task, and the most connections of each: of a container that has both, omc knows by itself how
many connections it opens. Any other number has to be in omc.toml (``connections``)."""
DATABASE = "POSTGRES_SERVER"
"""A container with this variable uses the database."""
NAMES_A_DATABASE = ("POSTGRES", "DATABASE", "PGHOST", "PGDATABASE", "PGSERVICE", "DB_HOST", "DB_URL", "DB_NAME", "RDS_")
"""Beginnings of variables and secrets by which a container is given a database."""
SHARE = 0.8
"""Of max_connections: the rest is for RDS itself, migrations and people. The connection alarm has the same limit."""
AURORA_DIVISOR, AURORA_MOST = 9_531_392, 5000
"""Of Aurora PostgreSQL's default, below (Aurora's user guide, "Maximum connections to an Aurora PostgreSQL DB
instance"). Its own example reckons a GiB as 10^9 bytes, which is the smaller figure: RDS takes
some memory for itself."""
AURORA_FORMULA = "LEAST({DBInstanceClassMemory/9531392},5000)"
MEMORY_OF_LARGE: Mapping[str, float] = {"r": 16, "x": 32, "t": 8, "m": 8}
"""GiB of ``large`` by the class's letter (Aurora's user guide, "Hardware specifications for DB instance classes"); each
size above has twice as much. Of r4, and of classes that aren't here, nothing is reckoned."""
_SIZES = {"medium": 0.5, "large": 1, "xlarge": 2}


@dataclass(frozen=True, slots=True)
class Connections:
    """The connection budget."""

    limit: int | None
    """``max_connections`` as the parameter group sets it, or Aurora's documented default; None: not known."""
    each_task: Mapping[str, int]
    """By service, for a task of the revision that it runs. Services without a database are left out."""
    why_unknown: str = ""
    """Why the limit isn't known; empty: it is, or there is no database."""
    reading: Reading = NO_READING
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Services that use the database and of which it isn't known how many connections a task opens, with what helps."""

    @property
    def budget(self) -> int | None:
        """Connections that tasks may take together."""
        return None if self.limit is None else int(self.limit * SHARE)

    def needed(self, tasks: Mapping[str, int]) -> int:
        """Connections that so many tasks of each service open at most."""
        return sum(self.each_task.get(service, 0) * count for service, count in tasks.items())


@dataclass(frozen=True, slots=True)
class PerTask:
    """Of one task of a revision."""

    count: int | None
    """None: it uses the database, and how many it opens isn't known. 0: it uses none."""
    why_unknown: str = ""


@reads
def read_connections(aws: Gateway, environment: Environment, definitions: Definitions) -> Connections:
    """The database names its parameter group, which sets the limit. A database that can't be read leaves the limit
    unknown, and nothing else."""
    if not database_name(environment):
        return Connections(None, {})
    of_service = {service.name: service for service in environment.services}
    found = {name: connections_of(definition, of_service.get(name)) for name, definition in definitions.running.items()}
    each = {name: one.count for name, one in found.items() if one.count}
    unknown = {name: one.why_unknown for name, one in found.items() if one.count is None}
    try:
        limit, why = _limit(aws)
    except OmcError as error:
        limit, why = None, error.message.rstrip(".")
    return Connections(limit, each, why, unknown=unknown)


def _limit(aws: Gateway) -> tuple[int | None, str]:
    """``max_connections`` of the member that takes writes, and why it isn't known."""
    name, records, rds = database_name(aws.environment), database_records(aws), aws.client("rds")
    instance = records.writer or next(iter(records.instances), None)
    if instance is None:
        return None, f"there is no database {name} in {aws.environment.region}"
    group = instance["DBParameterGroups"][0]["DBParameterGroupName"]
    # What the group itself sets is a page; all that PostgreSQL has is four. RDS's default for this one is a formula.
    pages: Any = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, Source="user")
    value = _set_to(pages)
    if value is None and records.cluster is not None:
        group = str(records.cluster.get("DBClusterParameterGroup", group))
        pages = rds.get_paginator("describe_db_cluster_parameters").paginate(
            DBClusterParameterGroupName=group, Source="user"
        )
        value = _set_to(pages)
    if value is not None and value.isdigit():
        return int(value), ""
    if value in (None, AURORA_FORMULA) and str((records.cluster or {}).get("Engine", "")).startswith(AURORA):
        size = str(instance.get("DBInstanceClass", ""))
        usual = aurora_default(size)
        return usual, "" if usual else f"Aurora's default for the class {size} isn't known to omc"
    return None, f"the parameter group {group} doesn't set max_connections to a number"


def _set_to(pages: Any) -> str | None:
    parameters = (each for page in pages for each in page["Parameters"])
    return next((e.get("ParameterValue") for e in parameters if e.get("ParameterName") == "max_connections"), None)


def aurora_default(size: str) -> int | None:
    """Of ``db.r6g.xlarge``; None where its memory isn't known, as a serverless one's, which changes."""
    parts = size.split(".")
    if len(parts) != 3 or parts[0] != "db" or parts[1] == "r4" or parts[1][:1] not in MEMORY_OF_LARGE:
        return None
    if not parts[1][1:2].isdigit():
        return None
    times = _SIZES.get(parts[2]) or (
        2.0 * int(parts[2].removesuffix("xlarge")) if parts[2].removesuffix("xlarge").isdigit() else None
    )
    if times is None:
        return None
    return min(int(MEMORY_OF_LARGE[parts[1][0]] * times * 10**9 / AURORA_DIVISOR), AURORA_MOST)


def connections_of(definition: Definition, service: Service | None = None) -> PerTask:
    """Connections that one task of this revision opens at most: as omc.toml says; else the workers' pools of the
    containers that have both; 0 where it has no database."""
    configured = service.connections if service else None
    if isinstance(configured, int):
        return PerTask(configured)
    containers = definition.body["containerDefinitions"]
    if configured:
        return _sum_of(configured, containers)
    total = 0
    for container in containers:
        variables = _variables(container)
        if {WORKERS, POOL} <= variables.keys() and DATABASE in variables:
            if not (variables[WORKERS].isdigit() and variables[POOL].isdigit()):
                return PerTask(None, _help(service, definition, f"{WORKERS} or {POOL} is no number"))
            total += int(variables[WORKERS]) * int(variables[POOL])
        elif _has_database(container):
            return PerTask(None, _help(service, definition, f"it has not both {WORKERS} and {POOL}"))
    return PerTask(total)


def _sum_of(names: tuple[str, ...], containers: Any) -> PerTask:
    variables = {name: value for container in reversed(containers) for name, value in _variables(container).items()}
    missing = [name for name in names if not variables.get(name, "").isdigit()]
    if missing:
        what = "is no number or isn't" if len(missing) == 1 else "are no numbers or aren't"
        why = f"{' and '.join(missing)} {what} in its task definition, and omc.toml makes its connections of them"
        return PerTask(None, why)
    return PerTask(sum(int(variables[name]) for name in names))


def _help(service: Service | None, definition: Definition, why: str) -> str:
    name = service.name if service else definition.family
    return f"{why}; say it in omc.toml: [services.{name}] connections = NUMBER, or the variables whose sum it is"


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in container.get("environment") or ()}


def _has_database(container: Mapping[str, Any]) -> bool:
    """By the names of what it is given."""
    names = [*_variables(container), *(item["name"] for item in container.get("secrets") or ())]
    return any(name.upper().startswith(NAMES_A_DATABASE) and name != POOL for name in names)
