"""Who serves whom, and so the way from a cause to whoever suffers. Pure.

users ← load balancer ← targets of a service ← service ← database, cache, secret, image, another dependency
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from omc.checks.causes.explain import Explained
from omc.checks.causes.places import depth_of, place_of_finding, service_at
from omc.checks.finding import Finding, Level
from omc.config import Environment, Service
from omc.diagnosis.model import Station

WAYS = {
    ("store", "services"): "{service} can't do its work without {root}",
    ("root", "services"): "{service} can't run without it",
    ("traffic", "services"): "{service} gets more requests than it can serve",
    ("aws", "services"): "{service} isn't served by AWS as it needs",
    ("services", "targets"): "its tasks fail the load balancer's health checks, or are missing",
    ("services", "load-balancer"): "the load balancer passes on its failures",
    ("targets", "load-balancer"): "the load balancer answers for targets that don't",
    ("load-balancer", "users"): "users get errors, or nothing",
    ("services", "users"): "users get errors, or nothing",
    ("targets", "users"): "users get errors, or nothing",
}
"""How trouble gets from one place to the next, where nothing was read there."""


def path(explained: Explained, environment: Environment) -> tuple[Station, ...]:
    """From the cause to the symptom nearest to users, by every place between them."""
    cause = explained.cause
    stations = [Station(cause.place, cause.sentence, is_seen=True)]
    service = _service(explained, environment)
    by_place = _by_place(explained)
    end = max((_nearness(place) for place in by_place), default=-1)
    for place in _ways(cause.place, service):
        if _nearness(place) > end and place not in by_place:
            continue
        if place == cause.place:
            continue
        seen = by_place.get(place)
        sentence = seen[0].sentence if seen else _way(stations[-1].place, place, service, cause.subject)
        stations.append(Station(place, sentence, is_seen=bool(seen)))
    return tuple(stations)


def _ways(root: str, service: Service | None) -> Iterator[str]:
    """The places above a root, from below."""
    depth = depth_of(root)
    if service is not None:
        candidates: Sequence[str] = (
            f"services/{service.name}",
            f"targets/{service.target_group}" if service.target_group else "",
            "load-balancer",
            f"users/{service.name}",
        )
    else:
        candidates = ("load-balancer", "users")
    for place in candidates:
        if place and depth_of(place) < depth:
            yield place


def _service(explained: Explained, environment: Environment) -> Service | None:
    """The service along which the path goes: the one that suffers most visibly."""
    cause = explained.cause
    ranked = sorted(explained.symptoms, key=lambda each: depth_of(place_of_finding(each)))
    names = [service_at(place_of_finding(each), environment) for each in ranked]
    names += [service_at(station.place, environment) for station in explained.stations]
    names += [service_at(cause.place, environment), *sorted(cause.services or ())]
    wanted = next((name for name in names if name), "")
    return next((service for service in environment.services if service.name == wanted), None)


def _by_place(explained: Explained) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for symptom in explained.symptoms:
        found.setdefault(place_of_finding(symptom), []).append(symptom)
    for station in explained.stations:
        found.setdefault(station.place, []).append(
            Finding(station.name, station.level, station.subject, station.sentence, place=station.place)
        )
    return {place: sorted(some, key=lambda each: each.level is not Level.FAIL) for place, some in found.items()}


def _nearness(place: str) -> int:
    """How near to users; alarms and logs watch, and lie on no way."""
    order = ("services", "targets", "load-balancer", "users")
    kind = place.partition("/")[0]
    return order.index(kind) if kind in order else -1


def _way(below: str, place: str, service: Service | None, root: str) -> str:
    kind = below.partition("/")[0]
    of = (
        "store"
        if kind in ("database", "cache")
        else kind
        if kind in ("services", "targets", "load-balancer", "traffic", "aws")
        else "root"
    )
    words = WAYS.get((of, place.partition("/")[0]), "it is served by what is before")
    return words.format(service=service.name if service else "a service", root=root)


def reaches_users(symptoms: Iterable[Finding]) -> bool:
    """Whether what users get is among these."""
    return any(place_of_finding(each).partition("/")[0] in ("users", "data-fresh") for each in symptoms)
