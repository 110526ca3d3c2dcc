"""Who serves whom, and so the way from a cause to whoever suffers. Pure.

users ← load balancer ← targets of a service ← service ← database, cache, secret, image, another dependency
        old data ← service
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
WELL_TARGETS = "its tasks pass the load balancer's health checks, and what it sends them fails or is slow"
Reporting = Mapping[str, Sequence[str]]
NOBODY: Reporting = {}
ALL_USERS = "users"
"""The place of what keeps everybody out."""


def path(explained: Explained, environment: Environment, reporting: Reporting = NOBODY) -> tuple[Station, ...]:
    """From the cause to the symptom nearest to users, by every place between them.

    ``reporting``: by place, the services whose status pages or logs report it."""
    cause = explained.cause
    service = _service(explained, environment, reporting)
    seen = _seen(explained, service, environment)
    stations = [Station(cause.place, cause.sentence, is_seen=True)]
    for place in _way(cause.place, service, seen, reporting):
        found = seen.get(place, ())
        sentence = found[0].sentence if found else _words(stations[-1].place, place, service, cause.subject)
        if not found and place.startswith("targets/") and cause.checks is not None and "targets" not in cause.checks:
            sentence = WELL_TARGETS
        stations.append(Station(found[0].place if found else place, sentence, is_seen=bool(found)))
    return tuple(stations)


def _way(root: str, service: Service | None, seen: Mapping[str, object], reporting: Reporting) -> Sequence[str]:
    """The places above a root, from below, up to the one nearest to users that suffers."""
    if service is None or (ALL_USERS in seen and root == "load-balancer"):
        above = ["load-balancer", ALL_USERS]
    else:
        above = [
            f"services/{service.name}",
            *([f"targets/{service.name}"] if service.target_groups else []),
            "load-balancer",
            f"users/{service.name}",
        ]
    above = [place for place in above if depth_of(place) < depth_of(root)]
    ends = [at for at, place in enumerate(above, 1) if place in seen]
    if service is not None and service.name in reporting.get(root, ()):
        ends.append(1)
    end = max(ends, default=0)
    is_old = service is not None and f"data-fresh/{service.name}" in seen
    if service is not None and is_old and not (end and above[end - 1].startswith("users")):
        return [*(place for place in above[:1] if place.startswith("services/")), f"data-fresh/{service.name}"]
    return above[:end]


def _service(explained: Explained, environment: Environment, reporting: Reporting) -> Service | None:
    """The service along which the path goes: the one that suffers most visibly."""
    cause = explained.cause
    names = [
        service_at(place_of_finding(each), environment)
        for some in (explained.symptoms, explained.shared)
        for each in sorted(some, key=lambda one: depth_of(place_of_finding(one)))
    ]
    names += [service_at(station.place, environment) for station in explained.stations]
    names += [service_at(cause.place, environment), *sorted(cause.services or ()), *reporting.get(cause.place, ())]
    wanted = next((name for name in names if name), "")
    return next((service for service in environment.services if service.name == wanted), None)


def _seen(explained: Explained, service: Service | None, environment: Environment) -> dict[str, list[Finding]]:
    """What was found ill, by the places that paths are made of. A service's log and its task's words are the service's;
    its target group is called by its name. Alarms watch, and lie on no way."""
    found: dict[str, list[Finding]] = {}
    stations = [
        Finding(each.name, each.level, each.subject, each.sentence, place=each.place) for each in explained.stations
    ]
    its_services = [each for each in explained.shared if service_at(place_of_finding(each), environment)]
    for finding in (*explained.symptoms, *its_services, *stations):
        place = place_of_finding(finding)
        kind, name = place.partition("/")[0], service_at(place, environment)
        kind = "services" if kind == "logs" else kind
        if name and service is not None and name == service.name:
            found.setdefault(f"{kind}/{name}", []).append(replace(finding, place=_own(place, kind, name)))
        elif place in ("load-balancer", ALL_USERS):
            found.setdefault(place, []).append(replace(finding, place=place))
    return {place: sorted(some, key=_telling) for place, some in found.items()}


def _own(place: str, kind: str, name: str) -> str:
    return place if place.startswith(f"{kind}/") else f"{kind}/{name}"


def _telling(finding: Finding) -> tuple[bool, bool]:
    return finding.level is not Level.FAIL, finding.check == "recent-errors"


def _words(below: str, place: str, service: Service | None, root: str) -> str:
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
