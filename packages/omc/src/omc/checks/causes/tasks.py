"""Causes at a service: why its tasks failed, a deployment of it included. One for each way of failing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from omc.checks.causes import failures as why
from omc.checks.causes.failures import Failure, failure_of, inherited
from omc.checks.causes.heard import MINUTE, heard, is_about
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.places import OF_SERVICES
from omc.checks.causes.refinements import refined
from omc.checks.causes.words import Kind, ReportedError
from omc.checks.finding import Evidence, Level, Procedure
from omc.checks.runbook import DEPLOYMENT, DEPLOYMENTS, TASKS_RESTARTING
from omc.checks.services import is_rolling_back
from omc.checks.tasks import healed, spells
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.last_words import LastWords
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.tasks import StoppedTask, StoppedTasks
from omc.judgement.task_causes import is_failure
from omc.output.text import counted
from omc.times import format_duration

SHOWN = 3
"""Tasks named as evidence of one cause."""
CHANGES = ("UpdateService", "RegisterTaskDefinition", "DeleteSecret", "PutSecretValue", "BatchDeleteImage")
ROLE_CHANGES = (
    *("DeleteRolePolicy", "DetachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy", "DeleteRole"),
    "PutRolePermissionsBoundary",
)
_DENIED = re.compile(r"AccessDenied|not authorized|unable to assume", re.IGNORECASE)
_ROLE = re.compile(r"(?:assumed-role/|:role/(?:[\w+=,.@-]+/)*)(?P<name>[\w+=,.@-]+)")
NAMES = {
    why.IMAGE: "image-not-pulled",
    why.SECRET: "secret-not-read",
    why.LOG_GROUP: "log-group-not-usable",
    why.COMMAND: "start-command",
    why.ROLE: "role-not-assumed",
    why.ADDRESS: "no-free-address",
    why.CAPACITY: "no-capacity",
    why.QUOTA: "quota-reached",
    why.SLOW_START: "start-too-slow",
    why.NOT_READY: "task-not-ready",
    why.SIDECAR: "sidecar-ended",
    why.PROCESSOR: "wrong-processor",
    why.VOLUME: "volume-not-mounted",
    why.START: "task-start",
    why.HEALTH: "health-checks",
    why.HANGS: "task-hangs",
    why.EXIT: "task-exits",
    why.MEMORY_OF_CONTAINER: "container-memory",
    why.MEMORY_OF_TASK: "task-memory",
}
"""The names of causes, as findings carry them; for a ``Kind`` of words, ``task-KIND``."""
TEXTS = {
    Kind.CONNECTIONS: "{server} takes no further connection",
    Kind.LIMIT: "{server} takes no further connection of {what}: its CONNECTION LIMIT",
    Kind.PASSWORD: "{server} refuses the login {what}",
    Kind.CERTIFICATE: "the certificate of {server} can't be verified",
    Kind.STARTING: "{server} was starting or recovering",
    Kind.READ_ONLY: "{server} took no writes",
    Kind.LOCK: "statements waited too long in {server}",
    Kind.FULL: "{server} is full",
    Kind.DISK: "no space was left on its disk",
    Kind.MEMORY: "it ran out of memory",
    Kind.NAME: "{server} has no database {what}",
    Kind.MODULE: "its image lacks the module {what}",
    Kind.PORT: "its port is in use",
    Kind.REFUSED: "{server} refuses connections",
    Kind.TIMEOUT: "{server} doesn't answer",
    Kind.RESET: "{server} ended its connections",
    Kind.POOL: "no connection to {server} came free",
    Kind.THROTTLED: "AWS answers that there are too many requests ({what})",
}
"""What a task says that it failed for, in a few words; for the other kinds its own line is shorter and says more."""
OWN_WORDS = frozenset({Kind.SETTINGS, Kind.MODULE, Kind.PORT, Kind.MEMORY})
"""What a task says of itself alone."""
CRASHES = frozenset({"132", "134", "135", "136", "139"})
"""Exit codes of SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV."""
OF_ONE_REVISION = frozenset({why.HEALTH, why.HANGS, why.EXIT, why.START, why.SLOW_START, why.SIDECAR})
"""Ways of failing that name nothing that two revisions might both miss."""
CONCLUDED = frozenset({why.HANGS, why.SLOW_START, why.NOT_READY})
"""Ways of failing that say what was seen, and not yet why."""
BY_SETTING = frozenset(
    {
        *(why.IMAGE, why.COMMAND, why.PROCESSOR, why.MEMORY_OF_CONTAINER, why.MEMORY_OF_TASK, why.EXIT),
        *(Kind.HOST, Kind.NAME, Kind.SETTINGS, Kind.MODULE, Kind.SCHEMA, Kind.MEMORY, Kind.PORT),
    }
)
"""What comes with a revision, so that the revision before didn't have it."""


