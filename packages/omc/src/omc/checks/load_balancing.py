"""Checks of the load balancer: itself, its targets, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import HIGH_ERROR_RATE, MORNING_CHECKS, SERVICE_UNHEALTHY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.load_balancers import GroupHealth, LoadBalancers, Target, TargetHealth
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.traffic import MetricsAge, Minute, Traffic
from omc.output.text import counted
from omc.times import format_duration, format_time

MINUTE = timedelta(minutes=1)
NO_ANSWERS = timedelta(minutes=10)
"""After this long without any answer, earlier 5xx are over; that nobody gets an answer is for other checks to say."""


@check(
    "load-balancer",
    title="Load balancer: state",
    question="Does the load balancer exist, and is it active?",
    severity=Level.FAIL,
    runbook=SERVICE_UNHEALTHY,
)
def load_balancer(load_balancers: LoadBalancers, environment: Environment) -> Iterator[Finding]:
    if not load_balancers.load_balancers and environment.has_load_balancer:
        sentence = (
            f"There is no load balancer whose name begins with {environment.prefix}: nothing reaches the services."
        )
        evidence = (Evidence("none of the account's load balancers has that name", load_balancers.reading),)
        yield Finding(
            "load-balancer", Level.FAIL, environment.prefix, sentence, evidence, MORNING_CHECKS, place="load-balancer"
        )
    for found in load_balancers.load_balancers:
        level = {"active": Level.OK, "provisioning": Level.WARN, "": Level.UNKNOWN}.get(found.state, Level.FAIL)
        why = f": {found.reason}" if found.reason else ""
        yield Finding(
            check="load-balancer",
            level=level,
            subject=found.name,
            sentence=f"The load balancer is {found.state}{why}."
            if found.state
            else "ELB doesn't say in which state it is.",
            evidence=(Evidence(f"{found.dns_name}: {found.state}", load_balancers.reading),),
            procedure=None if level is Level.OK else SERVICE_UNHEALTHY,
            place="load-balancer",
        )


@check(
    "targets",
    title="Targets: health of every one",
    question="Is every target healthy that the load balancer sends requests to?",
    severity=Level.FAIL,
    runbook=SERVICE_UNHEALTHY,
)
def targets(health: TargetHealth, services: Services, environment: Environment) -> Iterator[Finding]:
    at_zero = {service.name for service in services.services if service.desired == 0}
    sharing = services_by_group(environment)
    resting = {group for group, names in sharing.items() if at_zero.issuperset(names)}
    idle = _idle_of_pairs(health, services)
    tasks = _tasks_behind(services, environment)
    if not health.groups and any(service.target_groups for service in environment.services):
        sentence = f"There is no target group of {environment.name}: the load balancer has nowhere to send requests."
        evidence = (Evidence("none of the account's target groups belongs to it", health.reading),)
        yield Finding("targets", Level.FAIL, environment.prefix, sentence, evidence, SERVICE_UNHEALTHY, place="targets")
    for group in health.groups:
        level, sentence = _group(group, is_resting=group.group.name in resting)
        running = tasks.get(group.group.arn) or tasks.get(group.group.name, 0)
        staying = sum(target.state != "draining" for target in group.targets)
        if group.group.arn in idle:
            level, sentence = Level.OK, "No target is registered: the idle group of a blue/green pair."
        elif level is Level.OK and staying < running:
            whose = (
                " and ".join(sharing.get(group.group.name, ())) if len(sharing.get(group.group.name, ())) > 1 else ""
            )
            level, sentence = (
                Level.WARN,
                (
                    f"{sentence.rstrip('.')}, but {counted(running, 'task')} of {whose or 'its service'} run: "
                    f"{running - staying} of them get{'s' * (running - staying == 1)} no request."
                ),
            )
        yield Finding(
            check="targets",
            level=level,
            subject=group.group.name,
            sentence=sentence,
            evidence=tuple(Evidence(_told(target), health.reading) for target in group.targets)
            or (Evidence(f"{group.group.name} has no targets", health.reading),),
            procedure=None if level is Level.OK else SERVICE_UNHEALTHY,
            is_under_way=level is Level.WARN and _is_starting(group),
            place=f"targets/{_owner_of_ill(group, environment) or group.group.name}"
            if group.group.is_used
            else "load-balancer",  # which is what doesn't send: its targets may be well
        )


def _idle_of_pairs(health: TargetHealth, services: Services) -> set[str]:
    """Target groups of blue/green services that have no target while the other of their pair has: as it should be."""
    pairs = [pair for service in services.services for pair in service.alternates.items()]
    filled = {group.group.arn for group in health.groups if group.targets}
    either = [*pairs, *((other, one) for one, other in pairs)]
    return {one for one, other in either if one not in filled and other in filled}


def _tasks_behind(services: Services, environment: Environment) -> dict[str, int]:
    """By target group (ARN as ECS tells it; name as omc.toml says): tasks that run, each of which should be a target.
    While a service is being deployed to or started, a task may run a moment before it is registered."""
    names = {service.name: service.target_groups for service in environment.services}
    found: dict[str, int] = {}
    for service in services.services:
        if service.alternates:
            continue  # its tasks are in two groups, as its deployment goes
        for group in (*service.target_groups, *names.get(service.name, ())):
            found[group] = found.get(group, 0) + service.running
    return found


def services_by_group(environment: Environment) -> dict[str, list[str]]:
    """By target group's name: the services whose tasks are in it by omc.toml. Most often one."""
    found: dict[str, list[str]] = {}
    for service in environment.services:
        for group in service.target_groups:
            found.setdefault(group, []).append(service.name)
    return found


