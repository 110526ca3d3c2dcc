"""A test of the way that alarms go: a marked message to a topic, through the queue and a responder, to whoever it was
asked for. It is never an alert and never an incident.

Only a test that stands in the record has an effect, once, and it goes where the record says: whoever can publish to a
topic can have nobody paged by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent
from omc.model.pages import Message, Page
from omc.model.people import ContactMethod
from omc.responder.model import Trial
from omc.store import eventlog
from omc.store.opened import Transaction
from omc.store.outbox import enqueue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COUNTS_FOR: Final = timedelta(hours=1)
"""So long after it was asked for a test is handed over; what lay in the queue for longer is only written down."""


@dataclass(frozen=True, slots=True)
class Requested:
    """Somebody asked for a test."""

    topic: str
    recipient: str
    """Empty: nobody is told, and that it came is all."""
    methods: tuple[ContactMethod, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A responder has read its message; the page is written in the same transaction."""

    published_at: datetime
    """By SNS's clock."""
    queued_at: datetime
    """By SQS's clock."""
    by: str
    """The process that read it."""


TYPES = EventTypes("test of the alarm path", {"requested": Requested, "received": Received})
TrialEvent: TypeAlias = Event[Requested | Received | UnknownEvent]


def stream_of(environment: str, trial: str) -> Stream:
    """Where a test's events are."""
    return Stream(TYPES.kind, environment, trial)


def key_of(environment: str, trial: str) -> str:
    """Of its page."""
    return f"notice:{environment}:trial:{trial}"


def ask(transaction: Transaction, environment: str, trial: str, requested: Requested) -> None:
    """Write down that a test is asked for, before it is published."""
    eventlog.append(transaction, TYPES, stream_of(environment, trial), requested, seen=0)


def receive(transaction: Transaction, trial: Trial, queued_at: datetime, by: str) -> str:
    """Write down that it came, and have its page sent, once; what became of it, in a sentence."""
    stream = stream_of(trial.environment, trial.id)
    events = eventlog.read_stream(transaction.session, TYPES, stream)
    request = events[0].payload if events else None
    if not isinstance(request, Requested):
        return f"A test of the alarm path came, {trial.id}, that isn't in this record: it has no effect."
    if len(events) > 1:
        return f"The test {trial.id} of the alarm path came again: it has no effect."
    eventlog.append(transaction, TYPES, stream, Received(trial.at, queued_at, by), seen=len(events))
    if not request.methods or transaction.at - events[0].at > COUNTS_FOR:
        return f"The test {trial.id} of the alarm path came."
    short = f"omc: a test of the alarm path of {trial.environment} came through. Nothing is wrong."
    message = Message(short, (f"It was asked for by {events[0].by}.",))
    key = key_of(trial.environment, trial.id)
    enqueue(transaction, Page(key, trial.environment, request.recipient, request.methods, message, is_urgent=False))
    return f"The test {trial.id} of the alarm path came, and goes to {request.recipient}."


def received(session: Session, environment: str, trial: str) -> tuple[datetime, Received] | None:
    """When it was written down that it came, and what was; None as long as it hasn't."""
    for event in eventlog.read_stream(session, TYPES, stream_of(environment, trial)):
        if isinstance(event.payload, Received):
            return event.at, event.payload
    return None
