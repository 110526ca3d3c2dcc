"""What the maintenance of the database and of the cache has in common: what it is judged by, what waits and would come
along, how it is seen that all works again, and what Terraform must say afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, ClassVar, get_type_hints

from omc.config import Environment
from omc.config.stores import required_cache
from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.backups import Backups
from omc.facts.cache_group import CacheGroup
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.pending import Maintenance, Pending, PendingChange, Waits
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.data_stores import AwaitServices
from omc.model.arguments.ecs import RunTask
from omc.model.plan import Plan, Risk, Step, step
from omc.procedures import preflight
from omc.procedures.backup_inspection import LOGIN
from omc.procedures.backup_tasks import task_of
from omc.procedures.backups import required_instance
from omc.procedures.preconditions.images import MIGRATION
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation
from omc.procedures.preconditions.table import Verb

SERVING_DEADLINE = 1800.0
CONNECTING_DEADLINE = 900.0
CONNECT = (
    LOGIN
    + r"""
until = time.monotonic() + 120
while True:
    try:
        with psycopg.connect(connect_timeout=10, application_name="omc-database") as db:
            version, = db.execute("SHOW server_version").fetchone()
            standby, = db.execute("SELECT pg_is_in_recovery()").fetchone()
            db.execute("CREATE TEMPORARY TABLE omc_writes AS SELECT 1 AS one")
        break
    except psycopg.OperationalError:
        if time.monotonic() > until:
            raise
        time.sleep(2)
print("OMC-RESULT " + json.dumps({"version": version, "read_only": standby}), flush=True)
""".rstrip()
)
"""A login with the password of now, as the migration does it, and something written."""


# -- what each plan is judged by ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ongoing(ABC):
    """What goes on beside the change: a planner of a store takes this one value, see ``takes_ongoing``."""

    verb: ClassVar[Verb]
    store: ClassVar[str]
    environment: Environment
    scope: Scope
    services: Services
    alarms: Alarms
    incidents: OpenIncidents
    active: ActiveRun
    pending: Pending

    @property
    @abstractmethod
    def name(self) -> str:
        """The store's."""

    @property
    @abstractmethod
    def status(self) -> str:
        """As AWS has it."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What another plan would be made of, were it different."""

    def waiting(self, *waits: Waits) -> tuple[PendingChange, ...]:
        """What waits at the store for one of these, and comes along."""
        return tuple(
            each
            for each in self.pending.changes
            if each.resource.startswith(f"the {self.store} ") and each.waits in waits
        )

    def announced(self, wanted: str, what: str) -> list[Maintenance]:
        """What AWS has announced of the store: the one that is named, or all. ``what``: what AWS calls it."""
        there = [each for each in self.pending.maintenance if each.resource.startswith(f"the {self.store} ")]
        named = [each for each in there if each.name]
        if not named:
            raise NothingToDo(f"AWS has announced no {what} of {self.name}.")
        if not (chosen := [each for each in named if wanted in ("", each.name)]):
            names = ", ".join(each.name for each in named)
            raise WrongUse(f"AWS has announced no {wanted} of {self.name}; it has announced {names}.")
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Database(Ongoing):
    """The database, and what goes on beside its change."""

    verb: ClassVar[Verb] = Verb.DATABASE
    store: ClassVar[str] = "database"
    backups: Backups
    definitions: Definitions

    @property
    def name(self) -> str:
        return self.environment.database

    @property
    def instance(self) -> Mapping[str, Any]:
        """``Refused`` where there is none of the name."""
        return required_instance(self.backups, self.environment)

    @property
    def status(self) -> str:
        return str(self.instance["DBInstanceStatus"])

    @property
    def identity(self) -> dict[str, Any]:
        return {"instance": self.instance["DbiResourceId"]}

    @property
    def has_standby(self) -> bool:
        return bool(self.instance.get("MultiAZ"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache(Ongoing):
    """The cache, and what goes on beside its change."""

    verb: ClassVar[Verb] = Verb.CACHE
    store: ClassVar[str] = "cache"
    cache: CacheGroup

    @property
    def name(self) -> str:
        return self.environment.cache

    @property
    def record(self) -> Mapping[str, Any]:
        """``Refused`` where there is no replication group of the name, or a serverless cache."""
        required_cache(self.environment)
        if self.cache.record is None:
            raise Refused(f"There is no replication group {self.name} in {self.environment.region}.")
        return self.cache.record

    @property
    def status(self) -> str:
        return str(self.record["Status"])

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "group": self.record.get("ARN", self.name),
            "members": sorted(each.name for each in self.cache.members),
            "primary": self.cache.primary,
            "node_type": self.record.get("CacheNodeType", ""),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """How it is seen afterwards that all works again."""

    steps: tuple[Step, ...] = ()
    objections: Mapping[str, Sequence[Objection]] = field(default_factory=dict)
    """What is objected where it can't be seen."""


NO_CHECK = Check()


def takes_ongoing(planner: Callable[..., Plan]) -> Callable[..., Plan]:
    """From a planner with a parameter ``now``, a ``Database`` or a ``Cache``, to one whose parameters are that value's
    fields: each is read, or spared, as a fact of its own."""
    hints = get_type_hints(planner)
    kind = hints.pop("now")
    parts = {each.name: hint for each in fields(kind) if (hint := get_type_hints(kind)[each.name])}

    @wraps(planner)
    def planned_from(request: Any, **facts: Any) -> Plan:
        now = kind(**{name: facts.pop(name) for name in parts})
        return planner(request, now, **facts)

    taken = hints | parts
    back = taken.pop("return")
    planned_from.__annotations__ = taken | {"return": back}
    planned_from.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=hint) for name, hint in taken.items()],
        return_annotation=back,
    )
    return planned_from


