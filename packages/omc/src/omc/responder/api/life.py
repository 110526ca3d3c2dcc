"""What people do with an incident on call: take it, put it off, hand it on, end it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from omc.config import Stack
from omc.errors import Missing, WrongUse, did_you_mean
from omc.incidents.events import AlertLeft, ComponentState, Mitigated, Reopened, RoleAssigned, SnoozeEnded, UpdateSent
from omc.incidents.incident import ROLES
from omc.model.people import Person
from omc.responder import life
from omc.responder.api.incidents import PREFIX
from omc.responder.api.shapes import (
    SOMETHING,
    WHOLE,
    Body,
    IncidentShape,
    Level,
    Moment,
    Number,
    PersonId,
    Sentence,
    Text,
)
from omc.responder.api.work import Working
from omc.responder.status.telling import Telling, tell_customers

router = APIRouter(prefix=PREFIX + "/{number}", tags=["on call"])
MAX_SNOOZE = 14 * 24 * 60
"""Minutes."""


AlertKey = Annotated[str, Field(min_length=1, max_length=200, description="The alert's key.")]


class Nothing(Body):
    """No field."""


class How(Body):
    how: Text


class Update(Body):
    """With a phase it is in the status feed and sent to subscribers; without, it is only recorded."""

    text: Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")] = ""
    """Empty: the template of the phase."""
    phase: Literal["investigating", "identified", "monitoring", "resolved"] | None = None
    title: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    """What customers know it as."""
    components: Annotated[
        dict[str, Literal["operational", "degraded_performance", "partial_outage", "major_outage"]],
        Field(default_factory=dict, max_length=100),
    ]
    """How components are, by service; empty: as omc takes it from the incident."""


class Detaching(Body):
    alert: AlertKey


class Resolution(Body):
    how: Text
    override: Sentence | None = None
    """Why it is over although its alerts fire, or health couldn't be verified."""


class SnoozeBody(Body):
    minutes: Annotated[int, Field(ge=1, le=MAX_SNOOZE), WHOLE] | None = None
    until: Moment | None = None
    """In place of minutes; neither: until the next business hours."""
    why: Sentence
    if_still_firing: Annotated[bool, Field(strict=True)] = False
    """At its end people are paged only where an alert still fires."""


class Assignment(Body):
    role: Literal["lead", "communications", "scribe"]
    person: Annotated[str, Field(min_length=1, max_length=200, pattern=SOMETHING)]
    """Her id in [people] of omc.toml, where there are any."""


class Paging(Body):
    people: Annotated[list[PersonId], Field(min_length=1, max_length=20)]
    why: Annotated[str, Field(max_length=500)] = ""


class Why(Body):
    why: Sentence


class Merging(Body):
    into: Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]


class Splitting(Body):
    alerts: Annotated[list[AlertKey], Field(min_length=1, max_length=200)]
    summary: Sentence
    severity: Level | None = None


@router.post("/acknowledge", summary="Take it")
def acknowledge(work: Working, number: Number, _: Nothing | None = None) -> IncidentShape:
    """Nobody else is paged for it, until it lapses because nothing follows."""
    policy = work.context.on_call(work.name).policy
    return work.on(number, lambda store, doer: life.acknowledge(store, work.name, number, doer, policy))


@router.post("/snooze", summary="Have nobody paged for a while")
def snooze(work: Working, number: Number, body: SnoozeBody) -> IncidentShape:
    if body.minutes is not None and body.until is not None:
        raise WrongUse("Say minutes or until, not both.")
    now = work.context.store.now()
    until = body.until.astimezone(UTC) if body.until else None
    if body.minutes is not None:
        until = now + timedelta(minutes=body.minutes)
    if until is None:
        until = life.until_business_hours(work.context.on_call(work.name).policy, now)
    end: datetime = until
    if end - now > timedelta(minutes=MAX_SNOOZE):
        raise WrongUse("An incident is snoozed for 14 days at most. Nothing was recorded.")
    return work.on(
        number,
        lambda store, doer: life.snooze(
            store, work.name, number, doer, end, body.why, if_still_firing=body.if_still_firing
        ),
    )


@router.post("/unsnooze", summary="End a snooze before its time")
def unsnooze(work: Working, number: Number, _: Nothing | None = None) -> IncidentShape:
    return work.on(number, lambda store, doer: life.act(store, work.name, number, doer, SnoozeEnded("by hand")))


