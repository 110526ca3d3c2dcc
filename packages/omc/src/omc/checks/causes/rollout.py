"""Tasks that ECS can't place, and deployments that go neither on nor back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from omc.checks.causes import failures as why
from omc.checks.causes.failures import kind_of_start
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.releases import back, has_older
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import DEPLOYMENTS, TASKS_RESTARTING
from omc.checks.services import CANNOT_START, HEALED, PLACEMENT_MEMORY, is_rolling_back
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.load_balancers import TargetHealth
from omc.facts.quotas import Quotas
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.subnets import Subnets
from omc.facts.tasks import StoppedTasks
from omc.judgement.task_causes import is_failure
from omc.times import format_duration

STUCK = timedelta(minutes=10)
"""A deployment that hasn't ended after this time, and of which no task failed, waits for something."""
NO_ROOM = "because of the service deployment configuration"
"""Of ECS's event for a deployment whose percentages allow neither a stop nor a start. Source: Amazon ECS Developer
Guide, Service event messages."""
PLACED = {why.QUOTA: "quota-reached", why.CAPACITY: "no-capacity", why.ADDRESS: "no-free-address"}
"""The names of causes that are known from a service's events alone, without a task."""


def unplaced(situation: Situation) -> Iterator[Cause]:
    """What ECS's events say that it could not place a task for."""
    services = situation.fact(Services)
    for service in services.services if services else ():
        seen: set[str] = set()
        for event in service.events:
            recent = situation.scope.now - event.at <= PLACEMENT_MEMORY
            if not recent or not CANNOT_START.search(event.message):
                continue
            kind = _kind(event.message)
            if kind in PLACED and kind not in seen:
                seen.add(kind)
                yield _unplaced(situation, service, kind)


def _kind(message: str) -> str:
    """Of an event: by the reason that it gives, where it gives one."""
    return kind_of_start(message.partition("Reason: ")[2] or message)


def _unplaced(situation: Situation, service: EcsService, kind: str) -> Cause:
    events = [
        each
        for each in service.events
        if situation.scope.now - each.at <= PLACEMENT_MEMORY
        and CANNOT_START.search(each.message)
        and _kind(each.message) == kind
    ]
    newest = max(events, key=lambda each: each.at)
    message = newest.words
    is_over = service.running >= service.desired > 0 and situation.scope.now - newest.at > HEALED
    figure = _figure(situation, service, kind)
    reading = reading_of(situation.fact(Services))
    more = f" {figure.text[0].upper()}{figure.text[1:]}." if figure else ""
    return Cause(
        name=PLACED[kind],
        place=f"services/{service.name}",
        subject=service.name,
        sentence=f"ECS can't start tasks of {service.name}, the last time {situation.ago(newest.at)}: {message}. "
        f"{service.running} of {service.desired} tasks run.{more}",
        evidence=(
            *(Evidence(f"event at {situation.when(each.at)}: {each.message}", reading) for each in events[:2]),
            *((figure,) if figure else ()),
        ),
        level=Level.FAIL if service.running < service.desired and not is_over else Level.WARN,
        procedure=TASKS_RESTARTING,
        since=min(each.at for each in events),
        ended=newest.at if is_over else None,
        services=frozenset({service.name}),
        about=(service.name, kind, ""),
    )


def _figure(situation: Situation, service: EcsService, kind: str) -> Evidence | None:
    quotas, subnets = situation.fact(Quotas), situation.fact(Subnets)
    if kind == why.QUOTA and quotas and quotas.vcpus is not None:
        text = f"this environment wants {quotas.wanted:g} vCPUs, and the account may run {quotas.vcpus:g} on Fargate"
        return Evidence(text, quotas.reading)
    if kind == why.ADDRESS and subnets and service.name in subnets.of:
        left = ", ".join(f"{each.free} in {each.id} ({each.zone})" for each in subnets.of[service.name])
        return Evidence(f"free addresses: {left}", subnets.reading)
    return None


