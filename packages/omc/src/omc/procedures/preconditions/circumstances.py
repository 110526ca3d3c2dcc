"""What goes on in the environment: other runs, incidents, alarms, freezes and windows."""

from __future__ import annotations

from collections.abc import Iterator

from omc.config import Environment
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.incidents import OpenIncidents
from omc.incidents.model import SEVERITIES
from omc.judgement.alarms import is_firing
from omc.procedures.preconditions.situation import Objection, Situation
from omc.procedures.preconditions.table import (
    APPLY,
    BACK,
    BACKUP,
    DEPLOY,
    DESTROY,
    IN_NEED,
    MIGRATE,
    NOTE,
    OVERRIDE,
    PRUNE,
    RESTART,
    RESTORE,
    ROLLBACK,
    ROLLED_LAST,
    SCALE,
    SERVES_ON,
    STAYING,
    STOP,
    TERRAFORM,
    UPKEEP,
    Answer,
    Cell,
    Precondition,
    Verb,
    cells,
    note,
    override,
    skip,
)
from omc.times import format_time


def other_runs(now: Situation) -> Iterator[Objection]:
    """One that goes on, or whose worker has died."""
    if now.active is not None and now.active.conflict:
        yield Objection(now.active.conflict)


def bad_incidents(now: Situation) -> Iterator[Objection]:
    """Whoever deals with it must know what changes, and that nothing else does."""
    for incident in now.incidents.incidents if now.incidents else ():
        if SEVERITIES[incident.severity].stops_deployments:
            yield Objection(f"{incident.title} is open: until it is resolved, nothing but its fix is deployed.")


def lesser_incidents(now: Situation) -> Iterator[Objection]:
    for incident in now.incidents.incidents if now.incidents else ():
        if not SEVERITIES[incident.severity].stops_deployments:
            yield Objection(f"{incident.title} is open.")


def alarms(now: Situation) -> Iterator[Objection]:
    """Alarms that fire already hide what the change does."""
    if now.alarms is None:
        return
    names = sorted(alarm.name for alarm in now.alarms.alarms if is_firing(alarm.name, now.alarms, now.environment))
    if names:
        yield Objection(f"{_listed('Alarm', names)} already.", "Look at that first.")


def deployment_alarms(now: Situation) -> Iterator[Objection]:
    """ECS heeds no deployment alarm of a service while one of them fires as the deployment begins, or if turned off."""
    for work in now.work:
        service = work.service
        if service.alarms_off:
            yield Objection(
                f"ECS will not roll {service.name} back for {', '.join(service.alarms_off)}: its deployment alarms "
                "are turned off."
            )
        known = now.alarms
        names = [name for name in service.alarms if known and is_firing(name, known, now.environment)]
        if names:
            yield Objection(
                f"ECS will not roll {service.name} back for any alarm: {_listed('alarm', names)} already, and then "
                "it ignores all of the service's deployment alarms."
            )


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {names[0]} fires" if len(names) == 1 else f"{what}s {', '.join(names)} fire"


def freezes(now: Situation) -> Iterator[Objection]:
    for freeze in now.environment.freezes:
        if freeze.begin <= now.scope.now < freeze.end:
            until = format_time(freeze.end, now.environment.time_zone)
            yield Objection(f"{now.environment.name} is frozen until {until}: {freeze.reason}.")


def required_window(now: Situation) -> Iterator[Objection]:
    """A maintenance window that changes have to wait for."""
    if _waits(now) and not now.interruption and (opens := _opens(now)):
        yield Objection(
            f"{now.environment.name} is deployed to in a maintenance window only, and none is open; the next one opens "
            f"at {opens}."
        )


def window(now: Situation) -> Iterator[Objection]:
    if not _waits(now) and not now.interruption and (opens := _opens(now)):
        yield Objection(f"No maintenance window is open; the next one opens at {opens}.")


def interrupting(now: Situation) -> Iterator[Objection]:
    """A change that users notice, where an environment has windows for such changes."""
    if now.interruption and (opens := _opens(now)):
        yield Objection(
            f"{now.interruption} That is for a maintenance window, and none is open; the next one opens at {opens}."
        )


def _waits(now: Situation) -> bool:
    return any(each.required for each in now.environment.windows)


def _opens(now: Situation) -> str:
    """When the next maintenance window opens; empty where there are none, or one is open."""
    found = now.environment.window_at(now.scope.now)
    return "" if found is None or now.scope.now in found else format_time(found.begin, now.environment.time_zone)


