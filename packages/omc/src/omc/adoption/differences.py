"""Where omc.toml and AWS differ in names, limits and targets: what the file says and in which line, what AWS has, and
what to write. Pure.

What couldn't be read makes no difference: it is ``unknown``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from omc.adoption.grouping import Group
from omc.adoption.judgement import (
    SCALING_KEYS,
    Judged,
    Value,
    alarms_about,
    balancers_of,
    judge,
    listed,
    service_values,
)
from omc.adoption.model import Found, FoundService, group_name
from omc.adoption.toml_text import Plain, literal
from omc.config import Environment, Service, Stack
from omc.config.toml_lines import line_of
from omc.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that says something else than AWS."""

    path: tuple[str, ...]
    """Where it is to be written: ``("services", "api", "minimum")``."""
    line: int
    """Of the file, where the key stands now, else the table that it would stand in."""
    says: str
    """What the file comes to."""
    has: str
    """What AWS has."""
    write: Plain | None
    """What to write; None where that is for a person to decide."""
    note: str = ""

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def advice(self) -> str:
        """What to write, as the file would have it."""
        if self.write is None:
            return self.note or "decide by hand"
        return f"{self.path[-1]} = {literal(self.write)}"


@dataclass(slots=True)
class Compared:
    """An environment of the file beside what AWS has of it."""

    environment: str
    differences: list[Difference] = field(default_factory=list)
    unnamed: list[FoundService] = field(default_factory=list)
    """Services in its clusters that the file doesn't name, in no environment."""
    unknown: list[str] = field(default_factory=list)
    """Sentences: what couldn't be read."""


@dataclass(slots=True)
class _Comparison:
    stack: Stack
    environment: Environment
    found: Found
    text: str
    data: dict[str, Any]
    judged: Judged
    differences: list[Difference]

    def add(self, key: str, says: object, has: str, write: Plain | None, note: str = "", service: str = "") -> None:
        path = self._path(key, service)
        shown = "nothing" if says in (None, "", ()) else literal(_plain(says))
        self.differences.append(Difference(path, self._line(key, service), shown, has, write, note))

    def _places(self, key: str, service: str) -> list[tuple[str, ...]]:
        own = ("environments", self.environment.name)
        if not service:
            return [(*own, key)]
        return [(*own, "services", service, key), ("services", service, key)]

    def _path(self, key: str, service: str) -> tuple[str, ...]:
        """Where it stands already, if for this environment alone; else where it counts for this one alone."""
        here, *everywhere = self._places(key, service)
        if not everywhere or _has(self.data, here) or len(self.stack.environments) > 1:
            return here
        return everywhere[0]

    def _line(self, key: str, service: str) -> int:
        places = self._places(key, service)
        there = next((place for place in places if _has(self.data, place)), places[-1])
        return line_of(self.text, there)


def compare(stack: Stack, text: str, environment: Environment, found: Found) -> Compared:
    """``text`` is the file's, for its lines."""
    named = {(each.cluster, each.ecs_service): each for each in environment.services}
    services = {(each.cluster, each.name): each for each in found.services}
    group = Group(
        stack.name,
        environment.name,
        environment.name,
        "",
        {each.name: services[place] for place, each in named.items() if place in services},
    )
    judged = judge(found, group) if group.services else Judged(group)
    comparison = _Comparison(stack, environment, found, text, tomllib.loads(text), judged, [])
    _environment(comparison)
    everywhere = {(each.cluster, each.ecs_service) for one in stack.environments.values() for each in one.services}
    own_clusters = {environment.cluster, *(each.cluster for each in environment.services)}
    unnamed = [each for place, each in services.items() if place not in everywhere and each.cluster in own_clusters]
    for place, service in named.items():
        if place in services:
            _service(comparison, service, services[place])
        else:
            _missing(comparison, service, [each.name for each in unnamed])
    return Compared(
        environment.name,
        comparison.differences,
        unnamed,
        [f"{gap.what[0].upper()}{gap.what[1:]}: {gap.why}" for gap in found.gaps],
    )


