"""``ecs.await_services``: services whose tasks stay as they are serve again, after what they depend on was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.facts.rollouts import healthy_tasks
from omc.facts.services import read_services
from omc.model.arguments.data_stores import AwaitServices
from omc.model.plan import Json

POLL_SECONDS = 2.0


def _is_applied(context: Context, arguments: AwaitServices) -> bool:
    """It changes nothing: there is no effect to make twice."""
    return True


def _apply(context: Context, arguments: AwaitServices) -> Mapping[str, Json]:
    return {}


def _poll(context: Context, arguments: AwaitServices) -> Outcome | None:
    found = {service.name: service for service in read_services(context.gateway, context.environment).services}
    counts: dict[str, Json] = {}
    waits: list[str] = []
    for name in arguments.services:
        service = found.get(name)
        if service is None or not service.desired:
            sentence = f"{name} doesn't run any more: somebody took it away."
            return Outcome(Verdict.SUPERSEDED, sentence, {"service": name})
        healthy = healthy_tasks(context.gateway, service)
        counts[name] = healthy
        if healthy < service.desired or service.running < service.desired:
            waits.append(f"{name}: {healthy} of {service.desired} are healthy")
    if waits:
        if context.state.get("well_since"):
            context.checkpoint({"well_since": None})
        context.report("; ".join(waits))
        return None
    began = context.state.get("well_since")
    if began is None:
        began = context.now().isoformat()
        context.checkpoint({"well_since": began})
    left = arguments.settle_seconds - (context.now() - datetime.fromisoformat(began)).total_seconds()
    if left > 0:
        context.report(f"all are healthy, and must stay so for {left:.0f} s more")
        return None
    return Outcome(Verdict.SUCCEEDED, f"{' and '.join(arguments.services)} serve.", {"healthy": counts})


def _commands(environment: Environment, arguments: AwaitServices) -> Sequence[str]:
    by_cluster: dict[str, list[str]] = {}
    for name in arguments.services:
        cluster, ecs_service = environment.in_ecs(name)
        by_cluster.setdefault(cluster, []).append(ecs_service)
    return [
        f"aws ecs wait services-stable --cluster {cluster} --services {' '.join(names)}"
        for cluster, names in by_cluster.items()
    ]


register(Action(AwaitServices, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
