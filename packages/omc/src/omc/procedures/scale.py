"""Scaling a service by hand, together with the autoscaler and not against it.

The autoscaler undoes a count outside its limits within a second, and one inside of them as soon as load allows. So
what is asked for becomes its minimum, and the count follows. For a while only (``seconds``), a timer gives the limits
back; the count then follows the load again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from omc.config import Environment, Service
from omc.errors import Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definitions
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.requirements import Requirements
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets
from omc.facts.temporary import Temporary
from omc.facts.workers import Workers
from omc.model.arguments.base import output_of
from omc.model.arguments.scaling import SetCapacity
from omc.model.arguments.timers import CancelTimer, SetTimer
from omc.model.plan import Json, Plan, Risk, Step, step, undo_by
from omc.model.requests import ScaleRequest
from omc.output.text import counted, shell_line
from omc.procedures import preflight
from omc.procedures.preconditions.services import KEEPS_TASKS, rollout_of
from omc.procedures.preconditions.situation import Objection, OngoingWork, Situation
from omc.procedures.preconditions.table import Verb
from omc.procedures.preconditions.tasks import CONNECTIONS
from omc.times import format_time

PRODUCTION = "production"
HEALTHY_WITHIN = 900.0
"""Seconds for new tasks to start, pass their health checks and be drained where they leave."""


@dataclass(frozen=True, slots=True)
class _DesiredCapacity:
    """What it comes to."""

    at_least: int
    at_most: int
    """The count is brought between the two; both are the count where one was asked for."""
    minimum: int
    maximum: int
    """The autoscaler's limits; where there is none, the same as the two above."""


def scale(
    request: ScaleRequest,
    environment: Environment,
    scope: Scope,
    services: Services,
    definitions: Definitions,
    scaling: Scaling,
    connections: Connections,
    subnets: Subnets,
    quotas: Quotas,
    requirements: Requirements,
    current: StandingImages,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
    workers: Workers,
    temporary: Temporary,
) -> Plan:
    """Limits and count together, until it is healthy; with a period, the timer before them. A timer that finds other
    limits than it was to give back leaves them alone: a plan without a step, which says so."""
    [configured] = preflight.named_services([request.service], environment)
    service = preflight.require_services([request.service], environment, services)[request.service]
    target = scaling.of(service.name)
    now = (target.minimum, target.maximum) if target else (service.desired,)
    if request.gives_back and tuple(request.gives_back) != now:
        return _left_alone(request, environment, service, target, now)
    wish = _wish(request, service, target)
    more = max(0, wish.at_least - service.desired)
    own = {CONNECTIONS: list(_connections(wish, target, configured, services, scaling, connections))}
    if not more:
        own[KEEPS_TASKS] = list(_zero(request, wish, configured, environment))
    found = preflight.examine(
        Verb.OUT if more else Verb.IN,
        Situation(
            environment=environment,
            scope=scope,
            work=(OngoingWork(service, definitions.running.get(service.name), more),),
            services=services,
            requirements=requirements,
            images=current,
            subnets=subnets,
            # Where the limit is known, the sum above is the judgement: it counts what the autoscaler may make of it.
            connections=replace(connections, limit=None),
            quotas=quotas,
            scaling=scaling,
            alarms=alarms,
            incidents=incidents,
            active=active,
        ),
        request.override,
        own,
    )
    return Plan(
        procedure="scale",
        environment=environment.name,
        request=_asked(request),
        title=_title(request, wish, target),
        risk=_risk(wish, configured, service.desired),
        steps=tuple(_steps(request, wish, service, target, environment)),
        preconditions=_rests_on(request, service, target),
        notes=(
            *found.overridden,
            *_notes(request, wish, configured, service, target, quotas),
            *_given_back(request, service, target, workers, environment),
            *_timers(request, temporary, environment),
            *found.notes,
        ),
        refusals=found.refusals,
    )


def _wish(request: ScaleRequest, service: EcsService, target: ScalableTarget | None) -> _DesiredCapacity:
    count, minimum, maximum = request.count, request.minimum, request.maximum
    if count is None and minimum is None and maximum is None:
        raise WrongUse("Say what to scale to: a count, --min, --max.")
    if target is None:
        if count is None or minimum is not None or maximum is not None:
            raise Refused(f"{service.name} has no autoscaler, so it has no limits to set. Scale it by a count.")
        return _DesiredCapacity(count, count, count, count)
    if minimum is None:
        minimum = target.minimum if count is None else count
    if maximum is None:
        maximum = max(target.maximum, minimum) if count is None else max(target.maximum, count)
    if minimum > maximum:
        raise WrongUse(f"The minimum, {minimum}, is more than the maximum, {maximum}.")
    if count is None:
        return _DesiredCapacity(minimum, maximum, minimum, maximum)
    if not minimum <= count <= maximum:
        raise WrongUse(f"{count} tasks are not between {minimum} and {maximum}: the autoscaler would undo it.")
    return _DesiredCapacity(count, count, minimum, maximum)


