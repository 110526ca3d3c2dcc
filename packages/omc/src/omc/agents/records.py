"""Tools that read omc's record: releases, runs, incidents, alerts. With a server in OMC_SERVER, incidents and alerts
are those of its record, by GET alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import select

from omc.agents.arguments import Alerts, Incidents, Listing, OneIncident, OneRun
from omc.agents.context import CallContext
from omc.api_client.documents import read_all
from omc.api_client.http import configured
from omc.api_client.incidents import ServerDesk
from omc.engine.heartbeats import living_workers, status_of
from omc.engine.run_document import run_document, runs_document
from omc.engine.run_history import run_details
from omc.errors import Missing
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.serving import Serving
from omc.facts.source import Facts
from omc.incidents.document import incident_document, incidents_document
from omc.incidents.incident import Incident
from omc.model.plan import from_json
from omc.output.document import Document, Section
from omc.procedures.plan_document import plan_blocks
from omc.reports.deployments import LOOK_BACK, deployments_document
from omc.responder.alerts_document import alerts_document
from omc.responder.records import listed
from omc.responder.rules import rules_of
from omc.store import timers
from omc.store.incidents import incident_of, incidents_of, missing
from omc.store.models import Run
from omc.store.opened import Store


def deployments(context: CallContext, request: Listing) -> Document:
    environment = context.environment(request.env)
    with context.store(environment) as store:
        scope = Scope(datetime.now(UTC), LOOK_BACK)
        facts = Facts(context.gateway(environment), scope, {} if store is None else {Store: store})
        history, services, serving = facts.require(History, Services, Serving)
        ledger = Ledger(()) if store is None else facts.require(Ledger)[0]
    return deployments_document(history, ledger, services, serving, environment, request.most)


def runs(context: CallContext, request: Listing) -> Document:
    environment = context.environment(request.env)
    zone = context.stack.time_zone
    with context.store(environment) as store:
        if store is None:
            return runs_document([], [], zone, {}, 0)
        with store.reading() as session:
            query = select(Run).where(Run.environment == environment.name).order_by(Run.created_at.desc())
            found = list(session.execute(query.limit(request.most)).scalars())
            heard = {run.id: status_of(run, store.now()) for run in found}
            to_come = sorted(timers.pending(session, [environment.name]), key=lambda timer: timer.due_at)
            return runs_document(found, to_come, zone, heard, len(living_workers(session)))


def run(context: CallContext, request: OneRun) -> Document:
    environment = context.environment(request.env)
    none = Missing(f'There is no run "{request.run}" of {environment.name} in the record.')
    with context.store(environment) as store:
        if store is None:
            raise none
        details = run_details(store, request.run)
        if details.run.environment != environment.name:
            raise none
        document = run_document(details, context.stack.time_zone, status_of(details.run, store.now()))
    plan = Section("The plan was", plan_blocks(from_json(details.run.plan), (), full=False))
    return replace(document, blocks=(*document.blocks, plan))


def incidents(context: CallContext, request: Incidents) -> Document:
    environment = context.environment(request.env)
    everything = request.state == "all"
    found = _incidents(context, request)
    chosen = [each for each in found if everything or each.is_open][: request.most]
    return incidents_document(chosen, environment.name, environment.time_zone, everything=everything)


def _incidents(context: CallContext, request: Incidents) -> tuple[Incident, ...]:
    if server := configured():
        return ServerDesk(server, request.env).incidents(everything=request.state == "all")
    with context.store(context.environment(request.env)) as store:
        return () if store is None else incidents_of(store, request.env)


def incident(context: CallContext, request: OneIncident) -> Document:
    environment = context.environment(request.env)
    if server := configured():
        found = ServerDesk(server, environment.name).incident(request.number)
    else:
        with context.store(environment) as store:
            if store is None:
                raise missing(environment.name, request.number)
            found = incident_of(store, environment.name, request.number)
    return incident_document(found, environment.time_zone)


def alerts(context: CallContext, request: Alerts) -> Document:
    environment = context.environment(request.env)
    everything = request.state == "all"
    if server := configured():
        return read_all(
            server, f"/v1/environments/{environment.name}/alerts", {"state": request.state}, "alerts", "offset"
        )
    with context.store(environment) as store:
        found = () if store is None else listed(store, rules_of(context.stack, environment), everything=everything)
    return alerts_document(found[: request.most], environment.name, environment.time_zone, everything=everything)
