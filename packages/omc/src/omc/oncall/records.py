"""Rotas and contacts in the event log: reading them, adding to them. What events come to is ``omc.oncall.events``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc.errors import Refused, WrongUse
from omc.model.pages import SHORT, Message, Page
from omc.model.people import ContactMethod, Person
from omc.oncall.escalation import World
from omc.oncall.events import (
    CONTACT,
    FILE,
    ROTA,
    CodeRefused,
    CodeSent,
    Configured,
    Confirmed,
    ContactRecord,
    RotaPayload,
    RotaRecord,
    Withdrawn,
    apply_contact,
    apply_rota,
    contact_stream,
    digest_of,
    file_stream,
    judge_code,
    replay_contact,
    replay_rota,
    rota_stream,
)
from omc.oncall.model import Rota
from omc.store import eventlog
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CODE_TTL = timedelta(minutes=15)
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without what is taken for something else when it is read from a telephone."""
CODE_LENGTH = 8


def rota_records(session: Session) -> dict[str, RotaRecord]:
    """Every rota that has events, by its name."""
    streams = eventlog.read_streams(session, ROTA, "")
    return {stream.id: replay_rota(stream.id, events) for stream, events in streams.items()}


def verified_contacts(session: Session) -> dict[str, tuple[str, ...]]:
    """By a person's id the methods that she has confirmed."""
    streams = eventlog.read_streams(session, CONTACT, "")
    return {stream.id: replay_contact(stream.id, events).confirmed for stream, events in streams.items()}


def rotas_of(session: Session, configured: Mapping[str, Rota], at: datetime | None = None) -> dict[str, Rota]:
    """All rotas: those of omc.toml and those that were imported, with their overrides; with ``at``, as the record had
    them then. A rota that stands in omc.toml is that one, whatever was imported under its name."""
    records = rota_records(session)
    if at is not None:
        records = {
            name: replay_rota(name, [event for event in record.events if event.at <= at])
            for name, record in records.items()
        }
    return rotas_with(records, configured)


def rotas_with(records: Mapping[str, RotaRecord], configured: Mapping[str, Rota]) -> dict[str, Rota]:
    """The same of records that were read already."""
    found: dict[str, Rota] = {}
    for name in dict.fromkeys([*configured, *records]):
        record = records.get(name, RotaRecord(name))
        rota = configured.get(name) or record.imported()
        if rota is not None:
            found[name] = record.on(rota)
    return found


def note_configured(
    transaction: Transaction, configured: Mapping[str, Rota], began: datetime
) -> dict[str, tuple[Rota, Rota]]:
    """Write down how the rotas of omc.toml are; of those that were others when that was written last, how they were and
    how they are. ``began``: when this process read its omc.toml; what another one wrote later is of a newer file."""
    changed: dict[str, tuple[Rota, Rota]] = {}
    streams = eventlog.read_streams(transaction.session, FILE, "")
    noted = {stream.id: events for stream, events in streams.items()}
    for name in sorted({*configured, *noted}):
        events = noted.get(name, [])
        last = events[-1] if events else None
        was = last.payload.rota if last is not None and isinstance(last.payload, Configured) else None
        now = configured.get(name)
        if was == now or (last is not None and last.at > began):
            continue
        eventlog.append(transaction, FILE, file_stream(name), Configured(now), seen=len(events))
        if last is not None:
            zone = (was or now or Rota(name, "UTC")).zone
            none = Rota(name, zone)
            changed[name] = (was or none, replace(now or none, changed_at=transaction.at))
    return changed


def read_world(
    location: StoreLocation, configured: Mapping[str, Rota], persons: Mapping[str, Person]
) -> tuple[World, dict[str, RotaRecord]]:
    """All rotas with their overrides, who has confirmed what, and each rota's events. Where nothing was ever kept:
    omc.toml alone."""
    if not location.exists:
        return World(configured, persons), {}
    with open_store(location) as store, store.reading() as session:
        return World(rotas_of(session, configured), persons, verified_contacts(session)), rota_records(session)