def failing_tasks(situation: Situation) -> Iterator[Cause]:
    """Each way in which tasks of a service failed within ECS's hour: one cause."""
    stopped, services = situation.fact(StoppedTasks), situation.fact(Services)
    if stopped is None or services is None:
        return
    words = situation.fact(LastWords)
    known = {service.name: service for service in services.services}
    wanted = {service.name for service in situation.environment.services}
    tasks = [task for task in stopped.tasks if is_failure(task) and task.service in wanted]
    failures = inherited({task.id: refined(situation, task, failure_of(task, words)) for task in tasks}, tasks)
    groups: dict[tuple[str, str, str, str], list[StoppedTask]] = {}
    for task in tasks:
        found = failures[task.id]
        of = task.task_definition if found.kind in OF_ONE_REVISION else ""  # a thing is missed by all alike
        groups.setdefault((task.service or "", found.kind, found.what, of), []).append(task)
    for (name, _, _, _), alike in groups.items():
        for some, is_before in spells(alike) if name in known else ():
            heard = next((failures[task.id] for task in some if failures[task.id].line), failures[some[0].id])
            yield _cause(situation, known[name], some, heard, is_before=is_before)


def _cause(
    situation: Situation, service: EcsService, tasks: list[StoppedTask], failure: Failure, *, is_before: bool
) -> Cause:
    newest, revisions = tasks[0], list(dict.fromkeys(task.task_definition for task in tasks))
    ended = healed(service, tasks, situation.scope) or _over_with_its_store(situation, service, tasks, failure)
    ended = newest.stopped if is_before else ended
    number = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    of = " and ".join(revisions[:2]) + (" …" if len(revisions) > 2 else "")
    now, procedure = _now(situation, service, tasks, failure, ended)
    text, taken = _explained(situation, failure), None
    if role := denied_role(newest):
        taken = situation.changed(ROLE_CHANGES, role)
        if role not in text:
            text += f"{' to' if text.endswith('denied') else ', as'} the role {role}"
        text += f" ({taken.operation} by {taken.who}, {situation.ago(taken.at)})" if taken else ""
    evidence = [
        Evidence(_told(situation, task, failure), reading_of(situation.fact(StoppedTasks))) for task in tasks[:SHOWN]
    ]
    if failure.line:
        evidence.insert(0, Evidence(f'last words: "{failure.line}"', reading_of(situation.fact(LastWords))))
    things = (failure.what, *revisions) if failure.kind in BY_SETTING else (failure.what.partition(" ")[0],)
    evidence += situation.by_whom(taken or situation.changed(CHANGES, *things))
    short = service.running < service.desired
    often = len(tasks) >= situation.environment.thresholds.failed_tasks
    return Cause(
        name=NAMES.get(failure.kind, f"task-{failure.kind}"),
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"{number} of {of} failed, the newest {situation.ago(newest.stopped)}: {text}.{now}",
        evidence=tuple(evidence),
        level=Level.FAIL if not ended and (short or often or _is_failing(service, revisions)) else Level.WARN,
        procedure=procedure,
        since=min(_first_bad(task) for task in tasks),
        ended=ended,
        services=frozenset({service.name}),
        based_on=failure.what if failure.kind == why.NOT_READY else _store_of(situation, failure),
        about=(service.name, str(failure.kind), failure.what),
        also=frozenset({f"secrets/{failure.what.partition(' ')[0]}"} if failure.kind == why.SECRET else ()),
        is_direct=_is_its_own(failure),
        checks=frozenset({*OF_SERVICES, "recent-errors"}) if ended else None,
        spares_users=not short or (service.running > 0 and failure.kind not in (why.HANGS, why.HEALTH)),
    )


