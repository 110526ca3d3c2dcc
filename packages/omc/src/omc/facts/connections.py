"""Database connections: how many PostgreSQL accepts, and how many a task of each service may open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, Definitions

WORKERS, POOL = "WEB_CONCURRENCY", "DATABASE_POOL_SIZE"
"""What the applications read: worker processes of a task, and the most connections of each."""
DATABASE = "POSTGRES_SERVER"
"""A container with this variable uses the database."""
SHARE = 0.8
"""Of max_connections: the rest is for RDS itself, migrations and people. The connection alarm has the same limit."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The connection budget."""

    limit: int | None
    """``max_connections`` as the parameter group sets it; None where that is a formula, which only RDS computes."""
    each_task: Mapping[str, int]
    """By service, for a task of the revision that it runs. Services without a database are left out."""
    why_unknown: str = ""
    reading: Reading = NO_READING

    @property
    def budget(self) -> int | None:
        """Connections that tasks may take together."""
        return None if self.limit is None else int(self.limit * SHARE)

    def needed(self, tasks: Mapping[str, int]) -> int:
        """Connections that so many tasks of each service open at most."""
        return sum(self.each_task.get(service, 0) * count for service, count in tasks.items())


@reads
def read_connections(aws: Gateway, environment: Environment, definitions: Definitions) -> Connections:
    """The instance names its parameter group, which sets the limit."""
    each = {name: connections_of(definition) for name, definition in definitions.running.items()}
    each_task = {name: count for name, count in each.items() if count}
    rds = aws.client("rds")
    instance = rds.describe_db_instances(DBInstanceIdentifier=environment.database)["DBInstances"][0]
    group = instance["DBParameterGroups"][0]["DBParameterGroupName"]
    # What the group itself sets is a page; all that PostgreSQL has is four. RDS's default for this one is a formula.
    pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, Source="user")
    for page in pages:
        for parameter in page["Parameters"]:
            if parameter.get("ParameterName") == "max_connections":
                value = parameter.get("ParameterValue", "")
                if value.isdigit():
                    return Connections(int(value), each_task)
    why = f"the parameter group {group} doesn't set max_connections to a number"
    return Connections(None, each_task, why)


def connections_of(definition: Definition) -> int:
    """Connections that one task of this revision opens at most; 0 where it has no database."""
    total = 0
    for container in definition.body["containerDefinitions"]:
        environment = {item["name"]: item["value"] for item in container.get("environment", [])}
        if DATABASE in environment:
            total += _number(environment.get(WORKERS), 1) * _number(environment.get(POOL), 5)
    return total


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