def _left_alone(
    request: ScaleRequest,
    environment: Environment,
    service: EcsService,
    target: ScalableTarget | None,
    now: tuple[int, ...],
) -> Plan:
    left, found = ("-".join(str(number) for number in numbers) for numbers in (request.gives_back, now))
    return Plan(
        procedure="scale",
        environment=environment.name,
        request=_asked(request),
        title=f"Leave {service.name} at {found}: it was to be set back from {left}, and was changed since",
        risk=Risk.LOW,
        steps=(),
        preconditions=_rests_on(request, service, target),
    )


def _timers(request: ScaleRequest, temporary: Temporary, environment: Environment) -> Iterator[str]:
    """A timer that is to give back what is asked for anew."""
    pending = temporary.of(request.service)
    if temporary.unknown:
        yield f"Whether a timer is to change it again is not known: {temporary.unknown}"
    if pending is None or request.gives_back:
        return
    back, until = "-".join(map(str, pending.back)), format_time(pending.until, environment.time_zone)
    kept = "-".join(map(str, pending.now))
    yield (
        f"The timer {pending.timer} ({pending.who}) is to set {request.service} back to {back} at {until}. It finds "
        f"other limits than {kept} then, leaves them alone and says so. To cancel it: omc runs cancel {pending.timer}"
    )


def _steps(
    request: ScaleRequest,
    wish: _DesiredCapacity,
    service: EcsService,
    target: ScalableTarget | None,
    environment: Environment,
) -> Iterator[Step]:
    name = service.name
    if request.seconds is not None:
        yield _timer(request.seconds, wish, service, target)
    before, after = _now(service, target, exact=request.count is not None), wish
    yield step(
        f"scale-{name}",
        _arguments(name, after, target, environment),
        title=f"Bring {name} to {_tasks(after)}, and wait until all of them are healthy",
        before=_in_words(before, target),
        after=_in_words(after, target),
        undo=undo_by(_arguments(name, before, target, environment), f"back to {_in_words(before, target)}"),
        deadline=HEALTHY_WITHIN,
    )


def _now(service: EcsService, target: ScalableTarget | None, *, exact: bool) -> _DesiredCapacity:
    """What would have to be asked for to get what is there now. Limits alone don't depend on how many run."""
    low, high = (target.minimum, target.maximum) if target else (service.desired, service.desired)
    if exact:
        return _DesiredCapacity(service.desired, service.desired, low, high)
    return _DesiredCapacity(low, high, low, high)


def _arguments(
    name: str, wish: _DesiredCapacity, target: ScalableTarget | None, environment: Environment
) -> SetCapacity:
    return SetCapacity(
        service=name,
        minimum=wish.minimum if target else None,
        maximum=wish.maximum if target else None,
        at_least=wish.at_least,
        at_most=wish.at_most,
        settle_seconds=environment.settle_seconds,
    )


def _in_words(wish: _DesiredCapacity, target: ScalableTarget | None) -> str:
    limits = f"limits {wish.minimum}-{wish.maximum}"
    if wish.at_least != wish.at_most:
        return limits
    return f"{_tasks(wish)}, {limits}" if target else _tasks(wish)


def _timer(seconds: int, wish: _DesiredCapacity, service: EcsService, target: ScalableTarget | None) -> Step:
    """First, so that a run that dies after its effect gives it back all the same; it finds nothing to do if not."""
    if target is None:
        back = ScaleRequest(service.name, count=service.desired, gives_back=(wish.at_least,))
        words = _counted(service.desired)
    else:
        limits = (wish.minimum, wish.maximum)
        back = ScaleRequest(service.name, minimum=target.minimum, maximum=target.maximum, gives_back=limits)
        words = f"{target.minimum}-{counted(target.maximum, 'task')}"
    name = f"give-back-{service.name}"
    return step(
        name,
        SetTimer(
            seconds=seconds,
            procedure="scale",
            request=_asked(back),
            why=f"{service.name} was scaled for {_period(seconds)}: back to {words}",
        ),
        title=f"Set the timer that brings {service.name} back to {words} after {_period(seconds)}",
        undo=undo_by(CancelTimer(timer=output_of(name, "timer")), "the timer is cancelled"),
        deadline=60.0,
    )


def _risk(wish: _DesiredCapacity, configured: Service, now: int) -> Risk:
    """Low within the limits of omc.toml; where it names none, from one task to twice as many as are wanted now."""
    if configured.minimum is None or configured.maximum is None:
        within = wish.minimum >= 1 and wish.maximum <= max(2 * now, 1)
    else:
        within = configured.minimum <= wish.minimum and wish.maximum <= configured.maximum
    return Risk.LOW if within else Risk.HIGH