def _is_its_own(failure: Failure) -> bool:
    """Whether it is the task's own, whatever else is ill: it could not start, it used up its memory, its health check's
    page isn't there, it crashed by a signal of its own, or it ended with an error that speaks of nothing else."""
    if failure.kind == why.HEALTH:
        return failure.what.startswith("4")
    if failure.kind == why.EXIT:
        return bool(failure.line) or failure.what.rpartition(" ")[2] in CRASHES
    return failure.kind in OWN_WORDS or (failure.kind in NAMES and failure.kind not in CONCLUDED)


def denied_role(task: StoppedTask) -> str:
    """The role that was refused what the task's start needs, or that could not be taken; empty where none is named."""
    reasons = " ".join([task.reason, *(each.reason for each in task.containers)])
    if not _DENIED.search(reasons):
        return ""
    found = _ROLE.search(reasons)
    return found["name"] if found else ""


def _over_with_its_store(
    situation: Situation, service: EcsService, tasks: list[StoppedTask], failure: Failure
) -> datetime | None:
    """Tasks that failed for a store are well again when all wanted ones run and nobody misses that store any more."""
    kind = _store_of(situation, failure)
    if not kind or service.running < service.desired or not service.desired:
        return None
    store = getattr(situation.stores, kind)
    lately = [each for each in heard(situation) if situation.scope.now - each.last <= MINUTE]
    if situation.scope.now - tasks[0].stopped <= MINUTE or any(is_about(store, kind, each.message) for each in lately):
        return None
    return tasks[0].stopped


def _store_of(situation: Situation, failure: Failure) -> str:
    """The store that the task failed for, where it says so and names none that isn't there."""
    stores = situation.stores
    if failure.message is None or failure.kind is Kind.HOST:
        return ""
    for kind, store in (("database", stores.database), ("cache", stores.cache)):
        if is_about(store, kind, failure.message):
            return kind
    return ""


def _first_bad(task: StoppedTask) -> datetime:
    """A task that was well for a while was ill when it stopped; one that never was, from its start on."""
    return task.stopped


def _is_failing(service: EcsService, revisions: list[str]) -> bool:
    return any(
        deployment.rollout in ("IN_PROGRESS", "FAILED")
        and deployment.failed
        and deployment.task_definition in revisions
        for deployment in service.deployments
    )


def _now(
    situation: Situation, service: EcsService, tasks: list[StoppedTask], failure: Failure, ended: datetime | None
) -> tuple[str, Procedure | None]:
    """How the service is now, and the procedure that fits: none that does again what ECS has done."""
    revisions = {task.task_definition for task in tasks}
    primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
    environment = situation.environment.name
    serving = f" {service.running} of {service.desired} tasks run"
    if service.running > service.desired:
        serving = f" {counted(service.running, 'task')} run, {service.desired} are wanted"
    is_current = primary is not None and primary.task_definition in revisions
    if primary and not is_current:
        is_short = primary.rollout == "IN_PROGRESS" and service.running < service.desired
        if is_rolling_back(primary) or is_short:
            return f" ECS is rolling back to {primary.task_definition}; {serving.strip()}.", None
        return f" {_undone(service, primary)}.", DEPLOYMENT
    others = [each for each in service.deployments if each is not primary and each.running]
    if is_current and failure.kind in BY_SETTING and primary and primary.rollout != "COMPLETED":
        back = "" if service.breaker else " ECS won't roll it back by itself."
        old = f" {others[0].task_definition} still serves with {others[0].running}." if others else ""
        return f"{serving}.{old}{back}", replace(
            DEPLOYMENTS, command=f"omc rollback --env {environment} {service.name}"
        )
    if ended:
        return f"{serving} again.", TASKS_RESTARTING
    return f"{serving}.", TASKS_RESTARTING


