"""Applying and destroying *now*: what is said of the plan file, and what goes on in the environment meanwhile.

``omc infra plan`` says the first alone: a change may be reviewed in a freeze, though not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omc.config import Environment
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.incidents import OpenIncidents
from omc.facts.infrastructure import DeletionProtection, SavedPlan
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.temporary import Temporary
from omc.facts.terraform_json import ChangeAction
from omc.infrastructure.planned_change import PlannedChange
from omc.model.plan import Plan
from omc.procedures import infrastructure, preflight
from omc.procedures.postponed import interruption
from omc.procedures.preconditions.situation import OngoingWork, Situation
from omc.procedures.preconditions.table import Verb
from omc.procedures.temporary import service_of


def plan_apply(
    request: PlannedChange,
    environment: Environment,
    plan: SavedPlan,
    services: Services,
    pending: Pending,
    temporary: Temporary,
    scope: Scope,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The plan of ``omc infra apply``."""
    made = infrastructure.apply(request, environment, plan, services, pending, temporary, scope)
    found = preflight.examine(
        Verb.APPLY,
        Situation(
            environment=environment,
            scope=scope,
            work=tuple(_changed(plan, services)),
            services=services,
            alarms=alarms,
            incidents=incidents,
            active=active,
            interruption=interruption(plan.changes),
        ),
        request.override,
    )
    return _with(made, found)


def plan_destroy(
    request: PlannedChange,
    environment: Environment,
    plan: SavedPlan,
    protection: DeletionProtection,
    scope: Scope,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """The plan of ``omc infra destroy``."""
    made = infrastructure.destroy(request, environment, plan, protection)
    now = Situation(environment=environment, scope=scope, incidents=incidents, active=active)
    return _with(made, preflight.examine(Verb.DESTROY, now, request.override))


def _changed(plan: SavedPlan, services: Services) -> Iterator[OngoingWork]:
    """The services that stand and that the plan changes. One that it makes has no deployment to disturb."""
    changed = {
        service_of(change)
        for change in plan.changes
        if change.kind == "aws_ecs_service" and change.does in {ChangeAction.UPDATE, ChangeAction.REPLACE}
    }
    yield from (OngoingWork(service) for service in services.services if service.name in changed)


def _with(made: Plan, found: preflight.Found) -> Plan:
    return replace(
        made,
        refusals=(*made.refusals, *found.refusals),
        notes=(*found.overridden, *made.notes, *found.notes),
    )
