"""Doors in the event log, and the channel that hears of those of production: in the transaction of what caused it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from omc.config import Environment, Stack
from omc.engine.actors import Actor
from omc.model.events import EventTypes
from omc.model.pages import SHORT, Message, Page
from omc.model.people import Channel, ContactMethod
from omc.sessions.model import (
    TYPES,
    DoorRecord,
    DoorRequest,
    Ended,
    Payload,
    Refused,
    replay,
    stream_of,
)
from omc.store import eventlog
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes down what becomes of one door."""

    stack: Stack
    environment: Environment
    store: Store
    actor: Actor
    id: str

    def write(self, payload: Payload) -> None:
        """Append an event; the channel is told of a beginning and an end where the environment is guarded."""
        stream = stream_of(self.environment.name, self.id)

        def append(transaction: Transaction) -> None:
            seen = eventlog.last_sequence(transaction.session, stream)
            eventlog.append(transaction, TYPES, stream, payload, seen=seen, link=self.actor.link)
            if self.environment.is_guarded and isinstance(payload, DoorRequest | Refused | Ended):
                request = payload if isinstance(payload, DoorRequest) else self._asked(transaction)
                if self.stack.channels.general is not None:
                    enqueue(transaction, self._page(payload, request, self.stack.channels.general))

        eventlog.retry_on_conflict(self.store, self.actor.name, (TYPES.kind, self.environment.name), append)

    def _asked(self, transaction: Transaction) -> DoorRequest:
        events = eventlog.read_stream(transaction.session, TYPES, stream_of(self.environment.name, self.id))
        found = replay(self.id, events)
        assert found is not None  # an end follows a beginning  # noqa: S101
        return found.request

    def _page(self, payload: DoorRequest | Refused | Ended, request: DoorRequest, channel: str) -> Page:
        environment = self.environment.name
        writes = " to write" if request.writes else ""
        if isinstance(payload, DoorRequest):
            text = f"{environment}: {self.actor.name} opens {request.door} to {request.place}{writes}: {payload.reason}"
            lines = (
                f"Task {request.task}, container {request.container}.",
                *([f"Runs: {request.what}"] if request.what else []),
            )
            step = "opened"
        elif isinstance(payload, Refused):
            text = f"{environment}: {request.door} of {self.actor.name} to {request.place} stayed closed"
            lines, step = (payload.why,), "refused"
        else:
            text = f"{environment}: {request.door} of {self.actor.name} to {request.place} has ended: {payload.how}"
            lines, step = (), "ended"
        return Page(
            key=f"door:{environment}:{self.id}:{step}",
            environment=environment,
            recipient=channel,
            methods=(ContactMethod(Channel.SLACK, channel),),
            message=Message(short=text[:SHORT], lines=lines),
            is_urgent=False,
        )


@contextmanager
def recording(
    stack: Stack, environment: Environment, place: StoreLocation, actor: Actor, request: DoorRequest
) -> Iterator[Recorder]:
    """Write down that a door is asked for, before it is, and keep the store open for what becomes of it."""
    with open_store(place) as store:
        recorder = Recorder(stack, environment, store, actor, secrets.token_hex(6))
        recorder.write(request)
        yield recorder


def doors_of(store: Store, environment: str) -> list[DoorRecord]:
    """Every door that was asked for, the newest first."""
    types: EventTypes = TYPES
    with store.reading() as session:
        streams = eventlog.read_streams(session, types, environment)
        found = [replay(stream.id, events) for stream, events in streams.items()]
    return sorted((each for each in found if each), key=lambda each: each.at, reverse=True)