def _owner_of_ill(health: GroupHealth, environment: Environment) -> str:
    """The service whose targets aren't well; of a group that several share, told by their ports. Empty: not known."""
    owners = [service for service in environment.services if health.group.name in service.target_groups]
    if len(owners) == 1:
        return owners[0].name
    ill = {target.port for target in health.targets if target.state not in ("healthy", "draining")}
    named = {service.name for service in owners if service.port in ill}
    return next(iter(named)) if len(named) == 1 and ill <= {service.port for service in owners} else ""


def _group(health: GroupHealth, *, is_resting: bool) -> tuple[Level, str]:
    states: dict[str, list[Target]] = {}
    for target in health.targets:
        states.setdefault(target.state, []).append(target)
    leaving = len(states.pop("draining", []))
    healthy = len(states.pop("healthy", []))
    staying = len(health.targets) - leaving
    note = f" ({leaving} more draining)" if leaving else ""
    if staying == 0:
        if is_resting or not health.group.is_used:
            return Level.WARN, f"No target is registered{note}; its service is scaled to zero or not in use."
        return Level.FAIL, f"No target is registered{note}."
    if not states:
        return Level.OK, f"{healthy} of {staying} targets are healthy{note}."
    others = "; ".join(
        f"{len(group)} {state}: {', '.join(dict.fromkeys(_why(target) for target in group))}"
        for state, group in sorted(states.items())
    )
    level = Level.WARN if healthy and set(states) <= {"initial"} else Level.FAIL
    if not health.group.is_used:
        return Level.WARN, f"No load balancer sends to it; {others}."
    return level, f"{healthy} of {staying} targets are healthy{note}; {others}."


def _is_starting(health: GroupHealth) -> bool:
    """Some targets are healthy, and the others are new or leaving."""
    states = {target.state for target in health.targets}
    return health.group.is_used and "initial" in states and states <= {"healthy", "initial", "draining"}


def _why(target: Target) -> str:
    message = target.description.rstrip(".")
    if target.reason and message:
        return f"{message} ({target.reason})"
    return message or target.reason or "no reason given"