def _missing(comparison: _Comparison, service: Service, unnamed: Sequence[str]) -> None:
    clusters = {each.name for each in comparison.found.clusters}
    if service.cluster not in clusters:
        return  # the cluster's difference says so
    near = [name for name in unnamed if name.endswith(f"-{service.name}") or name == service.name]
    write = near[0] if len(near) == 1 else None
    has = f"no service {service.ecs_service} in cluster {service.cluster}"
    if not unnamed:
        note = "leave the service out, or set absent = true"
    else:
        note = f"ECS has {listed(unnamed)}, which the file doesn't name"
    comparison.add("ecs_service", service.ecs_service, has, write, note, service.name)


def _environment(comparison: _Comparison) -> None:
    environment, found, wanted = comparison.environment, comparison.found, comparison.judged.environment
    clusters = [each.name for each in found.clusters]
    for cluster in dict.fromkeys([environment.cluster, *(each.cluster for each in environment.services)]):
        used = [each.name for each in environment.services if each.cluster == cluster]
        if cluster not in clusters and (used or not environment.services):
            note = f"name the cluster in which {listed(used)} run" if used else "name the cluster"
            comparison.add("cluster", cluster, f"no cluster {cluster} in {found.region}", None, note)
    _store(comparison, "database", ("database", "instance"), ("database_cluster", "cluster"))
    _store(comparison, "cache", ("cache", "group"), ("cache_serverless", "serverless"))
    _balancer(comparison)
    own = alarms_about(found, comparison.judged)
    if own and not any(each.name.startswith(environment.alarm_prefix) for each in found.alarms):
        judged = wanted.get("alarm_prefix")
        has = f"no alarm that begins with it; {listed([each.name for each in own[:3]])} are about its services"
        note = "" if judged else "they have no prefix of their own"
        comparison.add("alarm_prefix", environment.alarm_prefix, has, judged.value if judged else None, note)


def _store(comparison: _Comparison, what: str, *keys: tuple[str, str]) -> None:
    """A database or a cache, under whichever of two keys it is named."""
    environment, found, wanted = comparison.environment, comparison.found, comparison.judged.environment
    if found.lacks(f"{what}s"):
        return
    stores = found.databases if what == "database" else found.caches
    proposed = next(((key, wanted[key]) for key, _ in keys if key in wanted and wanted[key].value), None)
    written = [(key, kind, getattr(environment, key)) for key, kind in keys if getattr(environment, key)]
    for key, kind, name in written:
        of_kind = [each.name for each in stores if each.kind == kind]
        if name in of_kind or (kind == "serverless" and found.lacks("serverless caches")):
            continue
        others = [f"{each.name} ({each.kind})" for each in stores]
        has = f"no {what} {kind} {name}"
        has += f"; there {'is' if len(others) == 1 else 'are'} {listed(others)}" if others else ""
        if proposed and proposed[0] == key:
            comparison.add(key, name, has, proposed[1].value, proposed[1].note)
        elif proposed:
            comparison.add(key, name, has, "", "the other key names it")
            comparison.add(proposed[0], "", f"the {what} {proposed[1].value}", proposed[1].value, proposed[1].note)
        elif key == keys[0][0] and not others:
            comparison.add(key, name, has, "", "there is none")
        else:
            comparison.add(key, name, has, None, did_you_mean(name, of_kind).strip() or f'{key} = "" if it has none')
    if not written and proposed and " names it" in proposed[1].note:
        key, value = proposed
        comparison.add(key, "", f"the {what} {value.value}, and {value.note}", value.value, value.note)


