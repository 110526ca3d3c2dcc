"""Maintenances in the event log: reading them, and appending what happened together with all that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.config import Stack
from omc.errors import Missing
from omc.maintenance.model import TYPES, Maintenance, MaintenanceEvent, MessageFailed, Overran, Payload, apply, replay
from omc.model.maintenance import KIND, stream_of
from omc.model.pages import SHORT, Message, Page
from omc.model.people import Channel, ContactMethod
from omc.store import eventlog
from omc.store.deadlines import clear_deadline, set_deadline
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WAKE = "maintenance"
"""The kind of the deadline at which whoever is alive asks what comes next, by the maintenance's number."""
END = "maintenance end"
"""The kind of the deadline at a window's end, for whoever watches over those who work."""
AT_ONCE = timedelta(0)
AUTOMATIC = "omc"
"""In whose name it is written down that a window has ended, or that a message didn't arrive."""


def events_of(session: Session, environment: str, number: int) -> list[MaintenanceEvent]:
    """``Missing`` where there is no such maintenance."""
    found: list[MaintenanceEvent] = eventlog.read_stream(session, TYPES, stream_of(environment, number))
    if not found:
        raise Missing(f"{environment} has no maintenance {number}. See: omc maintenance status --env {environment}")
    return found


def read(store: Store, environment: str, number: int) -> Maintenance:
    """One maintenance as it is now. ``Missing`` where there is none."""
    with store.reading() as session:
        return replay(environment, number, events_of(session, environment, number))


def of_environment(store: Store, environment: str) -> tuple[Maintenance, ...]:
    """All of them, the newest first."""
    with store.reading() as session:
        streams = eventlog.read_streams(session, TYPES, environment)
    found = [replay(environment, int(stream.id), events) for stream, events in streams.items()]
    return tuple(sorted(found, key=lambda each: -each.number))


def change(
    store: Store,
    environment: str,
    number: int,
    actor: str,
    decide: Callable[[Maintenance, datetime], Payload],
    *,
    link: str | None = None,
    tell: Page | None = None,
) -> Maintenance:
    """A person's decision: read, decided, written; again where somebody else was quicker in between. ``decide`` raises
    where it may not be."""

    def attempt(transaction: Transaction) -> Maintenance:
        found = replay(environment, number, events_of(transaction.session, environment, number))
        payload = decide(found, transaction.at)
        if tell is not None:
            enqueue(transaction, tell)
        return append(transaction, found, payload, link=link)

    return eventlog.retry_on_conflict(store, actor, (KIND, environment), attempt)


def append(
    transaction: Transaction,
    found: Maintenance,
    *payloads: Payload,
    wake: timedelta | None = AT_ONCE,
    link: str | None = None,
) -> Maintenance:
    """Append what happened to the maintenance as it was read: a ``Conflict``, and nothing written, where others did so
    meanwhile. Whoever is alive looks at it after ``wake``."""
    stream, now = stream_of(found.environment, found.number), found
    for payload in payloads:
        event = eventlog.append(transaction, TYPES, stream, payload, seen=now.events, link=link)
        now = apply(now, event)
    subject = str(found.number)
    if now.is_over:
        clear_deadline(transaction, WAKE, found.environment, subject)
        clear_deadline(transaction, END, found.environment, subject)
        return now
    if now.started_at is not None and wake is not None:
        set_deadline(transaction, WAKE, found.environment, subject, transaction.at + wake)
    if now.started_at is not None and found.started_at is None:
        set_deadline(transaction, END, found.environment, subject, max(now.end, transaction.at))
    if any(isinstance(each, Overran) for each in payloads):
        clear_deadline(transaction, END, found.environment, subject)
    return now


def note_undelivered(transaction: Transaction, page: Page, why: str) -> None:
    """Within the transaction that writes down that a page reached nobody: the maintenance that it is of knows it."""
    kind, environment, number, *_ = [*page.key.split(":"), "", ""]
    if kind != KIND or environment != page.environment or not number.isdecimal():
        return
    try:
        events = events_of(transaction.session, environment, int(number))
    except Missing:
        return
    if not any(isinstance(each.payload, MessageFailed) and each.payload.key == page.key for each in events):
        transaction = replace(transaction, actor=AUTOMATIC)  # which of our processes sends is in the outbox
        append(transaction, replay(environment, int(number), events), MessageFailed(page.key, why), wake=None)


def message_to(stack: Stack, found: Maintenance, what: str, sentence: str, lines: Sequence[str] = ()) -> Page | None:
    """A message to the channel that is told of maintenances; None where omc.toml names none. ``what``: which message of
    this one it is; it is sent once."""
    channel = stack.maintenance.channel or stack.channels.general
    if channel is None:
        return None
    short = f"{found.environment}: maintenance {found.number}, {found.title}: {sentence}"
    if len(short) > SHORT:
        short = f"{short[: SHORT - 1]}…"
    key = f"{KIND}:{found.environment}:{found.number}:{what}"
    more = (sentence, *lines) if short.endswith("…") else tuple(lines)
    message = Message(short, (*more, f"omc maintenance status {found.number} --env {found.environment}"))
    methods = (ContactMethod(Channel.SLACK, channel),)
    return Page(key, found.environment, channel, methods, message, is_urgent=False)