def add_to_rota(
    store: Store,
    name: str,
    actor: str,
    decide: Callable[[Session, RotaRecord], RotaPayload],
    link: str | None = None,
) -> RotaRecord:
    """Add an event that is decided on what the rota is just now; what it comes to then. What ``decide`` or the event
    itself refuses isn't recorded."""

    def append(transaction: Transaction) -> RotaRecord:
        stream = rota_stream(name)
        before = replay_rota(name, eventlog.read_stream(transaction.session, ROTA, stream))
        payload = decide(transaction.session, before)
        return apply_rota(
            before, eventlog.append(transaction, ROTA, stream, payload, seen=len(before.events), link=link)
        )

    return eventlog.retry_on_conflict(store, actor, (ROTA.kind, ""), append)


def send_code(
    store: Store, person: Person, method: ContactMethod, environment: str, actor: str, link: str | None = None
) -> CodeSent:
    """Have a code sent to a contact method, by a page that is asked for in the same transaction."""
    code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    salt = secrets.token_hex(8)

    def decide(transaction: Transaction) -> CodeSent:
        stream = contact_stream(person.id)
        seen = eventlog.last_sequence(transaction.session, stream)
        sent = CodeSent(str(method), salt, digest_of(code, salt), transaction.at + CODE_TTL)
        eventlog.append(transaction, CONTACT, stream, sent, seen=seen, link=link)
        enqueue(transaction, _code_page(person, method, environment, code, seen + 1))
        return sent

    return eventlog.retry_on_conflict(store, actor, (CONTACT.kind, ""), decide)


def send_test(store: Store, person: Person, environment: str, actor: str) -> datetime:
    """Have a test page sent to a person; when it was asked for. A second one within the same second is the first."""
    with store.transaction(actor) as transaction:
        key = f"notice:test:{environment}:{person.id}:{transaction.at:%Y%m%dt%H%M%S}"
        message = Message(
            f"omc: a test page to {person.id}, asked for by {actor}. Nothing is wrong."[:SHORT],
            ("If it should have woken you up and didn't, see what your telephone does to it at night.",),
        )
        enqueue(transaction, Page(key, environment, person.id, person.contacts, message))
        return transaction.at


def _code_page(person: Person, method: ContactMethod, environment: str, code: str, number: int) -> Page:
    shown = f"{code[:4]}-{code[4:]}"
    minutes = int(CODE_TTL.total_seconds()) // 60
    message = Message(
        f"omc: to confirm that pages reach you here, enter {shown} within {minutes} minutes.",
        (f"omc oncall verify {person.id} {method} --code {shown} --env {environment}",),
    )
    key = f"notice:verify:{person.id}:{number}"
    return Page(key, environment, person.id, (method,), message, is_urgent=False)


def enter_code(store: Store, person: str, method: str, code: str, actor: str, link: str | None = None) -> ContactRecord:
    """Enter a code. ``Refused`` where it is wrong, which is recorded, or where none can be entered."""

    def decide(transaction: Transaction) -> tuple[ContactRecord, Confirmed | CodeRefused]:
        before = _contact(transaction.session, person)
        outcome = judge_code(before, method, code, transaction.at)
        stream = contact_stream(person)
        event = eventlog.append(transaction, CONTACT, stream, outcome, seen=before.count, link=link)
        return apply_contact(before, event), outcome

    record, outcome = eventlog.retry_on_conflict(store, actor, (CONTACT.kind, ""), decide)
    if isinstance(outcome, CodeRefused):
        raise Refused(f"That isn't the code that was sent to {method}. It stays unconfirmed.")
    return record


def withdraw(store: Store, person: str, method: str, reason: str, actor: str, link: str | None = None) -> ContactRecord:
    """Have a method count as unconfirmed. ``WrongUse`` where it isn't confirmed."""

    def decide(transaction: Transaction) -> ContactRecord:
        before = _contact(transaction.session, person)
        if method not in before.confirmed:
            raise WrongUse(f"{method} of {person} isn't confirmed; nothing was recorded.")
        stream = contact_stream(person)
        event = eventlog.append(transaction, CONTACT, stream, Withdrawn(method, reason), seen=before.count, link=link)
        return apply_contact(before, event)

    return eventlog.retry_on_conflict(store, actor, (CONTACT.kind, ""), decide)


def _contact(session: Session, person: str) -> ContactRecord:
    return replay_contact(person, eventlog.read_stream(session, CONTACT, contact_stream(person)))