def _balancer(comparison: _Comparison) -> None:
    environment, found = comparison.environment, comparison.found
    if found.lacks("load balancers") or found.lacks("target groups"):
        return
    own = [each.name for each in balancers_of(found, comparison.judged.group.services.values())]
    names = [each.name for each in found.balancers]
    named = environment.load_balancer
    if not environment.has_load_balancer:
        if own:
            comparison.add("load_balancer", "", f"{listed(own)}, which leads to its services", own[0])
        return
    if named is None:
        prefix = environment.prefix
        fitting = [name for name in names if name == prefix or name.startswith(f"{prefix}-")]
        if fitting and (not own or set(own) & set(fitting)):
            return
        has = "none of that name" if not fitting else f"{listed(fitting)}, which lead to none of its services"
        says = f"{prefix}, {prefix}-…"
    else:
        if named in names and (not own or named in own):
            return
        has = f"{named}, which leads to none of its services" if named in names else f"no load balancer {named}"
        says = named
    write: Plain | None = own[0] if own else None if comparison.judged.group.services == {} else ""
    note = f"leads to its services: {listed(own)}" if own else "no service is behind one"
    comparison.add("load_balancer", says, has, write, note)


def _service(comparison: _Comparison, service: Service, found: FoundService) -> None:
    for key, says, has, write, note in _of_service(comparison.found, service, found):
        comparison.add(key, says, has, write, note, service.name)


_Line = tuple[str, object, str, Plain | None, str]


def _of_service(found: Found, service: Service, there: FoundService) -> Iterator[_Line]:
    values = service_values(found, there)
    if there.family and there.family != service.family:
        yield "family", service.family, literal(there.family), there.family, ""
    by_name = {each.name: each for each in there.containers}
    container = by_name.get(service.container)
    if by_name and container is None:
        yield "container", service.container, listed(by_name), values["container"].value, ""
        container = there.serving
    if container and container.log_group and container.log_group != service.log_group:
        yield "log_group", service.log_group, literal(container.log_group), container.log_group, ""
    yield from _ports(service, there)
    groups = tuple(dict.fromkeys(group_name(arn) for arn, _, _ in there.targets))
    if set(groups) != set(service.target_groups):
        shown = listed(groups) if groups else "none"
        yield "target_group", service.target_groups, shown, groups[0] if len(groups) == 1 else list(groups), ""
    if not found.lacks("autoscaling"):
        yield from _limits(found, service, there, values)


def _ports(service: Service, there: FoundService) -> Iterator[_Line]:
    container = next((each for each in there.containers if each.name == service.container), there.serving)
    if container is None:
        return
    ports = dict.fromkeys([*(port for _, name, port in there.targets if name == container.name), *container.ports])
    if service.port is None and there.targets:
        yield "port", None, listed(map(str, ports)), there.port, "its target group sends requests there"
    elif service.port is not None and service.port not in ports:
        shown = listed(map(str, ports)) if ports else f"no port of {container.name}"
        yield "port", service.port, shown, next(iter(ports), None), "" if ports else "leave port out"


def _limits(found: Found, service: Service, there: FoundService, values: dict[str, Value]) -> Iterator[_Line]:
    scaling = found.scaling(there)
    says = {key: getattr(service, key) for key in SCALING_KEYS}
    if scaling is None:
        if says["minimum"] is not None:
            note = "leave minimum, maximum and the targets out: nothing scales it"
            yield "minimum", says["minimum"], "no autoscaling", None, note
        return
    has = {"minimum": scaling.minimum, "maximum": scaling.maximum}
    has |= {key: values[key].value for key in ("cpu_target", "memory_target") if key in values}  # type: ignore[misc]
    for key in SCALING_KEYS:
        if says[key] == has.get(key):
            continue
        if key not in has:
            if says[key] is not None:
                yield key, says[key], f"no such target; scaled by {listed(scaling.others) or 'nothing'}", None, ""
        elif says["minimum"] is None and "cpu_target" not in has:
            continue  # omc.toml has no keys for limits without a target for CPU
        else:
            yield key, says[key], str(has[key]), has[key], values[key].note if key in values else ""


def _has(data: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return False
        data = data[name]
    return True


def _plain(value: object) -> Plain:
    if isinstance(value, tuple | list):
        return [str(each) for each in value]
    return value if isinstance(value, str | int | float | bool) else str(value)
