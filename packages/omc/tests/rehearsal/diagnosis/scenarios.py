"""Scenarios: one fault, two, or none, in a stack, under a load, with what could not be read; each by a seed of its own
name, so that it is the same in every run. A third is held out, by a hash of the name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.database_log import DatabaseLog, Vacuum
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.last_words import LastWords
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.lock_waits import DatabaseLoad, Wait
from omc.facts.followup.network_acls import NetworkAcls
from omc.facts.followup.rejects import Reject, Rejects
from omc.facts.logs import ErrorGroup
from omc.facts.services import Event
from rehearsal.diagnosis.faults import FAULTS, Fault, Truth
from rehearsal.diagnosis.world import KINDS, World

VARIANTS = 5
"""Of each fault alone."""
PAIRS = 300
HEALTHY = 12
"""Of each way of being healthy."""
OF_THREE = 3
"""One scenario of so many is held out."""
HIDE = {
    frozenset(pair)
    for pair in (
        ("database", "way-to-database"),
        ("cache", "way-to-cache"),
        *(("shut-in", other) for other in ("database", "way-to-database", "cache", "way-to-cache")),
        *((one, other) for one in ("shut-in", "release") for other in ("release-database", "release-cache")),
        *(("release-database", other) for other in ("database", "way-to-database", "release-cache")),
        *(("release-cache", other) for other in ("cache", "way-to-cache")),
        ("entrance", "entrance-shut"),
        *(("keep-alive", other) for other in ("entrance", "entrance-shut", "way-to-tasks")),
        ("entrance", "way-to-tasks"),
        *(("entrance-shut", other) for other in ("release-slow", "targets-deregistered")),
    )
}
"""Groups of faults, or faults of which one hides the other, or undoes it: a stopped database shows no lock."""
ALONE = frozenset({"traffic"})
"""Groups of faults that make no pair: known by the time alone, they are told of what nothing else explains."""
SLOW = 3
"""Seconds from which users call an answer slow."""
STORES, NETWORK = (DataStores, Gauges), (GroupRules, NetworkAcls, Rejects)
READINGS = (*STORES, *NETWORK, DatabaseLoad, DatabaseLog, LastWords, LastWrites)
KNOWN_BY: Mapping[str, tuple[type, ...]] = {
    "database": (*STORES, DatabaseLoad, DatabaseLog),
    "way-to-database": (*NETWORK, *STORES, LastWrites),
    "cache": (*STORES, GroupRules, NetworkAcls),
    "way-to-cache": (*NETWORK, *STORES),
    "release": (LastWords,),
    "release-database": (*STORES, DatabaseLoad, LastWords),
    "release-cache": (*STORES, LastWords, GroupRules, NetworkAcls),
    "tasks": (LastWords,),
    "way-to-tasks": NETWORK,
    "shut-in": (*NETWORK, *STORES),
    "entrance": (),
    "keep-alive": (LastWords,),
    "scaling": (),
    "entrance-shut": NETWORK,
    "exchange": (),
    "traffic": (),
}
"""By group of faults, what they are known by. Anything else may be unread in a scenario."""


Paths = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A world, the truth about each of its faults, and for each the paths that are right."""

    world: World
    truths: tuple[Truth, ...] = ()
    paths: tuple[Paths, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story, and what is true in it."""

    name: str
    sort: str
    """``single``, ``pair``, ``healthy``."""
    make: Callable[[], Case]

    @property
    def is_held_out(self) -> bool:
        return hashlib.sha256(self.name.encode()).digest()[0] % OF_THREE == 0


def scenarios() -> Iterator[Scenario]:
    """All of them, in a fixed order."""
    for fault in FAULTS.values():
        for number in range(VARIANTS):
            yield _single(fault, number)
    couples = [(one, other) for one, other in combinations(FAULTS.values(), 2) if _go_together(one, other)]
    for number, (one, other) in enumerate(Random("pairs, drawn anew").sample(couples, PAIRS)):
        yield _pair(one, other, number)
    for name, change in HEALTHY_WAYS.items():
        for number in range(HEALTHY):
            yield _healthy(name, change, number)


def _go_together(one: Fault, other: Fault) -> bool:
    names = [frozenset((mine, theirs)) for mine in (one.group, one.name) for theirs in (other.group, other.name)]
    is_alone = not ALONE.isdisjoint((one.group, other.group))
    return one.group != other.group and not is_alone and not any(each in HIDE for each in names)


def _world(random: Random, busy: float | None = None) -> World:
    return World(random.choice(KINDS), random, busy=busy or random.choice((0.5, 1.0, 4.0, 25.0)))


def _single(fault: Fault, number: int) -> Scenario:
    name = f"{fault.name}/{number + 1}"

    def make() -> Case:
        world = _world(Random(name))
        true = _break(fault, world, name)
        random = Random(f"{name} around")
        _unread(world, random, fault)
        _noise(world, random)
        return Case(world, (true,), (tuple(_paths(true, world)),))

    return Scenario(name, "single", make)


def _break(fault: Fault, world: World, seed: str) -> Truth:
    """The same fault of the same world, whatever else is broken there."""
    return fault.breaks(world, Random(f"{seed} {fault.name}"))


def _pair(one: Fault, other: Fault, number: int) -> Scenario:
    name = f"{one.name}+{other.name}/{number + 1}"

    def make() -> Case:
        """Of two faults at one service each hides a part of the other: they are made until they are at different ones,
        where there are. The path of each is what it would be alone, or as much of it as can be seen."""
        for attempt in range(12):
            seed = f"{name} {attempt}"
            world = _world(Random(seed))
            truths = tuple(_break(each, world, seed) for each in (one, other))
            own = [each for each in truths if each.place.startswith(("services/", "targets/"))]
            if len({each.place.partition("/")[2] for each in own}) == len(own):
                break
        paths = []
        for each, true in zip((one, other), truths, strict=True):
            alone = _world(Random(seed))
            _break(each, alone, seed)
            paths.append((*_paths(true, alone), *(_paths(true, world) if world.nobody_in else ())))
        _noise(world, Random(f"{name} around"))
        return Case(world, truths, tuple(paths))

    return Scenario(name, "pair", make)


def _paths(truth: Truth, world: World) -> Iterator[tuple[str, ...]]:
    """From the true place over all that is between, to what suffers nearest to users: any service that suffers will
    do."""
    if not truth.services:
        yield (truth.place,)
    if world.nobody_in is not None and truth.place == "load-balancer":
        yield (truth.place, "users")
        return
    for name in truth.services:
        state = world.services[name]
        way = [f"services/{name}", f"targets/{name}", "load-balancer", f"users/{name}"]
        is_ill = any(each.state in ("unhealthy", "gone") for each in state.targets)
        if world.nobody_in is None and (state.share > 0 or state.slow >= SLOW):
            end = 4
        elif state.age > world.environment.thresholds.data_age_seconds and world.nobody_in is None:
            yield (*dict.fromkeys((truth.place, f"services/{name}", f"data-fresh/{name}")),)
            continue
        else:
            end = 2 if is_ill or truth.place.startswith("targets/") else 1
        some = way[way.index(truth.place) if truth.place in way else 0 : end]
        yield (*dict.fromkeys((truth.place, *some)),)


def _unread(world: World, random: Random, fault: Fault) -> None:
    """One reading in some scenarios, of which the fault can be told without."""
    if random.random() < 0.4:
        kind = random.choice([each for each in READINGS if each not in KNOWN_BY[fault.group]])
        world.unread[kind] = f"{kind.__name__} could not be read: AccessDenied."


def _noise(world: World, random: Random) -> None:
    """What every stack has: scans from outside, changes of other things, an error of an hour ago."""
    if random.random() < 0.5:
        world.rejects.append(
            Reject("203.0.113.9", f"{world.kind.network}.1.7", 22, random.randint(1, 90), world.ago(minutes=9))
        )
    if random.random() < 0.5:
        operation = random.choice(("CreateTags", "AuthorizeSecurityGroupIngress", "PutRolePolicy", "PutMetricAlarm"))
        world.writes.append(
            Write(world.ago(minutes=random.randint(3, 50)), operation, "lee", frozenset({"another-stack"}))
        )


# -- healthy


def quiet(world: World, random: Random) -> None:
    """Nothing happens."""


def under_load(world: World, random: Random) -> None:
    """Much traffic: busy, and a few 5xx and errors as at all times."""
    world.requests_a_minute = random.choice((3000.0, 20000.0))
    world.database_gauges["CPUUtilization"] = world.series(*[random.uniform(60, 89) for _ in range(30)])
    world.database_gauges["DatabaseConnections"] = world.series(world.most * 0.7)
    world.load = replace(world.load, counters={**world.load.counters, "db.User.numbackends": world.most * 0.7})
    for each in world.apis:
        each.slow = random.choice((0.1, 0.9))
        each.desired = each.running = random.randint(5, 9)


def well_vacuumed(world: World, random: Random) -> None:
    """Vacuuming left some dead rows, of a large table or of one that nobody works in; transaction ids are no longer
    young."""
    large = Vacuum("app.public.prices", world.ago(minutes=2), random.choice((150_000, 4_000_000)), 30_000)
    other = Vacuum("app.public.archive", world.ago(minutes=3), 60_000, 55_000)
    world.database_log = replace(world.database_log, vacuums=(other, large))
    world.load = replace(world.load, waits=(Wait("CPU", "", "SELECT price FROM prices", random.choice((0.4, 2.0))),))
    world.database_gauges["MaximumUsedTransactionIDs"] = world.series(random.choice((2.1e8, 6e8, 9.9e8)))
    for each in world.apis:
        each.slow = random.choice((0.1, 0.9))


def just_deployed(world: World, random: Random) -> None:
    """A deployment was completed within the last minutes; the old tasks were stopped."""
    service = random.choice(list(world.services.values()))
    world.deploy(service, world.ago(seconds=random.choice((100, 200, 600))), done=True)
    for number in range(service.desired):
        ended = world.ago(seconds=20 + number)
        world.stop(
            service, ended, "Scaling activity initiated by (deployment ecs-svc/1)", "ServiceSchedulerInitiated",
            code=143, started=world.ago(hours=20), revision=service.revision - 1,
        )  # fmt: skip
    service.events.append(Event(world.ago(seconds=15), f"(service {service.name}) has reached a steady state."))


def being_deployed(world: World, random: Random) -> None:
    """A deployment goes on, and well: new tasks beside the old ones."""
    service = random.choice(list(world.services.values()))
    world.deploy(service, world.ago(seconds=random.choice((20, 60, 150))), new=random.choice((0, 1, service.desired)))
    if random.random() < 0.5:
        service.targets = [world.target(service, number) for number in range(service.running)]
        service.targets[-1] = replace(
            service.targets[-1],
            state="initial",
            reason="Elb.RegistrationInProgress",
            description="Target registration is in progress",
        )


def just_scaled_out(world: World, random: Random) -> None:
    """More tasks were asked for, and some of them are starting."""
    service = random.choice(list(world.services.values()))
    before = service.desired
    service.desired = min(9, before + random.randint(1, 5))
    service.running = random.randint(before, service.desired)
    service.pending = service.desired - service.running
    service.targets = [world.target(service, number) for number in range(service.running)]
    if service.running > before:
        service.targets[-1] = replace(service.targets[-1], state="initial", reason="Elb.InitialHealthChecking")


def just_scaled_in(world: World, random: Random) -> None:
    """Fewer tasks are wanted; some still drain."""
    service = random.choice(list(world.services.values()))
    service.targets = [world.target(service, number) for number in range(service.running)]
    service.targets += [
        world.target(service, 90 + number, "draining", "Target.DeregistrationInProgress") for number in range(2)
    ]
    for number in range(2):
        reason = "Scaling activity initiated by (deployment ecs-svc/2)"
        world.stop(
            service,
            world.ago(seconds=50 + number),
            reason,
            "ServiceSchedulerInitiated",
            code=143,
            started=world.ago(hours=2),
        )


def maintained_by_aws(world: World, random: Random) -> None:
    """AWS replaced a task's host, and the task runs again elsewhere."""
    service = random.choice(list(world.services.values()))
    world.stop(
        service, world.ago(minutes=random.randint(3, 40)),
        "ECS is performing maintenance on the underlying infrastructure hosting the task.", "TerminationNotice",
        code=143, started=world.ago(days=3),
    )  # fmt: skip


def with_old_errors(world: World, random: Random) -> None:
    """Errors that ended a good while ago, and nothing since."""
    service = random.choice(world.apis)
    group = next(each.log_group for each in world.environment.services if each.name == service.name)
    line = random.choice(("connection reset by peer", "canceling statement due to statement timeout", "Read timed out"))
    at = world.ago(minutes=random.randint(15, 50))
    world.errors.append(ErrorGroup(group, line, random.randint(1, 5), at, at, line, 1, at))


def with_little_to_read(world: World, random: Random) -> None:
    """Performance Insights, figures of the stores and CloudTrail can't be read; nothing is wrong."""
    for kind in (DatabaseLoad, Gauges, LastWrites):
        world.unread[kind] = f"{kind.__name__} could not be read: AccessDenied."


HEALTHY_WAYS: dict[str, Callable[[World, Random], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        *(quiet, under_load, just_deployed, being_deployed, just_scaled_out, just_scaled_in),
        *(maintained_by_aws, with_old_errors, with_little_to_read, well_vacuumed),
    )
}


def _healthy(name: str, change: Callable[[World, Random], None], number: int) -> Scenario:
    full = f"healthy-{name}/{number + 1}"

    def make() -> Case:
        random = Random(full)
        world = _world(random)
        change(world, random)
        _noise(world, random)
        return Case(world)

    return Scenario(full, "healthy", make)