def planned(
    procedure: str,
    request: Any,
    now: Ongoing,
    *,
    title: str,
    steps: Iterable[Step],
    interruption: str = "",
    calm: str = "none.",
    along: Sequence[PendingChange] = (),
    notes: Iterable[str] = (),
    preconditions: Mapping[str, Any] | None = None,
    after: Check = NO_CHECK,
    objections: Mapping[str, Iterable[Objection]] | None = None,
    refusals: Iterable[str] | None = None,
    risk: Risk = Risk.HIGH,
) -> Plan:
    """The plan of a change of a store.

    ``interruption``: what users are without, as a sentence; where there is none, ``calm`` says so. ``along``: what
    waits and comes along, which may interrupt where nothing else does. ``refusals``: the store's own; None: those of a
    store that isn't available. ``after``: how it is seen that all works again.
    """
    environment = now.environment
    if along and not interruption:
        interruption = f"What waits for {now.name} is applied along, and may interrupt it: {'; '.join(texts(along))}."
    situation = Situation(
        environment=environment,
        scope=now.scope,
        work=tuple(OngoingWork(service) for service in now.services.services if service.status == "ACTIVE"),
        services=now.services,
        alarms=now.alarms,
        incidents=now.incidents,
        active=now.active,
        interruption=interruption,
    )
    found = preflight.examine(now.verb, situation, request.override, {**after.objections, **(objections or {})})
    return Plan(
        procedure=procedure,
        environment=environment.name,
        request=asdict(request),
        title=title,
        risk=risk,
        steps=(*steps, *after.steps),
        preconditions={**now.identity, **(preconditions or {}), "comes_along": texts(along)},
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption or calm}",),
            comes_along(along),
            notes,
        ),
        refusals=(*found.refusals, *(busy(now) if refusals is None else refusals)),
        undo_on_failure=False,
    )


# -- what waits -----------------------------------------------------------------------------------------------------


def comes_along(changes: Sequence[PendingChange]) -> Iterator[str]:
    """A note for each."""
    for change in changes:
        why = "it is restarted" if change.waits is Waits.REBOOT else "it is applied immediately"
        by = f" (asked for by {change.author.who})" if change.author.at else ""
        yield f"It waits already, and comes along since {why}: {_text(change)}{by}."


def _text(change: PendingChange) -> str:
    return f"{change.difference.path} {change.difference.before} → {change.difference.after}"


def texts(changes: Sequence[PendingChange]) -> list[str]:
    """For a plan's preconditions: another one is another plan."""
    return sorted(_text(change) for change in changes)


def also_waiting(now: Ongoing) -> Iterator[str]:
    """A note of what waits and doesn't come along."""
    if found := texts(now.waiting(Waits.WINDOW, Waits.REBOOT)):
        yield f"It waits already, and goes on waiting: {'; '.join(found)}."


def busy(now: Ongoing, *allowed: str) -> tuple[str, ...]:
    """A refusal where AWS would take no change now."""
    if now.status in (allowed or ("available",)):
        return ()
    return (f"The {now.store} {now.name} is {now.status}, and AWS takes no change of it now. Wait, then ask again.",)


# -- whether it works again -----------------------------------------------------------------------------------------


def serves_again(now: Ongoing) -> Check:
    """A step that waits for every service that is wanted; none where none is."""
    names = tuple(each.name for each in now.services.services if each.status == "ACTIVE" and each.desired)
    if not names:
        return NO_CHECK
    wait = AwaitServices(services=names, settle_seconds=now.environment.settle_seconds)
    title = f"Wait until {' and '.join(names)} serve, and stay so"
    return Check((step("services", wait, title=title, deadline=SERVING_DEADLINE),))


def works_again(now: Database) -> Check:
    """A login and a write of a task of its own, where one can run, and the services; else an objection."""
    services = serves_again(now).steps
    try:
        place = task_of(now.environment, now.services, now.definitions)
    except Refused as error:
        return Check(services, {MIGRATION: [Objection(f"{error.message} So no new connection is tried.")]})
    task = RunTask(
        task_definition=place.definition.name,
        container=place.service.container,
        command=("python", "-c", CONNECT),
        network=place.running.network,
        launch=place.running.launch,
        cluster=place.service.cluster,
        what="a new connection to the database",
        answers=True,
    )
    title = "Connect to the database anew, in a task of its own, and write"
    return Check((step("connect", task, title=title, deadline=CONNECTING_DEADLINE), *services))


# -- Terraform ------------------------------------------------------------------------------------------------------


def terraform_root(environment: Environment) -> str:
    """The file in which the environment's sizes stand."""
    name = "staging" if environment.is_local else environment.name
    return f"infrastructure/terraform/environments/{name}/main.tf"


def terraform(environment: Environment, lines: str, where: str = "") -> str:
    """What must stand in Terraform's files, so that its next plan is empty."""
    place = where or terraform_root(environment)
    return f"Terraform must say the same, or the next apply takes it back. In {place}: {lines}."


def joined(*parts: Iterable[str]) -> tuple[str, ...]:
    """Notes, each once."""
    return tuple(dict.fromkeys(note for part in parts for note in part if note))
