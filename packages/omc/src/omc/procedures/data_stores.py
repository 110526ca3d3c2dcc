"""What the maintenance of the database and of the cache has in common: what it is judged by, what waits and would come
along, how it is seen that all works again, and what Terraform must say afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from omc.config import Environment
from omc.errors import Refused
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.pending import Pending, PendingChange, Waits
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.model.arguments.data_stores import AwaitServices
from omc.model.arguments.ecs import RunTask
from omc.model.plan import Step, step
from omc.procedures import preflight
from omc.procedures.backup_tasks import Task, task_of
from omc.procedures.preconditions.images import MIGRATION
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation
from omc.procedures.preconditions.table import Verb

SERVING_DEADLINE = 1800.0
CONNECTING_DEADLINE = 900.0
CONNECT = r"""
import json, os, time
import psycopg
for to, of in zip("HOST PORT DATABASE USER PASSWORD SSLMODE".split(), "SERVER PORT DB USER PASSWORD SSLMODE".split()):
    if "POSTGRES_" + of in os.environ:
        os.environ["PG" + to] = os.environ["POSTGRES_" + of]
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
""".strip()
"""A login with the password of now, as the migration does it, and something written."""


def examined(
    verb: Verb,
    override: str,
    environment: Environment,
    scope: Scope,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
    interruption: str,
    own: Mapping[str, Iterable[Objection]] | None = None,
) -> preflight.Found:
    """The table's answer. ``interruption``: what users are without, as a sentence; empty: nothing."""
    situation = Situation(
        environment=environment,
        scope=scope,
        work=tuple(OngoingWork(service) for service in services.services if service.status == "ACTIVE"),
        services=services,
        alarms=alarms,
        incidents=incidents,
        active=active,
        interruption=interruption,
    )
    return preflight.examine(verb, situation, override, own)


# -- what waits -----------------------------------------------------------------------------------------------------


def waiting(pending: Pending, store: str, *, reboot: bool = True) -> tuple[PendingChange, ...]:
    """What waits at the store (``database``, ``cache``) and comes along; with ``reboot`` what waits for one too."""
    return tuple(
        change
        for change in pending.changes
        if change.resource.startswith(f"the {store} ")
        and (change.waits is Waits.WINDOW or (reboot and change.waits is Waits.REBOOT))
    )


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


def busy(store: str, name: str, status: str, *allowed: str) -> tuple[str, ...]:
    """A refusal where AWS would take no change now."""
    if status in (allowed or ("available",)):
        return ()
    return (f"The {store} {name} is {status}, and AWS takes no change of it now. Wait, then ask again.",)


# -- whether it works again -----------------------------------------------------------------------------------------


def serving(services: Services, environment: Environment) -> Iterator[Step]:
    """A step that waits for every service that is wanted; none where none is."""
    names = tuple(each.name for each in services.services if each.status == "ACTIVE" and each.desired)
    if names:
        yield step(
            "services",
            AwaitServices(services=names, settle_seconds=environment.settle_seconds),
            title=f"Wait until {' and '.join(names)} serve, and stay so",
            deadline=SERVING_DEADLINE,
        )


def connection_place(
    environment: Environment, services: Services, definitions: Definitions
) -> tuple[Task | None, Mapping[str, Sequence[Objection]]]:
    """Where a task can log in to the database; what is objected where there is no such place."""
    try:
        return task_of(environment, services, definitions), {}
    except Refused as error:
        return None, {MIGRATION: [Objection(f"{error.message} So no new connection is tried.")]}


def connecting(place: Task | None) -> Iterator[Step]:
    """A step that logs in anew and writes; none without a place."""
    if place is not None:
        yield step(
            "connect",
            RunTask(
                task_definition=place.definition.name,
                container=place.service.container,
                command=("python", "-c", CONNECT),
                network=place.running.network,
                launch=place.running.launch,
                cluster=place.service.cluster,
                what="a new connection to the database",
                answers=True,
            ),
            title="Connect to the database anew, in a task of its own, and write",
            deadline=CONNECTING_DEADLINE,
        )


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