def _rests_on(request: ScaleRequest, service: EcsService, target: ScalableTarget | None) -> dict[str, Json]:
    """The count too where a count was asked for: whether that is more or less than now is what is agreed to."""
    return {
        "limits": [target.minimum, target.maximum] if target else None,
        "desired": service.desired if request.count is not None else None,
    }


def _zero(
    request: ScaleRequest, wish: _DesiredCapacity, configured: Service, environment: Environment
) -> Iterator[Objection]:
    if wish.at_most == 0 and environment.name == PRODUCTION and configured.minimum != 0:
        yield Objection(f"With 0 tasks {request.service} serves nobody, and this is production.")


def _connections(
    wish: _DesiredCapacity,
    target: ScalableTarget | None,
    configured: Service,
    services: Services,
    scaling: Scaling,
    connections: Connections,
) -> Iterator[Objection]:
    """What is sure to run is always judged; what the autoscaler may make of it, where the maximum is raised."""
    if configured.name not in connections.each_task or connections.budget is None:
        return
    raised = target is not None and wish.maximum > target.maximum
    tasks = {
        service.name: found.maximum if (found := scaling.of(service.name)) else service.desired
        for service in services.services
    }
    tasks[configured.name] = wish.maximum if raised else wish.at_least
    needed = connections.needed(tasks)
    if needed > connections.budget:
        sum_of = " + ".join(
            f"{tasks[name]} {name} at {each} each" for name, each in connections.each_task.items() if name in tasks
        )
        yield Objection(
            f"{counted(tasks[configured.name], 'task')} of {configured.name} may open {needed} database "
            f"connections ({sum_of}), "
            f"more than the {connections.budget} that are for tasks (80 % of max_connections, {connections.limit})."
        )


def _notes(
    request: ScaleRequest,
    wish: _DesiredCapacity,
    configured: Service,
    service: EcsService,
    target: ScalableTarget | None,
    quotas: Quotas,
) -> Iterator[str]:
    if _risk(wish, configured, service.desired) is Risk.HIGH:
        if configured.scales:
            yield f"Outside the limits of omc.toml: {configured.minimum} to {configured.maximum} tasks."
        else:
            yield f"omc.toml names no limits of {service.name}: none, or more than twice as many, is of high risk."
    if target is None:
        yield f"{service.name} has no autoscaler: its desired count is set, and nothing else changes it."
    elif not target.suspended and request.count is not None and request.seconds is None:
        again = "until its minimum is set again: --min."
        if wish.minimum > target.minimum:
            yield f"The autoscaler won't go below {_counted(wish.minimum)} {again}"
        elif wish.minimum < target.minimum:
            yield f"The autoscaler may go down to {_counted(wish.minimum)} {again}"
    if rollout_of(service).under_way:
        fewer = (
            (" Scaling in removes tasks of the old and of the new revision.") if wish.at_most < service.running else ""
        )
        yield f"The deployment in progress goes on with the new count.{fewer}"
    if wish.at_most == 0:
        yield "With 0 tasks it serves nobody, and without tasks there is no load that would bring it back."
    if wish.at_least > service.desired and quotas.vcpus is not None:
        yield "Fargate's quota was compared with this environment's services; other tasks of the account count too."


def _given_back(
    request: ScaleRequest,
    service: EcsService,
    target: ScalableTarget | None,
    workers: Workers,
    environment: Environment,
) -> Iterator[str]:
    """Who sets it back when the time is over."""
    if request.seconds is None:
        return
    period = _period(request.seconds)
    if workers.alive:
        yield f"After {period} omc's worker sets it back; one is alive ({workers.alive[0]})."
        return
    limits = ["--min", str(target.minimum), "--max", str(target.maximum)] if target else [str(service.desired)]
    by_hand = shell_line(["omc", "scale", "--env", environment.name, request.service, *limits])
    start = shell_line(["omc", "worker", "--env", environment.name])
    yield (
        f"NOBODY SETS IT BACK after {period} as things are: no worker is alive. Start one that stays (docs/worker.md): "
        f"{start}; or set it back then: {by_hand}"
    )


def _title(request: ScaleRequest, wish: _DesiredCapacity, target: ScalableTarget | None) -> str:
    what = f"Scale {request.service} to {_tasks(wish)}"
    limits = f", limits {wish.minimum}-{wish.maximum}" if target and request.count is not None else ""
    return what + limits + (f", for {_period(request.seconds)}" if request.seconds else "")


def _tasks(wish: _DesiredCapacity) -> str:
    if wish.at_least != wish.at_most:
        return f"{wish.at_least}-{counted(wish.at_most, 'task')}"
    return _counted(wish.at_least)


def _counted(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _period(seconds: int) -> str:
    """As it is typed: ``2h``, ``45m``."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _asked(request: ScaleRequest) -> dict[str, Json]:
    return {
        "service": request.service,
        "count": request.count,
        "minimum": request.minimum,
        "maximum": request.maximum,
        "seconds": request.seconds,
        "override": request.override,
        "gives_back": list(request.gives_back),
    }
