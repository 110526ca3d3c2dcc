"""What can happen to a rota and to a person's contacts, and what that comes to. Pure; the events are kept by
``omc.store.eventlog``, through ``omc.oncall.records``.

An override, an import and a confirmation are undone by a further event; nothing is ever edited.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from omc.errors import Refused, WrongUse
from omc.model.events import Event, EventTypes, Stream, UnknownEvent
from omc.oncall.model import Group, Override, Rota

MAX_ATTEMPTS = 5
"""How often a code may be entered wrongly before it counts no more."""


@dataclass(frozen=True, slots=True)
class OverrideAdded:
    """Somebody else for a while. Its number in the stream is the override's id."""

    begin: datetime
    end: datetime
    people: Group
    instead_of: str | None = None
    layers: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """A rota took the place of what was imported under this name before."""

    rota: Rota
    source: str
    """What it was read from: ``pagerduty schedules.json``."""


@dataclass(frozen=True, slots=True)
class Undone:
    """An earlier event counts no more."""

    number: int
    """Which one: its place in the stream, from 1."""
    reason: str = ""


RotaPayload: TypeAlias = OverrideAdded | Imported | Undone
RotaEvent: TypeAlias = Event[RotaPayload | UnknownEvent]
ROTA = EventTypes("rota", {"override added": OverrideAdded, "imported": Imported, "undone": Undone})


@dataclass(frozen=True, slots=True)
class Configured:
    """A responder began to work by an omc.toml in which the rota is another one than before."""

    rota: Rota | None
    """None: it doesn't stand there any more."""


FILE = EventTypes("rota of omc.toml", {"configured": Configured})


def file_stream(name: str) -> Stream:
    """Where it is kept how a rota stood in omc.toml: so people can be told what a change of the file moves."""
    return Stream(FILE.kind, "", name)


def rota_stream(name: str) -> Stream:
    """Where a rota's events are. A rota is the people's, so it belongs to all environments."""
    return Stream(ROTA.kind, "", name)


@dataclass(frozen=True, slots=True)
class RotaRecord:
    """What a rota's events come to."""

    name: str
    events: tuple[RotaEvent, ...] = ()
    overrides: tuple[Override, ...] = ()
    """Also those that were undone."""
    imports: tuple[int, ...] = ()
    """The numbers of the imports that count, the last one being in force."""
    undone: tuple[int, ...] = ()

    def imported(self) -> Rota | None:
        """The rota that was imported last and not undone; None where none is."""
        if not self.imports:
            return None
        event = self.events[self.imports[-1] - 1]
        if not isinstance(event.payload, Imported):
            return None
        return replace(event.payload.rota, name=self.name, changed_at=max(each.at for each in self._about_imports()))

    def _about_imports(self) -> list[RotaEvent]:
        """The events that changed which import is in force."""
        found = []
        for event in self.events:
            target = self.events[event.payload.number - 1] if isinstance(event.payload, Undone) else event
            if isinstance(target.payload, Imported):
                found.append(event)
        return found

    def on(self, rota: Rota) -> Rota:
        """A rota with the overrides of the record on top of its own."""
        return replace(rota, overrides=(*rota.overrides, *self.overrides))


def replay_rota(name: str, events: Iterable[RotaEvent]) -> RotaRecord:
    """What a whole series of events comes to."""
    record = RotaRecord(name)
    for event in events:
        record = apply_rota(record, event)
    return record


def apply_rota(record: RotaRecord, event: RotaEvent) -> RotaRecord:
    """The record after one more event. ``Refused`` or ``WrongUse`` where it may not follow on those before."""
    number = len(record.events) + 1
    after = replace(record, events=(*record.events, event))
    payload = event.payload
    if isinstance(payload, OverrideAdded):
        if payload.end <= payload.begin:
            raise WrongUse("Nothing was recorded: the override ends before it begins.")
        if not payload.people:
            raise WrongUse("Nothing was recorded: the override names nobody.")
        override = Override(
            str(number),
            payload.begin,
            payload.end,
            payload.people,
            payload.instead_of,
            payload.layers,
            payload.reason,
            event.by,
            event.at,
        )
        return replace(after, overrides=(*record.overrides, override))
    if isinstance(payload, Imported):
        return replace(after, imports=(*record.imports, number))
    if isinstance(payload, Undone):
        return _undone(record, after, payload.number, event.at)
    return after