def _told(target: Target) -> str:
    why = f", {_why(target)}" if target.reason or target.description else ""
    return f"target {target.id}:{target.port} is {target.state}{why}"


@check(
    "error-rate",
    title="5xx answers of the load balancer",
    question="How many of the load balancer's answers are 5xx, and is that more than allowed?",
    severity=Level.FAIL,
    runbook=HIGH_ERROR_RATE,
)
def error_rate(traffic: Traffic, metrics: MetricsAge, environment: Environment, scope: Scope) -> Iterator[Finding]:
    if not environment.has_load_balancer:
        return
    limit = environment.thresholds
    judged = [minute for minute in traffic.minutes if minute.total >= limit.requests_floor]
    high = [minute for minute in judged if minute.percent > limit.error_percent]
    newest_from = scope.now - timedelta(minutes=limit.error_minutes_of + 1)  # the running minute is not whole yet
    now_high = [minute for minute in high if minute.at >= newest_from]
    last = [minute for minute in traffic.minutes if minute.at >= newest_from]
    heard = [metric.newest for metric in metrics.metrics if metric.newest] + [minute.at for minute in traffic.minutes]
    is_stale = not heard or scope.now - max(heard) > timedelta(seconds=limit.metrics_age_seconds)
    ended = _ended(traffic, high, limit.error_percent, 2 if len(now_high) >= limit.error_minutes else 1, scope.now)
    requests, failures = sum(minute.total for minute in last), sum(minute.errors for minute in last)
    recent = f"{failures:.0f} of {requests:.0f} answers were 5xx in the last {limit.error_minutes_of} minutes"
    if len(now_high) >= limit.error_minutes:
        level = Level.FAIL
        sentence = f"{recent}, above {limit.error_percent:g} % in {len(now_high)} of those minutes."
    elif is_stale:
        level, sentence = Level.UNKNOWN, "CloudWatch has no fresh metric, so the rate of 5xx answers is not known."
    elif high:
        level = Level.WARN
        minutes = "1 minute" if len(high) == 1 else f"{len(high)} minutes"
        sentence = (
            f"{recent}; above {limit.error_percent:g} % in {minutes} of the last {format_duration(scope.since)}, "
            f"last at {format_time(high[-1].at, environment.time_zone)}."
        )
    elif requests and not [minute for minute in last if minute in judged]:
        level = Level.OK
        sentence = f"{recent}, below the floor of {limit.requests_floor} requests a minute, so not judged."
    else:
        level, sentence = Level.OK, f"{recent}."
    yield Finding(
        check="error-rate",
        level=level,
        subject="load balancer",
        sentence=sentence,
        evidence=tuple(Evidence(_minute(minute, environment), traffic.reading) for minute in (high[-3:] or last[-1:]))
        or (Evidence(f"no request was answered in the last {format_duration(scope.since)}", traffic.reading),),
        procedure=None if level is Level.OK else HIGH_ERROR_RATE,
        place="load-balancer",
        ended=ended if level in (Level.WARN, Level.FAIL) else None,
    )


def _ended(traffic: Traffic, high: Sequence[Minute], percent: float, is_enough: int, now: datetime) -> datetime | None:
    """When the newest bad minute was over: where whole minutes with answers came after it, so many or more, and none of
    them bad; or where nothing at all was answered for long. None while it goes on."""
    if not high:
        return None
    end = high[-1].at + MINUTE
    later = [minute for minute in traffic.minutes if minute.at >= end]
    whole = [minute for minute in later if minute.at + MINUTE <= now]
    if any(minute.percent > percent for minute in later):
        return None
    if len(whole) >= is_enough or (not later and now - end >= NO_ANSWERS):
        return end
    return None


def _minute(minute: Minute, environment: Environment) -> str:
    when = format_time(minute.at, environment.time_zone)
    return f"{when}: {minute.errors:.0f} of {minute.total:.0f} answers were 5xx, {minute.percent:.1f} %"