CALENDAR = cells(
    {
        (DEPLOY, MIGRATE, *TERRAFORM): OVERRIDE,
        (*BACK, RESTART, *SCALE): note("no new code comes with it, and it may be what keeps users served"),
        (PRUNE,): SERVES_ON,
        (BACKUP,): SERVES_ON,
        (RESTORE,): note("it may be what keeps users served"),
        UPKEEP: OVERRIDE,
    }
)
"""What a freeze and a window that changes must wait for mean to each."""

ROWS: tuple[Precondition, ...] = (
    Precondition(
        "no other run of omc is active in the environment",
        other_runs,
        (ActiveRun,),
        cells(
            {
                tuple(Verb): Cell(
                    Answer.REFUSE, "the effects of two changes at a time can't be told apart; a dead run is taken over"
                )
            }
        ),
    ),
    Precondition(
        "no SEV-1 or SEV-2 incident is open",
        bad_incidents,
        (OpenIncidents,),
        cells(
            {
                (DEPLOY, MIGRATE, *TERRAFORM): override("the fix of the incident goes ahead with its reason"),
                (*BACK, RESTART, *SCALE): IN_NEED,
                (PRUNE,): Cell(Answer.REFUSE, "it can wait, and the incident may need what it would remove"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): IN_NEED,
                UPKEEP: override("it may be what ends the incident"),
            }
        ),
    ),
    Precondition(
        "no lesser incident is open",
        lesser_incidents,
        (OpenIncidents,),
        cells(
            {
                (DEPLOY, *BACK, RESTART, *SCALE, MIGRATE, *TERRAFORM): NOTE,
                (PRUNE,): SERVES_ON,
                (BACKUP,): SERVES_ON,
                (RESTORE,): NOTE,
                UPKEEP: NOTE,
            }
        ),
    ),
    Precondition(
        "the environment is not frozen",
        freezes,
        (Environment,),
        CALENDAR,
    ),
    Precondition(
        "a maintenance window is open, where changes must wait for one",
        required_window,
        (Environment,),
        CALENDAR,
    ),
    Precondition(
        "a maintenance window is open, where that is only preferred",
        window,
        (Environment,),
        cells(
            {
                (DEPLOY, MIGRATE, *TERRAFORM): NOTE,
                (*BACK, RESTART, *SCALE): skip("no new code comes with it"),
                (PRUNE,): SERVES_ON,
                (BACKUP,): SERVES_ON,
                (RESTORE,): skip("no new code comes with it"),
                UPKEEP: NOTE,
            }
        ),
    ),
    Precondition(
        "a maintenance window is open, where the change interrupts what users do",
        interrupting,
        (Environment,),
        cells(
            {
                (APPLY,): override("an emergency doesn't wait; its reason is recorded and takes the plan's approvals"),
                (DEPLOY, *BACK, RESTART, *SCALE, MIGRATE): skip("it replaces tasks while others serve"),
                (DESTROY,): skip("there is nothing left that could be interrupted"),
                (RESTORE,): skip("it ends an outage, and its plan says what it interrupts"),
                UPKEEP: override("an emergency doesn't wait; its reason is recorded"),
                (PRUNE, BACKUP): SERVES_ON,
            }
        ),
    ),
    Precondition(
        "no alarm fires",
        alarms,
        (Alarms,),
        cells(
            {
                (DEPLOY,): override("they would hide what the deployment does"),
                (*BACK, RESTART, *SCALE): IN_NEED,
                (MIGRATE,): note("a new environment's alarms fire until it is migrated"),
                (APPLY,): note("a change of the infrastructure may be what ends them"),
                (DESTROY,): skip("what they watch goes"),
                (PRUNE,): SERVES_ON,
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: note("it may be what ends them"),
            }
        ),
    ),
    Precondition(
        "ECS watches the service's deployment alarms",
        deployment_alarms,
        (Alarms,),
        cells(
            {
                (DEPLOY, RESTART): NOTE,
                (ROLLBACK,): skip("they are turned off for the way back"),
                (STOP, *SCALE, MIGRATE, *TERRAFORM, PRUNE): skip("it begins no deployment"),
                (BACKUP,): SERVES_ON,
                (RESTORE,): ROLLED_LAST,
                UPKEEP: STAYING,
            }
        ),
    ),
)
