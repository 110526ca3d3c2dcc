"""Addresses at which a calendar is read: of one rota, of one person in all rotas, or of an environment's maintenance.

A calendar program subscribes to one, and can bring no token in a header. So each address has a secret of its own, which
reads this one calendar and nothing else, is kept as its SHA-256 alone, and is worth nothing once it is revoked. Pure;
the store's part is ``omc.oncall.subscribing``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent

PREFIX = "omc_cal_"
SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
"""32 random bytes; as of an API token, all that omc prints or keeps masks it."""
ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Created:
    """An address was made, of a rota, of a person or of an environment's maintenance."""

    digest: str
    rota: str | None = None
    person: str | None = None
    maintenance: str | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """It leads nowhere from now on."""

    why: str = ""


Payload: TypeAlias = Created | Revoked
SubscriptionEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("calendar address", {"created": Created, "revoked": Revoked})


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address as it is after its events; its secret is kept nowhere."""

    id: str
    """The beginning of the secret's digest."""
    digest: str
    rota: str | None
    person: str | None
    created_by: str
    created_at: datetime
    revoked_by: str | None = None
    revoked_at: datetime | None = None
    maintenance: str | None = None
    """An environment's name."""

    @property
    def whose(self) -> str:
        if self.maintenance:
            return f"the maintenance of {self.maintenance}"
        return f"the rota {self.rota}" if self.rota else f"the shifts of {self.person}"


def replay(id_: str, events: Iterable[SubscriptionEvent]) -> Subscription | None:
    """What its events come to; None where this omc can't read the first."""
    first, *rest = events
    payload = first.payload
    if not isinstance(payload, Created):
        return None
    found = Subscription(
        id_, payload.digest, payload.rota, payload.person, first.by, first.at, maintenance=payload.maintenance
    )
    for event in rest:  # one of a newer omc, too: what might be worth nothing is worth nothing here
        if found.revoked_at is None:
            found = replace(found, revoked_by=event.by, revoked_at=event.at)
    return found


def stream_of(id_: str) -> Stream:
    return Stream(TYPES.kind, "", id_)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
