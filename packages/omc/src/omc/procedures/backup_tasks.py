"""One-off tasks that look at a restored database: the migration's image and network, with another address and secret.

Only a task of the stack reaches a private instance, and the migration's is the one that has a login of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omc.config import Environment, Service
from omc.errors import Refused
from omc.facts.definitions import Definition, Definitions
from omc.facts.services import EcsService, Services
from omc.model.arguments.base import Late, output_of
from omc.model.arguments.ecs import Deregister, RegisterRevision, RunTask
from omc.model.plan import Step, step, undo_by
from omc.procedures.backup_inspection import COMMAND
from omc.procedures.deploy_steps import missing_migration
from omc.redaction import without_secrets

PASSWORD = "POSTGRES_PASSWORD"  # noqa: S105 - a variable's name
SERVER = "POSTGRES_SERVER"


@dataclass(frozen=True, slots=True)
class Task:
    """Where such a task runs."""

    service: Service
    running: EcsService
    definition: Definition
    """The migration's."""


def task_of(environment: Environment, services: Services, definitions: Definitions) -> Task:
    """``Refused`` where no service has a migration in a family of its own, whose secret is the master user's."""
    known = {service.name: service for service in services.services}
    for service in environment.services:
        if not service.migrate or not service.migrate_family or service.name not in known:
            continue
        definition = definitions.migrating.get(service.name)
        if definition is None or service.container not in definition.images:
            raise Refused(missing_migration(service))
        task = Task(service, known[service.name], definition)
        _require_variables(task)
        return task
    raise Refused(
        f"No service of {environment.name} has a migrate_family in omc.toml. A restored database is looked at by such "
        "a task, which has a login of its own."
    )


def _require_variables(task: Task) -> None:
    """``Refused`` where another address wouldn't lead the task to another database: it would look at the source, or
    migrate it."""
    containers = task.definition.body["containerDefinitions"]
    found: Mapping[str, Any] = next((each for each in containers if each.get("name") == task.service.container), {})
    plain = {each["name"] for each in found.get("environment", ())}
    secret = {each["name"] for each in found.get("secrets", ())}
    if lacking := [name for name, there in ((SERVER, plain), (PASSWORD, secret)) if name not in there]:
        raise Refused(
            f"The task definition {task.definition.name} has no {' and no '.join(lacking)} (the address as a variable, "
            "the password as a secret), so its task can't be led to a restored database."
        )


def registration(task: Task, purpose: str) -> tuple[Step, Late[str]]:
    """A revision that logs in to the restored instance with the secret that the step ``login`` found out. Its family
    is its own: no migration starts from it."""
    family = f"{task.definition.family}-{purpose}"
    body = {**task.definition.body, "family": family}
    body["containerDefinitions"] = [_with_password(each) for each in task.definition.body["containerDefinitions"]]
    revision = output_of(f"register-{family}", "task_definition")
    register = step(
        f"register-{family}",
        RegisterRevision(
            service=family,
            definition=without_secrets(body),
            source=task.definition.name,
            tags=task.definition.tags_to_copy,
        ),
        title=f"Register a task definition {family}: the migration's, with the new instance's password",
        undo=undo_by(Deregister(task_definition=revision), "its task definition is deregistered"),
        deadline=120.0,
    )
    return register, revision


def _with_password(container: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"output_of": "login", "key": "reference"}
    secrets = [
        {**each, "valueFrom": reference} if each["name"] == PASSWORD else dict(each)
        for each in container.get("secrets", ())
    ]
    return {**container, "secrets": secrets}


def inspection(
    task: Task, revision: Late[str], what: str, as_of: Late[str], address: Late[str] | None = None
) -> RunTask:
    """Of the source, or with ``address`` of the restored instance, of which every row is read."""
    environment: dict[str, Late[str]] = {"OMC_AS_OF": as_of}
    if address is not None:
        environment |= {SERVER: address, "OMC_DEEP": "1"}
    return RunTask(
        task_definition=revision,
        container=task.service.container,
        command=COMMAND,
        network=task.running.network,
        launch=task.running.launch,
        cluster=task.service.cluster,
        what=what,
        environment=environment,
        answers=True,
    )


def migration(task: Task, revision: Late[str], address: Late[str]) -> RunTask:
    """The migration of the restored instance, which also gives the application's users their passwords of today."""
    return RunTask(
        task_definition=revision,
        container=task.service.container,
        command=tuple(task.service.migrate),
        network=task.running.network,
        launch=task.running.launch,
        cluster=task.service.cluster,
        what=f"the migration of {task.service.name}",
        environment={SERVER: address},
    )
