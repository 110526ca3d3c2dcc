"""How many connections the services' pools may take together, by the settings that their revisions name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from omc.checks.causes.model import Situation, reading_of
from omc.checks.finding import Evidence
from omc.facts.followup.last_words import LastWords
from omc.facts.services import Services

_SIZE = re.compile(
    r"\w*POOL_?(?:MAX_?)?SIZE|\w*MAX_POOL\w*|\w*POOL_?MAX|\w*POOL_MAX_?(?:CONNECTIONS|CONNS|SIZE)", re.IGNORECASE
)
_OVERFLOW = re.compile(r"\w*MAX_?OVERFLOW", re.IGNORECASE)
_WORKERS = re.compile(r"WEB_CONCURRENCY|\w*WORKERS|\w*_PROCESSES", re.IGNORECASE)
_OF_OTHERS = re.compile(r"REDIS|VALKEY|CACHE|HTTP|THREAD|GRPC|KAFKA|MIN", re.IGNORECASE)
"""Pools of something else, and the least of one."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Of all services that name one."""

    total: int
    sentence: str
    evidence: tuple[Evidence, ...]


def pools_of(situation: Situation) -> Pools | None:
    """Tasks that run now, each with its processes, each with its pool; None where no revision names a pool."""
    words, services = situation.fact(LastWords), situation.fact(Services)
    total, parts, evidence = 0, [], []
    for service in services.services if words and services else ():
        of_service = 0
        for deployment in service.deployments:
            revision = words.revisions.get(deployment.task_definition) if words else None
            for container, variables in revision.variables.items() if revision else ():
                each, how = _of_process(variables)
                if each and deployment.running:
                    of_service += each * deployment.running
                    text = f"{deployment.running} tasks of {deployment.task_definition}, {container}: {how}"
                    evidence.append(Evidence(text, reading_of(words)))
        if of_service:
            total += of_service
            parts.append(f"{service.name}'s pools may take {of_service}")
    return Pools(total, " and ".join(parts), tuple(evidence)) if total else None


def _of_process(variables: Mapping[str, str]) -> tuple[int, str]:
    """Connections that one task's pools may take, and by which settings."""

    def named(pattern: re.Pattern[str]) -> tuple[int, str]:
        for name, value in sorted(variables.items()):
            if pattern.fullmatch(name) and not _OF_OTHERS.search(name) and re.fullmatch(r"\d{1,5}", value):
                return int(value), f"{name} {value}"
        return 0, ""

    size, first = named(_SIZE)
    over, also = named(_OVERFLOW)
    workers, number = named(_WORKERS)
    how = " and ".join(each for each in (first, also, number) if each)
    return ((size + over) * max(workers, 1), how) if size else (0, "")
