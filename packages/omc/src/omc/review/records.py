"""Reviews in the event log."""

from __future__ import annotations

from datetime import datetime

from omc.engine.actors import Actor
from omc.errors import WrongUse
from omc.review.events import TYPES, Reviewed, Withdrawn, accept, remembered, stream_of
from omc.review.model import NOTHING, Memory, Review, seen_of
from omc.store import eventlog
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction


def memory_of(place: StoreLocation, environment: str) -> Memory:
    """What the record knows; nothing where there is none yet. Starts no database for it."""
    if not place.exists:
        return NOTHING
    with open_store(place) as store:
        return memory_in(store, environment)


def memory_in(store: Store, environment: str) -> Memory:
    """What the record knows."""
    with store.reading() as session:
        return remembered(eventlog.read_stream(session, TYPES, stream_of(environment)))


def record(store: Store, environment: str, review: Review, actor: Actor) -> None:
    """Write down what was found, each part by itself."""
    stream = stream_of(environment)

    def write(transaction: Transaction) -> None:
        seen = eventlog.last_sequence(transaction.session, stream)
        for number, part in enumerate(review.parts):
            payload = Reviewed(part.part.name, seen_of(part.findings))
            eventlog.append(transaction, TYPES, stream, payload, seen=seen + number, link=actor.link)

    eventlog.retry_on_conflict(store, actor.name, (TYPES.kind, environment), write)


def accept_finding(
    store: Store, environment: str, key: str, *, reason: str, owner: str, until: datetime, actor: Actor
) -> None:
    """Write down an acceptance. ``WrongUse`` where something about it isn't so."""
    stream = stream_of(environment)

    def write(transaction: Transaction) -> None:
        events = eventlog.read_stream(transaction.session, TYPES, stream)
        payload = accept(key, reason, owner, until, transaction.at, remembered(events))
        eventlog.append(transaction, TYPES, stream, payload, seen=len(events), link=actor.link)

    eventlog.retry_on_conflict(store, actor.name, (TYPES.kind, environment), write)


def withdraw(store: Store, environment: str, key: str, *, reason: str, actor: Actor) -> None:
    """End an acceptance now. ``WrongUse`` where there is none."""
    stream = stream_of(environment)

    def write(transaction: Transaction) -> None:
        events = eventlog.read_stream(transaction.session, TYPES, stream)
        if key not in remembered(events).acceptances:
            raise WrongUse(f'Nothing is accepted under "{key}". What is: omc check weekly --env {environment}')
        eventlog.append(transaction, TYPES, stream, Withdrawn(key, reason), seen=len(events), link=actor.link)

    eventlog.retry_on_conflict(store, actor.name, (TYPES.kind, environment), write)
