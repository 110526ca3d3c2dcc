"""Scheduling a maintenance: what is approved is its window, its steps as they were planned, and their undo. Each step
is planned again from fresh facts when it begins, and looked at by the table of preconditions then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from omc.config import Environment
from omc.errors import WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.scope import Scope
from omc.judgement.maintenance_windows import frozen, is_inside, next_window
from omc.model import typed_json
from omc.model.arguments.maintenance import ScheduleMaintenance
from omc.model.maintenance import MaintenanceRequest, MaintenanceStep
from omc.model.matchers import parse_all
from omc.model.plan import Plan, Risk, step
from omc.procedures import preflight
from omc.procedures.preconditions.situation import Situation
from omc.procedures.preconditions.table import Verb
from omc.times import format_duration, format_time

MAX_LENGTH = timedelta(hours=24)
"""Of a maintenance: what takes longer is several."""
MAX_WATCH = 24 * 3600.0
MAX_STEPS = 50
RISKS = (Risk.LOW, Risk.HIGH, Risk.DESTRUCTIVE)


def plan_maintenance(request: MaintenanceRequest, environment: Environment, scope: Scope, active: ActiveRun) -> Plan:
    """The plan of ``omc maintenance plan``. ``WrongUse`` for what makes no maintenance."""
    begin, end, steps = _moment(request.begin), _moment(request.end), _steps(request.steps)
    _require_sense(request, begin, end, steps, scope.now)
    preflight.named_services(request.affects, environment)
    inside = is_inside(environment, begin, end)
    situation = Situation(environment=environment, scope=scope, active=active)
    found = preflight.examine(Verb.MAINTENANCE, situation, request.override)
    outside = [] if inside else [preflight.Refusal(_outside(environment, begin), overridable=True)]
    if freeze := frozen(environment, begin, end):
        outside.append(preflight.Refusal(f"{environment.name} is frozen then: {freeze}.", overridable=True))
    refusals, overridden = preflight.kept_or_overridden(outside, request.override)
    arguments = ScheduleMaintenance(
        title=request.title,
        begin=begin,
        end=end,
        steps=steps,
        silences=tuple(tuple(each) for each in request.silences),
        watch_seconds=float(request.watch_seconds),
        public=request.public.strip(),
        affects=tuple(request.affects),
    )
    zone = environment.time_zone
    when = f"{format_time(begin, zone)} to {format_time(end, zone)}"
    return Plan(
        procedure="maintenance",
        environment=environment.name,
        request=typed_json.to_json(request),
        title=f"Maintenance: {request.title}",
        risk=max((Risk(each.risk) for each in steps), key=RISKS.index),
        steps=(step("schedule", arguments, f"Schedule {request.title} for {when}"),),
        notes=(*overridden, *found.notes, *_notes(request, steps, begin, end)),
        refusals=(*found.refusals, *refusals),
        undo_on_failure=False,
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUse(f"{text!r} is not a time with its offset, such as 2026-11-29T02:00+10:00.")
    return moment.astimezone(UTC)


def _steps(steps: Sequence[object]) -> tuple[MaintenanceStep, ...]:
    try:
        return tuple(typed_json.from_json(MaintenanceStep, each) for each in steps)
    except typed_json.Misfit as error:
        raise WrongUse(f"A step of the maintenance can't be read: {error}") from error


def _require_sense(
    request: MaintenanceRequest, begin: datetime, end: datetime, steps: Sequence[MaintenanceStep], now: datetime
) -> None:
    if not request.title.strip():
        raise WrongUse("A maintenance needs a title, by which people know it.")
    if not 1 <= len(steps) <= MAX_STEPS:
        raise WrongUse(f"A maintenance has between 1 and {MAX_STEPS} steps; this one has {len(steps)}.")
    if not begin < end <= begin + MAX_LENGTH:
        raise WrongUse(f"A maintenance ends after its begin, and within {format_duration(MAX_LENGTH)}.")
    if end <= now:
        raise WrongUse("The window of this maintenance is over.")
    if not 0 < request.watch_seconds <= MAX_WATCH:
        raise WrongUse("It is watched for a second at least, and a day at most.")
    if any(each.procedure == "maintenance" for each in steps):
        raise WrongUse("A maintenance is no step of another one.")
    if unknown := [each.risk for each in steps if each.risk not in set(RISKS)]:
        raise WrongUse(f'A step has the risk "{unknown[0]}"; it is one of {", ".join(RISKS)}.')
    for conditions in request.silences:
        if not conditions:
            raise WrongUse("A silence needs a condition, such as name=rds-*.")
        parse_all(conditions)


def _outside(environment: Environment, begin: datetime) -> str:
    window = next_window(environment, begin)
    opens = format_time(window[0], environment.time_zone) if window else "any time"
    return f"It isn't within a maintenance window of {environment.name}; the next one opens at {opens}."


def _notes(
    request: MaintenanceRequest, steps: Sequence[MaintenanceStep], begin: datetime, end: datetime
) -> Iterator[str]:
    yield (
        f"It may take {format_duration(end - begin)} and is watched for "
        f"{format_duration(timedelta(seconds=request.watch_seconds))} afterwards."
    )
    for number, each in enumerate(steps, 1):
        who = each.procedure or "a person"
        yield (
            f"Step {number}, {who}: {each.title}. Risk {each.risk}. Interruption: {each.interruption or 'not known'}. "
            f"Undo: {each.undo or 'none'}."
        )
    for conditions in request.silences:
        yield f"Silenced until the window's end: alerts with {' and '.join(conditions)}."
    yield "Before it: the team is told; a verified backup; a way back; the same done in staging; the baseline."
    yield "After a step: errors, response time, tasks and alarms against the baseline. It stops where they are worse."
    yield "After it: the morning check, the watch, the all-clear, the runbook."
    yield "Whoever approves this approves each step, and its undo by omc maintenance abort."
