"""A command in a task of its own, which ends with it: what a session of twenty minutes is too short for."""

from __future__ import annotations

from omc.config import Environment
from omc.errors import Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.requirements import Requirements
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.model.arguments.ecs import RunTask
from omc.model.plan import Plan, Risk, step
from omc.model.requests import RunTaskRequest
from omc.procedures import preflight
from omc.procedures.preconditions.situation import OngoingWork, Situation
from omc.procedures.preconditions.table import Verb

DEADLINE = 12 * 3600
"""Seconds after which omc no longer waits for it."""


def run_task(
    request: RunTaskRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    requirements: Requirements,
    current: StandingImages,
    alarms: Alarms,
    subnets: Subnets,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """With the revision that the service runs, where its tasks run. What holds for a migration's task holds for it."""
    if not request.command:
        raise WrongUse("Say what to run: omc exec --detach SERVICE -- COMMAND")
    if environment.is_guarded and not request.reason.strip():
        raise WrongUse(f"A command in {environment.name} needs a reason, which is recorded.")
    [service] = preflight.named_services([request.service], environment)
    running = preflight.require_services([service.name], environment, services)[service.name]
    revision = definitions.running.get(service.name)
    if revision is None or service.container not in revision.images:
        raise Refused(f"The revision that {service.name} runs isn't there, or has no container {service.container}.")
    found = preflight.examine(
        Verb.MIGRATE,
        Situation(
            environment=environment,
            scope=scope,
            work=(OngoingWork(running, revision, more=1),),
            services=services,
            requirements=requirements,
            images=current,
            subnets=subnets,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
    )
    words = " ".join(request.command)
    return Plan(
        procedure="run-task",
        environment=environment.name,
        request={
            "service": request.service,
            "command": list(request.command),
            "reason": request.reason,
            "override": request.override,
        },
        title=f"Run {words} in a task of its own in {environment.name}, as {revision.name}",
        risk=Risk.LOW,
        steps=(
            step(
                f"run-{service.name}",
                RunTask(
                    task_definition=revision.name,
                    container=service.container,
                    command=tuple(request.command),
                    network=running.network,
                    launch=running.launch,
                    cluster=service.cluster,
                    what=f"the task of {service.name}",
                ),
                title=f"Run in a task of its own: {words}",
                deadline=DEADLINE,
            ),
        ),
        preconditions={"task_definitions": {service.name: revision.name}},
        notes=(*found.overridden, *found.notes),
        refusals=found.refusals,
        undo_on_failure=False,  # nobody knows what undoes a command
    )