@router.post("/updates", summary="Tell customers, or record what they were told")
def update(work: Working, number: Number, body: Update) -> IncidentShape:
    """With a phase, whoever subscribed to the status gets it."""
    if body.phase is None:
        message = UpdateSent(
            body.text, "", body.title, tuple(ComponentState(*each) for each in body.components.items())
        )
        return work.on(number, lambda store, doer: life.act(store, work.name, number, doer, message))
    telling = Telling(body.text, body.phase, body.title, body.components)
    return work.on(
        number, lambda store, doer: tell_customers(store, work.context.stack, work.name, number, doer, telling)
    )


@router.post("/detach", summary="Say that an alert doesn't belong to it")
def detach(work: Working, number: Number, body: Detaching) -> IncidentShape:
    return work.on(number, lambda store, doer: life.act(store, work.name, number, doer, AlertLeft(body.alert)))


@router.post("/mitigate", summary="Say that users are served again")
def mitigate(work: Working, number: Number, body: How) -> IncidentShape:
    """The cause may be there still."""
    return work.on(number, lambda store, doer: life.act(store, work.name, number, doer, Mitigated(body.how)))


@router.post("/resolve", summary="End it")
def resolve(work: Working, number: Number, body: Resolution) -> IncidentShape:
    """One that came from alerts ends only when these have been quiet and all is well, or with a reason."""
    on_call = work.context.on_call(work.name)
    return work.on(
        number,
        lambda store, doer: life.resolve_by_hand(
            store, work.name, number, doer, body.how, on_call.policy, on_call.health, body.override
        ),
    )


@router.post("/reopen", summary="Say that it is not over")
def reopen(work: Working, number: Number, body: Why) -> IncidentShape:
    return work.on(number, lambda store, doer: life.act(store, work.name, number, doer, Reopened(body.why)))


@router.post("/assign", summary="Give a person a part in it")
def assign(work: Working, number: Number, body: Assignment) -> IncidentShape:
    stack = work.context.stack
    person = person_of(stack, body.person).id if stack.persons else body.person
    return work.on(
        number, lambda store, doer: life.act(store, work.name, number, doer, RoleAssigned(body.role, person))
    )


@router.post("/page", summary="Page people now")
def page(work: Working, number: Number, body: Paging) -> IncidentShape:
    """Whatever the chain says."""
    stack = work.context.stack
    people = [person_of(stack, each) for each in dict.fromkeys(body.people)]
    return work.on(
        number, lambda store, doer: life.page(store, work.name, number, doer, people, body.why, stack.contacts)
    )


@router.post("/escalate", summary="Page the next in the chain now")
def escalate(work: Working, number: Number, _: Nothing | None = None) -> IncidentShape:
    on_call = work.context.on_call(work.name)
    return work.on(
        number, lambda store, doer: life.escalate(store, work.name, number, doer, on_call.policy, on_call.resolve)
    )


@router.post("/merge", summary="Have it go on in another one")
def merge(work: Working, number: Number, body: Merging) -> IncidentShape:
    """The answer is the other one, as it is then."""
    return work.on(body.into, lambda store, doer: life.merge(store, work.name, number, body.into, doer))


@router.post("/unmerge", summary="Undo a merging")
def unmerge(work: Working, number: Number, _: Nothing | None = None) -> IncidentShape:
    return work.on(number, lambda store, doer: life.unmerge(store, work.name, number, doer))


@router.post("/split", summary="Have some of its alerts be an incident of their own")
def split(work: Working, number: Number, body: Splitting) -> IncidentShape:
    """The answer is the new one. A request that comes again is answered with the old one."""
    return work.on(
        number, lambda store, doer: life.split(store, work.name, number, body.alerts, body.summary, doer, body.severity)
    )


def person_of(stack: Stack, name: str) -> Person:
    """One of ``[people]``. ``Missing`` where there is no such person."""
    if name not in stack.persons:
        raise Missing(f"There is no [people.{name}] in omc.toml.{did_you_mean(name, list(stack.persons))}")
    return stack.persons[name]


assert set(ROLES) == {"lead", "communications", "scribe"}  # noqa: S101 - Literal wants them written out
