"""Addresses of calendars in the event log: making one, revoking it, finding the one that a request names."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from omc.errors import Missing, Refused, WrongUse
from omc.oncall.subscriptions import (
    ID_LENGTH,
    PREFIX,
    SECRET,
    TYPES,
    Created,
    Revoked,
    Subscription,
    digest_of,
    replay,
    stream_of,
)
from omc.store import eventlog
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def create(
    store: Store, actor: str, *, rota: str | None = None, person: str | None = None, maintenance: str | None = None
) -> tuple[Subscription, str]:
    """A new address, and its secret, which is known to nobody but the caller. Whether there is such a rota, person or
    environment the caller has seen to."""
    require_one(rota, person, maintenance)
    secret = PREFIX + secrets.token_urlsafe(32)
    digest = digest_of(secret)
    id_ = digest[:ID_LENGTH]

    def decide(transaction: Transaction) -> Subscription:
        created = Created(digest, rota, person, maintenance)
        event = eventlog.append(transaction, TYPES, stream_of(id_), created, seen=0)
        return Subscription(id_, digest, rota, person, event.by, event.at, maintenance=maintenance)

    return eventlog.retry_on_conflict(store, actor, (TYPES.kind, ""), decide), secret


def require_one(*whose: object) -> None:
    """``WrongUse`` where a calendar would be of none, or of several."""
    if sum(each is not None for each in whose) != 1:
        raise WrongUse("A calendar is a rota's, a person's, or of an environment's maintenance: one of them.")


def revoke(store: Store, id_: str, actor: str, why: str = "") -> Subscription:
    """Have an address lead nowhere from now on."""

    def decide(transaction: Transaction) -> Subscription:
        events = eventlog.read_stream(transaction.session, TYPES, stream_of(id_))
        found = replay(id_, events) if events else None
        if found is None:
            raise Missing(f"There is no calendar address {id_}. See: omc oncall subscriptions")
        if found.revoked_at is not None:
            raise Refused(f"The calendar address {id_} was revoked already, by {found.revoked_by}.")
        event = eventlog.append(transaction, TYPES, stream_of(id_), Revoked(why), seen=len(events))
        return replace(found, revoked_by=event.by, revoked_at=event.at)

    return eventlog.retry_on_conflict(store, actor, (TYPES.kind, ""), decide)


def subscriptions(session: Session) -> list[Subscription]:
    """All that there are and were, the oldest first."""
    streams = eventlog.read_streams(session, TYPES, "")
    found = [replay(stream.id, events) for stream, events in streams.items()]
    return sorted((each for each in found if each is not None), key=lambda each: (each.created_at, each.id))


def find(session: Session, secret: str) -> Subscription | None:
    """The address with this secret; None where there is none, or none any more."""
    if not SECRET.fullmatch(secret):
        return None
    digest = digest_of(secret)
    events = eventlog.read_stream(session, TYPES, stream_of(digest[:ID_LENGTH]))
    found = replay(digest[:ID_LENGTH], events) if events else None
    if found is None or found.revoked_at is not None or not hmac.compare_digest(found.digest, digest):
        return None
    return found