def _undone(service: EcsService, primary: Deployment) -> str:
    runs = f"{service.running} of {service.desired} tasks of {primary.task_definition} run"
    by_ecs = "roll" in primary.rollout_reason.lower() or any(
        "rolling back to" in event.message.lower() and abs(event.at - primary.created) < timedelta(minutes=1)
        for event in service.events
    )
    return f"ECS has rolled back: {runs}" if by_ecs else f"{runs} now"


def _explained(situation: Situation, failure: Failure) -> str:
    """The failure's words; of a name that isn't found, also what would be right."""
    text = failure.text.rstrip(".")
    if failure.message and failure.kind in TEXTS:
        store = _store_of(situation, failure)
        server = f"the {store}" if store else _other_server(situation, failure.message)
        if store and failure.message.port and failure.kind in (Kind.TIMEOUT, Kind.REFUSED):
            server += f" (at {failure.message.host}:{failure.message.port})"
        exited = text.partition("; it said: ")[0] + ": " if "; it said: " in text else ""
        text = exited + TEXTS[Kind(failure.kind)].format(server=server, what=failure.message.what)
    if failure.kind is Kind.HOST and failure.what:
        text = f"could not resolve host {failure.what}"
        variable, store = variable_of(situation, failure.what), ""
        store = _meant(f"{failure.line} {variable}", situation.stores)
        if variable:
            text += f", which {variable} names"
        if store:
            text += f"; {store}"
    return text


def _other_server(situation: Situation, response: ReportedError) -> str:
    """What is neither the database nor the cache: a dependency that a status page knows and the line names, its
    address, and the variable that says it; as far as they are told."""
    line = response.line.lower()
    known = [finding.place for finding in situation.findings if finding.check == "dependencies" and finding.place]
    name = next((f"the {place}" for place in known if "/" not in place and place.lower() in line), "")
    address = f"{response.host}:{response.port}" if response.host and response.port else response.host
    if name and address:
        return f"{name} (at {address})"
    variable = variable_of(situation, response.host) if response.host else ""
    return name or (f"{address}, which {variable} names," if variable else address) or "a server that it needs"


def variable_of(situation: Situation, host: str) -> str:
    """The variable of a task definition that names a host; empty where none does."""
    words = situation.fact(LastWords)
    for revision_told in words.revisions.values() if words else ():
        for container, variables in revision_told.variables.items():
            for name, value in variables.items():
                if host and host in value:
                    return f"{name} of {container}"
    return ""


def _meant(text: str, stores: DataStores) -> str:
    line = text.lower()
    if any(word in line for word in ("database", "postgres", "prices", "sql", "5432")) and stores.database.host:
        return f"the database is at {stores.database.host}"
    if any(word in line for word in ("redis", "cache", "6379")) and stores.cache.host:
        return f"the cache is at {stores.cache.host}"
    return ""


def _told(situation: Situation, task: StoppedTask, failure: Failure) -> str:
    lived = f"ran {format_duration(task.stopped - task.started)}" if task.started else "never started"
    reason = task.reason if failure.kind not in (why.IMAGE, why.SECRET) else task.reason[:300]
    when = situation.when(task.stopped)
    return f"task {task.id} ({task.task_definition}), {lived}, stopped {when}: {task.stop_code}, {reason}"
