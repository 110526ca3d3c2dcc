"""What a fault of a world is: the change that it makes, and the truth about it. The faults themselves are in
``faults_of_data`` and ``faults_of_services``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from rehearsal.diagnosis.world import ServiceState, World

LOOK = r"omc (check|logs|incident|deployments|diagnose|status)\b"
"""Commands that only read, and are never wrong."""
BACK = r"omc rollback\b"
PLAN = r"omc infra plan\b"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a fault."""

    names: frozenset[str]
    """Each of these names of causes is right."""
    place: str
    services: tuple[str, ...] = ()
    """That suffer; empty: nobody does."""
    actions: tuple[str, ...] = (LOOK,)
    """Patterns, one of which the next step's command fits."""


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    group: str
    """What it is a fault of: two of one group, or of groups that hide each other, make no pair."""
    what: str
    breaks: Callable[[World, Random], Truth]


FAULTS: dict[str, Fault] = {}


def fault(group: str, what: str) -> Callable[[Callable[[World, Random], Truth]], Callable[[World, Random], Truth]]:
    """Enter the function below as a fault; its name is the fault's."""

    def entered(breaks: Callable[[World, Random], Truth]) -> Callable[[World, Random], Truth]:
        name = breaks.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, group, what, breaks)
        return breaks

    return entered


def truth(names: str, place: str, services: Sequence[ServiceState] = (), *actions: str) -> Truth:
    return Truth(frozenset(names.split()), place, tuple(each.name for each in services), (*actions, LOOK))


def since(w: World, r: Random, *seconds: int) -> datetime:
    """When it began: seconds, minutes or a good while ago."""
    return w.ago(seconds=r.choice(seconds or (45, 130, 320, 1300)) + r.randint(0, 20))


def no_answer(w: World, r: Random, kind: str = "database") -> str:
    host, port = (w.database_host, 5432) if kind == "database" else (w.cache_host, 6379)
    if kind == "cache":
        return r.choice(
            (
                f"Timeout connecting to server {host}:{port}: timed out",
                f"redis: dial tcp {host}:{port}: i/o timeout",
                f"ERROR the cache can't be reached: Error: connect ETIMEDOUT {host}:{port}",
            )
        )
    return r.choice(
        (
            f'connection to server at "{host}", port {port} failed: timeout expired',
            "database unavailable: connection timeout expired",
            f"ERROR not ready: Error: connect ETIMEDOUT {host}:{port}",
            f"pgx: failed to connect: dial tcp {host}:{port}: i/o timeout",
        )
    )


def refused(w: World, r: Random, kind: str = "database") -> str:
    host, port = (w.database_host, 5432) if kind == "database" else (w.cache_host, 6379)
    what = "postgres" if kind == "database" else "redis"
    return r.choice(
        (
            f'connection to server at "{host}", port {port} failed: Connection refused',
            f"{what}: dial tcp {host}:{port}: connect: connection refused",
            f"ERROR Error: connect ECONNREFUSED {host}:{port}",
        )
    )
