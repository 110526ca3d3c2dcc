"""Where what is found is not what should be there, with what omc itself changed for a while and who changed the rest.

Two further readings, and only where something deviates: omc's own record, and a few questions to CloudTrail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.expected import Thing
from omc.facts.expected_kinds import KINDS, Field
from omc.facts.found import Found
from omc.facts.home import require_own_record
from omc.facts.services import Services
from omc.facts.temporary import Temporary, read_temporary
from omc.facts.terraform_values import group_name
from omc.facts.trail import NOBODY, Author, Trail
from omc.store.location import StoreLocation

SCALED = frozenset({"aws_appautoscaling_target", "aws_ecs_service"})
"""Types of which omc changes something for a while."""
ORDER = {kind.type: number for number, kind in enumerate(KINDS)}
LOOKUPS = 3
"""So many operations are looked up in CloudTrail, which answers two questions a second."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One value that is not what it should be."""

    field: Field
    expected: Any
    found: Any
    is_weaker: bool
    """Whether the change does the harm that its field names."""

    @property
    def label(self) -> str:
        return self.field.label


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is gone, or not as it should be."""

    thing: Thing
    """As it should be."""
    is_missing: bool = False
    changes: tuple[Changed, ...] = ()
    with_it: tuple[str, ...] = ()
    """What is gone because this is gone: ``the listener's rule for …``."""
    author: Author = NOBODY


@dataclass(frozen=True, slots=True)
class Count:
    """How many tasks a service wants, and how many it should want at least."""

    service: str
    desired: int
    minimum: int


@dataclass(frozen=True, slots=True)
class Deviations:
    """All of it."""

    every: tuple[Deviation, ...] = ()
    counts: tuple[Count, ...] = ()
    """Services that want fewer tasks than their minimum."""
    temporary: Temporary = field(default_factory=Temporary)
    """What omc changed for a while; read only where it may explain something."""
    reading: Reading = NO_READING


@reads
def read_deviations(
    aws: Gateway, environment: Environment, place: StoreLocation, found: Found, services: Services | None
) -> Deviations:
    """Compares; asks more only where there is something to ask about."""
    every = deviations(found, _in_pairs(services))
    counts = counts_below(found, services, environment) if services else ()
    may_be_ours = bool(counts) or any(one.thing.type in SCALED for one in every)
    return Deviations(
        every=_with_authors(aws, every),
        counts=counts,
        temporary=_temporary(aws, place) if may_be_ours else Temporary(),
    )


def deviations(found: Found, in_pairs: frozenset[str] = frozenset()) -> tuple[Deviation, ...]:
    """What is wanted and not found, or found to be different; what is gone with something else is reported there.

    ``in_pairs`` are target groups between which a deployment moves requests: what leads to them changes by itself.
    """
    unknown = {kind for one in found.not_listed for kind in one.types}
    there: dict[tuple[str, Any], Thing] = {
        (thing.type, key): thing for thing in found.things for key in reversed(thing.keys)
    }
    gone: dict[tuple[str, Any], Thing] = {}
    every: list[Deviation] = []
    for thing in found.wanted:
        if thing.type in unknown:
            continue
        same = next((there[thing.type, key] for key in thing.keys if (thing.type, key) in there), None)
        if same is None and not thing.is_optional:
            gone |= {(thing.type, key): thing for key in thing.keys}
            every.append(Deviation(thing, is_missing=True))
        elif same is not None and (changes := tuple(_changes(thing, same, in_pairs))):
            every.append(Deviation(thing, changes=changes))
    return _folded(sorted(every, key=lambda one: ORDER[one.thing.type]), gone)


def _changes(expected: Thing, found: Thing, in_pairs: frozenset[str]) -> Iterable[Changed]:
    record = {**found.values, "_names": expected.values.get("_names", {})}
    for one in expected.kind.fields:
        old, new = one.of(expected.values), one.of(record)
        if old is None or new is None or old == new:
            continue
        if in_pairs and any(group in f"{old} {new}" for group in in_pairs):
            continue
        yield Changed(one, old, new, one.weaker(expected.values, record))


def _folded(every: list[Deviation], gone: Mapping[tuple[str, Any], Thing]) -> tuple[Deviation, ...]:
    """What goes with something that is gone too is told by that."""
    children: dict[int, list[str]] = {}
    kept: list[Deviation] = []
    for one in every:
        parent = _lost_with(one.thing, gone) if one.is_missing else None
        if parent is None:
            kept.append(one)
        else:
            children.setdefault(id(parent), []).append(f"{one.thing.kind.noun} {one.thing.name}")
    return tuple(replace(one, with_it=tuple(children.get(id(one.thing), ()))) for one in kept)


def _lost_with(thing: Thing, gone: Mapping[tuple[str, Any], Thing]) -> Thing | None:
    """The outermost thing that is gone, of those that this one belongs to."""
    found, parent = None, thing.kind.parent(thing.values)
    while parent and (above := gone.get(parent)):
        found, parent = above, above.kind.parent(above.values)
    return found


def counts_below(found: Found, services: Services, environment: Environment) -> tuple[Count, ...]:
    """By the limits that should be there; those of omc.toml for a service that has none."""
    minimums = {service.name: service.minimum or 0 for service in environment.services}
    for thing in found.wanted:
        if thing.type == "aws_appautoscaling_target":
            where, _, name = str(thing.values.get("resource_id")).removeprefix("service/").partition("/")
            if own := environment.service_in(where, name):
                minimums[own.name] = int(thing.values.get("min_capacity") or 0)
    return tuple(
        Count(service.name, service.desired, minimums.get(service.name, 0))
        for service in services.services
        if service.status == "ACTIVE"
        and service.scheduling == "REPLICA"
        and service.desired < minimums.get(service.name, 0)
    )


def _in_pairs(services: Services | None) -> frozenset[str]:
    """Names of the target groups of services that are deployed by moving requests from one group to another."""

    if services is None:
        return frozenset()
    arns: set[str] = set()
    for service in services.services:
        if service.alternates or service.controller != "ECS":
            arns |= {*service.target_groups, *service.alternates, *service.alternates.values()}
    return frozenset(group_name(arn) for arn in arns)


def _temporary(aws: Gateway, place: StoreLocation) -> Temporary:
    """Where nothing was ever kept, nothing was changed for a while."""
    if not place.exists:
        return Temporary()
    from omc.store.database import open_store

    try:
        with open_store(place) as store:
            require_own_record(store, aws)
            return read_temporary(store, aws.environment)
    except OmcError as error:
        return Temporary(unknown=error.message)


def _with_authors(aws: Gateway, every: tuple[Deviation, ...]) -> tuple[Deviation, ...]:
    """Of the first few, the newest call that could have made it."""
    trail, looked_up = Trail(aws), set[str]()

    def named(one: Deviation) -> Deviation:
        kind = one.thing.kind
        events = kind.events[:1] if one.is_missing else kind.events[1:]
        if not events or len(looked_up | set(events)) > LOOKUPS:
            return one
        looked_up.update(events)
        return replace(one, author=trail.author(events, kind.mention(one.thing.values)))

    return tuple(named(one) for one in every)