def _undone(record: RotaRecord, after: RotaRecord, number: int, at: datetime) -> RotaRecord:
    if not 1 <= number <= len(record.events):
        raise WrongUse(f"{record.name} has no event {number}. See: omc oncall schedule {record.name}")
    if number in record.undone:
        raise Refused(f"Event {number} of {record.name} was undone already; nothing was recorded.")
    payload = record.events[number - 1].payload
    if isinstance(payload, Undone | UnknownEvent):
        raise Refused(f"Event {number} of {record.name} can't be undone: record what you want instead.")
    after = replace(after, undone=(*record.undone, number), imports=tuple(n for n in record.imports if n != number))
    overrides = tuple(replace(each, undone_at=at) if each.id == str(number) else each for each in record.overrides)
    return replace(after, overrides=overrides)


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code is on its way to a contact method, to be entered by its owner."""

    method: str
    """As in omc.toml: ``sms:+61400000000``."""
    salt: str
    digest: str
    """Of the code, with the salt: who reads the record can't confirm with it."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeRefused:
    """Somebody entered a wrong code."""

    method: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The right code was entered: the method reaches her."""

    method: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A method counts as unconfirmed again: messages to it come back, or its owner said so."""

    method: str
    reason: str


ContactPayload: TypeAlias = CodeSent | CodeRefused | Confirmed | Withdrawn
ContactEvent: TypeAlias = Event[ContactPayload | UnknownEvent]
CONTACT = EventTypes(
    "contact", {"code sent": CodeSent, "code refused": CodeRefused, "confirmed": Confirmed, "withdrawn": Withdrawn}
)


def contact_stream(person: str) -> Stream:
    """Where the events of a person's contacts are."""
    return Stream(CONTACT.kind, "", person)


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """What the events of a person's contacts come to."""

    person: str
    count: int = 0
    """Of its events."""
    confirmed: tuple[str, ...] = ()
    """Methods as in omc.toml, in the order in which they were confirmed."""
    pending: tuple[CodeSent, ...] = ()
    """The last code of each method that waits to be entered."""
    attempts: tuple[str, ...] = field(default=())
    """A method for each wrong code since its last one was sent."""

    def pending_code(self, method: str) -> CodeSent | None:
        return next((each for each in self.pending if each.method == method), None)


def replay_contact(person: str, events: Iterable[ContactEvent]) -> ContactRecord:
    """What a whole series of events comes to."""
    record = ContactRecord(person)
    for event in events:
        record = apply_contact(record, event)
    return record


def apply_contact(record: ContactRecord, event: ContactEvent) -> ContactRecord:
    """The record after one more event."""
    payload = event.payload
    after = replace(record, count=record.count + 1)
    if isinstance(payload, UnknownEvent):
        return after
    method = payload.method
    others = tuple(each for each in record.pending if each.method != method)
    attempts = tuple(each for each in record.attempts if each != method)
    if isinstance(payload, CodeSent):
        return replace(after, pending=(*others, payload), attempts=attempts)
    if isinstance(payload, CodeRefused):
        return replace(after, attempts=(*record.attempts, method))
    kept = tuple(each for each in record.confirmed if each != method)
    confirmed = (*kept, method) if isinstance(payload, Confirmed) else kept
    return replace(after, confirmed=confirmed, pending=others, attempts=attempts)


def judge_code(record: ContactRecord, method: str, code: str, now: datetime) -> Confirmed | CodeRefused:
    """What an entered code comes to. ``Refused`` where no code can be entered: then nothing is recorded."""
    sent = record.pending_code(method)
    again = f"omc oncall verify {record.person} {method}"
    if sent is None:
        raise Refused(f"No code was sent to {method}. Have one sent: {again}")
    if sent.expires_at <= now:
        raise Refused(f"The code that was sent to {method} has expired. Have another one sent: {again}")
    if record.attempts.count(method) >= MAX_ATTEMPTS:
        raise Refused(f"{MAX_ATTEMPTS} wrong codes were entered for {method}. Have another one sent: {again}")
    is_right = hmac.compare_digest(sent.digest, digest_of(code, sent.salt))
    return Confirmed(method) if is_right else CodeRefused(method)


def digest_of(code: str, salt: str) -> str:
    """Of a code as people type it: capitals, blanks and hyphens make no difference."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(f"{salt}:{plain}".encode()).hexdigest()