def stuck(situation: Situation) -> Iterator[Cause]:
    """A rollout that has been in progress for long though none of its tasks failed."""
    services, stopped = situation.fact(Services), situation.fact(StoppedTasks)
    for service in services.services if services else ():
        primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
        if primary is None or primary.rollout != "IN_PROGRESS" or is_rolling_back(primary) or primary.failed:
            continue
        lasts = situation.scope.now - primary.created
        failed = [
            task
            for task in (stopped.tasks if stopped else ())
            if task.service == service.name and task.task_definition == primary.task_definition and is_failure(task)
        ]
        if lasts < STUCK or failed:
            continue
        waits, is_read = _waits_for(situation, service, primary)
        older = has_older(service, primary)
        yield Cause(
            name="deployment-stuck",
            place=f"services/{service.name}",
            subject=service.name,
            sentence=f"The deployment of {primary.task_definition} has not ended for {format_duration(lasts)}: "
            f"{waits.text}.",
            evidence=(waits, *situation.by_whom(situation.service_changed(service.name))),
            level=Level.WARN,
            procedure=back(situation, service) if older else DEPLOYMENTS,
            since=primary.created,
            services=frozenset({service.name}),
            is_direct=is_read,
            checks=frozenset({"rollouts", "services-running", "targets", "alarms"}),
            yields=True,
        )


def _waits_for(situation: Situation, service: EcsService, primary: Deployment) -> tuple[Evidence, bool]:
    """What it waits for, and whether that was read."""
    reading = reading_of(situation.fact(Services))
    since = [each for each in service.events if each.at >= primary.created]
    least, most = int(service.configuration.get("minimumHealthyPercent", 100)), service.most_percent
    no_room = any(NO_ROOM in each.message for each in since)
    is_fixed = service.desired * most // 100 <= service.desired <= -(-service.desired * least // 100)
    if no_room or (is_fixed and not primary.running and not primary.pending):
        text = (
            f"ECS may neither stop nor start a task: with {service.desired} wanted, the minimum of {least} % and the "
            f"maximum of {most} % leave no room"
        )
        return Evidence(text, reading), True
    if primary.pending:
        tasks = "1 task is" if primary.pending == 1 else f"{primary.pending} tasks are"
        return Evidence(f"{tasks} still starting (the image, the network interface or a dependency)", reading), True
    if primary.running < primary.desired:
        event = since[0].words if since else ""
        latest = f"; ECS's last event: {event}" if event else ", and ECS doesn't say why no other starts"
        return Evidence(f"{primary.running} of {primary.desired} of its tasks run{latest}", reading), bool(event)
    if ill := _ill_targets(situation, service):
        return ill, True
    old = sum(each.running for each in service.deployments if each is not primary)
    settings = situation.fact(BalancerSettings)
    if old:
        delays = [settings.delays.get(name) for name in _groups_of(situation, service)] if settings else []
        delay = max((each for each in delays if each is not None), default=None)
        drains = f", whose requests may take {delay:.0f} s to end" if delay is not None else ""
        return Evidence(f"{old} of the old tasks still run{drains}", reading), True
    alarms = [name for name in service.alarms if name]
    if alarms:
        return Evidence(f"its tasks run, and ECS watches {' and '.join(alarms)} before it ends it", reading), False
    return Evidence("all its tasks run, and ECS doesn't say what it waits for", reading), False


def _groups_of(situation: Situation, service: EcsService) -> tuple[str, ...]:
    configured = situation.environment.service_named(service.name)
    return configured.target_groups if configured else ()


def _ill_targets(situation: Situation, service: EcsService) -> Evidence | None:
    health = situation.fact(TargetHealth)
    wanted = _groups_of(situation, service)
    for group in health.groups if health else ():
        ill = [each for each in group.targets if each.state in ("initial", "unhealthy")]
        if group.group.name in wanted and ill:
            reason = ill[0].description.rstrip(".") or ill[0].reason or ill[0].state
            text = f"{len(ill)} of its targets {'is' if len(ill) == 1 else 'are'} {ill[0].state}: {reason}"
            return Evidence(text, reading_of(health))
    return None
