"""Saved queries by name: those that omc brings (``queries.toml``) and those of omc.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from omc.config import Environment
from omc.config.log_tables import LogsTable
from omc.config.stores import database_log_group
from omc.errors import WrongUse, did_you_mean


@dataclass(frozen=True, slots=True)
class SavedQuery:
    name: str
    title: str
    text: str
    over: str
    """``services``, ``database`` or ``flow``; empty where ``groups`` are named."""
    groups: tuple[str, ...] = ()
    is_own: bool = False
    """It stands in omc.toml."""


@cache
def shipped() -> Mapping[str, SavedQuery]:
    """The queries that omc brings."""
    tables = tomllib.loads((files("omc.logs") / "queries.toml").read_text(encoding="utf-8"))
    return {
        name: SavedQuery(name, table["title"], table["query"].strip(), table["over"]) for name, table in tables.items()
    }


def saved_queries(table: LogsTable) -> dict[str, SavedQuery]:
    """All of them, by name."""
    own = {
        name: SavedQuery(
            name, each.title, each.query.strip(), "" if each.log_groups else each.over, each.log_groups, True
        )
        for name, each in table.queries.items()
    }
    return dict(sorted({**shipped(), **own}.items()))


def query_named(table: LogsTable, name: str) -> SavedQuery:
    """Raises ``WrongUse`` with what comes near."""
    found = saved_queries(table)
    if name not in found:
        hint = did_you_mean(name, list(found))
        raise WrongUse(f'There is no saved query "{name}".{hint} All of them: omc logs query --list')
    return found[name]


def groups_over(query: SavedQuery, environment: Environment) -> tuple[str, ...]:
    """The log groups that a saved query reads. Only ever the environment's own."""
    if query.groups:
        return tuple(group.replace("{prefix}", environment.prefix) for group in query.groups)
    return groups_called(query.over, environment)


def groups_called(over: str, environment: Environment) -> tuple[str, ...]:
    """The environment's log groups of a kind."""
    kinds = {
        "services": tuple(dict.fromkeys(service.log_group for service in environment.services)),
        "database": tuple(filter(None, [database_log_group(environment)])),
        "flow": (f"/vpc/{environment.prefix}/flow",),
    }
    return kinds[over]


def database_group(environment: Environment) -> str:
    """Where RDS exports PostgreSQL's log to. ``WrongUse`` where there is no database."""
    if not (found := database_log_group(environment)):
        raise WrongUse(f"{environment.name} has no database: omc.toml names none, so there is no log of it.")
    return found
